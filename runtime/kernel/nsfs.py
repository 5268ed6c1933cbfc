"""Namespaces as files: how they are related, asked by ioctl. ioctl_ns(2), namespaces(7), include/uapi/linux/nsfs.h."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

from runtime.kernel.syscalls import Clone, SyscallError, ioctl

NS_GET_USERNS = 0xB701  # _IO(0xb7, 1), Linux 4.9
NS_GET_PARENT = 0xB702  # Linux 4.9
NS_GET_NSTYPE = 0xB703  # Linux 4.11
NS_GET_OWNER_UID = 0xB704  # Linux 4.11
NS_GET_MNTNS_ID = 0x8008B705  # _IOR(0xb7, 5, __u64), Linux 6.11: mount namespaces only
NS_GET_ID = 0x8008B70D  # _IOR(0xb7, 13, __u64), Linux 6.18: all kinds

_NAMES = {
    Clone.NEWCGROUP: "cgroup",
    Clone.NEWIPC: "ipc",
    Clone.NEWNS: "mnt",
    Clone.NEWNET: "net",
    Clone.NEWPID: "pid",
    Clone.NEWTIME: "time",
    Clone.NEWUSER: "user",
    Clone.NEWUTS: "uts",
}


@contextmanager
def opened(path: str) -> Iterator[int]:
    """The file at `path`, open for reading as long as the `with`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _related(path: str, request: int, name: str) -> str:
    with opened(path) as namespace:
        answer = ioctl(namespace, request, name=name)
        try:
            return os.readlink(f"/proc/self/fd/{answer}")
        finally:
            os.close(answer)


def owning_user_namespace(path: str) -> str:
    """The user namespace that owns the one at `path`: "user:[4026531837]". Linux 4.9.

    For a user namespace: its parent. SyscallError(EPERM) when it lies outside the caller's user namespace.
    """
    return _related(path, NS_GET_USERNS, "NS_GET_USERNS")


def parent(path: str) -> str:
    """The parent of a PID or user namespace, "pid:[4026531836]". Linux 4.9.

    SyscallError(EINVAL) for the other kinds, which form no tree; (EPERM) when the parent lies outside the caller's
    view.
    """
    return _related(path, NS_GET_PARENT, "NS_GET_PARENT")


def kind_of(path: str) -> str:
    """The kind of the namespace at `path`, "uts". Linux 4.11."""
    with opened(path) as namespace:
        return _NAMES[Clone(ioctl(namespace, NS_GET_NSTYPE, name="NS_GET_NSTYPE"))]


def owner_uid(path: str) -> int:
    """The uid (in the caller's user namespace) that made the user namespace at `path`. Linux 4.11.

    SyscallError(EINVAL) for the other kinds.
    """
    uid = ctypes.c_uint32()
    with opened(path) as namespace:
        ioctl(namespace, NS_GET_OWNER_UID, ctypes.addressof(uid), "NS_GET_OWNER_UID")
    return uid.value


def unique_id(path: str) -> int:
    """A number that no other namespace gets until the next boot, as an inode number may. Linux 6.18, mount: 6.11.

    SyscallError(ENOTTY) on older kernels.
    """
    number = ctypes.c_uint64()
    with opened(path) as namespace:
        try:
            ioctl(namespace, NS_GET_ID, ctypes.addressof(number), "NS_GET_ID")
        except SyscallError:
            ioctl(namespace, NS_GET_MNTNS_ID, ctypes.addressof(number), "NS_GET_MNTNS_ID")
    return number.value
