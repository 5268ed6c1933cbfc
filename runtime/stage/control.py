"""The control of the stage: pauses before and after each step, and does what the keys say.

It is a listener of the record's events, in the thread that runs the labs: as long as it waits for a key, the lab
waits.  Labs know nothing of it.  To go anywhere else it leaves the exercise (:meth:`Course.abandon`) and says where to
in ``destination``; the walk (:mod:`runtime.stage.walk`) runs that exercise, on fresh state, and the control lets it
run up to the wanted step.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, NoReturn

from record import events
from runtime.lab.course import Abandoned, Course
from runtime.lab.prediction import Prediction, score
from runtime.lab.terminal import WindowError
from runtime.lab.window import Window
from runtime.stage import asking, shell
from runtime.stage.itinerary import Itinerary, Stop
from runtime.stage.keyboard import Keyboard
from runtime.stage.keys import ACTIONS
from runtime.stage.picture import Picture
from runtime.stage.scene import Pause, Phase, View

FRAME = 0.05  # seconds between two drawings while a step runs
AUTOPLAY = 5.0  # seconds, unless --autoplay says otherwise
LONGEST_DELAY = 3600.0
LONGEST_TYPING = 8.0  # seconds; a long command is typed faster


@dataclass(frozen=True)
class Goal:
    """Where to pause next: before or after a step.  ``quiet``: what comes before is a replay that nobody watches."""

    step: str | None  # None: at the end
    phase: Phase = "before"
    quiet: bool = False


class Control:
    """What the person at the terminal wants, and what is shown to them.

    ``destination`` is the step that was asked for when an exercise is left; ``quits`` when it was left for good.
    """

    resumed_by = "--step --resume"

    def __init__(
        self,
        course: Course,
        view: View,
        itinerary: Itinerary,
        report: Callable[[], str],
        autoplay: float | None = None,
        type_speed: float | None = None,
    ) -> None:
        self.course, self.view, self.itinerary = course, view, itinerary
        self.picture = Picture(itinerary)
        self.scene = self.picture.scene
        self.destination: Stop | None = None
        self.keyboard = Keyboard(view)
        self.quits = False
        self.broken: Exception | None = None  # what the stage itself failed of
        self.predictions: dict[str, Prediction] = {}  # what was said, by step: a question is asked once
        self.known: frozenset[str] = frozenset()  # the steps of those that were said before this walk
        self.goal: Goal | None = None  # None: every step
        self.results: dict[str, bool | None] = {}  # whether it was right, by step; None: nothing was said
        self.unreachable: set[str] = set()  # steps that this machine does not get to
        self._report, self._type_speed = report, type_speed
        self._autoplay = min(LONGEST_DELAY, autoplay) if autoplay else None
        self._delay = self._autoplay or AUTOPLAY
        self._drawn = 0.0
        self._left: events.Move = "quit"  # what the last exercise was left for

    # Events

    def on_event(self, event: events.Event) -> None:
        """Take an event of the record; comes back when the lab may go on."""
        if self.broken:
            return
        try:
            self._take(event)
        except Exception as error:  # a fault of the stage must not look like one of the lab
            self.broken = error
            self._quit()

    def _take(self, event: events.Event) -> None:
        self.picture.take(event)
        if isinstance(event, events.Window) and event.what == "in":
            self._type(event)
        if isinstance(event, events.Step):
            self._at(event.step, "before")
        elif isinstance(event, events.Prediction) and event.was_asked:
            self.results[event.step or ""] = event.correct
        elif isinstance(event, events.StepEnd):
            self._at(event.step or "", "after", failed=event.outcome == "failed")
        elif isinstance(event, events.Window | events.Command | events.Check) and not self._quiet:
            self._draw_sometimes()

    def _at(self, step: str, phase: Pause, failed: bool = False) -> None:
        if phase == "before":
            self._predict(step)
        if self.keyboard.gone:
            self._quit()
        if self.goal and (self.goal.step, self.goal.phase) != (step, phase) and not failed:
            if self._quiet:
                return
            if not self._interrupted():
                self._draw()
                return
            self.scene.message = "Stopped here."
        self.goal = None
        self.pause(phase)

    @property
    def _quiet(self) -> bool:
        return bool(self.goal and self.goal.quiet)

    def _interrupted(self) -> bool:
        """Whether a key was pressed while the stage ran on."""
        return self.keyboard.key(0) not in ("", "resize")

    def _draw_sometimes(self) -> None:
        if time.monotonic() - self._drawn >= FRAME:
            self._draw()

    def _draw(self) -> None:
        self.view.draw(self.scene)
        self._drawn = time.monotonic()

    def _type(self, event: events.Window) -> None:
        """Show how a command is typed, before it is."""
        pane = next((pane for pane in self.scene.panes if pane.name == event.window), None)
        text = event.data.rstrip("\n")
        if not self._type_speed or self._quiet or self.scene.quiz or not pane or not text.isprintable():
            return
        pause = min(1 / self._type_speed, LONGEST_TYPING / max(1, len(text)))
        for end in range(1, len(text) + 1):
            pane.typing = text[:end]
            self.view.draw(self.scene)
            time.sleep(pause)
        pane.typing = ""

    # A pause

    def pause(self, phase: Pause) -> None:
        """Show the scene and do what the keys say until the lab may go on; Abandoned if it shall not."""
        scene = self.scene
        step = self.picture.stop.id if self.picture.stop and phase != "end" else None
        scene.phase = phase
        self._catch_up()
        scene.waiting = True
        self.course.emit(events.Stage("pause", phase=phase, step=step))
        began = time.monotonic()
        try:
            while not self._obeyed(self._next_key()):
                pass
        except Abandoned:
            self._note(self._left, step, began)
            raise
        finally:
            scene.waiting = False
        self._note("next", step, began)
        scene.message = scene.overlay = ""
        scene.phase = "running" if phase == "before" else phase

    def _catch_up(self) -> None:
        """Show the prompts of all windows, as a person sees them; the newest output stays the newest."""
        fresh = {pane.name for pane in self.scene.panes if pane.fresh}
        windows = self.course.exercise.windows if self.course.exercise else []
        for window in windows:
            window.catch_up()
        for pane in self.scene.panes:
            pane.fresh = pane.name in fresh

    def _note(self, what: events.Move, step: str | None, began: float) -> None:
        seconds = time.monotonic() - began
        if self.course.exercise:
            self.course.paused += seconds
        self.course.emit(events.Stage(what, seconds=round(seconds, 2), step=step))

    def _next_key(self) -> str:
        self.scene.autoplay = self._autoplay
        self.view.draw(self.scene)
        key = self.keyboard.key(self._autoplay)
        if self._autoplay is not None and key not in ("", "resize"):
            self._autoplay = None
            self.scene.message = "Autoplay is off."
            return "" if key in ("a", "esc", "space", "enter") else key
        return "next" if key == "" and self._autoplay is not None else key

    def _obeyed(self, key: str) -> bool:
        """Do what a key says; True when the lab may go on."""
        if key not in ("", "resize"):
            self.scene.message = ""
        action = "next" if key == "next" else ACTIONS.get(key)
        scene = self.scene
        if action in ("hint", "why", "changes", "help"):
            scene.overlay = "" if scene.overlay == action else action
            return False
        if action == "next":
            scene.overlay = ""
            return scene.phase != "before" or key == "next" or self._asked()
        if action:
            scene.overlay = ""
            getattr(self, f"_do_{action.replace(' ', '_')}")()
            return self.goal is not None
        if key not in ("", "resize"):
            scene.overlay = ""
            scene.message = f"{key} means nothing here; ? shows the keys."
        return False

    def _do_close(self) -> None:
        """What lay over the scene is gone."""

    def _do_quit(self) -> None:
        self._quit()

    def _do_autoplay(self) -> None:
        answer = self.keyboard.line(f"Seconds between two steps (Enter: {self._delay:g}): ")
        with suppress(ValueError, TypeError):
            self._delay = min(LONGEST_DELAY, max(0.1, float(answer or self._delay)))
        self._autoplay = self._delay if answer is not None else None

    def _do_run_on(self) -> None:
        answer = self.keyboard.line("Run on to (the number of a step, lab, end): ")
        stop = None if self.scene.phase == "end" else self.picture.stop
        if not answer or not stop:
            return
        stops = self.itinerary.of_lab(stop.lab)
        here = stop.number
        if answer in ("end", "e"):
            self.goal = Goal(None)
        elif answer in ("lab", "l") and (here < len(stops) or self.scene.phase == "before"):
            self.goal = Goal(stops[-1].id, "after")
        elif answer.isdecimal() and here < int(answer) <= len(stops):
            self.goal = Goal(stops[int(answer) - 1].id)
        else:
            self.scene.message = f"{answer}: give a step after this one (up to {len(stops)}), lab, or end."

    def _do_back(self) -> None:
        here = len(self.itinerary) if self.scene.phase == "end" or not self.picture.stop else self.picture.stop.index
        before = [stop for stop in self.itinerary[:here] if stop.id not in self.unreachable - self.picture.seen]
        if before:
            self.go(before[-1], "back")
        self.scene.message = "This is the first step."

    def _do_again(self) -> None:
        if self.picture.stop and self.scene.phase != "end":
            self.go(self.picture.stop, "again")
        self.scene.message = "There is no step here."

    def _do_jump(self, search: bool = False) -> None:
        entries = self.itinerary.entries(self.picture.stop, self.picture.seen)
        chosen = self.keyboard.choose("All steps", entries, search)
        if chosen is not None:
            self.go(self.itinerary[chosen], "jump")

    def _do_search(self) -> None:
        self._do_jump(search=True)

    def _do_open(self) -> None:
        try:
            self.scene.message = f"The report so far: {self._report()}"
        except Exception as error:  # whatever a half-written record does to it, the walk goes on
            self.scene.message = f"No report yet: {error}"

    def _do_shell(self) -> None:
        step = self.course.exercise.open_step if self.course.exercise else None
        windows = self.course.exercise.windows if self.course.exercise else []
        if not step or not windows:
            self.scene.message = "No window is open yet."
            return
        window = self._chosen(windows)
        if window is None:
            return
        try:
            before, began = step.look(), time.monotonic()
            with self.view.suspend() as terminal:
                self.scene.message = shell.run(window, terminal)
            self.course.emit(events.Stage("shell", seconds=round(time.monotonic() - began, 2), step=step.id))
            after = step.look()
        except (OSError, WindowError) as error:  # the student has ended the window itself
            self.scene.message = f"The window {window.name} cannot be observed any more: {error}."
            return
        self.course.emit(events.Observation("shell", after))
        self.picture.show_shell(before, after)
        self.scene.overlay = "changes"

    def _chosen(self, windows: Sequence[Window]) -> Window | None:
        if len(windows) == 1:
            return windows[0]
        names = ", ".join(f"{number} {each.name}" for number, each in enumerate(windows, 1))
        answer = self.keyboard.line(f"In which window ({names}; Enter: 1)? ")
        by_name = {each.name: each for each in windows} | {str(n): each for n, each in enumerate(windows, 1)}
        if answer is not None and (answer or "1") not in by_name:
            self.scene.message = f"{answer}: there is no such window."
        return None if answer is None else by_name.get(answer or "1")

    # Questions

    def _predict(self, step: str) -> None:
        """Give the lab what was said of this step before."""
        if step in self.predictions and self.course.exercise and self.course.exercise.open_step:
            self.course.exercise.open_step.prediction = self.predictions[step]
            if self.scene.question:
                self.scene.question.given = self.predictions[step].given

    def _asked(self) -> bool:
        """Ask the question of the step, once and before it has run; False if the person wants to look again."""
        step = self.course.exercise.open_step if self.course.exercise else None
        if not step or not step.ask or not self.scene.question:
            return True
        if step.id in self.predictions or step.id in self.picture.seen:
            return True
        self.scene.overlay = "question"
        prediction = asking.ask(step.ask, self.scene.question, self.keyboard.line, lambda: self.view.draw(self.scene))
        self.scene.overlay = ""
        if prediction is None:
            return False
        self.predictions[step.id] = prediction
        self._predict(step.id)
        return True

    # Ways out

    def go(self, stop: Stop, why: Literal["back", "again", "jump"]) -> None:
        """Leave for another step; its exercise begins anew."""
        words = {"back": "Back to", "again": "Again:", "jump": "Now:"}[why]
        self.scene.message = f"{words} step {stop.number}, {stop.outline.title}: its exercise runs on fresh state."
        self.view.draw(self.scene)
        self.head_for(stop, why)
        self._leave(why)

    def head_for(self, stop: Stop, why: events.Again, phase: Phase = "before") -> None:
        """Pause next at this step, whose exercise is to begin."""
        self.destination, self.course.attempt_why = stop, why
        self.goal = Goal(stop.id, phase, quiet=True)

    def _quit(self) -> NoReturn:
        self.quits = True
        self._leave("quit")

    def _leave(self, why: events.Move) -> NoReturn:
        self._left = why
        self._autoplay = None
        if self.course.exercise:
            self.course.abandon()
        raise Abandoned

    def finale(self) -> None:
        """Pause when all exercises have ended; Abandoned if the person goes back from there, or quits."""
        self.goal = None
        self.picture.show_end()
        said = self.scene.message, "This is the end.", score(self.results, self.course.student)
        self.scene.message = " ".join(part for part in said if part)
        self.pause("end")

    def ended(self, reason: str, steps: list[Stop]) -> None:
        """An exercise has ended; ``reason`` says what kept it from a good end."""
        missed = [stop for stop in steps if stop.id not in self.picture.seen]
        self.unreachable |= {stop.id for stop in missed}
        if self.goal and any(stop.id == self.goal.step for stop in steps):
            self.goal = None  # the step that was wanted is not reached
        if reason:
            self.scene.message = f"“{steps[0].exercise_title}” {reason}."
