"""What the windows of an exercise show, step by step, and how it came about: moment by moment on one clock."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from record.events import Window as WindowEvent
from record.model import Command, Exercise, Step
from record.screen import COLUMNS, ROWS, Line, plain
from record.text import visible
from record.window import Change, Shown, Window
from reports.pages.palette import Palette

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


@dataclass
class _Moment:
    """A moment of a window: when, the line that was typed then, and what changed on the screen."""

    at: float
    window: str
    typed: str = ""
    changes: list[Change] = field(default_factory=list)


class Windows:
    """The windows of an exercise, fed in the order of its steps."""

    def __init__(self, exercise: Exercise, palette: Palette) -> None:
        self._events = [(key, list(events)) for key, events in groupby(exercise.output, lambda event: event.step)]
        self._windows: dict[str, Window] = {}
        self._palette = palette
        self.replay: object = None
        """How the last step came about, for the script of the page: [milliseconds, window, lines that were typed, first
        line, lines ...] of each moment, in the order of time; None when no window was used."""

    def step(self, step: Step) -> list[WindowView]:
        """What each window shows of `step`; windows in which nothing happened are left out."""
        for window in self._windows.values():
            window.begin()
        mine: list[WindowEvent] = []
        moments: list[_Moment] = []
        while self._events and any(key == step.id for key, _ in self._events):
            key, events = self._events.pop(0)
            if key == step.id:
                mine += events
                moments += self._feed(events)
            else:
                self._feed(events)
                for window in self._windows.values():
                    window.begin()
        used = {event.window for event in mine if event.what == "in" or "\n" in event.data}
        views = [self._view(name, step, _lines_typed(mine, name)) for name in self._windows if name in used]
        self.replay = self._replay(views, moments) if views else None
        return views

    def _feed(self, events: list[WindowEvent]) -> list[_Moment]:
        """Show `events` in the windows; returns what happened when."""
        moments = [_Moment(event.t, event.window, event.data if event.what == "in" else "") for event in events]
        for event in events:
            if event.window not in self._windows:
                size = (event.columns, event.rows) if event.columns and event.rows else (COLUMNS, ROWS)
                self._windows[event.window] = Window(*size)
        for name in dict.fromkeys(event.window for event in events):
            places = [place for place, event in enumerate(events) if event.window == name and event.what == "out"]
            changes = self._windows[name].play([events[place].data for place in places])
            for place, change in zip(places, changes, strict=True):  # what the output changed stands with its moment
                moments[place].changes = change
        return moments

    def _replay(self, views: list[WindowView], moments: list[_Moment]) -> dict[str, object]:
        numbers = {view.name: number for number, view in enumerate(views)}
        moments = [moment for moment in moments if moment.window in numbers]
        told: list[list[object]] = []
        typed: dict[str, str] = {}
        for moment in moments:
            typed[moment.window] = moment.typed or typed.get(moment.window, "")
            for change in moment.changes:  # a typed line is seen when the terminal echoes it
                count = _count_typed([plain(line) for line in change.lines], typed.pop(moment.window, "").strip())
                lines = [self._line(line) for line in change.lines]
                at = round(1000 * (moment.at - moments[0].at), 1)
                told.append([at, numbers[moment.window], count, change.first, *lines])
        return {"windows": [visible(view.name) for view in views], "moments": told}

    def _line(self, line: Line) -> object:
        """A line as text, or with looks as [text, class names, text, class names ...]."""
        spans = self._palette.spans(line)
        return [part for span in spans for part in span] if any(look for _, look in spans) else plain(line)

    def _view(self, name: str, step: Step, texts: list[str]) -> WindowView:
        shown: Shown = self._windows[name].shown(EARLIER_LINES)
        typed = _typed(shown, texts)
        head, tail = len(shown.head), len(shown.lines)
        lines = [TerminalLine(self._palette.spans(line), n in typed) for n, line in enumerate(shown.lines)]
        earlier = [TerminalLine(self._palette.spans(line)) for line in shown.earlier]
        failed = [command for command in step.commands if command.window == name and command.status]
        return WindowView(name, earlier, lines[:head], shown.left_out, lines[head:tail], failed)


def _count_typed(lines: Sequence[str], typed: str) -> int:
    """How many of the lines hold what was typed: it may wrap."""
    ends = (count for count in range(1, len(lines) + 1) if _dense(lines[:count]).endswith(_dense([typed])))
    return next(ends, 1) if typed and lines else 0


def _dense(lines: Sequence[str]) -> str:
    """Lines without blanks: one at the end of a line is not kept, so a wrap may have swallowed it."""
    return re.sub(r"\s+", "", "".join(lines))


def _lines_typed(events: Sequence[WindowEvent], window: str) -> list[str]:
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
    joined, text = _dense([texts[last]]), _dense([text])
    begin = last
    while len(joined) < len(text) and begin > first and text.endswith(joined):
        begin -= 1
        joined = _dense([texts[begin]]) + joined
    return range(begin, last + 1) if joined.endswith(text) else None
