"""How long does a command in a window take? Window.run against the same text typed to bash through a bare pty.

The bare side types the line and reads until a marker that the line itself prints; it knows no status, records nothing
and does not look whether the shell still lives. Runs alternate.
"""

import argparse
import os
import pty
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.paired import compare, report
from record.writer import Recorder
from runtime.lab.terminal import write_start_files
from runtime.lab.window import Window


class BarePty:
    """bash on a pseudo-terminal, and nothing else."""

    def __init__(self) -> None:
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execv("/bin/bash", ["bash", "--norc"])

    def run(self, line: str) -> None:
        os.write(self.terminal, f'{line}; echo E""ND\n'.encode())  # in two halves: its echo is not its output
        seen = b""
        while b"END\r\n" not in seen:
            seen += os.read(self.terminal, 65536)

    def close(self) -> None:
        os.close(self.terminal)
        os.waitpid(self.pid, 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=300, help="commands of each, alternating (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        write_start_files(home)
        recorder = Recorder(home / "record.jsonl")
        window, bare = Window("first", home, recorder.emit), BarePty()
        for line in ("true", "hostname", "ls -l /proc/self/ns"):
            own, other = compare(lambda text=line: window.run(text), lambda text=line: bare.run(text), options.runs)
            print(f"`{line}`, {options.runs} times each, medians")
            report("Window.run", own, "bare pty", other)
        window.close()
        bare.close()
        recorder.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
