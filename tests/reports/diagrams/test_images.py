"""Image layers: the chain ids are those of the specification, and what an engine keeps is compared with them."""

import json
from typing import Any

import pytest

from reports.diagrams import Atlas, Sketchbook
from reports.diagrams.images import LAYERS, Image, chain_ids, draw_images
from tests.reports.diagrams.states import FOLDER, State, one, seen, text

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")
BLOB, LAYERDB = f"/proc/PID/cwd/images/blobs/sha256/{'1' * 64}", "/proc/PID/cwd/layerdb/sha256"


def config(*diffs: Any, history: list[State] | None = None) -> str:
    return json.dumps({"rootfs": {"type": "layers", "diff_ids": diffs}, "history": history or []})


def layerdb(**kept: tuple[str, str]) -> State:
    """A listing of layerdb/sha256: {chain without its prefix: (diff, parent)}."""
    entries: State = {".": FOLDER}
    for chain, (diff, parent) in kept.items():
        entries |= {chain: FOLDER, f"{chain}/diff": text(diff), f"{chain}/cache-id": text("f" * 64)}
        entries |= {f"{chain}/parent": text(parent)} if parent else {}
    return entries


def drawn(state: State, before: State | None = None, matter: tuple[str, ...] = ()) -> list[Image]:
    old = seen(one("first", 1, before)) if before is not None else None
    return draw_images(old, seen(one("first", 1, state)), matter)


def test_the_chain_id_that_docker_computed() -> None:
    """As `echo -n "sha256:... sha256:..." | sha256sum` answered on a machine with Docker."""
    lower = "sha256:ccdbb80308cc5ef43b605ac28fac29c6a597f89f5a169bbedbb8dec29c987439"
    upper = "sha256:63c99163f47292f80f9d24c5b475751dbad6dc795596e935c5c7f1c73dc08107"
    assert chain_ids([lower, upper]) == [
        lower,
        "sha256:8d8dceacec7085abcab1f93ac1128765bc6cf0caac334c821e01546bd96eb741",
    ]


def test_the_same_layer_on_another_base_has_another_chain_id() -> None:
    one_image, other = drawn({BLOB: config(A, C), BLOB.replace("1", "2"): config(B, C)})
    (upper, lower), (other_upper, _) = one_image.layers, other.layers
    assert lower.chain == A
    assert upper.diff == other_upper.diff == C
    assert (upper.letter, upper.hue) == (other_upper.letter, other_upper.hue)
    assert upper.chain != other_upper.chain
    assert one_image.name == f"images ({'1' * 12})"


def test_what_is_kept_is_compared() -> None:
    chain = chain_ids([A, B])[1].removeprefix("sha256:")
    for kept, found in (
        ({chain: (B, A), "a" * 64: (A, "")}, ["same", "same"]),
        ({chain: (B, C), "a" * 64: (A, "")}, ["other", "same"]),
        ({"a" * 64: (B, "")}, ["missing", "other"]),
        ({}, ["missing", "missing"]),
    ):
        (image,) = drawn({BLOB: config(A, B), LAYERDB: layerdb(**kept)})
        assert [layer.found for layer in image.layers] == found
    assert [layer.found for layer in drawn({BLOB: config(A, B)})[0].layers] == ["", ""]
    (image,) = drawn({BLOB: config(A), LAYERDB: layerdb(**{"a" * 64: (A, "")})})
    assert image.layers[0].cache == "f" * 64


def test_the_history_names_the_layers_and_what_made_none() -> None:
    history = [
        {"created_by": "/bin/sh -c #(nop) ADD file in /"},
        {"created_by": "/bin/sh -c #(nop)  ENV A=b", "empty_layer": True},
        {"created_by": "/bin/sh -c apt-get update"},
    ]
    (image,) = drawn({BLOB: config(A, B, history=history)})
    assert [(layer.number, layer.made) for layer in image.layers] == [(2, "apt-get update"), (1, "ADD file in /")]
    assert image.without == ["ENV A=b"]


def test_it_is_drawn_when_something_of_it_changes() -> None:
    state = {BLOB: config(A)}
    assert drawn(state, state) == []
    assert len(drawn(state, state, (BLOB,))) == 1
    assert len(drawn(state | {LAYERDB: layerdb()}, state)) == 1
    (image,) = drawn({BLOB: config(A, B)}, state)
    assert [layer.mark for layer in image.layers] == ["new", ""]


@pytest.mark.parametrize(
    "value",
    [
        *("", "{", '{"diff_ids"', '{"rootfs": {"diff_ids": "x"}}', '{"rootfs": [1], "diff_ids": 0}'),
        *({"error": "ENOENT"}, [1], None, config(), config("md5:1", None, 7)),
    ],
)
def test_what_is_no_configuration_is_not_drawn(value: object) -> None:
    assert drawn({BLOB: value}) == []


def test_of_many_layers_the_lowest_are_drawn() -> None:
    (image,) = drawn({BLOB: config(*(f"sha256:{number:064x}" for number in range(LAYERS + 3)))})
    assert (len(image.layers), image.left_out) == (LAYERS, 3)
    assert image.layers[-1].number == 1


def test_directories_of_images_are_no_branches() -> None:
    state = {"/proc/PID/cwd/images": {".": FOLDER, "oci-layout": text("{}")}, LAYERDB: layerdb(**{"a" * 64: (A, "")})}
    pictures = Sketchbook(Atlas()).step("1.1", None, seen(one("first", 1, state | {BLOB: config(A)})))
    assert pictures.layers == []
    assert {BLOB, LAYERDB} <= set(pictures.paths)
