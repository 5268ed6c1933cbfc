"""``python -m reports handout RECORD...``: labs as Markdown."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from msgspec.structs import replace

from record.reading import read
from reports.commands.chosen import add_records_and_labs, labs
from reports.exports.handout import handout
from reports.files import write_file
from reports.pages.story import tell
from reports.text import file_names

HELP = "labs as Markdown: a lesson to print, or to put into a wiki"

DESCRIPTION = """\
Write labs as Markdown: the lesson, what was typed and printed in this run, the claims of the notes with their
verdicts, and a question before each step that has one. The answers stand at the end.
"""

EPILOG = """\
examples:
  python -m reports handout reports/site/record.jsonl --lab uts     writes uts.md here
  python -m reports handout record.jsonl -o course.md               all labs of the record in one handout
"""


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    add_records_and_labs(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="the handout (default: LAB.md, or handout.md for several labs)",
    )


def run(options: Namespace) -> int:
    """Write the handout of the labs that the command line names."""
    record = read(options.records)
    wanted = labs(record, options.lab)
    (name,) = file_names([wanted[0].id], ".md") if len(wanted) == 1 else ["handout.md"]
    text = handout(record, tell(replace(record, labs=wanted)))
    print(write_file(options.output or Path(name), text))
    return 0
