// SPDX-License-Identifier: MIT
// The methods of the control object.
#include "control/object.h"

#include <memory>
#include <string>

#include <fmt/core.h>

#include <systemd/sd-bus.h>

#include "base/text.h"
#include "config/codec.h"
#include "control/call.h"
#include "control/documents.h"
#include "control/names.h"
#include "control/session.h"
#include "control/wait_for.h"

namespace superd {

namespace {

using Call = std::shared_ptr<ControlCall>;

// A hundred years; 0 says for good.

ControlSession& session_of(void* userdata) {
    return *static_cast<ControlSession*>(userdata);
}

Call make_call(void* userdata, sd_bus_message* message) {
    return std::make_shared<ControlCall>(session_of(userdata), message);
}

std::string no_service(std::string_view name) {
    return fmt::format("no service named {}; see superctl list", name);
}

// Every change passes here: the right to it, and a line in the log that says who made it.
bool allow_change(ControlSession& session, const Call& call, const std::string& what) {
    if (session.may_change()) {
        session.log_change(what);
        return true;
    }
    call->fail(exit_code::not_permitted,
            fmt::format("{} is for root, superd's own user and its admin_group", what));
    return false;
}

using Action = void (Manager::*)(std::string_view, Reply);

int act(sd_bus_message* message, void* userdata, const char* verb, Action action) {
    const char* name = nullptr;
    if (const int result = ::sd_bus_message_read(message, "s", &name); result < 0)
        return result;
    auto& session = session_of(userdata);
    const auto call = make_call(userdata, message);
    if (!allow_change(session, call, fmt::format("{} {}", verb, name))) return 1;
    (session.manager().*action)(
            name, [call](const Outcome& outcome) { call->finish(outcome); });
    return 1;
}

int on_start(sd_bus_message* message, void* userdata, sd_bus_error*) {
    return act(message, userdata, "start", &Manager::start);
}

int on_stop(sd_bus_message* message, void* userdata, sd_bus_error*) {
    return act(message, userdata, "stop", &Manager::stop);
}

int on_restart(sd_bus_message* message, void* userdata, sd_bus_error*) {
    return act(message, userdata, "restart", &Manager::restart);
}

int on_reload(sd_bus_message* message, void* userdata, sd_bus_error*) {
    return act(message, userdata, "reload", &Manager::reload);
}

int on_pause(sd_bus_message* message, void* userdata, sd_bus_error*) {
    return act(message, userdata, "pause", &Manager::pause);
}

int on_resume(sd_bus_message* message, void* userdata, sd_bus_error*) {
    return act(message, userdata, "resume", &Manager::resume);
}

int on_drain(sd_bus_message* message, void* userdata, sd_bus_error*) {
    return act(message, userdata, "drain", &Manager::drain);
}

int on_scale(sd_bus_message* message, void* userdata, sd_bus_error*) {
    const char* name = nullptr;
    std::uint32_t count = 0;
    const int result = ::sd_bus_message_read(message, "su", &name, &count);
    if (result < 0) return result;
    auto& session = session_of(userdata);
    const auto call = make_call(userdata, message);
    if (!allow_change(session, call, fmt::format("scale {} {}", name, count))) return 1;
    session.manager().scale(
            name, count, [call](const Outcome& outcome) { call->finish(outcome); });
    return 1;
}

int on_kill(sd_bus_message* message, void* userdata, sd_bus_error*) {
    const char* name = nullptr;
    std::int32_t signal = 0;
    std::uint64_t connection = 0;
    const int result = ::sd_bus_message_read(message, "sit", &name, &signal, &connection);
    if (result < 0) return result;
    auto& session = session_of(userdata);
    const auto call = make_call(userdata, message);
    if (!allow_change(session, call, fmt::format("kill -s {} {}", signal, name))) return 1;
    if (signal < 1 || signal > 64) {
        call->fail(exit_code::usage, fmt::format("{} is not a signal", signal));
        return 1;
    }
    session.manager().kill(name, signal, connection,
            [call](const Outcome& outcome) { call->finish(outcome); });
    return 1;
}

int on_kill_whom(sd_bus_message* message, void* userdata, sd_bus_error*) {
    const char *name = nullptr, *whom = nullptr;
    std::int32_t signal = 0;
    const int result = ::sd_bus_message_read(message, "ssi", &name, &whom, &signal);
    if (result < 0) return result;
    auto& session = session_of(userdata);
    const auto call = make_call(userdata, message);
    if (!allow_change(
                session, call, fmt::format("kill --whom {} -s {} {}", whom, signal, name)))
        return 1;
    const std::string_view word = whom;
    const bool known = word == "main" || word == "control" || word == "all";
    if (!known || signal < 1 || signal > 64) {
        call->fail(exit_code::usage,
                known ? fmt::format("{} is not a signal", signal)
                      : fmt::format("\"{}\" is none of main, control and all", escape(word)));
        return 1;
    }
    session.manager().kill_whom(name,
            word == "main"      ? KillWhom::main
            : word == "control" ? KillWhom::control
                                : KillWhom::all,
            signal, [call](const Outcome& outcome) { call->finish(outcome); });
    return 1;
}

int on_upgrade(sd_bus_message* message, void* userdata, sd_bus_error*) {
    const char* program = nullptr;
    if (const int result = ::sd_bus_message_read(message, "s", &program); result < 0)
        return result;
    auto& session = session_of(userdata);
    const auto call = make_call(userdata, message);
    if (!allow_change(session, call, "upgrade")) return 1;
    session.manager().upgrade(
            program, [call](const Outcome& outcome) { call->finish(outcome); });
    return 1;
}

int on_reload_config(sd_bus_message* message, void* userdata, sd_bus_error*) {
    int dry_run = 0;
    if (const int result = ::sd_bus_message_read(message, "b", &dry_run); result < 0)
        return result;
    auto& session = session_of(userdata);
    const auto call = make_call(userdata, message);
    if (dry_run == 0 && !allow_change(session, call, "reload-config")) return 1;
    session.manager().reload_config(dry_run != 0, [call](const ReloadReport& report) {
        call->answer(report.code, report.message, reload_document(report));
    });
    return 1;
}

int on_reopen_logs(sd_bus_message* message, void* userdata, sd_bus_error*) {
    auto& session = session_of(userdata);
    const auto call = make_call(userdata, message);
    if (!allow_change(session, call, "reopen-logs")) return 1;
    call->finish(session.manager().reopen_logs());
    return 1;
}

struct Wait {
    Call call;
    WaitFor what;
    std::string name, wanted;
    bool hopeless = false;
    std::string state;

    bool test(const ServiceStatus& service) {
        const auto result = check_wait(what, service);
        hopeless = result == WaitState::hopeless;
        state = fmt::format("{}{}{}", state_name(service.state),
                service.detail.empty() ? "" : ": ", service.detail);
        return result != WaitState::pending;
    }

    void finish(const Outcome& outcome) const {
        if (outcome.code == exit_code::ok && hopeless)
            call->fail(exit_code::failed, fmt::format("{} is not {} and will not be by itself: "
                                                      "it is {}; see superctl why {}",
                                                  name, wanted, state, name));
        else
            call->finish(outcome);
    }
};

int on_wait(sd_bus_message* message, void* userdata, sd_bus_error*) {
    const char *name = nullptr, *wanted = nullptr;
    const int result = ::sd_bus_message_read(message, "ss", &name, &wanted);
    if (result < 0) return result;
    const auto call = make_call(userdata, message);
    const auto what = parse_wait_for(wanted);
    if (!what) {
        call->fail(exit_code::usage,
                "wait for ready, running, stopped, idle, listening or another state");
        return 1;
    }
    const auto wait = std::make_shared<Wait>(Wait{call, *what, name, wanted, false, {}});
    const auto token = session_of(userdata).manager().wait(
            name, [wait](const ServiceStatus& service) { return wait->test(service); },
            [wait](const Outcome& outcome) { wait->finish(outcome); });
    call->set_wait(token);
    return 1;
}

int on_describe(sd_bus_message* message, void* userdata, sd_bus_error*) {
    make_call(userdata, message)->answer(daemon_document(session_of(userdata).manager()));
    return 1;
}

int on_overview(sd_bus_message* message, void* userdata, sd_bus_error*) {
    auto& session = session_of(userdata);
    const auto call = make_call(userdata, message);
    const auto overview = std::make_shared<OverviewDocument>(session.manager());
    session.do_in_slices([call, overview] {
        if (overview->add_next()) return true;
        call->answer(overview->take());
        return false;
    });
    return 1;
}

int on_list_services(sd_bus_message* message, void* userdata, sd_bus_error*) {
    sd_bus_message* reply = nullptr;
    int result = ::sd_bus_message_new_method_return(message, &reply);
    if (result >= 0) result = ::sd_bus_message_open_container(reply, 'a', "s");
    for (const auto& name : session_of(userdata).manager().names())
        if (result >= 0) result = ::sd_bus_message_append_basic(reply, 's', name.c_str());
    if (result >= 0) result = ::sd_bus_message_close_container(reply);
    if (result >= 0) result = ::sd_bus_send(nullptr, reply, nullptr);
    ::sd_bus_message_unref(reply);
    return result < 0 ? result : 1;
}

int on_describe_service(sd_bus_message* message, void* userdata, sd_bus_error*) {
    const char* name = nullptr;
    if (const int result = ::sd_bus_message_read(message, "s", &name); result < 0)
        return result;
    const auto& manager = session_of(userdata).manager();
    const auto call = make_call(userdata, message);
    if (auto service = manager.service(name)) {
        service->usage = manager.usage(name);
        call->answer(service_document(*service, manager.plan()));
    } else {
        call->fail(exit_code::no_such_service, no_service(name));
    }
    return 1;
}

int on_why(sd_bus_message* message, void* userdata, sd_bus_error*) {
    const char* name = nullptr;
    if (const int result = ::sd_bus_message_read(message, "s", &name); result < 0)
        return result;
    const auto call = make_call(userdata, message);
    if (const auto text = session_of(userdata).manager().why(name))
        call->answer(*text);
    else
        call->fail(exit_code::no_such_service, no_service(name));
    return 1;
}

int on_explain(sd_bus_message* message, void* userdata, sd_bus_error*) {
    const char *name = nullptr, *from = nullptr;
    std::int64_t at = 0;
    const int result = ::sd_bus_message_read(message, "ssx", &name, &from, &at);
    if (result < 0) return result;
    const auto& session = session_of(userdata);
    const auto call = make_call(userdata, message);
    const auto asker = parse_asker(from);
    // What Wall can hold: nanoseconds since 1970 in 63 bits end in the year 2262.
    if (!asker || at < 0 || at > 9'000'000'000) {
        call->fail(exit_code::usage,
                fmt::format("{} is not a peer; write 198.51.100.7, 2001:db8::1 or uid:1000",
                        escape(from)));
        return 1;
    }
    const Wall when = at == 0 ? session.wall() : Wall(std::chrono::seconds(at));
    Manager& manager = session.manager();
    manager.learn_name(
            name, asker->peer, [&manager, call, when, who = *asker, what = std::string(name)] {
                if (const auto explanation = manager.explain(what, who, when))
                    call->answer(explanation_document(what, who.peer, when, *explanation));
                else
                    call->fail(exit_code::no_such_service, no_service(what));
            });
    return 1;
}

int on_deny(sd_bus_message* message, void* userdata, sd_bus_error*) {
    const char *address = nullptr, *reason = nullptr;
    std::int64_t seconds = 0;
    const int result = ::sd_bus_message_read(message, "sxs", &address, &seconds, &reason);
    if (result < 0) return result;
    auto& session = session_of(userdata);
    const auto call = make_call(userdata, message);
    if (!allow_change(session, call, fmt::format("deny {}", address))) return 1;
    const auto source = parse_source(address);
    if (!source || seconds < 0 || seconds > longest_denial) {
        call->fail(exit_code::usage,
                source ? fmt::format("{} seconds are no time to deny for: write 1 to {}, or 0 "
                                     "for good",
                                 seconds, longest_denial)
                       : fmt::format("{} is not an address; write 198.51.100.7 or "
                                     "2001:db8::1, blocks go into deny and [networks]",
                                 address));
        return 1;
    }
    const auto length = seconds == 0 ? std::optional<Nanoseconds>{}
                                     : Nanoseconds(std::chrono::seconds(seconds));
    session.manager().deny(*source, length, "superctl", reason,
            [call](const Outcome& outcome) { call->finish(outcome); });
    return 1;
}

int on_allow_again(sd_bus_message* message, void* userdata, sd_bus_error*) {
    const char* address = nullptr;
    if (const int result = ::sd_bus_message_read(message, "s", &address); result < 0)
        return result;
    auto& session = session_of(userdata);
    const auto call = make_call(userdata, message);
    const bool all = *address == '\0';
    if (!allow_change(session, call, fmt::format("deny --clear {}", all ? "--all" : address)))
        return 1;
    const auto source = all ? std::optional<Source>{} : parse_source(address);
    if (!all && !source) {
        call->fail(exit_code::usage, fmt::format("{} is not an address", address));
        return 1;
    }
    session.manager().allow_again(
            source, [call](const Outcome& outcome) { call->finish(outcome); });
    return 1;
}

int on_denied(sd_bus_message* message, void* userdata, sd_bus_error*) {
    make_call(userdata, message)
            ->answer(denials_document(session_of(userdata).manager().denials()));
    return 1;
}

int on_show_plan(sd_bus_message* message, void* userdata, sd_bus_error*) {
    const char* name = nullptr;
    if (const int result = ::sd_bus_message_read(message, "s", &name); result < 0)
        return result;
    const auto& plan = session_of(userdata).manager().plan();
    const auto call = make_call(userdata, message);
    for (const auto& service : plan.services) {
        if (service->name != name) continue;
        call->answer(plan_json(plan, *service));
        return 1;
    }
    call->fail(exit_code::no_such_service, no_service(name));
    return 1;
}

int get_version(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply,
        void* userdata, sd_bus_error*) {
    const auto version = session_of(userdata).manager().daemon().version;
    return ::sd_bus_message_append(reply, "s", version.c_str());
}

// UNPRIVILEGED everywhere: without it the library would judge by capabilities, and to ask for
// those it would wait for a bus daemon that is not there.
constexpr std::uint64_t open_to_all = SD_BUS_VTABLE_UNPRIVILEGED;

const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_NAMES("Start", "s", SD_BUS_PARAM(service), "s",
                SD_BUS_PARAM(message), on_start, open_to_all),
        SD_BUS_METHOD_WITH_NAMES("Stop", "s", SD_BUS_PARAM(service), "s", SD_BUS_PARAM(message),
                on_stop, open_to_all),
        SD_BUS_METHOD_WITH_NAMES("Restart", "s", SD_BUS_PARAM(service), "s",
                SD_BUS_PARAM(message), on_restart, open_to_all),
        SD_BUS_METHOD_WITH_NAMES("Reload", "s", SD_BUS_PARAM(service), "s",
                SD_BUS_PARAM(message), on_reload, open_to_all),
        SD_BUS_METHOD_WITH_NAMES("Pause", "s", SD_BUS_PARAM(service), "s",
                SD_BUS_PARAM(message), on_pause, open_to_all),
        SD_BUS_METHOD_WITH_NAMES("Resume", "s", SD_BUS_PARAM(service), "s",
                SD_BUS_PARAM(message), on_resume, open_to_all),
        SD_BUS_METHOD_WITH_NAMES("Drain", "s", SD_BUS_PARAM(service), "s",
                SD_BUS_PARAM(message), on_drain, open_to_all),
        SD_BUS_METHOD_WITH_NAMES("Scale", "su", SD_BUS_PARAM(service) SD_BUS_PARAM(copies), "s",
                SD_BUS_PARAM(message), on_scale, open_to_all),
        SD_BUS_METHOD_WITH_NAMES("Kill", "sit",
                SD_BUS_PARAM(service) SD_BUS_PARAM(signal) SD_BUS_PARAM(connection), "s",
                SD_BUS_PARAM(message), on_kill, open_to_all),
        SD_BUS_METHOD_WITH_NAMES("KillWhom", "ssi",
                SD_BUS_PARAM(service) SD_BUS_PARAM(whom) SD_BUS_PARAM(signal), "s",
                SD_BUS_PARAM(message), on_kill_whom, open_to_all),
        SD_BUS_METHOD_WITH_NAMES("ReloadConfig", "b", SD_BUS_PARAM(dry_run), "iss",
                SD_BUS_PARAM(code) SD_BUS_PARAM(message) SD_BUS_PARAM(json), on_reload_config,
                open_to_all),
        SD_BUS_METHOD_WITH_NAMES("Upgrade", "s", SD_BUS_PARAM(program), "s",
                SD_BUS_PARAM(version), on_upgrade, open_to_all),
        SD_BUS_METHOD_WITH_NAMES(
                "ReopenLogs", "", , "s", SD_BUS_PARAM(message), on_reopen_logs, open_to_all),
        SD_BUS_METHOD_WITH_NAMES("Wait", "ss", SD_BUS_PARAM(service) SD_BUS_PARAM(what), "s",
                SD_BUS_PARAM(message), on_wait, open_to_all),
        SD_BUS_METHOD_WITH_NAMES(
                "Describe", "", , "s", SD_BUS_PARAM(json), on_describe, open_to_all),
        SD_BUS_METHOD_WITH_NAMES(
                "ListServices", "", , "as", SD_BUS_PARAM(names), on_list_services, open_to_all),
        SD_BUS_METHOD_WITH_NAMES(
                "Overview", "", , "s", SD_BUS_PARAM(json), on_overview, open_to_all),
        SD_BUS_METHOD_WITH_NAMES("DescribeService", "s", SD_BUS_PARAM(service), "s",
                SD_BUS_PARAM(json), on_describe_service, open_to_all),
        SD_BUS_METHOD_WITH_NAMES("Why", "s", SD_BUS_PARAM(service), "s", SD_BUS_PARAM(text),
                on_why, open_to_all),
        SD_BUS_METHOD_WITH_NAMES("Explain", "ssx",
                SD_BUS_PARAM(service) SD_BUS_PARAM(from) SD_BUS_PARAM(at), "s",
                SD_BUS_PARAM(json), on_explain, open_to_all),
        SD_BUS_METHOD_WITH_NAMES("Deny", "sxs",
                SD_BUS_PARAM(address) SD_BUS_PARAM(seconds) SD_BUS_PARAM(reason), "s",
                SD_BUS_PARAM(message), on_deny, open_to_all),
        SD_BUS_METHOD_WITH_NAMES("AllowAgain", "s", SD_BUS_PARAM(address), "s",
                SD_BUS_PARAM(message), on_allow_again, open_to_all),
        SD_BUS_METHOD_WITH_NAMES(
                "Denied", "", , "s", SD_BUS_PARAM(json), on_denied, open_to_all),
        SD_BUS_METHOD_WITH_NAMES("ShowPlan", "s", SD_BUS_PARAM(service), "s",
                SD_BUS_PARAM(json), on_show_plan, open_to_all),
        SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END,
};

// ---- what a client of a bus expects before it talks to anybody
// ---------------------------------

constexpr const char* client_unique_name = ":1.1";
constexpr const char* own_unique_name = ":1.0";

int on_hello(sd_bus_message* message, void*, sd_bus_error*) {
    return ::sd_bus_reply_method_return(message, "s", client_unique_name);
}

// There are no signals yet that a match could choose from.
int on_match(sd_bus_message* message, void*, sd_bus_error*) {
    return ::sd_bus_reply_method_return(message, "");
}

int on_get_name_owner(sd_bus_message* message, void*, sd_bus_error*) {
    const char* name = nullptr;
    if (const int result = ::sd_bus_message_read(message, "s", &name); result < 0)
        return result;
    const std::string_view wanted = name;
    if (wanted == control_name || wanted == own_unique_name)
        return ::sd_bus_reply_method_return(message, "s", own_unique_name);
    return ::sd_bus_reply_method_errorf(
            message, SD_BUS_ERROR_NAME_HAS_NO_OWNER, "Nobody here is called %s", name);
}

const sd_bus_vtable bus_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Hello", "", "s", on_hello, open_to_all),
        SD_BUS_METHOD("AddMatch", "s", "", on_match, open_to_all),
        SD_BUS_METHOD("RemoveMatch", "s", "", on_match, open_to_all),
        SD_BUS_METHOD("GetNameOwner", "s", "s", on_get_name_owner, open_to_all),
        SD_BUS_VTABLE_END,
};

}  // namespace

int add_control_objects(sd_bus* bus, ControlSession& session) {
    const int result = ::sd_bus_add_object_vtable(
            bus, nullptr, control_path, control_interface, manager_vtable, &session);
    if (result < 0) return result;
    return ::sd_bus_add_object_vtable(bus, nullptr, "/org/freedesktop/DBus",
            "org.freedesktop.DBus", bus_vtable, &session);
}

}  // namespace superd
