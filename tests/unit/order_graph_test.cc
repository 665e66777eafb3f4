// SPDX-License-Identifier: MIT
// Who starts after whom: orders, cycles, and who comes and goes with whom.
#include "config/order_graph.h"

#include <algorithm>
#include <random>
#include <string>

#include "support/catch.h"

using namespace superd;

namespace {

using Services = std::vector<std::shared_ptr<const ServicePlan>>;

std::vector<ServiceName> names(const std::vector<std::string>& list) {
    std::vector<ServiceName> made;
    for (const std::string& name : list)
        made.push_back({name, {}});
    return made;
}

std::shared_ptr<const ServicePlan> service(const std::string& name, DependencyPlan plan = {}) {
    auto made = std::make_shared<ServicePlan>();
    made->name = name;
    made->dependencies = std::move(plan);
    return made;
}

DependencyPlan after(const std::vector<std::string>& list) {
    DependencyPlan plan;
    plan.after = names(list);
    return plan;
}

DependencyPlan requiring(const std::vector<std::string>& list) {
    DependencyPlan plan;
    plan.requires_ = names(list);
    return plan;
}

std::string text(const OrderGraph& graph, const OrderGraph::Indices& indices) {
    std::string all;
    for (const auto one : indices)
        all += (all.empty() ? "" : " ") + std::string(graph.name(one));
    return all;
}

std::string number(int i) {
    const std::string digits = std::to_string(i);
    return "s" + std::string(4 - digits.size(), '0') + digits;
}

// Everybody stands behind those it waits for.
bool is_sorted(const OrderGraph& graph, const OrderGraph::Indices& order) {
    std::vector<std::size_t> place(graph.size());
    for (std::size_t i = 0; i < order.size(); ++i)
        place[order[i]] = i;
    for (OrderGraph::Index i = 0; i < graph.size(); ++i)
        for (const auto other : graph.before(i))
            if (place[other] >= place[i]) return false;
    return order.size() == graph.size();
}

}  // namespace

TEST_CASE("order: requires orders, wants does not, and names that nobody has are left out") {
    DependencyPlan app = requiring({"db", "nobody"});
    app.wants = names({"cache"});
    const Services services{
            service("app", app), service("cache", after({"db"})), service("db")};
    const OrderGraph graph(services);
    CHECK(text(graph, graph.in_order()) == "db app cache");
    CHECK(text(graph, graph.before(0)) == "db");
    CHECK(text(graph, graph.behind(2)) == "app cache");
    CHECK(text(graph, graph.started_with(0)) == "app db cache");
    CHECK(text(graph, graph.started_with(1)) == "cache");
    CHECK(text(graph, graph.stopped_with(2)) == "db app");
    CHECK(graph.find_cycle().empty());
    CHECK_FALSE(graph.find("nobody"));
}

TEST_CASE("order: a conflict holds both ways") {
    DependencyPlan plan;
    plan.conflicts = names({"b"});
    const Services services{service("a", plan), service("b")};
    const OrderGraph graph(services);
    CHECK(text(graph, graph.conflicts(0)) == "b");
    CHECK(text(graph, graph.conflicts(1)) == "a");
}

TEST_CASE("order: a cycle is found and its path told") {
    const Services services{service("a", after({"b"})), service("b", requiring({"c"})),
            service("c", after({"b", "d"})), service("d")};
    const OrderGraph graph(services);
    CHECK(text(graph, graph.find_cycle()) == "b c b");
    const Services own{service("a", after({"a"}))};
    CHECK(text(OrderGraph(own), OrderGraph(own).find_cycle()) == "a a");
    // Wants goes round without harm.
    DependencyPlan b, a;
    b.wants = names({"b"});
    a.wants = names({"a"});
    const Services wanted{service("a", b), service("b", a)};
    const OrderGraph round(wanted);
    CHECK(round.find_cycle().empty());
    CHECK(text(round, round.started_with(0)) == "a b");
}

TEST_CASE("order: a chain of a thousand, and a ring of them") {
    constexpr int length = 1000;
    Services services;
    for (int i = 0; i < length; ++i)
        services.push_back(
                service(number(i), i == 0 ? DependencyPlan{} : requiring({number(i - 1)})));
    {
        const OrderGraph graph(services);
        CHECK(graph.find_cycle().empty());
        const auto order = graph.in_order();
        CHECK(is_sorted(graph, order));
        CHECK(order.front() == 0);
        CHECK(order.back() == length - 1);
        CHECK(graph.started_with(length - 1).size() == length);
        CHECK(graph.stopped_with(0).size() == length);
    }
    services[0] = service(number(0), after({number(length - 1)}));
    const OrderGraph ring(services);
    CHECK(ring.find_cycle().size() == length + 1);
}

TEST_CASE("order: random graphs are sorted where they can be, and a cycle found where not") {
    std::mt19937 random(20261123);
    int cycles = 0;
    for (int round = 0; round < 300; ++round) {
        const int size = 2 + static_cast<int>(random() % 30);
        const bool forward = round % 2 == 0;  // edges to smaller numbers only: no cycle
        Services services;
        for (int i = 0; i < size; ++i) {
            DependencyPlan plan;
            for (unsigned edges = random() % 4; edges > 0; --edges) {
                const int most = forward ? i : size;
                if (most == 0) break;
                const int other = static_cast<int>(random() % static_cast<unsigned>(most));
                auto& list = random() % 2 == 0 ? plan.after : plan.requires_;
                list.push_back({number(other), {}});
            }
            services.push_back(service(number(i), plan));
        }
        const OrderGraph graph(services);
        const auto cycle = graph.find_cycle();
        if (cycle.empty()) {
            REQUIRE(is_sorted(graph, graph.in_order()));
            continue;
        }
        ++cycles;
        REQUIRE_FALSE(forward);
        REQUIRE(cycle.size() >= 2);
        REQUIRE(cycle.front() == cycle.back());
        for (std::size_t i = 0; i + 1 < cycle.size(); ++i) {
            const auto& before = graph.before(cycle[i]);
            REQUIRE(std::find(before.begin(), before.end(), cycle[i + 1]) != before.end());
        }
        REQUIRE(graph.in_order().size() < graph.size());
    }
    CHECK(cycles > 50);
}
