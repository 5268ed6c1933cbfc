"""The State tab in a real browser: before, after and what changed, for each watched process."""

from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from reports.pages.render import render
from tests.reports.browser import Open, needs_chromium
from tests.reports.conftest import (
    END,
    Event,
    Write,
    exercise,
    exercise_end,
    lab,
    observation,
    process,
    run,
    step,
    step_end,
)
from tests.reports.test_render import HOSTILE

pytestmark = [pytest.mark.browser, needs_chromium]

Page = webdriver.Chrome


def wait_for_folds(page: Page) -> None:
    """Wait for the rows of the folds that were opened: a browser tells of it a moment later."""
    WebDriverWait(page, 10).until(lambda _: not page.find_elements(By.CSS_SELECTOR, ".fold[open]:not(:has(table))"))


def first(page: Page, selector: str) -> WebElement:
    return page.find_element(By.CSS_SELECTOR, selector)


def state(pid: int, **more: object) -> Event:
    """A process with 20 mounts, whose numbers are others each time."""
    mounts = [{"id": pid * 100 + n, "parent": pid, "point": f"/{n}", "options": "rw"} for n in range(20)]
    kept = process("first", pid)
    kept["state"] = kept["state"] | {"/proc/PID/mountinfo": mounts} | more
    return kept


def status(**fields: object) -> Event:
    return {"/proc/PID/status": {"Name": "bash", "NSpid": [1], "State": "S (sleeping)"} | fields}


Show = Any


@pytest.fixture
def show(opened: Open, write: Write, tmp_path: Path) -> Show:
    """``show(before, after, visible_in=[...])`` opens the State tab of a step with these processes."""

    def show(
        before: list[Event] | None, after: list[Event] | None, visible_in: tuple[str, ...] = (), **more: Any
    ) -> Page:
        claim = {"id": "uts-01", "visible_in": list(visible_in)}
        moments = [
            observation(when, *each) for when, each in (("before", before), ("after", after)) if each is not None
        ]
        record = write(
            run(), lab(claims=(claim,)), exercise(), step(claims=["uts-01"]), *moments, step_end(), exercise_end(), END
        )
        return opened("uts.html#/step/1/state", folder=render([record], tmp_path / "shown").parent, **more)

    return show


def tables(page: Page) -> dict[str, list[list[str]]]:
    """The rows of each group that is shown, by its heading."""
    script = """
    const texts = (row) => [...row.children].map((cell) => cell.textContent);
    return [...document.querySelectorAll('.step.current .process h5')].map((head) =>
      [head.textContent, [...head.nextElementSibling.querySelectorAll('tbody tr')].map(texts)]);
    """
    return dict(page.execute_script(script))


def folds(page: Page) -> list[str]:
    return [fold.text for fold in page.find_elements(By.CSS_SELECTOR, ".step.current .process .fold > summary")]


def test_a_changed_value_stands_before_and_after(show: Show) -> None:
    page = show([state(1)], [state(1, **{"/proc/sys/kernel/hostname": "c1"})])
    assert tables(page) == {"Host name": [["/proc/sys/kernel/hostname", "vm", "c1", "changed"]]}
    assert (first(page, ".rows del").text, first(page, ".rows ins").text) == ("vm", "c1")


def test_capabilities_are_decoded_by_name(show: Show) -> None:
    page = show([state(1, **status(CapEff="0000000000000000"))], [state(1, **status(CapEff="0000000000201000"))])
    ((where, before, after, change),) = tables(page)["Capabilities"]
    assert where == "/proc/PID/status CapEff"
    assert before == "0000000000000000none"
    assert after == "0000000000201000NET_ADMIN SYS_ADMIN"
    assert change.split() == ["gained", "+NET_ADMIN", "+SYS_ADMIN"]


def test_lost_capabilities_and_nearly_all(show: Show) -> None:
    page = show([state(1, **status(CapBnd="000001ffffffffff"))], [state(1, **status(CapBnd="000001fffffffffe"))])
    ((_, before, after, change),) = tables(page)["Capabilities"]
    assert before.endswith("all 41")
    assert after.endswith("all but CHOWN")
    assert change.split() == ["lost", "\N{MINUS SIGN}CHOWN"]


def test_numbers_say_by_how_much(show: Show) -> None:
    usage = "/sys/fs/cgroup/memory/PATH/memory.usage_in_bytes"
    page = show([state(1, **{usage: "4096"})], [state(1, **{usage: "12288"})])
    assert tables(page) == {"Control groups": [[usage, "4096", "12288", "+8192"]]}


def test_only_the_words_that_differ_are_marked(show: Show) -> None:
    long = " ".join(f"same{n}=1" for n in range(12))
    page = show([state(1, **{"ip link": {"a": f"{long} DOWN"}})], [state(1, **{"ip link": {"a": f"{long} UP"}})])
    assert [mark.text for mark in page.find_elements(By.CSS_SELECTOR, ".rows :is(del, ins)")] == ["DOWN", "UP"]
    cell = first(page, ".rows tbody td")
    assert "same3" not in cell.text
    first(page, ".rows .cut").click()
    assert cell.text == f"{long} DOWN"


def test_what_is_empty_and_then_holds_something(show: Show) -> None:
    page = show([state(1, **{"/proc/PID/uid_map": []})], [state(1, **{"/proc/PID/uid_map": [[0, 1000, 1]]})])
    assert tables(page) == {"User and group ids": [["/proc/PID/uid_map line 1", "", "0 1000 1", "new"]]}


def test_what_the_claims_are_about_stands_first_even_when_it_stays(show: Show) -> None:
    claimed = ("/proc/PID/status NSpid, CapEff", "/proc/sys/kernel/hostname")
    page = show([state(1)], [state(1, **{"/proc/PID/ns/net": "net:[10]"})], claimed)
    told = tables(page)
    assert list(told) == ["What this step is about", "Namespaces"]
    assert [(row[0], row[-1]) for row in told["What this step is about"]] == [
        ("/proc/PID/status NSpid", "same"),
        ("/proc/sys/kernel/hostname", "same"),
    ]


def test_what_stays_or_says_little_is_folded_and_made_when_it_is_opened(show: Show) -> None:
    page = show([state(1)], [state(1, **status(State="R (running)"))])
    assert first(page, ".step.current .process .nothing").text == "Nothing that was watched changed."
    assert {"Mounts 20 unchanged", "Process ids 1 unchanged", "The rest 1 that say little, 1 unchanged"} <= set(
        folds(page)
    )
    assert page.find_elements(By.CSS_SELECTOR, ".fold table") == []
    fold = page.find_elements(By.XPATH, "//summary[contains(., 'Mounts')]")[0]
    fold.click()
    wait_for_folds(page)
    rows = page.find_elements(By.CSS_SELECTOR, ".fold[open] tbody tr")
    assert [" ".join(row.text.split()) for row in rows] == [f"/proc/PID/mountinfo /{n} rw same" for n in range(20)]


def test_a_new_and_a_gone_process_are_folded_whole(show: Show) -> None:
    page = show([process("old", 1)], [process("new", 2)])
    assert [head.text for head in page.find_elements(By.CSS_SELECTOR, ".process h4")] == [
        "new bash · pid 2, new",
        "old bash · pid 1, gone",
    ]
    assert tables(page) == {}
    assert "Namespaces 2 values" in folds(page)


def test_before_falls_back_to_the_previous_after(opened: Open, write: Write, tmp_path: Path) -> None:
    record = write(
        run(), lab(), exercise(), step(1), observation("after", process("first", 1)), step_end(1),
        step(2), observation("after", process("first", 1, hostname="c1"), number=2), step_end(2), exercise_end(), END,
    )  # fmt: skip
    page = opened("uts.html#/step/2/state", folder=render([record], tmp_path / "shown").parent)
    assert tables(page) == {"Host name": [["/proc/sys/kernel/hostname", "vm", "c1", "changed"]]}


def test_a_step_that_watched_nothing_says_so(show: Show) -> None:
    assert first(show(None, None), ".step.current .kernel").text == "Nothing was watched in this step."


def test_hostile_state_stays_text(show: Show) -> None:
    hostile = {"/proc/sys/kernel/hostname": HOSTILE, HOSTILE: {HOSTILE: HOSTILE}, "/proc/PID/cwd": f"{HOSTILE}2"}
    before = process(HOSTILE, 1)
    before["state"] = before["state"] | status(Name=HOSTILE)
    after = process(HOSTILE, 1)
    after["state"] = after["state"] | status(Name=HOSTILE, CapEff=HOSTILE) | hostile
    page = show([before], [after], (HOSTILE,))
    for fold in page.find_elements(By.CSS_SELECTOR, ".step.current .fold > summary"):
        fold.click()
    wait_for_folds(page)
    panel = first(page, ".step.current .kernel")
    assert panel.text.count("<script>alert(x)</script>") >= 6
    assert panel.find_elements(By.CSS_SELECTOR, "img, script") == []
    assert not {"\u202e", "\x1b", "\x00"} & set(panel.get_attribute("textContent") or "")


def test_on_a_phone_rows_stand_below_each_other(show: Show) -> None:
    page = show([state(1)], [state(1, **{"/proc/sys/kernel/hostname": "c" * 64})], width=360)
    assert page.execute_script("return document.documentElement.scrollWidth") <= 360
    cells = page.find_elements(By.CSS_SELECTOR, ".rows tbody td")
    assert cells[1].rect["y"] > cells[0].rect["y"]
    assert page.execute_script("return getComputedStyle(arguments[0], '::before').content", cells[1]) == '"after"'


def test_every_real_step_can_be_opened(opened: Open) -> None:
    page = opened("uts.html")
    count = page.execute_script("return unshared.steps.length")
    for number in range(count):
        page.execute_script("unshared.go(arguments[0], 'state')", number)
        assert first(page, ".step.current .kernel").text
    watched = page.execute_script("return unshared.steps.reduce((sum, step) => sum + step.counts.state, 0)")
    assert len(page.find_elements(By.CSS_SELECTOR, ".process h4")) == watched > 5


def test_a_drawing_is_in_the_page_once(opened: Open, site: Path) -> None:
    page = opened("uts.html")
    drawings: list[str] = page.execute_script(
        "return [...document.querySelectorAll('script[id^=drawing]')].map(each => each.textContent)"
    )
    assert len(set(drawings)) == len(drawings) > 2
    page.execute_script("dispatchEvent(new Event('beforeprint'))")
    shown = page.execute_script("return unshared.data('drawn').map(numbers => numbers.length)")
    assert [len(step.find_elements(By.CSS_SELECTOR, ".kernel > :is(.picture, .drawing, .together)")) for step in
            page.find_elements(By.CLASS_NAME, "step")] == shown  # fmt: skip
