"""User and group id maps as bands."""

import re

from reports.diagrams.idmaps import ROW, draw_idmaps
from reports.diagrams.namespaces import Atlas
from tests.reports.diagrams.states import ALL, ids, one, seen

OUT, IN = "user:[1]", "user:[2]"


def test_a_new_user_namespace() -> None:
    before = seen(one("first", 1, ids(OUT, ALL)))
    after = seen(one("first", 1, ids(IN, [[0, 1000, 1], [1, 100000, 65536]], [[0, 100, 1]])))
    (space,) = draw_idmaps(before, after, Atlas())
    assert (space.link, space.new) == (IN, True)
    uid, gid = space.maps
    assert [band.inside for band in uid.bands] == [(0, 0), (1, 65536)]
    assert [band.outside for band in uid.bands] == [(1000, 1000), (100000, 165535)]
    assert (uid.ids, gid.ids, gid.bands[0].outside) == ("uid", "gid", (100, 100))


def test_equal_maps_are_drawn_once() -> None:
    (space, _) = draw_idmaps(
        None, seen(one("first", 1, ids(IN, [[0, 0, 1]])), one("second", 2, ids(OUT, ALL))), Atlas()
    )
    assert [(map.ids, map.identity) for map in space.maps] == [("both", False)]


def test_bands_cross_when_the_order_is_another_one_outside() -> None:
    after = seen(one("first", 1, ids(IN, [[0, 500, 10], [10, 100, 10]])))
    (space,) = draw_idmaps(seen(one("first", 1, ids(OUT, ALL))), after, Atlas())
    one_, other = space.maps[0].bands
    assert (other.left - one_.left, other.right - one_.right) == (ROW, -ROW)
    assert all(re.fullmatch(r"[MCVZ\d .-]+", band.path) for band in space.maps[0].bands)


def test_a_map_that_is_written_in_the_step() -> None:
    empty, written = seen(one("c", 1, ids(IN, []))), seen(one("c", 1, ids(IN, [[0, 0, 1]])))
    (space,) = draw_idmaps(None, empty, Atlas(), {"/proc/PID/uid_map"})
    assert space.maps[0].bands == []
    (space,) = draw_idmaps(empty, written, Atlas())
    assert (space.new, space.maps[0].bands[0].mark) == (False, "new")


def test_many_lines() -> None:
    lines = [[2 * n, 1000 + 3 * n, 1] for n in range(340)]
    (space,) = draw_idmaps(seen(one("c", 1, ids(IN, []))), seen(one("c", 1, ids(IN, lines))), Atlas())
    assert (len(space.maps[0].bands), space.maps[0].left_out) == (8, 332)


def test_the_same_everywhere_is_not_worth_a_drawing() -> None:
    still = seen(one("first", 1, ids(OUT, ALL)), one("second", 2, ids(OUT, ALL)))
    assert draw_idmaps(still, still, Atlas()) == []
    assert len(draw_idmaps(still, still, Atlas(), {"/proc/PID/gid_map"})) == 1
    assert draw_idmaps(None, seen(one("x", 1, {"/proc/PID/uid_map": {"error": "EACCES"}})), Atlas()) == []
