// SPDX-License-Identifier: MIT
// The only file that knows the TOML parser: text in, plain values with places out.
#include <algorithm>
#include <array>
#include <exception>
#include <optional>
#include <tuple>

#include <toml++/toml.h>

#include "base/text.h"
#include "config/toml_explain.h"
#include "config/toml_scan.h"
#include "config/tree.h"

namespace superd {

namespace {

// After so many errors of syntax in one file the rest is left for the next run.
constexpr unsigned max_failures = 10;

class Converter {
public:
    Converter(std::string_view text, std::uint32_t file) : text_(text), file_(file) {}

    std::unique_ptr<Node> convert(const toml::node& from) const {
        auto node = std::make_unique<Node>();
        node->at = place(from.source().begin);
        fill(*node, from);
        return node;
    }

private:
    Place place(const toml::source_position& at) const { return {file_, at.line, at.column}; }

    void fill(Node& node, const toml::node& from) const {
        if (const auto* value = from.as_string()) {
            node.value = value->get();
        } else if (const auto* integer = from.as_integer()) {
            const bool octal = (integer->flags() & toml::value_flags::format_as_octal) !=
                               toml::value_flags::none;
            node.value = IntegerValue{integer->get(), octal};
        } else if (const auto* real = from.as_floating_point()) {
            node.value = real->get();
        } else if (const auto* boolean = from.as_boolean()) {
            node.value = boolean->get();
        } else if (const auto* array = from.as_array()) {
            node.value = list(*array);
        } else if (const auto* members = from.as_table()) {
            node.value = table(*members);
        } else {
            node.value = DateTimeValue{written(from.source())};
        }
    }

    ArrayValue list(const toml::array& from) const {
        ArrayValue out;
        out.items.reserve(from.size());
        for (const toml::node& item : from)
            out.items.push_back(convert(item));
        return out;
    }

    // The parser keeps members in the order of their names; superd's messages, and what comes
    // of two settings that depend on each other, go by the order of the file.
    TableValue table(const toml::table& from) const {
        TableValue out;
        out.is_inline = from.is_inline();
        out.members.reserve(from.size());
        for (auto&& [key, value] : from) {
            Member member{std::string(key.str()), place(key.source().begin), convert(value)};
            if (member.value->at.line == 0) member.value->at = member.at;
            out.members.push_back(std::move(member));
        }
        std::sort(out.members.begin(), out.members.end(), [](const Member& a, const Member& b) {
            return std::tie(a.at.line, a.at.column) < std::tie(b.at.line, b.at.column);
        });
        return out;
    }

    // The text of a value on one line.
    std::string written(const toml::source_region& region) const {
        const std::size_t begin = offset_of(text_, {region.begin.line, region.begin.column});
        const std::size_t end = offset_of(text_, {region.end.line, region.end.column});
        return std::string(trim(text_.substr(begin, std::max(begin, end) - begin)));
    }

    std::string_view text_;
    std::uint32_t file_;
};

Diagnostic describe(
        const ScanProblem& problem, std::string_view text, const std::string& path) {
    Diagnostic out;
    const TextPlace place = place_of(text, problem.at);
    out.at = {path, place.line, place.column};
    out.message = problem.message;
    out.suggestion = problem.suggestion;
    out.source_line = line_text(text, place.line);
    return out;
}

// Parses text, into *root where it is asked for; what went wrong instead.
std::optional<ParseFailure> parse(std::string_view text, toml::table* root = nullptr) {
    try {
        toml::table parsed = toml::parse(text);
        if (root) *root = std::move(parsed);
        return std::nullopt;
    } catch (const toml::parse_error& error) {
        const toml::source_position& at = error.source().begin;
        return ParseFailure{std::string(error.description()), {at.line, at.column}};
    } catch (const std::exception& error) {
        return ParseFailure{error.what(), {}};
    }
}

// The errors of text, one after the other: what can be skipped is blanked and the rest read
// again. Works on a copy.
void collect_failures(std::string text, const std::string& path, ParseFailure failure,
        Diagnostics& diagnostics) {
    for (unsigned n = 1;; ++n) {
        ParseExplanation explanation = explain(text, path, failure);
        diagnostics.add(std::move(explanation.diagnostic));
        if (!explanation.skip || n == max_failures) return;
        const auto [begin, end] = *explanation.skip;
        std::fill(text.begin() + static_cast<std::ptrdiff_t>(begin),
                text.begin() + static_cast<std::ptrdiff_t>(end), ' ');
        auto next = parse(text);
        if (!next) return;
        failure = std::move(*next);
    }
}

}  // namespace

std::unique_ptr<Node> parse_toml(std::string_view text, std::uint32_t file,
        const std::string& path, Diagnostics& diagnostics) {
    if (const auto problem = find_problem(text)) {
        diagnostics.add(describe(*problem, text, path));
        return nullptr;
    }
    toml::table root;
    if (auto failure = parse(text, &root)) {
        collect_failures(std::string(text), path, std::move(*failure), diagnostics);
        return nullptr;
    }
    return Converter(text, file).convert(root);
}

}  // namespace superd
