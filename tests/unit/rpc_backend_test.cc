// SPDX-License-Identifier: MIT
#include "sys/rpc_backend.h"

#include <cerrno>
#include <map>

#include "sys/rpc_registry.h"

#include "support/catch.h"

namespace superd {

namespace {

const IpAddress any4 = IpAddress::v4(0);

Announcement announcement(std::uint32_t id, std::uint32_t low, std::uint32_t high,
        std::vector<AnnouncedPort> ports) {
    return {.id = id, .what = RpcAnnouncement{100001, low, high}, .ports = std::move(ports)};
}

RpcEntry entry(
        std::uint32_t version, const char* netid, const char* address, const char* owner = "") {
    return {{100001, version, netid}, address, owner};
}

// What a rpcbind has, by its rules.
struct FakeRpcbind {
    std::map<RpcKey, RpcEntry> entries;
    std::string user = "1000";  // who asks
    int error = 0;              // of connect
    int calls_until_gone = -1;

    [[nodiscard]] bool gone() { return calls_until_gone >= 0 && calls_until_gone-- == 0; }
};

class FakeTalk final : public RpcbindTalk {
public:
    explicit FakeTalk(FakeRpcbind& rpcbind) : rpcbind_(rpcbind) {}

    Result<std::vector<RpcEntry>> list() override {
        std::vector<RpcEntry> all;
        for (const auto& [key, one] : rpcbind_.entries)
            all.push_back(one);
        return all;
    }

    Result<bool> set(const RpcEntry& wanted) override {
        if (rpcbind_.gone()) return fail(EPIPE, "set");
        RpcEntry owned = wanted;
        owned.owner = rpcbind_.user;
        const auto [known, fresh] = rpcbind_.entries.emplace(wanted.key, owned);
        return fresh || known->second.address == wanted.address;
    }

    Result<bool> unset(const RpcKey& key) override {
        const auto known = rpcbind_.entries.find(key);
        if (known == rpcbind_.entries.end()) return true;
        if (known->second.owner != rpcbind_.user) return false;
        rpcbind_.entries.erase(known);
        return true;
    }

private:
    FakeRpcbind& rpcbind_;
};

struct Heard final : AnnounceReports {
    std::map<std::uint32_t, AnnounceReport> reports;
    std::uint32_t settled_number = 0;

    void report(const AnnounceReport& report) override { reports[report.id] = report; }

    void settled(std::uint32_t number) override { settled_number = number; }
};

struct Fixture {
    FakeRpcbind rpcbind;
    Heard heard;
    FakeClock clock;
    RpcBackend backend{
            heard, {.socket = "/nonexistent/rpcbind.sock",
                           .connect = [this]() -> Result<std::unique_ptr<RpcbindTalk>> {
                               if (rpcbind.error != 0) return fail(rpcbind.error, "connect");
                               return std::make_unique<FakeTalk>(rpcbind);
                           },
                           .owner = "1000"}};

    void want(std::uint32_t number, std::vector<Announcement> wanted) {
        backend.want({number, std::move(wanted)}, clock.now());
    }

    // "3 udp 0.0.0.0.3.1", one an entry.
    [[nodiscard]] std::vector<std::string> there() const {
        std::vector<std::string> texts;
        for (const auto& [key, one] : rpcbind.entries)
            texts.push_back(std::to_string(key.version) + " " + key.netid + " " + one.address);
        return texts;
    }
};

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("rpc: universal addresses are those of RFC 5665", "[rpc]") {
    CHECK(universal_address(IpAddress::v4(0xc0000201), 769) == "192.0.2.1.3.1");
    CHECK(universal_address(any4, 111) == "0.0.0.0.0.111");
    CHECK(universal_address(IpAddress{}, 40001) == "::.156.65");
    CHECK(rpc_owner(0) == "superuser");
    CHECK(rpc_owner(4711) == "4711");
}

TEST_CASE("rpc: an announcement is an entry for each version and transport", "[rpc]") {
    const auto entries = rpc_entries(announcement(1, 2, 3,
            {{true, any4, 769}, {true, IpAddress{}, 769}, {false, any4, 770},
                    {false, IpAddress::v4(0x7f000001), 771}}));
    const std::vector<RpcEntry> wanted{entry(2, "tcp", "0.0.0.0.3.2"),
            entry(3, "tcp", "0.0.0.0.3.2"), entry(2, "udp", "0.0.0.0.3.1"),
            entry(3, "udp", "0.0.0.0.3.1"), entry(2, "udp6", "::.3.1"),
            entry(3, "udp6", "::.3.1")};
    CHECK(entries == wanted);
    const auto last = rpc_entries(announcement(1, 0xffffffffu, 0xffffffffu, {{true, any4, 1}}));
    CHECK(last.size() == 1);
}

TEST_CASE("rpc: sets what is missing and takes away what it has set", "[rpc]") {
    Fixture f;
    f.want(1, {announcement(5, 1, 2, {{false, any4, 769}})});
    CHECK(f.there() == Texts{"1 tcp 0.0.0.0.3.1", "2 tcp 0.0.0.0.3.1"});
    CHECK(f.heard.reports[5].state == AnnounceState::announced);
    CHECK(f.heard.settled_number == 1);
    f.want(2, {announcement(5, 2, 3, {{false, any4, 770}})});
    CHECK(f.there() == Texts{"2 tcp 0.0.0.0.3.2", "3 tcp 0.0.0.0.3.2"});
    f.want(3, {});
    CHECK(f.there().empty());
    CHECK(f.heard.settled_number == 3);
    CHECK(f.backend.next(f.clock.now()) == Mono::max());
}

TEST_CASE("rpc: what an earlier process of this user left goes, others' stays", "[rpc]") {
    Fixture f;
    f.rpcbind.entries[{100001, 1, "udp"}] = entry(1, "udp", "0.0.0.0.9.9", "1000");
    f.rpcbind.entries[{100001, 2, "tcp6"}] = entry(2, "tcp6", "::.9.9", "superuser");
    f.want(1, {announcement(5, 1, 2, {})});
    CHECK(f.there() == Texts{"2 tcp6 ::.9.9"});
    CHECK(f.heard.reports.empty());
    f.want(2, {announcement(5, 1, 2, {{false, IpAddress{}, 769}})});
    CHECK(f.there() == Texts{"1 tcp6 ::.3.1", "2 tcp6 ::.9.9"});
    CHECK(f.heard.reports[5].state == AnnounceState::refused);
    CHECK(f.heard.reports[5].text == "version 2 over tcp6 is registered by root, at ::.9.9");
    // It may go soon.
    CHECK(f.backend.next(f.clock.now()) < f.clock.now() + std::chrono::seconds(1));
    f.rpcbind.entries.erase({100001, 2, "tcp6"});
    f.clock.advance(std::chrono::seconds(1));
    f.backend.on_polled(f.clock.now());
    CHECK(f.heard.reports[5].state == AnnounceState::announced);
    CHECK(f.backend.next(f.clock.now()) == f.clock.now() + std::chrono::seconds(30));
}

TEST_CASE("rpc: somebody else's entry that says the same is as good as ours", "[rpc]") {
    Fixture f;
    f.rpcbind.entries[{100001, 1, "tcp"}] = entry(1, "tcp", "0.0.0.0.3.1", "superuser");
    f.want(1, {announcement(5, 1, 1, {{false, any4, 769}})});
    CHECK(f.heard.reports[5].state == AnnounceState::announced);
    // Until its owner takes it back, which is not long to be waited for.
    CHECK(f.backend.next(f.clock.now()) == f.clock.now() + std::chrono::seconds(3));
    f.rpcbind.entries.clear();
    f.clock.advance(std::chrono::seconds(3));
    f.backend.on_polled(f.clock.now());
    CHECK(f.there() == Texts{"1 tcp 0.0.0.0.3.1"});
    CHECK(f.backend.next(f.clock.now()) == f.clock.now() + std::chrono::seconds(30));
    f.rpcbind.entries[{100001, 1, "tcp"}] = entry(1, "tcp", "0.0.0.0.3.1", "superuser");
    f.want(2, {});
    CHECK(f.there() == Texts{"1 tcp 0.0.0.0.3.1"});
}

TEST_CASE("rpc: a rpcbind that is not there is tried again, ever later", "[rpc]") {
    Fixture f;
    f.rpcbind.error = ENOENT;
    f.want(1, {announcement(5, 1, 1, {{false, any4, 769}}), announcement(6, 1, 1, {})});
    CHECK(f.heard.reports[5].state == AnnounceState::waiting);
    CHECK(f.heard.reports[5].error == ENOENT);
    CHECK_FALSE(f.heard.reports.contains(6));
    Nanoseconds last{0};
    for (int i = 0; i < 12; ++i) {
        const Nanoseconds pause = f.backend.next(f.clock.now()) - f.clock.now();
        CHECK(pause >= last);
        CHECK(pause <= std::chrono::seconds(30));
        last = pause;
        f.clock.advance(pause);
        f.backend.on_polled(f.clock.now());
    }
    f.rpcbind.error = 0;
    f.backend.on_polled(f.clock.now() + last);
    CHECK(f.heard.reports[5].state == AnnounceState::announced);
}

TEST_CASE("rpc: one that forgot everything is told again within half a minute", "[rpc]") {
    Fixture f;
    f.want(1, {announcement(5, 1, 1, {{false, any4, 769}})});
    f.rpcbind.entries.clear();
    CHECK(f.backend.next(f.clock.now()) == f.clock.now() + std::chrono::seconds(30));
    f.clock.advance(std::chrono::seconds(30));
    f.backend.on_polled(f.clock.now());
    CHECK(f.there() == Texts{"1 tcp 0.0.0.0.3.1"});
}

TEST_CASE("rpc: what was set before rpcbind went away is taken away afterwards", "[rpc]") {
    Fixture f;
    f.rpcbind.calls_until_gone = 1;
    f.want(1, {announcement(5, 1, 2, {{false, any4, 769}})});
    CHECK(f.heard.reports[5].state == AnnounceState::waiting);
    CHECK(f.heard.reports[5].error == EPIPE);
    CHECK(f.heard.settled_number == 0);
    CHECK(f.there().size() == 1);
    f.want(2, {});
    CHECK(f.there().empty());
    CHECK(f.heard.settled_number == 2);
}

TEST_CASE("rpc: without superd nothing stays", "[rpc]") {
    Fixture f;
    f.want(1, {announcement(5, 1, 2, {{false, any4, 769}})});
    f.backend.withdraw();
    CHECK(f.there().empty());
}

}  // namespace superd
