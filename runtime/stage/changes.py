"""What changed in /proc between two observations, in lines that fit a terminal."""

from collections.abc import Sequence
from typing import Any

from record.events import Process
from runtime.kernel import snapshot
from runtime.stage.scene import Change

SHOWN = 300  # characters of a value
SAYS_LITTLE = {"State", "Tgid", "NStgid", "Pid", "PPid", "Threads"}  # they differ when a window shows another process


def changes(before: Sequence[Process], after: Sequence[Process]) -> list[Change]:
    """What differs between two observations, by process; a process that came or went is one line."""
    old = {process.label: process.state for process in before}
    new = {process.label: process.state for process in after}
    found: list[Change] = []
    for label in dict.fromkeys((*old, *new)):
        was, now = old.get(label), new.get(label)
        if not was or not now:
            states = [_name(state) if state else "" for state in (was, now)]
            if any(states):
                found.append(Change(label, "/proc/PID", "", *states))
            continue
        rows = [row for row in snapshot.diff(was, now) if row.get("field") not in SAYS_LITTLE]
        for row in rows:
            found.append(Change(label, row["path"], row.get("field", ""), _text(row["before"]), _text(row["after"])))
    return found


def _name(state: dict[str, Any]) -> str:
    status = state.get("/proc/PID/status")
    return str(status.get("Name")) if isinstance(status, dict) else "a process"


def _text(value: Any) -> str:
    """A value of /proc as one line; nothing of what is missing."""
    if value is None:
        return ""
    if isinstance(value, dict):
        text = " ".join(f"{name}={_text(part)}" for name, part in value.items())
    elif isinstance(value, list):
        text = " ".join(map(_text, value))
    else:
        text = " ".join(str(value).split())
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
