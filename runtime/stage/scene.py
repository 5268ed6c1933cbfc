"""What the stage shows at one moment, and what shows it.

The control fills one :class:`Scene` from the events of the record and hands it to a :class:`View`; a view draws it and
reads keys.  A view decides nothing: every key means the same in all views (:mod:`runtime.stage.keys`).
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from record.events import Check, Command
from record.phrases import Sentence
from record.rows import Change
from record.screen import Screen

Pause = Literal["before", "after", "end"]
Phase = Literal[Pause, "running"]
Overlay = Literal["", "help", "hint", "why", "changes", "question"]


@dataclass
class Pane:
    """A window of the lab; ``fresh`` is true of the one that printed or was typed in last."""

    name: str
    screen: Screen
    fresh: bool = False
    newest: int = 0  # the number of the line where its newest output begins
    typing: str = ""  # the part of a command that is being typed so far (--type-speed): drawn at the cursor


@dataclass(frozen=True)
class Claim:
    """A claim of the notes with the verdict of this run: holds, in part, changed, wrong, unsupported or failed."""

    id: str
    verdict: str
    statement: str
    truth: str
    reference: str


@dataclass
class Question:
    """The step's question.  ``kind`` is choice, number, text or order; choices are numbered from 1 on the screen.

    ``given`` and ``observed`` are values as the record has them: a text, a number, a list of texts; None: not yet.
    ``observed`` comes when the step has run, and with it ``correct`` (None if nothing was given).
    """

    kind: str
    text: str
    choices: list[str]
    unit: str = ""
    given: Any = None
    skipped: bool = False
    observed: Any = None
    correct: bool | None = None
    error: str = ""  # why the last answer was not one ("" if it was): shown above the prompt, which comes again


@dataclass
class Scene:
    """Everything that can be seen.  Texts are plain, of several paragraphs (blank lines between them) where long."""

    lab: str = ""  # the title of the lab
    exercise: str = ""  # the title of the exercise
    exercise_text: str = ""
    opening: bool = False  # the step is the first of its exercise
    title: str = ""  # of the step
    number: int = 0  # of the step in its lab, from 1
    total: int = 0  # steps of the lab
    done: int = 0  # steps that have been seen, of all selected labs
    course: int = 0  # steps of all selected labs
    text: str = ""
    hint: str = ""
    why: str = ""
    phase: Phase = "before"
    waiting: bool = False  # for a key: the stage does not run on by itself
    attempt: int = 1  # 2 when this exercise runs the second time
    commands: list[Command] = field(default_factory=list)  # what the step will type, from its source
    transcript: list[Command] = field(default_factory=list)  # what it has typed so far, with the output
    panes: list[Pane] = field(default_factory=list)  # in the order in which the windows were opened
    summary: list[Sentence] = field(default_factory=list)  # what changed, in sentences
    changes: list[Change] = field(default_factory=list)  # and every value, those too that say little
    checks: list[Check] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)  # from phase "after" on
    found: str = ""  # the sentence to remember of a step that passed
    error: str = ""  # what ended a step that failed or is unsupported here
    question: Question | None = None
    quiz: bool = False  # only the question may be shown: no text, commands, panes, changes, checks, claims
    message: str = ""  # one line from the control: "Back to step 2: the exercise ran again on fresh state."
    autoplay: float | None = None  # seconds until the stage goes on by itself
    overlay: Overlay = ""  # a text over everything else; the next key but its own closes it


@dataclass(frozen=True)
class Entry:
    """A line of a list: a heading (``index`` None: a lab, an exercise), or a step that can be chosen."""

    index: int | None
    text: str
    current: bool = False
    seen: bool = False


class View(Protocol):
    """Shows scenes on one terminal and reads its keys.

    ``__init__(terminal: int, colours: bool)`` takes a file descriptor that is open for reading and writing.
    No method raises when the terminal is gone: reading gives ``"eof"`` (keys) or None (lines), writing nothing.
    """

    def open(self) -> None:
        """Take the terminal."""

    def draw(self, scene: Scene) -> None:
        """Show the scene.  It is the same object each time, changed meanwhile; calls come as often as output does.

        (The control calls at most 20 times a second while a step runs.)
        """

    def key(self, timeout: float | None = None) -> str:
        """Wait for one key: "enter", "esc", "up", "ctrl-c", "n", "/", "resize" ...; "" after ``timeout`` seconds.

        "resize" comes when the terminal has another size (the control draws again); "eof" when it is gone.
        """

    def line(self, prompt: str) -> str | None:
        """Let a line be typed after ``prompt``, below the scene drawn last; None if it was given up (Esc, Ctrl-D)."""

    def choose(self, title: str, entries: Sequence[Entry], search: bool = False) -> int | None:
        """Let one of the entries be chosen: its ``index``; None if none is wanted.

        The list begins at the ``current`` one and can be narrowed by typing a text; ``search``: it begins with that.
        """

    def suspend(self) -> AbstractContextManager[int]:
        """Give the terminal away for a while, as it was before ``open``: its file descriptor.  Then take it back."""

    def close(self) -> None:
        """Leave the terminal as it was found; nothing happens the second time."""
