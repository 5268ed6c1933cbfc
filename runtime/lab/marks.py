"""The marks that a shell prints around each command, and how they are told from everything else.

Terminals know them as shell integration (OSC 133): bash prints ``C`` when a command begins to run and ``D`` with the
exit status when the next prompt is due.  Here both carry the number of the shell, and a secret word of the window, so
that a program that prints such a mark itself is not believed.  They are set through the environment (PS0, PS2,
PROMPT_COMMAND): so every bash that is started below the first one has them too, whatever namespaces it was put in.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_INTRODUCER = b"\x1b]133;"
_LONGEST_MARK = 96  # bytes; more than the introducer, a status, a pid and the secret word can take


@dataclass(frozen=True)
class Running:
    """A command begins: what follows is its output."""

    shell_pid: int  # of the shell that runs it, as that shell sees itself, in its own PID namespace


@dataclass(frozen=True)
class Prompt:
    """A shell is about to print its prompt; the command before it ended with ``status`` (0 to 255)."""

    status: int
    shell_pid: int  # as the shell itself sees it, in its own PID namespace


@dataclass(frozen=True)
class Continuation:
    """The shell waits for the rest of an unfinished command (its second prompt, PS2)."""


Mark = Running | Prompt | Continuation


def environment(secret: str, prompt: str = r"\$ ") -> dict[str, str]:
    """The variables that make bash print the marks and a prompt (bash(1), PROMPTING; bash 4.4 for PS0).

    PS1 is set anew by the start files of each shell, from PROMPT: the machine's /etc/bash.bashrc has one of its own.
    """
    return {
        "PS0": rf"\e]133;C;$BASHPID;{secret}\a",
        "PROMPT": prompt,
        "PS1": prompt,
        "PS2": rf"\[\e]133;P;{secret}\a\]> ",
        "PROMPT_COMMAND": rf"""printf '\033]133;D;%s;%s;{secret}\007' "$?" "$BASHPID" """.strip(),
    }


class MarkParser:
    """Splits the bytes of a terminal into text and marks; a mark may come in pieces."""

    def __init__(self, secret: str) -> None:
        word = re.escape(secret.encode())
        kinds = rb"(?P<more>P)|C;(?P<runner>\d+)|D;(?P<status>\d+);(?P<pid>\d+)"
        self._mark = re.compile(rb"\x1b\]133;(?:" + kinds + rb");" + word + rb"\x07")
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes | Mark]:
        """Yield the text and the marks in ``data``, in order; an unfinished mark is kept for the next call."""
        data = self._rest + data
        position = 0
        for found in self._mark.finditer(data):
            if found.start() > position:
                yield data[position : found.start()]
            yield self._read(found)
            position = found.end()
        end = self._safe_end(data, position)
        self._rest = data[end:]
        if end > position:
            yield data[position:end]

    @staticmethod
    def _read(found: re.Match[bytes]) -> Mark:
        if found["status"] is not None:
            return Prompt(int(found["status"]), int(found["pid"]))
        return Continuation() if found["more"] else Running(int(found["runner"]))

    @staticmethod
    def _safe_end(data: bytes, position: int) -> int:
        """Where text ends that cannot be the beginning of a mark."""
        start = data.rfind(b"\x1b", position)
        if start < 0 or len(data) - start > _LONGEST_MARK:
            return len(data)
        tail = data[start:]
        unfinished = _INTRODUCER.startswith(tail) or (tail.startswith(_INTRODUCER) and b"\x07" not in tail)
        return start if unfinished else len(data)
