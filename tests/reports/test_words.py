"""Every word of a verdict, an outcome or an answer can be read in both colour schemes."""

from gettext import NullTranslations
from pathlib import Path

import pytest

from record.verdicts import WORDS
from reports.pages.page import environment, stylesheet
from tests.reports.accessible import violations
from tests.reports.browser import Open, needs_chromium
from tests.reports.test_accessible import CONTRAST

pytestmark = [pytest.mark.browser, needs_chromium]

PAGE = """<!DOCTYPE html>
<html lang="en" data-theme="{{ theme }}"><title>Words</title><style>{{ style }}</style>
<main><h1>Words</h1>{% import "words.html.j2" as words with context %}
{% for name in names %}<p>{{ words.badge(name) }} {{ words.sign(name) }} {{ words.explained(name) }}
<b class="{{ words.tone(name) }}">{{ words.word(name) }}</b></p>{% endfor %}
<div class="card">{% for name in names %}<b class="{{ words.tone(name) }}">{{ words.word(name) }}</b> {% endfor %}</div>
</main></html>"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_word_can_be_read(opened: Open, site: Path, theme: str) -> None:
    template = environment(NullTranslations()).from_string(PAGE)
    style = stylesheet("page.css")
    (site / f"words-{theme}.html").write_text(template.render(theme=theme, style=style, names=list(WORDS)))
    page = opened(f"words-{theme}.html")
    for word in WORDS.values():
        assert f"{word.sign} {word.word}" in page.find_element("tag name", "main").text
    assert violations(page) == []
    assert page.execute_script(CONTRAST) == []
