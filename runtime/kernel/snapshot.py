"""States of processes at one moment.

A state is {path: JSON value}, see runtime.kernel.proc; one process gives about 30 paths.
"""

import os
from collections.abc import Iterable
from typing import Any, TypeAlias

from runtime.kernel.namespaces import KINDS
from runtime.kernel.proc import DEFAULT, read_all

JSON: TypeAlias = Any
State: TypeAlias = dict[str, JSON]


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
