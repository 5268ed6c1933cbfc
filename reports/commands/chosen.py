"""The arguments that exports have in common: records of one run, and some of its labs."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from record.model import Lab, Run
from reports import ReportError


def add_records_and_labs(parser: ArgumentParser) -> None:
    """Add RECORD... and --lab."""
    parser.add_argument(
        "records", nargs="+", type=Path, metavar="RECORD", help="record of a run; several are those of its workers"
    )
    parser.add_argument(
        "--lab", action="append", default=[], metavar="LAB", help="only this lab (uts, pid ...); may be given again"
    )


def labs(run: Run, names: Sequence[str]) -> list[Lab]:
    """The labs of those names, in the order of the course; all of them when none is named."""
    held = [lab.id for lab in run.labs]
    if not held:
        raise ReportError("the record holds no lab: it is that of a run that ended before the first one.")
    for name in names:
        if name not in held:
            raise ReportError(f"--lab {name}: the record holds no such lab, but {', '.join(held)}.")
    return [lab for lab in run.labs if not names or lab.id in names]
