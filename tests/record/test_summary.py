"""The sentences that tell what a step changed."""

from typing import Any

import pytest

from record.model import Process, Run
from record.phrases import capabilities, several
from record.reading import read
from record.rows import compare
from record.summary import SIGNS, WORDS, summary
from tests.reports.browser import REAL

State = dict[str, Any]
STATUS, MOUNTS, HOST = "/proc/PID/status", "/proc/PID/mountinfo", "/proc/sys/kernel/hostname"


def process(label: str, state: State | None, pid: int = 7) -> Process:
    links = {f"/proc/PID/ns/{kind}": f"{kind}:[1]" for kind in ("uts", "ipc", "mnt", "net", "pid", "user", "cgroup")}
    return Process(label, label, pid, "shell", 1, None if state is None else links | state)


def told(before: list[Process], after: list[Process]) -> list[str]:
    return [f"{SIGNS[one.kind]} {one.text}" for one in summary(compare(before, after))]


def of_first(before: State, after: State) -> list[str]:
    return told([process("first", before)], [process("first", after)])


def queue(key: int, number: int = 0) -> State:
    return {"key": key, "msqid": number, "perms": "644", "qnum": 0, "cbytes": 0}


def test_what_belongs_to_a_namespace_is_told_once_for_all_who_are_in_it() -> None:
    labels = ("first", "second", "third")
    before = [process(label, {HOST: "vm"}) for label in labels]
    after = [process(label, {HOST: "c1"}) for label in labels]
    assert told(before, after) == ["~ host name in the UTS namespace of first, second and third: vm → c1"]


def test_the_same_change_in_two_namespaces_is_told_twice() -> None:
    other = {"/proc/PID/ns/uts": "uts:[2]"}
    before = [process("first", {HOST: "vm"}), process("second", {HOST: "vm", **other})]
    after = [process("first", {HOST: "c1"}), process("second", {HOST: "c1", **other})]
    assert len(told(before, after)) == 2


def test_a_new_queue_by_the_key_that_ipcs_prints_and_who_saw_nothing_of_it() -> None:
    path = "/proc/sysvipc/msg"
    own = {"/proc/PID/ns/ipc": "ipc:[2]"}
    before = [process("first", {path: []}), process("second", {path: [], **own})]
    after = [process("first", {path: []}), process("second", {path: [queue(-1551594973)], **own})]
    assert told(before, after) == [
        "+ message queue 0xa3848a23 (id 0) in the IPC namespace of second",
        "  nothing changed for first",
    ]
    assert told(after, before)[0] == "- message queue 0xa3848a23 (id 0) in the IPC namespace of second"
    sent = {path: [queue(-1551594973) | {"qnum": 1, "cbytes": 5}]}
    assert of_first({path: [queue(-1551594973)]}, sent) == [
        "~ message queue 0xa3848a23 (id 0) in the IPC namespace of first: qnum 0 → 1, cbytes 0 → 5"
    ]


def test_many_things_of_one_sort_are_counted() -> None:
    found = of_first({"/proc/sysvipc/msg": []}, {"/proc/sysvipc/msg": [queue(n, n) for n in range(7)]})
    (sentence,) = found
    assert sentence.startswith("+ 7 message queues in the IPC namespace of first: 0x00000000 (id 0), ")
    assert sentence.endswith(" and 3 more")


def test_another_namespace_and_what_is_seen_there() -> None:
    before = [process("first", {HOST: "vm", "/proc/PID/ns/uts": "uts:[1]", MOUNTS: []})]
    entered = {HOST: "c1", "/proc/PID/ns/uts": "uts:[2]", MOUNTS: []}
    assert told(before, [process("first", entered)]) == [
        "~ first is in another UTS namespace, where the host name is c1"
    ], "the name has not changed: it is another one"
    mounted = {**entered, "/proc/PID/ns/mnt": "mnt:[2]", MOUNTS: [{"point": "/x", "fstype": "tmpfs", "source": "none"}]}
    assert told(before, [process("first", mounted)]) == [
        "~ first is in other UTS and mount namespaces, where the host name is c1; there: new mount tmpfs at /x"
    ]
    many = {**mounted, MOUNTS: [{"point": f"/{n}", "fstype": "tmpfs", "source": "x"} for n in range(9)]}
    assert told(before, [process("first", many)])[0].endswith("; what it sees there also differs in 9 values")


def test_the_namespace_of_somebody_else() -> None:
    second = process("second", {HOST: "vm"}, 8)
    before = [process("first", {"/proc/PID/ns/uts": "uts:[2]", HOST: "c1"}), second]
    assert told(before, [process("first", {HOST: "vm"}), second]) == [
        "~ first is in the UTS namespace of second, where the host name is vm",
        "  nothing changed for second",
    ]


def test_a_pid_namespace_and_the_number_in_it() -> None:
    before = process("first", {STATUS: {"NSpid": [7]}, "/proc/PID/ns/pid_for_children": "pid:[1]"})
    inside = {"/proc/PID/ns/pid": "pid:[2]", "/proc/PID/ns/pid_for_children": "pid:[2]", STATUS: {"NSpid": [9, 1]}}
    assert told([before], [process("first", inside, 9)]) == [
        "~ first is in another PID namespace, where it is process 1"
    ]
    waiting = {"/proc/PID/ns/pid_for_children": "pid:[2]", STATUS: {"NSpid": [7]}}
    assert told([before], [process("first", waiting)]) == ["~ new children of first will be in another PID namespace"]


def test_mounts() -> None:
    root = {"point": "/", "fstype": "ext4", "source": "/dev/vda", "options": "rw", "propagation": []}
    new = {"point": "/mnt", "fstype": "tmpfs", "source": "none", "options": "rw", "propagation": []}
    assert of_first({MOUNTS: [root]}, {MOUNTS: [root | {"options": "ro"}, new, new]}) == [
        "~ mount / in the mount namespace of first: options rw → ro",
        "+ mount tmpfs at /mnt in the mount namespace of first",
        "+ mount tmpfs at /mnt (over another one) in the mount namespace of first",
    ]
    assert of_first({MOUNTS: [root]}, {MOUNTS: []}) == ["- mount /dev/vda (ext4) at / in the mount namespace of first"]


def test_links_routes_and_addresses() -> None:
    link = {"ifname": "veth1", "kind": "veth", "state": "DOWN", "rx_bytes": 0}
    device = {"rx_bytes": 0, "tx_bytes": 0}
    empty: State = {"ip link": [], "/proc/PID/net/dev": {}, "ip route": [], "ip address": []}
    made = {**empty, "ip link": [link], "/proc/PID/net/dev": {"veth1": device}}
    assert of_first(empty, made) == ["+ link veth1 (veth) in the network namespace of first"], "seen in two places"
    up = {
        **made,
        "ip link": [link | {"state": "UP", "rx_bytes": 99}],
        "/proc/PID/net/dev": {"veth1": device | {"rx_bytes": 99}},
        "ip route": [{"dst": "default", "gateway": "10.1.1.1", "dev": "veth1", "scope": "global"}],
        "ip address": [{"address": "10.1.1.2/24", "dev": "veth1", "scope": "global"}],
    }
    assert of_first(made, up) == [
        "~ link veth1 (veth) in the network namespace of first: state DOWN → UP",
        "+ route default via 10.1.1.1 dev veth1 in the network namespace of first",
        "+ address 10.1.1.2/24 dev veth1 in the network namespace of first",
    ]


def test_a_cgroup_that_a_process_moved_to() -> None:
    def groups(*paths: str) -> State:
        names = (["cpu"], ["memory"])
        rows = [
            {"id": n, "controllers": name, "path": path}
            for n, (name, path) in enumerate(zip(names, paths, strict=True))
        ]
        return {"/proc/PID/cgroup": rows}

    assert of_first(groups("/", "/"), groups("/x", "/x")) == ["~ first moved to the cgroup /x (cpu, memory)"]
    inside = groups("/x", "/") | {"/proc/PID/ns/cgroup": "cgroup:[2]"}
    assert of_first(groups("/", "/"), inside)[1] == "~ first sees itself in the cgroup /x (cpu)"


def test_ids_maps_and_capabilities() -> None:
    before = {STATUS: {"Uid": [1000] * 4, "CapEff": "0000000000000000", "CapPrm": "0000000000000000"}}
    after = {STATUS: {"Uid": [0, 0, 0, 1000], "CapEff": "0000000000201000", "CapPrm": "0000000000201000"}}
    assert of_first(before, after) == [
        "~ user id of first: 1000 → 0 0 0 1000",
        "+ first gained NET_ADMIN and SYS_ADMIN (effective and permitted)",
    ]
    mapped = of_first({"/proc/PID/uid_map": []}, {"/proc/PID/uid_map": [[0, 1000, 1]]})
    assert mapped == ["+ user id map 0 1000 1 in the user namespace of first"]
    assert capabilities("0000060000000001") == ["CHOWN", "CAP_41", "CAP_42"]


def test_programs_parents_and_children() -> None:
    children = "/proc/PID/task/PID/children"
    shell = process("first", {STATUS: {"Name": "bash", "PPid": 1}, "/proc/PID/cmdline": ["bash"], children: [8]})
    job = process("first", {STATUS: {"Name": "sleep", "PPid": 7}, "/proc/PID/cmdline": ["sleep"], children: []}, 9)
    assert told([shell], [job]) == ["~ first: bash (process 7) → sleep (process 9)"]
    same = {STATUS: {"Name": "sleep", "PPid": 5}, "/proc/PID/cmdline": ["sleep"], children: [8, 12]}
    assert told([shell], [process("first", same)]) == [
        "~ first: bash → sleep",
        "~ the parent of first: process 1 → process 5",
        "+ 1 child of first: 12",
    ]


def test_processes_that_come_and_go() -> None:
    children = "/proc/PID/task/PID/children"
    sleeper = process("process 12", {STATUS: {"Name": "sleep", "State": "S (sleeping)"}}, 12)
    parent = [process("first", {children: pids}) for pids in ([], [12])]
    assert told([parent[0]], [parent[1], sleeper]) == ["+ process 12: sleep"], "the parent's list is told with it"
    assert told([sleeper], []) == ["- process 12: sleep"]
    dead = process("process 12", {STATUS: {"Name": "sleep", "State": "Z (zombie)"}, MOUNTS: {"error": "EINVAL"}}, 12)
    assert told([sleeper], [dead]) == ["- process 12: sleep: it has ended, and its parent has not waited for it yet"]
    assert told([sleeper], [process("process 12", None, 12)]) == ["- process 12: sleep"]


def test_the_rest_is_told_by_its_path() -> None:
    limit = "/sys/fs/cgroup/memory/PATH/memory.limit_in_bytes"
    assert of_first({limit: 1, "/proc/PID/personality": "0"}, {limit: 4096, "/proc/PID/personality": "1"}) == [
        "~ memory.limit_in_bytes: 1 → 4096 (first)",
        "~ /proc/PID/personality: 0 → 1 (first)",
    ]
    variables = [{"/proc/PID/environ": {name: value for name in "ABCDEF"}} for value in ("x", "y")]
    assert of_first(*variables) == ["~ 6 values of /proc/PID/environ (first): A, B, C, D and 2 more"]
    assert of_first({"/run/netns": ["a", "b"]}, {"/run/netns": ["b", "c"]}) == [
        "+ /run/netns: c (first)",
        "- /run/netns: a (first)",
    ]


def test_nothing() -> None:
    assert told([], []) == []
    assert of_first({HOST: "vm"}, {HOST: "vm"}) == ["  nothing that was watched changed"]
    quiet = {STATUS: {"State": "S"}}
    assert of_first(quiet, {STATUS: {"State": "R"}}) == ["  nothing that was watched changed"]


def test_names_in_a_sentence() -> None:
    assert [several(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]


def test_every_kind_has_a_sign_and_a_word() -> None:
    assert SIGNS.keys() == WORDS.keys()


@pytest.fixture(scope="module")
def real() -> Run:
    return read([REAL])


def test_the_sentences_of_every_real_step_tell_all_that_changed(real: Run) -> None:
    steps = 0
    for step in (step for lab in real.labs for exercise in lab.exercises for step in exercise.steps):
        if step.before and step.after:
            compared = compare(step.before.processes, step.after.processes)
            sentences = summary(compared)
            loud = {change for one in compared for change in one.loud}
            assert {change for sentence in sentences for change in sentence.changes} >= loud
            assert sentences
            steps += 1
    assert steps > 5


def test_files_are_told_by_their_names_and_a_whiteout_as_one() -> None:
    path, kept, whiteout = "/proc/PID/cwd/Branch-0", {"type": "file", "size": 3}, {"type": "char", "mark": "whiteout"}
    before = {path: {".": {"type": "dir", "links": 2}, "a": kept, "c": kept}}
    after = {path: {".": {"type": "dir", "links": 3}, "b": whiteout, "c": {"type": "file", "size": 5}}}
    assert of_first(before, after) == [
        "+ Branch-0 (first): b (whiteout)",
        "- Branch-0 (first): a",
        "~ Branch-0 c (first): size 3 → 5",
    ]


def test_the_folder_of_the_exercise_is_left_out() -> None:
    folder = "/run/unshared/pytest-of-root/pytest-0/test_x0"
    new = {"point": f"{folder}/box", "fstype": "tmpfs", "source": "none", "options": "rw"}
    assert of_first({MOUNTS: []}, {MOUNTS: [new]}) == ["+ mount tmpfs at …/box in the mount namespace of first"]
    assert of_first({"/proc/PID/cwd": f"{folder}/a"}, {"/proc/PID/cwd": "/"}) == ["~ /proc/PID/cwd: …/a → / (first)"]
