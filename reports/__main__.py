"""``python -m reports RECORD...``: render the record of a run again."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from reports import ReportError
from reports.render import render

USAGE_ERROR = 4  # as pytest's

DESCRIPTION = """\
Make the HTML report of a run from its record, again or for the first time.

`pytest labs/` writes a record (record.jsonl) while it runs and renders it at the end. A run that died has left a
record too: this shows how far it came. The report is one index.html and one page a lab; each opens in a browser
from the disk, without a network.
"""

EPILOG = """\
examples:
  python -m reports reports/site/record.jsonl                 render again, beside the record
  python -m reports record.jsonl --report-dir /tmp/report     render elsewhere
  python -m reports record-gw0.jsonl record-gw1.jsonl         one report of a run on several xdist workers

exit codes: 0 the report was written (its path is printed), 4 it was not (one sentence on stderr says what to do).
"""


class _Parser(argparse.ArgumentParser):
    """Tells a usage error as one sentence, as every other error is told."""

    def error(self, message: str) -> NoReturn:
        raise ReportError(f"{message}; `{self.prog} --help` shows how it is used.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Render what the command line names; returns the exit code."""
    parser = _Parser(
        prog="python -m reports",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "records", nargs="+", type=Path, metavar="RECORD", help="record of a run (JSON lines); several are merged"
    )
    parser.add_argument(
        "--report-dir", type=Path, metavar="DIR", help="folder for the pages (default: that of the first record)"
    )
    try:
        options = parser.parse_args(arguments)
        print(render(options.records, options.report_dir or options.records[0].parent))
    except ReportError as error:
        print(f"reports: {error}", file=sys.stderr)
        return USAGE_ERROR
    return 0


if __name__ == "__main__":
    sys.exit(main())
