"""Packets that are sent and seen in the caller's network namespace: ping(), and a look at the frames of a device.

Both need CAP_NET_RAW in the user namespace that owns the network namespace. raw(7), packet(7), RFC 792, RFC 826.
"""

import errno as errno_names
import os
import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from runtime.kernel.netlink import NetworkError

JSON: TypeAlias = Any

ECHO_REQUEST, ECHO_REPLY = 8, 0
ETH_P_ALL, ETH_P_IP, ETH_P_ARP, ETH_P_IPV6 = 0x0003, 0x0800, 0x0806, 0x86DD  # include/uapi/linux/if_ether.h
_ICMP = {ECHO_REPLY: "ICMP echo reply", ECHO_REQUEST: "ICMP echo request", 3: "ICMP unreachable", 11: "ICMP too old"}
_ARP = {1: "ARP request", 2: "ARP reply"}


def ping(address: str, timeout: float = 1.0) -> float:
    """Send one ICMP echo request and wait for the reply; the round trip in milliseconds.

    NetworkError: ENETUNREACH without a route, EHOSTUNREACH when no neighbour answers, ETIMEDOUT after `timeout`
    seconds.
    """
    attempt = f"ping {address}"
    number = os.getpid() & 0xFFFF
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as icmp:
            icmp.connect((address, 0))  # so that errors which come later are told, and other hosts are not heard
            began = time.monotonic()
            icmp.send(echo_request(number))
            while (left := began + timeout - time.monotonic()) > 0 and select.select([icmp], [], [], left)[0]:
                if _is_reply(icmp.recv(1 << 16), number):
                    return (time.monotonic() - began) * 1000
    except OSError as error:
        raise NetworkError(error.errno or errno_names.EIO, attempt) from None
    raise NetworkError(errno_names.ETIMEDOUT, attempt)


def echo_request(number: int) -> bytes:
    """An ICMP echo request with this identifier and sequence number 1."""
    blank = struct.pack("!BBHHH", ECHO_REQUEST, 0, 0, number, 1)
    return struct.pack("!BBHHH", ECHO_REQUEST, 0, checksum(blank), number, 1)


def checksum(data: bytes) -> int:
    """The Internet checksum of an even number of bytes (RFC 1071): over a packet that holds its own, it is 0."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def _is_reply(packet: bytes, number: int) -> bool:
    icmp = packet[(packet[0] & 0xF) * 4 :]
    return len(icmp) >= 8 and icmp[0] == ECHO_REPLY and struct.unpack("!H", icmp[4:6])[0] == number


class Capture:
    """The frames that pass a device from now on, both ways."""

    def __init__(self, device: socket.socket) -> None:
        self._device = device

    def read(self) -> list[dict[str, JSON]]:
        """The frames since the last reading, see describe(); it does not wait."""
        frames = []
        while select.select([self._device], [], [], 0)[0]:
            frames.append(describe(self._device.recv(1 << 16)))
        return frames


@contextmanager
def capture(name: str) -> Iterator[Capture]:
    """Look at the frames of the device `name`, as tcpdump does, for the length of the `with`."""
    try:
        device = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)  # hears nothing until it is bound
    except OSError as error:
        raise NetworkError(error.errno or errno_names.EIO, f"open a packet socket for {name}") from None
    with device:
        try:
            device.bind((name, ETH_P_ALL))
        except OSError as error:
            raise NetworkError(error.errno or errno_names.EIO, f"look at the frames of {name}") from None
        yield Capture(device)


def describe(frame: bytes) -> dict[str, JSON]:
    """A frame of Ethernet: {"what": "ARP request", "source": "10.1.1.2", "target": "10.1.1.3", "from": mac, "to": mac}.

    what: "ARP request", "ARP reply", "ICMP echo request", ..., "IPv4", "IPv6", or the type in hexadecimal digits;
    source and target are IPv4 addresses, None for what is neither ARP nor IPv4.
    """
    (kind,) = struct.unpack("!H", frame[12:14])
    payload = frame[14:]
    about: dict[str, JSON] = {"what": f"0x{kind:04x}", "source": None, "target": None}
    if kind == ETH_P_ARP and len(payload) >= 28:
        (operation,) = struct.unpack("!H", payload[6:8])
        what = _ARP.get(operation, "ARP")
        about = {"what": what, "source": socket.inet_ntoa(payload[14:18]), "target": socket.inet_ntoa(payload[24:28])}
    elif kind == ETH_P_IP and len(payload) >= 20:
        source, target = socket.inet_ntoa(payload[12:16]), socket.inet_ntoa(payload[16:20])
        inner = payload[(payload[0] & 0xF) * 4 :]
        what = _ICMP.get(inner[0], "ICMP") if payload[9] == socket.IPPROTO_ICMP and inner else "IPv4"
        about = {"what": what, "source": source, "target": target}
    elif kind == ETH_P_IPV6:
        about["what"] = "IPv6"
    return {**about, "from": frame[6:12].hex(":"), "to": frame[:6].hex(":")}
