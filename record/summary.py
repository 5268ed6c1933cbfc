"""What a step changed, in sentences: what the walk and the report show first. Each has the changes that it tells.

A name or a queue belongs to a namespace, not to a process: what several watched processes see is told once, with all
of them. What a process sees because it is in another namespace now has not changed: the namespace has.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from record.capabilities import CAPABILITIES
from record.facts import KINDS, Fact, became, fact, namespace_of, short
from record.rows import Change, Compared, Watched, ended, program

SIGNS = {"added": "+", "removed": "-", "changed": "~", "same": " "}
"""How a sentence begins, by its kind."""
WORDS = {"added": "new", "removed": "gone", "changed": "changed", "same": ""}
"""The same in words, for those who do not see the sign."""
MANY = 4
"""Of more things of one sort only the number and the first names are told."""
STATUS, LINKS, CHILDREN = "/proc/PID/status", "/proc/PID/ns/", "/proc/PID/task/PID/children"
_SETS = {
    "CapEff": "effective", "CapPrm": "permitted", "CapInh": "inheritable", "CapBnd": "bounding", "CapAmb": "ambient",
}  # fmt: skip
PROGRAM = ((STATUS, "Name"), ("/proc/PID/cmdline",), ("/proc/PID/exe",))
_MASK = re.compile("[0-9a-f]{1,16}")
_IDS = {"Uid": "user id", "Gid": "group id", "Groups": "groups"}
_NUMBERS = ("NSpid", "NStgid")


@dataclass(frozen=True)
class Sentence:
    """One thing that changed. ``kind``: added, removed, changed; "same" for what did not change."""

    kind: str
    text: str
    changes: tuple[Change, ...] = ()


def summary(compared: Sequence[Compared[Any]]) -> list[Sentence]:
    """The sentences of a step, in the order of what causes what: processes, their namespaces, what is in these, and the
    rest. Together they tell every change that is not minor."""
    return [*_Summary(compared).sentences()] if compared else []


def capabilities(mask: str) -> list[str]:
    """The names in a mask such as 00000000a80425fb: capabilities(7)."""
    bits = int(mask, 16)
    numbers = (number for number in range(bits.bit_length()) if bits >> number & 1)
    return [CAPABILITIES[number] if number < len(CAPABILITIES) else f"CAP_{number}" for number in numbers]


class _Summary:
    def __init__(self, compared: Sequence[Compared[Any]]) -> None:
        self._all = compared
        self._both = [one for one in compared if one.both]
        self._told: set[Change] = set()
        self._came: set[str] = set()

    def sentences(self) -> Iterator[Sentence]:
        parts: tuple[Callable[[], Iterator[Sentence]], ...] = (
            self._came_or_went, self._namespaces, self._contents, self._cgroups, self._ids, self._capabilities,
            self._programs, self._parents, self._children, self._rest, self._nothing,
        )  # fmt: skip
        for part in parts:
            for sentence in part():
                self._told.update(sentence.changes)
                yield sentence

    def _left(self, one: Compared[Any], path: str = "", *entries: str) -> list[Change]:
        """Changes of a process, perhaps of one path or of some entries, that no sentence has told yet."""
        return [
            change
            for change in one.loud
            if change not in self._told and path in ("", change.path) and (not entries or change.entry in entries)
        ]

    # Processes that came or went

    def _came_or_went(self) -> Iterator[Sentence]:
        for one in self._all:
            old, new = (side if side and side.state else None for side in (one.old, one.new))
            if new and not old:
                self._came.add(str(new.pid))
                born = (change for parent in self._both for change in self._left(parent, CHILDREN))
                yield Sentence("added", _who(new), tuple(c for c in born if str(new.pid) in (c.after or "").split()))
            elif old and not new:
                yield Sentence("removed", _who(old))
            elif new and ended(new) and not ended(old):
                yield Sentence("removed", f"{_who(new)}: it has ended, and its parent has not waited for it yet")

    # Namespaces: which one, and what there is to see

    def _namespaces(self) -> Iterator[Sentence]:
        for one in self._both:
            entered: defaultdict[tuple[str, ...], list[Change]] = defaultdict(list)
            for change in self._left(one):
                kind = change.path.removeprefix(LINKS)
                if change.path.startswith(LINKS) and kind in KINDS and not ended(one.new):
                    entered[self._sharing(one, kind)].append(change)
            for others, changes in entered.items():
                yield self._entered(one, others, changes)
            yield from self._for_children(one)

    def _sharing(self, one: Compared[Any], kind: str) -> tuple[str, ...]:
        """The other processes that are in the same namespace now."""
        link = _link(one.new, kind)
        return tuple(other.label for other in self._both if other is not one and _link(other.new, kind) == link)

    def _entered(self, one: Compared[Any], others: Sequence[str], changes: Sequence[Change]) -> Sentence:
        kinds = [change.path.removeprefix(LINKS) for change in changes]
        names = f"{several(KINDS[kind] for kind in kinds)} namespace{'s' if len(kinds) > 1 else ''}"
        which = f"the {names} of {several(others)}" if others else f"{'other' if len(kinds) > 1 else 'another'} {names}"
        seen = [change for change in self._left(one) if namespace_of(change) in kinds]
        host = [change for change in seen if change.path == "/proc/sys/kernel/hostname"]
        told = [f"where the host name is {short(change.after)}" for change in host]
        later = ((kind, change) for kind in kinds for change in self._left(one, f"{LINKS}{kind}_for_children"))
        told_too = [change for kind, change in later if change.after == _link(one.new, kind)]
        numbers = _value(one.new, STATUS, "NSpid")
        if "pid" in kinds and isinstance(numbers, list) and numbers:
            told.append(f"where it is process {numbers[-1]}")
            told_too += self._left(one, STATUS, *_NUMBERS)
        where = f", {' and '.join(told)}" if told else ""
        rest = len(seen) - len(host)
        differs = f"; what it sees there {'also ' if host else ''}differs in {_count(rest, 'value')}" if rest else ""
        return Sentence("changed", f"{one.label} is in {which}{where}{differs}", (*changes, *seen, *told_too))

    def _for_children(self, one: Compared[Any]) -> Iterator[Sentence]:
        for kind in ("pid", "time"):
            for change in self._left(one, f"{LINKS}{kind}_for_children"):
                own = change.after == _link(one.new, kind)
                which = f"the {KINDS[kind]} namespace that it is in" if own else f"another {KINDS[kind]} namespace"
                yield Sentence("changed", f"new children of {one.label} will be in {which}", (change,))

    # What is in the namespaces

    def _contents(self) -> Iterator[Sentence]:
        facts: defaultdict[tuple[str, Fact], list[Change]] = defaultdict(list)
        for one in self._both:
            for change in self._left(one):
                if found := fact(one, change):
                    facts[_link(one.new, found.namespace), found].append(change)
        sorts: defaultdict[tuple[str, ...], dict[Fact, list[Change]]] = defaultdict(dict)
        for (link, found), changes in facts.items():
            thing = found.name if found.became else ""
            sorts[link, found.namespace, found.kind, found.noun, thing][found] = changes
        for same in sorts.values():
            yield from _things(same)

    # Ids, capabilities, programs and families

    def _cgroups(self) -> Iterator[Sentence]:
        for one in self._both:
            moved: defaultdict[str, list[Change]] = defaultdict(list)
            for change in self._left(one, "/proc/PID/cgroup"):
                moved[change.after or ""].append(change)
            said = "moved to" if _link(one.old, "cgroup") == _link(one.new, "cgroup") else "sees itself in"
            for path, changes in moved.items():
                of = ", ".join(change.entry for change in changes)
                yield Sentence("changed", f"{one.label} {said} the cgroup {path} ({of})", tuple(changes))

    def _ids(self) -> Iterator[Sentence]:
        for one in self._both:
            for change in self._left(one, STATUS, *_IDS):
                text = f"{_IDS[change.entry]} of {one.label}: {_id(change.before)} → {_id(change.after)}"
                yield Sentence("changed", text, (change,))

    def _capabilities(self) -> Iterator[Sentence]:
        for one in self._both:
            masks: defaultdict[tuple[str, str], list[Change]] = defaultdict(list)
            for change in self._left(one, STATUS, *_SETS):
                before, after = change.before or "0", change.after or "0"
                if _MASK.fullmatch(before) and _MASK.fullmatch(after):
                    masks[before, after].append(change)
            for (before, after), changes in masks.items():
                old, new = capabilities(before), capabilities(after)
                sets = several(_SETS[change.entry] for change in changes)
                gained, lost = [name for name in new if name not in old], [name for name in old if name not in new]
                for kind, word, names in (("added", "gained", gained), ("removed", "lost", lost)):
                    if names:
                        yield Sentence(kind, f"{one.label} {word} {_named(names)} ({sets})", tuple(changes))

    def _programs(self) -> Iterator[Sentence]:
        for one in self._both:
            changes = [change for path in PROGRAM for change in self._left(one, *path)]
            old, new = (_what(one.old), _what(one.new)) if one.moved else (program(one.old), program(one.new))
            if changes and old != new:
                yield Sentence("changed", f"{one.label}: {old} → {new}", tuple(changes))

    def _parents(self) -> Iterator[Sentence]:
        for one in self._both:
            for change in self._left(one, STATUS, "PPid"):
                text = f"the parent of {one.label}: process {change.before} → process {change.after}"
                yield Sentence("changed", text, (change,))

    def _children(self) -> Iterator[Sentence]:
        for one in self._both:
            for change in [change for change in one.loud if change.path == CHILDREN]:
                came, gone = _gained_and_lost(one, CHILDREN)
                others = [pid for pid in came if pid not in self._came]
                for kind, pids in (("added", others), ("removed", gone)):
                    if pids:
                        text = f"{_count(len(pids), 'child', 'children')} of {one.label}: {_listed(pids)}"
                        yield Sentence(kind, text, (change,))

    # What remains

    def _rest(self) -> Iterator[Sentence]:
        paths: defaultdict[str, dict[Compared[Any], list[Change]]] = defaultdict(dict)
        for one in self._both:
            for change in self._left(one):
                paths[change.path].setdefault(one, []).append(change)
        for path, found in paths.items():
            if all(len(changes) == 1 for changes in found.values()):
                yield from self._single(path, {one: changes[0] for one, changes in found.items()})
                continue
            every = tuple(change for changes in found.values() for change in changes)
            other = "other " if any(change.path == path for change in self._told) else ""
            entries = list(dict.fromkeys(change.entry for change in every if change.entry))
            names = f": {_listed(entries)}" if entries else ""
            count = _count(len({(change.field, change.before, change.after) for change in every}), f"{other}value")
            labels = several(one.label for one in found)
            yield Sentence("changed", f"{count} of {_place(path)} ({labels}){names}", every)

    def _single(self, path: str, found: Mapping[Compared[Any], Change]) -> Iterator[Sentence]:
        """Changes of a path of which each process has one: the same ones are told once."""
        texts: defaultdict[tuple[str, str], list[Change]] = defaultdict(list)
        for one, change in found.items():
            for kind, text in _what_became(one, change):
                texts[kind, f"{_place(path)} {change.field}".rstrip() + f": {text}"].append(change)
        for (kind, text), changes in texts.items():
            yield Sentence(kind, f"{text} ({several(change.process for change in changes)})", tuple(changes))

    def _nothing(self) -> Iterator[Sentence]:
        quiet = [one.label for one in self._both if not one.loud and not ended(one.new)]
        if quiet and len(quiet) == len(self._all):
            yield Sentence("same", "nothing that was watched changed")
        elif quiet:
            yield Sentence("same", f"nothing changed for {several(quiet)}")


def _things(same: Mapping[Fact, list[Change]]) -> Iterator[Sentence]:
    """The sentences about things of one sort in one namespace: new ones, those that went, or one that changed."""
    facts = list(same)
    first, every = facts[0], tuple(change for changes in same.values() for change in changes)
    labels = several(dict.fromkeys(change.process for change in every))
    where = f"in the {KINDS[first.namespace]} namespace of {labels}"
    if first.became:
        name = f"{first.noun} {first.name}".rstrip()
        yield Sentence(first.kind, f"{name} {where}: {_listed([one.became for one in facts])}", every)
    elif len(facts) > MANY:
        yield Sentence(first.kind, f"{len(facts)} {first.noun}s {where}: {_listed([one.name for one in facts])}", every)
    else:
        for one, changes in same.items():
            yield Sentence(one.kind, f"{one.noun} {one.name} {where}", tuple(changes))


def _what_became(one: Compared[Any], change: Change) -> Iterator[tuple[str, str]]:
    """(kind, text) of what became of a value: of a list what came and what went."""
    came, gone = _gained_and_lost(one, change.path)
    if came or gone:
        yield from ((kind, _listed(names)) for kind, names in (("added", came), ("removed", gone)) if names)
    elif change.kind == "changed":
        yield "changed", became(change.before, change.after)
    else:
        yield change.kind, short(change.after or change.before)


def _gained_and_lost(one: Compared[Any], path: str) -> tuple[list[str], list[str]]:
    """What came to a list of names or numbers, and what went; two empty lists if it is none."""
    old, new = _value(one.old, path), _value(one.new, path)
    if not all(isinstance(side, list) and all(isinstance(each, str | int) for each in side) for side in (old, new)):
        return [], []
    return [str(each) for each in new if each not in old], [str(each) for each in old if each not in new]


def _value(process: Watched | None, path: str, entry: str = "") -> Any:
    value = (process.state or {}).get(path) if process else None
    return (value.get(entry) if isinstance(value, Mapping) else None) if entry else value


def _link(process: Watched | None, kind: str) -> str:
    link = _value(process, f"{LINKS}{kind}")
    return link if isinstance(link, str) else ""


def _place(path: str) -> str:
    """A path as a sentence has it: a file of the own cgroup by its name."""
    return path.rpartition("/PATH/")[2] if path.startswith("/sys/fs/cgroup") else path


def _id(text: str | None) -> str:
    """The four ids of a process, once if they are the same: proc_pid_status(5)."""
    numbers = (text or "").split()
    return numbers[0] if len(numbers) == 4 and len(set(numbers)) == 1 else text or ""


def _named(names: Sequence[str]) -> str:
    every = "all " if len(names) == len(CAPABILITIES) else ""
    return several(names) if len(names) <= MANY else f"{every}{len(names)} capabilities"


def _who(process: Watched) -> str:
    """``first: bash, process 41``, and ``process 38: sleep`` where the label is the number."""
    label, name = process.label, program(process)
    number = f"process {process.pid}"
    return f"{label}: {name}" if label == number else f"{label}: {name}, {number}" if name else f"{label}: {number}"


def _what(process: Watched | None) -> str:
    return f"{program(process)} (process {process.pid})" if process else ""


def several(names: Iterable[str]) -> str:
    """Names as a sentence has them: ``a``, ``a and b``, ``a, b and c``."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:MANY]) + (f" and {len(names) - MANY} more" if len(names) > MANY else "")


def _count(number: int, one: str, more: str = "") -> str:
    return f"{number} {one if number == 1 else more or one + 's'}"
