"""A list to choose from, narrowed by typing."""

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment

from runtime.stage import theme
from runtime.stage.panes import Row
from runtime.stage.scene import Entry

SEEN, CURRENT = "•", "▸"
STEPS = {
    "up": -1,
    "down": 1,
    "ctrl-p": -1,
    "ctrl-n": 1,
    "page-up": -10,
    "page-down": 10,
    "home": -(10**6),
    "end": 10**6,
}


class Picker:
    """What is typed narrows the list to entries that hold all of its words; their headings stay."""

    def __init__(self, title: str, entries: Sequence[Entry]) -> None:
        self.title = title
        self.text = ""
        self._entries = entries
        self._at = next((entry.index for entry in entries if entry.current), None)
        self._narrow()

    def press(self, key: str) -> bool:
        """Take a key; True when the choice is made (:attr:`chosen`) or given up."""
        if key in ("enter", "esc", "eof", "ctrl-c", "ctrl-d"):
            if key != "enter":
                self._at = None
            return True
        if key in STEPS:
            steps = self._steps
            if steps:
                place = next((n for n, entry in enumerate(steps) if entry.index == self._at), 0)
                self._at = steps[max(0, min(len(steps) - 1, place + STEPS[key]))].index
        elif key == "backspace":
            self.text = self.text[:-1]
        elif key == "ctrl-u":
            self.text = ""
        elif key == "space" or len(key) == 1:
            self.text += " " if key == "space" else key
        self._narrow()
        return False

    @property
    def chosen(self) -> int | None:
        """The index of the chosen entry."""
        return self._at

    def rows(self, width: int, height: int) -> list[Row]:
        """The field that narrows the list, a line between, and the entries around the chosen one."""
        steps = self._steps
        place = next(
            (n for n, entry in enumerate(self._shown) if entry.index is not None and entry.index == self._at), 0
        )
        room = height - 2
        first = max(0, min(place - room // 2, len(self._shown) - room))
        count = f"{len(steps)} {'step' if len(steps) == 1 else 'steps'}" if steps else "no step has these words"
        field = f"/ {self.text}█"
        advice = "" if self.text else " type words of a title"
        advice = set_cell_size(advice, max(1, width - cell_len(field) - cell_len(count)))
        rows: list[Row] = [
            [Segment(field, theme.ACCENT), Segment(advice, theme.QUIET), Segment(count, theme.QUIET)],
            [Segment("─" * width, theme.QUIET)],
        ]
        return rows + [self._row(entry, width) for entry in self._shown[first : first + room]]

    @property
    def _steps(self) -> list[Entry]:
        return [entry for entry in self._shown if entry.index is not None]

    def _narrow(self) -> None:
        words = self.text.lower().split()
        shown: list[Entry] = []
        headings: list[Entry] = []
        for entry in self._entries:
            if entry.index is None:
                level = _level(entry)
                headings = [*(each for each in headings if _level(each) < level), entry]
                continue
            whole = " ".join(each.text for each in (*headings, entry)).lower()
            if all(word in whole for word in words):
                shown += [each for each in headings if each not in shown]
                shown.append(entry)
        self._shown = shown
        steps = self._steps
        if self._at not in [entry.index for entry in steps]:
            self._at = steps[0].index if steps else None

    def _row(self, entry: Entry, width: int) -> Row:
        if entry.index is None:
            text, style = entry.text, theme.QUIET if _level(entry) else theme.STRONG
        else:
            sign = SEEN if entry.seen else CURRENT if entry.current else " "
            text, style = f"  {sign} {entry.text}", theme.CURSOR if entry.index == self._at else theme.PLAIN
        cut = cell_len(text) > width
        return [Segment(set_cell_size(text, width - cut) + "…" * cut, style)]


def _level(entry: Entry) -> int:
    return len(entry.text) - len(entry.text.lstrip())
