"""The whole course in one file: the index as it is, and each lab packed until somebody opens it.

A lab is the same page as the one of its own, without style and script, which stand once for all labs: gzip and base64
make it some eight times smaller. The script of the file puts it in the place of the index; its addresses begin with
``#/lab/NAME``.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Sequence
from urllib.parse import quote

from jinja2 import Environment
from markupsafe import Markup

from record.model import Run
from reports.pages import lab
from reports.pages.index import content
from reports.pages.page import policy, static, stylesheet
from reports.pages.story import LabStory


def address(story: LabStory, route: str = "") -> str:
    """The address of a lab inside the file."""
    return f"#/lab/{quote(story.name)}{route}"


def single_page(templates: Environment, run: Run, stories: Sequence[LabStory]) -> str:
    """The file as HTML."""
    index_style = stylesheet("page.css", "index.css", "single.css")
    scripts = {"index": static("page.js") + static("index.js"), "lab": lab.script()}
    palettes = {f"lab-{story.name}": story.palette.css() for story in stories}
    styles = {"lab": lab.style(), **{name: palette for name, palette in palettes.items() if palette}}
    early, script = static("theme.js") + static("opening.js"), static("single.js")
    return templates.get_template("single.html.j2").render(
        **content(run, stories, address),
        style=Markup(index_style), early=Markup(early), script=Markup(script),
        csp=policy([index_style, *styles.values()], [early, script, *scripts.values()]),
        styles={name: Markup(block) for name, block in styles.items()},
        scripts={name: Markup(block) for name, block in scripts.items()},
        packed={story.name: _packed(lab.lab_html(templates, run, story, BARE)) for story in stories},
    )  # fmt: skip


BARE = {"style": "", "early": "", "script": "", "csp": ""}


def _packed(page: str) -> str:
    """The page as gzip in base64; the same page always gives the same text."""
    return base64.b64encode(gzip.compress(page.encode("utf-8", "backslashreplace"), mtime=0)).decode()
