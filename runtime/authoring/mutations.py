"""What a step teaches is taken away, and the step must turn red: else its asserts show nothing.

The catalogue says for each claim how (``mutation``). Mutated labs run in a copy of the project, in which each mutation
has a folder of labs of its own, all in one pytest session.
"""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from record.events import ClaimVerdict, Exercise
from record.reading import LARGE, Record
from runtime.checkout import LABS, ROOT
from runtime.lab.claims import Claim
from runtime.lab.outline import ExerciseOutline, LabOutline

ENDS = ("AssertionError", "UnforeseenError")  # what may end a mutated step, unless the mutation says ``raises``
NEEDED = ("record", "runtime", "reports", "conftest.py", "lab_hooks.py", "pyproject.toml")

# A mutated lab may change the sandbox itself, where the original changed a namespace of its own. The next one must not
# meet that: each exercise begins in copies of the sandbox's first UTS and IPC namespaces.
_ANEW = """

from runtime.kernel.syscalls import Clone, setns, unshare

FIRST = {kind: os.open(f"/proc/self/ns/{kind}", os.O_RDONLY) for kind in ("uts", "ipc")}


@pytest.fixture(autouse=True)
def anew():
    for descriptor in FIRST.values():
        setns(descriptor)
    unshare(Clone.NEWUTS | Clone.NEWIPC)
"""


@dataclass(frozen=True)
class Verdict:
    """What became of a claim under its mutation; ``step`` is "" if its step was not reached."""

    verdict: str
    reason: str
    step: str


@dataclass(frozen=True)
class Mutant:
    """A claim with the texts of its lab and of the C program under its mutation; ``program`` is "" if that stays."""

    claim: Claim
    lab: LabOutline
    exercise: ExerciseOutline
    source: str
    program: str = ""

    @property
    def node(self) -> str:
        """The node id of its exercise in the copy of the project."""
        return f"labs/{self.claim.id}/{self.lab.path.name}::{self.exercise.name}"

    def write(self, labs: Path) -> None:
        """Write the mutated lab into a folder of its own below ``labs``."""
        folder = labs / self.claim.id
        folder.mkdir()
        shutil.copytree(self.lab.path.parent / "programs", folder / "programs")
        if self.program:
            (folder / "programs" / Path(self.claim.mutation["file"]).name).write_text(self.program, "utf-8")
        (folder / self.lab.path.name).write_text(_alone(self.source, self.exercise.name), "utf-8")


def mutant(claim: Claim, labs: Iterable[LabOutline]) -> Mutant | None:
    """The mutant of a claim.

    None if no step owns the claim, or if what is to be replaced does not stand exactly once in the exercise of that
    step (in the program, where the mutation names one).
    """
    found = [(lab, exercise) for lab in labs for exercise in lab.exercises if claim.id in exercise.claims]
    if not found or not claim.mutation:
        return None
    lab, exercise = found[0]
    lines = lab.source.splitlines(keepends=True)
    own = "".join(lines[exercise.first - 1 : exercise.last])
    program = claim.mutation.get("file", "")
    changed = _changed(claim.mutation, (ROOT / program).read_text("utf-8") if program else own)
    if changed is None:
        return None
    if program:
        return Mutant(claim, lab, exercise, lab.source, changed)
    return Mutant(claim, lab, exercise, "".join([*lines[: exercise.first - 1], changed, *lines[exercise.last :]]))


def _changed(mutation: Mapping[str, str], text: str) -> str | None:
    return text.replace(mutation["replace"], mutation["with"]) if text.count(mutation["replace"]) == 1 else None


def _alone(source: str, exercise: str) -> str:
    """The lab without its other exercises: they would only take time to read."""
    lines = source.splitlines(keepends=True)
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and node.name != exercise:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            last = node.end_lineno or first
            lines[first - 1 : last] = ["\n"] * (last - first + 1)
    return "".join(lines)


def run(mutants: Iterable[Mutant], copy: Path, environment: Mapping[str, str] | None = None) -> dict[str, Verdict]:
    """Run mutants in ``copy``, an empty folder; what became of each claim, by its id.

    RuntimeError with the last lines of pytest where it could not run them.
    """
    _copy_project(copy)
    by_node = {each.node: each for each in mutants}
    for each in by_node.values():
        each.write(copy / "labs")
    if not by_node:
        return {}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--import-mode=importlib", "-q", "--tb=no"]
    result = subprocess.run(
        [*command, "-n", "auto", "--target", "sandbox", *by_node],
        cwd=copy,
        env=environment or dict(os.environ),
        capture_output=True,
        text=True,
        timeout=1200,
    )
    if result.returncode not in (0, 1):
        raise RuntimeError(f"pytest ended with {result.returncode}: {result.stdout[-2000:]}{result.stderr[-2000:]}")
    return _verdicts(sorted((copy / "reports" / "site").glob("record*.jsonl")), by_node)


def _copy_project(copy: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "site", "sample")
    for name in NEEDED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, copy)
    with (copy / "conftest.py").open("a") as conftest:
        conftest.write(_ANEW)
    (copy / "labs").mkdir()
    for catalogue in LABS.glob("*.yaml"):
        shutil.copy(catalogue, copy / "labs")


def _verdicts(records: Iterable[Path], by_node: Mapping[str, Mutant]) -> dict[str, Verdict]:
    """By node, as exercises of one lab have one name in all mutations: for the reader of records they are one."""
    found: dict[str, Verdict] = {}
    for record in records:  # one of each worker
        node = ""
        for event in Record(record, LARGE):
            if isinstance(event, Exercise):
                node = event.nodeid
            elif isinstance(event, ClaimVerdict) and event.claim == by_node[node].claim.id:
                found[event.claim] = Verdict(event.verdict, event.reason, event.step or "")
    return found


def problem(claim: Claim, verdict: Verdict | None) -> str:
    """What is wrong with a mutated claim, in one sentence; "" if its step turned red as it must."""
    what = claim.mutation.get("what") or claim.mutation["with"]
    if verdict is None:
        return f"{claim.id}: its step did not run under its mutation ({what})"
    if verdict.verdict == "unsupported":
        return ""
    if verdict.verdict != "failed":
        return f"{claim.id} stays green though {what}: its asserts show nothing"
    if not verdict.step:
        return f"{claim.id}: under its mutation ({what}) an earlier step fails: {verdict.reason}"
    expected = claim.mutation.get("raises", ENDS)
    if not verdict.reason.startswith(expected):
        return f"{claim.id}: no assert fails under its mutation ({what}), but: {verdict.reason}"
    return ""
