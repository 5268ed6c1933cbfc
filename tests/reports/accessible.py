"""axe-core, the accessibility checker, run in a page."""

from pathlib import Path
from typing import Any

import axe_core_python
from selenium import webdriver

AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")

RUN = """
for (const unseen of document.querySelectorAll("[hidden=until-found], details:not([open]) > :not(summary)"))
  unseen.style.display = "none";
axe.run({resultTypes: ["violations"]}).then(arguments[0]);
"""


def violations(page: webdriver.Chrome) -> list[str]:
    """What breaks the rules of WCAG 2.1 A and AA, or good practice, as "rule: element"; of all that is shown.

    What a browser hides but can find (the other steps and tabs, folded details) is taken out first: this axe would
    take it for shown.
    """
    page.execute_script(AXE)
    found: dict[str, Any] = page.execute_async_script(RUN)
    return [f"{broken['id']}: {node['html'][:160]}" for broken in found["violations"] for node in broken["nodes"]]
