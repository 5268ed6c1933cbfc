"""``python -m runtime doctor`` tells what was tried."""

import os
import subprocess
import sys

from runtime.lab import machine
from tests.conftest import ROOT, clean_environment


def doctor(*arguments):
    command = [sys.executable, "-m", "runtime", *arguments]
    environment = clean_environment() | {"COLUMNS": "200", "NO_COLOR": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_the_table_has_a_line_for_everything():
    result = doctor("doctor")
    assert result.returncode == 0, result.stderr
    for name in (*machine.PROBES, *machine.TOOLS):
        assert name in result.stdout
    assert os.uname().release in result.stdout


def test_help_teaches():
    assert "doctor" in doctor("--help").stdout
    assert doctor().returncode == 2


def test_what_is_not_there_says_how_to_enable_it():
    abilities = {name: probe() for name, probe in machine.PROBES.items()}
    assert abilities["uts namespace"].ok == (os.geteuid() == 0 or abilities["user namespace"].ok)
    refused = {name: ability for name, ability in abilities.items() if not ability.ok}
    assert [name for name, ability in refused.items() if not (ability.reason and ability.how)] == []
