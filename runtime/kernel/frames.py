"""What a child tells its parent over a pipe: frames of a kind and a pickled value."""

import fcntl
import os
import pickle
import struct
import traceback
from contextlib import suppress
from typing import Any

_PIPE_SIZE, _LARGE_PIPE = 1 << 16, 1 << 20  # bytes; the second is fs.pipe-max-size as the kernel sets it, pipe(7)
FORKED, STARTED, TOLD, RESULT, ERROR = b"F", b"S", b"T", b"R", b"E"
_NOTE = "In the child process:"
_HEADER = struct.Struct("=cQ")  # kind of frame, bytes of the pickle behind it


def write_frame(descriptor: int, kind: bytes, value: Any) -> None:
    """One frame, whole. Whatever pickle raises for an unpicklable value, before the first byte is written."""
    body = pickle.dumps(value, pickle.HIGHEST_PROTOCOL) if value is not None else b""
    if len(body) > _PIPE_SIZE:
        with suppress(OSError):  # the user's share of pipe memory may be used up: slower, nothing else
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _LARGE_PIPE)
    for part in (_HEADER.pack(kind, len(body)), body):
        rest = memoryview(part)
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def read_frame(descriptor: int) -> tuple[bytes, Any]:
    """(kind, value) of the next frame, or (b"", None) at its end of file, also in the middle of a frame.

    The length makes a reader independent of who else, a grandchild for example, still holds the pipe open.
    """
    header = read_exactly(descriptor, _HEADER.size)
    if header is None:
        return b"", None
    kind, size = _HEADER.unpack(header)
    body = read_exactly(descriptor, size)
    if body is None:
        return b"", None
    return kind, pickle.loads(body) if size else None


def read_exactly(descriptor: int, size: int) -> bytearray | None:
    """`size` bytes, or None when the file ends before."""
    data = bytearray(size)
    rest = memoryview(data)
    while rest:
        count = os.readv(descriptor, [rest])
        if count == 0:
            return None
        rest = rest[count:]
    return data


def portable(error: BaseException) -> BaseException:
    """`error` itself when it survives pickling, with the child's traceback as a note; else the nearest that does.

    An error that the child got from a child of its own has such a note, and keeps only that: with one more for each
    generation it would double in size each time.
    """
    text = "".join(traceback.format_exception(error)).rstrip()
    sent = error
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        if isinstance(error, OSError) and error.errno is not None:
            sent = OSError(error.errno, error.strerror)
        else:
            sent = RuntimeError(f"{type(error).__name__}: {error}")
    if not any(note.startswith(_NOTE) for note in getattr(sent, "__notes__", ())):
        sent.add_note(f"{_NOTE}\n{text}")
    return sent
