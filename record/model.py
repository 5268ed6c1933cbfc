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
    rootless: bool = False
    vm_name: str = ""
    box: str = ""
    tools: dict[str, str] = field(default_factory=dict)
    can: list[Ability] = field(default_factory=list)


@dataclass(frozen=True)
class Claim:
    """A catalogue entry; `verdict` is what is expected on this machine, `kind` a claim of the notes or a fact that they
    leave out."""

    id: str
    section: str
    statement: str
    verdict: str
    truth: str
    reference: str
    visible_in: list[str]
    kind: str = "claim"


@dataclass(frozen=True)
class ClaimVerdict:
    """What this run found of a claim: holds, in part, changed, wrong, unsupported or failed."""

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
    """A question with the observed answer, and the given one when somebody was asked and answered; `skipped`: somebody
    was asked and gave no answer; `seconds` is how long it took."""

    question: Question
    observed: object
    given: object
    correct: bool | None
    skipped: bool = False
    seconds: float = 0.0


@dataclass(frozen=True)
class Source:
    """Where a step stands in its lab."""

    file: str
    line: int
    text: str


@dataclass
class Step:
    """The unit that is paused at, recorded and shown. Outcome: passed, failed, unsupported or interrupted.

    `start` and `end` are on the clock of the run, as the times of window outputs are.
    """

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
    points: float = 1.0
    commands: list[Command] = field(default_factory=list)
    before: Observation | None = None
    after: Observation | None = None
    shell: Observation | None = None
    """What a student's own shell left after the step."""
    checks: list[Check] = field(default_factory=list)
    prediction: Prediction | None = None
    verdicts: list[ClaimVerdict] = field(default_factory=list)
    outcome: str = "interrupted"
    error: str = ""
    seconds: float = 0.0
    start: float = 0.0
    end: float = 0.0

    @property
    def watched(self) -> list[str]:
        """The labels of the processes that were observed."""
        moments = [moment for moment in (self.before, self.after) if moment]
        return list(dict.fromkeys(process.label for moment in moments for process in moment.processes))


@dataclass
class Exercise:
    """One test function of a lab. `output` holds the events of all its windows, in order, also between steps. It is the
    last of its `attempts`: a walk through the steps may go back, and then the exercise begins anew."""

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
    attempts: int = 1


@dataclass(frozen=True)
class PlannedExercise:
    """An exercise that the lab holds, whether it ran or not; by step its `points`, and whether it `asks` something."""

    name: str
    title: str
    steps: list[str]
    claims: list[str]
    points: list[float] = field(default_factory=list)
    asks: list[bool] = field(default_factory=list)


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


@dataclass(frozen=True)
class Move:
    """What a person did at a step of a walk through the labs: pause, next, back, again, jump, shell, quit."""

    what: str
    step: str
    seconds: float


@dataclass
class Run:
    """One run on one machine. Not `complete`: it died, and what stands here is as far as it came."""

    id: str = ""
    started: str = ""
    argv: list[str] = field(default_factory=list)
    target: str = ""
    target_why: str = ""
    student: str = ""
    mode: str = ""
    facts: Facts = field(default_factory=Facts)
    labs: list[Lab] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    exitstatus: int | None = None
    seconds: float | None = None
    complete: bool = False
    torn: bool = False
    files: list[Path] = field(default_factory=list)
