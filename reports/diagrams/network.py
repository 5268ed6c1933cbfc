"""Network namespaces with the devices in them and the cables between them, as netlink told.

One drawing shows the state after the step; what the step made, took away or changed carries a mark.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field

from record.model import Observation, Process
from record.text import value_text, visible
from reports.diagrams.fields import Fields
from reports.diagrams.namespaces import Atlas
from reports.diagrams.observed import Mark, link, name_of, state_of, watched

ASKED = ("ip link", "ip address", "ip route", "ip neighbour", "bridge fdb")
"""What is drawn: readings of netlink, named by the commands that show them."""
PATHS = (*ASKED, "/proc/PID/net/dev", "/proc/PID/net/route", "/proc/PID/net/arp")
"""What the drawing tells: the files of proc say the same as netlink."""

Place = tuple[str, int]
"""A device: its namespace and its number there."""


@dataclass(frozen=True)
class Device:
    """A device; `was` is its state before when that was another one, `more_rx` counts packets of the step."""

    index: int
    name: str
    kind: str
    state: str
    was: str
    master: str
    peer: Place | None
    addresses: list[tuple[str, Mark]]
    rx: int
    tx: int
    more_rx: int
    more_tx: int
    mark: Mark

    @property
    def counts(self) -> bool:
        return bool(self.rx or self.tx)


@dataclass
class Space:
    """A network namespace; `names` as in /run/netns, `residents` (label, program, pid), `facts` (what, text, mark)."""

    link: str
    letter: str
    hue: int
    mark: Mark
    names: list[str] = field(default_factory=list)
    residents: list[tuple[str, str, int]] = field(default_factory=list)
    devices: list[Device] = field(default_factory=list)
    facts: list[tuple[str, str, Mark]] = field(default_factory=list)


@dataclass(frozen=True)
class Cable:
    """A veth pair; `far` is None when its other end is in a namespace in which nobody was watched."""

    near: Place
    far: Place | None
    mark: Mark


@dataclass(frozen=True)
class Network:
    """The drawing."""

    spaces: list[Space]
    cables: list[Cable]


def draw_network(
    before: Observation | None, after: Observation | None, atlas: Atlas, matter: Container[str] = ()
) -> Network | None:
    """The network of a step; None if nobody asked netlink, or a single namespace stayed as it was and no claim is about
    it."""
    old, new = (_views(processes) for processes in watched(before, after))
    if not new:
        return None
    spaces = [_space(home, processes, old, atlas) for home, processes in new.items()]
    spaces.sort(key=lambda space: atlas.number("net", space.link))
    changed = any(space.mark or _changed(space) for space in spaces)
    if len(spaces) == 1 and not changed and not any(path in matter for path in PATHS):
        return None
    _name(spaces, [process for processes in new.values() for process in processes])
    return Network(spaces, _cables(spaces))


def _views(processes: list[Process]) -> dict[str, list[Process]]:
    """The processes by network namespace, without namespaces of which netlink told nothing."""
    views: dict[str, list[Process]] = {}
    for process in processes:
        if link(process, "net"):
            views.setdefault(link(process, "net"), []).append(process)
    asked = {home: sorted(all_, key=lambda p: not state_of(p).children("ip link")) for home, all_ in views.items()}
    return {home: all_ for home, all_ in asked.items() if state_of(all_[0]).children("ip link")}


def _changed(space: Space) -> bool:
    marks = [device.mark for device in space.devices] + [mark for _, _, mark in space.facts]
    return any(marks) or any(device.more_rx or device.more_tx for device in space.devices)


def _space(home: str, processes: list[Process], old: dict[str, list[Process]], atlas: Atlas) -> Space:
    letter, hue = atlas.place("net", home)
    now = state_of(processes[0])
    was = state_of(old[home][0]) if home in old else (Fields() if old else now)
    space = Space(home, letter, hue, "new" if old and home not in old else "")
    space.residents = [(visible(p.label), name_of(p), p.pid) for p in processes]
    before = {entry.whole("index"): entry for entry in was.children("ip link")}
    after = {entry.whole("index"): entry for entry in now.children("ip link")}
    for index in [*after, *(index for index in before if index not in after)]:
        space.devices.append(_device(before.get(index), after.get(index), was, now, whole=home in old or not old))
    space.devices = _in_order(space.devices)
    space.facts = [fact for path in ASKED[2:] for fact in _facts(path, was, now, marked=home in old)]
    return space


def _device(before: Fields | None, after: Fields | None, was: Fields, now: Fields, whole: bool) -> Device:
    """A device before and after; not `whole`: its namespace is new, so that the device needs no mark of its own."""
    entry = after or before or Fields()
    earlier = before or (entry if not whole else Fields())
    name, state = visible(entry.text("ifname")), visible(entry.text("state"))
    addresses = _addresses(name, was if before else now, now if after else was)
    rx, tx = entry.whole("rx_packets"), entry.whole("tx_packets")
    mark: Mark = "gone" if after is None else "new" if before is None and whole else ""
    moved = before is not None and after is not None
    other = visible(earlier.text("state")) if moved and earlier.text("state") != entry.text("state") else ""
    if moved and (other or any(m for _, m in addresses) or earlier.text("master") != entry.text("master")):
        mark = "changed"
    return Device(
        entry.whole("index"), name, visible(entry.text("kind")), state, other, visible(entry.text("master")),
        _peer(entry), addresses, rx, tx,
        rx - earlier.whole("rx_packets") if moved else 0, tx - earlier.whole("tx_packets") if moved else 0, mark,
    )  # fmt: skip


def _peer(entry: Fields) -> Place | None:
    home, index = entry.text("peer_namespace"), entry.whole("peer")
    return (visible(home), index) if index and entry.text("kind") == "veth" else None


def _addresses(device: str, was: Fields, now: Fields) -> list[tuple[str, Mark]]:
    before, after = (
        [visible(entry.text("address")) for entry in state.children("ip address") if entry.text("dev") == device]
        for state in (was, now)
    )
    known: list[tuple[str, Mark]] = [(address, "" if address in before else "new") for address in after]
    return known + [(address, "gone") for address in before if address not in after]


def _in_order(devices: list[Device]) -> list[Device]:
    """Each bridge with its ports behind it; lo last, as it is everywhere."""
    roots = [device for device in devices if not any(device.master == other.name for other in devices)]
    roots.sort(key=lambda device: (device.kind == "loopback", device.index))
    ports = sorted((device for device in devices if device not in roots), key=lambda device: device.index)
    return [one for root in roots for one in (root, *(port for port in ports if port.master == root.name))]


def _facts(path: str, was: Fields, now: Fields, marked: bool) -> list[tuple[str, str, Mark]]:
    """The routes, neighbours and bridge entries, one text each."""
    before, after = ([_fact(entry) for entry in state.children(path)] for state in (was, now))
    facts: list[tuple[str, str, Mark]] = [
        (path, text, "new" if marked and text not in before else "") for text in dict.fromkeys(after)
    ]
    return facts + [(path, text, "gone") for text in dict.fromkeys(before) if marked and text not in after]


_WORDS = {"gateway": "via", "dev": "dev", "source": "src", "mac": "lladdr", "master": "master", "state": ""}


def _fact(entry: Fields) -> str:
    """A line as ip(8) would print it: ``10.1.1.0/24 dev veth1 src 10.1.1.2``."""
    words = [entry.text("dst")]
    words += [f"{word} {entry.text(key)}".strip() for key, word in _WORDS.items() if entry.text(key)]
    return value_text(" ".join(word for word in words if word), 120)


def _name(spaces: list[Space], processes: list[Process]) -> None:
    """Give the spaces the names that `ip netns` shows in any of the watched views."""
    for space in spaces:
        names = (state_of(process).child("ip netns") for process in processes)
        found = [visible(name) for named in names for name in named if named.text(name) == space.link]
        space.names = list(dict.fromkeys(found))


def _cables(spaces: list[Space]) -> list[Cable]:
    ends = {(space.link, device.index): device for space in spaces for device in space.devices}
    cables: list[Cable] = []
    for near, device in ends.items():
        if device.peer is None or any(near in (cable.near, cable.far) for cable in cables):
            continue
        far = device.peer if device.peer in ends else None
        marks = {device.mark, ends[far].mark if far else ""}
        cables.append(Cable(near, far, "gone" if "gone" in marks else "new" if "new" in marks else ""))
    return cables
