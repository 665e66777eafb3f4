// SPDX-License-Identifier: MIT
// What a service may not do: capabilities, address families and system calls as text.
#include "config/capabilities.h"
#include "config/system_calls.h"
#include "config/values.h"

namespace superd {

namespace {

std::string did_you_mean(std::string_view near) {
    return near.empty() ? "" : "did you mean \"" + std::string(near) + "\"?";
}

}  // namespace

std::optional<unsigned> Values::capability(const Node& node, std::string_view what) {
    const std::string* text = this->text(node, what);
    if (text == nullptr) return std::nullopt;
    if (const auto number = capability_by_name(*text)) return number;
    report_.error(node.at, quoted(*text) + " is not a capability",
            did_you_mean(nearest_capability(*text)));
    return std::nullopt;
}

std::optional<std::uint16_t> Values::address_family(const Node& node) {
    const std::string* text = this->text(node, "address_families");
    if (text == nullptr) return std::nullopt;
    if (const auto number = address_family_by_name(*text)) return number;
    const auto near = nearest_address_family(*text);
    report_.error(node.at, quoted(*text) + " is not an address family",
            near.empty() ? R"(write "unix", "inet", "inet6", "netlink" or another)"
                         : did_you_mean(near));
    return std::nullopt;
}

std::optional<std::string> Values::system_call(const Node& node, std::string_view what) {
    const std::string* text = this->text(node, what);
    if (text == nullptr) return std::nullopt;
    if (is_system_call(*text)) return *text;
    const bool group = text->starts_with('@');
    report_.error(node.at,
            quoted(*text) + (group ? " is not a group of system calls" : " is no system call"),
            text->starts_with('~') ? "write what is refused in deny_system_calls" : "");
    return std::nullopt;
}

}  // namespace superd
