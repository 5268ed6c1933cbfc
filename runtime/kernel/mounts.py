"""The mount calls of Linux 5.2 and later: a mount in steps, each with an error of its own, and mounts told by number.

    >>> with detached("tmpfs", size="1m") as mount:     # doctest: +SKIP
    ...     move_mount(mount, "", AT_FDCWD, "/mnt", MOVE_MOUNT_F_EMPTY_PATH)

mount, umount2, pivot_root, open_tree, move_mount and mount_setattr are in runtime.kernel.syscalls.
"""

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import c_char_p, c_int, c_uint, c_void_p
from pathlib import Path
from typing import Any

from runtime.kernel import parse
from runtime.kernel.syscalls import SyscallError, numbered_call

SYS_FSOPEN, SYS_FSCONFIG, SYS_FSMOUNT = 430, 431, 432  # one number on all machines
SYS_STATMOUNT, SYS_LISTMOUNT = 457, 458
FSCONFIG_SET_STRING, FSCONFIG_CMD_CREATE = 1, 6
STATMOUNT_SB_BASIC, STATMOUNT_MNT_POINT, STATMOUNT_FS_TYPE = 0x01, 0x10, 0x20
LSMT_ROOT = (1 << 64) - 1  # listmount: below the root of the caller's mount namespace

_fsopen = numbered_call(c_char_p, c_uint)
_fsconfig = numbered_call(c_int, c_uint, c_char_p, c_char_p, c_int)
_fsmount = numbered_call(c_int, c_uint, c_uint)
_listmount = numbered_call(c_void_p, c_void_p, ctypes.c_size_t, c_uint)
_statmount = numbered_call(c_void_p, c_void_p, ctypes.c_size_t, c_uint)

_REQUEST = struct.Struct("=IIQQ")  # struct mnt_id_req: size, spare, mnt_id, param
_STRINGS, _FS_TYPE, _MNT_POINT = 512, 36, 108  # struct statmount: its strings, and where two of them are told (u32)


def table(pid: int) -> list[dict[str, Any]]:
    """The mounts of the namespace of a process, as /proc/PID/mountinfo lists them (see runtime.kernel.parse)."""
    return parse.mountinfo(Path(f"/proc/{pid}/mountinfo").read_text(errors="surrogateescape"))


def by_point(pid: int) -> dict[str, dict[str, Any]]:
    """The mounts by their mount points; of several on one point the last, which is the one that is seen."""
    return {each["point"]: each for each in table(pid)}


def fsopen(fs_name: str, flags: int = 0) -> int:
    """A descriptor in which a new mount of a file system is prepared. fsopen(2), Linux 5.2.

    SyscallError: ENODEV for an unknown file system, EPERM for one that the caller may not mount.
    """
    return _checked(_fsopen(SYS_FSOPEN, os.fsencode(fs_name), flags | 1), "fsopen", fs_name)  # 1: FSOPEN_CLOEXEC


def fsconfig(fd: int, cmd: int, key: str | None = None, value: str | None = None, aux: int = 0) -> None:
    """Set one option of what is prepared, or make the superblock (FSCONFIG_CMD_CREATE). fsconfig(2), Linux 5.2.

    SyscallError with what the kernel said about it, read from the descriptor, behind the arguments.
    """
    texts = [None if text is None else os.fsencode(text) for text in (key, value)]
    if _fsconfig(SYS_FSCONFIG, fd, cmd, *texts, aux) == -1:
        number = ctypes.get_errno()
        raise SyscallError(number, "fsconfig", ", ".join([str(cmd), f"{key}={value}", *messages(fd)]))


def messages(fd: int) -> list[str]:
    """What the kernel says about the mount that is prepared in a descriptor: "e tmpfs: Bad value for 'size'"."""
    found: list[str] = []
    try:
        while text := os.read(fd, 4096):
            found.append(text.decode(errors="backslashreplace").strip())
    except OSError as error:
        if error.errno != errno.ENODATA:
            raise
    return found


def fsmount(fd: int, flags: int = 0, attr_flags: int = 0) -> int:
    """A descriptor of the mount that was prepared: attached nowhere, it goes away with its descriptor. fsmount(2)."""
    return _checked(_fsmount(SYS_FSMOUNT, fd, flags | 1, attr_flags), "fsmount", fd)  # 1: FSMOUNT_CLOEXEC


@contextmanager
def detached(fs_name: str, **options: str) -> Iterator[int]:
    """A new mount that is attached nowhere, by fsopen, fsconfig and fsmount; gives its descriptor."""
    context = fsopen(fs_name)
    try:
        for key, value in options.items():
            fsconfig(context, FSCONFIG_SET_STRING, key, value)
        fsconfig(context, FSCONFIG_CMD_CREATE)
        mount = fsmount(context)
    finally:
        os.close(context)
    try:
        yield mount
    finally:
        os.close(mount)


def listmount(mnt_id: int = LSMT_ROOT) -> list[int]:
    """The unique ids of the mounts below one, in the caller's mount namespace. listmount(2), Linux 6.8.

    These are not the numbers of /proc/PID/mountinfo, which the kernel gives anew when a mount has gone.
    """
    found: list[int] = []
    ids = (ctypes.c_uint64 * 256)()
    while True:
        request = ctypes.create_string_buffer(_REQUEST.pack(_REQUEST.size, 0, mnt_id, found[-1] if found else 0))
        result = _listmount(SYS_LISTMOUNT, ctypes.addressof(request), ctypes.addressof(ids), len(ids), 0)
        count = _checked(result, "listmount", mnt_id)
        found += ids[:count]
        if count < len(ids):
            return found


def statmount(mnt_id: int) -> dict[str, str]:
    """Where a mount is attached ("point") and of which file system it is ("fstype"). statmount(2), Linux 6.8."""
    wanted = STATMOUNT_MNT_POINT | STATMOUNT_FS_TYPE
    request = ctypes.create_string_buffer(_REQUEST.pack(_REQUEST.size, 0, mnt_id, wanted))
    answer = ctypes.create_string_buffer(1 << 16)
    result = _statmount(SYS_STATMOUNT, ctypes.addressof(request), ctypes.addressof(answer), len(answer), 0)
    _checked(result, "statmount", mnt_id)
    return {"point": _string(answer.raw, _MNT_POINT), "fstype": _string(answer.raw, _FS_TYPE)}


def _string(answer: bytes, told: int) -> str:
    start = _STRINGS + int.from_bytes(answer[told : told + 4], sys.byteorder)
    return os.fsdecode(answer[start : answer.index(b"\0", start)])


def _checked(result: int, call: str, *arguments: object) -> int:
    if result == -1:
        raise SyscallError(ctypes.get_errno(), call, ", ".join(map(str, arguments)))
    return result
