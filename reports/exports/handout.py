"""A lab as Markdown: a lesson to print, or to put into a wiki. What was typed and printed is that of the run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from gettext import NullTranslations

from record.model import Command, Exercise, Prediction, Run, Step
from record.text import value_text
from reports.exports import markdown
from reports.pages.page import environment
from reports.pages.story import LabStory

LINES = 40
"""Lines of the output of one command that are shown."""


def handout(run: Run, stories: Sequence[LabStory], translations: NullTranslations | None = None) -> str:
    """The handout of these labs, one after the other; the answers to the questions stand at its end."""
    templates = environment(translations or NullTranslations())
    templates.autoescape = False  # the filters below do that for Markdown
    lesson = templates.filters["lesson"]
    templates.filters |= {
        "prose": lambda text: markdown.prose(lesson(text)),
        "inline": lambda text: markdown.paragraph(lesson(text)),
        "heading": lambda text: markdown.paragraph(lesson(text).removesuffix(".")),
        "text": markdown.escape,
        "code": markdown.code,
        "session": session,
        "answer": answer,
    }
    text = templates.get_template("handout.md.j2").render(run=run, stories=stories)
    return "\n".join(_squeezed(text.split("\n"))) + "\n"


def session(exercise: Exercise, step: Step) -> str:
    """What was typed in the windows and printed there, in the order of typing, as one block."""
    lines: list[str] = []
    for window, typed, output in _typed(exercise, step):
        lines += [f"{window}{'>' if number else '$'} {line}" for number, line in enumerate(typed.split("\n"))]
        lines += _shortened(output.split("\n")) if output else []
    return markdown.fenced("\n".join(lines), "console") if lines else ""


def _typed(exercise: Exercise, step: Step) -> Iterator[tuple[str, str, str]]:
    """(window, what was typed, what a command printed). What is typed into a program has no output of its own."""
    waiting: dict[str, list[Command]] = {}
    for command in step.commands:
        waiting.setdefault(command.window, []).append(command)
    begun: dict[str, str] = {}
    for event in exercise.output:
        if event.step != step.id or event.what != "in":
            continue
        typed = begun.pop(event.window, "") + event.data
        next_one = next(iter(waiting.get(event.window, [])), None)
        if next_one and typed.rstrip("\n") == next_one.text:
            yield event.window, next_one.text, waiting[event.window].pop(0).output
        elif next_one and next_one.text.startswith(typed):  # the first lines of it
            begun[event.window] = typed
        elif typed.strip():
            yield event.window, _keys(typed.rstrip("\n")), ""
    for command in (each for left in waiting.values() for each in left):
        yield command.window, command.text, command.output


def _keys(typed: str) -> str:
    """Control characters as one writes keys: ``^C``."""
    return re.sub(r"[\x00-\x09\x0b-\x1f]", lambda found: f"^{chr(ord(found[0]) + 64)}", typed)


def _shortened(lines: list[str]) -> list[str]:
    if len(lines) <= LINES:
        return lines
    return [*lines[: LINES // 2], f"… {len(lines) - LINES} …", *lines[-LINES // 2 :]]


def answer(prediction: Prediction) -> str:
    """What was observed."""
    observed = prediction.observed
    texts = observed if isinstance(observed, list) else [observed]
    return ", ".join(markdown.code(value_text(text)) for text in texts)


def _squeezed(lines: Sequence[str]) -> list[str]:
    """The lines without empty ones at the ends, and without a second empty one outside of blocks of code."""
    kept: list[str] = []
    fence = ""
    for line in lines:
        mark = line[: len(line) - len(line.lstrip("`"))]
        if len(mark) >= 3 and (not fence or line == fence):
            fence = "" if fence else mark
        if line.strip() or fence or (kept and kept[-1]):
            kept.append(line if fence else line.rstrip())
    while kept and not kept[-1]:
        kept.pop()
    return kept
