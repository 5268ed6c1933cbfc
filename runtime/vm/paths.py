"""The names of the host's paths inside the VM.

The guest holds a mirror of what a run needs of the host: ``/home/ann/unshared/labs`` is
``/srv/unshared/home/ann/unshared/labs`` there, and ``C:\\unshared\\labs`` is ``/srv/unshared/C/unshared/labs``.  So one
rule maps the checkout, the working directory and everything that options name, and relative paths stay true.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePath, PurePosixPath

MIRROR = PurePosixPath("/srv/unshared")
_DEVICES = ("/dev", "/proc")
_ATTACHED = re.compile(r"(-{0,2}[\w.-]+=|-[A-Za-z])(.*)", re.DOTALL)  # --junitxml=/a.xml, cache_dir=/a, -c/a.ini


def inside(path: PurePath) -> PurePosixPath:
    """The name in the guest of an absolute path of the host; a drive or a share becomes a directory."""
    if is_device(path):
        return PurePosixPath(path)
    drive = re.split(r"[:\\/]+", path.drive.upper() if path.drive.endswith(":") else path.drive)
    return MIRROR.joinpath(*filter(None, drive), *path.parts[1:])


def is_device(path: PurePath) -> bool:
    """Whether the path is the kernel's, so that it is no file to carry about: /dev/null is one everywhere."""
    return any(path.is_relative_to(devices) for devices in _DEVICES)


def arguments(
    given: Iterable[str], flavour: type[PurePath] = PurePath, is_path: Callable[[PurePath], bool] = lambda path: False
) -> list[str]:
    """A command line as it is typed in the guest: absolute paths mapped, and ``\\`` made ``/`` in names of files.

    ``flavour`` is how the host writes paths; ``is_path`` says whether the host has such a relative path.
    """
    return [_argument(text, flavour, is_path) for text in given]


def _argument(text: str, flavour: type[PurePath], is_path: Callable[[PurePath], bool]) -> str:
    if (attached := _ATTACHED.fullmatch(text)) and not flavour(text).is_absolute():
        option, value = attached.groups()
        if (mapped := _value(value, flavour, is_path)) != value:
            return option + mapped
    return _value(text, flavour, is_path)


def _value(text: str, flavour: type[PurePath], is_path: Callable[[PurePath], bool]) -> str:
    name, colons, rest = text.partition("::")
    path = flavour(name)
    if path.is_absolute():
        return f"{inside(path)}{colons}{rest}"
    if "\\" in name and path.as_posix() != name and is_path(path):
        return f"{path.as_posix()}{colons}{rest}"
    return text


def named(directory: Path, values: Iterable[object]) -> list[Path]:
    """What the values of pytest's options may name, seen from ``directory``; those in lists and after ``=`` included.

    A value that is no path at all names a file that is not there, which does no harm.  The kernel's own are left out.
    """
    found = (Path(os.path.normpath(directory / text)) for text in sorted(set(_texts(values))))
    return [path for path in found if not is_device(path)]


def _texts(values: Iterable[object]) -> Iterator[str]:
    for value in values:
        if isinstance(value, list | tuple):
            yield from _texts(value)
        elif isinstance(value, dict):  # --cov-report html:DIR
            yield from _texts(value.values())
        elif isinstance(value, str | PurePath) and "\n" not in str(value) and len(str(value)) < 1000:
            yield from filter(None, {str(value), str(value).partition("=")[2]})
