"""A record of each version is kept for ever, and read as one of today."""

from pathlib import Path

import pytest

from record.events import VERSION
from record.model import Run
from record.reading import Record, read
from record.versions import LIFTS
from record.writer import Lines
from reports.pages.render import render

DATA = Path(__file__).parent / "data"
KEPT = [DATA / f"v{number}.jsonl.xz" for number in range(1, VERSION + 1)]
"""Runs of the UTS lab as root in the sandbox; from version 2 on by a student who was asked once."""


def counts(run: Run) -> dict[str, int]:
    exercises = [exercise for lab in run.labs for exercise in lab.exercises]
    steps = [step for exercise in exercises for step in exercise.steps]
    moments = [moment for step in steps for moment in (step.before, step.after) if moment]
    return {
        "exercises": len(exercises),
        "planned": sum(len(lab.planned) for lab in run.labs),
        "claims": sum(len(lab.claims) for lab in run.labs),
        "steps": len(steps),
        "checks": sum(check.ok for step in steps for check in step.checks),
        "commands": sum(command.status == 0 for step in steps for command in step.commands),
        "questions": sum(step.ask is not None for step in steps),
        "answers": sum(step.prediction is not None and step.prediction.observed is not None for step in steps),
        "verdicts": sum(len(step.verdicts) for step in steps),
        "values": sum(len(process.state or {}) for moment in moments for process in moment.processes),
        "sized": sum(event.columns == 100 and event.rows == 30 for exercise in exercises for event in exercise.output),
    }


def test_there_is_a_step_from_each_older_version_and_a_record_of_each() -> None:
    assert sorted(LIFTS) == list(range(1, VERSION))
    assert [path.name for path in KEPT if not path.exists()] == []


@pytest.mark.parametrize("record", KEPT, ids=lambda path: path.name)
def test_it_is_read_whole(record: Path) -> None:
    run = read([record])
    assert run.complete
    assert (run.target, run.facts.uid, run.facts.kernel[:1]) == ("sandbox", "0", "6")
    assert counts(run) == {
        "exercises": 14, "planned": 14, "claims": 17, "steps": 22, "checks": 112, "commands": 108, "questions": 19,
        "answers": 19, "verdicts": 17, "values": 1898, "sized": 22,
    }  # fmt: skip


def test_what_a_student_said_in_version_2() -> None:
    run = read([KEPT[1]])
    made = [step.prediction for lab in run.labs for e in lab.exercises for step in e.steps if step.prediction]
    assert run.student == "Ada"
    assert [(each.given, each.correct) for each in made if each.was_asked] == [("the old one", True)]


@pytest.mark.parametrize("record", KEPT, ids=lambda path: path.name)
def test_written_again_it_is_the_same(record: Path, tmp_path: Path) -> None:
    lines, again = Lines(), tmp_path / "record.jsonl"
    again.write_bytes(b"".join(lines.line(event) for event in Record(record)))
    assert list(Record(again)) == list(Record(record))
    assert b'{"v":%d,' % VERSION in again.read_bytes()


@pytest.mark.parametrize("record", KEPT, ids=lambda path: path.name)
def test_it_renders(record: Path, tmp_path: Path) -> None:
    index = render([record], tmp_path)
    assert "UTS" in index.read_text()
    assert "Change both names" in index.with_name("uts.html").read_text()
