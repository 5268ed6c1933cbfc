"""The sandbox: pytest run again in namespaces of its own, so that no lab can change the machine by mistake.

The processes, from outside in::

    pytest (outer)          waits; passes signals and the exit code on
    |-- unshared-keeper     outside the sandbox: tidies up when the outer pytest is gone (keeper.py)
    `-- unshared-init       pid 1 of the sandbox: sets it up, reaps, ends with the inner pytest
        `-- pytest (inner)  the same command line, which now runs the labs

As root the sandbox is a guard against mistakes: the machine's files are read-only but for the places below, and some
capabilities are gone.  Without root a user namespace is the boundary (user_namespaces(7)).
"""

import fcntl
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from runtime.checkout import SANDBOX_VARIABLE
from runtime.kernel import cgroups, namespaces, syscalls
from runtime.kernel.syscalls import Clone
from runtime.lab.machine import why_no_user_namespaces
from runtime.sandbox import guard, keeper, mounts, run_cgroups

SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1
FORWARDED = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT}
_NAMESPACES = Clone.NEWNS | Clone.NEWUTS | Clone.NEWIPC | Clone.NEWPID | Clone.NEWNET


class SandboxError(Exception):
    """The sandbox cannot be had here, or it was killed; the message says what to do."""


@dataclass(frozen=True)
class Plan:
    """What to run inside, and which paths stay writable there."""

    command: Sequence[str]
    directory: Path
    writable: Sequence[Path]
    environment: dict[str, str]


def run(plan: Plan) -> int:
    """Run the command in a new sandbox and return its exit code (128 + n if signal n ended it).

    Raises SandboxError if the sandbox cannot be made, or if its init is killed.
    """
    run_cgroups.sweep()
    run_id = run_cgroups.run_id()
    watched = FORWARDED | {signal.SIGCHLD}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    try:
        return _run(plan, run_id, mask)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _run(plan: Plan, run_id: str, mask: set[int | signal.Signals]) -> int:
    go_read, go_write = os.pipe()
    trouble_read, trouble_write = os.pipe()
    rootless = os.geteuid() != 0
    init = _clone_init(rootless)
    if init == 0:
        os.close(go_write)
        os.close(trouble_read)
        _init(plan, run_id, mask, go_read, trouble_write, rootless)
    os.close(go_read)
    os.close(trouble_write)
    pidfd = syscalls.pidfd_open(init)
    directories = run_cgroups.create(run_id)
    if not rootless and (trouble := guard.guard_cgroups(directories)):
        print(f"sandbox: devices and sysctls are not guarded ({trouble}); see SECURITY.md", file=sys.stderr, flush=True)
    keeper_pid, held = keeper.start(pidfd, directories)
    try:
        if rootless:
            namespaces.write_maps(init, None, None)
        run_cgroups.join(directories, init)
        os.write(go_write, b"g")
        trouble = _read_all(trouble_read)
        if trouble:
            advice = why_no_user_namespaces() if rootless else "use --target here in a VM"
            raise SandboxError(f"the sandbox cannot be made: {trouble}; {advice}")
        return _exit_code(_wait_for(init, init))
    finally:
        os.close(held)  # the keeper kills what is left, removes the cgroups, and ends
        os.waitpid(keeper_pid, 0)
        _reap(init)
        for descriptor in (pidfd, go_write, trouble_read):
            os.close(descriptor)


def _clone_init(rootless: bool) -> int:
    flags = _NAMESPACES | (Clone.NEWUSER if rootless else Clone(0))
    try:
        return syscalls.clone(flags)
    except OSError as error:
        advice = why_no_user_namespaces() if rootless else "a container forbids it: use --target here in a VM"
        raise SandboxError(f"the sandbox cannot be made: {error.strerror}: {advice}") from error


def _read_all(descriptor: int) -> str:
    with os.fdopen(os.dup(descriptor), "rb") as pipe:
        return pipe.read().decode(errors="replace")


def _reap(pid: int) -> None:
    with suppress(ChildProcessError):  # it was waited for already
        os.waitpid(pid, 0)


def _exit_code(status: int) -> int:
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        raise SandboxError(f"the sandbox's init was ended by {name}; python -m reports renders what was recorded")
    return os.WEXITSTATUS(status)


def _wait_for(child: int, receiver: int) -> int:
    """Wait for ``child`` and return its wait status; signals that somebody sent to us go on to ``receiver``.

    What the terminal sends (Ctrl-C) reaches every process of the foreground group by itself: it has a positive code
    (SI_KERNEL), and is not passed on (sigaction(2)).
    """
    while True:
        received = signal.sigwaitinfo(FORWARDED | {signal.SIGCHLD})
        if received.si_signo != signal.SIGCHLD:
            if received.si_code <= 0:
                os.kill(receiver, received.si_signo)
            continue
        while (ended := os.waitpid(-1, os.WNOHANG) if os.getpid() == 1 else os.waitpid(child, os.WNOHANG))[0]:
            if ended[0] == child:
                return ended[1]


# From here on we are inside


def _init(plan: Plan, run_id: str, mask: set[int | signal.Signals], go: int, trouble: int, rootless: bool) -> NoReturn:
    """Pid 1 of the sandbox: it may do everything in its namespaces, and ends all of them by its own end."""
    code = 1
    try:
        syscalls.set_name("unshared-init")
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.read(go, 1) != b"g":
            os._exit(1)
        _guarded(trouble, lambda: _set_up(plan, rootless))
        worker = os.fork()
        if worker == 0:
            _guarded(trouble, lambda: _execute(plan, run_id, mask, rootless))
        os.close(trouble)
        status = _wait_for(worker, worker)
        code = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    finally:
        os._exit(code)


def _guarded(trouble: int, action: Callable[[], object]) -> None:
    """Run ``action``; tell the outer pytest what went wrong, and end."""
    try:
        action()
    except Exception as error:
        os.write(trouble, str(error).encode())
        os._exit(1)


def _set_up(plan: Plan, rootless: bool) -> None:
    syscalls.unshare(Clone.NEWCGROUP)  # after the run's cgroups were entered: they become the roots that labs see
    mounts.set_up(plan.writable, rootless)
    _leave_the_root_cgroup()
    _set_loopback_up()
    guard.guard_process()


def _leave_the_root_cgroup() -> None:
    """Move into a leaf, so that the run's v2 cgroup has no processes and may pass controllers on (cgroups(7))."""
    for tree in cgroups.hierarchies():
        if tree.version == 2 and tree.controllers:
            leaf = Path(tree.point, "pytest")
            with suppress(PermissionError):  # an ordinary user has no cgroup of the run's own
                leaf.mkdir(exist_ok=True)
                (leaf / "cgroup.procs").write_text("0")


def _set_loopback_up() -> None:
    """A new network namespace has one device, lo, and it is down (netdevice(7), SIOCSIFFLAGS)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))


def _execute(plan: Plan, run_id: str, mask: set[int | signal.Signals], rootless: bool) -> NoReturn:
    """The inner pytest: it starts with the signals of the outer one."""
    if not rootless:
        guard.drop_capabilities()
    os.chdir(plan.directory)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    environment = plan.environment | {SANDBOX_VARIABLE: run_id, "TMPDIR": mounts.TEMPORARY}
    os.execve(plan.command[0], list(plan.command), environment)
