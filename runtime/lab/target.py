"""Where labs run: the decision, and the options that come with it.

Pytest starts anywhere.  Before it collects, it picks the target, and unless that is ``here`` it runs the same command
line inside.  Tests of the project, ``--help`` and the like never go anywhere.
"""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.lab import machine

TARGETS = ("auto", "vm", "sandbox", "here")
WHY_VARIABLE = "UNSHARED_TARGET_WHY"  # tells the inner pytest which target was taken, and why
_SYSTEM = ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr", "/var/lib")


class TargetError(Exception):
    """The target cannot be had; the message says what to do."""


@dataclass(frozen=True)
class Target:
    """Where the labs run (``sandbox`` or ``here``), and one sentence why."""

    name: str
    why: str


def decide(wanted: str, environment: Mapping[str, str]) -> Target:
    """The target for ``--target wanted``; TargetError names what to do if it cannot be had."""
    if wanted not in TARGETS:
        raise TargetError(f"--target {wanted}: there is no such target; use {', '.join(TARGETS)}")
    if machine.SANDBOX_VARIABLE in environment:
        return Target("here", environment.get(WHY_VARIABLE, "sandbox: pytest runs inside it already"))
    if wanted == "here":
        return Target("here", "here: it was asked for")
    if wanted == "vm":
        raise TargetError("--target vm: there is no Vagrantfile yet; use --target sandbox, or --target here in a VM")
    if wanted == "auto" and machine.VM_MARKER.exists():
        return Target("here", "here: this is the lab VM")
    if not sys.platform.startswith("linux"):
        raise TargetError(f"--target {wanted}: labs need Linux, and this is {sys.platform}; start them in a VM")
    reason = "it was asked for" if wanted == "sandbox" else "no lab VM is running"
    who = "as root" if os.geteuid() == 0 else "in a user namespace, as you are not root"
    return Target("sandbox", f"sandbox: {reason}; {who}")


def only_labs(arguments: Iterable[str], invocation: Path, labs: Path) -> bool:
    """Whether all arguments of a command line lie under ``labs/``."""
    paths = [Path(os.path.normpath(invocation / argument.partition("::")[0])) for argument in arguments]
    return bool(paths) and all(path == labs or labs in path.parents for path in paths)


def writable_paths(root: Path, invocation: Path, named: Iterable[object]) -> list[Path]:
    """The paths that stay writable in the sandbox: the checkout, the working directory, /tmp, and what options name.

    For a file that is to be written its directory is taken, or the nearest one that exists; a system directory never,
    and of the root directory only the file itself.
    """
    wanted = [root, invocation, Path("/tmp")]
    for value in named:
        if isinstance(value, str | Path) and "/" in str(value):
            path = Path(os.path.normpath(invocation / value))
            wanted.append(path if path.parent == Path("/") and not path.is_dir() else _nearest_directory(path))
    found: list[Path] = []
    for path in wanted:
        resolved = path.resolve()
        if resolved != Path("/") and not _is_system(resolved) and resolved not in found:
            found.append(resolved)
    return found


def _nearest_directory(path: Path) -> Path:
    return next(each for each in (path, *path.parents) if each.is_dir())


def _is_system(path: Path) -> bool:
    return any(path == Path(each) or Path(each) in path.parents for each in _SYSTEM)


def prepare_report_directory(directory: Path) -> None:
    """Make the report directory; TargetError if nothing can be written there."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TargetError(f"--report-dir {directory}: {error.strerror}; name a directory that you may write") from None
    if not os.access(directory, os.W_OK | os.X_OK):
        raise TargetError(f"--report-dir {directory}: not writable; name a directory that you may write")


def inner_command(arguments: Sequence[str]) -> list[str]:
    """The command line of the pytest inside."""
    return [sys.executable, "-m", "pytest", *arguments]
