"""What the kernel said of the watched processes, for the script of a page: each value once, however often it was seen.

A row is a value at a place (a path and a field). A file is all rows of one path at one moment. The moment of a process
is told by the files in which it differs from an earlier moment. So what did not change costs nothing, and a mount table
that many processes share is there once.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TypeVar

from record.model import Observation, Process
from record.rows import GROUPS, group, minor, rows
from record.text import visible
from reports.pages.capabilities import CAPABILITIES

NOTHING = -1
"""The number of a moment at which a process was not there."""
Key = TypeVar("Key", bound=Hashable)
Moment = dict[int, int]
"""The numbers of files by those of their paths."""


class States:
    """The states of one page; ``begin`` each exercise, then take its steps in order."""

    def __init__(self) -> None:
        self._paths: dict[str, int] = {}
        self._places: dict[tuple[str, str], int] = {}
        self._rows: dict[tuple[int, str], int] = {}
        self._files: dict[tuple[int, ...], int] = {}
        self._read: dict[tuple[str, str], int] = {}
        self._moments: list[Moment] = []
        self._told: list[list[int]] = []
        self._numbers: dict[tuple[tuple[int, int], ...], int] = {}
        self._last: dict[str, int] = {}
        self._steps: list[dict[str, object]] = []

    def begin(self) -> None:
        """From here on labels stand for the processes of another exercise."""
        self._last = {}

    def step(
        self,
        before: Observation | None,
        after: Observation | None,
        matter: Mapping[str, Collection[str]],
        drawn: Sequence[str] = (),
    ) -> int:
        """Keep a step; returns its number. `matter` are the fields by path that its claims are about, `drawn` patterns
        of the paths that its drawings tell."""
        processes = [
            [
                visible(one.label), visible(_name(new) or _name(old)), one.role,
                old.pid if old else None, self._moment(old), new.pid if new else None, self._moment(new),
            ]
            for old, new in _pairs(before, after)
            for one in [new or old]
            if one
        ]  # fmt: skip
        self._steps.append(
            {
                "processes": processes,
                "matter": [[self._paths[path], sorted(matter[path])] for path in matter if path in self._paths],
                "drawn": [self._paths[path] for path in self._paths if any(fnmatchcase(path, one) for one in drawn)],
            }
        )
        return len(self._steps) - 1

    def data(self) -> dict[str, object]:
        """All of it as plain JSON, one thing naming others by their numbers. A file is runs of rows: first, length. A
        moment is the one that it is told from and the files that differ; a path that is gone is -1 - its number."""
        groups = list(GROUPS)
        return {
            "groups": groups,
            "capabilities": CAPABILITIES,
            "paths": [visible(path) for path in self._paths],
            "places": [[self._paths[p], f, groups.index(group(p, f)), int(minor(p, f))] for p, f in self._places],
            "rows": list(self._rows),
            "files": [_runs(numbers) for numbers in self._files],
            "moments": self._told,
            "steps": self._steps,
        }

    def _moment(self, process: Process | None) -> int:
        if process is None or process.state is None:
            return NOTHING
        moment = {_number(self._paths, path): self._file(path, value) for path, value in process.state.items()}
        key = tuple(sorted(moment.items()))
        if key not in self._numbers:
            self._numbers[key] = len(self._moments)
            base = self._last.get(process.label, 0 if self._moments else NOTHING)
            self._told.append([base, *_difference(self._moments[base] if base != NOTHING else {}, moment)])
            self._moments.append(moment)
        self._last[process.label] = self._numbers[key]
        return self._numbers[key]

    def _file(self, path: str, value: object) -> int:
        """The number of the rows of one path; what was read before is not taken apart again."""
        key = path, json.dumps(value)
        if key not in self._read:
            numbers = []
            for field, text in rows(path, value):
                place = _number(self._places, (path, field))
                numbers.append(_number(self._rows, (place, text)))
            self._read[key] = _number(self._files, tuple(numbers))
        return self._read[key]


def _number(numbers: dict[Key, int], key: Key) -> int:
    return numbers.setdefault(key, len(numbers))


def _difference(base: Moment, moment: Moment) -> Iterator[int]:
    yield from (file for path, file in moment.items() if base.get(path) != file)
    yield from (-1 - path for path in base if path not in moment)


def _runs(numbers: Iterable[int]) -> list[int]:
    """Numbers as first, length, first, length ..."""
    runs: list[int] = []
    for number in numbers:
        if runs and number == runs[-2] + runs[-1]:
            runs[-1] += 1
        else:
            runs += [number, 1]
    return runs


def _pairs(before: Observation | None, after: Observation | None) -> list[tuple[Process | None, Process | None]]:
    """Processes that stand for each other before and after: by label (a window's foreground), then by pid."""
    old, new = (list(observation.processes) if observation else [] for observation in (before, after))
    pairs: list[tuple[Process | None, Process | None]] = []
    for process in new:
        match = next((o for o in old if o.label == process.label), None)
        match = match or next((o for o in old if o.pid == process.pid), None)
        if match:
            old.remove(match)
        pairs.append((match, process))
    return pairs + [(process, None) for process in old]


def _name(process: Process | None) -> str:
    """The name of its program, as in /proc/PID/status."""
    status = (process.state or {}).get("/proc/PID/status") if process else None
    return str(status.get("Name", "")) if isinstance(status, dict) else ""
