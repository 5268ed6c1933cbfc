"""PID namespaces in each other: every box is one, and lists the processes that can be seen in it with their pids there.

A process has a pid in its own namespace and in each one above (NSpid of /proc/PID/status, pid_namespaces(7)). Which
namespace stands between is only known when the kernel said so, by a link or by NS_GET_PARENT: without that a box has no
name, and two boxes may be one. The outermost box is the namespace of the one who observed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from dataclasses import dataclass, field, replace

from record.model import Observation, Process
from record.text import visible
from reports.diagrams.namespaces import Atlas
from reports.diagrams.observed import link, name_of, state_of, watched

_PATHS = ("/proc/PID/ns/pid", "/proc/PID/ns/pid_for_children", "/proc/PID/status", "/proc/PID/ns/pid NS_GET_PARENT")


@dataclass(frozen=True)
class Member:
    """A process with its `pid` in a namespace; `home`: it lives there, not in one further inside. In a box for several
    namespaces `last` is its pid in the innermost of them."""

    label: str
    window: str
    name: str
    pid: int
    home: bool
    mark: str
    last: int = 0


@dataclass
class Level:
    """A PID namespace, `depth` below that of the observer. Without a `link` nobody asked which one it is; then it may
    stand for `levels` namespaces in each other. `unsure` (outermost): two such boxes of one depth may be the same."""

    depth: int
    link: str = ""
    letter: str = ""
    hue: int = 0
    new: bool = False
    members: list[Member] = field(default_factory=list)
    inside: list[Level] = field(default_factory=list)
    levels: int = 1
    unsure: bool = False


def draw_pids(
    before: Observation | None,
    after: Observation | None,
    atlas: Atlas,
    matter: Container[str] = (),
    parents: dict[str, str] | None = None,
) -> Level | None:
    """The outermost namespace; None when all watched processes have one pid, or nothing changed and no claim is
    about it. `parents` keeps what steps before this one told of the parents of namespaces."""
    old, new = watched(before, after)
    new = [process for process in new if _numbers(process) and link(process, "pid")]
    if not any(len(_numbers(process)) > 1 for process in new):
        return None
    seats = [[(p.label, link(p, "pid"), _numbers(p)) for p in each] for each in (old, new)]
    if seats[0] == seats[1] and not any(path in matter for path in _PATHS):
        return None
    outermost = Level(0)
    parents = {} if parents is None else parents
    parents |= _parents([*old, *new])
    known: dict[str, Level] = {}
    for process in sorted(new, key=lambda process: len(_numbers(process))):
        _enter(process, outermost, parents, known)
    homes = {link(process, "pid") for process in old}
    _finish(outermost, atlas, homes)
    _fill(outermost, new, {process.label: link(process, "pid") for process in old}, parents, known)
    depths = Counter(level.depth for level in known.values())
    outermost.unsure = any(not level.link and depths[level.depth] > 1 for level in known.values())
    return _shortened(outermost)


def _numbers(process: Process) -> list[int]:
    """The pids of a process, outermost first."""
    numbers = state_of(process).child("/proc/PID/status").raw("NSpid")
    return [number for number in numbers if isinstance(number, int)] if isinstance(numbers, list) else []


def _parents(processes: list[Process]) -> dict[str, str]:
    """The parents of namespaces, as far as the kernel told: by NS_GET_PARENT, or by a parent process one level up."""
    parents: dict[str, str] = {}
    by_pid = {process.pid: process for process in processes}
    for process in processes:
        told = state_of(process).raw("/proc/PID/ns/pid NS_GET_PARENT")
        above = by_pid.get(state_of(process).child("/proc/PID/status").whole("PPid"))
        if isinstance(told, str) and told.startswith("pid:"):
            parents[link(process, "pid")] = told
        elif above and len(_numbers(above)) == len(_numbers(process)) - 1:
            parents.setdefault(link(process, "pid"), link(above, "pid"))
    return parents


def _chain(process: Process, parents: dict[str, str]) -> list[str]:
    """Keys of the namespaces of a process, outermost first: links, or ``^key`` for the unknown one above `key`."""
    keys = [link(process, "pid")]
    while len(keys) < len(_numbers(process)):
        keys.insert(0, parents.get(keys[0], f"^{keys[0]}"))
    return keys


def _enter(process: Process, outermost: Level, parents: dict[str, str], known: dict[str, Level]) -> None:
    """Make the boxes on the way to the namespace of `process`."""
    chain = _chain(process, parents)
    at = outermost
    if not chain[0].startswith("^"):
        outermost.link = chain[0]
    for depth, key in enumerate(chain[1:], 1):
        if key not in known:
            known[key] = Level(depth, "" if key.startswith("^") else visible(key))
            at.inside.append(known[key])
        at = known[key]


def _finish(level: Level, atlas: Atlas, homes: set[str]) -> None:
    if level.link:
        level.letter, level.hue = atlas.place("pid", level.link)
        level.new = bool(homes) and level.depth > 0 and level.link not in homes
    for inner in level.inside:
        _finish(inner, atlas, homes)


def _fill(
    outermost: Level, processes: list[Process], was: dict[str, str], parents: dict[str, str], known: dict[str, Level]
) -> None:
    for process in processes:
        chain, numbers = _chain(process, parents), _numbers(process)
        moved = process.label in was and was[process.label] != chain[-1]
        mark = "moved" if moved else "new" if was and process.label not in was else ""
        for depth, (key, number) in enumerate(zip(chain, numbers, strict=True)):
            level = known[key] if depth else outermost
            home = depth == len(numbers) - 1
            member = Member(
                visible(process.label), process.window, name_of(process), number, home, mark if home else ""
            )
            level.members.append(member)


def _shortened(level: Level) -> Level:
    """Put three and more namespaces without a name, each with nothing but the next one in it, into one box."""
    chain = [level]
    while not chain[-1].link and chain[-1].depth and len(chain[-1].inside) == 1 and not chain[-1].inside[0].link:
        chain.append(chain[-1].inside[0])
    last = chain[-1]
    if len(chain) > 2:
        innermost = {member.label: member.pid for member in last.members}
        level.members = [replace(member, last=innermost.get(member.label, 0)) for member in level.members]
        level.levels, level.inside = len(chain), last.inside
    level.inside = [_shortened(inner) for inner in level.inside]
    return level
