"""The stage in lines: for dumb terminals, screen readers and slow connections.

Nothing is drawn over: what is new is printed below.  Keys are typed as a letter and Enter; what follows the letter
answers the question that the key asks (``g end``, ``/host``).
"""

import os
import select
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TypeVar

from record import verdicts
from record.events import Command
from record.summary import WORDS
from runtime.stage.keys import ACTIONS, KEYS
from runtime.stage.pages import loud_first
from runtime.stage.scene import Entry, Question, Scene

MENU = "n next  b back  r again  g run on  a autoplay  j jump  s shell  q quit  ? help > "
T = TypeVar("T")

CHANGES = 10  # that are listed by themselves; d lists all


class PlainView:
    """Prints what a scene has that it had not before."""

    def __init__(self, terminal: int, colours: bool = False) -> None:
        self._terminal = terminal
        self._typed = b""  # what was read and not yet taken
        self._rest = ""  # what followed a key in its line
        self._waits = False  # the prompt stands there already
        self._ended = False
        self._step: tuple[object, ...] = ()  # which step was printed
        self._printed: Counter[str] = Counter()  # and how many of its parts, by their kind
        self._once: dict[str, str] = {}  # what was printed last of texts that stay in the scene
        self._typing = ""

    def open(self) -> None:
        self._write("\n")

    def close(self) -> None:
        """There is nothing to undo."""

    @contextmanager
    def suspend(self) -> Iterator[int]:
        yield self._terminal

    def draw(self, scene: Scene) -> None:
        step = scene.lab, scene.exercise, scene.attempt, scene.title
        if scene.message:
            self._say(scene.message)
            scene.message = ""  # what is printed needs not be taken away
        if self._new("autoplay", str(scene.autoplay or "")):
            self._say(f"It goes on by itself every {scene.autoplay:g} seconds; Enter stops it.")
        if scene.title and step != self._step and scene.phase != "end":
            self._step = step
            self._printed.clear()
            self._header(scene)
        if not scene.quiz:
            self._typing_of(scene)
            for command in self._unprinted("transcript", scene.transcript):
                self._ran(command)
        if scene.phase == "after" and self._unprinted("after", [None]):
            self._result(scene)
        if scene.overlay:
            self._overlay(scene)
            if scene.overlay != "question":
                scene.overlay = ""

    def _header(self, scene: Scene) -> None:
        self._write("\n")
        if self._new("lab", scene.lab) or (scene.opening and not scene.quiz):
            self._say(f"Lab: {scene.lab}")
        if scene.quiz:
            self._say(scene.title)
        else:
            if self._new("exercise", f"{scene.lab}\n{scene.exercise}\n{scene.attempt}"):
                self._say(f"Exercise: {scene.exercise}", *_paragraphs(scene.exercise_text))
            self._say(f"Step {scene.number} of {scene.total}: {scene.title}", *_paragraphs(scene.text))
            if scene.commands:
                self._say("It will type:")
                self._lines(f"  {line}" for command in scene.commands for line in _typed(command))
        if scene.question:
            self._question(scene.question)

    def _question(self, question: Question) -> None:
        self._say(f"Question: {question.text}")
        self._lines(f"  {number} {choice}" for number, choice in enumerate(question.choices, 1))

    def _typing_of(self, scene: Scene) -> None:
        typing = next(((pane.name, pane.typing) for pane in scene.panes if pane.typing), None)
        if typing:
            begun = f"{typing[0]}$ "
            if not self._typing:
                self._write(begun)
                self._typing = begun
            self._write(_visible((begun + typing[1])[len(self._typing) :]))
            self._typing = begun + typing[1]

    def _ran(self, command: Command) -> None:
        typed = _typed(command)
        if [self._typing] == typed:
            self._write("\n")
        else:
            self._lines(typed)
        self._typing = ""
        if command.output:
            self._lines(command.output.split("\n"))
        if command.status:
            self._write(f"(exit status {command.status})\n")

    def _result(self, scene: Scene) -> None:
        if not scene.quiz:
            self._say(*([f"Found: {scene.found}"] if scene.found else []))
            self._summary(scene, CHANGES)
            for check in scene.checks:
                self._say(f"Check {'holds' if check.ok else 'FAILS'}: {check.source}")
                self._lines([] if check.ok else check.values.split("\n"))
            for claim in scene.claims:
                self._say(f"Claim {claim.id}, {claim.verdict}: {claim.statement}")
                self._say(*([] if claim.verdict == "holds" else [f"True is: {claim.truth}"]), f"See {claim.reference}.")
        if scene.question:
            self._answer(scene.question)
        if scene.error:
            first, *others = scene.error.split("\n")
            self._say(f"The step did not end well: {first}")
            self._lines(others)

    def _answer(self, question: Question) -> None:
        if question.observed is not None:
            said = "" if question.given is None else f"You said: {_shown(question.given, question.unit)}. "
            judged = "" if question.correct is None else f" {verdicts.answer(question.correct).word.capitalize()}."
            self._say(f"{said}It is: {_shown(question.observed, question.unit)}.{judged}")

    def _summary(self, scene: Scene, most: int) -> None:
        if scene.summary:
            self._say("What changed:")
        for sentence in scene.summary[:most]:
            word = f"{WORDS[sentence.kind]}: " if WORDS[sentence.kind] else ""
            self._say(f"  {word}{sentence.text}".replace("→", "->"))
        if len(scene.summary) > most:
            self._say(f"  and {len(scene.summary) - most} more (d lists all)")

    def _changes(self, scene: Scene) -> None:
        """The sentences, and every value that says something."""
        self._summary(scene, len(scene.summary))
        loud, quiet = loud_first(scene.changes)
        for change in loud:
            old, new = ("(nothing)" if value is None else value for value in (change.before, change.after))
            self._say(f"  {change.process} {change.path} {change.field}".rstrip() + f": {old} -> {new}")
        if quiet:
            self._say(f"  and {len(quiet)} that say little")

    def _overlay(self, scene: Scene) -> None:
        if scene.overlay == "help":
            self._lines(f"  {', '.join(key.names):9} {key.help}" for key in KEYS)
        elif scene.overlay == "hint":
            self._say(f"Hint: {scene.hint or 'this step has none.'}")
        elif scene.overlay == "why":
            self._say(*_paragraphs(scene.why or "This step has no longer explanation."))
        elif scene.overlay == "changes":
            self._changes(scene)
            ran = scene.phase in ("after", "end")
            nothing = "Nothing is watched in this step." if ran else "The step has not run yet."
            self._say(*([] if scene.summary else [nothing]))
        elif scene.overlay == "question" and scene.question and scene.question.error:
            self._say(scene.question.error)

    # Keys

    def key(self, timeout: float | None = None) -> str:
        if not self._waits and timeout is None:
            self._write(MENU)
            self._waits = True
        line = self._read(timeout)
        if line is None:
            return "eof" if self._ended else ""
        self._waits = False
        word, _, self._rest = line.strip().partition(" ")
        if word[1:] and word not in ACTIONS:
            word, self._rest = word[0], line.strip()[1:]
        return word or "enter"

    def line(self, prompt: str) -> str | None:
        if self._rest:
            answer, self._rest = self._rest, ""
            return answer
        self._write(prompt)
        line = self._read(None)
        return None if line is None else line.strip()

    def choose(self, title: str, entries: Sequence[Entry], search: bool = False) -> int | None:
        wanted = self.line("Search for: ") if search else self._rest
        self._rest = ""
        while wanted is not None:
            if wanted.isdecimal() and any(entry.index == int(wanted) - 1 for entry in entries):
                return int(wanted) - 1
            found = [entry for entry in entries if entry.index is None or wanted.lower() in entry.text.lower()]
            if not any(entry.index is not None for entry in found):
                self._say(f"There is no step {wanted!r}.")
            self._say(title)
            for entry, below in zip(found, [*found[1:], None], strict=True):
                if entry.index is not None:
                    mark = "*" if entry.current else "." if entry.seen else " "
                    self._write(f"{mark}{entry.index + 1:4}  {_visible(entry.text)}\n")
                elif not wanted or (below and below.index is not None):
                    self._write(f"{_visible(entry.text)}\n")
            wanted = self.line("Number of a step, or a word to search for (Enter: none): ") or None
        return None

    def _read(self, timeout: float | None) -> str | None:
        """The next line; None after ``timeout`` seconds, at Ctrl-D, or when the terminal is gone."""
        self._ended = False
        while b"\n" not in self._typed:
            try:
                if not select.select([self._terminal], [], [], timeout)[0]:
                    return None
                data = os.read(self._terminal, 4096)
            except OSError:
                data = b""
            if not data:
                self._ended = True
                return None
            self._typed += data
        line, _, self._typed = self._typed.partition(b"\n")
        return line.decode("utf-8", "replace")

    # Lines

    def _new(self, name: str, text: str) -> bool:
        """Whether a text that stays in the scene is another one than last time, and not empty."""
        if text == self._once.get(name):
            return False
        self._once[name] = text
        return bool(text)

    def _unprinted(self, name: str, parts: Sequence[T]) -> list[T]:
        new = list(parts[self._printed[name] :])
        self._printed[name] = len(parts)
        return new

    def _say(self, *paragraphs: str) -> None:
        width = 79
        with suppress(OSError):
            width = max(20, os.get_terminal_size(self._terminal).columns - 1)
        for paragraph in paragraphs:
            indent = " " * (len(paragraph) - len(paragraph.lstrip()))
            lines = textwrap.wrap(paragraph, width, subsequent_indent=indent, break_on_hyphens=False)
            self._lines(lines)

    def _lines(self, lines: Iterator[str] | Sequence[str]) -> None:
        for line in lines:
            self._write(_visible(line) + "\n")

    def _write(self, text: str) -> None:
        data = text.encode("utf-8", "replace")
        try:
            while data:
                data = data[os.write(self._terminal, data) :]
        except OSError:
            self._ended = True


def _paragraphs(text: str) -> list[str]:
    return [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]


def _typed(command: Command) -> list[str]:
    """A command behind the name of its window; further lines as a shell asks for them."""
    return f"{command.window}$ {command.text}".replace("\n", "\n> ").split("\n")


def _visible(text: str) -> str:
    """The text without characters that would steer the terminal."""
    return "".join(char if char.isprintable() or char == "\t" else "?" for char in text)


def _shown(value: object, unit: str) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"{text} {unit}".rstrip()
