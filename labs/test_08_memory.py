"""Memory cgroups: a directory, its files, and what counts as memory.

A cgroup counts the memory of a group of processes and sets a limit to it. The notes show it on one small example: make
a cgroup, put a shell into it, lower the limit, and see what happens. This lab runs that example file by file, up to the
limit; what happens at the limit, without swap and with it, is shown by the next two.

There are two versions of cgroups, and a machine has the memory controller in one of them. These three labs are about
version 1, as in the notes. The fourth one shows the same with version 2.

The program that fills the memory is eat: "./eat 20" touches 20 MiB, page by page, and ends. "./eat 20 hold" keeps them
until its input ends; each line of input makes it touch all of them once more. To touch a page is to write to it: only
then does the kernel give memory for it.
"""

import os
import re

from runtime.kernel import cgroups
from runtime.kernel.cgroups import Cgroup
from runtime.lab import Choice, Lab, Number, Window, needs
from runtime.lab.memory import (
    MIB,
    PAGE,
    SLACK,
    V1,
    V1_FILES,
    big_file,
    hold,
    release,
    resident_memory,
    start,
)

# ---------------------------------------------------------------- Where it is, and what is in it


def test_where_the_controller_is(lab: Lab) -> None:
    """Where the memory controller is.

    A controller is the part of the kernel that counts one thing, such as memory. The notes find its tree of
    directories at /sys/fs/cgroup/memory. Look whether it is there today.
    """
    first = lab.window("first")

    with lab.step(
        "Find the tree",
        """
        stat -f tells which file system lies at a path, mount lists what is mounted, and /proc/self/cgroup has a line
        for each tree, with the cgroup of the reader in it.
        """,
        found="""
            With version 1 each controller has a tree of its own below /sys/fs/cgroup. With version 2 there is one tree,
            and /sys/fs/cgroup is its root.
        """,
        why="""
            In version 1 every controller is a file system of the type cgroup; the program that starts the machine
            mounts them below /sys/fs/cgroup, which is then a small tmpfs (a file system in memory). In version 2
            /sys/fs/cgroup itself is the only tree, of the type cgroup2, and the memory files stand in its directories
            next to those of all other controllers (cgroups(7)). Debian since 11, Ubuntu since 21.10 and Fedora since 31
            use version 2 if they are not told otherwise.
        """,
        hint="cgroup2fs is the tree of version 2; a tmpfs has room for directories on which other trees are mounted.",
        watch=[first],
        files=["/proc/mounts", "/proc/filesystems"],
        claims=["mem-01"],
        ask=Choice(
            "What does `stat -f -c %T /sys/fs/cgroup` print on this machine?", "tmpfs", "cgroup2fs", "cgroupfs", "sysfs"
        ),
    ) as step:
        unified = lab.facts.cgroup == "v2"
        top = first.run("stat -f -c %T /sys/fs/cgroup")
        step.answer({name: top == name for name in ("tmpfs", "cgroup2fs", "cgroupfs", "sysfs")}, saw=top)
        tree = first.run("stat -f -c %T /sys/fs/cgroup/memory", status=1 if unified else 0)
        mounted = first.run("mount -t cgroup,cgroup2")
        first.run("grep -w memory /proc/self/cgroup", status=1 if unified else 0)
        assert top == ("cgroup2fs" if unified else "tmpfs")
        assert (tree == "cgroupfs") is not unified
        assert bool(re.search(r"on /sys/fs/cgroup/memory type cgroup \(.*\bmemory\b", mounted)) is not unified
        assert "cgroup2" in first.run("cat /proc/filesystems")


def test_a_directory_full_of_files(lab: Lab) -> None:
    """A cgroup is a directory.

    The notes make a directory and list it.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(lab, first, 1)
    first.run("cd ..; rmdir test")

    with lab.step(
        "mkdir and rmdir",
        """
        The first window makes the directory test and lists it. rmdir takes it away, and it is made again. Then the
        shell of the second window is put into it.
        """,
        found="The kernel fills a new cgroup with files at once, and rmdir removes it with all of them.",
        why="""
            The files are no files on a disk. Each shows a number in the kernel, made by the controller together with
            the directory, and rmdir removes the cgroup, not the files (cgroups(7)). A file of version 1 is named after
            its controller.
        """,
        watch=[first, second],
        files=[V1, *V1_FILES],
        claims=["mem-02"],
        ask=Choice(
            "A directory has just been made with mkdir. What does ls find in it?",
            "nothing",
            "one file, cgroup.procs",
            "more than twenty files",
            "the processes of the machine",
        ),
    ) as step:
        first.run("mkdir test")
        files = first.run("ls test").split()
        step.answer(
            {
                "nothing": files == [],
                "one file, cgroup.procs": files == ["cgroup.procs"],
                "more than twenty files": len(files) > 20,
                "the processes of the machine": bool(files) and all(name.isdecimal() for name in files),
            },
            saw=files,
        )
        assert set(files) >= NOTES_FILES
        first.run("rmdir test; mkdir test")
        second.run(f"echo $$ > {test.path}/cgroup.procs")
        assert first.run("cat test/cgroup.procs") == str(second.pid)

    with lab.step(
        "Files that every cgroup has",
        """
        The notes speak of the few files that every cgroup has, and of those of the memory controller. A cgroup is made
        in the tree of another controller, pids, and both listings are compared.
        """,
        found="Four files belong to every cgroup: cgroup.procs, tasks, cgroup.clone_children and notify_on_release.",
        why="""
            cgroup.procs lists processes and tasks lists threads, by their numbers; notify_on_release says whether a
            program is started when the last process has left; cgroup.clone_children is of use to cpuset alone.
            cgroup.event_control looks like them, but the memory controller makes it (cgroups(7), mm/memcontrol-v1.c).
        """,
        hint="A file of one controller need not have its name in front.",
        watch=[second],
        files=[V1],
        claims=["mem-f6"],
        ask=Choice(
            "Which of these has only a cgroup of the memory controller?",
            "cgroup.procs",
            "tasks",
            "notify_on_release",
            "cgroup.event_control",
        ),
    ) as step:
        if cgroups.hierarchy("pids").version != 1:
            lab.unsupported("the pids controller is not on cgroup v1 here", "use the VM (vagrant up)")
        other = step.keep(cgroups.create("pids", f"lab-{os.getpid()}"))
        memory = {name for name in first.run("ls test").split() if not name.startswith("memory.")}
        pids = {name for name in first.run(f"ls {other.path}").split() if not name.startswith("pids.")}
        asked = ("cgroup.procs", "tasks", "notify_on_release", "cgroup.event_control")
        step.answer({name: name in memory - pids for name in asked}, saw=memory - pids)
        assert pids == {"cgroup.procs", "tasks", "notify_on_release", "cgroup.clone_children"}
        assert memory == pids | {"cgroup.event_control"}

    with lab.step(
        "Files that the notes do not list",
        """
        The listing of the notes has no file with memsw in its name. These count memory and swap together. The limit of
        memory is set to 8M, then the first window tries two limits for the sum: 4M and 16M.
        """,
        found="The limit for memory and swap together can never be below the limit for memory.",
        why="""
            A limit for memory alone only moves the excess to swap. memory.memsw.limit_in_bytes limits the sum, so it
            can never be below the limit for memory: EINVAL. The accounting of swap cost a little memory, so old
            distributions left it switched off (swapaccount=1 switched it on); since Linux 6.1 it is always on. Version
            2 has no limit for the sum: memory.swap.max counts swap alone.
        """,
        hint="memsw is the sum of memory and swap.",
        watch=[second],
        files=[*V1_FILES, f"{V1}/memory.memsw.limit_in_bytes", f"{V1}/memory.memsw.max_usage_in_bytes"],
        claims=["mem-03"],
        ask=Choice(
            "memory.limit_in_bytes is 8M. Which of 4M and 16M does memory.memsw.limit_in_bytes take?",
            "both",
            "16M alone",
            "4M alone",
            "neither",
        ),
    ) as step:
        memsw = {name for name in first.run("ls test").split() if "memsw" in name}
        first.run("cd test; echo 8M > memory.limit_in_bytes")
        less = first.run("echo 4M > memory.memsw.limit_in_bytes", status=(0, 1))
        more = first.run("echo 16M > memory.memsw.limit_in_bytes", status=(0, 1))
        taken = less.status == 0, more.status == 0
        step.answer(
            {
                "both": taken == (True, True),
                "16M alone": taken == (False, True),
                "4M alone": taken == (True, False),
                "neither": taken == (False, False),
            }
        )
        assert memsw == {f"memory.memsw.{name}" for name in MEMSW}
        assert "Invalid argument" in less
        assert first.run("cat memory.memsw.limit_in_bytes") == str(16 * MIB)


MEMSW = ("failcnt", "limit_in_bytes", "max_usage_in_bytes", "usage_in_bytes")
NOTES_FILES = {  # memory.numa_stat is not among them: a kernel without CONFIG_NUMA has none
    *("cgroup.clone_children", "cgroup.event_control", "cgroup.procs", "notify_on_release", "tasks"),
    *(f"memory.{name}" for name in ("usage_in_bytes", "limit_in_bytes", "failcnt", "max_usage_in_bytes")),
    *(f"memory.{name}" for name in ("soft_limit_in_bytes", "stat", "use_hierarchy", "force_empty", "pressure_level")),
    *(f"memory.{name}" for name in ("swappiness", "move_charge_at_immigrate", "oom_control")),
}


# ---------------------------------------------------------------- Adding a process


@needs("top")
def test_adding_a_shell(lab: Lab) -> None:
    """Putting a shell into a cgroup.

    A process is moved by writing its number to cgroup.procs. The notes put a shell in, and start top from it.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(lab, first, 1)

    with lab.step(
        "A shell, then top",
        """
        The second window writes the number of its own shell to cgroup.procs, and then starts top. The first window
        reads which processes are in the cgroup now.
        """,
        found="What a process starts is born in the cgroup of that process.",
        why="""
            A child starts in the cgroups of its parent (fork(2) copies the membership; cgroups(7)). cgroup.procs takes
            one number for each write(2), and moves that process with all its threads; the file tasks of version 1 moves
            a single thread.
        """,
        hint="Does anybody move top?",
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
        """
        The notes write sudo sh -c "echo $$ >> cgroup.procs". The second window now tries single quotes, to go back to
        the parent, and then the double ones.
        """,
        found="In double quotes $$ is the shell at which one types; in single quotes it is sh.",
        why="""
            In double quotes the shell at which you type replaces $$ by its own number, before sh starts. In single
            quotes sh gets the two dollar signs and writes its own number: it moves itself and ends. In ( ) the variable
            $$ is still the number of the outer shell, and $BASHPID that of the inner one (bash(1)).
        """,
        hint="Who replaces $$ by a number?",
        watch=[second],
        claims=["mem-15d"],
        ask=Choice(
            "sh -c 'echo $$ >> ../cgroup.procs', typed with single quotes. What is moved to the parent?",
            "the shell of the window",
            "sh",
            "both",
            "neither",
        ),
    ) as step:
        parent = f"{test.parent.path}/cgroup.procs"
        moved = second.run(f"sh -c 'echo $$ >> {parent}; grep -w memory /proc/$$/cgroup'"), memory_line(second)
        gone = tuple(not line.endswith("/test") for line in moved)
        step.answer(
            {
                "the shell of the window": gone == (False, True),
                "sh": gone == (True, False),
                "both": gone == (True, True),
                "neither": gone == (False, False),
            },
            saw=moved,
        )
        assert gone == (True, False)
        second.run(f'sh -c "echo $$ >> {parent}"')
        assert not memory_line(second).endswith("/test")

    with lab.step(
        "Without sudo",
        """
        An ordinary user tries to move its own shell into the cgroup, and to set a limit. ls shows to whom the two files
        belong.
        """,
        found="A process is moved by whoever may write to cgroup.procs; here that is root.",
        why="""
            The files belong to whoever made the directory. Moving a process asks for the right to write to cgroup.procs
            of the new cgroup, and for being root or the owner of the process (cgroups(7)). A directory can be given to
            a user with chown: that is called delegation.
        """,
        watch=[first],
        shows=["mem-15d"],
        ask=Choice(
            "An ordinary user writes to both files. What does the shell answer?",
            "No space left on device",
            "Permission denied",
            "Device or resource busy",
            "nothing: it works",
        ),
    ) as step:
        first.run("ls -l cgroup.procs memory.limit_in_bytes")
        answers = [
            first.run(f"{lab.ordinary_user} sh -c '{write}'", status=(0, 1, 2))
            for write in ("echo $$ >> cgroup.procs", "echo 1M > memory.limit_in_bytes")
        ]
        said = {name: all(name in answer for answer in answers) for name in REFUSALS}
        step.answer({**said, "nothing: it works": not any(answers)}, saw=answers)
        assert said["Permission denied"]
        assert test.memory_limit is None


REFUSALS = ("No space left on device", "Permission denied", "Device or resource busy")


def memory_line(window: Window) -> str:
    """Where the shell of a window sits in the memory tree: its line of /proc/PID/cgroup."""
    return window.run("grep -w memory /proc/$$/cgroup")


# ---------------------------------------------------------------- Setting a limit


def test_limit_and_rounding(lab: Lab) -> None:
    """Writing a limit and reading it back.

    The notes warn that the limit may be another number than the one that was written, because the kernel counts pages.
    A page is a piece of memory of fixed size, 4096 bytes on most machines.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(lab, first, 1)
    second.run(f"echo $$ > {test.path}/cgroup.procs")

    with lab.step(
        "Ten million bytes",
        "The limit of the shell's cgroup is set to ten million bytes and read again. getconf tells the size of a page.",
        found="A limit is rounded down to whole pages.",
        why="""
            The kernel divides the number by the size of a page and drops the rest (page_counter_memparse() in
            mm/page_counter.c). So the limit is rounded down, never up.
        """,
        hint="Divide by the size of a page, drop the rest, multiply again.",
        watch=[second],
        files=V1_FILES,
        claims=["mem-15b"],
        ask=Number("`echo 10000000 > memory.limit_in_bytes`. Which number does cat show?", unit="bytes"),
    ) as step:
        assert first.run("getconf PAGESIZE") == str(PAGE)
        first.run("echo 10000000 > memory.limit_in_bytes")
        limit = int(first.run("cat memory.limit_in_bytes"))
        step.answer(limit)
        assert limit == 10000000 // PAGE * PAGE

    with lab.step(
        "Small and strange numbers",
        """
        The first window makes an empty cgroup beside it. A loop writes small numbers there and reads each again. A
        second loop writes some that make no sense.
        """,
        found="Letters K, M and G are understood, what is below a page is 0, and anything else is refused with EINVAL.",
        why="""
            The number is read with its letter first, and a rest of the text, such as .5M, gives EINVAL (memparse() in
            lib/cmdline.c). An empty cgroup takes a limit of 0, because it uses nothing.
        """,
        hint="One of the four numbers is smaller than a page.",
        watch=[second],
        files=V1_FILES,
        shows=["mem-15b"],
        ask=Number("With pages of 4096 bytes: which limit does cat show after `echo 1K`?", unit="bytes"),
    ) as step:
        first.run("mkdir ../empty; cd ../empty")
        read = loop(first, " ".join(ROUNDED), "memory.limit_in_bytes")
        step.answer(int(read.split()[-1]))
        assert read.split() == [str(size // PAGE * PAGE) for size in ROUNDED.values()]
        senseless = first.run("for n in -2 1M+ 1.5M much; do echo $n > memory.limit_in_bytes; done", status=1)
        assert senseless.count("Invalid argument") == 4
        first.run("cd ../test")

    with lab.step(
        "No limit at all",
        "-1 takes the limit away. Then cat shows a very large number.",
        found="No limit is the largest signed 64-bit number, in whole pages.",
        why="""
            The counter of pages is a signed 64-bit number (on a 64-bit machine), and -1 stands for its largest value.
            The file shows bytes: 2 to the power of 63, minus 1, rounded down to a whole page, which is
            0x7ffffffffffff000 with 4 KiB pages (PAGE_COUNTER_MAX in include/linux/page_counter.h).
        """,
        hint="The largest signed 64-bit number is 9223372036854775807.",
        watch=[second],
        files=V1_FILES,
        claims=["mem-15c"],
        ask=Number("Compute it: which number does cat show after `echo -1 > memory.limit_in_bytes`?", unit="bytes"),
    ) as step:
        first.run("echo -1 > memory.limit_in_bytes")
        limit = int(first.run("cat memory.limit_in_bytes"))
        step.answer(limit)
        assert limit == (2**63 - 1) // PAGE * PAGE
        assert test.memory_limit is None


ROUNDED = {"1M": MIB, "400K": 400 * 1024, "4097": 4097, "1K": 1024}


def loop(window: Window, numbers: str, file: str) -> str:
    """Write each number to a file and read it again, in one line; returns what was read."""
    return window.run(f"for n in {numbers}; do echo $n > {file}; cat {file}; done")


# ---------------------------------------------------------------- What is counted


def test_usage_is_not_the_sum_of_rss(lab: Lab) -> None:
    """What memory.usage_in_bytes counts.

    The notes read the usage as the memory of the processes inside. ps and top show the memory of a process as RSS, the
    resident set size: its pages that are in memory. Do the two agree?
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(lab, first, 1)
    second.run(f"echo $$ > {test.path}/cgroup.procs")

    with lab.step(
        "Add up the RSS",
        """
        The shell has moved in, and eat touches 10 MiB. VmRSS of both is read from /proc/PID/status and added up.
        Compare the sum with the usage of the cgroup.
        """,
        found="The usage is what was charged to this cgroup, not the sum of what ps shows.",
        why="""
            A page is charged to the cgroup whose process touched it first, and stays there. So the memory that the
            shell had before it moved in is missing in the usage, and so are pages of shared libraries that others read
            before. But the usage has what no RSS has: page cache (pages of files that were read), and memory of the
            kernel such as page tables (memory.kmem.usage_in_bytes). The counter runs ahead by up to 64 pages for each
            CPU (Documentation/admin-guide/cgroup-v1/memory.rst).
        """,
        hint="Where was the shell when it asked for its memory?",
        watch=[second],
        files=V1_FILES,
        claims=["mem-05"],
        ask=Choice(
            "The shell moved in, then eat touched 10 MiB. What is the usage of the cgroup?",
            "less than 10 MiB",
            "more than 10 MiB, but less than the RSS of both together",
            "the RSS of both together",
            "more than the RSS of both together",
        ),
    ) as step:
        hold(second, 10)
        first.run(f"grep VmRSS /proc/{second.shell}/status /proc/{second.pid}/status")
        resident = resident_memory(second.shell) + resident_memory(second.pid)
        usage = int(first.run("cat memory.usage_in_bytes"))
        step.answer(
            {
                "less than 10 MiB": usage < 10 * MIB,
                "more than 10 MiB, but less than the RSS of both together": 10 * MIB <= usage < resident,
                "the RSS of both together": usage == resident,
                "more than the RSS of both together": usage > resident,
            },
            saw=(usage, resident),
        )
        assert first.run("cat cgroup.procs").split() == [str(second.shell), str(second.pid)]
        assert 10 * MIB < usage < resident
        assert int(first.run("cat memory.kmem.usage_in_bytes")) > 0

    with lab.step(
        "Line by line: memory.stat",
        """
        memory.stat splits the usage up. Its second half repeats every line with total_ in front. Compare test, where
        eat runs, with its parent, where nobody sits.
        """,
        found="Lines with total_ include the cgroups below; the lines without it are of this cgroup alone.",
        why="""
            rss is anonymous memory, that is, memory that belongs to no file (and not the RSS of ps); cache is page
            cache, swap what lies in swap. Version 2 has the lines anon, file and kernel, and always counts what is
            below.
        """,
        hint="eat sits in test and not in its parent.",
        watch=[second],
        files=V1_FILES,
        claims=["mem-10"],
        ask=Choice(
            "eat sits in test. Which line of memory.stat in the parent of test contains its 10 MiB?",
            "rss",
            "total_rss",
            "both",
            "neither",
        ),
    ) as step:
        first.run("grep -w -E 'rss|cache|swap|total_rss|total_pgfault' memory.stat ../memory.stat")
        parent, child = test.parent.read("memory.stat"), test.read("memory.stat")
        contain = tuple(parent[name] > 10 * MIB - SLACK for name in ("rss", "total_rss"))
        step.answer(
            {
                "rss": contain == (True, False),
                "total_rss": contain == (False, True),
                "both": contain == (True, True),
                "neither": contain == (False, False),
            },
            saw=parent,
        )
        assert child["rss"] > 10 * MIB - SLACK
        assert child["total_rss"] == child["rss"]
        assert contain == (False, True)
        assert {"total_pgpgin", "total_pgpgout", "total_pgfault", "total_pgmajfault"} <= set(child)
        assert release(second) == 0
        assert test.read("memory.stat")["rss"] < 5 * MIB


def test_memory_of_each_node(lab: Lab) -> None:
    """memory.numa_stat.

    On a machine with several memory nodes (NUMA) it matters on which one a page lies: the near one is quicker.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(lab, first, 1)
    if "memory.numa_stat" not in test.files():
        lab.unsupported("this kernel knows no memory nodes (CONFIG_NUMA)", "use the VM (vagrant up)")
    second.run(f"echo $$ > {test.path}/cgroup.procs")

    with lab.step(
        "Count by node",
        "memory.numa_stat splits the memory up by node, N0, N1 and so on. eat touches 10 MiB; look at the line anon.",
        found="The file counts pages, for each memory node.",
        why="Most small machines have the node N0 alone. In version 1 the file counts pages, in version 2 bytes.",
        hint="Divide 10 MiB by each of the units.",
        watch=[second],
        files=[*V1_FILES, f"{V1}/memory.numa_stat"],
        claims=["mem-14d"],
        ask=Choice("In which unit does memory.numa_stat count?", "bytes", "KiB", "pages", "MiB"),
    ) as step:
        hold(second, 10)
        first.run("cat memory.numa_stat")
        anon = test.read("memory.numa_stat")["anon"]
        units = {"bytes": 1, "KiB": 1024, "pages": PAGE, "MiB": MIB}
        fits = {name: abs(anon["all"] * size - 10 * MIB) < 2 * MIB + SLACK for name, size in units.items()}
        step.answer(fits, saw=anon)
        assert fits["pages"]
        assert anon["all"] == sum(count for node, count in anon.items() if node.startswith("N"))


def test_memory_stays_where_it_was_charged(lab: Lab) -> None:
    """A process moves: and its memory?

    The notes list memory.move_charge_at_immigrate, a switch that lets the memory follow the process.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(lab, first, 1)
    first.run("mkdir ../other")
    other = Cgroup(test.parent.path / "other", 1)
    movable = not lab.facts.kernel_at_least("6.13")

    with lab.step(
        "Move 10 MiB",
        """
        eat touches 10 MiB in test. A 1 is written to the switch of the cgroup other, which this kernel may refuse. Then
        eat is moved to other, and the usage of both is compared.
        """,
        found="Memory stays charged where it was touched, unless an old kernel was told to move it.",
        why="""
            Memory is charged to the cgroup of the process that touches it, at that moment, and stays there until it is
            freed. Moving the charges was slow and had races, so it was declared deprecated and then removed in Linux
            6.13: a 1 gives EINVAL (mm/memcontrol-v1.c). Version 2 never had it.
        """,
        hint="What did the kernel answer to the 1?",
        watch=[second],
        files=[*V1_FILES, f"{V1}/memory.move_charge_at_immigrate"],
        claims=["mem-14b"],
        ask=Choice(
            "eat, with 10 MiB, is moved from test to other. Which cgroup is charged now?",
            "test",
            "other",
            "both",
            "neither",
        ),
    ) as step:
        second.run(f"echo $$ > {test.path}/cgroup.procs")
        hold(second, 10)
        switch = first.run("echo 1 > ../other/memory.move_charge_at_immigrate", status=0 if movable else 1)
        first.run(f"echo {second.pid} > ../other/cgroup.procs")
        first.run("cat memory.usage_in_bytes ../other/memory.usage_in_bytes")
        charged = tuple(group.memory_usage > 5 * MIB for group in (test, other))
        step.answer(
            {
                "test": charged == (True, False),
                "other": charged == (False, True),
                "both": charged == (True, True),
                "neither": charged == (False, False),
            }
        )
        assert other.processes() == [second.pid]
        assert ("Invalid argument" in switch) is not movable
        assert charged == ((False, True) if movable else (True, False))


def test_page_cache(lab: Lab) -> None:
    """Page cache: files in memory.

    Whoever reads a file has its pages in memory afterwards, in the page cache. They count as usage of the cgroup. A
    page that was not changed can be dropped at any time: the file is still on the disk.
    """
    first, second, third = lab.window("first"), lab.window("second"), lab.window("third")
    test = start(lab, first, 1)
    big = big_file(lab)
    first.run("mkdir ../other; echo 0 > memory.swappiness; echo 8M > memory.limit_in_bytes")
    second.run(f"echo $$ > {test.path}/cgroup.procs")

    with lab.step(
        "Read 24 MiB under a limit of 8 MiB",
        "The limit is 8M, and swap is forbidden. cat reads a file of 24 MiB in the cgroup. Then read memory.failcnt.",
        found="Page cache meets the limit many times, and nobody is killed for it.",
        why="""
            Each page that is read is charged. At the limit the kernel first tries to free something, and finds page
            cache that it may drop at once (try_charge_memcg() and shrink_folio_list() in mm/). So the limit is met
            hundreds of times, and cat gets all its pages.
        """,
        hint="What can be read again need not be kept.",
        watch=[second],
        files=V1_FILES,
        claims=["mem-f2"],
        ask=Choice(
            "The limit is 8 MiB, there is no swap, and cat reads a file of 24 MiB. How does cat end?",
            "it is killed",
            "with the error ENOMEM",
            "with status 0",
            "not at all: it waits",
        ),
    ) as step:
        status = second.run(f"cat {big} > /dev/null", status=None).status
        waits = test.read("memory.oom_control")["under_oom"] == 1
        step.answer(
            {
                "it is killed": status == 137,
                "with the error ENOMEM": status == 1,
                "with status 0": status == 0,
                "not at all: it waits": waits,
            },
            saw=status,
        )
        assert int(first.run("cat memory.failcnt")) > 0
        assert first.run("grep -w oom_kill memory.oom_control") == "oom_kill 0"
        assert int(first.run("cat memory.max_usage_in_bytes")) == 8 * MIB
        assert status == 0

    with lab.step(
        "cat has ended",
        "Only the shell is left in the cgroup. Compare the usage with the limit, and look at the line cache.",
        found="The page cache belongs to the cgroup that read it, and outlives the process.",
        why="""
            So a high usage says nothing about the processes that run now, and a high failcnt says nothing about lack of
            memory. What counts is the line rss, and oom_kill.
        """,
        watch=[second],
        files=V1_FILES,
        claims=["rec-cache"],
        ask=Choice(
            "cat has ended. How much is still charged to the cgroup?",
            "less than 2 MiB",
            "2 to 6 MiB",
            "6 to 8 MiB",
            "24 MiB",
        ),
    ) as step:
        usage = int(first.run("cat memory.usage_in_bytes"))
        first.run("grep -w -E 'cache|rss' memory.stat")
        step.answer(
            {
                "less than 2 MiB": usage < 2 * MIB,
                "2 to 6 MiB": 2 * MIB <= usage <= 6 * MIB,
                "6 to 8 MiB": 6 * MIB < usage <= 8 * MIB,
                "24 MiB": usage > 23 * MIB,
            },
            saw=usage,
        )
        assert usage > 6 * MIB
        assert test.read("memory.stat")["cache"] > 6 * MIB - SLACK
        assert test.processes() == [second.pid]
        assert test.read("memory.stat")["rss"] < 2 * MIB + SLACK

    with lab.step(
        "memory.force_empty",
        "A write to memory.force_empty asks the kernel to take back what it can. Look at usage and cache again.",
        found="The kernel takes back what it can at once: all clean page cache.",
        why="""
            The kernel reclaims from this cgroup until nothing more goes: clean page cache is dropped, changed pages are
            written to the disk, and anonymous memory goes to swap, if there is swap and swappiness is not 0. What is
            left is anonymous memory and memory of the kernel. In version 2 one writes a number of bytes to
            memory.reclaim.
        """,
        watch=[second],
        files=V1_FILES,
        claims=["mem-12"],
        ask=Choice(
            "How much of the page cache is left after memory.force_empty?",
            "all",
            "about three quarters",
            "about half",
            "less than a quarter",
        ),
    ) as step:
        before = test.read("memory.stat")["cache"]
        first.run("echo 0 > memory.force_empty; cat memory.usage_in_bytes")
        left = test.read("memory.stat")["cache"] / before
        step.answer(
            {
                "all": left > 0.875,
                "about three quarters": 0.625 < left <= 0.875,
                "about half": 0.25 <= left <= 0.625,
                "less than a quarter": left < 0.25,
            },
            saw=left,
        )
        assert left < 0.25
        assert test.memory_usage < 4 * MIB

    with lab.step(
        "Two readers of one file",
        """
        The limit is taken away. The second window reads the file in test; then the third reads the same file in the
        cgroup other.
        """,
        found="The first reader of a file pays for its pages; the next one pays nothing.",
        why="""
            The page is in the page cache once, for all. It was charged when it was read from the disk; who finds it
            there pays nothing. So a shared library is paid by the first container that uses it, and the usage of a
            container depends on who came first.
        """,
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
        other = Cgroup(test.parent.path / "other", 1)
        first.run("echo -1 > memory.limit_in_bytes")
        first.run(f"dd if={big} iflag=nocache count=0")
        third.run(f"echo $$ > {other.path}/cgroup.procs")
        second.run(f"cat {big} > /dev/null")
        third.run(f"cat {big} > /dev/null")
        paid = tuple(round(group.read("memory.stat")["cache"] / MIB / 12) for group in (test, other))  # 2: all 24 MiB
        step.answer(
            {
                "test": paid == (2, 0),
                "other": paid == (0, 2),
                "each for a half": paid == (1, 1),
                "each for all of it": paid == (2, 2),
            },
            saw=paid,
        )
        assert test.read("memory.stat")["cache"] > 24 * MIB - SLACK
        assert other.read("memory.stat")["cache"] < 4 * MIB + SLACK


def test_children_count(lab: Lab) -> None:
    """memory.use_hierarchy: whether the cgroups below count here.

    Cgroups lie in each other. The notes list a switch that says whether the memory of children counts in the parent.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(lab, first, 1)
    first.run("echo 0 > memory.swappiness; mkdir child; echo 8M > memory.limit_in_bytes")  # a child starts with that 0
    child = Cgroup(test.path / "child", 1)
    second.run(f"echo $$ > {child.path}/cgroup.procs")

    with lab.step(
        "A limit above, a process below",
        "test has the limit of 8M, its child has none. eat touches 20 MiB in the child. Read oom_control of both.",
        found="A limit holds for everything below it: the process of the child is killed for the limit of the parent.",
        why="""
            Each page is charged to the cgroup and to all above it; the lowest limit that is met decides. failcnt is
            counted where the limit stands, oom_kill where the victim sat.
        """,
        hint="In which cgroup was the victim?",
        watch=[second],
        files=V1_FILES,
        shows=["mem-11"],
        ask=Choice(
            "The limit is that of test, eat runs in its child. Where is a kill counted?",
            "in test",
            "in the child",
            "in both",
            "nobody is killed",
        ),
    ) as step:
        status = second.run("./eat 20", status=(0, 137)).status
        first.run("grep -w oom_kill memory.oom_control child/memory.oom_control; cat child/memory.limit_in_bytes")
        killed = test.oom_kills, child.oom_kills
        step.answer(
            {
                "in test": killed == (1, 0),
                "in the child": killed == (0, 1),
                "in both": killed == (1, 1),
                "nobody is killed": killed == (0, 0),
            }
        )
        assert status == 137
        assert killed == (0, 1)
        assert test.limit_hits > 0 == child.limit_hits
        assert child.memory_limit is None

    with lab.step(
        "Switch it off",
        "The first window reads memory.use_hierarchy of a new cgroup, writes a 0 and reads it again.",
        found="Since Linux 5.11 the cgroups below always count, and the switch cannot be moved.",
        why="""
            Since Linux 5.11 children always count in the parent, and the file takes only the 1 that it shows: EINVAL
            for a 0 (mem_cgroup_hierarchy_write() in mm/memcontrol-v1.c). Before, a limit without the children was easy
            to leave: one made a cgroup below. Version 2 never had the file.
        """,
        watch=[second],
        files=[*V1_FILES, f"{V1}/memory.use_hierarchy"],
        claims=["mem-11"],
        ask=Choice(
            "0 is written to memory.use_hierarchy. What does the shell answer, and what does the file show?",
            "nothing, and 0",
            "nothing, and 1",
            "Invalid argument, and 1",
            "Permission denied, and 1",
        ),
    ) as step:
        first.run("mkdir ../new; cat ../new/memory.use_hierarchy")
        off = first.run("echo 0 > ../new/memory.use_hierarchy", status=(0, 1))
        value = first.run("cat ../new/memory.use_hierarchy")
        step.answer(
            {
                "nothing, and 0": off == "" and value == "0",
                "nothing, and 1": off == "" and value == "1",
                "Invalid argument, and 1": "Invalid argument" in off and value == "1",
                "Permission denied, and 1": "Permission denied" in off and value == "1",
            },
            saw=(off, value),
        )
        assert "Invalid argument" in off
        assert value == "1"
