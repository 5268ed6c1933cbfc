"""The host's end of the helper in the guest (inside.py): what is asked of it, and what it answers."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from runtime.vm.attached import APART
from runtime.vm.machine import Machine, VmError
from runtime.vm.ssh import FAILED, Connection

PYTHON = "/opt/unshared/venv/bin/python"
NO_PYTHON = 93
# Constant texts, here and in run.py: what differs comes as arguments, each of them quoted.
AS_ROOT = f'[ -x {PYTHON} ] || exit {NO_PYTHON}; [ "$(id -u)" = 0 ] || set -- sudo -n -- "$@"; exec "$@"'
FROM_STDIN = "import sys; exec(sys.stdin.buffer.read(int(sys.argv.pop(1))))"  # a program that comes before its data


def as_root(command: Sequence[str]) -> list[str]:
    """The command line that runs ``command`` as root; in a machine that was not provisioned it ends with NO_PYTHON."""
    return ["sh", "-c", AS_ROOT, "sh", *command]


class Helper:
    """A process in the guest that lives as long as we want something of it; ``pid`` is where pytest's pid will be."""

    def __init__(self, machine: Machine, connection: Connection, pid: str) -> None:
        self._machine, self._connection = machine, connection
        self._unanswered = 0
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close)
        program = Path(__file__).with_name("inside.py").read_bytes()
        command = connection.command(as_root([PYTHON, "-IS", "-c", FROM_STDIN, str(len(program)), pid]))
        pipe = subprocess.PIPE
        self._process: subprocess.Popen[bytes] = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=self._words, **APART
        )
        self._write(program)

    def take(self, orders: dict[str, Any], tar: bytes = b"") -> None:
        """Bring the mirror up to date (inside.py, take)."""
        self._order(do="take", size=len(tar), **orders)
        self._write(tar)
        self._unanswered += 1

    def answer(self) -> dict[str, Any]:
        """What it says to the ``take`` that was not answered yet."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise self._trouble()
        self._unanswered -= 1
        return dict(json.loads(line))

    def signal(self, number: int) -> None:
        """Send a signal to pytest."""
        self._order(do="signal", number=number)

    def results(self, report: str, files: Sequence[str]) -> bytes:
        """The tar of what pytest wrote (inside.py, send); the helper ends with it."""
        while self._unanswered:
            self.answer()
        self._order(do="send", report=report, files=files)
        assert self._process.stdout
        content: bytes = self._process.stdout.read()
        if self._process.wait():
            raise self._trouble()
        return content

    def close(self) -> None:
        """End it; if it has not sent the results, it ends pytest before."""
        self._process.terminate()
        with suppress(OSError):
            self._process.communicate()
        self._words.close()

    def _order(self, **orders: Any) -> None:
        self._write(json.dumps(orders).encode() + b"\n")

    def _write(self, data: bytes) -> None:
        assert self._process.stdin
        with suppress(OSError):  # it has ended: the answer, which will not come, tells why
            self._process.stdin.write(data)
            self._process.stdin.flush()

    def _trouble(self) -> VmError:
        code, name = self._process.wait(), self._machine.name
        if code == FAILED:
            return self._connection.trouble()
        if code == NO_PYTHON:
            return not_provisioned(self._machine)
        self._words.seek(0)
        said = " ".join(self._words.read().decode(errors="replace").split()[-40:])
        return VmError(
            f"nothing can be done as root in the machine {name} ({said}); see {self._machine.command('ssh')}"
        )


def not_provisioned(machine: Machine) -> VmError:
    """What is said of a machine that has not all that provisioning brings."""
    return VmError(f"the machine {machine.name} is not provisioned; do it: {machine.command('provision')}")
