"""What was observed, as text: hostile until every character can be seen."""

import unicodedata
from collections.abc import Mapping

_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def visible(text: str, keep: str = "") -> str:
    r"""Show characters that a browser would hide or obey (controls, direction overrides, lone surrogates) as escapes.

    Characters in `keep` stay as they are. ``visible("a\x1b[31m\n")`` is ``a\x1b[31m\n`` spelled out.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char in keep else _spelled(char) for char in text)


def _spelled(char: str) -> str:
    if unicodedata.category(char) not in _HIDDEN:
        return char
    if char in _SHORT:
        return _SHORT[char]
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def value_text(value: object, limit: int = 2000) -> str:
    """One observed value as one line of text; longer than `limit` characters is cut and says so."""
    text = _plain(value)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit} characters more)"


def _plain(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case str():
            return visible(value) if value else "(empty)"
        case {"error": str(name), **rest} if not rest:
            return f"cannot be read: {visible(name)}"
        case Mapping():
            return " ".join(f"{visible(str(key))}={_plain(item)}" for key, item in value.items()) or "(none)"
        case list():
            return " ".join(_plain(item) for item in value) or "(none)"
        case _:
            return visible(str(value))
