"""What the pages show: the run of a record, put together lab by lab and step by step."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from reports.diagrams import KINDS, Atlas, Pictures, Sketchbook
from reports.evidence import Folds, ProcessView, processes
from reports.model import Claim, ClaimVerdict, Exercise, Lab, Observation, Run, Step
from reports.palette import Palette
from reports.windows import Windows, WindowView

VERDICTS = ("failed", "wrong", "changed", "unsupported", "holds", "open")
"""The verdicts of claims, in the order of the index; "open" is a claim that this run did not come to."""


@dataclass(frozen=True)
class ClaimView:
    """A claim with what this run found; `owner` is the anchor of the step that earned it."""

    claim: Claim
    verdict: str
    reason: str = ""
    how: str = ""
    owner: str = ""
    number: str = ""


@dataclass(frozen=True)
class Pane:
    """One step of a page; or, without a step, an exercise that ended before or beside its steps."""

    anchor: str
    number: str
    exercise: Exercise
    outcome: str
    first: bool
    step: Step | None = None
    windows: list[WindowView] = field(default_factory=list)
    pictures: Pictures = field(default_factory=Pictures)
    processes: list[ProcessView] = field(default_factory=list)
    claims: list[ClaimView] = field(default_factory=list)
    shown: list[ClaimView] = field(default_factory=list)
    planned: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        return self.step.title if self.step else self.exercise.title or self.exercise.name


@dataclass
class LabStory:
    """Everything of one lab page."""

    lab: Lab
    file: str
    groups: list[tuple[str, Exercise, list[Pane]]] = field(default_factory=list)
    claims: list[ClaimView] = field(default_factory=list)
    palette: Palette = field(default_factory=Palette)
    folds: Folds = field(default_factory=Folds)

    @property
    def panes(self) -> list[Pane]:
        return [pane for _, _, panes in self.groups for pane in panes]

    @property
    def verdicts(self) -> Counter[str]:
        return Counter(view.verdict for view in self.claims)

    @property
    def failures(self) -> list[Pane]:
        return [pane for pane in self.panes if pane.outcome in ("failed", "error", "interrupted")]

    @property
    def outcome(self) -> str:
        outcomes = {exercise.outcome for _, exercise, _ in self.groups}
        worst_first = ("failed", "error", "interrupted", "passed", "unsupported")
        return next((outcome for outcome in worst_first if outcome in outcomes), "not run")


def tell(run: Run) -> list[LabStory]:
    """The stories of all labs, in the order of the course."""
    names = _unique(_slug(lab.id) for lab in run.labs)
    return [_lab(lab, f"{name}.html") for lab, name in zip(run.labs, names, strict=True)]


def _lab(lab: Lab, file: str) -> LabStory:
    story = LabStory(lab, file)
    exercises = _with_planned(lab)
    anchors = _unique(f"step-{_slug(e.name.removeprefix('test_'))}-{n}" for e in exercises for n in _numbers(e))
    owners = {claim: anchor for e in exercises for s, anchor in _owners(e, anchors, exercises) for claim in s.claims}
    verdicts = {v.claim: v for e in exercises for v in _verdicts(e)}
    atlas = Atlas()
    taken = iter(anchors)
    for place, exercise in enumerate(exercises, 1):
        views = {c.id: _claim(c, verdicts.get(c.id), owners.get(c.id, "")) for c in lab.claims}
        panes = list(_panes(story, str(place), exercise, taken, views, atlas))
        story.groups.append((str(place), exercise, panes))
    numbers = {pane.anchor: pane.number for pane in story.panes}
    story.claims = [
        _claim(claim, verdicts.get(claim.id), owners.get(claim.id, ""), numbers.get(owners.get(claim.id, ""), ""))
        for claim in lab.claims
    ]
    return story


def _with_planned(lab: Lab) -> list[Exercise]:
    """The exercises that ran, and in their places those of the lab file that this run did not come to."""
    ran = {_function(exercise.name) for exercise in lab.exercises}
    missing = [
        Exercise(lab.id, plan.name, title=plan.title, outcome="not run") for plan in lab.planned if plan.name not in ran
    ]
    order = {plan.name: place for place, plan in enumerate(lab.planned)}
    return sorted([*lab.exercises, *missing], key=lambda exercise: order.get(_function(exercise.name), len(order)))


def _function(name: str) -> str:
    """The test function of an exercise: ``test_kinds`` of ``test_kinds[uts]``."""
    return name.partition("[")[0]


def _numbers(exercise: Exercise) -> list[str]:
    """What tells the panes of an exercise apart: the numbers of its steps, and "end" for a notice."""
    steps = [str(step.number) for step in exercise.steps]
    return steps if steps and not _needs_notice(exercise) else [*steps, "end"]


def _needs_notice(exercise: Exercise) -> bool:
    """Whether the outcome of the exercise is not told by its last step."""
    if not exercise.steps:
        return True
    return exercise.outcome in ("failed", "error", "unsupported") and exercise.steps[-1].outcome == "passed"


def _owners(exercise: Exercise, anchors: Sequence[str], exercises: Sequence[Exercise]) -> Iterator[tuple[Step, str]]:
    start = sum(len(_numbers(other)) for other in exercises[: exercises.index(exercise)])
    return zip(exercise.steps, anchors[start:], strict=False)


def _verdicts(exercise: Exercise) -> list[ClaimVerdict]:
    return [*exercise.verdicts, *(verdict for step in exercise.steps for verdict in step.verdicts)]


def _claim(claim: Claim, verdict: ClaimVerdict | None, owner: str, number: str = "") -> ClaimView:
    if verdict is None:
        return ClaimView(claim, "open", owner=owner, number=number)
    return ClaimView(claim, verdict.verdict or "open", verdict.reason, verdict.how, owner, number)


def _panes(
    story: LabStory, place: str, exercise: Exercise, anchors: Iterator[str], claims: dict[str, ClaimView], atlas: Atlas
) -> Iterator[Pane]:
    windows, sketches = Windows(exercise, story.palette), Sketchbook(atlas)
    previous: Observation | None = None
    for number, step in enumerate(exercise.steps):
        before = step.before or previous
        previous = step.after or before
        own = [_view(claims, name) for name in step.claims]
        shown = [_view(claims, name) for name in step.shows if name not in step.claims]
        label = f"{place}.{step.number}"
        pictures = sketches.step(label, before, step.after, _about(story.lab, own), _matter([*own, *shown]))
        yield Pane(
            next(anchors), label, exercise, step.outcome, number == 0, step,
            windows=windows.step(step),
            pictures=pictures,
            processes=processes(before, step.after, _matter(own), story.folds, pictures.paths),
            claims=own,
            shown=shown,
        )  # fmt: skip
    if _needs_notice(exercise):
        planned = next((plan for plan in story.lab.planned if plan.name == _function(exercise.name)), None)
        label = f"{place}.end" if exercise.steps else place
        yield Pane(
            next(anchors), label, exercise, exercise.outcome, not exercise.steps,
            claims=[_view(claims, v.claim) for v in exercise.verdicts],
            planned=planned.steps if planned and not exercise.steps else [],
        )  # fmt: skip


def _view(claims: dict[str, ClaimView], name: str) -> ClaimView:
    """The claim of that id; one that the catalogue of the record lacks shows its id alone."""
    return claims.get(name) or ClaimView(Claim(name, "", "", "", "", "", []), "open")


_TOPICS = {"mount": "mnt", "network": "net", "cgroups": "cgroup", "users": "user"}


def _about(lab: Lab, claims: Iterable[ClaimView]) -> list[str]:
    """The kinds of namespaces that a lab (by its name) or a step's claims (by where they are visible) are about."""
    paths = [path for view in claims for path in view.claim.visible_in if path.startswith("/proc/PID/ns/")]
    named = {_TOPICS.get(lab.id, lab.id), *(path.rpartition("/")[2] for path in paths)}
    return [kind for kind in KINDS if kind in named]


def _matter(claims: Iterable[ClaimView]) -> dict[str, set[str]]:
    """Where the claims of a step are visible: fields by path, as in ``/proc/PID/status CapEff, Seccomp``."""
    places: dict[str, set[str]] = {}
    for view in claims:
        for path, _, fields in (place.partition(" ") for place in view.claim.visible_in):
            places.setdefault(path, set()).update(re.findall(r"\w+", fields))
    return places


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-") or "x"


def _unique(names: Iterable[str]) -> list[str]:
    """The names, with a number behind each that was there before."""
    taken: dict[str, None] = {}
    for name in names:
        free, number = name, 2
        while free in taken:
            free, number = f"{name}-{number}", number + 1
        taken[free] = None
    return list(taken)
