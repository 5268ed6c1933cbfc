"""The file systems of the sandbox: what is private, what is read-only, and what stays as it is."""

import errno
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from runtime.kernel import parse, syscalls
from runtime.kernel.syscalls import Clone, Mount
from runtime.sandbox import devices

TEMPORARY = "/run/unshared"  # TMPDIR of the labs; /run is a file system of the sandbox's own
PRIVATE_FILES = ("passwd", "group", "shadow", "gshadow", "subuid", "subgid", "hostname", "hosts")
NAMESPACED_SYSCTLS = ("net", "fs/mqueue", "kernel/*name", "kernel/msg*", "kernel/sem*", "kernel/shm*")
_SPECIAL = Mount.NOSUID | Mount.NODEV | Mount.NOEXEC
_FLAGS = {
    "nosuid": Mount.NOSUID,
    "nodev": Mount.NODEV,
    "noexec": Mount.NOEXEC,
    "noatime": Mount.NOATIME,
    "nodiratime": Mount.NODIRATIME,
    "relatime": Mount.RELATIME,
}


def set_up(writable: Sequence[Path], rootless: bool) -> None:
    """Arrange the mounts of a new mount namespace; needs CAP_SYS_ADMIN in it, and new PID, net, cgroup namespaces."""
    syscalls.mount(None, "/", None, Mount.REC | Mount.PRIVATE)
    hierarchies = _cgroup_hierarchies()
    had_securityfs = any(mount["fstype"] == "securityfs" for mount in _mounts())
    for path in writable:
        with suppress(PermissionError):  # an ordinary user may not write there anyway: whoever tries is told
            if not path.exists():
                path.touch()  # a file of the root directory that an option names
            syscalls.mount(str(path), str(path), None, Mount.BIND | Mount.REC)
    _make_read_only(writable, rootless)
    syscalls.mount("proc", "/proc", "proc", _SPECIAL)
    _mount_sys(hierarchies, had_securityfs, rootless)
    if rootless:
        devices.mount_terminals()  # a user namespace opens no device that its user could not open
    else:
        devices.mount_dev()
        _guard_sysctls()
    syscalls.mount("tmpfs", "/run", "tmpfs", Mount.NOSUID | Mount.NODEV, "mode=755")
    _private_files()
    os.mkdir(TEMPORARY)
    _lock()
    for point in (TEMPORARY, "/dev/shm"):
        syscalls.mount("tmpfs", point, "tmpfs", 0, "mode=1777")  # a lab may do with these as it likes


def _lock() -> None:
    """Lock all these mounts: from here on nobody makes a read-only one writable, or uncovers what lies below another.

    The kernel does that to the mounts that are copied into a mount namespace of another user namespace
    (mount_namespaces(7)).  So a child makes such a copy, and we enter it, and leave it for one of our own.
    """
    waits, goes = os.pipe()
    try:
        child = syscalls.clone(Clone.NEWUSER | Clone.NEWNS)
    except OSError:  # this machine forbids user namespaces
        return
    if child == 0:
        os.close(goes)
        os.read(waits, 1)
        os._exit(0)
    copy = os.open(f"/proc/{child}/ns/mnt", os.O_RDONLY)
    syscalls.setns(copy, Clone.NEWNS)
    syscalls.unshare(Clone.NEWNS)
    for descriptor in (copy, waits, goes):
        os.close(descriptor)
    os.waitpid(child, 0)


def _mounts() -> list[dict[str, str]]:
    """Our own mounts: /proc may still be that of the PID namespace outside, where our number is another one's."""
    return parse.mountinfo(Path("/proc/self/mountinfo").read_text(errors="surrogateescape"))


def _cgroup_hierarchies() -> list[dict[str, str]]:
    return [mount for mount in _mounts() if mount["fstype"] in ("cgroup", "cgroup2")]


def _make_read_only(writable: Sequence[Path], rootless: bool) -> None:
    """Make every mount read-only but the writable ones, what lies below them, and terminals."""
    kept = [*(str(path) for path in writable), "/proc", "/dev/pts"]
    for mount in _mounts():
        point = mount["point"]
        if any(point == path or point.startswith(path + "/") for path in kept):
            continue
        flags = Mount.REMOUNT | Mount.BIND | Mount.RDONLY
        for option in mount["options"].split(","):
            flags |= _FLAGS.get(option, Mount(0))
        try:
            syscalls.mount(None, point, None, flags)
        except OSError as error:
            covered = error.errno in (errno.ENOENT, errno.EINVAL)  # another mount lies over it: nobody can write there
            if not (covered or rootless or mount["fstype"] == "autofs"):  # remounting one of those would start it
                raise


def _mount_sys(hierarchies: list[dict[str, str]], had_securityfs: bool, rootless: bool) -> None:
    """A /sys of the new network namespace, and below it the cgroup trees as the new cgroup namespace sees them."""
    flags = _SPECIAL
    try:
        syscalls.mount("sysfs", "/sys", "sysfs", flags | (Mount(0) if rootless else Mount.RDONLY))
    except PermissionError:
        return  # in a container that hides parts of /sys a user namespace gets no new one (mount_namespaces(7))
    if had_securityfs and not rootless:
        syscalls.mount("securityfs", "/sys/kernel/security", "securityfs", flags | Mount.RDONLY)
    unified = [mount for mount in hierarchies if mount["point"] == "/sys/fs/cgroup"]
    if not unified and hierarchies:
        syscalls.mount("tmpfs", "/sys/fs/cgroup", "tmpfs", flags, "mode=755")
    for mount in hierarchies:
        _mount_hierarchy(mount, flags)


def _mount_hierarchy(mount: dict[str, str], flags: Mount) -> None:
    if not mount["point"].startswith("/sys/fs/cgroup"):
        return
    kept = [option for option in mount["super"].split(",") if option not in ("rw", "ro")]
    options = ",".join(kept) if mount["fstype"] == "cgroup" else None
    os.makedirs(mount["point"], exist_ok=True)
    try:
        syscalls.mount(mount["fstype"], mount["point"], mount["fstype"], flags, options)
    except PermissionError:
        os.rmdir(mount["point"])  # a user namespace gets no v1 tree that it could not see before


def _guard_sysctls() -> None:
    """Make /proc/sys read-only, but for what belongs to a namespace and so to the sandbox.

    A user namespace may mount a /proc of its own only where it sees one that nothing covers (mount_namespaces(7)): so
    an untouched one stays aside, below the /run that comes over this one, where no path leads.
    """
    syscalls.mount("tmpfs", "/run", "tmpfs", _SPECIAL, "mode=700")
    os.mkdir("/run/proc")
    syscalls.mount("proc", "/run/proc", "proc", _SPECIAL)
    for path in filter(os.path.exists, ("/proc/sys", "/proc/sysrq-trigger")):
        syscalls.mount(path, path, None, Mount.BIND)
        syscalls.mount(None, path, None, Mount.REMOUNT | Mount.BIND | Mount.RDONLY | _SPECIAL)
    for pattern in NAMESPACED_SYSCTLS:
        for own in Path("/run/proc/sys").glob(pattern):
            syscalls.mount(str(own), f"/proc/{own.relative_to('/run/proc')}", None, Mount.BIND)


def _private_files() -> None:
    """Copies of the files that say who is who, so that a lab may add a user or rename the machine."""
    for name in PRIVATE_FILES:
        source, copy = Path("/etc") / name, Path("/run") / f".etc-{name}"
        if source.is_file() and os.access(source, os.R_OK):
            shutil.copyfile(source, copy)
            shutil.copymode(source, copy)
            if name in ("passwd", "group"):
                copy.write_bytes(_with_dev(copy.read_bytes(), name))
            syscalls.mount(str(copy), str(source), None, Mount.BIND)


def _with_dev(content: bytes, name: str) -> bytes:
    """A passwd(5) or group(5) in which 1000 is dev, as in the lessons, whoever has that number on the machine."""
    lines = content.splitlines(keepends=True)
    others = [line for line in lines if line.split(b":")[2:3] != [b"1000"] and not line.startswith(b"dev:")]
    return b"".join([*others, b"dev:x:1000:1000::/:/bin/bash\n" if name == "passwd" else b"dev:x:1000:\n"])
