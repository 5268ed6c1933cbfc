"""The questions of the labs as a test."""

from record import events
from runtime.stage.control import Control
from runtime.stage.keys import ACTIONS
from runtime.stage.scene import Pause


class Quiz(Control):
    """Only the questions, as a test: nothing is shown before the answer, and nothing is done twice."""

    resumed_by = "--quiz --resume"

    def _at(self, step: str, phase: Pause, failed: bool = False) -> None:
        del failed
        if phase == "before":
            self._predict(step)
            self._hide(step)
        if self.keyboard.gone:
            self._quit()
        if self.scene.question is None or step in self.known:
            return
        if phase == "before":
            self.course.emit(events.Stage("pause", phase=phase, step=step))
            self.view.draw(self.scene)
            if not self._asked():
                self._quit()
        else:
            self.pause(phase)

    def _hide(self, step: str) -> None:
        """Leave nothing in the scene that could tell: titles do, often."""
        questions = [stop.id for stop in self.itinerary if stop.outline.asks]
        self.scene.quiz, self.scene.exercise = True, ""
        if step in questions:
            self.scene.number, self.scene.total = questions.index(step) + 1, len(questions)
            self.scene.title = f"Question {self.scene.number} of {self.scene.total}"

    def _draw_sometimes(self) -> None:
        """What runs between two questions is not for the eyes of who answers."""

    def _obeyed(self, key: str) -> bool:
        if ACTIONS.get(key) in ("back", "again", "run on", "jump", "search", "shell", "changes", "autoplay"):
            self.scene.message = "Not in a quiz: n goes on, w says why it is so, q quits."
            return False
        return super()._obeyed(key)
