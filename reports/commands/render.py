"""``python -m reports [render] RECORD...``: the HTML report of a run from its record."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from reports.pages.render import render

HELP = "make the HTML report of a run again, or for the first time"

DESCRIPTION = """\
Make the HTML report of a run from its record, again or for the first time.

`pytest labs/` writes a record (record.jsonl) while it runs and renders it at the end. A run that died has left a
record too: this shows how far it came. The report is one index.html and one page a lab; each opens in a browser
from the disk, without a network. The word `render` may be left out.
"""

EPILOG = """\
examples:
  python -m reports reports/site/record.jsonl                 render again, beside the record
  python -m reports record.jsonl --report-dir /tmp/report     render elsewhere
  python -m reports render --single record.jsonl              one file with all labs in it
  python -m reports record-gw0.jsonl record-gw1.jsonl         one report of a run on several xdist workers

It prints the path of the index. Records of different runs: see `python -m reports merge --help`.
"""


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument(
        "records", nargs="+", type=Path, metavar="RECORD", help="record of a run (JSON lines); several are merged"
    )
    parser.add_argument(
        "--report-dir", type=Path, metavar="DIR", help="folder for the pages (default: that of the first record)"
    )
    parser.add_argument(
        "--single", action="store_true", help="the whole course in one file: index.html, to be sent or put online"
    )


def run(options: Namespace) -> int:
    """Render the records that the command line names."""
    print(render(options.records, options.report_dir or options.records[0].parent, options.single))
    return 0
