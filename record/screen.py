r"""What a window printed, as lines of coloured text, at each moment.

A terminal emulator (pyte) is fed with the window's output of one exercise, piece by piece, so that what a step shows is
what a person at the window would have seen: the prompt it began with, typed text as echoed, colours, overwritten
lines. Sequences that show nothing (titles, links, shell-integration marks) vanish; bytes that are no UTF-8 stand in
the record as ``\xNN`` and stay like this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

import pyte
import pyte.modes

from record.text import visible

LINES = 400
"""Lines of one window and step that are shown; of longer output the middle is left out."""
WIDTH = 2000
"""Characters of one line that are shown before it is cut."""
COLUMNS, ROWS = 80, 24


@dataclass(frozen=True)
class Look:
    """How a stretch of text looks. A colour is "" (the default), a name of pyte ("red") or six hex digits."""

    front: str = ""
    back: str = ""
    bold: bool = False
    italic: bool = False
    underline: bool = False
    strike: bool = False
    reverse: bool = False


PLAIN = Look()
Line = tuple[tuple[str, Look], ...]


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


def plain(line: Line) -> str:
    """The characters of a line without their look."""
    return "".join(text for text, _ in line)


@dataclass(frozen=True)
class Change:
    """What a piece of output changed: the lines of the step from number `first` on; none: the step ends before it."""

    first: int
    lines: list[Line]


class Terminal:
    """One window over one exercise. ``play`` takes its output; ``begin`` and ``shown`` bracket a step."""

    def __init__(self, columns: int = COLUMNS, rows: int = ROWS) -> None:
        self._screen = _Screen(max(columns, 1), max(rows, 1))
        self._stream = pyte.Stream(self._screen)
        self._from = 0
        self._left_out = 0
        self._cut_at = 0
        self._last: list[Line] = []

    def resize(self, columns: int, rows: int) -> None:
        """Follow the window to a new size; lines that no longer fit go to the history."""
        if columns > 0 and rows > 0:
            self._screen.grow(columns, rows)

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
        at, held = 0, ""
        for number, piece in enumerate(pieces, 1):
            before, after = piece[: max(0, start - at)], piece[max(0, end - at) :] if skipped else ""
            crossed = skipped and at <= start < at + len(piece)
            at += len(piece)
            text = held + before
            held = _begun(text) if number < len(pieces) and not crossed else ""
            self._write(text.removesuffix(held))
            if crossed:
                self._cut_at = self._screen.position
                self._left_out += skipped.count("\n")
                self._write("".join(_SGR.findall(skipped)))
            if skipped:
                self._write(after)
            yield self._changes()

    def _changes(self) -> list[Change]:
        """What of the first lines of the step differs from when this was asked before."""
        shown, screen = self._last, self._screen
        length = max(0, min(screen.length - self._from, LINES // 2))
        touched = {number - self._from for number in screen.touch()} | set(range(len(shown), length))
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
        lines = self._screen.history()
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

    def _write(self, text: str) -> None:
        for line in _safe(text).splitlines(keepends=True):
            try:
                self._stream.feed(line)
            except Exception:  # pyte's parser is dead after an error in a sequence it half knows: begin anew behind it
                self._stream = pyte.Stream(self._screen)


class _Screen(pyte.Screen):
    """A screen that keeps what scrolls off its top or is cleared, and knows the second screen of editors. Lines are
    counted from the first one ever printed."""

    def __init__(self, columns: int, rows: int) -> None:
        self.scrolled: list[Line] = []
        self.first: tuple[object, ...] | None = None
        self._touched: set[int] = set()
        super().__init__(columns, rows)

    @property
    def position(self) -> int:
        """The number of the cursor's line."""
        return len(self.scrolled) + self.cursor.y

    @property
    def length(self) -> int:
        """The number of lines down to the last one that holds something, or the cursor."""
        below = (y for y in range(self.lines - 1, self.cursor.y, -1) if self._line(y))
        return len(self.scrolled) + next(below, self.cursor.y) + 1

    def line(self, number: int) -> Line:
        above = len(self.scrolled)
        return self.scrolled[number] if number < above else self._line(number - above)

    def history(self) -> list[Line]:
        """All lines."""
        return [self.line(number) for number in range(self.length)]

    def touch(self) -> set[int]:
        """The numbers of lines that may have changed since this was asked before."""
        self._settle()
        touched, self._touched = self._touched, set()
        return touched

    def _settle(self) -> None:
        """Count what was touched by lines, before the screen moves over them."""
        self._touched |= {len(self.scrolled) + y for y in self.dirty}
        self.dirty.clear()

    def grow(self, columns: int, rows: int) -> None:
        self._settle()
        for _ in range(self.cursor.y - rows + 1):
            self.scrolled.append(self._line(0))
            self.cursor.y -= 1
            for y in range(self.lines):
                self.buffer[y] = self.buffer[y + 1]
        cursor = self.cursor.x, self.cursor.y
        super().resize(max(rows, self.lines), columns)
        self.lines = rows
        self.cursor.x, self.cursor.y = min(cursor[0], columns - 1), min(cursor[1], rows - 1)

    def index(self) -> None:
        if self.cursor.y == self.lines - 1 and self.margins is None and self.first is None:
            self._settle()
            self.scrolled.append(self._line(0))
            super().index()
            self.dirty.clear()
            self.dirty.add(self.lines - 1)
        else:
            super().index()

    def erase_in_display(self, how: int = 0, *args: object, **kwargs: object) -> None:
        whole = how == 2 or (how == 0 and self.cursor.x == self.cursor.y == 0)
        if whole and self.first is None:
            self._keep()
        if how < 3:
            super().erase_in_display(how)

    def reset(self) -> None:
        if self.scrolled or self.buffer:
            self._keep()
        super().reset()

    def set_mode(self, *modes: int, **kwargs: bool) -> None:
        if kwargs.get("private") and set(modes) & {47, 1047, 1049}:
            if self.first is None:
                self.first = {y: line.copy() for y, line in self.buffer.items()}, self.cursor.x, self.cursor.y
                self.dirty.update(range(self.lines))
                self.buffer.clear()
                self.cursor.x = self.cursor.y = 0
            return
        super().set_mode(*modes, **kwargs)

    def reset_mode(self, *modes: int, **kwargs: bool) -> None:
        if kwargs.get("private") and set(modes) & {47, 1047, 1049}:
            if self.first is not None:
                buffer, self.cursor.x, self.cursor.y = self.first  # type: ignore[assignment]
                self.buffer.clear()
                self.buffer.update(buffer)  # type: ignore[call-overload]
                self.dirty.update(range(self.lines))
                self.first = None
            return
        super().reset_mode(*modes, **kwargs)

    def _keep(self) -> None:
        self._settle()
        rows = [self._line(y) for y in range(self.lines)]
        used = max((y for y, row in enumerate(rows) if row), default=-1)
        self.scrolled += rows[: used + 1]

    def _line(self, y: int) -> Line:
        row = self.buffer.get(y)
        if not row:
            return ()
        cells = [row[x] for x in range(max(row) + 1)]
        while cells and not cells[-1].data.strip() and _look(cells[-1]) == PLAIN:
            cells.pop()
        runs = [list(run) for _, run in groupby(cells, _ATTRIBUTES)]
        return tuple(("".join(cell.data for cell in run), _look(run[0])) for run in runs)


_ATTRIBUTES = itemgetter(slice(1, None))


def _look(cell: pyte.screens.Char) -> Look:
    if cell[1:] == ("default", "default", False, False, False, False, False, False):
        return PLAIN
    front, back = ("" if name == "default" else _NAMES.get(name, name) for name in (cell.fg, cell.bg))
    return Look(front, back, cell.bold, cell.italics, cell.underscore, cell.strikethrough, cell.reverse)


_NAMES = {"brown": "yellow", "brightbrown": "brightyellow", "bfightmagenta": "brightmagenta"}

_BEGUN = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b\x9c\n]*\x1b?|[ -/]*)?$")
"""A sequence that goes on in the next piece."""
_SGR = re.compile(r"\x1b\[[0-9;:]*m")
_SEQUENCES = re.compile(
    r"\x1b\][^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)"  # OSC: titles, links, marks
    r"|\x1b[PX^_][^\x1b\x9c]*(?:\x1b\\|\x9c)"  # DCS, SOS, PM, APC
    r"|\x1b\[\?(?P<modes>[0-9;]+)(?P<set>[hl])"  # private modes: only those of the second screen and wrapping matter
    r"|\x1b\[[<=>?][0-?]*[ -/]*[@-~]"  # other private sequences
    r"|\x1b\[[0-?]*[ -/]+[@-~]"  # such as the shape of the cursor
    r"|\x1b\[(?P<colour>[0-9;]*:[0-9;:]*)m"  # colours with colons
    r"|(?P<broken>\x1b(?:[\]PX^_]|$)|\x9d|\x90|\x98|\x9e|\x9f)"  # begun and never ended
)


def _begun(text: str) -> str:
    """The end of `text` that is the beginning of a sequence."""
    found = _BEGUN.search(text)
    return found[0] if found else ""


def _safe(text: str) -> str:
    """`text` without sequences that show nothing; what no terminal would print is spelled out."""
    return _spell(_SEQUENCES.sub(_replaced, text))


def _replaced(found: re.Match[str]) -> str:
    if found["broken"]:
        return visible(found["broken"])
    if found["modes"] and set(found["modes"].split(";")) & {"7", "47", "1047", "1049"}:
        return found[0]
    if found["colour"]:
        return f"\x1b[{_semicolons(found['colour'])}m"
    return ""


def _semicolons(colour: str) -> str:
    colour = re.sub(r"\b([34]8):2:\d*:(\d+:\d+:\d+)", r"\1:2:\2", colour)  # 38:2:colour space:r:g:b
    parts = colour.split(";")
    return ";".join(part.replace(":", ";") if part[:3] in ("38:", "48:") else part.split(":")[0] for part in parts)


_CONTROLS = "\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x1b\x84\x85\x88\x8d\x9b"


def _spell(text: str) -> str:
    return text if text.isascii() else visible(text, keep=_CONTROLS)


def _cut(output: str) -> tuple[str, str, str]:
    """(head, left out, tail) of a long output, so that the emulator need not read all of it."""
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
