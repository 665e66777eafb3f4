// SPDX-License-Identifier: MIT
#include "relay/profiles.h"

#include <cstring>

#include "tls/remote_key.h"

namespace superd {

namespace {

void wipe(std::string& secret) {
    ::explicit_bzero(secret.data(), secret.size());
}

}  // namespace

void TlsProfiles::take_channel(Fd channel) {
    channel_ = std::make_shared<const KeyChannel>(std::move(channel));
}

void TlsProfiles::take_tickets(std::vector<std::string> keys) {
    for (std::string& key : tickets_->keys)
        wipe(key);
    tickets_->keys = std::move(keys);
}

void TlsProfiles::take(
        std::uint32_t number, std::uint32_t first_key, const std::vector<Fd>& descriptors) {
    Known& known = known_[number];
    known = {};
    const auto bytes = read_tls_file(descriptors.front().get(), "profile");
    const auto material = bytes ? decode_tls_material(*bytes) : std::nullopt;
    if (!material) {
        known.error = "the profile cannot be read";
        return;
    }
    TlsContext::Keys keys{.pem = {}, .channel = {}, .first = first_key};
    if (descriptors.size() == 1) keys.channel = channel_;
    for (std::size_t i = 1; i < descriptors.size(); ++i)
        keys.pem.push_back(read_tls_file(descriptors[i].get(), "key").value_or(""));
    known.context = TlsContext::make(*material, keys, known.error, tickets_);
    for (std::string& key : keys.pem)
        wipe(key);
}

std::shared_ptr<const TlsContext> TlsProfiles::find(
        std::uint32_t number, std::string& error) const {
    const auto found = known_.find(number);
    if (found == known_.end()) {
        error = "there is no such profile";
        return nullptr;
    }
    if (!found->second.context) error = "the profile cannot be used: " + found->second.error;
    return found->second.context;
}

}  // namespace superd
