"""The walk in the terminal and the report show the same: every step of a real run, by the walk and on its page."""

import html
import re
from dataclasses import dataclass, field
from gettext import NullTranslations
from typing import Any

import pytest
from rich.console import Console

from record import events
from record.reading import Record, Story
from record.screen import COLUMNS
from reports.pages.lab import lab_page
from reports.pages.page import environment
from reports.pages.story import LabStory, Pane, tell
from runtime.stage import pages
from runtime.stage.itinerary import Itinerary
from runtime.stage.panes import alone
from runtime.stage.picture import Picture
from tests.conftest import ROOT
from tests.reports.test_states import told_changes

SAMPLE = ROOT / "reports" / "sample" / "record.jsonl.xz"
Change = tuple[str, str, str, str | None, str | None, bool]


@dataclass
class Seen:
    """What one step shows."""

    windows: dict[str, list[str]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    summary: list[list[str]] = field(default_factory=list)
    verdicts: set[tuple[str, str, str]] = field(default_factory=set)  # claim, sign, word
    found: str = ""


def drawn(width: int, height: int, picture: Picture) -> dict[str, list[str]]:
    """The text of every window of the walk, as it is drawn where there is room."""
    rows = {pane.name: alone(pane, width, height, 0)[0][1:] for pane in picture.scene.panes}
    return {name: ["".join(part.text for part in row[1:]).rstrip() for row in some] for name, some in rows.items()}


def by_the_walk(picture: Picture) -> Seen:
    scene = picture.scene
    console = Console(width=200, color_system=None)
    with console.capture() as captured:
        for part in pages.results(scene):
            console.print(part)
    text = captured.get()
    verdicts = re.findall(r"^(\S) (\w[\w ]*?)  claim (\S+) *$", text, re.MULTILINE)
    headline = re.match(r"✓ (.+?) *$", text, re.MULTILINE)
    return Seen(
        drawn(COLUMNS * 6, 3000, picture),
        [(one.process, one.path, one.field, one.before, one.after, one.minor) for one in scene.changes],
        [[sentence.kind, sentence.text] for sentence in scene.summary],
        {(name, sign, word) for sign, word, name in verdicts},
        headline[1] if headline else "",
    )


BADGE = re.compile(
    r'<code>([^<]+)</code></a> <span class="badge t-\w+"><span aria-hidden="true">(.)</span> ([\w ]+)</span>'
)
HEADLINE = re.compile(r'<p class="headline"><span class="sign .*?</span></span> <span>(.*?)</span></p>')


def in_the_report(story: LabStory, page: str) -> dict[str, Seen]:
    data: dict[str, Any] = story.states.data()
    found: dict[str, Seen] = {}
    articles = dict(re.findall(r'(?s)<article class="step[^"]*" id="([^"]+)".*?>(.*?)</article>', page))
    for pane in story.panes:
        if pane.step:
            state, article = data["steps"][pane.state], articles[pane.anchor]
            headline = HEADLINE.search(article)
            found[pane.step.id] = Seen(
                {window.name: lines(pane, window.name) for window in pane.windows},
                [change for process in state["processes"] for change in told_changes(data, process)],
                state["summary"],
                set(BADGE.findall(article)),
                html.unescape(re.sub("<.*?>", "", headline[1])) if headline else "",
            )
    return found


def lines(pane: Pane, name: str) -> list[str]:
    """The lines of a window on the page, from the last one that was left out."""
    (window,) = (window for window in pane.windows if window.name == name)
    shown = window.tail if window.left_out else [*window.earlier, *window.head, *window.tail]
    return ["".join(text for text, _ in line.spans).rstrip() for line in shown]


@pytest.fixture(scope="module")
def both() -> list[tuple[str, Seen, Seen]]:
    """Each step, by the walk and in the report."""
    story, picture, walked = Story(), Picture(Itinerary([])), dict[str, Seen]()
    for event in story.follow(Record(SAMPLE)):
        picture.take(event)
        if isinstance(event, events.StepEnd) and event.step:
            walked[event.step] = by_the_walk(picture)
    run = story.finish()
    templates = environment(NullTranslations())
    reported = [in_the_report(each, lab_page(templates, run, each)) for each in tell(run)]
    return [(name, walked[name], seen) for some in reported for name, seen in some.items()]


def test_windows(both: list[tuple[str, Seen, Seen]]) -> None:
    compared = 0
    for name, walked, reported in both:
        for window, shown in reported.windows.items():
            there = walked.windows[window]
            while there and not there[-1]:
                there.pop()
            while shown and not shown[-1]:
                shown.pop()
            assert there[-len(shown) :] == shown, f"{name}, {window}"
            compared += len(shown)
    assert compared > 1000


def test_changes(both: list[tuple[str, Seen, Seen]]) -> None:
    for name, walked, reported in both:
        assert walked.changes == reported.changes, name
        assert walked.summary == reported.summary, name
    assert sum(len(walked.changes) for _, walked, _ in both) > 1000


def test_verdicts_and_their_signs(both: list[tuple[str, Seen, Seen]]) -> None:
    for name, walked, reported in both:
        assert walked.verdicts == reported.verdicts, name
    assert len({(sign, word) for _, walked, _ in both for _, sign, word in walked.verdicts}) > 3


def test_what_was_found(both: list[tuple[str, Seen, Seen]]) -> None:
    for name, walked, reported in both:
        assert "".join(walked.found.split()) == "".join(reported.found.split()), name
    assert sum(bool(walked.found) for _, walked, _ in both) > 100
