"""The commands of ``python -m reports``, one module each.

A module has ``HELP`` (one line for the list of commands), ``configure(parser)`` (its description, examples and
arguments) and ``run(options)`` (does it; returns the exit code, or raises ReportError).
"""
