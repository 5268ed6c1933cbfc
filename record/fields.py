"""One JSON object, read by type: what is missing or of another type gives the empty value of the type asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from record import RecordError


class Fields:
    """`Fields({"a": 1}, where)`; `where` names file and line, for errors."""

    def __init__(self, values: object, where: str) -> None:
        self._values: Mapping[str, object] = values if isinstance(values, dict) else {}
        self.where = where

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def raw(self, key: str) -> object:
        return self._values.get(key)

    def text(self, key: str) -> str:
        value = self._values.get(key)
        if value is None or isinstance(value, dict | list):
            return ""
        return str(value)

    def need(self, key: str) -> str:
        """The text under `key`, which the event makes no sense without."""
        value = self.text(key)
        if not value:
            event = f"{self.text('event')!r} event without {key!r}"
            raise RecordError(f"{self.where}: a {event}; the record is damaged, run the lab again.")
        return value

    def texts(self, key: str) -> list[str]:
        value = self._values.get(key)
        return [str(item) for item in value] if isinstance(value, list) else []

    def each(self, key: str) -> list[object]:
        value = self._values.get(key)
        return list(value) if isinstance(value, list) else []

    def whole(self, key: str, default: int = 0) -> int:
        value = self._values.get(key)
        return int(value) if isinstance(value, int) else default

    def number(self, key: str) -> float:
        value = self._values.get(key)
        return float(value) if isinstance(value, int | float) else 0.0

    def flag(self, key: str) -> bool:
        return self._values.get(key) is True

    def child(self, key: str) -> Fields:
        return Fields(self._values.get(key), self.where)

    def children(self, key: str) -> list[Fields]:
        value = self._values.get(key)
        return [Fields(item, self.where) for item in value if isinstance(item, dict)] if isinstance(value, list) else []
