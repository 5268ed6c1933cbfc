"""Fixtures of the harness' own tests."""

import itertools

import pytest

from record import events
from runtime.lab.terminal import write_start_files
from runtime.lab.window import Window


class Emitted(list):
    """The events that a window told the record."""

    def __call__(self, event):
        self.append(event)

    def text(self):
        """All output of the windows as it was recorded."""
        return "".join(event.data for event in self if isinstance(event, events.Window) and event.what == "out")


@pytest.fixture
def emitted():
    return Emitted()


@pytest.fixture
def open_window(tmp_path, emitted):
    """A function that opens windows; all are closed at the end."""
    write_start_files(tmp_path)
    tmp_path.chmod(0o755)
    windows, names = [], (f"w{number}" for number in itertools.count(1))

    def open_one(name=None):
        windows.append(Window(name or next(names), tmp_path, emitted))
        return windows[-1]

    yield open_one
    for window in windows:
        window.close()


@pytest.fixture
def window(open_window):
    return open_window("first")
