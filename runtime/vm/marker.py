"""What provisioning leaves in a lab VM: a file that says that labs may change this machine, and what machine it is."""

from pathlib import Path

PATH = Path("/etc/unshared-vm")  # `touch` it in a VM of your own


def read() -> dict[str, str]:
    """What the marker of this machine says (name, box, provisioned); empty outside a VM."""
    return parse(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}


def parse(text: str) -> dict[str, str]:
    """The ``name=value`` lines of a marker."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {name.strip(): value.strip() for name, equals, value in pairs if equals}
