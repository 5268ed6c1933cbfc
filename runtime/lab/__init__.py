"""What makes a lesson: labs, exercises, steps, windows, claims, predictions, and the record of a run.

A lab file needs only this package::

    from runtime.lab import Choice, Lab, needs
"""

from runtime.lab.hosts import one_host, one_processor
from runtime.lab.lesson import Lab
from runtime.lab.machine import Facts
from runtime.lab.prediction import Choice, Number, Order, Text
from runtime.lab.requirements import needs
from runtime.lab.step import Step
from runtime.lab.terminal import LOGIN_PROMPT, CommandError, WindowClosed, WindowError, WindowTimeout
from runtime.lab.window import Output, Window

__all__ = [
    "LOGIN_PROMPT",
    "Choice",
    "CommandError",
    "Facts",
    "Lab",
    "Number",
    "Order",
    "Output",
    "Step",
    "Text",
    "Window",
    "WindowClosed",
    "WindowError",
    "WindowTimeout",
    "needs",
    "one_host",
    "one_processor",
]
