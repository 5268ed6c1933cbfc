"""The full-terminal view of the stage."""

import atexit
import math
import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from runtime.stage.frame import Frame, Gaze, Prompt, compose
from runtime.stage.picker import Picker
from runtime.stage.scene import Entry, Scene
from runtime.stage.tty import Tty

_DEADLY = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class ScreenView:
    """Draws scenes over a whole terminal (a :class:`runtime.stage.scene.View`).

    Keys that only move what is seen (scrolling, one window in full width) are dealt with here, and a resized terminal
    is drawn again at once, also while a step runs.  The terminal is given back on every way out.
    """

    def __init__(self, terminal: int, colours: bool) -> None:
        self._tty = Tty(terminal, colours)
        self._scene = Scene()
        self._gaze = Gaze()
        self._about: tuple[object, ...] = ()  # the text that is being read
        self._prompt: Prompt | None = None
        self._picker: Picker | None = None
        self._frame = Frame([])
        self._is_open = self._drawing = self._resized = False
        self._handlers: dict[int, Any] = {}
        os.register_at_fork(after_in_child=self._forget)

    def open(self) -> None:
        """Take the terminal."""
        if self._is_open:
            return
        self._is_open = True
        self._tty.take()
        atexit.register(self.close)
        if threading.current_thread() is threading.main_thread():
            for number in _DEADLY:
                self._handlers[number] = signal.signal(number, self._die)
            self._handlers[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, self._on_resize)

    def close(self) -> None:
        """Leave the terminal as it was found; nothing happens the second time."""
        if not self._is_open:
            return
        self._is_open = False
        self._tty.give_back()
        atexit.unregister(self.close)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()

    def _forget(self) -> None:
        """In a child process: the terminal is its parent's, and signals do what they do in any new process.

        Each terminal that a lab opens sends SIGWINCH to the child in it; a child that is pid 1 ignores SIGTERM.
        """
        if self._is_open:
            self._is_open = False
            for number in self._handlers:
                signal.signal(number, signal.SIG_DFL)

    @contextmanager
    def suspend(self) -> Iterator[int]:
        """Give the terminal away as it was before ``open``; then take it back."""
        self.close()
        try:
            yield self._tty.descriptor
        finally:
            self.open()
            self._draw()

    def draw(self, scene: Scene) -> None:
        """Show the scene; another step, phase or overlay is shown from its beginning."""
        about = (scene.exercise, scene.title, scene.number, scene.phase, scene.attempt, scene.overlay)
        if about != self._about:
            if about[:3] != self._about[:3]:
                self._gaze.window = None
            self._about, self._gaze.top, self._gaze.back = about, 0, 0
        self._scene = scene
        self._draw()

    def key(self, timeout: float | None = None) -> str:
        """Wait for a key that is not one of the view itself; "" after ``timeout`` seconds, "eof" without a terminal."""
        deadline = None if timeout is None else time.monotonic() + timeout
        self._tty.interrupts(False)
        try:
            while True:
                key = self._tty.key(self._count_down(deadline))
                if key == "" and deadline is not None and time.monotonic() < deadline:
                    continue
                if key == "space" and self._at_end:
                    return "esc" if self._scene.overlay else "enter"
                if not self._look(key):
                    return key
                self._draw()
                if self._scene.autoplay is not None:
                    return "esc"  # it stops there
        finally:
            self._tty.interrupts(True)

    def _count_down(self, deadline: float | None) -> float | None:
        """Show the seconds that are left of an autoplay; how long to wait for a key until the next of them."""
        if deadline is None:
            return None
        left = max(0.0, deadline - time.monotonic())
        if self._scene.autoplay is None or not left:
            return left
        self._scene.autoplay = left
        self._draw()
        return left - math.ceil(left - 1) if left > 1 else left

    def line(self, prompt: str) -> str | None:
        """Let a line be typed; None if it was given up (Esc, Ctrl-C, Ctrl-D)."""
        self._prompt = line = Prompt(prompt)
        self._tty.interrupts(False)
        try:
            while True:
                self._draw()
                for key in self._keys():
                    if key == "enter":
                        return line.text
                    if key in ("esc", "ctrl-c", "eof") or (key == "ctrl-d" and not line.text):
                        return None
                    edit(line, key)
        finally:
            self._prompt = None
            self._tty.interrupts(True)
            self._draw()

    def choose(self, title: str, entries: Sequence[Entry], search: bool = False) -> int | None:
        """Let one of the entries be chosen, by arrows or by typing a part of it; so ``search`` needs nothing more."""
        del search
        self._picker = Picker(title, entries)
        self._tty.interrupts(False)
        try:
            while True:
                self._draw()
                if any(map(self._picker.press, self._keys())):
                    return self._picker.chosen
        finally:
            self._picker = None
            self._tty.interrupts(True)
            self._draw()

    def _keys(self) -> Iterable[str]:
        """Wait for a key; of a text that is pasted, each character."""
        key = self._tty.key()
        return self._tty.pasted if key == "paste" else [key]

    @property
    def _at_end(self) -> bool:
        return self._gaze.window is None and self._gaze.top >= self._frame.most

    def _look(self, key: str) -> bool:
        """Move what is seen; False if the key does not do that."""
        gaze, page = self._gaze, self._frame.page
        moves = {
            "up": -1,
            "down": 1,
            "page-up": -page,
            "page-down": page,
            "home": -(10**6),
            "end": 10**6,
            "space": page,
        }
        if key == "tab":
            following = 0 if gaze.window is None else gaze.window + 1
            gaze.window = following if following < len(self._scene.panes) else None
            gaze.back = 0
        elif key in moves and gaze.window is not None and not self._scene.overlay:
            gaze.back = max(0, gaze.back - moves[key])
        elif key in moves:
            gaze.top = max(0, gaze.top + moves[key])
        else:
            return False
        return True

    def _draw(self) -> None:
        if not self._is_open:
            return
        if self._drawing:  # a signal came while a frame was made
            self._resized = True
            return
        self._drawing = True
        try:
            while True:
                self._resized = False
                columns, rows = self._tty.size
                self._frame = compose(self._scene, columns, rows, self._gaze, self._prompt, self._picker)
                self._tty.show(self._frame.rows, (columns, rows), self._frame.cursor)
                if not self._resized:
                    break
        finally:
            self._drawing = False

    def _on_resize(self, number: int, frame: FrameType | None) -> None:
        self._draw()

    def _die(self, number: int, frame: FrameType | None) -> None:
        """Give the terminal back, and go on as without us."""
        handler = self._handlers.get(number, signal.SIG_DFL)
        self.close()
        if callable(handler):
            handler(number, frame)
        elif handler == signal.SIG_DFL:
            os.kill(os.getpid(), number)


def edit(line: Prompt, key: str) -> None:
    """Change a line as a key does in a shell."""
    before, after = line.text[: line.at], line.text[line.at :]
    if key == "backspace":
        before = before[:-1]
    elif key in ("delete", "ctrl-d"):
        after = after[1:]
    elif key == "ctrl-u":
        before = ""
    elif key == "ctrl-k":
        after = ""
    elif key == "ctrl-w":
        before = before.rstrip().rpartition(" ")[0]
        before += " " if before else ""
    elif key in ("left", "right", "home", "end", "ctrl-a", "ctrl-e"):
        places = {"left": line.at - 1, "right": line.at + 1, "home": 0, "ctrl-a": 0}
        line.at = max(0, min(len(line.text), places.get(key, len(line.text))))
        return
    elif key == "space" or len(key) == 1:
        before += " " if key == "space" else key
    line.text, line.at = before + after, len(before)
