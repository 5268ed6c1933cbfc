"""What the terminal says at the end of a run: a line for each lab, what is unsupported, where the report is."""

import io
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

VERDICT_STYLES = {
    "holds": "green",
    "changed": "yellow",
    "wrong": "magenta",
    "unsupported": "bright_black",
    "failed": "bold red",
}
OUTCOME_MARKS = {"passed": ("✔", "green"), "unsupported": ("-", "bright_black"), "failed": ("✘", "bold red")}


@dataclass
class LabSummary:
    """What a record says of one lab."""

    title: str = ""
    order: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    verdicts: dict[str, str] = field(default_factory=dict)
    steps: int = 0
    seconds: float = 0.0
    unsupported: dict[tuple[str, str], int] = field(default_factory=dict)


def summarize(reporter: pytest.TerminalReporter, records: Iterable[Path], report: Path | None) -> None:
    """Write the summary in pytest's habits: nothing with -qq, only the report with -q."""
    if reporter.verbosity < -1:
        return
    labs = read(records)
    if labs and reporter.verbosity >= 0:
        reporter.section("labs")
        reporter.write(_draw(labs, reporter.hasmarkup))
    if report:
        reporter.write_line(f"report: {report}")


def read(records: Iterable[Path]) -> list[LabSummary]:
    """The labs in the records of a run, in their order; a torn last line is left out."""
    labs: dict[str, LabSummary] = {}
    for path in records:
        lab_of: dict[str, LabSummary] = {}
        for event in _events(path):
            if event["event"] == "lab":
                lab = labs.setdefault(event["lab"], LabSummary())
                lab.title, lab.order = event["title"].partition(":")[0], event["order"]
                lab_of.update({exercise["name"]: lab for exercise in event["exercises"]})
            elif event.get("exercise") in lab_of:
                _take(lab_of[event["exercise"]], event)
    return sorted(labs.values(), key=lambda lab: lab.order)


def _take(lab: LabSummary, event: dict[str, Any]) -> None:
    if event["event"] == "step":
        lab.steps += 1
    elif event["event"] == "claim":
        lab.verdicts[event["claim"]] = event["verdict"]
    elif event["event"] == "exercise_end":
        lab.outcomes[event["outcome"]] += 1
        lab.seconds += event["seconds"]
        if event["outcome"] == "unsupported":
            key = event["reason"], event["how"]
            lab.unsupported[key] = lab.unsupported.get(key, 0) + 1


def _events(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):
                yield json.loads(line)


def _draw(labs: list[LabSummary], colours: bool) -> str:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, align in (("", "left"), ("lab", "left"), ("exercises", "left"), ("steps", "right")):
        table.add_column(name, justify=align)  # type: ignore[arg-type]
    table.add_column("claims")
    table.add_column("time", justify="right")
    for lab in labs:
        verdicts = _counts(Counter(lab.verdicts.values()), VERDICT_STYLES)
        outcomes = _counts(lab.outcomes, {name: style for name, (_, style) in OUTCOME_MARKS.items()})
        table.add_row(_mark(lab), lab.title, outcomes, str(lab.steps), verdicts, f"{lab.seconds:.2f} s")
    file = io.StringIO()
    columns = min(120, shutil.get_terminal_size().columns)
    console = Console(file=file, force_terminal=colours, color_system="standard" if colours else None, width=columns)
    console.print(table)
    for (reason, how), count in _reasons(labs).items():
        exercises = "1 exercise" if count == 1 else f"{count} exercises"
        console.print(Text(f"  unsupported here, {exercises}: {reason}. To enable it: {how}.", style="bright_black"))
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def _mark(lab: LabSummary) -> Text:
    worst = next((name for name in ("failed", "passed", "unsupported") if lab.outcomes[name]), "unsupported")
    mark, style = OUTCOME_MARKS[worst]
    return Text(mark, style)


def _counts(counts: Counter[str], styles: dict[str, str]) -> Text:
    parts = [Text(f"{counts[name]} {name}", style) for name, style in styles.items() if counts[name]]
    return Text(", ").join(parts)


def _reasons(labs: list[LabSummary]) -> dict[tuple[str, str], int]:
    total: Counter[tuple[str, str]] = Counter()
    for lab in labs:
        total.update(lab.unsupported)
    return dict(total)
