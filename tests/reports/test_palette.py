"""Class names and style rules for the looks of terminal text."""

import pytest

from record.screen import PLAIN, Look
from reports.pages.palette import Palette, contrast


def test_a_class_for_each_pair_of_colours() -> None:
    palette = Palette()
    assert palette.classes(PLAIN) == ""
    assert palette.classes(Look(front="red", bold=True)) == "bold c0"
    assert palette.classes(Look(front="red")) == "c0"
    assert palette.classes(Look(front="red", reverse=True)) == "c1"
    assert palette.css().count("{") == 2


@pytest.mark.parametrize("look", [Look(front="000000"), Look(front="000080"), Look(front="777777", back="888888")])
def test_text_can_be_read_on_its_background(look: Look) -> None:
    palette = Palette()
    palette.classes(look)
    front = palette.css().split("color:#")[1][:6]
    assert contrast(front, look.back or "12161d") >= 4.5
