"""User and group id maps as bands: the ids inside a user namespace on one side, what they are outside on the other.

The bands stand in the order of the ids, not to scale: a map may hold one id and four thousand million. A thicker band
stands for a longer range. See user_namespaces(7).
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from record.model import Observation, Process
from record.text import visible
from reports.diagrams.namespaces import Atlas
from reports.diagrams.observed import Mark, link, name_of, state_of, watched

MAPS = ("/proc/PID/uid_map", "/proc/PID/gid_map")
LINES = 8
"""Lines of a map that are drawn."""
ROW, TOP, LEFT, RIGHT, WIDTH = 30, 8, 118, 186, 304
"""Pixels: the height of a line, and where the bands begin and end between the texts at both sides."""

Line = tuple[int, int, int]
"""As in the file: first id inside, first id outside, how many."""


@dataclass(frozen=True)
class Band:
    """One line of a map; `path` is its band, `left` and `right` the base lines of the texts at its ends."""

    inside: tuple[int, int]
    outside: tuple[int, int]
    count: int
    path: str
    left: int
    right: int
    mark: Mark


@dataclass(frozen=True)
class Map:
    """A map: `ids` is "uid", "gid" or "both" (when they say the same). No `bands`: nothing is mapped yet."""

    ids: str
    bands: list[Band]
    left_out: int
    height: int
    identity: bool


@dataclass(frozen=True)
class UserSpace:
    """A user namespace with its maps and (label, program, pid) of the watched processes in it."""

    link: str
    letter: str
    hue: int
    new: bool
    residents: list[tuple[str, str, int]]
    maps: list[Map]


def draw_idmaps(
    before: Observation | None, after: Observation | None, atlas: Atlas, matter: Container[str] = ()
) -> list[UserSpace]:
    """The user namespaces of the watched processes; [] if all have the same maps, before and after, and no claim is
    about them."""
    old, new = watched(before, after)
    was = _by_space(old)
    now = _by_space(new)
    contents = [{home: [_lines(all_[0], path) for path in MAPS] for home, all_ in each.items()} for each in (was, now)]
    same = len({str(maps) for maps in contents[1].values()}) < 2 and (not old or contents[0] == contents[1])
    if not now or (same and not any(path in matter for path in MAPS)):
        return []
    return [_space(home, processes, was, atlas) for home, processes in now.items()]


def _by_space(processes: list[Process]) -> dict[str, list[Process]]:
    spaces: dict[str, list[Process]] = {}
    for process in processes:
        home = link(process, "user")
        if home and any(_lines(process, path) is not None for path in MAPS):
            spaces.setdefault(home, []).append(process)
    return spaces


def _lines(process: Process, path: str) -> list[Line] | None:
    """The lines of a map; None when it could not be read."""
    lines = state_of(process).raw(path)
    if not isinstance(lines, list):
        return None
    numbers = [tuple(item for item in line if isinstance(item, int)) for line in lines if isinstance(line, list)]
    return [(line[0], line[1], line[2]) for line in numbers if len(line) == 3]


def _space(home: str, processes: list[Process], was: dict[str, list[Process]], atlas: Atlas) -> UserSpace:
    letter, hue = atlas.place("user", home)
    earlier = was.get(home)
    maps = []
    for path in MAPS:
        lines = _lines(processes[0], path)
        if lines is not None:
            maps.append((path.rpartition("/")[2][:3], lines, _lines(earlier[0], path) if earlier else lines))
    if len(maps) == 2 and maps[0][1:] == maps[1][1:]:
        maps = [("both", *maps[0][1:])]
    residents = [(visible(p.label), name_of(p), p.pid) for p in processes]
    return UserSpace(
        home,
        letter,
        hue,
        bool(was) and earlier is None,
        residents,
        [_map(ids, now, old or []) for ids, now, old in maps],
    )


def _map(ids: str, lines: list[Line], before: list[Line]) -> Map:
    """The bands of a map, drawn from their places by inside ids on the left to those by outside ids on the right."""
    kept = sorted(lines)[:LINES]
    by_outside = sorted(kept, key=lambda line: line[1])
    bands = []
    for place, line in enumerate(kept):
        inside, outside, count = line
        half = min(11, 2 + 2 * len(str(count)))
        left = TOP + ROW * place + ROW // 2
        right = TOP + ROW * by_outside.index(line) + ROW // 2
        middle = (LEFT + RIGHT) // 2
        path = (
            f"M{LEFT} {left - half}C{middle} {left - half} {middle} {right - half} {RIGHT} {right - half}"
            f"V{right + half}C{middle} {right + half} {middle} {left + half} {LEFT} {left + half}Z"
        )
        mark: Mark = "" if line in before else "new"
        bands.append(
            Band((inside, inside + count - 1), (outside, outside + count - 1), count, path, left + 4, right + 4, mark)
        )
    identity = len(lines) == 1 and lines[0][0] == lines[0][1] == 0 and lines[0][2] >= 4294967295
    return Map(ids, bands, len(lines) - len(kept), TOP * 2 + ROW * len(kept), identity)
