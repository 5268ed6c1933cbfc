"""A host with bare pytest, a machine of its own that real ssh reaches, and a program that answers as Vagrant does."""

import os
import shlex
import shutil
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from runtime.vm import sources
from tests.conftest import ROOT, Checkout, clean_environment

SITE = Path(sysconfig.get_path("purelib"))
ALL_OF_PYTEST = ("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments", "py.py")
ABSENT = """
import os, signal, sys
# A host where labs cannot run: nothing of Unix that Windows has not, and no package but pytest's own.
for module in ("fcntl", "termios", "pwd", "grp", "resource", "tty", "pty"):
    sys.modules[module] = None
for name in ("fork", "geteuid", "pidfd_open", "setns", "unshare"):
    if hasattr(os, name):
        delattr(os, name)
"""
NOT_READY = """The provider for this Vagrant-managed machine is reporting that it
is not yet ready for SSH. Depending on your provider this can carry
different meanings. Make sure your machine is created and running and
try again.
"""
VAGRANT = """#!/bin/sh
# What the real one answers to "vagrant ssh-config NAME", from the file $STATE/NAME; each call is noted.
echo "$@" >> {state}/calls
[ "$1" = ssh-config ] || exit 9
[ -e {state}/"$2" ] && exec cat {state}/"$2"
cat {state}/not-ready >&2
exit 1
"""


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment that holds pytest and nothing else."""
    place = tmp_path_factory.mktemp("bare") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    site = next(place.glob("lib/python*/site-packages"))
    for name in ALL_OF_PYTEST:
        (site / name).symlink_to(SITE / name)
    for information in SITE.glob("pytest-[0-9]*.dist-info"):
        (site / information.name).symlink_to(information)
    (site / "sitecustomize.py").write_text(ABSENT)
    return place / "bin" / "python"


@dataclass
class Guest:
    """A machine that runs: what ``vagrant ssh-config`` says of it."""

    process: subprocess.Popen[bytes]
    listener: socket.socket
    config: str

    def stop(self) -> None:
        """Switch it off."""
        self.listener.close()
        self.process.kill()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()


@dataclass
class Host:
    """A checkout on a host with bare pytest, and what Vagrant knows there."""

    checkout: Checkout
    python: Path
    place: Path
    guests: list[Guest] = field(default_factory=list)

    @property
    def path(self) -> Path:
        return self.checkout.path

    @property
    def state(self) -> Path:
        return self.place / "vagrant"

    def data(self, name: str = "lab") -> Path:
        """Where Vagrant keeps what it knows of a machine."""
        return self.path / ".vagrant" / "machines" / name / "libvirt"

    def create(self, name: str = "lab") -> None:
        """What `vagrant up` leaves on the host."""
        self.data(name).mkdir(parents=True, exist_ok=True)
        (self.data(name) / "id").write_text("5d9e4d8e-lab")
        (self.data(name) / "synced_folders").write_text("{}")

    def start(self, name: str = "lab", venv: str = sys.prefix, marker: str | None = None, keys: str = "keys") -> Guest:
        """Start a guest, and let Vagrant know it."""
        if marker is None:
            marker = f"name={name}\nbox=debian/bookworm64\nprovisioned={sources.provisioned(self.path)}\n"
        listener = socket.create_server(("127.0.0.1", 0))
        command = ["unshare", "--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "--kill-child"]
        arguments = [str(listener.fileno()), venv, str(self.place / keys), marker]
        with (self.place / "guest.log").open("ab") as log:
            process = subprocess.Popen(
                [*command, sys.executable, str(Path(__file__).parent / "guest.py"), *arguments],
                pass_fds=[listener.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert process.stdout
        if process.stdout.readline() != b"ready\n":
            process.communicate()
            raise RuntimeError(f"the guest did not start: {(self.place / 'guest.log').read_text()}")
        lines = [
            f"Host {name}",
            "HostName 127.0.0.1",
            "User root",
            f"Port {listener.getsockname()[1]}",
            "UserKnownHostsFile /dev/null",
            "StrictHostKeyChecking no",
            "PasswordAuthentication no",
            f"IdentityFile {self.place / 'keys' / 'user_key'}",
            "IdentitiesOnly yes",
            "LogLevel FATAL",
        ]
        self.guests.append(Guest(process, listener, "\n  ".join(lines) + "\n\n"))
        (self.state / name).write_text(self.guests[-1].config)
        return self.guests[-1]

    def environment(self) -> dict[str, str]:
        path = f"{self.place / 'bin'}:{os.environ['PATH']}"
        left_out = ("VAGRANT_", "NO_COLOR", "FORCE_COLOR", "PY_COLORS", "COLUMNS", "LINES")
        return {name: text for name, text in clean_environment().items() if not name.startswith(left_out)} | {
            "PATH": path,
            "TMPDIR": str(self.path / "tmp"),  # what a killed pytest leaves goes with the checkout
        }

    def command(self, *arguments: str) -> list[str]:
        return [str(self.python), "-m", "pytest", "-p", "no:cacheprovider", *arguments]

    def pytest(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run pytest on the host, as typed in a shell."""
        options = {"cwd": self.path, "env": self.environment(), "timeout": 120} | options
        return subprocess.run(self.command(*arguments), capture_output=True, text=True, **options)

    def asked(self) -> int:
        """How often Vagrant was started."""
        calls = self.state / "calls"
        return len(calls.read_text().splitlines()) if calls.exists() else 0


@pytest.fixture
def host(checkout: Checkout, bare_python: Path, tmp_path: Path) -> Iterator[Host]:
    """A host whose Vagrant knows no machine yet."""
    found = Host(checkout, bare_python, tmp_path)
    for name in sources.PROVISIONING:
        shutil.copy(ROOT / name, checkout.path)
    (checkout.path / "tmp").mkdir()
    for name in ("vagrant", "bin", "keys", "other keys"):
        (tmp_path / name).mkdir()
    for place, key in (("keys", "host_key"), ("keys", "user_key"), ("other keys", "host_key")):
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / place / key)]
        subprocess.run(keygen, check=True)
    shutil.copy(tmp_path / "keys" / "user_key.pub", tmp_path / "other keys")
    (found.state / "not-ready").write_text(NOT_READY)
    program = tmp_path / "bin" / "vagrant"
    program.write_text(VAGRANT.format(state=shlex.quote(str(found.state))))
    program.chmod(0o755)
    yield found
    for guest in found.guests:
        guest.stop()


@pytest.fixture
def running(host: Host) -> Host:
    """A host with a machine that runs and is provisioned."""
    host.create()
    host.start()
    return host
