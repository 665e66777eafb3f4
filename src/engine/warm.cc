// SPDX-License-Identifier: MIT
#include "engine/warm.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "policy/rate.h"
#include "sys/idle_priority.h"
#include "sys/kin.h"
#include "sys/park_protocol.h"
#include "sys/process.h"
#include "sys/warm_recovery.h"

namespace superd {

namespace {

// Behind the connection that a handler was taken for: its own work comes first.
constexpr auto refill_pause = std::chrono::milliseconds(5);

std::optional<std::pair<Fd, Fd>> make_pair(int type) {
    int ends[2];
    if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) != 0) return std::nullopt;
    return std::pair<Fd, Fd>{Fd(ends[0]), Fd(ends[1])};
}

// A program that has written to what it took for its connection did so past all that is caught.
bool has_been_used(const Fd& placeholder) {
    char byte = 0;
    return ::recv(placeholder.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

std::string_view reason_text(char reason) {
    switch (reason) {
        case park_replaced: return "it puts something else on descriptor 0 or 1";
        case park_copied: return "it keeps a copy of descriptor 0 or 1 before it uses it";
        case park_forked: return "it uses its connection in a process that it forked";
        default: return "it cannot wait";
    }
}

// As sys/child.cc does for a cold one.
void make_ipv4(int connection) {
    const int family = AF_INET;
    ::setsockopt(connection, IPPROTO_IPV6, IPV6_ADDRFORM, &family, sizeof family);
}

std::string variables_of(const Launch& launch, std::int32_t pid) {
    std::string text;
    append_connection_environment(text, launch.facts);
    if (launch.facts.peer.family != Family::unix) return text;
    const IdentityPlan& own = launch.plan->identity;
    text += fmt::format("UNIXLOCALUID={}", own.change ? own.uid : ::getuid());
    text += '\0';
    text += fmt::format("UNIXLOCALGID={}", own.change ? own.gid : ::getgid());
    text += '\0';
    const bool apart = launch.plan->sandbox.private_pids;
    text += fmt::format("UNIXLOCALPID={}", apart ? pid_inside(pid) : pid);
    text += '\0';
    return text;
}

bool send_connection(int channel, std::string& text, int connection) {
    iovec part{text.data(), text.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> room{};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = room.data();
    header.msg_controllen = room.size();
    cmsghdr* const rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof connection);
    std::memcpy(CMSG_DATA(rights), &connection, sizeof connection);
    return ::sendmsg(channel, &header, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

}  // namespace

WarmHandlers::WarmHandlers(
        Loop& loop, Processes& processes, EventSink& log, WarmHost& host, std::string library)
        : loop_(loop),
          processes_(processes),
          log_(log),
          host_(host),
          library_(std::move(library)),
          timer_(loop, [this] { look(); }) {}

WarmHandlers::~WarmHandlers() = default;

// ---- the pool

void WarmHandlers::wake(Nanoseconds after) {
    const Mono at = loop_.now() + after;
    if (timer_.active() && timer_at_ <= at) return;
    timer_at_ = at;
    timer_.start(after);
}

void WarmHandlers::follow(Service& service, std::uint32_t wanted) {
    const auto known = pools_.find(&service);
    if (known == pools_.end() && wanted == 0) return;
    Pool& pool = known == pools_.end() ? pools_[&service] : known->second;
    if (library_.empty() && wanted > 0) {
        pool.trouble = "libsuperd-park.so is not installed";
        wanted = 0;
    }
    if (pool.counts.wanted == wanted) return;
    pool.counts.wanted = wanted;
    wake(Nanoseconds{0});
}

void WarmHandlers::drop(const Service& service) {
    for (auto& [record, member] : members_)
        if (member->service == &service && member->stage != Stage::given) end(*member);
    pools_.erase(const_cast<Service*>(&service));
}

void WarmHandlers::stop() {
    for (auto& [record, member] : members_)
        if (member->stage == Stage::starting || member->stage == Stage::waiting) end(*member);
    pools_.clear();
}

void WarmHandlers::look() {
    const Mono now = loop_.now();
    timer_at_ = Mono::max();
    for (auto& [record, member] : members_)
        look_at(*member, now);
    for (auto& [service, pool] : pools_)
        fill(*service, pool, now);
    Mono next = Mono::max();
    for (const auto& [record, member] : members_)
        next = std::min(next, member->deadline);
    if (next != Mono::max()) wake(std::max(next - now, Nanoseconds{0}));
}

void WarmHandlers::look_at(Member& member, Mono now) {
    if (member.deadline > now) return;
    member.deadline = Mono::max();
    switch (member.stage) {
        case Stage::starting:
            if (member.is_idle) {
                // Perhaps others had all of the processor: the same time again, as one of them.
                leave_idle_priority(processes_.records().at(member.record).pid.load());
                member.is_idle = false;
                member.deadline = now + member.service->plan->launch_timeout;
                return;
            }
            miss(member,
                    "it does not come to use its connection, or in a way that is not seen");
            end(member);
            return;
        case Stage::waiting: end(member); return;
        case Stage::given: (void)processes_.send_signal(member.record, SIGKILL); return;
        case Stage::ending: return;
    }
}

void WarmHandlers::fill(Service& service, Pool& pool, Mono now) {
    const WarmDecision decision = decide_warm(pool.counts, host_.room_for_warm(), now);
    for (std::uint32_t i = 0; i < decision.end && !pool.waiting.empty(); ++i)
        end(*members_.at(pool.waiting.front()));
    if (pool.counts.wanted == 0 && pool.counts.starting > 0)
        for (auto& [record, member] : members_)
            if (member->service == &service && member->stage == Stage::starting) end(*member);
    for (std::uint32_t i = 0; i < decision.start; ++i) {
        if (start(service, pool)) continue;
        note_miss(pool.counts, now);
        break;
    }
    if (decision.again)
        wake(*decision.again - now);
    else if (pool.counts.not_before > now && pool.counts.starting == 0 &&
             pool.counts.parked < pool.counts.wanted)
        wake(pool.counts.not_before - now);
}

std::vector<std::string> WarmHandlers::variables() const {
    std::vector<std::string> variables{
            "LD_PRELOAD=" + library_, fmt::format("{}={}", park_variable, park_number)};
    for (unsigned i = 0; i < park_room; ++i)
        variables.push_back(fmt::format("{}_{}=", park_variable, i));
    return variables;
}

bool WarmHandlers::start(Service& service, Pool& pool) {
    auto channel = make_pair(SOCK_SEQPACKET);
    auto placeholder = make_pair(SOCK_STREAM);
    const auto index = processes_.records().take();
    if (!channel || !placeholder || !index) {
        pool.trouble = index ? Error{errno, "socketpair", ""}.text()
                             : "superd has no room for its process";
        if (index) processes_.records().give_back(*index);
        return false;
    }
    auto member = std::make_unique<Member>();
    member->record = *index;
    member->service = &service;
    member->channel = std::move(channel->first);
    member->placeholder = std::move(placeholder->first);
    ProcessRecord& record = processes_.records().at(*index);
    record.kind = ProcessKind::warm;
    record.service = service.index;
    record.started = to_nanoseconds(loop_.now());
    record.connection.store(member->channel.get(), std::memory_order_relaxed);
    record.state.store(RecordState::accepted, std::memory_order_release);
    Launch launch;
    launch.record = *index;
    launch.service = service.index;
    host_.equip_warm(service, launch);
    launch.listeners = {placeholder->second.get()};
    launch.ready = Loan(std::make_shared<const Fd>(std::move(channel->second)));
    launch.ready_number = park_number;
    launch.variables = variables();
    member->poll = std::make_unique<Poll>(loop_, member->channel.get(),
            [this, record = *index](int, int) { on_channel(record); });
    member->poll->start(Poll::readable);
    members_[*index] = std::move(member);
    ++pool.counts.starting;
    host_.count_warm(true);
    processes_.launch(std::move(launch));
    return true;
}

// ---- one of them

void WarmHandlers::on_started(std::uint32_t record) {
    const auto known = members_.find(record);
    if (known == members_.end()) return;
    Member& member = *known->second;
    if (member.stage == Stage::ending) {
        (void)processes_.send_signal(record, SIGKILL);
        return;
    }
    if (member.stage != Stage::starting) return;  // it was faster than the news of it
    member.is_idle = enter_idle_priority(processes_.records().at(record).pid.load());
    member.deadline = loop_.now() + member.service->plan->launch_timeout;
    wake(member.service->plan->launch_timeout);
}

void WarmHandlers::on_launch_failed(std::uint32_t record, const LaunchResult& result) {
    const auto known = members_.find(record);
    if (known == members_.end()) return;
    Member& member = *known->second;
    if (member.service != nullptr) {
        host_.on_warm_not_launched(record, result);
        miss(member, "it could not be started");
    }
    host_.count_warm(false);
    erase(record);
}

bool WarmHandlers::on_ended(std::uint32_t record, int status) {
    const auto known = members_.find(record);
    if (known == members_.end()) return false;
    Member& member = *known->second;
    if (member.stage == Stage::given && has_taken(member.channel.get())) {
        arrive(member);
        return true;
    }
    if (member.stage == Stage::given)
        go_cold(member);
    else if (member.stage != Stage::ending)
        miss(member, fmt::format("it ended {}: {}",
                             member.stage == Stage::starting ? "before it used its connection"
                                                             : "while it waited",
                             exit_text(status)));
    host_.count_warm(false);
    erase(record);
    return false;
}

void WarmHandlers::on_channel(std::uint32_t record) {
    Member& member = *members_.at(record);
    if (member.stage == Stage::given) {
        if (has_taken(member.channel.get()))
            arrive(member);
        else
            member.poll->stop();  // its end comes by itself
        return;
    }
    std::array<char, 2> word{};
    const ssize_t size = ::recv(member.channel.get(), word.data(), word.size(), MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size > 0) {
        on_word(member, word[0], word[1]);
        return;
    }
    member.poll->stop();
    // It has ended, mostly; one that has only closed the channel is of no use.
    if (member.stage == Stage::waiting) {
        Pool& pool = pools_.at(member.service);
        std::erase(pool.waiting, record);
    }
    (void)processes_.send_signal(record, SIGKILL);
}

void WarmHandlers::on_word(Member& member, char word, char reason) {
    if (member.stage != Stage::starting) return;
    if (word != park_parked)
        miss(member, std::string(reason_text(reason)));
    else if (has_been_used(member.placeholder))
        miss(member, "it writes to its connection in a way that is not seen");
    else
        return on_parked(member);
    end(member);
}

void WarmHandlers::on_parked(Member& member) {
    Service& service = *member.service;
    if (std::exchange(member.is_idle, false))
        leave_idle_priority(processes_.records().at(member.record).pid.load());
    Pool& pool = pools_.at(&service);
    --pool.counts.starting;
    ++pool.counts.parked;
    note_parked(pool.counts);
    pool.trouble.clear();
    pool.waiting.push_back(member.record);
    member.stage = Stage::waiting;
    member.deadline = Mono::max();
    if (const auto& longest = service.plan->prestart.max_age) {
        member.deadline = loop_.now() + *longest;
        wake(*longest);
    }
    // After a miss the others have waited for this one.
    if (pool.counts.starting + pool.counts.parked < pool.counts.wanted) wake(Nanoseconds{0});
    host_.on_warm_changed(service);
}

// ---- a connection

bool WarmHandlers::give(Service& service, Launch& launch) {
    const auto known = pools_.find(&service);
    while (known != pools_.end() && !known->second.waiting.empty()) {
        Member& member = *members_.at(known->second.waiting.front());
        if (has_been_used(member.placeholder)) {
            miss(member, "it writes to its connection in a way that is not seen");
            end(member);
            continue;
        }
        if (!hand_over(member, service, launch)) {
            end(member);
            continue;
        }
        member.cold = std::make_unique<Launch>(std::move(launch));
        wake(refill_pause);
        return true;
    }
    ++service.record->served_cold;
    return false;
}

bool WarmHandlers::hand_over(Member& member, Service& service, const Launch& launch) {
    ProcessRecord& record = processes_.records().at(member.record);
    std::string text = variables_of(launch, record.pid.load(std::memory_order_relaxed));
    if (text.size() >= park_most) return false;
    const Endpoint& peer = launch.facts.peer;
    if (launch.facts.kind == ListenerKind::tcp && peer.family == Family::ip && peer.ip.is_v4())
        make_ipv4(launch.connection);
    forget(member);
    // First of all: who finds the connection and this looks who has it.
    record.id = processes_.records().at(launch.record).id;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (!send_connection(member.channel.get(), text, launch.connection)) {
        record.id = 0;
        member.stage = Stage::ending;  // it is not counted any more
        return false;
    }
    member.stage = Stage::given;
    member.deadline = loop_.now() + service.plan->launch_timeout;
    return true;
}

void WarmHandlers::arrive(Member& member) {
    const std::uint32_t index = member.record, from = member.cold->record;
    ProcessRecord& record = processes_.records().at(index);
    ++member.service->record->served_warm;
    become_handler(record, processes_.records().at(from));
    processes_.records().move_proxied(from, index);
    processes_.records().give_back(from);
    processes_.spawner().close_later(member.cold->connection);
    record.connection.store(-1);
    erase(index);
    host_.on_warm_arrived(index, from);
}

// It has not seen the connection, and will not.
void WarmHandlers::go_cold(Member& member) {
    processes_.records().at(member.record).id = 0;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    ++member.service->record->served_cold;
    log_.log(NoticeEvent{.level = Level::notice,
            .service = member.service->name(),
            .text = "a handler that was started ahead ended before it had its connection: "
                    "another one is started"});
    processes_.launch(std::move(*member.cold));
}

std::size_t WarmHandlers::on_the_way() const {
    return static_cast<std::size_t>(std::count_if(members_.begin(), members_.end(),
            [](const auto& entry) { return entry.second->stage == Stage::given; }));
}

// ---- ends

void WarmHandlers::forget(Member& member) {
    const auto known = pools_.find(member.service);
    if (known == pools_.end()) return;
    WarmPool& counts = known->second.counts;
    if (member.stage == Stage::starting) --counts.starting;
    if (member.stage == Stage::waiting) {
        --counts.parked;
        std::erase(known->second.waiting, member.record);
    }
}

// Said once for each cause, and shown by why as long as none has parked since.
void WarmHandlers::miss(Member& member, std::string trouble) {
    const auto known = pools_.find(member.service);
    if (known == pools_.end()) return;
    Pool& pool = known->second;
    note_miss(pool.counts, loop_.now());
    if (pool.trouble != trouble)
        log_.log(NoticeEvent{.level = Level::warning,
                .service = member.service->name(),
                .text = "a handler that was started ahead is of no use: " + trouble +
                        "; connections are served by handlers that are started for them"});
    pool.trouble = std::move(trouble);
    Service& service = *member.service;
    forget(member);
    member.service = nullptr;
    member.stage = Stage::ending;
    wake(Nanoseconds{0});
    host_.on_warm_changed(service);
}

// With the channel goes what it waits for; what does not wait there is killed.
void WarmHandlers::end(Member& member) {
    if (member.service != nullptr) {
        forget(member);
        wake(refill_pause);
    }
    member.stage = Stage::ending;
    member.service = nullptr;
    member.deadline = Mono::max();
    member.poll.reset();
    ProcessRecord& record = processes_.records().at(member.record);
    record.connection.store(-1);
    member.channel.reset();
    member.placeholder.reset();
    if (record.pid.load() > 0) (void)processes_.send_signal(member.record, SIGKILL);
}

void WarmHandlers::erase(std::uint32_t record) {
    const auto known = members_.find(record);
    processes_.records().at(record).connection.store(-1);
    members_.erase(known);
}

std::optional<WarmStatus> WarmHandlers::status(const Service& service) const {
    if (service.plan->prestart.count == 0) return std::nullopt;
    WarmStatus status{.wanted = service.plan->prestart.count,
            .served_warm = service.record->served_warm,
            .served_cold = service.record->served_cold};
    const auto known = pools_.find(const_cast<Service*>(&service));
    if (known == pools_.end()) return status;
    status.parked = known->second.counts.parked;
    status.starting = known->second.counts.starting;
    status.trouble = known->second.trouble;
    return status;
}

}  // namespace superd
