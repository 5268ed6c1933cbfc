"""Cgroups: the parsers everywhere, the rest in the tree that has the memory controller, below our own cgroup."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runtime.kernel import cgroups, proc
from runtime.kernel.cgroup_files import parsed
from runtime.kernel.cgroups import Cgroup, Hierarchy, NoControllerError

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("memory.limit_in_bytes", "9223372036854771712\n", 9223372036854771712),
        ("memory.max", "max\n", "max"),
        ("cgroup.procs", "", []),
        ("cgroup.procs", "12\n7\n", [12, 7]),
        ("cgroup.controllers", "cpu memory\n", ["cpu", "memory"]),
        ("cgroup.subtree_control", "\n", []),
        ("memory.stat", "cache 0\nrss 4096\n", {"cache": 0, "rss": 4096}),
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n", {"oom_kill_disable": 0, "under_oom": 0}),
        ("pids.events", "max 3\n", {"max": 3}),
        ("cpu.max", "max 100000\n", "max 100000"),
        ("memory.numa_stat", "total=17 N0=16 N1=1\n", {"total": {"all": 17, "N0": 16, "N1": 1}}),
        ("memory.numa_stat", "anon N0=4096\n", {"anon": {"N0": 4096}}),
        ("memory.pressure", "some avg10=1.50 total=7\n", {"some": {"avg10": 1.5, "total": 7}}),
        ("io.stat", "254:0 rbytes=5 wbytes=6\n", {"254:0": {"rbytes": 5, "wbytes": 6}}),
        ("io.max", "", ""),
    ],
)
def test_files_are_parsed_by_their_form(name: str, text: str, value: object) -> None:
    assert parsed(name, text) == value


def test_trees_are_those_of_the_mount_table() -> None:
    mounted = {mount["point"] for mount in proc.read("/proc/PID/mountinfo", os.getpid()) if "cgroup" in mount["fstype"]}
    trees = cgroups.hierarchies()
    assert {tree.point for tree in trees} == mounted
    assert all(not {"rw", "ro"} & set(tree.controllers) for tree in trees)


def test_a_controller_that_nobody_has() -> None:
    with pytest.raises(NoControllerError, match="no cgroup tree"):
        cgroups.hierarchy("teleport")


def test_the_directory_of_a_process_holds_the_process() -> None:
    for tree in cgroups.hierarchies():
        try:
            directory = cgroups.directory_of(os.getpid(), "" if tree.version == 2 else tree.controllers[0])
        except NoControllerError:
            continue
        assert os.getpid() in parsed("cgroup.procs", (directory / "cgroup.procs").read_text())


def test_a_part_of_the_tree_that_is_not_mounted(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = Hierarchy(2, "/sys/fs/cgroup", "/of/somebody/else", ())
    monkeypatch.setattr(cgroups, "hierarchies", lambda: [elsewhere])
    with pytest.raises(NoControllerError, match="not mounted here"):
        cgroups.directory_of(os.getpid())


# With a cgroup of our own


@pytest.fixture
def group() -> Iterator[Cgroup]:
    """A memory cgroup below the one that pytest is in (below the root of the tree in version 2)."""
    if os.geteuid() != 0:
        pytest.skip("it needs root")
    try:
        tree = cgroups.hierarchy("memory")
        above = Cgroup(
            cgroups.directory_of(os.getpid(), "memory") if tree.version == 1 else Path(tree.point), tree.version
        )
        above.enable("memory")
        made = above.child(f"unshared-test-{os.getpid()}")
    except (OSError, NoControllerError) as error:
        pytest.skip(f"no memory cgroup can be made here: {error}")
    with made:
        yield made
    assert not made.path.exists()


@contextmanager
def sleeper(group: Cgroup) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        group.add(process.pid)
        yield process


def test_a_process_moves_and_is_killed(group: Cgroup) -> None:
    with sleeper(group) as process:
        assert group.processes() == [process.pid]
        assert cgroups.directory_of(process.pid, "memory") == group.path
        group.kill()
        assert group.processes() == []
        assert process.wait() == -signal.SIGKILL
    group.kill()  # nobody is left: nothing to do


def test_remove_takes_what_is_below_and_inside(group: Cgroup) -> None:
    top = group.child("top")
    below = top.child("middle").child("leaf")
    with sleeper(below) as process:
        assert top.processes() == [process.pid]
        top.remove()
        assert process.wait() == -signal.SIGKILL
    assert not top.path.exists()
    top.remove()  # it is gone already
    with pytest.raises(FileExistsError):
        group.path.parent.joinpath(group.path.name).mkdir()


def test_a_limit_is_set_read_and_taken_away(group: Cgroup) -> None:
    assert group.memory_limit is None
    group.memory_limit = 10_000_000
    assert group.memory_limit == 10_000_000 // os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PAGE_SIZE")
    group.memory_limit = None
    assert group.memory_limit is None
    assert group.swap_usage == 0
    with pytest.raises(OSError, match="Invalid argument"):
        group.write("memory.max" if group.version == 2 else "memory.limit_in_bytes", "much")


def test_the_oom_killer_is_counted_and_heard(group: Cgroup) -> None:
    group.memory_limit = 16 * MIB
    group.write("memory.swap.max" if group.version == 2 else "memory.swappiness", 0)
    eater = "import sys; sys.stdin.read(1); bytearray(64 << 20)"
    with (
        group.watch("memory.events" if group.version == 2 else "memory.oom_control") as events,
        subprocess.Popen([sys.executable, "-c", eater], stdin=subprocess.PIPE) as process,
    ):
        group.add(process.pid)
        process.communicate(b"g")
        assert process.returncode == -signal.SIGKILL
        assert events.wait() >= 1
    assert group.oom_kills == 1
    assert group.limit_hits > 0
    assert 15 * MIB < group.memory_peak <= 16 * MIB


def test_an_event_that_does_not_come_is_a_timeout(group: Cgroup) -> None:
    name = "memory.events" if group.version == 2 else "memory.oom_control"
    with group.watch(name) as events, pytest.raises(TimeoutError, match="no event within"):
        events.wait(0.01)
    with group.watch(name) as events:
        assert events.until(lambda content: content["oom_kill"] == 0, timeout=0.01)["oom_kill"] == 0


def test_a_process_is_read_by_the_path_of_its_own_cgroup(group: Cgroup) -> None:
    base = "/sys/fs/cgroup/memory/PATH" if group.version == 1 else "/sys/fs/cgroup/PATH"
    usage = f"{base}/memory.usage_in_bytes" if group.version == 1 else f"{base}/memory.current"
    with sleeper(group) as process:
        values = proc.read_all([base, usage, f"{base}/memory.stat", f"{base}/no.such.file"], process.pid)
        assert "cgroup.procs" in values[base]
        assert isinstance(values[usage], int)
        assert values[f"{base}/memory.stat"]["pgfault"] >= 0
        assert values[f"{base}/no.such.file"] == {"error": "ENOENT"}


def test_without_such_a_tree_the_path_gives_an_error() -> None:
    assert set(proc.read("/sys/fs/cgroup/teleport/PATH/memory.stat", os.getpid())) == {"error"}
