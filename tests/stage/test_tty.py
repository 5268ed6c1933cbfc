"""Keys, signals and the way back: the terminal of the full view, on a pseudo-terminal of the test."""

import os
import pty
import signal
import termios
from collections.abc import Iterator

import pytest

from runtime.stage.frame import Prompt
from runtime.stage.scene import Scene
from runtime.stage.screen import ScreenView, edit
from runtime.stage.tty import LEAVE_SCREEN, Tty


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """A pseudo-terminal as (the person's end, the program's end)."""
    ends = pty.openpty()
    yield ends
    for end in ends:
        os.close(end)


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("n?/", ["n", "?", "/"]),
        ("\r\n\t \x7f", ["enter", "enter", "tab", "space", "backspace"]),
        ("\x1b[A\x1bOB\x1b[5~\x1b[6~\x1b[H\x1b[4~", ["up", "down", "page-up", "page-down", "home", "end"]),
        ("\x1b[Yn\x1b[1;5Cq", ["n", "q"]),  # sequences that mean nothing here are no keys
        ("中é👍", ["中", "é", "👍"]),
        ("\x03\x04", ["ctrl-c", "ctrl-d"]),
        ("\x1b", ["esc"]),
        ("\x1bq", ["esc", "q"]),
    ],
)
def test_keys_by_their_names(terminal: tuple[int, int], typed: str, names: list[str]) -> None:
    person, program = terminal
    tty = Tty(program, colours=True)
    tty.take()
    tty.interrupts(False)
    os.write(person, typed.encode())
    assert [tty.key(5) for _ in names] == names
    assert tty.key(0) == ""


def test_what_is_pasted_is_one_line_of_text_and_no_keys(terminal: tuple[int, int]) -> None:
    person, program = terminal
    tty = Tty(program, colours=True)
    tty.take()
    os.write(person, b"\x1b[200~two\nlin")
    assert tty.key(0.1) == "", "the end of it has not come yet"
    os.write(person, b"es\x1b[A\n\x1b[201~n")
    assert [tty.key(5), tty.pasted, tty.key(5)] == ["paste", "two lines [A", "n"]


def test_a_terminal_that_is_gone_is_no_error() -> None:
    person, program = pty.openpty()
    view = ScreenView(program, colours=True)
    view.open()
    os.close(person)
    view.draw(Scene(title="x"))
    assert view.key(5) == "eof"
    assert view.line("? ") is None
    assert view.choose("All steps", []) is None
    view.close()
    os.close(program)


def test_the_terminal_is_given_back_as_it_was(terminal: tuple[int, int]) -> None:
    person, program = terminal
    before, handlers = termios.tcgetattr(program), [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGWINCH)]
    view = ScreenView(program, colours=True)
    view.open()
    assert termios.tcgetattr(program) != before
    with view.suspend() as given:
        assert given == program
        assert termios.tcgetattr(program) == before
    assert termios.tcgetattr(program) != before
    view.close()
    view.close()
    assert termios.tcgetattr(program) == before
    assert [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGWINCH)] == handlers
    written = ""
    while not written.endswith(LEAVE_SCREEN):
        written += os.read(person, 65536).decode()  # as much as has arrived
    assert written.count(LEAVE_SCREEN) == 2


def test_children_of_labs_know_nothing_of_the_stage(terminal: tuple[int, int]) -> None:
    _, program = terminal
    view = ScreenView(program, colours=True)
    view.open()
    try:
        child = os.fork()
        if child == 0:
            deadly = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGWINCH)
            os._exit(0 if all(signal.getsignal(number) == signal.SIG_DFL for number in deadly) else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert signal.getsignal(signal.SIGWINCH) != signal.SIG_DFL
    finally:
        view.close()


def test_a_line_is_edited_as_in_a_shell() -> None:
    line = Prompt("? ")
    for key in [*"one two", "ctrl-w", *"x中", "left", "backspace", "home", "delete", "end", *"!"]:
        edit(line, "space" if key == " " else key)
    assert line.text == "ne 中!"
    edit(line, "ctrl-a")
    edit(line, "ctrl-k")
    assert line.text == ""
