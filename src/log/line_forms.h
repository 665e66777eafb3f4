// SPDX-License-Identifier: MIT
// The parts of a line, once as key=value and once as JSON members: the same code (format.cc)
// walks over an event for both. What they append to outlives them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "log/format.h"

namespace superd {

class TextLine {
public:
    TextLine(std::string& out, Wall time) : out_(out) { append_time(out_, time); }

    void service(std::string_view name);
    void event(std::string_view name, Level);
    void value(std::string_view key, std::string_view text);
    void connection(std::uint64_t number);
    void number(std::string_view key, std::int64_t number);
    void endpoint(std::string_view key, const Endpoint& endpoint);
    void duration(Nanoseconds duration);
    void failure(const FailEvent& event);
    void notice(const NoticeEvent& event);
    void end();

private:
    void begin(std::string_view key);
    void separated(const char* description, int error);

    std::string& out_;
};

class JsonLine {
public:
    JsonLine(std::string& out, Wall time);

    void service(std::string_view name);
    void event(std::string_view name, Level level);
    void value(std::string_view key, std::string_view text);
    void connection(std::uint64_t number);
    void number(std::string_view key, std::int64_t number);
    void endpoint(std::string_view key, const Endpoint& endpoint);
    void duration(Nanoseconds duration);
    void failure(const FailEvent& event);
    void notice(const NoticeEvent& event);
    void end();

private:
    std::string& out_;
};

}  // namespace superd
