// SPDX-License-Identifier: MIT
// Who may start, who waits and why, and who is told to end next.
#include "engine/ordering.h"

#include <map>

#include "support/catch.h"

using namespace superd;
using namespace std::chrono_literals;

namespace {

std::vector<ServiceName> names(const std::vector<std::string>& list) {
    std::vector<ServiceName> made;
    for (const std::string& name : list)
        made.push_back({name, {}});
    return made;
}

struct Fixture {
    std::shared_ptr<Plan> plan = std::make_shared<Plan>();
    std::map<std::string, Standing, std::less<>> standings;
    Ordering ordering;

    // By name, sorted.
    Fixture& add(const std::string& name, DependencyPlan dependencies = {},
            Nanoseconds stop_timeout = 10s) {
        auto service = std::make_shared<ServicePlan>();
        service->name = name;
        service->dependencies = std::move(dependencies);
        service->stop_timeout = stop_timeout;
        plan->services.push_back(std::move(service));
        standings[name] = Standing::there;
        ordering.take_plan(plan);
        return *this;
    }

    [[nodiscard]] std::string obstacle(std::string_view name) const {
        const auto found = ordering.obstacle_of(
                name, [this](std::string_view other) { return standings.find(other)->second; });
        if (!found) return {};
        return found->text() + (found->hard ? " (hard)" : "");
    }
};

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

std::string text(const Ordering::Names& names) {
    std::string all;
    for (const std::string_view name : names)
        all += (all.empty() ? "" : " ") + std::string(name);
    return all;
}

}  // namespace

TEST_CASE("ordering: after waits for what is on its way, and for nothing else") {
    Fixture f;
    f.add("app", after({"db"})).add("db");
    CHECK_FALSE(f.ordering.trivial());
    const std::pair<Standing, const char*> rows[] = {{Standing::there, ""},
            {Standing::coming, "waits for db"}, {Standing::away, ""}, {Standing::failing, ""},
            {Standing::ending, "waits for db to end"}};
    for (const auto& [standing, wanted] : rows) {
        f.standings["db"] = standing;
        CHECK(f.obstacle("app") == wanted);
    }
    CHECK(f.obstacle("db") == "");
    CHECK(f.obstacle("nobody") == "");
}

TEST_CASE("ordering: requires waits until it is there, and says where waiting is in vain") {
    Fixture f;
    f.add("app", requiring({"db", "net"})).add("db").add("net");
    const std::pair<Standing, const char*> rows[] = {{Standing::there, ""},
            {Standing::coming, "waits for db"},
            {Standing::away, "waits for db, which is stopped (hard)"},
            {Standing::failing, "waits for db, which has failed (hard)"},
            {Standing::stuck, "waits for db, which itself waits (hard)"},
            {Standing::ending, "waits for db to end"}};
    for (const auto& [standing, wanted] : rows) {
        f.standings["db"] = standing;
        CHECK(f.obstacle("app") == wanted);
    }
    // What waiting does not mend comes first.
    f.standings["db"] = Standing::coming;
    f.standings["net"] = Standing::away;
    CHECK(f.obstacle("app") == "waits for net, which is stopped (hard)");
}

TEST_CASE("ordering: one in conflict is waited for as long as it ends, whoever says so") {
    Fixture f;
    DependencyPlan plan;
    plan.conflicts = names({"b"});
    f.add("a", plan).add("b");
    CHECK(f.obstacle("a") == "");
    f.standings["a"] = f.standings["b"] = Standing::ending;
    CHECK(f.obstacle("a") == "waits for b to end");
    CHECK(f.obstacle("b") == "waits for a to end");
    CHECK(text(f.ordering.conflicts("b")) == "a");
}

TEST_CASE("ordering: who starts and ends with whom") {
    Fixture f;
    DependencyPlan app = requiring({"db"});
    app.wants = names({"cache"});
    f.add("app", app).add("cache", after({"db"})).add("db").add("web", requiring({"app"}));
    CHECK(text(f.ordering.started_with("web")) == "cache db app web");
    CHECK(text(f.ordering.stopped_with("db")) == "app web");
    CHECK(text(f.ordering.behind("db")) == "app cache");
    CHECK(text(f.ordering.in_order()) == "db app cache web");
    CHECK(text(f.ordering.started_with("nobody")) == "nobody");
    Fixture plain;
    plain.add("x");
    CHECK(plain.ordering.trivial());
    CHECK(text(plain.ordering.started_with("x")) == "x");
    CHECK(plain.ordering.stopped_with("x").empty());
}

TEST_CASE("ordering: those behind end first, over one that has nothing to end") {
    Fixture f;
    f.add("a").add("b", after({"a"})).add("c", requiring({"b"})).add("d");
    std::map<std::string, bool, std::less<>> here;
    const auto free = [&](const Ordering::Names& left) {
        return text(f.ordering.may_end(
                left, [&](std::string_view name) { return !here[std::string(name)]; }));
    };
    CHECK(free({"a", "b", "c", "d"}) == "c d");
    here["c"] = true;  // told, and not gone yet
    CHECK(free({"a", "b"}).empty());
    CHECK(free({"a"}).empty());  // b has nothing to end, c behind it has
    here["c"] = false;
    CHECK(free({"a", "b"}) == "b");
    CHECK(free({"a"}) == "a");
    CHECK(free({"nobody"}) == "nobody");
}

TEST_CASE("ordering: an end takes as long as the longest way through") {
    Fixture f;
    f.add("a", {}, 3s).add("b", after({"a"}), 5s).add("c", after({"a"}), 1s).add("d", {}, 6s);
    CHECK(f.ordering.longest_end() == 8s);
    CHECK(Fixture().add("x", {}, 9s).ordering.longest_end() == 0s);
}
