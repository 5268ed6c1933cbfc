"""Linters are part of the tests."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT

SCRIPTS = ["provision.sh", ".ci/run", "tests/vm/build-box.sh", "tests/vm/prove.sh", "tests/fresh/prove.sh"]
BIOME = ROOT / "node_modules" / ".bin" / "biome"


def lint(*command):
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def needs(program, how):
    """Skip where a linter is not installed; in CI it has to be."""
    if not (shutil.which(program) or os.environ.get("CI")):
        pytest.skip(how)


@pytest.mark.parametrize("command", ["ruff check .", "ruff format --check .", "mypy"])
def test_python(command):
    lint(sys.executable, "-m", *command.split())


def test_shell():
    needs("shellcheck", "shellcheck is not installed: ./provision.sh --tests")
    lint("shellcheck", *SCRIPTS)


def test_scripts_and_style_sheets():
    needs(BIOME, "biome is not installed: npm ci")
    lint(BIOME, "check", "--error-on-warnings")
