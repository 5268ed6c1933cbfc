"""A Python function in a child process, with a guard that ends the child.

Parent and child talk over two pipes. By `go` the parent says "continue" where the child has to wait (for its uid_map);
it keeps its end open as long as it guards the child: a hang-up there means that the parent has died. By `report`
the child answers in frames: FORKED (the pid of a second stage), STARTED, then RESULT or ERROR, pickled.
"""

import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, NoReturn, TypeVar, cast

from runtime.kernel.frames import ERROR, FORKED, RESULT, STARTED, TOLD, portable, read_frame, write_frame
from runtime.kernel.syscalls import PR_SET_PDEATHSIG, Clone, clone, pidfd_open, prctl, set_name

T = TypeVar("T")

NO_FLAGS = Clone(0)
_ALL_SIGNALS = signal.valid_signals()
_report = -1  # in a child: where it answers


class ChildDiedError(RuntimeError):
    """The child ended without an answer. `.status`: its exit status, negative for the signal that killed it."""

    def __init__(self, name: str, status: int) -> None:
        super().__init__(name, status)
        self.status = status

    def __str__(self) -> str:
        how = f"was killed by {signal.Signals(-self.status).name}" if self.status < 0 else f"exited with {self.status}"
        return f"the child {self.args[0]!r} {how} before it gave a result"


class Child(Generic[T]):
    """A running child process and the guard that owns it: leaving the `with` kills and reaps it.

    .pid (in the caller's PID namespace), .pidfd, .name, .status (None while it runs, else exit status or -signal).
    """

    def __init__(self, pid: int, report: int, go: int, name: str) -> None:
        self.pid = pid
        self.name = name
        self.status: int | None = None
        try:
            self.pidfd = pidfd_open(pid)
        except OSError:  # no descriptor left: a child without a guard must not live
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise
        self._report = report
        self._go = go
        self._answer: tuple[bytes, Any] | None = None

    def __enter__(self) -> "Child[T]":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Child {self.name!r} pid {self.pid} {'running' if self.status is None else f'ended {self.status}'}>"

    def wait(self, timeout: float | None = None) -> T:
        """The function's result, when it has one; its exception is raised here. Then the process is reaped.

        A child that ends without an answer (exec, os._exit, a signal): None for exit status 0, else ChildDiedError.
        TimeoutError after `timeout` seconds, the child goes on. May be called again: the answer is kept.
        """
        if self._answer is None:
            self._answer = self._read_answer(timeout)
            self._reap()
        return self._result()

    def hear(self) -> Any:
        """The next value that the child tells (see :func:`tell`); waits for it.

        If the child ends before, its own error is raised here, or ChildDiedError.
        """
        if self._answer is None:
            kind, value = read_frame(self._report)
            if kind == TOLD:
                return value
            self._answer = kind, value
            self._reap()
        self._result()
        raise ChildDiedError(self.name, self.status or 0)

    def kill(self, sig: int = signal.SIGKILL) -> None:
        """Send a signal; nothing happens when the process has ended."""
        if self.status is None:
            with suppress(ProcessLookupError):  # reaped by somebody else
                signal.pidfd_send_signal(self.pidfd, sig)

    def close(self) -> None:
        """Kill with SIGKILL, reap, and give the descriptors back. May be called again."""
        if self.status is None:
            self.kill()
            self._reap()
        if self.pidfd >= 0:
            close_all(self.pidfd, self._report, self._go)
        self.pidfd = self._report = self._go = -1

    def _read_answer(self, timeout: float | None) -> tuple[bytes, Any]:
        """The whole answer is read before the process is waited for: it cannot end while it writes to a full pipe."""
        poll = select.poll()
        poll.register(self._report, select.POLLIN)
        poll.register(self.pidfd, select.POLLIN)
        ready = dict(poll.poll(None if timeout is None else max(0, timeout) * 1000))
        if not ready:
            raise TimeoutError(f"{self.name} (pid {self.pid}) has no result after {timeout} s")
        if self._report not in ready:  # it is dead and silent, but a child of its own keeps the pipe open
            return b"", None
        kind, value = read_frame(self._report)
        while kind == TOLD:  # and nobody has heard it
            kind, value = read_frame(self._report)
        return kind, value

    def _reap(self) -> None:
        try:
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        except ChildProcessError:  # somebody else has reaped it, or SIGCHLD is ignored: how it ended is unknown
            self.status = 0

    def _result(self) -> T:
        kind, value = self._answer or (b"", None)
        if kind == ERROR:
            raise cast(BaseException, value)
        if kind != RESULT and self.status:
            raise ChildDiedError(self.name, self.status)
        return cast(T, value)


def launch(
    function: Callable[..., T],
    arguments: tuple[Any, ...],
    *,
    name: str,
    flags: Clone = NO_FLAGS,
    outside: Callable[[int], None] | None = None,
    inside: Callable[[], None] | None = None,
    again: Clone | None = None,
    announced: bool = True,
) -> Child[T]:
    """Run function(*arguments) in a clone with `flags`.

    `outside(pid)` runs in the parent, then `inside()` in the child; with `again` the child clones once more with those
    flags, and the function runs in this second process, which is a child of the caller too (CLONE_PARENT), while the
    first one ends. `announced`: return when the function is about to be called, and raise here what went wrong before;
    without it that comes from wait(), which saves a turn between the processes. The child dies with the thread that
    started it.
    """
    flush_output()
    go_read, go_write = os.pipe()
    report_read, report_write = os.pipe()
    with signals_blocked() as mask:  # an interrupt between clone and guard would leave a child behind
        try:
            pid = clone(flags)
            if pid == 0:
                work = _Work(function, arguments, name, outside is not None, inside, again, announced, mask)
                work.run(go_read, report_write, (go_write, report_read))
            child: Child[T] = Child(pid, report_read, go_write, name)
        except BaseException:
            close_all(go_read, go_write, report_read, report_write)
            raise
        close_all(go_read, report_write)
        return _lead(child, outside, again is not None, announced)


def _lead(child: Child[T], outside: Callable[[int], None] | None, two_stages: bool, announced: bool) -> Child[T]:
    """The parent's part until the function is about to run."""
    try:
        if outside:
            outside(child.pid)
            _say_go(child)
        if two_stages:
            child = _second_stage(child)
            _say_go(child)
        if announced:
            _expect(child, STARTED)
    except BaseException:
        child.close()
        raise
    return child


def _say_go(child: "Child[Any]") -> None:
    with suppress(BrokenPipeError):  # it has died: reading its report says how
        os.write(child._go, b"g")


def _expect(child: "Child[Any]", wanted: bytes) -> Any:
    """The value of the child's next frame; its error is raised, as is its death."""
    kind, value = read_frame(child._report)
    if kind == wanted:
        return value
    if kind == ERROR:
        raise value
    child._reap()
    raise ChildDiedError(child.name, child.status or 0)


def _second_stage(first: "Child[T]") -> "Child[T]":
    """Takes over the process that the first stage made; the first stage ends by itself and is reaped."""
    pid = _expect(first, FORKED)
    second: Child[T] = Child(pid, os.dup(first._report), os.dup(first._go), first.name)
    first.close()
    return second


@dataclass
class _Work:
    """What the child has to do."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    name: str
    waits: bool
    inside: Callable[[], None] | None
    again: Clone | None
    announced: bool
    mask: set[signal.Signals]

    def run(self, go: int, report: int, not_ours: tuple[int, ...]) -> NoReturn:
        """The child, from its first to its last instruction: it must never return into the caller's code."""
        global _report
        _report, status = report, 0
        try:
            close_all(*not_ours)
            self._prepare(go, report)
            if self.announced:
                write_frame(report, STARTED, None)
            write_frame(report, RESULT, self.function(*self.arguments))
        except SystemExit as error:  # as for any process: an end, not a failure to be told
            status = error.code if isinstance(error.code, int) else int(error.code is not None)
        except BaseException as error:
            status = 1
            with suppress(BaseException):
                write_frame(report, ERROR, portable(error))
        finally:
            try:
                flush_output()
            finally:
                os._exit(status & 0xFF)

    def _prepare(self, go: int, report: int) -> None:
        """Enter the namespaces; returns in the process that is to run the function.

        Each step is as plain as can be: what a forked Python touches first costs a page fault, 5 us in a VM.
        """
        set_name(self.name)
        if self.waits:
            _wait_for_go(go)
        if self.inside:
            self.inside()
        if self.again is not None:
            pid = clone(self.again | Clone.PARENT)
            if pid:  # the first stage tells who the second is, and has done its work
                write_frame(report, FORKED, pid)
                os._exit(0)
            _wait_for_go(go)
        # After inside(): the kernel forgets this setting when credentials change. The parent may have died before it,
        # which the pipe tells. (getppid() tells nothing: it is 0 in a new PID namespace.)
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if _hung_up(go):
            os._exit(1)
        signal.pthread_sigmask(signal.SIG_SETMASK, self.mask)


def tell(value: Any) -> None:
    """In a child: tell the parent a value (it is pickled), which ``Child.hear`` returns there; the child goes on.

    RuntimeError in a process that is no child of :func:`launch`.
    """
    if _report < 0:
        raise RuntimeError("tell() belongs into the function of a child: nobody listens here")
    write_frame(_report, TOLD, value)


def tell_and_stay(function: Callable[..., Any], *args: Any) -> None:
    """In a child: tell what function(*args) returns, and stay alive, to be looked at, until the parent ends it."""
    tell(function(*args))
    signal.pause()


def _wait_for_go(go: int) -> None:
    """The parent's word, or its death: then there is end of file."""
    if not os.read(go, 1):
        os._exit(1)


def _hung_up(go: int) -> bool:
    poll = select.poll()
    poll.register(go, 0)  # POLLHUP comes unasked
    return bool(poll.poll(0))


def flush_output() -> None:
    """Empty Python's buffers, so that text is written once, not by parent and child."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError, OSError):
            stream.flush()


def close_all(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


@contextmanager
def signals_blocked() -> Iterator[set[signal.Signals]]:
    """All signals wait until the end of the `with`; it gives the mask from before."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _ALL_SIGNALS)
    try:
        yield {signal.Signals(number) for number in mask}
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
