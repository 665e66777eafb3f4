// SPDX-License-Identifier: MIT
// usage: fake_avahi FILE
//
// Plays Avahi on the system bus for tests: FILE has what is published, a line each,
// "NAME TYPE PORT PROTOCOL INTERFACE TXT,TXT" in the order of the names. Lines on stdin say
// what happens on the network: "take NAME": somebody else has it, which is found out after a
// commit; "own NAME": this host has it, which is found out at once; "collide NAME": somebody
// takes what is published; "state N": the server's state changes.
#include <cstdio>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <poll.h>
#include <unistd.h>

#include <systemd/sd-bus.h>

namespace {

enum GroupState { uncommitted, registering, established, collision };

struct Group {
    std::string owner;
    int state = uncommitted;
    std::vector<std::pair<std::string, std::string>> services;  // name, the rest of its line
};

struct Avahi {
    sd_bus* bus = nullptr;
    std::string file;
    int state = 2;
    unsigned made = 0;
    std::map<std::string, Group> groups;  // by path
    std::set<std::string> taken, own;
};

constexpr const char* group_interface = "org.freedesktop.Avahi.EntryGroup";

void write_down(const Avahi& avahi) {
    std::set<std::string> lines;
    for (const auto& [path, group] : avahi.groups)
        for (const auto& [name, rest] : group.services)
            if (group.state == established && avahi.state == 2) lines.insert(name + rest);
    const std::string fresh = avahi.file + ".new";
    std::FILE* out = std::fopen(fresh.c_str(), "we");
    if (out == nullptr) return;
    for (const std::string& line : lines)
        std::fprintf(out, "%s\n", line.c_str());
    std::fclose(out);
    std::rename(fresh.c_str(), avahi.file.c_str());
}

void set_state(Avahi& avahi, const std::string& path, int state) {
    avahi.groups[path].state = state;
    sd_bus_emit_signal(avahi.bus, path.c_str(), group_interface, "StateChanged", "is", state,
            state == collision ? "Local name collision" : "");
    write_down(avahi);
}

// ---- the server

int get_state(sd_bus_message* m, void* self, sd_bus_error*) {
    return sd_bus_reply_method_return(m, "i", static_cast<Avahi*>(self)->state);
}

int get_host_name(sd_bus_message* m, void*, sd_bus_error*) {
    return sd_bus_reply_method_return(m, "s", "testhost");
}

// "web", "web #2", "web #3" ...
int get_alternative(sd_bus_message* m, void*, sd_bus_error*) {
    const char* text = nullptr;
    if (const int r = sd_bus_message_read(m, "s", &text); r < 0) return r;
    std::string name = text;
    unsigned number = 1;
    if (const auto mark = name.rfind(" #"); mark != std::string::npos) {
        std::sscanf(name.c_str() + mark, " #%u", &number);
        name.resize(mark);
    }
    return sd_bus_reply_method_return(
            m, "s", (name + " #" + std::to_string(number + 1)).c_str());
}

int new_group(sd_bus_message* m, void* self, sd_bus_error*) {
    auto& avahi = *static_cast<Avahi*>(self);
    const std::string path = "/Client0/EntryGroup" + std::to_string(++avahi.made);
    avahi.groups[path].owner = sd_bus_message_get_sender(m);
    return sd_bus_reply_method_return(m, "o", path.c_str());
}

const sd_bus_vtable server_vtable[] = {SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("GetState", "", "i", get_state, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("GetHostName", "", "s", get_host_name, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("GetAlternativeServiceName", "s", "s", get_alternative,
                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("EntryGroupNew", "", "o", new_group, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL("StateChanged", "is", 0), SD_BUS_VTABLE_END};

// ---- groups

int find_group(
        sd_bus*, const char* path, const char*, void* self, void** found, sd_bus_error*) {
    *found = self;
    return static_cast<Avahi*>(self)->groups.contains(path) ? 1 : 0;
}

int read_txt(sd_bus_message* m, std::string& into) {
    int r = sd_bus_message_enter_container(m, 'a', "ay");
    while (r > 0) {
        const void* bytes = nullptr;
        std::size_t size = 0;
        r = sd_bus_message_read_array(m, 'y', &bytes, &size);
        if (r > 0)
            into += (into.empty() ? "" : ",") +
                    std::string(static_cast<const char*>(bytes), size);
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

int add_service(sd_bus_message* m, void* self, sd_bus_error* error) {
    auto& avahi = *static_cast<Avahi*>(self);
    int interface = 0, protocol = 0;
    unsigned flags = 0;
    const char *name = nullptr, *type = nullptr, *domain = nullptr, *host = nullptr;
    std::uint16_t port = 0;
    int r = sd_bus_message_read(
            m, "iiussssq", &interface, &protocol, &flags, &name, &type, &domain, &host, &port);
    std::string txt;
    if (r >= 0) r = read_txt(m, txt);
    if (r < 0) return r;
    if (avahi.own.contains(name))
        return sd_bus_error_set(
                error, "org.freedesktop.Avahi.CollisionError", "Local name collision");
    char rest[256];
    std::snprintf(rest, sizeof rest, " %s %u %d %d ", type, port, protocol, interface);
    avahi.groups[sd_bus_message_get_path(m)].services.emplace_back(name, rest + txt);
    return sd_bus_reply_method_return(m, "");
}

int commit(sd_bus_message* m, void* self, sd_bus_error*) {
    auto& avahi = *static_cast<Avahi*>(self);
    const std::string path = sd_bus_message_get_path(m);
    const int r = sd_bus_reply_method_return(m, "");
    set_state(avahi, path, registering);
    bool is_taken = false;
    for (const auto& [name, rest] : avahi.groups[path].services)
        is_taken = is_taken || avahi.taken.contains(name);
    set_state(avahi, path, is_taken ? collision : established);
    return r;
}

int reset(sd_bus_message* m, void* self, sd_bus_error*) {
    auto& avahi = *static_cast<Avahi*>(self);
    Group& group = avahi.groups[sd_bus_message_get_path(m)];
    group.services.clear();
    group.state = uncommitted;
    write_down(avahi);
    return sd_bus_reply_method_return(m, "");
}

int free_group(sd_bus_message* m, void* self, sd_bus_error*) {
    auto& avahi = *static_cast<Avahi*>(self);
    const std::string path = sd_bus_message_get_path(m);
    const int r = sd_bus_reply_method_return(m, "");
    avahi.groups.erase(path);
    write_down(avahi);
    return r;
}

const sd_bus_vtable group_vtable[] = {SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("AddService", "iiussssqaay", "", add_service, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Commit", "", "", commit, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Reset", "", "", reset, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Free", "", "", free_group, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL("StateChanged", "is", 0), SD_BUS_VTABLE_END};

// Who leaves the bus leaves nothing published.
int on_owner(sd_bus_message* m, void* self, sd_bus_error*) {
    auto& avahi = *static_cast<Avahi*>(self);
    const char *name = nullptr, *before = nullptr, *now = nullptr;
    if (sd_bus_message_read(m, "sss", &name, &before, &now) < 0 || *now != '\0') return 0;
    std::erase_if(avahi.groups, [&](const auto& entry) { return entry.second.owner == name; });
    write_down(avahi);
    return 0;
}

// ---- stdin

void obey(Avahi& avahi, const std::string& line) {
    const auto blank = line.find(' ');
    const std::string verb = line.substr(0, blank);
    const std::string what = blank == std::string::npos ? "" : line.substr(blank + 1);
    if (verb == "take") avahi.taken.insert(what);
    if (verb == "own") avahi.own.insert(what);
    if (verb == "state") {
        avahi.state = std::atoi(what.c_str());
        sd_bus_emit_signal(avahi.bus, "/", "org.freedesktop.Avahi.Server", "StateChanged", "is",
                avahi.state, "");
        write_down(avahi);
    }
    if (verb != "collide") return;
    avahi.taken.insert(what);
    for (const auto& [path, group] : avahi.groups)
        for (const auto& [name, rest] : group.services)
            if (name == what) return set_state(avahi, path, collision);
}

bool take_orders(Avahi& avahi, std::string& pending) {
    char buffer[512];
    const ssize_t size = ::read(0, buffer, sizeof buffer);
    if (size <= 0) return false;
    pending.append(buffer, static_cast<std::size_t>(size));
    for (std::size_t end; (end = pending.find('\n')) != std::string::npos;) {
        obey(avahi, pending.substr(0, end));
        pending.erase(0, end + 1);
    }
    return true;
}

int fail(const char* what, int error) {
    std::fprintf(stderr, "fake_avahi: %s: %s\n", what, std::strerror(-error));
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    Avahi avahi;
    avahi.file = argv[1];
    int r = sd_bus_open_system(&avahi.bus);
    if (r < 0) return fail("system bus", r);
    r = sd_bus_add_object_vtable(
            avahi.bus, nullptr, "/", "org.freedesktop.Avahi.Server", server_vtable, &avahi);
    if (r >= 0)
        r = sd_bus_add_fallback_vtable(avahi.bus, nullptr, "/Client0", group_interface,
                group_vtable, find_group, &avahi);
    if (r >= 0)
        r = sd_bus_add_match(avahi.bus, nullptr,
                "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged'",
                on_owner, &avahi);
    write_down(avahi);
    if (r >= 0) r = sd_bus_request_name(avahi.bus, "org.freedesktop.Avahi", 0);
    if (r < 0) return fail("object", r);
    std::string pending;
    for (;;) {
        do {
            r = sd_bus_process(avahi.bus, nullptr);
        } while (r > 0);
        if (r < 0) return fail("bus", r);
        sd_bus_flush(avahi.bus);
        pollfd entries[] = {{sd_bus_get_fd(avahi.bus), POLLIN, 0}, {0, POLLIN, 0}};
        ::poll(entries, 2, -1);
        if (entries[1].revents != 0 && !take_orders(avahi, pending)) return 0;
    }
}
