"""The JSON schema of a record, made of the types in :mod:`record.events` and what is written beside their fields.

python -m record.schema > docs/record.schema.json
"""

from __future__ import annotations

import ast
import inspect
import json
from typing import Any

from msgspec.json import schema_components

from record import events

Schema = dict[str, Any]


def schema() -> Schema:
    """The schema of one line, JSON Schema 2020-12: what the present version writes, and nothing else."""
    _, parts = schema_components(events.EVENTS, ref_template="#/$defs/{name}")
    about = descriptions()
    kinds = {event.__name__: events.kind(event) for event in events.EVENTS}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:unshared:record:{events.VERSION}",
        "title": "An event of a record",
        "description": "A record is the log of one run of labs: JSON lines, one event a line, in the order in which "
        f"things happened. This says what version {events.VERSION} writes; readers pass over events and keys that they "
        "do not know, and take the default of a key that is missing.",
        "type": "object",
        "required": ["event"],
        "properties": {"event": {"enum": list(kinds.values()), "description": "The kind of the event."}},
        "allOf": [
            {"if": {"properties": {"event": {"const": kind}}}, "then": {"$ref": f"#/$defs/{name}"}}
            for name, kind in kinds.items()
        ],
        "$defs": {name: _described(part, about[name], kinds.get(name)) for name, part in sorted(parts.items())},
    }


def _described(part: Schema, about: dict[str, str], kind: str | None) -> Schema:
    """One type; of an event the keys that all have come first."""
    properties = {
        name: value | {"description": about[name]} for name, value in part["properties"].items() if name in about
    }
    required = [name for name in part.get("required", []) if name != "event"]
    if kind:
        head = {
            "v": {"const": events.VERSION, "description": "The version of the record."},
            "event": {"const": kind, "description": "The kind of the event."},
            "t": {key: value for key, value in properties.pop("t").items() if key != "default"},
        }
        properties, required = head | properties, [*head, *required]
    return {
        "description": part["description"],
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def descriptions() -> dict[str, dict[str, str]]:
    """What is written below each field, by type and field; fields of a base belong to each type made of it."""
    own: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(events)).body:
        if isinstance(node, ast.ClassDef):
            bases = [own.get(base.id, {}) for base in node.bases if isinstance(base, ast.Name)]
            own[node.name] = {name: text for base in bases for name, text in base.items()} | _fields(node)
    return own


def _fields(node: ast.ClassDef) -> dict[str, str]:
    fields: dict[str, str] = {}
    for field, text in zip(node.body, node.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            fields[field.target.id] = " ".join(ast.literal_eval(text.value).split())
    return fields


if __name__ == "__main__":
    print(json.dumps(schema(), indent=1))
