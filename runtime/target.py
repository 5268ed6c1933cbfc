"""Where labs run: the decision, and the options that come with it.

Pytest starts anywhere, also on a machine that has nothing but pytest.  Before it collects, it picks the target, and
unless that is ``here`` it runs the same command line inside.  Tests of the project, ``--help`` and the like never go
anywhere.
"""

import importlib.util
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from runtime.checkout import LABS, REPORT_VARIABLE, ROOT, SANDBOX_VARIABLE, WHY_VARIABLE
from runtime.vm import marker, paths
from runtime.vm.machine import PRIMARY, Machine, NotRunningError, VmError, find

TARGETS = ("auto", "vm", "sandbox", "here")
_QUIET = ("help", "version", "collectonly", "markers", "showfixtures", "show_fixtures_per_test", "setuponly")
_PLUGINS = {  # module -> package, and what its options look like
    "xdist": ("pytest-xdist", r"-n(\d+|auto|logical)?$|--(numprocesses|maxprocesses|dist|tx)\b"),
    "pytest_order": ("pytest-order", r"--(order-|indulgent-ordering|sparse-ordering|error-on-failed-ordering)"),
}
_SYSTEM = ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr", "/var/lib")


class TargetError(Exception):
    """The target cannot be had; the message says what to do."""


@dataclass(frozen=True)
class Target:
    """Where the labs run (``vm``, ``sandbox`` or ``here``), one sentence why, and for ``vm`` the machine."""

    name: str
    why: str
    machine: Machine | None = None


CHOSEN = pytest.StashKey[Target]()


def decide(wanted: str, environment: Mapping[str, str]) -> Target:
    """The target for ``--target wanted``; TargetError names what to do if it cannot be had."""
    kind, _, name = wanted.partition(":")
    if kind not in TARGETS or (":" in wanted and (kind != "vm" or not name)):
        raise TargetError(f"--target {wanted}: there is no such target; use {', '.join(TARGETS)} or vm:NAME")
    if SANDBOX_VARIABLE in environment:
        return Target("here", environment.get(WHY_VARIABLE, "sandbox: pytest runs inside it already"))
    if kind == "here":
        return Target("here", "here: it was asked for")
    if kind != "sandbox" and marker.PATH.exists():
        return _inside_the_vm(wanted, environment)
    if kind == "vm":
        machine = _machine(wanted, name or PRIMARY, environment)
        return Target("vm", f"vm: it was asked for: the machine {machine.name} ({machine.provider})", machine)
    reason = "it was asked for"
    if kind == "auto":
        running, reason = running_machine(environment)
        if running:
            return Target("vm", f"vm: the machine {running.name} ({running.provider}) is running", running)
    if not sys.platform.startswith("linux"):
        mend = reason if kind == "auto" else "use the VM (vagrant up)"
        raise TargetError(f"--target {wanted}: labs need Linux, and this is {sys.platform}; {mend}")
    who = "as root" if os.geteuid() == 0 else "in a user namespace, as you are not root"
    return Target("sandbox", f"sandbox: {reason}; {who}")


def _inside_the_vm(wanted: str, environment: Mapping[str, str]) -> Target:
    name = marker.read().get("name", "")
    if WHY_VARIABLE not in environment and ":" in wanted and wanted != f"vm:{name}":
        raise TargetError(f"--target {wanted}: this is the machine {name} already; start pytest on the host")
    return Target("here", environment.get(WHY_VARIABLE, "here: this is the lab VM"))


def _machine(wanted: str, name: str, environment: Mapping[str, str]) -> Machine:
    try:
        return find(name, ROOT, environment)
    except VmError as error:
        raise TargetError(f"--target {wanted}: {error}") from None


def running_machine(environment: Mapping[str, str]) -> tuple[Machine | None, str]:
    """The primary machine of this checkout if it runs, else why not; Vagrant is asked only about what changed."""
    try:
        machine = find(PRIMARY, ROOT, environment)
        if not machine.is_known():
            machine.ask()
    except NotRunningError:
        return None, "no lab VM is running (vagrant up)"
    except VmError as error:
        return None, f"the lab VM cannot be asked: {error}"
    return (machine, "") if machine.is_up() else (None, "no lab VM is running (vagrant up)")


def is_lab_run(config: pytest.Config) -> bool:
    """Whether this pytest runs labs and nothing else, and really runs them."""
    if is_quiet(config) or hasattr(config, "workerinput"):
        return False
    return only_labs(config.args, Path(config.invocation_params.dir), LABS)


def missing_plugin(arguments: Iterable[str]) -> str | None:
    """Say which plugin of pytest a command line needs that is not installed here, if one is."""
    for argument in arguments:
        for module, (package, options) in _PLUGINS.items():
            if re.match(rf"({options})", argument) and importlib.util.find_spec(module) is None:
                return f"{argument} is an option of {package}, which is not installed here: pip install {package}"
    return None


def is_quiet(config: pytest.Config) -> bool:
    """Whether this pytest only tells something, and runs nothing."""
    return any(getattr(config.option, name, False) for name in _QUIET)


def only_labs(arguments: Iterable[str], invocation: Path, labs: Path) -> bool:
    """Whether all arguments of a command line lie under ``labs/``."""
    paths = [Path(os.path.normpath(invocation / argument.partition("::")[0])) for argument in arguments]
    return bool(paths) and all(path == labs or labs in path.parents for path in paths)


def report_directory(config: pytest.Config) -> Path:
    """Where the record and the report of this run are written."""
    given = config.getoption("--report-dir")
    return Path(config.invocation_params.dir, given) if given else ROOT / config.getini("report_dir")


def writable_paths(root: Path, invocation: Path, named: Iterable[object]) -> list[Path]:
    """The paths that stay writable in the sandbox: the checkout, the working directory, /tmp, and what options name.

    For a file that is to be written its directory is taken, or the nearest one that exists; a system directory never,
    and of the root directory only the file itself.
    """
    wanted = [root, invocation, Path("/tmp")]
    for path in paths.named(invocation, named):
        wanted.append(path if path.parent == Path("/") and not path.is_dir() else _nearest_directory(path))
    found: list[Path] = []
    for path in wanted:
        resolved = path.resolve()
        if resolved == Path("/") or _is_system(resolved):
            continue
        if not any(resolved.is_relative_to(each) for each in found):
            found.append(resolved)
    return found


def _nearest_directory(path: Path) -> Path:
    return next(each for each in (path, *path.parents) if each.is_dir())


def _is_system(path: Path) -> bool:
    return any(path == Path(each) or Path(each) in path.parents for each in _SYSTEM)


def shown_report(report: Path, environment: Mapping[str, str]) -> str:
    """The name of a report as the person who started pytest knows it: inside the VM, where it lies on the host."""
    outside = environment.get(REPORT_VARIABLE)
    return f"{outside}{report.name}" if outside else str(report)


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
