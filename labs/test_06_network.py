"""Network namespaces: a whole network stack of one's own.

A network namespace holds devices, addresses, routes, firewall rules, ports and sockets. A new one is like a new
computer: it has one device, lo, which is switched off, and no cable.

Three words. A *device* is a network card, real or virtual. *lo*, the loopback device, carries packets from a machine to
itself. A *veth pair* is a virtual cable: two devices, and what goes into one comes out of the other.

The first window plays the part of the host, in a network namespace of its own; the other windows sit in namespaces
beside it. The drawings show what netlink, the kernel's interface for networks, said of each window. ip(8) reads the
same.
"""

import errno
import os
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from runtime.kernel import namespaces, network, proc
from runtime.kernel.syscalls import Clone, setns, unshare
from runtime.lab import Choice, Lab, Number, Step, Window, needs
from runtime.lab.networks import NETLINK, came_back, devices_made, go_to, own_network, rules_taken

pytestmark = [needs("unshare", "nsenter", "ip", "ping", "ss", "net namespace")]


def test_a_name_is_a_mount(lab: Lab) -> None:
    """ip netns: namespaces with a name, and without a process.

    A namespace usually ends with its last process. The notes begin with `ip netns add`, which makes network namespaces
    that no process is in. How do they stay alive, and how do they end?
    """
    first, second = lab.window("first"), lab.window("second")
    own_network(lab, first)

    with lab.step(
        "Make a namespace by its name",
        """
        `ip netns add` makes a namespace and a file with its name in /run/netns. Look at the mount table: the file is a
        mount point. `ip netns pids` lists the processes in the namespace.
        """,
        found="The name is a file on which the namespace is mounted. The mount keeps it alive; no process is in it.",
        why="""
            ip calls unshare(CLONE_NEWNET), mounts its own /proc/self/ns/net on the file, and ends. Such a mount is a
            user of the namespace, as a process is. The kernel knows no names of namespaces: they are a custom of
            ip-netns(8). Docker keeps its files elsewhere (/run/docker/netns), so `ip netns` does not list containers.
        """,
        hint="Which process could be in it? ip itself has ended.",
        watch=[first],
        files=["/run/netns", "ip netns"],
        claims=["net-06"],
        ask=Number("How many processes are in a namespace that `ip netns add ns1` has just made?"),
    ) as step:
        assert proc.read("ip netns", first.pid) == {}
        first.run("ip netns add ns1")
        first.run("ls -l /run/netns; grep netns /proc/self/mountinfo")
        inside = first.run("ip netns pids ns1").split()
        step.answer(len(inside))
        mounts = proc.read("/proc/PID/mountinfo", first.pid)
        file = next(mount for mount in mounts if mount["point"] == "/run/netns/ns1")
        assert first.run("ip netns list") == "ns1"
        assert inside == []
        assert file["fstype"] == "nsfs"
        assert file["root"] == proc.read("ip netns", first.pid)["ns1"]
        assert file["root"] != first.ns("net")

    with lab.step(
        "Delete the name while a shell is inside",
        """
        The second window goes into ns1. A veth pair, a virtual cable, is laid from there to the host. Then the host
        deletes ns1. At the end the second window leaves.
        """,
        found="`ip netns del` takes the name away. The namespace and its cables end with the last user.",
        why="""
            `ip netns del` unmounts and removes the file: one user less. The shell is another user, so the namespace
            lives on without a name. When the last user goes, a kernel thread takes the namespace down
            (cleanup_net() in net/core/net_namespace.c): its veth devices are deleted, and so are their other ends.
        """,
        hint="What keeps a namespace alive: its name, or its users?",
        watch=[first, second],
        files=["/run/netns", "ip netns", "ip link"],
        claims=["net-x03"],
        ask=Choice(
            "A shell is in ns1, and `ip netns del ns1` runs outside. What happens?",
            "an error: ns1 is in use",
            "the name goes, the shell stays in its network",
            "the name goes, the shell falls back to the network of the host",
            "the name goes, the shell is killed",
        ),
    ) as step:
        go_to(second, first, "ns1")
        first.run("ip link add vethb1 type veth peer name veth1 netns ns1")
        shell, there = second.pid, second.ns("net")
        deleted = first.run("ip netns del ns1", status=(0, 1))
        gone = proc.read("ip netns", first.pid) == {}
        now = namespaces.link(shell, "net") if Path(f"/proc/{shell}").exists() else ""
        step.answer(
            {
                "an error: ns1 is in use": deleted.status == 1 and not gone,
                "the name goes, the shell stays in its network": gone and now == there,
                "the name goes, the shell falls back to the network of the host": gone and now == first.ns("net"),
                "the name goes, the shell is killed": gone and not now,
            },
            saw=(deleted, now),
        )
        assert now == there != first.ns("net")
        assert "veth1" in devices(second)
        assert "vethb1" in devices(first)
        second.exit()
        namespaces.visit(first.pid, ["net"], network.wait_until_gone, "vethb1")
        assert "does not exist" in first.run("ip link show vethb1", status=1)


def devices(window: Window) -> list[str]:
    """The names of the devices in the network namespace of a window, as netlink tells them."""
    return [link["ifname"] for link in proc.read("ip link", window.pid)]


def test_a_new_namespace(lab: Lab) -> None:
    """What is in a new network namespace, and where one can see it.

    The notes say that a new namespace has a loopback device. What can one do with it?
    """
    first, second = lab.window("first"), lab.window("second")
    own_network(lab, first)
    devices_made(lab, first.run("ip netns add ns1 && ip link add bridge0 type bridge", status=None))

    with lab.step(
        "The first ping",
        """
        The second window goes into ns1, and lists devices, addresses and routes there. Then it pings 127.0.0.1, and
        once more after lo was set up.
        """,
        found="A new namespace has lo, but it is down and has no address: it works only after `ip link set lo up`.",
        why="""
            Each network namespace gets a loopback device of its own when it is made (drivers/net/loopback.c), but
            nobody sets it up. On the machine the start-up programs do that; in a container the engine does. The address
            127.0.0.1 comes when lo goes up. With some kernel modules a new namespace has more devices (tunl0, sit0),
            all down (net.core.fb_tunnels_only_for_init_net).
        """,
        hint="Look at the word after lo in the output of `ip -brief link`.",
        watch=[first, second],
        files=["/sys/class/net", *NETLINK],
        claims=["net-02"],
        ask=Choice(
            "`ping 127.0.0.1` in a new network namespace: what comes back?",
            "an answer",
            "nothing",
            "an error: Network is unreachable",
            "an error: Destination Host Unreachable",
        ),
    ) as step:
        go_to(second, first, "ns1")
        second.run("ip -brief link; ip address; ip route")
        lo = next(link for link in proc.read("ip link", second.pid) if link["ifname"] == "lo")
        addresses = proc.read("ip address", second.pid)
        up = second.run("ip -brief link show up")
        alone = second.run("ping -c 1 -W 0.5 127.0.0.1", status=(0, 1, 2))
        step.answer(came_back(alone), saw=alone)
        assert lo["state"] == "DOWN"
        assert up == ""
        assert addresses == []
        assert "bridge0" not in devices(second)
        assert "Network is unreachable" in alone
        second.run("ip link set lo up")
        assert "0% packet loss" in second.run("ping -c 1 -W 0.5 127.0.0.1")

    with lab.step(
        "Two places that show devices",
        """
        The second window moves to a new network namespace by `unshare --net`, and nothing else. ip lists lo only.
        Now list /sys/class/net, and read /proc/net/dev. Then mount a new /sys, in a mount namespace of its own.
        """,
        found="/sys shows the network namespace in which it was mounted; /proc/net shows that of the reader.",
        why="""
            A sysfs belongs to the network namespace in which it was mounted (fs/sysfs/mount.c). `unshare --net` leaves
            the mounts alone. That is why `ip netns exec` also makes a mount namespace and mounts /sys anew. /proc/net
            is a link to self/net, so there the reader decides.
        """,
        hint="Who mounted this /sys, and in which network namespace?",
        watch=[first, second],
        files=["/sys/class/net", "ip link"],
        claims=["net-x01"],
        ask=Choice(
            "After `unshare --net`, what does `ls /sys/class/net` list?",
            "lo alone",
            "nothing: the directory is empty",
            "the devices of the namespace before",
        ),
    ) as step:
        second.exit()
        second.enter("unshare --net /bin/bash")
        listed = second.run("ls /sys/class/net").split()
        step.answer(
            {
                "lo alone": listed == ["lo"],
                "nothing: the directory is empty": listed == [],
                "the devices of the namespace before": sorted(listed) == sorted(devices(first)) != ["lo"],
            },
            saw=listed,
        )
        assert second.ns("net") != first.ns("net")
        assert "bridge0" in listed
        assert "bridge0" not in devices(second)
        assert "bridge0" not in second.run("cat /proc/net/dev")
        assert os.readlink("/proc/net") == "self/net"
        second.enter("unshare --mount /bin/bash")
        assert "bridge0" not in second.run("mount -t sysfs sysfs /sys; ls /sys/class/net").split()

    with lab.step(
        "Look in from outside",
        """
        The first window, the host, reads the file net/dev of its own shell, then that of the shell in the second
        window.
        """,
        found="/proc/PID/net shows the network namespace of process PID, whoever reads it.",
        why="""
            /proc/net is only a short form for one's own (proc_pid_net(5)). It is the easiest way to look into the
            network of a container from outside, but only for what is a file there: routes, counters, sockets. For the
            rest use nsenter --net.
        """,
        watch=[first, second],
        files=["ip link"],
        claims=["net-x04"],
        ask=Choice(
            "The host reads /proc/PID/net/dev, PID being a shell in another network namespace. Whose devices?",
            "those of the host, who reads",
            "those of the shell PID",
            "those of both",
        ),
    ) as step:
        own = first.run("cat /proc/$$/net/dev")
        theirs = first.run(f"cat /proc/{second.pid}/net/dev")
        shown = sorted(line.split(":")[0].strip() for line in theirs.splitlines()[2:])
        here, there = devices(first), devices(second)
        step.answer(
            {
                "those of the host, who reads": shown == sorted(here),
                "those of the shell PID": shown == sorted(there),
                "those of both": shown == sorted(here + there),
            },
            saw=theirs,
        )
        assert "bridge0:" in own
        assert "lo" in shown
        assert "bridge0" not in shown
        assert theirs.splitlines()[2:] == second.run("cat /proc/net/dev").splitlines()[2:]


def test_each_its_own(lab: Lab) -> None:
    """The list of the notes: devices, addresses, routes, ports, sockets, firewall rules.

    Two windows sit in two network namespaces. Each thing is set up in the first one, and looked for in the second.
    """
    first, second = lab.window("first"), lab.window("second")
    first.enter("unshare --net /bin/bash")
    second.enter("unshare --net /bin/bash")

    with lab.step(
        "Devices, addresses and routes",
        """
        The first window makes a device, bridge0, and gives it an address and a route: packets to 10.2.0.0/16 go by way
        of 10.1.1.9. The second window lists its own.
        """,
        found="Devices, addresses and routes of one network namespace do not exist in another.",
        why="""
            All of these hang on struct net, the kernel's object of a network namespace: a list of devices, tables of
            addresses and of routes (network_namespaces(7)). The notes say "network stack" for all of it.
        """,
        hint="Who would use a route to a device that is not there?",
        watch=[first, second],
        files=NETLINK,
        claims=["net-01"],
        ask=Number("The first namespace has an address and a route. How many lines has `ip route` in the second?"),
    ) as step:
        first.run("ip link set lo up; ip link add bridge0 type bridge; ip link set bridge0 up")
        first.run("ip address add 10.1.1.1/24 dev bridge0; ip route add 10.2.0.0/16 via 10.1.1.9")
        first.run("ip -brief address; ip route")
        second.run("ip -brief address")
        step.answer(len(second.run("ip route").splitlines()))
        assert first.ns("net") != second.ns("net")
        assert "bridge0" in devices(first)
        assert "bridge0" not in devices(second)
        assert "10.1.1.1/24" in [row["address"] for row in proc.read("ip address", first.pid)]
        assert "10.1.1.1/24" not in [row["address"] for row in proc.read("ip address", second.pid)]
        assert "10.2.0.0/16" in [row["dst"] for row in proc.read("ip route", first.pid)]
        assert proc.read("ip route", second.pid) == []

    with lab.step(
        "Ports and sockets",
        """
        A program listens on port 8080 in the first namespace. A second try there fails: the port is in use. Then a
        program in the second namespace tries the same port.
        """,
        found="Port 8080 of one network namespace is not port 8080 of another.",
        why="""
            The kernel finds the socket of a port in a hash table in which the network namespace is a part of the key
            (inet_bind_bucket). So each container may have its web server on port 80. Names of Unix sockets without a
            file (abstract names, unix(7)) are kept apart in the same way.
        """,
        hint="bind(2) fails if the port is taken. Taken where?",
        watch=[first, second],
        files=["/proc/PID/net/tcp", "/proc/PID/net/unix"],
        claims=["net-12"],
        ask=Choice(
            "A program listens on port 8080 in the first namespace. What does listen on 8080 give in the second?",
            "success",
            "EADDRINUSE: Address already in use",
            "EACCES: Permission denied",
            "EADDRNOTAVAIL: Cannot assign requested address",
        ),
    ) as step:
        assert listen_in(step, first, 8080) == 0
        assert listen_in(step, first, 8080) == errno.EADDRINUSE
        other = listen_in(step, second, 8080)
        step.answer(
            {
                "success": other == 0,
                "EADDRINUSE: Address already in use": other == errno.EADDRINUSE,
                "EACCES: Permission denied": other == errno.EACCES,
                "EADDRNOTAVAIL: Cannot assign requested address": other == errno.EADDRNOTAVAIL,
            },
            saw=other,
        )
        assert ":8080" in first.run("ss --listening --tcp --numeric")
        assert ":8080" in second.run("ss --listening --tcp --numeric")
        assert local_ends(first) == local_ends(second) == ["0.0.0.0:8080"]
        step.keep(named_socket(first, "\0lab"))
        assert "@lab" in unix_names(first)
        assert "@lab" not in unix_names(second)

    with lab.step(
        "Firewall rules",
        """
        The first namespace gets a rule that drops every packet that comes in. Then both windows ping 127.0.0.1.
        """,
        found="A firewall rule counts in its own network namespace only.",
        why="""
            Rules are lists of the network namespace, and packets meet only those of the namespace in which they are.
            The notes speak of iptables; nft(8) is the newer program for the same part of the kernel (netfilter).
        """,
        hint="In which namespace does the packet arrive?",
        watch=[first, second],
        files=NETLINK,
        claims=["net-13"],
        ask=Choice(
            "The first namespace drops all that comes in. Who still gets an answer from 127.0.0.1?",
            "both",
            "the first one only",
            "the second one only",
            "neither",
        ),
    ) as step:
        second.run("ip link set lo up")
        table = "nft 'add table ip lab; add chain ip lab in { type filter hook input priority 0; }'"
        rules_taken(lab, first.run(table, status=None))
        first.run("nft add rule ip lab in counter drop")
        pings = [window.run("ping -c 1 -W 0.3 127.0.0.1", status=(0, 1)).status for window in (first, second)]
        step.answer(
            {
                "both": pings == [0, 0],
                "the first one only": pings == [0, 1],
                "the second one only": pings == [1, 0],
                "neither": pings == [1, 1],
            },
            saw=pings,
        )
        assert pings == [1, 0]
        assert "drop" in first.run("nft list ruleset")
        assert second.run("nft list ruleset") == ""


def listen_in(step: Step, window: Window, port: int) -> int:
    """Listen on a port in the network namespace of a window until the step ends; 0, or the errno."""
    try:
        step.keep(namespaces.visit(window.pid, ["net"], bound, socket.AF_INET, ("", port)))
    except OSError as error:
        return error.errno or -1
    return 0


def named_socket(window: Window, name: str) -> socket.socket:
    """A listening Unix socket of a window's network namespace; an abstract name begins with a zero byte."""
    return namespaces.visit(window.pid, ["net"], bound, socket.AF_UNIX, name)


def bound(family: int, address: Any) -> socket.socket:
    """A new listening socket."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(family))
        listener.bind(address)
        listener.listen()
        stack.pop_all()
        return listener


def local_ends(window: Window) -> list[str]:
    """Address and port of the TCP sockets in the network namespace of a window."""
    return [entry["local"] for entry in proc.read("/proc/PID/net/tcp", window.pid)]


def unix_names(window: Window) -> list[str]:
    """The names of the Unix sockets in the network namespace of a window."""
    return [entry["name"] for entry in proc.read("/proc/PID/net/unix", window.pid)]


def test_home_of_a_socket(lab: Lab) -> None:
    """To which network namespace does a socket belong?

    A process can move to another network namespace by setns(2). What about the sockets that it has open?
    """
    first, second = lab.window("first"), lab.window("second")
    first.enter("unshare --net /bin/bash")
    second.enter("unshare --net /bin/bash")
    first.run("ip link set lo up")
    second.run("ip link set lo up")

    with lab.step(
        "Open a port, then move",
        """
        A child enters the namespace of the first window (A) and listens on port 8080 there. Then it moves to the
        namespace of the second window (B), with the socket open. Both windows look for the port.
        """,
        found="A socket stays in the network namespace in which it was opened, wherever its process goes.",
        why="""
            socket(2) notes the namespace of the caller in the socket, once (sock_net() in the kernel). setns(2) changes
            the process, and what it opens from then on. The ioctl SIOCGSKNS asks a socket for its namespace. So an
            engine can prepare a socket in one namespace and use it from another.
        """,
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
    ) as step:
        child = step.keep(namespaces.start_in_new(0, namespaces.tell_and_stay, listen_and_move, first.pid, second.pid))
        home = child.hear()
        step.watch(child)
        in_a, in_b = (":8080" in window.run("ss --listening --tcp --numeric") for window in (first, second))
        step.answer(
            {
                "in A": in_a and not in_b,
                "in B": in_b and not in_a,
                "in A and in B": in_a and in_b,
                "nowhere: setns() closes it": not in_a and not in_b,
            }
        )
        assert namespaces.link(child.pid, "net") == second.ns("net")
        assert home == first.ns("net")
        assert (in_a, in_b) == (True, False)
        (port,) = proc.read("/proc/PID/net/tcp", first.pid)
        assert f"socket:[{port['inode']}]" in proc.read("/proc/PID/fd", child.pid).values()
        assert proc.read("/proc/PID/net/tcp", child.pid) == []
        first.run("exec 3<>/dev/tcp/127.0.0.1/8080")
        assert "refused" in second.run("(exec 3<>/dev/tcp/127.0.0.1/8080)", status=1)

    with lab.step(
        "Unix sockets",
        """
        A Unix socket is reached by a file, or by an abstract name, which is no file. One of each sort is opened in the
        first namespace. From the second one we try to connect to both.
        """,
        found="A Unix socket with a path is reached from every network namespace; an abstract name only from its own.",
        why="""
            The file system finds the socket behind a path, so the mount namespace decides. Abstract names are kept in a
            table that each network namespace has for itself (unix(7)). A container with --network=host can therefore
            talk to the abstract sockets of the host.
        """,
        hint="Which namespace decides about files?",
        watch=[first, second],
        files=["/proc/PID/net/unix"],
        shows=["net-04", "net-12"],
        ask=Choice(
            "Which of the two sockets can be reached from the other network namespace?",
            "both",
            "only the one with a path",
            "only the one with an abstract name",
            "neither",
        ),
    ) as step:
        path = str(lab.directory / "letterbox")
        step.keep(named_socket(first, path))
        step.keep(named_socket(first, "\0letterbox"))
        by_path, by_name = connect_errno(second, path), connect_errno(second, "\0letterbox")
        reached, refused = 0, errno.ECONNREFUSED
        step.answer(
            {
                "both": (by_path, by_name) == (reached, reached),
                "only the one with a path": (by_path, by_name) == (reached, refused),
                "only the one with an abstract name": (by_path, by_name) == (refused, reached),
                "neither": (by_path, by_name) == (refused, refused),
            },
            saw=(by_path, by_name),
        )
        assert by_path == 0
        assert by_name == errno.ECONNREFUSED
        assert connect_errno(first, "\0letterbox") == 0
        step.keep(named_socket(second, "\0letterbox"))
        assert "@letterbox" in unix_names(first)
        assert "@letterbox" in unix_names(second)


def listen_and_move(first: int, second: int) -> str:
    """To be run in a child: open a port in the namespace of one process, move to that of another, and ask the socket
    where it is."""
    with open(f"/proc/{first}/ns/net") as a, open(f"/proc/{second}/ns/net") as b:
        setns(a.fileno(), Clone.NEWNET)
        listener = bound(socket.AF_INET, ("127.0.0.1", 8080))
        setns(b.fileno(), Clone.NEWNET)
    return network.namespace_of_socket(listener.detach())


def connect_errno(window: Window, name: str) -> int:
    """The errno of connecting to a Unix socket from the network namespace of a window; 0 if it worked."""

    def try_it() -> int:
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(name)

    return namespaces.visit(window.pid, ["net"], try_it)


def test_which_devices_move(lab: Lab) -> None:
    """Which devices can move to another network namespace?

    The notes say that all devices but lo belong to one namespace only. Does lo belong to several?
    """
    first, second = lab.window("first"), lab.window("second")
    own_network(lab, first)
    first.run("ip netns add ns1")
    go_to(second, first, "ns1")
    pair = "ip link add bridge0 type bridge && ip link add veth1 type veth peer name vethb1"
    devices_made(lab, first.run(pair, status=None))

    with lab.step(
        "Try to move three devices",
        """
        The host has lo, a bridge (a virtual switch), and a veth pair (a virtual cable). It tries to give lo, bridge0
        and veth1 to ns1. Then the devices of both are listed.
        """,
        found="A veth end moves; lo and a bridge do not. Each namespace has a lo of its own, which is another device.",
        why="""
            Every namespace has a lo: the same name, the same number 1, but another device. Like a bridge, it is marked
            as bound to its namespace (netns_immutable in struct net_device, before that NETIF_F_NETNS_LOCAL). A moved
            device is gone here and present there. Real network cards can move as well; they come back when the
            namespace ends.
        """,
        hint="What would happen to ns1's own lo if the host's lo moved there?",
        watch=[first, second],
        files=["ip link"],
        claims=["net-03"],
        ask=Choice(
            "Which of lo, bridge0 and veth1 can be moved to ns1?",
            "all three",
            "bridge0 and veth1",
            "only veth1",
            "none",
        ),
    ) as step:
        tried = {name: first.run(f"ip link set {name} netns ns1", status=None) for name in ("lo", "bridge0", "veth1")}
        moved = [name for name, output in tried.items() if output.status == 0]
        step.answer(
            {
                "all three": moved == ["lo", "bridge0", "veth1"],
                "bridge0 and veth1": moved == ["bridge0", "veth1"],
                "only veth1": moved == ["veth1"],
                "none": moved == [],
            },
            saw=tried,
        )
        here, there = (first.run("ip -brief link"), second.run("ip -brief link"))
        assert moved == ["veth1"]
        assert "veth1@" in there
        assert "veth1@" not in here.replace("vethb1@", "")
        assert "bridge0" in here
        assert "bridge0" not in there
        assert "lo" in devices(first)
        assert "lo" in devices(second)

    with lab.step(
        "What a device takes along",
        """
        By netlink the kernel tells its reason for lo and bridge0: EINVAL. Then veth1 gets an address and is set up in
        ns1, and goes back to the host.
        """,
        found="A device that moves arrives down and without its addresses: first move it, then give it the address.",
        why="""
            To the old namespace it looks like the end of the device: it is set down, and its addresses, routes and
            neighbours are deleted (__dev_change_net_namespace() in net/core/dev.c). In the new one it is like a new
            device. So the notes, and container engines, move first and give the address afterwards.
        """,
        hint="Routes and addresses belong to a namespace. What should become of them?",
        watch=[first, second],
        files=NETLINK,
        shows=["net-03"],
        ask=Choice(
            "veth1 has the address 10.1.1.2 in ns1 and is up. It is moved to the host. How does it arrive?",
            "with the address, and up",
            "with the address, but down",
            "without the address, but up",
            "without the address, and down",
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
        is_up = "UP" in next(link["flags"] for link in proc.read("ip link", first.pid) if link["ifname"] == "veth1")
        step.answer(
            {
                "with the address, and up": kept and is_up,
                "with the address, but down": kept and not is_up,
                "without the address, but up": not kept and is_up,
                "without the address, and down": not kept and not is_up,
            }
        )
        assert "10.1.1.2/24" in with_address
        assert not kept
        assert not is_up
        assert "veth1" not in devices(second)


def test_settings_of_a_namespace(lab: Lab) -> None:
    """/proc/sys/net: settings of each network namespace.

    The files below /proc/sys are switches of the kernel. ip_forward makes a machine a router, which passes packets on
    for others. May a container be a router while its host is none?
    """
    first, second = lab.window("first"), lab.window("second")
    first.enter("unshare --net /bin/bash")
    second.enter("unshare --net /bin/bash")

    with lab.step(
        "Switch on forwarding",
        """
        Both namespaces have net.ipv4.ip_forward set to 0. It is set to 1 in the first one only. Then the first one asks
        which of two files it may write to.
        """,
        found="Most settings below /proc/sys/net belong to the network namespace of the reader.",
        why="""
            Some settings exist once a machine: in a new namespace they are missing, or can only be read, as
            net.core.rmem_max. An engine may therefore offer `--sysctl net.ipv4...` without danger for the host.
        """,
        hint="The path begins with net.",
        watch=[first, second],
        files=["/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/core/rmem_max"],
        claims=["net-x02"],
        ask=Choice(
            "ip_forward is set to 1 in the first namespace. What does the second one read?", "0", "1", "no file"
        ),
    ) as step:
        machine = Path("/proc/sys/net/ipv4/ip_forward").read_text()
        for window in (first, second):
            window.run("sysctl -w net.ipv4.ip_forward=0")
        first.run("sysctl -w net.ipv4.ip_forward=1")
        seen = second.run("cat /proc/sys/net/ipv4/ip_forward", status=(0, 1))
        step.answer({"0": seen == "0", "1": seen == "1", "no file": "No such file" in seen}, saw=seen)
        assert first.ns("net") != second.ns("net")
        assert proc.read("/proc/sys/net/ipv4/ip_forward", first.pid) == "1"
        assert seen == "0"
        assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == machine
        first.run("test -w /proc/sys/net/ipv4/ip_forward")
        assert first.run("test -w /proc/sys/net/core/rmem_max", status=(0, 1)).status == 1


@pytest.mark.needs("user namespace")
def test_who_may_build(lab: Lab) -> None:
    """Who may build networks?

    A user namespace maps user ids (lab 05): in one of his own everybody can be root. Does this root rule over the
    network?
    """
    first, second = lab.window("first"), lab.window("second")
    own_network(lab, first)
    second.enter(f"nsenter --target {first.pid} --net --mount /bin/bash")

    with lab.step(
        "Root, but of which network?",
        """
        The first window becomes root of a new user namespace, but stays in the network namespace. It tries to make a
        veth pair. Then it does so with a network namespace made together with the user namespace.
        """,
        found="Root of a user namespace can build networks only in network namespaces that this user namespace owns.",
        why="""
            `ip link add` needs the capability CAP_NET_ADMIN in the user namespace that owns the network namespace
            (user_namespaces(7)). The new root has it in the new user namespace only, and the old network namespace is
            owned by another one: the ioctl NS_GET_USERNS tells which. So rootless containers can build all inside,
            but a cable to the host needs the host's root.
        """,
        hint="Which user namespace owns the network namespace in which the shell sits?",
        watch=[first, second],
        files=["/proc/PID/ns/net NS_GET_USERNS", "ip link"],
        claims=["net-x06"],
        ask=Choice(
            "`unshare --user --map-root-user` and then `ip link add`: what does the kernel say?",
            "nothing: the device is made",
            "Operation not permitted",
            "No such device",
            "Network is unreachable",
        ),
    ) as step:
        owner = proc.read("/proc/PID/ns/net NS_GET_USERNS", second.pid)
        first.enter("unshare --user --map-root-user /bin/bash")
        refused = first.run("ip link add va type veth peer name vb", status=(0, 2))
        step.answer(
            {
                "nothing: the device is made": refused.status == 0,
                "Operation not permitted": "Operation not permitted" in refused,
                "No such device": "No such device" in refused,
                "Network is unreachable": "Network is unreachable" in refused,
            },
            saw=refused,
        )
        assert "Operation not permitted" in refused
        assert first.run("id -u") == "0"
        assert first.ns("net") == second.ns("net")
        assert first.ns("user") != owner
        first.exit()
        first.enter("unshare --user --map-root-user --net /bin/bash")
        devices_made(lab, first.run("ip link add va type veth peer name vb", status=None))
        assert "va" in devices(first)
        assert "va" not in devices(second)
        assert proc.read("/proc/PID/ns/net NS_GET_USERNS", first.pid) == first.ns("user")

    with lab.step(
        "The same by system calls",
        """
        A child with a new user namespace asks netlink for a veth pair. A second child does so with a new user namespace
        and a new network namespace.
        """,
        found="The first child gets EPERM; the second one gets its veth pair.",
        why="""
            clone(2) with both flags makes the user namespace first, so that it owns the network namespace. A move of a
            device needs the capability over both namespaces, the old one and the new one.
        """,
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


@pytest.mark.needs("user namespaces of ordinary users")
def test_low_ports(lab: Lab) -> None:
    """Port 80 without root.

    Ports below 1024 are for root: so it was for forty years. A capability is a single right of root (lab 05); the one
    for these ports is CAP_NET_BIND_SERVICE. In which namespace must one have it?
    """
    # In the sandbox of an ordinary user there is no second id; a new user namespace takes the rights away as well.
    uid, own = (0, Clone.NEWUSER) if lab.facts.rootless else (1000, Clone(0))

    with lab.step(
        "Three tries on port 80",
        """
        A child that is not root listens on port 80. So does one that first made a user namespace, and one that made a
        user namespace and a network namespace.
        """,
        found="In a network namespace of one's own user namespace everybody may open the ports below 1024.",
        why="""
            The kernel asks for CAP_NET_BIND_SERVICE in the user namespace that owns the network namespace of the socket
            (inet_bind() in net/ipv4/af_inet.c; capabilities(7)). A new user namespace alone gives the capability over
            what it owns, and the old network namespace is not among it. So a rootless container can have a web server
            on its port 80.
        """,
        hint="Who owns the network namespace in each of the three cases?",
        files=["/proc/PID/net/tcp", "/proc/PID/ns/net NS_GET_USERNS"],
        claims=["net-x07"],
        ask=Choice(
            "Who of the three may listen on port 80?",
            "none of them",
            "the one with both new namespaces",
            "the two with a new user namespace",
            "all three",
        ),
    ) as step:
        errors = []
        for flags in (Clone(0), Clone.NEWUSER, Clone.NEWUSER | Clone.NEWNET):
            child = step.keep(namespaces.start_in_new(own, namespaces.tell_and_stay, listen_as, uid, flags))
            errors.append(child.hear())
        step.watch(child)
        step.answer(
            {
                "none of them": errors == [errno.EACCES] * 3,
                "the one with both new namespaces": errors == [errno.EACCES, errno.EACCES, 0],
                "the two with a new user namespace": errors == [errno.EACCES, 0, 0],
                "all three": errors == [0, 0, 0],
            },
            saw=errors,
        )
        assert errors == [errno.EACCES, errno.EACCES, 0]
        assert [entry["local"] for entry in proc.read("/proc/PID/net/tcp", child.pid)] == ["0.0.0.0:80"]
        assert proc.read("/proc/PID/ns/net NS_GET_USERNS", child.pid) == namespaces.link(child.pid, "user")

    first, second = lab.window("first"), lab.window("second")
    first.enter("unshare --net /bin/bash")
    second.enter("unshare --net /bin/bash")

    with lab.step(
        "Move the border",
        """
        net.ipv4.ip_unprivileged_port_start says which port is the first that needs no right. It is set to 80 in the
        first namespace. Then a child that is not root listens on port 80 in each of the two.
        """,
        found="Each network namespace has its own border of privileged ports; a new one begins with 1024.",
        why="""
            The setting is one of the network namespace, since Linux 4.11 (ip-sysctl.rst). Docker sets it to 0 in its
            containers (since 20.10), so a program in a container need not be root for port 80.
        """,
        watch=[first, second],
        files=["/proc/sys/net/ipv4/ip_unprivileged_port_start"],
        claims=["net-x08"],
        ask=Number("The first namespace has the border 80 now. Which border does the second one show?"),
    ) as step:
        first.run("sysctl -w net.ipv4.ip_unprivileged_port_start=80")
        border = second.run("cat /proc/sys/net/ipv4/ip_unprivileged_port_start")
        step.answer(int(border))
        work = (namespaces.run_in_new, own, listen_as, uid, Clone(0))
        assert namespaces.run_inside(first.pid, ["net"], *work) == 0
        assert namespaces.run_inside(second.pid, ["net"], *work) == errno.EACCES
        assert border == "1024"


def listen_as(uid: int, flags: Clone) -> int:
    """To be run in a child: become a user, unshare, and listen on port 80; 0, or the errno."""
    if uid != os.getuid():
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    unshare(flags)
    try:
        bound(socket.AF_INET, ("", 80)).detach()
    except OSError as error:
        return error.errno or -1
    return 0
