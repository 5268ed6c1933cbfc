"""The network is drawn from what netlink said: boxes, devices, cables, and what the step did to them."""

from record.model import Observation
from reports.diagrams.namespaces import Atlas
from reports.diagrams.network import Network, draw_network
from reports.diagrams.network_layout import layouts
from tests.reports.diagrams.states import FAR, HOST, PLUGGED, UNPLUGGED, State, device, net, one, seen


def observed(states: list[State]) -> Observation:
    return seen(*(one(label, 10 + n, state) for n, (label, state) in enumerate(zip("ab", states, strict=False))))


def drawn(before: list[State], after: list[State]) -> Network:
    network = draw_network(observed(before), observed(after), Atlas())
    assert network is not None
    return network


def test_a_bridge_a_cable_and_what_is_new() -> None:
    network = drawn(UNPLUGGED, PLUGGED)
    host, far = network.spaces
    assert [(d.name, d.mark) for d in host.devices] == [("bridge0", "changed"), ("vethb1", "new"), ("lo", "")]
    assert (host.devices[0].was, host.devices[0].state, host.devices[0].more_rx) == ("DOWN", "UP", 7)
    assert host.devices[0].addresses == [("10.1.1.1/24", "new")]
    assert (far.names, far.residents) == (["ns1"], [("b", "", 11)])
    (cable,) = network.cables
    assert (cable.near, cable.far, cable.mark) == ((HOST, 3), (FAR, 2), "new")
    assert ("ip route", "10.1.1.0/24 dev bridge0 src 10.1.1.1", "new") in host.facts


def test_what_is_gone_is_still_drawn() -> None:
    network = drawn(PLUGGED, UNPLUGGED)
    assert [(d.name, d.mark) for d in network.spaces[1].devices] == [("veth1", "gone"), ("lo", "")]
    assert [cable.mark for cable in network.cables] == ["gone"]
    assert network.spaces[0].facts == [("ip route", "10.1.1.0/24 dev bridge0 src 10.1.1.1", "gone")]


def test_an_end_that_nobody_sees() -> None:
    network = drawn(PLUGGED[:1], PLUGGED[:1] + UNPLUGGED[1:])
    assert [(cable.near, cable.far) for cable in network.cables] == [((HOST, 3), None)]
    assert network.spaces[1].mark == "new"
    assert [d.mark for d in network.spaces[1].devices] == [""]


def test_one_namespace_in_which_nothing_happened() -> None:
    lonely = observed([net(HOST, device(1, "lo", "loopback"))])
    assert draw_network(lonely, lonely, Atlas()) is None
    assert draw_network(lonely, lonely, Atlas(), {"ip link"}) is not None
    assert draw_network(None, seen(one("a", 1, {"/proc/PID/ns/net": HOST})), Atlas()) is None


def test_what_could_not_be_read() -> None:
    state: State = {"/proc/PID/ns/net": HOST, "ip link": {"error": "EPERM"}, "ip address": None}
    assert draw_network(None, seen(one("a", 1, state)), Atlas(), {"ip link"}) is None


def test_layouts() -> None:
    placed = layouts(drawn(UNPLUGGED, PLUGGED))
    wide, narrow = placed["wide"], placed["narrow"]
    assert narrow.width <= 328
    assert wide.width <= 928
    assert wide.boxes[0].x + wide.boxes[0].width < wide.boxes[1].x
    assert narrow.boxes[0].y + narrow.boxes[0].height < narrow.boxes[1].y
    for layout in (wide, narrow):
        (wire,) = layout.wires
        assert wire.names == ("vethb1", "veth1")
        assert all(0 < x < layout.width and 0 < y < layout.height for x, y in wire.ends)
        for box in layout.boxes:
            ends = [slot.y + slot.height for slot in box.slots]
            assert box.y + box.height > max(ends)
            assert all(end < slot.y for end, slot in zip(ends, box.slots[1:], strict=False))


def test_a_cable_inside_one_namespace() -> None:
    lo = device(1, "lo", "loopback")
    pair = [device(2, "left", peer=3, peer_namespace=HOST), device(3, "right", peer=2, peer_namespace=HOST)]
    network = draw_network(observed([net(HOST, lo)]), observed([net(HOST, lo, *pair)]), Atlas())
    assert network is not None
    placed = layouts(network)
    assert list(placed) == ["any"]
    assert len(placed["any"].wires) == 1
