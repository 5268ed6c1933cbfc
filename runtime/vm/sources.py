"""What a run needs of the checkout: which files, whether they changed since the last push, and all of them as a tar."""

import hashlib
import io
import os
import tarfile
from collections.abc import Iterable
from pathlib import Path

from runtime.vm import paths

TREES = ("labs", "record", "runtime", "reports")
LOOSE = ("*.py", "*.toml", "*.ini", "*.cfg")
REPORTS = ("reports/site", "reports/sample")
PROVISIONING = ("provision.sh", "requirements.lock")


def files(checkout: Path, report: Path) -> list[Path]:
    """The files that run labs; no reports, be it in the usual place or in ``report``."""
    found = [path for pattern in LOOSE for path in checkout.glob(pattern)]
    left_out = {report, *(checkout / name for name in REPORTS)}
    for tree in TREES:
        for directory, below, names in os.walk(checkout / tree):
            here = Path(directory)
            below[:] = [name for name in below if not _is_hidden(name) and here / name not in left_out]
            found += [here / name for name in names if not _is_hidden(name)]
    return sorted(path for path in found if path.is_file())


def is_source(path: Path, checkout: Path) -> bool:
    """Whether a run must not change the file on the host, whatever happens in the VM."""
    loose = path.parent == checkout and any(path.match(pattern) for pattern in (*LOOSE, *PROVISIONING))
    return loose or any(path.is_relative_to(checkout / tree) for tree in TREES)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in ("__pycache__", "sample")  # reports/sample/: pages for readers


def sum_of(found: Iterable[Path]) -> str:
    """A sum that changes when a file does: by name, size, mode and time, so that nothing need be read."""
    sums = hashlib.sha256()
    for path in found:
        status = path.stat()
        sums.update(
            f"{path}\0{status.st_size} {status.st_mode} {status.st_mtime_ns}\n".encode(errors="surrogateescape")
        )
    return sums.hexdigest()


def tar_of(found: Iterable[Path]) -> bytes:
    """The files under their names in the guest; everybody there may read them."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        for path in found:
            with path.open("rb") as content:
                member = tar.gettarinfo(arcname=str(paths.inside(path)), fileobj=content)
                member.mode = 0o755 if member.mode & 0o100 else 0o644
                tar.addfile(member, content)
    return buffer.getvalue()


def provisioned(checkout: Path) -> str:
    """The sum that provisioning leaves in the guest: that of provision.sh and requirements.lock in one piece."""
    return hashlib.sha256(b"".join((checkout / name).read_bytes() for name in PROVISIONING)).hexdigest()
