"""How soon can one work with a report, and what does it cost to render one?

Three figures, from a record that is real in content and synthetic in size (tests/reports/enlarge.py):

- Time to interactive of the page of a lab with many steps, against a report of pytest-html with as many rows that hold
  the same texts. The clock starts with the navigation. It stops when the first row is shown and has answered: our page
  to the key j with the next step, the other to a click on the row with its details. Both in turn in one chromium.
- Python time for each step, rendered in a page of 15 steps and in one of many.
- The longest frame while the list of steps is scrolled through from top to bottom.

pytest-html is installed from PyPI into a virtual environment of its own.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

from benchmarks.paired import report
from reports.pages.render import render
from tests.reports.enlarge import write

QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")

CLOCK = """
const begin = () => document.querySelector(%(shown)r)?.checkVisibility() && (document.readyState === "complete");
const poll = () => begin() ? (act(), answer()) : requestAnimationFrame(poll);
const act = () => { %(act)s };
const answer = () => (%(answered)s) ? window.interactive = performance.now() : requestAnimationFrame(answer);
poll();
"""
OURS = CLOCK % {
    "shown": ".step.current h2",
    "act": "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'j', bubbles: true}))",
    "answered": "document.querySelector('.step.current')?.id === '/step/2'",
}
THEIRS = CLOCK % {
    "shown": ".results-table-row",
    "act": "document.querySelector('.collapsible td:not(.col-links)').click()",
    "answered": "document.querySelector('.extras-row:not(.hidden)')",
}

SCROLL = """
const [done] = arguments, list = document.querySelector(".steps"), frames = [];
let last = performance.now();
const next = (now) => {
  frames.push(now - last);
  last = now;
  list.scrollTop += list.scrollHeight / 120;
  if (list.scrollTop + list.clientHeight < list.scrollHeight - 1) requestAnimationFrame(next);
  else done(frames.slice(1));
};
requestAnimationFrame(next);
"""


def texts_of(record: Path) -> list[str]:
    """What a row of another report would hold of each step: its text, and the output of its commands."""
    texts: dict[str, list[str]] = {}
    for event in map(json.loads, record.read_text(encoding="utf-8").splitlines()):
        if event["event"] == "step":
            texts[event["step"]] = [event["title"], event["text"], event["source"]["text"]]
        elif event["event"] == "command":
            texts.get(event["step"], []).append(f"$ {event['text']}\n{event['output']}")
        elif event["event"] == "check":
            texts.get(event["step"], []).append(f"{event['source']}\n{event['values']}")
    return ["\n".join(parts) for parts in texts.values()]


def pytest_html(texts: list[str], folder: Path, environment: Path) -> Path:
    """The report that pytest-html makes of tests that print these texts."""
    python = environment / "bin" / "python"
    if not python.exists():
        venv.create(environment, with_pip=True)
    subprocess.run(
        [python, "-m", "pip", "install", "-q", "pytest", "pytest-html"], check=True, stderr=subprocess.DEVNULL
    )
    folder.mkdir()
    (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    (folder / "test_steps.py").write_text(
        "import json, pathlib, pytest\n"
        "TEXTS = json.loads(pathlib.Path(__file__).with_name('texts.json').read_text())\n"
        "@pytest.mark.parametrize('number', range(len(TEXTS)))\n"
        "def test_step(number):\n    print(TEXTS[number])\n"
    )
    command = [python, "-m", "pytest", "-q", "--html=report.html", "--self-contained-html", "test_steps.py"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return folder / "report.html"


def interactive(browser: webdriver.Chrome, page: Path, clock: str) -> float:
    """Seconds from the navigation to the answer."""
    browser.get("about:blank")
    script = f"addEventListener('DOMContentLoaded', () => {{ {clock} }})"
    added = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
    browser.get(page.as_uri())
    WebDriverWait(browser, 120, 0.05).until(lambda browser: browser.execute_script("return window.interactive"))
    browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
    return float(browser.execute_script("return window.interactive")) / 1000


def rendering(record: Path, folder: Path, steps: int) -> float:
    """Seconds of Python for each step."""
    start = time.process_time()
    render([record], folder)
    return (time.process_time() - start) / steps


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path, help="a record that `pytest labs/` wrote")
    parser.add_argument("--steps", type=int, default=1000, help="steps of the large page (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=5, help="watched in each observation (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=5, help="loads of each page, in turn (default: %(default)s)")
    parser.add_argument("--venv", type=Path, help="keep the environment of pytest-html here for the next time")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        small = write(options.record, home / "small.jsonl", 15, options.processes)
        large = write(options.record, home / "large.jsonl", options.steps, options.processes)
        render([small], home / "small")  # for the caches
        each = rendering(small, home / "small", 15), rendering(large, home / "large", options.steps)
        print("Python time for each step")
        report(f"page of {options.steps} steps", each[1], "page of 15 steps", each[0])
        page = home / "large" / "uts.html"
        theirs = pytest_html(texts_of(large), home / "peer", options.venv or home / "venv")
        browser_options = webdriver.ChromeOptions()
        browser_options.binary_location = shutil.which("chromium") or ""
        for argument in (*QUIET, f"--user-data-dir={home / 'profile'}", "--window-size=1400,900"):
            browser_options.add_argument(argument)
        browser = webdriver.Chrome(
            options=browser_options, service=webdriver.ChromeService(shutil.which("chromedriver"))
        )
        try:
            pairs = [
                (interactive(browser, page, OURS), interactive(browser, theirs, THEIRS)) for _ in range(options.runs)
            ]
            own, other = (statistics.median(times) for times in zip(*pairs, strict=True))
            sizes = [path.stat().st_size / 1e6 for path in (page, theirs)]
            print(f"Time to interactive, medians of {options.runs}; pages of {sizes[0]:.1f} MB and {sizes[1]:.1f} MB")
            report(f"unshared, {options.steps} steps", own, f"pytest-html, {options.steps} rows", other)
            browser.get(page.as_uri())
            frames = browser.execute_async_script(SCROLL)
            print(f"Scrolling the steps: {len(frames)} frames, median {statistics.median(frames):.0f} ms, "
                  f"longest {max(frames):.0f} ms")  # fmt: skip
        finally:
            browser.quit()
    return 0


if __name__ == "__main__":
    sys.exit(main())
