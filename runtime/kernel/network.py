"""Devices, addresses, routes, neighbours and forwarding of the caller's network namespace, by netlink. rtnetlink(7).

    >>> add_veth("veth1", "vethb1")
    >>> move("veth1", child.pid)
    >>> [link["ifname"] for link in links()]
    ['lo', 'vethb1']

A netlink socket belongs to the namespace in which it was opened, as every socket does: to work in another namespace,
call these functions there (runtime.kernel.namespaces.visit, run_inside). NetworkError says what was attempted. What is
read comes as lists of JSON objects (runtime.kernel.topology).
"""

import errno as errno_names
import os
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from runtime.kernel.netlink import Namespace, NetworkError, netlink, opened, session, suppress_errno
from runtime.kernel.syscalls import ioctl
from runtime.kernel.topology import addresses, forwarding, links, named, neighbours, routes

__all__ = [
    "Namespace", "NetworkError", "add_address", "add_bridge", "add_route", "add_veth", "addresses", "bridge", "delete",
    "exists", "forwarding", "index_of", "links", "move", "named", "namespace_of_socket", "neighbours", "routes",
    "session", "set_down", "set_master", "set_up", "veth_pair", "wait_for", "wait_until_gone",
]  # fmt: skip

SIOCGSKNS = 0x894C  # include/uapi/linux/sockios.h, Linux 4.10
RTMGRP_LINK = 1


def add_bridge(name: str) -> None:
    """A bridge: a switch, and at the same time the device that plugs the machine itself into it. It is down."""
    with netlink(f"add the bridge {name}") as route:
        route.link("add", ifname=name, kind="bridge")


def add_veth(name: str, peer: str, peer_namespace: Namespace | None = None) -> None:
    """A pair of devices, veth(4): what is sent into one comes out of the other. `peer` is made in `peer_namespace`."""
    with netlink(f"add the veth pair {name}, {peer}") as route, ExitStack() as stack:
        about: dict[str, Any] = {"ifname": peer}
        if peer_namespace is not None:
            about["net_ns_fd"] = stack.enter_context(opened(peer_namespace))
        route.link("add", ifname=name, kind="veth", peer=about)


def delete(name: str) -> None:
    """Remove a device; the peer of a veth goes with it."""
    with netlink(f"delete {name}") as route:
        route.link("del", index=index_of(name))


@contextmanager
def bridge(name: str) -> Iterator[str]:
    """A bridge for the length of the `with`."""
    add_bridge(name)
    with _removed(name):
        yield name


@contextmanager
def veth_pair(name: str, peer: str, peer_namespace: Namespace | None = None) -> Iterator[tuple[str, str]]:
    """A veth pair for the length of the `with`; it may be moved away, or go by itself, before that."""
    add_veth(name, peer, peer_namespace)
    with _removed(name, peer):
        yield name, peer


@contextmanager
def _removed(*names: str) -> Iterator[None]:
    try:
        yield
    finally:
        for name in names:
            with suppress_errno(errno_names.ENODEV):
                delete(name)


def set_up(name: str) -> None:
    """`ip link set NAME up`: the administrator's wish. Whether it works then is the link's state."""
    _set(name, f"set {name} up", state="up")


def set_down(name: str) -> None:
    """`ip link set NAME down`. Its routes go."""
    _set(name, f"set {name} down", state="down")


def set_master(name: str, master: str | None) -> None:
    """Plug a device into a bridge, or out of it (None)."""
    _set(name, f"make {name} a port of {master}", master=index_of(master) if master else 0)


def move(name: str, namespace: Namespace) -> None:
    """Give a device to another network namespace: it goes down there and loses addresses and routes.

    NetworkError(EINVAL) for a device that stays where it was made: lo, a bridge.
    """
    with netlink(f"move {name} to the network namespace of {namespace}") as route, opened(namespace) as descriptor:
        route.link("set", index=index_of(name), net_ns_fd=descriptor)


def _set(name: str, attempt: str, **wanted: Any) -> None:
    with netlink(attempt) as route:
        route.link("set", index=index_of(name), **wanted)


def add_address(name: str, address: str) -> None:
    """Give a device an address with the length of its network: "10.1.1.2/24"."""
    number, _, length = address.partition("/")
    with netlink(f"add the address {address} to {name}") as route:
        route.addr("add", index=index_of(name), address=number, prefixlen=int(length or 32))


def add_route(dst: str, gateway: str) -> None:
    """Send packets for `dst` ("default", "10.2.0.0/16") by way of a neighbour."""
    with netlink(f"add a route to {dst} by way of {gateway}") as route:
        route.route("add", dst=dst, gateway=gateway)


def index_of(name: str) -> int:
    """The number of a device in this namespace; NetworkError(ENODEV) if there is none of that name."""
    try:
        return socket.if_nametoindex(name)
    except OSError as error:
        raise NetworkError(error.errno or errno_names.ENODEV, f"find the device {name}") from None


def wait_until_gone(name: str, timeout: float = 5.0) -> None:
    """Wait for the end of a device. The kernel takes a dead namespace's devices away a moment later, in a thread of its
    own. NetworkError(ETIMEDOUT) after `timeout` seconds."""
    _wait(lambda: not exists(name), f"see the end of {name}", timeout)


def wait_for(name: str, timeout: float = 5.0, **wanted: Any) -> None:
    """Wait until a device has these values in links(): wait_for("veth1", state="UP"). After set_up() the kernel sees a
    moment later, in a thread of its own, that a cable is plugged in, and only then sends packets.

    NetworkError(ETIMEDOUT) after `timeout` seconds.
    """

    def is_so() -> bool:
        return any(link["ifname"] == name and wanted.items() <= link.items() for link in links())

    _wait(is_so, f"see {name} with {', '.join(f'{key} {value}' for key, value in wanted.items())}", timeout)


def _wait(is_so: Callable[[], bool], attempt: str, timeout: float) -> None:
    """Look again after each piece of news about the devices of this namespace."""
    deadline = time.monotonic() + timeout
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as news:
        news.bind((0, RTMGRP_LINK))
        while not is_so():
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([news], [], [], left)[0]:
                raise NetworkError(errno_names.ETIMEDOUT, f"{attempt} within {timeout:g} s")
            with suppress_errno(errno_names.ENOBUFS):  # there was more news than the socket holds
                news.recv(1 << 16)


def exists(name: str) -> bool:
    """Whether this namespace has a device of that name."""
    with suppress_errno(errno_names.ENODEV):
        return bool(index_of(name))
    return False


def namespace_of_socket(descriptor: int) -> str:
    """The network namespace of a socket, "net:[4026531840]": that in which it was opened. Linux 4.10.

    SyscallError(EPERM) without CAP_NET_ADMIN over that namespace.
    """
    namespace = ioctl(descriptor, SIOCGSKNS, name="SIOCGSKNS")
    try:
        return os.readlink(f"/proc/self/fd/{namespace}")
    finally:
        os.close(namespace)
