"""``python -m reports cast RECORD...``: windows as terminal recordings."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from record.reading import read
from reports.commands.chosen import add_records_and_labs, labs
from reports.exports.casts import casts, paced, written
from reports.files import write_file

HELP = "windows as asciicasts, for asciinema and its player"

DESCRIPTION = """\
Write what each window of each exercise really printed, with its times, as an asciicast: one file a window, with a
marker at each step. A lab runs at the speed of the machine, faster than one can read: see --pace.
"""

EPILOG = """\
examples:
  python -m reports cast reports/site/record.jsonl --lab uts      writes casts/uts-*.cast
  python -m reports cast record.jsonl -o web/casts --pace 2       two seconds to read before each command
  python -m reports cast record.jsonl --v2                        for asciinema before 3.0
"""


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    add_records_and_labs(parser)
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("casts"), metavar="DIR", help="folder for the files (default: casts)"
    )
    parser.add_argument(
        "--pace",
        type=float,
        default=0,
        metavar="SECONDS",
        help="wait this long before each command (default: as it was)",
    )
    parser.add_argument(
        "--v2", action="store_true", help="version 2 of the format, for asciinema before 3.0 (default: version 3)"
    )


def run(options: Namespace) -> int:
    """Write the casts of the labs that the command line names."""
    record = read(options.records)
    for name, cast in casts(labs(record, options.lab)).items():
        write_file(options.output / name, written(paced(cast, options.pace), record, 2 if options.v2 else 3))
    print(options.output)
    return 0
