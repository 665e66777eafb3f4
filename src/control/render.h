// SPDX-License-Identifier: MIT
// The documents of control/documents.h as text for people.
//
// Text from outside is escaped here: what a service printed cannot reach into the terminal.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace superd {

struct RenderStyle {
    bool colour = false;
    Wall now;  // for "2h46m ago"
};

// Rows as aligned columns; the first row is the heading, empty cells show as "-". Cells are
// escaped already. Column `painted`, where it is not ~0, is painted as a state.
[[nodiscard]] std::string render_table(const std::vector<std::vector<std::string>>& rows,
        const RenderStyle& style, std::size_t painted = ~std::size_t{0});

// One line or two about the daemon; the first names what is wrong with its file, if anything
// is.
[[nodiscard]] std::string render_daemon(const nlohmann::json& daemon, const RenderStyle& style);
// `superctl status`: services as in overview_document.
[[nodiscard]] std::string render_overview(
        const nlohmann::json& services, const RenderStyle& style);
// `superctl status NAME`.
[[nodiscard]] std::string render_service(
        const nlohmann::json& service, const RenderStyle& style);
// `superctl sockets`: services as in overview_document.
[[nodiscard]] std::string render_sockets(
        const nlohmann::json& services, const RenderStyle& style);
// `superctl timers`: services as in overview_document.
[[nodiscard]] std::string render_timers(
        const nlohmann::json& services, const RenderStyle& style);
// `superctl connections`: services as in service_document.
[[nodiscard]] std::string render_connections(
        const std::vector<nlohmann::json>& services, const RenderStyle& style);
// What a reload did or would do: reload_document's "reload".
[[nodiscard]] std::string render_reload(const nlohmann::json& reload, bool dry_run);
// `superctl deny`: denials_document's "denied".
[[nodiscard]] std::string render_denials(const nlohmann::ordered_json& denied);
[[nodiscard]] std::string render_explanation(const nlohmann::json& explanation);
// `superctl show`: plan_json() as keys and values, those that are set to something; effective:
// all of them, where they come from, and what was inherited and skipped.
[[nodiscard]] std::string render_plan(const nlohmann::ordered_json& plan, bool effective);

// "2h46m" from a document's time until style.now; "-" where the time is none.
[[nodiscard]] std::string age_of(std::string_view timestamp, const RenderStyle& style);

}  // namespace superd
