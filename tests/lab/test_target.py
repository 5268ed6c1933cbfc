"""Which target is taken, and what stays writable there."""

import json
import tempfile
from pathlib import Path

import pytest

from runtime import checkout, target
from runtime.vm import marker

LABS = Path("/course/labs")


def test_inside_the_sandbox_nothing_is_entered_again():
    assert target.decide("sandbox", {checkout.SANDBOX_VARIABLE: "1"}).name == "here"


@pytest.fixture
def outside(monkeypatch, tmp_path):
    """A checkout of which no machine was created, on a machine that is no VM."""
    monkeypatch.setattr(marker, "PATH", tmp_path / "marker")
    monkeypatch.setattr(target, "ROOT", tmp_path)
    return tmp_path / "marker"


def test_here_only_when_asked_or_in_the_vm(outside):
    assert target.decide("here", {}).name == "here"
    assert target.decide("auto", {}).name == "sandbox"
    outside.touch()
    for wanted in ("auto", "vm", "here"):
        assert target.decide(wanted, {}).name == "here"
    assert target.decide("sandbox", {}).name == "sandbox"


def test_inside_a_machine_no_other_one_is_started(outside):
    outside.write_text("name=lab\nbox=some/box\n")
    assert target.decide("vm:lab", {}).name == "here"
    with pytest.raises(target.TargetError, match="this is the machine lab already; start pytest on the host"):
        target.decide("vm:v2", {})


def test_the_pytest_inside_knows_why_it_is_there(outside):
    outside.write_text("name=v2\n")
    assert target.decide("vm:v2", {checkout.WHY_VARIABLE: "vm: because"}).why == "vm: because"


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("moon", "no such target"),
        ("sandbox:v2", "no such target"),
        ("vm:", "no such target"),
        ("vm", "the machine lab is not created; create it: vagrant up$"),
        ("vm:v2", "the machine v2 is not created; create it: vagrant up v2$"),
    ],
)
def test_targets_that_cannot_be_had(outside, wanted, message):
    with pytest.raises(target.TargetError, match=message):
        target.decide(wanted, {})


@pytest.mark.parametrize("wanted", ["auto", "sandbox"])
def test_no_linux_no_labs(outside, monkeypatch, wanted):
    monkeypatch.setattr(target.sys, "platform", "darwin")
    with pytest.raises(target.TargetError, match=r"labs need Linux, and this is darwin; .*\(vagrant up\)$"):
        target.decide(wanted, {})


@pytest.mark.parametrize("option", ["-n", "-n4", "-nauto", "--numprocesses=2", "--dist", "--dist=load", "--tx"])
def test_a_plugin_that_is_missing_is_named(monkeypatch, option):
    assert target.missing_plugin([option]) is None, "here it is installed"
    monkeypatch.setattr(target.importlib.util, "find_spec", lambda name: None)
    assert "pip install pytest-xdist" in target.missing_plugin(["labs/", option])
    assert target.missing_plugin(["labs/", "-k", "n", "--no-header", "-name", "--distance"]) is None


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


@pytest.fixture
def elsewhere():
    """A directory that is writable in no sandbox by itself."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        yield Path(directory)


@pytest.mark.parametrize("value", ["{}", ["x", "{}"], ["cache_dir={}"], {"html": "{}"}, "--log-file={}"])
def test_what_options_name_stays_writable(elsewhere, value):
    """However an option keeps its value: in a text, in a list, after ``=``, in a mapping."""
    text = json.dumps(value).replace("{}", f"{elsewhere}/new/junit.xml")
    assert target.writable_paths(Path("/opt"), Path("/opt/labs"), [None, 3, json.loads(text)]) == [
        Path("/opt"),
        Path("/tmp"),
        elsewhere,
    ]


def test_the_system_stays_read_only():
    named = ["/etc/passwd", "/usr/share/x", "/dev/null", "/", "name", "a=/", "/top.xml"]
    assert target.writable_paths(Path("/opt"), Path("/opt"), named) == [Path("/opt"), Path("/tmp"), Path("/top.xml")]


@pytest.mark.privileged
def test_an_ini_option_on_the_command_line_names_a_file(checkout, elsewhere):
    result = checkout.pytest("labs/", "-o", f"log_file={elsewhere}/new/pytest.log", "--target", "sandbox")
    assert result.returncode == 0, result.stdout + result.stderr
    assert (elsewhere / "new" / "pytest.log").exists()


def test_report_directory(tmp_path):
    target.prepare_report_directory(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(target.TargetError, match="name a directory that you may write"):
        target.prepare_report_directory(tmp_path / "file" / "site")
