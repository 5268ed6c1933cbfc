"""Attempts to change the machine from inside the sandbox, by root and by an ordinary user; canaries stand outside."""

import ctypes
import json
import os
import pty
import select
import shutil
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from runtime.kernel import namespaces
from runtime.kernel.syscalls import Clone, mount
from tests.conftest import ROOT, clean_environment
from tests.lab import escapes
from tests.lab.test_sandbox import PYTHON, copy_packages

pytestmark = pytest.mark.privileged
USER = 65534
SYSCTLS = ("vm/swappiness", "kernel/core_pattern", "kernel/panic", "user/max_uts_namespaces", "kernel/pid_max")
libc = ctypes.CDLL(None, use_errno=True)


def canaries(terminal: int) -> list[object]:
    """What must be the same afterwards; nobody writes to the ``terminal``."""
    files = [Path(place, name) for place in (escapes.CANARIES, escapes.HOME) for name in sorted(os.listdir(place))]
    contents = [(str(file), file.read_text()) for file in files if file.is_file()]
    written, _, _ = select.select([terminal], [], [], 0)
    places = ("/", "/etc", "/usr", "/root", "/var/lib", "/boot", "/dev")
    made = [place for place in places if Path(place, "unshared-canary").exists()]
    return [contents, made, [Path("/proc/sys", name).read_text() for name in SYSCTLS], written, os.uname().nodename]


def run_attempts(checkout, uid: int, packages: Path) -> tuple[dict[str, str], list[object], list[object]]:
    """Make all attempts as ``uid``, with canaries in namespaces of the test's own; the canaries before and after."""
    with ExitStack() as kept:
        mount("canaries", escapes.CANARIES, "tmpfs")
        mount("run", "/run", "tmpfs")
        for place in (escapes.CANARIES, escapes.HOME):
            Path(place).mkdir(exist_ok=True)
            Path(place, "canary").write_text("alive")
            shutil.chown(place, uid, uid)
            shutil.chown(Path(place, "canary"), uid, uid)
        below_run = kept.enter_context(socket.socket(socket.AF_UNIX))
        below_run.bind("/run/unshared-canary")
        abstract = kept.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind("\0unshared-canary")
        abstract.listen()
        port = kept.enter_context(socket.create_server(("127.0.0.1", 0)))
        terminal, end = pty.openpty()
        os.fchown(end, uid, -1)
        sleeper = subprocess.Popen(["sleep", "1000"], user=uid)
        kept.callback(sleeper.wait)
        kept.callback(sleeper.kill)
        assert libc.msgget(0x00CA4A41, 0o1666) >= 0
        environment = {
            "CANARY_PORT": str(port.getsockname()[1]),
            "CANARY_PID": str(sleeper.pid),
            "CANARY_TERMINAL": os.ttyname(end),
            "TINY_CODE": f"import subprocess, sys; os.chdir(lab.directory); subprocess.run([sys.executable, "
            f"{str(checkout.path / 'escapes.py')!r}, {str(checkout.path / 'result.json')!r}], check=True)",
            "PYTHONPATH": str(packages),
            "HOME": escapes.HOME,
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        before = canaries(terminal)

        def become() -> None:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            escapes.add_keys()

        command = [PYTHON if uid else sys.executable, "-m", "pytest", "labs/", "-k", "gate", "-p", "no:cacheprovider"]
        result = subprocess.run(
            command,
            cwd=checkout.path,
            env=clean_environment() | environment,
            preexec_fn=become,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return json.loads((checkout.path / "result.json").read_text()), before, canaries(terminal)


@pytest.fixture(params=["root", "user"])
def who(request):
    return request.param


def test_escapes(make_checkout, who):
    checkout = make_checkout()
    shutil.copy(ROOT / "tests" / "lab" / "escapes.py", checkout.path)
    uid = USER if who == "user" else 0
    packages = copy_packages(checkout.path) if uid else Path()
    subprocess.run(["chown", "-R", f"{uid}:{uid}", checkout.path], check=True)
    flags = Clone.NEWNS | Clone.NEWIPC | Clone.NEWUTS | Clone.NEWNET
    ended, before, after = namespaces.run_in_new(flags, run_attempts, checkout, uid, packages)
    came_through = {name for name, refusal in ended.items() if not refusal}
    assert came_through <= escapes.OPEN[who]
    assert after == before
