"""From options to the stage: who predicts, where it begins, and on which view."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime import checkout, options
from runtime.lab.course import Course
from runtime.lab.outline import ExerciseOutline, read_outline
from runtime.stage import answers, resume
from runtime.stage.control import Control, Goal
from runtime.stage.itinerary import Itinerary
from runtime.stage.quiz import Quiz
from runtime.stage.scene import View
from runtime.stage.walk import Walk

ANSWERS = pytest.StashKey[answers.Answers]()
EARLIER = pytest.StashKey[resume.Earlier]()


def prepare(config: pytest.Config, course: Course) -> None:
    """Read what the options name, before anything runs; UsageError if it is not in order."""
    option = config.option
    course.student, course.mode = option.student or "", options.mode(config)
    try:
        if option.answers:
            labs = sorted(checkout.LABS.glob("test_*.py"))
            given = answers.read(Path(config.invocation_params.dir, option.answers), labs)
            config.stash[ANSWERS] = given
            course.student = course.student or given.student or ""
            if not options.is_walk(config):
                given.give(course)
        if option.resume:
            config.stash[EARLIER] = earlier = resume.read(course.directory)
            course.resume(earlier.events)
    except (answers.AnswersError, resume.ResumeError) as error:
        raise pytest.UsageError(str(error)) from None


def walk(session: pytest.Session, course: Course, report: Callable[[], str]) -> Walk:
    """The walk through the selected exercises."""
    config, option = session.config, session.config.option
    if option.quiz:
        _keep_what_asks(session)
    items = [item for item in session.items if isinstance(item, pytest.Function)]
    itinerary = Itinerary((item.path, item.originalname) for item in items)
    kind = Quiz if option.quiz else Control
    control = kind(course, _view(config), itinerary, report, option.autoplay, option.type_speed)
    if ANSWERS in config.stash:
        control.predictions |= config.stash[ANSWERS].predictions
    start = 0
    if EARLIER in config.stash:
        earlier = config.stash[EARLIER]
        stop = itinerary.find(earlier.step)
        if stop is None:
            raise pytest.UsageError(
                f"--resume: step {earlier.step} is not among the selected exercises; select its lab"
            )
        control.predictions |= earlier.predictions
        control.results |= earlier.results
        control.picture.seen |= earlier.seen
        control.scene.message = f"Here you stopped: step {stop.number}, {stop.outline.title}."
        control.goal = Goal(stop.id, earlier.phase, quiet=True)
        course.attempt_why, start = "resume", stop.exercise
    control.known = frozenset(control.predictions)
    return Walk(control, start)


def _keep_what_asks(session: pytest.Session) -> None:
    """A quiz runs the exercises with questions, and no other."""
    asking = [item for item in session.items if any(step.asks for step in _exercise(item).steps)]
    if not asking:
        raise pytest.UsageError("--quiz: the selected exercises ask nothing; select others")
    silent = [item for item in session.items if item not in asking]
    session.config.hook.pytest_deselected(items=silent)
    session.items[:] = asking


def _exercise(item: pytest.Item) -> ExerciseOutline:
    return read_outline(item.path).exercise(getattr(item, "originalname", item.name))


def _view(config: pytest.Config) -> View:
    terminal = os.dup(1)
    if fcntl.fcntl(terminal, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDWR:  # the shell opened it for writing only
        os.close(terminal)
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    colours = config.pluginmanager.getplugin("terminalreporter").hasmarkup
    if config.option.step == "plain" or os.environ.get("TERM", "dumb") == "dumb":
        from runtime.stage.plain import PlainView

        return PlainView(terminal, colours)
    from runtime.stage.screen import ScreenView

    return ScreenView(terminal, colours)
