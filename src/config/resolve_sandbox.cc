// SPDX-License-Identifier: MIT
// What a service's processes may not do and do not see.
#include <algorithm>

#include "config/resolve.h"
#include "config/sandbox_presets.h"

namespace superd {

namespace {

class SandboxResolver {
public:
    SandboxResolver(ResolveContext& context, const ServiceInput& input, ExecPlan& exec)
            : context_(context),
              input_(input),
              layers_(input.layers),
              exec_(exec),
              plan_(exec.sandbox) {}

    void resolve() {
        take_preset();
        take_switches();
        take_capabilities();
        take_system_calls();
        take_families();
        take_mounts();
        take_landlock();
        if (is_dynamic(layers_)) imply_by_dynamic_user();
        settle_no_new_privs();
        compile();
    }

private:
    // A preset replaces what layers below its own say of the single switches.
    void take_preset() {
        const Written* written = layers_.last("sandbox");
        if (written == nullptr) return;
        const auto word = context_.values.choice(*written->node, *written->option);
        if (!word) return;
        plan_ = preset_plan(static_cast<Sandbox>(*word));
        from_ = written->layer;
        if (plan_.preset != Sandbox::none)
            context_.privileged(written->node->at, "this sandbox",
                    "without it only single switches can be set: no_new_privs, "
                    "deny_system_calls, address_families, restrict_namespaces ...");
    }

    // What was written in a layer that counts; null: the preset's value stands.
    [[nodiscard]] const Written* written(std::string_view key) const {
        const Written* last = layers_.last(key);
        return last != nullptr && last->layer >= from_ ? last : nullptr;
    }

    void take(std::string_view key, bool& into) {
        if (const Written* last = written(key))
            into = context_.values.boolean(*last->node, key).value_or(into);
    }

    void take_switches() {
        take("no_new_privs", plan_.no_new_privs);
        take("restrict_namespaces", plan_.restrict_namespaces);
        take("restrict_realtime", plan_.restrict_realtime);
        take("restrict_suid_sgid", plan_.restrict_suid_sgid);
        take("memory_deny_write_execute", plan_.memory_deny_write_execute);
        take("lock_personality", plan_.lock_personality);
    }

    // A list edited layer by layer, beginning with what the preset has. Take is called with
    // each item and whether it goes; clear where a list replaces the former.
    template <class Clear, class Take>
    bool edit_list(std::string_view key, Clear clear, Take take) {
        bool any = false;
        for (const Written& one : layers_.everything()) {
            if (one.option->key != key || one.layer < from_) continue;
            any = true;
            const auto edit = as_list_edit(*one.node);
            if (!edit) clear();
            for (const Node* gone : edit ? edit->remove : std::vector<const Node*>{})
                take(*gone, false);
            for (const Node* item : edit ? edit->add : as_items(*one.node))
                take(*item, true);
        }
        return any;
    }

    bool take_set(std::string_view key, CapabilitySet& set) {
        return edit_list(
                key, [&] { set.bits = 0; },
                [&](const Node& node, bool add) {
                    const auto number = context_.values.capability(node, key);
                    if (!number) return;
                    const std::uint64_t bit = std::uint64_t{1} << *number;
                    set.bits = add ? set.bits | bit : set.bits & ~bit;
                });
    }

    void take_capabilities() {
        // { remove } takes from all of them where no preset has named some.
        CapabilitySet bounding = plan_.capabilities.value_or(CapabilitySet{~std::uint64_t{0}});
        if (take_set("capabilities", bounding)) {
            plan_.capabilities = bounding;
            context_.privileged(written("capabilities")->node->at, "capabilities",
                    "only root may bound them");
        }
        if (!take_set("ambient_capabilities", plan_.ambient_capabilities)) return;
        check_ambient(*written("ambient_capabilities"));
    }

    void check_ambient(const Written& last) {
        if (plan_.ambient_capabilities.bits == 0) return;
        const Place& at = last.node->at;
        if (!context_.privileged(at, "ambient_capabilities", "only root has any to give"))
            return;
        if (exec_.identity.uid == 0)
            context_.report.error(at, "ambient_capabilities mean nothing for root",
                    "root has them all: write capabilities");
        if (plan_.capabilities &&
                (plan_.ambient_capabilities.bits & ~plan_.capabilities->bits) != 0)
            context_.report.error(at, "ambient_capabilities are not all among capabilities",
                    "what is bounded away cannot be given");
    }

    void take_words(std::string_view key, std::vector<std::string>& words) {
        edit_list(
                key, [&] { words.clear(); },
                [&](const Node& node, bool add) {
                    const auto word = context_.values.system_call(node, key);
                    if (!word) return;
                    const auto gone = std::erase(words, *word);
                    if (add)
                        words.push_back(*word);
                    else if (gone == 0)
                        context_.report.warning(
                                node.at, quoted(*word) +
                                                 " is not in the inherited list, so it is not "
                                                 "removed");
                });
    }

    void take_system_calls() {
        take_words("allow_system_calls", plan_.allow_system_calls);
        take_words("deny_system_calls", plan_.deny_system_calls);
        const Written* allow = written("allow_system_calls");
        if (allow != nullptr && plan_.allow_system_calls.empty() && !is_list_of_none(*allow))
            context_.report.error(allow->node->at,
                    "nothing is left of allow_system_calls, and an empty list lets all through",
                    "write [] where that is meant");
    }

    static bool is_list_of_none(const Written& written) {
        return !as_list_edit(*written.node) && as_items(*written.node).empty();
    }

    void take_families() {
        AddressFamilies families = plan_.address_families.value_or(AddressFamilies{});
        const bool any = edit_list(
                "address_families", [&] { families.numbers.clear(); },
                [&](const Node& node, bool add) {
                    const auto number = context_.values.address_family(node);
                    if (!number) return;
                    std::erase(families.numbers, *number);
                    if (add) families.numbers.push_back(*number);
                });
        if (!any) return;
        std::sort(families.numbers.begin(), families.numbers.end());
        plan_.address_families = std::move(families);
    }

    // A number that somebody else may have later must leave no file behind and get no
    // privileges back. What is inherited gives way; written in the service it is an error.
    void imply_by_dynamic_user() {
        plan_.dynamic_user = true;
        for (const auto& [key, on] :
                {std::pair<const char*, bool*>{"no_new_privs", &plan_.no_new_privs},
                        {"private_tmp", &plan_.private_tmp},
                        {"restrict_suid_sgid", &plan_.restrict_suid_sgid}}) {
            refuse_weaker(key, *on);
            *on = true;
        }
        refuse_weaker("protect_system", plan_.protect_system != ProtectSystem::no);
        plan_.protect_system = ProtectSystem::strict;
        refuse_weaker("protect_home", plan_.protect_home != ProtectHome::no);
        if (plan_.protect_home == ProtectHome::no) plan_.protect_home = ProtectHome::read_only;
    }

    void refuse_weaker(std::string_view key, bool enough) {
        const Written* last = written(key);
        if (last == nullptr || enough || !is_own(last->layer)) return;
        context_.report.error(last->node->at,
                "dynamic_user does not go without " + std::string(key), "leave the line out");
    }

    // ---- namespaces

    template <class Choice>
    void take_choice(std::string_view key, Choice& into) {
        const Written* last = written(key);
        if (last == nullptr) return;
        if (const auto word = context_.values.choice(*last->node, *last->option))
            into = static_cast<Choice>(*word);
        if (into != Choice{}) needs_root(*last, key);
    }

    void take_private(std::string_view key, bool& into) {
        take(key, into);
        if (const Written* last = written(key); last != nullptr && into) needs_root(*last, key);
    }

    void needs_root(const Written& last, std::string_view key) {
        context_.privileged(last.node->at, std::string(key),
                "only root may make a namespace; landlock_read and its like need none");
    }

    // True where something is in it that this very service was to have.
    bool take_paths(std::string_view key, std::vector<std::string>& paths) {
        edit_list(
                key, [&] { paths.clear(); },
                [&](const Node& node, bool add) {
                    auto path = context_.values.path(node, key);
                    if (!path) return;
                    std::erase(paths, *path);
                    if (!add) return;
                    if (context_.host.look_at(exec_.root + *path) == PathKind::missing)
                        context_.report.warning(node.at, "there is no " +
                                                                 quoted(exec_.root + *path) +
                                                                 " now, and without it the "
                                                                 "service does not start");
                    paths.push_back(std::move(*path));
                });
        return !paths.empty();
    }

    void take_mounts() {
        take_choice("protect_system", plan_.protect_system);
        take_choice("protect_home", plan_.protect_home);
        take_private("protect_kernel", plan_.protect_kernel);
        take_private("private_tmp", plan_.private_tmp);
        take_private("private_devices", plan_.private_devices);
        take_private("private_network", plan_.private_network);
        take_private("private_ipc", plan_.private_ipc);
        take_private("private_pids", plan_.private_pids);
        const std::pair<const char*, std::vector<std::string>*> lists[] = {
                {"read_only_paths", &plan_.read_only_paths},
                {"read_write_paths", &plan_.read_write_paths},
                {"inaccessible_paths", &plan_.inaccessible_paths}};
        for (const auto& [key, paths] : lists)
            if (take_paths(key, *paths)) needs_root(*written(key), key);
    }

    void take_landlock() {
        take_paths("landlock_read", plan_.landlock_read);
        take_paths("landlock_write", plan_.landlock_write);
        take_paths("landlock_execute", plan_.landlock_execute);
    }

    [[nodiscard]] bool filters() const {
        return !plan_.allow_system_calls.empty() || !plan_.deny_system_calls.empty() ||
               plan_.address_families || plan_.restrict_namespaces || plan_.restrict_realtime ||
               plan_.restrict_suid_sgid || plan_.memory_deny_write_execute ||
               plan_.lock_personality;
    }

    // The kernel takes a filter only from who cannot gain privileges, or from root.
    void settle_no_new_privs() {
        const Written* last = written("no_new_privs");
        if (plan_.landlocks()) {
            plan_.no_new_privs = plan_.no_new_privs || last == nullptr;
            if (!plan_.no_new_privs)
                context_.report.error(last->node->at,
                        "Landlock is only for what cannot gain privileges",
                        "leave no_new_privs = false out");
        }
        if (!filters()) return;
        if (last == nullptr) plan_.no_new_privs = true;
        if (!plan_.no_new_privs)
            context_.privileged(last->node->at, "a filter of system calls without no_new_privs",
                    "leave no_new_privs = false out");
        const auto needed = needed_by_launch(plan_.deny_system_calls, !plan_.no_new_privs);
        if (needed.empty()) return;
        const Written* deny = written("deny_system_calls");
        context_.report.error(deny != nullptr ? deny->node->at : last->node->at,
                "without " + std::string(needed) + " no program can be started",
                plan_.no_new_privs ? "" : "with no_new_privs it can be refused from exec on");
    }

    void compile() {
        if (!filters()) return;
        auto programs = context_.filters.compile(plan_);
        if (programs) {
            plan_.filters = std::move(*programs);
            return;
        }
        context_.report.error(input_.section.at,
                "the filter of system calls cannot be made: " + programs.error().text());
    }

    ResolveContext& context_;
    const ServiceInput& input_;
    const Layers& layers_;
    const ExecPlan& exec_;
    SandboxPlan& plan_;
    Layer from_ = Layer::defaults;
};

}  // namespace

void resolve_sandbox(ResolveContext& context, const ServiceInput& input, ExecPlan& exec) {
    SandboxResolver(context, input, exec).resolve();
}

}  // namespace superd
