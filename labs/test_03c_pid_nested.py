"""Nested PID namespaces: one process, many numbers.

A PID namespace that is made inside another one lies below it, for ever: they form a tree. A process has a number in its
own namespace and one in each namespace above. So those above see it, and those below or beside do not.

Numbers travel too: in a signal, in a message, in a log line. This lab shows what becomes of a number when it crosses
from one namespace to another.
"""

import errno
import os
import re
import signal
import socket
import struct

import pytest

from runtime.kernel import namespaces, pidns, proc
from runtime.kernel.errors import errno_of
from runtime.kernel.namespaces import tell
from runtime.kernel.signals import signal_names, watching
from runtime.kernel.syscalls import Clone
from runtime.lab import LOGIN_PROMPT, Choice, Lab, Number, Window, needs

pytestmark = [needs("unshare", "nsenter", "ps", "pstree", "pid namespace")]


def test_three_levels(lab: Lab) -> None:
    """Three PID namespaces, each inside the one before.

    container001 holds container002, and that holds container003. The first window goes down step by step; the second
    one stays outside and looks at all three.
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "Go down three times",
        """
        Three times the first window runs the same unshare and gives the new shell a host name. Each shell has its three
        links mnt, uts and pid.
        """,
        found="Each shell lives in a PID namespace of its own.",
        why="""
            Each unshare makes three namespaces: nine new ones in all. The numbers in brackets are used again after a
            namespace has gone, so they say only who is equal to whom at this moment.
        """,
        hint="Does a shell share a PID namespace with the one that it was started from?",
        watch=[first, second],
        files=["/proc/PID/ns/pid NS_GET_PARENT"],
        claims=["pid-20"],
        shows=["pid-01"],
        ask=Number("Three nested shells, and one outside. How many different pid:[...] are there among these four?"),
    ) as step:
        links = [[second.ns(kind) for kind in ("mnt", "uts", "pid")]]
        for name in ("container001", "container002", "container003"):
            first.enter("unshare --uts --pid --mount --fork --mount-proc /bin/bash")
            first.run(f"hostname {name}; readlink /proc/$$/ns/pid")
            links.append([first.ns(kind) for kind in ("mnt", "uts", "pid")])
        first.enter("exec /bin/bash")
        step.answer(len({pid for _, _, pid in links}))
        assert first.run("hostname; echo $$") == "container003\n1"
        assert len({pid for _, _, pid in links}) == 4
        assert len({link for three in links for link in three}) == 12
        assert first.run("readlink /proc/$$/ns/pid") == links[-1][2]

    with lab.step(
        "At the bottom",
        "The innermost shell lists all processes that it can see, as a tree with their numbers.",
        found="In the innermost namespace nothing is seen of those above.",
        why="""
            pstree starts at process 1 of its /proc. In container003 that is the shell, and the only other process there
            is pstree itself. The processes above have no number in this namespace.
        """,
        watch=[first],
        claims=["pid-21"],
        ask=Number("How many processes does `pstree -p` show in the innermost namespace, itself included?"),
    ) as step:
        tree = first.run("pstree -pA")
        step.answer(len(re.findall(r"\(\d+\)", tree)))
        assert re.fullmatch(r"bash\(1\)---pstree\(\d+\)", tree)

    innermost = first.pid
    middle = pidns.chain(first.shell)[-3]

    with lab.step(
        "grep pid",
        "From outside, the second window looks for pid in the file status of the innermost shell, as the notes do.",
        found="The line NSpid has one number for each namespace on the way.",
        why="""
            grep takes capitals seriously: Pid, PPid and TracerPid do not match, NSpid does. Kernels before 4.1 have no
            such line.
        """,
        watch=[first, second],
        claims=["pid-33"],
        ask=Number("How many lines does `grep pid /proc/PID/status` print?", unit="lines"),
    ) as step:
        lines = second.run(f"grep pid /proc/{innermost}/status").splitlines()
        step.answer(len(lines))
        assert [line.split()[0] for line in lines] == ["NSpid:"]
        assert lines[0].split()[1:] == [str(number) for number in proc.read("/proc/PID/status", innermost)["NSpid"]]

    with lab.step(
        "All numbers of one process",
        """
        The line NSpid of the innermost shell is read outside, and then in container002, which has another /proc. The
        lines NStgid and NSsid tell the same of its thread group and its session.
        """,
        found="NSpid begins with the namespace of the /proc that is read.",
        why="""
            Read outside, NSpid has four numbers; in container002 only two, as a process is not told what lies above.
            NSsid is the session, whose leader is the window's own shell outside: inside its number is 0, which means:
            not here.
        """,
        hint="How many namespaces lie between container002 and the shell, both ends counted?",
        watch=[first, second],
        claims=["pid-24"],
        ask=Number("How many numbers has the line NSpid of the shell in container003, read in container002?"),
    ) as step:
        numbers = second.run(f"grep NSpid /proc/{innermost}/status").split()[1:]
        inside = second.run(f"nsenter --target {middle} --pid --mount grep NSpid /proc/{numbers[2]}/status").split()[1:]
        step.answer(len(inside))
        assert len(numbers) == 4
        assert (numbers[0], numbers[3]) == (str(innermost), "1")
        assert inside == numbers[2:]
        assert second.run(f"grep NStgid /proc/{innermost}/status").split()[1:] == numbers
        assert second.run(f"grep NSsid /proc/{innermost}/status").split()[1:] == [str(first.shell), "0", "0", "0"]

    with lab.step(
        "Who may read the links",
        """
        readlink asks for the PID namespaces of the three shells, once as root and once as an ordinary user. Look at the
        exit status too.
        """,
        found="The links are for those who may trace the process; readlink fails without a word.",
        why="""
            The links of a process may be read by those who may look into it as a debugger does: the same user, or
            CAP_SYS_PTRACE over it (ptrace(2), PTRACE_MODE_READ_FSCREDS). The shells belong to root. That is why the
            notes write sudo here.
        """,
        watch=[first, second],
        claims=["pid-23"],
        ask=Choice(
            "An ordinary user runs `readlink /proc/PID/ns/pid` for a shell of root. What is printed?",
            "the namespace",
            "Permission denied",
            "No such file or directory",
            "nothing",
        ),
    ) as step:
        shells = [pid for pid in pidns.chain(first.shell) if proc.read("/proc/PID/comm", pid) == "bash"][1:]
        paths = " ".join(f"/proc/{pid}/ns/pid" for pid in shells)
        as_root = second.run(f"readlink {paths}")
        as_user = second.run(f"{lab.ordinary_user} readlink {paths}", status=(0, 1))
        step.answer(
            {
                "the namespace": as_user == as_root,
                "Permission denied": "Permission denied" in as_user,
                "No such file or directory": "No such file" in as_user,
                "nothing": as_user == "",
            },
            saw=as_user,
        )
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
        """
        nsenter enters the UTS, mount and PID namespace of the middle shell and starts a bash. Look at the prompt:
        another host name. Ask for the directory, before and after.
        """,
        found="nsenter forks by itself, and lands in the directory /.",
        why="""
            For --pid, nsenter calls setns(2) and then forks by itself, because only a child can be born into the other
            namespace. setns(2) into a mount namespace sets root and working directory to those of that namespace: the
            old directory belongs to mounts of the old one.
        """,
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
        first.run("cd /tmp")
        before = second.run("pwd")
        second.enter(f"nsenter --uts --mount --pid --target {container002} /bin/bash")
        after = second.run("pwd")
        step.answer(
            {
                "the same directory": after == before,
                "/": after == "/",
                "the directory of the shell that it joins": after == os.readlink(f"/proc/{container002}/cwd"),
            },
            saw=after,
        )
        assert before != "/"
        assert after == "/"
        assert second.run("hostname") == "container002"
        for link in ("uts", "mnt", "pid", "pid_for_children"):
            assert second.ns(link) == namespaces.link(container002, link.removesuffix("_for_children"))
        assert second.run("readlink /proc/$$/ns/pid") == namespaces.link(container002, "pid")

    with lab.step(
        "Look for yourself",
        "In container002 the second window draws the tree of processes from process 1, and looks for its own shell.",
        found="The shell that has joined is not in the tree of process 1.",
        why="""
            pstree draws the children of process 1. nsenter, the parent of the shell that has joined, is outside. So
            that shell is the root of a second tree in the same namespace. The shell of container003 is in the tree,
            under another number than 1.
        """,
        watch=[first, second],
        claims=["pid-26"],
        ask=Choice(
            "You have joined by nsenter. Where does `pstree -p` show your own shell?",
            "below bash(1)",
            "below unshare",
            "nowhere",
        ),
    ) as step:
        tree, own = second.run("pstree -pA"), second.run("echo $$")
        found = re.fullmatch(r"bash\(1\)---unshare\((\d+)\)---bash\((\d+)\)", tree)
        step.answer(
            {
                "below bash(1)": bool(re.search(rf"bash\(1\)(---|-\+-)bash\({own}\)", tree)),
                "below unshare": bool(re.search(rf"unshare\(\d+\)---bash\({own}\)", tree)),
                "nowhere": f"({own})" not in tree,
            },
            saw=tree,
        )
        assert found
        assert own not in found.groups()
        assert own in second.run("ls /proc").split()

    with lab.step(
        "Parents that are out of sight",
        "ps lists all processes of container002 with their parents, in the column PPID. The shell asks for its own.",
        found="A parent outside has no number here: PPID is 0.",
        why="""
            The parent of a process may live in a namespace further out, so getppid(2) gives 0 (pid_namespaces(7)). This
            is so for process 1, and for each process that has come by setns. There can be as many as you like.
        """,
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
        """
        In the tree of container002 stand unshare and its child, the shell of container003. The second window reads the
        links pid and pid_for_children of both.
        """,
        found="unshare belongs to container002, its child to container003.",
        why="""
            unshare lives where it was born; its children are born into container003. The shell of container003 and its
            children live in the same namespace, so its two links are equal, and equal to the second link of unshare.
        """,
        watch=[first, second],
        claims=["pid-27"],
        ask=Choice(
            "Four links: pid and pid_for_children of unshare, and of its child. Which one differs from all others?",
            "pid of unshare",
            "pid_for_children of unshare",
            "pid of the child",
            "none",
        ),
    ) as step:
        one, two = re.findall(r"unshare\((\d+)\)---bash\((\d+)\)", second.run("pstree -pA"))[0]
        paths = [f"/proc/{number}/ns/{link}" for number in (one, two) for link in ("pid", "pid_for_children")]
        four = second.run(f"readlink {' '.join(paths)}").split()
        alone = [four.count(link) == 1 and len(set(four)) == 2 for link in four]
        step.answer(
            {
                "pid of unshare": alone[0],
                "pid_for_children of unshare": alone[1],
                "pid of the child": alone[2],
                "none": len(set(four)) == 1,
            },
            saw=four,
        )
        assert four[0] == namespaces.link(container002, "pid")
        assert four[1:] == [namespaces.link(container003, "pid")] * 3
        assert four[0] != four[1]

    with lab.step(
        "Join container001 and look down",
        """
        The third window joins the outermost of the three. It lists the processes of all three namespaces, with its own
        numbers for them. Look for the shell of the second window.
        """,
        found="An outer namespace sees all that live below it, each under a number of its own.",
        why="""
            A process has a number in each namespace from its own up to the initial one. Both shells that have joined
            have parents further out, so both have PPID 0.
        """,
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


def three_levels(window: Window) -> list[int]:
    """Three nested namespaces in a window, as test_three_levels makes them; the shells in them, the outermost first."""
    shells = []
    for name in ("container001", "container002", "container003"):
        window.enter("unshare --uts --pid --mount --fork --mount-proc /bin/bash")
        window.run(f"hostname {name}")
        window.enter("exec /bin/bash")
        shells.append(window.pid)
    return shells


def test_the_outermost(lab: Lab) -> None:
    """The initial PID namespace, and how to find it.

    Above all PID namespaces is the initial one, with which the kernel started. A shell may live below it without
    knowing. But a proc file system that was mounted there may still lie under the present /proc.
    """
    first, second = lab.window("first"), lab.window("second")
    mounts = proc.read("/proc/PID/mountinfo", first.pid)
    covers = sum(mount["point"] == "/proc" for mount in mounts) - 1  # they lie over the /proc of the machine
    if pidns.level() is None:
        lab.unsupported("the initial PID namespace is out of sight", "run it in the VM (vagrant up)")
    second.enter("unshare --pid --fork --mount-proc /bin/bash")
    first.enter(f"nsenter --target {second.pid} --pid --mount /bin/bash")
    inside = first.run("grep -ls '^PPid:.0$' /proc/[0-9]*/status", status=(0, 2)).split()
    own = first.run("echo $$")
    first.exit()

    with lab.step(
        "Without a parent",
        """
        In a namespace that one shell has joined, two processes have the parent 0, as the exercise before has shown. Now
        the first window counts them in the initial namespace. If another /proc covers that of the machine, it is taken
        away first, in a mount namespace.
        """,
        found="The outermost namespace has two processes with the parent 0 as well: init and kthreadd.",
        why="""
            The notes call it a difference between an inner namespace and the outermost. It is none. The kernel itself
            starts two processes that have no parent: init, number 1, and kthreadd, number 2, the parent of all kernel
            threads (rest_init() in init/main.c). A proc file system goes on showing the namespace in which it was
            mounted, so the old one still shows the whole machine.
        """,
        hint="Who could be the parent of the first process of a machine, and of the kernel's own threads?",
        watch=[first, second],
        claims=["pid-28"],
        ask=Number("How many processes of the initial PID namespace have the parent 0?"),
    ) as step:
        first.enter("unshare --mount /bin/bash")
        for _ in range(covers):
            first.run("umount --lazy /proc")
        outermost = first.run("grep -ls '^PPid:.0$' /proc/[0-9]*/status", status=(0, 2)).split()
        step.answer(len(outermost))
        assert inside == ["/proc/1/status", f"/proc/{own}/status"]
        assert first.run("cat /proc/2/comm") == "kthreadd"
        assert outermost == ["/proc/1/status", "/proc/2/status"]

    with lab.step(
        "Its number",
        """
        In the /proc of the machine, the PID namespace of kthreadd is read: that is the initial one. Compare it with the
        new namespace of the second window.
        """,
        found="The initial PID namespace is pid:[4026531836] on every machine.",
        why="""
            The initial namespaces have fixed numbers, which are written in the kernel: 0xEFFFFFFC for PID
            (PROC_PID_INIT_INO in include/linux/proc_ns.h). All that are made later get numbers from 0xF0000000 on, and
            these are used again.
        """,
        watch=[first, second],
        claims=["pid-02"],
        ask=Choice(
            "What is the link pid of a process in the initial PID namespace?",
            "pid:[0]",
            "pid:[1]",
            "pid:[4026531836]",
            "pid:[4294967295]",
        ),
    ) as step:
        if lab.facts.rootless:
            lab.unsupported("only root of the machine may read the links of kthreadd", "run pytest as root")
        initial = first.run("readlink /proc/2/ns/pid")
        step.answer(
            {link: initial == link for link in ("pid:[0]", "pid:[1]", "pid:[4026531836]", "pid:[4294967295]")},
            saw=initial,
        )
        assert initial == "pid:[4026531836]"
        assert int(second.ns("pid")[5:-1]) >= 0xF0000000


def test_how_deep(lab: Lab) -> None:
    """How many PID namespaces can be nested.

    The limit is counted from the initial namespace. How many are left depends on how deep one stands already.
    """
    first = lab.window("first")
    above = pidns.level()
    if above is None:
        lab.unsupported("the initial PID namespace is out of sight", "run it in the VM (vagrant up)")

    with lab.step(
        "Down to the last level",
        """
        A script starts itself again and again in one more PID namespace, until unshare fails: read its last line. Then
        the same is done by system calls, and the line NSpid of the deepest process is read.
        """,
        found="32 levels fit below the initial namespace.",
        why="""
            MAX_PID_NS_LEVEL is 32 (include/linux/pid_namespace.h): 32 levels below the initial one, so the deepest
            process has 33 numbers. One more is refused with ENOSPC, "No space left on device", although no disk is
            full. clone(2) says that it is so since Linux 3.7; in the source (create_pid_namespace() in
            kernel/pid_namespace.c) it was EINVAL until 4.9.
        """,
        hint="MAX_PID_NS_LEVEL is 32. Is the initial namespace counted?",
        watch=[os.getpid()],
        claims=["pid-15"],
        ask=Number("How many numbers has the deepest possible process, counted from the initial namespace?"),
    ) as step:
        script = lab.directory / "deeper"
        script.write_text("echo level $1\nexec unshare --pid --fork sh deeper $(($1 + 1))\n")
        said = first.run(f"sh deeper {above}", status=1).splitlines()
        descent = pidns.start_deepest()
        step.keep(descent.outermost)
        deepest = pidns.chain(descent.outermost.pid)[-1]
        step.watch(deepest)
        numbers = proc.read("/proc/PID/status", deepest)["NSpid"]
        step.answer(above + len(numbers))
        refused = "ENOSPC" if lab.facts.kernel_at_least("4.9") else "EINVAL"
        assert said[-2:] == ["level 32", f"unshare: unshare failed: {os.strerror(getattr(errno, refused))}"]
        assert errno.errorcode[descent.errno] == refused
        assert above + descent.levels == 32
        assert len(numbers) == descent.levels + 1
        assert above + len(numbers) == 33


def test_family_tree(lab: Lab) -> None:
    """Who sees whom: up, down, and sideways.

    Two namespaces are made side by side, A by the first window and B by the second. The third window stays outside.
    """
    first, second, third = lab.window("first"), lab.window("second"), lab.window("third")
    first.enter("unshare --pid --fork --mount-proc /bin/bash")
    second.enter("unshare --pid --fork --mount-proc /bin/bash")

    with lab.step(
        "A signal to a sibling",
        """
        A program runs in B. The third window, outside, finds it under a number. Then the first window, in A, tries to
        signal that number (kill -0 only asks whether it could), and to look it up in its /proc.
        """,
        found="What lives beside or above does not exist for a PID namespace.",
        why="""
            kill(2) looks the number up in the namespace of the caller. What lives beside or above has no number there,
            so the answer is ESRCH, and not EPERM: even its existence is hidden.
        """,
        watch=[first, second, third],
        files=["/proc/PID/ns/pid NS_GET_PARENT"],
        claims=["pid-14"],
        ask=Choice(
            "A process in A signals a process of its sibling B, by the number that it has outside. What happens?",
            "it works",
            "No such process",
            "Operation not permitted",
            "Invalid argument",
        ),
    ) as step:
        inner = second.run("tail -f /dev/null & echo $!").split()[-1]
        outer = proc.read("/proc/PID/task/PID/children", second.pid)[0]
        refused = first.run(f"kill -0 {outer}", status=(0, 1))
        texts = ("No such process", "Operation not permitted", "Invalid argument")
        step.answer({"it works": refused.status == 0, **{text: text in refused for text in texts}}, saw=refused)
        assert third.run(f"grep NSpid /proc/{outer}/status").split()[1:] == [str(outer), inner]
        assert third.run(f"kill -0 {outer}").status == 0
        assert "No such process" in refused
        assert "No such file" in first.run(f"ls -d /proc/{outer}", status=2)
        for window in (first, second):
            assert namespaces.parent(f"/proc/{window.pid}/ns/pid") == third.ns("pid")
        assert errno_of(namespaces.parent, "/proc/self/ns/pid") == "EPERM"


@pytest.mark.needs("root", "sudo")
def test_sudo_makes_a_terminal(lab: Lab) -> None:
    """sudo in front of unshare.

    The notes start everything with sudo. Today sudo is set up in another way than it was then. Here it gets a
    configuration of our own, bound over the real one in a mount namespace of the first window, in two versions: old,
    and new with the setting use_pty.
    """
    first, second = lab.window("first"), lab.window("second")
    (lab.directory / "old").write_text(f"Defaults !use_pty\n{SUDOERS}")
    (lab.directory / "new").write_text(f"Defaults use_pty\n{SUDOERS}")
    first.run("chmod 440 old new")
    first.enter("unshare --mount /bin/bash")

    with lab.step(
        "How many sudos?",
        """
        The first window runs the command of the notes twice: with the old setting of sudo, and with use_pty. The second
        window looks at the chain of processes from outside.
        """,
        found="With use_pty there are two processes named sudo.",
        why="""
            With use_pty, sudo runs the command in a pseudo-terminal of its own, so that the command cannot type into
            your terminal behind your back. One sudo serves the new terminal, and a second one waits for the command.
            Debian 12 sets use_pty, and sudo 1.9.14 made it the default (sudoers(5)).
        """,
        hint="Somebody must carry the letters between the two terminals.",
        watch=[first, second],
        claims=["pid-05"],
        ask=Number("With use_pty, how many processes named sudo lie between your shell and unshare?"),
    ) as step:
        trees = {}
        for setting in ("old", "new"):
            first.run(f"mount --bind {setting} /etc/sudoers")
            first.enter("sudo unshare --uts --pid --mount --fork /bin/bash")
            trees[setting] = second.run(f"pstree -lA {first.shell}")
            first.exit()
        step.answer(trees["new"].count("sudo"))
        assert trees["old"] == "bash---bash---sudo---unshare---bash"
        assert trees["new"] == "bash---bash---sudo---sudo---unshare---bash"

    with lab.step(
        "The whole chain from outside",
        "Below sudo with use_pty, three nested namespaces are made. The second window looks at all of it.",
        found="Outside it is one chain, whatever namespaces lie in it.",
        why="""
            Parents and children do not care for namespaces: each unshare is the child of the shell in which it was
            typed, and the parent of the next shell. The notes show one sudo in front of the chain; now there are two.
        """,
        watch=[first, second],
        claims=["pid-22"],
        ask=Number("From outside: how many processes lie below your shell, from sudo (use_pty) to the innermost bash?"),
    ) as step:
        first.run("mount --bind new /etc/sudoers")
        first.enter("sudo unshare --uts --pid --mount --fork --mount-proc /bin/bash")
        for _ in range(2):  # in the terminal of sudo: run, not enter
            first.run("unshare --uts --pid --mount --fork --mount-proc /bin/bash")
        chain = second.run(f"pstree -lA {first.shell}").removeprefix("bash---bash---").split("---")
        step.answer(len(chain))
        assert chain == ["sudo", "sudo", *["unshare", "bash"] * 3]
        assert [proc.read("/proc/PID/comm", pid) for pid in pidns.chain(first.shell)[2:]] == chain
        for _ in range(3):
            first.exit()

    with lab.step(
        "Which terminal?",
        """
        ps prints for each process the terminal to which it belongs, in the column TTY. The shell of the first window
        says its own; then so does the shell behind sudo, with the old setting and with use_pty.
        """,
        found="With use_pty, TTY is a terminal that sudo has made.",
        why="""
            The notes read from TTY in which window a process was started. That works as long as the process uses the
            terminal of the window. The one that sudo makes has the next free number, and no window has that number. The
            number of the terminal stands in field 7 of /proc/PID/stat (proc(5)).
        """,
        hint="How many terminals are there between the two sudos?",
        watch=[first, second],
        files=["/proc/PID/fd", "/proc/PID/stat"],
        claims=["pid-29"],
        ask=Choice(
            "A shell is started by sudo with use_pty. Which terminal does ps show for it?",
            "that of your window",
            "another one",
            "none (a question mark)",
        ),
    ) as step:
        of_window = first.run("ps -o tty= -p $$").strip()
        shown = {}
        for setting in ("old", "new"):
            first.run(f"mount --bind {setting} /etc/sudoers")
            first.enter("sudo unshare --pid --fork --mount-proc /bin/bash")
            shown[setting] = first.run("ps -o tty= -p 1").strip()
            if setting == "old":
                first.exit()
        step.watch(pidns.chain(first.shell)[-1])
        step.answer(
            {
                "that of your window": shown["new"] == of_window,
                "another one": shown["new"].startswith("pts/") and shown["new"] != of_window,
                "none (a question mark)": shown["new"] == "?",
            },
            saw=shown,
        )
        assert of_window.startswith("pts/")
        assert shown["old"] == of_window
        assert shown["new"].startswith("pts/")
        assert shown["new"] != of_window


SUDOERS = 'Defaults env_keep += "HOME INPUTRC PS0 PS1 PS2 PROMPT_COMMAND"\nroot ALL=(ALL:ALL) ALL\n'


def test_signals_from_above(lab: Lab) -> None:
    """Signals from the namespace above, and what a shell does with them.

    Whoever sees a process can send it a signal. But a signal that has arrived is not yet a death.
    """
    first, second, third = lab.window("first"), lab.window("second"), lab.window("third")
    container001, container002, _ = three_levels(first)
    second.enter(f"nsenter --uts --mount --pid --target {container002} /bin/bash")
    third.enter(f"nsenter --uts --mount --pid --target {container001} /bin/bash")

    with lab.step(
        "The right number",
        """
        The second window is in container002 and starts a program in the background. The third window is in container001
        and ends that program. It must find out the number first.
        """,
        found="kill needs the number that the target has in the namespace of the sender.",
        why="""
            kill(2) takes a number of the caller's own namespace. The process above reads its number for the target from
            NSpid, and the target need not know. Permission is checked as always: same user, or CAP_KILL over the user
            namespace of the target.
        """,
        watch=[first, second, third],
        files=["/proc/PID/ns/pid NS_GET_PARENT"],
        claims=["pid-18"],
        ask=Choice(
            "A program has one number in container001, another in container002. Which one ends it from container001?",
            "the one of container002",
            "the one of the machine",
            "the one of container001",
        ),
    ) as step:
        second.run("tail -f /dev/null &")
        program = pidns.find_below(second.pid, "tail")
        on_machine, in_001, in_002 = proc.read("/proc/PID/status", program)["NSpid"]
        assert len({on_machine, in_001, in_002}) == 3
        assert third.run(f"grep NSpid /proc/{in_001}/status").split()[1:] == [str(in_001), str(in_002)]
        ended = step.keep(watching(program))
        missed = third.run(f"kill -0 {on_machine}", status=(0, 1))
        survived = not ended(0)
        third.run(f"kill {in_001}")
        step.answer(
            {
                "the one of container002": str(in_002) == str(in_001),
                "the one of the machine": missed.status == 0,
                "the one of container001": survived and ended(),
            }
        )
        assert "No such process" in missed
        assert ended()

    with lab.step(
        "SIGTERM for a shell",
        """
        The third window sends SIGTERM to the shell of the second window, as in the notes. Then it reads which signals
        that shell ignores. At last it sends SIGHUP.
        """,
        found="An interactive bash ignores SIGTERM; SIGHUP ends it.",
        why="""
            An interactive bash ignores SIGTERM and SIGQUIT and the signals that would stop it, or a stray kill 0 would
            end your login (bash(1), section SIGNALS). The kernel drops an ignored signal: see bit 15 of SigIgn. SIGHUP
            means that the terminal has gone: bash catches it, tidies up and ends. The notes show that the shell is
            gone, but not what ended it.
        """,
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
        ended = step.keep(watching(bash))
        third.run(f"kill {number}")
        answer = second.run("echo I am $$ of $(hostname)")
        alive = answer == f"I am {in_002} of container002"
        third.run(f"grep Sig /proc/{number}/status", status=(0, 2))
        status = proc.read("/proc/PID/status", bash)
        step.answer(
            {
                "it ends": ended(0),
                "it lives on": alive,
                "it stops until SIGCONT": str(status.get("State")).startswith("T"),
            },
            saw=answer,
        )
        assert alive
        assert {"SIGTERM", "SIGQUIT", "SIGTSTP"} <= signal_names(status["SigIgn"])
        assert "SIGHUP" in signal_names(status["SigCgt"])
        third.run(f"kill -HUP {number}")
        assert ended()
        assert second.run("echo $$") == str(second.shell)


def test_numbers_in_messages(lab: Lab) -> None:
    """Numbers in signals and messages.

    A process that gets a signal can ask who sent it. One that gets a message through a socket can ask the kernel for
    the sender's number. Sender and receiver may live in different PID namespaces.
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "Who sent the signal?",
        """
        A program is process 1 of a new namespace and waits for SIGUSR1. The second window, outside, sends it; then a
        shell inside does. Each time the program reads the field si_pid of the signal.
        """,
        found="A sender who cannot be seen from the receiver's namespace has the number 0.",
        why="""
            The kernel translates the sender's number for the receiver (sigaction(2); __send_signal_locked() in
            kernel/signal.c). A sender outside has no number inside. So a program must not answer to si_pid without a
            look: kill(0, ...) would go to its own process group.
        """,
        hint="Which number has the sender in the receiver's namespace?",
        watch=[first, second],
        claims=["pid-x14"],
        ask=Choice(
            "A process outside sends a signal to one in a PID namespace. Which si_pid does the receiver read?",
            "the number that the sender has outside",
            "its own number",
            "0",
            "-1",
        ),
    ) as step:
        child = step.keep(namespaces.start_in_new(Clone.NEWPID, senders_of_signals))
        step.watch(child)
        assert child.hear() == "ready"
        sender = int(second.run(f"bash -c 'echo $$; kill -USR1 {child.pid}'"))
        from_outside = child.hear()
        neighbour = int(first.run(f"nsenter --target {child.pid} --pid bash -c 'echo $$; kill -USR1 1'"))
        step.answer(
            {
                "the number that the sender has outside": from_outside == sender,
                "its own number": from_outside == 1,
                "0": from_outside == 0,
                "-1": from_outside == -1,
            },
            saw=from_outside,
        )
        assert from_outside == 0
        assert child.hear() == neighbour

    with lab.step(
        "Who sent the message?",
        """
        Two programs hold the two ends of a socket, one outside and one as process 1 of a new namespace. Each sends a
        line, and the kernel adds the sender's number (SCM_CREDENTIALS). Each reads what came.
        """,
        found="The kernel translates the number of the sender for the reader.",
        why="""
            The kernel keeps the process itself beside the message, not its number, and writes the number when the
            message is read (unix(7), scm_recv() in include/net/scm.h). Inside, the sender outside is 0. What a program
            writes into the text of a message is never translated: a process 1 that logs "pid 1" says nothing outside.
        """,
        watch=[os.getpid()],
        claims=["pid-x15"],
        ask=Choice(
            "Process 1 of a namespace sends a message with its credentials. Which number does a reader outside get?",
            "1",
            "the number that the sender has outside",
            "0",
        ),
    ) as step:
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for end in (here, there):
            step.keep(end)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        child = step.keep(namespaces.start_in_new(Clone.NEWPID, correspond, there))
        step.watch(child)
        here.send(b"from outside")
        seen_inside, own = child.hear()
        seen_outside = sender_of_message(here)
        step.answer(
            {
                "1": seen_outside == 1,
                "the number that the sender has outside": seen_outside == child.pid,
                "0": seen_outside == 0,
            },
            saw=seen_outside,
        )
        assert own == 1
        assert seen_inside == 0
        assert seen_outside == child.pid


def senders_of_signals() -> None:
    """Tell the si_pid of each SIGUSR1 that comes; to be run in a child."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    tell("ready")
    while True:
        tell(signal.sigwaitinfo({signal.SIGUSR1}).si_pid)


def correspond(end: socket.socket) -> None:
    """Tell who sent the message that comes, and the own number; then send one; to be run in a child."""
    tell((sender_of_message(end), os.getpid()))
    end.send(b"from inside")
    signal.pause()


def sender_of_message(end: socket.socket) -> int:
    """The pid that the kernel gives for the sender of the next message: struct ucred is pid, uid, gid (unix(7))."""
    _, ((_, _, credentials),), _, _ = end.recvmsg(64, socket.CMSG_SPACE(12))
    return int(struct.unpack("iii", credentials)[0])


def test_translate(lab: Lab) -> None:
    """From one numbering to another, by ioctl.

    A program outside often knows the number inside only: a log line of a container says "process 7". Which process of
    the machine is that?
    """
    first = lab.window("first")
    translates = lab.facts.kernel_at_least("6.11")

    with lab.step(
        "Ask in both directions",
        """
        A program runs in a new namespace. Its number inside is known, and the kernel is asked for the one outside; then
        the other way round. The line NSpid must say the same.
        """,
        found="A number inside is translated by one system call, on Linux 6.11 or later.",
        why="""
            The file /proc/PID/ns/pid stands for the namespace, and ioctl(2) on it asks the kernel:
            NS_GET_PID_FROM_PIDNS takes a number in there and gives the caller's, NS_GET_PID_IN_PIDNS does the reverse
            (ioctl_nsfs(2), Linux 6.11). It is one call, where a search through all of /proc would read thousands of
            files. A number that is not in use gives ESRCH. Older kernels know no such request, and answer ENOTTY: there
            the search is all one has.
        """,
        watch=[first],
        claims=["pid-x08"],
        ask=Choice(
            "Asked for the process that is 1 in the new namespace: whose number does the kernel give?",
            "1",
            "that of the shell inside, as it is called outside",
            "none: this kernel cannot be asked",
        ),
    ) as step:
        first.enter("unshare --pid --fork --mount-proc /bin/bash")
        inner = int(first.run("tail -f /dev/null & echo $!").split()[-1])
        outer = proc.read("/proc/PID/task/PID/children", first.pid)[0]
        path = f"/proc/{first.pid}/ns/pid"
        refused = errno_of(pidns.pid_from, path, 1)
        answer = None if refused else pidns.pid_from(path, 1)
        step.answer(
            {
                "1": answer == 1,
                "that of the shell inside, as it is called outside": answer == first.pid,
                "none: this kernel cannot be asked": refused == "ENOTTY",
            },
            saw=refused or answer,
        )
        assert proc.read("/proc/PID/status", outer)["NSpid"] == [outer, inner]
        assert refused == ("" if translates else "ENOTTY")
        if translates:
            assert answer == first.pid
            assert pidns.pid_from(path, inner) == outer
            assert pidns.pid_in(path, outer) == inner
            assert errno_of(pidns.pid_in, path, os.getpid()) == "ESRCH"
