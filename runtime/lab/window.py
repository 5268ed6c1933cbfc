"""A window: a real terminal with a real bash in it, as a student would open one.

Commands are typed, never piped, and their end is known from the marks of :mod:`runtime.lab.marks`, not from the look
of a prompt.  A window follows its shell into other namespaces: ``unshare``, ``nsenter`` and ``exec`` change what the
window shows, and an observation looks at the processes that own its terminal.
"""

import codecs
import os
import re
import secrets
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pexpect

from runtime.kernel import namespaces, proc
from runtime.lab import marks

COLUMNS, ROWS = 100, 30
TIMEOUT = 20.0  # seconds for a command, unless the lab says otherwise
KILL_TIMEOUT = 5.0  # seconds that a killed command has to give the prompt back
RECORDED_BYTES = 256 * 1024  # of one command's output; the rest is counted, not recorded
PROMPT_TIMEOUT = 0.2  # seconds for the text of a prompt after its mark; a shell may have an empty one
SCREEN_BYTES = 4096
_ESCAPES = re.compile(r"\x1b(?:\][^\x07\x1b]*(?:\x07|\x1b\\)|[P^_X][^\x1b]*\x1b\\|\[[0-?]*[ -/]*[@-~]|[ -/]*[0-~])")
_FATAL = sum(1 << (number - 1) for number in (signal.SIGKILL, signal.SIGHUP, signal.SIGTERM))

Emit = Callable[..., None]


class WindowError(Exception):
    """A window did not do what the lab asked of it; the message names window, command and what was on the screen."""


class WindowTimeout(WindowError):  # noqa: N818 - named for what happened, as subprocess.TimeoutExpired is
    """A command did not end in time.  It was killed."""


class WindowClosed(WindowError):  # noqa: N818
    """The first shell of the window has ended, so nothing can be typed any more."""


class Output(str):
    """What a command printed: colours removed, lines ended by a newline, none at the end.

    ``status`` is its exit status (0 to 255; 128 + n if signal n ended it), ``raw`` the bytes of the terminal.
    """

    status: int
    raw: bytes

    def __new__(cls, raw: bytes, status: int) -> "Output":
        output = super().__new__(cls, clean(raw))
        output.status, output.raw = status, raw
        return output


def clean(raw: bytes) -> str:
    """The text in ``raw`` without escape sequences and carriage returns; bytes that are not UTF-8 come as ``\\xNN``."""
    text = raw.decode("utf-8", "backslashreplace")
    return _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "").rstrip("\n")


class Window:
    """A terminal of ``COLUMNS`` x ``ROWS`` with bash, started in ``home``, where its start files lie."""

    def __init__(self, name: str, home: Path, emit: Emit, environment: dict[str, str] | None = None) -> None:
        self.name = name
        self._emit = emit
        secret = secrets.token_hex(8)
        self._parser = marks.MarkParser(secret)
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._marks: list[marks.Mark] = []
        self._output = bytearray()  # since the command began to run, or since it was typed
        self._capturing = True
        self._busy = False  # something was typed, or a command runs, and no prompt has come since
        self._prompt_shown = False  # the text of the prompt came after its mark: the shell reads its terminal
        self._typed_group = 0  # the process group that owned the terminal when the last line was typed
        self._recent = bytearray()
        self._recorded = 0
        self._plain = 0  # above 0: a shell without marks; the number of the next marker
        self._prompt_group = 0  # the process group that printed the last prompt
        self._spawn: pexpect.spawn[bytes] = pexpect.spawn(
            "/bin/bash",
            env=_environment(home) | marks.environment(secret) | (environment or {}),
            cwd=str(home),
            dimensions=(ROWS, COLUMNS),
            timeout=None,
        )
        assert self._spawn.pid is not None
        self.shell: int = self._spawn.pid  # the first bash, as pytest's PID namespace numbers it
        self._spawn.delaybeforesend = None
        emit("window", window=name, what="open", data={"columns": COLUMNS, "rows": ROWS})
        self._next_mark(time.monotonic() + TIMEOUT, "bash")

    def __repr__(self) -> str:
        return f"<window {self.name}>"

    # What the window shows

    @property
    def pid(self) -> int:
        """The leader of the terminal's foreground process group, in the PID namespace of pytest (tcgetpgrp(3))."""
        return os.tcgetpgrp(self._spawn.child_fd)

    def ns(self, kind: str) -> str:
        """The namespace of the foreground process, as ``uts:[4026531838]``; kinds are the names in /proc/PID/ns."""
        return namespaces.link(self.pid, kind)

    def processes(self) -> list[tuple[int, int, str]]:
        """(pid, parent, role) of what the terminal shows: the foreground process group and its children.

        The role is ``shell`` for the group that waits at a prompt, ``job`` for a running command, ``child`` for a
        child of either that is in another group.
        """
        foreground = self.pid
        role = "shell" if foreground == self._prompt_group else "job"
        shown: list[tuple[int, int, str]] = []
        for pid, parent in _descendants(self.shell):
            group = _process_group(pid)
            if group == foreground:
                shown.append((pid, parent, role))
            elif any(parent == other for other, _, _ in shown):
                shown.append((pid, parent, "child"))
        return shown

    def screen(self) -> str:
        """The last lines that the window printed, as text."""
        self._drain()
        return "\n".join(clean(bytes(self._recent)).splitlines()[-ROWS:])

    # What a student does

    def run(self, text: str, timeout: float = TIMEOUT) -> Output:
        """Type ``text``, wait until the shell asks for more, and return what was printed.

        Several lines are typed one after the other, each when the shell waits for it.  Raises WindowTimeout after
        ``timeout`` seconds (the command is killed by SIGKILL first) and WindowClosed if the first shell has ended.
        """
        began = time.monotonic()
        deadline = began + timeout
        self._settle(deadline)
        raw = bytearray()
        mark: marks.Mark = marks.Prompt(0, 0)
        for line in text.split("\n"):
            mark = self._run_plain(line, deadline) if self._plain else self._run_line(line, deadline)
            if isinstance(mark, marks.Prompt):
                raw += self._output
        if isinstance(mark, marks.Continuation):
            self._spawn.send("\x03")
            self._next_mark(time.monotonic() + KILL_TIMEOUT, text)
            raise WindowError(f"{self.name}: `{text}` is unfinished: the shell waits for more (a quote, a `done`?)")
        assert isinstance(mark, marks.Prompt)
        output = Output(bytes(raw), mark.status)
        self._record_command(text, output, began)
        return output

    def enter(self, text: str, timeout: float = TIMEOUT) -> Output:
        """Run a command that must bring up another shell (unshare, nsenter, exec); WindowError if none answers.

        A failed unshare gives the old prompt back, and everything that is typed after it would reach the wrong shell.
        """
        before = self.pid, self._start_time()
        output = self.run(text, timeout)
        if (self.pid, self._start_time()) == before and "exec" not in text.split():
            raise WindowError(f"{self.name}: `{text}` started no shell; it printed: {output or 'nothing'}")
        return output

    def enter_plain(self, text: str, timeout: float = TIMEOUT) -> Output:
        """Run a command that brings up a shell without marks (busybox ash, a cleaned environment).

        From here on each command is followed by a numbered marker, typed in two halves so that its echo does not
        look like it, until that shell ends.
        """
        began = time.monotonic()
        self._settle(began + timeout)
        self._plain = 1
        mark = self._run_plain(text, began + timeout)
        output = Output(bytes(self._output), mark.status)
        self._record_command(text, output, began)
        return output

    def exit(self, timeout: float = TIMEOUT) -> None:
        """Leave the present shell (``exit``).  Leaving the first one closes the window."""
        if self._plain:
            self.run("exit", timeout)
            return
        deadline = time.monotonic() + timeout
        self._settle(deadline)
        try:
            self._run_line("exit", deadline)
        except WindowClosed:
            self._emit("window", window=self.name, what="close", data="")

    def send(self, text: str) -> None:
        """Type ``text`` as it is, without a newline and without waiting."""
        self._drain()
        self._output.clear()
        self._capturing, self._busy = True, self._busy or "\n" in text
        self._write(text)

    def wait_for(self, text: str, timeout: float = TIMEOUT) -> None:
        """Wait until ``text`` has been printed since the last command was typed."""
        deadline = time.monotonic() + timeout
        while text not in clean(bytes(self._output)):
            if not self._read(deadline):
                raise WindowTimeout(f"{self.name}: {text!r} did not appear within {timeout:g} s{self._shown()}")

    def close(self) -> None:
        """Kill everything that the window started, and close its terminal."""
        if self._spawn.closed:
            return
        for pid, _ in _descendants(self.shell):
            _kill(pid)
        if self._spawn.isalive():
            self._spawn.wait()
        self._spawn.close(force=False)
        self._emit("window", window=self.name, what="close", data="")

    # How it is done

    def _run_line(self, line: str, deadline: float) -> marks.Mark:
        self._type(line)
        return self._next_mark(deadline, line)

    def _run_plain(self, line: str, deadline: float) -> marks.Prompt:
        """Type ``line`` and a numbered marker; the output lies before the marker."""
        number, self._plain = self._plain, self._plain + 1
        self._type(line)
        self._write(f'echo __E""ND_{number}_$?__\n')
        marker = re.compile(rb"__END_%d_(\d+)__\r?\n" % number)
        while not (found := marker.search(bytes(self._output))):
            if not self._read(deadline):
                self._give_up(line, deadline)
        if any(isinstance(mark, marks.Prompt) for mark in self._marks):
            self._plain = 0  # the plain shell has ended: the marker was read by the bash below it
            while sum(isinstance(mark, marks.Prompt) for mark in self._marks) < 2:
                if not self._read(deadline):
                    self._give_up(line, deadline)
        lines = bytes(self._output[: found.start()]).splitlines(keepends=True)
        echoed = (line.encode(), b'echo __E""ND_')
        self._output[:] = b"".join(kept for kept in lines if not any(echo and echo in kept for echo in echoed))
        self._marks.clear()
        return marks.Prompt(int(found[1]), 0)

    def _type(self, line: str) -> None:
        self._output.clear()
        self._marks.clear()
        self._capturing, self._busy, self._recorded = True, True, 0
        self._typed_group = self.pid
        self._write(line + "\n")

    def _write(self, text: str) -> None:
        self._emit("window", window=self.name, what="in", data=text)
        try:
            self._spawn.send(text)
        except OSError as error:
            raise WindowClosed(f"{self.name}: the window is closed{self._shown()}") from error

    def _next_mark(self, deadline: float, command: str) -> marks.Mark:
        """Wait for the prompt, or for a continuation, that answers ``command``."""
        ran = False
        while True:
            while self._marks:
                mark = self._marks.pop(0)
                if isinstance(mark, marks.Running):
                    ran = True
                elif ran or isinstance(mark, marks.Continuation):
                    return mark
                elif self._is_of_another_shell(command):
                    self._settle(deadline)
                    if not self._marks:  # the shell below waits for input: the one that died had read the line
                        self._type(command)
                else:
                    self._cut_echo(command)
                    return mark
            if not self._read(deadline):
                self._give_up(command, deadline)

    def _is_of_another_shell(self, command: str) -> bool:
        """Whether a prompt came although ``command`` did not run, because the shell that should run it has died."""
        return bool(_code(command)) and 0 != self._typed_group != self._prompt_group

    def _cut_echo(self, command: str) -> None:
        """Leave only what a shell says of a line that it does not run: nothing, or a syntax error."""
        code = _code(command).encode()
        echo = self._output.rfind(code) if code else -1
        end = self._output.find(b"\n", echo) + 1 if echo >= 0 else len(self._output)
        del self._output[:end]

    def _give_up(self, command: str, deadline: float) -> None:
        shown = self._shown()
        self._kill_foreground()
        end = time.monotonic() + KILL_TIMEOUT
        with suppress(WindowClosed):
            while not any(isinstance(mark, marks.Prompt) for mark in self._marks) and self._read(end):
                pass
        self._plain = 0
        raise WindowTimeout(f"{self.name}: `{command}` did not end in time and was killed{shown}")

    def _kill_foreground(self) -> None:
        group = self.pid
        members = [pid for pid, _ in _descendants(self.shell) if _process_group(pid) == group]
        for pid in [below for member in members for below, _ in _descendants(member)]:
            _kill(pid)  # parents first, or a shell would go on with its next command

    def _settle(self, deadline: float) -> None:
        """Wait until the shell that printed the last prompt, and no dying one, owns the terminal.

        A killed shell leaves the terminal to the one below it, which prints a prompt that nobody asked for: it must
        not be taken for the answer to the next command.
        """
        self._drain()
        while not self._plain and not self._at_prompt():
            if not self._read(min(deadline, time.monotonic() + 0.002)) and time.monotonic() > deadline:
                raise WindowTimeout(f"{self.name}: no shell waits at a prompt{self._shown()}")
        if not self._prompt_shown:  # what is typed before the shell reads its terminal is echoed twice
            self._read(min(deadline, time.monotonic() + PROMPT_TIMEOUT))

    def _at_prompt(self) -> bool:
        return not self._busy and self.pid == self._prompt_group and _waits_and_lives(self._prompt_group)

    def _drain(self) -> None:
        while self._read(0):
            pass

    def _read(self, deadline: float) -> bool:
        """Take in what the terminal has; False if nothing came until ``deadline`` (0: do not wait)."""
        try:
            data = self._spawn.read_nonblocking(65536, max(0.0, deadline - time.monotonic()) if deadline else 0)
        except pexpect.TIMEOUT:
            return False
        except pexpect.EOF:
            if not deadline:
                return False
            raise WindowClosed(f"{self.name}: the first shell has ended{self._shown()}") from None
        for part in self._parser.feed(data):
            if isinstance(part, bytes):
                self._take(part)
                continue
            if isinstance(part, marks.Running):
                self._output.clear()
                self._busy = True
            elif isinstance(part, marks.Prompt):
                self._prompt_group = self.pid
                self._busy = self._prompt_shown = False
                self._capturing = bool(self._plain)  # what comes next is the prompt
            self._marks.append(part)
        return True

    def _take(self, part: bytes) -> None:
        self._prompt_shown = True
        if self._capturing:
            self._output += part
        self._recent += part
        del self._recent[:-SCREEN_BYTES]
        room = max(0, RECORDED_BYTES - self._recorded)
        self._recorded += len(part)
        if room:
            text = self._decoder.decode(part[:room])
            if len(part) > room:
                text += self._decoder.decode(b"", final=True) + "\r\n[... the rest of this output is not recorded]\r\n"
            self._emit("window", window=self.name, what="out", data=text)

    def _record_command(self, text: str, output: Output, began: float) -> None:
        seconds = round(time.monotonic() - began, 4)
        shown = str(output)[:RECORDED_BYTES]
        self._emit("command", window=self.name, text=text, status=output.status, seconds=seconds, output=shown)

    def _shown(self) -> str:
        text = "\n".join(clean(bytes(self._recent)).splitlines()[-ROWS:])
        return f"; the screen showed:\n{text}" if text else "; the screen was empty"

    def _start_time(self) -> Any:
        return _stat(self.pid)[19:20]


def _environment(home: Path) -> dict[str, str]:
    """A student's fresh login, not the environment of whoever started pytest."""
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(home),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "INPUTRC": str(home / ".inputrc"),
        "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
    }


def write_start_files(home: Path) -> None:
    """The start files of the windows: no history expansion, no notices of jobs, no bracketed paste, no completion."""
    (home / ".bashrc").write_text("set +H\nset +o history\nunset HISTFILE\nPS1='\\u@\\h:\\w\\$ '\n")
    (home / ".inputrc").write_text("set enable-bracketed-paste off\nset disable-completion on\nset bell-style none\n")


def _code(line: str) -> str:
    """What a shell runs of a line: nothing of an empty one or a comment."""
    return "" if line.lstrip().startswith("#") else line.strip()


def _descendants(pid: int) -> list[tuple[int, int]]:
    """(pid, parent) of ``pid`` and all processes below it, parents first."""
    found = [(pid, 0)]
    for process, _ in found:
        children = proc.read("/proc/PID/task/PID/children", process)
        found += [(child, process) for child in children] if isinstance(children, list) else []
    return found


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name (proc(5)): state, ppid, pgrp, ...; empty if there is no process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _process_group(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[2]) if fields else 0


def _waits_and_lives(pid: int) -> bool:
    """Whether a shell sleeps, as it does while it reads its terminal, and no fatal signal is on its way.

    A signal wakes the process before kill(2) returns, so that one which is about to die does not sleep.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return False
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    pending = int(fields["SigPnd"], 16) | int(fields["ShdPnd"], 16)
    return fields["State"][0] == "S" and not pending & _FATAL


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
