"""The states of a page: whatever was observed can be told again from what is stored, and is stored once."""

import json
from typing import Any

import pytest

from record.capabilities import CAPABILITIES
from record.model import Lab, Observation, Process, Step
from record.reading import read
from record.rows import Change, compare, rows
from record.text import visible
from reports.pages.states import NOTHING, States
from runtime.kernel.capabilities import CAPABILITIES as OF_THE_KERNEL
from tests.reports.browser import REAL

Data = dict[str, Any]


def moment(data: Data, number: int) -> dict[str, dict[str, str]]:
    """The values of a moment by path and field, as the script of a page puts them together."""
    if number == NOTHING:
        return {}
    base, *files = data["moments"][number]
    told = dict(moment(data, base))
    for file in files:
        if file < 0:
            del told[data["paths"][-1 - file]]
            continue
        runs = data["files"][file]
        numbers = [n for at in range(0, len(runs), 2) for n in range(runs[at], runs[at] + runs[at + 1])]
        values = [data["rows"][n] for n in numbers]
        path = data["paths"][data["places"][values[0][0]][0]]
        told[path] = {data["places"][place][1]: text for place, text in values}
    return told


def stored(lab: Lab) -> tuple[Data, list[tuple[Step, Observation | None]]]:
    """The states of all steps of a lab, after a way through JSON, and the steps with their observations before."""
    states, steps = States(), []
    for exercise in lab.exercises:
        states.begin()
        previous = None
        for step in exercise.steps:
            before = step.before or previous
            previous = step.after or before
            states.step(before, step.after, {})
            steps.append((step, before))
    return json.loads(json.dumps(states.data())), steps


LABS = read([REAL]).labs


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.id)
def test_every_observed_state_can_be_told_again(lab: Lab) -> None:
    data, steps = stored(lab)
    seen = 0
    for (step, before), told in zip(steps, data["steps"], strict=True):
        for label, _, _, *numbers, _ in told["processes"]:
            for observation, (pid, number) in zip((before, step.after), (numbers[:2], numbers[2:]), strict=True):
                if number == NOTHING or observation is None:
                    continue
                process = next(p for p in observation.processes if p.pid == pid and label in (visible(p.label), label))
                expected = {visible(path): dict(rows(path, value)) for path, value in (process.state or {}).items()}
                assert moment(data, number) == expected
                seen += 1
    assert seen == sum(
        number != NOTHING for step in data["steps"] for p in step["processes"] for number in (p[4], p[6])
    )
    assert seen


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.id)
def test_a_value_is_stored_only_when_it_changes(lab: Lab) -> None:
    data, steps = stored(lab)
    observed = {
        (path, field, text)
        for step, _ in steps
        for observation in (step.before, step.after)
        for process in (observation.processes if observation else [])
        for path, value in (process.state or {}).items()
        for field, text in rows(path, value)
    }
    changed = {
        (change.path, change.field, text)
        for step, before in steps
        for change in changes(before, step.after)
        for text in (change.before, change.after)
        if text is not None
    }
    assert len(data["rows"]) == len(observed | changed)
    for name in ("places", "rows", "files", "moments"):
        assert len({json.dumps(each) for each in data[name]}) == len(data[name]), name


def changes(before: Observation | None, after: Observation | None) -> list[Change]:
    compared = compare(before.processes if before else [], after.processes if after else [])
    return [change for one in compared for change in one.changes]


Row = tuple[str, str, str, str | None, str | None, bool]


def told_changes(data: Data, process: list[Any]) -> list[Row]:
    """What a page says of a process: its label, and of each change the path, the field, before, after, minor."""
    label, *_, numbers = process
    found: list[Row] = []
    for at in range(0, len(numbers), 3):
        old, new = (None if number == NOTHING else data["rows"][number] for number in numbers[at : at + 2])
        path, field, _, entry = data["places"][(new or old)[0]]
        assert field.startswith(data["places"][entry][1])
        found.append((label, data["paths"][path], field, old and old[1], new and new[1], bool(numbers[at + 2])))
    return found


def test_a_page_tells_the_changes_that_were_found() -> None:
    count = 0
    for lab in LABS:
        data, steps = stored(lab)
        for (step, before), told in zip(steps, data["steps"], strict=True):
            expected = [
                (visible(each.process), visible(each.path), each.field, each.before, each.after, each.minor)
                for each in changes(before, step.after)
            ]
            assert [row for process in told["processes"] for row in told_changes(data, process)] == expected
            count += len(expected)
    assert count > 20


def one(label: str, pid: int, state: dict[str, Any] | None) -> Process:
    return Process(label, label, pid, "shell", 1, state)


def told(*steps: tuple[list[Process] | None, list[Process] | None]) -> Data:
    states = States()
    states.begin()
    for before, after in steps:
        states.step(
            *(None if moment is None else Observation("after", moment) for moment in (before, after)),
            {"/proc/PID/status": {"NSpid", "CapEff"}, "/not/read": set()},
            ["/proc/PID/net/*"],
        )
    return states.data()


def test_processes_stand_for_each_other_by_label_and_by_pid() -> None:
    data = told(
        ([one("first", 1, {}), one("old", 2, {}), one("gone", 3, {})], [one("first", 5, {}), one("new", 2, {})])
    )
    pairs = [(label, before, after) for label, _, _, before, _, after, _, _ in data["steps"][0]["processes"]]
    assert pairs == [("first", 1, 5), ("new", 2, 2), ("gone", 3, None)]


def test_a_process_that_vanished_has_no_moment() -> None:
    (process,) = told(([one("first", 1, {"/a": "1"})], [one("first", 1, None)]))["steps"][0]["processes"]
    assert process[4] == 0
    assert process[6] == NOTHING


def test_a_path_that_is_no_longer_read_goes() -> None:
    data = told(([one("first", 1, {"/a": "1", "/b": "2"})], [one("first", 1, {"/b": "3"})]))
    assert [moment(data, number) for number in (0, 1)] == [{"/a": {"": "1"}, "/b": {"": "2"}}, {"/b": {"": "3"}}]


def test_what_a_claim_and_a_drawing_are_about_is_told_by_the_numbers_of_paths() -> None:
    data = told(([one("first", 1, {"/proc/PID/status": {"NSpid": [1]}, "/proc/PID/net/dev": {}})], None))
    (step,) = data["steps"]
    assert [(data["paths"][path], fields) for path, fields in step["matter"]] == [
        ("/proc/PID/status", ["CapEff", "NSpid"])
    ]
    assert [data["paths"][path] for path in step["drawn"]] == ["/proc/PID/net/dev"]


def test_hostile_names_are_spelled_out() -> None:
    data = told(([one("a\u202eb\x1b", 1, {"/x\n\u202e": {"k\x00": "v\x07"}})], None))
    assert not {"\u202e", "\x1b", "\x00", "\x07", "\n"} & set(json.dumps(data, ensure_ascii=False))
    assert data["steps"][0]["processes"][0][0] == "a\\u202eb\\x1b"


def test_the_names_of_capabilities_are_those_of_the_kernel() -> None:
    assert tuple(f"CAP_{name}" for name in CAPABILITIES) == OF_THE_KERNEL
