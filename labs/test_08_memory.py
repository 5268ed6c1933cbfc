"""Memory cgroups: limits, swap and the OOM killer.

A cgroup counts the memory of a group of processes and sets a limit to it. The notes show it on one small example: make
a cgroup, put a shell into it, lower the limit, and see the memory go to swap - or the processes die. This lab runs that
example file by file, and asks each time what has changed since it was written.

There are two versions of cgroups, and a machine has the memory controller in one of them. The exercises come in twins:
first version 1, as in the notes, then version 2, which new systems use. Those of the other version end as "unsupported"
and tell how to get a machine that can show them. So do the exercises that need swap, where no swap is on. Swap belongs
to the whole machine, so no exercise switches it on or off; "no swap" is always said to one cgroup alone.

The program that fills the memory is eat: "./eat 20" touches 20 MiB, page by page, and ends. "./eat 20 hold" keeps them
until its input ends; each line of input makes it touch all of them once more.
"""

import mmap
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.kernel import cgroups, proc
from runtime.kernel.cgroups import Cgroup
from runtime.lab import Choice, Lab, Number, Window, needs

pytestmark = [needs("root", "gcc")]

PAGE = mmap.PAGESIZE
MIB = 1024 * 1024
SLACK = 64 * PAGE * (os.cpu_count() or 1)  # each CPU may hold back counts of up to 64 pages before memory.stat has them

V1 = "/sys/fs/cgroup/memory/PATH"  # PATH is the cgroup of the process that is looked at
V2 = "/sys/fs/cgroup/PATH"
V1_FILES = [
    f"{V1}/{name}"
    for name in (
        "memory.usage_in_bytes",
        "memory.limit_in_bytes",
        "memory.memsw.usage_in_bytes",
        "memory.failcnt",
        "memory.oom_control",
        "memory.stat",
    )
]
V2_FILES = [
    f"{V2}/{name}"
    for name in (
        "memory.current",
        "memory.max",
        "memory.swap.current",
        "memory.swap.max",
        "memory.events",
        "memory.stat",
    )
]


# ---------------------------------------------------------------- The place of an exercise


@pytest.fixture(scope="module")
def eat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program eat, compiled once."""
    program = tmp_path_factory.mktemp("programs") / "eat"
    source = Path(__file__).parent / "programs" / "eat.c"
    subprocess.run(["gcc", "-O1", "-o", program, source], check=True)
    return program


@pytest.fixture
def v1(lab: Lab, eat: Path) -> Iterator[Cgroup]:
    """A cgroup for this exercise alone, in the memory tree of version 1; removed at the end with all that is in it."""
    with place(lab, eat, 1) as group:
        yield group


@pytest.fixture
def v2(lab: Lab, eat: Path) -> Iterator[Cgroup]:
    """The same in the tree of version 2."""
    with place(lab, eat, 2) as group:
        yield group


@pytest.fixture
def big(lab: Lab) -> Iterator[Path]:
    """A file of 24 MiB, all zeros, of which nothing is in the page cache. On a tmpfs it would be nowhere else."""
    for directory in ("/var/tmp", "/tmp", str(lab.programs)):
        kind = subprocess.run(["stat", "-f", "-c", "%T", directory], capture_output=True, text=True, check=True).stdout
        if kind.strip() not in ("tmpfs", "ramfs") and os.access(directory, os.W_OK):
            with tempfile.NamedTemporaryFile(dir=directory, prefix="unshared-") as file:
                file.truncate(24 * MIB)
                yield Path(file.name)
            return
    lab.unsupported("there is no directory on a disk to write to", "make /tmp or /var/tmp one on a disk")


HOW = {
    1: "use the VM (vagrant up); in one of your own boot with systemd.unified_cgroup_hierarchy=0 (Debian 12)",
    2: "use the VM v2 (vagrant up v2; pytest labs/ --target vm:v2)",
}


def place(lab: Lab, eat: Path, version: int) -> Cgroup:
    """Make the cgroup and bring eat; where that cannot be done the exercise ends as unsupported."""
    here = lab.facts.can[f"cgroup v{version}"]
    if not here.ok:
        lab.unsupported(here.reason, here.how)
    try:
        tree = cgroups.hierarchy("memory")
        if tree.version != version:
            lab.unsupported(f"the memory controller is on cgroup v{tree.version} here", HOW[version])
        shutil.copy(eat, lab.directory)
        return cgroups.create("memory", f"{lab.directory.name}-{os.getpid()}")
    except cgroups.NoControllerError as error:
        lab.unsupported(str(error), HOW[version])
    except OSError as error:
        lab.unsupported(f"no memory cgroup can be made here: {error.strerror}", HOW[version])
    raise AssertionError("lab.unsupported() returned")


# ---------------------------------------------------------------- Where it is


def test_where_the_controller_is(lab: Lab) -> None:
    """Where the memory controller is.

    The notes find the controller at /sys/fs/cgroup/memory, mounted there by systemd. Look whether it is there today.
    """
    first = lab.window("first")

    with lab.step(
        "One tree for each controller, or one for all",
        "stat -f tells which file system lies at a path, mount lists all that are mounted, and the file "
        "/proc/self/cgroup has a line for each tree.",
        why="In version 1 every controller has a tree of its own, a file system of the type cgroup; the start-up "
        "program of the machine mounts them below /sys/fs/cgroup, which is then a small tmpfs. In version 2 "
        "/sys/fs/cgroup itself is the only tree, of the type cgroup2, and the memory files stand in its directories "
        "next to those of all other controllers (cgroups(7)). Debian since 11, Ubuntu since 21.10 and Fedora since "
        "31 use version 2 if they are not told otherwise.",
        hint="tmpfs is a directory for other mounts; cgroup2fs is the tree of version 2 itself.",
        watch=[first],
        files=["/proc/mounts", "/proc/filesystems"],
        claims=["mem-01"],
        ask=Choice("What does `stat -f -c %T /sys/fs/cgroup` print on this machine?", "tmpfs", "cgroup2fs", "sysfs"),
    ) as step:
        unified = lab.facts.cgroup == "v2"
        top = first.run("stat -f -c %T /sys/fs/cgroup")
        step.answer(top)
        tree = first.run("stat -f -c %T /sys/fs/cgroup/memory")
        mounted = first.run("mount -t cgroup,cgroup2")
        own = first.run("grep -w memory /proc/self/cgroup")
        assert top == ("cgroup2fs" if unified else "tmpfs")
        assert tree.status == (1 if unified else 0)
        assert bool(re.search(r"on /sys/fs/cgroup/memory type cgroup \(.*\bmemory\b", mounted)) is not unified
        assert (own.status == 0) is not unified
        assert "cgroup2" in first.run("cat /proc/filesystems")


def test_a_directory_full_of_files(lab: Lab, v1: Cgroup) -> None:
    """A cgroup is a directory, and the kernel fills it.

    The notes make a directory and find 27 files in it at once. Nobody wrote them.
    """
    first, second = lab.window("first"), lab.window("second")
    first.run(f"cd {v1.path}")
    test = Cgroup(v1.path / "test", 1)

    with lab.step(
        "mkdir makes a cgroup",
        "The first window makes the directory test and lists it. rmdir takes it away, full as it is, and it is made "
        "again. Then the shell of the second window is put into it.",
        why="The files are no files on a disk. Each is a window to a number in the kernel, made by the controller "
        "together with the directory, and rmdir removes the cgroup, not the files (cgroups(7)). A file of version 1 "
        "is named after its controller; those without memory. in front belong to every cgroup.",
        watch=[first, second],
        files=[V1, *V1_FILES],
        claims=["mem-02"],
        ask=Choice(
            "A directory has just been made with mkdir. What does ls find in it?", "nothing", "a few dozen files"
        ),
    ) as step:
        assert first.run("ls test", status=2).status == 2
        first.run("mkdir test")
        files = first.run("ls test").split()
        step.answer("a few dozen files" if len(files) >= 24 else "nothing")
        assert set(files) >= NOTES_FILES
        assert first.run("rmdir test; ls test", status=2).status == 2
        first.run("mkdir test")
        second.run(f"echo $$ > {test.path}/cgroup.procs")
        assert first.run("cat test/cgroup.procs") == str(second.pid)

    with lab.step(
        "Four files more than in the notes",
        "The listing of the notes has no file with memsw in its name. These count memory and swap together. See "
        "which limits can be set for the two.",
        why="A limit for memory alone only moves the excess to swap. memory.memsw.limit_in_bytes limits the sum, so "
        "it can never be below the limit for memory: EINVAL. The accounting of swap cost a little memory, so old "
        "distributions left it switched off (swapaccount=1 switched it on); since Linux 6.1 it is always on. Version "
        "2 has no limit for the sum: memory.swap.max counts swap alone.",
        hint="memsw is the sum of memory and swap.",
        watch=[second],
        files=[*V1_FILES, f"{V1}/memory.memsw.limit_in_bytes", f"{V1}/memory.memsw.max_usage_in_bytes"],
        claims=["mem-03"],
        ask=Choice(
            "memory.limit_in_bytes is 8M. Which limits does memory.memsw.limit_in_bytes take?",
            "any",
            "8M and more",
            "8M and less",
        ),
    ) as step:
        memsw = {name for name in first.run("ls test").split() if "memsw" in name}
        first.run("cd test; echo 8M > memory.limit_in_bytes")
        less = first.run("echo 4M > memory.memsw.limit_in_bytes", status=1).status == 0
        more = first.run("echo 16M > memory.memsw.limit_in_bytes").status == 0
        step.answer({(True, True): "any", (False, True): "8M and more"}.get((less, more), "8M and less"))
        assert memsw == {f"memory.memsw.{name}" for name in MEMSW}
        assert first.run("cat memory.memsw.limit_in_bytes") == str(16 * MIB)
        assert (less, more) == (False, True)


MEMSW = ("failcnt", "limit_in_bytes", "max_usage_in_bytes", "usage_in_bytes")
NOTES_FILES = {
    *("cgroup.clone_children", "cgroup.event_control", "cgroup.procs", "notify_on_release", "tasks"),
    *(f"memory.{name}" for name in ("usage_in_bytes", "limit_in_bytes", "failcnt", "max_usage_in_bytes")),
    *(f"memory.{name}" for name in ("soft_limit_in_bytes", "stat", "use_hierarchy", "force_empty", "pressure_level")),
    *(f"memory.{name}" for name in ("swappiness", "move_charge_at_immigrate", "oom_control", "numa_stat")),
}


def test_v2_files_and_controllers(lab: Lab, v2: Cgroup) -> None:
    """Version 2: the parent decides which files its children have.

    In version 2 all controllers share one tree. A directory has the files of those controllers that its parent passes
    on, and a rule of its own says where processes may sit.
    """
    first, second = lab.window("first"), lab.window("second")
    first.run(f"cd {v2.path}")
    test = Cgroup(v2.path / "test", 2)

    with lab.step(
        "Pass the controller on",
        "The first window makes the directory test, as in version 1, and lists it. Then it writes +memory to "
        "cgroup.subtree_control of the parent and lists it again.",
        why="cgroup.controllers lists what the parent offers, cgroup.subtree_control what this cgroup offers to its "
        "children. When a controller is passed on, its files appear in all children at once (cgroups(7), "
        "Documentation/admin-guide/cgroup-v2.rst).",
        watch=[first, second],
        files=[V2, f"{V2}/cgroup.controllers"],
        claims=["v2-x01"],
        ask=Choice(
            "mkdir test, in version 2. Which of these is in the new directory, before anything else is done?",
            "cgroup.procs",
            "memory.max",
            "both",
            "neither",
        ),
    ) as step:
        first.run("mkdir test")
        before = first.run("ls test").split()
        found = "cgroup.procs" in before, "memory.max" in before
        step.answer(
            {(True, False): "cgroup.procs", (False, True): "memory.max", (True, True): "both"}.get(found, "neither")
        )
        assert found == (True, False)
        assert not [name for name in before if name.startswith("memory.") and name != "memory.pressure"]
        first.run("echo +memory > cgroup.subtree_control")
        after = first.run("ls test").split()
        assert {"memory.max", "memory.current", "memory.stat", "memory.events"} <= set(after)
        second.run(f"echo $$ > {test.path}/cgroup.procs")

    with lab.step(
        "No processes in the middle",
        "Now a shell sits in test. The first window tries to pass the controller on from test to a child of test. "
        "It fails until the shell has moved down into the child, and then the shell cannot go back.",
        why="A process in the middle of the tree would compete with whole cgroups for the same memory. So a cgroup "
        "either has processes or passes on controllers such as memory, and the root of the whole tree alone may do "
        "both. The other order ends with EBUSY (cgroups(7), no internal processes rule).",
        hint="Either processes, or controllers for the children.",
        watch=[second],
        files=[f"{V2}/cgroup.procs", f"{V2}/cgroup.subtree_control"],
        claims=["v2-04"],
        ask=Choice(
            "A shell sits in test. What does `echo +memory > test/cgroup.subtree_control` do?",
            "it works",
            "Device or resource busy",
            "it moves the shell to the parent",
        ),
    ) as step:
        refused = first.run("echo +memory > test/cgroup.subtree_control")
        step.answer("it works" if refused.status == 0 else "Device or resource busy")
        assert "Device or resource busy" in refused
        first.run("mkdir test/leaf")
        assert first.run(f"echo {second.pid} > test/leaf/cgroup.procs").status == 0
        assert first.run("echo +memory > test/cgroup.subtree_control").status == 0
        back = first.run(f"echo {second.pid} > test/cgroup.procs")
        assert "Device or resource busy" in back
        assert test.read("cgroup.procs") == []
        assert second.run("grep ^0:: /proc/self/cgroup").endswith("/test/leaf")


def test_v2_no_limit_for_the_root(lab: Lab, v2: Cgroup) -> None:
    """Version 2: the root has no limit.

    The root of the tree holds all processes that nobody has put anywhere else.
    """
    first = lab.window("first")
    if lab.facts.sandbox:
        lab.unsupported("the sandbox does not show the root of the whole tree", HOW[2])
    first.run(f"cd {v2.path}; echo +memory > cgroup.subtree_control; mkdir test")

    with lab.step(
        "Look for memory.max",
        "The first window lists the files of the memory controller in the root, and in the new cgroup.",
        why="The memory of the root is the memory of the machine: a limit there would make no sense, and the kernel "
        "itself has no cgroup above it that could reclaim (the files have the flag CFTYPE_NOT_ON_ROOT in "
        "mm/memcontrol.c). Version 1 does have memory.limit_in_bytes in its root, but nobody can lower it.",
        watch=[first],
        files=["/sys/fs/cgroup", V2],
        claims=["v2-11"],
        ask=Choice("Has the root of version 2 a file memory.max?", "yes", "no"),
    ) as step:
        root = first.run("ls /sys/fs/cgroup").split()
        step.answer("yes" if "memory.max" in root else "no")
        assert "memory.stat" in root
        assert "memory.max" not in root
        assert "memory.max" in first.run("ls test").split()


def test_v2_file_by_file(lab: Lab, v2: Cgroup) -> None:
    """Version 2: the files of the notes, and what has taken their place.

    The notes explain 14 files. Version 2 has kept two of the names, and has a twin for most of the others.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(first, v2)
    second.run(f"echo $$ > {test.path}/cgroup.procs")

    with lab.step(
        "Fourteen files and their twins",
        "Each file of the notes is looked for in a cgroup of version 2, and so is its twin. Read the table in the "
        "source of this step.",
        why="Version 2 was written anew, by what people need. Gone are files that only repeated something (a failure "
        "counter for each counter), that did harm (a switch that stops the OOM killer) or that nobody could explain "
        "(swappiness for each cgroup). Documentation/admin-guide/cgroup-v2.rst describes each file. memory.peak came "
        "in Linux 5.19, memory.reclaim too.",
        hint="Count the lines with None.",
        watch=[second],
        files=[V2, *V2_FILES, f"{V2}/memory.peak", f"{V2}/memory.high", f"{V2}/memory.pressure"],
        claims=["v2-x03"],
        ask=Number("How many of the 14 files of the notes have no twin in version 2?"),
    ) as step:
        files = set(first.run("ls").split())
        missing = [name for name, twin in TWINS.items() if twin not in files]
        step.answer(len(missing))
        assert set(TWINS) & files == {"memory.stat", "memory.numa_stat"}
        assert missing == [name for name, twin in TWINS.items() if twin is None]
        assert len(TWINS) == 14


TWINS = {  # file of version 1: its twin in version 2
    "cgroup.event_control": "memory.events",  # no registration: poll(2) the file itself
    "memory.usage_in_bytes": "memory.current",
    "memory.limit_in_bytes": "memory.max",  # the write never fails; the kernel kills if it must
    "memory.failcnt": "memory.events",  # the line max
    "memory.max_usage_in_bytes": "memory.peak",
    "memory.soft_limit_in_bytes": "memory.high",  # slows down and reclaims, at once and not only in need
    "memory.stat": "memory.stat",  # the same name, other lines
    "memory.use_hierarchy": None,  # always on
    "memory.force_empty": "memory.reclaim",  # with the number of bytes to be freed
    "memory.pressure_level": "memory.pressure",
    "memory.swappiness": None,  # memory.swap.max 0 forbids swap
    "memory.move_charge_at_immigrate": None,  # memory stays where it was charged
    "memory.oom_control": "memory.oom.group",  # no way to stop the killer; the counters are in memory.events
    "memory.numa_stat": "memory.numa_stat",  # bytes, where version 1 counts pages
}


# ---------------------------------------------------------------- Adding a process


@pytest.mark.needs("top")
def test_adding_a_shell(lab: Lab, v1: Cgroup) -> None:
    """Putting a shell into a cgroup.

    A process is moved by writing its number to cgroup.procs. What it starts afterwards is born there.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(first, v1)

    with lab.step(
        "The shell goes in, and top follows",
        "The second window writes the number of its own shell to cgroup.procs, and then starts top. The first window "
        "reads which processes are in the cgroup now.",
        why="A child starts in the cgroups of its parent (fork(2) copies the membership; cgroups(7)). cgroup.procs "
        "takes one number for each write(2), and moves that process with all its threads; the file tasks of version 1 "
        "moves a single thread.",
        hint="Is top moved by anybody?",
        watch=[first, second],
        files=[f"{V1}/cgroup.procs"],
        claims=["mem-15a"],
        ask=Number("The shell has been put into the cgroup, and then it starts top. How many lines has cgroup.procs?"),
    ) as step:
        assert first.run("cat cgroup.procs") == ""
        second.run(f'sh -c "echo $$ >> {test.path}/cgroup.procs"')
        second.send("top\n")
        second.wait_for("load average")
        inside = {int(line) for line in first.run("cat cgroup.procs").split()}
        step.answer(len(inside))
        assert second.pid != second.shell
        assert inside == {second.shell, second.pid}
        second.send("q")

    with lab.step(
        "Which quotes?",
        'The notes write sudo sh -c "echo $$ >> cgroup.procs". The second window now tries single quotes, to go back '
        "to the parent, then the double ones. An ordinary user tries the same.",
        why="In double quotes the shell at which you type replaces $$ by its own number, before sh starts. In single "
        "quotes sh gets the two dollar signs and writes its own number; it moves itself and ends. In ( ) the "
        "variable $$ is still the number of the outer shell, and $BASHPID that of the subshell (bash(1)). The files "
        "belong to root; to move a process one must be allowed to write to cgroup.procs.",
        hint="Who replaces $$ by a number?",
        watch=[second],
        claims=["mem-15d"],
        ask=Choice(
            "sh -c 'echo $$ >> ../cgroup.procs', typed with single quotes. What is moved to the parent?",
            "the shell of the window",
            "sh, which ends at once",
            "nothing",
        ),
    ) as step:
        parent = f"{v1.path}/cgroup.procs"
        single = second.run(f"sh -c 'echo $$ >> {parent}; grep -w memory /proc/$$/cgroup'")
        stayed = memory_line(second)
        step.answer("sh, which ends at once" if stayed.endswith("/test") else "the shell of the window")
        assert stayed.endswith("/test")
        assert not single.endswith("/test")
        second.run(f"( echo $BASHPID > {parent} )")
        assert memory_line(second).endswith("/test")
        user = "setpriv --reuid=65534 --regid=65534 --clear-groups"
        assert "Permission denied" in second.run(f'{user} sh -c "echo $$ >> {parent}"', status=2)
        assert "Permission denied" in second.run(
            f'{user} sh -c "echo 1M > {test.path}/memory.limit_in_bytes"', status=2
        )
        second.run(f'sh -c "echo $$ >> {parent}"')
        assert not memory_line(second).endswith("/test")


def memory_line(window: Window) -> str:
    """Where the shell of a window sits in the memory tree: its line of /proc/PID/cgroup."""
    return window.run("grep -w memory /proc/$$/cgroup")


# ---------------------------------------------------------------- Setting a limit


def test_limit_and_rounding(lab: Lab, v1: Cgroup) -> None:
    """Writing a limit and reading it back.

    The notes warn that the limit may be another number than the one that was written, because of the alignment to
    pages. This exercise looks what comes back.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(first, v1)
    second.run(f"echo $$ > {test.path}/cgroup.procs")

    with lab.step(
        "Pages, and no halves",
        "The limit of the shell's cgroup is set to ten million bytes and read again. Smaller numbers, and some that "
        "make no sense, are tried on an empty cgroup beside it.",
        why="The kernel counts pages, not bytes: it reads the number with its letter, divides by the size of a page "
        "(4096 bytes on most machines) and drops the rest (page_counter_memparse() in mm/page_counter.c). So the "
        "limit is rounded down, never up, and with 4 KiB pages 1K becomes 0. A number with something behind it gives "
        "EINVAL.",
        hint="Divide by the size of a page, throw the rest away, multiply again.",
        watch=[second],
        files=V1_FILES,
        claims=["mem-15b"],
        ask=Number("`echo 10000000 > memory.limit_in_bytes`. Which number does cat show?", unit="bytes"),
    ) as step:
        assert first.run("getconf PAGESIZE") == str(PAGE)
        assert first.run("echo 10000000 > memory.limit_in_bytes").status == 0
        limit = int(first.run("cat memory.limit_in_bytes"))
        step.answer(limit)
        assert limit == 10000000 // PAGE * PAGE
        first.run("mkdir ../empty")
        for written, size in ROUNDED.items():
            assert first.run(f"echo {written} > ../empty/memory.limit_in_bytes").status == 0
            assert first.run("cat ../empty/memory.limit_in_bytes") == str(size // PAGE * PAGE)
        for senseless in ("-2", "1M+", "1.5M", "much"):
            assert "Invalid argument" in first.run(f"echo {senseless} > ../empty/memory.limit_in_bytes", status=1)

    with lab.step(
        "No limit at all",
        "-1 takes the limit away. Then cat shows a very large number.",
        why="The counter of pages is a signed 64-bit number (on a 64-bit machine), and -1 stands for its largest "
        "value. The file shows bytes: 2 to the power of 63, minus 1, rounded down to a whole page, which is "
        "0x7ffffffffffff000 with 4 KiB pages (PAGE_COUNTER_MAX in include/linux/page_counter.h).",
        hint="The largest signed 64-bit number, in whole pages.",
        watch=[second],
        files=V1_FILES,
        claims=["mem-15c"],
        ask=Number("Compute it: which number does cat show after `echo -1 > memory.limit_in_bytes`?", unit="bytes"),
    ) as step:
        assert first.run("echo -1 > memory.limit_in_bytes").status == 0
        limit = int(first.run("cat memory.limit_in_bytes"))
        step.answer(limit)
        assert limit == (2**63 - 1) // PAGE * PAGE
        assert test.memory_limit is None


ROUNDED = {"1M": MIB, "1000000": 1000000, "400K": 400 * 1024, "1K": 1024, "6144": 6144, "4097": 4097, "4095": 4095}


def test_v2_limit_and_rounding(lab: Lab, v2: Cgroup) -> None:
    """Version 2: memory.max.

    The same pages, but another word for "no limit".
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(first, v2)
    second.run(f"echo $$ > {test.path}/cgroup.procs")

    with lab.step(
        "max instead of -1",
        "The limit is set to ten million bytes, then taken away: once with -1 as in version 1, once with the word "
        "max. Small numbers are tried on an empty cgroup.",
        why="Both versions read the number by the same function, so the rounding is the same. Only the word differs: "
        '"max" in version 2, in writing and in reading, "-1" and a huge number in version 1 (memory_max_write() in '
        "mm/memcontrol.c).",
        watch=[second],
        files=V2_FILES,
        claims=["v2-x02"],
        ask=Choice(
            "`echo -1 > memory.max`: what happens?",
            "no limit any more",
            "Invalid argument",
            "the limit becomes 0",
        ),
    ) as step:
        assert first.run("cat memory.max") == "max"
        assert first.run("echo 10000000 > memory.max; cat memory.max") == str(10000000 // PAGE * PAGE)
        minus = first.run("echo -1 > memory.max")
        limit = first.run("cat memory.max")
        step.answer(
            "Invalid argument" if minus.status else "no limit any more" if limit == "max" else "the limit becomes 0"
        )
        assert "Invalid argument" in minus
        assert limit == str(10000000 // PAGE * PAGE)
        assert first.run("echo max > memory.max; cat memory.max") == "max"
        assert test.memory_limit is None
        first.run("mkdir ../empty")
        for written, size in ROUNDED.items():
            assert first.run(f"echo {written} > ../empty/memory.max; cat ../empty/memory.max") == str(
                size // PAGE * PAGE
            )


# ---------------------------------------------------------------- What is counted


def test_usage_is_not_the_sum_of_rss(lab: Lab, v1: Cgroup) -> None:
    """What memory.usage_in_bytes counts.

    The notes read the usage as the memory of the processes inside. ps and top show the memory of processes too, as RSS.
    Do the two agree?
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(first, v1)
    second.run(f"echo $$ > {test.path}/cgroup.procs")

    with lab.step(
        "Add up the RSS",
        "The shell has moved in, and eat touches 10 MiB. VmRSS of both is read from /proc/PID/status and added up, "
        "and then compared with the usage of the cgroup.",
        why="A page belongs to the cgroup whose process touched it first, and stays there. So the memory that the "
        "shell had before it moved in is missing in the usage, and so are the pages of shared libraries that others "
        "read before. On the other hand the usage has what no RSS has: page cache, and memory of the kernel such as "
        "page tables and stacks (memory.kmem.usage_in_bytes). And the counter runs ahead by up to 64 pages for each "
        "CPU (Documentation/admin-guide/cgroup-v1/memory.rst).",
        hint="Where was the shell when it asked for its memory?",
        watch=[second],
        files=V1_FILES,
        claims=["mem-05"],
        ask=Choice(
            "The shell moved in, then eat touched 10 MiB. What is the usage of the cgroup?",
            "less than the RSS of both together",
            "the RSS of both together",
            "more than the RSS of both together",
        ),
    ) as step:
        hold(second, 10)
        resident = resident_memory(second.shell) + resident_memory(second.pid)
        usage = int(first.run("cat memory.usage_in_bytes"))
        step.answer(
            f"{'less than ' if usage < resident else 'more than ' if usage > resident else ''}the RSS of both together"
        )
        assert first.run("cat cgroup.procs").split() == [str(second.shell), str(second.pid)]
        assert usage < resident
        assert usage > 10 * MIB
        assert int(first.run("cat memory.kmem.usage_in_bytes")) > 0

    with lab.step(
        "Line by line: memory.stat",
        "memory.stat splits the usage up. Its second half repeats every line with total_ in front. Compare test, where "
        "eat runs, with its parent, where nobody sits.",
        why="rss is anonymous memory (not the RSS of ps), cache is page cache, swap what lies in swap. The lines with "
        "total_ have the cgroups below added; the ones without are of this cgroup alone. Version 2 has the lines "
        "anon, file and kernel, and always counts what is below.",
        hint="eat sits in test and not in its parent.",
        watch=[second],
        files=V1_FILES,
        claims=["mem-10"],
        ask=Choice(
            "eat sits in test. Which line of memory.stat in the parent of test contains its 10 MiB?",
            "rss",
            "total_rss",
            "both",
            "none",
        ),
    ) as step:
        first.run("grep -w -E 'rss|cache|swap|total_rss|total_pgfault' memory.stat ../memory.stat")
        parent, child = v1.read("memory.stat"), test.read("memory.stat")
        big = tuple(name for name in ("rss", "total_rss") if parent[name] > 10 * MIB - SLACK)
        step.answer({(): "none", ("rss",): "rss", ("total_rss",): "total_rss"}.get(big, "both"))
        assert child["rss"] > 10 * MIB - SLACK
        assert child["total_rss"] == child["rss"]
        assert big == ("total_rss",)
        assert {"rss", "total_pgpgin", "total_pgpgout", "total_pgfault", "total_pgmajfault"} <= set(child)
        assert release(second) == 0
        assert test.read("memory.stat")["rss"] < 5 * MIB

    with lab.step(
        "Per node, in pages",
        "memory.numa_stat splits the memory up by the memory nodes of the machine. eat touches 10 MiB once more; look "
        "at the line anon.",
        why="On a machine with several memory nodes (NUMA) it matters on which one a page lies; most small machines "
        "have the node N0 alone. In version 1 the file counts pages, in version 2 bytes.",
        hint="10 MiB are 2560 pages of 4 KiB.",
        watch=[second],
        files=[*V1_FILES, f"{V1}/memory.numa_stat"],
        claims=["mem-14d"],
        ask=Choice("In which unit does memory.numa_stat count?", "bytes", "KiB", "pages"),
    ) as step:
        hold(second, 10)
        first.run("cat memory.numa_stat")
        anon = test.read("memory.numa_stat")["anon"]
        unit = min((PAGE, 1024, 1), key=lambda size: abs(anon["all"] * size - 10 * MIB))
        step.answer({PAGE: "pages", 1024: "KiB", 1: "bytes"}[unit])
        assert unit == PAGE
        assert anon["all"] == sum(count for node, count in anon.items() if node.startswith("N"))
        assert abs(anon["all"] * PAGE - 10 * MIB) < 2 * MIB + SLACK
        assert release(second) == 0


def test_memory_stays_where_it_was_charged(lab: Lab, v1: Cgroup) -> None:
    """A process moves, its memory does not.

    The notes list memory.move_charge_at_immigrate, a switch that lets the memory follow the process.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(first, v1)
    first.run("mkdir ../other")
    other = Cgroup(v1.path / "other", 1)
    movable = not lab.facts.kernel_at_least("6.13")

    with lab.step(
        "Move 10 MiB",
        "eat touches 10 MiB in test, and is then moved to the cgroup other. Before that the switch of other is set to "
        "1, if the kernel allows it. The usage of both is compared.",
        why="Memory is charged to the cgroup of the process that touches it, at that moment, and stays there until it "
        "is freed. Moving the charges meant to stop at every page, it was slow and full of races, and so it was "
        "first declared deprecated and then removed in Linux 6.13: a 1 gives EINVAL (mm/memcontrol-v1.c). Version 2 "
        "never had it.",
        hint="Read the file again after the write.",
        watch=[second],
        files=[*V1_FILES, f"{V1}/memory.move_charge_at_immigrate"],
        claims=["mem-14b"],
        ask=Choice(
            "eat, with 10 MiB, is moved from test to other. Which cgroup is charged now?", "test", "other", "both"
        ),
    ) as step:
        second.run(f"echo $$ > {test.path}/cgroup.procs")
        hold(second, 10)
        switch = first.run("echo 1 > ../other/memory.move_charge_at_immigrate", status=1)
        value = first.run("cat ../other/memory.move_charge_at_immigrate")
        first.run(f"echo {second.pid} > ../other/cgroup.procs")
        usage = {"test": test.memory_usage, "other": other.memory_usage}
        charged = [name for name, size in usage.items() if size > 5 * MIB]
        step.answer("both" if len(charged) == 2 else charged[0])
        assert other.processes() == [second.pid]
        assert (switch.status, value) == ((0, "1") if movable else (1, "0"))
        assert charged == (["other"] if movable else ["test"])


def test_v2_memory_stays_where_it_was_charged(lab: Lab, v2: Cgroup) -> None:
    """Version 2: a process moves, its memory does not.

    In version 2 nobody has to ask whether there is a switch: there is none.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(first, v2)
    first.run("mkdir ../other")
    other = Cgroup(v2.path / "other", 2)

    with lab.step(
        "Move 10 MiB",
        "eat touches 10 MiB in test, and is then moved to the cgroup other. Compare memory.current of both.",
        why="There is no switch to change it. Memory is a property of the cgroup rather than of the process: if a "
        "service is to pay for its memory, it must be started in its cgroup, not moved there later. A container "
        "engine does it in this order, too.",
        watch=[second],
        files=V2_FILES,
        claims=["v2-x08"],
        ask=Choice(
            "eat, with 10 MiB, is moved from test to other. Which cgroup is charged now?", "test", "other", "both"
        ),
    ) as step:
        second.run(f"echo $$ > {test.path}/cgroup.procs")
        hold(second, 10)
        assert "memory.move_charge_at_immigrate" not in first.run("ls").split()
        first.run(f"echo {second.pid} > ../other/cgroup.procs; cat memory.current ../other/memory.current")
        usage = {"test": test.memory_usage, "other": other.memory_usage}
        charged = [name for name, size in usage.items() if size > 5 * MIB]
        step.answer("both" if len(charged) == 2 else charged[0])
        assert other.processes() == [second.pid]
        assert charged == ["test"]


def test_page_cache(lab: Lab, v1: Cgroup, big: Path) -> None:
    """Page cache counts, but kills nobody.

    Whoever reads a file has its pages in memory afterwards, in the page cache. They count as usage of the cgroup. But
    the kernel can always throw them away: the file is still on the disk.
    """
    first, second, third = lab.window("first"), lab.window("second"), lab.window("third")
    test = start(first, v1)

    with lab.step(
        "Read 24 MiB under a limit of 8 MiB",
        "The limit is 8M, and swap is forbidden. cat reads a file of 24 MiB in the cgroup. Read memory.failcnt "
        "afterwards.",
        why="Each page that is read is charged. At the limit the kernel first tries to free something, and finds "
        "page cache that it may drop at once (try_charge_memcg() and shrink_folio_list() in mm/). So the limit is "
        "met hundreds of times, and cat gets all its pages.",
        hint="What can be read again need not be kept.",
        watch=[second],
        files=V1_FILES,
        claims=["mem-f2"],
        ask=Choice(
            "The limit is 8 MiB, there is no swap, and cat reads a file of 24 MiB. What happens to cat?",
            "it is killed",
            "it gets an error",
            "it ends well",
        ),
    ) as step:
        first.run("echo 0 > memory.swappiness; echo 8M > memory.limit_in_bytes")
        second.run(f"echo $$ > {test.path}/cgroup.procs")
        status = second.run(f"cat {big} > /dev/null").status
        step.answer({0: "it ends well", 137: "it is killed"}.get(status, "it gets an error"))
        assert status == 0
        assert int(first.run("cat memory.failcnt")) > 0
        assert first.run("grep -w oom_kill memory.oom_control") == "oom_kill 0"
        assert int(first.run("cat memory.max_usage_in_bytes")) == 8 * MIB

    with lab.step(
        "cat has gone, its cache has not",
        "cat has ended, only the shell is left in the cgroup. Compare the usage with the limit, and look at the line "
        "cache of memory.stat.",
        why="The page cache belongs to the cgroup that read it, and outlives the process. So a high usage says "
        "nothing about the processes that run now, and a high failcnt says nothing about lack of memory. What counts "
        "is the line rss, and oom_kill.",
        watch=[second],
        files=V1_FILES,
        claims=["rec-cache"],
        ask=Choice(
            "cat has ended. How much is still charged to the cgroup?",
            "next to nothing",
            "about half of the limit",
            "nearly all of the limit",
        ),
    ) as step:
        usage = int(first.run("cat memory.usage_in_bytes"))
        step.answer(LEFT[min(usage * 3 // (8 * MIB), 2)])
        assert usage > 6 * MIB
        assert test.read("memory.stat")["cache"] > 6 * MIB - SLACK
        assert test.processes() == [second.pid]
        assert test.read("memory.stat")["rss"] < 2 * MIB + SLACK

    with lab.step(
        "Throw it away",
        "A write to memory.force_empty asks the kernel to take back what it can. Look at usage and cache again.",
        why="The kernel reclaims from this cgroup until nothing more goes: clean page cache is dropped, dirty pages "
        "are written back, and anonymous memory goes to swap, if there is swap and swappiness is not 0. What is left "
        "is anonymous memory and memory of the kernel. In version 2 one writes a number of bytes to memory.reclaim.",
        watch=[second],
        files=V1_FILES,
        claims=["mem-12"],
        ask=Choice(
            "What is left of about 8 MiB of page cache after memory.force_empty?", "all", "half", "next to nothing"
        ),
    ) as step:
        before = test.read("memory.stat")["cache"]
        assert first.run("echo 0 > memory.force_empty").status == 0
        after = test.read("memory.stat")["cache"]
        step.answer("next to nothing" if after * 4 < before else "half" if after * 4 < before * 3 else "all")
        assert after * 4 < before
        assert int(first.run("cat memory.usage_in_bytes")) < 4 * MIB

    with lab.step(
        "The second reader pays nothing",
        "The limit is taken away. The second window reads the file in test; then the third reads the same file in the "
        "cgroup other.",
        why="The page is in the page cache once, for all. It was charged when it was read from the disk; who finds it "
        "there pays nothing. So a shared library is paid by the first container that uses it, and its usage tells "
        "less than one might think.",
        hint="How often does the page come from the disk?",
        watch=[second, third],
        files=V1_FILES,
        claims=["mem-f3"],
        ask=Choice(
            "test has read the file, now other reads it. Who is charged for its pages?",
            "test",
            "other",
            "each for a half",
            "each for all of it",
        ),
    ) as step:
        first.run(f"echo -1 > memory.limit_in_bytes; mkdir ../other; dd if={big} iflag=nocache count=0")
        third.run(f"echo $$ > {v1.path}/other/cgroup.procs")
        second.run(f"cat {big} > /dev/null")
        third.run(f"cat {big} > /dev/null")
        paid = [Cgroup(v1.path / name, 1).read("memory.stat")["cache"] for name in ("test", "other")]
        all_of_it = tuple(size > 20 * MIB for size in paid)
        step.answer(
            {(True, False): "test", (False, True): "other", (True, True): "each for all of it"}.get(
                all_of_it, "each for a half"
            )
        )
        assert paid[0] > 24 * MIB - SLACK
        assert paid[1] < 4 * MIB + SLACK


LEFT = ("next to nothing", "about half of the limit", "nearly all of the limit")


def test_v2_page_cache(lab: Lab, v2: Cgroup, big: Path) -> None:
    """Version 2: page cache counts, but kills nobody.

    The files have other names, the rule is the same.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(first, v2)

    with lab.step(
        "Read 24 MiB under a limit of 8 MiB, then give it back",
        "The same as in version 1: memory.max is 8M, swap is forbidden, cat reads 24 MiB. Then the kernel is asked to "
        "reclaim 7 MiB.",
        why="The line max of memory.events counts how often the limit was met; the numbers are smaller than failcnt in "
        "version 1, because the charges are counted in larger portions. memory.reclaim takes the number of bytes, and "
        "fails with EAGAIN when it cannot free as many (Linux 5.19).",
        watch=[second],
        files=V2_FILES,
        claims=["v2-x06"],
        ask=Choice(
            "memory.max is 8M, there is no swap, and cat reads a file of 24 MiB. What happens to cat?",
            "it is killed",
            "it gets an error",
            "it ends well",
        ),
    ) as step:
        first.run("echo 0 > memory.swap.max; echo 8M > memory.max")
        second.run(f"echo $$ > {test.path}/cgroup.procs")
        status = second.run(f"cat {big} > /dev/null").status
        step.answer({0: "it ends well", 137: "it is killed"}.get(status, "it gets an error"))
        assert status == 0
        first.run("cat memory.events")
        assert test.read("memory.events")["max"] > 0
        assert test.read("memory.events")["oom_kill"] == 0
        before = test.memory_usage
        assert before > 6 * MIB
        first.run("echo 7M > memory.reclaim; cat memory.current")
        assert test.memory_usage < before - 5 * MIB


# ---------------------------------------------------------------- The limit is met: no swap


def test_limit_first(lab: Lab, v1: Cgroup) -> None:
    """The limit stands, then the process comes.

    The limit is set first, and nothing may go to swap (swappiness 0). Then a program wants more than there is.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(first, v1)
    first.run("echo 0 > memory.swappiness; echo 8M > memory.limit_in_bytes")
    second.run(f"echo $$ > {test.path}/cgroup.procs")

    with lab.step(
        "20 MiB into 8 MiB",
        "The shell of the second window sits in the cgroup and starts eat, which touches 20 MiB. Look at its exit "
        "status and at the counter oom_kill.",
        why="malloc() and mmap() do not fail: they only promise memory. The page that does not fit is asked for by a "
        "page fault, in the middle of an instruction, and there is no way to return an error. So the kernel reclaims, "
        "and if nothing can be reclaimed it calls the OOM killer, which sends SIGKILL to a process of this cgroup. A "
        "shell reports 128 + 9 = 137.",
        hint="128 plus the number of the signal.",
        watch=[second],
        files=V1_FILES,
        claims=["rec-noswap"],
        ask=Number("The limit is 8 MiB, there is no swap, eat touches 20 MiB. What is the exit status of eat?"),
    ) as step:
        status = second.run("./eat 20", status=137).status
        step.answer(status)
        assert status == 137
        assert first.run("grep -w oom_kill memory.oom_control") == "oom_kill 1"
        assert test.processes() == [second.shell]

    with lab.step(
        "How often it was met: memory.failcnt",
        "failcnt has counted. It is reset by a write of 0. Then eat touches 3 MiB, which fit.",
        why="Each allocation that does not fit adds one, and may add more when the kernel tries again after it has "
        "reclaimed something. So the number is neither one of pages nor of processes, and it has no meaning by "
        "itself: 0 means that the limit was never met (Documentation/admin-guide/cgroup-v1/memory.rst).",
        watch=[second],
        files=V1_FILES,
        claims=["mem-07"],
        ask=Number("failcnt is set to 0, then eat touches 3 MiB under the limit of 8 MiB. What is failcnt now?"),
    ) as step:
        assert int(first.run("cat memory.failcnt")) > 0
        assert first.run("echo 0 > memory.failcnt; cat memory.failcnt") == "0"
        assert second.run("./eat 3").status == 0
        count = int(first.run("cat memory.failcnt"))
        step.answer(count)
        assert count == 0

    with lab.step(
        "The highest usage: memory.max_usage_in_bytes",
        "The file still knows the highest usage so far. Then 12345 is written to it.",
        why="The counter keeps a high-water mark. Any write resets it to the usage of now, whatever the number is "
        "(mem_cgroup_reset() in mm/memcontrol-v1.c). In version 2 it is memory.peak, which can be reset since Linux "
        "6.12, and then only for the descriptor that wrote.",
        hint="A high-water mark can be reset, not chosen.",
        watch=[second],
        files=[*V1_FILES, f"{V1}/memory.max_usage_in_bytes"],
        claims=["mem-08"],
        ask=Choice(
            "12345 is written to memory.max_usage_in_bytes. What does it show then?",
            "12345",
            "8388608, as before",
            "what is used now",
        ),
    ) as step:
        assert int(first.run("cat memory.max_usage_in_bytes")) == 8 * MIB
        first.run("echo 12345 > memory.max_usage_in_bytes")
        peak, usage = test.memory_peak, test.memory_usage
        step.answer({12345: "12345", 8 * MIB: "8388608, as before"}.get(peak, "what is used now"))
        assert usage <= peak < 8 * MIB
        assert peak != 12345

    with lab.step(
        "Is it a proof of swapping?",
        "The notes take many pgpgin and pgpgout in memory.stat for a proof that memory went to swap and back. Nothing "
        "went to swap here. Look at the lines.",
        why="pgpgin and pgpgout of memory.stat count pages that were charged and given back, for whatever reason: a "
        "new page of a program counts as well as a page of a file. (In /proc/vmstat the same names mean something "
        "else.) What proves swapping is the line swap, and for the way back pgmajfault: faults that had to wait for "
        "a disk.",
        hint="No swap was used in this cgroup at all.",
        watch=[second],
        files=[*V1_FILES, "/proc/vmstat"],
        claims=["mem-18"],
        ask=Choice(
            "Not one page of this cgroup went to swap. What is pgpgin in its memory.stat?",
            "0",
            "less than 100",
            "more than 1000",
        ),
    ) as step:
        first.run("grep -E '^(swap|pgpgin|pgpgout|pgfault|pgmajfault) ' memory.stat")
        stat = test.read("memory.stat")
        step.answer("0" if stat["pgpgin"] == 0 else "less than 100" if stat["pgpgin"] < 100 else "more than 1000")
        assert stat["swap"] == 0
        assert test.read("memory.memsw.max_usage_in_bytes") < 10 * MIB
        assert stat["pgpgin"] > 2048
        assert stat["pgpgout"] > 2048 - SLACK // PAGE


def test_who_is_killed(lab: Lab, v1: Cgroup) -> None:
    """Who is killed.

    The notes say that the kernel kills the process that goes on asking for memory. Three programs share a cgroup here:
    two sleep on what they have, the third one asks.
    """
    first, second, third, fourth = (lab.window(name) for name in ("first", "second", "third", "fourth"))
    test = start(first, v1)
    first.run("echo 0 > memory.swappiness; echo 8M > memory.limit_in_bytes")
    enter = f"echo $BASHPID > {test.path}/cgroup.procs"

    with lab.step(
        "The sleepers and the asker",
        "In the second window eat holds 4 MiB and sleeps, in the third window another one holds 2 MiB. Then an eat in "
        "the fourth window asks for 4 MiB. 8 MiB are not enough for all.",
        why="The OOM killer takes the process with the highest badness: its memory, swap and page tables, corrected by "
        "/proc/PID/oom_score_adj (oom_badness() in mm/oom_kill.c). Who asked does not matter. In the notes both shell "
        "and top died, as each was the biggest in its turn. Before that, nobody need die at all: as long as page cache "
        "or swap can help, failcnt grows and everybody lives.",
        hint="The killer wants to free as much as possible with one shot.",
        watch=[second, third, fourth],
        files=[*V1_FILES, "/proc/PID/oom_score", "/proc/PID/oom_score_adj"],
        claims=["mem-20"],
        ask=Choice(
            "The limit is 8 MiB. One sleeps on 4 MiB, one on 2 MiB, and one asks for 4 MiB. Who is killed first?",
            "the one with 4 MiB that sleeps",
            "the one with 2 MiB that sleeps",
            "the one that asks",
            "nobody",
        ),
    ) as step:
        for window, size in ((second, 4), (third, 2)):
            window.send(f"( {enter}; exec ./eat {size} hold )\n")
            window.wait_for(f"touched {size} MiB")
        asker = fourth.run(f"( {enter}; exec ./eat 4 )").status
        killed = test.oom_kills
        sleeper = int(second.run("echo $?")) if killed and asker == 0 else 0
        step.answer(KILLED[killed > 0, asker, sleeper])
        assert killed > 0
        assert asker == 0
        assert sleeper == 137
        assert int(first.run("cat memory.failcnt")) > 0


KILLED = {
    (True, 0, 137): "the one with 4 MiB that sleeps",
    (True, 0, 0): "the one with 2 MiB that sleeps",
    (True, 137, 0): "the one that asks",
    (False, 0, 0): "nobody",
}


def test_lowering_without_swap(lab: Lab, v1: Cgroup) -> None:
    """The process is there, then the limit comes: no swap.

    The other order, and another result. The notes say that a limit takes effect at once.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(first, v1)
    first.run("echo 0 > memory.swappiness")
    second.run(f"echo $$ > {test.path}/cgroup.procs")
    hold(second, 10)
    eater = second.pid

    with lab.step(
        "A limit that cannot be reached",
        "eat holds 10 MiB, and nothing may go to swap. The limit is set to 16M, and then to 8M. Read the file again "
        "after each write.",
        why="Version 1 sets the new limit only when the usage fits. If it does not, the kernel reclaims; when that "
        "brings nothing any more, write(2) fails with EBUSY and the old limit stays (mem_cgroup_resize_max() in "
        "mm/memcontrol-v1.c). So the exit status of echo must be looked at.",
        hint="The kernel has nowhere to put the 10 MiB.",
        watch=[second],
        files=V1_FILES,
        claims=["mem-06"],
        ask=Choice(
            "eat holds 10 MiB, there is no swap. What does `echo 8M > memory.limit_in_bytes` do?",
            "the limit is 8M at once, and eat is killed",
            "the limit is 8M at once, and eat is stopped",
            "the write fails, the old limit stays",
        ),
    ) as step:
        assert first.run("echo 16M > memory.limit_in_bytes").status == 0
        assert first.run("cat memory.limit_in_bytes") == str(16 * MIB)
        lower = first.run("echo 8M > memory.limit_in_bytes", status=1)
        limit = first.run("cat memory.limit_in_bytes")
        killed = test.oom_kills > 0
        step.answer(LOWERED["kept" if limit == str(16 * MIB) else "killed" if killed else "stopped"])
        assert "Device or resource busy" in lower
        assert limit == str(16 * MIB)
        assert test.memory_usage > 10 * MIB

    with lab.step(
        "Nobody was harmed",
        "eat gets a line of input and touches all its pages once more. Then its input ends.",
        why="A refused write leaves everything as it was. Version 2 decides the other way round: memory.max is set in "
        "any case, and then processes are killed until it fits. The same commands in the same order, and a process "
        "that lives here and dies there.",
        watch=[second],
        files=V1_FILES,
        claims=["mem-f1"],
        ask=Choice("The limit of 8M was refused. Is eat still alive?", "yes", "no"),
    ) as step:
        living = test.processes()
        step.answer("yes" if eater in living else "no")
        assert living == [second.shell, eater]
        second.send("\n")
        second.wait_for("touched 10 MiB")
        assert first.run("grep -w oom_kill memory.oom_control") == "oom_kill 0"

    with lab.step(
        "1K, as in the notes",
        "In the notes a limit of 1K kills the shell and top. The first window writes the same number.",
        why="1K is rounded down to 0. Some memory can go neither to swap nor away: page tables, stacks and other "
        "memory of the kernel. When the notes were written it was not counted, and a usage of 0 could be reached by "
        "killing. Now it is counted, so the write ends with EBUSY, and version 1 does not kill for a write that "
        "failed. Version 2 does what the notes show.",
        hint="What did the kernel do with 8M?",
        watch=[second],
        files=V1_FILES,
        claims=["mem-19"],
        ask=Choice(
            "`echo 1K > memory.limit_in_bytes`, with a shell and eat inside. What happens?",
            "both are killed",
            "eat is killed",
            "the write fails, nobody is killed",
        ),
    ) as step:
        refused = first.run("echo 1K > memory.limit_in_bytes", status=1)
        alive = test.processes()
        step.answer(("both are killed", "eat is killed", "the write fails, nobody is killed")[min(len(alive), 2)])
        assert "Device or resource busy" in refused
        assert first.run("cat memory.limit_in_bytes") == str(16 * MIB)
        assert alive == [second.shell, eater]
        assert first.run("grep -w oom_kill memory.oom_control") == "oom_kill 0"
        assert release(second) == 0


LOWERED = {
    "killed": "the limit is 8M at once, and eat is killed",
    "stopped": "the limit is 8M at once, and eat is stopped",
    "kept": "the write fails, the old limit stays",
}


def test_v2_lowering_without_swap(lab: Lab, v2: Cgroup) -> None:
    """Version 2: the process is there, then the limit comes: no swap.

    The same as in version 1, with another end.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(first, v2)
    first.run("echo 0 > memory.swap.max")

    with lab.step(
        "The limit is set, and something must go",
        "eat sits alone in the cgroup and holds 10 MiB, and nothing may go to swap. memory.max is set to 8M.",
        why="memory_max_write() in mm/memcontrol.c stores the limit first. Then it reclaims, and where that is not "
        "enough it calls the OOM killer, until the usage fits or nobody is left. A limit that can be refused is no "
        "limit: a group that will not shrink could keep its memory for ever.",
        hint="Version 2 keeps the limit, whatever it takes.",
        watch=[second],
        files=V2_FILES,
        claims=["v2-x04"],
        ask=Choice(
            "eat holds 10 MiB, there is no swap. What does `echo 8M > memory.max` do?",
            "the limit is 8M at once, and eat is killed",
            "the limit is 8M at once, and eat is stopped",
            "the write fails, the old limit stays",
        ),
    ) as step:
        second.send(f"( echo $BASHPID > {test.path}/cgroup.procs; exec ./eat 10 hold )\n")
        second.wait_for("touched 10 MiB")
        lower = first.run("echo 8M > memory.max")
        limit = first.run("cat memory.max")
        killed = test.read("memory.events")["oom_kill"]
        step.answer(LOWERED["kept" if limit == "max" else "killed" if killed else "stopped"])
        assert lower.status == 0
        assert limit == str(8 * MIB)
        assert killed == 1
        assert second.run("echo $?") == "137"
        assert test.processes() == []

    with lab.step(
        "1K, as in the notes",
        "The limit is taken away. In the second window a new shell moves into the cgroup and starts eat. Then "
        "memory.max is set to 1K: that is 0. The end is waited for in cgroup.events.",
        why="This is the story of the notes, as version 2 tells it: both processes are killed, one after the other, "
        "and nothing is left. cgroup.events has the line populated, which turns 0 when the last process has ended; "
        "poll(2) tells of the change.",
        hint="How much memory may be left at a limit of 0?",
        watch=[second],
        files=[*V2_FILES, f"{V2}/cgroup.events"],
        claims=["v2-x05"],
        ask=Choice(
            "`echo 1K > memory.max`, with a shell and eat inside. What happens?",
            "both are killed",
            "eat is killed",
            "the write fails, nobody is killed",
        ),
    ) as step:
        first.run("echo max > memory.max")
        second.enter("/bin/bash")
        shell = second.pid
        second.run(f"echo $$ > {test.path}/cgroup.procs")
        hold(second, 10)
        assert set(test.processes()) == {shell, second.pid}
        with test.watch("cgroup.events") as events:
            status = first.run("echo 1K > memory.max").status
            events.until(lambda content: content["populated"] == 0)
        alive = test.processes()
        step.answer(("both are killed", "eat is killed", "the write fails, nobody is killed")[min(len(alive), 2)])
        assert status == 0
        assert first.run("cat memory.max; cat cgroup.procs") == "0"
        assert test.read("memory.events")["oom_kill"] >= 3
        assert second.run("echo $?") == "137"
        assert second.pid == second.shell


def test_limit_for_memory_and_swap(lab: Lab, v1: Cgroup) -> None:
    """Memory and swap together: memory.memsw.

    A limit for memory only says where the rest goes. A limit for the sum of memory and swap says how much there is.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(first, v1)
    counts = not lab.facts.kernel_at_least("6.15")

    with lab.step(
        "The sum is full",
        "memory.limit_in_bytes and memory.memsw.limit_in_bytes are both 8M, so no byte is left for swap. eat touches "
        "20 MiB. Compare the failure counters of the two limits.",
        why="When the sum is full, swapping cannot help: a page in swap counts as much as one in memory. So the "
        "kernel reclaims page cache only, and then kills. Each page is charged to the sum first, so it is memsw "
        "that refuses. Its failcnt was counted until Linux 6.15, which counts for memory.failcnt alone "
        "(track_failcnt in include/linux/page_counter.h); on newer kernels only oom_kill tells.",
        hint="Which kernel is this? Look at uname -r.",
        watch=[second],
        files=[*V1_FILES, f"{V1}/memory.memsw.failcnt", f"{V1}/memory.memsw.limit_in_bytes"],
        claims=["mem-f5"],
        ask=Choice(
            "memsw is the limit that was hit. What is memory.memsw.failcnt afterwards, on this kernel?",
            "0",
            "more than 0",
        ),
    ) as step:
        first.run("echo 8M > memory.limit_in_bytes; echo 8M > memory.memsw.limit_in_bytes")
        second.run(f"echo $$ > {test.path}/cgroup.procs")
        assert second.run("./eat 20", status=137).status == 137
        count = int(first.run("cat memory.memsw.failcnt"))
        step.answer("more than 0" if count else "0")
        assert (count > 0) is counts
        assert first.run("cat memory.memsw.max_usage_in_bytes") == str(8 * MIB)
        assert first.run("grep -w oom_kill memory.oom_control") == "oom_kill 1"


def test_swappiness(lab: Lab, v1: Cgroup) -> None:
    """memory.swappiness: how readily memory goes to swap.

    When the kernel must reclaim, it can drop page cache or move anonymous memory to swap. Swappiness is the balance.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(first, v1)
    highest = 200 if lab.facts.kernel_at_least("5.8") else 100

    with lab.step(
        "From 0 to the top",
        "A new cgroup has the swappiness of its parent. The first window looks for the highest number that the file "
        "takes. Then it writes 0, sets the limit to 8M, and eat touches 20 MiB.",
        why="Swappiness weighs page cache against anonymous memory when the kernel reclaims: 100 treats them alike, "
        "and the upper half, up to 200, is for swap that is faster than the disk (Linux 5.8). 0 in a cgroup of version "
        "1 means: no anonymous memory to swap, even if the OOM killer must come (get_scan_count() in mm/vmscan.c). "
        "Version 2 has no such file; there memory.swap.max 0 says it.",
        watch=[second],
        files=[*V1_FILES, f"{V1}/memory.swappiness"],
        claims=["mem-14"],
        ask=Number("Which is the highest number that memory.swappiness takes on this kernel?"),
    ) as step:
        assert first.run("cat memory.swappiness") == first.run("cat ../memory.swappiness")
        taken = [
            n
            for n in (0, 60, 100, 101, 200, 201)
            if first.run(f"echo {n} > memory.swappiness", status=None).status == 0
        ]
        step.answer(max(taken))
        assert max(taken) == highest
        assert first.run("cat memory.swappiness") == str(highest)
        first.run("echo 0 > memory.swappiness; echo 8M > memory.limit_in_bytes")
        second.run(f"echo $$ > {test.path}/cgroup.procs")
        assert first.run("cat memory.swappiness") == "0"
        assert second.run("./eat 20", status=137).status == 137
        assert test.memory_peak == 8 * MIB
        assert test.read("memory.memsw.max_usage_in_bytes") < 10 * MIB


def test_oom_control(lab: Lab, v1: Cgroup) -> None:
    """memory.oom_control: wait instead of dying.

    Version 1 lets the OOM killer be switched off for a cgroup. What happens to a process that needs a page then?
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(first, v1)

    with lab.step(
        "Out of memory, and no killer",
        "The killer is switched off by a write of 1, the limit is 8M, nothing may go to swap. eat touches 20 MiB. An "
        "event of memory.oom_control tells when it can go no further; then the limit is raised to 64M.",
        why="The process sleeps in the page fault, in the state D, until somebody raises the limit, frees memory, or "
        "kills it (mem_cgroup_oom_synchronize() in mm/memcontrol-v1.c). A program outside can wait for the event and "
        "decide. A shell in the same cgroup would sleep as well, so nobody inside could help. Version 2 has no such "
        "switch; its memory.high with a watcher outside is meant for this.",
        hint="It can neither have the page nor go on without it.",
        watch=[second],
        files=[*V1_FILES, "/proc/PID/wchan"],
        claims=["mem-14c"],
        ask=Choice(
            "The OOM killer is off, and eat needs more than the limit. What happens to eat?",
            "it is killed",
            "it gets an error",
            "it waits",
        ),
    ) as step:
        first.run("echo 0 > memory.swappiness; echo 8M > memory.limit_in_bytes")
        assert first.run("echo 1 > memory.oom_control").status == 0
        second.run(f"echo $$ > {test.path}/cgroup.procs")
        with test.watch("memory.oom_control") as events:
            second.send("./eat 20 hold\n")
            events.wait()
        control = test.read("memory.oom_control")
        state = proc.read("/proc/PID/status", second.pid)["State"]
        step.answer(
            "it waits" if control["under_oom"] else "it is killed" if control["oom_kill"] else "it gets an error"
        )
        assert control == {"oom_kill_disable": 1, "under_oom": 1, "oom_kill": 0}
        assert state.startswith("D")

    with lab.step(
        "More memory, and on it goes",
        "The first window raises the limit to 64M. eat goes on where it stopped, in the middle of an instruction.",
        why="A change of the limit wakes all that wait (memcg_oom_recover() in mm/memcontrol-v1.c). They try the page "
        "fault again; the program has noticed nothing but the time.",
        watch=[second],
        files=V1_FILES,
        shows=["mem-14c"],
    ):
        first.run("echo 64M > memory.limit_in_bytes")
        second.wait_for("touched 20 MiB")
        assert test.read("memory.oom_control")["under_oom"] == 0
        assert release(second) == 0


def test_waiting_for_events(lab: Lab, v1: Cgroup, big: Path) -> None:
    """cgroup.event_control: be told instead of asking.

    A program that wants to know when memory gets short need not read files in a loop. The kernel can wake it.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(first, v1)
    second.run(f"echo $$ > {test.path}/cgroup.procs")

    with lab.step(
        "A threshold of 5 MiB",
        "A program asks to be told when the usage crosses 5 MiB. In the second window eat touches 10 MiB, waits, and "
        "ends. The events are counted at both moments.",
        why="The program makes an eventfd(2), opens memory.usage_in_bytes, and writes both descriptors and the "
        "threshold to cgroup.event_control; the kernel then adds 1 to the eventfd at each crossing, in both "
        "directions. test.watch(FILE, ARGUMENT) in this step does that. The kernel calls these interfaces deprecated: "
        "since Linux 6.12 the log has a line about it. Version 2 has none of them, there one polls the file itself.",
        hint="A threshold can be crossed in two directions.",
        watch=[second],
        files=[V1, *V1_FILES],
        claims=["mem-04"],
        ask=Number("eat touches 10 MiB and ends. How many events has a threshold of 5 MiB given?"),
    ) as step:
        with test.watch("memory.usage_in_bytes", str(5 * MIB)) as events:
            hold(second, 10)
            up = events.wait()
            assert release(second) == 0
            down = events.wait()
        step.answer(up + down)
        assert (up, down) == (1, 1)
        assert test.memory_usage < 5 * MIB

    with lab.step(
        "Pressure, before it is too late",
        "The program now waits for memory.pressure_level with the word low. The limit is 8M, nothing may go to swap, "
        "and cat reads a file of 24 MiB: nobody will be killed.",
        why="The kernel measures how much it must look at to reclaim one page. low means that it reclaims at all, "
        "medium that it is getting hard, critical that the OOM killer is near (mm/vmpressure.c). The events come while "
        "it still can reclaim, so a program has the chance to give something back.",
        hint="Reading a large file makes the kernel reclaim.",
        watch=[second],
        files=[V1, *V1_FILES],
        claims=["mem-13"],
        ask=Choice(
            "cat reads 24 MiB under a limit of 8 MiB. When does a watcher of the level low get its first event?",
            "before anybody is killed",
            "when the OOM killer comes",
            "never",
        ),
    ) as step:
        first.run("echo 0 > memory.swappiness; echo 8M > memory.limit_in_bytes")
        with test.watch("memory.pressure_level", "low") as events:
            assert second.run(f"cat {big} > /dev/null").status == 0
            count = events.wait()
        killed = test.oom_kills
        step.answer("when the OOM killer comes" if killed else "before anybody is killed")
        assert count > 0
        assert killed == 0


def test_v2_waiting_for_events(lab: Lab, v2: Cgroup) -> None:
    """Version 2: the file itself tells.

    No registration any more. A program opens the file and polls it.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(first, v2)

    with lab.step(
        "Poll memory.events",
        "A program polls memory.events. In the second window eat touches 20 MiB under a limit of 8 MiB without swap. "
        "The program waits until the line oom_kill has changed.",
        why="poll(2) with POLLPRI, or inotify(7) with IN_MODIFY, tells that a line has changed; which one, the program "
        "must read. test.watch(FILE) in this step does that. Changes within 10 ms are told once, so an event is no "
        "count; the numbers in the file are (cgroup_file_notify() in kernel/cgroup/cgroup.c).",
        watch=[second],
        files=V2_FILES,
        claims=["v2-x07"],
        ask=Choice(
            "eat meets the limit many times and is killed. Which lines of memory.events have grown?",
            "max alone",
            "oom_kill alone",
            "max and oom_kill",
        ),
    ) as step:
        first.run("echo 0 > memory.swap.max; echo 8M > memory.max")
        second.run(f"echo $$ > {test.path}/cgroup.procs")
        with test.watch("memory.events") as events:
            second.send("./eat 20\n")
            seen = events.until(lambda content: content["oom_kill"] > 0)
        step.answer(GROWN[seen["max"] > 0, seen["oom_kill"] > 0])
        assert second.run("echo $?") == "137"
        assert seen["max"] > 1
        assert (seen["low"], seen["high"], seen["oom_kill"]) == (0, 0, 1)


GROWN = {(True, True): "max and oom_kill", (True, False): "max alone", (False, True): "oom_kill alone"}


# ---------------------------------------------------------------- Files that have changed


def test_files_that_lost_their_meaning(lab: Lab, v1: Cgroup) -> None:
    """Three files of the notes that are not what they were.

    Version 1 is kept for old programs. Some of its files are still there and do nothing, others do less than they did.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(first, v1)
    second.run(f"echo $$ > {test.path}/cgroup.procs")

    with lab.step(
        "A soft limit that stops nobody",
        "memory.soft_limit_in_bytes is set to 4M, then eat touches 10 MiB.",
        why="A soft limit only counts when the whole machine is short of memory: then the kernel takes first from "
        "those that are above theirs. It never stops anybody, and it was never good at this; the kernel's log calls it "
        "deprecated since Linux 6.12. Version 2 has memory.high, which reclaims and slows down at once, and "
        "memory.low and memory.min, which protect.",
        watch=[second],
        files=[*V1_FILES, f"{V1}/memory.soft_limit_in_bytes"],
        claims=["mem-09"],
        ask=Choice(
            "The soft limit is 4 MiB, eat touches 10 MiB, the machine has enough. What happens?",
            "nothing",
            "memory goes to swap",
            "eat is slowed down",
            "eat is killed",
        ),
    ) as step:
        assert first.run("echo 4M > memory.soft_limit_in_bytes; cat memory.soft_limit_in_bytes") == str(4 * MIB)
        hold(second, 10)
        usage = int(first.run("cat memory.usage_in_bytes"))
        step.answer("nothing" if usage > 10 * MIB else "memory goes to swap")
        assert usage > 10 * MIB
        assert first.run("cat memory.failcnt") == "0"
        assert test.read("memory.stat")["swap"] == 0
        assert release(second) == 0

    with lab.step(
        "A switch that is stuck",
        "memory.use_hierarchy says whether the memory of the cgroups below counts here. The first window tries to "
        "switch it off.",
        why="Since Linux 5.11 children always count in the parent, and the file takes only the 1 that it shows: EINVAL "
        "for a 0 (mem_cgroup_hierarchy_write() in mm/memcontrol-v1.c). A limit that the children did not count in "
        "was easy to leave. Version 2 never had the file.",
        watch=[second],
        files=[*V1_FILES, f"{V1}/memory.use_hierarchy"],
        claims=["mem-11"],
        ask=Choice("Can the counting of the children be switched off on this kernel?", "yes", "no"),
    ) as step:
        assert first.run("cat memory.use_hierarchy") == "1"
        off = first.run("echo 0 > memory.use_hierarchy", status=1)
        value = first.run("cat memory.use_hierarchy")
        step.answer("no" if value == "1" else "yes")
        assert "Invalid argument" in off
        assert value == "1"

    with lab.step(
        "A limit for the kernel's memory that is none",
        "memory.kmem.limit_in_bytes is set to 64M and read again. Then memory.kmem.usage_in_bytes is read, while eat "
        "holds 10 MiB.",
        why="A limit for memory of the kernel alone did more harm than good: allocations failed in places that had no "
        "answer to it. Since Linux 5.16 the file takes a number and forgets it. What the kernel uses for a cgroup "
        "(page tables, stacks, names of files) counts in memory.usage_in_bytes and in memory.limit_in_bytes. In "
        "version 2 it stands in the lines kernel, kernel_stack, pagetables and slab of memory.stat.",
        watch=[second],
        files=[*V1_FILES, f"{V1}/memory.kmem.limit_in_bytes", f"{V1}/memory.kmem.usage_in_bytes"],
        claims=["mem-14e"],
        ask=Choice(
            "64M is written to memory.kmem.limit_in_bytes. What does cat show?",
            "67108864",
            "0",
            "no limit (a huge number)",
            "an error",
        ),
    ) as step:
        hold(second, 10)
        written = first.run("echo 64M > memory.kmem.limit_in_bytes")
        limit = int(first.run("cat memory.kmem.limit_in_bytes"))
        step.answer({64 * MIB: "67108864", 0: "0"}.get(limit, "no limit (a huge number)"))
        assert written.status == 0
        assert limit == cgroups.NO_LIMIT
        assert 0 < int(first.run("cat memory.kmem.usage_in_bytes")) < int(first.run("cat memory.usage_in_bytes"))
        assert release(second) == 0


def test_arithmetic_of_the_notes(lab: Lab, v1: Cgroup) -> None:
    """How much went to swap? A slip of arithmetic.

    The notes compare two outputs of free: 16 KiB of swap before, 500 KiB after the limit was lowered, and they write
    that this makes 384 KiB.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(first, v1)
    second.run(f"echo $$ > {test.path}/cgroup.procs")

    with lab.step(
        "Let the shell compute",
        "The first window subtracts. Then it subtracts the two usages that the notes read, 835584 and 401408 bytes. "
        "Then it reads the counters of this cgroup that make free unnecessary.",
        why="500 - 16 is 484. free and /proc/swaps are about the whole machine, so what other programs do meanwhile is "
        "in the difference as well. The line swap of memory.stat, and memory.memsw.usage_in_bytes minus "
        "memory.usage_in_bytes, are about this cgroup alone. In version 2 it is memory.swap.current.",
        watch=[second],
        files=[*V1_FILES, "/proc/swaps", "/proc/meminfo"],
        claims=["mem-16"],
        ask=Number("free shows 16 KiB of used swap before and 500 KiB after. How many KiB more are that?", unit="KiB"),
    ) as step:
        more = int(first.run("echo $((500 - 16))"))
        step.answer(more)
        assert more == 484
        assert first.run("echo $(((835584 - 401408) / 1024))") == "424"
        first.run("free; cat /proc/swaps; grep -w swap memory.stat")
        assert test.read("memory.stat")["swap"] == 0
        both, memory = test.read("memory.memsw.usage_in_bytes"), test.memory_usage
        assert both == memory


# ---------------------------------------------------------------- The limit is met: with swap


@needs("swap")
def test_lowering_with_swap(lab: Lab, v1: Cgroup) -> None:
    """The process is there, then the limit comes: with swap.

    This is the example of the notes, with eat in place of top, so that one knows how much there is to move.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(first, v1)
    first.run("echo 60 > memory.swappiness")
    second.run(f"echo $$ > {test.path}/cgroup.procs")
    hold(second, 20)

    with lab.step(
        "Where did it go?",
        "eat holds 20 MiB and sleeps. The limit is set to 8M, then to 1K. Read the usage, the line swap of memory.stat "
        "and the limit after each.",
        why="The kernel writes the least used anonymous pages to swap until the usage fits, and only then the write "
        "returns. 1K cannot be reached even with swap: page tables and other memory of the kernel stay, and are "
        "charged today. The 400K of the notes lie near that border, where it is luck: some kernels refuse it, on "
        "others the processes do nothing but wait for their pages.",
        hint="20 MiB do not vanish.",
        watch=[second],
        files=[*V1_FILES, "/proc/swaps"],
        claims=["mem-15"],
        ask=Choice(
            "eat holds 20 MiB, swap is on. The limit is lowered to 8M, then to 1K. What happens?",
            "both times memory goes to swap",
            "8M: memory goes to swap; 1K: the write fails",
            "8M: the write fails; 1K: eat is killed",
            "8M: memory goes to swap; 1K: eat is killed",
        ),
    ) as step:
        lower = first.run("echo 8M > memory.limit_in_bytes")
        first.run("cat memory.usage_in_bytes; grep -w swap memory.stat; cat /proc/swaps")
        usage, swap = test.memory_usage, test.read("memory.stat")["swap"]
        least = first.run("echo 1K > memory.limit_in_bytes")
        step.answer(SWAPPED[lower.status == 0, least.status == 0])
        assert lower.status == 0
        assert usage <= 8 * MIB
        assert swap > 12 * MIB - SLACK
        assert "Device or resource busy" in least
        assert first.run("cat memory.limit_in_bytes") == str(8 * MIB)
        assert test.processes() == [second.shell, second.pid]

    with lab.step(
        "It lives, and it works for it",
        "eat gets a line of input and touches all its 20 MiB once more, and then again. Compare failcnt before, "
        "between and after, and the line pgmajfault.",
        why="Each page that eat touches must come from swap (a major fault), and another one must go there first, "
        "because the limit is met. So failcnt grows as long as the program works, and stands still when it stops; "
        "the notes' top worked all the time. For each fault the kernel reads some pages ahead, so there are fewer "
        "faults than pages.",
        watch=[second],
        files=V1_FILES,
        claims=["mem-17"],
        shows=["mem-18", "mem-20"],
        ask=Choice(
            "eat has touched its pages and now waits for input. Does failcnt still grow?",
            "yes, as long as eat lives",
            "no, only while eat touches memory",
        ),
    ) as step:
        before = test.limit_hits, test.read("memory.stat")["pgmajfault"]
        second.send("\n")
        second.wait_for("touched 20 MiB")
        between = test.limit_hits
        still = int(first.run("cat memory.failcnt"))
        second.send("\n")
        second.wait_for("touched 20 MiB")
        after = test.limit_hits, test.read("memory.stat")["pgmajfault"]
        step.answer("yes, as long as eat lives" if still > between else "no, only while eat touches memory")
        assert before[0] < between
        assert still == between
        assert between < after[0]
        assert after[1] > before[1]
        assert first.run("grep -w oom_kill memory.oom_control") == "oom_kill 0"
        assert release(second) == 0


SWAPPED = {
    (True, True): "both times memory goes to swap",
    (True, False): "8M: memory goes to swap; 1K: the write fails",
    (False, False): "8M: the write fails; 1K: eat is killed",
    (False, True): "8M: the write fails; 1K: eat is killed",
}


@needs("swap")
def test_limit_first_with_swap(lab: Lab, v1: Cgroup) -> None:
    """The limit stands, then the process comes: with swap.

    The same limit and the same program as without swap, and another end.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(first, v1)
    first.run("echo 60 > memory.swappiness; echo 8M > memory.limit_in_bytes")
    second.run(f"echo $$ > {test.path}/cgroup.procs")

    with lab.step(
        "20 MiB through 8 MiB",
        "The limit is 8M. eat touches 20 MiB, once. Then the sum of memory and swap is limited, to 16M, and eat is "
        "started again.",
        why="What does not fit goes to swap page by page, while eat runs: the usage stays at the limit, and the sum of "
        "memory and swap grows to more than 20 MiB. With 16 MiB for the sum there are only 8 MiB of swap, and the OOM "
        "killer comes. The number of major faults is small in the first run: eat only writes new pages, and wants none "
        "back.",
        watch=[second],
        files=[*V1_FILES, f"{V1}/memory.memsw.max_usage_in_bytes", f"{V1}/memory.max_usage_in_bytes"],
        claims=["rec-v1"],
        shows=["mem-20", "mem-18"],
        ask=Number("The limit is 8 MiB, swap is on, eat touches 20 MiB. What is the exit status of eat?"),
    ) as step:
        status = second.run("./eat 20").status
        step.answer(status)
        assert status == 0
        assert first.run("cat memory.max_usage_in_bytes") == str(8 * MIB)
        assert int(first.run("cat memory.memsw.max_usage_in_bytes")) > 20 * MIB
        assert int(first.run("cat memory.failcnt")) > 0
        assert first.run("grep -w oom_kill memory.oom_control") == "oom_kill 0"
        first.run("echo 16M > memory.memsw.limit_in_bytes")
        assert second.run("./eat 20").status == 137
        first.run("echo 32M > memory.memsw.limit_in_bytes")
        assert second.run("./eat 20").status == 0

    with lab.step(
        "Swap is there, but not for you",
        "The limit of the sum is taken away, and swappiness is set to 0. eat touches 20 MiB. There is as much swap as "
        "before.",
        why="With swappiness 0 the kernel takes no anonymous page of this cgroup, even if the OOM killer must come.",
        watch=[second],
        files=[*V1_FILES, f"{V1}/memory.swappiness"],
        shows=["mem-14"],
        ask=Choice(
            "Swap is free, swappiness is 0, the limit is 8 MiB. eat touches 20 MiB: what happens?",
            "12 MiB go to swap",
            "eat is killed",
        ),
    ) as step:
        first.run("echo -1 > memory.memsw.limit_in_bytes; echo 0 > memory.swappiness")
        status = second.run("./eat 20").status
        step.answer("eat is killed" if status == 137 else "12 MiB go to swap")
        assert status == 137


@needs("swap", "top")
def test_shell_and_top_with_swap(lab: Lab, v1: Cgroup) -> None:
    """The notes' own shell and top, in 1 MiB.

    In the notes the limit is lowered under a running top, which is luck near the border. Here it stands from the start.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(first, v1)
    first.run("echo 60 > memory.swappiness; echo 1M > memory.limit_in_bytes")

    with lab.step(
        "A small place for top",
        "A new shell goes into the cgroup and runs top three times. top needs two to three times as much memory.",
        why="Both live, because swap takes what does not fit: the sum of memory and swap goes above 1 MiB, and top "
        "must wait for its pages again and again (pgmajfault). Without swap this would be the end of top.",
        watch=[second],
        files=[*V1_FILES, f"{V1}/memory.memsw.max_usage_in_bytes"],
        claims=["rec-v1-notes"],
        ask=Choice(
            "bash and top want 2 to 3 MiB, the limit is 1 MiB, swap is on. What happens to top?",
            "it is killed",
            "it runs and ends well",
            "it cannot be started",
        ),
    ) as step:
        second.enter("/bin/bash")
        second.run(f"echo $$ > {test.path}/cgroup.procs")
        status = second.run("top -b -d 0.1 -n 3 > /dev/null").status
        step.answer({0: "it runs and ends well", 137: "it is killed"}.get(status, "it cannot be started"))
        assert status == 0
        assert test.memory_peak == MIB
        assert int(first.run("cat memory.memsw.max_usage_in_bytes")) > MIB
        assert int(first.run("cat memory.failcnt")) > 0
        assert test.oom_kills == 0


@needs("swap")
def test_kinds_of_swap(lab: Lab, v1: Cgroup) -> None:
    """Swap file or zram: what reading ahead does.

    Swap can lie in a file, on a disk, or compressed in memory (zram). The result of the exercises is the same with
    each; the number of major faults is not.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(first, v1)
    first.run("echo 60 > memory.swappiness; echo 4M > memory.limit_in_bytes")
    second.run(f"echo $$ > {test.path}/cgroup.procs")
    zram = all("zram" in line for line in Path("/proc/swaps").read_text().splitlines()[1:])
    pages = 12 * MIB // PAGE

    with lab.step(
        "The same result with every kind",
        "The first window looks which swap this machine has. eat touches 12 MiB under a limit of 4 MiB, twice, and "
        "ends well.",
        why="For the cgroup a page in swap is a page in swap. A file on a file system, a loop device and a partition "
        "behave alike; zram keeps the pages compressed in memory that no disk has to give, and is quicker.",
        watch=[second],
        files=[*V1_FILES, "/proc/swaps"],
        claims=["rec-swap"],
        ask=Choice("Does it matter for the exit status of eat where the swap lies?", "yes", "no"),
    ) as step:
        first.run("cat /proc/swaps")
        in_order = second.run("./eat 12 2")
        step.answer("no" if in_order.status == 0 else "yes")
        assert in_order.status == 0
        assert test.oom_kills == 0
        assert int(first.run("cat memory.memsw.max_usage_in_bytes")) > 12 * MIB

    with lab.step(
        "In order, and criss-cross",
        f"eat touches {pages} pages twice. In the first run the second pass goes in order; in the other one it jumps "
        "from page to page. Compare the numbers of major faults that eat prints.",
        why="When a fault needs a page from a swap file, the kernel reads up to 8 neighbours with it (2 to the power "
        "of /proc/sys/vm/page-cluster), if the faults before came in order. So there is about one fault for 8 pages, "
        "and jumping makes it one for each page. For zram the kernel never reads ahead, as there is no disk to wait "
        "for: one fault for each page, always (do_swap_page() in mm/memory.c). More faults, and still less time.",
        hint="Reading ahead helps who goes straight on.",
        watch=[second],
        files=[*V1_FILES, "/proc/swaps", "/proc/sys/vm/page-cluster"],
        claims=["mem-f4"],
        ask=Choice(
            "eat reads its pages back from the swap of this machine, in order. How many major faults for 8 pages?",
            "about 1",
            "about 8",
        ),
    ) as step:
        straight = major_faults(in_order)
        jumping = major_faults(second.run("./eat 12 2 scatter"))
        step.answer("about 8" if straight > pages // 2 else "about 1")
        assert first.run("cat /proc/sys/vm/page-cluster") == "3"
        assert jumping > pages // 2
        assert (straight > pages // 2) is zram


def major_faults(output: str) -> int:
    """The number that eat has printed."""
    return int(output.split(", ")[1].split()[0])


# ---------------------------------------------------------------- Version 2: high, swap, groups, pressure


def test_v2_high_slows_down(lab: Lab, v2: Cgroup) -> None:
    """Version 2: memory.high, a limit that does not kill.

    memory.max is a wall. memory.high is a slope: whoever is above it is slowed down, so that somebody can see it and
    act.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(first, v2)
    if "memory.pressure" not in test.files():
        lab.unsupported("the kernel does not measure pressure (PSI)", "boot with psi=1 on the kernel command line")

    with lab.step(
        "Above the line",
        "memory.high is 8M, nothing may go to swap. eat touches 12 MiB. A program waits until the processes of the "
        "cgroup have been stopped for 0.1 s within half a second.",
        why="Above memory.high the kernel first reclaims. What is still above is paid in time: before the process "
        "returns from the page fault it sleeps, up to 2 seconds, the longer the further it is above "
        "(mem_cgroup_handle_over_high() in mm/memcontrol.c). Nobody is killed. A manager outside can raise the line, "
        "or end the program. With swap the same run ends in a moment.",
        hint="The line is no wall.",
        watch=[second],
        files=[*V2_FILES, f"{V2}/memory.high"],
        claims=["v2-01"],
        ask=Choice(
            "memory.high is 8 MiB, there is no swap, eat touches 12 MiB. What happens to eat?",
            "it is killed",
            "it ends as fast as ever",
            "it becomes very slow",
        ),
    ) as step:
        first.run("echo 0 > memory.swap.max; echo 8M > memory.high")
        second.run(f"echo $$ > {test.path}/cgroup.procs")
        with test.watch("memory.pressure", "full 100000 500000") as stalls:
            second.send("./eat 12\n")
            stalls.wait()
        events, usage, alive = test.read("memory.events"), test.memory_usage, second.pid in test.processes()
        step.answer(
            "it is killed" if events["oom_kill"] else "it becomes very slow" if alive else "it ends as fast as ever"
        )
        assert alive
        assert events["high"] > 0
        assert (events["oom"], events["oom_kill"]) == (0, 0)
        assert usage > 8 * MIB

    with lab.step(
        "How long they waited: memory.pressure",
        "The file memory.pressure says how much time was lost. The line some: at least one process waited for memory. "
        "The line full: all that could have run waited.",
        why="PSI (pressure stall information) counts microseconds. avg10, avg60 and avg300 are the shares of the last "
        "10, 60 and 300 seconds in percent, total is the sum. /proc/pressure/memory has the same for the whole "
        "machine. It tells what usage cannot: whether it hurts (Documentation/accounting/psi.rst, Linux 4.20).",
        watch=[second],
        files=[*V2_FILES, f"{V2}/memory.pressure", "/proc/pressure/memory"],
        claims=["v2-08"],
        ask=Choice("Which total is never the smaller one?", "some", "full"),
    ) as step:
        first.run("cat memory.pressure /proc/pressure/memory")
        pressure = test.read("memory.pressure")
        some, full = pressure["some"]["total"], pressure["full"]["total"]
        step.answer("some" if some >= full else "full")
        assert full > 0
        assert some >= full
        assert Path("/proc/pressure/memory").read_text().startswith("some avg10=")


def test_v2_kill_the_whole_group(lab: Lab, v2: Cgroup) -> None:
    """Version 2: memory.oom.group.

    A service often consists of several processes. What is it worth when one of them has been killed?
    """
    first, second, third = lab.window("first"), lab.window("second"), lab.window("third")
    test = start(first, v2)
    first.run("echo 0 > memory.swap.max; echo 8M > memory.max")

    with lab.step(
        "The neighbour that only sleeps",
        "In the third window tail sleeps in the cgroup. In the second one eat touches 20 MiB and is killed, twice: "
        "first with memory.oom.group 0, then with 1. Watch the neighbour.",
        why="With oom.group the kernel treats the cgroup as one: either nobody is killed or all (except processes with "
        "an oom_score_adj of -1000). A service that has lost a part is often worse than one that is gone and is "
        "started anew. Container engines on version 2 may set it; Kubernetes does.",
        watch=[second, third],
        files=[*V2_FILES, f"{V2}/memory.oom.group"],
        claims=["v2-03"],
        ask=Choice(
            "memory.oom.group is 1, and eat is out of memory. What happens to tail, which only sleeps?",
            "it sleeps on",
            "it is killed as well",
        ),
    ) as step:
        third.send(f"( echo $BASHPID > {test.path}/cgroup.procs; echo in''side; exec tail -f /dev/null )\n")
        third.wait_for("inside")
        killed = second.run(f"( echo $BASHPID > {test.path}/cgroup.procs; exec ./eat 20 )").status
        alone = third.pid in test.processes()
        first.run("echo 1 > memory.oom.group")
        with test.watch("cgroup.events") as events:
            second.run(f"( echo $BASHPID > {test.path}/cgroup.procs; exec ./eat 20 )")
            if test.read("memory.events")["oom_group_kill"]:
                events.until(lambda content: content["populated"] == 0)
        step.answer("it sleeps on" if test.processes() else "it is killed as well")
        assert killed == 137
        assert alone
        assert test.processes() == []
        assert third.run("echo $?") == "137"
        assert test.read("memory.events")["oom_group_kill"] == 1
        assert test.read("memory.events")["oom_kill"] >= 3


def test_v2_events_of_the_children(lab: Lab, v2: Cgroup) -> None:
    """Version 2: memory.events and memory.events.local.

    Cgroups lie in each other. When something happens in one, who is told?
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(first, v2)
    first.run("echo +memory > cgroup.subtree_control; mkdir child")
    child = Cgroup(test.path / "child", 2)

    with lab.step(
        "The limit above, the victim below",
        "test has the limit of 8 MiB, and its child has none. eat runs in the child and is killed. Compare four files: "
        "memory.events and memory.events.local of both.",
        why="memory.events has the events of everything below added, so one file at the top is enough to watch a "
        "service. memory.events.local has those of this cgroup alone: the limit was met in test, so its max and oom "
        "are counted there, while oom_kill is counted where the victim sat (Linux 5.2).",
        hint="In which cgroup was the victim?",
        watch=[second],
        files=[*V2_FILES, f"{V2}/memory.events.local"],
        claims=["v2-05"],
        ask=Choice(
            "The limit is that of test, the victim sits in its child. Which memory.events.local counts the oom_kill?",
            "that of test",
            "that of the child",
            "both",
        ),
    ) as step:
        first.run("echo 0 > memory.swap.max; echo 8M > memory.max")
        second.run(f"echo $$ > {child.path}/cgroup.procs")
        assert second.run("./eat 20").status == 137
        first.run("grep -H oom_kill memory.events memory.events.local child/memory.events child/memory.events.local")
        above, below = test.read("memory.events.local"), child.read("memory.events.local")
        counted = above["oom_kill"], below["oom_kill"]
        step.answer({(1, 0): "that of test", (0, 1): "that of the child"}.get(counted, "both"))
        assert counted == (0, 1)
        assert (above["max"] > 0, below["max"]) == (True, 0)
        assert (above["oom"], below["oom"]) == (1, 0)
        assert test.read("memory.events")["oom_kill"] == child.read("memory.events")["oom_kill"] == 1


@needs("swap")
def test_v2_limits_with_swap(lab: Lab, v2: Cgroup) -> None:
    """Version 2: memory.max and memory.swap.max.

    In version 2 memory and swap are two counters with a limit each.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(first, v2)
    first.run("echo 8M > memory.max")
    second.run(f"echo $$ > {test.path}/cgroup.procs")

    with lab.step(
        "20 MiB through 8 MiB",
        "memory.max is 8M, and swap has no limit. eat touches 20 MiB and holds them. Then it touches them once more.",
        why="What does not fit goes to swap, as in version 1. memory.peak is the limit exactly, memory.swap.current is "
        "the rest. memory.events counts the line max, and neither oom nor oom_kill. On the second pass the pages must "
        "come back: pgmajfault and workingset_refault_anon of memory.stat grow.",
        watch=[second],
        files=[*V2_FILES, f"{V2}/memory.peak"],
        claims=["rec-v2"],
        ask=Number("memory.max is 8 MiB, swap is on, eat touches 20 MiB. How many processes does the OOM killer end?"),
    ) as step:
        hold(second, 20)
        first.run("cat memory.peak memory.swap.current memory.events")
        step.answer(test.oom_kills)
        assert first.run("cat memory.peak") == str(8 * MIB)
        assert test.swap_usage > 12 * MIB - SLACK
        assert test.limit_hits > 0
        assert (test.oom_kills, test.read("memory.events")["oom"]) == (0, 0)
        before = test.read("memory.stat")
        second.send("\n")
        second.wait_for("touched 20 MiB")
        after = test.read("memory.stat")
        assert after["pgmajfault"] > before["pgmajfault"]
        assert after["workingset_refault_anon"] > before["workingset_refault_anon"]
        assert release(second) == 0

    with lab.step(
        "How much swap is enough?",
        "eat touches 20 MiB with memory.swap.max 0, then 4M, then 32M.",
        why="memory.swap.max is a limit for swap alone, so 8M of memory and 4M of swap make 12 MiB: not enough. In "
        "version 1 one would write 12M to memory.memsw.limit_in_bytes. memory.swap.events counts how often the limit "
        "for swap was met (max) and how often a page could not go (fail).",
        hint="Add the two limits.",
        watch=[second],
        files=[*V2_FILES, f"{V2}/memory.swap.events"],
        claims=["v2-02"],
        ask=Choice(
            "memory.max is 8M, eat touches 20 MiB. Which memory.swap.max lets it live?",
            "0 and more",
            "4M and more",
            "32M",
            "none of them",
        ),
    ) as step:
        statuses = []
        for limit in ("0", "4M", "32M"):
            first.run(f"echo {limit} > memory.swap.max")
            statuses.append(second.run("./eat 20").status)
        step.answer({3: "0 and more", 2: "4M and more", 1: "32M"}.get(statuses.count(0), "none of them"))
        assert statuses == [137, 137, 0]
        assert test.read("memory.swap.events")["fail"] > 0
        assert test.oom_kills == 2


# ---------------------------------------------------------------- Helpers


def start(first: Window, group: Cgroup) -> Cgroup:
    """Make the cgroup test, as the notes do, with the first window in it."""
    first.run(f"cd {group.path}")
    if group.version == 2:
        first.run("echo +memory > cgroup.subtree_control")
    first.run("mkdir test; cd test")
    return Cgroup(group.path / "test", group.version)


def hold(window: Window, size: int) -> None:
    """Start eat in a window, and wait until it has touched `size` MiB; it keeps them."""
    window.send(f"./eat {size} hold\n")
    window.wait_for(f"touched {size} MiB")


def release(window: Window) -> int:
    """End the input of eat, and with it eat; returns its exit status."""
    window.send("\x04")
    return int(window.run("echo $?"))


def resident_memory(pid: int) -> int:
    """VmRSS of a process, in bytes (proc(5), /proc/PID/status)."""
    found = re.search(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
