"""Masks as names, and waiting for the end of a process."""

import errno
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from runtime.kernel import proc
from runtime.kernel.namespaces import start_in_new
from runtime.kernel.signals import open_process, signal_names, watching
from runtime.kernel.syscalls import Clone


def test_a_mask_by_hand() -> None:
    assert signal_names("0000000000384004") == {"SIGQUIT", "SIGTERM", "SIGTSTP", "SIGTTIN", "SIGTTOU"}
    assert signal_names("0") == set()
    assert signal_names("1") == {"SIGHUP"}


def test_real_time_signals_without_a_name_are_left_out() -> None:
    assert signal_names("0000001000000000") == set()


def ignores() -> None:
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    os.kill(os.getpid(), signal.SIGSTOP)


def test_the_mask_of_a_process() -> None:
    with start_in_new(Clone(0), ignores) as child:
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
        assert "SIGUSR1" in signal_names(proc.read("/proc/PID/status", child.pid)["SigIgn"])
        assert "SIGUSR2" not in signal_names(proc.read("/proc/PID/status", child.pid)["SigIgn"])


def test_the_end_is_seen_and_life_too() -> None:
    with start_in_new(Clone(0), signal.pause) as child, watching(child.pid) as ended:
        assert not ended(0)
        os.kill(child.pid, signal.SIGKILL)
        assert ended()
        assert ended(0)


def test_no_such_process() -> None:
    with start_in_new(Clone(0), os.getpid) as child:
        pid = child.wait()
    with pytest.raises(ProcessLookupError), watching(pid):
        pass


def open_this_thread() -> int:
    return open_process(threading.get_native_id())


def test_a_number_that_is_no_process_any_more() -> None:
    """The kernel says the same of a thread's number and of a process that it is just taking away."""
    with ThreadPoolExecutor(1) as threads, pytest.raises(ProcessLookupError):
        threads.submit(open_this_thread).result()


def test_what_can_be_no_number_is_another_error() -> None:
    with pytest.raises(OSError, match="Invalid") as caught:
        open_process(-1)
    assert caught.value.errno == errno.EINVAL
