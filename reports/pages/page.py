"""One page: what its template may use, and its style and script inside it with the policy that allows just these."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable
from gettext import NullTranslations
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from record.text import value_text, visible
from record.verdicts import OUTCOMES, known
from reports.text import breakable, inline, prose, size

HERE = Path(__file__).parents[1]


def environment(translations: NullTranslations) -> Environment:
    """Templates with the filters of this project: everything that is put into a page is escaped."""
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    environment.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined]
    environment.globals["known"] = known
    lesson = _lesson(translations)
    environment.filters |= {
        "visible": visible,
        "value": value_text,
        "lesson": lesson,
        "prose": lambda text: prose(lesson(text)),
        "heading": lambda text: inline(visible(lesson(text).removesuffix("."))),
        "reference": lambda text: inline(visible(lesson(text)), breakable),
        "inline": lambda text: inline(visible(lesson(text))),
        "seconds": seconds,
        "bytes": size,
        "breakable": breakable,
        "dense": lambda text: "\n".join(line for line in text.splitlines() if line.strip()),
    }
    return environment


def _lesson(translations: NullTranslations) -> Callable[[str], str]:
    """Translate a text of a lesson; the empty text is the key of a catalogue's header and stays empty."""
    return lambda text: translations.gettext(text) if text else ""


def seconds(value: float | None) -> str:
    """A duration for people: ``40 ms``, ``1.3 s``, ``2 min 05 s``."""
    if value is None:
        return "-"
    if value < 0.9995:
        return f"{value * 1000:.0f} ms"
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s"


def static(name: str) -> str:
    """The text of a file in static/, without the indentation, which is for those who read the file."""
    return re.sub(r"(?m)^[ ]+", "", (HERE / "static" / name).read_text(encoding="utf-8"))


def stylesheet(*names: str) -> str:
    """The text of style sheets, with the signs of outcomes for those that draw some: ``var(--sign-passed)``."""
    signs = "".join(f'--sign-{word.word.replace(" ", "-")}:"{word.sign}";' for word in OUTCOMES.values())
    return f":root{{{signs}}}\n" + "".join(static(name) for name in names)


def inlined(style: str, script: str) -> dict[str, object]:
    """Style, scripts and the policy that allows just them (Content Security Policy level 2, hash sources).

    `early` runs before anything is drawn: it takes the colours that somebody chose.
    """
    early = static("theme.js")
    csp = policy([style], [early, script])
    return {"style": Markup(style), "early": Markup(early), "script": Markup(script), "csp": csp}


def policy(styles: Iterable[str], scripts: Iterable[str]) -> Markup:
    """The policy that allows these blocks and nothing else."""
    rules = {
        "default-src": "'none'",
        "style-src": _hashes(styles),
        "script-src": _hashes(scripts),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return Markup("; ".join(f"{name} {value}" for name, value in rules.items()))


def _hashes(blocks: Iterable[str]) -> str:
    return " ".join(dict.fromkeys(_hash(block) for block in blocks if block))


def _hash(block: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()}'"
