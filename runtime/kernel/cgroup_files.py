"""Parser of cgroup files: text in, JSON values out, no access to the machine. cgroups(7)."""

import re
from typing import Any, TypeAlias

from runtime.kernel import parse

JSON: TypeAlias = Any
_NUMBERS = ("cgroup.procs", "cgroup.threads", "tasks")
_WORDS = ("cgroup.controllers", "cgroup.subtree_control")


def parsed(name: str, text: str) -> JSON:
    """The content of a cgroup file: a number, a list (cgroup.procs), a dict of a keyed file, or a text."""
    lines = text.splitlines()
    if name in _NUMBERS:
        return parse.numbers(text)
    if name in _WORDS:
        return text.split()
    if lines and all(re.search(r"=\S", line) for line in lines):  # memory.pressure, io.stat, memory.numa_stat
        return dict(_nested(line) for line in lines)
    keyed = len(lines) > 1 or name.endswith(("events", "events.local"))
    if lines and keyed and all(re.fullmatch(r"[A-Za-z_]\S* \S+", line) for line in lines):
        return {key: parse.number(value) for key, value in (line.split() for line in lines)}
    return parse.number(text.strip())


def _nested(line: str) -> tuple[str, dict[str, JSON]]:
    """A line "some avg10=0.00 total=0"; version 1 writes "total=17 N0=17": the first number is then called `all`."""
    first, *rest = line.split()
    key, _, total = first.partition("=")
    values = dict(word.split("=", 1) for word in ([f"all={total}"] if total else []) + rest)
    return key, {name: float(value) if "." in value else parse.number(value) for name, value in values.items()}
