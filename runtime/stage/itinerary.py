"""The way through the selected labs: every step of every exercise that this run may show, in order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.lab.outline import StepOutline, read_outline
from runtime.stage.scene import Entry


@dataclass(frozen=True)
class Stop:
    """One step on the way: ``index`` counts all of them from 0, ``number`` those of its lab from 1.

    ``exercise`` is the place of its exercise among the selected ones, from 0; ``step`` its number there, from 1.
    """

    id: str  # as in the record: uts/test_rename_stays_inside/2
    index: int
    number: int
    exercise: int
    step: int
    lab: str
    lab_title: str
    exercise_title: str
    outline: StepOutline


class Itinerary(Sequence[Stop]):
    """All stops of the selected exercises, given as (lab file, test function)."""

    def __init__(self, exercises: Iterable[tuple[Path, str]]) -> None:
        self._stops: list[Stop] = []
        self._totals: dict[str, int] = {}
        for place, (path, name) in enumerate(exercises):
            lab = read_outline(path)
            about = lab.exercise(name)
            for step, outline in enumerate(about.steps, 1):
                number = self._totals[lab.name] = self._totals.get(lab.name, 0) + 1
                self._stops.append(
                    Stop(
                        id=f"{lab.name}/{name}/{step}",
                        index=len(self._stops),
                        number=number,
                        exercise=place,
                        step=step,
                        lab=lab.name,
                        lab_title=lab.title,
                        exercise_title=about.title,
                        outline=outline,
                    )
                )
        self._by_id = {stop.id: stop for stop in self._stops}

    def __getitem__(self, index):  # type: ignore[no-untyped-def]  # as Sequence has it, for numbers and slices
        return self._stops[index]

    def __len__(self) -> int:
        return len(self._stops)

    def find(self, step: str) -> Stop | None:
        """The stop of a step, by its id in the record."""
        return self._by_id.get(step)

    def total(self, lab: str) -> int:
        """How many steps a lab has."""
        return self._totals[lab]

    def of_lab(self, lab: str) -> list[Stop]:
        """The stops of one lab."""
        return [stop for stop in self._stops if stop.lab == lab]

    def of_exercise(self, place: int) -> list[Stop]:
        """The stops of the exercise at a place."""
        return [stop for stop in self._stops if stop.exercise == place]

    def entries(self, current: Stop | None, seen: set[str]) -> list[Entry]:
        """All stops as a list to choose from, under the titles of their labs and exercises."""
        found: list[Entry] = []
        before: Stop | None = None
        for stop in self._stops:
            if before is None or before.lab != stop.lab:
                found.append(Entry(None, stop.lab_title))
            if before is None or before.exercise != stop.exercise:
                found.append(Entry(None, f"  {stop.exercise_title}"))
            text = f"{stop.number}. {stop.outline.title}"
            found.append(Entry(stop.index, text, current=stop is current, seen=stop.id in seen))
            before = stop
        return found
