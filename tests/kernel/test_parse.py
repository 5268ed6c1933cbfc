"""Parsers of /proc files, on texts as kernels print them."""

import pytest

from runtime.kernel import parse
from runtime.kernel.proc import CAPABILITIES, decode_capabilities

STATUS = """\
Name:\tsleep
Umask:\t0022
State:\tS (sleeping)
Tgid:\t4516
Pid:\t4516
PPid:\t4509
Uid:\t0\t1\t2\t3
Gid:\t5\t6\t7\t8
Groups:\t4 27\x20
NStgid:\t4516\t1
NSpid:\t4516\t1
CapEff:\t000001fffeffffff
NoNewPrivs:\t0
Seccomp:\t2
SigIgn:\t0000000000000004
"""
MOUNTINFO = """\
22 28 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:13 - proc proc rw
30 28 8:1 /data\\040dir /mnt/a\\040b rw,relatime - ext4 /dev/sda1 rw,errors=remount-ro
31 28 0:40 / /x ro master:1 propagate_from:2 - tmpfs \\134tmp rw,size=4k
32 28 0:41 / /y rw unbindable - fuse.x \x20rw
"""
NET_DEV = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes  packets errs drop fifo colls carrier compressed
    lo:    3193      29    0    0    0     0          0         0   3194   30    0    0    0     0       0          0
  a:b0: 18446744073709551615 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15
"""
NET_ROUTE = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""
SHM = """\
       key      shmid perms                  size
         0          1  1600                  4096
-559038737          2   600  18446744073709551615
"""
LIMITS = """\
Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max open files            1024                 524288               files
Max nice priority         0                    0
"""


def test_status_gives_numbers_lists_and_masks() -> None:
    values = parse.status(STATUS)
    assert values["NSpid"] == [4516, 1]
    assert values["Uid"] == [0, 1, 2, 3]
    assert values["Groups"] == [4, 27]
    assert values["PPid"] == 4509
    assert values["CapEff"] == "000001fffeffffff"
    assert values["Name"] == "sleep"
    assert "Umask" not in values
    assert "CapAmb" not in values


def test_mountinfo_undoes_escapes_and_keeps_the_optional_fields() -> None:
    mounts = parse.mountinfo(MOUNTINFO)
    assert [mount["propagation"] for mount in mounts] == [
        ["shared:13"],
        [],
        ["master:1", "propagate_from:2"],
        ["unbindable"],
    ]
    assert mounts[1]["root"] == "/data dir"
    assert mounts[1]["point"] == "/mnt/a b"
    assert mounts[1]["super"] == "rw,errors=remount-ro"
    assert mounts[2]["source"] == "\\tmp"
    assert (mounts[3]["source"], mounts[3]["super"]) == ("", "rw")
    assert mounts[0] | {"propagation": None} == {
        "id": 22,
        "parent": 28,
        "dev": "0:21",
        "root": "/",
        "point": "/proc",
        "options": "rw,nosuid,nodev,noexec,relatime",
        "propagation": None,
        "fstype": "proc",
        "source": "proc",
        "super": "rw",
    }


def test_cgroup_tells_v1_and_v2_apart() -> None:
    assert parse.cgroup("9:name=systemd:/a:b\n4:cpu,cpuacct:/\n0::/user.slice\n") == [
        {"id": 9, "controllers": ["name=systemd"], "path": "/a:b"},
        {"id": 4, "controllers": ["cpu", "cpuacct"], "path": "/"},
        {"id": 0, "controllers": [], "path": "/user.slice"},
    ]


def test_net_dev_names_the_counters() -> None:
    devices = parse.net_dev(NET_DEV)
    assert list(devices) == ["lo", "a:b0"]
    assert devices["lo"]["rx_bytes"] == 3193
    assert devices["lo"]["tx_packets"] == 30
    assert devices["a:b0"]["rx_bytes"] == 18446744073709551615
    assert devices["a:b0"]["tx_compressed"] == 15


def test_net_route_prints_addresses_as_people_do() -> None:
    default, local = parse.net_route(NET_ROUTE)
    assert default == {
        "device": "eth0",
        "destination": "0.0.0.0",
        "gateway": "192.0.2.1",
        "mask": "0.0.0.0",
        "flags": "UG",
        "metric": 100,
    }
    assert (local["destination"], local["mask"], local["flags"]) == ("192.0.2.0", "255.255.255.0", "U")


def test_sysvipc_tables() -> None:
    assert parse.table(SHM) == [
        {"key": 0, "shmid": 1, "perms": "1600", "size": 4096},
        {"key": -559038737, "shmid": 2, "perms": "600", "size": 18446744073709551615},
    ]
    assert parse.table(SHM.splitlines()[0]) == []


def test_limits_with_and_without_a_unit() -> None:
    limits = parse.limits(LIMITS)
    assert limits["Max cpu time"] == {"soft": "unlimited", "hard": "unlimited", "unit": "seconds"}
    assert limits["Max open files"] == {"soft": 1024, "hard": 524288, "unit": "files"}
    assert limits["Max nice priority"]["unit"] == ""


@pytest.mark.parametrize(
    ("parser", "text", "value"),
    [
        (parse.id_map, "         0     100000      65536\n  65536 0 1\n", [[0, 100000, 65536], [65536, 0, 1]]),
        (parse.id_map, "", []),
        (parse.timens_offsets, "monotonic  86400  0\nboottime -5 1\n", {"monotonic": [86400, 0], "boottime": [-5, 1]}),
        (parse.timens_offsets, "1 0 0\n7 1 0\n", {"monotonic": [0, 0], "boottime": [1, 0]}),
        (parse.strings, "sh\0-c\0\0", ["sh", "-c", ""]),
        (parse.strings, "", []),
        (parse.environ, "A=1\0B=x=y\0garbage\0", {"A": "1", "B": "x=y", "garbage": ""}),
        (parse.numbers, "12 34 ", [12, 34]),
        (parse.floats, "1041.23 1951.41\n", [1041.23, 1951.41]),
    ],
)
def test_small_files(parser: object, text: str, value: object) -> None:
    assert callable(parser)
    assert parser(text) == value


def test_capabilities_by_bit() -> None:
    assert decode_capabilities("0000000000200001") == ["CAP_CHOWN", "CAP_SYS_ADMIN"]
    assert decode_capabilities("0") == []
    assert decode_capabilities("1ffffffffff") == list(CAPABILITIES)
    assert decode_capabilities("8000000000000000") == ["CAP_63"]
    with pytest.raises(ValueError, match="invalid literal"):
        decode_capabilities("all")
