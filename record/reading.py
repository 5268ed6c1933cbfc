"""Read records: JSON lines, one event a line, into the story of one run.

A record may stop anywhere (a run that died) and may hold events and keys of a later version: both are readable.
A line in the middle that is no JSON object is not: somebody changed the file, and a report of it would be wrong.
"""

from __future__ import annotations

import gzip
import json
import lzma
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from io import BufferedIOBase
from pathlib import Path

from record import RecordError
from record.fields import Fields
from record.model import (
    Ability,
    Check,
    Claim,
    ClaimVerdict,
    Command,
    Exercise,
    Facts,
    Lab,
    Move,
    Observation,
    PlannedExercise,
    Prediction,
    Process,
    Question,
    Run,
    Source,
    Step,
    WindowOutput,
)

VERSION = 1


def read(records: Sequence[Path]) -> Run:
    """Read the record files of one run (one a worker) as one :class:`Run`; RecordError names file and line."""
    reader = _Reader()
    for path in records:
        reader.begin(path)
        for event in _events(path, reader.run):
            reader.take(event)
    if not reader.begun:
        names = ", ".join(str(path) for path in records)
        raise RecordError(f"{names}: holds no run; give a record that `pytest labs/` has written.")
    return reader.finish()


def _events(path: Path, run: Run) -> Iterator[Fields]:
    lines = content(path).split(b"\n")
    last = max((number for number, line in enumerate(lines, 1) if line.strip()), default=0)
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        event = _parsed(line)
        if isinstance(event, dict):
            yield _known(Fields(event, where))
        elif number == last:
            run.torn = True
        else:
            raise RecordError(f"{where}: no JSON object; the record is damaged, run the lab again.")


def content(path: Path) -> bytes:
    """What stands in a record; one that was packed (record.jsonl.gz, record.jsonl.xz) is unpacked."""
    try:
        with _OPENERS.get(path.suffix, open)(path, "rb") as file:
            unpacked: bytes = file.read()
            return unpacked
    except (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile) as error:
        raise RecordError(f"{path}: cannot be unpacked ({error}); pack the record again.") from None
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}; give the record of a run (record.jsonl).") from None


_OPENERS: dict[str, Callable[..., BufferedIOBase]] = {".gz": gzip.GzipFile, ".xz": lzma.LZMAFile}


def _parsed(line: bytes) -> object:
    try:
        return json.loads(line, parse_constant=str)
    except (ValueError, RecursionError):
        return None


def _known(event: Fields) -> Fields:
    version = event.whole("v", VERSION)
    if version > VERSION:
        raise RecordError(
            f"{event.where}: written in version {version} of the record, this reads up to {VERSION}; "
            "render it with the unshared that made it."
        )
    return event


class _Reader:
    """Takes events one by one; each `on_` method knows one kind, other kinds are passed over."""

    def __init__(self) -> None:
        self.run = Run()
        self.begun = False
        self.statuses: list[int | None] = []  # of each file; None: it has no end
        self.labs: dict[str, Lab] = {}
        self.exercises: dict[tuple[str, str], Exercise] = {}
        self.steps: dict[str, Step] = {}
        self.answers: dict[str, Prediction] = {}
        self.open: Exercise | None = None
        self.opened: dict[str, WindowOutput] = {}

    def begin(self, path: Path) -> None:
        self.run.files.append(path)
        self.open = None
        self.statuses.append(None)

    def take(self, event: Fields) -> None:
        handler = getattr(self, f"on_{event.text('event')}", None)
        if handler is not None:
            handler(event)

    def finish(self) -> Run:
        ended = [status for status in self.statuses if status is not None]
        self.run.complete = len(ended) == len(self.statuses) and not self.run.torn
        self.run.exitstatus = max(ended, default=None)
        self.run.labs = sorted(self.labs.values(), key=lambda lab: (lab.order, lab.id))
        for lab in self.run.labs:
            lab.seconds = lab.seconds or sum(exercise.seconds for exercise in lab.exercises)
            lab.exercises.sort(key=lambda exercise: exercise.line)
        return self.run

    def on_run(self, event: Fields) -> None:
        identity = event.text("run")
        if self.begun and identity != self.run.id:
            raise RecordError(
                f"{event.where}: belongs to run {identity}, the record before it to run {self.run.id}; "
                "give the records of one run at a time."
            )
        if not self.begun:
            self.run.id = identity
            self.run.started = event.text("started")
            self.run.argv = event.texts("argv")
            self.run.target, self.run.target_why = event.text("target"), event.text("target_why")
            self.run.student, self.run.mode = event.text("student"), event.text("mode")
            self.run.facts = _facts(event.child("facts"))
        self.begun = True
        self.statuses[-1] = None  # a run that was resumed has not ended yet

    def on_lab(self, event: Fields) -> None:
        lab = self._lab(event)
        lab.file, lab.order = event.text("file"), event.whole("order")
        lab.title, lab.text = event.text("title"), event.text("text")
        lab.planned = [
            PlannedExercise(
                e.text("name"),
                e.text("title"),
                e.texts("steps"),
                e.texts("claims"),
                [_points(each) for each in e.each("points")],
                [each is True for each in e.each("asks")],
            )
            for e in event.children("exercises")
        ]
        lab.claims = [
            Claim(
                c.text("id"), c.text("section"), c.text("statement"), c.text("verdict"), c.text("truth"),
                c.text("reference"), c.texts("visible_in"), c.text("kind") or "claim",
            )
            for c in event.children("claims")
        ]  # fmt: skip

    def on_exercise(self, event: Fields) -> None:
        exercise = Exercise(
            lab=event.text("lab"), name=event.need("exercise"), nodeid=event.text("nodeid"), title=event.text("title"),
            text=event.text("text"), line=event.whole("line"),
        )  # fmt: skip
        self._add(self._lab(event), exercise)

    def on_step(self, event: Fields) -> None:
        source = event.child("source")
        step = Step(
            id=event.need("step"), lab=event.text("lab"), exercise=event.text("exercise"), number=event.whole("number"),
            title=event.text("title"), text=event.text("text"), hint=event.text("hint"), why=event.text("why"),
            claims=event.texts("claims"), shows=event.texts("shows"), watch=event.texts("watch"),
            ask=_question(event.child("ask")),
            source=Source(source.text("file"), source.whole("line"), source.text("text")),
            points=_points(event.raw("points")),
            start=event.number("t"), end=event.number("t"),
        )  # fmt: skip
        self.steps[step.id] = step
        self._exercise(event).steps.append(step)

    def on_window(self, event: Fields) -> None:
        what, data = event.text("what"), event.raw("data")
        size = event.child("data")
        output = WindowOutput(
            window=event.text("window"), step=event.text("step"), what=what, at=event.number("t"),
            data=data if isinstance(data, str) else "", columns=size.whole("columns"), rows=size.whole("rows"),
        )  # fmt: skip
        self._exercise(event).output.append(output)

    def on_command(self, event: Fields) -> None:
        step = self.steps.get(event.text("step"))
        if step is not None:
            status = None if event.raw("status") is None else event.whole("status")
            command = Command(
                event.text("window"), event.text("text"), status, event.number("seconds"), event.text("output")
            )
            step.commands.append(command)

    def on_observation(self, event: Fields) -> None:
        step = self.steps.get(event.text("step"))
        if step is None:
            return
        observation = Observation([_process(process) for process in event.children("processes")])
        if event.text("when") == "shell":
            step.shell = observation
        elif event.text("when") != "before":
            step.after = observation
        elif step.before is None:
            step.before = observation

    def on_check(self, event: Fields) -> None:
        step = self.steps.get(event.text("step"))
        if step is not None:
            step.checks.append(Check(event.flag("ok"), event.text("source"), event.text("values"), event.whole("line")))

    def on_prediction(self, event: Fields) -> None:
        step = self.steps.get(event.text("step"))
        if step is not None:
            correct = event.raw("correct")
            step.prediction = Prediction(
                _question(event) or step.ask or Question("", "", [], ""), event.raw("observed"), event.raw("given"),
                correct if isinstance(correct, bool) else None, event.flag("skipped"), event.number("seconds"),
            )  # fmt: skip
            if step.prediction.given is None and not step.prediction.skipped:  # not asked again in this attempt
                before = self.answers.get(step.id, step.prediction)
                step.prediction = replace(before, observed=step.prediction.observed)
            self.answers[step.id] = step.prediction

    def on_claim(self, event: Fields) -> None:
        verdict = ClaimVerdict(
            event.text("claim"), event.text("verdict"), event.text("reason"), event.text("how"), event.text("step")
        )
        step = self.steps.get(verdict.step)
        if step is not None:
            step.verdicts.append(verdict)
        else:
            self._exercise(event).verdicts.append(verdict)

    def on_stage(self, event: Fields) -> None:
        self.run.moves.append(Move(event.text("what"), event.text("step"), event.number("seconds")))

    def on_step_end(self, event: Fields) -> None:
        step = self.steps.get(event.text("step"))
        if step is not None:
            step.outcome = event.text("outcome") or step.outcome
            step.error, step.seconds = event.text("error"), event.number("seconds")
            step.end = event.number("t")

    def on_exercise_end(self, event: Fields) -> None:
        exercise = self._exercise(event)
        exercise.outcome = event.text("outcome") or exercise.outcome
        exercise.reason, exercise.how = event.text("reason"), event.text("how")
        exercise.seconds = event.number("seconds")
        for step in exercise.steps:
            if step.outcome == "interrupted":  # the exercise ended, so the run did not: the step broke while it began
                step.outcome, step.error = exercise.outcome, exercise.reason
        self.open = None

    def on_lab_end(self, event: Fields) -> None:
        self._lab(event).seconds += event.number("seconds")

    def on_end(self, event: Fields) -> None:
        self.statuses[-1] = event.whole("exitstatus")
        self.run.seconds = max(self.run.seconds or 0.0, event.number("seconds") or event.number("t"))

    def _lab(self, event: Fields) -> Lab:
        name = event.need("lab")
        return self.labs.setdefault(name, Lab(name))

    def _add(self, lab: Lab, exercise: Exercise) -> None:
        """Make `exercise` the open one; one that ran again (a rerun) takes the place of its first run."""
        before = self.exercises.get((lab.id, exercise.name))
        if before is not None:
            lab.exercises.remove(before)
            exercise.attempts = before.attempts + 1
        self.exercises[lab.id, exercise.name] = self.open = exercise
        lab.exercises.append(exercise)

    def _exercise(self, event: Fields) -> Exercise:
        """The exercise an event belongs to: by lab and name, by its step, or the one that is running."""
        step = self.steps.get(event.text("step"))
        lab = event.text("lab") or (step.lab if step else "") or (self.open.lab if self.open else "")
        name = event.text("exercise") or (step.exercise if step else "") or (self.open.name if self.open else "")
        found = self.exercises.get((lab, name))
        if found is None and lab and name:
            found = Exercise(lab=lab, name=name)
            self._add(self.labs.setdefault(lab, Lab(lab)), found)
        return found or Exercise(lab=lab, name=name)


def _facts(raw: Fields) -> Facts:
    return Facts(
        kernel=raw.text("kernel"), machine=raw.text("machine"), distribution=raw.text("distribution"),
        python=raw.text("python"), cgroup=raw.text("cgroup"), lsm=raw.texts("lsm"), uid=raw.text("uid"),
        rootless=raw.flag("rootless"), vm_name=raw.text("vm_name"), box=raw.text("box"),
        tools={name: tools.text(name) for tools in [raw.child("tools")] for name in tools},
        can=[
            Ability(name, can.child(name).flag("ok"), can.child(name).text("reason"), can.child(name).text("how"))
            for can in [raw.child("can")]
            for name in can
        ],
    )  # fmt: skip


def _question(raw: Fields) -> Question | None:
    if not raw.text("question"):
        return None
    return Question(raw.text("kind"), raw.text("question"), raw.texts("choices"), raw.text("unit"))


def _points(points: object) -> float:
    return float(points) if isinstance(points, int | float) and points >= 0 else 1.0


def _process(raw: Fields) -> Process:
    state = raw.raw("state")
    return Process(
        label=raw.text("label"), window=raw.text("window"), pid=raw.whole("pid"), role=raw.text("role"),
        parent=raw.whole("parent"), state=state if isinstance(state, dict) else None,
    )  # fmt: skip
