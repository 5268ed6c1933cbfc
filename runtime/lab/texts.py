"""The texts of a lab, which stand as indented blocks in its source."""

import re
from inspect import cleandoc


def clean(block: str) -> str:
    """A block without its indentation, each paragraph in one line.

    What stands four or more columns deeper than the block (a command, a program) keeps its lines.
    """
    return "\n\n".join(_joined(part) for part in re.split(r"\n[ \t]*\n", cleandoc(block)))


def _joined(paragraph: str) -> str:
    lines: list[str] = []
    for line in paragraph.splitlines():
        if lines and not line.startswith(("    ", "\t")) and not lines[-1].startswith(("    ", "\t")):
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(line.rstrip())
    return "\n".join(lines)
