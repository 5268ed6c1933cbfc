"""System V objects and POSIX message queues: the calls that find them by key or name, as in the man pages.

    >>> queue = msgget(0x51AB, IPC_CREAT | 0o600)
    >>> msgsnd(queue, 1, b"hello")
    >>> msgrcv(queue, 100)
    (1, b'hello')

All of them look in the caller's IPC namespace, and nowhere else (ipc_namespaces(7)). Each failure is a SyscallError.
Sources: sysvipc(7), shm_overview(7), mq_overview(7).
"""

import ctypes
import errno
import os
import sys
from ctypes import c_char_p, c_int, c_long, c_size_t, c_ssize_t, c_uint, c_void_p

from runtime.kernel.errors import SyscallError

__all__ = [
    "IPC_CREAT",
    "IPC_EXCL",
    "IPC_NOWAIT",
    "IPC_PRIVATE",
    "memory",
    "mq_open",
    "mq_receive",
    "mq_send",
    "msgget",
    "msgrcv",
    "msgsnd",
    "semget",
    "shmat",
    "shmget",
]

# linux/ipc.h
IPC_PRIVATE = 0
IPC_CREAT = 0o1000
IPC_EXCL = 0o2000
IPC_NOWAIT = 0o4000


class _MqAttr(ctypes.Structure):
    """struct mq_attr of mq_open(3) (the kernel's has four more longs behind, reserved)."""

    _fields_ = (("flags", c_long), ("maxmsg", c_long), ("msgsize", c_long), ("curmsgs", c_long), ("rest", c_long * 4))


_TYPE_BYTES = ctypes.sizeof(c_long)  # a message of msgsnd(2) begins with its type, a long

libc = ctypes.CDLL(None, use_errno=True)
# The C library has had the mq_ functions itself only since glibc 2.34.
librt = libc if hasattr(libc, "mq_open") else ctypes.CDLL("librt.so.1", use_errno=True)

libc.msgget.argtypes = (c_int, c_int)
libc.msgsnd.argtypes = (c_int, c_char_p, c_size_t, c_int)
libc.msgrcv.argtypes = (c_int, c_void_p, c_size_t, c_long, c_int)
libc.msgrcv.restype = c_ssize_t
libc.semget.argtypes = (c_int, c_int, c_int)
libc.shmget.argtypes = (c_int, c_size_t, c_int)
libc.shmat.argtypes = (c_int, c_void_p, c_int)
libc.shmat.restype = c_ssize_t  # an address; -1 for a failure
librt.mq_open.argtypes = (c_char_p, c_int, c_uint, c_void_p)
librt.mq_send.argtypes = (c_int, c_char_p, c_size_t, c_uint)
librt.mq_receive.argtypes = (c_int, c_void_p, c_size_t, c_void_p)
librt.mq_receive.restype = c_ssize_t
librt.mq_getattr.argtypes = (c_int, c_void_p)

_NO_SUCH_KEY = "no such object in the caller's IPC namespace; another one may have it (ipc_namespaces(7))"
_NO_SUCH_ID = "no object with this id in the caller's IPC namespace, or it was removed"
_FULL = "a limit of the IPC namespace is reached: kernel.msgmni, kernel.sem, kernel.shmmni or kernel.shmall"
_HINTS: dict[tuple[str, int], str] = {
    **{(call, errno.ENOENT): _NO_SUCH_KEY for call in ("msgget", "semget", "shmget", "mq_open")},
    **{(call, errno.EINVAL): _NO_SUCH_ID for call in ("msgsnd", "msgrcv", "shmat")},
    **{(call, errno.ENOSPC): _FULL for call in ("msgget", "semget", "shmget")},
    ("mq_open", errno.ENOSPC): "fs.mqueue.queues_max queues are there; without CAP_SYS_RESOURCE that is the limit",
    ("mq_open", errno.EINVAL): "a name is a slash and at least one character without a slash (mq_overview(7))",
    ("mq_open", errno.EMFILE): "RLIMIT_MSGQUEUE bytes of queues, or RLIMIT_NOFILE descriptors, are in use",
}


def _check(result: int, call: str, *arguments: object) -> int:
    """`result`, unless it is -1: then SyscallError with the errno that ctypes saved."""
    if result == -1:
        number = ctypes.get_errno()
        text = ", ".join(str(argument) for argument in arguments)
        raise SyscallError(number, call, text, _HINTS.get((call, number), ""))
    return result


def _key(key: int) -> int:
    """key_t is signed: /proc/sysvipc shows it so, ipcs shows the same bits in hexadecimal."""
    return c_int(key).value


def msgget(key: int, msgflg: int = 0) -> int:
    """The id of the message queue with this key; with IPC_CREAT it is made, mode in the low nine bits. msgget(2)."""
    return _check(libc.msgget(_key(key), msgflg), "msgget", hex(key), oct(msgflg))


def msgsnd(msqid: int, mtype: int, mtext: bytes, msgflg: int = 0) -> None:
    """Put a message with a type above 0 into the queue; waits for room unless IPC_NOWAIT is given. msgsnd(2)."""
    packed = mtype.to_bytes(_TYPE_BYTES, sys.byteorder, signed=True) + mtext
    _check(libc.msgsnd(msqid, packed, len(mtext), msgflg), "msgsnd", msqid, mtype, mtext, oct(msgflg))


def msgrcv(msqid: int, msgsz: int, msgtyp: int = 0, msgflg: int = 0) -> tuple[int, bytes]:
    """(type, text) of the first message, of at most `msgsz` bytes; `msgtyp` above 0 chooses a type. msgrcv(2).

    Waits for a message unless IPC_NOWAIT is given: then SyscallError(ENOMSG).
    """
    buffer = ctypes.create_string_buffer(_TYPE_BYTES + msgsz)
    size = _check(libc.msgrcv(msqid, buffer, msgsz, msgtyp, msgflg), "msgrcv", msqid, msgsz, msgtyp, oct(msgflg))
    return c_long.from_buffer(buffer).value, buffer.raw[_TYPE_BYTES : _TYPE_BYTES + size]


def semget(key: int, nsems: int = 0, semflg: int = 0) -> int:
    """The id of the set of `nsems` semaphores with this key; with IPC_CREAT it is made. semget(2)."""
    return _check(libc.semget(_key(key), nsems, semflg), "semget", hex(key), nsems, oct(semflg))


def shmget(key: int, size: int = 0, shmflg: int = 0) -> int:
    """The id of the shared memory with this key; with IPC_CREAT it is made, `size` in bytes. shmget(2)."""
    return _check(libc.shmget(_key(key), size, shmflg), "shmget", hex(key), size, oct(shmflg))


def shmat(shmid: int, shmaddr: int | None = None, shmflg: int = 0) -> int:
    """Map the segment into the caller's memory; the address, for `memory`. shmat(2)."""
    return _check(libc.shmat(shmid, shmaddr, shmflg), "shmat", shmid, shmaddr, oct(shmflg))


def memory(address: int, size: int) -> memoryview:
    """`size` bytes at an address that shmat returned, to read and write; a wrong address ends the process (SIGSEGV)."""
    return memoryview((ctypes.c_ubyte * size).from_address(address)).cast("B")


def mq_open(name: str, oflag: int, mode: int = 0o600, maxmsg: int = 10, msgsize: int = 256) -> int:
    """A descriptor (close-on-exec) of the POSIX message queue "/name". mq_open(3).

    With os.O_CREAT it is made for at most `maxmsg` messages of at most `msgsize` bytes.
    """
    attributes = _MqAttr(maxmsg=maxmsg, msgsize=msgsize)
    result = librt.mq_open(os.fsencode(name), oflag | os.O_CLOEXEC, mode, ctypes.byref(attributes))
    return _check(result, "mq_open", repr(name), oct(oflag), oct(mode))


def mq_send(mqdes: int, message: bytes, priority: int = 0) -> None:
    """Put a message into the queue; the highest priority is received first. mq_send(3)."""
    _check(librt.mq_send(mqdes, message, len(message), priority), "mq_send", mqdes, message, priority)


def mq_receive(mqdes: int) -> bytes:
    """The oldest message of the highest priority; waits for one unless opened with os.O_NONBLOCK. mq_receive(3)."""
    attributes = _MqAttr()
    _check(librt.mq_getattr(mqdes, ctypes.byref(attributes)), "mq_getattr", mqdes)
    buffer = ctypes.create_string_buffer(attributes.msgsize)
    size = _check(librt.mq_receive(mqdes, buffer, attributes.msgsize, None), "mq_receive", mqdes)
    return buffer.raw[:size]
