"""The events of a record, each as a type: what writes them, reads them, documents them and refuses broken ones.

A record is JSON lines, one event a line, in the order in which they happened: ``{"v":2,"event":"check","t":1.25,...}``.
``v`` is the :data:`VERSION` in which the line is written; :mod:`record.versions` says how an older one is lifted.
A key that has its default value is not written. docs/record.schema.json is made of this file (:mod:`record.schema`).
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args

from msgspec import Meta, Struct

VERSION = 2

# Numbers that could be are bounded: a record may come from anybody.
Seconds = Annotated[float, Meta(ge=0, le=1e9)]
Points = Annotated[float, Meta(ge=0, le=1e6)]
Line = Annotated[int, Meta(ge=0, le=10**7)]
Natural = Annotated[int, Meta(ge=0, le=2**32)]
Cells = Annotated[int, Meta(ge=1, le=1000)]

State = dict[str, Any]
"""What the kernel says of one process: parsed values by path as a lab has it, with the literal PID for the process. A
value that could not be read is ``{"error": "EACCES"}``."""
Answer = str | int | float | list[str]
"""A choice or a text, a number, or the choices in their order."""
QuestionKind = Literal["choice", "number", "text", "order"]
Mode = Literal["", "step", "quiz"]
Again = Literal["", "back", "again", "jump", "resume"]
Move = Literal["pause", "next", "back", "again", "jump", "shell", "quit"]
Outcome = Literal["passed", "failed", "unsupported"]
Judgement = Literal["holds", "in part", "changed", "wrong", "unsupported", "failed"]
OutcomeWord = Annotated[str, Meta(extra_json_schema={"enum": [*get_args(Outcome)]})]
JudgementWord = Annotated[str, Meta(extra_json_schema={"enum": [*get_args(Judgement)]})]
"""What is written is one of these words; a reader takes another one, of a later time, as it is."""
Moment = Literal["before", "after", "shell", "prompt"]


# What events are made of


class Part(Struct, frozen=True, omit_defaults=True):
    """A part of an event."""


class Ability(Part, frozen=True):
    """One thing that a machine can show or not."""

    ok: bool
    """Whether it can."""
    reason: str = ""
    """Why not."""
    how: str = ""
    """How to enable what the machine lacks."""


class Facts(Part, frozen=True):
    """The machine, before the first step."""

    kernel: str = ""
    """The release of the kernel: 6.1.0-28-amd64."""
    machine: str = ""
    """The architecture: x86_64."""
    distribution: str = ""
    """The name of the system."""
    python: str = ""
    """The version of Python."""
    cgroup: str = ""
    """How control groups are mounted: v1, v2, or hybrid for v1 controllers beside a v2 tree."""
    lsm: list[str] = []
    """The security modules."""
    uid: str = ""
    """The user id of the run on the machine."""
    rootless: bool = False
    """Whether the run is in a user namespace of an ordinary user."""
    sandbox: bool = False
    """Whether it ran in namespaces of its own."""
    vm: bool = False
    """Whether the machine is the lab VM."""
    vm_name: str = ""
    """The name of the VM."""
    box: str = ""
    """What the VM was made of."""
    tools: dict[str, str] = {}
    """The versions of the tools that the labs use, by name."""
    can: dict[str, Ability] = {}
    """What the machine can show, by name."""


class PlannedExercise(Part, frozen=True):
    """An exercise as the lab file holds it, run or not."""

    name: str
    """The name of its test function."""
    title: str = ""
    """The first line of its docstring."""
    steps: list[str] = []
    """The titles of its steps."""
    claims: list[str] = []
    """The ids of the claims that its steps own."""
    points: list[Points] = []
    """What each step counts in a grade."""
    asks: list[bool] = []
    """Whether each step has a question."""


class Claim(Part, frozen=True):
    """A claim of the catalogue, as it is to be judged on this machine."""

    id: str
    """Its id: uts-01."""
    section: str = ""
    """The section of the notes."""
    statement: str = ""
    """What the notes say."""
    verdict: str = ""
    """The verdict that is expected on this machine: holds, in part, changed or wrong."""
    truth: str = ""
    """What is true."""
    reference: str = ""
    """Where it is written down."""
    visible_in: list[str] = []
    """The files that make it visible; PID stands for the process that one looks at."""
    kind: Literal["claim", "fact"] = "claim"
    """A claim of the notes, or a fact that the notes leave out."""


class Question(Part, frozen=True):
    """A question that a student answers before a step."""

    kind: QuestionKind
    """What is asked for: one of the choices, a number, a text, or the choices in their order."""
    question: str
    """Its words."""
    choices: list[str] = []
    """What can be chosen; empty for a number or a text."""
    unit: str = ""
    """The unit of a number."""


class Source(Part, frozen=True):
    """Where a step stands in its lab."""

    file: str = ""
    """The file, from the root of the project."""
    line: Line = 0
    """Its first line."""
    text: str = ""
    """Its code."""


class Process(Part, frozen=True):
    """A watched process at one moment."""

    label: str
    """What the lab calls it."""
    window: str
    """The window that shows it; empty for one without."""
    pid: Natural
    """Its number for the observer."""
    role: str
    """What it is: the shell of a window, its job, a process, a child."""
    parent: Natural
    """The number of its parent for the observer."""
    state: State | None
    """What the kernel says of it, by path (PID stands for the process); null: it had vanished. With `base` only the
    values that the base does not have. A value that could not be read is {"error": "EACCES"}."""
    base: Natural | None = None
    """The state from which this one differs: its number among the states of this exercise that are not null, counted
    from 0 since the exercise began. Without it the state is whole."""
    parts: dict[str, Any] = {}
    """Values of which only a part differs from the value of the base, by path. Of an object: the fields that it has not
    or otherwise. Of a list, [first, last, item ...]: so many entries of the base, the items, and the last entries of
    the base."""
    gone: list[str] = []
    """The paths of the base that this state does not have."""


# Events


def _tag(name: str) -> str:
    """``step_end`` of StepEnd."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


class Event(Struct, tag=_tag, tag_field="event", omit_defaults=True, kw_only=True):
    """Something that happened."""

    t: Seconds = 0.0
    """When, in seconds since the run began."""


class Inside(Event, kw_only=True):
    """Something that happened in an exercise: the one that has begun last, or in the step that it names."""

    exercise: str = ""
    """The exercise, by the name of its test function, where no step is named."""
    step: str | None = None
    """The step that is open: LAB/EXERCISE/NUMBER."""


class Run(Event):
    """The first event: one run of labs on one machine. It comes again where a run was resumed."""

    run: str
    """The id of the run; the records of its workers have the same."""
    started: str = ""
    """When it began, ISO 8601 with offset."""
    argv: list[str] = []
    """The arguments of pytest."""
    target: str = ""
    """Where the labs ran: here, sandbox or vm."""
    target_why: str = ""
    """Why there, in one line."""
    student: str = ""
    """Who ran it, where a name was given."""
    mode: Mode = ""
    """How a person walked through it: step by step, as a quiz; empty when nobody did."""
    facts: Facts = Facts()
    """The machine."""


class Lab(Event):
    """A lab begins: what its file and the catalogue say of it."""

    lab: str
    """The lab, by its name in the catalogue: uts."""
    file: str = ""
    """The file, from the root of the project: labs/test_01_uts.py."""
    order: Annotated[int, Meta(ge=-(10**6), le=10**6)] = 0
    """Its place in the course."""
    title: str = ""
    """The first line of its docstring."""
    text: str = ""
    """The rest of its docstring."""
    planned: list[PlannedExercise] = []
    """Its exercises as the file holds them, run or not."""
    claims: list[Claim] = []
    """The claims of the lab."""


class Exercise(Event):
    """An exercise begins. The same one may begin again: a repeated attempt takes the place of the one before it."""

    lab: str
    """The lab, by its name in the catalogue."""
    exercise: str
    """The exercise: the name of its test function."""
    nodeid: str = ""
    """Its pytest id."""
    title: str = ""
    """The first line of its docstring."""
    text: str = ""
    """The rest of its docstring."""
    line: Line = 0
    """The line of the file on which it begins."""
    attempt: Annotated[int, Meta(ge=1, le=10**6)] = 1
    """Which attempt this is."""
    why: Again = ""
    """Why it began again."""


class Step(Event):
    """A step begins: the unit that is paused at and shown."""

    step: str
    """The step: LAB/EXERCISE/NUMBER, such as uts/test_rename_stays_inside/2."""
    lab: str = ""
    """The lab, by its name in the catalogue."""
    exercise: str = ""
    """The exercise: the name of its test function."""
    number: Annotated[int, Meta(ge=0, le=10**6)] = 0
    """Its place in the exercise, from 1."""
    title: str = ""
    """What is done, in a few words."""
    text: str = ""
    """The lesson."""
    hint: str = ""
    """A hint for the question."""
    why: str = ""
    """The longer explanation."""
    claims: list[str] = []
    """The ids of the claims that it owns: its checks earn their verdicts."""
    shows: list[str] = []
    """The ids of the claims that it shows beside these."""
    watch: list[str] = []
    """What it watches, by label: windows, processes."""
    ask: Question | None = None
    """The question before the step; nothing if it asks nothing."""
    source: Source = Source()
    """Where it stands in its lab."""
    points: Points = 1.0
    """What the step counts in a grade, and a right answer too."""


class Observation(Inside):
    """What the kernel said of the watched processes at one moment."""

    when: Moment
    """Before or after the step, after a shell of the student in it, or at a prompt in it."""
    processes: list[Process]
    """The processes, in the order in which they are watched."""
    window: str = ""
    """At a prompt: its window."""
    command: Annotated[int, Meta(ge=0, le=10**6)] = 0
    """At a prompt: the command that it follows, by its place among the commands of the step, from 1."""


class Window(Inside):
    """Something happened in a window: a terminal with a shell."""

    window: str
    """The window, by its name."""
    what: Literal["open", "in", "out", "close"]
    """It was opened, text was typed (in) or printed (out), it was closed."""
    data: str = ""
    """The text, as the terminal got it; bytes that are no UTF-8 stand as \\xNN."""
    columns: Cells | None = None
    """Of a window that was opened: characters in a line."""
    rows: Cells | None = None
    """Of a window that was opened: lines."""


class Command(Inside):
    """A command in a window has ended."""

    window: str
    """The window, by its name."""
    text: str
    """The command as typed."""
    status: Annotated[int, Meta(ge=-(2**31), le=2**31)] | None = None
    """Its exit status; nothing if it did not end."""
    seconds: Seconds = 0.0
    """How long it took."""
    output: str = ""
    """What it printed, without colours and echo."""


class Check(Inside):
    """One assert of the lab."""

    ok: bool
    """Whether it held."""
    source: str
    """Its line of code."""
    values: str = ""
    """The values in it, as pytest explains them."""
    line: Line = 0
    """Its line in the file."""


class Prediction(Inside):
    """The answer to the question of the step, judged by what was observed."""

    observed: Answer | None
    """What happened; null if the step ended before it was observed."""
    given: Answer | None
    """What the student said would happen; null if nobody was asked or nothing was said."""
    correct: bool | None
    """Whether it was right; null if there is no answer to judge."""
    skipped: bool = False
    """Whether the student was asked and gave no answer."""
    seconds: Seconds | None = None
    """How long the student thought; nothing if nobody was asked."""

    @property
    def was_asked(self) -> bool:
        """Whether somebody answered or passed over the question; in a run without a student nobody was asked."""
        return self.given is not None or self.skipped


class ClaimVerdict(Inside, tag="claim"):
    """The verdict on a claim, earned by the asserts of the step that owns it; without a step: it was not reached."""

    claim: str
    """The id of the claim: uts-01."""
    verdict: JudgementWord
    """The notes are right; true in part; true once; wrong; this machine cannot show it; the step failed."""
    reason: str = ""
    """Why: the first line of the error, or what the machine lacks."""
    how: str = ""
    """How to enable what the machine lacks."""


class StepEnd(Inside):
    """A step has ended."""

    outcome: OutcomeWord
    """How."""
    seconds: Seconds = 0.0
    """How long it took."""
    found: str = ""
    """The sentence to remember of a step that passed."""
    error: str = ""
    """What went wrong, or what the machine lacks."""


class ExerciseEnd(Event):
    """An exercise has ended."""

    lab: str
    """The lab, by its name in the catalogue."""
    exercise: str
    """The exercise: the name of its test function."""
    outcome: OutcomeWord
    """How."""
    seconds: Seconds = 0.0
    """How long it took."""
    reason: str = ""
    """Why: the first line of the error, or what the machine lacks."""
    how: str = ""
    """How to enable what the machine lacks."""


class Stage(Inside):
    """A person who walks through the steps did something."""

    what: Move
    """Waited, went on, went back, did the step again, went elsewhere, opened a shell, ended the run."""
    phase: Literal["", "before", "after", "end"] = ""
    """Of a pause: before or after the step, or at the end of the exercise."""
    seconds: Seconds = 0.0
    """How long the run waited there."""


class End(Event):
    """The last event. A record without it is that of a run that died."""

    exitstatus: Annotated[int, Meta(ge=-(2**31), le=2**31)]
    """The exit status of pytest."""


EVENTS: tuple[type[Event], ...] = (
    *(Run, Lab, Exercise, Step, Observation, Window, Command, Check, Prediction, ClaimVerdict),
    *(StepEnd, ExerciseEnd, Stage, End),
)
"""All kinds of events, in the order of a run."""


def kind(event: type[Event]) -> str:
    """The word for a kind of event in the record: ``step_end``."""
    return str(event.__struct_config__.tag)
