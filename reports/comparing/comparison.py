"""The same labs on several machines: which claims differ, and the same steps side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from record.model import Claim, ClaimVerdict, Exercise, Lab, Run, Step
from record.verdicts import VERDICTS
from reports.comparing import noise
from reports.comparing.beside import Item, Sides, items


@dataclass(frozen=True)
class StepRow:
    """One step of all runs."""

    id: str
    exercise: str
    steps: Sides[Step]
    items: list[Item]

    @property
    def title(self) -> str:
        return next(step.title for step in self.steps if step)

    @property
    def claims(self) -> list[str]:
        return list(dict.fromkeys(claim for step in self.steps if step for claim in step.claims))

    @property
    def outcomes(self) -> list[str]:
        """How the step ended in each run; "absent" where it did not begin."""
        return [step.outcome if step else "absent" for step in self.steps]

    @property
    def differs(self) -> bool:
        ran = [step for step in self.steps if step]
        return len({step.outcome for step in ran}) > 1 or (len(ran) > 1 and any(item.counts for item in self.items))


@dataclass(frozen=True)
class ClaimRow:
    """One claim in all runs: its verdicts, and the step that earned them."""

    lab: str
    claims: Sides[Claim]
    verdicts: Sides[ClaimVerdict]
    step: StepRow | None

    @property
    def claim(self) -> Claim:
        return next(claim for claim in self.claims if claim)

    @property
    def words(self) -> Sides[str]:
        """The verdict of each run; "open" where a run has the lab but did not come to the claim."""
        both = zip(self.claims, self.verdicts, strict=True)
        return [(verdict.verdict if verdict else "open") if claim else None for claim, verdict in both]

    @property
    def difference(self) -> str:
        """What differs: "verdict", "observed", or "" for nothing. Runs that lack the lab are passed over."""
        if len({word for word in self.words if word}) > 1:
            return "verdict"
        return "observed" if self.step and self.step.differs else ""

    @property
    def evidence(self) -> list[Item]:
        """What was observed that differs; what all runs have stands first."""
        found = [item for item in self.step.items if item.counts] if self.step else []
        return sorted(found, key=lambda item: None in item.texts)


@dataclass(frozen=True)
class Comparison:
    """Several runs, side by side."""

    runs: Sequence[Run]
    labs: list[tuple[Lab, list[StepRow]]] = field(default_factory=list)
    claims: list[ClaimRow] = field(default_factory=list)

    def verdicts(self, side: int) -> Counter[str]:
        """How many claims of one run have which verdict."""
        return Counter(word for row in self.claims for word in [row.words[side]] if word)

    @property
    def users(self) -> list[str]:
        """The user id of each run, as it was on the machine itself."""
        return [f"{run.facts.uid} (an ordinary user)" if run.facts.rootless else run.facts.uid for run in self.runs]

    @property
    def lsm(self) -> list[str]:
        return [", ".join(run.facts.lsm) for run in self.runs]

    @property
    def commands(self) -> list[str]:
        """What was typed behind `pytest` in each run."""
        return [" ".join(run.argv) for run in self.runs]

    @property
    def tools(self) -> dict[str, list[str]]:
        """The version of each tool in each run; "" where it is missing."""
        names = dict.fromkeys(name for run in self.runs for name in run.facts.tools)
        return {name: [run.facts.tools.get(name, "") for run in self.runs] for name in names}

    @property
    def abilities(self) -> dict[str, list[str]]:
        """What each machine can show: "yes", or why not."""
        all_can = [run.facts.can.items() for run in self.runs]
        told = [{name: "yes" if can.ok else can.reason or "no" for name, can in each} for each in all_can]
        return {name: [each.get(name, "") for each in told] for name in dict.fromkeys(n for each in told for n in each)}

    @cached_property
    def differing(self) -> list[ClaimRow]:
        """The claims that differ: by verdict first, the most severe one before the others."""
        found = [row for row in self.claims if row.difference]
        return sorted(found, key=lambda row: (row.difference != "verdict", _severity(row)))

    def stands_out(self, row: StepRow) -> bool:
        """Whether a step differs itself, or a claim of it."""
        return row.differs or any(claim.step is row for claim in self.differing)

    @cached_property
    def same(self) -> list[ClaimRow]:
        """The claims for which all runs that have the lab agree."""
        return [row for row in self.claims if not row.difference]


def _severity(row: ClaimRow) -> int:
    places = list(VERDICTS)
    return min(places.index(word) if word in places else 0 for word in row.words if word)


def compare(runs: Sequence[Run]) -> Comparison:
    """Put the labs of `runs`, two or more, beside each other."""
    comparison = Comparison(runs)
    for name in dict.fromkeys(lab.id for run in runs for lab in run.labs):
        labs = [next((lab for lab in run.labs if lab.id == name), None) for run in runs]
        steps = list(_steps(labs))
        comparison.labs.append((next(lab for lab in labs if lab), steps))
        comparison.claims.extend(_claims(name, labs, steps))
    comparison.labs.sort(key=lambda pair: pair[0].order)
    return comparison


def _claims(name: str, labs: Sides[Lab], steps: Sequence[StepRow]) -> Iterator[ClaimRow]:
    catalogues = [{claim.id: claim for claim in lab.claims} if lab else {} for lab in labs]
    verdicts = [{verdict.claim: verdict for verdict in _verdicts(lab)} if lab else {} for lab in labs]
    owners = {claim: row for row in steps for step in row.steps if step for claim in step.claims}
    for claim in dict.fromkeys(claim for catalogue in catalogues for claim in catalogue):
        yield ClaimRow(
            name,
            [catalogue.get(claim) for catalogue in catalogues],
            [verdict.get(claim) for verdict in verdicts],
            owners.get(claim),
        )


def _verdicts(lab: Lab) -> Iterator[ClaimVerdict]:
    for exercise in lab.exercises:
        yield from exercise.verdicts
        for step in exercise.steps:
            yield from step.verdicts


def _steps(labs: Sides[Lab]) -> Iterator[StepRow]:
    planned = [plan.name for lab in labs if lab for plan in lab.planned]
    ran = [exercise.name for lab in labs if lab for exercise in lab.exercises]
    for name in dict.fromkeys([*planned, *ran]):
        exercises = [next((e for e in lab.exercises if e.name == name), None) if lab else None for lab in labs]
        sounds = [noise.of(exercise) if exercise else noise.Noise() for exercise in exercises]
        numbers = sorted({step.number for exercise in exercises if exercise for step in exercise.steps})
        title = next((exercise.title or name for exercise in exercises if exercise), name)
        for number in numbers:
            steps = [_numbered(exercise, number) for exercise in exercises]
            found = next(step for step in steps if step)
            claims = [claim for lab in labs if lab for claim in lab.claims if claim.id in found.claims]
            yield StepRow(found.id, title, steps, items(steps, sounds, claims))


def _numbered(exercise: Exercise | None, number: int) -> Step | None:
    return next((step for step in exercise.steps if step.number == number), None) if exercise else None
