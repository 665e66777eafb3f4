# SPDX-License-Identifier: MIT
"""Headers of the PROXY protocol, made by hand."""

import socket
import struct

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def tlv(kind, value):
    return struct.pack("!BH", kind, len(value)) + value


def crc32c(data):
    total = 0xFFFFFFFF
    for byte in data:
        total ^= byte
        for _ in range(8):
            total = (total >> 1) ^ (0x82F63B78 if total & 1 else 0)
    return total ^ 0xFFFFFFFF


def version_1(client="198.51.100.7", port=51544, home="192.0.2.1", home_port=443):
    family = "TCP6" if ":" in client else "TCP4"
    return f"PROXY {family} {client} {home} {port} {home_port}\r\n".encode()


def version_2(client="198.51.100.7", port=51544, home="192.0.2.1", home_port=443, tlvs=b"", checked=False):
    addresses = socket.inet_aton(client) + socket.inet_aton(home) + struct.pack("!HH", port, home_port)
    sum_at = len(SIGNATURE) + 4 + len(addresses) + 3
    if checked:
        tlvs = tlv(3, bytes(4)) + tlvs
    header = SIGNATURE + b"\x21\x11" + struct.pack("!H", len(addresses) + len(tlvs)) + addresses + tlvs
    if checked:
        header = header[:sum_at] + struct.pack("!I", crc32c(header)) + header[sum_at + 4:]
    return header


def local():
    return SIGNATURE + b"\x20\0\0\0"


def tls_tlv(client=1, verify=0, **texts):
    kinds = {"version": 0x21, "name": 0x22, "cipher": 0x23, "signature": 0x24, "key": 0x25}
    content = struct.pack("!BI", client, verify)
    for name, text in texts.items():
        content += tlv(kinds[name], text.encode())
    return tlv(0x20, content)
