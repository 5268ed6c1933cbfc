"""Read records: as a stream of events, or put together as the story of one run.

A record may stop anywhere (a run that died) and may hold events and keys of a later time: both are readable. A line in
the middle that is no JSON object is not: somebody changed the file, and a report of it would be wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import asdict, replace

from record import RecordError, events
from record.deltas import Reader
from record.lines import lines
from record.model import Exercise, Lab, Prediction, Run, Step
from record.versions import Decoder, NoObjectError

LARGE: tuple[type[events.Event], ...] = (events.Observation, events.Window)
"""Nearly all of a record, and nothing to whoever counts, compares outcomes or grades."""


class Record:
    """The events of one file, in order, with whole observations; RecordError where the file is damaged.

    ``skip``: kinds of events that are left out, and cost next to nothing. ``torn``: the last line was broken off, and
    is left out.
    """

    def __init__(self, path: Path, skip: Collection[type[events.Event]] = ()) -> None:
        self.path, self.torn = path, False
        self._decoder = Decoder(skip)

    def __iter__(self) -> Iterator[events.Event]:
        states, torn = Reader(), 0
        for number, line in lines(self.path):
            if torn:
                raise RecordError(
                    f"{self.path}, line {torn}: no JSON object; the record is damaged, run the lab again."
                )
            where = f"{self.path}, line {number}"
            try:
                event = self._decoder.decode(line, where)
            except NoObjectError:
                torn = number
                continue
            if isinstance(event, events.Exercise):
                states.begin()
            elif isinstance(event, events.Observation):
                event = _whole(states, event, where)
            if event is not None:
                yield event
        self.torn = bool(torn)


def _whole(states: Reader, observation: events.Observation, where: str) -> events.Observation:
    try:
        return states.restore(observation)
    except ValueError as error:
        raise RecordError(f"{where}: {error}; the record is damaged, run the lab again.") from None


def read(paths: Sequence[Path], skip: Collection[type[events.Event]] = ()) -> Run:
    """Read the record files of one run (one a worker) as one :class:`Run`; RecordError names file and line."""
    story = Story()
    for path in paths:
        for _ in story.follow(Record(path, skip)):
            pass
    return story.finish()


class Story:
    """Puts events together; each `_on_` method knows one kind."""

    def __init__(self) -> None:
        self.run = Run("")
        self._begun = False
        self._statuses: list[int | None] = []  # of each file; None: it has no end
        self._labs: dict[str, Lab] = {}
        self._exercises: dict[tuple[str, str], Exercise] = {}
        self._steps: dict[str, Step] = {}
        self._answers: dict[str, Prediction] = {}
        self._open: Exercise | None = None
        self._handlers: dict[type[events.Event], Callable[[Any], None]] = {
            events.Lab: self._on_lab,
            events.Exercise: self._on_exercise,
            events.Step: self._on_step,
            events.Observation: self._on_observation,
            events.Window: lambda event: self._exercise(event).output.append(event),
            events.Command: self._on_command,
            events.Check: self._on_check,
            events.Prediction: self._on_prediction,
            events.ClaimVerdict: self._on_claim,
            events.Stage: lambda event: self.run.moves.append(event),
            events.StepEnd: self._on_step_end,
            events.ExerciseEnd: self._on_exercise_end,
            events.End: self._on_end,
        }

    def follow(self, record: Record) -> Iterator[events.Event]:
        """Take the events of a record of the run, and pass them on."""
        self.run.files.append(record.path)
        self._open = None
        self._statuses.append(None)
        for event in record:
            if isinstance(event, events.Run):
                self._on_run(event, record.path)
            else:
                self._handlers[type(event)](event)
            yield event
        self.run.torn |= record.torn

    def finish(self) -> Run:
        """The story of the run; RecordError if there was none."""
        if not self._begun:
            names = ", ".join(str(path) for path in self.run.files)
            raise RecordError(f"{names}: holds no run; give a record that `pytest labs/` has written.")
        ended = [status for status in self._statuses if status is not None]
        self.run.complete = len(ended) == len(self._statuses) and not self.run.torn
        self.run.exitstatus = max(ended, default=None)
        self.run.labs = sorted(self._labs.values(), key=lambda lab: (lab.order, lab.id))
        for lab in self.run.labs:
            lab.exercises.sort(key=lambda exercise: exercise.line)
        return self.run

    def _on_run(self, event: events.Run, path: Path) -> None:
        if self._begun and event.run != self.run.id:
            raise RecordError(
                f"{path}: belongs to run {event.run}, the record before it to run {self.run.id}; "
                "give the records of one run at a time."
            )
        if not self._begun:
            self.run = Run(**asdict(event), files=self.run.files, torn=self.run.torn)
        self._begun = True
        self._statuses[-1] = None  # a run that was resumed has not ended yet

    def _on_lab(self, event: events.Lab) -> None:
        before = self._labs.get(event.lab)
        self._labs[event.lab] = Lab(**asdict(event), exercises=before.exercises if before else [])

    def _on_exercise(self, event: events.Exercise) -> None:
        self._add(Exercise(**asdict(event)))

    def _on_step(self, event: events.Step) -> None:
        step = Step(**asdict(event), end=event.t)
        self._steps[step.id] = step
        self._exercise(event).steps.append(step)

    def _on_observation(self, event: events.Observation) -> None:
        step = self._steps.get(event.step or "")
        if step is None:
            return
        if event.when == "prompt":
            step.prompts.append(event)
        elif event.when != "before" or step.before is None:
            setattr(step, event.when, event)

    def _on_command(self, event: events.Command) -> None:
        step = self._steps.get(event.step or "")
        if step is not None:
            step.commands.append(event)

    def _on_check(self, event: events.Check) -> None:
        step = self._steps.get(event.step or "")
        if step is not None:
            step.checks.append(event)

    def _on_prediction(self, event: events.Prediction) -> None:
        step = self._steps.get(event.step or "")
        if step is None or step.ask is None:
            return
        step.prediction = event
        if event.given is None and not event.skipped:  # not asked again in this attempt
            before = self._answers.get(step.id, event)
            step.prediction = replace(before, observed=event.observed)
        self._answers[step.id] = step.prediction

    def _on_claim(self, event: events.ClaimVerdict) -> None:
        step = self._steps.get(event.step or "")
        (step or self._exercise(event)).verdicts.append(event)

    def _on_step_end(self, event: events.StepEnd) -> None:
        step = self._steps.get(event.step or "")
        if step is not None:
            step.outcome, step.found, step.error = event.outcome, event.found, event.error
            step.seconds, step.end = event.seconds, event.t

    def _on_exercise_end(self, event: events.ExerciseEnd) -> None:
        exercise = self._exercise(event)
        exercise.outcome, exercise.seconds = event.outcome, event.seconds
        exercise.reason, exercise.how = event.reason, event.how
        for step in exercise.steps:
            if step.outcome == "interrupted":  # the exercise ended, so the run did not: the step broke while it began
                step.outcome, step.error = exercise.outcome, exercise.reason
        self._open = None

    def _on_end(self, event: events.End) -> None:
        self._statuses[-1] = event.exitstatus
        self.run.seconds = max(self.run.seconds or 0.0, event.t)

    def _add(self, exercise: Exercise) -> None:
        """Make `exercise` the open one; one that ran again (a rerun) takes the place of its first run."""
        lab = self._labs.setdefault(exercise.lab, Lab(exercise.lab))
        before = self._exercises.get((lab.id, exercise.name))
        if before is not None:
            lab.exercises = [each for each in lab.exercises if each is not before]
            exercise.attempts = before.attempts + 1
        self._exercises[lab.id, exercise.name] = self._open = exercise
        lab.exercises.append(exercise)

    def _exercise(self, event: events.Step | events.ExerciseEnd | events.Inside) -> Exercise:
        """The exercise an event belongs to: by lab and name, by its step, or the one that is running."""
        step = self._steps.get(event.step or "") if isinstance(event, events.Inside) else None
        lab = "" if isinstance(event, events.Inside) else event.lab
        lab = lab or (step.lab if step else "") or (self._open.lab if self._open else "")
        name = event.exercise or (step.exercise if step else "") or (self._open.name if self._open else "")
        found = self._exercises.get((lab, name))
        if found is None and lab and name:
            found = Exercise(lab, name)
            self._add(found)
        return found or Exercise(lab, name)
