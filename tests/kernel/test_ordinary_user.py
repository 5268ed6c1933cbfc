"""The same without root: a script run as nobody."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.privileged
ROOT = Path(__file__).resolve().parents[2]
DROP = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
# An interpreter under /root cannot be reached by others.
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable

SCRIPT = """
import json, os, signal, sys
sys.path.insert(0, {root!r})
sys.dont_write_bytecode = True
from runtime.kernel.namespaces import KINDS, link, run_in_new, run_inside, start_in_new, visit
from runtime.kernel.proc import read
from runtime.kernel.snapshot import machine_namespaces, process_state
from runtime.kernel.syscalls import *

ALL = Clone(sum(kind.flag for kind in KINDS.values()))

def renamed():
    sethostname("inside")
    os.write(told, b"x")
    signal.pause()

def text(name):
    return open("/proc/self/" + name).read().split()

def ask():
    return [os.getpid(), os.getuid(), os.getgid(), text("uid_map"), text("gid_map"), text("setgroups")]

def refusal(function, *args, **options):
    try:
        function(*args, **options)
    except OSError as error:
        return str(error)

answers = {{}}
answers["all"] = run_in_new(ALL, ask)
answers["unshare"] = refusal(unshare, Clone.NEWUTS)
answers["clone"] = refusal(run_in_new, Clone.NEWNET, os.getpid)
answers["map"] = refusal(run_in_new, Clone.NEWUSER, os.getpid, uid_map=[(0, 0, 1)])
heard, told = os.pipe()
with start_in_new(ALL, renamed) as child:
    os.read(heard, 1)
    answers["visit"] = refusal(visit, child.pid, ["uts"], os.getpid)
    answers["inside"] = run_inside(child.pid, KINDS, lambda: [os.getuid(), os.uname().nodename])
    links = [link(child.pid, kind) for kind in KINDS]
    answers["links"] = run_inside(child.pid, KINDS, lambda: [link("self", kind) for kind in KINDS]) == links
    state = process_state(child.pid)
    answers["errors"] = [path for path, value in state.items() if isinstance(value, dict) and "error" in value]
    answers["hostname"] = state["/proc/sys/kernel/hostname"]
    answers["child seen"] = child.pid in machine_namespaces()
answers["home"] = read("/proc/sys/kernel/hostname", os.getpid()) == os.uname().nodename
stranger = process_state({stranger})
answers["stranger"] = [stranger["/proc/PID/ns/uts"], stranger["/proc/PID/status"]["Uid"], stranger["/proc/sysvipc/msg"]]
answers["stranger seen"] = {stranger} in machine_namespaces()
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir="/tmp") as copy:  # the checkout may lie where nobody else can go
        os.chmod(copy, 0o755)
        shutil.copytree(ROOT / "runtime", Path(copy, "runtime"), ignore=shutil.ignore_patterns("__pycache__"))
        script = SCRIPT.format(root=copy, stranger=os.getpid())
        done = subprocess.run(
            [*DROP, PYTHON, "-c", script], capture_output=True, text=True, timeout=30, check=False, cwd="/"
        )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_all_namespaces_are_to_be_had_with_a_user_namespace(answers: dict[str, Any]) -> None:
    assert answers["all"] == [1, 0, 0, ["0", "65534", "1"], ["0", "65534", "1"], ["deny"]]


def test_refusals_say_what_to_do(answers: dict[str, Any]) -> None:
    for call in ("unshare", "clone"):
        assert "Operation not permitted (EPERM); needs CAP_SYS_ADMIN" in answers[call]
        assert "add CLONE_NEWUSER (unshare -U)" in answers[call]
    assert "uid_map" in answers["map"]
    assert "without CAP_SETUID" in answers["map"]


def test_the_namespaces_of_a_child_are_entered_through_its_user_namespace(answers: dict[str, Any]) -> None:
    assert "enter the user namespace first" in answers["visit"]
    assert answers["inside"] == [0, "inside"]
    assert answers["links"] is True


def test_a_child_of_ones_own_is_read_in_its_view(answers: dict[str, Any]) -> None:
    assert answers["errors"] == []
    assert answers["hostname"] == "inside"
    assert answers["child seen"] is True
    assert answers["home"] is True


def test_a_process_of_root_shows_what_the_kernel_allows(answers: dict[str, Any]) -> None:
    link, uids, messages = answers["stranger"]
    assert link == {"error": "EACCES"}
    assert uids == [0, 0, 0, 0]
    assert messages == {"error": "EACCES"}
    assert answers["stranger seen"] is False
