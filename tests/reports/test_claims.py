"""Claims as a page shows them: what this machine showed, since which kernel."""

import pytest

from record.model import Claim, Observation, Process
from reports.pages.claims import ClaimView, Sight, sights


def claim(reference: str = "", truth: str = "", visible_in: list[str] | None = None) -> Claim:
    return Claim("x-01", "X", "It is so.", "holds", truth, reference, visible_in or [])


def moment(**states: dict[str, object] | None) -> Observation:
    return Observation("after", [Process(label, label, 1, "shell", 1, state) for label, state in states.items()])


@pytest.mark.parametrize(
    ("reference", "truth", "since"),
    [
        ("cgroup_namespaces(7), Linux 4.6", "", "Linux 4.6"),
        ("user_namespaces(7), ioctl_ns(2), Linux 3.7 and 4.11", "", "Linux 3.7 and 4.11"),
        ("network_namespaces(7), Linux 2.6.24", "", "Linux 2.6.24"),
        ("include/uapi/linux/nsfs.h of Linux 6.18", "", ""),
        ("clone(2) (ENOSPC; EINVAL before Linux 4.9)", "", ""),
        ("cgroups(7)", "It is always on since Linux 6.1.", "Linux 6.1"),
        ("cgroups(7)", "Linux has many.", ""),
    ],
)
def test_the_kernel_that_a_claim_hangs_on(reference: str, truth: str, since: str) -> None:
    assert ClaimView(claim(reference, truth), "holds").since == since


def test_what_the_machine_showed_is_told_by_place_and_process() -> None:
    shown = sights(
        claim(visible_in=["/proc/PID/ns/uts", "/proc/PID/status CapEff, Seccomp", "/proc/nothing"]),
        moment(
            first={"/proc/PID/ns/uts": "uts:[2]", "/proc/PID/status": {"CapEff": "0", "Name": "bash"}},
            second={"/proc/PID/ns/uts": "uts:[1]", "/proc/PID/status": {"CapEff": "0"}},
            third={"/proc/PID/ns/uts": "uts:[1]"},
            gone=None,
        ),
    )
    assert shown == [
        Sight("/proc/PID/ns/uts", "", [("uts:[2]", ["first"]), ("uts:[1]", ["second", "third"])]),
        Sight("/proc/PID/status", "CapEff", [("0", ["first", "second"])]),
    ]


def test_tables_and_long_texts_do_not_fill_a_claim() -> None:
    mounts = [{"point": f"/mnt/{number}"} for number in range(90)]
    state = {"/proc/PID/mountinfo": mounts, "/etc/os-release": "x" * 500, **{f"/f{n}": "1" for n in range(9)}}
    shown = sights(claim(visible_in=[*state]), moment(first=state))
    assert "/proc/PID/mountinfo" not in [sight.path for sight in shown]
    assert len(shown) == 6
    assert len(shown[0].values[0][0]) < 200


def test_nobody_watched() -> None:
    assert sights(claim(visible_in=["/proc/PID/ns/uts"]), None) == []
