"""The options of a walk: help that teaches, and one sentence for what cannot be."""

import pytest

from tests.conftest import Checkout

pytestmark = pytest.mark.privileged


def test_help_teaches(walk_checkout):
    text = " ".join(walk_checkout.pytest("--help").stdout.split())
    for part in (
        "--step walk through the labs in this terminal",
        "--step=plain the same in lines of text, for screen readers",
        "--resume with --step or --quiz: go on where the last one",
        "--autoplay=SECONDS",
        "--type-speed=N",
        "--student=NAME",
        "--quiz only the questions of the labs, as a test",
        "--answers=FILE.yaml",
        "--lab=NAME only this lab",
    ):
        assert part in text, part


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--step"], "read keys: start it in one (ssh -t, docker run -it), no pipe"),
        (["--quiz"], "--quiz needs a terminal"),
        (["--step", "-n", "2"], "--step shows one run in one terminal: leave -n out"),
        (["--step", "-p", "no:terminal"], "--step needs pytest's terminal: leave -p no:terminal out"),
        (["--step=plain", "--pdb"], "--step and --pdb both want the terminal: leave one out"),
        (["--resume"], "--resume belongs to a walkthrough: give --step too"),
        (["--autoplay", "3"], "--autoplay belongs to a walkthrough"),
        (["--type-speed", "3"], "--type-speed belongs to a walkthrough"),
        (["--lab", "uts"], "--lab uts: there is no such lab; there are tiny"),
        (["--answers", "no.yaml"], "--answers no.yaml: there is no such file"),
        (["--step", "--autoplay", "0"], "argument --autoplay: '0' is no number above 0"),
        (["--step=fancy"], "argument --step: ignored explicit argument 'fancy'"),
    ],
)
def test_one_sentence_for_what_cannot_be(walk_checkout: Checkout, arguments, message):
    result = walk_checkout.pytest("labs/", *arguments)
    assert result.returncode == 4
    assert message in result.stderr + result.stdout
    assert "Traceback" not in result.stderr
    assert not (walk_checkout.site / "record.jsonl").exists()


def test_a_walk_through_tests_is_none(walk_checkout):
    (walk_checkout.path / "tests").mkdir()
    (walk_checkout.path / "tests" / "test_nothing.py").write_text("def test_nothing():\n    pass\n")
    result = walk_checkout.pytest("tests/", "--step")
    assert result.returncode == 4
    assert "--step walks through labs and nothing else" in result.stderr
    assert walk_checkout.pytest("tests/").returncode == 0
    assert walk_checkout.pytest("--step", "--collect-only").returncode == 0, "nothing runs, so nothing is refused"


def test_lab_selects_by_name(walk_checkout):
    other = walk_checkout.lab.with_name("test_02_other.py")
    other.write_text(walk_checkout.lab.read_text().replace("tiny-0", "tiny-0"))
    result = walk_checkout.pytest("--lab", "other", "--collect-only", "-q")
    assert "labs/test_02_other.py::test_names" in result.stdout
    assert "test_01_tiny" not in result.stdout
    result = walk_checkout.pytest("--lab", "other,tiny", "--collect-only", "-q")
    assert "test_01_tiny" in result.stdout
    assert "test_02_other" in result.stdout
