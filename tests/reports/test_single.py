"""The whole course in one file: the index and all labs, opened from the disk."""

import re
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from reports.__main__ import main
from reports.pages.render import render
from tests.conftest import Checkout
from tests.reports.browser import Open, drain, needs_chromium
from tests.reports.conftest import END, REAL, Write, lab, run, whole
from tests.reports.test_render import Page, hostile_events


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render([REAL], tmp_path_factory.mktemp("single"), single=True).parent


def wait(page: Chrome, lab: str, steps: int = 1) -> None:
    """Until the lab stands in the place of the index."""
    there = f"return document.body.dataset.base === '/lab/{lab}' && window.unshared?.current >= 0"
    WebDriverWait(page, 10).until(lambda page: page.execute_script(there))


def at_index(page: Chrome) -> None:
    WebDriverWait(page, 10).until(lambda page: page.find_elements(By.CSS_SELECTOR, ".finder:not([hidden])"))


def shown(page: Chrome) -> str:
    (step,) = page.find_elements(By.CSS_SELECTOR, ".step:not([hidden])")
    return step.get_attribute("id") or ""


def test_the_file_is_alone_and_much_smaller_than_the_pages(single: Path, tmp_path: Path) -> None:
    pages = render([REAL], tmp_path).parent
    assert [path.name for path in single.iterdir()] == ["index.html"]
    assert (single / "index.html").stat().st_size < sum(path.stat().st_size for path in pages.iterdir()) / 2


def test_the_same_record_gives_the_same_file(single: Path, tmp_path: Path) -> None:
    again = render([REAL], tmp_path, single=True)
    assert again.read_bytes() == (single / "index.html").read_bytes()


def test_pages_of_a_run_before_go_when_the_next_is_one_file(write: Write, tmp_path: Path) -> None:
    render([write(*whole())], tmp_path / "site")
    assert main(["render", "--single", str(write(*whole())), "--report-dir", str(tmp_path / "site")]) == 0
    assert [path.name for path in (tmp_path / "site").iterdir()] == ["index.html"]


def test_without_script_it_says_what_to_do(single: Path) -> None:
    assert "render the record without --single" in (single / "index.html").read_text().partition("<noscript>")[2][:300]


def test_the_run_of_the_labs_writes_it(checkout: Checkout) -> None:
    done = checkout.pytest("labs/", "--report-single")
    assert done.returncode == 0, done.stdout
    assert [path.name for path in checkout.site.glob("*.html")] == ["index.html"]
    assert 'id="packed-tiny"' in (checkout.site / "index.html").read_text()


def test_the_ini_file_can_ask_for_it(checkout: Checkout) -> None:
    checkout.pytest("labs/", "-o", "report_single=true")
    assert [path.name for path in checkout.site.glob("*.html")] == ["index.html"]


@pytest.mark.browser
@needs_chromium
def test_from_the_index_to_a_lab_and_back(opened: Open, single: Path) -> None:
    page = opened("index.html", folder=single)
    at_index(page)
    page.find_element(By.CSS_SELECTOR, ".course a[href='#/lab/uts']").click()
    wait(page, "uts")
    assert "UTS" in page.title
    assert shown(page) == "/step/1"
    page.find_element(By.TAG_NAME, "body").send_keys("j")
    assert shown(page) == "/step/2"
    assert "#/lab/uts/step/2/" in page.current_url
    page.find_element(By.CSS_SELECTOR, ".crumbs a").click()
    at_index(page)
    page.back()
    wait(page, "uts")
    assert shown(page) == "/step/2"


@pytest.mark.browser
@needs_chromium
def test_deep_links_of_steps_tabs_and_claims_survive_a_reload(opened: Open, single: Path) -> None:
    page = opened("index.html#/lab/uts/step/2/checks", folder=single)
    for _ in range(2):
        wait(page, "uts")
        assert shown(page) == "/step/2"
        assert page.find_element(By.ID, "/step/2/checks").is_displayed()
        page.refresh()
    page = opened("index.html#/lab/uts/claim/uts-01", folder=single)
    wait(page, "uts")
    assert page.find_element(By.ID, "/claim/uts-01").is_displayed()
    assert page.current_url.endswith("#/lab/uts/claim/uts-01")


@pytest.mark.browser
@needs_chromium
def test_a_claim_of_the_table_and_another_lab(opened: Open, single: Path) -> None:
    page = opened("index.html#/claims?lab=uts&verdict=holds", folder=single)
    at_index(page)
    row = page.find_element(By.CSS_SELECTOR, ".claims tbody tr:not([hidden]) th a")
    claim = row.text
    row.click()
    wait(page, "uts")
    assert page.find_element(By.ID, f"/claim/{claim}").is_displayed()
    page.execute_script("location.hash = '#/lab/namespaces/step/1'")
    wait(page, "namespaces")
    assert shown(page) == "/step/1"


@pytest.mark.browser
@needs_chromium
def test_links_of_a_lab_open_in_a_tab_of_their_own(opened: Open, single: Path) -> None:
    page = opened("index.html#/lab/uts", folder=single)
    wait(page, "uts")
    second = page.find_elements(By.CSS_SELECTOR, ".steps a")[1].get_attribute("href") or ""
    assert second.endswith("#/lab/uts/step/2")


@pytest.mark.browser
@needs_chromium
def test_a_lab_that_is_not_there_is_the_index(opened: Open, single: Path) -> None:
    page = opened("index.html#/lab/nonsense/step/3", folder=single)
    at_index(page)
    assert page.find_element(By.TAG_NAME, "h1").is_displayed()


@pytest.mark.browser
@needs_chromium
def test_a_lab_is_printed_whole(opened: Open, single: Path) -> None:
    page = opened("index.html#/lab/uts", folder=single)
    wait(page, "uts")
    steps = len(page.find_elements(By.CLASS_NAME, "step"))
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        seen = page.execute_script(
            "dispatchEvent(new Event('beforeprint'));"
            "return [...document.querySelectorAll('.step h2')].filter(head => head.checkVisibility()).length"
        )
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert seen == steps > 1


@pytest.mark.browser
@needs_chromium
def test_nothing_observed_runs_in_it(opened: Open, write: Write, tmp_path: Path) -> None:
    folder = render([write(*hostile_events())], tmp_path / "hostile", single=True).parent
    page = opened("index.html#/lab/uts", folder=folder)
    wait(page, "uts")
    assert page.find_elements(By.TAG_NAME, "img") == []
    assert "<script>alert(x)</script>" in page.find_element(By.TAG_NAME, "body").text


@pytest.mark.browser
@needs_chromium
def test_a_lab_that_was_cut_says_so(browser: Chrome, single: Path, tmp_path: Path) -> None:
    whole = (single / "index.html").read_text()
    (tmp_path / "index.html").write_text(re.sub(r'(id="packed-uts">.{2000})[^<]*', r"\1", whole))
    drain(browser)
    browser.get((tmp_path / "index.html").as_uri() + "#/lab/uts")
    said = browser.find_element(By.CLASS_NAME, "broken")
    WebDriverWait(browser, 10).until(lambda _: said.is_displayed())
    drain(browser)


def test_the_policy_names_every_block_and_nothing_more(write: Write, tmp_path: Path) -> None:
    text = render([write(run(), lab(), lab("ipc"), END)], tmp_path, single=True).read_text()
    policy = next(
        a["content"] or "" for tag, a in Page(text).elements if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert "unsafe" not in policy
    assert policy.count("sha256-") == len(set(re.findall("sha256-[^']+", policy)))
