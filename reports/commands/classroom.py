"""``python -m reports class RECORD...``: what a class did, on one page."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import replace
from gettext import NullTranslations
from pathlib import Path

from reports.files import write_file
from reports.grading.classroom import Classroom
from reports.grading.pseudonyms import censor, pseudonyms
from reports.grading.students import gather
from reports.pages.page import environment, inlined, static, stylesheet

HELP = "one page for a class: who did what, what was predicted, how long each step took"

DESCRIPTION = """\
Make one HTML page of the runs of a class: how far each student came, what the class answered to each question,
how long each step took (with the time that was spent before and after it), and where students got stuck.

A student is named by `pytest labs/ --step --student NAME`; without it the record's file or folder gives the name.
Several records of one student are put together; of an exercise that two of them have, the later run counts.
"""

EPILOG = """\
examples:
  python -m reports class runs/*.jsonl                       writes class.html here
  python -m reports class runs/*/record.jsonl -o monday.html
  python -m reports class runs/*.jsonl --anonymous --secret "a word of yours"

With --anonymous no name stands on the page, and no link to a student's own pages. A pseudonym is made from the name
and the secret: the same ones give the same pseudonym each time, for instance on the pages of two lessons.
"""


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument("records", nargs="+", type=Path, metavar="RECORD", help="record of a student's run")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("class.html"), metavar="FILE", help="the page (default: class.html)"
    )
    parser.add_argument("--anonymous", action="store_true", help="pseudonyms instead of names")
    parser.add_argument(
        "--secret", default="", metavar="TEXT", help="goes into the pseudonyms, so that nobody can try names"
    )


def run(options: Namespace) -> int:
    """Make the page of the records that the command line names."""
    students = gather(options.records, options.output)
    censored = censor(student.name for student in students) if options.anonymous else str
    if options.anonymous:
        names = pseudonyms([student.name for student in students], options.secret)
        students = [replace(student, name=names[student.name], page="") for student in students]
    room = Classroom(students, censored)
    write_file(options.output, page(room))
    counts = {"student": len(students), "step": len(room.steps), "question": len(room.tallies)}
    told = ", ".join(f"{count} {thing}{'' if count == 1 else 's'}" for thing, count in counts.items())
    print(f"{told}: {options.output}")
    return 0


def page(room: Classroom) -> Iterator[str]:
    """The HTML page, piece by piece."""
    style = stylesheet("page.css", "tables.css", "class.css")
    script = static("page.js") + static("unfold.js")
    return environment(NullTranslations()).get_template("class.html.j2").generate(room=room, **inlined(style, script))
