"""The page of one lab."""

from __future__ import annotations

from collections.abc import Mapping

from jinja2 import Environment

from record.model import Run
from reports.pages.drawings import drawings
from reports.pages.page import inlined, static, stylesheet
from reports.pages.story import LabStory

SCRIPTS = ("page.js", "lab.js", "player.js", "state.js", "filter.js", "predict.js")
STYLES = ("page.css", "lab.css", "step.css", "player.css", "state.css", "drawings.css")

LARGE = 300
"""Steps of a page above which a browser parses each of them only when it is opened."""


def script() -> str:
    """The script that all labs share."""
    return "".join(static(name) for name in SCRIPTS)


def style() -> str:
    """The style that all labs share."""
    return stylesheet(*STYLES)


def lab_page(templates: Environment, run: Run, story: LabStory) -> str:
    """The page as HTML, with all that it needs."""
    return lab_html(templates, run, story, inlined(style() + "\n" + story.palette.css() + "\n", script()))


def lab_html(templates: Environment, run: Run, story: LabStory, blocks: Mapping[str, object]) -> str:
    """The page with these blocks of style and script, as :func:`reports.pages.page.inlined` gives them."""
    figures, drawn = drawings(templates, [pane.pictures for pane in story.panes])
    return templates.get_template("lab.html.j2").render(
        run=run, story=story, lab=story.lab, figures=figures, drawn=drawn, large=len(story.panes) > LARGE, **blocks
    )
