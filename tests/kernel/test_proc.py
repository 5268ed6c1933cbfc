"""Reading one process, in its own view."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runtime.kernel.namespaces import Child, link, start_in_new
from runtime.kernel.proc import DEFAULT, LINKS, READERS, read, read_all, reader_of
from runtime.kernel.syscalls import Clone, Mount, mount, setdomainname, sethostname


@contextmanager
def prepared(flags: int, prepare: Callable[[], object], **options: object) -> Iterator[Child[None]]:
    """A child that has done `prepare` and then waits."""

    def live() -> None:
        prepare()
        os.write(ready, b"r")
        signal.pause()

    heard, ready = os.pipe()
    try:
        with start_in_new(flags, live, **options) as child:  # type: ignore[arg-type]
            os.close(ready)
            ready = -1
            assert os.read(heard, 1) == b"r"
            yield child
    finally:
        os.close(heard)


def test_every_default_path_of_this_process_can_be_read() -> None:
    values = read_all(DEFAULT, os.getpid())
    assert {path for path, value in values.items() if isinstance(value, dict) and "error" in value} == set()
    assert json.loads(json.dumps(values)) == values


def test_links_and_ids_of_this_process() -> None:
    pid = os.getpid()
    for name in LINKS:
        assert read(f"/proc/PID/ns/{name}", pid) == link(pid, name)
    status = read("/proc/PID/status", pid)
    assert (status["Uid"][:3], status["Gid"][:3]) == (list(os.getresuid()), list(os.getresgid()))
    assert status["PPid"] == os.getppid()
    assert read("/proc/PID/fd", pid)["0"] == os.readlink("/proc/self/fd/0")
    assert read("/proc/PID/environ", pid).get("PATH")
    assert read("/proc/PID/limits", pid)["Max open files"]["unit"] == "files"
    assert read("/proc/PID/cwd", pid) == str(Path.cwd())


def test_children_and_arguments() -> None:
    with subprocess.Popen(["cat", "-u", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as cat:
        assert cat.stdin is not None
        assert cat.stdout is not None
        cat.stdin.write(b"running\n")
        cat.stdin.flush()
        assert cat.stdout.readline() == b"running\n"
        assert cat.pid in read("/proc/PID/task/PID/children", os.getpid())
        assert read("/proc/PID/cmdline", cat.pid) == ["cat", "-u", "-"]


def test_paths_that_would_be_the_readers_own_are_the_processs() -> None:
    assert reader_of("/proc/self/uid_map") is READERS["/proc/PID/uid_map"]
    assert read("/proc/net/dev", os.getpid()).keys() == read("/proc/PID/net/dev", os.getpid()).keys()
    with pytest.raises(ValueError, match="no absolute path"):
        read("proc/PID/status", os.getpid())


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/proc/PID/nothing", "ENOENT"),
        ("/nowhere/at/all", "ENOENT"),
        ("/dev/null", "EINVAL"),
        ("/proc/PID/mem", "EIO"),
        ("/proc/sys/kernel/nothing", "ENOENT"),
    ],
)
def test_what_cannot_be_read_is_an_error_value(path: str, error: str) -> None:
    assert read(path, os.getpid()) == {"error": error}


def test_a_process_that_is_not_there() -> None:
    gone = 2**22 + 1  # above the highest pid that a kernel gives
    values = read_all(DEFAULT, gone)
    assert set(values) == set(DEFAULT)
    assert all(value == {"error": "ENOENT"} for value in values.values())


def test_relations_answer_with_an_errno_name_too() -> None:
    pid = os.getpid()
    assert read("/proc/PID/ns/uts NS_GET_PARENT", pid) == "EINVAL"
    assert read("/proc/PID/ns/uts NS_GET_OWNER_UID", pid) == "EINVAL"
    assert read("/proc/PID/ns/uts NS_GET_NSTYPE", pid) == "uts"
    assert read("/proc/PID/ns/uts NS_GET_NOTHING", pid)["error"].startswith("KeyError")


@pytest.mark.privileged
def test_names_are_read_in_the_uts_namespace_of_the_process() -> None:
    def rename() -> None:
        sethostname("container001")
        setdomainname("example.org")

    with prepared(Clone.NEWUTS | Clone.NEWUSER, rename) as child:
        assert read("/proc/sys/kernel/hostname", child.pid) == "container001"
        assert read("/proc/sys/kernel/domainname", child.pid) == "example.org"
        assert read("/proc/sys/kernel/osrelease", child.pid) == os.uname().release
        assert read("/proc/version", child.pid).startswith(f"Linux version {os.uname().release}")
        assert read("/proc/sys/kernel/hostname", os.getpid()) == socket.gethostname()
        assert read("/proc/PID/ns/uts NS_GET_USERNS", child.pid) == link(child.pid, "user")


@pytest.mark.privileged
def test_queues_are_read_in_the_ipc_namespace_of_the_process() -> None:
    def make() -> None:
        subprocess.run(["ipcmk", "-Q"], check=True, stdout=subprocess.DEVNULL)

    before = read("/proc/sysvipc/msg", os.getpid())
    with prepared(Clone.NEWIPC, make) as child:
        (queue,) = read("/proc/sysvipc/msg", child.pid)
        assert (queue["perms"], queue["qnum"]) == ("644", 0)
        assert read("/proc/sysvipc/shm", child.pid) == []
    assert read("/proc/sysvipc/msg", os.getpid()) == before


@pytest.mark.privileged
def test_devices_are_those_of_the_net_namespace_of_the_process() -> None:
    with prepared(Clone.NEWNET, os.getpid) as child:
        assert read("/proc/PID/net/dev", child.pid)["lo"]["rx_bytes"] == 0
        assert read("/proc/PID/net/route", child.pid) == []
        assert read("/proc/sys/net/ipv4/ip_forward", child.pid) in ("0", "1")


@pytest.mark.privileged
def test_uptime_is_that_of_the_time_namespace_of_the_process() -> None:
    year = 365 * 86_400
    with prepared(Clone.NEWTIME, os.getpid, time_offsets={"boottime": year}) as child:
        assert read("/proc/uptime", child.pid)[0] > year
        assert read("/proc/PID/timens_offsets", child.pid) == {"monotonic": [0, 0], "boottime": [year, 0]}
    assert read("/proc/PID/timens_offsets", os.getpid())["boottime"] == [0, 0]


@pytest.mark.privileged
def test_files_are_those_of_the_root_of_the_process(tmp_path: Path) -> None:
    """A link to an absolute path is followed inside that root, not in the reader's."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "etc/real").write_text("inside\n", encoding="ascii")
    (tmp_path / "etc/hostname").symlink_to("/etc/real")
    (tmp_path / "data/bytes").write_bytes(b"a\xffb")

    with prepared(Clone.NEWNS, lambda: os.chroot(tmp_path)) as child:
        assert read("/etc/hostname", child.pid) == "inside\n"
        assert read("/etc", child.pid) == ["hostname", "real"]
        assert read("/data/bytes", child.pid) == "a\\xffb"
        assert read("/etc/passwd", child.pid) == {"error": "ENOENT"}
        assert read("/proc/PID/root", child.pid) == str(tmp_path)


@pytest.mark.privileged
def test_mounts_are_those_of_the_process(tmp_path: Path) -> None:
    def two_mounts() -> None:
        mount("none", tmp_path, "tmpfs", Mount.NOSUID, "size=4k")
        mount(None, tmp_path, None, Mount.UNBINDABLE)

    with prepared(Clone.NEWNS, two_mounts) as child:
        (found,) = (entry for entry in read("/proc/PID/mountinfo", child.pid) if entry["point"] == str(tmp_path))
    assert (found["fstype"], found["source"], found["propagation"]) == ("tmpfs", "none", ["unbindable"])
    assert "nosuid" in found["options"]
    assert "size=4k" in found["super"]
