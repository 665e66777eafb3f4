// SPDX-License-Identifier: MIT
// How a service is kept alive: the values of restart_limit and clean_exit.
#include "base/signals.h"
#include "base/units.h"
#include "config/values.h"

namespace superd {

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

}  // namespace superd
