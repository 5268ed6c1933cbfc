"""What a student says will happen, taken before a step runs and judged on what the kernel then shows.

A step is given a question by ``ask=``; its body reports what was observed by ``step.answer(value)``.  Nothing here
asks anybody: the stage asks at a terminal, an answer sheet is read from a file, and both hand over plain text.
"""

import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from record import events


class PredictionError(Exception):
    """A question and an answer do not fit together; the message says which answers do."""


class UnforeseenError(AssertionError):
    """What happened is none of the answers that a question foresaw: the step has failed."""


@dataclass(frozen=True)
class Prediction:
    """What a student said before a step: ``given`` is None if nothing; ``skipped`` if the question was passed over."""

    given: Any = None
    skipped: bool = False
    seconds: float | None = None  # thinking time, where somebody was asked


def score(results: Mapping[str, bool | None], student: str) -> str:
    """How many predictions were right, as a sentence; "" if there was none.  ``results`` is by step; None: skipped."""
    if not results:
        return ""
    right, skipped = (sum(result is wanted for result in results.values()) for wanted in (True, None))
    passed = f", {skipped} skipped" if skipped else ""
    return f"{student + ': ' if student else ''}{right} of {len(results)} predictions right{passed}."


@dataclass(frozen=True)
class Question:
    """A question with an answer that can be observed."""

    question: str
    kind: ClassVar[events.QuestionKind]

    def check(self, value: Any) -> Any:
        """The observed or given value in its recorded form; PredictionError if it cannot be an answer."""
        return value

    def the_one(self, conditions: Mapping[Any, bool], saw: object = None) -> Any:
        """The answer whose condition holds; PredictionError unless there is one for each text of a choice."""
        raise PredictionError(f"{self.question!r}: a {self.kind} is answered by the observed value, not by conditions")

    def parse(self, answer: str | Sequence[str]) -> Any:
        """The value of an answer as a person writes it (an order may be a list); PredictionError if it is none."""
        return self.check(answer)

    def judge(self, given: Any, observed: Any) -> bool:
        """Whether a prediction was right."""
        return bool(given == observed)

    def shuffled(self, seed: str) -> Self:
        """The question as it is asked in a run: what is to be chosen from is in an order of its own."""
        return self

    def record(self) -> events.Question:
        """The question as it stands in the record."""
        return events.Question(self.kind, self.question)


class _WithChoices(Question):
    """A question whose answers are made of given texts."""

    choices: tuple[str, ...]

    def __init__(self, question: str, *choices: str) -> None:
        super().__init__(question)
        object.__setattr__(self, "choices", choices)
        if len(set(choices)) < 2:
            raise PredictionError(f"{question!r}: {self.kind} needs two different texts or more")

    def record(self) -> events.Question:
        return events.Question(self.kind, self.question, list(self.choices))

    def shuffled(self, seed: str) -> Self:
        """The same question with its texts in another order, which depends on nothing but `seed`."""
        choices = list(self.choices)
        random.Random(seed).shuffle(choices)
        return type(self)(self.question, *choices)

    def _named(self, answer: str) -> str:
        """The choice that a person means: its text, in any case, or its number from 1."""
        wanted = " ".join(answer.split())
        for choice in self.choices:
            if choice.casefold() == wanted.casefold():
                return choice
        if wanted.isdecimal() and 1 <= int(wanted) <= len(self.choices):
            return self.choices[int(wanted) - 1]
        known = ", ".join(f"{number} ({choice})" for number, choice in enumerate(self.choices, 1))
        raise PredictionError(f"{answer!r} is none of the choices; give one of {known}")


class Choice(_WithChoices):
    """One of several texts: ``Choice("Which name is printed?", "vm", "container")``."""

    kind = "choice"

    def the_one(self, conditions: Mapping[Any, bool], saw: object = None) -> str:
        """The text whose condition holds; UnforeseenError, an assertion, where none holds or more than one."""
        if set(conditions) != set(self.choices):
            raise PredictionError(
                f"{self.question!r}: give a condition for each of {', '.join(self.choices)}, "
                f"not for {', '.join(map(str, conditions))}"
            )
        true = [text for text, holds in conditions.items() if holds]
        if len(true) != 1:
            what = "none of the answers is" if not true else f"{' and '.join(map(repr, true))} are both"
            seen = "" if saw is None else f"; seen: {saw!r}"
            raise UnforeseenError(f"{self.question!r}: {what} what happened{seen}")
        return str(true[0])

    def check(self, value: Any) -> str:
        if value not in self.choices:
            raise PredictionError(f"{self.question!r}: {value!r} is none of the choices {', '.join(self.choices)}")
        return str(value)

    def parse(self, answer: str | Sequence[str]) -> str:
        return self._named(_one(answer))


@dataclass(frozen=True)
class Number(Question):
    """A number, in ``unit``."""

    unit: str = ""
    kind = "number"

    def check(self, value: Any) -> float | int:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise PredictionError(f"{self.question!r}: {value!r} is not a number")
        return value

    def parse(self, answer: str | Sequence[str]) -> float | int:
        text = _one(answer).strip()
        digits = text.removesuffix(self.unit).strip().replace("_", "")
        if re.fullmatch(r"[+-]?(?:\d+|0[xX][0-9a-fA-F]+)", digits):
            return int(digits, 16 if "x" in digits.lower() else 10)
        try:
            number = float(digits)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            in_unit = f" in {self.unit}" if self.unit else ""
            raise PredictionError(f"{text!r} is not a number; give one{in_unit}, such as 42")
        return number

    def judge(self, given: Any, observed: Any) -> bool:
        """Whole numbers must be the same; a measured one may be off by 1 %."""
        exact = isinstance(observed, int)
        return given == observed if exact else math.isclose(given, observed, rel_tol=0.01)

    def record(self) -> events.Question:
        return events.Question(self.kind, self.question, unit=self.unit)


@dataclass(frozen=True)
class Text(Question):
    """A short text; runs of white space count as one blank."""

    kind = "text"

    def check(self, value: Any) -> str:
        if not isinstance(value, str):
            raise PredictionError(f"{self.question!r}: {value!r} is not a text")
        return " ".join(value.split())

    def parse(self, answer: str | Sequence[str]) -> str:
        text = self.check(_one(answer))
        if not text:
            raise PredictionError("the answer is empty; give a short text")
        return text

    def judge(self, given: Any, observed: Any) -> bool:
        """Capitals do not matter."""
        return bool(given.casefold() == observed.casefold())


class Order(_WithChoices):
    """Several texts in the right order: ``Order("What comes first?", "mount", "chroot", "exec")``."""

    kind = "order"

    def check(self, value: Any) -> list[str]:
        if sorted(value) != sorted(self.choices):
            raise PredictionError(f"{self.question!r}: {value!r} is no order of {', '.join(self.choices)}")
        return list(value)

    def parse(self, answer: str | Sequence[str]) -> list[str]:
        """A list of the texts or of their numbers; in one line numbers may stand apart by blanks, texts by commas."""
        parts = list(answer)
        if isinstance(answer, str):
            parts = answer.split("," if "," in answer else None)
        named = [self._named(part) for part in parts]
        if sorted(named) != sorted(self.choices):
            known = ", ".join(f"{number} ({choice})" for number, choice in enumerate(self.choices, 1))
            raise PredictionError(f"an order needs each of {known} once; give their numbers, such as 2 1")
        return named


def _one(answer: str | Sequence[str]) -> str:
    if not isinstance(answer, str):
        raise PredictionError(f"{answer!r} is a list; give one answer")
    return answer
