"""The system calls of the labs, with the names and the argument order of the man pages (section 2).

    >>> unshare(Clone.NEWUTS)
    >>> sethostname("container001")

Each failure is a SyscallError, an OSError that knows the call, its arguments and a hint. All C prototypes stand in one
table below. `clone` and `clone3` are explained in runtime/kernel/clone.py: forking a Python interpreter takes more
than a call.
"""

import ctypes
import os
from collections.abc import Callable, Iterable
from ctypes import c_char_p, c_int, c_long, c_uint, c_ulong, c_void_p

from runtime.kernel.capabilities import capability_number
from runtime.kernel.clone import clone, clone3, fork
from runtime.kernel.errors import HINTS, SyscallError
from runtime.kernel.flags import (
    ADDR_NO_RANDOMIZE,
    AT_EMPTY_PATH,
    AT_RECURSIVE,
    MNT_DETACH,
    MNT_EXPIRE,
    MNT_FORCE,
    MOUNT_ATTR_IDMAP,
    MOUNT_ATTR_RDONLY,
    MOVE_MOUNT_F_EMPTY_PATH,
    OPEN_TREE_CLONE,
    PER_LINUX,
    PER_LINUX32,
    PERSONALITY_QUERY,
    PR_CAP_AMBIENT,
    PR_CAP_AMBIENT_CLEAR_ALL,
    PR_CAP_AMBIENT_IS_SET,
    PR_CAP_AMBIENT_LOWER,
    PR_CAP_AMBIENT_RAISE,
    PR_CAPBSET_DROP,
    PR_CAPBSET_READ,
    PR_GET_CHILD_SUBREAPER,
    PR_GET_DUMPABLE,
    PR_GET_KEEPCAPS,
    PR_GET_NAME,
    PR_GET_NO_NEW_PRIVS,
    PR_GET_PDEATHSIG,
    PR_GET_SECCOMP,
    PR_GET_SECUREBITS,
    PR_SET_CHILD_SUBREAPER,
    PR_SET_DUMPABLE,
    PR_SET_KEEPCAPS,
    PR_SET_NAME,
    PR_SET_NO_NEW_PRIVS,
    PR_SET_PDEATHSIG,
    PR_SET_SECCOMP,
    PR_SET_SECUREBITS,
    RESOLVE_BENEATH,
    RESOLVE_IN_ROOT,
    RESOLVE_NO_MAGICLINKS,
    RESOLVE_NO_SYMLINKS,
    RESOLVE_NO_XDEV,
    SYS_MOUNT_SETATTR,
    SYS_MOVE_MOUNT,
    SYS_OPEN_TREE,
    SYS_OPENAT2,
    SYS_PIDFD_OPEN,
    SYS_PIDFD_SEND_SIGNAL,
    SYS_PIVOT_ROOT,
    UMOUNT_NOFOLLOW,
    Clone,
    Mount,
    flag_names,
)

__all__ = [
    "ADDR_NO_RANDOMIZE",
    "AT_EMPTY_PATH",
    "AT_RECURSIVE",
    "HINTS",
    "MNT_DETACH",
    "MNT_EXPIRE",
    "MNT_FORCE",
    "MOUNT_ATTR_IDMAP",
    "MOUNT_ATTR_RDONLY",
    "MOVE_MOUNT_F_EMPTY_PATH",
    "OPEN_TREE_CLONE",
    "PERSONALITY_QUERY",
    "PER_LINUX",
    "PER_LINUX32",
    "PR_CAPBSET_DROP",
    "PR_CAPBSET_READ",
    "PR_CAP_AMBIENT",
    "PR_CAP_AMBIENT_CLEAR_ALL",
    "PR_CAP_AMBIENT_IS_SET",
    "PR_CAP_AMBIENT_LOWER",
    "PR_CAP_AMBIENT_RAISE",
    "PR_GET_CHILD_SUBREAPER",
    "PR_GET_DUMPABLE",
    "PR_GET_KEEPCAPS",
    "PR_GET_NAME",
    "PR_GET_NO_NEW_PRIVS",
    "PR_GET_PDEATHSIG",
    "PR_GET_SECCOMP",
    "PR_GET_SECUREBITS",
    "PR_SET_CHILD_SUBREAPER",
    "PR_SET_DUMPABLE",
    "PR_SET_KEEPCAPS",
    "PR_SET_NAME",
    "PR_SET_NO_NEW_PRIVS",
    "PR_SET_PDEATHSIG",
    "PR_SET_SECCOMP",
    "PR_SET_SECUREBITS",
    "RESOLVE_BENEATH",
    "RESOLVE_IN_ROOT",
    "RESOLVE_NO_MAGICLINKS",
    "RESOLVE_NO_SYMLINKS",
    "RESOLVE_NO_XDEV",
    "UMOUNT_NOFOLLOW",
    "Clone",
    "Mount",
    "SyscallError",
    "clone",
    "clone3",
    "drop_bounding",
    "flag_names",
    "fork",
    "ioctl",
    "mount",
    "mount_setattr",
    "move_mount",
    "numbered_call",
    "open_tree",
    "openat2",
    "personality",
    "pidfd_open",
    "pidfd_send_signal",
    "pivot_root",
    "prctl",
    "set_name",
    "setdomainname",
    "sethostname",
    "setns",
    "umount2",
    "unshare",
]

libc = ctypes.CDLL(None, use_errno=True)
_PROTOTYPES: dict[str, tuple[type, ...]] = {
    "unshare": (c_int,),
    "setns": (c_int, c_int),
    "mount": (c_char_p, c_char_p, c_char_p, c_ulong, c_char_p),
    "umount2": (c_char_p, c_int),
    "sethostname": (c_char_p, ctypes.c_size_t),
    "setdomainname": (c_char_p, ctypes.c_size_t),
    "prctl": (c_int, c_ulong, c_ulong, c_ulong, c_ulong),
    "personality": (c_ulong,),
    "ioctl": (c_int, c_ulong, c_void_p),
}
for _name, _argtypes in _PROTOTYPES.items():
    getattr(libc, _name).argtypes = _argtypes
    getattr(libc, _name).restype = c_int

_prctl_text = libc["prctl"]
_prctl_text.argtypes = (c_int, c_char_p, c_ulong, c_ulong, c_ulong)


def numbered_call(*argtypes: type) -> Callable[..., int]:
    """syscall(2) with a prototype: the C library has no function for every call."""
    function = libc["syscall"]  # an object of its own, where libc.syscall is one shared by all
    function.argtypes = (c_long, *argtypes)
    function.restype = c_long
    return function


_pivot_root = numbered_call(c_char_p, c_char_p)
_pidfd_open = numbered_call(c_int, c_uint)
_pidfd_send_signal = numbered_call(c_int, c_int, c_void_p, c_uint)
_openat2 = numbered_call(c_int, c_char_p, c_void_p, ctypes.c_size_t)
_open_tree = numbered_call(c_int, c_char_p, c_uint)
_move_mount = numbered_call(c_int, c_char_p, c_int, c_char_p, c_uint)
_mount_setattr = numbered_call(c_int, c_char_p, c_uint, c_void_p, ctypes.c_size_t)

Path = str | bytes | os.PathLike[str]


class _OpenHow(ctypes.Structure):
    """struct open_how of openat2(2)."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


class _MountAttr(ctypes.Structure):
    """struct mount_attr of mount_setattr(2)."""

    _fields_ = tuple((name, ctypes.c_uint64) for name in ("attr_set", "attr_clr", "propagation", "userns_fd"))


def _check(result: int, call: str, *arguments: object) -> int:
    """`result`, unless it is -1: then SyscallError with the errno that ctypes saved. Only then are arguments put into
    words; flags come as a pair (Clone, 0x20000)."""
    if result == -1:
        number = ctypes.get_errno()
        words = (flag_names(*argument) if isinstance(argument, tuple) else str(argument) for argument in arguments)
        raise SyscallError(number, call, ", ".join(words))
    return result


def _bytes(path: Path | None) -> bytes | None:
    return None if path is None else os.fsencode(path)


def _describe_fd(fd: int) -> str:
    """The descriptor with what it refers to, "5 = uts:[4026531838]", for error messages."""
    try:
        return f"{fd} = {os.readlink(f'/proc/self/fd/{fd}')}"
    except OSError:
        return str(fd)


def unshare(flags: int) -> None:
    """Move the caller into new namespaces (NEWPID and NEWTIME: its future children). unshare(2)."""
    _check(libc.unshare(flags & 0xFFFFFFFF), "unshare", (Clone, flags))


def setns(fd: int, nstype: int = 0) -> None:
    """Move the calling thread into the namespace of `fd` (a /proc/PID/ns file), or with a pidfd (Linux 5.8) into all
    of `nstype`. PID and time namespaces: its future children. setns(2)."""
    if libc.setns(fd, nstype) == -1:
        number = ctypes.get_errno()
        raise SyscallError(number, "setns", f"{_describe_fd(fd)}, {flag_names(Clone, nstype)}")


def mount(
    source: Path | None,
    target: Path,
    filesystemtype: str | None,
    mountflags: int = 0,
    data: str | None = None,
) -> None:
    """Mount, remount, bind, move, or change propagation. None stands for NULL. mount(2)."""
    result = libc.mount(_bytes(source), _bytes(target), _bytes(filesystemtype), mountflags, _bytes(data))
    _check(result, "mount", source, target, filesystemtype, (Mount, mountflags), data)


def umount2(target: Path, flags: int = 0) -> None:
    """Unmount `target`; flags MNT_DETACH, MNT_FORCE, MNT_EXPIRE, UMOUNT_NOFOLLOW. umount(2)."""
    _check(libc.umount2(_bytes(target), flags), "umount2", target, flags)


def open_tree(dirfd: int, path: Path, flags: int = 0) -> int:
    """A descriptor of the mount at `path`; with OPEN_TREE_CLONE of a copy of it that is attached nowhere yet, which
    goes away with the descriptor. open_tree(2), Linux 5.2."""
    result = _open_tree(SYS_OPEN_TREE, dirfd, _bytes(path), flags | os.O_CLOEXEC)
    return _check(result, "open_tree", dirfd, path, hex(flags))


def move_mount(from_dirfd: int, from_path: Path, to_dirfd: int, to_path: Path, flags: int = 0) -> None:
    """Attach the mount `from` at `to`; with MOVE_MOUNT_F_EMPTY_PATH `from_dirfd` itself. move_mount(2), Linux 5.2."""
    result = _move_mount(SYS_MOVE_MOUNT, from_dirfd, _bytes(from_path), to_dirfd, _bytes(to_path), flags)
    _check(result, "move_mount", from_dirfd, from_path, to_dirfd, to_path, hex(flags))


def mount_setattr(
    dirfd: int,
    path: Path,
    flags: int = 0,
    *,
    attr_set: int = 0,
    attr_clr: int = 0,
    propagation: int = 0,
    userns_fd: int = 0,
) -> None:
    """Change attributes of a mount; AT_EMPTY_PATH means `dirfd` itself, AT_RECURSIVE the mounts below it as well.

    With MOUNT_ATTR_IDMAP in `attr_set` the mount gets the id map of the user namespace behind `userns_fd`: the file's
    owner is the number inside, what is seen through the mount is the number outside. mount_setattr(2), Linux 5.12.
    """
    attributes = _MountAttr(attr_set, attr_clr, propagation, userns_fd)
    address, size = ctypes.addressof(attributes), ctypes.sizeof(attributes)
    result = _mount_setattr(SYS_MOUNT_SETATTR, dirfd, _bytes(path), flags, address, size)
    _check(result, "mount_setattr", dirfd, path, hex(flags), f"set {attr_set:#x}, clear {attr_clr:#x}")


def pivot_root(new_root: Path, put_old: Path) -> None:
    """Make the mount `new_root` the root of this mount namespace, the old root goes to `put_old`. pivot_root(2)."""
    _check(_pivot_root(SYS_PIVOT_ROOT, _bytes(new_root), _bytes(put_old)), "pivot_root", new_root, put_old)


def sethostname(name: str) -> None:
    """Set the nodename of the caller's UTS namespace, at most 64 bytes. sethostname(2)."""
    encoded = os.fsencode(name)
    _check(libc.sethostname(encoded, len(encoded)), "sethostname", name, len(encoded))


def setdomainname(name: str) -> None:
    """Set the (NIS) domain name of the caller's UTS namespace, at most 64 bytes. setdomainname(2)."""
    encoded = os.fsencode(name)
    _check(libc.setdomainname(encoded, len(encoded)), "setdomainname", name, len(encoded))


def prctl(option: int, arg2: int | bytes = 0, arg3: int = 0, arg4: int = 0, arg5: int = 0) -> int:
    """An operation on the calling thread or process; bytes are passed by address. prctl(2)."""
    text = ctypes.create_string_buffer(arg2) if isinstance(arg2, bytes) else None
    value = arg2 if isinstance(arg2, int) else ctypes.addressof(text)  # type: ignore[arg-type]
    return _check(libc.prctl(option, value, arg3, arg4, arg5), "prctl", option, arg2, arg3, arg4, arg5)


def set_name(name: str) -> None:
    """The name that `ps -o comm` shows of the calling thread, cut to 15 bytes. PR_SET_NAME, prctl(2)."""
    _check(_prctl_text(PR_SET_NAME, os.fsencode(name)[:15], 0, 0, 0), "prctl", "PR_SET_NAME", name)


def drop_bounding(capabilities: Iterable[str | int]) -> None:
    """Take capabilities ("CAP_SYS_TIME", "sys_time" or 25) from the bounding set, for good. PR_CAPBSET_DROP.

    A capability that the running kernel does not have is passed over. SyscallError(EPERM) without CAP_SETPCAP.
    """
    for capability in capabilities:
        number = capability_number(capability) if isinstance(capability, str) else capability
        if libc.prctl(PR_CAPBSET_READ, number, 0, 0, 0) == 1:
            prctl(PR_CAPBSET_DROP, number)


def personality(persona: int) -> int:
    """Set the execution domain, the former one is returned; PERSONALITY_QUERY only asks. personality(2)."""
    return _check(libc.personality(persona), "personality", persona)


def pidfd_open(pid: int, flags: int = 0) -> int:
    """A descriptor (close-on-exec) that means this process even when its number is reused. pidfd_open(2), Linux 5.3."""
    return _check(_pidfd_open(SYS_PIDFD_OPEN, pid, flags), "pidfd_open", pid, flags)


def pidfd_send_signal(pidfd: int, sig: int) -> None:
    """Signal the process of `pidfd`. pidfd_send_signal(2), Linux 5.1."""
    result = _pidfd_send_signal(SYS_PIDFD_SEND_SIGNAL, pidfd, sig, None, 0)
    _check(result, "pidfd_send_signal", pidfd, sig)


def openat2(dirfd: int, path: Path, flags: int, resolve: int = 0) -> int:
    """open with rules for resolving: RESOLVE_IN_ROOT makes `dirfd` the root of all links. openat2(2), Linux 5.6."""
    how = _OpenHow(flags | os.O_CLOEXEC, 0, resolve)
    result = _openat2(SYS_OPENAT2, dirfd, _bytes(path), ctypes.addressof(how), ctypes.sizeof(how))
    return _check(result, "openat2", dirfd, path, flags, resolve)


def ioctl(fd: int, request: int, argument: int | None = None, name: str = "") -> int:
    """ioctl(2); `argument` is an address; `name` is what an error calls the request."""
    if (result := libc.ioctl(fd, request, argument)) == -1:
        number = ctypes.get_errno()
        raise SyscallError(number, "ioctl", f"{_describe_fd(fd)}, {name or hex(request)}")
    return int(result)
