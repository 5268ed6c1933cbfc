"""Write the pages of a run: one a lab, and the index that leads to them, each a single file that needs no other.

A page carries its style and script; a content security policy in it names both by their hashes and allows nothing
else: what was observed is text, and stays text. Pages appear whole or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from gettext import NullTranslations
from pathlib import Path

from record.model import Run
from record.reading import read
from reports.files import write_site
from reports.pages.index import index_page
from reports.pages.lab import lab_page
from reports.pages.page import environment
from reports.pages.single import single_page
from reports.pages.story import tell


def render(records: Sequence[Path], directory: Path, single: bool = False) -> Path:
    """Render the record files of one run into `directory`; returns the path of its index.html.

    `single`: the index.html holds all labs, and there are no other pages. Raises ReportError when a record cannot be
    read or the directory cannot be written; then no page was changed.
    """
    return write_site(directory, pages(read(records), NullTranslations(), single))


def pages(run: Run, translations: NullTranslations, single: bool = False) -> dict[str, str]:
    """The pages by file name; the index comes last."""
    stories = tell(run)
    templates = environment(translations)
    if single:
        return {"index.html": single_page(templates, run, stories)}
    labs = {story.file: lab_page(templates, run, story) for story in stories}
    return {**labs, "index.html": index_page(templates, run, stories)}
