"""PID namespaces: process numbers of one's own.

A PID namespace is a numbering of processes. The first process that is born into a new one gets the number 1 there, the
next one 2, and so on, whatever numbers are in use elsewhere. A process has one number in its own namespace and one more
in each namespace that lies above it.

Three things are hard to get right, and this lab goes through them slowly. A process never changes its own PID
namespace, only its children are born into another. The files in /proc belong to the namespace in which /proc was
mounted. And number 1 is no ordinary process: the next lab is about it, and a third one about nested namespaces.
"""

import os
import re
import signal

import pytest

from runtime.kernel import namespaces, proc
from runtime.kernel.errors import errno_of
from runtime.kernel.namespaces import tell, tell_and_stay
from runtime.kernel.syscalls import Clone, setns, unshare
from runtime.lab import Choice, Lab, Number, needs

pytestmark = [needs("unshare", "nsenter", "ps", "pstree", "pid namespace")]


def test_number_one(lab: Lab) -> None:
    """The first process of a PID namespace has the number 1.

    Each namespace has a number 1 of its own. So one process can have two numbers: one inside, and one for those who
    look from outside.
    """
    first, second, third = lab.window("first"), lab.window("second"), lab.window("third")

    with lab.step(
        "The number of a shell",
        """
        unshare --pid --fork starts a shell in a new PID namespace. The shell asks for its own number ($$). Then it puts
        another bash in its place by exec, and asks again.
        """,
        found="The shell is 1 inside, also after exec, and has another number outside.",
        why="""
            The number belongs to the process, not to the program: exec keeps it. A process gets one number in its own
            PID namespace and one in each namespace above it (pid_namespaces(7)). All of them stand in the line NSpid of
            /proc/PID/status, the outermost first.
        """,
        hint="Does exec make a new process?",
        watch=[first, second],
        claims=["pid-08"],
        ask=Choice(
            "A shell has the number 1 and runs `exec /bin/bash`. Which number does the new bash print for $$?",
            "2",
            "1",
            "the one that it has outside",
        ),
    ) as step:
        first.enter("unshare --pid --fork /bin/bash")
        number = first.run("echo $$")
        first.enter("exec /bin/bash")
        again = first.run("echo $$")
        step.answer(
            {"2": again == "2", "1": again == "1", "the one that it has outside": again == str(first.pid)}, saw=again
        )
        assert number == "1"
        assert again == "1"
        assert proc.read("/proc/PID/status", first.pid)["NSpid"] == [first.pid, 1]
        assert first.pid != 1

    with lab.step(
        "Three shells in three namespaces",
        """
        The first window makes one more namespace inside its own. The second window makes one beside it. Now three
        shells live in three new PID namespaces. Each says its number.
        """,
        found="The same number is in use in three namespaces at once.",
        why="""
            Numbers are given out by the namespace (alloc_pid() in kernel/pid.c): one counter for each. Two houses in
            two streets may have the same number.
        """,
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

    with lab.step(
        "Groups and sessions",
        """
        A process also belongs to a process group (what Ctrl-C ends together) and to a session (all that one terminal
        started). Both are named by the number of a leading process. ps, as process 1 of a new namespace, prints its
        own.
        """,
        found="A group or a session whose leader lives outside is shown as 0.",
        why="""
            ps was born into the group of unshare and into the session of the window's shell, and both live outside: no
            number in here. The same is so for the group that owns the terminal (TPGID). So bash, as process 1 of a new
            namespace, sees the group 0, and first makes a group of its own (getpgrp(2), tcsetpgrp(3)).
        """,
        hint="Who leads the group of ps, and where does that process live?",
        watch=[third],
        claims=["pid-x09"],
        ask=Choice(
            "ps is process 1 of a new PID namespace. Which number does it print for its process group (PGID)?",
            "1",
            "the number of the group outside",
            "0",
        ),
    ) as step:
        outside = third.run("ps -o pid=,pgid=,sid=,tpgid= -p $$").split()
        pid, group, session, terminal = third.run(
            "unshare --pid --fork --mount-proc ps -o pid=,pgid=,sid=,tpgid="
        ).split()
        step.answer(
            {"1": group == "1", "the number of the group outside": int(group) > 1, "0": group == "0"}, saw=group
        )
        assert (pid, group, session, terminal) == ("1", "0", "0", "0")
        assert "0" not in outside


def test_only_children_move(lab: Lab) -> None:
    """A process stays in its PID namespace for life; only its children can be born into another.

    unshare and setns move the caller into a new namespace of most kinds. PID namespaces are different. That is what
    the option --fork is for.
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "unshare and its child",
        """
        The first window runs unshare --pid --fork. Two processes are there now: unshare itself, and bash, which is its
        child. Compare their links pid, and look at pid_for_children of unshare.
        """,
        found="unshare has stayed in the old namespace; its child was born into the new one.",
        why="""
            If the number of a process could change, every program that has remembered its own number would be wrong.
            So unshare(2) with CLONE_NEWPID only notes: my next children go there. The link pid_for_children
            (Linux 4.12) shows this note.
        """,
        hint="Which of the two processes was born after the call of unshare(2)?",
        watch=[first, second],
        claims=["pid-06"],
        ask=Choice(
            "After `unshare --pid --fork /bin/bash`: who is in the new PID namespace?",
            "unshare and bash",
            "unshare alone",
            "bash alone",
            "neither of them",
        ),
    ) as step:
        first.enter("unshare --pid --fork /bin/bash")
        parent = proc.read("/proc/PID/status", first.pid)["PPid"]
        step.watch(parent)
        of_unshare = second.run(f"readlink /proc/{parent}/ns/pid")
        of_bash = second.run(f"readlink /proc/{first.pid}/ns/pid")
        moved = [link != second.ns("pid") for link in (of_unshare, of_bash)]
        step.answer(
            {
                "unshare and bash": moved == [True, True],
                "unshare alone": moved == [True, False],
                "bash alone": moved == [False, True],
                "neither of them": moved == [False, False],
            }
        )
        assert second.run(f"cat /proc/{parent}/comm") == "unshare"
        assert of_unshare == second.ns("pid")
        assert of_bash != of_unshare
        assert second.run(f"readlink /proc/{parent}/ns/pid_for_children") == of_bash

    with lab.step(
        "The same by system calls",
        """
        A process calls unshare(CLONE_NEWPID) and asks for its own number before and after. Then it makes two children.
        Look at the two links of the parent, and at the numbers of the children.
        """,
        found="The caller keeps its number; its first child is process 1.",
        why="""
            getpid(2) gives the same number before and after. In the kernel the own namespace hangs on the process
            number (thread_pid), the one for children is nsproxy->pid_ns_for_children (kernel/pid_namespace.c).
        """,
        hint="Which process is the first one in the new namespace?",
        watch=[os.getpid()],
        claims=["pid-04"],
        ask=Choice(
            "A process calls unshare(CLONE_NEWPID), then makes two children. Who is number 1 in the new namespace?",
            "the process itself",
            "its first child",
            "both children",
            "nobody",
        ),
    ) as step:
        parent = step.keep(namespaces.start_in_new(Clone(0), two_children, Clone.NEWPID))
        before, after, *children = parent.hear()
        step.watch(parent, *children)
        own = proc.read("/proc/PID/status", parent.pid)["NSpid"]
        numbers = [proc.read("/proc/PID/status", child)["NSpid"][-1] for child in children]
        step.answer(
            {
                "the process itself": own[-1] == 1,
                "its first child": own[-1] != 1 and numbers[0] == 1 != numbers[1],
                "both children": numbers == [1, 1],
                "nobody": 1 not in [own[-1], *numbers],
            },
            saw=numbers,
        )
        assert before == after == parent.pid
        assert numbers == [1, 2]
        assert namespaces.link(parent.pid, "pid") == namespaces.link(os.getpid(), "pid")
        for_children = namespaces.link(parent.pid, "pid_for_children")
        assert for_children != namespaces.link(parent.pid, "pid")
        assert {namespaces.link(child, "pid") for child in children} == {for_children}

    with lab.step(
        "A way back?",
        """
        The first process of a new PID namespace holds a descriptor of the namespace above: an open handle of it. It
        tries setns() to go back there. Then it calls unshare(CLONE_NEWPID) twice.
        """,
        found="The tree of PID namespaces can only be walked down.",
        why="""
            setns(2) takes only the caller's own namespace or one below it, for its children; else a process could put
            its children where they cannot be seen from its own namespace. After one unshare the caller must not make
            another one: its children already go elsewhere, and the kernel allows a new namespace only below the one in
            which the caller lives itself (copy_pid_ns()). Both errors are EINVAL: not even root may.
        """,
        hint="Is it a question of rights, or is it a wrong argument for everybody?",
        watch=[os.getpid()],
        claims=["pid-16"],
        ask=Choice(
            "Root in a new PID namespace holds a descriptor of the namespace above. What does setns() say?",
            "it works",
            "EPERM",
            "EINVAL",
            "ESRCH",
        ),
    ) as step:
        above = os.open("/proc/self/ns/pid", os.O_RDONLY)
        child = step.keep(namespaces.start_in_new(Clone.NEWPID, tell_and_stay, try_to_leave, above))
        answers = child.hear()
        os.close(above)
        step.watch(child)
        back = answers["setns above"]
        step.answer({"it works": back == "", **{name: back == name for name in ("EPERM", "EINVAL", "ESRCH")}}, saw=back)
        assert answers == {"unshare": "", "unshare again": "EINVAL", "setns own": "", "setns above": "EINVAL"}
        assert proc.read("/proc/PID/status", child.pid)["NSpid"] == [child.pid, 1]
        assert namespaces.link(child.pid, "pid_for_children") == namespaces.link(child.pid, "pid")


def two_children(flags: Clone) -> None:
    """Unshare, make two children that stay, tell the own number before and after and those of the children."""
    before = os.getpid()
    unshare(flags)
    with namespaces.start_in_new(Clone(0), signal.pause) as one, namespaces.start_in_new(Clone(0), signal.pause) as two:
        tell([before, os.getpid(), one.pid, two.pid])
        signal.pause()


def try_to_leave(above: int) -> dict[str, str]:
    """How each attempt to change the PID namespace ends: "" or the name of its errno."""
    own = os.open("/proc/self/ns/pid_for_children", os.O_RDONLY)
    return {
        "unshare": errno_of(unshare, Clone.NEWPID),
        "unshare again": errno_of(unshare, Clone.NEWPID),
        "setns own": errno_of(setns, own, Clone.NEWPID),
        "setns above": errno_of(setns, above, Clone.NEWPID),
    }


def test_without_fork(lab: Lab) -> None:
    """A PID namespace without --fork.

    Many people forget --fork once. The shell comes up, but it behaves in a strange way.
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "A namespace without a process",
        """
        The first window runs unshare --pid without --fork: unshare itself becomes bash. It has not started any command
        yet. The second window reads the link pid_for_children of that shell, before and after its first child.
        """,
        found="Until a namespace has a process 1, nobody can reach it.",
        why="""
            The new namespace exists, but it has no process 1 yet, so it cannot be used. The kernel hides it until then
            (pidns_for_children_get() in kernel/pid_namespace.c): readlink fails with ENOENT. The first child is process
            1 and makes the namespace visible.
        """,
        hint="Who is process 1 of the new namespace while the shell waits at its first prompt?",
        watch=[first, second],
        claims=["pid-x02"],
        ask=Choice(
            "A shell has unshared its PID namespace and has no child yet. What does readlink say of pid_for_children?",
            "the new namespace",
            "the old namespace",
            "No such file or directory",
            "Permission denied",
        ),
    ) as step:
        first.enter("unshare --pid /bin/bash")
        early = second.run(f"readlink -v /proc/{first.pid}/ns/pid_for_children", status=(0, 1))
        old = second.ns("pid")
        step.answer(
            {
                "the new namespace": early.startswith("pid:[") and early != old,
                "the old namespace": early == old,
                "No such file or directory": "No such file or directory" in early,
                "Permission denied": "Permission denied" in early,
            },
            saw=early,
        )
        assert "No such file" in early
        assert "pid_for_children" in second.run(f"ls /proc/{first.pid}/ns").split()
        first.run("tail -f /dev/null &")
        late = second.run(f"readlink /proc/{first.pid}/ns/pid_for_children")
        assert late.startswith("pid:[")
        assert late != old
        assert first.ns("pid") == old

    with lab.step(
        "Two commands",
        """
        A new try, without a process that stays. The shell runs ls twice, and then echo, which is built into bash. Read
        what each of them says.
        """,
        found="The first command was process 1. With its end the namespace has ended too.",
        why="""
            The first ls becomes process 1 of the new namespace. It ends, and a namespace whose process 1 has ended
            takes no new processes: fork(2) fails with ENOMEM, whatever memory there is (disable_pid_allocation() in
            kernel/pid.c). bash prints the text of that errno. echo needs no new process.
        """,
        hint="Who was process 1, and where is it now?",
        watch=[first, second],
        claims=["pid-x01"],
        ask=Choice(
            "In a shell from `unshare --pid /bin/bash`, without --fork, you run ls twice. What happens?",
            "both work",
            "the first works, the second fails",
            "the first fails, the second works",
            "both fail",
        ),
    ) as step:
        first.exit()
        first.enter("unshare --pid /bin/bash")
        one, two = first.run("ls /proc/version", status=None), first.run("ls /proc/version", status=None)
        worked = (one.status == 0, two.status == 0)
        step.answer(
            {
                "both work": worked == (True, True),
                "the first works, the second fails": worked == (True, False),
                "the first fails, the second works": worked == (False, True),
                "both fail": worked == (False, False),
            }
        )
        assert one == "/proc/version"
        assert two.status != 0
        assert "fork: Cannot allocate memory" in two
        assert first.run("echo $$") == str(first.pid)


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
        """
        unshare makes namespaces and a shell in them. The shell gets a host name of its own, to tell the windows apart.
        Compare the links of the two shells.
        """,
        found="What has a flag is new, all the rest is shared with the outside.",
        why="""
            --uts, --pid, --mount: one flag for each namespace. The mount namespace is there so that a later mount over
            /proc stays inside. (For root no sudo is needed.)
        """,
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
        step.answer(
            {
                "all five": len(differ) == 5,
                "uts, pid, mnt": differ == ["uts", "pid", "mnt"],
                "uts and pid": differ == ["uts", "pid"],
                "pid only": differ == ["pid"],
            },
            saw=differ,
        )
        assert differ == ["uts", "pid", "mnt"]
        assert first.run("hostname") == "container001"
        assert second.run("hostname") == name

    with lab.step(
        "Whose process 1 is that?",
        """
        Inside, the shell has the number 1. It looks into /proc/1: the name of the program, and its PID namespace.
        Compare with what the second window finds in /proc/1.
        """,
        found="A /proc shows the PID namespace of the process that mounted it.",
        why="""
            The new mount namespace began as a copy of the old mount table, and in it lies the old /proc. It shows the
            numbers of the old namespace to everybody (pid_namespaces(7), section "/proc and PID namespaces"). So
            /proc/1 is the old process 1.
        """,
        hint="Who mounted this /proc, and when?",
        watch=[first, second],
        claims=["pid-09"],
        ask=Choice(
            "The shell is process 1 of its namespace. What does `cat /proc/1/comm` print there?",
            "bash",
            "unshare",
            "the name of process 1 outside",
        ),
    ) as step:
        inside, outside = first.run("cat /proc/1/comm"), second.run("cat /proc/1/comm")
        step.answer(
            {
                "bash": inside == "bash",
                "unshare": inside == "unshare",
                "the name of process 1 outside": inside == outside,
            },
            saw=inside,
        )
        assert first.run("echo $$") == "1"
        assert inside == outside != "bash"
        assert first.run("readlink /proc/1/ns/pid") == second.run("readlink /proc/1/ns/pid") == second.ns("pid")

    with lab.step(
        "Two ways to ask for oneself",
        """
        The shell asks for its own PID namespace in two ways: by /proc/$$ and by /proc/self. Both seem to mean the same
        process.
        """,
        found="In the old /proc the number $$ means a stranger; /proc/self is right even there.",
        why="""
            $$ is a number of the new namespace, and this /proc takes it as one of the old: /proc/1 is somebody else.
            /proc/self is a link that the kernel makes anew for each reader: it finds the reader's number in the
            namespace of this /proc (proc_self_get_link() in fs/proc/self.c). The notes have only the first way. On some
            machines process 1 is protected, and readlink prints nothing at all.
        """,
        hint="In which of the two does the kernel translate the number?",
        watch=[first, second],
        claims=["pid-07"],
        ask=Choice(
            "Inside, with the old /proc: which of /proc/$$/ns/pid and /proc/self/ns/pid shows the new namespace?",
            "neither of them",
            "/proc/$$ only",
            "/proc/self only",
            "both of them",
        ),
    ) as step:
        by_number, by_self = first.run("readlink /proc/$$/ns/pid"), first.run("readlink /proc/self/ns/pid")
        own = first.ns("pid")
        new = (by_number == own, by_self == own)
        step.answer(
            {
                "neither of them": new == (False, False),
                "/proc/$$ only": new == (True, False),
                "/proc/self only": new == (False, True),
                "both of them": new == (True, True),
            }
        )
        assert by_number == second.ns("pid")
        assert by_self == own
        assert own != second.ns("pid")

    visitor = str(second.pid)  # a process outside: lists that have it are lists of the outside

    with lab.step(
        "ps as process 1",
        """
        The first window starts ps so that it is process 1 of one more namespace. pstree and ls look into the same old
        /proc. Look for the shell of the second window.
        """,
        found="With the old /proc, tools list the processes outside.",
        why="ps, pstree and ls know no other source than the files in /proc. These files show the namespace outside.",
        hint="Where does ps get its list from?",
        watch=[first, second],
        shows=["pid-10"],
        ask=Choice(
            "ps is process 1 of a new PID namespace, with the old /proc. Which processes does it list?",
            "those outside",
            "itself alone",
            "itself and the shell above",
        ),
    ) as step:
        listed = [line.split()[0] for line in first.run("unshare --pid --fork ps -e -o pid=,comm=").splitlines()]
        step.answer(
            {
                "those outside": visitor in listed,
                "itself alone": len(listed) == 1,
                "itself and the shell above": len(listed) == 2,
            },
            saw=listed,
        )
        assert visitor in listed
        assert f"bash({visitor})" in first.run("pstree -plA")
        assert visitor in first.run("ls /proc").split()

    with lab.step(
        "ps with a number of its own",
        """
        ps runs again, now with a number that nobody has outside. To get one, a /proc of the new namespace is mounted in
        the folder own: its file ns_last_pid sets which number comes next.
        """,
        found="The ps of today looks itself up first, finds nobody, and gives up.",
        why="""
            ps of procps 4 first looks for itself, under its own number. That number is of the new namespace, the
            directory is of the old one. If a stranger happens to have that number, as in the step before, ps goes on
            and lists the processes outside. If not, it stops. An older ps, such as that of the notes, does not look.
        """,
        hint="Which directory of /proc does ps open first?",
        watch=[first, second],
        claims=["pid-10"],
        ask=Choice(
            "In a new PID namespace with the old /proc, ps has a number that nobody has outside. What does it list?",
            "the processes outside",
            "nothing: it fails",
            "the processes inside",
        ),
    ) as step:
        looks_itself_up = int(re.findall(r"\d+", second.run("ps --version"))[0]) >= 4
        first.run("mkdir own; mount -t proc proc own")
        first.run(f"echo {unused_number(first.run('cat own/sys/kernel/pid_max'))} > own/sys/kernel/ns_last_pid")
        unlucky = first.run("ps -eo pid,comm", status=(0, 1))
        outsiders = visitor in unlucky.split()
        step.answer(
            {
                "the processes outside": outsiders,
                "nothing: it fails": unlucky.status == 1,
                "the processes inside": unlucky.status == 0 and not outsiders,
            },
            saw=unlucky,
        )
        assert (unlucky.status != 0) == looks_itself_up
        assert outsiders == (not looks_itself_up)

    with lab.step(
        "Mount a new /proc",
        """
        The shell mounts a new proc over /proc. Then it reads the link of /proc/$$ again, and lists processes by ps.
        """,
        found="mount -t proc makes a /proc for the PID namespace of the caller.",
        why="""
            In the list are the shell and ps. The number of ps depends on how many processes there have been before:
            those that have ended have used numbers too.
        """,
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


def can_read_process_1() -> bool:
    """Whether we may read the links of process 1; some machines protect it even from root."""
    try:
        return namespaces.link(1, "pid").startswith("pid:")
    except PermissionError:
        return False


def unused_number(pid_max: str) -> int:
    """A number close to the end of all numbers, after which the next one is not in use here."""
    return next(number for number in range(int(pid_max) - 100, 0, -1) if not os.path.exists(f"/proc/{number + 1}"))


def test_keep_the_mount_inside(lab: Lab) -> None:
    """Why --pid should come with --mount.

    A mount over /proc can change /proc for many. To see that without harm, the second window makes a mount namespace
    that stands for the machine. The first window joins it.
    """
    first, second = lab.window("first"), lab.window("second")
    second.enter("unshare --mount /bin/bash")
    first.enter(f"nsenter --target {second.pid} --mount /bin/bash")

    with lab.step(
        "With --mount",
        """
        The first window makes a PID namespace and a mount namespace, and mounts proc over /proc. Look at process 1 in
        both windows.
        """,
        found="With a mount namespace of its own, the new /proc stays inside.",
        why="""
            With --mount the shell has a copy of the mount table, and unshare(1) makes it private, so that nothing goes
            back (mount_namespaces(7)).
        """,
        watch=[first, second],
        shows=["pid-13"],
    ):
        init = second.run("cat /proc/1/comm")
        first.enter("unshare --pid --mount --fork /bin/bash")
        first.run("mount -t proc proc /proc")
        assert first.run("cat /proc/1/comm") == "bash"
        assert second.run("cat /proc/1/comm") == init != "bash"

    with lab.step(
        "And without",
        "The same again, but without --mount. Look at process 1 in the second window, which stands for the machine.",
        found="A mount is for all processes of the mount namespace.",
        why="""
            Without --mount the shell shares the mount table with the machine. So the machine itself gets a /proc in
            which none of its own processes can be found.
        """,
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
        first.exit()
        first.enter("unshare --pid --fork /bin/bash")
        failed = first.run("mount -t proc proc /proc", status=(0, 32)).status != 0
        own, seen = first.run("cat /proc/1/comm"), second.run("cat /proc/1/comm")
        step.answer(
            {
                "only the shell": own == "bash" and seen == init,
                "all processes of the machine's mount namespace": own == seen == "bash",
                "nobody: the mount fails": failed,
            },
            saw=(own, seen),
        )
        assert seen == "bash" != init


def test_a_dash_that_matters(lab: Lab) -> None:
    """ps ef and ps -ef.

    The notes write ps ef and show the output of ps -ef. It looks like a detail, but the two are not the same.
    """
    first = lab.window("first")

    with lab.step(
        "Run both",
        """
        A shell is started with the variable LESSON in its environment. It runs ps ef and ps -ef. Compare the columns,
        and look for the variable.
        """,
        found="ps -ef lists all processes; ps ef lists one's own, with their environment.",
        why="""
            ps knows two styles of options (ps(1)). With a dash, -e means every process and -f the full format: UID,
            PID, PPID. Without a dash the letters are those of BSD: e shows the environment behind the command, f draws
            a tree, and only processes with a terminal that belong to you are listed. The environment comes from
            /proc/PID/environ, where a password may stand too.
        """,
        hint="What does the letter e mean in each of the two styles?",
        watch=[first],
        files=["/proc/PID/environ"],
        claims=["pid-11"],
        ask=Choice(
            "Which of the two commands shows the environment variables of processes?",
            "ps -ef",
            "both",
            "ps ef",
            "neither",
        ),
    ) as step:
        first.enter("LESSON=namespaces /bin/bash")
        bsd, unix = first.run("ps ef | cat"), first.run("ps -ef | cat")
        shown = ["LESSON=namespaces" in text for text in (bsd, unix)]
        step.answer(
            {
                "ps -ef": shown == [False, True],
                "both": shown == [True, True],
                "ps ef": shown == [True, False],
                "neither": shown == [False, False],
            }
        )
        assert bsd.split("\n")[0].split() == ["PID", "TTY", "STAT", "TIME", "COMMAND"]
        assert unix.split("\n")[0].split() == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
        assert shown == [True, False]
        assert proc.read("/proc/PID/environ", first.pid)["LESSON"] == "namespaces"


@pytest.mark.needs("strace")
def test_call_by_call(lab: Lab) -> None:
    """unshare, call by call.

    strace shows the system calls of a program. Here unshare is taken apart: first the option --fork, then the option
    --mount-proc, with which it mounts the new /proc by itself.
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "Fork, and then exec",
        """
        strace writes into a file which process makes other processes (clone, fork), and which one becomes another
        program (execve). The number in front of a line is the process.
        """,
        found="unshare makes one child, and that child becomes the program.",
        why="""
            fork makes a second process, execve(2) puts another program in the place of the one that calls it. So
            between unshare and bash there is no third process, and bash is process 1: the first one that was born after
            the call of unshare(2).
        """,
        hint="How many processes does the trace have?",
        watch=[first],
        claims=["pid-32"],
        ask=Choice(
            "`unshare --pid --fork /bin/true`: which process becomes /bin/true?",
            "unshare itself",
            "the child that unshare has made",
            "a child of that child",
        ),
    ) as step:
        first.run("strace -f -o calls -e trace=execve,clone,clone3,fork,vfork unshare --pid --fork /bin/true")
        calls = [line.split(maxsplit=1) for line in first.run("grep -E 'execve|clone|fork' calls").splitlines()]
        unshares, born = calls[0][0], [call.rpartition("= ")[2] for _, call in calls if "execve(" not in call]
        (became,) = [pid for pid, call in calls if call.startswith('execve("/bin/true"')]
        step.answer(
            {
                "unshare itself": became == unshares,
                "the child that unshare has made": became in born[:1],
                "a child of that child": became in born[1:],
            },
            saw=calls,
        )
        assert became != unshares
        assert [became] == born

    with lab.step(
        "Who mounts the new /proc?",
        """
        strace shows the calls unshare and mount of unshare --pid --fork --mount-proc. The last mount of each kind is
        worth a look.
        """,
        found="--mount-proc makes a mount namespace too, cuts it off, and mounts a new /proc.",
        why="""
            --mount-proc implies --mount (unshare(1)): the flag NEWNS is in the call. Two mounts follow, made by the
            child, which lives in the new namespace: the first makes everything private, so that nothing gets out, the
            second puts a new proc over /proc.
        """,
        hint="One mount changes only how mounts spread, and one brings something new.",
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
        assert first.run("cat /proc/1/comm") == "bash" != second.run("cat /proc/1/comm")


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
        "The end of the numbers",
        """
        In a new namespace pid_max is set to 400, and ns_last_pid, the number that was given out last, to 397. The next
        four processes say their numbers. The second window, outside, reads pid_max.
        """,
        found="After the last number the count goes on at 300.",
        why="""
            Since Linux 6.14 each PID namespace has a pid_max of its own (kernel/pid_namespace.c); before, it was one
            for the machine. A limit above counts too, for a process needs a number in each namespace. The numbers below
            300 are kept for what was started first (RESERVED_PIDS in kernel/pid.c).
        """,
        hint="Are the lowest numbers given out again?",
        watch=[first, second],
        files=["/proc/sys/kernel/pid_max"],
        claims=["pid-x06"],
        ask=Number("pid_max is 400, and the number 399 was given out. Which number comes next?"),
    ) as step:
        outside = second.run("cat /proc/sys/kernel/pid_max")
        first.enter("unshare --pid --fork --mount-proc /bin/bash")
        first.run("echo 400 > /proc/sys/kernel/pid_max; echo 397 > /proc/sys/kernel/ns_last_pid")
        numbers = [int(first.run("sh -c 'echo $$'")) for _ in range(4)]
        now = second.run("cat /proc/sys/kernel/pid_max")
        inside = first.run(f"cat /proc/sys/kernel/pid_max; echo {outside} > /proc/sys/kernel/pid_max")
        step.answer(numbers[2])
        assert inside == "400"
        assert numbers == [398, 399, 300, 301]
        assert outside != "400"
        assert now == (outside if of_the_namespace else "400")
