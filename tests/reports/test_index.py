"""The index page: the course at a glance, and every claim in one table that can be searched, filtered and sorted."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from record.reading import read
from reports.pages.render import render
from tests.reports.accessible import violations
from tests.reports.browser import Open, needs_chromium
from tests.reports.conftest import END, REAL, Write, event, exercise, exercise_end, lab, run, step, step_end, whole
from tests.reports.test_render import CLAIM, Page, page

CLAIMS = [claim for lab in read([REAL]).labs for claim in lab.claims]


def index(write: Write, *events: dict[str, object]) -> str:
    return page(write, *events, name="index.html")


def links(text: str) -> list[str]:
    return [attributes.get("href") or "" for tag, attributes in Page(text).elements if tag == "a"]


def test_a_failure_stands_first_and_leads_to_its_checks(write: Write) -> None:
    failed = [exercise("test_z", line=99), step(name="test_z"), step_end(1, "failed", "test_z", error="assert 1 == 2")]
    text = index(write, *whole()[:-1], *failed, exercise_end("failed", "test_z"), END)
    assert "uts.html#/step/2/checks" in links(text)
    assert Page(text).text.index("assert 1 == 2") < Page(text).text.index("Labs")


def test_a_claim_leads_to_its_step_and_one_without_a_step_to_where_it_is_told(write: Write) -> None:
    claims = tuple(CLAIM | {"id": f"uts-{n}"} for n in (1, 2, 3))
    gone = {"reason": "no swap is on", "how": "swapon"}
    text = index(
        write, run(), lab(claims=claims),
        exercise(), step(claims=["uts-1"]), event("claim", step="uts/test_rename/1", claim="uts-1", verdict="holds"),
        step_end(), exercise_end(),
        exercise("test_b", line=50),
        event("claim", exercise="test_b", lab="uts", step=None, claim="uts-2", verdict="unsupported", **gone),
        exercise_end("unsupported", "test_b", **gone), END,
    )  # fmt: skip
    assert "uts.html#/claim/uts-1" in links(text)
    assert "uts.html#/step/2/claims" in links(text)
    assert not [link for link in links(text) if "uts-3" in link]
    told = " ".join(Page(text).text.split())
    for part in (
        "no swap is on",
        "How to enable it: swapon",
        "To be expected: It starts",
        "No step of this run came to it.",
    ):
        assert part in told


def test_the_verdicts_of_a_lab_lead_to_its_claims_without_script_too(write: Write) -> None:
    text = index(
        write, *whole(event("claim", step="uts/test_rename/1", claim="uts-01", verdict="wrong"), claims=(CLAIM,))
    )
    ids = [attributes["id"] for _, attributes in Page(text).elements if "id" in attributes]
    assert "#/claims?verdict=wrong&lab=uts" in links(text)
    assert {link[1:] for link in links(text) if link.startswith("#")} <= set(ids)


def test_a_fact_is_not_said_to_stand_in_the_notes(write: Write) -> None:
    facts = (CLAIM | {"kind": "fact"}, CLAIM | {"id": "uts-02"})
    assert Page(index(write, *whole(claims=facts))).text.count("left out by the notes:") == 1


def test_the_machine_is_told(write: Write) -> None:
    machine = {
        "kernel": "6.1.0-9", "machine": "x86_64", "distribution": "Debian 12", "cgroup": "hybrid", "python": "3.11.2",
        "lsm": ["lockdown", "apparmor"], "uid": 1000, "vm_name": "lab", "box": "debian/bookworm64",
        "tools": {"unshare": "2.38.1"}, "can": {"swap": {"ok": False, "reason": "no swap is on", "how": "swapon it"}},
    }  # fmt: skip
    text = " ".join(
        Page(index(write, {**run(target_why="here: asked for"), "facts": machine}, lab(), END)).text.split()
    )
    for part in (
        "6.1.0-9 x86_64", "Debian 12", "hybrid", "lockdown, apparmor", "1000", "3.11.2", "unshare 2.38.1",
        "no swap is on", "swapon it", "here: asked for", "lab debian/bookworm64",
    ):  # fmt: skip
        assert part in text, part


def test_who_it_was_and_what_they_predicted(write: Write) -> None:
    asked = {"kind": "number", "question": "How many?", "choices": [], "unit": ""}
    steps = [
        part
        for number, correct in enumerate((True, False, True, None), 1)
        for part in (
            step(number, ask=asked),
            event("prediction", step=f"uts/test_rename/{number}", **asked, observed=1, given=1, correct=correct),
            step_end(number),
        )
    ]
    text = Page(index(write, {**run(), "student": "Ada"}, lab(), exercise(), *steps, exercise_end(), END)).text
    assert "2 of 3 predictions right" in text
    assert "Ada" in text
    assert "predictions right" not in Page(index(write, *whole())).text


def rows(page: Chrome) -> list[str]:
    """The ids of the claims that are shown, in their order."""
    shown = "[...document.querySelectorAll('.claims tbody tr')].filter(row => row.checkVisibility())"
    return [str(cell).split()[0] for cell in page.execute_script(f"return {shown}.map(row => row.cells[0].innerText)")]


def head(page: Chrome, name: str) -> tuple[str | None, ...]:
    """(aria-sort of the column, of all others) after a press on its head."""
    page.find_element(By.CSS_SELECTOR, f"[data-sort={name}] button").click()
    others = page.find_elements(By.CSS_SELECTOR, f".claims thead th:not([data-sort={name}])[aria-sort]")
    return page.find_element(By.CSS_SELECTOR, f"[data-sort={name}]").get_attribute("aria-sort"), *[
        o.text for o in others
    ]


@pytest.mark.browser
@needs_chromium
def test_every_claim_is_in_the_table_and_sorts_both_ways(opened: Open) -> None:
    page = opened("index.html")
    assert sorted(rows(page)) == sorted(claim.id for claim in CLAIMS)
    assert head(page, "id") == ("ascending",)
    natural = sorted(
        rows(page), key=lambda name: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
    )
    assert rows(page) == natural
    assert head(page, "id") == ("descending",)
    assert rows(page) == natural[::-1]
    for name in ("lab", "statement", "shown", "reference", "verdict"):
        assert head(page, name) == ("ascending",)
    head(page, "lab")
    head(page, "lab")
    assert rows(page) == [claim.id for claim in CLAIMS][::-1]


@pytest.mark.browser
@needs_chromium
def test_search_filter_and_a_link_that_remembers(opened: Open) -> None:
    page = opened("index.html")
    page.find_element(By.TAG_NAME, "body").send_keys("/")
    find = page.switch_to.active_element
    find.send_keys("HOST ")
    hits = rows(page)
    said = {claim.id: f"{claim.statement} {claim.truth} {claim.reference}".lower() for claim in CLAIMS}
    assert 0 < len(hits) < len(CLAIMS)
    assert {name for name, text in said.items() if "host" in text} == set(hits)
    (chip,) = page.find_elements(By.CSS_SELECTOR, ".filters button[value=open]")
    chip.send_keys(Keys.ENTER)
    assert chip.get_attribute("aria-pressed") == "true"
    assert set(rows(page)) < set(hits)
    Select(page.find_element(By.ID, "of-lab")).select_by_value("uts")
    assert page.find_element(By.CSS_SELECTOR, "[role=status]").text == f"{len(rows(page))} of {len(CLAIMS)}"
    head(page, "id")
    assert unquote(page.current_url).endswith("#/claims?q=HOST+&lab=uts&verdict=open&sort=id")
    before = rows(page)
    page.refresh()
    assert rows(page) == before
    assert page.find_element(By.ID, "find").get_attribute("value") == "HOST "
    page.find_element(By.CLASS_NAME, "reset").click()
    assert len(rows(page)) == len(CLAIMS)
    assert page.switch_to.active_element.get_attribute("id") == "find"


@pytest.mark.browser
@needs_chromium
def test_nothing_found_is_said(opened: Open) -> None:
    page = opened("index.html#/claims?q=xyzzy")
    assert rows(page) == []
    assert page.find_element(By.CLASS_NAME, "none").is_displayed()
    page.get("about:blank")
    page = opened("index.html#/claims?verdict=nonsense&sort=nonsense&lab=")
    assert len(rows(page)) == len(CLAIMS)


@pytest.mark.browser
@needs_chromium
def test_the_verdicts_of_a_lab_filter_the_table(opened: Open) -> None:
    page = opened("index.html")
    badge = page.find_element(By.CSS_SELECTOR, ".course .legend a[href*='verdict=holds']")
    number = int(badge.text.split()[1])
    badge.click()
    WebDriverWait(page, 5).until(lambda page: len(rows(page)) == number)
    assert page.find_element(By.CSS_SELECTOR, ".filters [value=holds]").get_attribute("aria-pressed") == "true"


@pytest.mark.browser
@needs_chromium
def test_a_claim_of_the_table_opens_in_its_lab(opened: Open) -> None:
    page = opened("index.html#/claims?lab=uts&verdict=holds")
    first = rows(page)[0]
    page.find_element(By.LINK_TEXT, first).click()
    WebDriverWait(page, 5).until(lambda page: "uts.html" in page.current_url)
    assert page.find_element(By.ID, f"/claim/{first}").is_displayed()


@pytest.mark.browser
@needs_chromium
def test_the_table_is_printed_whole_and_without_its_controls(opened: Open, tmp_path: Path, write: Write) -> None:
    page = opened("index.html")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert len(rows(page)) == len(CLAIMS)
        assert not page.find_element(By.CLASS_NAME, "finder").is_displayed()
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@pytest.mark.browser
@needs_chromium
def test_a_run_without_claims_has_no_controls(opened: Open, tmp_path: Path, write: Write) -> None:
    render([write(*whole())], tmp_path / "site")
    page = opened("index.html", folder=tmp_path / "site")
    assert page.find_elements(By.CSS_SELECTOR, "table.claims, .finder") == []


@pytest.mark.browser
@needs_chromium
@pytest.mark.parametrize("width", [360, 1400])
def test_the_index_can_be_used_by_everybody(opened: Open, width: int) -> None:
    assert violations(opened("index.html", width)) == []
    assert violations(opened("index.html#/claims?verdict=holds&q=uts", width)) == []
