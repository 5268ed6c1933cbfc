"""Texts of a lab stand as indented blocks in its source."""

import pytest

from runtime.lab.texts import clean


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ("one line", "one line"),
        ("", ""),
        ("\n        two lines\n        of one paragraph\n    ", "two lines of one paragraph"),
        ("\n    first\n\n    second\n    goes on\n", "first\n\nsecond goes on"),
        ("\n    run:\n\n        cat \\\n          file\n\n    look\n", "run:\n\n    cat \\\n      file\n\nlook"),
    ],
)  # fmt: skip
def test_a_block_becomes_paragraphs(block, text):
    assert clean(block) == text
