// SPDX-License-Identifier: MIT
// What a TLS server shows of itself to a client: for superctl tls probe.
#pragma once

#include <string>
#include <vector>

#include "tls/facts.h"

namespace superd {

struct TlsProbe {
    std::string error;  // empty: the handshake was complete
    TlsFacts facts;     // its peer is the server
    std::string group;  // "X25519", of the exchange of keys; empty: unknown
    std::vector<TlsPeer> chain;  // as the server sent it
    std::string verdict;         // "ok", or what is wrong with the chain or the name
    bool good = false;
};

// host: a name or an address. Looks names up and connects: it may wait, `seconds` at most for
// each step. alpn: what to ask for; trust: a file with certificates to believe beside the
// system's; empty: none.
[[nodiscard]] TlsProbe probe_tls(const std::string& host, const std::string& port,
        const std::vector<std::string>& alpn, const std::string& trust, int seconds);

}  // namespace superd
