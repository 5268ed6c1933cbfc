"""What changed inside a namespace, by the names that people use: a message queue, a mount, a link, a route."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from record.rows import Change, Compared, rows
from record.tables import group

KINDS = {
    "uts": "UTS", "ipc": "IPC", "mnt": "mount", "net": "network", "pid": "PID", "user": "user", "cgroup": "cgroup",
    "time": "time",
}  # fmt: skip
"""Kinds of namespaces by the names of their links, in words: namespaces(7)."""
SHORT = 60
"""Characters of a value that is told in a sentence."""

_IN = {"uts": "uts", "ipc": "ipc", "network": "net", "mounts": "mnt", "users": "user"}  # group of rows: its namespace
_NOUNS = {
    "/proc/sysvipc/msg": "message queue", "/proc/sysvipc/sem": "semaphore array",
    "/proc/sysvipc/shm": "shared memory segment", "/proc/PID/mountinfo": "mount", "ip link": "link",
    "/proc/PID/net/dev": "link", "ip address": "address", "ip route": "route", "/proc/PID/net/route": "route",
    "ip neighbour": "neighbour", "/proc/PID/net/arp": "neighbour", "bridge fdb": "bridge entry",
    "ip netns": "network namespace with the name", "/proc/PID/uid_map": "user id map",
    "/proc/PID/gid_map": "group id map",
}  # fmt: skip
_FOLDER = re.compile(r"/[^ :,=]*?/pytest-of-[^/ ]+/pytest-\d+/[^/ :,]+")
_ONE = {
    "/proc/sys/kernel/hostname": "host name", "/proc/sys/kernel/domainname": "domain name",
    "/proc/PID/setgroups": "setgroups",
}  # fmt: skip


@dataclass(frozen=True)
class Fact:
    """A thing in a namespace of this kind that came, went or changed; `name` is "" where there is one only.

    `became` tells of a changed thing what of it, and how.
    """

    namespace: str
    kind: str
    noun: str
    name: str = ""
    became: str = ""


def namespace_of(change: Change) -> str:
    """The kind of the namespace in which a change happened; "" for one of the process itself."""
    return "" if change.path == "/proc/PID/status" else _IN.get(group(change.path, change.entry), "")


def fact(one: Compared[Any], change: Change) -> Fact | None:
    """The change as people name it; None for one that has only a path."""
    namespace = namespace_of(change)
    if change.path in _ONE:
        return Fact(namespace, "changed", _ONE[change.path], "", became(change.before, change.after))
    noun = _NOUNS.get(change.path)
    if not noun or not change.entry:
        return None
    name = _name(one, change)
    if change.part or change.kind == "changed":
        what = f"{change.part} " if change.part else ""
        return Fact(namespace, "changed", noun, name, what + became(change.before, change.after))
    return Fact(namespace, change.kind, noun, name)


def became(before: str | None, after: str | None) -> str:
    return f"{short(before)} → {short(after)}"


def own(text: str) -> str:
    """A text without the way to the folder in which the exercise works, which is another one in each run."""
    return _FOLDER.sub("…", text)


def short(value: str | None) -> str:
    text = "nothing" if value is None else own(value)
    return text if len(text) <= SHORT else f"{text[: SHORT - 1]}…"


def _name(one: Compared[Any], change: Change) -> str:
    """The name of a thing: that of its entry, and what tells it from others of the sort."""
    told = _fields(one, change.path, change.entry)
    if change.path.startswith("/proc/sysvipc/"):
        return f"{told.get('key', '')} (id {change.entry.split()[-1]})"
    if change.path == "/proc/PID/mountinfo":
        return _mount(change, told)
    if change.path in ("ip link", "/proc/PID/net/dev"):
        kind = _fields(one, "ip link", change.entry).get("kind", "")
        return f"{change.entry} ({kind})" if kind not in ("", "(empty)", "loopback") else change.entry
    if told.get("gateway", "0.0.0.0") != "0.0.0.0":
        return re.sub(r"(?= dev )", f" via {told['gateway']}", change.entry)
    if change.path.endswith("id_map"):
        return "" if change.kind == "changed" else told.get("", "")
    return change.entry


def _mount(change: Change, told: Mapping[str, str]) -> str:
    point, _, number = change.entry.partition(" #")
    if change.part or change.kind == "changed":
        return point
    fstype, source = told.get("fstype", ""), told.get("source", "")
    what = fstype if source in (fstype, "none", "") else f"{source} ({fstype})"
    return f"{what} at {point}{' (over another one)' if number else ''}"


def _fields(one: Compared[Any], path: str, entry: str) -> dict[str, str]:
    """What the row of an entry tells, now or before; "" for the whole of it."""
    for process in (one.new, one.old):
        for name, text in rows(path, process.state.get(path, []) if process else []):
            if name == entry:
                return {"": text, **dict(re.findall(r"(?:^| )(\w+)=(\S+)", text))}
    return {}
