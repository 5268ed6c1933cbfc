"""docs/authoring.md is true: its blocks, put where they say, are a lab with a page in the report."""

import re
import shutil

import pytest
import yaml

from tests.conftest import ROOT, clean_environment

pytestmark = pytest.mark.privileged

BLOCK = re.compile(r"^```(?:yaml|python)\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = dict(BLOCK.findall((ROOT / "docs" / "authoring.md").read_text()))
LAB = "labs/test_90_environment.py"
CLAIMS = "labs/test_90_environment.yaml"


@pytest.fixture
def authored(checkout):
    """A checkout to which the blocks were added."""
    checkout.lab.unlink()
    (checkout.path / LAB).write_text(BLOCKS[LAB])
    (checkout.path / "labs" / "test_01_tiny.yaml").unlink()
    (checkout.path / CLAIMS).write_text(BLOCKS[CLAIMS])
    return checkout


def test_the_page_names_its_files():
    assert set(BLOCKS) == {CLAIMS, LAB}


def test_the_lab_runs_and_has_a_page(authored):
    result = authored.pytest("labs/", "-k", "environment")
    assert result.returncode == 0, result.stdout + result.stderr
    claims = {event["claim"]: event["verdict"] for event in authored.events("claim")}
    assert claims == {"env-01": "holds", "env-02": "wrong"}
    page = (authored.site / "environment.html").read_text()
    for text in ("Environment", "Start a shell with a variable", "Change it", "env-01", "env-02"):
        assert text in page


def test_the_lint_of_labs_accepts_it(authored):
    (authored.path / "tests").mkdir()
    for name in ("__init__.py", "conftest.py", "test_labs.py", "tiny_lab.py"):
        shutil.copy(ROOT / "tests" / name, authored.path / "tests")
    result = authored.pytest("tests/")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("claim", ["env-01", "env-02"])
def test_its_mutations_turn_their_step_red(authored, claim):
    mutation = next(entry["mutation"] for entry in yaml.safe_load(BLOCKS[CLAIMS]) if entry["id"] == claim)
    source = (authored.path / LAB).read_text()
    assert source.count(mutation["replace"]) == 1
    (authored.path / LAB).write_text(source.replace(mutation["replace"], mutation["with"]))
    assert authored.pytest("labs/", env=clean_environment()).returncode == 1
    verdicts = {event["claim"]: event["verdict"] for event in authored.events("claim")}
    assert verdicts[claim] == "failed"
