"""Verdicts, outcomes and answers: one word, place, sign and tone for each, wherever it is shown.

A sign is one column wide, and no two words share one. A tone is the name of a colour; whatever draws maps it to its
own: ``good``, ``part``, ``change``, ``wrong``, ``bad``, ``calm``.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Word:
    """A word as the record has it and people read it, its sign, its tone, and one sentence that says what it means."""

    word: str
    sign: str
    tone: str
    meaning: str


FAILED = Word("failed", "✗", "bad", "A check failed, or an error came in its way.")
UNSUPPORTED = Word("unsupported", "○", "calm", "This machine cannot show it.")

# The signs of judged claims say how the notes stand to what the machine shows: = ≈ ≠.
_CLAIMS = (
    Word("failed", FAILED.sign, FAILED.tone, "The step that shows it failed."),
    Word("wrong", "≠", "wrong", "The notes are wrong: this machine showed the opposite."),
    Word("in part", "≈", "part", "True in part, and never was wholly true: see what is true."),
    Word("changed", "Δ", "change", "It was true once: see since when it is not, and what is true today."),
    UNSUPPORTED,
    Word("holds", "=", "good", "The notes are right: this machine showed it."),
    Word("open", "□", "calm", "No step of this run came to it."),
)
_OUTCOMES = (
    FAILED,
    Word("interrupted", "‖", "change", "The run ended in the middle of it."),
    Word("passed", "✓", "good", "All its checks held."),
    UNSUPPORTED,
    Word("not run", "-", "calm", "This run did not come to it."),
)
_ANSWERS = (
    Word("right", "★", "good", "The answer is what was observed."),
    Word("not so", "☆", "change", "Something else was observed."),
    Word("not answered", "»", "calm", "The question was passed over."),
)


def _table(words: Iterable[Word]) -> dict[str, Word]:
    return {word.word: word for word in words}


VERDICTS = _table(_CLAIMS)
"""The verdicts of claims, what deserves a look first."""
EXPECTED = ("holds", "in part", "changed", "wrong")
"""The verdicts that a catalogue may expect; the others come of a run."""
OUTCOMES = _table(_OUTCOMES)
"""How a step, an exercise or a check ended, the worst first."""
ANSWERS = _table(_ANSWERS)
"""How a prediction stands to what was observed."""
WORDS = {**OUTCOMES, **VERDICTS, **ANSWERS}
UNKNOWN = Word("", "?", "calm", "")


def known(word: str) -> Word:
    """What is known of a word; one of a later version has itself and a question mark."""
    return WORDS.get(word) or Word(word, UNKNOWN.sign, UNKNOWN.tone, UNKNOWN.meaning)


def answer(correct: bool | None) -> Word:
    """The word for an answer that was judged, or not given."""
    return ANSWERS[{True: "right", False: "not so", None: "not answered"}[correct]]


def worst(outcomes: Iterable[str]) -> str:
    """The outcome that stands for several: ``not run`` where there is none."""
    found = set(outcomes)
    return next((word for word in OUTCOMES if word in found), "not run")
