// SPDX-License-Identifier: MIT
#include "config/networks.h"

#include "base/text.h"
#include "config/config.h"
#include "config/file.h"
#include "config/inherit.h"

namespace superd {

namespace {

constexpr std::size_t most_mistakes = 20;  // of one list file

void take_block(const Node& node, const std::string& name, Values& values,
        std::vector<Network>& blocks) {
    const std::string* text = values.text(node, "a block of network " + quoted(name));
    if (text == nullptr) return;
    std::string why;
    if (const auto network = Network::parse(*text, &why)) return blocks.push_back(*network);
    const std::string message = quoted(*text) + " is not an address or block";
    if (text->starts_with('@'))
        values.report().error(
                node.at, message, "a network is made of blocks, not of other networks");
    else if (text->starts_with('/'))
        values.report().error(node.at, message,
                "write { file = \"" + escape(*text) + "\" } for a list in a file");
    else
        values.report().error(node.at, why);
}

// Beside the file that names it, where it is not absolute.
std::string beside(const std::string& including, const std::string& file) {
    const auto slash = including.rfind('/');
    if (file.starts_with('/') || slash == std::string::npos) return file;
    return including.substr(0, slash + 1) + file;
}

// The `file` of { file = "..." }; nothing, and an error, where the table is another one.
std::optional<std::string> file_of(
        const TableValue& table, const WrittenNetwork& written, Values& values) {
    for (const Member& member : table.members)
        if (member.key != "file") {
            values.report().error(member.at,
                    "unknown key " + quoted(member.key) + " in a network",
                    "write { file = \"/path\" }");
            return std::nullopt;
        }
    const Member* file = table.find("file");
    if (file == nullptr) {
        values.report().error(written.at, "network " + quoted(written.name) + " is empty",
                "write a list of blocks, or { file = \"/path\" }");
        return std::nullopt;
    }
    const std::string* text = values.text(*file->value, "file");
    if (text == nullptr) return std::nullopt;
    if (!text->empty())
        return beside(values.report().document().files[written.at.file].path, *text);
    values.report().error(file->value->at, "file is empty");
    return std::nullopt;
}

void take_file(NetworkPlan& plan, const WrittenNetwork& written, bool check_ownership,
        Values& values, Diagnostics& diagnostics) {
    const FileProblem foreign =
            check_ownership ? find_foreign_writer(plan.file) : FileProblem{};
    if (!foreign.message.empty())
        return values.report().error(written.node->at, foreign.message, foreign.suggestion);
    const Position at = values.report().document().position(written.node->at);
    Diagnostics found;
    plan.blocks = read_network_file(plan.file, at, found).value_or(std::vector<Network>{});
    for (const Diagnostic& one : found.all()) {
        // A mistake in the list stands there; a list that cannot be read stands where it is
        // named.
        if (one.at.line == at.line && one.at.file == at.file)
            values.report().error(written.node->at, one.message, one.suggestion);
        else
            diagnostics.add(one);
    }
}

}  // namespace

std::vector<Network> parse_network_list(
        std::string_view text, const std::string& path, Diagnostics& diagnostics) {
    std::vector<Network> blocks;
    std::size_t mistakes = 0;
    std::uint32_t number = 0;
    for (const std::string_view line : split(text, '\n')) {
        ++number;
        const std::string_view block = trim(line.substr(0, line.find('#')));
        if (block.empty()) continue;
        std::string why;
        if (const auto network = Network::parse(block, &why)) {
            blocks.push_back(*network);
        } else if (++mistakes <= most_mistakes) {
            Diagnostic diagnostic;
            diagnostic.at = {path, number, static_cast<std::uint32_t>(line.find(block) + 1)};
            diagnostic.message = why;
            split_advice(diagnostic.message, diagnostic.suggestion);
            diagnostic.source_line = line;
            diagnostics.add(std::move(diagnostic));
        }
    }
    return blocks;
}

std::optional<std::vector<Network>> read_network_file(
        const std::string& path, const Position& at, Diagnostics& diagnostics) {
    // A FIFO would read as an empty list, which denies nobody: only regular files count.
    const auto content = read_regular_file(path);
    if (!content) {
        diagnostics.error(at, "the list " + escape(path) + " " + content.error().message,
                content.error().suggestion);
        return std::nullopt;
    }
    Diagnostics mistakes;
    auto blocks = parse_network_list(content->text, path, mistakes);
    for (const Diagnostic& mistake : mistakes.all())
        diagnostics.add(mistake);
    if (mistakes.has_errors()) return std::nullopt;
    return blocks;
}

std::vector<NetworkPlan> resolve_networks(const std::vector<WrittenNetwork>& written,
        bool check_ownership, Values& values, Diagnostics& diagnostics) {
    std::vector<NetworkPlan> networks;
    networks.reserve(written.size());
    for (const WrittenNetwork& one : written) {
        NetworkPlan plan{one.name, {}, {}, Values::origin(one.at)};
        if (const auto* table = std::get_if<TableValue>(&one.node->value)) {
            if (auto file = file_of(*table, one, values)) {
                plan.file = absolute_path(*file);
                take_file(plan, one, check_ownership, values, diagnostics);
            }
        } else {
            for (const Node* item : as_items(*one.node))
                take_block(*item, one.name, values, plan.blocks);
        }
        networks.push_back(std::move(plan));
    }
    return networks;
}

std::vector<NetworkPlan> reread_networks(const Plan& plan, Diagnostics& diagnostics) {
    // Whose the files are was checked when they were first read.
    std::vector<NetworkPlan> networks = plan.networks;
    for (NetworkPlan& network : networks) {
        if (network.file.empty()) continue;
        Position at;
        if (network.origin.file < plan.files.size())
            at = {plan.files[network.origin.file], network.origin.line, network.origin.column};
        if (auto blocks = read_network_file(network.file, at, diagnostics))
            network.blocks = std::move(*blocks);
    }
    return networks;
}

}  // namespace superd
