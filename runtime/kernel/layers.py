"""A directory as a layer of a union: everything in it, with the marks that union file systems leave there.

>>> listing("/proc/4711/cwd/Branch-0")["002.txt"]
{'type': 'char', 'mode': '0000', 'links': 2, ..., 'rdev': '0:0', 'mark': 'whiteout', 'hides': '002.txt'}

What a mark means is told for all three dialects: overlay, aufs and unionfs-fuse.
"""

import errno as errno_names
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, TypeAlias

JSON: TypeAlias = Any

ENTRIES = 400  # entries that a listing holds at most
TEXT = 80  # bytes up to which the content of a file is listed
MARK_FOLDER = ".unionfs-fuse"
MARK_SUFFIX = "_HIDDEN~"
_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "dir",
    stat.S_IFLNK: "link",
    stat.S_IFCHR: "char",
    stat.S_IFBLK: "block",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}


def kind_of(path: str) -> str | None:
    """ "file", "dir", "link", "char", "block", "fifo" or "socket"; None for what is not there."""
    with suppress(OSError):
        return _KINDS.get(stat.S_IFMT(os.lstat(path).st_mode))
    return None


def listing(path: str) -> dict[str, JSON]:
    """{relative path: entry} of a directory and all that is below it, "." being the directory itself.

    An entry: type (see kind_of), mode (octal text), links, inode, dev ("0:49"), and where it applies: size in bytes and
    text (files, short ones), rdev ("0:0", devices), target (links), xattrs (those of overlay; bytes as "0x..."),
    mark ("whiteout", "opaque", "bookkeeping"), hides (the path that a whiteout hides, or the directory that an opaque
    mark closes). OSError when the directory cannot be read; an entry that cannot is {"error": "EACCES"}. After ENTRIES
    entries comes "..." with their number.
    """
    entries = {".": _entry(path, ".")}
    os.listdir(path)
    for number, relative in enumerate(_walk(path, "")):
        if number == ENTRIES:
            entries["..."] = {"type": "more", "size": number}
            break
        with suppress(FileNotFoundError):  # it was deleted meanwhile
            entries[relative] = _entry(f"{path}/{relative}", relative)
    return entries


def _walk(path: str, folder: str) -> Iterator[str]:
    """All relative paths below, sorted, a directory before what is in it; mounts below are not entered."""
    with suppress(OSError):
        device = os.lstat(path).st_dev
        for name in sorted(os.listdir(path)):
            relative = f"{folder}/{name}" if folder else name
            yield relative
            inside = f"{path}/{name}"
            if kind_of(inside) == "dir" and os.lstat(inside).st_dev == device:
                yield from _walk(inside, relative)


def _entry(path: str, relative: str) -> dict[str, JSON]:
    try:
        about = os.lstat(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        return {"error": errno_names.errorcode.get(error.errno or 0, str(error.errno))}
    kind = _KINDS.get(stat.S_IFMT(about.st_mode), "unknown")
    entry: dict[str, JSON] = {
        "type": kind,
        "mode": f"{stat.S_IMODE(about.st_mode):04o}",
        "links": about.st_nlink,
        "inode": about.st_ino,
        "dev": _numbers(about.st_dev),
    }
    if kind == "file":
        entry |= {"size": about.st_size, **_short_text(path, about.st_size)}
    elif kind in ("char", "block"):
        entry["rdev"] = _numbers(about.st_rdev)
    elif kind == "link":
        entry["target"] = os.readlink(path)
    if xattrs := _xattrs(path):
        entry["xattrs"] = xattrs
    return entry | _mark(relative, entry)


def _numbers(device: int) -> str:
    return f"{os.major(device)}:{os.minor(device)}"


def _short_text(path: str, size: int) -> dict[str, str]:
    if not 0 < size <= TEXT:
        return {}
    with suppress(OSError), open(path, "rb") as file:
        return {"text": file.read(TEXT).decode("utf-8", "backslashreplace")}
    return {}


def _xattrs(path: str) -> dict[str, str]:
    found = {}
    with suppress(OSError):
        for name in sorted(os.listxattr(path, follow_symlinks=False)):
            if name.split(".")[1:2] == ["overlay"]:
                value = os.getxattr(path, name, follow_symlinks=False)
                readable = value.isascii() and value.decode("latin-1").isprintable()
                found[name] = value.decode("ascii") if readable else f"0x{value.hex()}"
    return found


def _mark(relative: str, entry: dict[str, JSON]) -> dict[str, str]:
    """What the entry means to a union file system, by the three dialects: overlay, aufs, unionfs-fuse."""
    folder, name = os.path.split(relative)
    if entry.get("rdev") == "0:0" and entry["type"] == "char":
        return {"mark": "whiteout", "hides": relative}
    if any(entry.get("xattrs", {}).get(f"{prefix}.overlay.opaque") == "y" for prefix in ("trusted", "user")):
        return {"mark": "opaque", "hides": relative}
    if name == ".wh..wh..opq":
        return {"mark": "opaque", "hides": folder or "."}
    if name.startswith(".wh..wh."):
        return {"mark": "bookkeeping"}
    if name.startswith(".wh."):
        return {"mark": "whiteout", "hides": os.path.join(folder, name.removeprefix(".wh."))}
    if relative.split("/")[0] == MARK_FOLDER:
        if name.endswith(MARK_SUFFIX):
            hidden = relative.removeprefix(f"{MARK_FOLDER}/").removesuffix(MARK_SUFFIX)
            return {"mark": "whiteout", "hides": hidden}
        return {"mark": "bookkeeping"}
    return {}
