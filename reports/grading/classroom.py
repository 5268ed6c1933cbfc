"""What a class did: the runs of its students, put together by question and by step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from record.events import Question
from record.model import Lab
from record.text import value_text
from reports.grading.students import ExerciseDone, StepPlan, Student

SLOW_FACTOR, SLOW_SECONDS = 3, 60.0
"""So many times the median of the class, and not less than so many seconds, is slow."""


@dataclass(frozen=True)
class Answer:
    """One answer and how many gave it."""

    text: str
    count: int
    right: bool


@dataclass(frozen=True)
class Tally:
    """One question, and what the class said."""

    step: StepPlan
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

    step: StepPlan
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

    step: StepPlan
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

    def _tally(self, step: StepPlan) -> Iterator[Tally]:
        made = [s.steps[step.id].prediction for s in self.students if step.id in s.steps]
        asked = [each for each in made if each and each.was_asked]
        question = step.ask
        if not asked or not question:
            return
        counts = Counter(_answer(each.given) for each in asked if each.given is not None)
        right = {_answer(each.given) for each in asked if each.correct}
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


def _course(labs: Sequence[Lab], students: Iterable[Student]) -> Iterator[StepPlan]:
    """Every step that somebody came to, in the order of the course."""
    places = {lab.id: place for place, lab in enumerate(labs)}
    exercises: dict[tuple[str, str], ExerciseDone] = {}
    steps: dict[str, StepPlan] = {}
    for student in students:
        exercises |= student.exercises
        steps |= {name: done.plan for name, done in student.steps.items()}
    in_order = sorted(exercises.values(), key=lambda each: (places[each.lab], each.line, each.name))
    order = {(each.lab, each.name): place for place, each in enumerate(in_order)}
    yield from sorted(steps.values(), key=lambda step: (order[step.lab, step.exercise], step.number))


def _trouble(pace: Pace) -> Trouble:
    step, middle = pace.step, pace.median
    tests: dict[str, Callable[[float, Student], bool]] = {
        "ended": lambda _, student: student.stopped == step.id,
        "failed": lambda _, student: student.steps[step.id].outcome == "failed",
        "repeated": lambda _, student: step.id in student.repeated,
        "slow": lambda seconds, _: seconds > max(SLOW_SECONDS, SLOW_FACTOR * middle),
    }
    found = {why: [student for seconds, student in pace.times if test(seconds, student)] for why, test in tests.items()}
    return Trouble(step, {why: students for why, students in found.items() if students})
