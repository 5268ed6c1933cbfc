"""PID namespaces: process numbers of one's own.

A PID namespace is a numbering of processes. The first process that is born into a new one gets the number 1 there, the
next one 2, and so on, whatever numbers are in use elsewhere. The namespaces form a tree: a process has one number in
its own namespace and one more in each namespace above it. So those above see it, and those below or beside do not.

Three things are hard to get right, and this lab goes through them slowly. A process never changes its own PID
namespace, only its children are born into another. The files in /proc belong to the namespace in which /proc was
mounted. And number 1 is no ordinary process: it cannot be killed from inside, it adopts orphans, and when it dies all
die with it.
"""

import errno
import json
import os
import re
import signal
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from runtime.kernel import namespaces, pidns, proc
from runtime.kernel.signals import signal_names, watching
from runtime.kernel.syscalls import Clone, SyscallError, setns, unshare
from runtime.lab import LOGIN_PROMPT, Choice, Lab, Number, Window, needs

pytestmark = [needs("unshare", "nsenter", "ps", "pstree", "pid namespace")]


def test_number_one(lab: Lab) -> None:
    """The first process of a PID namespace has the number 1.

    Each namespace has a number 1 of its own. So one process can have two numbers: one inside, and one for those who
    look from outside.
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "Two numbers for one shell",
        "unshare --pid --fork starts a shell in a new PID namespace. The shell asks for its own number ($$), then "
        "puts another bash in its place by exec and asks again. From outside the same shell has another number.",
        why="The number belongs to the process, not to the program: exec keeps it. A process gets one number in its "
        "own PID namespace and one in each namespace above it (pid_namespaces(7)). All of them stand in the line "
        "NSpid of /proc/PID/status, the outermost first.",
        hint="Does exec make a new process?",
        watch=[first, second],
        claims=["pid-08"],
        ask=Choice(
            "The shell has the number 1 and runs `exec /bin/bash`. Which number does the new bash print for $$?",
            "1",
            "2",
            "the one that it has outside",
        ),
    ) as step:
        first.enter("unshare --pid --fork /bin/bash")
        number = first.run("echo $$")
        first.enter("exec /bin/bash")
        again = first.run("echo $$")
        step.answer(again if again in ("1", "2") else "the one that it has outside")
        assert number == "1"
        assert again == "1"
        assert proc.read("/proc/PID/status", first.pid)["NSpid"] == [first.pid, 1]
        assert first.pid != 1

    with lab.step(
        "Three processes with the same number",
        "The first window makes one more namespace inside its own. The second window makes one beside it. Now three "
        "shells live in three new PID namespaces, and each says its number.",
        why="Numbers are given out by the namespace (alloc_pid() in kernel/pid.c): one counter for each. The same "
        "number in two namespaces is no conflict, just as two houses in two streets may have the same number.",
        watch=[first, second],
        claims=["pid-01"],
        ask=Number("Three shells in three new PID namespaces print $$. How many of them print 1?"),
    ) as step:
        outer = first.pid
        first.enter("unshare --pid --fork /bin/bash")
        second.enter("unshare --pid --fork /bin/bash")
        shells = (outer, first.pid, second.pid)
        numbers = [proc.read("/proc/PID/status", shell)["NSpid"] for shell in shells]
        step.answer(sum(each[-1] == 1 for each in numbers))
        assert first.run("echo $$") == second.run("echo $$") == "1"
        assert [each[-1] for each in numbers] == [1, 1, 1]
        assert [len(each) for each in numbers] == [2, 3, 2]
        assert len({namespaces.link(shell, "pid") for shell in shells}) == 3


def test_only_children_move(lab: Lab) -> None:
    """A process stays in its PID namespace for life; only its children can be born into another.

    unshare and setns move the caller into a new namespace of most kinds. For PID namespaces they do not. That is what
    the option --fork is for.
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "unshare and its child",
        "The first window runs unshare --pid --fork. Two processes are there now: unshare itself, and bash, which is "
        "its child. Compare their links pid, and look at pid_for_children of unshare.",
        why="If the number of a process could change, every program that has remembered its own number would be "
        "wrong. So unshare(2) with CLONE_NEWPID only notes: my next children go there. The link pid_for_children "
        "(Linux 4.12) shows this note. With --fork, unshare makes a child, and the child becomes bash.",
        hint="Which of the two processes was born after the call of unshare(2)?",
        watch=[first, second],
        claims=["pid-06"],
        ask=Choice("The pid link of unshare and the one of its child bash: are they equal?", "equal", "different"),
    ) as step:
        first.enter("unshare --pid --fork /bin/bash")
        parent = proc.read("/proc/PID/status", first.pid)["PPid"]
        step.watch(parent)
        of_unshare = second.run(f"readlink /proc/{parent}/ns/pid")
        of_bash = second.run(f"readlink /proc/{first.pid}/ns/pid")
        step.answer("equal" if of_unshare == of_bash else "different")
        assert second.run(f"cat /proc/{parent}/comm") == "unshare"
        assert of_unshare == second.ns("pid")
        assert of_bash == first.ns("pid")
        assert of_bash != of_unshare
        assert second.run(f"readlink /proc/{parent}/ns/pid_for_children") == of_bash

    with (
        ExitStack() as stack,
        lab.step(
            "The same by system calls",
            "A process calls unshare(CLONE_NEWPID) and asks for its own number before and after. Then it makes two "
            "children. Look at the two links of the parent, and at the numbers of the children.",
            why="getpid(2) gives the same number before and after. The first child is process 1 of the new namespace, "
            "the second is process 2. In the kernel the own namespace hangs on the process number (thread_pid), the "
            "one for children is nsproxy->pid_ns_for_children (kernel/pid_namespace.c).",
            hint="Which process is the first one in the new namespace?",
            watch=[os.getpid()],
            claims=["pid-04"],
            ask=Choice(
                "A process calls unshare(CLONE_NEWPID), then forks once. Who has the number 1 in the new namespace?",
                "the process itself",
                "its child",
                "nobody",
            ),
        ) as step,
    ):
        told, tell = os.pipe()
        parent = stack.enter_context(namespaces.start_in_new(Clone(0), two_children, Clone.NEWPID, tell))
        before, after, *children = json.loads(os.read(told, 4096))
        step.watch(parent, *children)
        own = proc.read("/proc/PID/status", parent.pid)["NSpid"]
        numbers = [proc.read("/proc/PID/status", child)["NSpid"][-1] for child in children]
        step.answer("the process itself" if own[-1] == 1 else "its child" if numbers[0] == 1 else "nobody")
        assert before == after == parent.pid
        assert numbers == [1, 2]
        assert namespaces.link(parent.pid, "pid") == namespaces.link(os.getpid(), "pid")
        for_children = namespaces.link(parent.pid, "pid_for_children")
        assert for_children != namespaces.link(parent.pid, "pid")
        assert {namespaces.link(child, "pid") for child in children} == {for_children}

    with (
        ExitStack() as stack,
        lab.step(
            "No way back, and no second time",
            "The first process of a new PID namespace holds a descriptor of the namespace above. It tries setns() to "
            "go back there. Then it calls unshare(CLONE_NEWPID) twice.",
            why="setns(2) takes only the caller's own namespace or one below it, for its children; else a process "
            "could put its children where they cannot be seen from its own namespace. After one unshare the caller "
            "must not make another one: its children already go elsewhere, and the kernel allows a new namespace "
            "only below the one in which the caller lives itself (copy_pid_ns()). Both errors are EINVAL: not even "
            "root may.",
            hint="The tree can only be walked down.",
            watch=[os.getpid()],
            claims=["pid-16"],
            ask=Choice(
                "Root in a new PID namespace holds a descriptor of the namespace above. What does setns() say?",
                "it works",
                "EPERM",
                "EINVAL",
            ),
        ) as step,
    ):
        told, tell = os.pipe()
        above = os.open("/proc/self/ns/pid", os.O_RDONLY)
        child = stack.enter_context(namespaces.start_in_new(Clone.NEWPID, try_to_leave, above, tell))
        answers = json.loads(os.read(told, 4096))
        step.watch(child)
        step.answer({"": "it works"}.get(answers["setns above"], answers["setns above"]))
        assert answers == {"unshare": "", "unshare again": "EINVAL", "setns own": "", "setns above": "EINVAL"}
        assert proc.read("/proc/PID/status", child.pid)["NSpid"] == [child.pid, 1]
        assert namespaces.link(child.pid, "pid_for_children") == namespaces.link(child.pid, "pid")


def two_children(flags: Clone, tell: int) -> None:
    """Unshare, make two children that stay, tell the own number before and after and those of the children."""
    before = os.getpid()
    unshare(flags)
    with namespaces.start_in_new(Clone(0), signal.pause) as one, namespaces.start_in_new(Clone(0), signal.pause) as two:
        os.write(tell, json.dumps([before, os.getpid(), one.pid, two.pid]).encode())
        signal.pause()


def try_to_leave(above: int, tell: int) -> None:
    """Tell how each attempt to change the PID namespace ends: "" or the name of its errno."""
    own = os.open("/proc/self/ns/pid_for_children", os.O_RDONLY)
    answers = {
        "unshare": failure(unshare, Clone.NEWPID),
        "unshare again": failure(unshare, Clone.NEWPID),
        "setns own": failure(setns, own, Clone.NEWPID),
        "setns above": failure(setns, above, Clone.NEWPID),
    }
    os.write(tell, json.dumps(answers).encode())
    signal.pause()


def test_without_fork(lab: Lab) -> None:
    """What happens without --fork: a shell that can start one command.

    Many people forget --fork once. The shell comes up, the first command works, and then nothing works any more.
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "A namespace without a process",
        "The first window runs unshare --pid without --fork: unshare itself becomes bash. It has not started any "
        "command yet. The second window reads the link pid_for_children of that shell, before and after its first "
        "child.",
        why="The new namespace exists, but it has no process 1 yet, so it cannot be used: nobody could enter it. The "
        "kernel hides it until then (pidns_for_children_get() in kernel/pid_namespace.c): readlink fails with "
        "ENOENT. The first child is process 1 and makes the namespace visible.",
        hint="Who is process 1 of the new namespace while the shell waits at its first prompt?",
        watch=[first, second],
        claims=["pid-x02"],
        ask=Choice(
            "A shell has unshared its PID namespace and has no child yet. What is its link pid_for_children?",
            "the new namespace",
            "the old namespace",
            "there, but it cannot be read",
        ),
    ) as step:
        first.enter("unshare --pid /bin/bash")
        early = second.run(f"readlink -v /proc/{first.pid}/ns/pid_for_children", status=1)
        step.answer(
            "there, but it cannot be read"
            if early.status
            else "the old namespace"
            if early == second.ns("pid")
            else "the new namespace"
        )
        assert "No such file" in early
        assert "pid_for_children" in second.run(f"ls /proc/{first.pid}/ns").split()
        first.run("tail -f /dev/null &")
        late = second.run(f"readlink /proc/{first.pid}/ns/pid_for_children")
        assert late.startswith("pid:[")
        assert late != second.ns("pid")
        assert first.ns("pid") == second.ns("pid")

    with lab.step(
        "One command, then no more",
        "A new try, without a process that stays. The shell runs ls twice, and then echo, which is built into bash. "
        "Read what each of them says.",
        why="The first ls becomes process 1 of the new namespace. It ends, and a namespace whose process 1 has ended "
        "takes no new processes: fork(2) fails with ENOMEM, whatever memory there is (disable_pid_allocation() in "
        "kernel/pid.c). bash prints the text of that errno. echo needs no new process.",
        hint="Who was process 1, and where is it now?",
        watch=[first, second],
        claims=["pid-x01"],
        ask=Choice(
            "In a shell from `unshare --pid /bin/bash`, without --fork, you run ls twice. What happens?",
            "both work",
            "the first works, the second fails",
            "both fail",
        ),
    ) as step:
        first.exit()
        first.enter("unshare --pid /bin/bash")
        one, two = first.run("ls /proc/version", status=None), first.run("ls /proc/version", status=None)
        step.answer(
            {(True, True): "both work", (True, False): "the first works, the second fails"}.get(
                (one.status == 0, two.status == 0), "both fail"
            )
        )
        assert one == "/proc/version"
        assert two.status != 0
        assert "fork: Cannot allocate memory" in two
        assert first.run("echo $$") == str(first.pid)
        first.exit()
        assert first.run("ls /proc/version") == "/proc/version"


def test_stale_proc(lab: Lab) -> None:
    """An old /proc in a new namespace, and what to do about it.

    The shell of this exercise has its own PID namespace, but it sees the /proc of the old one. Nearly everything that
    is confusing about PID namespaces comes from that.
    """
    first, second = lab.window("first"), lab.window("second")
    if not can_read_process_1():
        lab.unsupported("process 1 of this machine is protected, even from root", "use the sandbox (--target sandbox)")

    with lab.step(
        "The command of the notes",
        "unshare makes three namespaces and a shell in them. The shell gets a host name of its own, to tell the "
        "windows apart. Compare the links of the two shells.",
        why="--uts, --pid, --mount: one flag for each namespace. The mount namespace is there so that a later mount "
        "over /proc stays inside. What has no flag is shared with the outside. (As root no sudo is needed.)",
        watch=[first, second],
        claims=["pid-03"],
        ask=Choice(
            "After `unshare --uts --pid --mount --fork`, which of uts, pid, mnt, net, ipc differ from those outside?",
            "all five",
            "uts, pid, mnt",
            "uts and pid",
            "pid only",
        ),
    ) as step:
        name = second.run("hostname")
        first.enter("unshare --uts --pid --mount --fork /bin/bash")
        first.run("hostname container001")
        first.enter("exec /bin/bash")
        differ = [link for link in ("uts", "pid", "mnt", "net", "ipc") if first.ns(link) != second.ns(link)]
        step.answer({5: "all five", 3: "uts, pid, mnt", 2: "uts and pid"}.get(len(differ), "pid only"))
        assert differ == ["uts", "pid", "mnt"]
        assert first.run("hostname") == "container001"
        assert second.run("hostname") == name

    with lab.step(
        "Whose process 1 is that?",
        "Inside, the shell has the number 1. It looks into /proc/1: the name of the program, and its PID namespace. "
        "Compare with what the second window finds in /proc/1.",
        why="The new mount namespace began as a copy of the old mount table, and in it lies the old /proc. A proc "
        "file system belongs to the PID namespace of the process that mounted it, and shows the numbers of that "
        'namespace to everybody (pid_namespaces(7), section "/proc and PID namespaces"). So /proc/1 is the old '
        "process 1.",
        hint="Who mounted this /proc, and when?",
        watch=[first, second],
        claims=["pid-09"],
        ask=Choice(
            "The shell is process 1 of its namespace. What does `cat /proc/1/comm` print there?",
            "bash",
            "the name of process 1 outside",
            "an error",
        ),
    ) as step:
        inside, outside = first.run("cat /proc/1/comm"), second.run("cat /proc/1/comm")
        step.answer({outside: "the name of process 1 outside", "bash": "bash"}.get(inside, "an error"))
        assert first.run("echo $$") == "1"
        assert inside == outside != "bash"
        assert first.run("readlink /proc/1/ns/pid") == second.run("readlink /proc/1/ns/pid") == second.ns("pid")

    with lab.step(
        "/proc/$$ lies, /proc/self does not",
        "The shell asks for its own PID namespace in two ways: by /proc/$$ and by /proc/self. Both seem to mean the "
        "same process.",
        why="$$ is a number of the new namespace, and this /proc takes it as one of the old: /proc/1 is somebody "
        "else. /proc/self is a link that the kernel makes anew for each reader: it finds the reader's number in the "
        "namespace of this /proc (proc_self_get_link() in fs/proc/self.c). So it leads to the right process even "
        "here. The notes have only the first way. On some machines process 1 is protected, and readlink prints "
        "nothing at all.",
        hint="In which of the two does the kernel translate the number?",
        watch=[first, second],
        claims=["pid-07"],
        ask=Choice(
            "Inside, with the old /proc: do /proc/$$/ns/pid and /proc/self/ns/pid show the same namespace?",
            "yes, the old one",
            "yes, the new one",
            "no, only /proc/self shows the new one",
            "no, only /proc/$$ shows the new one",
        ),
    ) as step:
        by_number, by_self = first.run("readlink /proc/$$/ns/pid"), first.run("readlink /proc/self/ns/pid")
        own = first.ns("pid")
        step.answer(
            {
                (False, False): "yes, the old one",
                (True, True): "yes, the new one",
                (False, True): "no, only /proc/self shows the new one",
            }.get((by_number == own, by_self == own), "no, only /proc/$$ shows the new one")
        )
        assert by_number == second.ns("pid")
        assert by_self == own
        assert own != second.ns("pid")

    with lab.step(
        "ps in the wrong /proc",
        "First ps is started so that it is process 1 of one more namespace. Then it is started with a high number: "
        "the file ns_last_pid of a /proc of the right namespace sets the number that comes before it. pstree and ls "
        "look into the old /proc as well.",
        why="The notes show the processes of the host, as an old ps does. ps of procps 4 looks itself up first, "
        "under its own number: it is in the new namespace, the directory is of the old one. If a stranger happens to "
        "have that number, ps goes on and lists the processes outside. If not, it gives up. pstree and ls do not "
        "look for themselves.",
        hint="Which directory of /proc does ps open first?",
        watch=[first, second],
        claims=["pid-10"],
        ask=Choice(
            "In a new PID namespace with the old /proc, ps has a number that nobody has outside. What does it list?",
            "the processes outside",
            "the processes inside",
            "nothing: it fails",
        ),
    ) as step:
        looks_itself_up = int(re.findall(r"\d+", second.run("ps --version"))[0]) >= 4
        visitor = str(second.pid)
        lucky = first.run("unshare --pid --fork ps -eo pid,comm")
        first.run("mkdir own; mount -t proc proc own")
        first.run(f"echo {unused_number(first.run('cat own/sys/kernel/pid_max'))} > own/sys/kernel/ns_last_pid")
        unlucky = first.run("ps -eo pid,comm", status=1)
        listed = visitor in unlucky.split()
        step.answer(
            "the processes outside" if listed else "nothing: it fails" if unlucky.status else "the processes inside"
        )
        assert visitor in lucky.split()
        assert (unlucky.status != 0) == looks_itself_up
        assert listed == (not looks_itself_up)
        assert f"bash({visitor})" in first.run("pstree -plA")
        assert f"/proc/{visitor}" in first.run("ls -d /proc/[0-9]*").split()

    with lab.step(
        "Mount a /proc of the right namespace",
        "The shell mounts a new proc over /proc. Now /proc/$$ is the shell itself, and ps lists what is in the "
        "namespace.",
        why="mount -t proc makes a proc file system for the PID namespace of the caller. In the list are the shell "
        "and ps. The number of ps depends on how many processes there have been before: those that have ended have "
        "used numbers too.",
        hint="Which processes live in this namespace?",
        watch=[first, second],
        claims=["pid-12"],
        ask=Number("After the mount, how many processes does `ps -ef` list?"),
    ) as step:
        first.run("umount own; mount -t proc proc /proc")
        lines = first.run("ps -ef").splitlines()
        step.answer(len(lines) - 1)
        rows = [line.split() for line in lines[1:]]
        assert first.run("readlink /proc/$$/ns/pid") == first.ns("pid")
        assert first.run("cat /proc/1/comm") == "bash"
        assert [row[7] for row in rows] == ["/bin/bash", "ps"]
        assert [row[2] for row in rows] == ["0", "1"]


def test_keep_the_mount_inside(lab: Lab) -> None:
    """Why --pid should come with --mount.

    A mount over /proc without a mount namespace of one's own changes /proc for all. To see that without harm, the
    second window makes a mount namespace that stands for the machine.
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "With --mount, and without",
        "The second window is the machine. The first window joins its mount namespace and makes a PID namespace, "
        "first with --mount and then without. Each time it mounts proc over /proc. Watch what process 1 is for the "
        "second window.",
        why="A mount is seen by all processes of the mount namespace. With --mount the shell has a copy of the mount "
        "table, and unshare(1) makes it private, so that nothing goes back (mount_namespaces(7)). Without it, the "
        "machine itself gets a /proc in which none of its processes can be found.",
        hint="Which processes share the mount table of the shell?",
        watch=[first, second],
        claims=["pid-13"],
        ask=Choice(
            "Without --mount, the shell in the new PID namespace mounts proc over /proc. Who sees the new one?",
            "only the shell",
            "all processes of the machine's mount namespace",
            "nobody: the mount fails",
        ),
    ) as step:
        second.enter("unshare --mount /bin/bash")
        init = second.run("cat /proc/1/comm")
        mounts = second.run("grep -c ' /proc ' /proc/self/mountinfo")
        first.enter(f"nsenter --target {second.pid} --mount /bin/bash")
        first.enter("unshare --pid --mount --fork /bin/bash")
        first.run("mount -t proc proc /proc")
        assert first.run("cat /proc/1/comm") == "bash"
        assert int(first.run("grep -c ' /proc ' /proc/self/mountinfo")) == int(mounts) + 1
        kept = second.run("cat /proc/1/comm")
        assert second.run("grep -c ' /proc ' /proc/self/mountinfo") == mounts
        first.exit()
        first.enter("unshare --pid --fork /bin/bash")
        failed = first.run("mount -t proc proc /proc").status
        seen = second.run("cat /proc/1/comm")
        step.answer(
            "nobody: the mount fails"
            if failed
            else "only the shell"
            if seen == init
            else "all processes of the machine's mount namespace"
        )
        assert kept == init
        assert seen == "bash" != init


def test_a_dash_that_matters(lab: Lab) -> None:
    """ps ef and ps -ef.

    The notes write ps ef and show the output of ps -ef. It looks like a detail, but the two are not the same.
    """
    first = lab.window("first")

    with lab.step(
        "Run both",
        "A shell is started with the variable LESSON in its environment. It runs ps ef and ps -ef. Compare the "
        "columns, and look for the variable.",
        why="ps knows two styles of options (ps(1)). With a dash, -e means every process and -f the full format: "
        "UID, PID, PPID. Without a dash the letters are those of BSD: e shows the environment behind the command, f "
        "draws a tree, and only processes with a terminal that belong to you are listed. The environment comes from "
        "/proc/PID/environ, where a password may stand too.",
        hint="What does the letter e mean in each of the two styles?",
        watch=[first],
        files=["/proc/PID/environ"],
        claims=["pid-11"],
        ask=Choice(
            "Which of the two commands shows the environment variables of processes?",
            "ps ef",
            "ps -ef",
            "both",
            "neither",
        ),
    ) as step:
        first.enter("LESSON=namespaces /bin/bash")
        bsd, unix = first.run("ps ef | cat"), first.run("ps -ef | cat")
        shown = tuple("LESSON=namespaces" in text for text in (bsd, unix))
        step.answer({(True, False): "ps ef", (False, True): "ps -ef", (True, True): "both"}.get(shown, "neither"))
        assert bsd.split("\n")[0].split() == ["PID", "TTY", "STAT", "TIME", "COMMAND"]
        assert unix.split("\n")[0].split() == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
        assert shown == (True, False)
        assert proc.read("/proc/PID/environ", first.pid)["LESSON"] == "namespaces"


@pytest.mark.needs("strace")
def test_mount_proc(lab: Lab) -> None:
    """The option --mount-proc, call by call.

    unshare can mount the new /proc by itself. Here the option is taken apart into the system calls that it makes.
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "Watch unshare at work",
        "strace shows the system calls of unshare --pid --fork --mount-proc. Then a shell is started in the same "
        "way. It was not asked for a mount namespace, but look at its links.",
        why="--mount-proc implies --mount (unshare(1)): the flag NEWNS is in the call. Two mounts follow, made by "
        "the child, which lives in the new namespace: the first makes everything private, so that nothing gets out, "
        "the second puts a new proc over /proc.",
        hint="One mount changes only the propagation of what is there, and one brings something new.",
        watch=[first, second],
        claims=["pid-19"],
        ask=Number("How many mount() calls does `unshare --pid --fork --mount-proc true` make?"),
    ) as step:
        calls = first.run("strace -f -e trace=unshare,mount unshare --pid --fork --mount-proc true")
        mounts = [line for line in calls.splitlines() if re.search(r"\bmount\(", line)]
        step.answer(len(mounts))
        assert "unshare(CLONE_NEWNS|CLONE_NEWPID)" in calls
        assert len(mounts) == 2
        assert '"/", NULL, MS_REC|MS_PRIVATE' in mounts[0]
        assert '"proc", "/proc", "proc"' in mounts[1]
        before = second.run("grep -c ' /proc ' /proc/self/mountinfo")
        first.enter("unshare --pid --fork --mount-proc /bin/bash")
        assert first.ns("mnt") != second.ns("mnt")
        assert int(first.run("grep -c ' /proc ' /proc/self/mountinfo")) == int(before) + 1
        assert first.run("cat /proc/1/comm") == "bash"
        assert second.run("cat /proc/1/comm") != "bash"


def test_three_levels(lab: Lab) -> None:
    """Three PID namespaces, each inside the one before.

    container001 holds container002, and that holds container003. The first window goes down step by step; the second
    one stays outside and looks at all three.
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "Go down three times",
        "Three times the first window runs the same unshare and gives the new shell a host name. Each shell prints "
        "its three links mnt, uts and pid.",
        why="Each unshare makes three namespaces: nine new ones in all. A PID namespace that is made inside another "
        "one is its child, for ever (pid_namespaces(7)). The numbers in brackets are used again after a namespace "
        "has gone, so they say only who is equal to whom at this moment.",
        hint="Does a shell share a PID namespace with the one that it was started from?",
        watch=[first, second],
        files=["/proc/PID/ns/pid NS_GET_PARENT"],
        claims=["pid-20"],
        shows=["pid-01"],
        ask=Number("Three nested shells, and one outside. How many different pid:[...] are there among these four?"),
    ) as step:
        links = [second.run("readlink /proc/$$/ns/mnt /proc/$$/ns/uts /proc/$$/ns/pid").split()]
        for name in ("container001", "container002", "container003"):
            first.enter("unshare --uts --pid --mount --fork --mount-proc /bin/bash")
            first.run(f"hostname {name}")
            first.enter("exec /bin/bash")
            links.append(first.run("readlink /proc/$$/ns/mnt /proc/$$/ns/uts /proc/$$/ns/pid").split())
        step.answer(len({pid for _, _, pid in links}))
        assert first.run("hostname; echo $$") == "container003\n1"
        assert len({pid for _, _, pid in links}) == 4
        assert len({link for three in links for link in three}) == 12
        assert links[-1][2] == first.ns("pid")

    with lab.step(
        "Alone at the bottom",
        "The innermost shell lists all processes that it can see, as a tree with their numbers.",
        why="pstree starts at process 1 of its /proc. In container003 that is the shell, and the only other process "
        "there is pstree itself. The five processes above it have no number in this namespace, so for container003 "
        "they do not exist.",
        watch=[first],
        claims=["pid-21"],
        ask=Number("How many processes does `pstree -p` show in the innermost namespace, itself included?"),
    ) as step:
        tree = first.run("pstree -pA")
        step.answer(len(re.findall(r"\(\d+\)", tree)))
        assert re.fullmatch(r"bash\(1\)---pstree\(\d+\)", tree)

    with lab.step(
        "All numbers of one process",
        "From outside, the second window reads the numbers of the innermost shell: one for each namespace on the "
        "way. Then the same is read in container002, where /proc is another one.",
        why="NSpid (Linux 4.1) lists the numbers from the namespace of this /proc down to that of the process. Read "
        "outside, it has four; in container002 only two, as a process is not told what lies above. NSsid is the "
        "session, whose leader is the window's own shell outside: inside its number is 0, which means: not here.",
        hint="The list begins with the namespace of the /proc that is read.",
        watch=[first, second],
        claims=["pid-24"],
        ask=Number("How many numbers has the line NSpid of the shell in container003, read in container002?"),
    ) as step:
        innermost = first.pid
        middle = pidns.chain(first.shell)[-3]
        numbers = second.run(f"grep NSpid /proc/{innermost}/status").split()[1:]
        inside = second.run(f"nsenter --target {middle} --pid --mount grep NSpid /proc/{numbers[2]}/status").split()[1:]
        step.answer(len(inside))
        assert len(numbers) == 4
        assert numbers == [str(number) for number in proc.read("/proc/PID/status", innermost)["NSpid"]]
        assert numbers[0] == str(innermost)
        assert numbers[3] == "1"
        assert inside == numbers[2:]
        assert second.run(f"grep NStgid /proc/{innermost}/status").split()[1:] == numbers
        assert second.run(f"grep NSsid /proc/{innermost}/status").split()[1:] == [str(first.shell), "0", "0", "0"]

    with lab.step(
        "Who may read the links",
        "readlink asks for the PID namespaces of the three shells, once as root and once without root's power. Look "
        "at the exit status too.",
        why="The links of a process may be read by those who may trace it: the same user, or CAP_SYS_PTRACE over it "
        "(ptrace(2), PTRACE_MODE_READ_FSCREDS). The shells belong to root, so an ordinary user gets nothing, and "
        "readlink says nothing about it. That is why the notes write sudo here.",
        watch=[first, second],
        claims=["pid-23"],
        ask=Choice(
            "An ordinary user runs `readlink /proc/PID/ns/pid` for a shell of root. What is printed?",
            "the namespace",
            "Permission denied",
            "nothing",
        ),
    ) as step:
        shells = [pid for pid in pidns.chain(first.shell) if proc.read("/proc/PID/comm", pid) == "bash"][1:]
        paths = " ".join(f"/proc/{pid}/ns/pid" for pid in shells)
        as_root = second.run(f"readlink {paths}")
        as_user = second.run(f"{lab.ordinary_user} readlink {paths}", status=1)
        step.answer({as_root: "the namespace", "": "nothing"}.get(as_user, "Permission denied"))
        assert as_root.split() == [pid for _, _, pid in links[1:]]
        assert (as_user, as_user.status) == ("", 1)


def test_join_a_namespace(lab: Lab) -> None:
    """Three windows: how nsenter joins, and processes without a visible parent.

    The first window holds the three nested namespaces. The second window joins the middle one, the third window the
    outermost of the three.
    """
    first, second, third = (lab.window(name, LOGIN_PROMPT) for name in ("first", "second", "third"))
    container001, container002, container003 = three_levels(first)

    with lab.step(
        "Join container002",
        "nsenter enters the UTS, mount and PID namespace of the middle shell and starts a bash. Look at the prompt: "
        "another host name, and another directory than before.",
        why="For --pid, nsenter calls setns(2) and then forks by itself, because only a child can be born into the "
        "other namespace. setns(2) into a mount namespace sets root and working directory to those of that "
        "namespace: the old directory belongs to mounts of the old one. So you land in /.",
        hint="Does the old working directory exist in the new mount namespace?",
        watch=[first, second],
        files=["/proc/PID/cwd", "/proc/PID/ns/pid NS_GET_PARENT"],
        claims=["pid-25"],
        ask=Choice(
            "nsenter --mount is run in a home directory. In which directory is the new shell?",
            "the same directory",
            "/",
            "the directory of the shell that it joins",
        ),
    ) as step:
        before = second.run("pwd")
        second.enter(f"nsenter --uts --mount --pid --target {container002} /bin/bash")
        after = second.run("pwd")
        step.answer({"/": "/", before: "the same directory"}.get(after, "the directory of the shell that it joins"))
        assert before != "/"
        assert after == "/"
        assert second.run("hostname") == "container002"
        for link in ("uts", "mnt", "pid", "pid_for_children"):
            assert second.ns(link) == namespaces.link(container002, link.removesuffix("_for_children"))
        assert second.run("readlink /proc/$$/ns/pid") == namespaces.link(container002, "pid")

    with lab.step(
        "A tree without you",
        "In container002 the second window draws the tree of processes from process 1, and looks for its own shell.",
        why="pstree draws the children of process 1. The shell that has joined is not among them: nsenter, its "
        "parent, is outside. It is the root of a second tree in the same namespace. The shell of container003 is in "
        "the tree, under another number than 1.",
        watch=[first, second],
        claims=["pid-26"],
        ask=Choice("You joined by nsenter. Does `pstree -p` show your own shell?", "yes", "no"),
    ) as step:
        tree, own = second.run("pstree -pA"), second.run("echo $$")
        step.answer("yes" if f"({own})" in tree else "no")
        found = re.fullmatch(r"bash\(1\)---unshare\((\d+)\)---bash\((\d+)\)", tree)
        assert found
        assert own not in found.groups()
        assert f"/proc/{own}" in second.run("ls -d /proc/[0-9]*").split()

    with lab.step(
        "Parents that are out of sight",
        "The shell asks for the number of its parent. Then ps lists all processes of container002 with their "
        "parents, in the column PPID.",
        why="The parent of a process may live in a namespace further out. It has no number here, so getppid(2) gives "
        "0 (pid_namespaces(7)). This is so for process 1, and for each process that has come by setns. There can be "
        "as many as you like.",
        hint="Whose parent is outside?",
        watch=[first, second],
        claims=["pid-17"],
        ask=Number("How many processes in container002 have the parent 0?"),
    ) as step:
        own = second.run("echo $$")
        rows = [line.split() for line in second.run("ps -eo pid,ppid,comm --no-headers").splitlines()]
        orphans = [number for number, parent, _ in rows if parent == "0"]
        step.answer(len(orphans))
        assert second.run("echo $PPID") == "0"
        assert orphans == ["1", own]
        assert second.run("cat /proc/1/comm") == "bash"
        assert proc.read("/proc/PID/status", second.pid)["PPid"] > 0

    with lab.step(
        "Where does unshare belong?",
        "In the tree of container002 stand unshare and its child, the shell of container003. The second window reads "
        "the links pid and pid_for_children of both.",
        why="unshare lives where it was born, in container002; its children are born into container003. The shell of "
        "container003 and its children live in the same namespace, so its two links are equal, and equal to the "
        "second link of unshare.",
        hint="Three of the four links are equal.",
        watch=[first, second],
        claims=["pid-27"],
        ask=Choice(
            "Four links: pid and pid_for_children of unshare, and of its child. Which one differs from the others?",
            "pid of unshare",
            "pid_for_children of unshare",
            "pid of the child",
            "none",
        ),
    ) as step:
        one, two = re.findall(r"unshare\((\d+)\)---bash\((\d+)\)", second.run("pstree -pA"))[0]
        paths = [f"/proc/{number}/ns/{link}" for number in (one, two) for link in ("pid", "pid_for_children")]
        four = second.run(f"readlink {' '.join(paths)}").split()
        names = ["pid of unshare", "pid_for_children of unshare", "pid of the child", "none"]
        step.answer(next((name for name, link in zip(names, four, strict=False) if four.count(link) == 1), "none"))
        assert four[0] == namespaces.link(container002, "pid")
        assert four[1:] == [namespaces.link(container003, "pid")] * 3
        assert four[0] != four[1]

    with lab.step(
        "Join container001 and look down",
        "The third window joins the outermost of the three. It sees the processes of all three namespaces, with "
        "numbers of its own. Look for the shell of the second window.",
        why="A process has a number in each namespace from its own up to the initial one. So container001 sees all "
        "that live in it or below, each under the number that it has in container001. Both shells that have joined "
        "have parents further out, so both have PPID 0.",
        hint="Process 1, and who has joined from outside.",
        watch=[first, second, third],
        claims=["pid-30"],
        ask=Number("Seen in container001: how many processes have the parent 0?"),
    ) as step:
        third.enter(f"nsenter --uts --mount --pid --target {container001} /bin/bash")
        rows = [line.split() for line in third.run("ps -eo pid,ppid,comm --no-headers").splitlines()]
        orphans = [number for number, parent, _ in rows if parent == "0"]
        step.answer(len(orphans))
        _, in_001, in_002 = proc.read("/proc/PID/status", second.pid)["NSpid"]
        assert orphans == ["1", str(in_001), third.run("echo $$")]
        assert in_002 == int(second.run("echo $$"))
        assert third.run(f"grep NSpid /proc/{in_001}/status").split()[1:] == [str(in_001), str(in_002)]
        tree = third.run("pstree -plA")
        assert re.fullmatch(r"bash\(1\)---unshare\(\d+\)---bash\(\d+\)---unshare\(\d+\)---bash\(\d+\)", tree)


def test_the_outermost(lab: Lab) -> None:
    """The initial PID namespace, and how to find it.

    Above all PID namespaces is the one with which the kernel started. In the sandbox we do not live in it. But a proc
    file system that was mounted there may still lie below ours.
    """
    first, second = lab.window("first"), lab.window("second")
    mounts = proc.read("/proc/PID/mountinfo", first.pid)
    covers = sum(mount["point"] == "/proc" for mount in mounts) - 1  # they lie over the /proc of the machine
    if pidns.level() is None:
        lab.unsupported("the initial PID namespace is out of sight", "run it in the VM (vagrant up)")

    with lab.step(
        "Parents of nobody",
        "The second window makes a namespace, and the first one joins it: two processes there have the parent 0. Then "
        "the first window looks for processes with the parent 0 in the initial namespace. In the sandbox it takes "
        "its own /proc away first, in a mount namespace of its own: below lies the /proc of the machine.",
        why="The notes call this a difference between an inner namespace and the outermost. It is none. The kernel "
        "itself starts two processes that have no parent: init, number 1, and kthreadd, number 2, the parent of all "
        "kernel threads (rest_init() in init/main.c). A proc file system goes on showing the namespace in which it "
        "was mounted, so the old one still shows the whole machine.",
        hint="Who could be the parent of the first process of a machine, and of the kernel's own threads?",
        watch=[first, second],
        claims=["pid-28"],
        ask=Number("How many processes of the initial PID namespace have the parent 0?"),
    ) as step:
        second.enter("unshare --pid --fork --mount-proc /bin/bash")
        first.enter(f"nsenter --target {second.pid} --pid --mount /bin/bash")
        inside = first.run("grep -ls '^PPid:.0$' /proc/[0-9]*/status").split()
        own = first.run("echo $$")
        first.exit()
        first.enter("unshare --mount /bin/bash")
        for _ in range(covers):
            first.run("umount --lazy /proc")
        outermost = first.run("grep -ls '^PPid:.0$' /proc/[0-9]*/status").split()
        step.answer(len(outermost))
        assert inside == ["/proc/1/status", f"/proc/{own}/status"]
        assert first.run("cat /proc/2/comm") == "kthreadd"
        assert outermost == ["/proc/1/status", "/proc/2/status"]

    with lab.step(
        "Its number",
        "In the /proc of the machine, the PID namespace of kthreadd is read. Compare its number with that of the "
        "namespace in which this lab runs.",
        why="The initial namespaces have fixed numbers, which are written in the kernel: 0xEFFFFFFC for PID "
        "(PROC_PID_INIT_INO in include/linux/proc_ns.h). All that are made later get numbers from 0xF0000000 on. In "
        "the sandbox, readlink /proc/self/ns/pid shows such a later one: where you read decides what you see.",
        watch=[first, second],
        claims=["pid-02"],
        ask=Choice(
            "Is this lab's own PID namespace the initial one?",
            "yes",
            "no",
        ),
    ) as step:
        if lab.facts.rootless:
            lab.unsupported("only root of the machine may read the links of kthreadd", "run pytest as root")
        initial, ours = first.run("readlink /proc/2/ns/pid"), namespaces.link(os.getpid(), "pid")
        step.answer("yes" if ours == initial else "no")
        assert initial == "pid:[4026531836]"
        assert (ours == initial) == (covers == 0)


def test_how_deep(lab: Lab) -> None:
    """How many PID namespaces can be nested.

    The limit is counted from the initial namespace. How many are left depends on where you stand: the sandbox of the
    labs has used one level already.
    """
    first = lab.window("first")
    above = pidns.level()
    if above is None:
        lab.unsupported("the initial PID namespace is out of sight", "run it in the VM (vagrant up)")

    with (
        ExitStack() as stack,
        lab.step(
            "Down to the last level",
            "A script starts itself again and again in one more PID namespace, until unshare fails; read its last "
            "line. Then the same is done by system calls, and the deepest process is watched from here: look at the "
            "length of its line NSpid.",
            why="MAX_PID_NS_LEVEL is 32 (include/linux/pid_namespace.h): 32 levels fit below the initial one, so the "
            "deepest process has 33 numbers, one for each level. One more is refused with ENOSPC (EINVAL before "
            'Linux 4.9), "No space left on device", although no disk is full: there was no better errno. See '
            "clone(2) and create_pid_namespace() in kernel/pid_namespace.c.",
            hint="32 levels, and the initial namespace is not counted.",
            watch=[os.getpid()],
            claims=["pid-15"],
            ask=Number("How many numbers has the deepest possible process, counted from the initial namespace?"),
        ) as step,
    ):
        script = lab.directory / "deeper"
        script.write_text("echo level $1\nexec unshare --pid --fork sh deeper $(($1 + 1))\n")
        said = first.run(f"sh deeper {above}", status=1).splitlines()
        descent = pidns.start_deepest()
        stack.enter_context(descent.outermost)
        deepest = pidns.chain(descent.outermost.pid)[-1]
        step.watch(deepest)
        numbers = proc.read("/proc/PID/status", deepest)["NSpid"]
        step.answer(above + len(numbers))
        assert said[-2:] == ["level 32", "unshare: unshare failed: No space left on device"]
        assert errno.errorcode[descent.errno] == "ENOSPC"
        assert above + descent.levels == 32
        assert len(numbers) == descent.levels + 1
        assert above + len(numbers) == 33


def test_family_tree(lab: Lab) -> None:
    """Who sees whom: up, down, and sideways.

    Two namespaces are made side by side, A by the first window and B by the second. The third window stays outside.
    """
    first, second, third = lab.window("first"), lab.window("second"), lab.window("third")

    with lab.step(
        "Brothers do not meet",
        "A program runs in B. The third window, outside, finds it under a number. Then the first window, in A, tries "
        "to signal that number, and to look it up in its /proc. The kernel is asked for the parents of A and B.",
        why="kill(2) looks the number up in the namespace of the caller. What lives beside or above has no number "
        'there, so the answer is ESRCH, "No such process", and not EPERM: even its existence is hidden. The '
        "request NS_GET_PARENT (ioctl_ns(2)) goes one level up. For the namespace of the asker itself the answer is "
        "EPERM: what lies above is none of its business.",
        hint="In whose namespace is the number looked up?",
        watch=[first, second, third],
        files=["/proc/PID/ns/pid NS_GET_PARENT"],
        claims=["pid-14"],
        ask=Choice(
            "A process in A signals a process of its sibling B, by the number that it has outside. What happens?",
            "it works",
            "No such process",
            "Operation not permitted",
        ),
    ) as step:
        first.enter("unshare --pid --fork --mount-proc /bin/bash")
        second.enter("unshare --pid --fork --mount-proc /bin/bash")
        inner = second.run("tail -f /dev/null & echo $!").split()[-1]
        outer = proc.read("/proc/PID/task/PID/children", second.pid)[0]
        refused = first.run(f"kill -0 {outer}", status=1)
        step.answer(
            "it works"
            if refused.status == 0
            else "No such process"
            if "No such process" in refused
            else "Operation not permitted"
        )
        assert third.run(f"grep NSpid /proc/{outer}/status").split()[1:] == [str(outer), inner]
        assert third.run(f"kill -0 {outer}").status == 0
        assert "No such process" in refused
        assert first.run(f"ls -d /proc/{outer}", status=2).status != 0
        for window in (first, second):
            assert namespaces.parent(f"/proc/{window.pid}/ns/pid") == third.ns("pid")
        with pytest.raises(SyscallError) as hidden:
            namespaces.parent("/proc/self/ns/pid")
        assert hidden.value.errno == errno.EPERM


@pytest.mark.needs("root", "sudo")
def test_sudo_makes_a_terminal(lab: Lab) -> None:
    """sudo in front of unshare: two processes, and a terminal of its own.

    The notes start everything with sudo. Today sudo is set up in another way than it was then. Here it gets a
    configuration of our own, bound over the real one in a mount namespace of the first window. It comes in two
    versions, and keeps the variables of the window.
    """
    first, second = lab.window("first"), lab.window("second")
    (lab.directory / "old").write_text(f"Defaults !use_pty\n{SUDOERS}")
    (lab.directory / "new").write_text(f"Defaults use_pty\n{SUDOERS}")
    first.run("chmod 440 old new")
    first.enter("unshare --mount /bin/bash")

    with lab.step(
        "How many sudos?",
        "The first window runs the command of the notes twice: with the old setting of sudo, and with use_pty. The "
        "second window looks at the chain of processes from outside.",
        why="With use_pty, sudo runs the command in a pseudo-terminal of its own, so that the command cannot type "
        "into your terminal behind your back. One sudo serves the new terminal, and a second one waits for the "
        "command. Debian 12 sets use_pty, and sudo 1.9.14 made it the default (sudoers(5)).",
        hint="Somebody must carry the letters between the two terminals.",
        watch=[first, second],
        claims=["pid-05"],
        ask=Number("With use_pty, how many processes named sudo lie between your shell and unshare?"),
    ) as step:
        trees = {}
        for setting in ("old", "new"):
            first.run(f"mount --bind {setting} /etc/sudoers")
            first.enter("sudo unshare --uts --pid --mount --fork /bin/bash")
            first.run("hostname container001")
            trees[setting] = second.run(f"pstree -lA {first.shell}")
            first.exit()
        step.answer(trees["new"].count("sudo"))
        assert trees["old"] == "bash---bash---sudo---unshare---bash"
        assert trees["new"] == "bash---bash---sudo---sudo---unshare---bash"

    with lab.step(
        "The whole chain from outside",
        "Below sudo with use_pty, three nested namespaces are made. The second window sees all of it as one chain.",
        why="Parents and children do not care for namespaces: each unshare is the child of the shell in which it was "
        "typed, and the parent of the next shell. The notes show one sudo in front of the chain; now there are two. "
        "The rest is as they say.",
        watch=[first, second],
        claims=["pid-22"],
        ask=Number("From outside: how many processes lie below your shell, from sudo (use_pty) to the innermost bash?"),
    ) as step:
        first.run("mount --bind new /etc/sudoers")
        first.enter("sudo unshare --uts --pid --mount --fork --mount-proc /bin/bash")
        first.run(
            "unshare --uts --pid --mount --fork --mount-proc /bin/bash"
        )  # in the terminal of sudo: run, not enter
        first.run("unshare --uts --pid --mount --fork --mount-proc /bin/bash")
        chain = second.run(f"pstree -lA {first.shell}").removeprefix("bash---bash---").split("---")
        step.answer(len(chain))
        assert chain == ["sudo", "sudo", *["unshare", "bash"] * 3]
        assert [proc.read("/proc/PID/comm", pid) for pid in pidns.chain(first.shell)[2:]] == chain
        first.exit()
        first.exit()
        first.exit()

    with lab.step(
        "Which terminal?",
        "ps prints for each process the terminal to which it belongs, in the column TTY. The shell of the first "
        "window says which one its own is; then so does the shell behind sudo, with the old setting and with "
        "use_pty.",
        why="The notes read from TTY in which window a process was started. That works as long as the process uses "
        "the terminal of the window. With use_pty it has the one that sudo made, with the next free number, and no "
        "window has that number. The number of the terminal stands in field 7 of /proc/PID/stat (proc(5)).",
        hint="How many terminals are there between the two sudos?",
        watch=[first, second],
        files=["/proc/PID/fd", "/proc/PID/stat"],
        claims=["pid-29"],
        ask=Choice(
            "A shell is started by sudo with use_pty. Does ps show the terminal of your window for it?",
            "yes",
            "no, another one",
            "no, none at all",
        ),
    ) as step:
        of_window = first.run("ps -o tty= -p $$").strip()
        first.run("mount --bind old /etc/sudoers")
        first.enter("sudo unshare --pid --fork --mount-proc /bin/bash")
        before = first.run("ps -o tty= -p 1").strip()
        first.exit()
        first.run("mount --bind new /etc/sudoers")
        first.enter("sudo unshare --pid --fork --mount-proc /bin/bash")
        today = first.run("ps -o tty= -p 1").strip()
        step.watch(pidns.chain(first.shell)[-1])
        step.answer({of_window: "yes", "?": "no, none at all"}.get(today, "no, another one"))
        assert of_window.startswith("pts/")
        assert before == of_window
        assert today.startswith("pts/")
        assert today != of_window


SUDOERS = """\
Defaults env_keep += "HOME INPUTRC PS0 PS1 PS2 PROMPT_COMMAND"
root ALL=(ALL:ALL) ALL
"""


def test_signals_from_above(lab: Lab) -> None:
    """Signals from the namespace above, and what a shell does with them.

    Whoever sees a process can send it a signal. But a signal that has arrived is not yet a death.
    """
    first, second, third = lab.window("first"), lab.window("second"), lab.window("third")
    container001, container002, _ = three_levels(first)

    with lab.step(
        "The right number",
        "The second window joins container002 and starts a program in the background. The third window joins "
        "container001 and ends that program. It must find out the number first.",
        why="kill(2) takes a number of the caller's own namespace. The process above reads its number for the "
        "target from NSpid, and the target need not know. Permission is checked as always: same user, or CAP_KILL "
        "over the user namespace of the target.",
        hint="A number means something only together with a namespace.",
        watch=[first, second, third],
        files=["/proc/PID/ns/pid NS_GET_PARENT"],
        claims=["pid-18"],
        ask=Choice(
            "A program has one number in container001 and another one in container002. Which one does `kill` need in "
            "container001?",
            "the one of container001",
            "the one of container002",
            "the one of the machine",
        ),
    ) as step:
        second.enter(f"nsenter --uts --mount --pid --target {container002} /bin/bash")
        third.enter(f"nsenter --uts --mount --pid --target {container001} /bin/bash")
        second.run("tail -f /dev/null &")
        program = pidns.find_below(second.pid, "tail")
        on_machine, in_001, in_002 = proc.read("/proc/PID/status", program)["NSpid"]
        assert third.run(f"grep NSpid /proc/{in_001}/status").split()[1:] == [str(in_001), str(in_002)]
        with watching(program) as ended:
            killed = third.run(f"kill {in_001}")
            step.answer("the one of container001" if ended() else "the one of container002")
            assert len({on_machine, in_001, in_002}) == 3
            assert killed.status == 0
            assert ended()

    with lab.step(
        "A shell that does not die",
        "The third window sends SIGTERM to the shell of the second window, as in the notes. Then it reads which "
        "signals that shell ignores. At last it sends SIGHUP.",
        why="An interactive bash ignores SIGTERM and SIGQUIT and the signals that would stop it, or a stray kill 0 "
        "would end your login (bash(1), section SIGNALS). The signal is sent, and the kernel throws it away, as the "
        "bit 15 of SigIgn says. SIGHUP means that the terminal has gone: bash catches it, tidies up and ends. The "
        "notes show a shell that is gone after kill; in that window somebody must have closed it, or it was another "
        "shell.",
        hint="Look at SigIgn in /proc/PID/status before you say.",
        watch=[second, third],
        claims=["pid-31"],
        ask=Choice(
            "From container001 you run kill (SIGTERM) on the interactive bash in container002. What happens to it?",
            "it ends",
            "it lives on",
            "it stops until SIGCONT",
        ),
    ) as step:
        bash = second.pid
        _, number, in_002 = proc.read("/proc/PID/status", bash)["NSpid"]
        with watching(bash) as ended:
            sent = third.run(f"kill {number}")
            answer = second.run("echo I am $$ of $(hostname)")
            step.answer("it lives on" if answer == f"I am {in_002} of container002" else "it ends")
            third.run(f"grep Sig /proc/{number}/status")
            status = proc.read("/proc/PID/status", bash)
            assert sent.status == 0
            assert answer == f"I am {in_002} of container002"
            assert {"SIGTERM", "SIGQUIT", "SIGTSTP"} <= signal_names(status["SigIgn"])
            assert "SIGHUP" in signal_names(status["SigCgt"])
            third.run(f"kill -HUP {number}")
            assert ended()
        assert second.run("echo $$") == str(second.shell)


def test_process_1_is_protected(lab: Lab) -> None:
    """Which signals process 1 gets.

    The first window holds a namespace whose process 1 is cat: it has no handler for any signal, and it repeats whatever
    is typed. So it is easy to see whether it lives. The second window joins the namespace, the third stays outside.
    """
    first, second, third = lab.window("first"), lab.window("second"), lab.window("third")

    with lab.step(
        "Kill it from inside, and from outside",
        "In the namespace, root sends SIGKILL, SIGTERM and SIGSTOP to process 1. After each, a line is typed to cat, "
        "and cat must repeat it. Then the third window sends from outside: SIGTERM, SIGSTOP and SIGCONT, SIGKILL.",
        why="The kernel marks process 1 as SIGNAL_UNKILLABLE. Signals for which it has no handler are thrown away: "
        "else a mistake inside would end the whole container. From a namespace above, SIGKILL and SIGSTOP work "
        'always, so that somebody can end it; SIGTERM does not (pid_namespaces(7), section "The namespace init '
        'process"; sig_task_ignored() in kernel/signal.c). So docker stop waits ten seconds, and then kills, if '
        "process 1 of a container has no handler for SIGTERM.",
        hint="Who is stronger: root inside, or a process outside?",
        watch=[first, second, third],
        claims=["pid-x04"],
        ask=Choice(
            "Process 1 is a cat, without any handler. Which of these ends it?",
            "kill -KILL from inside",
            "kill -TERM from outside",
            "kill -KILL from outside",
            "none of them",
        ),
    ) as step:
        first.send("unshare --pid --fork --mount-proc sh -c 'echo I am $$; exec cat'\n")
        first.wait_for("I am 1")
        init = pidns.chain(first.shell)[-1]
        second.enter(f"nsenter --target {init} --pid --mount /bin/bash")
        with watching(init) as ended:
            second.run("kill -KILL 1")
            answers(first, "after KILL from inside")
            second.run("kill -TERM 1")
            answers(first, "after TERM from inside")
            second.run("kill -STOP 1")
            answers(first, "after STOP from inside")
            third.run(f"kill -TERM {init}")
            answers(first, "after TERM from outside")
            third.run(f"kill -STOP {init}; while grep -qs '^State:.[^T]' /proc/{init}/status; do :; done")
            stopped = proc.read("/proc/PID/status", init)["State"]
            third.run(f"kill -CONT {init}")
            answers(first, "after CONT from outside")
            handled = signal_names(proc.read("/proc/PID/status", init)["SigCgt"])
            survived = not ended(0)
            third.run(f"kill -KILL {init}")
            step.answer("kill -KILL from outside" if survived and ended() else "none of them")
            assert handled == set()
            assert stopped.startswith("T")
            assert survived
            assert ended()

    with lab.step(
        "A handler opens the door",
        "Now process 1 is a program that has a handler for SIGTERM. The same signal, from inside.",
        why="Process 1 gets the signals for which it has asked, from anybody who may send them. That is why an init "
        "for containers (docker run --init) has handlers: it passes SIGTERM on to its child.",
        watch=[first, third],
        shows=["pid-x04"],
    ):
        first.run("cat > handler <<'END'\ntrap 'echo caught TERM; exit 7' TERM\nkill -TERM 1\necho not reached\nEND")
        ended_by_itself = first.run("unshare --pid --fork --mount-proc bash handler", status=7)
        assert ended_by_itself == "caught TERM"
        assert ended_by_itself.status == 7


def test_process_1_ends(lab: Lab) -> None:
    """The end of process 1 is the end of the namespace.

    Process 1 has a duty that no other process has. See what happens to the rest when it is gone.
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "All of them, at once",
        "The first window has a shell as process 1 and two programs in the background. The second window kills only "
        "the shell. Then a process whose namespace has lost its process 1 tries to fork.",
        why="When process 1 ends, the kernel sends SIGKILL to all others of the namespace and waits for them "
        "(zap_pid_ns_processes() in kernel/pid_namespace.c). After that no process can be born there: fork(2) gives "
        "ENOMEM. This is how a container is removed without looking for its processes.",
        hint="A namespace lives and dies with its process 1.",
        watch=[first, second],
        claims=["pid-x03"],
        ask=Number("Process 1 is a shell with two background jobs. Only the shell is killed. How many jobs live on?"),
    ) as step:
        first.enter("unshare --pid --fork --mount-proc /bin/bash")
        first.run("tail -f /dev/null &")
        first.run("tail -f /dev/null &")
        shell = first.pid
        one, two = proc.read("/proc/PID/task/PID/children", shell)
        inside = namespaces.link(shell, "pid")
        assert namespaces.link(one, "pid") == namespaces.link(two, "pid") == inside
        with watching(one) as one_ended, watching(two) as two_ended, watching(shell) as shell_ended:
            second.run(f"kill -KILL {shell}")
            assert shell_ended()
            step.answer([one_ended(0), two_ended(0)].count(False))
            assert one_ended(0)
            assert two_ended(0)
        assert first.run("echo $$") == str(first.shell)
        assert namespaces.run_in_new(Clone(0), fork_after_the_end) == "ENOMEM"


def fork_after_the_end() -> str:
    """Make a PID namespace for the children, let its process 1 end, and fork again: the name of the errno."""
    unshare(Clone.NEWPID)
    namespaces.run_in_new(Clone(0), os.getpid)
    return failure(namespaces.run_in_new, Clone(0), os.getpid)


def test_orphans(lab: Lab) -> None:
    """Who adopts the children of a dead parent, and who buries them.

    On a machine init adopts orphans. In a PID namespace its process 1 does.
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "A new parent",
        "In a namespace whose process 1 is bash, another bash starts a program in the background, prints its number "
        "and ends. Look at the parent of that program. Then the program is killed, and the shell waits until it has "
        "gone from /proc. The same is done where process 1 is tail, which knows nothing of children.",
        why="An orphan goes to process 1 of its namespace (find_new_reaper() in kernel/exit.c), unless a subreaper "
        "is nearer (prctl(2)). A process that has ended stays as a zombie until its parent calls wait(2). bash does "
        "that for every child, also for adopted ones. tail does not: its zombies stay until the namespace ends. "
        "This is why a container wants an init as process 1.",
        hint="Which process must call wait(2) for an orphan?",
        watch=[first, second],
        claims=["pid-x05"],
        ask=Choice(
            "Process 1 of a namespace is `tail -f`. An orphan there ends. What is left of it?",
            "nothing",
            "a zombie, with parent 1",
            "a zombie, with parent 0",
        ),
    ) as step:
        first.enter("unshare --pid --fork --mount-proc /bin/bash")
        orphan = first.run("bash -c 'tail -f /dev/null & echo $!'")
        adopted = first.run(f"grep PPid /proc/{orphan}/status").split()
        buried = first.run(f"kill -KILL {orphan}; while test -e /proc/{orphan}; do :; done")
        first.exit()
        first.run("unshare --pid --fork --mount-proc tail -f /dev/null &")
        init = pidns.find_below(first.shell, "tail")
        second.enter(f"nsenter --target {init} --pid --mount /bin/bash")
        zombie = second.run("bash -c 'tail -f /dev/null & echo $!'")
        second.run(f"kill -KILL {zombie}; while grep -qs '^State:.[^Z]' /proc/{zombie}/status; do :; done")
        left = second.run(f"ps -o stat=,ppid= -p {zombie}").split()
        step.answer({"1": "a zombie, with parent 1", "0": "a zombie, with parent 0"}.get("".join(left[1:]), "nothing"))
        assert adopted == ["PPid:", "1"]
        assert buried.status == 0
        assert left == ["Z", "1"]
        step.watch(*proc.read("/proc/PID/task/PID/children", init))


def test_kill_unshare(lab: Lab) -> None:
    """The end of unshare is not the end of its child.

    unshare --fork waits for its child outside of the new namespace. What if somebody kills the one that waits?
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "With --kill-child, and without",
        "The first window starts a program by unshare, in the background, and kills unshare. Does the program live? "
        "The second window stops it by SIGSTOP: only a living process can be stopped (state T). Then the same is done "
        "with the option --kill-child.",
        why="A parent's death does not kill its children, and unshare is outside the namespace, so nothing happens "
        "to the program: it gets a new parent, and nobody waits for it any more. With --kill-child unshare sets "
        "PR_SET_PDEATHSIG in the child (prctl(2), unshare(1)): the kernel sends it SIGKILL when its parent dies.",
        hint="Who is process 1 of the namespace: unshare, or its child?",
        watch=[first, second],
        claims=["pid-x07"],
        ask=Choice(
            "`unshare --pid --fork tail -f /dev/null` is running, and unshare is killed. What about tail?",
            "it dies too",
            "it lives on, with another parent",
            "it lives on, as child of the dead unshare",
        ),
    ) as step:
        first.run("unshare --pid --fork --mount-proc tail -f /dev/null &")
        program = pidns.find_below(first.shell, "tail")
        parent = proc.read("/proc/PID/status", program)["PPid"]
        step.watch(program)
        with watching(program) as ended, watching(parent) as parent_ended:
            first.run("kill -KILL $!; wait")
            assert parent_ended()
            second.run(f"kill -STOP {program}; while grep -qs '^State:.[^T]' /proc/{program}/status; do :; done")
            status = proc.read("/proc/PID/status", program)
            lives, new_parent = "State" in status and status["State"].startswith("T"), status.get("PPid", 0)
            step.answer(
                "it dies too"
                if not lives
                else "it lives on, with another parent"
                if new_parent != parent
                else "it lives on, as child of the dead unshare"
            )
            assert lives
            assert second.run(f"readlink /proc/{program}/ns/pid") != second.ns("pid")
            assert new_parent not in (0, parent)
            second.run(f"kill -KILL {program}")
            assert ended()
        first.run("unshare --pid --fork --mount-proc --kill-child tail -f /dev/null &")
        with watching(pidns.find_below(first.shell, "tail")) as ended:
            first.run("kill -KILL $!; wait")
            assert ended()


def test_pid_max(lab: Lab) -> None:
    """How many numbers there are: kernel.pid_max.

    /proc/sys/kernel/pid_max is the first number that is not given out any more. After the last one the count begins
    again.
    """
    first, second = lab.window("first"), lab.window("second")
    of_the_namespace = lab.facts.kernel_at_least("6.14")
    if not of_the_namespace and not lab.facts.vm:
        lab.unsupported("before Linux 6.14 this would change the whole machine", "run it in the VM (vagrant up)")

    with lab.step(
        "A limit of one's own",
        "In a new namespace pid_max is set to 400, and the counter close to it. The next processes say their "
        "numbers. Then the second window, outside, reads pid_max, and the old value is written again.",
        why="Since Linux 6.14 each PID namespace has a pid_max of its own (kernel/pid_namespace.c); before, it was "
        "one for the machine. A limit above counts too, for a process needs a number in each namespace. After the "
        "last number the count begins again at 300: the low ones are kept for what was started first. ns_last_pid "
        "is the number that was given out last.",
        hint="The counter belongs to the namespace. What about its end, on this kernel?",
        watch=[first, second],
        files=["/proc/sys/kernel/pid_max"],
        claims=["pid-x06"],
        ask=Choice("pid_max is set to 400 inside. What does the second window read?", "400", "the old value"),
    ) as step:
        outside = second.run("cat /proc/sys/kernel/pid_max")
        first.enter("unshare --pid --fork --mount-proc /bin/bash")
        first.run("echo 400 > /proc/sys/kernel/pid_max; echo 397 > /proc/sys/kernel/ns_last_pid")
        numbers = [int(first.run("sh -c 'echo $$'")) for _ in range(4)]
        now = second.run("cat /proc/sys/kernel/pid_max")
        inside = first.run(f"cat /proc/sys/kernel/pid_max; echo {outside} > /proc/sys/kernel/pid_max")
        step.answer("400" if now == "400" else "the old value")
        assert inside == "400"
        assert max(numbers) < 400
        assert numbers[-1] < numbers[0]
        assert outside != "400"
        assert now == (outside if of_the_namespace else "400")


def test_translate(lab: Lab) -> None:
    """From one numbering to another, by ioctl.

    A program outside often knows the number inside only: a log line of a container says "process 7". Which process of
    the machine is that?
    """
    first = lab.window("first")
    translates = lab.facts.kernel_at_least("6.11")

    with lab.step(
        "Ask in both directions",
        "A program runs in a new namespace. Its number inside is known, and the kernel is asked for the one outside; "
        "then the other way round. The line NSpid must say the same.",
        why="The file /proc/PID/ns/pid stands for the namespace, and ioctl(2) on it asks the kernel: "
        "NS_GET_PID_FROM_PIDNS takes a number in there and gives the caller's, NS_GET_PID_IN_PIDNS does the reverse "
        "(ioctl_nsfs(2), Linux 6.11). It is one call, where a search through all of /proc would read thousands of "
        "files. A number that is not in use gives ESRCH. Older kernels know no such request, and answer ENOTTY: there "
        "the search is all one has.",
        watch=[first],
        claims=["pid-x08"],
        ask=Choice(
            "Asked for the process that is 1 in the new namespace: whose number does the kernel give?",
            "that of the shell inside, as it is called outside",
            "1",
            "that of process 1 outside",
            "none: this kernel cannot be asked",
        ),
    ) as step:
        first.enter("unshare --pid --fork --mount-proc /bin/bash")
        inner = int(first.run("tail -f /dev/null & echo $!").split()[-1])
        outer = proc.read("/proc/PID/task/PID/children", first.pid)[0]
        path = f"/proc/{first.pid}/ns/pid"
        refused = failure(pidns.pid_from, path, 1)
        shell = first.pid if refused else pidns.pid_from(path, 1)
        known = "that of the shell inside, as it is called outside" if shell == first.pid else "1"
        step.answer("none: this kernel cannot be asked" if refused else known)
        assert proc.read("/proc/PID/status", outer)["NSpid"] == [outer, inner]
        assert refused == ("" if translates else "ENOTTY")
        if translates:
            assert shell == first.pid
            assert pidns.pid_from(path, inner) == outer
            assert pidns.pid_in(path, outer) == inner
            assert failure(pidns.pid_in, path, os.getpid()) == "ESRCH"


# What the exercises use


def three_levels(window: Window) -> list[int]:
    """Three nested namespaces in a window, as test_three_levels makes them; the shells in them, the outermost first."""
    shells = []
    for name in ("container001", "container002", "container003"):
        window.enter("unshare --uts --pid --mount --fork --mount-proc /bin/bash")
        window.run(f"hostname {name}")
        window.enter("exec /bin/bash")
        shells.append(window.pid)
    return shells


def can_read_process_1() -> bool:
    """Whether we may read the links of process 1; some machines protect it even from root."""
    try:
        return namespaces.link(1, "pid").startswith("pid:")
    except PermissionError:
        return False


def unused_number(pid_max: str) -> int:
    """A number close to the end of all numbers, after which the next one is not in use here."""
    return next(number for number in range(int(pid_max) - 100, 0, -1) if not os.path.exists(f"/proc/{number + 1}"))


def failure(function: Callable[..., object], *args: object) -> str:
    """The name of the errno with which a call fails, "" if it works."""
    try:
        function(*args)
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return ""


def answers(window: Window, text: str) -> None:
    """Type a line to the cat in a window, and wait until cat repeats it below the line that the terminal shows."""
    window.send(f"{text}\n")
    window.wait_for(f"{text}\n{text}", timeout=5)
