"""Several windows on one host that belongs to the exercise alone."""

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
