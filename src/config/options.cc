// SPDX-License-Identifier: MIT
#include "config/options.h"

#include <array>
#include <unordered_map>

#include "config/plan.h"

namespace superd {

namespace {

using T = ValueType;

constexpr std::uint8_t superd_only = in_superd;
// Limits, logging and identity are inherited; what a service is, is not.
constexpr std::uint8_t inherited = in_defaults | in_profile | in_service | in_override;
constexpr std::uint8_t own = in_service | in_override;
constexpr std::uint8_t node = in_listener;
constexpr std::uint8_t socket_option = inherited | in_listener;

constexpr KindBits kind(ListenerKind one) {
    return static_cast<KindBits>(1u << static_cast<unsigned>(one));
}

constexpr KindBits tcp = kind(ListenerKind::tcp);
constexpr KindBits ip = tcp | kind(ListenerKind::udp);
constexpr KindBits unix_sockets = kind(ListenerKind::unix_stream) |
                                  kind(ListenerKind::unix_dgram) |
                                  kind(ListenerKind::unix_seqpacket);
constexpr KindBits connections = tcp | kind(ListenerKind::unix_stream) |
                                 kind(ListenerKind::unix_seqpacket) | kind(ListenerKind::vsock);
constexpr KindBits sockets = ip | unix_sockets | kind(ListenerKind::vsock);
constexpr KindBits paths = unix_sockets | kind(ListenerKind::fifo);
constexpr KindBits queue = kind(ListenerKind::mqueue);
constexpr KindBits netlink = kind(ListenerKind::netlink);
constexpr KindBits every_kind = sockets | paths | queue | netlink;

constexpr std::int64_t day_ms = 86'400'000;
constexpr std::int64_t max_u31 = 0x7fffffff;
constexpr std::int64_t max_u32 = 0xffffffff;
constexpr std::int64_t max_size = std::int64_t{1} << 60;

// In the order of the manual page.
// clang-format off
constexpr std::array table{
    // ---- the daemon itself
    Option{.key = "log", .type = T::sinks, .where = superd_only, .effect = Effect::at_once,
        .default_text = R"("stderr")", .xinetd = "log_type",
        .help = "Where superd's own log goes, one or a list of: \"stderr\", \"syslog\", \"syslog:FACILITY\" or \"syslog:FACILITY.LEVEL\", \"journal\", \"file:/path\" or { file = \"/path\", soft = \"1M\", hard = \"2M\" }: at soft one alert is logged, at hard nothing more is written until the file is opened again (reload) and is smaller; or { file = \"/path\", rotate_size = \"10M\", rotate_age = \"1d\", keep = 10, keep_size = \"100M\", compress = true }, each but the file with that default (rotate_age and keep_size: none), as soon as one is there: superd-log ends the file by itself and keeps it as /path.DATE-TIME.gz."},
    Option{.key = "log_format", .type = T::choice, .where = superd_only, .effect = Effect::at_once,
        .default_text = R"("text")", .words = "text json xinetd",
        .help = "The form of a log line; with \"xinetd\" files and syslog get the lines that xinetd writes, and stderr and the journal text."},
    Option{.key = "log_keep_size", .type = T::size, .where = superd_only, .effect = Effect::at_once,
        .low = 65'536, .high = max_size,
        .help = "What the ended files of all logs that superd-log rotates may have together: the oldest of them goes first."},
    Option{.key = "admin_group", .type = T::group, .where = superd_only, .effect = Effect::at_once,
        .help = "The group that may change things with superctl beside root."},
    Option{.key = "max_processes", .type = T::integer, .where = superd_only, .effect = Effect::at_once,
        .default_text = "0.8 of what the system allows", .low = 1, .high = 4'194'304,
        .help = "The most processes of all services together."},
    Option{.key = "broken_file", .type = T::choice, .where = superd_only, .effect = Effect::next_start,
        .default_text = R"("last_good")", .words = "last_good refuse",
        .help = "What a start with a broken file does: run the last accepted configuration, or exit 1."},
    Option{.key = "dump_file", .type = T::path, .where = superd_only, .effect = Effect::at_once,
        .help = "Where SIGUSR1 writes the state; the log where it is not set."},
    Option{.key = "name_lookup_timeout", .type = T::duration, .where = superd_only, .effect = Effect::at_once,
        .default_text = R"("2s")", .low = 100, .high = 60'000,
        .help = "How long a client waits for its name to be looked up where \"host:\" or \"domain:\" decides; then it is as if it had none."},
    Option{.key = "name_refresh", .type = T::duration, .where = superd_only, .effect = Effect::at_once,
        .default_text = R"("1m")", .low = 1000, .high = 86'400'000,
        .help = "How often the names that redirects go to are looked up again; a look-up that fails leaves what was known."},

    Option{.key = "tls_ticket_rotation", .type = T::duration, .where = superd_only, .effect = Effect::at_once,
        .default_text = R"("3h")", .low = 100, .high = 7 * day_ms,
        .help = "How often the keys are made anew by which clients resume TLS sessions; those of the time before last count no more."},
    Option{.key = "exit_when", .type = T::text, .where = superd_only, .effect = Effect::at_once,
        .default_text = R"("never")",
        .help = "When superd stops by itself, as the first process of a container should: \"never\"; \"all-stopped\", when no service runs, waits or listens any more; \"any-failed\", when one has failed for good; or, with the name of a daemon, when that has ended for good; superd's exit code is then the service's: its exit status, or 128 and the number of the signal, 0 with \"all-stopped\" where none has failed."},

    // ---- what a service is
    Option{.key = "description", .type = T::text, .where = own, .modes = for_all_modes, .effect = Effect::at_once,
        .systemd = "Description", .help = "One line for people, shown by superctl status."},
    Option{.key = "enabled", .type = T::boolean, .where = own, .modes = for_all_modes, .effect = Effect::at_once,
        .default_text = "true", .xinetd = "disable",
        .help = "A service that is not enabled is checked but neither listens nor runs."},
    Option{.key = "profile", .type = T::profile, .where = own, .modes = for_all_modes, .effect = Effect::next_start,
        .help = "The [profile.NAME] whose values stand between [defaults] and the service's own."},
    Option{.key = "listen", .type = T::addresses, .where = own,
        .modes = for_listeners, .effect = Effect::rebind,
        .xinetd = "port protocol socket_type bind", .inetd = "service-name protocol",
        .systemd = "ListenStream ListenDatagram ListenSequentialPacket ListenFIFO ListenMessageQueue ListenNetlink",
        .help = "The addresses to bind: text, a table with options, or a list of both; without any the service is only supervised."},
    Option{.key = "mode", .type = T::choice, .where = own, .modes = for_handler | for_worker,
        .effect = Effect::next_start, .default_text = R"("handler", or "worker" where no listener is a stream)",
        .words = "handler worker", .xinetd = "wait", .inetd = "wait nowait", .systemd = "Accept",
        .help = "A handler is started for each connection; a worker is given the listening sockets themselves."},
    Option{.key = "start", .type = T::choice, .where = inherited, .modes = for_all_modes, .effect = Effect::at_once,
        .default_text = R"("demand", or "boot" without listen)", .words = "demand boot manual",
        .help = "When processes start: with the first client, with superd, or only by superctl start."},
    Option{.key = "workers", .type = T::workers, .where = inherited, .modes = for_worker,
        .effect = Effect::next_start, .default_text = "1", .low = 1, .high = 1024,
        .help = "How many workers share the listeners: a number, or \"cores\"; or { min = 2, max = 8, after = \"50ms\" }: min of them, and one more up to max whenever clients have waited for so long; those above min go again when nobody new came for idle_stop."},
    Option{.key = "replicas", .type = T::replicas, .where = own, .modes = for_all_modes,
        .effect = Effect::at_once, .systemd = "DefaultInstance",
        .help = "How many copies of the service there are, or a list of their names: each is a service NAME@0, NAME@1 and so on, and in all that is written for it %i stands for its number or name, %n for its whole name, %p for the name without it, and %% for a %; without replicas they stand for themselves; superctl scale changes a number while superd runs."},
    Option{.key = "overlap", .type = T::boolean, .where = inherited, .modes = for_residents,
        .effect = Effect::at_once, .default_text = "false",
        .help = "Whether superctl restart and reload, and a reload of the file that changes the program, go by generation: each new process is ready before an old one is told to end, and where one does not come up the old ones stay."},
    Option{.key = "listen_environment", .type = T::starters, .where = inherited, .modes = for_worker,
        .effect = Effect::next_start, .default_text = "[]",
        .help = "Other words for where the sockets of LISTEN_FDS are, for programs that were written for another starter: \"einhorn\", EINHORN_FD_COUNT and its like; \"server_starter\", SERVER_STARTER_PORT and SERVER_STARTER_GENERATION."},
    Option{.key = "prestart", .type = T::prestart, .where = own, .modes = for_handler,
        .effect = Effect::next_start, .default_text = "0", .low = 0, .high = 1024,
        .help = "How many handlers are started ahead of their clients and wait at their first use of descriptor 0 or 1 until one comes, each for one: a number, or { count = N, max_age = \"1h\" } with the longest wait of one of them; what a program read of its environment before that is not the connection's, see WARM HANDLERS."},
    Option{.key = "pass", .type = T::choice, .where = inherited, .modes = for_handler | for_worker,
        .effect = Effect::next_start,
        .default_text = R"("stdin", or "listen_fds" for a worker with streams, message queues or netlink)",
        .words = "stdin listen_fds", .systemd = "StandardInput",
        .help = "How a process is given its socket: on descriptor 0, or from 3 up with LISTEN_FDS; never both."},
    Option{.key = "builtin", .type = T::choice, .where = own, .modes = for_builtin,
        .effect = Effect::at_once, .words = "echo discard chargen daytime time tcpmux ident sensor",
        .xinetd = "type=INTERNAL", .inetd = "internal",
        .help = "A small service that superd-relay is itself, instead of exec: RFC 862, 863, 864, 867, 868, tcpmux (1078), ident (1413); sensor only says in the log who came."},
    Option{.key = "deny_for", .type = T::denial, .where = inherited, .modes = for_builtin,
        .effect = Effect::at_once, .default_text = R"("never")", .low = 1000, .high = 3650 * day_ms,
        .xinetd = "deny_time",
        .help = "How long every service is closed to who touches this sensor: a duration, \"forever\", or \"never\" to log it only."},
    Option{.key = "tcpmux", .type = T::choice, .where = own, .modes = for_handler,
        .effect = Effect::at_once, .default_text = R"("no")", .words = "no plain plus",
        .xinetd = "type=TCPMUX type=TCPMUXPLUS", .inetd = "tcpmux/",
        .help = "Whether the service can be reached through builtin = \"tcpmux\" by its name: \"plain\", the program answers for itself; \"plus\", superd says \"+Go\" for it; it needs no listen of its own."},
    Option{.key = "rpc", .type = T::rpc, .where = own, .modes = for_listeners,
        .effect = Effect::at_once, .xinetd = "type=RPC rpc_version rpc_number", .inetd = "rpc/udp rpc/tcp name/1-3",
        .help = "The RPC program that its tcp and udp listeners are registered as with rpcbind, by its name in /etc/rpc or its number, and one version or a range: { program = \"rstatd\", versions = \"1-3\" }."},
    Option{.key = "mdns", .type = T::mdns, .where = own, .modes = for_listeners,
        .effect = Effect::at_once, .default_text = "false", .xinetd = "mdns",
        .help = "Whether its tcp and udp listeners are announced by multicast DNS, through Avahi: as { type = \"_http._tcp\", name = \"The shop\", txt = [\"path=/\"] }, or true; type is then the port's name in /etc/services, or the service's, and name the host's."},
    Option{.key = "redirect", .type = T::targets, .where = own, .modes = for_redirect,
        .effect = Effect::at_once, .xinetd = "redirect",
        .help = "The addresses that connections are passed on to, instead of exec: the first that can be reached; hosts may be names, which are looked up when the file is read."},
    Option{.key = "connect_timeout", .type = T::duration, .where = inherited, .modes = for_redirect,
        .effect = Effect::at_once, .default_text = R"("10s")", .low = 10, .high = 3'600'000,
        .help = "How long one address of redirect has to answer before the next is tried."},
    Option{.key = "send_proxy", .type = T::choice, .where = inherited, .modes = for_redirect,
        .effect = Effect::at_once, .default_text = R"("no")", .words = "no v1 v2",
        .help = "Tell the server of a redirect who its client is, by a header of the PROXY protocol."},
    Option{.key = "send_proxy_tlvs", .type = T::proxy_tlvs, .where = inherited, .modes = for_redirect,
        .effect = Effect::at_once, .words = "crc32c unique_id alpn authority ssl",
        .help = "What a header of version 2 tells beside the addresses: a checksum, the connection's number of the log, and what the header of a proxy before superd has said: ALPN, the server's name, and TLS."},
    Option{.key = "proxy_protocol", .type = T::proxy_protocol, .where = own | in_listener, .modes = for_connections,
        .kinds = tcp | kind(ListenerKind::unix_stream), .effect = Effect::at_once,
        .help = "Connections from the proxies in from begin with a header of the PROXY protocol, which superd reads: { from = [\"10.0.0.0/8\"], version = 1, 2 or \"any\", required = true, timeout = \"10s\" }; admission, environment and log are then about the client that it names, and with required nobody else may connect."},
    Option{.key = "tls", .type = T::tls, .where = own | in_listener, .modes = for_handler | for_redirect,
        .kinds = tcp | kind(ListenerKind::unix_stream) | kind(ListenerKind::vsock), .effect = Effect::at_once,
        .help = "TLS, ended by superd: a handler starts when the handshake is complete, speaks in the clear on a socket pair and finds SSL_PROTOCOL and its like in its environment; the name of a [tls.NAME], or a table of the same keys."},
    Option{.key = "starttls", .type = T::choice, .where = own | in_listener, .modes = for_handler | for_redirect,
        .kinds = tcp | kind(ListenerKind::unix_stream) | kind(ListenerKind::vsock), .effect = Effect::at_once,
        .words = "smtp lmtp imap pop3 ftp nntp ldap xmpp postgres",
        .help = "With tls, the protocol in which clients ask for TLS: superd greets them, answers everything before it with a refusal, and shakes hands when they ask; whoever answers then knows nothing of it, and its own greeting is kept from the client."},
    Option{.key = "idle_timeout", .type = T::time_bound, .where = inherited,
        .modes = for_builtin | for_redirect, .effect = Effect::at_once,
        .default_text = R"("10m" for a builtin; for a redirect "unlimited", over UDP "1m")", .low = 10, .high = 30 * day_ms,
        .help = "How long a connection of a builtin or a redirect may be without a byte either way before it is closed."},
    Option{.key = "exec", .type = T::command, .where = own, .effect = Effect::next_start,
        .xinetd = "server server_args", .inetd = "server-program", .systemd = "ExecStart",
        .help = "The program by absolute path and its arguments: a list, or a string split at blanks with quotes and nothing else."},
    Option{.key = "argv0", .type = T::text, .where = own, .effect = Effect::next_start,
        .default_text = "the program's path", .xinetd = "flags=NAMEINARGS",
        .help = "What the program sees as its own name."},

    // ---- who may come in, and how many
    Option{.key = "allow", .type = T::access, .where = inherited, .modes = for_listeners,
        .effect = Effect::at_once, .xinetd = "only_from", .systemd = "IPAddressAllow",
        .help = "Who may connect: addresses, blocks, \"@network\", \"uid:N\", \"user:NAME\", \"gid:N\", \"group:NAME\", \"host:NAME\", \"domain:NAME\" or \"all\"; nobody else once it is set, anybody where the list is empty."},
    Option{.key = "deny", .type = T::access, .where = inherited, .modes = for_listeners,
        .effect = Effect::at_once, .xinetd = "no_access", .systemd = "IPAddressDeny",
        .help = "Who may not connect; the most specific match of allow and deny wins, equal length denies."},
    Option{.key = "hours", .type = T::hours, .where = inherited, .modes = for_connections,
        .effect = Effect::at_once, .default_text = "always", .xinetd = "access_times",
        .help = "When connections are let in, local time: \"Mon..Fri 07:00-19:00\"; an end before the start is on the following day."},
    Option{.key = "max_connections", .type = T::bound, .where = inherited, .modes = for_connections,
        .effect = Effect::at_once, .default_text = "200", .low = 1, .high = max_u31,
        .xinetd = "instances", .inetd = ".max-child", .systemd = "MaxConnections",
        .help = "The most connections of the service at one time."},
    Option{.key = "max_per_source", .type = T::bound, .where = inherited, .modes = for_connections,
        .effect = Effect::at_once, .default_text = "20", .low = 1, .high = max_u31,
        .xinetd = "per_source", .systemd = "MaxConnectionsPerSource",
        .help = "The most connections of one source: an IPv4 address, an IPv6 /64, the uid behind a UNIX socket."},
    Option{.key = "rate", .type = T::rate, .where = inherited, .modes = for_listeners,
        .effect = Effect::at_once, .default_text = "none", .xinetd = "cps", .inetd = ".max",
        .systemd = "TriggerLimitIntervalSec TriggerLimitBurst",
        .help = "How often the service may be started: \"50/s\" or { limit, burst, pause }; at the limit superd stops accepting for the pause."},
    Option{.key = "rate_per_source", .type = T::rate, .where = inherited, .modes = for_connections,
        .effect = Effect::at_once, .default_text = R"(none; "100/s" for a builtin with datagrams)",
        .help = "How often one source may connect: \"6/min\" or { limit, burst, pause }; beyond it that source is refused for the pause."},
    Option{.key = "max_load", .type = T::number, .where = inherited, .modes = for_connections,
        .effect = Effect::at_once, .default_text = "none", .low = 0, .high = 1'000'000, .xinetd = "max_load",
        .help = "Refuse while the one-minute load average is above this."},
    Option{.key = "on_limit", .type = T::choice, .where = inherited, .modes = for_connections,
        .effect = Effect::at_once, .default_text = R"("queue")", .words = "queue refuse",
        .help = "At max_connections: leave clients in the kernel's queue, or refuse them."},
    Option{.key = "refuse_text", .type = T::text, .where = inherited, .modes = for_connections,
        .effect = Effect::at_once, .high = 4096,
        .help = "What a refused client is sent before its connection is closed."},
    Option{.key = "ident", .type = T::choice, .where = inherited, .modes = for_handler,
        .effect = Effect::at_once, .default_text = R"("off")", .words = "off log require",
        .xinetd = "flags=IDONLY log_on_success=USERID",
        .help = "Ask the client's own host for its user (RFC 1413): \"log\" beside the start of the service, and of clients that are refused where log_refused has \"user\"; \"require\" before the start, and refuse who has none."},
    Option{.key = "ident_timeout", .type = T::duration, .where = inherited, .modes = for_handler,
        .effect = Effect::at_once, .default_text = R"("10s")", .low = 100, .high = 120'000,
        .help = "How long the client's host has to answer."},
    Option{.key = "banner", .type = T::path, .where = inherited, .modes = for_connections,
        .effect = Effect::at_once, .xinetd = "banner",
        .help = "A file of at most 64K that every client is sent at once, before it is let in or refused; 4K with banner_admitted for a builtin or a redirect."},
    Option{.key = "banner_admitted", .type = T::path, .where = inherited, .modes = for_connections,
        .effect = Effect::at_once, .xinetd = "banner_success",
        .help = "A file that those who are let in are sent before the program starts."},
    Option{.key = "banner_refused", .type = T::path, .where = inherited, .modes = for_connections,
        .effect = Effect::at_once, .xinetd = "banner_fail",
        .help = "A file that those who are refused are sent, before refuse_text."},
    Option{.key = "tcp_wrappers", .type = T::wrappers, .where = inherited, .modes = for_handler,
        .effect = Effect::at_once, .default_text = "false", .xinetd = "libwrap flags=NOLIBWRAP",
        .help = "Ask hosts.allow and hosts.deny too, as libwrap does: true for the program's name, or the name to look for."},

    // ---- identity and limits of the processes
    Option{.key = "user", .type = T::user, .where = inherited, .effect = Effect::next_start,
        .xinetd = "user", .inetd = "user", .systemd = "User",
        .help = "The user to run as; must be named where superd is root."},
    Option{.key = "group", .type = T::group, .where = inherited, .effect = Effect::next_start,
        .default_text = "the user's", .xinetd = "group", .inetd = "group", .systemd = "Group",
        .help = "The primary group to run as."},
    Option{.key = "dynamic_user", .type = T::boolean, .where = inherited, .effect = Effect::next_start,
        .default_text = "false", .systemd = "DynamicUser",
        .help = "Instead of user and group: a number from 61184 to 65519 for both, that no account and no other service has; the service keeps it as long as it stands in the file; implies no_new_privs, private_tmp, restrict_suid_sgid, protect_system = \"strict\" and at least protect_home = \"read-only\"."},
    Option{.key = "groups", .type = T::groups, .where = inherited, .effect = Effect::next_start,
        .default_text = "the user's", .xinetd = "groups", .systemd = "SupplementaryGroups",
        .help = "The supplementary groups instead of the user's; { add, remove } edits the user's."},
    Option{.key = "umask", .type = T::mode, .where = inherited, .effect = Effect::next_start,
        .default_text = R"("0022")", .high = 0777, .xinetd = "umask", .systemd = "UMask",
        .help = "The file mode creation mask."},
    Option{.key = "nice", .type = T::integer, .where = inherited, .effect = Effect::next_start,
        .default_text = "superd's", .low = -20, .high = 19, .xinetd = "nice", .systemd = "Nice",
        .help = "The scheduling priority."},
    Option{.key = "ionice", .type = T::ionice, .where = inherited, .effect = Effect::next_start,
        .default_text = "superd's", .systemd = "IOSchedulingClass IOSchedulingPriority",
        .help = "The disk priority: \"idle\", \"best-effort:0\" to \"best-effort:7\", \"realtime:0\" to \"realtime:7\"."},
    Option{.key = "cpu_affinity", .type = T::cpus, .where = inherited, .effect = Effect::next_start,
        .default_text = "all", .high = 1023, .systemd = "CPUAffinity",
        .help = "The processors to run on: numbers and ranges like \"0-3\"."},
    Option{.key = "oom_score_adjust", .type = T::integer, .where = inherited,
        .effect = Effect::next_start, .default_text = "0", .low = -1000, .high = 1000,
        .systemd = "OOMScoreAdjust", .help = "How early the kernel ends the process when memory is short."},
    Option{.key = "rlimits", .type = T::rlimits, .where = inherited, .effect = Effect::next_start,
        .default_text = "what superd was started with",
        .xinetd = "rlimit_as rlimit_cpu rlimit_data rlimit_rss rlimit_stack rlimit_files",
        .systemd = "LimitCPU LimitFSIZE LimitDATA LimitSTACK LimitCORE LimitRSS LimitNOFILE LimitAS LimitNPROC LimitMEMLOCK LimitLOCKS LimitSIGPENDING LimitMSGQUEUE LimitNICE LimitRTPRIO LimitRTTIME",
        .help = "Resource limits by name (as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack): one value, or \"SOFT:HARD\"."},
    Option{.key = "memory_max", .type = T::size, .where = inherited, .modes = for_residents,
        .effect = Effect::next_start, .default_text = "none", .low = 1 << 20, .systemd = "MemoryMax MemoryLimit",
        .help = "How much memory the processes of the service may have together; what goes beyond is ended by the kernel; where there is no control group (version 2) whose memory superd may bound, the log says so and the service starts without."},
    Option{.key = "tasks_max", .type = T::integer, .where = inherited, .modes = for_residents,
        .effect = Effect::next_start, .default_text = "none", .low = 1, .high = 4194304, .systemd = "TasksMax",
        .help = "How many processes and threads the service may have together; fork fails beyond; needs what memory_max needs."},
    Option{.key = "cpu_max", .type = T::percent, .where = inherited, .modes = for_residents,
        .effect = Effect::next_start, .default_text = "none", .low = 1, .high = 1000000, .systemd = "CPUQuota",
        .help = "How much of a processor the service may have, \"50%\" or \"200%\" for two; it waits beyond; needs what memory_max needs."},
    Option{.key = "io_weight", .type = T::integer, .where = inherited, .modes = for_residents,
        .effect = Effect::next_start, .default_text = "100", .low = 1, .high = 10000, .systemd = "IOWeight",
        .help = "Its share of a busy disk, beside 100 of every other; needs what memory_max needs."},
    Option{.key = "directory", .type = T::path, .where = inherited, .effect = Effect::next_start,
        .default_text = R"("/")", .systemd = "WorkingDirectory",
        .help = "The working directory, inside root where that is set."},
    Option{.key = "root", .type = T::path, .where = inherited, .effect = Effect::next_start,
        .systemd = "RootDirectory", .help = "The directory that the process sees as \"/\"."},
    Option{.key = "runtime_directory", .type = T::directories, .where = inherited,
        .effect = Effect::next_start, .systemd = "RuntimeDirectory",
        .help = "Directories below /run that superd makes for the user before it starts the service."},
    Option{.key = "state_directory", .type = T::directories, .where = inherited,
        .effect = Effect::next_start, .systemd = "StateDirectory", .help = "The same below /var/lib."},
    Option{.key = "cache_directory", .type = T::directories, .where = inherited,
        .effect = Effect::next_start, .systemd = "CacheDirectory", .help = "The same below /var/cache."},
    Option{.key = "logs_directory", .type = T::directories, .where = inherited,
        .effect = Effect::next_start, .systemd = "LogsDirectory", .help = "The same below /var/log."},
    Option{.key = "environment", .type = T::text_table, .where = inherited,
        .effect = Effect::next_start, .xinetd = "env", .systemd = "Environment",
        .help = "Variables to set, as a table."},
    Option{.key = "pass_environment", .type = T::variables, .where = inherited,
        .effect = Effect::next_start, .xinetd = "passenv", .systemd = "PassEnvironment",
        .help = "Names of superd's own variables to hand on; nothing else is inherited."},
    Option{.key = "environment_file", .type = T::path_list, .where = inherited,
        .effect = Effect::next_start, .systemd = "EnvironmentFile",
        .help = "Files of NAME=value lines to set before environment; root's and closed to others where superd is root; never shown."},
    Option{.key = "credentials", .type = T::path_table, .where = inherited,
        .effect = Effect::next_start, .systemd = "LoadCredential",
        .help = "Files that the service finds, by these names, in $CREDENTIALS_DIRECTORY, readable by it alone."},
    Option{.key = "stderr", .type = T::output, .where = inherited, .effect = Effect::next_start,
        .default_text = R"("log")", .words = "log pipe socket null file", .systemd = "StandardError",
        .help = "Where descriptor 2 goes: \"log\", \"pipe\" (the log too, for programs that open /dev/stderr: its lines have no pid), \"socket\" (handlers only), \"null\" or \"file:/path\"."},
    Option{.key = "stdout", .type = T::output, .where = inherited, .modes = for_worker | for_daemon,
        .effect = Effect::next_start, .default_text = R"("log")", .words = "log pipe null file",
        .systemd = "StandardOutput",
        .help = "Where descriptor 1 of a worker or daemon goes: \"log\", \"pipe\" (for programs that open /dev/stdout), \"null\" or \"file:/path\"."},
    Option{.key = "peer_label", .type = T::boolean, .where = inherited, .modes = for_handler,
        .effect = Effect::next_start, .default_text = "false", .xinetd = "flags=LABELED",
        .systemd = "SELinuxContextFromNet",
        .help = "Run the program in the SELinux range of the client's connection."},
    Option{.key = "log", .type = T::sinks, .where = inherited, .modes = for_all_modes, .effect = Effect::at_once,
        .default_text = "superd's", .xinetd = "log_type",
        .help = "Where lines about the service and lines that it prints go, in the words of [superd] log; a file that several name is opened once."},
    Option{.key = "log_admitted", .type = T::log_facts, .where = inherited, .modes = for_all_modes, .effect = Effect::at_once,
        .default_text = R"(["pid", "host", "user", "exit", "duration", "traffic"])",
        .words = "pid host user exit duration traffic", .xinetd = "log_on_success",
        .help = "What START and EXIT lines carry, in every form; none of them: no such lines; no EXIT line without exit, duration or traffic."},
    Option{.key = "log_refused", .type = T::log_facts, .where = inherited, .modes = for_all_modes, .effect = Effect::at_once,
        .default_text = R"(["host", "user", "attempt"])", .words = "host user attempt",
        .xinetd = "log_on_failure",
        .help = "What REFUSE lines carry, in every form; none of them: no such lines, though refusals are counted all the same."},
    Option{.key = "launch_timeout", .type = T::duration, .where = inherited, .effect = Effect::next_start,
        .default_text = R"("30s")", .low = 100, .high = 3'600'000,
        .help = "How long a launch may take until the program runs; then it is killed."},
    Option{.key = "stop_timeout", .type = T::duration, .where = inherited, .effect = Effect::at_once,
        .default_text = R"("10s")", .low = 0, .high = day_ms, .systemd = "TimeoutStopSec",
        .help = "How long a process has to end after TERM before it is killed."},
    Option{.key = "restart", .type = T::choice, .where = inherited, .modes = for_residents,
        .effect = Effect::at_once, .default_text = R"("on-failure" for a daemon, "no" for a worker)",
        .words = "no on-failure on-abnormal on-success always", .systemd = "Restart",
        .help = "After which ends a daemon or worker is started again by itself; a worker with \"no\" is started again by the next client, and one of several that fails has a successor all the same."},
    Option{.key = "restart_delay", .type = T::duration, .where = inherited, .modes = for_residents,
        .effect = Effect::at_once, .default_text = R"("100ms")", .low = 0, .high = day_ms, .systemd = "RestartSec",
        .help = "The least time from one start to the next; each restart in a row doubles it, a tenth more or less by chance."},
    Option{.key = "restart_delay_max", .type = T::duration, .where = inherited, .modes = for_residents,
        .effect = Effect::at_once, .default_text = R"("60s")", .low = 0, .high = day_ms, .systemd = "RestartMaxDelaySec",
        .help = "What restart_delay grows to; what was up for so long starts again from restart_delay."},
    Option{.key = "restart_limit", .type = T::frequency, .where = inherited, .modes = for_residents,
        .effect = Effect::at_once, .default_text = R"("unlimited")", .systemd = "StartLimitBurst StartLimitIntervalSec",
        .help = "So many restarts within a period, whether it had been running or not, and the service has failed until superctl start; one with listeners pauses for restart_delay_max instead."},
    Option{.key = "clean_exit", .type = T::clean_exits, .where = inherited, .modes = for_residents,
        .effect = Effect::at_once, .default_text = R"([0, "HUP", "INT", "TERM", "PIPE"])", .systemd = "SuccessExitStatus",
        .help = "The exit statuses and signals that are a good end."},
    Option{.key = "ready", .type = T::ready, .where = own, .modes = for_residents,
        .effect = Effect::next_start, .default_text = R"("exec")", .systemd = "Type",
        .help = "When a daemon or worker that was started is ready: \"exec\", as soon as its program runs; \"notify\", when it says READY=1 to $NOTIFY_SOCKET; \"fd:N\", when it writes a newline to its descriptor N; \"listen\", when it has a socket that takes connections, or \"listen:ADDRESS\", when one does at that address; \"exit\", when it has run its course and ended well."},
    Option{.key = "start_timeout", .type = T::time_bound, .where = inherited, .modes = for_residents,
        .effect = Effect::next_start, .default_text = R"("30s"; "unlimited" with ready = "exit")", .low = 10, .high = day_ms, .systemd = "TimeoutStartSec",
        .help = "How long a daemon or worker has to become ready; then it is stopped, which counts as a failure."},
    Option{.key = "notify_access", .type = T::choice, .where = inherited, .modes = for_residents,
        .effect = Effect::next_start, .default_text = R"("none", or "main" with ready = "notify", a watchdog, max_requests, fd_store or a reload that waits)", .words = "none main all", .systemd = "NotifyAccess",
        .help = "Whose messages to $NOTIFY_SOCKET count: nobody's, and then there is none; those of the program itself; or those of every process in its session that still runs."},
    Option{.key = "fd_store", .type = T::integer, .where = inherited, .modes = for_residents,
        .effect = Effect::at_once, .default_text = "0", .low = 0, .high = 1024, .systemd = "FileDescriptorStoreMax",
        .help = "How many descriptors are kept for each process of a daemon or worker that hands them over by FDSTORE=1 to $NOTIFY_SOCKET; the next start has them behind its listeners, with their names in LISTEN_FDNAMES, and they are dropped when the service is stopped, has failed or is done."},
    Option{.key = "watchdog", .type = T::time_bound, .where = inherited, .modes = for_residents,
        .effect = Effect::next_start, .default_text = R"("unlimited")", .low = 10, .high = day_ms, .systemd = "WatchdogSec",
        .help = "How long a daemon or worker may go without saying WATCHDOG=1 to $NOTIFY_SOCKET; then it is sent ABRT, which counts as a failure."},
    Option{.key = "abort_timeout", .type = T::duration, .where = inherited, .modes = for_residents,
        .effect = Effect::at_once, .default_text = R"("10s")", .low = 0, .high = day_ms, .systemd = "TimeoutAbortSec",
        .help = "How long a process has to end after ABRT, and to write its core, before it is killed."},
    Option{.key = "run_timeout", .type = T::time_bound, .where = inherited, .modes = for_residents,
        .effect = Effect::next_start, .default_text = R"("unlimited")", .low = 10, .high = 3650 * day_ms, .systemd = "RuntimeMaxSec",
        .help = "How long a daemon or worker may run; then it is stopped, which counts as a failure."},
    Option{.key = "idle_stop", .type = T::time_bound, .where = inherited, .modes = for_worker,
        .effect = Effect::at_once, .default_text = R"("unlimited")", .low = 1000, .high = 3650 * day_ms,
        .help = "A worker none of whose listeners had a new connection or an open one for so long is stopped, and the next connection starts it again; of a pool that has grown, those above min that have no client go, one by one, when there was no new connection for so long; for listeners of streams (tcp, unix, seqpacket), of which the kernel tells who is there."},
    Option{.key = "max_age", .type = T::time_bound, .where = inherited, .modes = for_residents,
        .effect = Effect::at_once, .default_text = R"("unlimited")", .low = 1000, .high = 3650 * day_ms,
        .help = "A daemon or worker that has been ready for so long is stopped and started anew, of several workers one after the other; one that clients start is started by the next of them, and that is no failure."},
    Option{.key = "max_requests", .type = T::bound, .where = inherited, .modes = for_residents,
        .effect = Effect::at_once, .default_text = R"("unlimited")", .low = 1, .high = 2'147'483'647,
        .help = "The same for one that has served so many requests: superd does not see them, so it has to say X_SUPERD_REQUESTS=COUNT, of all since it was started, to $NOTIFY_SOCKET."},
    Option{.key = "health", .type = T::health, .where = own, .modes = for_residents,
        .effect = Effect::at_once,
        .help = "How each process of a daemon or worker is asked whether it serves, as a table: exec, a command that runs as the service does and ends with status 0; tcp or unix, an address that takes connections; or http, a URL by number whose answer to GET is 2xx or 3xx; from when it is ready, after start_delay (\"0s\"), every (\"10s\"), each time at most for timeout (\"5s\"); after failures (3) in a row comes action: \"restart\", which counts as a failure of the process, or \"take-out\": it is left alone, and its service is not ready until successes (1) in a row; who shares a listener is given clients by the kernel all the same."},
    Option{.key = "exec_pre", .type = T::commands, .where = own, .modes = for_residents,
        .effect = Effect::next_start, .systemd = "ExecStartPre",
        .help = "A command that is run before each start of a daemon or worker, or several as a list of lists, one after the other; where one fails, that is a failure of the start."},
    Option{.key = "exec_post", .type = T::commands, .where = own, .modes = for_residents,
        .effect = Effect::at_once, .systemd = "ExecStartPost",
        .help = "The same, run once it is ready; until they have ended it is still starting."},
    Option{.key = "exec_stop", .type = T::commands, .where = own, .modes = for_residents,
        .effect = Effect::at_once, .systemd = "ExecStop",
        .help = "The same, run before it is told to end by TERM, within stop_timeout."},
    Option{.key = "exec_stop_post", .type = T::commands, .where = own, .modes = for_residents,
        .effect = Effect::at_once, .systemd = "ExecStopPost",
        .help = "The same, run after each end, however it came about, within stop_timeout."},
    Option{.key = "reload", .type = T::reload, .where = own, .modes = for_residents,
        .effect = Effect::at_once, .systemd = "ExecReload ReloadSignal",
        .help = "What superctl reload does: a signal such as \"HUP\"; { signal, wait = true } for a program that then says RELOADING=1 and READY=1 to $NOTIFY_SOCKET; or a command by its absolute path."},
    Option{.key = "reload_timeout", .type = T::duration, .where = inherited, .modes = for_residents,
        .effect = Effect::at_once, .default_text = R"("30s")", .low = 10, .high = day_ms,
        .help = "How long a reload may take; then it has failed, and the service goes on."},
    Option{.key = "every", .type = T::duration, .where = own, .modes = for_daemon,
        .effect = Effect::at_once, .low = 1000, .high = 366 * day_ms, .systemd = "OnUnitActiveSec",
        .help = "The service runs again and again, so long after it was started last, and first so long after superd was."},
    Option{.key = "at", .type = T::calendar, .where = own, .modes = for_daemon,
        .effect = Effect::at_once, .systemd = "OnCalendar",
        .help = "The service runs at these moments, local time: \"03:30\", \"Mon..Fri 06:00,18:00\", \"Jan,Jul day 1,15 03:30\", \"day last 23:59:30\"; see TIMERS."},
    Option{.key = "jitter", .type = T::duration, .where = own, .modes = for_daemon,
        .effect = Effect::at_once, .default_text = R"("0s")", .low = 0, .high = day_ms, .systemd = "RandomizedDelaySec",
        .help = "How much later than every or at say a run comes at most, by chance, anew for each."},
    Option{.key = "missed", .type = T::choice, .where = own, .modes = for_daemon,
        .effect = Effect::at_once, .default_text = R"("skip")", .words = "skip run", .systemd = "Persistent",
        .help = "With \"run\", a moment of at that passed while superd was not there is made up for when superd starts: once, however many there were."},
    Option{.key = "after", .type = T::services, .where = own, .modes = for_all_modes,
        .effect = Effect::at_once, .systemd = "After",
        .help = "It starts when these services are there, as far as they are to be: ready, or with their listeners open where they start on demand; and ends before they do."},
    Option{.key = "requires", .type = T::services, .where = own, .modes = for_all_modes,
        .effect = Effect::at_once, .systemd = "Requires",
        .help = "These services are started with it; it starts after them, waits as long as one of them is not there, and is stopped when one of them is."},
    Option{.key = "wants", .type = T::services, .where = own, .modes = for_all_modes,
        .effect = Effect::at_once, .systemd = "Wants",
        .help = "These services are started with it; what becomes of them does not matter, and nothing waits for them without after."},
    Option{.key = "conflicts", .type = T::services, .where = own, .modes = for_all_modes,
        .effect = Effect::at_once, .systemd = "Conflicts",
        .help = "These services are stopped when it starts, and it is when one of them starts."},
    Option{.key = "on_stop", .type = T::choice, .where = inherited, .modes = for_connections,
        .effect = Effect::at_once, .default_text = R"("leave")", .words = "leave end",
        .systemd = "KillMode", .help = "What becomes of handlers when superd stops."},

    // ---- what the processes may not do and do not see
    Option{.key = "sandbox", .type = T::choice, .where = inherited, .effect = Effect::next_start,
        .default_text = R"("none")", .words = "none standard strict",
        .help = "What the switches below stand at where they are not written, in the same table or one that stands over it; what is in each is said under Sandbox."},
    Option{.key = "no_new_privs", .type = T::boolean, .where = inherited, .effect = Effect::next_start,
        .default_text = "false; true where a filter of system calls is", .systemd = "NoNewPrivileges",
        .help = "Nothing that is executed gains privileges: no set-user-ID bit, no file capabilities, no sudo."},
    Option{.key = "capabilities", .type = T::capabilities, .where = inherited, .effect = Effect::next_start,
        .default_text = "all", .systemd = "CapabilityBoundingSet",
        .help = "The capabilities that the processes, also as root, can have at most: \"net_bind_service\", \"chown\" …; { remove } takes some from all of them."},
    Option{.key = "ambient_capabilities", .type = T::capabilities, .where = inherited, .effect = Effect::next_start,
        .default_text = "none", .systemd = "AmbientCapabilities",
        .help = "The capabilities that a program has although its user is not root."},
    Option{.key = "allow_system_calls", .type = T::system_calls, .where = inherited, .effect = Effect::next_start,
        .default_text = "all", .systemd = "SystemCallFilter",
        .help = "The only system calls that are let through, by name or group (\"@system-service\"); what every program needs is let through as well, others fail with EPERM."},
    Option{.key = "deny_system_calls", .type = T::system_calls, .where = inherited, .effect = Effect::next_start,
        .default_text = "none", .systemd = "SystemCallFilter",
        .help = "System calls that fail with EPERM, by name or group, of those that allow_system_calls lets through."},
    Option{.key = "address_families", .type = T::address_families, .where = inherited, .effect = Effect::next_start,
        .default_text = "all", .systemd = "RestrictAddressFamilies",
        .help = "The only kinds of socket that can be made: \"unix\", \"inet\", \"inet6\", \"netlink\" …; none where the list is empty; sockets that the process was given are its own all the same."},
    Option{.key = "restrict_namespaces", .type = T::boolean, .where = inherited, .effect = Effect::next_start,
        .default_text = "false", .systemd = "RestrictNamespaces",
        .help = "No namespace can be made or entered."},
    Option{.key = "restrict_realtime", .type = T::boolean, .where = inherited, .effect = Effect::next_start,
        .default_text = "false", .systemd = "RestrictRealtime",
        .help = "No process can ask for a real-time scheduling class."},
    Option{.key = "restrict_suid_sgid", .type = T::boolean, .where = inherited, .effect = Effect::next_start,
        .default_text = "false", .systemd = "RestrictSUIDSGID",
        .help = "No file can be given a set-user-ID or set-group-ID bit."},
    Option{.key = "memory_deny_write_execute", .type = T::boolean, .where = inherited, .effect = Effect::next_start,
        .default_text = "false", .systemd = "MemoryDenyWriteExecute",
        .help = "No memory can be made executable after it was written to; programs that compile at run time do not work with it."},
    Option{.key = "lock_personality", .type = T::boolean, .where = inherited, .effect = Effect::next_start,
        .default_text = "false", .systemd = "LockPersonality",
        .help = "The execution domain cannot be changed."},
    Option{.key = "protect_system", .type = T::choice, .where = inherited, .effect = Effect::next_start,
        .default_text = R"("no")", .words = "no yes full strict", .systemd = "ProtectSystem",
        .help = "What is read-only: \"yes\", /usr, /boot and /efi; \"full\", /etc too; \"strict\", all but /dev, /proc, /sys, the service's own directories and read_write_paths."},
    Option{.key = "protect_home", .type = T::choice, .where = inherited, .effect = Effect::next_start,
        .default_text = R"("no")", .words = "no yes read-only tmpfs", .systemd = "ProtectHome",
        .help = "Whether /home, /root and /run/user are hidden (\"yes\"), read-only or empty (\"tmpfs\")."},
    Option{.key = "protect_kernel", .type = T::boolean, .where = inherited, .effect = Effect::next_start,
        .default_text = "false", .systemd = "ProtectKernelTunables ProtectKernelLogs ProtectControlGroups",
        .help = "/sys, /proc/sys and what else tunes the kernel is read-only; its memory, log, symbols, modules and tracing are hidden."},
    Option{.key = "private_tmp", .type = T::boolean, .where = inherited, .effect = Effect::next_start,
        .default_text = "false", .systemd = "PrivateTmp",
        .help = "/tmp and /var/tmp are the process's own, in memory, empty at its start and gone with it; at most a tenth of the memory each."},
    Option{.key = "private_devices", .type = T::boolean, .where = inherited, .effect = Effect::next_start,
        .default_text = "false", .systemd = "PrivateDevices",
        .help = "/dev holds null, zero, full, random, urandom, tty, terminals, the log's socket and an empty shm, nothing else."},
    Option{.key = "private_network", .type = T::boolean, .where = inherited, .effect = Effect::next_start,
        .default_text = "false", .systemd = "PrivateNetwork",
        .help = "New sockets see no network but a loopback interface of their own; those that the process was given stay as they are."},
    Option{.key = "private_ipc", .type = T::boolean, .where = inherited, .effect = Effect::next_start,
        .default_text = "false", .systemd = "PrivateIPC",
        .help = "System V and POSIX message queues, semaphores and shared memory of its own."},
    Option{.key = "private_pids", .type = T::boolean, .where = inherited, .effect = Effect::next_start,
        .default_text = "false", .systemd = "PrivatePIDs",
        .help = "The program and what it starts see each other in /proc and nobody else, and can signal nobody else; a first process of superd's reaps what they leave, and all that is left ends with the program; commands beside the program, as reload, run among the host's processes, since they name it by its pid there."},
    Option{.key = "read_only_paths", .type = T::path_list, .where = inherited, .effect = Effect::next_start,
        .systemd = "ReadOnlyPaths", .help = "Paths below which nothing can be written; inside root where that is set; they must be there."},
    Option{.key = "read_write_paths", .type = T::path_list, .where = inherited, .effect = Effect::next_start,
        .systemd = "ReadWritePaths", .help = "Paths that stay as they are although what is above them is read-only."},
    Option{.key = "inaccessible_paths", .type = T::path_list, .where = inherited, .effect = Effect::next_start,
        .systemd = "InaccessiblePaths", .help = "Directories and files that are hidden: an empty one without permissions is there instead."},
    Option{.key = "landlock_read", .type = T::path_list, .where = inherited, .effect = Effect::next_start,
        .help = "With Landlock: paths below which may be read, which as for the next two says that nowhere else can; needs no root."},
    Option{.key = "landlock_write", .type = T::path_list, .where = inherited, .effect = Effect::next_start,
        .help = "With Landlock: paths below which may be read, written, made and removed."},
    Option{.key = "landlock_execute", .type = T::path_list, .where = inherited, .effect = Effect::next_start,
        .help = "With Landlock: paths below which may be read and executed; the program and its libraries must be among them."},

    // ---- listeners
    Option{.key = "address", .type = T::address, .where = node, .modes = for_listeners,
        .kinds = every_kind, .effect = Effect::rebind,
        .help = "The address of a listener that is written as a table."},
    Option{.key = "name", .type = T::name, .where = node, .modes = for_listeners,
        .kinds = every_kind, .effect = Effect::next_start, .default_text = "the service's",
        .systemd = "FileDescriptorName", .help = "The listener's name, handed over in LISTEN_FDNAMES."},
    Option{.key = "backlog", .type = T::integer, .where = socket_option,
        .modes = for_listeners, .kinds = connections, .effect = Effect::at_once,
        .default_text = "4096", .low = 1, .high = max_u31, .systemd = "Backlog",
        .help = "How many connections may wait in the kernel's queue; net.core.somaxconn cuts it."},
    Option{.key = "interface", .type = T::text, .where = socket_option,
        .modes = for_listeners, .kinds = ip, .effect = Effect::rebind, .high = 15,
        .systemd = "BindToDevice", .help = "The network interface that packets must come in by."},
    Option{.key = "v6only", .type = T::boolean, .where = socket_option,
        .modes = for_listeners, .kinds = ip, .effect = Effect::rebind,
        .default_text = "false for tcp: and udp:, true for tcp6: and udp6:", .xinetd = "v6only",
        .systemd = "BindIPv6Only", .help = "Whether an IPv6 socket takes IPv6 clients only."},
    Option{.key = "reuse_port", .type = T::boolean, .where = socket_option,
        .modes = for_listeners, .kinds = ip, .effect = Effect::rebind,
        .default_text = "false", .systemd = "ReusePort",
        .help = "Let other sockets with this option bind the same address."},
    Option{.key = "free_bind", .type = T::boolean, .where = socket_option,
        .modes = for_listeners, .kinds = ip, .effect = Effect::rebind,
        .default_text = "false", .systemd = "FreeBind",
        .help = "Bind an address that the host does not have yet."},
    Option{.key = "transparent", .type = T::boolean, .where = socket_option,
        .modes = for_listeners, .kinds = ip, .effect = Effect::rebind,
        .default_text = "false", .systemd = "Transparent",
        .help = "Take packets for addresses that are not the host's own (TPROXY)."},
    Option{.key = "defer_accept", .type = T::duration, .where = socket_option,
        .modes = for_listeners, .kinds = tcp, .effect = Effect::at_once,
        .low = 1000, .high = 3'600'000, .systemd = "DeferAcceptSec",
        .help = "Wait so long for the client's first bytes before the connection counts."},
    Option{.key = "keepalive", .type = T::boolean, .where = socket_option,
        .modes = for_listeners, .kinds = tcp, .effect = Effect::at_once,
        .default_text = "false", .xinetd = "flags=KEEPALIVE", .systemd = "KeepAlive",
        .help = "Probe idle connections."},
    Option{.key = "keepalive_time", .type = T::duration, .where = socket_option,
        .modes = for_listeners, .kinds = tcp, .effect = Effect::at_once,
        .default_text = "the kernel's", .low = 1000, .high = 32'767'000, .systemd = "KeepAliveTimeSec",
        .help = "How long a connection is idle before the first probe."},
    Option{.key = "keepalive_interval", .type = T::duration, .where = socket_option,
        .modes = for_listeners, .kinds = tcp, .effect = Effect::at_once,
        .default_text = "the kernel's", .low = 1000, .high = 32'767'000, .systemd = "KeepAliveIntervalSec",
        .help = "The time between two probes."},
    Option{.key = "keepalive_probes", .type = T::integer, .where = socket_option,
        .modes = for_listeners, .kinds = tcp, .effect = Effect::at_once,
        .default_text = "the kernel's", .low = 1, .high = 127, .systemd = "KeepAliveProbes",
        .help = "How many probes go unanswered before the connection is given up."},
    Option{.key = "no_delay", .type = T::boolean, .where = socket_option,
        .modes = for_listeners, .kinds = tcp, .effect = Effect::at_once,
        .default_text = "false", .xinetd = "flags=NODELAY", .systemd = "NoDelay",
        .help = "Send small packets at once."},
    Option{.key = "send_buffer", .type = T::size, .where = socket_option,
        .modes = for_listeners, .kinds = sockets | netlink, .effect = Effect::at_once,
        .default_text = "the kernel's", .low = 1, .high = max_u31, .inetd = ",sndbuf",
        .systemd = "SendBuffer", .help = "The size of the socket's send buffer."},
    Option{.key = "receive_buffer", .type = T::size, .where = socket_option,
        .modes = for_listeners, .kinds = sockets | netlink, .effect = Effect::at_once,
        .default_text = "the kernel's", .low = 1, .high = max_u31, .inetd = ",rcvbuf",
        .systemd = "ReceiveBuffer", .help = "The size of the socket's receive buffer."},
    Option{.key = "priority", .type = T::integer, .where = socket_option,
        .modes = for_listeners, .kinds = ip, .effect = Effect::at_once,
        .default_text = "0", .low = 0, .high = max_u31, .systemd = "Priority",
        .help = "The queueing priority of what is sent; above 6 needs root."},
    Option{.key = "tos", .type = T::integer, .where = socket_option,
        .modes = for_listeners, .kinds = ip, .effect = Effect::at_once,
        .default_text = "0", .low = 0, .high = 255, .systemd = "IPTOS",
        .help = "The type-of-service (IPv4) or traffic-class (IPv6) byte of what is sent."},
    Option{.key = "mark", .type = T::integer, .where = socket_option,
        .modes = for_listeners, .kinds = ip, .effect = Effect::at_once,
        .default_text = "0", .low = 0, .high = max_u32, .systemd = "Mark",
        .help = "The firewall mark of what is sent; needs root."},
    Option{.key = "fast_open", .type = T::integer, .where = socket_option,
        .modes = for_listeners, .kinds = tcp, .effect = Effect::at_once,
        .default_text = "0", .low = 0, .high = 65535,
        .help = "How many connections may wait with data in their first packet (TCP Fast Open)."},
    Option{.key = "congestion", .type = T::text, .where = socket_option,
        .modes = for_listeners, .kinds = tcp, .effect = Effect::at_once,
        .default_text = "the kernel's", .high = 15, .systemd = "TCPCongestion",
        .help = "The congestion control algorithm."},
    Option{.key = "mptcp", .type = T::boolean, .where = socket_option,
        .modes = for_listeners, .kinds = tcp, .effect = Effect::rebind,
        .default_text = "false", .systemd = "SocketProtocol",
        .help = "Accept multipath TCP; plain TCP where the kernel has none."},
    Option{.key = "broadcast", .type = T::boolean, .where = socket_option,
        .modes = for_listeners, .kinds = kind(ListenerKind::udp), .effect = Effect::at_once,
        .default_text = "false", .systemd = "Broadcast", .help = "Allow sending to broadcast addresses."},
    Option{.key = "join", .type = T::multicast, .where = node, .modes = for_listeners,
        .kinds = kind(ListenerKind::udp), .effect = Effect::rebind,
        .help = "Multicast groups to join: \"239.1.2.3\", \"ff02::1%eth0\"."},
    Option{.key = "pass_credentials", .type = T::boolean, .where = socket_option,
        .modes = for_listeners, .kinds = unix_sockets | netlink, .effect = Effect::at_once,
        .default_text = "false", .systemd = "PassCredentials",
        .help = "Let the program receive the sender's pid, uid and gid (SO_PASSCRED)."},
    Option{.key = "max_messages", .type = T::integer, .where = node, .modes = for_listeners,
        .kinds = queue, .effect = Effect::rebind, .default_text = "the kernel's, 10", .low = 1, .high = 65536,
        .systemd = "MessageQueueMaxMessages",
        .help = "How many messages the queue holds; who is not root is bounded by fs.mqueue.msg_max."},
    Option{.key = "message_size", .type = T::size, .where = node, .modes = for_listeners,
        .kinds = queue, .effect = Effect::rebind, .default_text = "the kernel's, 8K", .low = 1, .high = 16'777'216,
        .systemd = "MessageQueueMessageSize",
        .help = "The most bytes of one message; who is not root is bounded by fs.mqueue.msgsize_max; sizes change when the queue is opened empty."},
    Option{.key = "mode", .type = T::mode, .where = node, .modes = for_listeners,
        .kinds = paths | queue, .effect = Effect::at_once, .default_text = R"("0666")", .high = 0777,
        .systemd = "SocketMode", .help = "The permissions of the socket or FIFO in the file system, or of the message queue."},
    Option{.key = "owner", .type = T::user, .where = node, .modes = for_listeners,
        .kinds = paths | queue, .effect = Effect::at_once, .default_text = "superd's user",
        .systemd = "SocketUser", .help = "The owner of the socket, FIFO or message queue."},
    Option{.key = "group", .type = T::group, .where = node, .modes = for_listeners,
        .kinds = paths | queue, .effect = Effect::at_once, .default_text = "superd's group",
        .systemd = "SocketGroup", .help = "The group of the socket, FIFO or message queue."},
    Option{.key = "directory_mode", .type = T::mode, .where = node, .modes = for_listeners,
        .kinds = paths, .effect = Effect::rebind, .default_text = R"("0755")", .high = 07777,
        .systemd = "DirectoryMode", .help = "The permissions of directories made for the socket or FIFO."},
    Option{.key = "remove_on_stop", .type = T::boolean, .where = node, .modes = for_listeners,
        .kinds = paths | queue, .effect = Effect::at_once, .default_text = "true; false for a message queue",
        .systemd = "RemoveOnStop", .help = "Remove the socket, FIFO or message queue when it is closed; a queue with all that is in it."},

    // ---- TLS profiles
    Option{.key = "certificate", .type = T::path_list, .where = in_tls, .modes = for_all_modes, .effect = Effect::at_once,
        .help = "Files in PEM with a certificate and the chain behind it; of several, such as one for ECDSA and one for RSA, the first that the client can use is taken."},
    Option{.key = "key", .type = T::path_list, .where = in_tls, .modes = for_all_modes, .effect = Effect::at_once,
        .help = "The private key of each certificate, in the same order: PEM without a password, in files that others cannot read."},
    Option{.key = "certificate_directory", .type = T::path, .where = in_tls, .modes = for_all_modes, .effect = Effect::at_once,
        .help = "A folder with more certificates, NAME.pem beside its key NAME.key: a client that asks for a name (SNI) gets those that are for it, with * in the first place of a name for any word there, and others what certificate says."},
    Option{.key = "ocsp", .type = T::path_list, .where = in_tls, .modes = for_all_modes, .effect = Effect::at_once,
        .help = "A file for each certificate, in the same order, with a response of its OCSP server in DER, which clients that ask are given."},
    Option{.key = "alpn", .type = T::tls_words, .where = in_tls, .modes = for_all_modes, .effect = Effect::at_once,
        .help = "Protocols to agree on (ALPN), in the order of preference; a client that names only others is refused."},
    Option{.key = "client_certificate", .type = T::choice, .where = in_tls, .modes = for_all_modes, .effect = Effect::at_once,
        .default_text = R"("none")", .words = "none optional required",
        .help = "Whether clients may or must show a certificate; one that is shown must be good."},
    Option{.key = "client_ca", .type = T::path, .where = in_tls, .modes = for_all_modes, .effect = Effect::at_once,
        .help = "A file in PEM with the certificates that those of clients must be signed by."},
    Option{.key = "client_crl", .type = T::path, .where = in_tls, .modes = for_all_modes, .effect = Effect::at_once,
        .help = "A file in PEM with lists of revoked certificates (CRL), one for each of client_ca that signs clients; without a valid one no client is let in."},
    Option{.key = "client_names", .type = T::tls_words, .where = in_tls, .modes = for_all_modes, .effect = Effect::at_once,
        .help = "Names of which a client's certificate must have one: as DNS name, with * in the first place for any word there, mail address or URI, or, where it has none of these, as common name."},
    Option{.key = "min_version", .type = T::choice, .where = in_tls, .modes = for_all_modes, .effect = Effect::at_once,
        .default_text = R"("1.2")", .words = "1.0 1.1 1.2 1.3",
        .help = "The oldest version of TLS that is spoken; below 1.2 only with weak = true."},
    Option{.key = "max_version", .type = T::choice, .where = in_tls, .modes = for_all_modes, .effect = Effect::at_once,
        .default_text = R"("1.3")", .words = "1.0 1.1 1.2 1.3",
        .help = "The newest version of TLS that is spoken."},
    Option{.key = "ciphers", .type = T::tls_words, .where = in_tls, .modes = for_all_modes, .effect = Effect::at_once,
        .default_text = "ECDHE with AES-GCM or ChaCha20",
        .help = "The cipher suites of TLS 1.2 and older in the order of preference, in OpenSSL's names: all must have forward secrecy and authenticated encryption, unless weak = true."},
    Option{.key = "ciphersuites", .type = T::tls_words, .where = in_tls, .modes = for_all_modes, .effect = Effect::at_once,
        .default_text = "OpenSSL's",
        .help = "The cipher suites of TLS 1.3 in the order of preference."},
    Option{.key = "groups", .type = T::tls_words, .where = in_tls, .modes = for_all_modes, .effect = Effect::at_once,
        .default_text = R"("X25519:P-256:X448:P-521:P-384")",
        .help = "The groups for the exchange of keys, in the order of preference."},
    Option{.key = "weak", .type = T::boolean, .where = in_tls, .modes = for_all_modes, .effect = Effect::at_once,
        .default_text = "false",
        .help = "Whether what is weak is meant: versions before TLS 1.2, cipher suites without forward secrecy or authenticated encryption, small keys."},
    Option{.key = "handshake_timeout", .type = T::duration, .where = in_tls, .modes = for_all_modes, .effect = Effect::at_once,
        .default_text = R"("10s")", .low = 100, .high = 3'600'000,
        .help = "How long the whole handshake may take before the connection is closed."},
    Option{.key = "idle_timeout", .type = T::time_bound, .where = in_tls, .modes = for_all_modes, .effect = Effect::at_once,
        .default_text = R"("unlimited"; for a redirect its idle_timeout)", .low = 100, .high = 30 * day_ms,
        .help = "How long a connection may be without a byte either way before it is closed."},
    Option{.key = "session_tickets", .type = T::boolean, .where = in_tls, .modes = for_all_modes, .effect = Effect::at_once,
        .default_text = "true",
        .help = "Whether clients are given tickets to resume their sessions by; [superd] tls_ticket_rotation says for how long they are good."},
    Option{.key = "key_process", .type = T::boolean, .where = in_tls, .modes = for_all_modes, .effect = Effect::at_once,
        .default_text = "true",
        .help = "Whether a process of its own, superd-key, holds the private keys and signs for superd-relay, which then has none; false is faster with ECDSA."},
};

// clang-format on

// Options by key; a key has one entry, or two of different scopes.
const std::unordered_multimap<std::string_view, const Option*>& index() {
    static const auto made = [] {
        std::unordered_multimap<std::string_view, const Option*> map;
        for (const Option& option : table)
            map.emplace(option.key, &option);
        return map;
    }();
    return made;
}

}  // namespace

std::span<const Option> all_options() {
    return table;
}

const Option* find_option(std::string_view key, Scope scope) {
    const auto [first, last] = index().equal_range(key);
    for (auto it = first; it != last; ++it)
        if (it->second->where & scope) return it->second;
    return nullptr;
}

const Option* find_option(std::string_view name) {
    constexpr std::string_view listen = "listen.", daemon = "superd.", service = "service.",
                               tls = "tls.";
    if (name.starts_with(listen)) return find_option(name.substr(listen.size()), in_listener);
    if (name.starts_with(daemon)) return find_option(name.substr(daemon.size()), in_superd);
    if (name.starts_with(service)) return find_option(name.substr(service.size()), in_service);
    if (name.starts_with(tls)) return find_option(name.substr(tls.size()), in_tls);
    for (const Scope scope : {in_service, in_superd, in_listener, in_tls})
        if (const Option* option = find_option(name, scope)) return option;
    return nullptr;
}

std::string option_name(const Option& option) {
    if (option.where == in_superd) return "superd." + std::string(option.key);
    if (option.where == in_listener) return "listen." + std::string(option.key);
    if (option.where == in_tls) return "tls." + std::string(option.key);
    return std::string(option.key);
}

const std::vector<std::string_view>& option_keys(Scope scope) {
    static const auto made = [] {
        std::array<std::vector<std::string_view>, 128> keys;
        for (const unsigned one : {1u, 2u, 4u, 8u, 16u, 32u, 64u})
            for (const Option& option : table)
                if (option.where & one) keys[one].push_back(option.key);
        return keys;
    }();
    return made[scope & 127u];
}

bool is_list(ValueType type) {
    switch (type) {
        case T::addresses:
        case T::targets:
        case T::access:
        case T::proxy_tlvs:
        case T::tls_words:
        case T::hours:
        case T::path_list:
        case T::directories:
        case T::variables:
        case T::groups:
        case T::sinks:
        case T::log_facts:
        case T::cpus:
        case T::clean_exits:
        case T::capabilities:
        case T::system_calls:
        case T::address_families:
        case T::calendar:
        case T::services:
        case T::starters:
        case T::multicast: return true;
        default: return false;
    }
}

bool is_table(ValueType type) {
    return type == T::rlimits || type == T::text_table || type == T::path_table;
}

bool is_access_rule(const Option& option) {
    return option.type == T::access || option.type == T::hours || option.type == T::wrappers;
}

}  // namespace superd
