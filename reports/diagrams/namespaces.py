"""Namespaces: each a box, the processes and windows that sit in it inside.

A drawing is a table: a row a kind of namespace, a column a moment (before, after). Only kinds that tell something get a
row: those in which the watched processes sit apart, which changed, or which the lab is about. It is drawn with HTML
boxes, so that the text flows on a phone, can be selected and is read aloud in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from record.model import Observation, Process
from record.text import value_text
from reports.diagrams.observed import link, name_of, watched

KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children", "user", "uts")

CONTENTS: dict[str, tuple[str, ...]] = {
    "uts": ("/proc/sys/kernel/hostname", "/proc/sys/kernel/domainname"),
    "user": ("/proc/PID/uid_map", "/proc/PID/gid_map"),
}
"""What is shown inside a box of a kind: the things that the namespace holds, as its first process sees them."""
EMPTY = ("", "(none)")


@dataclass(frozen=True)
class Resident:
    """A process in a box; `mark` is "new" (was not there before), "moved" (was in another namespace) or ""."""

    window: str
    label: str
    name: str
    pid: int
    mark: str


@dataclass
class Box:
    """One namespace: `link` as in /proc/PID/ns, a short `letter` and `hue` (0-7) that stay through the lab."""

    link: str
    letter: str
    hue: int
    new: bool
    contents: list[tuple[str, str, bool]] = field(default_factory=list)
    residents: list[Resident] = field(default_factory=list)


@dataclass(frozen=True)
class Lane:
    """A row of the drawing: one kind of namespace, with its boxes before and after (the same: `after` alone)."""

    kind: str
    before: list[Box]
    after: list[Box]

    @property
    def moved(self) -> bool:
        return bool(self.before)


@dataclass(frozen=True)
class Drawing:
    """The drawing of one step.

    `lanes` are the kinds that are drawn side by side; `still` are the boxes of kinds in which all sit together, before
    and after, drawn because the step is about them; `shared` are the other such kinds, only named.
    """

    lanes: list[Lane]
    still: list[Box]
    shared: list[str]
    processes: int


class Atlas:
    """Gives each namespace of a lab its letter: A is the first of its kind that was seen."""

    def __init__(self) -> None:
        self._seen: dict[str, list[str]] = {}

    def number(self, kind: str, link: str) -> int:
        """0 for the first namespace of its kind that was seen, and so on; a child's is of the kind of its parent."""
        seen = self._seen.setdefault(kind.removesuffix("_for_children"), [])
        if link not in seen:
            seen.append(link)
        return seen.index(link)

    def place(self, kind: str, link: str) -> tuple[str, int]:
        """(letter, hue) of a namespace."""
        number = self.number(kind, link)
        return f"{chr(ord('A') + number % 26)}{number // 26 or ''}", number % 8


def draw_namespaces(
    before: Observation | None, after: Observation | None, atlas: Atlas, about: Sequence[str] = ()
) -> Drawing | None:
    """The drawing of a step; `about` are the kinds that its lab or claims are about. None if nothing was watched."""
    old, new = watched(before, after)
    if not new:
        return None
    lanes: list[Lane] = []
    still: list[Box] = []
    shared: list[str] = []
    for kind in KINDS:
        was, now = _links(old, kind), _links(new, kind)
        if not now or (kind.endswith("_for_children") and _follows(kind, old) and _follows(kind, new)):
            continue
        if kind not in about and len(set(was.values()) | set(now.values())) == 1:
            shared.append(kind)
            continue
        lane = _lane(kind, old, new, atlas)
        if lane.moved or len(lane.after) > 1:
            lanes.append(lane)
        else:
            still += lane.after
    return Drawing(lanes, still, shared, len(new))


def _lane(kind: str, old: list[Process], new: list[Process], atlas: Atlas) -> Lane:
    left = _boxes(kind, old, [], atlas)
    right = _boxes(kind, new, old, atlas)
    if [_essence(box) for box in left] == [_essence(box) for box in right]:
        left = []
    return Lane(kind, left, right)


def _essence(box: Box) -> object:
    return box.link, [item[:2] for item in box.contents], [(r.label, r.pid, r.name) for r in box.residents]


def _links(processes: list[Process], kind: str) -> dict[int, str]:
    return {process.pid: link(process, kind) for process in processes if link(process, kind)}


def _follows(kind: str, processes: list[Process]) -> bool:
    """Whether the children of all `processes` would be in the namespace of their parents, which is not worth a row."""
    return all(link(process, kind) == link(process, kind.removesuffix("_for_children")) for process in processes)


def _boxes(kind: str, processes: list[Process], before: list[Process], atlas: Atlas) -> list[Box]:
    was = {process.label: link(process, kind) for process in before}
    pids = {process.pid for process in before}
    boxes: dict[str, Box] = {}
    for process in processes:
        home = link(process, kind)
        if not home:
            continue
        if home not in boxes:
            letter, hue = atlas.place(kind, home)
            new = bool(before) and home not in was.values()
            boxes[home] = Box(home, letter, hue, new, _contents(kind, process, _neighbour(kind, home, before)))
        moved = was.get(process.label, home) != home
        mark = "moved" if moved else "new" if before and process.pid not in pids else ""
        boxes[home].residents.append(Resident(process.window, process.label, name_of(process), process.pid, mark))
    return sorted(boxes.values(), key=lambda box: atlas.number(kind, box.link))


def _neighbour(kind: str, home: str, before: list[Process]) -> Process | None:
    return next((process for process in before if link(process, kind) == home), None)


def _contents(kind: str, process: Process, before: Process | None) -> list[tuple[str, str, bool]]:
    """(name, value, changed) of what the namespace holds, compared with what it held before."""
    now = _held(kind, process)
    old = _held(kind, before) if before else now
    held = ((path, now.get(path, ""), now.get(path) != old.get(path)) for path in dict.fromkeys([*old, *now]))
    return [(path.rpartition("/")[2], value, changed) for path, value, changed in held if value not in EMPTY]


def _held(kind: str, process: Process) -> dict[str, str]:
    """What a namespace of `kind` holds, as `process` sees it: short texts by path."""
    state = process.state or {}
    return {path: value_text(state[path], 80) for path in CONTENTS.get(kind, ()) if path in state}
