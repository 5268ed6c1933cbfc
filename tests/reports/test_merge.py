"""`python -m reports merge`: several records as one."""

from pathlib import Path

import pytest

from record.model import Run
from record.reading import read
from reports import ReportError
from reports.__main__ import main
from reports.comparing.merging import merge
from tests.conftest import events_of
from tests.reports.conftest import END, Event, Write, event, exercise, exercise_end, lab, run, step, step_end
from tests.reports.runs import run_labs

FACTS: Event = {"kernel": "6.1", "cgroup": "v1", "can": {"swap": {"ok": False, "reason": "none", "how": "swapon"}}}


def one(
    name: str,
    outcome: str = "passed",
    identity: str = "r1",
    facts: Event | None = None,
    end: bool = True,
    **about: object,
) -> list[Event]:
    """A run of one exercise."""
    about = {"run": identity, "started": "2026-01-01", "argv": [], "target": "here", "facts": facts or FACTS} | about
    begun = event("run", **about), lab(), exercise(name), step(1, name, title=f"In {identity}")
    ended = [step_end(1, outcome, name), exercise_end(outcome, name)] if outcome != "interrupted" else []
    return [*begun, *ended, *([END] if end else [])]


@pytest.fixture
def merged(write: Write, tmp_path: Path) -> object:
    def merged(*runs: list[Event], mixed: bool = False) -> Run:
        records = [write(*events, name=f"{number}.jsonl") for number, events in enumerate(runs)]
        path = tmp_path / "merged.jsonl"
        path.write_text("".join(merge(records, mixed)))
        return read([path])

    return merged


def steps(story: Run) -> dict[str, list[str]]:
    return {each.name: [step.title for step in each.steps] for lab in story.labs for each in lab.exercises}


def test_workers_of_one_run(merged) -> None:  # type: ignore[no-untyped-def]
    story = merged(one("test_a"), one("test_b"))
    assert (story.id, story.complete) == ("r1", True)
    assert steps(story) == {"test_a": ["In r1"], "test_b": ["In r1"]}


def test_runs_of_other_ids_follow_each_other_in_time(write: Write) -> None:
    records = [
        write(*one("test_b", identity="second", started="2026-01-02"), name="b.jsonl"),
        write(*one("test_a", identity="first", started="2026-01-01"), name="a.jsonl"),
    ]
    path = records[0].with_name("merged.jsonl")
    path.write_text("".join(merge(records)))
    lines = events_of(path)
    assert lines[0]["run"] == "first+second"
    times = {line["exercise"]: line["t"] for line in lines if line["event"] == "exercise"}
    assert times == {"test_a": 0.5, "test_b": 2.5}
    assert sum(line["event"] == "run" for line in lines) == sum(line["event"] == "end" for line in lines) == 1


@pytest.mark.parametrize(
    ("first", "second", "taken"),
    [
        ("passed", "failed", "second"),
        ("failed", "passed", "second"),
        ("passed", "unsupported", "first"),
        ("passed", "interrupted", "first"),
        ("interrupted", "unsupported", "second"),
        ("unsupported", "interrupted", "first"),
        ("interrupted", "interrupted", "second"),
    ],
)
def test_an_exercise_of_two_runs(merged, first: str, second: str, taken: str) -> None:  # type: ignore[no-untyped-def]
    runs = (
        one("test_a", first, "first", started="2026-01-01", end=first != "interrupted"),
        one("test_a", second, "second", started="2026-01-02", end=second != "interrupted"),
    )
    for order in (runs, runs[::-1]):
        story = merged(*order)
        assert steps(story) == {"test_a": [f"In {taken}"]}
        assert story.complete is ("interrupted" not in (first, second))


def test_runs_on_different_machines_are_refused(merged) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ReportError, match=r"different machines \(kernel: 6.1 and 6.8\).*--mixed"):
        merged(one("test_a"), one("test_b", facts=FACTS | {"kernel": "6.8"}))


def test_different_machines_when_asked_for(merged) -> None:  # type: ignore[no-untyped-def]
    other = FACTS | {"kernel": "6.8", "can": {"swap": {"ok": True, "reason": "", "how": ""}}}
    about = [("r1", "holds", "unsupported", FACTS), ("r2", "wrong", "passed", other)]
    runs = []
    for identity, verdict, outcome, facts in about:
        claim = {"id": "uts-01", "statement": "s", "verdict": verdict, "truth": identity}
        events = one("test_a", outcome, identity, facts)
        events[1] = lab(claims=(claim,), exercises=[{"name": "test_a", "title": "", "steps": [], "claims": ["uts-01"]}])
        runs.append(events)
    story = merged(*runs[::-1], mixed=True)
    assert story.facts.kernel == "6.8 + 6.1"
    assert {name: can.ok for name, can in story.facts.can.items()} == {"swap": True}
    assert steps(story) == {"test_a": ["In r2"]}
    assert [(claim.verdict, claim.truth) for lab in story.labs for claim in lab.claims] == [("wrong", "r2")]


def test_runs_of_different_students_are_refused(merged) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ReportError, match=r"different students \(Ada, Grace\): see `python -m reports class`"):
        merged(one("test_a", student="Ada"), one("test_b", student="Grace"))
    assert merged(one("test_a", student="Ada"), one("test_b", student=None)).student == "Ada"


def test_a_torn_record_is_merged_as_far_as_it_goes(write: Write) -> None:
    torn = write(*one("test_b", end=False), name="torn.jsonl", tail='{"v": 1, "event": "exer')
    path = torn.with_name("merged.jsonl")
    path.write_text("".join(merge([write(*one("test_a"), name="a.jsonl"), torn])))
    story = read([path])
    assert sorted(steps(story)) == ["test_a", "test_b"]
    assert not story.complete


def test_attempts_and_moves_come_along(merged) -> None:  # type: ignore[no-untyped-def]
    again = [
        exercise("test_a"),
        step(1, "test_a", title="again"),
        step_end(1, name="test_a"),
        exercise_end(name="test_a"),
    ]
    move = event("stage", what="quit", step=None, seconds=1)
    story = merged([*one("test_a")[:-1], *again, move, END], one("test_b"))
    assert steps(story) == {"test_a": ["again"], "test_b": ["In r1"]}
    assert story.labs[0].exercises[0].attempts == 2
    assert [move.what for move in story.moves] == ["quit"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["a.jsonl"], "-o"),
        (["missing.jsonl", "-o", "m.jsonl"], "missing.jsonl: No such file"),
        (["a.jsonl", "-o", "a.jsonl"], "a.jsonl is one of the records"),
        (["a.jsonl", "broken.jsonl", "-o", "m.jsonl"], "broken.jsonl, line 2: no JSON object"),
        (["a.jsonl", "-o", "a.jsonl/m.jsonl"], "name another file with -o"),
    ],
)
def test_errors_are_one_sentence(
    write: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    record = write(*one("test_a"), name="a.jsonl")
    write(run(), name="broken.jsonl", tail="no json\n{}\n")
    monkeypatch.chdir(record.parent)
    before = record.read_bytes()
    assert main(["merge", *arguments]) == 4
    said = capsys.readouterr()
    assert says in said.err
    assert said.err.count("\n") == 1
    assert record.read_bytes() == before
    assert not Path("m.jsonl").exists()


@pytest.mark.privileged
def test_real_workers_become_one_record_that_renders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = tmp_path / "site"
    run_labs(site, "labs/test_01_uts.py", "-n", "2")
    shards = sorted(site.glob("record-gw*.jsonl"))
    assert len(shards) == 2
    record = tmp_path / "merged" / "record.jsonl"
    assert main(["merge", *map(str, shards), "-o", str(record)]) == 0
    assert main([str(record)]) == 0
    assert capsys.readouterr().out.splitlines() == [str(record), str(record.parent / "index.html")]
    story, apart = read([record]), read(shards)
    assert story.complete
    assert steps(story) == steps(apart)
    assert [lab.id for lab in story.labs] == ["uts"]
    checks = [
        sum(len(s.checks) for lab in each.labs for e in lab.exercises for s in e.steps) for each in (story, apart)
    ]
    assert checks[0] == checks[1] > 50
