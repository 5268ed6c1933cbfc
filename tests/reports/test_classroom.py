"""`python -m reports class`: what thirty students did."""

import csv
import io
import re
from html import unescape
from pathlib import Path

import pytest

from reports.__main__ import main
from reports.grading.classroom import Classroom
from reports.grading.pseudonyms import censor, pseudonyms
from reports.grading.students import gather
from reports.pages.page import seconds
from tests.reports.conftest import END, Event, Write, event, exercise, exercise_end, lab, run, step, step_end
from tests.reports.runs import NAMES, class_of, run_labs

pytestmark = pytest.mark.privileged


@pytest.fixture(scope="module")
def records(uts_record: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """See class_of: a real run, with answers and times put into thirty copies of its record."""
    return class_of(uts_record, tmp_path_factory.mktemp("class"))


@pytest.fixture(scope="module")
def room(records: list[Path]) -> Classroom:
    return Classroom(gather(records))


@pytest.fixture(scope="module")
def page(records: list[Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "class.html"
    assert main(["class", *map(str, records), "-o", str(path)]) == 0
    return path.read_text()


def test_who_did_what(room: Classroom) -> None:
    assert [student.name for student in room.students] == sorted(NAMES, key=str.casefold)
    (uts,) = room.labs
    done = {student.name: len([s for s in student.lab("uts") if s.outcome == "passed"]) for student in room.students}
    assert room.planned(uts) == max(done.values()) == len(room.steps) == done["Ada"]
    assert {name for name, steps in done.items() if steps == 5} == set(NAMES[6::7])
    assert {student.name for student in room.students if student.stopped} == set(NAMES[6::7])


def test_the_answers_to_each_question(room: Classroom) -> None:
    tally = next(tally for tally in room.tallies if tally.question.kind == "choice")
    skipped = [number for number in range(30) if number % 10 == 0]
    wrong = [number for number in range(30) if number % 3 == 0 and number not in skipped]
    assert (tally.asked, tally.skipped) == (30, 3)
    assert tally.right == 30 - len(skipped) - len(wrong) == 18
    assert [(answer.count, answer.right) for answer in tally.answers[:2]] == [(18, True), (9, False)]
    assert {answer.text for answer in tally.answers} == set(tally.question.choices)
    later = room.tallies[-1]
    assert later.asked == 30 - len(NAMES[6::7])  # those who had stopped were not asked


def test_time_of_a_step_has_the_time_before_and_after_it(room: Classroom) -> None:
    second = room.paces[1]
    longest, slowest = second.slowest
    assert slowest.name == NAMES[3] == "Barbara"
    ran = slowest.steps[second.step.id].seconds
    assert longest == ran + 200
    waited = sorted(200 if number == 3 else 10 + number for number in range(30))
    assert second.median == pytest.approx((waited[14] + waited[15]) / 2 + ran)


def test_where_somebody_got_stuck(room: Classroom) -> None:
    stuck = {
        trouble.step.id: {why: [s.name for s in who] for why, who in trouble.who.items()} for trouble in room.troubles
    }
    assert stuck[room.steps[1].id] == {"slow": ["Barbara"]}
    assert stuck[room.steps[5].id] == {"ended": sorted(NAMES[6::7], key=str.casefold)}
    assert room.troubles[0].count == len(NAMES[6::7])
    assert len(stuck) == 2


def text_of(page: str) -> str:
    return re.sub(
        r"\s+", " ", unescape(re.sub(r"<style>.*?</style>|<script>.*?</script>|<[^>]*>", " ", page, flags=re.S))
    )


def test_the_page_tells_all_that(page: str, room: Classroom) -> None:
    text = text_of(page)
    for name in NAMES:
        assert name in text
    assert "18 60 %" in text
    assert "18 of 30 right" in text
    assert "stopped here:" in text
    assert "slow: Barbara" in text
    assert seconds(room.paces[1].slowest[0]) in text
    for step_ in room.steps:
        assert step_.title.replace("`", "") in text


def test_hostile_names_are_text(page: str) -> None:
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_nothing_of_a_name_is_left_when_it_is_anonymous(
    records: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "class.html"
    assert main(["class", *map(str, records), "--anonymous", "--secret", "word", "-o", str(path)]) == 0
    text = text_of(path.read_text())
    for name in NAMES:  # some have typed their names as answers
        assert not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text), name
    assert not re.search("student[0-9]{2}", path.read_text())
    assert len(set(re.findall(r"student [A-Z2-7]{4}", text))) == 30
    assert "Ada" not in capsys.readouterr().out


def test_pseudonyms_are_stable_and_need_the_secret() -> None:
    first = pseudonyms(["Ada", "Grace"], "word")
    assert first == pseudonyms(["Ada", "Grace"], "word")
    assert first["Ada"] == pseudonyms(["Tim", "Ada"], "word")["Ada"]
    assert first["Ada"] != pseudonyms(["Ada"], "other")["Ada"]
    many = pseudonyms([f"student {number}" for number in range(3000)], "")
    assert len(set(many.values())) == 3000


def test_a_text_is_censored() -> None:
    censored = censor(["Ada Lovelace", "李明"])
    assert censored("ada said so, and Lovelace, and 李明 too") == "… said so, and …, and … too"
    assert censored("nothing") == "nothing"
    assert censor([])("Ada") == "Ada"


def two_exercises(student: str, started: str, name: str, outcome: str) -> list[Event]:
    about = {"run": f"{student}{started}", "started": started, "student": student, "argv": [], "target": "here"}
    move = event("stage", what="back", step=f"uts/{name}/1", seconds=3)
    begun = event("run", **about), lab(), exercise(name), step(1, name)
    return [*begun, move, step_end(1, outcome, name), exercise_end(outcome, name), END]


def test_several_records_of_one_student_are_one_student(write: Write) -> None:
    records = [
        write(*two_exercises("Ada", "2026-01-02", "test_a", "passed"), name="later.jsonl"),
        write(*two_exercises("Ada", "2026-01-01", "test_a", "failed"), name="earlier.jsonl"),
        write(*two_exercises("Ada", "2026-01-01", "test_b", "failed"), name="other.jsonl"),
    ]
    (ada,) = gather(records)
    assert {name: each.outcome for (_, name), each in ada.exercises.items()} == {"test_a": "passed", "test_b": "failed"}
    room = Classroom([ada])
    assert {t.step.exercise: set(t.who) for t in room.troubles} == {
        "test_a": {"repeated"},
        "test_b": {"failed", "repeated"},
    }


def test_a_student_without_a_name_is_called_like_the_record(write: Write, tmp_path: Path) -> None:
    (tmp_path / "ada").mkdir()
    records = [write(run(), lab(), END, name=name) for name in ("ada/record.jsonl", "grace.jsonl")]
    assert [student.name for student in gather(records)] == ["ada", "grace"]


def test_a_name_leads_to_the_report_beside_the_record(write: Write, tmp_path: Path) -> None:
    (tmp_path / "ada").mkdir()
    record = write(run(student="Ada"), lab(), END, name="ada/record.jsonl")
    assert main([str(record)]) == 0
    assert main(["class", str(record), "-o", str(tmp_path / "class.html")]) == 0
    assert '<a href="ada/index.html">Ada</a>' in (tmp_path / "class.html").read_text()
    assert main(["class", str(record), "-o", str(tmp_path / "class.html"), "--anonymous"]) == 0
    assert "ada/index.html" not in (tmp_path / "class.html").read_text()


def test_a_run_that_asked_nobody(write: Write, tmp_path: Path) -> None:
    record = write(run(), lab(), exercise(), step(), step_end(), exercise_end(), END)
    assert main(["class", str(record), "-o", str(tmp_path / "class.html")]) == 0
    assert "Nobody was asked." in (tmp_path / "class.html").read_text()


def test_real_students(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two students who answered from a file; nothing is put into these records by hand."""
    step_ = "uts/test_rename_stays_inside/2"
    records = []
    for name, answer in (("Ada", "neither"), ("Tim", "both")):
        (tmp_path / f"{name}.yaml").write_text(f"{step_}: {answer}\n")
        given = "--answers", str(tmp_path / f"{name}.yaml"), "--student", name
        records.append(run_labs(tmp_path / name, "labs/", "--lab", "uts", "-k", "rename_stays", *given))
    room = Classroom(gather(records))
    (tally,) = room.tallies
    assert tally.step.id == step_
    assert [(answer.text, answer.count, answer.right) for answer in tally.answers if answer.count] == [
        ("neither", 1, True),
        ("both", 1, False),
    ]
    assert [(student.name, student.right, student.stopped) for student in room.students] == [
        ("Ada", 1, ""),
        ("Tim", 0, ""),
    ]
    assert main(["grade", *map(str, records), "--format", "csv", "--only", "predictions"]) == 0
    ada, tim = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert ada["max"] == tim["max"] > "1"
    assert (ada["score"], tim["score"]) == ("1", "0")


def test_errors_are_one_sentence(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["class", "missing.jsonl"]) == 4
    assert capsys.readouterr().err.startswith("reports: missing.jsonl: No such file")
