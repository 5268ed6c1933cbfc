"""Memory cgroups, version 2.

Version 2 has one tree for all controllers, and other files. This lab repeats what the three before showed with version
1, where the answer may be another one, and shows what only version 2 has. A machine has the memory controller in one of
the two versions, so these exercises are unsupported where the others run.

eat is a program that touches memory: "./eat 20" touches 20 MiB and ends, "./eat 20 hold" keeps them until its input
ends; each line of input makes it touch all of them once more.
"""

from pathlib import Path

from runtime.kernel.cgroups import Cgroup
from runtime.lab import Choice, Lab, Number, needs
from runtime.lab.memory import (
    MIB,
    PAGE,
    SLACK,
    V2,
    V2_FILES,
    big_file,
    hold,
    release,
    start,
    touch_again,
)

NO_SWAP = "echo 0 > memory.swap.max"  # nothing of this cgroup goes to swap, whether the machine has any or not


# ---------------------------------------------------------------- The tree and its files


def test_v2_files_and_controllers(lab: Lab) -> None:
    """Who decides which files a cgroup has.

    In version 2 all controllers share one tree. Which of them reach a directory, and where may processes sit?
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(lab, first, 2)
    child = Cgroup(test.path / "child", 2)

    with lab.step(
        "Pass the controller on",
        """
        The first window makes a directory in test and lists it. Then it writes +memory to cgroup.subtree_control of
        test and lists the directory again.
        """,
        found="A cgroup has the memory files only when its parent passes the controller on.",
        why="""
            cgroup.controllers lists what the parent offers, cgroup.subtree_control what this cgroup offers to its
            children. When a controller is passed on, its files appear in all children at once (cgroups(7),
            Documentation/admin-guide/cgroup-v2.rst).
        """,
        watch=[first, second],
        files=[V2, f"{V2}/cgroup.controllers"],
        claims=["v2-x01"],
        ask=Choice(
            "mkdir child, in version 2. Which of these is in the new directory, before anything else is done?",
            "cgroup.procs",
            "memory.max",
            "both",
            "neither",
        ),
    ) as step:
        first.run("mkdir child")
        before = first.run("ls child").split()
        found = "cgroup.procs" in before, "memory.max" in before
        step.answer(
            {
                "cgroup.procs": found == (True, False),
                "memory.max": found == (False, True),
                "both": found == (True, True),
                "neither": found == (False, False),
            }
        )
        assert found == (True, False)
        assert not [name for name in before if name.startswith("memory.") and name != "memory.pressure"]
        first.run("echo +memory > cgroup.subtree_control")
        after = first.run("ls child").split()
        assert {"memory.max", "memory.current", "memory.stat", "memory.events"} <= set(after)
        second.run(f"echo $$ > {child.path}/cgroup.procs")

    with lab.step(
        "A shell in the middle",
        """
        Now a shell sits in child. The first window passes the controller on from child to a cgroup below it. It tries
        again when the shell has moved down, and then moves the shell back.
        """,
        found="A cgroup has either processes, or passes a controller such as memory on to its children.",
        why="""
            A process in the middle of the tree would compete with whole cgroups for the same memory. So a cgroup either
            has processes or passes on controllers such as memory, and the root of the whole tree alone may do both. The
            other order ends with EBUSY (cgroups(7), no internal processes rule).
        """,
        hint="The shell and the children of child would share one memory.",
        watch=[second],
        files=[f"{V2}/cgroup.procs", f"{V2}/cgroup.subtree_control"],
        claims=["v2-04"],
        ask=Choice(
            "A shell sits in child. What does the shell answer to `echo +memory > child/cgroup.subtree_control`?",
            "nothing: it works",
            "Device or resource busy",
            "Permission denied",
            "Invalid argument",
        ),
    ) as step:
        refused = first.run("echo +memory > child/cgroup.subtree_control", status=(0, 1))
        said = {name: name in refused for name in ("Device or resource busy", "Permission denied", "Invalid argument")}
        step.answer({**said, "nothing: it works": refused == ""}, saw=refused)
        assert said["Device or resource busy"]
        first.run(f"mkdir child/leaf; echo {second.pid} > child/leaf/cgroup.procs")
        first.run("echo +memory > child/cgroup.subtree_control")
        back = first.run(f"echo {second.pid} > child/cgroup.procs", status=1)
        assert "Device or resource busy" in back
        assert child.read("cgroup.procs") == []
        assert second.run("grep ^0:: /proc/self/cgroup").endswith("/child/leaf")


def test_v2_no_limit_for_the_root(lab: Lab) -> None:
    """The root of the tree.

    The root holds all processes that nobody has put anywhere else.
    """
    first = lab.window("first")
    start(lab, first, 2)
    if lab.facts.sandbox:
        lab.unsupported(
            "the root of the whole tree is not to be seen here", "use the VM v2 (pytest labs/ --target vm:v2)"
        )

    with lab.step(
        "Look for memory.max",
        "The first window lists the files of the memory controller in the root, and in the new cgroup.",
        found="The root has no limit: limits exist only below.",
        why="""
            The memory of the root is the memory of the machine: a limit there would make no sense, and the kernel
            itself has no cgroup above it that could reclaim (the files have the flag CFTYPE_NOT_ON_ROOT in
            mm/memcontrol.c). Version 1 does have memory.limit_in_bytes in its root, but nobody can lower it.
        """,
        watch=[first],
        files=["/sys/fs/cgroup", V2],
        claims=["v2-11"],
        ask=Choice(
            "Which of these two files has the root of version 2?", "memory.stat", "memory.max", "both", "neither"
        ),
    ) as step:
        root = first.run("ls /sys/fs/cgroup").split()
        has = "memory.stat" in root, "memory.max" in root
        step.answer(
            {
                "memory.stat": has == (True, False),
                "memory.max": has == (False, True),
                "both": has == (True, True),
                "neither": has == (False, False),
            }
        )
        assert has == (True, False)
        assert "memory.max" in first.run("ls").split()


def test_v2_file_by_file(lab: Lab) -> None:
    """The files of the notes, and what has taken their place.

    The notes explain 14 files. Some have a file in version 2 that serves the same purpose.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(lab, first, 2)
    second.run(f"echo $$ > {test.path}/cgroup.procs")

    with lab.step(
        "Fourteen files",
        """
        Each file of the notes is looked for in a cgroup of version 2, and so is the file with the same purpose. The
        table TWINS, below this exercise, has them all.
        """,
        found="memory.stat and memory.numa_stat have kept their names, and four files have gone without a successor.",
        why="""
            Version 2 was written anew, by what people need. Gone are a switch that stops the OOM killer, one for each
            cgroup's swappiness, one that moves memory, and one that leaves the children out. memory.low protects where
            the soft limit punished. memory.peak and memory.reclaim came in Linux 5.19
            (Documentation/admin-guide/cgroup-v2.rst).
        """,
        hint="Names with in_bytes have gone.",
        watch=[second],
        files=[V2, *V2_FILES, f"{V2}/memory.peak", f"{V2}/memory.low"],
        claims=["v2-x03"],
        ask=Choice(
            "Which of these files of version 1 is there in version 2, by the same name?",
            "memory.usage_in_bytes",
            "memory.failcnt",
            "memory.stat",
            "memory.swappiness",
        ),
    ) as step:
        files = set(first.run("ls").split())
        asked = ("memory.usage_in_bytes", "memory.failcnt", "memory.stat", "memory.swappiness")
        step.answer({name: name in files for name in asked}, saw=sorted(files))
        not_built = {"memory.pressure", "memory.numa_stat"} - files  # a kernel without PSI, or CONFIG_NUMA
        assert {twin for twin in TWINS.values() if twin} - not_built <= files
        assert set(TWINS) & files == {"memory.stat", "memory.numa_stat"} - not_built
        assert [name for name, twin in TWINS.items() if twin is None] == NO_TWIN


TWINS = {  # file of version 1: the file of version 2 with the same purpose
    "cgroup.event_control": "memory.events",  # no registration: poll(2) the file itself
    "memory.usage_in_bytes": "memory.current",
    "memory.limit_in_bytes": "memory.max",  # the write never fails; the kernel kills if it must
    "memory.failcnt": "memory.events",  # the line max
    "memory.max_usage_in_bytes": "memory.peak",
    "memory.soft_limit_in_bytes": "memory.low",  # protects those below it, where the soft limit takes from those above
    "memory.stat": "memory.stat",  # the same name, other lines
    "memory.use_hierarchy": None,  # always on
    "memory.force_empty": "memory.reclaim",  # with the number of bytes to be freed
    "memory.pressure_level": "memory.pressure",
    "memory.swappiness": None,  # memory.swap.max 0 forbids swap
    "memory.move_charge_at_immigrate": None,  # memory stays where it was charged
    "memory.oom_control": None,  # no way to stop the killer; its counters are in memory.events
    "memory.numa_stat": "memory.numa_stat",  # bytes, where version 1 counts pages
}
NO_TWIN = ["memory.use_hierarchy", "memory.swappiness", "memory.move_charge_at_immigrate", "memory.oom_control"]


def test_v2_limit_and_rounding(lab: Lab) -> None:
    """memory.max.

    Version 1 takes the limit away with -1. The limit of version 2 is memory.max.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(lab, first, 2)
    second.run(f"echo $$ > {test.path}/cgroup.procs")

    with lab.step(
        "Take the limit away",
        "The limit is set to ten million bytes, then taken away: once with -1, once with the word max.",
        found="No limit is the word max, in writing and in reading; -1 is refused.",
        why="""
            Both versions read the number by the same function, and differ in the word for "no limit": "max" in version
            2, "-1" and a huge number in version 1 (memory_max_write() in mm/memcontrol.c).
        """,
        watch=[second],
        files=V2_FILES,
        claims=["v2-x02"],
        ask=Choice(
            "The limit is 9998336. `echo -1 > memory.max`: what does cat show then?",
            "max",
            "9998336: the -1 was refused",
            "0",
            "9223372036854771712",
        ),
    ) as step:
        assert first.run("cat memory.max") == "max"
        assert first.run("echo 10000000 > memory.max; cat memory.max") == str(10000000 // PAGE * PAGE)
        minus = first.run("echo -1 > memory.max", status=(0, 1))
        limit = first.run("cat memory.max")
        step.answer(
            {
                "max": limit == "max",
                "9998336: the -1 was refused": minus.status == 1 and limit == "9998336",
                "0": limit == "0",
                "9223372036854771712": limit == "9223372036854771712",
            },
            saw=(minus, limit),
        )
        assert "Invalid argument" in minus
        assert first.run("echo max > memory.max; cat memory.max") == "max"
        assert test.memory_limit is None

    with lab.step(
        "Small numbers",
        "A loop writes small numbers to memory.max of an empty cgroup, and reads each again.",
        found="The rounding is that of version 1: down to whole pages.",
        why="page_counter_memparse() in mm/page_counter.c reads the numbers of both versions.",
        watch=[second],
        files=V2_FILES,
        shows=["v2-x02"],
        ask=Number("With pages of 4096 bytes: which limit does cat show after `echo 4097`?", unit="bytes"),
    ) as step:
        first.run("mkdir ../empty; cd ../empty")
        numbers = " ".join(ROUNDED)
        read = first.run(f"for n in {numbers}; do echo $n > memory.max; cat memory.max; done").split()
        step.answer(int(read[2]))
        assert read == [str(size // PAGE * PAGE) for size in ROUNDED.values()]


ROUNDED = {"1M": MIB, "400K": 400 * 1024, "4097": 4097, "1K": 1024}


# ---------------------------------------------------------------- What is counted


def test_v2_memory_stays_where_it_was_charged(lab: Lab) -> None:
    """A process moves: and its memory?

    Version 1 once had a switch that let the memory follow the process.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(lab, first, 2)
    first.run("mkdir ../other")
    other = Cgroup(test.parent.path / "other", 2)

    with lab.step(
        "Move 10 MiB",
        "eat touches 10 MiB in test, and is then moved to the cgroup other. Compare memory.current of both.",
        found="Memory stays where it was charged, and no switch changes it.",
        why="""
            Memory is a property of the cgroup rather than of the process: if a service is to pay for its memory, it
            must be started in its cgroup, not moved there later. A container engine does it in this order, too.
        """,
        watch=[second],
        files=V2_FILES,
        claims=["v2-x08"],
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
        assert "memory.move_charge_at_immigrate" not in first.run("ls").split()
        first.run(f"echo {second.pid} > ../other/cgroup.procs; cat memory.current ../other/memory.current")
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
        assert charged == (True, False)


def test_v2_page_cache(lab: Lab) -> None:
    """Page cache: files in memory.

    Pages of files that were read count as usage, too. They can be dropped: the file is still on the disk.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(lab, first, 2)
    big = big_file(lab)

    with lab.step(
        "Read 24 MiB under a limit of 8 MiB",
        """
        memory.max is 8M, swap is forbidden, cat reads 24 MiB. Then the kernel is asked to take back 7 MiB by
        memory.reclaim.
        """,
        found="Page cache kills nobody in version 2 either, and memory.reclaim takes it back.",
        why="""
            The line max of memory.events counts how often the limit was met; the numbers are smaller than failcnt in
            version 1, because the charges are counted in larger portions. memory.reclaim takes the number of bytes, and
            fails with EAGAIN when it cannot free as many (Linux 5.19).
        """,
        watch=[second],
        files=V2_FILES,
        claims=["v2-x06"],
        ask=Choice(
            "memory.max is 8M, there is no swap, and cat reads a file of 24 MiB. How does cat end?",
            "it is killed",
            "with the error ENOMEM",
            "with status 0",
            "it is slowed down and killed later",
        ),
    ) as step:
        first.run(f"{NO_SWAP}; echo 8M > memory.max")
        second.run(f"echo $$ > {test.path}/cgroup.procs")
        status = second.run(f"cat {big} > /dev/null", status=None).status
        events = test.read("memory.events")
        step.answer(
            {
                "it is killed": status == 137 and events["high"] == 0,
                "with the error ENOMEM": status == 1,
                "with status 0": status == 0,
                "it is slowed down and killed later": status == 137 and events["high"] > 0,
            },
            saw=(status, events),
        )
        assert status == 0
        first.run("cat memory.events")
        assert events["max"] > 0
        assert events["oom_kill"] == 0
        before = test.memory_usage
        assert before > 6 * MIB
        first.run("echo 7M > memory.reclaim; cat memory.current", status=(0, 1))
        assert test.memory_usage < before - 5 * MIB


# ---------------------------------------------------------------- The limit is met


def test_v2_lowering_without_swap(lab: Lab) -> None:
    """The process is there, then the limit comes: no swap.

    Version 1 refuses a limit that it cannot reach. The same commands are given to version 2.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(lab, first, 2)
    first.run(NO_SWAP)

    with lab.step(
        "A limit below the usage",
        "eat sits alone in the cgroup and holds 10 MiB, and nothing may go to swap. memory.max is set to 8M.",
        found="Version 2 sets the limit in any case, and kills until the usage fits.",
        why="""
            memory_max_write() in mm/memcontrol.c stores the limit first. Then it reclaims, and where that is not enough
            it calls the OOM killer, until the usage fits or nobody is left. A limit that can be refused is no limit: a
            group that will not shrink could keep its memory for ever.
        """,
        hint="Can a limit be one that the processes themselves may prevent?",
        watch=[second],
        files=V2_FILES,
        claims=["v2-x04"],
        ask=Choice(
            "eat holds 10 MiB, there is no swap. What does `echo 8M > memory.max` do?",
            "the limit is 8M, and eat is killed",
            "the limit is 8M, and eat is stopped",
            "the write fails, there is no limit still",
            "the write fails, the limit is 10 MiB now",
        ),
    ) as step:
        second.send(f"( echo $BASHPID > {test.path}/cgroup.procs; exec ./eat 10 hold )\n")
        second.wait_for("touched 10 MiB")
        lower = first.run("echo 8M > memory.max", status=(0, 1))
        limit = first.run("cat memory.max")
        killed = test.read("memory.events")["oom_kill"]
        step.answer(
            {
                "the limit is 8M, and eat is killed": limit == str(8 * MIB) and killed > 0,
                "the limit is 8M, and eat is stopped": limit == str(8 * MIB) and killed == 0,
                "the write fails, there is no limit still": lower.status == 1 and limit == "max",
                "the write fails, the limit is 10 MiB now": lower.status == 1 and limit != "max",
            },
            saw=(lower, limit, killed),
        )
        assert (lower.status, limit, killed) == (0, str(8 * MIB), 1)
        assert second.run("echo $?") == "137"
        assert test.processes() == []

    with lab.step(
        "1K, as in the notes",
        """
        The limit is taken away. In the second window a new shell moves into the cgroup and starts eat. Then memory.max
        is set to 1K: that is 0. Wait until cgroup.events says that nobody is left, or eat is at rest.
        """,
        found="This is the story of the notes: version 2 kills both for the write.",
        why="""
            Both processes are killed, one after the other. cgroup.events has the line populated, which turns 0 when the
            last process has ended; poll(2) tells of the change.
        """,
        hint="How much memory may be left at a limit of 0?",
        watch=[second],
        files=[*V2_FILES, f"{V2}/cgroup.events"],
        claims=["v2-x05"],
        ask=Choice(
            "`echo 1K > memory.max`, with a shell and eat inside. What happens?",
            "both are killed",
            "eat alone is killed",
            "the write fails, and both live",
            "the limit is 0, and both live",
        ),
    ) as step:
        first.run("echo max > memory.max")
        second.enter("/bin/bash")
        shell = second.pid
        second.run(f"echo $$ > {test.path}/cgroup.procs")
        hold(second, 10)
        assert set(test.processes()) == {shell, second.pid}
        with test.watch("cgroup.events") as events:
            write = first.run("echo 1K > memory.max", status=(0, 1))
            if test.oom_kills > 1:  # more than the eat of the step before
                events.until(lambda content: content["populated"] == 0)
        alive = test.processes()
        step.answer(
            {
                "both are killed": alive == [],
                "eat alone is killed": alive == [shell],
                "the write fails, and both live": write.status == 1 and len(alive) == 2,
                "the limit is 0, and both live": write.status == 0 and len(alive) == 2,
            },
            saw=(write, alive),
        )
        assert alive == []
        assert first.run("cat memory.max; cat cgroup.procs") == "0"
        assert test.read("memory.events")["oom_kill"] >= 3
        assert second.run("echo $?") == "137"
        assert second.pid == second.shell


@needs("swap")
def test_v2_limits_with_swap(lab: Lab) -> None:
    """memory.max and memory.swap.max.

    In version 2 memory and swap are two counters with a limit each.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(lab, first, 2)
    first.run("echo 8M > memory.max")
    second.run(f"echo $$ > {test.path}/cgroup.procs")

    with lab.step(
        "20 MiB through 8 MiB",
        """
        memory.max is 8M, and swap has no limit. eat touches 20 MiB and holds them. Then it touches them once more.
        """,
        found="memory.peak is the limit exactly, the rest is in memory.swap.current, and nobody is killed.",
        why="""
            What does not fit goes to swap, as in version 1. memory.events counts the line max, and neither oom nor
            oom_kill. On the second pass the pages must come back: pgmajfault and workingset_refault_anon of memory.stat
            grow.
        """,
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
        touch_again(second, 20)
        after = test.read("memory.stat")
        assert after["pgmajfault"] > before["pgmajfault"]
        assert after["workingset_refault_anon"] > before["workingset_refault_anon"]
        assert release(second) == 0

    with lab.step(
        "How much swap is enough?",
        "eat touches 20 MiB with memory.swap.max 0, then 4M, then 32M.",
        found="memory.swap.max limits swap alone; version 1 limits the sum.",
        why="""
            8M of memory and 4M of swap make 12 MiB: not enough. In version 1 one would write 12M to
            memory.memsw.limit_in_bytes. memory.swap.events counts how often the limit for swap was met (max) and how
            often a page could not go (fail).
        """,
        hint="Add the two limits.",
        watch=[second],
        files=[*V2_FILES, f"{V2}/memory.swap.events"],
        claims=["v2-02"],
        ask=Choice(
            "memory.max is 8M, eat touches 20 MiB. With which of the three memory.swap.max does it live?",
            "0, 4M and 32M",
            "4M and 32M",
            "32M alone",
            "none of them",
        ),
    ) as step:
        statuses = []
        for limit in ("0", "4M", "32M"):
            first.run(f"echo {limit} > memory.swap.max")
            statuses.append(second.run("./eat 20", status=(0, 137)).status)
        step.answer(
            {
                "0, 4M and 32M": statuses == [0, 0, 0],
                "4M and 32M": statuses == [137, 0, 0],
                "32M alone": statuses == [137, 137, 0],
                "none of them": statuses == [137, 137, 137],
            },
            saw=statuses,
        )
        assert statuses == [137, 137, 0]
        assert test.read("memory.swap.events")["fail"] > 0
        assert test.oom_kills == 2


# ---------------------------------------------------------------- What only version 2 has


def test_v2_waiting_for_events(lab: Lab) -> None:
    """The file itself tells.

    No cgroup.event_control any more. A program opens memory.events and polls it: it sleeps until a line changes.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(lab, first, 2)

    with lab.step(
        "Poll memory.events",
        """
        The lab polls memory.events. In the second window eat touches 20 MiB under a limit of 8 MiB without swap, and is
        killed. The file is read when poll tells of it.
        """,
        found="poll(2) tells that the file has changed; what has changed must be read.",
        why="""
            poll(2) with POLLPRI, or inotify(7) with IN_MODIFY, tells that a line has changed; which one, the program
            must read. Changes within 10 ms are told once, so an event is no count; the numbers in the file are
            (cgroup_file_notify() in kernel/cgroup/cgroup.c).
        """,
        watch=[second],
        files=V2_FILES,
        claims=["v2-x07"],
        ask=Choice(
            "eat meets the limit many times and is killed. Which lines of memory.events have grown?",
            "max alone",
            "oom_kill alone",
            "max and oom_kill",
            "high and oom_kill",
        ),
    ) as step:
        first.run(f"{NO_SWAP}; echo 8M > memory.max")
        second.run(f"echo $$ > {test.path}/cgroup.procs")
        with test.watch("memory.events") as events:
            second.send("./eat 20\n")
            seen = events.until(lambda content: content["oom_kill"] > 0)
        grown = {name for name in ("high", "max", "oom_kill") if seen[name] > 0}
        step.answer(
            {
                "max alone": grown == {"max"},
                "oom_kill alone": grown == {"oom_kill"},
                "max and oom_kill": grown == {"max", "oom_kill"},
                "high and oom_kill": grown == {"high", "oom_kill"},
            },
            saw=seen,
        )
        assert second.run("echo $?") == "137"
        assert seen["max"] > 1
        assert (seen["low"], seen["high"], seen["oom_kill"]) == (0, 0, 1)
        assert "cgroup.event_control" not in first.run("ls").split()


def test_v2_high_slows_down(lab: Lab) -> None:
    """memory.high, the other limit.

    Version 2 has two limits: memory.max, and memory.high below it.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(lab, first, 2)
    if "memory.pressure" not in test.files():
        lab.unsupported("the kernel does not measure pressure (PSI)", "boot with psi=1 on the kernel command line")

    with lab.step(
        "Above memory.high",
        """
        memory.high is 8M, nothing may go to swap. eat touches 12 MiB. The lab waits until the processes of the cgroup
        have been stopped for 0.1 s within half a second.
        """,
        found="Whoever is above memory.high is slowed down, and never killed for it.",
        why="""
            Above memory.high the kernel first reclaims. What is still above is paid in time: before the process returns
            from the page fault it sleeps, up to 2 seconds, the longer the further it is above
            (mem_cgroup_handle_over_high() in mm/memcontrol.c). A manager outside can raise the limit, or end the
            program. With swap the same run ends in a moment.
        """,
        hint="Two limits with the same effect would be one too many.",
        watch=[second],
        files=[*V2_FILES, f"{V2}/memory.high"],
        claims=["v2-01"],
        ask=Choice(
            "memory.high is 8 MiB, there is no swap, eat touches 12 MiB. What happens to eat?",
            "it is killed",
            "it has ended after a moment",
            "it goes on very slowly",
            "it gets the error ENOMEM",
        ),
    ) as step:
        first.run(f"{NO_SWAP}; echo 8M > memory.high")
        second.run(f"echo $$ > {test.path}/cgroup.procs")
        with test.watch("memory.pressure", "full 100000 500000") as stalls:
            second.send("./eat 12\n")
            stalls.wait()
        events, usage, alive = test.read("memory.events"), test.memory_usage, second.pid in test.processes()
        waits = second.pid != second.shell
        step.answer(
            {
                "it is killed": events["oom_kill"] > 0,
                "it has ended after a moment": not waits and "touched 12 MiB" in second.screen(),
                "it goes on very slowly": waits and events["oom_kill"] == 0,
                "it gets the error ENOMEM": not waits and "Cannot allocate" in second.screen(),
            },
            saw=(events, second.screen()),
        )
        assert alive
        assert events["high"] > 0
        assert (events["oom"], events["oom_kill"]) == (0, 0)
        assert usage > 8 * MIB

    with lab.step(
        "How long they waited: memory.pressure",
        """
        The file memory.pressure says how much time was lost. The line some: at least one process waited for memory. The
        line full: all that could have run waited.
        """,
        found="Pressure is measured in time that was lost, of a cgroup or of the machine.",
        why="""
            PSI (pressure stall information) counts microseconds. avg10, avg60 and avg300 are the shares of the last 10,
            60 and 300 seconds in percent, total is the sum. /proc/pressure/memory has the same for the whole machine.
            It tells what usage cannot: whether it hurts (Documentation/accounting/psi.rst, Linux 4.20).
        """,
        hint="When all wait, at least one waits.",
        watch=[second],
        files=[*V2_FILES, f"{V2}/memory.pressure", "/proc/pressure/memory"],
        claims=["v2-08"],
        ask=Choice(
            "eat was stopped for more than 0.1 s. What do the two totals say?",
            "both are 0",
            "some is larger than 0, full is 0",
            "full is larger than 0, and not larger than some",
            "full is larger than some",
        ),
    ) as step:
        first.run("cat memory.pressure /proc/pressure/memory")
        pressure = test.read("memory.pressure")
        some, full = pressure["some"]["total"], pressure["full"]["total"]
        step.answer(
            {
                "both are 0": some == full == 0,
                "some is larger than 0, full is 0": some > full == 0,
                "full is larger than 0, and not larger than some": some >= full > 0,
                "full is larger than some": full > some,
            },
            saw=pressure,
        )
        assert some >= full > 0
        assert Path("/proc/pressure/memory").read_text().startswith("some avg10=")


def test_v2_kill_the_whole_group(lab: Lab) -> None:
    """memory.oom.group.

    A service often consists of several processes. What is it worth when one of them has been killed?
    """
    first, second, third = lab.window("first"), lab.window("second"), lab.window("third")
    test = start(lab, first, 2)
    first.run(f"{NO_SWAP}; echo 8M > memory.max")

    with lab.step(
        "The neighbour that only sleeps",
        """
        In the third window tail sleeps in the cgroup. In the second one eat touches 20 MiB and is killed, twice: first
        with memory.oom.group 0, then with 1. Watch the neighbour.
        """,
        found="With memory.oom.group 1 the OOM killer ends all processes of the cgroup.",
        why="""
            With oom.group the kernel treats the cgroup as one: either nobody is killed or all (except processes with an
            oom_score_adj of -1000). A service that has lost a part is often worse than one that is gone and is started
            anew. Container engines on version 2 may set it; Kubernetes does.
        """,
        watch=[second, third],
        files=[*V2_FILES, f"{V2}/memory.oom.group"],
        claims=["v2-03"],
        ask=Choice(
            "With which memory.oom.group is tail killed, which only sleeps?",
            "with 0 and with 1",
            "with 1 alone",
            "with 0 alone",
            "with neither",
        ),
    ) as step:
        third.send(f"( echo $BASHPID > {test.path}/cgroup.procs; echo in''side; exec tail -f /dev/null )\n")
        third.wait_for("inside")
        eat = f"( echo $BASHPID > {test.path}/cgroup.procs; exec ./eat 20 )"
        second.run(eat, status=137)
        alone = third.pid in test.processes()
        first.run("echo 1 > memory.oom.group")
        with test.watch("cgroup.events") as events:
            second.run(eat, status=137)
            if test.read("memory.events")["oom_group_kill"]:
                events.until(lambda content: content["populated"] == 0)
        survived = alone, test.processes() != []
        step.answer(
            {
                "with 0 and with 1": survived == (False, False) and test.read("memory.events")["oom_group_kill"] == 0,
                "with 1 alone": survived == (True, False),
                "with 0 alone": survived == (False, True),
                "with neither": survived == (True, True),
            }
        )
        assert survived == (True, False)
        assert third.run("echo $?") == "137"
        assert test.read("memory.events")["oom_group_kill"] == 1
        assert test.read("memory.events")["oom_kill"] >= 3


def test_v2_events_of_the_children(lab: Lab) -> None:
    """memory.events and memory.events.local.

    Cgroups lie in each other. When something happens in one, who is told?
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(lab, first, 2)
    first.run("echo +memory > cgroup.subtree_control; mkdir child")
    child = Cgroup(test.path / "child", 2)

    with lab.step(
        "The limit above, the victim below",
        """
        test has the limit of 8 MiB, and its child has none. eat runs in the child and is killed. Compare four files:
        memory.events and memory.events.local of both.
        """,
        found="memory.events includes the cgroups below; memory.events.local is of one cgroup alone.",
        why="""
            One file at the top is enough to watch a service. The limit was met in test, so its max and oom are counted
            there, while oom_kill is counted where the victim sat (Linux 5.2).
        """,
        hint="In which cgroup was the victim?",
        watch=[second],
        files=[*V2_FILES, f"{V2}/memory.events.local"],
        claims=["v2-05"],
        ask=Choice(
            "The limit is that of test, the victim sits in its child. Which memory.events.local counts the oom_kill?",
            "that of test",
            "that of the child",
            "both",
            "neither",
        ),
    ) as step:
        first.run(f"{NO_SWAP}; echo 8M > memory.max")
        second.run(f"echo $$ > {child.path}/cgroup.procs")
        second.run("./eat 20", status=137)
        first.run("grep -H oom_kill memory.events memory.events.local child/memory.events child/memory.events.local")
        above, below = test.read("memory.events.local"), child.read("memory.events.local")
        counted = above["oom_kill"], below["oom_kill"]
        step.answer(
            {
                "that of test": counted == (1, 0),
                "that of the child": counted == (0, 1),
                "both": counted == (1, 1),
                "neither": counted == (0, 0),
            }
        )
        assert counted == (0, 1)
        assert (above["max"] > 0, below["max"]) == (True, 0)
        assert (above["oom"], below["oom"]) == (1, 0)
        assert test.read("memory.events")["oom_kill"] == child.read("memory.events")["oom_kill"] == 1
