"""Quit, or be killed, and go on there."""

import json
import os
import signal

import pytest

pytestmark = pytest.mark.privileged


def test_quit_and_go_on_at_that_step(walk):
    walker = walk("--student", "Ada")
    walker.wait()
    walker.key("g 2")
    walker.key("n", prompt="skips): ")
    walker.key("2")
    walker.key()
    output = walker.end("q")
    assert "You stopped at step 3, Look again; --step --resume goes on there." in output
    assert walker.status == 0
    walker = walk("--resume")
    shown = walker.wait()
    assert "Here you stopped: step 3, Look again." in shown
    assert "Step 3 of 7: Look again" in shown
    assert "hostname inside" not in shown, "what came before is replayed without being shown"
    walker.key("g end")
    output = walker.end("n")
    assert "3 passed, 1 skipped" in output
    assert len({event["run"] for event in walker.events("run")}) == 1, "one run in two sittings"
    assert {event["student"] for event in walker.events("run")} == {"Ada"}
    given = {event["step"]: (event["given"], event["correct"]) for event in walker.events("prediction")}
    assert given["tiny/test_names/2"] == ("inside", False), "what was said is said again in the replay"
    times = [json.loads(line)["t"] for line in (walk.checkout.site / "record.jsonl").read_text().splitlines()]
    assert times == sorted(times)
    names = [(event["exercise"], event.get("attempt", 1), event.get("why")) for event in walker.events("exercise")]
    assert names[:2] == [("test_names", 1, None), ("test_names", 2, "resume")]


def test_killed_and_gone_on_after_the_step(walk):
    walker = walk()
    walker.wait()
    walker.key("g 4")
    walker.key("n", prompt="skips): ")
    assert "You said: 5 bytes" in walker.key("5")
    os.kill(walker.child.pid, signal.SIGKILL)
    walker.child.wait()
    record = walk.checkout.site / "record.jsonl"
    with record.open("a") as file:
        file.write('{"v":1,"t":9,"event":"win')  # as a torn write leaves it
    walker = walk("--resume", "--lab", "tiny")
    shown = walker.wait()
    assert "Here you stopped: step 4, Write." in shown
    assert "You said: 5 bytes. It is: 5 bytes. Right." in shown
    assert "Step 5 of 7: Destroy" in walker.key()
    assert "Step 4 of 7: Write" in walker.key("b"), "back is there from the first moment"
    walker.end("q")
    assert [json.loads(line)["event"] for line in record.read_text().splitlines()][-1] == "end"


def test_nothing_to_go_on_with(walk, walk_checkout):
    walker = walk("--resume")
    assert "ERROR: --resume: there is no run in " in walker.end()
    assert walker.status == 4
    walk_checkout.pytest("labs/", "-k", "last")
    assert "--resume: the last run was no walkthrough" in walk("--resume").end()
    walker = walk("-k", "last")
    walker.wait()
    walker.key("g end")
    walker.end("n")
    assert "--resume: the walkthrough came to its end" in walk("--resume").end()
    walker = walk("-k", "last")
    walker.wait()
    walker.end("q")
    walker = walk("--resume", "-k", "names")
    assert "step tiny/test_last/1 is not among the selected exercises" in walker.end()
    assert walker.status == 4
    assert walker.events("stage"), "the record is still there"
