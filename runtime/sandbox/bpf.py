"""Programs that the kernel asks before a process of a cgroup opens a device or writes a sysctl.

Both are attached to the run's cgroup in the v2 tree, which needs no controllers (a hybrid machine has one beside its v1
trees), and go with it.  They are written by hand here: bpf(2), include/uapi/linux/bpf.h, Documentation/bpf of the
kernel.  A program answers 1 (yes) or 0 (no: EPERM).
"""

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from runtime.kernel.flags import SYS_BPF
from runtime.kernel.syscalls import SyscallError, libc

PROG_LOAD, PROG_ATTACH = 5, 8  # commands of bpf(2)
CGROUP_DEVICE = (15, 6)  # the type of a program, and where it is attached (Linux 4.15)
CGROUP_SYSCTL = (23, 18)  # Linux 5.2
ALLOW_MULTI = 2  # a program of a cgroup below may say no too, but not yes
MKNOD, BLOCK, CHARACTER = 1, 1, 2  # BPF_DEVCG_*
GET_NAME = 101  # bpf_sysctl_get_name(ctx, buffer, size, flags)
NAME_SIZE = 64

_R0, _R1, _R2, _R3, _R4, _R6, _FRAME = 0, 1, 2, 3, 4, 6, 10
_LOAD = {8: 0x79, 4: 0x61, 2: 0x69, 1: 0x71}  # BPF_LDX | BPF_MEM, by the number of bytes
_MOVE, _MOVE_NUMBER, _ADD_NUMBER, _AND_NUMBER, _SHIFT_RIGHT = 0xBF, 0xB7, 0x07, 0x57, 0x77
_IF_NOT_EQUAL, _IF_EQUAL, _CALL, _EXIT = 0x55, 0x15, 0x85, 0x95


@dataclass(frozen=True)
class Device:
    """A character device that may be opened; ``minor`` None: every one of that number."""

    major: int
    minor: int | None


def _instruction(code: int, to: int = 0, source: int = 0, offset: int = 0, number: int = 0) -> bytes:
    return struct.pack("=BBhi", code, to | source << 4, offset, number)


def _answer(yes: bool) -> list[bytes]:
    return [_instruction(_MOVE_NUMBER, _R0, number=int(yes)), _instruction(_EXIT)]


def device_program(allowed: Iterable[Device]) -> bytes:
    """Every device may be made (mknod(2)), the allowed ones may be opened; struct bpf_cgroup_dev_ctx."""
    code = [
        _instruction(_LOAD[4], _R2, _R1, 0),  # kind of device, and access << 16
        _instruction(_LOAD[4], _R3, _R1, 4),  # major
        _instruction(_LOAD[4], _R4, _R1, 8),  # minor
        _instruction(_MOVE, _R6, _R2),
        _instruction(_SHIFT_RIGHT, _R6, number=16),
        _instruction(_IF_NOT_EQUAL, _R6, offset=2, number=MKNOD),
        *_answer(True),
        _instruction(_AND_NUMBER, _R2, number=0xFFFF),
        _instruction(_IF_EQUAL, _R2, offset=2, number=CHARACTER),
        *_answer(False),
    ]
    for device in allowed:
        minor = [] if device.minor is None else [_instruction(_IF_NOT_EQUAL, _R4, offset=2, number=device.minor)]
        code += [_instruction(_IF_NOT_EQUAL, _R3, offset=2 + len(minor), number=device.major), *minor, *_answer(True)]
    return b"".join([*code, *_answer(False)])


def sysctl_program(prefixes: Iterable[str]) -> bytes:
    """Every sysctl may be read; those may be written whose name (``net/ipv4/ip_forward``) begins like one of these.

    A prefix that ends with a NUL is a whole name.
    """
    code = [
        _instruction(_MOVE, _R6, _R1),
        _instruction(_LOAD[4], _R2, _R6, 0),  # struct bpf_sysctl: write
        _instruction(_IF_NOT_EQUAL, _R2, offset=2, number=0),
        *_answer(True),
        _instruction(_MOVE, _R1, _R6),
        _instruction(_MOVE, _R2, _FRAME),
        _instruction(_ADD_NUMBER, _R2, number=-NAME_SIZE),
        _instruction(_MOVE_NUMBER, _R3, number=NAME_SIZE),
        _instruction(_MOVE_NUMBER, _R4, number=0),
        _instruction(_CALL, number=GET_NAME),
    ]
    for prefix in prefixes:
        code += _compare(prefix.encode())
    return b"".join([*code, *_answer(False)])


def _compare(prefix: bytes) -> list[bytes]:
    """Yes if the name begins with ``prefix``: its bytes are compared in pieces of 2 and 1."""
    pieces = [prefix[start : start + 2] for start in range(0, len(prefix), 2)]
    code: list[bytes] = []
    for number, piece in enumerate(pieces):
        left = 2 * (len(pieces) - number - 1) + 2  # instructions to jump over, the answer included
        code += [
            _instruction(_LOAD[len(piece)], _R2, _FRAME, 2 * number - NAME_SIZE),
            _instruction(_IF_NOT_EQUAL, _R2, offset=left, number=int.from_bytes(piece, sys.byteorder)),
        ]
    return [*code, *_answer(True)]


def attach(program: bytes, kind: tuple[int, int], cgroup: str) -> None:
    """Load ``program`` and attach it to the cgroup v2 directory ``cgroup``; SyscallError without CAP_BPF."""
    program_type, attach_type = kind
    code, license = ctypes.create_string_buffer(program), ctypes.create_string_buffer(b"MIT")
    addresses = ctypes.addressof(code), ctypes.addressof(license)
    load = struct.pack("=IIQQ44xI", program_type, len(program) // 8, *addresses, attach_type)
    loaded = _bpf(PROG_LOAD, load)
    directory = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _bpf(PROG_ATTACH, struct.pack("=IIII", directory, loaded, attach_type, ALLOW_MULTI))
    finally:
        os.close(directory)
        os.close(loaded)


def _bpf(command: int, attributes: bytes) -> int:
    function = libc["syscall"]
    function.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    if (result := function(SYS_BPF, command, attributes, len(attributes))) == -1:
        raise SyscallError(ctypes.get_errno(), "bpf", f"command {command}")
    return int(result)
