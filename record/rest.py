"""Sentences about what has no name of its own: values of a path, the files of a directory, the items of a list."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from record.facts import became, short
from record.phrases import MANY, Sentence, counted, gained_and_lost, listed, several
from record.rows import Change, Compared

FILES = "/proc/PID/cwd/"


def remaining(left: Iterable[tuple[Compared[Any], Change]], told: Iterable[Change]) -> Iterator[Sentence]:
    """The sentences about these changes of processes, path by path; of some paths others have `told` already."""
    paths: defaultdict[str, dict[Compared[Any], list[Change]]] = defaultdict(dict)
    for one, change in left:
        paths[change.path].setdefault(one, []).append(change)
    others = {change.path for change in told}
    for path, found in paths.items():
        if all(len(changes) == 1 for changes in found.values()) and not path.startswith(FILES):
            yield from _single(path, {one: changes[0] for one, changes in found.items()})
            continue
        kinds: dict[str, list[Change]] = {"added": [], "removed": [], "changed": []}
        for change in (change for changes in found.values() for change in changes):
            kinds["changed" if change.part else change.kind].append(change)
        for kind, changes in kinds.items():
            if changes:
                yield _many(path, kind, changes, "other " if path in others else "")


def _single(path: str, found: Mapping[Compared[Any], Change]) -> Iterator[Sentence]:
    """Changes of a path of which each process has one: the same ones are told once."""
    texts: defaultdict[tuple[str, str], list[Change]] = defaultdict(list)
    for one, change in found.items():
        for kind, text in _what_became(one, change):
            texts[kind, f"{_place(path)} {change.field}".rstrip() + f": {text}"].append(change)
    for (kind, text), changes in texts.items():
        yield Sentence(kind, f"{text} ({several(change.process for change in changes)})", tuple(changes))


def _many(path: str, kind: str, changes: Sequence[Change], other: str) -> Sentence:
    """What became of many values of a path: the names of new ones and of those that went, or what one became."""
    labels = several(dict.fromkeys(change.process for change in changes))
    names = [name for name in dict.fromkeys(map(_entry, changes)) if name]
    if kind != "changed":
        return Sentence(kind, f"{_place(path)} ({labels}): {listed(names)}", tuple(changes))
    values = {(change.field, change.before, change.after) for change in changes}
    if len(names) == 1 and len(values) <= MANY:
        parts = [f"{change.part} {became(change.before, change.after)}".lstrip() for change in changes]
        return Sentence(kind, f"{_place(path)} {names[0]} ({labels}): {listed(parts)}", tuple(changes))
    which = f": {listed(names)}" if names else ""
    return Sentence(
        kind, f"{counted(len(values), f'{other}value')} of {_place(path)} ({labels}){which}", tuple(changes)
    )


def _what_became(one: Compared[Any], change: Change) -> Iterator[tuple[str, str]]:
    """(kind, text) of what became of a value: of a list what came and what went."""
    came, gone = gained_and_lost(one, change.path)
    if came or gone:
        yield from ((kind, listed(names)) for kind, names in (("added", came), ("removed", gone)) if names)
    elif change.kind == "changed":
        yield "changed", became(change.before, change.after)
    else:
        yield change.kind, short(change.after or change.before)


def _place(path: str) -> str:
    """A path as a sentence has it: a file of the own cgroup, or in the working directory, by its name."""
    return path.rpartition("/PATH/")[2] if path.startswith("/sys/fs/cgroup") else path.removeprefix(FILES)


def _entry(change: Change) -> str:
    """The name of an entry, with the mark of a file that is none: a whiteout."""
    mark = re.search(r"(?:^| )mark=(\w+)", change.after or change.before or "") if not change.part else None
    return f"{change.entry} ({mark[1]})" if mark else change.entry
