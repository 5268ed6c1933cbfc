"""What keeps root in the sandbox from changing the machine by mistake, beside the namespaces and read-only mounts.

Root there is the machine's root, so none of this is a boundary: SECURITY.md says what is left open.
"""

import platform
from collections.abc import Iterable
from pathlib import Path

from runtime.kernel import syscalls
from runtime.lab.claims import version
from runtime.sandbox import bpf, devices, seccomp

DROPPED_CAPABILITIES = (
    *("CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_TIME", "CAP_SYS_BOOT", "CAP_SYSLOG", "CAP_SYS_PACCT"),
    *("CAP_SYS_TTY_CONFIG", "CAP_SYS_RESOURCE", "CAP_LINUX_IMMUTABLE", "CAP_MAC_OVERRIDE"),
    *("CAP_MAC_ADMIN", "CAP_AUDIT_CONTROL", "CAP_AUDIT_READ", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_PERFMON"),
    "CAP_BPF",
)
# What belongs to a namespace. Those of user/ ask for CAP_SYS_RESOURCE in the user namespace whose limits they are.
SYSCTLS = ("net/", "user/", "fs/mqueue/", "kernel/msg", "kernel/sem", "kernel/shm", "kernel/ns_last_pid\0")
NAMES = ("kernel/hostname\0", "kernel/domainname\0")
PID_MAX = "kernel/pid_max\0"  # of each PID namespace since Linux 6.14


def guard_cgroups(directories: Iterable[str]) -> str:
    """Guard devices and sysctls in the run's cgroups; returns why that cannot be, "" if it is done."""
    unified = next((path for path in directories if Path(path, "cgroup.controllers").exists()), None)
    if unified is None:
        return "no cgroup v2 tree is mounted"
    own = (*SYSCTLS, *NAMES, *([PID_MAX] if version(platform.release()) >= version("6.14") else []))
    try:
        bpf.attach(bpf.device_program(devices.ALLOWED), bpf.CGROUP_DEVICE, unified)
        bpf.attach(bpf.sysctl_program(own), bpf.CGROUP_SYSCTL, unified)
    except OSError as error:
        return str(error)
    return ""


def guard_process() -> None:
    """Refuse system calls and the keys of whoever started the run, to this process and all that it starts."""
    seccomp.leave_keys()
    seccomp.install()


def drop_capabilities() -> None:
    """Give up what no lab needs, for all that is executed from here on."""
    syscalls.drop_bounding(DROPPED_CAPABILITIES)
