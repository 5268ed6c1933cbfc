"""Put the records of several runs together into one record, event by event.

Each exercise is taken from one record: from the last run that came to its end in it, or else the last that found it
unsupported, or else the last. Times of runs with different ids follow each other; those of one id ran side by side.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from record.model import Run
from record.reading import VERSION, content, read
from reports import ReportError

Event = dict[str, Any]
RANKS = {"interrupted": 0, "unsupported": 1}
"""What an exercise is worth by its outcome; others are worth more."""
MACHINE = ("kernel", "machine", "distribution", "cgroup", "uid", "rootless")
"""Facts in which the records of one machine, or of equal ones, agree."""


@dataclass
class Shard:
    """One record: its events by the exercise that they belong to; `rest` belongs to none."""

    run: Run
    about: Event = field(default_factory=dict)
    labs: dict[str, Event] = field(default_factory=dict)
    exercises: dict[tuple[str, str], list[Event]] = field(default_factory=dict)
    rest: list[Event] = field(default_factory=list)
    last: float = 0.0

    def rank(self, key: tuple[str, str]) -> int:
        ends = [event for event in self.exercises[key] if event["event"] == "exercise_end"]
        return RANKS.get(ends[-1].get("outcome", "") if ends else "interrupted", 2)


def merge(records: Sequence[Path], mixed: bool = False) -> str:
    """The text of one record that holds what `records` hold; ReportError where that makes no sense.

    `mixed`: the machines may be different ones.
    """
    shards = sorted((_shard(record) for record in records), key=lambda shard: shard.run.started)
    students = sorted({shard.run.student for shard in shards if shard.run.student})
    if len(students) > 1:
        raise ReportError(
            f"these are runs of different students ({', '.join(students)}): see `python -m reports class`."
        )
    if not mixed:
        _same_machine(shards)
    return "".join(_line(event) for event in _events(shards))


def _shard(record: Path) -> Shard:
    shard = Shard(read([record]))
    inside: list[Event] | None = None
    for line in content(record).split(b"\n"):
        try:
            event = json.loads(line)
        except ValueError:
            continue  # an empty line, or the torn one at the end: read() has refused all others
        shard.last = max(shard.last, event.get("t") or 0.0)
        kind = event.get("event")
        if kind == "run":
            shard.about = shard.about or event
        elif kind == "lab":
            shard.labs[event["lab"]] = event
        elif kind == "exercise":
            inside = shard.exercises.setdefault((event.get("lab", ""), event["exercise"]), [])
            inside.append(event)
        elif kind != "end":
            (shard.rest if inside is None else inside).append(event)
            inside = None if kind == "exercise_end" else inside
    return shard


def _same_machine(shards: Sequence[Shard]) -> None:
    for name in MACHINE:
        values = dict.fromkeys(str(shard.about.get("facts", {}).get(name, "")) for shard in shards)
        if len(values) > 1:
            raise ReportError(
                f"these runs are of different machines ({name}: {' and '.join(values)}): compare them with "
                "`python -m reports compare`, or add --mixed to have them in one record."
            )


def _events(shards: Sequence[Shard]) -> Iterator[Event]:
    starts = _starts(shards)
    keys = dict.fromkeys(key for shard in shards for key in shard.exercises)
    chosen = {key: _best([shard for shard in shards if key in shard.exercises], key) for key in keys}
    yield _about(shards)
    for lab in dict.fromkeys(lab for shard in shards for lab in shard.labs):
        yield _lab(lab, shards, chosen)
    for shard, start in zip(shards, starts, strict=True):
        mine = [event for key, owner in chosen.items() if owner is shard for event in shard.exercises[key]]
        for event in [*mine, *shard.rest]:
            yield event | {"t": round((event.get("t") or 0.0) + start, 4)}
    if all(shard.run.complete for shard in shards):
        seconds = max(shard.last + start for shard, start in zip(shards, starts, strict=True))
        status = max(shard.run.exitstatus or 0 for shard in shards)
        yield {"v": VERSION, "t": round(seconds, 4), "event": "end", "exitstatus": status}


def _starts(shards: Sequence[Shard]) -> list[float]:
    """When each run begins on the common clock."""
    begun: dict[str, float] = {}
    ends = 0.0
    for shard in shards:
        start = begun.setdefault(shard.run.id, ends)
        ends = max(ends, start + shard.last)
    return [begun[shard.run.id] for shard in shards]


def _best(shards: Sequence[Shard], key: tuple[str, str]) -> Shard:
    return max(enumerate(shards), key=lambda each: (each[1].rank(key), each[0]))[1]


def _about(shards: Sequence[Shard]) -> Event:
    """The `run` event; values that differ stand beside each other."""
    abouts = [shard.about for shard in shards]
    argv = list(dict.fromkeys(word for about in abouts for word in about.get("argv", [])))
    facts = _joined([about.get("facts", {}) for about in abouts])
    return abouts[0] | {"run": _together([about["run"] for about in abouts], "+"), "argv": argv, "facts": facts}


def _joined(all_facts: Sequence[Mapping[str, Any]]) -> Event:
    joined: Event = {}
    for name in dict.fromkeys(name for facts in all_facts for name in facts):
        values = [facts[name] for facts in all_facts if name in facts]
        if name == "can":  # whatever one of the machines can show
            joined[name] = {k: v for can in values for k, v in can.items()}
            joined[name] |= {k: v for can in values for k, v in can.items() if v.get("ok")}
        elif all(isinstance(value, dict) for value in values):
            joined[name] = _joined(values)
        else:
            joined[name] = values[0] if all(value == values[0] for value in values) else _together(values, " + ")
    return joined


def _together(values: Sequence[object], sign: str) -> str:
    return sign.join(dict.fromkeys(str(value) for value in values))


def _lab(name: str, shards: Sequence[Shard], chosen: Mapping[tuple[str, str], Shard]) -> Event:
    """The `lab` event; what is true of a claim is taken from the machine that showed it."""
    labs = [(shard, shard.labs[name]) for shard in shards if name in shard.labs]
    first = labs[0][1]
    exercises = {each["name"]: each for _, lab in labs for each in lab.get("exercises", [])}
    owners = {claim: chosen.get((name, each["name"])) for each in exercises.values() for claim in each["claims"]}
    claims: Event = {}
    for shard, lab in labs:
        for claim in lab.get("claims", []):
            if claim["id"] not in claims or owners.get(claim["id"]) is shard:
                claims[claim["id"]] = claim
    return first | {"exercises": list(exercises.values()), "claims": list(claims.values())}


def _line(event: Event) -> str:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n"
