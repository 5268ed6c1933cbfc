"""Parsers of /proc files: text in, JSON values out, no access to the machine. proc(5) and its split pages."""

import ipaddress
import re
import struct
from typing import Any, TypeAlias

JSON: TypeAlias = Any  # None, bool, int, float, str, list[JSON], dict[str, JSON]

_STATUS_NUMBERS = ("NSpid", "NStgid", "Uid", "Gid", "Groups")
_STATUS_NUMBER = ("Tgid", "Pid", "PPid", "NoNewPrivs", "Seccomp", "Threads")
_STATUS_TEXT = ("Name", "State", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "SigBlk", "SigIgn", "SigCgt")
_TCP_STATES = {1: "ESTABLISHED", 2: "SYN_SENT", 6: "TIME_WAIT", 7: "CLOSE", 8: "CLOSE_WAIT", 10: "LISTEN"}
_SOCKET_TYPES = {1: "STREAM", 2: "DGRAM", 5: "SEQPACKET"}
_ROUTE_FLAGS = ((0x1, "U"), (0x2, "G"), (0x4, "H"), (0x8, "R"), (0x10, "D"), (0x20, "M"), (0x200, "!"))


def status(text: str) -> dict[str, JSON]:
    """/proc/PID/status: the lines about identity, capabilities and signals. Ids are lists of ints (Uid: real,
    effective, saved, file system), masks stay hexadecimal text. Keys that an older kernel lacks are missing."""
    values: dict[str, JSON] = {}
    for line in text.split("\n"):
        key, _, value = line.partition(":")
        if key in _STATUS_NUMBERS:
            values[key] = [int(number) for number in value.split()]
        elif key in _STATUS_NUMBER:
            values[key] = int(value)
        elif key in _STATUS_TEXT:
            values[key] = value.strip()
    return values


def id_map(text: str) -> list[list[int]]:
    """/proc/PID/uid_map, gid_map, projid_map: rows [inside, outside, count]. user_namespaces(7)."""
    return [[int(number) for number in line.split()] for line in text.splitlines()]


def keys(text: str) -> list[dict[str, JSON]]:
    """/proc/keys: {"uid", "gid", "type", "description"} of the keys that the reader may see. Numbers of keys, counts
    and times are left out. proc_keys(5)."""
    rows: list[dict[str, JSON]] = []
    for line in text.splitlines():
        *_, uid, gid, kind, description = line.split(None, 8)
        name = description.rpartition(":")[0] or description
        rows.append({"uid": int(uid), "gid": int(gid), "type": kind, "description": name})
    return rows


def file_capability(data: bytes) -> dict[str, JSON]:
    """The attribute security.capability: {"permitted", "inheritable": masks as in /proc/PID/status, "effective": bool,
    "rootid": the user for whose namespaces it holds}. capabilities(7), struct vfs_cap_data in linux/capability.h."""
    magic, *words = struct.unpack(f"<{len(data) // 4}I", data)
    permitted, inheritable = (words[first] | words[first + 2] << 32 for first in (0, 1))
    masks = {"permitted": f"{permitted:016x}", "inheritable": f"{inheritable:016x}"}
    return {**masks, "effective": bool(magic & 1), "rootid": words[4] if magic >> 24 == 3 else 0}


def unescape(text: str) -> str:
    r"""Undo the octal escapes of mount tables: "\040" is a space."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def mountinfo(text: str) -> list[dict[str, JSON]]:
    """/proc/PID/mountinfo, in the kernel's order. `propagation` holds the optional fields ("shared:1", "master:2",
    "unbindable"), [] for a private mount. proc_pid_mountinfo(5)."""
    mounts: list[dict[str, JSON]] = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        number, parent, device, root, point, options, *propagation = before.split(" ")
        fstype, source, superblock = [*after.split(" ", 2), "", ""][:3]
        mounts.append(
            {
                "id": int(number),
                "parent": int(parent),
                "dev": device,
                "root": unescape(root),
                "point": unescape(point),
                "options": options,
                "propagation": propagation,
                "fstype": fstype,
                "source": unescape(source),
                "super": superblock,
            }
        )
    return mounts


def cgroup(text: str) -> list[dict[str, JSON]]:
    """/proc/PID/cgroup: {"id", "controllers", "path"}; the v2 hierarchy has id 0 and no controllers. cgroups(7)."""
    rows: list[dict[str, JSON]] = []
    for line in text.splitlines():
        number, controllers, path = line.split(":", 2)
        rows.append({"id": int(number), "controllers": controllers.split(",") if controllers else [], "path": path})
    return rows


def net_dev(text: str) -> dict[str, dict[str, int]]:
    """/proc/PID/net/dev: {device: {"rx_bytes": ..., "tx_bytes": ...}}, bytes and packets since it was made."""
    lines = text.splitlines()
    if len(lines) < 2:
        return {}
    received, sent = (part.split() for part in lines[1].split("|")[1:])
    names = [f"rx_{name}" for name in received] + [f"tx_{name}" for name in sent]
    devices = {}
    for line in lines[2:]:
        device, _, counters = line.rpartition(":")
        devices[device.strip()] = dict(zip(names, map(int, counters.split()), strict=False))
    return devices


def net_route(text: str) -> list[dict[str, JSON]]:
    """/proc/PID/net/route, the IPv4 main table: addresses dotted, `flags` in the letters of route(8)."""
    routes: list[dict[str, JSON]] = []
    for line in text.splitlines()[1:]:
        device, destination, gateway, flags, _, _, metric, mask = line.split()[:8]
        letters = "".join(letter for bit, letter in _ROUTE_FLAGS if int(flags, 16) & bit)
        routes.append(
            {
                "device": device,
                "destination": _dotted(destination),
                "gateway": _dotted(gateway),
                "mask": _dotted(mask),
                "flags": letters,
                "metric": int(metric),
            }
        )
    return routes


def net_tcp(text: str) -> list[dict[str, JSON]]:
    """/proc/PID/net/tcp, IPv4 sockets of the network namespace: {"local": "127.0.0.1:8080", "remote", "state", "inode"}
    with states as in "LISTEN"; the inode is the number in socket:[...] of /proc/PID/fd. proc_pid_net(5)."""
    sockets: list[dict[str, JSON]] = []
    for line in text.splitlines()[1:]:
        _, local, remote, state, _, _, _, _, _, inode = line.split()[:10]
        name = _TCP_STATES.get(int(state, 16), state)
        sockets.append({"local": _endpoint(local), "remote": _endpoint(remote), "state": name, "inode": int(inode)})
    return sockets


def _endpoint(word: str) -> str:
    address, port = word.split(":")
    return f"{_dotted(address)}:{int(port, 16)}"


def net_unix(text: str) -> list[dict[str, JSON]]:
    """/proc/PID/net/unix, sockets with a name: {"name", "type": "STREAM", "inode"}. An abstract name begins with @; the
    name of a socket file is its path. unix(7)."""
    sockets: list[dict[str, JSON]] = []
    for line in text.splitlines()[1:]:
        _, _, _, _, kind, _, inode, *name = line.split(None, 7)
        if name:
            sockets.append({"name": name[0], "type": _SOCKET_TYPES.get(int(kind, 16), kind), "inode": int(inode)})
    return sockets


def net_arp(text: str) -> list[dict[str, JSON]]:
    """/proc/PID/net/arp, the IPv4 neighbours: {"dst", "mac", "dev", "complete"}; not complete: nobody answered yet.
    arp(7)."""
    rows: list[dict[str, JSON]] = []
    for line in text.splitlines()[1:]:
        address, _, flags, mac, _, device = line.split()
        rows.append({"dst": address, "mac": mac, "dev": device, "complete": bool(int(flags, 16) & 0x2)})
    return rows


def _dotted(word: str) -> str:
    """The kernel prints the address as a number in the machine's byte order."""
    return str(ipaddress.IPv4Address(struct.pack("=I", int(word, 16))))


def table(text: str) -> list[dict[str, JSON]]:
    """A table whose first line names the columns (/proc/sysvipc/msg, sem, shm); `perms` stays octal text."""
    lines = text.splitlines()
    names = lines[0].split() if lines else []
    return [
        {name: value if name == "perms" else number(value) for name, value in zip(names, line.split(), strict=False)}
        for line in lines[1:]
    ]


def limits(text: str) -> dict[str, dict[str, JSON]]:
    """/proc/PID/limits: {"Max open files": {"soft": 1024, "hard": "unlimited", "unit": "files"}}."""
    rows = {}
    for line in text.splitlines()[1:]:
        if match := re.match(r"(.+?)\s+(\d+|unlimited)\s+(\d+|unlimited)\s*(\S*)\s*$", line):
            rows[match[1]] = {"soft": number(match[2]), "hard": number(match[3]), "unit": match[4]}
    return rows


def timens_offsets(text: str) -> dict[str, list[int]]:
    """/proc/PID/timens_offsets: {"monotonic": [seconds, nanoseconds], "boottime": [...]}. time_namespaces(7)."""
    names = {"1": "monotonic", "7": "boottime"}  # Linux 5.6 printed the numbers of the clocks
    rows = (line.split() for line in text.splitlines())
    return {names.get(clock, clock): [int(seconds), int(nanoseconds)] for clock, seconds, nanoseconds in rows}


def strings(text: str) -> list[str]:
    """/proc/PID/cmdline: the arguments. A process that overwrote them without a NUL gives one text."""
    return text.removesuffix("\0").split("\0") if text else []


def environ(text: str) -> dict[str, str]:
    """/proc/PID/environ: the environment with which the program was started."""
    pairs = (entry.partition("=") for entry in strings(text))
    return {name: value for name, _, value in pairs if name}


def numbers(text: str) -> list[int]:
    """Numbers between blanks (/proc/PID/task/TID/children)."""
    return [int(word) for word in text.split()]


def floats(text: str) -> list[float]:
    """/proc/uptime (seconds up, seconds idle of all CPUs), /proc/loadavg without its task counts."""
    return [float(word) for word in text.split() if re.fullmatch(r"[\d.]+", word)]


def number(text: str) -> int | str:
    """An int where the text is one, else the text."""
    return int(text) if re.fullmatch(r"-?\d+", text) else text
