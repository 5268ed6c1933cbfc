"""What the windows of an exercise show, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from reports.model import Command, Exercise, Step, WindowOutput
from reports.palette import Palette
from reports.terminal import Shown, Terminal, plain

EARLIER_LINES = 4
"""Lines of a window from before the step that are shown above its own."""


@dataclass(frozen=True)
class TerminalLine:
    """One line of a window: stretches of (text, class names); `typed` if it holds a command."""

    spans: list[tuple[str, str]]
    typed: bool = False


@dataclass(frozen=True)
class WindowView:
    """A window in a step: lines from before, its own, and in between the number of those left out."""

    name: str
    earlier: list[TerminalLine]
    head: list[TerminalLine]
    left_out: int
    tail: list[TerminalLine]
    failed: list[Command]


class Windows:
    """The terminals of an exercise, fed in the order of its steps."""

    def __init__(self, exercise: Exercise, palette: Palette) -> None:
        self._events = [(key, list(events)) for key, events in groupby(exercise.output, lambda event: event.step)]
        self._terminals: dict[str, Terminal] = {}
        self._palette = palette

    def step(self, step: Step) -> list[WindowView]:
        """What each window shows of `step`; windows in which nothing happened are left out."""
        for terminal in self._terminals.values():
            terminal.begin()
        mine: list[WindowOutput] = []
        while self._events and any(key == step.id for key, _ in self._events):
            key, events = self._events.pop(0)
            self._feed(events)
            if key == step.id:
                mine += events
            else:
                for terminal in self._terminals.values():
                    terminal.begin()
        used = {event.window for event in mine if event.what == "in" or "\n" in event.data}
        return [self._view(name, step, _lines_typed(mine, name)) for name in self._terminals if name in used]

    def _feed(self, events: list[WindowOutput]) -> None:
        for window in dict.fromkeys(event.window for event in events):
            pending = ""
            for event in (event for event in events if event.window == window):
                if event.what == "out":
                    pending += event.data
                elif event.what in ("open", "size") and event.columns and event.rows:
                    self._terminal(window).feed(pending)
                    pending = ""
                    self._terminal(window, event).resize(event.columns, event.rows)
            self._terminal(window).feed(pending)

    def _terminal(self, window: str, size: WindowOutput | None = None) -> Terminal:
        if window not in self._terminals:
            self._terminals[window] = Terminal(size.columns, size.rows) if size else Terminal()
        return self._terminals[window]

    def _view(self, name: str, step: Step, texts: list[str]) -> WindowView:
        shown: Shown = self._terminal(name).shown(EARLIER_LINES)
        typed = _typed(shown, texts)
        head, tail = len(shown.head), len(shown.lines)
        lines = [TerminalLine(self._palette.spans(line), n in typed) for n, line in enumerate(shown.lines)]
        earlier = [TerminalLine(self._palette.spans(line)) for line in shown.earlier]
        failed = [command for command in step.commands if command.window == name and command.status]
        return WindowView(name, earlier, lines[:head], shown.left_out, lines[head:tail], failed)


def _lines_typed(events: Sequence[WindowOutput], window: str) -> list[str]:
    """The lines that were typed in a window."""
    data = "".join(event.data for event in events if event.window == window and event.what == "in")
    return [line.strip() for line in data.replace("\r", "\n").split("\n") if line.strip()]


def _typed(shown: Shown, lines: Sequence[str]) -> set[int]:
    """The numbers of the lines that hold what was typed: found in order, as the ends of lines or across a wrap."""
    typed: set[int] = set()
    at = 0
    texts = [plain(line) for line in shown.lines]
    for text in lines:
        found = next((span for end in range(at, len(texts)) if (span := _ends_with(texts, at, end, text))), None)
        if found:
            typed |= set(found)
            at = found[-1] + 1
    return typed


def _ends_with(texts: Sequence[str], first: int, last: int, text: str) -> range | None:
    """The lines up to `last`, none before `first`, that end with `text` when put together; as few as are needed."""
    joined = texts[last].rstrip()
    begin = last
    while len(joined) < len(text) and begin > first and text.endswith(joined):
        begin -= 1
        joined = texts[begin] + joined
    return range(begin, last + 1) if joined.endswith(text) else None
