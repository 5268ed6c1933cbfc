"""Values as JSON, whatever texts a kernel or a lab gives."""

from __future__ import annotations

import re
from typing import Any

from msgspec import json, to_builtins


def encode(value: Any) -> bytes:
    """`value` as JSON."""
    try:
        return json.encode(value, enc_hook=_plain)
    except UnicodeEncodeError:
        return json.encode(readable(to_builtins(value, enc_hook=_plain)))


def _plain(value: Any) -> str:
    """A text of a class of its own, such as the output of a command, as a text."""
    if isinstance(value, str):
        return str.__str__(value)
    raise TypeError(f"{type(value).__name__} {value!r} cannot stand in a record")


def readable(value: Any) -> Any:
    """`value` with texts that are Unicode: bytes of file names that are no UTF-8, which Python keeps as lone
    surrogates, stand as \\xNN."""
    if isinstance(value, str):
        return re.sub("[\ud800-\udfff]", _spelled, value)
    if isinstance(value, dict):
        return {readable(key): readable(item) for key, item in value.items()}
    return [readable(item) for item in value] if isinstance(value, list | tuple) else value


def _spelled(surrogate: re.Match[str]) -> str:
    code = ord(surrogate[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"
