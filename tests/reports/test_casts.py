"""Windows as asciicasts: what a player shows is what the window showed."""

import json
from pathlib import Path
from typing import Any

import pyte
import pytest

from record.model import Exercise, Run
from record.reading import read
from reports.__main__ import main
from reports.exports.casts import Cast, casts, paced, written
from tests.conftest import events_of
from tests.reports.conftest import END, REAL, Told, Write, event, exercise, exercise_end, lab, only, run, step, step_end


def window(what: str, at: float, data: Any, name: str = "first", step: int | None = 1) -> dict[str, Any]:
    where = f"uts/test_rename/{step}" if step else None
    return {**event("window", exercise="test_rename", step=where, window=name, what=what, data=data), "t": at}


def small(told: Told) -> tuple[Run, dict[str, Cast]]:
    story = told(
        run(), lab(), exercise(),
        window("open", 2.0, {"columns": 90, "rows": 20}, step=None), window("out", 2.1, "$ ", step=None),
        {**step(title="Look"), "t": 2.25},
        window("in", 2.5, "ls\n"), window("out", 2.6, "\x1b[31mred\x1b[0m\r\n"),
        step_end(), window("close", 4.0, "", step=None), exercise_end(), END,
    )  # fmt: skip
    return story, casts(story.labs)


def test_version_3_counts_from_the_moment_before(told: Told) -> None:
    story, made = small(told)
    (name,) = made
    header, *moments = [json.loads(line) for line in written(made[name], story, 3).splitlines()]
    assert name == "uts-rename-first.cast"
    assert header == {
        "version": 3, "term": {"cols": 90, "rows": 20, "type": "xterm-256color"}, "timestamp": 1717236002,
        "title": "Rename (first)",
    }  # fmt: skip
    assert moments == [
        [0.1, "o", "$ "], [0.15, "m", "1 Look"], [0.25, "i", "ls\n"], [0.1, "o", "\x1b[31mred\x1b[0m\r\n"],
    ]  # fmt: skip


def test_version_2_counts_from_the_start(told: Told) -> None:
    story, made = small(told)
    header, *moments = [json.loads(line) for line in written(*made.values(), story, 2).splitlines()]
    assert header == {
        "version": 2, "width": 90, "height": 20, "timestamp": 1717236002, "title": "Rename (first)",
        "env": {"TERM": "xterm-256color"},
    }  # fmt: skip
    assert [at for at, _, _ in moments] == [0.1, 0.25, 0.5, 0.6]


def test_a_pace_at_which_one_can_read(told: Told) -> None:
    lines = [window("out", 0.1, "$ "), window("in", 0.2, "a\n"), window("out", 0.3, "A"), window("in", 0.4, "b\n")]
    late = [window("in", 9.0, "c\n"), window("out", 9.1, "C")]
    story = told(run(), lab(), exercise(), window("open", 0, {"columns": 90, "rows": 20}), *lines, *late, END)
    (cast,) = casts(story.labs).values()
    times = [at for at, _, _ in paced(cast, 2).moments]
    assert times == [0.1, 2.0, 2.1, 4.0, 12.6, 12.7]
    assert paced(cast, 0) == cast


def screen_of_cast(text: str) -> list[str]:
    """What a player shows at the end: a terminal of the header's size, fed with the events as the format says."""
    header, *moments = [json.loads(line) for line in text.splitlines()]
    term = header.get("term") or {"cols": header["width"], "rows": header["height"]}
    screen = pyte.Screen(term["cols"], term["rows"])
    stream = pyte.Stream(screen)
    before = 0.0
    for at, code, data in moments:
        assert at >= (before if header["version"] == 2 else 0)
        before = at
        if code == "o":
            stream.feed(data)
        elif code == "r":
            columns, rows = data.split("x")
            screen.resize(int(rows), int(columns))
    return list(screen.display)


def screens_of_record(path: Path) -> dict[tuple[str, str], list[str]]:
    """What each window shows at its end, from the events as they stand in the record."""
    screens: dict[tuple[str, str], pyte.Screen] = {}
    for each in (each for each in events_of(path) if each["event"] == "window"):
        key = each["exercise"], each["window"]
        if each["what"] == "open":
            screens[key] = pyte.Screen(each["data"]["columns"], each["data"]["rows"])
        elif each["what"] == "out":
            pyte.Stream(screens[key]).feed(each["data"])
    return {key: list(screen.display) for key, screen in screens.items()}


@pytest.mark.parametrize("version", [2, 3])
def test_a_player_shows_what_the_record_shows(version: int) -> None:
    story = read([REAL])
    shown = screens_of_record(REAL)
    exercises: list[Exercise] = [each for lab_ in story.labs for each in lab_.exercises]
    names = [(each.name, name) for each in exercises for name in dict.fromkeys(out.window for out in each.output)]
    replayed = [screen_of_cast(written(cast, story, version)) for cast in casts(story.labs).values()]
    assert dict(zip(names, replayed, strict=True)) == shown
    assert any("container001" in "".join(screen) for screen in replayed)


def test_markers_are_the_steps() -> None:
    story = read([REAL])
    steps = [f"{s.number} {s.title}" for lab_ in story.labs for e in lab_.exercises if e.output for s in e.steps]
    told = [data for cast in casts(story.labs).values() for _, code, data in cast.moments if code == "m"]
    assert set(told) <= set(steps)
    assert len(set(told)) > 1


def test_names_never_clash(told: Told) -> None:
    names = ("test_a[x y]", "test_a[x/y]")
    printed = [(exercise(name), {**window("out", 1, "x"), "exercise": name}) for name in names]
    story = told(run(), lab(), *(each for pair in printed for each in pair), END)
    assert list(casts(story.labs)) == ["uts-a-x-y-first.cast", "uts-a-x-y-first-2.cast"]
    assert only(story)


def test_the_command(write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for flags, version in ([], 3), (["--v2"], 2):
        assert main(["cast", str(REAL), "--lab", "uts", "-o", str(tmp_path / "casts"), *flags]) == 0
        files = list((tmp_path / "casts").iterdir())
        assert {json.loads(path.read_text().partition("\n")[0])["version"] for path in files} == {version}
        assert all(path.name.startswith("uts-") for path in files)
    assert capsys.readouterr().out == f"{tmp_path / 'casts'}\n" * 2


def test_a_folder_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["cast", str(REAL), "-o", str(tmp_path / "file" / "casts")]) == 4
    assert "name another file with -o" in capsys.readouterr().err
