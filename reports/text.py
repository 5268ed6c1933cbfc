"""Text for pages: what was observed (hostile until shown as text) and what a lesson says (a little markup)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from markupsafe import Markup, escape

from record.text import visible


def size(count: int) -> str:
    """A number of bytes for people: ``512 B``, ``104 KiB``, ``7.1 MiB``."""
    value, units = float(count), ["B", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1023.95 and len(units) > 1:
        value, units = value / 1024, units[1:]
    return f"{value:.1f}".removesuffix(".0") + f" {units[0]}" if value < 100 else f"{value:.0f} {units[0]}"


def breakable(name: str) -> Markup:
    """A name that may be broken where its parts meet: MountPoint between the words, a path behind its slashes."""
    parts = re.split(r"(?<=[/._-])(?=[^/._-])|(?<=[a-z])(?=[A-Z])", name)
    return Markup("<wbr>").join(escape(part) for part in parts)


INLINE = re.compile(
    r"`(?P<code>[^`]+)`|(?<![\w*.])\*(?P<em>\w[^*]*)\*"  # no emphasis: kernel.msg*, kernel.shm*
    r"|(?P<page>\b[A-Za-z_][\w.+-]*)\((?P<section>[1-8])\)|(?P<url>https?://[^\s<>\"')\]]+[^\s<>\"')\].,;:])"
)

_DEBIAN = {"aufs", "docker-run", "mergerfs", "sudo", "sudoers", "unionfs"}
"""Man pages that man7.org does not have, and Debian has."""


def prose(text: str) -> Markup:
    """A lesson's text as HTML: paragraphs, indented blocks, `code`, *emphasis*, man pages and addresses as links."""
    return Markup("\n").join(_block(block) for block in blocks(text))


def blocks(text: str) -> list[str]:
    """The paragraphs and indented blocks of a lesson's text."""
    parts = re.split(r"\n[ \t]*\n", visible(text, keep="\n\t").strip("\n"))
    return [block for block in _joined(parts) if block.strip()]


def _joined(blocks: list[str]) -> list[str]:
    """Put indented blocks that follow each other back together: a program may hold empty lines."""
    joined: list[str] = []
    for block in blocks:
        if joined and _indented(block) and _indented(joined[-1]):
            joined[-1] += "\n\n" + block
        else:
            joined.append(block)
    return joined


def _indented(block: str) -> bool:
    return all(line.startswith(("    ", "\t")) for line in block.splitlines() if line.strip())


def sample(block: str) -> str | None:
    """The text of an indented block; None for another one."""
    if not _indented(block):
        return None
    return "\n".join(line[1:] if line.startswith("\t") else line[4:] for line in block.splitlines())


def _block(block: str) -> Markup:
    code = sample(block)
    if code is not None:
        return Markup("<pre class=sample tabindex=0>{}</pre>").format(code)
    return Markup("<p>{}</p>").format(inline(block))


def inline(text: str, plain: Callable[[str], Markup] = escape) -> Markup:
    """`code`, *emphasis*, man pages and addresses of one stretch of text, everything else by `plain`."""
    parts: list[Markup] = []
    at = 0
    for found in INLINE.finditer(text):
        parts += [plain(text[at : found.start()]), _inline(found)]
        at = found.end()
    return Markup("").join([*parts, plain(text[at:])])


def _inline(found: re.Match[str]) -> Markup:
    kind = found.lastgroup
    if kind in ("code", "em"):
        return Markup(f"<{kind}>{{}}</{kind}>").format(found[kind])
    if kind == "url":
        return Markup('<a href="{0}" rel="noreferrer">{0}</a>').format(found["url"])
    return Markup('<a href="{}" rel="noreferrer">{}</a>').format(man_page(found["page"], found["section"]), found[0])


def man_page(page: str, section: str) -> str:
    """The address of a man page."""
    if page in _DEBIAN:
        return f"https://manpages.debian.org/{page}.{section}"
    return f"https://man7.org/linux/man-pages/man{section}/{page}.{section}.html"


LONGEST = 100
"""Characters of a file's name before its suffix."""


def file_names(names: Iterable[str], suffix: str, taken: Iterable[str] = ()) -> list[str]:
    """File names for what a record calls by any text (``../../x``, 300 characters): plain, short, each another one.

    Names that differ by case only count as the same, as some file systems have it; so do those that are `taken`.
    """
    used, found = {name.casefold() for name in taken}, []
    for name in names:
        plain = free = re.sub(r"[^A-Za-z0-9_]+", "-", name).strip("-")[:LONGEST] or "x"
        number = 1
        while f"{free}{suffix}".casefold() in used:
            number += 1
            free = f"{plain}-{number}"
        used.add(f"{free}{suffix}".casefold())
        found.append(f"{free}{suffix}")
    return found
