"""One lab, checked: its rules, its run, its mutations, and its page."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from record.verdicts import OUTCOMES
from runtime.authoring import mutations, rules
from runtime.checkout import LABS, ROOT, lab_name
from runtime.kernel import inotify
from runtime.kernel.inotify import Event
from runtime.lab.claims import Catalogue, ClaimError
from runtime.lab.outline import LabOutline, read_outline
from runtime.lab.prediction import PredictionError

GOOD, BAD, ABSENT = (OUTCOMES[word].sign for word in ("passed", "failed", "unsupported"))
Say = Callable[[str], None]


class UnknownLabError(Exception):
    """There is no such lab; the message says which there are."""


def lab_file(name: str) -> Path:
    """The file of a lab, by its name (uts) or its path."""
    found = {lab_name(path): path for path in sorted(LABS.glob("test_*.py"))}
    if Path(name).is_file() and Path(name).resolve() in found.values():
        return Path(name).resolve()
    if name not in found:
        raise UnknownLabError(f"there is no lab {name!r}; there are {', '.join(found)}")
    return found[name]


def repeatedly(path: Path, mutate: bool, watch: bool, say: Say) -> bool:
    """Check, and with ``watch`` again each time that a file beside the lab is saved; whether the last one was red."""
    with inotify.Changes([LABS, LABS / "programs"], Event.CLOSE_WRITE | Event.MOVED_TO) as changes:
        while True:
            red = not check(path, mutate, say)
            if not watch:
                return red
            say("Waiting for a change in labs/ (Ctrl-C ends it).")
            while not any(name.endswith((".py", ".yaml", ".c")) for name in changes.wait()):
                pass


def check(path: Path, mutate: bool, say: Say) -> bool:
    """Check the lab in ``path``; whether all is in order. ``say`` is told a sentence for each thing."""
    began = time.monotonic()
    try:
        read_outline.cache_clear()
        lab, catalogue = read_outline(path), Catalogue.load()
    except (SyntaxError, ClaimError, PredictionError) as error:
        say(f"{BAD} {error}")
        return False
    found = rules.findings(lab, catalogue)
    for finding in found:
        say(f"{BAD} {finding}")
    say(f"{GOOD} rules: all kept" if not found else f"{BAD} rules: {len(found)} findings")
    green = _run(lab, say)
    proved = not mutate or _mutate(lab, catalogue, say)
    say(f"{time.monotonic() - began:.1f} s")
    return green and proved and not found


def _run(lab: LabOutline, say: Say) -> bool:
    command = [sys.executable, "-m", "pytest", str(lab.path), "-q", "--no-header", "--no-summary"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if result.returncode:
        say((result.stdout + result.stderr).rstrip())
        say(f"{BAD} run: red")
    else:
        say(f"{GOOD} run: {result.stdout.strip().splitlines()[-1]}; look at reports/site/{lab.name}.html")
    return result.returncode == 0


def _mutate(lab: LabOutline, catalogue: Catalogue, say: Say) -> bool:
    if os.geteuid() != 0:
        say(f"{ABSENT} mutations: they want root")
        return True
    claims = [claim for claim in catalogue.of(lab.name) if claim.mutation]
    mutants = {claim.id: mutations.mutant(claim, [lab]) for claim in claims}
    problems = [
        f"{claim.id}: its mutation has no place: `{claim.mutation.get('replace')}` must stand exactly once"
        for claim in claims
        if mutants[claim.id] is None
    ]
    with tempfile.TemporaryDirectory(prefix="unshared-mutations-") as copy:
        found = mutations.run([each for each in mutants.values() if each], Path(copy))
    problems += [
        problem for claim in claims if mutants[claim.id] and (problem := mutations.problem(claim, found.get(claim.id)))
    ]
    for problem in problems:
        say(f"{BAD} {problem}")
    unsupported = sum(verdict.verdict == "unsupported" for verdict in found.values())
    here = f", {unsupported} cannot be shown here" if unsupported else ""
    say(f"{BAD if problems else GOOD} mutations: {len(claims) - len(problems)} of {len(claims)} in order{here}")
    return not problems
