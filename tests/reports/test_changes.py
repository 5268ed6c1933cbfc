"""Two states of a process, row by row."""

import pytest

from reports.changes import Row, compare


def differing(before: object, after: object) -> list[tuple[str, str, str, str]]:
    rows = compare({"/p": before}, {"/p": after})
    return [(row.field, row.before, row.after, row.kind) for row in rows if row.kind != "same"]


def test_a_value_that_changed() -> None:
    assert compare({"/a": "x", "/b": 1}, {"/a": "y", "/b": 1}) == [
        Row("/a", "", "x", "y", "changed"),
        Row("/b", "", "1", "1", "same"),
    ]


def test_fields_of_an_object() -> None:
    before, after = {"Name": "bash", "Uid": [0, 0], "Old": 1}, {"Name": "bash", "Uid": [0, 1], "New": 2}
    assert differing(before, after) == [
        ("Uid", "0 0", "0 1", "changed"),
        ("Old", "1", "", "removed"),
        ("New", "", "2", "added"),
    ]


def test_mounts_are_paired_by_their_points_and_differ_by_field() -> None:
    root = {"id": 1, "point": "/", "options": "rw"}
    before = [root, {"id": 2, "point": "/proc", "options": "rw"}]
    after = [{"id": 3, "point": "/tmp", "options": "rw"}, {**root, "options": "ro"}]
    assert differing(before, after) == [
        ("/ options", "rw", "ro", "changed"),
        ("/proc", "id=2 point=/proc options=rw", "", "removed"),
        ("/tmp", "", "id=3 point=/tmp options=rw", "added"),
    ]


def test_a_mount_over_another_one_is_a_row_of_its_own() -> None:
    mount = {"id": 1, "point": "/mnt"}
    assert differing([mount], [mount, {"id": 2, "point": "/mnt"}]) == [("/mnt +", "", "id=2 point=/mnt", "added")]


def test_lines_of_a_table() -> None:
    assert differing([[0, 0, 1]], [[0, 1000, 1], [1, 100000, 9]]) == [
        ("1", "0 0 1", "0 1000 1", "changed"),
        ("2", "", "1 100000 9", "added"),
    ]


def test_what_could_not_be_read_is_a_value() -> None:
    assert differing({"error": "EACCES"}, {"a": 1}) == [("", "cannot be read: EACCES", "a=1", "changed")]


@pytest.mark.parametrize(("before", "after"), [(None, {"/a": 1}), ({"/a": 1}, None), (None, None)])
def test_a_state_that_is_missing(before: dict[str, object] | None, after: dict[str, object] | None) -> None:
    assert {row.kind for row in compare(before, after)} <= {"added", "removed"}


def test_empty_and_no_value_differ_from_none() -> None:
    assert differing("", None) == [("", "(empty)", "-", "changed")]
    assert differing([], [1]) == [("", "(none)", "1", "changed")]


def test_hostile_names_are_spelled_out() -> None:
    assert differing("a\n\x1b[31m", "\u202eb") == [("", "a\\n\\x1b[31m", "\\u202eb", "changed")]


def test_texts_of_many_lines_are_compared_line_by_line() -> None:
    rows = compare({"/proc/vmstat": "a 1\nb 2\n"}, {"/proc/vmstat": "a 1\nb 3\nc 4\n"})
    assert [(row.field, row.before, row.after, row.kind) for row in rows] == [
        ("a", "1", "1", "same"), ("b", "2", "3", "changed"), ("c", "", "4", "added"),
    ]  # fmt: skip
    (first, _) = compare({"/x": "a 1\na 2\n"}, {"/x": "a 1\na 3\n"})
    assert (first.field, first.before) == ("line 1", "a 1")
