"""Differences between states, and the machine as a whole."""

import os
import signal
from pathlib import Path

import pytest

from runtime.kernel.namespaces import KINDS, link, start_in_new
from runtime.kernel.proc import DEFAULT
from runtime.kernel.snapshot import diff, machine_namespaces, process_state, snapshot
from runtime.kernel.syscalls import Clone

MOUNTS = "/proc/PID/mountinfo"


def mounted(point: str, number: int, **fields: object) -> dict[str, object]:
    return {"id": number, "parent": 1, "point": point, "options": "rw", "propagation": []} | fields


def test_equal_states_do_not_differ() -> None:
    state = {"a": 1, "b": {"c": [1, {"d": 2}]}, MOUNTS: [mounted("/", 1)]}
    assert diff(state, dict(state)) == []
    assert diff(None, None) == []


def test_values_and_fields() -> None:
    before = {"/proc/PID/ns/uts": "uts:[1]", "/proc/PID/status": {"Uid": [0, 0, 0, 0], "Name": "sh"}}
    after = {"/proc/PID/ns/uts": "uts:[2]", "/proc/PID/status": {"Uid": [1, 1, 1, 1], "Name": "sh", "Seccomp": 2}}
    assert diff(before, after) == [
        {"path": "/proc/PID/ns/uts", "before": "uts:[1]", "after": "uts:[2]"},
        {"path": "/proc/PID/status", "field": "Uid", "before": [0, 0, 0, 0], "after": [1, 1, 1, 1]},
        {"path": "/proc/PID/status", "field": "Seccomp", "before": None, "after": 2},
    ]


def test_nested_objects_are_named_by_their_way() -> None:
    before = {"/proc/PID/net/dev": {"lo": {"rx_bytes": 1, "tx_bytes": 1}, "eth0": {"rx_bytes": 5}}}
    after = {"/proc/PID/net/dev": {"lo": {"rx_bytes": 2, "tx_bytes": 1}}}
    assert diff(before, after) == [
        {"path": "/proc/PID/net/dev", "field": "lo: rx_bytes", "before": 1, "after": 2},
        {"path": "/proc/PID/net/dev", "field": "eth0", "before": {"rx_bytes": 5}, "after": None},
    ]


def test_mounts_are_known_by_their_point_not_by_their_number() -> None:
    before = {MOUNTS: [mounted("/", 1), mounted("/mnt", 2)]}
    after = {MOUNTS: [mounted("/", 11, propagation=["shared:1"]), mounted("/mnt", 12), mounted("/mnt", 13)]}
    assert diff(before, after) == [
        {"path": MOUNTS, "field": "/: propagation", "before": [], "after": ["shared:1"]},
        {"path": MOUNTS, "field": "/mnt #2", "before": None, "after": mounted("/mnt", 13)},
    ]


def test_entries_of_an_empty_table() -> None:
    queue = {"key": 1, "msqid": 32768}
    assert diff({"/proc/sysvipc/msg": []}, {"/proc/sysvipc/msg": [queue]}) == [
        {"path": "/proc/sysvipc/msg", "field": "32768", "before": None, "after": queue}
    ]


def test_an_error_is_compared_as_a_whole() -> None:
    error = {"error": "EACCES"}
    (row,) = diff({"x": {"a": 1}}, {"x": error})
    assert row == {"path": "x", "before": {"a": 1}, "after": error}


def test_a_process_that_came_or_went() -> None:
    assert diff(None, {"x": 1}) == [{"path": "x", "before": None, "after": 1}]
    assert diff({"x": 1}, None) == [{"path": "x", "before": 1, "after": None}]


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
