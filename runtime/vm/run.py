"""Pytest in the VM: push the sources, run the same command line there, bring back what it wrote."""

import hashlib
import json
import secrets
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.vm import attached, fetched, marker, paths, sources
from runtime.vm.helper import NO_PYTHON, PYTHON, Helper, as_root, not_provisioned
from runtime.vm.machine import Machine, VmError
from runtime.vm.request import Request
from runtime.vm.ssh import FAILED, Connection, UnreachableError

STALE = 94
# Run pytest if all is there that it needs.  A constant text: what differs comes as arguments, each of them quoted.
START = (
    '{ cd "$1" && grep -qxF "provisioned=$2" "$3" && [ "$(cat "$4")" = "$5" ] && echo $$ > "$6"; } 2>&-'
    f' || exit {STALE}; shift 6; exec "$@"'
)
NOTE = paths.MIRROR / ".pushed"

Tell = Callable[[str], object]


def run(machine: Machine, request: Request, tell: Tell) -> int:
    """Run pytest in the machine and return its exit code; ``tell`` gets a sentence now and then.

    Raises VmError, in one sentence that says what to do, if the machine cannot be used as it is.
    """
    pid = str(paths.MIRROR / f".pytest-{secrets.token_hex(8)}")
    with closing(connect(machine, tell)) as connection, closing(Helper(machine, connection, pid)) as helper:
        return Visit(machine, request, connection, helper, pid, tell).pytest()


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
    """One run in the machine, over one connection; ``pid`` is the file in the guest that says that pytest began."""

    machine: Machine
    request: Request
    connection: Connection
    helper: Helper
    pid: str
    tell: Tell

    def pytest(self) -> int:
        """Run pytest with the sources as they are now; its exit code.

        Mostly they are there, so pytest is started while the helper still looks; START finds it out if they are not.
        """
        found = sorted({*sources.files(self.request.checkout, self.request.report), *self.request.inputs()})
        orders, note = self._orders(found), self.machine.ours / "pushed"
        self.helper.take(orders)
        if note.exists() and note.read_text(encoding="utf-8") == orders["sum"]:
            code = self._start(orders)
            if code not in (STALE, NO_PYTHON):
                return code
        if not self._checked(self.helper.answer(), orders)["same"]:
            self.helper.take(orders, sources.tar_of(found))
            self._checked(self.helper.answer(), orders)
        note.write_text(orders["sum"], encoding="utf-8")
        return self._start(orders)

    def _orders(self, found: Sequence[Path]) -> dict[str, Any]:
        directories = [str(paths.inside(path)) for path in self.request.directories()]
        everything = json.dumps([sources.sum_of(found), directories])
        return {
            "marker": str(marker.PATH),
            "note": str(NOTE),
            "provisioned": sources.provisioned(self.request.checkout),
            "sum": hashlib.sha256(everything.encode()).hexdigest(),
            "sources": [str(paths.inside(self.request.checkout / tree)) for tree in sources.TREES],
            "keep": [str(paths.inside(self.request.checkout / name)) for name in sources.REPORTS]
            + [str(paths.inside(self.request.report))],
            "directories": directories,
        }

    def _checked(self, answer: dict[str, Any], orders: dict[str, Any]) -> dict[str, Any]:
        provisioned = marker.parse(answer["marker"]).get("provisioned")
        if provisioned is None:
            raise not_provisioned(self.machine)
        if provisioned != orders["provisioned"]:
            raise VmError(
                f"the machine {self.machine.name} is out of date: it was provisioned by another provision.sh or "
                f"requirements.lock; bring it up to date: {self.machine.command('provision')}"
            )
        return answer

    def _start(self, orders: dict[str, Any]) -> int:
        directory = str(paths.inside(self.request.directory))
        wanted = [directory, orders["provisioned"], orders["marker"], orders["note"], orders["sum"], self.pid]
        variables = [f"{name}={value}" for name, value in self.request.inner_environment().items()]
        command = ["env", *variables, PYTHON, "-m", "pytest", *self.request.inner_arguments()]
        remote = as_root(["sh", "-c", START, "sh", *wanted, *command])
        code = attached.run(self.connection.command(remote, attached.has_terminal()), self.helper.signal)
        if code not in (STALE, NO_PYTHON):
            self._bring_back()
        if code == FAILED:
            raise self.connection.trouble()
        return code

    def _bring_back(self) -> None:
        report, files = self.request.report, self.request.outputs()
        content = self.helper.results(str(paths.inside(report)), [str(paths.inside(path)) for path in files])
        for path in fetched.unpack(content, report, files):
            self.tell(f"vm: brought back {path}")
