// SPDX-License-Identifier: MIT
// How a worker or daemon is kept alive.
#include <algorithm>

#include "config/resolve.h"

namespace superd {

namespace {

class LifeResolver {
public:
    LifeResolver(ResolveContext& context, const ServiceInput& input, ServicePlan& plan)
            : context_(context),
              input_(input),
              layers_(input.layers),
              plan_(plan),
              life_(plan.life) {}

    void resolve() {
        take_restart();
        take_pauses();
        take_clean_exit();
        take_ready();
        take_timeouts();
        take_commands();
        take_reload();
        take_fd_store();
        take_notify_access();
    }

private:
    // A worker comes back with the next client; nobody but superd brings a daemon back.
    void take_restart() {
        const bool timed = plan_.timer.any();
        const bool resident = plan_.mode == Mode::daemon && !timed;
        life_.restart = resident ? Restart::on_failure : Restart::no;
        if (const auto word = choice_of(context_, layers_, "restart"))
            take_restart(static_cast<Restart>(*word), timed);
        const Written* limit = layers_.last("restart_limit");
        if (limit == nullptr) return;
        if (const auto frequency =
                        context_.values.frequency_bound(*limit->node, "restart_limit"))
            life_.restart_limit = *frequency;
    }

    // A run by the clock ends, and the next one comes by the clock.
    void take_restart(Restart restart, bool timed) {
        const bool endless = restart == Restart::always || restart == Restart::on_success;
        if (!timed || !endless) {
            life_.restart = restart;
            return;
        }
        const Written& written = *layers_.last("restart");
        const std::string reason = "every and at start it again when it has ended well";
        if (is_own(written.layer))
            context_.report.error(written.node->at, "restart cannot be that: " + reason,
                    R"(write "no", "on-failure" or "on-abnormal")");
        else
            plan_.skipped.push_back({"restart", reason, Values::origin(written.at)});
    }

    void take_pauses() {
        const auto first = duration_of(context_, layers_, "restart_delay");
        const auto longest = duration_of(context_, layers_, "restart_delay_max");
        life_.restart_delay = first.value_or(life_.restart_delay);
        // A longer first pause is not cut by a ceiling that nobody wrote.
        life_.restart_delay_max =
                longest.value_or(std::max(life_.restart_delay, life_.restart_delay_max));
        if (life_.restart_delay <= life_.restart_delay_max) return;
        const char* key = first ? "restart_delay" : "restart_delay_max";
        context_.report.error(layers_.last(key)->node->at,
                "restart_delay is longer than restart_delay_max",
                "the pauses grow from the one to the other");
    }

    void take_clean_exit() {
        // The usual ones are what { add, remove } edits where nothing else is written.
        std::vector<CleanExit>& exits = life_.clean_exit;
        exits = usual_clean_exits();  // what { add, remove } edits where nothing else is
                                      // written
        for (const Written& written : layers_.everything()) {
            if (written.option->key != "clean_exit") continue;
            const auto edit = as_list_edit(*written.node);
            if (!edit) exits.clear();
            for (const Node* gone : edit ? edit->remove : std::vector<const Node*>{})
                remove_exit(*gone);
            for (const Node* one : edit ? edit->add : as_items(*written.node))
                if (const auto exit = context_.values.clean_exit(*one)) exits.push_back(*exit);
        }
    }

    void remove_exit(const Node& node) {
        const auto exit = context_.values.clean_exit(node);
        if (exit && std::erase(life_.clean_exit, *exit) == 0)
            context_.report.warning(
                    node.at, "it is not in the inherited list, so it is not removed");
    }

    // ---- readiness

    void take_ready() {
        const Written* written = layers_.last("ready");
        if (written == nullptr) return;
        auto ready = context_.values.ready(*written->node);
        if (!ready) return;
        life_.ready = std::move(*ready);
        if (plan_.mode == Mode::worker) check_worker(written->node->at);
        if (life_.ready.kind == ReadyKind::exit && life_.restart == Restart::always)
            context_.report.error(written->node->at,
                    R"(ready = "exit" and restart = "always" make an endless loop)",
                    R"(write restart = "on-failure")");
    }

    void check_worker(const Place& at) {
        const std::uint32_t first = first_free_descriptor();
        const ReadyPlan& ready = life_.ready;
        if (ready.kind == ReadyKind::exit)
            context_.report.error(at, R"(ready = "exit" cannot be: a worker serves on)",
                    R"(write "notify" or "fd:N")");
        if (ready.kind == ReadyKind::listen && ready.address.empty())
            context_.report.error(at,
                    R"(ready = "listen" says nothing of a worker: superd opens its listeners)",
                    R"(write "notify", "fd:N" or "listen:ADDRESS")");
        if (ready.kind == ReadyKind::fd && ready.fd < first)
            context_.report.error(at,
                    "descriptor " + std::to_string(ready.fd) + " is one of its listeners",
                    "write \"fd:" + std::to_string(first) + "\" or a higher one");
    }

    void take_timeouts() {
        if (life_.ready.kind == ReadyKind::exit) life_.start_timeout.reset();
        take_bound("start_timeout", life_.start_timeout);
        take_bound("run_timeout", life_.run_timeout);
        take_bound("watchdog", life_.watchdog);
        life_.abort_timeout =
                duration_of(context_, layers_, "abort_timeout").value_or(life_.abort_timeout);
    }

    void take_bound(std::string_view key, std::optional<Nanoseconds>& into) {
        const Written* written = layers_.last(key);
        if (written == nullptr) return;
        if (const auto bound = context_.values.time_bound(*written->node, *written->option))
            into = *bound;
    }

    void take_commands() {
        take_commands_of("exec_pre", life_.exec_pre);
        take_commands_of("exec_post", life_.exec_post);
        take_commands_of("exec_stop", life_.exec_stop);
        take_commands_of("exec_stop_post", life_.exec_stop_post);
        if (!life_.exec_post.empty() && life_.ready.kind == ReadyKind::exit)
            context_.report.error(layers_.last("exec_post")->node->at,
                    R"(exec_post is never run: with ready = "exit" it ends when it is ready)",
                    "write exec_stop_post");
    }

    void take_commands_of(std::string_view key, std::vector<Command>& into) {
        const Written* written = layers_.last(key);
        if (written == nullptr) return;
        if (auto commands = context_.values.commands(*written->node))
            into = std::move(*commands);
    }

    void take_reload() {
        life_.reload_timeout =
                duration_of(context_, layers_, "reload_timeout").value_or(life_.reload_timeout);
        const Written* written = layers_.last("reload");
        if (written == nullptr) return;
        if (auto reload = context_.values.reload(*written->node))
            life_.reload = std::move(*reload);
    }

    // What is kept is handed over from 3 on, behind the listeners.
    void take_fd_store() {
        if (const auto most = integer_of(context_, layers_, "fd_store"))
            life_.fd_store = static_cast<std::uint32_t>(*most);
        const std::uint32_t first = first_free_descriptor() + life_.fd_store;
        if (life_.fd_store == 0 || life_.ready.kind != ReadyKind::fd || life_.ready.fd >= first)
            return;
        context_.report.error(layers_.last("ready")->node->at,
                "descriptor " + std::to_string(life_.ready.fd) +
                        " may be one that fd_store keeps for it",
                "write \"fd:" + std::to_string(first) + "\" or a higher one");
    }

    [[nodiscard]] std::uint32_t first_free_descriptor() const {
        const auto listeners = static_cast<std::uint32_t>(input_.listeners.size());
        return plan_.pass == Pass::listen_fds ? 3 + listeners : 3;
    }

    void take_notify_access() {
        const bool needed = life_.ready.kind == ReadyKind::notify || life_.watchdog ||
                            life_.fd_store > 0 || life_.reload.wait;
        life_.notify_access = needed ? NotifyAccess::main : NotifyAccess::none;
        const auto word = choice_of(context_, layers_, "notify_access");
        if (!word) return;
        const auto access = static_cast<NotifyAccess>(*word);
        const Written* written = layers_.last("notify_access");
        if (access != NotifyAccess::none || !needed)
            life_.notify_access = access;
        else if (is_own(written->layer))
            context_.report.error(written->node->at,
                    R"(without $NOTIFY_SOCKET there is no ready = "notify", watchdog, fd_store or reload that waits)",
                    R"(write "main" or "all")");
    }

    ResolveContext& context_;
    const ServiceInput& input_;
    const Layers& layers_;
    ServicePlan& plan_;
    LifePlan& life_;
};

}  // namespace

void resolve_life(ResolveContext& context, const ServiceInput& input, ServicePlan& plan) {
    LifeResolver(context, input, plan).resolve();
}

}  // namespace superd
