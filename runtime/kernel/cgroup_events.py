"""Events of cgroup files: what a program waits for instead of looking again and again. eventfd(2), poll(2)."""

import os
import select
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

from runtime.kernel.cgroup_files import parsed

JSON: TypeAlias = Any
TIMEOUT = 10.0  # seconds that a killed process, or the kernel, may take


class Watch:
    """Waits for events of one file of a cgroup of version 1 or 2, as a `with` statement.

    Version 1 takes memory.oom_control, memory.pressure_level (argument: low, medium, critical) and usage files
    (argument: a threshold in bytes), and counts the events in an eventfd(2) that is made known in cgroup.event_control.
    In version 2 poll(2) tells that memory.events, cgroup.events or a pressure file (argument: "some 100000 1000000",
    microseconds of stall in a window) has something new.
    """

    def __init__(self, directory: Path, version: int, name: str, argument: str = "") -> None:
        self._version = version
        with ExitStack() as stack:
            self._file = os.open(directory / name, os.O_RDWR if argument and self._version == 2 else os.O_RDONLY)
            stack.callback(os.close, self._file)
            self._event = os.eventfd(0, os.EFD_CLOEXEC) if self._version == 1 else -1
            if self._version == 1:
                stack.callback(os.close, self._event)
                line = f"{self._event} {self._file} {argument}".strip()
                (directory / "cgroup.event_control").write_text(line)
            elif argument:
                os.write(self._file, argument.encode())
            self._name = name
            self.read()
            self._stack = stack.pop_all()

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stack.close()

    def read(self) -> JSON:
        """The content of the file now; events of version 2 that came before are forgotten."""
        try:
            return parsed(self._name, os.pread(self._file, 1 << 16, 0).decode())
        except OSError:
            return None  # memory.pressure_level of version 1 has no content

    def wait(self, timeout: float = TIMEOUT) -> int:
        """The number of events since the last wait (always 1 in version 2). TimeoutError after `timeout` seconds."""
        poll = select.poll()
        poll.register(*((self._event, select.POLLIN) if self._version == 1 else (self._file, select.POLLPRI)))
        if not poll.poll(max(0.0, timeout) * 1000):
            raise TimeoutError(f"{self._name}: no event within {timeout:g} s; it says {self.read()}")
        return os.eventfd_read(self._event) if self._version == 1 else 1

    def until(self, fits: Callable[[JSON], bool], timeout: float = TIMEOUT) -> JSON:
        """Wait, event by event, until the content of the file fits, and return it."""
        deadline = time.monotonic() + timeout
        while not fits(content := self.read()):
            self.wait(deadline - time.monotonic())
        return content
