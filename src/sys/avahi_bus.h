// SPDX-License-Identifier: MIT
// Avahi on the system bus: its calls that a publisher needs, and its news. Blocking, for a
// process of its own: each call takes at most a few seconds.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <poll.h>

#include "base/clock.h"
#include "base/result.h"
#include "sys/avahi_services.h"

namespace superd {

// avahi-common's AvahiServerState and AvahiEntryGroupState.
inline constexpr int avahi_server_runs = 2;
enum class AvahiGroupState : int { uncommitted, registering, established, collision, failure };

// Nothing of it is to be trusted but its type.
struct AvahiNews {
    enum class What : std::uint8_t { gone, came, server_state, group_state };
    What what = What::gone;
    int state = 0;
    std::string path{};  // of a group
    std::string error{};
};

// What came of a call.
struct AvahiOutcome {
    enum class Kind : std::uint8_t {
        done,
        taken,    // the name is somebody else's
        refused,  // text says why
        gone,     // there is no Avahi
        broken,   // nor a bus any more: error says why
    };
    Kind kind = Kind::done;
    int error = 0;
    std::string text{};

    [[nodiscard]] bool done() const { return kind == Kind::done; }
};

class AvahiBus {
public:
    AvahiBus();
    ~AvahiBus();
    AvahiBus(const AvahiBus&) = delete;
    AvahiBus& operator=(const AvahiBus&) = delete;

    // Errors as connect(2)'s. From here on news are collected.
    [[nodiscard]] Result<void> open();
    void close();

    [[nodiscard]] bool is_open() const;

    [[nodiscard]] pollfd wanted() const;
    [[nodiscard]] Mono next() const;
    // What has come since; an error: the bus has gone.
    [[nodiscard]] Result<std::vector<AvahiNews>> take_news();

    [[nodiscard]] AvahiOutcome get_state(int& state);
    [[nodiscard]] AvahiOutcome get_host_name(std::string& name);
    [[nodiscard]] AvahiOutcome get_alternative(const std::string& name, std::string& other);
    [[nodiscard]] AvahiOutcome new_group(std::string& path);
    [[nodiscard]] AvahiOutcome add_service(const std::string& path, const AvahiService& service,
            const std::vector<std::string>& txt);
    // "Commit", "Reset", "Free"
    [[nodiscard]] AvahiOutcome call_group(const std::string& path, const char* member);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace superd
