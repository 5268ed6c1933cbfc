"""Frames of the stage, drawn from scenes alone and read back by a terminal emulator."""

import itertools
import os
from collections.abc import Iterator

import pytest
from rich.cells import cell_len

from record.events import Check, Command
from record.phrases import Sentence
from record.rows import Change
from record.screen import Screen
from runtime.stage.frame import Gaze, Prompt, compose
from runtime.stage.keys import KEYS
from runtime.stage.picker import Picker
from runtime.stage.scene import Claim, Entry, Pane, Question, Scene
from runtime.stage.tty import Tty

SIZES = [(80, 24), (100, 30), (132, 43), (200, 60), (40, 12), (61, 17)]
STRANGE = "中文输出 👩‍👧 ❤️ e\u0301 हिन्दी 🇩🇪 👍🏽 \u200bx"


def window(name: str, *lines: str, fresh: bool = False, columns: int = 100) -> Pane:
    screen = Screen(columns, 30)
    for line in lines:
        screen.feed(line + "\r\n")
    newest = screen.position
    screen.feed("root@vm:~# ")
    return Pane(name, screen, fresh, newest)


def full_scene() -> Scene:
    """A scene that has everything, and more of it than a small terminal can show."""
    return Scene(
        lab="UTS namespaces: a host name of one's own.",
        exercise="A new UTS namespace, and a witness outside.",
        exercise_text="The first window goes in. The second one stays outside.",
        opening=True,
        title="Change both names",
        number=3,
        total=14,
        done=12,
        course=250,
        text="\n\n".join(f"Paragraph {number} of the lesson, 用中文. " + "Words follow. " * 12 for number in range(8)),
        hint="Which namespace does each window read?",
        why="hostname calls `sethostname(2)`.",
        phase="after",
        waiting=True,
        commands=[Command("first", "hostname container001"), Command("second", "domainname")],
        panes=[
            window("first", "root@vm:~# hostname container001", STRANGE * 3, "\x1b[31mred\x1b[0m", fresh=True),
            window("second", *(f"line {number} " + "y" * 70 for number in range(60))),
            window("third", "中" * 50, "short"),
        ],
        changes=[Change("first", f"/proc/PID/ns/{n}", "", "", f"old {n}", f"new {n}") for n in range(9)],
        summary=[Sentence("changed", f"Sentence {n}.") for n in range(9)],
        checks=[Check(True, "assert a == b", "1 == 1"), Check(False, "assert c", "False\n +  where")],
        claims=[
            Claim(f"uts-{verdict}", verdict, f"Statement {verdict}.", f"Truth {verdict}.", "uts_namespaces(7)")
            for verdict in ("holds", "in part", "changed", "wrong", "unsupported", "failed")
        ],
        found="What there is to remember.",
        error="AssertionError: assert c",
        question=Question("choice", "What does `domainname` print?", ["the old one", "the new one"]),
    )


def text_of(scene: Scene, columns: int, rows: int, gaze: Gaze | None = None, **more: object) -> list[str]:
    frame = compose(scene, columns, rows, gaze or Gaze(), **more)  # type: ignore[arg-type]
    return ["".join(segment.text for segment in row) for row in frame.rows]


def all_text(scene: Scene, columns: int, rows: int) -> str:
    """All that can be read by scrolling from the beginning to the end."""
    gaze, seen = Gaze(), []
    while True:
        frame = compose(scene, columns, rows, gaze)
        seen += ["".join(segment.text for segment in row) for row in frame.rows]
        if gaze.top >= frame.most:
            return "\n".join(seen)
        gaze.top += frame.page


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """What a program writes to a terminal, as (where it can be read, where it is written)."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
@pytest.mark.parametrize("overlay", ["", "help", "hint", "why", "changes", "question"])
def test_every_row_is_exactly_as_wide_as_the_terminal(size: tuple[int, int], overlay: str) -> None:
    scene = full_scene()
    scene.overlay = overlay  # type: ignore[assignment]
    for phase, window_alone in itertools.product(("before", "running", "after", "end"), (None, 0, 2)):
        scene.phase = phase  # type: ignore[assignment]
        prompt = Prompt("Your answer, a number:", STRANGE, 4) if overlay == "question" else None
        frame = compose(scene, *size, Gaze(window=window_alone), prompt)
        assert len(frame.rows) == size[1]
        assert {sum(segment.cell_length for segment in row) for row in frame.rows} == {size[0]}
        if frame.cursor:
            assert frame.cursor[0] < size[0]
            assert frame.cursor[1] < size[1]


@pytest.mark.parametrize("size", SIZES[:4], ids=lambda size: "x".join(map(str, size)))
def test_nothing_is_cut_without_a_way_to_read_it(size: tuple[int, int]) -> None:
    scene = full_scene()
    everything = all_text(scene, *size)
    for expected in ("UTS namespaces", "step 3 of 14", scene.exercise, scene.title, "assert c", "a == b"):
        assert expected in everything
    for claim in scene.claims:
        for part in (claim.id, claim.verdict, claim.statement, claim.truth, claim.reference):
            assert part in everything
    for number in range(8):
        assert f"Paragraph {number} " in everything
    assert "Sentence 0." in everything
    assert "3 more: key d" in everything
    scene.overlay = "changes"
    every_change = all_text(scene, *size)
    for number in range(9):
        assert f"old {number} → new {number}" in every_change


def test_the_plan_comes_before_the_step_and_the_results_after_it() -> None:
    scene = full_scene()
    scene.phase = "before"
    before = all_text(scene, 80, 24)
    assert "hostname container001" in before
    assert "This will be typed" in before
    assert "to remember" not in before
    assert "Truth" not in before
    assert "the old one" not in before
    scene.phase = "after"
    after = all_text(scene, 80, 24)
    assert "This will be typed" not in after
    assert "✓ What there is to remember." in after
    scene.quiz = True
    assert "to remember" not in all_text(scene, 80, 24)


def test_results_come_first_on_a_small_terminal_and_beside_the_lesson_on_a_large_one() -> None:
    scene = full_scene()
    small = all_text(scene, 80, 24)
    assert small.index(scene.title) < small.index("Statement holds.") < small.index("Paragraph 0")
    rows = text_of(scene, 200, 60)
    assert any("Words follow." in row[:100] and row.rstrip()[100:].strip() for row in rows)


def test_verdicts_are_told_by_signs_and_words_not_by_colour_alone() -> None:
    everything = all_text(full_scene(), 80, 24)
    for shown in ("= holds", "≈ in part", "Δ changed", "≠ wrong", "○ unsupported", "✗ failed"):
        assert shown in everything


def test_what_was_said_stands_beside_what_was_observed() -> None:
    scene = full_scene()
    assert scene.question
    scene.question.given, scene.question.observed, scene.question.correct = "the new one", "the old one", False
    shown = all_text(scene, 80, 24)
    assert "☆ not so" in shown
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert "you said the new one" in lines
    assert "observed the old one" in lines
    scene.question.given, scene.question.correct = "the old one", True
    assert "★ right" in all_text(scene, 80, 24)


def test_a_quiz_reveals_nothing_but_the_question() -> None:
    scene = full_scene()
    scene.quiz, scene.overlay = True, "question"
    shown = all_text(scene, 80, 24)
    for hidden in ("Paragraph", "hostname container001", "Statement", "old 0", "a == b", "line 59"):
        assert hidden not in shown
    assert "2  the new one" in shown


def test_windows_stand_side_by_side_and_the_newest_output_is_marked() -> None:
    rows = text_of(full_scene(), 120, 30)
    title = next(row for row in rows if "● first" in row)
    assert title.index("first") < title.index("second") < title.index("third")
    assert title.startswith("━━ ● first ━")
    marked = [row for row in rows if row.startswith("▌")]
    assert [row[1:12].strip() for row in marked] == ["root@vm:~#"]


def test_long_lines_of_a_window_are_folded_not_cut() -> None:
    scene = full_scene()
    scene.panes = [window("first", "0123456789" * 9, fresh=True), window("second", "x")]
    rows = text_of(scene, 80, 24)
    below = rows[next(number for number, row in enumerate(rows) if "● first" in row) + 1 :]
    left = "".join(row[1:39] for row in below)
    assert "0123456789" * 9 in left


def test_a_window_alone_can_be_read_back_to_its_first_line() -> None:
    scene = full_scene()
    gaze = Gaze(window=1, back=10**6)
    rows = text_of(scene, 80, 24, gaze)
    assert any(row[1:].startswith("line 0 ") for row in rows)
    assert gaze.back < 10**6
    gaze.back = 0
    assert not any(row[1:].startswith("line 0 ") for row in text_of(scene, 80, 24, gaze))


def test_the_fresh_window_is_shown_where_there_is_no_room_for_all() -> None:
    scene = full_scene()
    for pane in scene.panes:
        pane.fresh = pane.name == "third"
    title = next(row for row in text_of(scene, 50, 24) if "━━" in row and "third" in row)
    assert "first" not in title


def test_a_command_that_is_being_typed_stands_at_the_cursor() -> None:
    scene = full_scene()
    scene.phase = "running"
    scene.panes[0].typing = "hostname 中"
    assert any("root@vm:~# hostname 中" in row for row in text_of(scene, 120, 30))


def test_every_key_stands_at_the_bottom() -> None:
    bottom = " ".join(" ".join(text_of(full_scene(), 80, 24)[-2:]).replace("\xa0", " ").split())
    for key in KEYS:
        if key.action != "close":
            assert f"{key.name} {key.action}" in bottom


def test_autoplay_counts_down_and_messages_are_shown() -> None:
    scene = full_scene()
    scene.autoplay, scene.message = 3.0, "Back to step 2."
    row = next(row for row in text_of(scene, 80, 24) if "goes on in 3 s" in row)
    assert "Back to step 2." in row


def test_a_terminal_that_is_too_small_says_what_it_needs() -> None:
    rows = text_of(full_scene(), 30, 8)
    assert "30x8" in " ".join(rows)
    assert [cell_len(row) for row in rows] == [30] * 8


def test_a_list_is_narrowed_by_words_and_keeps_its_headings() -> None:
    entries = [
        Entry(None, "UTS"),
        Entry(None, "  A witness"),
        Entry(0, "1. Enter"),
        Entry(1, "2. Rename", current=True),
    ]
    entries += [Entry(None, "PID"), Entry(None, "  Children"), *(Entry(n, f"{n}. Fork {n}") for n in range(2, 80))]
    picker = Picker("All steps", entries)
    assert picker.chosen == 1
    for char in "pid fork 77":
        picker.press("space" if char == " " else char)
    shown = ["".join(segment.text for segment in row) for row in picker.rows(60, 10)]
    assert [row.strip() for row in shown[2:]] == ["PID", "Children", "77. Fork 77"]
    assert picker.chosen == 77
    assert picker.press("enter")
    picker.press("x")
    assert picker.chosen is None
    assert "no step" in "".join(segment.text for segment in picker.rows(60, 10)[0])
    picker.press("ctrl-u")
    picker.press("end")
    assert picker.chosen == 79
    assert picker.press("esc")
    assert picker.chosen is None


@pytest.mark.parametrize("colours", [True, False])
def test_a_terminal_shows_the_frame_where_it_belongs(
    colours: bool, terminal: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLORTERM", raising=False)
    person, program = terminal
    scene = full_scene()
    frame = compose(scene, 100, 30, Gaze())
    os.set_blocking(person, False)
    tty = Tty(program, colours)
    tty.show(frame.rows, (100, 30), None)
    written = _drained(person)
    shown = Screen(100, 30)
    shown.feed(written)
    rows = ["".join(segment.text for segment in row) for row in frame.rows]
    assert ["".join(row.split()) for row in shown.text()] == ["".join(row.split()) for row in rows]
    colour_codes = {
        code for found in _sgr(written) for code in found if 30 <= code < 38 or 40 <= code < 50 or code > 90
    }
    assert bool(colour_codes) == colours
    assert colour_codes <= {31, 32, 35, 36}  # no black, white, yellow or blue of ours: they vanish on some background
    tty.show(frame.rows, (100, 30), None)
    assert len(_drained(person)) < 60  # nothing has changed: no row is written again


def _sgr(written: str) -> list[list[int]]:
    parts = [part.partition("m")[0] for part in written.split("\x1b[")[1:] if "m" in part]
    return [[int(code) for code in part.split(";")] for part in parts if part.replace(";", "").isdigit()]


def _drained(descriptor: int) -> str:
    found = b""
    while True:
        try:
            found += os.read(descriptor, 65536)
        except BlockingIOError:
            return found.decode()
