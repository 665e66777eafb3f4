// SPDX-License-Identifier: MIT
// Calls of superctl to superd.
#include "control/client.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fmt/core.h>
#include <grp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <systemd/sd-bus.h>

#include "base/fd.h"
#include "base/result.h"
#include "control/names.h"
#include "engine/directories.h"

namespace superd {

namespace {

// A superd that was killed is back within a moment: its socket refuses only that long.
constexpr int refusal_retries = 20;
constexpr int retry_after_ms = 50;

Outcome not_permitted(const std::string& path) {
    std::string who = "root";

    struct stat node {};

    if (::stat(path.c_str(), &node) == 0 && node.st_gid != 0)
        if (const auto* group = ::getgrgid(node.st_gid); group != nullptr)
            who = fmt::format("root or a member of the group {}", group->gr_name);
    return {exit_code::not_permitted,
            fmt::format("{} may not be opened by you: run superctl as {}", path, who)};
}

Outcome unreachable(const std::string& path, int error) {
    if (error == EACCES || error == EPERM) return not_permitted(path);
    return {exit_code::unreachable,
            fmt::format("no superd answers at {} ({}): start it, or name its socket with "
                        "--socket or SUPERD_CONTROL",
                    path, errno_text(error))};
}

int connect_once(int socket, const std::string& path) {
    sockaddr_un address{};
    if (path.size() >= sizeof address.sun_path) return ENAMETOOLONG;
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    const auto* raw = reinterpret_cast<const sockaddr*>(&address);
    return ::connect(socket, raw, sizeof address) == 0 ? 0 : errno;
}

tl::expected<Fd, Outcome> connect_socket(const std::string& path) {
    for (int attempt = 0;; ++attempt) {
        Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (!fd) return tl::unexpected(unreachable(path, errno));
        const timeval limit{.tv_sec = 10, .tv_usec = 0};  // a full queue would block for ever
        ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        const int error = connect_once(fd.get(), path);
        if (error == 0) return fd;
        if (error != ECONNREFUSED || attempt == refusal_retries)
            return tl::unexpected(unreachable(path, error));
        ::poll(nullptr, 0, retry_after_ms);
    }
}

std::uint64_t microseconds(Nanoseconds timeout) {
    if (timeout == no_timeout) return UINT64_MAX;
    // To the library 0 means a default of its own.
    const auto count = std::chrono::ceil<std::chrono::microseconds>(timeout).count();
    return count > 0 ? static_cast<std::uint64_t>(count) : 1;
}

Outcome failure(const std::string& path, int error, const sd_bus_error& said) {
    if (said.name != nullptr && (std::string_view(said.name).starts_with("org.superd.") ||
                                        exit_code_of(said.name) != exit_code::failed))
        return {exit_code_of(said.name), said.message != nullptr ? said.message : said.name};
    if (error == ETIMEDOUT)
        return {exit_code::timeout,
                "no answer in time; superctl why NAME says what it waits for"};
    if (error == ECONNRESET || error == ENOTCONN || error == EPIPE || error == ECONNABORTED)
        return {exit_code::unreachable,
                fmt::format("superd closed the connection on {}: it has ended, or too many "
                            "clients hold its socket; try again",
                        path)};
    return {exit_code::failed,
            said.message != nullptr ? std::string(said.message) : errno_text(error)};
}

}  // namespace

void ControlClient::BusDeleter::operator()(sd_bus* bus) const {
    ::sd_bus_close(bus);
    ::sd_bus_unref(bus);
}

void ControlClient::MessageDeleter::operator()(sd_bus_message* message) const {
    ::sd_bus_message_unref(message);
}

tl::expected<ControlClient, Outcome> ControlClient::connect(const std::string& path) {
    auto socket = connect_socket(path);
    if (!socket) return tl::unexpected(socket.error());
    ControlClient client;
    client.path_ = path;
    sd_bus* bus = nullptr;
    int result = ::sd_bus_new(&bus);
    if (result >= 0) {
        client.bus_.reset(bus);
        result = ::sd_bus_set_fd(bus, socket->get(), socket->get());
    }
    if (result >= 0) {
        static_cast<void>(socket->release());
        result = ::sd_bus_start(bus);
    }
    if (result < 0) return tl::unexpected(failure(path, -result, SD_BUS_ERROR_NULL));
    return client;
}

tl::expected<ControlClient::Message, Outcome> ControlClient::make(const char* method) const {
    sd_bus_message* call = nullptr;
    const int result = ::sd_bus_message_new_method_call(
            bus_.get(), &call, control_name, control_path, control_interface, method);
    if (result < 0) return tl::unexpected(failure(path_, -result, SD_BUS_ERROR_NULL));
    return Message(call);
}

tl::expected<ControlClient::Message, Outcome> ControlClient::send(
        const Message& call, Nanoseconds timeout) {
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message* reply = nullptr;
    const int result =
            ::sd_bus_call(bus_.get(), call.get(), microseconds(timeout), &error, &reply);
    if (result >= 0) return Message(reply);
    const auto outcome = failure(path_, -result, error);
    ::sd_bus_error_free(&error);
    return tl::unexpected(outcome);
}

Outcome ControlClient::send_for_text(const Message& call, Nanoseconds timeout) {
    const auto reply = send(call, timeout);
    if (!reply) return reply.error();
    const char* text = nullptr;
    const int result = ::sd_bus_message_read(reply->get(), "s", &text);
    if (result < 0) return failure(path_, -result, SD_BUS_ERROR_NULL);
    return {exit_code::ok, text};
}

Outcome ControlClient::call(
        const char* method, const std::vector<std::string>& arguments, Nanoseconds timeout) {
    const auto message = make(method);
    if (!message) return message.error();
    for (const auto& argument : arguments)
        if (::sd_bus_message_append_basic(message->get(), 's', argument.c_str()) < 0)
            return {exit_code::usage, "names are text in UTF-8"};
    return send_for_text(*message, timeout);
}

Outcome ControlClient::kill(
        const std::string& service, int signal, std::uint64_t connection, Nanoseconds timeout) {
    const auto message = make("Kill");
    if (!message) return message.error();
    if (::sd_bus_message_append(message->get(), "sit", service.c_str(), signal, connection) < 0)
        return {exit_code::usage, "names are text in UTF-8"};
    return send_for_text(*message, timeout);
}

Outcome ControlClient::kill_whom(
        const std::string& service, const std::string& whom, int signal, Nanoseconds timeout) {
    const auto message = make("KillWhom");
    if (!message) return message.error();
    if (::sd_bus_message_append(message->get(), "ssi", service.c_str(), whom.c_str(), signal) <
            0)
        return {exit_code::usage, "names are text in UTF-8"};
    return send_for_text(*message, timeout);
}

Outcome ControlClient::scale(
        const std::string& service, std::uint32_t copies, Nanoseconds timeout) {
    const auto message = make("Scale");
    if (!message) return message.error();
    if (::sd_bus_message_append(message->get(), "su", service.c_str(), copies) < 0)
        return {exit_code::usage, "names are text in UTF-8"};
    return send_for_text(*message, timeout);
}

Outcome ControlClient::explain(const std::string& service, const std::string& from,
        std::int64_t at, Nanoseconds timeout) {
    const auto message = make("Explain");
    if (!message) return message.error();
    if (::sd_bus_message_append(message->get(), "ssx", service.c_str(), from.c_str(), at) < 0)
        return {exit_code::usage, "names are text in UTF-8"};
    return send_for_text(*message, timeout);
}

Outcome ControlClient::deny(const std::string& address, std::int64_t seconds,
        const std::string& reason, Nanoseconds timeout) {
    const auto message = make("Deny");
    if (!message) return message.error();
    if (::sd_bus_message_append(
                message->get(), "sxs", address.c_str(), seconds, reason.c_str()) < 0)
        return {exit_code::usage, "a reason is text in UTF-8"};
    return send_for_text(*message, timeout);
}

ControlClient::Reload ControlClient::reload_config(bool dry_run, Nanoseconds timeout) {
    const auto message = make("ReloadConfig");
    if (!message) return {message.error(), {}};
    ::sd_bus_message_append(message->get(), "b", dry_run ? 1 : 0);
    const auto reply = send(*message, timeout);
    if (!reply) return {reply.error(), {}};
    int code = 0;
    const char *text = nullptr, *json = nullptr;
    const int result = ::sd_bus_message_read(reply->get(), "iss", &code, &text, &json);
    if (result < 0) return {failure(path_, -result, SD_BUS_ERROR_NULL), {}};
    return {{code, text}, json};
}

tl::expected<std::vector<std::string>, Outcome> ControlClient::list(Nanoseconds timeout) {
    const auto message = make("ListServices");
    if (!message) return tl::unexpected(message.error());
    const auto reply = send(*message, timeout);
    if (!reply) return tl::unexpected(reply.error());
    std::vector<std::string> names;
    ::sd_bus_message_enter_container(reply->get(), 'a', "s");
    const char* name = nullptr;
    while (::sd_bus_message_read_basic(reply->get(), 's', &name) > 0)
        names.emplace_back(name);
    return names;
}

std::string default_control_path() {
    if (const char* given = std::getenv("SUPERD_CONTROL"); given != nullptr && *given != '\0')
        return given;
    // One's own superd where there is one, else the host's, which an admin group may steer.
    std::string own = default_run_directory() + "/control";
    return ::access(own.c_str(), F_OK) == 0 ? own : "/run/superd/control";
}

}  // namespace superd
