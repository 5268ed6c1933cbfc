"""Ids in a user namespace, offsets in a time namespace: what is written once, before anybody lives there."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TypeAlias

from runtime.kernel.capabilities import capability_number
from runtime.kernel.errors import SyscallError

IdMap: TypeAlias = Sequence[tuple[int, int, int]]  # rows (inside, outside, count)


def write_maps(pid: int, uid_map: IdMap | None, gid_map: IdMap | None) -> None:
    """Write /proc/PID/uid_map and gid_map of a process in a new user namespace. None: 0 for the caller's id.

    Without CAP_SETGID the kernel wants setgroups switched off before (CVE-2014-8989). user_namespaces(7).
    """
    _write(f"/proc/{pid}/uid_map", _rows([(0, os.geteuid(), 1)] if uid_map is None else uid_map))
    groups = _rows([(0, os.getegid(), 1)] if gid_map is None else gid_map)
    if groups and not _has_capability("CAP_SETGID"):
        _write(f"/proc/{pid}/setgroups", "deny")
    _write(f"/proc/{pid}/gid_map", groups)


def become_mapped(own_uid: int, own_gid: int, uid_map: IdMap | None, gid_map: IdMap | None) -> None:
    """Become 0 where a map has a 0 but not the id that the caller came with: as such an id one could own nothing."""
    if gid_map and _maps_zero(gid_map) and not _maps(gid_map, own_gid):
        with suppress(PermissionError):  # setgroups may be denied
            os.setgroups([])
        os.setresgid(0, 0, 0)
    if uid_map and _maps_zero(uid_map) and not _maps(uid_map, own_uid):
        os.setresuid(0, 0, 0)


def _maps(id_map: IdMap, outside_id: int) -> bool:
    return any(outside <= outside_id < outside + count for _, outside, count in id_map)


def _maps_zero(id_map: IdMap) -> bool:
    return any(inside == 0 for inside, _, _ in id_map)


def become_root() -> None:
    """As nsenter does after a user namespace; where 0 is not mapped the ids stay (EINVAL)."""
    with suppress(OSError):
        os.setgroups([])
    with suppress(OSError):
        os.setresgid(0, 0, 0)
    with suppress(OSError):
        os.setresuid(0, 0, 0)


def write_time_offsets(offsets: Mapping[str, int]) -> None:
    """Offsets in seconds of the time namespace that the caller's children will be in. time_namespaces(7)."""
    _write("/proc/self/timens_offsets", "".join(f"{clock} {seconds} 0\n" for clock, seconds in offsets.items()))


def _write(path: str, text: str) -> None:
    """One write(2), as the kernel wants it for maps; nothing at all for no text."""
    if text:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, text.encode("ascii"))
        except OSError as error:
            raise SyscallError(error.errno or 0, "write", f"{path}, {text!r}") from None
        finally:
            os.close(descriptor)


def _rows(id_map: IdMap) -> str:
    return "".join(f"{inside} {outside} {count}\n" for inside, outside, count in id_map)


def _has_capability(name: str) -> bool:
    with open("/proc/thread-self/status", encoding="utf-8", errors="replace") as file:
        effective = next(line.split()[1] for line in file if line.startswith("CapEff:"))
    return bool(int(effective, 16) >> capability_number(name) & 1)
