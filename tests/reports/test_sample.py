"""reports/sample/ holds the record of a real run of today's labs. `docs/sample.py` makes it again."""

import json
import lzma
import re
import subprocess
from pathlib import Path

import pytest

from record.reading import read
from reports.pages.render import render
from tests.reports.schema import misfits

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "reports" / "sample"
RECORD = SAMPLE / "record.jsonl.xz"
AGAIN = "the sample is that of an earlier version: .venv/bin/python docs/sample.py"


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render([RECORD], tmp_path_factory.mktemp("sample")).parent


def pages(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.glob("*.html"))


def test_every_event_of_its_record_fits_the_schema() -> None:
    events = [json.loads(line) for line in lzma.decompress(RECORD.read_bytes()).splitlines()]
    assert misfits(*events) == [], AGAIN


def test_it_is_a_whole_run_of_every_lab() -> None:
    run = read([RECORD])
    assert run.complete
    assert sorted(lab.file for lab in run.labs) == sorted(
        f"labs/{path.name}" for path in (ROOT / "labs").glob("test_*.py")
    ), AGAIN
    assert all(len(lab.exercises) == len(lab.planned) for lab in run.labs)


def test_nothing_else_is_kept() -> None:
    kept = subprocess.run(["git", "ls-files", SAMPLE], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert kept.split() == ["reports/sample/record.jsonl.xz"]
    assert RECORD.stat().st_size < 1_000_000


def test_its_pages_can_be_mailed(rendered: Path) -> None:
    sizes = {path.stem: path.stat().st_size for path in rendered.glob("*.html")}
    assert sizes["uts"] <= 400_000
    assert max(sizes.values()) <= 1_000_000


def test_its_pages_load_nothing_from_outside(rendered: Path) -> None:
    assert len(pages(rendered)) > 8
    for name in pages(rendered):
        page = (rendered / name).read_text()
        assert re.findall(r"<[^<>]* src=", page) == []
        assert re.findall(r"<link[^>]* href=\"(?!data:)", page) == []
