"""What a step teaches is taken away, and the step must turn red: else its asserts show nothing."""

import pytest

from runtime.authoring import mutations
from runtime.lab.claims import Catalogue
from runtime.lab.outline import read_outline
from tests.conftest import ROOT, clean_environment

pytestmark = pytest.mark.privileged

CLAIMS = list(Catalogue.load())
LABS = [read_outline(path) for path in sorted((ROOT / "labs").glob("test_*.py"))]


@pytest.fixture(scope="module")
def mutated(request, tmp_path_factory):
    """What became of the claims whose tests are selected, under their mutations."""
    wanted = {item.callspec.params["claim"].id for item in request.session.items if item.path == request.path}
    mutants = [each for claim in CLAIMS if claim.id in wanted and (each := mutations.mutant(claim, LABS))]
    return mutations.run(mutants, tmp_path_factory.mktemp("mutations"), clean_environment())


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_a_mutation_has_a_place(claim):
    assert mutations.mutant(claim, LABS), "what is replaced must stand exactly once in its exercise, or in the program"


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_the_owner_turns_red_without_what_it_teaches(mutated, claim):
    verdict = mutated.get(claim.id)
    assert mutations.problem(claim, verdict) == ""
    if verdict.verdict == "unsupported":
        pytest.skip(f"unsupported here: {verdict.reason}")
