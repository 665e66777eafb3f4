// SPDX-License-Identifier: MIT
// Diagnostics by place in a document; each is said once, however many services share the place.
#pragma once

#include <string>
#include <unordered_set>

#include "config/diagnostics.h"
#include "config/tree.h"

namespace superd {

// "A is wrong; write B" as a message and what to write instead; suggestion stays where it is
// set.
void split_advice(std::string& message, std::string& suggestion);

class Report {
public:
    // Both are borrowed and must outlive the report.
    Report(const Document& document, Diagnostics& diagnostics);

    void error(const Place& at, std::string message, std::string suggestion = {});
    void warning(const Place& at, std::string message, std::string suggestion = {});
    // An error with a second place: "... first defined here".
    void conflict(const Place& at, std::string message, const Place& other,
            std::string suggestion = {});

    [[nodiscard]] const Document& document() const { return document_; }

    // "/etc/superd.toml:31"
    [[nodiscard]] std::string where(const Place& place) const;

private:
    void add(Severity severity, const Place& at, std::string message, std::string suggestion,
            const Place* other);

    const Document& document_;
    Diagnostics& diagnostics_;
    std::unordered_set<std::string> said_;
};

}  // namespace superd
