"""Whether two texts say the same: what is another number on each run (pids, inodes, times, random names) counts not.

Two texts are taken apart into words and numbers. Where they differ, both must be noise of one kind: two times of day,
two Ethernet addresses, or two numbers that are pids in their runs. So "mtu 1500" and "mtu 1400" differ, although 1500
may be the pid of some process.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from record.model import Check, Command, Exercise, Process

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<link>(?:cgroup|ipc|mnt|net|pid|time|user|uts|socket|pipe|anon_inode):\[\d+\])
    |(?P<mac>\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b)
    |(?P<local>\bfe80::[0-9a-f:]+)
    |(?P<date>\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\s+\d+\b|\b\d{4}-\d\d-\d\d\b)
    |(?P<clock>\b\d\d:\d\d(?::\d\d(?:\.\d+)?)?\b)
    |(?P<address>0x[0-9a-f]{5,})
    |(?P<name>(?:/run/unshared|/var/tmp|/tmp)?/(?:tmp\w{8}\b|unshared-\w{8}\b|pytest-of-\w+/pytest-\d+\b)
        |\b(?:tmp|lab)\.\w+|\blesson-\w{8}\b|\btest_\w+-\d+\b|\blab-\d+\b)
    |(?P<mount>^\d+\ \d+\ \d+:\d+(?=\ )|\b(?:shared|master):\d+)
    |(?P<hierarchy>^\d+(?=:[\w,=]*:/))
    |(?P<delay>\btime[= ]\d+(?:\.\d+)?\ ?ms)
    |(?P<queue>\bSigQ:\s+\d+/\d+)
    |(?P<version>\b\d+(?:\.\d+){2,}[\w.+-]*)
    |(?P<decimal>\b\d+\.\d+\b)
    |(?P<number>-?\d+)
    |(?P<word>[^\W\d]+|.)""",
    re.VERBOSE | re.MULTILINE,
)
_NOISE = {
    "space",
    "mac",
    "local",
    "date",
    "clock",
    "address",
    "name",
    "mount",
    "hierarchy",
    "delay",
    "queue",
    "decimal",
}
OF_THE_RUN = re.compile(r"pytest|^mount: \(hint\) your fstab|^ +the old version; use 'systemctl|^\[\d+\][+-]? +Done\b")
"""Lines that tell of the program that runs the lab, of the machine's systemd, or when a shell heard of a job's end."""

_TALKS_OF_PIDS = re.compile(
    r"/proc/(\d+)|\((\d+)\)|^\[\d+\] (\d+)$|(?:--target|-t|-p|--pid|Process|pid)[ =]*(\d+)"
    r"|\b(?:kill|pstree)\b[^;&|]*?(\d+)",
    re.MULTILINE,
)
_PRINTS_PIDS = re.compile(r"\bps\b|\$\$|\$!|\b(?:pgrep|pidof|jobs)\b|NSpid|NStgid|NSsid|PPid|cgroup\.procs")
_MEASURES = re.compile(
    r"\bfree\b|\bstat -|\bls -\w*i|sysvipc|meminfo|memory\.\S*(?:usage|failcnt|stat|current|peak|events)|time="
)
"""Commands whose numbers are measures and addresses: of memory, of inodes, of keys."""
_LISTS_PROCESSES = re.compile(r"\bps\b")
"""Every number of such a list is a pid, a time or a share of the processor."""
_INCIDENTAL = re.compile(r"pid|^assert \w+ == \w+$")
"""Checks of values that two places tell alike, whatever they are: two pids, two variables."""

SMALLEST = 10
"""Smaller numbers count always: a PID namespace gives them to its first processes, and lessons tell them."""
SMALLEST_IN_CHECKS = 100
"""From here on a number in a check of two observed values is one of that run only."""


@dataclass(frozen=True)
class Noise:
    """The numbers that are pids in one exercise of one run, and the name of its machine."""

    pids: frozenset[str] = frozenset()
    host: str = ""

    def parts(self, text: str, least: float) -> list[tuple[str, str]]:
        """The parts of a text, each with its kind of noise ("": none); numbers from `least` on are noise."""
        pieces = re.split(rf"(?<![\w.-])({re.escape(self.host)})(?![\w.-])", text) if self.host else [text]
        found: list[tuple[str, str]] = []
        for number, piece in enumerate(pieces):
            if number % 2:
                found.append((piece, "host"))
            else:
                found += [(token.group(), self._kind(token, least)) for token in _TOKEN.finditer(piece)]
        return found

    def sorted_lines(self, output: str, least: float) -> list[str]:
        """The lines in an order that noise has no part in."""
        lines = [line for line in output.splitlines() if not OF_THE_RUN.search(line)]
        return sorted(lines, key=lambda line: [kind or token for token, kind in self.parts(line, least)])

    def _kind(self, found: re.Match[str], least: float) -> str:
        token = found.group()
        if found.lastgroup == "link":
            return token.partition(":")[0]
        if found.lastgroup != "number":
            return found.lastgroup if found.lastgroup in _NOISE else ""
        value = abs(int(token)) if len(token) < 20 else 0
        random = 10**8 <= value < 2**33 and value % 4096  # a key, an inode, seconds since 1970; no size of memory
        return "number" if token in self.pids or value >= least or random else ""


def of(exercise: Exercise) -> Noise:
    """The noise of an exercise: the pids that were observed, typed or printed in it, and the name it began with."""
    names = [_host(process) for step in exercise.steps[:1] if step.before for process in step.before.processes]
    pids = {p.pid for step in exercise.steps for seen in (step.before, step.after) if seen for p in seen.processes}
    for command in (command for step in exercise.steps for command in step.commands):
        for found in _TALKS_OF_PIDS.finditer(f"{command.text}\n{command.output}"):
            pids.update(int(number) for number in found.groups() if number)
        if _PRINTS_PIDS.search(command.text):
            pids.update(int(number) for number in re.findall(r"\b\d{1,7}\b", command.output))
    return Noise(frozenset(str(pid) for pid in pids if pid >= SMALLEST), next(filter(None, names), ""))


def _host(process: Process) -> str:
    name = (process.state or {}).get("/proc/sys/kernel/hostname")
    return name.strip() if isinstance(name, str) else ""


@dataclass(frozen=True)
class Pair:
    """Two runs of one exercise, to be compared."""

    one: Noise
    other: Noise

    def alike(self, one: str, other: str, least: float = math.inf) -> bool:
        """Whether two texts say the same; numbers from `least` on count not."""
        if one == other:
            return True
        first, second = self.one.parts(one.strip(), least), self.other.parts(other.strip(), least)
        return len(first) == len(second) and all(
            a == b or (kind == other_kind != "") for (a, kind), (b, other_kind) in zip(first, second, strict=True)
        )

    def same_output(self, one: Command, other: Command) -> bool:
        """Whether two commands printed the same, be it in another order, and ended alike."""
        least = 0 if _LISTS_PROCESSES.search(one.text) else SMALLEST if _MEASURES.search(one.text) else math.inf
        if one.status != other.status:
            return False
        if self.alike(one.output, other.output, least):
            return True
        first, second = self.one.sorted_lines(one.output, least), self.other.sorted_lines(other.output, least)
        return len(first) == len(second) and all(self.alike(a, b, least) for a, b in zip(first, second, strict=True))

    def same_check(self, one: Check, other: Check) -> bool:
        """Whether two runs of a check saw the same. The values of one that compares by < or `in` are those of its run;
        what pytest has shortened cannot be compared."""
        if one.ok != other.ok:
            return False
        first, second = (check.values.partition("\n")[0] for check in (one, other))
        if not all(" == " in values and "..." not in values for values in (first, second)):
            return True
        return self.alike(first, second, SMALLEST if _INCIDENTAL.search(one.source) else SMALLEST_IN_CHECKS)
