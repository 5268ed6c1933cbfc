"""The memory of control groups over the steps of an exercise: usage, swap and limit, and how often a limit was met.

Both dialects are read: version 1 (memory.usage_in_bytes ...) and version 2 (memory.current ...). See cgroups(7).
"""

from __future__ import annotations

from dataclasses import dataclass

from record.model import Observation, Process
from record.text import visible
from reports.diagrams.fields import Fields
from reports.diagrams.observed import state_of

MOMENTS = 14
"""Moments that are drawn at most: the last ones."""
NO_LIMIT = 1 << 60
"""Above any memory; version 1 writes 9223372036854771712, version 2 the word max."""


@dataclass(frozen=True)
class Moment:
    """A cgroup at one moment, in bytes; `limit` and `both` (memory and swap together) are None without a limit."""

    step: str
    when: str
    usage: int
    swap: int
    limit: int | None
    both: int | None
    hits: int
    kills: int
    under_oom: bool


@dataclass(frozen=True)
class Column:
    """A moment as drawn: heights in percent of the chart, `hits` and `kills` since the moment before."""

    moment: Moment
    memory: float
    swap: float
    limit: float | None
    both: float | None
    hits: int
    kills: int
    current: bool


@dataclass(frozen=True)
class Chart:
    """The drawing of one cgroup: `version` 1 or 2, `top` the bytes at its upper edge."""

    group: str
    version: int
    top: int
    columns: list[Column]
    earlier: int

    @property
    def swaps(self) -> bool:
        return any(column.moment.swap for column in self.columns)

    @property
    def limited(self) -> bool:
        return any(column.limit is not None for column in self.columns)

    @property
    def limited_both(self) -> bool:
        return any(column.both is not None for column in self.columns)


class History:
    """The memory of the cgroups of one exercise, moment by moment."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, int], list[Moment]] = {}

    def step(self, number: str, before: Observation | None, after: Observation | None) -> list[Chart]:
        """The charts up to this step; [] for a step in which no memory file was read."""
        seen = self._take(number, "before", before) | self._take(number, "after", after)
        inner = {key for key in seen if key[0] != "/"}  # the cgroup of the run itself is not the lesson
        return [self._chart(key, number) for key in sorted(inner) if self._says_something(key)]

    def _take(self, number: str, when: str, observation: Observation | None) -> set[tuple[str, int]]:
        seen: dict[tuple[str, int], Moment] = {}
        for process in observation.processes if observation else []:
            for key, moment in _moments(process, number, when):
                seen.setdefault(key, moment)
        for key, moment in seen.items():
            moments = self._groups.setdefault(key, [])
            if not moments or when == "after" or _values(moments[-1]) != _values(moment):
                moments.append(moment)
        return set(seen)

    def _says_something(self, key: tuple[str, int]) -> bool:
        moments = self._groups[key]
        return any(moment.limit is not None or moment.hits or moment.kills for moment in moments) or (
            len({moment.usage for moment in moments}) > 1
        )

    def _chart(self, key: tuple[str, int], number: str) -> Chart:
        moments = self._groups[key]
        kept = moments[-MOMENTS:]
        sums = [moment.usage + moment.swap for moment in kept]
        limits = [limit for moment in kept for limit in (moment.limit, moment.both) if limit is not None]
        reach = max(sums)
        near = [limit for limit in limits if limit <= 4 * max(reach, 1)] or ([min(limits)] if limits else [])
        top = round(max([reach, *near, 1]) * 1.12)
        columns = []
        for place, moment in enumerate(kept):
            old = moments[place + len(moments) - len(kept) - 1] if place or len(moments) > len(kept) else None
            columns.append(_column(moment, old, top, moment.step == number))
        return Chart(visible(key[0]), key[1], top, columns, len(moments) - len(kept))


def _values(moment: Moment) -> object:
    return moment.usage, moment.swap, moment.limit, moment.both, moment.hits, moment.kills


def _column(moment: Moment, old: Moment | None, top: int, current: bool) -> Column:
    def height(value: int | None) -> float | None:
        return None if value is None or value > top else round(100 * value / top, 2)

    return Column(
        moment, height(moment.usage) or 0, height(moment.swap) or 0, height(moment.limit), height(moment.both),
        moment.hits - (old.hits if old else 0), moment.kills - (old.kills if old else 0), current,
    )  # fmt: skip


def _moments(process: Process, number: str, when: str) -> list[tuple[tuple[str, int], Moment]]:
    """The cgroups whose memory was read in the view of `process`: by (path, version)."""
    state = state_of(process)
    found = []
    for path in state:
        folder, _, name = path.rpartition("/")
        if name == "memory.usage_in_bytes" and _number(state, path) is not None:
            found.append(((_group(folder, state, 1), 1), _version_1(folder, state, number, when)))
        elif name == "memory.current" and _number(state, path) is not None:
            found.append(((_group(folder, state, 2), 2), _version_2(folder, state, number, when)))
    return found


def _group(folder: str, state: Fields, version: int) -> str:
    """The path of a cgroup: what PATH stands for, or the folder as it was written."""
    if not folder.endswith("/PATH"):
        return folder
    for entry in state.children("/proc/PID/cgroup"):
        if "memory" in entry.texts("controllers") if version == 1 else not entry.texts("controllers"):
            return entry.text("path")
    return folder


def _version_1(folder: str, state: Fields, number: str, when: str) -> Moment:
    usage = _number(state, f"{folder}/memory.usage_in_bytes") or 0
    stat, oom = state.child(f"{folder}/memory.stat"), state.child(f"{folder}/memory.oom_control")
    swap = stat.whole("swap")
    if "swap" not in stat:
        swap = max(0, (_number(state, f"{folder}/memory.memsw.usage_in_bytes") or usage) - usage)
    return Moment(
        number, when, usage, swap, _limit(state, f"{folder}/memory.limit_in_bytes"),
        _limit(state, f"{folder}/memory.memsw.limit_in_bytes"),
        _number(state, f"{folder}/memory.failcnt") or 0, oom.whole("oom_kill"), bool(oom.whole("under_oom")),
    )  # fmt: skip


def _version_2(folder: str, state: Fields, number: str, when: str) -> Moment:
    events = state.child(f"{folder}/memory.events")
    limit, swap_limit = (_limit(state, f"{folder}/memory.{name}") for name in ("max", "swap.max"))
    both = None if limit is None or swap_limit is None else limit + swap_limit
    return Moment(
        number, when, _number(state, f"{folder}/memory.current") or 0,
        _number(state, f"{folder}/memory.swap.current") or 0, limit, both, events.whole("max"),
        events.whole("oom_kill"), False,
    )  # fmt: skip


def _number(state: Fields, path: str) -> int | None:
    value = state.raw(path)
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) else None


def _limit(state: Fields, path: str) -> int | None:
    limit = _number(state, path)
    return None if limit is None or limit >= NO_LIMIT else limit
