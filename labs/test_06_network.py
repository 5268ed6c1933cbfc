"""Network namespaces: a whole network stack of one's own.

A network namespace holds devices, addresses, routes, neighbours, firewall rules, ports and sockets. A new one is like a
computer fresh from its box: one device, lo, switched off, and no cable. This lab plugs such computers together: by a
virtual cable (veth), by a virtual switch (bridge), and by a router with address translation, as Docker does.

Each exercise begins in a network namespace of its own that plays the part of the host, so nothing of the machine's real
network is touched. The first window is the host, the others sit in the namespaces. The drawings show what netlink, the
kernel's interface for networks, said of each window: the same source from which ip(8) and bridge(8) read.
"""

import errno
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from runtime.kernel import namespaces, network, packets, proc
from runtime.kernel.syscalls import Clone, setns
from runtime.lab import Choice, Lab, Number, Order, needs
from runtime.lab.window import Output, Window

pytestmark = [needs("unshare", "nsenter", "ip", "bridge", "ping", "ss", "net namespace")]

NETLINK = ("ip link", "ip address", "ip route", "ip neighbour", "bridge fdb", "ip netns")


def own_network(lab: Lab, window: Window) -> None:
    """Enter a network namespace that plays the part of the host. /run/netns, where `ip netns` keeps names, and /sys,
    which shows devices, become its own too, by a mount namespace."""
    window.enter("unshare --net --mount /bin/bash")
    if not lab.directory.is_relative_to("/run"):  # outside the sandbox /run is the machine's: leave it alone
        window.run("mount -t tmpfs tmpfs /run")
    window.run("mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns && mount -t sysfs sysfs /sys")


def go_to(window: Window, host: Window, name: str) -> None:
    """Bring a window to the host, and from there into a namespace with a name."""
    window.enter(f"nsenter --target {host.pid} --net --mount /bin/bash")
    window.enter(f"ip netns exec {name} /bin/bash")


def test_a_name_is_a_mount(lab: Lab) -> None:
    """ip netns: namespaces with a name, and without a process.

    The other kinds of namespaces usually end with their last process. The notes begin with `ip netns add`, which makes
    network namespaces that nobody is in. How do they stay alive, and how do they end?
    """
    first, second = lab.window("first"), lab.window("second")
    own_network(lab, first)

    with lab.step(
        "Make a namespace by its name",
        "ip netns add makes a namespace and a file of that name in /run/netns. Look at the mount table: the file is a "
        "mount point. ip netns pids lists the processes in the namespace.",
        why="ip calls unshare(CLONE_NEWNET), bind-mounts its own /proc/self/ns/net on the file, and ends. The mount is "
        "a user of the namespace, as a process or an open descriptor is. The kernel knows no names of namespaces: "
        "they are a custom of ip-netns(8). Docker keeps its files elsewhere (/run/docker/netns), so `ip netns` does "
        "not list containers.",
        hint="Which process could be in it? ip itself has ended.",
        watch=[first],
        files=["/run/netns", "ip netns"],
        claims=["net-06"],
        ask=Number("How many processes are in a namespace that `ip netns add ns1` has just made?"),
    ) as step:
        before = first.run("ip netns list")
        first.run("ip netns add ns1")
        first.run("ls -l /run/netns; grep netns /proc/self/mountinfo")
        inside = first.run("ip netns pids ns1").split()
        step.answer(len(inside))
        mounts = proc.read("/proc/PID/mountinfo", first.pid)
        file = next(mount for mount in mounts if mount["point"] == "/run/netns/ns1")
        assert before == ""
        assert first.run("ip netns list") == "ns1"
        assert inside == []
        assert file["fstype"] == "nsfs"
        assert file["root"] == proc.read("ip netns", first.pid)["ns1"]
        assert file["root"] != first.ns("net")

    with lab.step(
        "Take the name away while somebody is inside",
        "The second window goes into ns1. A cable is laid from there to the host. Then the host deletes ns1, and looks "
        "at its own end of the cable. At last the second window leaves.",
        why="ip netns del unmounts and removes the file: one user less. The shell is another one, so the namespace "
        "lives on without a name. When the last user goes, the kernel takes the namespace down in a thread of its own "
        "(cleanup_net() in net/core/net_namespace.c): its veth devices are deleted, and so are their peers.",
        hint="What keeps a namespace alive: its name, or its users?",
        watch=[first, second],
        files=["/run/netns", "ip netns", "ip link"],
        claims=["net-x03"],
        ask=Choice(
            "A shell is in ns1, and `ip netns del ns1` runs outside. What happens?",
            "an error: ns1 is in use",
            "the name goes, the shell stays where it is",
            "the shell falls back to the network of the host",
        ),
    ) as step:
        go_to(second, first, "ns1")
        first.run("ip link add vethb1 type veth peer name veth1 netns ns1")
        there = second.ns("net")
        deleted = first.run("ip netns del ns1")
        stays = "the name goes, the shell stays where it is"
        fell_back = "the shell falls back to the network of the host"
        survived = stays if second.ns("net") == there else fell_back
        step.answer(survived if deleted.status == 0 else "an error: ns1 is in use")
        assert deleted.status == 0
        assert first.run("ip netns list") == ""
        assert second.ns("net") == there != first.ns("net")
        assert second.run("ip link show veth1").status == 0
        assert first.run("ip link show vethb1").status == 0
        second.exit()
        namespaces.visit(first.pid, ["net"], network.wait_until_gone, "vethb1")
        assert "does not exist" in first.run("ip link show vethb1", status=1)


def test_fresh_from_the_box(lab: Lab) -> None:
    """What is in a new network namespace, and where one can see it.

    The notes say that a new namespace has a loopback device. So it has. But try to use it.
    """
    first, second = lab.window("first"), lab.window("second")
    own_network(lab, first)
    first.run("ip netns add ns1; ip link add bridge0 type bridge")

    with lab.step(
        "One device, and it is down",
        "The second window goes into ns1 and lists devices, addresses and routes there. Then it pings itself, and once "
        "more after lo was set up.",
        why="Each network namespace gets a loopback device of its own when it is made (drivers/net/loopback.c), but "
        "nobody sets it up. On the machine the start-up programs do that; in a container the engine does. The address "
        "127.0.0.1 comes with the up: a new lo has none. On kernels with tunnels loaded there may be more devices "
        "(tunl0, sit0), all down (net.core.fb_tunnels_only_for_init_net).",
        hint="Look at the word state in the output of ip link.",
        watch=[first, second],
        files=["/sys/class/net", *NETLINK],
        claims=["net-02"],
        ask=Choice(
            "`ping 127.0.0.1` in a brand-new network namespace: what comes back?",
            "an answer",
            "nothing: packets are lost",
            "an error: Network is unreachable",
        ),
    ) as step:
        go_to(second, first, "ns1")
        second.run("ip link; ip address; ip route; cat /proc/net/dev")
        devices = {link["ifname"]: link for link in proc.read("ip link", second.pid)}
        up = second.run("ip -brief link show up")
        alone = second.run("ping -c 1 -W 0.5 127.0.0.1", status=2)
        step.answer(what_came_back(alone))
        assert devices["lo"]["state"] == "DOWN"
        assert up == ""
        assert "bridge0" not in devices
        assert second.run("ip address show dev lo | grep 127.0.0.1", status=1).status == 1
        assert alone.status != 0
        second.run("ip link set lo up")
        assert second.run("ping -c 1 -W 0.5 127.0.0.1").status == 0
        assert "lo" in second.run("ls /sys/class/net").split()

    with lab.step(
        "/sys is of the mount, /proc/net of the reader",
        "The second window leaves ns1 and goes into a new network namespace by unshare --net alone. ip lists lo only. "
        "Now list /sys/class/net. Then mount a new /sys, in a mount namespace of its own, and list it again.",
        why="A sysfs belongs to the network namespace in which it was mounted (it is a tag of the mount, "
        "fs/sysfs/mount.c). unshare --net leaves the mounts alone. That is why `ip netns exec` also makes a mount "
        "namespace and mounts /sys anew. /proc/net is a link to self/net, so there the reader decides.",
        hint="Who mounted this /sys, and in which network namespace?",
        watch=[first, second],
        files=["/sys/class/net", "ip link"],
        claims=["net-x01"],
        ask=Choice(
            "After `unshare --net`, what does `ls /sys/class/net` list?",
            "lo alone: the devices of the new namespace",
            "the devices of the namespace before",
        ),
    ) as step:
        second.exit()
        second.enter("unshare --net /bin/bash")
        listed = second.run("ls /sys/class/net").split()
        by_mount, by_reader = "the devices of the namespace before", "lo alone: the devices of the new namespace"
        step.answer(by_mount if "bridge0" in listed else by_reader)
        assert second.ns("net") != first.ns("net")
        assert "bridge0" not in second.run("ip -brief link")
        assert listed == first.run("ls /sys/class/net").split()
        assert "bridge0" in listed
        assert second.run("readlink /proc/net") == "self/net"
        assert "bridge0" not in second.run("cat /proc/net/dev")
        second.enter("unshare --mount /bin/bash")
        second.run("mount -t sysfs sysfs /sys")
        assert "bridge0" not in second.run("ls /sys/class/net").split()

    with lab.step(
        "Look in without going in",
        "The first window, the host, reads the file net/dev of its own shell, then that of the shell in the second "
        "window.",
        why="/proc/PID/net shows the network namespace of process PID, whoever reads it (proc_pid_net(5)). /proc/net "
        "is only a short form for one's own. It is the easiest way to look into the network of a container from "
        "outside, but only for what is a file there: routes, counters, sockets; for the rest use nsenter --net.",
        watch=[first, second],
        files=["ip link"],
        claims=["net-x04"],
        ask=Choice(
            "The host reads /proc/PID/net/dev, PID being a shell in another network namespace. Whose devices?",
            "those of the host, who reads",
            "those of the shell PID",
        ),
    ) as step:
        own = first.run("cat /proc/$$/net/dev")
        theirs = first.run(f"cat /proc/{second.pid}/net/dev")
        step.answer("those of the host, who reads" if "bridge0" in theirs else "those of the shell PID")
        assert "bridge0:" in own
        assert "bridge0:" not in theirs
        assert "lo:" in theirs
        assert theirs.splitlines()[2:] == second.run("cat /proc/net/dev").splitlines()[2:]


def what_came_back(ping: Output) -> str:
    """The answer of ping, as the choices of this lab put it."""
    if ping.status == 0:
        return "an answer"
    return "an error: Network is unreachable" if "unreachable" in ping else "nothing: packets are lost"


def test_each_its_own(lab: Lab) -> None:
    """The list of the notes, item by item: devices, addresses, routes, ports, sockets, firewall rules.

    Two windows sit in two namespaces. Each thing is set up in the first one, and looked for in the second.
    """
    first, second = lab.window("first"), lab.window("second")

    with (
        ExitStack() as sockets,
        lab.step(
            "Set up in one, look in the other",
            "The first window gets a device, an address, a route, a program that listens on 127.0.0.1:8080, and a "
            "firewall rule that drops all that comes in. The second one gets nothing but the same port.",
            why="All of these hang on struct net, the kernel's object of a network namespace: a list of devices, "
            "tables of routes and rules, and hash tables of ports in which the namespace is a part of the key "
            "(network_namespaces(7)). The notes speak of iptables; nft is the newer language for rules in the kernel.",
            hint="bind(2) fails if the port is taken. Taken where?",
            watch=[first, second],
            files=["/proc/PID/net/tcp", "/proc/PID/net/unix", *NETLINK],
            claims=["net-01"],
            ask=Choice(
                "A program listens on 127.0.0.1:8080 in the first namespace. May one in the second do the same?",
                "yes",
                "no: Address already in use",
            ),
        ) as step,
    ):
        first.enter("unshare --net /bin/bash")
        second.enter("unshare --net /bin/bash")
        assert first.ns("net") != second.ns("net")
        first.run("ip link set lo up; ip link add bridge0 type bridge; ip link set bridge0 up")
        second.run("ip link set lo up")
        first.run("ip address add 10.1.1.1/24 dev bridge0; ip route add 10.2.0.0/16 via 10.1.1.9")
        assert "bridge0" in first.run("ip -brief link")
        assert "bridge0" not in second.run("ip -brief link")
        assert "10.1.1.1/24" in first.run("ip -brief address")
        assert "10.1.1.1/24" not in second.run("ip -brief address")
        assert "10.2.0.0/16" in first.run("ip route")
        assert second.run("ip route") == ""

        sockets.enter_context(listen(first, 8080))
        with pytest.raises(OSError, match="in use") as taken:
            listen(first, 8080)
        assert taken.value.errno == errno.EADDRINUSE
        assert local_ends(second) == []
        try:
            sockets.enter_context(listen(second, 8080))
        except OSError as error:
            step.answer(f"no: {error.strerror}")
        else:
            step.answer("yes")
        assert local_ends(first) == local_ends(second) == ["127.0.0.1:8080"]
        sockets.enter_context(named_socket(first, "\0lab"))
        assert "@lab" in unix_names(first)
        assert "@lab" not in unix_names(second)

        pings = [window.run("ping -c 1 -W 0.5 127.0.0.1").status for window in (first, second)]
        assert pings == [0, 0]
        filters(lab, first.run("nft 'add table ip lab; add chain ip lab in { type filter hook input priority 0; }'"))
        first.run("nft add rule ip lab in counter drop")
        assert "drop" in first.run("nft list ruleset")
        assert second.run("nft list ruleset") == ""
        pings = [window.run("ping -c 1 -W 0.2 127.0.0.1", status=None).status for window in (first, second)]
        assert pings == [1, 0]


def test_home_of_a_socket(lab: Lab) -> None:
    """A socket stays in the network namespace in which it was opened.

    A process can leave a network namespace by setns(2). What about the sockets that it has open?
    """
    first, second = lab.window("first"), lab.window("second")
    first.enter("unshare --net /bin/bash")
    second.enter("unshare --net /bin/bash")
    first.run("ip link set lo up")
    second.run("ip link set lo up")

    with (
        ExitStack() as children,
        lab.step(
            "Open a port, then move away",
            "A child enters the namespace of the first window and listens on port 8080 there. Then it moves to the "
            "namespace of the second window, with the socket open. Both windows look for the port.",
            why="socket(2) notes the namespace of the caller in the socket, once (sock_net() in the kernel). setns(2) "
            "changes the process and what it opens from then on. SIOCGSKNS asks a socket for its namespace. So an "
            "engine can prepare a socket in one namespace and use it from another.",
            hint="setns() changes a process. Is a socket a process?",
            watch=[first, second],
            files=["/proc/PID/net/tcp", "/proc/PID/fd"],
            claims=["net-04"],
            ask=Choice(
                "A process opens a listening socket in A and then moves to B by setns(). Where is the port open?",
                "in A",
                "in B",
                "in A and in B",
                "nowhere: setns() closes it",
            ),
        ) as step,
    ):
        child, home = children.enter_context(staying(listen_and_move, first.pid, second.pid))
        step.watch(child)
        in_a, in_b = (":8080" in window.run("ss --listening --tcp --numeric") for window in (first, second))
        step.answer(PLACES[in_a, in_b])
        assert namespaces.link(child.pid, "net") == second.ns("net")
        assert home == first.ns("net")
        assert (in_a, in_b) == (True, False)
        (port,) = proc.read("/proc/PID/net/tcp", first.pid)
        assert port["local"] == "127.0.0.1:8080"
        assert f"socket:[{port['inode']}]" in proc.read("/proc/PID/fd", child.pid).values()
        assert proc.read("/proc/PID/net/tcp", child.pid) == []
        assert first.run("exec 3<>/dev/tcp/127.0.0.1/8080").status == 0
        assert second.run("(exec 3<>/dev/tcp/127.0.0.1/8080)", status=1).status == 1

    with (
        ExitStack() as sockets,
        lab.step(
            "Unix sockets: a path and a name without a path",
            "A Unix socket is reached by a file, or by an abstract name, which is no file. One of each sort is opened "
            "in the first namespace. From the second one we try to connect to both.",
            why="The file system finds the socket behind a path, so the mount namespace decides, and the network "
            "namespace does not matter. Abstract names are kept in a table that each network namespace has for itself "
            "(unix(7)). A container with --network=host can therefore talk to the abstract sockets of the host.",
            hint="Which namespace decides about files?",
            watch=[first, second],
            files=["/proc/PID/net/unix"],
            shows=["net-04", "net-05"],
            ask=Choice(
                "Which of the two sockets can be reached from the other network namespace?",
                "both",
                "only the one with a path",
                "only the one with an abstract name",
                "neither",
            ),
        ) as step,
    ):
        path = str(lab.directory / "letterbox")
        sockets.enter_context(named_socket(first, path))
        sockets.enter_context(named_socket(first, "\0letterbox"))
        by_path, by_name = connect_errno(second, path), connect_errno(second, "\0letterbox")
        step.answer(REACHED[by_path == 0, by_name == 0])
        assert by_path == 0
        assert by_name == errno.ECONNREFUSED
        assert connect_errno(first, "\0letterbox") == 0
        sockets.enter_context(named_socket(second, "\0letterbox"))
        assert "@letterbox" in unix_names(first)
        assert "@letterbox" in unix_names(second)


PLACES = {
    (True, False): "in A",
    (False, True): "in B",
    (True, True): "in A and in B",
    (False, False): "nowhere: setns() closes it",
}
REACHED = {  # (by its path, by its abstract name)
    (True, True): "both",
    (True, False): "only the one with a path",
    (False, True): "only the one with an abstract name",
    (False, False): "neither",
}


def listen_and_move(first: int, second: int) -> str:
    """To be run in a child: open a port in the namespace of one process, move to that of another, and ask the socket
    where it is."""
    with open(f"/proc/{first}/ns/net") as a, open(f"/proc/{second}/ns/net") as b:
        setns(a.fileno(), Clone.NEWNET)
        listener = socket.socket()
        listener.bind(("127.0.0.1", 8080))
        listener.listen()
        setns(b.fileno(), Clone.NEWNET)
    return network.namespace_of_socket(listener.detach())


def test_which_devices_move(lab: Lab) -> None:
    """A device is in one network namespace at a time. Some can move, others cannot.

    The notes say that all devices but lo belong to one namespace only. Does lo belong to several?
    """
    first, second = lab.window("first"), lab.window("second")
    own_network(lab, first)
    first.run("ip netns add ns1")
    go_to(second, first, "ns1")
    bridged(lab, first.run("ip link add bridge0 type bridge; ip link add veth1 type veth peer name vethb1"))

    with lab.step(
        "Try to move three devices",
        "The host has lo, a bridge, and a veth pair. It tries to give lo, bridge0 and veth1 to ns1. Then both windows "
        "list their devices.",
        why="Every namespace has a lo of its own: same name, same number 1, but another device. Like a bridge, it is "
        "marked as immutable (netns_immutable in struct net_device, formerly NETIF_F_NETNS_LOCAL), because "
        "its work is bound to the namespace. A moved device is gone here and present there. Real network cards can "
        "move as well, and come back when the namespace ends.",
        hint="What would happen to ns1's own lo if the host's lo moved there?",
        watch=[first, second],
        files=["ip link"],
        claims=["net-03"],
        ask=Choice("Which of lo, bridge0 and veth1 can be moved to ns1?", "all", "bridge0 veth1", "veth1", "none"),
    ) as step:
        before = [link["ifname"] for link in proc.read("ip link", first.pid)]
        tried = {name: first.run(f"ip link set {name} netns ns1", status=None) for name in ("lo", "bridge0", "veth1")}
        moved = [name for name, output in tried.items() if output.status == 0]
        step.answer({3: "all", 0: "none"}.get(len(moved), " ".join(moved)))
        here, there = ([link["ifname"] for link in proc.read("ip link", each.pid)] for each in (first, second))
        assert {"lo", "bridge0", "veth1", "vethb1"} == set(before) & {"lo", "bridge0", "veth1", "vethb1"}
        assert moved == ["veth1"]
        assert "veth1" not in here
        assert "veth1" in there
        assert "bridge0" in here
        assert "bridge0" not in there
        assert "lo" in here
        assert "lo" in there

    with lab.step(
        "The errno, and what a device leaves behind",
        "The same by netlink: the kernel refuses with EINVAL. Then veth1 gets an address and is set up in ns1, and "
        "goes home to the host.",
        why="RTM_NEWLINK with the attribute IFLA_NET_NS_FD or IFLA_NET_NS_PID moves a device. To the old namespace it "
        "looks like the end of the device: it is set down, and its addresses, routes and neighbours are deleted "
        "(__dev_change_net_namespace() in net/core/dev.c). In the new one it is like a new device. So an engine first "
        "moves the device and then gives it the address. The notes do so too.",
        hint="Routes and addresses belong to a namespace. What should become of them?",
        watch=[first, second],
        files=NETLINK,
        shows=["net-03"],
        ask=Choice(
            "veth1 has the address 10.1.1.2 in ns1 and is up. It is moved to the host. What does it bring along?",
            "address and up",
            "the address, but it is down",
            "neither",
        ),
    ) as step:
        for name in ("lo", "bridge0"):
            with pytest.raises(network.NetworkError) as refused:
                namespaces.visit(first.pid, ["net"], network.move, name, second.pid)
            assert refused.value.errno == errno.EINVAL
        second.run("ip address add 10.1.1.2/24 dev veth1; ip link set veth1 up")
        with_address = second.run("ip -brief address show dev veth1")
        second.run(f"ip link set veth1 netns {first.pid}")
        kept = "10.1.1.2" in first.run("ip -brief address show dev veth1")
        is_up = "UP" in {link["ifname"]: link for link in proc.read("ip link", first.pid)}["veth1"]["flags"]
        step.answer(BROUGHT.get((kept, is_up), "neither"))
        assert "10.1.1.2/24" in with_address
        assert not kept
        assert not is_up
        assert second.run("ip link show veth1", status=1).status == 1


BROUGHT = {(True, True): "address and up", (True, False): "the address, but it is down"}


def test_one_pair_is_enough(lab: Lab) -> None:
    """Two namespaces need one cable, and no bridge.

    The notes say that namespaces talk by a bridge and veth pairs. With two of them there is a simpler way.
    """
    first, second, third = lab.window("first"), lab.window("second"), lab.window("third")
    own_network(lab, first)
    first.run("ip netns add a; ip netns add b")
    go_to(second, first, "a")
    go_to(third, first, "b")

    with lab.step(
        "A cable between two computers",
        "The host makes one veth pair with one end in a and one in b. Both ends get an address and are set up. Then a "
        "pings b.",
        why="What is sent into one end of a veth pair comes out of the other: a cable with a network card at each end "
        "(veth(4)). For two computers one cable is enough; with three or more it is simpler to plug all into one "
        "switch, and that is a bridge. Processes that share a file system, or inherited a descriptor, need no device "
        "at all.",
        hint="How do you connect two real computers, without a switch?",
        watch=[first, second, third],
        files=NETLINK,
        claims=["net-05"],
        ask=Number("Two namespaces shall talk. How many devices besides lo are needed, in all namespaces together?"),
    ) as step:
        bridged(lab, first.run("ip link add va netns a type veth peer name vb netns b"))
        second.run("ip address add 10.1.1.2/24 dev va; ip link set va up")
        third.run("ip address add 10.1.1.3/24 dev vb; ip link set vb up")
        plugged_in(second, "va")
        plugged_in(third, "vb")
        answer = second.run("ping -c 1 -W 1 10.1.1.3")
        devices = [link for window in (first, second, third) for link in proc.read("ip link", window.pid)]
        cables = [link["kind"] for link in devices if link["kind"] in ("veth", "bridge")]
        step.answer(len(cables))
        assert answer.status == 0
        assert cables == ["veth", "veth"]
        assert first.ns("net") != second.ns("net") != third.ns("net") != first.ns("net")

    with lab.step(
        "What stands after the @",
        "A second pair is laid; its end in b is the third device there. Look at its line in a: the part after the @, "
        "and the end of the line. Then the host takes the name b away, and a looks again.",
        why="The kernel tells the number of the peer (IFLA_LINK), which counts in the other namespace, and a number "
        "that this namespace has for the other one (IFLA_LINK_NETNSID). ip can print no device name from there, so "
        "it writes if and the number. It looks through /run/netns for a namespace with that netnsid, and if it finds "
        "one, it prints link-netns and the name; else only the number.",
        hint="A device name is known in its own namespace only.",
        watch=[first, second, third],
        files=["ip link", "ip netns"],
        claims=["net-x05"],
        ask=Choice(
            "In a, ip prints the name of the device as wa@if followed by a number. What number is that?",
            "that of wa in a",
            "that of the other end in b",
            "that of the namespace b",
        ),
    ) as step:
        third.run("ip link add spare type bridge")
        first.run("ip link add wa netns a type veth peer name wb netns b")
        line = second.run("ip link show wa")
        wa, wb = (numbers(window)[name] for window, name in ((second, "wa"), (third, "wb")))
        after = int(line.partition("wa@if")[2].partition(":")[0])
        step.answer({wa: "that of wa in a", wb: "that of the other end in b"}.get(after, "that of the namespace b"))
        assert wa != wb
        assert after == wb
        assert line.endswith("link-netns b")
        first.run("ip netns del b")
        assert "link-netnsid" in second.run("ip link show wa")
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
        "The host makes the bridge. Look at its state, and at its ports.",
        why="A bridge is a switch inside the kernel. The device bridge0 is two things: the switch, and a network card "
        "of the host that is plugged into it (net/bridge/br_device.c). Like every new device it is down. Its files are "
        "in /sys/class/net/bridge0/bridge, its ports in /sys/class/net/bridge0/brif.",
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
        before = first.run("ip link show bridge0", status=1)
        bridged(lab, first.run("ip link add name bridge0 type bridge"))
        shown, ports = first.run("ip -brief link show bridge0"), first.run("bridge link")
        state = "down" if shown.split()[1] == "DOWN" else "up"
        step.answer(f"{state}, {'with' if ports else 'without'} a port")
        assert before.status == 1
        assert shown.split()[1] == "DOWN"
        assert ports == ""
        assert "bridge forward_delay" in first.run("ip -details link show bridge0")
        assert proc.read("/sys/class/net/bridge0/brif", first.pid) == []
        assert "stp_state" in proc.read("/sys/class/net/bridge0/bridge", first.pid)

    with lab.step(
        "Two cables",
        "Two veth pairs are made. vethb1 and vethb2 are plugged into the bridge; then veth1 goes to ns1, veth2 to ns2. "
        "Look at the name of vethb1 before and after the move: the part behind the @.",
        why="Both ends of a new pair are in the same namespace, so ip can print the name of the peer. Once the peer is "
        "elsewhere, only its number is known. master makes a device a port of the bridge; the port is disabled as "
        "long as the device is down.",
        hint="Names belong to a namespace.",
        watch=[first, second, third],
        files=["/sys/class/net/vethb1/iflink", "/sys/class/net/bridge0/brif", *NETLINK],
        claims=["net-08"],
        ask=Choice(
            "The host lists vethb1@veth1. Then veth1 is moved to ns1. What does the host list now?",
            "vethb1@veth1",
            "vethb1@if and a number",
            "vethb1 alone",
        ),
    ) as step:
        first.run("ip link add veth1 type veth peer name vethb1")
        first.run("ip link add veth2 type veth peer name vethb2")
        first.run("ip link set vethb1 master bridge0; ip link set vethb2 master bridge0")
        at_first = first.run("bridge link")
        first.run("ip link set veth1 netns ns1; ip link set veth2 netns ns2")
        name = first.run("ip -brief link show vethb1").split()[0]
        step.answer({"vethb1@veth1": name, "vethb1": "vethb1 alone"}.get(name, "vethb1@if and a number"))
        assert "vethb1@veth1" in at_first
        assert at_first.count("master bridge0 state disabled") == 2
        assert name.startswith("vethb1@if")
        assert name == f"vethb1@if{numbers(second)['veth1']}"
        assert second.run("ip -brief link show veth1").split()[0] == f"veth1@if{numbers(first)['vethb1']}"
        assert third.run("ip -brief link show veth2").split()[0] == f"veth2@if{numbers(first)['vethb2']}"
        assert proc.read("/sys/class/net/bridge0/brif", first.pid) == ["vethb1", "vethb2"]
        assert int(proc.read("/sys/class/net/vethb1/iflink", first.pid)) == numbers(second)["veth1"]
        assert first.run("ip link show veth1", status=1).status == 1

    with lab.step(
        "Addresses on devices that are down",
        "ns1 gets 10.1.1.2, ns2 gets 10.1.1.3, and the host gets 10.1.1.1 on the bridge. All devices are still down. "
        "Ask ns1 for its routes, and let it ping ns2. Then veth1 is set up.",
        why="An address is kept with a device in any state. The route to the network of the address (the connected "
        "route) is added by the kernel when the device goes up, and removed when it goes down (net/ipv4/"
        "fib_frontend.c). /24 says how much of the address names the network: 10.1.1.0/24. Only the entry that "
        "says `10.1.1.2 is myself` is there at once: see /proc/net/fib_trie.",
        hint="A route says: this way. Would that be true now?",
        watch=[first, second, third],
        files=["/proc/PID/net/fib_trie", *NETLINK],
        claims=["net-09"],
        ask=Number("veth1 has the address 10.1.1.2/24 and is down. How many routes has ns1?"),
    ) as step:
        second.run("ip address add 10.1.1.2/24 dev veth1")
        third.run("ip address add 10.1.1.3/24 dev veth2")
        first.run("ip address add 10.1.1.1/24 dev bridge0")
        routes = proc.read("/proc/PID/net/route", second.pid)
        step.answer(len(routes))
        assert "10.1.1.2/24" in second.run("ip address show dev veth1")
        assert routes == []
        assert second.run("ip route") == ""
        assert what_came_back(second.run("ping -c 1 -W 0.5 10.1.1.3", status=2)) == "an error: Network is unreachable"
        assert "10.1.1.0" not in second.run("cat /proc/net/fib_trie")
        second.run("ip link set veth1 up")
        assert second.run("ip route").startswith("10.1.1.0/24 dev veth1 proto kernel scope link src 10.1.1.2")
        assert "10.1.1.0" in second.run("cat /proc/net/fib_trie")

    with (
        ExitStack() as stack,
        lab.step(
            "All up, and everybody pings everybody",
            "The other devices are set up. For the first ping, from ns1 to ns2, we look at the frames on the port "
            "vethb1. Then come the five other directions.",
            why="Before ns1 can send a packet to 10.1.1.3, it must know the hardware address of the card behind it. It "
            "asks all by a broadcast (ARP, RFC 826), which the bridge passes on to all ports. The answer goes into the "
            "table of neighbours, and the ping (ICMP, RFC 792) can start. ns2 learned the address of ns1 from the "
            "question, so it need not ask.",
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
        ) as step,
    ):
        third.run("ip link set veth2 up")
        first.run("ip link set bridge0 up; ip link set vethb1 up; ip link set vethb2 up")
        for window, names in ((first, ("vethb1", "vethb2", "bridge0")), (second, ("veth1",)), (third, ("veth2",))):
            plugged_in(window, *names)
        eyes = stack.enter_context(look_at(first, "vethb1"))
        answers = [second.run("ping -c 1 -W 1 10.1.1.3")]
        frames = [frame["what"] for frame in eyes.read() if frame["what"].startswith(("ARP", "ICMP"))]
        assert frames == ["ARP request", "ARP reply", "ICMP echo request", "ICMP echo reply"]
        step.answer(frames)
        answers += [second.run("ping -c 1 -W 1 10.1.1.1")]
        answers += [third.run(f"ping -c 1 -W 1 {address}") for address in ("10.1.1.1", "10.1.1.2")]
        answers += [first.run(f"ping -c 1 -W 1 {address}") for address in ("10.1.1.2", "10.1.1.3")]
        assert [", 0% packet loss" in answer for answer in answers] == [True] * 6
        assert [answer.status for answer in answers] == [0] * 6

    with lab.step(
        "What they have learned",
        "Look at the neighbours of ns1 and at the forwarding database of the bridge. The lines marked permanent are "
        "the addresses of the bridge's own ports.",
        why="Two tables with two tasks. Neighbours (ARP) are kept by everybody who speaks IP: which hardware address "
        "has this IP address? The forwarding database is kept by the bridge, which knows no IP: behind which port is "
        "this hardware address? It learns from the sender of each frame, and forgets after 300 seconds "
        "(bridge(8), ageing_time).",
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
        "One's own address does not answer",
        "The notes stop here. ns1 reaches both others. Let it ping itself, 10.1.1.2, and a far address, 10.9.9.9. Then "
        "lo is set up.",
        why="Packets to one's own address never reach veth1: the kernel has a route `local 10.1.1.2 dev lo` for it "
        "(`ip route get 10.1.1.2`). So lo must be up. The notes' list of devices to start lacks it. And nothing leads "
        "out of 10.1.1.0/24: there is no default route, and no translation of addresses.",
        hint="Which device carries packets from a machine to itself?",
        watch=[second],
        files=NETLINK,
        claims=["net-11"],
        ask=Choice(
            "ns1 reaches ns2 and the host. It has set up all devices of the notes. Does its own address answer?",
            "yes",
            "no",
        ),
    ) as step:
        way = second.run("ip route get 10.1.1.2")
        counted = proc.read("/proc/PID/net/dev", second.pid)["lo"]["rx_packets"]
        own = second.run("ping -c 1 -W 0.3 10.1.1.2", status=1)
        step.answer("yes" if own.status == 0 else "no")
        assert way.startswith("local 10.1.1.2 dev lo")
        assert (own.status, counted) == (1, 0)
        assert "100% packet loss" in own
        assert what_came_back(second.run("ping -c 1 -W 0.3 10.9.9.9", status=2)) == "an error: Network is unreachable"
        second.run("ip link set lo up")
        assert second.run("ping -c 1 -W 1 10.1.1.2").status == 0
        assert proc.read("/proc/PID/net/dev", second.pid)["lo"]["rx_packets"] >= 2
        assert what_came_back(second.run("ping -c 1 -W 0.3 10.9.9.9", status=2)) == "an error: Network is unreachable"


def hardware_address(window: Window, name: str) -> str:
    """The hardware address of a device in the network namespace of a window."""
    return str(next(link["mac"] for link in proc.read("ip link", window.pid) if link["ifname"] == name))


def test_topology_by_netlink(lab: Lab) -> None:
    """The same topology by netlink, without ip and bridge.

    ip(8) has no power of its own: it writes messages into a socket of the family AF_NETLINK. Here Python writes the
    same messages (by the library pyroute2), and counts what a port has carried.
    """
    with ExitStack() as stack:
        host, ns1, ns2 = (stack.enter_context(staying_in_new(silence)) for _ in range(3))

        with lab.step(
            "Build it",
            "Three children wait in a network namespace each. A thread of this program visits them and builds: first "
            "in the host, then in ns1 and ns2.",
            why="setns(2) works for one thread alone, so a program with many threads, an engine for instance, can "
            "build in one namespace while its other threads stay outside. The netlink socket is opened after setns(), "
            "because a socket belongs to the namespace in which it was opened.",
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
            why="What ns1 sends into veth1 comes out of vethb1, the other end of its cable: tx counts what a device "
            "sent, rx what it received. One ping is one request and one reply. But think of the frames that we saw in "
            "the last exercise.",
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
            "Each of the three pings both others. Then ns1 pings its own address, with lo down.",
            why="ping(8) sends an ICMP echo request and waits for the reply; here a raw socket does it (raw(7)). The "
            "packet to the own address is dropped by lo, which is down, and nobody tells the sender.",
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


def counter(child: namespaces.Child[Any], name: str, what: str) -> int:
    """A counter of a device in the network namespace of a child."""
    return int(next(link[what] for link in proc.read("ip link", child.pid) if link["ifname"] == name))


def test_end_of_a_cable(lab: Lab) -> None:
    """A veth pair has one life.

    A cable with only one end is no cable. What happens to one end when the other one is deleted, or its namespace ends?
    """
    with ExitStack() as stack:
        host = stack.enter_context(staying_in_new(silence))
        far = stack.enter_context(staying_in_new(silence))

        with lab.step(
            "Delete one end",
            "The host has two pairs: one with both ends at home, one with an end in another namespace. One end of each "
            "is deleted.",
            why="veth_dellink() in drivers/net/veth.c deletes both ends, in whatever namespaces they are. So it is "
            "enough to delete the end on the host's side; container engines do no more.",
            watch=[host, far],
            files=["ip link"],
            shows=["net-x03"],
            ask=Choice(
                "A veth pair has one end in the host and one in a namespace. The host deletes its end. And the other?",
                "it stays, without a peer",
                "it is deleted too",
                "it comes back to the host",
            ),
        ) as step:
            inside(host, network.add_veth, "va", "vb")
            inside(host, network.add_veth, "vc", "vd", far.pid)
            had = inside(far, network.exists, "vd")
            inside(host, network.delete, "va")
            inside(host, network.delete, "vc")
            left = "vd" in [link["ifname"] for link in proc.read("ip link", far.pid)]
            home = inside(host, network.exists, "vd")
            step.answer("it comes back to the host" if home else FATES[left])
            assert had
            assert not inside(host, network.exists, "vb")
            assert not left
            assert not home

        with lab.step(
            "End the namespace",
            "A new pair is laid. Then the process in the other namespace, the only user of it, is killed.",
            why="When the last user of a network namespace is gone, its virtual devices are deleted, and their peers "
            "with them. It takes a moment: the work is done by a kernel thread (cleanup_net()). Only real network "
            "cards are rescued: they come back to the first namespace of the machine.",
            watch=[host],
            files=["ip link"],
            shows=["net-x03"],
            ask=Choice(
                "The namespace with the other end is gone. What becomes of the end in the host?",
                "it stays, without a peer",
                "it is deleted too",
            ),
        ) as step:
            inside(host, network.add_veth, "ve", "vf", far.pid)
            had = inside(host, network.exists, "ve")
            far.close()
            inside(host, network.wait_until_gone, "ve")
            step.answer(FATES[inside(host, network.exists, "ve")])
            assert had
            assert "ve" not in [link["ifname"] for link in proc.read("ip link", host.pid)]


FATES = {True: "it stays, without a peer", False: "it is deleted too"}


def test_settings_of_a_namespace(lab: Lab) -> None:
    """/proc/sys/net: settings of each network namespace.

    A container can be a router while its host is none, because the switch for it belongs to the network namespace.
    """
    first, second = lab.window("first"), lab.window("second")
    first.enter("unshare --net /bin/bash")
    second.enter("unshare --net /bin/bash")

    with lab.step(
        "Switch on forwarding",
        "Both namespaces have net.ipv4.ip_forward set to 0. It is set to 1 in the first one only. Then the first one "
        "tries to write to net.core.rmem_max, the same value that is in it.",
        why="Most files below /proc/sys/net are of the network namespace of the reader. Some settings exist once a "
        "machine: in a new namespace they are missing, or can only be read, as rmem_max here. A container engine may "
        "therefore offer `--sysctl net.*` without danger for the host.",
        hint="The path begins with net.",
        watch=[first, second],
        files=["/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/core/rmem_max"],
        claims=["net-x02"],
        ask=Choice("ip_forward is set to 1 in the first namespace. What does the second one show?", "0", "1"),
    ) as step:
        machine = Path("/proc/sys/net/ipv4/ip_forward").read_text()
        for window in (first, second):
            window.run("sysctl -w net.ipv4.ip_forward=0")
        first.run("sysctl -w net.ipv4.ip_forward=1")
        seen = second.run("cat /proc/sys/net/ipv4/ip_forward")
        step.answer(str(seen))
        assert first.ns("net") != second.ns("net")
        assert first.run("cat /proc/sys/net/ipv4/ip_forward") == "1"
        assert seen == "0"
        assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == machine
        assert (
            first.run("cp /proc/sys/net/core/rmem_max value; cat value > /proc/sys/net/core/rmem_max", status=1).status
            == 1
        )


def test_router_and_translation(lab: Lab) -> None:
    """A way out: default route, forwarding, translation of addresses.

    So far nobody can leave 10.1.1.0/24. Docker connects its bridge to the world by three things, and this exercise adds
    them one by one. The first window is the host, which shall be the router. The second window is a container with the
    address 10.1.1.2. The third is a server far away, 192.0.2.2. Each has one cable to the host.
    """
    first, second, third = lab.window("first"), lab.window("second"), lab.window("third")
    own_network(lab, first)
    silence_ipv6(first)
    first.run("ip netns add inside; ip netns add outside; sysctl -w net.ipv4.ip_forward=0")
    go_to(second, first, "inside")
    go_to(third, first, "outside")
    bridged(lab, first.run("ip link add near type veth peer name veth1 netns inside"))
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
        "The container pings the server, first without and then with a default route to the host.",
        why="Without a route the kernel refuses at once: ENETUNREACH. A default route says: everything else goes to "
        "10.1.1.1. Now the packet arrives at the host, but a Linux machine is no router by itself: it drops what is "
        "not for its own addresses, unless net.ipv4.ip_forward is 1 (ip(7)).",
        hint="Is the host a router?",
        watch=[first, second, third],
        files=["/proc/sys/net/ipv4/ip_forward", *NETLINK],
        shows=["net-11"],
        ask=Choice(
            "The container has a default route to the host now. What comes back from the server?",
            "an answer",
            "nothing: packets are lost",
            "an error: Network is unreachable",
        ),
    ) as step:
        without = second.run("ping -c 1 -W 0.2 192.0.2.2", status=2)
        second.run("ip route add default via 10.1.1.1")
        with_route = second.run("ping -c 1 -W 0.2 192.0.2.2", status=1)
        step.answer(what_came_back(with_route))
        assert what_came_back(without) == "an error: Network is unreachable"
        assert what_came_back(with_route) == "nothing: packets are lost"
        assert "default via 10.1.1.1" in second.run("ip route")

    with (
        ExitStack() as stack,
        lab.step(
            "The host becomes a router",
            "ip_forward is set to 1 in the host. We look at the frames that reach the server. Then the server gets a "
            "route back to 10.1.1.0/24.",
            why="Forwarding works now: the request arrives, with the sender 10.1.1.2. But the server has no route to "
            "that network, so its answer is lost. With a route both ways we have plain routing, without any "
            "translation. In the Internet nobody has a route to 10.0.0.0/8: these addresses are for private use (RFC "
            "1918).",
            hint="Where must the server send its answer to, and does it know the way?",
            watch=[first, second, third],
            files=["/proc/sys/net/ipv4/ip_forward", *NETLINK],
            shows=["net-x02"],
            ask=Choice(
                "With ip_forward=1 in the host: how far does the ping get?",
                "to the host only",
                "to the server, but the answer is lost",
                "to the server and back",
            ),
        ) as step,
    ):
        eyes = stack.enter_context(look_at(third, "veth2"))
        first.run("sysctl -w net.ipv4.ip_forward=1")
        one_way = second.run("ping -c 1 -W 0.2 192.0.2.2", status=1)
        requests = [frame["source"] for frame in eyes.read() if frame["what"] == "ICMP echo request"]
        step.answer("to the server and back" if one_way.status == 0 else HOW_FAR[bool(requests)])
        assert requests == ["10.1.1.2"]
        assert one_way.status == 1
        third.run("ip route add 10.1.1.0/24 via 192.0.2.1")
        assert second.run("ping -c 1 -W 1 192.0.2.2").status == 0
        third.run("ip route del 10.1.1.0/24")

    with (
        ExitStack() as stack,
        lab.step(
            "Translation of addresses",
            "The server knows no way back again. The host gets one rule: whatever leaves by the device far is masked. "
            "Look at the sender that the server sees.",
            why="masquerade replaces the sender of a packet by the address of the device by which it leaves, and "
            "remembers the connection, so that the answer finds its way back (connection tracking, nft(8)). Docker "
            "adds such a rule for each of its bridges. The rule is in the host's network namespace: the container can "
            "neither see nor change it.",
            hint="Which of the host's addresses is on the way to the server?",
            watch=[first, second, third],
            files=NETLINK,
            shows=["net-01"],
            ask=Choice(
                "From which address does the ping come, as the server sees it?", "10.1.1.2", "10.1.1.1", "192.0.2.1"
            ),
        ) as step,
    ):
        chain = "add table ip nat; add chain ip nat out { type nat hook postrouting priority 100; }"
        filters(lab, first.run(f"nft '{chain}'"))
        filters(lab, first.run("nft 'add rule ip nat out oif far masquerade'"))
        eyes = stack.enter_context(look_at(third, "veth2"))
        answer = second.run("ping -c 1 -W 1 192.0.2.2")
        senders = [frame["source"] for frame in eyes.read() if frame["what"] == "ICMP echo request"]
        step.answer(senders[0])
        assert answer.status == 0
        assert senders == ["192.0.2.1"]
        assert "10.1.1.0/24" not in third.run("ip route")
        assert second.run("nft list ruleset") == ""


HOW_FAR = {False: "to the host only", True: "to the server, but the answer is lost"}


@pytest.mark.needs("user namespace")
def test_who_may_build(lab: Lab) -> None:
    """Who may build networks: the root of the user namespace that owns the network namespace.

    In a user namespace everybody can be root. Does this root rule over the network?
    """
    first, second = lab.window("first"), lab.window("second")
    own_network(lab, first)
    second.enter(f"nsenter --target {first.pid} --net --mount /bin/bash")

    with lab.step(
        "Root, but of which network?",
        "The first window becomes root of a new user namespace, but stays in the network namespace. It tries to make a "
        "veth pair. Then it does so with a network namespace made together with the user namespace.",
        why="ip link add asks for CAP_NET_ADMIN in the user namespace that owns the network namespace of the socket "
        "(user_namespaces(7)). The new root has that capability only in the new user namespace, and the old network "
        "namespace is owned by another one: NS_GET_USERNS tells which. This is how rootless containers get a network: "
        "inside they may build all, but a cable to the host needs the host's root.",
        hint="Which user namespace owns the network namespace in which the shell sits?",
        watch=[first, second],
        files=["/proc/PID/ns/net NS_GET_USERNS", "ip link"],
        claims=["net-x06"],
        ask=Choice(
            "`unshare --user --map-root-user` and then `ip link add`: what does the kernel say?",
            "done",
            "Operation not permitted",
            "No such device",
        ),
    ) as step:
        owner = proc.read("/proc/PID/ns/net NS_GET_USERNS", second.pid)
        first.enter("unshare --user --map-root-user /bin/bash")
        refused = first.run("ip link add va type veth peer name vb", status=2)
        step.answer("done" if refused.status == 0 else refused.rpartition(": ")[2])
        assert first.run("id -u") == "0"
        assert "Operation not permitted" in refused
        assert first.ns("net") == second.ns("net")
        assert first.ns("user") != owner
        first.exit()
        first.enter("unshare --user --map-root-user --net /bin/bash")
        bridged(lab, first.run("ip link add va type veth peer name vb"))
        assert first.run("ip link show va").status == 0
        assert second.run("ip link show va", status=1).status == 1
        assert proc.read("/proc/PID/ns/net NS_GET_USERNS", first.pid) == first.ns("user")

    with lab.step(
        "The same by system calls",
        "A child with a new user namespace asks netlink for a veth pair: EPERM. A child with a new user and a new "
        "network namespace gets one.",
        why="clone(2) with both flags makes the user namespace first, so that it owns the network namespace. A move of "
        "a device asks for the capability over both namespaces, the old one and the new one.",
        watch=[os.getpid()],
        files=["/proc/PID/ns/net NS_GET_USERNS"],
        shows=["net-x06"],
    ):
        with pytest.raises(network.NetworkError) as not_permitted:
            namespaces.run_in_new(Clone.NEWUSER, network.add_veth, "va", "vb")
        assert not_permitted.value.errno == errno.EPERM
        assert namespaces.run_in_new(Clone.NEWUSER | Clone.NEWNET, make_a_pair) == ["va", "vb"]


def make_a_pair() -> list[str]:
    """The ends of a new veth pair; to be run in a child."""
    network.add_veth("va", "vb")
    return sorted(link["ifname"] for link in network.links() if link["kind"] == "veth")


# What the exercises share


def bridged(lab: Lab, made: Output) -> None:
    """End the exercise if the kernel could not make a virtual device."""
    if made.status:
        how = "use a kernel with CONFIG_BRIDGE and CONFIG_VETH, as in the VM (vagrant up)"
        lab.unsupported(f"no virtual devices: {made.splitlines()[0]}", how)


def filters(lab: Lab, made: Output) -> None:
    """End the exercise if the kernel took no rule."""
    if made.status:
        how = "install nftables (./provision.sh), on a kernel with CONFIG_NF_TABLES, CONFIG_NFT_NAT and CONFIG_NFT_MASQ"
        lab.unsupported(f"no firewall rules: {made.splitlines()[0]}", how)


def silence_ipv6(window: Window) -> None:
    """IPv6 talks as soon as a device is up (who else is here?); without it only our own packets are on the cables."""
    window.run("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1")


def silence() -> None:
    """The same in a child. A kernel without IPv6 has no such file."""
    for name in ("all", "default"):
        setting = Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6")
        if setting.exists():
            setting.write_text("1")


def plugged_in(window: Window, *names: str) -> None:
    """Wait until the kernel has seen that the cables of some devices are plugged in at both ends. That is done by a
    kernel thread, a moment after the second end is set up; what is sent earlier is lost."""

    def wait() -> None:
        for name in names:
            network.wait_for(name, state="UP")
        for port in [link["ifname"] for link in network.links() if link["ifname"] in names and link["master"]]:
            network.wait_for(port, port_state="forwarding")

    namespaces.visit(window.pid, ["net"], wait)


def inside(child: namespaces.Child[Any], function: Callable[..., Any], *args: Any) -> Any:
    """The result of a function in the network namespace of a child: a thread goes there."""
    return namespaces.visit(child.pid, ["net"], function, *args)


@contextmanager
def look_at(window: Window, name: str) -> Iterator[packets.Capture]:
    """The frames on a device in the network namespace of a window, as tcpdump would show them."""
    with ExitStack() as stack:
        yield namespaces.visit(window.pid, ["net"], stack.enter_context, packets.capture(name))


@contextmanager
def staying_in_new(function: Callable[[], object]) -> Iterator[namespaces.Child[Any]]:
    """A child in a new network namespace that has run a function and waits there."""
    with staying(function, flags=Clone.NEWNET) as (child, _):
        yield child


@contextmanager
def staying(function: Callable[..., Any], *args: Any, flags: int = 0) -> Iterator[tuple[Any, Any]]:
    """A child that has run a function and stays alive, and the function's result (JSON)."""
    heard, told = os.pipe()

    def work() -> None:
        os.write(told, json.dumps(function(*args)).encode() + b"\n")
        signal.pause()

    with os.fdopen(heard, "rb") as answer:
        try:
            with namespaces.start_in_new(flags, work) as child:
                os.close(told)
                told = -1
                yield child, json.loads(answer.readline())
        finally:
            if told >= 0:
                os.close(told)


def listen(window: Window, port: int) -> socket.socket:
    """A socket that listens on a port of 127.0.0.1 in the network namespace of a window: a thread of this program goes
    there to open it, and the socket stays there."""
    return namespaces.visit(window.pid, ["net"], bound, socket.AF_INET, ("127.0.0.1", port))


def named_socket(window: Window, name: str) -> socket.socket:
    """The same for a Unix socket; an abstract name begins with a zero byte."""
    return namespaces.visit(window.pid, ["net"], bound, socket.AF_UNIX, name)


def bound(family: int, address: Any) -> socket.socket:
    """A new listening socket."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(family))
        listener.bind(address)
        listener.listen()
        stack.pop_all()
        return listener


def connect_errno(window: Window, name: str) -> int:
    """The errno of connecting to a Unix socket from the network namespace of a window; 0 if it worked."""

    def try_it() -> int:
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(name)

    return namespaces.visit(window.pid, ["net"], try_it)


def local_ends(window: Window) -> list[str]:
    """Address and port of the TCP sockets in the network namespace of a window."""
    return [entry["local"] for entry in proc.read("/proc/PID/net/tcp", window.pid)]


def unix_names(window: Window) -> list[str]:
    """The names of the Unix sockets in the network namespace of a window."""
    return [entry["name"] for entry in proc.read("/proc/PID/net/unix", window.pid)]
