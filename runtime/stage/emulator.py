"""What a window shows at this moment: a terminal emulator that keeps what scrolls off its top."""

import re
import unicodedata
from collections import deque
from collections.abc import Mapping
from itertools import groupby

import pyte
from pyte.screens import Char
from wcwidth import wcwidth

HISTORY = 2000  # lines that have scrolled off the top and can still be read

Line = Mapping[int, Char]

_SELECTORS = re.compile("[\ufe00-\ufe0f]")
_TONES = re.compile("[\U0001f3fb-\U0001f3ff]")
_UNSHOWN = re.compile(r"\x1b[PX^_][^\x1b]*(?:\x1b\\|$)|\x1b\[[<=>?][0-9;:]*[^hl0-9;:]")


class Emulator(pyte.Screen):
    """A screen that is fed by :meth:`feed`; :meth:`mark` says where the newest output begins."""

    def __init__(self, columns: int, rows: int) -> None:
        self.scrolled: deque[Line] = deque(maxlen=HISTORY)
        self._gone = 0  # lines that have scrolled off, those that were forgotten too
        self._newest = 0  # the line where the newest output begins, counted from the first line ever
        super().__init__(columns, rows)
        self._stream = pyte.Stream(self)

    def feed(self, text: str) -> None:
        """Show ``text``; what pyte cannot read is left out."""
        try:
            self._stream.feed(_UNSHOWN.sub("", text))
        except Exception:  # the parser is dead after an error in a sequence that it half knows
            self._stream = pyte.Stream(self)

    def mark(self) -> None:
        """The newest output begins at the line of the cursor."""
        self._newest = self._gone + self.cursor.y

    def rows(self) -> list[Line]:
        """All lines, from the oldest one that is kept down to the last that holds something or the cursor."""
        shown: list[Line] = [
            self.buffer.get(y, {}) for y in range(self.lines)
        ]  # reads only: a signal may interrupt feed
        last = max((y for y, line in enumerate(shown) if any(cell.data.strip() for cell in line.values())), default=0)
        return [*self.scrolled, *shown[: max(last, self.cursor.y) + 1]]

    @property
    def newest(self) -> int:
        """The index in :meth:`rows` where the newest output begins."""
        return max(0, self._newest - (self._gone - len(self.scrolled)))

    def text(self) -> list[str]:
        """All lines as text."""
        return [
            "".join(line[x].data if x in line else " " for x in range(self.columns)).rstrip() for line in self.rows()
        ]

    # What pyte calls

    def draw(self, data: str) -> None:
        """Draw text; pyte leaves out all that follows a character without width that is no accent (a joiner, say)."""
        for wide, run in groupby(
            _TONES.sub("", data), lambda char: wcwidth(char) > 0 or unicodedata.combining(char) > 0
        ):
            if wide:
                super().draw("".join(run))
            else:
                self._join("".join(char for char in run if unicodedata.category(char) in ("Mn", "Mc", "Me")))

    def index(self) -> None:
        top, bottom = self.margins or (0, self.lines - 1)
        if self.cursor.y == bottom and top == 0:
            self._keep(self.buffer[0])
        super().index()

    def erase_in_display(self, how: int = 0, *args: int, **kwargs: bool) -> None:
        if how in (2, 3) or (how == 0 and self.cursor.x == self.cursor.y == 0):
            for line in self.rows()[len(self.scrolled) : -1]:
                self._keep(line)
        super().erase_in_display(how, *args, **kwargs)

    def _keep(self, line: Line) -> None:
        self.scrolled.append(pyte.screens.StaticDefaultDict(self.default_char))
        self.scrolled[-1].update(line)  # type: ignore[attr-defined]
        self._gone += 1

    def _join(self, marks: str) -> None:
        """Vowel signs go to the character before them; what chooses between the two looks of an emoji is dropped."""
        line, x = self.buffer[self.cursor.y], self.cursor.x - 1
        if x > 0 and not line[x].data:
            x -= 1
        if x >= 0:
            line[x] = line[x]._replace(data=line[x].data + _SELECTORS.sub("", marks))
