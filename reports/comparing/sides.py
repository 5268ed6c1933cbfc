"""The runs that a page puts beside each other: their letters and names, and where their own pages stand."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import ascii_uppercase
from urllib.parse import quote

from record.model import Run
from record.reading import read
from reports import ReportError
from reports.pages.story import addresses, files


@dataclass(frozen=True)
class Side:
    """One run; `pages` has the addresses of its lab pages by lab, `steps` of its steps, if these stand beside."""

    letter: str
    name: str
    run: Run
    pages: dict[str, str] = field(default_factory=dict)
    steps: dict[str, str] = field(default_factory=dict)

    def claim(self, lab: str, claim: str) -> str:
        """The address of a claim; "" without a page."""
        return f"{self.pages[lab]}#/claim/{quote(claim)}" if lab in self.pages else ""


def sides(records: Sequence[Path], names: Sequence[str], page: Path) -> list[Side]:
    """Read one run of each record, for a page at `page`; `names` go before the names that the runs tell."""
    if len(names) > len(records):
        raise ReportError(f"{len(names)} names for {len(records)} records: give --name once for each record, in order.")
    if len(records) > len(ascii_uppercase):
        raise ReportError(f"{len(records)} records do not fit beside each other: name {len(ascii_uppercase)} at most.")
    runs = [read([record]) for record in records]
    told = [*names, *_names(runs, records)[len(names) :]]
    return [
        Side(letter, name, run, *_links(run, record.parent, page))
        for letter, name, run, record in zip(ascii_uppercase, told, runs, records, strict=False)
    ]


_TELLING: tuple[Callable[[Run], str], ...] = (
    lambda run: run.facts.vm_name,
    lambda run: run.student,
    lambda run: run.facts.distribution,
    lambda run: run.facts.kernel and f"Linux {run.facts.kernel}",
    lambda run: run.facts.cgroup and f"cgroup {run.facts.cgroup}",
    lambda run: run.facts.uid and ("an ordinary user" if run.facts.rootless else f"user id {run.facts.uid}"),
    lambda run: run.target,
)


def _names(runs: Sequence[Run], records: Sequence[Path]) -> list[str]:
    """What tells the runs apart: the first fact that each has and no two share, or else where their records lie."""
    for tell in _TELLING:
        names = [tell(run) for run in runs]
        if all(names) and len(set(names)) == len(names):
            return names
    folders = [record.resolve().parent.name for record in records]
    return folders if len(set(folders)) == len(folders) else [str(record) for record in records]


def _links(run: Run, folder: Path, page: Path) -> tuple[dict[str, str], dict[str, str]]:
    way = quote(os.path.relpath(folder, page.parent))
    there = {lab.id: file for lab, file in zip(run.labs, files(run), strict=True) if (folder / file).is_file()}
    steps = {step: address for step, address in addresses(run).items() if address.partition("#")[0] in there.values()}
    return {lab: f"{way}/{file}" for lab, file in there.items()}, {s: f"{way}/{a}" for s, a in steps.items()}
