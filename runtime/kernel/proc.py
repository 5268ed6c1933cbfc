"""What the kernel says of one process: readers by path, with the literal PID in it, as a student would type the path.

    >>> read("/proc/PID/ns/uts", os.getpid())
    'uts:[4026531838]'
    >>> read("/proc/PID/uid_map", os.getpid())
    [[0, 0, 4294967295]]

A value is JSON. What cannot be read is {"error": "EACCES"}, never an exception. Files that differ by namespace are
read in the process's view: /proc/sys/kernel/hostname by a thread that visits its UTS namespace, files outside /proc
in its root. What no file tells is named by the command that shows it: "ip link", "bridge fdb" (asked by netlink).
"""

import errno as errno_names
import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from runtime.kernel import btf, cgroups, layers, nsfs, parse, topology, unions
from runtime.kernel.capabilities import CAPABILITIES, decode_capabilities
from runtime.kernel.namespaces import LINKS, VISITABLE, link, run_inside, visit
from runtime.kernel.netlink import session
from runtime.kernel.syscalls import RESOLVE_IN_ROOT, SyscallError, openat2

__all__ = ["CAPABILITIES", "DEFAULT", "LINKS", "READERS", "Reader", "decode_capabilities", "read", "read_all"]

JSON: TypeAlias = Any
LIMIT = 1 << 20  # bytes that are read of one file; /proc/PID/mountinfo of a busy container host has about 100 KiB


@dataclass(frozen=True)
class Reader:
    """How one path is read. `read(path)` gets the path with the number in it, or, for a command, "/proc/NUMBER".
    `kinds`: the namespaces of the process in which the reading must happen."""

    read: Callable[[str], JSON]
    kinds: tuple[str, ...] = ()


def text_of(path: str) -> str:
    """The file as text, at most LIMIT bytes; bytes that are not UTF-8 become \\xNN."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return _content(descriptor)
    finally:
        os.close(descriptor)


def _content(descriptor: int) -> str:
    chunks, left = [], LIMIT
    while left and (chunk := os.read(descriptor, min(left, 1 << 16))):
        chunks.append(chunk)
        left -= len(chunk)
    return b"".join(chunks).decode("utf-8", "backslashreplace")


def _parsed(parser: Callable[[str], JSON]) -> Callable[[str], JSON]:
    return lambda path: parser(text_of(path))


def _stripped(text: str) -> str:
    return text.strip()


def _whole(text: str) -> str:
    return text


def _listing(path: str) -> dict[str, str]:
    """A directory of links, {"0": "/dev/pts/1"}; one that goes away meanwhile is left out."""
    links = {}
    for name in sorted(os.listdir(path), key=lambda name: (len(name), name)):
        try:
            links[name] = os.readlink(f"{path}/{name}")
        except FileNotFoundError:
            continue
    return links


def _below(path: str) -> JSON:
    """What a relative path means to the process: a directory with all that is in it, or a file as text."""
    return text_of(path).strip() if os.path.isfile(path) else layers.listing(path)


def _relation(path: str) -> JSON:
    """ "/proc/PID/ns/uts NS_GET_USERNS": the answer, or the errno's name as text: an error is an answer too."""
    file, _, request = path.partition(" ")
    try:
        return RELATIONS[request](file)
    except OSError as error:
        return errno_names.errorcode.get(error.errno or 0, str(error))


def _in_root(path: str) -> JSON:
    """A file or directory in the root of a process, path "/proc/PID/root/etc/hosts"; links stay inside that root."""
    _, _, pid, _, inside = path.split("/", 4)
    root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_CLOEXEC)
    try:
        descriptor = openat2(root, inside, os.O_RDONLY | os.O_NONBLOCK, RESOLVE_IN_ROOT)
    finally:
        os.close(root)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            return sorted(os.listdir(descriptor))
        if not stat.S_ISREG(mode):
            raise OSError(errno_names.EINVAL, "not a regular file")
        return _content(descriptor)
    finally:
        os.close(descriptor)


def _in_cgroup(path: str) -> JSON:
    """A file of the own cgroup of a process, path "/proc/PID/cgroup /sys/fs/cgroup/memory/PATH/memory.stat"."""
    own, _, name = path.partition(" ")
    return cgroups.read_of_process(name, int(own.split("/")[2]))


def _owner(path: str) -> dict[str, int]:
    """ "/proc/PID/uid_map owner": to whom the file of the process belongs, in the reader's numbers."""
    found = os.stat(path.removesuffix(" owner"))
    return {"uid": found.st_uid, "gid": found.st_gid}


def _file_capability(path: str) -> JSON:
    """ "/proc/PID/exe security.capability": the capabilities that lie on the program of a process; None without any."""
    file, _, name = path.partition(" ")
    try:
        return parse.file_capability(os.getxattr(file, name))
    except OSError as error:
        if error.errno != errno_names.ENODATA:
            raise
        return None


def _structs(_: str) -> JSON:
    return btf.kernel_structs()


RELATIONS: dict[str, Callable[[str], JSON]] = {
    "NS_GET_USERNS": nsfs.owning_user_namespace,
    "NS_GET_PARENT": nsfs.parent,
    "NS_GET_NSTYPE": nsfs.kind_of,
    "NS_GET_OWNER_UID": nsfs.owner_uid,
    "NS_GET_ID": nsfs.unique_id,
}

# By path or fnmatch pattern; the first that fits is taken, so the general ones stand last.
READERS: dict[str, Reader] = {
    "/proc/PID/ns/* NS_GET_*": Reader(_relation),
    "/proc/PID/ns/*": Reader(os.readlink),
    "/proc/PID/status": Reader(_parsed(parse.status)),
    "/proc/PID/uid_map": Reader(_parsed(parse.id_map)),
    "/proc/PID/gid_map": Reader(_parsed(parse.id_map)),
    "/proc/PID/setgroups": Reader(_parsed(_stripped)),
    "/proc/PID/mountinfo": Reader(_parsed(parse.mountinfo)),
    "/proc/PID/cgroup": Reader(_parsed(parse.cgroup)),
    "/proc/PID/net/dev": Reader(_parsed(parse.net_dev)),
    "/proc/PID/net/route": Reader(_parsed(parse.net_route)),
    "/proc/PID/net/tcp": Reader(_parsed(parse.net_tcp)),
    "/proc/PID/net/unix": Reader(_parsed(parse.net_unix)),
    "/proc/PID/net/arp": Reader(_parsed(parse.net_arp)),
    "/proc/PID/task/PID/children": Reader(_parsed(parse.numbers)),
    "/proc/PID/cmdline": Reader(_parsed(parse.strings)),
    "/proc/PID/environ": Reader(_parsed(parse.environ)),
    "/proc/PID/fd": Reader(_listing),
    "/proc/PID/timens_offsets": Reader(_parsed(parse.timens_offsets)),
    "/proc/PID/limits": Reader(_parsed(parse.limits)),
    "/proc/PID/root": Reader(os.readlink),
    "/proc/PID/cwd": Reader(os.readlink),
    "/proc/PID/cwd/*": Reader(_below),
    "/proc/PID/exe": Reader(os.readlink),
    "/proc/PID/exe security.capability": Reader(_file_capability),
    "/proc/PID/projid_map": Reader(_parsed(parse.id_map)),
    "/proc/PID/* owner": Reader(_owner),
    "/proc/PID/*": Reader(_parsed(_stripped)),
    "/proc/sysvipc/*": Reader(_parsed(parse.table), ("ipc",)),
    "/proc/sys/kernel/pid_max": Reader(_parsed(_stripped), ("pid",)),
    "/proc/sys/kernel/*": Reader(_parsed(_stripped), ("uts", "ipc")),
    "/proc/sys/fs/mqueue/*": Reader(_parsed(_stripped), ("ipc",)),
    "/proc/sys/net/*": Reader(_parsed(_stripped), ("net",)),
    "/proc/sys/user/*": Reader(_parsed(_stripped), ("user",)),
    "/proc/version": Reader(_parsed(_stripped), ("uts",)),
    "/proc/keys": Reader(_parsed(parse.keys), ("user",)),
    "/proc/key-users": Reader(_parsed(_stripped), ("user",)),
    "/proc/uptime": Reader(_parsed(parse.floats), ("time",)),
    "/proc/*": Reader(_parsed(_whole)),
    "/sys/fs/cgroup*/PATH*": Reader(_in_cgroup),
    "/sys/kernel/btf/vmlinux": Reader(_structs),
    "/sys/fs/aufs": Reader(unions.aufs_mounts),
    "*": Reader(_in_root),
    "ip link": Reader(topology.links, ("net",)),
    "ip address": Reader(topology.addresses, ("net",)),
    "ip route": Reader(topology.routes, ("net",)),
    "ip neighbour": Reader(topology.neighbours, ("net",)),
    "ip netns": Reader(topology.named),
    "bridge fdb": Reader(topology.forwarding, ("net",)),
}

DEFAULT: tuple[str, ...] = (
    *(f"/proc/PID/ns/{name}" for name in LINKS),
    "/proc/PID/status",
    "/proc/PID/uid_map",
    "/proc/PID/gid_map",
    "/proc/PID/setgroups",
    "/proc/PID/mountinfo",
    "/proc/PID/cgroup",
    "/proc/PID/net/dev",
    "/proc/PID/net/route",
    "/proc/PID/task/PID/children",
    "/proc/PID/cmdline",
    "/proc/sysvipc/msg",
    "/proc/sysvipc/sem",
    "/proc/sysvipc/shm",
    "/proc/sys/kernel/hostname",
    "/proc/sys/kernel/domainname",
)


def reader_of(path: str) -> Reader:
    """The reader for a path with the literal PID, or for a command. ValueError for what is neither."""
    if path in READERS:
        return READERS[path]
    if not path.startswith("/"):
        raise ValueError(f"{path!r} is no absolute path")
    path = _of_process(path)
    return READERS.get(path) or next(reader for pattern, reader in READERS.items() if fnmatchcase(path, pattern))


def _of_process(path: str) -> str:
    """/proc/self, /proc/net and /proc/mounts would be the reader's own: they mean the process that is looked at."""
    for own, name in (
        ("/proc/self", ""),
        ("/proc/thread-self", ""),
        ("/proc/net", "/net"),
        ("/proc/mounts", "/mounts"),
    ):
        if path == own or path.startswith(f"{own}/"):
            return f"/proc/PID{name}{path.removeprefix(own)}"
    return path


def read(path: str, pid: int) -> JSON:
    """The parsed value of `path` for process `pid`, in its view; {"error": "ENOENT"} when it cannot be read."""
    return read_all([path], pid)[path]


def read_all(paths: Iterable[str], pid: int) -> dict[str, JSON]:
    """{path: value} for several paths, in their order. Those for the same namespaces share one visit."""
    by_kinds: dict[tuple[str, ...], list[str]] = {}
    values: dict[str, JSON] = {}
    for path in paths:
        values[path] = None
        by_kinds.setdefault(reader_of(path).kinds, []).append(path)
    for kinds, group in by_kinds.items():
        values.update(_in_view(pid, kinds, group))
    return values


def _in_view(pid: int, kinds: tuple[str, ...], paths: list[str]) -> dict[str, JSON]:
    try:
        if all(link(pid, kind) == link("thread-self", kind) for kind in kinds):
            return _read_group(paths, pid)
        if not VISITABLE.issuperset(kinds):  # only a new process can be in another user or time namespace
            return run_inside(pid, kinds, _read_group, paths, pid)
        try:
            return visit(pid, kinds, _read_group, paths, pid)
        except SyscallError as error:
            if error.errno != errno_names.EPERM:
                raise
        # An ordinary user has the right to these only inside the user namespace that owns them.
        return run_inside(pid, ("user", *kinds), _read_group, paths, pid)
    except (OSError, RuntimeError) as error:
        return dict.fromkeys(paths, _error(error))


def _read_group(paths: list[str], pid: int) -> dict[str, JSON]:
    with session():
        return {path: _read_here(path, pid) for path in paths}


def _read_here(path: str, pid: int) -> JSON:
    reader = reader_of(path)
    if not path.startswith("/"):
        return _value(reader, f"/proc/{pid}")  # a command gets the directory of the process
    words = (str(pid) if word == "PID" else word for word in _of_process(path).split("/"))
    prefixes: dict[Any, str] = {_in_root: f"/proc/{pid}/root", _in_cgroup: f"/proc/{pid}/cgroup "}
    prefix = prefixes.get(reader.read, "")
    return _value(reader, prefix + (path if prefix else "/".join(words)))


def _value(reader: Reader, located: str) -> JSON:
    try:
        return reader.read(located)
    except (OSError, ValueError, LookupError) as error:
        return _error(error)


def _error(error: Exception) -> dict[str, str]:
    """{"error": "EACCES"}; for what is no errno (a file in a form that a parser does not know) a sentence."""
    number = error.errno if isinstance(error, OSError) else None
    return {"error": errno_names.errorcode.get(number, str(number)) if number else f"{type(error).__name__}: {error}"}
