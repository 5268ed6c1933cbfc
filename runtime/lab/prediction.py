"""What a student says will happen, taken before a step runs and judged on what the kernel then shows.

A step is given a question by ``ask=``; its body reports what was observed by ``step.answer(value)``.  Nothing here
asks anybody: the terminal that asks is a reader of the same questions.
"""

from dataclasses import dataclass
from typing import Any, ClassVar


class PredictionError(Exception):
    """A lab's question and its answer do not fit together."""


@dataclass(frozen=True)
class Question:
    """A question with an answer that can be observed."""

    question: str
    kind: ClassVar[str]

    def check(self, value: Any) -> Any:
        """The observed or given value in its recorded form; PredictionError if it cannot be an answer."""
        return value

    def record(self) -> dict[str, Any]:
        """The question as it stands in the record."""
        return {"kind": self.kind, "question": self.question, "choices": [], "unit": ""}


class _WithChoices(Question):
    """A question whose answers are made of given texts."""

    choices: tuple[str, ...]

    def __init__(self, question: str, *choices: str) -> None:
        super().__init__(question)
        object.__setattr__(self, "choices", choices)
        if len(set(choices)) < 2:
            raise PredictionError(f"{question!r}: {self.kind} needs two different texts or more")

    def record(self) -> dict[str, Any]:
        return super().record() | {"choices": list(self.choices)}


class Choice(_WithChoices):
    """One of several texts: ``Choice("Which name is printed?", "vm", "container")``."""

    kind = "choice"

    def check(self, value: Any) -> str:
        if value not in self.choices:
            raise PredictionError(f"{self.question!r}: {value!r} is none of the choices {', '.join(self.choices)}")
        return str(value)


@dataclass(frozen=True)
class Number(Question):
    """A number, in ``unit``."""

    unit: str = ""
    kind = "number"

    def check(self, value: Any) -> float | int:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise PredictionError(f"{self.question!r}: {value!r} is not a number")
        return value

    def record(self) -> dict[str, Any]:
        return super().record() | {"unit": self.unit}


@dataclass(frozen=True)
class Text(Question):
    """A short text; runs of white space count as one blank."""

    kind = "text"

    def check(self, value: Any) -> str:
        if not isinstance(value, str):
            raise PredictionError(f"{self.question!r}: {value!r} is not a text")
        return " ".join(value.split())


class Order(_WithChoices):
    """Several texts in the right order: ``Order("What comes first?", "mount", "chroot", "exec")``."""

    kind = "order"

    def check(self, value: Any) -> list[str]:
        if sorted(value) != sorted(self.choices):
            raise PredictionError(f"{self.question!r}: {value!r} is no order of {', '.join(self.choices)}")
        return list(value)
