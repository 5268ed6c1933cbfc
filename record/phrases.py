"""The pieces of sentences about what changed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from record.capabilities import CAPABILITIES
from record.rows import Change, Compared, Watched, program

MANY = 4
"""Of more things of one sort only the number and the first names are told."""
LINKS = "/proc/PID/ns/"


@dataclass(frozen=True)
class Sentence:
    """One thing that changed. ``kind``: added, removed, changed; "same" for what did not change."""

    kind: str
    text: str
    changes: tuple[Change, ...] = ()


def several(names: Iterable[str]) -> str:
    """Names as a sentence has them: ``a``, ``a and b``, ``a, b and c``."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:MANY]) + (f" and {len(names) - MANY} more" if len(names) > MANY else "")


def counted(number: int, one: str, more: str = "") -> str:
    """``1 child``, ``2 children``."""
    return f"{number} {one if number == 1 else more or one + 's'}"


def capabilities(mask: str) -> list[str]:
    """The names in a mask such as 00000000a80425fb: capabilities(7)."""
    bits = int(mask, 16)
    numbers = (number for number in range(bits.bit_length()) if bits >> number & 1)
    return [CAPABILITIES[number] if number < len(CAPABILITIES) else f"CAP_{number}" for number in numbers]


def of_capabilities(names: Sequence[str]) -> str:
    """A few by their names, more by their number."""
    every = "all " if len(names) == len(CAPABILITIES) else ""
    return several(names) if len(names) <= MANY else f"{every}{len(names)} capabilities"


def of_ids(text: str | None) -> str:
    """The four ids of a process, once if they are the same: proc_pid_status(5)."""
    numbers = (text or "").split()
    return numbers[0] if len(numbers) == 4 and len(set(numbers)) == 1 else text or ""


def who(process: Watched) -> str:
    """``first: bash, process 41``, and ``process 38: sleep`` where the label is the number."""
    label, name = process.label, program(process)
    number = f"process {process.pid}"
    return f"{label}: {name}" if label == number else f"{label}: {name}, {number}" if name else f"{label}: {number}"


def what(process: Watched | None) -> str:
    """``bash (process 41)``."""
    return f"{program(process)} (process {process.pid})" if process else ""


def value(process: Watched | None, path: str, entry: str = "") -> Any:
    """What was read there, or in that entry; None if nothing was."""
    found = (process.state or {}).get(path) if process else None
    return (found.get(entry) if isinstance(found, Mapping) else None) if entry else found


def link(process: Watched | None, kind: str) -> str:
    """The namespace of a process: ``uts:[4026531838]``."""
    found = value(process, f"{LINKS}{kind}")
    return found if isinstance(found, str) else ""


def gained_and_lost(one: Compared[Any], path: str) -> tuple[list[str], list[str]]:
    """What came to a list of names or numbers, and what went; two empty lists if it is none."""
    old, new = value(one.old, path), value(one.new, path)
    if not all(isinstance(side, list) and all(isinstance(each, str | int) for each in side) for side in (old, new)):
        return [], []
    return [str(each) for each in new if each not in old], [str(each) for each in old if each not in new]
