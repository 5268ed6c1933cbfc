"""clone and clone3 from an interpreter, with and without threads."""

import ctypes
import errno
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runtime.kernel.syscalls import Clone, SyscallError, clone, clone3, pidfd_open, sethostname

log = logging.getLogger("clone test")


def leave(work: Callable[[], object], status: int) -> None:
    """The child's whole life."""
    try:
        work()
        os._exit(status)
    finally:
        os._exit(99)


def status_of(pid: int, milliseconds: int = 10_000) -> int:
    """The exit status; a child that hangs is killed after that time and gives -9."""
    pidfd = pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        if not poll.poll(milliseconds):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        os.close(pidfd)


@contextmanager
def busy_threads(count: int) -> Iterator[None]:
    """Threads that allocate, log, and call into the C library without the GIL."""
    stop = threading.Event()

    def churn() -> None:
        data = os.urandom(2000)
        while not stop.is_set():
            os.listdir("/usr/bin")
            zlib.compress(data)
            log.debug("%s", bytearray(100_000)[:3])

    threads = [threading.Thread(target=churn) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("flag", [Clone.VM, Clone.THREAD, Clone.VFORK, Clone.SETTLS | Clone.NEWUTS])
def test_flags_that_an_interpreter_cannot_bear_are_refused(flag: Clone) -> None:
    with pytest.raises(ValueError, match="a Python interpreter cannot work with"):
        clone(flag)
    with pytest.raises(ValueError, match="a Python interpreter cannot work with"):
        clone3(flag)


@pytest.mark.parametrize("flag", [Clone.NEWTIME, Clone.PIDFD, Clone.CLEAR_SIGHAND])
def test_flags_for_clone3_are_refused_by_clone(flag: Clone) -> None:
    with pytest.raises(ValueError, match="clone3"):
        clone(flag)


@pytest.mark.parametrize("threads", [0, 1])
def test_the_kernels_refusal_is_raised_and_the_interpreter_goes_on(threads: int) -> None:
    with busy_threads(threads), pytest.raises(SyscallError, match=r"^clone3\(0\)") as refused:
        clone3(0, set_tid=[1])  # taken, and not to be had by an ordinary user anyway
    assert refused.value.errno in (errno.EEXIST, errno.EPERM)


@pytest.mark.privileged
def test_a_clone_has_a_host_name_of_its_own() -> None:
    before = socket.gethostname()
    pid = clone(Clone.NEWUTS)
    if pid == 0:
        leave(lambda: sethostname("inside"), 7 if before != "inside" else 98)
    assert status_of(pid) == 7
    assert socket.gethostname() == before


@pytest.mark.privileged
def test_a_clone_is_a_child_of_the_caller_with_one_thread() -> None:
    def check() -> None:
        assert os.getpid() == 1
        assert len(os.listdir("/proc/thread-self/../../task")) == 1
        assert threading.active_count() == 1

    with busy_threads(2):
        pid = clone(Clone.NEWPID)
        if pid == 0:
            leave(check, 7)
        assert status_of(pid) == 7


@pytest.mark.privileged
def test_clones_do_not_hang_while_threads_allocate_and_log() -> None:
    def work() -> None:
        log.warning("%d", sum(len(bytearray(200_000)) for _ in range(10)))
        os.listdir("/usr/bin")
        thread = threading.Thread(target=os.getpid)
        thread.start()
        thread.join()

    statuses = []
    with busy_threads(4):
        for _ in range(25):
            pid = clone(Clone.NEWUTS)
            if pid == 0:
                os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
                leave(work, 7)
            statuses.append(status_of(pid))
    assert statuses == [7] * 25


@pytest.mark.privileged
def test_locks_of_the_c_library_are_free_in_the_child() -> None:
    """A thread holds the lock of C's stdout. fork(3) opens it in the child, the bare system call does not."""
    libc = ctypes.CDLL(None)
    stdout = ctypes.c_void_p.in_dll(libc, "stdout")
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        libc.flockfile(stdout)
        held.set()
        done.wait()
        libc.funlockfile(stdout)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    try:
        pid = clone(Clone.NEWUTS)
        if pid == 0:
            os._exit(7 if libc.ftrylockfile(stdout) == 0 else 8)
        assert status_of(pid) == 7
    finally:
        done.set()
        thread.join()


def test_what_is_shared_with_the_caller_cannot_go_through_a_copy() -> None:
    with busy_threads(1):
        for refused in (
            lambda: clone(Clone.NEWUTS | Clone.FS),
            lambda: clone(0, signal.SIGUSR1),
            lambda: clone3(Clone.FILES),
        ):
            with pytest.raises(ValueError, match="while other threads are alive"):
                refused()


@pytest.mark.privileged
def test_what_is_shared_is_shared_without_threads() -> None:
    """In a process of its own: a test runner may have threads (xdist, faulthandler)."""
    script = """
import os, threading
from runtime.kernel.syscalls import Clone, clone
thread = threading.Thread(target=os.getpid)
thread.start()
thread.join()
pid = clone(Clone.NEWUTS | Clone.FS)
if pid == 0:
    os.chdir("/proc")
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), os.getcwd())
"""
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, timeout=20, check=False
    )
    assert (done.stdout, done.stderr) == ("7 /proc\n", "")


@pytest.mark.privileged
def test_fork_hooks_run_on_both_sides() -> None:
    ran: list[str] = []
    os.register_at_fork(before=lambda: ran.append("before"), after_in_parent=lambda: ran.append("parent"))
    os.register_at_fork(after_in_child=lambda: ran.append("child"))
    pid = clone(Clone.NEWUTS)
    if pid == 0:
        os._exit(7 if ran[-2:] == ["before", "child"] else 8)  # twice when a thread was alive: fork, then clone
    assert status_of(pid) == 7
    assert ran == ["before", "parent"]


@pytest.mark.privileged
@pytest.mark.parametrize("threads", [0, 2])
def test_clone3_gives_a_pidfd_of_the_child(threads: int) -> None:
    with busy_threads(threads):
        pid, pidfd = clone3(Clone.NEWUTS, pidfd=True)
        if pid == 0:
            leave(signal.pause, 7)
        assert pidfd is not None
        try:
            assert not os.get_inheritable(pidfd)
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            info = os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
        finally:
            os.close(pidfd)
    assert info is not None
    assert (info.si_pid, info.si_status) == (pid, signal.SIGKILL)


@pytest.mark.privileged
def test_clone3_sets_the_number_in_the_new_pid_namespace() -> None:
    pid, pidfd = clone3(Clone.NEWPID, set_tid=[1])
    if pid == 0:
        leave(lambda: None, 7 if os.getpid() == 1 else 8)
    assert pidfd is None
    assert status_of(pid) == 7
    with pytest.raises(SyscallError) as refused:  # the first process of a PID namespace is 1
        clone3(Clone.NEWPID, set_tid=[5])
    assert refused.value.errno == errno.EINVAL


@pytest.mark.privileged
def test_clone3_into_what_is_no_cgroup() -> None:
    with open("/proc/self/status", "rb") as file, pytest.raises(SyscallError) as refused:
        clone3(0, cgroup=file.fileno())
    assert refused.value.errno == errno.EBADF
