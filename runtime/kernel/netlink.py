"""A netlink socket in the caller's network namespace, by pyroute2, and the error of what is asked by it. netlink(7)."""

import errno as errno_names
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeAlias

Namespace: TypeAlias = int | str  # the pid of a process in it, or a file: "/run/netns/ns1"
_open = threading.local()


class NetworkError(OSError):
    """A request that the kernel refused: .errno .strerror .attempt

    str(): "cannot add the bridge bridge0: File exists (EEXIST)". It survives pickling.
    """

    def __init__(self, errno: int, attempt: str) -> None:
        super().__init__(errno, os.strerror(errno))
        self.attempt = attempt

    def __str__(self) -> str:
        number = self.errno or 0
        return f"cannot {self.attempt}: {self.strerror} ({errno_names.errorcode.get(number, str(number))})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.errno, self.attempt)


@contextmanager
def session() -> Iterator[None]:
    """One netlink socket for all requests of this thread inside the `with`, opened by the first. Without a session each
    request opens its own, which costs about 2 ms. The thread must not change its network namespace meanwhile."""
    if hasattr(_open, "stack"):
        yield
        return
    with ExitStack() as stack:
        _open.stack, _open.route = stack, None
        try:
            yield
        finally:
            del _open.stack, _open.route


@contextmanager
def netlink(attempt: str) -> Iterator[Any]:
    """pyroute2's socket; what goes wrong becomes a NetworkError about `attempt`."""
    # Here, as the import takes 0.3 s and many runs need no network.
    from pyroute2 import IPRoute  # type: ignore[import-untyped]
    from pyroute2.netlink.exceptions import NetlinkError  # type: ignore[import-untyped]

    try:
        with session():
            if _open.route is None:
                _open.route = _open.stack.enter_context(IPRoute())
            yield _open.route
    except NetlinkError as error:
        raise NetworkError(error.code, attempt) from None
    except NetworkError:
        raise
    except OSError as error:
        raise NetworkError(error.errno or errno_names.EIO, attempt) from error


@contextmanager
def opened(namespace: Namespace) -> Iterator[int]:
    """A descriptor of a network namespace; OSError when there is none, or it may not be looked at."""
    path = f"/proc/{namespace}/ns/net" if isinstance(namespace, int) else namespace
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def suppress_errno(*numbers: int) -> Iterator[None]:
    """Go on after an OSError with one of these numbers."""
    try:
        yield
    except OSError as error:
        if error.errno not in numbers:
            raise
