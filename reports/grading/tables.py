"""Grades as CSV: each grade of one student, or a table of a class with one row for each student."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from reports.grading.grades import Report

COLUMNS = ("student", "lab", "exercise", "claim", "kind", "title", "status", "score", "max", "seconds", "note")
TOTALS = (
    *("student", "finished", "score", "max", "percent"),
    *("checks", "checks_max", "predictions", "predictions_max", "unsupported", "seconds"),
)


def grades_table(reports: Sequence[Report]) -> str:
    """One row for each grade of each student."""
    rows = (
        [
            report.student.name, each.lab, each.exercise, each.claim, each.kind, each.title, each.status,
            number(each.score), number(each.max), number(each.seconds), each.note,
        ]
        for report in reports
        for each in report.grades
    )  # fmt: skip
    return _csv(COLUMNS, rows)


def class_table(reports: Sequence[Report]) -> str:
    """One row for each student: the totals, and then the points of each exercise."""
    exercises = dict.fromkeys((each.lab, each.exercise) for report in reports for each in report.grades)
    rows = ([*_totals(report), *(number(report.exercise(lab, name)) for lab, name in exercises)] for report in reports)
    return _csv([*TOTALS, *(f"{lab}/{name}" for lab, name in exercises)], rows)


def _totals(report: Report) -> list[str]:
    total, checks, predictions = report.total(), report.of("check"), report.of("prediction")
    return [
        report.student.name, "no" if report.student.stopped else "yes",
        number(total.score), number(total.max), number(100 * total.share),
        number(checks.score), number(checks.max), number(predictions.score), number(predictions.max),
        str(len(report.unsupported)), number(report.student.seconds),
    ]  # fmt: skip


def number(value: float) -> str:
    """A number with as many digits as it needs, four behind the point at most."""
    return f"{value:.4f}".rstrip("0").rstrip(".")


def _csv(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    return file.getvalue()


def _harmless(cell: str) -> str:
    """A text that a spreadsheet would take for a formula, as text."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
