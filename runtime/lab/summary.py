"""What the terminal says at the end of a run: a line for each lab, what is unsupported, where the report is."""

import io
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from record import events
from record.reading import LARGE, Record
from record.verdicts import OUTCOMES, VERDICTS, Word, known, worst
from runtime.lab.prediction import score
from runtime.tones import style


@dataclass
class ExerciseSummary:
    """What a record says of one exercise."""

    steps: int = 0
    verdicts: dict[str, str] = field(default_factory=dict)
    outcome: str = "interrupted"
    seconds: float = 0.0
    unsupported: tuple[str, str] | None = None  # why, and how to enable it
    predictions: dict[str, bool | None] = field(default_factory=dict)  # by step, of what a student said or skipped


@dataclass
class LabSummary:
    """What a record says of one lab; an exercise that ran again counts as it ended last."""

    title: str = ""
    order: int = 0
    exercises: dict[str, ExerciseSummary] = field(default_factory=dict)

    @property
    def outcomes(self) -> Counter[str]:
        return Counter(exercise.outcome for exercise in self.exercises.values())

    @property
    def verdicts(self) -> Counter[str]:
        claims = {name: verdict for exercise in self.exercises.values() for name, verdict in exercise.verdicts.items()}
        return Counter(claims.values())

    @property
    def steps(self) -> int:
        return sum(exercise.steps for exercise in self.exercises.values())

    @property
    def seconds(self) -> float:
        return sum(exercise.seconds for exercise in self.exercises.values())


def summarize(reporter: pytest.TerminalReporter, records: Iterable[Path], report: str | None, student: str) -> None:
    """Write the summary in pytest's habits: nothing with -qq, only the report with -q."""
    if reporter.verbosity < -1:
        return
    labs = read(records)
    if labs and reporter.verbosity >= 0:
        reporter.section("labs")
        reporter.write(_draw(labs, reporter.hasmarkup))
        exercises = [exercise for lab in labs for exercise in lab.exercises.values()]
        predictions = {step: right for exercise in exercises for step, right in exercise.predictions.items()}
        if predictions:
            reporter.write_line(score(predictions, student))
    if report:
        reporter.write_line(f"report: {report}")


def read(records: Iterable[Path]) -> list[LabSummary]:
    """The labs in the records of a run, in their order; a torn last line is left out."""
    labs: dict[str, LabSummary] = {}
    for path in records:
        running: ExerciseSummary | None = None
        for event in Record(path, LARGE):
            if isinstance(event, events.Lab):
                lab = labs.setdefault(event.lab, LabSummary())
                lab.title, lab.order = event.title.partition(":")[0], event.order
            elif isinstance(event, events.Exercise):
                running = labs[event.lab].exercises[event.nodeid] = ExerciseSummary()
            elif running:
                _take(running, event)
    return sorted(labs.values(), key=lambda lab: lab.order)


def _take(exercise: ExerciseSummary, event: events.Event) -> None:
    if isinstance(event, events.Step):
        exercise.steps += 1
    elif isinstance(event, events.ClaimVerdict):
        exercise.verdicts[event.claim] = event.verdict
    elif isinstance(event, events.Prediction) and event.was_asked:
        exercise.predictions[event.step or ""] = event.correct
    elif isinstance(event, events.ExerciseEnd):
        exercise.outcome, exercise.seconds = event.outcome, event.seconds
        if event.outcome == "unsupported":
            exercise.unsupported = event.reason, event.how


def _draw(labs: list[LabSummary], colours: bool) -> str:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, align in (("", "left"), ("lab", "left"), ("exercises", "left"), ("steps", "right")):
        table.add_column(name, justify=align)  # type: ignore[arg-type]
    table.add_column("claims")
    table.add_column("time", justify="right")
    for lab in labs:
        verdicts, outcomes = _counts(lab.verdicts, VERDICTS), _counts(lab.outcomes, OUTCOMES)
        table.add_row(_mark(lab), lab.title, outcomes, str(lab.steps), verdicts, f"{lab.seconds:.2f} s")
    file = io.StringIO()
    columns = min(120, shutil.get_terminal_size().columns)
    console = Console(file=file, force_terminal=colours, color_system="standard" if colours else None, width=columns)
    console.print(table)
    for (reason, how), count in _reasons(labs).items():
        exercises = "1 exercise" if count == 1 else f"{count} exercises"
        said = f"  unsupported here, {exercises}: {reason}. To enable it: {how}."
        console.print(Text(said, style(OUTCOMES["unsupported"])))
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def _mark(lab: LabSummary) -> Text:
    word = known(worst(lab.outcomes))
    return Text(word.sign, style(word))


def _counts(counts: Counter[str], words: Mapping[str, Word]) -> Text:
    parts = [Text(f"{counts[name]} {name}", style(word)) for name, word in words.items() if counts[name]]
    return Text(", ").join(parts)


def _reasons(labs: list[LabSummary]) -> Counter[tuple[str, str]]:
    exercises = (exercise for lab in labs for exercise in lab.exercises.values())
    return Counter(exercise.unsupported for exercise in exercises if exercise.unsupported)
