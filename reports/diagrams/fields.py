"""One observed value, read by type: what is missing or of another type gives the empty value of the type asked for.

What a kernel said has no type that could be told beforehand: each file has another form, and may be unreadable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping


class Fields:
    """`Fields({"a": 1})`; of what is no object nothing can be read."""

    def __init__(self, values: object = None) -> None:
        self._values: Mapping[str, object] = values if isinstance(values, dict) else {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def raw(self, key: str) -> object:
        return self._values.get(key)

    def text(self, key: str) -> str:
        value = self._values.get(key)
        if value is None or isinstance(value, dict | list):
            return ""
        return str(value)

    def texts(self, key: str) -> list[str]:
        value = self._values.get(key)
        return [str(item) for item in value] if isinstance(value, list) else []

    def whole(self, key: str, default: int = 0) -> int:
        value = self._values.get(key)
        return int(value) if isinstance(value, int) else default

    def flag(self, key: str) -> bool:
        return self._values.get(key) is True

    def child(self, key: str) -> Fields:
        return Fields(self._values.get(key))

    def children(self, key: str) -> list[Fields]:
        value = self._values.get(key)
        return [Fields(item) for item in value if isinstance(item, dict)] if isinstance(value, list) else []
