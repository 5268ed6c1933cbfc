"""What each student of a class did, put together from the records of their runs.

A record is read and let go again: of a step only how it ended, what was answered and how long it took is kept, and what
a lab says of it is kept once for all students. So a class of a thousand fits where one record does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from sys import intern
from typing import TypeVar
from urllib.parse import quote

from msgspec.structs import replace

from record.encoding import encode
from record.events import Answer, Prediction, Question, Stage
from record.model import Exercise, Lab, Run, Step
from record.reading import LARGE, read

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StepPlan:
    """What a lab says of a step."""

    id: str
    lab: str
    exercise: str
    number: int
    title: str
    points: float
    claims: tuple[str, ...]
    ask: Question | None


@dataclass(frozen=True, slots=True)
class StepDone:
    """One step as a student did it; its outcome is passed, failed, unsupported or interrupted."""

    plan: StepPlan
    outcome: str
    error: str
    seconds: float
    prediction: Prediction | None


@dataclass(frozen=True, slots=True)
class ExerciseDone:
    """One exercise as a student did it."""

    lab: str
    name: str
    line: int = 0
    outcome: str = "interrupted"
    reason: str = ""
    how: str = ""
    steps: list[StepDone] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Sitting:
    """One run of a student. `stopped`: the step at which the student quit or the run died, "" if it came to its end."""

    id: str
    started: str
    mode: str
    kernel: str
    stopped: str
    labs: list[Lab]


@dataclass
class Student:
    """One student; of an exercise that several runs have, the last one counts."""

    name: str
    page: str = ""
    runs: list[Sitting] = field(default_factory=list)
    exercises: dict[tuple[str, str], ExerciseDone] = field(default_factory=dict)
    waited: dict[str, float] = field(default_factory=dict)
    """Seconds before and after a step, by its id."""
    repeated: set[str] = field(default_factory=set)
    """The steps from which the student went back, or which were done again."""

    @cached_property
    def steps(self) -> dict[str, StepDone]:
        return {step.plan.id: step for exercise in self.exercises.values() for step in exercise.steps}

    @property
    def predictions(self) -> list[Prediction]:
        """The questions that the student was asked."""
        made = [step.prediction for step in self.steps.values()]
        return [each for each in made if each and each.was_asked]

    @property
    def right(self) -> int:
        return sum(made.correct is True for made in self.predictions)

    @property
    def seconds(self) -> float:
        return sum(self.time(step) for step in self.steps)

    @property
    def stopped(self) -> str:
        """The step at which the last run stopped; "" if it came to its end."""
        return self.last.stopped

    @property
    def last(self) -> Sitting:
        """The run that began last."""
        return max(self.runs, key=lambda run: run.started)

    def time(self, step: str) -> float:
        """Seconds at a step: those that it ran, and those that the student waited before and after it."""
        return self.steps[step].seconds + self.waited.get(step, 0.0)

    def lab(self, name: str) -> list[StepDone]:
        """The steps of one lab that the student came to."""
        return [step for step in self.steps.values() if step.plan.lab == name]


def gather(records: Sequence[Path], page: Path = Path()) -> list[Student]:
    """The students of the records; those of one name are one student. `page` is where the links to theirs begin."""
    students: dict[str, Student] = {}
    begun: dict[tuple[str, str, str], str] = {}  # when the run began from which an exercise of a student was taken
    shared = _Shared()
    for record in records:
        run = read([record], skip=LARGE)
        file = record.name.partition(".")[0]
        name = run.student or (record.resolve().parent.name if file == "record" else file)
        student = students.setdefault(name, Student(name))
        student.runs.append(shared.sitting(run))
        _add_moves(student, run.moves)
        for exercise in (each for lab in run.labs for each in lab.exercises):
            key = name, exercise.lab, exercise.name
            if run.started >= begun.get(key, ""):
                begun[key] = run.started
                student.exercises[exercise.lab, exercise.name] = shared.exercise(exercise)
        if (record.parent / "index.html").is_file():
            student.page = quote(os.path.relpath(record.parent / "index.html", page.parent))
    for student in students.values():
        done = sorted(student.exercises.items(), key=lambda each: (each[1].lab, each[1].line))
        student.exercises = dict(done)
    return list(students.values())


def _add_moves(student: Student, moves: Sequence[Stage]) -> None:
    for move in moves:
        step = intern(move.step or "")
        if move.what != "shell":
            student.waited[step] = student.waited.get(step, 0.0) + move.seconds
        if move.what in ("back", "again"):
            student.repeated.add(step)


def _stopped(run: Run) -> str:
    if run.moves and run.moves[-1].what == "quit":
        return run.moves[-1].step or ""
    steps = [step for lab in run.labs for exercise in lab.exercises for step in exercise.steps]
    cut = [step.id for step in steps if step.outcome == "interrupted"] or [step.id for step in steps][-1:]
    return "" if run.complete or not cut else cut[-1]


class _Shared:
    """Keeps once what is the same for many students."""

    def __init__(self) -> None:
        self._kept: dict[bytes, object] = {}

    def sitting(self, run: Run) -> Sitting:
        labs = [self._once(replace(lab, t=0.0, text="", claims=[], exercises=[])) for lab in run.labs]
        return Sitting(run.id, run.started, run.mode, intern(run.facts.kernel), intern(_stopped(run)), labs)

    def exercise(self, done: Exercise) -> ExerciseDone:
        steps = list(self._steps(done.steps))
        texts = (intern(text) for text in (done.lab, done.name, done.outcome, done.reason, done.how))
        lab, name, outcome, reason, how = texts
        return ExerciseDone(lab, name, done.line, outcome, reason, how, steps)

    def _steps(self, steps: Sequence[Step]) -> Iterator[StepDone]:
        for step in steps:
            place = intern(step.id), step.lab, step.exercise, step.number
            ask = step.ask and replace(step.ask, choices=sorted(step.ask.choices))  # each run has an order of its own
            plan = self._once(StepPlan(*place, step.title, step.points, tuple(step.claims), ask))
            made = step.prediction
            if made:
                made = replace(made, t=0.0, step=None, observed=_text(made.observed), given=_text(made.given))
            yield StepDone(plan, intern(step.outcome), intern(step.error), step.seconds, made)

    def _once(self, value: T) -> T:
        """The first value that was the same as this one."""
        return self._kept.setdefault(encode(value), value)  # type: ignore[return-value]


def _text(answer: Answer | None) -> Answer | None:
    return intern(answer) if isinstance(answer, str) else answer
