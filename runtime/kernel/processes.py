"""The processes of a window: who descends from whom, who is in which process group, and who is about to die."""

import os
import select
import signal
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path

from runtime.kernel import proc
from runtime.kernel.signals import open_process

KILL_TIMEOUT = 5.0  # seconds that a killed process may take to end, or to give the terminal back
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


def waits_and_lives(pid: int) -> bool:
    """Whether a shell sleeps, as it does while it reads its terminal, and no fatal signal is on its way.

    A signal wakes the process before kill(2) returns, so that one which is about to die does not sleep.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return False
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    pending = int(fields["SigPnd"], 16) | int(fields["ShdPnd"], 16)
    return fields["State"][0] == "S" and not pending & _FATAL


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
