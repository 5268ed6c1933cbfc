"""The questions of a lab page, answered in the page."""

from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from reports.pages.render import render
from tests.reports.browser import Open, needs_chromium
from tests.reports.conftest import END, Event, Write, event, exercise, exercise_end, lab, run, step, step_end
from tests.reports.test_lab_page import first, press

pytestmark = [pytest.mark.browser, needs_chromium]

CHOICE = {"kind": "choice", "question": "Which?", "choices": ["old", "new"], "observed": "old"}
NUMBER = {"kind": "number", "question": "How many?", "unit": "MiB", "observed": 8}
MEASURED = {"kind": "number", "question": "How long?", "unit": "ms", "observed": 200.5}
TEXT = {"kind": "text", "question": "Which errno?", "observed": "Operation not permitted"}
ORDER = {"kind": "order", "question": "In which order?", "choices": ["c", "a", "b"], "observed": ["a", "b", "c"]}


def asked(*questions: Event, identity: str = "r1") -> list[Event]:
    events: list[Event] = [{**run(), "run": identity}, lab(), exercise()]
    for number, question in enumerate(questions, 1):
        asks = {key: value for key, value in question.items() if key in ("kind", "question", "choices", "unit")}
        made = {"given": None, "correct": None} | {key: question[key] for key in question.keys() - asks.keys()}
        judged = event("prediction", step=f"uts/test_rename/{number}", **made)
        events += [step(number, ask=asks), judged, step_end(number, found="What there is to *remember*.")]
    return [*events, exercise_end(), END]


@pytest.fixture
def quiz(opened: Open, write: Write, tmp_path: Path) -> Open:
    """``quiz(question, ...)``: the page of a step for each question, at the first one."""

    def quiz(*questions: Event, identity: str = "r1", number: int = 1) -> webdriver.Chrome:
        folder = render([write(*asked(*questions, identity=identity))], tmp_path / "site").parent
        return opened(f"uts.html#/step/{number}/predict", folder=folder)

    return quiz


def panel(page: webdriver.Chrome) -> WebElement:
    return first(page, ".step.current .panel.predict")


def sign(page: webdriver.Chrome) -> str:
    return first(page, "#tab-predict .count").text


def press_button(page: webdriver.Chrome, name: str) -> None:
    (button,) = [one for one in panel(page).find_elements(By.TAG_NAME, "button") if one.text == name]
    button.click()


def choose(page: webdriver.Chrome, text: str) -> None:
    (label,) = [one for one in panel(page).find_elements(By.TAG_NAME, "label") if one.text == text]
    label.click()


def test_of_a_real_run_the_answer_is_revealed_after_answering_and_kept(opened: Open) -> None:
    page = opened("uts.html#/step/2/predict")
    assert sign(page) == "?"
    assert "It was:" not in panel(page).text
    panel(page).find_element(By.CSS_SELECTOR, "input[type=radio]").send_keys(Keys.SPACE)
    press(page, Keys.ENTER)
    assert "It was:" in panel(page).text
    assert page.switch_to.active_element.get_attribute("role") == "status"
    told = panel(page).text
    page.refresh()
    assert panel(page).text == told
    assert sign(page) in "★☆"
    press_button(page, "Ask me again")
    assert "It was:" not in panel(page).text
    assert sign(page) == "?"


@pytest.mark.parametrize(("answer", "told"), [("old", "★ right"), ("new", "☆ not so")])
def test_a_choice(quiz: Open, answer: str, told: str) -> None:
    page = quiz(CHOICE)
    press_button(page, "Answer")  # without a choice nothing is answered
    assert "It was:" not in panel(page).text
    choose(page, answer)
    press_button(page, "Answer")
    assert told in panel(page).text
    assert f"Your answer: {answer}" in panel(page).text
    assert "It was: old" in panel(page).text
    assert "right in this lab" in panel(page).text


@pytest.mark.parametrize(
    ("question", "answer", "told"),
    [
        (NUMBER, "8", "★ right"),
        (NUMBER, " 0x8 MiB ", "★ right"),
        (NUMBER, "8.01", "☆ not so"),
        (MEASURED, "202", "★ right"),
        (MEASURED, "205", "☆ not so"),
        (TEXT, "operation  not permitted ", "★ right"),
        (TEXT, "No such file", "☆ not so"),
    ],
)
def test_numbers_and_texts_are_judged_as_in_a_run(quiz: Open, question: Event, answer: str, told: str) -> None:
    page = quiz(question)
    panel(page).find_element(By.TAG_NAME, "input").send_keys(answer, Keys.ENTER)
    assert told in panel(page).text


def test_what_is_no_number_is_not_taken(quiz: Open) -> None:
    page = quiz(NUMBER)
    field = panel(page).find_element(By.TAG_NAME, "input")
    field.send_keys("eight", Keys.ENTER)
    assert "It was:" not in panel(page).text
    assert field.get_property("validationMessage") == "Give a number, such as 42."


def test_an_order_is_made_by_buttons(quiz: Open) -> None:
    page = quiz(ORDER)
    for _ in range(2):
        panel(page).find_element(By.CSS_SELECTOR, "button[aria-label='move down: c']").send_keys(Keys.SPACE)
        assert page.switch_to.active_element.get_attribute("aria-label") == "move down: c"
    assert [item.text[0] for item in panel(page).find_elements(By.CSS_SELECTOR, ".items li")] == ["a", "b", "c"]
    press_button(page, "Answer")
    assert "★ right" in panel(page).text
    assert "It was: a b c" in panel(page).text


def test_to_look_without_answering_counts_for_nothing(quiz: Open) -> None:
    page = quiz(CHOICE, TEXT)
    press_button(page, "Show me")
    assert "» not answered" in panel(page).text
    assert "It was: old" in panel(page).text
    assert "right in this lab" not in panel(page).text
    press(page, "j")
    panel(page).find_element(By.TAG_NAME, "input").send_keys("EPERM", Keys.ENTER)
    assert "0 of 1 right in this lab" in panel(page).text


def test_answers_belong_to_their_run(quiz: Open) -> None:
    choose(quiz(CHOICE, identity="one"), "old")
    page = quiz(CHOICE, identity="one")
    choose(page, "old")
    press_button(page, "Answer")
    assert "It was:" in panel(quiz(CHOICE, identity="one")).text
    assert "It was:" not in panel(quiz(CHOICE, identity="two")).text


REFUSED = "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError'); }});"


def test_it_works_where_the_browser_keeps_nothing(quiz: Open, browser: webdriver.Chrome) -> None:
    script = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": REFUSED})
    try:
        page = quiz(CHOICE, TEXT)
        choose(page, "old")
        press_button(page, "Answer")
        assert "★ right" in panel(page).text
        assert "This browser keeps nothing" in panel(page).text
        press(page, "j", "k")
        assert "★ right" in panel(page).text
        page.refresh()
        assert "It was:" not in panel(page).text
    finally:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


def test_the_answer_given_in_the_run_is_told_with_the_answer(quiz: Open) -> None:
    page = quiz(CHOICE | {"given": "new", "correct": False})
    assert "Answer given in the run" not in panel(page).text
    choose(page, "old")
    press_button(page, "Answer")
    assert "Answer given in the run: new ☆ not so" in panel(page).text


def test_a_question_without_an_observed_answer_is_no_form(opened: Open, write: Write, tmp_path: Path) -> None:
    ask = {"kind": "choice", "question": "Which?", "choices": ["old", "new"], "unit": ""}
    died = [run(), lab(), exercise(), step(ask=ask)]
    folder = render([write(*died)], tmp_path / "site").parent
    page = opened("uts.html#/step/1/predict", folder=folder)
    assert "The step did not come to the answer." in panel(page).text
    assert panel(page).find_elements(By.TAG_NAME, "form") == []


def test_what_was_found_is_told_with_the_answer_never_with_the_question(quiz: Open) -> None:
    page = quiz(CHOICE)
    assert "remember" not in panel(page).text
    choose(page, "old")
    press_button(page, "Answer")
    assert "What there is to remember." in panel(page).text
    press_button(page, "Ask me again")
    assert "remember" not in panel(page).text
