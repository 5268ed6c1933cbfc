"""Soak tests, run by hand as root: python -m tests.soak COMMAND. Each tells what it did; exit code 1 if it failed."""

import argparse

from tests.soak import entries

COMMANDS = {"entries": entries}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        module.add_options(commands.add_parser(name, help=str(module.__doc__)))
    options = parser.parse_args()
    return int(COMMANDS[options.command].run(options))


if __name__ == "__main__":
    raise SystemExit(main())
