"""One line of a record as an event, in whatever version it was written: an older one is lifted, one step a version.

When :data:`record.events.VERSION` becomes n + 1, add the step from n here, and a record of version n to the tests.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from record import RecordError
from record.encoding import readable
from record.events import EVENTS, VERSION, Event, Observation, Prediction, kind
from record.text import visible

Raw = dict[str, Any]

DEEPEST = 32  # lists and objects in each other in a value that was observed
GREATEST = 10**40  # of the numbers in it
LONGEST = 300  # characters of an error that are told


class NoObjectError(Exception):
    """The line is no JSON object; a torn one is none."""


class _Head(Struct):
    """What is looked at of a line first."""

    v: Annotated[int, Meta(ge=1)] = 1
    event: str = ""


class Decoder:
    """Reads lines. The kinds of events in ``skip`` are only glanced at, and left out as unknown ones are."""

    def __init__(self, skip: Collection[type[Event]] = ()) -> None:
        self._head = msgspec.json.Decoder(_Head)
        self._types = {kind(event): event for event in EVENTS if event not in skip}
        self._decoders = {name: msgspec.json.Decoder(event) for name, event in self._types.items()}

    def decode(self, line: bytes, where: str) -> Event | None:
        """The event; None for one that is left out. RecordError says what is wrong at ``where``."""
        try:
            return self._decode(line, where)
        except (ValueError, OverflowError, RecursionError) as error:
            what = visible(str(error))[:LONGEST]
            raise RecordError(f"{where}: {what}; the record is damaged, run the lab again.") from None

    def _decode(self, line: bytes, where: str) -> Event | None:
        head, raw = self._glance(line)
        if head.v > VERSION:
            raise RecordError(
                f"{where}: written in version {head.v} of the record, this reads up to {VERSION}; "
                "render it with the unshared that made it."
            )
        if head.event not in self._types:
            return None
        event: Event | None
        if head.v == VERSION:
            event = self._decoders[head.event].decode(line)
        else:
            event = self._lifted(raw or _parsed(line), head)
        for path, value in _observed(event):
            _check(path, value)
        return event

    def _glance(self, line: bytes) -> tuple[_Head, Raw | None]:
        """The head of a line. One that only Python's reader takes is given whole: it may hold NaN or half a surrogate
        pair, which version 1 wrote."""
        if not line.lstrip().startswith(b"{"):
            raise NoObjectError
        try:
            return self._head.decode(line), None
        except msgspec.ValidationError:
            raise
        except (ValueError, RecursionError):
            raw = _parsed(line)
            head = msgspec.convert(raw, _Head)
            if head.v != 1:
                raise NoObjectError from None
            return head, raw

    def _lifted(self, raw: Raw, head: _Head) -> Event | None:
        for version in range(head.v, VERSION):
            lifted = LIFTS[version](raw)
            if lifted is None:
                return None
            raw = lifted
        return msgspec.convert(raw, self._types[head.event])


def _parsed(line: bytes) -> Raw:
    try:
        raw = json.loads(line, parse_constant=str)
    except (ValueError, RecursionError):
        raise NoObjectError from None
    if not isinstance(raw, dict):
        raise NoObjectError
    spelled: Raw = readable(raw) if b"\\ud" in line.lower() else raw
    return spelled


# Values whose form no type tells


def _observed(event: Event | None) -> Iterator[tuple[str, Any]]:
    """What was observed, with its place in the event."""
    if isinstance(event, Observation):
        for number, process in enumerate(event.processes):
            for path, value in (*(process.state or {}).items(), *process.parts.items()):
                yield f"$.processes[{number}].state[{path!a:.200}]", value
    elif isinstance(event, Prediction):
        yield "$.observed", event.observed
        yield "$.given", event.given


def _check(path: str, value: Any) -> None:
    """ValueError if a value cannot be what a kernel said: who shows it could be led astray."""
    level = [value]
    for _ in range(DEEPEST):
        below: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                below += each.values()
            elif isinstance(each, list):
                below += each
            elif isinstance(each, int | float) and not abs(each) < GREATEST:  # NaN neither
                raise ValueError(f"a number out of range - at `{path}`")
        if not below:
            return
        level = below
    raise ValueError(f"nested too deeply - at `{path}`")


# From version to version


def _from_1(raw: Raw) -> Raw | None:
    """Version 1 wrote null for what was not there, the user id as a number, the planned exercises of a lab as its
    exercises, and the size of a window as its data (it foresaw another size later, which nobody wrote)."""
    event, data = raw.get("event"), raw.get("data")
    if event == "window" and raw.get("what") == "size":
        return None
    lifted = {key: value for key, value in raw.items() if value is not None}
    if event == "prediction":
        lifted |= {key: raw.get(key) for key in ("observed", "given", "correct")}
    if event == "run" and isinstance(facts := raw.get("facts"), dict) and isinstance(facts.get("uid"), int):
        lifted["facts"] = facts | {"uid": str(facts["uid"])}
    if event == "lab" and "exercises" in raw:
        lifted["planned"] = raw["exercises"]
    if event == "window" and isinstance(data, dict):
        lifted |= {"data": "", "columns": data.get("columns"), "rows": data.get("rows")}
    if event == "observation" and isinstance(processes := raw.get("processes"), list):
        lifted["processes"] = [_with_window(process) for process in processes]
    return lifted


def _with_window(process: Any) -> Any:
    return process | {"window": process.get("window") or ""} if isinstance(process, dict) else process


LIFTS: dict[int, Callable[[Raw], Raw | None]] = {1: _from_1}
"""The step from each older version to the next one; None for an event that the next one does not have."""
