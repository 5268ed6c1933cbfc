"""Windows as terminal recordings: asciicast, version 2 or 3 (https://docs.asciinema.org/manual/asciicast/v3/).

A cast holds what one window of one exercise really got and printed, with the times of the run; each step of the
exercise is a marker in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from record.model import Exercise, Lab, Run, Window
from record.screen import COLUMNS, ROWS
from reports.text import file_names

CODES = {"in": "i", "out": "o"}
TERM = "xterm-256color"

Moment = tuple[float, str, str]
"""(seconds since the window was opened, code, data)"""


@dataclass(frozen=True)
class Cast:
    """One window of one exercise. `began` is on the clock of the run, the times of `moments` on that of the window."""

    title: str
    columns: int
    rows: int
    began: float
    moments: list[Moment]


def casts(labs: Sequence[Lab]) -> dict[str, Cast]:
    """The casts of all windows, by file name."""
    found = [(exercise, window) for lab in labs for exercise in lab.exercises for window in _windows(exercise)]
    names = file_names((f"{e.lab}-{e.name.removeprefix('test_')}-{window}" for e, window in found), ".cast")
    return {name: _cast(exercise, window) for name, (exercise, window) in zip(names, found, strict=True)}


def _windows(exercise: Exercise) -> list[str]:
    return list(dict.fromkeys(event.window for event in exercise.output))


def _cast(exercise: Exercise, window: str) -> Cast:
    events = [event for event in exercise.output if event.window == window]
    size = next((event for event in events if event.columns and event.rows), None)
    began, ended = events[0].t, events[-1].t
    steps = [
        (step.start, "m", f"{step.number} {step.title}") for step in exercise.steps if began <= step.start <= ended
    ]
    moments = [*steps, *((event.t, CODES[event.what], event.data) for event in events if _is_told(event))]
    return Cast(
        title=f"{exercise.title or exercise.name} ({window})",
        columns=(size and size.columns) or COLUMNS,
        rows=(size and size.rows) or ROWS,
        began=began,
        moments=[
            (round(at - began, 6), code, data) for at, code, data in sorted(moments, key=lambda moment: moment[0])
        ],
    )


def _is_told(event: Window) -> bool:
    return event.what in CODES and bool(event.data)


def paced(cast: Cast, seconds: float) -> Cast:
    """The cast with time to read: at least so many seconds before each line that is typed."""
    moments: list[Moment] = []
    typed = later = 0.0
    for at, code, data in cast.moments:
        if code == "i":
            later = max(later, typed + seconds - at)
            typed = at + later
        moments.append((round(at + later, 6), code, data))
    return replace(cast, moments=moments)


def written(cast: Cast, run: Run, version: int) -> str:
    """The cast as the text of a file. Version 2 counts from the start, version 3 from the moment before."""
    size: dict[str, object] = {"width": cast.columns, "height": cast.rows}
    if version == 3:
        size = {"term": {"cols": cast.columns, "rows": cast.rows, "type": TERM}}
    header = {"version": version, **size, **_timestamp(run, cast), "title": cast.title}
    if version == 2:
        header["env"] = {"TERM": TERM}
    moments = cast.moments if version == 2 else _intervals(cast.moments)
    return "".join(json.dumps(line) + "\n" for line in (header, *moments))


def _intervals(moments: Sequence[Moment]) -> Iterator[Moment]:
    before = 0.0
    for at, code, data in moments:
        yield round(at - before, 6), code, data
        before = at


def _timestamp(run: Run, cast: Cast) -> dict[str, int]:
    try:
        return {"timestamp": int(datetime.fromisoformat(run.started).timestamp() + cast.began)}
    except ValueError:
        return {}
