// SPDX-License-Identifier: MIT
// Answers to a control client's calls.
#include "control/call.h"

#include <cerrno>

#include <systemd/sd-bus.h>

#include "base/text.h"
#include "control/names.h"
#include "control/session.h"

namespace superd {

ControlCall::ControlCall(ControlSession& session, sd_bus_message* message)
        : session_(session.weak_from_this()), message_(::sd_bus_message_ref(message)) {
    session.call_begins();
}

ControlCall::~ControlCall() {
    if (!answered()) fail(exit_code::failed, "superd gave up this request");
}

void ControlCall::answer(const std::string& text) {
    if (answered()) return;
    // D-Bus takes UTF-8 only; a path or an argument may hold other bytes.
    if (!session_.expired() &&
            ::sd_bus_reply_method_return(message_, "s", text.c_str()) == -EINVAL)
        ::sd_bus_reply_method_return(message_, "s", escape(text).c_str());
    end();
}

void ControlCall::answer(int code, const std::string& message, const std::string& json) {
    if (answered()) return;
    if (!session_.expired())
        ::sd_bus_reply_method_return(
                message_, "iss", code, escape(message).c_str(), json.c_str());
    end();
}

void ControlCall::fail(int code, const std::string& message) {
    if (answered()) return;
    if (!session_.expired())
        ::sd_bus_reply_method_errorf(
                message_, error_name_of(code), "%s", escape(message).c_str());
    end();
}

void ControlCall::finish(const Outcome& outcome) {
    if (outcome.code == exit_code::ok)
        answer(outcome.message);
    else
        fail(outcome.code, outcome.message);
}

void ControlCall::set_wait(std::uint64_t token) {
    const auto session = session_.lock();
    if (answered() || !session) return;
    wait_ = token;
    waiting_ = true;
    session->add_wait(token);
}

void ControlCall::end() {
    message_ = ::sd_bus_message_unref(message_);
    const auto session = session_.lock();
    if (!session) return;
    if (waiting_) session->drop_wait(wait_);
    session->call_ends();
}

}  // namespace superd
