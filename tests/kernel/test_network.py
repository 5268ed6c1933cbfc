"""Devices, routes and packets in network namespaces that the tests make; the machine's own network is never touched."""

import errno
import os
import pickle
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from runtime.kernel import network, packets, parse, proc
from runtime.kernel.namespaces import Child, link, run_in_new, start_in_new, visit
from runtime.kernel.network import NetworkError
from runtime.kernel.syscalls import Clone, Mount, mount, umount2

NETLINK = ["ip link", "ip address", "ip route", "ip neighbour", "bridge fdb", "ip netns"]
privileged = pytest.mark.privileged


def in_new_network(function: Callable[..., Any], *args: Any) -> Any:
    """The result of a function in a new network namespace; as an ordinary user inside a user namespace."""
    own = Clone(0) if os.geteuid() == 0 else Clone.NEWUSER
    return run_in_new(own | Clone.NEWNET, function, *args)


def test_a_new_namespace_has_lo_and_nothing_else() -> None:
    def look() -> list[Any]:
        return [network.links(), network.addresses(), network.routes(), network.neighbours(), network.forwarding()]

    (lo, *_), *others = in_new_network(look)
    assert (lo["ifname"], lo["index"], lo["kind"]) == ("lo", 1, "loopback")
    assert (lo["state"], lo["flags"]) == ("DOWN", ["LOOPBACK"])
    assert (lo["master"], lo["peer"], lo["peer_netnsid"], lo["peer_namespace"]) == (None, None, None, None)
    assert (lo["rx_packets"], lo["tx_packets"]) == (0, 0)
    assert others == [[], [], [], []]


def test_devices_addresses_and_routes_are_read_as_they_were_made() -> None:
    def build() -> tuple[Any, ...]:
        network.add_bridge("bridge0")
        network.add_veth("va", "vb")
        network.set_master("va", "bridge0")
        network.add_address("bridge0", "10.1.1.1/24")
        for name in ("bridge0", "va", "vb"):
            network.set_up(name)
        network.wait_for("va", port_state="forwarding")
        network.add_route("default", "10.1.1.9")
        here = os.readlink("/proc/thread-self/ns/net")
        return {each["ifname"]: each for each in network.links()}, network.addresses(), network.routes(), here

    links, addresses, routes, here = in_new_network(build)
    assert [links[name]["kind"] for name in ("bridge0", "va", "vb")] == ["bridge", "veth", "veth"]
    assert (links["va"]["master"], links["va"]["port_state"], links["vb"]["master"]) == ("bridge0", "forwarding", None)
    assert links["va"]["peer"] == links["vb"]["index"]
    assert (links["va"]["peer_netnsid"], links["va"]["peer_namespace"]) == (None, here)
    assert {"address": "10.1.1.1/24", "dev": "bridge0", "family": "inet", "scope": "global"} in addresses
    rows = {route["dst"]: (route["dev"], route["gateway"], route["source"]) for route in routes}
    assert rows == {"default": ("bridge0", "10.1.1.9", None), "10.1.1.0/24": ("bridge0", None, "10.1.1.1")}


@pytest.mark.parametrize(
    ("attempt", "call", "number"),
    [
        ("cannot add the bridge lo: File exists (EEXIST)", lambda: network.add_bridge("lo"), errno.EEXIST),
        ("cannot find the device va: No such device (ENODEV)", lambda: network.delete("va"), errno.ENODEV),
        ("cannot find the device va: No such device (ENODEV)", lambda: network.set_master("lo", "va"), errno.ENODEV),
        (
            "cannot move lo to the network namespace of /nowhere: No such file or directory (ENOENT)",
            lambda: network.move("lo", "/nowhere"),
            errno.ENOENT,
        ),
        (
            "cannot add a route to default by way of 10.9.9.9: Network is unreachable (ENETUNREACH)",
            lambda: network.add_route("default", "10.9.9.9"),
            errno.ENETUNREACH,
        ),
        (
            "cannot ping 10.9.9.9: Network is unreachable (ENETUNREACH)",
            lambda: packets.ping("10.9.9.9"),
            errno.ENETUNREACH,
        ),
        (
            "cannot see lo with state UP within 0.01 s: Connection timed out (ETIMEDOUT)",
            lambda: network.wait_for("lo", 0.01, state="UP"),
            errno.ETIMEDOUT,
        ),
    ],
)
def test_a_failure_tells_what_was_attempted(attempt: str, call: Callable[[], object], number: int) -> None:
    with pytest.raises(NetworkError) as failed:
        in_new_network(call)
    error = failed.value
    assert error.errno == number
    assert str(error) == attempt
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_context_managers_leave_nothing() -> None:
    def use() -> list[list[str]]:
        names = []
        with network.bridge("bridge0"), network.veth_pair("va", "vb") as (near, far):
            names.append(sorted(each["ifname"] for each in network.links()))
            network.delete(near)  # before its time; the other end goes with it
            assert not network.exists(far)
        names.append([each["ifname"] for each in network.links()])
        with pytest.raises(ZeroDivisionError), network.bridge("bridge0"):
            _ = 1 // 0
        names.append([each["ifname"] for each in network.links()])
        return names

    assert in_new_network(use) == [["bridge0", "lo", "va", "vb"], ["lo"], ["lo"]]


def test_a_session_uses_one_socket_and_closes_it() -> None:
    def use() -> tuple[int, int, int]:
        network.links()  # what the library opens once
        before = len(os.listdir("/proc/self/fd"))
        with network.session():
            network.links()
            within = len(os.listdir("/proc/self/fd"))
            with network.session():
                network.addresses()
            assert len(os.listdir("/proc/self/fd")) == within
        return before, within, len(os.listdir("/proc/self/fd"))

    before, within, after = in_new_network(use)
    assert before == after < within


@pytest.fixture
def pair() -> Iterator[tuple[Child[None], Child[None]]]:
    """Two waiting children in a network namespace each."""
    with ExitStack() as stack:
        first, second = (stack.enter_context(start_in_new(Clone.NEWNET, signal.pause)) for _ in range(2))
        yield first, second


def wire(first: Child[None], second: Child[None]) -> None:
    """A cable from va (10.1.1.1) to vb (10.1.1.2)."""
    visit(first.pid, ["net"], network.add_veth, "va", "vb", second.pid)
    for child, name, address in ((first, "va", "10.1.1.1/24"), (second, "vb", "10.1.1.2/24")):
        visit(child.pid, ["net"], network.add_address, name, address)
        visit(child.pid, ["net"], network.set_up, name)
    for child, name in ((first, "va"), (second, "vb")):
        visit(child.pid, ["net"], lambda name=name: network.wait_for(name, state="UP"))


@privileged
def test_the_other_end_is_told_by_number_and_namespace(pair: tuple[Child[None], Child[None]]) -> None:
    first, second = pair
    visit(second.pid, ["net"], network.add_bridge, "spare")  # so that the numbers differ
    wire(first, second)
    va, vb = (proc.read("ip link", child.pid)[-1] for child in pair)
    assert (va["ifname"], vb["ifname"]) == ("va", "vb")
    assert (va["peer"], vb["peer"]) == (vb["index"], va["index"])
    assert va["index"] != vb["index"]
    assert (va["peer_namespace"], vb["peer_namespace"]) == (link(second.pid, "net"), link(first.pid, "net"))


@privileged
def test_a_namespace_without_a_process_is_found_by_its_name() -> None:
    def with_a_name() -> tuple[Any, Any]:
        mount("tmpfs", "/run", "tmpfs")  # in a mount namespace of its own
        Path("/run/netns").mkdir()
        Path("/run/netns/ns1").touch()
        Path("/run/netns/stray").touch()  # a file that is no namespace is no name
        with start_in_new(Clone.NEWNET, signal.pause) as child:
            mount(f"/proc/{child.pid}/ns/net", "/run/netns/ns1", None, Mount.BIND)
            network.add_veth("va", "vb", child.pid)
        va = network.links()[-1]
        names = network.named()
        umount2("/run/netns/ns1")
        return va["peer_namespace"], names

    namespace, names = run_in_new(Clone.NEWNS | Clone.NEWNET, with_a_name)
    assert names == {"ns1": namespace}
    assert namespace.startswith("net:[")


@privileged
def test_a_moved_device_is_gone_here_and_present_there(pair: tuple[Child[None], Child[None]]) -> None:
    first, second = pair
    visit(first.pid, ["net"], network.add_veth, "va", "vb")
    visit(first.pid, ["net"], network.move, "vb", f"/proc/{second.pid}/ns/net")
    assert [each["ifname"] for each in proc.read("ip link", first.pid)] == ["lo", "va"]
    assert [each["ifname"] for each in proc.read("ip link", second.pid)] == ["lo", "vb"]
    second.close()
    visit(first.pid, ["net"], network.wait_until_gone, "va")
    assert [each["ifname"] for each in proc.read("ip link", first.pid)] == ["lo"]


@privileged
@pytest.mark.parametrize("name", ["lo", "bridge0"])
def test_some_devices_stay(pair: tuple[Child[None], Child[None]], name: str) -> None:
    first, second = pair
    visit(first.pid, ["net"], network.add_bridge, "bridge0")
    with pytest.raises(NetworkError, match=f"cannot move {name} to the network namespace of {second.pid}: ") as refused:
        visit(first.pid, ["net"], network.move, name, second.pid)
    assert refused.value.errno == errno.EINVAL


@privileged
def test_a_ping_is_seen_counted_and_leaves_neighbours(pair: tuple[Child[None], Child[None]]) -> None:
    first, second = pair
    wire(first, second)
    with ExitStack() as stack:
        seen = visit(second.pid, ["net"], stack.enter_context, packets.capture("vb"))
        assert 0 < visit(first.pid, ["net"], packets.ping, "10.1.1.2") < 1000
        frames = [frame for frame in seen.read() if frame["what"].startswith(("ARP", "ICMP"))]
    assert [frame["what"] for frame in frames] == ["ARP request", "ARP reply", "ICMP echo request", "ICMP echo reply"]
    assert (frames[0]["to"], frames[0]["source"], frames[0]["target"]) == ("ff:ff:ff:ff:ff:ff", "10.1.1.1", "10.1.1.2")
    vb = proc.read("ip link", second.pid)[-1]
    assert frames[1]["from"] == vb["mac"]
    assert vb["rx_packets"] >= 2
    rows = [row for row in proc.read("ip neighbour", first.pid) if row["dst"] == "10.1.1.2"]
    assert rows == [{"dst": "10.1.1.2", "dev": "va", "mac": vb["mac"], "state": "REACHABLE"}]
    assert proc.read("/proc/PID/net/arp", first.pid) == [
        {"dst": "10.1.1.2", "mac": vb["mac"], "dev": "va", "complete": True}
    ]


@privileged
def test_nobody_answers(pair: tuple[Child[None], Child[None]]) -> None:
    first, second = pair
    wire(first, second)
    with pytest.raises(NetworkError) as lost:
        visit(first.pid, ["net"], packets.ping, "10.1.1.77", 0.05)
    assert lost.value.errno == errno.ETIMEDOUT
    (row,) = [row for row in proc.read("ip neighbour", first.pid) if row["dst"] == "10.1.1.77"]
    assert (row["mac"], row["state"]) == (None, "INCOMPLETE")


@privileged
def test_a_bridge_learns_who_is_behind_a_port(pair: tuple[Child[None], Child[None]]) -> None:
    first, second = pair
    wire(first, second)
    visit(first.pid, ["net"], network.add_bridge, "bridge0")
    visit(first.pid, ["net"], network.set_master, "va", "bridge0")
    visit(first.pid, ["net"], network.set_up, "bridge0")
    visit(first.pid, ["net"], lambda: network.wait_for("va", port_state="forwarding"))
    with pytest.raises(NetworkError):  # only the question for the hardware address is sent
        visit(second.pid, ["net"], packets.ping, "10.1.1.77", 0.05)
    va, vb = (proc.read("ip link", child.pid) for child in pair)
    rows = {row["mac"]: (row["dev"], row["master"], row["state"]) for row in proc.read("bridge fdb", first.pid)}
    assert rows[vb[-1]["mac"]] == ("va", "bridge0", "learned")
    own = next(each["mac"] for each in va if each["ifname"] == "va")
    assert rows[own] == ("va", "bridge0", "permanent")
    visit(first.pid, ["net"], network.set_master, "va", None)
    assert proc.read("bridge fdb", first.pid) == []


@privileged
def test_a_socket_tells_where_it_was_opened(pair: tuple[Child[None], Child[None]]) -> None:
    first, _ = pair
    with visit(first.pid, ["net"], socket.socket) as there, socket.socket() as here:
        assert network.namespace_of_socket(there.fileno()) == link(first.pid, "net")
        assert network.namespace_of_socket(here.fileno()) == link("self", "net")


def test_the_commands_are_readers_of_a_process() -> None:
    values = proc.read_all(NETLINK, os.getpid())
    assert [type(values[command]) for command in NETLINK] == [list] * 5 + [dict]
    assert "lo" in [each["ifname"] for each in values["ip link"]]
    with pytest.raises(ValueError, match="no absolute path"):
        proc.read("ip rule", os.getpid())


def test_what_may_not_be_read_is_an_error_as_a_value() -> None:
    with start_in_new(Clone.NEWUSER | Clone.NEWNET, signal.pause) as child:
        pid = child.pid
        assert [each["ifname"] for each in proc.read("ip link", pid)] == ["lo"]
    assert proc.read("ip link", pid) == {"error": "ENOENT"}


def test_checksum_over_a_packet_with_its_checksum_is_zero() -> None:
    assert packets.checksum(packets.echo_request(0xBEEF)) == 0
    assert packets.checksum(bytes.fromhex("00010002fffc")) == 0x0000
    assert packets.checksum(b"\xff\xff\x00\x01") == 0xFFFE


@pytest.mark.parametrize(
    ("payload", "what", "source"),
    [
        ("0806000108000604000102aabbccddee0a0101020000000000000a010103", "ARP request", "10.1.1.2"),
        ("0806000108000604000202aabbccddee0a0101020200000000010a010103", "ARP reply", "10.1.1.2"),
        ("08004500001c00000000400100000a0101020a01010308000000beef0001", "ICMP echo request", "10.1.1.2"),
        ("08004500001c00000000401100000a0101020a01010308000000beef0001", "IPv4", "10.1.1.2"),
        ("86dd6000000000000000", "IPv6", None),
        ("88cc0000", "0x88cc", None),
        ("08060001", "0x0806", None),
    ],
)
def test_frames_are_described(payload: str, what: str, source: str | None) -> None:
    frame = packets.describe(bytes.fromhex("ffffffffffff02aabbccddee" + payload))
    assert (frame["what"], frame["source"]) == (what, source)
    assert (frame["from"], frame["to"]) == ("02:aa:bb:cc:dd:ee", "ff:ff:ff:ff:ff:ff")
    assert frame["target"] == (None if source is None else "10.1.1.3")


def test_socket_tables_are_parsed() -> None:
    tcp = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 552175 1 0 100\n"
    )
    assert parse.net_tcp(tcp)[0]["state"] == "LISTEN"
    assert parse.net_tcp(tcp)[0]["inode"] == 552175
    unix = (
        "Num       RefCount Protocol Flags    Type St Inode Path\n"
        "000000002ad245b1: 00000002 00000000 00010000 0001 01 552174 /run/a socket\n"
        "000000005234506e: 00000003 00000000 00000000 0002 03  1081\n"
        "000000005234506f: 00000003 00000000 00000000 0002 01  1082 @name\n"
    )
    assert parse.net_unix(unix) == [
        {"name": "/run/a socket", "type": "STREAM", "inode": 552174},
        {"name": "@name", "type": "DGRAM", "inode": 1082},
    ]
    assert parse.net_arp("IP address HW type Flags HW address Mask Device\n") == []


def test_the_tcp_table_names_the_port_of_this_process() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        inode = os.fstat(listener.fileno()).st_ino
        (row,) = [row for row in proc.read("/proc/PID/net/tcp", os.getpid()) if row["inode"] == inode]
        assert (row["local"], row["state"]) == (f"127.0.0.1:{listener.getsockname()[1]}", "LISTEN")
