"""``python -m reports grade RECORD... --format csv|junit|gradescope``: points for a grade book."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from record.text import visible
from reports import ReportError
from reports.files import write_file
from reports.grading.grades import Kind, Reports, grade
from reports.grading.gradescope import VISIBILITIES, gradescope
from reports.grading.junit import junit
from reports.grading.students import gather
from reports.grading.tables import class_table, grades_table, number

HELP = "points for a grade book: CSV, JUnit XML, or Gradescope's results.json"

DESCRIPTION = """\
Compute points from records, and write them as CSV, JUnit XML, or Gradescope's results.json.

Each step is worth 1 point, or what its lab says (`lab.step(..., points=2)`). The claims that it owns share its points.
A right answer to its question is worth as much again, apart from the checks; in a run that asked nobody, no answer is
missing. What the machine cannot show is left out of the maximum, and named. Of the labs that were begun, what was
not reached or not run scores 0. If a student did an exercise again, the last time counts.
"""

EPILOG = """\
examples:
  python -m reports grade record.jsonl --format csv                       each claim and answer of one student
  python -m reports grade runs/*.jsonl --format csv -o class.csv          one row a student
  python -m reports grade runs/*.jsonl --format csv --detail              each claim and answer of each student
  python -m reports grade record.jsonl --format gradescope -o /autograder/results/results.json
  python -m reports grade record.jsonl --format junit --only checks -o grades.xml

Without -o it is printed. A student is named by `pytest labs/ --step --student NAME`, or else by the record's file.
"""


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument("records", nargs="+", type=Path, metavar="RECORD", help="record of a student's run")
    parser.add_argument("--format", choices=("csv", "junit", "gradescope"), required=True, help="what is written")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="where to (default: it is printed)")
    parser.add_argument(
        "--lab", action="append", default=[], metavar="NAME", help="grade this lab only; may be given again"
    )
    parser.add_argument("--only", choices=("checks", "predictions"), help="leave the other kind of points out")
    parser.add_argument("--detail", action="store_true", help="csv: each grade, for several students too")
    parser.add_argument(
        "--visibility", choices=VISIBILITIES, default="visible", help="gradescope: who sees the results, and when"
    )
    parser.add_argument("--leaderboard", action="store_true", help="gradescope: points and time for all to see")


def run(options: Namespace) -> int:
    """Grade the records that the command line names."""
    students = gather(options.records)
    known = {lab.id for student in students for run in student.runs for lab in run.labs}
    for lab in options.lab:
        if lab not in known:
            raise ReportError(f"no record holds a lab {lab!r}: name one of {', '.join(sorted(known))}.")
    kinds: list[Kind] = ["check", "prediction"]
    if options.only:
        kinds = ["check" if options.only == "checks" else "prediction"]
    if options.format == "gradescope" and len(students) > 1:
        names = ", ".join(visible(student.name) for student in students)
        raise ReportError(f"a results.json is of one student, and these are of {names}: grade them one by one.")
    reports = partial(grade, students, options.lab, kinds)
    text = _written(reports, options, len(students) > 1)
    if options.output is None:
        sys.stdout.writelines(text)
        return 0
    write_file(options.output, text)
    for report in reports():
        total = report.total()
        left_out = f", {len(report.unsupported)} left out as unsupported" if report.unsupported else ""
        print(f"{visible(report.student.name)}: {number(total.score)} of {number(total.max)} points{left_out}")
    print(options.output)
    return 0


def _written(reports: Reports, options: Namespace, many: bool) -> Iterable[str]:
    if options.format == "junit":
        return junit(reports)
    if options.format == "csv":
        return class_table(reports) if many and not options.detail else grades_table(reports)
    return (gradescope(report, options.visibility, options.leaderboard) for report in reports())
