"""docs/record.schema.json, for tests that look at records."""

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = json.loads((DOCS / "record.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)


def misfits(*events: dict[str, Any]) -> list[tuple[str, float, list[str]]]:
    """The events that do not fit the schema: kind, time, and what is wrong."""
    return [
        (event.get("event", ""), event.get("t", 0), [f"{e.json_path}: {e.message[:200]}" for e in errors])
        for event in events
        if (errors := list(VALIDATOR.iter_errors(event)))
    ]
