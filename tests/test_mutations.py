"""What a step teaches is taken away, and the step must turn red: else its asserts show nothing.

Each claim of the catalogue has a mutation, and it stands there.  All of them run in one pytest session, on a copy of
the project in which every mutation has a folder of labs of its own.
"""

import ast
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from runtime.lab.claims import Catalogue
from runtime.lab.outline import read_outline
from tests.conftest import ROOT, Checkout, clean_environment, copy_project

pytestmark = pytest.mark.privileged

OWNERS = {
    claim: (path, exercise)
    for path in sorted((ROOT / "labs").glob("test_*.py"))
    for exercise in read_outline(path).exercises
    for claim in exercise.claims
}
MUTATIONS = {claim.id: claim.mutation for claim in Catalogue.load() if claim.mutation}


# A mutated lab may change the sandbox itself, where the original changed a namespace of its own. The next one must not
# meet that: each exercise begins in copies of the sandbox's first UTS and IPC namespaces.
ANEW = """

from runtime.kernel.syscalls import Clone, setns, unshare

FIRST = {kind: os.open(f"/proc/self/ns/{kind}", os.O_RDONLY) for kind in ("uts", "ipc")}


@pytest.fixture(autouse=True)
def anew():
    for descriptor in FIRST.values():
        setns(descriptor)
    unshare(Clone.NEWUTS | Clone.NEWIPC)
"""


def mutated_text(claim: str, text: str) -> str | None:
    """``text`` under the mutation of a claim; None unless what is to be replaced stands in it exactly once."""
    mutation = MUTATIONS[claim]
    return text.replace(mutation["replace"], mutation["with"]) if text.count(mutation["replace"]) == 1 else None


def mutation_of(claim: str) -> tuple[str, str] | None:
    """(lab, program) of a claim as texts under its mutation, which changes one of them; None if it has no place."""
    if claim not in OWNERS:
        return None
    path, exercise = OWNERS[claim]
    lines = path.read_text().splitlines(keepends=True)
    before, own, after = lines[: exercise.first - 1], lines[exercise.first - 1 : exercise.last], lines[exercise.last :]
    if "file" not in MUTATIONS[claim]:
        changed = mutated_text(claim, "".join(own))
        return changed and ("".join([*before, changed, *after]), "")
    changed = mutated_text(claim, (ROOT / MUTATIONS[claim]["file"]).read_text())
    return changed and ("".join(lines), changed)


def mutate(claim: str, folder: Path, lab: str, program: str) -> str:
    """Write the mutated lab of a claim into ``folder``; the node id of its exercise, relative to the checkout."""
    path, exercise = OWNERS[claim]
    folder.mkdir()
    shutil.copytree(ROOT / "labs" / "programs", folder / "programs")
    if program:
        (folder / "programs" / Path(MUTATIONS[claim]["file"]).name).write_text(program)
    (folder / path.name).write_text(alone(lab, exercise.name))
    return f"labs/{folder.name}/{path.name}::{exercise.name}"


def alone(source: str, exercise: str) -> str:
    """The lab without its other exercises: they would only take time to read."""
    lines = source.splitlines(keepends=True)
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and node.name != exercise:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            lines[first - 1 : node.end_lineno] = ["\n"] * (node.end_lineno - first + 1)
    return "".join(lines)


@pytest.fixture(scope="module")
def mutated(tmp_path_factory):
    """The claim events of all mutated exercises, by claim."""
    checkout = Checkout(tmp_path_factory.mktemp("mutations"))
    copy_project(checkout.path)
    with (checkout.path / "conftest.py").open("a") as conftest:
        conftest.write(ANEW)
    for catalogue in (ROOT / "labs").glob("*.yaml"):
        shutil.copy(catalogue, checkout.path / "labs")
    placed = {claim: texts for claim in MUTATIONS if (texts := mutation_of(claim))}
    nodes = {mutate(claim, checkout.path / "labs" / claim, *texts): claim for claim, texts in placed.items()}
    command = checkout.command("--import-mode=importlib", "-q", "--tb=no", "-n", "auto", *nodes)
    options = {"cwd": checkout.path, "env": clean_environment(), "capture_output": True, "text": True}
    result = subprocess.run(command, timeout=1200, **options)
    assert result.returncode in (0, 1), result.stdout[-3000:] + result.stderr[-3000:]
    found: dict[str, dict] = {}
    for record in checkout.site.glob("record*.jsonl"):  # one of each worker
        claim = ""
        for event in map(json.loads, record.read_text().splitlines()):
            if event["event"] == "exercise":
                claim = nodes[event["nodeid"]]
            elif event["event"] == "claim" and event["claim"] == claim:
                found[claim] = event
    return found


@pytest.mark.parametrize("claim", MUTATIONS)
def test_a_mutation_has_a_place(claim):
    assert mutation_of(claim), "the text to replace must stand exactly once in the owner's exercise, or in the program"


@pytest.mark.parametrize("claim", MUTATIONS)
def test_the_owner_turns_red_without_what_it_teaches(mutated, claim):
    event = mutated[claim]
    if event["verdict"] == "unsupported":
        pytest.skip(f"unsupported here: {event['reason']}")
    assert event["verdict"] == "failed", f"{claim} stays green"
    assert event["step"] is not None, f"{claim}: an earlier step fails: {event['reason']}"
    expected = MUTATIONS[claim].get("raises", ("AssertionError", "UnforeseenError"))
    assert event["reason"].startswith(expected), event["reason"]
