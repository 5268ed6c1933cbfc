"""open_tree, mount_setattr, move_mount: a mount that shows other owners, and the readers of the user lab."""

import errno
import os
import signal
from pathlib import Path

import pytest

from runtime.kernel import parse, proc
from runtime.kernel.namespaces import run_in_new, start_in_new
from runtime.kernel.syscalls import (
    AT_EMPTY_PATH,
    MOUNT_ATTR_IDMAP,
    MOUNT_ATTR_RDONLY,
    MOVE_MOUNT_F_EMPTY_PATH,
    OPEN_TREE_CLONE,
    Clone,
    SyscallError,
    mount,
    mount_setattr,
    move_mount,
    open_tree,
)

AT_FDCWD = -100


def prepare(directory: Path) -> tuple[Path, Path]:
    """A tmpfs with a file of user 1000, and a directory beside it; in a mount namespace of one's own."""
    mount("tmpfs", directory, "tmpfs")
    source, target = directory / "source", directory / "target"
    source.mkdir()
    target.mkdir()
    (source / "file").touch()
    os.chown(source / "file", 1000, 1000)
    return source, target


def owner_through_a_map(directory: Path, holder: int) -> tuple[int, str]:
    source, target = prepare(directory)
    tree = open_tree(AT_FDCWD, source, OPEN_TREE_CLONE)
    user_namespace = os.open(f"/proc/{holder}/ns/user", os.O_RDONLY)
    mount_setattr(tree, "", AT_EMPTY_PATH, attr_set=MOUNT_ATTR_IDMAP, userns_fd=user_namespace)
    move_mount(tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH)
    mounts = {row["point"]: row["options"] for row in proc.read("/proc/PID/mountinfo", os.getpid())}
    return (target / "file").stat().st_uid, mounts[str(target)]


def refusals(directory: Path) -> list[tuple[str, int | None]]:
    source, _ = prepare(directory)
    found = []
    own = os.open("/proc/self/ns/user", os.O_RDONLY)
    tree = open_tree(AT_FDCWD, source, OPEN_TREE_CLONE)
    for options in ({"attr_set": 1 << 40}, {"attr_set": MOUNT_ATTR_IDMAP, "userns_fd": own}):
        try:
            mount_setattr(tree, "", AT_EMPTY_PATH, **options)
        except SyscallError as error:
            found.append((error.call, error.errno))
    return found


def written_to_a_read_only_copy(directory: Path) -> int | None:
    source, target = prepare(directory)
    tree = open_tree(AT_FDCWD, source, OPEN_TREE_CLONE)
    mount_setattr(tree, "", AT_EMPTY_PATH, attr_set=MOUNT_ATTR_RDONLY)
    move_mount(tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH)
    (source / "new").touch()
    try:
        (target / "newer").touch()
    except OSError as error:
        return error.errno
    return None


@pytest.mark.privileged
def test_the_map_of_a_mount(tmp_path):
    ids = [(1000, 2000, 1)]
    with start_in_new(Clone.NEWUSER, signal.pause, uid_map=ids, gid_map=ids) as holder:
        owner, options = run_in_new(Clone.NEWNS, owner_through_a_map, tmp_path, holder.pid)
    assert owner == 2000
    assert "idmapped" in options.split(",")


@pytest.mark.privileged
def test_an_attribute_of_a_copy(tmp_path):
    assert run_in_new(Clone.NEWNS, written_to_a_read_only_copy, tmp_path) == errno.EROFS


@pytest.mark.privileged
def test_unknown_attributes_and_the_first_namespace_are_refused(tmp_path):
    found = run_in_new(Clone.NEWNS, refusals, tmp_path)
    assert found == [("mount_setattr", errno.EINVAL), ("mount_setattr", errno.EPERM)]


def test_open_tree_names_the_path():
    with pytest.raises(SyscallError, match=r"open_tree\(.*not-there"):
        open_tree(AT_FDCWD, "/not-there")


@pytest.mark.privileged
def test_a_cloned_tree_is_an_error_for_others(tmp_path):
    with pytest.raises(SyscallError) as error:
        run_in_new(Clone.NEWUSER, open_tree, AT_FDCWD, tmp_path, OPEN_TREE_CLONE)
    assert error.value.errno == errno.EPERM


# The readers


def test_keys():
    text = (
        "026ed4b1 I------     1 perm 1f0b0000     0 65534 keyring   .user: reg: empty\n"
        "28bb3d22 I--Q---     1 perm 1f3f0000  1000    -1 user      lesson: 6\n"
    )
    assert parse.keys(text) == [
        {"uid": 0, "gid": 65534, "type": "keyring", "description": ".user: reg"},
        {"uid": 1000, "gid": -1, "type": "user", "description": "lesson"},
    ]


def test_keys_in_the_view_of_a_process():
    with start_in_new(Clone.NEWUSER, signal.pause) as child:
        assert isinstance(proc.read("/proc/keys", child.pid), list)
        assert isinstance(proc.read("/proc/key-users", child.pid), str)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("01000002c0000000000000000000000000000000", ("00000000000000c0", True, 0)),
        ("0000000300000000000000000100000000000000e8030000", ("0000000100000000", False, 1000)),
    ],
)
def test_a_file_capability(data, expected):
    found = parse.file_capability(bytes.fromhex(data))
    assert (found["permitted"], found["effective"], found["rootid"]) == expected
    assert found["inheritable"] == "0000000000000000"


def test_what_belongs_to_a_process():
    own = os.getpid()
    assert proc.read("/proc/PID/uid_map owner", own) == {"uid": os.geteuid(), "gid": os.getegid()}
    assert proc.read("/proc/PID/exe security.capability", own) is None
    assert proc.read("/proc/PID/projid_map", own)[0][2] > 0
    assert proc.read("/proc/PID/nothing owner", own) == {"error": "ENOENT"}


def test_the_structure_behind_a_map():
    structs = proc.read("/sys/kernel/btf/vmlinux", os.getpid())
    if "error" in structs:
        pytest.skip("this kernel has no type information (BTF)")
    assert {"extent", "nr_extents"} <= set(structs["uid_gid_map"])
