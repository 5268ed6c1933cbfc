"""Ask a question at the terminal, before its step runs."""

import time
from collections.abc import Callable

from runtime.lab import prediction
from runtime.stage import scene

PROMPTS = {
    "choice": "Your answer (its number, Enter skips): ",
    "number": "Your answer (a number, Enter skips): ",
    "text": "Your answer (Enter skips): ",
    "order": "Your order (numbers such as 2 1, Enter skips): ",
}


def ask(
    question: prediction.Question,
    shown: scene.Question,
    line: Callable[[str], str | None],
    draw: Callable[[], None],
) -> prediction.Prediction | None:
    """What the person says; None if they want to go back to the step.

    An answer that is none is asked for again, with the reason.
    """
    began = time.monotonic()
    shown.error = ""
    while True:
        draw()
        answer = line(PROMPTS[question.kind])
        if answer is None:
            shown.error = ""
            return None
        seconds = round(time.monotonic() - began, 2)
        if not answer.strip():
            return prediction.Prediction(skipped=True, seconds=seconds)
        try:
            return prediction.Prediction(question.parse(answer), seconds=seconds)
        except prediction.PredictionError as error:
            shown.error = str(error)
