"""Pytest in the VM: push the sources, run the same command line there, bring back what it wrote."""

import hashlib
import secrets
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runtime.vm import attached, fetched, marker, paths, sources
from runtime.vm.helper import PYTHON, Helper, as_root
from runtime.vm.machine import Machine
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
    pid = paths.MIRROR / f".pytest-{secrets.token_hex(8)}"
    with closing(connect(machine, tell)) as connection, closing(Helper(machine, connection, str(pid))) as helper:
        visit = Visit(machine, request, connection, helper, str(pid))
        try:
            return visit.pytest()
        finally:
            for path in visit.fetch():
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
