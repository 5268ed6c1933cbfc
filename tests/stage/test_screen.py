"""The full-terminal view in real terminals (tmux)."""

import os
import re
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from runtime.stage.keys import KEYS
from tests.conftest import ROOT, Checkout, clean_environment, events_of
from tests.stage.tmux import Tmux

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

LAB = Path(__file__).parent / "screen_lab.py"
Start = Callable[..., Tmux]


@pytest.fixture
def screen_checkout(checkout: Checkout) -> Checkout:
    shutil.copy(LAB, checkout.lab)
    return checkout


@pytest.fixture
def start(screen_checkout: Checkout) -> Iterator[Start]:
    """A function that opens a terminal, starts a walk in it, and waits for the first pause."""
    with ExitStack() as opened:

        def start(*arguments: str, columns: int = 80, rows: int = 24, **environment: str) -> Tmux:
            terminal = opened.enter_context(
                Tmux(columns, rows, screen_checkout.path, clean_environment() | environment)
            )
            terminal.type(shlex.join(screen_checkout.command("labs/", "--step", *arguments)))
            terminal.keys("Enter")
            terminal.wait("Enter runs the step")
            return terminal

        yield start


def run_first_step(terminal: Tmux) -> str:
    """Answer the question of the first step, and run it."""
    terminal.press("Enter", "Enter answers")
    return terminal.press("Enter", "Enter goes on")


def test_every_key_does_something_that_can_be_seen(start: Start, screen_checkout: Checkout) -> None:
    terminal = start()
    shown = terminal.screen()
    assert shown[0].split("  ")[0].strip().startswith("Screen: a lab for the tests")
    assert "step 1 of 4" in shown[0]
    bottom = " ".join(" ".join(shown[-2:]).split())
    for key in KEYS:
        if key.action != "close":
            assert f"{key.name} {key.action}" in bottom

    terminal.press("?", "╭─ Keys ─")
    terminal.press("Escape", lambda seen: "╭─" not in seen)
    terminal.press("h", "Count the columns.")
    terminal.press("h", lambda seen: "╭─" not in seen)
    terminal.press("w", "see wcwidth(3).")
    terminal.press("Escape", lambda seen: "╭─" not in seen)
    terminal.press("d", "The step has not run yet.")
    terminal.press("Escape", lambda seen: "╭─" not in seen)

    assert "The end of the text." not in "\n".join(terminal.screen())
    assert "more lines: Space" in "\n".join(terminal.screen())
    terminal.press("PageDown", "The end of the text.")
    terminal.press("Home", lambda seen: "The end of the text." not in seen)
    terminal.press("Space", "The end of the text.")
    terminal.press("Up", lambda seen: "↑" in seen)

    terminal.press("Tab", "window 1 of 3")
    terminal.press("Tab", "window 2 of 3")
    terminal.press("Tab", "window 3 of 3")
    terminal.press("Tab", lambda seen: "window 3 of 3" not in seen)

    terminal.press("b", "This is the first step.")
    terminal.press("j", "╭─ All steps ─")
    terminal.type("long")
    terminal.wait(lambda seen: "Long output" in seen and "In order" not in seen)
    terminal.press("Escape", lambda seen: "╭─" not in seen)
    terminal.press("/", "╭─ All steps ─")
    terminal.type("order")
    terminal.wait(lambda seen: "In order" in seen and "Long output" not in seen)
    terminal.press("Enter", lambda seen: "step 4 of 4" in seen and "Enter runs the step" in seen)
    assert "In order" in "\n".join(terminal.screen())
    terminal.press("r", lambda seen: "fresh state" in seen and "Enter runs the step" in seen)
    terminal.press("b", lambda seen: "step 3 of 4" in seen and "fresh state" in seen)

    terminal.press("g", "Run on to")
    terminal.type("nowhere")
    terminal.press("Enter", "nowhere: give a step after this one")
    terminal.press("a", "Seconds between two steps")
    terminal.type("60")
    terminal.press("Enter", lambda seen: re.search(r"goes on in \d+ s", seen) is not None)
    before = seconds_left(terminal)
    terminal.wait(lambda seen: 0 < seconds(seen) < before)
    terminal.press("x", lambda seen: "goes on in" not in seen)
    terminal.press("o", "report")
    terminal.press("q", "ready>")


def seconds(shown: str) -> int:
    found = re.search(r"goes on in (\d+) s", shown)
    return int(found[1]) if found else 0


def seconds_left(terminal: Tmux) -> int:
    return seconds("\n".join(terminal.screen()))


def test_what_a_step_did_is_shown_and_the_terminal_is_given_back(start: Start, screen_checkout: Checkout) -> None:
    terminal = start("--student", "Ada", columns=120, rows=40)
    assert terminal.value("alternate_on") == "1"
    assert terminal.value("cursor_flag") == "0"
    shown = terminal.press("Enter", "Enter answers")
    assert "1  one column" in shown
    assert "What do you think?" in shown
    assert terminal.value("cursor_flag") == "1"
    terminal.type("3")
    terminal.press("Enter", "! ")
    terminal.keys("C-u")
    terminal.type("2")
    shown = terminal.press("Enter", "Enter goes on")
    for expected in ("★ right", "= holds  claim tiny-01", "~  host name in the UTS namespace of first", "→ screen"):
        assert expected in shown
    terminal.press("End", '✓  first.run("hostname") == "screen"')
    shown = terminal.press("d", "╭─ What changed ─")
    assert "/proc/sys/kernel/hostname" in shown
    terminal.press("Escape", lambda seen: "╭─" not in seen)

    terminal.press("Enter", lambda seen: "step 2 of 4" in seen)
    terminal.press("Enter", "Enter answers")
    terminal.type("many")
    terminal.press("Enter", "! ")
    terminal.keys("C-u")
    terminal.type("199")
    shown = terminal.press("Enter", "Enter goes on")
    assert "☆ not so" in shown
    assert re.search(r"you said +199 lines", shown)
    assert re.search(r"observed +200 lines", shown)
    assert "★" not in shown
    assert "≠ wrong  claim tiny-02" in shown
    terminal.press("Tab", "window 1 of 3")
    terminal.press("Home", "line 1 of very many")
    terminal.press("End", lambda seen: "line 200 of" in seen and "line 1 of" not in seen)

    terminal.press("Enter", lambda seen: "step 3 of 4" in seen)
    terminal.press("Enter", "Enter answers")
    terminal.type("你好x")
    terminal.keys("BSpace")
    shown = terminal.press("Enter", "Enter goes on")
    assert re.search(r"you said +你好", shown)
    assert "★ right" in shown
    terminal.press("Enter", lambda seen: "step 4 of 4" in seen)
    shown = terminal.press("Enter", "Enter answers")
    assert "3  echo three" in shown
    terminal.type("1 3 2")
    shown = terminal.press("Enter", "Enter goes on")
    assert re.search(r"you said +echo one, echo three, echo two", shown)

    terminal.keys("q")
    terminal.wait(lambda seen: "ready>" in seen and "--resume" in seen)
    assert terminal.value("alternate_on") == "0"
    assert terminal.value("cursor_flag") == "1"
    terminal.type("echo back-$((1 + 1)); stty -a")
    shown = terminal.press("Enter", "back-2")
    assert "echo back-" in shown  # typed text is echoed
    shown = terminal.wait(" icanon")
    assert {"isig", "icanon", "echo", "ixon"} <= set(shown.split())
    assert "susp = ^Z" in shown
    given = [event["given"] for event in events_of(screen_checkout.site / "record.jsonl") if "given" in event]
    assert given == ["two columns", 199, "你好", ["echo one", "echo three", "echo two"]]


def panes_of(rows: list[str]) -> list[str]:
    """The rows of the windows without their titles."""
    title = next(number for number, row in enumerate(rows) if "━━ ●" in row)
    end = next(number for number, row in enumerate(rows) if "Enter goes on" in row)
    return rows[title:end]


def columns_of(row: str) -> list[int]:
    """Where lines between windows stand, in columns of the terminal."""
    from rich.cells import cell_len

    return [cell_len(row[: found.start()]) for found in re.finditer("[│┬]", row)]


@pytest.mark.parametrize("size", [(80, 24), (200, 60)], ids=["80x24", "200x60"])
def test_wide_characters_do_not_break_the_windows(start: Start, size: tuple[int, int]) -> None:
    terminal = start(columns=size[0], rows=size[1])
    run_first_step(terminal)
    rows = terminal.screen()
    assert len(rows) == size[1]
    windows = panes_of(rows)
    assert len(windows) > 5
    whole = "".join(windows)
    for expected in ("中文输出", "é", "ที่|"):
        assert expected in whole
    lines = [columns_of(row) for row in windows]
    assert len(lines[0]) == 2
    assert all(line == lines[0] for line in lines)


def test_a_resized_terminal_is_drawn_again_at_once(start: Start) -> None:
    terminal = start("--type-speed", "5")
    for columns, rows in ((120, 40), (60, 16), (200, 60), (80, 24)):
        terminal.resize(columns, rows)
        shown = terminal.wait(lambda seen: fills(seen, columns, rows))  # noqa: B023
        assert "Enter runs the step" in shown
    terminal.resize(30, 8)
    terminal.wait("Make this terminal larger")
    terminal.resize(80, 24)
    terminal.press("Enter", "Enter answers")
    terminal.resize(100, 30)
    terminal.wait(lambda seen: "What do you think?" in seen and fills(seen, 100, 30))
    terminal.keys("Enter")
    terminal.wait("# printf '中")  # it is being typed, slowly
    terminal.resize(90, 26)
    shown = terminal.wait(lambda seen: fills(seen, 90, 26))
    assert "running" in shown


def fills(shown: str, columns: int, rows: int) -> bool:
    """Whether a frame of this size is on the screen: its progress line is as wide, its keys are at the end."""
    lines = shown.split("\n")
    return len(lines) == rows and len(lines[1].strip()) == columns and "? help" in lines[-1]


def test_no_color_means_none_and_colours_are_the_terminals_own(start: Start) -> None:
    terminal = start(NO_COLOR="1")
    run_first_step(terminal)
    plain = "\n".join(terminal.screen(escapes=True))
    assert "\x1b[1m" in plain
    assert not colours(plain)
    coloured = start()
    run_first_step(coloured)
    found = colours("\n".join(coloured.screen(escapes=True)))
    assert {31, 32, 36, 44} <= found  # 31 and 44 are the output of a window as well
    assert found <= {31, 32, 35, 36, 44}


def colours(escaped: str) -> set[int]:
    numbers = {
        int(number) for found in re.findall(r"\x1b\[([\d;]*)m", escaped) for number in found.split(";") if number
    }
    return {number for number in numbers if number >= 30} - {39, 49}  # back to the default: tmux writes that


def test_a_command_is_typed_letter_by_letter(start: Start) -> None:
    terminal = start("--type-speed", "12")
    terminal.press("Enter", "Enter answers")
    terminal.keys("Enter")
    lengths: list[int] = []

    def typed(shown: str) -> bool:
        lengths.append(max(map(len, re.findall(r"# (p?r?i?n?t?f?)", shown)), default=0))
        return "printf '中" in shown

    terminal.wait(typed)
    assert len(set(lengths)) > 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_leaves_the_terminal_as_it_was(start: Start, number: signal.Signals) -> None:
    terminal = start()
    shell = terminal.value("pane_pid")
    (pytest_pid,) = Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
    os.kill(int(pytest_pid), number)
    terminal.wait("ready>")
    assert terminal.value("alternate_on") == "0"
    assert terminal.value("cursor_flag") == "1"
    terminal.type("stty -a")
    terminal.press("Enter", " icanon")
    assert re.search(r"\secho\s", "\n".join(terminal.screen()))


def test_a_shell_gets_the_terminal_and_gives_it_back(start: Start) -> None:
    terminal = start(columns=100, rows=30)
    terminal.press("s", "In which window")
    terminal.press("Enter", lambda seen: "╭─" not in seen and "# " in seen and "step 1 of 4" not in seen)
    assert terminal.value("alternate_on") == "0"
    terminal.type("hostname changed-by-hand; exit")
    terminal.press("Enter", lambda seen: "╭─ What changed ─" in seen and "changed-by-hand" in seen)
    assert terminal.value("alternate_on") == "1"
    terminal.press("Escape", "Enter runs the step")


def test_pasted_lines_are_no_keys_and_answer_nothing(start: Start) -> None:
    terminal = start()
    terminal.paste("q\nq\n")
    terminal.wait("paste means nothing here")
    terminal.press("g", "Run on to")
    terminal.paste("no\nwhere\n")
    terminal.wait("> no where")
    terminal.press("Enter", "no where: give a step after this one")
    terminal.press("/", "╭─ All steps ─")
    terminal.paste("in\norder")
    terminal.wait("/ in order")
    terminal.press("Enter", lambda seen: "step 4 of 4" in seen and "Enter runs the step" in seen)


def test_the_end_of_the_walk(start: Start) -> None:
    terminal = start(columns=120, rows=30)
    terminal.press("g", "Run on to")
    terminal.type("end")
    shown = terminal.press("Enter", "This is the end.")
    assert "You have seen 4 of 4 steps" in shown
    assert "step 4 of 4" not in shown
    assert "In order" not in shown
    assert "─" not in shown.split("\n")[1], "the line of progress is full"
    terminal.press("b", lambda seen: "step 4 of 4" in seen and "Enter runs the step" in seen)


def test_a_fault_of_the_stage_ends_the_walk_and_is_no_failure_of_a_lab(start: Start, screen_checkout: Checkout) -> None:
    with (screen_checkout.path / "runtime" / "stage" / "picture.py").open("a") as source:
        source.write("\n\ndef summary(*_):\n    raise ZeroDivisionError('a fault of the stage')\n")
    terminal = start(columns=120, rows=60)
    terminal.press("Enter", "Enter answers")
    shown = terminal.press("Enter", lambda seen: seen.rstrip().endswith("ready>"))
    assert "ZeroDivisionError: a fault of the stage" in shown
    assert terminal.value("alternate_on") == "0"
    assert terminal.value("cursor_flag") == "1"
    assert "status 3" in terminal_says(terminal, "echo status $?")
    events = events_of(screen_checkout.site / "record.jsonl")
    assert events[-1] == events[-1] | {"event": "end", "exitstatus": 3}
    assert not [event for event in events if event["event"] == "exercise_end" or event.get("ok") is False]


def terminal_says(terminal: Tmux, command: str) -> str:
    terminal.type(command)
    return terminal.press("Enter", lambda seen: re.search(r"status \d", seen) is not None)


def test_the_uts_lab(tmp_path: Path) -> None:
    with Tmux(80, 24, ROOT, clean_environment()) as terminal:
        command = [sys.executable, "-m", "pytest", "labs/", "--step", "--lab", "uts", "-p", "no:cacheprovider"]
        terminal.type(shlex.join([*command, "--report-dir", str(tmp_path)]))
        terminal.keys("Enter")
        shown = terminal.wait("Enter runs the step")
        assert "UTS namespaces" in shown
        assert "unshare --uts /bin/bash" in terminal.press("End", lambda seen: "This will be typed" in seen)
        terminal.press("Enter", "Enter goes on")
        terminal.press("Enter", lambda seen: "step 2 of" in seen and "This will be typed" in seen)
        shown = terminal.press("Enter", "neither")
        terminal.type(re.search(r"(\d) +neither", shown)[1])  # choices stand in another order in each run
        shown = terminal.press("Enter", "Enter goes on")
        assert "★ right" in shown
        assert "first# hostname container001" in shown
        assert "━━ ● second" in shown  # which typed last
        terminal.press("Space", " → container001")
        terminal.press("Space", "= holds  claim uts-01")
        terminal.press("Space", "uts_namespaces(7)")
        terminal.press("q", "ready>")
