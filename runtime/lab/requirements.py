"""What a lab or an exercise needs of the machine, and how it ends where the machine has it not."""

import os

import pytest
from _pytest.outcomes import Skipped

from record.events import Ability
from runtime.lab import machine

MUST_RUN_VARIABLE = "LABS_MUST_RUN"  # "1": what is unsupported counts as failed (CI on a machine that has everything)


class Unsupported(Skipped):
    """This machine cannot show something; ``how`` says how to get one that can."""

    def __init__(self, reason: str, how: str) -> None:
        super().__init__(f"unsupported: {reason}; to enable it: {how}")
        self.reason, self.how = reason, how


def needs(*names: str) -> pytest.MarkDecorator:
    """The marker of what needs ``root``, a program by its name, a file by its path, or what the doctor's table lists.

    ``root`` is uid 0 over all ids of the machine or VM, not the root of an ordinary user's sandbox.
    """
    return pytest.mark.needs(*names)


def missing(name: str) -> Ability | None:
    """Why a need is not met here, or None if it is."""
    if name == "root":
        if os.geteuid() == 0 and not machine.is_rootless():
            return None
        return Ability(False, "it needs root", "run pytest as root, or in the VM (vagrant up)")
    if name in machine.PROBES:
        ability = machine.facts().can[name]
        return None if ability.ok else ability
    if name.startswith("/"):
        return None if os.path.exists(name) else Ability(False, f"there is no {name}", "run ./provision.sh")
    if machine.find_program(name):
        return None
    return Ability(False, f"the program {name} is not installed", machine.how_to_install(name))


def must_run() -> bool:
    """Whether what is unsupported counts as failed."""
    return os.environ.get(MUST_RUN_VARIABLE) == "1"
