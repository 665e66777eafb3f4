// SPDX-License-Identifier: MIT
// How a service is kept alive: the values of restart_limit and clean_exit.
#include "base/signals.h"
#include "base/text.h"
#include "base/units.h"
#include "config/address_spec.h"
#include "config/inherit.h"
#include "config/values.h"

namespace superd {

namespace {

constexpr std::string_view ready_forms =
        R"(write "exec", "notify", "fd:N", "listen", "listen:ADDRESS" or "exit")";
constexpr std::string_view ready_fd = "fd:", ready_listen = "listen:";
constexpr std::uint64_t first_ready_fd = 3, last_ready_fd = 255;

}  // namespace

std::optional<std::optional<Frequency>> Values::frequency_bound(
        const Node& node, std::string_view what) {
    const auto* text = std::get_if<std::string>(&node.value);
    if (text != nullptr && *text == "unlimited") return std::optional<Frequency>{};
    const auto frequency = this->frequency(node, what);
    if (!frequency) return std::nullopt;
    return frequency;
}

std::optional<CleanExit> Values::clean_exit(const Node& node) {
    if (const auto* status = std::get_if<IntegerValue>(&node.value)) {
        if (status->value >= 0 && status->value <= 255)
            return CleanExit{false, static_cast<std::uint8_t>(status->value)};
        report_.error(node.at, std::to_string(status->value) + " is not an exit status",
                "they go from 0 to 255");
        return std::nullopt;
    }
    const std::string* text = this->text(node, "clean_exit");
    if (text == nullptr) return std::nullopt;
    if (const auto signal = signal_by_name(*text))
        return CleanExit{true, static_cast<std::uint8_t>(*signal)};
    report_.error(node.at, quoted(*text) + " is neither an exit status nor a signal",
            R"(write a number, or a signal's name like "USR1")");
    return std::nullopt;
}

std::optional<ReadyPlan> Values::ready(const Node& node) {
    const std::string* text = this->text(node, "ready");
    if (text == nullptr) return std::nullopt;
    if (*text == "exec") return ReadyPlan{};
    if (*text == "notify") return ReadyPlan{ReadyKind::notify, 0, {}};
    if (*text == "exit") return ReadyPlan{ReadyKind::exit, 0, {}};
    if (*text == "listen") return ReadyPlan{ReadyKind::listen, 0, {}};
    if (text->starts_with(ready_fd)) {
        const auto number = parse_decimal(std::string_view(*text).substr(ready_fd.size()));
        if (number && *number >= first_ready_fd && *number <= last_ready_fd)
            return ReadyPlan{ReadyKind::fd, static_cast<std::uint32_t>(*number), {}};
        report_.error(node.at, quoted(*text) + " names no descriptor that can be had",
                "they go from 3 to 255; s6's own is \"fd:3\"");
        return std::nullopt;
    }
    if (text->starts_with(ready_listen)) {
        const auto address = parse_address(std::string_view(*text).substr(ready_listen.size()));
        const bool taken = address && (address->kind == ListenerKind::tcp ||
                                              address->kind == ListenerKind::unix_stream ||
                                              address->kind == ListenerKind::unix_seqpacket);
        if (taken) return ReadyPlan{ReadyKind::listen, 0, address->text()};
        report_.error(node.at,
                address ? address->text() + " takes no connections" : address.error().message,
                R"(write an address like "listen:tcp:80" or "listen:unix:/run/x.sock")");
        return std::nullopt;
    }
    report_.error(node.at, quoted(*text) + " does not say when it is ready",
            std::string(ready_forms));
    return std::nullopt;
}

std::optional<std::vector<Command>> Values::commands(const Node& node) {
    const auto* list = std::get_if<ArrayValue>(&node.value);
    const bool several = list != nullptr && !list->items.empty() &&
                         std::holds_alternative<ArrayValue>(list->items.front()->value);
    std::vector<Command> commands;
    if (list != nullptr && list->items.empty()) return commands;
    for (const Node* item : several ? as_items(node) : std::vector<const Node*>{&node}) {
        auto one = command(*item);
        if (!one) return std::nullopt;
        commands.push_back(std::move(*one));
    }
    return commands;
}

std::optional<ReloadPlan> Values::reload(const Node& node) {
    const auto signal_of = [&](const Node& name) -> std::optional<std::uint8_t> {
        const std::string* text = this->text(name, "reload");
        if (text == nullptr) return std::nullopt;
        if (const auto signal = signal_by_name(*text))
            return static_cast<std::uint8_t>(*signal);
        report_.error(name.at, quoted(*text) + " is no signal",
                R"(write one like "HUP", or a command by its absolute path)");
        return std::nullopt;
    };
    ReloadPlan plan;
    if (const auto* table = std::get_if<TableValue>(&node.value)) {
        for (const Member& member : table->members) {
            if (member.key == "signal") {
                plan.signal = signal_of(*member.value).value_or(0);
            } else if (member.key == "wait") {
                plan.wait = boolean(*member.value, "reload.wait").value_or(false);
            } else {
                report_.error(member.at, "reload has no " + quoted(member.key),
                        R"(write { signal = "HUP", wait = true })");
                return std::nullopt;
            }
        }
        if (plan.signal != 0) return plan;
        if (table->find("signal") == nullptr)
            report_.error(node.at, "reload has no signal",
                    R"(write { signal = "HUP", wait = true })");
        return std::nullopt;
    }
    const auto* text = std::get_if<std::string>(&node.value);
    if (text != nullptr && !text->starts_with('/')) {
        const auto signal = signal_of(node);
        if (!signal) return std::nullopt;
        plan.signal = *signal;
        return plan;
    }
    auto command = this->command(node);
    if (!command) return std::nullopt;
    plan.command = std::move(*command);
    return plan;
}

}  // namespace superd
