"""Who may import whom: CONTRIBUTING.md draws it."""

import ast

import pytest

from tests.conftest import ROOT


def imports(room):
    """(file, module) for all that the files of a room import, wherever in them that stands."""
    for path in sorted((ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from ((path.relative_to(ROOT), name) for name in names)


OURS = ("record", "runtime", "reports", "labs", "tests", "conftest", "lab_hooks", "pytest", "_pytest")


@pytest.mark.parametrize(
    ("room", "allowed"),
    [
        ("record", ["record"]),
        ("reports", ["record", "reports"]),
        ("runtime/kernel", ["runtime.kernel"]),
        ("runtime/vm", ["runtime.vm"]),
        ("labs", ["runtime.lab", "runtime.kernel", "pytest"]),
    ],
)
def test_a_room_imports_what_lies_below_it(room, allowed):
    found = list(imports(room))
    assert found
    ours = [(path, name) for path, name in found if name.split(".")[0] in OURS]
    assert [pair for pair in ours if not any(f"{pair[1]}.".startswith(f"{word}.") for word in allowed)] == []


def test_reports_and_runtime_meet_only_in_the_record():
    assert [pair for pair in imports("runtime") if pair[1].split(".")[0] == "reports"] == []
