"""What a step changed, in sentences: what the walk and the report show first. Each has the changes that it tells.

A name or a queue belongs to a namespace, not to a process: what several watched processes see is told once, with all
of them. What a process sees because it is in another namespace now has not changed: the namespace has.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from record.facts import KINDS, Fact, fact, namespace_of, own, short
from record.phrases import (
    LINKS,
    MANY,
    Sentence,
    capabilities,
    counted,
    gained_and_lost,
    link,
    listed,
    of_capabilities,
    of_ids,
    several,
    value,
    what,
    who,
)
from record.rest import remaining
from record.rows import Change, Compared, ended, program

SIGNS = {"added": "+", "removed": "-", "changed": "~", "same": " "}
"""How a sentence begins, by its kind."""
WORDS = {"added": "new", "removed": "gone", "changed": "changed", "same": ""}
"""The same in words, for those who do not see the sign."""
STATUS, CHILDREN = "/proc/PID/status", "/proc/PID/task/PID/children"
_SETS = {
    "CapEff": "effective", "CapPrm": "permitted", "CapInh": "inheritable", "CapBnd": "bounding", "CapAmb": "ambient",
}  # fmt: skip
PROGRAM = ((STATUS, "Name"), ("/proc/PID/cmdline",), ("/proc/PID/exe",))
_MASK = re.compile("[0-9a-f]{1,16}")
_IDS = {"Uid": "user id", "Gid": "group id", "Groups": "groups"}
_NUMBERS = ("NSpid", "NStgid")


def summary(compared: Sequence[Compared[Any]]) -> list[Sentence]:
    """The sentences of a step, in the order of what causes what: processes, their namespaces, what is in these, and the
    rest. Together they tell every change that is not minor."""
    return [*_Summary(compared).sentences()] if compared else []


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
                yield replace(sentence, text=own(sentence.text))

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
                yield Sentence("added", who(new), tuple(c for c in born if str(new.pid) in (c.after or "").split()))
            elif old and not new:
                yield Sentence("removed", who(old))
            elif new and ended(new) and not ended(old):
                yield Sentence("removed", f"{who(new)}: it has ended, and its parent has not waited for it yet")

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
        here = link(one.new, kind)
        return tuple(other.label for other in self._both if other is not one and link(other.new, kind) == here)

    def _entered(self, one: Compared[Any], others: Sequence[str], changes: Sequence[Change]) -> Sentence:
        kinds = [change.path.removeprefix(LINKS) for change in changes]
        names = f"{several(KINDS[kind] for kind in kinds)} namespace{'s' if len(kinds) > 1 else ''}"
        which = f"the {names} of {several(others)}" if others else f"{'other' if len(kinds) > 1 else 'another'} {names}"
        seen = [change for change in self._left(one) if namespace_of(change) in kinds]
        host = [change for change in seen if change.path == "/proc/sys/kernel/hostname"]
        told = [f"where the host name is {short(change.after)}" for change in host]
        later = ((kind, change) for kind in kinds for change in self._left(one, f"{LINKS}{kind}_for_children"))
        told_too = [change for kind, change in later if change.after == link(one.new, kind)]
        numbers = value(one.new, STATUS, "NSpid")
        if "pid" in kinds and isinstance(numbers, list) and numbers:
            told.append(f"where it is process {numbers[-1]}")
            told_too += self._left(one, STATUS, *_NUMBERS)
        where = f", {' and '.join(told)}" if told else ""
        there = _there(one, [change for change in seen if change not in host], "also " if host else "")
        return Sentence("changed", f"{one.label} is in {which}{where}{there}", (*changes, *seen, *told_too))

    def _for_children(self, one: Compared[Any]) -> Iterator[Sentence]:
        for kind in ("pid", "time"):
            for change in self._left(one, f"{LINKS}{kind}_for_children"):
                same = change.after == link(one.new, kind)
                which = f"the {KINDS[kind]} namespace that it is in" if same else f"another {KINDS[kind]} namespace"
                yield Sentence("changed", f"new children of {one.label} will be in {which}", (change,))

    # What is in the namespaces

    def _contents(self) -> Iterator[Sentence]:
        facts: defaultdict[tuple[str, Fact], list[Change]] = defaultdict(list)
        for one in self._both:
            for change in self._left(one):
                if found := fact(one, change):
                    facts[link(one.new, found.namespace), found].append(change)
        sorts: defaultdict[tuple[str, ...], dict[Fact, list[Change]]] = defaultdict(dict)
        for (where, found), changes in facts.items():
            thing = found.name if found.became else ""
            sorts[where, found.namespace, found.kind, found.noun, thing][found] = changes
        for same in sorts.values():
            yield from _things(same)

    # Ids, capabilities, programs and families

    def _cgroups(self) -> Iterator[Sentence]:
        for one in self._both:
            moved: defaultdict[str, list[Change]] = defaultdict(list)
            for change in self._left(one, "/proc/PID/cgroup"):
                moved[change.after or ""].append(change)
            said = "moved to" if link(one.old, "cgroup") == link(one.new, "cgroup") else "sees itself in"
            for path, changes in moved.items():
                of = ", ".join(change.entry for change in changes)
                yield Sentence("changed", f"{one.label} {said} the cgroup {path} ({of})", tuple(changes))

    def _ids(self) -> Iterator[Sentence]:
        for one in self._both:
            for change in self._left(one, STATUS, *_IDS):
                text = f"{_IDS[change.entry]} of {one.label}: {of_ids(change.before)} → {of_ids(change.after)}"
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
                        yield Sentence(kind, f"{one.label} {word} {of_capabilities(names)} ({sets})", tuple(changes))

    def _programs(self) -> Iterator[Sentence]:
        for one in self._both:
            changes = [change for path in PROGRAM for change in self._left(one, *path)]
            old, new = (what(one.old), what(one.new)) if one.moved else (program(one.old), program(one.new))
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
                came, gone = gained_and_lost(one, CHILDREN)
                others = [pid for pid in came if pid not in self._came]
                for kind, pids in (("added", others), ("removed", gone)):
                    if pids:
                        text = f"{counted(len(pids), 'child', 'children')} of {one.label}: {listed(pids)}"
                        yield Sentence(kind, text, (change,))

    # What remains

    def _rest(self) -> Iterator[Sentence]:
        yield from remaining([(one, change) for one in self._both for change in self._left(one)], self._told)

    def _nothing(self) -> Iterator[Sentence]:
        quiet = [one.label for one in self._both if not one.loud and not ended(one.new)]
        if quiet and len(quiet) == len(self._all):
            yield Sentence("same", "nothing that was watched changed")
        elif quiet:
            yield Sentence("same", f"nothing changed for {several(quiet)}")


def _there(compared: Compared[Any], seen: Sequence[Change], also: str) -> str:
    """What else there is to see in another namespace: by name, if it is little."""
    facts = list(dict.fromkeys(fact(compared, change) for change in seen))
    named = [" ".join(filter(None, (_THERE[one.kind], one.noun, one.name, one.became))) for one in facts if one]
    if len(named) < len(facts) or len(named) > MANY:
        return f"; what it sees there {also}differs in {counted(len(seen), 'value')}"
    return f"; there: {', '.join(named)}" if named else ""


_THERE = {"added": "new", "removed": "no", "changed": ""}


def _things(same: Mapping[Fact, list[Change]]) -> Iterator[Sentence]:
    """The sentences about things of one sort in one namespace: new ones, those that went, or one that changed."""
    facts = list(same)
    first, every = facts[0], tuple(change for changes in same.values() for change in changes)
    labels = several(dict.fromkeys(change.process for change in every))
    where = f"in the {KINDS[first.namespace]} namespace of {labels}"
    if first.became:
        name = f"{first.noun} {first.name}".rstrip()
        yield Sentence(first.kind, f"{name} {where}: {listed([one.became for one in facts])}", every)
    elif len(facts) > MANY:
        yield Sentence(first.kind, f"{len(facts)} {first.noun}s {where}: {listed([one.name for one in facts])}", every)
    else:
        for one, changes in same.items():
            yield Sentence(one.kind, f"{one.noun} {one.name} {where}", tuple(changes))
