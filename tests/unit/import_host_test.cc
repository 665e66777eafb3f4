// SPDX-License-Identifier: MIT
// What readers of foreign configurations see of the host: files that are none, folders, users.
#include "config/import_host.h"

#include <cerrno>
#include <filesystem>
#include <fstream>

#include <sys/stat.h>
#include <unistd.h>

#include "support/catch.h"
#include "support/sockets.h"

using namespace superd;

namespace {

void write(const std::string& path, const std::string& text, mode_t mode = 0644) {
    std::ofstream(path) << text;
    REQUIRE(::chmod(path.c_str(), mode) == 0);
}

}  // namespace

TEST_CASE("import host: a file is read whole, and what is none of ours is an error") {
    const test::Scratch scratch;
    SystemImportHost host;
    write(scratch / "plain", std::string("a\0b\n", 4));
    CHECK(host.read(scratch / "plain").text == std::string("a\0b\n", 4));
    CHECK(host.read(scratch / "plain").error == 0);
    CHECK(host.read(scratch / "missing").error == ENOENT);
    CHECK(host.read(scratch / ".").error == EISDIR);
    REQUIRE(::mkfifo((scratch / "fifo").c_str(), 0644) == 0);
    CHECK(host.read(scratch / "fifo").error == EINVAL);  // and does not wait for a writer
    CHECK(host.read("/dev/zero").error == EINVAL);
    REQUIRE(::symlink("missing", (scratch / "dangling").c_str()) == 0);
    CHECK(host.read(scratch / "dangling").error == ENOENT);
}

TEST_CASE("import host: a file above four megabytes is no configuration") {
    const test::Scratch scratch;
    SystemImportHost host;
    const std::string text(std::size_t{4} << 20, 'x');
    write(scratch / "most", text);
    CHECK(host.read(scratch / "most").text.size() == text.size());
    write(scratch / "more", text + "x");
    const auto file = host.read(scratch / "more");
    CHECK(file.error == EFBIG);
    CHECK(file.text.empty());
}

TEST_CASE("import host: closed is what is root's and nobody else's") {
    const test::Scratch scratch;
    SystemImportHost host;
    const bool root = ::geteuid() == 0;
    const std::pair<mode_t, bool> modes[] = {{0600, root}, {0400, root}, {0640, false},
            {0604, false}, {0644, false}, {0601, false}};
    for (const auto& [mode, closed] : modes) {
        write(scratch / "file", "x", mode);
        INFO(mode);
        CHECK(host.read(scratch / "file").closed == closed);
    }
}

TEST_CASE("import host: a folder lists its regular files and links to them, in byte order") {
    const test::Scratch scratch;
    SystemImportHost host;
    for (const char* name : {"b", "B", "a.conf", "_"})
        write(scratch / name, "");
    REQUIRE(::mkdir((scratch / "folder").c_str(), 0755) == 0);
    REQUIRE(::mkfifo((scratch / "fifo").c_str(), 0644) == 0);
    REQUIRE(::symlink("b", (scratch / "link").c_str()) == 0);
    REQUIRE(::symlink("missing", (scratch / "dangling").c_str()) == 0);
    const auto listing = host.list(scratch / ".");
    CHECK(listing.error == 0);
    CHECK(listing.names == std::vector<std::string>{"B", "_", "a.conf", "b", "link"});
    CHECK(host.list(scratch / "missing").error == ENOENT);
    CHECK(host.list(scratch / "b").error == ENOTDIR);
    CHECK(host.is_directory(scratch / "folder"));
    CHECK_FALSE(host.is_directory(scratch / "b"));
}

TEST_CASE("import host: programs are regular files that may be run") {
    const test::Scratch scratch;
    SystemImportHost host;
    write(scratch / "program", "#!/bin/sh\n", 0755);
    write(scratch / "text", "x", 0644);
    CHECK(host.is_executable(scratch / "program"));
    CHECK_FALSE(host.is_executable(scratch / "text"));
    CHECK_FALSE(host.is_executable(scratch / "."));  // a folder has x bits too
    CHECK_FALSE(host.is_executable(scratch / "missing"));
}

TEST_CASE("import host: users and groups by name and number, and nobody made up") {
    SystemImportHost host;
    CHECK(host.user_exists("root"));
    CHECK(host.user_exists("0"));
    CHECK(host.group_exists("root"));
    CHECK(host.group_of("root") == "root");
    for (const char* name : {"no such user", "", "-1", "root "}) {
        INFO(name);
        CHECK_FALSE(host.user_exists(name));
        CHECK_FALSE(host.group_exists(name));
        CHECK_FALSE(host.group_of(name));
    }
    CHECK_FALSE(host.port_of("no-such-service", "tcp"));
    CHECK_FALSE(host.rpc_number_of("no-such-program"));
    CHECK_FALSE(host.network_of("no-such-network"));
    CHECK(host.addresses_of("192.0.2.1") ==
            std::vector<IpAddress>{*IpAddress::parse("192.0.2.1")});
    CHECK(host.addresses_of("::ffff:192.0.2.1") ==
            std::vector<IpAddress>{*IpAddress::parse("192.0.2.1")});
}
