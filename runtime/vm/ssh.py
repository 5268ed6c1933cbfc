"""One ssh connection to the machine, shared by all that a run sends over it.

Vagrant's ssh-config says how to get there; three things of it are not taken over.  It switches the check of host keys
off: here the key of the first contact is written down, with a sentence, and from then on no other is taken.  It hides
what ssh complains about.  And it opens a new connection for each command: where ssh can share one (not on Windows), it
does.
"""

import base64
import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from runtime.vm.machine import Machine, VmError

FAILED = 255  # ssh itself failed; everything else is the exit code of the command (ssh(1))
LINGERING = 30  # seconds that a shared connection waits for its next command if we were killed


class UnreachableError(VmError):
    """Ssh did not come through to the machine; Vagrant may know that it is elsewhere by now."""


class Connection:
    """A connection that stands until ``close``; ``tell`` gets the sentence of a first contact."""

    def __init__(self, machine: Machine, tell: Callable[[str], object]) -> None:
        self._machine, self._tell = machine, tell
        self._known_hosts = machine.ours / "known_hosts"
        program = shutil.which("ssh")
        if program is None:
            raise VmError("ssh is not on the PATH; install the OpenSSH client")
        self._program = program
        self._directory = Path(tempfile.mkdtemp(prefix="unshared-"))  # a short path: that of a socket has 104 bytes
        try:
            self._connect()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the connection, and remove its files."""
        if _can_share():
            self._ask("exit")
        shutil.rmtree(self._directory, ignore_errors=True)

    def command(self, remote: Sequence[str], terminal: bool = False) -> list[str]:
        """The local command line that runs ``remote`` on the machine, whatever characters its arguments hold."""
        return [*self._ssh(), "-t" if terminal else "-T", self._machine.name, shlex.join(remote)]

    def trouble(self) -> VmError:
        """What went wrong, after a command of ours ended with FAILED."""
        name, words = self._machine.name, " ".join(self._words().split())
        if "Host key verification failed" in words:
            return UnreachableError(
                f"the machine {name} shows another host key than at the first contact, so it may be another machine; "
                f"if you know why, remove {self._known_hosts} and start again"
            )
        if not words and self._is_open():
            return VmError(
                f"in the machine {name} pytest was ended by a signal; python -m reports renders what was recorded"
            )
        mend = f"restart it: {self._machine.command('reload')}"
        words = words or "the connection was lost"
        return UnreachableError(f"the machine {name} is running, but ssh does not reach it ({words}); {mend}")

    def _connect(self) -> None:
        first = not self._known_hosts.exists()
        check = ["-o", "StrictHostKeyChecking=accept-new"] if first else []
        if _can_share():
            what = ["-M", "-N", "-f", "-o", f"ControlPersist={LINGERING}", self._machine.name]
        else:
            what = [self._machine.name, "exit"]
        # No pipes: the connection in the background would hold them open.
        nothing = subprocess.DEVNULL
        if subprocess.run([*self._ssh(check), *what], stdin=nothing, stdout=nothing, stderr=nothing).returncode:
            raise self.trouble()
        if first:
            self._tell(
                f"vm: first contact with the machine {self._machine.name}: its host key {self._fingerprint()} "
                f"is kept in {self._known_hosts}, and no other will be taken"
            )

    def _ssh(self, before: Sequence[str] = ()) -> list[str]:
        """The start of each command line: for ssh, the first value of an option counts."""
        options = {
            "LogLevel": "ERROR",
            "BatchMode": "yes",
            "ConnectTimeout": "30",
            "ServerAliveInterval": "15",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": _quoted(self._known_hosts),
            "HostKeyAlias": f"unshared-{self._machine.name}",  # whatever address and port the machine has today
            "UpdateHostKeys": "no",
            **({"ControlPath": _quoted(self._directory / "s")} if _can_share() else {}),
        }
        given = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return [self._program, "-F", str(self._machine.config), "-E", str(self._directory / "log"), *before, *given]

    def _is_open(self) -> bool:
        return not _can_share() or self._ask("check") == 0

    def _ask(self, what: str) -> int:
        """Ask the ssh in the background (ssh(1), -O)."""
        if not (self._directory / "s").exists():
            return FAILED
        return subprocess.run([*self._ssh(), "-O", what, self._machine.name], capture_output=True).returncode

    def _fingerprint(self) -> str:
        """The fingerprint of the key that was written down, as ``ssh-keygen -l`` prints it."""
        key = self._known_hosts.read_text(encoding="utf-8").split()[2]
        digest = hashlib.sha256(base64.b64decode(key)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

    def _words(self) -> str:
        log = self._directory / "log"
        return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""


def _can_share() -> bool:
    """Whether ssh can send several commands through one connection: it needs sockets with names."""
    return os.name == "posix"


def _quoted(path: Path) -> str:
    """A path as the value of an option (ssh_config(5): quotes for spaces, %% for %)."""
    return '"{}"'.format(path.as_posix().replace("%", "%%"))
