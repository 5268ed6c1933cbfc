"""Trees of mounts: what came and went, which mounts are peers, and what is only counted."""

from typing import Any

from reports.diagrams.mounts import Forest, Node, draw_mounts
from reports.diagrams.namespaces import Atlas
from tests.reports.diagrams.states import State, one, seen

MOUNTINFO = "/proc/PID/mountinfo"


def mount(point: str, *propagation: str, **more: Any) -> State:
    usual = {"id": 1, "parent": 0, "dev": "0:1", "root": "/", "options": "rw", "fstype": "tmpfs", "source": "mine"}
    return {"point": point, "propagation": list(propagation), "super": "", **usual, **more}


def space(number: int, *mounts: State) -> State:
    return {"/proc/PID/ns/mnt": f"mnt:[{number}]", MOUNTINFO: [mount("/", fstype="ext4"), *mounts]}


def drawn(before: list[State], after: list[State], matter: tuple[str, ...] = ()) -> Forest | None:
    windows = ("first", "second")
    old = seen(*(one(name, 10, state) for name, state in zip(windows, before, strict=False)))
    new = seen(*(one(name, 10, state) for name, state in zip(windows, after, strict=False)))
    return draw_mounts(old, new, Atlas(), matter)


def flat(nodes: list[Node]) -> list[tuple[str, str]]:
    return [each for node in nodes for each in [(node.name, node.mark), *flat(node.inside)]]


def test_nothing_is_drawn_where_nothing_is_told() -> None:
    state = space(1, mount("/proc"), mount("/sys"))
    assert drawn([state], [state]) is None
    assert drawn([state], [space(2, mount("/proc"), mount("/sys"))]) is None  # a copy: only the numbers differ


def test_a_new_mount_lies_on_the_mount_above_it() -> None:
    forest = drawn([space(1, mount("/box"))], [space(1, mount("/box"), mount("/box/inner"))])
    assert forest
    (tree,) = forest.trees
    assert flat(tree.nodes) == [("/", ""), ("/box/inner", "new")]
    assert tree.left_out == 1


def test_what_went_with_the_mount_below_it_is_counted() -> None:
    forest = drawn([space(1, mount("/old"), mount("/old/a"), mount("/old/b"))], [space(1)])
    assert forest
    (root,) = forest.trees[0].nodes
    assert [(node.name, node.mark, node.gone_with_it) for node in root.inside] == [("/old", "gone", 2)]


def test_peers_have_one_colour_in_all_namespaces() -> None:
    before = [space(1, mount("/s", "shared:5")), space(1, mount("/s", "shared:5"))]
    after = [space(2, mount("/s", "master:5"), mount("/t", "shared:6")), space(1, mount("/s", "shared:5"))]
    forest = drawn(before, after)
    assert forest
    assert forest.linked
    first, second = ({node.name: node for node in tree.nodes[0].inside} for tree in forest.trees)
    (below,), (above,), (other,) = first["/s"].groups, second["/s"].groups, first["/t"].groups
    assert (below.how, above.how) == ("master", "shared")
    assert below.hue == above.hue != other.hue
    assert first["/s"].mark == "changed"


def test_the_beginning_that_all_names_share_is_told_once() -> None:
    place = "/run/labs/test_x0"
    forest = drawn([space(1)], [space(1, mount(f"{place}/a"), mount(f"{place}/b"))])
    assert forest
    assert forest.folder == place
    assert flat(forest.trees[0].nodes) == [("/", ""), ("…/a", "new"), ("…/b", "new")]


def test_a_mount_over_a_mount() -> None:
    forest = drawn([space(1, mount("/box"))], [space(1, mount("/box"), mount("/box", source="second"))])
    assert forest
    assert ("/box", "new") in flat(forest.trees[0].nodes)


def test_hostile_names_are_shown_as_text() -> None:
    forest = drawn([space(1)], [space(1, mount("/\x1b[31m", source="\u202e"))])
    assert forest
    (node,) = forest.trees[0].nodes[0].inside
    assert (node.name, node.source) == ("/\\x1b[31m", "\\u202e")
