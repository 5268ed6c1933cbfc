"""A lab as its file uses it: windows, steps, and what the machine is."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import NoReturn, TypeVar

from runtime.lab.exercise import Exercise
from runtime.lab.machine import NOBODY
from runtime.lab.prediction import Question
from runtime.lab.requirements import Unsupported
from runtime.lab.step import Step, Watched
from runtime.lab.texts import clean
from runtime.lab.window import Window

T = TypeVar("T")


class Lab:
    """What an exercise is given: ``lab.window("first")``, ``lab.step("title")``, ``lab.facts``.

    ``directory`` is an empty folder of the exercise and the home of its windows; ``programs`` holds the C programs;
    ``facts`` is what is known of the machine.
    """

    def __init__(self, exercise: Exercise) -> None:
        self._exercise = exercise
        self.directory, self.facts = exercise.directory, exercise.facts
        self.programs = exercise.lab_file.parent / "programs"

    def window(self, name: str, prompt: str = "") -> Window:
        """The window of that name; opened the first time that it is asked for.

        Its prompt is its name, ``first# ``, unless the lesson is about prompts: ``prompt=LOGIN_PROMPT``.
        """
        return self._exercise.window(name, prompt)

    def step(
        self,
        title: str,
        text: str = "",
        *,
        why: str = "",
        hint: str = "",
        watch: Sequence[Watched] = (),
        files: Sequence[str] = (),
        claims: Sequence[str] = (),
        shows: Sequence[str] = (),
        ask: Question | None = None,
        found: str = "",
        points: float = 1,
    ) -> Step:
        """A step of the lesson, as a ``with`` statement.

        ``title``, ``text`` and ``hint`` are shown before it runs and do not tell how it ends; ``found`` is the sentence
        to remember, ``why`` the longer explanation: both are for afterwards.  Texts may be indented blocks.
        ``watch``: the windows, pids and children whose state is observed before and after; ``files``: paths to observe
        besides the usual ones, written with PID for the process; ``claims``: the claims that this step owns and earns
        by its asserts; ``shows``: claims that are visible here too; ``ask``: a question that ``step.answer`` answers;
        ``points``: what the step counts in a grade.
        """
        exercise = self._exercise
        for name in (*claims, *shows):
            exercise.catalogue[name]
        number = len(exercise.steps) + 1
        if ask and exercise.choice_order != "source":
            ask = ask.shuffled(f"{exercise.choice_order}/{exercise.step_prefix}/{number}")
        step = Step(exercise, number, title, watch, files, claims, ask)
        exercise.steps.append(step)
        texts = {"text": clean(text), "why": clean(why), "hint": clean(hint)}
        step.about = {**texts, "shows": list(shows), "points": points}
        step.found = clean(found)
        return step

    @property
    def ordinary_user(self) -> str:
        """The words that start a command as an ordinary user.

        In the sandbox of an ordinary user there is no second one to become, so a user namespace makes one up.
        """
        if self.facts.rootless:
            return "unshare --user --map-user=1000 --map-group=1000"
        return f"setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups"

    def keep(self, manager: AbstractContextManager[T]) -> T:
        """Enter a context manager (a child, say) that ends with the exercise, not with a step."""
        return self._exercise.kept.enter_context(manager)

    def unsupported(self, reason: str, how: str) -> NoReturn:
        """End the exercise: this machine cannot show it.  ``how`` says how to get a machine that can."""
        raise Unsupported(reason, how)
