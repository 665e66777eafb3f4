// SPDX-License-Identifier: MIT
// The saved state in words.
#include "sys/state_text.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <limits>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "sys/state_fields.h"

namespace superd {

namespace {

constexpr std::uint64_t format_version = 1;
constexpr std::uint64_t oldest_reader = 1;  // that understands what this one writes

constexpr auto handover_fields() {
    using H = Handover;
    return std::tuple{Field{"version", &H::version}, Field{"state_fd", &H::state_fd},
            Field{"plan_fd", &H::plan_fd}, Field{"plan_size", &H::plan_size},
            Field{"plan_sequence", &H::plan_sequence}, Field{"lock_fd", &H::lock_fd},
            Field{"channels", &H::channels}};
}

constexpr auto state_fields(const Handover*) {
    return handover_fields();
}

template <class T>
concept Record = requires(const T* record) {
    state_fields(record);
};

template <class T>
concept Number = std::is_integral_v<T> || std::is_enum_v<T>;

template <class T>
struct IsAtomic : std::false_type {};

template <class T>
struct IsAtomic<std::atomic<T>> : std::true_type {};

// ---- values as words: no blank, no '='

std::string percent_encoded(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte > 0x20 && byte < 0x7f && c != '%' && c != '=')
            out += c;
        else
            out += fmt::format("%{:02x}", byte);
    }
    return out;
}

std::optional<unsigned> hex_byte(std::string_view text) {
    unsigned value = 0;
    const auto [end, error] =
            std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (text.size() != 2 || error != std::errc{} || end != text.data() + 2) return {};
    return value;
}

std::optional<std::string> percent_decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        const auto byte = hex_byte(text.substr(i + 1, 2));
        if (!byte) return {};
        out += static_cast<char>(*byte);
        i += 2;
    }
    return out;
}

template <Number T>
auto plain(T value) {
    if constexpr (std::is_enum_v<T>)
        return +static_cast<std::underlying_type_t<T>>(value);
    else
        return +value;
}

template <Number T>
bool read_value(std::string_view word, T& value) {
    using Plain = decltype(plain(value));
    Plain number{};
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (word.empty() || error != std::errc{} || end != word.data() + word.size()) return false;
    const T narrow = static_cast<T>(number);
    if (plain(narrow) != number) return false;
    value = narrow;
    return true;
}

bool read_value(std::string_view word, double& value) {
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    return !word.empty() && error == std::errc{} && end == word.data() + word.size();
}

bool read_value(std::string_view word, std::string& value) {
    auto text = percent_decoded(word);
    if (text) value = std::move(*text);
    return text.has_value();
}

template <std::size_t N>
bool read_value(std::string_view word, char (&value)[N]) {
    const auto text = percent_decoded(word);
    if (!text || text->size() >= N) return false;
    std::copy(text->begin(), text->end(), value);
    value[text->size()] = '\0';
    return true;
}

bool read_bytes(std::string_view word, std::uint8_t* bytes, std::size_t size) {
    if (word.size() != 2 * size) return false;
    for (std::size_t i = 0; i < size; ++i) {
        const auto byte = hex_byte(word.substr(2 * i, 2));
        if (!byte) return false;
        bytes[i] = static_cast<std::uint8_t>(*byte);
    }
    return true;
}

template <std::size_t N>
bool read_value(std::string_view word, std::uint8_t (&value)[N]) {
    return read_bytes(word, value, N);
}

template <std::size_t N>
bool read_value(std::string_view word, std::array<std::uint8_t, N>& value) {
    return read_bytes(word, value.data(), N);
}

bool read_value(std::string_view word, std::int32_t (&value)[2]) {
    const auto comma = word.find(',');
    return comma != word.npos && read_value(word.substr(0, comma), value[0]) &&
           read_value(word.substr(comma + 1), value[1]);
}

// "not_allowed:3,rate:1": reasons that this superd does not know are not counted any more.
bool read_value(std::string_view word, std::uint64_t (&counts)[refusal_count]) {
    for (const std::string_view part : split(word, ',')) {
        const auto colon = part.find(':');
        std::uint64_t count = 0;
        if (colon == part.npos || !read_value(part.substr(colon + 1), count)) return false;
        for (std::size_t i = 0; i < refusal_count; ++i)
            if (refusal_name(static_cast<Refusal>(i)) == part.substr(0, colon))
                counts[i] = count;
    }
    return true;
}

template <class T>
bool read_value(std::string_view word, std::atomic<T>& value) {
    T plain_value{};
    if (!read_value(word, plain_value)) return false;
    value.store(plain_value);
    return true;
}

template <Number T>
std::string word_of(T value) {
    return value == T{} ? std::string() : fmt::format("{}", plain(value));
}

std::string word_of(double value) {
    return value == 0 ? std::string() : fmt::format("{}", value);
}

std::string word_of(const std::string& value) {
    return percent_encoded(value);
}

template <std::size_t N>
std::string word_of(const char (&value)[N]) {
    return percent_encoded(
            {value, static_cast<std::size_t>(std::find(value, value + N, '\0') - value)});
}

std::string word_of(std::span<const std::uint8_t> bytes) {
    if (std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; }))
        return {};
    return fmt::format("{:02x}", fmt::join(bytes, ""));
}

template <std::size_t N>
std::string word_of(const std::array<std::uint8_t, N>& value) {
    return word_of(std::span<const std::uint8_t>(value));
}

std::string word_of(const std::int32_t (&value)[2]) {
    return fmt::format("{},{}", value[0], value[1]);
}

std::string word_of(const std::uint64_t (&counts)[refusal_count]) {
    std::string out;
    for (std::size_t i = 0; i < refusal_count; ++i) {
        if (counts[i] == 0) continue;
        out += fmt::format("{}{}:{}", out.empty() ? "" : ",",
                refusal_name(static_cast<Refusal>(i)), counts[i]);
    }
    return out;
}

template <class T>
std::string word_of(const std::atomic<T>& value) {
    return word_of(value.load());
}

// ---- fields

template <Record T>
void write_fields(std::string& out, const T& record, const std::string& prefix);

template <class Struct, class Member>
void write_field(std::string& out, const Struct& record, const Field<Struct, Member>& field,
        const std::string& prefix) {
    const Member& value = record.*field.member;
    if constexpr (Record<Member>) {
        write_fields(out, value, fmt::format("{}{}.", prefix, field.name));
    } else {
        const std::string word = word_of(value);
        if (!word.empty()) out += fmt::format(" {}{}={}", prefix, field.name, word);
    }
}

template <class Struct, class Member, class Enum>
void write_field(std::string& out, const Struct& record,
        const NamedField<Struct, Member, Enum>& field, const std::string& prefix) {
    const Member value = record.*field.member;
    if (value < static_cast<Member>(Enum::count))
        out += fmt::format(
                " {}{}={}", prefix, field.name, field.name_of(static_cast<Enum>(value)));
}

template <Record T>
void write_fields(std::string& out, const T& record, const std::string& prefix) {
    std::apply([&](const auto&... field) { (write_field(out, record, field, prefix), ...); },
            state_fields(&record));
}

template <Record T>
bool read_field(std::string_view name, std::string_view word, T& record);

// False: the field is this one, and its value makes no sense.
template <class Struct, class Member>
bool try_field(std::string_view name, std::string_view word, Struct& record,
        const Field<Struct, Member>& field) {
    if constexpr (Record<Member>) {
        if (!name.starts_with(field.name) || name.size() <= field.name.size() ||
                name[field.name.size()] != '.')
            return true;
        return read_field(name.substr(field.name.size() + 1), word, record.*field.member);
    } else {
        return name != field.name || read_value(word, record.*field.member);
    }
}

template <class Struct, class Member, class Enum>
bool try_field(std::string_view name, std::string_view word, Struct& record,
        const NamedField<Struct, Member, Enum>& field) {
    if (name != field.name) return true;
    for (Member i = 0; i < static_cast<Member>(Enum::count); ++i)
        if (field.name_of(static_cast<Enum>(i)) == word) record.*field.member = i;
    return true;  // a name of another superd's: as if it were not there
}

template <Record T>
bool read_field(std::string_view name, std::string_view word, T& record) {
    return std::apply(
            [&](const auto&... field) { return (try_field(name, word, record, field) && ...); },
            state_fields(&record));
}

template <Record T>
Result<void> read_fields(std::span<const std::string_view> words, T& record) {
    for (const std::string_view word : words) {
        const auto equals = word.find('=');
        if (equals == word.npos)
            return fail(0, fmt::format("\"{}\" is no field", escape(word)));
        if (!read_field(word.substr(0, equals), word.substr(equals + 1), record))
            return fail(0, fmt::format("\"{}\" makes no sense", escape(word)));
    }
    return {};
}

// ---- lines

template <Record T>
void write_table(std::string& out, std::size_t& lines, std::string_view kind,
        std::span<const T> table, std::string_view key) {
    for (std::size_t i = 0; i < table.size(); ++i) {
        std::string fields;
        write_fields(fields, table[i], "");
        if (fields.find(key) == fields.npos) continue;  // free
        out += fmt::format("{} {}{}\n", kind, i, fields);
        ++lines;
    }
}

using Words = std::span<const std::string_view>;

template <Record T>
Result<void> read_into(Words words, std::span<T> table) {
    std::uint64_t index = 0;
    if (words.size() < 2 || !read_value(words[1], index))
        return fail(0, "a record without a number");
    if (index >= table.size())
        return fail(0, fmt::format("record {} of {}", index, table.size()));
    return read_fields(words.subspan(2), table[index]);
}

Result<void> read_line(Words words, State& state, Handover& handover) {
    const std::string_view kind = words[0];
    if (kind == "handover") return read_fields(words.subspan(1), handover);
    if (kind == "header") return read_fields(words.subspan(1), state.header());
    if (kind == "process") return read_into(words, state.processes());
    if (kind == "service") return read_into(words, state.services());
    if (kind == "listener") return read_into(words, state.listeners());
    if (kind == "life") return read_into(words, state.lives());
    if (kind == "proxied") return read_into(words, state.proxied());
    if (kind == "stored") return read_into(words, state.stored());
    if (kind == "source") return read_into(words, state.sources());
    return {};
}

Result<void> check_first_line(std::string_view line) {
    const auto words = split(line, ' ');
    std::uint64_t version = 0, oldest = 0;
    if (words.size() < 3 || words[0] != "superd-state" || !read_value(words[1], version) ||
            !read_value(words[2], oldest))
        return fail(0, "it is no superd's saved state");
    if (oldest > format_version)
        return fail(0, fmt::format("it is of format {}, which only superds of format {} and "
                                   "later read; this one is of format {}",
                               version, oldest, format_version));
    return {};
}

// Every record that the tables' marks and each other speak of is within them.
Result<void> check_bounds(const State& state) {
    const StateHeader& header = state.header();
    if (header.process_high > state.processes().size() ||
            header.service_high > state.services().size() ||
            header.listener_high > state.listeners().size() ||
            header.life_high > state.lives().size() ||
            header.stored_high > state.stored().size())
        return fail(0, "it has more records than this superd holds");
    for (const ProcessRecord& record : state.processes().first(header.process_high)) {
        if (record.state.load() > RecordState::running || record.kind > ProcessKind::key)
            return fail(0, "a process of a kind or state that this superd does not know");
        const bool of_service = !is_own_program(record.kind);
        if ((of_service && record.service >= state.services().size()) ||
                (record.source != no_source && record.source >= state.sources().size()))
            return fail(0, "a process of a service or source beyond the tables");
    }
    for (const LifeRecord& life : state.lives().first(header.life_high))
        if (life.service >= state.services().size())
            return fail(0, "a life of a service beyond the tables");
    return {};
}

}  // namespace

std::string write_state(const State& state, const Handover& handover) {
    const StateHeader& header = state.header();
    std::string out =
            fmt::format("superd-state {} {}\nhandover", format_version, oldest_reader);
    write_fields(out, handover, "");
    out += "\nheader";
    write_fields(out, header, "");
    out += '\n';
    std::size_t lines = 3;
    const auto first = [](auto table, std::uint32_t count) {
        return std::span<const typename decltype(table)::element_type>(table.first(count));
    };
    write_table(
            out, lines, "process", first(state.processes(), header.process_high), " state=");
    write_table(out, lines, "proxied", first(state.proxied(), header.process_high),
            " proxy.family=");
    write_table(out, lines, "service", first(state.services(), header.service_high), " name=");
    write_table(
            out, lines, "listener", first(state.listeners(), header.listener_high), " inode=");
    write_table(out, lines, "life", first(state.lives(), header.life_high), " used=");
    write_table(out, lines, "stored", first(state.stored(), header.stored_high), " used=");
    const auto sources = state.sources();
    write_table(out, lines, "source", std::span<const SourceEntry>(sources), " source.family=");
    return out + fmt::format("end {}\n", lines);
}

Result<Handover> read_state(std::string_view text, State& state) {
    Handover handover;
    std::size_t number = 0;
    for (std::size_t at = 0; at < text.size(); ++number) {
        const auto end = text.find('\n', at);
        if (end == text.npos) break;
        const std::string_view line = text.substr(at, end - at);
        at = end + 1;
        const auto words = split(line, ' ');
        if (words[0] == "end") {
            std::uint64_t count = 0;
            if (words.size() != 2 || !read_value(words[1], count) || count != number)
                return fail(0, "the last line counts other lines than there are");
            if (auto good = check_bounds(state); !good) return tl::unexpected(good.error());
            return handover;
        }
        const auto read =
                number == 0 ? check_first_line(line) : read_line(words, state, handover);
        if (!read)
            return fail(0, fmt::format("line {}: {}", number + 1, read.error().operation));
    }
    return fail(0, "it is cut off");
}

}  // namespace superd
