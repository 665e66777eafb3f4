// SPDX-License-Identifier: MIT
// Pools of workers that grow while clients wait (policy/pool.h decides).
#include <variant>

#include <fmt/format.h>

#include "base/units.h"
#include "engine/supervisor.h"

namespace superd {

void Supervisor::on_pressed(std::uint32_t index) {
    Service& service = *by_index_[index];
    if (stopping_ || handing_over_ || service.stopping) return;
    const PoolBounds bounds = bounds_of(service);
    if (!may_grow(bounds, pool_places(service), service.record->rolling != 0)) return;
    const Decision decision =
            decide_start(facts_of(service, {}), book_of(service), loop_.now());
    if (!std::holds_alternative<Admit>(decision)) return;
    service.record->pool = static_cast<std::uint32_t>(staying_instances(service)) + 1;
    lives_.fit(service);
    outputs_.log().log(NoticeEvent{.service = service.name(),
            .text = fmt::format("clients have waited for {}: worker {} of at most {}",
                    format_duration(service.plan->pool.after), service.record->pool,
                    bounds.most)});
    fill_pool(service);
    changed(service);
}

void Supervisor::keep_pool_full(Service& service) {
    const bool serves = service.plan->mode == Mode::worker && service.residents > 0 &&
                        !service.stopping && service.wants_listeners() &&
                        service.record->rolling == 0 &&
                        service.record->idling != IdleNote::stopped;
    if (serves) fill_pool(service);
}

}  // namespace superd
