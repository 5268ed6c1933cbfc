"""States of processes at one moment, and what differs between two moments.

A state is {path: JSON value}, see runtime.kernel.proc; one process gives about 30 paths.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from runtime.kernel.namespaces import KINDS
from runtime.kernel.proc import DEFAULT, read_all

JSON: TypeAlias = Any
State: TypeAlias = dict[str, JSON]

# How entries of lists are recognized again, and fields that change without meaning anything: a copy of a mount
# namespace numbers all its mounts anew.
_IDENTITY = ("point", "id", "msqid", "semid", "shmid", "destination", "ifname", "dst", "mac", "address")
_IGNORED = {"/proc/PID/mountinfo": ("id", "parent")}


def process_state(pid: int, extra: Iterable[str] = ()) -> State | None:
    """The DEFAULT paths and `extra` of one process; None when it is not there, or vanishes (or its number is reused)
    while it is read. What cannot be read is {"error": errno name}."""
    before = _start_time(pid)
    if before is None:
        return None
    state = read_all(dict.fromkeys((*DEFAULT, *extra)), pid)
    return state if _start_time(pid) == before else None


def snapshot(pids: Iterable[int], extra: Iterable[str] = ()) -> dict[int, State | None]:
    """{pid: process_state(pid, extra)}."""
    paths = tuple(extra)
    return {pid: process_state(pid, paths) for pid in pids}


def _start_time(pid: int) -> str | None:
    """Field 22 of /proc/PID/stat, clock ticks since boot: with the pid it names a process for good."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[19].decode()
    except (OSError, IndexError):
        return None


def machine_namespaces() -> dict[int, dict[str, int]]:
    """{pid: {"uts": 4026531838, ...}} of all processes in sight, inode numbers of the kinds in KINDS.

    Processes that end meanwhile or that the caller may not look at are left out. About 15 us a process.
    """
    names = [kind.link for kind in KINDS.values()]
    cuts = [(name, len(name) + 2) for name in names]  # "uts:[4026531838]"
    readlink = os.readlink
    machine = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        base = f"/proc/{entry}/ns/"
        try:
            machine[int(entry)] = {name: int(readlink(base + name)[cut:-1]) for name, cut in cuts}
        except OSError:
            continue
    return machine


def diff(before: State | None, after: State | None) -> list[dict[str, JSON]]:
    """What differs between two states of one process: rows {"path", "field"?, "before", "after"}.

    Values of objects and lists are compared part by part, and "field" names the part: "Uid", "lo: rx_bytes",
    "/tmp: options". What is missing on one side is None. Numbers of mounts are not compared.
    """
    rows: list[dict[str, JSON]] = []
    old, new = before or {}, after or {}
    for path in dict.fromkeys((*old, *new)):
        _compare(rows, path, "", old.get(path), new.get(path))
    return rows


def _compare(rows: list[dict[str, JSON]], path: str, field: str, before: JSON, after: JSON) -> None:
    if before == after:
        return
    old, new = _parts(before), _parts(after)
    if old is None or new is None or not (old or new):
        row = {"path": path, "field": field, "before": before, "after": after}
        rows.append({key: value for key, value in row.items() if key != "field" or value})
        return
    for part in dict.fromkeys((*old, *new)):
        if part not in _IGNORED.get(path, ()):
            _compare(rows, path, f"{field}: {part}" if field else part, old.get(part), new.get(part))


def _parts(value: JSON) -> Mapping[str, JSON] | None:
    """The parts of an object, or of a list of objects; None for what is compared as a whole."""
    if isinstance(value, dict):
        return None if set(value) == {"error"} else value
    if isinstance(value, list) and all(isinstance(entry, dict) for entry in value):
        return _named(value)
    return None


def _named(entries: list[dict[str, JSON]]) -> dict[str, JSON]:
    """Entries by what identifies them; a name that comes again (a mount over a mount) is counted: "/mnt #2"."""
    named: dict[str, JSON] = {}
    seen: Counter[str] = Counter()
    for number, entry in enumerate(entries, 1):
        name = next((str(entry[key]) for key in _IDENTITY if key in entry), str(number))
        seen[name] += 1
        named[name if seen[name] == 1 else f"{name} #{seen[name]}"] = entry
    return named
