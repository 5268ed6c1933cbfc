"""Wait until a file or a directory changes, by inotify(7), instead of looking again and again.

>>> with Changes(["/etc"]) as changes:
...     changes.wait(timeout=0)
[]
"""

import ctypes
import os
import select
import struct
from collections.abc import Iterable
from contextlib import ExitStack
from enum import IntFlag
from types import TracebackType

from runtime.kernel.syscalls import SyscallError, libc

_EVENT = struct.Struct("=iIII")  # watch, mask, cookie, bytes of the name behind it


class Event(IntFlag):
    """What is watched for, IN_... of inotify(7)."""

    MODIFY = 0x2
    CLOSE_WRITE = 0x8
    MOVED_TO = 0x80
    CREATE = 0x100
    DELETE = 0x200


class Changes:
    """Watches paths, as a ``with`` statement. SyscallError (inotify_add_watch) for a path that cannot be watched.

    The kernel tells of files of its own where it says so: cgroup.events and memory.events of cgroup v2 (MODIFY).
    """

    def __init__(self, paths: Iterable[str | os.PathLike[str]], events: Event = Event.MODIFY) -> None:
        with ExitStack() as stack:
            self._descriptor = _call("inotify_init1", os.O_CLOEXEC | os.O_NONBLOCK)
            stack.callback(os.close, self._descriptor)
            for path in paths:
                _call("inotify_add_watch", self._descriptor, os.fsencode(path), int(events))
            self._stack = stack.pop_all()

    def __enter__(self) -> "Changes":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stack.close()

    def wait(self, timeout: float | None = None) -> list[str]:
        """Wait for a change, at most ``timeout`` seconds.

        The names of what has changed in watched directories ("" for a file that is watched itself), none if time is up.
        """
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        if not poll.poll(None if timeout is None else max(0.0, timeout) * 1000):
            return []
        data, names, at = os.read(self._descriptor, 1 << 16), [], 0
        while at < len(data):
            length = _EVENT.unpack_from(data, at)[3]
            name = data[at + _EVENT.size : at + _EVENT.size + length]
            names.append(os.fsdecode(name.rstrip(b"\0")))
            at += _EVENT.size + length
        return names


def _call(name: str, *arguments: int | bytes) -> int:
    result = int(getattr(libc, name)(*arguments))
    if result == -1:
        raise SyscallError(ctypes.get_errno(), name, ", ".join(map(str, arguments)))
    return result
