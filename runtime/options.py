"""The options of a run of labs, and of a person who walks through them: their names, and what does not go together.

Any host can import this, with nothing but pytest.
"""

import argparse
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import pytest

from runtime import checkout, target

Mode = Literal["", "step", "quiz"]
WALKS: tuple[Mode, ...] = ("step", "quiz")


def add(group: pytest.OptionGroup) -> None:
    """Add the options to pytest's help."""
    group.addoption(
        "--lab",
        action="append",
        default=[],
        metavar="NAME",
        help="only this lab, by the topic in its file name, such as uts; may be given again, or as uts,pid",
    )
    group.addoption(
        "--timeout-factor",
        type=_positive,
        default=1.0,
        metavar="N",
        help="wait N times as long for each command, on a slow or busy machine (20 seconds without it, or what the lab "
        "says); a command that is late is killed, and the screens of all windows are shown",
    )
    group.addoption(
        "--step",
        action="store_const",
        const="screen",
        help="walk through the labs in this terminal: a pause before and after each step, and keys to go on, back, "
        "anywhere, or into a shell; ? shows them",
    )
    group.addoption(
        "--step=plain",
        action="store_const",
        const="plain",
        dest="step",
        help="the same in lines of text, for screen readers and simple terminals; type a key and Enter",
    )
    group.addoption(
        "--resume",
        action="store_true",
        help="with --step or --quiz: go on where the last one in this report directory stopped, also if it was killed",
    )
    group.addoption(
        "--autoplay",
        type=_positive,
        metavar="SECONDS",
        help="with --step: go on by itself, with this pause before and after each step; any key stops it",
    )
    group.addoption(
        "--type-speed",
        type=_positive,
        metavar="N",
        help="with --step: show commands as they are typed, N characters a second (a person types 5 to 15)",
    )
    group.addoption(
        "--student",
        metavar="NAME",
        help="who predicts: the name goes into the record, and so into grades and class tables",
    )
    group.addoption(
        "--quiz",
        action="store_true",
        help="only the questions of the labs, as a test: you answer, then you see what the kernel does; "
        "a wrong or empty answer never fails the run",
    )
    group.addoption(
        "--choice-order",
        metavar="WORD",
        help="the order in which choices are offered: the same word gives the same order to a whole class; source is "
        "that of the lab's file (default: another one in each run)",
    )
    group.addoption(
        "--answers",
        metavar="FILE.yaml",
        help="predictions from a file instead of a person, a line for each step, such as "
        "uts/test_rename_stays_inside/2: the old one",
    )


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number


def without_a_terminal(arguments: Iterable[str]) -> str | None:
    """What is wrong with a walk whose command line takes pytest's terminal away, which pytest itself stumbles over."""
    line = " ".join(arguments)
    walks = re.search(r"(?:^| )(--step|--quiz)\b", line)
    gone = re.search(r"(?:^| )-p ?no:terminal(?:reporter)?(?: |$)", line)
    return f"{walks[1]} needs pytest's terminal: leave -p no:terminal out" if walks and gone else None


def mode(config: pytest.Config) -> Mode:
    """What a person does: "step", "quiz", or "" if nobody is asked."""
    return next((name for name in reversed(WALKS) if config.getoption(name)), "")


def is_walk(config: pytest.Config) -> bool:
    """Whether somebody sits at the terminal: a quiz that a file answers needs nobody."""
    return bool(config.getoption("step") or (config.getoption("quiz") and not config.getoption("answers")))


def wanted_labs(config: pytest.Config) -> set[str]:
    """The names that --lab gives; none if all labs are wanted."""
    return {name for given in config.getoption("lab") for name in given.split(",") if name}


def check(config: pytest.Config) -> None:
    """UsageError, in one sentence, if the options do not go together or cannot be had here."""
    if not target.is_quiet(config) and (problem := _problem(config)):
        raise pytest.UsageError(problem)


def _problem(config: pytest.Config) -> str:
    option = config.option
    name = "--step" if option.step else "--quiz"
    known = sorted(checkout.lab_name(file) for file in checkout.LABS.glob("test_*.py"))
    if unknown := wanted_labs(config) - set(known):
        return f"--lab {', '.join(sorted(unknown))}: there is no such lab; there are {', '.join(known)}"
    if option.answers and not Path(config.invocation_params.dir, option.answers).is_file():
        return f"--answers {option.answers}: there is no such file; give a YAML file with a line for each step"
    if not is_walk(config):
        lonely = [word for word in ("resume", "autoplay", "type_speed") if getattr(option, word)]
        return f"--{lonely[0].replace('_', '-')} belongs to a walkthrough: give --step too" if lonely else ""
    if not target.is_lab_run(config):
        return f"{name} walks through labs and nothing else: give paths under labs/, or none"
    if getattr(option, "numprocesses", None) or getattr(option, "dist", "no") != "no":
        return f"{name} shows one run in one terminal: leave -n out"
    if option.usepdb or option.trace:
        return f"{name} and --pdb both want the terminal: leave one out"
    if not os.isatty(1):
        return (
            f"{name} needs a terminal to show things and read keys: start it in one (ssh -t, docker run -it), no pipe"
        )
    return ""
