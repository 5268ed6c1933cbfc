r"""The only terminal screen: what a window shows after what it printed, however that was torn into pieces.

pyte keeps the cells. Around it: what scrolls off the top or is cleared stays readable, the second screen of editors is
left again, joined characters are drawn as a simple terminal draws them, and nothing that is printed can end it.
Sequences that show nothing (titles, links, shell-integration marks) vanish; characters that would hide something are
spelled out, as ``visible`` does; bytes that are no UTF-8 stand in the record as ``\xNN`` and stay like this.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import itemgetter

import pyte
from pyte.screens import Char, Margins
from wcwidth import wcwidth

from record.text import visible

COLUMNS, ROWS = 80, 24


@dataclass(frozen=True)
class Look:
    """How a stretch of text looks. A colour is "" (the default), a name ("red", "brightred") or six hex digits."""

    front: str = ""
    back: str = ""
    bold: bool = False
    italic: bool = False
    underline: bool = False
    strike: bool = False
    reverse: bool = False


PLAIN = Look()
Line = tuple[tuple[str, Look], ...]
"""A line: stretches of one look, without plain blanks at its end."""
Cell = tuple[str, int, Look]
"""What stands in a cell, how many columns it takes, and its look."""


def plain(line: Line) -> str:
    """The characters of a line without their look."""
    return "".join(text for text, _ in line)


def cells(line: Line) -> Iterator[Cell]:
    """The cells of a line, from left to right."""
    for text, look in line:
        held = ""
        for char in text:
            if held and wcwidth(char) > 0:
                yield held, wcwidth(held[0]), look
                held = ""
            held += char
        if held:
            yield held, wcwidth(held[0]), look


class Screen:
    """A terminal of this size. Lines are counted from the first one ever printed.

    ``kept``: how many lines that have scrolled away can still be read at least (None: all).
    """

    def __init__(self, columns: int = COLUMNS, rows: int = ROWS, kept: int | None = None) -> None:
        self._cells = _Cells(max(columns, 1), max(rows, 1), kept)
        self._stream = pyte.Stream(self._cells)
        self._begun = ""

    @property
    def columns(self) -> int:
        return self._cells.columns

    @property
    def rows(self) -> int:
        return self._cells.lines

    @property
    def first(self) -> int:
        """The number of the oldest line that can be read."""
        return self._cells.forgotten

    @property
    def top(self) -> int:
        """The number of the line at the top of the screen."""
        return self._cells.above

    @property
    def position(self) -> int:
        """The number of the cursor's line."""
        return self._cells.above + self._cells.cursor.y

    @property
    def column(self) -> int | None:
        """The column of the cursor, from 0 on; None when it is hidden."""
        return None if self._cells.cursor.hidden else self._cells.cursor.x

    @property
    def length(self) -> int:
        """The number of lines down to the last one that holds something, or the cursor."""
        cells = self._cells
        below = (y for y in range(cells.lines - 1, cells.cursor.y, -1) if cells.line(y))
        return cells.above + next(below, cells.cursor.y) + 1

    def line(self, number: int) -> Line:
        """The line of this number; one that is no longer, or not yet there is empty."""
        above = self._cells.above
        if number >= above:
            return self._cells.line(number - above)
        return self._cells.scrolled[number - self.first] if number >= self.first else ()

    def lines(self) -> list[Line]:
        """All lines that can be read."""
        return [self.line(number) for number in range(self.first, self.length)]

    def text(self) -> list[str]:
        """All lines that can be read, as text."""
        return [plain(line) for line in self.lines()]

    def touched(self) -> set[int]:
        """The numbers of lines that may have changed since this was asked before."""
        self._cells.settle()
        touched, self._cells.touched = self._cells.touched, set()
        return touched

    def feed(self, output: str, ends: bool = False) -> None:
        """Show what was printed; never raises. A sequence that has begun waits for its rest, unless `ends` is true."""
        output, self._begun = self._begun + output, ""
        for found in _TOKENS.finditer(output):
            if found["begun"] and not ends:
                self._begun = found[0]
            else:
                self._show(found)

    def _show(self, found: re.Match[str]) -> None:
        text = found["text"] or _sequence(found) or visible(found["begun"] or found["broken"] or "")
        if text:
            try:
                self._stream.feed(visible(text, keep=_OBEYED) if _STRANGE.search(text) else text)
            except Exception:  # pyte's parser is dead after an error in a sequence that it half knows
                self._stream = pyte.Stream(self._cells)


class _Cells(pyte.Screen):
    """The cells of a screen, and above them the lines that left it."""

    def __init__(self, columns: int, rows: int, kept: int | None) -> None:
        self.scrolled: list[Line] = []
        self.forgotten = 0
        self.touched: set[int] = set()
        self._kept = kept
        self._first: tuple[dict[int, dict[int, Char]], int, int] | None = None  # the first screen, under the second one
        super().__init__(columns, rows)

    @property
    def above(self) -> int:
        return self.forgotten + len(self.scrolled)

    def settle(self) -> None:
        """Count what was touched by lines, before the screen moves over them."""
        self.touched |= {self.above + y for y in self.dirty}
        self.dirty.clear()

    def line(self, y: int) -> Line:
        row = self.buffer.get(y)  # reads only: a signal may have come in the middle of feed
        if not row:
            return ()
        shown = [row.get(x, self.default_char) for x in range(min(max(row) + 1, self.columns))]
        text = "".join([cell.data for cell in shown])
        if not text.isascii() or len(text) != len(shown):
            shown = [cell for cell in map(_whole, shown, [None, *shown], [*shown[1:], None]) if cell.data]
        while shown and shown[-1].data == " " and _look(shown[-1][1:]) == PLAIN:
            shown.pop()
        runs = ((look, list(run)) for look, run in groupby(shown, _ATTRIBUTES))
        return tuple(("".join(cell.data for cell in run), _look(look)) for look, run in runs)

    # What pyte calls

    def draw(self, data: str) -> None:
        """Draw text. pyte itself leaves out all that follows a character without width that is no accent."""
        if data.isascii():
            super().draw(data)
            return
        for char in data:
            if char in _JOINING or wcwidth(char) <= 0:
                self._join(char)
                continue
            if wcwidth(char) == 2 and self.cursor.x == self.columns - 1:
                self.cursor.x = self.columns  # there is no room for both halves
            super().draw(char)

    def index(self) -> None:
        top, bottom = self.margins or Margins(0, self.lines - 1)
        if self.cursor.y != bottom or top != 0 or self._first is not None:
            super().index()
            return
        self.settle()
        self._keep([self.line(0)])
        super().index()
        self.dirty.clear()
        self.dirty.update(range(bottom, self.lines))

    def erase_in_display(self, how: int = 0, *args: object, **kwargs: object) -> None:
        """Erase; what a whole screen held is kept above it, also from `clear`, which would forget it (3)."""
        if self._first is None and (how == 2 or (how == 0 and self.cursor.x == self.cursor.y == 0)):
            self._keep_screen()
        if how < 3:
            super().erase_in_display(how)

    def reset(self) -> None:
        if self._first is None and self.buffer:
            self._keep_screen()
        self._first = None
        super().reset()

    def set_mode(self, *modes: int, **kwargs: bool) -> None:
        others = set(modes)
        if kwargs.get("private") and others & _SECOND_SCREEN:
            others -= _SECOND_SCREEN
            if self._first is None:
                self._first = {y: dict(line) for y, line in self.buffer.items()}, self.cursor.x, self.cursor.y
                self._fill({}, 0, 0)
        if others:
            super().set_mode(*others, **kwargs)

    def reset_mode(self, *modes: int, **kwargs: bool) -> None:
        others = set(modes)
        if kwargs.get("private") and others & _SECOND_SCREEN:
            others -= _SECOND_SCREEN
            if self._first is not None:
                self._fill(*self._first)
                self._first = None
        if others:
            super().reset_mode(*others, **kwargs)

    def _fill(self, buffer: dict[int, dict[int, Char]], x: int, y: int) -> None:
        self.dirty.update(range(self.lines))
        self.buffer.clear()
        for number, line in buffer.items():
            self.buffer[number].update(line)
        self.cursor.x, self.cursor.y = x, y

    def _keep_screen(self) -> None:
        self.settle()
        rows = [self.line(y) for y in range(self.lines)]
        used = max((y for y, row in enumerate(rows) if row), default=-1)
        self._keep(rows[: used + 1])

    def _keep(self, lines: list[Line]) -> None:
        self.scrolled += lines
        if self._kept is not None and len(self.scrolled) > 2 * self._kept:
            gone = len(self.scrolled) - self._kept
            self.forgotten += gone
            del self.scrolled[:gone]

    def _join(self, char: str) -> None:
        """Marks go to the character before them. Of joined emoji each is drawn, without what joins or colours it."""
        line, x = self.buffer[self.cursor.y], self.cursor.x - 1
        if x > 0 and not line[x].data:
            x -= 1
        before = line[x].data if x >= 0 else ""
        if char in _JOINING:
            if before.isascii():
                super().draw(char if char in _TONES else visible(char))
        elif before and char not in _SELECTORS and unicodedata.category(char) in ("Mn", "Mc", "Me"):
            line[x] = line[x]._replace(data=unicodedata.normalize("NFC", before + char))
            self.dirty.add(self.cursor.y)


_SECOND_SCREEN = {47, 1047, 1049}
_JOINER = "\u200d"
_TONES = frozenset(map(chr, range(0x1F3FB, 0x1F400)))
_SELECTORS = frozenset(map(chr, range(0xFE00, 0xFE10)))


_JOINING = _TONES | {_JOINER}


def _whole(cell: Char, before: Char | None, after: Char | None) -> Char:
    """A cell; half of a wide character whose other half was overwritten is a blank, as on a real terminal."""
    if not cell.data:
        return cell if before and before.data and wcwidth(before.data[0]) == 2 else cell._replace(data=" ")
    return cell._replace(data=" ") if wcwidth(cell.data[0]) == 2 and after is not None and after.data else cell


_ATTRIBUTES = itemgetter(slice(1, None))
_NAMES = {"default": "", "brown": "yellow", "brightbrown": "brightyellow", "bfightmagenta": "brightmagenta"}


@lru_cache(maxsize=4096)
def _look(attributes: tuple[str, str, bool, bool, bool, bool, bool, bool]) -> Look:
    front, back, bold, italic, underline, strike, reverse, _ = attributes
    return Look(_NAMES.get(front, front), _NAMES.get(back, back), bold, italic, underline, strike, reverse)


_OBEYED = "\x00\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x1b\x7f" + _JOINER
_STRANGE = re.compile(r"[^\x00\x07-\x0f\x1b -\x7f]")
_STRING = r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]{0,4096}"  # OSC, DCS, SOS, PM, APC (ECMA-48, 5.6)
_CONTROL = r"(?:\x1b\[|\x9b)(?P<{0}>[0-?]{{0,256}})(?P<{0}_middle>[ -/]{{0,16}})"  # CSI (5.4)
_TOKENS = re.compile(
    r"(?P<text>[^\x1b\x90\x98\x9b\x9d-\x9f]+)"
    rf"|(?P<string>{_STRING}(?:\x07|\x1b\\|\x9c))"
    rf"|{_CONTROL.format('given')}(?P<final>[@-~])"
    r"|(?P<escape>\x1b[ -/]{0,16}[0-OQ-WYZ\\`-~])"
    rf"|(?P<begun>(?:{_STRING}\x1b?|{_CONTROL.format('held')}|\x1b[ -/]{{0,16}})\Z)"
    r"|(?P<broken>.)",
    re.DOTALL,
)
_SHOWN_MODES = {"7", "25", "47", "1047", "1049"}  # wrapping, the cursor, the second screen


def _sequence(found: re.Match[str]) -> str:
    """What pyte is told of a whole sequence; "" of one that shows nothing."""
    if found["escape"]:
        return found[0]
    given, final = found["given"], found["final"]
    if final is None or found["given_middle"]:
        return ""
    if given.startswith("?") and final in "hl":
        modes = [mode for mode in given[1:].split(";") if mode in _SHOWN_MODES]
        return f"\x1b[?{';'.join(modes)}{final}" if modes else ""
    if given[:1] in ("<", "=", ">", "?"):
        return ""
    if ":" in given:
        return f"\x1b[{_semicolons(given)}m" if final == "m" else ""
    return f"\x1b[{given}{final}"


def _semicolons(colour: str) -> str:
    colour = re.sub(r"\b([34]8):2:\d*:(\d+:\d+:\d+)", r"\1:2:\2", colour)  # 38:2:colour space:r:g:b
    parts = colour.split(";")
    return ";".join(part.replace(":", ";") if part[:3] in ("38:", "48:") else part.split(":")[0] for part in parts)
