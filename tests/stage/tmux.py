"""A real terminal for tests: a pane of a tmux server of its own."""

import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

TIMEOUT = 20.0


class Tmux:
    """A pane with a shell; the screen is looked at when something was printed, never after a time."""

    def __init__(self, columns: int, rows: int, directory: Path, environment: dict[str, str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="unshared-tmux-")
        self._socket = str(Path(self._folder.name, "socket"))
        fifo = Path(self._folder.name, "output")
        os.mkfifo(fifo)
        self._output = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)  # also for writing, so that it never ends
        shell = ["env", "PS1=ready> ", "bash", "--norc", "--noprofile"]
        size = ["-x", str(columns), "-y", str(rows)]
        environment = environment | {"LANG": "C.UTF-8"}
        self._run("-f", "/dev/null", "new-session", "-d", *size, "-c", str(directory), *shell, env=environment)
        self._run("set", "-g", "status", "off", ";", "set", "-s", "escape-time", "0")
        self._run("resize-window", *size)
        self._pid = int(self.value("pid"))
        self._run("pipe-pane", "-O", f"cat > {fifo}")
        self.wait("ready>")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGTERM)
        os.close(self._output)
        self._folder.cleanup()

    def value(self, name: str) -> str:
        """What tmux knows of the pane: ``alternate_on``, ``cursor_flag``, ``pane_pid`` ..."""
        return self._run("display-message", "-p", f"#{{{name}}}").strip()

    def screen(self, escapes: bool = False) -> list[str]:
        """The rows of the terminal as they are seen."""
        return self._run("capture-pane", "-p", "-N", *(["-e"] if escapes else [])).split("\n")[:-1]

    def keys(self, *names: str) -> None:
        """Press keys by tmux's names: Enter, Escape, PgDn ..."""
        self._run("send-keys", *names)

    def type(self, text: str) -> None:
        """Type a text as it is."""
        self._run("send-keys", "-l", text)

    def paste(self, text: str) -> None:
        """Paste a text, marked as such where the program asked for that."""
        self._run("set-buffer", text, ";", "paste-buffer", "-p", "-r")

    def resize(self, columns: int, rows: int) -> None:
        self._run("resize-window", "-x", str(columns), "-y", str(rows))

    def wait(self, wanted: str | Callable[[str], bool]) -> str:
        """Wait until the screen shows a text, or is as a function wants it; gives the screen."""
        fits = (lambda shown: wanted in shown) if isinstance(wanted, str) else wanted
        end = time.monotonic() + TIMEOUT
        while True:
            shown = "\n".join(self.screen())
            if fits(shown):
                return shown
            left = end - time.monotonic()
            assert left > 0, f"{wanted!r} did not appear; the screen is\n{shown}"
            if select.select([self._output], [], [], left)[0]:
                os.read(self._output, 65536)

    def press(self, key: str, wanted: str | Callable[[str], bool]) -> str:
        """Press a key and wait for what it does."""
        self.keys(key)
        return self.wait(wanted)

    def _run(self, *arguments: str, env: dict[str, str] | None = None) -> str:
        command = ["tmux", "-S", self._socket, *arguments]
        return subprocess.run(command, env=env, check=True, capture_output=True, encoding="utf-8", timeout=20).stdout
