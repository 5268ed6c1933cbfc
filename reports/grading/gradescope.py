"""Grades as Gradescope's results.json.

The fields are those of https://gradescope-autograders.readthedocs.io/en/latest/specs/, "Output format".
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from reports.grading.grades import UNSUPPORTED, Grade, Report, Total
from reports.grading.tables import number

VISIBILITIES = ("hidden", "after_due_date", "after_published", "visible")
"""Who sees a result; the words of Gradescope."""


def gradescope(report: Report, visibility: str = "visible", leaderboard: bool = False) -> str:
    """The results of one student, to be written to /autograder/results/results.json."""
    total, checks, predictions = report.total(), report.of("check"), report.of("prediction")
    results: dict[str, Any] = {
        "score": _rounded(total.score),
        "execution_time": round(report.student.seconds),
        "output": _summary(report),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": visibility,
        "stdout_visibility": "hidden",
        "extra_data": {
            "max_score": _rounded(total.max),
            "checks": _total(checks),
            "predictions": _total(predictions),
            "runs": [run.id for run in report.student.runs],
        },
        "tests": _tests(report.grades, visibility),
    }
    if leaderboard:
        results["leaderboard"] = [
            {"name": "Points", "value": _rounded(total.score)},
            {"name": "Right predictions", "value": report.student.right},
            {"name": "Minutes", "value": round(report.student.seconds / 60, 1), "order": "asc"},
        ]
    return json.dumps(results, ensure_ascii=False, indent=2) + "\n"


def _tests(grades: Sequence[Grade], visibility: str) -> list[dict[str, Any]]:
    labs = {lab: place for place, lab in enumerate(dict.fromkeys(each.lab for each in grades), 1)}
    exercises: dict[str, list[str]] = {}
    count: Counter[tuple[str, str]] = Counter()
    tests = []
    for each in grades:
        names = exercises.setdefault(each.lab, [])
        if each.exercise not in names:
            names.append(each.exercise)
        count[each.lab, each.exercise] += 1
        place = labs[each.lab], names.index(each.exercise) + 1, count[each.lab, each.exercise]
        tests.append(_test(each, ".".join(map(str, place)), visibility))
    return tests


def _test(grade: Grade, place: str, visibility: str) -> dict[str, Any]:
    """A test without a status is judged by its score: what could earn nothing is neither passed nor failed."""
    words = [part for part in (grade.claim, grade.title) if part]
    name = ": ".join([f"Prediction: {words[0]}", *words[1:]] if grade.kind == "prediction" else words)
    status = {} if grade.status == UNSUPPORTED else {"status": "passed" if grade.score else "failed"}
    if not grade.max and grade.status in ("passed", "right"):
        status = {"status": "passed"}
    return {
        "score": _rounded(grade.score),
        "max_score": _rounded(grade.max),
        **status,
        "name": name,
        "name_format": "text",
        "number": place,
        "output": f"{grade.status}\n{grade.note}".strip(),
        "output_format": "text",
        "tags": [grade.lab, grade.exercise, grade.kind, grade.status],
        "visibility": visibility,
        "extra_data": {"lab": grade.lab, "exercise": grade.exercise, "claim": grade.claim, "status": grade.status},
    }


def _summary(report: Report) -> str:
    checks, predictions = report.of("check"), report.of("prediction")
    lines = [f"Checks: {number(checks.score)} of {number(checks.max)} points."]
    if predictions.max:
        lines.append(f"Predictions: {number(predictions.score)} of {number(predictions.max)} points.")
    if report.unsupported:
        lines.append(f"{len(report.unsupported)} could not be shown on this machine and count neither way.")
    if report.student.stopped:
        lines.append("The run did not come to its end; what it did not reach scores 0.")
    return "\n".join(lines)


def _total(total: Total) -> dict[str, float]:
    return {"score": _rounded(total.score), "max_score": _rounded(total.max)}


def _rounded(value: float) -> float:
    return round(value, 4)
