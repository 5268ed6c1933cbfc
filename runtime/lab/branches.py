"""The three branches of the notes, and the union of them in a window: what the labs on union file systems share."""

import errno
import os
from collections.abc import Callable
from typing import Any

from runtime.kernel import proc, unions
from runtime.kernel.namespaces import Child, start_in_new
from runtime.kernel.syscalls import Clone
from runtime.lab.lesson import Lab
from runtime.lab.window import Window

BRANCHES = ("Branch-0", "Branch-1", "Branch-2")
LAYERS = [f"/proc/PID/cwd/{name}" for name in ("MountPoint", *BRANCHES)]  # what `ls` in the window would see
THE_TABLE = {"001.txt": 0, "002.txt": 2, "003.txt": 0, "004.txt": 1}  # which branch each file comes from: the notes


def make_branches(window: Window) -> None:
    """The three branches of the notes; each file holds the name of its branch."""
    window.run("mkdir Branch-0 Branch-1 Branch-2 work MountPoint")
    window.run("for n in 001 003; do echo b0 > Branch-0/$n.txt; done")
    window.run("for n in 001 003 004; do echo b1 > Branch-1/$n.txt; done")
    window.run("for n in 002 003; do echo b2 > Branch-2/$n.txt; done")


def union_of(window: Window) -> dict[str, Any]:
    """The entry of /proc/PID/mountinfo of what is mounted on MountPoint; the last one lies on top."""
    return mounts_on_mount_point(window)[-1]


def mounts_on_mount_point(window: Window) -> list[dict[str, Any]]:
    """The entries of /proc/PID/mountinfo for MountPoint, the top one last."""
    mounts: list[dict[str, Any]] = proc.read("/proc/PID/mountinfo", window.pid)
    return [entry for entry in mounts if entry["point"].endswith("/MountPoint")]


def branches_of(window: Window) -> list[unions.Branch]:
    """The branches of the union, as the kernel names them."""
    entry = union_of(window)
    if entry["fstype"] == "aufs":
        return unions.aufs_branches(entry)
    return unions.overlay_branches(entry, f"/proc/{window.pid}/cwd")


def sources(window: Window) -> dict[str, int]:
    """Which branch each file of the union comes from, computed from the branches alone."""
    return unions.sources(branches_of(window), unions.rules_of(union_of(window)))


def contradictions(window: Window) -> list[str]:
    """Where the computed union and the mounted one differ."""
    rules = unions.rules_of(union_of(window))
    return unions.contradictions(f"/proc/{window.pid}/cwd/MountPoint", branches_of(window), rules)


def listing(window: Window, name: str) -> dict[str, Any]:
    """What stands in a directory, as the window sees it, with types and marks."""
    entries: dict[str, Any] = proc.read(f"/proc/PID/cwd/{name}", window.pid)
    return entries


def same_file(window: Window, one: str, other: str) -> bool:
    """Whether two names are the same file, by device and inode number."""
    return os.path.samefile(f"/proc/{window.pid}/cwd/{one}", f"/proc/{window.pid}/cwd/{other}")


def attribute(window: Window, name: str, which: str) -> str:
    """The attribute overlay.WHICH of a file in a branch, trusted or user; "" if it has none."""
    xattrs = listing(window, os.path.dirname(name))[os.path.basename(name)].get("xattrs", {})
    return str(xattrs.get(f"trusted.overlay.{which}") or xattrs.get(f"user.overlay.{which}") or "")


def overlay(lab: Lab, *more: str) -> str:
    """The command that mounts the writable union. An ordinary user keeps its marks in user attributes (userxattr)."""
    options = ["lowerdir=Branch-1:Branch-2", "upperdir=Branch-0", "workdir=work", *more]
    if lab.facts.rootless:
        need_userxattr(lab)
        options.append("userxattr")
    return f"mount -t overlay overlay -o {','.join(options)} MountPoint"


def need_userxattr(lab: Lab) -> None:
    """End the exercise where overlay cannot keep its marks in user attributes."""
    if not lab.facts.kernel_at_least("5.11"):
        reason = f"overlay in a user namespace, and its option userxattr, need Linux 5.11; this is {lab.facts.kernel}"
        lab.unsupported(reason, "use a newer kernel: the VM (vagrant up) has Linux 6.1")


def need_attributes(lab: Lab, kind: str = "") -> None:
    """End the exercise where the file system of the branches does not keep the attributes that overlay needs.

    Only root of the machine may set trusted ones. A tmpfs has user ones since Linux 6.6.
    """
    kind = kind or ("user" if lab.facts.rootless else "trusted")
    error = errno_of(os.setxattr, lab.directory, f"{kind}.probe", b"y")
    if error:
        name = errno.errorcode.get(error, str(error))
        lab.unsupported(
            f"the file system of the exercise keeps no {kind} attributes ({name}); a tmpfs has them since Linux 6.6",
            "use Linux 6.6 or newer; or, in a VM, --target here with TMPDIR on ext4, xfs or btrfs",
        )


def start(lab: Lab, function: Callable[..., None], *arguments: Any) -> tuple[Child[None], Any]:
    """A child with a mount namespace of its own that runs a function in the exercise's directory and stays there, and
    what it told."""

    def live() -> None:
        os.chdir(lab.directory)
        function(*arguments)

    child = lab.keep(start_in_new(Clone.NEWNS, live))
    return child, child.hear()


def errno_of(call: Callable[..., Any], *arguments: Any) -> int:
    """0 if the call works, else its errno."""
    try:
        call(*arguments)
    except OSError as error:
        return error.errno or -1
    return 0
