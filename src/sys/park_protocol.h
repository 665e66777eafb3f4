// SPDX-License-Identifier: MIT
// What superd and libsuperd-park.so say to each other.
//
// The library is loaded into a handler that was started ahead of its client. It finds its end
// of a SOCK_SEQPACKET pair by the number in $SUPERD_PARK; on descriptors 0 and 1 there is one
// end of a stream pair, the placeholder, whose other end superd holds open. Then:
//
//   library -> superd   parked            the program has come to its first use of 0 or 1, and
//                                         waits in it
//                       unfit, a reason   it cannot be given a connection
//   superd -> library   variables         "NAME=value", each ended by a NUL, and the connection
//                                         by SCM_RIGHTS; an end of file instead: it is to end
//   library -> superd   taken             said once the connection is on 0 and 1, before the
//                                         program can do anything with it
//
// `taken` is what decides who answers the client: as long as it has not been said nobody has
// seen the connection, and another handler may be started for it once this one is dead.
#pragma once

namespace superd {

inline constexpr char park_parked = 'P', park_unfit = 'N', park_taken = 'G';

// After park_unfit.
inline constexpr char park_replaced = 'r';  // 0 or 1 is something else by now
inline constexpr char park_copied = 'c';    // another number is a copy of it
inline constexpr char park_forked = 'f';    // it is a process that the program has forked

// The number of the library's end, above what programs take for themselves one by one.
inline constexpr unsigned park_number = 63;
// Variables named like this and numbered from 0 make room for those of the connection in the
// array that the kernel made; a program that frees what it finds there must find the same.
inline constexpr char park_variable[] = "SUPERD_PARK";
inline constexpr unsigned park_room = 32;
// Of one message.
inline constexpr unsigned park_most = 16384;

}  // namespace superd
