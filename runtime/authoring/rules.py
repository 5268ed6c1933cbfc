"""The rules of a lab, held against its source and its claims; nothing is run.

Each finding is one sentence that begins with the place, ``labs/test_01_uts.py:59:``.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator

from runtime.kernel import proc
from runtime.lab.claims import Catalogue, Claim
from runtime.lab.outline import ExerciseOutline, LabOutline, StepOutline

TITLE = 80  # characters
COMMANDS = 6  # typed in one step
WORDS = 60  # of the text of a step
CHOICES = 3
_DRAWN = ("pid", "shell", "st_ino", "inode")  # attributes whose values the kernel draws
_SOURCE = re.compile(r"\(\d\w?\)|[Ll]inux|kernel|\d\.\d|\.[ch]\b|\.rst\b|https?:|POSIX")
_VERSION = re.compile(r"\d+\.\d+")


def findings(lab: LabOutline, catalogue: Catalogue) -> list[str]:
    """What is not in order in a lab, in the order of its file, and then in its claims."""
    file = f"labs/{lab.path.name}"
    found = [*_of_lab(lab), *_of_source(lab)]
    for exercise in lab.exercises:
        found += _of_exercise(exercise)
        for step in exercise.steps:
            found += _of_step(step, lab, catalogue)
    found.sort(key=lambda each: each[0])
    claims = [f"{file.replace('.py', '.yaml')}: {text}" for text in _of_claims(lab, catalogue)]
    return [f"{file}:{line}: {text}" for line, text in found] + claims


Finding = tuple[int, str]


def _of_lab(lab: LabOutline) -> Iterator[Finding]:
    if not lab.title.endswith("."):
        yield 1, "the first line of the docstring is the title, a sentence"
    if len(lab.text) < 100:
        yield 1, "say below the title, in some sentences, what the lab is about"


def _of_exercise(exercise: ExerciseOutline) -> Iterator[Finding]:
    name = exercise.name
    if not exercise.title.endswith((".", "?")) or not exercise.text:
        yield exercise.first, f"{name} needs a docstring: a title that is a sentence, and a text below it"
    if not exercise.steps:
        yield exercise.first, f"{name} has no step"
    elif not any(step.asks for step in exercise.steps):
        yield exercise.first, f"{name} asks nothing: give one of its steps a question (ask=)"
    titles = Counter(step.title for step in exercise.steps)
    if twice := [title for title, count in titles.items() if count > 1]:
        yield exercise.first, f"{name} has several steps called {twice[0]!r}"


def _of_step(step: StepOutline, lab: LabOutline, catalogue: Catalogue) -> Iterator[Finding]:
    name, line = f"step {step.title!r}", step.first
    if not step.title or len(step.title) > TITLE:
        yield line, f"{name}: a title has 1 to {TITLE} characters"
    if len(step.commands) > COMMANDS:
        yield line, f"{name} types {len(step.commands)} commands; more than {COMMANDS} cannot be followed"
    if (words := len(step.text.split())) > WORDS:
        yield line, f"{name} has a text of {words} words; more than {WORDS} are not read"
    if step.claims and not any(isinstance(node, ast.Assert) for node in ast.walk(step.node)):
        yield line, f"{name} owns {', '.join(step.claims)} and asserts nothing"
    known = {claim.id: claim for claim in catalogue}
    for claim in step.claims:
        if claim in known and known[claim].lab != lab.name:
            yield line, f"{name} owns {claim}, which stands in the claims of the lab {known[claim].lab}"
        elif claim in known and known[claim].verdict != "holds" and not step.asks:
            yield line, f"{name} shows that {claim} does not simply hold: ask first (ask=)"
    for claim in (*step.claims, *step.shows):
        if claim not in known:
            yield line, f"{name} names {claim}, which is in no catalogue"
    choices = getattr(step.question, "choices", None)
    if choices and step.question and step.question.kind == "choice" and len(choices) < CHOICES:
        yield line, f"{name} offers {len(choices)} answers; give {CHOICES} or four"
    for call in _answers(step.node):
        if problem := _blind(call):
            yield call.lineno, f"{name}: {problem}"


def _answers(node: ast.AST) -> Iterator[ast.Call]:
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "answer":
            yield call


def _blind(call: ast.Call) -> str:
    """Why an answer takes any surprise for one of its texts; "" if it does not."""
    if not call.args:
        return ""
    value = call.args[0]
    if isinstance(value, ast.IfExp):
        return "an answer by if and else takes any surprise for the last text; give a condition for each text"
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "get":
        return "an answer by get() takes any surprise for the default; give a condition for each text"
    if isinstance(value, ast.Dict) and any(isinstance(each, ast.Constant) for each in value.values):
        return "a condition that is a constant foresees nothing"
    return ""


def _of_source(lab: LabOutline) -> Iterator[Finding]:
    for node in ast.walk(ast.parse(lab.source)):
        if isinstance(node, ast.Assert) and isinstance(node.test, ast.Compare):
            sides = [node.test.left, *node.test.comparators]
            drawn = [side for side in sides if isinstance(side, ast.Attribute) and side.attr in _DRAWN]
            literal = [side for side in sides if isinstance(side, ast.Constant) and side.value not in (0, 1)]
            if drawn and literal:
                yield (
                    node.lineno,
                    "asserts a number that the kernel draws (a pid, an inode)",
                )
        if isinstance(node, ast.Attribute) and node.attr == "sleep" and ast.unparse(node.value) == "time":
            yield node.lineno, "sleeps; wait for an event"


def _of_claims(lab: LabOutline, catalogue: Catalogue) -> Iterator[str]:
    owners = Counter(claim for exercise in lab.exercises for claim in exercise.claims)
    for claim in catalogue.of(lab.name):
        if owners[claim.id] != 1:
            yield f"{claim.id} is owned by {owners[claim.id]} steps; give it to one (claims=)"
        for problem in _of_claim(claim):
            yield f"{claim.id}: {problem}"


def _of_claim(claim: Claim) -> Iterator[str]:
    if not claim.statement.endswith((".", "?")):
        yield "the statement is a sentence"
    if not claim.truth.endswith((".", ")")):
        yield "the truth ends with a full stop"
    if not _SOURCE.search(claim.reference):
        yield "the reference names a man page, a kernel version, a file of the kernel or an address"
    if claim.verdict == "changed" and not _VERSION.search(claim.truth + claim.reference):
        yield "it has changed: say with which version"
    if not claim.mutation:
        yield "it has no mutation: nothing proves that its step can fail"
    for path in claim.visible_in:
        try:
            proc.reader_of(path)
        except ValueError as error:
            yield str(error)
