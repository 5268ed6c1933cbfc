"""Real runs for the commands: a lab of the project, a small lab as root and as an ordinary user, and a class."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, clean_environment, events_of
from tests.lab.test_sandbox import PYTHON, copy_packages

Event = dict[str, Any]

WHO = '''"""Who: a lab for the comparison of two users.

Each step shows something else.
"""

import pytest

from runtime.lab import Number, needs

pytestmark = [pytest.mark.order(1)]


def test_map(lab):
    """How many ids there are."""
    first = lab.window("first")
    with lab.step("Count them", watch=[first], claims=["tiny-01"], ask=Number("How many ids are mapped?")) as step:
        ids = int(first.run("awk '{print $3}' /proc/self/uid_map"))
        step.answer(ids)
        assert ids == (1 if lab.facts.rootless else 4294967295)


@needs("root")
def test_root(lab):
    """Only root sees it."""
    first = lab.window("first")
    with lab.step("Look", claims=["tiny-02"]):
        assert first.run("echo seen") == "seen"


def test_numbers(lab):
    """What is another number on each run."""
    first, second = lab.window("first"), lab.window("second")
    with lab.step("Numbers", watch=[first, second], claims=["tiny-03"]):
        pid = first.run("echo $$")
        assert pid == str(first.pid)
        second.run(f"ls -d /proc/{pid} /proc/{second.pid}; readlink /proc/$$/ns/uts; date; sleep 0.001 &")
        assert first.pid != second.pid
        second.run("mktemp -u; mktemp -u /tmp/tmp.XXXXXXXX")
        assert first.ns("uts") == second.ns("uts")
'''


def run_labs(directory: Path, *arguments: str) -> Path:
    """Run labs of the project; returns the record."""
    command = [sys.executable, "-m", "pytest", *arguments, "--report-dir", str(directory), "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return directory / "record.jsonl"


@pytest.fixture(scope="session")
def uts_record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record of a run of the UTS lab, with its pages beside it."""
    return run_labs(tmp_path_factory.mktemp("uts"), "labs/test_01_uts.py")


@pytest.fixture
def who_records(make_checkout: Any) -> list[Path]:
    """The small lab `WHO`, run as root, as root again (with other pids, later), and as an ordinary user."""
    checkout = make_checkout()
    checkout.lab.write_text(WHO)
    packages = copy_packages(checkout.path)
    environment = clean_environment() | {"PYTHONPATH": str(packages), "HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"}
    ordinary = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    records = []
    for name, become in (("root", []), ("again", []), ("user", ordinary)):
        if become:
            subprocess.run(["chown", "-R", "65534:65534", checkout.path], check=True)
        command = [*become, PYTHON, "-m", "pytest", "-p", "no:cacheprovider", "labs/"]
        done = subprocess.run(
            [*command, "--report-dir", str(checkout.path / name)],
            cwd=checkout.path, env=environment, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        records.append(checkout.path / name / "record.jsonl")
    return records


NAMES = [
    *("Ada", "Alan", "Anita", "Barbara", "Bjarne", "Brian", "Dennis", "Donald", "Edsger", "Frances", "Grace", "Guido"),
    *("Jean", "Joan", "Katherine", "Ken", "Larry", "Leslie", "Linus", "Margaret", "Niklaus", "Radia", "Rob", "Tim"),
    *("Tony", "Vint", "=1+1", "李明", 'O"Neil & Sons', "<script>alert(1)</script>"),
]


def class_of(record: Path, directory: Path) -> list[Path]:
    """Thirty records: the real one, with what the stage writes put into copies of it - the student's name, answers to
    the questions, and the time before each step. Every tenth student passes the questions over, every third other one
    is wrong, every seventh quits at the sixth step. Observations and the output of windows are left out: they are
    large, and a class page and grades have no use for them."""
    kept = [event for event in events_of(record) if event["event"] not in ("observation", "window")]
    return [_student([dict(event) for event in kept], number, name, directory) for number, name in enumerate(NAMES)]


def _student(events: list[Event], number: int, name: str, directory: Path) -> Path:
    lines: list[Event] = []
    steps, asked = 0, {}
    for event in events:
        if event["event"] == "run":
            event |= {"student": name, "mode": "step", "run": f"run-{number}"}
        if event["event"] == "step":
            steps, asked = steps + 1, event.get("ask", {})
            move = {"v": 1, "t": event["t"], "event": "stage", "step": event["step"]}
            if number % 7 == 6 and steps == 6:
                lines += [
                    event,
                    move | {"what": "quit", "seconds": 5},
                    {"v": 1, "t": 9, "event": "end", "exitstatus": 2},
                ]
                break
            lines += [event, move | {"what": "pause", "seconds": 0}]
            lines.append(move | {"what": "next", "seconds": 200 if (number, steps) == (3, 2) else 10 + number})
            continue
        if event["event"] == "prediction":
            event |= _answer(event, asked, number, name)
        lines.append(event)
    path = directory / f"student{number:02}.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def _answer(event: Event, asked: Event, number: int, name: str) -> Event:
    if number % 10 == 0:
        return {"given": None, "skipped": True, "correct": None, "seconds": 2}
    given, observed = event["observed"], event["observed"]
    if number % 3 == 0:
        wrong = {"choice": next((c for c in asked.get("choices", []) if c != observed), ""), "text": name}
        given = wrong.get(asked["kind"], observed[::-1] if asked["kind"] == "order" else -1)
    return {"given": given, "skipped": False, "correct": given == observed, "seconds": 3.5}
