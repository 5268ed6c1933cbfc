"""What the kernel said of the watched processes, for the script of a page: each value once, however often it was seen.

A row is a value at a place (a path and a field). A file is all rows of one path at one moment. The moment of a process
is told by the files in which it differs from an earlier moment. So what did not change costs nothing, and a mount table
that many processes share is there once. What changed in a step is told by rows too, as record.rows found it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TypeVar

from record.capabilities import CAPABILITIES
from record.model import Observation, Process
from record.rows import Change, Compared, compare, program, rows
from record.summary import SIGNS, summary
from record.tables import GROUPS, group
from record.text import visible

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
        self._numbers_of_places: dict[tuple[str, str], int] = {}
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
        old, new = (seen.processes if seen else [] for seen in (before, after))
        compared = compare(old, new, matter)
        processes = [self._process(one) for one in compared]
        self._steps.append(
            {
                "processes": processes,
                "summary": [[sentence.kind, visible(sentence.text)] for sentence in summary(compared)],
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
            "signs": SIGNS,
            "places": [[self._paths[p], f, groups.index(group(p, f)), e] for (p, f), e in self._places.items()],
            "rows": list(self._rows),
            "files": [_runs(numbers) for numbers in self._files],
            "moments": self._told,
            "steps": self._steps,
        }

    def _process(self, one: Compared[Process]) -> list[object]:
        """A process before and after, and what changed: numbers of rows (-1: none) before, after, and 1 for minor."""
        old, new = one.old, one.new
        moments = [part for process in (old, new) for part in (process.pid if process else None, self._moment(process))]
        changes = [number for change in one.changes for number in self._change(change)]
        return [visible(one.label), program(new) or program(old), one.seen.role, *moments, changes]

    def _change(self, change: Change) -> tuple[int, int, int]:
        entry = self._place(change.path, change.entry)
        place = self._place(change.path, change.field, entry)
        sides = [
            NOTHING if text is None else _number(self._rows, (place, text)) for text in (change.before, change.after)
        ]
        return sides[0], sides[1], int(change.minor)

    def _place(self, path: str, field: str, entry: int | None = None) -> int:
        """The number of a place, which knows the entry of the file that it tells of: mostly itself."""
        numbers = self._numbers_of_places
        if (path, field) not in numbers:
            numbers[path, field] = len(numbers)
            self._places[path, field] = numbers[path, field] if entry is None else entry
        return numbers[path, field]

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
                numbers.append(_number(self._rows, (self._place(path, field), text)))
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
