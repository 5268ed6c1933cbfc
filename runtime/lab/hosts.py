"""Where the windows of an exercise stand: on one host that belongs to it alone, on one processor."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from runtime.lab.lesson import Lab
from runtime.lab.window import Window


def one_host(lab: Lab, *names: str) -> list[Window]:
    """Windows (first and second) in one new mount namespace, which plays the host, with an empty folder ``box``."""
    windows = [lab.window(name) for name in names or ("first", "second")]
    windows[0].enter("unshare --mount /bin/bash")
    for window in windows[1:]:
        window.enter(f"nsenter --mount --target {windows[0].pid} --wdns={lab.directory} /bin/bash")
    windows[0].run("mkdir box")
    return windows


@contextmanager
def one_processor() -> Iterator[None]:
    """Windows that are opened inside run on one processor.

    The file of a mount namespace can be bound only in an older one, and some kernels draw the numbers that tell the age
    by processor: on Linux 6.18 with two of them it failed (EINVAL) in half of the runs, on one processor never.
    """
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
