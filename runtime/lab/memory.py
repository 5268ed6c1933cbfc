"""What the memory labs share: a cgroup for each exercise, the program eat beside it, and what is watched of both."""

import mmap
import os
import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from runtime.kernel import cgroups
from runtime.kernel.cgroups import Cgroup
from runtime.lab.lesson import Lab
from runtime.lab.requirements import missing
from runtime.lab.window import Window

PAGE = mmap.PAGESIZE
MIB = 1024 * 1024
SLACK = 64 * PAGE * (os.cpu_count() or 1)  # each CPU may hold back counts of up to 64 pages before memory.stat has them

V1 = "/sys/fs/cgroup/memory/PATH"  # PATH is the cgroup of the process that is looked at
V2 = "/sys/fs/cgroup/PATH"
V1_FILES = [
    f"{V1}/memory.{name}"
    for name in ("usage_in_bytes", "limit_in_bytes", "memsw.usage_in_bytes", "failcnt", "oom_control", "stat")
]
V2_FILES = [f"{V2}/memory.{name}" for name in ("current", "max", "swap.current", "swap.max", "events", "stat")]

_HOW = {
    1: "use the VM (vagrant up); in one of your own boot with systemd.unified_cgroup_hierarchy=0 (Debian 12)",
    2: "use the VM v2 (vagrant up v2; pytest labs/ --target vm:v2)",
}


def start(lab: Lab, first: Window, version: int) -> Cgroup:
    """Make the cgroup test, as the notes do, with the first window in it, and compile eat.

    It lies in a cgroup of this exercise, in the tree of this version of cgroups, and is removed with all that is in it
    when the exercise ends.  Where it cannot be made, the exercise ends as unsupported.
    """
    group = lab.keep(_place(lab, version))
    first.run(f"cd {group.path}")
    if version == 2:
        first.run("echo +memory > cgroup.subtree_control")
    first.run("mkdir test; cd test")
    return Cgroup(group.path / "test", version)


def _place(lab: Lab, version: int) -> Cgroup:
    for need in (f"cgroup v{version}", "root", "gcc"):
        if lacking := missing(need):
            lab.unsupported(lacking.reason, lacking.how)
    try:
        tree = cgroups.hierarchy("memory")
        if tree.version != version:
            lab.unsupported(f"the memory controller is on cgroup v{tree.version} here", _HOW[version])
        eat = lab.directory / "eat"
        eat.write_bytes(_compiled(lab.programs / "eat.c"))
        eat.chmod(0o755)
        return cgroups.create("memory", f"lab-{os.getpid()}")
    except cgroups.NoControllerError as error:
        lab.unsupported(str(error), _HOW[version])
    except OSError as error:
        lab.unsupported(f"no memory cgroup can be made here: {error.strerror}", _HOW[version])


@cache
def _compiled(source: Path) -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["gcc", "-O1", "-o", f"{directory}/program", source], check=True)
        return Path(directory, "program").read_bytes()


def big_file(lab: Lab) -> Path:
    """A file of 24 MiB, all zeros, of which nothing is in the page cache.  On a tmpfs it would be nowhere else."""
    for directory in ("/var/tmp", "/tmp", str(lab.programs)):
        kind = subprocess.run(["stat", "-f", "-c", "%T", directory], capture_output=True, text=True, check=True).stdout
        if kind.strip() not in ("tmpfs", "ramfs") and os.access(directory, os.W_OK):
            file = lab.keep(tempfile.NamedTemporaryFile(dir=directory, prefix="unshared-"))  # noqa: SIM115 - kept
            file.truncate(24 * MIB)
            return Path(file.name)
    lab.unsupported("there is no directory on a disk to write to", "make /tmp or /var/tmp one on a disk")


def hold(window: Window, size: int) -> None:
    """Start eat in a window, and wait until it has touched ``size`` MiB; it keeps them."""
    window.send(f"./eat {size} hold\n")
    window.wait_for(f"touched {size} MiB")


def touch_again(window: Window, size: int) -> None:
    """Give eat a line of input, and wait until it has touched all its ``size`` MiB once more."""
    window.send("\n")
    window.wait_for(f"touched {size} MiB")


def release(window: Window) -> int:
    """End the input of eat, and with it eat; returns its exit status."""
    window.send("\x04")
    return int(window.run("echo $?"))


def resident_memory(pid: int) -> int:
    """VmRSS of a process, in bytes (proc(5), /proc/PID/status)."""
    found = re.search(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
