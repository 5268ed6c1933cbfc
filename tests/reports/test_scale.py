"""A page of 1,000 steps with 10,000 observations: what is not looked at costs little."""

import time
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from reports.pages.render import render
from tests.reports.browser import REAL, Open, needs_chromium
from tests.reports.enlarge import enlarge, write

STEPS, PROCESSES = 1000, 5
UNFOLDED = "return document.querySelectorAll('.step > .middle').length"
SAID = "return unshared.steps.slice(1, 41).map((step) => unshared.text(step).split(/\\s+/).join(' ').trim())"


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


@pytest.mark.browser
@needs_chromium
def test_of_a_large_page_only_what_is_opened_is_parsed(opened: Open, large: tuple[Path, float]) -> None:
    page = opened("uts.html", folder=large[0])
    assert page.execute_script(UNFOLDED) == 1
    page.find_element(By.TAG_NAME, "body").send_keys("j")
    assert page.execute_script(UNFOLDED) == 2


@pytest.mark.browser
@needs_chromium
def test_a_claim_and_a_line_of_a_folded_step_have_their_addresses(opened: Open, large: tuple[Path, float]) -> None:
    page = opened("uts.html", folder=large[0])
    script = "const owner = unshared.steps.findLast((step) => step.owned.length); return [owner.index, owner.owned[0]]"
    index, claim = page.execute_script(script)
    assert index > 1
    page = opened(f"uts.html#/claim/{claim}", folder=large[0])
    assert page.execute_script("return [unshared.current, unshared.tab]") == [index, "claims"]
    assert page.switch_to.active_element.get_attribute("id") == f"/claim/{claim}"
    assert page.execute_script(UNFOLDED) == 1
    page = opened(f"uts.html#/step/{STEPS}/code", folder=large[0])
    assert "lab.step(" in page.find_element(By.CSS_SELECTOR, ".step.current .panel.code").text


@pytest.mark.browser
@needs_chromium
def test_what_folded_steps_say_is_found_and_their_markup_is_not(opened: Open, large: tuple[Path, float]) -> None:
    page = opened("uts.html", folder=large[0])
    before = page.execute_script(SAID)
    page.find_element(By.CSS_SELECTOR, ".filters [type=search]").send_keys("lesson panel tabindex")
    assert page.find_element(By.CSS_SELECTOR, ".found").text.startswith("0 of")
    page.execute_script("for (const {index} of unshared.steps.slice(1, 41)) unshared.go(index, 'code')")
    page.execute_script("unshared.go(0, 'code')")  # takes the row of tabs and the player away from the others
    after = page.execute_script(SAID)
    assert page.execute_script(UNFOLDED) == 41
    assert before == after


@pytest.mark.browser
@needs_chromium
def test_without_a_script_a_large_page_shows_all(opened: Open, large: tuple[Path, float]) -> None:
    page = opened("index.html", folder=large[0])
    page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page = opened("uts.html", folder=large[0])
        assert len(page.find_elements(By.CSS_SELECTOR, ".step > noscript > .middle > header > h2")) == STEPS
        assert page.find_elements(By.CSS_SELECTOR, ".step h2")[-1].is_displayed()
    finally:
        page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.browser
@needs_chromium
def test_a_large_lab_opens_in_the_file_of_all_labs(opened: Open, tmp_path: Path) -> None:
    folder = render([write(REAL, tmp_path / "record.jsonl", 301)], tmp_path / "site", single=True).parent
    page = opened("index.html#/lab/uts/step/301/code", folder=folder)
    WebDriverWait(page, 30).until(lambda page: page.execute_script("return window.unshared?.current") == 300)
    assert page.execute_script(UNFOLDED) == 1
    assert "lab.step(" in page.find_element(By.CSS_SELECTOR, ".step.current ol.code").text
    page.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert page.execute_script(UNFOLDED) == 301


def watched(page: webdriver.Chrome) -> int:
    return len(page.find_elements(By.CSS_SELECTOR, ".step.current .kernel > *"))
