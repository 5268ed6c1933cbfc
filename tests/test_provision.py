"""provision.sh: what it says, and that it leaves alone what is there."""

import os
import shutil
import subprocess

import pytest

from tests.conftest import ROOT, clean_environment


def provision(*arguments, **options):
    command = ["/bin/bash", str(ROOT / "provision.sh"), *arguments]
    options = {"env": clean_environment(), "capture_output": True, "text": True} | options
    return subprocess.run(command, **options)


def test_help():
    result = provision("--help")
    assert result.returncode == 0
    assert "--labs-only" in result.stdout
    assert "UNSHARED_VENV" in result.stdout


def test_an_unknown_argument():
    result = provision("--fast")
    assert result.returncode == 1
    assert "unknown argument --fast" in result.stderr


def test_a_second_run_does_nothing(tmp_path):
    """With nothing missing and the environment in place, no package manager and no pip is called."""
    lock = (ROOT / "requirements.lock").read_bytes()
    sums = subprocess.run(["sha256sum"], input=lock, capture_output=True, check=True)
    (tmp_path / "requirements.sum").write_bytes(sums.stdout)
    result = provision(env=clean_environment() | {"UNSHARED_VENV": str(tmp_path)})
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert [path.name for path in tmp_path.iterdir()] == ["requirements.sum"]


@pytest.mark.parametrize("asked", ["strace", "busybox"])
def test_another_system_is_told_by_name_what_is_missing(tmp_path, asked):
    """A PATH without apt-get and without one program: the package is named, nothing is installed."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for directory in ("/usr/sbin", "/sbin", "/usr/bin", "/bin"):
        for name in os.listdir(directory):
            if name not in (asked, "apt-get") and not (programs / name).exists():
                (programs / name).symlink_to(f"{directory}/{name}")
    script = tmp_path / "provision.sh"
    shutil.copy(ROOT / "provision.sh", script)
    script.write_text(script.read_text().replace("PATH=$PATH:/usr/sbin:/sbin", "PATH=$PATH"))
    result = subprocess.run(["/bin/bash", str(script)], env={"PATH": str(programs)}, capture_output=True, text=True)
    assert result.returncode == 1
    assert "this is no Debian or Ubuntu; please install by hand" in result.stderr
    assert asked in result.stderr


def test_the_packages_of_a_vm():
    """A VM gets a Docker engine, and nothing that only the project's own tests need."""
    here = provision("--packages").stdout.split()
    vm = provision("--vm", "lab", "--packages").stdout.split()
    assert {"chromium", "strace", "libc6-dev"} <= set(here)
    assert {"docker.io", "apparmor", "strace", "libc6-dev"} <= set(vm)
    assert "docker.io" not in here
    assert "chromium" not in vm


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--vm"], "--vm wants a word after it"),
        (["--vm", "lab", "--cgroup", "v3"], "--cgroup v3: use v1 or v2"),
    ],
)
def test_options_of_a_vm(arguments, said):
    result = provision(*arguments)
    assert result.returncode == 1
    assert said in result.stderr


def test_a_machine_that_is_no_vm_is_left_alone(tmp_path):
    """--vm changes the whole machine; where systemd says that this is no VM, nothing happens."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "systemd-detect-virt").symlink_to("/bin/false")  # what it answers on bare metal
    path = f"{programs}:{os.environ['PATH']}"
    result = provision("--vm", "lab", env=clean_environment() | {"PATH": path, "UNSHARED_VENV": str(tmp_path / "venv")})
    assert result.returncode == 1
    assert "run it as root in a VM" in result.stderr
    assert not (tmp_path / "venv").exists()
