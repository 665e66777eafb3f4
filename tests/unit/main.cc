// SPDX-License-Identifier: MIT
// Runs the tests, or reads a file for one of them: the engine's reader is this program again.
#define CATCH_CONFIG_RUNNER
#include <string>
#include <string_view>
#include <vector>

#include "engine/config_reader.h"

#include "support/catch.h"

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "--read-plan")
        return superd::run_config_reader(std::vector<std::string>(argv + 2, argv + argc));
    return Catch::Session().run(argc, argv);
}
