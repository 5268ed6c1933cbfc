"""The page of a lab in a real browser: steps, search, filters, tabs, addresses and keys."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.reports.browser import Open, drain, needs_chromium

pytestmark = [pytest.mark.browser, needs_chromium]

TABS = ["State", "Checks", "Claims", "Code", "Predict"]


def first(page: webdriver.Chrome, selector: str) -> WebElement:
    return page.find_element(By.CSS_SELECTOR, selector)


def press(page: webdriver.Chrome, *keys: str) -> None:
    for key in keys:
        page.switch_to.active_element.send_keys(key)


def steps(page: webdriver.Chrome) -> list[str]:
    return [step.get_attribute("id") or "" for step in page.find_elements(By.CLASS_NAME, "step")]


def current(page: webdriver.Chrome) -> str:
    """The step that is shown: it is the only one, and the list names it."""
    (shown,) = page.find_elements(By.CSS_SELECTOR, ".step:not([hidden])")
    (link,) = page.find_elements(By.CSS_SELECTOR, ".steps a[aria-current=step]")
    assert (link.get_attribute("href") or "").endswith(f"#{shown.get_attribute('id')}")
    return shown.get_attribute("id") or ""


def tab(page: webdriver.Chrome) -> str:
    """The tab that is open: it is the only one, and its panel the only one that is shown."""
    (button,) = page.find_elements(By.CSS_SELECTOR, "[role=tab][aria-selected=true]")
    (panel,) = page.find_elements(By.CSS_SELECTOR, ".step.current .panel:not([hidden])")
    assert button.get_attribute("aria-controls") == panel.get_attribute("id")
    assert button.is_displayed()
    return button.text.split()[0]


def panel(page: webdriver.Chrome) -> WebElement:
    return first(page, ".step.current .panel:not([hidden])")


def listed(page: webdriver.Chrome) -> list[str]:
    """The steps that the list shows."""
    links = page.find_elements(By.CSS_SELECTOR, ".steps li a")
    return [(link.get_attribute("href") or "").partition("#")[2] for link in links if link.is_displayed()]


def test_keys_go_through_the_steps(opened: Open) -> None:
    page = opened("uts.html")
    all_steps = steps(page)
    assert current(page) == all_steps[0]
    for key, number in (("j", 1), ("j", 2), ("k", 1), (Keys.ARROW_RIGHT, 2), (Keys.ARROW_LEFT, 1)):
        press(page, key)
        assert current(page) == all_steps[number]
        assert page.current_url.endswith(f"#{all_steps[number]}/state")
        assert page.switch_to.active_element.tag_name == "h2"
    press(page, Keys.END, "j")
    assert current(page) == all_steps[-1]
    press(page, Keys.HOME, "k")
    assert current(page) == all_steps[0]


def test_arrows_walk_the_list_of_steps(opened: Open) -> None:
    page = opened("uts.html")
    first(page, ".steps li a").send_keys(Keys.ARROW_DOWN)
    assert current(page) == "/step/2"
    assert (page.switch_to.active_element.get_attribute("href") or "").endswith("#/step/2")
    press(page, Keys.ARROW_DOWN, Keys.ARROW_UP, Keys.ARROW_UP, Keys.ARROW_UP)
    assert current(page) == "/step/1"


def test_the_list_tells_title_verdict_duration_and_claims(opened: Open) -> None:
    page = opened("uts.html")
    entry = first(page, ".steps a[href='#/step/2']")
    assert "1.2 Change both names" in entry.text
    assert " ms" in entry.text
    assert "uts-01" in entry.text
    assert "passed" in entry.get_property("textContent")
    assert "holds" in entry.get_property("textContent")


@pytest.mark.parametrize("name", TABS)
def test_a_deep_link_to_a_tab_survives_a_reload(opened: Open, name: str) -> None:
    page = opened(f"uts.html#/step/2/{name.lower()}")
    for _ in range(2):
        assert (current(page), tab(page)) == ("/step/2", name)
        assert page.current_url.endswith(f"#/step/2/{name.lower()}")
        page.refresh()


def test_a_claim_has_an_address_of_its_own(opened: Open) -> None:
    page = opened("uts.html#/claim/uts-09")
    for _ in range(2):
        assert (current(page), tab(page)) == ("/step/3", "Claims")
        assert page.switch_to.active_element.get_attribute("id") == "/claim/uts-09"
        assert page.current_url.endswith("#/claim/uts-09")
        page.refresh()


@pytest.mark.parametrize("address", ["", "#/step/999", "#/step/x/state", "#/claim/none", "#%E0%A4%A", "#main"])
def test_an_address_that_names_nothing_shows_the_first_step(opened: Open, address: str) -> None:
    page = opened(f"uts.html{address}")
    assert (current(page), tab(page)) == ("/step/1", "State")


def test_back_and_forward(opened: Open) -> None:
    page = opened("uts.html")
    press(page, "j", "3", "j")
    page.back()
    WebDriverWait(page, 5).until(lambda page: current(page) == "/step/2")
    assert tab(page) == "Claims"
    page.forward()
    WebDriverWait(page, 5).until(lambda page: current(page) == "/step/3")


def test_clicks_lead_to_steps(opened: Open) -> None:
    page = opened("uts.html")
    first(page, ".steps a[href='#/step/2']").click()
    assert current(page) == "/step/2"
    first(page, ".step.current a[rel=next]").click()
    assert current(page) == "/step/3"


def test_tabs_by_click_number_and_arrow(opened: Open) -> None:
    page = opened("uts.html#/step/2")
    for number, name in enumerate(TABS, 1):
        press(page, str(number))
        assert tab(page) == name
        assert page.switch_to.active_element.get_attribute("role") == "tab"
    press(page, Keys.ARROW_RIGHT)
    assert tab(page) == "State"
    press(page, Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert tab(page) == "Code"
    press(page, Keys.HOME)
    assert (tab(page), current(page)) == ("State", "/step/2")
    press(page, Keys.END)
    assert tab(page) == "Predict"
    first(page, "#tab-checks").click()
    assert tab(page) == "Checks"
    press(page, "j")
    assert (tab(page), current(page)) == ("Checks", "/step/3")


def test_checks_show_source_line_and_values(opened: Open) -> None:
    page = opened("uts.html#/step/2/checks")
    check = first(page, ".step.current .checks li")
    assert check.find_element(By.TAG_NAME, "code").text.startswith("assert ")
    assert check.find_element(By.TAG_NAME, "pre").text
    link = check.find_element(By.TAG_NAME, "a")
    number = link.text.removeprefix("line ")
    link.click()
    line = page.switch_to.active_element
    assert tab(page) == "Code"
    assert line.get_attribute("id") == f"/step/2/code/{number}"
    assert line.text.strip().startswith("assert ")
    assert "t-good" in (line.get_attribute("class") or "")


def test_code_shows_file_and_line_numbers(opened: Open) -> None:
    page = opened("uts.html#/step/2/code")
    where = first(page, ".step.current .code .where code").text
    code = first(page, ".step.current ol.code")
    assert where == f"labs/test_01_uts.py:{code.get_attribute('start')}"
    lines = code.find_elements(By.TAG_NAME, "li")
    assert "lab.step(" in lines[0].text
    marked = [line for line in lines if "t-good" in (line.get_attribute("class") or "")]
    assert len(marked) == len(page.find_elements(By.CSS_SELECTOR, ".step.current .checks li"))


def test_a_claim_tells_what_the_notes_say_and_what_the_machine_shows(opened: Open) -> None:
    page = opened("uts.html#/claim/uts-01")
    claim = first(page, "[id='/claim/uts-01']")
    rows = {
        row.find_element(By.TAG_NAME, "dt").text: row.find_element(By.TAG_NAME, "dd")
        for row in claim.find_elements(By.CSS_SELECTOR, "dl > div")
    }
    assert list(rows) == ["The notes say", "This machine shows", "What is true, and why", "Reference"]
    assert "= holds" in claim.text
    assert rows["The notes say"].text
    shown = rows["This machine shows"].text
    assert "/proc/sys/kernel/hostname\ncontainer001\nfirst\nvm\nsecond" in shown
    link = rows["Reference"].find_element(By.TAG_NAME, "a")
    assert link.get_attribute("href") == "https://man7.org/linux/man-pages/man7/uts_namespaces.7.html"


def test_an_unsupported_claim_tells_why_and_how_to_enable_it(opened: Open) -> None:
    text = first(opened("namespaces.html#/claim/ov-09"), "[id='/claim/ov-09']").text
    assert "○ unsupported" in text
    assert "Why not here" in text
    assert "How to enable it" in text


def test_search_by_slash_enter_and_escape(opened: Open) -> None:
    page = opened("uts.html")
    everything = listed(page)
    press(page, "/")
    field = page.switch_to.active_element
    assert field.get_attribute("type") == "search"
    field.send_keys("CHANGE container001 setdomainname")
    assert listed(page) == ["/step/2"]
    assert "1 of" in first(page, ".found").text
    assert current(page) == "/step/1"
    field.send_keys(Keys.ENTER)
    assert current(page) == "/step/2"
    field.send_keys(" nothing like it")
    assert listed(page) == []
    field.send_keys(Keys.ESCAPE)
    assert listed(page) == everything
    assert field.get_property("value") == ""


@pytest.mark.parametrize(
    ("name", "value", "left"),
    [
        ("verdicts", "holds", ["/step/2", "/step/3"]),
        ("claims", "uts-09", ["/step/3"]),
        ("windows", "second", ["/step/1", "/step/2", "/step/3"]),
    ],
)
def test_filters_hold_for_the_list_and_the_keys(opened: Open, name: str, value: str, left: list[str]) -> None:
    page = opened("uts.html")
    Select(first(page, f".filters select[name={name}]")).select_by_value(value)
    assert [step for step in listed(page) if step in left] == left
    assert len(listed(page)) < len(steps(page))
    first(page, "h1").click()
    press(page, Keys.END)
    assert current(page) == listed(page)[-1]
    press(page, "j")
    assert current(page) == listed(page)[-1]
    press(page, Keys.HOME)
    assert current(page) == listed(page)[0]
    press(page, Keys.ESCAPE)
    assert len(listed(page)) == len(steps(page))


def test_keys_do_nothing_while_somebody_types(opened: Open) -> None:
    page = opened("uts.html#/step/2/checks")
    press(page, "/")
    press(page, *"jk?1", Keys.ARROW_LEFT, Keys.HOME)
    assert (current(page), tab(page)) == ("/step/2", "Checks")
    assert not first(page, "dialog.help").is_displayed()
    assert first(page, ".filters [type=search]").get_property("value") == "jk?1"


def test_the_help_opens_by_key_and_button_and_closes(opened: Open) -> None:
    page = opened("uts.html")
    help = first(page, "dialog.help")
    press(page, "?")
    assert help.is_displayed()
    for word in ("next step", "play the windows", "search the steps"):
        assert word in help.text
    press(page, "j")
    assert current(page) == "/step/1"
    press(page, Keys.ESCAPE)
    assert not help.is_displayed()
    first(page, ".ask-help").click()
    assert help.is_displayed()
    help.find_element(By.TAG_NAME, "button").click()
    assert not help.is_displayed()
    assert "ask-help" in (page.switch_to.active_element.get_attribute("class") or "")


def test_what_the_browser_finds_comes_to_the_front(opened: Open) -> None:
    page = opened("uts.html#:~:text=There%20and%20back%20again,labs")
    found = first(page, "[id='/step/5/checks']")
    page.execute_script("arguments[0].dispatchEvent(new Event('beforematch', {bubbles: true}))", found)
    assert (current(page), tab(page)) == ("/step/5", "Checks")


@pytest.mark.parametrize("width", [360, 768, 1100, 3840])
@pytest.mark.parametrize("name", ["index.html", "uts.html"])
def test_no_page_scrolls_sideways(opened: Open, name: str, width: int) -> None:
    page = opened(name, width)
    for key in "j12345":
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
        press(page, key)


def test_three_columns_where_there_is_room_one_on_a_phone(opened: Open) -> None:
    parts = "['.steps', '.step.current .middle', '.step.current .side']"
    tops = f"return {parts}.map((part) => document.querySelector(part).getBoundingClientRect().top)"
    assert len(set(opened("uts.html", 1400).execute_script(tops))) == 1
    assert opened("uts.html", 1400).execute_script("return document.documentElement.scrollHeight") == 900
    one, two, three = opened("uts.html", 360).execute_script(tops)
    assert one < two < three


def test_a_phone_begins_at_the_top_and_goes_to_what_an_address_names(opened: Open) -> None:
    assert opened("uts.html", 360).execute_script("return scrollY") == 0
    page = opened("uts.html#/step/2/code", 360)
    top = "return document.querySelector('.step.current .panel.code').getBoundingClientRect().top"
    assert 0 <= page.execute_script(top) < 100


def test_the_list_of_steps_unfolds_on_a_phone(opened: Open) -> None:
    page = opened("uts.html", 360)
    assert listed(page) == []
    assert "Enter a new UTS namespace" in first(page, ".toggle").text
    first(page, ".toggle").click()
    first(page, ".steps a[href='#/step/2']").click()
    assert listed(page) == []
    assert current(page) == "/step/2"
    assert 0 <= page.execute_script("return document.querySelector('.current h2').getBoundingClientRect().top") < 200


def background(page: webdriver.Chrome) -> str:
    return str(page.execute_script("return getComputedStyle(document.body).backgroundColor"))


def test_colours_are_those_of_the_system_until_somebody_chooses(opened: Open) -> None:
    light, dark = (background(opened("uts.html", dark=dark)) for dark in (False, True))
    assert light != dark
    for name in ("uts.html", "index.html"):
        page = opened(name)
        assert background(page) == light
        Select(first(page, "select.theme")).select_by_value("dark")
        assert background(page) == dark
        page.refresh()
        assert background(page) == dark
        assert background(opened("namespaces.html")) == dark
        Select(first(page, "select.theme")).select_by_value("auto")
        assert background(page) == light


SHIFTS = """
const done = arguments[0];
new PerformanceObserver((list) => 0).observe({type: "layout-shift", buffered: true});
const all = new PerformanceObserver((list) => done(list.getEntries().map((entry) => entry.value)));
all.observe({type: "layout-shift", buffered: true});
requestAnimationFrame(() => requestAnimationFrame(() => done([])));
"""


@pytest.mark.parametrize("width", [360, 1400])
def test_nothing_moves_while_the_page_loads(opened: Open, width: int) -> None:
    page = opened("uts.html", width)
    assert sum(page.execute_async_script(SHIFTS)) < 0.01


@pytest.fixture
def without_script(opened: Open, browser: webdriver.Chrome) -> Iterator[Open]:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    yield opened
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.parametrize("width", [360, 1400])
def test_without_a_script_everything_stands_below_each_other(without_script: Open, width: int) -> None:
    page = without_script("uts.html", width)
    assert "without its script" in first(page, "noscript").text
    text = first(page, "main").text
    for words in (
        "1.1 Enter a new UTS namespace", "1.2 Change both names", "hostname container001", "= holds",
        "A UTS namespace separates", "assert first.ns", "with lab.step(", "Reveal what happened", "labs/test_01_uts.py",
    ):  # fmt: skip
        assert words in text, words
    assert not first(page, ".tabs").is_displayed()
    assert not first(page, ".filters").is_displayed()


def test_without_a_script_the_addresses_still_lead_there(without_script: Open) -> None:
    page = without_script("uts.html#/claim/uts-09")
    box = first(page, "[id='/claim/uts-09']").rect
    assert page.find_element(By.CSS_SELECTOR, "[id='/claim/uts-09']:target")
    assert box["height"] > 0


def test_a_foreign_script_is_refused(browser: webdriver.Chrome, site: Path, tmp_path: Path) -> None:
    page = (site / "uts.html").read_text().replace("</body>", "<script>document.title = 'taken'</script></body>")
    (tmp_path / "uts.html").write_text(page)
    browser.get((tmp_path / "uts.html").as_uri())
    assert browser.title != "taken"
    assert any("Content Security Policy" in entry["message"] for entry in drain(browser)[0])
