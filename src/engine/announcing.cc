// SPDX-License-Identifier: MIT
#include "engine/announcing.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <sys/socket.h>

#include "base/text.h"

namespace superd {

namespace {

bool takes_both_families(int socket) {
    int only_v6 = 0;
    socklen_t size = sizeof only_v6;
    return ::getsockopt(socket, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, &size) == 0 &&
           only_v6 == 0;
}

void add_ports(const Listener& listener, std::vector<AnnouncedPort>& ports) {
    SocketAddress local;
    local.length = sizeof local.storage;
    if (::getsockname(listener.fd.get(), local.get(), &local.length) != 0) return;
    const Endpoint bound = Endpoint::from(local.get(), local.length);
    if (bound.family != Family::ip || bound.port == 0) return;
    AnnouncedPort port{.datagrams = listener.plan.kind == ListenerKind::udp,
            .ip = bound.ip,
            .port = static_cast<std::uint16_t>(bound.port)};
    if (!bound.ip.is_v4() && bound.ip.is_unspecified() &&
            takes_both_families(listener.fd.get())) {
        ports.push_back({port.datagrams, IpAddress::v4(0), port.port});
    }
    ports.push_back(port);
}

// Clients are not sent to a service that nobody wants to serve. One that is busy, or held back
// by a limit, comes back by itself and stays.
std::vector<AnnouncedPort> announced_ports(const Service& service) {
    std::vector<AnnouncedPort> ports;
    if (!service.wants_listeners() || service.order() == Order::pause) return ports;
    for (const Listener& listener : service.listeners) {
        const bool ip = listener.plan.kind == ListenerKind::tcp ||
                        listener.plan.kind == ListenerKind::udp;
        if (ip && listener.condition == Listener::Condition::open) add_ports(listener, ports);
    }
    if (ports.size() > announced_port_limit) ports.resize(announced_port_limit);
    return ports;
}

std::string ports_text(const std::vector<AnnouncedPort>& ports) {
    std::vector<std::string> said;
    for (const AnnouncedPort& port : ports) {
        std::string text = fmt::format("{} port {}", port.datagrams ? "udp" : "tcp", port.port);
        if (std::find(said.begin(), said.end(), text) == said.end())
            said.push_back(std::move(text));
    }
    return join(said, ", ");
}

std::string text_of(const RpcAnnouncement& rpc, const std::vector<AnnouncedPort>& ports,
        const AnnounceReport& report) {
    switch (report.state) {
        case AnnounceState::announced:
            return fmt::format("registered {} v{} {}", rpc.program,
                    rpc.low == rpc.high ? std::to_string(rpc.low)
                                        : fmt::format("{}-{}", rpc.low, rpc.high),
                    ports_text(ports));
        case AnnounceState::refused: return "refused by rpcbind: " + report.text;
        case AnnounceState::waiting: break;
    }
    return "waiting for rpcbind: " + errno_text(static_cast<int>(report.error));
}

std::string text_of(const MdnsAnnouncement& mdns, const std::vector<AnnouncedPort>& ports,
        const AnnounceReport& report) {
    switch (report.state) {
        case AnnounceState::announced: {
            const bool other = !mdns.name.empty() && mdns.name != report.text;
            return fmt::format("announced as \"{}\" ({}) {}{}", report.text, mdns.type,
                    ports_text(ports),
                    other ? fmt::format(", for \"{}\" is taken", mdns.name) : "");
        }
        case AnnounceState::refused: return "not announced: " + report.text;
        case AnnounceState::waiting: break;
    }
    const int error = static_cast<int>(report.error);
    return "waiting for " + report.text + (error == 0 ? "" : ": " + errno_text(error));
}

std::string_view state_word(const AnnounceReport* report) {
    if (report == nullptr || report->state == AnnounceState::waiting) return "waiting";
    return report->state == AnnounceState::announced ? "announced" : "refused";
}

}  // namespace

Announcements::Announcements(
        Loop& loop, EventSink& log, bool has_program, Launch launch, FindService find)
        : log_(log),
          find_(std::move(find)),
          has_program_(has_program),
          announcers_{
                  make(loop, launch, Announcing::rpc), make(loop, launch, Announcing::mdns)} {}

Announcer Announcements::make(Loop& loop, const Launch& launch, Announcing where) {
    return {loop, [launch, where](int theirs, int ours) { return launch(where, theirs, ours); },
            [this, where](std::uint32_t id) {
                on_news(where, id);
            }};
}

const Announcer& Announcements::at(Announcing where) const {
    return announcers_[static_cast<std::size_t>(where)];
}

Announcer& Announcements::of_record(std::uint32_t where) {
    return announcers_[std::min<std::size_t>(where, announcers_.size() - 1)];
}

void Announcements::follow(const Service& service) {
    if (withdrawn_) return;
    const auto& plan = *service.plan;
    Announcer& rpc = of_record(static_cast<std::uint32_t>(Announcing::rpc));
    if (!plan.rpc || service.removed)
        rpc.drop(service.index);
    else
        rpc.set({.id = service.index,
                .what = RpcAnnouncement{plan.rpc->program, plan.rpc->low, plan.rpc->high},
                .ports = announced_ports(service)});
    Announcer& mdns = of_record(static_cast<std::uint32_t>(Announcing::mdns));
    if (!plan.mdns || service.removed)
        mdns.drop(service.index);
    else
        mdns.set({.id = service.index,
                .what = MdnsAnnouncement{plan.mdns->type, plan.mdns->name, plan.mdns->txt},
                .ports = announced_ports(service)});
}

void Announcements::withdraw() {
    withdrawn_ = true;
    for (Announcer& one : announcers_)
        one.withdraw();
}

bool Announcements::withdrawn() const {
    return std::all_of(announcers_.begin(), announcers_.end(),
            [](const Announcer& one) { return one.withdrawn(); });
}

std::optional<AnnouncementStatus> Announcements::status_of(
        const Service& service, Announcing where) const {
    const Announcement* announcement = at(where).find(service.index);
    if (announcement == nullptr) return std::nullopt;
    AnnouncementStatus status{.how = std::string(announcing_word(where))};
    const AnnounceReport* report = at(where).report_of(service.index);
    status.state = state_word(report);
    if (announcement->ports.empty()) {
        status.state = "withdrawn";
        status.text = where == Announcing::rpc ? "not registered: it has no open listener"
                                               : "not announced: it has no open listener";
    } else if (!has_program_) {
        status.text = "there is no superd-announce";
    } else if (report == nullptr) {
        status.text = "waiting for superd-announce";
    } else {
        status.text = std::visit(
                [&](const auto& what) { return text_of(what, announcement->ports, *report); },
                announcement->what);
    }
    return status;
}

void Announcements::on_news(Announcing where, std::uint32_t id) {
    const Service* service = find_(id);
    if (service == nullptr) return;
    const auto status = status_of(*service, where);
    const AnnounceReport* report = at(where).report_of(id);
    if (!status || report == nullptr) return;
    const bool fine = report->state == AnnounceState::announced;
    log_.log(NoticeEvent{.level = fine ? Level::notice : Level::warning,
            .service = service->name(),
            .text = status->how + ": " + status->text});
}

}  // namespace superd
