"""Other names for the students of a class: always the same ones for the same names, and not to be read backwards."""

from __future__ import annotations

import re
from base64 import b32encode
from collections.abc import Callable, Iterable
from hashlib import blake2b


def pseudonyms(names: Iterable[str], secret: str) -> dict[str, str]:
    """A pseudonym for each name: ``student 7KQF``, longer where two would be the same.

    It is made from the name and `secret`. Who has a list of the class could try all names, but not without the secret.
    """
    key = blake2b(secret.encode(), digest_size=32).digest()
    codes = {
        name: b32encode(blake2b(name.encode("utf-8", "surrogatepass"), key=key).digest()).decode() for name in names
    }
    length = 4
    while len({code[:length] for code in codes.values()}) < len(codes):
        length += 1
    return {name: f"student {code[:length]}" for name, code in codes.items()}


def censor(names: Iterable[str]) -> Callable[[str], str]:
    """A function that takes names, and the words of names, out of a text."""
    words = {word for name in names for word in [name, *name.split()] if len(word) > 1}
    if not words:
        return str
    pattern = re.compile("|".join(re.escape(word) for word in sorted(words, key=len, reverse=True)), re.IGNORECASE)
    return lambda text: pattern.sub("…", text)
