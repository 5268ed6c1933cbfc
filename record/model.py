"""What a record tells, put together: runs, labs, exercises and steps, with the events of which they are made."""

from __future__ import annotations

from pathlib import Path

from msgspec import field

from record import events
from record.events import (
    Ability,
    Check,
    Claim,
    ClaimVerdict,
    Command,
    Facts,
    Observation,
    PlannedExercise,
    Prediction,
    Process,
    Question,
    Source,
    Stage,
    State,
    Window,
)

__all__ = [
    "Ability",
    "Check",
    "Claim",
    "ClaimVerdict",
    "Command",
    "Exercise",
    "Facts",
    "Lab",
    "Observation",
    "PlannedExercise",
    "Prediction",
    "Process",
    "Question",
    "Run",
    "Source",
    "Stage",
    "State",
    "Step",
    "Window",
]


class Step(events.Step):
    """The unit that is paused at, recorded and shown. Outcome: passed, failed, unsupported or interrupted."""

    commands: list[Command] = field(default_factory=list)
    before: Observation | None = None
    after: Observation | None = None
    shell: Observation | None = None
    """What a student's own shell left after the step."""
    prompts: list[Observation] = field(default_factory=list)
    """What was observed at prompts in the step."""
    checks: list[Check] = field(default_factory=list)
    prediction: Prediction | None = None
    verdicts: list[ClaimVerdict] = field(default_factory=list)
    outcome: str = "interrupted"
    found: str = ""
    """The sentence to remember of a step that passed."""
    error: str = ""
    seconds: float = 0.0
    end: float = 0.0
    """When it ended, in seconds on the clock of the run."""

    @property
    def id(self) -> str:
        """LAB/EXERCISE/NUMBER."""
        return self.step

    @property
    def start(self) -> float:
        """When it began, in seconds on the clock of the run."""
        return self.t

    @property
    def watched(self) -> list[str]:
        """The labels of the processes that were observed."""
        moments = [moment for moment in (self.before, self.after) if moment]
        return list(dict.fromkeys(process.label for moment in moments for process in moment.processes))


class Exercise(events.Exercise):
    """One test function of a lab. `output` holds the events of all its windows, in order, also between steps. It is the
    last of its `attempts`: a walk through the steps may go back, and then the exercise begins anew."""

    steps: list[Step] = field(default_factory=list)
    output: list[Window] = field(default_factory=list)
    verdicts: list[ClaimVerdict] = field(default_factory=list)
    outcome: str = "interrupted"
    reason: str = ""
    how: str = ""
    seconds: float = 0.0
    attempts: int = 1

    @property
    def name(self) -> str:
        """The name of its test function."""
        return self.exercise


class Lab(events.Lab):
    """One section of the notes: one lab file."""

    exercises: list[Exercise] = field(default_factory=list)

    @property
    def id(self) -> str:
        """Its name in the catalogue."""
        return self.lab

    @property
    def seconds(self) -> float:
        """How long its exercises took."""
        return sum(exercise.seconds for exercise in self.exercises)


class Run(events.Run):
    """One run on one machine. Not `complete`: it died, and what stands here is as far as it came."""

    labs: list[Lab] = field(default_factory=list)
    moves: list[Stage] = field(default_factory=list)
    """What a person did who walked through the steps."""
    exitstatus: int | None = None
    seconds: float | None = None
    complete: bool = False
    torn: bool = False
    files: list[Path] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The id of the run."""
        return self.run
