"""A window: a real terminal with a real bash in it, as a student would open one.

Commands are typed, never piped, and their end is known from the marks of :mod:`runtime.lab.marks`, not from the look
of a prompt.  A window follows its shell into other namespaces: ``unshare``, ``nsenter`` and ``exec`` change what the
window shows, and an observation looks at the processes that own its terminal.
"""

import os
import re
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from record import events
from runtime.kernel import namespaces, processes
from runtime.lab import marks, reader
from runtime.lab.terminal import (
    RECORDED_BYTES,
    CommandError,
    Emit,
    Terminal,
    WindowClosed,
    WindowError,
    WindowTimeout,
    clean,
)

TIMEOUT = 20.0  # seconds for a command, unless the lab says otherwise
PROMPT_TIMEOUT = 0.2  # seconds for the text of a prompt after its mark; a shell may have an empty one
SETTLE = 0.002  # seconds between two looks at a shell that is neither at its prompt nor dead


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


class Window:
    """A terminal with bash, started in ``home``, where its start files lie; the prompt is ``name`` unless given."""

    def __init__(
        self,
        name: str,
        home: Path,
        emit: Emit,
        prompt: str = "",
        patience: float = 1.0,
        beside: Callable[[], str] = str,
    ) -> None:
        """``patience``: by how much every limit of time is multiplied; ``beside``: what other windows show."""
        self.name = name
        self._emit, self._patience, self._beside = emit, patience, beside
        self._terminal = Terminal(name, home, emit, prompt)
        self._marker = 0  # above 0: a shell without marks; the number of the next marker
        self._plain_shell = (0, [""])  # where a shell without marks is in the foreground: its group, and since when
        self._typed_to = (0, 0)  # group and number of the shell to which the last line was typed
        self._next_mark(self._deadline(TIMEOUT), "bash")

    def __repr__(self) -> str:
        return f"<window {self.name}>"

    # What the window shows

    @property
    def shell(self) -> int:
        """The pid of the first bash of the window, in the PID namespace of pytest."""
        return self._terminal.shell

    @property
    def pid(self) -> int:
        """The leader of the terminal's foreground process group, in the PID namespace of pytest (tcgetpgrp(3))."""
        return self._terminal.foreground

    def ns(self, kind: str) -> str:
        """The namespace of the foreground process, as ``uts:[4026531838]``; kinds are the names in /proc/PID/ns."""
        return namespaces.link(self.pid, kind)

    def processes(self) -> list[tuple[int, int, str]]:
        """(pid, parent, role) of what the terminal shows: the foreground process group and its children.

        The role is ``shell`` for the group that waits at a prompt, ``job`` for a running command, ``child`` for a
        child of either that is in another group.
        """
        foreground = self.pid
        role = "shell" if foreground == self._terminal.prompt_group else "job"
        shown: list[tuple[int, int, str]] = []
        for pid, parent in processes.descendants(self.shell):
            group = processes.process_group(pid)
            if group == foreground:
                shown.append((pid, parent, role))
            elif any(parent == other for other, _, _ in shown):
                shown.append((pid, parent, "child"))
        return shown

    def screen(self) -> str:
        """The last lines that the window printed, as text."""
        self._terminal.drain()
        return "\n".join(self._terminal.lines())

    def catch_up(self) -> None:
        """Take in what was printed meanwhile, and the text of a prompt that is on its way."""
        terminal = self._terminal
        terminal.drain()
        if not (terminal.closed or terminal.busy or terminal.prompt_shown):
            with suppress(WindowClosed):
                terminal.read(time.monotonic() + PROMPT_TIMEOUT)

    # What a student does

    def run(self, text: str, timeout: float = TIMEOUT, *, status: int | Collection[int] | None = 0) -> Output:
        """Type ``text``, wait until the shell asks for more, and return what was printed.

        Several lines are typed one after the other, each when the shell waits for it.  ``status``: how the last one is
        expected to end, one exit status or several; None: any.  Raises CommandError if it ends otherwise, WindowTimeout
        after ``timeout`` seconds (the command is killed by SIGKILL first), WindowClosed if the first shell has ended.
        """
        began = time.monotonic()
        deadline = self._deadline(timeout)
        self._settle(deadline)
        raw = bytearray()
        mark: marks.Mark = marks.Continuation()
        for number, line in enumerate(text.split("\n")):
            if number:
                self._settle(deadline, midway=isinstance(mark, marks.Continuation))
            mark = self._run_plain(line, deadline) if self._marker else self._run_line(line, deadline)
            if isinstance(mark, marks.Prompt):
                raw += self._terminal.output
        if isinstance(mark, marks.Continuation):
            self._settle(deadline, midway=True)
            self._terminal.write("\x03")
            self._next_mark(time.monotonic() + processes.KILL_TIMEOUT, text)
            raise WindowError(f"{self.name}: `{text}` is unfinished: the shell waits for more (a quote, a `done`?)")
        assert isinstance(mark, marks.Prompt)
        output = Output(bytes(raw), mark.status)
        self._record_command(text, output, began)
        self._settle(self._deadline(TIMEOUT))  # a shell that is signalled before it reads may lose the signal
        expected = {status} if isinstance(status, int) else status
        if expected is not None and output.status not in expected:
            wanted = " or ".join(map(str, sorted(expected)))
            raise CommandError(
                f"{self.name}: `{text}` ended with {output.status}, not {wanted}; it printed: {output or 'nothing'}"
            )
        return output

    def enter(self, text: str, timeout: float = TIMEOUT) -> Output:
        """Run a command that must bring up another shell (unshare, nsenter, exec); WindowError if none answers.

        A failed unshare gives the old prompt back, and everything that is typed after it would reach the wrong shell.
        """
        before = self._foreground()
        output = self.run(text, timeout, status=None)
        if self._foreground() == before and "exec" not in text.split():
            raise WindowError(f"{self.name}: `{text}` started no shell; it printed: {output or 'nothing'}")
        return output

    def enter_plain(self, text: str, timeout: float = TIMEOUT) -> Output:
        """Run a command that brings up a shell without marks (busybox ash, a cleaned environment).

        From here on each command is followed by a numbered marker, typed in two halves so that its echo does not
        look like it, until that shell ends.
        """
        began, deadline = time.monotonic(), self._deadline(timeout)
        self._settle(deadline)
        mark = self._start_plain(text, deadline)
        output = Output(bytes(self._terminal.output), mark.status)
        self._record_command(text, output, began)
        if not self._marker:
            raise WindowError(f"{self.name}: `{text}` started no shell; it printed: {output or 'nothing'}")
        return output

    def exit(self, timeout: float = TIMEOUT) -> None:
        """Leave the present shell (``exit``).  Leaving the first one closes the window."""
        if self._marker:
            self.run("exit", timeout, status=None)
            return
        deadline = self._deadline(timeout)
        self._settle(deadline)
        try:
            self._run_line("exit", deadline)
        except WindowClosed:
            self._emit(events.Window(self.name, "close"))

    def send(self, text: str) -> None:
        """Type ``text`` as it is, without a newline and without waiting."""
        self._terminal.drain()
        self._terminal.type(text)

    def wait_for(self, text: str, timeout: float = TIMEOUT) -> None:
        """Wait until ``text`` has been printed since the last command was typed."""
        deadline = self._deadline(timeout)
        while text not in clean(bytes(self._terminal.output)):
            if not self._terminal.read(deadline):
                raise self._late(f"{text!r} did not appear in time")

    def close(self) -> None:
        """Kill everything that the window started, and close its terminal."""
        if not self._terminal.closed:
            processes.kill([pid for pid, _ in processes.descendants(self.shell)])
            self._terminal.close()

    # How it is done

    def _run_line(self, line: str, deadline: float) -> marks.Mark:
        deadline += self._type(line)
        return self._next_mark(deadline, line)

    def _start_plain(self, line: str, deadline: float) -> marks.Prompt:
        """Type a line that starts a shell without marks; its first marker when the shell above cannot read that."""
        terminal = self._terminal
        shell = reader.find(terminal)
        self._type(line)
        while not (terminal.marks and isinstance(terminal.marks[-1], marks.Prompt)):
            if reader.gave_terminal(terminal, shell):
                self._begin_plain()
                return self._until_marker(line, deadline)
            if not terminal.read(min(deadline, time.monotonic() + SETTLE)) and time.monotonic() > deadline:
                self._give_up(line)
        return terminal.marks[-1]

    def _run_plain(self, line: str, deadline: float) -> marks.Prompt:
        if self._plain_shell != self._foreground():
            self._end_plain()
            raise WindowError(f"{self.name}: `{line}` was not typed: the shell that was to read it has ended")
        self._type(line)
        return self._until_marker(line, deadline)

    def _until_marker(self, line: str, deadline: float) -> marks.Prompt:
        """Type a numbered marker behind ``line``; the output lies before the marker."""
        terminal = self._terminal
        number, self._marker = self._marker, self._marker + 1
        end = f'echo __E""ND_{number}_$?__'
        terminal.write(end + "\n")
        marker = re.compile(rb"__END_%d_(\d{1,3})__\r?\n" % number)
        while not (found := marker.search(bytes(terminal.output))):
            self._read_or_give_up(deadline, line)
        if self._prompts():
            self._end_plain()  # the plain shell has ended: the marker was read by the bash below it
            while self._prompts() < 2:
                self._read_or_give_up(deadline, line)
        output = bytes(terminal.output[: found.start()])
        terminal.output[:] = _without_echo(_without_echo(output, line), end)
        terminal.marks.clear()
        self._plain_shell = self._foreground()
        return marks.Prompt(int(found[1]), 0)

    def _begin_plain(self) -> None:
        self._marker, self._terminal.plain = 1, True

    def _end_plain(self) -> None:
        self._marker, self._terminal.plain = 0, False

    def _prompts(self) -> int:
        return sum(isinstance(mark, marks.Prompt) for mark in self._terminal.marks)

    def _type(self, line: str) -> float:
        """Type a line; returns the seconds that it took: a stage may show it slowly (``--type-speed``)."""
        began = time.monotonic()
        self._typed_to = 0 if self._terminal.closed else self.pid, self._terminal.prompt_number
        self._terminal.type(line + "\n")
        return time.monotonic() - began

    def _next_mark(self, deadline: float, command: str) -> marks.Mark:
        """Wait for the prompt, or for a continuation, that answers ``command``."""
        ran = False
        while True:
            while self._terminal.marks:
                mark = self._terminal.marks.pop(0)
                if isinstance(mark, marks.Running):
                    self._check_shell(mark.shell_pid, self._typed_to[0], command)
                    ran = True
                elif ran or isinstance(mark, marks.Continuation):
                    return mark
                else:
                    self._check_shell(mark.shell_pid, self._terminal.prompt_group, command)
                    self._cut_echo(command)
                    return mark
            self._read_or_give_up(deadline, command)

    def _read_or_give_up(self, deadline: float, command: str) -> None:
        if not self._terminal.read(deadline):
            self._give_up(command)

    def _check_shell(self, number: int, group: int, command: str) -> None:
        """WindowError if ``command`` was typed to one shell and another one answers, by its number or its group."""
        if self._typed_to != (0, 0) and self._typed_to != (group, number):
            raise WindowError(
                f"{self.name}: the shell to which `{command}` was typed ended before it read that, and the shell below "
                f"it has the terminal now{self._terminal.shown()}"
            )

    def _cut_echo(self, command: str) -> None:
        """Leave only what a shell says of a line that it does not run: nothing, or a syntax error."""
        code, output = _code(command).encode(), self._terminal.output
        echo = output.rfind(code) if code else -1
        end = output.find(b"\n", echo) + 1 if echo >= 0 else len(output)
        del output[:end]

    def _give_up(self, command: str) -> NoReturn:
        late = self._late(f"`{command}` did not end in time and was killed")
        self._kill_foreground()
        end = time.monotonic() + processes.KILL_TIMEOUT
        with suppress(WindowClosed):
            while not self._prompts() and self._terminal.read(end):
                pass
        self._end_plain()
        raise late

    def _late(self, what: str) -> WindowTimeout:
        load, processors = os.getloadavg()[0], os.cpu_count() or 1
        busy = (
            f" (load {load:.0f} on {processors} processors; --timeout-factor waits longer)" if load > processors else ""
        )
        return WindowTimeout(f"{self.name}: {what}{busy}{self._terminal.shown()}{self._beside()}")

    def _deadline(self, timeout: float) -> float:
        return time.monotonic() + timeout * self._patience

    def _kill_foreground(self) -> None:
        group = self.pid
        members = [pid for pid, _ in processes.descendants(self.shell) if processes.process_group(pid) == group]
        # parents first, or a shell would go on with its next command
        processes.kill([below for member in members for below, _ in processes.descendants(member)])

    def _settle(self, deadline: float, midway: bool = False) -> None:
        """Wait until the shell that printed the last prompt reads the terminal; ``midway``: the rest of a command."""
        terminal = self._terminal
        terminal.drain()
        while not self._marker and not reader.waits(terminal, midway):
            if not terminal.read(min(deadline, time.monotonic() + SETTLE)) and time.monotonic() > deadline:
                raise self._late("no shell waits at a prompt")
        terminal.show()
        if not terminal.prompt_shown:  # what is typed before the shell reads its terminal is echoed twice
            terminal.read(min(deadline, time.monotonic() + PROMPT_TIMEOUT))

    def _record_command(self, text: str, output: Output, began: float) -> None:
        seconds = round(time.monotonic() - began, 4)
        shown = str(output)[:RECORDED_BYTES]
        self._emit(events.Command(self.name, text, output.status, seconds, shown))

    def _foreground(self) -> tuple[int, list[str]]:
        """The leader of the terminal's foreground process group, and when it started: numbers are used again."""
        return self.pid, processes.stat(self.pid)[19:20]


def _without_echo(output: bytes, typed: str) -> bytes:
    """``output`` without the lines that show what was ``typed``; a shell's editor breaks them at the edge."""
    echo = rb"(?:\r+\n)?".join(re.escape(bytes([byte])) for byte in typed.encode())
    return re.sub(rb"[^\n]*" + echo + rb"[\r ]*(?:\n|\Z)", b"", output) if typed else output


def _code(line: str) -> str:
    """What a shell runs of a line: nothing of an empty one or a comment."""
    return "" if line.lstrip().startswith("#") else line.strip()
