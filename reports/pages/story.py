"""What the pages show: the run of a record, put together lab by lab and step by step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from record.model import Claim, ClaimVerdict, Exercise, Lab, Observation, Run, Step
from record.rows import places
from record.text import visible
from record.verdicts import known, worst
from reports.diagrams import KINDS, Atlas, Pictures, Sketchbook
from reports.pages.claims import ClaimView, claim_view, sights
from reports.pages.palette import Palette
from reports.pages.states import States
from reports.pages.windows import Windows, WindowView
from reports.text import file_names

__all__ = ["ClaimView", "LabStory", "Pane", "tell"]


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
    replay: object = None
    state: int | None = None
    claims: list[ClaimView] = field(default_factory=list)
    shown: list[ClaimView] = field(default_factory=list)
    planned: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        return self.step.title if self.step else self.exercise.title or self.exercise.name

    @property
    def counts(self) -> dict[str, int]:
        """How many things each tab of the step holds."""
        return {
            "state": len(self.step.watched) if self.step else 0,
            "checks": len(self.step.checks) if self.step else 0,
            "claims": len(self.claims) + len(self.shown),
            "code": int(bool(self.listing)),
            "predict": int(bool(self.step and self.step.ask)),
        }

    @property
    def listing(self) -> list[tuple[int, str, bool | None]]:
        """The lines of the step's source by number, each with the outcome of its check (None: it is none)."""
        if not self.step or not self.step.source.text:
            return []
        checked: dict[int, bool] = {}
        for check in self.step.checks:
            checked[check.line] = check.ok and checked.get(check.line, True)
        lines = self.step.source.text.rstrip("\n").split("\n")
        return [(number, text, checked.get(number)) for number, text in enumerate(lines, self.step.source.line)]

    @property
    def quiz(self) -> dict[str, object] | None:
        """What the page's script asks and judges by; None where nothing was asked or nothing observed."""
        if not self.step or not self.step.ask or not self.step.prediction:
            return None
        asked, made = self.step.ask, self.step.prediction
        shown = {"choices": asked.choices, "unit": asked.unit, "observed": made.observed}
        return {"step": self.step.id, "kind": asked.kind, **{key: _visible(shown[key]) for key in shown}}

    @property
    def found(self) -> list[str]:
        """The outcome of the step and the verdicts of its claims."""
        return list(dict.fromkeys([self.outcome, *(view.verdict for view in self.claims)]))


@dataclass
class LabStory:
    """Everything of one lab page."""

    lab: Lab
    file: str
    groups: list[tuple[str, Exercise, list[Pane]]] = field(default_factory=list)
    claims: list[ClaimView] = field(default_factory=list)
    palette: Palette = field(default_factory=Palette)
    states: States = field(default_factory=States)

    @property
    def name(self) -> str:
        return self.file.removesuffix(".html")

    @property
    def panes(self) -> list[Pane]:
        return [pane for _, _, panes in self.groups for pane in panes]

    @property
    def replays(self) -> list[object]:
        """How the windows of each step came to show what they show: see Windows.replay."""
        return [pane.replay for pane in self.panes]

    @property
    def outline(self) -> list[dict[str, object]]:
        """What the page's script knows of each step: times in seconds on the clock of the run, what filters look at."""
        return [
            {
                "start": pane.step.start if pane.step else None,
                "end": pane.step.end if pane.step else None,
                "tone": f"t-{known(pane.outcome).tone}",
                "state": pane.state,
                "counts": pane.counts,
                "verdicts": pane.found,
                "claims": [visible(view.claim.id) for view in [*pane.claims, *pane.shown]],
                "owned": [visible(view.claim.id) for view in pane.claims if view.owner == pane.anchor],
                "quiz": pane.quiz,
                "windows": [visible(window.name) for window in pane.windows],
            }
            for pane in self.panes
        ]

    @property
    def choices(self) -> list[tuple[str, list[str]]]:
        """What the steps can be filtered by: verdicts, claims and windows that are there."""
        verdicts = dict.fromkeys(verdict for pane in self.panes for verdict in pane.found)
        claims = dict.fromkeys(view.claim.id for pane in self.panes for view in [*pane.claims, *pane.shown])
        windows = dict.fromkeys(window.name for pane in self.panes for window in pane.windows)
        return [("verdicts", list(verdicts)), ("claims", sorted(claims)), ("windows", list(windows))]

    @property
    def verdicts(self) -> Counter[str]:
        return Counter(view.verdict for view in self.claims)

    @property
    def outcome(self) -> str:
        return worst(exercise.outcome for _, exercise, _ in self.groups)


def tell(run: Run) -> list[LabStory]:
    """The stories of all labs, in the order of the course."""
    return [_lab(lab, file) for lab, file in zip(run.labs, files(run), strict=True)]


def files(run: Run) -> list[str]:
    """The file names of the lab pages, in the order of the labs."""
    return file_names((lab.id for lab in run.labs), ".html", taken=["index.html"])


def addresses(run: Run) -> dict[str, str]:
    """Where each step stands, by its id: ``uts.html#/step/3``."""
    found: dict[str, str] = {}
    for lab, file in zip(run.labs, files(run), strict=True):
        number = 1
        for exercise in _with_planned(lab):
            found |= {step.id: f"{file}#/step/{at}" for at, step in enumerate(exercise.steps, number)}
            number += len(_numbers(exercise))
    return found


def _lab(lab: Lab, file: str) -> LabStory:
    story = LabStory(lab, file)
    exercises = _with_planned(lab)
    anchors = [f"/step/{number}" for number, _ in enumerate((n for e in exercises for n in _numbers(e)), 1)]
    owners = {claim: anchor for e in exercises for s, anchor in _owners(e, anchors, exercises) for claim in s.claims}
    verdicts = {v.claim: v for e in exercises for v in _verdicts(e)}
    atlas = Atlas()
    taken = iter(anchors)
    for place, exercise in enumerate(exercises, 1):
        views = {c.id: claim_view(c, verdicts.get(c.id), owners.get(c.id, "")) for c in lab.claims}
        panes = list(_panes(story, str(place), exercise, taken, views, atlas))
        story.groups.append((str(place), exercise, panes))
    numbers = {pane.anchor: pane.number for pane in story.panes}
    story.claims = [
        claim_view(claim, verdicts.get(claim.id), owners.get(claim.id, ""), numbers.get(owners.get(claim.id, ""), ""))
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
    return exercise.outcome in ("failed", "unsupported") and exercise.steps[-1].outcome == "passed"


def _owners(exercise: Exercise, anchors: Sequence[str], exercises: Sequence[Exercise]) -> Iterator[tuple[Step, str]]:
    start = sum(len(_numbers(other)) for other in exercises[: exercises.index(exercise)])
    return zip(exercise.steps, anchors[start:], strict=False)


def _verdicts(exercise: Exercise) -> list[ClaimVerdict]:
    return [*exercise.verdicts, *(verdict for step in exercise.steps for verdict in step.verdicts)]


def _panes(
    story: LabStory, place: str, exercise: Exercise, anchors: Iterator[str], claims: dict[str, ClaimView], atlas: Atlas
) -> Iterator[Pane]:
    windows, sketches = Windows(exercise, story.palette), Sketchbook(atlas)
    previous: Observation | None = None
    story.states.begin()
    for number, step in enumerate(exercise.steps):
        before = step.before or previous
        previous = step.shell or step.after or before
        seen = step.after or before
        own = [replace(one, sights=sights(one.claim, seen)) for name in step.claims for one in [_view(claims, name)]]
        shown = [_view(claims, name) for name in step.shows if name not in step.claims]
        label = f"{place}.{step.number}"
        pictures = sketches.step(label, before, step.after, _about(story.lab, own), _places([*own, *shown]))
        yield Pane(
            next(anchors), label, exercise, step.outcome, number == 0, step,
            windows=windows.step(step),
            replay=windows.replay,
            pictures=pictures,
            state=story.states.step(before, step.after, _places(own), pictures.paths),
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
    topic = lab.id.partition("_")[0]  # pid of pid_nested
    named = {_TOPICS.get(topic, topic), *(path.rpartition("/")[2] for path in paths)}
    return [kind for kind in KINDS if kind in named]


def _places(claims: Iterable[ClaimView]) -> dict[str, set[str]]:
    """Where the claims of a step are visible."""
    return places(place for view in claims for place in view.claim.visible_in)


def _visible(value: object) -> object:
    """The texts of an answer as they are shown, so that what is chosen and what was observed can be compared."""
    if isinstance(value, list):
        return [_visible(one) for one in value]
    return visible(value) if isinstance(value, str) else value
