// SPDX-License-Identifier: MIT
// A place that an admitted connection holds, given back exactly once.
#pragma once

#include <cstdint>
#include <utility>

namespace superd {

inline constexpr std::uint32_t no_source = ~std::uint32_t{0};

// Who keeps the counts: of connections in the service and of its source (index in the source
// table; no_source: not counted).
class TicketOffice {
public:
    virtual ~TicketOffice() = default;
    virtual void take(std::uint32_t service, std::uint32_t source) = 0;
    virtual void give_back(std::uint32_t service, std::uint32_t source) = 0;
};

// Move-only. Counts on construction, gives back on destruction; the office outlives it.
class Ticket {
public:
    Ticket() = default;

    Ticket(TicketOffice& office, std::uint32_t service, std::uint32_t source)
            : office_(&office), service_(service), source_(source) {
        office.take(service, source);
    }

    Ticket(Ticket&& other) noexcept
            : office_(std::exchange(other.office_, nullptr)),
              service_(other.service_),
              source_(other.source_) {}

    Ticket& operator=(Ticket&& other) noexcept {
        if (this != &other) {
            reset();
            office_ = std::exchange(other.office_, nullptr);
            service_ = other.service_;
            source_ = other.source_;
        }
        return *this;
    }

    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;

    ~Ticket() { reset(); }

    explicit operator bool() const { return office_ != nullptr; }

    [[nodiscard]] std::uint32_t service() const { return service_; }

    [[nodiscard]] std::uint32_t source() const { return source_; }

    void reset() {
        if (auto* office = std::exchange(office_, nullptr))
            office->give_back(service_, source_);
    }

private:
    TicketOffice* office_ = nullptr;
    std::uint32_t service_ = 0, source_ = no_source;
};

}  // namespace superd
