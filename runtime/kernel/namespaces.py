"""Functions that run in other namespaces: new ones, or those of a process. namespaces(7).

    >>> run_in_new(Clone.NEWUTS | Clone.NEWPID, os.getpid)
    1
    >>> with start_in_new(Clone.NEWNET, signal.pause) as child:
    ...     link(child.pid, "net") != link(os.getpid(), "net")
    True

A result and an exception come back pickled; what the function changes in memory stays in the child.
"""

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, TypeVar

from runtime.kernel.children import Child, ChildDiedError, launch, tell, tell_and_stay
from runtime.kernel.idmaps import IdMap, become_mapped, become_root, write_maps, write_time_offsets
from runtime.kernel.nsfs import kind_of, opened, owner_uid, owning_user_namespace, parent, unique_id
from runtime.kernel.syscalls import Clone, Mount, SyscallError, mount, setns, unshare

__all__ = [
    "KINDS",
    "LINKS",
    "VISITABLE",
    "Child",
    "ChildDiedError",
    "Kind",
    "kind_of",
    "link",
    "links",
    "owner_uid",
    "owning_user_namespace",
    "parent",
    "run_in_new",
    "run_inside",
    "start_in_new",
    "start_inside",
    "tell",
    "tell_and_stay",
    "unique_id",
    "visit",
    "write_maps",
]

T = TypeVar("T")


@dataclass(frozen=True)
class Kind:
    """One kind of namespace: its CLONE_ flag, its name under /proc/PID/ns, what it isolates, its first kernel."""

    name: str
    flag: Clone
    link: str
    isolates: str
    since: str


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("cgroup", Clone.NEWCGROUP, "cgroup", "the root of the cgroup paths that are seen", "4.6"),
        Kind("ipc", Clone.NEWIPC, "ipc", "System V IPC objects and POSIX message queues", "2.6.19"),
        Kind("mnt", Clone.NEWNS, "mnt", "mount points", "2.4.19"),
        Kind("net", Clone.NEWNET, "net", "network devices, addresses, routes, ports, firewall rules", "2.6.24"),
        Kind("pid", Clone.NEWPID, "pid", "process numbers", "2.6.24"),
        Kind("time", Clone.NEWTIME, "time", "the offsets of the monotonic and boot-time clocks", "5.6"),
        Kind("user", Clone.NEWUSER, "user", "user and group numbers, capabilities", "3.8"),
        Kind("uts", Clone.NEWUTS, "uts", "host name and NIS domain name", "2.6.19"),
    )
}
LINKS = ("cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children", "user", "uts")
# A process keeps its own PID and time namespace for life; setns and unshare choose those of its children.
_FOR_CHILDREN = {"pid": "pid_for_children", "time": "time_for_children"}
VISITABLE = frozenset({"cgroup", "ipc", "net", "uts"})  # what a thread has for itself


def link(pid: int | str, kind: str) -> str:
    """Which namespace a process is in: "uts:[4026531838]". `kind` is any name under /proc/PID/ns; `pid` may be "self".

    FileNotFoundError when there is no such process, PermissionError when ptrace(2) rules forbid to ask.
    """
    return os.readlink(f"/proc/{pid}/ns/{kind}")


def links(pid: int | str) -> dict[str, str]:
    """All ten links of /proc/PID/ns, by name; errors as in link."""
    return {name: link(pid, name) for name in LINKS}


def run_in_new(
    flags: int,
    function: Callable[..., T],
    *args: Any,
    uid_map: IdMap | None = None,
    gid_map: IdMap | None = None,
    time_offsets: Mapping[str, int] | None = None,
    propagation: Mount | None = Mount.PRIVATE,
    name: str | None = None,
) -> T:
    """The result of function(*args), run in a child with new namespaces. Parameters and errors as in start_in_new."""
    maps = (uid_map, gid_map)
    with _start(flags, function, args, maps, time_offsets, propagation, name, announced=False) as child:
        return child.wait()


def start_in_new(
    flags: int,
    function: Callable[..., T],
    *args: Any,
    uid_map: IdMap | None = None,
    gid_map: IdMap | None = None,
    time_offsets: Mapping[str, int] | None = None,
    propagation: Mount | None = Mount.PRIVATE,
    name: str | None = None,
) -> Child[T]:
    """Start function(*args) in a child with new namespaces (Clone.NEW*); returns when it is about to run.

    uid_map, gid_map: rows (inside, outside, count) for NEWUSER; None maps root to the caller, () writes no map. A child
        whose own id is not in the map becomes 0 if that is.
    time_offsets: {"monotonic": seconds, "boottime": seconds} for NEWTIME.
    propagation: what the mounts of a new mount namespace get first, so that nothing leaks out; None leaves them.
    name: of the process in `ps`, 15 bytes; None for the function's.
    With NEWPID the function runs as process 1. With NEWTIME it runs in a second process, as only a child of the one
    that calls unshare is in the new namespace; .pid is always the one that runs the function. SyscallError (clone,
    unshare), OSError (maps), the errors of the function from wait(), ChildDiedError.
    """
    return _start(flags, function, args, (uid_map, gid_map), time_offsets, propagation, name, announced=True)


def _start(
    flags: int,
    function: Callable[..., T],
    args: tuple[Any, ...],
    maps: tuple[IdMap | None, IdMap | None],
    time_offsets: Mapping[str, int] | None,
    propagation: Mount | None,
    name: str | None,
    announced: bool,
) -> Child[T]:
    wanted = Clone(flags)
    with_user = bool(wanted & Clone.NEWUSER)
    timed = bool(wanted & Clone.NEWTIME)
    later = Clone.NEWPID if timed else Clone(0)
    own = (os.geteuid(), os.getegid())
    mounts = int(Mount.REC | propagation) if wanted & Clone.NEWNS and propagation is not None else 0

    def outside(pid: int) -> None:
        write_maps(pid, *maps)

    def inside() -> None:  # what can be worked out before the fork is: see _Work in children.py
        if with_user:
            become_mapped(*own, *maps)
        if mounts:
            mount("none", "/", None, mounts)
        if timed:
            unshare(Clone.NEWTIME)
            write_time_offsets(time_offsets or {})

    return launch(
        function,
        args,
        name=name or _name_of(function),
        flags=wanted & ~Clone.NEWTIME & ~later,
        outside=outside if with_user else None,
        inside=inside,
        again=wanted & later if timed else None,
        announced=announced,
    )


def _name_of(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__name__", "child"))


def run_inside(pid: int, kinds: Iterable[str], function: Callable[..., T], *args: Any) -> T:
    """The result of function(*args), run in a child that enters the namespaces `kinds` of process `pid`.

    The user namespace goes first, and gives root in it where that is mapped; only what an outer user namespace owns is
    entered before, as the right to it is lost afterwards. For pid and time the child forks once more, as nsenter does.
    Kinds that the caller shares with the process are passed over.
    ValueError for an unknown kind, OSError when /proc/PID/ns cannot be read, SyscallError (setns), the function's
    errors.
    """
    with _enter(pid, kinds, function, args, announced=False) as child:
        return child.wait()


def start_inside(pid: int, kinds: Iterable[str], function: Callable[..., T], *args: Any) -> Child[T]:
    """Start function(*args) as run_inside does; returns when it is about to run, and raises what went wrong before."""
    return _enter(pid, kinds, function, args, announced=True)


def _enter(
    pid: int, kinds: Iterable[str], function: Callable[..., T], args: tuple[Any, ...], announced: bool
) -> Child[T]:
    with ExitStack() as stack:
        targets = _targets(pid, kinds, stack)
        early, late = _in_order(targets)

        def inside() -> None:
            for kind, descriptor in (*early, *late):
                setns(descriptor, kind.flag)
                if kind.flag == Clone.NEWUSER:
                    become_root()

        forks_again = any(kind.name in _FOR_CHILDREN for kind, _ in targets)
        name = _name_of(function)
        again = Clone(0) if forks_again else None
        return launch(function, args, name=name, inside=inside, again=again, announced=announced)


def visit(pid: int, kinds: Iterable[str], function: Callable[..., T], *args: Any) -> T:
    """The result of function(*args), run in a short-lived thread that enters namespaces of process `pid`: no fork.

    Only uts, ipc, net and cgroup, which a thread has for itself (ValueError else). Kinds that the caller shares with
    the process are passed over; without any left the function runs in the calling thread. Read /proc/thread-self in
    it: /proc/self is the process, which has not moved. Errors as in run_inside; they are raised here.
    """
    wanted = list(kinds)
    if strangers := [kind for kind in wanted if kind not in VISITABLE]:
        raise ValueError(f"a thread cannot enter {', '.join(strangers)} alone: use run_inside")
    with ExitStack() as stack:
        targets = _targets(pid, wanted, stack)
        if not targets:
            return function(*args)
        results: list[T] = []
        errors: list[BaseException] = []

        def work() -> None:
            try:
                for kind, descriptor in targets:
                    setns(descriptor, kind.flag)
                results.append(function(*args))
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=work, name=f"visit to {pid}", daemon=True)
        thread.start()
        thread.join()  # its namespaces end with it
    if errors:
        raise errors.pop()
    return results.pop()


def _targets(pid: int, kinds: Iterable[str], stack: ExitStack) -> list[tuple[Kind, int]]:
    """The namespaces of `pid` that are not the caller's own, open until `stack` ends."""
    found = []
    for name in kinds:
        if name not in KINDS:
            raise ValueError(f"{name!r} is no kind of namespace; there are {', '.join(KINDS)}")
        descriptor = stack.enter_context(opened(f"/proc/{pid}/ns/{name}"))
        own = os.stat(f"/proc/thread-self/ns/{_FOR_CHILDREN.get(name, name)}")
        if not os.path.samestat(os.fstat(descriptor), own):
            found.append((KINDS[name], descriptor))
    return found


def _in_order(targets: list[tuple[Kind, int]]) -> tuple[list[tuple[Kind, int]], list[tuple[Kind, int]]]:
    """(before the user namespace, the user namespace and what comes after it). Without one, all are in the second."""
    user = [target for target in targets if target[0].flag == Clone.NEWUSER]
    others = [target for target in targets if target[0].flag != Clone.NEWUSER]
    if not user:
        return [], others
    name = os.readlink(f"/proc/self/fd/{user[0][1]}")
    early = [target for target in others if not _owned_by(target[1], name)]
    return early, user + [target for target in others if target not in early]


def _owned_by(descriptor: int, user_namespace: str) -> bool:
    """False also when the owner lies outside the caller's view: then it is no descendant of the caller's own."""
    try:
        return owning_user_namespace(f"/proc/self/fd/{descriptor}") == user_namespace
    except SyscallError:
        return False
