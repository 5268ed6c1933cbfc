"""The keys of the stage: the same in every view, shown at the bottom and by ``?``."""

from dataclasses import dataclass
from typing import Literal

Action = Literal[
    "next", "run on", "autoplay", "back", "again", "jump", "search", "hint", "why", "changes", "shell", "open", "quit",
    "help", "close",
]  # fmt: skip


@dataclass(frozen=True)
class Key:
    """A key by its names (the first is shown), the word at the bottom of the screen, and one sentence of help."""

    names: tuple[str, ...]
    action: Action
    help: str

    @property
    def name(self) -> str:
        return self.names[0]


KEYS = (
    Key(("n", "enter"), "next", "Run the step; when it has run, go to the next one (Enter does the same)."),
    Key(("b", "left"), "back", "Go back one step: the exercise runs again up to there, on fresh state."),
    Key(("r",), "again", "This step again, on fresh state."),
    Key(("g",), "run on", "Run on without pausing: to a step of this lab, its end (lab), or the end of all (end)."),
    Key(("a",), "autoplay", "Go on by itself, with a delay; any key stops it."),
    Key(("j",), "jump", "Choose any step of any lab from a list."),
    Key(("/",), "search", "Choose a step by a word in its title."),
    Key(("h",), "hint", "A hint."),
    Key(("w",), "why", "Why it is so: the longer explanation, with man page and kernel source."),
    Key(("d",), "changes", "What changed: every value, old and new."),
    Key(("s",), "shell", "A shell of your own inside a window's namespaces; leave it by exit."),
    Key(("o",), "open", "Write the report so far, and say where it is."),
    Key(("q", "eof"), "quit", "Quit; --step --resume goes on here."),
    Key(("?",), "help", "These keys."),
    Key(("esc",), "close", "Close what lies over the lesson."),
)
ACTIONS: dict[str, Action] = {name: key.action for key in KEYS for name in key.names}
