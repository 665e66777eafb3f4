// SPDX-License-Identifier: MIT
// Real inetd.conf files: how many services each has, which are active, which lines are refused,
// and that superd takes what is written.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/import_write.h"
#include "config/resolve.h"

#include "support/catch.h"
#include "support/import_host.h"
#include "support/import_text.h"
#include "support/skip.h"

namespace superd::test {

namespace {

namespace fs = std::filesystem;
using D = InetdDialect;

// A host with every service, program and user, but for placeholders.
class SampleHost final : public FakeImportHost {
public:
    bool user_exists(const std::string& name) override { return !name.starts_with('@'); }

    bool group_exists(const std::string&) override { return true; }

    std::optional<std::uint16_t> port_of(
            const std::string& service, const std::string& protocol) override {
        if (const auto known = FakeImportHost::port_of(service, protocol)) return known;
        const auto [made, fresh] =
                made_.try_emplace(service, static_cast<std::uint16_t>(20000 + made_.size()));
        static_cast<void>(fresh);
        return made->second;
    }

    std::optional<std::uint32_t> rpc_number_of(const std::string&) override { return 100001; }

private:
    std::map<std::string, std::uint16_t> made_;
};

class AnyNames final : public NameService {
protected:
    std::optional<UserEntry> ask_user(const std::string& name) override {
        if (name.starts_with('@')) return std::nullopt;
        return UserEntry{1, 1, name, "/", ""};
    }

    std::optional<std::uint32_t> ask_group(const std::string&) override { return 1; }

    std::vector<std::uint32_t> ask_groups(const std::string&, std::uint32_t gid) override {
        return {gid};
    }

    std::optional<std::uint16_t> ask_port(const std::string&, const char*) override {
        return std::nullopt;
    }

    std::optional<std::uint32_t> ask_rpc_program(const std::string&) override { return 100001; }
};

std::string errors_of(const std::string& text) {
    Diagnostics diagnostics;
    Document document;
    document.files.push_back(
            {"superd.toml", {}, parse_toml(text, 0, "superd.toml", diagnostics)});
    if (document.files.front().root == nullptr) return render(diagnostics);
    ReadOptions options;
    options.path = "superd.toml";
    options.root = true;
    AnyNames names;
    static_cast<void>(resolve_document(document, options, names, diagnostics));
    return diagnostics.has_errors() ? render(diagnostics) : "";
}

// active: those that inetd would run, before superd has looked at what it has itself.
struct Verdict {
    const char* file;
    D dialect;
    std::size_t services, active;
    const char* refused;  // lines
};

constexpr Verdict verdicts[] = {{"01", D::openbsd, 6, 6, ""}, {"03", D::busybox, 2, 2, ""},
        {"05", D::openbsd, 0, 0, "1 2 3 4"}, {"07", D::openbsd, 7, 7, ""},
        {"09", D::openbsd, 1, 0, ""}, {"13", D::openbsd, 0, 0, ""},
        {"15", D::openbsd, 0, 0, ""}, {"17", D::openbsd, 1, 0, ""},
        {"19", D::openbsd, 1, 1, ""},
        // A line that waits is two services, one for each family.
        {"21", D::openbsd, 17, 17, ""},
        // OpenBSD's inetd has no tcpmux.
        {"23", D::openbsd, 27, 26, ""}, {"23", D::netbsd, 24, 24, ""},
        {"25", D::openbsd, 1, 0, ""},
        // No path before the program, and two of them let nobody in.
        {"29", D::netbsd, 6, 0, ""}, {"31", D::freebsd, 12, 12, ""}};

fs::path samples() {
    const char* named = std::getenv("SUPERD_SAMPLES");
    return fs::path(named != nullptr ? named : "../shared/samples") / "inetd.conf";
}

}  // namespace

TEST_CASE(
        "inetd: real configurations come to what their inetd made of them", "[import][inetd]") {
    if (!fs::is_directory(samples())) {
        skip("no samples in " + samples().string());
        return;
    }
    for (const Verdict& verdict : verdicts) {
        CAPTURE(verdict.file);
        std::ifstream in(samples() / verdict.file);
        SampleHost host;
        std::ostringstream text;
        text << in.rdbuf();
        host.files["/etc/inetd.conf"] = text.str();
        REQUIRE_FALSE(host.files["/etc/inetd.conf"].empty());
        if (std::string_view(verdict.file) == "29")
            host.missing_programs.insert("/test_server");
        Import import = import_inetd("/etc/inetd.conf", verdict.dialect, host);
        std::size_t active = 0;
        for (const ImportService& service : import.services)
            active += service.disabled.empty() ? 1u : 0u;
        CHECK(import.services.size() == verdict.services);
        CHECK(active == verdict.active);
        CHECK(error_lines(import) == verdict.refused);
        settle_import(import, host);
        CHECK(errors_of(write_import(import, false).front().text).empty());
    }
}

TEST_CASE("inetd: what is imported of every form is taken by superd", "[import][inetd]") {
    SampleHost host;
    host.files["/etc/inetd.conf"] =
            "ftp stream tcp nowait root /usr/sbin/tcpd in.ftpd -l\n"
            "rstatd/1-3 dgram rpc/udp wait root /r r\n"
            "tcpmux/+who stream tcp nowait nobody /w w\n"
            "tcpmux/who2 stream tcp nowait nobody /w w\n"
            "echo stream tcp nowait root internal\n"
            "/run/x.sock stream unix nowait root:staff /x x\n"
            "10.0.0.1,::1:telnet stream tcp,sndbuf=64k nowait.7 root /t t \"\\\n"
            "auth stream tcp wait ghost /i i\n"
            "tftp dgram udp wait root /t t\n"
            "tftp dgram udp nowait root /u u\n"
            "70000 stream tcp nowait root /u u\n";
    for (const D dialect : {D::openbsd, D::netbsd, D::freebsd, D::gnu, D::busybox}) {
        Import import = import_inetd("/etc/inetd.conf", dialect, host);
        settle_import(import, host);
        CHECK(errors_of(write_import(import, false).front().text).empty());
    }
}

TEST_CASE("systemd: what is imported is taken by superd", "[import][systemd]") {
    SampleHost host;
    host.files["/u/a.socket"] =
            "[Socket]\nListenStream=/run/a\nSocketMode=0600\nKeepAlive=yes\n"
            "ListenStream=2000\nIPAddressDeny=any\nIPAddressAllow=10.0.0.0/8\n"
            "SELinuxContextFromNet=yes\nTriggerLimitBurst=9\n";
    host.files["/u/a.service"] =
            "[Unit]\nDescription=A\n[Service]\nType=notify\nUser=@ghost@\n"
            "ExecStart=/bin/a $X\nEnvironment=\"X=a b\" Y=\n"
            "LimitNOFILE=10:20\nPrivateTmp=yes\nStandardError=null\n";
    host.files["/u/b.socket"] =
            "[Socket]\nListenStream=2001\nAccept=yes\nMaxConnections=3\n"
            "ListenNetlink=x\nNoDelay=yes\n";
    host.files["/u/b@.service"] =
            "[Service]\nExecStart=b %i\nStandardInput=socket\nStandardOutput=journal\n"
            "SupplementaryGroups=staff\nRuntimeDirectory=b\nTimeoutStopSec=0\n";
    Import import = import_systemd({"/u/a.socket", "/u/b.socket", "/u/c.socket"}, host);
    CHECK(import.services.size() == 2);
    settle_import(import, host);
    const std::string text = write_import(import, false).front().text;
    CAPTURE(text);
    CHECK(errors_of(text).empty());
}

}  // namespace superd::test
