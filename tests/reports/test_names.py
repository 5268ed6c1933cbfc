"""Files are named by what a record says, and lie where the command line says."""

from pathlib import Path

import pytest

from reports.__main__ import main
from reports.text import file_names
from tests.reports.conftest import END, Event, Write, event, run

HOSTILE = [
    "../../outside",
    "/etc/outside",
    "x" * 300,
    "..",
    "",
    "index",
    "INDEX",
    "a\x00b",
    "a\nb",
    "ü" * 200,
    "CON",
    "*",
]


@pytest.mark.parametrize("suffix", [".html", ".md", ".cast"])
def test_any_text_gives_a_plain_short_name_of_its_own(suffix: str) -> None:
    names = file_names([*HOSTILE, *HOSTILE, "uts"], suffix, taken=[f"index{suffix}"])
    assert len({name.casefold() for name in names}) == len(names) == 2 * len(HOSTILE) + 1
    assert [name for name in names if Path(name).name != name or len(name) > 120 or not name.isascii()] == []
    assert f"index{suffix}" not in names
    assert names[-1] == f"uts{suffix}"


def hostile(name: str) -> list[Event]:
    """A run in which lab, exercise and window are called so."""
    place = {"lab": name, "exercise": name}
    window = {"step": "a", "window": name}
    return [
        run(), event("lab", lab=name, claims=[{"id": name}]),
        event("exercise", **place), event("step", step="a", number=1, **place),
        event("window", what="open", data={"columns": 80, "rows": 24}, **window),
        event("window", what="in", data="true\n", **window), event("window", what="out", data="$ true\r\n", **window),
        event("step_end", step="a", outcome="passed"), event("exercise_end", outcome="passed", **place), END,
    ]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the commands are typed, far enough down that nothing of ours lies above it."""
    folder = tmp_path / "a" / "b" / "c"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:20])
@pytest.mark.parametrize(
    "command",
    [
        ["render", "../record.jsonl", "--report-dir", "."],
        ["handout", "../record.jsonl"],
        ["cast", "../record.jsonl", "-o", "."],
        ["compare", "../record.jsonl", "../record.jsonl"],
    ],
    ids=lambda command: command[0],
)
def test_nothing_is_written_outside(folder: Path, write: Write, tmp_path: Path, command: list[str], name: str) -> None:
    write(*hostile(name), name="a/b/record.jsonl")
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert main(command) == 0
    written = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert written
    assert {path.parent for path in written} == {folder}
    assert (tmp_path / "a/b/record.jsonl") in before
    assert all(path.name.isascii() and len(path.name) < 120 for path in written)


def test_a_lab_that_is_called_index_leaves_the_index_alone(folder: Path, write: Write) -> None:
    write(*hostile("index"), name="a/b/record.jsonl")
    assert main(["render", "../record.jsonl", "--report-dir", "."]) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["index-2.html", "index.html"]
    assert 'href="index-2.html' in (folder / "index.html").read_text()
