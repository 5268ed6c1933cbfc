"""Signals and the end of processes: masks read as names, and waiting for a process that is not one's child. signal(7).

>>> sorted(signal_names("0000000000384004"))
['SIGQUIT', 'SIGTERM', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU']
>>> with watching(pid) as ended:
...     os.kill(pid, signal.SIGKILL)
...     ended()
True
"""

import errno
import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE = 10.0  # seconds that a process gets to end


def signal_names(mask: str) -> set[str]:
    """The signals of a mask of /proc/PID/status (SigIgn, SigCgt, SigBlk), hexadecimal: bit 0 is signal 1. proc(5).

    Real-time signals without a name are left out.
    """
    bits = int(mask, 16)
    return {each.name for each in signal.Signals if bits >> (each - 1) & 1}


def open_process(pid: int) -> int:
    """A descriptor that means process `pid` even if its number is used again. pidfd_open(2), Linux 5.3.

    ProcessLookupError when there is none: of a process that is being taken away at this moment, as of a thread, the
    kernel says something else at first (EINVAL, newer kernels ENOENT; kernel/pid.c).
    """
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        if pid > 0 and error.errno in (errno.EINVAL, errno.ENOENT):
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH)) from error
        raise


@contextmanager
def watching(pid: int) -> Iterator[Callable[..., bool]]:
    """A handle of process `pid`, and with it a function: ended(timeout=10) waits until the process has ended.

    True when it has (a zombie has ended too), False after `timeout` seconds. ProcessLookupError when there is no such
    process.
    """
    descriptor = open_process(pid)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)

    def ended(timeout: float = PATIENCE) -> bool:
        return bool(poll.poll(timeout * 1000))

    try:
        yield ended
    finally:
        os.close(descriptor)
