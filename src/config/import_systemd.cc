// SPDX-License-Identifier: MIT
// Socket units and the services that belong to them.
#include "config/import_systemd.h"

#include <map>

#include "base/text.h"

namespace superd {

// ---- notes

void UnitNotes::say(
        ImportSeverity severity, const UnitLine& line, std::string made, std::string message) {
    import_.notes.push_back(
            {severity, line.at, service_.name, line.section.empty() ? line.key : line.shown(),
                    std::move(made), std::move(message)});
}

void UnitNotes::set(const UnitLine& line, std::string key, std::string value) {
    say(ImportSeverity::info, line, key + " = " + value, {});
    service_.set(std::move(key), std::move(value), line.at);
}

void UnitNotes::info(const UnitLine& line, std::string message) {
    say(ImportSeverity::info, line, {}, std::move(message));
}

void UnitNotes::warn(const UnitLine& line, std::string message) {
    say(ImportSeverity::warning, line, {}, std::move(message));
}

void UnitNotes::lose(const UnitLine& line, std::string message) {
    service_.comments.push_back("lost: " + escape(line.shown()) + ": " + message);
    say(ImportSeverity::lost, line, {}, std::move(message));
}

void UnitNotes::forbid(const UnitLine& line, std::string message) {
    service_.disabled.push_back(escape(line.shown()) + ": " + message);
    lose(line, std::move(message));
}

namespace {

class Reader {
public:
    Reader(ImportHost& host, Import& import)
            : host_(host), import_(import), units_(host, import) {}

    void read(const std::string& path) {
        std::string why;
        const auto socket = units_.read(path, why);
        if (!socket) return fail(path, why);
        if (socket->name.suffix != ".socket")
            return fail(path, "is not a .socket unit; its service is read with it");
        if (socket->name.templated && socket->name.instance.empty())
            return fail(path, "is a template: name an instance, " + socket->name.prefix +
                                      "@INSTANCE.socket");
        const UnitLine* accept = socket->find("Socket", "Accept");
        if (accept != nullptr && parse_unit_boolean(accept->value) == true)
            import_accepting(*socket);
        else
            import_handing_over(*socket);
    }

private:
    void fail(const std::string& path, const std::string& why) {
        import_.notes.push_back({.severity = ImportSeverity::lost,
                .at = {path, 0},
                .read = path,
                .message = why});
        import_.errors_at.push_back({path, 0});
    }

    // One process for each connection, of the template NAME@.service.
    void import_accepting(const Unit& socket) {
        const UnitName name{socket.name.prefix, {}, ".service", true};
        ImportService service = begin(socket, socket.name.stem());
        UnitNotes notes(import_, service);
        if (const UnitLine* other = socket.find("Socket", "Service"))
            notes.lose(*other, "does not go with Accept=yes; systemd refuses the unit");
        import_socket_unit(socket, true, host_, notes);
        import_service(socket, name, true, notes);
        import_.services.push_back(std::move(service));
    }

    // All sockets to one service, which several socket units may share.
    void import_handing_over(const Unit& socket) {
        const auto name = service_name(socket);
        if (!name) return fail(socket.path, "Service= is not the name of a service");
        const auto [known, fresh] = by_service_.try_emplace(name->full(), services());
        if (!fresh) {
            ImportService& service = import_.services[known->second];
            append(service.comments, socket.comments);
            UnitNotes notes(import_, service);
            return import_socket_unit(socket, false, host_, notes);
        }
        ImportService service = begin(socket, name->stem());
        UnitNotes notes(import_, service);
        import_socket_unit(socket, false, host_, notes);
        import_service(socket, *name, false, notes);
        import_.services.push_back(std::move(service));
    }

    [[nodiscard]] std::size_t services() const { return import_.services.size(); }

    static void append(std::vector<std::string>& into, const std::vector<std::string>& more) {
        into.insert(into.end(), more.begin(), more.end());
    }

    static std::optional<UnitName> service_name(const Unit& socket) {
        UnitName name = socket.name;
        name.suffix = ".service";
        if (const UnitLine* line = socket.find("Socket", "Service")) {
            const auto named = UnitName::parse(line->value);
            if (!named || named->suffix != ".service") return std::nullopt;
            return named;
        }
        return name;
    }

    ImportService begin(const Unit& socket, const std::string& stem) {
        ImportService service;
        service.name = names_.make(stem);
        service.at = {socket.path, 0};
        service.comments = socket.comments;
        import_.notes.push_back({.severity = ImportSeverity::info,
                .at = service.at,
                .service = service.name,
                .read = socket.name.full(),
                .made = "[service." + service.name + "]"});
        return service;
    }

    void import_service(
            const Unit& socket, const UnitName& name, bool accept, UnitNotes& notes) {
        ImportService& service = notes.service();
        service.set("mode", accept ? R"("handler")" : R"("worker")");
        std::string why;
        const auto unit = units_.read_beside(socket, name, why);
        if (!unit) {
            service.disabled.push_back("there is no " + name.full());
            return fail(name.full(), why);
        }
        append(service.comments, unit->comments);
        import_service_unit(*unit, accept, host_, notes);
    }

    ImportHost& host_;
    Import& import_;
    UnitReader units_;
    ServiceNames names_;
    std::map<std::string, std::size_t> by_service_;
};

}  // namespace

Import import_systemd(const std::vector<std::string>& paths, ImportHost& host) {
    Import import;
    Reader reader(host, import);
    for (const std::string& path : paths)
        reader.read(path);
    return import;
}

}  // namespace superd
