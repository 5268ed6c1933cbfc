"""What do a class, grades and a merge of many records cost? Time and memory, against the project before version 2.

One record of a run of all labs is given many names (hard links), so that each is another student, and the commands are
run on all of them: `reports class`, `reports grade --format csv` and `reports merge`. Before version 2 of the record
they read it whole and kept it: 28 s and 2 GB for a class of thirty, 22 s and 1.6 GB for 300 students of one lab. Where
git has that commit it is checked out beside, and measured in turn with today's on the same run in its own version.
Then memory: it must not grow with the number of records.
"""

import argparse
import lzma
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from record.events import End, Exercise, Lab, Run
from record.reading import Record
from record.writer import Lines

BEFORE = "9a3cbf8"  # the last commit with version 1
COMMANDS = {"class": ["class"], "grade": ["grade", "--format", "csv"], "merge": ["merge"]}
SECONDS, MEGABYTES = 6.0, 250.0  # goals: for thirty records; for any number of them


@contextmanager
def checkout(commit: str, folder: Path) -> Iterator[Path | None]:
    """The project as it was at a commit; None where git does not have it."""
    tree = folder / commit
    git = ["git", "-C", str(ROOT), "worktree"]
    added = subprocess.run([*git, "add", "--detach", tree, commit], stderr=subprocess.DEVNULL, check=False)
    try:
        yield tree if added.returncode == 0 else None
    finally:
        subprocess.run([*git, "remove", "--force", tree], stderr=subprocess.DEVNULL, check=False)


def rewritten(record: Path, to: Path, lab: str = "") -> Path:
    """The same run in today's version, or one lab of it."""
    lines, inside = Lines(), True
    with to.open("wb") as file:
        for event in Record(record):
            if isinstance(event, Lab | Exercise):
                inside = not lab or event.lab == lab
            if inside or isinstance(event, Run | End):
                file.write(lines.line(event))
    return to


def named(record: Path, folder: Path, count: int) -> list[Path]:
    """So many students with this record."""
    folder.mkdir()
    names = [folder / f"student{number:04}.jsonl" for number in range(count)]
    for name in names:
        name.hardlink_to(record)
    return names


def measured(tree: Path, command: str, records: list[Path], output: Path) -> tuple[float, float]:
    """Seconds and megabytes (the most that were resident) of one command."""
    arguments = [sys.executable, "-m", "reports", *COMMANDS[command], *map(str, records), "-o", str(output)]
    began = time.perf_counter()
    child = subprocess.Popen(arguments, cwd=tree, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"`reports {command}` ended with {child.returncode}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def show(what: str, seconds: float, megabytes: float, more: str = "") -> None:
    print(f"{what:<44} {seconds:7.2f} s {megabytes:8.0f} MB{more}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", type=Path, help="of a run of all labs (default: the sample of that commit)")
    parser.add_argument("--count", type=int, default=30, help="students of the comparison (default: %(default)s)")
    parser.add_argument("--many", type=int, default=1000, help="students of the look at memory (default: %(default)s)")
    options = parser.parse_args()
    missed = 0
    with tempfile.TemporaryDirectory(prefix="unshared-records-") as name, checkout(BEFORE, Path(name)) as before:
        folder = Path(name)
        given = options.record or (before or ROOT) / "reports" / "sample" / "record.jsonl.xz"
        old = folder / "old.jsonl"
        old.write_bytes(lzma.decompress(given.read_bytes()) if given.suffix == ".xz" else given.read_bytes())
        new = rewritten(old, folder / "new.jsonl")
        print(f"one record: {old.stat().st_size / 1e6:.1f} MB as it was, {new.stat().st_size / 1e6:.1f} MB today")
        olds, news = named(old, folder / "olds", options.count), named(new, folder / "news", options.count)
        for command in COMMANDS:
            seconds, megabytes = measured(ROOT, command, news, folder / "made")
            verdict = "reached" if seconds <= SECONDS else "missed"
            missed += seconds > SECONDS
            show(f"{command}, {options.count} records", seconds, megabytes, f"    goal {SECONDS:g} s: {verdict}")
            if before:
                then, most = measured(before, command, olds, folder / "made")
                show("  before version 2", then, most)
                print(f"{'  ratio':<44} {seconds / then:7.2f}   {megabytes / most:8.2f}")
        one = rewritten(old, folder / "one.jsonl", "uts")
        for what, record in (("all labs", new), ("one lab", one)):
            many = named(record, folder / what.replace(" ", "-"), options.many)
            for command in COMMANDS:
                few = measured(ROOT, command, many[:10], folder / "made")[1]
                seconds, megabytes = measured(ROOT, command, many, folder / "made")
                verdict = "reached" if megabytes <= MEGABYTES else "missed"
                missed += megabytes > MEGABYTES
                show(
                    f"{command}, {options.many} records, {what}",
                    seconds,
                    megabytes,
                    f" ({few:.0f} MB for ten): {verdict}",
                )
    return 1 if missed else 0


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.exit(main())
