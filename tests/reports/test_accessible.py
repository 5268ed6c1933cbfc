"""Every part of the pages before axe-core, in both colour schemes, from a phone to a wide screen."""

from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.reports.accessible import violations
from tests.reports.browser import Open, needs_chromium
from tests.reports.test_lab_page import first, press

pytestmark = [pytest.mark.browser, needs_chromium]

CONTRAST = (Path(__file__).parent / "contrast.js").read_text()

PART = """
const parts = ".bar, .timeline, .filters, #list, .middle, .tabs, .panel";
return document.activeElement.closest(parts)?.className;
"""


@pytest.mark.parametrize(("width", "dark"), [(360, False), (1400, True), (1400, False)])
def test_no_part_of_a_lab_page_breaks_a_rule(opened: Open, width: int, dark: bool) -> None:
    for route in ("2/state", "2/checks", "3/claims", "5/code", "2/predict", "4/claims"):
        page = opened(f"uts.html#/step/{route}", width, dark)
        assert violations(page) == [], route
        assert page.execute_script(CONTRAST) == [], route


@pytest.mark.parametrize("dark", [False, True])
def test_an_unsupported_step_breaks_no_rule(opened: Open, dark: bool) -> None:
    assert violations(opened("namespaces.html#/step/8/claims", dark=dark)) == []


@pytest.mark.parametrize("dark", [False, True])
def test_what_opens_breaks_no_rule(opened: Open, dark: bool) -> None:
    page = opened("uts.html#/step/2/predict", dark=dark)
    page.find_element(By.CSS_SELECTOR, ".current input[type=radio]").send_keys(Keys.SPACE)
    press(page, Keys.ENTER)
    for summary in page.find_elements(By.CSS_SELECTOR, ".current summary"):
        if summary.is_displayed():
            summary.click()
    press(page, "/", *"hostname")
    assert violations(page) == []
    page = opened("uts.html", dark=dark)
    press(page, "?")
    assert first(page, "dialog").is_displayed()
    assert violations(page) == []


def test_all_can_be_reached_by_the_tab_key(opened: Open) -> None:
    """Bar, timeline, filters, list, lesson, windows, tabs and panel come one after the other, and nothing is a trap."""
    page = opened("uts.html")
    reached = []
    for _ in range(60):
        press(page, Keys.TAB)
        part = page.execute_script(PART)
        if part not in reached:
            reached.append(part)
        assert page.execute_script("return document.activeElement.closest('[hidden]')") is None
    names = [str(part).split()[0] for part in reached if part]
    assert names[:2] == ["bar", "timeline"]
    for name in ("filters", "middle", "tabs", "panel"):
        assert name in names
    assert names.index("filters") < names.index("middle") < names.index("tabs") < names.index("panel")
