"""The memory of cgroups, moment by moment."""

from reports.diagrams.memory import Chart, History
from tests.reports.diagrams.states import MIB, State, memory, memory_2, one, seen


def told(*steps: tuple[State, State]) -> list[list[Chart]]:
    history = History()
    return [
        history.step(f"1.{number}", seen(one("first", 1, before)), seen(one("first", 1, after)))
        for number, (before, after) in enumerate(steps, 1)
    ]


def test_a_chart_grows_with_the_steps() -> None:
    low, full, killed = memory(0, 8 * MIB), memory(8 * MIB, 8 * MIB, hits=23), memory(MIB, 8 * MIB, hits=40, kills=1)
    first, second = told((low, full), (full, killed))
    assert [len(charts[0].columns) for charts in (first, second)] == [2, 3]
    (chart,) = second
    assert (chart.group, chart.version) == ("/test", 1)
    assert [(column.hits, column.kills, column.current) for column in chart.columns] == [
        (0, 0, False), (23, 0, False), (17, 1, True),
    ]  # fmt: skip
    assert chart.columns[1].memory == chart.columns[1].limit
    assert (chart.limited, chart.swaps) == (True, False)


def test_swap_of_both_versions() -> None:
    ((old,),) = told((memory(0, None), memory(8 * MIB, 8 * MIB, **{
        "/sys/fs/cgroup/memory/PATH/memory.stat": {"swap": 12 * MIB},
        "/sys/fs/cgroup/memory/PATH/memory.memsw.limit_in_bytes": 24 * MIB,
    })))  # fmt: skip
    ((new,),) = told((memory_2(0, "max"), memory_2(8 * MIB, 8 * MIB, 12 * MIB, 16 * MIB, hits=5)))
    for chart in (old, new):
        last = chart.columns[-1].moment
        assert (last.usage, last.swap, last.limit, last.both) == (8 * MIB, 12 * MIB, 8 * MIB, 24 * MIB)
        assert chart.columns[0].moment.limit is None
        assert chart.columns[-1].memory + chart.columns[-1].swap < 100
        assert chart.swaps
    assert (new.version, new.columns[-1].hits) == (2, 5)


def test_a_limit_far_above_does_not_flatten_the_chart() -> None:
    ((chart,),) = told((memory(MIB, 1 << 40), memory(2 * MIB, 4 * MIB)))
    assert chart.top < 5 * MIB
    assert chart.columns[0].limit is None


def test_the_cgroup_of_the_run_is_not_the_lesson() -> None:
    assert told((memory(300 * MIB, None, group="/"), memory(301 * MIB, None, group="/"))) == [[]]


def test_what_cannot_be_read_or_says_nothing() -> None:
    assert told(({}, {}), (memory(0, None), memory(0, None))) == [[], []]
    assert told((memory_2(0, "max"), {"/sys/fs/cgroup/PATH/memory.current": {"error": "ENOENT"}})) == [[]]


def test_many_moments() -> None:
    charts = told(*((memory(n * MIB, 64 * MIB), memory((n + 1) * MIB, 64 * MIB)) for n in range(30)))
    (chart,) = charts[-1]
    assert (len(chart.columns), chart.earlier) == (14, 17)
