"""Write the record of a run: one JSON object a line, written and flushed as things happen.

Everything that is shown of a run is a listener of these events or a reader of this file.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from record import deltas, events
from record.encoding import encode
from record.reading import Record

Listener = Callable[[events.Event], None]


class Lines:
    """Gives events as the lines of one record file."""

    def __init__(self) -> None:
        self._states = deltas.Writer()

    def line(self, event: events.Event) -> bytes:
        """The line of an event, with its end; an observation is given whole and written as what differs."""
        if isinstance(event, events.Exercise):
            self._states = deltas.Writer()
        elif isinstance(event, events.Observation):
            event = self._states.shorten(event)
        return b'{"v":%d,%b\n' % (events.VERSION, encode(event)[1:])


class Recorder:
    """Writes the events of one pytest process to ``path``, and tells them to listeners.

    ``resume``: go on with the record that is there; its time goes on too.
    """

    def __init__(self, path: Path, resume: bool = False) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.listeners: list[Listener] = []
        self._began = time.monotonic() - (_mend(path) if resume else 0.0)
        self._file: BinaryIO = path.open("ab" if resume else "wb")
        self._lines = Lines()

    def emit(self, event: events.Event) -> None:
        """Record one event; the line is in the file when this returns."""
        event.t = round(time.monotonic() - self._began, 4)
        self._file.write(self._lines.line(event))
        self._file.flush()
        for listener in self.listeners:
            listener(event)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _mend(path: Path) -> float:
    """Cut off a torn last line, and return the time of the last event."""
    content = path.read_bytes()
    with path.open("r+b") as file:
        file.truncate(content.rfind(b"\n") + 1)
    return max((event.t for event in Record(path)), default=0.0)


def files(directory: Path) -> list[Path]:
    """The record files of a run: the one of pytest itself, and one for each xdist worker."""
    return sorted(directory.glob("record*.jsonl"))


def file_name(worker: str) -> str:
    """The name of the record of an xdist worker (``gw0``), or of pytest itself (the empty text)."""
    return f"record-{worker}.jsonl" if worker else "record.jsonl"
