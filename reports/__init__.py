"""Turn the record of a run into HTML that opens anywhere: offline, from a mail attachment, by ``file://``.

    >>> from pathlib import Path
    >>> from reports.pages.render import render
    >>> render([Path("reports/site/record.jsonl")], Path("reports/site"))    # doctest: +SKIP
    PosixPath('reports/site/index.html')

The record is the only source: nothing here looks at the machine. The way through the modules:

    reading    JSON lines -> Run, Lab, Exercise, Step ... (model)
    windows    what the windows printed -> lines of coloured text, moment by moment (terminal, palette)
    states     what was observed -> rows, each value once (rows, claims)
    diagrams   observations -> drawings: namespaces, network, union layers, memory, PID tree, id maps
    story      all of these -> what one page shows
    lab, index, single, comparison, classroom      pages (page: their style and script; templates/, static/)
    handout, casts, merging, grading               other things that are made of records
    render     pages -> files

What can be typed (`python -m reports`) is in commands/, one module a command.
"""

from record import RecordError


class ReportError(RecordError):
    """A report cannot be made. ``str()`` is one sentence that says why and what to do."""
