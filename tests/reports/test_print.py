"""A lab page as PDF, printed by chromium: every step, claim and verdict is on paper, each step on a page of its own."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from record.reading import read
from reports.pages.render import render
from reports.pages.story import LabStory, tell
from tests.reports.browser import CHROMIUM, QUIET, REAL, needs_chromium

pytestmark = [
    pytest.mark.browser,
    needs_chromium,
    pytest.mark.skipif(not shutil.which("pdftotext"), reason="no pdftotext: apt install poppler-utils"),
]

VERDICTS = {"passed": "✓ passed", "unsupported": "○ unsupported", "not run": "- not run", "holds": "= holds"}


@pytest.fixture(scope="module")
def stories() -> dict[str, LabStory]:
    return {story.lab.id: story for story in tell(read([REAL]))}


def printed(page: Path, folder: Path) -> list[str]:
    """The texts of the pages of the PDF, white space made single."""
    pdf = folder / f"{page.stem}.pdf"
    profile = f"--user-data-dir={folder / 'profile'}"
    command = [CHROMIUM or "", *QUIET, profile, "--no-pdf-header-footer", f"--print-to-pdf={pdf}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    text = subprocess.run(["pdftotext", "-layout", pdf, "-"], check=True, capture_output=True, text=True).stdout
    return [re.sub(r"\s+", " ", sheet) for sheet in text.split("\f")]


@pytest.mark.parametrize("name", ["uts", "namespaces"])
def test_all_of_a_lab_is_on_paper(tmp_path: Path, stories: dict[str, LabStory], name: str) -> None:
    sheets = printed(render([REAL], tmp_path).parent / f"{name}.html", tmp_path)
    everything = " ".join(sheets)
    starts = []
    for pane in stories[name].panes:
        title = pane.step.title if pane.step else "not run"
        heading = f"{pane.number} {title} {VERDICTS[pane.outcome]}"
        assert heading in everything
        if pane.step:
            starts.append(next(place for place, sheet in enumerate(sheets) if heading in sheet))
        for view in pane.claims:
            assert f"{view.claim.id} {VERDICTS[view.verdict]}" in everything
    assert starts == sorted(set(starts))


def test_state_windows_and_code_are_on_paper_too(tmp_path: Path) -> None:
    text = " ".join(printed(render([REAL], tmp_path).parent / "uts.html", tmp_path))
    for words in (
        "root@vm:~# hostname container001",
        "/proc/PID/ns/uts",
        "assert first.ns",
        "It was:",
        "labs/test_01_uts.py:",
    ):
        assert words in text, words
    for words in ("Search the steps", "Ask me again", "Show me", "Play"):
        assert words not in text, words
