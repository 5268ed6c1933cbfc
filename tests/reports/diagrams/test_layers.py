"""The table of a union: branches top first, whiteouts, and where each file comes from."""

from reports.diagrams.layers import Layers, draw_layers
from tests.reports.diagrams.states import BRANCHES, DELETED, FOLDER, MERGED, WITHOUT, State, one, seen, text, union


def drawn(before: State, after: State) -> Layers:
    (layers,) = draw_layers(seen(one("first", 1, before)), seen(one("first", 2, after)))
    return layers


def sources(layers: Layers) -> dict[str, str]:
    assert layers.merged is not None
    return {file: cell.source for file, cell in zip(layers.files, layers.merged, strict=True)}


def test_the_table_of_the_notes() -> None:
    lower = "ro,lowerdir=Branch-0:Branch-1:Branch-2"
    layers = drawn(union(BRANCHES, None), union(BRANCHES, MERGED, lower))
    assert [(branch.name, branch.place) for branch in layers.branches] == [(f"Branch-{n}", "lower") for n in range(3)]
    assert sources(layers) == {
        "001.txt": "Branch-0", "002.txt": "Branch-2", "003.txt": "Branch-0", "004.txt": "Branch-1",
    }  # fmt: skip
    assert [cell.role for cell in layers.branches[2].cells] == ["", "seen", "hidden", ""]


def test_the_order_is_that_of_the_mount() -> None:
    layers = drawn(union(BRANCHES, None), union(BRANCHES, MERGED, "ro,lowerdir=Branch-2:Branch-1:Branch-0"))
    assert [branch.name for branch in layers.branches] == ["Branch-2", "Branch-1", "Branch-0"]
    assert sources(layers)["003.txt"] == "Branch-2"


def test_a_whiteout() -> None:
    layers = drawn(union(BRANCHES, MERGED), union(DELETED, WITHOUT))
    assert layers.branches[0].place == "upper"
    column = [branch.cells[3] for branch in layers.branches]
    assert [(cell.what, cell.mark, cell.role) for cell in column] == [
        ("whiteout", "new", ""), ("file", "", "hidden"), ("", "", ""),
    ]  # fmt: skip
    assert layers.merged is not None
    assert (layers.merged[3].what, layers.merged[3].mark) == ("", "gone")


def test_an_opaque_folder_covers_what_is_below() -> None:
    opaque = FOLDER | {"mark": "opaque", "hides": "d", "xattrs": {"trusted.overlay.opaque": "y"}}
    branches: list[State] = [{"d": opaque, "d/new": text("n")}, {"d": FOLDER, "d/old": text("o")}, {}]
    layers = drawn(union(branches, None), union(branches, {"d": FOLDER, "d/new": text("n")}))
    assert sources(layers) == {"d": "Branch-0", "d/new": "Branch-0", "d/old": ""}
    assert layers.branches[0].cells[0].what == "opaque"
    assert layers.branches[1].cells[2].role == "hidden"


def test_aufs_tells_its_branches_in_sysfs() -> None:
    marks = {".wh.004.txt": {"type": "file", "mark": "whiteout", "hides": "004.txt"}}
    marks |= {".wh..wh.plnk": {"type": "dir", "mark": "bookkeeping"}}
    mounted = union([BRANCHES[0] | marks, *BRANCHES[1:]], WITHOUT, "rw,si=abc", "aufs")
    mounted["/sys/fs/aufs"] = {"si_abc": ["/h/Branch-0=rw", "/h/Branch-1=ro", "/h/Branch-2=ro"]}
    layers = drawn(union(BRANCHES, None), mounted)
    assert [(branch.name, branch.place) for branch in layers.branches] == [
        ("Branch-0", "rw"), ("Branch-1", "ro"), ("Branch-2", "ro"),
    ]  # fmt: skip
    assert layers.files == ["001.txt", "002.txt", "003.txt", "004.txt"]
    assert layers.branches[0].cells[3].what == "whiteout"


def test_a_branch_that_nobody_looked_into() -> None:
    state = union(BRANCHES, MERGED, "rw,lowerdir=Branch-1:Branch-2,upperdir=Own,workdir=w")
    assert [branch.watched for branch in drawn(union(BRANCHES, None), state).branches] == [False, True, True]


def test_nothing_to_say() -> None:
    still = seen(one("first", 1, union(BRANCHES, MERGED)))
    assert draw_layers(still, still) == []
    assert len(draw_layers(still, still, {"/proc/PID/cwd/Branch-0"})) == 1
    assert draw_layers(None, seen(one("first", 1, {"/proc/PID/cwd": "/"}))) == []


def test_a_step_before_any_mount() -> None:
    layers = drawn(union([{}, {}, {}], None), union(BRANCHES, None))
    assert layers.merged is None
    assert {cell.mark for branch in layers.branches for cell in branch.cells} == {"", "new"}


def test_tags_sizes_and_many_files() -> None:
    big = {"type": "file", "size": 8 << 20, "xattrs": {"trusted.overlay.metacopy": "0x"}}
    files = {f"file-{number:02}": text("x") for number in range(20)}
    layers = drawn(union([{}, {}, {}], None), union([{"big": big, **files}, {}, {}], {"big": big, **files}))
    assert (layers.branches[0].cells[0].about, layers.branches[0].cells[0].tags) == ("8 MiB", ("metacopy",))
    assert (len(layers.files), layers.left_out) == (12, 9)
