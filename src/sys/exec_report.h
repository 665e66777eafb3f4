// SPDX-License-Identifier: MIT
// What superd-exec tells superd: one small message for each verdict, through a pipe that all of
// them share (StateHeader::report_fd). A message is smaller than PIPE_BUF, so it is never torn.
#pragma once

#include <cstdint>

namespace superd {

enum class ExecVerdict : std::uint8_t {
    begins,   // the service's program is about to be run
    refused,  // by hosts_access(3)
    failed    // stage and error say at what; after `begins` where exec itself failed
};

struct ExecReport {
    std::uint64_t connection = 0;  // ProcessRecord::id, to prove that the record is still meant
    std::uint32_t record = 0;
    std::int32_t error = 0;  // errno
    ExecVerdict verdict = ExecVerdict::begins;
    std::uint8_t stage = 0;  // SpawnStage
    std::uint8_t pad[6] = {};
};

static_assert(sizeof(ExecReport) == 24);

}  // namespace superd
