"""A shell for the student: a real bash in the namespaces of a window, on the terminal of the stage.

The shell has a session and a terminal of its own, so that job control works in any PID namespace; what is typed and
printed is passed between that terminal and the real one, and so is its size.  When the shell ends, is killed, or the
real terminal goes away, everything of its session is killed.
"""

import fcntl
import os
import select
import signal
import termios
import tty
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from runtime.kernel import cgroups, namespaces, processes, syscalls
from runtime.lab.window import Window

SHELLS = (("/bin/bash", "bash", "-i"), ("/bin/sh", "sh", "-i"), ("/bin/busybox", "sh", "-i"))
_OF_WINDOWS = ("PS0", "PROMPT_COMMAND", "INPUTRC")  # the marks, and line editing without completion


def run(window: Window, terminal: int) -> str:
    """Run a shell where the foreground process of the window is, until it ends; returns a line that says so."""
    pid = window.pid
    hello = f"\nA shell in the namespaces of the window {window.name} (process {pid}). Leave it by exit or Ctrl-D.\n"
    _write(terminal, hello.encode())
    master, slave = os.openpty()
    try:
        _copy_size(terminal, master)
        with _place(pid) as place:
            child = namespaces.start_inside(pid, namespaces.KINDS, _become_shell, slave, place)
    except OSError as error:
        os.close(master)
        os.close(slave)
        return f"No shell in the window {window.name}: {error}."
    os.close(slave)
    with child:
        _join_cgroups(pid, child.pid)
        try:
            _relay(terminal, master, child.pidfd)
        finally:
            processes.kill(_session(child.pid))
            os.close(master)
    return f"You have left the shell in the window {window.name}."


# The shell


@dataclass(frozen=True)
class _Place:
    """Where a process stands: open directories, and its environment."""

    pid: int
    proc: int
    root: int
    directory: int
    environment: dict[str, str]


@contextmanager
def _place(pid: int) -> Iterator[_Place]:
    with ExitStack() as opened:

        def directory(path: str) -> int:
            descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY)
            opened.callback(os.close, descriptor)
            return descriptor

        entries = os.fsdecode(Path(f"/proc/{pid}/environ").read_bytes()).split("\0")
        environment = dict(entry.split("=", 1) for entry in entries if "=" in entry)
        kept = {name: value for name, value in environment.items() if name not in _OF_WINDOWS}
        kept["TERM"] = os.environ.get("TERM", "dumb")
        yield _Place(pid, directory("/proc"), directory(f"/proc/{pid}/root"), directory(f"/proc/{pid}/cwd"), kept)


def _become_shell(slave: int, place: _Place) -> NoReturn:
    """In the child, which is in the namespaces: take terminal, place and ids, and become the shell."""
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for standard in range(3):
        os.dup2(slave, standard)
    ids = _ids(place)
    os.fchdir(place.root)
    os.chroot(".")
    os.fchdir(place.directory)
    _take_ids(*ids)
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)  # again: a change of ids has taken it away
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with suppress(OSError):
            signal.signal(number, signal.SIG_DFL)
    for path, *arguments in SHELLS:
        with suppress(OSError):
            os.execve(path, arguments, place.environment)
    print(f"There is no shell here: none of {', '.join(path for path, *_ in SHELLS)}.", flush=True)
    os._exit(127)


def _ids(place: _Place) -> tuple[int, int, list[int]]:
    """(uid, gid, groups) of the window's process, as its user namespace numbers them."""
    with suppress(OSError):
        status = os.open(f"{place.pid}/status", os.O_RDONLY, dir_fd=place.proc)
        lines = os.read(status, 65536).decode(errors="replace").splitlines()
        fields = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
        return int(fields["Uid"][1]), int(fields["Gid"][1]), [int(group) for group in fields["Groups"]]
    return os.geteuid(), os.getegid(), os.getgroups()


def _take_ids(uid: int, gid: int, groups: list[int]) -> None:
    """Become the same user; ids that are not mapped cannot be had, and setgroups may be denied."""
    with suppress(OSError):
        os.setgroups(groups)
    with suppress(OSError):
        os.setresgid(gid, gid, gid)
    with suppress(OSError):
        os.setresuid(uid, uid, uid)


def _join_cgroups(pid: int, shell: int) -> None:
    """Put the shell into the cgroups of the window's process, where that is allowed."""
    for tree in cgroups.hierarchies():
        with suppress(OSError, cgroups.NoControllerError):
            directory = cgroups.directory_of(pid, next(iter(tree.controllers), "") if tree.version == 1 else "")
            (directory / "cgroup.procs").write_text(str(shell))


def _session(leader: int) -> list[int]:
    """The processes of a session."""
    found = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
    return [pid for pid in found if processes.stat(pid)[3:4] == [str(leader)]]


# Between the terminals


def _relay(terminal: int, master: int, shell: int) -> None:
    """Pass bytes until the shell has ended or a terminal is gone."""
    with _raw(terminal), _following_size(terminal, master):
        open_ends = True
        while open_ends:
            ready, _, _ = select.select([terminal, master, shell], [], [])
            if master in ready:
                open_ends = _pass(master, terminal)
            elif shell in ready:
                return
            if terminal in ready:
                open_ends = _pass(terminal, master) and open_ends


def _pass(source: int, target: int) -> bool:
    try:
        data = os.read(source, 65536)
    except OSError:  # EIO: nobody holds the other end
        return False
    return bool(data) and _write(target, data)


def _write(target: int, data: bytes) -> bool:
    try:
        while data:
            data = data[os.write(target, data) :]
    except OSError:
        return False
    return True


@contextmanager
def _raw(terminal: int) -> Iterator[None]:
    """The terminal hands over every byte as it is; afterwards it is as before."""
    try:
        saved: list[Any] | None = termios.tcgetattr(terminal)
        tty.setraw(terminal, termios.TCSANOW)
    except termios.error:  # it is gone
        saved = None
    try:
        yield
    finally:
        if saved is not None:
            with suppress(termios.error):
                termios.tcsetattr(terminal, termios.TCSANOW, saved)


@contextmanager
def _following_size(terminal: int, master: int) -> Iterator[None]:
    before = signal.signal(signal.SIGWINCH, lambda *_: _copy_size(terminal, master))
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


def _copy_size(terminal: int, master: int) -> None:
    with suppress(OSError):
        size = fcntl.ioctl(terminal, termios.TIOCGWINSZ, bytes(8))
        fcntl.ioctl(master, termios.TIOCSWINSZ, size)
