// SPDX-License-Identifier: MIT
// One method call of a client, answered at once or later, from whatever turn of the loop.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/manager.h"

struct sd_bus_message;

namespace superd {

class ControlSession;

// Keeps a reference to the message. Where the client has gone meanwhile, an answer is dropped.
// A call that is forgotten without an answer fails with a sentence instead of hanging.
class ControlCall {
public:
    ControlCall(ControlSession& session, sd_bus_message* message);
    ~ControlCall();
    ControlCall(const ControlCall&) = delete;
    ControlCall& operator=(const ControlCall&) = delete;

    // Each ends the call; only the first counts.
    void answer(const std::string& text);
    void answer(int code, const std::string& message, const std::string& json);
    void fail(int code, const std::string& message);
    void finish(const Outcome& outcome);  // answer() for code 0, else fail()

    // A wait that ends with the call.
    void set_wait(std::uint64_t token);

    [[nodiscard]] bool answered() const { return message_ == nullptr; }

private:
    void end();

    std::weak_ptr<ControlSession> session_;
    sd_bus_message* message_;
    std::uint64_t wait_ = 0;
    bool waiting_ = false;
};

}  // namespace superd
