"""axe-core, the accessibility checker, run in a page."""

from pathlib import Path
from typing import Any

import axe_core_python
from selenium import webdriver

AXE = (Path(__import__("os").environ.get("AXE") or Path(axe_core_python.__file__).parent / "axe.min.js")).read_text(encoding="utf-8")

RUN = """
const hidden = [...document.querySelectorAll("[hidden=until-found]")];
axe.run({include: [document], exclude: hidden}, {resultTypes: ["violations"]}).then(arguments[0]);
"""


def violations(page: webdriver.Chrome) -> list[str]:
    """What breaks the rules of WCAG 2.1 A and AA, or good practice, as "rule: element"; of all that is shown.

    This axe does not know that what is hidden until found (the other steps and tabs) is not there for anybody.
    """
    page.execute_script(AXE)
    found: dict[str, Any] = page.execute_async_script(RUN)
    return [f"{broken['id']}: {node['html'][:160]}" for broken in found["violations"] for node in broken["nodes"]]
