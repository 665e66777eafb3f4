// SPDX-License-Identifier: MIT
// A Manager whose services are values that a test sets by hand.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/manager.h"

namespace superd {

class FakeManager final : public Manager {
public:
    DaemonStatus daemon_status;
    std::map<std::string, ServiceStatus, std::less<>> services;
    Plan the_plan;
    ReloadReport report;
    Explanation explanation;
    std::vector<Denial> denied;
    std::vector<std::string> asked;  // "stop web", "kill web 15 0" ...
    std::vector<Asker> explained;
    std::vector<Reply> held;  // answers kept back while hold is true
    bool hold = false;
    mutable std::size_t asked_for = 0;  // calls of service()
    Outcome outcome;
    std::optional<GroupUsage> group_usage;  // of every service

    // A service in the plan and in the status.
    ServiceStatus& add(const std::string& name, ServiceState state) {
        auto plan_of = std::make_shared<ServicePlan>();
        plan_of->name = name;
        plan_of->admission.max_connections.value = 200;
        const auto place = std::find_if(the_plan.services.begin(), the_plan.services.end(),
                [&](const auto& other) { return other->name > name; });
        the_plan.services.insert(place, std::move(plan_of));
        auto& service = services[name];
        service.name = name;
        service.state = state;
        return service;
    }

    // Changes a service and tells those who wait for it.
    void set_state(const std::string& name, ServiceState state) {
        services[name].state = state;
        auto waiting = std::move(waits);
        waits.clear();
        for (auto& [token, wait] : waiting) {
            if (wait.name == name && wait.test(services[name]))
                wait.reply({0, ""});
            else
                waits.emplace(token, std::move(wait));
        }
    }

    [[nodiscard]] DaemonStatus daemon() const override { return daemon_status; }

    [[nodiscard]] std::vector<std::string> names() const override {
        std::vector<std::string> result;
        for (const auto& entry : services)
            result.push_back(entry.first);
        return result;
    }

    [[nodiscard]] std::optional<ServiceStatus> service(std::string_view name) const override {
        ++asked_for;
        const auto found = services.find(name);
        if (found == services.end()) return {};
        return found->second;
    }

    [[nodiscard]] std::optional<GroupUsage> usage(std::string_view) const override {
        return group_usage;
    }

    [[nodiscard]] std::map<ServiceState, std::uint32_t> state_counts() const override {
        std::map<ServiceState, std::uint32_t> counts;
        for (const auto& [name, service] : services)
            ++counts[service.state];
        return counts;
    }

    [[nodiscard]] std::optional<std::string> why(std::string_view name) const override {
        if (!services.contains(name)) return {};
        return std::string(name) + " is as it is\nbecause a test says so";
    }

    [[nodiscard]] std::optional<Explanation> explain(
            std::string_view name, const Asker& from, Wall) const override {
        if (!services.contains(name)) return {};
        const_cast<FakeManager*>(this)->explained.push_back(from);
        return explanation;
    }

    [[nodiscard]] const Plan& plan() const override { return the_plan; }

    [[nodiscard]] std::vector<Denial> denials() override { return denied; }

    void deny(const Source& source, std::optional<Nanoseconds> length, std::string_view by,
            std::string_view text, Reply reply) override {
        const std::string time =
                length ? std::to_string(length->count() / 1'000'000'000) + "s" : "forever";
        asked.push_back("deny " + source.text() + " " + time + " " + std::string(by) + " " +
                        std::string(text));
        reply(outcome);
    }

    void allow_again(const std::optional<Source>& source, Reply reply) override {
        asked.push_back("allow " + (source ? source->text() : std::string("all")));
        reply(outcome);
    }

    void start(std::string_view name, Reply reply) override { take("start", name, reply); }

    void stop(std::string_view name, Reply reply) override { take("stop", name, reply); }

    void restart(std::string_view name, Reply reply) override { take("restart", name, reply); }

    void pause(std::string_view name, Reply reply) override { take("pause", name, reply); }

    void resume(std::string_view name, Reply reply) override { take("resume", name, reply); }

    void reload(std::string_view name, Reply reply) override { take("reload", name, reply); }

    void drain(std::string_view name, Reply reply) override { take("drain", name, reply); }

    void kill(
            std::string_view name, int signal, std::uint64_t connection, Reply reply) override {
        take("kill " + std::to_string(signal) + " " + std::to_string(connection), name, reply);
    }

    void kill_whom(std::string_view name, KillWhom whom, int signal, Reply reply) override {
        const char* const words[] = {"main", "control", "all"};
        take("kill --whom " + std::string(words[static_cast<int>(whom)]) + " " +
                        std::to_string(signal),
                name, reply);
    }

    void scale(std::string_view name, std::uint32_t count, Reply reply) override {
        take("scale " + std::to_string(count), name, reply);
    }

    void reload_config(bool dry_run, std::function<void(ReloadReport)> reply) override {
        asked.push_back(dry_run ? "reload-config --dry-run" : "reload-config");
        reply(report);
    }

    void upgrade(const std::string& program, Reply reply) override {
        asked.push_back("upgrade " + program);
        reply(outcome);
    }

    Outcome reopen_logs() override {
        asked.emplace_back("reopen-logs");
        return {};
    }

    std::uint64_t wait(std::string_view name, std::function<bool(const ServiceStatus&)> test,
            Reply reply) override {
        const auto found = services.find(name);
        if (found == services.end())
            reply({4, "no service named " + std::string(name)});
        else if (test(found->second))
            reply({0, ""});
        else
            waits.emplace(++last_token, Waiting{std::string(name), std::move(test), reply});
        return last_token;
    }

    void forget_wait(std::uint64_t token) override { waits.erase(token); }

    struct Waiting {
        std::string name;
        std::function<bool(const ServiceStatus&)> test;
        Reply reply;
    };

    std::map<std::uint64_t, Waiting> waits;
    std::uint64_t last_token = 0;

private:
    void take(const std::string& verb, std::string_view name, const Reply& reply) {
        asked.push_back(verb + " " + std::string(name));
        if (!services.contains(name))
            reply({4, "no service named " + std::string(name)});
        else if (hold)
            held.push_back(reply);
        else
            reply(outcome);
    }
};

}  // namespace superd
