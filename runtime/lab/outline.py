"""What a lab file holds, read without running it: exercises and their steps, with what these claim, ask and type."""

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from record import events
from runtime.checkout import lab_name, lab_place
from runtime.lab import prediction
from runtime.lab.texts import clean

TYPING = ("run", "enter", "enter_plain", "send")  # the methods of a window that type their first argument
QUESTIONS: dict[str, Callable[..., prediction.Question]] = {
    kind.__name__: kind for kind in (prediction.Choice, prediction.Number, prediction.Text, prediction.Order)
}


@dataclass(frozen=True)
class StepOutline:
    """One ``with lab.step(...)`` of an exercise; ``first`` and ``last`` are its lines."""

    title: str
    text: str
    claims: tuple[str, ...]
    shows: tuple[str, ...]
    asks: bool
    points: float
    first: int
    last: int
    node: ast.With = field(repr=False, compare=False)
    ask: ast.expr | None = field(repr=False, compare=False)
    windows: Mapping[str, str] = field(repr=False, compare=False)  # of the exercise, by the variable that holds it

    @cached_property
    def commands(self) -> list[tuple[str, str]]:
        """(window, text) as the source types them, with braces around what only the run knows."""
        return list(_commands(self.node, self.windows))

    @cached_property
    def question(self) -> prediction.Question | None:
        """What it asks; None too where its words are not literal."""
        return _question(self.ask)


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

    def record(self) -> events.PlannedExercise:
        """The exercise as it stands in the record's ``lab`` event."""
        return events.PlannedExercise(
            self.name,
            self.title,
            steps=[step.title for step in self.steps],
            claims=list(self.claims),
            points=[step.points for step in self.steps],
            asks=[step.asks for step in self.steps],
        )


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
        """The place in the course: 10 of test_01_uts.py, 12 of test_01b_uts_kernel.py."""
        return lab_place(self.path)

    def exercise(self, name: str) -> ExerciseOutline:
        """The exercise of a test function; KeyError if there is none."""
        return {exercise.name: exercise for exercise in self.exercises}[name]


@cache
def read_outline(path: Path) -> LabOutline:
    """The outline of a lab file (read once a run)."""
    source = path.read_text("utf-8")
    tree = ast.parse(source, str(path))
    title, text = split_docstring(ast.get_docstring(tree) or "")
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    return LabOutline(lab_name(path), path, title, text, source, tuple(_exercise(function) for function in functions))


def split_docstring(docstring: str) -> tuple[str, str]:
    """(title, text): the first line, and the rest with its paragraphs."""
    title, _, text = docstring.strip().partition("\n")
    return title.strip(), text.strip()


def _exercise(function: ast.FunctionDef) -> ExerciseOutline:
    title, text = split_docstring(ast.get_docstring(function) or "")
    nodes = list(ast.walk(function))
    blocks = [node for node in nodes if isinstance(node, ast.With)]
    windows = dict(_windows(nodes))
    steps = [_step(block, call, windows) for block in blocks for call in _step_calls(block)]
    steps.sort(key=lambda step: step.first)
    return ExerciseOutline(function.name, title, text, function.lineno, function.end_lineno or 0, tuple(steps))


def _step_calls(node: ast.With) -> list[ast.Call]:
    calls = [item.context_expr for item in node.items if isinstance(item.context_expr, ast.Call)]
    return [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "step"]


def _windows(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, str]]:
    """(variable, window) of each ``first = lab.window("first")``, also of several in one assignment."""
    for node in nodes:
        if isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
            pairs: list[tuple[ast.expr, ast.expr]] = [(target, value)]
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                pairs = list(zip(target.elts, value.elts, strict=False))
            for name, opened in pairs:
                method, arguments = _method(opened)[1:]
                if isinstance(name, ast.Name) and method == "window" and arguments:
                    yield name.id, str(_literal(arguments[0]))


def _method(node: ast.AST) -> tuple[str, str, list[ast.expr]]:
    """What is called of a variable: ``("first", "run", [...])`` of ``first.run("id")``; empty for anything else."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
        return node.func.value.id, node.func.attr, node.args
    return "", "", []


def _commands(node: ast.With, windows: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    calls = [call for statement in node.body for call in ast.walk(statement) if isinstance(call, ast.Call)]
    for call in sorted(calls, key=lambda call: (call.end_lineno, call.end_col_offset)):  # as they are evaluated
        variable, method, arguments = _method(call)
        if variable in windows and method == "exit":
            yield windows[variable], "exit"
        elif variable in windows and method in TYPING and arguments:
            yield windows[variable], _as_typed(arguments[0])


def _as_typed(node: ast.expr) -> str:
    """A text as it stands in the source; what an f-string or an expression puts in stands in braces."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_as_typed(part) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return "{" + ast.unparse(node.value) + "}"
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _as_typed(node.left) + _as_typed(node.right)
    return "{" + ast.unparse(node) + "}"


def _question(node: ast.expr | None) -> prediction.Question | None:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id not in QUESTIONS:
        return None
    try:
        arguments = [ast.literal_eval(argument) for argument in node.args]
        named = {keyword.arg: ast.literal_eval(keyword.value) for keyword in node.keywords if keyword.arg}
    except ValueError:
        return None
    return QUESTIONS[node.func.id](*arguments, **named)


def _step(node: ast.With, call: ast.Call, windows: Mapping[str, str]) -> StepOutline:
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    title = _literal(call.args[0]) if call.args else ""
    text = call.args[1] if len(call.args) > 1 else given.get("text")
    return StepOutline(
        title=str(title),
        text=clean(str(_literal(text))) if text else "",
        claims=tuple(_literal(given["claims"])) if "claims" in given else (),
        shows=tuple(_literal(given["shows"])) if "shows" in given else (),
        asks="ask" in given,
        points=_literal(given["points"]) if "points" in given else 1,
        first=node.lineno,
        last=node.end_lineno or node.lineno,
        node=node,
        ask=given.get("ask"),
        windows=windows,
    )


def _literal(node: ast.expr) -> Any:
    """A literal's value; the source text of anything else, such as an f-string."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)
