"""`python -m reports compare`: two runs side by side."""

import re
from pathlib import Path

import pytest

from record.model import Run
from record.reading import read
from reports.__main__ import main
from reports.comparing.comparison import Comparison, compare
from tests.reports.conftest import (
    END,
    Event,
    Told,
    Write,
    event,
    exercise,
    exercise_end,
    lab,
    observation,
    process,
    run,
    step,
    step_end,
)
from tests.reports.runs import run_labs, who_records

__all__ = ["who_records"]

CLAIM = {"id": "uts-01", "section": "s", "statement": "A name stays inside.", "verdict": "holds", "truth": "It does."}
OTHER = {**CLAIM, "id": "uts-02", "statement": "Two <b>links</b>.", "visible_in": ["/proc/sys/kernel/hostname"]}


def command(text: str, output: str, status: int | None = 0, window: str = "first") -> Event:
    where = "uts/test_rename/1"
    return event("command", window=window, step=where, text=text, status=status, seconds=0.1, output=output)


def check(source: str, values: str) -> Event:
    return event("check", step="uts/test_rename/1", ok=True, source=source, values=values, line=3)


def claim(name: str, verdict: str, **fields: object) -> Event:
    return event("claim", step="uts/test_rename/1", claim=name, verdict=verdict, **fields)


ASK = {"kind": "number", "question": "How many?"}


def one(*inside: Event, facts: Event | None = None, **about: object) -> list[Event]:
    """A run of one step that owns both claims."""
    begin = [
        run(facts=facts or {}),
        lab(claims=(CLAIM, OTHER)),
        exercise(),
        step(claims=["uts-01", "uts-02"], ask=ASK, **about),
    ]
    return [*begin, *inside, step_end(), exercise_end(), END]


@pytest.fixture
def compared(told: Told) -> object:
    def compared(*runs: list[Event]) -> Comparison:
        return compare([told(*events) for events in runs])

    return compared


def kinds(comparison: Comparison) -> dict[str, str]:
    return {row.claim.id: row.difference for row in comparison.claims}


def test_a_verdict_that_differs_comes_first(compared) -> None:  # type: ignore[no-untyped-def]
    first = one(command("hostname", "vm"), claim("uts-01", "holds"), claim("uts-02", "holds"))
    second = one(command("hostname", "box"), claim("uts-01", "holds"), claim("uts-02", "failed"))
    comparison = compared(first, second)
    assert [(row.claim.id, row.difference) for row in comparison.differing] == [
        ("uts-02", "verdict"),
        ("uts-01", "observed"),
    ]
    assert [row.words for row in comparison.differing] == [["holds", "failed"], ["holds", "holds"]]


@pytest.mark.parametrize(
    ("inside", "other"),
    [
        (command("id -u", "0"), command("id -u", "1000")),
        (command("true", "", 0), command("true", "", 1)),
        (command("a", ""), command("b", "")),
        (check("assert len(links) == known", "10 == 10"), check("assert len(links) == known", "8 == 8")),
        (check("assert a == b", "1 == 1"), event("weather")),
        (
            event("prediction", step="uts/test_rename/1", observed=2),
            event("prediction", step="uts/test_rename/1", observed=1),
        ),
    ],
)
def test_an_observed_value_that_differs(compared, inside: Event, other: Event) -> None:  # type: ignore[no-untyped-def]
    verdicts = claim("uts-01", "holds"), claim("uts-02", "holds")
    assert kinds(compared(one(inside, *verdicts), one(other, *verdicts))) == {
        "uts-01": "observed",
        "uts-02": "observed",
    }
    assert kinds(compared(one(inside, *verdicts), one(inside, *verdicts))) == {"uts-01": "", "uts-02": ""}


def test_a_change_of_the_state_stands_beside_but_makes_no_claim_differ(compared) -> None:  # type: ignore[no-untyped-def]
    def changes(name: str) -> list[Event]:
        before, after = process("first", 7), process("first", 7, hostname=name)
        return one(observation("before", before), observation("after", after))

    comparison = compared(changes("inside"), changes("elsewhere"))
    assert comparison.differing == []
    ((_, (row,)),) = comparison.labs
    (item,) = row.items
    assert (item.kind, item.where, item.differs) == ("change", "first: /proc/sys/kernel/hostname", True)
    assert [[line.text for line in text] for text in item.texts] == [["vm → inside"], ["vm → elsewhere"]]


def test_commands_are_put_beside_their_like(compared) -> None:  # type: ignore[no-untyped-def]
    first = one(command("hostname", "vm"), command("sudo a", "1"), command("sudo b", "2"), command("exit", ""))
    second = one(
        command("hostname", "vm"), command("a", "1"), command("b", "3"), command("c", "4"), command("exit", "")
    )
    ((_, (row,)),) = compared(first, second).labs
    shown = [[text and text[0].text for text in item.texts] for item in row.items]
    assert shown == [
        ["$ hostname", "$ hostname"],
        ["$ sudo a", "$ a"],
        ["$ sudo b", "$ b"],
        [None, "$ c"],
        ["$ exit", "$ exit"],
    ]
    assert [item.differs for item in row.items] == [False, True, True, True, False]
    assert [[line.alone for line in text] for text in row.items[1].texts if text] == [[True, False], [True, False]]


def test_three_runs_and_one_without_the_lab(compared) -> None:  # type: ignore[no-untyped-def]
    verdicts = claim("uts-01", "holds"), claim("uts-02", "holds")
    without = [run(), lab("pid", order=2), END]
    comparison = compared(one(*verdicts), without, one(claim("uts-01", "changed"), claim("uts-02", "holds")))
    assert kinds(comparison) == {"uts-01": "verdict", "uts-02": ""}
    assert comparison.differing[0].words == ["holds", None, "changed"]


FACTS: Event = {"kernel": "6.1", "cgroup": "v1", "distribution": "Debian", "uid": 0, "tools": {"ip": "6.1"}}


def written(write: Write, tmp_path: Path) -> list[str]:
    verdicts = claim("uts-01", "holds"), claim("uts-02", "holds")
    first = one(command("cat limit", "4096"), *verdicts, facts=FACTS)
    reason = {"reason": "no <i>controller</i>", "how": "boot with `cgroup v2`"}
    second = one(
        command("cat limit", "max"), claim("uts-01", "holds"), claim("uts-02", "unsupported", **reason),
        facts=FACTS | {"cgroup": "v2", "can": {"swap": {"ok": False, "reason": "no swap is on"}}},
    )  # fmt: skip
    (tmp_path / "v1").mkdir()
    (tmp_path / "v2").mkdir()
    return [str(write(*first, name="v1/record.jsonl")), str(write(*second, name="v2/record.jsonl"))]


def test_the_terminal_has_a_line_for_each_claim_that_differs(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    records = written(write, tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["compare", *records]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "uts-02      holds | unsupported",
        "uts-01      holds, $ cat limit: 4096 | max",
        "2 of 2 claims differ: compare.html",
    ]
    assert main(["compare", *records, "--exit-code"]) == 1
    assert main(["compare", records[0], records[0], "--exit-code", "-o", "deep/same.html"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "0 of 2 claims differ: deep/same.html"


def test_the_page_leads_to_the_pages_of_the_runs(write: Write, tmp_path: Path) -> None:
    records = written(write, tmp_path)
    assert main(records[1:]) == 0  # the pages of the second run, beside its record
    page = tmp_path / "out" / "compare.html"
    assert main(["compare", *records, "-o", str(page)]) == 0
    text = page.read_text()
    assert 'href="../v2/uts.html#/claim/uts-02"' in text
    assert 'href="../v2/uts.html#/step/1"' in text
    assert "../v1/" not in text
    assert (page.parent / "../v2/uts.html").is_file()
    assert 'id="/claim/uts-02"' in (tmp_path / "v2" / "uts.html").read_text()


def test_the_page_survives_that_a_run_is_rendered_again_beside_it(write: Write, tmp_path: Path) -> None:
    records = written(write, tmp_path)
    page = tmp_path / "v2" / "compare.html"
    assert main(["compare", *records, "-o", str(page)]) == 0
    assert main(records[1:]) == 0
    assert page.is_file()


def test_machines_stand_side_by_side_what_differs_first(write: Write, tmp_path: Path) -> None:
    page = tmp_path / "compare.html"
    assert main(["compare", *written(write, tmp_path), "-o", str(page)]) == 0
    machines = page.read_text().partition('<table>\n<thead><tr><th scope="col"><span class="unseen">what')[2]
    rows = re.findall(r"<tr( class=\"differs\")?><th.*?>([^<>]+)</th>", machines.partition("</table>")[0])
    differing = [name for differs, name in rows if differs]
    assert differing == ["control groups", "can show: swap"]
    assert [name for _, name in rows][:2] == differing
    assert {"kernel", "distribution", "ip"} <= {name for _, name in rows}


@pytest.mark.parametrize(
    ("names", "expected"),
    [([], ["cgroup v1", "cgroup v2"]), (["--name", "old"], ["old", "cgroup v2"]), (["--name", "<b>"], ["&lt;b&gt;"])],
)
def test_names(write: Write, tmp_path: Path, names: list[str], expected: list[str]) -> None:
    page = tmp_path / "compare.html"
    assert main(["compare", *written(write, tmp_path), *names, "-o", str(page)]) == 0
    for letter, name in zip("AB", expected, strict=False):
        assert f'<span class="letter">{letter}</span> {name}</h2>' in page.read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["v1/record.jsonl"], "name two or more"),
        (["v1/record.jsonl", "missing.jsonl"], "missing.jsonl: No such file"),
        (["v1/record.jsonl", "v2/record.jsonl", *["--name", "x"] * 3], "3 names for 2 records"),
        (["v1/record.jsonl", "other.jsonl"], "no lab in common"),
        (["v1/record.jsonl", "v2/record.jsonl", "-o", "v1/record.jsonl/x.html"], "name another file with -o"),
        (["v1/record.jsonl"] * 27, "26 at most"),
    ],
)
def test_errors_are_one_sentence(
    write: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    says: str,
) -> None:
    written(write, tmp_path)
    write(run(), lab("pid"), END, name="other.jsonl")
    monkeypatch.chdir(tmp_path)
    assert main(["compare", *arguments]) == 4
    said = capsys.readouterr()
    assert says in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert not Path("compare.html").exists()


def compared_files(*records: Path) -> Comparison:
    runs: list[Run] = [read([record]) for record in records]
    return compare(runs)


@pytest.mark.privileged
def test_a_lab_of_the_course_run_twice_does_not_differ(uts_record: Path, tmp_path: Path) -> None:
    again = run_labs(tmp_path, "labs/test_00_namespaces.py", "labs/test_01_uts.py")  # so that the pids are other ones
    comparison = compared_files(uts_record, again)
    assert [(row.claim.id, [item.where for item in row.evidence]) for row in comparison.differing] == []
    assert len([row for row in comparison.claims if row.lab == "uts"]) > 10


@pytest.mark.privileged
def test_root_twice_and_an_ordinary_user(who_records: list[Path], tmp_path: Path) -> None:
    root, again, user = who_records
    assert kinds(compared_files(root, again)) == {"tiny-01": "", "tiny-02": "", "tiny-03": ""}
    assert kinds(compared_files(root, user)) == {"tiny-01": "observed", "tiny-02": "verdict", "tiny-03": ""}
    page = tmp_path / "users.html"
    assert main(["compare", str(root), str(user), "-o", str(page)]) == 0
    assert '<span class="letter">B</span> an ordinary user</h2>' in page.read_text()
