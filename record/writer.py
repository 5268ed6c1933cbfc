"""The record of a run: one JSON object a line, written and flushed as things happen.

Everything that is shown of a run is a listener of these events or a reader of this file.  Each event has ``v`` (the
version of the schema), ``t`` (seconds since the run began) and ``event`` (its kind).
"""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

VERSION = 1

Event = dict[str, Any]
Listener = Callable[[Event], None]


class Recorder:
    """Writes the events of one pytest process to ``path``, and tells them to listeners.

    ``resume``: go on with the record that is there; its time goes on too.
    """

    def __init__(self, path: Path, resume: bool = False) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.listeners: list[Listener] = []
        self._began = time.monotonic() - (_mend(path) if resume else 0.0)
        self._file: TextIO = path.open("a" if resume else "w", encoding="utf-8", errors="backslashreplace")

    def emit(self, event: str, **fields: Any) -> None:
        """Record one event; the line is in the file when this returns."""
        line: Event = {"v": VERSION, "t": round(time.monotonic() - self._began, 4), "event": event, **fields}
        self._file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
        self._file.flush()
        for listener in self.listeners:
            listener(line)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def events(path: Path) -> Iterator[Event]:
    """The events of a record; a torn last line, of a run that was killed, is left out."""
    with path.open(encoding="utf-8", errors="backslashreplace") as lines:
        for line in lines:
            if line.endswith("\n"):
                yield json.loads(line)


def _mend(path: Path) -> float:
    """Cut off a torn last line, and return the time of the last event."""
    content = path.read_bytes()
    with path.open("r+b") as file:
        file.truncate(content.rfind(b"\n") + 1)
    last = 0.0
    for event in events(path):
        last = max(last, event["t"])
    return last


def files(directory: Path) -> list[Path]:
    """The record files of a run: the one of pytest itself, and one for each xdist worker."""
    return sorted(directory.glob("record*.jsonl"))


def file_name(worker: str) -> str:
    """The name of the record of an xdist worker (``gw0``), or of pytest itself (the empty text)."""
    return f"record-{worker}.jsonl" if worker else "record.jsonl"
