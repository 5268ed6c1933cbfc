r"""One screen for the walk and the report: what it shows, and that pieces, errors and signals make no difference."""

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from record.screen import PLAIN, Line, Look, Screen, cells


def fed(*pieces: str, columns: int = 20, rows: int = 6) -> Screen:
    screen = Screen(columns, rows)
    for piece in pieces:
        screen.feed(piece)
    return screen


def looks(screen: Screen) -> dict[str, Look]:
    return {text.strip(): look for line in screen.lines() for text, look in line if text.strip()}


# Where the walk and the report once showed something else


def test_the_second_screen_is_left_again() -> None:
    assert fed("$ less\r\n\x1b[?1049h\x1b[Hpage of less\x1b[?1049l$ ").text() == ["$ less", "$"]
    assert fed("$ less\r\n\x1b[?1049h\x1b[Hpage of less").text() == ["page of less"]


@pytest.mark.parametrize("colour", ["38:2::255:0:0", "38:2:255:0:0", "38;2;255;0;0", "38:5:196"])
def test_colours_with_colons_are_colours(colour: str) -> None:
    assert looks(fed(f"\x1b[{colour}mred\x1b[0m plain")) == {"red": Look(front="ff0000"), "plain": PLAIN}


def test_clear_loses_no_line() -> None:
    screen = fed("one\r\ntwo\r\nthree", "\x1b[H\x1b[2J\x1b[3J", "$ ")
    assert screen.text() == ["one", "two", "three", "$"]
    assert (screen.top, screen.position) == (3, 3)


def test_joined_emoji_are_drawn_each_by_itself() -> None:
    assert fed("👩\u200d👧 ❤\ufe0f 👍🏽!").text() == ["👩👧 ❤ 👍!"]


def test_a_joiner_that_joins_nothing_is_spelled_out() -> None:
    assert fed("ro\u200dot").text() == ["ro\\u200dot"]


def test_what_would_hide_text_is_spelled_out() -> None:
    assert fed("a\u202eb\u200bc\x01d").text() == ["a\\u202eb\\u200bc\\x01d"]


# What is kept


def test_what_scrolls_off_is_kept() -> None:
    assert fed("".join(f"{n}\r\n" for n in range(50))).text() == [*map(str, range(50)), ""]


def test_a_region_that_begins_at_the_top_scrolls_into_the_history() -> None:
    screen = fed("bar\x1b[6;1Hfoot\x1b[1;5r\x1b[5;1H", "".join(f"\r\n{n}" for n in range(9)), columns=10)
    assert screen.text()[0] == "bar"
    assert screen.text()[-6:] == [*map(str, range(4, 9)), "foot"]
    assert [line for line in screen.text() if line.isdigit()] == [str(n) for n in range(9)]


def test_only_so_many_lines_are_kept() -> None:
    screen = Screen(20, 5, kept=10)
    for number in range(1000):
        screen.feed(f"{number}\r\n")
    assert screen.position == 1000
    assert 10 <= screen.top - screen.first <= 20
    assert screen.text()[-2:] == ["999", ""]
    assert screen.line(screen.first - 1) == ()


def test_a_reset_keeps_what_was_there() -> None:
    assert fed("one\r\ntwo\x1bcthree").text() == ["one", "two", "three"]


def test_an_error_in_a_sequence_costs_only_itself() -> None:
    assert fed("a\x1b[1;2;3;4;5;6;7Hb\r\nc").text() == ["ab", "c"]


def test_half_of_a_wide_character_is_a_blank() -> None:
    assert fed("中文\rx").text() == ["x 文"]
    assert fed("中文\x1b[2Gx").text() == [" x文"]


def test_cells_are_as_wide_as_they_were_drawn() -> None:
    (line,) = fed("a中e\u0301b").lines()
    assert [(text, size) for text, size, _ in cells(line)] == [("a", 1), ("中", 2), ("\u00e9", 1), ("b", 1)]


def test_the_cursor_can_be_hidden() -> None:
    assert fed("ab").column == 2
    assert fed("ab\x1b[?25l").column is None
    assert fed("ab\x1b[?25l\x1b[?25h").column == 2


# Properties

PLACES = ["\r\n", "\n", "\r", "\b", "\t", "\x07", "\x00", "\x7f", "\x0e", "\x1b7", "\x1b8", "\x1bM", "\x1bD", "\x1bc"]
TORN = ["\x1b", "\x9b", "\x9d", "\x90", "\x9c", "\\", "\x1b]0;title", "\x1bP1$r", "\x1b\\", "\x1b(", "\x1b%", "\x1b#8"]
MODES = ["\x1b[?1049h", "\x1b[?1049l", "\x1b[?47h", "\x1b[?7l", "\x1b[?25l", "\x1b[4h", "\x1b[20h", "\x1b[38:2::1:2:3m"]
STRANGE = ["中", "e\u0301", "\u0301", "\u200d", "👩", "🏽", "\ufe0f", "\u202e", "\ud800", "x" * 30]
CONTROL = st.builds(
    "\x1b[{}{}{}".format,
    st.text("0123456789;:?>", max_size=8),
    st.text(" $", max_size=1),
    st.sampled_from("@ABCDEFGHJKLMPXadfghlmnrsu`{"),
)
PARTS = st.one_of(st.sampled_from([*PLACES, *TORN, *MODES, *STRANGE]), CONTROL, st.text(max_size=6))


def state(screen: Screen) -> tuple[list[Line], int, int | None, int]:
    return screen.lines(), screen.position, screen.column, screen.top


@settings(deadline=None, database=None, max_examples=300)
@given(st.lists(PARTS, max_size=25).map("".join), st.lists(st.integers(0, 200), max_size=8))
@example("\x1b]0;title\x1b\\x", [1, 2, 9, 10])
@example("a\x1b]" + "x" * 5000, [4000])
@example("中\u0301\u200d👩", [1, 2, 3])
@example("x" * 20 + "\u0301", [20])
def test_pieces_make_no_difference_and_nothing_raises(output: str, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(output)) for cut in cuts), len(output)]
    pieces = [output[start:end] for start, end in pairwise(places)]
    assert state(fed(*pieces)) == state(fed(output))


@settings(deadline=None, database=None, max_examples=100)
@given(st.lists(PARTS, max_size=25))
def test_what_was_touched_is_all_that_changed(pieces: list[str]) -> None:
    screen, copy = Screen(20, 6), [()]
    for piece in pieces:
        screen.feed(piece)
        touched = screen.touched()
        length = max(screen.length, len(copy))
        copy = [
            screen.line(number) if number in touched or number >= len(copy) else copy[number]
            for number in range(length)
        ]
        assert copy == [screen.line(number) for number in range(length)]


@settings(deadline=None, database=None, max_examples=100)
@given(st.lists(PARTS, max_size=25).map("".join))
def test_lines_can_be_seen_and_cells_add_up(output: str) -> None:
    for line in fed(output).lines():
        text = "".join(part for part, _ in line)
        assert "\x1b" not in text
        assert "".join(part for part, _, _ in cells(line)) == text
        assert sum(size for _, size, _ in cells(line)) <= 20
