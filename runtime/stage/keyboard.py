"""What the person at the terminal types, until the terminal is gone."""

from collections.abc import Callable, Sequence
from types import FrameType
from typing import TypeVar

from runtime.stage.scene import Entry, View

T = TypeVar("T")


class Hangup(BaseException):
    """The terminal is gone while somebody is waited for."""


class Keyboard:
    """Keys, lines and choices of a view.  ``gone`` is set by SIGHUP; from then on nothing is waited for."""

    def __init__(self, view: View) -> None:
        self.gone = False
        self._view = view
        self._waits = False

    def key(self, timeout: float | None = None) -> str:
        """A key by its name; "" after ``timeout`` seconds, "eof" when the terminal is gone; Ctrl-C interrupts."""
        key = self._waited(lambda: self._view.key(timeout), "eof")
        if key == "ctrl-c":
            raise KeyboardInterrupt
        return key

    def line(self, prompt: str) -> str | None:
        """A line; None if it was given up."""
        return self._waited(lambda: self._view.line(prompt), None)

    def choose(self, title: str, entries: Sequence[Entry], search: bool) -> int | None:
        """The index of the chosen entry; None if none is wanted."""
        return self._waited(lambda: self._view.choose(title, entries, search), None)

    def hung_up(self, number: int, frame: FrameType | None) -> None:
        """The handler of SIGHUP: it ends the waiting; a lab that runs is not disturbed before its next pause."""
        del number, frame
        self.gone = True
        if self._waits:
            raise Hangup

    def _waited(self, read: Callable[[], T], otherwise: T) -> T:
        try:
            self._waits = True
            return otherwise if self.gone else read()
        except Hangup:
            return otherwise
        finally:
            self._waits = False
