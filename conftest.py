"""Pytest glue: options, fixtures and hooks.  Every decision lives in runtime/lab."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from reports import ReportError
from reports.render import render
from runtime.lab import Lab, progress, record, sandbox, target
from runtime.lab.claims import ClaimError
from runtime.lab.course import Course
from runtime.lab.requirements import MUST_RUN_VARIABLE, Unsupported, missing, must_run
from runtime.lab.summary import summarize

ROOT = Path(__file__).parent
LABS = ROOT / "labs"
COURSE = pytest.StashKey[Course]()
TARGET = pytest.StashKey[target.Target]()
LAB = pytest.StashKey[Lab]()
REPORT = pytest.StashKey[Path]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("unshared", "container labs")
    group.addoption(
        "--target",
        default=None,
        metavar="WHERE",
        help="where labs run: auto (default), sandbox (namespaces of their own), here (this very machine), vm",
    )
    group.addoption(
        "--report-dir",
        default=None,
        metavar="DIR",
        help="where the record and the HTML report are written (default: reports/site)",
    )
    parser.addini("target", "the default of --target", default="auto")
    parser.addini("report_dir", "the default of --report-dir", default="reports/site")


def report_directory(config: pytest.Config) -> Path:
    given = config.getoption("--report-dir")
    return Path(config.invocation_params.dir, given) if given else ROOT / config.getini("report_dir")


def is_lab_run(config: pytest.Config) -> bool:
    """Whether this pytest runs labs and nothing else, and really runs them."""
    quiet = ("help", "version", "collectonly", "markers", "showfixtures", "show_fixtures_per_test", "setuponly")
    if any(getattr(config.option, name, False) for name in quiet) or hasattr(config, "workerinput"):
        return False
    return target.only_labs(config.args, Path(config.invocation_params.dir), LABS)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Run this very command line inside the target, unless we are there."""
    if not is_lab_run(config):
        return None
    try:
        chosen = target.decide(config.getoption("--target") or config.getini("target"), os.environ)
        target.prepare_report_directory(report_directory(config))
        config.stash[TARGET] = chosen
        if chosen.name == "here":
            return None
        invocation = Path(config.invocation_params.dir)
        named = [*vars(config.option).values(), report_directory(config)]
        plan = sandbox.Plan(
            command=target.inner_command(config.invocation_params.args),
            directory=invocation,
            writable=target.writable_paths(ROOT, invocation, named),
            environment=dict(os.environ) | {target.WHY_VARIABLE: chosen.why},
        )
        return sandbox.run(plan)
    except (target.TargetError, sandbox.SandboxError) as error:
        raise pytest.UsageError(str(error)) from None


@pytest.hookimpl(trylast=True)  # after pytest's own terminal reporter is there
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*names): what the machine must have (runtime.lab.needs)")
    workerinput = getattr(config, "workerinput", {})
    worker, run = workerinput.get("workerid", ""), workerinput.get("testrunuid", "")
    if workerinput.get("labs") or is_lab_run(config):
        why = config.stash[TARGET].why if TARGET in config.stash else "a worker of a run"
        config.stash[COURSE] = Course(report_directory(config), worker, run, why, list(config.invocation_params.args))
    if not worker and COURSE in config.stash:
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


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    labs = {item.path for item in session.items if LABS in item.path.parents}
    if not labs or session.config.option.collectonly:
        return
    if COURSE not in session.config.stash:
        raise pytest.UsageError("labs do not run beside tests, outside the sandbox: run pytest labs/ by itself")
    try:
        session.config.stash[COURSE].check(labs)
        if not hasattr(session.config, "workerinput"):
            session.config.stash[COURSE].clear()
    except ClaimError as error:
        raise pytest.UsageError(str(error)) from None


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
    lab = item.config.stash[COURSE].begin(item.path, item.originalname, item.nodeid, tmp_path)
    item.stash[LAB] = lab
    yield lab
    lab.close()


def pytest_assertion_pass(item: pytest.Item, lineno: int, orig: str, expl: str) -> None:
    if LAB in item.stash:
        item.stash[LAB].check(lineno, orig, expl)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    course = item.config.stash.get(COURSE, None)
    if course and isinstance(item, pytest.Function) and LABS in item.path.parents:
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
    records = record.files(course.directory)
    if records and not hasattr(session.config, "workerinput"):
        try:
            session.config.stash[REPORT] = render(records, course.directory)
        except ReportError as error:
            session.config.issue_config_time_warning(UserWarning(f"no report: {error}"), stacklevel=2)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if COURSE in config.stash:
        summarize(terminalreporter, record.files(config.stash[COURSE].directory), config.stash.get(REPORT, None))
