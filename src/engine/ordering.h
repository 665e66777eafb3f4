// SPDX-License-Identifier: MIT
// Who may start now, and who may be told to end: what after, requires and conflicts of the plan
// in force come to, given how the others stand. Decides, and does nothing.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "config/order_graph.h"

namespace superd {

// How a service stands for those that wait for it.
enum class Standing : std::uint8_t {
    away,     // it is not to be there: stopped by hand, disabled, not asked for
    coming,   // it is on its way, or is itself waiting
    there,    // ready; on demand, its listeners are open
    failing,  // it was tried in vain, whether or not it is tried again
    stuck,    // it waits for one that is not on its way
    ending    // told to end, and not gone yet
};

// Why a service does not start.
struct Obstacle {
    std::string name;  // of the other one
    Standing standing = Standing::coming;
    bool hard = false;  // waiting alone will not do: it is required, and not on its way

    // "waits for db", "waits for db, which is stopped"
    [[nodiscard]] std::string text() const;
    bool operator==(const Obstacle&) const = default;
};

class Ordering {
public:
    using Names = std::vector<std::string_view>;
    using Look = std::function<Standing(std::string_view name)>;
    using IsGone = std::function<bool(std::string_view name)>;

    // From now on this plan holds. Names returned belong to it.
    void take_plan(std::shared_ptr<const Plan> plan);

    // Nobody names anybody: nothing below has anything to say.
    [[nodiscard]] bool trivial() const { return trivial_; }

    // What keeps the service from starting; the first that waiting does not mend, else the
    // first.
    [[nodiscard]] std::optional<Obstacle> obstacle_of(
            std::string_view name, const Look& look) const;

    // Who waits for it, without those that wait for these.
    [[nodiscard]] Names behind(std::string_view name) const;
    // Whom it is started with, itself last: those it requires and wants, and so on.
    [[nodiscard]] Names started_with(std::string_view name) const;
    // Who is stopped with it: those that require it, and so on. Not itself.
    [[nodiscard]] Names stopped_with(std::string_view name) const;
    [[nodiscard]] Names conflicts(std::string_view name) const;
    // All of the plan, each after those it waits for.
    [[nodiscard]] Names in_order() const;

    // Of those that are to end (`left`), who may be told so now: all whom nobody waits for who
    // is himself left or not gone yet.
    [[nodiscard]] Names may_end(const Names& left, const IsGone& is_gone) const;
    // How long an end in this order takes at most, if each takes as long as its stop_timeout.
    [[nodiscard]] Nanoseconds longest_end() const;

private:
    [[nodiscard]] Names names_of(const OrderGraph::Indices& indices) const;

    std::shared_ptr<const Plan> plan_;
    OrderGraph graph_;
    bool trivial_ = true;
};

}  // namespace superd
