// SPDX-License-Identifier: MIT
// superd-key signs what a TLS server signs, and nothing else.
#include <array>
#include <cstring>
#include <numeric>
#include <sys/socket.h>
#include <thread>
#include <vector>

#include "tls/key_server.h"
#include "tls/remote_key.h"

#include "support/catch.h"

using namespace superd;

namespace {

// Made for this test with openssl genpkey.
const char* const ec_key = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgIXD9V2KLZDJPfhXW
klAPZ/xqlpFQIlgZcXDVOijcTL+hRANCAATjxxNyoen3HFG9yVV7Z3gcy+wN6DBp
rmt4KAHJDSPoa+XPWYmkgFofjz7NqryEa0gmPCQAGuk80LtB1nCHwtJS
-----END PRIVATE KEY-----
)";
const char* const rsa_key = R"(-----BEGIN PRIVATE KEY-----
MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQCrdIXfdqvMoEmR
+HlW6XuHqQPiQfuZtVQAFJJone7TGgla+QMwqwoR9dmGIwLb0yiqX25G6Zl4f8QQ
AqlQjC1EDwadfovdavFgN58qnYBtWzJf0/IROj3aslQy+yxLBfNlZQTei7DE+0rV
cOp4BIlQPDorXWWC14MnnNc8kcUR28vq6gliIB+sYeJX+wPj8hGykr4fIyBgWRVk
H5goIP/YEOnxbEAKP6u9Fl58b/DbDMZjCb+4xRbpuWrFnSypn7ajwxyewYT41ZPb
OMuilW1oNRiVZmAiJioar8JX/Q4k7E39jaUwMyff9E4a2kA68vWG03TURHIeMlfL
rqy2jy7BAgMBAAECggEAD8ja+E8zEtQg4czn0t4M7tjbEC317Vk5wgYi0nnTvmCT
wunQ5t6gPzYMkCJSBY3jnQfLHcEszWCp2rV8A/vbwPvHJqG7W6eYUDzerOwyIh82
vIbFLtvXTPaE9OqV0dRa65dIwvpGTGQ8J/lMxL7aK2ZYDpz7FvgjTXbNg/iBlZqp
ieJcJaD8moe723z0LWp4v5zGWCamA3+dE96R313w/pbZOtEgO9f+1vApEe6mRdk0
kY1SScQvzkGdWsTrWL8HguwPEPhY2KPjVaECBqldkRWsqWO6UUKXaT+fkoIqzBgo
3Yo49I+ZiIPzYqcv46Kldm0C2VuMBW3sd4AtqGQyPwKBgQDZSCLzckWePwzOt1iv
G17H/w2SMvItXnjLRz5/MiLa3bB/y4oxl5MSqYeYDnEA9qn3KIwJnYGhUCt7KYSu
we8aodqOsGH+AS1F8FnhCYO68fJRQ/xTmJs7h2ByzxfhZHljkuHQg1gXuwCd/RBa
+W/uaRrbUVtQcHhQFN13XwKk8wKBgQDKAeNn/x9hZFKptp7ol9ajX3yv/Qk/zIlZ
AaIUO5ByurI6FtkJt+N+ihXUJtpgCLpd6Kt/9l80lCB2ZJCQKf3c8sIMxhGMkZUr
a90rkmmJy45ALS8Vgv29V6xd5EHvPRwAAUWeHqZnWpV0pYoknG/zkvoUDdnyZEMK
TjjAYaHaewKBgQDPzm0W9khdA6IlJjdcKcopbua016LE/2B50iaUkgfB2VqPrsP5
kCTqKVd0dwNez4pYxt+/5nLvK/SZ82hhlzst9nRIGatuugNpq2jakDX7mqCNVn9C
GGcGtP/qbeRB/c0XDYiI2sVq1L/PWhPFXmDN3JoB/bpeoWJ//KSfITAvPwKBgQCZ
a6G45EyC/VzCxI4f/OHpJqZeSwFxUPinftQIJczpNd4SvDOOa/j9rAY0IGYONdLF
a+aEwys/lZiqEmqw8xN5cW3roarGZfMzDTLm2sYI/25EU4zE+72WxjWFAc0J1BGl
91FWa9TZ/jQwaWFnuOBVz7Ta8kIrE/bOpuX3Rq9UbQKBgGCFcjGuqsSKlYF5gJtY
DJzSxs0ib4Lg7yNwpq5Q19NIT8b/VUtBMK/4q9NGzfIu/Mih+GA95IElee/uHYXG
NX8leA8gkJE1b0ApSKUNgoEsebSDnxTbz5d5X7O70LcPjAoScWWZuv7NEfwWCoeW
Pf7yiG+MDLstLAozVzlMdG9d
-----END PRIVATE KEY-----
)";

std::vector<unsigned char> question(
        std::uint32_t number, KeyOperation operation, const std::vector<unsigned char>& data) {
    KeyQuestion asked;
    asked.number = number;
    asked.operation = operation;
    asked.size = static_cast<std::uint32_t>(data.size());
    std::copy(data.begin(), data.end(), asked.data);
    std::vector<unsigned char> packet(key_question_head + data.size());
    std::memcpy(packet.data(), &asked, packet.size());
    return packet;
}

std::vector<unsigned char> digest(std::size_t size) {
    std::vector<unsigned char> bytes(size);
    std::iota(bytes.begin(), bytes.end(), std::uint8_t{1});
    return bytes;
}

// SHA-256's, as RFC 8017 has it.
std::vector<unsigned char> digest_info() {
    std::vector<unsigned char> bytes{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
            0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
    const auto rest = digest(32);
    bytes.insert(bytes.end(), rest.begin(), rest.end());
    return bytes;
}


}  // namespace

TEST_CASE("key server: signs digests with ECDSA, of the sizes of SHA-2") {
    KeyServer keys{Fd()};
    REQUIRE(keys.hold(7, ec_key));
    CHECK(keys.answer(question(7, KeyOperation::ecdsa, digest(32))).size > 60);
    CHECK(keys.answer(question(7, KeyOperation::ecdsa, digest(48))).size > 60);
    CHECK(keys.answer(question(7, KeyOperation::ecdsa, digest(33))).size == 0);
    CHECK(keys.answer(question(8, KeyOperation::ecdsa, digest(32))).size == 0);
    CHECK(keys.answer(question(7, KeyOperation::rsa_pkcs1, digest_info())).size == 0);
    CHECK(keys.answer(question(7, KeyOperation::rsa_pss, digest(256))).size == 0);
}

TEST_CASE("key server: deciphers nothing with RSA and signs nothing that is no digest") {
    KeyServer keys{Fd()};
    REQUIRE(keys.hold(1, rsa_key));
    CHECK(keys.answer(question(1, KeyOperation::rsa_pkcs1, digest_info())).size == 256);
    auto other = digest_info();
    other[14] = 9;  // of no hash
    CHECK(keys.answer(question(1, KeyOperation::rsa_pkcs1, other)).size == 0);
    CHECK(keys.answer(question(1, KeyOperation::rsa_pkcs1, digest(51))).size == 0);
    auto block = digest(256);
    CHECK(keys.answer(question(1, KeyOperation::rsa_pss, block)).size == 0);
    block.back() = 0xbc;
    block.front() = 0;
    CHECK(keys.answer(question(1, KeyOperation::rsa_pss, block)).size == 0);
    CHECK(keys.answer(question(1, KeyOperation{0}, digest_info())).size == 0);
    CHECK(keys.answer(question(1, KeyOperation{9}, digest_info())).size == 0);
}

TEST_CASE("key server: a packet of another size is not answered") {
    KeyServer keys{Fd()};
    REQUIRE(keys.hold(7, ec_key));
    CHECK_FALSE(keys.hold(9, "no key"));
    CHECK(keys.answer(question(9, KeyOperation::ecdsa, digest(32))).size == 0);
    auto packet = question(7, KeyOperation::ecdsa, digest(32));
    for (std::size_t size = 0; size < packet.size(); ++size)
        CHECK(keys.answer({packet.data(), size}).size == 0);
    packet.push_back(0);
    CHECK(keys.answer(packet).size == 0);
    const std::vector<unsigned char> large(sizeof(KeyQuestion) + 1, 1);
    CHECK(keys.answer(large).size == 0);
}

TEST_CASE("key server: takes keys and questions over its channels, and ends with both") {
    int orders[2], questions[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, orders) == 0);
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, questions) == 0);
    Fd ours(orders[0]), theirs(orders[1]), answers(questions[1]);
    KeyServer keys(std::move(theirs));
    REQUIRE(keys.hold(7, ec_key));
    std::thread works([&keys] { keys.run(); });
    {
        const KeyChannel channel{Fd(questions[0])};
        const KeyControl control{KeyOrder::serve, 0};
        alignas(cmsghdr) char room[CMSG_SPACE(sizeof(int))]{};
        iovec part{const_cast<KeyControl*>(&control), sizeof control};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = room;
        message.msg_controllen = sizeof room;
        cmsghdr* const head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int));
        const int number = answers.get();
        std::memcpy(CMSG_DATA(head), &number, sizeof number);
        CHECK(::sendmsg(ours.get(), &message, 0) == static_cast<ssize_t>(sizeof control));
        answers.reset();
        const auto data = digest(32);
        std::string signature;
        CHECK(channel.ask(7, 1, data.data(), data.size(), signature));
        CHECK(signature.size() > 60);
        CHECK_FALSE(channel.ask(8, 1, data.data(), data.size(), signature));
        ours.reset();
        CHECK(channel.ask(7, 1, data.data(), data.size(), signature));
    }
    works.join();
}
