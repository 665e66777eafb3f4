// SPDX-License-Identifier: MIT
// From the configuration as written to the plan. Internal to the config layer: read_config()
// (config/config.h) is the entrance.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "config/address_spec.h"
#include "config/config.h"
#include "config/dynamic_users.h"
#include "config/host.h"
#include "config/inherit.h"
#include "config/nss.h"
#include "config/plan.h"
#include "config/report.h"
#include "config/system_calls.h"
#include "config/values.h"
#include "config/written.h"

namespace superd {

// What all services are resolved with.
struct ResolveContext {
    const Config& config;
    const ReadOptions& options;
    Report& report;
    Diagnostics& diagnostics;
    Values& values;
    NameService& names;
    Host& host;
    std::unordered_set<std::string_view> networks;  // names
    FilterCompiler filters{};
    std::map<std::string, CopiesPlan, std::less<>> copies{};  // services with replicas
    std::vector<std::unique_ptr<Node>> made{};  // values of copies, with %i put in
    DynamicUsers dynamic_users{};
    std::vector<TlsPlan> tls{};  // profiles
    std::map<const Node*, std::string> tls_tables{};  // profiles without a name: theirs here
    // Where the values of a profile's keys stand.
    std::map<std::string, std::map<std::string, std::vector<Place>>> tls_places{};

    // "KEY needs root: REASON", where superd will not be root. False then.
    bool privileged(const Place& at, const std::string& what, const std::string& reason);
};

// One listener as written, before its options.
struct ListenerInput {
    AddressSpec spec;
    Place at;                       // of the address
    std::vector<Setting> settings;  // of its table; empty where it was plain text
};

// One service while it is resolved.
struct ServiceInput {
    const Section& section;
    Layers layers;
    std::vector<ListenerInput> listeners;
    std::string label;  // "[service.ssh]"
};

// A file's resolved plan; errors end in the diagnostics, and then the plan is not for use.
// document must outlive nothing: the plan borrows none of it.
[[nodiscard]] Plan resolve_document(const Document& document, const ReadOptions& options,
        NameService& names, Diagnostics& diagnostics);

[[nodiscard]] DaemonPlan resolve_daemon(ResolveContext& context);

// The last value written for a key, converted; nothing where there is none or it is wrong.
[[nodiscard]] std::optional<bool> boolean_of(
        ResolveContext& context, const Layers& layers, std::string_view key);
[[nodiscard]] std::optional<std::int64_t> integer_of(
        ResolveContext& context, const Layers& layers, std::string_view key);
[[nodiscard]] std::optional<Nanoseconds> duration_of(
        ResolveContext& context, const Layers& layers, std::string_view key);
[[nodiscard]] std::optional<std::uint64_t> size_of(
        ResolveContext& context, const Layers& layers, std::string_view key);
[[nodiscard]] std::optional<std::string> line_of(
        ResolveContext& context, const Layers& layers, std::string_view key);
[[nodiscard]] std::optional<std::size_t> choice_of(
        ResolveContext& context, const Layers& layers, std::string_view key);
[[nodiscard]] std::optional<std::uint32_t> mode_of(
        ResolveContext& context, const Layers& layers, std::string_view key);

// ---- by topic, each filling its part of the plan

void resolve_addresses(ResolveContext& context, ServiceInput& input);
void resolve_listeners(ResolveContext& context, ServiceInput& input, ServicePlan& plan);
void resolve_admission(ResolveContext& context, ServiceInput& input, ServicePlan& plan);
void resolve_log(ResolveContext& context, ServiceInput& input, ServicePlan& plan);
// restart and its like: how a worker or daemon is kept alive.
void resolve_life(ResolveContext& context, const ServiceInput& input, ServicePlan& plan);
// every, at; before resolve_life().
void resolve_timer(ResolveContext& context, const ServiceInput& input, ServicePlan& plan);
// Which copies a section asks for; nothing where it is one service.
[[nodiscard]] std::optional<CopiesPlan> read_copies(
        ResolveContext& context, const Section& section);
// Puts the copy's names into all that is written for it.
void put_in_copy(ResolveContext& context, Layers& layers, const CopyPlan& copy);
// workers, overlap, listen_environment; after resolve_timer() and `pass`.
void resolve_pool(ResolveContext& context, const ServiceInput& input, ServicePlan& plan);
// after, requires, wants, conflicts.
void resolve_dependencies(
        ResolveContext& context, const ServiceInput& input, ServicePlan& plan);
// idle_stop and its like: after the life, the listeners and the process.
void resolve_upkeep(ResolveContext& context, const ServiceInput& input, ServicePlan& plan);
void resolve_process(ResolveContext& context, ServiceInput& input, ServicePlan& plan);
// prestart. After everything that it cannot go together with.
void resolve_prestart(ResolveContext& context, const ServiceInput& input, ServicePlan& plan);
// sandbox and the switches behind it. After the identity.
void resolve_sandbox(ResolveContext& context, const ServiceInput& input, ExecPlan& exec);
// Builtins and redirects: what superd-relay is told.
void resolve_relay(ResolveContext& context, ServiceInput& input, ServicePlan& plan);
// proxy_protocol of a listener, as it stands.
[[nodiscard]] std::optional<ProxyProtocolPlan> read_proxy_protocol(
        ResolveContext& context, const Node& node);
// What proxy_protocol cannot go together with. After listeners and admission.
void check_proxy_protocol(
        ResolveContext& context, const ServiceInput& input, const ServicePlan& plan);
// [tls.NAME], into context.tls.
void resolve_tls_profiles(ResolveContext& context);
// The name of the profile that `tls` means; empty where it is wrong. owner: what a table without
// a name is called.
[[nodiscard]] std::string read_tls(
        ResolveContext& context, const Node& node, const std::string& owner);
// What tls cannot go together with. After all else of the service.
void check_tls(ResolveContext& context, const ServiceInput& input, const ServicePlan& plan);
// What superd-tls says of the profiles' files and words.
void check_tls_files(ResolveContext& context);
// send_proxy and send_proxy_tlvs of a redirect.
void resolve_send_proxy(ResolveContext& context, const ServiceInput& input, ServicePlan& plan);
// rpc, mdns: what others are told of the service. After its listeners.
void resolve_announcements(
        ResolveContext& context, const ServiceInput& input, ServicePlan& plan);
// name: the service's, with that of a copy.
[[nodiscard]] IdentityPlan resolve_identity(
        ResolveContext& context, const ServiceInput& input, const std::string& name);
// Whether dynamic_user counts: it is on, and no layer over it names a user.
[[nodiscard]] bool is_dynamic(const Layers& layers);

// Reports two enabled listeners, of one or two services, on one address.
void check_conflicts(
        const std::vector<std::shared_ptr<const ServicePlan>>& services, Report& report);

// Reports two enabled services that register one version of a program over one protocol.
void check_rpc_conflicts(
        const std::vector<std::shared_ptr<const ServicePlan>>& services, Report& report);

// Reports names that no service has, cycles, and conflicts of what starts together.
void check_dependencies(
        const std::vector<std::shared_ptr<const ServicePlan>>& services, Report& report);

// The places of a log; none where nothing is written.
[[nodiscard]] std::vector<SinkPlan> read_sinks(ResolveContext& context, const Layers& layers);
// Warns of a file that two name with different sizes.
void check_log_files(const Plan& plan, Report& report);

// Checks one value by its type alone, wherever it was written and whether or not it counts.
void check_value(ResolveContext& context, const Setting& setting);

// One entry of allow or deny.
[[nodiscard]] std::optional<AccessRule> read_access_rule(
        ResolveContext& context, const Node& node, bool allow);
// Where key's last word is an edit that left nothing: fail closed, with an error.
void refuse_emptied(
        ResolveContext& context, const std::optional<FoldedList>& list, std::string_view key);

// A user or group by name; an unknown one is an error at node.
[[nodiscard]] const UserEntry* read_user(
        ResolveContext& context, const Node& node, std::string_view what);
[[nodiscard]] std::optional<std::uint32_t> read_group(
        ResolveContext& context, const Node& node, std::string_view what);

}  // namespace superd
