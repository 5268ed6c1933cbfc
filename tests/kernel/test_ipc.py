"""System V objects and POSIX queues, each test in an IPC namespace of its own."""

import errno
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from runtime.kernel import ipc, proc
from runtime.kernel.errors import SyscallError
from runtime.kernel.namespaces import run_in_new
from runtime.kernel.syscalls import Clone

pytestmark = pytest.mark.privileged
KEY = 0x9E0FDAD4  # above 0x7FFFFFFF: negative as key_t
NEW = ipc.IPC_CREAT | ipc.IPC_EXCL | 0o640


def test_a_message_goes_through_a_queue() -> None:
    def talk() -> tuple[tuple[int, bytes], tuple[int, bytes], list[dict[str, Any]]]:
        queue = ipc.msgget(KEY, NEW)
        ipc.msgsnd(queue, 7, b"first")
        ipc.msgsnd(queue, 300, b"")
        table = proc.read("/proc/sysvipc/msg", os.getpid())
        return ipc.msgrcv(ipc.msgget(KEY), 100, msgtyp=300), ipc.msgrcv(queue, 5), table

    empty, first, table = run_in_new(Clone.NEWIPC, talk)
    assert empty == (300, b"")
    assert first == (7, b"first")
    (row,) = table
    assert (row["key"] & 0xFFFFFFFF, row["perms"], row["qnum"], row["cbytes"]) == (KEY, "640", 2, 5)


def test_shared_memory_is_seen_twice() -> None:
    def share() -> tuple[bytes, int]:
        one, two = (ipc.memory(ipc.shmat(ipc.shmget(KEY, 4096, flag)), 4096) for flag in (NEW, 0))
        one[:5] = b"hello"
        return bytes(two[:5]), two.nbytes

    assert run_in_new(Clone.NEWIPC, share) == (b"hello", 4096)


def test_wrong_memory_ends_only_the_child() -> None:
    def read_nowhere() -> bytes:
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        return bytes(ipc.memory(16, 1))

    with pytest.raises(RuntimeError, match="SIGSEGV"):
        run_in_new(Clone(0), read_nowhere)


def test_semaphores_are_counted() -> None:
    def sets() -> list[dict[str, int]]:
        assert ipc.semget(KEY, 3, NEW) == ipc.semget(KEY)
        ipc.semget(ipc.IPC_PRIVATE, 1, NEW)
        return proc.read("/proc/sysvipc/sem", os.getpid())  # type: ignore[no-any-return]

    assert [row["nsems"] for row in run_in_new(Clone.NEWIPC, sets)] == [3, 1]


def test_posix_messages_come_by_priority() -> None:
    def talk() -> list[bytes]:
        queue = ipc.mq_open("/letters", os.O_CREAT | os.O_RDWR, 0o600, maxmsg=3, msgsize=16)
        ipc.mq_send(queue, b"late")
        ipc.mq_send(queue, b"early", 5)
        other = ipc.mq_open("/letters", os.O_RDONLY)
        assert not os.get_inheritable(other)
        return [ipc.mq_receive(other), ipc.mq_receive(other)]

    assert run_in_new(Clone.NEWIPC, talk) == [b"early", b"late"]


@pytest.mark.parametrize(
    ("use", "call", "number"),
    [
        (lambda: ipc.msgget(KEY), "msgget", errno.ENOENT),
        (lambda: ipc.semget(KEY), "semget", errno.ENOENT),
        (lambda: ipc.shmget(KEY), "shmget", errno.ENOENT),
        (lambda: ipc.shmat(0), "shmat", errno.EINVAL),
        (lambda: ipc.msgsnd(0, 1, b""), "msgsnd", errno.EINVAL),
        (lambda: ipc.msgrcv(0, 1), "msgrcv", errno.EINVAL),
        (lambda: ipc.mq_open("/letters", os.O_RDONLY), "mq_open", errno.ENOENT),
        (lambda: ipc.mq_open("no-slash/in-front", os.O_RDONLY), "mq_open", errno.EINVAL),
    ],
)
def test_what_is_not_there_is_named(use: Callable[[], object], call: str, number: int) -> None:
    with pytest.raises(SyscallError) as missing:
        run_in_new(Clone.NEWIPC, use)
    assert (missing.value.call, missing.value.errno) == (call, number)
    assert missing.value.hint


def test_calls_that_would_wait_or_clash_do_not() -> None:
    def refused() -> list[int | None]:
        queue = ipc.msgget(KEY, NEW)
        letters = ipc.mq_open("/letters", os.O_CREAT | os.O_RDWR | os.O_NONBLOCK)
        numbers = []
        for use in (
            lambda: ipc.msgrcv(queue, 1, msgflg=ipc.IPC_NOWAIT),
            lambda: ipc.msgget(KEY, NEW),
            lambda: ipc.mq_receive(letters),
            lambda: ipc.mq_send(letters, b"x" * 257),
            lambda: ipc.mq_send(0x7FFF, b""),
        ):
            with pytest.raises(SyscallError) as error:
                use()
            numbers.append(error.value.errno)
        return numbers

    expected = [errno.ENOMSG, errno.EEXIST, errno.EAGAIN, errno.EMSGSIZE, errno.EBADF]
    assert run_in_new(Clone.NEWIPC, refused) == expected
