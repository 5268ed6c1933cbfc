"""Nested PID namespaces, the level of the caller, and translated numbers; as root."""

import errno
import os
import platform
import signal
from pathlib import Path

import pytest

from runtime.kernel import pidns, proc
from runtime.kernel.namespaces import ChildDiedError, parent, run_in_new, start_in_new
from runtime.kernel.syscalls import Clone, SyscallError, mount

pytestmark = pytest.mark.privileged
RELEASE = tuple(int(number) for number in platform.release().split("-")[0].split(".")[:2])


def test_the_function_runs_in_the_innermost_namespace() -> None:
    with pidns.start_nested(3, signal.pause) as outermost:
        pids = pidns.chain(outermost.pid)
        numbers = [proc.read("/proc/PID/status", pid)["NSpid"] for pid in pids]
        assert [len(each) for each in numbers] == [2, 3, 4]
        assert all(each[-1] == 1 for each in numbers)
        assert parent(f"/proc/{pids[1]}/ns/pid") == os.readlink(f"/proc/{pids[0]}/ns/pid")


def test_one_level_is_a_plain_child() -> None:
    with pidns.start_nested(1, os.getpid) as child:
        assert child.wait() == 1


def test_the_result_comes_back_through_all_levels() -> None:
    with pidns.start_nested(4, os.getpid) as outermost:
        assert outermost.wait() == 1


def fails() -> None:
    raise PermissionError(errno.EACCES, "not here")


def test_the_error_comes_back_through_all_levels() -> None:
    with pidns.start_nested(3, fails) as outermost, pytest.raises(PermissionError, match="not here") as error:
        outermost.wait()
    assert error.value.errno == errno.EACCES
    assert len(error.value.__notes__) == 1  # one traceback, not one more (and twice as long) for each level


def test_the_end_of_the_outermost_ends_all() -> None:
    with pidns.start_nested(3, signal.pause) as outermost:
        pids = pidns.chain(outermost.pid)
        handle = os.pidfd_open(pids[-1])
    assert len(pids) == 3
    with os.fdopen(handle), pytest.raises(ProcessLookupError):
        signal.pidfd_send_signal(handle, 0)


def test_a_killed_innermost_is_told() -> None:
    with pidns.start_nested(2, signal.pause) as outermost:
        os.kill(pidns.chain(outermost.pid)[-1], signal.SIGKILL)
        with pytest.raises(ChildDiedError):
            outermost.wait()


def test_levels_above_and_below_make_32() -> None:
    above = pidns.level()
    if above is None:
        pytest.skip("the initial PID namespace is out of sight")
    descent = pidns.start_deepest()
    with descent.outermost:
        pids = pidns.chain(descent.outermost.pid)
    assert above + descent.levels == pidns.MAX_PID_NS_LEVEL
    assert descent.errno == errno.ENOSPC
    assert len(pids) == descent.levels


def test_one_level_too_many() -> None:
    descent = pidns.start_deepest()
    descent.outermost.close()
    with pidns.start_nested(descent.levels, os.getpid) as outermost:
        assert outermost.wait() == 1
    with pidns.start_nested(descent.levels + 1, os.getpid) as outermost, pytest.raises(SyscallError) as error:
        outermost.wait()
    assert error.value.errno == descent.errno


def test_a_program_below_is_found() -> None:
    with start_in_new(Clone(0), starts_tail) as parent:
        tail = pidns.find_below(parent.pid, "tail")
        assert proc.read("/proc/PID/cmdline", tail) == ["tail", "-f", "/dev/null"]
        with pytest.raises(TimeoutError, match="no absent below"):
            pidns.find_below(parent.pid, "absent", 0.01)


def starts_tail() -> None:
    with start_in_new(Clone(0), os.execvp, "tail", ["tail", "-f", "/dev/null"]):
        signal.pause()


def test_a_level_deeper() -> None:
    above = pidns.level()
    if above is None:
        pytest.skip("the initial PID namespace is out of sight")
    assert run_in_new(Clone.NEWPID, pidns.level) == above + 1
    assert run_in_new(Clone.NEWPID | Clone.NEWNS, level_with_own_proc) == above + 1


def level_with_own_proc() -> int | None:
    mount("proc", "/proc", "proc")
    return pidns.level()


def test_a_new_namespace_with_its_own_proc_is_not_the_initial_one() -> None:
    assert run_in_new(Clone.NEWPID | Clone.NEWNS, initial_with_own_proc) is False


def initial_with_own_proc() -> bool:
    mount("proc", "/proc", "proc")
    return pidns.is_initial()


def test_is_initial_reads_the_directory_that_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "2").mkdir()
    status = tmp_path / "2" / "status"
    status.write_text("Name:\tkthreadd\nPPid:\t0\n")
    assert pidns.is_initial(str(tmp_path))
    status.write_text("Name:\tkthreadd\nPPid:\t1\n")
    assert not pidns.is_initial(str(tmp_path))
    status.unlink()
    assert not pidns.is_initial(str(tmp_path))


@pytest.mark.skipif(RELEASE < (6, 11), reason="NS_GET_PID_IN_PIDNS came with Linux 6.11")
def test_numbers_are_translated_both_ways() -> None:
    with start_in_new(Clone.NEWPID, signal.pause) as child:
        path = f"/proc/{child.pid}/ns/pid"
        assert pidns.pid_from(path, 1) == child.pid
        assert pidns.pid_in(path, child.pid) == 1
        with pytest.raises(SyscallError) as absent:
            pidns.pid_in(path, os.getpid())
        assert absent.value.errno == errno.ESRCH


def test_a_chain_ends_where_there_is_no_child() -> None:
    with start_in_new(Clone(0), signal.pause) as child:
        assert pidns.chain(child.pid) == [child.pid]
    assert pidns.chain(child.pid) == [child.pid]


@pytest.mark.skipif(RELEASE < (6, 14), reason="kernel.pid_max belongs to the PID namespace since Linux 6.14")
def test_pid_max_is_read_in_the_pid_namespace_of_the_process() -> None:
    ready, tell = os.pipe()
    with os.fdopen(ready, "rb") as told, start_in_new(Clone.NEWPID | Clone.NEWNS, few_pids, tell) as child:
        os.close(tell)
        assert told.read(1) == b"!"
        assert proc.read("/proc/sys/kernel/pid_max", child.pid) == "400"
        assert proc.read("/proc/sys/kernel/pid_max", os.getpid()) != "400"


def few_pids(tell: int) -> None:
    mount("proc", "/proc", "proc")
    Path("/proc/sys/kernel/pid_max").write_text("400")
    os.write(tell, b"!")
    signal.pause()
