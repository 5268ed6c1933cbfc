"""The windows of a step replayed, and the timeline, in a real browser."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from reports.pages.render import render
from tests.reports.browser import Open, needs_chromium
from tests.reports.conftest import END, Event, Write, event, exercise, exercise_end, lab, printed, run, step, step_end
from tests.reports.test_render import HOSTILE

pytestmark = [pytest.mark.browser, needs_chromium]

PAGE = "uts.html#/step/2"
CLOCK = """
window.waits = [];
const real = setTimeout;
window.setTimeout = (call, wait) => { waits.push(Math.round(wait)); return real(call, 0); };
"""
"""Timers run at once, and how long each would have waited is kept."""


def first(page: webdriver.Chrome, selector: str) -> WebElement:
    return page.find_element(By.CSS_SELECTOR, selector)


def windows(page: webdriver.Chrome) -> list[str]:
    """The text of each window, as it can be selected and copied."""
    select = """return [...document.querySelectorAll('.step.current .window pre')].map((pre) => {
        getSelection().selectAllChildren(pre);
        const text = getSelection().toString();
        getSelection().removeAllRanges();
        return text.trimEnd();
    })"""
    shown: list[str] = page.execute_script(select)
    return shown


def position(page: webdriver.Chrome) -> tuple[int, int]:
    slider = first(page, ".step.current .moment")
    return int(slider.get_property("value")), int(slider.get_property("max"))


def press(page: webdriver.Chrome, *keys: str) -> None:
    for key in keys:
        page.switch_to.active_element.send_keys(key)


def replay(page: webdriver.Chrome, index: int) -> Any:
    return page.execute_script("return unshared.data('replays')[arguments[0]]", index)


def test_at_rest_a_step_shows_its_end(opened: Open) -> None:
    page = opened(PAGE)
    at, count = position(page)
    assert at == count > 5
    assert page.find_elements(By.CSS_SELECTOR, ".live") == []
    assert "root@vm:~# hostname; domainname" in windows(page)[0]


def test_space_plays_all_windows_moment_by_moment_to_the_end(opened: Open) -> None:
    page = opened(PAGE)
    end = windows(page)
    page.execute_script(
        CLOCK
        + """
        window.seen = [];
        const texts = () => [...document.querySelectorAll('.step.current .live')].map((live) => live.textContent);
        const stage = document.querySelector('.step.current .stage');
        new MutationObserver(() => seen.push(texts())).observe(stage, {childList: true, subtree: true});"""
    )
    press(page, " ")
    WebDriverWait(page, 10).until(
        lambda page: page.execute_script("return waits.length") and position(page)[0] == position(page)[1]
    )
    assert windows(page) == end
    seen = page.execute_script("return seen")
    both = [texts for texts in seen if len(texts) == 2]
    assert any(texts[0] and not texts[1] for texts in both), "the second window waits for its turn"
    assert all(len(late[0]) >= len(early[0]) for early, late in pairwise(both))
    assert page.execute_script("return waits.length") == position(page)[1]


@pytest.mark.parametrize(("speed", "longest"), [("1", 800), ("2", 400), ("recorded", 2000)])
def test_speeds(opened: Open, write: Write, tmp_path: Path, speed: str, longest: int) -> None:
    output = [typed_at(1.0, "a"), printed("first", "$ a\r\n") | {"t": 1.0}, printed("first", "b\r\n") | {"t": 1.25},
              printed("first", "c\r\n") | {"t": 9.0}]  # fmt: skip
    page = opened("uts.html", folder=made(write, tmp_path, *output))
    Select(first(page, ".speed")).select_by_value(speed)
    page.execute_script(CLOCK)
    first(page, ".play").click()
    WebDriverWait(page, 10).until(lambda page: position(page) == (3, 3) and first(page, ".play").text.endswith("Play"))
    waits = page.execute_script("return waits")
    assert max(waits) == longest
    if speed == "recorded":
        assert waits == [0, 250, 2000], "as recorded, and the long wait is shortened"


def typed_at(moment: float, line: str) -> Event:
    where = {"window": "first", "exercise": "test_rename", "step": "uts/test_rename/1"}
    return event("window", what="in", data=f"{line}\n", **where) | {"t": moment}


def made(write: Write, folder: Path, *events: Event) -> Path:
    record = write(run(), lab(), exercise(), step(), *events, step_end(), exercise_end(), END)
    return render([record], folder / "made").parent


def test_the_slider_travels_by_arrows_and_says_where_it_is(opened: Open) -> None:
    page = opened(PAGE)
    slider = first(page, ".step.current .moment")
    count = position(page)[1]
    slider.send_keys(Keys.HOME)
    assert position(page)[0] == 0
    assert windows(page)[0].count("hostname container001") == 0
    slider.send_keys(Keys.ARROW_RIGHT)
    assert position(page)[0] == 1
    assert current(page) == 1, "the arrows stay inside"
    assert slider.get_attribute("aria-valuetext") == (
        f"moment 1 of {count}, 0.4 ms. first: typed root@vm:~# hostname container001"
    )
    assert first(page, ".step.current .live b").text == "root@vm:~# hostname container001"
    slider.send_keys(Keys.ARROW_LEFT)
    assert "hostname container001" not in windows(page)[0]
    slider.send_keys(Keys.END)
    assert "end of the step" in (slider.get_attribute("aria-valuetext") or "")
    assert page.find_elements(By.CSS_SELECTOR, ".live") == []


def test_every_moment_shows_what_the_record_says(opened: Open) -> None:
    page = opened(PAGE)
    told = replay(page, 1)
    shown: list[list[str]] = [[] for _ in told["windows"]]
    slider = first(page, ".step.current .moment")
    slider.send_keys(Keys.HOME)
    for number, (_, window, _, at, *lines) in enumerate(told["moments"][:-1], 1):
        slider.send_keys(Keys.ARROW_RIGHT)
        shown[window][at : at + len(lines)] = [line if isinstance(line, str) else "".join(line[::2]) for line in lines]
        live = page.execute_script(
            "return [...document.querySelectorAll('.step.current .live')].map(l => l.textContent)"
        )
        assert live == ["".join(f"{line}\n" for line in lines) for lines in shown], number


def test_play_pauses_and_goes_on(opened: Open) -> None:
    page = opened(PAGE)
    play = first(page, ".step.current .play")
    page.execute_script("window.setTimeout = () => 7")
    play.click()
    assert play.text.endswith("Pause")
    assert position(page)[0] == 0
    play.click()
    assert play.text.endswith("Play")
    first(page, ".step.current .moment").send_keys(Keys.ARROW_RIGHT)
    play.click()
    assert position(page)[0] == 1, "it goes on where it stood"


def test_another_step_stops_the_replay(opened: Open) -> None:
    page = opened(PAGE)
    end = windows(page)
    page.execute_script("window.setTimeout = () => 7")
    press(page, " ", "j")
    assert position(page)[0] == position(page)[1]
    press(page, "k")
    assert windows(page) == end


def test_reduced_motion_moves_only_when_asked(opened: Open, browser: webdriver.Chrome) -> None:
    page = opened("about:blank".removeprefix("about:blank") + PAGE)
    features = [{"name": "prefers-reduced-motion", "value": "reduce"}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    page.refresh()
    page.execute_script("window.setTimeout = () => { throw new Error('it moves by itself') }")
    assert Select(first(page, ".speed")).first_selected_option.get_attribute("value") == "single"
    press(page, " ")
    assert position(page)[0] == 0
    press(page, " ", " ")
    assert position(page)[0] == 2


def test_at_once_is_the_end(opened: Open) -> None:
    page = opened(PAGE)
    Select(first(page, ".step.current .speed")).select_by_value("instant")
    first(page, ".step.current .moment").send_keys(Keys.HOME)
    first(page, ".step.current .play").click()
    assert position(page)[0] == position(page)[1]
    page.execute_script("localStorage.clear()")


def test_what_windows_printed_stays_text_while_it_is_played(opened: Open, write: Write, tmp_path: Path) -> None:
    output = [
        printed("first", f"{HOSTILE}\r\n"),
        printed("first", "\x1b[31m<b onclick=x>\x1b[0m\r\n"),
        printed("first", "end\r\n"),
    ]
    page = opened("uts.html", folder=made(write, tmp_path, *output))
    first(page, ".step.current .moment").send_keys(Keys.ARROW_LEFT)
    live = first(page, ".live")
    assert "<script>alert(x)</script>" in live.text
    assert "<b onclick=x>" in live.text
    assert live.find_elements(By.CSS_SELECTOR, "img, script, [onclick]") == []
    assert "\u202e" not in live.text


def test_without_a_script_the_windows_are_there(opened: Open, site: Path) -> None:
    page = opened(PAGE)
    page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.get((site / "uts.html").as_uri())
        assert "root@vm:~# hostname container001" in first(page, "body").text
        assert page.find_elements(By.CSS_SELECTOR, ".controls") == []
    finally:
        page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


# The timeline


def blocks(page: webdriver.Chrome) -> list[dict[str, float]]:
    boxes: list[dict[str, float]] = page.execute_script(
        "return [...document.querySelectorAll('.blocks i')].map(i => i.getBoundingClientRect().toJSON())"
    )
    return boxes


def point(page: webdriver.Chrome, index: int, part: float = 0.5) -> tuple[int, int]:
    box = blocks(page)[index]
    return round(box["left"] + part * box["width"]), round(box["top"] + box["height"] / 2)


def current(page: webdriver.Chrome) -> int:
    number: int = page.execute_script("return unshared.current")
    return number


def test_the_timeline_has_a_block_for_each_step_as_wide_as_it_took(opened: Open) -> None:
    page = opened("uts.html")
    steps = page.execute_script("return unshared.steps.map(({start, end}) => end - start)")
    boxes = blocks(page)
    assert len(boxes) == len(steps)
    assert boxes[steps.index(max(steps))]["width"] == max(box["width"] for box in boxes)
    assert boxes[-1]["right"] - boxes[0]["left"] > 1000, "it fills the page"
    first(page, ".widths").click()
    widths = {round(box["width"]) for box in blocks(page)}
    assert max(widths) - min(widths) <= 1
    assert first(page, ".widths").get_attribute("aria-pressed") == "false"


def test_a_click_travels_to_the_step(opened: Open) -> None:
    page = opened("uts.html")
    chain = ActionChains(page, duration=0)
    chain.w3c_actions.pointer_action.move_to_location(*point(page, 2)).click()
    chain.perform()
    assert current(page) == 2
    assert "#/step/3" in page.current_url
    assert position(page)[0] == position(page)[1]


def test_dragging_travels_through_the_moments_of_steps(opened: Open) -> None:
    page = opened("uts.html")
    first(page, ".widths").click()
    start, inside, far = point(page, 0), point(page, 1, 0.4), point(page, 2, 0.6)
    chain = ActionChains(page, duration=0)
    chain.w3c_actions.pointer_action.move_to_location(*start).pointer_down().move_to_location(*inside)
    chain.perform()
    at, count = position(page)
    assert current(page) == 1
    assert at == pytest.approx(0.4 * count, abs=1.5)
    assert len(page.find_elements(By.CSS_SELECTOR, ".step.current .live")) > 0
    before = page.execute_script("return history.length")
    chain = ActionChains(page, duration=0)
    chain.w3c_actions.pointer_action.move_to_location(*far).pointer_up()
    chain.perform()
    assert current(page) == 2
    assert "#/step/3" in page.current_url
    assert page.execute_script("return history.length") <= before + 1


def test_the_timeline_is_a_slider_for_the_keyboard(opened: Open) -> None:
    page = opened("uts.html")
    track = first(page, ".track")
    count = len(blocks(page))
    track.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert current(page) == 2
    assert track.get_attribute("aria-valuenow") == "3"
    assert (track.get_attribute("aria-valuetext") or "").startswith(f"step 3 of {count}: ")
    track.send_keys(Keys.END)
    assert current(page) == count - 1
    track.send_keys(Keys.HOME, Keys.ARROW_LEFT)
    assert current(page) == 0
    assert page.switch_to.active_element == track


def test_the_outcome_of_a_step_is_in_the_tip_and_not_in_colour_alone(opened: Open) -> None:
    page = opened("uts.html")
    chain = ActionChains(page, duration=0)
    chain.w3c_actions.pointer_action.move_to_location(*point(page, 1))
    chain.perform()
    tip = page.execute_script("return document.querySelector('.tip').textContent")
    assert first(page, ".step:nth-of-type(2) h2").get_attribute("textContent") in tip
    assert "passed" in tip


def test_the_player_does_not_move_the_page(opened: Open) -> None:
    page = opened(PAGE)
    page.execute_script("""
        window.shifts = [];
        const observer = new PerformanceObserver((list) => shifts.push(...list.getEntries().map((one) => one.value)));
        observer.observe({type: 'layout-shift', buffered: true});""")
    frame = first(page, ".step.current .controls").rect
    first(page, ".step.current .moment").send_keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert first(page, ".step.current .controls").rect == frame
    assert sum(page.execute_script("return shifts")) < 0.1


def test_a_block_has_the_colour_of_the_outcome_in_the_list(opened: Open) -> None:
    page = opened("namespaces.html")
    colours = page.execute_script(
        "const colour = (each) => getComputedStyle(each).color;"
        "return ['.blocks i', '#list .sign:first-child'].map(all => [...document.querySelectorAll(all)].map(colour))"
    )
    assert colours[0] == colours[1][: len(colours[0])]
    assert len(set(colours[0])) > 1
