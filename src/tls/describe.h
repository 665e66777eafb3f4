// SPDX-License-Identifier: MIT
// Sessions and certificates in words; for the sources of this folder alone.
#pragma once

#include "tls/facts.h"
#include "tls/openssl.h"

namespace superd {

[[nodiscard]] TlsPeer describe_certificate(const X509* certificate);
// After its handshake.
[[nodiscard]] TlsFacts describe_session(const SSL* ssl);

}  // namespace superd
