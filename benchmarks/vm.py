"""How long does a second `pytest labs/ --target vm` take to start and end? Against the same pytest by ssh alone.

Ours finds the machine, checks its key and its provisioning, compares the sources, runs pytest, and brings back what it
wrote; theirs is `ssh lab sudo ... python -m pytest`, with the sources there. No exercise is selected. Runs alternate.
The machine must be running (vagrant up).
"""

import argparse
import os
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.paired import compare, report
from runtime.vm import machine, paths
from runtime.vm.run import PYTHON

GOAL = 0.5  # seconds besides ssh
NOTHING_RAN = 5  # pytest's exit code


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="runs of each, alternating (default: %(default)s)")
    parser.add_argument("--machine", default=machine.PRIMARY, help="its name in the Vagrantfile (default: %(default)s)")
    options = parser.parse_args()
    found = machine.find(options.machine, ROOT, os.environ)
    pytest = ["-m", "pytest", "labs/", "-q", "-k", "no_such_exercise", "-p", "no:cacheprovider"]
    inner = shlex.join(["env", "-C", str(paths.inside(ROOT)), PYTHON, *pytest])
    inner = f'if [ "$(id -u)" = 0 ]; then exec {inner}; else exec sudo -n {inner}; fi'

    def run(command: list[str]) -> None:
        ended = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        if ended.returncode != NOTHING_RAN:
            sys.exit(f"exit code {ended.returncode} instead of {NOTHING_RAN}: {shlex.join(command)}")

    own, other = compare(
        lambda: run([sys.executable, *pytest, "--target", f"vm:{options.machine}"]),
        lambda: run(["ssh", "-F", str(found.config), options.machine, inner]),
        options.runs,
    )
    report("pytest --target vm", own, "ssh ... python -m pytest", other)
    verdict = "reached" if own - other <= GOAL else "missed"
    print(f"overhead besides ssh     {(own - other) * 1000:9.2f} ms    goal at most {GOAL * 1000:.0f} ms: {verdict}")
    return 0 if own - other <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
