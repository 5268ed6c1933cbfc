"""The cgroups of a run: one directory in every hierarchy where we may make one, named after the run.

A run's id is ``PID-STARTTIME-PIDNAMESPACE`` of the pytest that began it, so that a later run in the same PID namespace
can tell the directories of dead runs.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from runtime.kernel import proc

PREFIX = "unshared-"


def run_id(pid: int | None = None) -> str:
    """The id of the run that process ``pid`` (default: this one) began; empty if there is no such process."""
    pid = pid or os.getpid()
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return f"{pid}-{fields[19]}-{os.stat('/proc/self/ns/pid').st_ino}"


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
        for path in directory.glob(f"{PREFIX}*-{os.stat('/proc/self/ns/pid').st_ino}"):
            run = path.name.removeprefix(PREFIX)
            with suppress(OSError, ValueError):  # another user's, or a keeper removes it at this moment
                if run_id(int(run.partition("-")[0])) != run and not _occupied(path):
                    remove([str(path)])


def _occupied(path: Path) -> bool:
    return any(file.read_text() for file in path.rglob("cgroup.procs"))


def _own_directories() -> Iterator[Path]:
    """Where a run's cgroup is made: below our own one in each v1 hierarchy, at the top of v2 (cgroups(7))."""
    mounts = {}
    for mount in proc.read("/proc/PID/mountinfo", os.getpid()):
        if mount["fstype"] == "cgroup2":
            mounts[""] = mount
        elif mount["fstype"] == "cgroup":
            mounts.update({option: mount for option in mount["super"].split(",")})
    for entry in proc.read("/proc/PID/cgroup", os.getpid()):
        found = mounts.get(entry["controllers"][0] if entry["controllers"] else "")
        if found:
            if found["fstype"] == "cgroup2" and os.access(found["point"], os.W_OK):
                yield Path(found["point"])  # a session's own cgroup holds processes, so it passes no controllers on
                continue
            inside = os.path.relpath(entry["path"], found["root"])
            yield Path(os.path.normpath(os.path.join(found["point"], inside)))


def _inherit_cpuset(path: Path) -> None:
    """A new v1 cpuset has no processors and no memory nodes, and takes no process until it has (cpuset(7))."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (path / name).exists() and not (path / "cgroup.controllers").exists():
            (path / name).write_text((path.parent / name).read_text())
