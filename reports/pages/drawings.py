"""The drawings of a page as HTML, each kept once: steps that show the same share it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jinja2 import Environment
from markupsafe import Markup

from reports.diagrams import Pictures


def drawings(templates: Environment, pictures: Sequence[Pictures]) -> tuple[list[Markup], list[list[int]]]:
    """(the drawings of a page, their numbers for each of `pictures`)."""
    draw = templates.get_template("drawings.html.j2").module
    kept: dict[Markup, int] = {}
    numbers = [[kept.setdefault(figure, len(kept)) for figure in _figures(draw, each)] for each in pictures]
    return list(kept), numbers


def _figures(draw: object, all_: Pictures) -> Iterator[Markup]:
    """What a step draws, what changes most first."""
    calls: list[tuple[str, tuple[object, ...]]] = []
    if all_.network:
        calls.append(("network", (all_.network, all_.layouts)))
    calls += [("union", (layers,)) for layers in all_.layers]
    calls += [("memory", (chart,)) for chart in all_.memory]
    if all_.mounts:
        calls.append(("mounts", (all_.mounts,)))
    if all_.images:
        calls.append(("images", (all_.images,)))
    if all_.pids:
        calls.append(("pids", (all_.pids,)))
    if all_.idmaps:
        calls.append(("idmaps", (all_.idmaps,)))
    if all_.namespaces:
        apart = all_.namespaces.lanes or all_.namespaces.still
        calls.append(("namespaces" if apart else "together", (all_.namespaces,)))
    for name, values in calls:
        figure = Markup(getattr(draw, name)(*values)).strip()
        if figure:
            yield figure
