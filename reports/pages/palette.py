"""Class names for the looks of terminal text, and the style rules behind them: a page has no inline styles."""

from __future__ import annotations

from record.screen import Line, Look


class Palette:
    """The classes of one page for looks, and the style rules of the colours among them."""

    def __init__(self) -> None:
        self._colours: dict[tuple[str, str], str] = {}

    def classes(self, look: Look) -> str:
        """The class names for `look`; "" for plain text."""
        front, back = (look.back or "bg", look.front or "fg") if look.reverse else (look.front, look.back)
        names = [name for name in ("bold", "italic", "underline", "strike") if getattr(look, name)]
        if front or back:
            names.append(self._colours.setdefault((front, back), f"c{len(self._colours)}"))
        return " ".join(names)

    def spans(self, line: Line) -> list[tuple[str, str]]:
        """(text, class names) of each stretch of a line."""
        return [(text, self.classes(look)) for text, look in line]

    def css(self) -> str:
        """One rule a pair of colours; text is made lighter or darker until it can be read on its background."""
        rules = []
        for (front, back), name in self._colours.items():
            under = _COLOURS.get(back, back) or _COLOURS["bg"]
            rule = f"color:#{_readable(_COLOURS.get(front, front) or _COLOURS['fg'], under)}"
            rules.append(f".{name}{{{rule}{f';background:#{under}' if back else ''}}}")
        return "\n".join(rules)


_COLOURS = {
    "bg": "12161d", "fg": "d7dde5",
    "black": "3b4252", "red": "e06c75", "green": "8ec07c", "yellow": "d8a657",
    "blue": "6fa8ff", "magenta": "c792ea", "cyan": "5fc9cf", "white": "c8ced6",
    "brightblack": "8b94a3", "brightred": "ff8a8a", "brightgreen": "a8e08f", "brightyellow": "f2cc73",
    "brightblue": "9cc4ff", "brightmagenta": "dcb3ff", "brightcyan": "8ae6ea", "brightwhite": "ffffff",
}  # fmt: skip


def _readable(front: str, back: str) -> str:
    """`front`, mixed with white or black until its contrast with `back` is 4.5 (WCAG 2, level AA)."""
    goal = "ffffff" if contrast("ffffff", back) >= contrast("000000", back) else "000000"
    for part in range(11):
        pairs = zip(bytes.fromhex(front), bytes.fromhex(goal), strict=True)
        mixed = bytes(round(one + (other - one) * part / 10) for one, other in pairs).hex()
        if contrast(mixed, back) >= 4.5:
            return mixed
    return goal


def contrast(one: str, other: str) -> float:
    """The contrast of two colours as WCAG 2 counts it: 1 to 21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    channels = [byte / 255 for byte in bytes.fromhex(colour)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
