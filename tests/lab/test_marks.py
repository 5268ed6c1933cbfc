"""The marks of shell integration are found in any cut of the bytes, and only with the secret word."""

import pytest

from runtime.lab.marks import Continuation, MarkParser, Prompt, Running, environment

STREAM = b"\x1b]133;C;17;word\x07hello\r\n\x1b]133;D;3;17;word\x07root@vm:~# \x1b]133;P;word\x07> "
PARTS = [Running(17), b"hello\r\n", Prompt(3, 17), b"root@vm:~# ", Continuation(), b"> "]


def joined(parts):
    """Neighbouring pieces of text as one."""
    result = []
    for part in parts:
        if isinstance(part, bytes) and result and isinstance(result[-1], bytes):
            result[-1] += part
        else:
            result.append(part)
    return result


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_marks_in_pieces(size):
    parser = MarkParser("word")
    pieces = [STREAM[start : start + size] for start in range(0, len(STREAM), size)]
    assert joined([part for piece in pieces for part in parser.feed(piece)]) == PARTS


@pytest.mark.parametrize("forged", [b"\x1b]133;C;1;other\x07", b"\x1b]133;D;0;1;other\x07", b"\x1b]133;D;0;1\x07"])
def test_a_mark_without_the_word_is_text(forged):
    assert joined(MarkParser("word").feed(forged + b"x")) == [forged + b"x"]


def test_an_escape_at_the_end_is_kept_for_later():
    parser = MarkParser("word")
    assert list(parser.feed(b"red \x1b")) == [b"red "]
    assert list(parser.feed(b"[31m")) == [b"\x1b[31m"]


def test_the_word_stands_in_all_variables():
    assert all("word" in value for name, value in environment("word").items() if name not in ("PROMPT", "PS1"))
