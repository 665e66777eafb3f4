// SPDX-License-Identifier: MIT
// The names in certificates.
#include <algorithm>

#include <openssl/x509v3.h>

#include "tls/context_parts.h"

namespace superd {

namespace {

struct Name {
    int kind = 0;  // GEN_DNS, GEN_EMAIL or GEN_URI
    std::string text;
};

std::string lower(std::string text) {
    for (char& c : text)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return text;
}

std::string text_of(const ASN1_STRING* text) {
    return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
            static_cast<std::size_t>(ASN1_STRING_length(text))};
}

// One with a NUL in it is somebody's trick and no name.
std::vector<Name> alternative_names(const X509* certificate) {
    auto* names = static_cast<GENERAL_NAMES*>(
            X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
    std::vector<Name> found;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS && name->type != GEN_EMAIL && name->type != GEN_URI) continue;
        std::string text = text_of(name->d.ia5);
        if (text.find('\0') == std::string::npos)
            found.push_back({name->type, std::move(text)});
    }
    GENERAL_NAMES_free(names);
    return found;
}

std::string common_name(const X509* certificate) {
    const X509_NAME* subject = X509_get_subject_name(certificate);
    const int place = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (place < 0) return {};
    unsigned char* bytes = nullptr;
    const int size = ASN1_STRING_to_UTF8(
            &bytes, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, place)));
    std::string text;
    if (size > 0) text.assign(reinterpret_cast<char*>(bytes), static_cast<std::size_t>(size));
    OPENSSL_free(bytes);
    return text.find('\0') == std::string::npos ? text : std::string();
}

// "*.example.org" is any one word before the dot.
bool matches_host(const std::string& rule, const std::string& name) {
    if (!rule.starts_with("*.")) return rule == name;
    const auto dot = name.find('.');
    return dot != std::string::npos && dot > 0 && name.substr(dot) == rule.substr(1);
}

}  // namespace

std::vector<std::string> server_names(const X509* certificate) {
    std::vector<std::string> names;
    for (Name& name : alternative_names(certificate))
        if (name.kind == GEN_DNS) names.push_back(lower(std::move(name.text)));
    if (names.empty())
        if (std::string name = common_name(certificate); !name.empty())
            names.push_back(lower(std::move(name)));
    return names;
}

bool has_client_name(const X509* certificate, const std::vector<std::string>& names) {
    std::vector<Name> own = alternative_names(certificate);
    if (own.empty()) own.push_back({0, common_name(certificate)});
    return std::any_of(own.begin(), own.end(), [&](const Name& name) {
        return std::any_of(names.begin(), names.end(), [&](const std::string& rule) {
            return name.kind == GEN_DNS ? matches_host(lower(rule), lower(name.text))
                                        : !name.text.empty() && rule == name.text;
        });
    });
}

}  // namespace superd
