// SPDX-License-Identifier: MIT
// hosts.allow and hosts.deny said in superd's own words, for services that libwrap cannot be
// asked about: hosts_access(5), hosts_options(5).
//
// There the first rule that matches decides; in superd the most specific one does. Blocks of
// addresses either contain one another or have nothing in common, so a rule inside an earlier
// one never decides and can go, and for what remains both orders come to the same.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "config/import.h"

namespace superd {

// Who may connect: as the keys allow and deny of a service.
struct AccessLists {
    std::vector<std::string> allow;  // empty: everybody
    std::vector<std::string> deny;
};

struct HostsVerdict {
    AccessLists lists;
    std::string why_not;  // not empty: the rule that cannot be said so, and where it stands
};

class HostsAccess {
public:
    HostsAccess() = default;
    // Both files; one that is there and cannot be read is a rule that cannot be said.
    explicit HostsAccess(ImportHost& host);

    [[nodiscard]] bool has_rule() const { return !rules_.empty(); }

    // Where the first rule stands that runs a command (spawn, twist, aclexec); empty: none
    // does.
    [[nodiscard]] std::string command_at() const;

    // daemon: the name that libwrap is asked about. names: "host:" and "domain:" may stand in
    // the lists.
    [[nodiscard]] HostsVerdict about(std::string_view daemon, bool names) const;

private:
    struct Rule {
        std::string place;  // "/etc/hosts.deny:3"
        std::string text;
        std::vector<std::string> fields;  // daemons, clients, options
        bool allow = true;
    };

    void read(ImportHost& host, const std::string& path, bool allow);

    std::vector<Rule> rules_;  // those of hosts.allow first
};

// What both let in; false where lists cannot say it, and then into is as it was.
[[nodiscard]] bool restrict_access(AccessLists& into, const AccessLists& by);

// Entries of allow inside one of deny: superd lets these in, for they are more specific.
[[nodiscard]] std::vector<std::string> inside_denied(const AccessLists& lists);

}  // namespace superd
