"""Turn the record of a run into HTML that opens anywhere: offline, from a mail attachment, by ``file://``.

    >>> from pathlib import Path
    >>> from reports.render import render
    >>> render([Path("reports/site/record.jsonl")], Path("reports/site"))    # doctest: +SKIP
    PosixPath('reports/site/index.html')

The record is the only source: nothing here looks at the machine. The way through the modules:

    reading    JSON lines -> Run, Lab, Exercise, Step ...
    terminal   what a window printed -> lines of coloured text
    changes    two states of a process -> rows that say what differs
    diagrams   observations -> drawings: namespaces, network, union layers, memory, PID tree, id maps
    story      all of these -> what one page shows
    render     pages -> files
"""


class ReportError(Exception):
    """A report cannot be made. ``str()`` is one sentence that says why and what to do."""
