"""Answers that were written down before: a YAML file with a line for each question.

    student: Ada                      # if --student does not say it
    uts/test_rename_stays_inside/2: the old one
    uts/test_six_fields_two_names/1: 2
    network/test_first_ping/1: [ARP request, ARP reply, ICMP echo request, ICMP echo reply]
    memory/test_limit/3:              # nothing: skipped

A step is named as in the record: lab, test function, number of the step.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from record import events
from runtime.lab.course import Course
from runtime.lab.outline import StepOutline, read_outline
from runtime.lab.prediction import Prediction, PredictionError


class AnswersError(Exception):
    """The file is not in order; the message says where, and what to do."""


@dataclass
class Answers:
    """What a file says: predictions by step."""

    student: str | None = None
    predictions: dict[str, Prediction] = field(default_factory=dict)

    def give(self, course: Course) -> None:
        """Hand each answer to its step before that runs."""

        def listener(event: events.Event) -> None:
            step = course.exercise.open_step if course.exercise else None
            if isinstance(event, events.Step) and step and step.id in self.predictions:
                step.prediction = self.predictions[step.id]

        course.listeners.append(listener)


def read(path: Path, labs: Iterable[Path]) -> Answers:
    """Read a file, and hold every line of it against the questions of these labs."""
    try:
        tree = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise AnswersError(f"--answers {path}: {error.strerror}; give a file that can be read") from None
    except UnicodeDecodeError:
        raise AnswersError(f"--answers {path}: it is not UTF-8 text; save it as that") from None
    except yaml.YAMLError as error:
        at = getattr(error, "problem_mark", None)
        where = f"{path}, line {at.line + 1}" if at else str(path)
        raise AnswersError(f"--answers {where}: it is no YAML; write a line such as uts/test_x/2: answer") from None
    if not isinstance(tree, yaml.MappingNode):
        raise AnswersError(f"--answers {path}: it names no steps; write a line such as uts/test_x/2: answer")
    steps = _steps(labs)
    answers = Answers()
    for key, value in tree.value:
        where = f"--answers {path}, line {key.start_mark.line + 1}"
        if not isinstance(key, yaml.ScalarNode):
            raise AnswersError(f"{where}: it names no step; write a line such as uts/test_x/2: answer")
        name = str(key.value)
        if name in answers.predictions or (name == "student" and answers.student):
            raise AnswersError(f"{where}: {name} stands there twice; keep one")
        if name == "student":
            answers.student = _student(value, where)
        else:
            answers.predictions[name] = _prediction(name, value, steps, where)
    return answers


def _steps(labs: Iterable[Path]) -> dict[str, StepOutline]:
    return {
        f"{lab.name}/{exercise.name}/{number}": step
        for lab in map(read_outline, labs)
        for exercise in lab.exercises
        for number, step in enumerate(exercise.steps, 1)
    }


def _prediction(name: str, value: yaml.Node, steps: dict[str, StepOutline], where: str) -> Prediction:
    if name not in steps:
        raise AnswersError(f"{where}: there is no step {name}; {_nearest(name, steps)}")
    question = steps[name].question
    if question is None:
        raise AnswersError(f"{where}: step {name} asks nothing; take the line away")
    try:
        answer = _plain(value)
        return Prediction(question.parse(answer)) if answer else Prediction(skipped=True)
    except PredictionError as error:
        raise AnswersError(f"{where}: {name}: {error}") from None


def _nearest(name: str, steps: dict[str, StepOutline]) -> str:
    """What could have been meant: the steps that ask in that exercise, or in that lab, or the labs."""
    asking = [step for step, outline in steps.items() if outline.asks]
    for prefix in (name.rpartition("/")[0], name.partition("/")[0]):
        near = [step for step in asking if step.startswith(prefix + "/")]
        if near:
            return f"these ask something: {', '.join(near[:5])}{' ...' if len(near) > 5 else ''}"
    return f"the labs are {', '.join(sorted({step.partition('/')[0] for step in steps}))}"


def _student(value: yaml.Node, where: str) -> str:
    if not isinstance(value, yaml.ScalarNode) or not value.value:
        raise AnswersError(f"{where}: student is no name; write a line such as student: Ada")
    return str(value.value)


def _plain(value: yaml.Node) -> str | list[str]:
    """A scalar or a list of them, as written: yes stays yes."""
    if isinstance(value, yaml.ScalarNode):
        return "" if value.style is None and value.value in ("~", "null") else str(value.value)
    if isinstance(value, yaml.SequenceNode) and all(isinstance(part, yaml.ScalarNode) for part in value.value):
        return [str(part.value) for part in value.value]
    raise PredictionError("give one answer, or a list of texts")
