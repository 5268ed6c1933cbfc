"""What comes back from the VM: taken with care, because labs do as they like in there."""

import io
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

PAGE = '<meta name="generator" content="unshared">'  # by this the pages of a report are known


def unpack(content: bytes, report: Path, files: Sequence[Path]) -> list[Path]:
    """Write what inside.py sends: the report into ``report``, and the files that were asked for by their numbers.

    Returns which of the ``files`` came.  A new record takes the place of all records of the run before, and a new index
    of all its pages.  What was not asked for is not written: no other file, nothing outside, no link and no device.
    """
    fresh: set[Path] = set()
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
        for member in tar:
            path = _destination(PurePosixPath(member.name), report, files)
            taken = tar.extractfile(member) if path and member.isreg() else None
            if path is None or taken is None:
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)  # should it be a link, what it points to stays as it is
            path.write_bytes(taken.read())
            os.utime(path, (member.mtime, member.mtime))
            fresh.add(path)
    _remove_old(report, fresh)
    return [path for path in files if path in fresh]


def _destination(name: PurePosixPath, report: Path, files: Sequence[Path]) -> Path | None:
    kind, *rest = name.parts
    if kind == "report" and rest and not any(_is_unsafe(part) for part in rest):
        return report.joinpath(*rest)
    if kind == "file" and len(rest) == 1 and rest[0].isdigit() and int(rest[0]) < len(files):
        return files[int(rest[0])]
    return None


def _is_unsafe(part: str) -> bool:
    return part == ".." or any(mark in part for mark in "/\\:")  # on Windows \\ and : lead elsewhere


def _remove_old(report: Path, fresh: set[Path]) -> None:
    old = set(report.glob("record*.jsonl"))
    gone = old - fresh if old & fresh else set()
    if report / "index.html" in fresh:
        gone |= {path for path in set(report.glob("*.html")) - fresh if _is_page(path)}
    for path in gone:
        path.unlink()


def _is_page(path: Path) -> bool:
    """Whether a file is a page that a run has written; those of others stay."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return PAGE in file.read(2000)
