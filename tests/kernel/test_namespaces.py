"""New namespaces, those of a process, and how they are related; as root."""

import errno
import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.kernel import namespaces
from runtime.kernel.namespaces import (
    KINDS,
    kind_of,
    link,
    owner_uid,
    owning_user_namespace,
    parent,
    run_in_new,
    run_inside,
    start_in_new,
    unique_id,
    visit,
)
from runtime.kernel.syscalls import Clone, Mount, SyscallError, mount, sethostname

pytestmark = pytest.mark.privileged
ALL = Clone(sum(kind.flag for kind in KINDS.values()))


def links() -> dict[str, str]:
    return {kind: link("self", kind) for kind in KINDS}


def thread_links() -> dict[str, str]:
    return {kind: link("thread-self", kind) for kind in KINDS}


def renamed(name: str) -> None:
    """A child's life: another host name, then nothing. start_in_new returns before, so the name is awaited by pause."""
    sethostname(name)
    os.write(1, b"")
    signal.pause()


def test_the_kinds_in_their_order() -> None:
    assert list(KINDS) == ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"]
    assert KINDS["mnt"].flag == Clone.NEWNS
    assert KINDS["uts"].since == "2.6.19"


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_namespace_of_one_kind_leaves_the_others(kind: str) -> None:
    before, inside = links(), run_in_new(KINDS[kind].flag, links)
    assert {name for name in KINDS if inside[name] != before[name]} == {kind}


def test_all_kinds_at_once() -> None:
    before, inside = links(), run_in_new(ALL, links)
    assert all(inside[kind] != before[kind] for kind in KINDS)


def test_the_function_is_the_first_process_of_its_pid_namespace() -> None:
    assert run_in_new(Clone.NEWPID, lambda: (os.getpid(), os.getppid())) == (1, 0)
    assert run_in_new(Clone.NEWPID | Clone.NEWTIME, lambda: (os.getpid(), os.getppid())) == (1, 0)


def test_offsets_of_a_time_namespace() -> None:
    def uptime() -> float:
        return float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])

    day = 86_400
    assert run_in_new(Clone.NEWTIME, uptime, time_offsets={"boottime": 10 * day}) > 10 * day
    assert 0 <= run_in_new(Clone.NEWTIME, uptime) - uptime() + day < 2 * day


def identity() -> tuple[tuple[int, ...], str, str]:
    return (*os.getresuid(), *os.getresgid()), read("uid_map"), read("gid_map")


def read(name: str) -> str:
    return " ".join(Path(f"/proc/self/{name}").read_text(encoding="ascii").split())


def test_maps_of_a_user_namespace() -> None:
    assert run_in_new(Clone.NEWUSER, identity) == ((0,) * 6, f"0 {os.geteuid()} 1", f"0 {os.getegid()} 1")
    rows = [(0, 100_000, 1000), (5000, 200_000, 1)]
    ids, uids, gids = run_in_new(Clone.NEWUSER, identity, uid_map=rows, gid_map=rows)
    assert ids == (0,) * 6
    assert (uids, gids) == ("0 100000 1000 5000 200000 1",) * 2
    ids, uids, _ = run_in_new(Clone.NEWUSER, identity, uid_map=[(1000, 0, 1)], gid_map=())
    assert ids == (1000,) * 3 + (65534,) * 3
    assert uids == "1000 0 1"
    assert run_in_new(Clone.NEWUSER, identity, uid_map=(), gid_map=()) == ((65534,) * 6, "", "")


def test_a_map_that_the_kernel_refuses() -> None:
    with pytest.raises(
        SyscallError, match=r"write\(/proc/\d+/uid_map.*EINVAL\); rows of a map must not overlap"
    ) as refused:
        run_in_new(Clone.NEWUSER, os.getpid, uid_map=[(0, 0, 10), (5, 20, 1)])
    assert refused.value.errno == errno.EINVAL


def test_mounts_of_a_child_do_not_leak(tmp_path: Path) -> None:
    """Also where / is shared, as systemd makes it: that is played here in a mount namespace of its own."""

    def inner() -> list[str]:
        mount("none", tmp_path, "tmpfs")
        return [line for line in mounts() if str(tmp_path) in line]

    def shared_machine(propagation: Mount | None) -> tuple[int, int]:
        inside = run_in_new(Clone.NEWNS, inner, propagation=propagation)
        return len(inside), sum(str(tmp_path) in line for line in mounts())

    def mounts() -> list[str]:
        return Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()

    assert run_in_new(Clone.NEWNS, shared_machine, Mount.PRIVATE, propagation=Mount.SHARED) == (1, 0)
    assert run_in_new(Clone.NEWNS, shared_machine, None, propagation=Mount.SHARED) == (1, 1)
    assert not any(str(tmp_path) in line for line in mounts())


def test_run_inside_enters_what_is_named_and_nothing_else() -> None:
    before = links()
    with start_in_new(ALL, signal.pause) as child:
        there = {kind: link(child.pid, kind) for kind in KINDS}
        assert run_inside(child.pid, KINDS, links) == there
        for kind in KINDS:
            assert run_inside(child.pid, [kind], links) == before | {kind: there[kind]}
        assert run_inside(child.pid, ["pid"], os.getpid) not in (0, 1)
        assert run_inside(os.getpid(), KINDS, links) == before
    assert links() == before


def test_run_inside_gives_root_of_the_user_namespace() -> None:
    rows = [(0, 100_000, 1000)]
    with start_in_new(Clone.NEWUSER | Clone.NEWUTS, signal.pause, uid_map=rows, gid_map=rows) as child:
        assert run_inside(child.pid, ["user"], os.getresuid) == (0, 0, 0)
        assert run_inside(child.pid, ["uts"], os.getresuid) == (os.getuid(),) * 3
        run_inside(child.pid, ["user", "uts"], sethostname, "inside")
        assert visit(child.pid, ["uts"], lambda: os.uname().nodename) == "inside"


def test_what_an_outer_user_namespace_owns_is_entered_before() -> None:
    """UTS made before the user namespace: once in that user namespace, the right to enter the UTS namespace is gone."""

    def with_user_namespace() -> None:
        run_in_new(Clone.NEWUSER, report)

    def report() -> None:
        os.write(told, f"{os.readlink('/proc/self')}".encode())
        signal.pause()

    heard, told = os.pipe()
    with start_in_new(Clone.NEWUTS, with_user_namespace):
        pid = int(os.read(heard, 20))
        inside = run_inside(pid, ["user", "uts"], links)
        assert (inside["user"], inside["uts"]) == (link(pid, "user"), link(pid, "uts"))
    os.close(heard)
    os.close(told)


def test_run_inside_and_visit_refuse_unknown_kinds() -> None:
    with pytest.raises(ValueError, match="'mount' is no kind of namespace"):
        run_inside(os.getpid(), ["mount"], os.getpid)
    with pytest.raises(ValueError, match="a thread cannot enter mnt, user alone"):
        visit(os.getpid(), ["uts", "mnt", "user"], os.getpid)
    with pytest.raises(FileNotFoundError):
        visit(2**22 + 1, ["uts"], os.getpid)


def test_a_visit_is_a_thread_that_ends() -> None:
    before = thread_links()
    kinds = ["uts", "ipc", "net", "cgroup"]
    with start_in_new(ALL, signal.pause) as child:
        threads = threading.active_count()
        seen = visit(child.pid, kinds, lambda: (os.getpid(), thread_links()))
        assert seen[0] == os.getpid()
        assert seen[1] == before | {kind: link(child.pid, kind) for kind in kinds}
        assert threading.active_count() == threads
        with pytest.raises(ZeroDivisionError):
            visit(child.pid, ["uts"], lambda: 1 // 0)
        assert threading.active_count() == threads
    assert thread_links() == before


def test_a_visit_at_home_asks_for_no_right(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise SyscallError(errno.EPERM, "setns")

    monkeypatch.setattr(namespaces, "setns", refuse)
    assert visit(os.getpid(), ["uts", "net"], threading.get_ident) == threading.get_ident()
    with start_in_new(Clone.NEWUTS, signal.pause) as child:
        assert visit(child.pid, ["net"], os.getpid) == os.getpid()
        with pytest.raises(SyscallError):
            visit(child.pid, ["uts"], os.getpid)


def test_relations_between_namespaces() -> None:
    own = links()
    with start_in_new(ALL, signal.pause) as child:
        there = {kind: f"/proc/{child.pid}/ns/{kind}" for kind in KINDS}
        assert {kind: kind_of(path) for kind, path in there.items()} == {kind: kind for kind in KINDS}
        owners = {kind: owning_user_namespace(path) for kind, path in there.items() if kind != "user"}
        assert set(owners.values()) == {link(child.pid, "user")}
        assert owning_user_namespace(there["user"]) == own["user"]
        assert parent(there["user"]) == own["user"]
        assert parent(there["pid"]) == own["pid"]
        assert owner_uid(there["user"]) == os.geteuid()


@pytest.mark.parametrize("ask", [parent, owner_uid])
def test_relations_that_a_kind_does_not_have(ask: Callable[[str], object]) -> None:
    with pytest.raises(SyscallError, match=r"^ioctl\(\d+ = uts:\[\d+\], NS_GET_") as refused:
        ask("/proc/self/ns/uts")
    assert refused.value.errno == errno.EINVAL


def test_the_parent_of_ones_own_namespace_may_lie_out_of_sight() -> None:
    with pytest.raises(SyscallError) as refused:
        run_in_new(Clone.NEWPID, parent, "/proc/self/ns/pid")
    assert refused.value.errno == errno.EPERM


def test_unique_ids_are_not_used_again() -> None:
    release = re.match(r"(\d+)\.(\d+)", os.uname().release)
    assert release is not None
    if tuple(map(int, release.groups())) < (6, 18):
        with pytest.raises(SyscallError) as refused:
            unique_id("/proc/self/ns/uts")
        assert refused.value.errno == errno.ENOTTY
    else:
        ids = {run_in_new(Clone.NEWUTS, unique_id, "/proc/self/ns/uts") for _ in range(4)}
        assert len(ids | {unique_id("/proc/self/ns/uts")}) == 5
        assert unique_id("/proc/self/ns/uts") == unique_id(f"/proc/{os.getpid()}/ns/uts")


def test_capabilities_dropped_from_the_bounding_set_stay_away() -> None:
    def drop_and_exec() -> str:
        from runtime.kernel.syscalls import drop_bounding

        drop_bounding(["CAP_SYS_TIME", "sys_module", 22])
        return subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True, check=True).stdout

    from runtime.kernel.parse import status
    from runtime.kernel.proc import decode_capabilities

    values = status(run_in_new(Clone.NEWUSER, drop_and_exec))
    assert not {"CAP_SYS_TIME", "CAP_SYS_MODULE", "CAP_SYS_BOOT"} & set(decode_capabilities(values["CapBnd"]))
    assert "CAP_SYS_ADMIN" in decode_capabilities(values["CapEff"])
