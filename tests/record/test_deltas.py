"""Observations are written as what differs, and read whole."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from record import RecordError
from record.encoding import encode
from record.events import Event, Exercise, ExerciseEnd, Observation, Process, Run, Step
from record.reading import Record, read
from record.writer import Lines

DATA = Path(__file__).parent / "data"

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["", "a", "\udc80", "ü"]))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
)
STATES = st.none() | st.dictionaries(st.sampled_from(["/p/1", "/p/2", "/p/3", "ip link"]), VALUES, max_size=4)
LABELS = st.sampled_from(["first", "second"])
PROCESSES = st.builds(lambda label, state: Process(label, "", 1, "shell", 0, state), LABELS, STATES)
OBSERVATIONS = st.builds(Observation, st.just("after"), st.lists(PROCESSES, max_size=3))
EVENTS = st.lists(OBSERVATIONS | st.builds(Exercise, st.just("uts"), st.just("test_a")), max_size=8)


def write(path: Path, *events: Event) -> Path:
    lines = Lines()
    path.write_bytes(b"".join(map(lines.line, [Run("r"), *events])))
    return path


def plain(value: Any) -> Any:
    """A value as JSON keeps it."""
    return json.loads(encode(value))


@settings(max_examples=100, deadline=None)
@given(events=EVENTS)
def test_whatever_was_observed_is_read_as_it_was(tmp_path_factory: pytest.TempPathFactory, events: list[Event]) -> None:
    path = tmp_path_factory.mktemp("deltas") / "record.jsonl"
    read_again = list(Record(write(path, *events)))[1:]
    assert plain(read_again) == plain(events)


def process(label: str = "first", **state: Any) -> Process:
    return Process(label, label, 7, "shell", 1, state)


def raw(path: Path) -> list[dict[str, Any]]:
    """The processes as they are written."""
    events = [json.loads(line) for line in path.read_text().splitlines()]
    return [process for event in events for process in event.get("processes", [])]


def test_only_what_differs_is_written(tmp_path: Path) -> None:
    table = [{"id": number, "point": f"/{number}"} for number in range(50)]
    mounted = [*table[:20], {"id": 99, "point": "/new"}, *table[20:]]
    path = write(
        tmp_path / "record.jsonl",
        Exercise("uts", "test_a"),
        Observation("before", [process(mounts=table, name="vm", uid=0), process("second", mounts=table, name="vm")]),
        Observation("after", [process(mounts=mounted, name="c1", status={"Name": "bash", "PPid": 1})]),
        Observation("shell", [process(mounts=mounted, name="c1", status={"Name": "bash", "PPid": 2})]),
    )
    first, second, after, shell = raw(path)
    assert set(first["state"]) == {"mounts", "name", "uid"}
    assert (second["state"], second["base"], second["gone"]) == ({}, 0, ["uid"])
    assert after["parts"] == {"mounts": [20, 30, {"id": 99, "point": "/new"}]}
    assert after["state"] == {"name": "c1", "status": {"Name": "bash", "PPid": 1}}
    assert (shell["state"], shell["base"], shell["parts"]) == ({}, 2, {"status": {"PPid": 2}})


def test_each_exercise_and_each_attempt_is_readable_alone(tmp_path: Path) -> None:
    seen = Observation("before", [process(name="vm", hosts="x" * 100)])
    path = write(tmp_path / "record.jsonl", Exercise("uts", "test_a"), seen, Exercise("uts", "test_a"), seen)
    assert [each.get("base") for each in raw(path)] == [None, None]


def test_a_torn_record_is_whole_up_to_there(tmp_path: Path) -> None:
    events = [Exercise("uts", "test_a"), *(Observation("after", [process(name=str(n), hosts="x")]) for n in range(5))]
    path = write(tmp_path / "record.jsonl", *events)
    path.write_bytes(path.read_bytes()[:-10])
    record = Record(path)
    assert plain(list(record)[1:]) == plain(events[:-1])
    assert record.torn


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"base": 1}, "differs from a state that is not there"),
    ({"base": -1}, "Expected `int` >= 0"),
    ({"base": 0, "parts": {"list": {"a": 1}}}, "a part that does not fit"),
    ({"base": 0, "parts": {"list": [2, 2]}}, "a part that does not fit"),
    ({"base": 0, "parts": {"list": [-1, 1]}}, "a part that does not fit"),
    ({"base": 0, "parts": {"list": ["a"]}}, "a part that does not fit"),
    ({"base": 0, "parts": {"nowhere": [0, 0]}}, "a part that does not fit"),
]


@pytest.mark.parametrize(("fields", "says"), BROKEN)
def test_what_cannot_be_restored_is_one_sentence(tmp_path: Path, fields: dict[str, Any], says: str) -> None:
    path = write(tmp_path / "record.jsonl", Exercise("uts", "test_a"), Observation("before", [process(list=[1, 2, 3])]))
    event = {"v": 2, "event": "observation", "when": "after"}
    broken = {"label": "first", "window": "", "pid": 1, "role": "", "parent": 0, "state": {}} | fields
    with path.open("a") as file:
        file.write(json.dumps(event | {"processes": [broken]}) + "\n{}\n")
    with pytest.raises(RecordError, match=f"line 4: .*{says}"):
        list(Record(path))


def test_few_lines_cannot_tell_of_very_many_values(tmp_path: Path) -> None:
    """Each line repeats 100,000 values in thirty bytes."""
    many = {str(number): 0 for number in range(100_000)}
    path = write(tmp_path / "record.jsonl", Exercise("uts", "test_a"), Observation("before", [process(**many)]))
    again = {"label": "first", "window": "", "pid": 1, "role": "", "parent": 0, "state": {}, "base": 0}
    with path.open("a") as file:
        for _ in range(100):
            file.write(json.dumps({"v": 2, "event": "observation", "when": "after", "processes": [again]}) + "\n")
    with pytest.raises(RecordError, match=r"line 23: more than 2000000 values were observed"):
        list(Record(path))


def test_a_step_keeps_what_was_observed_at_its_prompts(tmp_path: Path) -> None:
    place, about = (
        {"step": "uts/test_a/1"},
        [Run("r"), Exercise("uts", "test_a"), Step("uts/test_a/1", "uts", "test_a")],
    )
    moments = [Observation("prompt", [process(name=str(n))], "first", n, **place) for n in (1, 2)]
    path = write(tmp_path / "record.jsonl", *about, *moments, ExerciseEnd("uts", "test_a", "passed"))
    (step,) = read([path]).labs[0].exercises[0].steps
    assert [(each.window, each.command, each.processes[0].state) for each in step.prompts] == [
        ("first", 1, {"name": "1"}),
        ("first", 2, {"name": "2"}),
    ]
    assert (step.before, step.after) == (None, None)


def test_a_real_record_has_become_small() -> None:
    lines, whole, written = Lines(), 0, 0
    for event in Record(DATA / "v1.jsonl.xz"):
        line = lines.line(event)
        if isinstance(event, Observation):
            whole += len(encode(event))
            written += len(line)
    assert written < 0.25 * whole
