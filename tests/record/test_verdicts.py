"""One table of words and signs; nothing that shows them has some of its own."""

import re
from pathlib import Path

import pytest
from rich.cells import cell_len

from record.verdicts import ANSWERS, EXPECTED, OUTCOMES, VERDICTS, WORDS, answer, known, worst
from runtime import tones

ROOT = Path(__file__).parents[2]
SHOWN = [
    path
    for room in ("runtime", "reports", "record")
    for path in sorted((ROOT / room).rglob("*"))
    if path.suffix in (".py", ".j2", ".js", ".css") and path.name != "verdicts.py"
]
BY_HAND = re.compile("[✓✔✗✘≠≈Δ○‖□★☆]")


def test_each_word_has_a_sign_of_its_own_one_column_wide() -> None:
    signs = [word.sign for word in WORDS.values()]
    assert len(set(signs)) == len(signs)
    assert {cell_len(sign) for sign in signs} == {1}


def test_each_sign_can_be_searched_for() -> None:
    assert {word.sign for word in WORDS.values()} - set("=-»") <= set(BY_HAND.pattern)


def test_a_word_of_two_tables_looks_the_same_in_both() -> None:
    for name in OUTCOMES.keys() & VERDICTS.keys():
        assert (OUTCOMES[name].sign, OUTCOMES[name].tone) == (VERDICTS[name].sign, VERDICTS[name].tone)


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_other_file_has_signs_of_its_own(path: Path) -> None:
    assert BY_HAND.findall(path.read_text(encoding="utf-8")) == []


def test_terminal_and_page_know_every_tone() -> None:
    style = " ".join((ROOT / "reports" / "static" / "page.css").read_text().split())
    for word in WORDS.values():
        assert word.tone in tones.STYLES
        assert f".t-{word.tone} {{ color: var(--{word.tone}); }}" in style
        assert f".badge.t-{word.tone} {{ background: var(--{word.tone}-soft); }}" in style


def test_what_a_catalogue_may_expect_is_a_verdict() -> None:
    assert set(EXPECTED) < set(VERDICTS)


def test_a_word_of_a_later_version_is_shown_as_it_is() -> None:
    assert (known("postponed").word, known("postponed").sign) == ("postponed", "?")


def test_the_worst_outcome_stands_for_several() -> None:
    assert worst(["passed", "unsupported"]) == "passed"
    assert worst(["passed", "interrupted", "failed"]) == "failed"
    assert worst([]) == "not run"


def test_an_answer_is_right_or_not_or_not_given() -> None:
    assert [answer(each).word for each in (True, False, None)] == list(ANSWERS)
