// SPDX-License-Identifier: MIT
#include <string>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include "log/hub.h"

#include "support/catch.h"
#include "support/log_program.h"

using namespace superd;
using namespace superd::test;

namespace {

std::vector<ReceivedFrame> receive_all(int channel) {
    std::vector<ReceivedFrame> out;
    for (;;) {
        auto received = receive_frame(channel);
        if (!received) return out;
        out.push_back(std::move(*received));
    }
}

std::vector<Frame> frames(int channel) {
    std::vector<Frame> out;
    for (ReceivedFrame& received : receive_all(channel))
        out.push_back(std::move(received.frame));
    return out;
}

DaemonPlan plan_of(const std::vector<SinkPlan>& sinks) {
    DaemonPlan plan;
    plan.log = sinks;
    return plan;
}

ino_t inode(int fd) {
    struct stat status {};

    REQUIRE(::fstat(fd, &status) == 0);
    return status.st_ino;
}

}  // namespace

TEST_CASE("stream pair: close-on-exec, the writer bounded, the reader told who writes") {
    const auto pair = make_stream_pair();
    REQUIRE(pair);
    CHECK(::fcntl(pair->read_end.get(), F_GETFD) == FD_CLOEXEC);
    CHECK(::fcntl(pair->write_end.get(), F_GETFD) == FD_CLOEXEC);
    CHECK((::fcntl(pair->write_end.get(), F_GETFL) & O_NONBLOCK) == 0);
    int value = 0;
    socklen_t size = sizeof value;
    ::getsockopt(pair->read_end.get(), SOL_SOCKET, SO_PASSCRED, &value, &size);
    CHECK(value == 1);
    std::size_t written = 0;
    const std::string chunk(1000, 'x');
    while (::send(pair->write_end.get(), chunk.data(), chunk.size(), MSG_DONTWAIT) > 0)
        written += chunk.size();
    CHECK(written > 10000);
    CHECK(written < 300000);
}

TEST_CASE("log hub: without a channel nothing is queued; a new one is told everything") {
    const Directory dir;
    LogHub hub(1000);
    CHECK(hub.channel() == -1);
    DaemonPlan plan = plan_of({{SinkKind::file, dir / "log"}, {SinkKind::journal, ""}});
    plan.admin_gid = 55;
    CHECK(hub.configure(plan).empty());
    const auto events = hub.open_events();
    REQUIRE(events);
    REQUIRE(hub.service_stream("ssh"));
    REQUIRE(hub.service_stream("git"));
    REQUIRE(hub.open_listener(dir / "logs", std::nullopt));
    CHECK_FALSE(hub.pending());
    CHECK(hub.flush());

    const ConfigFrame config{LogFormat::text, 1000, 55, std::nullopt,
            {{{SinkKind::file, dir / "log"}, true}, {{SinkKind::journal, ""}, false}}};
    const std::vector<Frame> all{config, ListenerFrame{}, EventsFrame{::getpid()},
            ServiceFrame{"git"}, ServiceFrame{"ssh"}};
    for (int round = 0; round < 2; ++round) {  // the second one after superd-log has died
        auto channel = hub.open_channel();
        REQUIRE(channel);
        CHECK(hub.pending());
        CHECK(hub.flush());
        CHECK_FALSE(hub.pending());
        CHECK(frames(channel->get()) == all);
    }
}

TEST_CASE(
        "log hub: files of services come once, before the routes, and those before the rest") {
    const Directory dir;
    LogHub hub(0);
    auto channel = hub.open_channel();
    const SinkPlan common{SinkKind::file, dir / "common"}, own{SinkKind::file, dir / "own"};
    const DaemonPlan plan = plan_of({common});
    const ConfigFrame config{LogFormat::text, 0, std::nullopt, std::nullopt, {{common, true}}};
    CHECK(hub.configure(plan, {{"git", {own, common}}, {"ssh", {own}}}).empty());
    CHECK(hub.flush());
    const std::vector<Frame> all{FileFrame{common}, FileFrame{own},
            RouteFrame{"git", {own, common}}, RouteFrame{"ssh", {own}}, config};
    CHECK(frames(channel->get()) == all);
    channel = hub.open_channel();
    CHECK(hub.flush());
    CHECK(frames(channel->get()) == all);

    CHECK(hub.configure(plan, {{"ssh", {own}}}).empty());
    CHECK(hub.flush());
    CHECK(frames(channel->get()) == std::vector<Frame>{FileFrame{own}, RouteFrame{"git", {}},
                                            RouteFrame{"ssh", {own}}, config});
    CHECK(hub.configure(plan).empty());
    CHECK(hub.flush());
    CHECK(frames(channel->get()) == std::vector<Frame>{RouteFrame{"ssh", {}}, config});
}

TEST_CASE("log hub: reloads while superd-log does not read come to what the last one says") {
    const Directory dir;
    LogHub hub(0);
    const SinkPlan own{SinkKind::file, dir / "own"};
    const DaemonPlan plan = plan_of({});
    CHECK(hub.configure(plan, {{"git", {own}}, {"ssh", {own}}}).empty());
    auto channel = hub.open_channel();
    REQUIRE(channel);
    CHECK(hub.flush());
    CHECK(frames(channel->get()).size() == 4);
    for (int i = 0; i < 3; ++i) {
        CHECK(hub.configure(plan, {{"ssh", {own}}}).empty());
        REQUIRE(hub.service_stream("sh", {.place = 0, .pipe = i % 2 == 0}));
    }
    CHECK(hub.flush());
    const ConfigFrame config{LogFormat::text, 0, std::nullopt, std::nullopt, {}};
    CHECK(frames(channel->get()) == std::vector<Frame>{ServiceFrame{"sh"}, FileFrame{own},
                                            RouteFrame{"git", {}}, RouteFrame{"ssh", {own}},
                                            config});
    CHECK(hub.configure(plan, {{"ssh", {own}}}).empty());
    CHECK(hub.flush());
    CHECK(frames(channel->get()) ==
            std::vector<Frame>{FileFrame{own}, RouteFrame{"ssh", {own}}, config});
}

TEST_CASE("log directory: made where it is missing, above a link too; never a link itself") {
    const Directory dir;
    std::filesystem::create_directory(dir / "real");
    std::filesystem::create_directory_symlink(dir / "real", dir / "link");
    const DirectoryOwner self{::getuid(), ::getgid()};
    REQUIRE(open_log_directory(dir / "link/a/b//", self));

    struct stat status {};

    REQUIRE(::stat((dir / "real/a/b").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 02750);
    REQUIRE(::stat((dir / "real/a").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0755);
    CHECK_FALSE(open_log_directory(dir / "link", self));
    REQUIRE(open_log_directory(dir / "real/a", self));  // it was there: it stays as it is
    REQUIRE(::stat((dir / "real/a").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0755);
}

TEST_CASE("log hub: a stream is made once, and what is sent is its reading end") {
    LogHub hub(0);
    auto channel = hub.open_channel();
    REQUIRE(channel);
    const auto first = hub.service_stream("ssh"), second = hub.service_stream("ssh");
    REQUIRE(first);
    REQUIRE(second);
    CHECK(first->write_end == second->write_end);
    CHECK(first->read_end == second->read_end);
    CHECK(hub.flush());
    auto received = receive_all(channel->get());
    REQUIRE(received.size() == 1);
    REQUIRE(received[0].descriptors.size() == 1);
    CHECK(inode(received[0].descriptors[0].get()) == inode(first->read_end));
    CHECK(inode(received[0].descriptors[0].get()) != inode(first->write_end));
}

TEST_CASE("log hub: a service that breaks its stream gets a sound one at the next launch") {
    LogHub hub(0);
    const auto first = hub.service_stream("ssh");
    REQUIRE(first);
    ::fcntl(first->write_end, F_SETFL, O_NONBLOCK);
    REQUIRE(hub.service_stream("ssh")->write_end == first->write_end);
    CHECK((::fcntl(first->write_end, F_GETFL) & O_NONBLOCK) == 0);

    const ino_t before = inode(first->write_end);
    REQUIRE(::shutdown(first->write_end, SHUT_WR) == 0);
    auto channel = hub.open_channel();
    const auto second = hub.service_stream("ssh");
    REQUIRE(second);
    CHECK(inode(second->write_end) != before);
    // A launch that was given the first one and has not begun still finds it under its number.
    CHECK(inode(first->write_end) == before);
    write_all(second->write_end, "still heard");
    CHECK(read_available(second->read_end) == "still heard");
    CHECK(hub.flush());
    CHECK(frames(channel->get()).back() == Frame(ServiceFrame{"ssh"}));
}

TEST_CASE("log hub: a stream of a former superd is taken over with what waits in it") {
    auto pair = make_stream_pair();
    REQUIRE(pair);
    const int write_end = pair->write_end.get();
    write_all(write_end, "from before\n");
    LogHub hub(0);
    hub.adopt_stream("ssh", std::move(pair->read_end), std::move(pair->write_end));
    CHECK(hub.streams() == 1);
    CHECK(hub.service_stream("ssh")->write_end == write_end);
    auto channel = hub.open_channel();
    REQUIRE(hub.flush());
    auto received = receive_all(channel->get());
    REQUIRE(received.size() == 1);
    CHECK(read_available(received[0].descriptors[0].get()) == "from before\n");
}

TEST_CASE("log hub: a dropped service is not sent any more") {
    LogHub hub(0);
    auto channel = hub.open_channel();
    REQUIRE(hub.service_stream("a"));
    REQUIRE(hub.service_stream("b"));
    hub.drop_stream("a");
    hub.drop_stream("none");
    CHECK(hub.streams() == 1);
    CHECK(hub.flush());
    CHECK(frames(channel->get()) == std::vector<Frame>{ServiceFrame{"b"}});
}

TEST_CASE("log hub: thousands of services are told as superd-log reads") {
    LogHub hub(0);
    std::size_t made = 0;
    for (; made < 300; ++made)
        REQUIRE(hub.service_stream("s" + std::to_string(made)));
    auto channel = hub.open_channel();
    const int small = 4096;
    ::setsockopt(hub.channel(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    CHECK(hub.flush());
    CHECK(hub.pending());
    std::size_t got = 0;
    while (hub.pending()) {
        got += frames(channel->get()).size();
        REQUIRE(hub.flush());
    }
    got += frames(channel->get()).size();
    CHECK(got == made);
}

TEST_CASE("log hub: a broken channel is noticed and closed") {
    LogHub hub(0);
    auto channel = hub.open_channel();
    channel->reset();
    REQUIRE(hub.service_stream("a"));
    CHECK_FALSE(hub.flush());
    CHECK(hub.channel() == -1);
    CHECK_FALSE(hub.pending());
    CHECK(hub.flush());
}

TEST_CASE("log hub: a file that cannot be opened is an error; one that was open stays") {
    const Directory dir;
    const std::string sub = dir / "sub";
    std::filesystem::create_directory(sub);
    LogHub hub(0);
    auto channel = hub.open_channel();
    const DaemonPlan plan =
            plan_of({{SinkKind::file, sub + "/log"}, {SinkKind::file, "/none/log"}});
    const auto errors = hub.configure(plan);
    REQUIRE(errors.size() == 1);
    CHECK(errors[0].text() == "open /none/log: No such file or directory");
    CHECK(hub.flush());
    auto received = receive_all(channel->get());
    REQUIRE(received.size() == 1);
    REQUIRE(received[0].descriptors.size() == 1);
    const ino_t before = inode(received[0].descriptors[0].get());

    std::filesystem::rename(sub, dir / "away");
    CHECK(hub.configure(plan).size() == 2);
    CHECK(hub.flush());
    received = receive_all(channel->get());
    REQUIRE(received.size() == 1);
    CHECK(std::get<ConfigFrame>(received[0].frame).sinks[0].opened);
    CHECK_FALSE(std::get<ConfigFrame>(received[0].frame).sinks[1].opened);
    REQUIRE(received[0].descriptors.size() == 1);
    CHECK(inode(received[0].descriptors[0].get()) == before);
}

TEST_CASE("log hub: the readers' socket replaces an old one, and nothing else") {
    const Directory dir;
    LogHub hub(0);
    REQUIRE(hub.open_listener(dir / "logs", std::nullopt));
    REQUIRE(hub.open_listener(dir / "logs", std::nullopt));

    struct stat status {};

    REQUIRE(::stat((dir / "logs").c_str(), &status) == 0);
    CHECK((status.st_mode & 0117) == 0);
    { std::ofstream(dir / "file") << "precious"; }
    CHECK(hub.open_listener(dir / "file", std::nullopt).error().code == EADDRINUSE);
    CHECK(read_file(dir / "file") == "precious");
    CHECK(hub.open_listener(std::string(200, 'x'), std::nullopt).error().code == ENAMETOOLONG);
}
