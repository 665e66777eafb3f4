// SPDX-License-Identifier: MIT
// A service's plan as JSON: the keys and the spelling of superd.toml.
#include <limits>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "base/signals.h"
#include "base/text.h"
#include "base/units.h"
#include "config/capabilities.h"
#include "config/codec.h"
#include "config/values.h"

namespace superd {

namespace {

using Json = nlohmann::ordered_json;

template <class T>
concept Structure = requires {
    T::fields();
};

std::string_view word(Mode mode) {
    constexpr std::string_view words[]{"handler", "worker", "daemon", "builtin", "redirect"};
    return words[static_cast<unsigned>(mode)];
}

std::string_view word(Start start) {
    constexpr std::string_view words[]{"demand", "boot", "manual"};
    return words[static_cast<unsigned>(start)];
}

std::string_view word(ListenerKind kind) {
    constexpr std::string_view words[]{"tcp", "udp", "unix", "unixgram", "seqpacket", "fifo",
            "vsock", "mqueue", "netlink"};
    return words[static_cast<unsigned>(kind)];
}

std::string_view word(OnLimit on_limit) {
    return on_limit == OnLimit::queue ? "queue" : "refuse";
}

std::string_view word(Pass pass) {
    return pass == Pass::in_stdin ? "stdin" : "listen_fds";
}

std::string_view word(OnStop on_stop) {
    return on_stop == OnStop::leave ? "leave" : "end";
}

std::string_view word(Restart restart) {
    constexpr std::string_view words[]{
            "no", "on-failure", "on-abnormal", "on-success", "always"};
    return words[static_cast<unsigned>(restart)];
}

std::string_view word(Sandbox preset) {
    constexpr std::string_view words[]{"none", "standard", "strict"};
    return words[static_cast<unsigned>(preset)];
}

std::string_view word(ProtectSystem how) {
    constexpr std::string_view words[]{"no", "yes", "full", "strict"};
    return words[static_cast<unsigned>(how)];
}

std::string_view word(ProtectHome how) {
    constexpr std::string_view words[]{"no", "yes", "read-only", "tmpfs"};
    return words[static_cast<unsigned>(how)];
}

std::string_view word(NotifyAccess access) {
    constexpr std::string_view words[]{"none", "main", "all"};
    return words[static_cast<unsigned>(access)];
}

std::string ready_text(const ReadyPlan& ready) {
    switch (ready.kind) {
        case ReadyKind::exec: break;
        case ReadyKind::notify: return "notify";
        case ReadyKind::fd: return "fd:" + std::to_string(ready.fd);
        case ReadyKind::listen:
            return ready.address.empty() ? "listen" : "listen:" + ready.address;
        case ReadyKind::exit: return "exit";
    }
    return "exec";
}

std::string_view word(Missed missed) {
    return missed == Missed::skip ? "skip" : "run";
}

std::string_view word(Ident ident) {
    constexpr std::string_view words[]{"off", "log", "require"};
    return words[static_cast<unsigned>(ident)];
}

std::string_view word(Builtin builtin) {
    constexpr std::string_view words[]{"none", "echo", "discard", "chargen", "daytime", "time",
            "tcpmux", "ident", "sensor"};
    return words[static_cast<unsigned>(builtin)];
}

std::string_view word(Tcpmux tcpmux) {
    constexpr std::string_view words[]{"no", "plain", "plus"};
    return words[static_cast<unsigned>(tcpmux)];
}

std::string_view word(SendProxy version) {
    constexpr std::string_view words[]{"no", "v1", "v2"};
    return words[static_cast<unsigned>(version)];
}

Json word(Starttls kind) {
    if (kind == Starttls::none) return nullptr;
    return split(find_option("starttls")->words, ' ')[static_cast<std::size_t>(kind) - 1];
}

class Maker {
public:
    explicit Maker(const Plan& plan) : plan_(plan) {}

    Json service(const ServicePlan& service) const {
        Json json = Json::object();
        add_fields(json, service);
        return json;
    }

private:
    // ---- values by their type

    template <class T>
    Json value(std::string_view name, const std::optional<T>& optional) const {
        return optional ? value(name, *optional) : Json(nullptr);
    }

    template <class T>
    Json value(std::string_view name, const std::vector<T>& list) const {
        Json json = Json::array();
        for (const T& item : list)
            json.push_back(value(name, item));
        return json;
    }
    template <class T>
    requires std::is_enum_v<T> Json value(std::string_view, T one)
    const { return word(one); }
    template <class T>
    requires std::is_arithmetic_v<T> Json value(std::string_view name, T number)
    const {
        if constexpr (!std::is_same_v<T, bool> && std::is_unsigned_v<T>)
            if (name == "mode" || name == "directory_mode" || name == "umask")
                return format_mode(static_cast<std::uint32_t>(number));
        return number;
    }

    Json value(std::string_view, const std::string& text) const { return text; }

    Json value(std::string_view, Nanoseconds duration) const {
        return format_duration(duration);
    }

    Json value(std::string_view, const IpAddress& ip) const { return ip.text(); }

    Json value(std::string_view, const Origin& origin) const { return plan_.where(origin); }

    Json value(std::string_view, const Bound& bound) const {
        return bound.value ? Json(*bound.value) : Json("unlimited");
    }

    Json value(std::string_view, const AccessRule& rule) const {
        return {{"rule", rule.text}, {"origin", plan_.where(rule.origin)}};
    }

    Json value(std::string_view, const RatePlan& rate) const {
        return {{"limit", format_frequency(rate.limit)}, {"burst", rate.burst},
                {"pause", format_duration(rate.pause)}, {"origin", plan_.where(rate.origin)}};
    }

    Json value(std::string_view, const Frequency& frequency) const {
        return format_frequency(frequency);
    }

    Json value(std::string_view, const CleanExit& exit) const {
        return exit.is_signal ? Json(signal_name(exit.code)) : Json(exit.code);
    }

    Json value(std::string_view, const CapabilitySet& set) const {
        return capability_names(set.bits);
    }

    Json value(std::string_view, const AddressFamilies& families) const {
        Json json = Json::array();
        for (const std::uint16_t number : families.numbers)
            json.push_back(address_family_name(number));
        return json;
    }

    // So many instructions.
    Json value(std::string_view, const FilterProgram& program) const {
        return program.code.size();
    }

    Json value(std::string_view, const CalendarRule& rule) const { return rule.text; }

    Json value(std::string_view, const ServiceName& service) const { return service.name; }

    Json value(std::string_view, const HoursWindow& window) const {
        return {{"hours", hours_text(window)}, {"origin", plan_.where(window.origin)}};
    }

    Json value(std::string_view, const Output& output) const { return output_text(output); }

    Json value(std::string_view, const TargetPlan& target) const { return target.text; }

    Json value(std::string_view, const SinkPlan& sink) const {
        if (!sink.soft_size && !sink.hard_size && !sink.rotation) return sink_text(sink);
        Json json{{"file", sink.path}};
        if (sink.soft_size) json["soft"] = format_size(*sink.soft_size);
        if (sink.hard_size) json["hard"] = format_size(*sink.hard_size);
        if (!sink.rotation) return json;
        json["rotate_size"] = format_size(sink.rotation->size);
        if (sink.rotation->age) json["rotate_age"] = format_duration(*sink.rotation->age);
        json["keep"] = sink.rotation->keep;
        if (sink.rotation->keep_size)
            json["keep_size"] = format_size(*sink.rotation->keep_size);
        json["compress"] = sink.rotation->compress;
        return json;
    }

    Json value(std::string_view, const RpcPlan& rpc) const {
        return {{"program", rpc.program},
                {"versions", std::to_string(rpc.low) + "-" + std::to_string(rpc.high)}};
    }

    Json value(std::string_view, const MdnsPlan& mdns) const {
        return {{"type", mdns.type}, {"name", mdns.name}, {"txt", mdns.txt}};
    }

    Json value(std::string_view, const SkippedOption& skipped) const {
        return {{"key", skipped.key}, {"reason", skipped.reason},
                {"origin", plan_.where(skipped.origin)}};
    }

    Json value(std::string_view, const ProxyProtocolPlan& plan) const {
        return {{"from", value({}, plan.from)},
                {"version", plan.versions == 3 ? Json("any") : Json(plan.versions)},
                {"required", plan.required}, {"timeout", format_duration(plan.timeout)},
                {"origin", plan_.where(plan.origin)}};
    }

    Json value(std::string_view, const ProxyTlvs& tlvs) const {
        Json words = Json::array();
        const auto all = split(find_option("send_proxy_tlvs")->words, ' ');
        for (std::size_t i = 0; i < all.size(); ++i)
            if ((tlvs.bits >> i & 1) != 0) words.push_back(all[i]);
        return words;
    }

    Json value(std::string_view, const ListenerPlan& listener) const {
        return listener_json(listener);
    }

    static std::string output_text(const Output& output) {
        switch (output.kind) {
            case OutputKind::log: return "log";
            case OutputKind::socket: return "socket";
            case OutputKind::null: return "null";
            case OutputKind::file: return "file:" + output.path;
            case OutputKind::pipe: return "pipe";
        }
        return {};
    }

    static std::string hours_text(const HoursWindow& window) {
        constexpr std::string_view names[]{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
        std::string text;
        for (unsigned day = 0; day < 7 && window.days != 0x7f; ++day) {
            if ((window.days & (1u << day)) == 0) continue;
            if (!text.empty()) text += ',';
            text += names[day];
        }
        if (!text.empty()) text += ' ';
        const auto time = [](unsigned minutes) {
            const std::string hour = std::to_string(minutes / 60),
                              minute = std::to_string(minutes % 60);
            return (hour.size() < 2 ? "0" : "") + hour + ":" + (minute.size() < 2 ? "0" : "") +
                   minute;
        };
        return text + time(window.from) + "-" + time(window.to);
    }

    // What was left to the kernel and what belongs to other kinds of listener is left out.
    Json listener_json(const ListenerPlan& listener) const {
        Json json = Json::object();
        const auto one = [&](const auto& field) {
            if (is_part_of_address(field.name) || !is_written_for(listener, field.name)) return;
            Json made = value(field.name, listener.*field.member);
            if (!made.is_null() && made != Json("") && made != Json::array())
                json[std::string(field.name)] = std::move(made);
        };
        std::apply([&](const auto&... field) { (one(field), ...); }, ListenerPlan::fields());
        return json;
    }

    static bool is_part_of_address(std::string_view name) {
        for (const std::string_view part :
                {"kind", "ip_family", "ip", "interface_zone", "port", "cid", "path"})
            if (part == name) return true;
        return false;
    }

    static bool is_written_for(const ListenerPlan& listener, std::string_view name) {
        const Option* option = find_option(name, in_listener);
        return option == nullptr ||
               (option->kinds & (1u << static_cast<unsigned>(listener.kind))) != 0;
    }

    // ---- fields whose place or form differs from the plan's

    template <class T>
    void add_fields(Json& json, const T& object) const {
        std::apply(
                [&](const auto&... field) {
                    (add(json, field.name, object.*field.member), ...);
                },
                T::fields());
    }

    template <class M>
    void add(Json& json, std::string_view name, const M& member) const {
        if (name == "max_load_origin" || name == "tcp_wrappers_origin") return;
        json[std::string(name)] = value(name, member);
    }

    void add(Json& json, std::string_view name,
            const std::optional<Nanoseconds>& duration) const {
        const bool forever = name == "deny_for" && duration == Nanoseconds::zero();
        json[std::string(name)] = forever ? Json("forever") : value(name, duration);
    }

    // A name takes the place of `true`.
    void add(Json& json, std::string_view name, const std::string& text) const {
        if (name != "tcp_wrappers_name")
            json[std::string(name)] = value(name, text);
        else if (!text.empty())
            json["tcp_wrappers"] = text;
    }

    void add(Json& json, std::string_view name, const BannerPlan& banner) const {
        json[std::string(name)] = value(name, banner.path);
    }

    void add(Json& json, std::string_view, const AdmissionPlan& admission) const {
        add_fields(json, admission);
    }

    void add(Json& json, std::string_view, const ExecPlan& exec) const {
        add_fields(json, exec);
    }

    // Switches that are off are as if they were not there, but for the preset.
    void add(Json& json, std::string_view, const SandboxPlan& sandbox) const {
        Json own = Json::object();
        add_fields(own, sandbox);
        for (auto& [name, made] : own.items())
            if (name == "sandbox" || (!made.is_null() && made != false && made != "no" &&
                                             (made != Json::array() || name == "capabilities" ||
                                                     name == "address_families")))
                json[name] = std::move(made);
    }

    void add(Json& json, std::string_view, const LimitsPlan& limits) const {
        add_fields(json, limits);
        if (limits.cpu_max) json["cpu_max"] = std::to_string(*limits.cpu_max) + "%";
    }

    void add(Json& json, std::string_view, const LifePlan& life) const {
        add_fields(json, life);
        for (const char* bound : {"restart_limit", "start_timeout", "run_timeout", "watchdog"})
            if (json[bound].is_null()) json[bound] = "unlimited";
    }

    void add(Json& json, std::string_view, const UpkeepPlan& upkeep) const {
        add_fields(json, upkeep);
        for (const char* bound : {"idle_stop", "max_age", "max_requests"})
            if (json[bound].is_null()) json[bound] = "unlimited";
    }

    void add(Json& json, std::string_view name, const HealthPlan& health) const {
        if (health.kind == HealthKind::none) return;
        constexpr std::string_view kinds[]{"none", "exec", "tcp", "http", "unix"};
        const std::string kind(kinds[static_cast<std::size_t>(health.kind)]);
        Json& made = json[std::string(name)];
        if (health.kind == HealthKind::exec)
            made[kind] = health.command;
        else
            made[kind] = health.kind == HealthKind::http
                                 ? "http://" + health.host + health.target
                                 : health.address.substr(health.address.find(':') + 1);
        made["every"] = format_duration(health.every);
        made["timeout"] = format_duration(health.timeout);
        made["start_delay"] = format_duration(health.start_delay);
        made["failures"] = health.failures;
        made["successes"] = health.successes;
        made["action"] = health.action == HealthAction::restart ? "restart" : "take-out";
    }

    void add(Json& json, std::string_view name, const ReloadPlan& reload) const {
        Json& made = json[std::string(name)];
        if (!reload.command.empty())
            made = reload.command;
        else if (reload.wait)
            made = {{"signal", signal_name(reload.signal)}, {"wait", true}};
        else if (reload.signal != 0)
            made = signal_name(reload.signal);
    }

    void add(Json& json, std::string_view name, const ReadyPlan& ready) const {
        json[std::string(name)] = ready_text(ready);
    }

    // After `workers`, of which it is the rest.
    void add(Json& json, std::string_view, const PoolPlan& pool) const {
        if (pool.most > 0)
            json["workers"] = {{"min", Json(json["workers"])}, {"max", pool.most},
                    {"after", format_duration(pool.after)}};
        json["overlap"] = pool.overlap;
        Json& starters = json["listen_environment"] = Json::array();
        if (pool.einhorn) starters.push_back("einhorn");
        if (pool.server_starter) starters.push_back("server_starter");
    }

    void add(Json& json, std::string_view, const CopyPlan& copy) const {
        if (!copy.of.empty()) json["copy"] = {{"of", copy.of}, {"name", copy.name}};
    }

    void add(Json& json, std::string_view name, const PrestartPlan& prestart) const {
        Json& made = json[std::string(name)];
        made = prestart.count;
        if (prestart.count == 0) return;
        made = {{"count", prestart.count},
                {"max_age", prestart.max_age ? value({}, *prestart.max_age) : "unlimited"}};
    }

    void add(Json& json, std::string_view, const TimerPlan& timer) const {
        if (timer.any()) add_fields(json, timer);
    }

    void add(Json& json, std::string_view, const DependencyPlan& dependencies) const {
        add_fields(json, dependencies);
    }

    void add(Json& json, std::string_view, const ServiceLogPlan& log) const {
        json["log"] = value({}, log.sinks);
        json["log_admitted"] = log_fact_words(log.admitted);
        json["log_refused"] = log_fact_words(log.refused);
    }

    void add(Json& json, std::string_view, const std::vector<AccessRule>& access) const {
        json["allow"] = Json::array();
        json["deny"] = Json::array();
        for (const AccessRule& rule : access)
            json[rule.allow ? "allow" : "deny"].push_back(value({}, rule));
    }

    void add(Json& json, std::string_view, const IdentityPlan& identity) const {
        json["user"] = identity.user;
        json["uid"] = identity.uid;
        json["gid"] = identity.gid;
        json["groups"] = identity.groups;
    }

    void add(Json& json, std::string_view, const std::vector<RlimitPlan>& limits) const {
        Json table = Json::object();
        for (const RlimitPlan& limit : limits)
            table[std::string(rlimit_name(limit.resource))] =
                    limit_text(limit.resource, limit.soft) + ":" +
                    limit_text(limit.resource, limit.hard);
        json["rlimits"] = std::move(table);
    }

    void add(Json& json, std::string_view, const std::vector<Variable>& variables) const {
        Json table = Json::object();
        for (const Variable& variable : variables)
            if (!variable.secret) table[variable.name] = variable.value;
        json["environment"] = std::move(table);
    }

    void add(Json& json, std::string_view,
            const std::vector<CredentialPlan>& credentials) const {
        Json table = Json::object();
        for (const CredentialPlan& credential : credentials)
            table[credential.name] = credential.path;
        json["credentials"] = std::move(table);
    }

    void add(Json& json, std::string_view name,
            const std::optional<std::uint8_t>& member) const {
        if (name == "ionice_level") {
            if (json["ionice"] == Json("best-effort") || json["ionice"] == Json("realtime"))
                json["ionice"] = json["ionice"].get<std::string>() + ":" +
                                 std::to_string(member.value_or(0));
            return;
        }
        constexpr std::string_view classes[]{"none", "realtime", "best-effort", "idle"};
        json["ionice"] = member ? Json(classes[*member & 3u]) : Json(nullptr);
    }

    static std::string limit_text(int resource, std::uint64_t amount) {
        if (amount == std::numeric_limits<std::uint64_t>::max()) return "unlimited";
        const auto count = static_cast<std::int64_t>(amount & 0x7fffffffffffffffu);
        switch (rlimit_form(resource)) {
            case 'd': return format_duration(std::chrono::seconds(count));
            case 'u': return format_duration(std::chrono::microseconds(count));
            case 's': return format_size(amount);
            default: return std::to_string(amount);
        }
    }

    const Plan& plan_;
};

}  // namespace

std::string plan_json(const Plan& plan, const ServicePlan& service) {
    return Maker(plan).service(service).dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace superd
