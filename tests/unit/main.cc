// SPDX-License-Identifier: MIT
// Runs the tests, or is one of superd's programs for them: the engine's reader, superd-relay.
#define CATCH_CONFIG_RUNNER
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

#include "engine/config_reader.h"
#include "sys/descriptors.h"

#include "relay/relay.h"
#include "support/catch.h"

namespace {

namespace fs = std::filesystem;

bool reached_by_all(const fs::path& folder) {
    const auto mode = fs::status(folder).permissions();
    if ((mode & fs::perms::others_exec) == fs::perms::none) return false;
    return folder == folder.root_path() || reached_by_all(folder.parent_path());
}

// Tests start programs as other users, who may not be able to walk to where the project lies.
class ReachablePrograms {
public:
    ReachablePrograms() {
        const fs::path built = fs::read_symlink("/proc/self/exe").parent_path() / "tests";
        if (::geteuid() != 0 || !fs::is_directory(built) || reached_by_all(built)) return;
        std::string name = (fs::temp_directory_path() / "superd-unit-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) return;
        folder_ = name;
        fs::permissions(folder_, fs::perms{0755});
        fs::copy(built, folder_);
        ::setenv("SUPERD_TEST_PROGRAMS", folder_.c_str(), 1);
    }

    ~ReachablePrograms() {
        std::error_code ignored;
        if (!folder_.empty()) fs::remove_all(folder_, ignored);
    }

    ReachablePrograms(const ReachablePrograms&) = delete;
    ReachablePrograms& operator=(const ReachablePrograms&) = delete;

private:
    fs::path folder_;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "--read-plan")
        return superd::run_config_reader(std::vector<std::string>(argv + 2, argv + argc));
    if (std::string_view(argv[0]) == "superd-relay") {
        ::signal(SIGPIPE, SIG_IGN);
        const superd::SystemClock clock;
        superd::Relay(superd::take_channel(), clock, 0).run();
        return 0;
    }
    const ReachablePrograms programs;
    return Catch::Session().run(argc, argv);
}
