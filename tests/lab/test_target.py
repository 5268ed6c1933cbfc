"""Which target is taken, and what stays writable there."""

from pathlib import Path

import pytest

from runtime import target
from runtime.vm import marker

LABS = Path("/course/labs")


def test_inside_the_sandbox_nothing_is_entered_again():
    assert target.decide("sandbox", {target.SANDBOX_VARIABLE: "1"}).name == "here"


def test_here_only_when_asked_or_in_the_vm(monkeypatch, tmp_path):
    monkeypatch.setattr(marker, "PATH", tmp_path / "marker")
    assert target.decide("here", {}).name == "here"
    assert target.decide("auto", {}).name == "sandbox"
    (tmp_path / "marker").touch()
    assert target.decide("auto", {}).name == "here"


@pytest.mark.parametrize(("wanted", "message"), [("moon", "no such target"), ("vm", "no Vagrantfile yet")])
def test_targets_that_cannot_be_had(wanted, message):
    with pytest.raises(target.TargetError, match=message):
        target.decide(wanted, {})


def test_no_linux_no_labs(monkeypatch):
    monkeypatch.setattr(target.sys, "platform", "darwin")
    with pytest.raises(target.TargetError, match="labs need Linux"):
        target.decide("sandbox", {})


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["labs"], True),
        (["labs/"], True),
        (["labs/test_01_uts.py::test_a", "labs/test_00.py"], True),
        (["/course/labs/x.py"], True),
        (["tests"], False),
        (["labs", "tests"], False),
        (["labs/../tests"], False),
        (["laboratory"], False),
        (["."], False),
        ([], False),
    ],
)
def test_only_labs_are_delegated(arguments, expected):
    assert target.only_labs(arguments, Path("/course"), LABS) is expected


def test_writable_paths(tmp_path):
    (tmp_path / "out").mkdir()
    named = [f"{tmp_path}/out/new/junit.xml", "/etc/passwd", "/usr/share/x", "name", None, 3, "/top.xml"]
    found = target.writable_paths(Path("/opt"), tmp_path, named)
    assert found == [Path("/opt"), tmp_path, Path("/tmp"), tmp_path / "out", Path("/top.xml")]


def test_report_directory(tmp_path):
    target.prepare_report_directory(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(target.TargetError, match="name a directory that you may write"):
        target.prepare_report_directory(tmp_path / "file" / "site")
