"""A record of any size, made of a real one: the content is real, the size is not.

All exercises of the real record become exercises of one lab, again and again, under new names; each copy has namespaces
and pids of its own, as another run would. To reach many observations, each step also watches the processes of the steps
after it.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

Event = dict[str, Any]
LAB = "uts"


def enlarge(record: Path, steps: int, processes: int = 0) -> Iterator[Event]:
    """The events of a run of one lab with so many `steps`; each observation has at least so many `processes`."""
    events = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
    parts = _exercises(events)
    crowd = [process for event in events if event["event"] == "observation" for process in event["processes"]]
    (first, *_) = (event for event in events if event["event"] == "lab")
    claims = [claim for event in events if event["event"] == "lab" for claim in event["claims"]]
    yield next(event for event in events if event["event"] == "run")
    yield first | {"lab": LAB, "exercises": [], "claims": claims}
    taken = 0
    for number, part in enumerate(cycle(parts)):
        copy, strangers = number // len(parts), cycle(crowd[number % len(crowd) :] + crowd)
        inside = 0
        for event in part:
            if event["event"] == "step":
                inside += 1
                if taken + inside > steps:
                    break
            yield _renamed(_crowded(event, processes, strangers), number, copy)
        taken += min(inside, steps - taken)
        yield {"v": 1, "t": 0, "event": "exercise_end", "lab": LAB, "exercise": f"test_{number}", "outcome": "passed"}
        if taken >= steps:
            break
    yield {"v": 1, "t": 1, "event": "end", "exitstatus": 0, "seconds": 1}


def write(record: Path, path: Path, steps: int, processes: int = 0) -> Path:
    """Write the enlarged `record` to `path`."""
    with path.open("w", encoding="utf-8") as file:
        for event in enlarge(record, steps, processes):
            file.write(json.dumps(event, separators=(",", ":")) + "\n")
    return path


def _exercises(events: list[Event]) -> list[list[Event]]:
    """The events of each exercise that has steps, without its end."""
    parts: dict[str, list[Event]] = defaultdict(list)
    name = ""
    for event in events:
        name = f"{event['lab']}/{event['exercise']}" if event["event"] == "exercise" else name
        if event["event"] == "exercise_end":
            name = ""
        elif name:
            parts[name].append(event)
    return [part for part in parts.values() if any(event["event"] == "step" for event in part)]


def _crowded(event: Event, processes: int, strangers: Iterator[Event]) -> Event:
    if event["event"] != "observation" or len(event["processes"]) >= processes:
        return event
    more = islice(strangers, processes - len(event["processes"]))
    return event | {
        "processes": event["processes"]
        + [
            process | {"label": f"{process['label']} {number}", "pid": 5000 + number}
            for number, process in enumerate(more)
        ]
    }


def _renamed(event: Event, number: int, copy: int) -> Event:
    """The event as one of exercise `number`, with the numbers of namespaces moved on by the copy."""
    text = re.sub(r"(?<=:\[)\d{10}(?=\])", lambda found: str(int(found[0]) + 1000 * copy), json.dumps(event))
    moved: Event = json.loads(text)
    moved |= {"lab": LAB} if "lab" in moved else {}
    moved |= {"exercise": f"test_{number}"} if "exercise" in moved else {}
    if moved.get("step"):
        moved["step"] = f"{LAB}/test_{number}/{moved['step'].rpartition('/')[2]}"
    if moved["event"] == "exercise":
        moved["line"] = number
    return moved
