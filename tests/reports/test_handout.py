"""Labs as Markdown: `python -m reports handout`, and texts that stay what they were."""

import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from record.reading import read
from record.text import visible
from reports.__main__ import main
from reports.exports import markdown
from reports.exports.handout import LINES, handout
from reports.pages.story import tell
from reports.text import inline, prose
from tests.reports.conftest import (
    END,
    REAL,
    Event,
    Write,
    event,
    exercise,
    exercise_end,
    lab,
    run,
    step,
    step_end,
    typed,
    whole,
)
from tests.reports.test_render import CLAIM, HOSTILE, Page, hostile_events


def made(write: Write, *events: Event) -> str:
    story = read([write(*events)])
    return handout(story, tell(story))


def html(text: str) -> str:
    return MarkdownIt("commonmark").render(text)


def command(text: str, output: str = "", window: str = "first") -> Event:
    return event("command", window=window, step="uts/test_rename/1", text=text, status=0, seconds=0.1, output=output)


def test_a_lesson(write: Write) -> None:
    asked = {"kind": "choice", "question": "Which name?", "choices": ["old", "new"], "unit": ""}
    text = made(
        write,
        {**run(), "facts": {"kernel": "6.1.0", "distribution": "Debian 12"}},
        lab(title="Host names: a `name`.", text="About it.", claims=(CLAIM,)),
        exercise(title="Rename.", text="About the exercise."),
        step(title="Go in", text="Use unshare(2).", hint="Look.", why="It copies.", claims=["uts-01"], ask=asked),
        *typed("first", "hostname c1"),
        command("hostname c1"),
        *typed("first", "exit"),
        *typed("second", "hostname"),
        command("hostname", "vm", "second"),
        event("prediction", step="uts/test_rename/1", **asked, observed="old", given=None, correct=None),
        event("claim", step="uts/test_rename/1", claim="uts-01", verdict="holds"),
        step_end(),
        exercise_end(),
        END,
    )
    blocks = [block for block in text.split("\n\n") if block]
    assert blocks == [
        "# Host names: a `name`",
        "About it.",
        "*As shown on Debian 12 with Linux 6.1.0.*",
        "## 1 Rename",
        "About the exercise.",
        "### 1.1 Go in",
        "Use [unshare(2)](https://man7.org/linux/man-pages/man2/unshare.2.html).",
        "**Question 1.** Which name?",
        "- old\n- new",
        "*Hint:* Look.",
        "```console\nfirst$ hostname c1\nfirst$ exit\nsecond$ hostname\nvm\n```",
        "It copies.",
        "> **uts-01, holds.** It isolates.\n>\n> What is true: It starts as a copy.\n>\n"
        "> Reference: [uts\\_namespaces(7)](https://man7.org/linux/man-pages/man7/uts_namespaces.7.html)".replace(
            "\\_", "_"
        ),
        "# Answers",
        "- **1** (uts 1.1): `old`\n",
    ]


def test_a_command_of_several_lines_and_keys(write: Write) -> None:
    lines = ["cat > f <<'END'", "a", "END"]
    text = made(
        write,
        *whole(
            *(each for line in lines for each in typed("first", line)),
            command("\n".join(lines), "ok"),
            *typed("first", "\x04"),
        ),
    )
    assert "```console\nfirst$ cat > f <<'END'\nfirst> a\nfirst> END\nok\nfirst$ ^D\n```" in text


def test_the_middle_of_a_long_output_is_left_out(write: Write) -> None:
    text = made(write, *whole(*typed("first", "seq"), command("seq", "\n".join(map(str, range(1000))))))
    assert text.count("\n") < LINES + 30
    assert f"\n… {1000 - LINES} …\n" in text


def test_what_a_machine_cannot_show_teaches(write: Write) -> None:
    why = {"reason": "no swap is on", "how": "swapon it"}
    text = made(write, run(), lab(), exercise(), exercise_end("unsupported", **why), END)
    assert "**This machine cannot show it.** no swap is on swapon it" in text


def test_everything_of_a_real_run_is_in_it() -> None:
    story = read([REAL])
    text = handout(story, tell(story))
    plain = Page(html(text)).text
    for ran in (each for about in story.labs for each in about.exercises):
        for each in ran.steps:
            assert Page(str(prose(each.title))).text in plain
            assert all(done.text.split("\n")[0] in plain for done in each.commands)
            assert all(claim in plain for claim in each.claims)


def test_nothing_observed_becomes_markup(write: Write) -> None:
    page = html(made(write, *hostile_events()))
    assert {tag for tag, _ in Page(page).elements} <= {
        "h1", "h2", "h3", "p", "em", "strong", "code", "pre", "ul", "li", "blockquote", "hr", "a",
    }  # fmt: skip
    assert "\x1b" not in page
    assert "<script>alert(x)</script>" in Page(page).text


ODD = [
    *("# no heading", "- no item", "3. no number", "12) none", "+ x", "=====", "***", "---", "> quoted", "    deep"),
    *("a *b and c* d", "memory.* and *.c", "_x_", "__init__", "a_b_c", "[x](y)", "![x](y)", "<b>", "&amp;", "a | b"),
    *("~~gone~~", "\\", "`", "a\\`b", "https://x.y", "{{ 7*7 }}"),
]


@pytest.mark.parametrize("text", [HOSTILE, *ODD])
def test_what_was_observed_stays_text(text: str) -> None:
    parsed = Page(html(f"x {markdown.escape(text)} y"))
    assert [tag for tag, _ in parsed.elements] == ["p"]
    assert parsed.text.split() == f"x {visible(text)} y".split()


@pytest.mark.parametrize("text", ODD)
def test_a_paragraph_stays_one(text: str) -> None:
    parsed = Page(html(markdown.paragraph(text)))
    assert parsed.elements[0][0] == "p"
    assert parsed.text.split() == Page(f"<p>{inline(text)}").text.split()


@pytest.mark.parametrize(
    "text",
    [
        "A `code` and a *soft* word.",
        "See unshare(2), https://kernel.org/x.",
        "    a <b>\n\n    c",
    ],
)
def test_the_markup_of_a_lesson_means_the_same_as_on_its_page(text: str) -> None:
    of_page, of_markdown = Page(str(prose(text))), Page(html(markdown.prose(text)))
    assert of_markdown.text.split() == of_page.text.split()
    inline = {"code", "strong", "em", "a", "li", "pre"}
    told = [[tag for tag, _ in parsed.elements if tag in inline] for parsed in (of_page, of_markdown)]
    assert [tag for tag in told[1] if tag != "code" or "pre" not in told[1]] == told[0]


@pytest.mark.parametrize("text", ["a", "`", "``", "a ``` b", " x ", "```\nb\n````"])
def test_code_of_any_backquotes(text: str) -> None:
    assert f"<code>{text.strip()}\n</code>" in html(markdown.fenced(text.strip()))
    if "\n" not in text:
        assert f"<code>{text}</code>" in html(markdown.code(text))


def test_one_lab_or_all(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record = str(write(run(), lab(), lab("ipc", title="Messages"), END))
    monkeypatch.chdir(tmp_path)
    assert main(["handout", record, "--lab", "ipc"]) == 0
    assert main(["handout", record]) == 0
    assert capsys.readouterr().out == "ipc.md\nhandout.md\n"
    assert re.findall("(?m)^# .*", (tmp_path / "ipc.md").read_text()) == ["# Messages"]
    assert re.findall("(?m)^# .*", (tmp_path / "handout.md").read_text()) == ["# Messages", "# Host names"]
    assert main(["handout", record, "--lab", "nonsense"]) == 4
    assert capsys.readouterr().err == "reports: --lab nonsense: the record holds no such lab, but ipc, uts.\n"
