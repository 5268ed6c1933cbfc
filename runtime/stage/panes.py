"""The windows of a lab side by side: the cells of their screens, folded to the width that there is."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from itertools import groupby

from rich.cells import cell_len, set_cell_size
from rich.color import Color, ColorParseError
from rich.segment import Segment
from rich.style import Style

from record.screen import Line, Look, Screen, cells
from runtime.stage import theme
from runtime.stage.scene import Pane

Row = list[Segment]
Cell = tuple[str, int, Style]  # what stands in it, its columns, its look

NARROWEST = 24  # columns of a pane; where they would be narrower, only the newest windows are shown


def side_by_side(panes: Sequence[Pane], width: int, height: int) -> list[Row]:
    """``height`` rows of exactly ``width`` columns: titles, and under them the ends of what the windows show."""
    shown = _that_fit(panes, width)
    rows: list[Row] = [[] for _ in range(height)]
    for number, pane in enumerate(shown):
        last = pane is shown[-1]
        room = width // len(shown) + (number < width % len(shown)) - (not last)
        column, _, above = _column(pane, room, height - 1)
        title = _title(pane, room, f" ↑ {above} " if above else "")
        for row, part in zip(rows, [title, *column], strict=True):
            row += part if last else [*part, Segment("┬" if row is rows[0] else "│", theme.QUIET)]
    return rows


def alone(pane: Pane, width: int, height: int, back: int) -> tuple[list[Row], int]:
    """One window over the whole width, scrolled ``back`` by some rows; also gives how far back it really is."""
    column, back, above = _column(pane, width, height - 1, back)
    below = f"↓ {back} " if back else ""
    note = f" {f'↑ {above} ' if above else ''}{below}"
    return [_title(pane, width, note if note.strip() else ""), *column], back


def needed(panes: Sequence[Pane], width: int) -> int:
    """Rows in which all that the windows show can be seen side by side, titles included."""
    shown = _that_fit(panes, width)
    room = width // len(shown) - 2
    return 1 + max(sum(-(-max(1, _used(line)) // room) for line in _last(pane.screen, 60)) for pane in shown)


def fold(line: Line, width: int, typing: str = "", cursor: int | None = None) -> list[Row]:
    """A line of a screen as rows of exactly ``width`` columns; ``typing`` stands where the cursor is."""
    rows: list[list[Cell]] = [[]]
    used = 0
    for cell in _cells(line, typing, cursor):
        if used + cell[1] > width:
            rows[-1].append((" " * (width - used), width - used, theme.PLAIN))
            rows.append([])
            used = 0
        rows[-1].append(cell)
        used += cell[1]
    rows[-1].append((" " * (width - used), width - used, theme.PLAIN))
    return [_segments(row) for row in rows]


def _that_fit(panes: Sequence[Pane], width: int) -> list[Pane]:
    """All panes, or as many as there is room for, with the fresh one among them."""
    most = max(1, width // NARROWEST)
    fresh = next((number for number, pane in enumerate(panes) if pane.fresh), len(panes) - 1)
    first = max(0, min(fresh, len(panes) - most))
    return list(panes[first : first + most])


def _title(pane: Pane, width: int, note: str) -> Row:
    line = "━" if pane.fresh else "─"
    look = theme.ACCENT if pane.fresh else theme.QUIET
    name = f"● {pane.name}" if pane.fresh else pane.name
    name = set_cell_size(name, min(cell_len(name), max(1, width - 5)))
    note = note if cell_len(name + note) + 6 <= width else ""
    return [
        Segment(line * 2, look),
        Segment(f" {name} ", look if pane.fresh else theme.STRONG),
        Segment(line * (width - cell_len(name) - cell_len(note) - 5), look),
        Segment(note, theme.QUIET),
        Segment(line, look),
    ]


def _column(pane: Pane, width: int, height: int, back: int = 0) -> tuple[list[Row], int, int]:
    """(rows, how far back they are, lines above them): the first column is a mark at the newest output."""
    screen = pane.screen
    number = screen.length
    folded: list[Row] = []  # newest first
    while number > screen.first and len(folded) < height + back:
        number -= 1
        here = number == screen.position
        cursor = screen.column if here and (pane.fresh or pane.typing) else None
        mark = Segment("▌", theme.ACCENT) if pane.fresh and number >= pane.newest else Segment(" ")
        rows = fold(screen.line(number), width - 1, pane.typing if here else "", cursor)
        folded += [[mark, *row] for row in reversed(rows)]
    back = max(0, min(back, len(folded) - height))
    shown = folded[back : back + height][::-1]
    empty: list[Row] = [[Segment(" " * width)] for _ in range(height - len(shown))]
    return shown + empty, back, number - screen.first


def _cells(line: Line, typing: str, cursor: int | None) -> Iterator[Cell]:
    x = 0
    typed = [(char, cell_len(char), theme.STRONG) for char in typing]
    for text, size, how in cells(line):
        here = cursor is not None and x <= cursor < x + size
        if here:
            yield from typed
        yield _fitted(text, size), size, look(how) + theme.CURSOR if here else look(how)
        x += size
    if cursor is not None and cursor >= x:
        yield from [(" ", 1, theme.PLAIN)] * (cursor - x)
        yield from typed
        yield " ", 1, theme.CURSOR


def _fitted(text: str, size: int) -> str:
    """The text of a cell, as wide as the screen took it to be."""
    return text if cell_len(text) == size else set_cell_size(text[:1], size)


def _used(line: Line) -> int:
    """The columns of a line."""
    return sum(size for _, size, _ in cells(line))


def _last(screen: Screen, most: int) -> Iterator[Line]:
    """The last lines of a screen."""
    return (screen.line(number) for number in range(max(screen.first, screen.length - most), screen.length))


def _segments(row: Sequence[Cell]) -> Row:
    """Plain characters of one look together; each other one by itself, for terminals differ in how wide they are."""
    segments: Row = []
    for (ascii_only, style), run in groupby(row, lambda cell: (cell[0].isascii(), cell[2])):
        if ascii_only:
            segments.append(Segment("".join(text for text, _, _ in run), style))
        else:
            segments += [Segment(text, style) for text, _, _ in run]
    return segments


@cache
def look(how: Look) -> Style:
    """The style of a look; names of colours stay names, so that they are those of the student's terminal."""
    return Style(
        color=_colour(how.front),
        bgcolor=_colour(how.back),
        bold=how.bold or None,
        italic=how.italic or None,
        underline=how.underline or None,
        strike=how.strike or None,
        reverse=how.reverse or None,
    )


def _colour(name: str) -> Color | None:
    """A colour as a look has it; None: the terminal's own."""
    if not name:
        return None
    for spelling in (name, name.replace("bright", "bright_"), f"#{name}"):
        with suppress(ColorParseError):
            return Color.parse(spelling)
    return None
