"""Observations as they are written: the state of a process as what differs from an earlier state of its exercise.

Most of what the kernel says stays the same from one moment to the next, and from one process to another: a mount table
alone has 12 KB. Each exercise begins anew, so that it can be read, merged and repeated by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from msgspec import Raw
from msgspec.structs import replace

from record.encoding import encode
from record.events import Observation, Process, State

MOST = 2_000_000
"""Values that the states of a record may have, whole: few lines could tell of very many. A run has 50,000."""


@dataclass(frozen=True)
class _Told:
    """A state that was written: its number in its exercise, its values, and these as JSON."""

    number: int
    values: State
    texts: dict[str, bytes]


class Writer:
    """Takes the observations of one exercise, whole, and gives them as they are written."""

    def __init__(self) -> None:
        self._count = 0
        self._last: dict[str, _Told] = {}  # by label

    def shorten(self, observation: Observation) -> Observation:
        """The same observation; each state is told by how it differs from the nearest last one of any label."""
        return replace(observation, processes=[self._shorten(process) for process in observation.processes])

    def _shorten(self, process: Process) -> Process:
        if process.state is None:
            return process
        now = _Told(self._count, process.state, {path: encode(value) for path, value in process.state.items()})
        base = min(self._last.values(), key=lambda base: _distance(now, base), default=None)
        self._count += 1
        self._last[process.label] = now
        if base is None:
            return replace(process, state={path: Raw(text) for path, text in now.texts.items()})
        state: dict[str, Raw] = {}
        parts: dict[str, Raw] = {}
        for path, text in now.texts.items():
            if base.texts.get(path) != text:
                part = encode(_part(now.values[path], base.values.get(path)))
                short = path in base.values and len(part) < len(text)
                (parts if short else state)[path] = Raw(part if short else text)
        gone = [path for path in base.values if path not in now.values]
        return replace(process, state=state, base=base.number, parts=parts, gone=gone)


def _distance(now: _Told, base: _Told) -> int:
    """Bytes of the values that differ."""
    return sum(len(text) for path, text in now.texts.items() if base.texts.get(path) != text)


def _part(value: Any, base: Any) -> Any:
    """What is new in a value, as :func:`_joined` takes it; all of it where no part could tell."""
    if isinstance(value, dict) and isinstance(base, dict) and base.keys() <= value.keys():
        return {key: item for key, item in value.items() if key not in base or not _same(base[key], item)}
    if isinstance(value, list) and isinstance(base, list):
        first = _alike(value, base)
        last = _alike(value[first:][::-1], base[first:][::-1])
        return [first, last, *value[first : len(value) - last]]
    return value


def _alike(one: list[Any], other: list[Any]) -> int:
    """How many items two lists have in common at their beginning."""
    return sum(1 for _ in takewhile(lambda pair: _same(*pair), zip(one, other, strict=False)))


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same to a reader: 1 is not true."""
    return encode(one) == encode(other)


class Reader:
    """Takes the observations of a record as they are written, and gives them whole; ``begin`` each exercise."""

    def __init__(self) -> None:
        self._states: list[State] = []
        self._values = 0

    def begin(self) -> None:
        """From here on states belong to another exercise."""
        self._states = []

    def restore(self, observation: Observation) -> Observation:
        """The same observation with whole states; ValueError if one cannot be restored."""
        return replace(observation, processes=[self._restore(process) for process in observation.processes])

    def _restore(self, process: Process) -> Process:
        if process.state is None:
            return process
        state = process.state
        if process.base is not None:
            if process.base >= len(self._states):
                raise ValueError(f"the state of {process.label!a:.80} differs from a state that is not there")
            base = self._states[process.base]
            joined = {path: self._joined(base.get(path), part) for path, part in process.parts.items()}
            gone = set(process.gone)
            state = {path: value for path, value in base.items() if path not in gone} | joined | state
        self._count(len(state))
        self._states.append(state)
        return replace(process, state=state, base=None, parts={}, gone=[])

    def _joined(self, base: Any, part: Any) -> Any:
        """A value of which only a part was told."""
        if isinstance(base, dict) and isinstance(part, dict):
            self._count(len(base) + len(part))
            return base | part
        match part:
            case [int(first), int(last), *items] if isinstance(base, list):
                end = len(base) - last
                if 0 <= first <= end <= len(base):
                    self._count(len(base) + len(items))
                    return [*base[:first], *items, *base[end:]]
        raise ValueError("a part that does not fit to the value from which it differs")

    def _count(self, values: int) -> None:
        self._values += values
        if self._values > MOST:
            raise ValueError(f"more than {MOST} values were observed")
