"""The Vagrant machine of this checkout: whether it was created, whether it is up, and how ssh reaches it.

Vagrant itself takes seconds to start.  So its ``ssh-config`` is asked once and kept in the machine's own directory
(``.vagrant/machines/NAME/PROVIDER/unshared``; ``vagrant destroy`` removes it), until a file of Vagrant's changes there.
"""

import json
import shutil
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PRIMARY = "lab"
NOT_READY = "not yet ready for SSH"  # Vagrant::Errors::SSHNotReady


class VmError(Exception):
    """The VM cannot be used as it is; the message is one sentence with the command that mends it."""


class NotRunningError(VmError):
    """There is no such machine, or it is off."""


@dataclass(frozen=True)
class Machine:
    """A machine that was created: its name, its provider, and where Vagrant keeps what it knows of it."""

    name: str
    provider: str
    directory: Path
    root: Path  # the directory of the Vagrantfile

    @property
    def ours(self) -> Path:
        """The directory for what we know of the machine."""
        return self.directory / "unshared"

    @property
    def config(self) -> Path:
        """The answer of ``vagrant ssh-config``, once it was asked."""
        return self.ours / "ssh-config"

    def command(self, verb: str) -> str:
        """A Vagrant command for this machine, as a person types it."""
        return command(verb, self.name)

    def is_known(self) -> bool:
        """Whether ``config`` is about the machine as it is now."""
        return self.config.exists() and _read(self.ours / "state.json") == self._state()

    def is_up(self) -> bool:
        """Whether somebody listens where ``config`` says that the machine is; who that is, ssh will find out."""
        config = parse(self.config.read_text(encoding="utf-8"))
        if "proxycommand" in config:
            return True  # only ssh can tell
        with suppress(OSError), socket.create_connection((config["hostname"], int(config["port"])), timeout=1):
            return True
        return False

    def ask(self) -> None:
        """Ask Vagrant anew how ssh reaches the machine; NotRunningError if it is off."""
        if not self._is_same():
            shutil.rmtree(self.ours, ignore_errors=True)
        program = shutil.which("vagrant")
        if program is None:
            raise VmError("vagrant is not on the PATH; install it: https://developer.hashicorp.com/vagrant/install")
        answer = subprocess.run(
            [program, "ssh-config", self.name], cwd=self.root, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if NOT_READY in answer.stderr:
            raise NotRunningError(f"the machine {self.name} is not running; start it: {self.command('up')}")
        if answer.returncode:
            words = " ".join(answer.stderr.split()) or f"exit code {answer.returncode}"
            raise VmError(
                f"vagrant ssh-config {self.name} failed ({words}); see what it says: {self.command('status')}"
            )
        self.ours.mkdir(exist_ok=True)
        self.config.write_text(answer.stdout, encoding="utf-8")
        (self.ours / "state.json").write_text(json.dumps(self._state()), encoding="utf-8")

    def _is_same(self) -> bool:
        """Whether what we know is about this machine, and not about one that was destroyed."""
        return _read(self.ours / "state.json").get("id") == self._state()["id"]

    def _state(self) -> dict[str, object]:
        files = sorted(path for path in self.directory.iterdir() if path.is_file())
        times = {path.name: [path.stat().st_mtime_ns, path.stat().st_size] for path in files}
        return {"id": (self.directory / "id").read_text(encoding="utf-8"), "files": times}


def command(verb: str, name: str) -> str:
    """A Vagrant command for one machine, as a person types it: the primary one need not be named."""
    return f"vagrant {verb}" if name == PRIMARY else f"vagrant {verb} {name}"


def find(name: str, checkout: Path, environment: Mapping[str, str]) -> Machine:
    """The machine ``name`` of the checkout; NotRunningError if it was not created.

    Vagrant's own variables count: VAGRANT_CWD, VAGRANT_DOTFILE_PATH (a path from the directory of the Vagrantfile), and
    VAGRANT_VAGRANTFILE, which Vagrant itself reads when it is asked.
    """
    root = checkout / environment.get("VAGRANT_CWD", "")
    machines = root / environment.get("VAGRANT_DOTFILE_PATH", ".vagrant") / "machines"
    ids = sorted((machines / name).glob("*/id"), key=lambda path: path.stat().st_mtime)
    if not ids:
        raise NotRunningError(f"the machine {name} is not created; create it: {command('up', name)}")
    return Machine(name, ids[-1].parent.name, ids[-1].parent, root)


def parse(config: str) -> dict[str, str]:
    """The settings of an ssh-config with one host, by their names in lower case; the first value counts, as for ssh."""
    found: dict[str, str] = {}
    for line in config.splitlines():
        name, _, value = line.strip().partition(" ")
        found.setdefault(name.lower(), value.strip().strip('"'))
    return found


def _read(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
