"""The student's own shell inside a window's namespaces, and ways in which it ends."""

import os
import re
import signal
import termios
import time
from contextlib import suppress
from pathlib import Path

import pexpect
import pytest

from runtime.kernel import processes

pytestmark = pytest.mark.privileged

PROMPT = "READY# "


def left_over(checkout) -> list[str]:
    """The processes of a checkout's runs that are still there."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and os.readlink(process / "cwd").startswith(str(checkout.path)):
                found.append((process / "comm").read_text().strip())
        except OSError:
            continue
    return found


def wait_until(condition, seconds=15.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def has_the_terminal(*command: str) -> bool:
    """Whether a process of this command line is in the foreground of its terminal."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError, ValueError):  # it has ended
            typed = Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
            _, _, group, _, _, foreground = processes.stat(int(pid))[:6]
            if typed == list(command) and group == foreground:
                return True
    return False


def run_in_shell(walker, command):
    """Type a command in the shell, and return what was printed before the next prompt."""
    walker.child.sendline(command)
    walker.child.expect_exact(f"{command}\r\n")
    walker.child.expect_exact(PROMPT)
    return walker.child.before.replace("\r\n", "\n")


def enter_shell(walker, window="1"):
    walker.key("s", prompt="Enter: 1)? ")
    walker.child.sendline(window)
    walker.child.expect_exact("Leave it by exit or Ctrl-D.")
    walker.child.sendline(f"PS1='{PROMPT}'")
    walker.child.expect_exact(f"\n{PROMPT}")


def test_a_name_and_a_mount_made_in_the_shell_are_shown_and_gone_in_a_replay(walk):
    walker = walk("-k", "names")
    walker.wait()
    walker.key()
    enter_shell(walker)
    inside = run_in_shell(walker, "readlink /proc/$$/ns/uts")
    assert run_in_shell(walker, "readlink /proc/$PPID/ns/uts").strip() != inside.strip()
    run_in_shell(walker, "hostname from-student; mount -t tmpfs none /mnt")
    shown = walker.key("exit")
    assert "You have left the shell in the window first." in shown
    assert re.search(r"first /proc/sys/kernel/hostname: \S+ -> from-student", shown)
    assert re.search(r"first /proc/PID/mountinfo /mnt: \(nothing\) -> .*fstype=tmpfs", shown)
    assert "new: mount tmpfs at /mnt in the mount namespace of first" in shown
    assert "nothing changed for second" in shown
    assert not re.search(r"^ *second ", shown, re.MULTILINE), "the witness stands outside"
    shell = [event for event in walker.events("observation") if event["when"] == "shell"]
    state = {process["label"]: process["state"] for process in shell[0]["processes"]}
    assert state["first"]["/proc/sys/kernel/hostname"] == "from-student"
    assert shell[0]["step"] == "tiny/test_names/1"
    assert ("shell", "test_names/1") in walker.stages()
    walker.key("r")
    walker.key()
    enter_shell(walker)
    assert "from-student" not in run_in_shell(walker, "hostname; grep -c /mnt /proc/self/mountinfo")
    walker.key("exit")
    walker.end("q")
    assert walker.status == 0


def test_the_shell_is_interactive_with_jobs_of_its_own_and_leaves_none(walk):
    walker = walk("-k", "names")
    walker.wait()
    walker.key()
    enter_shell(walker, "second")
    assert {"i", "m"} <= set(run_in_shell(walker, "echo $-")), "interactive, with job control"
    run_in_shell(walker, "sleep 1000 &")
    walker.child.sendline("fg")
    wait_until(lambda: has_the_terminal("sleep", "1000"))  # bash names the job before it gives the terminal to it
    walker.child.send("\x1a")
    walker.child.expect_exact("Stopped")
    walker.child.expect_exact(PROMPT)
    assert "Stopped" in run_in_shell(walker, "jobs")
    walker.child.sendline("sleep 2000")
    wait_until(lambda: has_the_terminal("sleep", "2000"))
    walker.child.sendintr()
    walker.child.expect_exact(PROMPT)
    walker.child.setwinsize(33, 111)
    wait_until(lambda: "33 111" in run_in_shell(walker, "stty size"))
    walker.child.sendline("exit")  # bash says once that jobs are stopped
    walker.child.expect_exact("There are stopped jobs.")
    assert "nothing that was watched changed" in walker.key("exit")
    enter_shell(walker)
    assert run_in_shell(walker, "pgrep -x sleep").strip() == "", "jobs of the first shell are gone"
    walker.key("exit")
    walker.end("q")


def test_a_shell_that_kills_itself(walk):
    walker = walk("-k", "names")
    walker.wait()
    walker.key()
    enter_shell(walker)
    shown = walker.key("kill -KILL $$")
    assert "You have left the shell in the window first." in shown
    assert "Step 2 of 3" in walker.key()
    walker.end("q")
    assert walker.status == 0


@pytest.mark.parametrize("victim", ["$PPID", "-1"])
def test_a_shell_that_kills_the_stage(walk, victim):
    """The terminal is as before, nothing is left, and the walk can be resumed."""
    walker = walk("-k", "names")
    before = termios.tcgetattr(walker.child.child_fd)
    walker.wait()
    walker.key()
    enter_shell(walker)
    walker.child.sendline(f"kill -KILL {victim}")
    walker.child.expect(pexpect.EOF)
    assert termios.tcgetattr(walker.child.child_fd) == before
    walker.child.close()
    assert walker.status == 128 + signal.SIGKILL
    assert not left_over(walk.checkout)
    walker = walk("--resume")
    assert "Here you stopped: step 1, Enter." in walker.wait()
    walker.end("q")


def test_a_shell_in_a_namespace_of_processes(walk):
    """In a new PID namespace the shell has a small number, jobs, and /proc as the window has it."""
    source = walk.checkout.lab.read_text()
    enter = "unshare --pid --fork --mount-proc --user --map-root-user --net --ipc --uts /bin/bash"
    walk.checkout.lab.write_text(source.replace("unshare --uts --mount /bin/bash", enter))
    walker = walk("-k", "names")
    walker.wait()
    walker.key()
    enter_shell(walker)
    assert int(run_in_shell(walker, "echo $$").strip()) < 20
    differ = "diff <(readlink /proc/1/ns/{0}) <(readlink /proc/$$/ns/{0})".format("{user,mnt,pid,uts,ipc,net,cgroup}")
    assert run_in_shell(walker, differ).strip() == ""
    assert "bash" in run_in_shell(walker, "ps -o comm= -p 1")
    assert "Running" in run_in_shell(walker, "sleep 1000 & jobs")
    walker.key("exit")
    walker.end("q")


def test_the_terminal_is_closed_while_the_shell_runs(walk):
    walker = walk("-k", "names")
    walker.wait()
    walker.key()
    enter_shell(walker)
    run_in_shell(walker, "sleep 1000 &")
    os.close(walker.child.child_fd)
    wait_until(lambda: walker.events("end"))
    wait_until(lambda: not left_over(walk.checkout))
    assert walker.stages()[-1] == ("quit", "test_names/1")
    assert (walk.checkout.site / "tiny.html").exists()


@pytest.mark.parametrize("where", ["at a pause", "at the end"])
def test_the_terminal_is_closed(walk, where):
    walker = walk("-k", "last")
    walker.wait()
    if where == "at the end":
        walker.key("g end")
    os.close(walker.child.child_fd)
    wait_until(lambda: walker.events("end"))
    wait_until(lambda: not left_over(walk.checkout))
    assert [event["exitstatus"] for event in walker.events("end")] == [0]


def test_the_hangup_signal_alone(walk):
    """As a login shell sends it to its jobs; the terminal may still be there."""
    walker = walk("-k", "last")
    walker.wait()
    os.kill(walker.child.pid, signal.SIGHUP)
    output = walker.end()
    assert "report: " in output
    assert walker.status == 0
    assert walker.stages() == [("quit", "test_last/1")]
