// SPDX-License-Identifier: MIT
// The header of the PROXY protocol (haproxy's proxy-protocol.txt), which tells a server behind
// a relay who its client is.
#pragma once

#include <string>

#include "base/address.h"
#include "config/plan.h"

namespace superd {

// What goes before the first byte; empty for SendProxy::no. An endpoint without an IP address
// is said to be unknown (version 1) or local (version 2).
[[nodiscard]] std::string make_proxy_header(
        SendProxy version, const Endpoint& client, const Endpoint& local);

}  // namespace superd
