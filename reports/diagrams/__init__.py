"""Drawings made only from observations, never by hand; one module a drawing.

    namespaces   who sits in which namespace
    pids         PID namespaces in each other, a pid for each level
    idmaps       user and group id maps as bands
    network      devices and cables between network namespaces (network_layout: where they are drawn)
    layers       the branches of a union mount
    memory       the memory of control groups, step by step
    mounts       the mounts of each mount namespace, with peer groups
    images       the layers of images with their chain ids

Each shows only where it has something to say: what it draws differs between the watched processes, changed in the step,
or is named by a claim of the step.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field

from record.model import Observation
from reports.diagrams.idmaps import UserSpace, draw_idmaps
from reports.diagrams.images import Image, draw_images
from reports.diagrams.images import paths as images_paths
from reports.diagrams.layers import PATHS as LAYERS_PATHS
from reports.diagrams.layers import Layers, draw_layers
from reports.diagrams.memory import Chart, History
from reports.diagrams.mounts import Forest, draw_mounts
from reports.diagrams.namespaces import KINDS, Atlas, Drawing, draw_namespaces
from reports.diagrams.network import PATHS as NETWORK_PATHS
from reports.diagrams.network import Network, draw_network
from reports.diagrams.network_layout import Layout, layouts
from reports.diagrams.pids import Level, draw_pids

__all__ = ["KINDS", "Atlas", "Pictures", "Sketchbook"]


@dataclass(frozen=True)
class Pictures:
    """The drawings of one step."""

    namespaces: Drawing | None = None
    pids: Level | None = None
    idmaps: list[UserSpace] = field(default_factory=list)
    network: Network | None = None
    layouts: dict[str, Layout] = field(default_factory=dict)
    layers: list[Layers] = field(default_factory=list)
    memory: list[Chart] = field(default_factory=list)
    mounts: Forest | None = None
    images: list[Image] = field(default_factory=list)
    configs: list[str] = field(default_factory=list)

    @property
    def paths(self) -> list[str]:
        """Patterns of the paths that the drawings tell all of: their rows need not be shown again."""
        return [*(NETWORK_PATHS if self.network else ()), *(LAYERS_PATHS if self.layers else ()), *self.configs]

    def __bool__(self) -> bool:
        return any(
            (self.namespaces, self.pids, self.idmaps, self.network, self.layers, self.memory, self.mounts, self.images)
        )


class Sketchbook:
    """Draws the steps of one exercise, in their order."""

    def __init__(self, atlas: Atlas) -> None:
        self._atlas = atlas
        self._history = History()
        self._parents: dict[str, str] = {}

    def step(
        self,
        number: str,
        before: Observation | None,
        after: Observation | None,
        about: Sequence[str] = (),
        matter: Container[str] = (),
    ) -> Pictures:
        """All drawings of step `number`; `about`: the kinds of namespaces, `matter`: the paths that it is about."""
        namespaces = draw_namespaces(before, after, self._atlas, about)
        network = draw_network(before, after, self._atlas, matter)
        images = draw_images(before, after, matter)
        return Pictures(
            namespaces,
            draw_pids(before, after, self._atlas, matter, self._parents),
            draw_idmaps(before, after, self._atlas, matter),
            network,
            layouts(network) if network else {},
            draw_layers(before, after, matter),
            self._history.step(number, before, after),
            draw_mounts(before, after, self._atlas, matter),
            images,
            images_paths(after) if images else [],
        )
