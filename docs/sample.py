#!/usr/bin/env python3
"""Make reports/sample/record.jsonl.xz and the pictures of the README again.

    .venv/bin/python docs/sample.py                             # run the labs, render them, take the pictures
    .venv/bin/python docs/sample.py --record record.jsonl       # of a run that was made already
    .venv/bin/python docs/sample.py --other vm/record.jsonl     # and the picture of the comparison with that machine

The sample is the record of a real run of all labs. Pictures need chromium and selenium (./provision.sh installs them).
"""

import argparse
import base64
import lzma
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

ROOT = Path(__file__).resolve().parents[1]
SAMPLE, IMAGES = ROOT / "reports" / "sample", ROOT / "docs" / "images"

PICTURES = {  # name: (page, title of a step or address in the page, width, height, dark)
    "report-uts": ("uts.html", "Change both names", 1400, 900, False),
    "report-network": ("bridge.html", "What they have learned", 1400, 900, True),
    "report-union": ("union.html", "Delete a file from below", 1400, 900, False),
    "report-index": ("index.html", "", 1400, 900, False),
    "report-claims": ("index.html", "#/claims?q=mount&verdict=wrong,in part", 1400, 900, True),
    "report-phone": ("uts.html", "Change both names", 390, 844, False),
}


def main() -> None:
    options = parse()
    with tempfile.TemporaryDirectory(prefix="unshared-sample-") as folder:
        record = options.record or run_the_labs(Path(folder))
        packed = lzma.compress(record.read_bytes(), preset=9)
        SAMPLE.mkdir(exist_ok=True)
        (SAMPLE / "record.jsonl.xz").write_bytes(packed)
        reports("render", SAMPLE / "record.jsonl.xz", "--report-dir", folder)
        with browser() as page:
            for name, (file, place, *look) in PICTURES.items():
                picture(page, name, Path(folder, file), place, *look)
            if options.other:
                reports("compare", record, options.other, "-o", Path(folder, "compare.html"))
                picture(page, "report-compare", Path(folder, "compare.html"), "", 1400, 900, False)


def parse() -> argparse.Namespace:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--record", type=Path, help="the record of a run of all labs (default: run them now)")
    parser.add_argument("--other", type=Path, help="a record of another machine, for the picture of a comparison")
    return parser.parse_args()


def run_the_labs(folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "pytest", "labs/", "-q", "--report-dir", folder], cwd=ROOT, check=True)
    return folder / "record.jsonl"


def reports(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "reports", *arguments], cwd=ROOT, check=True)


@contextmanager
def browser() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    yield driver
    driver.quit()


def picture(page: webdriver.Chrome, name: str, file: Path, place: str, width: int, height: int, dark: bool) -> None:
    """Write docs/images/NAME.png: that place of the page, as a window of that size shows it."""
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    page.get(file.resolve().as_uri() + (place if place.startswith("#") else ""))
    if place and not place.startswith("#"):
        page.execute_script(OPEN_STEP, place)
    WebDriverWait(page, 10).until(lambda page: page.execute_script(DRAWN))
    shot = page.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    (IMAGES / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))
    print(IMAGES / f"{name}.png")


OPEN_STEP = "[...document.querySelectorAll('.steps a')].find(link => link.textContent.includes(arguments[0])).click()"
DRAWN = "return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"


if __name__ == "__main__":
    main()
