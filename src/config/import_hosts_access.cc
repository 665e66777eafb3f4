// SPDX-License-Identifier: MIT
// hosts.allow and hosts.deny said in superd's own words.
#include "config/import_hosts_access.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <optional>

#include <fnmatch.h>

#include "base/result.h"
#include "base/text.h"
#include "config/import_xinetd.h"

namespace superd {

namespace {

constexpr std::string_view all_v4 = "0.0.0.0/0", all_v6 = "::/0";

// One client of a rule: a block of addresses or, where that is empty, a name.
struct Client {
    std::optional<Network> block;
    std::string name;
    bool allow = true;
};

bool same(std::string_view a, std::string_view b) {
    return lower_case(a) == lower_case(b);
}

// Between blanks and commas.
std::vector<std::string> items(std::string text) {
    std::replace(text.begin(), text.end(), ',', ' ');
    return xinetd_words(text);
}

// At colons, but for those in the brackets of an IPv6 address.
std::vector<std::string> fields_of(std::string_view text) {
    std::vector<std::string> fields(1);
    bool brackets = false;
    for (const char c : text) {
        brackets = c == '[' || (brackets && c != ']');
        if (c == ':' && !brackets && fields.size() < 3)
            fields.emplace_back();
        else
            fields.back() += c;
    }
    for (std::string& field : fields)
        field = std::string(trim(field));
    return fields;
}

// Whether a rule is about a daemon. at_some: only where the client came to some address of this
// host, "daemon@host".
enum class Named : std::uint8_t { no, at_some, yes };

Named named_by(const std::string& item, std::string_view daemon) {
    const auto at = item.find('@');
    const std::string pattern = lower_case(item.substr(0, at));
    if (pattern != "all" && ::fnmatch(pattern.c_str(), lower_case(daemon).c_str(), 0) != 0)
        return Named::no;
    return at == std::string::npos ? Named::yes : Named::at_some;
}

Named names_daemon(const std::vector<std::string>& items, std::string_view daemon) {
    Named named = Named::no;
    for (const std::string& item : items) {
        if (same(item, "EXCEPT")) {
            // What stands behind it is left out; of exceptions to exceptions nobody is sure.
            const std::vector<std::string> rest(&item + 1, items.data() + items.size());
            const Named left_out = names_daemon(rest, daemon);
            if (left_out == Named::yes || named == Named::no) return Named::no;
            return left_out == Named::at_some ? Named::at_some : named;
        }
        named = std::max(named, named_by(item, daemon));
    }
    return named;
}

// "255.255.252.0" → 22, where its ones stand on the left.
std::optional<unsigned> mask_length(std::string_view text) {
    const auto mask = IpAddress::parse(text);
    if (!mask || !mask->is_v4()) return std::nullopt;
    std::uint32_t bits = 0;
    for (std::size_t i = 12; i < 16; ++i)
        bits = bits << 8 | mask->bytes[i];
    const auto ones = static_cast<unsigned>(std::countl_one(bits));
    if (static_cast<unsigned>(std::popcount(bits)) != ones) return std::nullopt;
    return ones;
}

std::optional<Network> block_of(std::string_view address, std::string_view length) {
    const auto ip = IpAddress::parse(address);
    if (!ip) return std::nullopt;
    const unsigned whole = ip->is_v4() ? 32 : 128;
    unsigned bits = whole;
    if (const auto number = parse_decimal(length); number && *number <= whole)
        bits = static_cast<unsigned>(*number);
    else if (const auto ones = mask_length(length); ones && ip->is_v4())
        bits = *ones;
    else if (!length.empty())
        return std::nullopt;
    bits += 128 - whole;
    return Network{mask(*ip, bits), static_cast<std::uint8_t>(bits)};
}

// "192.168." is the block of what begins so.
std::optional<Network> prefix_of(std::string_view text) {
    std::string address(text.substr(0, text.size() - 1));
    const auto parts = static_cast<unsigned>(std::count(text.begin(), text.end(), '.'));
    if (parts > 3) return std::nullopt;
    for (unsigned i = parts; i < 4; ++i)
        address += ".0";
    return block_of(address, std::to_string(8 * parts));
}

std::optional<Network> read_block(std::string_view item) {
    if (item.starts_with('[')) {
        const auto close = item.find(']');
        if (close == std::string_view::npos) return std::nullopt;
        const std::string_view inside = item.substr(1, close - 1),
                               behind = item.substr(close + 1);
        const auto slash = inside.find('/');
        if (slash != std::string_view::npos && behind.empty())
            return block_of(inside.substr(0, slash), inside.substr(slash + 1));
        return block_of(inside, behind.starts_with('/') ? behind.substr(1) : behind);
    }
    if (item.ends_with('.')) return prefix_of(item);
    const auto slash = item.find('/');
    return block_of(item.substr(0, slash),
            slash == std::string_view::npos ? std::string_view() : item.substr(slash + 1));
}

// A host's or a domain's name in superd's words; empty: nothing of the kind.
std::string read_name(std::string_view item) {
    static constexpr std::string_view letters =
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
    if (item.find_first_not_of(letters) != std::string_view::npos || item.ends_with('.') ||
            item.find_first_not_of("0123456789.") == std::string_view::npos)
        return {};
    for (const std::string_view word : {"LOCAL", "KNOWN", "UNKNOWN", "PARANOID"})
        if (same(item, word)) return {};
    if (!item.starts_with('.')) return "host:" + std::string(item);
    return item.size() > 1 ? "domain:" + std::string(item.substr(1)) : "";
}

// The clients of an item; nothing where it says what superd's lists cannot.
std::optional<std::vector<Client>> read_item(const std::string& item, bool allow) {
    if (same(item, "ALL"))
        return std::vector{Client{Network::parse(all_v4), {}, allow},
                Client{Network::parse(all_v6), {}, allow}};
    if (same(item, "localhost"))
        return std::vector{Client{Network::parse("127.0.0.1"), {}, allow},
                Client{Network::parse("::1"), {}, allow}};
    if (const auto block = read_block(item)) return std::vector{Client{block, {}, allow}};
    std::string name = read_name(item);
    if (name.empty()) return std::nullopt;
    return std::vector{Client{std::nullopt, std::move(name), allow}};
}

// The rules about one daemon, in their order, as clients of which the first that matches
// decides.
class Reading {
public:
    explicit Reading(bool names) : names_(names) {}

    // Nothing, or why the rule cannot be said. `beyond`: what becomes of clients that the rule
    // leaves out, where that is the same for all of them.
    std::string take(
            const std::vector<std::string>& fields, bool allow, std::optional<bool> beyond) {
        if (fields.size() > 2 && !take_options(fields[2], allow))
            return "has an option that decides more than who comes in";
        const auto clients = items(fields[1]);
        auto except = std::find_if(clients.begin(), clients.end(),
                [](const std::string& item) { return same(item, "EXCEPT"); });
        if (except != clients.end()) {
            if (!beyond) return "has exceptions that later rules decide about";
            if (!take_items({except + 1, clients.end()}, *beyond))
                return "has exceptions that are more than addresses";
        }
        if (!take_items({clients.begin(), except}, allow))
            return "goes by more than addresses" + std::string(names_ ? " and names" : "");
        return {};
    }

    // Everybody is decided about: what follows does not matter.
    [[nodiscard]] bool complete() const {
        return covered(*Network::parse(all_v6)) && covered(*Network::parse(all_v4));
    }

    [[nodiscard]] std::optional<AccessLists> lists() const {
        const bool open = !complete() || decides(*Network::parse(all_v4));
        AccessLists out;
        for (const Client& client : clients_) {
            if (client.block && client.allow == decision_around(*client.block, open)) continue;
            std::string entry = client.name;
            if (client.block) entry = client.block->text();
            (client.allow ? out.allow : out.deny).push_back(std::move(entry));
        }
        const bool named = std::any_of(clients_.begin(), clients_.end(),
                [](const Client& client) { return !client.block; });
        // Where names rank among blocks differs; alone against all they cannot be mistaken.
        if (named && !out.allow.empty() && !out.deny.empty()) return std::nullopt;
        if (open && out.deny.empty()) out.allow.clear();
        if (!open && out.allow.empty()) out.deny.assign({"all"});
        if (open && !out.allow.empty()) out.allow.insert(out.allow.begin(), "all");
        return out;
    }

private:
    // False: it does more. `allow` and `deny` turn a rule round.
    static bool take_options(const std::string& text, bool& allow) {
        for (const std::string_view option : split(text, ':')) {
            const std::string word = lower_case(trim(option));
            if (word == "allow" || word == "deny")
                allow = word == "allow";
            else if (!word.starts_with("severity"))
                return false;
        }
        return true;
    }

    bool take_items(const std::vector<std::string>& items, bool allow) {
        for (const std::string& item : items) {
            if (same(item, "EXCEPT")) return false;
            const auto read = read_item(item, allow);
            if (!read) return false;
            for (const Client& client : *read) {
                if (!client.block && !names_) return false;
                if (!client.block || !covered(*client.block)) clients_.push_back(client);
            }
        }
        return true;
    }

    // Decided about by an earlier rule.
    [[nodiscard]] bool covered(const Network& block) const {
        return std::any_of(clients_.begin(), clients_.end(), [&](const Client& client) {
            return client.block && client.block->bits <= block.bits &&
                   client.block->contains(block.base);
        });
    }

    [[nodiscard]] bool decides(const Network& block) const {
        for (const Client& client : clients_)
            if (client.block == block) return client.allow;
        return true;
    }

    // What holds for the clients of a block but for its own entry.
    [[nodiscard]] bool decision_around(const Network& block, bool open) const {
        const Client* nearest = nullptr;
        for (const Client& client : clients_)
            if (client.block && client.block->bits < block.bits &&
                    client.block->contains(block.base) &&
                    (nearest == nullptr || client.block->bits > nearest->block->bits))
                nearest = &client;
        return nearest == nullptr ? open : nearest->allow;
    }

    bool names_;
    std::vector<Client> clients_;
};

std::vector<Network> blocks_of(const std::vector<std::string>& entries, bool& known) {
    std::vector<Network> blocks;
    for (const std::string& entry : entries) {
        if (entry == "all") {
            blocks.push_back(*Network::parse(all_v4));
            blocks.push_back(*Network::parse(all_v6));
        } else if (const auto block = Network::parse(entry)) {
            blocks.push_back(*block);
        } else {
            known = false;
        }
    }
    return blocks;
}

bool inside(const Network& inner, const Network& outer) {
    return outer.bits <= inner.bits && outer.contains(inner.base);
}

void add_once(std::vector<std::string>& to, const std::string& entry) {
    if (std::find(to.begin(), to.end(), entry) == to.end()) to.push_back(entry);
}

}  // namespace

HostsAccess::HostsAccess(ImportHost& host) {
    read(host, "/etc/hosts.allow", true);
    read(host, "/etc/hosts.deny", false);
}

void HostsAccess::read(ImportHost& host, const std::string& path, bool allow) {
    const auto file = host.read(path);
    if (file.error == ENOENT) return;
    if (file.error != 0) {
        rules_.push_back({path, errno_text(file.error), {}, allow});
        return;
    }
    std::uint32_t number = 0, first = 0;
    std::string text;
    for (const std::string_view line : split(file.text, '\n')) {
        ++number;
        if (text.empty()) first = number;
        text += line;
        if (text.ends_with('\\')) {
            text.pop_back();
            continue;
        }
        const std::string_view rule = trim(text);
        if (!rule.empty() && !rule.starts_with('#'))
            rules_.push_back({path + ":" + std::to_string(first), std::string(rule),
                    fields_of(rule), allow});
        text.clear();
    }
}

std::string HostsAccess::command_at() const {
    for (const Rule& rule : rules_)
        for (const char* word : {"spawn", "twist", "aclexec"})
            if (rule.fields.size() > 2 &&
                    lower_case(rule.fields[2]).find(word) != std::string::npos)
                return rule.place;
    return {};
}

HostsVerdict HostsAccess::about(std::string_view daemon, bool names) const {
    std::vector<const Rule*> rules;
    for (const Rule& rule : rules_) {
        if (rule.fields.size() < 2)
            return {{}, rule.place + ": " + quote_value(rule.text) + " is no rule"};
        const Named named = names_daemon(items(rule.fields[0]), daemon);
        if (named == Named::at_some)
            return {{}, rule.place + ": " + quote_value(rule.text) +
                                " goes by the address that the client came to"};
        if (named == Named::yes) rules.push_back(&rule);
    }
    Reading reading(names);
    for (std::size_t i = 0; i < rules.size() && !reading.complete(); ++i) {
        const Rule& rule = *rules[i];
        std::optional<bool> beyond;
        if (i + 1 == rules.size())
            beyond = true;
        else if (rules[i + 1]->fields.size() == 2 && same(rules[i + 1]->fields[1], "ALL"))
            beyond = rules[i + 1]->allow;
        const std::string why = reading.take(rule.fields, rule.allow, beyond);
        if (!why.empty()) return {{}, rule.place + ": " + quote_value(rule.text) + " " + why};
    }
    auto lists = reading.lists();
    if (!lists) return {{}, "the names and the addresses in the rules about it overlap"};
    return {std::move(*lists), {}};
}

std::vector<std::string> inside_denied(const AccessLists& lists) {
    std::vector<std::string> found;
    bool known = true;
    const auto denied = blocks_of(lists.deny, known);
    for (const std::string& entry : lists.allow)
        for (const Network& one : blocks_of({entry}, known))
            if (std::any_of(denied.begin(), denied.end(), [&](const Network& other) {
                    return one != other && inside(one, other);
                }))
                add_once(found, entry);
    return found;
}

bool restrict_access(AccessLists& into, const AccessLists& by) {
    if (by.allow.empty() && by.deny.empty()) return true;
    if (into.allow.empty() && into.deny.empty()) {
        into = by;
        return true;
    }
    bool known = true;
    const auto ours = blocks_of(into.allow, known), theirs = blocks_of(by.allow, known);
    AccessLists out;
    for (const AccessLists& lists : {into, by})
        for (const std::string& entry : lists.deny)
            add_once(out.deny, entry);
    if (into.allow.empty() || by.allow.empty()) {
        out.allow = into.allow.empty() ? by.allow : into.allow;
    } else {
        for (const Network& one : ours)
            for (const Network& other : theirs)
                if (inside(one, other) || inside(other, one))
                    add_once(out.allow, (inside(one, other) ? one : other).text());
        if (out.allow.empty()) out.deny.assign({"all"});
    }
    // An entry inside one of deny would be more specific, and win over what both say together.
    static_cast<void>(blocks_of(out.allow, known));
    static_cast<void>(blocks_of(out.deny, known));
    if (!known || !inside_denied(out).empty()) return false;
    into = std::move(out);
    return true;
}

}  // namespace superd
