"""``python -m runtime doctor``: what this machine can show, and how to enable the rest."""

import argparse

from rich.console import Console
from rich.table import Table
from rich.text import Text

from runtime.lab import machine


def main() -> int:
    """Parse the command line and run its command; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m runtime", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("doctor", help="a table of what this machine can show; every line was tried, not guessed")
    parser.parse_args()
    Console().print(_doctor(machine.facts()))
    return 0


def _doctor(facts: machine.Facts) -> Table:
    title = f"{facts.distribution}, Linux {facts.kernel}, {facts.machine}, cgroup {facts.cgroup}"
    table = Table(title=title, title_justify="left")
    table.add_column("what")
    table.add_column("here?", justify="center")
    table.add_column("why not, and how to enable it", overflow="fold")
    for name, ability in facts.can.items():
        answer = Text("yes", "green") if ability.ok else Text("no", "red")
        reason = "" if ability.ok else f"{ability.reason}; to enable it: {ability.how}"
        table.add_row(name, answer, reason)
    table.add_section()
    for tool in machine.TOOLS:
        version = facts.tools.get(tool)
        table.add_row(tool, Text("yes", "green") if version else Text("no", "red"), version or "./provision.sh")
    return table


if __name__ == "__main__":
    raise SystemExit(main())
