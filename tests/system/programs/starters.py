# SPDX-License-Identifier: MIT
"""A worker that finds its sockets twice, as programs for Einhorn and for Server::Starter do, and says so."""

import os
import select
import socket


def einhorn():
    """The descriptors, in order; none where they are another process's."""
    if int(os.environ["EINHORN_MASTER_PID"]) != os.getppid():
        return []
    count = int(os.environ["EINHORN_FD_COUNT"])
    found = [int(os.environ[f"EINHORN_FD_{i}"]) for i in range(count)]
    assert found == [int(word) for word in os.environ["EINHORN_FDS"].split()]
    return found


def starter():
    """The address of each descriptor."""
    pairs = (entry.rsplit("=", 1) for entry in os.environ["SERVER_STARTER_PORT"].split(";"))
    return {int(number): address for address, number in pairs}


sockets = {number: socket.socket(fileno=number) for number in einhorn()}
addresses = starter()
generation = os.environ["SERVER_STARTER_GENERATION"]
path = os.environ["NOTIFY_SOCKET"]
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
    notify.connect("\0" + path[1:] if path.startswith("@") else path)
    notify.send(b"READY=1")
order = sorted(sockets)
while True:
    for number in select.select(order, [], [])[0]:
        client, _ = sockets[number].accept()
        with client:
            client.setblocking(True)
            text = f"einhorn {order.index(number)} starter {addresses[number]} generation {generation}\n"
            client.sendall(text.encode())
