"""The devices of the sandbox: a /dev of its own with the few that labs use, and nothing else may be opened."""

import os
import stat

from runtime.kernel import syscalls
from runtime.kernel.syscalls import Mount
from runtime.sandbox.bpf import Device

FILES = {  # Documentation/admin-guide/devices.txt of the kernel
    "null": Device(1, 3),
    "zero": Device(1, 5),
    "full": Device(1, 7),
    "random": Device(1, 8),
    "urandom": Device(1, 9),
    "tty": Device(5, 0),
    "fuse": Device(10, 229),  # unionfs-fuse
    "net/tun": Device(10, 200),
}
LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}
TERMINALS = (Device(5, 2), *(Device(major, None) for major in range(136, 144)))  # /dev/ptmx, and its other ends
ALLOWED = (*FILES.values(), *TERMINALS)


def mount_dev() -> None:
    """Mount a /dev that holds nothing of the machine; needs CAP_MKNOD in the first user namespace."""
    syscalls.mount("tmpfs", "/dev", "tmpfs", Mount.NOSUID | Mount.NOEXEC, "mode=755")
    for directory in ("net", "pts", "shm"):
        os.mkdir(f"/dev/{directory}")
    mask = os.umask(0)
    for name, device in FILES.items():
        os.mknod(f"/dev/{name}", 0o666 | stat.S_IFCHR, os.makedev(device.major, device.minor or 0))
    os.umask(mask)
    for name, target in LINKS.items():
        os.symlink(target, f"/dev/{name}")
    mount_terminals("newinstance,ptmxmode=0666,mode=620,gid=5")
    syscalls.mount(None, "/dev", None, Mount.REMOUNT | Mount.BIND | Mount.RDONLY | Mount.NOSUID | Mount.NOEXEC)


def mount_terminals(options: str = "newinstance,ptmxmode=0666,mode=620") -> None:
    """Mount new terminals: the one on which pytest was started stays open, but it and all others have no name here."""
    syscalls.mount("devpts", "/dev/pts", "devpts", Mount.NOSUID | Mount.NOEXEC, options)
