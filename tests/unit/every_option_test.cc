// SPDX-License-Identifier: MIT
// Every option of a service, once: it is resolved, told apart by a diff with the effect that
// the options table promises, kept by the plan's binary form, and shown as JSON.
#include <nlohmann/json.hpp>
#include <set>

#include "config/codec.h"
#include "config/diff.h"
#include "config/options.h"

#include "support/catch.h"
#include "support/config_text.h"

namespace superd::test {

namespace {

constexpr const char* stream = "listen = \"tcp:22\"\nexec = \"/bin/true\"\nuser = \"git\"\n";
constexpr const char* worker =
        "listen = \"tcp:22\"\nmode = \"worker\"\nexec = \"/bin/true\"\nuser = \"git\"\n";
constexpr const char* datagrams = "listen = \"udp:69\"\nexec = \"/bin/true\"\nuser = \"git\"\n";
constexpr const char* node = "exec = \"/bin/true\"\nuser = \"git\"\n";
constexpr const char* builtin = "listen = \"tcp:7\"\nbuiltin = \"echo\"\n";
constexpr const char* sensor = "listen = \"tcp:7\"\nbuiltin = \"sensor\"\n";
constexpr const char* redirect = "listen = \"tcp:80\"\nredirect = \"tcp:192.0.2.1:80\"\n";

// Somebody whom the service can name.
constexpr const char* other = "[service.t]\nexec = \"/bin/true\"\nuser = \"git\"\n";

struct Row {
    const char* key;
    const char *base, *from, *to;  // lines of a service: `from` is there before, `to` after
    const char* json;              // what shows of it in the JSON afterwards, and not before
    const char* also = "";         // keys that follow from it; with itself where not the first
};

const Row rows[] = {
        {"description", stream, "", "description = \"x y\"", R"("description":"x y")"},
        {"enabled", stream, "", "enabled = false", R"("enabled":false)"},
        {"listen", node, "listen = \"tcp:22\"", "listen = \"tcp:23\"", R"("address":"tcp:23")"},
        {"mode", stream, "", "mode = \"worker\"", R"("mode":"worker")",
                "pass max_connections max_per_source"},
        {"start", stream, "", "start = \"manual\"", R"("start":"manual")"},
        {"workers", datagrams, "", "workers = 3", R"("workers":3)"},
        {"workers", datagrams, "", "workers = { min = 2, max = 8, after = \"20ms\" }",
                R"("workers":{"min":2,"max":8,"after":"20ms"})"},
        {"overlap", datagrams, "", "overlap = true", R"("overlap":true)"},
        {"listen_environment", worker, "", "listen_environment = [\"einhorn\"]",
                R"("listen_environment":["einhorn"])"},
        {"prestart", stream, "", "prestart = { count = 3, max_age = \"5m\" }",
                R"("prestart":{"count":3,"max_age":"5m"})"},
        {"pass", stream, "", "pass = \"listen_fds\"", R"("pass":"listen_fds")"},
        {"builtin", "listen = \"tcp:7\"\n", "builtin = \"echo\"", "builtin = \"discard\"",
                R"("builtin":"discard")"},
        {"deny_for", sensor, "", "deny_for = \"30m\"", R"("deny_for":"30m")"},
        {"deny_for", sensor, "deny_for = \"1s\"", "deny_for = \"forever\"",
                R"("deny_for":"forever")"},
        {"tcpmux", stream, "", "tcpmux = \"plus\"", R"("tcpmux":"plus")"},
        {"rpc", datagrams, "", "rpc = { program = \"rstatd\", versions = \"1-3\" }",
                R"("rpc":{"program":100001,"versions":"1-3"})"},
        {"mdns", stream, "", "mdns = { type = \"_http._tcp\", name = \"The shop\" }",
                R"("mdns":{"type":"_http._tcp","name":"The shop","txt":[]})"},
        {"redirect", "listen = \"tcp:80\"\n", "redirect = \"tcp:192.0.2.1:80\"",
                "redirect = [\"tcp:192.0.2.2:80\", \"tcp:host.example.org:80\"]",
                R"("redirect":["tcp:192.0.2.2:80","tcp:host.example.org:80"])"},
        {"connect_timeout", redirect, "", "connect_timeout = \"3s\"",
                R"("connect_timeout":"3s")"},
        {"send_proxy", redirect, "", "send_proxy = \"v2\"", R"("send_proxy":"v2")"},
        {"send_proxy_tlvs", redirect, "send_proxy = \"v2\"",
                "send_proxy = \"v2\"\nsend_proxy_tlvs = [\"crc32c\", \"ssl\"]",
                R"("send_proxy_tlvs":["crc32c","ssl"])"},
        {"proxy_protocol", stream, "",
                "proxy_protocol = { from = \"10.0.0.0/8\", version = 2, required = true }",
                R"("version":2)"},
        {"tls", stream, "", "tls = { certificate = \"/a.pem\", key = \"/a.key\" }",
                R"("tls":"s/tcp:22")"},
        {"starttls", stream, "tls = { certificate = \"/a.pem\", key = \"/a.key\" }",
                "tls = { certificate = \"/a.pem\", key = \"/a.key\" }\nstarttls = \"imap\"",
                R"("starttls":"imap")"},
        {"idle_timeout", builtin, "", "idle_timeout = \"unlimited\"", R"("idle_timeout":null)"},
        {"restart", datagrams, "", "restart = \"always\"", R"("restart":"always")"},
        {"restart_delay", datagrams, "", "restart_delay = \"2s\"", R"("restart_delay":"2s")"},
        {"restart_delay_max", datagrams, "", "restart_delay_max = \"5m\"",
                R"("restart_delay_max":"5m")"},
        {"restart_limit", datagrams, "", "restart_limit = \"5/10s\"",
                R"("restart_limit":"5/10s")"},
        {"clean_exit", datagrams, "", "clean_exit = [0, \"USR1\"]",
                R"("clean_exit":[0,"USR1"])"},
        {"exec_pre", datagrams, "", "exec_pre = [\"/bin/true\", \"x y\"]",
                R"("exec_pre":[["/bin/true","x y"]])"},
        {"exec_post", datagrams, "", "exec_post = [[\"/bin/true\"], [\"/bin/echo\"]]",
                R"("exec_post":[["/bin/true"],["/bin/echo"]])"},
        {"exec_stop", datagrams, "", "exec_stop = \"/bin/true x\"",
                R"("exec_stop":[["/bin/true","x"]])"},
        {"exec_stop_post", datagrams, "", "exec_stop_post = \"/bin/true\"",
                R"("exec_stop_post":[["/bin/true"]])"},
        {"reload", datagrams, "", "reload = \"HUP\"", R"("reload":"HUP")"},
        {"reload", datagrams, "notify_access = \"main\"",
                "notify_access = \"main\"\nreload = { signal = \"USR1\", wait = true }",
                R"("reload":{"signal":"USR1","wait":true})"},
        {"reload", datagrams, "", "reload = [\"/bin/kill\", \"-1\"]",
                R"("reload":["/bin/kill","-1"])"},
        {"reload_timeout", datagrams, "", "reload_timeout = \"9s\"",
                R"("reload_timeout":"9s")"},
        {"ready", datagrams, "", "ready = \"fd:5\"", R"("ready":"fd:5")"},
        {"ready", node, "", "ready = \"listen:tcp:80\"", R"("ready":"listen:tcp:80")"},
        {"start_timeout", datagrams, "", "start_timeout = \"5s\"", R"("start_timeout":"5s")"},
        {"notify_access", datagrams, "", "notify_access = \"all\"", R"("notify_access":"all")"},
        {"fd_store", datagrams, "notify_access = \"main\"",
                "notify_access = \"main\"\nfd_store = 7", R"("fd_store":7)"},
        {"watchdog", datagrams, "notify_access = \"main\"",
                "notify_access = \"main\"\nwatchdog = \"7s\"", R"("watchdog":"7s")"},
        {"abort_timeout", datagrams, "", "abort_timeout = \"3s\"", R"("abort_timeout":"3s")"},
        {"run_timeout", datagrams, "", "run_timeout = \"1h\"", R"("run_timeout":"1h")"},
        {"idle_stop", stream, "mode = \"worker\"", "mode = \"worker\"\nidle_stop = \"7m\"",
                R"("idle_stop":"7m")"},
        {"max_age", datagrams, "", "max_age = \"7h\"", R"("max_age":"7h")"},
        {"max_requests", datagrams, "notify_access = \"main\"",
                "notify_access = \"main\"\nmax_requests = 77", R"("max_requests":77)"},
        {"health", node, "", "health = { http = \"http://127.0.0.1:81/x\", every = \"7s\" }",
                R"("health":{"http":"http://127.0.0.1:81/x","every":"7s","timeout":"5s")"},
        {"every", node, "every = \"5m\"", "every = \"10m\"", R"("every":"10m")"},
        {"at", node, "at = \"03:30\"", "at = \"Mon..Fri 03:30\"", R"("at":["Mon..Fri 03:30"])"},
        {"jitter", node, "at = \"03:30\"", "at = \"03:30\"\njitter = \"5m\"",
                R"("jitter":"5m")"},
        {"missed", node, "at = \"03:30\"", "at = \"03:30\"\nmissed = \"run\"",
                R"("missed":"run")"},
        {"after", node, "", "after = \"t\"", R"("after":["t"])"},
        {"requires", node, "", "requires = [\"t\"]", R"("requires":["t"])"},
        {"wants", node, "", "wants = [\"t\"]", R"("wants":["t"])"},
        {"conflicts", node, "start = \"manual\"", "start = \"manual\"\nconflicts = \"t\"",
                R"("conflicts":["t"])"},
        {"exec", "listen = \"tcp:22\"\nuser = \"git\"\n", "exec = \"/bin/true\"",
                "exec = \"/bin/cat -n\"", R"("exec":["/bin/cat","-n"])"},
        {"argv0", stream, "", "argv0 = \"-sh\"", R"("argv0":"-sh")"},
        {"allow", stream, "", "allow = \"192.0.2.0/24\"", R"("rule":"192.0.2.0/24")"},
        {"deny", stream, "", "deny = \"domain:example.org\"", R"("rule":"domain:example.org")"},
        {"hours", stream, "", "hours = \"Sat,Sun 22:00-06:00\"",
                R"("hours":"Sat,Sun 22:00-06:00")"},
        {"max_connections", stream, "", "max_connections = \"unlimited\"",
                R"("max_connections":"unlimited")"},
        {"max_per_source", stream, "", "max_per_source = 3", R"("max_per_source":3)"},
        {"rate", stream, "", "rate = { limit = \"5/min\", burst = 9, pause = \"7s\" }",
                R"("rate":{"limit":"5/min","burst":9,"pause":"7s")"},
        {"rate_per_source", stream, "", "rate_per_source = \"2/h\"",
                R"("rate_per_source":{"limit":"2/h","burst":2)"},
        {"max_load", stream, "", "max_load = 2.5", R"("max_load":2.5)"},
        {"on_limit", stream, "", "on_limit = \"refuse\"", R"("on_limit":"refuse")"},
        {"refuse_text", stream, "", "refuse_text = \"no\\n\"", R"("refuse_text":"no\n")"},
        {"ident", stream, "", "ident = \"require\"", R"("ident":"require")"},
        {"ident_timeout", stream, "", "ident_timeout = \"3s\"", R"("ident_timeout":"3s")"},
        {"banner", stream, "", "banner = \"/nonexistent/a\"", R"("banner":"/nonexistent/a")"},
        {"banner_admitted", stream, "", "banner_admitted = \"/nonexistent/b\"",
                R"("banner_admitted":"/nonexistent/b")"},
        {"banner_refused", stream, "", "banner_refused = \"/nonexistent/c\"",
                R"("banner_refused":"/nonexistent/c")"},
        {"tcp_wrappers", stream, "", "tcp_wrappers = \"sshd\"", R"("tcp_wrappers":"sshd")"},
        {"user", "listen = \"tcp:22\"\nexec = \"/bin/true\"\n",
                "user = \"git\"\ngroup = \"git\"\ngroups = []",
                "user = \"nobody\"\ngroup = \"git\"\ngroups = []", R"("user":"nobody")"},
        {"group", stream, "groups = []", "groups = []\ngroup = \"staff\"", R"("gid":50)"},
        {"groups", stream, "", "groups = { add = [\"root\"] }", R"("groups":[33,50,1001,0])"},
        {"umask", stream, "", "umask = \"0077\"", R"("umask":"0077")"},
        {"nice", stream, "", "nice = -5", R"("nice":-5)"},
        {"ionice", stream, "", "ionice = \"realtime:3\"", R"("ionice":"realtime:3")"},
        {"cpu_affinity", stream, "", "cpu_affinity = [\"0-1\"]", R"("cpu_affinity":[0,1])"},
        {"oom_score_adjust", stream, "", "oom_score_adjust = -500",
                R"("oom_score_adjust":-500)"},
        {"rlimits", stream, "", "rlimits = { nofile = \"256:unlimited\", rttime = \"5ms\" }",
                R"("rlimits":{"nofile":"256:unlimited","rttime":"5ms:5ms"})"},
        {"memory_max", datagrams, "", "memory_max = \"512M\"", R"("memory_max":536870912)"},
        {"tasks_max", datagrams, "", "tasks_max = 40", R"("tasks_max":40)"},
        {"cpu_max", datagrams, "", "cpu_max = \"150%\"", R"("cpu_max":"150%")"},
        {"io_weight", datagrams, "", "io_weight = 50", R"("io_weight":50)"},
        {"directory", stream, "", "directory = \"/srv\"", R"("directory":"/srv")"},
        {"root", stream, "", "root = \"/srv\"", R"("root":"/srv")"},
        {"runtime_directory", stream, "", "runtime_directory = \"a\"",
                R"("runtime_directory":["a"])"},
        {"state_directory", stream, "", "state_directory = [\"a/b\"]",
                R"("state_directory":["a/b"])"},
        {"cache_directory", stream, "", "cache_directory = \"a\"",
                R"("cache_directory":["a"])"},
        {"logs_directory", stream, "", "logs_directory = \"a\"", R"("logs_directory":["a"])"},
        {"environment", stream, "", "environment = { A = \"b c\" }",
                R"("environment":{"A":"b c"})"},
        {"pass_environment", stream, "", "pass_environment = \"TERM\"",
                R"("pass_environment":["TERM"])"},
        {"credentials", stream, "", "credentials = { key = \"/etc/passwd\" }",
                R"("credentials":{"key":"/etc/passwd"})"},
        {"stderr", stream, "", "stderr = \"socket\"", R"("stderr":"socket")"},
        {"stdout", datagrams, "", "stdout = \"file:/x\"", R"("stdout":"file:/x")"},
        {"peer_label", stream, "", "peer_label = true", R"("peer_label":true)"},
        {"sandbox", stream, "", "sandbox = \"standard\"", R"("sandbox":"standard")",
                "no_new_privs capabilities deny_system_calls restrict_namespaces "
                "restrict_realtime restrict_suid_sgid lock_personality protect_system "
                "protect_kernel private_tmp private_devices"},
        {"no_new_privs", stream, "", "no_new_privs = true", R"("no_new_privs":true)"},
        {"capabilities", stream, "", "capabilities = [\"chown\", \"kill\"]",
                R"("capabilities":["chown","kill"])"},
        {"ambient_capabilities", stream, "", "ambient_capabilities = \"net_raw\"",
                R"("ambient_capabilities":["net_raw"])"},
        {"allow_system_calls", stream, "no_new_privs = true",
                "no_new_privs = true\nallow_system_calls = \"@system-service\"",
                R"("allow_system_calls":["@system-service"])"},
        {"deny_system_calls", stream, "no_new_privs = true",
                "no_new_privs = true\ndeny_system_calls = [\"@clock\", \"mount\"]",
                R"("deny_system_calls":["@clock","mount"])"},
        {"address_families", stream, "no_new_privs = true",
                "no_new_privs = true\naddress_families = [\"inet\", \"unix\"]",
                R"("address_families":["unix","inet"])"},
        {"restrict_namespaces", stream, "no_new_privs = true",
                "no_new_privs = true\nrestrict_namespaces = true",
                R"("restrict_namespaces":true)"},
        {"restrict_realtime", stream, "no_new_privs = true",
                "no_new_privs = true\nrestrict_realtime = true", R"("restrict_realtime":true)"},
        {"restrict_suid_sgid", stream, "no_new_privs = true",
                "no_new_privs = true\nrestrict_suid_sgid = true",
                R"("restrict_suid_sgid":true)"},
        {"memory_deny_write_execute", stream, "no_new_privs = true",
                "no_new_privs = true\nmemory_deny_write_execute = true",
                R"("memory_deny_write_execute":true)"},
        {"lock_personality", stream, "no_new_privs = true",
                "no_new_privs = true\nlock_personality = true", R"("lock_personality":true)"},
        {"protect_system", stream, "", "protect_system = \"full\"",
                R"("protect_system":"full")"},
        {"protect_home", stream, "", "protect_home = \"read-only\"",
                R"("protect_home":"read-only")"},
        {"protect_kernel", stream, "", "protect_kernel = true", R"("protect_kernel":true)"},
        {"private_tmp", stream, "", "private_tmp = true", R"("private_tmp":true)"},
        {"private_devices", stream, "", "private_devices = true", R"("private_devices":true)"},
        {"private_network", stream, "", "private_network = true", R"("private_network":true)"},
        {"private_ipc", stream, "", "private_ipc = true", R"("private_ipc":true)"},
        {"dynamic_user", "listen = \"tcp:22\"\nexec = \"/bin/true\"\n", "user = \"git\"",
                "dynamic_user = true", R"("dynamic_user":true)",
                "user group groups no_new_privs restrict_suid_sgid protect_system "
                "protect_home private_tmp dynamic_user"},
        {"private_pids", stream, "", "private_pids = true", R"("private_pids":true)"},
        {"read_only_paths", stream, "", "read_only_paths = \"/srv\"",
                R"("read_only_paths":["/srv"])"},
        {"read_write_paths", stream, "", "read_write_paths = [\"/srv\", \"/var\"]",
                R"("read_write_paths":["/srv","/var"])"},
        {"inaccessible_paths", stream, "", "inaccessible_paths = [\"/mnt\"]",
                R"("inaccessible_paths":["/mnt"])"},
        {"landlock_read", stream, "no_new_privs = true",
                "no_new_privs = true\nlandlock_read = \"/etc\"", R"("landlock_read":["/etc"])"},
        {"landlock_write", stream, "no_new_privs = true",
                "no_new_privs = true\nlandlock_write = \"/tmp\"",
                R"("landlock_write":["/tmp"])"},
        {"landlock_execute", stream, "no_new_privs = true",
                "no_new_privs = true\nlandlock_execute = [\"/usr\"]",
                R"("landlock_execute":["/usr"])"},
        {"log", stream, "",
                "log = [\"syslog:local4.info\", { file = \"/x\", hard = \"2M\" }, { file = "
                "\"/x/y\", keep_size = \"1G\", rotate_age = \"1h\" }]",
                R"("log":["syslog:local4.info",{"file":"/x","hard":"2M"},{"file":"/x/y",)"
                R"("rotate_size":"10M","rotate_age":"1h","keep":10,"keep_size":"1G",)"
                R"("compress":true}])"},
        {"log_admitted", stream, "", "log_admitted = [\"host\", \"pid\"]",
                R"("log_admitted":["pid","host"])"},
        {"log_refused", stream, "", "log_refused = []", R"("log_refused":[])"},
        {"launch_timeout", stream, "", "launch_timeout = \"5s\"", R"("launch_timeout":"5s")"},
        {"stop_timeout", stream, "", "stop_timeout = \"0s\"", R"("stop_timeout":"0s")"},
        {"on_stop", stream, "", "on_stop = \"end\"", R"("on_stop":"end")"},
        {"backlog", stream, "", "backlog = 5", R"("backlog":5)"},
        {"interface", stream, "", "interface = \"lo\"", R"("interface":"lo")"},
        {"v6only", stream, "", "v6only = true", R"("v6only":true)"},
        {"reuse_port", stream, "", "reuse_port = true", R"("reuse_port":true)"},
        {"free_bind", stream, "", "free_bind = true", R"("free_bind":true)"},
        {"transparent", stream, "", "transparent = true", R"("transparent":true)"},
        {"defer_accept", stream, "", "defer_accept = \"5s\"", R"("defer_accept":"5s")"},
        {"keepalive", stream, "", "keepalive = true", R"("keepalive":true)"},
        {"keepalive_time", stream, "keepalive = true",
                "keepalive = true\nkeepalive_time = \"1m\"", R"("keepalive_time":"1m")"},
        {"keepalive_interval", stream, "keepalive = true",
                "keepalive = true\nkeepalive_interval = \"2m\"",
                R"("keepalive_interval":"2m")"},
        {"keepalive_probes", stream, "keepalive = true",
                "keepalive = true\nkeepalive_probes = 4", R"("keepalive_probes":4)"},
        {"no_delay", stream, "", "no_delay = true", R"("no_delay":true)"},
        {"send_buffer", stream, "", "send_buffer = \"64K\"", R"("send_buffer":65536)"},
        {"receive_buffer", stream, "", "receive_buffer = \"64K\"", R"("receive_buffer":65536)"},
        {"priority", stream, "", "priority = 5", R"("priority":5)"},
        {"tos", stream, "", "tos = 16", R"("tos":16)"},
        {"mark", stream, "", "mark = 4294967295", R"("mark":4294967295)"},
        {"fast_open", stream, "", "fast_open = 7", R"("fast_open":7)"},
        {"congestion", stream, "", "congestion = \"reno\"", R"("congestion":"reno")"},
        {"mptcp", stream, "", "mptcp = true", R"("mptcp":true)"},
        {"broadcast", datagrams, "", "broadcast = true", R"("broadcast":true)"},
        {"pass_credentials", node, "listen = \"unix:/run/x\"",
                "listen = \"unix:/run/x\"\npass_credentials = true",
                R"("pass_credentials":true)"},
};

// Options of a listener's table, whose names may be those of the service's own.
const Row listener_rows[] = {
        {"address", node, "address = \"unix:/run/y\"", "address = \"unix:/run/x\"",
                R"("address":"unix:/run/x")"},
        {"name", node, "address = \"tcp:22\"", "address = \"tcp:22\", name = \"n\"",
                R"("name":"n")"},
        {"join", node, "address = \"udp:69\"", "address = \"udp:69\", join = \"239.1.2.3\"",
                R"("join":["239.1.2.3"])"},
        {"mode", node, "address = \"unix:/run/x\"",
                "address = \"unix:/run/x\", mode = \"0600\"", R"("mode":"0600")"},
        {"owner", node, "address = \"unix:/run/x\"",
                "address = \"unix:/run/x\", owner = \"git\"", R"("owner":1001)"},
        {"group", node, "address = \"unix:/run/x\"",
                "address = \"unix:/run/x\", group = \"staff\"", R"("group":50)"},
        {"directory_mode", node, "address = \"unix:/run/x\"",
                "address = \"unix:/run/x\", directory_mode = \"0700\"",
                R"("directory_mode":"0700")"},
        {"max_messages", node, "address = \"mqueue:/x\"",
                "address = \"mqueue:/x\", max_messages = 7", R"("max_messages":7)"},
        {"message_size", node, "address = \"mqueue:/x\"",
                "address = \"mqueue:/x\", message_size = \"2K\"", R"("message_size":2048)"},
        {"remove_on_stop", node, "address = \"unix:/run/x\"",
                "address = \"unix:/run/x\", remove_on_stop = false",
                R"("remove_on_stop":false)"},
};

Plan plan_of(const Row& row, const std::string& lines, bool in_table) {
    std::string text = std::string("[service.s]\n") + row.base;
    if (!in_table)
        text += lines;
    else if (!lines.empty())
        text += "listen = { " + lines + " }";
    const Resolved resolved = resolve_text(text + "\n" + other);
    INFO(text);
    REQUIRE(resolved.errors() == "");
    return resolved.plan;
}

std::string json_of(const Plan& plan) {
    return nlohmann::ordered_json::parse(plan_json(plan, *plan.services.at(0))).dump();
}

void check(const Row& row, Scope scope) {
    const bool in_table = scope == in_listener;
    const Option* option = find_option(row.key, scope);
    INFO(row.key);
    REQUIRE(option != nullptr);
    const Plan from = plan_of(row, row.from, in_table), to = plan_of(row, row.to, in_table);

    const auto diffs = diff_plans(from, to);
    REQUIRE_FALSE(diffs.empty());
    std::string keys;
    for (const std::string& key : diffs[0].keys)
        keys += (keys.empty() ? "" : " ") + key;
    const std::string key = option->key == "address" ? "listen" : row.key;
    const std::string also = row.also;
    const bool among = (" " + also + " ").find(" " + key + " ") != std::string::npos;
    CHECK(keys == (among ? also : key + (also.empty() ? "" : " ") + also));
    CHECK((diffs[0].change == Change::rebind) == (option->effect == Effect::rebind));
    CHECK(diff_plans(to, from).at(0).change == diffs[0].change);

    const auto read = decode_plan(encode_plan(to));
    REQUIRE(read);
    CHECK(diff_plans(to, *read).at(0).change == Change::keep);
    CHECK(json_of(*read) == json_of(to));

    INFO(json_of(to));
    CHECK((json_of(to).find(row.json) != std::string::npos));
    CHECK((json_of(from).find(row.json) == std::string::npos));
}

}  // namespace

TEST_CASE("every option: of a service, it is told apart, kept and shown") {
    for (const Row& row : rows)
        check(row, in_service);
}

TEST_CASE("every option: of a listener's table, it is told apart, kept and shown") {
    for (const Row& row : listener_rows)
        check(row, in_listener);
}

TEST_CASE("every option: none is missing above") {
    // What they say stands in other fields of the plan, or in none.
    const std::set<std::string_view> others{"profile", "environment_file", "replicas"};
    std::set<std::string_view> of_services, of_listeners;
    for (const Row& row : rows)
        of_services.insert(row.key);
    for (const Row& row : listener_rows)
        of_listeners.insert(row.key);
    for (const Option& option : all_options()) {
        INFO(option_name(option));
        if ((option.where & in_service) != 0)
            CHECK((of_services.contains(option.key) || others.contains(option.key)));
        else if ((option.where & in_listener) != 0)
            CHECK(of_listeners.contains(option.key));
    }
}

}  // namespace superd::test
