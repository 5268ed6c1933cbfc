"""The cgroups of a run: one directory in every hierarchy where we may make one, named after the run.

A run's id is ``PID-STARTTIME-PIDNAMESPACE`` of the pytest that began it, so that a later run in the same PID namespace
can tell the directories of dead runs.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from runtime.kernel import cgroups, processes

PREFIX = "unshared-"


def run_id(pid: int | None = None) -> str:
    """The id of the run that process ``pid`` (default: this one) began; empty if there is no such process."""
    pid = pid or os.getpid()
    fields = processes.stat(pid)
    return f"{pid}-{fields[19]}-{_pid_namespace()}" if fields else ""


def create(run: str) -> list[str]:
    """Make the run's cgroups below our own ones; hierarchies that do not let us are left out."""
    made = []
    for directory in _own_directories():
        path = directory / f"{PREFIX}{run}"
        try:
            path.mkdir()
            _inherit_cpuset(path)
        except OSError:
            continue
        made.append(str(path))
    return made


def join(paths: Sequence[str], pid: int) -> None:
    """Move a process into the run's cgroups."""
    for path in paths:
        Path(path, "cgroup.procs").write_text(str(pid))


def remove(paths: Sequence[str]) -> None:
    """Remove cgroups with all below them; their processes must have ended."""
    for path in paths:
        for directory, _, _ in os.walk(path, topdown=False):
            with suppress(OSError):  # gone already, or busy: the others are still to be removed
                os.rmdir(directory)


def sweep() -> None:
    """Remove the cgroups of runs whose pytest and keeper were both killed; those of other users stay."""
    for directory in _own_directories():
        for path in directory.glob(f"{PREFIX}*-{_pid_namespace()}"):
            run = path.name.removeprefix(PREFIX)
            with suppress(OSError, ValueError):  # another user's, or a keeper removes it at this moment
                if run_id(int(run.partition("-")[0])) != run and not _occupied(path):
                    remove([str(path)])


def _occupied(path: Path) -> bool:
    return any(file.read_text() for file in path.rglob("cgroup.procs"))


def _pid_namespace() -> int:
    return os.stat("/proc/self/ns/pid").st_ino


def _own_directories() -> Iterator[Path]:
    """Where a run's cgroup is made: below our own one in each v1 hierarchy, at the top of v2 (cgroups(7))."""
    for tree in cgroups.hierarchies():
        if tree.version == 2 and os.access(tree.point, os.W_OK):
            yield Path(tree.point)  # a session's own cgroup holds processes, so it passes no controllers on
            continue
        with suppress(cgroups.NoControllerError):  # our part of it is not mounted here
            yield cgroups.directory_of(os.getpid(), tree.controllers[0] if tree.version == 1 else "")


def _inherit_cpuset(path: Path) -> None:
    """A new v1 cpuset has no processors and no memory nodes, and takes no process until it has (cpuset(7))."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (path / name).exists() and not (path / "cgroup.controllers").exists():
            (path / name).write_text((path.parent / name).read_text())
