"""What there is to read: the lesson, what a step did, and the texts that lie over them."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.style import Style
from rich.table import Table
from rich.text import Text

from record import verdicts
from record.events import Check, Command
from record.phrases import Sentence
from record.rows import Change
from record.summary import SIGNS
from runtime import tones
from runtime.stage import theme
from runtime.stage.keys import KEYS
from runtime.stage.scene import Claim, Question, Scene

FIRST_CHANGES = 6  # sentences beside the lesson; all of them and every value are a key away
LONGEST = 300  # characters of one value

MORE_KEYS = (
    ("Space", "Read on; at the end of the text, go on as by Enter."),
    ("↑ ↓", "One line up or down; PgUp and PgDn by pages, Home and End to the ends."),
    ("Tab", "One window after the other in full width, to read all of its output; then the text again."),
)


def titles(scene: Scene) -> list[RenderableType]:
    """Exercise and step; the first step of an exercise begins with the text of the exercise."""
    found: list[RenderableType] = [Text(scene.exercise, theme.QUIET)] if scene.exercise else []
    if scene.opening and scene.exercise_text and scene.phase == "before" and not scene.quiz:
        found += [*prose(scene.exercise_text), ""]
    return [*found, Text(scene.title, theme.ACCENT)] if scene.title else found


def lesson(scene: Scene) -> list[RenderableType]:
    """The text of the step."""
    return [] if scene.quiz else prose(scene.text)


def plan(scene: Scene) -> list[RenderableType]:
    """What was said of the step, and what it will type."""
    said: list[RenderableType] = []
    if scene.question and scene.question.given is not None:
        said = [Text.assemble(("you said ", theme.QUIET), value(scene.question.given, scene.question.unit))]
    typed: list[RenderableType] = []
    if scene.commands and scene.phase == "before" and not scene.quiz:
        typed = [heading("This will be typed"), _commands(scene.commands)]
    return spaced([part for part in (said, typed) if part])


def results(scene: Scene, spacious: bool = True) -> list[RenderableType]:
    """What came of the step, the most important first, with blank lines between if there is room."""
    if scene.phase not in ("after", "end"):
        return []
    parts: list[list[RenderableType]] = []
    if scene.error:
        parts.append([_error(scene)])
    if scene.found and not scene.quiz:
        parts.append([_found(scene.found)])
    if scene.question and (scene.question.observed is not None or scene.question.given is not None):
        parts.append(_prediction(scene.question))
    if not scene.quiz:
        parts += [_summary(scene, FIRST_CHANGES)] if scene.summary else []
        parts += [_claim(claim) for claim in scene.claims]
        parts += [_checks(scene.checks)] if scene.checks else []
    return spaced(parts) if spacious else [each for part in parts for each in part]


def overlay(scene: Scene) -> tuple[str, list[RenderableType]]:
    """The title and the text of what lies over the lesson."""
    if scene.overlay == "help":
        return "Keys", [_help()]
    if scene.overlay == "hint":
        return "A hint", prose(scene.hint) or [nothing("This step has no hint.")]
    if scene.overlay == "why":
        return "Why", prose(scene.why) or [nothing("This step has no longer explanation.")]
    if scene.overlay == "changes":
        return "What changed", _all_changes(scene)
    if scene.overlay == "question" and scene.question:
        return "What do you think?", _question(scene.question)
    return "", []


def prose(text: str) -> list[RenderableType]:
    """Paragraphs with blank lines between them; `code` is strong, *emphasis* plain, indented lines stay as they are."""
    paragraphs = [part for part in re.split(r"\n\s*\n", text.strip("\n")) if part.strip()]
    return spaced([[_paragraph(part)] for part in paragraphs])


def heading(text: str) -> RenderableType:
    return Text(text, theme.STRONG)


def nothing(text: str) -> RenderableType:
    return Text(text, theme.QUIET)


def value(answer: Any, unit: str = "") -> str:
    """An answer as a person would write it."""
    text = ", ".join(map(str, answer)) if isinstance(answer, list) else str(answer)
    return f"{text} {unit}".strip()


def _paragraph(part: str) -> Text:
    indented = any(line.startswith((" ", "\t")) for line in part.splitlines())
    text = Text()
    for number, piece in enumerate((part if indented else " ".join(part.split())).split("`")):
        text.append(piece if number % 2 else _EMPHASIS.sub(r"\1", piece), theme.STRONG if number % 2 else None)
    return text


_EMPHASIS = re.compile(r"(?<![\w*.])\*(\w[^*]*)\*")


def spaced(parts: Sequence[Sequence[RenderableType]]) -> list[RenderableType]:
    """The parts with blank lines between them."""
    return [each for number, part in enumerate(parts) for each in ([""] if number else []) + list(part)]


def _grid(*columns: Style | None) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    for style in columns:
        grid.add_column(style=style, overflow="fold")
    return grid


def _commands(commands: Sequence[Command]) -> RenderableType:
    grid = _grid(theme.QUIET, theme.STRONG)
    before = ""
    for command in commands:
        grid.add_row(command.window if command.window != before else "", Text(command.text))
        before = command.window
    return Padding(grid, (0, 0, 0, 2))


def _found(sentence: str) -> RenderableType:
    """The headline of what came of the step."""
    passed, grid = verdicts.OUTCOMES["passed"], Table.grid(padding=(0, 1, 0, 0))
    text = _paragraph(sentence)
    text.stylize(theme.STRONG)
    grid.add_row(Text(passed.sign, tones.style(passed)), text)
    return grid


def _prediction(question: Question) -> list[RenderableType]:
    found = verdicts.answer(question.correct)
    grid = _grid(theme.QUIET, None)
    grid.add_row("asked", _paragraph(question.text))
    if question.given is not None:
        grid.add_row("you said", Text(value(question.given, question.unit)))
    if question.observed is not None:
        grid.add_row("observed", Text(value(question.observed, question.unit), theme.STRONG))
    return [Text(f"{found.sign} {found.word}", tones.style(found)), Padding(grid, (0, 0, 0, 2))]


def _claim(claim: Claim) -> list[RenderableType]:
    verdict = verdicts.known(claim.verdict)
    grid = _grid(theme.QUIET, None)
    grid.add_row("notes", Text(claim.statement))
    if claim.truth and claim.truth != claim.statement:
        grid.add_row("true is", Text(claim.truth))
    if claim.reference:
        grid.add_row("see", Text(claim.reference, theme.QUIET))
    found = f"{verdict.sign} {verdict.word}", tones.style(verdict)
    title = Text.assemble(found, ("  claim ", theme.QUIET), (claim.id, theme.STRONG))
    return [title, Padding(grid, (0, 0, 0, 2))]


def _summary(scene: Scene, most: int) -> list[RenderableType]:
    """What changed, in sentences."""
    more = len(scene.summary) - most
    found = [heading("What changed"), *map(_sentence, scene.summary[:most])]
    if more > 0:
        found.append(Padding(nothing(f"{more} more: key d"), (0, 0, 0, 2)))
    return found


def _sentence(sentence: Sentence) -> RenderableType:
    grid = _grid(theme.CHANGES[sentence.kind], theme.QUIET if sentence.kind == "same" else None)
    grid.add_row(SIGNS[sentence.kind], Text(sentence.text))
    return Padding(grid, (0, 0, 0, 2))


def _all_changes(scene: Scene) -> list[RenderableType]:
    """The sentences, and below them every value, old and new, of one process after the other."""
    if not scene.summary:
        ran = scene.phase in ("after", "end")
        return [nothing("Nothing is watched in this step." if ran else "The step has not run yet.")]
    parts: list[list[RenderableType]] = [[*map(_sentence, scene.summary)]]
    loud, quiet = loud_first(scene.changes)
    for label in dict.fromkeys(change.process for change in scene.changes):
        rows = [change for change in loud if change.process == label]
        few = sum(change.process == label for change in quiet)
        told = [_change(change) for change in rows]
        parts.append([heading(label), *told, *([_minor(few)] if few else [])])
    return spaced(parts)


def loud_first(changes: Sequence[Change]) -> tuple[list[Change], list[Change]]:
    """Those that say something, and those that say little by themselves."""
    return [change for change in changes if not change.minor], [change for change in changes if change.minor]


def _minor(count: int) -> RenderableType:
    return Padding(nothing(f"and {count} that say{'s' if count == 1 else ''} little"), (0, 0, 0, 2))


def _change(change: Change) -> RenderableType:
    place = Text(f"{change.path} {change.field}".rstrip())
    old, new = (_cut("(nothing)" if value is None else value) for value in (change.before, change.after))
    values = Text.assemble((old, theme.QUIET), (" → ", theme.NEWS), (new, theme.STRONG))
    return Padding(Group(place, Padding(values, (0, 0, 0, 2))), (0, 0, 0, 2))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _checks(checks: Sequence[Check]) -> list[RenderableType]:
    failed = sum(not check.ok for check in checks)
    title = f"Checks: {len(checks)}" + (f", {failed} failed" if failed else ", all passed")
    return [heading(title), *(_check(check) for check in checks)]


def _check(check: Check) -> RenderableType:
    grid = _grid(None, None)
    source = check.source.removeprefix("assert ")
    values = " ".join(check.values.split()) if check.ok else check.values.strip()
    text = Text(source)
    if values and values != source:
        text.append(f"\n{values}", theme.QUIET)
    outcome = verdicts.OUTCOMES["passed" if check.ok else "failed"]
    grid.add_row(Text(outcome.sign, tones.style(outcome)), text)
    return Padding(grid, (0, 0, 0, 2))


def _error(scene: Scene) -> RenderableType:
    unsupported = bool(scene.claims) and all(claim.verdict == "unsupported" for claim in scene.claims)
    outcome = verdicts.OUTCOMES["unsupported" if unsupported else "failed"]
    said = "not possible here: " if unsupported else "the step failed: "
    return Text.assemble((f"{outcome.sign} {said}", tones.style(outcome)), scene.error)


def _question(question: Question) -> list[RenderableType]:
    found: list[RenderableType] = [_paragraph(question.text)]
    if question.choices:
        grid = _grid(theme.ACCENT, None)
        for number, choice in enumerate(question.choices, 1):
            grid.add_row(str(number), _paragraph(choice))
        found += ["", Padding(grid, (0, 0, 0, 2))]
    if question.error:
        found += ["", Text.assemble(("! ", theme.BAD), question.error)]
    return found


def _help() -> RenderableType:
    grid = _grid(theme.ACCENT, None)
    for key in KEYS:
        grid.add_row(names(key.names), key.help)
    for name, text in MORE_KEYS:
        grid.add_row(name, text)
    return grid


def names(keys: Sequence[str]) -> str:
    """Keys as they stand on a keyboard."""
    return " ".join(_spelled(keys))


def _spelled(keys: Sequence[str]) -> Iterator[str]:
    for key in keys:
        if key != "eof":
            yield {"enter": "Enter", "left": "←", "esc": "Esc"}.get(key, key)
