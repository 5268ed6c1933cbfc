"""Give the terminal back where the stage could not do it: somebody has killed it, perhaps from its own shell."""

import os
import signal
import termios
from collections.abc import Callable
from typing import Any

from runtime.stage.tty import LEAVE_SCREEN


def kept(run: Callable[[], int], screen: bool) -> int:
    """The exit code of ``run``, which has the terminal; ``screen``: it may have switched to the second screen."""
    modes = termios.tcgetattr(1)
    code = 255
    try:
        code = run()
        return code
    finally:
        if code > 128:
            _restore(modes, screen)


def _restore(modes: list[Any], screen: bool) -> None:
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])  # it would stop a pytest in the background
    try:
        if screen:
            os.write(1, LEAVE_SCREEN.encode())
        termios.tcsetattr(1, termios.TCSANOW, modes)
    except (OSError, termios.error):  # the terminal is gone as well
        pass
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
