"""The tones of ``record.verdicts`` in a terminal: its own colours, and of these only such as black and white carry."""

from rich.style import Style

from record.verdicts import Word

STYLES = {
    "good": Style(color="green", bold=True),
    "part": Style(color="cyan", bold=True),
    "change": Style(color="cyan", bold=True),
    "wrong": Style(color="magenta", bold=True),
    "bad": Style(color="red", bold=True),
    "calm": Style(dim=True),
}


def style(word: Word) -> Style:
    """The style of a word of ``record.verdicts``."""
    return STYLES[word.tone]
