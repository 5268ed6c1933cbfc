r"""What a terminal shows: colours stay, sequences vanish, everything else is text."""

import pytest

from record.screen import PLAIN, Look, plain
from record.window import LINES, Window


def lines(output: str, columns: int = 80, rows: int = 24) -> list[str]:
    terminal = Window(columns, rows)
    terminal.begin()
    terminal.feed(output)
    return [plain(line) for line in terminal.shown().lines]


def looks(output: str) -> dict[str, Look]:
    terminal = Window()
    terminal.begin()
    terminal.feed(output)
    return {text.strip(): look for line in terminal.shown().lines for text, look in line if text.strip()}


@pytest.mark.parametrize(
    ("codes", "look"),
    [
        ("31", Look(front="red")),
        ("33", Look(front="yellow")),
        ("94", Look(front="brightblue")),
        ("95;105", Look(front="brightmagenta", back="brightmagenta")),
        ("38;5;208", Look(front="ff8700")),
        ("38;2;10;20;200", Look(front="0a14c8")),
        ("38:2::10:20:200", Look(front="0a14c8")),
        ("48:5:208", Look(back="ff8700")),
        ("1;4;7", Look(bold=True, underline=True, reverse=True)),
        ("4:3", Look(underline=True)),
        ("3;9", Look(italic=True, strike=True)),
    ],
)
def test_colours_and_styles(codes: str, look: Look) -> None:
    assert looks(f"\x1b[{codes}mtext\x1b[0m plain") == {"text": look, "plain": PLAIN}


@pytest.mark.parametrize(
    "sequence",
    [
        "\x1b]0;a title\x07",
        "\x1b]133;C;secret\x1b\\",
        "\x1b]133;D;0;41;secret\x07",
        "\x1b]8;;https://example.org\x1b\\",
        "\x1b[?2004h",
        "\x1b[>4;2m",
        "\x1b[?1;2c",
        "\x1b[2 q",
        "\x1b[!p",
        "\x1bP1$r0m\x1b\\",
        "\x1b_private\x1b\\",
    ],
)
def test_sequences_that_show_nothing_vanish(sequence: str) -> None:
    assert lines(f"before{sequence}after\r\nnext") == ["beforeafter", "next"]


@pytest.mark.parametrize("begun", ["\x1b]0;no end", "\x1bP no end", "\x1b_no end"])
def test_a_sequence_that_never_ends_does_not_swallow_the_rest(begun: str) -> None:
    shown = lines(f"{begun}\r\nthe rest")
    assert shown[-1] == "the rest"
    assert "\\x1b" in shown[0]


def test_bytes_that_are_no_text_stay_spelled_out() -> None:
    assert lines("\\xff\\xfe raw") == ["\\xff\\xfe raw"]


@pytest.mark.parametrize(("hidden", "spelled"), [("\u202e", "\\u202e"), ("\u200b", "\\u200b"), ("\ud800", "\\ud800")])
def test_characters_that_hide_or_turn_text_are_spelled_out(hidden: str, spelled: str) -> None:
    assert lines(f"a{hidden}b <script>") == [f"a{spelled}b <script>"]


def test_wide_characters_and_marks() -> None:
    assert lines("中文 e\u0301") == ["中文 \u00e9"]


def test_a_line_that_was_overwritten_shows_its_end() -> None:
    assert lines("10%\r50%\r100%\r\ndone") == ["100%", "done"]


def test_a_step_begins_at_the_line_of_its_prompt() -> None:
    terminal = Window()
    terminal.feed("$ first\r\nout\r\n$ ")
    terminal.begin()
    terminal.feed("second\r\nmore\r\n")
    shown = terminal.shown(earlier=1)
    assert [plain(line) for line in shown.lines] == ["$ second", "more"]
    assert [plain(line) for line in shown.earlier] == ["out"]


def test_what_scrolled_away_is_kept() -> None:
    assert lines("".join(f"{n}\r\n" for n in range(100)), rows=5) == [str(n) for n in range(100)]


def test_what_was_cleared_is_kept() -> None:
    assert lines("one\r\ntwo\r\n\x1b[H\x1b[2J\x1b[3Jthree") == ["one", "two", "three"]


def test_the_screen_of_an_editor_is_left_again() -> None:
    assert lines("one\r\n\x1b[?1049h\x1b[2Jeditor\x1b[?1049ltwo") == ["one", "two"]
    assert lines("one\r\n\x1b[?1049heditor") == ["editor"]


def test_long_lines_wrap_at_the_width_of_the_window() -> None:
    assert lines("x" * 25, columns=10) == ["x" * 10, "x" * 10, "x" * 5]


def test_the_middle_of_a_long_output_is_left_out() -> None:
    terminal = Window()
    terminal.begin()
    terminal.feed("$ seq\r\n" + "".join(f"{n}\r\n" for n in range(100_000)) + "$ ")
    shown = terminal.shown()
    assert plain(shown.head[0]) == "$ seq"
    assert [plain(shown.tail[-2]), plain(shown.tail[-1])] == ["99999", "$"]
    assert len(shown.lines) <= LINES
    assert len(shown.lines) + shown.left_out == 100_002


def test_colours_survive_what_was_left_out() -> None:
    terminal = Window()
    terminal.begin()
    terminal.feed("x\r\n" * 600 + "\x1b[31m" + "y\r\n" * 600)
    assert terminal.shown().tail[-1] == (("y", Look(front="red")),)


def test_a_line_without_end_is_cut() -> None:
    assert sum(len(line) for line in lines("x" * 3_000_000, columns=400)) < 1_000_000


def test_a_sequence_that_breaks_the_emulator_costs_its_line_at_most() -> None:
    assert lines("\x1b[1;2;3;4;5;6;7H\r\n\x1b[99999999999;1r\r\nafter")[-1] == "after"
