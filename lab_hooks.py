"""Pytest glue where labs really run: fixtures and hooks.  Every decision lives in runtime/lab."""

import importlib
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from record import RecordError
from record import writer as record
from reports.pages.render import render
from runtime import checkout, options, target
from runtime.lab import Lab, progress
from runtime.lab.claims import ClaimError
from runtime.lab.course import Course
from runtime.lab.exercise import Exercise
from runtime.lab.requirements import MUST_RUN_VARIABLE, Unsupported, missing, must_run
from runtime.lab.summary import summarize

COURSE = pytest.StashKey[Course]()
EXERCISE = pytest.StashKey[Exercise]()
REPORT = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    workerinput = getattr(config, "workerinput", {})
    worker, run = workerinput.get("workerid", ""), workerinput.get("testrunuid", "")
    if workerinput.get("labs") or target.is_lab_run(config):
        why = config.stash[target.CHOSEN].why if target.CHOSEN in config.stash else "a worker of a run"
        os.umask(0o022)  # the modes of files that lessons show; a login of Debian may have 002
        directory, arguments = target.report_directory(config), list(config.invocation_params.args)
        config.stash[COURSE] = course = Course(directory, worker, run, why, arguments)
        course.choice_order = config.getoption("--choice-order") or config.getini("choice_order")
        course.patience = config.option.timeout_factor
    if COURSE in config.stash and (config.option.answers or options.mode(config) or config.option.student):
        entrance().prepare(config, config.stash[COURSE])
    if not worker and COURSE in config.stash and not options.is_walk(config):
        progress.install(config, config.stash[COURSE])


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker whether its controller runs labs, and so is inside the target."""
    course = node.config.stash.get(COURSE, None)
    node.workerinput["labs"] = course is not None
    if course and node.gateway.id == "gw0":  # the first: no worker has written yet
        course.clear()


def pytest_report_header(config: pytest.Config) -> str | None:
    return f"target: {config.stash[COURSE].target_why}" if COURSE in config.stash else None


@pytest.hookimpl(tryfirst=True)  # before pytest-order sorts
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A lab's place in the course is the number in its file name."""
    for item in items:
        if checkout.LABS in item.path.parents and not item.get_closest_marker("order"):
            item.add_marker(pytest.mark.order(checkout.lab_place(item.path)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    labs = {item.path for item in session.items if checkout.LABS in item.path.parents}
    if not labs or session.config.option.collectonly:
        return None
    if COURSE not in session.config.stash:
        raise pytest.UsageError("labs do not run beside tests, outside the sandbox: run pytest labs/ by itself")
    course = session.config.stash[COURSE]
    try:
        course.check(labs)
    except ClaimError as error:
        raise pytest.UsageError(str(error)) from None
    walk = (
        entrance().walk(session, course, lambda: report_so_far(session.config))
        if options.is_walk(session.config)
        else None
    )
    if not hasattr(session.config, "workerinput"):
        course.clear()
    return walk.loop(session) if walk else None


def entrance() -> Any:
    """What leads to the stage; nothing else imports it, so that a run without it begins as fast as ever."""
    return importlib.import_module("runtime.stage.entrance")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("privileged") and os.geteuid() != 0:
        pytest.skip("it needs root")
    for name in [name for marker in item.iter_markers("needs") for name in marker.args]:
        ability = missing(name)
        if ability:
            raise Unsupported(ability.reason, ability.how)


@pytest.fixture
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    """The lab that an exercise works in: windows, steps, the facts of the machine."""
    item: pytest.Function = request.node
    exercise = item.config.stash[COURSE].begin(item.path, item.originalname, item.nodeid, tmp_path)
    item.stash[EXERCISE] = exercise
    yield Lab(exercise)
    exercise.close()


def pytest_assertion_pass(item: pytest.Item, lineno: int, orig: str, expl: str) -> None:
    if EXERCISE in item.stash:
        item.stash[EXERCISE].check(lineno, f"assert {orig}", expl)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    course = item.config.stash.get(COURSE, None)
    if course and isinstance(item, pytest.Function) and checkout.LABS in item.path.parents:
        error = call.excinfo.value if call.excinfo else None
        if isinstance(error, Unsupported):
            report.longrepr = str(item.path), 1, f"Skipped: {error}"  # one line, so that pytest folds equal reasons
            if must_run():
                report.outcome, report.longrepr = "failed", f"{MUST_RUN_VARIABLE}=1, but {error}"
        course.note_phase(report.outcome, error, report.duration)
        if report.when == "teardown":
            course.end_exercise(item.path, item.originalname, item.nodeid)
    return report


@pytest.hookimpl(trylast=True)  # after an interrupted exercise was torn down
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    course = session.config.stash.get(COURSE, None)
    if course is None:
        return
    course.end(int(exitstatus))
    records = record.files(course.directory) if course.begun else []
    if records and not hasattr(session.config, "workerinput"):
        try:
            session.config.stash[REPORT] = render(records, course.directory, single_file(session.config))
        except RecordError as error:
            session.config.issue_config_time_warning(UserWarning(f"no report: {error}"), stacklevel=2)


def report_so_far(config: pytest.Config) -> str:
    """Render what is recorded; returns where the report is, as the person at the terminal calls it."""
    course = config.stash[COURSE]
    return target.shown_report(
        render(record.files(course.directory), course.directory, single_file(config)), os.environ
    )


def single_file(config: pytest.Config) -> bool:
    return bool(config.getoption("--report-single") or config.getini("report_single"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    course = config.stash.get(COURSE, None)
    if course and course.begun:
        report = target.shown_report(config.stash[REPORT], os.environ) if REPORT in config.stash else None
        summarize(terminalreporter, record.files(course.directory), report, course.student)
