"""A record may come from anybody: what is read is bounded, and whatever is wrong with it is one sentence."""

import gzip
import json
import lzma
import resource
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from record import RecordError
from record.reading import LARGE, Record, read
from reports.__main__ import main
from tests.conftest import ROOT, clean_environment
from tests.reports.conftest import END, Event, Write, event, exercise, lab, observation, process, run, step

DATA = Path(__file__).parent / "data"
DEEP: Any = json.loads("[" * 900 + "]" * 900)


def window(**data: object) -> Event:
    return event("window", window="first", step="uts/test_rename/1", what="open", data=data)


def seen(value: object) -> Event:
    return observation("after", process("first", 1) | {"state": {"/proc/PID/status": value}})


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (window(columns=10**9, rows=10**9), r"Expected `int` <= 1000 - at `\$.columns`"),
        (window(columns=0, rows=24), r"Expected `int` >= 1 - at `\$.columns`"),
        (window(columns=80, rows=-1), r"Expected `int` >= 1 - at `\$.rows`"),
        (window(columns=80.5, rows=24), r"Expected `int( \| null)?`, got `float` - at `\$.columns`"),
        (event("end", exitstatus=0, t=10**400), r"range|1000000000"),
        (event("end", exitstatus=0, t=-1), r"Expected `float` >= 0.0 - at `\$.t`"),
        (event("stage", what="next", seconds=10**400), r"range|1000000000"),
        (step(points=10**400), r"range|1000000"),
        (seen(10**400), r"a number out of range - at `\$.processes\[0\].state\['/proc/PID/status'\]`"),
        (seen({"a": [float("1e39"), -1e300]}), r"a number out of range - at"),
        (seen(DEEP), r"nested too deeply - at `\$.processes\[0\].state"),
        (event("prediction", step="uts/test_rename/1", observed=10**41, given=None, correct=None), "a number out of"),
        (event("prediction", step="uts/test_rename/1", observed=DEEP, given=None, correct=None), r"at `\$.observed"),
    ],
)
@pytest.mark.parametrize("version", [1, 2])
def test_numbers_and_depths_are_bounded(write: Write, version: int, broken: Event, says: str) -> None:
    if version == 2:
        broken = {**broken, "v": 2, **(broken["data"] if isinstance(broken.get("data"), dict) else {})}
        broken.pop("data", None)
    with pytest.raises(RecordError, match=rf"record\.jsonl, line 5: .*(?:{says}).*; the record is damaged"):
        read([write(run(), lab(), exercise(), step(), broken, END)])


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1" * 5000, "NaN", "Infinity"])
@pytest.mark.parametrize("version", [1, 2])
def test_numbers_that_no_number_holds(tmp_path: Path, version: int, number: str) -> None:
    path = tmp_path / "record.jsonl"
    broken = f'{{"v":{version},"event":"step_end","step":"a/b/1","outcome":"passed","seconds":{number}}}'
    path.write_text(f"{json.dumps(run())}\n{broken}\n{json.dumps(END)}\n")
    with pytest.raises(RecordError, match=r"record\.jsonl, line 2: "):
        read([path])


def test_a_sentence_holds_nothing_that_steers_a_terminal(write: Write) -> None:
    with pytest.raises(RecordError) as caught:
        read([write(run(), event("stage", what="\x1b]0;title\x07" + "x" * 10_000), END)])
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


def packed(path: Path, size: int, line: bytes) -> Path:
    """A record of `size` bytes in as few as can be."""
    with lzma.open(path, "wb", preset=0) if path.suffix == ".xz" else gzip.open(path, "wb", compresslevel=1) as file:
        file.write(json.dumps(run()).encode() + b"\n")
        for _ in range(size // (1 << 20)):
            file.write(line * ((1 << 20) // len(line)))
    return path


@pytest.mark.parametrize(
    ("suffix", "line"), [(".xz", b"\n"), (".gz", b"\n"), (".xz", b" "), (".gz", b'{"event":"end","exitstatus":0}\n')]
)
def test_a_small_file_that_unpacks_to_very_much(tmp_path: Path, suffix: str, line: bytes) -> None:
    """Told in one sentence, by a process that may not have 300 MB."""
    path = packed(tmp_path / f"record.jsonl{suffix}", 300 << 20, line)
    assert path.stat().st_size < 4 << 20
    memory = 300 << 20
    done = subprocess.run(
        [sys.executable, "-m", "reports", "grade", path, "--format", "csv"],
        cwd=ROOT,
        env=clean_environment(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (memory, memory)),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (4, "")
    limits = "256 MiB, 1000000 lines, 32 MiB a line"
    assert done.stderr.startswith(f"reports: {path}: larger than a record may be ({limits})")
    assert done.stderr.count("\n") == 1


# Whatever is done to a record, reading it ends well or in one sentence


@cache
def lines(name: str) -> list[bytes]:
    content = lzma.decompress((DATA / name).read_bytes()).splitlines(keepends=True)
    return content[:60] + content[-20:]


NAMES = st.sampled_from(sorted(path.name for path in DATA.iterdir()))


def survives(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    for skip in ((), LARGE):
        try:
            read([path], skip)
        except RecordError as error:
            assert str(error).isprintable()  # noqa: PT017 - it may, and need not, be raised
        try:
            for _ in Record(path, skip):
                pass
        except RecordError:
            continue


@settings(max_examples=60, deadline=None)
@given(name=NAMES, share=st.floats(0, 1))
def test_truncated(tmp_path_factory: pytest.TempPathFactory, name: str, share: float) -> None:
    content = b"".join(lines(name))
    survives(tmp_path_factory.getbasetemp() / "truncated.jsonl", content[: int(share * len(content))])


@settings(max_examples=150, deadline=None)
@given(name=NAMES, flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_flipped(tmp_path_factory: pytest.TempPathFactory, name: str, flips: list[tuple[float, int]]) -> None:
    content = bytearray(b"".join(lines(name)))
    for share, byte in flips:
        content[min(int(share * len(content)), len(content) - 1)] = byte
    survives(tmp_path_factory.getbasetemp() / "flipped.jsonl", bytes(content))


HOSTILE = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, -1, 2**31, 2**63, 2**64, 10**400, 1.5, -0.0, 1e300]),
    st.sampled_from(["", "x", "../../x", "\x1b[31m", "\ud800", "x" * 300, "<script>"]),
    st.sampled_from([[], {}, [[]], [None], {"": None}, {"a": {"a": {}}}, DEEP]),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where the values of an event stand."""
    below = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    return [path, *(place for key, item in below for place in places(item, (*path, key)))][:200]


@st.composite
def mutants(draw: st.DrawFn) -> list[bytes]:
    """A record in some of whose events a value was changed, taken away or put under another name."""
    changed = list(lines(draw(NAMES)))
    for _ in range(draw(st.integers(1, 3))):
        number = draw(st.integers(0, len(changed) - 1))
        value = json.loads(changed[number])
        *way, last = draw(st.sampled_from(places(value)[1:]))
        inside = value
        for key in way:
            inside = inside[key]
        match draw(st.sampled_from(["change", "remove", "rename", "repeat"])):
            case "change":
                inside[last] = draw(HOSTILE)
            case "rename" if isinstance(inside, dict):
                inside[draw(st.sampled_from(["x", "step", "lab", "event"]))] = inside.pop(last)
            case "repeat":
                changed.insert(draw(st.integers(0, len(changed))), changed[number])
            case _:
                del inside[last]
        changed[number] = json.dumps(value).encode() + b"\n"
    return changed


@settings(max_examples=300, deadline=None)
@given(mutant=mutants())
def test_mutated(tmp_path_factory: pytest.TempPathFactory, mutant: list[bytes]) -> None:
    survives(tmp_path_factory.getbasetemp() / "mutated.jsonl", b"".join(mutant))


@settings(max_examples=60, deadline=None)
@given(mutant=mutants())
def test_mutants_that_are_merged_and_graded(tmp_path_factory: pytest.TempPathFactory, mutant: list[bytes]) -> None:
    """The commands end with 0, or with 4 and a sentence."""
    path, other = (tmp_path_factory.getbasetemp() / name for name in ("mutant.jsonl", "sound.jsonl"))
    path.write_bytes(b"".join(mutant))
    other.write_bytes(b"".join(lines("v1.jsonl.xz")))
    made = str(tmp_path_factory.getbasetemp() / "made")
    assert main(["merge", str(path), str(other), "--mixed", "-o", made]) in (0, 4)
    assert main(["class", str(path), str(other), "-o", made]) in (0, 4)
    for form in ("csv", "junit", "gradescope"):
        assert main(["grade", str(path), "--format", form, "-o", made]) in (0, 4)
