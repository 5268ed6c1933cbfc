"""Records are read as far as they go, and refused when they were damaged."""

import gzip
import json
import lzma
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from record import RecordError
from record.events import VERSION
from record.reading import read
from tests.reports.conftest import (
    END,
    REAL,
    Told,
    Write,
    event,
    exercise,
    exercise_end,
    lab,
    observation,
    only,
    process,
    run,
    step,
    step_end,
    typed,
    whole,
)


def test_a_whole_run(told: Told) -> None:
    story = told(*whole(event("check", step="uts/test_rename/1", ok=True, source="assert a", values="1", line=3)))
    (exercise,) = only(story).exercises
    (only_step,) = exercise.steps
    assert story.complete
    assert (story.id, story.target, story.exitstatus, story.seconds) == ("r1", "here", 0, 2.0)
    assert (exercise.outcome, only_step.outcome, only_step.seconds) == ("passed", "passed", 0.1)
    assert [(check.ok, check.source) for check in only_step.checks] == [(True, "assert a")]


def test_a_run_that_died_in_a_step(told: Told) -> None:
    story = told(run(), lab(), exercise(), step(), *typed("first", "true"), tail='{"v": 1, "event": "win')
    (exercise_,) = only(story).exercises
    assert story.torn
    assert not story.complete
    assert exercise_.outcome == exercise_.steps[0].outcome == "interrupted"
    assert len(exercise_.output) == 2


def test_a_record_without_end_is_not_complete(told: Told) -> None:
    assert not told(run(), lab()).complete


def test_a_run_that_was_resumed_and_died_then(told: Told) -> None:
    once = run(student="Ada"), lab(), exercise("test_a"), exercise_end(name="test_a"), event("end", exitstatus=2)
    resumed = run(student="Ada"), lab(), exercise("test_b"), exercise_end(name="test_b")
    assert not told(*once, *resumed).complete
    story = told(*once, *resumed, END)
    assert (story.complete, story.exitstatus) == (True, 0)
    assert [each.name for each in only(story).exercises] == ["test_a", "test_b"]


def test_unknown_events_and_keys_are_passed_over(told: Told) -> None:
    future = event("weather", sun=True), event("check", step="uts/test_rename/1", ok=True, source="", colour="red")
    assert len(only(told(*whole(*future))).exercises[0].steps[0].checks) == 1


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"title": 3}, r"Expected `str`, got `int` - at `\$.title`"),
        ({"claims": "uts-01"}, r"Expected `array`, got `str` - at `\$.claims`"),
        ({"source": {"line": "one"}}, r"Expected `int`, got `str` - at `\$.source.line`"),
        ({"watch": ["first", None]}, r"Expected `str`, got `null` - at `\$.watch\[1\]`"),
        ({"points": -1}, r"Expected `float` >= 0.0 - at `\$.points`"),
        ({"points": "x"}, r"Expected `float`, got `str` - at `\$.points`"),
        ({"points": 10**400}, r"out of range"),
        ({"t": "soon"}, r"Expected `float`, got `str` - at `\$.t`"),
        ({"step": None}, r"Object missing required field `step`"),
        ({"ask": {"kind": "riddle", "question": ""}}, r"Invalid enum value 'riddle' - at `\$.ask.kind`"),
    ],
)
def test_a_value_of_another_type_is_told_with_its_place(write: Write, fields: dict[str, object], says: str) -> None:
    with pytest.raises(RecordError, match=rf"record\.jsonl, line 4: .*{says}.*; the record is damaged"):
        read([write(run(), lab(), exercise(), step(**fields), END)])


def test_who_ran_it_and_how(told: Told) -> None:
    story = told(run(student="Ada", mode="step", facts={"vm": True, "vm_name": "lab", "box": "debian/bookworm64"}))
    assert (story.student, story.mode, story.facts.vm_name, story.facts.box) == (
        "Ada",
        "step",
        "lab",
        "debian/bookworm64",
    )
    story = told(run(student=None, mode=None, facts={"vm": False}))
    assert (story.student, story.mode, story.facts.vm_name, story.facts.box) == ("", "", "", "")


ASK = {"kind": "number", "question": "How many?", "choices": [], "unit": ""}


def prediction(**fields: object) -> dict[str, object]:
    about = {"observed": 8, "given": None, "correct": None}
    return event("prediction", step="uts/test_rename/1", **(about | fields))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"given": 7, "correct": False, "seconds": 3.5}, (7, False, False, 3.5)),
        ({"given": 8, "correct": True}, (8, True, False, None)),
        ({"skipped": True, "seconds": 1.0}, (None, None, True, 1.0)),
        ({"given": 0, "correct": False}, (0, False, False, None)),
        ({}, (None, None, False, None)),
    ],
)
def test_what_a_student_said(told: Told, fields: dict[str, object], expected: tuple[object, ...]) -> None:
    story = told(run(), lab(), exercise(), step(ask=ASK), prediction(**fields), step_end(), exercise_end(), END)
    made = only(story).exercises[0].steps[0].prediction
    assert made is not None
    assert (made.given, made.correct, made.skipped, made.seconds) == expected


def test_the_last_attempt_is_the_exercise_and_an_answer_given_before_stays(told: Told) -> None:
    first = (
        exercise(),
        step(points=2, ask=ASK),
        prediction(given=7, correct=False),
        step_end(),
        step(2),
        step_end(2, "failed"),
    )
    again = exercise(attempt=2, why="back"), step(points=2, ask=ASK), prediction(), step_end(), exercise_end()
    (replayed,) = only(told(run(), lab(), *first, *again, END)).exercises
    assert (replayed.attempts, replayed.outcome) == (2, "passed")
    (only_step,) = replayed.steps
    assert only_step.prediction is not None
    assert (only_step.prediction.given, only_step.prediction.correct) == (7, False)


@pytest.mark.parametrize(("given", "points"), [({}, 1), ({"points": 2.5}, 2.5), ({"points": 0}, 0)])
def test_points_of_a_step(told: Told, given: dict[str, object], points: float) -> None:
    assert only(told(run(), lab(), exercise(), step(**given))).exercises[0].steps[0].points == points


def test_moves_through_the_steps_and_what_a_shell_left(told: Told) -> None:
    story = told(
        *whole(
            observation("before", process("first", 7)),
            observation("after", process("first", 7, hostname="inside")),
            event("stage", what="pause", step="uts/test_rename/1", seconds=4.5),
            event("stage", what="shell", step="uts/test_rename/1", seconds=9),
            observation("shell", process("first", 7, hostname="by hand")),
        )
    )
    assert [(move.what, move.step, move.seconds) for move in story.moves] == [
        ("pause", "uts/test_rename/1", 4.5),
        ("shell", "uts/test_rename/1", 9),
    ]
    (only_step,) = only(story).exercises[0].steps
    names = [
        seen.processes[0].state["/proc/sys/kernel/hostname"]
        for seen in (only_step.before, only_step.after, only_step.shell)
        if seen and seen.processes[0].state
    ]
    assert names == ["vm", "inside", "by hand"]


def test_exercises_of_one_name_in_two_labs(told: Told) -> None:
    story = told(
        run(), lab(), lab("pid", order=2),
        exercise("test_same"), step(1, "test_same"), step_end(1, name="test_same"), exercise_end("failed", "test_same"),
        exercise("test_same", lab="pid"), step(1, "test_same", step="pid/test_same/1", lab="pid"),
        event("check", exercise="test_same", step="pid/test_same/1", ok=True, source="assert a", values="", line=1),
        event("exercise_end", lab="pid", exercise="test_same", outcome="passed", seconds=1), END,
    )  # fmt: skip
    outcomes = {each.id: [(e.outcome, len(e.steps[0].checks)) for e in each.exercises] for each in story.labs}
    assert outcomes == {"uts": [("failed", 0)], "pid": [("passed", 1)]}


@pytest.mark.parametrize("line", ["not json", "[1, 2]", '"text"', "{", "[" * 100_000, "1" * 5000, "\x00"])
def test_a_broken_line_in_the_middle_names_file_and_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "record.jsonl"
    path.write_text(f"{json.dumps(run())}\n{line}\n{json.dumps(END)}\n")
    with pytest.raises(RecordError, match=r"record\.jsonl, line 2: no JSON object"):
        read([path])


def test_bytes_that_are_no_text_are_a_broken_line(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    path.write_bytes(json.dumps(run()).encode() + b'\n{"event": "\xff"}\n' + json.dumps(END).encode())
    with pytest.raises(RecordError, match="line 2"):
        read([path])


@pytest.mark.parametrize("content", ["", "\n\n", '{"event": "lab", "lab": "uts"}\n', "{"])
def test_a_record_without_a_run(tmp_path: Path, content: str) -> None:
    path = tmp_path / "record.jsonl"
    path.write_text(content)
    with pytest.raises(RecordError, match="holds no run"):
        read([path])


def test_a_record_of_a_later_version(write: Write) -> None:
    with pytest.raises(RecordError, match=f"written in version {VERSION + 1} of the record"):
        read([write({**run(), "v": VERSION + 1})])


def test_an_event_without_what_it_is_about(write: Write) -> None:
    with pytest.raises(RecordError, match="line 2: Object missing required field `step`"):
        read([write(run(), event("step", title="lost"), END)])


def test_the_records_of_workers_are_one_run(write: Write) -> None:
    first = write(run(), lab(), exercise("test_b", line=20), exercise_end(name="test_b"), END, name="record-gw0.jsonl")
    second = write(run(), lab(), exercise("test_a", line=5), exercise_end(name="test_a"), END, name="record-gw1.jsonl")
    story = read([first, second])
    assert [exercise.name for exercise in only(story).exercises] == ["test_a", "test_b"]
    assert story.complete


def test_one_worker_that_died_leaves_the_run_unfinished(write: Write) -> None:
    first = write(run(), lab(), END, name="record-gw0.jsonl")
    second = write(run(), lab(), exercise(), name="record-gw1.jsonl")
    assert not read([first, second]).complete


def test_windows_of_the_same_name_in_two_workers_are_told_apart(write: Write) -> None:
    records = [
        write(
            run(), lab(), exercise(name), step(name=name), *typed("first", name, name=name), END, name=f"{name}.jsonl"
        )
        for name in ("test_a", "test_b")
    ]
    assert [len(exercise.output) for exercise in only(read(records)).exercises] == [2, 2]


def test_records_of_two_runs_are_refused(write: Write) -> None:
    with pytest.raises(RecordError, match="belongs to run r2"):
        read([write(run(), END, name="a.jsonl"), write({**run(), "run": "r2"}, END, name="b.jsonl")])


def test_an_exercise_that_ran_again_counts_once(told: Told) -> None:
    story = told(run(), lab(), exercise(), exercise_end("failed"), exercise(), step(), step_end(), exercise_end(), END)
    (only_exercise,) = only(story).exercises
    assert (only_exercise.outcome, len(only_exercise.steps)) == ("passed", 1)


def test_a_step_that_broke_while_it_began_has_the_outcome_of_its_exercise(told: Told) -> None:
    story = told(run(), lab(), exercise(), step(), exercise_end("failed", reason="no such window"), END)
    (broken,) = only(story).exercises[0].steps
    assert (broken.outcome, broken.error) == ("failed", "no such window")


def test_numbers_that_json_does_not_know_are_text(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    path.write_text(json.dumps(run()) + '\n{"event": "end", "seconds": NaN, "exitstatus": 1}\n')
    assert read([path]).exitstatus == 1


def test_a_real_record() -> None:
    story = read([REAL])
    assert story.complete
    assert story.facts.kernel
    assert all(step.outcome != "interrupted" for lab in story.labs for e in lab.exercises for step in e.steps)
    assert any(step.before and step.after for lab in story.labs for e in lab.exercises for step in e.steps)


@pytest.mark.parametrize("pack", [gzip, lzma], ids=["gz", "xz"])
def test_a_packed_record_is_read_as_it_is(write: Write, tmp_path: Path, pack: Any) -> None:
    plain = write(*whole())
    packed = tmp_path / {"gzip": "record.jsonl.gz", "lzma": "record.jsonl.xz"}[pack.__name__]
    packed.write_bytes(pack.compress(plain.read_bytes()))
    assert replace(read([packed]), files=[]) == replace(read([plain]), files=[])
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(RecordError, match=r"record\.jsonl\..z: cannot be unpacked .*; pack the record again\."):
        read([packed])


@pytest.mark.parametrize("name", ["record.jsonl.gz", "record.jsonl.xz"])
def test_a_record_that_only_says_that_it_is_packed(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}\n")
    with pytest.raises(RecordError, match="cannot be unpacked"):
        read([tmp_path / name])
