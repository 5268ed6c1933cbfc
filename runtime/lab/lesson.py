"""A lab as its file uses it: windows, and steps that observe the kernel before and after what is done in them."""

import linecache
import os
import re
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, TypeVar

from record import events
from record.writer import Recorder
from runtime.kernel import namespaces, snapshot
from runtime.lab import terminal
from runtime.lab import window as windows
from runtime.lab.claims import Catalogue, ClaimError
from runtime.lab.machine import NOBODY, Facts
from runtime.lab.outline import ExerciseOutline, LabOutline
from runtime.lab.prediction import Prediction, PredictionError, Question
from runtime.lab.requirements import Unsupported
from runtime.lab.texts import clean

SHOWN_VALUES = 2000  # characters of a check's values that are recorded
_COLOUR = re.compile(r"\x1b\[[\d;]*m")  # pytest colours an explanation where its output is coloured

T = TypeVar("T")
Watched = windows.Window | namespaces.Child[Any] | int


class Lab:
    """What an exercise is given: ``lab.window("first")``, ``lab.step("title")``, ``lab.facts``.

    ``directory`` is an empty folder of the exercise and the home of its windows; ``programs`` holds the C programs.
    """

    def __init__(
        self,
        recorder: Recorder,
        outline: LabOutline,
        exercise: ExerciseOutline,
        directory: Path,
        facts: Facts,
        catalogue: Catalogue,
        patience: float = 1.0,
    ) -> None:
        self.directory, self.facts = directory, facts
        self.programs = outline.path.parent / "programs"
        self._recorder, self._outline, self._exercise = recorder, outline, exercise
        self._catalogue, self._patience = catalogue, patience
        self._kept = ExitStack()
        self._windows: dict[str, windows.Window] = {}
        self._steps: list[Step] = []
        self._open: Step | None = None
        self.choice_order = "source"
        directory.chmod(0o755)
        terminal.write_start_files(directory)

    def window(self, name: str, prompt: str = "") -> windows.Window:
        """The window of that name; opened the first time that it is asked for.

        Its prompt is its name, ``first# ``, unless the lesson is about prompts: ``prompt=LOGIN_PROMPT``.
        """
        if name not in self._windows:
            beside = partial(self._screens_beside, name)
            self._windows[name] = windows.Window(name, self.directory, self.emit, prompt, self._patience, beside)
        return self._windows[name]

    def _screens_beside(self, name: str) -> str:
        """The end of an error message: what stands in the other windows, as that is often why one waits."""
        others = (window for other, window in self._windows.items() if other != name)
        return "".join(f"\n\nmeanwhile in {window.name}:\n{window.screen()}" for window in others)

    def step(
        self,
        title: str,
        text: str = "",
        *,
        why: str = "",
        hint: str = "",
        watch: Sequence[Watched] = (),
        files: Sequence[str] = (),
        claims: Sequence[str] = (),
        shows: Sequence[str] = (),
        ask: Question | None = None,
        found: str = "",
        points: float = 1,
    ) -> "Step":
        """A step of the lesson, as a ``with`` statement.

        ``title``, ``text`` and ``hint`` are shown before it runs and do not tell how it ends; ``found`` is the sentence
        to remember, ``why`` the longer explanation: both are for afterwards.  Texts may be indented blocks.
        ``watch``: the windows, pids and children whose state is observed before and after; ``files``: paths to observe
        besides the usual ones, written with PID for the process; ``claims``: the claims that this step owns and earns
        by its asserts; ``shows``: claims that are visible here too; ``ask``: a question that ``step.answer`` answers;
        ``points``: what the step counts in a grade.
        """
        for name in (*claims, *shows):
            self._catalogue[name]
        number = len(self._steps) + 1
        if ask and self.choice_order != "source":
            ask = ask.shuffled(f"{self.choice_order}/{self.step_prefix}/{number}")
        step = Step(self, number, title, watch, files, claims, ask)
        self._steps.append(step)
        texts = {"text": clean(text), "why": clean(why), "hint": clean(hint)}
        step.about = {**texts, "shows": list(shows), "points": points}
        step.found = clean(found)
        return step

    @property
    def ordinary_user(self) -> str:
        """The words that start a command as an ordinary user.

        In the sandbox of an ordinary user there is no second one to become, so a user namespace makes one up.
        """
        if self.facts.rootless:
            return "unshare --user --map-user=1000 --map-group=1000"
        return f"setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups"

    def keep(self, manager: AbstractContextManager[T]) -> T:
        """Enter a context manager (a child, say) that ends with the exercise, not with a step."""
        return self._kept.enter_context(manager)

    def unsupported(self, reason: str, how: str) -> NoReturn:
        """End the exercise: this machine cannot show it.  ``how`` says how to get a machine that can."""
        raise Unsupported(reason, how)

    # For the harness

    @property
    def windows(self) -> Sequence[windows.Window]:
        """The windows that have been opened, in order."""
        return list(self._windows.values())

    @property
    def open_step(self) -> "Step | None":
        """The step that has begun and not ended."""
        return self._open

    def emit(self, event: events.Inside) -> None:
        """Record an event of this exercise, with the step that is open if it names none."""
        event.step = event.step or (self._open.id if self._open else None)
        event.exercise = "" if event.step else self._exercise.name
        self._recorder.emit(event)

    def check(self, line: int, source: str, values: str) -> None:
        """Record an assert that passed."""
        if self._open:
            self._open.checks += 1
        self.emit(events.Check(True, f"assert {source}", _values(values), line))

    def close(self) -> None:
        """End all that the exercise started: what was kept, newest first, and then the windows."""
        try:
            self._kept.close()
        finally:
            for window in self._windows.values():
                window.close()

    def _begin(self, step: "Step") -> None:
        if self._open:
            raise RuntimeError(f"step {step.title!r} begins inside step {self._open.title!r}: steps are not nested")
        self._open = step
        try:
            self._recorder.emit(step.record(self._outline.name, self._exercise.name, self._source(step)))
        except BaseException:  # whoever drives the run has left the exercise
            self._end()
            raise

    def _end(self) -> None:
        self._open = None

    def _source(self, step: "Step") -> events.Source:
        place = next((each for each in self._exercise.steps if each.first == step.line), None)
        if place is None:
            return events.Source(self._outline.path.name, step.line)
        lines = self._outline.source.splitlines()[place.first - 1 : place.last]
        indent = len(lines[0]) - len(lines[0].lstrip())
        text = "\n".join(line[indent:] for line in lines)
        return events.Source(f"labs/{self._outline.path.name}", place.first, text)

    def claim(self, name: str, verdict: events.Judgement | None = None, reason: str = "", how: str = "") -> None:
        """Record the verdict of a claim: the catalogue's on this machine, unless another one is given."""
        expected = self._catalogue[name].on(self.facts.kernel, self.facts.cgroup, self.facts.able).verdict
        self.emit(events.ClaimVerdict(name, verdict or expected, reason, how))

    @property
    def lab_file(self) -> Path:
        """The file of the lab."""
        return self._outline.path

    @property
    def step_prefix(self) -> str:
        """The beginning of the ids of this exercise's steps."""
        return f"{self._outline.name}/{self._exercise.name}"

    @property
    def claims_reached(self) -> set[str]:
        """The claims of the steps that have begun."""
        return {claim for step in self._steps if step.began for claim in step.claims}


class Step:
    """One step: observe, do, observe again; then the verdicts."""

    def __init__(
        self,
        lab: Lab,
        number: int,
        title: str,
        watch: Sequence[Watched],
        files: Sequence[str],
        claims: Sequence[str],
        ask: Question | None,
    ) -> None:
        self.title, self.claims, self.number = title, tuple(claims), number
        self.id = f"{lab.step_prefix}/{number}"
        self.about: dict[str, Any] = {}
        self.line = 0
        self.began = 0.0
        self.ask = ask
        self.prediction = Prediction()  # whoever asks a student sets it before the step runs
        self.found = ""
        self._lab, self._watch, self._files = lab, tuple(watch), tuple(files)
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
        self._lab.emit(events.Prediction(observed, said.given, correct, said.skipped, said.seconds))

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

    def __enter__(self) -> "Step":
        self.line = _caller_in(self._lab.lab_file)
        self._lab._begin(self)
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
            self._lab._end()
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
            self._lab.claim(claim, **verdicts)
        if self.ask and self.prediction != Prediction() and not self._answered:
            self._emit_prediction(observed=None, correct=None)
        end.seconds = round(time.monotonic() - self.began, 4)
        self._lab.emit(end)

    def _failed_check(self, error: BaseException, trace: TracebackType | None) -> None:
        if not isinstance(error, AssertionError):
            return
        lines = [frame.lineno for frame in traceback.extract_tb(trace) if frame.filename == str(self._lab.lab_file)]
        line = lines[-1] if lines and lines[-1] is not None else 0
        source = linecache.getline(str(self._lab.lab_file), line).strip()
        self._lab.emit(events.Check(False, source, _values(str(error)), line))

    def observe(self, when: events.Moment) -> None:
        """Record what the kernel says of the watched processes: before, after, or after a student's own shell."""
        self._lab.emit(events.Observation(when, self.look()))

    def look(self) -> list[events.Process]:
        """What the kernel says of the watched processes now."""
        processes: list[events.Process] = []
        for watched in self._watch:
            label = _label(watched)
            window = watched.name if isinstance(watched, windows.Window) else ""
            for pid, parent, role in _processes(watched):
                state = snapshot.process_state(pid, extra=self._files)
                shown = label if not processes or processes[-1].label != label else f"{label} ({role})"
                processes.append(events.Process(shown, window, pid, role, parent, state))
        return processes


def _values(explanation: str) -> str:
    """Pytest's explanation of an assert without its colours and its advice on options, cut to ``SHOWN_VALUES``."""
    advice = ("Use -v", "Omitting ", "...Full output truncated")
    lines = [line for line in _COLOUR.sub("", explanation).splitlines() if not line.strip().startswith(advice)]
    return "\n".join(lines).rstrip()[:SHOWN_VALUES]


def _processes(watched: Watched) -> list[tuple[int, int, str]]:
    if isinstance(watched, windows.Window):
        return watched.processes()
    return [(watched if isinstance(watched, int) else watched.pid, 0, "process")]


def _label(watched: Watched) -> str:
    if isinstance(watched, windows.Window):
        return watched.name
    pid = watched if isinstance(watched, int) else watched.pid
    return "this program" if pid == os.getpid() else f"process {pid}"


def _describe(error: BaseException) -> str:
    text = _COLOUR.sub("", str(error)).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _caller_in(path: Path) -> int:
    """The line of the lab file that is running."""
    for frame, line in traceback.walk_stack(sys._getframe()):
        if frame.f_code.co_filename == str(path):
            return line
    return 0
