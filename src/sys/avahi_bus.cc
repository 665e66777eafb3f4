// SPDX-License-Identifier: MIT
// Avahi by sd-bus, which is used nowhere else in this layer.
#include "sys/avahi_bus.h"

#include <cerrno>
#include <utility>

#include <systemd/sd-bus.h>

namespace superd {

namespace {

constexpr const char* service = "org.freedesktop.Avahi";
constexpr const char* server_interface = "org.freedesktop.Avahi.Server";
constexpr const char* group_interface = "org.freedesktop.Avahi.EntryGroup";
constexpr std::uint64_t call_timeout_us = 3'000'000;
// A bus that says more than this between two looks is not listened to.
constexpr std::size_t most_news = 4096;

std::string text_of(const char* text) {
    return text == nullptr ? "" : text;
}

// ---- news

void note(void* list, AvahiNews news) {
    auto& all = *static_cast<std::vector<AvahiNews>*>(list);
    if (all.size() < most_news) all.push_back(std::move(news));
}

int on_owner(sd_bus_message* message, void* list, sd_bus_error*) {
    const char *name = nullptr, *before = nullptr, *now = nullptr;
    if (sd_bus_message_read(message, "sss", &name, &before, &now) < 0) return 0;
    note(list, {.what = *now == '\0' ? AvahiNews::What::gone : AvahiNews::What::came});
    return 0;
}

int on_state(sd_bus_message* message, void* list, AvahiNews::What what) {
    int state = 0;
    const char* error = nullptr;
    if (sd_bus_message_read(message, "is", &state, &error) < 0) return 0;
    note(list, {what, state, text_of(sd_bus_message_get_path(message)), text_of(error)});
    return 0;
}

int on_server(sd_bus_message* message, void* list, sd_bus_error*) {
    return on_state(message, list, AvahiNews::What::server_state);
}

int on_group(sd_bus_message* message, void* list, sd_bus_error*) {
    return on_state(message, list, AvahiNews::What::group_state);
}

// ---- calls

// One method call, from its message to its reply.
struct Call {
    Call(sd_bus* bus, const std::string& path, const char* interface, const char* member)
            : bus_(bus) {
        result = sd_bus_message_new_method_call(
                bus, &message, service, path.c_str(), interface, member);
        // Whoever wants Avahi has it started; a name on the network is no reason to.
        if (result >= 0) result = sd_bus_message_set_auto_start(message, 0);
    }

    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    ~Call() {
        sd_bus_error_free(&error);
        sd_bus_message_unref(reply);
        sd_bus_message_unref(message);
    }

    template <class... Values>
    Call& append(const char* types, Values... values) {
        if (result >= 0) result = sd_bus_message_append(message, types, values...);
        return *this;
    }

    template <class... Values>
    AvahiOutcome run(const char* types, Values... values) {
        if (result >= 0) result = sd_bus_call(bus_, message, 0, &error, &reply);
        if (result >= 0 && *types != '\0') {
            result = sd_bus_message_read(reply, types, values...);
            if (result == 0) result = -EBADMSG;
        }
        return outcome();
    }

    [[nodiscard]] AvahiOutcome outcome() const {
        using Kind = AvahiOutcome::Kind;
        if (result >= 0) return {};
        const std::string text = text_of(error.message);
        if (sd_bus_error_has_name(&error, "org.freedesktop.Avahi.CollisionError") != 0)
            return {Kind::taken, 0, text};
        for (const char* name : {SD_BUS_ERROR_SERVICE_UNKNOWN, SD_BUS_ERROR_NAME_HAS_NO_OWNER})
            if (sd_bus_error_has_name(&error, name) != 0) return {Kind::gone, 0, text};
        const bool answered = error.name != nullptr &&
                              sd_bus_error_has_name(&error, SD_BUS_ERROR_NO_REPLY) == 0;
        if (answered) return {Kind::refused, 0, text.empty() ? text_of(error.name) : text};
        return {Kind::broken, -result, {}};
    }

    sd_bus_message *message = nullptr, *reply = nullptr;
    sd_bus_error error = SD_BUS_ERROR_NULL;
    int result = 0;

private:
    sd_bus* bus_;
};

int append_txt(sd_bus_message* message, const std::vector<std::string>& txt) {
    int result = sd_bus_message_open_container(message, 'a', "ay");
    for (const std::string& one : txt) {
        if (result < 0) return result;
        result = sd_bus_message_append_array(message, 'y', one.data(), one.size());
    }
    return result < 0 ? result : sd_bus_message_close_container(message);
}

}  // namespace

struct AvahiBus::Impl {
    sd_bus* bus = nullptr;
    std::vector<AvahiNews> news{};

    [[nodiscard]] Result<void> watch(const char* match, sd_bus_message_handler_t handler) {
        const int added = sd_bus_add_match(bus, nullptr, match, handler, &news);
        if (added < 0) return fail(-added, "AddMatch", "system bus");
        return {};
    }

    [[nodiscard]] Result<void> watch_avahi() {
        auto watched =
                watch("type='signal',sender='org.freedesktop.DBus',"
                      "interface='org.freedesktop.DBus',member='NameOwnerChanged',"
                      "arg0='org.freedesktop.Avahi'",
                        on_owner);
        if (watched)
            watched =
                    watch("type='signal',sender='org.freedesktop.Avahi',"
                          "interface='org.freedesktop.Avahi.Server',member='StateChanged'",
                            on_server);
        if (watched)
            watched =
                    watch("type='signal',sender='org.freedesktop.Avahi',"
                          "interface='org.freedesktop.Avahi.EntryGroup',"
                          "member='StateChanged'",
                            on_group);
        return watched;
    }

    [[nodiscard]] AvahiOutcome ask(const char* member, std::string& answer) {
        Call call(bus, "/", server_interface, member);
        const char* text = nullptr;
        AvahiOutcome outcome = call.run("s", &text);
        if (outcome.done()) answer = text;
        return outcome;
    }
};

AvahiBus::AvahiBus() : impl_(std::make_unique<Impl>()) {}

AvahiBus::~AvahiBus() {
    close();
}

bool AvahiBus::is_open() const {
    return impl_->bus != nullptr;
}

Result<void> AvahiBus::open() {
    close();
    const int opened = sd_bus_open_system(&impl_->bus);
    if (opened < 0) {
        impl_->bus = nullptr;
        return fail(-opened, "connect", "system bus");
    }
    sd_bus_set_method_call_timeout(impl_->bus, call_timeout_us);
    auto watched = impl_->watch_avahi();
    if (!watched) close();
    return watched;
}

// What was published through it is withdrawn by Avahi.
void AvahiBus::close() {
    impl_->bus = sd_bus_flush_close_unref(impl_->bus);
    impl_->news.clear();
}

pollfd AvahiBus::wanted() const {
    const int events = sd_bus_get_events(impl_->bus);
    return {sd_bus_get_fd(impl_->bus), static_cast<short>(events < 0 ? POLLIN : events), 0};
}

Mono AvahiBus::next() const {
    std::uint64_t until = 0;
    if (sd_bus_get_timeout(impl_->bus, &until) < 0 || until == UINT64_MAX) return Mono::max();
    return Mono(std::chrono::microseconds(until));
}

Result<std::vector<AvahiNews>> AvahiBus::take_news() {
    for (;;) {
        const int processed = sd_bus_process(impl_->bus, nullptr);
        if (processed < 0) return fail(-processed, "read", "system bus");
        if (processed == 0) return std::exchange(impl_->news, {});
    }
}

AvahiOutcome AvahiBus::get_state(int& state) {
    return Call(impl_->bus, "/", server_interface, "GetState").run("i", &state);
}

AvahiOutcome AvahiBus::get_host_name(std::string& name) {
    return impl_->ask("GetHostName", name);
}

AvahiOutcome AvahiBus::get_alternative(const std::string& name, std::string& other) {
    Call call(impl_->bus, "/", server_interface, "GetAlternativeServiceName");
    const char* text = nullptr;
    AvahiOutcome outcome = call.append("s", name.c_str()).run("s", &text);
    if (outcome.done()) other = text;
    return outcome;
}

AvahiOutcome AvahiBus::new_group(std::string& path) {
    Call call(impl_->bus, "/", server_interface, "EntryGroupNew");
    const char* text = nullptr;
    AvahiOutcome outcome = call.run("o", &text);
    if (outcome.done()) path = text;
    return outcome;
}

AvahiOutcome AvahiBus::add_service(const std::string& path, const AvahiService& wanted,
        const std::vector<std::string>& txt) {
    Call call(impl_->bus, path, group_interface, "AddService");
    // No flags; the domain and the host are Avahi's own.
    call.append("iiussssq", static_cast<int>(wanted.interface),
            static_cast<int>(wanted.protocol), 0U, wanted.name.c_str(), wanted.type.c_str(), "",
            "", static_cast<unsigned>(wanted.port));
    if (call.result >= 0) call.result = append_txt(call.message, txt);
    return call.run("");
}

AvahiOutcome AvahiBus::call_group(const std::string& path, const char* member) {
    return Call(impl_->bus, path, group_interface, member).run("");
}

}  // namespace superd
