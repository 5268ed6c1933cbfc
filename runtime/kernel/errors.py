"""SyscallError: which call failed, with which arguments, why, and what to do about it."""

import errno as errno_names
import os
from collections.abc import Callable
from typing import Any

_NEEDS_ADMIN = "needs CAP_SYS_ADMIN in the owning user namespace; as an ordinary user add CLONE_NEWUSER (unshare -U)"
_NAMESPACE_LIMIT = (
    "a limit of namespaces is reached: user.max_*_namespaces (sysctl; counted per user and user namespace), "
    "or 32 levels of nested user or PID namespaces (namespaces(7))"
)
_ALREADY_THERE = (
    "the descriptor is not a namespace of that type; or, for a user namespace, the caller is already in it or has "
    "several threads; or, for a mount or user namespace, it shares its file-system attributes (CLONE_FS) (setns(2))"
)

HINTS: dict[tuple[str, int], str] = {
    ("unshare", errno_names.EPERM): _NEEDS_ADMIN,
    ("unshare", errno_names.ENOSPC): _NAMESPACE_LIMIT,
    ("unshare", errno_names.EUSERS): _NAMESPACE_LIMIT,
    ("unshare", errno_names.EINVAL): (
        "unknown flag, a kind of namespace that this kernel was built without, or CLONE_NEWUSER from a process with "
        "several threads (unshare(2))"
    ),
    ("unshare", errno_names.ENOMEM): "no memory, or the init of the PID namespace made by an earlier unshare is gone",
    ("setns", errno_names.EPERM): (
        "needs CAP_SYS_ADMIN in the user namespace that owns the target and, save for a user namespace, in one's own: "
        "enter the user namespace first (nsenter -U)"
    ),
    ("setns", errno_names.EINVAL): _ALREADY_THERE,
    ("setns", errno_names.EBADF): "not an open descriptor: open /proc/PID/ns/KIND first",
    ("setns", errno_names.ESRCH): "the process of this pidfd is gone (and reaped)",
    ("setns", errno_names.EUSERS): "entering a time namespace needs a process with one thread: fork first",
    ("mount", errno_names.EPERM): (
        "needs CAP_SYS_ADMIN in the user namespace that owns the mount namespace; the file system may not be "
        "mountable in a user namespace, or flags of the mount are locked there (mount_namespaces(7))"
    ),
    ("mount", errno_names.EINVAL): (
        "bad file system or option; or the target is no mount point (remount, move, propagation), or the source is "
        "unbindable, or the parent of a moved mount is shared (mount(2))"
    ),
    ("mount", errno_names.ENODEV): "this kernel has no such file system (/proc/filesystems)",
    ("mount", errno_names.ENOENT): "source or target does not exist",
    ("mount", errno_names.EBUSY): "already mounted there, or still in use",
    ("umount2", errno_names.EBUSY): "still in use (a working directory, an open file, a mount below); try MNT_DETACH",
    ("umount2", errno_names.EINVAL): "not a mount point, or a mount locked by a more privileged mount namespace",
    ("umount2", errno_names.EPERM): "needs CAP_SYS_ADMIN in the user namespace that owns the mount namespace",
    ("pivot_root", errno_names.EINVAL): (
        "new_root must be a mount point (bind-mount it on itself), put_old at or below it, and neither it nor its "
        "parent nor the parent of the present root may have shared propagation; rootfs cannot be left (pivot_root(2))"
    ),
    ("pivot_root", errno_names.EBUSY): "new_root or put_old lies on the present root mount: bind-mount it on itself",
    ("pivot_root", errno_names.EPERM): "needs CAP_SYS_ADMIN in the user namespace that owns the mount namespace",
    ("mount_setattr", errno_names.EPERM): (
        "needs CAP_SYS_ADMIN in the user namespace of the mount; for an id map also in the one of the file system, and "
        "the map may not be that of the initial user namespace (mount_setattr(2))"
    ),
    ("mount_setattr", errno_names.EINVAL): (
        "for an id map the mount must be new (open_tree with OPEN_TREE_CLONE) and its file system must allow id maps: "
        "ext4 since Linux 5.12, overlay 5.19, tmpfs 6.3 (mount_setattr(2))"
    ),
    ("sethostname", errno_names.EPERM): "needs CAP_SYS_ADMIN in the user namespace that owns the UTS namespace",
    ("setdomainname", errno_names.EPERM): "needs CAP_SYS_ADMIN in the user namespace that owns the UTS namespace",
    ("sethostname", errno_names.EINVAL): "a name has at most 64 bytes",
    ("setdomainname", errno_names.EINVAL): "a name has at most 64 bytes",
    ("clone3", errno_names.EINVAL): "flags that exclude each other, or one that this kernel does not know (clone(2))",
    ("clone3", errno_names.EBUSY): "the cgroup has controllers switched on for its children (no internal processes)",
    ("clone3", errno_names.EOPNOTSUPP): "the cgroup is in the domain invalid state",
    ("clone3", errno_names.ENOSYS): "clone3 needs Linux 5.3, and a seccomp filter that lets it through",
    ("write", errno_names.EPERM): (
        "a map is written once; without CAP_SETUID (CAP_SETGID) over the parent user namespace it may have one row, "
        'the writer\'s own id, and a gid_map only after "deny" in setgroups (user_namespaces(7))'
    ),
    ("write", errno_names.EINVAL): "rows of a map must not overlap, hold a count of 0, or be more than 340",
    ("prctl", errno_names.EPERM): "dropping from the bounding set needs CAP_SETPCAP (capabilities(7))",
    ("pidfd_open", errno_names.ESRCH): "no such process (as numbered in the caller's PID namespace)",
    ("pidfd_send_signal", errno_names.ESRCH): "the process has ended and was reaped",
    ("ioctl", errno_names.ENOTTY): "this kernel does not know that question (ioctl_ns(2))",
    ("ioctl", errno_names.EPERM): "the namespace asked for lies outside of what the caller sees (ioctl_ns(2))",
    ("ioctl", errno_names.EINVAL): "NS_GET_PARENT is for PID and user namespaces, NS_GET_OWNER_UID for user namespaces",
}
for _clone in ("clone", "clone3"):
    HINTS[(_clone, errno_names.EPERM)] = _NEEDS_ADMIN
    HINTS[(_clone, errno_names.ENOSPC)] = _NAMESPACE_LIMIT
    HINTS[(_clone, errno_names.EUSERS)] = _NAMESPACE_LIMIT
    HINTS[(_clone, errno_names.EAGAIN)] = "a limit of processes is reached: RLIMIT_NPROC, pids.max, kernel.pid_max"
    HINTS[(_clone, errno_names.ENOMEM)] = "no memory, or the init of the PID namespace for children is gone"
HINTS.setdefault(
    ("clone", errno_names.EINVAL), "flags that exclude each other, or a kind of namespace this kernel lacks (clone(2))"
)

# What forbids user namespaces, in the order in which the kernel asks: (file, value that forbids, how it is allowed).
_USER_NAMESPACE_SWITCHES: tuple[tuple[str, str, str], ...] = (
    ("/proc/sys/user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=15000"),
    ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile with `userns,` for the program",
    ),
)


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def user_namespace_switches(read: Callable[[str], str] = _read) -> list[str]:
    """Sentences about the sysctls of this machine that forbid user namespaces; empty when none does."""
    sentences = []
    for path, forbids, remedy in _USER_NAMESPACE_SWITCHES:
        if read(path) == forbids:
            name = path.removeprefix("/proc/sys/").replace("/", ".")
            sentences.append(f"{name}={forbids} on this machine forbids user namespaces; to allow: {remedy}")
    return sentences


def find_hint(call: str, errno: int, arguments: str = "") -> str:
    """What to do about `errno` from `call`; "" when nothing is known. For user namespaces this reads sysctls."""
    hint = HINTS.get((call, errno), "")
    if call in ("unshare", "clone", "clone3") and "NEWUSER" in arguments:
        if errno in (errno_names.EPERM, errno_names.EACCES):
            return "; ".join(user_namespace_switches()) or (
                "user namespaces are refused: the caller is chrooted, its uid or gid has no mapping in its own user "
                "namespace, or a security module (AppArmor, SELinux, seccomp) forbids it (user_namespaces(7))"
            )
        if errno in (errno_names.ENOSPC, errno_names.EUSERS):
            return "; ".join([*user_namespace_switches(), hint])
    return hint


class SyscallError(OSError):
    """A system call that failed: .errno .strerror .call .arguments .hint

    str() is one sentence, with a hint after a semicolon where one is known:
    "unshare(NEWUTS): Operation not permitted (EPERM); needs CAP_SYS_ADMIN ...". It survives pickling.
    """

    def __init__(self, errno: int, call: str, arguments: str = "", hint: str | None = None) -> None:
        super().__init__(errno, os.strerror(errno))
        self.call = call
        self.arguments = arguments
        self.hint = find_hint(call, errno, arguments) if hint is None else hint

    def __str__(self) -> str:
        number = self.errno or 0
        name = errno_names.errorcode.get(number, str(number))
        sentence = f"{self.call}({self.arguments}): {self.strerror} ({name})"
        return f"{sentence}; {self.hint}" if self.hint else sentence

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.errno, self.call, self.arguments, self.hint), self.__dict__


def errno_of(function: Callable[..., object], *args: object) -> str:
    """The name of the errno with which function(*args) fails, such as "EPERM"; "" if it works."""
    try:
        function(*args)
    except OSError as error:
        number = error.errno or 0
        return errno_names.errorcode.get(number, str(number))
    return ""
