"""Grades as CSV: each grade of one student, or a table of a class with one row for each student."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from reports.grading.grades import Report, Reports

COLUMNS = ("student", "lab", "exercise", "claim", "kind", "title", "status", "score", "max", "seconds", "note")
TOTALS = (
    *("student", "finished", "score", "max", "percent"),
    *("checks", "checks_max", "predictions", "predictions_max", "unsupported", "seconds"),
)


def grades_table(reports: Reports) -> Iterator[str]:
    """One row for each grade of each student."""
    yield _row(COLUMNS)
    for report in reports():
        for each in report.grades:
            yield _row([
                report.student.name, each.lab, each.exercise, each.claim, each.kind, each.title, each.status,
                number(each.score), number(each.max), number(each.seconds), each.note,
            ])  # fmt: skip


def class_table(reports: Reports) -> Iterator[str]:
    """One row for each student: the totals, and then the points of each exercise."""
    exercises = dict.fromkeys(name for report in reports() for name in report.exercises)
    yield _row([*TOTALS, *(f"{lab}/{name}" for lab, name in exercises)])
    for report in reports():
        points = report.exercises
        yield _row([*_totals(report), *(number(points.get(name, 0.0)) for name in exercises)])


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


def _row(cells: Iterable[str]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerow([_harmless(cell) for cell in cells])
    return file.getvalue()


def _harmless(cell: str) -> str:
    """A text that a spreadsheet would take for a formula, as text."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
