"""Observations as rows, and what became of them: by what names an entry, field by field, as the tools print it."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from record.model import Process
from record.rows import Change, Compared, compare, places, rows
from record.summary import summary
from record.tables import TABLES, group, ipc_key
from runtime.kernel.proc import READERS, reader_of

MOUNTS, STATUS = "/proc/PID/mountinfo", "/proc/PID/status"
State = dict[str, Any]


def mounted(point: str, number: int, **fields: object) -> State:
    return {"id": number, "parent": 1, "point": point, "options": "rw", "propagation": []} | fields


def process(state: State | None, label: str = "first", pid: int = 7) -> Process:
    return Process(label, label, pid, "shell", 1, state)


def compared(before: State, after: State, pid: int = 7, **matter: Any) -> Compared[Process]:
    (one,) = compare([process(before)], [process(after, pid=pid)], matter.get("matter"))
    return one


def changes(before: State, after: State, **more: Any) -> list[tuple[str, str | None, str | None]]:
    return [(change.field, change.before, change.after) for change in compared(before, after, **more).changes]


def test_a_value_becomes_rows_of_its_own() -> None:
    mounts = [[mounted("/proc", number, fstype="proc")] for number in (7, 9)]
    assert len({tuple(rows(MOUNTS, each)) for each in mounts}) == 1, "copies of a mount have other numbers"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("/proc/PID/uid_map", [[0, 1000, 1], [1, 5, 9]], [("line 1", "0 1000 1"), ("line 2", "1 5 9")]),
        ("/proc/PID/uid_map", [], [("", "(none)")]),
        ("/proc/PID/maps", {"error": "EACCES"}, [("", "cannot be read: EACCES")]),
        ("/proc/PID/net/dev", {"lo": {"rx_bytes": 7, "tx_bytes": 8}}, [("lo", "rx_bytes=7 tx_bytes=8")]),
        ("/etc/os-release", "NAME=x\nID=debian\n", [("line 1", "NAME=x"), ("line 2", "ID=debian")]),
        ("/proc/meminfo", "MemTotal: 3 kB\nMemFree: 2 kB\n", [("MemTotal", "3 kB"), ("MemFree", "2 kB")]),
        (MOUNTS, [{"point": "/a", "dev": "0:1"}] * 2, [("/a", "0:1"), ("/a #2", "0:1")]),
        (MOUNTS, [mounted("/a", 1)], [("/a", "options=rw propagation=private")]),
        ("/proc/PID/cgroup", [{"id": 0, "controllers": [], "path": "/x"}], [("v2", "/x")]),
        ("/proc/PID/cgroup", [{"id": 4, "controllers": ["cpu", "cpuacct"], "path": "/"}], [("cpu,cpuacct", "/")]),
        ("/proc/sysvipc/msg", [{"key": -1551594973, "msqid": 3, "qnum": 1}], [("msqid 3", "key=0xa3848a23 qnum=1")]),
        (
            "/proc/PID/net/route",
            [
                {
                    "device": "b0",
                    "destination": "10.1.1.0",
                    "mask": "255.255.255.0",
                    "gateway": "0.0.0.0",
                    "flags": "U",
                },
                {"device": "e0", "destination": "0.0.0.0", "mask": "0.0.0.0", "gateway": "10.1.1.9", "flags": "UG"},
            ],
            [("10.1.1.0/24 dev b0", "gateway=0.0.0.0 flags=U"), ("default dev e0", "gateway=10.1.1.9 flags=UG")],
        ),
        ("ip link", [{"ifname": "lo", "mtu": 9, "master": None, "state": "UP"}], [("lo", "mtu=9 state=UP")]),
        ("/of/a/later/version", [{"name": "x", "size": 2}, {"size": 3}], [("x", "name=x size=2"), ("line 2", "3")]),
        (MOUNTS, [{"dev": "0:1", "fstype": "proc"}], [("line 1", "dev=0:1 fstype=proc")]),
    ],
)
def test_a_value_becomes_rows(path: str, value: object, expected: list[tuple[str, str]]) -> None:
    assert list(rows(path, value)) == expected


def test_keys_are_those_that_ipcs_prints() -> None:
    assert [ipc_key(key) for key in (0, 5, -1551594973)] == ["0x00000000", "0x00000005", "0xa3848a23"]


def test_every_table_is_one_that_can_be_read() -> None:
    for path in TABLES:
        assert reader_of(path) in READERS.values()


def test_equal_states_do_not_differ() -> None:
    state = {"a": 1, "b": {"c": [1, {"d": 2}]}, MOUNTS: [mounted("/", 1)]}
    assert changes(state, dict(state)) == []


def test_values_and_fields() -> None:
    before = {"/proc/PID/ns/uts": "uts:[1]", STATUS: {"Uid": [0, 0, 0, 0], "Name": "sh"}}
    after = {"/proc/PID/ns/uts": "uts:[2]", STATUS: {"Uid": [1, 1, 1, 1], "Name": "sh", "Seccomp": 2}}
    found = compared(before, after).changes
    assert found == [
        Change("first", "/proc/PID/ns/uts", "", "", "uts:[1]", "uts:[2]"),
        Change("first", STATUS, "Uid", "", "0 0 0 0", "1 1 1 1"),
        Change("first", STATUS, "Seccomp", "", None, "2"),
    ]
    assert [change.kind for change in found] == ["changed", "changed", "added"]


def test_entries_are_told_field_by_field() -> None:
    before = {"/proc/PID/net/dev": {"lo": {"rx_bytes": 1, "tx_bytes": 1}, "eth0": {"rx_bytes": 5, "tx_bytes": 0}}}
    after = {"/proc/PID/net/dev": {"lo": {"rx_bytes": 2, "tx_bytes": 1}}}
    assert changes(before, after) == [("lo: rx_bytes", "1", "2"), ("eth0", "rx_bytes=5 tx_bytes=0", None)]


def test_mounts_are_known_by_their_point_and_order() -> None:
    before = {MOUNTS: [mounted("/", 1), mounted("/mnt", 2)]}
    after = {MOUNTS: [mounted("/", 11, propagation=["shared:1"]), mounted("/mnt", 12), mounted("/mnt", 13)]}
    assert changes(before, after) == [
        ("/: propagation", "private", "shared:1"),
        ("/mnt #2", None, "options=rw propagation=private"),
    ]


def test_routes_are_known_by_where_they_lead() -> None:
    route = {"dst": "10.1.1.0/24", "gateway": None, "dev": "a", "scope": "link"}
    before, after = [route], [{**route, "dev": "b"}, {**route, "scope": "global"}]
    assert changes({"ip route": before}, {"ip route": after}) == [
        ("10.1.1.0/24 dev a", "link", "global"),
        ("10.1.1.0/24 dev b", None, "link"),
    ]


def test_entries_of_an_empty_table() -> None:
    assert changes({"/proc/sysvipc/msg": []}, {"/proc/sysvipc/msg": [{"key": 1, "msqid": 32768, "qnum": 0}]}) == [
        ("msqid 32768", None, "key=0x00000001 qnum=0")
    ]


def test_what_cannot_be_read_is_told_as_a_whole() -> None:
    assert changes({"x": {"a": 1}}, {"x": {"error": "EACCES"}}) == [("", "a=1", "cannot be read: EACCES")]


def test_a_path_that_was_not_read_before_has_not_changed() -> None:
    assert changes({"x": 1}, {"x": 1, "y": 2}) == []


def test_processes_stand_for_each_other_by_label_then_by_pid() -> None:
    old = [process({}, "first", 1), process({}, "old", 2), process({}, "gone", 3)]
    new = [process({}, "first", 5), process({}, "new", 2)]
    pairs = [(one.old and one.old.label, one.new and one.new.label) for one in compare(old, new)]
    assert pairs == [("first", "first"), ("old", "new"), ("gone", None)]


def minors(before: State, after: State, **more: Any) -> list[str]:
    return [change.field for change in compared(before, after, **more).changes if change.minor]


def test_counters_and_times_say_little() -> None:
    queue = {"key": 1, "msqid": 0, "qnum": 0, "lspid": 0, "stime": 0}
    before = {"/proc/sysvipc/msg": [queue], "/proc/PID/net/dev": {"eth0": {"rx_bytes": 1, "tx_bytes": 2}}}
    after = {
        "/proc/sysvipc/msg": [queue | {"qnum": 1, "lspid": 9, "stime": 5}],
        "/proc/PID/net/dev": {"eth0": {"rx_bytes": 3, "tx_bytes": 2}},
    }
    assert minors(before, after) == ["msqid 0: lspid", "msqid 0: stime", "eth0: rx_bytes"]
    about = places(["/proc/PID/net/dev"])
    assert minors(before, after, matter=about) == ["msqid 0: lspid", "msqid 0: stime"], "a claim is about them"


def test_the_state_of_a_process_says_little_unless_a_claim_names_it() -> None:
    before, after = {STATUS: {"State": "S"}}, {STATUS: {"State": "R"}}
    assert minors(before, after) == ["State"]
    assert minors(before, after, matter=places([STATUS])) == ["State"]
    assert minors(before, after, matter=places([f"{STATUS} State, NSpid"])) == []


def test_numbers_of_another_process_in_a_window_say_little_but_those_of_a_new_pid_namespace_do_not() -> None:
    before = {STATUS: {"PPid": 3, "NSpid": [7]}, "/proc/PID/task/PID/children": [8]}
    same_level = {STATUS: {"PPid": 7, "NSpid": [9]}, "/proc/PID/task/PID/children": []}
    deeper = {STATUS: {"PPid": 7, "NSpid": [9, 1]}, "/proc/PID/task/PID/children": [8]}
    assert minors(before, same_level, pid=9) == ["PPid", "NSpid", ""]
    assert minors(before, deeper, pid=9) == ["PPid"]
    assert minors(before, {**before, STATUS: {"PPid": 1, "NSpid": [7]}}) == [], "an orphan has a new parent"


def test_what_a_process_that_ended_no_longer_shows_says_little() -> None:
    before = {STATUS: {"State": "S (sleeping)"}, MOUNTS: [mounted("/", 1)], "/proc/PID/ns/uts": "uts:[1]"}
    gone = {STATUS: {"State": "Z (zombie)"}, MOUNTS: {"error": "EINVAL"}, "/proc/PID/ns/uts": {"error": "ENOENT"}}
    assert [change.minor for change in compared(before, gone).changes] == [True, True, True]
    alive = {**gone, STATUS: {"State": "S (sleeping)"}}
    assert [change.minor for change in compared(before, alive).changes] == [False, False]


def test_places_of_claims() -> None:
    found = places([f"{STATUS} CapEff, Seccomp", "ip link", f"{STATUS} NSpid", "/proc/PID/ns/uts NS_GET_PARENT"])
    assert found == {
        STATUS: {"CapEff", "Seccomp", "NSpid"},
        "ip link": set(),
        "/proc/PID/ns/uts NS_GET_PARENT": set(),
    }


@pytest.mark.parametrize(
    ("path", "field", "name"),
    [
        ("/proc/PID/ns/uts", "", "namespaces"),
        ("/proc/PID/ns/pid NS_GET_PARENT", "", "namespaces"),
        ("/proc/PID/status", "CapEff", "capabilities"),
        ("/proc/PID/status", "NoNewPrivs", "capabilities"),
        ("/proc/PID/status", "Uid", "users"),
        ("/proc/PID/gid_map", "1", "users"),
        ("/proc/PID/status", "NSpid", "pids"),
        ("/proc/PID/status", "PPid", "pids"),
        ("/proc/PID/status", "Name", "process"),
        ("/proc/PID/mountinfo", "/proc", "mounts"),
        ("/sys/fs/cgroup/memory/PATH/memory.stat", "swap", "cgroups"),
        ("ip route", "default", "network"),
        ("/proc/sysvipc/shm", "", "ipc"),
        ("/proc/sys/kernel/hostname", "", "uts"),
        ("/proc/PID/cwd/Branch-0", "001.txt", "files"),
        ("/proc/PID/cmdline", "", "process"),
    ],
)
def test_rows_stand_in_groups(path: str, field: str, name: str) -> None:
    assert group(path, field) == name


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)
FIELDS = ["key", "msqid", "point", "controllers", "Uid", "CapEff", "NSpid", "State", "Name", "PPid", "dst", "dev"]
PATHS = [*TABLES, "/proc/PID/uid_map", "/proc/PID/ns/pid", "/proc/PID/task/PID/children", "/run/netns"]
ENTRY = st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4)
STATES = st.dictionaries(st.sampled_from(PATHS), JSON | ENTRY | st.lists(ENTRY, max_size=3), max_size=4)


@settings(deadline=None, database=None, max_examples=50)
@given(STATES, STATES, st.integers(7, 8))
def test_whatever_a_record_holds_is_compared_and_told(before: State, after: State, pid: int) -> None:
    found = compare([process(before)], [process(after, pid=pid)])
    told = {change for sentence in summary(found) for change in sentence.changes}
    assert {change for one in found for change in one.loud} <= told
    for change in (change for one in found for change in one.changes):
        assert change.before != change.after
        if change.entry and not change.part and change.after is not None:
            assert (change.entry, change.after) in rows(change.path, after[change.path])
