"""A terminal with bash in it: what is typed and printed, and where commands begin and end in it."""

import codecs
import os
import re
import secrets
import time
from collections.abc import Callable
from pathlib import Path

import pexpect

from record import events
from runtime.lab import marks

COLUMNS, ROWS = 100, 30
LOGIN_PROMPT = r"\u@\h:\w\$ "  # of a lesson about prompts: user, host and directory, as a login shell has it
PATH = (
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # of windows, whatever it was for who started them
)
RECORDED_BYTES = 256 * 1024  # of one command's output; the rest is counted, not recorded
SCREEN_BYTES = 4096
_ESCAPES = re.compile(r"\x1b(?:\][^\x07\x1b]*(?:\x07|\x1b\\)|[P^_X][^\x1b]*\x1b\\|\[[0-?]*[ -/]*[@-~]|[ -/]*[0-~])")

Emit = Callable[[events.Inside], None]


class WindowError(Exception):
    """A window did not do what the lab asked of it; the message names window, command and what was on the screen."""


class WindowTimeout(WindowError):  # noqa: N818 - named for what happened, as subprocess.TimeoutExpired is
    """A command did not end in time.  It was killed."""


class WindowClosed(WindowError):  # noqa: N818
    """The first shell of the window has ended, so nothing can be typed any more."""


class CommandError(WindowError):
    """A command ended with another exit status than the lab expects."""


def clean(raw: bytes) -> str:
    """The text in ``raw`` without escape sequences and carriage returns; bytes that are not UTF-8 come as ``\\xNN``."""
    text = raw.decode("utf-8", "backslashreplace")
    return _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "").rstrip("\n")


class Terminal:
    """A pseudo-terminal of ``COLUMNS`` x ``ROWS`` with bash, started in ``home``; all that passes is recorded.

    ``output`` is what was printed since the present command began to run, ``marks`` are those that came since it was
    typed and were not taken yet.
    """

    def __init__(self, name: str, home: Path, emit: Emit, prompt: str = "") -> None:
        self.name = name
        self.output = bytearray()
        self.marks: list[marks.Mark] = []
        self.busy = False  # something was typed, or a command runs, and no prompt has come since
        self.plain = False  # a shell without marks runs: prompts are part of the output
        self.prompt_group = 0  # the process group that had the terminal when the last prompt was printed
        self.prompt_number = 0  # the shell that printed it, as it sees itself
        self.prompt_shown = False  # the text of the prompt came after its mark: the shell reads its terminal
        self.hidden = False  # a shell takes its terminal back: what it prints is not recorded
        self._emit = emit
        self._capturing = True
        self._recent = bytearray()
        self._recorded = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        secret = secrets.token_hex(8)
        self._parser = marks.MarkParser(secret)
        self._spawn: pexpect.spawn[bytes] = pexpect.spawn(
            "/bin/bash",
            env=_environment(home) | marks.environment(secret, prompt or f"{name}\\$ "),
            cwd=str(home),
            dimensions=(ROWS, COLUMNS),
            timeout=None,
        )
        self._spawn.delaybeforesend = None
        self._spawn.ptyproc.delayafterclose = 0  # type: ignore[attr-defined]  # the stubs do not know it; 0.1 s
        assert self._spawn.pid is not None
        self.shell: int = self._spawn.pid
        emit(events.Window(name, "open", columns=COLUMNS, rows=ROWS))

    @property
    def foreground(self) -> int:
        """The foreground process group, in the PID namespace of pytest (tcgetpgrp(3))."""
        return os.tcgetpgrp(self._spawn.child_fd)

    def type(self, text: str) -> None:
        """Type ``text``; output is collected anew from here."""
        self.output.clear()
        self.marks.clear()
        self._capturing, self._recorded = True, 0
        self.busy = self.busy or "\n" in text
        self.write(text)

    def write(self, text: str) -> None:
        """Type ``text``, and go on collecting output."""
        self._emit(events.Window(self.name, "in", text))
        try:
            self._spawn.send(text)
        except OSError as error:
            raise WindowClosed(f"{self.name}: the window is closed{self.shown()}") from error

    def read(self, deadline: float) -> bool:
        """Take in what the terminal has; False if nothing came until ``deadline`` (0: do not wait).

        Raises WindowClosed if the first shell has ended.
        """
        try:
            data = self._spawn.read_nonblocking(65536, max(0.0, deadline - time.monotonic()) if deadline else 0)
        except pexpect.TIMEOUT:
            return False
        except pexpect.EOF:
            if not deadline:
                return False
            raise WindowClosed(f"{self.name}: the first shell has ended{self.shown()}") from None
        for part in self._parser.feed(data):
            if isinstance(part, bytes):
                self._take(part)
            else:
                self._note(part)
        return True

    def hide_until_prompt(self) -> None:
        """A shell is being interrupted at its prompt, before anything was typed: record nothing until ``show``."""
        self.hidden = self.busy = True

    def show(self) -> None:
        """Take in the rest of what is hidden, and record again."""
        if self.hidden:
            self.drain()
            self.hidden = False

    def drain(self) -> None:
        """Take in all that has been printed."""
        while self.read(0):
            pass

    def lines(self) -> list[str]:
        """The last lines that were printed, as text."""
        return clean(bytes(self._recent)).splitlines()[-ROWS:]

    def shown(self) -> str:
        """The end of an error message: what stands on the screen."""
        text = "\n".join(self.lines())
        return f"; the screen showed:\n{text}" if text else "; the screen was empty"

    @property
    def closed(self) -> bool:
        """Whether the terminal was closed by us."""
        return bool(self._spawn.closed)

    def close(self) -> None:
        """Close the terminal; its first shell must have ended or been killed."""
        if self._spawn.isalive():
            self._spawn.wait()
        self._spawn.close(force=False)
        self._emit(events.Window(self.name, "close"))

    def _note(self, mark: marks.Mark) -> None:
        if isinstance(mark, marks.Running):
            if not self.plain:
                self.output.clear()
            self.busy = True
        elif isinstance(mark, marks.Prompt):
            self.prompt_group, self.prompt_number = self.foreground, mark.shell_pid
            self.busy = self.prompt_shown = False
            self._capturing = self.plain  # what comes next is the prompt
        self.marks.append(mark)

    def _take(self, part: bytes) -> None:
        self.prompt_shown = True
        if self.hidden:
            return
        if self._capturing:
            self.output += part
        self._recent += part
        del self._recent[:-SCREEN_BYTES]
        room = max(0, RECORDED_BYTES - self._recorded)
        self._recorded += len(part)
        if room:
            text = self._decoder.decode(part[:room])
            if len(part) > room:
                text += self._decoder.decode(b"", final=True) + "\r\n[... the rest of this output is not recorded]\r\n"
            self._emit(events.Window(self.name, "out", text))


def _environment(home: Path) -> dict[str, str]:
    """A student's fresh login, not the environment of whoever started pytest."""
    return {
        "PATH": PATH,
        "HOME": str(home),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "INPUTRC": str(home / ".inputrc"),
        "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
    }


def write_start_files(home: Path) -> None:
    """The start files of the windows: no history expansion, no notices of jobs, no bracketed paste, no completion."""
    (home / ".bashrc").write_text("set +H\nset +o history\nunset HISTFILE\nPS1=${PROMPT:-'\\$ '}\n")
    (home / ".inputrc").write_text("set enable-bracketed-paste off\nset disable-completion on\nset bell-style none\n")
