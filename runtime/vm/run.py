"""Pytest in the VM: push the sources, run the same command line there, bring back what it wrote."""

import json
import subprocess
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.vm import attached, fetched, inside, marker, paths, sources
from runtime.vm.machine import Machine, VmError
from runtime.vm.request import Request
from runtime.vm.ssh import FAILED, Connection, UnreachableError

PYTHON = "/opt/unshared/venv/bin/python"
NO_PYTHON = 93
# A constant text: what differs comes as arguments, each of them quoted.
AS_ROOT = f'[ -x "$1" ] || exit {NO_PYTHON}; [ "$(id -u)" = 0 ] || set -- sudo -n -- "$@"; exec "$@"'
FROM_STDIN = "import sys; exec(sys.stdin.buffer.read(int(sys.argv.pop(1))))"  # a program that comes before its data

Tell = Callable[[str], object]


def run(machine: Machine, request: Request, tell: Tell) -> int:
    """Run pytest in the machine and return its exit code; ``tell`` gets a sentence now and then.

    Raises VmError, in one sentence that says what to do, if the machine cannot be used as it is.
    """
    with closing(connect(machine, tell)) as connection:
        visit = Visit(machine, connection, request)
        began = visit.push()
        try:
            return visit.pytest()
        finally:
            for path in visit.fetch(began):
                tell(f"vm: brought back {path}")


def connect(machine: Machine, tell: Tell) -> Connection:
    """Connect; where the machine is not what it was, ask Vagrant how it is reached now."""
    known = machine.is_known()
    if not known:
        machine.ask()
    try:
        return Connection(machine, tell)
    except UnreachableError:
        if not known:
            raise
    machine.ask()
    return Connection(machine, tell)


@dataclass(frozen=True)
class Visit:
    """One run in the machine, over one connection."""

    machine: Machine
    connection: Connection
    request: Request

    def push(self) -> float:
        """Bring the sources, unless they are there; what time it is inside, before anything runs."""
        request, note = self.request, self.machine.ours / "pushed"
        found = sorted({*sources.files(request.checkout, request.report), *request.inputs()})
        orders: dict[str, Any] = {
            "marker": str(marker.PATH),
            "note": str(paths.MIRROR / ".pushed"),
            "provisioned": sources.provisioned(request.checkout),
            "sum": sources.sum_of(found),
            "sources": [str(paths.inside(request.checkout / tree)) for tree in sources.TREES],
            "keep": str(paths.inside(request.report)),
            "directories": [str(paths.inside(path)) for path in request.directories()],
        }
        pushed = note.exists() and note.read_text(encoding="utf-8") == orders["sum"]
        answer = self._take(orders, [] if pushed else found)
        if not answer["same"]:  # the machine was reset, or another checkout came
            answer = self._take(orders, found)
        note.write_text(orders["sum"], encoding="utf-8")
        return float(answer["clock"])

    def pytest(self) -> int:
        """Run pytest on this terminal, or without one with its output as ours; its exit code."""
        terminal = attached.has_terminal()
        orders = {
            "directory": str(paths.inside(self.request.directory)),
            "environment": self.request.inner_environment(),
            "command": [PYTHON, "-m", "pytest", *self.request.inner_arguments()],
            "watch": not terminal,
        }
        command = self.connection.command(_as_root([_program()], "run", orders), terminal)
        code = attached.run_on_terminal(command) if terminal else attached.run_on_pipes(command)
        if code == FAILED:
            raise self.connection.trouble()
        return code

    def fetch(self, began: float) -> list[Path]:
        """Bring back the record, the report, and the files that options name; the latter are returned."""
        files = self.request.outputs()
        orders = {
            "report": str(paths.inside(self.request.report)),
            "files": [str(paths.inside(path)) for path in files],
            "since": began,
        }
        return fetched.unpack(self._answer(_as_root([_program()], "send", orders)), self.request.report, files)

    def _take(self, orders: dict[str, Any], found: Sequence[Path]) -> dict[str, Any]:
        program = Path(inside.__file__).read_bytes()
        remote = _as_root(["-c", FROM_STDIN, str(len(program))], "take", orders | {"tar": bool(found)})
        answer = json.loads(self._answer(remote, program + (sources.tar_of(found) if found else b"")))
        self._check(marker.parse(answer["marker"]).get("provisioned"), orders["provisioned"])
        return dict(answer)

    def _answer(self, remote: Sequence[str], data: bytes = b"") -> bytes:
        ended = subprocess.run(self.connection.command(remote), input=data, capture_output=True)
        if ended.returncode == FAILED:
            raise self.connection.trouble()
        if ended.returncode == NO_PYTHON:
            self._check(None, "")
        if ended.returncode:
            said = " ".join(ended.stderr.decode(errors="replace").split()[-40:])
            look = self.machine.command("ssh")
            raise VmError(f"the machine {self.machine.name} did not do what it must ({said}); look inside: {look}")
        return ended.stdout

    def _check(self, provisioned: str | None, wanted: str) -> None:
        name, mend = self.machine.name, self.machine.command("provision")
        if provisioned is None:
            raise VmError(f"the machine {name} is not provisioned; do it: {mend}")
        if provisioned != wanted:
            raise VmError(
                f"the machine {name} is out of date: it was provisioned by another provision.sh or requirements.lock; "
                f"bring it up to date: {mend}"
            )


def _as_root(start: Sequence[str], action: str, orders: dict[str, Any]) -> list[str]:
    return ["sh", "-c", AS_ROOT, "sh", PYTHON, *start, action, json.dumps(orders)]


def _program() -> str:
    """The program that the first call brought, where it lies among the sources."""
    return str(paths.inside(Path(inside.__file__)))
