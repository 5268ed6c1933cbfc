"""The drawing shows who sits where, and what is new."""

from record.model import Observation, Process
from reports.diagrams.namespaces import Atlas, Drawing, draw_namespaces


def at(label: str, pid: int, /, hostname: str = "vm", **links: str) -> Process:
    state: dict[str, object] = {f"/proc/PID/ns/{kind}": link for kind, link in links.items()}
    state |= {"/proc/sys/kernel/hostname": hostname, "/proc/PID/status": {"Name": "bash"}}
    return Process(label, label, pid, "shell", 1, state)


def drawn(before: list[Process], after: list[Process], about: tuple[str, ...] = ()) -> Drawing:
    drawing = draw_namespaces(Observation("after", before), Observation("after", after), Atlas(), about)
    assert drawing is not None
    return drawing


def test_a_window_that_went_into_a_new_namespace() -> None:
    outside = at("second", 2, uts="uts:[1]", net="net:[9]")
    drawing = drawn(
        [at("first", 1, uts="uts:[1]", net="net:[9]"), outside], [at("first", 3, uts="uts:[2]", net="net:[9]"), outside]
    )
    (lane,) = drawing.lanes
    assert (lane.kind, drawing.shared) == ("uts", ["net"])
    assert [[r.label for r in box.residents] for box in lane.before] == [["first", "second"]]
    old, new = lane.after
    assert (old.letter, old.new, [r.label for r in old.residents]) == ("A", False, ["second"])
    assert (new.letter, new.new, [(r.label, r.mark) for r in new.residents]) == ("B", True, [("first", "moved")])


def test_a_name_that_changed_inside() -> None:
    drawing = drawn([at("first", 1, uts="uts:[1]")], [at("first", 1, hostname="other", uts="uts:[1]")], ("uts",))
    assert drawing.lanes[0].after[0].contents == [("hostname", "other", True)]
    assert drawing.lanes[0].moved


def test_nothing_moved_is_drawn_once() -> None:
    shells = [at("first", 1, uts="uts:[1]"), at("second", 2, uts="uts:[2]")]
    (lane,) = drawn(shells, shells).lanes
    assert not lane.before
    assert [box.letter for box in lane.after] == ["A", "B"]


def test_the_kind_of_the_lab_is_drawn_even_when_shared() -> None:
    shell = [at("first", 1, uts="uts:[1]", net="net:[9]")]
    assert [box.link for box in drawn(shell, shell, ("uts",)).still] == ["uts:[1]"]
    assert drawn(shell, shell).still == []


def test_the_namespace_of_children_has_a_row_only_when_it_is_another_one() -> None:
    links = {"pid": "pid:[1]", "pid_for_children": "pid:[1]"}
    before, after = at("first", 1, **links), at("first", 1, **(links | {"pid_for_children": "pid:[2]"}))
    assert drawn([before], [before]).shared == ["pid"]
    drawing = drawn([before], [after])
    assert [lane.kind for lane in drawing.lanes] == ["pid_for_children"]


def test_letters_stay_through_a_lab() -> None:
    atlas = Atlas()
    one, two = (
        Observation("after", [at("first", 1, uts="uts:[1]")]),
        Observation("after", [at("first", 2, uts="uts:[2]")]),
    )
    for before, after, letters in ((one, two, "AB"), (two, one, "BA")):
        drawing = draw_namespaces(before, after, atlas)
        assert drawing is not None
        assert [drawing.lanes[0].before[0].letter, drawing.lanes[0].after[0].letter] == list(letters)


def test_processes_that_vanished_or_could_not_be_read() -> None:
    gone = Process("first", "first", 1, "shell", 1, None)
    closed = Process("second", "second", 2, "shell", 1, {"/proc/PID/ns/uts": {"error": "EACCES"}})
    assert draw_namespaces(None, Observation("after", [gone]), Atlas()) is None
    assert draw_namespaces(None, None, Atlas()) is None
    assert drawn([gone, closed], [gone, closed]).lanes == []
