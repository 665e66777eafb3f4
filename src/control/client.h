// SPDX-License-Identifier: MIT
// superctl's end of the control socket: calls that block until the answer is there.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "base/clock.h"
#include "engine/manager.h"

struct sd_bus;
struct sd_bus_message;

namespace superd {

// No longer than this for one answer; max() waits for ever.
inline constexpr Nanoseconds no_timeout = Nanoseconds::max();

class ControlClient {
public:
    // A failure's code is an exit code, its message says the next step.
    [[nodiscard]] static tl::expected<ControlClient, Outcome> connect(const std::string& path);

    // A method that takes strings and returns one: message is the answer where code is 0.
    [[nodiscard]] Outcome call(
            const char* method, const std::vector<std::string>& arguments, Nanoseconds timeout);
    [[nodiscard]] Outcome kill(const std::string& service, int signal, std::uint64_t connection,
            Nanoseconds timeout);
    [[nodiscard]] Outcome kill_whom(const std::string& service, const std::string& whom,
            int signal, Nanoseconds timeout);
    [[nodiscard]] Outcome scale(
            const std::string& service, std::uint32_t copies, Nanoseconds timeout);
    [[nodiscard]] Outcome explain(const std::string& service, const std::string& from,
            std::int64_t at, Nanoseconds timeout);

    // seconds: 0 for good.
    [[nodiscard]] Outcome deny(const std::string& address, std::int64_t seconds,
            const std::string& reason, Nanoseconds timeout);

    struct Reload {
        Outcome outcome;
        std::string json;  // reload_document; empty where the call itself failed
    };

    [[nodiscard]] Reload reload_config(bool dry_run, Nanoseconds timeout);
    [[nodiscard]] tl::expected<std::vector<std::string>, Outcome> list(Nanoseconds timeout);

private:
    struct BusDeleter {
        void operator()(sd_bus* bus) const;
    };

    struct MessageDeleter {
        void operator()(sd_bus_message* message) const;
    };

    using Message = std::unique_ptr<sd_bus_message, MessageDeleter>;

    ControlClient() = default;
    [[nodiscard]] tl::expected<Message, Outcome> make(const char* method) const;
    [[nodiscard]] tl::expected<Message, Outcome> send(const Message& call, Nanoseconds timeout);
    [[nodiscard]] Outcome send_for_text(const Message& call, Nanoseconds timeout);

    std::string path_;
    std::unique_ptr<sd_bus, BusDeleter> bus_;
};

// $SUPERD_CONTROL, else the socket of this user's own superd where there is one
// (engine/directories.h), else /run/superd/control.
[[nodiscard]] std::string default_control_path();

}  // namespace superd
