"""The lines at the end of a run, read from its record."""

import json

from record import events
from record.writer import Recorder
from runtime.lab.summary import read


def lab(recorder, name, order):
    planned = [events.PlannedExercise("test_same")]
    recorder.emit(events.Lab(name, order=order, title=f"{name.upper()}: a title", planned=planned))


def exercise(recorder, lab, outcome, verdict="holds", steps=1, **end):
    recorder.emit(events.Exercise(lab, "test_same", f"labs/test_{lab}.py::test_same"))
    for number in range(steps):
        recorder.emit(events.Step(f"{lab}/test_same/{number}", lab, "test_same"))
    recorder.emit(events.ClaimVerdict(f"{lab}-01", verdict, step=f"{lab}/test_same/1"))
    recorder.emit(events.ExerciseEnd(lab, "test_same", outcome, 0.25, **end))


def test_exercises_of_one_name_in_two_labs(tmp_path):
    recorder = Recorder(tmp_path / "record.jsonl")
    lab(recorder, "uts", 1)
    lab(recorder, "pid", 2)
    exercise(recorder, "uts", "failed", "failed")
    exercise(recorder, "pid", "passed", steps=3)
    recorder.close()
    told = [(lab.title, dict(lab.outcomes), dict(lab.verdicts), lab.steps) for lab in read([recorder.path])]
    assert told == [("UTS", {"failed": 1}, {"failed": 1}, 1), ("PID", {"passed": 1}, {"holds": 1}, 3)]


def test_an_exercise_that_ran_again_counts_as_it_ended_last(tmp_path):
    recorder = Recorder(tmp_path / "record.jsonl")
    lab(recorder, "uts", 1)
    exercise(recorder, "uts", "unsupported", "unsupported", reason="no tool", how="install it")
    exercise(recorder, "uts", "passed", steps=2)
    recorder.close()
    (uts,) = read([recorder.path])
    assert (dict(uts.outcomes), dict(uts.verdicts), uts.steps, uts.seconds) == ({"passed": 1}, {"holds": 1}, 2, 0.25)


def test_one_exercise_in_the_records_of_two_workers(tmp_path):
    paths = []
    for worker, name in (("gw0", "uts"), ("gw1", "pid")):
        recorder = Recorder(tmp_path / f"record-{worker}.jsonl")
        lab(recorder, "uts", 1)
        lab(recorder, "pid", 2)
        exercise(recorder, name, "passed")
        recorder.close()
        paths.append(recorder.path)
    assert [dict(lab.outcomes) for lab in read(paths)] == [{"passed": 1}, {"passed": 1}]


def test_an_exercise_without_an_end_and_a_torn_line(tmp_path):
    recorder = Recorder(tmp_path / "record.jsonl")
    lab(recorder, "uts", 1)
    recorder.emit(events.Exercise("uts", "test_same", "labs/test_uts.py::test_same"))
    recorder.close()
    with recorder.path.open("a") as file:
        file.write(json.dumps({"v": 2, "event": "exercise_end", "lab": "uts"})[:-1])
    (uts,) = read([recorder.path])
    assert dict(uts.outcomes) == {"interrupted": 1}
