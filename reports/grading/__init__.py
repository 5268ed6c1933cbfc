"""Grades from records: ``grades`` reckons them; ``tables`` (CSV), ``junit`` and ``gradescope`` write them down."""
