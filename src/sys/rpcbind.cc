// SPDX-License-Identifier: MIT
// rpcbind through libtirpc, which is used nowhere else.
//
// Its own rpcb_set(3) does the same, but waits for minutes, says only yes or no, and opens a
// connection for each of three lookups.
#include "sys/rpcbind.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <rpc/rpc.h>
#include <rpc/rpcb_prot.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"

namespace superd {

namespace {

constexpr timeval call_timeout{.tv_sec = 5, .tv_usec = 0};
// No real rpcbind lists so many.
constexpr std::size_t most_listed = 65536;

int errno_of(CLIENT* client) {
    rpc_err error{};
    clnt_geterr(client, &error);
    if (error.re_status == RPC_TIMEDOUT) return ETIMEDOUT;
    const bool has_errno = error.re_status == RPC_CANTSEND || error.re_status == RPC_CANTRECV;
    return has_errno && error.re_errno > 0 ? error.re_errno : EPROTO;
}

// What xdr fills in is freed by xdr.
struct Listing {
    rpcblist_ptr first = nullptr;
    Listing() = default;
    Listing(const Listing&) = delete;
    Listing& operator=(const Listing&) = delete;

    ~Listing() {
        xdr_free(
                reinterpret_cast<xdrproc_t>(xdr_rpcblist_ptr), reinterpret_cast<char*>(&first));
    }
};

// xdr_void(3) is not of the type that clnt_call(3) wants.
bool_t no_arguments(XDR*, ...) {
    return 1;
}

std::string text_of(const char* text) {
    return text == nullptr ? "" : text;
}

class TirpcTalk final : public RpcbindTalk {
public:
    explicit TirpcTalk(CLIENT* client) : client_(client) {}

    TirpcTalk(const TirpcTalk&) = delete;
    TirpcTalk& operator=(const TirpcTalk&) = delete;

    ~TirpcTalk() override { clnt_destroy(client_); }

    Result<std::vector<RpcEntry>> list() override {
        Listing listing;
        const clnt_stat status = clnt_call(client_, RPCBPROC_DUMP, no_arguments, nullptr,
                reinterpret_cast<xdrproc_t>(xdr_rpcblist_ptr), &listing.first, call_timeout);
        if (status != RPC_SUCCESS) return fail(errno_of(client_), "RPCBPROC_DUMP");
        std::vector<RpcEntry> entries;
        for (rpcblist_ptr one = listing.first; one != nullptr && entries.size() < most_listed;
                one = one->rpcb_next) {
            const RPCB& map = one->rpcb_map;
            entries.push_back(
                    {{static_cast<std::uint32_t>(map.r_prog),
                             static_cast<std::uint32_t>(map.r_vers), text_of(map.r_netid)},
                            text_of(map.r_addr), text_of(map.r_owner)});
        }
        return entries;
    }

    Result<bool> set(const RpcEntry& entry) override {
        return change(RPCBPROC_SET, entry.key, entry.address, "RPCBPROC_SET");
    }

    Result<bool> unset(const RpcKey& key) override {
        return change(RPCBPROC_UNSET, key, "", "RPCBPROC_UNSET");
    }

private:
    Result<bool> change(rpcproc_t procedure, const RpcKey& key, std::string address,
            const char* operation) {
        std::string netid = key.netid;
        std::string owner;  // rpcbind asks the socket who it is
        RPCB map{key.program, key.version, netid.data(), address.data(), owner.data()};
        bool_t done = 0;
        const clnt_stat status =
                clnt_call(client_, procedure, reinterpret_cast<xdrproc_t>(xdr_rpcb), &map,
                        reinterpret_cast<xdrproc_t>(xdr_bool), &done, call_timeout);
        if (status != RPC_SUCCESS) return fail(errno_of(client_), operation);
        return done != 0;
    }

    CLIENT* client_;
};

}  // namespace

Result<std::unique_ptr<RpcbindTalk>> connect_rpcbind(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return fail(ENAMETOOLONG, "connect", path);
    std::copy(path.begin(), path.end(), address.sun_path);
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) return fail("socket", path);
    // A queue that is full makes connect(2) wait for as long as one may send.
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &call_timeout, sizeof call_timeout);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return fail("connect", path);
    netbuf server{sizeof address, sizeof address, &address};
    CLIENT* client = clnt_vc_create(fd.get(), &server, RPCBPROG, RPCBVERS4, 0, 0);
    if (client == nullptr) return fail(EPROTO, "clnt_vc_create", path);
    clnt_control(client, CLSET_FD_CLOSE, nullptr);
    static_cast<void>(fd.release());
    return std::make_unique<TirpcTalk>(client);
}

}  // namespace superd
