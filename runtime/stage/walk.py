"""The walk: pytest's loop over the exercises, which on the stage goes back, again and elsewhere.

Each exercise runs through pytest's own protocol, as often as the person at the terminal wants it, each time with fresh
fixtures.  Its reports are kept and given out once, at the end: those of the last time that it ran to its end.
"""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from _pytest.runner import runtestprotocol

from runtime.lab.course import Abandoned
from runtime.stage.control import Control


class Walk:
    """A pytest plugin in the place of pytest's own loop; ``start`` is the exercise to begin with."""

    def __init__(self, control: Control, start: int = 0) -> None:
        self._control, self._start = control, start
        self._ran: list[pytest.TestReport] = []
        self._kept: dict[int, list[pytest.TestReport]] = {}

    def loop(self, session: pytest.Session) -> bool:
        """Walk through the exercises; the same checks before and after as in pytest's own loop."""
        if session.testsfailed and not session.config.option.continue_on_collection_errors:
            word = "error" if session.testsfailed == 1 else "errors"
            raise session.Interrupted(f"{session.testsfailed} {word} during collection")
        session.config.pluginmanager.register(self)
        try:
            with self._on_stage():
                self._walk(session.items, session.config.getvalue("maxfail"))
            if self._control.broken:
                raise self._control.broken
        finally:
            if not os.isatty(1):
                _write_to_nobody()
            self._give_out(session.items)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        """Run one exercise, and keep its reports."""
        self._ran = runtestprotocol(item, log=False, nextitem=nextitem)
        return True

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say how to go on."""
        stop = self._control.picture.stop
        if self._control.quits and stop and self._control.scene.phase != "end":
            where = f"You stopped at step {stop.number}, {stop.outline.title}"
            terminalreporter.write_line(f"{where}; {self._control.resumed_by} goes on there.")

    @contextmanager
    def _on_stage(self) -> Iterator[None]:
        before = signal.signal(signal.SIGHUP, self._control.keyboard.hung_up)
        here = os.getpid()

        def as_before() -> None:  # a child of a lab is nothing of ours: process 1 of a namespace counts its handlers
            if os.getpid() != here and signal.getsignal(signal.SIGHUP) == self._control.keyboard.hung_up:
                signal.signal(signal.SIGHUP, before)

        os.register_at_fork(after_in_child=as_before)
        self._control.course.listeners.append(self._control.on_event)
        self._control.view.open()
        try:
            yield
        finally:
            self._control.view.close()
            self._control.course.listeners.remove(self._control.on_event)
            signal.signal(signal.SIGHUP, before)

    def _walk(self, items: Sequence[pytest.Item], most_failures: int) -> None:
        place = self._start
        while not self._control.quits:
            if place < len(items):
                self._run(items[place], place)
            elif self._is_over():
                return
            if destination := self._control.destination:
                place, self._control.destination = destination.exercise, None
            elif most_failures and self._failures() >= most_failures:
                return
            else:
                place += 1

    def _run(self, item: pytest.Item, place: int) -> None:
        control = self._control
        control.destination = None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        if control.destination is None and not control.quits:
            self._kept[place] = self._ran
            control.ended(_what_went_wrong(self._ran), control.itinerary.of_exercise(place))

    def _is_over(self) -> bool:
        """The end of the walk; False if the person goes back from there."""
        try:
            self._control.finale()
        except Abandoned:
            return self._control.quits
        return True

    def _failures(self) -> int:
        return sum(any(report.failed for report in reports) for reports in self._kept.values())

    def _give_out(self, items: Sequence[pytest.Item]) -> None:
        for place, reports in sorted(self._kept.items()):
            item = items[place]
            item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
            for report in reports:
                item.ihook.pytest_runtest_logreport(report=report)
            item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)


def _what_went_wrong(reports: Sequence[pytest.TestReport]) -> str:
    """The end of a sentence that begins with an exercise; "" if nothing did."""
    bad = next((report for report in reports if report.outcome != "passed"), None)
    if bad is None:
        return ""
    if bad.failed:
        return "failed"
    reason = bad.longrepr[2] if isinstance(bad.longrepr, tuple) else ""
    return f"cannot be shown here: {reason.removeprefix('Skipped: ').removeprefix('unsupported: ')}"


def _write_to_nobody() -> None:
    """The terminal is gone: what pytest still prints must not fail."""
    null = os.open(os.devnull, os.O_WRONLY)
    for standard in (1, 2):
        os.dup2(null, standard)
    os.close(null)
