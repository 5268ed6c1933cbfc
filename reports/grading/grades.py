"""What the runs of a student are worth: points for what the steps showed, and apart from them for predictions.

A step has its points, 1 if its lab says nothing else. The claims that it owns share them; a step without a claim
keeps them. A right answer to its question is worth as much. What was not reached is worth nothing; what the machine
cannot show is left out, so that nobody loses a point by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from record.model import Lab, PlannedExercise
from record.text import value_text, visible
from reports.grading.students import ExerciseDone, StepDone, Student

Kind = Literal["check", "prediction"]
NOT_REACHED, UNSUPPORTED = "not reached", "unsupported"


@dataclass(frozen=True)
class Grade:
    """Points for one claim (or a step without one), or for one answer. `max` is 0 where nothing could be earned."""

    lab: str
    exercise: str
    claim: str
    kind: Kind
    title: str
    status: str
    score: float
    max: float
    note: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Total:
    """Points, and how many there could be."""

    score: float
    max: float

    @property
    def share(self) -> float:
        return self.score / self.max if self.max else 0.0


@dataclass(frozen=True)
class Report:
    """All grades of one student."""

    student: Student
    grades: list[Grade]

    def total(self, wanted: Callable[[Grade], bool] = lambda grade: True) -> Total:
        """The points of all grades, or of the wanted ones."""
        found = [grade for grade in self.grades if wanted(grade)]
        return Total(sum(grade.score for grade in found), sum(grade.max for grade in found))

    @property
    def exercises(self) -> dict[tuple[str, str], float]:
        """The points of each exercise, by lab and name."""
        points: dict[tuple[str, str], float] = {}
        for each in self.grades:
            points[each.lab, each.exercise] = points.get((each.lab, each.exercise), 0.0) + each.score
        return points

    def of(self, kind: Kind) -> Total:
        return self.total(lambda grade: grade.kind == kind)

    @cached_property
    def unsupported(self) -> list[Grade]:
        return [grade for grade in self.grades if grade.status == UNSUPPORTED]


Reports = Callable[[], Iterable[Report]]
"""All students, graded anew and one after the other each time that it is called: the grades of a class are many."""


def grade(
    students: Sequence[Student], labs: Sequence[str] = (), kinds: Sequence[Kind] = ("check", "prediction")
) -> Iterator[Report]:
    """Grade each student on all labs that one of them began, or on the named ones of these."""
    course = {lab.id: lab for student in students for run in student.runs for lab in run.labs}
    wanted = sorted((lab for lab in course.values() if not labs or lab.id in labs), key=lambda lab: (lab.order, lab.id))
    asks = _takes_questions(students)
    for student in students:
        found = [each for lab in wanted for each in _lab(lab, student, asks)]
        yield Report(student, [each for each in found if each.kind in kinds])


def _takes_questions(students: Iterable[Student]) -> bool:
    """Whether questions were asked at all: a plain run of the labs asks nobody."""
    return any(run.mode for student in students for run in student.runs) or any(s.predictions for s in students)


def _lab(lab: Lab, student: Student, asks: bool) -> Iterator[Grade]:
    planned = {plan.name: plan for plan in lab.planned}
    ran = {name: exercise for (of, name), exercise in student.exercises.items() if of == lab.id}
    for name in dict.fromkeys([*planned, *ran]):
        exercise = ran.get(name) or ExerciseDone(lab.id, name)
        yield from _exercise(exercise, planned.get(name), asks)


def _exercise(exercise: ExerciseDone, plan: PlannedExercise | None, asks: bool) -> Iterator[Grade]:
    for step in exercise.steps:
        yield from _checks(step, exercise)
        if asks and step.plan.ask:
            yield _prediction(step)
    for number, title in enumerate(plan.steps if plan else [], 1):
        if number <= len(exercise.steps):
            continue
        points = plan.points[number - 1] if plan and number <= len(plan.points) else 1.0
        question = bool(asks and plan and number <= len(plan.asks) and plan.asks[number - 1])
        yield _unreached(exercise, "check", title, points)
        if question:
            yield _unreached(exercise, "prediction", title, points)


def _unreached(exercise: ExerciseDone, kind: Kind, title: str, points: float) -> Grade:
    """A step that never began: its exercise was unsupported, or failed before it, or the run ended."""
    if exercise.outcome == UNSUPPORTED:
        return Grade(exercise.lab, exercise.name, "", kind, title, UNSUPPORTED, 0, 0, _why(exercise))
    note = "the exercise failed before it" if exercise.outcome == "failed" else "the run did not come to it"
    return Grade(exercise.lab, exercise.name, "", kind, title, NOT_REACHED, 0, points, note)


def _checks(step: StepDone, exercise: ExerciseDone) -> Iterator[Grade]:
    plan, claims = step.plan, step.plan.claims or ("",)
    share, each = plan.points / len(claims), step.seconds / len(claims)
    status, note = step.outcome, step.error
    if step.outcome == UNSUPPORTED:
        share, note = 0.0, _why(exercise)
    elif step.outcome == "interrupted":
        status, note = NOT_REACHED, "the run ended in the middle of it"
    for claim in claims:
        score = share if step.outcome == "passed" else 0.0
        yield Grade(plan.lab, plan.exercise, claim, "check", plan.title, status, score, share, note, each)


def _prediction(step: StepDone) -> Grade:
    plan, made = step.plan, step.prediction
    about: tuple[str, str, str, Kind, str] = plan.lab, plan.exercise, "", "prediction", plan.title
    if made is None and step.outcome == UNSUPPORTED:
        return Grade(*about, UNSUPPORTED, 0, 0)
    if made is None or made.given is None:
        return Grade(*about, "no answer" if made else NOT_REACHED, 0, plan.points)
    note = f"answered {value_text(made.given)}, observed {value_text(made.observed)}"
    status, score = ("right", plan.points) if made.correct else ("wrong", 0.0)
    return Grade(*about, status, score, plan.points, note, made.seconds or 0.0)


def _why(exercise: ExerciseDone) -> str:
    """Why the machine cannot show it, and how to enable it."""
    how = f" To enable it: {exercise.how}." if exercise.how else ""
    return visible(f"{exercise.reason}.{how}" if exercise.reason else "this machine cannot show it")
