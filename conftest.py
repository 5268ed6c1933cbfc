"""Pytest glue: the options, and the way to where labs run.

Any host can start here with nothing but pytest; what needs more is imported only where labs really run (lab_hooks.py).
"""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from runtime import checkout, options, target
from runtime.vm import run as vm_run
from runtime.vm.machine import Machine, VmError
from runtime.vm.request import Request


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    invocation = pluginmanager.getplugin("pytestconfig").invocation_params
    if trouble := target.missing_plugin(invocation.args) or options.without_a_terminal(invocation.args):
        raise pytest.UsageError(trouble)
    group = parser.getgroup("unshared", "container labs")
    group.addoption(
        "--target",
        default=None,
        metavar="WHERE",
        help="where labs run: auto (the default: the VM of this checkout if it is running, else the sandbox); vm (the "
        "machine lab of the Vagrantfile) or vm:NAME (another one of it); sandbox (this machine, in namespaces of their "
        "own); here (this machine itself, which they change: for a VM of your own)",
    )
    group.addoption(
        "--report-dir",
        default=None,
        metavar="DIR",
        help="where the record and the HTML report are written (default: reports/site)",
    )
    group.addoption(
        "--report-single",
        action="store_true",
        default=None,
        help="write the report as one file: index.html holds all labs",
    )
    options.add(group)
    parser.addini("report_single", "the default of --report-single", type="bool", default=False)
    parser.addini("target", "the default of --target", default="auto")
    parser.addini("choice_order", "the default of --choice-order", default="")
    parser.addini("report_dir", "the default of --report-dir", default="reports/site")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Run this very command line inside the target, unless we are there."""
    options.check(config)
    if not target.is_lab_run(config):
        return None
    try:
        chosen = target.decide(config.getoption("--target") or config.getini("target"), os.environ)
        target.prepare_report_directory(target.report_directory(config))
        config.stash[target.CHOSEN] = chosen
        if chosen.name != "here":  # whoever runs there gets the terminal, stdin included
            config.pluginmanager.getplugin("capturemanager").suspend_global_capture(in_=True)
        if chosen.machine:
            return run_in_vm(config, chosen, chosen.machine)
        return run_in_sandbox(config, chosen) if chosen.name == "sandbox" else None
    except target.TargetError as error:
        raise pytest.UsageError(str(error)) from None


def run_in_vm(config: pytest.Config, chosen: target.Target, machine: Machine) -> int:
    report = target.report_directory(config)
    request = Request(
        checkout=checkout.ROOT,
        directory=Path(config.invocation_params.dir),
        arguments=config.invocation_params.args,
        options=[*vars(config.option).values()],
        report=report,
        environment=os.environ,
        added={checkout.WHY_VARIABLE: chosen.why, checkout.REPORT_VARIABLE: f"{report}{os.sep}"},
    )
    try:
        return vm_run.run(machine, request, lambda sentence: print(sentence, file=sys.stderr, flush=True))
    except VmError as error:
        raise pytest.UsageError(f"--target vm: {error}") from None


def run_in_sandbox(config: pytest.Config, chosen: target.Target) -> int:
    sandbox = import_inner("runtime.sandbox.run")
    invocation = Path(config.invocation_params.dir)
    named = [*vars(config.option).values(), target.report_directory(config)]
    plan = sandbox.Plan(
        command=target.inner_command(config.invocation_params.args),
        directory=invocation,
        writable=target.writable_paths(checkout.ROOT, invocation, named),
        environment=dict(os.environ) | {checkout.WHY_VARIABLE: chosen.why},
    )
    try:
        if options.is_walk(config):
            rescue = import_inner("runtime.stage.rescue")
            return int(rescue.kept(lambda: sandbox.run(plan), screen=config.option.step != "plain"))
        return int(sandbox.run(plan))
    except sandbox.SandboxError as error:
        raise pytest.UsageError(str(error)) from None


def import_inner(name: str, quiet: bool = False) -> Any:
    """Import what needs a prepared Linux machine; a ``quiet`` pytest only tells something, and never goes to the VM."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        if quiet:
            raise pytest.UsageError(f"labs cannot be read on this machine: {error}; run ./provision.sh first") from None
        how = "run ./provision.sh, or pytest labs/ --target vm"
        raise pytest.UsageError(f"labs cannot run on this machine: {error}; {how}") from None


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the labs that --lab does not name."""
    wanted = options.wanted_labs(config)
    is_lab = collection_path.suffix == ".py" and checkout.LABS in collection_path.parents
    return True if wanted and is_lab and checkout.lab_name(collection_path) not in wanted else None


@pytest.hookimpl(trylast=True)  # after pytest's own terminal reporter is there
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*names): what the machine must have (runtime.lab.needs)")
    if not (config.option.help or config.option.version):
        inner = import_inner("lab_hooks", quiet=target.is_quiet(config))
        config.pluginmanager.register(inner, "lab_hooks")
