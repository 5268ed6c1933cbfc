"""Windows as computers of a network: what the labs on network namespaces share."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from runtime.kernel import namespaces, network, packets
from runtime.lab.lesson import Lab
from runtime.lab.window import Output, Window

NETLINK = ("ip link", "ip address", "ip route", "ip neighbour", "bridge fdb", "ip netns")  # what a step observes


def own_network(lab: Lab, window: Window) -> None:
    """Enter a network namespace that plays the part of the host.

    /run/netns, where `ip netns` keeps names, and /sys, which shows devices, become its own too, by a mount namespace.
    """
    window.enter("unshare --net --mount /bin/bash")
    if not lab.directory.is_relative_to("/run"):  # outside the sandbox /run is the machine's: leave it alone
        window.run("mount -t tmpfs tmpfs /run")
    window.run("mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns && mount -t sysfs sysfs /sys")


def go_to(window: Window, host: Window, name: str) -> None:
    """Bring a window to the host, and from there into a namespace with a name."""
    window.enter(f"nsenter --target {host.pid} --net --mount /bin/bash")
    window.enter(f"ip netns exec {name} /bin/bash")


def devices_made(lab: Lab, made: Output) -> None:
    """End the exercise if the kernel could not make a virtual device."""
    if made.status:
        how = "use a kernel with CONFIG_BRIDGE and CONFIG_VETH, as in the VM (vagrant up)"
        lab.unsupported(f"no virtual devices: {made.splitlines()[0]}", how)


def rules_taken(lab: Lab, made: Output) -> None:
    """End the exercise if the kernel took no firewall rule."""
    if made.status:
        how = "install nftables (./provision.sh), on a kernel with CONFIG_NF_TABLES, CONFIG_NFT_NAT and CONFIG_NFT_MASQ"
        lab.unsupported(f"no firewall rules: {made.splitlines()[0]}", how)


def silence_ipv6(window: Window) -> None:
    """IPv6 talks as soon as a device is up (who else is here?); without it only our own packets are on the cables."""
    window.run("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1")


def plugged_in(window: Window, *names: str) -> None:
    """Wait until the kernel has seen that the cables of some devices are plugged in at both ends.

    That is done by a kernel thread, a moment after the second end is set up; what is sent earlier is lost.
    """

    def wait() -> None:
        for name in names:
            network.wait_for(name, state="UP")
        for port in [link["ifname"] for link in network.links() if link["ifname"] in names and link["master"]]:
            network.wait_for(port, port_state="forwarding")

    namespaces.visit(window.pid, ["net"], wait)


def came_back(ping: Output) -> dict[str, bool]:
    """What came back of one ping: a condition for each of the answers that the labs offer."""
    return {
        "an answer": ping.status == 0,
        "nothing": ping.status == 1 and "100% packet loss" in ping and "Unreachable" not in ping,
        "an error: Network is unreachable": ping.status == 2 and "Network is unreachable" in ping,
        "an error: Destination Host Unreachable": ping.status == 1 and "Destination Host Unreachable" in ping,
    }


@contextmanager
def look_at(window: Window, name: str) -> Iterator[packets.Capture]:
    """The frames on a device in the network namespace of a window, as tcpdump would show them."""
    with ExitStack() as stack:
        yield namespaces.visit(window.pid, ["net"], stack.enter_context, packets.capture(name))
