"""The questions of a lab as a test."""

import pytest

pytestmark = pytest.mark.privileged


def test_nothing_is_shown_before_the_answer(walk):
    walker = walk("--quiz", "--student", "Ada")
    shown = walker.wait("(its number, Enter skips): ")
    assert "Lab: Walk: a lab for the tests of the stage.\nQuestion 1 of 4\n" in shown
    assert "Question: What does the second window say?\n  1 the old name\n  2 inside" in shown
    for told in (
        "A name of one",
        "unshare",
        "hostname",
        "Rename",
        "The first window is renamed",
        "What changed",
        "Check",
        "Claim",
    ):
        assert told not in shown.partition("Lab: ")[2], told
    shown = walker.key("2")
    assert "You said: inside. It is: the old name. Not so." in shown
    assert "Not in a quiz" in walker.key("b")
    assert "Not in a quiz" in walker.key("s")
    assert "sethostname(2) writes to one namespace." in walker.key("w")
    shown = walker.key("n", prompt="Your answer (Enter skips): ")
    assert "Question: Which name is it inside?" in shown
    assert "It is: inside." in walker.key("")
    walker.key("n", prompt="(a number, Enter skips): ")
    assert "You said: 5 bytes. It is: 5 bytes. Right." in walker.key("5 bytes")
    walker.key("n", prompt="(numbers such as 2 1, Enter skips): ")
    assert "an order needs each of" in walker.key("1 1", prompt="Enter skips): ")
    assert "Right." in walker.key("1, 2")
    assert "Ada: 2 of 4 predictions right, 1 skipped." in walker.key("n")
    output = walker.end("n")
    assert "2 passed, 2 deselected" in output
    assert "Ada: 2 of 4 predictions right, 1 skipped." in output
    assert walker.status == 0
    (run,) = walker.events("run")
    assert (run["student"], run["mode"]) == ("Ada", "quiz")


def test_stop_and_go_on_with_the_next_question(walk):
    walker = walk("--quiz")
    walker.wait("Enter skips): ")
    walker.key("1")
    walker.key("n", prompt="Enter skips): ")
    walker.child.sendeof()
    assert "--quiz --resume goes on there." in walker.end()
    walker = walk("--quiz", "--resume")
    shown = walker.wait("Enter skips): ")
    assert "Question: Which name is it inside?" in shown
    assert "What does the second window say?" not in shown, "an answer is given once"
    walker.key("inside")
    walker.end("q")
    given = [event["given"] for event in walker.events("prediction")]
    assert given == ["the old name", "the old name", "inside"]
