"""States of processes as the labs observe them, small enough to read; plain JSON, so that a record can hold them."""

from typing import Any

from record.model import Observation, Process

State = dict[str, Any]


def one(label: str, pid: int, state: State) -> Process:
    return Process(label, label, pid, "shell", 1, state)


def seen(*processes: Process) -> Observation:
    return Observation("after", list(processes))


# Network: a host with a bridge, and a namespace at the other end of a cable


def device(index: int, name: str, kind: str = "veth", state: str = "DOWN", **more: Any) -> State:
    none = {"master": None, "peer": None, "peer_namespace": None, "rx_packets": 0, "tx_packets": 0}
    return {"index": index, "ifname": name, "kind": kind, "state": state, **none, **more}


def net(home: str, *devices: State, addresses: dict[str, str] | None = None, **more: Any) -> State:
    given = [{"address": address, "dev": dev} for dev, address in (addresses or {}).items()]
    return {"/proc/PID/ns/net": home, "ip link": list(devices), "ip address": given, **more}


HOST, FAR = "net:[1]", "net:[2]"
BRIDGE = device(2, "bridge0", "bridge")
UNPLUGGED = [net(HOST, device(1, "lo", "loopback"), BRIDGE), net(FAR, device(1, "lo", "loopback"))]
PLUGGED = [
    net(
        HOST,
        device(1, "lo", "loopback"),
        BRIDGE | {"state": "UP", "rx_packets": 7, "tx_packets": 8},
        device(3, "vethb1", state="UP", master="bridge0", peer=2, peer_namespace=FAR),
        addresses={"bridge0": "10.1.1.1/24"},
        **{"ip route": [{"dst": "10.1.1.0/24", "gateway": None, "dev": "bridge0", "source": "10.1.1.1"}]},
    ),
    net(
        FAR,
        device(1, "lo", "loopback"),
        device(2, "veth1", state="UP", peer=3, peer_namespace=HOST),
        addresses={"veth1": "10.1.1.2/24"},
        **{"ip netns": {"ns1": FAR}},
    ),
]


# Union: the three branches of the notes


def text(content: str) -> State:
    return {"type": "file", "mode": "0644", "size": len(content), "text": content}


def whiteout(name: str) -> State:
    return {"type": "char", "mode": "0000", "rdev": "0:0", "mark": "whiteout", "hides": name}


FOLDER = {"type": "dir", "mode": "0755"}


def union(branches: list[State], merged: State | None, super_: str = "", fstype: str = "overlay") -> State:
    listings = {f"Branch-{number}": entries for number, entries in enumerate(branches)}
    listings["MountPoint"] = merged or {}
    options = super_ or "rw,lowerdir=Branch-1:Branch-2,upperdir=Branch-0,workdir=work"
    mount = {"point": "/home/MountPoint", "fstype": fstype, "super": options, "source": "none"}
    state: State = {f"/proc/PID/cwd/{name}": {".": FOLDER} | entries for name, entries in listings.items()}
    return state | {"/proc/PID/mountinfo": [mount] if merged is not None else []}


BRANCHES = [
    {"001.txt": text("b0\n"), "003.txt": text("b0\n")},
    {"001.txt": text("b1\n"), "003.txt": text("b1\n"), "004.txt": text("b1\n")},
    {"002.txt": text("b2\n"), "003.txt": text("b2\n")},
]
MERGED = {"001.txt": text("b0\n"), "002.txt": text("b2\n"), "003.txt": text("b0\n"), "004.txt": text("b1\n")}
DELETED = [BRANCHES[0] | {"004.txt": whiteout("004.txt")}, *BRANCHES[1:]]
WITHOUT = {name: entry for name, entry in MERGED.items() if name != "004.txt"}


# Memory

MIB = 1 << 20
V1, V2 = "/sys/fs/cgroup/memory/PATH/memory", "/sys/fs/cgroup/PATH/memory"


def memory(usage: int, limit: int | None, hits: int = 0, kills: int = 0, group: str = "/test", **more: Any) -> State:
    """A cgroup of version 1."""
    return {
        f"{V1}.usage_in_bytes": usage, f"{V1}.limit_in_bytes": limit or 9223372036854771712, f"{V1}.failcnt": hits,
        f"{V1}.oom_control": {"oom_kill": kills, "under_oom": 0},
        "/proc/PID/cgroup": [{"id": 4, "controllers": ["memory"], "path": group}], **more,
    }  # fmt: skip


def memory_2(current: int, limit: int | str, swap: int = 0, swap_limit: int | str = "max", hits: int = 0) -> State:
    """A cgroup of version 2."""
    return {
        f"{V2}.current": current, f"{V2}.max": limit, f"{V2}.swap.current": swap, f"{V2}.swap.max": swap_limit,
        f"{V2}.events": {"max": hits, "oom_kill": 0},
        "/proc/PID/cgroup": [{"id": 0, "controllers": [], "path": "/test"}],
    }  # fmt: skip


# PID namespaces and id maps


def pids(home: str, *numbers: int, parent: str | None = None, name: str = "bash", above: int = 1) -> State:
    state: State = {
        "/proc/PID/ns/pid": home,
        "/proc/PID/status": {"Name": name, "NSpid": list(numbers), "PPid": above},
    }
    return state | ({"/proc/PID/ns/pid NS_GET_PARENT": parent} if parent else {})


def ids(home: str, uid_map: list[list[int]], gid_map: list[list[int]] | None = None) -> State:
    maps = {"/proc/PID/uid_map": uid_map, "/proc/PID/gid_map": uid_map if gid_map is None else gid_map}
    return {"/proc/PID/ns/user": home, **maps}


ALL = [[0, 0, 4294967295]]
