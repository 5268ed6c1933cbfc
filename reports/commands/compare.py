"""``python -m reports compare A B [C ...]``: the same labs on several machines, side by side."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from gettext import NullTranslations
from pathlib import Path

from record.text import visible
from record.verdicts import VERDICTS
from reports import ReportError
from reports.comparing.comparison import ClaimRow, Comparison, compare
from reports.comparing.sides import Side, sides
from reports.files import write_file
from reports.pages.page import environment, inlined, static, stylesheet

HELP = "put runs side by side: machines, kernels, cgroup v1 and v2, before and after an upgrade"

DESCRIPTION = """\
Put two runs or more side by side on one HTML page: their machines, the claims whose verdict or observed value
differs, and then the same steps, with what was typed and printed, checked, and changed in the kernel.

Numbers that change with each run (pids, inodes, times, addresses, random names) count as no difference. Of a check
that compares by `<` or `in` only the outcome counts. On the terminal each claim that differs gets one line.
"""

EPILOG = """\
examples:
  python -m reports compare v1/record.jsonl v2/record.jsonl               writes compare.html here
  python -m reports compare before.jsonl after.jsonl --name "6.1" --name "6.8" -o upgrade.html
  python -m reports compare a/record.jsonl b/record.jsonl --exit-code     1 if a claim differs, for scripts

The page leads to the lab pages of a run where these stand beside its record. The record of each run is one file:
see `python -m reports merge --help` for those of xdist workers.
"""

SHOWN = 60
"""Characters of a value in a line on the terminal."""


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument("records", nargs="+", type=Path, metavar="RECORD", help="record of a run; two or more")
    parser.add_argument(
        "--name", action="append", default=[], help="what the page calls a run; once for each record, in their order"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("compare.html"),
        metavar="FILE",
        help="the page (default: compare.html)",
    )
    parser.add_argument("--exit-code", action="store_true", help="end with 1 if claims differ, as diff(1) does")


def run(options: Namespace) -> int:
    """Compare the records that the command line names."""
    if len(options.records) < 2:
        raise ReportError("one record alone cannot be compared: name two or more.")
    beside = sides(options.records, options.name, options.output)
    comparison = compare([side.run for side in beside])
    if not any(sum(lab is not None for lab in row.claims) > 1 for row in comparison.claims):
        raise ReportError("the runs have no lab in common: compare runs of the same labs.")
    write_file(options.output, page(beside, comparison))
    for row in comparison.differing:
        print(line(row))
    print(f"{len(comparison.differing)} of {len(comparison.claims)} claims differ: {options.output}")
    return int(options.exit_code and bool(comparison.differing))


def line(row: ClaimRow) -> str:
    """What differs of a claim, in one line."""
    words = [word or "-" for word in row.words]
    if row.difference == "verdict":
        return f"{row.claim.id:<10}  {' | '.join(words)}"
    item = row.evidence[0] if row.evidence else None
    if item is None:
        return f"{row.claim.id:<10}  {words[0]}: the outcome of its step"
    values = " | ".join(visible(item.gist(side))[:SHOWN] for side in range(len(words)))
    word = next(word for word in words if word != "-")
    return f"{row.claim.id:<10}  {word}, {visible(item.about)[:SHOWN]}: {values}"


def page(beside: Sequence[Side], comparison: Comparison) -> str:
    """The HTML page."""
    style = stylesheet("page.css", "tables.css", "compare.css")
    script = static("page.js") + static("unfold.js")
    template = environment(NullTranslations()).get_template("compare.html.j2")
    return template.render(sides=beside, comparison=comparison, order=list(VERDICTS), **inlined(style, script))
