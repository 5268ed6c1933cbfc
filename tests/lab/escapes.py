"""What somebody inside the sandbox might try on the machine outside, one attempt after the other.

Run inside as a program: it makes every attempt and writes, as JSON, how each one ended. An attempt is a shell command
that ends with 0, or a function that returns, only if it came through. Nothing here does harm where it comes through:
files are canaries of the test, and what would end or freeze a machine is only opened, never written.

``OPEN`` are those that are known to come through; SECURITY.md tells of each. Where a machine lacks something, such as
the system request key, nobody comes to it.
"""

import ctypes
import errno
import json
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

CANARIES = "/srv"  # a file system of the test, with /srv/canary
HOME = "/srv/home"  # belongs to the user who runs the labs
X86 = platform.machine() == "x86_64"
_libc = ctypes.CDLL(None, use_errno=True)


def call(x86: int, other: int, *arguments: object) -> None:
    """Make a system call with arguments that are wrong: whoever may make it hears of that, all others EPERM."""
    if _libc.syscall(x86 if X86 else other, *arguments) == -1 and ctypes.get_errno() in (errno.EPERM, errno.EACCES):
        raise PermissionError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def open_device(kind: str, major: int, minor: int) -> str:
    return f"rm -f node; mknod node {kind} {major} {minor} && exec 3<>node"


def open_by_handle() -> None:
    """/etc/passwd by its number, through a mount that may be written (open_by_handle_at(2))."""
    handle = ctypes.create_string_buffer((128).to_bytes(4, "little") + bytes(132))
    mount_id = ctypes.c_int()
    name_to_handle, by_handle = (303, 304) if X86 else (264, 265)
    if _libc.syscall(name_to_handle, -100, b"/usr/bin/env", handle, ctypes.byref(mount_id), 0) == -1:
        raise OSError(ctypes.get_errno(), "name_to_handle_at")
    directory = os.open("/tmp", os.O_RDONLY)
    if _libc.syscall(by_handle, directory, handle, os.O_RDONLY) == -1:
        raise OSError(ctypes.get_errno(), "open_by_handle_at")


def abstract_socket() -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("\0unshared-canary")


def tcp() -> None:
    with socket.socket() as client:
        client.connect(("127.0.0.1", int(os.environ["CANARY_PORT"])))


def add_keys() -> None:
    """Keys that are looked for, in a new session keyring and in that of the user; they last for two minutes."""
    keyctl, add_key = (250, 248) if X86 else (219, 217)
    _libc.syscall(keyctl, 1, None)
    for keyring in (-3, -4):
        made = _libc.syscall(add_key, b"user", b"unshared-canary", b"secret", 6, keyring)
        _libc.syscall(keyctl, 15, made, 120)


def key(keyring: int) -> None:
    """A key of the one who started the run, in the keyring of the session (-3) or of the user (-4): keyctl(2)."""
    result = _libc.syscall(250 if X86 else 219, 10, keyring, b"user", b"unshared-canary", 0)
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


NEW_PROC = "unshare --pid --fork --mount-proc"


def writable_setting(sys: str) -> str:
    """A command that looks for a file in /sys/kernel that it might write to."""
    return f"find {sys}/kernel -type f -writable | grep ."


def rewrite(name: str, proc: str = "/proc") -> str:
    """A command that writes to a sysctl what stands there."""
    return f"cat {proc}/sys/{name} | tee {proc}/sys/{name}"


SWAPPINESS, CORE, MODPROBE, LIMIT = map(
    rewrite, ("vm/swappiness", "kernel/core_pattern", "kernel/modprobe", "user/max_uts_namespaces")
)
ATTEMPTS: dict[str, str | Callable[[], None]] = {
    # files of the machine
    "a file in /etc": "touch /etc/unshared-canary",
    "a file in /usr": "touch /usr/unshared-canary",
    "a file in /root": "touch /root/unshared-canary",
    "a file in /var/lib": "touch /var/lib/unshared-canary",
    "a file in /boot": "touch /boot/unshared-canary",
    "a file in /dev": "touch /dev/unshared-canary",
    "a canary": f"echo x > {CANARIES}/canary",
    "a file at home": f"echo x > {HOME}/canary",
    "remove a canary": f"rm -f {CANARIES}/canary",
    "remove all at home": f"rm -rf {HOME}/*",
    "remount / for writing": "mount -o remount,bind,rw / && touch /unshared-canary",
    "remount another file system for writing": f"mount -o remount,bind,rw {CANARIES} && echo x > {CANARIES}/canary",
    "remount it in a new mount namespace": (
        f"unshare --mount sh -c 'mount -o remount,bind,rw {CANARIES} && echo x > {CANARIES}/canary'"
    ),
    "bind it elsewhere for writing": (
        f"mkdir -p bound; mount --bind {CANARIES} bound && mount -o remount,bind,rw bound && echo x > bound/canary"
    ),
    "bind it in a user namespace": (
        f"unshare --user --map-root-user --mount sh -c 'mkdir -p b && mount --bind {CANARIES} b"
        " && mount -o remount,bind,rw b && echo x > b/canary'"
    ),
    "take a read-only mount away": f"umount -l {CANARIES}",
    "move a read-only mount": f"mkdir -p moved; mount --move {CANARIES} moved",
    "a file by its number": open_by_handle,
    "through process 1": f"echo x > /proc/1/root{CANARIES}/canary",
    "through the mount namespace of process 1": f"nsenter --target 1 --mount sh -c 'echo x > {CANARIES}/canary'",
    "out of a chroot": (
        "mkdir -p jail; python3 -c 'import os; os.chroot(\"jail\"); [os.chdir(\"..\") for _ in range(9)]; "
        f"os.chroot(\".\"); open(\"{CANARIES}/canary\", \"w\")'"
    ),
    "uncover what lies below /run": "umount -l /run",
    "uncover what lies below /dev": "umount -R -l /dev",
    "uncover what lies below /sys": "umount -R -l /sys",
    "uncover what lies below /proc": "umount -R -l /proc",
    "a socket below /run": "test -S /run/unshared-canary",
    # devices
    "the first disk": open_device("b", 254, 0),
    "the first SCSI disk": open_device("b", 8, 0),
    "a loop device": open_device("b", 7, 0),
    "the control of loop devices": open_device("c", 10, 237),
    "memory": open_device("c", 1, 1),
    "ports": open_device("c", 1, 4),
    "the kernel's log": open_device("c", 1, 11),
    "the console": open_device("c", 5, 1),
    "a virtual terminal": open_device("c", 4, 1),
    "virtual machines": open_device("c", 10, 232),
    "the clock": open_device("c", 254, 0),
    "the device mapper": open_device("c", 10, 236),
    "a disk in /dev": "ls /dev/sd? /dev/vd? /dev/loop*",
    "/dev/kmsg": "echo unshared-canary > /dev/kmsg",
    "other terminals": "for terminal in /dev/pts/[0-9]*; do echo unshared-canary > $terminal; done; false",
    # settings
    "a sysctl": SWAPPINESS,
    "a sysctl, remounted": f"mount -o remount,bind,rw /proc/sys && {SWAPPINESS}",
    "a sysctl, uncovered": f"umount /proc/sys && {SWAPPINESS}",
    "a sysctl in a new PID namespace": f"{NEW_PROC} sh -c '{SWAPPINESS}'",
    "a sysctl in another /proc": f"mkdir -p proc; mount -t proc proc proc && {rewrite('vm/swappiness', 'proc')}",
    "a sysctl in a user namespace": f"unshare --user --map-root-user {NEW_PROC[8:]} sh -c '{SWAPPINESS}'",
    "the sysctl aside": "cat /run/*/proc/sys/vm/swappiness /run/unshared/.proc/sys/vm/swappiness",
    "the handler of crashes": f"{NEW_PROC} sh -c '{CORE}'",
    "the loader of modules": f"{NEW_PROC} sh -c '{MODPROBE}'",
    "limits of namespaces": f"{NEW_PROC} sh -c '{LIMIT}'",
    "the system request key": "exec 3> /proc/sysrq-trigger",
    "the system request key in a new PID namespace": f"{NEW_PROC} sh -c 'exec 3> /proc/sysrq-trigger'",
    "a setting in /sys": writable_setting("/sys"),
    "a setting in /sys, remounted": f"mount -o remount,bind,rw /sys && {writable_setting('/sys')}",
    "a setting in another /sys": f"mkdir -p other; mount -t sysfs sys other && {writable_setting('other')}",
    "a setting in the /sys of another network": (
        f"unshare --net --mount sh -c 'mount -t sysfs sys /sys && {writable_setting('/sys')}'"
    ),
    "debugfs": "mkdir -p debug; mount -t debugfs debug debug",
    # calls that change the machine
    "swapon": lambda: call(167, 224, b"/nowhere", 0),
    "swapoff": lambda: call(168, 225, b"/nowhere"),
    "reboot": lambda: call(169, 142, 0, 0, 0, 0),
    "kexec_load": lambda: call(246, 104, 0, 17, 0, 0xFFFF),
    "init_module": lambda: call(175, 105, 0, 0, 0),
    "finit_module": lambda: call(313, 273, -1, b"", 0),
    "delete_module": lambda: call(176, 106, b"unshared-canary", 0),
    "clock_settime": lambda: call(227, 112, 0, ctypes.byref((ctypes.c_long * 2)(0, -1))),
    "settimeofday": lambda: call(164, 170, ctypes.byref((ctypes.c_long * 2)(0, -1)), 0),
    "adjtimex": lambda: call(159, 171, ctypes.byref((ctypes.c_long * 64)(0x2000, 0, -1))),
    "read the kernel's log": "dmesg",
    "syslog": lambda: call(103, 116, 10, 0, 0),
    "acct": lambda: call(163, 89, b"/nowhere"),
    "bpf": lambda: call(321, 280, 5, 0, 0),
    "perf_event_open": lambda: call(298, 241, 0, -1, -1, -1, 0),
    # processes and the rest
    "a process outside": "kill -0 $CANARY_PID",
    "the memory of a process outside": "exec 3< /proc/$CANARY_PID/mem",
    "namespaces of a process outside": "nsenter --target $CANARY_PID --mount true",
    "a queue outside": "ipcs -q | grep 0x00ca4a41",
    "an abstract socket outside": abstract_socket,
    "a port outside": tcp,
    "a device of the network outside": "ip link | grep -v ' lo: ' | grep '^[0-9]'",
    "the root of the cgroups": "cat /proc/self/cgroup | grep unshared-",
    "a cgroup above": "for file in /sys/fs/cgroup/*/release_agent; do test -w $file && exit; done; false",
    "a key of the session": lambda: key(-3),
    "a key of the user": lambda: key(-4),
}  # fmt: skip
OPEN = {
    "root": {
        "the system request key in a new PID namespace",
        "a setting in the /sys of another network",
        "debugfs",
        "a key of the user",
    },
    "user": {"limits of namespaces"},  # they are those of the user namespace of the sandbox
}


def attempt(what: str | Callable[[], None]) -> str:
    """Why it was refused; "" if it came through."""
    if isinstance(what, str):
        result = subprocess.run(["sh", "-c", what], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        return result.stderr.strip() or f"exit status {result.returncode}" if result.returncode else ""
    try:
        what()
    except OSError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps({name: attempt(what) for name, what in ATTEMPTS.items()}))
