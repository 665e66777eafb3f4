// SPDX-License-Identifier: MIT
// An event loop that somebody else wrote: libuv calls back when a client is there, has sent or
// has taken something. Little code, on every system; but what happens to one client is spread
// over five functions, and every object has to live until its last callback.
//
//   [service.zen-uv]
//   listen = "tcp:1066"
//   mode   = "worker"
//   exec   = ["/usr/libexec/superd/zen/zen_uv"]
//
// `zen_uv [--port N]` serves without superd.
#include <memory>

#include <uv.h>

#include "zen.h"

namespace {

struct Client {
    uv_tcp_t stream{};
    uv_write_t request{};
    zen::Conversation conversation;
    std::string answers;  // what the request is writing
    bool finished = false;
    char buffer[512] = {};
};

// A handle's `data` is its Client, which is deleted when libuv has closed the handle.
Client& client_of(const uv_handle_t* handle) {
    return *static_cast<Client*>(handle->data);
}

uv_stream_t* stream_of(Client& client) {
    return reinterpret_cast<uv_stream_t*>(&client.stream);
}

void on_closed(uv_handle_t* handle) {
    const std::unique_ptr<Client> last(&client_of(handle));
}

void close_client(Client& client) {
    uv_close(reinterpret_cast<uv_handle_t*>(&client.stream), on_closed);
}

void on_buffer_wanted(uv_handle_t* handle, std::size_t, uv_buf_t* into) {
    Client& client = client_of(handle);
    *into = uv_buf_init(client.buffer, sizeof client.buffer);
}

void read_more(Client& client);

void on_written(uv_write_t* request, int status) {
    Client& client = client_of(reinterpret_cast<uv_handle_t*>(request->handle));
    if (status < 0 || client.finished)
        close_client(client);
    else
        read_more(client);
}

void on_read(uv_stream_t* stream, ssize_t n, const uv_buf_t* bytes) {
    Client& client = client_of(reinterpret_cast<uv_handle_t*>(stream));
    if (n == 0) return;  // libuv's word for EAGAIN
    client.finished = n < 0;
    client.answers = client.finished ? client.conversation.finish()
                                     : client.conversation.feed(
                                               {bytes->base, static_cast<std::size_t>(n)});
    if (client.answers.empty() && !client.finished) return;
    // Nothing more is read until the client has taken its answers: what it can make us hold is
    // bounded.
    uv_read_stop(stream);
    uv_buf_t out =
            uv_buf_init(client.answers.data(), static_cast<unsigned>(client.answers.size()));
    if (uv_write(&client.request, stream, &out, 1, on_written) != 0) close_client(client);
}

void read_more(Client& client) {
    if (uv_read_start(stream_of(client), on_buffer_wanted, on_read) != 0) close_client(client);
}

void on_client(uv_stream_t* listener, int status) {
    if (status < 0) return;
    auto client = std::make_unique<Client>();
    uv_tcp_init(listener->loop, &client->stream);
    client->stream.data = client.get();
    Client& kept = *client.release();  // on_closed() takes it back
    if (uv_accept(listener, stream_of(kept)) == 0)
        read_more(kept);
    else
        close_client(kept);
}

}  // namespace

int main(int argc, char** argv) {
    const int fd = zen::listener(argc, argv);
    zen::survive_lost_clients();
    uv_loop_t* loop = uv_default_loop();
    uv_tcp_t listener{};
    uv_tcp_init(loop, &listener);
    // uv_listen() calls listen(2) once more; a small number would shorten superd's queue.
    if (uv_tcp_open(&listener, fd) != 0 ||
            uv_listen(reinterpret_cast<uv_stream_t*>(&listener), 4096, on_client) != 0)
        zen::die("listen");
    return uv_run(loop, UV_RUN_DEFAULT);
}
