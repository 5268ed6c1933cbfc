"""PID namespaces in each other, with one pid for each level."""

from record.model import Process
from reports.diagrams.namespaces import Atlas
from reports.diagrams.pids import Level, draw_pids
from tests.reports.diagrams.states import one, pids, seen

A, B, C = "pid:[1]", "pid:[2]", "pid:[3]"


def drawn(before: list[Process], after: list[Process]) -> Level:
    level = draw_pids(seen(*before), seen(*after), Atlas())
    assert level is not None
    return level


def shown(level: Level) -> list[tuple[int, str]]:
    return [(member.pid, member.label) for member in level.members]


def test_a_shell_that_became_process_1() -> None:
    second = one("second", 670, pids(A, 670))
    outermost = drawn([one("first", 666, pids(A, 666)), second], [one("first", 677, pids(B, 677, 1)), second])
    assert (outermost.link, shown(outermost)) == (A, [(677, "first"), (670, "second")])
    assert [member.home for member in outermost.members] == [False, True]
    (inner,) = outermost.inside
    assert (inner.link, inner.new, inner.depth, shown(inner)) == (B, True, 1, [(1, "first")])
    assert inner.members[0].mark == "moved"


def test_levels_between_stay_without_a_name() -> None:
    outermost = drawn([one("first", 9, pids(A, 9))], [one("first", 9, pids(C, 9, 5, 1))])
    (between,) = outermost.inside
    assert (between.link, shown(between), [inner.link for inner in between.inside]) == ("", [(5, "first")], [C])
    assert not outermost.unsure


def test_the_kernel_tells_the_parent() -> None:
    deep = one("first", 9, pids(C, 9, 5, 1, parent=B))
    outermost = drawn([], [deep, one("second", 8, pids(B, 8, 3))])
    (middle,) = outermost.inside
    assert (middle.link, shown(middle)) == (B, [(5, "first"), (3, "second")])
    assert middle.inside[0].link == C


def test_without_that_two_boxes_may_be_one() -> None:
    outermost = drawn([], [one("first", 9, pids(C, 9, 5, 1)), one("second", 8, pids(B, 8, 3))])
    assert sorted(inner.link for inner in outermost.inside) == ["", B]
    assert outermost.unsure


def test_what_a_step_before_told_is_remembered() -> None:
    parents: dict[str, str] = {}
    told = seen(one("first", 9, pids(C, 9, 5, 1, parent=B)))
    draw_pids(None, told, Atlas(), (), parents)
    later = seen(one("first", 9, pids(C, 9, 5, 1)), one("second", 8, pids(B, 8, 3)))
    level = draw_pids(told, later, Atlas(), (), parents)
    assert level is not None
    assert [inner.link for inner in level.inside] == [B]


def test_a_parent_process_one_level_up_tells_it_too() -> None:
    outermost = drawn([], [one("p", 7, pids(B, 7, 2)), one("c", 8, pids(C, 8, 3, 1, above=7))])
    assert [inner.link for inner in outermost.inside[0].inside] == [C]


def test_many_levels_in_one_box() -> None:
    outermost = drawn([], [one("deep", 50, pids(C, *range(50, 18, -1)))])
    (box,) = outermost.inside
    assert (box.depth, box.levels, box.members[0].pid, box.members[0].last) == (1, 30, 49, 20)
    assert [(inner.link, inner.depth) for inner in box.inside] == [(C, 31)]


def test_one_pid_each_is_not_worth_a_drawing() -> None:
    flat, nested = seen(one("first", 9, pids(A, 9))), seen(one("first", 9, pids(B, 9, 1)))
    assert draw_pids(flat, flat, Atlas(), {"/proc/PID/ns/pid"}) is None
    assert draw_pids(nested, nested, Atlas()) is None
    assert draw_pids(nested, nested, Atlas(), {"/proc/PID/status"}) is not None
    assert draw_pids(None, seen(one("x", 1, {"/proc/PID/status": {"error": "EACCES"}})), Atlas()) is None
