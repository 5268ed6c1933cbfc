"""What is put together for a page: which rows and windows of a step are shown, and how."""

from typing import Any

from reports.pages.story import LabStory, Pane, tell
from tests.reports.conftest import (
    END,
    Event,
    Told,
    event,
    exercise,
    exercise_end,
    lab,
    printed,
    run,
    step,
    step_end,
    typed,
    whole,
)


def only_pane(told: Told, *events: Event, **about: Any) -> Pane:
    (story,) = tell(told(*whole(*events, **about)))
    (pane,) = story.panes
    return pane


def test_what_was_typed_is_marked_also_across_a_wrap(told: Told) -> None:
    size = event(
        "window", window="first", exercise="test_rename", step=None, what="open", data={"columns": 20, "rows": 5}
    )
    long = "echo a long command that wraps"
    (story,) = tell(
        told(run(), lab(), exercise(), size, step(), *typed("first", long), printed("first", "out\r\n"), END)
    )
    (window,) = story.panes[0].windows
    lines = [("".join(text for text, _ in line.spans), line.typed) for line in window.head]
    assert lines == [("$ echo a long comman", True), ("d that wraps", True), ("out", False)]


def test_windows_keep_their_places(told: Told) -> None:
    first, second = typed("first", "a"), typed("second", "b")
    swapped = [*typed("second", "b", 2), *typed("first", "a", 2)]
    (story,) = tell(told(run(), lab(), exercise(), step(1), *first, *second, step_end(1), step(2), *swapped, END))
    assert [[window.name for window in pane.windows] for pane in story.panes] == [["first", "second"]] * 2


def test_a_prompt_alone_is_no_output(told: Told) -> None:
    assert only_pane(told, printed("first", "root@vm:~# ")).windows == []


def test_a_step_shows_only_what_it_added(told: Told) -> None:
    (story,) = tell(
        told(
            run(),
            lab(),
            exercise(),
            step(1),
            *typed("first", "one"),
            step_end(1),
            step(2),
            *typed("first", "two", 2),
            END,
        )
    )
    (window,) = story.panes[1].windows
    assert [line.spans for line in window.head] == [[("$ two", "")]]
    assert [line.spans for line in window.earlier] == [[("$ one", "")]]


def outcome(told: Told, *outcomes: str) -> LabStory:
    parts = [[exercise(f"test_{n}"), exercise_end(o, f"test_{n}")] for n, o in enumerate(outcomes)]
    (story,) = tell(told(run(), lab(), *(each for part in parts for each in part), END))
    return story


def test_the_worst_outcome_is_that_of_the_lab(told: Told) -> None:
    assert outcome(told, "passed", "unsupported").outcome == "passed"
    assert outcome(told, "unsupported").outcome == "unsupported"
    assert outcome(told, "passed", "interrupted", "failed").outcome == "failed"
    assert outcome(told).outcome == "not run"
