"""``python -m runtime``: what this machine can show, and the tools for writing labs."""

import argparse
import sys
from collections.abc import Callable

from rich.console import Console

from runtime import doctor
from runtime.lab import machine

USAGE_ERROR = 4  # as pytest's

EPILOG = """\
examples:
  python -m runtime doctor                  what this machine can show
  python -m runtime new-lab 17 registries   begin a lab: it runs as it stands
  python -m runtime check registries        its rules, its run, its mutations, and where its page is
  python -m runtime check uts --watch       the same again each time that a file in labs/ is saved
"""


def main() -> int:
    """Parse the command line and run its command; the exit code: 0, 1 if a check is red, 4 if it could not be done."""
    parser = argparse.ArgumentParser(
        "python -m runtime", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        return command

    add("doctor", _doctor, "a table of what this machine can show; every line was tried, not guessed")
    begin = add(
        "new-lab", _new_lab, "write the first files of a lab: an exercise that runs, two claims, their mutations"
    )
    begin.add_argument("number", type=int, help="its place in the course, 0 to 99")
    begin.add_argument("topic", help="its name: small letters, digits and _")
    look = add("check", _check, "check one lab: its rules, its run, its mutations (as root), and where its page is")
    look.add_argument("lab", help="its name, such as uts, or its file")
    look.add_argument("--watch", action="store_true", help="check again each time that a file in labs/ is saved")
    look.add_argument("--no-mutations", action="store_true", help="leave the mutations out")
    options = parser.parse_args()
    return int(options.run(options))


def _doctor(options: argparse.Namespace) -> int:
    Console().print(doctor.table(machine.facts(), machine.abilities()))
    return 0


def _new_lab(options: argparse.Namespace) -> int:
    from runtime.authoring import new_lab

    try:
        written = new_lab.new_lab(options.number, options.topic)
    except new_lab.NewLabError as error:
        return _refuse(str(error))
    for path in written:
        print(path)
    print(f"Now: .venv/bin/python -m runtime check {options.topic} --watch; docs/authoring.md tells the rest.")
    return 0


def _check(options: argparse.Namespace) -> int:
    from runtime.authoring import check

    try:
        path = check.lab_file(options.lab)
        return int(check.repeatedly(path, not options.no_mutations, options.watch, _say))
    except check.UnknownLabError as error:
        return _refuse(str(error))
    except KeyboardInterrupt:
        return 130


def _say(text: str) -> None:
    print(text, flush=True)


def _refuse(sentence: str) -> int:
    print(f"runtime: {sentence}", file=sys.stderr)
    return USAGE_ERROR


if __name__ == "__main__":
    raise SystemExit(main())
