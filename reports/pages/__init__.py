"""The HTML pages of a report: the index, a page for each lab, and all of it in one file."""
