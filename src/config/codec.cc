// SPDX-License-Identifier: MIT
// The form: a magic, a version, a fingerprint of all structs' fields (codec_types.h), then the
// fields in order (codec_bytes.h). A plan of another build fails by its fingerprint.
#include "config/codec.h"

#include <utility>

#include "config/codec_bytes.h"
#include "config/codec_types.h"
#include "config/config.h"
#include "config/exec_spec.h"

namespace superd {

namespace {

using codec::fingerprint;
using codec::Reader;
using codec::Writer;

constexpr std::string_view plan_magic = "SUPERDPL", result_magic = "SUPERDRR",
                           spec_magic = "SUPERDXS";
constexpr std::uint64_t version = 1;

constexpr std::uint64_t plan_fingerprint =
        fingerprint<ExecSpec>(fingerprint<Plan>(0xcbf29ce484222325u));

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
