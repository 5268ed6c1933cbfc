"""One pytest process's run of the labs: opens the record, and knows what has begun and how it ended."""

import datetime
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from record import events
from record import writer as record
from runtime import checkout
from runtime.lab import machine
from runtime.lab.claims import Catalogue
from runtime.lab.exercise import Exercise
from runtime.lab.outline import ExerciseOutline, LabOutline, read_outline
from runtime.lab.requirements import Unsupported
from runtime.sandbox import run_cgroups


class Abandoned(BaseException):
    """Raised out of an exercise that the person at the terminal leaves; no lab can catch it by mistake."""


class Course:
    """Nothing is written before the first exercise begins, so that a run of nothing leaves no record."""

    def __init__(self, directory: Path, worker: str, run: str, target_why: str, arguments: list[str]) -> None:
        self.directory, self.target_why = directory, target_why
        self.run = os.environ.get(checkout.SANDBOX_VARIABLE) or run or run_cgroups.run_id()
        self.listeners: list[record.Listener] = []
        self._worker, self._arguments = worker, arguments
        self._recorder: record.Recorder | None = None
        self._announced: set[str] = set()  # the labs whose event is in the record
        self.patience = 1.0  # --timeout-factor
        self.student = ""
        self.mode: events.Mode = ""
        self.choice_order = ""  # "source", or a word that the order of choices depends on; empty: it differs by run
        self.attempt_why: events.Again = ""  # why an exercise that begins again does so
        self.paused = 0.0  # seconds of the present exercise in which a person looked at it
        self.resumes = False  # the run goes on with the record that is there
        self.begun = False  # the record that is there is that of this run
        self._attempts: Counter[str] = Counter()  # of each exercise, by its nodeid
        self._abandoned = False
        self._exercise: Exercise | None = None
        self._catalogue: Catalogue | None = None
        self._outcome: events.Outcome = "passed"  # of the running exercise; what ended it, and how long it took
        self._error: BaseException | None = None
        self._seconds = 0.0

    def clear(self) -> None:
        """Remove the records of the run before this one, unless this one goes on with them."""
        self.begun = True
        if not self.resumes:
            for path in record.files(self.directory):
                path.unlink()

    def resume(self, run: Iterable[events.Event]) -> None:
        """Go on with the run that these events are of, in its record."""
        self.resumes = True
        for event in run:
            if isinstance(event, events.Run):
                self.run = event.run
                self.student = self.student or event.student
            elif isinstance(event, events.Exercise):
                self._attempts[event.nodeid] += 1

    def check(self, labs: Iterable[Path]) -> None:
        """Look over lab files before they run; ClaimError if one names a claim that the catalogue has not."""
        for path in labs:
            for exercise in read_outline(path).exercises:
                for step in exercise.steps:
                    for claim in (*step.claims, *step.shows):
                        self.catalogue[claim]

    def begin(self, path: Path, exercise: str, nodeid: str, directory: Path) -> Exercise:
        """Begin an exercise (a test function of a lab file) in an empty directory."""
        outline, about = self._announce(path, exercise, nodeid)
        order = self.choice_order or self.run
        self._exercise = Exercise(
            self._open(), outline, about, directory, machine.facts(), self.catalogue, self.patience, order
        )
        return self._exercise

    @property
    def exercise(self) -> Exercise | None:
        """The exercise that is running."""
        return self._exercise

    def emit(self, event: events.Inside) -> None:
        """Record an event, of the exercise that is running if there is one."""
        (self._exercise or self._open()).emit(event)

    def abandon(self) -> NoReturn:
        """Leave the exercise that is running, as if it had never been started: nobody wants to know its end."""
        self._abandoned = True
        raise Abandoned

    def note_phase(self, outcome: str, error: BaseException | None, seconds: float) -> None:
        """Take in how the set-up, the call or the teardown of the present exercise went."""
        self._seconds += seconds
        if outcome == "failed":
            self._outcome, self._error = "failed", error
        elif isinstance(error, Unsupported) and self._outcome == "passed":
            self._outcome, self._error = "unsupported", error

    def end_exercise(self, path: Path, exercise: str, nodeid: str) -> None:
        """Record how an exercise ended; claims of steps that it did not reach get their verdict here."""
        if self._abandoned:
            self._forget()
            return
        if self._exercise is None:
            self._announce(path, exercise, nodeid)
        outline, about = self._outline(path, exercise)
        reached = self._exercise.claims_reached if self._exercise else set()
        reason, how = self._reason()
        for claim in about.claims:
            if claim not in reached:
                verdict = events.ClaimVerdict(claim, "failed", "its step was not reached", exercise=exercise)
                if self._outcome == "unsupported":
                    verdict = events.ClaimVerdict(claim, "unsupported", reason, how, exercise=exercise)
                self._open().emit(verdict)
        seconds = round(max(0.0, self._seconds - self.paused), 4)
        self._open().emit(events.ExerciseEnd(outline.name, exercise, self._outcome, seconds, reason, how))
        self._forget()

    def _forget(self) -> None:
        """Be ready for the next exercise."""
        self._exercise, self._outcome, self._error, self._seconds = None, "passed", None, 0.0
        self._abandoned, self.paused = False, 0.0

    def _reason(self) -> tuple[str, str]:
        """Why the exercise ended as it did, and how to enable what the machine lacks."""
        if isinstance(self._error, Unsupported):
            return self._error.reason, self._error.how
        if self._error is None:
            return "", ""
        return str(self._error).strip().partition("\n")[0] or type(self._error).__name__, ""

    def end(self, exit_status: int) -> None:
        """Record the end of the run."""
        if self._recorder:
            self._recorder.emit(events.End(exit_status))
            self._recorder.close()

    @property
    def catalogue(self) -> Catalogue:
        """The claims of all labs."""
        if self._catalogue is None:
            self._catalogue = Catalogue.load()
        return self._catalogue

    def _open(self) -> record.Recorder:
        if self._recorder is None:
            self._recorder = record.Recorder(self.directory / record.file_name(self._worker), self.resumes)
            self._recorder.listeners = self.listeners
            facts = machine.facts()
            self._recorder.emit(
                events.Run(
                    self.run,
                    started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                    argv=self._arguments,
                    target="sandbox" if facts.sandbox else "vm" if facts.vm else "here",
                    target_why=self.target_why,
                    student=self.student,
                    mode=self.mode,
                    facts=facts,
                )
            )
        return self._recorder

    def _outline(self, path: Path, exercise: str) -> tuple[LabOutline, ExerciseOutline]:
        outline = read_outline(path)
        return outline, outline.exercise(exercise)

    def _announce(self, path: Path, exercise: str, nodeid: str) -> tuple[LabOutline, ExerciseOutline]:
        outline, about = self._outline(path, exercise)
        if outline.name not in self._announced:
            self._announced.add(outline.name)
            facts = machine.facts()
            here = facts.kernel, facts.cgroup, facts.able
            claims = [claim.on(*here).record() for claim in self.catalogue.of(outline.name)]
            planned = [each.record() for each in outline.exercises]
            self._open().emit(
                events.Lab(
                    outline.name, f"labs/{path.name}", outline.order, outline.title, outline.text, planned, claims
                )
            )
        self._attempts[nodeid] += 1
        begun = events.Exercise(outline.name, exercise, nodeid, about.title, about.text, about.first)
        if self._attempts[nodeid] > 1:
            begun.attempt, begun.why = self._attempts[nodeid], self.attempt_why
        self._open().emit(begun)
        return outline, about
