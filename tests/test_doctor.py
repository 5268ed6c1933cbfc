"""``python -m runtime doctor`` tells what was tried."""

import os
import subprocess
import sys

import pytest

from runtime.kernel import namespaces
from runtime.lab import machine, requirements
from tests.conftest import ROOT, clean_environment

ORDINARY_USER = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
FORBIDDEN = [*ORDINARY_USER, "--keep-caps", "sh", "-c"]
FORBID = """
    echo 0 > /proc/sys/user/max_user_namespaces  # of this user namespace
    exec setpriv --ambient-caps -all --inh-caps -all "$@"
"""
NAMESPACES = [f"{kind} namespace" for kind in namespaces.KINDS]
needs_user_namespaces = pytest.mark.skipif(
    not machine.ordinary_user_namespace().ok, reason=machine.ordinary_user_namespace().reason
)


def doctor(*arguments, before=(), **variables):
    command = [*before, sys.executable, "-m", "runtime", *arguments]
    environment = clean_environment() | {"COLUMNS": "200", "NO_COLOR": "1"} | variables
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def table(result):
    """The rows of the table: name -> (yes or no, what is said)."""
    assert result.returncode == 0, result.stderr
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in result.stdout.splitlines() if "│" in line]
    found = {}
    for name, answer, said in rows:
        if name:
            found[(last := name)] = answer, said
        else:
            found[last] = found[last][0], f"{found[last][1]} {said}"
    return found


def test_the_table_has_a_line_for_everything():
    result = doctor("doctor")
    assert list(table(result)) == [*machine.PROBES, *machine.TOOLS]
    assert os.uname().release in result.stdout


def test_help_teaches():
    assert "doctor" in doctor("--help").stdout
    assert doctor().returncode == 2


def test_what_is_not_there_says_how_to_enable_it():
    refused = {name: ability for name, ability in machine.abilities().items() if not ability.ok}
    assert [name for name, ability in refused.items() if not (ability.reason and ability.how)] == []
    assert [name for name, ability in refused.items() if "doctor" in ability.how] == []


@needs_user_namespaces
def test_an_ordinary_user_is_told_what_the_sandbox_can_show():
    """And the PATH of an ordinary user, who has no sbin in it, is not that of a window."""
    rows = table(doctor("doctor", before=ORDINARY_USER, PATH="/usr/bin:/bin"))
    assert {rows[name][0] for name in [*NAMESPACES, "user namespaces of ordinary users", "nft"]} == {"yes"}


@needs_user_namespaces
def test_where_user_namespaces_are_forbidden_the_switch_is_named():
    rows = table(doctor("doctor", before=[*FORBIDDEN, FORBID, "sh"]))
    assert {rows[name][0] for name in [*NAMESPACES, "user namespaces of ordinary users"]} == {"no"}
    assert "to allow: sysctl user.max_user_namespaces=15000; or run as root" in rows["cgroup namespace"][1]
    assert rows["uts namespace"][1].endswith("to enable it: as above")


@needs_user_namespaces
def test_a_sandbox_that_cannot_be_made_names_the_switch(checkout):
    command = [*FORBIDDEN, FORBID, "sh", *checkout.command("labs/")]
    result = subprocess.run(command, cwd=checkout.path, env=clean_environment(), capture_output=True, text=True)
    assert result.returncode == 4
    assert "to allow: sysctl user.max_user_namespaces=15000" in result.stderr


def test_a_program_is_looked_for_where_windows_find_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "mine").write_text("")
    (tmp_path / "mine").chmod(0o755)
    assert requirements.missing("nft") is None
    assert requirements.missing(str(tmp_path)) is None
    assert requirements.missing("/usr/include/nothing.h").reason == "there is no /usr/include/nothing.h"
    assert requirements.missing("mine").reason == "the program mine is not installed"


def test_what_provisioning_does_not_bring_is_not_promised(monkeypatch):
    monkeypatch.setattr(machine.terminal, "PATH", "/nowhere")
    assert requirements.missing("strace").how == "run ./provision.sh"
    assert requirements.missing("docker").how == "use the VM (vagrant up), which has an engine"
    assert "where it says that this system has no such package" in requirements.missing("unionfs").how
