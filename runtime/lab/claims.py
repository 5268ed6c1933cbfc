"""The catalogue of claims: what the notes say, and what is true on which kernel.

The claims of labs/test_NN_topic.py stand in labs/test_NN_topic.yaml.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from record import events, verdicts
from runtime.checkout import LABS, lab_name


class ClaimError(Exception):
    """The catalogue, or a use of it, is not in order; the message says where."""


@dataclass(frozen=True)
class Claim:
    """One checkable statement of the notes (or a fact that they miss)."""

    id: str
    lab: str
    section: str
    statement: str
    verdict: events.Judgement
    truth: str
    reference: str
    visible_in: tuple[str, ...] = ()
    kind: Literal["claim", "fact"] = "claim"
    when: tuple[Mapping[str, str], ...] = field(default=(), repr=False)
    mutation: Mapping[str, str] = field(default_factory=dict, repr=False)  # how what its step teaches is taken away

    def on(self, kernel: str, cgroup: str, can: Iterable[str] = ()) -> "Claim":
        """The claim as it stands on a machine: the first entry of ``when`` that fits changes verdict and truth.

        ``can``: the names of what the machine can show (``Facts.able``).
        """
        for case in self.when:
            if fits(case, kernel, cgroup, can):
                changed = {key: case[key] for key in ("verdict", "truth") if key in case}
                return Claim(**{**vars(self), **changed, "when": ()})
        return self

    def record(self) -> events.Claim:
        """The claim as it stands in the record."""
        said = self.id, self.section, self.statement, self.verdict, self.truth, self.reference
        return events.Claim(*said, list(self.visible_in), self.kind)


def fits(case: Mapping[str, str], kernel: str, cgroup: str, can: Iterable[str] = ()) -> bool:
    """Whether the conditions of a ``when`` entry (``kernel: ">=6.1"``, ``cgroup: v2``, ``can: aufs``) fit a machine."""
    if "can" in case and case["can"] not in can:
        return False
    if "cgroup" in case and cgroup not in re.split(r"[,\s]+", case["cgroup"]):
        return False
    if "kernel" in case:
        found = re.fullmatch(r"(>=|<)\s*(\d+(?:\.\d+)*)", case["kernel"])
        if not found:
            raise ClaimError(f"claims: {case['kernel']!r} is no kernel condition; write '>=6.1' or '<6.1'")
        return (version(kernel) >= version(found[2])) == (found[1] == ">=")
    return True


def version(release: str) -> tuple[int, ...]:
    """(6, 1, 0) of "6.1.0-13-amd64"."""
    found = re.match(r"\d+(?:\.\d+)*", release)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


class Catalogue:
    """All claims, by id and by lab."""

    def __init__(self, claims: list[Claim]) -> None:
        self._claims = {claim.id: claim for claim in claims}
        if len(self._claims) < len(claims):
            twice = sorted({claim.id for claim in claims if sum(other.id == claim.id for other in claims) > 1})
            raise ClaimError(f"claims: the ids {', '.join(twice)} stand more than once")

    @classmethod
    def load(cls, labs: Path = LABS) -> "Catalogue":
        """Read the claims beside the labs of a folder; ClaimError says which entry is not in order."""
        return cls([claim for path in sorted(labs.glob("test_*.yaml")) for claim in _read(path)])

    def __getitem__(self, name: str) -> Claim:
        try:
            return self._claims[name]
        except KeyError:
            raise ClaimError(f"there is no claim {name!r}; the file beside each lab has the ids") from None

    def __iter__(self) -> Iterator[Claim]:
        return iter(self._claims.values())

    def of(self, lab: str) -> list[Claim]:
        """The claims of one lab, in the order of the file."""
        return [claim for claim in self if claim.lab == lab]


def _read(path: Path) -> list[Claim]:
    try:
        entries = yaml.load(path.read_text("utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ClaimError(f"{path}: cannot be read: {error}") from error
    if not isinstance(entries or [], list):
        raise ClaimError(f"{path}: write a list of claims, each with an id")
    return [_claim(entry, path) for entry in entries or []]


def _claim(entry: Any, path: Path) -> Claim:
    try:
        claim = Claim(
            **{
                "lab": lab_name(path),
                **entry,
                "visible_in": tuple(entry.get("visible_in", ())),
                "when": tuple(entry.get("when", ())),
            }
        )
    except (TypeError, AttributeError) as error:
        name = entry.get("id", entry) if isinstance(entry, dict) else entry
        raise ClaimError(f"{path}: {name}: {error}") from None
    for verdict in [claim.verdict, *(case.get("verdict", "holds") for case in claim.when)]:
        if verdict not in verdicts.EXPECTED:
            raise ClaimError(f"{path}: {claim.id}: {verdict!r} is no verdict; use {', '.join(verdicts.EXPECTED)}")
    return claim
