"""What counts as a difference between two runs, and what is only another number."""

import pytest

from record.model import Check, Command
from reports.comparing.noise import Noise, Pair

PAIR = Pair(Noise(frozenset({"272", "1500"}), "vm"), Noise(frozenset({"105"}), "bookworm-lab"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("uts:[4026532252]", "uts:[4026532251]"),
        ("cat /proc/272/status", "cat /proc/105/status"),
        ("link/ether 72:f5:ed:c3:7f:a4 brd ff:ff", "link/ether e6:b4:3f:24:72:ea brd ff:ff"),
        ("fe80::d489:40ff:fea9:249e/64", "fe80::2c9f:8bff:fe9d:b153/64"),
        ("-rw-r--r-- 1 root root 80 Nov 24 07:35 post", "-rw-r--r-- 1 root root 80 Dec  1 17:45 post"),
        ("<Output object at 0x7f2af98baad0>", "<Output object at 0x7fda36603b50>"),
        ("time=0.042 ms", "time=0.068 ms"),
        ("0xd7528417 0   nobody", "0x78a48bba 0          nobody"),
        ("/tmp/tmp.tiD9Vj", "/tmp/tmp.6E8OXJ"),
        ("1795505720", "1795506317"),
        ("vm", "bookworm-lab"),
        ("root@vm:~", "root@bookworm-lab:~"),
        ("4:memory:/lesson", "7:memory:/lesson"),
        ("SigQ:\t0/96364", "SigQ:\t2/3803"),
        ("171 161 0:46 / /run/netns rw shared:1 - tmpfs", "447 446 0:57 / /run/netns rw shared:222 - tmpfs"),
        ("1 received, 0% packet loss, time 0ms", "1 received, 0% packet loss, time 1ms"),
        ("cd /sys/fs/cgroup/memory/test_swappiness0-2", "cd /sys/fs/cgroup/memory/test_swappiness0-755"),
        ("cd /sys/fs/cgroup/memory/lab-2", "cd /sys/fs/cgroup/memory/lab-755"),
        ("mount: /run/unshared/tmpqcgbxnmc/dev: denied", "mount: /tmp/tmp5kgkwcm1/dev: denied"),
        ("/run/unshared/pytest-of-root/pytest-0/x", "/tmp/pytest-of-nobody/pytest-12/x"),
    ],
)
def test_noise(one: str, other: str) -> None:
    assert PAIR.alike(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mtu 1500", "mtu 1400"),  # although 1500 is a pid in the first run
        ("10", "8"),
        ("holds", "wrong"),
        ("0 0 4294967295", "0 1000 1"),
        ("104857600", "max"),
        ("104857600", "209715200"),
        ("NSpid: 272 1", "NSpid: 105 2"),
        ("Read-only file system", "Permission denied"),
        ("6.1.0-18", "6.8.0-31"),
        ("CapBnd:\t000001fffcbcffff", "CapBnd:\t000001ffffffffff"),
        ("uid=0(root)", "uid=1000(dev)"),
        ("uts:[4026532252]", "user:[4026532252]"),
        ("a b", "a b c"),
        ("container001", "bookworm-lab"),
        ("vms", "bookworm-lab"),
    ],
)
def test_differences(one: str, other: str) -> None:
    assert not PAIR.alike(one, other)


def command(text: str, output: str, status: int | None = 0) -> Command:
    return Command("first", text, status, 0.1, output)


def test_lines_in_another_order_are_the_same_and_measures_too() -> None:
    neighbours = "10.1.1.3 dev v lladdr aa:aa:aa:aa:aa:aa\n10.1.1.1 dev v lladdr bb:bb:bb:bb:bb:bb"
    turned = "10.1.1.1 dev v lladdr cc:cc:cc:cc:cc:cc\n10.1.1.3 dev v lladdr dd:dd:dd:dd:dd:dd"
    assert PAIR.same_output(command("ip neighbour", neighbours), command("ip neighbour", turned))
    done = "[1]+  Done                    sleep 0.001\nshown"  # a shell tells it at one prompt or at the next
    assert PAIR.same_output(command("date", done), command("date", "shown"))
    hint = "mount: (hint) your fstab has been modified, but systemd still uses\n       the old version; use 'systemctl"
    assert PAIR.same_output(command("mount x", ""), command("mount x", hint))
    usage = "cat memory.usage_in_bytes"
    assert PAIR.same_output(command(usage, "10989568"), command(usage, "11251712"))
    assert not PAIR.same_output(command(usage, "10989568"), command(usage, "0"))
    assert not PAIR.same_output(
        command("cat memory.limit_in_bytes", "4096"), command("cat memory.limit_in_bytes", "8192")
    )
    assert not PAIR.same_output(command("true", ""), command("true", "", status=1))


@pytest.mark.parametrize(
    ("source", "one", "other", "same"),
    [
        ("assert len(names) == expected", "10 == 10", "8 == 8", False),
        ("assert usage < resident", "10989568 < 15773696", "11251712 < 15613952", True),
        ("assert x in text", "'a' in 'a b'", "'a' in 'a c'", True),
        ("assert first.pid == int(own)", "92 == 92", "91 == 91", True),
        ("assert child['rss'] == total", "10645504 == 10645504", "10641408 == 10641408", True),
        ("assert owner == 'dev'", "1000 == 1000", "0 == 0", False),
        ("assert long == other", "[1, 2, ...] == [1, 2, ...]", "[7, 8, ...] == [7, 8, ...]", True),
    ],
)
def test_checks(source: str, one: str, other: str, same: bool) -> None:
    assert PAIR.same_check(Check(True, source, one, 1), Check(True, source, other, 1)) is same
    assert not PAIR.same_check(Check(True, source, one, 1), Check(False, source, one, 1))
