"""Grades as JUnit XML, in the form that Jenkins and GitLab read: a suite for checks, and one for predictions."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Sequence

from reports.grading.grades import NOT_REACHED, UNSUPPORTED, Grade, Report, Reports
from reports.grading.tables import number

EARNED = ("passed", "right")
SUITES = {"check": "", "prediction": " (predictions)"}


def junit(reports: Reports) -> Iterator[str]:
    """The document: what scored nothing is a failure, what the machine cannot show is skipped."""
    total: Counter[str] = Counter()
    for report in reports():
        total.update(_counts(report.grades))
    about = "".join(f' {name}="{total[name]}"' for name in ("tests", "failures", "errors"))
    yield f'<?xml version="1.0" encoding="utf-8"?>\n<testsuites name="unshared"{about}>\n'
    for report in reports():
        for kind, suffix in SUITES.items():
            grades = [each for each in report.grades if each.kind == kind]
            if grades:
                suite = _suite(report, f"{report.student.name}{suffix}", grades)
                ET.indent(suite, level=1)
                yield f"  {ET.tostring(suite, encoding='unicode')}\n"
    yield "</testsuites>\n"


def _counts(grades: Sequence[Grade]) -> dict[str, int]:
    return {
        "tests": len(grades),
        "failures": sum(each.status not in (*EARNED, UNSUPPORTED) for each in grades),
        "errors": 0,
        "skipped": sum(each.status == UNSUPPORTED for each in grades),
    }


def _suite(report: Report, name: str, grades: Sequence[Grade]) -> ET.Element:
    run = report.student.last
    score, most = (sum(values) for values in zip(*((each.score, each.max) for each in grades), strict=True))
    counts = {key: str(count) for key, count in _counts(grades).items()}
    seconds = f"{sum(each.seconds for each in grades):.3f}"
    suite = ET.Element("testsuite", {"name": _clean(name), **counts, "time": seconds})
    if timestamp := re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", run.started):
        suite.set("timestamp", timestamp[0])
    properties = ET.SubElement(suite, "properties")
    for key, value in (("score", number(score)), ("max_score", number(most)), ("kernel", run.kernel)):
        ET.SubElement(properties, "property", name=key, value=_clean(value))
    suite.extend(_case(each) for each in grades)
    return suite


def _case(grade: Grade) -> ET.Element:
    name = f"{grade.claim}: {grade.title}" if grade.claim else grade.title
    case = ET.Element(
        "testcase", name=_clean(name), classname=_clean(f"{grade.lab}.{grade.exercise}"), time=f"{grade.seconds:.3f}"
    )
    points = f"{number(grade.score)} of {number(grade.max)} points"
    if grade.status == UNSUPPORTED:
        ET.SubElement(case, "skipped", message=_clean(grade.note))
    elif grade.status not in EARNED:
        kind = "prediction" if grade.kind == "prediction" else NOT_REACHED if grade.status == NOT_REACHED else "check"
        failure = ET.SubElement(case, "failure", type=kind, message=_clean(f"{grade.status}, {points}"))
        failure.text = _clean(grade.note)
    ET.SubElement(case, "system-out").text = points
    return case


def _clean(text: str) -> str:
    """Without the characters that no XML 1.0 document may hold: controls, surrogates, U+FFFE and U+FFFF."""
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
