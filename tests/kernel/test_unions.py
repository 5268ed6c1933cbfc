"""Where each file of a union comes from: computed from the branches, and compared with what the kernel shows."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.kernel import layers, parse, proc, unions
from runtime.kernel.namespaces import run_in_new
from runtime.kernel.syscalls import Clone, Mount, mount
from runtime.kernel.unions import AUFS, OVERLAY, OVERLAY_USERXATTR, UNIONFS_FUSE, Branch, Origin

NOTES = {0: ["001.txt", "003.txt"], 1: ["001.txt", "003.txt", "004.txt"], 2: ["002.txt", "003.txt"]}
OPTIONS = "lowerdir=Branch-1:Branch-2,upperdir=Branch-0,workdir=work"


@pytest.fixture
def branches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Branch]:
    """The three branches of the notes; the working directory is where they lie."""
    monkeypatch.chdir(tmp_path)
    for number, names in NOTES.items():
        folder = Path(f"Branch-{number}")
        folder.mkdir()
        for name in names:
            (folder / name).write_text(f"b{number}\n")
    for name in ("work", "MountPoint"):
        Path(name).mkdir()
    return [Branch(f"Branch-{number}", writable=number == 0) for number in NOTES]


def write(path: str, text: str = "x\n") -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def in_a_union(
    branches: list[Branch], change: Callable[[], object], options: str = ""
) -> tuple[list[str], dict[str, int]]:
    """Mount the writable overlay in a private namespace, change it, and return contradictions and sources."""

    def work() -> tuple[list[str], dict[str, int]]:
        mount(None, "/", None, Mount.REC | Mount.PRIVATE)
        mount("overlay", "MountPoint", "overlay", 0, OPTIONS + options)
        change()
        entry = next(entry for entry in proc.read("/proc/PID/mountinfo", os.getpid()) if entry["fstype"] == "overlay")
        assert unions.overlay_branches(entry) == branches
        rules = unions.rules_of(entry)
        return unions.contradictions("MountPoint", branches, rules), unions.sources(branches, rules)

    return run_in_new(Clone.NEWNS, work)


def test_the_table_of_the_notes(branches: list[Branch]) -> None:
    assert unions.sources(branches) == {"001.txt": 0, "002.txt": 2, "003.txt": 0, "004.txt": 1}
    assert unions.sources(branches[::-1]) == {"001.txt": 1, "002.txt": 0, "003.txt": 0, "004.txt": 1}
    assert unions.origins(branches)["003.txt"] == Origin(0, "file", (0, 1, 2))


def test_branches_that_are_not_there_are_empty(branches: list[Branch]) -> None:
    assert unions.sources([Branch("nowhere"), *branches])["001.txt"] == 1
    assert unions.sources([]) == {}


@pytest.mark.parametrize(
    ("rules", "marks"),
    [
        (AUFS, [".wh.003.txt", "d/.wh..wh..opq"]),
        (UNIONFS_FUSE, [f".unionfs-fuse/{n}_HIDDEN~" for n in ("003.txt", "d")]),
    ],
)
def test_whiteouts_and_opaque_directories_that_are_files(
    branches: list[Branch], rules: unions.Overlay, marks: list[str]
) -> None:
    os.unlink("Branch-0/003.txt")
    write("Branch-0/d/new")
    write("Branch-1/d/old")
    for mark in marks:
        write(f"Branch-0/{mark}", "")
    found = unions.origins(branches, rules)
    assert found["003.txt"] == Origin(None, None, (1, 2))
    assert {path for path in found if path.startswith("d")} == {"d", "d/new"}
    assert set(unions.sources(branches, rules)) == {"001.txt", "002.txt", "004.txt", "d", "d/new"}


def test_a_file_and_a_directory_of_one_name(branches: list[Branch]) -> None:
    write("Branch-0/a")
    write("Branch-1/a/inside")
    write("Branch-0/b/top")
    write("Branch-1/b")
    write("Branch-2/b/lowest")
    found = unions.sources(branches)
    assert (found["a"], found["b"], found["b/top"]) == (0, 0, 0)
    assert not {"a/inside", "b/lowest"} & set(found)


def test_a_redirected_directory(branches: list[Branch], monkeypatch: pytest.MonkeyPatch) -> None:
    write("Branch-1/old/f")
    write("Branch-1/deep/er/g")
    os.mkdir("Branch-0/new")
    os.mkdir("Branch-0/far")
    names = {"Branch-0/new": "old", "Branch-0/far": "/deep/er"}
    monkeypatch.setattr(OVERLAY, "redirect", lambda root, path: names.get(f"{root}/{path}"))
    found = unions.sources(branches)
    assert (found["new"], found["new/f"], found["far/g"]) == (0, 1, 1)


@pytest.mark.privileged
class TestAgainstTheKernel:
    """The same rules, asked of an overlay that is mounted."""

    def test_untouched(self, branches: list[Branch]) -> None:
        told, found = in_a_union(branches, lambda: None)
        assert told == []
        assert found == {"001.txt": 0, "002.txt": 2, "003.txt": 0, "004.txt": 1}

    def test_written_deleted_and_made_again(self, branches: list[Branch]) -> None:
        def change() -> None:
            write("MountPoint/004.txt", "changed\n")
            os.unlink("MountPoint/002.txt")
            os.unlink("MountPoint/003.txt")
            write("MountPoint/003.txt", "again\n")

        told, found = in_a_union(branches, change)
        assert told == []
        assert found == {"001.txt": 0, "003.txt": 0, "004.txt": 0}
        assert unions.origins(branches)["002.txt"] == Origin(None, None, (2,))

    @pytest.mark.parametrize(("options", "rules"), [("", OVERLAY), (",userxattr", OVERLAY_USERXATTR)])
    def test_an_opaque_directory(self, branches: list[Branch], options: str, rules: unions.Overlay) -> None:
        def change() -> None:
            os.unlink("MountPoint/d/f")
            os.rmdir("MountPoint/d")
            write("MountPoint/d/g")

        write("Branch-1/d/f")
        write("Branch-2/e/f")
        told, found = in_a_union(branches, change, options)
        assert told == []
        assert {path for path in found if "/" in path} == {"d/g", "e/f"}
        assert rules.hides("Branch-0", "d")
        other = OVERLAY if rules is OVERLAY_USERXATTR else OVERLAY_USERXATTR
        assert not other.hides("Branch-0", "d")

    def test_a_renamed_directory(self, branches: list[Branch]) -> None:
        def change() -> None:
            os.rename("MountPoint/d", "MountPoint/renamed")
            os.mkdir("MountPoint/other")
            os.rename("MountPoint/e", "MountPoint/other/e")

        write("Branch-1/d/f")
        write("Branch-2/e/g")
        told, found = in_a_union(branches, change, ",redirect_dir=on")
        assert told == []
        assert (found["renamed/f"], found["other/e/g"]) == (1, 2)
        assert "d" not in found

    def test_a_wrong_answer_is_told(self, branches: list[Branch]) -> None:
        def look() -> list[str]:
            mount(None, "/", None, Mount.REC | Mount.PRIVATE)
            mount("overlay", "MountPoint", "overlay", 0, "lowerdir=Branch-1:Branch-2")
            return unions.contradictions("MountPoint", branches)

        write("Branch-2/only-there")
        write("Branch-0/not-shown")
        told = run_in_new(Clone.NEWNS, look)
        assert "not-shown: computed, but not shown" in told
        assert "001.txt: its content is not that of branch 0" in told

    def test_the_listing_shows_marks(self, branches: list[Branch]) -> None:
        def change() -> None:
            os.unlink("MountPoint/002.txt")
            os.unlink("MountPoint/d/f")
            os.rmdir("MountPoint/d")
            os.mkdir("MountPoint/d")

        write("Branch-1/d/f")
        in_a_union(branches, change)
        shown = layers.listing("Branch-0")
        assert shown["002.txt"].items() >= {"type": "char", "rdev": "0:0", "mark": "whiteout"}.items()
        assert shown["d"]["mark"] == "opaque"
        assert shown["d"]["xattrs"]["trusted.overlay.opaque"] == "y"
        assert shown["001.txt"].items() >= {"type": "file", "text": "b0\n", "size": 3, "links": 1}.items()


def mounted(options: str, fstype: str = "overlay") -> dict[str, object]:
    return parse.mountinfo(f"40 30 0:49 / /m rw,relatime - {fstype} none {options}")[0]


@pytest.mark.parametrize(
    ("options", "paths"),
    [
        ("ro,lowerdir=a:b", ["a", "b"]),
        ("rw,lowerdir=/l1:l2,upperdir=u,workdir=w,redirect_dir=on", ["u", "/l1", "l2"]),
        ("ro,lowerdir+=/l1,lowerdir+=/l2,datadir+=/d", ["/l1", "/l2"]),
        ("ro,lowerdir=/l1::/data", ["/l1"]),
        (r"ro,lowerdir=/with\134:colon:/with\040space", ["/with:colon", "/with space"]),
        (r"ro,lowerdir=/with\134,comma:/b", ["/with,comma", "/b"]),
    ],
)
def test_the_options_of_an_overlay(options: str, paths: list[str]) -> None:
    found = unions.overlay_branches(mounted(options))
    assert [branch.path for branch in found] == paths
    assert [branch.writable for branch in found] == ["upperdir" in options, *[False] * (len(paths) - 1)]


def test_relative_names_get_a_base() -> None:
    found = unions.overlay_branches(mounted("ro,lowerdir=a:/b"), "/proc/1/cwd")
    assert [branch.path for branch in found] == ["/proc/1/cwd/a", "/b"]


def test_the_branches_of_aufs(tmp_path: Path) -> None:
    folder = tmp_path / "si_bdf9d1a38ac405a"
    folder.mkdir()
    modes = ["rw", "ro", *["ro+wh"] * 9]
    for number, mode in enumerate(modes):
        (folder / f"br{number}").write_text(f"/x/Branch-{number}={mode}\n")
        (folder / f"brid{number}").write_text(f"{number}\n")
    found = unions.aufs_branches(mounted("rw,si=bdf9d1a38ac405a", "aufs"), str(tmp_path))
    assert [branch.path for branch in found] == [f"/x/Branch-{number}" for number in range(11)]
    assert [branch.writable for branch in found] == [True, *[False] * 10]
    assert [branch.marks for branch in found] == [True, False, *[True] * 9]
    inline = unions.aufs_branches(mounted("rw,si=0,br:/x/a=rw:/x/b=ro", "aufs"), str(tmp_path))
    assert inline == [Branch("/x/a", writable=True), Branch("/x/b", marks=False)]


def test_a_whiteout_in_a_branch_where_marks_do_not_count(branches: list[Branch]) -> None:
    write("Branch-0/.wh.004.txt", "")
    assert "004.txt" not in unions.sources(branches, AUFS)
    assert unions.sources([Branch("Branch-0", marks=False), *branches[1:]], AUFS)["004.txt"] == 1


def test_the_rules_of_a_mount() -> None:
    assert unions.rules_of(mounted("rw,userxattr")) is OVERLAY_USERXATTR
    assert unions.rules_of(mounted("rw,si=1", "aufs")) is AUFS
    assert unions.rules_of(mounted("rw", "fuse.unionfs")) is UNIONFS_FUSE
    with pytest.raises(ValueError, match="'tmpfs' is no union"):
        unions.rules_of(mounted("rw", "tmpfs"))


def test_a_listing_of_every_dialect(tmp_path: Path) -> None:
    for name in (".wh.a", "d/.wh.b", "d/.wh..wh..opq", ".wh..wh.plnk", ".unionfs-fuse/d/c_HIDDEN~"):
        write(f"{tmp_path}/{name}", "")
    os.symlink("elsewhere", tmp_path / "link")
    os.mkfifo(tmp_path / "fifo")
    shown = proc.read("/proc/PID/cwd/nothing", os.getpid())
    assert shown == {"error": "ENOENT"}
    shown = layers.listing(str(tmp_path))
    marks = {name: (entry["mark"], entry.get("hides")) for name, entry in shown.items() if "mark" in entry}
    assert marks[".wh.a"] == ("whiteout", "a")
    assert marks["d/.wh.b"] == ("whiteout", "d/b")
    assert marks["d/.wh..wh..opq"] == ("opaque", "d")
    assert marks[".wh..wh.plnk"] == ("bookkeeping", None)
    assert marks[".unionfs-fuse/d/c_HIDDEN~"] == ("whiteout", "d/c")
    assert shown["link"]["target"] == "elsewhere"
    assert shown["fifo"]["type"] == "fifo"
    assert stat.S_IMODE(os.stat(tmp_path).st_mode) == int(shown["."]["mode"], 8)


def test_a_listing_is_read_in_the_view_of_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(f"{tmp_path}/layer/name", "text")
    monkeypatch.chdir(tmp_path)
    assert proc.read("/proc/PID/cwd/layer", os.getpid())["name"]["text"] == "text"
    assert proc.read("/proc/PID/cwd", os.getpid()) == str(tmp_path)


def test_a_file_below_the_working_directory_is_read_as_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "config").write_text('{"os": "linux"}\n')
    monkeypatch.chdir(tmp_path)
    assert proc.read("/proc/PID/cwd/images/config", os.getpid()) == '{"os": "linux"}'


def test_a_long_listing_is_cut(tmp_path: Path) -> None:
    for number in range(layers.ENTRIES + 5):
        (tmp_path / str(number)).touch()
    shown = layers.listing(str(tmp_path))
    assert len(shown) == layers.ENTRIES + 2
    assert shown["..."] == {"type": "more", "size": layers.ENTRIES}


def test_what_is_no_directory_is_no_layer(tmp_path: Path) -> None:
    write(f"{tmp_path}/file")
    with pytest.raises(NotADirectoryError):
        layers.listing(f"{tmp_path}/file")
    with pytest.raises(FileNotFoundError):
        layers.listing(f"{tmp_path}/nothing")
