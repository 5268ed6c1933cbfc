"""The index page: the course at a glance, every claim of the notes in one table, and the machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from jinja2 import Environment

from record.model import Run
from record.text import visible
from record.verdicts import VERDICTS
from reports.pages.page import inlined, static, stylesheet
from reports.pages.story import ClaimView, LabStory, Pane

FAILURES = ("failed", "interrupted")
"""The outcomes of steps that stand at the top."""

Address = Callable[..., str]
"""The address of a lab, as seen from the index: ``to(story)``, ``to(story, "/step/3/checks")``."""


@dataclass(frozen=True)
class Failure:
    """A step that deserves the first look; `place` is its number on the page of its lab."""

    story: LabStory
    pane: Pane
    place: int


@dataclass(frozen=True)
class ClaimRow:
    """A claim in the table: its place in the course, where its lab shows it ("": nowhere), whether it is the first of
    its lab with that verdict."""

    story: LabStory
    view: ClaimView
    verdict: str
    place: int
    route: str
    first: bool


def page_of(story: LabStory, route: str = "") -> str:
    """The address of a lab that is a page of its own."""
    return f"{story.file}#{route}" if route else story.file


def index_page(templates: Environment, run: Run, stories: Sequence[LabStory], to: Address = page_of) -> str:
    """The page as HTML; `to` tells where the labs are."""
    style = stylesheet("page.css", "index.css")
    return templates.get_template("index.html.j2").render(
        **content(run, stories, to), **inlined(style, static("page.js") + static("index.js"))
    )


def content(run: Run, stories: Sequence[LabStory], to: Address) -> dict[str, object]:
    """What the template of the index shows."""
    rows = _rows(stories)
    numbers = Counter(row.verdict for row in rows)
    return {
        "run": run, "stories": stories, "verdicts": list(VERDICTS), "to": to, "claims_of": claims_of,
        "failures": _failures(stories), "claims": rows,
        "answers": {story.name: _answers(story) for story in stories},
        "counts": {verdict: numbers[verdict] for verdict in VERDICTS if numbers[verdict]},
    }  # fmt: skip


def claims_of(story: LabStory, verdict: str) -> str:
    """The address of the claims of a lab with that verdict, in the table: without script, of the first of them."""
    return f"#/claims?verdict={quote(verdict)}&lab={quote(story.name)}"


def _answers(story: LabStory) -> tuple[int, int]:
    """How many predictions of a lab were right, of how many that somebody made."""
    made = [pane.step.prediction for pane in story.panes if pane.step and pane.step.prediction]
    judged = [prediction.correct for prediction in made if prediction.correct is not None]
    return sum(judged), len(judged)


def _failures(stories: Sequence[LabStory]) -> list[Failure]:
    return [
        Failure(story, pane, place)
        for story in stories
        for place, pane in enumerate(story.panes, 1)
        if pane.outcome in FAILURES
    ]


def _rows(stories: Sequence[LabStory]) -> list[ClaimRow]:
    """All claims: by verdict, what deserves a look first, and then as they stand in the course."""
    known = [
        (view.verdict if view.verdict in VERDICTS else "open", story, view)
        for story in stories
        for view in story.claims
    ]
    places = {verdict: place for place, verdict in enumerate(VERDICTS)}
    rows: list[ClaimRow] = []
    seen: set[tuple[str, str]] = set()
    for place, (verdict, story, view) in sorted(enumerate(known), key=lambda one: places[one[1][0]]):
        rows.append(ClaimRow(story, view, verdict, place, _route(story, view), (verdict, story.file) not in seen))
        seen.add((verdict, story.file))
    return rows


def _route(story: LabStory, view: ClaimView) -> str:
    """Where the page of the lab shows a claim: at the step that owns it, or where the exercise ended without it."""
    if view.owner:
        return f"/claim/{quote(visible(view.claim.id))}"
    places = (n for n, pane in enumerate(story.panes, 1) if any(own.claim.id == view.claim.id for own in pane.claims))
    return next((f"/step/{place}/claims" for place in places), "")
