"""``python -m reports merge RECORD... -o FILE``: several records as one."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from reports import ReportError
from reports.comparing.merging import merge
from reports.files import write_file

HELP = "put several records into one: of xdist workers, several VMs, different labs"

DESCRIPTION = """\
Put several records into one record, which then renders, compares and is graded as one run.

It is for the records of the workers of one run (pytest -n), of runs of different labs or exercises, and of the same
labs on equal machines. An exercise that several records hold is taken from the last run that came to its end
in it; one that no run ended is "unsupported" if one found it so, and cut short otherwise.

Runs of different students belong in `python -m reports class`. Runs on different machines are refused, since the
report tells of one machine: see `python -m reports compare`. With --mixed they become one record all the same: facts
that differ stand beside each other, and an exercise that only one of the machines can show is taken from there.
"""

EPILOG = """\
examples:
  python -m reports merge reports/site/record-gw*.jsonl -o record.jsonl
  python -m reports merge vm1/record.jsonl vm2/record.jsonl -o course/record.jsonl
  python -m reports course/record.jsonl                                   render what was merged
"""


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument("records", nargs="+", type=Path, metavar="RECORD", help="record of a run")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the record to write")
    parser.add_argument("--mixed", action="store_true", help="the runs may be of different machines")


def run(options: Namespace) -> int:
    """Merge the records that the command line names."""
    if options.output.resolve() in [record.resolve() for record in options.records]:
        raise ReportError(f"{options.output} is one of the records: name another file with -o.")
    print(write_file(options.output, merge(options.records, options.mixed)))
    return 0
