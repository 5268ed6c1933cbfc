"""provision.sh: what it says, and that it leaves alone what is there."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT, clean_environment


def provision(*arguments, **options):
    command = ["/bin/bash", str(ROOT / "provision.sh"), *arguments]
    options = {"env": clean_environment(), "capture_output": True, "text": True} | options
    return subprocess.run(command, **options)


def test_help():
    result = provision("--help")
    assert result.returncode == 0
    assert "--tests" in result.stdout
    assert "UNSHARED_VENV" in result.stdout


def test_an_unknown_argument():
    result = provision("--fast")
    assert result.returncode == 1
    assert "unknown argument --fast" in result.stderr


def sum_of(lock):
    content = (ROOT / lock).read_bytes()
    return subprocess.run(["sha256sum"], input=content, capture_output=True, check=True).stdout


@pytest.fixture
def prepared(tmp_path):
    """An environment as provision.sh leaves it, but with nothing installed in it: a pip that ran would be seen."""
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "venv" / "labs.sum").write_bytes(sum_of("requirements.lock"))
    return tmp_path / "venv"


def without(tmp_path, *absent):
    """A directory with all programs of this machine but these."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for directory in ("/usr/sbin", "/sbin", "/usr/bin", "/bin"):
        for name in os.listdir(directory):
            if name not in absent and not (programs / name).exists():
                (programs / name).symlink_to(f"{directory}/{name}")
    return programs


def in_a_copy(tmp_path, programs, venv, *arguments):
    """Run a copy of provision.sh that looks for programs in one directory only."""
    script = tmp_path / "provision.sh"
    script.write_text((ROOT / "provision.sh").read_text().replace("PATH=$PATH:/usr/sbin:/sbin", "PATH=$PATH"))
    for lock in ("requirements.lock", "requirements-tests.lock"):
        shutil.copy(ROOT / lock, tmp_path)
    environment = {"PATH": str(programs), "UNSHARED_VENV": str(venv)}
    return subprocess.run(["/bin/bash", script, *arguments], env=environment, capture_output=True, text=True)


def test_a_second_run_does_nothing(prepared):
    """With nothing missing and the environment in place, no package manager and no pip is called."""
    (prepared / "absent").write_text("unionfs-fuse\nmergerfs\n")  # not to be had on every system
    result = provision(env=clean_environment() | {"UNSHARED_VENV": str(prepared)})
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert sorted(path.name for path in prepared.iterdir()) == ["absent", "bin", "labs.sum"]


@pytest.mark.parametrize("asked", ["strace", "busybox"])
def test_another_system_is_told_by_name_what_is_missing(tmp_path, prepared, asked):
    """A PATH without apt-get and without one program: the package is named, and the rest is done all the same."""
    result = in_a_copy(tmp_path, without(tmp_path, asked, "apt-get"), prepared)
    assert result.returncode == 0
    assert result.stdout == (
        f"provision.sh: left out, as it takes apt-get, and root or sudo (Debian's names): {asked}\n"
    )


def test_what_was_not_to_be_had_is_not_asked_for_again(tmp_path, prepared):
    (prepared / "absent").write_text("strace\n")
    result = in_a_copy(tmp_path, without(tmp_path, "strace", "apt-get"), prepared)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_no_python_is_told_first(tmp_path):
    """Before anything else is looked at, in one sentence."""
    names = [name for name in os.listdir("/usr/bin") if name.startswith("python3")]
    programs = without(tmp_path, "strace", "apt-get", *names)
    script = (ROOT / "provision.sh").read_text().replace("/usr/bin/python3", "/nowhere/python3")
    (tmp_path / "provision.sh").write_text(script)
    shutil.copy(ROOT / "requirements.lock", tmp_path)
    result = subprocess.run(
        ["/bin/bash", tmp_path / "provision.sh"], env={"PATH": str(programs)}, capture_output=True, text=True
    )
    assert result.returncode == 1
    assert result.stdout == ""
    assert "no Python 3.11 or newer with the venv module was found; install one" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ({"python3": "3.13.5-1"}, "python3 python3-venv"),  # Debian 13
        ({"python3": "3.10.6-1~22.04"}, ""),
        ({"python3": "3.10.6-1~22.04", "python3.11": "3.11.0~rc1"}, "python3.11 python3.11-venv"),  # Ubuntu 22.04
        ({"python3": "3.9.2-3"}, ""),  # Debian 11
    ],
)
def test_the_python_of_a_distribution(tmp_path, candidates, expected):
    """What apt-cache says is read as it is; only apt-get and apt-cache stand in for those of another system."""
    known = [name for package in candidates for name in (package, f"{package}-venv")]
    apt_cache = f"echo '{candidates['python3']}' | sed 's/^/  Candidate: /'"
    apt_get = f"for last; do :; done; case ' {' '.join(known)} ' in *\" $last \"*) ;; *) exit 100 ;; esac"
    for name, code in (("apt-cache", apt_cache), ("apt-get", apt_get)):
        (tmp_path / name).write_text(f"#!/bin/bash\n{code}\n")
        (tmp_path / name).chmod(0o755)
    functions = (ROOT / "provision.sh").read_text().partition("\nif [ $list = yes ]")[0]
    script = functions.replace('cd "$(dirname "$0")"', "") + '\napt() { :; }\ninstall() { echo "$@"; }\ninstall_python'
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    result = subprocess.run(["/bin/bash", "-c", script], env=environment, capture_output=True, text=True)
    assert result.stdout.strip() == expected, result.stderr


def test_the_packages_of_a_vm():
    """A VM gets a Docker engine; only the tests get what only the project's own tests need."""
    nowhere = {"UNSHARED_VENV": "/nowhere"}
    labs, tests, vm = (
        set(provision(*arguments, "--packages", env=clean_environment() | nowhere).stdout.split())
        for arguments in ([], ["--tests"], ["--vm", "lab"])
    )
    assert {"strace", "libc6-dev"} < labs
    assert tests - labs >= {"chromium", "openssh-server"}
    assert vm - labs == {"docker.io", "apparmor"}


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
