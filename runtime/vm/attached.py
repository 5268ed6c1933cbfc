"""Ssh in the place of pytest: it has our terminal, or our output, and our signals reach the pytest inside."""

import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

_PATIENCE: float | None = None
_APART: dict[str, Any] = {"start_new_session": True}
if sys.platform == "win32":
    _PATIENCE = 0.5  # Python cannot be interrupted there while it waits for a process
    _APART = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def has_terminal() -> bool:
    """Whether a person sits in front of this pytest."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def run_on_terminal(command: Sequence[str]) -> int:
    """Run ssh on our terminal, where Ctrl-C is a byte for the machine; if we are told to end, so is ssh."""
    process = subprocess.Popen(command)
    told: list[int] = []

    def end(number: int) -> None:
        if number != signal.SIGINT:  # which the terminal sent to ssh too, if it sent it at all
            told.append(128 + number)
            process.terminate()

    code = _wait(process, end)
    return told[0] if told else code


def run_on_pipes(command: Sequence[str]) -> int:
    """Run ssh with our output, apart from our signals: they go inside, as lines on its stdin (inside.py, run)."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, bufsize=0, **_APART)
    stdin = process.stdin
    assert stdin is not None

    def pass_on(number: int) -> None:
        with suppress(OSError):  # it has just ended
            stdin.write(f"{number}\n".encode())

    with stdin:
        return _wait(process, pass_on)


def _wait(process: "subprocess.Popen[bytes]", on_signal: Callable[[int], None]) -> int:
    before = {number: signal.signal(number, lambda got, frame: on_signal(got)) for number in _SIGNALS}
    try:
        while True:
            with suppress(subprocess.TimeoutExpired):
                return process.wait(_PATIENCE)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
