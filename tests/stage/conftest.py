"""A walk through a small lab, driven through a real terminal as a person does it, in the plain view."""

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.conftest import Checkout, clean_environment, events_of
from tests.reports.schema import misfits

WALK_LAB = Path(__file__).parent / "walk_lab.py"
MENU = "? help > "


class Walker:
    """pytest --step=plain on a terminal of its own; ``shown`` is what it printed since the last key."""

    def __init__(self, checkout: Checkout, *arguments: str, command: Sequence[str] = (), **environment: str) -> None:
        self.checkout = checkout
        self.site = checkout.site
        command = command or checkout.command("labs/")
        command = [*command, "--step=plain", *arguments]
        environment = clean_environment() | {"TERM": "xterm-256color"} | environment
        self.child: pexpect.spawn[str] = pexpect.spawn(
            command[0],
            command[1:],
            cwd=str(checkout.path),
            env=environment,
            timeout=30,
            encoding="utf-8",
            dimensions=(40, 200),
        )
        self.child.delaybeforesend = None
        self.shown = ""

    def wait(self, prompt: str = MENU) -> str:
        """Wait for a prompt."""
        self.child.expect_exact(prompt)
        self.shown = self.child.before.replace("\r\n", "\n")
        return self.shown

    def key(self, keys: str = "", prompt: str = MENU) -> str:
        """Type a key (Enter) and wait for the next prompt."""
        self.child.sendline(keys)
        return self.wait(prompt)

    def end(self, keys: str | None = None) -> str:
        """Type the last key, wait for the end of pytest, and return what it printed."""
        if keys is not None:
            self.child.sendline(keys)
        self.child.expect(pexpect.EOF)
        self.child.close()
        return re.sub(r"\x1b\[\d*m", "", self.child.before.replace("\r\n", "\n"))

    @property
    def status(self) -> int | None:
        return self.child.exitstatus

    def events(self, kind: str) -> list[dict]:
        return [event for event in events_of(self.site / "record.jsonl") if event["event"] == kind]

    def stages(self) -> list[tuple[str, str]]:
        """(what, the end of the step's id) of what was done on the stage, without pauses."""
        return [
            (event["what"], event.get("step", "").partition("/")[2])
            for event in self.events("stage")
            if event["what"] != "pause"
        ]


@pytest.fixture
def walk_checkout(checkout: Checkout) -> Checkout:
    """A checkout with the lab of these tests."""
    shutil.copy(WALK_LAB, checkout.lab)
    return checkout


@pytest.fixture
def walk(walk_checkout: Checkout) -> Iterator[Callable[..., Walker]]:
    """A function that starts walks; what still runs at the end is killed."""
    walkers: list[Walker] = []

    def start(*arguments: str, **options: Any) -> Walker:
        walkers.append(Walker(walk_checkout, *arguments, **options))
        return walkers[-1]

    start.checkout = walk_checkout  # type: ignore[attr-defined]
    yield start
    for walker in walkers:
        with suppress(OSError):  # a test has closed the terminal
            walker.child.close(force=True)
    record = walk_checkout.site / "record.jsonl"
    assert not record.exists() or misfits(*events_of(record)) == []
