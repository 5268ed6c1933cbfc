"""Records written by hand, as the tests of reports have them."""

from tests.reports.conftest import told, write

__all__ = ["told", "write"]
