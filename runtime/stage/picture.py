"""The picture: a scene that follows the events of the record."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from record.screen import Screen
from record.writer import Event
from runtime.stage.changes import changes
from runtime.stage.itinerary import Itinerary, Stop
from runtime.stage.scene import Check, Claim, Command, Pane, Question, Scene

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
        self._claims: dict[str, dict[str, Any]] = {}
        self._panes: dict[str, Pane] = {}
        self._before: Sequence[dict[str, Any]] = ()

    def take(self, event: Event) -> None:
        """Show what an event tells."""
        handler: Callable[[Event], None] | None = getattr(self, f"_on_{event['event']}", None)
        if handler:
            handler(event)

    def forget_step(self) -> None:
        """Nothing of the last step is shown any more."""
        scene = self.scene
        scene.error = scene.text = scene.hint = scene.why = scene.title = scene.overlay = ""
        for shown in (scene.commands, scene.transcript, scene.changes, scene.checks, scene.claims):
            shown.clear()
        scene.question = None

    def show_end(self) -> None:
        """Show that there are no more steps."""
        scene = self.scene
        self.forget_step()
        scene.exercise, scene.title, scene.number, scene.total = "", "The end", 0, 0
        scene.text = f"You have seen {scene.done} of {scene.course} steps; b and j lead back to any of them."

    def show_shell(self, before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]) -> None:
        """Show what a student's own shell changed."""
        self.scene.changes = changes(before, after)

    def _on_lab(self, event: Event) -> None:
        self.scene.lab = event["title"]
        self._claims = {claim["id"]: claim for claim in event["claims"]}

    def _on_exercise(self, event: Event) -> None:
        scene = self.scene
        self.forget_step()
        self._panes.clear()
        scene.panes = []
        scene.exercise, scene.exercise_text = event["title"], event["text"]
        scene.attempt = event.get("attempt", 1)

    def _on_step(self, event: Event) -> None:
        scene = self.scene
        self.forget_step()
        self.stop = stop = self._itinerary.find(event["step"])
        scene.title, scene.text, scene.hint, scene.why = (event[name] for name in ("title", "text", "hint", "why"))
        scene.phase, scene.opening = "before", event["number"] == 1
        if stop:
            scene.lab, scene.number, scene.total = stop.lab_title, stop.number, self._itinerary.total(stop.lab)
            scene.commands = [Command(window, text) for window, text in stop.outline.commands]
        ask = event["ask"]
        if ask:
            scene.question = Question(ask["kind"], ask["question"], ask["choices"], ask["unit"])
        scene.done = len(self.seen)

    def _on_window(self, event: Event) -> None:
        if event["what"] == "open":
            size = event["data"]
            pane = Pane(event["window"], Screen(size["columns"], size["rows"], HISTORY))
            self._panes[event["window"]] = pane
            self.scene.panes = list(self._panes.values())
        pane = self._panes[event["window"]]
        if event["what"] in ("in", "out"):
            for other in self._panes.values():
                other.fresh = other is pane
        if event["what"] == "in" and "\n" in event["data"]:
            pane.newest = pane.screen.position
        if event["what"] == "out":
            pane.screen.feed(event["data"])

    def _on_command(self, event: Event) -> None:
        typed = Command(event["window"], event["text"], event["output"], event["status"])
        self.scene.transcript.append(typed)

    def _on_observation(self, event: Event) -> None:
        if event["when"] == "before":
            self._before = event["processes"]
            self.scene.phase = "running"
        elif event["when"] == "after":
            self.scene.changes = changes(self._before, event["processes"])

    def _on_check(self, event: Event) -> None:
        self.scene.checks.append(Check(event["ok"], event["source"], event["values"]))

    def _on_prediction(self, event: Event) -> None:
        if self.scene.question:
            given, observed, correct = event["given"], event["observed"], event["correct"]
            told = replace(self.scene.question, given=given, observed=observed, correct=correct)
            self.scene.question = replace(told, skipped=event.get("skipped", False))

    def _on_claim(self, event: Event) -> None:
        about = self._claims.get(event["claim"])
        if about and event["step"]:
            texts = (about[name] for name in ("statement", "truth", "reference"))
            self.scene.claims.append(Claim(event["claim"], event["verdict"], *texts))

    def _on_step_end(self, event: Event) -> None:
        scene = self.scene
        scene.phase, scene.error = "after", event.get("error", "")
        self.seen.add(event["step"])
        scene.done = len(self.seen)
