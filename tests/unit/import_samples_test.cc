// SPDX-License-Identifier: MIT
// Real configurations: what xinetd itself made of each (its state dump) against the import.
//
// The dumps were taken after servers had been replaced by /bin/true, unknown people by root,
// and lines that say disable = yes taken out; so the files are read here likewise, on a host
// that has every program and everybody. What is not equal stands in `differences`, with its
// reason.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/text.h"
#include "config/import_xinetd.h"

#include "support/catch.h"
#include "support/config_text.h"
#include "support/import_host.h"
#include "support/skip.h"

namespace superd::test {

namespace {

namespace fs = std::filesystem;

// Sample, service and key for which xinetd and superd are not equal, and why.
struct Difference {
    std::string_view sample, service, what, reason;
};

constexpr std::array differences{
        Difference{"07-openscap-G.conf", "rsync", "access",
                "the dump prints All sites for a list in which no name could be resolved; "
                "xinetd "
                "lets nobody in, superd whom only_this_is_allowed names"},
        Difference{"25-redhat-tftp", "tftp", "per_source",
                "a worker's clients come in unseen, under xinetd too: it never counts there"},
};

std::string_view reason_for(
        std::string_view sample, std::string_view service, std::string_view what) {
    for (const Difference& one : differences)
        if (one.sample == sample && one.service == service && one.what == what)
            return one.reason;
    return {};
}

std::string slurp(const fs::path& path) {
    std::ifstream in(path);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

class SampleHost final : public FakeImportHost {
public:
    SampleHost() { ports["sane-port/tcp"] = 6566; }

    bool user_exists(const std::string&) override { return true; }

    bool group_exists(const std::string&) override { return true; }
};

// As the files were changed before xinetd read them.
std::string as_dumped(const std::string& text) {
    std::string out;
    for (const std::string_view line : split(text, '\n')) {
        const auto words = xinetd_words(line);
        const bool switches_off = words.size() == 3 && lower_case(words[0]) == "disable" &&
                                  lower_case(words[2]) == "yes";
        const bool server = words.size() >= 3 && words[0] == "server";
        if (switches_off)
            out += "#";
        else if (server)
            out += " server = /bin/true\n#";
        (out += line) += '\n';
    }
    return out;
}

// One service of a dump, its lines by their names.
struct Dumped {
    std::map<std::string, std::string> values;
};

std::vector<Dumped> read_dump(const std::string& text) {
    std::vector<Dumped> services;
    bool inside = false;
    for (const std::string_view line : split(text, '\n')) {
        if (line.starts_with("Service = ")) {
            services.emplace_back();
            inside = true;
        }
        if (line.starts_with("\trunning")) inside = false;
        if (!inside) continue;
        const auto sign = line.find_first_of("=:");
        if (sign == std::string_view::npos) continue;
        services.back().values[lower_case(trim(line.substr(0, sign)))] =
                std::string(trim(line.substr(sign + 1)));
    }
    return services;
}

std::string value_of(const ImportService& service, std::string_view key) {
    const ImportSetting* setting = service.find(key);
    return setting != nullptr ? setting->value : "";
}

// What of a service xinetd's dump tells, in one form for both sides.
using Facts = std::map<std::string, std::string>;

std::string dumped_arguments(const std::string& argv, bool names_itself) {
    auto words = xinetd_words(argv);
    if (!names_itself && !words.empty()) words.front() = "true";
    return join(words, " ");
}

Facts facts_of(const Dumped& dumped) {
    const auto get = [&](const std::string& key) {
        const auto found = dumped.values.find(key);
        return found == dumped.values.end() ? std::string() : found->second;
    };
    Facts facts;
    const bool v4 = get("flags").find("IPv4") != std::string::npos;
    const bool packets = get("socket_type") == "dgram";
    facts["socket"] =
            std::string(packets ? "udp" : "tcp") + (v4 ? "4" : "") + ":" + get("port");
    facts["wait"] = get("wait");
    facts["internal"] = get("type").find("INTERNAL") != std::string::npos ? get("service") : "";
    facts["argv"] = dumped_arguments(
            get("server argv"), get("flags").find("NAMEINARGS") != std::string::npos);
    facts["groups"] = facts["internal"].empty() ? get("groups") : "";
    // A builtin has no process of its own, and no user.
    facts["user"] = facts["internal"].empty() ? get("user") : "";
    facts["group"] = facts["internal"].empty() ? get("group") : "";
    facts["umask"] = get("umask");
    facts["log"] = get("log_on_success flags") + get("log_on_failure flags");
    facts["nice"] = get("nice");
    facts["instances"] = get("instances");
    facts["per_source"] = get("per_source") == "-1" ? "" : get("per_source");
    facts["cps"] = get("cps");
    facts["access"] = get("only from") == "All sites" && get("no access") == "No blocked sites"
                              ? ""
                              : get("only from") + "|" + get("no access");
    return facts;
}

using Numbers = std::initializer_list<std::pair<const char*, int>>;
const Numbers people{{"root", 0}, {"lp", 7}, {"news", 9}, {"nobody", 0}, {"amandabackup", 0}};
const Numbers folk{{"root", 0}, {"disk", 6}};

// The number in the dump for a name of the file: who was not known there had become root.
std::string number_of(std::string name, const Numbers& known) {
    std::erase(name, '"');
    if (name.empty()) return {};
    for (const auto& [one, number] : known)
        if (name == one) return std::to_string(number);
    return name;
}

std::string bound_text(const std::string& value) {
    return value == "\"unlimited\"" ? "" : value;
}

std::string cps_text(const ImportService& service) {
    const std::string rate = value_of(service, "rate");
    if (rate == R"({ limit = "50/s", pause = "10s" })") return {};  // the dump has no default
    std::string out = rate;
    for (const auto& [from, to] : {std::pair{R"({ limit = ")", "max conn:"},
                 std::pair{R"(/s", pause = ")", " wait:"}, std::pair{R"(s" })", ""}})
        if (const auto at = out.find(from); at != std::string::npos)
            out.replace(at, std::string(from).size(), to);
    return out;
}

Facts facts_of(const ImportService& service) {
    Facts facts;
    const std::string address =
            service.listeners.empty() ? "" : service.listeners.front().address;
    const bool packets = address.starts_with("udp");
    facts["socket"] = address;
    facts["wait"] = packets || value_of(service, "mode") == "\"worker\"" ? "yes" : "no";
    std::string builtin = value_of(service, "builtin");
    std::erase(builtin, '"');
    facts["internal"] = builtin;
    std::string argv = value_of(service, "exec");
    for (const char c : {'[', ']', '"', ','})
        std::erase(argv, c);
    auto words = xinetd_words(argv);
    std::string argv0 = value_of(service, "argv0");
    std::erase(argv0, '"');
    if (!words.empty()) words.front() = argv0;
    facts["argv"] = join(words, " ");
    facts["groups"] = !builtin.empty()                      ? ""
                      : value_of(service, "groups") == "[]" ? "no"
                                                            : "yes";
    facts["user"] = number_of(value_of(service, "user"), people);
    facts["group"] = number_of(value_of(service, "group"), folk);
    facts["umask"] = value_of(service, "umask");
    facts["log"] = value_of(service, "log_admitted") + value_of(service, "log_refused");
    facts["nice"] = value_of(service, "nice");
    facts["instances"] = bound_text(value_of(service, "max_connections"));
    facts["per_source"] = bound_text(value_of(service, "max_per_source"));
    facts["cps"] = cps_text(service);
    facts["access"] = value_of(service, "allow") + value_of(service, "deny");
    return facts;
}

void compare(const std::string& sample, const std::string& service, const Facts& theirs,
        const Facts& ours) {
    for (const auto& [what, value] : theirs) {
        INFO(sample << ", service " << service << ", " << what);
        if (reason_for(sample, service, what).empty())
            CHECK(ours.at(what) == value);
        else
            CHECK(ours.at(what) != value);  // else the entry of differences is stale
    }
}

std::optional<fs::path> samples() {
    const char* given = std::getenv("SUPERD_SAMPLES");
    const fs::path folder = given != nullptr ? given : "../shared/samples";
    if (fs::is_directory(folder / "xinetd.d") && fs::is_directory(folder / "golden"))
        return folder;
    skip("no folder " + folder.string() + "; SUPERD_SAMPLES names it");
    return std::nullopt;
}

// Everybody is there, as on SampleHost.
class EveryName final : public NameService {
protected:
    std::optional<UserEntry> ask_user(const std::string& name) override {
        return UserEntry{1000, 1000, name, "/", "/bin/sh"};
    }

    std::optional<std::uint32_t> ask_group(const std::string&) override { return 1000; }

    std::vector<std::uint32_t> ask_groups(const std::string&, std::uint32_t gid) override {
        return {gid};
    }
};

// What superd's checker refuses of a text.
std::string errors_of(const std::string& text) {
    Resolved result;
    Document document;
    document.files.push_back(
            {"superd.toml", {}, parse_toml(text, 0, "superd.toml", result.diagnostics)});
    if (document.files.front().root == nullptr) return result.errors();
    ReadOptions options;
    options.path = "superd.toml";
    options.root = true;
    EveryName names;
    result.plan = resolve_document(document, options, names, result.diagnostics);
    return result.errors();
}

Import import_sample(const std::string& text, ImportHost& host) {
    static_cast<FakeImportHost&>(host).files["/etc/xinetd.conf"] = text;
    return import_xinetd({"/etc/xinetd.conf"}, host);
}

}  // namespace

TEST_CASE("xinetd import: real configurations serve what xinetd served, and alike") {
    const auto folder = samples();
    if (!folder) return;
    std::size_t compared = 0;
    for (const auto& entry : fs::directory_iterator(*folder / "xinetd.d")) {
        const std::string name = entry.path().filename();
        const fs::path dump = *folder / "golden" / (name + ".stubon.dump");
        // Where xinetd did not even start there is no dump: nothing may be enabled.
        const auto theirs = fs::exists(dump) ? read_dump(slurp(dump)) : std::vector<Dumped>{};
        SampleHost host;
        const Import import = import_sample(as_dumped(slurp(entry.path())), host);
        std::vector<const ImportService*> ours;
        for (const ImportService& service : import.services)
            if (service.disabled.empty()) ours.push_back(&service);
        INFO(name << "\n" << notes_of(import));
        REQUIRE(ours.size() == theirs.size());
        for (std::size_t i = 0; i < ours.size(); ++i) {
            CHECK(ours[i]->name == theirs[i].values.at("id"));
            compare(name, ours[i]->name, facts_of(theirs[i]), facts_of(*ours[i]));
            ++compared;
        }
    }
    CHECK(compared >= 19);
}

TEST_CASE("xinetd import: superd takes what is written for every real configuration") {
    const auto folder = samples();
    if (!folder) return;
    for (const bool as_they_are : {true, false})
        for (const auto& entry : fs::directory_iterator(*folder / "xinetd.d")) {
            SampleHost host;
            const std::string text = slurp(entry.path());
            Import import = import_sample(as_they_are ? text : as_dumped(text), host);
            settle_import(import, host);
            const auto written = write_import(import, false);
            INFO(entry.path().string() << "\n" << written.front().text);
            CHECK(errors_of(written.front().text).empty());
        }
}

}  // namespace superd::test
