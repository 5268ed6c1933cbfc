"""What a proof of the VM must have brought back.

    check.py BOX REPORTS...     REPORTS: the report directory of one machine, called like the machine

Each machine: pytest ran inside it, and what did not pass needs another machine.  With two machines: every claim has a
verdict on one of them, but those that need aufs.
"""

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from record.verdicts import EXPECTED
from runtime.lab.claims import Catalogue
from runtime.lab.outline import read_outline

ROOT = Path(__file__).resolve().parents[2]
CGROUPS = {"lab": ("v1", "hybrid"), "v2": ("v2",)}
NEED_ANOTHER = {
    "lab": (
        "the controllers are on cgroup v1",
        "the memory controller is on cgroup v1 here",
        "this kernel has no aufs",
    ),
    "v2": ("only cgroup v2 is mounted", "the memory controller is on cgroup v2 here", "this kernel has no aufs"),
}


def read(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / "record.jsonl").read_text().splitlines()]


def check_machine(box: str, directory: Path, events: list[dict[str, Any]]) -> None:
    """The record, the report and the JUnit file of one machine."""
    name = directory.name
    facts = events[0]["facts"]
    assert facts["vm"], "the labs did not run in a VM"
    assert not facts["sandbox"]
    assert (facts["vm_name"], facts["box"]) == (name, box)
    assert facts["cgroup"] in CGROUPS[name], facts["cgroup"]
    assert facts["can"]["swap"]["ok"], "there is no swap"
    assert events[-1]["event"] == "end"

    ended = [event for event in events if event["event"] == "exercise_end"]
    expected = sum(len(read_outline(path).exercises) for path in labs())
    assert len(ended) == expected, f"{len(ended)} exercises ran, not {expected}"
    failed = [event for event in ended if event["outcome"] != "passed"]
    wrong = [event for event in failed if event.get("how") is None or event["reason"] not in NEED_ANOTHER[name]]
    assert not wrong, "\n".join(f"{event['exercise']}: {event['reason']}" for event in wrong)

    pages = {path.name: path.read_text() for path in directory.glob("*.html")}
    assert len(pages) >= 1 + len(labs()), f"pages are missing: {sorted(pages)}"
    for said in (name, box, facts["kernel"]):
        assert said in pages["index.html"], f"the report does not say {said}"
    assert f'tests="{expected}"' in (directory / "junit.xml").read_text()
    print(f"{name}: {len(ended) - len(failed)} exercises passed, {len(failed)} need another machine; {facts['kernel']}")


def check_together(records: list[list[dict[str, Any]]]) -> None:
    """Over all machines every claim was shown, but those of aufs."""
    verdicts = {
        event["claim"]: event["verdict"]
        for events in records
        for event in events
        if event["event"] == "claim" and event["verdict"] in EXPECTED
    }
    aufs = {
        claim
        for path in labs()
        for exercise in read_outline(path).exercises
        if exercise.name.startswith("test_aufs")
        for claim in exercise.claims
    }
    missing = {claim.id for claim in Catalogue.load()} - verdicts.keys() - aufs
    assert not missing, f"claims without a verdict: {sorted(missing)}"
    print(f"together: {len(verdicts)} claims have a verdict; {len(aufs)} need aufs")


def labs() -> list[Path]:
    return sorted((ROOT / "labs").glob("test_*.py"))


def main(box: str, *names: str) -> None:
    directories = [Path(name) for name in names]
    records = [read(directory) for directory in directories]
    for directory, events in zip(directories, records, strict=True):
        check_machine(box, directory, events)
    if len(directories) > 1:
        check_together(records)


if __name__ == "__main__":
    main(*sys.argv[1:])
