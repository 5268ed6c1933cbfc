"""How the windows of a step came to show what they show: moment by moment, and at the end the text of the page."""

from collections.abc import Iterator
from typing import Any

from record.reading import read
from record.screen import plain
from record.window import LINES, Window
from reports.pages.palette import Palette
from reports.pages.story import tell
from reports.pages.windows import Windows, WindowView
from tests.reports.browser import REAL
from tests.reports.conftest import END, Event, Told, event, exercise, lab, printed, run, step, typed

Replay = dict[str, Any]


def text(line: Any) -> str:
    return line if isinstance(line, str) else "".join(line[::2])


def screens(replay: Replay, until: int | None = None) -> list[list[str]]:
    """The lines of each window after the first `until` moments, as the script of a page puts them together."""
    shown: list[list[str]] = [[] for _ in replay["windows"]]
    for _, window, _, first, *lines in replay["moments"][:until]:
        if lines:
            shown[window][first : first + len(lines)] = [text(line) for line in lines]
        else:
            del shown[window][first:]
    return shown


def last(views: list[WindowView]) -> list[list[str]]:
    return [["".join(part for part, _ in line.spans) for line in view.head] for view in views]


def stripped(lines: list[str]) -> list[str]:
    return "\n".join(lines).rstrip().split("\n")


def test_the_last_moment_of_every_real_step_is_what_the_page_shows() -> None:
    steps = 0
    for story in tell(read([REAL])):
        for pane in story.panes:
            if pane.windows:
                replay: Any = pane.replay
                assert replay["windows"] == [window.name for window in pane.windows]
                assert [stripped(lines) for lines in screens(replay)] == [
                    stripped(lines) for lines in last(pane.windows)
                ]
                times = [moment[0] for moment in replay["moments"]]
                assert times == sorted(times)
                steps += 1
    assert steps > 3


def replayed(told: Told, *events: Event) -> tuple[Replay, list[WindowView]]:
    (story,) = tell(told(run(), lab(), exercise(), step(), *events, END))
    pane: Any = story.panes[0]
    return pane.replay, pane.windows


def at(moment: float, *events: Event) -> Iterator[Event]:
    return (each | {"t": moment} for each in events)


def test_all_windows_run_on_one_clock(told: Told) -> None:
    events = [*at(2.0, *typed("first", "a")), *at(2.5, *typed("second", "b")), *at(3.25, printed("first", "A\r\n"))]
    replay, _ = replayed(told, *events)
    assert [(moment[0], replay["windows"][moment[1]]) for moment in replay["moments"]] == [
        (0, "first"), (500, "second"), (1250, "first"),
    ]  # fmt: skip
    assert [screens(replay, count) for count in (1, 2, 3)] == [
        [["$ a", ""], []],
        [["$ a", ""], ["$ b", ""]],
        [["$ a", "A", ""], ["$ b", ""]],
    ]


def test_only_lines_that_changed_are_told(told: Told) -> None:
    replay, _ = replayed(told, *typed("first", "x"), *(printed("first", f"{n}\r\n") for n in range(20)))
    assert all(len(moment) <= 6 for moment in replay["moments"])
    replay, _ = replayed(told, printed("first", "one\r\ntwo\r\nthree\r\n"), printed("first", "\x1b[3A2nd\x1b[3B"))
    assert replay["moments"][1][3:] == [0, "2nd"]


def test_a_typed_line_is_marked_where_the_terminal_echoes_it(told: Told) -> None:
    replay, _ = replayed(told, printed("first", "$ "), *typed("first", "hostname c1"), printed("first", "c1\r\n"))
    assert [moment[2] for moment in replay["moments"]] == [0, 1, 0]
    size = event("window", window="first", exercise="test_rename", step="uts/test_rename/1", what="open",
                 data={"columns": 10, "rows": 5})  # fmt: skip
    replay, _ = replayed(told, size, *typed("first", "echo a long line"))
    assert replay["moments"][0][2] == 2


def test_a_line_that_wraps_behind_a_blank_is_marked_whole(told: Told) -> None:
    size = event("window", window="first", exercise="test_rename", step="uts/test_rename/1", what="open",
                 data={"columns": 10, "rows": 5})  # fmt: skip
    replay, (window,) = replayed(told, size, *typed("first", "echo ab cd"))
    assert replay["moments"][0][2] == 2
    assert [line.typed for line in window.head] == [True, True]


def test_colours_are_told_by_class_names(told: Told) -> None:
    replay, _ = replayed(told, printed("first", "\x1b[31mred\x1b[0m plain\r\n"))
    assert replay["moments"][0][4] == ["red", "c0", " plain", ""]


def played(*pieces: str) -> list[str]:
    terminal = Window()
    terminal.begin()
    for _ in terminal.play(pieces):
        pass
    return [plain(line) for line in terminal.shown().lines]


def test_a_sequence_may_be_torn_into_pieces() -> None:
    for whole in (
        "\x1b[1;31mred\x1b[0m\r\n",
        "\x1b]133;D;0\x1b\\done\r\n",
        "\x1bP1$r\x1b\\x\r\n",
        "\x1b[?2004hy\x1b(Bz\r\n",
    ):
        expected = played(whole)
        assert "\\x1b" not in "".join(expected)
        for cut in range(1, len(whole)):
            assert played(whole[:cut], whole[cut:]) == expected


def test_a_sequence_without_an_end_is_waited_for_until_the_line_ends() -> None:
    assert played("a\x1b]0;title", "more") == ["a"]
    assert played("a\x1b]0;title", "more\r\n$ ") == ["a\\x1b]0;titlemore", "$"]


def test_of_a_long_output_only_the_beginning_is_told_moment_by_moment() -> None:
    pieces = [f"line {number}\r\n" for number in range(5 * LINES)]
    terminal = Window()
    terminal.begin()
    changes = [change for moment in terminal.play(pieces) for change in moment]
    shown = terminal.shown()
    assert max(change.first + len(change.lines) for change in changes) <= LINES // 2
    assert plain(shown.lines[-1]) == f"line {5 * LINES - 1}"
    whole = Window()
    whole.begin()
    whole.feed("".join(pieces))
    assert shown == whole.shown()


def test_a_cleared_screen_ends_the_lines(told: Told) -> None:
    replay, _ = replayed(told, printed("first", "one\r\ntwo\r\nthree"), printed("first", "\r\x1b[A\x1b[J"))
    assert screens(replay) == [["one", ""]]


def test_a_step_without_windows_has_no_replay(told: Told) -> None:
    assert replayed(told)[0] is None


def test_names_of_windows_are_spelled_out(told: Told) -> None:
    replay, _ = replayed(told, *typed("a\u202e\n", "x"))
    assert replay["windows"] == ["a\\u202e\\n"]


def test_the_terminals_of_an_exercise_go_on(told: Told) -> None:
    (only,) = told(
        run(), lab(), exercise(), step(1), *typed("first", "one"), step(2), *typed("first", "two", 2), END
    ).labs
    windows = Windows(only.exercises[0], Palette())
    shown = []
    for each in only.exercises[0].steps:
        windows.step(each)
        shown.append(windows.replay)
    assert [screens(replay) for replay in shown if isinstance(replay, dict)] == [[["$ one", ""]], [["$ two", ""]]]
