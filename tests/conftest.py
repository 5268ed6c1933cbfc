"""Fixtures of the project's own tests: a small checkout with labs of its own, and one run of the real labs."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
TINY_LAB = ROOT / "tests" / "tiny_lab.py"
TINY_CLAIMS = """
- {id: tiny-01, section: Tiny, statement: s, verdict: holds, truth: t, reference: r, visible_in: []}
- {id: tiny-02, section: Tiny, statement: s, verdict: wrong, truth: t, reference: r, visible_in: []}
- {id: tiny-03, section: Tiny, statement: s, verdict: holds, truth: t, reference: r, visible_in: []}
"""


def pytest_configure(config: pytest.Config) -> None:
    """Prepare this checkout's environment for the tests, if it was only prepared for labs, and begin again in it."""
    environment = Path(sys.prefix)
    if not (environment / "labs.sum").exists() or (environment / "tests.sum").exists():
        return
    config.pluginmanager.getplugin("capturemanager").suspend_global_capture(in_=True)
    subprocess.run([ROOT / "provision.sh", "--tests"], check=False, env=os.environ | {"UNSHARED_VENV": sys.prefix})
    if not (environment / "tests.sum").exists():
        raise pytest.UsageError("the tests need more than the labs do; see above, and: ./provision.sh --tests")
    os.execv(sys.executable, sys.orig_argv)


def clean_environment() -> dict[str, str]:
    """The environment of a person's shell, not that of a running test."""
    ours = ("PYTEST_", "UNSHARED_", "LABS_", "COV_", "VAGRANT_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def events_of(path: Path) -> list[dict[str, Any]]:
    """The events of a record, as JSON objects."""
    return [json.loads(line) for line in path.read_text().splitlines()]


@dataclass
class Checkout:
    """A copy of the project in a folder of its own, with one small lab."""

    path: Path

    @property
    def lab(self) -> Path:
        return self.path / "labs" / "test_01_tiny.py"

    @property
    def site(self) -> Path:
        return self.path / "reports" / "site"

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]

    def pytest(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run pytest in the checkout, as typed in a shell."""
        options = {"cwd": self.path, "env": clean_environment(), "timeout": 120} | options
        return subprocess.run(self.command(*arguments), capture_output=True, text=True, **options)

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        found = events_of(self.site / "record.jsonl")
        return [event for event in found if kind in (None, event["event"])]


def copy_project(path: Path) -> None:
    """Copy what runs labs into an empty folder, with no lab in it."""
    ignored = shutil.ignore_patterns("__pycache__", "site", "sample")
    for name in ("conftest.py", "lab_hooks.py", "pyproject.toml"):
        shutil.copy(ROOT / name, path)
    settings = path / "pyproject.toml"
    settings.write_text(settings.read_text().replace("testpaths =", 'choice_order = "source"\ntestpaths ='))
    for name in ("record", "runtime", "reports"):
        shutil.copytree(ROOT / name, path / name, ignore=ignored)
    (path / "labs").mkdir()


@pytest.fixture
def make_checkout() -> Iterator[Callable[[], Checkout]]:
    """A function that makes checkouts below /tmp, where every user can reach them."""
    made: list[Path] = []

    def make() -> Checkout:
        path = Path(tempfile.mkdtemp(prefix="unshared-test-", dir="/tmp"))
        made.append(path)
        path.chmod(0o755)
        copy_project(path)
        (path / "labs" / "test_01_tiny.yaml").write_text(TINY_CLAIMS)
        shutil.copy(TINY_LAB, path / "labs" / "test_01_tiny.py")
        return Checkout(path)

    yield make
    for path in made:
        shutil.rmtree(path)


@pytest.fixture
def checkout(make_checkout: Callable[[], Checkout]) -> Checkout:
    return make_checkout()


@dataclass
class LabsRun:
    """One run of the real labs: how it ended, and the events of its record."""

    process: subprocess.CompletedProcess[str]
    directory: Path
    events: list[Any]


@pytest.fixture(scope="session")
def labs_run(tmp_path_factory: pytest.TempPathFactory) -> LabsRun:
    """All labs, run once for the tests that look at their record or at their pages."""
    directory = tmp_path_factory.mktemp("labs-run")
    where = ["--target", "sandbox", "--report-dir", str(directory)]
    command = [sys.executable, "-m", "pytest", "labs/", *where, "-p", "no:cacheprovider"]
    process = subprocess.run(command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, timeout=600)
    from record.reading import Record  # what is imported here must not need more than pytest

    return LabsRun(process, directory, list(Record(directory / "record.jsonl")))
