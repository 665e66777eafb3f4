// SPDX-License-Identifier: MIT
// superd-resolve, played by the test: it is started when asked, and its questions are read
// here.
#pragma once

#include <optional>
#include <utility>

#include "engine/resolver.h"

#include "support/catch.h"
#include "support/turning.h"

namespace superd::test {

struct AskedProgram {
    explicit AskedProgram(const Resolver::Limits& limits = {})
            : resolver(
                      loop,
                      [this](Fd channel) {
                          ++started;
                          if (refuse_start) return false;
                          program = std::move(channel);
                          return true;
                      },
                      limits) {}

    template <class Condition>
    bool turn_until(Condition condition) {
        return test::turn_until(loop, condition);
    }

    // The next question that reached the program.
    Query next() {
        std::optional<Query> query;
        REQUIRE(turn_until([&] {
            const auto packet =
                    program ? receive_resolve_packet(program.get()) : Result<std::string>("");
            if (packet) query = decode_query(*packet);
            return query.has_value();
        }));
        return *query;
    }

    void say(const Answer& answer) const {
        REQUIRE(send_resolve_packet(program.get(), encode_answer(answer).value()));
    }

    Loop loop;
    Fd program;
    int started = 0;
    bool refuse_start = false;
    Resolver resolver;
};

}  // namespace superd::test
