"""The things of one step in several runs, side by side: answers, commands with their output, checks, changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest
from typing import TypeVar

from record.model import Claim, Command, Step
from record.rows import compare, places
from record.text import value_text
from reports.comparing.noise import OF_THE_RUN, SMALLEST, Noise, Pair

T = TypeVar("T")
Sides = list[T | None]
"""One thing of each run, in their order; None: that run has it not."""
CHANGES = 8
"""Changes of one step that are told."""
Same = Callable[[int, T, int, T], bool]
"""Whether a thing of one run (by its number) says the same as a thing of another."""


@dataclass(frozen=True)
class Line:
    """One line of text; `alone`: another run has no such line."""

    text: str
    alone: bool


@dataclass(frozen=True)
class Item:
    """One thing of a step: an answer, a command, a check or a change of the kernel's state."""

    kind: str
    where: str
    texts: Sides[list[Line]]
    differs: bool

    @property
    def counts(self) -> bool:
        """Whether it makes the step differ. The state of a machine differs in more than a step is about."""
        return self.differs and self.kind != "change"

    @property
    def about(self) -> str:
        """What it is about, in a line: the question, the command as the first run typed it, the check."""
        typed = next(lines[0].text for lines in self.texts if lines)
        return typed if self.kind == "command" else self.where

    def gist(self, side: int) -> str:
        """The first line that another run has not, or the first line of all."""
        lines = self.texts[side] or []
        return next((line.text for line in lines if line.alone), lines[0].text if lines else "-")


def items(steps: Sides[Step], sounds: Sequence[Noise], claims: Iterable[Claim]) -> list[Item]:
    """All of a step in each run; `sounds` is the noise of the runs, `claims` what the step is about."""
    beside = _Beside(steps, sounds)
    matter = places(place for claim in claims for place in claim.visible_in)
    return [*beside.answers(), *beside.commands(), *beside.checks(), *beside.changes(matter)]


class _Beside:
    def __init__(self, steps: Sides[Step], sounds: Sequence[Noise]) -> None:
        self._steps, self._sounds = steps, sounds

    def answers(self) -> Iterator[Item]:
        made = [step.prediction if step else None for step in self._steps]
        question = next((step.ask.question for step in self._steps if step and step.ask and step.prediction), "")
        if question:
            answers: Sides[str] = [value_text(each.observed) if each else None for each in made]
            yield self._item("answer", question, answers, answers, self._same_text)

    def commands(self) -> Iterator[Item]:
        """Commands that stand alone in one window are put into one row: they were typed in each other's place."""
        typed = [step.commands if step else [] for step in self._steps]
        for row in _joined(_aligned(typed, self._typed_alike)):
            window = next(command.window for command in row if command)
            yield self._item("command", window, [_shown(c) if c else None for c in row], row, self._same_command)

    def checks(self) -> Iterator[Item]:
        made = [step.checks if step else [] for step in self._steps]
        for row in _aligned(made, lambda a, one, b, other: self._same_text(a, one.source, b, other.source)):
            source = next(check.source for check in row if check)
            values = [check.values.partition("\n")[0] if check else None for check in row]
            yield self._item("check", source, values, row, lambda a, x, b, y: self._pair(a, b).same_check(x, y))

    def changes(self, matter: Mapping[str, Iterable[str]]) -> list[Item]:
        """How the watched processes changed where the claims of the step are visible; first what differs."""
        found = [dict(_changed(step, matter)) if step else {} for step in self._steps]
        told: list[Item] = []
        for key in dict.fromkeys(key for changes in found for key in changes):
            texts: Sides[str] = [changes.get(key) for changes in found]
            told.append(self._item("change", key, texts, texts, self._same_change))
        return sorted(told, key=lambda item: not item.differs)[:CHANGES]

    def _pair(self, one: int, other: int) -> Pair:
        return Pair(self._sounds[one], self._sounds[other])

    def _same_text(self, a: int, one: str, b: int, other: str) -> bool:
        return self._pair(a, b).alike(one, other)

    def _same_change(self, a: int, one: str, b: int, other: str) -> bool:
        return self._pair(a, b).alike(one, other, SMALLEST)

    def _typed_alike(self, a: int, one: Command, b: int, other: Command) -> bool:
        return one.window == other.window and self._same_text(a, one.text, b, other.text)

    def _same_command(self, a: int, one: Command, b: int, other: Command) -> bool:
        return self._same_text(a, one.text, b, other.text) and self._pair(a, b).same_output(one, other)

    def _item(self, kind: str, where: str, texts: Sides[str], row: Sides[T], same: Same[T]) -> Item:
        """Runs that lack the step are passed over; those that have it and lack the thing differ."""
        sides = [side for side, step in enumerate(self._steps) if step]
        first, one = sides[0], row[sides[0]]
        others = [(side, row[side]) for side in sides[1:]]
        differs = any(
            (other is not None) if one is None else other is None or not same(first, one, side, other)
            for side, other in others
        )
        return Item(
            kind, where, [self._lines(side, texts, sides if differs else []) for side in range(len(texts))], differs
        )

    def _lines(self, side: int, texts: Sides[str], sides: Sequence[int]) -> list[Line] | None:
        text = texts[side]
        if text is None:
            return None
        others = [(other, (texts[other] or "").splitlines()) for other in sides if other != side]

        def alone(line: str) -> bool:
            there = (any(self._same_text(side, line, other, each) for each in lines) for other, lines in others)
            return not OF_THE_RUN.search(line) and not all(there)

        return [Line(line, alone(line)) for line in text.splitlines()]


def _shown(command: Command) -> str:
    ends = {0: [], None: ["(it did not end)"]}
    output = [command.output.rstrip()] if command.output.strip() else []
    return "\n".join([f"$ {command.text}", *output, *ends.get(command.status, [f"(exit status {command.status})"])])


def _changed(step: Step, matter: Mapping[str, Iterable[str]]) -> Iterator[tuple[str, str]]:
    """(place, what became of it) of the changes that the step is about."""
    before, after = (seen.processes if seen else [] for seen in (step.before, step.after))
    for one in compare(before, after, matter):
        for change in one.loud:
            if change.path in matter:
                old, new = ("-" if text is None else text for text in (change.before, change.after))
                yield f"{one.label}: {change.path} {change.field}".strip(), f"{old} → {new}"


def _aligned(lists: Sequence[Sequence[T]], same: Same[T]) -> list[Sides[T]]:
    """The things of each run in rows: those that are the same stand in one row, none leaves its order."""
    table: list[Sides[T]] = []
    for side, things in enumerate(lists):
        at = 0
        for thing in things:
            found = next((n for n in range(at, len(table)) if _fits(table[n], side, thing, same)), None)
            if found is None:
                table.insert(at, [None] * len(lists))
            at = at if found is None else found
            table[at][side] = thing
            at += 1
    return table


def _fits(row: Sides[T], side: int, thing: T, same: Same[T]) -> bool:
    other, found = next((other, each) for other, each in enumerate(row) if each is not None)
    return row[side] is None and same(other, found, side, thing)


def _joined(table: Iterable[Sides[Command]]) -> Iterator[Sides[Command]]:
    for alone, rows_ in groupby(table, key=_alone):
        block = list(rows_)
        if alone:
            typed = [[row[side] for row in block if row[side]] for side in range(len(block[0]))]
            yield from (list(row) for row in zip_longest(*typed))
        else:
            yield from block


def _alone(row: Sides[Command]) -> str:
    """The window of a command that only one run has; "" for all others."""
    there = [command for command in row if command]
    return there[0].window if len(there) == 1 else ""
