"""One frame of the stage: where the lesson, the windows, the keys and what lies over them stand on the screen."""

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group, RenderableType
from rich.segment import Segment
from rich.text import Text

from runtime.stage import pages, panes, theme
from runtime.stage.keys import KEYS
from runtime.stage.panes import Row
from runtime.stage.picker import Picker
from runtime.stage.scene import Scene

SMALLEST = 40, 12  # columns and rows below which nothing can be read
WIDE = 116  # columns from which lesson and results stand side by side
MEASURE = 96  # columns of text that can be read with ease
SHARE = {"before": 0.5, "running": 0.4, "after": 0.6, "end": 0.6}  # of the rows: for the lesson, if it needs them

FEWEST = 5  # rows of the windows
SPACIOUS = 26  # rows of the middle from which the results have blank lines between them

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")
_CONSOLE = Console(
    file=io.StringIO(), color_system="truecolor", force_terminal=True, legacy_windows=False,
    markup=False, emoji=False, highlight=False, width=80,
)  # fmt: skip


@dataclass
class Gaze:
    """What a person looks at: the first line of the text, or a window (scrolled back by some lines)."""

    top: int = 0
    window: int | None = None
    back: int = 0


@dataclass
class Prompt:
    """A line that is being typed."""

    label: str
    text: str = ""
    at: int = 0  # the cursor, in characters


@dataclass
class Frame:
    """Rows of the whole screen, the cursor if there is one, and how far the text can be scrolled by which pages."""

    rows: list[Row]
    cursor: tuple[int, int] | None = None
    most: int = 0
    page: int = 1


def compose(
    scene: Scene, columns: int, rows: int, gaze: Gaze, prompt: Prompt | None = None, picker: Picker | None = None
) -> Frame:
    """Draw everything; every row is exactly ``columns`` wide.  ``gaze`` is kept within the text."""
    if columns < SMALLEST[0] or rows < SMALLEST[1]:
        return _too_small(columns, rows)
    head, foot = _header(scene, columns), _footer(scene, columns, prompt)
    frame = _body(scene, columns, rows - len(head) - len(foot), gaze)
    frame.rows = [*head, *frame.rows, *foot]
    if prompt and scene.overlay != "question":
        frame.cursor = _cursor(prompt, columns - 2, 1, rows - 1)
    if picker or scene.overlay:
        frame.rows = [_behind(row) for row in frame.rows]
    if picker:
        _lay_picker(frame, picker, columns, rows)
    elif scene.overlay:
        _lay_text(frame, scene, columns, rows, gaze, prompt, len(foot))
    return frame


# Head and foot


def _header(scene: Scene, width: int) -> list[Row]:
    """The lab and how far it is: in words, and as the line below."""
    again = "again, on fresh state" if scene.attempt > 1 and scene.phase != "end" else ""
    here = f"step {scene.number} of {scene.total}" if scene.total else ""
    seen = f"{scene.done} of {scene.course} seen" if scene.course > scene.total and width >= 100 else ""
    step = "  ·  ".join(filter(None, (again, here, seen)))
    lab = scene.lab if cell_len(scene.lab + step) + 4 <= width else scene.lab.partition(":")[0]
    lab = _cut(lab, width - cell_len(step) - 4)
    gap = width - 2 - cell_len(lab) - cell_len(step)
    part = scene.number / scene.total if scene.total else scene.phase == "end"
    done = round(width * part)
    title = [Segment(" "), Segment(lab, theme.STRONG), Segment(" " * gap), Segment(step), Segment(" ")]
    return [title, [Segment("━" * done, theme.ACCENT), Segment("─" * (width - done), theme.QUIET)]]


def _footer(scene: Scene, width: int, prompt: Prompt | None) -> list[Row]:
    """What can be done now, and the keys; while a line is typed, that line."""
    if prompt and scene.overlay != "question":
        return [
            _empty(width),
            *_indent(_lines([Text(prompt.label, theme.ACCENT)], width - 2), width),
            _field(prompt, width),
        ]
    return [*_indent(_lines([_status(scene, bool(prompt))], width - 2), width), *_keys(width)]


def _status(scene: Scene, asked: bool) -> Text:
    text = Text()
    if asked:
        text.append("▸ Enter answers  ", theme.ACCENT)
    elif scene.autoplay is not None:
        text.append(f"▶ goes on in {math.ceil(scene.autoplay)} s", theme.ACCENT)
        text.append("  any key stops it  ", theme.QUIET)
    else:
        told = {"before": "Enter runs the step", "running": "running …", "after": "Enter goes on", "end": "The end"}
        text.append(f"▸ {told[scene.phase if scene.waiting else 'running']}  ", theme.ACCENT)
    if scene.message:
        text.append(scene.message, theme.NEWS)
    return text


def _keys(width: int) -> list[Row]:
    """The keys in as few rows as they need, never parted from their words."""
    rows: list[Row] = []
    room = 0
    for key in KEYS:
        size = cell_len(f"  {key.name} {key.action}")
        if key.action == "close":
            continue
        if size > room:
            rows.append([])
            room = width
        rows[-1] += [Segment(" " * (2 if rows[-1] else 1)), Segment(key.name, theme.STRONG)]
        rows[-1].append(Segment(f" {key.action}", theme.QUIET))
        room -= size
    return [_fill(row, width) for row in rows]


# The middle


def _body(scene: Scene, width: int, height: int, gaze: Gaze) -> Frame:
    """The text above, the windows below."""
    windows = [] if scene.quiz else scene.panes
    if gaze.window is not None and gaze.window >= len(windows):
        gaze.window = None
    if gaze.window is not None:
        return _one_window(scene, width, height, gaze)
    text = _text(scene, width, spacious=height >= SPACIOUS)
    room = height
    if windows:
        share = round(height * SHARE[scene.phase])
        free = 0 if scene.phase == "running" else height - panes.needed(windows, width)
        room = min(len(text) + 1, max(3, share, min(free, height - FEWEST)))
    most = max(0, len(text) - room)
    if not scene.overlay:  # or it is the overlay that is scrolled
        gaze.top = max(0, min(gaze.top, most))
    shown = _scrolled(text, room, 0 if scene.overlay else gaze.top, width)
    if windows:
        shown += panes.side_by_side(windows, width, height - room)
    return Frame(shown, most=most, page=max(1, room - 2))


def _one_window(scene: Scene, width: int, height: int, gaze: Gaze) -> Frame:
    assert gaze.window is not None
    note = Text.assemble((f" window {gaze.window + 1} of {len(scene.panes)}", theme.QUIET))
    note.append("  ↑ ↓ PgUp PgDn scroll, Tab shows the next", theme.QUIET)
    shown, gaze.back = panes.alone(scene.panes[gaze.window], width, height - 1, gaze.back)
    return Frame([*_lines([note], width)[:1], *shown], most=0, page=max(1, height - 4))


def _text(scene: Scene, width: int, spacious: bool) -> list[Row]:
    """Lesson and results: side by side where there is room, else what is new first."""
    titles, lesson = pages.titles(scene), pages.lesson(scene)
    results = pages.results(scene, spacious) or pages.plan(scene)
    told = pages.spaced([part for part in (titles, lesson) if part]) if spacious else [*titles, *lesson]
    if width >= WIDE and results:
        return _two_columns(told, results, width)
    parts = [titles, results, lesson] if scene.phase in ("after", "end") else [told, results]
    return _indent(_lines(pages.spaced([part for part in parts if part]), min(MEASURE, width - 3)), width)


def _two_columns(one: Sequence[RenderableType], two: Sequence[RenderableType], width: int) -> list[Row]:
    left = min(MEASURE, (width - 4) * 9 // 20)
    columns = _lines(one, left), _lines(two, min(MEASURE, width - 5 - left))
    return [
        _fill([Segment(" "), *(_fill(first or [], left + 3)), *(second or [])], width)
        for first, second in zip_longest(*columns)
    ]


def _scrolled(text: list[Row], room: int, top: int, width: int) -> list[Row]:
    """The part of a text that is shown; the last row says what lies above and below it."""
    if len(text) <= room:
        return text + [_empty(width) for _ in range(room - len(text))]
    above, below = top, len(text) - top - (room - 1)
    note = "  ".join(
        each
        for each in (f"↓ {below} more lines: Space" if below > 0 else "", f"↑ {above}: PgUp" if above else "")
        if each
    )
    last = [Segment(" " * (width - cell_len(note) - 2)), Segment(note, theme.ACCENT), Segment("  ")]
    shown = text[top : top + room - 1]
    return [*shown, *(_empty(width) for _ in range(room - 1 - len(shown))), last]


# What lies over it


def _lay_text(
    frame: Frame, scene: Scene, columns: int, rows: int, gaze: Gaze, prompt: Prompt | None, foot: int
) -> None:
    title, content = pages.overlay(scene)
    width = min(columns - 4, MEASURE)
    text = _lines(content, width - 4)
    below: list[Row] = []
    if prompt:
        below = [_empty(width - 4), *_lines([Text(prompt.label, theme.QUIET)], width - 4), _field(prompt, width - 4, 0)]
    room = rows - 4 - len(below)
    frame.most = max(0, len(text) - room)
    frame.page = max(1, room - 2)
    gaze.top = max(0, min(gaze.top, frame.most))
    end = gaze.top + room
    note = f"↓ {len(text) - end} more lines: Space" if len(text) > end else "" if prompt else "Esc closes"
    x, y = _lay(frame, title, text[gaze.top : end] + below, width, columns, rows, note, low=foot if prompt else 0)
    if prompt:
        frame.cursor = _cursor(prompt, width - 4, x, y + len(text[gaze.top : end]) + len(below) - 1)


def _lay_picker(frame: Frame, picker: Picker, columns: int, rows: int) -> None:
    width = min(columns - 4, MEASURE)
    _lay(frame, picker.title, picker.rows(width - 4, rows - 6), width, columns, rows, "Enter goes there, Esc closes")


def _lay(
    frame: Frame, title: str, content: Sequence[Row], width: int, columns: int, rows: int, note: str, low: int = 0
) -> tuple[int, int]:
    """Lay a box over the middle of a frame, or ``low`` rows above its end; gives the place of its first character."""
    title, note = f" {_cut(title, width - 6)} ", f" {_cut(note, width - 6)} " if note else ""
    box: list[Row] = [
        [
            Segment("╭─", theme.QUIET),
            Segment(title, theme.ACCENT),
            Segment("─" * (width - 3 - cell_len(title)) + "╮", theme.QUIET),
        ],
        *([Segment("│ ", theme.QUIET), *_fill(row, width - 4), Segment(" │", theme.QUIET)] for row in content),
        [
            Segment("╰" + "─" * (width - 3 - cell_len(note)), theme.QUIET),
            Segment(note, theme.QUIET),
            Segment("─╯", theme.QUIET),
        ],
    ]
    x, y = (columns - width) // 2, max(0, rows - len(box) - low if low else (rows - len(box)) // 2)
    for number, row in enumerate(box):
        left, _, right = Segment.divide(frame.rows[y + number], [x, x + width, columns])
        frame.rows[y + number] = [*left, *row, *right]
    return x + 2, y + 1


def _behind(row: Row) -> Row:
    return [Segment(text, theme.QUIET) for text, _, _ in row]


# Small things


def _lines(content: Sequence[RenderableType], width: int) -> list[Row]:
    """What rich makes of texts and tables: rows of exactly ``width`` columns."""
    options = _CONSOLE.options.update(width=max(1, width), height=None)
    rows = _CONSOLE.render_lines(Group(*content), options, pad=True) if content else []
    return [[Segment(_CONTROLS.sub("", text), style) for text, style, _ in row] for row in rows]


def _indent(rows: Sequence[Row], width: int) -> list[Row]:
    return [_fill([Segment(" "), *row], width) for row in rows]


def _fill(row: Row, width: int) -> Row:
    return Segment.adjust_line_length(row, width)


def _empty(width: int) -> Row:
    return [Segment(" " * width)]


def _cut(text: str, width: int) -> str:
    return text if cell_len(text) <= width else set_cell_size(text, max(0, width - 1)) + "…"


def _field(prompt: Prompt, width: int, margin: int = 1) -> Row:
    before, after = _visible(prompt, width - 2 * margin - 3)
    return _fill([Segment(" " * margin), Segment("> ", theme.ACCENT), Segment(before + after)], width)


def _cursor(prompt: Prompt, width: int, x: int, y: int) -> tuple[int, int]:
    return x + 2 + cell_len(_visible(prompt, width - 3)[0]), y


def _visible(prompt: Prompt, room: int) -> tuple[str, str]:
    """The text before and behind the cursor that fits; the cursor is always in it."""
    before, after = prompt.text[: prompt.at], prompt.text[prompt.at :]
    while cell_len(before) > room:
        before = before[1:]
    return before, set_cell_size(after, max(0, room - cell_len(before))) if after else ""


def _too_small(columns: int, rows: int) -> Frame:
    text = Text(f"Make this terminal larger: it is {columns}x{rows}, the stage needs {SMALLEST[0]}x{SMALLEST[1]}.")
    lines = _lines([text], columns)[:rows]
    return Frame(lines + [_empty(columns) for _ in range(rows - len(lines))])
