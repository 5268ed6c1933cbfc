"""What a class did: the runs of its students, put together by question and by step."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import median
from urllib.parse import quote

from record.model import Exercise, Lab, Move, Prediction, Question, Run, Step
from record.reading import read
from record.text import value_text

SLOW_FACTOR, SLOW_SECONDS = 3, 60.0
"""So many times the median of the class, and not less than so many seconds, is slow."""


@dataclass
class Student:
    """One student; of an exercise that several runs have, the last one counts."""

    name: str
    page: str = ""
    runs: list[Run] = field(default_factory=list)

    @cached_property
    def exercises(self) -> dict[tuple[str, str], Exercise]:
        runs = sorted(self.runs, key=lambda run: run.started)
        return {(lab.id, each.name): each for run in runs for lab in run.labs for each in lab.exercises}

    @cached_property
    def steps(self) -> dict[str, Step]:
        return {step.id: step for exercise in self.exercises.values() for step in exercise.steps}

    @cached_property
    def moves(self) -> list[Move]:
        return [move for run in self.runs for move in run.moves]

    @cached_property
    def predictions(self) -> list[Prediction]:
        """The questions that the student was asked."""
        made = [step.prediction for step in self.steps.values()]
        return [each for each in made if each and was_asked(each)]

    @property
    def right(self) -> int:
        return sum(made.correct is True for made in self.predictions)

    @property
    def seconds(self) -> float:
        return sum(self.time(step) for step in self.steps)

    @cached_property
    def stopped(self) -> str:
        """The step at which the student quit, or the last run died; "" if it came to its end."""
        last = max(self.runs, key=lambda run: run.started)
        if last.moves and last.moves[-1].what == "quit":
            return last.moves[-1].step
        steps = [step for lab in last.labs for exercise in lab.exercises for step in exercise.steps]
        cut = [step.id for step in steps if step.outcome == "interrupted"] or [step.id for step in steps][-1:]
        return "" if last.complete or not cut else cut[-1]

    def time(self, step: str) -> float:
        """Seconds at a step: those that it ran, and those that the student waited before and after it."""
        waited = sum(move.seconds for move in self.moves if move.step == step and move.what != "shell")
        return self.steps[step].seconds + waited

    def lab(self, name: str) -> list[Step]:
        """The steps of one lab that the student came to."""
        return [step for step in self.steps.values() if step.lab == name]


def gather(records: Sequence[Path], page: Path = Path()) -> list[Student]:
    """The students of the records; those of one name are one student. `page` is where the links to theirs begin."""
    students: dict[str, Student] = {}
    for record in records:
        run = read([record])
        file = record.name.partition(".")[0]
        name = run.student or (record.resolve().parent.name if file == "record" else file)
        student = students.setdefault(name, Student(name))
        student.runs.append(run)
        if (record.parent / "index.html").is_file():
            student.page = quote(os.path.relpath(record.parent / "index.html", page.parent))
    return list(students.values())


def was_asked(made: Prediction | None) -> bool:
    """Whether somebody answered or passed over the question; in a run without a student nobody was asked."""
    return made is not None and (made.given is not None or made.skipped)


@dataclass(frozen=True)
class Answer:
    """One answer and how many gave it."""

    text: str
    count: int
    right: bool


@dataclass(frozen=True)
class Tally:
    """One question, and what the class said."""

    step: Step
    question: Question
    observed: list[str]
    answers: list[Answer]
    skipped: int

    @property
    def asked(self) -> int:
        return sum(answer.count for answer in self.answers) + self.skipped

    @property
    def right(self) -> int:
        return sum(answer.count for answer in self.answers if answer.right)


@dataclass(frozen=True)
class Pace:
    """How long the class was at one step."""

    step: Step
    times: list[tuple[float, Student]]

    @property
    def median(self) -> float:
        return median(seconds for seconds, _ in self.times)

    @property
    def slowest(self) -> tuple[float, Student]:
        return max(self.times, key=lambda each: each[0])


@dataclass(frozen=True)
class Trouble:
    """Who got stuck at a step, and how: ended, failed, repeated, slow."""

    step: Step
    who: dict[str, list[Student]]

    @property
    def count(self) -> int:
        return len({student.name for students in self.who.values() for student in students})


class Classroom:
    """All students, and the course as the union of what they ran."""

    def __init__(self, students: Sequence[Student], censor: Callable[[str], str] = str) -> None:
        """`censor` goes over what students wrote: it may name one of them."""
        self._censor = censor
        self.students = sorted(students, key=lambda student: student.name.casefold())
        self.labs: list[Lab] = _labs(self.students)
        self.steps = list(_course(self.labs, self.students))

    def planned(self, lab: Lab) -> int:
        """How many steps a lab has: as its file says, or as many as anybody came to."""
        return max([sum(len(plan.steps) for plan in lab.planned), *(len(s.lab(lab.id)) for s in self.students)])

    @cached_property
    def tallies(self) -> list[Tally]:
        """The questions that somebody was asked, in the order of the course."""
        return [tally for step in self.steps for tally in self._tally(step)]

    @cached_property
    def paces(self) -> list[Pace]:
        """The steps in the order of the course."""
        at = [(step, [(s.time(step.id), s) for s in self.students if step.id in s.steps]) for step in self.steps]
        return [Pace(step, times) for step, times in at]

    @cached_property
    def troubles(self) -> list[Trouble]:
        """The steps at which somebody got stuck; the most students first."""
        found = [trouble for pace in self.paces for trouble in [_trouble(pace)] if trouble.who]
        return sorted(found, key=lambda trouble: -trouble.count)

    def _tally(self, step: Step) -> Iterator[Tally]:
        made = [s.steps[step.id].prediction for s in self.students if step.id in s.steps]
        asked = [each for each in made if each and was_asked(each)]
        if not asked:
            return
        counts = Counter(_answer(each.given) for each in asked if each.given is not None)
        right = {_answer(each.given) for each in asked if each.correct}
        question = asked[0].question
        silent = [choice for choice in question.choices if question.kind == "choice" and choice not in counts]
        answers = [Answer(self._censor(text), count, text in right) for text, count in counts.most_common()]
        observed = list(dict.fromkeys(_answer(each.observed) for each in asked))
        nobody = [Answer(text, 0, text in observed) for text in silent]
        yield Tally(step, question, observed, [*answers, *nobody], sum(each.skipped for each in asked))


def _answer(value: object) -> str:
    if isinstance(value, list):
        return " → ".join(value_text(each) for each in value)
    return value_text(value)


def _labs(students: Iterable[Student]) -> list[Lab]:
    labs = {lab.id: lab for student in students for run in student.runs for lab in run.labs}
    return sorted(labs.values(), key=lambda lab: (lab.order, lab.id))


def _course(labs: Sequence[Lab], students: Sequence[Student]) -> Iterator[Step]:
    """Every step that somebody came to, in the order of the course."""
    places = {lab.id: place for place, lab in enumerate(labs)}
    exercises = [each for student in students for each in student.exercises.values()]
    exercises.sort(key=lambda each: (places[each.lab], each.line, each.name))
    steps = {step.id: step for each in exercises for step in each.steps}
    order = {(each.lab, each.name): place for place, each in enumerate(exercises)}
    yield from sorted(steps.values(), key=lambda step: (order[step.lab, step.exercise], step.number))


def _trouble(pace: Pace) -> Trouble:
    step, middle = pace.step, pace.median
    tests: dict[str, Callable[[float, Student], bool]] = {
        "ended": lambda _, student: student.stopped == step.id,
        "failed": lambda _, student: student.steps[step.id].outcome in ("failed", "error"),
        "repeated": lambda _, student: any(m.step == step.id and m.what in ("back", "again") for m in student.moves),
        "slow": lambda seconds, _: seconds > max(SLOW_SECONDS, SLOW_FACTOR * middle),
    }
    found = {why: [student for seconds, student in pace.times if test(seconds, student)] for why, test in tests.items()}
    return Trouble(step, {why: students for why, students in found.items() if students})
