"""The labs as a whole: each claim has one owner and is earned there, with the files that make it visible."""

import pytest

from record.events import ClaimVerdict, Observation, Prediction, Run, Step, StepEnd
from runtime.authoring import rules
from runtime.lab.claims import Catalogue
from runtime.lab.outline import read_outline
from tests.conftest import ROOT

LABS = [read_outline(path) for path in sorted((ROOT / "labs").glob("test_*.py"))]
CATALOGUE = Catalogue.load()


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.name)
def test_a_lab_keeps_the_rules_of_labs(lab):
    assert rules.findings(lab, CATALOGUE) == []


def test_the_claims_of_a_lab_stand_beside_it():
    assert {path.stem for path in (ROOT / "labs").glob("*.yaml")} <= {lab.path.stem for lab in LABS}


# One real run


def test_the_labs_are_green(labs_run):
    assert labs_run.process.returncode == 0, labs_run.process.stdout[-5000:] + labs_run.process.stderr[-2000:]


@pytest.mark.parametrize("claim", list(CATALOGUE), ids=lambda claim: claim.id)
def test_a_claim_is_earned_or_unsupported_with_its_reason(labs_run, claim):
    (event,) = verdicts_of(labs_run, claim)
    (facts,) = [event.facts for event in labs_run.events if isinstance(event, Run)]
    able = {name for name, ability in facts.can.items() if ability.ok}
    if event.verdict == "unsupported":
        assert event.reason
        assert event.how
    else:
        assert event.verdict == claim.on(facts.kernel, facts.cgroup, able).verdict


def verdicts_of(labs_run, claim):
    return [event for event in labs_run.events if isinstance(event, ClaimVerdict) and event.claim == claim.id]


@pytest.mark.parametrize("claim", [claim for claim in CATALOGUE if claim.visible_in], ids=lambda claim: claim.id)
def test_the_files_that_show_a_claim_are_observed_in_its_step(labs_run, claim):
    verdict = verdicts_of(labs_run, claim)[0]
    if verdict.verdict == "unsupported":
        pytest.skip(f"unsupported here: {verdict.reason}")
    seen = set()
    for event in labs_run.events:
        if isinstance(event, Observation) and event.step == verdict.step:
            for process in event.processes:
                seen |= {path for path, value in (process.state or {}).items() if not is_error(value)}
    assert set(claim.visible_in) <= seen


def is_error(value):
    """Whether a file could not be read."""
    return isinstance(value, dict) and set(value) == {"error"}


def test_every_question_is_answered_by_what_was_observed(labs_run):
    passed = {event.step for event in labs_run.events if isinstance(event, StepEnd) and event.outcome == "passed"}
    asked = {event.step for event in labs_run.events if isinstance(event, Step) and event.ask} & passed
    answered = {event.step for event in labs_run.events if isinstance(event, Prediction)}
    assert asked
    assert asked <= answered
