// SPDX-License-Identifier: MIT
// How a worker or daemon is kept alive.
#include <algorithm>

#include "config/resolve.h"

namespace superd {

namespace {

class LifeResolver {
public:
    LifeResolver(ResolveContext& context, const ServiceInput& input, ServicePlan& plan)
            : context_(context), layers_(input.layers), plan_(plan), life_(plan.life) {}

    void resolve() {
        take_restart();
        take_pauses();
        take_clean_exit();
    }

private:
    // A worker comes back with the next client; nobody but superd brings a daemon back.
    void take_restart() {
        life_.restart = plan_.mode == Mode::daemon ? Restart::on_failure : Restart::no;
        if (const auto word = choice_of(context_, layers_, "restart"))
            life_.restart = static_cast<Restart>(*word);
        const Written* limit = layers_.last("restart_limit");
        if (limit == nullptr) return;
        if (const auto frequency =
                        context_.values.frequency_bound(*limit->node, "restart_limit"))
            life_.restart_limit = *frequency;
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

    ResolveContext& context_;
    const Layers& layers_;
    ServicePlan& plan_;
    LifePlan& life_;
};

}  // namespace

void resolve_life(ResolveContext& context, const ServiceInput& input, ServicePlan& plan) {
    LifeResolver(context, input, plan).resolve();
}

}  // namespace superd
