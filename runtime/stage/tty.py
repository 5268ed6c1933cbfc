"""A terminal as a file descriptor: its modes, its size, its keys, and frames written to it without flicker."""

import codecs
import os
import re
import select
import termios
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.segment import Segment

ESCAPE_TIME = 0.1  # seconds in which the rest of a key's sequence follows its ESC, also over a network
ENTER_SCREEN = (
    "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[?2004h\x1b[0m\x1b[2J"  # second screen, no cursor, no wrapping, marked pastes
)
LEAVE_SCREEN = "\x1b[0m\x1b[?2004l\x1b[?7h\x1b[?25h\x1b[?1049l"
BEGIN_PASTE, END_PASTE = "\x1b[200~", "\x1b[201~"
BEGIN_FRAME, END_FRAME = "\x1b[?2026h", "\x1b[?2026l"  # synchronized output, where a terminal knows it

_KEYS = {
    "A": "up", "B": "down", "C": "right", "D": "left", "H": "home", "F": "end", "Z": "back-tab",
    "1~": "home", "3~": "delete", "4~": "end", "5~": "page-up", "6~": "page-down", "7~": "home", "8~": "end",
}  # fmt: skip
_CONTROLS = {"\r": "enter", "\n": "enter", "\t": "tab", " ": "space", "\x7f": "backspace", "\x08": "backspace"}
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O[@-~])")
_BEGUN = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|O)?")

Row = Sequence[Segment]


class Tty:
    """A terminal that stays usable when it is gone: then nothing is written, and every key is ``eof``."""

    def __init__(self, descriptor: int, colours: bool) -> None:
        self.descriptor = descriptor
        self.gone = False
        self.pasted = ""  # the text of the last key "paste", in one line
        self._colours = _colour_system() if colours else None
        self._decoder = codecs.getincrementaldecoder("utf-8")("ignore")
        self._typed = ""
        self._rows: list[str] = []  # what the terminal shows, row by row
        self._shown_size = 0, 0
        self._saved: list[Any] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(columns, rows)."""
        with suppress(OSError):
            columns, rows = os.get_terminal_size(self.descriptor)
            if columns and rows:
                return columns, rows
        return 80, 24

    def take(self) -> None:
        """Switch to the second screen; keys come one by one, without echo.  Ctrl-C stays a signal."""
        with suppress(termios.error):
            self._saved = termios.tcgetattr(self.descriptor)
            mode = termios.tcgetattr(self.descriptor)
            mode[0] &= ~termios.IXON
            mode[3] &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN)
            mode[6][termios.VSUSP] = mode[6][termios.VQUIT] = os.fpathconf(self.descriptor, "PC_VDISABLE").to_bytes()
            termios.tcsetattr(self.descriptor, termios.TCSANOW, mode)
        self._rows, self._shown_size = [], (0, 0)
        self.write(ENTER_SCREEN)

    def give_back(self) -> None:
        """Leave the terminal as it was taken."""
        if self._saved is None:
            return
        saved, self._saved = self._saved, None
        self.write(LEAVE_SCREEN)
        with suppress(termios.error):
            termios.tcsetattr(self.descriptor, termios.TCSANOW, saved)

    def interrupts(self, on: bool) -> None:
        """Whether Ctrl-C is a signal, or a key like the others."""
        with suppress(termios.error):
            mode = termios.tcgetattr(self.descriptor)
            mode[3] = mode[3] | termios.ISIG if on else mode[3] & ~termios.ISIG
            termios.tcsetattr(self.descriptor, termios.TCSANOW, mode)

    # Out

    def show(self, rows: Sequence[Row], size: tuple[int, int], cursor: tuple[int, int] | None = None) -> None:
        """Show a frame made for a terminal of ``size``; only rows that differ from what stands there are written."""
        lines = [self._encode(row) for row in rows]
        clear = "" if size == self._shown_size else "\x1b[0m\x1b[2J"
        if clear:
            self._rows, self._shown_size = [], size
        changed = [
            f"\x1b[{number};1H{line}"
            for number, line in enumerate(lines, 1)
            if not self._rows or self._rows[number - 1] != line
        ]
        self._rows = lines
        place = f"\x1b[{cursor[1] + 1};{cursor[0] + 1}H\x1b[?25h" if cursor else "\x1b[?25l"
        self.write(f"{BEGIN_FRAME}\x1b[?25l{clear}{''.join(changed)}{place}{END_FRAME}")

    def write(self, text: str) -> None:
        """Write all of ``text``."""
        data = text.encode("utf-8", "replace")
        try:
            while data and not self.gone:
                data = data[os.write(self.descriptor, data) :]
        except OSError:
            self.gone = True

    def _encode(self, row: Row) -> str:
        """A row; behind each character that terminals may take for wider or narrower than we do, the column is set."""
        column, parts = 1, []
        for text, style, _ in row:
            shown = style
            if style and self._colours is None:
                shown = style.without_color
            parts.append(shown.render(text, color_system=self._colours or ColorSystem.STANDARD) if shown else text)
            column += cell_len(text)
            if not text.isascii():
                parts.append(f"\x1b[{column}G")
        return "".join(parts)

    # In

    def key(self, timeout: float | None = None) -> str:
        """The next key by its name; "" after ``timeout`` seconds, "eof" when the terminal is gone."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            if self._typed and (name := self._next()):
                return name
            if _BEGUN.fullmatch(self._typed):
                if not self._read(ESCAPE_TIME):
                    self._typed = ""
                    return "esc"
            elif not self._read(None if deadline is None else max(0.0, deadline - time.monotonic())):
                return "eof" if self.gone else ""

    def _next(self) -> str:
        """Take a key from what was typed; "" if it is not there as a whole, or means nothing."""
        if self._typed.startswith(BEGIN_PASTE):
            text, end, rest = self._typed.removeprefix(BEGIN_PASTE).partition(END_PASTE)
            if not end:
                return ""
            self._typed = rest
            self.pasted = "".join(char if char.isprintable() else " " for char in text).strip()
            return "paste"
        if found := _SEQUENCE.match(self._typed):
            self._typed = self._typed[found.end() :]
            sequence = found[0][2:]
            return _KEYS.get(sequence, "") or self._next()
        if _BEGUN.fullmatch(self._typed):
            return ""
        char, self._typed = self._typed[:1], self._typed[1:]
        if char < " " and char not in _CONTROLS and char != "\x1b":
            return f"ctrl-{chr(ord(char) + 96)}" if char else ""
        return "esc" if char == "\x1b" else _CONTROLS.get(char, char)

    def _read(self, timeout: float | None) -> bool:
        """Wait until something was typed; False after ``timeout``, or when the terminal is gone."""
        if self.gone:
            return False
        try:
            if not select.select([self.descriptor], [], [], timeout)[0]:
                return False
            data = os.read(self.descriptor, 4096)
        except (OSError, ValueError):
            data = b""
        self.gone = self.gone or not data
        self._typed += self._decoder.decode(data)
        return bool(data)


def _colour_system() -> ColorSystem:
    if os.environ.get("COLORTERM") in ("truecolor", "24bit"):
        return ColorSystem.TRUECOLOR
    return ColorSystem.EIGHT_BIT if "256color" in os.environ.get("TERM", "") else ColorSystem.STANDARD
