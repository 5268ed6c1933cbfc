"""An exercise as the harness holds it while it runs: its windows, its steps, and what it tells the record."""

from __future__ import annotations

import re
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from record import events
from record.writer import Recorder
from runtime.lab import terminal
from runtime.lab.claims import Catalogue
from runtime.lab.machine import Facts
from runtime.lab.outline import ExerciseOutline, LabOutline
from runtime.lab.window import Window

if TYPE_CHECKING:
    from runtime.lab.step import Step

SHOWN_VALUES = 2000  # characters of a check's values that are recorded
_COLOUR = re.compile(r"\x1b\[[\d;]*m")  # pytest colours an explanation where its output is coloured


class Exercise:
    """What lab_hooks, the course and the stage hold; its file is given a :class:`runtime.lab.Lab` of it.

    ``kept`` is what ends with it; ``steps`` are those that were made, begun or not; ``open_step`` has begun and not
    ended; ``choice_order`` is ``source``, or a word that the order of choices depends on.
    """

    def __init__(
        self,
        recorder: Recorder,
        outline: LabOutline,
        about: ExerciseOutline,
        directory: Path,
        facts: Facts,
        catalogue: Catalogue,
        patience: float = 1.0,
        choice_order: str = "source",
    ) -> None:
        self.directory, self.facts, self.catalogue = directory, facts, catalogue
        self.choice_order = choice_order
        self.kept = ExitStack()
        self.steps: list[Step] = []
        self.open_step: Step | None = None
        self._recorder, self._outline, self._about, self._patience = recorder, outline, about, patience
        self._windows: dict[str, Window] = {}
        directory.chmod(0o755)
        terminal.write_start_files(directory)

    def window(self, name: str, prompt: str = "") -> Window:
        """The window of that name; opened the first time that it is asked for."""
        if name not in self._windows:
            beside = partial(self._screens_beside, name)
            self._windows[name] = Window(name, self.directory, self.emit, prompt, self._patience, beside)
        return self._windows[name]

    @property
    def windows(self) -> list[Window]:
        """The windows that have been opened, in order."""
        return list(self._windows.values())

    def _screens_beside(self, name: str) -> str:
        """The end of an error message: what stands in the other windows, as that is often why one waits."""
        others = (window for other, window in self._windows.items() if other != name)
        return "".join(f"\n\nmeanwhile in {window.name}:\n{window.screen()}" for window in others)

    def emit(self, event: events.Inside) -> None:
        """Record an event of this exercise, with the step that is open if it names none."""
        event.step = event.step or (self.open_step.id if self.open_step else None)
        event.exercise = "" if event.step else self._about.name
        self._recorder.emit(event)

    def check(self, line: int, source: str, explanation: str, ok: bool = True) -> None:
        """Record an assert."""
        if self.open_step and ok:
            self.open_step.checks += 1
        self.emit(events.Check(ok, source, _values(explanation), line))

    def claim(self, name: str, verdict: events.Judgement | None = None, reason: str = "", how: str = "") -> None:
        """Record the verdict of a claim: the catalogue's on this machine, unless another one is given."""
        expected = self.catalogue[name].on(self.facts.kernel, self.facts.cgroup, self.facts.able).verdict
        self.emit(events.ClaimVerdict(name, verdict or expected, reason, how))

    def begin_step(self, step: Step) -> None:
        """Record that a step begins; from here on it is the open one."""
        if self.open_step:
            raise RuntimeError(f"step {step.title!r} begins inside step {self.open_step.title!r}: steps are not nested")
        self.open_step = step
        try:
            self._recorder.emit(step.record(self._outline.name, self._about.name, self._source(step.line)))
        except BaseException:  # whoever drives the run has left the exercise
            self.open_step = None
            raise

    def _source(self, line: int) -> events.Source:
        """The code of the step that begins at a line."""
        place = next((each for each in self._about.steps if each.first == line), None)
        if place is None:
            return events.Source(self._outline.path.name, line)
        lines = self._outline.source.splitlines()[place.first - 1 : place.last]
        indent = len(lines[0]) - len(lines[0].lstrip())
        text = "\n".join(line[indent:] for line in lines)
        return events.Source(f"labs/{self._outline.path.name}", place.first, text)

    def close(self) -> None:
        """End all that the exercise started: what was kept, newest first, and then the windows."""
        try:
            self.kept.close()
        finally:
            for window in self.windows:
                window.close()

    @property
    def lab_file(self) -> Path:
        """The file of the lab."""
        return self._outline.path

    @property
    def step_prefix(self) -> str:
        """The beginning of the ids of this exercise's steps."""
        return f"{self._outline.name}/{self._about.name}"

    @property
    def claims_reached(self) -> set[str]:
        """The claims of the steps that have begun."""
        return {claim for step in self.steps if step.began for claim in step.claims}


def uncoloured(text: str) -> str:
    """`text` without the colours of pytest."""
    return _COLOUR.sub("", text)


def _values(explanation: str) -> str:
    """Pytest's explanation of an assert without its colours and its advice on options, cut to ``SHOWN_VALUES``."""
    advice = ("Use -v", "Omitting ", "...Full output truncated")
    lines = [line for line in uncoloured(explanation).splitlines() if not line.strip().startswith(advice)]
    return "\n".join(lines).rstrip()[:SHOWN_VALUES]
