"""Memory cgroups: the limit is met.

The limit is below what the processes want, and there is no swap, or it is forbidden (swappiness 0). What happens when
the limit comes first, and what when the process does? And who is killed? This lab is about version 1 of cgroups.

eat is a program that touches memory: "./eat 20" touches 20 MiB and ends, "./eat 20 hold" keeps them until its input
ends. To touch a page is to write to it: only then does the kernel give memory for it.
"""

from runtime.kernel import cgroups
from runtime.kernel.cgroups import Cgroup
from runtime.lab import Choice, Lab, Number
from runtime.lab.memory import MIB, PAGE, SLACK, V1, V1_FILES, hold, release, start, touch_again

NO_SWAP = "echo 0 > memory.swappiness"  # nothing of this cgroup goes to swap, whether the machine has any or not
FOUR = ("failcnt", "limit_in_bytes", "max_usage_in_bytes", "usage_in_bytes")


def test_limit_first(lab: Lab) -> None:
    """The limit stands, then the process comes.

    The limit is set first, and nothing may go to swap (swappiness 0). Then a program wants more than there is.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(lab, first, 1)
    first.run(f"{NO_SWAP}; echo 8M > memory.limit_in_bytes")
    second.run(f"echo $$ > {test.path}/cgroup.procs")

    with lab.step(
        "20 MiB into 8 MiB",
        """
        The shell of the second window sits in the cgroup and starts eat, which touches 20 MiB. Look at its exit status
        and at the counter oom_kill.
        """,
        found="Out of memory, a process is not told by an error: it is killed.",
        why="""
            malloc() and mmap() do not fail: they only promise memory. The page that does not fit is asked for by a page
            fault, in the middle of an instruction, and there is no way to return an error. So the kernel reclaims, and
            if nothing can be reclaimed it calls the OOM killer (out of memory), which sends SIGKILL to a process of
            this cgroup. A shell reports 128 + 9 = 137.
        """,
        hint="A shell shows a process that a signal has ended as 128 plus the number of the signal.",
        watch=[second],
        files=V1_FILES,
        claims=["rec-noswap"],
        ask=Number("The limit is 8 MiB, there is no swap, eat touches 20 MiB. What is the exit status of eat?"),
    ) as step:
        status = second.run("./eat 20", status=None).status
        step.answer(status)
        assert status == 137
        assert first.run("grep -w oom_kill memory.oom_control") == "oom_kill 1"
        assert test.processes() == [second.shell]

    with lab.step(
        "How often it was met: memory.failcnt",
        "failcnt has counted. It is reset by a write of 0. Then eat touches 3 MiB, which fit.",
        found="failcnt 0 means that the limit was never met; other numbers have no meaning by themselves.",
        why="""
            Each allocation that does not fit adds one, and may add more when the kernel tries again after it has
            reclaimed something. So the number is neither one of pages nor of processes
            (Documentation/admin-guide/cgroup-v1/memory.rst).
        """,
        watch=[second],
        files=V1_FILES,
        claims=["mem-07"],
        ask=Number("failcnt is set to 0, then eat touches 3 MiB under the limit of 8 MiB. What is failcnt now?"),
    ) as step:
        assert int(first.run("cat memory.failcnt")) > 0
        assert first.run("echo 0 > memory.failcnt; cat memory.failcnt") == "0"
        second.run("./eat 3")
        count = int(first.run("cat memory.failcnt"))
        step.answer(count)
        assert count == 0

    with lab.step(
        "The highest usage: memory.max_usage_in_bytes",
        "The file still knows the highest usage so far, 8388608. Then 12345 is written to it.",
        found="The mark of the highest usage can be reset to the usage of now, and to nothing else.",
        why="""
            Any write resets it, whatever the number is (mem_cgroup_reset() in mm/memcontrol-v1.c). In version 2 it is
            memory.peak, which can be reset since Linux 6.12, and then only for the descriptor that wrote.
        """,
        hint="Would a highest usage that one may choose be of any use?",
        watch=[second],
        files=[*V1_FILES, f"{V1}/memory.max_usage_in_bytes"],
        claims=["mem-08"],
        ask=Choice(
            "12345 is written to memory.max_usage_in_bytes. What does it show then?",
            "12345",
            "8388608, as before",
            "what is used now",
            "0",
        ),
    ) as step:
        assert int(first.run("cat memory.max_usage_in_bytes")) == 8 * MIB
        first.run("echo 12345 > memory.max_usage_in_bytes")
        peak, usage = int(first.run("cat memory.max_usage_in_bytes")), test.memory_usage
        step.answer(
            {
                "12345": peak == 12345,
                "8388608, as before": peak == 8 * MIB,
                "what is used now": usage <= peak < 8 * MIB and peak != 12345,
                "0": peak == 0,
            },
            saw=(peak, usage),
        )
        assert usage <= peak < 8 * MIB

    with lab.step(
        "pgpgin and pgpgout",
        """
        The notes take many pgpgin and pgpgout in memory.stat for a proof that memory went to swap and back. Nothing of
        this cgroup went to swap. Look at the lines.
        """,
        found="pgpgin and pgpgout prove nothing; the line swap does, and pgmajfault for the way back.",
        why="""
            pgpgin and pgpgout of memory.stat count pages that were charged and given back, for whatever reason: a new
            page of a program counts as well as a page of a file. (In /proc/vmstat the same names mean something else.)
            What proves swapping is the line swap, and for the way back pgmajfault: faults that had to wait for a disk.
        """,
        hint="A page of eat counts in pgpgin when it is charged.",
        watch=[second],
        files=[*V1_FILES, "/proc/vmstat"],
        claims=["mem-18"],
        ask=Choice(
            "Not one page of this cgroup went to swap. What is pgpgin in its memory.stat?",
            "0",
            "1 to 100",
            "101 to 1000",
            "more than 1000",
        ),
    ) as step:
        first.run("grep -E '^(swap|pgpgin|pgpgout|pgfault|pgmajfault) ' memory.stat")
        stat = test.read("memory.stat")
        step.answer(
            {
                "0": stat["pgpgin"] == 0,
                "1 to 100": 1 <= stat["pgpgin"] <= 100,
                "101 to 1000": 101 <= stat["pgpgin"] <= 1000,
                "more than 1000": stat["pgpgin"] > 1000,
            },
            saw=stat["pgpgin"],
        )
        assert stat["swap"] == 0
        assert test.read("memory.memsw.max_usage_in_bytes") < 10 * MIB
        assert stat["pgpgin"] > 2048
        assert stat["pgpgout"] > 2048 - SLACK // PAGE


def test_who_is_killed(lab: Lab) -> None:
    """Who is killed.

    The notes say that the kernel kills the process that goes on asking for memory. Three programs share one limit here,
    each in a small cgroup of its own below it, so that a kill is counted beside its victim.
    """
    first, second, third, fourth = (lab.window(name) for name in ("first", "second", "third", "fourth"))
    test = start(lab, first, 1)
    first.run(f"{NO_SWAP}; echo 8M > memory.limit_in_bytes; mkdir second third fourth")
    places = {window: Cgroup(test.path / window.name, 1) for window in (second, third, fourth)}
    for window, group in places.items():
        window.run(f"echo $$ > {group.path}/cgroup.procs")
    hold(second, 4)
    hold(third, 2)

    with lab.step(
        "Two sleepers and an asker",
        """
        In the second window eat holds 4 MiB and sleeps, in the third another one holds 2 MiB. Now an eat in the fourth
        window asks for 4 MiB. 8 MiB are not enough for all.
        """,
        found="The biggest process is killed, whoever asked.",
        why="""
            The OOM killer takes the process with the highest badness: its memory, swap and page tables, corrected by
            /proc/PID/oom_score_adj (oom_badness() in mm/oom_kill.c). Who asked does not matter. The number in
            /proc/PID/oom_score measures against the memory of the whole machine, so it is too coarse for such small
            programs. Before a kill the kernel tries everything else: as long as page cache or swap can help, only
            failcnt grows.
        """,
        hint="The killer wants to free as much as possible with one kill.",
        watch=[second, third, fourth],
        files=[*V1_FILES, "/proc/PID/status", "/proc/PID/oom_score", "/proc/PID/oom_score_adj"],
        claims=["mem-20"],
        ask=Choice(
            "The limit is 8 MiB. One sleeps on 4 MiB, one on 2 MiB, and one asks for 4 MiB. Who is killed first?",
            "the one with 4 MiB that sleeps",
            "the one with 2 MiB that sleeps",
            "the one that asks",
            "nobody",
        ),
    ) as step:
        first.run(f"grep VmRSS /proc/{second.pid}/status /proc/{third.pid}/status")
        first.run(f"cat /proc/{second.pid}/oom_score /proc/{third.pid}/oom_score")
        asker = fourth.run("./eat 4", status=None).status
        first.run("grep -w oom_kill */memory.oom_control")
        killed = tuple(group.oom_kills for group in places.values())
        step.answer({text: killed == counts for text, counts in KILLED.items()}, saw=killed)
        assert killed == (1, 0, 0)
        assert asker == 0
        assert second.run("echo $?") == "137"
        assert int(first.run("cat memory.failcnt")) > 0

    with lab.step(
        "oom_score_adj",
        """
        The second window starts its eat with 4 MiB again. 1000 is written to /proc/PID/oom_score_adj of the eat with 2
        MiB. Then the fourth window asks for 2 MiB.
        """,
        found="oom_score_adj decides before size: 1000 makes a process the first victim, -1000 spares it.",
        why="""
            The number, -1000 to 1000, is in thousandths of the limit: 1000 counts like 8 MiB more
            (proc_pid_oom_score_adj(5)). A process may raise its own; to lower it one needs CAP_SYS_RESOURCE. Container
            engines and systemd set it for the processes that they start.
        """,
        hint="1000 thousandths of the limit are added to its memory.",
        watch=[second, third, fourth],
        files=[*V1_FILES, "/proc/PID/oom_score", "/proc/PID/oom_score_adj"],
        claims=["mem-f8"],
        ask=Choice(
            "4 MiB sleep, 2 MiB sleep with oom_score_adj 1000, and one asks for 2 MiB. Who is killed first?",
            "the one with 4 MiB that sleeps",
            "the one with 2 MiB that sleeps",
            "the one that asks",
            "nobody",
        ),
    ) as step:
        before = tuple(group.oom_kills for group in places.values())
        hold(second, 4)
        first.run(f"echo 1000 > /proc/{third.pid}/oom_score_adj")
        asker = fourth.run("./eat 2", status=None).status
        first.run("grep -w oom_kill */memory.oom_control")
        killed = tuple(group.oom_kills - count for group, count in zip(places.values(), before, strict=True))
        step.answer({text: killed == counts for text, counts in KILLED.items()}, saw=killed)
        assert killed == (0, 1, 0)
        assert asker == 0
        assert third.run("echo $?") == "137"


KILLED = {  # kills in the cgroups second, third, fourth
    "the one with 4 MiB that sleeps": (1, 0, 0),
    "the one with 2 MiB that sleeps": (0, 1, 0),
    "the one that asks": (0, 0, 1),
    "nobody": (0, 0, 0),
}


def test_lowering_without_swap(lab: Lab) -> None:
    """The process is there, then the limit comes: no swap.

    The other order. The notes say that a limit takes effect at once.
    """
    first, second, third = lab.window("first"), lab.window("second"), lab.window("third")
    test = start(lab, first, 1)
    first.run(NO_SWAP)
    second.run(f"echo $$ > {test.path}/cgroup.procs")
    hold(second, 10)
    eater = second.pid

    with lab.step(
        "A limit below the usage",
        """
        eat holds 10 MiB, and nothing may go to swap. The limit is set to 16M, and then to 8M. Read the file again after
        each write.
        """,
        found="Version 1 refuses a limit that it cannot reach, with EBUSY, and the old limit stays.",
        why="""
            Version 1 sets the new limit only when the usage fits. If it does not, the kernel reclaims; when that brings
            nothing any more, write(2) fails with EBUSY and the old limit stays (mem_cgroup_resize_max() in
            mm/memcontrol-v1.c). So the exit status of echo must be looked at.
        """,
        hint="The kernel has no place to put the 10 MiB.",
        watch=[second],
        files=V1_FILES,
        claims=["mem-06"],
        ask=Choice(
            "eat holds 10 MiB, there is no swap. What does `echo 8M > memory.limit_in_bytes` do?",
            "the limit is 8M, and eat is killed",
            "the limit is 8M, and eat is stopped",
            "the write fails, the limit stays 16M",
            "the write fails, the limit is 10 MiB now",
        ),
    ) as step:
        assert first.run("echo 16M > memory.limit_in_bytes; cat memory.limit_in_bytes") == str(16 * MIB)
        lower = first.run("echo 8M > memory.limit_in_bytes", status=(0, 1))
        limit = int(first.run("cat memory.limit_in_bytes"))
        alive = eater in test.processes()
        step.answer(
            {
                "the limit is 8M, and eat is killed": limit == 8 * MIB and not alive,
                "the limit is 8M, and eat is stopped": limit == 8 * MIB and alive,
                "the write fails, the limit stays 16M": lower.status == 1 and limit == 16 * MIB,
                "the write fails, the limit is 10 MiB now": lower.status == 1 and limit < 11 * MIB,
            },
            saw=(lower, limit, alive),
        )
        assert "Device or resource busy" in lower
        assert limit == 16 * MIB
        assert test.memory_usage > 10 * MIB

    with lab.step(
        "And eat?",
        "The limit of 8M was refused. eat gets a line of input and touches all its pages once more. Read oom_kill.",
        found="A refused write leaves everything as it was.",
        why="""
            Version 2 decides the other way round: memory.max is set in any case, and then processes are killed until
            the usage fits. The same commands in the same order, and a process lives in one version and dies in the
            other.
        """,
        watch=[second],
        files=V1_FILES,
        claims=["mem-f1"],
        ask=Choice(
            "The limit of 8M was refused. What is with eat?",
            "it is killed at the next touch",
            "it can touch only 8 MiB",
            "it can touch all 10 MiB",
            "it was killed at once",
        ),
    ) as step:
        living = test.processes()
        touched = eater in living
        if touched:
            touch_again(second, 10)
        kills = int(first.run("grep -w oom_kill memory.oom_control").split()[1])
        step.answer(
            {
                "it is killed at the next touch": touched and kills > 0,
                "it can touch only 8 MiB": touched and kills == 0 and test.memory_usage <= 8 * MIB,
                "it can touch all 10 MiB": touched and kills == 0 and test.memory_usage > 10 * MIB,
                "it was killed at once": not touched,
            },
            saw=(living, kills),
        )
        assert living == [second.shell, eater]
        assert kills == 0

    with lab.step(
        "1K, as in the notes",
        "In the notes a limit of 1K kills the shell and top. The first window writes the same number.",
        found="Today the write fails, because memory of the kernel is counted and can go nowhere.",
        why="""
            1K is rounded down to 0, and version 1 never killed for a write. In the notes all that was counted could go
            to swap: the usage became 0, the limit 0 was accepted, and the next page that the shell and top touched
            brought the OOM killer. Since Linux 4.6 memory of the kernel, such as page tables, counts in version 1 too,
            and it can go nowhere: EBUSY. Version 2 sets the limit and kills.
        """,
        hint="What did the kernel do with 8M?",
        watch=[second],
        files=V1_FILES,
        claims=["mem-19"],
        ask=Choice(
            "`echo 1K > memory.limit_in_bytes`, with a shell and eat inside. What happens?",
            "both are killed",
            "eat alone is killed",
            "the write fails, and both live",
            "the limit is 0, and both live",
        ),
    ) as step:
        refused = first.run("echo 1K > memory.limit_in_bytes", status=(0, 1))
        alive_now, limit = test.processes(), int(first.run("cat memory.limit_in_bytes"))
        step.answer(
            {
                "both are killed": alive_now == [],
                "eat alone is killed": alive_now == [second.shell],
                "the write fails, and both live": refused.status == 1 and len(alive_now) == 2,
                "the limit is 0, and both live": limit == 0 and len(alive_now) == 2,
            },
            saw=(refused, limit, alive_now),
        )
        assert "Device or resource busy" in refused
        assert limit == 16 * MIB
        assert alive_now == [second.shell, eater]
        assert release(second) == 0

    with lab.step(
        "1K on an empty cgroup",
        """
        A new cgroup is empty: it can take the limit. Then a shell of the third window moves in and starts a program, as
        the shell of the notes went on after the write.
        """,
        found="With a limit of 0 the next page that a process needs is its end: this is what the notes saw.",
        why="""
            Nothing that the shell had before is charged here, so it may move in. Its first new page is charged, does
            not fit, and nothing can be reclaimed: the OOM killer.
        """,
        watch=[third],
        files=V1_FILES,
        shows=["mem-19"],
        ask=Choice(
            "The limit is 0. When does the shell die?",
            "when the limit is written",
            "when it moves in, or soon after",
            "never: it has its memory already",
        ),
    ) as step:
        first.run("mkdir ../empty; cd ../empty; echo 1K > memory.limit_in_bytes; cat memory.limit_in_bytes")
        empty = Cgroup(test.parent.path / "empty", 1)
        third.enter("/bin/bash")
        alive = third.pid != third.shell
        third.run(f"echo $$ > {empty.path}/cgroup.procs; /bin/true", status=None)
        kills = int(first.run("grep -w oom_kill memory.oom_control").split()[1])
        step.answer(
            {
                "when the limit is written": not alive,
                "when it moves in, or soon after": alive and kills > 0,
                "never: it has its memory already": alive and kills == 0,
            },
            saw=(alive, kills),
        )
        assert kills > 0
        assert empty.memory_limit == 0
        assert empty.processes() == []


# ---------------------------------------------------------------- Files that have changed, and a slip


def test_files_that_lost_their_meaning(lab: Lab) -> None:
    """Old files: a soft limit, and limits for the kernel's memory.

    Version 1 is kept for old programs. Some of its files are still there and do less than they did.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(lab, first, 1)
    second.run(f"echo $$ > {test.path}/cgroup.procs")

    with lab.step(
        "A soft limit",
        "memory.soft_limit_in_bytes is set to 4M, then eat touches 10 MiB.",
        found="A soft limit stops nobody; it counts when the whole machine is short of memory.",
        why="""
            When the machine is short, the kernel takes first from those that are above their soft limit. It was never
            good at this: deprecated since Linux 6.12, the kernel's log says so. Version 2 has memory.low, which
            protects from the other side: the kernel takes last from those that are below theirs.
        """,
        watch=[second],
        files=[*V1_FILES, f"{V1}/memory.soft_limit_in_bytes"],
        claims=["mem-09"],
        ask=Choice(
            "The soft limit is 4 MiB, eat touches 10 MiB, the machine has enough. What happens?",
            "all 10 MiB are charged",
            "6 MiB go to swap",
            "eat is stopped at 4 MiB",
            "eat is killed",
        ),
    ) as step:
        assert first.run("echo 4M > memory.soft_limit_in_bytes; cat memory.soft_limit_in_bytes") == str(4 * MIB)
        hold(second, 10)
        usage = int(first.run("cat memory.usage_in_bytes"))
        kills, swapped = test.oom_kills, test.swap_usage
        step.answer(
            {
                "all 10 MiB are charged": usage > 10 * MIB,
                "6 MiB go to swap": swapped > 5 * MIB,
                "eat is stopped at 4 MiB": usage < 5 * MIB and kills == swapped == 0,
                "eat is killed": kills > 0,
            },
            saw=(usage, swapped, kills),
        )
        assert usage > 10 * MIB
        assert first.run("cat memory.failcnt") == "0"
        assert release(second) == 0

    with lab.step(
        "A limit for the kernel's memory",
        "64M is written to memory.kmem.limit_in_bytes and read again. eat holds 10 MiB; compare the two usages.",
        found="The limit is taken and forgotten; memory of the kernel counts in the usage of the cgroup.",
        why="""
            A limit for memory of the kernel alone did harm: allocations failed in places that had no answer to it.
            Since Linux 5.16 the file takes a number and forgets it. What the kernel uses for a cgroup (page tables,
            stacks, names of files) counts in memory.usage_in_bytes and in memory.limit_in_bytes. In version 2 it stands
            in the lines kernel, kernel_stack, pagetables and slab of memory.stat.
        """,
        watch=[second],
        files=[*V1_FILES, f"{V1}/memory.kmem.limit_in_bytes", f"{V1}/memory.kmem.usage_in_bytes"],
        claims=["mem-14e"],
        ask=Choice(
            "64M is written to memory.kmem.limit_in_bytes. What does cat show?",
            "67108864",
            "0",
            "9223372036854771712",
            "an error",
        ),
    ) as step:
        hold(second, 10)
        first.run("echo 64M > memory.kmem.limit_in_bytes")
        shown = first.run("cat memory.kmem.limit_in_bytes", status=(0, 1))
        step.answer(
            {
                "67108864": shown == "67108864",
                "0": shown == "0",
                "9223372036854771712": shown == str(cgroups.NO_LIMIT),
                "an error": shown.status == 1,
            },
            saw=shown,
        )
        assert shown == str(cgroups.NO_LIMIT)
        assert 0 < int(first.run("cat memory.kmem.usage_in_bytes")) < int(first.run("cat memory.usage_in_bytes"))
        assert release(second) == 0

    with lab.step(
        "Two more kinds of kmem files",
        """
        The notes also list memory.kmem.slabinfo and four files memory.kmem.tcp.*. The first window reads the one, and
        then what the four say.
        """,
        found="slabinfo is empty since Linux 5.9, and the tcp files count memory of TCP sockets apart from the rest.",
        why="""
            slab is the kernel's store of small objects. Since Linux 5.9 all cgroups share its pages, so there is no
            list for one of them, and the file is left empty (mem_cgroup_slab_show() in mm/memcontrol-v1.c). The tcp
            files count the buffers of TCP sockets in a counter of their own, beside memory.usage_in_bytes; they are
            deprecated since Linux 6.12. Version 2 counts these buffers in memory.current, with a line sock.
        """,
        hint="Nobody in this cgroup has a connection.",
        watch=[second],
        files=[*V1_FILES, f"{V1}/memory.kmem.slabinfo", f"{V1}/memory.kmem.tcp.usage_in_bytes"],
        claims=["mem-f7"],
        ask=Number("How many lines does memory.kmem.slabinfo have?"),
    ) as step:
        if not {"memory.kmem.slabinfo", "memory.kmem.tcp.usage_in_bytes"} <= set(test.files()):
            lab.unsupported("this kernel has no slabinfo or tcp files", "use the VM (vagrant up)")
        lines = int(first.run("cat memory.kmem.slabinfo | wc -l"))
        step.answer(lines)
        four = {name: test.read(f"memory.kmem.tcp.{name}") for name in FOUR}
        first.run("grep '' memory.kmem.tcp.*")
        assert lines == 0
        assert four == {
            "failcnt": 0,
            "limit_in_bytes": cgroups.NO_LIMIT,
            "max_usage_in_bytes": 0,
            "usage_in_bytes": 0,
        }


def test_arithmetic_of_the_notes(lab: Lab) -> None:
    """How much went to swap? The arithmetic of the notes.

    The notes compare two outputs of free: 16 KiB of swap before, 500 KiB after the limit was lowered, and they write
    that this makes 384 KiB.
    """
    first = lab.window("first")

    with lab.step(
        "Let the shell compute",
        """
        The first window subtracts. Then it subtracts the two usages that the notes read, 835584 and 401408 bytes, and
        divides by 1024. free shows the numbers of this machine.
        """,
        found="500 - 16 is 484, and free cannot tell whose memory went to swap.",
        why="""
            free and /proc/swaps are about the whole machine, so what other programs do meanwhile is in the difference
            too: 484 KiB there, 424 KiB here. The line swap of memory.stat, and memory.memsw.usage_in_bytes minus
            memory.usage_in_bytes, are about one cgroup alone.
        """,
        watch=[first],
        files=["/proc/swaps", "/proc/meminfo"],
        claims=["mem-16"],
        ask=Number("free shows 16 KiB of used swap before and 500 KiB after. How many KiB more are that?", unit="KiB"),
    ) as step:
        more = int(first.run("echo $((500 - 16))"))
        step.answer(more)
        assert more == 484
        assert first.run("echo $(((835584 - 401408) / 1024))") == "424"
        first.run("free; cat /proc/swaps")
