"""Predictions without a person: answers from a file, and what is wrong with such a file."""

import pytest

from tests.conftest import Checkout

pytestmark = pytest.mark.privileged

GOOD = """\
student: Ada
tiny/test_names/2: 1
tiny/test_names/3: inside
tiny/test_destroyed/1: 0x6 bytes
tiny/test_destroyed/2: [the file, the shell]
"""


def judged(checkout: Checkout) -> dict[str, tuple]:
    return {
        event["step"].partition("/")[2]: (event["given"], event["correct"], event.get("skipped", False))
        for event in checkout.events("prediction")
    }


@pytest.mark.parametrize("option", [[], ["--quiz"]])
def test_answers_are_judged_without_a_terminal(walk_checkout, option):
    (walk_checkout.path / "a.yaml").write_text(GOOD)
    result = walk_checkout.pytest("labs/", "--answers", "a.yaml", *option)
    assert result.returncode == 0, result.stdout
    assert "3 passed, 1 skipped" in result.stdout
    assert "Ada: 3 of 4 predictions right." in result.stdout
    assert judged(walk_checkout) == {
        "test_names/2": ("the old name", True, False),
        "test_names/3": ("inside", True, False),
        "test_destroyed/1": (6, False, False),
        "test_destroyed/2": (["the file", "the shell"], True, False),
    }
    (run,) = walk_checkout.events("run")
    assert (run["student"], run.get("mode", "")) == ("Ada", "quiz" if option else "")


def test_missing_and_empty_answers_never_fail_the_run(walk_checkout):
    (walk_checkout.path / "a.yaml").write_text("tiny/test_names/2:\ntiny/test_destroyed/2: 2 1\n")
    result = walk_checkout.pytest("labs/", "--answers", "a.yaml", "--student", "Bob", "-k", "names or destroyed")
    assert result.returncode == 0
    assert "Bob: 0 of 2 predictions right, 1 skipped." in result.stdout
    assert judged(walk_checkout) == {
        "test_names/2": (None, None, True),
        "test_names/3": (None, None, False),
        "test_destroyed/1": (None, None, False),
        "test_destroyed/2": (["the shell", "the file"], False, False),
    }


def test_an_answer_to_a_step_that_breaks_is_recorded_and_not_judged(walk_checkout):
    (walk_checkout.path / "a.yaml").write_text("tiny/test_names/2: 1\n")
    source = walk_checkout.lab.read_text()
    walk_checkout.lab.write_text(source.replace('old = second.run("hostname")', "raise RuntimeError"))
    assert walk_checkout.pytest("labs/", "--answers", "a.yaml", "-k", "names").returncode == 1
    assert judged(walk_checkout) == {"test_names/2": ("the old name", None, False)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "tiny/test_names/2: blue",
            "line 1: tiny/test_names/2: 'blue' is none of the choices; give one of 1 (the old name)",
        ),
        ("tiny/test_names/2: 3", "'3' is none of the choices"),
        ("tiny/test_names/2: [1, 2]", "is a list; give one answer"),
        ("\ntiny/test_destroyed/1: five", "line 2: tiny/test_destroyed/1: 'five' is not a number; give one in bytes"),
        ("tiny/test_destroyed/1: .inf", "'.inf' is not a number"),
        ("tiny/test_names/3: {a: b}", "give one answer, or a list of texts"),
        ("tiny/test_destroyed/2: [1]", "an order needs each of 1 (the file), 2 (the shell) once"),
        ("tiny/test_destroyed/2: 1 1", "an order needs each of"),
        ("tiny/test_names/1: x", "step tiny/test_names/1 asks nothing; take the line away"),
        ("tiny/test_names/9: x", "there is no step tiny/test_names/9; these ask something: tiny/test_names/2"),
        ("tiny/test_nothing/1: x", "these ask something: tiny/test_names/2, tiny/test_names/3, tiny/test_destroyed/1"),
        ("other/test_x/1: x", "the labs are tiny"),
        ("tiny/test_names/2: 1\ntiny/test_names/2: 2", "line 2: tiny/test_names/2 stands there twice; keep one"),
        ("? [a, b]\n: x", "line 1: it names no step; write a line such as uts/test_x/2: answer"),
        ("student: [Ada, Bob]", "line 1: student is no name; write a line such as student: Ada"),
        ("student:", "line 1: student is no name"),
        ("- 1", "it names no steps; write a line such as uts/test_x/2: answer"),
        ("", "it names no steps"),
        ("a: [", "it is no YAML"),
    ],
)
def test_a_file_that_is_not_in_order_is_told_before_the_run(walk_checkout, monkeypatch, text, message):
    """Read in this process: only that the words reach the terminal is tried with pytest itself."""
    from runtime.stage import answers

    path = walk_checkout.path / "a.yaml"
    path.write_text(text)
    with pytest.raises(answers.AnswersError) as error:
        answers.read(path, [walk_checkout.lab])
    assert message in str(error.value)
    assert str(error.value).startswith(f"--answers {path}")


def test_the_words_reach_the_terminal_and_nothing_runs(walk_checkout):
    (walk_checkout.path / "a.yaml").write_bytes(b"\xff\xfe")
    result = walk_checkout.pytest("labs/", "--answers", "a.yaml")
    assert result.returncode == 4
    assert "a.yaml: it is not UTF-8 text; save it as that" in result.stderr
    assert not (walk_checkout.site / "record.jsonl").exists()


def test_answers_beside_a_walk_are_not_asked_for(walk):
    (walk.checkout.path / "a.yaml").write_text("tiny/test_names/2: inside")
    walker = walk("--answers", "a.yaml", "-k", "names")
    walker.wait()
    walker.key("g 2")
    assert "You said: inside. It is: the old name. Not so." in walker.key("n")
    walker.key()
    walker.key("n", prompt="Your answer (Enter skips): ")
    walker.key("inside")
    walker.key()
    assert "1 of 2 predictions right." in walker.end("n")
