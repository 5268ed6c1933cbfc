"""Write the pages of a run: one a lab, and the index that leads to them, each a single file that needs no other.

A page carries its style and script; a content security policy in it names both by their hashes and allows nothing
else: what was observed is text, and stays text. Pages appear whole or not at all.
"""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from gettext import NullTranslations
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports import ReportError
from reports.model import Run
from reports.reading import read
from reports.story import VERDICTS, LabStory, tell
from reports.text import breakable, inline, prose, size, value_text, visible

HERE = Path(__file__).parent


def render(records: Sequence[Path], directory: Path) -> Path:
    """Render the record files of one run into `directory`; returns the path of its index.html.

    Raises ReportError when a record cannot be read or the directory cannot be written; then no page was changed.
    """
    run = read(records)
    pages = _pages(run, NullTranslations())
    return _write(directory, pages)


def _pages(run: Run, translations: NullTranslations) -> dict[str, str]:
    """The pages by file name; the index comes last."""
    stories = tell(run)
    environment = _environment(translations)
    pages = {story.file: _lab_page(environment, run, story) for story in stories}
    style = _static("page.css") + _static("index.css")
    body = environment.get_template("index.html.j2").render(
        run=run, stories=stories, verdicts=VERDICTS, **_inlined(style, "")
    )
    return {**pages, "index.html": body}


def _lab_page(environment: Environment, run: Run, story: LabStory) -> str:
    script = _static("lab.js")
    style = _static("page.css") + _static("lab.css") + _static("drawings.css") + "\n" + story.palette.css() + "\n"
    return environment.get_template("lab.html.j2").render(
        run=run, story=story, lab=story.lab, **_inlined(style, script)
    )


def _environment(translations: NullTranslations) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined]
    lesson = _lesson(translations)
    environment.filters |= {
        "visible": visible,
        "value": value_text,
        "lesson": lesson,
        "prose": lambda text: prose(lesson(text)),
        "heading": lambda text: inline(visible(lesson(text).removesuffix("."))),
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


def _static(name: str) -> str:
    return (HERE / "static" / name).read_text(encoding="utf-8")


def _inlined(style: str, script: str) -> dict[str, object]:
    """Style, script and the policy that allows just them (Content Security Policy level 2, hash sources)."""
    policy = {
        "default-src": "'none'",
        "style-src": _hash(style),
        "script-src": _hash(script) if script else "'none'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    csp = "; ".join(f"{name} {value}" for name, value in policy.items())
    return {"style": Markup(style), "script": Markup(script), "csp": Markup(csp)}


def _hash(block: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()}'"


def _write(directory: Path, pages: dict[str, str]) -> Path:
    """Write all pages beside their places first, then move each into its place, the index last."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            written = {name: stack.enter_context(_beside(directory / name, page)) for name, page in pages.items()}
            for name, path in written.items():
                os.replace(path, directory / name)
        _remove_earlier(directory, pages)
    except OSError as error:
        raise ReportError(
            f"{directory}: the report cannot be written ({error.strerror}); name another directory with --report-dir."
        ) from None
    return directory / "index.html"


GENERATOR = '<meta name="generator" content="unshared">'
"""By this a page of ours is known."""


def _remove_earlier(directory: Path, pages: Container[str]) -> None:
    """Remove the pages of earlier runs that this run does not have; files of others stay."""
    for path in directory.glob("*.html"):
        if path.name not in pages and path.is_file() and not path.is_symlink():
            with path.open(encoding="utf-8", errors="replace") as file:
                ours = GENERATOR in file.read(2000)
            if ours:
                path.unlink()


@contextmanager
def _beside(place: Path, page: str) -> Iterator[str]:
    """A finished temporary file in the folder of `place`; one that was not moved is removed at the end."""
    descriptor, path = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
    try:
        with open(descriptor, "wb") as file:
            file.write(page.encode("utf-8", "backslashreplace"))
            os.fchmod(file.fileno(), 0o666 & ~_umask())
        yield path
    finally:
        Path(path).unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
