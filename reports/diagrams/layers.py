"""A union mount as the table of the notes: the branches are the rows, top first, the files the columns.

The last row is what the mount shows; each file there carries the branch that it comes from. That is told from the
branches alone, by the rules of overlay and aufs, and only for files that the mount really shows.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass

from record.model import Observation, Process
from record.text import value_text, visible
from reports.diagrams.fields import Fields
from reports.diagrams.observed import Mark, state_of, watched
from reports.text import size

FOLDER = "/proc/PID/cwd/"
PATHS = ("/proc/PID/cwd/*", "/sys/fs/aufs")
FILES = 12
"""Files that are drawn at most."""
_UNIONS = {"overlay", "aufs", "fuse.unionfs", "fuse.unionfs-fuse"}
_MERGED = ("MountPoint", "merged")
Listing = dict[str, Fields]


@dataclass(frozen=True)
class Cell:
    """A file in a branch: `what` is file, dir, link ..., whiteout, opaque or "" (nothing); `role` is "seen" where the
    mount takes the file from, "hidden" below that; `about`: text or size; `tags`: metacopy, redirect."""

    what: str
    about: str = ""
    mark: Mark = ""
    role: str = ""
    source: str = ""
    hue: int = 0
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Branch:
    """A row; `place` is upper, lower, rw, ro ... as far as it is known. Not `watched`: nobody looked into it."""

    name: str
    hue: int
    place: str
    watched: bool
    cells: list[Cell]


@dataclass(frozen=True)
class Layers:
    """The drawing: `branches` top first, `merged` the cells of the mount, or None when there is none."""

    label: str
    kind: str
    point: str
    files: list[str]
    left_out: int
    branches: list[Branch]
    merged: list[Cell] | None


@dataclass(frozen=True)
class _View:
    """What one process sees: the listings by name, and the union mount over them."""

    listings: dict[str, Listing]
    kind: str = ""
    point: str = ""
    order: tuple[tuple[str, str], ...] = ()

    @property
    def shape(self) -> object:
        return self.kind, self.point, self.order


def draw_layers(before: Observation | None, after: Observation | None, matter: Container[str] = ()) -> list[Layers]:
    """One table for each different view of the watched processes; [] when nothing in it changed or is claimed."""
    old, new = watched(before, after)
    was = {process.label: _view(process) for process in old}
    drawings: list[Layers] = []
    shapes: list[object] = []
    views = [(process, _view(process)) for process in new]
    views = [(process, view) for process, view in views if any(name not in _MERGED for name in view.listings)]
    mounted = [(process, view) for process, view in views if view.kind]
    for process, view in mounted or views[:1]:
        earlier = was.get(process.label)
        told = any(path.startswith(FOLDER) or path == "/sys/fs/aufs" for path in _paths(process) if path in matter)
        if view.shape not in shapes and (told or earlier is None or _content(earlier) != _content(view)):
            shapes.append(view.shape)
            drawings.append(_drawn(visible(process.label), view, earlier or (view if not old else _View({}))))
    return [drawing for drawing in drawings if drawing.files]


def _paths(process: Process) -> list[str]:
    return list(process.state or {})


def _content(view: _View) -> object:
    return view.shape, {name: {p: _essence(e) for p, e in listing.items()} for name, listing in view.listings.items()}


def _view(process: Process) -> _View:
    state = state_of(process)
    listings: dict[str, Listing] = {}
    for path in state:
        if path.startswith(FOLDER):
            entries = state.child(path)
            files = {name: entries.child(name) for name in entries if name not in (".", "...")}
            if "." in entries and not _is_of_images(files):
                listings[path.removeprefix(FOLDER)] = files
    mounts = [mount for mount in state.children("/proc/PID/mountinfo") if mount.text("fstype") in _UNIONS]
    for mount in reversed(mounts):
        order = _order(mount, state.child("/sys/fs/aufs"))
        point = mount.text("point").rpartition("/")[2]
        known = not order or any(name in listings for name, _ in order)
        if point in listings and known:
            return _View(listings, mount.text("fstype"), point, order or _by_name(listings, point))
    return _View(listings, order=_by_name(listings, ""))


def _is_of_images(files: Listing) -> bool:
    """Whether a directory is no branch, but holds images or what an engine keeps of them: see images.py."""
    return "oci-layout" in files or any(re.fullmatch("[0-9a-f]{64}/diff", name) for name in files)


def _by_name(listings: dict[str, Listing], point: str) -> tuple[tuple[str, str], ...]:
    """The branches of a mount that does not tell its own, in the order of their numbers."""
    names = [name for name in listings if name not in (point, *_MERGED) and not name.endswith("work")]
    return tuple((name, "") for name in sorted(names))


def _order(mount: Fields, aufs: Fields) -> tuple[tuple[str, str], ...]:
    """(name, place) of the branches of a mount, top first."""
    options = [option.partition("=")[::2] for option in re.split(r"(?<!\\),", mount.text("super"))]
    if mount.text("fstype") == "aufs":
        listed = aufs.texts(f"si_{dict(options).get('si')}")
        inline = [value for key, value in options if key == "br"] or [
            key.removeprefix("br:") + (f"={value}" if value else "") for key, value in options if key.startswith("br:")
        ]
        listed = listed or [branch for text in inline for branch in text.split(":")]
        return tuple((path.rpartition("/")[2], mode) for path, _, mode in (text.rpartition("=") for text in listed))
    upper = [(value.rpartition("/")[2], "upper") for key, value in options if key == "upperdir"]
    lower = [
        (name.rpartition("/")[2], "lower")
        for key, value in options
        if key in ("lowerdir", "lowerdir+")
        for name in re.split(r"(?<!\\):+", value)
    ]
    return tuple(upper + lower)


def _drawn(label: str, view: _View, before: _View) -> Layers:
    names = [name for name, _ in view.order]
    tables = [_columns(view.listings.get(name, {})) for name in names]
    shown = view.listings.get(view.point, {}) if view.kind else {}
    files = sorted({file for table in tables for file in table} | {f for f in shown if not shown[f].text("mark")})
    gone = {f for name in names for f in _columns(before.listings.get(name, {}))} - set(files)
    files = sorted({*files, *gone})
    kept = files[:FILES]
    sources = {file: _source(file, tables) for file in kept}
    branches = []
    for number, (name, place) in enumerate(view.order):
        old = _columns(before.listings.get(name, {}))
        cells = [_cell(file, number, sources, tables[number], old, bool(view.kind and file in shown)) for file in kept]
        branches.append(Branch(visible(name), number % 8, place, name in view.listings, cells))
    merged = None
    if view.kind:
        earlier = before.listings.get(view.point, {}) if before.kind else None
        merged = [_merged(file, shown, earlier, sources[file], names) for file in kept]
    return Layers(
        label, visible(view.kind), visible(view.point), [visible(file) for file in kept], len(files) - len(kept),
        branches, merged,
    )  # fmt: skip


def _columns(listing: Listing) -> Listing:
    """The entries by the file that they are about: a whiteout by the file that it hides."""
    entries = {path: entry for path, entry in listing.items() if not entry.text("mark")}
    for entry in listing.values():
        if entry.text("mark") in ("whiteout", "opaque") and entry.text("hides") not in ("", "."):
            entries[entry.text("hides")] = entry
    return entries


def _source(file: str, tables: list[Listing]) -> int | None:
    """The number of the topmost branch that holds `file` and is not covered by a mark above."""
    parts = file.split("/")
    above = ["/".join(parts[:count]) for count in range(1, len(parts))]
    for number, table in enumerate(tables):
        mark = table[file].text("mark") if file in table else ""
        if file in table and mark != "whiteout":
            return number
        if mark == "whiteout" or any(folder in table and table[folder].text("mark") for folder in above):
            return None
    return None


def _cell(file: str, number: int, sources: dict[str, int | None], now: Listing, before: Listing, shown: bool) -> Cell:
    entry, old = now.get(file), before.get(file)
    mark: Mark = (
        "" if _essence(entry) == _essence(old) else "new" if old is None else "gone" if entry is None else "changed"
    )
    if entry is None:
        return Cell("", mark=mark)
    source = sources[file]
    role = ""
    if shown and source is not None:
        role = "seen" if number == source else "hidden" if number > source else ""
    elif entry.text("mark") != "whiteout" and not shown and source is None:
        role = "hidden"
    return Cell(entry.text("mark") or entry.text("type"), _about(entry), mark, role, tags=_tags(entry))


def _merged(file: str, shown: Listing, before: Listing | None, source: int | None, names: list[str]) -> Cell:
    entry, old = shown.get(file), (before or {}).get(file)
    mark: Mark = ""
    if before is not None and _essence(entry) != _essence(old):
        mark = "new" if old is None else "gone" if entry is None else "changed"
    if entry is None:
        return Cell("", mark=mark)
    name = visible(names[source]) if source is not None else ""
    return Cell(entry.text("type"), _about(entry), mark, "seen", name, (source or 0) % 8)


def _essence(entry: Fields | None) -> object:
    return entry and [entry.text(key) for key in ("type", "mode", "size", "text", "target", "rdev", "mark", "hides")]


def _about(entry: Fields) -> str:
    """The first line of a short text, the size of a longer one, the target of a link."""
    if entry.text("text"):
        lines = entry.text("text").splitlines()
        more = "…" if len(lines) > 1 or len(lines[0]) > 14 else ""
        return value_text(lines[0][:14] + more) if lines[0] else ""
    if entry.text("type") == "file":
        return size(entry.whole("size"))
    return value_text(entry.text("target")[:20]) if entry.text("target") else ""


def _tags(entry: Fields) -> tuple[str, ...]:
    attributes = {name.rpartition(".")[2] for name in entry.child("xattrs")}
    return tuple(tag for tag in ("metacopy", "redirect") if tag in attributes)
