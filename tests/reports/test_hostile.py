"""Nothing observed runs: a record full of markup, quotes and terminal sequences, opened everywhere in a browser."""

from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from reports.pages.render import render
from tests.reports.browser import Open, needs_chromium
from tests.reports.conftest import (
    END,
    Write,
    event,
    exercise,
    exercise_end,
    lab,
    parted,
    printed,
    run,
    step,
    step_end,
    typed,
)
from tests.reports.test_lab_page import first, press
from tests.reports.test_render import hostile_events

pytestmark = [pytest.mark.browser, needs_chromium]

FOREIGN = """
const foreign = "img, iframe, object, embed, base, form[action], body script:not([type]), body style";
return [...document.querySelectorAll(foreign)].filter((one) => !one.textContent.startsWith('"use strict"'))
  .map((one) => one.outerHTML);
"""


def everywhere(page: webdriver.Chrome) -> str:
    """Open every step, tab and fold, answer what is asked and prepare to print; returns all the text that was shown."""
    title = page.title
    shown = [first(page, "body").text]
    for _ in page.find_elements(By.CLASS_NAME, "step"):
        for number in "12345":
            press(page, number)
            for summary in page.find_elements(By.CSS_SELECTOR, ".current details:not([open]) > summary"):
                if summary.is_displayed():
                    summary.click()
            for button in page.find_elements(By.CSS_SELECTOR, ".current .quiz .buttons button:not(.main)"):
                if button.is_displayed():
                    button.click()
            shown.append(first(page, ".step.current").text)
        first(page, "h1").click()
        press(page, "j")
    press(page, "/", "<script>", Keys.ENTER)
    page.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert page.execute_script(FOREIGN) == []
    assert page.title == title
    return "\n".join(shown)


def test_nothing_observed_runs_in_a_lab_page(opened: Open, write: Write, tmp_path: Path) -> None:
    folder = render([write(*hostile_events())], tmp_path / "hostile").parent
    text = everywhere(opened("uts.html", folder=folder))
    assert "<script>alert(x)</script>" in text
    assert "\\x1b[31m" in text
    assert "\\xff" in text


def test_nothing_observed_runs_in_the_index(opened: Open, write: Write, tmp_path: Path) -> None:
    page = opened("index.html", folder=render([write(*hostile_events())], tmp_path / "hostile").parent)
    for summary in page.find_elements(By.CSS_SELECTOR, "details summary"):
        if summary.is_displayed():
            summary.click()
    assert page.execute_script(FOREIGN) == []
    assert "<script>alert(x)</script>" in first(page, "body").text


ODD = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "]]>",
    "a\"b'c\nd\te",
    "\udcff\udc80",
    "\x1b[2J\x1b]8;;http://x\x07",
    "&lt;",
]
"""Texts, and names of files, that end something or begin something where they are not text."""


@pytest.mark.parametrize("kind", ["choice", "order", "text"])
def test_odd_texts_in_questions_stay_text(opened: Open, write: Write, tmp_path: Path, kind: str) -> None:
    asked = {
        "kind": kind,
        "question": ODD[0],
        "unit": ODD[1],
        "choices": ODD,
        "observed": ODD if kind == "order" else ODD[0],
    }
    ask, answer = parted(asked)
    events = [
        run(),
        lab(),
        exercise(),
        step(ask=ask),
        event("prediction", step="uts/test_rename/1", **answer),
        step_end(),
        exercise_end(),
        END,
    ]
    page = opened("uts.html#/step/1/predict", folder=render([write(*events)], tmp_path / "odd").parent)
    if kind == "choice":
        first(page, ".current input").send_keys(Keys.SPACE)
    if kind == "text":
        first(page, ".current input").send_keys(ODD[0])
    first(page, ".current .quiz .main").click()
    assert ODD[0] in first(page, ".current .quiz").text
    assert "★ right" in first(page, ".current .quiz").text
    assert page.execute_script(FOREIGN) == []


@pytest.mark.parametrize("name", ODD)
def test_odd_file_names_stay_text_in_every_tab(opened: Open, write: Write, tmp_path: Path, name: str) -> None:
    where = "uts/test_rename/1"
    claim = {
        "id": name,
        "section": name,
        "statement": name,
        "verdict": "holds",
        "truth": name,
        "reference": name,
        "visible_in": [name],
    }
    process = {
        "label": name,
        "window": name,
        "pid": 1,
        "role": "shell",
        "parent": 1,
        "state": {name: name, "/etc/passwd": {name: name}},
    }
    events = [
        run(), lab(claims=(claim,), file=name), exercise(),
        step(title=name, claims=[name], source={"file": name, "line": 1, "text": f"{name}\nassert x"}),
        *typed(name, f"cat {name}"), printed(name, f"{name}\r\n"),
        event("observation", step=where, when="after", processes=[process]),
        event("check", step=where, ok=False, source=name, values=name, line=2),
        event("claim", step=where, claim=name, verdict="holds"),
        step_end(), exercise_end(), END,
    ]  # fmt: skip
    page = opened("uts.html", folder=render([write(*events)], tmp_path / "odd").parent)
    assert len(everywhere(page)) > 0
    page.get(page.current_url.partition("#")[0] + "#/step/1/claims")
    assert first(page, ".current .claim").is_displayed()
