// SPDX-License-Identifier: MIT
// Headers of the PROXY protocol, from whoever sends one. Reading more of the same bytes changes
// no verdict, nothing behind a header changes it, and what is accepted is written and reads
// back.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "relay/proxy_header.h"

using namespace superd;

namespace {

using State = ProxySeen::State;

void must(bool holds) {
    if (!holds) std::abort();
}

bool is_printable(std::string_view text) {
    return std::all_of(text.begin(), text.end(),
            [](char c) { return static_cast<unsigned char>(c) >= ' ' && c != 0x7f; });
}

void check_bounds(const ProxyFacts& facts) {
    must(facts.alpn.size() <= proxy_word_limit && is_printable(facts.alpn));
    must(facts.authority.size() <= proxy_name_limit && is_printable(facts.authority));
    must(facts.unique_id.size() <= proxy_id_limit);
    if (!facts.tls) return;
    must(facts.tls->name.size() <= proxy_name_limit && is_printable(facts.tls->name));
    for (const std::string* word :
            {&facts.tls->version, &facts.tls->cipher, &facts.tls->signature, &facts.tls->key})
        must(word->size() <= proxy_word_limit && is_printable(*word));
}

void check_again(const ProxyFacts& facts) {
    if (facts.version == 1) {
        const std::string line =
                make_proxy_header(SendProxy::v1, facts.client, facts.destination);
        const ProxySeen seen = read_proxy_header(line, proxy_v1);
        must(seen.state == State::complete && seen.size == line.size() && seen.facts == facts);
        return;
    }
    const std::string bytes = make_proxy_header(facts);
    const ProxySeen seen = read_proxy_header(bytes, proxy_v2);
    must(seen.state == State::complete && seen.size == bytes.size() && seen.facts == facts);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const ProxySeen seen = read_proxy_header(bytes, proxy_any);
    must(seen.size <= size);
    must((seen.state == State::refused) == (seen.fault != ProxyFault::none));
    if (seen.state != State::incomplete) {
        const ProxySeen more = read_proxy_header(std::string(bytes) + "tail", proxy_any);
        must(more.state == seen.state && more.size == seen.size && more.fault == seen.fault);
    }
    if (seen.state != State::complete) return 0;
    must(read_proxy_header(bytes.substr(0, seen.size - 1), proxy_any).state ==
            State::incomplete);
    check_bounds(seen.facts);
    check_again(seen.facts);
    return 0;
}
