"""The record of a run: what happened, as events; the only source of everything that is shown.

It imports nothing of the project: labs write records (``runtime``), reports read them (``reports``), both meet here.
"""


class RecordError(Exception):
    """A record cannot be read. ``str()`` is one sentence that says why and what to do."""
