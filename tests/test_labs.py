"""The labs as a whole: each claim has one owner and is earned there, with the files that make it visible."""

import ast
import re
from collections import Counter

import pytest

from record.verdicts import EXPECTED
from runtime.kernel import proc
from runtime.lab.claims import Catalogue
from runtime.lab.outline import read_outline
from tests.conftest import ROOT

LABS = [read_outline(path) for path in sorted((ROOT / "labs").glob("test_*.py"))]
CATALOGUE = Catalogue.load()
EXERCISES = [(lab, exercise) for lab in LABS for exercise in lab.exercises]
STEPS = [(lab, exercise, step) for lab, exercise in EXERCISES for step in exercise.steps]
DRAWN = ("pid", "shell", "st_ino", "inode")
OWNERS = {claim: step for _, _, step in STEPS for claim in step.claims}


def ids(cases):
    return [f"{case[0].name}-{case[1].name}" for case in cases]


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.name)
def test_a_lab_has_a_title_a_text_and_its_place(lab):
    assert lab.title.endswith("."), "the first line of the docstring is the title, a sentence"
    assert len(lab.text) > 100


@pytest.mark.parametrize(("lab", "exercise"), EXERCISES, ids=ids(EXERCISES))
def test_an_exercise_has_a_title_a_text_steps_and_a_question(lab, exercise):
    assert exercise.title.endswith((".", "?"))
    assert exercise.text
    assert exercise.steps
    assert any(step.asks for step in exercise.steps), "every exercise has at least one prediction"


def test_step_titles_are_short_and_told_apart():
    for _, exercise in EXERCISES:
        titles = [step.title for step in exercise.steps]
        assert len(set(titles)) == len(titles)
    assert [step.title for *_, step in STEPS if len(step.title) > 80 or not step.title] == []


def test_each_claim_has_exactly_one_owner():
    owned = Counter(claim for *_, step in STEPS for claim in step.claims)
    finished = {lab.name for lab in LABS}
    assert {claim.id: owned[claim.id] for claim in CATALOGUE if claim.lab in finished and owned[claim.id] != 1} == {}
    assert {claim.lab for claim in CATALOGUE} <= finished, "the catalogue has claims of a lab that does not exist"


def test_the_claims_of_a_lab_stand_beside_it():
    assert {path.stem for path in (ROOT / "labs").glob("*.yaml")} <= {lab.path.stem for lab in LABS}


def test_no_unknown_claim():
    known = {claim.id for claim in CATALOGUE}
    assert {claim for *_, step in STEPS for claim in (*step.claims, *step.shows)} <= known


def test_a_claim_is_owned_in_its_own_lab():
    assert [claim for lab, _, step in STEPS for claim in step.claims if CATALOGUE[claim].lab != lab.name] == []


@pytest.mark.parametrize("claim", list(CATALOGUE), ids=lambda claim: claim.id)
def test_an_entry_of_the_catalogue(claim):
    assert claim.statement.endswith((".", "?"))
    assert claim.truth.endswith((".", ")"))
    assert claim.verdict in EXPECTED
    source = r"\(\d\w?\)|[Ll]inux|kernel|\d\.\d|\.[ch]\b|\.rst\b|https?:|POSIX"
    assert re.search(source, claim.reference), claim.reference
    for path in claim.visible_in:
        assert proc.reader_of(path)


NOT_SO = [claim for claim in CATALOGUE if claim.verdict != "holds"]


@pytest.mark.parametrize("claim", NOT_SO, ids=lambda claim: claim.id)
def test_what_is_wrong_or_changed_is_asked_before_it_is_shown(claim):
    assert OWNERS[claim.id].asks


def test_nothing_is_asserted_of_numbers_that_the_kernel_draws():
    """pf-15, pf-18, pf-23: no assert compares a pid or an inode number with a literal, and nobody sleeps."""
    for lab in LABS:
        for node in ast.walk(ast.parse(lab.source)):
            if isinstance(node, ast.Assert) and isinstance(node.test, ast.Compare):
                sides = [node.test.left, *node.test.comparators]
                drawn = [side for side in sides if isinstance(side, ast.Attribute) and side.attr in DRAWN]
                literal = [side for side in sides if isinstance(side, ast.Constant) and side.value not in (0, 1)]
                assert not (drawn and literal), f"{lab.path.name}:{node.lineno}"
        assert "time.sleep" not in lab.source, f"{lab.path.name} sleeps; wait for an event"


# One real run


def test_the_labs_are_green(labs_run):
    assert labs_run.process.returncode == 0, labs_run.process.stdout[-5000:] + labs_run.process.stderr[-2000:]


@pytest.mark.parametrize("claim", list(CATALOGUE), ids=lambda claim: claim.id)
def test_a_claim_is_earned_or_unsupported_with_its_reason(labs_run, claim):
    verdicts = [event for event in labs_run.events if event["event"] == "claim" and event["claim"] == claim.id]
    assert len(verdicts) == 1
    (event,) = verdicts
    (facts,) = [event["facts"] for event in labs_run.events if event["event"] == "run"]
    if event["verdict"] == "unsupported":
        assert event["reason"]
        assert event["how"]
    else:
        assert event["verdict"] == claim.on(facts["kernel"], facts["cgroup"]).verdict


@pytest.mark.parametrize("claim", [claim for claim in CATALOGUE if claim.visible_in], ids=lambda claim: claim.id)
def test_the_files_that_show_a_claim_are_observed_in_its_step(labs_run, claim):
    verdict = next(event for event in labs_run.events if event["event"] == "claim" and event["claim"] == claim.id)
    if verdict["verdict"] == "unsupported":
        pytest.skip(f"unsupported here: {verdict['reason']}")
    seen = set()
    for event in labs_run.events:
        if event["event"] == "observation" and event["step"] == verdict["step"]:
            for process in event["processes"]:
                seen |= {path for path, value in (process["state"] or {}).items() if not is_error(value)}
    assert set(claim.visible_in) <= seen


def is_error(value):
    """Whether a file could not be read."""
    return isinstance(value, dict) and set(value) == {"error"}


def test_every_question_is_answered_by_what_was_observed(labs_run):
    ends = [event for event in labs_run.events if event["event"] == "step_end"]
    passed = {event["step"] for event in ends if event["outcome"] == "passed"}
    asked = {event["step"] for event in labs_run.events if event["event"] == "step" and event["ask"]} & passed
    answered = {event["step"] for event in labs_run.events if event["event"] == "prediction"}
    assert asked
    assert asked <= answered


def test_each_claim_has_a_mutation():
    assert [claim.id for claim in CATALOGUE if not claim.mutation] == []
