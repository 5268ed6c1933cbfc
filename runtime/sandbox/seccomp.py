"""System calls that no process of the sandbox may make, because what they change is the machine's and no namespace's.

A filter is a program of classic BPF over the number of the call and the architecture (seccomp(2)); it is inherited and
never goes away.  The calls answer EPERM, as they do to somebody who lacks the capability.
"""

import ctypes
import errno
import platform
import struct
from collections.abc import Iterable

from runtime.kernel.syscalls import PR_SET_SECCOMP, libc, prctl

# (x86-64, and the table that aarch64 and riscv64 share; 0: there is no such call), asm/unistd.h
REFUSED = {
    # swap, the end of the machine, another kernel, modules
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    # the clock, the log, accounting and quotas, ports of devices
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "settimeofday": (164, 170),
    "adjtimex": (159, 171),
    "syslog": (103, 116),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "ioperm": (173, 0),
    "iopl": (172, 0),
    # a file by its number, which goes around read-only mounts; programs and probes in the kernel
    "open_by_handle_at": (304, 265),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
}
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7), "riscv64": (1, 0xC00000F3)}  # AUDIT_ARCH_*
X32 = 0x40000000  # the bit of the calls of x86-64 with short pointers
_MODE_FILTER = 2
_KEYCTL, _JOIN_SESSION_KEYRING = (250, 219), 1
_NUMBER, _ARCHITECTURE = 0, 4  # offsets in struct seccomp_data
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM


def install() -> None:
    """Refuse the calls to this process and to all that it starts; SyscallError without CAP_SYS_ADMIN."""
    if platform.machine() not in _ARCHITECTURES:
        return
    column, architecture = _ARCHITECTURES[platform.machine()]
    code = _program(architecture, [numbers[column] for numbers in REFUSED.values() if numbers[column]])
    instructions = ctypes.create_string_buffer(code)
    sock_fprog = struct.pack("=H6xQ", len(code) // 8, ctypes.addressof(instructions))
    program = ctypes.create_string_buffer(sock_fprog)
    prctl(PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(program))


def leave_keys() -> None:
    """Give up the session keyring of whoever started the run: a new, empty one takes its place. keyctl(2)."""
    column, _ = _ARCHITECTURES.get(platform.machine(), (0, 0))
    libc.syscall(_KEYCTL[column], _JOIN_SESSION_KEYRING, None)  # without CONFIG_KEYS there are no keys


def _program(architecture: int, refused: Iterable[int]) -> bytes:
    """Another architecture (32 bits) has other numbers: its calls are refused as a whole."""
    refused = list(refused)
    last = len(refused)  # instructions between the first comparison and the two answers
    code = [
        _instruction(_LOAD, _ARCHITECTURE),
        _instruction(_IF_EQUAL, architecture, 0, last + 3),
        _instruction(_LOAD, _NUMBER),
        _instruction(_IF_AT_LEAST, X32, last + 1, 0),
        *(_instruction(_IF_EQUAL, number, last - place, 0) for place, number in enumerate(refused)),
        _instruction(_RETURN, _ALLOW),
        _instruction(_RETURN, _REFUSE),
    ]
    return b"".join(code)


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
