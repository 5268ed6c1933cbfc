"""``pytest labs/ --target vm`` on a host with bare pytest: a real ssh to a machine whose files are its own."""

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pexpect
import pytest

from runtime.vm import run, ssh
from runtime.vm.machine import find
from runtime.vm.request import Request

pytestmark = pytest.mark.privileged

GATE = 'code = compile(os.environ.get("TINY_CODE", ""), "TINY_CODE", "exec")  # exec of text makes Ctrl-C fatal'


def put_into_the_lab(host, *lines):
    """Let the exercise test_gate run these lines."""
    source = host.checkout.lab.read_text()
    assert GATE in source
    host.checkout.lab.write_text(source.replace(GATE, "\n        ".join([*lines, GATE])))


def wait_in_the_lab(host):
    put_into_the_lab(host, 'print("INSIDE", flush=True)', 'first.run("sleep 1000", timeout=60)')


# What comes through


def test_the_labs_run_in_the_machine(running, tmp_path):
    result = running.pytest("labs/", "--target", "vm", "--junitxml=inside.xml")
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"rootdir: /srv/unshared{running.path}" in result.stdout
    assert "target: vm: it was asked for: the machine lab (libvirt)" in result.stdout
    assert "2 passed, 1 skipped" in result.stdout
    assert f"report: {running.path}/reports/site/index.html" in result.stdout
    assert (running.path / "reports" / "site" / "tiny.html").exists()
    assert ET.parse(running.path / "inside.xml").getroot().find("testsuite").get("tests") == "3"
    keygen = ["ssh-keygen", "-l", "-f", str(tmp_path / "keys" / "host_key.pub")]
    fingerprint = subprocess.run(keygen, capture_output=True, text=True, check=True).stdout.split()[1]
    assert f"first contact with the machine lab: its host key {fingerprint} is kept in" in result.stderr
    started = running.checkout.events("run")[0]
    assert started["target"] == "vm"
    facts = started["facts"]
    assert (facts["vm"], facts["vm_name"], facts["box"]) == (True, "lab", "debian/bookworm64")
    assert "sandbox" not in facts
    index = (running.checkout.site / "index.html").read_text()
    for shown in ("lab debian/bookworm64", facts["kernel"], f"<dd>{facts['cgroup']}</dd>"):
        assert shown in index


def test_a_red_run_and_a_run_of_nothing(running):
    running.checkout.lab.write_text(running.checkout.lab.read_text().replace('== "inside"', '== "outside"'))
    result = running.pytest("labs/", "--target", "vm", "-x")
    assert result.returncode == 1
    assert "stopping after 1 failures" in result.stdout
    assert [event["exitstatus"] for event in running.checkout.events("end")] == [1]
    record = (running.checkout.site / "record.jsonl").read_bytes()
    assert running.pytest("labs/", "--target", "vm", "-k", "no_such_exercise").returncode == 5
    assert (running.checkout.site / "record.jsonl").read_bytes() == record, "the record of the run before stays"


def test_the_second_start_asks_and_sends_nothing(running):
    (running.path / "labs" / "notes.txt").write_text("first")
    put_into_the_lab(running, 'print([p.name for p in Path(__file__).parent.glob("*.txt")])')
    arguments = ("labs/", "--target", "vm", "-k", "gate", "-s")
    first = running.pytest(*arguments)
    assert "['notes.txt']" in first.stdout
    assert "first contact" in first.stderr
    for marked in (Path("labs", "test_01_tiny.py"), Path("runtime", "lab", "lesson.py")):
        assert (running.path / marked).exists()
    pushed = (running.data() / "unshared" / "pushed").read_text()
    second = running.pytest(*arguments)
    assert "first contact" not in second.stderr
    assert running.asked() == 1, "Vagrant was started again"
    assert (running.data() / "unshared" / "pushed").read_text() == pushed
    (running.path / "labs" / "notes.txt").rename(running.path / "labs" / "renamed.txt")
    assert "['renamed.txt']" in running.pytest(*arguments).stdout


def test_a_machine_that_lost_its_files_gets_them_again(running):
    arguments = ("labs/", "--target", "vm", "-k", "gate")
    assert running.pytest(*arguments).returncode == 0
    running.guests[0].stop()
    running.start()  # the same id and keys, another port, an empty disk: a snapshot was restored
    assert running.pytest(*arguments).returncode == 0
    assert running.asked() == 2


def test_records_of_workers_and_the_other_record_replace_each_other(running):
    running.python = Path(sys.executable)  # the plugin that the command line names must be there
    for options, expected in ((("-n", "2"), ["record-gw0.jsonl", "record-gw1.jsonl"]), ((), ["record.jsonl"])):
        assert running.pytest("labs/", "--target", "vm", *options).returncode == 0
        assert sorted(path.name for path in running.checkout.site.glob("record*.jsonl")) == expected


def test_junit_to_a_path_of_odd_characters(running, tmp_path):
    path = tmp_path / 'it\'s; $(touch here) "deep"' / "j.xml"
    result = running.pytest("labs/", "--target", "vm", f"--junitxml={path}", "-k", "rename")
    assert result.returncode == 0, result.stdout + result.stderr
    assert ET.parse(path).getroot().find("testsuite").get("tests") == "1"
    assert f"brought back {path}" in result.stderr
    assert not list(tmp_path.rglob("here")) + list(running.path.rglob("here"))


def test_another_working_directory_a_report_elsewhere_and_a_file_of_arguments(running, tmp_path):
    place = tmp_path / "my place"
    place.mkdir()
    (place / "arguments").write_text(f"{running.path / 'labs'}\n-k\ngate\n")
    result = running.pytest("@arguments", "--target", "vm", "--report-dir", "my report", cwd=place)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "2 deselected" in result.stdout
    assert (place / "my report" / "index.html").exists()
    assert f"report: {place}/my report/index.html" in result.stdout


def test_variables_of_pytest_are_passed_on(running, tmp_path):
    junit = tmp_path / "by variable.xml"
    environment = running.environment() | {"PYTEST_ADDOPTS": f"--junitxml='{junit}'", "LABS_MUST_RUN": "1"}
    result = running.pytest("labs/", "--target", "vm", env=environment)
    assert result.returncode == 1
    assert "LABS_MUST_RUN=1, but unsupported" in result.stdout
    assert junit.exists()


def test_one_connection_for_each_command_where_ssh_cannot_share(running, monkeypatch, capfd, tmp_path):
    """As on Windows, whose ssh has no sockets to share a connection."""
    monkeypatch.setattr(ssh, "_can_share", lambda: False)
    monkeypatch.setenv("PATH", running.environment()["PATH"])
    arguments = ["labs/", "-k", "gate", "--report-dir", str(tmp_path / "site")]
    request = Request(running.path, running.path, arguments, [], tmp_path / "site", running.environment(), {})
    told = []
    assert run.run(find("lab", running.path, {}), request, told.append) == 0
    assert "1 passed" in capfd.readouterr().out
    assert (tmp_path / "site" / "record.jsonl").exists()
    assert ["first contact" in sentence for sentence in told] == [True]


# The terminal and signals


def spawn(host, *arguments, **options):
    command = host.command("labs/", "--target", "vm", *arguments)
    environment = host.environment() | {"TERM": "xterm-256color"}
    return pexpect.spawn(command[0], command[1:], cwd=str(host.path), env=environment, timeout=60, **options)


def test_colours_bars_and_size_of_the_terminal(running):
    child = spawn(running, dimensions=(30, 133))
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0, child.before
    assert b"\x1b[32m" in child.before
    assert b"3/3" in child.before
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", child.before.decode()).split("\r\n")
    assert max(len(line) for line in lines if line.startswith("====")) == 133


def test_a_terminal_that_changes_its_size(running):
    put_into_the_lab(
        running,
        "import signal",
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])",
        'print("INSIDE", flush=True)',
        "signal.sigwait([signal.SIGWINCH])",
        "print(os.get_terminal_size(0))",
    )
    child = spawn(running, "-s", "-k", "gate", dimensions=(30, 133))
    child.expect_exact("INSIDE")
    child.setwinsize(41, 97)
    child.expect_exact("columns=97, lines=41")
    child.expect(pexpect.EOF)


def test_ctrl_c_on_the_terminal(running):
    wait_in_the_lab(running)
    child = spawn(running, "-s", "-k", "gate")
    child.expect_exact("INSIDE")
    child.send("\x03")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 2, child.before
    assert b"KeyboardInterrupt" in child.before
    assert (running.checkout.site / "index.html").exists()


def start(host, *arguments):
    """Start pytest without a terminal, and wait until it is in the lab."""
    process = subprocess.Popen(
        host.command("labs/", "--target", "vm", "-s", "-k", "gate", *arguments),
        cwd=host.path,
        env=host.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if "INSIDE" in line:
            return process
    raise AssertionError(process.communicate())


def inner_pytest(host):
    """The pytest in the guest that runs labs, as a descriptor that gets readable when it ends."""

    def below(pid):
        for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
            yield child
            yield from below(child)

    commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in below(host.guests[-1].process.pid)}
    pid = max(pid for pid, command in commands.items() if b"\0-m\0pytest\0" in command and b"inside.py" not in command)
    return os.pidfd_open(pid)


def wait_for(descriptor):
    ready, _, _ = select.select([descriptor], [], [], 60)
    os.close(descriptor)
    assert ready, "it did not end"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 2), (signal.SIGTERM, 128 + signal.SIGTERM)])
def test_signals_without_a_terminal(running, number, code):
    wait_in_the_lab(running)
    process = start(running)
    inner = inner_pytest(running)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == code, output
    assert ("KeyboardInterrupt" in output) is (number == signal.SIGINT)
    assert (running.checkout.site / "record.jsonl").exists()
    wait_for(inner)


def test_the_host_is_killed(running):
    wait_in_the_lab(running)
    process = start(running)
    inner = inner_pytest(running)
    process.kill()
    process.communicate()
    wait_for(inner)


def test_the_machine_is_switched_off(running):
    wait_in_the_lab(running)
    process = start(running)
    running.guests[0].stop()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 4
    assert "ssh does not reach it" in errors
    assert "restart it: vagrant reload" in errors


# States, each with its own sentence


def one_sentence(result, *parts):
    assert result.returncode == 4, result.stdout + result.stderr
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("ERROR: "), result.stderr
    for part in parts:
        assert part in last
    assert "Traceback" not in result.stderr


def test_not_created(host):
    one_sentence(host.pytest("labs/", "--target", "vm"), "the machine lab is not created; create it: vagrant up")
    one_sentence(host.pytest("labs/", "--target", "vm:v2"), "the machine v2 is not created; create it: vagrant up v2")
    assert host.asked() == 0
    assert not (host.checkout.site / "record.jsonl").exists()


def test_not_running(host):
    host.create()
    one_sentence(host.pytest("labs/", "--target", "vm"), "the machine lab is not running; start it: vagrant up")


def test_vagrant_fails(host):
    host.create()
    (host.state / "not-ready").write_text("There is a syntax error in the following Vagrantfile.\n")
    result = host.pytest("labs/", "--target", "vm")
    one_sentence(result, "There is a syntax error in the following Vagrantfile.", "vagrant status")


@pytest.mark.parametrize("program", ["vagrant", "ssh"])
def test_a_program_that_is_not_installed(running, tmp_path, program):
    (tmp_path / "few").mkdir()
    if program == "ssh":
        (tmp_path / "few" / "vagrant").symlink_to(tmp_path / "bin" / "vagrant")
        for name in ("sh", "cat"):
            (tmp_path / "few" / name).symlink_to(shutil.which(name))
    environment = running.environment() | {"PATH": str(tmp_path / "few")}
    one_sentence(running.pytest("labs/", "--target", "vm", env=environment), f"{program} is not on the PATH; install")


def test_never_provisioned(host):
    host.create()
    host.start(venv="-", marker="")
    one_sentence(host.pytest("labs/", "--target", "vm"), "the machine lab is not provisioned; do it: vagrant provision")


def test_not_provisioned_to_the_end(host):
    host.create()
    host.start(marker="")
    one_sentence(host.pytest("labs/", "--target", "vm"), "the machine lab is not provisioned; do it: vagrant provision")


@pytest.mark.parametrize("changed", ["provision.sh", "requirements.lock"])
def test_out_of_date(running, changed):
    with (running.path / changed).open("a") as file:
        file.write("# one line more\n")
    one_sentence(running.pytest("labs/", "--target", "vm"), "the machine lab is out of date", "vagrant provision")


def test_unreachable(running):
    running.guests[0].listener.close()
    running.guests[0].stop()
    result = running.pytest("labs/", "--target", "vm")
    one_sentence(result, "ssh does not reach it", "Connection refused", "vagrant reload")


def test_a_key_that_the_machine_does_not_take(running, tmp_path):
    key = tmp_path / "keys" / "user_key"
    key.unlink()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, input=b"y\n")
    one_sentence(running.pytest("labs/", "--target", "vm"), "ssh does not reach it", "Permission denied")


def test_another_host_key(running):
    assert running.pytest("labs/", "--target", "vm", "-k", "gate").returncode == 0
    running.guests[0].stop()
    running.start(keys="other keys")
    kept = running.data() / "unshared" / "known_hosts"
    result = running.pytest("labs/", "--target", "vm", "-k", "gate")
    one_sentence(result, "shows another host key than at the first contact", f"remove {kept}")
    (running.data() / "id").write_text("of a machine that was made after the old one was destroyed")
    result = running.pytest("labs/", "--target", "vm", "-k", "gate")
    assert result.returncode == 0, result.stderr
    assert "first contact" in result.stderr


def test_a_plugin_that_the_command_line_names(running):
    for option in (("-n", "2"), ("-n2",), ("--dist=load",)):
        result = running.pytest("labs/", "--target", "vm", *option)
        one_sentence(result, f"{option[0]} is an option of pytest-xdist", "pip install pytest-xdist")


# Which machine


def test_auto_takes_the_machine_while_it_runs(running):
    running.python = Path(sys.executable)  # for the sandbox
    first = running.pytest("labs/", "-k", "gate")
    assert "target: vm: the machine lab (libvirt) is running" in first.stdout
    running.guests[0].stop()
    second = running.pytest("labs/", "-k", "gate")
    assert "target: sandbox: no lab VM is running (vagrant up); as root" in second.stdout
    assert running.asked() == 1, "auto must not start Vagrant when nothing changed"
    assert running.checkout.events("run")[0]["target"] == "sandbox"


def test_auto_without_vagrant(running, tmp_path):
    """The machine was never asked for before, and Vagrant is gone: its absence is said, not hidden."""
    running.python = Path(sys.executable)
    (tmp_path / "few").mkdir()
    environment = running.environment() | {"PATH": str(tmp_path / "few")}
    result = running.pytest("labs/", "-k", "unsupported", env=environment)
    assert "sandbox: the lab VM cannot be asked: vagrant is not on the PATH" in result.stdout


def test_another_machine_by_name_and_another_place_for_the_files_of_vagrant(running, tmp_path):
    running.create("v2")
    running.start("v2")
    (running.path / ".vagrant").rename(tmp_path / "dot vagrant")
    environment = running.environment() | {"VAGRANT_DOTFILE_PATH": str(tmp_path / "dot vagrant")}
    result = running.pytest("labs/", "--target", "vm:v2", "-k", "gate", env=environment)
    assert result.returncode == 0, result.stderr
    assert "target: vm: it was asked for: the machine v2 (libvirt)" in result.stdout
    assert running.checkout.events("run")[0]["facts"]["vm_name"] == "v2"


# A host that cannot run labs


def test_help_and_labs_on_a_bare_host(host):
    assert "vm:NAME" in host.pytest("--help").stdout
    one_sentence(host.pytest("labs/", "--target", "sandbox"), "labs cannot run on this machine", "--target vm")
    listed = host.pytest("labs/", "--collect-only")
    one_sentence(listed, "labs cannot be read on this machine", "run ./provision.sh first")
    assert "--target" not in listed.stderr
