"""What a step added to a window: the lines of a screen from its prompt on, and how they came about."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from record.screen import COLUMNS, PLAIN, ROWS, Line, Look, Screen, plain

LINES = 400
"""Lines of one window and step that are shown; of longer output the middle is left out."""
WIDTH = 2000
"""Characters of one line that are shown before it is cut."""


@dataclass
class Shown:
    """What a step added to a window: its last `earlier` lines from before, and its own `head` and `tail`.

    `left_out` lines between head and tail are not shown.
    """

    earlier: list[Line] = field(default_factory=list)
    head: list[Line] = field(default_factory=list)
    left_out: int = 0
    tail: list[Line] = field(default_factory=list)

    @property
    def lines(self) -> list[Line]:
        return self.head + self.tail


@dataclass(frozen=True)
class Change:
    """What a piece of output changed: the lines of the step from number `first` on; none: the step ends before it."""

    first: int
    lines: list[Line]


class Window:
    """One window over one exercise. ``play`` takes its output; ``begin`` and ``shown`` bracket a step."""

    def __init__(self, columns: int = COLUMNS, rows: int = ROWS) -> None:
        self._screen = Screen(columns, rows)
        self._from = 0
        self._left_out = 0
        self._cut_at = 0
        self._last: list[Line] = []

    def begin(self) -> None:
        """From here on is a new step; the line of the cursor (the prompt) belongs to it."""
        self._from = self._screen.position
        self._left_out = 0
        self._last = []

    def feed(self, output: str) -> None:
        """Take all that the window printed in the step, in one piece."""
        for _ in self.play([output]):
            pass

    def play(self, pieces: Sequence[str]) -> Iterator[list[Change]]:
        """Take what the window printed, piece by piece; after each comes what it changed of the first lines."""
        output = "".join(pieces)
        head, skipped, tail = _cut(output)
        start, end = len(head), len(output) - len(tail)
        at = 0
        for piece in pieces:
            crossed = bool(skipped) and at <= start < at + len(piece)
            self._screen.feed(piece[: max(0, start - at)], ends=crossed)
            if crossed:
                self._cut_at = self._screen.position
                self._left_out += skipped.count("\n")
                self._screen.feed("".join(_SGR.findall(skipped)))
            if skipped:
                self._screen.feed(piece[max(0, end - at) :])
            at += len(piece)
            yield self._changes()

    def _changes(self) -> list[Change]:
        """What of the first lines of the step differs from when this was asked before."""
        shown, screen = self._last, self._screen
        length = max(0, min(screen.length - self._from, LINES // 2))
        touched = {number - self._from for number in screen.touched()} | set(range(len(shown), length))
        changes: list[Change] = []
        for number in sorted(number for number in touched if 0 <= number < length):
            line = screen.line(self._from + number)
            if shown[number : number + 1] == [line]:
                continue
            shown[number : number + 1] = [line]
            if changes and number == changes[-1].first + len(changes[-1].lines):
                changes[-1].lines.append(_shorten(line))
            else:
                changes.append(Change(number, [_shorten(line)]))
        if len(shown) > length:
            del shown[length:]
            changes.append(Change(length, []))
        return changes

    def shown(self, earlier: int = 0) -> Shown:
        """What the step has added so far, with up to `earlier` lines from before it."""
        lines = self._screen.lines()
        new = [_shorten(line) for line in lines[self._from :]]
        before = [_shorten(line) for line in lines[max(0, self._from - earlier) : self._from]]
        cut = self._cut_at - self._from if self._left_out else len(new)
        head, tail = new[:cut], new[cut:]
        hidden = self._left_out + max(0, len(head) - LINES // 2) + max(0, len(tail) - LINES // 2)
        if self._left_out:
            return Shown(before, head[: LINES // 2], hidden, _stripped(tail[-LINES // 2 :]))
        if len(new) > LINES:
            return Shown(before, new[: LINES // 2], len(new) - LINES, _stripped(new[-LINES // 2 :]))
        return Shown(before, _stripped(new))


_SGR = re.compile(r"\x1b\[[0-9;:]*m")


def _cut(output: str) -> tuple[str, str, str]:
    """(head, left out, tail) of a long output, so that the screen need not read all of it."""
    if output.count("\n") <= 2 * LINES and len(output) <= 2 * LINES * WIDTH:
        return output, "", ""
    ends = [found.end() for found in re.finditer("\n", output)]
    if len(ends) <= 2 * LINES:  # few lines, but long
        half = LINES * WIDTH
        return output[:half], output[half:-half] + "\n", output[-half:]
    head, tail = ends[LINES // 2 - 1], ends[-LINES // 2 - 1]
    return output[:head], output[head:tail], output[tail:]


def _shorten(line: Line) -> Line:
    if sum(len(text) for text, _ in line) <= WIDTH:
        return line
    kept: list[tuple[str, Look]] = []
    room = WIDTH
    for text, look in line:
        kept.append((text[:room], look))
        room -= len(text)
        if room <= 0:
            break
    return (*kept, ("…", PLAIN))


def _stripped(lines: Sequence[Line]) -> list[Line]:
    """`lines` without empty ones at the end."""
    end = len(lines)
    while end and not plain(lines[end - 1]).strip():
        end -= 1
    return list(lines[:end])
