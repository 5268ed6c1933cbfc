"""Two ways of the same work, timed in turn: the machine may slow down in between, the ratio stays."""

import statistics
import time
from collections.abc import Callable


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare(ours: Callable[[], object], theirs: Callable[[], object], runs: int) -> tuple[float, float]:
    """The medians of both in seconds; each is called once before, for the caches."""
    ours(), theirs()
    own, other = [], []
    for _ in range(runs):
        other.append(seconds(theirs))
        own.append(seconds(ours))
    return statistics.median(own), statistics.median(other)


def report(name: str, median: float, other_name: str, other: float, goal: float | None = None) -> int:
    """Print both medians and their ratio; 0 if the ratio is within the goal."""
    width = max(len(name), len(other_name), 24)
    ratio = median / other
    verdict = "" if goal is None else f"    goal at most {goal}: {'reached' if ratio <= goal else 'missed'}"
    print(f"{name:<{width}} {median * 1000:9.2f} ms")
    print(f"{other_name:<{width}} {other * 1000:9.2f} ms")
    print(f"{'ratio':<{width}} {ratio:9.2f}{verdict}")
    return 0 if goal is None or ratio <= goal else 1
