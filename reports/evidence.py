"""How the watched processes changed in a step: what differs and matters is shown, the rest is folded away."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from reports.changes import Row, compare
from reports.model import Observation, Process


@dataclass(frozen=True)
class ProcessView:
    """How one watched process changed: rows that differ or matter, and the fold with the rest: `folded` rows, of which
    `differing` are changes that say little."""

    label: str
    name: str
    before: int | None
    after: int | None
    rows: list[Row]
    folded: int
    differing: int
    fold: int


class Folds:
    """Rows that are not shown at first, kept once a page: (path, field, value), or (path, field, after, before) of a
    change; `lists` has their numbers by fold."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, ...], int] = {}
        self.lists: list[list[int]] = []

    def add(self, rows: Iterable[Row], compared: bool) -> int:
        """Keep `rows` as a fold; returns its number. Not `compared`: all of a process that came or went."""
        kept = [
            (row.path, row.field, row.after, row.before)
            if compared and row.kind != "same"
            else (row.path, row.field, _unnumbered(row))
            for row in rows
        ]
        self.lists.append([self.rows.setdefault(row, len(self.rows)) for row in kept])
        return len(self.lists) - 1

    def data(self) -> dict[str, object]:
        """The folds for the page's script; runs of numbers that follow each other as [first, length]."""
        return {"rows": list(self.rows), "folds": [_ranges(numbers) for numbers in self.lists]}


def _unnumbered(row: Row) -> str:
    """The value without the numbers of a mount: each copy of a mount namespace has others, too many for a page."""
    text = row.after or row.before
    return re.sub(r"^id=\d+ parent=\d+ ", "", text) if row.path == "/proc/PID/mountinfo" else text


def _ranges(numbers: list[int]) -> list[list[int]]:
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == sum(ranges[-1]):
            ranges[-1][1] += 1
        else:
            ranges.append([number, 1])
    return ranges


def processes(
    before: Observation | None,
    after: Observation | None,
    matter: dict[str, set[str]],
    folds: Folds,
    drawn: Sequence[str] = (),
) -> list[ProcessView]:
    """How each watched process changed; `matter` are the fields by path that the claims of the step are about, `drawn`
    patterns of the paths that a drawing of the step tells."""
    return [_process(old, new, matter, folds, drawn) for old, new in _pairs(before, after)]


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


def _process(
    old: Process | None, new: Process | None, matter: dict[str, set[str]], folds: Folds, drawn: Sequence[str]
) -> ProcessView:
    """A process that came or went has no rows that differ: all of it is folded."""
    both = old is not None and new is not None and old.state is not None and new.state is not None
    known = new if new and new.state else old
    rows = compare(old.state if old else None, new.state if new else None)
    shown, rest = _sorted_out(rows, matter, drawn) if both else ([], rows)
    status = (known.state or {}).get("/proc/PID/status") if known else None
    name = status.get("Name") if isinstance(status, dict) else ""
    return ProcessView(
        label=new.label if new else old.label if old else "", name=str(name or ""),
        before=old.pid if old and old.state else None, after=new.pid if new and new.state else None,
        rows=shown, folded=len(rest), differing=sum(row.kind != "same" for row in rest) if both else 0,
        fold=folds.add(rest, both),
    )  # fmt: skip


ROWS_OF_A_PATH = 6
"""Rows of one path that are shown."""
_MINOR = {"State", "Tgid", "Pid", "NStgid", "Threads", "SigBlk", "SigIgn", "SigCgt"}
_MOUNT_NUMBERS = {"id", "parent"}


def _sorted_out(rows: list[Row], matter: dict[str, set[str]], drawn: Sequence[str]) -> tuple[list[Row], list[Row]]:
    """(shown, folded): what the claims are about stands first; what says little, or would be too much, is folded."""
    shown: list[Row] = []
    folded: list[Row] = []
    taken: Counter[str] = Counter()
    for row in sorted(rows, key=lambda row: row.path not in matter):
        name = row.field.partition(" ")[0]
        if _is_drawn(row, drawn):
            wanted = False
        elif row.path in matter and (name in matter[row.path] or not row.field):
            wanted = row.kind != "same" or not row.path.startswith("/proc/PID/ns/")  # these are in the drawing
        else:
            wanted = row.kind != "same" and not _says_little(row) and taken[row.path] < ROWS_OF_A_PATH
        taken[row.path] += wanted
        (shown if wanted else folded).append(row)
    places = {path: number for number, path in enumerate(dict.fromkeys(row.path for row in rows))}
    folded.sort(key=lambda row: (row.kind == "same", places[row.path]))
    return shown, folded


_NOT_DRAWN = {"inode", "dev"}


def _is_drawn(row: Row, drawn: Sequence[str]) -> bool:
    """Whether a drawing tells the row; that of a union leaves out the inode and device of a file."""
    if not any(fnmatchcase(row.path, pattern) for pattern in drawn):
        return False
    words = row.field.split(" ")
    return row.kind != "changed" or words[0] == "." or words[-1] not in _NOT_DRAWN


def _says_little(row: Row) -> bool:
    """Whether a change follows from another one: a new mount namespace gives every mount another id, for instance."""
    words = row.field.split(" ")
    return words[0] in _MINOR or (row.path == "/proc/PID/mountinfo" and words[-1] in _MOUNT_NUMBERS)
