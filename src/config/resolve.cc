// SPDX-License-Identifier: MIT
#include "config/resolve.h"

#include <algorithm>

#include "base/text.h"
#include "config/networks.h"

namespace superd {

namespace {

std::string_view mode_word(Mode mode) {
    switch (mode) {
        case Mode::handler: return "handler";
        case Mode::worker: return "worker";
        case Mode::daemon: return "service without listen";
        case Mode::builtin: return "builtin";
        case Mode::redirect: return "redirect";
    }
    return {};
}

unsigned mode_bit(Mode mode) {
    return 1u << static_cast<unsigned>(mode);
}

// ---- layers

// The profile that the service or its overrides name; an unknown one is an error.
const Section* find_profile(ResolveContext& context, const ServiceInput& own) {
    const Written* written = own.layers.last("profile");
    if (written == nullptr) return nullptr;
    const std::string* name = context.values.text(*written->node, "profile");
    if (name == nullptr) return nullptr;
    const auto found = context.config.profiles.find(*name);
    if (found != context.config.profiles.end()) return &found->second;
    std::vector<std::string_view> names;
    for (const auto& [profile, section] : context.config.profiles)
        names.push_back(profile);
    const std::string_view near = nearest(*name, names);
    context.report.error(written->node->at, "there is no [profile." + *name + "]",
            near.empty() ? "" : "did you mean " + quoted(near) + "?");
    return nullptr;
}

// Overrides over the service over its profile over [defaults].
void layer_up(ResolveContext& context, ServiceInput& input) {
    const auto overrides = context.config.overrides.find(input.section.name);
    const auto add_own = [&] {
        input.layers.add(input.section, Layer::service);
        if (overrides == context.config.overrides.end()) return;
        for (const Section& section : overrides->second)
            input.layers.add(section, Layer::override_table);
    };
    add_own();
    const Section* profile = find_profile(context, input);
    input.layers = {};
    if (context.config.defaults) input.layers.add(*context.config.defaults, Layer::defaults);
    if (profile != nullptr) input.layers.add(*profile, Layer::profile);
    add_own();
    if (overrides !=
            context.config.overrides.end())  // an overridden value is checked all the same
        for (const Setting& setting : input.section.settings)
            check_value(context, setting);
}

// ---- mode

bool has_kind(const ServiceInput& input, bool connections) {
    return std::any_of(
            input.listeners.begin(), input.listeners.end(), [&](const ListenerInput& listener) {
                return is_connection_kind(listener.spec.kind) == connections;
            });
}

Mode inferred_mode(ResolveContext& context, const ServiceInput& input) {
    const bool streams = has_kind(input, true), packets = has_kind(input, false);
    if (streams && packets)
        context.report.error(input.layers.last("listen")->at,
                "streams and datagrams in one service need a mode",
                R"(write mode = "worker", or two services)");
    return packets ? Mode::worker : Mode::handler;
}

// What a builtin can be spoken to by: everything but FIFOs and sockets of packets.
void check_builtin_kinds(ResolveContext& context, const ServiceInput& input) {
    for (const ListenerInput& listener : input.listeners) {
        const ListenerKind kind = listener.spec.kind;
        if (kind == ListenerKind::tcp || kind == ListenerKind::udp ||
                kind == ListenerKind::unix_stream)
            continue;
        context.report.error(listener.at,
                listener.spec.text() + " cannot be served by a builtin",
                "builtins are spoken to over tcp, udp and unix addresses");
    }
}

void check_redirect(
        ResolveContext& context, const ServiceInput& input, const Written& redirect) {
    if (input.layers.last("listen") == nullptr)
        context.report.error(redirect.at, "a redirect without listen serves nobody",
                R"(write listen = "tcp:PORT")");
    if (const Written* mode = input.layers.last("mode"))
        context.report.error(mode->at, "mode means nothing for a redirect", "leave it out");
    for (const std::string_view other : {"exec", "builtin"})
        if (const Written* written = input.layers.last(other))
            context.report.error(written->at,
                    std::string(other) + " and redirect exclude each other",
                    "leave one of them out");
    for (const ListenerInput& listener : input.listeners)
        if (listener.spec.kind != ListenerKind::tcp &&
                listener.spec.kind != ListenerKind::udp &&
                listener.spec.kind != ListenerKind::unix_stream)
            context.report.error(listener.at, listener.spec.text() + " cannot be redirected",
                    "redirects are for tcp, udp and unix addresses");
    if (has_kind(input, true) && has_kind(input, false))
        context.report.error(redirect.at, "streams and datagrams cannot go to the same targets",
                "write two services");
}

// Reached through tcpmux by its name: it may do without an address.
bool is_for_tcpmux(const ServiceInput& input) {
    const Written* written = input.layers.last("tcpmux");
    const auto* word =
            written == nullptr ? nullptr : std::get_if<std::string>(&written->node->value);
    return word != nullptr && *word != "no";
}

Mode resolve_mode(ResolveContext& context, const ServiceInput& input) {
    const Written* written = input.layers.last("mode");
    const bool listens = input.layers.last("listen") != nullptr;
    if (const Written* redirect = input.layers.last("redirect")) {
        check_redirect(context, input, *redirect);
        return Mode::redirect;
    }
    if (const Written* builtin = input.layers.last("builtin")) {
        if (!listens)
            context.report.error(builtin->at, "a builtin without listen serves nobody",
                    R"(write listen = "tcp:PORT")");
        if (written != nullptr)
            context.report.error(
                    written->at, "mode means nothing for a builtin", "leave it out");
        check_builtin_kinds(context, input);
        return Mode::builtin;
    }
    if (!listens && is_for_tcpmux(input)) return Mode::handler;
    if (!listens) {
        if (written != nullptr)
            context.report.error(written->at, "mode means nothing for a service without listen",
                    "leave it out, or write listen");
        return Mode::daemon;
    }
    const auto word = choice_of(context, input.layers, "mode");
    if (!word) return inferred_mode(context, input);
    const Mode mode = *word == 0 ? Mode::handler : Mode::worker;
    if (mode == Mode::handler && has_kind(input, false))
        context.report.error(written->node->at,
                "a handler takes connections; datagrams, FIFOs and queues have none",
                R"(write mode = "worker")");
    return mode;
}

// ---- what means nothing for the mode

// A worker's clients come in unseen, so a rule about them must not look as though it held.
void unenforceable(
        ResolveContext& context, const ServiceInput& input, const Option& option, Mode mode) {
    const auto list = fold_list(input.layers, option.key, context.report);
    if (!list || (list->items.empty() && !list->edited)) return;
    const std::string key(option.key);
    const Written* written = input.layers.last(option.key);
    const auto* boolean = std::get_if<bool>(&written->node->value);
    if (boolean != nullptr && !*boolean) return;
    const std::string none = option.type == ValueType::wrappers ? " = false" : " = []";
    context.report.error(written->at,
            key + " cannot be enforced for " + input.label +
                    (mode == Mode::worker ? ": superd does not see a worker's clients"
                                          : ": no program of the service's own is started"),
            is_own(written->layer)
                    ? "leave it out"
                    : "write " + key + none + " in " + input.label + " to do without");
}

// ident keeps clients out only where it says so.
bool requires_ident(ResolveContext& context, const ServiceInput& input, const Option& option) {
    return option.key == "ident" && choice_of(context, input.layers, "ident") ==
                                            static_cast<std::size_t>(Ident::require);
}

// What resolve_mode() has judged.
bool is_settled(const Option& option, Mode mode) {
    const bool excluded = option.key == "exec" || option.key == "builtin";
    return option.key == "listen" || option.key == "mode" ||
           (mode == Mode::redirect && excluded);
}

// Errors for what the service itself says in vain; what is inherited in vain is recorded.
void drop_meaningless(ResolveContext& context, ServiceInput& input, ServicePlan& plan) {
    std::vector<const Option*> dropped;
    for (const Written& written : input.layers.everything()) {
        const Option& option = *written.option;
        if ((option.modes & mode_bit(plan.mode)) != 0 || is_settled(option, plan.mode))
            continue;
        const bool first = std::find(dropped.begin(), dropped.end(), &option) == dropped.end();
        if (first) dropped.push_back(&option);
        const bool guards = is_access_rule(option) || requires_ident(context, input, option);
        if (guards && plan.mode != Mode::daemon) {
            if (first) unenforceable(context, input, option, plan.mode);
            continue;
        }
        const std::string reason = "means nothing for a " + std::string(mode_word(plan.mode));
        if (is_own(written.layer))
            context.report.error(written.at, std::string(option.key) + " " + reason,
                    "leave it out; it is for: " + modes_text(option));
        else
            plan.skipped.push_back(
                    {std::string(option.key), reason, Values::origin(written.at)});
    }
    for (const Option* option : dropped)
        input.layers.drop(option);
}

// ---- how it runs

Start resolve_start(ResolveContext& context, const ServiceInput& input, ServicePlan& plan) {
    const bool timed = plan.timer.any();
    const Start usual = plan.mode == Mode::daemon && !timed ? Start::boot : Start::demand;
    const Written* written = input.layers.last("start");
    const auto word = choice_of(context, input.layers, "start");
    if (!word) return usual;
    const auto start = static_cast<Start>(*word);
    std::string reason;
    if (timed && start == Start::manual) reason = "at and every start it";
    if (plan.mode == Mode::daemon && start == Start::demand && !timed)
        reason = "nothing can demand a service without listen";
    if (plan.mode == Mode::handler && start == Start::boot)
        reason = "a handler starts when somebody connects";
    if ((plan.mode == Mode::builtin || plan.mode == Mode::redirect) && start == Start::boot)
        reason = "a " + std::string(mode_word(plan.mode)) + " has no process of its own";
    if (reason.empty()) return start;
    constexpr std::string_view words[]{"demand", "boot", "manual"};
    constexpr std::string_view others[]{R"(write "boot" or "manual")",
            R"(write "demand" or "manual")",
            "leave it out; superctl pause keeps it from running"};
    if (is_own(written->layer))
        context.report.error(written->node->at,
                "start = " + quoted(words[*word]) + " cannot be: " + reason,
                std::string(others[*word]));
    else
        plan.skipped.push_back({"start", reason, Values::origin(written->at)});
    return usual;
}

// Descriptor 0 holds one socket; several need names and numbers.
Pass resolve_pass(ResolveContext& context, const ServiceInput& input, const ServicePlan& plan) {
    const bool worker = plan.mode == Mode::worker;
    const Written* written = input.layers.last("pass");
    const auto word = choice_of(context, input.layers, "pass");
    // What programs read as they read files goes to descriptor 0.
    const bool files = !has_kind(input, true) &&
                       std::none_of(input.listeners.begin(), input.listeners.end(),
                               [](const ListenerInput& listener) {
                                   return listener.spec.kind == ListenerKind::mqueue ||
                                          listener.spec.kind == ListenerKind::netlink;
                               });
    Pass pass = worker && !files ? Pass::listen_fds : Pass::in_stdin;
    if (word) pass = *word == 0 ? Pass::in_stdin : Pass::listen_fds;
    if (worker && pass == Pass::in_stdin && input.listeners.size() > 1)
        context.report.error(
                written != nullptr ? written->node->at : input.layers.last("listen")->at,
                "only one of the " + std::to_string(input.listeners.size()) +
                        " sockets fits on descriptor 0",
                R"(write pass = "listen_fds", or a service for each)");
    return pass;
}

void resolve_running(ResolveContext& context, const ServiceInput& input, ServicePlan& plan) {
    plan.description = line_of(context, input.layers, "description").value_or("");
    plan.enabled = boolean_of(context, input.layers, "enabled").value_or(true);
    resolve_timer(context, input, plan);
    resolve_dependencies(context, input, plan);
    plan.start = resolve_start(context, input, plan);
    if (plan.mode == Mode::handler || plan.mode == Mode::worker)
        plan.pass = resolve_pass(context, input, plan);
    resolve_pool(context, input, plan);
    plan.stop_timeout =
            duration_of(context, input.layers, "stop_timeout").value_or(plan.stop_timeout);
    plan.launch_timeout =
            duration_of(context, input.layers, "launch_timeout").value_or(plan.launch_timeout);
    if (const auto word = choice_of(context, input.layers, "tcpmux"))
        plan.tcpmux = static_cast<Tcpmux>(*word);
    if (const auto word = choice_of(context, input.layers, "on_stop"))
        plan.on_stop = static_cast<OnStop>(*word);
    if (plan.mode == Mode::worker || plan.mode == Mode::daemon)
        resolve_life(context, input, plan);
}

std::shared_ptr<const ServicePlan> resolve_service(
        ResolveContext& context, const Section& section, const CopyPlan& copy) {
    ServiceInput input{section, {}, {}, "[service." + section.name + "]"};
    layer_up(context, input);
    if (!copy.of.empty()) put_in_copy(context, input.layers, copy);
    auto plan = std::make_shared<ServicePlan>();
    plan->name = copy.of.empty() ? section.name : copy.of + "@" + copy.name;
    plan->copy = copy;
    plan->origin = Values::origin(section.at);
    resolve_addresses(context, input);
    plan->mode = resolve_mode(context, input);
    drop_meaningless(context, input, *plan);
    resolve_running(context, input, *plan);
    resolve_listeners(context, input, *plan);
    resolve_announcements(context, input, *plan);
    resolve_admission(context, input, *plan);
    if (plan->mode == Mode::builtin || plan->mode == Mode::redirect)
        resolve_relay(context, input, *plan);
    else
        resolve_process(context, input, *plan);
    check_proxy_protocol(context, input, *plan);
    resolve_upkeep(context, input, *plan);
    if (plan->mode == Mode::handler) resolve_prestart(context, input, *plan);
    resolve_log(context, input, *plan);
    check_tls(context, input, *plan);
    return plan;
}

void check_sections(ResolveContext& context) {
    if (context.config.defaults)
        for (const Setting& setting : context.config.defaults->settings)
            check_value(context, setting);
    for (const auto& [name, profile] : context.config.profiles)
        for (const Setting& setting : profile.settings)
            check_value(context, setting);
    for (const Section& section : context.config.unused)
        for (const Setting& setting : section.settings)
            check_value(context, setting);
}

template <class Convert>
auto value_of(const Layers& layers, std::string_view key, Convert&& convert)
        -> decltype(convert(std::declval<const Written&>())) {
    const Written* written = layers.last(key);
    if (written == nullptr) return std::nullopt;
    return convert(*written);
}

}  // namespace

bool ResolveContext::privileged(
        const Place& at, const std::string& what, const std::string& reason) {
    if (options.root) return true;
    report.error(at, what + " needs root: " + reason);
    return false;
}

std::optional<bool> boolean_of(
        ResolveContext& context, const Layers& layers, std::string_view key) {
    return value_of(layers, key,
            [&](const Written& w) { return context.values.boolean(*w.node, key); });
}

std::optional<std::int64_t> integer_of(
        ResolveContext& context, const Layers& layers, std::string_view key) {
    return value_of(layers, key,
            [&](const Written& w) { return context.values.integer(*w.node, *w.option); });
}

std::optional<Nanoseconds> duration_of(
        ResolveContext& context, const Layers& layers, std::string_view key) {
    return value_of(layers, key,
            [&](const Written& w) { return context.values.duration(*w.node, *w.option); });
}

std::optional<std::uint64_t> size_of(
        ResolveContext& context, const Layers& layers, std::string_view key) {
    return value_of(layers, key,
            [&](const Written& w) { return context.values.size(*w.node, *w.option); });
}

std::optional<std::string> line_of(
        ResolveContext& context, const Layers& layers, std::string_view key) {
    return value_of(layers, key,
            [&](const Written& w) { return context.values.line(*w.node, *w.option); });
}

std::optional<std::size_t> choice_of(
        ResolveContext& context, const Layers& layers, std::string_view key) {
    return value_of(layers, key,
            [&](const Written& w) { return context.values.choice(*w.node, *w.option); });
}

std::optional<std::uint32_t> mode_of(
        ResolveContext& context, const Layers& layers, std::string_view key) {
    return value_of(layers, key,
            [&](const Written& w) { return context.values.mode(*w.node, *w.option); });
}

namespace {

// Numbers that the file names itself are not for dynamic_user, whoever is resolved first.
void reserve_written_users(ResolveContext& context) {
    const auto look = [&](const Section& section) {
        for (const Setting& setting : section.settings) {
            const auto* const name = std::get_if<std::string>(&setting.node->value);
            if (name == nullptr ||
                    (setting.option->key != "user" && setting.option->key != "group"))
                continue;
            if (const auto number = parse_decimal(*name);
                    number && *number <= last_dynamic_user)
                context.dynamic_users.reserve(static_cast<std::uint32_t>(*number));
        }
    };
    const Config& config = context.config;
    if (config.defaults) look(*config.defaults);
    for (const auto& [name, section] : config.profiles)
        look(section);
    for (const Section& section : config.services)
        look(section);
    for (const auto& [name, sections] : config.overrides)
        for (const Section& section : sections)
            look(section);
}

}  // namespace

Plan resolve_document(const Document& document, const ReadOptions& options, NameService& names,
        Diagnostics& diagnostics) {
    Report report(document, diagnostics);
    Values values(report);
    Host host;
    const Config config = make_config(document, report);
    ResolveContext context{config, options, report, diagnostics, values, names, host, {}, {}};
    Plan plan;
    for (const SourceFile& file : document.files)
        plan.files.push_back(file.path);
    plan.networks =
            resolve_networks(config.networks, options.check_ownership, values, diagnostics);
    for (const WrittenNetwork& network : config.networks)
        context.networks.insert(network.name);
    resolve_tls_profiles(context);
    plan.daemon = resolve_daemon(context);
    check_sections(context);
    context.dynamic_users.remember(options.dynamic_users);
    reserve_written_users(context);
    plan.services.reserve(config.services.size());
    for (const Section& section : config.services)
        if (auto copies = read_copies(context, section))
            context.copies.emplace(section.name, std::move(*copies));
    for (const Section& section : config.services) {
        const auto copies = context.copies.find(section.name);
        if (copies == context.copies.end())
            plan.services.push_back(resolve_service(context, section, {}));
        else
            for (const std::string& name : copies->second.names)
                plan.services.push_back(
                        resolve_service(context, section, {section.name, name}));
    }
    for (const auto& [name, copies] : context.copies)
        plan.copies.push_back(copies);
    check_conflicts(plan.services, report);
    check_rpc_conflicts(plan.services, report);
    check_dependencies(plan.services, report);
    check_log_files(plan, report);
    check_tls_files(context);
    plan.tls = std::move(context.tls);
    std::sort(plan.tls.begin(), plan.tls.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
    std::sort(plan.services.begin(), plan.services.end(),
            [](const auto& a, const auto& b) { return a->name < b->name; });
    return plan;
}

}  // namespace superd
