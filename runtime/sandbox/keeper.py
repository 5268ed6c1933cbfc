"""The keeper: a small process outside the sandbox that tidies up when pytest is gone, however it went.

The kernel takes namespaces away when the sandbox's init dies.  Nobody takes away cgroup directories, nor the sandbox
itself when pytest is killed by SIGKILL.  The keeper has a session of its own (so that Ctrl-C and a closed terminal pass
it by) and waits on a pipe whose other end only pytest holds: the end of the file is the end of pytest.
"""

import os
import select
import signal
from collections.abc import Sequence
from contextlib import suppress

from runtime.kernel import syscalls
from runtime.sandbox import run_cgroups


def start(init_pidfd: int, cgroups: Sequence[str]) -> tuple[int, int]:
    """Fork the keeper of the init behind ``init_pidfd``; returns its pid, and the file descriptor to hold open."""
    wait_end, held_end = os.pipe()
    pid = os.fork()
    if pid:
        os.close(wait_end)
        return pid, held_end
    # The keeper: it holds no terminal, and no pipe but its own.
    try:
        os.setsid()
        syscalls.set_name("unshared-keeper")
        _ignore_signals()
        _keep_only(wait_end, init_pidfd)
        os.read(wait_end, 1)
        _end(init_pidfd)
        run_cgroups.remove(cgroups)
    finally:
        os._exit(0)


def _ignore_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)


def _keep_only(*kept: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in kept:
            with suppress(OSError):  # the descriptor of the listing itself is gone
                os.close(int(name))


def _end(pidfd: int) -> None:
    """Kill the sandbox's init and wait until the kernel has ended all of its PID namespace (pid_namespaces(7))."""
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    select.select([pidfd], [], [])
