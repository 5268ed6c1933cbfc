"""What a lab file holds, read without running it: exercises, their steps, and the claims that these own and show."""

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class StepOutline:
    """One ``with lab.step(...)`` of an exercise; ``first`` and ``last`` are its lines."""

    title: str
    claims: tuple[str, ...]
    shows: tuple[str, ...]
    asks: bool
    first: int
    last: int


@dataclass(frozen=True)
class ExerciseOutline:
    """One test function of a lab."""

    name: str
    title: str
    text: str
    first: int
    last: int
    steps: tuple[StepOutline, ...]

    @property
    def claims(self) -> tuple[str, ...]:
        """The claims that its steps own, in order."""
        return tuple(claim for step in self.steps for claim in step.claims)

    def record(self) -> dict[str, Any]:
        """The exercise as it stands in the record's ``lab`` event."""
        steps = [step.title for step in self.steps]
        return {"name": self.name, "title": self.title, "steps": steps, "claims": list(self.claims)}


@dataclass(frozen=True)
class LabOutline:
    """One lab file; ``name`` is the topic in its file name: ``uts`` of test_01_uts.py."""

    name: str
    path: Path
    title: str
    text: str
    source: str
    exercises: tuple[ExerciseOutline, ...]

    @property
    def order(self) -> int:
        """The place in the course: 1 of test_01_uts.py."""
        found = re.match(r"test_(\d+)_", self.path.name)
        return int(found[1]) if found else 99

    def exercise(self, name: str) -> ExerciseOutline:
        """The exercise of a test function; KeyError if there is none."""
        return {exercise.name: exercise for exercise in self.exercises}[name]


@cache
def read_outline(path: Path) -> LabOutline:
    """The outline of a lab file (read once a run)."""
    source = path.read_text()
    tree = ast.parse(source, str(path))
    title, text = split_docstring(ast.get_docstring(tree) or "")
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    name = re.sub(r"^test_(\d+_)?", "", path.stem)
    return LabOutline(name, path, title, text, source, tuple(_exercise(function) for function in functions))


def split_docstring(docstring: str) -> tuple[str, str]:
    """(title, text): the first line, and the rest with its paragraphs."""
    title, _, text = docstring.strip().partition("\n")
    return title.strip(), text.strip()


def _exercise(function: ast.FunctionDef) -> ExerciseOutline:
    title, text = split_docstring(ast.get_docstring(function) or "")
    blocks = [node for node in ast.walk(function) if isinstance(node, ast.With)]
    steps = [_step(block, call) for block in blocks for call in _step_calls(block)]
    steps.sort(key=lambda step: step.first)
    return ExerciseOutline(function.name, title, text, function.lineno, function.end_lineno or 0, tuple(steps))


def _step_calls(node: ast.With) -> list[ast.Call]:
    calls = [item.context_expr for item in node.items if isinstance(item.context_expr, ast.Call)]
    return [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "step"]


def _step(node: ast.With, call: ast.Call) -> StepOutline:
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    title = _literal(call.args[0]) if call.args else ""
    return StepOutline(
        title=str(title),
        claims=tuple(_literal(given["claims"])) if "claims" in given else (),
        shows=tuple(_literal(given["shows"])) if "shows" in given else (),
        asks="ask" in given,
        first=node.lineno,
        last=node.end_lineno or node.lineno,
    )


def _literal(node: ast.expr) -> Any:
    """A literal's value; the source text of anything else, such as an f-string."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)
