"""One state of a process as rows: a value each, as text, by the path that was read and the field in it.

/proc/PID/status      CapEff     000001ffffffffff
/proc/PID/mountinfo   /proc      dev=0:21 root=/ options=rw ...
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

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
"""What belongs together, as patterns of a path or of a path and a field; the first that fits is taken."""

_MINOR = {"State", "Tgid", "Pid", "NStgid", "Threads", "SigBlk", "SigIgn", "SigCgt"}
"""Fields of /proc/PID/status that change without meaning much."""


def group(path: str, field: str) -> str:
    """The name of the group of a row."""
    whole = f"{path} {field}"
    fits = (
        name for name, patterns in GROUPS.items() for p in patterns if fnmatchcase(path, p) or fnmatchcase(whole, p)
    )
    return next(fits)


def minor(path: str, field: str) -> bool:
    """Whether a change of the row says little."""
    return path == "/proc/PID/status" and field in _MINOR


def rows(path: str, value: object) -> Iterator[tuple[str, str]]:
    """(field, text) of each value of `path`, at least one; the field is "" where the value is all of it."""
    entries = _entries(value)
    if not entries:
        yield "", value_text(value)
    for name, entry in entries.items():
        if path == "/proc/PID/mountinfo" and isinstance(entry, Mapping):  # every copy of a mount has other numbers
            entry = {key: part for key, part in entry.items() if key not in ("id", "parent", "point")}
        yield value_text(name, 200), value_text(entry)


def _entries(value: object) -> Mapping[str, object]:
    """The parts of a value by their names; nothing for what is one value, or could not be read."""
    if isinstance(value, Mapping) and list(value) != ["error"]:
        return value
    if isinstance(value, list) and all(isinstance(entry, Mapping | list) for entry in value):
        return _named(value)
    return _lines(value) if isinstance(value, str) and "\n" in value.strip() else {}


def _lines(text: str) -> dict[str, object]:
    """The lines of a file by their first words, or by their numbers where these do not tell them apart."""
    lines = [line for line in text.splitlines() if line.strip()]
    words = [line.split(None, 1) for line in lines]
    if all(len(word) == 2 for word in words) and len({word[0] for word in words}) == len(words):
        return {word[0].rstrip(":"): word[1] for word in words}
    return {f"line {number}": re.sub(r"\s+", " ", line) for number, line in enumerate(lines, 1)}


_KEYS = ("point", "controllers", "name", "ifname", "key", "dst", "destination", "id", "msqid", "semid", "shmid")


def _named(entries: list[object]) -> dict[str, object]:
    """The entries of a list by a name of their own: a mount by its point, a line of uid_map by its number."""
    named: dict[str, object] = {}
    for number, entry in enumerate(entries, 1):
        name = str(number)
        if isinstance(entry, Mapping):
            key = next((key for key in _KEYS if entry.get(key) not in (None, "", [])), None)
            name = value_text(entry[key], 200) if key else name
        while name in named:  # mounted over: the second of the same name
            name += " +"
        named[name] = entry
    return named
