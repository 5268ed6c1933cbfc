"""How long does it take to start and end a child in new namespaces? run_in_new against `unshare`.

Both make a mount, a UTS, an IPC, a PID and a network namespace; ours is a Python function in a fork of the running
Python, theirs the program `true`, started through `unshare -muipnf true`. Runs alternate. Without root both add a
user namespace.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.paired import compare, report
from runtime.kernel.namespaces import run_in_new
from runtime.kernel.syscalls import Clone

FIVE = Clone.NEWNS | Clone.NEWUTS | Clone.NEWIPC | Clone.NEWPID | Clone.NEWNET


def nothing() -> None:
    """What the child does."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100, help="runs of each, alternating (default: %(default)s)")
    parser.add_argument("--goal", type=float, default=1.0, help="highest ratio that passes (default: %(default)s)")
    parser.add_argument("--user", action="store_true", help="add a user namespace (always so without root)")
    options = parser.parse_args()
    if not shutil.which("unshare"):
        parser.error("unshare (util-linux) is not installed")

    user = options.user or os.geteuid() != 0
    flags = FIVE | Clone.NEWUSER if user else FIVE
    command = ["unshare", "-muipnf", *(["-r"] if user else []), "true"]

    def ours() -> None:
        run_in_new(flags, nothing)

    def theirs() -> None:
        subprocess.run(command, check=True)

    print(f"{options.runs} runs each, medians, start to end of one child")
    median, other = compare(ours, theirs, options.runs)
    return report("run_in_new", median, " ".join(command), other, options.goal)


if __name__ == "__main__":
    sys.exit(main())
