"""What runs in the guest, as root: it takes the sources, starts pytest, and sends back what was written.

The first call gets this very file over ssh, before any source is there; so it needs the standard library alone.

    python inside.py take ORDERS    stdin: a tar of sources       stdout: one JSON object
    python inside.py run ORDERS     stdin, stdout: the terminal, or pipes
    python inside.py send ORDERS    stdout: a tar of what was written

ORDERS is a JSON object; each function says what is in it.
"""

import gzip
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path
from typing import IO, Any


def take(orders: dict[str, Any], stream: IO[bytes]) -> dict[str, Any]:
    """Bring the mirror up to date; tell what ``marker`` says, what time it is here, and whether ``sum`` is here now.

    ``note`` is the file that holds the sum of what lies here.  With ``tar`` a tar follows: everything, so that other
    files of the directories ``sources`` go, but for those below ``keep``.  ``directories`` must exist.
    Nothing is taken from a host whose ``provisioned`` is not what the marker says.
    """
    marker, note = Path(orders["marker"]), Path(orders["note"])
    text = marker.read_text(encoding="utf-8") if marker.exists() else ""
    answer = {"marker": text, "clock": time.time(), "same": False}
    if f"provisioned={orders['provisioned']}" not in text.split():
        return answer
    if orders["tar"]:
        note.unlink(missing_ok=True)  # until all is there, nothing is
        _unpack(stream, orders["sources"], orders["keep"])
        note.write_text(orders["sum"], encoding="utf-8")
    for directory in orders["directories"]:
        Path(directory).mkdir(parents=True, exist_ok=True)
    return answer | {"same": note.exists() and note.read_text(encoding="utf-8") == orders["sum"]}


def _unpack(stream: IO[bytes], sources: list[str], keep: str) -> None:
    written = set()
    with tarfile.open(fileobj=stream, mode="r|gz") as tar:
        for member in tar:
            path, content = Path("/", member.name), tar.extractfile(member)
            assert content is not None  # only plain files are sent
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.read())
            path.chmod(member.mode)
            os.utime(path, (member.mtime, member.mtime))
            written.add(path)
    for path in (path for source in sources for path in Path(source).rglob("*")):
        if (
            path.is_file()
            and path not in written
            and "__pycache__" not in path.parts
            and Path(keep) not in path.parents
        ):
            path.unlink()


def run(orders: dict[str, Any], stream: IO[bytes]) -> int:
    """Run ``command`` in ``directory``, with ``environment`` added; its exit code (128 + n for signal n).

    On a terminal the command takes our place.  Without one (``watch``) each line on stdin is the number of a signal for
    the command, and the end of stdin means that the host is gone: the command is told to stop.
    """
    os.chdir(orders["directory"])
    environment = os.environ | orders["environment"]
    if not orders["watch"]:
        os.execve(orders["command"][0], orders["command"], environment)
    process = subprocess.Popen(orders["command"], env=environment, stdin=subprocess.DEVNULL)
    threading.Thread(target=_pass_signals, args=(stream, process), daemon=True).start()
    code = process.wait()
    return 128 - code if code < 0 else code


def _pass_signals(stream: IO[bytes], process: "subprocess.Popen[bytes]") -> None:
    for line in stream:
        process.send_signal(int(line))
    process.send_signal(signal.SIGINT)


def send(orders: dict[str, Any], stream: IO[bytes]) -> None:
    """Write a tar of what was written since the time ``since``.

    Its members are ``report/NAME`` for a file below ``report``, and ``file/N`` for the file ``files[N]``.
    """
    report = Path(orders["report"])
    found = {f"report/{path.relative_to(report)}": path for path in report.rglob("*")}
    found |= {f"file/{number}": Path(name) for number, name in enumerate(orders["files"])}
    packed = gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=1)
    with packed, tarfile.open(fileobj=packed, mode="w|") as tar:
        for name, path in found.items():
            if path.is_file() and not path.is_symlink() and path.stat().st_mtime >= orders["since"]:
                tar.add(path, name)


def main(action: str, orders: dict[str, Any]) -> int:
    """Do what the host asked for; the exit code."""
    if action == "run":
        return run(orders, sys.stdin.buffer)
    if action == "send":
        send(orders, sys.stdout.buffer)
    else:
        print(json.dumps(take(orders, sys.stdin.buffer)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], json.loads(sys.argv[2])))
