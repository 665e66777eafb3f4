// SPDX-License-Identifier: MIT
// The form: a magic, a version, a fingerprint of all structs' fields, then the fields in order.
// Whole numbers are LEB128 (signed ones zigzag), text and lists are a count and their parts, an
// optional is a byte and its value. A plan of another build fails by its fingerprint.
#include "config/codec.h"

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <limits>
#include <memory>
#include <type_traits>

#include "config/config.h"
#include "config/exec_spec.h"

namespace superd {

namespace {

constexpr std::string_view plan_magic = "SUPERDPL", result_magic = "SUPERDRR",
                           spec_magic = "SUPERDXS";
constexpr std::uint64_t version = 1;

template <class T>
concept Structure = requires {
    T::fields();
};

template <class T>
struct IsVector : std::false_type {};

template <class T>
struct IsVector<std::vector<T>> : std::true_type {};

template <class T>
struct IsOptional : std::false_type {};

template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

template <class T>
struct IsShared : std::false_type {};

template <class T>
struct IsShared<std::shared_ptr<const T>> : std::true_type {};

// The last value of each enumeration: a byte beyond it is not one.
constexpr auto last_of(Mode) {
    return Mode::redirect;
}

constexpr auto last_of(Start) {
    return Start::manual;
}

constexpr auto last_of(OnLimit) {
    return OnLimit::refuse;
}

constexpr auto last_of(Pass) {
    return Pass::listen_fds;
}

constexpr auto last_of(OnStop) {
    return OnStop::end;
}

constexpr auto last_of(OutputKind) {
    return OutputKind::file;
}

constexpr auto last_of(ListenerKind) {
    return ListenerKind::vsock;
}

constexpr auto last_of(MatchKind) {
    return MatchKind::domain;
}

constexpr auto last_of(Ident) {
    return Ident::require;
}

constexpr auto last_of(Builtin) {
    return Builtin::sensor;
}

constexpr auto last_of(Tcpmux) {
    return Tcpmux::plus;
}

constexpr auto last_of(SendProxy) {
    return SendProxy::v2;
}

constexpr auto last_of(SinkKind) {
    return SinkKind::journal;
}

constexpr auto last_of(LogFormat) {
    return LogFormat::xinetd;
}

constexpr auto last_of(BrokenFile) {
    return BrokenFile::refuse;
}

constexpr auto last_of(Severity) {
    return Severity::error;
}

// ---- the fingerprint: names and sizes of all fields, in order

constexpr std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
    return (hash ^ value) * 0x100000001b3u;  // FNV-1a
}

template <class T>
constexpr std::uint64_t fingerprint(std::uint64_t hash) {
    if constexpr (Structure<T>) {
        std::apply(
                [&]<class... F>(const F&... field) {
                    const auto one = [&]<class S, class M>(const Field<S, M>& f) {
                        for (const char c : f.name)
                            hash = mix(hash, static_cast<unsigned char>(c));
                        hash = fingerprint<M>(hash);
                    };
                    (one(field), ...);
                },
                T::fields());
        return mix(hash, 1);
    } else if constexpr (IsVector<T>::value || IsOptional<T>::value) {
        return fingerprint<typename T::value_type>(mix(hash, IsVector<T>::value ? 2 : 3));
    } else if constexpr (IsShared<T>::value) {
        return fingerprint<std::remove_const_t<typename T::element_type>>(mix(hash, 4));
    } else if constexpr (std::is_enum_v<T>) {
        return mix(mix(hash, 5), static_cast<std::uint64_t>(last_of(T{})));
    } else {
        return mix(mix(hash, 6), sizeof(T) + (std::is_signed_v<T> ? 64 : 0));
    }
}

constexpr std::uint64_t plan_fingerprint =
        fingerprint<ExecSpec>(fingerprint<Plan>(0xcbf29ce484222325u));

// ---- writing

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

// ---- reading: every get() says whether there was such a value; after a false nothing is read

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

void put_header(Writer& writer, std::string_view magic) {
    writer.raw(magic);
    writer.number(version);
    writer.number(plan_fingerprint);
}

bool get_header(Reader& reader, std::string_view magic) {
    std::uint64_t number = 0, print = 0;
    return reader.raw(magic) && reader.number(number) && number == version &&
           reader.number(print) && print == plan_fingerprint;
}

void put_diagnostic(Writer& writer, const Diagnostic& diagnostic) {
    writer.put(diagnostic.severity);
    writer.put(diagnostic.at);
    writer.put(diagnostic.message);
    writer.put(diagnostic.suggestion);
    writer.put(diagnostic.source_line);
    writer.put(diagnostic.other);
}

bool get_diagnostic(Reader& reader, Diagnostic& diagnostic) {
    return reader.get(diagnostic.severity) && reader.get(diagnostic.at) &&
           reader.get(diagnostic.message) && reader.get(diagnostic.suggestion) &&
           reader.get(diagnostic.source_line) && reader.get(diagnostic.other);
}

bool get_diagnostics(Reader& reader, Diagnostics& diagnostics) {
    std::uint64_t size = 0;
    if (!reader.count(size)) return false;
    for (std::uint64_t i = 0; i < size; ++i) {
        Diagnostic diagnostic;
        if (!get_diagnostic(reader, diagnostic)) return false;
        diagnostics.add(std::move(diagnostic));
    }
    return true;
}

}  // namespace

std::string encode_plan(const Plan& plan) {
    Writer writer;
    put_header(writer, plan_magic);
    writer.put(plan);
    return writer.take();
}

std::optional<Plan> decode_plan(std::span<const char> bytes) {
    Reader reader(bytes);
    Plan plan;
    if (!get_header(reader, plan_magic) || !reader.get(plan) || !reader.at_end())
        return std::nullopt;
    return plan;
}

std::string encode_exec_spec(const ExecSpec& spec) {
    Writer writer;
    put_header(writer, spec_magic);
    writer.put(spec);
    return writer.take();
}

std::optional<ExecSpec> decode_exec_spec(std::span<const char> bytes) {
    Reader reader(bytes);
    ExecSpec spec;
    if (!get_header(reader, spec_magic) || !reader.get(spec) || !reader.at_end())
        return std::nullopt;
    return spec;
}

std::string encode_read_result(const ReadResult& result) {
    Writer writer;
    put_header(writer, result_magic);
    writer.put(result.plan ? encode_plan(*result.plan) : std::string());
    writer.number(result.diagnostics.all().size());
    for (const Diagnostic& diagnostic : result.diagnostics.all())
        put_diagnostic(writer, diagnostic);
    writer.put(result.files);
    return writer.take();
}

std::optional<ReadResult> decode_read_result(std::span<const char> bytes) {
    Reader reader(bytes);
    ReadResult result;
    const bool good = get_header(reader, result_magic) && reader.get(result.encoded) &&
                      get_diagnostics(reader, result.diagnostics) && reader.get(result.files) &&
                      reader.at_end();
    if (!good) return std::nullopt;
    if (result.encoded.empty()) return result;
    result.plan = decode_plan(result.encoded);
    if (!result.plan) return std::nullopt;
    return result;
}

}  // namespace superd
