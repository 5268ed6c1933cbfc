"""A page of 1,000 steps with 10,000 observations: what is not looked at costs little."""

import time
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from reports.render import render
from tests.reports.browser import REAL, Open, needs_chromium
from tests.reports.enlarge import enlarge, write

STEPS, PROCESSES = 1000, 5
SAMPLE = Path(__file__).parents[2] / "reports" / "sample"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """The folder of the large page, and the seconds of Python that each step took."""
    folder = tmp_path_factory.mktemp("large")
    record = write(REAL, folder / "record.jsonl", STEPS, PROCESSES)
    start = time.process_time()
    return render([record], folder / "site").parent, (time.process_time() - start) / STEPS


def test_the_record_is_as_large_as_it_says() -> None:
    events = list(enlarge(REAL, 40, PROCESSES))
    assert sum(event["event"] == "step" for event in events) == 40
    observed = [len(event["processes"]) for event in events if event["event"] == "observation"]
    assert min(observed) >= PROCESSES
    assert sum(observed) >= 40 * 2 * PROCESSES - 10
    names = {event["exercise"] for event in events if event["event"] == "step"}
    assert {event["exercise"] for event in events if event["event"] == "exercise"} == names


def test_a_step_costs_no_more_in_a_large_page(large: tuple[Path, float], tmp_path: Path) -> None:
    record = write(REAL, tmp_path / "record.jsonl", 15, PROCESSES)
    render([record], tmp_path / "warm")
    start = time.process_time()
    render([record], tmp_path / "small")
    assert large[1] < 2 * (time.process_time() - start) / 15


@pytest.mark.browser
@needs_chromium
def test_the_large_page_opens_and_every_step_is_there(opened: Open, large: tuple[Path, float]) -> None:
    page = opened("uts.html", folder=large[0])
    script = "return [unshared.steps.length, document.querySelectorAll('.steps li').length]"
    assert page.execute_script(script) == [STEPS, STEPS]
    assert watched(page) > 0
    assert page.execute_script("return document.querySelectorAll('.kernel > *').length") == watched(page), (
        "only one tab"
    )
    page.execute_script("unshared.go(arguments[0], 'state')", STEPS - 1)
    assert watched(page) > 0
    assert page.execute_script("return unshared.rendered.size") <= 3
    page.execute_script("unshared.go(arguments[0], 'checks')", STEPS - 1)
    assert page.find_elements(By.CSS_SELECTOR, ".step.current .panel.checks li")
    page.execute_script("unshared.go(arguments[0], 'code')", 0)
    assert "lab.step(" in page.find_element(By.CSS_SELECTOR, ".step.current .panel.code").text


def watched(page: webdriver.Chrome) -> int:
    return len(page.find_elements(By.CSS_SELECTOR, ".step.current .kernel > *"))


def test_the_pages_of_a_real_run_can_be_mailed() -> None:
    """The sample is the report of a run of all labs."""
    sizes = {path.stem: path.stat().st_size for path in SAMPLE.glob("*.html")}
    assert sizes["uts"] <= 400_000
    assert max(sizes.values()) <= 1_000_000
