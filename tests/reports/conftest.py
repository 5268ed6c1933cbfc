"""Records for the tests: short ones written by hand, and the record of a real run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from record.model import Lab, Run
from record.reading import read
from tests.reports.browser import REAL, browser, opened, site
from tests.reports.runs import uts_record

__all__ = ["REAL", "browser", "opened", "site", "uts_record"]

Event = dict[str, Any]


def event(kind: str, /, **fields: Any) -> Event:
    return {"v": 1, "t": 0.5, "event": kind, **fields}


def run(**fields: Any) -> Event:
    return event("run", run="r1", started="2024-06-01T10:00:00+00:00", argv=["labs/"], target="here", **fields)


def lab(name: str = "uts", claims: tuple[Event, ...] = (), **fields: Any) -> Event:
    given = {"file": f"labs/test_01_{name}.py", "order": 1, "title": "Host names", "text": "", "exercises": []}
    return event("lab", lab=name, claims=list(claims), **(given | fields))


def exercise(name: str = "test_rename", **fields: Any) -> Event:
    return event("exercise", **({"lab": "uts", "exercise": name, "title": "Rename", "line": 10} | fields))


def step(number: int = 1, name: str = "test_rename", **fields: Any) -> Event:
    given = {
        "step": f"uts/{name}/{number}",
        "lab": "uts",
        "exercise": name,
        "number": number,
        "title": f"Step {number}",
    }
    return event("step", **(given | fields))


def parted(question: Event) -> tuple[Event, Event]:
    """A question with its answer as the step tells the one and the prediction the other."""
    asked = {"kind", "question", "choices", "unit"}
    answer = {"observed": None, "given": None, "correct": None}
    return (
        {"choices": [], "unit": "", **{key: value for key, value in question.items() if key in asked}},
        {**answer, **{key: value for key, value in question.items() if key not in asked}},
    )


def step_end(number: int = 1, outcome: str = "passed", name: str = "test_rename", **fields: Any) -> Event:
    return event("step_end", step=f"uts/{name}/{number}", outcome=outcome, seconds=0.1, **fields)


def exercise_end(outcome: str = "passed", name: str = "test_rename", **fields: Any) -> Event:
    return event("exercise_end", lab="uts", exercise=name, outcome=outcome, seconds=0.2, **fields)


def typed(window: str, text: str, number: int | None = 1, name: str = "test_rename") -> list[Event]:
    """What a window records of a command and its echo."""
    place = {"window": window, "exercise": name, "step": f"uts/{name}/{number}" if number else None}
    return [
        event("window", what="in", data=f"{text}\n", **place),
        event("window", what="out", data=f"$ {text}\r\n", **place),
    ]


def printed(window: str, data: str, number: int | None = 1, name: str = "test_rename") -> Event:
    where = f"uts/{name}/{number}" if number else None
    return event("window", window=window, exercise=name, step=where, what="out", data=data)


def process(label: str, pid: int, uts: str = "uts:[1]", hostname: str = "vm", **fields: Any) -> Event:
    state = {
        "/proc/PID/ns/uts": uts,
        "/proc/PID/ns/net": "net:[9]",
        "/proc/PID/status": {"Name": "bash", "NSpid": [pid]},
        "/proc/sys/kernel/hostname": hostname,
    }
    return {"label": label, "window": label, "pid": pid, "role": "shell", "parent": 1, "state": state} | fields


def observation(when: str, *processes: Event, number: int = 1, name: str = "test_rename") -> Event:
    return event("observation", step=f"uts/{name}/{number}", when=when, processes=list(processes))


END = event("end", exitstatus=0, t=2.0)


def whole(*inside: Event, **about: Any) -> list[Event]:
    """A finished run of one exercise with one step, with `inside` in the step."""
    return [run(), lab(**about), exercise(), step(), *inside, step_end(), exercise_end(), END]


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write events as a record: ``write(event, ..., name="record.jsonl", tail="")``."""

    def write(*events: Event, name: str = "record.jsonl", tail: str = "") -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(each) + "\n" for each in events) + tail)
        return path

    return write


Told = Callable[..., Run]


@pytest.fixture
def told(write: Write) -> Told:
    """Events, written and read again."""
    return lambda *events, tail="": read([write(*events, tail=tail)])


def only(run: Run) -> Lab:
    (lab,) = run.labs
    return lab
