"""What a record tells, as typed objects. Texts are as recorded; times are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

State = Mapping[str, object]
"""The state of one process: {path as typed, with the literal PID: parsed value}."""


@dataclass(frozen=True)
class Ability:
    """One thing a machine can show or not; `how` says how to enable it."""

    name: str
    ok: bool
    reason: str
    how: str


@dataclass
class Facts:
    """The machine of a run."""

    kernel: str = ""
    machine: str = ""
    distribution: str = ""
    python: str = ""
    cgroup: str = ""
    lsm: list[str] = field(default_factory=list)
    uid: str = ""
    tools: dict[str, str] = field(default_factory=dict)
    can: list[Ability] = field(default_factory=list)


@dataclass(frozen=True)
class Claim:
    """A catalogue entry; `verdict` is what is expected on this machine."""

    id: str
    section: str
    statement: str
    verdict: str
    truth: str
    reference: str
    visible_in: list[str]


@dataclass(frozen=True)
class ClaimVerdict:
    """What this run found of a claim: holds, changed, wrong, unsupported or failed."""

    claim: str
    verdict: str
    reason: str
    how: str
    step: str


@dataclass(frozen=True)
class WindowOutput:
    """One thing that happened in a window: open, in, out, size (columns x rows) or close."""

    window: str
    step: str
    what: str
    at: float
    data: str
    columns: int
    rows: int


@dataclass(frozen=True)
class Command:
    """A command typed in a window, with its exit status (None: it did not end) and clean output."""

    window: str
    text: str
    status: int | None
    seconds: float
    output: str


@dataclass(frozen=True)
class Process:
    """A watched process at one moment; `state` is None when it had vanished."""

    label: str
    window: str
    pid: int
    role: str
    parent: int
    state: State | None


@dataclass(frozen=True)
class Observation:
    """What the kernel said of the watched processes at one moment."""

    processes: list[Process]


@dataclass(frozen=True)
class Check:
    """One assert of a step: its source line and the values in it."""

    ok: bool
    source: str
    values: str
    line: int


@dataclass(frozen=True)
class Question:
    """What a student is asked before a step: kind choice, number, text or order."""

    kind: str
    question: str
    choices: list[str]
    unit: str


@dataclass(frozen=True)
class Prediction:
    """A question with the observed answer, and the given one when somebody was asked."""

    question: Question
    observed: object
    given: object
    correct: bool | None


@dataclass(frozen=True)
class Source:
    """Where a step stands in its lab."""

    file: str
    line: int
    text: str


@dataclass
class Step:
    """The unit that is paused at, recorded and shown. Outcome: passed, failed, unsupported or interrupted."""

    id: str
    lab: str
    exercise: str
    number: int
    title: str
    text: str
    hint: str
    why: str
    claims: list[str]
    shows: list[str]
    watch: list[str]
    ask: Question | None
    source: Source
    commands: list[Command] = field(default_factory=list)
    before: Observation | None = None
    after: Observation | None = None
    checks: list[Check] = field(default_factory=list)
    prediction: Prediction | None = None
    verdicts: list[ClaimVerdict] = field(default_factory=list)
    outcome: str = "interrupted"
    error: str = ""
    seconds: float = 0.0


@dataclass
class Exercise:
    """One test function of a lab. `output` holds the events of all its windows, in order, also between steps."""

    lab: str
    name: str
    nodeid: str = ""
    title: str = ""
    text: str = ""
    line: int = 0
    steps: list[Step] = field(default_factory=list)
    output: list[WindowOutput] = field(default_factory=list)
    verdicts: list[ClaimVerdict] = field(default_factory=list)
    outcome: str = "interrupted"
    reason: str = ""
    how: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class PlannedExercise:
    """An exercise that the lab holds, whether it ran or not."""

    name: str
    title: str
    steps: list[str]
    claims: list[str]


@dataclass
class Lab:
    """One section of the notes: one lab file."""

    id: str
    file: str = ""
    order: int = 0
    title: str = ""
    text: str = ""
    planned: list[PlannedExercise] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    exercises: list[Exercise] = field(default_factory=list)
    seconds: float = 0.0


@dataclass
class Run:
    """One run on one machine. Not `complete`: it died, and what stands here is as far as it came."""

    id: str = ""
    started: str = ""
    argv: list[str] = field(default_factory=list)
    target: str = ""
    target_why: str = ""
    facts: Facts = field(default_factory=Facts)
    labs: list[Lab] = field(default_factory=list)
    exitstatus: int | None = None
    seconds: float | None = None
    complete: bool = False
    torn: bool = False
    files: list[Path] = field(default_factory=list)
