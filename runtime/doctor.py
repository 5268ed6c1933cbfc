"""What this machine can show, and how to enable the rest, as a table."""

from collections.abc import Mapping

from rich.table import Table
from rich.text import Text

from record.events import Ability
from runtime.lab import machine


def table(facts: machine.Facts, abilities: Mapping[str, Ability]) -> Table:
    title = f"{facts.distribution}, Linux {facts.kernel}, {facts.machine}, cgroup {facts.cgroup}"
    found = Table(title=title, title_justify="left")
    found.add_column("what")
    found.add_column("here?", justify="center")
    found.add_column("why not, and how to enable it", overflow="fold")
    told: set[str] = set()
    for name, ability in abilities.items():
        answer = Text("yes", "green") if ability.ok else Text("no", "red")
        how = "as above" if ability.how in told else ability.how
        found.add_row(name, answer, "" if ability.ok else f"{ability.reason}; to enable it: {how}")
        told.add(ability.how)
    found.add_section()
    for tool in machine.TOOLS:
        version = facts.tools.get(tool)
        found.add_row(
            tool, Text("yes", "green") if version else Text("no", "red"), version or machine.how_to_install(tool)
        )
    return found
