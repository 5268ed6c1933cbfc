"""clone(2) and clone3(2) for a Python interpreter, also one with threads.

A raw clone from Python needs what os.fork() does unseen:

1. The interpreter's fork hooks (PyOS_BeforeFork, PyOS_AfterFork_Parent, PyOS_AfterFork_Child) put its locks in order
   and run os.register_at_fork functions (logging, random, threading).
2. The GIL stays held over the call (ctypes.PyDLL): else another thread may own it at that moment, and in the child,
   where that thread does not exist, nobody gives it back.
3. Nor may it be given up between the hooks and the call. Those are steps of Python here, and another thread may ask for
   the GIL at any of them: a child that inherits such a request waits for ever for that thread to take it (seen with
   Python 3.13 after a few clones), and since 3.12 a lock of the runtime is held from the first hook to the last.
4. The C library's own locks (malloc, stdio): fork(3) takes them first, the system call does not. A thread that is
   inside malloc at that moment leaves a child that hangs at its first malloc (about one in a thousand under load).

With one thread the first is all, and the system call is made directly. When other threads are alive, the process is
first copied by os.fork(), which leaves the copy with one thread and clean locks; the copy clones with CLONE_PARENT,
which makes the new process a child of the caller, and ends. (runc nests its forks by CLONE_PARENT too.)
"""

import ctypes
import errno as errno_names
import os
import signal
import struct
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from ctypes import c_long, c_size_t, c_uint64, c_ulong, c_void_p

from runtime.kernel.errors import SyscallError
from runtime.kernel.flags import SYS_CLONE, SYS_CLONE3, Clone, flag_names

_gil_held = ctypes.PyDLL(None, use_errno=True)
_clone = _gil_held["syscall"]
_clone.argtypes = (c_long, c_ulong, c_void_p, c_void_p, c_void_p, c_void_p)  # flags; the others are 0
_clone.restype = c_long
_clone3 = _gil_held["syscall"]
_clone3.argtypes = (c_long, c_void_p, c_size_t)
_clone3.restype = c_long
_before_fork = ctypes.pythonapi.PyOS_BeforeFork
_after_fork_parent = ctypes.pythonapi.PyOS_AfterFork_Parent
_after_fork_child = ctypes.pythonapi.PyOS_AfterFork_Child
for _hook in (_before_fork, _after_fork_parent, _after_fork_child):
    _hook.argtypes = ()
    _hook.restype = None

# The child would run in the parent's memory (the interpreter cannot), stop the parent while it holds the GIL, or needs
# an address that no argument of ours gives.
_REFUSED = (
    Clone.VM
    | Clone.VFORK
    | Clone.SIGHAND
    | Clone.THREAD
    | Clone.SETTLS
    | Clone.PARENT_SETTID
    | Clone.CHILD_SETTID
    | Clone.CHILD_CLEARTID
)
# What would be shared with the copy instead of with the caller, or makes the caller's own parent the parent.
_NOT_THROUGH_A_COPY = Clone.FS | Clone.FILES | Clone.SYSVSEM | Clone.IO | Clone.PARENT | Clone.PTRACE

_WORD = struct.Struct("=q")


class _CloneArgs(ctypes.Structure):
    """struct clone_args of clone3(2), as of Linux 5.7 (88 bytes)."""

    _fields_ = tuple(
        (name, c_uint64)
        for name in (
            "flags",
            "pidfd",
            "child_tid",
            "parent_tid",
            "exit_signal",
            "stack",
            "stack_size",
            "tls",
            "set_tid",
            "set_tid_size",
            "cgroup",
        )
    )


def fork() -> int:
    """os.fork() without Python's warning about threads: the children made here are built for that."""
    if sys.version_info < (3, 12):
        return os.fork()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def clone(flags: int, exit_signal: int = signal.SIGCHLD) -> int:
    """A child process with new namespaces; its pid, or 0 in the child, which must leave by os._exit. clone(2).

    Safe with other threads alive (see the module's text). ValueError for flags that cannot work in an interpreter (VM,
    THREAD, VFORK ...) or not while other threads are alive (FS, FILES, PARENT ..., an exit_signal other than SIGCHLD),
    SyscallError from the kernel.
    Until its next fork the child's C library knows the thread id of its parent; only robust mutexes would care.
    """
    _refuse(flags, "clone")
    if flags & Clone.PIDFD:
        raise ValueError("clone has no place for a pidfd here: clone3(flags, pidfd=True)")
    if flags & Clone.NEWTIME or flags > 0xFFFFFFFF:
        raise ValueError(f"{flag_names(Clone, flags)} does not fit into clone's flags: unshare or clone3")
    if not flags and exit_signal == signal.SIGCHLD:
        return fork()

    def call(more: Clone) -> int:
        signalled = 0 if more & Clone.PARENT else exit_signal  # with PARENT it is inherited
        return int(_clone(SYS_CLONE, flags | more | signalled, None, None, None, None))

    return _run(call, flags, exit_signal, "clone")


def clone3(
    flags: int,
    exit_signal: int = signal.SIGCHLD,
    pidfd: bool = False,
    cgroup: int | None = None,
    set_tid: Sequence[int] = (),
) -> tuple[int, int | None]:
    """As clone: (pid, pidfd or None), (0, None) in the child. clone3(2), Linux 5.3.

    `cgroup` is a descriptor of a cgroup v2 directory, in which the child starts (Linux 5.7). `set_tid` are the numbers
    that it gets, from the innermost PID namespace outwards (Linux 5.5). ValueError and SyscallError as in clone.
    """
    _refuse(flags, "clone3")
    if cgroup is not None:
        flags |= Clone.INTO_CGROUP
    numbers = (ctypes.c_int * len(set_tid))(*set_tid)

    def call(more: Clone) -> int:
        signalled = 0 if more & Clone.PARENT else exit_signal
        tids = ctypes.addressof(numbers) if set_tid else 0
        arguments = _CloneArgs(
            flags=flags | more, exit_signal=signalled, set_tid=tids, set_tid_size=len(set_tid), cgroup=cgroup or 0
        )
        return int(_clone3(SYS_CLONE3, ctypes.addressof(arguments), ctypes.sizeof(arguments)))

    pid = _run(call, flags & ~Clone.PIDFD, exit_signal, "clone3")
    wanted = pid > 0 and (pidfd or bool(flags & Clone.PIDFD))
    # Opened after the call: the number cannot be reused before the caller, its parent, has waited for it.
    return pid, os.pidfd_open(pid) if wanted else None


def _refuse(flags: int, call: str) -> None:
    if refused := flags & _REFUSED:
        raise ValueError(f"{call}: a Python interpreter cannot work with {flag_names(Clone, refused)}")


def _run(call: Callable[[Clone], int], flags: int, exit_signal: int, name: str) -> int:
    if _alone():
        pid, number = _with_hooks(call, Clone(0))
    elif not flags & _NOT_THROUGH_A_COPY and exit_signal == signal.SIGCHLD:
        pid, number = _through_a_copy(call)
    elif threading.active_count() == 1 and _alone_soon():
        pid, number = _with_hooks(call, Clone(0))
    else:
        raise ValueError(
            f"{name}: not with {flag_names(Clone, flags)}, signal {exit_signal} while other threads are alive"
        )
    if pid == -1:
        raise SyscallError(number, name, flag_names(Clone, flags))
    return pid


def _alone() -> bool:
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except FileNotFoundError:  # /proc is that of a PID namespace which we are not in: a mount namespace was entered
        return threading.active_count() == 1


def _alone_soon() -> bool:
    """Thread.join() returns when Python is done with a thread; the kernel needs a moment more."""
    for _ in range(1000):
        if _alone():
            return True
        os.sched_yield()
    return False


def _with_hooks(call: Callable[[Clone], int], more: Clone) -> tuple[int, int]:
    """(pid, errno) of the call, with the interpreter's fork hooks around it."""
    _before_fork()
    pid = call(more)
    if pid == 0:
        _after_fork_child()
        return 0, 0
    number = ctypes.get_errno()
    _after_fork_parent()
    return pid, number


def _through_a_copy(call: Callable[[Clone], int]) -> tuple[int, int]:
    """The same from a copy of this process that has one thread; the new process is still a child of the caller."""
    read_end, write_end = os.pipe()
    copy = fork()
    if copy == 0:  # the copy clones, tells pid or -errno, and goes; the new process returns from here as the child
        if _clone_in_copy(call, write_end):
            os._exit(0)
        os.close(read_end)
        os.close(write_end)
        return 0, 0
    os.close(write_end)
    answer = os.read(read_end, _WORD.size)
    os.close(read_end)
    os.waitpid(copy, 0)
    pid = _WORD.unpack(answer)[0] if answer else -errno_names.EAGAIN
    return (pid, 0) if pid > 0 else (-1, -pid)


def _clone_in_copy(call: Callable[[Clone], int], write_end: int) -> bool:
    """True in the copy, False in the new process. Never raises: an error must not run the caller's code twice."""
    try:
        pid, number = _with_hooks(call, Clone.PARENT)
    except BaseException:
        os._exit(1)
    if pid:
        os.write(write_end, _WORD.pack(pid if pid > 0 else -number))
    return bool(pid)
