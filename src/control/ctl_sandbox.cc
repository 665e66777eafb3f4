// SPDX-License-Identifier: MIT
// superctl sandbox: what a service is confined to, by its plan and by what the kernel says of
// the processes that run.
#include <array>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include <fmt/format.h>
#include <unistd.h>

#include "base/text.h"
#include "config/capabilities.h"
#include "config/options.h"
#include "control/ctl.h"
#include "control/names.h"

namespace superd {

namespace {

using Json = nlohmann::ordered_json;

tl::expected<Json, Outcome> ask(const CtlGlobals& globals, ControlClient& client,
        const char* method, const std::vector<std::string>& arguments) {
    const auto outcome = client.call(method, arguments, ctl_read_timeout(globals));
    if (outcome.code != exit_code::ok) return tl::unexpected(outcome);
    auto json = Json::parse(outcome.message, nullptr, false);
    if (json.is_discarded() || !json.is_object())
        return tl::unexpected(
                Outcome{exit_code::failed, "superd answered with no JSON object"});
    return json;
}

// The switches of the plan, in the order of the manual; dynamic_user stands beside user there.
Json switches_of(const Json& plan) {
    Json found = Json::object();
    bool among = false;
    for (const Option& option : all_options()) {
        among = (among || option.key == "sandbox") && (option.where & in_service) != 0;
        const std::string key(option.key);
        const bool counts = among || option.key == "dynamic_user";
        if (counts && plan.contains(key)) found[key] = plan[key];
    }
    return found;
}

// "Key:\tvalue" lines of /proc/PID/status; empty where there is no such process.
std::map<std::string, std::string> status_of(int pid) {
    std::map<std::string, std::string> facts;
    std::ifstream file(fmt::format("/proc/{}/status", pid));
    for (std::string line; std::getline(file, line);) {
        const auto colon = line.find(":\t");
        if (colon != std::string::npos) facts[line.substr(0, colon)] = line.substr(colon + 2);
    }
    return facts;
}

std::string namespace_of(int pid, std::string_view kind) {
    std::array<char, 64> target{};
    const auto length = ::readlink(
            fmt::format("/proc/{}/ns/{}", pid, kind).c_str(), target.data(), target.size() - 1);
    return length < 0 ? "" : std::string(target.data(), static_cast<std::size_t>(length));
}

class ProcessLook {
public:
    ProcessLook(int pid, int daemon, const Json& plan)
            : pid_(pid), daemon_(daemon), plan_(plan), facts_(status_of(pid)) {}

    // Null where the process has gone.
    Json look() {
        if (facts_.empty()) return nullptr;
        json_ = {{"pid", pid_}};
        look_at_privileges();
        look_at_filters();
        look_at_namespaces();
        json_["differs"] = differs_;
        return json_;
    }

private:
    [[nodiscard]] bool is_on(const char* key) const {
        const auto found = plan_.find(key);
        return found != plan_.end() && *found != false && *found != "no" && !found->empty();
    }

    [[nodiscard]] std::uint64_t set_of(const char* name) const {
        const auto found = facts_.find(name);
        return found == facts_.end() ? 0 : std::strtoull(found->second.c_str(), nullptr, 16);
    }

    [[nodiscard]] unsigned long number_of(const char* name) const {
        const auto found = facts_.find(name);
        return found == facts_.end() ? 0 : std::strtoul(found->second.c_str(), nullptr, 10);
    }

    void differs(bool so, const char* key) {
        if (so) differs_.emplace_back(key);
    }

    void look_at_privileges() {
        const bool none = number_of("NoNewPrivs") != 0;
        json_["no_new_privs"] = none;
        differs(is_on("no_new_privs") && !none, "no_new_privs");
        const std::uint64_t bounding = set_of("CapBnd");
        json_["capabilities"] = capability_names(bounding);
        json_["effective_capabilities"] = capability_names(set_of("CapEff"));
        if (!plan_.contains("capabilities")) return;
        std::uint64_t wanted = 0;
        for (const auto& name : plan_["capabilities"])
            if (const auto number = capability_by_name(name.get<std::string>()))
                wanted |= std::uint64_t{1} << *number;
        differs((bounding & ~wanted) != 0, "capabilities");
    }

    void look_at_filters() {
        const unsigned long count = number_of("Seccomp_filters");
        json_["system_call_filters"] = count;
        const std::size_t wanted =
                plan_.contains("system_call_filters") ? plan_["system_call_filters"].size() : 0;
        differs(count < wanted, "system_call_filters");
    }

    void look_at_namespaces() {
        const bool mounts = is_on("protect_system") || is_on("protect_home") ||
                            is_on("protect_kernel") || is_on("private_tmp") ||
                            is_on("private_devices") || is_on("private_pids") ||
                            is_on("read_only_paths") || is_on("read_write_paths") ||
                            is_on("inaccessible_paths");
        look_at_namespace("mnt", mounts);
        look_at_namespace("net", is_on("private_network"));
        look_at_namespace("ipc", is_on("private_ipc"));
        look_at_namespace("pid", is_on("private_pids"));
    }

    // Only who may trace the process sees it.
    void look_at_namespace(const char* kind, bool wanted) {
        const std::string own = namespace_of(pid_, kind), host = namespace_of(daemon_, kind);
        if (own.empty() || host.empty()) {
            json_["namespaces"][kind] = "unknown";
            return;
        }
        json_["namespaces"][kind] = own == host ? "superd's" : "its own";
        differs(wanted && own == host, kind);
    }

    int pid_, daemon_;
    const Json& plan_;
    std::map<std::string, std::string> facts_;
    Json json_;
    std::vector<std::string> differs_;
};

std::string words(const Json& value) {
    if (!value.is_array()) return value.is_string() ? value.get<std::string>() : value.dump();
    std::string text;
    for (const auto& item : value)
        text += (text.empty() ? "" : " ") + words(item);
    return text.empty() ? "none" : text;
}

std::string render(const Json& answer) {
    std::string text = escape(answer.value("service", "")) + "\n";
    for (const auto& [key, value] : answer["switches"].items())
        text += fmt::format("  {:<26} {}\n", key, escape(words(value)));
    for (const auto& process : answer["processes"]) {
        text += fmt::format(
                "  pid {}: {}, {} filter{}, capabilities {}, at most {}; mounts {}, network "
                "{}, "
                "IPC {}, processes {}\n",
                process["pid"].get<int>(),
                process["no_new_privs"].get<bool>() ? "no new privileges"
                                                    : "may gain privileges",
                process["system_call_filters"].get<unsigned long>(),
                process["system_call_filters"] == 1 ? "" : "s",
                words(process["effective_capabilities"]), words(process["capabilities"]),
                words(process["namespaces"]["mnt"]), words(process["namespaces"]["net"]),
                words(process["namespaces"]["ipc"]), words(process["namespaces"]["pid"]));
        if (!process["differs"].empty())
            text += fmt::format("    not as the file says: {}; it was started before\n",
                    words(process["differs"]));
    }
    return text;
}

tl::expected<Json, Outcome> look_at(
        const CtlGlobals& globals, ControlClient& client, const std::string& name) {
    auto plan = ask(globals, client, "ShowPlan", {name});
    if (!plan) return plan;
    const auto service = ask(globals, client, "DescribeService", {name});
    if (!service) return service;
    const auto daemon = ask(globals, client, "Describe", {});
    if (!daemon) return daemon;
    Json answer{{"service", name}, {"switches", switches_of(*plan)}};
    answer["processes"] = Json::array();
    const int superd = (*daemon)["daemon"].value("pid", 0);
    for (const auto& process : (*service)["service"]["processes"]) {
        const int pid = process.value("pid", 0);
        if (pid <= 0) continue;
        if (auto seen = ProcessLook(pid, superd, *plan).look(); !seen.is_null())
            answer["processes"].push_back(std::move(seen));
    }
    return answer;
}

}  // namespace

int ctl_sandbox(const CtlGlobals& globals, const std::vector<std::string>& words) {
    auto client = ControlClient::connect(globals.socket);
    if (!client) return ctl_fail(globals, client.error());
    const auto names = ctl_names(globals, *client, words);
    if (!names) return ctl_fail(globals, names.error());
    Json all = Json::array();
    for (const std::string& name : *names) {
        auto answer = look_at(globals, *client, name);
        if (!answer) return ctl_fail(globals, answer.error());
        if (globals.json)
            all.push_back(std::move(*answer));
        else
            ctl_print(render(*answer));
    }
    if (globals.json)
        ctl_print(Json{{"version", 1}, {"services", all}}.dump(
                          2, ' ', false, Json::error_handler_t::replace) +
                  "\n");
    return exit_code::ok;
}

}  // namespace superd
