// SPDX-License-Identifier: MIT
// Short texts of superd.toml: what is accepted is read back from its own text, what is not is
// explained.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/address.h"
#include "base/text.h"
#include "base/units.h"
#include "config/address_spec.h"

using namespace superd;

namespace {

void must(bool holds) {
    if (!holds) std::abort();
}

void check_explained(std::string_view why) {
    must(!why.empty());
    for (const char c : why)
        must(static_cast<unsigned char>(c) >= 0x20 && c != '\x7f');
}

template <class Value, class Parse, class Format>
void check_value(std::string_view text, Parse parse, Format format) {
    const Parsed<Value> value = parse(text);
    if (!value) return check_explained(value.error());
    const Parsed<Value> again = parse(format(*value));
    must(again.has_value() && *again == *value);
}

void check_networks(std::string_view text) {
    std::string why;
    const auto network = Network::parse(text, &why);
    if (network) {
        must(Network::parse(network->text()) == network);
        must(network->contains(network->base));
    } else {
        check_explained(why);
    }
    if (const auto address = IpAddress::parse(text)) {
        must(IpAddress::parse(address->text()) == address);
    }
}

void check_listener(std::string_view text) {
    const auto spec = parse_address(text);
    if (!spec) return check_explained(spec.error().message);
    const auto again = parse_address(spec->text());
    must(again.has_value() && *again == *spec);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    check_networks(text);
    check_listener(text);
    check_value<Nanoseconds>(text, parse_duration, format_duration);
    check_value<std::uint64_t>(text, parse_size, format_size);
    check_value<Frequency>(text, parse_frequency, format_frequency);
    check_value<std::uint32_t>(text, parse_mode, format_mode);
    for (const char c : escape(text))
        must(static_cast<unsigned char>(c) >= 0x20 && c != '\x7f');
    return 0;
}
