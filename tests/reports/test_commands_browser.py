"""The pages of `compare` and `class` in a real browser."""

import json
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

from reports.__main__ import main
from tests.conftest import events_of
from tests.reports.accessible import violations
from tests.reports.browser import Open, needs_chromium
from tests.reports.runs import class_of

pytestmark = [pytest.mark.browser, pytest.mark.privileged, needs_chromium]

HOSTILE = "<script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\">"


@pytest.fixture(scope="module")
def pages(uts_record: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both pages of a real run: a class, and the run beside one whose shell printed something hostile."""
    folder = tmp_path_factory.mktemp("pages")
    records = class_of(uts_record, folder)
    assert main(["class", *map(str, records), "-o", str(folder / "class.html")]) == 0
    events = events_of(uts_record)
    for event in events:
        if event["event"] == "command" and event["text"] == "hostname":
            event["output"] = HOSTILE
        if event["event"] == "claim" and event["claim"] == "uts-01":
            event |= {"verdict": "failed", "reason": HOSTILE}
    other = folder / "other.jsonl"
    other.write_text("".join(json.dumps(event) + "\n" for event in events))
    names = ["--name", "as it was", "--name", HOSTILE]
    assert main(["compare", str(uts_record), str(other), *names, "-o", str(folder / "compare.html")]) == 0
    return folder


@pytest.mark.parametrize("width", [360, 768, 1400, 3840])
@pytest.mark.parametrize("name", ["compare.html", "class.html"])
def test_no_page_scrolls_sideways(opened: Open, pages: Path, name: str, width: int) -> None:
    page = opened(name, width, folder=pages)
    page.execute_script("for (const fold of document.querySelectorAll('details')) fold.open = true")
    assert page.execute_script("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", ["compare.html", "class.html"])
def test_it_can_be_read_and_is_accessible(opened: Open, pages: Path, name: str, dark: bool) -> None:
    page = opened(name, dark=dark, folder=pages)
    page.execute_script("for (const fold of document.querySelectorAll('details')) fold.open = true")
    assert page.execute_script((Path(__file__).parent / "contrast.js").read_text()) == []
    assert violations(page) == []


@pytest.mark.parametrize("name", ["compare.html", "class.html"])
def test_it_is_accessible_on_a_phone(opened: Open, pages: Path, name: str) -> None:
    assert violations(opened(name, 360, folder=pages)) == []


@pytest.mark.parametrize("name", ["compare.html", "class.html"])
def test_nothing_observed_runs(opened: Open, pages: Path, name: str) -> None:
    page = opened(name, folder=pages)
    assert page.title != "taken"
    assert page.find_elements(By.TAG_NAME, "img") == []
    said = HOSTILE if name == "compare.html" else "<script>alert(1)</script>"
    assert said in page.find_element(By.TAG_NAME, "main").text


def test_what_differs_is_open_and_printed(opened: Open, pages: Path) -> None:
    page = opened("compare.html", folder=pages)
    open_steps = page.find_elements(By.CSS_SELECTOR, "details.step[open]")
    assert 1 <= len(open_steps) < len(page.find_elements(By.CSS_SELECTOR, "details.step"))
    without = [step for step in open_steps if not step.find_elements(By.CSS_SELECTOR, ".differs")]
    assert ["uts-01" in step.text for step in without] == [True]  # its verdict differs, its values do not
    folded = "return [...document.querySelectorAll('details:not([open])')].map(fold => fold.className)"
    before = page.execute_script(folded)
    assert "rest" in before
    page.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert all("same" in name for name in page.execute_script(folded))
    page.execute_script("dispatchEvent(new Event('afterprint'))")
    assert page.execute_script(folded) == before


def test_a_link_to_a_step_leads_to_the_lab_page(opened: Open, pages: Path) -> None:
    page = opened("compare.html", folder=pages)
    link = page.find_element(By.CSS_SELECTOR, "details.step[open] .addresses a")
    title = page.find_element(By.CSS_SELECTOR, "details.step[open] summary strong").text
    page.get(link.get_attribute("href") or "")
    assert title in page.find_element(By.CSS_SELECTOR, ".step.current h2").text


def test_a_claim_leads_to_its_step_and_to_its_verdict(opened: Open, pages: Path) -> None:
    page = opened("compare.html", folder=pages)
    row = page.find_element(By.CSS_SELECTOR, ".claims tbody tr")
    assert row.find_element(By.TAG_NAME, "code").text == "uts-01"
    step = row.find_element(By.CSS_SELECTOR, "th a").get_attribute("href") or ""
    target = page.execute_script("return document.getElementById(decodeURIComponent(arguments[0]))", step.split("#")[1])
    assert "uts-01" in target.find_element(By.TAG_NAME, "summary").text
    page.get(row.find_element(By.CSS_SELECTOR, "td a").get_attribute("href") or "")
    assert page.find_element(By.CSS_SELECTOR, ".step.current [id='/claim/uts-01']").is_displayed()
