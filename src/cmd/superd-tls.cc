// SPDX-License-Identifier: MIT
// superd-tls: what superd and superctl need OpenSSL for, beside the connections. See
// superd-tls(8).
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <getopt.h>
#include <unistd.h>

#include "base/text.h"
#include "config/tls_findings.h"
#include "tls/check.h"
#include "tls/probe.h"

#include "config.h"

namespace {

using Json = nlohmann::ordered_json;

constexpr int usage_error = 2;
// Nobody waits for it for ever: a file system or a server may hang.
constexpr unsigned patience = 60;  // s
constexpr int step_patience = 10;

struct Options {
    bool json = false;
    std::vector<std::string> alpn;
    std::string trust, target;
};

std::string read_input() {
    std::string bytes;
    char room[4096];
    for (ssize_t n = 0; (n = ::read(0, room, sizeof room)) > 0;)
        bytes.append(room, static_cast<std::size_t>(n));
    return bytes;
}

int print(const std::string& text) {
    return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() ? 0 : 1;
}

// Names are of strangers: what JSON does not take is replaced.
int print_json(const Json& json) {
    return print(json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

std::optional<std::vector<superd::TlsPlan>> read_profiles() {
    auto profiles = superd::decode_tls_profiles(read_input());
    if (!profiles)
        std::fputs("superd-tls: superd and superctl say on standard input what it is about\n",
                stderr);
    return profiles;
}

// superd asks about the profiles of a file.
int check() {
    const auto profiles = read_profiles();
    if (!profiles) return usage_error;
    return print(superd::encode_tls_findings(superd::check_tls_profiles(*profiles)));
}

// superctl tls ciphers: of one profile.
int ciphers(const Options& options) {
    const auto profiles = read_profiles();
    if (!profiles || profiles->size() != 1) return usage_error;
    Json list = Json::array();
    std::string text = fmt::format(
            "{:<32} {:<8} {:>4}  {:<3}  {}\n", "CIPHER", "VERSION", "BITS", "PFS", "AEAD");
    for (const superd::TlsCipher& one : superd::tls_ciphers(profiles->front())) {
        const auto yes = [](bool value) {
            return value ? "yes" : "no";
        };
        list.push_back({{"name", one.name}, {"version", one.version}, {"bits", one.bits},
                {"forward_secrecy", one.forward_secrecy}, {"authenticated", one.authenticated}});
        text += fmt::format("{:<32} {:<8} {:>4}  {:<3}  {}\n", one.name, one.version, one.bits,
                yes(one.forward_secrecy), yes(one.authenticated));
    }
    if (list.empty()) {
        std::fputs("superd-tls: the profile's words cannot be used; superctl check says why\n",
                stderr);
        return 1;
    }
    return options.json ? print_json({{"version", 1}, {"ciphers", list}}) : print(text);
}

// ---- probe

Json json_of(const superd::TlsPeer& peer) {
    return {{"subject", peer.subject}, {"issuer", peer.issuer}, {"names", peer.names},
            {"not_after", peer.not_after}, {"hash", peer.hash}};
}

std::string text_of(const superd::TlsProbe& probe) {
    std::string text;
    const auto line = [&text](std::string_view name, std::string_view value) {
        if (!value.empty()) text += fmt::format("{:<12} {}\n", name, superd::escape(value));
    };
    line("protocol", probe.facts.protocol);
    line("cipher", fmt::format("{}, {} bits", probe.facts.cipher, probe.facts.bits));
    line("group", probe.group);
    line("alpn", probe.facts.alpn);
    line("sni", probe.facts.server_name);
    for (std::size_t i = 0; i < probe.chain.size(); ++i) {
        const superd::TlsPeer& one = probe.chain[i];
        line(fmt::format("certificate {}", i), one.subject);
        line("  issuer", one.issuer);
        line("  names", one.names);
        line("  not after", one.not_after);
        line("  hash", one.hash);
    }
    line("verdict", probe.verdict);
    return text;
}

int probe(const Options& options) {
    const std::size_t colon = options.target.rfind(':');
    if (colon == std::string::npos || colon == 0) {
        std::fputs("superd-tls: write HOST:PORT, or [ADDRESS]:PORT\n", stderr);
        return usage_error;
    }
    std::string host = options.target.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    const auto probe = superd::probe_tls(
            host, options.target.substr(colon + 1), options.alpn, options.trust, step_patience);
    if (!probe.error.empty()) {
        std::fprintf(stderr, "%s: %s\n", options.target.c_str(), probe.error.c_str());
        return 1;
    }
    if (!options.json) {
        const int printed = print(text_of(probe));
        return probe.good ? printed : 1;
    }
    Json chain = Json::array();
    for (const superd::TlsPeer& one : probe.chain)
        chain.push_back(json_of(one));
    const int printed = print_json({{"version", 1}, {"protocol", probe.facts.protocol},
            {"cipher", probe.facts.cipher}, {"bits", probe.facts.bits}, {"group", probe.group},
            {"alpn", probe.facts.alpn}, {"chain", chain}, {"verdict", probe.verdict},
            {"good", probe.good}});
    return probe.good ? printed : 1;
}

std::optional<Options> parse_options(int argc, char** argv) {
    static constexpr option table[] = {{"json", no_argument, nullptr, 'j'},
            {"alpn", required_argument, nullptr, 'a'}, {"trust", required_argument, nullptr, 't'},
            {nullptr, 0, nullptr, 0}};
    Options options;
    for (int c = 0; (c = ::getopt_long(argc, argv, "", table, nullptr)) != -1;) {
        switch (c) {
            case 'j': options.json = true; break;
            case 'a': options.alpn.emplace_back(optarg); break;
            case 't': options.trust = optarg; break;
            default: return std::nullopt;
        }
    }
    if (optind < argc) options.target = argv[optind++];
    if (optind < argc) return std::nullopt;
    return options;
}

}  // namespace

int main(int argc, char** argv) {
    ::alarm(patience);
    const std::string_view verb = argc > 1 ? argv[1] : "";
    if (verb == "-V" || verb == "--version") {
        std::printf("superd-tls %s\n", PACKAGE_VERSION);
        return 0;
    }
    const auto options = argc > 1 ? parse_options(argc - 1, argv + 1) : std::nullopt;
    if (options && verb == "check") return check();
    if (options && verb == "ciphers") return ciphers(*options);
    if (options && verb == "probe") return probe(*options);
    std::fputs("usage: superd-tls check | ciphers | probe [--alpn NAME] [--trust FILE] HOST:PORT\n",
            stderr);
    return usage_error;
}
