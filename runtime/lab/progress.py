"""The progress of a run in a terminal: a bar for each lab, with the step that is running.

It takes the place of pytest's dots where somebody is looking: a terminal, neither -v nor -q, -s nor xdist.
"""

import os
import sys
from collections import Counter

import pytest
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from runtime.lab.course import Course
from runtime.lab.outline import read_outline
from runtime.lab.record import Event


def install(config: pytest.Config, course: Course) -> None:
    """Use the bars if a person is at the terminal."""
    option = config.option
    if config.get_verbosity() or option.capture == "no" or getattr(option, "numprocesses", None):
        return
    standard = config.pluginmanager.getplugin("terminalreporter")
    if standard is None or not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return
    config.pluginmanager.unregister(standard)
    config.pluginmanager.register(LabReporter(config, course), "terminalreporter")


class LabReporter(pytest.TerminalReporter):
    """Pytest's reporter, with bars for the labs instead of dots."""

    def __init__(self, config: pytest.Config, course: Course) -> None:
        super().__init__(config, sys.stdout)
        # Output of exercises is captured at the file descriptor, so the bars have one of their own.
        terminal = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
        console = Console(file=terminal, force_terminal=True, no_color=None if self.hasmarkup else True)
        self._bars = Progress(
            TextColumn("[progress.description]{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[step]}"),
            console=console,
            auto_refresh=False,
        )
        self._tasks: dict[str, int] = {}
        self._running: str | None = None
        course.listeners.append(self._on_event)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        super().pytest_collection_finish(session)
        for file, count in Counter(item.location[0] for item in session.items).items():
            outline = read_outline(session.config.rootpath / file)
            self._tasks[file] = self._bars.add_task(outline.title, total=count, start=False, step="")
        if self._tasks and not self.config.option.collectonly:
            self.write_line("")
            self._bars.start()

    def pytest_runtest_logstart(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        self._running = location[0]
        self._bars.start_task(self._tasks[self._running])  # type: ignore[arg-type]
        self._bars.refresh()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._tests_ran = True
        category = self.config.hook.pytest_report_teststatus(report=report, config=self.config)[0]
        self._add_stats(category, [report])
        task = self._tasks[report.location[0]]
        if report.failed:
            self._bars.update(task, description=f"[red]{self._bars.tasks[task].description}[/]")  # type: ignore[arg-type]
        if report.when == "teardown":
            self._bars.update(task, advance=1, step="")  # type: ignore[arg-type]
        self._bars.refresh()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Pytest writes the percentage here; the bars show it."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session):  # type: ignore[no-untyped-def]
        """Stop the bars before anything else is printed, however the loop ends."""
        try:
            return (yield)
        finally:
            self._bars.stop()
            self._bars.console.file.close()

    def _on_event(self, event: Event) -> None:
        if event["event"] == "step" and self._running:
            text = f"{event['number']}. {event['title']}"
            self._bars.update(self._tasks[self._running], step=text[:60])  # type: ignore[arg-type]
            self._bars.refresh()
