"""How long does the sandbox take to start and end? sandbox.run against `unshare`.

Ours makes six kinds of namespaces, a keeper, cgroups, and about sixty mounts, and runs the program `true`; theirs makes
the same namespaces with `unshare -muinpCf --mount-proc true`. Then the whole: `pytest labs/` with no exercise selected,
once with --target sandbox and once with --target here. Runs alternate. Run it as root.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.paired import compare, report
from runtime import target
from runtime.sandbox import run as sandbox


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, help="runs of each, alternating (default: %(default)s)")
    options = parser.parse_args()
    plan = sandbox.Plan(["/bin/true"], ROOT, target.writable_paths(ROOT, ROOT, []), dict(os.environ))
    command = ["unshare", "-muinpCf", "--mount-proc", "true"]
    own, other = compare(lambda: sandbox.run(plan), lambda: subprocess.run(command, check=True), options.runs)
    report("sandbox.run", own, " ".join(command), other)

    def pytest(where: str) -> None:
        nothing = ["labs/", "-q", "-k", "no_such_exercise", "--target", where, "-p", "no:cacheprovider"]
        subprocess.run([sys.executable, "-m", "pytest", *nothing], cwd=ROOT, stdout=subprocess.DEVNULL, check=False)

    own, other = compare(lambda: pytest("sandbox"), lambda: pytest("here"), max(3, options.runs // 4))
    report("pytest --target sandbox", own, "pytest --target here", other)
    return 0


if __name__ == "__main__":
    sys.exit(main())
