"""Linters are part of the tests."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["mypy"],
        ["shellcheck", "provision.sh", ".ci/run", "tests/vm/build-box.sh", "tests/vm/prove.sh"],
    ],
    ids=lambda command: command[0],
)
def test_linter(command):
    program = [sys.executable, "-m", *command] if command[0] != "shellcheck" else command
    result = subprocess.run(program, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
