"""A claim of the notes as a page shows it: what they say, what this machine showed, and since when."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from record.model import Claim, ClaimVerdict, Observation
from record.text import value_text


@dataclass(frozen=True)
class Sight:
    """A place that makes a claim visible, and what stood there: each value with the processes that had it."""

    path: str
    field: str
    values: list[tuple[str, list[str]]]


@dataclass(frozen=True)
class ClaimView:
    """A claim with what this run found; `owner` is the anchor of the step that earned it."""

    claim: Claim
    verdict: str
    reason: str = ""
    how: str = ""
    owner: str = ""
    number: str = ""
    sights: list[Sight] = field(default_factory=list)

    @property
    def since(self) -> str:
        """The kernel that the claim hangs on, as its reference (or else its truth) tells: ``Linux 3.8 and 3.19``."""
        found = _VERSION.search(self.claim.reference) or _SINCE.search(self.claim.truth)
        return f"Linux {found[1]}" if found else ""


_NUMBERS = r"Linux (\d+\.\d+(?:\.\d+)?(?:(?:, | and )\d+\.\d+(?:\.\d+)?)*)"
_VERSION = re.compile(rf"(?<!of )(?<!before )\b{_NUMBERS}")
_SINCE = re.compile(rf"(?i:since|from) {_NUMBERS}")


def claim_view(claim: Claim, verdict: ClaimVerdict | None, owner: str, number: str = "") -> ClaimView:
    """The claim with its verdict; without one this run did not come to it."""
    if verdict is None:
        return ClaimView(claim, "open", owner=owner, number=number)
    return ClaimView(claim, verdict.verdict or "open", verdict.reason, verdict.how, owner, number)


SIGHTS = 6
"""Places of one claim that are shown."""
WIDTH = 160
"""Characters of one value that are shown."""


def sights(claim: Claim, moment: Observation | None) -> list[Sight]:
    """What the places where `claim` is visible held at that moment; places that nobody watched are left out."""
    found = [sight for place in claim.visible_in for sight in _sights(place, moment)]
    return list({(sight.path, sight.field): sight for sight in found}.values())[:SIGHTS]


def _sights(place: str, moment: Observation | None) -> Iterator[Sight]:
    """`place` is a path, perhaps with fields behind it: ``/proc/PID/status CapEff, Seccomp``."""
    watched = [(process.label, process.state or {}) for process in (moment.processes if moment else [])]
    path = max((path for _, state in watched for path in state if f"{place} ".startswith(f"{path} ")), default="")
    if not path:
        return
    for name in re.findall(r"\w+", place[len(path) :]) or [""]:
        values: dict[str, list[str]] = {}
        for label, state in watched:
            if path in state and (text := _text(state[path], name)) is not None:
                values.setdefault(text, []).append(label)
        if values:
            yield Sight(path, name, list(values.items()))


def _text(value: object, name: str) -> str | None:
    if name:
        return value_text(value[name], WIDTH) if isinstance(value, Mapping) and name in value else None
    text = value_text(value, WIDTH)
    if isinstance(value, list | Mapping) and len(text) > WIDTH:  # a table: the tab State has its rows
        return None
    return text
