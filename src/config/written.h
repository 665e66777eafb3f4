// SPDX-License-Identifier: MIT
// The configuration as written: every table of every file, each key with its option and place.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "config/options.h"
#include "config/report.h"
#include "config/tree.h"

namespace superd {

// KEY = VALUE, the key known to the options table. node belongs to the Document.
struct Setting {
    const Option* option = nullptr;
    const Node* node = nullptr;
    Place at;  // of the key
};

// One table: [superd], [defaults], [profile.NAME], [service.NAME], [override.NAME].
struct Section {
    std::string name;
    Place at;  // of the header
    std::vector<Setting> settings;
};

// One entry of [networks].
struct WrittenNetwork {
    std::string name;
    Place at;
    const Node* node = nullptr;
};

// What the files say. Borrows the nodes of the Document it was made from.
struct Config {
    std::optional<Section> superd, defaults;
    std::vector<WrittenNetwork> networks;
    std::vector<Section> tls;  // profiles, in the order read
    std::unordered_map<std::string, Section> profiles;
    std::vector<Section> services;                                    // in the order read
    std::unordered_map<std::string, std::vector<Section>> overrides;  // in the order read
    // Their name was taken, or they stand in the wrong file: an error, but values are checked.
    std::vector<Section> unused;
};

// Sorts the tables of all files; unknown tables and keys, foreign words, wrong names, names
// defined twice and tables that may not stand where they do end in the report.
[[nodiscard]] Config make_config(const Document& document, Report& report);

// The settings of one table. `what` names it in messages: "[service.ssh]".
[[nodiscard]] std::vector<Setting> read_settings(
        const TableValue& table, Scope scope, const std::string& what, Report& report);

}  // namespace superd
