"""Ssh in the place of pytest: it has our terminal, or our output, and our signals reach the pytest inside."""

import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

# A child with APART gets none of the signals that our terminal sends: ours is the one to decide.
APART: dict[str, Any] = {"start_new_session": True}
_PATIENCE: float | None = None
if sys.platform == "win32":
    APART = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    _PATIENCE = 0.5  # Python cannot be interrupted there while it waits for a process
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def has_terminal() -> bool:
    """Whether a person sits in front of this pytest."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def run(command: Sequence[str], pass_inside: Callable[[int], None]) -> int:
    """Run ssh, on our terminal if there is one; its exit code, or 128 + n if we were told to end by signal n.

    ``pass_inside`` gets the numbers of our signals.  On a terminal Ctrl-C is none: it is a byte, as in any ssh.
    """
    terminal = has_terminal()
    process = subprocess.Popen(command) if terminal else subprocess.Popen(command, stdin=subprocess.DEVNULL, **APART)
    told: list[int] = []

    def on_signal(number: int) -> None:
        if number != signal.SIGINT:
            told.append(128 + number)
        if number != signal.SIGINT or not terminal:
            pass_inside(number)

    code = _wait(process, on_signal)
    return told[0] if told else code


def _wait(process: "subprocess.Popen[bytes]", on_signal: Callable[[int], None]) -> int:
    before = {number: signal.signal(number, lambda got, frame: on_signal(got)) for number in _SIGNALS}
    try:
        while True:
            with suppress(subprocess.TimeoutExpired):
                return process.wait(_PATIENCE)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
