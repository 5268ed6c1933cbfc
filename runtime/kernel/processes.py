"""The processes of a window: who descends from whom, who is in which process group, and who is about to die."""

import os
import platform
import select
import signal
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path

from runtime.kernel import proc
from runtime.kernel.signals import open_process

KILL_TIMEOUT = 5.0  # seconds that a killed process may take to end, or to give the terminal back
# Numbers of calls in which a process waits, as /proc/PID/syscall has them (asm/unistd.h; aarch64 and riscv64 share one
# table): for a child; for a file descriptor, with what the first argument is if that is stdin.
_X86 = platform.machine() == "x86_64"
_WAIT = {61, 247} if _X86 else {260, 95}  # wait4, waitid
_READ, _PSELECT = (0, 270) if _X86 else (63, 72)
_FATAL = sum(1 << (number - 1) for number in (signal.SIGKILL, signal.SIGHUP, signal.SIGTERM))


def descendants(pid: int) -> list[tuple[int, int]]:
    """(pid, parent) of ``pid`` and all processes below it, parents first."""
    found = [(pid, 0)]
    for process, _ in found:
        children = proc.read("/proc/PID/task/PID/children", process)
        found += [(child, process) for child in children] if isinstance(children, list) else []
    return found


def stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name (proc(5)): state, ppid, pgrp, ...; empty if there is no process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def process_group(pid: int) -> int:
    fields = stat(pid)
    return int(fields[2]) if fields else 0


def session(pid: int) -> int:
    fields = stat(pid)
    return int(fields[3]) if fields else 0


def name(pid: int) -> str:
    """The name of a program, at most 15 bytes (/proc/PID/comm); empty if there is no process."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").rstrip("\n")
    except OSError:
        return ""


def status_fields(pid: int) -> dict[str, str]:
    """The lines of /proc/PID/status by their names; empty if there is no process."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return {}
    return dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)


def waits_and_lives(pid: int) -> bool:
    """Whether a shell sleeps, as it does while it reads its terminal, and no fatal signal is on its way.

    A signal wakes the process before kill(2) returns, so that one which is about to die does not sleep.
    """
    fields = status_fields(pid)
    if not fields:
        return False
    pending = int(fields["SigPnd"], 16) | int(fields["ShdPnd"], 16)
    return fields["State"][0] == "S" and not pending & _FATAL


def waits_for_child(pid: int) -> bool | None:
    """Whether a process sleeps in wait4(2) or waitid(2); None where the kernel does not tell (/proc/PID/syscall)."""
    call = _call(pid)
    return call if call is None else bool(call) and call[0] in _WAIT


def reads_stdin(pid: int) -> bool | None:
    """Whether a process sleeps until its stdin has something, as bash does at its prompt; None as above."""
    call = _call(pid)
    return call if call is None else call in ([_READ, 0], [_PSELECT, 1])


def _call(pid: int) -> list[int] | None:
    """The system call in which a process sleeps and its first argument; empty while it does not sleep in one."""
    try:
        words = Path(f"/proc/{pid}/syscall").read_text().split()
    except OSError:
        return None if Path(f"/proc/{pid}").exists() else []
    return [int(words[0]), int(words[1], 16)] if len(words) == 9 else []


def number_inside(pid: int) -> int:
    """The number of a process in its own PID namespace (NSpid of /proc/PID/status); 0 if there is no such process."""
    return int(status_fields(pid).get("NSpid", "0").split()[-1])


def kill(pids: Iterable[int]) -> None:
    """Kill processes by SIGKILL, in this order, and wait until they have ended."""
    with ExitStack() as opened:
        ends = []
        for pid in pids:
            with suppress(ProcessLookupError):
                end = open_process(pid)
                opened.callback(os.close, end)
                signal.pidfd_send_signal(end, signal.SIGKILL)
                ends.append(end)
        for end in ends:
            select.select([end], [], [], KILL_TIMEOUT)
