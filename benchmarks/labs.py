"""How much does the harness add? The labs against bash that is given the same commands, without a harness.

A run of the labs leaves a record. For each exercise the commands that were typed in its windows are given, one bash a
window, to bash as a script on its standard input, in fresh namespaces. An exercise counts only where this can be done:
the script ends within the time limit (a window that waits for another one does not), and something was typed. What is
compared is the time of the exercises in the record (windows, observations and system calls included) with the time of
these scripts. Run it as root.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from record import events
from record.reading import LARGE, Record

NAMESPACES = ["unshare", "-muinpCf", "--mount-proc"]
PREPARE = "cp -r {root}/labs/programs /tmp/p 2>/dev/null; cd $(mktemp -d)\n"


def run_labs(directory: Path) -> Path:
    command = [sys.executable, "-m", "pytest", "labs/", "-q", "--report-dir", str(directory), "-p", "no:cacheprovider"]
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    return directory / "record.jsonl"


def scripts_of(record: Path) -> tuple[dict[tuple[str, str], str], dict[str, float]]:
    """The script of each (exercise, window), and the seconds of each passed exercise."""
    typed: dict[tuple[str, str], str] = defaultdict(str)
    seconds: dict[str, float] = {}
    exercise = ""
    for event in Record(record, LARGE):
        if isinstance(event, events.Exercise):
            exercise = event.exercise
        elif isinstance(event, events.Command):
            typed[exercise, event.window] += event.text + "\n"
        elif isinstance(event, events.ExerciseEnd) and event.outcome == "passed":
            seconds[event.exercise] = event.seconds
    return dict(typed), seconds


def time_script(script: str, limit: float) -> float | None:
    """Seconds of one bash with the script on its standard input; None if it does not end in time."""
    began = time.perf_counter()
    try:
        subprocess.run(
            [*NAMESPACES, "bash", "--norc"],
            input=script,
            text=True,
            timeout=limit,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=float, default=3.0, help="seconds for a script (default: %(default)s)")
    parser.add_argument("--goal", type=float, default=1.5, help="highest ratio that passes (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        typed, seconds = scripts_of(run_labs(Path(directory)))
    bare: dict[str, float] = defaultdict(float)
    left_out = set(seconds) - {exercise for exercise, _ in typed}
    for (exercise, _), script in typed.items():
        taken = time_script(PREPARE.format(root=ROOT) + script, options.limit)
        if taken is None:
            left_out.add(exercise)
        else:
            bare[exercise] += taken
    counted = [exercise for exercise in seconds if exercise not in left_out]
    ours, theirs = sum(seconds[each] for each in counted), sum(bare[each] for each in counted)
    print(f"{len(counted)} exercises counted, {len(left_out)} left out")
    print(f"{'labs':<6} {ours:7.2f} s\n{'bash':<6} {theirs:7.2f} s")
    verdict = "reached" if ours / theirs <= options.goal else "missed"
    print(f"{'ratio':<6} {ours / theirs:7.2f}    goal at most {options.goal}: {verdict}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
