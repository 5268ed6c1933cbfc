"""The names of the host's paths in the guest, for hosts of both kinds, and what may come back."""

import ast
import io
import sys
import tarfile
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from runtime.vm import fetched, paths, sources
from runtime.vm.request import Request
from tests.conftest import ROOT

FOR_LINUX_ONLY = {"fcntl", "termios", "pwd", "grp", "resource", "tty", "pty"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (PurePosixPath("/home/ann/un shared/labs"), "/srv/unshared/home/ann/un shared/labs"),
        (PurePosixPath("/"), "/srv/unshared"),
        (PurePosixPath("/dev/null"), "/dev/null"),
        (PurePosixPath("/developers"), "/srv/unshared/developers"),
        (PureWindowsPath(r"C:\Users\Ann Lee\unshared"), "/srv/unshared/C/Users/Ann Lee/unshared"),
        (PureWindowsPath("c:/Users/Ann Lee/unshared"), "/srv/unshared/C/Users/Ann Lee/unshared"),
        (PureWindowsPath(r"\\server\share\unshared"), "/srv/unshared/server/share/unshared"),
    ],
)
def test_one_rule_maps_every_path(path, expected):
    assert str(paths.inside(path)) == expected


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("labs/", "labs/"),
        ("/c/labs/test_01_uts.py::test_a[x/y]", "/srv/unshared/c/labs/test_01_uts.py::test_a[x/y]"),
        ("--junitxml=/tmp/a b.xml", "--junitxml=/srv/unshared/tmp/a b.xml"),
        ("-c/tmp/own.ini", "-c/srv/unshared/tmp/own.ini"),
        ("cache_dir=/tmp/cache", "cache_dir=/srv/unshared/tmp/cache"),
        ("-ocache_dir=/tmp/cache", "-ocache_dir=/srv/unshared/tmp/cache"),
        ("--log-file=/dev/null", "--log-file=/dev/null"),
        ("../labs", "../labs"),
        ("uts and not (a or b)", "uts and not (a or b)"),
        (r"a\b", r"a\b"),
    ],
)
def test_arguments_of_linux_and_macos(typed, expected):
    assert paths.arguments([typed], PurePosixPath, lambda path: True) == [expected]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("labs\\", "labs"),
        (r"labs\test_01_uts.py::test_a[x\y]", r"labs/test_01_uts.py::test_a[x\y]"),
        (r"C:\unshared\labs\test_01_uts.py::test_a", "/srv/unshared/C/unshared/labs/test_01_uts.py::test_a"),
        (r"--junitxml=D:\out put\j.xml", "--junitxml=/srv/unshared/D/out put/j.xml"),
        (r"--junitxml=labs\j.xml", "--junitxml=labs/j.xml"),
        (r"..\labs", "../labs"),
        (r"no\such\file", r"no\such\file"),
        ("uts", "uts"),
    ],
)
def test_arguments_of_windows(typed, expected):
    assert paths.arguments([typed], PureWindowsPath, lambda path: "no" not in path.parts) == [expected]


def request(directory, options=(), checkout=None):
    return Request(checkout or directory, directory, [], list(options), directory / "site", {}, {})


def test_outputs_are_never_sources(tmp_path):
    (tmp_path / "labs").mkdir()
    options = ["labs/test_01_uts.py", "conftest.py", "runtime/x.log", "out.xml", "/dev/null", ["o=log/x"], None, 3]
    found = request(tmp_path, options).outputs()
    assert found == [tmp_path / "log/x", tmp_path / "o=log/x", tmp_path / "out.xml"]


def test_inputs_and_directories(tmp_path):
    (tmp_path / "own.ini").touch()
    (tmp_path / "there").mkdir()
    asked = request(tmp_path, ["own.ini", "there/j.xml", "not there/j.xml"])
    assert asked.inputs() == [tmp_path / "own.ini"]
    assert set(asked.directories()) == {tmp_path, tmp_path / "there"}


def test_sources_are_what_runs_labs():
    found = {path.relative_to(ROOT).as_posix() for path in sources.files(ROOT, ROOT / "elsewhere")}
    assert {"conftest.py", "lab_hooks.py", "pyproject.toml", "labs/test_01_uts.yaml", "labs/programs/uts.c"} <= found
    absent = ("tests", ".", "reports/site", "reports/sample")
    assert not [name for name in found if "__pycache__" in name or name.startswith(absent)]


def packed(*members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, kind in members:
            member = tarfile.TarInfo(name)
            member.type, member.size = kind, 3 if kind == tarfile.REGTYPE else 0
            member.linkname = "/etc/passwd"
            tar.addfile(member, io.BytesIO(b"new"))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "name",
    [
        "report/../out",
        "report/a/../../out",
        "report//out",
        "/out",
        "out",
        "file/1",
        "file/-1",
        "file/0/x",
        "report/a\\b",
        "report/C:x",
    ],
)
def test_what_was_not_asked_for_is_not_written(tmp_path, name):
    """Labs do as they like in the guest, so its answer may hold anything."""
    before = sorted(tmp_path.rglob("*"))
    assert fetched.unpack(packed((name, tarfile.REGTYPE)), tmp_path / "site", [tmp_path / "asked"]) == []
    if name != "report//out":  # which is a name like any other
        assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_only_files_come_back(tmp_path, kind):
    fetched.unpack(packed(("report/x", kind), ("file/0", kind)), tmp_path / "site", [tmp_path / "asked"])
    assert not list(tmp_path.rglob("*"))


def test_a_link_on_the_host_is_not_followed_out_of_the_report(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").symlink_to(tmp_path / "precious")
    (tmp_path / "precious").write_text("old")
    fetched.unpack(packed(("report/index.html", tarfile.REGTYPE)), tmp_path / "site", [])
    assert (tmp_path / "precious").read_text() == "old"


def test_old_records_go_only_when_new_ones_come(tmp_path):
    (tmp_path / "record-gw0.jsonl").write_text("old")
    fetched.unpack(packed(("report/index.html", tarfile.REGTYPE)), tmp_path, [])
    assert (tmp_path / "record-gw0.jsonl").exists()
    fetched.unpack(packed(("report/record.jsonl", tarfile.REGTYPE)), tmp_path, [])
    assert [path.name for path in tmp_path.glob("record*")] == ["record.jsonl"]


def test_old_pages_go_only_when_a_new_index_comes(tmp_path):
    (tmp_path / "uts.html").write_text(fetched.PAGE)
    (tmp_path / "mine.html").write_text("<title>of a teacher</title>")
    fetched.unpack(packed(("report/ipc.html", tarfile.REGTYPE)), tmp_path, [])
    assert (tmp_path / "uts.html").exists()
    fetched.unpack(packed(("report/ipc.html", tarfile.REGTYPE), ("report/index.html", tarfile.REGTYPE)), tmp_path, [])
    assert sorted(path.name for path in tmp_path.glob("*.html")) == ["index.html", "ipc.html", "mine.html"]


def test_a_file_below_the_report_is_told_once(tmp_path):
    junit = tmp_path / "junit.xml"
    content = packed(("report/junit.xml", tarfile.REGTYPE), ("file/0", tarfile.REGTYPE))
    assert fetched.unpack(content, tmp_path, [junit]) == [junit]


def imported(path: Path) -> set[str]:
    """The modules that a file imports as soon as it is imported itself."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def files_of(module: str) -> list[Path]:
    place = ROOT.joinpath(*module.split("."))
    return [path for path in (place.with_suffix(".py"), place / "__init__.py") if path.exists()]


def test_the_host_side_needs_pytest_alone():
    """Of what conftest.py imports, and what that imports, every system's Python has all but pytest."""
    seen, new = set(), [ROOT / "conftest.py"]
    while new:
        path = new.pop()
        seen.add(path)
        for module in imported(path):
            top = module.partition(".")[0]
            if top == "runtime":
                new += [each for each in files_of(module) if each not in seen]
            else:
                assert top == "pytest" or top in sys.stdlib_module_names - FOR_LINUX_ONLY, f"{path}: {module}"
    assert ROOT / "runtime" / "vm" / "ssh.py" in seen
