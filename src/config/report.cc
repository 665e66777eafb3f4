// SPDX-License-Identifier: MIT
#include "config/report.h"

#include <utility>

namespace superd {

void split_advice(std::string& message, std::string& suggestion) {
    const auto advice = message.rfind("; write ");
    if (!suggestion.empty() || advice == std::string::npos) return;
    suggestion = message.substr(advice + 2);
    message.resize(advice);
}

Report::Report(const Document& document, Diagnostics& diagnostics)
        : document_(document), diagnostics_(diagnostics) {}

void Report::error(const Place& at, std::string message, std::string suggestion) {
    add(Severity::error, at, std::move(message), std::move(suggestion), nullptr);
}

void Report::warning(const Place& at, std::string message, std::string suggestion) {
    add(Severity::warning, at, std::move(message), std::move(suggestion), nullptr);
}

void Report::conflict(
        const Place& at, std::string message, const Place& other, std::string suggestion) {
    add(Severity::error, at, std::move(message), std::move(suggestion), &other);
}

std::string Report::where(const Place& place) const {
    const Position position = document_.position(place);
    return position.file + ":" + std::to_string(position.line);
}

void Report::add(Severity severity, const Place& at, std::string message,
        std::string suggestion, const Place* other) {
    split_advice(message, suggestion);
    std::string key = std::to_string(at.file) + ":" + std::to_string(at.line) + ":" +
                      std::to_string(at.column) + ":" + message;
    if (!said_.insert(std::move(key)).second) return;
    Diagnostic diagnostic;
    diagnostic.severity = severity;
    diagnostic.at = document_.position(at);
    diagnostic.message = std::move(message);
    diagnostic.suggestion = std::move(suggestion);
    if (at.file < document_.files.size()) {
        const auto& lines = document_.files[at.file].lines;
        if (at.line > 0 && at.line <= lines.size()) diagnostic.source_line = lines[at.line - 1];
    }
    if (other != nullptr) diagnostic.other = document_.position(*other);
    diagnostics_.add(std::move(diagnostic));
}

}  // namespace superd
