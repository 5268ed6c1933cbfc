"""The progress of a run in a terminal: a bar for each lab, with the step that is running.

It takes the place of pytest's dots where somebody is looking: a terminal, neither -v nor -q, -s nor xdist.
"""

import os
import sys
from collections import Counter
from collections.abc import Generator, Mapping

import pytest
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from record import events
from record.verdicts import OUTCOMES
from runtime.lab.course import Course
from runtime.lab.outline import read_outline


def install(config: pytest.Config, course: Course) -> None:
    """Show the bars if a person is at the terminal."""
    option = config.option
    if config.get_verbosity() or option.capture == "no" or getattr(option, "dist", "no") != "no":
        return
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is None or not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return
    reporter.showfspath = False  # the bars name the labs
    config.pluginmanager.register(LabBars(course, colours=reporter.hasmarkup))


FAILED = f"{OUTCOMES['failed'].sign} "
Status = tuple[str, str, str | tuple[str, Mapping[str, bool]]]


class LabBars:
    """A bar for each lab; pytest writes its header before and its summary after them."""

    def __init__(self, course: Course, colours: bool) -> None:
        # Output of exercises is captured at the file descriptor, so the bars have one of their own.
        self._terminal = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
        console = Console(file=self._terminal, force_terminal=True, no_color=not colours)
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[step]}", style="dim", markup=False),
            console=console,
            auto_refresh=False,
        )
        self._tasks: dict[str, TaskID] = {}
        self._running = ""
        course.listeners.append(self._on_event)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for file, count in Counter(item.location[0] for item in session.items).items():
            title = read_outline(session.config.rootpath / file).title.partition(":")[0]
            self._tasks[file] = self._bars.add_task(title, total=count, start=False, step="")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Stop the bars before anything else is printed, however the loop ends."""
        self._terminal.write("\n")
        self._bars.start()
        try:
            return (yield)
        finally:
            self._bars.stop()
            self._terminal.close()

    def pytest_runtest_logstart(self, location: tuple[str, int | None, str]) -> None:
        self._running = location[0]
        self._bars.start_task(self._tasks[self._running])
        self._bars.refresh()

    @pytest.hookimpl(wrapper=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> Generator[None, Status, Status]:
        """Pytest's own status without its letter: the bars say it."""
        category, _, word = yield
        if report.failed and self._running:  # nothing runs yet when a file cannot be imported
            task = self._tasks[self._running]
            title = self._bars.tasks[task].description.removeprefix(FAILED)
            self._bars.update(task, description=FAILED + title)
        return category, "", word

    def pytest_runtest_logfinish(self) -> None:
        self._bars.update(self._tasks[self._running], advance=1, step="")
        self._bars.refresh()

    def _on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Step):
            self._bars.update(self._tasks[self._running], step=f"{event.number}. {event.title}"[:60])
            self._bars.refresh()
