"""What drawings read of an observation: processes that were there, and typed pieces of their states."""

from __future__ import annotations

from typing import Literal

from record.model import Observation, Process
from record.text import visible
from reports.diagrams.fields import Fields

Mark = Literal["", "new", "gone", "changed"]
"""What a step did to a thing that is drawn."""


def alive(observation: Observation | None) -> list[Process]:
    """The processes that could be read."""
    return [process for process in observation.processes if process.state] if observation else []


def watched(before: Observation | None, after: Observation | None) -> tuple[list[Process], list[Process]]:
    """The processes before and after; those from before stand for both when nothing was seen afterwards."""
    old, new = alive(before), alive(after)
    return (old, new) if new else ([], old)


def state_of(process: Process) -> Fields:
    return Fields(process.state)


def link(process: Process, kind: str) -> str:
    """The namespace of a process: ``uts:[4026531838]``; "" when it could not be read."""
    value = state_of(process).raw(f"/proc/PID/ns/{kind}")
    return visible(value) if isinstance(value, str) else ""


def name_of(process: Process) -> str:
    """The name of its program, as in /proc/PID/status."""
    return visible(state_of(process).child("/proc/PID/status").text("Name"))
