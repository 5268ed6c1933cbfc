"""Control groups of version 1 and version 2 under one interface. cgroups(7).

    >>> with create("memory", "example") as group:
    ...     group.memory_limit = 8 << 20
    ...     group.add(pid)
    ...     group.read("memory.stat")["pgfault"]

A cgroup is a directory, and its settings and counters are files in it. In version 1 each controller has a tree of its
own, in version 2 there is one tree, and a controller reaches a directory only when the parent passes it on. Files are
read and written under their own names; what both versions have in common has a property (memory_limit, oom_kills, ...).
Errors of the kernel are OSError with its errno.
"""

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

from runtime.kernel import parse
from runtime.kernel.cgroup_events import TIMEOUT, Watch
from runtime.kernel.cgroup_files import parsed
from runtime.kernel.signals import open_process

JSON: TypeAlias = Any
ROOT = "/sys/fs/cgroup"
NO_LIMIT = (2**63 - 1) // os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PAGE_SIZE")  # how version 1 writes "none"
_MOUNT_OPTIONS = ("rw", "ro", "xattr", "noprefix", "clone_children", "none")


class NoControllerError(LookupError):
    """A controller cannot be reached from here; the message says why."""


@dataclass(frozen=True)
class Hierarchy:
    """A mounted tree. `point`: where; `root`: the cgroup that is mounted there, as /proc/PID/cgroup writes it."""

    version: int
    point: str
    root: str
    controllers: tuple[str, ...]


def hierarchies() -> list[Hierarchy]:
    """The trees that are mounted in this mount namespace, in the order of /proc/self/mountinfo."""
    found = []
    for mount in parse.mountinfo(Path("/proc/self/mountinfo").read_text()):
        if mount["fstype"] == "cgroup":
            names = tuple(word for word in mount["super"].split(",") if word not in _MOUNT_OPTIONS)
            found.append(Hierarchy(1, mount["point"], mount["root"], names))
        elif mount["fstype"] == "cgroup2":
            words = _first_text(f"{mount['point']}/cgroup.controllers").split()
            found.append(Hierarchy(2, mount["point"], mount["root"], tuple(words)))
    return found


def _first_text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def hierarchy(controller: str) -> Hierarchy:
    """The tree in which `controller` ("memory") works; NoControllerError if none that is mounted here has it."""
    for tree in hierarchies():
        if controller in tree.controllers:
            return tree
    enabled = {line.split()[0]: line.split()[3] for line in _first_text("/proc/cgroups").splitlines()[1:]}
    if enabled.get(controller) == "0":
        raise NoControllerError(
            f"the {controller} controller is switched off (cgroup_disable= on the kernel command line)"
        )
    raise NoControllerError(f"no cgroup tree that is mounted here has the {controller} controller")


def directory_of(pid: int, controller: str = "") -> Path:
    """The directory of the cgroup of a process in the tree of a controller; "" is the tree of version 2.

    NoControllerError when the tree, or that part of it, is not mounted here.
    """
    entries = parse.cgroup(Path(f"/proc/{pid}/cgroup").read_text())
    entry = next((entry for entry in entries if controller and controller in entry["controllers"]), None)
    entry = entry or next((entry for entry in entries if not entry["controllers"]), None)
    for tree in hierarchies():
        if entry and (tree.version == 2 if not entry["controllers"] else entry["controllers"][0] in tree.controllers):
            inside = os.path.relpath(entry["path"], tree.root)
            if inside != ".." and not inside.startswith("../"):
                return Path(os.path.normpath(f"{tree.point}/{inside}"))
    raise NoControllerError(f"the cgroup of process {pid} for {controller or 'version 2'} is not mounted here")


def read_of_process(path: str, pid: int) -> JSON:
    """A file of the own cgroup of a process, by a path with the word PATH for that cgroup.

    "/sys/fs/cgroup/memory/PATH/memory.stat" in a tree of version 1, "/sys/fs/cgroup/PATH/memory.stat" in that of
    version 2 ("/sys/fs/cgroup/unified/PATH/..." where it lies beside trees of version 1). Without a file name it is the
    list of the directory. NoControllerError where there is no such tree.
    """
    before, _, name = path.partition("/PATH")
    tree = before.removeprefix(ROOT).strip("/").split(",")[0]
    if tree in ("", "unified"):
        directory = directory_of(pid)
    elif any(tree in mounted.controllers for mounted in hierarchies() if mounted.version == 1):
        directory = directory_of(pid, tree)
    else:
        raise NoControllerError(f"there is no {tree} tree of version 1 here")
    if not name.strip("/"):
        return sorted(os.listdir(directory))
    return parsed(name.strip("/"), (directory / name.strip("/")).read_text())


def create(controller: str, name: str) -> "Cgroup":
    """A new cgroup below the root of the tree that has `controller`, as seen from here.

    In version 2 the root passes the controller on, if it does not yet: EBUSY when processes sit in it and it is not
    the root of the whole tree. NoControllerError if there is no such tree.
    """
    tree = hierarchy(controller)
    top = Cgroup(Path(tree.point), tree.version)
    top.enable(controller)
    return top.child(name)


class Cgroup:
    """One cgroup. As a `with` statement it is removed at the end, with all that is below it and in it."""

    def __init__(self, path: Path, version: int) -> None:
        self.path, self.version = path, version

    def __repr__(self) -> str:
        return f"<cgroup v{self.version} {self.path}>"

    def __enter__(self) -> "Cgroup":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.remove()

    @property
    def parent(self) -> "Cgroup":
        """The cgroup above this one."""
        return Cgroup(self.path.parent, self.version)

    def child(self, name: str) -> "Cgroup":
        """Make a cgroup below this one. FileExistsError if it is there."""
        made = Cgroup(self.path / name, self.version)
        made.path.mkdir()
        return made

    def enable(self, *controllers: str) -> None:
        """Pass controllers on to the children (cgroup.subtree_control); nothing to do in version 1."""
        missing = set(controllers) - set(self.read("cgroup.subtree_control")) if self.version == 2 else ()
        for controller in missing:
            self.write("cgroup.subtree_control", f"+{controller}")

    def files(self) -> list[str]:
        """The names of the files and of the children."""
        return sorted(os.listdir(self.path))

    def read(self, name: str) -> JSON:
        """The content of a file, see `parsed`."""
        return parsed(name, (self.path / name).read_text())

    def write(self, name: str, value: object) -> None:
        """Write a value to a file with one write(2). OSError: EINVAL what the kernel does not take, EBUSY not now."""
        descriptor = os.open(self.path / name, os.O_WRONLY)
        try:
            os.write(descriptor, str(value).encode())
        finally:
            os.close(descriptor)

    # Processes

    def add(self, pid: int) -> None:
        """Move a process, with all its threads, into this cgroup; 0 is the caller."""
        self.write("cgroup.procs", pid)

    def processes(self) -> list[int]:
        """The pids in this cgroup and below it, as this PID namespace numbers them (0: not visible here)."""
        found: list[int] = []
        for directory, _, _ in os.walk(self.path):
            with suppress(FileNotFoundError):
                found += parse.numbers(Path(directory, "cgroup.procs").read_text())
        return found

    def kill(self) -> None:
        """SIGKILL to all processes in and below this cgroup, until none is left. TimeoutError if one does not end."""
        deadline = time.monotonic() + TIMEOUT
        while pids := [pid for pid in self.processes() if pid]:
            with _handles(pids) as handles:
                for handle in handles:
                    with suppress(ProcessLookupError):
                        signal.pidfd_send_signal(handle, signal.SIGKILL)
                _wait_for_all(handles, deadline, f"a process in {self.path} does not end after SIGKILL: {pids}")

    def remove(self) -> None:
        """Kill what is inside and remove the cgroup with all below it. It may be gone already."""
        deadline = time.monotonic() + TIMEOUT
        self.kill()
        for directory, _, _ in os.walk(self.path, topdown=False):
            while True:
                try:
                    os.rmdir(directory)
                except FileNotFoundError:
                    pass
                except OSError:  # EBUSY: the last process has ended, but the kernel has not put it away yet
                    if time.monotonic() > deadline:
                        raise
                    os.sched_yield()
                    continue
                break

    # Events

    def watch(self, name: str, argument: str = "") -> "Watch":
        """Events of a file: see Watch."""
        return Watch(self.path, self.version, name, argument)

    # What both versions have, by one name. Sizes are bytes.

    @property
    def memory_limit(self) -> int | None:
        """memory.limit_in_bytes or memory.max: whole pages; None when there is no limit."""
        value = self.read("memory.limit_in_bytes" if self.version == 1 else "memory.max")
        return None if value in ("max", NO_LIMIT) else int(value)

    @memory_limit.setter
    def memory_limit(self, limit: int | None) -> None:
        """Version 1 refuses (EBUSY) what it cannot reach by reclaim; version 2 takes it, and kills if it must."""
        if self.version == 1:
            self.write("memory.limit_in_bytes", -1 if limit is None else limit)
        else:
            self.write("memory.max", "max" if limit is None else limit)

    @property
    def memory_usage(self) -> int:
        """memory.usage_in_bytes or memory.current: anonymous memory, page cache and memory of the kernel."""
        return int(self.read("memory.usage_in_bytes" if self.version == 1 else "memory.current"))

    @property
    def memory_peak(self) -> int:
        """memory.max_usage_in_bytes or memory.peak (Linux 5.19)."""
        return int(self.read("memory.max_usage_in_bytes" if self.version == 1 else "memory.peak"))

    @property
    def swap_usage(self) -> int:
        """The line swap of memory.stat, or memory.swap.current."""
        return int(self.read("memory.stat")["swap"] if self.version == 1 else self.read("memory.swap.current"))

    @property
    def limit_hits(self) -> int:
        """How often an allocation met the limit: memory.failcnt, or the line max of memory.events."""
        return int(self.read("memory.failcnt") if self.version == 1 else self.read("memory.events")["max"])

    @property
    def oom_kills(self) -> int:
        """How many processes the OOM killer has ended here; version 2 counts those below this cgroup, too."""
        return int(self.read("memory.oom_control" if self.version == 1 else "memory.events")["oom_kill"])


@contextmanager
def _handles(pids: list[int]) -> Iterator[list[int]]:
    """File descriptors of processes (pidfd_open(2)); those that are gone already are left out."""
    with ExitStack() as stack:
        handles = []
        for pid in pids:
            with suppress(ProcessLookupError):
                handles.append(open_process(pid))
                stack.callback(os.close, handles[-1])
        yield handles


def _wait_for_all(handles: list[int], deadline: float, message: str) -> None:
    for handle in handles:
        poll = select.poll()
        poll.register(handle, select.POLLIN)  # readable: the process has ended, and has left its cgroups
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise TimeoutError(message)
