// SPDX-License-Identifier: MIT
// Another program, a newer superd as a rule, in the place of this one: in the same process,
// with the same children and the same descriptors.
//
// superd asks the program whether it can (superd --check-state), writes its
// path into StateHeader::successor and ends with exit_upgrade. The guard, which then has the
// descriptor table for itself, writes the state down as text (sys/state_text.h), lets all
// descriptors through exec, and becomes that program, which reads the state into tables of its
// own and starts a superd that recovers as after a kill. Where exec fails the guard starts its
// own superd again; where the new one's superd dies before it serves, the new guard becomes the
// former program again.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "sys/state.h"
#include "sys/state_text.h"

namespace superd {

// How this program was started: how the next one will be.
struct Beginning {
    std::vector<std::string> arguments;    // argv, without --resume
    std::vector<std::string> environment;  // before anything was taken out of it
    std::string version;
    int lock_fd = -1;  // of the run directory
};

// Of what superd, superd-log, superd-relay and the others say to each other: they outlive a
// handover.
inline constexpr std::uint64_t channel_version = 1;

// The option that the successor is started with; its value is made and read here.
inline constexpr const char* resume_option = "--resume";

struct Resume {
    int text = -1;    // descriptor of the state's text; -1: this program took nobody's place
    int former = -1;  // of the program that wrote it; -1: there is no way back
    std::string failure;  // why this one is back in its own place; empty: it is not

    // Nothing for text that is no such value.
    [[nodiscard]] static std::optional<Resume> parse(std::string_view value);
    [[nodiscard]] std::string value() const;
};

// For the guard, when no superd runs. Each returns only where it failed.
[[nodiscard]] Error hand_over(
        State& state, const Beginning& beginning, const std::string& program);
// To StateHeader::former_program, which has no other number afterwards.
[[nodiscard]] Error hand_back(State& state, const Beginning& beginning, const std::string& why);
// The same before there is a state: the former program finds what it wrote.
[[nodiscard]] Error return_to(
        const Resume& resume, const Beginning& beginning, const std::string& why);

// The text of the state for look_at_inheritance(), as hand_over() would write it.
[[nodiscard]] std::string state_for_check(const State& state, const Beginning& beginning);

// What the successor finds.
struct Inheritance {
    State state;
    Handover handover;
    std::string plan;  // the committed plan, encoded, not committed in `state` yet
    std::array<int, 2> report_fd{-1, -1};  // for the header; the state does not own them yet
    int log_board = -1;                    // the same
};

// In the successor, before it opens anything. Descriptors are close-on-exec afterwards.
[[nodiscard]] Result<Inheritance> inherit(const Resume& resume);
// It will do: the header says whose place was taken, what only the way back through
// return_to() needed is closed.
void accept_inheritance(Inheritance& inheritance, const Resume& resume);

// In a process that only looks: the text on text_fd, the plan on plan_fd.
[[nodiscard]] Result<Inheritance> look_at_inheritance(int text_fd, int plan_fd);

// Whether path may be run in superd's place, as far as it can be seen from outside: an absolute
// path of an executable ELF file that, for root, belongs to root and only root can write.
[[nodiscard]] Result<void> check_program(const std::string& path);

}  // namespace superd
