// SPDX-License-Identifier: MIT
// The names that redirects go to: looked up by superd-resolve when a plan brings them, again
// and again later, and at once when a client comes and none of its targets has an address.
// A look-up that fails changes nothing but what the log says. Loop thread.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/resolver.h"
#include "log/event.h"
#include "loop/loop.h"

namespace superd {

class TargetNames {
public:
    // An answer has come, whatever it was.
    using OnNews = std::function<void(const std::string& host)>;

    TargetNames(Loop& loop, Resolver& resolver, EventSink& log, OnNews on_news);

    // All names of the plan in force. timeout: of a look-up; refresh: from one to the next.
    void want(const std::set<std::string>& hosts, Nanoseconds timeout, Nanoseconds refresh);
    // Asks soon, unless that has been done a moment ago. False: no answer is on its way.
    bool hurry(const std::string& host);

    // What it was last known to have; empty: nothing is known.
    [[nodiscard]] const std::vector<IpAddress>& addresses(const std::string& host) const;

private:
    struct Name {
        std::vector<IpAddress> addresses;
        Mono due{};
        Mono asked{};
        bool pending = false, failing = false, ever = false;  // ever: it has been asked for
    };

    void look_up_due();
    void arm();
    void ask(const std::string& host, Name& name);
    void on_answer(const std::string& host, bool failed, const std::vector<IpAddress>& found);
    void on_failure(const std::string& host, Name& name, bool failed);

    Loop& loop_;
    Resolver& resolver_;
    EventSink& log_;
    const OnNews on_news_;
    Timer timer_;
    Nanoseconds timeout_{}, refresh_{};
    std::map<std::string, Name> names_;
};

}  // namespace superd
