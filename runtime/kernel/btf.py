"""Members of the running kernel's structs and values of its enums, from its own types: /sys/kernel/btf/vmlinux.

Format: Documentation/bpf/btf.rst. Linux 5.4 with CONFIG_DEBUG_INFO_BTF; the file is world-readable.
"""

import functools
import struct

VMLINUX = "/sys/kernel/btf/vmlinux"
STRUCTS = ("nsproxy", "cred", "new_utsname", "task_struct", "uts_namespace", "uid_gid_map")

_MAGIC = 0xEB9F
_HEADER = struct.Struct("=HBBIIIII")  # magic, version, flags, hdr_len, type_off, type_len, str_off, str_len
_TYPE = struct.Struct("=III")  # name_off, info, size or type
_MEMBER = struct.Struct("=III")  # name_off, type, offset
_ENUMERATOR = struct.Struct("=II")  # name_off, value
_STRUCT, _UNION, _ENUM = 4, 5, 6
# Bytes behind struct btf_type, by kind: (fixed, for each of its vlen entries).
_BEHIND = {1: (4, 0), 3: (12, 0), 4: (0, 12), 5: (0, 12), 6: (0, 8), 13: (0, 8), 14: (4, 0), 15: (0, 12)}
_BEHIND |= {17: (4, 0), 19: (0, 12)}


class BtfError(ValueError):
    """The file is not BTF as this module knows it."""


def members(data: bytes, names: tuple[str, ...]) -> dict[str, list[str]]:
    """{struct: its member names in order} for those of `names` that are there; members of anonymous structs and unions
    stand in place of these. BtfError when `data` is no BTF."""
    try:
        return _members(data, names)
    except (struct.error, IndexError) as error:
        raise BtfError(f"damaged BTF: {error}") from error


def _sections(data: bytes) -> tuple[bytes, bytes]:
    """(strings, types): the two parts behind the header."""
    magic, _, _, header_length, type_offset, type_length, string_offset, string_length = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        raise BtfError(f"magic number {magic:#x}, not {_MAGIC:#x}")
    strings = data[header_length + string_offset :][:string_length]
    types = data[header_length + type_offset :][:type_length]
    if len(strings) < string_length or len(types) < type_length:
        raise BtfError("the file ends too early")
    return strings, types


def _members(data: bytes, names: tuple[str, ...]) -> dict[str, list[str]]:
    strings, types = _sections(data)
    offsets = _type_offsets(types)
    wanted = {strings.find(b"\0" + name.encode() + b"\0") + 1: name for name in names}
    wanted.pop(0, None)  # find gave -1: no such name in this kernel

    found: dict[str, list[str]] = {}
    for offset in offsets[1:]:
        name_offset, info, _ = _TYPE.unpack_from(types, offset)
        if name_offset in wanted and info >> 24 & 0x1F == _STRUCT:
            found.setdefault(wanted[name_offset], _names_of(types, offset, offsets, strings))
    return {name: found[name] for name in names if name in found}


def _type_offsets(types: bytes) -> list[int]:
    """Where each type begins, by its id (from 1; type 0 is void). Types have various lengths: one walk over all."""
    offsets = [0]
    position, end, append = 0, len(types), offsets.append
    info_at = struct.Struct("=4xI").unpack_from
    behind = _BEHIND
    while position < end:
        append(position)
        (info,) = info_at(types, position)
        position += 12
        if rule := behind.get(info >> 24 & 0x1F):
            position += rule[0] + rule[1] * (info & 0xFFFF)
    return offsets


def _names_of(types: bytes, offset: int, offsets: list[int], strings: bytes) -> list[str]:
    _, info, _ = _TYPE.unpack_from(types, offset)
    names: list[str] = []
    for number in range(info & 0xFFFF):
        name_offset, type_id, _ = _MEMBER.unpack_from(types, offset + 12 + 12 * number)
        if name_offset:
            names.append(strings[name_offset : strings.index(0, name_offset)].decode())
        elif _TYPE.unpack_from(types, offsets[type_id])[1] >> 24 & 0x1F in (_STRUCT, _UNION):
            names += _names_of(types, offsets[type_id], offsets, strings)
    return names


def enumerators(data: bytes, names: tuple[str, ...]) -> dict[str, int]:
    """{enumerator: its value, without sign} for those of `names` that are in an enum of 32 bits. BtfError as above."""
    try:
        return _enumerators(data, names)
    except (struct.error, IndexError) as error:
        raise BtfError(f"damaged BTF: {error}") from error


def _enumerators(data: bytes, names: tuple[str, ...]) -> dict[str, int]:
    strings, types = _sections(data)
    wanted = {strings.find(b"\0" + name.encode() + b"\0") + 1: name for name in names}
    wanted.pop(0, None)
    found: dict[str, int] = {}
    for offset in _type_offsets(types)[1:]:
        info = _TYPE.unpack_from(types, offset)[1]
        if info >> 24 & 0x1F == _ENUM:
            end = offset + 12 + _ENUMERATOR.size * (info & 0xFFFF)
            for name_offset, value in _ENUMERATOR.iter_unpack(types[offset + 12 : end]):
                if name_offset in wanted:
                    found.setdefault(wanted[name_offset], value)
    return {name: found[name] for name in names if name in found}


@functools.cache
def kernel_constants(names: tuple[str, ...]) -> dict[str, int]:
    """enumerators() of the running kernel. OSError when it has no BTF, BtfError when it cannot be read."""
    with open(VMLINUX, "rb") as file:
        return enumerators(file.read(), names)


@functools.cache
def kernel_structs(names: tuple[str, ...] = STRUCTS) -> dict[str, list[str]]:
    """members() of the running kernel, read once. OSError when it has no BTF, BtfError when it cannot be read."""
    with open(VMLINUX, "rb") as file:
        return members(file.read(), names)


def first_namespaces() -> dict[str, int]:
    """{kind: number} of the namespaces that a machine starts with, "uts": 4026531838, as the kernel's types have them.

    {} where the kernel has no BTF. The names of the constants changed in Linux 6.18 (enum init_ns_ino, which added net
    and mnt); before they stood in include/linux/proc_ns.h.
    """
    kinds = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
    names = {form.format(kind.upper()): kind for kind in kinds for form in ("{}_NS_INIT_INO", "PROC_{}_INIT_INO")}
    try:
        return {names[name]: number for name, number in kernel_constants(tuple(names)).items()}
    except (OSError, BtfError):
        return {}
