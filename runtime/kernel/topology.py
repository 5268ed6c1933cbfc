"""What netlink says of a network namespace: lists of JSON objects, in the words of ip(8) and bridge(8).

Each function reads the caller's network namespace. `process` is the directory of a process ("/proc/PID"): the names in
its /run/netns help to tell which namespace the other end of a veth is in.
"""

import os
import socket
from contextlib import suppress
from typing import Any, TypeAlias

from runtime.kernel.netlink import netlink, opened

JSON: TypeAlias = Any

MAIN_TABLE = 254  # `ip route` shows this one; the own addresses stand in table 255, "local"
LOOPBACK = 772  # ARPHRD_LOOPBACK: lo is of no kind that one could ask for
NUD_NOARP, NUD_PERMANENT = 0x40, 0x80
_FLAGS = ((0x1, "UP"), (0x10000, "LOWER_UP"), (0x2, "BROADCAST"), (0x8, "LOOPBACK"), (0x100, "PROMISC"))
_PORT_STATES = ("disabled", "listening", "learning", "forwarding", "blocking")  # include/uapi/linux/if_bridge.h
_NEIGHBOUR_STATES = {
    1: "INCOMPLETE", 2: "REACHABLE", 4: "STALE", 8: "DELAY", 16: "PROBE", 32: "FAILED", 128: "PERMANENT",
}  # fmt: skip
_SCOPES = {0: "global", 200: "site", 253: "link", 254: "host"}
_NO_NUMBER = 0xFFFFFFFF
_COUNTERS = ("rx_packets", "tx_packets", "rx_bytes", "tx_bytes", "rx_dropped", "tx_dropped")


def links(process: str = "/proc/self") -> list[dict[str, JSON]]:
    """The devices, as `ip -s -d link` shows them, in the order of their numbers.

    kind: "veth", "bridge", ...; "loopback" for lo; "" for a device of the machine. state: operstate in capitals. master
    and port_state: of a port of a bridge. peer: the number of the other end (of a veth) in its namespace; peer_netnsid:
    the number that this namespace gave to that one, None if both ends are here; peer_namespace: "net:[4026532289]" of
    the other end, None when nothing in sight is in it. `process`: whose /run/netns names more namespaces.
    """
    with netlink("list the devices") as route:
        found = list(route.get_links())
        names = {link["index"]: link.get_attr("IFLA_IFNAME") for link in found}
        far = _namespaces({number for link in found if (number := _netnsid(link)) is not None}, process)
    return sorted((_link(link, names, far) for link in found), key=lambda link: int(link["index"]))


def _link(link: Any, names: dict[int, str], far: dict[int, str]) -> dict[str, JSON]:
    about = link.get_attr("IFLA_LINKINFO")
    slave = about and about.get_attr("IFLA_INFO_SLAVE_DATA")
    port_state = slave.get_attr("IFLA_BRPORT_STATE") if slave and hasattr(slave, "get_attr") else None
    counters = link.get_attr("IFLA_STATS64") or {}
    number = _netnsid(link)
    peer = link.get_attr("IFLA_LINK") or None
    here = os.readlink("/proc/thread-self/ns/net") if peer else None
    return {
        "ifname": link.get_attr("IFLA_IFNAME"),
        "index": link["index"],
        "kind": "loopback" if link["ifi_type"] == LOOPBACK else (about and about.get_attr("IFLA_INFO_KIND")) or "",
        "state": link.get_attr("IFLA_OPERSTATE"),
        "flags": [name for bit, name in _FLAGS if link["flags"] & bit],
        "mac": link.get_attr("IFLA_ADDRESS"),
        "mtu": link.get_attr("IFLA_MTU"),
        "master": names.get(link.get_attr("IFLA_MASTER")),
        "port_state": None if port_state is None else _PORT_STATES[port_state],
        "peer": peer,
        "peer_netnsid": number,
        "peer_namespace": here if number is None else far.get(number),
        **{name: counters.get(name, 0) for name in _COUNTERS},
    }


def _netnsid(link: Any) -> int | None:
    number: int | None = link.get_attr("IFLA_LINK_NETNSID")
    return number


def _namespaces(numbers: set[int], process: str) -> dict[int, str]:
    """{netnsid: "net:[...]"} for the numbers that can be found out: the kernel tells the number of a namespace that one
    can name (RTM_GETNSID), but not the name of a number."""
    found: dict[int, str] = {}
    if not numbers:
        return found
    for name, path in _in_sight(process).items():
        with suppress(OSError):  # the namespace, or the process by which it is named, has gone
            found[_number_of(path)] = name
        if numbers <= found.keys():
            break
    return found


def _number_of(path: str) -> int:
    """The netnsid that this namespace gave to the one at `path`; -1 (as an unsigned number) for none."""
    with netlink(f"ask for the number of {path}") as route, opened(path) as descriptor:
        return int((route.get_netnsid(fd=descriptor) or {}).get("nsid", _NO_NUMBER))


def _in_sight(process: str) -> dict[str, str]:
    """One file for each network namespace that has a process here, or a name where `process` sees it."""
    paths: dict[str, str] = {name: f"{process}/root/run/netns/{file}" for file, name in named(process).items()}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with suppress(OSError):  # it has ended, or is not ours to look at
                paths.setdefault(os.readlink(f"/proc/{entry}/ns/net"), f"/proc/{entry}/ns/net")
    return paths


def named(process: str = "/proc/self") -> dict[str, str]:
    """`ip netns`: {"ns1": "net:[4026532289]"}, the files in /run/netns as the process sees them. ip-netns(8)."""
    directory = f"{process}/root/run/netns"
    try:
        files = {name: os.stat(f"{directory}/{name}") for name in sorted(os.listdir(directory))}
    except FileNotFoundError:
        return {}
    nsfs = os.stat("/proc/self/ns/net").st_dev
    return {name: f"net:[{file.st_ino}]" for name, file in files.items() if file.st_dev == nsfs}


def addresses(_: str = "") -> list[dict[str, JSON]]:
    """`ip address`: {"address": "10.1.1.2/24", "dev", "family": "inet" or "inet6", "scope"}."""
    with netlink("list the addresses") as route:
        names, found = _names(), list(route.get_addr())
    return [
        {
            "address": f"{entry.get_attr('IFA_LOCAL') or entry.get_attr('IFA_ADDRESS')}/{entry['prefixlen']}",
            "dev": names.get(entry["index"]),
            "family": "inet" if entry["family"] == socket.AF_INET else "inet6",
            "scope": _SCOPES.get(entry["scope"], str(entry["scope"])),
        }
        for entry in found
    ]


def routes(_: str = "") -> list[dict[str, JSON]]:
    """`ip route`, the main table of IPv4: {"dst": "default" or "10.1.1.0/24", "gateway", "dev", "source", "scope"}."""
    with netlink("list the routes") as route:
        names, found = _names(), list(route.get_routes(family=socket.AF_INET, table=MAIN_TABLE))
    return [
        {
            "dst": f"{entry.get_attr('RTA_DST')}/{entry['dst_len']}" if entry["dst_len"] else "default",
            "gateway": entry.get_attr("RTA_GATEWAY"),
            "dev": names.get(entry.get_attr("RTA_OIF")),
            "source": entry.get_attr("RTA_PREFSRC"),
            "scope": _SCOPES.get(entry["scope"], str(entry["scope"])),
        }
        for entry in found
        if entry.get_attr("RTA_TABLE") == MAIN_TABLE
    ]


def neighbours(_: str = "") -> list[dict[str, JSON]]:
    """`ip neighbour`: {"dst": "10.1.1.3", "dev", "mac" or None while it is asked for, "state": "REACHABLE", ...}."""
    with netlink("list the neighbours") as route:
        names, found = _names(), list(route.get_neighbours())
    return [
        {
            "dst": entry.get_attr("NDA_DST"),
            "dev": names.get(entry["ifindex"]),
            "mac": entry.get_attr("NDA_LLADDR"),
            "state": _NEIGHBOUR_STATES.get(entry["state"], "NONE"),
        }
        for entry in found
        if entry["family"] in (socket.AF_INET, socket.AF_INET6) and not entry["state"] & NUD_NOARP
    ]


def forwarding(_: str = "") -> list[dict[str, JSON]]:
    """`bridge fdb`: behind which port ("dev") of which bridge ("master") a "mac" is; "state": "learned" from a frame
    that came from there, "permanent" (the port's own), "static". Multicast groups are left out."""
    with netlink("list the forwarding database") as route:
        names, found = _names(), list(route.get_neighbours(family=socket.AF_BRIDGE))
    rows = {}
    for entry in found:
        mac, dev = entry.get_attr("NDA_LLADDR"), names.get(entry["ifindex"])
        master = names.get(entry.get_attr("NDA_MASTER"))
        if master and not int(mac[:2], 16) & 1:  # with VLANs an address comes once for each
            rows[mac, dev] = {"mac": mac, "dev": dev, "master": master, "state": _fdb_state(entry["state"])}
    return list(rows.values())


def _fdb_state(state: int) -> str:
    if state & NUD_PERMANENT:
        return "permanent"
    return "static" if state & NUD_NOARP else "learned"


def _names() -> dict[int, str]:
    return dict(socket.if_nameindex())
