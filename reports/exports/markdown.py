"""Texts as Markdown (CommonMark): what a lesson says keeps its markup, everything else stays text."""

from __future__ import annotations

import re

from record.text import visible
from reports.text import INLINE, blocks, man_page, sample

_SPECIAL = re.compile(r"[\\`*\[\]<>&~|]|(?<![^\W_])_|_(?![^\W_])")


def prose(text: str) -> str:
    """A lesson's text: paragraphs on one line each, indented blocks as fenced ones."""
    return "\n\n".join(_block(block) for block in blocks(text))


def _block(block: str) -> str:
    code = sample(block)
    return paragraph(block) if code is None else fenced(code)


def paragraph(text: str) -> str:
    """`text` as one line that no sign at its start turns into something else."""
    return re.sub(r"^(\d*)([#+=.)-])", r"\1\\\2", inline(" ".join(text.split())))


def inline(text: str) -> str:
    """One stretch of text: `code`, *emphasis*, man pages and addresses; everything else escaped."""
    parts: list[str] = []
    at = 0
    for found in INLINE.finditer(text):
        parts += [escape(text[at : found.start()]), _inline(found)]
        at = found.end()
    return "".join([*parts, escape(text[at:])])


def _inline(found: re.Match[str]) -> str:
    kind = found.lastgroup
    if kind == "code":
        return code(found[kind])
    if kind == "em":
        return f"*{escape(found[kind])}*"
    if kind == "url":
        return f"<{found['url']}>"
    return f"[{escape(found[0])}]({man_page(found['page'], found['section'])})"


def escape(text: str) -> str:
    """`text` without anything that Markdown or HTML would obey; what a page would hide is spelled out."""
    return _SPECIAL.sub(r"\\\g<0>", visible(text))


def code(text: str) -> str:
    """`text` as code inside a line."""
    ticks = _longer_than_any(text, 1)
    pad = " " if text.startswith(("`", " ")) or text.endswith(("`", " ")) else ""
    return f"{ticks}{pad}{visible(text)}{pad}{ticks}"


def fenced(text: str, language: str = "") -> str:
    """`text` as a block of code."""
    fence = _longer_than_any(text, 3)
    return f"{fence}{language}\n{visible(text, keep=chr(10) + chr(9))}\n{fence}"


def _longer_than_any(text: str, least: int) -> str:
    """More backquotes than stand anywhere in `text` side by side."""
    return "`" * max([least, *(len(run) + 1 for run in re.findall("`+", text) if len(run) >= least)])
