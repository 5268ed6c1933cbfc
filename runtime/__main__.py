"""``python -m runtime doctor``: what this machine can show, and how to enable the rest."""

import argparse
from collections.abc import Mapping

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
    Console().print(_doctor(machine.facts(), machine.abilities()))
    return 0


def _doctor(facts: machine.Facts, abilities: Mapping[str, machine.Ability]) -> Table:
    title = f"{facts.distribution}, Linux {facts.kernel}, {facts.machine}, cgroup {facts.cgroup}"
    table = Table(title=title, title_justify="left")
    table.add_column("what")
    table.add_column("here?", justify="center")
    table.add_column("why not, and how to enable it", overflow="fold")
    told: set[str] = set()
    for name, ability in abilities.items():
        answer = Text("yes", "green") if ability.ok else Text("no", "red")
        how = "as above" if ability.how in told else ability.how
        table.add_row(name, answer, "" if ability.ok else f"{ability.reason}; to enable it: {how}")
        told.add(ability.how)
    table.add_section()
    for tool in machine.TOOLS:
        version = facts.tools.get(tool)
        table.add_row(
            tool, Text("yes", "green") if version else Text("no", "red"), version or machine.how_to_install(tool)
        )
    return table


if __name__ == "__main__":
    raise SystemExit(main())
