// SPDX-License-Identifier: MIT
// Inside the codec: values as bytes and back. Whole numbers are LEB128 (signed ones zigzag),
// text and lists are a count and their parts, an optional is a byte and its value.
#pragma once

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

#include "config/codec_types.h"

namespace superd::codec {

class Writer {
public:
    void raw(std::string_view bytes) {
        reserve(bytes.size());
        std::copy(
                bytes.begin(), bytes.end(), out_.begin() + static_cast<std::ptrdiff_t>(size_));
        size_ += bytes.size();
    }

    void number(std::uint64_t value) {
        reserve(longest_number);
        while (value >= 0x80) {
            out_[size_++] = static_cast<char>(value | 0x80);
            value >>= 7;
        }
        out_[size_++] = static_cast<char>(value);
    }

    void put(bool value) { number(value ? 1 : 0); }

    void put(const std::string& text) {
        number(text.size());
        raw(text);
    }

    void put(double value) { number(std::bit_cast<std::uint64_t>(value)); }

    void put(Nanoseconds value) { put(static_cast<std::int64_t>(value.count())); }

    void put(const IpAddress& ip) {
        reserve(ip.bytes.size());
        for (const std::uint8_t byte : ip.bytes)
            out_[size_++] = static_cast<char>(byte);
    }

    void put(const Network& network) {
        put(network.base);
        number(network.bits);
    }

    void put(const Frequency& frequency) {
        number(frequency.count);
        put(frequency.period);
    }

    template <std::unsigned_integral T>
    void put(T value) {
        number(value);
    }

    template <std::signed_integral T>
    void put(T value) {
        const auto wide = static_cast<std::int64_t>(value);
        number((static_cast<std::uint64_t>(wide) << 1) ^
                static_cast<std::uint64_t>(wide >> 63));
    }
    template <class T>
    requires std::is_enum_v<T>

    void put(T value) { number(static_cast<std::uint64_t>(value)); }

    template <class T>
    void put(const std::vector<T>& list) {
        number(list.size());
        for (const T& item : list)
            put(item);
    }

    template <class T>
    void put(const std::optional<T>& value) {
        put(value.has_value());
        if (value) put(*value);
    }

    template <class T>
    void put(const std::shared_ptr<const T>& value) {
        put(*value);
    }

    template <Structure T>
    void put(const T& value) {
        std::apply([&](const auto&... field) { (put(value.*field.member), ...); }, T::fields());
    }

    void put(const Position& at) {
        put(at.file);
        put(at.line);
        put(at.column);
    }

    std::string take() {
        out_.resize(size_);
        return std::move(out_);
    }

private:
    static constexpr std::size_t longest_number = 10;

    // Thousands of services are some hundred thousand small numbers: room is made for several
    // at once, where a string would be asked for it byte by byte.
    void reserve(std::size_t more) {
        if (out_.size() - size_ < more) out_.resize(2 * out_.size() + more + 4096);
    }

    std::string out_;       // longer than what is written
    std::size_t size_ = 0;  // of what is written
};

// Every get() says whether there was such a value; after a false nothing is read.
class Reader {
public:
    explicit Reader(std::span<const char> bytes) : rest_(bytes.data(), bytes.size()) {}

    bool at_end() const { return rest_.empty(); }

    bool raw(std::string_view expected) {
        if (!rest_.starts_with(expected)) return false;
        rest_.remove_prefix(expected.size());
        return true;
    }

    bool number(std::uint64_t& value) {
        value = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            if (rest_.empty()) return false;
            const auto byte = static_cast<unsigned char>(rest_.front());
            rest_.remove_prefix(1);
            if (shift == 63 && byte > 1) return false;
            value |= static_cast<std::uint64_t>(byte & 0x7fu) << shift;
            if (byte < 0x80) return true;
        }
        return false;
    }

    bool get(bool& value) {
        std::uint64_t byte = 0;
        if (!number(byte) || byte > 1) return false;
        value = byte == 1;
        return true;
    }

    bool get(std::string& text) {
        std::uint64_t size = 0;
        if (!count(size)) return false;
        text.assign(rest_.substr(0, size));
        rest_.remove_prefix(size);
        return true;
    }

    bool get(double& value) {
        std::uint64_t bits = 0;
        if (!number(bits)) return false;
        value = std::bit_cast<double>(bits);
        return true;
    }

    bool get(Nanoseconds& value) {
        std::int64_t ns = 0;
        if (!get(ns)) return false;
        value = Nanoseconds(ns);
        return true;
    }

    bool get(IpAddress& ip) {
        if (rest_.size() < ip.bytes.size()) return false;
        for (std::size_t i = 0; i < ip.bytes.size(); ++i)
            ip.bytes[i] = static_cast<std::uint8_t>(rest_[i]);
        rest_.remove_prefix(ip.bytes.size());
        return true;
    }

    bool get(Network& network) {
        return get(network.base) && get(network.bits) && network.bits <= 128;
    }

    bool get(Frequency& frequency) { return get(frequency.count) && get(frequency.period); }

    template <std::unsigned_integral T>
    bool get(T& value) {
        std::uint64_t wide = 0;
        if (!number(wide) || wide > std::numeric_limits<T>::max()) return false;
        value = static_cast<T>(wide);
        return true;
    }

    template <std::signed_integral T>
    bool get(T& value) {
        std::uint64_t zigzag = 0;
        if (!number(zigzag)) return false;
        const auto wide = static_cast<std::int64_t>((zigzag >> 1) ^ (~(zigzag & 1) + 1));
        if (wide < std::numeric_limits<T>::min() || wide > std::numeric_limits<T>::max())
            return false;
        value = static_cast<T>(wide);
        return true;
    }
    template <class T>
    requires std::is_enum_v<T>

    bool get(T& value) {
        std::uint64_t wide = 0;
        if (!number(wide) || wide > static_cast<std::uint64_t>(last_of(T{}))) return false;
        value = static_cast<T>(wide);
        return true;
    }

    template <class T>
    bool get(std::vector<T>& list) {
        std::uint64_t size = 0;
        if (!count(size)) return false;
        list.clear();
        for (std::uint64_t i = 0; i < size; ++i)
            if (!get(list.emplace_back())) return false;
        return true;
    }

    template <class T>
    bool get(std::optional<T>& value) {
        bool there = false;
        value.reset();
        if (!get(there)) return false;
        return !there || get(value.emplace());
    }

    template <class T>
    bool get(std::shared_ptr<const T>& value) {
        auto made = std::make_shared<T>();
        if (!get(*made)) return false;
        value = std::move(made);
        return true;
    }

    template <Structure T>
    bool get(T& value) {
        return std::apply(
                [&](const auto&... field) { return (get(value.*field.member) && ...); },
                T::fields());
    }

    bool get(Position& at) { return get(at.file) && get(at.line) && get(at.column); }

    // A count of things that take at least a byte each.
    bool count(std::uint64_t& size) { return number(size) && size <= rest_.size(); }

private:
    std::string_view rest_;
};

}  // namespace superd::codec
