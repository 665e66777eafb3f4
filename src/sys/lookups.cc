// SPDX-License-Identifier: MIT
// Names and addresses from the C library, in threads.
#include "sys/lookups.h"

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

#include <netdb.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/host_name.h"

namespace superd {

namespace {

constexpr std::size_t thread_stack = 512 * 1024;

SocketAddress socket_address(const IpAddress& ip, std::uint32_t scope) {
    SocketAddress address;
    if (ip.is_v4()) {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        std::memcpy(&v4.sin_addr, ip.bytes.data() + 12, sizeof v4.sin_addr);
        std::memcpy(&address.storage, &v4, sizeof v4);
        address.length = sizeof v4;
    } else {
        sockaddr_in6 v6{};
        v6.sin6_family = AF_INET6;
        v6.sin6_scope_id = scope;
        std::memcpy(&v6.sin6_addr, ip.bytes.data(), sizeof v6.sin6_addr);
        std::memcpy(&address.storage, &v6, sizeof v6);
        address.length = sizeof v6;
    }
    return address;
}

struct Addresses {
    int error = 0;  // EAI_*
    std::vector<IpAddress> list;
};

Addresses addresses_of(const std::string& name, int family) {
    addrinfo hints{};
    hints.ai_family = family;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* first = nullptr;
    Addresses found;
    found.error = ::getaddrinfo(name.c_str(), nullptr, &hints, &first);
    if (found.error != 0) return found;
    for (const addrinfo* one = first; one != nullptr; one = one->ai_next) {
        const Endpoint end = Endpoint::from(one->ai_addr, one->ai_addrlen);
        const bool known =
                std::find(found.list.begin(), found.list.end(), end.ip) != found.list.end();
        if (end.family == Family::ip && !known) found.list.push_back(end.ip);
    }
    ::freeaddrinfo(first);
    return found;
}

bool means_none(int error) {
    return error == EAI_NONAME || error == EAI_NODATA;
}

NameAnswer look_up_name(const NameQuery& query) {
    const SocketAddress address = socket_address(query.address, query.scope);
    char host[NI_MAXHOST] = "";
    const int error = ::getnameinfo(
            address.get(), address.length, host, sizeof host, nullptr, 0, NI_NAMEREQD);
    if (error != 0)
        return {query.id, means_none(error) ? NameStatus::none : NameStatus::failed, {}};
    // Anybody may write any name for an address of their own: it counts when whoever owns the
    // name says so too. What is no name at all is as good as none.
    const auto name = parse_host_name(host);
    if (!name) return {query.id, NameStatus::none, {}};
    const Addresses own = addresses_of(*name, query.address.is_v4() ? AF_INET : AF_INET6);
    if (own.error != 0 && !means_none(own.error)) return {query.id, NameStatus::failed, {}};
    const bool confirmed =
            std::find(own.list.begin(), own.list.end(), query.address) != own.list.end();
    return {query.id, confirmed ? NameStatus::confirmed : NameStatus::unconfirmed, *name};
}

AddressAnswer look_up_addresses(const AddressQuery& query) {
    Addresses found = addresses_of(query.name, AF_UNSPEC);
    if (found.list.size() > resolved_address_limit) found.list.resize(resolved_address_limit);
    return {query.id, found.error != 0 && !means_none(found.error), std::move(found.list)};
}

}  // namespace

Answer failed_answer(const Query& query) {
    struct Visitor {
        Answer operator()(const NameQuery& name) const { return NameAnswer{.id = name.id}; }

        Answer operator()(const IdentQuery& ident) const { return IdentAnswer{.id = ident.id}; }

        Answer operator()(const HttpQuery& visit) const {
            return HttpAnswer{.id = visit.id, .status = 0, .error = ETIMEDOUT};
        }

        Answer operator()(const AddressQuery& address) const {
            return AddressAnswer{.id = address.id, .failed = true};
        }
    };

    return std::visit(Visitor{}, query);
}

Answer look_up(const Query& query) {
    if (const auto* name = std::get_if<NameQuery>(&query)) return look_up_name(*name);
    if (const auto* address = std::get_if<AddressQuery>(&query))
        return look_up_addresses(*address);
    return failed_answer(query);
}

struct LookupPool::Shared {
    struct Work {
        Query query;
        Mono deadline;
    };

    Shared(Limits wanted, Look function)
            : limits(wanted),
              look(std::move(function)),
              event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

    void work() {
        std::unique_lock lock(mutex);
        for (;;) {
            ++idle;
            wake.wait(lock, [this] { return ending || !queue.empty(); });
            --idle;
            if (ending) return;
            const Work one = std::move(queue.front());
            queue.pop_front();
            lock.unlock();
            const bool late = SystemClock().now() >= one.deadline;
            Answer answer = late ? failed_answer(one.query) : look(one.query);
            lock.lock();
            answers.push_back(std::move(answer));
            const std::uint64_t count = 1;
            (void)!::write(event.get(), &count, sizeof count);
        }
    }

    const Limits limits;
    const Look look;
    Fd event;
    std::mutex mutex;
    std::condition_variable wake;
    std::deque<Work> queue;
    std::vector<Answer> answers;
    std::vector<pthread_t> threads;
    unsigned idle = 0;
    bool ending = false;
};

LookupPool::LookupPool(Limits limits, Look look)
        : shared_(std::make_unique<Shared>(limits, std::move(look))) {}

LookupPool::~LookupPool() {
    {
        const std::scoped_lock lock(shared_->mutex);
        shared_->ending = true;
        shared_->wake.notify_all();
    }
    for (const pthread_t thread : shared_->threads)
        ::pthread_join(thread, nullptr);
}

bool LookupPool::submit(Query query, Mono deadline) {
    Shared& shared = *shared_;
    const std::scoped_lock lock(shared.mutex);
    if (shared.queue.size() >= shared.limits.waiting) return false;
    if (shared.idle <= shared.queue.size() && shared.threads.size() < shared.limits.threads) {
        pthread_attr_t attributes;
        ::pthread_attr_init(&attributes);
        ::pthread_attr_setstacksize(&attributes, thread_stack);
        pthread_t thread{};
        const auto body = [](void* self) -> void* {
            static_cast<Shared*>(self)->work();
            return nullptr;
        };
        if (::pthread_create(&thread, &attributes, body, &shared) == 0)
            shared.threads.push_back(thread);
        ::pthread_attr_destroy(&attributes);
        if (shared.threads.empty()) return false;
    }
    shared.queue.push_back({std::move(query), deadline});
    shared.wake.notify_one();
    return true;
}

int LookupPool::event_fd() const {
    return shared_->event.get();
}

void LookupPool::drain(std::vector<Answer>& out) {
    std::uint64_t count = 0;
    (void)!::read(shared_->event.get(), &count, sizeof count);
    const std::scoped_lock lock(shared_->mutex);
    std::move(shared_->answers.begin(), shared_->answers.end(), std::back_inserter(out));
    shared_->answers.clear();
}

}  // namespace superd
