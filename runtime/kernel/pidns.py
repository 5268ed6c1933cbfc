"""PID namespaces: nested ones, how deep one stands, numbers translated. pid_namespaces(7), ioctl_ns(2).

    >>> with start_nested(3, signal.pause) as outermost:
    ...     read("/proc/PID/status", chain(outermost.pid)[-1])["NSpid"]
    [4711, 2, 2, 1]
    >>> descent = start_deepest()
    >>> descent.levels, errno.errorcode[descent.errno]
    (32, 'ENOSPC')

32 levels fit below the initial namespace (MAX_PID_NS_LEVEL in include/linux/pid_namespace.h).
"""

import errno
import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from runtime.kernel import nsfs, proc
from runtime.kernel.namespaces import Child, run_in_new, start_in_new
from runtime.kernel.syscalls import MNT_DETACH, Clone, SyscallError, ioctl, umount2

T = TypeVar("T")

MAX_PID_NS_LEVEL = 32
NS_GET_PID_FROM_PIDNS = 0x8004B706  # _IOR(0xb7, 6, int), Linux 6.11
NS_GET_PID_IN_PIDNS = 0x8004B708  # _IOR(0xb7, 8, int), Linux 6.11


def start_nested(levels: int, function: Callable[..., T], *args: Any) -> Child[T]:
    """Start function(*args) in the innermost of `levels` new PID namespaces, each made in the one before (at least 1).

    Returns when the innermost process exists and is about to run the function, or has failed: its errors, such as
    SyscallError(ENOSPC) for too many levels, come from wait(), as does the function's result. The child that is
    returned is process 1 of the outermost; the end of its `with` kills all.
    """
    ready, tell = os.pipe()
    try:
        return start_in_new(Clone.NEWPID, _nested, levels, tell, function, *args)
    finally:
        os.close(tell)
        os.read(ready, 1)  # end of file when all that could tell are dead
        os.close(ready)


def _nested(levels: int, tell: int, function: Callable[..., T], *args: Any) -> T:
    if levels <= 1:
        os.write(tell, b"!")
        os.close(tell)
        return function(*args)
    try:
        child: Child[T] = start_in_new(Clone.NEWPID, _nested, levels - 1, tell, function, *args)
    finally:
        os.close(tell)
    with child:
        return child.wait()


@dataclass(frozen=True)
class Descent:
    """As deep as one can go: process 1 of the outermost new namespace, how many are nested, what refused the next."""

    outermost: Child[None]
    levels: int
    errno: int


def start_deepest() -> Descent:
    """Nest PID namespaces until the kernel refuses one more; a process stays in each until the outermost is closed.

    errno is ENOSPC at the limit of levels (EINVAL before Linux 4.9), and also at that of
    /proc/sys/user/max_pid_namespaces. SyscallError when not even one can be made.
    """
    ready, tell = os.pipe()
    try:
        outermost = start_in_new(Clone.NEWPID, _deeper, 1, tell)
    finally:
        os.close(tell)
        told = os.read(ready, 64)  # end of file when the call above failed
        os.close(ready)
    levels, refusal = map(int, told.split())
    return Descent(outermost, levels, refusal)


def _deeper(level: int, tell: int) -> None:
    with ExitStack() as stack:
        try:
            stack.enter_context(start_in_new(Clone.NEWPID, _deeper, level + 1, tell))
        except SyscallError as error:
            os.write(tell, f"{level} {error.errno}".encode())
        os.close(tell)
        signal.pause()


def chain(pid: int) -> list[int]:
    """`pid`, its first child, the first child of that and so on, as the caller's /proc numbers them."""
    found = [pid]
    while children := proc.read("/proc/PID/task/PID/children", found[-1]):
        if not isinstance(children, list):  # it has ended meanwhile
            break
        found.append(children[0])
    return found


def find_below(pid: int, program: str, timeout: float = 10.0) -> int:
    """The first process below `pid` whose name (/proc/PID/comm, 15 bytes) is `program`, when there is one.

    For a program that a shell has just started in the background: it takes a moment until it is itself. The kernel
    tells nobody of an exec, so this looks again each millisecond. TimeoutError after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        found = [pid]
        for each in found:
            if each != pid and proc.read("/proc/PID/comm", each) == program:
                return each
            children = proc.read("/proc/PID/task/PID/children", each)
            found += children if isinstance(children, list) else []
        select.select([], [], [], 0.001)
    raise TimeoutError(f"no {program} below process {pid} after {timeout:g} s")


def is_initial(proc_directory: str = "/proc") -> bool:
    """Whether a mounted proc shows the initial PID namespace: only there process 2 is kthreadd, without a parent."""
    try:
        lines = Path(proc_directory, "2/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    return {"Name:\tkthreadd", "PPid:\t0"} <= set(lines)


def level() -> int | None:
    """How many PID namespaces lie above the caller's: 0 in the initial one. None when that one is out of sight.

    A proc file system numbers processes as the namespace sees them in which it was mounted. If the initial one's is
    still mounted below the visible one, a child in a new mount namespace uncovers it and reads its own NSpid there.
    SyscallError(EPERM) without CAP_SYS_ADMIN.
    """
    return run_in_new(Clone.NEWNS, _level_in_uncovered_proc)


def _level_in_uncovered_proc() -> int | None:
    while not is_initial():
        try:
            umount2("/proc", MNT_DETACH)
        except SyscallError as error:
            if error.errno in (errno.EINVAL, errno.ENOENT):
                return None
            raise
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    numbers = next(line.split()[1:] for line in lines if line.startswith("NSpid:"))
    return len(numbers) - 1


def pid_from(path: str, pid: int) -> int:
    """The caller's number for the process that is `pid` in the PID namespace at `path` (/proc/N/ns/pid).

    SyscallError(ESRCH) when there is none, (ENOTTY) before Linux 6.11.
    """
    return _translated(path, NS_GET_PID_FROM_PIDNS, "NS_GET_PID_FROM_PIDNS", pid)


def pid_in(path: str, pid: int) -> int:
    """The number in the PID namespace at `path` of the process that the caller calls `pid`. Errors as in pid_from."""
    return _translated(path, NS_GET_PID_IN_PIDNS, "NS_GET_PID_IN_PIDNS", pid)


def _translated(path: str, request: int, name: str, pid: int) -> int:
    with nsfs.opened(path) as namespace:
        return ioctl(namespace, request, pid, name)
