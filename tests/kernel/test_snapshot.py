"""States of processes, and the machine as a whole."""

import os
import signal
from pathlib import Path

import pytest

from runtime.kernel.namespaces import KINDS, link, start_in_new
from runtime.kernel.proc import DEFAULT
from runtime.kernel.snapshot import machine_namespaces, process_state, snapshot
from runtime.kernel.syscalls import Clone


def test_a_state_has_every_path_that_was_asked_for() -> None:
    state = process_state(os.getpid(), ["/proc/PID/fd", "/nowhere"])
    assert state is not None
    assert list(state) == [*DEFAULT, "/proc/PID/fd", "/nowhere"]
    assert state["/proc/PID/status"]["NSpid"][-1] == os.getpid()
    assert state["/nowhere"] == {"error": "ENOENT"}


def test_a_process_that_is_gone_has_no_state() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    zombie = process_state(pid)
    os.waitpid(pid, 0)
    assert zombie is not None
    assert zombie["/proc/PID/status"]["State"].startswith("Z")
    assert set(snapshot([pid, os.getpid()])) == {pid, os.getpid()}
    assert process_state(pid) is None
    assert snapshot([pid])[pid] is None


def test_a_process_that_vanishes_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    from runtime.kernel import snapshot as module

    with start_in_new(0, signal.pause) as child:

        def vanish(paths: object, pid: int) -> dict[str, object]:
            child.close()
            return {"/proc/PID/status": {"error": "ESRCH"}}

        monkeypatch.setattr(module, "read_all", vanish)
        assert process_state(child.pid) is None


def test_the_machine_has_this_process() -> None:
    machine = machine_namespaces()
    own = {kind: f"{kind}:[{inode}]" for kind, inode in machine[os.getpid()].items()}
    assert own == {kind: link("self", kind) for kind in KINDS}


@pytest.mark.privileged
def test_the_machine_shows_who_shares_what() -> None:
    with start_in_new(Clone.NEWUTS | Clone.NEWNET, signal.pause) as child:
        machine = machine_namespaces()
    ours, theirs = machine[os.getpid()], machine[child.pid]
    assert {kind for kind in KINDS if ours[kind] != theirs[kind]} == {"uts", "net"}
    assert child.pid not in machine_namespaces()
    assert len(machine) >= sum(entry.name.isdigit() for entry in Path("/proc").iterdir()) // 2
