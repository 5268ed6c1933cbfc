"""A walk through a lab by its keys: pauses, ways back and forth, and what is shown."""

import re
import time
import xml.etree.ElementTree as ET

import pytest

pytestmark = pytest.mark.privileged


def test_a_walk_from_the_first_step_to_the_end(walk):
    walker = walk()
    shown = walker.wait()
    assert "Lab: Walk: a lab for the tests of the stage." in shown
    assert "Exercise: A name of one's own." in shown
    assert "Two windows, one name each." in shown
    assert "Step 1 of 7: Enter\nA shell in a new namespace." in shown
    assert "  first$ unshare --uts --mount /bin/bash" in shown
    shown = walker.key()
    assert "first$ unshare --uts --mount /bin/bash\n" in shown
    assert "changed: first is in other mount and UTS namespaces" in shown
    assert "nothing changed for second" in shown
    assert 'Check holds: assert first.ns("uts") != second.ns("uts")' in shown
    assert "Claim tiny-01, holds: s\nSee r." in shown
    assert "Step 2 of 7: Rename" in walker.key("n")
    walker.key("n", prompt="Your answer (its number, Enter skips): ")
    shown = walker.key("1")
    assert "second$ hostname\n" in shown
    assert re.search(r"changed: host name in the UTS namespace of first: \S+ -> inside", shown)
    assert "Claim tiny-02, wrong: s\nTrue is: t\nSee r." in shown
    assert "You said: the old name. It is: the old name. Right." in shown
    walker.key()
    walker.key(prompt="skips): ")
    assert "You said: INSIDE. It is: inside. Right." in walker.key("INSIDE")
    assert "Step 4 of 7: Write" in walker.key()
    walker.key(prompt="skips): ")
    assert "'many' is not a number; give one in bytes, such as 42" in walker.key("many", prompt="skips): ")
    assert "You said: 4 bytes. It is: 5 bytes. Not so." in walker.key("4")
    assert "Step 5 of 7: Destroy" in walker.key()
    walker.key(prompt="skips): ")
    assert "It is: the file, the shell." in walker.key("")
    shown = walker.key()
    assert (
        "“This machine has not what it needs.” cannot be shown here: the program no such tool is not installed" in shown
    )
    assert "Step 7 of 7: Say it" in shown
    assert "你好 👍" in walker.key()
    assert "This is the end. 2 of 4 predictions right, 1 skipped." in walker.key()
    output = walker.end("n")
    assert "3 passed, 1 skipped" in output
    assert walker.status == 0
    given = {
        event["step"]: (event["given"], event["correct"], event.get("skipped", False))
        for event in walker.events("prediction")
    }
    assert given == {
        "tiny/test_names/2": ("the old name", True, False),
        "tiny/test_names/3": ("INSIDE", True, False),
        "tiny/test_destroyed/1": (4, False, False),
        "tiny/test_destroyed/2": (None, None, True),
    }
    assert all(event.get("seconds", 0) >= 0 for event in walker.events("prediction"))
    assert [event.get("points", 1) for event in walker.events("step")] == [1, 2, 1, 1, 1, 1]
    assert walker.events("lab")[0]["planned"][0]["points"] == [1, 2, 1]
    (run,) = walker.events("run")
    assert (run["mode"], run.get("student", "")) == ("step", "")
    assert {event["outcome"] for event in walker.events("exercise_end")} == {"passed", "unsupported"}


def test_back_within_an_exercise_is_a_replay_on_fresh_state(walk):
    walker = walk("-k", "destroyed")
    walker.wait()
    walker.key("n", prompt="skips): ")
    walker.key("5")
    walker.key()
    walker.key("n", prompt="skips): ")
    assert "kill -KILL $$" in walker.key("2 1")
    shown = walker.key("b")
    assert "Back to step 1, Write: its exercise runs on fresh state." in shown
    assert "Step 1 of 2: Write" in shown
    assert "You said: 5 bytes. It is: 5 bytes. Right." in walker.key(), "the first answer stands"
    walker.key()
    assert "You said: the shell, the file. It is: the file, the shell. Not so." in walker.key()
    shown = walker.key("r")
    assert "Again: step 2, Destroy" in shown
    assert "echo 1234" not in shown, "the step before is replayed without being shown"
    walker.key()
    walker.key()
    assert "1 passed, 3 deselected" in walker.end("n")
    assert walker.status == 0
    again = [(event.get("attempt"), event.get("why")) for event in walker.events("exercise")]
    assert again == [(None, None), (2, "back"), (3, "again")]
    assert len(walker.events("exercise_end")) == 1, "an exercise that is left has no end"
    assert ("back", "test_destroyed/2") in walker.stages()
    assert ("again", "test_destroyed/2") in walker.stages()


def test_back_over_the_beginning_of_an_exercise(walk):
    """From the first step of the last exercise to the last step of the one before that can be shown."""
    walker = walk("-k", "names or unsupported or last")
    walker.wait()
    assert (
        "“This machine has not what it needs.” cannot be shown here: the program no such tool is not installed"
        in walker.key("g 4")
    )
    assert "Step 5 of 5: Say it" in walker.shown
    shown = walker.key("b")
    assert "Back to step 3, Look again" in shown
    assert "Step 3 of 5: Look again" in shown
    walker.key("g end")
    assert "2 passed, 1 skipped, 1 deselected" in walker.end("n")
    nodes = [event["exercise"] for event in walker.events("exercise")]
    assert nodes == ["test_names", "test_unsupported", "test_last", "test_names", "test_unsupported", "test_last"]


def test_back_from_the_first_step_and_from_the_end(walk):
    walker = walk("-k", "last")
    walker.wait()
    assert "This is the first step." in walker.key("b")
    walker.key("g end")
    assert "Back to step 1, Say it" in walker.key("b")
    walker.key()
    walker.key()
    assert "1 passed" in walker.end("n")


def test_jump_by_number_and_by_search_forth_and_back(walk):
    walker = walk()
    walker.wait()
    shown = walker.key("j", prompt="(Enter: none): ")
    assert "Walk: a lab for the tests of the stage.\n  A name of one's own.\n*   1  1. Enter\n    2  2. Rename" in shown
    shown = walker.key("5")
    assert "Now: step 5, Destroy: its exercise runs on fresh state." in shown
    assert "Step 5 of 7: Destroy" in shown
    shown = walker.key("/look", prompt="(Enter: none): ")
    assert "3  3. Look again" in shown
    assert "Rename" not in shown
    assert "Step 3 of 7: Look again" in walker.key("3")
    assert "There is no step 'nothing'" in walker.key("/nothing", prompt="(Enter: none): ")
    walker.key("")
    output = walker.end("q")
    assert "passed" not in output, "no exercise has come to its end"
    assert walker.status == 0
    assert walker.stages() == [("jump", "test_names/1"), ("jump", "test_destroyed/2"), ("quit", "test_names/3")]


def test_run_on_to_a_step_a_lab_and_the_end(walk):
    walker = walk()
    walker.wait()
    shown = walker.key("g 3")
    assert "Step 3 of 7: Look again" in shown
    assert "first$ hostname inside" in shown, "what runs is shown"
    assert "give a step after this one (up to 7), lab, or end" in walker.key("g 2")
    shown = walker.key("g", prompt="lab, end): ")
    shown = walker.key("lab")
    assert "Step 7 of 7: Say it" in shown
    assert "你好" in shown, "the last step of the lab has run"
    assert "This is the end." in walker.key()
    assert "3 passed, 1 skipped" in walker.end("n")


def test_autoplay_goes_on_by_itself_until_a_key_comes(walk):
    walker = walk("--autoplay", "0.1")
    shown = walker.wait("Step 4 of 7: Write")
    assert "Step 2 of 7: Rename" in shown
    assert "Autoplay is off." in walker.key("a")
    assert "Again: step" in walker.key("r")
    walker.key("a", prompt="(Enter: 0.1): ")
    output = walker.end("0.2")
    assert "This is the end." in output
    assert "passed, 1 skipped" in output
    assert walker.status == 0


def test_hint_why_changes_help_and_keys_that_mean_nothing(walk):
    walker = walk()
    walker.wait()
    assert "Hint: this step has none." in walker.key("h")
    walker.key("g 2")
    assert "Hint: Who reads which namespace?" in walker.key("h")
    assert "sethostname(2) writes to one namespace." in walker.key("w")
    assert "sethostname(2) writes to one namespace." in walker.key("w"), "asked again, said again"
    assert "The step has not run yet." in walker.key("d")
    shown = walker.key("?")
    for key in "nbrgaj/hwdsoq?":
        assert re.search(rf"^  {re.escape(key)}[, ]", shown, re.MULTILINE), key
    assert "x means nothing here; ? shows the keys." in walker.key("x")
    walker.key("n", prompt="skips): ")
    walker.key("")
    shown = walker.key("d")
    assert "changed: host name in the UTS namespace of first: " in shown
    assert "first /proc/sys/kernel/hostname: " in shown
    walker.end("q")


def test_the_report_so_far(walk):
    walker = walk()
    walker.wait()
    walker.key()
    shown = walker.key("o")
    page = walker.checkout.site / "index.html"
    assert f"The report so far: {page}" in shown
    assert "A name of one" in (walker.checkout.site / "tiny.html").read_text()
    walker.end("q")


def test_a_failed_step_pauses_and_the_run_fails(walk):
    walker = walk("--junitxml=j.xml", WALK_NAME="outside")
    walker.wait()
    shown = walker.key("g end")
    assert 'Check FAILS: assert first.run("hostname") == os.environ.get("WALK_NAME", "inside")' in shown
    assert "The step did not end well: AssertionError: assert 'inside' == 'outside'\n" in shown
    errors = [event["error"] for event in walker.events("step_end") if "error" in event]
    assert len(errors) == 1
    assert "\n" in errors[0], "pytest's explanation with its differences"
    assert "\x1b" not in errors[0], "which it colours at a terminal"
    walker.key("g end")
    output = walker.end("n")
    assert "1 failed, 2 passed, 1 skipped" in output
    assert walker.status == 1
    suite = ET.parse(walker.checkout.path / "j.xml").getroot().find("testsuite")
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["4", "1", "0", "1"]


def test_a_failure_that_is_gone_the_second_time_counts_no_more(walk):
    """The last attempt of an exercise is reported, and once."""
    file = walk.checkout.path / "there"
    walker = walk("-k", "last", "--junitxml=j.xml", WALK_FILE=str(file))
    walker.wait()
    assert "Check FAILS" in walker.key()
    file.touch()
    walker.key("r")
    assert "Check FAILS" not in walker.key()
    walker.key()
    assert "1 passed, 3 deselected" in walker.end("n")
    assert walker.status == 0
    suite = ET.parse(walker.checkout.path / "j.xml").getroot().find("testsuite")
    assert (suite.get("tests"), suite.get("failures")) == ("1", "0")


def test_exitfirst_ends_the_walk_after_a_failure(walk):
    walker = walk("-x", WALK_NAME="outside")
    walker.wait()
    walker.key("g end")
    output = walker.end("n")
    assert "stopping after 1 failures" in output
    assert "1 failed" in output
    assert "passed" not in output
    assert walker.status == 1


def test_a_marker_selects_here_too(walk):
    walker = walk("-m", "needs")
    shown = walker.wait()
    assert "to enable it: run ./provision.sh. This is the end." in shown
    assert "1 skipped, 3 deselected" in walker.end("n")


def test_ctrl_c_ends_as_everywhere(walk):
    walker = walk()
    walker.wait()
    walker.key()
    walker.child.sendintr()
    output = walker.end()
    assert "KeyboardInterrupt" in output
    assert walker.status == 2
    assert [event["exitstatus"] for event in walker.events("end")] == [2]
    assert (walker.checkout.site / "tiny.html").exists()


def test_commands_are_shown_as_they_are_typed(walk):
    walker = walk("-k", "last", "--type-speed", "20")
    walker.wait()
    began = time.monotonic()
    walker.child.sendline("n")
    walker.child.expect_exact("first$ ec")
    walker.child.expect_exact("ho 你好")
    assert "first$ echo end\n" in walker.wait()
    assert time.monotonic() - began > 16 / 20, "sixteen characters and more, twenty a second"
    command = walker.events("command")[0]
    assert command["output"] == "你好 👍"
    walker.end("q")


def test_time_at_the_pauses_is_recorded_and_belongs_to_no_step(walk):
    walker = walk("-k", "last")
    walker.wait()
    time.sleep(1.2)
    walker.key()
    walker.key()
    walker.end("n")
    paused = [event["seconds"] for event in walker.events("stage") if event["what"] == "next"]
    assert paused[0] > 1
    (step,), (ended,) = walker.events("step"), walker.events("step_end")
    assert ended["seconds"] + paused[0] <= ended["t"] - step["t"] + 0.1, "the pause is not in it"
    (exercise,) = walker.events("exercise_end")
    elapsed = walker.events("end")[0]["t"] - walker.events("run")[0]["t"]
    assert exercise["seconds"] + sum(paused) <= elapsed + 1, "nor in the exercise, whose set-up began before the record"
