"""Put the records of several runs together into one record, event by event.

Each exercise is taken from one record: from the last run that came to its end in it, or else the last that found it
unsupported, or else the last. Times of runs with different ids follow each other; those of one id ran side by side.

Records are read twice: first for what they hold, then for the events that are taken. No more than one of them, and of
that one exercise, is in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from sys import intern

from msgspec.structs import asdict, replace

from record import events
from record.encoding import encode
from record.events import Ability, Facts
from record.reading import LARGE, Record, Story
from record.writer import Lines
from reports import ReportError

Key = tuple[str, str]
"""An exercise: its lab and its name."""

RANKS = {"": 0, "unsupported": 1}
"""What an exercise is worth by its outcome, "" if it has none; others are worth more."""
MACHINE = ("kernel", "machine", "distribution", "cgroup", "uid", "rootless")
"""Facts in which the records of one machine, or of equal ones, agree."""


@dataclass
class Shard:
    """What one record holds: its run, its labs, and how each exercise ended last ("": it did not)."""

    path: Path
    run: events.Run
    complete: bool
    exitstatus: int
    last: float
    labs: dict[str, events.Lab]
    outcomes: dict[Key, str]

    def rank(self, key: Key) -> int:
        return RANKS.get(self.outcomes[key], 2)


def merge(records: Sequence[Path], mixed: bool = False) -> Iterator[str]:
    """The lines of one record that holds what `records` hold; ReportError where that makes no sense.

    `mixed`: the machines may be different ones.
    """
    shared = _Shared()
    shards = sorted((_shard(record, shared) for record in records), key=lambda shard: shard.run.started)
    students = sorted({shard.run.student for shard in shards if shard.run.student})
    if len(students) > 1:
        raise ReportError(
            f"these are runs of different students ({', '.join(students)}): see `python -m reports class`."
        )
    if not mixed:
        _same_machine(shards)
    return _lines(_events(shards))


def _lines(merged: Iterable[events.Event]) -> Iterator[str]:
    lines = Lines()
    return (lines.line(event).decode() for event in merged)


class _Shared:
    """Keeps once what is the same in many records."""

    def __init__(self) -> None:
        self._kept: dict[object, object] = {}

    def lab(self, lab: events.Lab) -> events.Lab:
        return self._kept.setdefault(encode(replace(lab, t=0.0)), lab)  # type: ignore[return-value]

    def key(self, *key: str) -> Key:
        return self._kept.setdefault(key, key)  # type: ignore[return-value]


def _shard(record: Path, shared: _Shared) -> Shard:
    story, last = Story(), 0.0
    labs: dict[str, events.Lab] = {}
    outcomes: dict[Key, str] = {}
    for event in story.follow(Record(record, (events.Observation,))):
        last = max(last, event.t)
        if isinstance(event, events.Lab):
            labs[event.lab] = shared.lab(event)
        elif isinstance(event, events.Exercise):
            outcomes[shared.key(event.lab, event.exercise)] = ""
        elif isinstance(event, events.ExerciseEnd):
            outcomes[shared.key(event.lab, event.exercise)] = intern(event.outcome)
    run = story.finish()
    about = events.Run(**{name: getattr(run, name) for name in events.Run.__struct_fields__})
    return Shard(record, about, run.complete, run.exitstatus or 0, last, labs, outcomes)


def _same_machine(shards: Sequence[Shard]) -> None:
    for name in MACHINE:
        values = dict.fromkeys(str(getattr(shard.run.facts, name)) for shard in shards)
        if len(values) > 1:
            raise ReportError(
                f"these runs are of different machines ({name}: {' and '.join(values)}): compare them with "
                "`python -m reports compare`, or add --mixed to have them in one record."
            )


def _events(shards: Sequence[Shard]) -> Iterator[events.Event]:
    starts = _starts(shards)
    keys = dict.fromkeys(key for shard in shards for key in shard.outcomes)
    chosen = {key: _best([shard for shard in shards if key in shard.outcomes], key) for key in keys}
    yield _about(shards)
    for lab in dict.fromkeys(lab for shard in shards for lab in shard.labs):
        yield _lab(lab, shards, chosen)
    for shard, start in zip(shards, starts, strict=True):
        for event in _taken(shard, {key for key, owner in chosen.items() if owner is shard}):
            event.t = round(event.t + start, 4)
            yield event
    if all(shard.complete for shard in shards):
        seconds = max(shard.last + start for shard, start in zip(shards, starts, strict=True))
        yield events.End(max(shard.exitstatus for shard in shards), t=round(seconds, 4))


def _taken(shard: Shard, mine: set[Key]) -> Iterator[events.Event]:
    """The events of these exercises, and those that belong to none."""
    inside: Key | None = None
    for event in Record(shard.path, () if mine else LARGE):
        if isinstance(event, events.Run | events.Lab | events.End):
            continue
        if isinstance(event, events.Exercise):
            inside = event.lab, event.exercise
        if inside is None or inside in mine:
            yield event
        if isinstance(event, events.ExerciseEnd):
            inside = None


def _starts(shards: Sequence[Shard]) -> list[float]:
    """When each run begins on the common clock."""
    begun: dict[str, float] = {}
    ends = 0.0
    for shard in shards:
        start = begun.setdefault(shard.run.run, ends)
        ends = max(ends, start + shard.last)
    return [begun[shard.run.run] for shard in shards]


def _best(shards: Sequence[Shard], key: Key) -> Shard:
    return max(enumerate(shards), key=lambda each: (each[1].rank(key), each[0]))[1]


def _about(shards: Sequence[Shard]) -> events.Run:
    """The `run` event; values that differ stand beside each other."""
    runs = [shard.run for shard in shards]
    argv = list(dict.fromkeys(word for run in runs for word in run.argv))
    student = next((run.student for run in runs if run.student), "")
    identity = "+".join(dict.fromkeys(run.run for run in runs))
    return replace(runs[0], run=identity, argv=argv, student=student, facts=_joined([run.facts for run in runs]))


def _joined(all_facts: Sequence[Facts]) -> Facts:
    """What is told of all machines; a flag is set if it is of one of them."""
    joined: dict[str, object] = {}
    for name, first in asdict(all_facts[0]).items():
        values = [getattr(facts, name) for facts in all_facts]
        if isinstance(first, bool):
            joined[name] = any(values)
        elif isinstance(first, str):
            joined[name] = _together(values)
        elif isinstance(first, list):
            joined[name] = list(dict.fromkeys(item for value in values for item in value))
    joined["tools"] = _tools([facts.tools for facts in all_facts])
    joined["can"] = _abilities([facts.can for facts in all_facts])
    return Facts(**joined)  # type: ignore[arg-type]


def _tools(all_tools: Sequence[Mapping[str, str]]) -> dict[str, str]:
    names = dict.fromkeys(name for tools in all_tools for name in tools)
    return {name: _together([tools[name] for tools in all_tools if name in tools]) for name in names}


def _abilities(all_can: Sequence[Mapping[str, Ability]]) -> dict[str, Ability]:
    """Whatever one of the machines can show."""
    joined = {name: ability for can in all_can for name, ability in can.items()}
    return joined | {name: ability for can in all_can for name, ability in can.items() if ability.ok}


def _together(values: Iterable[str]) -> str:
    return " + ".join(dict.fromkeys(value for value in values if value))


def _lab(name: str, shards: Sequence[Shard], chosen: Mapping[Key, Shard]) -> events.Lab:
    """The `lab` event; what is true of a claim is taken from the machine that showed it."""
    labs = [(shard, shard.labs[name]) for shard in shards if name in shard.labs]
    planned = {each.name: each for _, lab in labs for each in lab.planned}
    owners = {claim: chosen.get((name, each.name)) for each in planned.values() for claim in each.claims}
    claims: dict[str, events.Claim] = {}
    for shard, lab in labs:
        for claim in lab.claims:
            if claim.id not in claims or owners.get(claim.id) is shard:
                claims[claim.id] = claim
    return replace(labs[0][1], planned=list(planned.values()), claims=list(claims.values()))
