"""python -m runtime new-lab and check: what an author types all day."""

import subprocess
import sys

import pexpect
import pytest

from runtime.authoring.new_lab import NewLabError, new_lab
from tests.conftest import clean_environment

pytestmark = pytest.mark.privileged

LAB = "labs/test_17_registries.py"


def runtime(checkout, *arguments):
    command = [sys.executable, "-m", "runtime", *arguments]
    return subprocess.run(command, cwd=checkout.path, env=clean_environment(), capture_output=True, text=True)


@pytest.fixture
def begun(checkout):
    """A checkout with a new lab."""
    (checkout.path / "labs" / "programs").mkdir()
    result = runtime(checkout, "new-lab", "17", "registries")
    assert result.returncode == 0, result.stderr
    return checkout


def test_a_new_lab_is_in_order_as_it_stands(begun):
    result = runtime(begun, "check", "registries")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "✓ rules: all kept" in result.stdout
    assert "✓ run: 1 passed" in result.stdout
    assert "✓ mutations: 2 of 2 in order" in result.stdout
    assert (begun.site / "registries.html").exists()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("assert parent == outer", "outer", ["asserts nothing", "✗ run: red"]),
        ('"of process 1": parent == 1', '"of process 1": True', ["a condition that is a constant foresees nothing"]),
        (', "of nobody")', ")", ["offers 2 answers; give 3 or four"]),
        ('first.enter("bash")', 'first.enter("bash --norc")', ["its mutation has no place", "✗ mutations: 1 of 2"]),
    ],
)
def test_what_is_not_in_order_is_told_by_its_place(begun, old, new, words):
    source = (begun.path / LAB).read_text()
    assert old in source
    (begun.path / LAB).write_text(source.replace(old, new))
    result = runtime(begun, "check", "registries")
    assert result.returncode == 1
    for word in words:
        assert word in result.stdout


def test_asserts_that_show_nothing_are_found_by_the_mutation(begun):
    source = (begun.path / LAB).read_text().replace("assert parent == outer", "assert parent >= 0")
    (begun.path / LAB).write_text(
        source.replace('parent == 1, "of nobody"', 'parent != outer and parent > 0, "of nobody"')
    )
    result = runtime(begun, "check", "registries")
    assert result.returncode == 1
    assert "regist-02 stays green though the shell becomes the other bash" in result.stdout


def test_broken_claims_are_one_sentence(begun):
    (begun.path / LAB).with_suffix(".yaml").write_text("- id: x\n")
    result = runtime(begun, "check", "registries")
    assert result.returncode == 1
    assert len(result.stdout.splitlines()) == 1
    assert "test_17_registries.yaml: x:" in result.stdout


def test_it_checks_again_when_the_lab_is_saved(begun):
    command = ["-m", "runtime", "check", "registries", "--watch", "--no-mutations"]
    environment = clean_environment()
    child = pexpect.spawn(sys.executable, command, cwd=str(begun.path), env=environment, timeout=60, encoding="utf-8")
    child.expect_exact("Waiting for a change")
    (begun.path / LAB).write_text(
        (begun.path / LAB).read_text().replace("assert parent == outer", "assert parent != outer")
    )
    child.expect_exact("✗ run: red")
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("new-lab", "1", "other"), "labs/test_01_tiny.py stands already"),
        (("new-lab", "50", "../x"), "'../x' is no topic"),
        (("new-lab", "100", "far"), "100 is no place in the course"),
        (("check", "none"), "there is no lab 'none'; there are tiny"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(checkout, arguments, words):
    result = runtime(checkout, *arguments)
    assert result.returncode == 4
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_nothing_that_stands_is_overwritten(tmp_path):
    new_lab(17, "mine", tmp_path)
    for number, topic in ((17, "yours"), (18, "mine")):
        with pytest.raises(NewLabError, match="stands already"):
            new_lab(number, topic, tmp_path)
