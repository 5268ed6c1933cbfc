"""`python -m reports pdf`: pages printed by chromium."""

from pathlib import Path

import pytest

from reports.__main__ import main
from tests.reports.browser import needs_chromium
from tests.reports.conftest import REAL, Write, exercise, exercise_end, run, step, step_end, whole
from tests.reports.conftest import lab as a_lab


def pages(path: Path) -> int:
    """How many pages a PDF has: its page objects, which chromium does not compress away."""
    return path.read_bytes().count(b"/Type /Page\n")


@pytest.mark.browser
@needs_chromium
def test_the_index_and_a_page_for_each_lab(write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = [each for number in (1, 2, 3) for each in (step(number), step_end(number))]
    record = write(run(), a_lab(), exercise(), *steps, exercise_end())
    assert main(["pdf", str(record), "-o", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'out' / 'index.pdf'}\n{tmp_path / 'out' / 'uts.pdf'}\n"
    assert pages(tmp_path / "out" / "uts.pdf") >= 3  # each step begins on a page of its own
    assert (tmp_path / "out" / "index.pdf").read_bytes().startswith(b"%PDF-")


@pytest.mark.browser
@needs_chromium
def test_one_lab(tmp_path: Path) -> None:
    assert main(["pdf", str(REAL), "--lab", "namespaces", "-o", str(tmp_path)]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["namespaces.pdf"]


def test_without_a_browser_it_says_what_to_do(
    write: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert main(["pdf", str(write(*whole()))]) == 4
    assert capsys.readouterr().err == (
        "reports: no chromium is installed: apt install chromium, or print the pages from another browser.\n"
    )


@pytest.mark.parametrize(
    ("script", "says"), [("exit 1", "could not print index.html"), ("exit 0", "printed nothing of index.html")]
)
def test_a_browser_that_breaks_is_told(
    write: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    script: str,
    says: str,
) -> None:
    broken = tmp_path / "bin" / "chromium"
    broken.parent.mkdir()
    broken.write_text(f"#!/bin/sh\n{script}\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(broken.parent))
    assert main(["pdf", str(write(*whole())), "-o", str(tmp_path / "out")]) == 4
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
