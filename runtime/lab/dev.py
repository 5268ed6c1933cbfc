"""The ordinary user of the lessons, called dev: the number 1000, a home, and windows in which dev works."""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.lab.lesson import Lab
from runtime.lab.machine import is_rootless
from runtime.lab.terminal import LOGIN_PROMPT, write_start_files
from runtime.lab.window import Window

DEV = 1000  # the number of the ordinary user
AS_DEV = f"setpriv --reuid={DEV} --regid={DEV} --groups={DEV},4,24,27"


@contextmanager
def homes() -> Iterator[Path]:
    """A directory with two homes: dev/ belongs to dev, root/ to root, who lets nobody in."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        (path / "dev").mkdir()
        write_start_files(path / "dev")
        if is_rootless():
            (path / "root").symlink_to("/root")  # the root of the machine is somebody else here
        else:
            (path / "root").mkdir(mode=0o700)
            os.chown(path / "dev", DEV, DEV)
        yield path


def log_in(lab: Lab, place: Path) -> tuple[Window, Window]:
    """The first and the second window, as dev, in a directory from :func:`homes`.

    In the sandbox of an ordinary user there is one id: a user namespace, into which both windows go, calls it 1000.
    """
    first, second = (at_home(lab.window(name, LOGIN_PROMPT), place) for name in ("first", "second"))
    if lab.facts.rootless:
        first.enter(f"unshare --user --map-user={DEV} --map-group={DEV} /bin/bash")
        second.enter(f"nsenter --user --preserve-credentials --target {first.pid} /bin/bash")
    elif os.geteuid() == 0:
        first.enter(f"{AS_DEV} /bin/bash")
        second.enter(f"{AS_DEV} /bin/bash")
    else:
        lab.unsupported("only root can become dev here", "run it in the sandbox (--target sandbox), or as root")
    return first, second


def at_home(window: Window, place: Path) -> Window:
    """The window, in ``place``, with dev's home: dev can read the start files there."""
    window.run(f"export HOME={place}/dev INPUTRC={place}/dev/.inputrc; cd {place}")
    return window


def need_a_closed_home_of_root(lab: Lab) -> None:
    """End the exercise where it would have to use the machine's own /root, and everybody may look into that."""
    if lab.facts.rootless and Path("/root").stat().st_mode & (stat.S_IRWXO | stat.S_IRWXG):
        lab.unsupported("/root is open for others here", "run pytest as root, or in the VM (vagrant up)")
