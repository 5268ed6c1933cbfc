"""The child of run_in_new and start_in_new: what comes back, and that nothing is left."""

import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.kernel.children import NO_FLAGS, launch, tell, tell_and_stay
from runtime.kernel.namespaces import ChildDiedError, run_in_new, start_in_new
from runtime.kernel.syscalls import Clone, SyscallError, pidfd_open, sethostname, setns

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """After each test: no child, no zombie, no descriptor and no thread more than before."""
    before, threads = sorted(os.listdir("/proc/self/fd")), threading.active_count()
    yield
    assert children() == []
    assert sorted(os.listdir("/proc/self/fd")) == before
    assert threading.active_count() == threads


def children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()


def ends(pidfd: int) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(10_000))


def run_script(text: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-c", text]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=20, check=False)


def test_a_result_of_many_megabytes() -> None:
    assert run_in_new(0, lambda: b"x" * 8_000_000) == b"x" * 8_000_000
    assert run_in_new(0, divmod, 17, 5) == (3, 2)
    assert run_in_new(0, lambda: None) is None


def test_an_os_error_keeps_errno_and_file_name() -> None:
    with pytest.raises(FileNotFoundError) as failure:
        run_in_new(0, os.listdir, "/nowhere")
    assert failure.value.filename == "/nowhere"
    assert "In the child process:\nTraceback" in failure.value.__notes__[0]


def test_a_system_call_error_keeps_call_and_hint() -> None:
    with pytest.raises(SyscallError, match=r"^setns\(-1, 0\): Bad file descriptor \(EBADF\); not an open") as failure:
        run_in_new(0, setns, -1)
    assert failure.value.call == "setns"


class UnpicklableError(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


class UnpicklableOSError(OSError):
    def __init__(self, path: str) -> None:
        super().__init__(13, "Permission denied")
        self.lock = threading.Lock()


def fail(error: type[Exception], *args: object) -> None:
    raise error(*args)


def test_an_unpicklable_exception_becomes_its_name_and_text() -> None:
    with pytest.raises(RuntimeError, match=r"^UnpicklableError: 1 and 2"):
        run_in_new(0, fail, UnpicklableError, 1, 2)
    with pytest.raises(OSError, match="Permission denied") as failure:
        run_in_new(0, fail, UnpicklableOSError, "x")
    assert failure.value.errno == 13


def test_an_unpicklable_result_is_an_error() -> None:
    with pytest.raises((pickle.PicklingError, TypeError, AttributeError), match="pickle"):
        run_in_new(0, threading.Lock)


def test_a_child_that_exits_or_dies_without_a_result() -> None:
    with pytest.raises(ChildDiedError, match="exited with 3") as left:
        run_in_new(0, os._exit, 3)
    assert left.value.status == 3
    with pytest.raises(ChildDiedError, match="was killed by SIGTERM"):
        run_in_new(0, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(ChildDiedError) as left:
        run_in_new(0, sys.exit, "a message means 1")
    assert left.value.status == 1


def test_a_program_in_place_of_the_function() -> None:
    assert run_in_new(0, os.execv, "/bin/sh", ["sh", "-c", "exit 0"]) is None
    with pytest.raises(ChildDiedError) as left:
        run_in_new(0, os.execv, "/bin/sh", ["sh", "-c", "exit 4"])
    assert left.value.status == 4


def test_descriptors_do_not_reach_a_program() -> None:
    with start_in_new(0, os.execv, "/bin/sh", ["sh", "-c", "kill -STOP $$"]) as child:
        os.waitid(os.P_PIDFD, child.pidfd, os.WSTOPPED)
        links = [os.readlink(f"/proc/{child.pid}/fd/{name}") for name in os.listdir(f"/proc/{child.pid}/fd")]
        ours = os.readlink(f"/proc/self/fd/{child._report}")
    assert ours not in links


def test_the_guard_kills_and_reaps_whatever_happens() -> None:
    child = start_in_new(0, signal.pause)
    try:
        with child:
            assert children() == [str(child.pid)]
            raise KeyError
    except KeyError:
        assert children() == []
    assert child.status == -signal.SIGKILL
    child.close()
    child.kill()


def test_wait_may_time_out_and_be_called_again() -> None:
    go, went = os.pipe()
    with start_in_new(0, os.read, go, 1) as child:
        with pytest.raises(TimeoutError, match=r"has no result after 0\.01 s"):
            child.wait(timeout=0.01)
        assert child.status is None
        os.write(went, b"x")
        assert child.wait(timeout=10) == b"x"
        assert child.wait() == b"x"
        assert child.status == 0
    os.close(go)
    os.close(went)


def test_the_name_is_seen_by_ps() -> None:
    with start_in_new(0, signal.pause, name="first stage of all") as child:
        assert Path(f"/proc/{child.pid}/comm").read_text(encoding="ascii") == "first stage of \n"


def test_a_grandchild_that_keeps_the_pipe_open_delays_nothing() -> None:
    def leave_one_behind(status: int | None) -> int:
        pid = os.fork()
        if pid == 0:
            signal.pause()
        if status is not None:
            os.write(told, str(pid).encode())
            os._exit(status)
        return pid

    heard, told = os.pipe()
    orphans = [run_in_new(0, leave_one_behind, None)]
    with pytest.raises(ChildDiedError):
        run_in_new(0, leave_one_behind, 5)
    orphans.append(int(os.read(heard, 20)))
    os.close(heard)
    os.close(told)
    for orphan in orphans:
        os.kill(orphan, signal.SIGKILL)


def test_signals_are_blocked_in_neither_process_afterwards() -> None:
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert run_in_new(0, signal.pthread_sigmask, signal.SIG_BLOCK, ()) == mask
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask


def test_output_is_written_once() -> None:
    done = run_script(
        "from runtime.kernel.namespaces import run_in_new\n"
        "print('parent', end=' ')\n"
        "run_in_new(0, lambda: print('child', end=' '))\n"
        "print('parent')\n"
    )
    assert (done.stdout, done.stderr) == ("parent child parent\n", "")


def test_a_failure_before_the_function_leaves_nothing() -> None:
    def refuse(*_: object) -> None:
        raise LookupError("no")

    with pytest.raises(LookupError):
        launch(os.getpid, (), name="x", outside=refuse)
    with pytest.raises(LookupError, match="no"):
        launch(os.getpid, (), name="x", inside=lambda: refuse())
    with pytest.raises(ChildDiedError):
        launch(os.getpid, (), name="x", outside=lambda pid: os.kill(pid, signal.SIGKILL))


# The parent prints the child's number and waits; or it dies before the child has asked for the signal of its death.
WAITING_PARENT = """
import os, signal, sys
from runtime.kernel.namespaces import start_in_new
from runtime.kernel.syscalls import Clone
with start_in_new({flags}, signal.pause) as child:
    print(child.pid, flush=True)
    signal.pause()
"""
DYING_PARENT = """
import os, signal
from runtime.kernel.children import NO_FLAGS, launch, tell, tell_and_stay
from runtime.kernel.syscalls import Clone
def die(pid):
    print(pid, flush=True)
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGKILL)
launch(signal.pause, (), name="orphan", flags=Clone({flags}), outside=die)
"""

# Here the child itself ends the parent, after its last word from it and before PR_SET_PDEATHSIG: no signal will come.
KILLED_PARENT = """
import os, select, signal
from runtime.kernel.children import NO_FLAGS, launch, tell, tell_and_stay
parent = os.pidfd_open(os.getpid())
def kill_parent():
    print(os.getpid(), flush=True)
    os.read(0, 1)
    signal.pidfd_send_signal(parent, signal.SIGKILL)
    select.select([parent], [], [])
launch(signal.pause, (), name="orphan", inside=kill_parent, announced=False).wait()
"""


@pytest.mark.privileged
@pytest.mark.parametrize("flags", ["0", "Clone.NEWPID", "Clone.NEWUSER | Clone.NEWPID", "Clone.NEWTIME"])
@pytest.mark.parametrize("script", [WAITING_PARENT, DYING_PARENT], ids=["waiting", "dying"])
def test_a_child_does_not_outlive_its_parent(script: str, flags: str) -> None:
    if script is DYING_PARENT and "NEWTIME" in flags:
        flags = "Clone.NEWPID | Clone.NEWNS"  # clone does not know NEWTIME
    outlive(script, flags)


def test_a_child_does_not_outlive_a_parent_that_died_unnoticed() -> None:
    outlive(KILLED_PARENT, "0")


def outlive(script: str, flags: str) -> None:
    """Run a parent, end it, and see its child end."""
    command = [sys.executable, "-c", script.format(flags=flags)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdin is not None
        pidfd = pidfd_open(int(parent.stdout.readline()))
        try:
            if script is WAITING_PARENT:
                parent.kill()
            else:
                parent.stdin.write(b"g")
                parent.stdin.flush()
            assert ends(pidfd)
        finally:
            os.close(pidfd)
        assert parent.wait(timeout=10) == -signal.SIGKILL


@pytest.mark.privileged
def test_children_from_many_threads_at_once() -> None:
    names: list[str] = []

    def work(number: int) -> None:
        def rename() -> str:
            sethostname(f"host{number}")
            time.sleep(0)
            return os.uname().nodename

        names.extend(run_in_new(0x04000000, rename) for _ in range(5))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(names) == sorted(f"host{number}" for number in range(4) for _ in range(5))


def count(values: int) -> str:
    for value in range(values):
        tell(value)
    return "done"


def test_what_a_child_tells_is_heard_in_order_and_then_its_result() -> None:
    with start_in_new(NO_FLAGS, count, 3) as child:
        assert [child.hear(), child.hear()] == [0, 1]
        assert child.wait() == "done"  # what nobody heard is passed over


def test_hearing_a_child_that_has_ended_raises_its_error() -> None:
    def fail() -> None:
        tell("before")
        raise KeyError("gone")

    with start_in_new(NO_FLAGS, fail) as child:
        assert child.hear() == "before"
        for _ in range(2):
            with pytest.raises(KeyError, match="gone"):
                child.hear()
    with start_in_new(NO_FLAGS, os._exit, 3) as child, pytest.raises(ChildDiedError, match="exited with 3"):
        child.hear()


def test_a_child_that_tells_and_stays_can_be_looked_at() -> None:
    with start_in_new(Clone.NEWUTS, tell_and_stay, os.getpid) as child:
        assert child.hear() == child.pid
        assert Path(f"/proc/{child.pid}").exists()


def test_a_child_of_a_child_tells_its_own_parent() -> None:
    def outer() -> list[str]:
        with start_in_new(NO_FLAGS, tell, "inner") as inner:
            return [inner.hear(), "outer"]

    assert run_in_new(NO_FLAGS, outer) == ["inner", "outer"]


def test_nobody_listens_outside_a_child() -> None:
    with pytest.raises(RuntimeError, match="nobody listens"):
        tell(1)
