"""Tiny: a lab for the tests of the harness.

It shows a host name.
"""

import os
from pathlib import Path

from runtime.lab import Choice, needs


def test_rename(lab):
    """A new name stays inside."""
    first = lab.window("first")
    with lab.step("Enter", watch=[first], claims=["tiny-01"], ask=Choice("Which?", "old", "new")) as step:
        before = first.ns("uts")
        first.enter("unshare --uts /bin/bash")
        step.answer("new" if first.ns("uts") != before else "old")
        assert first.ns("uts") != before
    with lab.step("Rename", watch=[first], claims=["tiny-02"]):
        first.run("hostname inside")
        assert first.run("hostname") == "inside"


def test_gate(lab):
    """Whatever the test of the harness wants: code in a file that it names."""
    first = lab.window("first")
    with lab.step("Gate", watch=[first]):
        code = compile(os.environ.get("TINY_CODE", ""), "TINY_CODE", "exec")  # exec of text makes Ctrl-C fatal
        exec(code, {"lab": lab, "first": first, "Path": Path, "os": os})


@needs("no such tool")
def test_unsupported(lab):
    """This machine has not what it needs."""
    with lab.step("Never", claims=["tiny-03"]):
        raise AssertionError("it must not run")
