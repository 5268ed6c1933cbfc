"""`python -m reports grade`: points for a grade book."""

import csv
import io
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from reports.__main__ import main
from reports.grading.grades import Report, grade
from reports.grading.students import gather
from tests.reports.conftest import END, Event, Write, event, exercise, exercise_end, lab, run, step, step_end
from tests.reports.runs import NAMES, class_of

ASK = {"kind": "number", "question": "How many?", "choices": [], "unit": ""}


def planned(name: str, *points: float, asks: tuple[bool, ...] = ()) -> Event:
    titles = [f"Step {number}" for number, _ in enumerate(points, 1)]
    return {"name": name, "title": name, "steps": titles, "claims": [], "points": list(points), "asks": list(asks)}


def answered(name: str, given: object, correct: bool | None, number: int = 1, **fields: object) -> Event:
    about = {"observed": 8, "given": given, "correct": correct, "seconds": 2} | fields
    return event("prediction", step=f"uts/{name}/{number}", **ASK, **about)


def whole(**about: object) -> list[Event]:
    """All kinds of ends: test_a passed with 3 points for two claims and 1 for none; test_b failed in the first of two
    steps; test_c unsupported; test_d cut short; test_e never reached."""
    plans = [
        planned("test_a", 3, 1, asks=(True, False)),
        planned("test_b", 2, 1, asks=(True, True)),
        planned("test_c", 1, 1),
        planned("test_d", 1),
        planned("test_e", 5, asks=(True,)),
    ]
    return [
        run(**({"student": "Ada", "mode": "step"} | about)), lab(exercises=plans),
        exercise("test_a", line=1), step(1, "test_a", claims=["uts-01", "uts-02"], points=3, ask=ASK),
        answered("test_a", 8, True), step_end(1, name="test_a"),
        step(2, "test_a"), step_end(2, name="test_a"), exercise_end(name="test_a"),
        exercise("test_b", line=2), step(1, "test_b", claims=["uts-03"], points=2, ask=ASK),
        answered("test_b", 7, False), step_end(1, "failed", "test_b", error="AssertionError: 1 == 2"),
        exercise_end("failed", "test_b", reason="1 == 2"),
        exercise("test_c", line=3), exercise_end("unsupported", "test_c", reason="no swap is on", how="swapon"),
        exercise("test_d", line=4), step(1, "test_d"),
    ]  # fmt: skip


@pytest.fixture
def ada(write: Write) -> Report:
    (report,) = grade(gather([write(*whole())]))
    return report


def told(report: Report) -> list[tuple[str, str, str, str, float, float]]:
    return [(g.exercise, g.claim, g.kind, g.status, g.score, g.max) for g in report.grades]


def test_points_of_claims_steps_and_answers(ada: Report) -> None:
    assert told(ada) == [
        ("test_a", "uts-01", "check", "passed", 1.5, 1.5),
        ("test_a", "uts-02", "check", "passed", 1.5, 1.5),
        ("test_a", "", "prediction", "right", 3, 3),
        ("test_a", "", "check", "passed", 1, 1),
        ("test_b", "uts-03", "check", "failed", 0, 2),
        ("test_b", "", "prediction", "wrong", 0, 2),
        ("test_b", "", "check", "not reached", 0, 1),
        ("test_b", "", "prediction", "not reached", 0, 1),
        ("test_c", "", "check", "unsupported", 0, 0),
        ("test_c", "", "check", "unsupported", 0, 0),
        ("test_d", "", "check", "not reached", 0, 1),
        ("test_e", "", "check", "not reached", 0, 5),
        ("test_e", "", "prediction", "not reached", 0, 5),
    ]


def test_totals_keep_predictions_apart(ada: Report) -> None:
    assert (ada.of("check").score, ada.of("check").max) == (4, 13)
    assert (ada.of("prediction").score, ada.of("prediction").max) == (3, 11)
    assert (ada.total().score, ada.total().max) == (7, 24)
    assert ada.total().share == pytest.approx(7 / 24)


def test_unsupported_says_why_and_how(ada: Report) -> None:
    assert {each.note for each in ada.unsupported} == {"no swap is on. To enable it: swapon."}


def test_a_run_that_asked_nobody_misses_no_answer(write: Write) -> None:
    events = [
        {**e, "given": None, "correct": None} if e["event"] == "prediction" else e
        for e in whole(student=None, mode=None)
    ]
    (report,) = grade(gather([write(*events)]))
    assert {each.kind for each in report.grades} == {"check"}


def test_a_question_that_was_passed_over(write: Write) -> None:
    events = [
        run(student="Ada", mode="step"), lab(), exercise(), step(ask=ASK),
        answered("test_rename", None, None, skipped=True), step_end(), exercise_end(), END,
    ]  # fmt: skip
    (report,) = grade(gather([write(*events)]))
    assert told(report)[-1] == ("test_rename", "", "prediction", "no answer", 0, 1)


def test_the_last_attempt_counts(write: Write) -> None:
    events = [
        run(), lab(), exercise(), step(claims=["uts-01"]), step_end(1, "failed"), exercise_end("failed"),
        exercise(attempt=2), step(claims=["uts-01"]), step_end(), exercise_end(), END,
    ]  # fmt: skip
    (report,) = grade(gather([write(*events)]))
    assert told(report) == [("test_rename", "uts-01", "check", "passed", 1, 1)]


def test_a_student_who_never_began_a_lab_gets_nothing_for_it(write: Write) -> None:
    other = [run(student="Tim"), lab("pid", order=2, exercises=[planned("test_p", 4)]), END]
    records = [write(*whole(), name="a.jsonl"), write(*other, name="t.jsonl")]
    ada, tim = grade(gather(records), ["pid"])
    assert [(report.total().score, report.total().max) for report in (ada, tim)] == [(0, 4), (0, 4)]


def run_grade(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["grade", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_of_one_student(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    table = rows(run_grade(capsys, write(*whole()), "--format", "csv"))
    assert len(table) == 13
    assert table[0] == {
        "student": "Ada", "lab": "uts", "exercise": "test_a", "claim": "uts-01", "kind": "check", "title": "Step 1",
        "status": "passed", "score": "1.5", "max": "1.5", "seconds": "0.05", "note": "",
    }  # fmt: skip
    assert table[5]["note"] == "answered 7, observed 8"


def test_a_class_table_has_one_row_a_student(write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = [write(*whole(), name="a.jsonl"), write(*whole(student="Tim"), END, name="t.jsonl")]
    table = rows(run_grade(capsys, *records, "--format", "csv"))
    assert [row["student"] for row in table] == ["Ada", "Tim"]
    assert table[0] == {
        "student": "Ada", "finished": "no", "score": "7", "max": "24", "percent": "29.1667", "checks": "4",
        "checks_max": "13", "predictions": "3", "predictions_max": "11", "unsupported": "2", "seconds": "0.3",
        "uts/test_a": "7", "uts/test_b": "0", "uts/test_c": "0", "uts/test_d": "0", "uts/test_e": "0",
    }  # fmt: skip
    assert table[1]["finished"] == "yes"
    assert len(rows(run_grade(capsys, *records, "--format", "csv", "--detail"))) == 26
    said = run_grade(capsys, *records, "--format", "csv", "-o", tmp_path / "class.csv").splitlines()
    assert said[0] == "Ada: 7 of 24 points, 2 left out as unsupported"
    assert rows((tmp_path / "class.csv").read_text()) == table


@pytest.mark.parametrize(("only", "score", "most"), [("checks", "4", "13"), ("predictions", "3", "11")])
def test_one_kind_only(write: Write, capsys: pytest.CaptureFixture[str], only: str, score: str, most: str) -> None:
    records = [write(*whole(student=name), name=f"{name}.jsonl") for name in ("Ada", "Tim")]
    table = rows(run_grade(capsys, *records, "--format", "csv", "--only", only))
    assert [(row["score"], row["max"]) for row in table] == [(score, most)] * 2


def test_a_name_is_no_formula(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    name = '=HYPERLINK("http://x")'
    assert rows(run_grade(capsys, write(*whole(student=name)), "--format", "csv"))[0]["student"] == f"'{name}"


# The fields and their values as https://gradescope-autograders.readthedocs.io/en/latest/specs/ publishes them under
# "Output format", written down by hand: name -> types. Comments of that page: `score` is optional, but required if not
# on each test case; it overrides the total of the tests.

FIELDS = {
    "score": (int, float), "execution_time": (int, float), "output": str, "output_format": str,
    "test_output_format": str, "test_name_format": str, "visibility": str, "stdout_visibility": str,
    "extra_data": dict, "tests": list, "leaderboard": list,
}  # fmt: skip
TEST_FIELDS = {
    "score": (int, float), "max_score": (int, float), "status": str, "name": str, "name_format": str, "number": str,
    "output": str, "output_format": str, "tags": list, "visibility": str, "extra_data": dict,
}  # fmt: skip
LEADERBOARD_FIELDS = {"name": str, "value": (int, float, str), "order": str}
FORMATS = {"text", "html", "simple_format", "md", "ansi"}
VISIBILITIES = {"hidden", "after_due_date", "after_published", "visible"}

EXAMPLE = {
    "score": 44.0,
    "execution_time": 136,
    "output": "Text relevant to the entire submission",
    "output_format": "simple_format",
    "test_output_format": "text",
    "test_name_format": "text",
    "visibility": "after_due_date",
    "stdout_visibility": "visible",
    "extra_data": {},
    "tests": [
        {
            "score": 2.0,
            "max_score": 2.0,
            "status": "passed",
            "name": "Your name here",
            "name_format": "text",
            "number": "1.1",
            "output": "Giant multiline string that will be placed in a <pre> tag and collapsed by default",
            "output_format": "text",
            "tags": ["tag1", "tag2", "tag3"],
            "visibility": "visible",
            "extra_data": {},
        },
    ],
    "leaderboard": [{"name": "Accuracy", "value": 0.926}, {"name": "Time", "value": 15.1, "order": "asc"}],
}


def check_results(results: dict[str, object]) -> None:
    """Whether Gradescope takes the results, by its documentation."""
    check_fields(results, FIELDS)
    for each in results["tests"]:  # type: ignore[attr-defined]
        check_fields(each, TEST_FIELDS)
        assert each.get("status", "passed") in ("passed", "failed")
        assert {each["name_format"], each["output_format"]} <= FORMATS
        assert each["visibility"] in VISIBILITIES
        assert all(isinstance(tag, str) for tag in each["tags"])
    for each in results.get("leaderboard", []):  # type: ignore[attr-defined]
        check_fields(each, LEADERBOARD_FIELDS)
        assert each.get("order", "desc") in ("asc", "desc")
    assert {results["output_format"], results["test_output_format"], results["test_name_format"]} <= FORMATS
    assert {results["visibility"], results["stdout_visibility"]} <= VISIBILITIES


def check_fields(values: dict[str, object], fields: dict[str, object]) -> None:
    assert values.keys() <= fields.keys()
    for name, value in values.items():
        assert isinstance(value, fields[name]), name  # type: ignore[arg-type]
        assert not isinstance(value, bool)


def test_the_example_of_the_documentation_passes_the_check() -> None:
    check_results(EXAMPLE)  # type: ignore[arg-type]
    with pytest.raises(AssertionError):
        check_results({**EXAMPLE, "stdout_visibility": "after_lunch"})


def test_gradescope(write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "results" / "results.json"
    run_grade(capsys, write(*whole()), "--format", "gradescope", "--leaderboard", "-o", path)
    results = json.loads(path.read_text())
    check_results(results)
    assert results.keys() == EXAMPLE.keys()
    assert results["tests"][0].keys() == EXAMPLE["tests"][0].keys()  # type: ignore[index]
    assert (results["score"], results["extra_data"]["max_score"]) == (7, 24)
    assert sum(each["score"] for each in results["tests"]) == results["score"]
    assert sum(each["max_score"] for each in results["tests"]) == results["extra_data"]["max_score"]
    assert results["extra_data"]["checks"] == {"score": 4, "max_score": 13}
    assert results["extra_data"]["predictions"] == {"score": 3, "max_score": 11}
    assert results["output"].splitlines() == [
        "Checks: 4 of 13 points.",
        "Predictions: 3 of 11 points.",
        "2 could not be shown on this machine and count neither way.",
        "The run did not come to its end; what it did not reach scores 0.",
    ]
    named = {each["name"]: each for each in results["tests"]}
    assert named["uts-01: Step 1"]["number"] == "1.1.1"
    assert named["uts-01: Step 1"]["tags"] == ["uts", "test_a", "check", "passed"]
    assert named["uts-03: Step 1"]["status"] == "failed"
    assert named["uts-03: Step 1"]["output"] == "failed\nAssertionError: 1 == 2"
    unsupported = [each for each in results["tests"] if "unsupported" in each["tags"]]
    assert [(each["max_score"], "status" in each) for each in unsupported] == [(0, False)] * 2


def test_gradescope_takes_no_class(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    records = [str(write(*whole(student=name), name=f"{name}.jsonl")) for name in ("Ada", "Tim")]
    assert main(["grade", *records, "--format", "gradescope"]) == 4
    assert "these are of Ada, Tim: grade them one by one" in capsys.readouterr().err
    assert main(["grade", records[0], "--format", "gradescope", "--visibility", "after_published"]) == 0
    assert {each["visibility"] for each in json.loads(capsys.readouterr().out)["tests"]} == {"after_published"}


# JUnit XML as the schema of Jenkins' xUnit plugin has it (junit-10.xsd): element -> (attributes, required ones,
# children in their order; those of a testcase may come in any order).

SCHEMA: dict[str, tuple[set[str], set[str], list[str]]] = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, set(), ["testsuite"]),
    "testsuite": (
        {"name", "tests", "failures", "errors", "group", "time", "skipped", "timestamp", "hostname", "id", "package"},
        {"name", "tests", "failures", "errors"},
        ["properties", "testcase", "system-out", "system-err"],
    ),
    "properties": (set(), set(), ["property"]),
    "property": ({"name", "value"}, {"name", "value"}, []),
    "testcase": (
        {"name", "time", "classname", "group"},
        {"name", "classname"},
        ["skipped", "error", "failure", "system-out", "system-err"],
    ),
    "failure": ({"type", "message"}, set(), []),
    "skipped": ({"type", "message"}, set(), []),
    "system-out": (set(), set(), []),
}


def check_junit(element: ET.Element) -> None:
    allowed, required, children = SCHEMA[element.tag]
    assert required <= element.attrib.keys() <= allowed
    order = [children.index(child.tag) for child in element]
    assert element.tag == "testcase" or order == sorted(order)
    for name in {"tests", "failures", "errors", "skipped"} & element.attrib.keys():
        assert element.attrib[name].isdecimal()
    if "time" in element.attrib:
        assert float(element.attrib["time"]) >= 0
    for child in element:
        check_junit(child)


def test_junit(write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "grades.xml"
    hostile = "Ada & <b> \x1b[31m\ufffe"
    run_grade(capsys, write(*whole(student=hostile)), "--format", "junit", "-o", path)
    root = ET.parse(path).getroot()
    check_junit(root)
    checks, predictions = root
    assert checks.get("name") == "Ada & <b> \ufffd[31m\ufffd"
    assert predictions.get("name", "").endswith(" (predictions)")
    assert [checks.get(name) for name in ("tests", "failures", "skipped")] == ["9", "4", "2"]
    assert [predictions.get(name) for name in ("tests", "failures", "skipped")] == ["4", "3", "0"]
    assert [root.get(name) for name in ("tests", "failures", "errors")] == ["13", "7", "0"]
    for suite in root:
        for tag, name in (("failure", "failures"), ("skipped", "skipped")):
            assert len(suite.findall(f"testcase/{tag}")) == int(suite.get(name, ""))
    points = {each.get("name"): each.get("value") for each in checks.findall("properties/property")}
    assert (points["score"], points["max_score"]) == ("4", "13")
    failed = checks.find("testcase[@name='uts-03: Step 1']/failure")
    assert failed is not None
    assert (failed.get("message"), failed.text) == ("failed, 0 of 2 points", "AssertionError: 1 == 2")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--format"),
        (["--format", "xml"], "invalid choice: 'xml'"),
        (["--format", "csv", "--lab", "moon"], "no record holds a lab 'moon': name one of uts."),
        (["missing.jsonl", "--format", "csv"], "missing.jsonl: No such file"),
        (["--format", "csv", "-o", "record.jsonl/x.csv"], "name another file with -o"),
    ],
)
def test_errors_are_one_sentence(
    write: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(write(*whole()).parent)
    assert main(["grade", "record.jsonl", *arguments]) == 4
    said = capsys.readouterr()
    assert says in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


@pytest.mark.privileged
def test_thirty_students(uts_record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """See class_of for what stands in the records."""
    records = class_of(uts_record, tmp_path)
    table = rows(run_grade(capsys, *records, "--format", "csv"))
    assert len(table) == 30
    by_name = {row["student"].removeprefix("'"): row for row in table}
    assert set(by_name) == set(NAMES)
    steps = {row["checks_max"] for row in table}
    questions = {row["predictions_max"] for row in table}
    assert len(steps) == len(questions) == 1, "one maximum for all, also for those who stopped"
    ada, alan, barbara, stopped = (by_name[NAMES[number]] for number in (0, 1, 3, 6))
    assert ada["checks"] == alan["checks"] == barbara["checks"] == next(iter(steps))
    assert [row["predictions"] for row in (ada, alan, barbara)] == ["0", next(iter(questions)), "0"]
    assert (stopped["checks"], stopped["finished"]) == ("5", "no")
