"""Where the boxes, devices and cables of a network are drawn, in pixels: once for a wide page and once for a phone."""

from __future__ import annotations

from dataclasses import dataclass

from reports.diagrams.network import Cable, Device, Network, Place, Space

LINE = 17
"""From one line of text to the next."""
PAD = 10
NARROW, WIDE, MIDDLE, LANE = 284, 360, 150, 12
"""Widths: of a box on a phone and on a wide page, between two columns of boxes, of a cable's lane beside a column."""


@dataclass(frozen=True)
class Slot:
    """A device: its rectangle, and the base lines of its texts: name, addresses, counters, far end."""

    device: Device
    x: int
    y: int
    width: int
    height: int
    lines: list[int]
    loose: bool

    @property
    def middle(self) -> int:
        return self.y + self.height // 2


@dataclass(frozen=True)
class Box:
    """A namespace: its rectangle, the base lines of head and residents, its devices, (x, from, to) of bridge trees."""

    space: Space
    x: int
    y: int
    width: int
    height: int
    lines: list[int]
    slots: list[Slot]
    branches: list[tuple[int, int, list[int]]]


@dataclass(frozen=True)
class Wire:
    """A cable: its line as an SVG path, and the points of both plugs."""

    cable: Cable
    path: str
    ends: tuple[tuple[int, int], tuple[int, int]]
    names: tuple[str, str]


@dataclass(frozen=True)
class Layout:
    """A whole drawing."""

    width: int
    height: int
    boxes: list[Box]
    wires: list[Wire]


def layouts(network: Network) -> dict[str, Layout]:
    """The drawing for a ``narrow`` page, and, if there is anything to put side by side, for a ``wide`` one."""
    if len(network.spaces) < 2:
        return {"any": _layout(network, [network.spaces], NARROW)}
    hub = max(network.spaces, key=lambda space: sum(space.link in _homes(cable) for cable in network.cables))
    near = {place: rank for rank, place in enumerate((hub.link, device.index) for device in hub.devices)}
    others = [space for space in network.spaces if space is not hub]
    others.sort(key=lambda space: _rank(space, network, near))
    return {
        "wide": _layout(network, [[hub], others], WIDE),
        "narrow": _layout(network, [[hub, *others]], NARROW),
    }


def _homes(cable: Cable) -> set[str]:
    return {cable.near[0], cable.far[0]} if cable.far else {cable.near[0]}


def _rank(space: Space, network: Network, near: dict[Place, int]) -> int:
    """The place in the hub of the first cable that leads to `space`."""
    ends = [end for cable in network.cables if space.link in _homes(cable) for end in (cable.near, cable.far)]
    return min((near[end] for end in ends if end in near), default=len(near))


def _layout(network: Network, columns: list[list[Space]], width: int) -> Layout:
    loose = {cable.near for cable in network.cables if cable.far is None}
    margin = LANE * (1 + sum(cable.far is not None for cable in network.cables)) if len(columns) == 1 else 2 * LANE
    boxes: list[list[Box]] = []
    for number, spaces in enumerate(columns):
        x = 1 + number * (width + MIDDLE) + (margin if len(columns) > 1 else 0)
        y = 1
        boxes.append([])
        for space in spaces:
            box = _box(space, x, y, width, loose)
            boxes[-1].append(box)
            y += box.height + 18
    bottom = max(column[-1].y + column[-1].height for column in boxes)
    whole = boxes[-1][-1].x + width + margin + 1
    slots = {
        (box.space.link, slot.device.index): (n, slot) for n, c in enumerate(boxes) for box in c for slot in box.slots
    }
    wires = [_wire(cable, slots, lane, len(columns)) for lane, cable in enumerate(network.cables) if cable.far]
    return Layout(whole, bottom + 1, [box for column in boxes for box in column], wires)


def _box(space: Space, x: int, y: int, width: int, loose: set[Place]) -> Box:
    lines = [y + PAD + 12, *(y + PAD + 32 + LINE * number for number in range(len(space.residents)))]
    at = lines[-1] + PAD
    slots: list[Slot] = []
    for device in space.devices:
        inset = 18 if any(device.master == other.name for other in space.devices) else 0
        dangling = (space.link, device.index) in loose
        count = 1 + len(device.addresses) + device.counts + dangling
        height = LINE * count + 10
        baselines = [at + 17 + LINE * number for number in range(count)]
        slots.append(Slot(device, x + PAD + inset, at, width - 2 * PAD - inset, height, baselines, dangling))
        at += height + 7
    branches = []
    for slot in slots:
        ports = [port for port in slots if port.device.master == slot.device.name]
        if ports:
            branches.append((slot.x + 8, slot.y + slot.height, [port.middle for port in ports]))
    return Box(space, x, y, width, at + 3 - y, lines, slots, branches)


def _wire(cable: Cable, slots: dict[Place, tuple[int, Slot]], lane: int, columns: int) -> Wire:
    assert cable.far is not None
    (one, near), (other, far) = sorted((slots[cable.near], slots[cable.far]), key=lambda item: item[0])
    names = near.device.name, far.device.name
    if one != other:
        left, right = (near.x + near.width, near.middle), (far.x, far.middle)
        half = (left[0] + right[0]) // 2
        return Wire(
            cable,
            f"M{left[0]} {left[1]}C{half} {left[1]} {half} {right[1]} {right[0]} {right[1]}",
            (left, right),
            names,
        )
    outside = columns > 1 and one == 0
    edge = [slot.x if outside else slot.x + slot.width for slot in (near, far)]
    turn = min(edge) - PAD - LANE if outside else max(edge) + PAD + LANE * (1 + (lane if columns == 1 else 0))
    path = f"M{edge[0]} {near.middle}H{turn}V{far.middle}H{edge[1]}"
    return Wire(cable, path, ((edge[0], near.middle), (edge[1], far.middle)), names)
