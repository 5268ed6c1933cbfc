"""``pytest labs/`` as a person types it: what comes through the sandbox, and what never enters it."""

import os
import select
import signal
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pexpect
import pytest

from tests.conftest import clean_environment

pytestmark = pytest.mark.privileged


def test_a_green_run(checkout):
    result = checkout.pytest("labs/")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "target: sandbox: no lab VM is running (vagrant up); as root" in result.stdout
    assert "2 passed, 1 skipped" in result.stdout
    assert f"report: {checkout.site}/index.html" in result.stdout
    assert "the program no such tool is not installed" in result.stdout
    assert (checkout.site / "tiny.html").exists()
    claims = {event["claim"]: event["verdict"] for event in checkout.events("claim")}
    assert claims == {"tiny-01": "holds", "tiny-02": "wrong", "tiny-03": "unsupported"}


def test_windows_have_the_umask_of_the_lessons(checkout):
    environment = clean_environment() | {"TINY_CODE": "assert first.run('umask') == '0022'"}
    result = checkout.pytest("labs/", "-k", "gate", env=environment, umask=0o002)
    assert result.returncode == 0, result.stdout


def test_a_red_run(checkout):
    checkout.lab.write_text(checkout.lab.read_text().replace("unshare --uts /bin/bash", "unshare /bin/bash"))
    result = checkout.pytest("labs/", "-x")
    assert result.returncode == 1
    assert "stopping after 1 failures" in result.stdout
    claims = {event["claim"]: event["verdict"] for event in checkout.events("claim")}
    assert claims == {"tiny-01": "failed", "tiny-02": "failed"}
    assert [event["exitstatus"] for event in checkout.events("end")] == [1]


@pytest.mark.parametrize("name", ["test_rename", "test_gate", "test_unsupported"])
def test_each_exercise_alone(checkout, name):
    result = checkout.pytest("labs/", "-k", name)
    assert result.returncode == 0, result.stdout
    assert "2 deselected" in result.stdout


def test_nothing_matches(checkout):
    assert checkout.pytest("labs/", "-k", "no_such_exercise").returncode == 5
    assert not (checkout.site / "record.jsonl").exists()
    assert checkout.pytest("labs/", "-k", "gate").returncode == 0
    again = checkout.pytest("labs/", "-k", "no_such_exercise")
    assert again.returncode == 5
    assert (checkout.site / "record.jsonl").exists(), "the record of the run before stays"
    assert "report:" not in again.stdout, "and is not told as that of this one"


def test_a_mistake_in_the_catalogue_shows_no_earlier_run(checkout):
    assert checkout.pytest("labs/", "-k", "gate").returncode == 0
    catalogue = checkout.lab.with_suffix(".yaml")
    catalogue.write_text(catalogue.read_text().replace("verdict: wrong", "verdict: false"))
    result = checkout.pytest("labs/")
    assert result.returncode == 4
    assert "report:" not in result.stdout


def test_titles_with_brackets_and_expected_failures_on_a_terminal(checkout):
    source = checkout.lab.read_text().replace('lab.step("Gate"', 'lab.step("Read [/proc] of it"')
    source = source.replace("def test_gate", "import pytest\n\n\n@pytest.mark.xfail\ndef test_gate")
    checkout.lab.write_text(source)
    command = checkout.command("labs/", "-k", "gate")
    environment = terminal_environment() | {"TINY_CODE": "assert False"}
    child = pexpect.spawn(command[0], command[1:], cwd=str(checkout.path), env=environment, timeout=60)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0, child.before
    assert b"1 xfailed" in child.before


def test_a_lab_that_cannot_be_imported_on_a_terminal(checkout):
    checkout.lab.write_text(checkout.lab.read_text() + "\nimport no_such_module\n")
    command = checkout.command("labs/")
    child = pexpect.spawn(command[0], command[1:], cwd=str(checkout.path), env=terminal_environment(), timeout=60)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 2, child.before
    assert b"No module named 'no_such_module'" in child.before
    assert b"KeyError" not in child.before


def test_collect_only_writes_nothing(checkout):
    result = checkout.pytest("labs/", "--collect-only", "-q")
    assert result.returncode == 0
    assert "labs/test_01_tiny.py::test_rename" in result.stdout
    assert not checkout.site.exists()


@pytest.mark.parametrize("option", ["--help", "--markers", "--fixtures", "--version"])
def test_options_that_run_nothing_enter_no_sandbox(checkout, option):
    result = checkout.pytest("labs/", option)
    assert result.returncode == 0
    assert "target:" not in result.stdout
    assert not checkout.site.exists()


def test_help_teaches(checkout):
    text = checkout.pytest("--help").stdout
    for option in ("--target", "--report-dir"):
        assert option in text


def test_tests_and_labs_are_not_mixed(checkout):
    (checkout.path / "tests").mkdir()
    (checkout.path / "tests" / "test_nothing.py").write_text("def test_nothing():\n    pass\n")
    result = checkout.pytest("labs/", "tests/")
    assert result.returncode == 4
    assert "run pytest labs/ by itself" in result.stderr
    assert checkout.pytest("tests/").returncode == 0
    assert checkout.pytest("tests/", "-n", "2").returncode == 0
    assert checkout.pytest("labs/", "tests/", "-n", "2").returncode != 0
    assert not checkout.site.exists()


def test_a_step_that_cannot_be_observed_is_not_earned(checkout):
    """The watched window is closed within the step."""
    source = checkout.lab.read_text()
    checkout.lab.write_text(source.replace('first.run("hostname inside")', "first.close()\n        return"))
    assert checkout.pytest("labs/", "-k", "rename").returncode == 1
    claims = {event["claim"]: event["verdict"] for event in checkout.events("claim")}
    assert claims == {"tiny-01": "holds", "tiny-02": "failed"}


@pytest.mark.parametrize("place", ["inside.xml", "/tmp/{name}/deep/j.xml", "/{name}.xml"])
def test_junit_to_any_path(checkout, place):
    place = place.format(name=checkout.path.name + "-junit")
    path = checkout.path / place
    try:
        result = checkout.pytest("labs/", f"--junitxml={place}")
        assert result.returncode == 0, result.stdout + result.stderr
        assert ET.parse(path).getroot().find("testsuite").get("tests") == "3"
    finally:
        path.unlink(missing_ok=True)
        if path.parent.name == "deep":
            path.parent.rmdir()
            path.parent.parent.rmdir()


def test_another_working_directory_and_report_directory(checkout, tmp_path):
    result = checkout.pytest(str(checkout.path / "labs"), "--report-dir", "my report", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (tmp_path / "my report" / "index.html").exists()


def test_colours_and_bars_of_a_terminal(checkout):
    command = checkout.command("labs/")
    child = pexpect.spawn(command[0], command[1:], cwd=str(checkout.path), env=terminal_environment(), timeout=60)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert b"\x1b[32m" in child.before
    assert b"3/3" in child.before
    assert b"SKIPPED" in child.before
    values = [check["values"] for check in checkout.events("check")]
    assert values
    assert not any("\x1b" in value for value in values)


def test_no_colour(checkout):
    environment = terminal_environment() | {"NO_COLOR": "1"}
    command = checkout.command("labs/")
    child = pexpect.spawn(command[0], command[1:], cwd=str(checkout.path), env=environment, timeout=60)
    child.expect(pexpect.EOF)
    child.close()
    assert b"\x1b[32m" not in child.before


@pytest.mark.parametrize(("option", "shown"), [("-q", True), ("-qq", False)])
def test_quiet(checkout, option, shown):
    result = checkout.pytest("labs/", option)
    assert ("report: " in result.stdout) is shown
    assert "labs ====" not in result.stdout


def test_verbose(checkout):
    assert "labs/test_01_tiny.py::test_rename PASSED" in checkout.pytest("labs/", "-v").stdout


def test_xdist(checkout):
    assert checkout.pytest("labs/", "-k", "gate").returncode == 0
    result = checkout.pytest("labs/", "-n", "2")
    assert result.returncode == 0, result.stdout + result.stderr
    records = sorted(path.name for path in checkout.site.glob("record*.jsonl"))
    assert records == ["record-gw0.jsonl", "record-gw1.jsonl"]
    assert "2 passed, 1 unsupported" in result.stdout
    assert checkout.pytest("labs/").returncode == 0
    assert [path.name for path in checkout.site.glob("record*.jsonl")] == ["record.jsonl"]


def test_must_run_turns_unsupported_into_a_failure(checkout):
    result = checkout.pytest("labs/", env=clean_environment() | {"LABS_MUST_RUN": "1"})
    assert result.returncode == 1
    assert "LABS_MUST_RUN=1, but unsupported: the program no such tool is not installed" in result.stdout


def test_here_runs_without_a_sandbox(checkout):
    environment = clean_environment() | {"TINY_CODE": "assert os.readlink('/proc/self/ns/pid') == os.environ['OUTER']"}
    environment["OUTER"] = os.readlink("/proc/self/ns/pid")
    assert checkout.pytest("labs/", "-k", "gate", env=environment).returncode == 1
    result = checkout.pytest("labs/", "-k", "gate", "--target", "here", env=environment)
    assert result.returncode == 0, result.stdout
    assert "target: here: it was asked for" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "moon"], "there is no such target"),
        (["--target", "vm"], "the machine lab is not created; create it: vagrant up"),
        (["--report-dir", "pyproject.toml/site"], "name a directory that you may write"),
    ],
)
def test_bad_options_are_one_sentence(checkout, arguments, message):
    result = checkout.pytest("labs/", *arguments)
    assert result.returncode == 4
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (checkout.site / "record.jsonl").exists()


def test_an_unknown_claim(checkout):
    checkout.lab.write_text(checkout.lab.read_text().replace('"tiny-01"', '"tiny-99"'))
    result = checkout.pytest("labs/")
    assert result.returncode == 4
    assert "there is no claim 'tiny-99'; the file beside each lab" in result.stderr
    assert not (checkout.site / "record.jsonl").exists()


def test_a_broken_catalogue(checkout):
    (checkout.path / "labs" / "test_01_tiny.yaml").write_text("- {id: x, verdict: maybe}\n")
    result = checkout.pytest("labs/")
    assert result.returncode == 4
    assert "test_01_tiny.yaml: x:" in result.stderr


class Gate:
    """A run that waits inside a step: it tells so through a FIFO, and `sleep` runs in its window."""

    def __init__(self, checkout, **options):
        self.fifo = checkout.path / "gate"
        os.mkfifo(self.fifo)
        code = f"first.run('echo in > {self.fifo}; sleep 1000', timeout=60)"
        environment = clean_environment() | {"TINY_CODE": code}
        self.process = subprocess.Popen(
            checkout.command("labs/", "-k", "test_gate"),
            cwd=checkout.path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **options,
        )

    def wait_until_inside(self):
        """Wait until the step runs its command; the run must not end before that."""
        gate, ended = os.open(self.fifo, os.O_RDONLY | os.O_NONBLOCK), os.pidfd_open(self.process.pid)
        ready, _, _ = select.select([gate, ended], [], [], 60)
        assert gate in ready, self.end()
        os.close(gate)
        os.close(ended)

    def end(self):
        output, _ = self.process.communicate(timeout=60)
        return self.process.returncode, output


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def init_of(pid: int) -> int:
    return next(child for child in children(pid) if name(child) == "unshared-init")


def test_ctrl_c(checkout):
    command = checkout.command("labs/", "-k", "test_gate")
    fifo = checkout.path / "gate"
    os.mkfifo(fifo)
    code = f"first.run('echo in > {fifo}; sleep 1000', timeout=60)"
    environment = terminal_environment() | {"TINY_CODE": code}
    child = pexpect.spawn(command[0], command[1:], cwd=str(checkout.path), env=environment, timeout=60)
    assert fifo.read_text() == "in\n"
    child.send("\x03")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 2
    assert b"KeyboardInterrupt" in child.before
    assert (checkout.site / "index.html").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 2), (signal.SIGTERM, 128 + signal.SIGTERM)])
def test_a_signal_to_the_outer_pytest_reaches_the_inner_one(checkout, number, code):
    gate = Gate(checkout)
    gate.wait_until_inside()
    gate.process.send_signal(number)
    assert gate.end()[0] == code


def test_the_inner_pytest_is_killed(checkout):
    gate = Gate(checkout)
    gate.wait_until_inside()
    (inner,) = children(init_of(gate.process.pid))
    os.kill(inner, signal.SIGKILL)
    assert gate.end()[0] == 128 + signal.SIGKILL
    result = subprocess.run(
        [checkout.command()[0], "-m", "reports", str(checkout.site / "record.jsonl")],
        cwd=checkout.path,
        env=clean_environment(),
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert "Gate" in (checkout.site / "tiny.html").read_text()


def test_the_init_is_killed(checkout):
    gate = Gate(checkout)
    gate.wait_until_inside()
    os.kill(init_of(gate.process.pid), signal.SIGKILL)
    code, output = gate.end()
    assert code == 4
    assert "the sandbox's init was ended by SIGKILL" in output


def terminal_environment() -> dict[str, str]:
    environment = clean_environment() | {"TERM": "xterm-256color"}
    for variable in ("NO_COLOR", "FORCE_COLOR", "PY_COLORS"):
        environment.pop(variable, None)
    return environment


def test_a_command_that_ends_otherwise_than_expected_fails_its_step(checkout):
    result = checkout.pytest("labs/", "-k", "gate", env={**clean_environment(), "TINY_CODE": "first.run('ls /none')"})
    assert result.returncode == 1
    assert "first: `ls /none` ended with 2, not 0; it printed: ls: cannot access '/none'" in result.stdout


def test_a_command_may_end_as_the_lab_says(checkout):
    code = "first.run('ls /none', status=2); first.run('false', status=(0, 1)); first.run('exit_7 2>&1', status=None)"
    result = checkout.pytest("labs/", "-k", "gate", env={**clean_environment(), "TINY_CODE": code})
    assert result.returncode == 0, result.stdout


def test_a_word_gives_the_same_order_of_choices_and_the_record_tells_it(checkout):
    wide = 'ask=Choice("Which?", "old", "new", *"abcdefgh")'
    checkout.lab.write_text(checkout.lab.read_text().replace('ask=Choice("Which?", "old", "new")', wide))
    offered = []
    for order in ("autumn", "autumn", "spring", "source"):
        assert checkout.pytest("labs/", "-k", "rename", "--choice-order", order).returncode == 0
        offered.append(next(event["ask"]["choices"] for event in checkout.events("step") if event["ask"]))
    assert offered[0] == offered[1] != offered[2]
    assert offered[3] == ["old", "new", *"abcdefgh"]
