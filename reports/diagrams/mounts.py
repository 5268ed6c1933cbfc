"""Trees of mounts: what each mount namespace holds, which mounts belong together, and what came and went in a step.

Of the many mounts of a machine only those are drawn that tell something: they came, went or changed, the namespaces
differ in them, or they are linked to other mounts by propagation. The rest is counted. Members of one peer group have
one colour in all namespaces. See mount_namespaces(7).
"""

from __future__ import annotations

import os.path
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from record.model import Observation, Process
from record.text import visible
from reports.diagrams.namespaces import Atlas
from reports.diagrams.observed import Mark, link, name_of, watched

MOUNTINFO = "/proc/PID/mountinfo"
HUES = 8
DRAWN = 24
"""Mounts of one namespace that are drawn at the most."""
QUIET = 8
"""The same where nothing came, went or changed."""

Entry = Mapping[str, object]
Key = tuple[str, int]
"""A mount by its mount point, and its place among those on the same point: a mount may cover another one."""


@dataclass(frozen=True)
class Group:
    """How a mount belongs to a peer group: `how` is shared, master or propagate_from; `hue` is that of the group."""

    how: str
    number: str
    hue: int


@dataclass
class Node:
    """A mount: `name` is its mount point as seen from the mount that it lies on."""

    name: str
    fstype: str
    source: str
    root: str
    read_only: bool
    unbindable: bool
    groups: list[Group]
    mark: Mark
    gone_with_it: int
    inside: list[Node] = field(default_factory=list)


@dataclass(frozen=True)
class Tree:
    """A mount namespace with its residents (label, program, pid); `left_out` mounts are the same everywhere."""

    link: str
    letter: str
    hue: int
    new: bool
    residents: list[tuple[str, str, int]]
    nodes: list[Node]
    left_out: int


@dataclass(frozen=True)
class Forest:
    """All trees of a step; `folder` stands for the beginning that the names of the drawn mounts share."""

    trees: list[Tree]
    folder: str
    linked: bool


def draw_mounts(
    before: Observation | None, after: Observation | None, atlas: Atlas, matter: Container[str] = ()
) -> Forest | None:
    """The trees of a step; None where nothing about mounts differs, and no claim is about them."""
    old, new = watched(before, after)
    was, now = _by_space(old), _by_space(new)
    earlier = {home: _earlier(processes, old, was) for home, processes in now.items()}
    tables = {home: _table(processes[0]) for home, processes in now.items()}
    marks = {home: _marks(earlier[home], tables[home]) for home in now}
    told = any(any(each.values()) for each in marks.values())
    if not now or not (told or (MOUNTINFO in matter and len(now) > 1) or (MOUNTINFO in matter and _linked(tables))):
        return None
    hues = _Hues()
    wanted = {home: _wanted(home, tables, marks[home]) for home in now}
    folder = _folder([key[0] for keys in wanted.values() for key in keys])
    trees = [
        _Grower(tables[home], earlier[home], marks[home], wanted[home], folder, hues).tree(
            home, processes, bool(was) and home not in was, atlas
        )
        for home, processes in now.items()
    ]
    return Forest(trees, folder, bool(hues.known))


def _by_space(processes: Iterable[Process]) -> dict[str, list[Process]]:
    spaces: dict[str, list[Process]] = {}
    for process in processes:
        home = link(process, "mnt")
        if home and isinstance((process.state or {}).get(MOUNTINFO), list):
            spaces.setdefault(home, []).append(process)
    return spaces


def _table(process: Process) -> dict[Key, Entry]:
    entries = (process.state or {}).get(MOUNTINFO)
    table: dict[Key, Entry] = {}
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict):
            point, place = str(entry.get("point", "")), 1
            while (point, place) in table:
                place += 1
            table[point, place] = entry
    return table


def _earlier(
    processes: Sequence[Process], old: Sequence[Process], was: Mapping[str, list[Process]]
) -> dict[Key, Entry]:
    """The mounts that a namespace had before; of a new one, those where its first process was before."""
    home = link(processes[0], "mnt")
    if home in was:
        return _table(was[home][0])
    moved = next((process for process in old if process.label == processes[0].label), None)
    return _table(moved) if moved else (_table(processes[0]))


def _marks(old: Mapping[Key, Entry], new: Mapping[Key, Entry]) -> dict[Key, Mark]:
    marks: dict[Key, Mark] = {}
    for key in dict.fromkeys((*new, *old)):
        if key not in new:
            marks[key] = "gone"
        elif key not in old:
            marks[key] = "new"
        else:
            marks[key] = "changed" if _says(old[key]) != _says(new[key]) else ""
    return marks


def _says(entry: Entry) -> tuple[str, ...]:
    """What a mount is, without its numbers, which every copy of a list draws anew."""
    return tuple(str(entry.get(name)) for name in ("fstype", "source", "root", "options", "propagation"))


def _linked(tables: Mapping[str, Mapping[Key, Entry]]) -> bool:
    return any(entry.get("propagation") for table in tables.values() for entry in table.values())


def _wanted(home: str, tables: Mapping[str, Mapping[Key, Entry]], marks: Mapping[Key, Mark]) -> list[Key]:
    others = [table for other, table in tables.items() if other != home]
    numbers: dict[str, int] = {}
    for table in tables.values():
        for entry in table.values():
            for number in {_parted(each)[1] for each in _propagation(entry)}:
                numbers[number] = numbers.get(number, 0) + 1
    found = []
    gone = {key[0] for key, mark in marks.items() if mark == "gone"}
    for key, mark in marks.items():
        if mark == "gone" and any(_is_below(key[0], point) for point in gone - {key[0]}):
            continue  # it went with what it lay on, which tells how many went
        mine = tables[home].get(key)
        alone = any(key not in table or (mine and _says(mine) != _says(table[key])) for table in others)
        peers = mine is not None and any(numbers[_parted(each)[1]] > 1 for each in _propagation(mine))
        if mark or alone or peers:
            found.append(key)
    return found[: DRAWN if any(marks.values()) else QUIET]


def _propagation(entry: Entry) -> list[str]:
    found = entry.get("propagation")
    return [str(each) for each in found if ":" in str(each)] if isinstance(found, list) else []


def _parted(each: str) -> tuple[str, str]:
    how, _, number = each.partition(":")
    return how, number


def _folder(points: Sequence[str]) -> str:
    """The folders that all these mount points share, if these are long enough to be in the way."""
    below = [point for point in points if point.count("/") > 2]
    shared = os.path.commonpath(below) if below else ""
    if shared in below:
        shared = os.path.dirname(shared)
    return shared if shared.count("/") > 1 else ""


class _Hues:
    """Colours of peer groups, in the order in which they are met."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    def of(self, number: str) -> int:
        return self.known.setdefault(number, len(self.known) % HUES)


@dataclass(frozen=True)
class _Grower:
    """Grows the tree of one namespace."""

    table: Mapping[Key, Entry]
    earlier: Mapping[Key, Entry]
    marks: Mapping[Key, Mark]
    wanted: Sequence[Key]
    folder: str
    hues: _Hues

    def tree(self, home: str, processes: Sequence[Process], new: bool, atlas: Atlas) -> Tree:
        letter, hue = atlas.place("mnt", home)
        residents = [(visible(process.label), name_of(process), process.pid) for process in processes]
        nodes: dict[Key, Node] = {}
        tops: list[Node] = []
        for key in sorted(self._with_ancestors(), key=lambda key: (key[0] != "/", key[0], key[1])):
            above = self._above(key, nodes)
            nodes[key] = self._node(key, above)
            (nodes[above].inside if above else tops).append(nodes[key])
        return Tree(home, letter, hue, new, residents, tops, len(self.table) - len(set(nodes) & set(self.table)))

    def _with_ancestors(self) -> list[Key]:
        root = [key for key in self.table if key[0] == "/"][-1:]
        return list(dict.fromkeys([*root, *self.wanted]))

    def _above(self, key: Key, nodes: Mapping[Key, Node]) -> Key | None:
        """The drawn mount that this one lies on: the same point, or the longest point above."""
        point, place = key
        on = [each for each in nodes if each != key and (each[0] == point or _is_below(point, each[0]))]
        return max(on, key=lambda each: (len(each[0]), each[1]), default=None) if place or on else None

    def _node(self, key: Key, above: Key | None) -> Node:
        entry = self.table.get(key) or self.earlier[key]
        options = str(entry.get("options", "")).split(",")
        propagation = entry.get("propagation")
        groups = [Group(how, number, self.hues.of(number)) for how, number in map(_parted, _propagation(entry))]
        return Node(
            visible(self._name(key[0], above)),
            visible(str(entry.get("fstype", ""))),
            visible(str(entry.get("source", ""))),
            visible(str(entry.get("root", ""))),
            "ro" in options,
            isinstance(propagation, list) and "unbindable" in propagation,
            groups,
            self.marks.get(key, ""),
            sum(self.marks[each] == "gone" and _is_below(each[0], key[0]) for each in self.marks)
            if self.marks.get(key) == "gone"
            else 0,
        )

    def _name(self, point: str, above: Key | None) -> str:
        if above and above[0] == point:
            return "on top of it"
        if above and above[0] not in ("/", self.folder) and _is_below(above[0], self.folder or "/"):
            return point.removeprefix(above[0].rstrip("/") + "/")
        return f"…{point.removeprefix(self.folder)}" if self.folder and _is_below(point, self.folder) else point


def _is_below(point: str, above: str) -> bool:
    return point != above and (above == "/" or point.startswith(f"{above}/"))
