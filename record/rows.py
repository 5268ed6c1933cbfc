"""An observation as rows, and the only answer to what changed between two.

A row is a value at a place: a path that was read, and an entry in it.

/proc/PID/status      CapEff     000001ffffffffff
/proc/PID/mountinfo   /proc      dev=0:21 root=/ options=rw ...

What differs is told part by part: of a changed entry that has fields, by the fields that changed.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from record.tables import COUNTERS, name_of, table
from record.text import value_text, visible

NAME = 200
"""Characters of the name of an entry."""
_OF_THE_PROCESS = {"PPid", "NSpid"}  # of /proc/PID/status: other ones when a window shows another process


class Watched(Protocol):
    """A process at one moment; the state is None when it had vanished."""

    @property
    def label(self) -> str: ...
    @property
    def pid(self) -> int: ...
    @property
    def state(self) -> Mapping[str, Any] | None: ...


P = TypeVar("P", bound=Watched)


@dataclass(frozen=True)
class Change:
    """What became of one value of a process. ``before`` is None for what is new, ``after`` for what is gone.

    ``entry`` is "" where the path has one value, ``part`` where the entry has. ``minor``: it says little by itself.
    """

    process: str
    path: str
    entry: str
    part: str
    before: str | None
    after: str | None
    minor: bool = False

    @property
    def field(self) -> str:
        return f"{self.entry}: {self.part}" if self.part else self.entry

    @property
    def kind(self) -> str:
        return "added" if self.before is None else "removed" if self.after is None else "changed"


@dataclass(frozen=True, eq=False)
class Compared(Generic[P]):
    """One process in two observations; one of them is None where it was not seen."""

    old: P | None
    new: P | None
    changes: list[Change] = field(default_factory=list)

    @property
    def seen(self) -> P:
        one = self.new or self.old
        assert one
        return one

    @property
    def label(self) -> str:
        return self.seen.label

    @property
    def both(self) -> bool:
        """Whether it could be read both times."""
        return bool(self.old and self.new and self.old.state and self.new.state)

    @property
    def moved(self) -> bool:
        """Whether another process stands for it: a window shows the one that it runs."""
        return bool(self.old and self.new and self.old.pid != self.new.pid)

    @property
    def loud(self) -> list[Change]:
        """The changes that say something."""
        return [change for change in self.changes if not change.minor]


def rows(path: str, value: object) -> Iterator[tuple[str, str]]:
    """(entry, text) of each value of `path`, at least one; the entry is "" where the value is all of it."""
    entries = _entries(path, value)
    if not entries:
        yield "", value_text(value)
    for name, entry in (entries or {}).items():
        yield name, _text(path, name, entry)


def compare(
    before: Sequence[P], after: Sequence[P], matter: Mapping[str, Iterable[str]] | None = None
) -> list[Compared[P]]:
    """What became of each process, and of what it saw. `matter` are the places that the step is about, as
    :func:`places` gives them: what changes there never says little."""
    found = []
    for old, new in pairs(before, after):
        compared = Compared(old, new)
        if old and new and old.state and new.state:
            told = _Told(compared, matter or {})
            compared.changes.extend(change for path in new.state for change in told.of(path))
        found.append(compared)
    return found


def pairs(before: Sequence[P], after: Sequence[P]) -> list[tuple[P | None, P | None]]:
    """Processes that stand for each other before and after: by label (what a window runs), then by pid."""
    old, found = list(before), list[tuple[P | None, P | None]]()
    for process in after:
        match = next((one for one in old if one.label == process.label), None)
        match = match or next((one for one in old if one.pid == process.pid), None)
        if match:
            old.remove(match)
        found.append((match, process))
    return [*found, *((process, None) for process in old)]


def places(visible_in: Iterable[str]) -> dict[str, set[str]]:
    """Where claims are visible: fields by path, of "/proc/PID/status CapEff, Seccomp". Of other paths words belong to
    the path: "ip link"."""
    found: dict[str, set[str]] = {}
    for place in visible_in:
        path, fields = place.split(" ", 1) if place.startswith("/proc/PID/status ") else (place, "")
        found.setdefault(path, set()).update(re.findall(r"\w+", fields))
    return found


def program(process: Watched | None) -> str:
    """The name of the program that a process runs."""
    status = (process.state or {}).get("/proc/PID/status") if process else None
    return visible(str(status.get("Name", ""))) if isinstance(status, Mapping) else ""


def ended(process: Watched | None) -> bool:
    """Whether a process has ended and waits for its parent: little of it can be read."""
    status = (process.state or {}).get("/proc/PID/status") if process else None
    return isinstance(status, Mapping) and str(status.get("State", "")).startswith(("Z", "X"))


class _Told(Generic[P]):
    """What changed of one process that was seen twice."""

    def __init__(self, compared: Compared[P], matter: Mapping[str, Iterable[str]]) -> None:
        old, new = compared.old, compared.new
        assert old
        assert new
        self._label, self._moved, self._ended = compared.label, compared.moved, ended(new)
        self._old, self._new = old.state or {}, new.state or {}
        self._matter = {path: set(fields) for path, fields in matter.items()}

    def of(self, path: str) -> Iterator[Change]:
        """The changes of one path; one that was not read before has none."""
        old, new = self._old.get(path, _UNREAD), self._new[path]
        if old is _UNREAD or old == new:
            return
        for entry, part, before, after in _differences(path, old, new):
            if before != after:
                minor = self._minor(path, entry, part, old, new)
                yield Change(self._label, path, entry, part, before, after, minor)

    def _minor(self, path: str, entry: str, part: str, old: Any, new: Any) -> bool:
        if self._ended and _failed(new) and not _failed(old):
            return True
        if entry in self._matter.get(path, ()) or (path in self._matter and path in COUNTERS):
            return False
        if entry == "." and path.startswith("/proc/PID/cwd/"):
            return True  # a directory itself: counts and numbers that its entries tell better
        if path == "/proc/PID/status":
            return table(path).says_little(entry) or (self._moved and _of_another(entry, old, new))
        if path == "/proc/PID/task/PID/children":
            return self._moved
        return bool(part) and table(path).says_little(part)


_UNREAD = object()


def _of_another(entry: str, old: Any, new: Any) -> bool:
    """Whether a number is only that of another process, seen from as many PID namespaces."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return False
    before, after = old.get(entry), new.get(entry)
    alike = not isinstance(before, list) or not isinstance(after, list) or len(before) == len(after)
    return entry in _OF_THE_PROCESS and alike


def _failed(value: object) -> bool:
    return isinstance(value, Mapping) and list(value) == ["error"]


def _differences(path: str, old: object, new: object) -> Iterator[tuple[str, str, str | None, str | None]]:
    """(entry, part, before, after) of what may differ."""
    before, after = _entries(path, old), _entries(path, new)
    if before is None or after is None:
        yield "", "", value_text(old), value_text(new)
        return
    for name in dict.fromkeys((*before, *after)):
        one, other = before.get(name), after.get(name)
        if name not in before:
            yield name, "", None, _text(path, name, other)
        elif name not in after:
            yield name, "", _text(path, name, one), None
        elif isinstance(one, Mapping) and isinstance(other, Mapping):
            yield from _parts(path, name, one, other)
        elif one != other:
            yield name, "", _text(path, name, one), _text(path, name, other)


def _parts(
    path: str, name: str, one: Mapping[str, Any], other: Mapping[str, Any]
) -> Iterator[tuple[str, str, str | None, str | None]]:
    kind = table(path)
    old, new = kind.told(one), kind.told(other)
    single = len(old.keys() | new.keys()) == 1
    for key in dict.fromkeys((*old, *new)):
        before, after = (kind.text(key, side[key]) if key in side else None for side in (old, new))
        yield name, "" if single else key, before, after


def _text(path: str, name: str, entry: object) -> str:
    """An entry as text: its fields, or its only one."""
    if not isinstance(entry, Mapping) or _failed(entry):
        return table(path).text(name, entry)
    kind = table(path)
    told = {key: kind.text(key, part) for key, part in kind.told(entry).items()}
    if len(told) == 1:
        return next(iter(told.values()))
    text = " ".join(f"{visible(key)}={part}" for key, part in told.items())
    return value_text(text) if text else "(none)"


def _entries(path: str, value: object) -> Mapping[str, object] | None:
    """The parts of a value by their names; None for what is one value, or could not be read."""
    if isinstance(value, Mapping) and not _failed(value):
        return {value_text(name, NAME): part for name, part in value.items()}
    if isinstance(value, list) and all(isinstance(entry, Mapping | list) for entry in value):
        return _named(path, value)
    return _lines(value) if isinstance(value, str) and "\n" in value.strip() else None


def _lines(text: str) -> dict[str, object]:
    """The lines of a file by their first words, or by their numbers where these do not tell them apart."""
    lines = [line for line in text.splitlines() if line.strip()]
    words = [line.split(None, 1) for line in lines]
    if all(len(word) == 2 for word in words) and len({word[0] for word in words}) == len(words):
        return {value_text(word[0].rstrip(":"), NAME): word[1] for word in words}
    return {f"line {number}": re.sub(r"\s+", " ", line) for number, line in enumerate(lines, 1)}


def _named(path: str, entries: Sequence[object]) -> dict[str, object]:
    """The entries of a list by what names them; a name that comes again (a mount over a mount) is counted."""
    named: dict[str, object] = {}
    counts: dict[str, int] = {}
    for number, entry in enumerate(entries, 1):
        name = value_text(name_of(path, entry, number), NAME)
        counts[name] = counts.get(name, 0) + 1
        named[name if counts[name] == 1 else f"{name} #{counts[name]}"] = entry
    return named
