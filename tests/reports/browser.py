"""Debian's chromium for tests, driven by selenium."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver

from reports.pages.render import render

REAL = Path(__file__).parent / "data" / "record.jsonl"
"""The record of a real run of the first labs, as `pytest labs/` wrote it."""
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

needs_chromium = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no chromium: apt install chromium chromium-driver"
)

QUIET = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render([REAL], tmp_path_factory.mktemp("site")).parent


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for argument in (*QUIET, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


Open = Callable[..., webdriver.Chrome]


@pytest.fixture
def opened(browser: webdriver.Chrome, site: Path) -> Iterator[Open]:
    """``opened("uts.html#step-x", width=1400)``; at the end nothing may stand in the console or have left the page."""

    def opened(page: str, width: int = 1400, dark: bool = False, folder: Path = site) -> webdriver.Chrome:
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get("about:blank")
        browser.get((folder / page.partition("#")[0]).as_uri() + page[len(page.partition("#")[0]) :])
        return browser

    browser.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": "file://", "storageTypes": "local_storage"})
    drain(browser)
    yield opened
    console, addresses = drain(browser)
    assert console == []
    assert [address for address in addresses if not address.startswith(("file://", "data:", "about:"))] == []


def drain(browser: webdriver.Chrome) -> tuple[list[Any], list[str]]:
    """(console messages that tell of something wrong, addresses asked for) since the last call."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    return [entry for entry in browser.get_log("browser") if entry["level"] != "DEBUG"], sent
