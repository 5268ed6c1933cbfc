"""Write pages: whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Container, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from reports import ReportError


def write_site(directory: Path, pages: dict[str, str]) -> Path:
    """Write all pages beside their places first, then move each into its place, the index last."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            written = {name: stack.enter_context(_beside(directory / name, page)) for name, page in pages.items()}
            for name, path in written.items():
                os.replace(path, directory / name)
        _remove_earlier(directory, pages)
    except OSError as error:
        raise ReportError(
            f"{directory}: the report cannot be written ({error.strerror}); name another directory with --report-dir."
        ) from None
    return directory / "index.html"


def write_file(path: Path, text: str | Iterable[str]) -> Path:
    """Write one file whole, making the folders above it; returns its path. A large text may come in pieces."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _beside(path, text) as written:
            os.replace(written, path)
    except OSError as error:
        raise ReportError(f"{path}: cannot be written ({error.strerror}); name another file with -o.") from None
    return path


GENERATOR = '<meta name="generator" content="unshared">'
"""By this a page of ours is known."""


def _remove_earlier(directory: Path, pages: Container[str]) -> None:
    """Remove the pages of earlier runs that this run does not have; files of others stay."""
    for path in directory.glob("*.html"):
        if path.name not in pages and path.is_file() and not path.is_symlink():
            with path.open(encoding="utf-8", errors="replace") as file:
                ours = GENERATOR in file.read(2000)
            if ours:
                path.unlink()


@contextmanager
def _beside(place: Path, page: str | Iterable[str]) -> Iterator[str]:
    """A finished temporary file in the folder of `place`; one that was not moved is removed at the end."""
    descriptor, path = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
    try:
        with open(descriptor, "wb") as file:
            for piece in [page] if isinstance(page, str) else page:
                file.write(piece.encode("utf-8", "backslashreplace"))
            os.fchmod(file.fileno(), 0o666 & ~_umask())
        yield path
    finally:
        Path(path).unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
