"""How what the kernel shows is read: what belongs together, what names an entry, what says little, its values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from ipaddress import IPv4Network
from typing import Any

from record.text import value_text

GROUPS: dict[str, tuple[str, ...]] = {
    "namespaces": ("/proc/PID/ns/*",),
    "capabilities": (
        "/proc/PID/status Cap*",
        "/proc/PID/status NoNewPrivs",
        "/proc/PID/status Seccomp*",
        "* security.capability",
    ),
    "users": (
        "/proc/PID/status [UG]id",
        "/proc/PID/status Groups",
        "/proc/PID/[up]*id_map*",
        "/proc/PID/gid_map*",
        "/proc/PID/setgroups",
    ),
    "pids": ("/proc/PID/status *[Pp]id", "/proc/PID/task/PID/children", "/proc/sys/kernel/pid_max"),
    "uts": ("/proc/sys/kernel/hostname", "/proc/sys/kernel/domainname", "/proc/version"),
    "ipc": (
        "/proc/sysvipc/*",
        "/proc/sys/kernel/sem*",
        "/proc/sys/kernel/shm*",
        "/proc/sys/kernel/msg*",
        "/proc/sys/fs/mqueue/*",
    ),
    "network": (
        "ip *",
        "bridge *",
        "/proc/PID/net/*",
        "/proc/net/*",
        "/proc/sys/net/*",
        "/sys/class/net*",
    ),
    "cgroups": ("/proc/PID/cgroup", "/sys/fs/cgroup*", "/proc/cgroups"),
    "mounts": ("/proc/PID/mountinfo", "/proc/mounts", "/proc/PID/mounts", "/proc/filesystems", "/proc/PID/root"),
    "files": ("/proc/PID/cwd/*", "/sys/fs/aufs"),
    "process": ("/proc/PID/status", "/proc/PID/*", "*"),
}
"""What belongs together, as patterns of a path or of a path and an entry; the first that fits is taken."""

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """A path whose value has entries. ``name`` names one of them by the fields ``named``: it is the same one in another
    observation that has that name. ``ignored`` fields are never shown: they change without meaning anything. ``minor``
    ones say little by themselves: counters and times. ``forms`` print values as the tools do."""

    name: Callable[[Entry], str] | None = None
    named: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    minor: tuple[str, ...] = ()
    forms: Mapping[str, Callable[[Any], str]] = field(default_factory=dict)

    def told(self, entry: Entry) -> dict[str, Any]:
        """The fields of an entry that are shown beside its name; what is not there (None) is left out."""
        hidden = {*self.named, *self.ignored}
        return {key: part for key, part in entry.items() if key not in hidden and part is not None}

    def text(self, key: str, value: Any) -> str:
        """A field as the tools print it."""
        try:
            return self.forms[key](value) if key in self.forms else value_text(value)
        except TypeError:  # a record of a later version has something else there
            return value_text(value)

    def says_little(self, key: str) -> bool:
        return any(fnmatchcase(key, pattern) for pattern in self.minor)


def ipc_key(key: int) -> str:
    """The key of a System V object as ipcs(1) prints it; the kernel shows the same bits as a signed number."""
    return f"0x{key & 0xFFFFFFFF:08x}"


def _mask(entry: Entry) -> str:
    network = str(IPv4Network(f"{entry['destination']}/{entry['mask']}", strict=False))
    return f"{'default' if network == '0.0.0.0/0' else network} dev {entry['device']}"


def _by(*keys: str) -> Callable[[Entry], str]:
    """The name is what stands there, with the word ``dev`` before a device, as ip(8) has it."""
    return lambda entry: " ".join(f"dev {entry[key]}" if key == "dev" else str(entry[key]) for key in keys)


def _propagation(peers: list[str]) -> str:
    return " ".join(peers) or "private"


_KEY = {"key": ipc_key}
TABLES: dict[str, Table] = {
    "/proc/PID/mountinfo": Table(_by("point"), ("point",), ("id", "parent"), forms={"propagation": _propagation}),
    "/proc/PID/cgroup": Table(lambda entry: ",".join(entry["controllers"]) or "v2", ("controllers",), ("id",)),
    "/proc/PID/status": Table(minor=("State", "Tgid", "Pid", "NStgid", "Threads", "Sig*")),
    "/proc/PID/net/dev": Table(minor=("*",)),
    "/proc/PID/net/route": Table(_mask, ("destination", "mask", "device")),
    "/proc/PID/net/tcp": Table(lambda entry: f"{entry['local']} {entry['remote']}", ("local", "remote"), ("inode",)),
    "/proc/PID/net/unix": Table(_by("name"), ("name",), ("inode",)),
    "/proc/PID/net/arp": Table(_by("dst", "dev"), ("dst", "dev")),
    "/proc/sysvipc/msg": Table(lambda entry: f"msqid {entry['msqid']}", ("msqid",), (), ("l?pid", "?time"), _KEY),
    "/proc/sysvipc/sem": Table(lambda entry: f"semid {entry['semid']}", ("semid",), (), ("?time",), _KEY),
    "/proc/sysvipc/shm": Table(
        lambda entry: f"shmid {entry['shmid']}", ("shmid",), (), ("lpid", "?time", "rss", "swap"), _KEY
    ),
    "/proc/keys": Table(_by("type", "description"), ("type", "description")),
    "ip link": Table(_by("ifname"), ("ifname",), minor=("rx_*", "tx_*")),
    "ip address": Table(_by("address", "dev"), ("address", "dev")),
    "ip route": Table(_by("dst", "dev"), ("dst", "dev")),
    "ip neighbour": Table(_by("dst", "dev"), ("dst", "dev"), minor=("state",)),
    "bridge fdb": Table(_by("mac", "dev"), ("mac", "dev")),
}
"""By path as observed; :func:`table` gives one for any path."""

COUNTERS = {"/proc/PID/net/dev"}
"""Paths that tell nothing else; they say something where a claim is about them."""
_OTHER = Table()
_NAMES = ("name", "id", "path", "point")


def table(path: str) -> Table:
    return TABLES.get(path, _OTHER)


def name_of(path: str, entry: object, number: int) -> str:
    """What an entry of a list is called: by its table, by a name that it has, or by its line."""
    if isinstance(entry, Mapping):
        naming = table(path).name
        try:
            if naming:
                return naming(entry)
        except (KeyError, ValueError, TypeError):  # a record of a later version has other fields
            pass
        if key := next((key for key in _NAMES if entry.get(key) not in (None, "", [])), None):
            return str(entry[key])
    return f"line {number}"


@cache
def group(path: str, entry: str) -> str:
    """The name of the group of a row."""
    whole = f"{path} {entry}"
    fits = (
        name for name, patterns in GROUPS.items() for p in patterns if fnmatchcase(path, p) or fnmatchcase(whole, p)
    )
    return next(fits)
