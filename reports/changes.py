"""What differs between two states of a process, row by row: nested values by field, lists by what names an entry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from reports.model import State
from reports.text import value_text

Kind = Literal["same", "changed", "added", "removed"]


@dataclass(frozen=True)
class Row:
    """One value of a state: `path` as typed, `field` inside it ("" for all of it), texts before and after."""

    path: str
    field: str
    before: str
    after: str
    kind: Kind


def compare(before: State | None, after: State | None) -> list[Row]:
    """All rows of two states, in the order of their paths; a state that is missing has no rows of its own."""
    before, after = before or {}, after or {}
    rows: list[Row] = []
    for path in dict.fromkeys([*before, *after]):
        rows += _rows(path, "", before.get(path, _MISSING), after.get(path, _MISSING))
    return rows


class _Missing:
    """There is no value."""


_MISSING = _Missing()


def _rows(path: str, field: str, before: object, after: object) -> list[Row]:
    if _is_map(before, after):
        return _nested(path, field, _as_map(before), _as_map(after))
    if _is_table(before, after):
        return _table(path, field, _as_list(before), _as_list(after))
    if isinstance(before, str) and isinstance(after, str) and before != after and "\n" in before and "\n" in after:
        return _nested(path, field, _lines(before), _lines(after))
    return [_row(path, field, before, after)]


def _lines(text: str) -> dict[str, object]:
    """The lines of a file by their first words, or by their numbers where these do not tell them apart."""
    lines = [line for line in text.splitlines() if line.strip()]
    words = [line.split(None, 1) for line in lines]
    if len({word[0] for word in words}) == len(words):
        return {word[0].rstrip(":"): "".join(word[1:]) for word in words}
    return {f"line {number}": line for number, line in enumerate(lines, 1)}


def _row(path: str, field: str, before: object, after: object) -> Row:
    kind: Kind = "same" if before == after else "changed"
    if isinstance(before, _Missing):
        kind = "added"
    elif isinstance(after, _Missing):
        kind = "removed"
    texts = ["" if isinstance(value, _Missing) else value_text(value) for value in (before, after)]
    return Row(path, field, texts[0], texts[1], kind)


def _nested(path: str, field: str, before: Mapping[str, object], after: Mapping[str, object]) -> list[Row]:
    rows: list[Row] = []
    for key in dict.fromkeys([*before, *after]):
        name = f"{field} {key}".strip()
        rows += _rows(path, name, before.get(key, _MISSING), after.get(key, _MISSING))
    return rows


def _table(path: str, field: str, before: list[object], after: list[object]) -> list[Row]:
    old, new = _named(before), _named(after)
    rows: list[Row] = []
    for name in dict.fromkeys([*old, *new]):
        left, right = old.get(name, _MISSING), new.get(name, _MISSING)
        label = f"{field} {name}".strip()
        both_maps = isinstance(left, Mapping) and isinstance(right, Mapping)
        if both_maps and left != right:  # by field, and only the fields that differ
            rows += [row for row in _rows(path, label, left, right) if row.kind != "same"]
        else:
            rows.append(_row(path, label, left, right))
    return rows


_KEYS = ("point", "controllers", "name", "ifname", "key", "dst", "destination", "id", "msqid", "semid", "shmid")


def _named(entries: list[object]) -> dict[str, object]:
    """The entries of a list by a name of their own: a mount by its point, a line of uid_map by its number."""
    named: dict[str, object] = {}
    for number, entry in enumerate(entries, 1):
        name = str(number)
        if isinstance(entry, Mapping):
            key = next((key for key in _KEYS if entry.get(key) not in (None, "", [])), None)
            name = value_text(entry[key], 200) if key else name
        while name in named:  # mounted over: the second of the same name
            name += " +"
        named[name] = entry
    return named


def _is_map(*values: object) -> bool:
    """Whether the values are objects (or missing), and no readings that failed: {"error": "EACCES"}."""
    given = [value for value in values if not isinstance(value, _Missing)]
    return bool(given) and all(isinstance(v, Mapping) and v and list(v) != ["error"] for v in given)


def _is_table(*values: object) -> bool:
    given = [value for value in values if not isinstance(value, _Missing)]
    if not given or not all(isinstance(value, list) for value in given):
        return False
    entries = [entry for value in given if isinstance(value, list) for entry in value]
    return bool(entries) and all(isinstance(entry, Mapping | list) for entry in entries)


def _as_map(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
