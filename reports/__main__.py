"""``python -m reports``: what can be made of the records of runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import NoReturn

from record import RecordError
from reports import ReportError

COMMANDS = {
    "render": "reports.commands.render",
    "compare": "reports.commands.compare",
    "class": "reports.commands.classroom",
    "merge": "reports.commands.merge",
    "grade": "reports.commands.grade",
    "handout": "reports.commands.handout",
    "pdf": "reports.commands.pdf",
    "cast": "reports.commands.cast",
}
"""The modules by the words of the command line, in the order of the help."""

USAGE_ERROR = 4  # as pytest's

DESCRIPTION = """\
Make something of the records of runs. `pytest labs/` writes a record (reports/site/record.jsonl) while it runs; a
record is all that is needed here. Without the name of a command the records are rendered.
"""

EPILOG = """\
examples:
  python -m reports reports/site/record.jsonl      the HTML report again, beside the record
  python -m reports compare v1.jsonl v2.jsonl      two machines side by side: compare.html
  python -m reports class runs/*.jsonl             what a class did: class.html
  python -m reports grade runs/*.jsonl --format csv
  python -m reports render --help                  how one command is used, with examples

exit codes: 0 it was made (its path is printed), 1 claims differ (`compare --exit-code`), 4 it was not made (one
sentence on stderr says what to do).
"""


class _Parser(argparse.ArgumentParser):
    """Tells a usage error as one sentence, as every other error is told."""

    def error(self, message: str) -> NoReturn:
        raise ReportError(f"{message}; `{self.prog} --help` shows how it is used.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] not in ([word] for word in (*COMMANDS, "-h", "--help")):
        given.insert(0, "render")
    try:
        options = _parser().parse_args(given)
        return int(options.run(options))
    except RecordError as error:
        print(f"reports: {error}", file=sys.stderr)
        return USAGE_ERROR


def _parser() -> _Parser:
    parser = _Parser("python -m reports", description=DESCRIPTION, epilog=EPILOG, formatter_class=_AsWritten)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, path in COMMANDS.items():
        module: ModuleType = import_module(path)
        command = commands.add_parser(name, help=module.HELP, formatter_class=_AsWritten)
        module.configure(command)
        command.set_defaults(run=module.run)
    return parser


_AsWritten = argparse.RawDescriptionHelpFormatter


if __name__ == "__main__":
    sys.exit(main())
