"""How long does it take to list the namespaces of every process? machine_namespaces() against lsns.

Both answer the same question. lsns is measured as a student runs it, a process from start to end; our side is the call
in a Python that is running, as in a lab. Runs alternate, so that a busy moment of the machine meets both.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from runtime.kernel.snapshot import machine_namespaces


@contextmanager
def sleepers(wanted: int) -> Iterator[list[int]]:
    """Processes of ours, until the machine has `wanted`. All wait at one pipe and end when its other end is closed."""
    read_end, write_end = os.pipe()
    pids = []
    try:
        for _ in range(max(0, wanted - processes())):
            pid = os.fork()
            if pid == 0:  # a sleeper: blocks here, leaves at end of file, also when the program is killed
                os.close(write_end)
                os.read(read_end, 1)
                os._exit(0)
            pids.append(pid)
        yield pids
    finally:
        os.close(read_end)
        os.close(write_end)
        for pid in pids:
            os.waitpid(pid, 0)


def processes() -> int:
    return sum(name.isdigit() for name in os.listdir("/proc"))


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def run_lsns() -> None:
    subprocess.run(["lsns"], stdout=subprocess.DEVNULL, check=True)


def measure(runs: int) -> tuple[float, float]:
    """Medians in seconds: (machine_namespaces, lsns)."""
    run_lsns(), machine_namespaces()  # both once without counting: caches
    ours, theirs = [], []
    for _ in range(runs):
        theirs.append(seconds(run_lsns))
        ours.append(seconds(machine_namespaces))
    return statistics.median(ours), statistics.median(theirs)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, nargs="+", default=[50, 3000], metavar="N", help="default: 50 3000")
    parser.add_argument("--runs", type=int, default=15, help="runs of each, alternating (default: %(default)s)")
    parser.add_argument("--goal", type=float, default=0.5, help="highest ratio that passes (default: %(default)s)")
    options = parser.parse_args()
    if not shutil.which("lsns"):
        parser.error("lsns (util-linux) is not installed")

    print(f"{'processes':>9}  {'machine_namespaces':>18}  {'lsns':>10}  {'ratio':>6}  goal below {options.goal}")
    passed = True
    for wanted in options.processes:
        with sleepers(wanted):
            count = processes()
            ours, theirs = measure(options.runs)
        passed &= ours / theirs < options.goal
        print(f"{count:>9}  {ours * 1000:>15.2f} ms  {theirs * 1000:>7.2f} ms  {ours / theirs:>6.2f}")
    print("goal reached" if passed else "goal missed")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
