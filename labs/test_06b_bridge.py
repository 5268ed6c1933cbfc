"""Cables, switches, routers: how network namespaces are connected.

A network namespace has no connection to anything. This lab builds what Docker builds for a container, from parts.

Four words. A *veth pair* is a virtual cable: two devices, and what goes into one comes out of the other. A *bridge* is
a virtual switch: it passes what comes in at one port on to the others. A *router* passes packets on between networks.
*NAT*, network address translation, means that a router writes another address into the packets that it passes on.

The first window plays the part of the host, in a network namespace of its own; the other windows sit in namespaces
beside it. The drawings show what netlink, the kernel's interface for networks, said of each window.
"""

import errno
from pathlib import Path
from typing import Any

import pytest

from runtime.kernel import namespaces, network, packets, proc
from runtime.kernel.syscalls import Clone
from runtime.lab import Choice, Lab, Number, Order, Window, needs
from runtime.lab.networks import (
    NETLINK,
    came_back,
    devices_made,
    go_to,
    look_at,
    own_network,
    plugged_in,
    rules_taken,
    silence_ipv6,
)

pytestmark = [needs("unshare", "nsenter", "ip", "bridge", "ping", "net namespace")]


def test_one_pair(lab: Lab) -> None:
    """Two namespaces and one cable.

    The notes say that namespaces need a bridge and veth pairs to talk to each other. What is the least that two of them
    need?
    """
    first, second, third = lab.window("first"), lab.window("second"), lab.window("third")
    own_network(lab, first)
    first.run("ip netns add a; ip netns add b")
    go_to(second, first, "a")
    go_to(third, first, "b")

    with lab.step(
        "A cable between two computers",
        """
        The host makes one veth pair with one end in a and one in b. Both ends get an address and are set up. Then a
        pings b.
        """,
        found="One veth pair connects two namespaces. A bridge is needed only for more than two.",
        why="""
            What is sent into one end of a veth pair comes out of the other: a cable with a network card at each end
            (veth(4)). With three or more computers it is simpler to connect all to one switch, and that is a bridge.
            Processes that share a file system, or inherited a descriptor, need no device at all.
        """,
        hint="How do you connect two real computers, without a switch?",
        watch=[first, second, third],
        files=NETLINK,
        claims=["net-05"],
        ask=Number("Two namespaces are to talk. How many devices besides lo are needed, in all namespaces together?"),
    ) as step:
        devices_made(lab, first.run("ip link add va netns a type veth peer name vb netns b", status=None))
        second.run("ip address add 10.1.1.2/24 dev va; ip link set va up")
        third.run("ip address add 10.1.1.3/24 dev vb; ip link set vb up")
        plugged_in(second, "va")
        plugged_in(third, "vb")
        answer = second.run("ping -c 1 -W 1 10.1.1.3")
        devices = [link for window in (first, second, third) for link in proc.read("ip link", window.pid)]
        wired = [link["kind"] for link in devices if link["kind"] in ("veth", "bridge")]
        step.answer(len(wired))
        assert ", 0% packet loss" in answer
        assert wired == ["veth", "veth"]
        assert len({window.ns("net") for window in (first, second, third)}) == 3

    with lab.step(
        "What stands after the @",
        """
        b gets a spare device. Then a second pair, wa and wb, is laid from a to b. Look at the line of wa in a: the part
        after the @, and the end of the line. Then the host takes the name b away, and a looks again.
        """,
        found="@ifN is the number of the other end in its own namespace; link-netns is the name of that namespace.",
        why="""
            A device name is known in its own namespace only. The kernel tells the number of the other end (IFLA_LINK),
            and a number that this namespace has for the other one (IFLA_LINK_NETNSID, rtnetlink(7)). ip looks through
            /run/netns for a namespace with that number. If it finds one, it prints link-netns and the name; else
            link-netnsid and the number.
        """,
        hint="Names belong to a namespace.",
        watch=[first, second, third],
        files=["ip link", "ip netns"],
        claims=["net-x05"],
        ask=Choice(
            "In a, ip prints the name of the device as wa@if followed by a number. What number is that?",
            "that of wa in a",
            "that of wb in b",
            "that of the namespace b",
        ),
    ) as step:
        third.run("ip link add spare type bridge")
        first.run("ip link add wa netns a type veth peer name wb netns b")
        named = second.run("ip link show wa")
        first.run("ip netns del b")
        unnamed = second.run("ip link show wa")
        assert "link-netnsid" in unnamed
        after = int(named.partition("wa@if")[2].partition(":")[0])
        wa, wb = numbers(second)["wa"], numbers(third)["wb"]
        netnsid = int(unnamed.split()[-1])
        step.answer(
            {
                "that of wa in a": after == wa,
                "that of wb in b": after == wb,
                "that of the namespace b": after == netnsid,
            },
            saw=named,
        )
        assert after == wb
        assert named.endswith("link-netns b")
        peer = next(link for link in proc.read("ip link", second.pid) if link["ifname"] == "wa")
        assert (peer["peer"], peer["peer_namespace"]) == (wb, third.ns("net"))


def numbers(window: Window) -> dict[str, int]:
    """{device: number} in the network namespace of a window."""
    return {link["ifname"]: link["index"] for link in proc.read("ip link", window.pid)}


def test_topology_of_the_notes(lab: Lab) -> None:
    """Two namespaces and a host on one bridge, as in the notes, command by command.

    The bridge bridge0 is in the host. Two cables go from it: veth1 is in ns1, veth2 in ns2. The three addresses,
    10.1.1.1 to 10.1.1.3, are all in one network.
    """
    first, second, third = lab.window("first"), lab.window("second"), lab.window("third")
    own_network(lab, first)
    silence_ipv6(first)
    first.run("ip netns add ns1; ip netns add ns2")
    go_to(second, first, "ns1")
    go_to(third, first, "ns2")
    silence_ipv6(second)
    silence_ipv6(third)

    with lab.step(
        "A switch without cables",
        "The host makes the bridge. Look at its state, and at its ports: the devices that are connected to it.",
        found="A new bridge is down and has no port.",
        why="""
            A bridge is a switch inside the kernel. The device bridge0 is two things: the switch, and a network card of
            the host that is connected to it (net/bridge/br_device.c). Like every new device it is down. Its files are
            in /sys/class/net/bridge0/bridge, its ports in /sys/class/net/bridge0/brif.
        """,
        watch=[first],
        files=["/sys/class/net/bridge0/bridge", "/sys/class/net/bridge0/brif", *NETLINK],
        claims=["net-07"],
        ask=Choice(
            "`ip link add name bridge0 type bridge`: how is the new bridge?",
            "up, with a port",
            "up, without a port",
            "down, with a port",
            "down, without a port",
        ),
    ) as step:
        assert "bridge0" not in numbers(first)
        devices_made(lab, first.run("ip link add name bridge0 type bridge", status=None))
        shown, ports = first.run("ip -brief link show bridge0").split()[1], first.run("bridge link")
        step.answer(
            {
                "up, with a port": shown == "UP" and ports != "",
                "up, without a port": shown == "UP" and ports == "",
                "down, with a port": shown == "DOWN" and ports != "",
                "down, without a port": shown == "DOWN" and ports == "",
            },
            saw=(shown, ports),
        )
        assert shown == "DOWN"
        assert ports == ""
        assert "bridge forward_delay" in first.run("ip -details link show bridge0")
        assert proc.read("/sys/class/net/bridge0/brif", first.pid) == []
        assert "stp_state" in proc.read("/sys/class/net/bridge0/bridge", first.pid)

    with lab.step(
        "Two cables",
        """
        Two veth pairs are made. vethb1 and vethb2 are connected to the bridge; then veth1 goes to ns1, veth2 to ns2.
        Look at the name of vethb1 before and after the move: the part after the @.
        """,
        found="Each cable has one end in the bridge and one in a namespace; a port whose device is down is disabled.",
        why="""
            Both ends of a new pair are in the same namespace, so ip can print the name of the other end. Once that is
            elsewhere, only its number is known. `master` makes a device a port of the bridge (ip-link(8)).
        """,
        hint="Names belong to a namespace.",
        watch=[first, second, third],
        files=["/sys/class/net/vethb1/iflink", "/sys/class/net/bridge0/brif", *NETLINK],
        claims=["net-08"],
        ask=Choice(
            "The host lists vethb1@veth1. Then veth1 is moved to ns1. What does the host list now?",
            "vethb1@veth1",
            "vethb1@if and a number",
            "vethb1@ns1",
            "vethb1 alone",
        ),
    ) as step:
        first.run("ip link add veth1 type veth peer name vethb1")
        first.run("ip link add veth2 type veth peer name vethb2")
        first.run("ip link set vethb1 master bridge0; ip link set vethb2 master bridge0")
        at_first = first.run("bridge link")
        first.run("ip link set veth1 netns ns1; ip link set veth2 netns ns2")
        name = first.run("ip -brief link show vethb1").split()[0]
        step.answer(
            {
                "vethb1@veth1": name == "vethb1@veth1",
                "vethb1@if and a number": name.removeprefix("vethb1@if").isdecimal(),
                "vethb1@ns1": name == "vethb1@ns1",
                "vethb1 alone": name == "vethb1",
            },
            saw=name,
        )
        assert "vethb1@veth1" in at_first
        assert at_first.count("master bridge0 state disabled") == 2
        assert "veth1" in numbers(second)
        assert "veth2" in numbers(third)
        assert name == f"vethb1@if{numbers(second)['veth1']}"
        assert proc.read("/sys/class/net/bridge0/brif", first.pid) == ["vethb1", "vethb2"]
        assert int(proc.read("/sys/class/net/vethb1/iflink", first.pid)) == numbers(second)["veth1"]
        assert "veth1" not in numbers(first)

    with lab.step(
        "Addresses on devices that are down",
        """
        ns1 gets 10.1.1.2, ns2 gets 10.1.1.3, and the host gets 10.1.1.1 on the bridge. All devices are still down. `ip
        route` lists the routes of ns1, and ns1 pings ns2. Then veth1 is set up.
        """,
        found="A device that is down keeps its address; the route to its network comes when the device goes up.",
        why="""
            /24 says how many bits of the address name the network: 10.1.1.0/24. The route to it, the connected route,
            is added by the kernel when the device goes up, and removed when it goes down (net/ipv4/fib_frontend.c). `ip
            route` lists the table main only. In the table local one entry is there at once: `10.1.1.2 is myself`.
        """,
        hint="A route says: this way. Would that be true now?",
        watch=[first, second, third],
        files=["/proc/PID/net/fib_trie", *NETLINK],
        claims=["net-09"],
        ask=Number("veth1 has the address 10.1.1.2/24 and is down. How many lines has `ip route` in ns1?"),
    ) as step:
        second.run("ip address add 10.1.1.2/24 dev veth1")
        third.run("ip address add 10.1.1.3/24 dev veth2")
        first.run("ip address add 10.1.1.1/24 dev bridge0")
        step.answer(len(second.run("ip route").splitlines()))
        assert "10.1.1.2/24" in [row["address"] for row in proc.read("ip address", second.pid)]
        assert proc.read("/proc/PID/net/route", second.pid) == []
        assert "Network is unreachable" in second.run("ping -c 1 -W 0.5 10.1.1.3", status=2)
        second.run("ip link set veth1 up")
        assert [row["dst"] for row in proc.read("ip route", second.pid)] == ["10.1.1.0/24"]

    with lab.step(
        "All up, and everybody pings everybody",
        """
        The other devices are set up. A frame is what passes a cable: a packet with the hardware addresses of two cards.
        We look at the frames on vethb1 while ns1 pings ns2 for the first time. Then come the other directions.
        """,
        found="All six directions work. Before the first ping, ARP asks for the hardware address.",
        why="""
            ns1 must know the hardware address of the card that has 10.1.1.3. It asks all (ARP, RFC 826); the bridge
            passes this on to all ports. The answer goes into the table of neighbours, and the ping (ICMP, RFC 792) can
            start. ns2 learned the address of ns1 from the question, so it need not ask.
        """,
        hint="A frame needs a hardware address to go to.",
        watch=[first, second, third],
        files=["/proc/PID/net/arp", *NETLINK],
        claims=["net-10"],
        ask=Order(
            "ns1 sends its first ping to ns2. In which order do these frames pass vethb1?",
            "ICMP echo request",
            "ICMP echo reply",
            "ARP request",
            "ARP reply",
        ),
    ) as step:
        third.run("ip link set veth2 up")
        first.run("ip link set bridge0 up; ip link set vethb1 up; ip link set vethb2 up")
        for window, names in ((first, ("vethb1", "vethb2", "bridge0")), (second, ("veth1",)), (third, ("veth2",))):
            plugged_in(window, *names)
        eyes = step.keep(look_at(first, "vethb1"))
        answers = second.run("ping -c 1 -W 1 10.1.1.3", status=(0, 1))
        frames = [frame["what"] for frame in eyes.read() if frame["what"].startswith(("ARP", "ICMP"))]
        assert frames == ["ARP request", "ARP reply", "ICMP echo request", "ICMP echo reply"]
        step.answer(frames)
        answers += second.run("ping -c 1 -W 1 10.1.1.1")
        answers += third.run("ping -c 1 -W 1 10.1.1.1; ping -c 1 -W 1 10.1.1.2")
        answers += first.run("ping -c 1 -W 1 10.1.1.2; ping -c 1 -W 1 10.1.1.3")
        assert answers.count(", 0% packet loss") == 6

    with lab.step(
        "What they have learned",
        """
        ns1 shows its table of neighbours, and the bridge its forwarding database: which hardware address is behind
        which port? Lines with the word permanent are the bridge's own ports.
        """,
        found="The bridge learns hardware addresses from the sender of each frame; ARP finds them for IP addresses.",
        why="""
            Two tables with two tasks. Neighbours (arp(7)) are kept by everybody who speaks IP: which hardware address
            has this IP address? The forwarding database is kept by the bridge, which knows no IP. It forgets an address
            after 300 seconds (bridge(8), ageing_time).
        """,
        hint="The bridge learns from what comes in at its ports. Who sits behind a port?",
        watch=[first, second, third],
        files=["/proc/PID/net/arp", *NETLINK],
        shows=["net-10"],
        ask=Number("How many hardware addresses has the bridge learned from frames?"),
    ) as step:
        second.run("ip neighbour; cat /proc/net/arp")
        first.run("bridge fdb show br bridge0")
        learned = {row["mac"]: row["dev"] for row in proc.read("bridge fdb", first.pid) if row["state"] == "learned"}
        step.answer(len(learned))
        mac1, mac2 = hardware_address(second, "veth1"), hardware_address(third, "veth2")
        assert learned == {mac1: "vethb1", mac2: "vethb2"}
        known = {row["dst"]: row["mac"] for row in proc.read("/proc/PID/net/arp", second.pid)}
        assert known == {"10.1.1.1": hardware_address(first, "bridge0"), "10.1.1.3": mac2}

    with lab.step(
        "The host's place at the bridge",
        """
        No cable of the host leads to the bridge, and yet the host pings ns1. Now the address of bridge0 is deleted. ns1
        pings ns2, and the host pings ns1.
        """,
        found="One bridge serves all: bridge0 is the switch, and with an address it is the host's own card in it.",
        why="""
            Frames for the hardware address of bridge0 go up into the host, all others from port to port
            (net/bridge/br_input.c). The switch works without any IP address. In a container network the address of the
            bridge (docker0) is the router of the containers.
        """,
        hint="Which of the two needs the host?",
        watch=[first, second, third],
        files=NETLINK,
        claims=["net-14"],
        ask=Choice(
            "bridge0 has no address now. Which pings are still answered?",
            "all",
            "ns1 to ns2 only",
            "the host to ns1 only",
            "none",
        ),
    ) as step:
        assert sorted(link["ifname"] for link in proc.read("ip link", first.pid) if link["kind"] == "bridge") == [
            "bridge0"
        ]
        assert [row["dev"] for row in proc.read("ip route", first.pid)] == ["bridge0"]
        first.run("ip address del 10.1.1.1/24 dev bridge0")
        across = second.run("ping -c 1 -W 1 10.1.1.3", status=(0, 1)).status
        from_host = first.run("ping -c 1 -W 0.3 10.1.1.2", status=(0, 1, 2)).status
        step.answer(
            {
                "all": across == 0 and from_host == 0,
                "ns1 to ns2 only": across == 0 and from_host == 2,
                "the host to ns1 only": across == 1 and from_host == 0,
                "none": across == 1 and from_host == 2,
            },
            saw=(across, from_host),
        )
        assert (across, from_host) == (0, 2)
        first.run("ip address add 10.1.1.1/24 dev bridge0")
        assert ", 0% packet loss" in first.run("ping -c 1 -W 1 10.1.1.2")

    with lab.step(
        "ns1 and its own address",
        """
        The notes stop here: all their devices are up. ns1 pings itself, 10.1.1.2, and a far address, 10.9.9.9. Then lo
        is set up in ns1, and both pings are sent again.
        """,
        found="Without lo a namespace cannot reach its own address; and nothing leads out of 10.1.1.0/24.",
        why="""
            Packets to one's own address never reach veth1: the kernel has a route `local 10.1.1.2 dev lo` for it. So lo
            must be up, which the notes' list of devices lacks. For other networks there is no default route, and no
            router: the last exercise of this lab adds them.
        """,
        hint="Which device carries packets from a machine to itself?",
        watch=[second],
        files=NETLINK,
        claims=["net-11"],
        ask=Choice(
            "ns1 reaches ns2 and the host. What comes back when it pings its own address?",
            "an answer",
            "nothing",
            "an error: Network is unreachable",
            "an error: Destination Host Unreachable",
        ),
    ) as step:
        way = second.run("ip route get 10.1.1.2")
        own = second.run("ping -c 1 -W 0.3 10.1.1.2", status=(0, 1, 2))
        step.answer(came_back(own), saw=own)
        assert way.startswith("local 10.1.1.2 dev lo")
        assert "100% packet loss" in own
        assert proc.read("/proc/PID/net/dev", second.pid)["lo"]["rx_packets"] == 0
        assert "Network is unreachable" in second.run("ping -c 1 -W 0.3 10.9.9.9", status=2)
        second.run("ip link set lo up")
        assert ", 0% packet loss" in second.run("ping -c 1 -W 1 10.1.1.2")
        assert proc.read("/proc/PID/net/dev", second.pid)["lo"]["rx_packets"] >= 2
        assert "Network is unreachable" in second.run("ping -c 1 -W 0.3 10.9.9.9", status=2)


def hardware_address(window: Window, name: str) -> str:
    """The hardware address of a device in the network namespace of a window."""
    return str(next(link["mac"] for link in proc.read("ip link", window.pid) if link["ifname"] == name))


def test_topology_by_netlink(lab: Lab) -> None:
    """The same topology by netlink, without ip and bridge.

    ip(8) has no power of its own: it writes messages into a socket of the family AF_NETLINK. Here Python writes the
    same messages (by the library pyroute2), and counts what a port has carried.
    """
    host, ns1, ns2 = new_computer(lab), new_computer(lab), new_computer(lab)

    with lab.step(
        "Build it",
        """
        Three children wait in a network namespace each. A thread of this program visits them and builds: first in the
        host, then in ns1 and ns2.
        """,
        found="A bridge and two cables: five devices, made without ip(8).",
        why="""
            setns(2) works for one thread alone, so a program with many threads can build in one namespace while its
            other threads stay outside. The netlink socket is opened after setns(), because a socket belongs to the
            namespace in which it was opened.
        """,
        watch=[host, ns1, ns2],
        files=NETLINK,
        shows=["net-07", "net-08", "net-09"],
        ask=Number("How many devices are there in the three namespaces together, lo not counted?"),
    ) as step:
        inside(host, build_host, ns1.pid, ns2.pid)
        inside(ns1, build_end, "veth1", "10.1.1.2/24")
        inside(ns2, build_end, "veth2", "10.1.1.3/24")
        inside(host, wait_for_ports)
        devices = [link for each in (host, ns1, ns2) for link in proc.read("ip link", each.pid)]
        wired = {link["ifname"]: link for link in devices if link["kind"] in ("veth", "bridge")}
        step.answer(len(wired))
        assert list(wired) == ["bridge0", "vethb1", "vethb2", "veth1", "veth2"]
        assert wired["vethb1"]["peer_namespace"] == namespaces.link(ns1.pid, "net")
        assert wired["veth2"]["peer"] == wired["vethb2"]["index"]
        assert [wired[name]["master"] for name in ("vethb1", "vethb2", "veth1")] == ["bridge0", "bridge0", None]
        assert [row["dst"] for row in proc.read("ip route", ns1.pid)] == ["10.1.1.0/24"]

    with lab.step(
        "Count the packets of one ping",
        "ns1 sends its first ping to ns2. The counters of the bridge's port vethb1 are read before and after.",
        found="Two packets: the question of ARP, and the ping.",
        why="""
            What ns1 sends into veth1 comes out of vethb1, the other end of its cable: tx counts what a device sent, rx
            what it received. One ping is one request and one reply; ARP comes before it.
        """,
        hint="Nobody knew a hardware address yet.",
        watch=[host, ns1, ns2],
        files=NETLINK,
        shows=["net-10"],
        ask=Number("How many packets has vethb1 received after the first ping from ns1 to ns2?"),
    ) as step:
        before = counter(ns1, "veth1", "tx_packets"), counter(host, "vethb1", "rx_packets")
        inside(ns1, packets.ping, "10.1.1.3")
        after = counter(ns1, "veth1", "tx_packets"), counter(host, "vethb1", "rx_packets")
        step.answer(after[1])
        assert before == (0, 0)
        assert after == (2, 2)
        assert counter(ns2, "veth2", "tx_packets") == 2

    with lab.step(
        "The other five directions",
        "Each of the three pings both others. Then ns1 pings its own address, with lo down, and again with lo up.",
        found="All answer; ns1 reaches its own address only when lo is up.",
        why="""
            ping(8) sends an ICMP echo request and waits for the reply; here a raw socket does it (raw(7)). The packet
            to the own address is dropped by lo, which is down, and nobody tells the sender.
        """,
        watch=[host, ns1, ns2],
        files=NETLINK,
        shows=["net-10", "net-11"],
    ):
        ways = [(host, "10.1.1.2"), (host, "10.1.1.3"), (ns1, "10.1.1.1"), (ns2, "10.1.1.1"), (ns2, "10.1.1.2")]
        trips = [inside(each, packets.ping, address) for each, address in ways]
        assert len(trips) == 5
        assert min(trips) > 0
        with pytest.raises(network.NetworkError) as lost:
            inside(ns1, packets.ping, "10.1.1.2", 0.2)
        assert lost.value.errno == errno.ETIMEDOUT
        inside(ns1, network.set_up, "lo")
        assert inside(ns1, packets.ping, "10.1.1.2") > 0


def new_computer(lab: Lab) -> namespaces.Child[None]:
    """A child in a new network namespace that waits there, to be visited."""
    child = lab.keep(namespaces.start_in_new(Clone.NEWNET, namespaces.tell_and_stay, without_ipv6))
    child.hear()
    return child


def without_ipv6() -> None:
    """In a child: see silence_ipv6. A kernel without IPv6 has no such file."""
    for name in ("all", "default"):
        setting = Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6")
        if setting.exists():
            setting.write_text("1")


def inside(child: namespaces.Child[None], function: Any, *args: Any) -> Any:
    """The result of a function in the network namespace of a child: a thread goes there."""
    return namespaces.visit(child.pid, ["net"], function, *args)


def build_host(ns1: int, ns2: int) -> None:
    """In the host: the bridge, and the two cables; the far ends go to the namespaces of two processes."""
    network.add_bridge("bridge0")
    for near, far, namespace in (("vethb1", "veth1", ns1), ("vethb2", "veth2", ns2)):
        network.add_veth(near, far)
        network.set_master(near, "bridge0")
        network.move(far, namespace)
    network.add_address("bridge0", "10.1.1.1/24")
    for name in ("bridge0", "vethb1", "vethb2"):
        network.set_up(name)


def build_end(name: str, address: str) -> None:
    """In ns1 and ns2: the address, then up."""
    network.add_address(name, address)
    network.set_up(name)
    network.wait_for(name, state="UP")


def wait_for_ports() -> None:
    """In the host: until the bridge passes frames on."""
    for name in ("vethb1", "vethb2"):
        network.wait_for(name, port_state="forwarding")
    network.wait_for("bridge0", state="UP")


def counter(child: namespaces.Child[None], name: str, what: str) -> int:
    """A counter of a device in the network namespace of a child."""
    return int(next(link[what] for link in proc.read("ip link", child.pid) if link["ifname"] == name))


def test_end_of_a_cable(lab: Lab) -> None:
    """How a veth pair ends.

    What happens to one end of a cable when the other one is deleted, or when its namespace ends?
    """
    host, far = new_computer(lab), new_computer(lab)

    with lab.step(
        "Delete one end",
        """
        The host has two pairs: one with both ends at home, one with an end in another namespace. One end of each is
        deleted.
        """,
        found="A veth pair is deleted as a whole, in whatever namespaces its ends are.",
        why="""
            veth_dellink() in drivers/net/veth.c deletes both ends. So it is enough to delete the end on the host's
            side; container engines do no more.
        """,
        watch=[host, far],
        files=["ip link"],
        shows=["net-08"],
        ask=Choice(
            "A veth pair has one end in the host and one in a namespace. The host deletes its end. And the other?",
            "it stays, without another end",
            "it is deleted too",
            "it comes back to the host",
        ),
    ) as step:
        inside(host, network.add_veth, "va", "vb")
        inside(host, network.add_veth, "vc", "vd", far.pid)
        assert inside(far, network.exists, "vd")
        inside(host, network.delete, "va")
        inside(host, network.delete, "vc")
        there, home = inside(far, network.exists, "vd"), inside(host, network.exists, "vd")
        step.answer(
            {
                "it stays, without another end": there and not home,
                "it is deleted too": not there and not home,
                "it comes back to the host": home and not there,
            }
        )
        assert not inside(host, network.exists, "vb")
        assert not there
        assert not home

    with lab.step(
        "End the namespace",
        """
        A new pair is laid, from ve in the host to vf in the other namespace. Then the only process of that namespace is
        killed.
        """,
        found="A namespace takes its virtual devices with it, and their other ends with them.",
        why="""
            It takes a moment: the work is done by a kernel thread (cleanup_net()). Only real network cards are kept:
            they come back to the first namespace of the machine.
        """,
        hint="Both ends have one life.",
        watch=[host],
        files=["ip link"],
        shows=["net-08"],
        ask=Choice(
            "The namespace with vf is gone. What has the host, a moment later?",
            "ve, without another end",
            "ve and vf",
            "neither of them",
        ),
    ) as step:
        inside(host, network.add_veth, "ve", "vf", far.pid)
        assert inside(host, network.exists, "ve")
        far.close()
        inside(host, network.wait_until_gone, "ve")
        left = {link["ifname"] for link in proc.read("ip link", host.pid)} & {"ve", "vf"}
        step.answer(
            {
                "ve, without another end": left == {"ve"},
                "ve and vf": left == {"ve", "vf"},
                "neither of them": left == set(),
            },
            saw=left,
        )
        assert left == set()


def test_router_and_translation(lab: Lab) -> None:
    """A way out: default route, forwarding, translation of addresses.

    So far nobody can leave 10.1.1.0/24. Docker connects its bridge to the world by three things, and this exercise adds
    them one by one. The first window is the host, which is to be the router. The second window is a container with the
    address 10.1.1.2. The third is a server far away, 192.0.2.2. Each has one cable to the host.
    """
    first, second, third = lab.window("first"), lab.window("second"), lab.window("third")
    own_network(lab, first)
    silence_ipv6(first)
    first.run("ip netns add inside; ip netns add outside; sysctl -w net.ipv4.ip_forward=0")
    go_to(second, first, "inside")
    go_to(third, first, "outside")
    devices_made(lab, first.run("ip link add near type veth peer name veth1 netns inside", status=None))
    first.run("ip link add far type veth peer name veth2 netns outside")
    first.run("ip address add 10.1.1.1/24 dev near; ip address add 192.0.2.1/24 dev far")
    first.run("ip link set near up; ip link set far up")
    silence_ipv6(second)
    second.run("ip address add 10.1.1.2/24 dev veth1; ip link set veth1 up")
    silence_ipv6(third)
    third.run("ip address add 192.0.2.2/24 dev veth2; ip link set veth2 up")
    for window, names in ((first, ("near", "far")), (second, ("veth1",)), (third, ("veth2",))):
        plugged_in(window, *names)

    with lab.step(
        "A default route",
        """
        The container pings the server, first without and then with a default route, which says: everything else goes
        to 10.1.1.1.
        """,
        found="Without a route the kernel refuses at once; with one the host gets the packet, but is no router yet.",
        why="""
            Without a route the kernel refuses at once: ENETUNREACH. A Linux machine is no router by itself: it drops
            what is not for its own addresses, unless net.ipv4.ip_forward is 1 (ip(7)).
        """,
        hint="Is the host a router?",
        watch=[first, second, third],
        files=["/proc/sys/net/ipv4/ip_forward", *NETLINK],
        shows=["net-11"],
        ask=Choice(
            "The container has a default route to the host now. What comes back from the server?",
            "an answer",
            "nothing",
            "an error: Network is unreachable",
            "an error: Destination Host Unreachable",
        ),
    ) as step:
        without = second.run("ping -c 1 -W 0.2 192.0.2.2", status=2)
        second.run("ip route add default via 10.1.1.1")
        with_route = second.run("ping -c 1 -W 0.2 192.0.2.2", status=(0, 1, 2))
        step.answer(came_back(with_route), saw=with_route)
        assert "Network is unreachable" in without
        assert "100% packet loss" in with_route
        assert "default via 10.1.1.1" in second.run("ip route")

    with lab.step(
        "The host becomes a router",
        """
        ip_forward is set to 1 in the host. We look at the frames that reach the server. Then the server gets a route
        back to 10.1.1.0/24, for a moment.
        """,
        found="A router passes the request on; for the answer the server needs a route back.",
        why="""
            The request arrives, with the sender 10.1.1.2. But the server has no route to that network, so its answer is
            lost. With a route both ways we have plain routing. In the Internet nobody has a route to 10.0.0.0/8: these
            addresses are for private use (RFC 1918).
        """,
        hint="Where must the server send its answer to, and does it know the way?",
        watch=[first, second, third],
        files=["/proc/sys/net/ipv4/ip_forward", *NETLINK],
        ask=Choice(
            "With ip_forward=1 in the host: how far does the ping get?",
            "to the host only",
            "to the server, but the answer is lost",
            "to the server and back",
        ),
    ) as step:
        eyes = step.keep(look_at(third, "veth2"))
        first.run("sysctl -w net.ipv4.ip_forward=1")
        one_way = second.run("ping -c 1 -W 0.2 192.0.2.2", status=(0, 1)).status
        requests = [frame["source"] for frame in eyes.read() if frame["what"] == "ICMP echo request"]
        step.answer(
            {
                "to the host only": one_way == 1 and requests == [],
                "to the server, but the answer is lost": one_way == 1 and requests == ["10.1.1.2"],
                "to the server and back": one_way == 0 and requests == ["10.1.1.2"],
            },
            saw=(one_way, requests),
        )
        assert requests == ["10.1.1.2"]
        assert one_way == 1
        third.run("ip route add 10.1.1.0/24 via 192.0.2.1")
        assert ", 0% packet loss" in second.run("ping -c 1 -W 1 192.0.2.2")
        third.run("ip route del 10.1.1.0/24")

    with lab.step(
        "Translation of addresses",
        """
        The server knows no way back again. The host gets one rule of NAT, masquerade: whatever leaves by the device far
        gets another sender. Look at the sender that the server sees.
        """,
        found="masquerade puts the router's own address in the place of the sender, and takes the answers back.",
        why="""
            The new sender is the address of the device by which the packet leaves. The kernel remembers the connection,
            so that the answer finds its way back (connection tracking, nft(8)). Docker adds such a rule for each of its
            bridges. The rule is in the host's network namespace: the container can neither see nor change it.
        """,
        hint="Which of the host's addresses is on the way to the server?",
        watch=[first, second, third],
        files=NETLINK,
        ask=Choice(
            "From which address does the ping come, as the server sees it?",
            "10.1.1.2",
            "10.1.1.1",
            "192.0.2.1",
            "192.0.2.2",
        ),
    ) as step:
        chain = "add table ip nat; add chain ip nat out { type nat hook postrouting priority 100; }"
        rules_taken(lab, first.run(f"nft '{chain}'", status=None))
        rules_taken(lab, first.run("nft 'add rule ip nat out oif far masquerade'", status=None))
        eyes = step.keep(look_at(third, "veth2"))
        answer = second.run("ping -c 1 -W 1 192.0.2.2", status=(0, 1))
        senders = [frame["source"] for frame in eyes.read() if frame["what"] == "ICMP echo request"]
        step.answer(
            {address: senders == [address] for address in ("10.1.1.2", "10.1.1.1", "192.0.2.1", "192.0.2.2")},
            saw=senders,
        )
        assert ", 0% packet loss" in answer
        assert senders == ["192.0.2.1"]
        assert [row["dst"] for row in proc.read("ip route", third.pid)] == ["192.0.2.0/24"]
        assert second.run("nft list ruleset") == ""
