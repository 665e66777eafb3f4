// SPDX-License-Identifier: MIT
// superctl deny: keeping addresses out of every service.
#include <nlohmann/json.hpp>

#include <fmt/core.h>

#include "base/text.h"
#include "base/units.h"
#include "control/ctl.h"
#include "control/names.h"
#include "control/render.h"
#include "policy/denials.h"

namespace superd {

namespace {

constexpr Nanoseconds usual_length = std::chrono::hours(1);

int usage(const CtlGlobals& globals, std::string text) {
    return ctl_fail(globals, {exit_code::usage, std::move(text)});
}

int list(const CtlGlobals& globals, ControlClient& client) {
    const auto outcome = client.call("Denied", {}, ctl_read_timeout(globals));
    if (outcome.code != exit_code::ok) return ctl_fail(globals, outcome);
    const auto json = nlohmann::ordered_json::parse(outcome.message, nullptr, false);
    if (!json.is_object() || !json.contains("denied"))
        return ctl_fail(globals, {exit_code::failed, "superd answered with no list"});
    ctl_print(globals.json ? json.dump(2) + "\n" : render_denials(json["denied"]));
    return exit_code::ok;
}

int tell(const CtlGlobals& globals, const Outcome& outcome) {
    if (outcome.code != exit_code::ok) return ctl_fail(globals, outcome);
    ctl_say(globals, outcome.message);
    return exit_code::ok;
}

}  // namespace

int ctl_deny(const CtlGlobals& globals, const DenyWords& words) {
    const bool details = words.forever || !words.length.empty() || !words.reason.empty();
    if (words.clear && (details || words.all == !words.address.empty()))
        return usage(globals, "write superctl deny --clear ADDRESS, or --clear --all");
    if (words.all && !words.clear) return usage(globals, "--all is for --clear");
    if (words.forever && !words.length.empty())
        return usage(globals, "--for and --forever exclude each other");
    if (details && words.address.empty())
        return usage(globals, "--for, --forever and --reason are for an ADDRESS");
    Nanoseconds length = usual_length;
    if (!words.length.empty()) {
        const auto parsed = parse_duration(words.length);
        if (!parsed) return usage(globals, "--for: " + parsed.error());
        length = *parsed;
    }
    // Up to whole seconds: 0 would say for good.
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(length).count();
    if (seconds < 1 || seconds > longest_denial)
        return usage(globals, "--for: " + words.length + " is not between 1s and " +
                                      format_duration(std::chrono::seconds(longest_denial)) +
                                      "; write --forever for good");
    auto client = ControlClient::connect(globals.socket);
    if (!client) return ctl_fail(globals, client.error());
    if (words.clear)
        return tell(globals, client->call("AllowAgain", {words.address}, globals.timeout));
    if (words.address.empty()) return list(globals, *client);
    return tell(globals, client->deny(words.address, words.forever ? 0 : seconds, words.reason,
                                 globals.timeout));
}

}  // namespace superd
