"""Where a walkthrough stopped: the last pause in its record, which is written before anybody waits there."""

from dataclasses import dataclass, field
from pathlib import Path

from record import events, writer
from record.reading import LARGE, Record
from runtime.lab.prediction import Prediction
from runtime.stage.scene import Phase


class ResumeError(Exception):
    """There is nothing to go on with; the message says why."""


@dataclass
class Earlier:
    """A walkthrough up to where it stopped: its events, the step and the phase, what was said and seen."""

    events: list[events.Event]
    step: str = ""
    phase: Phase = "before"
    predictions: dict[str, Prediction] = field(default_factory=dict)
    results: dict[str, bool | None] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)


def read(directory: Path) -> Earlier:
    """The walkthrough whose record lies in a report directory; ResumeError if it has not stopped at a step."""
    path = directory / writer.file_name("")
    if not path.exists():
        raise ResumeError(f"--resume: there is no run in {directory}; begin one with --step")
    earlier = Earlier(list(Record(path, LARGE)))
    for event in earlier.events:
        if isinstance(event, events.Stage) and event.what == "pause":
            earlier.step, earlier.phase = event.step or "", event.phase or "before"
        elif isinstance(event, events.StepEnd):
            earlier.seen.add(event.step or "")
        elif isinstance(event, events.Prediction) and event.was_asked:
            said = Prediction(event.given, event.skipped, event.seconds)
            earlier.predictions.setdefault(event.step or "", said)
            earlier.results[event.step or ""] = event.correct
    if not earlier.step:
        paused = any(isinstance(event, events.Stage) for event in earlier.events)
        why = "the walkthrough came to its end" if paused else "the last run was no walkthrough"
        raise ResumeError(f"--resume: {why} ({path}); begin one with --step")
    return earlier
