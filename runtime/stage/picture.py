"""The picture: a scene that follows the events of the record."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from record import events
from record.rows import compare, places
from record.screen import COLUMNS, ROWS, Screen
from record.summary import summary
from runtime.stage.itinerary import Itinerary, Stop
from runtime.stage.scene import Claim, Pane, Question, Scene

HISTORY = 2000  # lines that have scrolled off the top of a window and can still be read


class Picture:
    """Fills ``scene``; ``stop`` is the step that it shows (None before the first one), ``seen`` the ids of those shown.

    Each ``_on_`` method knows one kind of event; other kinds show nothing.
    """

    def __init__(self, itinerary: Itinerary) -> None:
        self.scene = Scene(course=len(itinerary))
        self.stop: Stop | None = None
        self.seen: set[str] = set()
        self._itinerary = itinerary
        self._claims: dict[str, events.Claim] = {}
        self._panes: dict[str, Pane] = {}
        self._matter: dict[str, set[str]] = {}  # where the claims of the step are visible
        self._before: Sequence[events.Process] = ()
        self._handlers: dict[type[events.Event], Callable[[Any], None]] = {
            events.Lab: self._on_lab,
            events.Exercise: self._on_exercise,
            events.Step: self._on_step,
            events.Window: self._on_window,
            events.Command: self._on_command,
            events.Observation: self._on_observation,
            events.Check: self._on_check,
            events.Prediction: self._on_prediction,
            events.ClaimVerdict: self._on_claim,
            events.StepEnd: self._on_step_end,
        }

    def take(self, event: events.Event) -> None:
        """Show what an event tells."""
        handler = self._handlers.get(type(event))
        if handler:
            handler(event)

    def forget_step(self) -> None:
        """Nothing of the last step is shown any more."""
        scene = self.scene
        scene.found = scene.error = scene.text = scene.hint = scene.why = scene.title = scene.overlay = ""
        for shown in (scene.commands, scene.transcript, scene.summary, scene.changes, scene.checks, scene.claims):
            shown.clear()
        scene.question = None

    def show_end(self) -> None:
        """Show that there are no more steps."""
        scene = self.scene
        self.forget_step()
        scene.exercise, scene.title, scene.number, scene.total = "", "The end", 0, 0
        scene.text = f"You have seen {scene.done} of {scene.course} steps; b and j lead back to any of them."

    def show_shell(self, before: Sequence[events.Process], after: Sequence[events.Process]) -> None:
        """Show what a student's own shell changed."""
        self._show_changes(before, after)

    def _show_changes(self, before: Sequence[events.Process], after: Sequence[events.Process]) -> None:
        compared = compare(before, after, self._matter)
        self.scene.summary = summary(compared)
        self.scene.changes = [change for one in compared for change in one.changes]

    def _on_lab(self, event: events.Lab) -> None:
        self.scene.lab = event.title
        self._claims = {claim.id: claim for claim in event.claims}

    def _on_exercise(self, event: events.Exercise) -> None:
        scene = self.scene
        self.forget_step()
        self._panes.clear()
        self._before = ()
        scene.panes = []
        scene.exercise, scene.exercise_text = event.title, event.text
        scene.attempt = event.attempt

    def _on_step(self, event: events.Step) -> None:
        scene = self.scene
        self.forget_step()
        self.stop = stop = self._itinerary.find(event.step)
        scene.title, scene.text, scene.hint, scene.why = event.title, event.text, event.hint, event.why
        scene.phase, scene.opening = "before", event.number == 1
        if stop:
            scene.lab, scene.number, scene.total = stop.lab_title, stop.number, self._itinerary.total(stop.lab)
            scene.commands = [events.Command(window, text) for window, text in stop.outline.commands]
        about = (self._claims[claim] for claim in event.claims if claim in self._claims)
        self._matter = places(place for claim in about for place in claim.visible_in)
        if event.ask:
            scene.question = Question(event.ask.kind, event.ask.question, event.ask.choices, event.ask.unit)
        scene.done = len(self.seen)

    def _on_window(self, event: events.Window) -> None:
        if event.what == "open":
            pane = Pane(event.window, Screen(event.columns or COLUMNS, event.rows or ROWS, HISTORY))
            self._panes[event.window] = pane
            self.scene.panes = list(self._panes.values())
        pane = self._panes[event.window]
        if event.what in ("in", "out"):
            for other in self._panes.values():
                other.fresh = other is pane
        if event.what == "in" and "\n" in event.data:
            pane.newest = pane.screen.position
        if event.what == "out":
            pane.screen.feed(event.data)

    def _on_command(self, event: events.Command) -> None:
        self.scene.transcript.append(event)

    def _on_observation(self, event: events.Observation) -> None:
        if event.when == "before":
            self.scene.phase = "running"
        elif event.when == "after":
            self._show_changes(self._before, event.processes)
        if event.when != "prompt":
            self._before = event.processes

    def _on_check(self, event: events.Check) -> None:
        self.scene.checks.append(event)

    def _on_prediction(self, event: events.Prediction) -> None:
        if self.scene.question:
            told = replace(self.scene.question, given=event.given, observed=event.observed, correct=event.correct)
            self.scene.question = replace(told, skipped=event.skipped)

    def _on_claim(self, event: events.ClaimVerdict) -> None:
        about = self._claims.get(event.claim)
        if about and event.step:
            self.scene.claims.append(Claim(event.claim, event.verdict, about.statement, about.truth, about.reference))

    def _on_step_end(self, event: events.StepEnd) -> None:
        scene = self.scene
        scene.phase, scene.found, scene.error = "after", event.found, event.error
        self.seen.add(event.step or "")
        scene.done = len(self.seen)
