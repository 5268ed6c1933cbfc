"""Observed text is shown, lesson text has a little markup, and neither is ever HTML of its own."""

import pytest

from record.text import value_text, visible
from reports.text import inline, prose


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (True, "yes"),
        ("", "(empty)"),
        ([], "(none)"),
        ([1, [2, 3]], "1 2 3"),
        ({"a": 1, "b": [2]}, "a=1 b=2"),
        ({"error": "EACCES"}, "cannot be read: EACCES"),
        ("a\nb\x00", "a\\nb\\x00"),
        (2**80, str(2**80)),
    ],
)
def test_values(value: object, text: str) -> None:
    assert value_text(value) == text


def test_a_long_value_is_cut_and_says_so() -> None:
    assert value_text("x" * 5000, limit=10) == "x" * 10 + "… (4990 characters more)"


def test_what_a_browser_would_hide_is_spelled_out() -> None:
    assert visible("\x1b[31m\u202e\u2028\U000e0001\x9b") == "\\x1b[31m\\u202e\\u2028\\U000e0001\\x9b"
    assert visible("a\tb\n", keep="\n\t") == "a\tb\n"
    assert visible("中文 é") == "中文 é"


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("one\n\ntwo", "<p>one</p>\n<p>two</p>"),
        ("a `<b>`", "<p>a <code>&lt;b&gt;</code></p>"),
        ("kernel.msg*, kernel.shm*", "<p>kernel.msg*, kernel.shm*</p>"),
        ("    code\n\n    more", "<pre class=sample tabindex=0>code\n\nmore</pre>"),
        ("a *peer group*.", "<p>a <em>peer group</em>.</p>"),
        ("<script>alert(x)</script>", "<p>&lt;script&gt;alert(x)&lt;/script&gt;</p>"),
        ("100%", "<p>100%</p>"),
        ("2 * 3 * 4", "<p>2 * 3 * 4</p>"),
        ("", ""),
    ],
)
def test_lesson_text(text: str, html: str) -> None:
    assert prose(text) == html


def test_manual_pages_and_addresses_are_links() -> None:
    assert 'href="https://man7.org/linux/man-pages/man7/uts_namespaces.7.html"' in inline("see uts_namespaces(7).")
    assert 'href="https://manpages.debian.org/aufs.5"' in inline("aufs(5)")
    assert '<a href="https://example.org/a?b=1" rel="noreferrer">' in inline("(https://example.org/a?b=1)")
    assert "<a" not in inline("javascript:alert(x) unshare(CLONE_NEWUTS) main()")
