"""SyscallError: one sentence that names call, arguments, reason and remedy."""

import errno
import pickle

import pytest

from runtime.kernel import errors, syscalls
from runtime.kernel.errors import SyscallError, find_hint, user_namespace_switches
from runtime.kernel.syscalls import Clone, Mount, flag_names


def test_the_text_has_call_arguments_reason_and_hint() -> None:
    error = SyscallError(errno.EPERM, "unshare", "NEWUTS")
    assert str(error).startswith("unshare(NEWUTS): Operation not permitted (EPERM); needs CAP_SYS_ADMIN")
    assert (error.errno, error.strerror, error.call, error.arguments) == (
        1,
        "Operation not permitted",
        "unshare",
        "NEWUTS",
    )


def test_without_a_hint_the_sentence_ends_after_the_errno() -> None:
    assert str(SyscallError(errno.EIO, "mount", "a")) == "mount(a): Input/output error (EIO)"


def test_it_is_pickled_whole() -> None:
    error = SyscallError(errno.ENOSPC, "clone", "NEWPID", hint="say so")
    error.add_note("from the child")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is SyscallError
    assert str(copy) == str(error)
    assert (copy.errno, copy.hint, copy.__notes__) == (errno.ENOSPC, "say so", ["from the child"])


@pytest.mark.parametrize("call", ["unshare", "clone", "clone3"])
def test_the_limit_of_namespaces_is_explained(call: str) -> None:
    assert "32 levels" in find_hint(call, errno.ENOSPC, "NEWPID")


@pytest.mark.parametrize(
    ("path", "value", "name"),
    [
        ("/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces=0"),
        ("/proc/sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=0"),
        (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "kernel.apparmor_restrict_unprivileged_userns=1",
        ),
    ],
)
def test_the_switch_that_forbids_user_namespaces_is_named(
    path: str, value: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (sentence,) = user_namespace_switches(lambda asked: value if asked == path else "")
    assert name in sentence
    assert "to allow: sysctl" in sentence
    monkeypatch.setattr(errors, "user_namespace_switches", lambda: [sentence])
    assert sentence in str(SyscallError(errno.EPERM, "unshare", flag_names(Clone, Clone.NEWUSER | Clone.NEWPID)))
    assert sentence not in str(SyscallError(errno.EPERM, "unshare", "NEWPID"))


def test_open_switches_give_another_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "user_namespace_switches", list)
    assert "chrooted" in find_hint("clone", errno.EPERM, "NEWUSER")


def test_flag_names() -> None:
    assert flag_names(Clone, Clone.NEWUTS | Clone.NEWNS) == "NEWNS|NEWUTS"
    assert flag_names(Clone, 0) == "0"
    assert flag_names(Clone, 1 | Clone.NEWIPC) == "NEWIPC|0x1"
    assert flag_names(Mount, Mount.REC | Mount.PRIVATE) == "REC|PRIVATE"


def test_refused_calls_name_themselves() -> None:
    with pytest.raises(SyscallError, match=r"^unshare\(0x1\): Invalid argument \(EINVAL\)") as unknown:
        syscalls.unshare(1)
    assert unknown.value.errno == errno.EINVAL
    with pytest.raises(SyscallError, match=r"^setns\(-1, NEWUTS\): Bad file descriptor \(EBADF\)"):
        syscalls.setns(-1, Clone.NEWUTS)
    with pytest.raises(SyscallError, match=r"^umount2\(/nowhere, 2\): .*\(ENOENT\)|EPERM"):
        syscalls.umount2("/nowhere", syscalls.MNT_DETACH)
    with pytest.raises(SyscallError, match=r"^pidfd_open\(-1, 0\): Invalid argument"):
        syscalls.pidfd_open(-1)
    with pytest.raises(ValueError, match="no capability is called 'CAP_TIME_TRAVEL'"):
        syscalls.drop_bounding(["CAP_TIME_TRAVEL"])


def test_personality_asks_without_a_change() -> None:
    assert syscalls.personality(syscalls.PERSONALITY_QUERY) == syscalls.personality(syscalls.PERSONALITY_QUERY)
    assert syscalls.personality(syscalls.PERSONALITY_QUERY) >= 0
