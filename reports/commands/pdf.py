"""``python -m reports pdf RECORD...``: pages as PDF, printed by chromium."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path

from record.reading import read
from reports import ReportError
from reports.commands.chosen import add_records_and_labs, labs
from reports.pages.render import render
from reports.pages.story import files

HELP = "pages as PDF, printed by chromium"

DESCRIPTION = """\
Print the pages of a run to PDF through their print style: each step on a page of its own, with everything that the
page unfolds on a screen. It needs chromium (apt install chromium), and no network.
"""

EPILOG = """\
examples:
  python -m reports pdf reports/site/record.jsonl               index.pdf and LAB.pdf for each lab, here
  python -m reports pdf record.jsonl --lab uts -o handouts      handouts/uts.pdf alone
"""

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SECONDS = 120
"""Seconds that one page may take."""


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    add_records_and_labs(parser)
    parser.add_argument(
        "-o", "--output", type=Path, default=Path(), metavar="DIR", help="folder for the files (default: this one)"
    )


def run(options: Namespace) -> int:
    """Print the pages of the labs that the command line names; without names, the index too."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise ReportError("no chromium is installed: apt install chromium, or print the pages from another browser.")
    record = read(options.records)
    wanted = labs(record, options.lab)
    pages = [name for name, lab in zip(files(record), record.labs, strict=True) if lab in wanted]
    with tempfile.TemporaryDirectory(prefix="unshared-pdf-") as folder:
        render(options.records, Path(folder))
        for page in pages if options.lab else ["index.html", *pages]:
            print(printed(browser, Path(folder, page), options.output))
    return 0


def printed(browser: str, page: Path, directory: Path) -> Path:
    """Print one page; returns the path of the PDF."""
    made, target = page.with_suffix(".pdf"), directory / page.with_suffix(".pdf").name
    command = [
        browser, "--headless", "--disable-gpu", "--disable-background-networking", "--no-first-run",
        *(["--no-sandbox"] if os.geteuid() == 0 else []), f"--user-data-dir={page.parent / 'profile'}",
        "--no-pdf-header-footer", f"--print-to-pdf={made}", page.as_uri(),
    ]  # fmt: skip
    try:
        subprocess.run(command, capture_output=True, timeout=SECONDS, check=True)
        if not made.exists():
            raise ReportError(f"{browser} printed nothing of {page.name}; print the page from another browser.")
        directory.mkdir(parents=True, exist_ok=True)
        shutil.move(made, target)
    except subprocess.CalledProcessError as error:
        raise ReportError(
            f"{browser} could not print {page.name} (exit status {error.returncode}); take another browser."
        ) from None
    except subprocess.TimeoutExpired:
        raise ReportError(f"{browser} did not print {page.name} within {SECONDS} s; try again with --lab.") from None
    except OSError as error:
        raise ReportError(f"{target}: cannot be written ({error.strerror}); name another folder with -o.") from None
    return target
