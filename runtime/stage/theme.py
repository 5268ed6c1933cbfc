"""How the stage looks: one colour for one meaning, beside a sign and a word.

Only the terminal's own colours are used, and of these only the ones that can be read on black and on white.
"""

from rich.style import Style

from runtime.tones import STYLES

PLAIN = Style()
STRONG = Style(bold=True)
QUIET = Style(dim=True)
ACCENT = Style(color="cyan", bold=True)  # where to look: the step, the newest output, the keys
NEWS = Style(color="magenta", bold=True)
BAD = Style(color="red", bold=True)
CURSOR = Style(reverse=True)
CHANGES = {"added": STYLES["good"], "removed": STYLES["bad"], "changed": NEWS, "same": QUIET}  # by kind of sentence
