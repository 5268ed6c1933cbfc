"""Walk: a lab for the tests of the stage.

It names, asks, destroys and fails.
"""

import os
import signal
from pathlib import Path

from runtime.kernel import namespaces
from runtime.kernel.syscalls import Clone
from runtime.lab import Choice, Number, Order, Text, needs


def handles_hangup():
    return callable(signal.getsignal(signal.SIGHUP))


def test_names(lab):
    """A name of one's own.

    Two windows, one name each.
    """
    first, second = lab.window("first"), lab.window("second")
    with lab.step("Enter", "A shell in a new namespace.", watch=[first, second], claims=["tiny-01"]):
        first.enter("unshare --uts --mount /bin/bash")
        assert first.ns("uts") != second.ns("uts")
    with lab.step(
        "Rename",
        "The first window is renamed.",
        hint="Who reads which namespace?",
        why="sethostname(2) writes to one namespace.",
        watch=[first, second],
        claims=["tiny-02"],
        ask=Choice("What does the second window say?", "the old name", "inside"),
        points=2,
    ) as step:
        old = second.run("hostname")
        first.run("hostname inside")
        seen = second.run("hostname")
        step.answer("the old name" if seen == old else seen)
        assert first.run("hostname") == "inside"
    with lab.step("Look again", watch=[first], ask=Text("Which name is it inside?")) as step:
        step.answer(first.run("hostname"))
        assert first.run("hostname") == os.environ.get("WALK_NAME", "inside")


def test_destroyed(lab):
    """A file is lost for good, and the shell with it."""
    first = lab.window("first")
    kept = Path(lab.directory, "kept")
    with lab.step("Write", watch=[first], ask=Number("How many bytes are in it?", "bytes")) as step:
        assert not kept.exists(), "a replay begins on fresh state"
        first.run("echo 1234 > kept")
        step.answer(kept.stat().st_size)
    with lab.step("Destroy", watch=[first], ask=Order("What goes first?", "the file", "the shell")) as step:
        first.enter("bash")
        first.run("rm kept; kill -KILL $$", status=137)
        step.answer(["the file", "the shell"])
        assert not kept.exists()


@needs("no such tool")
def test_unsupported(lab):
    """This machine has not what it needs."""
    with lab.step("Never", claims=["tiny-03"]):
        raise AssertionError("it must not run")


def test_last(lab):
    """The last one."""
    first = lab.window("first")
    with lab.step("Say it", watch=[first]):
        first.run("echo 你好 👍")
        assert not namespaces.run_in_new(Clone.NEWPID, handles_hangup), "no handler of the stage is in a child"
        assert first.run("echo end") == "end"
        assert Path(os.environ.get("WALK_FILE", "/")).exists()
