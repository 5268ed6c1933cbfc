"""Nothing is typed but to the shell whose prompt was seen, also where bash takes the terminal away from that one.

Bash gives the terminal to a job twice, and the second time may come late (runtime/lab/reader.py). Here it always does:
the outer bash waits inside tcsetpgrp(3) for the inner one, by a library that is loaded before the C library.
"""

import subprocess
from pathlib import Path

import pytest

from runtime.lab import reader
from runtime.lab.terminal import WindowError
from tests.conftest import clean_environment

pytestmark = pytest.mark.privileged
NEW_PID_NAMESPACE = "unshare --ipc --pid --fork --mount-proc /bin/bash"


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    target = tmp_path_factory.mktemp("library") / "terminal_race.so"
    source = Path(__file__).with_name("terminal_race.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", target, source], check=True)
    target.parent.chmod(0o755)
    return target


@pytest.fixture
def race(window, library, tmp_path):
    """A function that makes the shell of the window take the terminal from the shells that its jobs start."""
    directory = tmp_path / "race"
    directory.mkdir()

    def begin(stage):
        window.run(f"export LD_PRELOAD={library} RACE={directory} RACE_STAGE={stage} RACE_OUTER=1; exec bash")
        window.run("export -n RACE_OUTER")
        return window

    return begin


@pytest.fixture(params=["looked", "reading"])
def slow(request, race):
    return race(request.param)


def test_the_shell_of_a_new_pid_namespace_keeps_its_terminal(slow):
    outside = slow.ns("pid")
    for _ in range(3):
        slow.enter(NEW_PID_NAMESPACE)
        inside = slow.ns("pid")
        assert inside != outside
        assert slow.run("echo $$") == "1"
        assert slow.run("echo $$; (exit 3)", status=3) == "1"
        slow.exit()
        assert slow.ns("pid") == outside
        assert slow.run("echo $$") == str(slow.shell)


def test_nobody_sees_how_it_got_the_terminal_back(slow, emitted):
    slow.enter(NEW_PID_NAMESPACE)
    slow.run("echo here")
    lines = [line for line in emitted.text().splitlines() if "$ " in line or "# " in line]
    assert "^C" not in emitted.text()
    assert "exit" not in emitted.text()
    assert sum(line.endswith(NEW_PID_NAMESPACE) for line in lines) == 1
    assert sum(line.endswith("echo here") for line in lines) == 1


def test_three_levels(race):
    window = race("reading")
    levels = [window.ns("pid")]
    for _ in range(3):
        window.enter(NEW_PID_NAMESPACE)
        levels.append(window.ns("pid"))
        assert window.run("echo $$") == "1"
        race("reading")
    assert len(set(levels)) == 4
    for level in reversed(levels[:-1]):
        window.exit()
        assert window.ns("pid") == level


def test_a_line_that_another_shell_runs_is_an_error(race, monkeypatch):
    """Should the look at who reads not be enough, the line goes to the outer shell: that is told."""
    monkeypatch.setattr(reader, "waits", lambda terminal, midway: not terminal.busy)
    window = race("reading")
    window.enter(NEW_PID_NAMESPACE)
    with pytest.raises(WindowError, match="ended before it read that"):
        window.run("echo $$")


def test_a_shell_that_loses_the_terminal_while_it_starts(race):
    """Bash gives up job control then, and cannot take the terminal back."""
    window = race("set")
    with pytest.raises(WindowError, match="first: a shell began without the terminal"):
        window.enter(NEW_PID_NAMESPACE)
    assert window.run("echo $$") == str(window.shell)


def test_a_killed_shell_is_not_typed_to(open_window):
    """The shell below it prints its prompt, which is the one that was seen last."""
    first, second = open_window(), open_window()
    for number in range(10):
        first.enter(NEW_PID_NAMESPACE)
        second.run(f"kill -KILL {first.pid}")
        assert first.run(f"echo {number} $$") == f"{number} {first.shell}"


def test_a_plain_shell_that_loses_the_terminal(slow):
    """It cannot take it back, but nothing that was meant for it runs in the shell below."""
    with pytest.raises(WindowError):
        slow.enter_plain("unshare --pid --fork --mount-proc busybox ash", timeout=1.5)
    assert slow.run("echo $$") == str(slow.shell)


def test_a_plain_shell_that_was_killed(open_window):
    first, second = open_window(), open_window()
    first.enter_plain("busybox ash")
    second.run(f"kill -KILL {first.pid}")
    while first.pid != first.shell:
        first.screen()
    with pytest.raises(WindowError, match="`echo nobody` was not typed"):
        first.run("echo nobody")
    assert first.run("echo $$") == str(first.shell)


def test_a_plain_shell_that_cannot_be_started(window):
    with pytest.raises(WindowError, match=r"started no shell.*not found"):
        window.enter_plain("no-such-shell")
    assert window.run("echo $$") == str(window.shell)


def test_shells_that_bring_others_up(window):
    """No other way into another shell is held up: by sudo's and su's own children, by nsenter and by a pipe."""
    for command in (
        "nsenter --target $$ --pid /bin/bash",
        "setpriv --reuid 65534 --regid 65534 --clear-groups bash",
        "su root --shell /bin/bash --preserve-environment",
        "python3 -c 'import subprocess; subprocess.run([\"bash\"])'",
        "unshare --pid --fork sh -c 'bash; true'",
    ):
        window.enter(command)
        assert window.run("echo $BASHPID $PPID") != f"{window.shell}"
        assert window.pid != window.shell
        window.exit()
        assert window.pid == window.shell


def test_a_late_command_and_the_screens_of_all_windows(checkout):
    code = "lab.window('second').run('echo what the second shows'); first.run('sleep 100')"
    environment = clean_environment() | {"TINY_CODE": code}
    result = checkout.pytest("labs/", "-k", "gate", "--timeout-factor", "0.02", env=environment)
    assert "`sleep 100` did not end in time" in result.stdout
    (end,) = [event for event in checkout.events("step_end")]
    assert "meanwhile in second:" in end["error"]
    assert "\nwhat the second shows" in end["error"]
