// SPDX-License-Identifier: MIT
#include "engine/checkups.h"

#include <algorithm>
#include <cerrno>
#include <csignal>

#include <fmt/format.h>
#include <sys/socket.h>

#include "base/units.h"
#include "config/target_spec.h"
#include "sys/connect_socket.h"
#include "sys/socket_options.h"

namespace superd {

namespace {

// A server at every address is asked at this host's own.
IpAddress reachable(const IpAddress& ip) {
    if (!ip.is_unspecified()) return ip;
    IpAddress loopback{};
    if (ip.is_v4()) return *IpAddress::parse("127.0.0.1");
    loopback.bytes[15] = 1;
    return loopback;
}

Result<Fd> connect_to(const std::string& address) {
    auto target = parse_target(address);
    if (!target) return fail(EINVAL, "connect", address);
    if (target->kind == ListenerKind::tcp) target->ip = reachable(target->ip);
    return open_connection(*target);
}

// Null: the place has gone.
Instance* instance_at(const Service& service, std::uint32_t number) {
    const auto known = std::find_if(service.instances.begin(), service.instances.end(),
            [number](const auto& one) { return one->number == number; });
    return known == service.instances.end() ? nullptr : known->get();
}

bool is_asked(const Service& service, const Instance& instance) {
    return service.plan->upkeep.health.kind != HealthKind::none && !service.stopping &&
           is_up(instance.state) && !instance.leaves() && instance.process != no_process;
}

}  // namespace

Checkups::Checkups(Loop& loop, Lives& lives, Processes& processes, Resolver& resolver,
        EventSink& log, Launch launch, Changed changed)
        : loop_(loop),
          lives_(lives),
          processes_(processes),
          resolver_(resolver),
          log_(log),
          launch_(std::move(launch)),
          changed_(std::move(changed)) {}

void Checkups::follow(Service& service) {
    const bool none = service.plan->upkeep.health.kind == HealthKind::none;
    if (none && checkups_.empty()) return;
    for (auto one = checkups_.lower_bound({service.index, 0});
            one != checkups_.end() && one->first.first == service.index;) {
        const auto place = one++;
        if (instance_at(service, place->first.second) == nullptr) drop(place);
    }
    for (const auto& instance : service.instances) {
        const auto known = checkups_.find({service.index, instance->number});
        const bool asked = is_asked(service, *instance);
        const bool same = known != checkups_.end() && asked &&
                          known->second.process == instance->process &&
                          known->second.plan == service.plan->upkeep.health;
        if (same) continue;
        if (known != checkups_.end()) drop(known);
        if (asked) begin(service, *instance);
    }
}

void Checkups::forget(const Service& service) {
    for (auto one = checkups_.lower_bound({service.index, 0});
            one != checkups_.end() && one->first.first == service.index;)
        drop(one++);
}

void Checkups::begin(Service& service, Instance& instance) {
    const Key key{service.index, instance.number};
    Checkup& checkup = checkups_[key];
    checkup.service = &service;
    checkup.number = instance.number;
    checkup.process = instance.process;
    checkup.plan = service.plan->upkeep.health;
    checkup.timer = std::make_unique<Timer>(loop_, [this, key] { on_timer(key); });
    checkup.timer->start(checkup.plan.start_delay);
}

void Checkups::drop(std::map<Key, Checkup>::iterator place) {
    Checkup& checkup = place->second;
    if (checkup.command != no_process) processes_.send_signal(checkup.command, SIGKILL);
    if (Instance* const instance = instance_at(*checkup.service, checkup.number)) {
        instance->taken_out = false;
        instance->health.clear();
    }
    checkups_.erase(place);
}

void Checkups::on_timer(const Key& key) {
    const auto known = checkups_.find(key);
    if (known == checkups_.end()) return;
    Checkup& checkup = known->second;
    if (!checkup.asking) return ask(key, checkup);
    if (checkup.command != no_process) processes_.send_signal(checkup.command, SIGKILL);
    finish(checkup, false, "no answer within " + format_duration(checkup.plan.timeout));
}

void Checkups::ask(const Key& key, Checkup& checkup) {
    checkup.asking = true;
    checkup.asked = loop_.now();
    checkup.question = ++last_question_;
    checkup.timer->start(checkup.plan.timeout);
    switch (checkup.plan.kind) {
        case HealthKind::exec:
            if (checkup.command != no_process)
                return finish(checkup, false, "the command of the last check hangs");
            if (Instance* const instance = instance_at(*checkup.service, checkup.number);
                    instance == nullptr ||
                    !launch_(*checkup.service, *instance, checkup.command))
                finish(checkup, false, "there is no room for its command");
            break;
        case HealthKind::tcp:
        case HealthKind::local: return connect(key, checkup);
        case HealthKind::http: return visit(key, checkup);
        case HealthKind::none: break;
    }
}

void Checkups::connect(const Key& key, Checkup& checkup) {
    auto socket = connect_to(checkup.plan.address);
    if (!socket)
        return finish(
                checkup, false, checkup.plan.address + ": " + errno_text(socket.error().code));
    checkup.socket = std::move(*socket);
    checkup.poll = std::make_unique<Poll>(loop_, checkup.socket.get(), [this, key](int, int) {
        const auto known = checkups_.find(key);
        if (known == checkups_.end() || !known->second.socket) return;
        const int error = option_of(known->second.socket.get(), SOL_SOCKET, SO_ERROR);
        finish(known->second, error == 0,
                error == 0 ? "" : known->second.plan.address + ": " + errno_text(error));
    });
    checkup.poll->start(Poll::writable);
}

void Checkups::visit(const Key& key, Checkup& checkup) {
    const auto target = parse_target(checkup.plan.address);
    HttpQuery page{.host = checkup.plan.host, .target = checkup.plan.target};
    if (target) {
        page.address = reachable(target->ip);
        page.port = static_cast<std::uint16_t>(target->port);
    }
    const std::uint64_t question = checkup.question;
    resolver_.visit(
            page, checkup.plan.timeout, [this, key, question](const HttpAnswer& answer) {
                const auto known = checkups_.find(key);
                if (known == checkups_.end() || known->second.question != question ||
                        !known->second.asking)
                    return;
                const bool passed = answer.status >= 200 && answer.status < 400;
                finish(known->second, passed,
                        answer.status != 0       ? fmt::format("http {}", answer.status)
                        : answer.error == EPROTO ? "http: its answer is none"
                                                 : "http: " + errno_text(answer.error));
            });
}

std::map<Checkups::Key, Checkups::Checkup>::iterator Checkups::find_command(
        std::uint32_t process) {
    return std::find_if(checkups_.begin(), checkups_.end(),
            [process](const auto& one) { return one.second.command == process; });
}

void Checkups::on_command_ended(std::uint32_t process, int status) {
    const auto known = find_command(process);
    if (known == checkups_.end()) return;
    known->second.command = no_process;
    if (known->second.asking)
        finish(known->second, status == 0, "its command ended with " + exit_text(status));
}

void Checkups::on_command_not_launched(std::uint32_t process, const std::string& why) {
    const auto known = find_command(process);
    if (known == checkups_.end()) return;
    known->second.command = no_process;
    if (known->second.asking) finish(known->second, false, "its command: " + why);
}

void Checkups::finish(Checkup& checkup, bool passed, std::string text) {
    const bool failed_before = checkup.tally.failures > 0;
    checkup.asking = false;
    checkup.poll.reset();
    checkup.socket.reset();
    const Nanoseconds gone = loop_.now() - checkup.asked;
    checkup.timer->start(std::max(checkup.plan.every - gone, Nanoseconds{0}));
    const HealthStep step = count_check(checkup.plan, checkup.tally, passed);
    const std::string failure =
            fmt::format("health check failed: {} ({} in a row)", text, checkup.tally.failures);
    if (Instance* const instance = instance_at(*checkup.service, checkup.number))
        instance->health = passed ? "its health check passes" : failure;
    if (!passed && step == HealthStep::none && !failed_before)
        say(*checkup.service, Level::warning, failure);
    if (passed && failed_before)
        say(*checkup.service, Level::info, "health check passes again");
    act(checkup, step, failure);
}

void Checkups::act(Checkup& checkup, HealthStep step, const std::string& text) {
    Service& service = *checkup.service;
    Instance* const instance = instance_at(service, checkup.number);
    if (instance == nullptr) return;
    switch (step) {
        case HealthStep::none: return;
        case HealthStep::restart:
            say(service, Level::error, text + ": it is stopped");
            lives_.retire(service, *instance, EndKind::unhealthy, text);
            break;
        case HealthStep::take_out:
            say(service, Level::error, text + ": it is taken out until it passes");
            instance->taken_out = true;
            break;
        case HealthStep::bring_back:
            say(service, Level::notice, "it is back in service");
            instance->taken_out = false;
            break;
    }
    changed_(service);
}

void Checkups::say(const Service& service, Level level, std::string_view text) {
    log_.log(NoticeEvent{.level = level, .service = service.name(), .text = text});
}

}  // namespace superd
