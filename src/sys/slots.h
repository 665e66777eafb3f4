// SPDX-License-Identifier: MIT
// The launch slots: the numbers that a child keeps when it leaves the shared descriptor table.
#pragma once

#include "sys/spawner.h"

namespace superd {

// What each of a slot's four numbers is for while a launch is in it.
enum class SlotPart : int { connection, standard_error, standard_output, null };

// Slot `index` of hot_slots.
[[nodiscard]] constexpr int slot_number(int index, SlotPart part) {
    return first_slot + slot_width * index + static_cast<int>(part);
}

[[nodiscard]] constexpr bool is_slot_number(int fd) {
    return fd >= first_slot && fd < low_number;
}

// A descriptor of /dev/null above the slots, close-on-exec.
[[nodiscard]] Result<Fd> open_null();

// Puts `fd` at `number`, close-on-exec, whatever was there. False with errno set on failure.
bool put_at(int fd, int number);

}  // namespace superd
