"""The drawings on a page: their text is there, at every width, in both colour schemes, and nothing sticks out."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from selenium.webdriver.common.by import By

from record.model import Process
from reports.pages.render import render
from tests.reports.browser import Open, needs_chromium
from tests.reports.conftest import END, Event, Write, event, exercise, exercise_end, lab, run, step, step_end
from tests.reports.diagrams.states import (
    ALL,
    BRANCHES,
    DELETED,
    MERGED,
    MIB,
    PLUGGED,
    UNPLUGGED,
    WITHOUT,
    State,
    ids,
    memory,
    memory_2,
    one,
    pids,
    text,
    union,
)
from tests.reports.diagrams.test_images import BLOB, LAYERDB, A, C, config, layerdb
from tests.reports.test_render import HOSTILE, Page

pytestmark = [pytest.mark.browser, needs_chromium]

Moment = list[Process]
MANY = {f"folder/file-{number}.txt": text("x") for number in range(9)}
SWAP = "/sys/fs/cgroup/memory/PATH/memory.stat"


def two(*states: State) -> Moment:
    return [
        one(label, 10 + n, state) for n, (label, state) in enumerate(zip(("first", "second"), states, strict=False))
    ]


STEPS: list[tuple[str, Moment, Moment]] = [
    ("A cable", two(*UNPLUGGED), two(*PLUGGED)),
    ("Unplug it", two(*PLUGGED), two(*UNPLUGGED)),
    ("Delete a file", two(union(BRANCHES, MERGED)), two(union(DELETED, WITHOUT))),
    ("Many files", two(union([{}, {}, {}], None)), two(union([MANY, {}, MANY], MANY))),
    ("Fill it", two(memory(0, 8 * MIB)), two(memory(7 * MIB, 8 * MIB, 23, 1, **{SWAP: {"swap": 12 * MIB}}))),
    ("The same in version 2", two(memory_2(0, "max")), two(memory_2(8 * MIB, 8 * MIB, 12 * MIB, 16 * MIB, 5))),
    ("Image layers", two({"/read": "1"}), two({BLOB: config(A, C), LAYERDB: layerdb(**{"a" * 64: (A, "")})})),
    ("Go down", two(pids("pid:[1]", 9), pids("pid:[1]", 8)), two(pids("pid:[3]", 9, 5, 1), pids("pid:[2]", 8, 3))),
    (
        "Map ids",
        two(ids("user:[1]", ALL), ids("user:[1]", ALL)),
        two(ids("user:[2]", [[0, 4294900000, 10], [10, 100, 65536]], []), ids("user:[1]", ALL)),
    ),
]


def record(steps: list[tuple[str, Moment, Moment]] = STEPS) -> list[Event]:
    events: list[Event] = [run(), lab(), exercise()]
    for number, (title, before, after) in enumerate(steps, 1):
        events.append(step(number, title=title))
        for when, moment in (("before", before), ("after", after)):
            shown = msgspec.to_builtins(moment)
            events.append(event("observation", step=f"uts/test_rename/{number}", when=when, processes=shown))
        events.append(step_end(number))
    return [*events, exercise_end(), END]


@pytest.fixture
def drawn(write: Write, tmp_path: Path) -> Path:
    return render([write(*record())], tmp_path / "drawn").parent


WORDS = [
    ["net:[1]", "bridge0", "10.1.1.1/24", "DOWN → UP", "vethb1", "new", "in 7 +7 · out 8 +8 packets", "ns1", "veth1"],
    ["veth1", "gone"],
    ["Branch-0", "upper", "004.txt", "whiteout", "from Branch-2", "hidden", "gone"],
    ["folder/file-8.txt", "from Branch-0"],
    ["/test", "7 MiB", "+ 12 MiB swap", "limit 8 MiB", "limit met 23 times", "1 killed: out of memory"],
    ["cgroup version 2", "no limit", "24 MiB with swap", "limit met 5 times"],
    [f"images ({'1' * 12})", "a" * 12, "found in layerdb", "not in layerdb", "files in ffffffffffff", "new"],
    ["where the observer is", "pid:[3]", "level 2", "Two boxes of one level may be the same"],
    ["user ids", "4294900000", "65545", "65635", "group ids", "empty: no id is mapped"],
]


@pytest.mark.parametrize("width", [360, 1400])
@pytest.mark.parametrize("dark", [False, True])
def test_every_drawing_can_be_read(opened: Open, drawn: Path, width: int, dark: bool) -> None:
    page = opened("uts.html", width, dark, drawn)
    contrast = (Path(__file__).parents[1] / "contrast.js").read_text()
    for number, words in enumerate(WORDS, 1):
        page.get("about:blank")
        page = opened(f"uts.html#/step/{number}/state", width, dark, drawn)
        figures = page.find_elements(By.CSS_SELECTOR, ".step.current .picture")
        assert figures, number
        shown = " ".join(" ".join(figure.text.split()) for figure in figures)
        assert [word for word in words if word not in shown] == []
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
        assert page.execute_script(STICKS_OUT) == []
        assert page.execute_script(contrast) == []


STICKS_OUT = """
const out = [];
for (const figure of document.querySelectorAll(".step.current .picture")) {
  const frame = figure.getBoundingClientRect();
  for (const part of figure.querySelectorAll("svg, text, td, th, li, p, div, rect, circle")) {
    const box = part.getBoundingClientRect();
    if (box.width && (box.left < frame.left - 1 || box.right > frame.right + 1)) out.push(part.outerHTML.slice(0, 80));
  }
  for (const cell of figure.querySelectorAll("td, th, li"))
    if (cell.scrollWidth > cell.clientWidth + 1) out.push("too long: " + cell.textContent);
}
return out;
"""


def test_one_layout_of_the_network_at_a_time(opened: Open, drawn: Path) -> None:
    for width, shown in ((3840, ["net wide"]), (360, ["net narrow"])):
        page = opened("uts.html#/step/1/state", width, folder=drawn)
        drawings = page.find_elements(By.CSS_SELECTOR, ".step.current svg.net")
        assert [svg.get_attribute("class") for svg in drawings if svg.is_displayed()] == shown


def test_names_from_outside_stay_text(write: Write, tmp_path: Path) -> None:
    hostile: dict[str, Any] = {"ifname": HOSTILE, "kind": HOSTILE, "state": HOSTILE}
    network = [net | {"ip link": [device | hostile for device in net["ip link"]]} for net in PLUGGED]
    files = [{HOSTILE: text(HOSTILE)}, {}, {}]
    steps = [
        ("Network", two(*UNPLUGGED), two(*network)),
        ("Union", two(union(BRANCHES, None)), two(union(files, files[0]))),
        ("Memory", two(memory(0, MIB, group=HOSTILE)), two(memory(MIB, MIB, group=HOSTILE))),
        ("Pids", [], [one(HOSTILE, 1, pids("pid:[2]", 9, 1, name=HOSTILE))]),
    ]
    whole = (render([write(*record(steps))], tmp_path / "drawn").parent / "uts.html").read_text()
    drawings = re.findall(r'(?s)<script type="text/html"[^>]*>(.*?)</script>', whole)
    assert len(drawings) >= len(steps)
    page = Page("".join(drawings))
    assert [tag for tag, _ in page.elements if tag == "img"] == []
    assert [
        name for _, attributes in page.elements for name in attributes if name.startswith("on") or name == "style"
    ] == []
    assert page.text.count("alert(x)") > 8


def test_drawings_have_a_title_and_a_description(opened: Open, drawn: Path) -> None:
    page = opened("uts.html#/step/1/state", folder=drawn)
    names = """return [...document.querySelectorAll('.step.current svg.net')].map((svg) =>
        [...svg.children].slice(0, 2).map((element) => `${element.localName}: ${element.textContent}`))"""
    assert page.execute_script(names) == [["title: Network", "desc: 2 network namespaces, 1 cable"]] * 2
