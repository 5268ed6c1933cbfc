"""The sandbox: what a lab may change there, and that nothing is left of it, however it ends."""

import os
import select
import shutil
import signal
import subprocess
import sysconfig
from pathlib import Path

import pytest

from runtime.kernel import namespaces, proc, snapshot
from runtime.kernel.syscalls import Clone, Mount, mount, sethostname
from runtime.sandbox import run_cgroups
from tests.conftest import ROOT, clean_environment
from tests.lab.test_command_line import Gate, children, init_of

pytestmark = pytest.mark.privileged
PYTHON = "/usr/bin/python3"  # the interpreter of the environment may lie where an ordinary user cannot go


def run_code(checkout, code, *arguments, **environment):
    """The outcome of the exercise `gate` with ``code`` in its step, and pytest's output."""
    variables = clean_environment() | {"TINY_CODE": code} | environment
    result = checkout.pytest("labs/", "-k", "gate", *arguments, env=variables)
    return result.returncode, result.stdout + result.stderr


def refused(action: str) -> str:
    """Code that passes only if ``action`` is refused because of a read-only file system."""
    return f"""
import errno
try:
    {action}
except OSError as error:
    assert error.errno == errno.EROFS, error
else:
    raise AssertionError('it was allowed')
"""


@pytest.mark.parametrize("path", [f"/{directory}/unshared-test" for directory in ("etc", "usr", "root", "dev", "var")])
def test_the_files_of_the_machine_are_read_only(checkout, path):
    code, output = run_code(checkout, refused(f"open({path!r}, 'w')"))
    assert code == 0, output
    assert not os.path.exists(path)


@pytest.mark.parametrize("name", ["vm/swappiness", "user/max_uts_namespaces", "kernel/pid_max"])
def test_the_sysctls_of_the_machine_are_read_only(checkout, name):
    before = Path("/proc/sys", name).read_text()
    code, output = run_code(checkout, refused(f"open('/proc/sys/{name}', 'w')"))
    assert code == 0, output
    assert Path("/proc/sys", name).read_text() == before


def test_what_a_namespace_holds_may_be_changed(checkout):
    before = os.uname().nodename
    code, output = run_code(
        checkout,
        "assert first.run('echo x > /proc/sys/kernel/hostname; hostname') == 'x'\n"
        "assert first.run('echo 1 > /proc/sys/net/ipv4/ip_forward; cat /proc/sys/net/ipv4/ip_forward') == '1'\n"
        "assert first.run('ls -A /run/netns; ip netns add here; ls /run/netns').split()[-1] == 'here'\n"  # pf-22
        "assert first.run('useradd --help > /dev/null; echo a:x:7:7::/:/bin/sh >> /etc/passwd; id -u a') == '7'\n"
        "assert first.run('unshare --user --map-root-user --pid --fork --mount-proc echo yes') == 'yes'\n"
        "assert first.run('ping -c 1 127.0.0.1 > /dev/null; echo $?') == '0'",
    )
    assert code == 0, output
    assert os.uname().nodename == before
    assert "a:x:7:7" not in Path("/etc/passwd").read_text()


def test_the_ordinary_user_of_the_lessons_is_called_dev(checkout):
    """Whoever has the number 1000 on this machine."""
    before = Path("/etc/passwd").read_bytes()
    code, output = run_code(
        checkout,
        "assert first.run('id --name --user 1000; id --name --group 1000') == 'dev\\ndev'\n"
        "assert first.run('setpriv --reuid 1000 --regid 1000 --clear-groups whoami') == 'dev'\n"
        "assert first.run('whoami') == 'root'",
    )
    assert code == 0, output
    assert Path("/etc/passwd").read_bytes() == before


def test_some_capabilities_are_gone(checkout):
    code, output = run_code(
        checkout,
        "from runtime.kernel import proc\n"
        "from runtime.kernel.capabilities import decode_capabilities\n"
        "held = decode_capabilities(proc.read('/proc/PID/status', first.pid)['CapEff'])\n"
        "assert 'CAP_SYS_ADMIN' in held\n"
        "assert not {'CAP_SYS_MODULE', 'CAP_SYS_RAWIO', 'CAP_SYS_TIME', 'CAP_SYS_BOOT'} & set(held)",
    )
    assert code == 0, output


def test_there_is_no_network_but_loopback(checkout):
    code, output = run_code(checkout, "assert first.run('ls /sys/class/net') == 'lo'")
    assert code == 0, output


def test_the_cgroups_of_the_run_are_the_roots_that_labs_see(checkout):
    paths = "[line.split(':')[2] for line in Path('/proc/self/cgroup').read_text().split()]"
    code, output = run_code(checkout, f"assert set({paths}) == {{'/'}}")
    assert code == 0, output


def copy_packages(directory: Path) -> Path:
    """The installed packages, where every user can read them: the checkout may lie where nobody else can go."""
    packages = directory / "packages"
    unneeded = shutil.ignore_patterns("__pycache__", "mypy*", "selenium*", "pip*", "setuptools*", "trio*")
    shutil.copytree(sysconfig.get_path("purelib"), packages, ignore=unneeded)
    return packages


def test_an_ordinary_user(make_checkout):
    """Without root: a user namespace, in which the user is root over itself."""
    checkout = make_checkout()
    packages = copy_packages(checkout.path)
    subprocess.run(["chown", "-R", "65534:65534", checkout.path], check=True)
    result = subprocess.run(
        ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", PYTHON, "-m", "pytest", "labs/"],
        cwd=checkout.path,
        env=clean_environment() | {"PYTHONPATH": str(packages), "HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "in a user namespace, as you are not root" in result.stdout
    assert "2 passed, 1 skipped" in result.stdout
    (run,) = checkout.events("run")
    assert run["facts"]["rootless"] is True


def test_no_user_namespaces_for_an_ordinary_user(make_checkout):
    """The reason and the way out are told in one sentence; the limit of 0 is in a user namespace of the test's own."""
    checkout = make_checkout()
    command = [PYTHON, "-m", "pytest", "labs/"]
    packages = copy_packages(checkout.path)

    def as_a_user_without_namespaces() -> tuple[int, str]:
        mount("proc", "/proc", "proc")
        Path("/proc/sys/user/max_user_namespaces").write_text("0")
        result = subprocess.run(
            ["setpriv", "--reuid", "1", "--regid", "1", "--clear-groups", *command],
            cwd=checkout.path,
            env=clean_environment() | {"PYTHONPATH": str(packages), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
        )
        return result.returncode, result.stderr

    flags = Clone.NEWUSER | Clone.NEWPID | Clone.NEWNS
    subprocess.run(["chown", "-R", "1:1", checkout.path], check=True)
    everyone = [(0, 0, 65536)]
    code, message = namespaces.run_in_new(flags, as_a_user_without_namespaces, uid_map=everyone, gid_map=everyone)
    assert code == 4, message
    assert "user.max_user_namespaces" in message
    assert len(message.strip().splitlines()) == 1


def test_dead_runs_are_swept():
    (directory, *_) = run_cgroups._own_directories()
    own = os.stat("/proc/self/ns/pid").st_ino
    dead, foreign = directory / f"unshared-4000000-1-{own}", directory / f"unshared-4000000-1-{own + 1}"
    alive = directory / f"unshared-{run_cgroups.run_id()}"
    for path in (dead, dead / "below", foreign, alive):
        path.mkdir()
    try:
        run_cgroups.sweep()
        assert not dead.exists()
        assert alive.exists()
        assert foreign.exists()
    finally:
        alive.rmdir()
        foreign.rmdir()


# Nothing is left


class MachineState:
    """What a run could leave behind, as one sees it from a machine in miniature: fresh namespaces of all kinds."""

    def __init__(self) -> None:
        me = os.getpid()
        found = snapshot.machine_namespaces()
        self.processes = {pid: proc.read("/proc/PID/cmdline", pid) for pid in found}
        self.namespaces = {number for kinds in found.values() for number in kinds.values()}
        self.mounts = [(row["point"], row["fstype"]) for row in proc.read("/proc/PID/mountinfo", me)]
        self.links = sorted(os.listdir("/sys/class/net"))
        self.ipc = [proc.read(f"/proc/sysvipc/{kind}", me) for kind in ("msg", "sem", "shm")]
        self.users = Path("/etc/passwd").read_text()
        self.swap = Path("/proc/swaps").read_text()
        self.name = os.uname().nodename

    def differences(self, later: "MachineState") -> dict[str, object]:
        return {
            name: (value, getattr(later, name)) for name, value in vars(self).items() if value != getattr(later, name)
        }


def in_a_miniature(function, *arguments):
    """Run ``function`` as pid 1 of fresh namespaces, where nobody else makes or ends anything."""

    def inside():
        mount("proc", "/proc", "proc")
        mount("sysfs", "/sys", "sysfs")
        sethostname("miniature")
        return function(*arguments)

    flags = Clone.NEWNS | Clone.NEWPID | Clone.NEWIPC | Clone.NEWNET | Clone.NEWUTS
    return namespaces.run_in_new(flags, inside, propagation=Mount.PRIVATE)


def own_cgroups() -> set[str]:
    """The directories of runs, in every hierarchy."""
    return {str(path) for path in Path("/sys/fs/cgroup").rglob("unshared-*")}


def reap() -> None:
    """Wait for the orphans that came to us as pid 1."""
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def leftovers_of(run):
    """What differs before and after ``run()``."""

    def measure():
        before = MachineState()
        run()
        reap()
        return before.differences(MachineState())

    return measure


def test_nothing_is_left_of_a_run_of_all_labs(tmp_path):
    def run():
        command = [str(ROOT / ".venv/bin/python"), "-m", "pytest", "labs/", "--report-dir", str(tmp_path), "-q"]
        options = {"cwd": ROOT, "env": clean_environment(), "capture_output": True, "text": True}
        result = subprocess.run([*command, "-p", "no:cacheprovider"], **options)
        assert result.returncode == 0, result.stdout + result.stderr

    assert in_a_miniature(leftovers_of(run)) == {}


@pytest.mark.parametrize("victim", ["outer", "inner", "init"])
def test_nothing_is_left_when_one_is_killed_in_the_middle_of_a_step(checkout, victim):
    def run():
        gate = Gate(checkout)
        gate.wait_until_inside()
        outer = gate.process.pid
        init = init_of(outer)
        (inner,) = children(init)
        os.kill({"outer": outer, "inner": inner, "init": init}[victim], signal.SIGKILL)
        gate.end()

    assert in_a_miniature(leftovers_of(run)) == {}


@pytest.mark.parametrize("victim", ["outer", "inner", "init"])
def test_the_cgroups_of_a_killed_run_are_removed(checkout, victim):
    gate = Gate(checkout)
    gate.wait_until_inside()
    outer = gate.process.pid
    run = f"unshared-{run_cgroups.run_id(outer)}"
    init = init_of(outer)
    (inner,) = children(init)
    (keeper,) = [child for child in children(outer) if child != init]
    assert any(path.endswith(run) for path in own_cgroups())
    keeper_end = os.pidfd_open(keeper)
    os.kill({"outer": outer, "inner": inner, "init": init}[victim], signal.SIGKILL)
    gate.end()
    signal_of_end(keeper_end)
    assert not any(path.endswith(run) for path in own_cgroups())


def signal_of_end(pidfd: int) -> None:
    """Wait for the end of a process."""
    ready, _, _ = select.select([pidfd], [], [], 30)
    os.close(pidfd)
    assert ready, "it did not end within 30 s"


def test_killed_keeper_and_pytest_are_swept_by_the_next_run(checkout):
    gate = Gate(checkout)
    gate.wait_until_inside()
    outer = gate.process.pid
    run = f"unshared-{run_cgroups.run_id(outer)}"
    init = init_of(outer)
    (keeper,) = [child for child in children(outer) if child != init]
    init_end = os.pidfd_open(init)
    os.kill(keeper, signal.SIGKILL)
    os.kill(outer, signal.SIGKILL)
    gate.end()
    signal_of_end(init_end)
    assert any(path.endswith(run) for path in own_cgroups())
    run_cgroups.sweep()
    assert not any(path.endswith(run) for path in own_cgroups())
