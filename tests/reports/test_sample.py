"""reports/sample/ is the report of a real run of today's labs, in today's form. `docs/sample.py` makes it again."""

import json
import lzma
import re
from pathlib import Path
from typing import Any

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


def form(page: str) -> set[str]:
    """What a page is built of: the ids and classes of its elements."""
    return {name for names in re.findall(r'<[^<>]* (?:id|class)="?([^"<>]+)', page) for name in names.split()}


def data(page: str) -> dict[str, Any]:
    """The data blocks of a page."""
    blocks = re.findall(r'<script type="application/json" id="([^"]*)">([{\[].*?)</script>', page, re.DOTALL)
    return {name: json.loads(block) for name, block in blocks}


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


def test_its_pages_have_the_form_that_pages_have_today(rendered: Path) -> None:
    assert pages(SAMPLE) == pages(rendered)
    for name in pages(rendered):
        old, new = (SAMPLE / name).read_text(), (rendered / name).read_text()
        assert form(old) == form(new), f"{name}: {AGAIN}"
        assert data(old) == data(new), f"{name}: {AGAIN}"


def test_it_is_small_enough_for_the_repository() -> None:
    assert sum(path.stat().st_size for path in SAMPLE.iterdir()) < 6_000_000


def test_it_loads_nothing_from_outside() -> None:
    for name in pages(SAMPLE):
        page = (SAMPLE / name).read_text()
        assert re.findall(r"<[^<>]* src=", page) == []
        assert re.findall(r"<link[^>]* href=\"(?!data:)", page) == []
