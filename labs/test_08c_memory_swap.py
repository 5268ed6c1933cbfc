"""Memory cgroups: swap, and being told.

Swap is room on a disk, or compressed in memory, to which the kernel can move pages that are not used now. With it a
limit does not kill at once: this is the example of the notes. And a program can be told when memory gets short, or wait
instead of dying.

This lab is about version 1 of cgroups. Swap belongs to the whole machine, so no exercise switches it on or off; where
no swap is on, the exercises that need some are unsupported. "No swap" is always said to one cgroup alone.

eat is a program that touches memory: "./eat 20" touches 20 MiB and ends, "./eat 20 2" touches them twice, "./eat 20
hold" keeps them until its input ends, and each line of input makes it touch all of them once more. A major fault is a
touch that had to wait for a disk.
"""

from pathlib import Path

from runtime.kernel import proc
from runtime.lab import Choice, Lab, Number, needs
from runtime.lab.memory import MIB, PAGE, SLACK, V1, V1_FILES, big_file, hold, release, start, touch_again

NO_SWAP = "echo 0 > memory.swappiness"  # nothing of this cgroup goes to swap, whether the machine has any or not


# ---------------------------------------------------------------- With swap


@needs("swap")
def test_lowering_with_swap(lab: Lab) -> None:
    """The process is there, then the limit comes: with swap.

    This is the example of the notes, with eat in place of top, so that one knows how much there is to move.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(lab, first, 1)
    first.run("echo 60 > memory.swappiness")
    second.run(f"echo $$ > {test.path}/cgroup.procs")
    hold(second, 20)

    with lab.step(
        "Lower the limit",
        """
        eat holds 20 MiB and sleeps. The limit is set to 8M, then to 1K. Read the usage, the line swap of memory.stat
        and the limit.
        """,
        found="With swap the limit of 8M is reached: 12 MiB go to swap. 1K cannot be reached, even with swap.",
        why="""
            The kernel writes the least used anonymous pages to swap until the usage fits, and only then the write
            returns. 1K cannot be reached: page tables and other memory of the kernel stay, and are counted since Linux
            4.6. The 400K of the notes lie near that border.
        """,
        hint="20 MiB do not vanish.",
        watch=[second],
        files=[*V1_FILES, "/proc/swaps"],
        claims=["mem-15"],
        ask=Choice(
            "eat holds 20 MiB, swap is on. The limit is lowered to 8M, then to 1K. What happens?",
            "both times memory goes to swap",
            "8M: memory goes to swap; 1K: the write fails",
            "8M: the write fails; 1K: the write fails",
            "8M: memory goes to swap; 1K: eat is killed",
        ),
    ) as step:
        lower = first.run("echo 8M > memory.limit_in_bytes", status=(0, 1))
        first.run("cat memory.usage_in_bytes; grep -w swap memory.stat")
        usage, swap = test.memory_usage, test.swap_usage
        least = first.run("echo 1K > memory.limit_in_bytes", status=(0, 1))
        ended = lower.status, least.status, test.oom_kills
        step.answer(
            {
                "both times memory goes to swap": ended == (0, 0, 0),
                "8M: memory goes to swap; 1K: the write fails": ended == (0, 1, 0),
                "8M: the write fails; 1K: the write fails": ended == (1, 1, 0),
                "8M: memory goes to swap; 1K: eat is killed": ended == (0, 0, 1),
            },
            saw=ended,
        )
        assert usage <= 8 * MIB
        assert swap > 12 * MIB - SLACK
        assert "Device or resource busy" in least
        assert first.run("cat memory.limit_in_bytes") == str(8 * MIB)
        assert test.processes() == [second.shell, second.pid]

    with lab.step(
        "How much of this cgroup is in swap?",
        """
        The notes read free before and after. Here the cgroup tells by itself: the line swap of memory.stat, and the
        difference of two usages, memory and swap together minus memory.
        """,
        found="The line swap is of this cgroup alone. The write of 1K failed, but nearly all went to swap for it.",
        why="""
            Before a write is refused, the kernel reclaims what it can: so a limit that fails still moves memory. free
            and /proc/swaps count the swap of the whole machine. A page that was read back may stay in swap as well (the
            swap cache), so that it need not be written again; then the two numbers differ a little.
        """,
        watch=[second],
        files=[*V1_FILES, "/proc/swaps", "/proc/meminfo"],
        shows=["mem-16"],
        ask=Choice(
            "The limit is 8M, and the write of 1K has failed. How much of the 20 MiB is in swap now?",
            "about 8 MiB",
            "about 12 MiB",
            "about 20 MiB",
            "0",
        ),
    ) as step:
        swap = int(first.run("grep -w ^swap memory.stat").split()[1])
        step.answer(
            {
                "about 8 MiB": abs(swap - 8 * MIB) < 2 * MIB,
                "about 12 MiB": abs(swap - 12.5 * MIB) < 2 * MIB,
                "about 20 MiB": abs(swap - 20 * MIB) < 2 * MIB,
                "0": swap == 0,
            },
            saw=swap,
        )
        both = int(first.run("cat memory.memsw.usage_in_bytes"))
        assert swap > 18 * MIB
        assert abs(both - test.memory_usage - swap) < MIB + SLACK
        first.run("free; cat /proc/swaps")

    with lab.step(
        "eat works again",
        """
        eat gets a line of input and touches all its 20 MiB once more, waits, and then does it again. Compare failcnt
        before, between and after, and the line pgmajfault.
        """,
        found="failcnt grows while the program touches memory, and stands still when it stops.",
        why="""
            Each page that eat touches must come from swap (a major fault), and another one must go there first, because
            the limit is met. The top of the notes worked all the time, so their failcnt grew on. For each fault the
            kernel reads some pages ahead, so there are fewer faults than pages.
        """,
        watch=[second],
        files=V1_FILES,
        claims=["mem-17"],
        shows=["mem-18", "mem-20"],
        ask=Choice(
            "When does failcnt grow?",
            "as long as eat lives",
            "while eat touches memory",
            "only when the limit is written",
            "only when a process is killed",
        ),
    ) as step:
        before = test.limit_hits, test.read("memory.stat")["pgmajfault"]
        touch_again(second, 20)
        between = test.limit_hits
        first.run("cat memory.failcnt; cat memory.failcnt")
        waiting = test.limit_hits
        touch_again(second, 20)
        after = test.limit_hits, test.read("memory.stat")["pgmajfault"]
        grew = between > before[0], waiting > between, after[0] > waiting
        step.answer(
            {
                "as long as eat lives": grew == (True, True, True),
                "while eat touches memory": grew == (True, False, True),
                "only when the limit is written": grew == (False, False, False),
                "only when a process is killed": test.oom_kills > 0,
            },
            saw=(before, between, waiting, after),
        )
        assert grew == (True, False, True)
        assert after[1] > before[1]
        assert first.run("grep -w oom_kill memory.oom_control") == "oom_kill 0"
        assert release(second) == 0


@needs("swap")
def test_limit_first_with_swap(lab: Lab) -> None:
    """The limit stands, then the process comes: with swap.

    The same limit and the same program as without swap.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(lab, first, 1)
    first.run("echo 60 > memory.swappiness; echo 8M > memory.limit_in_bytes")
    second.run(f"echo $$ > {test.path}/cgroup.procs")

    with lab.step(
        "20 MiB through 8 MiB",
        "The limit is 8M. eat touches 20 MiB, once. Read the highest usages, of memory and of both together.",
        found="With swap eat ends well: the usage stays at the limit, and the rest goes to swap.",
        why="""
            What does not fit goes to swap page by page, while eat runs: the usage stays at the limit, and the sum of
            memory and swap grows to more than 20 MiB. There are few major faults: eat only writes new pages, and wants
            none back.
        """,
        watch=[second],
        files=[*V1_FILES, f"{V1}/memory.memsw.max_usage_in_bytes", f"{V1}/memory.max_usage_in_bytes"],
        claims=["rec-v1"],
        shows=["mem-20", "mem-18"],
        ask=Number("The limit is 8 MiB, swap is on, eat touches 20 MiB. What is the exit status of eat?"),
    ) as step:
        status = second.run("./eat 20", status=None).status
        step.answer(status)
        assert status == 0
        assert first.run("cat memory.max_usage_in_bytes") == str(8 * MIB)
        assert int(first.run("cat memory.memsw.max_usage_in_bytes")) > 20 * MIB
        assert int(first.run("cat memory.failcnt")) > 0
        assert first.run("grep -w oom_kill memory.oom_control") == "oom_kill 0"

    with lab.step(
        "A limit for the sum",
        "The sum of memory and swap is limited to 16M, and eat is started. Then to 32M, and eat is started again.",
        found="The sum decides whether the program lives, the limit for memory where its pages are.",
        why="With 16 MiB for the sum there are only 8 MiB of swap for 20 MiB, and the OOM killer comes.",
        hint="Is 8M of memory and the rest of the sum in swap enough?",
        watch=[second],
        files=[*V1_FILES, f"{V1}/memory.memsw.limit_in_bytes"],
        shows=["rec-v1"],
        ask=Choice(
            "eat touches 20 MiB, the limit for memory is 8M. With which limit for the sum does it end well?",
            "16M and 32M",
            "32M alone",
            "16M alone",
            "neither",
        ),
    ) as step:
        statuses = []
        for limit in ("16M", "32M"):
            first.run(f"echo {limit} > memory.memsw.limit_in_bytes")
            statuses.append(second.run("./eat 20", status=(0, 137)).status)
        step.answer(
            {
                "16M and 32M": statuses == [0, 0],
                "32M alone": statuses == [137, 0],
                "16M alone": statuses == [0, 137],
                "neither": statuses == [137, 137],
            }
        )
        assert statuses == [137, 0]
        assert first.run("grep -w oom_kill memory.oom_control") == "oom_kill 1"


@needs("swap", "top")
def test_shell_and_top_with_swap(lab: Lab) -> None:
    """The notes' own shell and top, in 1 MiB.

    In the notes the limit is lowered under a running top. Here it stands from the start.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(lab, first, 1)
    first.run("echo 60 > memory.swappiness; echo 1M > memory.limit_in_bytes")

    with lab.step(
        "A small place for top",
        "A new shell goes into the cgroup and runs top three times. Both want two to three times as much memory.",
        found="With swap a shell and top live under a limit of 1 MiB.",
        why="""
            Swap takes what does not fit: the sum of memory and swap goes above 1 MiB, and top must wait for its pages
            again and again (pgmajfault). Without swap this would be the end of top.
        """,
        watch=[second],
        files=[*V1_FILES, f"{V1}/memory.memsw.max_usage_in_bytes"],
        claims=["rec-v1-notes"],
        ask=Choice(
            "bash and top want 2 to 3 MiB, the limit is 1 MiB, swap is on. How does top end?",
            "it is killed (137)",
            "well (0)",
            "with an error (1)",
            "the shell cannot start it (126)",
        ),
    ) as step:
        second.enter("/bin/bash")
        second.run(f"echo $$ > {test.path}/cgroup.procs")
        status = second.run("top -b -d 0.1 -n 3 > /dev/null", timeout=60, status=None).status
        step.answer(
            {
                "it is killed (137)": status == 137,
                "well (0)": status == 0,
                "with an error (1)": status == 1,
                "the shell cannot start it (126)": status == 126,
            },
            saw=status,
        )
        assert status == 0
        assert test.memory_peak == MIB
        assert int(first.run("cat memory.memsw.max_usage_in_bytes")) > MIB
        assert int(first.run("cat memory.failcnt")) > 0
        assert test.oom_kills == 0


@needs("swap")
def test_kinds_of_swap(lab: Lab) -> None:
    """Swap file or zram: what reading ahead does.

    Swap can lie in a file, on a disk, or compressed in memory (zram). Is it the same for a cgroup?
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(lab, first, 1)
    first.run("echo 60 > memory.swappiness; echo 4M > memory.limit_in_bytes")
    second.run(f"echo $$ > {test.path}/cgroup.procs")
    zram = all("zram" in line for line in Path("/proc/swaps").read_text().splitlines()[1:])
    pages = 12 * MIB // PAGE

    with lab.step(
        "Which swap is it?",
        """
        The first window looks which swap this machine has. eat touches 12 MiB under a limit of 4 MiB, twice. Read the
        highest sum of memory and swap.
        """,
        found="For the cgroup a page in swap is a page in swap, wherever it lies.",
        why="""
            A file on a file system, a loop device and a partition behave alike; zram keeps the pages compressed in
            memory, needs no disk, and is quicker.
        """,
        watch=[second],
        files=[*V1_FILES, "/proc/swaps"],
        claims=["rec-swap"],
        ask=Choice(
            "12 MiB are touched under a limit of 4 MiB. What is the highest sum of memory and swap?",
            "4 MiB",
            "8 MiB",
            "more than 12 MiB",
            "more than 24 MiB",
        ),
    ) as step:
        first.run("cat /proc/swaps")
        in_order = second.run("./eat 12 2", status=(0, 137))
        highest = int(first.run("cat memory.memsw.max_usage_in_bytes"))
        step.answer(
            {
                "4 MiB": highest == 4 * MIB,
                "8 MiB": 4 * MIB < highest <= 8 * MIB,
                "more than 12 MiB": 12 * MIB < highest <= 24 * MIB,
                "more than 24 MiB": highest > 24 * MIB,
            },
            saw=highest,
        )
        assert in_order.status == 0
        assert test.oom_kills == 0
        assert highest > 12 * MIB

    with lab.step(
        "In order, and from page to page",
        f"""
        eat touches {pages} pages twice. In the first run the second pass went in order; now it jumps from page to page.
        Compare the numbers of major faults that eat prints.
        """,
        found="From a disk the kernel reads neighbours ahead; from zram it takes one page for each fault.",
        why="""
            When a fault needs a page from a swap file, the kernel reads up to 8 neighbours with it (2 to the power of
            /proc/sys/vm/page-cluster), if the faults before came in order. Jumping makes it one fault for each page.
            For zram the kernel does not read ahead, as there is no disk to wait for (do_swap_page() in mm/memory.c):
            more faults, and still less time.
        """,
        hint="Reading ahead helps who goes straight on.",
        watch=[second],
        files=[*V1_FILES, "/proc/swaps", "/proc/sys/vm/page-cluster"],
        claims=["mem-f4"],
        ask=Choice(
            "eat reads its pages back from the swap of this machine, in order. How many major faults for 8 pages?",
            "none",
            "1 to 4",
            "about 8",
            "more than 16",
        ),
    ) as step:
        straight = major_faults(in_order)
        jumping = major_faults(second.run("./eat 12 2 scatter"))
        each = straight * 8 / pages
        step.answer(
            {
                "none": straight == 0,
                "1 to 4": 0 < each <= 4,
                "about 8": 4 < each <= 12,
                "more than 16": each > 16,
            },
            saw=each,
        )
        assert first.run("cat /proc/sys/vm/page-cluster") == "3"
        assert jumping > pages // 2
        assert (each > 4) is zram


def major_faults(output: str) -> int:
    """The number that eat has printed."""
    return int(output.split(", ")[1].split()[0])


@needs("swap")
def test_swappiness(lab: Lab) -> None:
    """memory.swappiness: how readily memory goes to swap.

    When the kernel must reclaim, it can drop page cache or move anonymous memory (that of no file) to swap. Swappiness
    is the balance.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(lab, first, 1)
    highest = 200 if lab.facts.kernel_at_least("5.8") else 100

    with lab.step(
        "From 0 to the top",
        "A new cgroup has the swappiness of its parent. A loop writes numbers and reads the file after each.",
        found="The highest swappiness is 200 since Linux 5.8; before it was 100.",
        why="""
            Swappiness weighs page cache against anonymous memory: 100 treats them alike, and the upper half, up to 200,
            is for swap that is faster than the disk (Linux 5.8). Version 2 has no such file; there memory.swap.max says
            how much may go to swap.
        """,
        hint="The kernel's version is shown by uname -r.",
        watch=[second],
        files=[*V1_FILES, f"{V1}/memory.swappiness"],
        shows=["mem-14"],
        ask=Number("Which is the highest number that memory.swappiness takes on this kernel?"),
    ) as step:
        assert first.run("cat memory.swappiness") == first.run("cat ../memory.swappiness")
        first.run("uname -r")
        first.run(
            "for n in 0 60 100 101 200 201; do echo $n > memory.swappiness; cat memory.swappiness; done", status=(0, 1)
        )
        taken = int(first.run("cat memory.swappiness"))
        step.answer(taken)
        assert taken == highest

    with lab.step(
        "100, then 0",
        "The limit is 8M, and swap is free. eat touches 20 MiB twice: once with swappiness 100, once with 0.",
        found="With swappiness 0 nothing of the cgroup goes to swap, even if a process must be killed.",
        why="0 in a cgroup of version 1 forbids swap for anonymous memory (get_scan_count() in mm/vmscan.c).",
        hint="What can the kernel do with anonymous memory that may not go to swap?",
        watch=[second],
        files=[*V1_FILES, f"{V1}/memory.swappiness"],
        claims=["mem-14"],
        ask=Choice(
            "Swap is free, the limit is 8 MiB, eat touches 20 MiB. With which swappiness is eat killed?",
            "with 100 and with 0",
            "with 0 alone",
            "with 100 alone",
            "with neither",
        ),
    ) as step:
        first.run("echo 8M > memory.limit_in_bytes")
        second.run(f"echo $$ > {test.path}/cgroup.procs")
        statuses = []
        for swappiness in (100, 0):
            first.run(f"echo {swappiness} > memory.swappiness")
            statuses.append(second.run("./eat 20", status=(0, 137)).status)
        step.answer(
            {
                "with 100 and with 0": statuses == [137, 137],
                "with 0 alone": statuses == [0, 137],
                "with 100 alone": statuses == [137, 0],
                "with neither": statuses == [0, 0],
            }
        )
        assert statuses == [0, 137]
        assert test.memory_peak == 8 * MIB
        assert test.swap_usage < MIB + SLACK


def test_limit_for_memory_and_swap(lab: Lab) -> None:
    """Memory and swap together: memory.memsw.

    A limit for memory says where the pages are. A limit for the sum of memory and swap says how much there is.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(lab, first, 1)
    counts = not lab.facts.kernel_at_least("6.15")

    with lab.step(
        "The sum is full",
        """
        memory.limit_in_bytes and memory.memsw.limit_in_bytes are both 8M. eat touches 20 MiB. Compare the failure
        counters of the two limits.
        """,
        found="A page in swap counts in the sum, so swapping does not help; the kill is counted in oom_kill.",
        why="""
            When the sum is full, swapping cannot help: a page in swap counts as much as one in memory. So the kernel
            reclaims page cache only, and then kills. Each page is charged to the sum first, so it is memsw that
            refuses. Its failcnt was counted until Linux 6.15, which counts for memory.failcnt alone (track_failcnt in
            include/linux/page_counter.h); on newer kernels only oom_kill tells.
        """,
        hint="Which kernel is this? Since Linux 6.15 one of the two counters is not kept any more.",
        watch=[second],
        files=[*V1_FILES, f"{V1}/memory.memsw.failcnt", f"{V1}/memory.memsw.limit_in_bytes"],
        claims=["mem-f5"],
        ask=Choice(
            "memsw is the limit that was hit. Which of these counters are above 0 afterwards, on this kernel?",
            "memory.memsw.failcnt and oom_kill",
            "oom_kill alone",
            "memory.memsw.failcnt alone",
            "neither",
        ),
    ) as step:
        first.run("uname -r; echo 8M > memory.limit_in_bytes; echo 8M > memory.memsw.limit_in_bytes")
        second.run(f"echo $$ > {test.path}/cgroup.procs")
        second.run("./eat 20", status=137)
        count = int(first.run("cat memory.memsw.failcnt"))
        kills = int(first.run("grep -w oom_kill memory.oom_control").split()[1])
        step.answer(
            {
                "memory.memsw.failcnt and oom_kill": count > 0 and kills > 0,
                "oom_kill alone": count == 0 and kills > 0,
                "memory.memsw.failcnt alone": count > 0 and kills == 0,
                "neither": count == kills == 0,
            },
            saw=(count, kills),
        )
        assert (count > 0) is counts
        assert first.run("cat memory.memsw.max_usage_in_bytes") == str(8 * MIB)
        assert kills == 1


# ---------------------------------------------------------------- Wait, or be told


def test_oom_control(lab: Lab) -> None:
    """memory.oom_control: without the OOM killer.

    Version 1 lets the OOM killer be switched off for a cgroup. What happens to a process that needs a page then?
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(lab, first, 1)

    with lab.step(
        "Out of memory, and no killer",
        """
        The killer is switched off by a write of 1, the limit is 8M, nothing may go to swap. eat touches 20 MiB. The
        kernel tells by an event when eat can go no further; then look at the state of eat.
        """,
        found="Without the killer the process sleeps in the page fault until there is memory.",
        why="""
            The process sleeps in the state D (it cannot be interrupted) until somebody raises the limit, frees memory,
            or kills it (mem_cgroup_oom_synchronize() in mm/memcontrol-v1.c). A program outside can wait for the event
            and decide. A shell in the same cgroup would sleep as well. Deprecated since Linux 6.12; version 2 has no
            such switch, its memory.high with a watcher outside is meant for this.
        """,
        hint="It can neither have the page nor go on without it.",
        watch=[second],
        files=[*V1_FILES, "/proc/PID/wchan"],
        claims=["mem-14c"],
        ask=Choice(
            "The OOM killer is off, and eat needs more than the limit. What happens to eat?",
            "it is killed",
            "it ends with an error",
            "it waits",
            "it goes on above the limit",
        ),
    ) as step:
        first.run(f"{NO_SWAP}; echo 8M > memory.limit_in_bytes")
        first.run("echo 1 > memory.oom_control")
        second.run(f"echo $$ > {test.path}/cgroup.procs")
        with test.watch("memory.oom_control") as events:
            second.send("./eat 20 hold\n")
            events.wait()
        first.run(f"cat memory.oom_control; grep State /proc/{second.pid}/status", status=(0, 2))
        eater, usage, control = second.pid, test.memory_usage, test.read("memory.oom_control")
        state = proc.read("/proc/PID/status", eater)["State"]
        step.answer(
            {
                "it is killed": control["oom_kill"] > 0,
                "it ends with an error": control["oom_kill"] == 0 and eater == second.shell,
                "it waits": control["under_oom"] == 1 and eater != second.shell,
                "it goes on above the limit": usage > 8 * MIB,
            },
            saw=(control, usage),
        )
        assert control == {"oom_kill_disable": 1, "under_oom": 1, "oom_kill": 0}
        assert state.startswith("D")

    with lab.step(
        "Raise the limit",
        "The first window raises the limit to 64M. Look at the second one.",
        found="eat goes on where it stopped, in the middle of an instruction.",
        why="""
            A change of the limit wakes all that wait (memcg_oom_recover() in mm/memcontrol-v1.c). They try the page
            fault again; the program has noticed nothing but the time.
        """,
        watch=[second],
        files=V1_FILES,
        shows=["mem-14c"],
    ):
        first.run("echo 64M > memory.limit_in_bytes")
        second.wait_for("touched 20 MiB")
        assert test.read("memory.oom_control")["under_oom"] == 0
        assert release(second) == 0


def test_waiting_for_events(lab: Lab) -> None:
    """cgroup.event_control: be told instead of asking.

    A program that wants to know when memory gets short need not read files in a loop. The kernel can wake it. Here the
    lab itself is that program: test.watch(FILE) in the code of a step asks for events, wait() sleeps until one comes.
    """
    first, second = lab.window("first"), lab.window("second")
    test = start(lab, first, 1)
    big = big_file(lab)
    second.run(f"echo $$ > {test.path}/cgroup.procs")

    with lab.step(
        "A threshold of 5 MiB",
        """
        A program asks to be told when the usage crosses 5 MiB. In the second window eat touches 10 MiB, waits, and
        ends. The events are counted at both moments.
        """,
        found="A threshold gives one event at each crossing, up and down.",
        why="""
            The program makes an eventfd(2), a file that holds a counter. It opens memory.usage_in_bytes and writes the
            two descriptors and the threshold to cgroup.event_control; the kernel then adds 1 to the counter at each
            crossing. Version 2 has none of this, there one polls the file itself.
        """,
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
        "Pressure with page cache",
        """
        The program now waits for memory.pressure_level with the word low. The limit is 8M, nothing may go to swap, and
        cat reads a file of 24 MiB.
        """,
        found="low means that the kernel reclaims, and not yet that a process is in danger.",
        why="""
            The kernel measures how much it must look at to reclaim one page. low means that it reclaims at all, medium
            that it is getting hard, critical that hardly anything can be reclaimed (mm/vmpressure.c). A program that
            waits for low is told of medium and critical as well.
        """,
        hint="Reading a large file makes the kernel reclaim.",
        watch=[second],
        files=[V1, *V1_FILES],
        shows=["mem-13"],
        ask=Choice(
            "cat reads 24 MiB under a limit of 8 MiB. What does the kernel count for it?",
            "events of pressure, and no kill",
            "a kill, and no event of pressure",
            "events of pressure, and a kill",
            "neither",
        ),
    ) as step:
        first.run(f"{NO_SWAP}; echo 8M > memory.limit_in_bytes")
        with test.watch("memory.pressure_level", "low") as events:
            second.run(f"cat {big} > /dev/null", status=(0, 137))
            count = events.wait()
        step.answer(told(count, int(first.run("grep -w oom_kill memory.oom_control").split()[1])))
        assert count > 0
        assert test.oom_kills == 0

    with lab.step(
        "Pressure with anonymous memory",
        """
        The program waits for critical. The killer is off, so that one can look at the last moment. eat touches 20 MiB,
        and the program counts. Then the killer is switched on.
        """,
        found="critical comes before the kill: a program that waits for it has the chance to give memory back.",
        why="""
            Anonymous memory that may not go to swap cannot be reclaimed, so each try looks at everything and finds
            nothing: critical. Only then the OOM killer comes. pressure_level and oom_control are deprecated since Linux
            6.12, the kernel's log says so; version 2 has memory.pressure, which measures the time that is lost.
        """,
        hint="What can be reclaimed of anonymous memory, without swap?",
        watch=[second],
        files=[V1, *V1_FILES],
        claims=["mem-13"],
        ask=Choice(
            "eat cannot go on: the killer is off. What has the kernel counted until then?",
            "events of pressure, and no kill",
            "a kill, and no event of pressure",
            "events of pressure, and a kill",
            "neither",
        ),
    ) as step:
        first.run("echo 0 > memory.force_empty; echo 1 > memory.oom_control")
        with test.watch("memory.pressure_level", "critical") as pressure, test.watch("memory.oom_control") as limit:
            second.send("./eat 20 hold\n")
            limit.wait()
            count = pressure.wait()
        step.answer(told(count, int(first.run("grep -w oom_kill memory.oom_control").split()[1])))
        assert count > 0
        assert test.oom_kills == 0
        first.run("echo 0 > memory.oom_control")
        assert second.run("echo $?") == "137"
        assert first.run("grep -w oom_kill memory.oom_control") == "oom_kill 1"


def told(events: int, kills: int) -> dict[str, bool]:
    """Which of the answers about events and kills is true."""
    return {
        "events of pressure, and no kill": events > 0 and kills == 0,
        "a kill, and no event of pressure": events == 0 and kills > 0,
        "events of pressure, and a kill": events > 0 and kills > 0,
        "neither": events == kills == 0,
    }
