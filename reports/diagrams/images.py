"""The layers of images, as their configuration names them, with the chain id of each: what it is in its place.

A layer is named by the digest of its archive (diff id). The chain id is made of all layers up to it, so the same layer
on another base has another one: chain(1) = diff(1), chain(n) = sha256(chain(n-1) + " " + diff(n)). See the image
specification of OCI, config.md. An engine keeps a directory for each chain id (Docker: layerdb); where it was looked
at, it is compared with what the configuration gives.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass

from record.model import Observation, Process
from record.text import visible
from reports.diagrams.fields import Fields
from reports.diagrams.observed import Mark, state_of, watched

LAYERS = 24
"""Layers of an image that are drawn at most: the lowest ones."""
LAYERDB = "layerdb/sha256"
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_PLACE = re.compile(r"(?:.*/)?([0-9a-f]{64})/diff")


@dataclass(frozen=True)
class Kept:
    """What an engine keeps for a chain id: the diff id and the chain id below, the directory of its files."""

    diff: str
    parent: str
    cache: str


@dataclass(frozen=True)
class Layer:
    """One layer: `made` tells by what; `found` is "" where nobody looked, "same", "missing" or "other" (another diff id
    or parent is kept under that chain id). Layers with the same diff id share a `letter` and a `hue`."""

    number: int
    made: str
    diff: str
    chain: str
    letter: str
    hue: int
    found: str
    cache: str
    mark: Mark


@dataclass(frozen=True)
class Image:
    """An image: its layers, the top one first, and what in its history made none."""

    name: str
    layers: list[Layer]
    left_out: int
    without: list[str]


@dataclass(frozen=True)
class _Config:
    path: str
    diffs: tuple[str, ...]
    history: tuple[tuple[str, bool], ...]


def chain_ids(diffs: tuple[str, ...] | list[str]) -> list[str]:
    """The chain ids of layers, given their diff ids, the lowest first."""
    chains: list[str] = []
    for diff in diffs:
        text = f"{chains[-1]} {diff}".encode() if chains else b""
        chains.append(f"sha256:{hashlib.sha256(text).hexdigest()}" if chains else diff)
    return chains


def is_config(value: object) -> bool:
    """Whether a value that was read is the configuration of an image."""
    return isinstance(value, str) and value.startswith("{") and '"diff_ids"' in value


def paths(observation: Observation | None) -> list[str]:
    """The paths of which a drawing of images tells all."""
    states = [process.state or {} for process in observation.processes] if observation else []
    return list(
        dict.fromkeys(
            path for state in states for path, value in state.items() if is_config(value) or path.endswith(LAYERDB)
        )
    )


def draw_images(before: Observation | None, after: Observation | None, matter: Container[str] = ()) -> list[Image]:
    """The images whose configuration was read; [] when nothing of them changed in the step and no claim is about it."""
    old, new = watched(before, after)
    was, now = dict(_configs(old)), dict(_configs(new))
    kept, kept_before = _kept(new), _kept(old)
    if not now or (old and (was, kept_before) == (now, kept) and not any(path in matter for path in now)):
        return []
    letters: dict[str, int] = {}
    for config in now.values():
        for diff in config.diffs:
            letters.setdefault(diff, len(letters))
    earlier = {chain for config in was.values() for chain in chain_ids(config.diffs)} if old else None
    return [_image(config, letters, kept, earlier) for config in now.values()]


def _configs(processes: list[Process]) -> Iterator[tuple[str, _Config]]:
    for process in processes:
        for path, value in (process.state or {}).items():
            if not isinstance(value, str) or not is_config(value):
                continue
            try:
                config = Fields(json.loads(value))
            except (ValueError, RecursionError):
                continue
            diffs = tuple(diff for diff in config.child("rootfs").texts("diff_ids") if _DIGEST.fullmatch(diff))
            made = tuple(
                (e.text("created_by") or e.text("comment"), e.flag("empty_layer")) for e in config.children("history")
            )
            if diffs:
                yield path, _Config(path, diffs, made)


def _kept(processes: list[Process]) -> dict[str, Kept] | None:
    """By chain id what an engine keeps, from listings of its directory; None when nobody looked."""
    kept: dict[str, Kept] | None = None
    for process in processes:
        state = state_of(process)
        for path in state:
            listing = state.child(path)
            for name in listing:
                found = _PLACE.fullmatch(name)
                diff = listing.child(name).text("text").strip()
                if found and _DIGEST.fullmatch(diff):
                    folder = name.removesuffix("diff")
                    parent, cache = (
                        listing.child(f"{folder}{file}").text("text").strip() for file in ("parent", "cache-id")
                    )
                    kept = (kept or {}) | {f"sha256:{found[1]}": Kept(diff, parent, cache)}
            if path.endswith(LAYERDB) and "." in listing:
                kept = kept or {}
    return kept


def _image(
    config: _Config, letters: dict[str, int], kept: dict[str, Kept] | None, earlier: Container[str] | None
) -> Image:
    chains = chain_ids(config.diffs)
    made = [text for text, empty in config.history if not empty]
    layers = []
    for number, (diff, chain) in enumerate(zip(config.diffs, chains, strict=True), 1):
        own = (kept or {}).get(chain)
        below = chains[number - 2] if number > 1 else ""
        found = (
            ""
            if kept is None
            else "missing"
            if own is None
            else "same"
            if (own.diff, own.parent) == (diff, below)
            else "other"
        )
        layers.append(
            Layer(
                number, visible(_short(made[number - 1])) if number <= len(made) else "", diff, chain,
                _letter(letters[diff]), letters[diff] % 8, found, visible(own.cache) if own else "",
                "new" if earlier is not None and chain not in earlier else "",
            )
        )  # fmt: skip
    without = [visible(_short(text)) for text, empty in config.history if empty]
    return Image(visible(_name(config.path)), layers[:LAYERS][::-1], max(0, len(layers) - LAYERS), without)


def _name(path: str) -> str:
    """A short name of a configuration: its file, and the directory of the image where it tells one."""
    parts = path.split("/")
    folder = parts[parts.index("blobs") - 1] if "blobs" in parts[1:] else ""
    digest = parts[-1][:12] if re.fullmatch("[0-9a-f]{64}", parts[-1]) else parts[-1]
    return f"{folder} ({digest})" if folder else digest


def _short(text: str) -> str:
    text = text.removeprefix("/bin/sh -c ").removeprefix("#(nop) ").strip()
    return text if len(text) <= 60 else f"{text[:59]}…"


def _letter(number: int) -> str:
    return f"{chr(ord('a') + number % 26)}{number // 26 or ''}"
