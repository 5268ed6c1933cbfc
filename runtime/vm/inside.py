"""The helper in the guest, which runs as root beside pytest for as long as the host is there.

It comes over ssh itself, before any source is there, so it needs the standard library alone.  Each line on its stdin is
a JSON object: orders, of the kind that ``do`` names.
"""

import gzip
import io
import json
import os
import signal
import sys
import tarfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Any


def take(orders: dict[str, Any], stream: IO[bytes]) -> dict[str, Any]:
    """Bring the mirror up to date; tell what ``marker`` says, and whether what lies here has the ``sum`` of the host.

    ``note`` is the file that holds the sum of what lies here.  A tar of ``size`` bytes may follow (0: it comes only if
    it is needed).  It is everything, so that other files of the directories ``sources`` go, but for those below
    directories of ``keep``.  ``directories`` must exist.  Nothing is taken from a host whose ``provisioned`` is not
    what the marker says.
    """
    marker, note, tar = Path(orders["marker"]), Path(orders["note"]), stream.read(orders["size"])
    text = marker.read_text(encoding="utf-8") if marker.exists() else ""
    same = False
    if f"provisioned={orders['provisioned']}" in text.split():
        if tar:
            note.unlink(missing_ok=True)  # until all is there, nothing is
            _unpack(tar, orders["sources"], set(map(Path, orders["keep"])))
            note.write_text(orders["sum"], encoding="utf-8")
        for directory in orders["directories"]:
            Path(directory).mkdir(parents=True, exist_ok=True)
        same = note.exists() and note.read_text(encoding="utf-8") == orders["sum"]
    return {"marker": text, "same": same}


def _unpack(content: bytes, sources: list[str], keep: set[Path]) -> None:
    written = set()
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
        for member in tar:
            path, taken = Path("/", member.name), tar.extractfile(member)
            assert taken is not None  # only plain files are sent
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(taken.read())
            path.chmod(member.mode)
            os.utime(path, (member.mtime, member.mtime))
            written.add(path)
    for path in (path for source in sources for path in Path(source).rglob("*")):
        if path.is_file() and path not in written and "__pycache__" not in path.parts and not keep & {*path.parents}:
            path.unlink()


def pass_signal(pid: Path, number: int) -> None:
    """Send a signal to the pytest whose process id is in the file ``pid``."""
    with suppress(OSError, ValueError):  # it has not begun, or has ended
        os.kill(int(pid.read_text()), number)


def send(orders: dict[str, Any], pid: Path, stream: IO[bytes]) -> None:
    """Write a tar of what was written since pytest began, which is when the file ``pid`` was written.

    Its members are ``report/NAME`` for a file below ``report``, and ``file/N`` for the file ``files[N]``.
    """
    since = pid.stat().st_mtime
    report = Path(orders["report"])
    found = {f"report/{path.relative_to(report)}": path for path in report.rglob("*")}
    found |= {f"file/{number}": Path(name) for number, name in enumerate(orders["files"])}
    packed = gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=1)
    with packed, tarfile.open(fileobj=packed, mode="w|") as tar:
        for name, path in found.items():
            if path.is_file() and not path.is_symlink() and path.stat().st_mtime >= since:
                tar.add(path, name)


def serve(pid: Path) -> None:
    """Do what the host says until it sent for the results; if it goes before that, pytest is told to end."""
    for line in sys.stdin.buffer:
        orders = json.loads(line)
        if orders["do"] == "take":
            print(json.dumps(take(orders, sys.stdin.buffer)), flush=True)
        elif orders["do"] == "signal":
            pass_signal(pid, orders["number"])
        else:
            return send(orders, pid, sys.stdout.buffer)
    return pass_signal(pid, signal.SIGINT)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
    Path(sys.argv[1]).unlink(missing_ok=True)
