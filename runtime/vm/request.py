"""What a person typed, and what it means inside the VM."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.vm import paths, sources

# What a person sets for any pytest; the rest of the environment is the host's own business.
PASSED_ON = ("COLORTERM", "COLUMNS", "FORCE_COLOR", "LABS_MUST_RUN", "LANGUAGE", "LINES", "NO_COLOR", "PY_COLORS")


@dataclass(frozen=True)
class Request:
    """Pytest's ``arguments`` as typed in ``directory``, the values that its ``options`` got, where the ``report`` goes.

    ``added`` are variables for the pytest inside, beside those of ``environment`` that people set for any pytest.
    """

    checkout: Path
    directory: Path
    arguments: Sequence[str]
    options: Sequence[object]
    report: Path
    environment: Mapping[str, str]
    added: Mapping[str, str]

    def inner_arguments(self) -> list[str]:
        """The command line as it is typed in the machine; files of arguments (``@FILE``) are read here."""
        return self._map(word for argument in self.arguments for word in self._read(argument))

    def inner_environment(self) -> dict[str, str]:
        """The variables for the pytest inside."""
        passed = {name: self.environment[name] for name in PASSED_ON if name in self.environment}
        if given := self.environment.get("PYTEST_ADDOPTS"):
            passed["PYTEST_ADDOPTS"] = shlex.join(self._map(shlex.split(given)))
        return {"LANG": "C.UTF-8", **passed, **self.added}

    def inputs(self) -> list[Path]:
        """The files that options name and that are here: they are pushed like the sources."""
        return [path for path in self._named() if path.is_file()]

    def directories(self) -> list[Path]:
        """The directories that must be there too: the working directory, and those of what options name."""
        near = (path if path.is_dir() else path.parent for path in self._named())
        return [self.directory, *(path for path in near if path.is_dir())]

    def outputs(self) -> list[Path]:
        """The files that options name and that a run may write, wherever that is; but never a source."""
        return [path for path in self._named() if not path.is_dir() and not sources.is_source(path, self.checkout)]

    def _named(self) -> list[Path]:
        return paths.named(self.directory, self.options)

    def _map(self, words: Iterable[str]) -> list[str]:
        return paths.arguments(words, type(self.directory), lambda path: (self.directory / path).exists())

    def _read(self, argument: str) -> list[str]:
        if not argument.startswith("@"):
            return [argument]
        return (self.directory / argument[1:]).read_text(encoding="utf-8").splitlines()
