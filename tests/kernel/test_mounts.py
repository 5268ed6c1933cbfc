"""The mount calls of Linux 5.2 and later, in mount namespaces of their own."""

import errno
import os
from pathlib import Path

import pytest

from runtime.kernel import mounts
from runtime.kernel.namespaces import run_in_new
from runtime.kernel.syscalls import MOVE_MOUNT_F_EMPTY_PATH, Clone, SyscallError, mount, move_mount

pytestmark = pytest.mark.privileged
AT_FDCWD = -100


def table() -> list[str]:
    return [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]


def test_a_mount_is_nowhere_until_it_is_attached(tmp_path):
    def work():
        with mounts.detached("tmpfs", size="1m") as tree:
            descriptor = os.open("early", os.O_CREAT | os.O_WRONLY, dir_fd=tree)
            os.close(descriptor)
            before = str(tmp_path) in table()
            move_mount(tree, "", AT_FDCWD, tmp_path, MOVE_MOUNT_F_EMPTY_PATH)
        return before, str(tmp_path) in table(), os.listdir(tmp_path)

    assert run_in_new(Clone.NEWNS, work) == (False, True, ["early"])


def test_a_wrong_option_is_told_in_the_words_of_the_kernel():
    with (
        pytest.raises(SyscallError, match=r"fsconfig\(1, size=much.*size") as caught,
        mounts.detached("tmpfs", size="much"),
    ):
        pass
    assert caught.value.errno == errno.EINVAL


def test_an_unknown_file_system():
    with pytest.raises(SyscallError) as caught:
        mounts.fsopen("nosuchfs")
    assert caught.value.errno == errno.ENODEV


def test_mounts_by_their_unique_ids(tmp_path):
    def work():
        mount("mine", tmp_path, "tmpfs")
        told = [mounts.statmount(each) for each in mounts.listmount()]
        return told, table()

    try:
        told, lines = run_in_new(Clone.NEWNS, work)
    except SyscallError as error:
        if error.errno != errno.ENOSYS:
            raise
        pytest.skip("listmount(2) is there since Linux 6.8")
    assert {"point": str(tmp_path), "fstype": "tmpfs"} in told
    assert sorted(each["point"] for each in told) == sorted(lines)
