"""Make the pictures of the stage anew (docs/images/stage-*.svg), from a real run of the UTS lab.

    .venv/bin/python docs/stage_images.py [DIRECTORY [NAME...]]

`pytest labs/ --step` runs on a terminal of its own, keys are pressed, and rich draws what the terminal then shows.
"""

import io
import os
import sys
import tempfile
import time
from collections.abc import Collection
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import pexpect
from rich.console import Console
from rich.segment import Segment, Segments
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, DIMMED_MONOKAI, TerminalTheme

from record.screen import Screen
from runtime.stage.panes import fold
from runtime.stage.tty import END_FRAME

DARK, LIGHT = DIMMED_MONOKAI, DEFAULT_TERMINAL_THEME
RUNS: tuple[tuple[str, tuple[int, int], TerminalTheme, tuple[tuple[str, str], ...]], ...] = (
    # name, size, colours, and keys with the text that is then waited for
    ("question", (100, 28), DARK, (("\r", "Enter goes on"), ("\r", "Change both names"), ("\r", "Enter answers"))),
    (
        "result",
        (132, 40),
        LIGHT,
        (
            ("\r", "Enter goes on"),
            ("\r", "Change both names"),
            ("\r", "Enter answers"),
            ("4\r", "Enter goes on"),
        ),
    ),
    ("list", (80, 24), DARK, (("/", "All steps"), ("e", "e█"), ("nter", "enter█"))),
)
FORMAT = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""


class Terminal:
    """The stage on a pseudo-terminal, and what it shows."""

    def __init__(self, columns: int, rows: int, report: str) -> None:
        self.screen = Screen(columns, rows)
        self._child: pexpect.spawn[str] = pexpect.spawn(
            sys.executable,
            [
                "-m",
                "pytest",
                "labs/",
                "--step",
                "--lab",
                "uts",
                "--choice-order",
                "source",
                "--report-dir",
                report,
                "-p",
                "no:cacheprovider",
            ],
            cwd=str(ROOT),
            env=os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
            dimensions=(rows, columns),
            encoding="utf-8",
        )

    def wait(self, text: str, seconds: float = 60) -> None:
        """Wait until a whole frame shows ``text``."""
        end, data = time.monotonic() + seconds, ""
        while not data.endswith(END_FRAME) or not any(text in line for line in self.screen.text()):
            data = self._child.read_nonblocking(65536, max(0.0, end - time.monotonic()))
            self.screen.feed(data.replace("\x1b[2m", "\x1b[90m"))  # pyte knows no dim text

    def press(self, keys: str) -> None:
        self._child.send(keys)

    def close(self) -> None:
        """Quit, and wait for the end."""
        self._child.send("\x1bq")
        self._child.expect(pexpect.EOF, timeout=60)
        self._child.close()


def svg(screen: Screen, title: str, theme: TerminalTheme) -> str:
    """What a screen shows, as a picture."""
    console = Console(
        record=True, width=screen.columns, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    for number in range(screen.top, screen.top + screen.rows):
        cursor = screen.column if number == screen.position else None
        console.print(Segments([*fold(screen.line(number), screen.columns, cursor=cursor)[0], Segment.line()]), end="")
    return console.export_svg(title=title, theme=theme, code_format=FORMAT)


def main(directory: Path, names: Collection[str]) -> None:
    for name, (columns, rows), theme, keys in RUNS:
        if names and name not in names:
            continue
        with tempfile.TemporaryDirectory() as report:
            terminal = Terminal(columns, rows, report)
            try:
                terminal.wait("Enter runs the step")
                for key, text in keys:
                    terminal.press(key)
                    terminal.wait(text)
                path = directory / f"stage-{name}.svg"
                path.write_text(svg(terminal.screen, "pytest labs/ --step --lab uts", theme))
                print(path)
            finally:
                terminal.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/images", sys.argv[2:])
