"""What is put together for a page: which rows and windows of a step are shown, and how."""

from typing import Any

from reports.story import LabStory, Pane, tell
from tests.reports.conftest import (
    END,
    Event,
    Told,
    event,
    exercise,
    exercise_end,
    lab,
    observation,
    printed,
    process,
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


def state(pid: int, **more: object) -> Event:
    mounts = [{"id": pid * 100 + n, "parent": pid, "point": f"/{n}", "options": "rw"} for n in range(20)]
    kept = process("first", pid)
    kept["state"] = kept["state"] | {"/proc/PID/mountinfo": mounts} | more
    return kept


def rows(pane: Pane) -> list[tuple[str, str, str]]:
    (view,) = pane.processes
    return [(row.path, row.field, row.kind) for row in view.rows]


def test_numbers_that_always_change_are_folded(told: Told) -> None:
    pane = only_pane(told, observation("before", state(1)), observation("after", state(2)))
    assert rows(pane) == [("/proc/PID/status", "NSpid", "changed")]
    assert pane.processes[0].differing == 40


def test_many_changes_of_one_path_are_folded(told: Told) -> None:
    many = [{"/devices": {f"d{n}": n * pid for n in range(20)}} for pid in (1, 2)]
    pane = only_pane(told, observation("before", state(1, **many[0])), observation("after", state(1, **many[1])))
    assert len(rows(pane)) == 6
    assert pane.processes[0].differing == 13


def test_what_a_claim_is_about_is_shown_even_when_it_stays(told: Told) -> None:
    claim = {"id": "uts-01", "visible_in": ["/proc/sys/kernel/hostname", "/proc/PID/status NSpid, CapEff"]}
    events = [
        run(), lab(claims=(claim,)), exercise(), step(claims=["uts-01"]), observation("before", state(1)),
        observation("after", state(1)), step_end(), exercise_end(), END,
    ]  # fmt: skip
    (story,) = tell(told(*events))
    assert rows(story.panes[0]) == [
        ("/proc/PID/status", "NSpid", "same"),
        ("/proc/sys/kernel/hostname", "", "same"),
    ]


def test_a_new_and_a_gone_process_are_folded_whole(told: Told) -> None:
    pane = only_pane(told, observation("before", process("old", 1)), observation("after", process("new", 2)))
    assert [(view.label, view.before, view.after, view.rows) for view in pane.processes] == [
        ("new", None, 2, []),
        ("old", 1, None, []),
    ]


def outcome(told: Told, *outcomes: str) -> LabStory:
    parts = [[exercise(f"test_{n}"), exercise_end(o, f"test_{n}")] for n, o in enumerate(outcomes)]
    (story,) = tell(told(run(), lab(), *(each for part in parts for each in part), END))
    return story


def test_the_worst_outcome_is_that_of_the_lab(told: Told) -> None:
    assert outcome(told, "passed", "unsupported").outcome == "passed"
    assert outcome(told, "unsupported").outcome == "unsupported"
    assert outcome(told, "passed", "error", "failed").outcome == "failed"
    assert outcome(told).outcome == "not run"
