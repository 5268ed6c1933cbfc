"""A step of an exercise: observe the kernel, do something, observe it again; then the verdicts."""

import linecache
import os
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from record import events
from runtime.kernel import namespaces, snapshot
from runtime.lab.claims import ClaimError
from runtime.lab.exercise import Exercise, uncoloured
from runtime.lab.prediction import Prediction, PredictionError, Question
from runtime.lab.requirements import Unsupported
from runtime.lab.window import Window

T = TypeVar("T")
Watched = Window | namespaces.Child[Any] | int


class Step:
    """What ``lab.step(...)`` gives: a ``with`` block of a lab, which answers, watches and keeps."""

    def __init__(
        self,
        exercise: Exercise,
        number: int,
        title: str,
        watch: Sequence[Watched],
        files: Sequence[str],
        claims: Sequence[str],
        ask: Question | None,
    ) -> None:
        self.title, self.claims, self.number = title, tuple(claims), number
        self.id = f"{exercise.step_prefix}/{number}"
        self.about: dict[str, Any] = {}
        self.line = 0
        self.began = 0.0
        self.ask = ask
        self.prediction = Prediction()  # whoever asks a student sets it before the step runs
        self.found = ""
        self._exercise, self._watch, self._files = exercise, tuple(watch), tuple(files)
        self._answered = False
        self.checks = 0  # asserts that passed
        self._kept = ExitStack()

    def answer(self, observed: Any, saw: object = None) -> None:
        """Tell what was observed; a prediction is judged against it.

        For a choice: a condition for each of its texts, of which exactly one must hold.  What no text foresaw fails the
        step, and the error shows what it ``saw``.  For other questions: the observed value.
        """
        if self.ask is None:
            raise PredictionError(f"step {self.title!r} answers, but asks nothing (ask=...)")
        value = self.ask.the_one(observed, saw) if isinstance(observed, Mapping) else observed
        observed, given = self.ask.check(value), self.prediction.given
        self._answered = True
        correct = None if given is None else self.ask.judge(given, observed)
        self._emit_prediction(observed, correct)

    def _emit_prediction(self, observed: Any, correct: bool | None) -> None:
        said = self.prediction
        self._exercise.emit(events.Prediction(observed, said.given, correct, said.skipped, said.seconds))

    def record(self, lab: str, exercise: str, source: events.Source) -> events.Step:
        """The step as it stands in the record."""
        return events.Step(
            self.id,
            lab,
            exercise,
            self.number,
            self.title,
            **self.about,
            claims=list(self.claims),
            watch=[_label(watched) for watched in self._watch],
            ask=self.ask.record() if self.ask else None,
            source=source,
        )

    def watch(self, *watched: Watched) -> None:
        """Watch more from here on: a child that this step started, say."""
        self._watch += watched

    def keep(self, manager: AbstractContextManager[T]) -> T:
        """Enter a context manager (a child, say) that ends with the step, after it was observed for the last time."""
        return self._kept.enter_context(manager)

    def __enter__(self) -> Self:
        self.line = _caller_in(self._exercise.lab_file)
        self._exercise.begin_step(self)
        self.began = time.monotonic()
        try:
            self.observe("before")
        except BaseException as broken:
            self._conclude_and_end(broken, broken.__traceback__)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.observe("after")
            if error is None and self.ask and not self._answered:
                error = PredictionError(f"step {self.title!r} asks, but never answers (step.answer)")
                raise error
            if error is None and self.claims and not self.checks:
                error = ClaimError(f"step {self.title!r} owns {', '.join(self.claims)} and asserts nothing")
                raise error
        except BaseException as broken:
            error = error or broken
            raise
        finally:
            self._conclude_and_end(error, trace)

    def _conclude_and_end(self, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self._conclude(error, trace)
        finally:
            self._exercise.open_step = None
            self._kept.close()

    def _conclude(self, error: BaseException | None, trace: TracebackType | None) -> None:
        end = events.StepEnd("passed", found=self.found)
        verdicts: dict[str, Any] = {}
        if isinstance(error, Unsupported):
            end = events.StepEnd("unsupported", error=error.reason)
            verdicts = {"verdict": "unsupported", "reason": error.reason, "how": error.how}
        elif error is not None:
            end = events.StepEnd("failed", error=_describe(error))
            verdicts = {"verdict": "failed", "reason": _describe(error).splitlines()[0]}
            self._failed_check(error, trace)
        for claim in self.claims:
            self._exercise.claim(claim, **verdicts)
        if self.ask and self.prediction != Prediction() and not self._answered:
            self._emit_prediction(observed=None, correct=None)
        end.seconds = round(time.monotonic() - self.began, 4)
        self._exercise.emit(end)

    def _failed_check(self, error: BaseException, trace: TracebackType | None) -> None:
        if not isinstance(error, AssertionError):
            return
        file = str(self._exercise.lab_file)
        lines = [frame.lineno for frame in traceback.extract_tb(trace) if frame.filename == file]
        line = lines[-1] if lines and lines[-1] is not None else 0
        self._exercise.check(line, linecache.getline(file, line).strip(), str(error), ok=False)

    def observe(self, when: events.Moment) -> None:
        """Record what the kernel says of the watched processes: before, after, or after a student's own shell."""
        self._exercise.emit(events.Observation(when, self.look()))

    def look(self) -> list[events.Process]:
        """What the kernel says of the watched processes now."""
        processes: list[events.Process] = []
        for watched in self._watch:
            label = _label(watched)
            window = watched.name if isinstance(watched, Window) else ""
            for pid, parent, role in _processes(watched):
                state = snapshot.process_state(pid, extra=self._files)
                shown = label if not processes or processes[-1].label != label else f"{label} ({role})"
                processes.append(events.Process(shown, window, pid, role, parent, state))
        return processes


def _processes(watched: Watched) -> list[tuple[int, int, str]]:
    if isinstance(watched, Window):
        return watched.processes()
    return [(watched if isinstance(watched, int) else watched.pid, 0, "process")]


def _label(watched: Watched) -> str:
    if isinstance(watched, Window):
        return watched.name
    pid = watched if isinstance(watched, int) else watched.pid
    return "this program" if pid == os.getpid() else f"process {pid}"


def _describe(error: BaseException) -> str:
    text = uncoloured(str(error)).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _caller_in(path: Path) -> int:
    """The line of the lab file that is running."""
    for frame, line in traceback.walk_stack(sys._getframe()):
        if frame.f_code.co_filename == str(path):
            return line
    return 0
