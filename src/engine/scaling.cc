// SPDX-License-Identifier: MIT
#include "engine/scaling.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "config/codec.h"
#include "engine/given_users.h"
#include "engine/last_good.h"
#include "engine/supervisor.h"

namespace superd {

namespace {

constexpr int code_failed = 1;
constexpr int code_usage = 2;
constexpr int code_no_such_service = 4;

const CopiesPlan* find_copies(const Plan& plan, std::string_view name) {
    const auto known = std::find_if(plan.copies.begin(), plan.copies.end(),
            [name](const CopiesPlan& one) { return one.name == name; });
    return known == plan.copies.end() ? nullptr : &*known;
}

const std::shared_ptr<const ServicePlan>* find_plan(const Plan& plan, std::string_view name) {
    const auto known = std::lower_bound(plan.services.begin(), plan.services.end(), name,
            [](const auto& one, std::string_view wanted) { return one->name < wanted; });
    const bool found = known != plan.services.end() && (*known)->name == name;
    return found ? &*known : nullptr;
}

// A name that is no service with replicas.
Outcome refuse_name(const Plan& plan, std::string_view name) {
    const auto* service = find_plan(plan, name);
    if (service == nullptr)
        return {code_no_such_service,
                fmt::format("no service \"{}\"; superctl list shows them", name)};
    const CopyPlan& copy = (*service)->copy;
    if (!copy.of.empty())
        return {code_failed,
                fmt::format("{} is a copy of {}: superctl scale {} N", name, copy.of, copy.of)};
    return {code_failed, fmt::format("{} has no replicas; write replicas = N at {}", name,
                                 plan.where((*service)->origin))};
}

// Only in what it says of the copies of others.
bool differs_in_order_alone(const ServiceDiff& diff) {
    constexpr std::array<std::string_view, 4> keys{"after", "requires", "wants", "conflicts"};
    return diff.change == Change::in_place &&
           std::all_of(diff.keys.begin(), diff.keys.end(), [&](const std::string& key) {
               return std::find(keys.begin(), keys.end(), key) != keys.end();
           });
}

}  // namespace

std::vector<ScaledCopies> scaled_copies(const Plan& plan) {
    std::vector<ScaledCopies> scaled;
    for (const CopiesPlan& one : plan.copies)
        if (one.scaled) scaled.push_back({one.name, one.written, *one.scaled});
    return scaled;
}

std::vector<ScaledCopies> scaled_copies(
        const Plan& plan, std::string_view name, std::uint32_t count) {
    auto scaled = scaled_copies(plan);
    std::erase_if(scaled, [name](const ScaledCopies& one) { return one.name == name; });
    if (const CopiesPlan* copies = find_copies(plan, name))
        scaled.push_back({copies->name, copies->written, count});
    return scaled;
}

std::optional<Outcome> refuse_scale(
        const Plan& plan, std::string_view name, std::uint32_t count) {
    const CopiesPlan* copies = find_copies(plan, name);
    if (copies == nullptr) return refuse_name(plan, name);
    if (copies->is_list)
        return Outcome{
                code_failed, fmt::format("the copies of {} are named one by one at {}: add one "
                                         "there, and superctl reload-config",
                                     name, plan.where(copies->origin))};
    if (count < 1 || count > most_copies)
        return Outcome{code_usage, fmt::format("{} is out of range: there are from 1 to {} "
                                               "copies; superctl stop {} ends all of them",
                                           count, most_copies, name)};
    return std::nullopt;
}

std::optional<Plan> with_copies(const Plan& in_force, const Plan& read, std::string_view name) {
    const CopiesPlan* copies = find_copies(read, name);
    if (copies == nullptr || in_force.files != read.files) return std::nullopt;
    Plan next = in_force;
    for (CopiesPlan& one : next.copies)
        if (one.name == name) one = *copies;
    for (const ServiceDiff& diff : diff_plans(in_force, read)) {
        if (!differs_in_order_alone(diff)) continue;
        const auto known = std::find_if(next.services.begin(), next.services.end(),
                [&diff](const auto& one) { return one->name == diff.name; });
        if (known != next.services.end()) *known = *find_plan(read, diff.name);
    }
    std::erase_if(next.services, [name](const auto& one) { return one->copy.of == name; });
    for (const auto& one : read.services)
        if (one->copy.of == name) next.services.push_back(one);
    std::sort(next.services.begin(), next.services.end(),
            [](const auto& a, const auto& b) { return a->name < b->name; });
    return next;
}

std::string describe_copies(const CopiesPlan& copies) {
    const std::size_t count = copies.names.size();
    const std::string text = fmt::format("{} cop{}", count, count == 1 ? "y" : "ies");
    return copies.scaled ? fmt::format("{}; the file asks for {}", text, copies.written) : text;
}

void Supervisor::scale(std::string_view name, std::uint32_t count, Reply reply) {
    if (stopping_) return reply({code_failed, "superd is stopping"});
    if (auto refused = refuse_scale(*plan_, name, count)) return reply(std::move(*refused));
    const std::string text(name);
    const auto options = [this, text, count] {
        ReadOptions kept = options_.read;
        kept.copies = last_good_folder(options_.state_directory);
        kept.as.clear();
        kept.check_ownership = false;  // the copies are in a folder of superd's own
        kept.scaled = scaled_copies(*plan_, text, count);
        kept.dynamic_users = given_users(services_);
        return kept;
    };
    reader_.read(
            options, [this, text, count, reply = std::move(reply)](Result<ReadResult> read) {
                on_read_for_scale(text, count, std::move(read), reply);
            });
}

void Supervisor::on_read_for_scale(const std::string& name, std::uint32_t count,
        Result<ReadResult> read, const Reply& reply) {
    if (stopping_) return reply({code_failed, "superd is stopping"});
    if (!read) return reply({code_failed, read.error().text()});
    if (!read->plan) return reply({code_failed, first_error(read->diagnostics)});
    // A reload may have come first.
    if (auto refused = refuse_scale(*plan_, name, count)) return reply(std::move(*refused));
    auto next = with_copies(*plan_, *read->plan, name);
    const CopiesPlan* copies = next ? find_copies(*next, name) : nullptr;
    if (copies == nullptr || copies->names.size() != count)
        return reply({code_failed,
                fmt::format("the files as they were accepted last are not kept in {}: superctl "
                            "reload-config, and then again",
                        last_good_folder(options_.state_directory))});
    const std::string text = describe_copies(*copies);
    const auto plan = std::make_shared<const Plan>(std::move(*next));
    ReloadReport report;
    report.changes = diff_plans(*plan_, *plan);
    if (!take_effect(plan, encode_plan(*plan), report))
        return reply({code_failed, report.message});
    outputs_.log().log(NoticeEvent{.level = Level::notice, .service = name, .text = text});
    wait_for_copies(report.changes, {0, text}, reply);
}

// Those that are new have settled; the first of them that has failed is what is told.
void Supervisor::wait_for_copies(
        const std::vector<ServiceDiff>& changes, Outcome outcome, Reply reply) {
    struct Waits {
        std::size_t left = 1;
        Outcome outcome;
        Reply reply;

        void done() {
            if (--left == 0) reply(std::move(outcome));
        }
    };

    const auto waits = std::make_shared<Waits>(Waits{1, std::move(outcome), std::move(reply)});
    for (const ServiceDiff& diff : changes) {
        if (diff.change != Change::added) continue;
        ++waits->left;
        wait_for_start(diff.name, [waits](Outcome one) {
            if (one.code != 0 && waits->outcome.code == 0) waits->outcome = std::move(one);
            waits->done();
        });
    }
    waits->done();
}

}  // namespace superd
