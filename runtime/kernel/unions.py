"""Union mounts: several directories (branches) shown as one, and the branch from which each file comes.

    >>> branches = [Branch("Branch-0", writable=True), Branch("Branch-1")]
    >>> sources(branches)
    {'001.txt': 0, '004.txt': 1}

The answer is computed from the branches alone, by the rules of overlay (Documentation/filesystems/overlayfs.rst of the
kernel), aufs (aufs(5)) or unionfs-fuse (unionfs(8)); `contradictions` compares it with what a mounted union shows. The
first branch is the top one. A file hides everything of its name below; directories of one name are merged.
"""

import os
import re
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from filecmp import cmp
from pathlib import Path
from typing import Any, TypeAlias

from runtime.kernel.layers import MARK_FOLDER, MARK_SUFFIX, kind_of
from runtime.kernel.parse import unescape

JSON: TypeAlias = Any
AUFS_SYSFS = "/sys/fs/aufs"


@dataclass(frozen=True)
class Branch:
    """One directory of a union. `marks`: whether whiteouts in it count; in a branch with mode ro aufs does not look for
    them, unless it is ro+wh."""

    path: str
    writable: bool = False
    marks: bool = True


@dataclass(frozen=True)
class Origin:
    """Where a name of the union comes from: the number of its branch (None: it is hidden everywhere), its type there
    ("file", "dir", "link" ...), and the numbers of all branches that hold an entry of that name."""

    branch: int | None
    kind: str | None
    present: tuple[int, ...] = ()


class Overlay:
    """A whiteout is a character device 0:0 with the name it hides; an opaque directory has an extended attribute.

    The attributes are trusted.overlay.*, readable with CAP_SYS_ADMIN of the machine only, or with the mount option
    userxattr (Linux 5.11) user.overlay.*.
    """

    def __init__(self, attributes: str = "trusted") -> None:
        self.attributes = attributes

    def entry(self, root: str, path: str) -> str | None:
        """The type of what `path` is in the branch `root`; None when there is nothing, or only a mark."""
        kind = kind_of(f"{root}/{path}")
        return None if kind == "char" and self.hides(root, path) else kind

    def hides(self, root: str, path: str) -> bool:
        """Whether the branches below `root` are not asked for `path`."""
        with suppress(OSError):
            about = os.lstat(f"{root}/{path}")
            if stat.S_ISCHR(about.st_mode):
                return about.st_rdev == 0
            return stat.S_ISDIR(about.st_mode) and self._attribute(root, path, "opaque") == b"y"
        return False

    def redirect(self, root: str, path: str) -> str | None:
        """Another name, or absolute path, of this directory in the branches below (redirect_dir=on)."""
        value = self._attribute(root, path, "redirect")
        return os.fsdecode(value) if value else None

    def bookkeeping(self, path: str) -> bool:
        """Whether the union file system keeps `path` in the branch for itself."""
        return False

    def _attribute(self, root: str, path: str, name: str) -> bytes | None:
        with suppress(OSError):
            return os.getxattr(f"{root}/{path}", f"{self.attributes}.overlay.{name}", follow_symlinks=False)
        return None


class Aufs(Overlay):
    """A whiteout is an empty file .wh.NAME; an opaque directory holds a file .wh..wh..opq."""

    def entry(self, root: str, path: str) -> str | None:
        return None if self.bookkeeping(path) else kind_of(f"{root}/{path}")

    def hides(self, root: str, path: str) -> bool:
        folder, name = os.path.split(f"{root}/{path}")
        return os.path.lexists(f"{folder}/.wh.{name}") or os.path.lexists(f"{root}/{path}/.wh..wh..opq")

    def redirect(self, root: str, path: str) -> str | None:
        return None

    def bookkeeping(self, path: str) -> bool:
        return os.path.basename(path).startswith(".wh.")


class UnionfsFuse(Aufs):
    """A whiteout is .unionfs-fuse/PATH_HIDDEN~ in the top branch. It also stays below a directory that was deleted and
    made again, and so makes it opaque."""

    def hides(self, root: str, path: str) -> bool:
        return os.path.lexists(f"{root}/{MARK_FOLDER}/{path}{MARK_SUFFIX}")

    def bookkeeping(self, path: str) -> bool:
        return path.split("/")[0] == MARK_FOLDER


OVERLAY = Overlay()
OVERLAY_USERXATTR = Overlay("user")
AUFS = Aufs()
UNIONFS_FUSE = UnionfsFuse()


def rules_of(entry: JSON) -> Overlay:
    """The rules of a mount, from its entry of /proc/PID/mountinfo. ValueError when it is no union that we know."""
    if entry["fstype"] == "overlay":
        return OVERLAY_USERXATTR if "userxattr" in entry["super"].split(",") else OVERLAY
    if entry["fstype"] == "aufs":
        return AUFS
    if entry["fstype"] == "fuse.unionfs":
        return UNIONFS_FUSE
    raise ValueError(f"{entry['fstype']!r} is no union file system that is known here")


def origins(branches: Sequence[Branch], rules: Overlay = OVERLAY) -> dict[str, Origin]:
    """{path: Origin} of every name in any branch, paths relative to the union, directories before what is in them.

    A branch that cannot be read counts as empty. Metadata-only copies (metacopy=on) count as the file.
    """
    found: dict[str, Origin] = {}
    merge = _Merge(branches, rules, found)
    merge.directory("", [(number, "") for number in range(len(branches))])
    return found


def sources(branches: Sequence[Branch], rules: Overlay = OVERLAY) -> dict[str, int]:
    """{path: number of the branch} of what the union shows."""
    return {path: origin.branch for path, origin in origins(branches, rules).items() if origin.branch is not None}


@dataclass
class _Merge:
    """The walk over all branches at once. `places`: (number of the branch, path of the directory in that branch), top
    first; the path differs from that in the union below a redirected directory."""

    branches: Sequence[Branch]
    rules: Overlay
    found: dict[str, Origin] = field(default_factory=dict)

    def directory(self, path: str, places: list[tuple[int, str]]) -> None:
        names = {name for number, folder in places for name in self._names(number, folder)}
        for name in sorted(names):
            inside = _join(path, name)
            origin, deeper = self._look_up(name, places)
            if origin.branch is None and not origin.present:
                continue  # a mark without anything to hide
            self.found[inside] = origin
            if deeper:
                self.directory(inside, deeper)

    def _names(self, number: int, folder: str) -> list[str]:
        with suppress(OSError):
            return [
                name for name in os.listdir(f"{self.branches[number].path}/{folder}")
                if not self.rules.bookkeeping(_join(folder, name))
            ]  # fmt: skip
        return []

    def _look_up(self, name: str, places: list[tuple[int, str]]) -> tuple[Origin, list[tuple[int, str]]]:
        """Where the name comes from, and for a directory the places that are merged in it."""
        top: tuple[int, str] | None = None
        deeper: list[tuple[int, str]] = []
        present = tuple(number for number, folder in places if self._has(number, _join(folder, name)))
        below, rest = name, list(places)
        while rest:
            number, folder = rest.pop(0)
            path = _join(folder, below)
            kind = self.rules.entry(self.branches[number].path, path)
            if kind and top is None:
                top = number, kind
            if kind == "dir":
                deeper.append((number, path))
            if (kind and kind != "dir") or self._hides(number, path):
                break
            if kind and (redirect := self.rules.redirect(self.branches[number].path, path)):
                below, rest = self._redirected(redirect, number, rest)
        if top is None:
            return Origin(None, None, present), []
        return Origin(*top, present), deeper if top[1] == "dir" else []

    def _hides(self, number: int, path: str) -> bool:
        branch = self.branches[number]
        return branch.marks and self.rules.hides(branch.path, path)

    def _has(self, number: int, path: str) -> bool:
        return self.rules.entry(self.branches[number].path, path) is not None

    def _redirected(self, to: str, number: int, rest: list[tuple[int, str]]) -> tuple[str, list[tuple[int, str]]]:
        if not to.startswith("/"):
            return to, rest
        folder, name = os.path.split(to.strip("/"))
        return name, [(below, folder) for below in range(number + 1, len(self.branches))]


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def contradictions(point: str, branches: Sequence[Branch], rules: Overlay = OVERLAY) -> list[str]:
    """What the union mounted on `point` shows otherwise than computed, a sentence each; [] when they agree.

    Names, types and the contents of files are compared. `point` may be "/proc/PID/cwd/MountPoint": then it is looked
    at in the mount namespace of that process.
    """
    expected = origins(branches, rules)
    shown = {
        os.path.relpath(os.path.join(folder, name), point)
        for folder, folders, files in os.walk(point)
        for name in (*folders, *files)
    }
    shown = {path for path in shown if not rules.bookkeeping(path)}
    visible = {path for path, origin in expected.items() if origin.branch is not None}
    told = [f"{path}: computed, but not shown" for path in sorted(visible - shown)]
    told += [f"{path}: shown, but not computed" for path in sorted(shown - visible)]
    for path in sorted(visible & shown):
        origin = expected[path]
        assert origin.branch is not None
        real, seen = f"{branches[origin.branch].path}/{path}", f"{point}/{path}"
        if kind_of(seen) != origin.kind:
            told.append(f"{path}: computed as {origin.kind}, shown as {kind_of(seen)}")
        elif origin.kind == "file" and os.path.exists(real) and not cmp(real, seen, shallow=False):
            told.append(f"{path}: its content is not that of branch {origin.branch}")
    return told


def overlay_branches(entry: JSON, base: str = "") -> list[Branch]:
    """The branches of an overlay mount, from its entry of /proc/PID/mountinfo (runtime.kernel.parse.mountinfo).

    Relative names are as the mount command gave them; `base` ("/proc/PID/cwd") is put before them. Data-only layers
    (after "::", or datadir+) hold no names and are left out.
    """
    upper: list[Branch] = []
    lower: list[Branch] = []
    for option in re.split(r"(?<!\\),", unescape(entry["super"])):
        key, _, value = option.partition("=")
        if key == "upperdir":
            upper = [Branch(_based(value, base), writable=True)]
        elif key in ("lowerdir", "lowerdir+"):
            names = re.split(r"(?<!\\):", value.split("::")[0])
            lower += [Branch(_based(name, base)) for name in names]
    return upper + lower


def _based(name: str, base: str) -> str:
    name = re.sub(r"\\([:,\\])", r"\1", name)
    return name if name.startswith("/") or not base else f"{base}/{name}"


def aufs_branches(entry: JSON, sysfs: str = AUFS_SYSFS) -> list[Branch]:
    """The branches of an aufs mount, from its entry of /proc/PID/mountinfo and the files br0, br1 ... in sysfs; with
    the module option brs=0 they stand in the mount's own options. A mode other than rw (ro, rr) is not writable."""
    options = dict(option.partition("=")[::2] for option in unescape(entry["super"]).split(","))
    listed = aufs_mounts(sysfs).get(f"si_{options.get('si')}", [])
    if not listed and (inline := re.search(r"(?:^|,)br:([^,]*)", unescape(entry["super"]))):
        listed = inline[1].split(":")
    return [_aufs_branch(text) for text in listed]


def _aufs_branch(text: str) -> Branch:
    """ "/tmp/Branch-0=rw": the path and a mode with attributes, as in "ro+wh"."""
    path, _, mode = text.strip().rpartition("=")
    name, *attributes = mode.split("+")
    return Branch(path, writable=name == "rw", marks=name == "rw" or "wh" in attributes)


def aufs_mounts(sysfs: str = AUFS_SYSFS) -> dict[str, list[str]]:
    """{"si_bdf9d1a38ac405a": ["/tmp/Branch-0=rw", "/tmp/Branch-1=ro"]}: every aufs mount with its branches, top first.

    {} where no aufs is mounted, or the kernel has none.
    """
    mounts = {}
    for folder in sorted(Path(sysfs).glob("si_*")):
        files = [file for file in folder.glob("br*") if re.fullmatch(r"br\d+", file.name)]
        with suppress(OSError):  # it may be unmounted meanwhile
            mounts[folder.name] = [
                file.read_text().strip() for file in sorted(files, key=lambda file: int(file.name[2:]))
            ]
    return mounts
