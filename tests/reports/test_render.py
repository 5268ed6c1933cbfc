"""Pages: everything a record tells is in them, as text, under a policy that lets nothing else in."""

import base64
import hashlib
import html
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from record import RecordError
from reports.pages.page import seconds
from reports.pages.render import render
from tests.reports.conftest import (
    END,
    REAL,
    Event,
    Write,
    event,
    exercise,
    exercise_end,
    lab,
    observation,
    printed,
    process,
    run,
    step,
    step_end,
    typed,
    whole,
)

HOSTILE = "<script>alert(x)</script>\"'><img src=x onerror=alert(y)>\x1b]0;t\x07\x1b[31m\u202e\n\x00\udcff{{ 7*7 }}"
"""Markup, quotes, an end of a script block, terminal sequences, a line end, a NUL, a byte that is no UTF-8."""


class Page(HTMLParser):
    """The elements, attributes and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.blocks: dict[str, list[str]] = {"style": [], "script": []}
        self.text = ""
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = "data" if dict(attrs).get("type") else tag
        if self._inside in self.blocks:
            self.blocks[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in self.blocks:
            self.blocks[self._inside][-1] += data
        elif self._inside != "data":
            self.text += data


def page(write: Write, *events: Event, name: str = "uts.html") -> str:
    index = render([write(*events)], Path(write(*events)).parent / "site")
    return (index.parent / name).read_text()


CLAIM = {
    "id": "uts-01", "section": "UTS", "statement": "It isolates.", "verdict": "holds", "truth": "It starts as a copy.",
    "reference": "uts_namespaces(7)", "visible_in": ["/proc/sys/kernel/hostname"],
}  # fmt: skip


def test_a_step_shows_all_that_was_recorded(write: Write) -> None:
    shown = page(
        write,
        run(),
        lab(claims=(CLAIM,)),
        exercise(text="About the exercise."),
        step(
            title="Go in",
            text="Lesson text.",
            hint="A hint.",
            why="See unshare(2).",
            claims=["uts-01"],
            source={"file": "labs/test_01_uts.py", "line": 12, "text": "first.run('x')"},
            ask={"kind": "choice", "question": "Which?", "choices": ["old", "new"], "unit": ""},
        ),
        observation("before", process("first", 1)),
        *typed("first", "hostname c1"),
        printed("first", "\x1b[32mgreen\x1b[0m\r\n"),
        event("command", window="first", step="uts/test_rename/1", text="hostname c1", status=3, output=""),
        event("check", step="uts/test_rename/1", ok=True, source="assert a == b", values="1 == 1", line=13),
        event("prediction", step="uts/test_rename/1", observed="old", given="new", correct=False),
        event("claim", step="uts/test_rename/1", claim="uts-01", verdict="holds"),
        observation("after", process("first", 5, uts="uts:[2]", hostname="c1")),
        step_end(),
        exercise_end(),
        END,
    )  # fmt: skip
    text = " ".join(Page(shown).text.split())
    for part in (
        "Go in", "Lesson text.", "A hint.", "unshare(2)", "About the exercise.", "uts-01", "= holds", "It isolates.",
        "It starts as a copy.", "hostname c1", "green", "exit status 3", "assert a == b", "1 == 1", "line 13", "Which?",
        "Answer given in the run: new", "not so", "Reveal what happened", "labs/test_01_uts.py:12",
        "first.run('x')",
    ):  # fmt: skip
        assert part in text, part
    assert '<span class="c0">green</span>' in shown
    assert "<b>$ hostname c1</b>" in shown
    assert "<code>uts:[2]</code>" in shown


def hostile_events() -> list[Event]:
    claim = dict.fromkeys(CLAIM, HOSTILE) | {"visible_in": [HOSTILE]}
    about = {key: HOSTILE for key in ("title", "text", "hint", "why")}
    where = "uts/test_rename/1"
    state = {
        HOSTILE: HOSTILE,
        "/proc/PID/ns/uts": HOSTILE,
        "/proc/sys/kernel/hostname": HOSTILE,
        "/deep": {HOSTILE: [HOSTILE]},
    }
    return [
        {**run(), "target": HOSTILE, "target_why": HOSTILE, "started": HOSTILE, "argv": [HOSTILE],
         "facts": {"kernel": HOSTILE, "lsm": [HOSTILE], "tools": {HOSTILE: HOSTILE},
                   "can": {HOSTILE: {"ok": False, "reason": HOSTILE, "how": HOSTILE}}}},
        lab(title=HOSTILE, text=HOSTILE, file=HOSTILE, claims=(claim,)),
        exercise(title=HOSTILE, text=HOSTILE),
        step(**about, claims=[HOSTILE], shows=["x" + HOSTILE], source={"file": HOSTILE, "line": 1, "text": HOSTILE}),
        observation("before", process(HOSTILE, 1) | {"state": state}, process("gone", 2)),
        *typed(HOSTILE, HOSTILE),
        event("command", window=HOSTILE, step=where, text=HOSTILE, status=1, seconds=0, output=HOSTILE),
        event("check", step=where, ok=False, source=HOSTILE, values=HOSTILE, line=1),
        event("prediction", step=where, kind="choice", question=HOSTILE, choices=[HOSTILE], unit=HOSTILE,
              observed=HOSTILE, given=HOSTILE, correct=True),
        event("claim", step=where, claim=HOSTILE, verdict=HOSTILE, reason=HOSTILE, how=HOSTILE),
        observation("after", process(HOSTILE, 3) | {"state": {**state, HOSTILE: "new"}}),
        step_end(outcome="failed", error=HOSTILE),
        exercise_end("unsupported", reason=HOSTILE, how=HOSTILE),
        exercise("test_b", title=HOSTILE),
        exercise_end("unsupported", "test_b", reason=HOSTILE, how=HOSTILE),
        END,
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["uts.html", "index.html"])
def test_nothing_observed_becomes_an_element(write: Write, name: str) -> None:
    hostile, calm = (
        page(write, *hostile_events(), name=name),
        json.loads(json.dumps(hostile_events()).replace(json.dumps(HOSTILE)[1:-1], "calm")),
    )
    found = [tag for tag, _ in Page(hostile).elements]
    assert "img" not in found
    assert found.count("script") == [tag for tag, _ in Page(page(write, *calm, name=name)).elements].count("script")
    assert "\x1b" not in hostile
    assert "\u202e" not in hostile
    assert "\x00" not in hostile
    assert "{{ 7*7 }}" in html.unescape(hostile)
    assert "&lt;script&gt;alert(x)&lt;/script&gt;" in hostile


@pytest.mark.parametrize("name", ["uts.html", "index.html"])
def test_no_inline_styles_no_handlers_and_nothing_from_outside(write: Write, name: str) -> None:
    for tag, attributes in Page(page(write, *hostile_events(), name=name)).elements:
        assert not [key for key in attributes if key == "style" or key.startswith("on")], (tag, attributes)
        assert "src" not in attributes
        if tag == "link":
            assert (attributes["href"] or "").startswith("data:")
        elif href := attributes.get("href"):
            assert re.match(r"#|index\.html|uts\.html|https://man7\.org/", href), href


@pytest.mark.parametrize("name", ["uts.html", "index.html"])
def test_the_policy_allows_just_the_blocks_of_the_page(write: Write, name: str) -> None:
    parsed = Page(page(write, *whole(), name=name))
    policy = next(a["content"] or "" for tag, a in parsed.elements if a.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    hashes = {
        kind: [f"'sha256-{base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()}'" for block in blocks]
        for kind, blocks in parsed.blocks.items()
    }
    assert rules["style-src"].split() == hashes["style"]
    assert rules["script-src"].split() == (hashes["script"] or ["'none'"])
    assert (rules["default-src"], rules["base-uri"], rules["form-action"]) == ("'none'",) * 3
    assert "unsafe" not in policy


def test_anchors_are_unique_and_every_link_into_the_page_has_its_place(write: Write) -> None:
    names = ["test_a[x y]", "test_a[x/y]", "test_a"]
    events = [
        part
        for name in names
        for part in (exercise(name), step(name=name), step_end(name=name), exercise_end(name=name))
    ]
    parsed = Page(page(write, run(), lab(), *events, END))
    ids = [attributes["id"] for _, attributes in parsed.elements if attributes.get("id")]
    links = [a["href"] or "" for tag, a in parsed.elements if tag == "a" and (a.get("href") or "").startswith("#")]
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in links} <= set(ids)


def test_a_run_that_died_says_so_at_the_top(write: Write) -> None:
    died = [run(), lab(), exercise(), step(), *typed("first", "sleep 100")]
    for name in ("index.html", "uts.html"):
        text = Page(page(write, *died, name=name)).text
        assert "This run did not finish." in text
        assert "interrupted" in text
    assert "This run did not finish." not in Page(page(write, *whole())).text


def test_an_unsupported_exercise_teaches(write: Write) -> None:
    reason = {"reason": "no dockerd answers", "how": "Install `docker.io`."}
    text = Page(page(write, run(), lab(), exercise(), exercise_end("unsupported", **reason), END)).text
    assert "This machine cannot show it." in text
    assert "no dockerd answers" in text
    assert "Install docker.io." in text


def test_an_exercise_that_was_not_run_is_named(write: Write) -> None:
    planned = [{"name": "test_later", "title": "Later", "steps": ["One", "Two"], "claims": []}]
    text = Page(page(write, run(), lab(exercises=planned), END)).text
    assert "Later" in text
    assert "not run" in text
    assert "Two" in text


def test_an_error_outside_of_the_steps_is_shown(write: Write) -> None:
    text = Page(
        page(write, run(), lab(), exercise(), step(), step_end(), exercise_end("failed", reason="no gcc"), END)
    ).text
    assert "The exercise ended outside of its steps:" in text
    assert "no gcc" in text


def test_the_index_puts_failures_first(write: Write) -> None:
    failed = [exercise("test_z", line=99), step(name="test_z"), step_end(1, "failed", "test_z", error="assert 1 == 2")]
    text = Page(page(write, *whole()[:-1], *failed, exercise_end("failed", "test_z"), END, name="index.html")).text
    assert text.index("assert 1 == 2") < text.index("Labs")


def test_claims_of_the_index_stand_by_verdict(write: Write) -> None:
    claims = tuple(CLAIM | {"id": f"uts-{v}"} for v in ("holds", "wrong", "never"))
    verdicts = [event("claim", step="uts/test_rename/1", claim=f"uts-{v}", verdict=v) for v in ("holds", "wrong")]
    text = Page(page(write, *whole(*verdicts, claims=claims), name="index.html")).text
    order = [text.index(f"uts-{name}") for name in ("wrong", "holds", "never")]
    assert order == sorted(order)
    assert "No step of this run came to it." in text


def test_texts_with_percent_signs(write: Write) -> None:
    assert "100%(x)s" in page(write, run(), lab(text="100%(x)s"), exercise(title="50% of"), step(title="%d"), END)


def test_lone_surrogates_do_not_stop_a_page(write: Write) -> None:
    assert "\\ud800" in page(write, *whole(title="\ud800"))


def test_a_directory_that_cannot_be_written_leaves_nothing(write: Write, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(RecordError, match=r"cannot be written .*--report-dir"):
        render([write(*whole())], tmp_path / "file" / "site")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "record.jsonl"]


def test_pages_appear_whole_or_not_at_all(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    render([write(*whole())], site)
    before = {path.name: path.read_bytes() for path in site.iterdir()}

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fchmod", fail)
    with pytest.raises(RecordError, match="No space left on device"):
        render([write(*whole(title="Other"))], site)
    assert {path.name: path.read_bytes() for path in site.iterdir()} == before


def test_a_broken_record_leaves_the_old_report(write: Write, tmp_path: Path) -> None:
    index = render([write(*whole())], tmp_path / "site")
    before = index.read_bytes()
    with pytest.raises(RecordError):
        render([write(run(), tail="broken\n{}\n")], tmp_path / "site")
    assert index.read_bytes() == before


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0.0004, "0 ms"), (0.04, "40 ms"), (1.26, "1.3 s"), (125.4, "2 min 05 s")]
)
def test_durations(value: float | None, text: str) -> None:
    assert seconds(value) == text


def test_a_real_run_stays_small(tmp_path: Path) -> None:
    index = render([REAL], tmp_path)
    assert index.name == "index.html"
    pages = [path for path in tmp_path.iterdir() if path != index]
    assert pages
    assert all(path.stat().st_size < 400_000 for path in pages)


def test_pages_of_earlier_runs_go_files_of_others_stay(write: Write, tmp_path: Path) -> None:
    site = tmp_path / "site"
    render([write(run(), lab("ipc"), lab("uts"), END)], site)
    (site / "mine.html").write_text("<!DOCTYPE html><title>Notes of mine</title>")
    render([write(run(), lab("uts"), END)], site)
    assert sorted(path.name for path in site.iterdir()) == ["index.html", "mine.html", "uts.html"]


def test_titles_of_labs_end_without_a_full_stop(write: Write) -> None:
    for name in ("index.html", "uts.html"):
        text = Page(page(write, run(), lab(title="UTS namespaces: a `name`."), END, name=name)).text
        assert "UTS namespaces: a name\n" in text
