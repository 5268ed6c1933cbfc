"""The lines of a record file, packed or not, one by one, in as much memory as a line needs."""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from io import BufferedIOBase
from pathlib import Path

from record import RecordError

CHUNK = 1 << 20
LONGEST = 32 << 20  # bytes of a line
LARGEST = 256 << 20  # bytes of a record when it is unpacked; a run of all labs has 16 MiB at most
MOST = 1_000_000  # lines of a record; a run of all labs has 15,000

_OPENERS: dict[str, Callable[..., BufferedIOBase]] = {".gz": gzip.GzipFile, ".xz": lzma.LZMAFile}


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """(number from 1, line) of each line that is not empty; RecordError if the file cannot be read or is no record."""
    number, size, rest = 1, 0, b""
    for chunk in _chunks(path):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if line.strip():
                yield number, line
            number += 1
        size += len(chunk)
        if len(rest) > LONGEST or size > LARGEST or number > MOST:
            limits = f"{LARGEST >> 20} MiB, {MOST} lines, {LONGEST >> 20} MiB a line"
            raise RecordError(f"{path}: larger than a record may be ({limits}); give the record of a run.")
    if rest.strip():
        yield number, rest


def _chunks(path: Path) -> Iterator[bytes]:
    try:
        with _OPENERS.get(path.suffix, open)(path, "rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile, MemoryError) as error:
        raise RecordError(f"{path}: cannot be unpacked ({error}); pack the record again.") from None
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}; give the record of a run (record.jsonl).") from None
