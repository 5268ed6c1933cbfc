"""The stage on the labs that students see, and as an ordinary user."""

import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT, Checkout
from tests.lab.test_sandbox import PYTHON, copy_packages
from tests.stage.conftest import Walker

pytestmark = pytest.mark.privileged


def controller_v1() -> bool:
    return Path("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists()


@pytest.fixture
def real(tmp_path):
    """A function that walks through the real labs; the record lies in ``site``."""
    walkers = []

    def start(*arguments):
        walker = Walker(Checkout(ROOT), "--report-dir", str(tmp_path / "site"), *arguments)
        walker.site = tmp_path / "site"
        walkers.append(walker)
        return walker

    yield start
    for walker in walkers:
        walker.child.close(force=True)


def test_back_to_the_step_where_a_process_was_killed_for_its_memory(real):
    """Its cgroup is a new one, in which nobody has been killed yet."""
    walker = real("--lab", "memory_limit", "-k", "test_limit_first")
    if "cannot be shown here" in walker.wait():
        pytest.skip("the memory controller is not on cgroup v1")
    walker.key("n", prompt="Enter skips): ")
    shown = walker.key("137")
    assert "second$ ./eat 20\nKilled\n(exit status 137)" in shown
    assert "You said: 137. It is: 137. Right." in shown
    assert "second /sys/fs/cgroup/memory/PATH/memory.oom_control oom_kill: 0 -> 1" in walker.key("d")
    walker.key()
    walker.key("n", prompt="Enter skips): ")
    walker.key("")
    shown = walker.key("b")
    assert "its exercise runs on fresh state" in shown
    assert "Step 1 of " in shown
    shown = walker.key()
    assert "oom_kill 1" in shown, "one again, not two"
    walker.end("q")
    assert walker.status == 0
    assert [event["ok"] for event in walker.events("check")].count(False) == 0


def test_a_lab_from_end_to_end_with_its_number_of_steps(real):
    walker = real("--lab", "uts", "--student", "Ada")
    shown = walker.wait()
    total = int(shown.partition("Step 1 of ")[2].partition(":")[0])
    walker.key("g end")
    output = walker.end("n")
    assert " failed" not in output
    assert walker.status == 0
    assert len({event["step"] for event in walker.events("step")}) <= total
    labs = {event["lab"] for event in walker.events("lab")}
    assert labs == {"uts"}
    assert all(event["outcome"] != "failed" for event in walker.events("step_end"))


def test_an_ordinary_user_walks_and_has_a_shell(walk_checkout):
    packages = copy_packages(walk_checkout.path)
    subprocess.run(["chown", "-R", "65534:65534", walk_checkout.path], check=True)
    become = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    environment = {"PYTHONPATH": str(packages), "HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [*become, PYTHON, "-m", "pytest", "-p", "no:cacheprovider", "labs/"]
    walker = Walker(walk_checkout, "-k", "names", command=command, **environment)
    try:
        walker.wait()
        assert "first is in other mount and UTS namespaces" in walker.key()
        walker.key("s", prompt="Enter: 1)? ")
        walker.child.sendline("1")
        walker.child.expect_exact("Leave it by exit or Ctrl-D.")
        walker.child.sendline("hostname of-a-user; echo I am $(id -u)")
        walker.child.expect_exact("I am 0\r\n")
        assert "-> of-a-user" in walker.key("exit")
        walker.end("q")
        assert walker.status == 0
        assert walker.events("run")[0]["facts"]["rootless"] is True
    finally:
        walker.child.close(force=True)
