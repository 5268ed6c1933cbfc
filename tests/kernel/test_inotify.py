"""Waiting for a change of files."""

import pytest

from runtime.kernel.inotify import Changes, Event
from runtime.kernel.syscalls import SyscallError


def test_a_change_in_a_directory_is_told_by_name(tmp_path):
    with Changes([tmp_path], Event.CLOSE_WRITE) as changes:
        assert changes.wait(timeout=0) == []
        (tmp_path / "one").write_text("1")
        (tmp_path / "two").write_text("2")
        assert changes.wait(timeout=10) == ["one", "two"]
        assert changes.wait(timeout=0) == []


def test_a_file_that_is_watched_itself(tmp_path):
    file = tmp_path / "file"
    file.touch()
    with Changes([file]) as changes:
        file.write_text("x")
        assert set(changes.wait(timeout=10)) == {""}


def test_a_path_that_is_not_there(tmp_path):
    with pytest.raises(SyscallError, match="inotify_add_watch"):
        Changes([tmp_path / "none"])
