"""The pages in a real browser: Debian's chromium, driven by selenium."""

from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from reports.render import render
from tests.reports.browser import Open, drain, needs_chromium
from tests.reports.conftest import Write
from tests.reports.test_render import hostile_events

pytestmark = [pytest.mark.browser, needs_chromium]


def visible_steps(page: webdriver.Chrome) -> list[str]:
    steps = page.find_elements(By.CSS_SELECTOR, ".step:not([hidden])")
    return [step.get_attribute("id") or "" for step in steps]


def current(page: webdriver.Chrome) -> str:
    (link,) = page.find_elements(By.CSS_SELECTOR, ".steps a[aria-current=step]")
    return (link.get_attribute("href") or "").partition("#")[2]


def anchors(page: webdriver.Chrome) -> list[str]:
    return [step.get_attribute("id") or "" for step in page.find_elements(By.CLASS_NAME, "step")]


def press(page: webdriver.Chrome, *keys: str) -> None:
    for key in keys:
        page.switch_to.active_element.send_keys(key)


def first(page: webdriver.Chrome, selector: str) -> WebElement:
    return page.find_element(By.CSS_SELECTOR, selector)


def test_j_and_k_and_arrows_go_through_the_steps(opened: Open) -> None:
    page = opened("uts.html")
    steps = anchors(page)
    assert visible_steps(page) == [steps[0]]
    for key, step in zip("kjjk", [steps[0], steps[1], steps[2], steps[1]], strict=True):
        press(page, key)
        assert (current(page), visible_steps(page)) == (step, [step])
    press(page, Keys.ARROW_RIGHT)
    assert page.current_url.endswith(f"#{steps[2]}")
    press(page, Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert current(page) == steps[0]
    assert page.switch_to.active_element.tag_name == "h2"


def test_arrows_walk_the_list_of_steps(opened: Open) -> None:
    page = opened("uts.html")
    steps = anchors(page)
    first(page, ".steps a").send_keys(Keys.ARROW_DOWN)
    assert current(page) == steps[1]
    assert (page.switch_to.active_element.get_attribute("href") or "").endswith(steps[1])
    press(page, Keys.ARROW_DOWN, Keys.ARROW_UP, Keys.ARROW_UP, Keys.ARROW_UP)
    assert current(page) == steps[0]


def test_a_deep_link_survives_a_reload(opened: Open) -> None:
    step = anchors(opened("uts.html"))[2]
    page = opened(f"uts.html#{step}")
    for _ in range(2):
        assert (current(page), visible_steps(page)) == (step, [step])
        top = page.execute_script("return arguments[0].getBoundingClientRect().top", first(page, f"#{step}"))
        assert 0 <= top < 450
        page.refresh()


def test_back_goes_back(opened: Open) -> None:
    page = opened("uts.html")
    steps = anchors(page)
    press(page, "j", "j")
    page.back()
    WebDriverWait(page, 5).until(lambda page: current(page) == steps[1])
    assert visible_steps(page) == [steps[1]]


def test_a_click_in_the_list_and_all_steps_at_once(opened: Open) -> None:
    page = opened("uts.html")
    steps = anchors(page)
    page.find_elements(By.CSS_SELECTOR, ".steps a")[1].click()
    assert visible_steps(page) == [steps[1]]
    first(page, "button.all").click()
    assert visible_steps(page) == steps
    first(page, "button.all").click()
    assert visible_steps(page) == [steps[1]]


def test_what_is_folded_unfolds(opened: Open) -> None:
    page = opened("uts.html")
    fold = first(page, ".step:not([hidden]) .fold")
    said = int(fold.find_element(By.TAG_NAME, "summary").text.split()[0])
    fold.find_element(By.TAG_NAME, "summary").click()
    WebDriverWait(page, 5).until(lambda _: len(fold.find_elements(By.TAG_NAME, "tr")) == said)
    assert "/proc/PID/status" in fold.text


def test_the_observed_answer_is_hidden_until_it_is_revealed(opened: Open) -> None:
    step = opened("uts.html").execute_script("return document.querySelector('.predict').closest('.step').id")
    page = opened(f"uts.html#{step}")
    answer = first(page, f"#{step} .predict details")
    assert not answer.find_element(By.TAG_NAME, "b").is_displayed()
    answer.find_element(By.TAG_NAME, "summary").click()
    assert answer.find_element(By.TAG_NAME, "b").is_displayed()


@pytest.mark.parametrize("width", [360, 390, 768, 1400, 3840])
@pytest.mark.parametrize("name", ["index.html", "uts.html", "namespaces.html"])
def test_no_page_scrolls_sideways(opened: Open, name: str, width: int) -> None:
    page = opened(name, width)
    for _ in range(4):
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
        press(page, "j")


def test_the_list_of_steps_unfolds_on_a_phone(opened: Open) -> None:
    page = opened("uts.html", 360)
    assert not first(page, ".steps ol").is_displayed()
    first(page, "button.toggle").click()
    page.find_elements(By.CSS_SELECTOR, ".steps a")[1].click()
    assert not first(page, ".steps ol").is_displayed()
    assert current(page) == anchors(page)[1]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", ["index.html", "uts.html", "namespaces.html"])
def test_all_text_can_be_read(opened: Open, name: str, dark: bool) -> None:
    page = opened(name, dark=dark)
    if name != "index.html":
        first(page, "button.all").click()
    assert page.execute_script((Path(__file__).parent / "contrast.js").read_text()) == []


@pytest.mark.parametrize("name", ["index.html", "uts.html"])
def test_nothing_observed_runs(opened: Open, write: Write, tmp_path: Path, name: str) -> None:
    render([write(*hostile_events())], tmp_path / "hostile")
    page = opened(name, folder=tmp_path / "hostile")
    for fold in page.find_elements(By.CSS_SELECTOR, "details summary"):
        if fold.is_displayed():
            fold.click()
    assert page.find_elements(By.TAG_NAME, "img") == []
    assert "<script>alert(x)</script>" in first(page, "body").text


def test_a_foreign_script_is_refused(browser: webdriver.Chrome, site: Path, tmp_path: Path) -> None:
    page = (site / "uts.html").read_text().replace("</body>", "<script>document.title = 'taken'</script></body>")
    (tmp_path / "uts.html").write_text(page)
    browser.get((tmp_path / "uts.html").as_uri())
    assert browser.title != "taken"
    assert any("Content Security Policy" in entry["message"] for entry in drain(browser)[0])


def test_everything_is_printed(opened: Open) -> None:
    page = opened("uts.html")
    shown = "return [...document.querySelectorAll('.step h2')].filter(h => h.checkVisibility()).length"
    assert page.execute_script(shown) < len(anchors(page))
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    printed = page.execute_script(shown)
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert printed == len(anchors(page))
