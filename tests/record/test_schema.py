"""docs/record.schema.json is made of the types of the events, and says exactly what a run writes."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from record.events import VERSION
from record.reading import Record
from record.schema import schema
from record.writer import Lines
from tests.conftest import LabsRun, events_of
from tests.reports.conftest import REAL
from tests.reports.schema import DOCS, SCHEMA, misfits


def written() -> list[dict[str, Any]]:
    """The events of a real run as they are written today."""
    lines = Lines()
    return [json.loads(lines.line(event)) for event in Record(REAL)]


def samples() -> list[dict[str, Any]]:
    """One event of each kind of a real run."""
    return list({event["event"]: event for event in written()}.values())


def objects(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each part of the schema that describes an object, with its path."""
    if isinstance(schema, dict):
        if "properties" in schema and "if" not in path:
            yield path, schema
        for key, part in schema.items():
            yield from objects(part, f"{path}/{key}")


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert {part["properties"]["v"]["const"] for part in SCHEMA["$defs"].values() if "v" in part["properties"]} == {
        VERSION
    }


def test_it_is_the_one_that_the_types_give() -> None:
    assert schema() == SCHEMA, "write it again: .venv/bin/python -m record.schema > docs/record.schema.json"


def test_every_event_of_a_real_run_fits(labs_run: LabsRun) -> None:
    assert misfits(*events_of(labs_run.directory / "record.jsonl")) == []


def test_every_event_of_the_record_in_the_tests_fits() -> None:
    assert misfits(*written()) == []


@pytest.mark.parametrize("event", samples(), ids=lambda event: event["event"])
def test_an_unknown_key_a_missing_one_and_one_of_another_type_are_caught(event: dict[str, Any]) -> None:
    assert misfits(event) == []
    assert misfits({**event, "colour": "red"})
    for key in of_kind(event["event"])["required"]:
        assert misfits({name: value for name, value in event.items() if name != key}), key
        assert misfits({**event, key: {"no": "such type"}}), key


def of_kind(kind: str) -> dict[str, Any]:
    return next(part for part in SCHEMA["$defs"].values() if part["properties"].get("event", {}).get("const") == kind)


def test_an_unknown_event_and_a_later_version_are_caught() -> None:
    assert misfits({"v": VERSION, "t": 0.1, "event": "weather"})
    assert misfits({"v": VERSION + 1, "t": 0.1, "event": "end", "exitstatus": 0})


def test_an_unknown_key_deep_inside_is_caught() -> None:
    lab = next(event for event in samples() if event["event"] == "lab")
    assert misfits({**lab, "claims": [{**lab["claims"][0], "colour": "red"}]})


def test_every_key_is_described() -> None:
    for path, part in objects(SCHEMA):
        for name, about in part["properties"].items():
            described = {**SCHEMA["$defs"].get(about.get("$ref", "").rpartition("/")[2], {}), **about}
            assert described.get("description") or "const" in about, f"{path}/properties/{name}"


def test_the_examples_of_the_page_about_the_record(labs_run: LabsRun, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "site").symlink_to(labs_run.directory)
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", (DOCS / "record.md").read_text(), re.DOTALL)
    found = []
    for example in examples:
        names: dict[str, Any] = {}
        exec(example, names)
        found.append(names["verdicts"])
    assert found[0] == found[1]
    assert found[0]["uts-01"] == "holds"


def test_the_page_about_the_record_names_every_event() -> None:
    page = (DOCS / "record.md").read_text()
    assert [kind for kind in SCHEMA["properties"]["event"]["enum"] if f"`{kind}`" not in page] == []
