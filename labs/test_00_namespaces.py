"""Namespaces: what a process sees of the machine.

The kernel knows no containers. It knows processes, and every process is a member of one namespace of each kind. A
namespace is one set of answers: which host name, which processes, which mounts, which network devices. Processes in the
same namespace get the same answers. A container is nothing but a process whose answers are not those of the host.

This lab looks at the namespaces of a process, makes one of each kind, starts a child with clone(), and ends with the
rules that all kinds share: how long they live, who owns them, who may make them, and how many.
"""

import errno
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from operator import or_
from pathlib import Path

import pytest

from runtime.kernel import namespaces, proc, snapshot
from runtime.kernel.namespaces import KINDS
from runtime.kernel.proc import LINKS
from runtime.kernel.syscalls import Clone, SyscallError, mount, unshare
from runtime.lab import Choice, Lab, Number, Text, needs

pytestmark = [needs("unshare", "nsenter", "setpriv", "uts namespace")]

EVERY_KIND = reduce(or_, (kind.flag for kind in KINDS.values()))
LIMITS = tuple(f"/proc/sys/user/max_{kind}_namespaces" for kind in KINDS)


@needs("user namespace", "time namespace")
def test_ten_links_eight_kinds(lab: Lab) -> None:
    """The namespaces of a process are links in /proc.

    /proc/PID/ns holds one link for each namespace of the process PID. Its target is no file name: it is the kind, and a
    number in brackets that tells this namespace from all others.
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "List the links of a shell",
        """
        ls shows the links of the shell in the first window ($$ is its pid). Two names end in _for_children: they say
        into which namespace the next child will be born.
        """,
        why="""
            The notes know seven kinds. Linux 5.6 added the time namespace as the eighth. A process cannot change its
            own PID namespace, only that of its future children, so there is a second link for it (since 4.12), and the
            same for time. See namespaces(7), section "The /proc/pid/ns/ directory".
        """,
        hint="Two of the ten links belong to kinds that are listed already.",
        watch=[first],
        claims=["ov-01"],
        ask=Number("ls will list ten links. How many different kinds of namespaces are behind them?"),
    ) as step:
        names = first.run("ls /proc/$$/ns").split()
        kinds = {name.removesuffix("_for_children") for name in names}
        step.answer(len(kinds))
        assert len(names) == 10
        assert kinds == {"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"}

    with lab.step(
        "Equal numbers, same namespace",
        """
        The shell in the second window is another process. Compare the targets of its links with those of the first: all
        are equal, because nobody has asked for a new namespace.
        """,
        why="""
            The number is the inode number of the namespace in the small file system nsfs. Two processes are in the same
            namespace exactly if device and inode number of the two links are equal (namespaces(7)).
        """,
        watch=[first, second],
        shows=["ov-11"],
    ):
        first.run("ls -l /proc/$$/ns")
        second.run("ls -l /proc/$$/ns")
        assert first.pid != second.pid
        assert namespaces.links(first.pid) == namespaces.links(second.pid)

    with lab.step(
        "A child with a new namespace of every kind",
        """
        Now with the system call: one clone() with all eight flags. Every link of the child has another number than that
        of its parent.
        """,
        why="""
            The flags are bits of one number, so they can be joined by | in one call. The kernel makes the user
            namespace first, so that it owns the seven others (user_namespaces(7)). The child enters its new time
            namespace one generation later, so the process that you see is a grandchild.
        """,
        watch=[os.getpid()],
        shows=["ov-01"],
    ) as step:
        child = lab.keep(namespaces.start_in_new(EVERY_KIND, signal.pause))
        step.watch(child)
        ours, theirs = namespaces.links(os.getpid()), namespaces.links(child.pid)
        assert [name for name in LINKS if ours[name] == theirs[name]] == []


def test_whose_links_can_be_read(lab: Lab) -> None:
    """Who may look into /proc/PID/ns.

    The links are not for everybody. Reading them needs the right to trace that process, as a debugger does.
    """
    first = lab.window("first")
    other = lab.ordinary_user

    with lab.step(
        "Read the links of a process that is not yours",
        """
        readlink is run as an ordinary user; what it shall read is a link of the shell in the window, which runs as
        root. Look at the output and at the exit status ($?).
        """,
        why="""
            The kernel checks PTRACE_MODE_READ_FSCREDS: same user and no more capabilities than the reader, or
            CAP_SYS_PTRACE over the process (ptrace(2)). readlink stays silent when it fails; ls -l and readlink -v
            print the reason. Some machines protect even pid 1 of the host from root in this way.
        """,
        hint="readlink without -v prints no error messages.",
        watch=[first],
        claims=["ov-11"],
        ask=Choice(
            "An ordinary user runs `readlink` on a link of root's shell. What is printed?",
            "the namespace, as for root",
            "Permission denied",
            "nothing at all",
        ),
    ) as step:
        own = first.run("readlink /proc/$$/ns/uts")
        foreign = first.run(f"{other} readlink /proc/$$/ns/uts", status=1)
        aloud = first.run(f"{other} readlink -v /proc/$$/ns/uts", status=1)
        step.answer({own: "the namespace, as for root", "": "nothing at all"}.get(foreign, "Permission denied"))
        assert own.startswith("uts:[")
        assert (foreign, foreign.status) == ("", 1)
        assert "Permission denied" in aloud
        listed = first.run("ls /proc/$$/ns").split()
        assert {"pid_for_children", "time", "time_for_children"} <= set(listed)
        assert tuple(listed) == LINKS


@needs("ipcmk", "ipcs")
def test_names_mounts_and_messages(lab: Lab) -> None:
    """The table of the notes, row by row: UTS, mount, IPC.

    In each step the first window gets one new namespace, changes something in it, and the second window, which stayed
    outside, looks for the change.
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "UTS: two names",
        """
        unshare --uts starts a shell in a new UTS namespace. It sets the host name and the NIS domain name; outside both
        are as before.
        """,
        why="""
            A UTS namespace holds what uname(2) returns. Only these two fields can be set. The next lab is about nothing
            else (uts_namespaces(7)).
        """,
        watch=[first, second],
        claims=["ov-08"],
        shows=["uts-01"],
    ):
        outside = second.run("hostname; domainname")
        first.enter("unshare --uts /bin/bash")
        first.run("hostname inside; domainname inside.example")
        assert first.ns("uts") != second.ns("uts")
        assert first.run("hostname; domainname") == "inside\ninside.example"
        assert second.run("hostname; domainname") == outside
        first.exit()

    with lab.step(
        "Mount: a file system that only one shell has",
        """
        A tmpfs is mounted in the new mount namespace, and a file is written to it. Then the second window looks into
        the same directory.
        """,
        why="""
            A mount namespace is a list of mounts: which file system is attached at which directory. It was the first
            namespace (Linux 2.4.19, 2002), so nobody thought of a name for more: the flag is CLONE_NEWNS. unshare also
            makes all mounts private, else the new one could be passed on to the parent (mount_namespaces(7)).
        """,
        hint="The directory board is the same for both. The file system on top of it is not.",
        watch=[first, second],
        files=["/proc/PID/mountinfo"],
        claims=["ov-05"],
        ask=Choice(
            "A file was written to board/ in the first window. What does `ls board` show in the second?",
            "the file",
            "nothing",
        ),
    ) as step:
        second.run("mkdir board")
        first.enter("unshare --mount /bin/bash")
        first.run("mount -t tmpfs tmpfs board; echo hello > board/letter")
        assert first.ns("mnt") != second.ns("mnt")
        assert first.run("cat board/letter") == "hello"
        seen = second.run("ls board")
        step.answer("the file" if seen == "letter" else "nothing")
        assert seen == ""
        first.exit()

    with lab.step(
        "IPC: message queues, semaphores, shared memory",
        """
        ipcmk makes one System V object of each sort. ipcs lists them in the first window; the second one has none of
        them. The POSIX message queue is made as a file in the file system mqueue.
        """,
        why="""
            System V objects have no file name, they are found by number, so no other namespace could hide them. POSIX
            message queues have names in a file system of their own: which queues that shows depends on the IPC
            namespace of the one who mounted it, so both windows mount it themselves (ipc_namespaces(7),
            mq_overview(7)).
        """,
        watch=[first, second],
        files=["/proc/sysvipc/msg", "/proc/sysvipc/sem", "/proc/sysvipc/shm"],
        claims=["ov-03"],
    ):
        second.enter("unshare --mount /bin/bash")
        first.enter("unshare --ipc --mount /bin/bash")
        before = second.run("ipcs")
        first.run("ipcmk --queue; ipcmk --semaphore 1; ipcmk --shmem 4096")
        first.run("mkdir inner; mount -t mqueue mqueue inner; touch inner/letters")
        second.run("mkdir outer; mount -t mqueue mqueue outer")
        assert first.ns("ipc") != second.ns("ipc")
        for table in ("msg", "sem", "shm"):
            assert len(proc.read(f"/proc/sysvipc/{table}", first.pid)) == 1
        assert second.run("ipcs") == before
        assert first.run("ls inner") == "letters"
        assert "letters" not in second.run("ls outer")


@needs("ip")
def test_network_and_processes(lab: Lab) -> None:
    """The table of the notes, row by row: network and PID.

    Again the first window gets one new namespace at a time, and the second window stays outside.
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "Network: devices and ports",
        """
        The new network namespace has one device, lo, and it is down. A pair of virtual cables (veth) that is made there
        is not seen outside. And a port that is taken outside is free inside.
        """,
        why="""
            Devices, addresses, routes, firewall rules and ports all hang on the network namespace
            (network_namespaces(7)). bind(2) says EADDRINUSE only if the port is taken in the same namespace.
        """,
        watch=[first, second],
        claims=["ov-04"],
    ):
        first.enter("unshare --net /bin/bash")
        assert first.ns("net") != second.ns("net")
        assert first.run("ip -brief link").split()[:2] == ["lo", "DOWN"]
        assert first.run("ip route") == ""
        first.run("ip link add cable0 type veth peer name cable1")
        assert first.run("ip link show cable0").status == 0
        assert "does not exist" in second.run("ip link show cable0", status=1)
        first.exit()
        with socket.socket() as taken:
            taken.bind(("", 0))
            port = taken.getsockname()[1]
            with pytest.raises(OSError, match="in use") as refused:
                bind(port)
            assert refused.value.errno == errno.EADDRINUSE
            assert namespaces.run_in_new(Clone.NEWNET, bind, port) == port

    with lab.step(
        "PID: a number of one's own",
        """
        --fork is needed: unshare itself stays in the old PID namespace, its child is the first process of the new one.
        Compare the number that the shell has for itself with the one that it has outside.
        """,
        why="""
            A PID namespace lies inside another one, and a process has one number in each of them; NSpid in
            /proc/PID/status lists them from the outside in (pid_namespaces(7)).
        """,
        hint="$$ is the pid of the shell, as the shell itself sees it.",
        watch=[first, second],
        claims=["ov-06"],
        ask=Number("The shell that `unshare --pid --fork` starts prints its own pid. Which number is it?"),
    ) as step:
        first.enter("unshare --pid --fork /bin/bash")
        inside = int(first.run("echo $$"))
        step.answer(inside)
        assert inside == 1
        assert first.ns("pid") != second.ns("pid")
        assert proc.read("/proc/PID/status", first.pid)["NSpid"][-2:] == [first.pid, 1]
        first.exit()


def bind(port: int) -> int:
    """Take a TCP port on all addresses for a moment."""
    with socket.socket() as taken:
        taken.bind(("", port))
        return port


@needs("user namespaces of ordinary users")
def test_users(lab: Lab) -> None:
    """The table of the notes, row by row: user.

    The user namespace is the odd one: it is the only kind that an ordinary user may make. So both windows work without
    root's power here.
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "User: who am I?",
        """
        A new user namespace has no map at first, so none of the ids outside has a meaning inside. With --map-root-user
        the caller is root inside. Both commands are typed by an ordinary user.
        """,
        why="""
            uid_map says which id outside belongs to which id inside (user_namespaces(7)). Since Linux 3.8 an ordinary
            user may make a user namespace; some distributions switch that off. The root inside has all capabilities in
            there, and none outside.
        """,
        watch=[first, second],
        files=["/proc/PID/uid_map"],
        claims=["ov-07"],
        ask=Number("An ordinary user runs `unshare --user id -u`, with no map written. Which number is printed?"),
    ) as step:
        first.enter(f"{lab.ordinary_user} unshare --user /bin/bash")
        assert first.ns("user") != second.ns("user")
        nobody = first.run("id -u")
        step.answer(int(nobody))
        assert nobody == first.run("cat /proc/sys/kernel/overflowuid")
        first.exit()
        assert first.run(f"{lab.ordinary_user} unshare --user --map-root-user id -u") == "0"


def test_cgroup_namespace(lab: Lab) -> None:
    """The table of the notes, row by row: cgroup.

    A cgroup is a group of processes with limits; the groups form a tree, and /proc/PID/cgroup gives the path of a
    process in it. The cgroup namespace hides the upper part of that path.
    """
    first = lab.window("first")
    if own_cgroup() is None:
        lab.unsupported("no cgroup can be made here", "run pytest as root, or in the VM (vagrant up)")

    with (
        new_cgroup() as cgroup,
        lab.step(
            "The path begins where you stood",
            """
            A shell is moved into a new cgroup. Then it starts another shell in a new cgroup namespace. Compare what
            /proc/self/cgroup says before and after.
            """,
            why="""
                The namespace takes the cgroup in which its creator sits as its root, so one's own path becomes a single
                slash. The process has not moved: who reads its /proc/PID/cgroup from outside still sees the whole path,
                and all limits stay in force (cgroup_namespaces(7), Linux 4.6).
            """,
            hint="A path begins at a root. Which cgroup is the root for the new namespace?",
            watch=[first],
            files=["/proc/PID/cgroup"],
            claims=["ov-02"],
            ask=Choice(
                "The shell sits in a cgroup and enters a new cgroup namespace. Which path does it see for itself then?",
                "the same path as before",
                "a single slash",
                "none",
            ),
        ) as step,
    ):
        outside = namespaces.link(os.getpid(), "cgroup")
        first.enter("/bin/bash")
        first.run(f"echo $$ > {cgroup}/cgroup.procs")
        before = paths(first.run("cat /proc/self/cgroup"))
        first.enter("unshare --cgroup /bin/bash")
        after = paths(first.run("cat /proc/self/cgroup"))
        step.answer("a single slash" if after == {"/"} else "the same path as before" if after == before else "none")
        assert first.ns("cgroup") != outside
        assert f"/{cgroup.name}" in {path[path.rfind("/") :] for path in before}
        assert after == {"/"}
        assert before == {entry["path"] for entry in proc.read("/proc/PID/cgroup", first.pid)}


def own_cgroup() -> Path | None:
    """The directory of this process's cgroup, in a tree where it may make another one below; None if there is none."""
    trees = [each for each in proc.read("/proc/PID/mountinfo", os.getpid()) if each["fstype"].startswith("cgroup")]
    for entry in reversed(proc.read("/proc/PID/cgroup", os.getpid())):  # the tree of cgroup v2 comes last
        name = entry["controllers"][0] if entry["controllers"] else "cgroup2"
        tree = next((each for each in trees if name in (each["fstype"], *each["super"].split(","))), None)
        if tree is None or name == "cpuset":  # a new cpuset takes no process before it has processors
            continue
        directory = Path(os.path.normpath(f"{tree['point']}/{os.path.relpath(entry['path'], tree['root'])}"))
        if os.access(directory, os.W_OK):
            return directory
    return None


@contextmanager
def new_cgroup() -> Iterator[Path]:
    """A cgroup for one exercise; what is in it at the end goes back to the one above it."""
    parent = own_cgroup()
    if parent is None:
        raise LookupError("no cgroup can be made here")
    cgroup = parent / f"lesson-{os.getpid()}"
    cgroup.mkdir()
    try:
        yield cgroup
    finally:
        for pid in (cgroup / "cgroup.procs").read_text().split():
            (parent / "cgroup.procs").write_text(pid)
        cgroup.rmdir()


def paths(text: str) -> set[str]:
    """The paths in the text of /proc/PID/cgroup, one line a tree: number:controllers:path."""
    return {line.split(":", 2)[2] for line in text.splitlines()}


def test_docker_and_the_cgroup_namespace(lab: Lab) -> None:
    """Whether Docker uses the cgroup namespace.

    The notes say that it does not. When Docker began, the kernel had no such namespace; today it is a matter of the
    version and of the cgroup dialect of the host.
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "What the kernel offers to Docker",
        """
        Two shells are started, one by bash alone, the other by unshare --cgroup. A container engine has the same
        choice.
        """,
        why="""
            Docker has the option --cgroupns=private|host since 20.10. Without the option a container gets a private one
            where the host has cgroup v2 only, and the host's where it has v1 (docker-run(1)).
        """,
        watch=[first, second],
        files=["/proc/PID/cgroup"],
        shows=["ov-02"],
        ask=Choice(
            "One shell is started by bash alone, one by `unshare --cgroup`. Which of them shares the namespace of "
            "its parent?",
            "the first alone",
            "the second alone",
            "both",
            "neither",
        ),
    ) as step:
        host = first.ns("cgroup")
        first.enter("/bin/bash")
        second.enter("unshare --cgroup /bin/bash")
        shared = (first.ns("cgroup") == host, second.ns("cgroup") == host)
        step.answer(
            {
                (True, False): "the first alone",
                (False, True): "the second alone",
                (True, True): "both",
                (False, False): "neither",
            }[shared]
        )
        assert shared == (True, False)

    with lab.step(
        "What Docker does",
        """
        A container without options, and one with --cgroupns=private: does the process in it share the cgroup namespace
        of the host?
        """,
        why="""
            On cgroup v1 a private namespace would have hidden the host's tree from programs that relied on seeing it,
            so the default stayed; cgroup v2 was a new beginning (moby pull request 38377).
        """,
        watch=[first],
        files=["/proc/PID/cgroup"],
        claims=["ov-09"],
        ask=Choice("Does a container without options share the cgroup namespace of this host?", "yes", "no"),
    ) as step:
        engine = lab.facts.can["Docker engine"]
        if not engine.ok:
            lab.unsupported("no Docker engine answers here", engine.how)
        if not lab.facts.vm:
            lab.unsupported("a container would change this machine", "run it in the VM (vagrant up)")
        shutil.copy(lab.programs / "cgroup_namespace.c", lab.directory)
        first.run("gcc -static cgroup_namespace.c -o cgroup_namespace")
        assert first.run("tar -c cgroup_namespace | docker import - unshared-cgroup-lesson").status == 0
        container = "unshared-cgroup-lesson /cgroup_namespace"
        default = first.run(f"docker run --rm --network=none {container}")
        private = first.run(f"docker run --rm --network=none --cgroupns=private {container}")
        of_host = first.run(f"docker run --rm --network=none --cgroupns=host {container}")
        first.run("docker rmi unshared-cgroup-lesson")
        step.answer("yes" if default == of_host else "no")
        assert of_host.startswith("cgroup:[")
        assert private.startswith("cgroup:[")
        assert private != of_host
        assert (default == of_host) == (lab.facts.cgroup != "v2")


@needs("user namespace", "time namespace")
def test_time(lab: Lab) -> None:
    """The eighth kind: a time of one's own.

    The notes do not know the time namespace. It shifts the two clocks that count from the start of the machine, so that
    a container can be moved to another machine without its timers seeing a jump.
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "Eleven days older",
        """
        The shell in the first window gets a new time namespace whose boot-time clock is a million seconds ahead.
        Compare /proc/uptime and date in both windows.
        """,
        why="""
            CLONE_NEWTIME covers CLOCK_MONOTONIC and CLOCK_BOOTTIME only. The wall clock (CLOCK_REALTIME) is the same
            for all, because it is set for the whole machine (time_namespaces(7), Linux 5.6). The offsets must be in
            /proc/PID/timens_offsets before the first process enters, so unshare writes them and then forks. That takes
            CAP_SYS_TIME in the user namespace that owns the time namespace; with --user the shell has it, without any
            right on the machine's clock.
        """,
        hint="uptime counts from the start of the machine, date from 1970.",
        watch=[first, second],
        files=["/proc/PID/timens_offsets", "/proc/uptime"],
        claims=["ov-x01"],
        ask=Choice(
            "The boot-time clock is shifted by a million seconds. What does `date` print inside?",
            "the same time as outside",
            "a time eleven days ahead",
        ),
    ) as step:
        first.enter("unshare --user --map-root-user --time --boottime 1000000 --fork /bin/bash")
        inside = float(first.run("cat /proc/uptime").split()[0])
        outside = float(second.run("cat /proc/uptime").split()[0])
        wall = abs(int(first.run("date +%s")) - int(second.run("date +%s")))
        step.answer("the same time as outside" if wall < 3600 else "a time eleven days ahead")
        assert first.ns("time") != second.ns("time")
        assert first.ns("time") == first.ns("time_for_children")
        assert 999_000 < inside - outside < 1_001_000
        assert wall < 3600
        offsets = proc.read("/proc/PID/timens_offsets", first.pid)
        assert offsets["boottime"] == [1_000_000, 0]
        assert offsets["monotonic"] == [0, 0]


@needs("gcc")
def test_first_program(lab: Lab) -> None:
    """The first C program: a process is born, and shares everything.

    clone() makes a new process. Its flags say what shall be new for the child. The program of the notes gives it no
    flag but SIGCHLD, the signal that tells the parent of the child's end.
    """
    first = lab.window("first")
    for program in ("first_as_printed.c", "first.c"):
        shutil.copy(lab.programs / program, lab.directory)
    refuses = int(lab.facts.tools["gcc"].split(".")[0]) >= 14

    with lab.step(
        "Compile it as printed",
        """
        gcc compiles the program with the first line of the notes, #define _GUN_SOURCE. Look for the word clone in what
        gcc says.
        """,
        why="""
            <sched.h> declares clone() only if _GNU_SOURCE is defined (feature_test_macros(7)). GUN is a slip for GNU,
            so gcc meets a function that it does not know. C89 allowed that; gcc warned until 13 and refuses since 14.
            -Werror=implicit-function-declaration makes older ones as strict as gcc 14.
        """,
        watch=[first],
        shows=["ov-12"],
    ):
        said = first.run("gcc first_as_printed.c -o first_as_printed", status=(0, 1))
        assert "implicit declaration of function" in said
        assert "clone" in said
        assert said.status == (1 if refuses else 0)
        strict = first.run("gcc -Werror=implicit-function-declaration first_as_printed.c -o first_as_printed", status=1)
        assert strict.status == 1

    with lab.step(
        "Run it, mended",
        """
        first.c spells the macro right. An ordinary user runs it, and it starts a shell. That shell is a child: PPid in
        its status is the pid of ./first. Compare the links of the two.
        """,
        why="""
            clone() copies the pointer to the namespaces (nsproxy) unless a CLONE_NEW flag asks for a new one, so the
            child is in all the namespaces of its parent: nothing is contained yet, and nothing needs a right
            (clone(2)). A container begins with the flags.
        """,
        hint="Which flags does the call of clone() in first.c have?",
        watch=[first],
        claims=["ov-12"],
        ask=Choice(
            "How many of the ten links of the child differ from those of ./first, and does it need root?",
            "none differ, no root needed",
            "some differ, no root needed",
            "some differ, root needed",
        ),
    ) as step:
        assert "implicit" in first.run("gcc first_as_printed.c -o first_as_printed", status=(0, 1))
        assert first.run("gcc -Wall -Wextra first.c -o first") == ""
        first.enter(f"{lab.ordinary_user} ./first")
        parent = proc.read("/proc/PID/status", first.pid)["PPid"]
        step.watch(parent)
        ours, theirs = namespaces.links(parent), namespaces.links(first.pid)
        differ = [name for name in LINKS if ours[name] != theirs[name]]
        step.answer("some differ, no root needed" if differ else "none differ, no root needed")
        assert proc.read("/proc/PID/cmdline", parent) == ["./first"]
        assert differ == []
        assert set(proc.read("/proc/PID/status", first.pid)["CapEff"]) == {"0"}
        assert first.run("readlink /proc/$$/ns/uts") == first.run("readlink /proc/$PPID/ns/uts")

    with lab.step(
        "Leave the shell",
        """
        The parent has waited all the time. When the shell ends, the kernel sends it SIGCHLD, waitpid() returns, and it
        prints its last line.
        """,
        watch=[first],
    ):
        assert first.run("exit").endswith("parent: the child has ended")


@needs("gcc")
def test_lines_that_get_lost(lab: Lab) -> None:
    """The lines that the program prints, on a terminal and into a pipe.

    The notes read the lines of the program as a log of what happens. On a terminal they are. The C library keeps what
    is printed in a buffer, and clone() and execv() treat that buffer in their own way.
    """
    first = lab.window("first")
    for program in ("first_as_printed.c", "first.c"):
        shutil.copy(lab.programs / program, lab.directory)
    first.run("gcc -D_GNU_SOURCE first_as_printed.c -o unflushed; gcc first.c -o first")

    with lab.step(
        "Into a pipe",
        """
        First on the terminal: three lines, in order. Then the same program with its output in a pipe, and the shell
        told to print a word of its own.
        """,
        why="""
            On a terminal stdio writes line by line; into a pipe it waits until 4096 bytes or more have come together
            (setbuf(3)). clone() copies the buffer into the child, and execv() replaces the whole memory of the child,
            buffer included. The parent's two lines come out together at its very end.
        """,
        hint="execv() puts a new program into the process. What becomes of bytes that were not written yet?",
        watch=[first],
        claims=["ov-13"],
        ask=Choice(
            "With the output in a pipe one of the lines never comes out. Which one?",
            "parent: starting a child",
            "child: about to become a shell",
            "parent: the child has ended",
            "none is lost",
        ),
    ) as step:
        terminal = first.run("./unflushed < /dev/null").splitlines()
        piped = first.run("echo 'echo shell: hello' | ./unflushed | cat").splitlines()
        lost = [line for line in terminal if line not in piped]
        step.answer(lost[0] if lost else "none is lost")
        assert terminal == [
            "parent: starting a child",
            "child: about to become a shell",
            "parent: the child has ended",
        ]
        assert piped == ["shell: hello", "parent: starting a child", "parent: the child has ended"]

    with lab.step(
        "fflush() mends it",
        "first.c empties the buffer before clone() and before execv(). Now the pipe gets every line, in order.",
        why="fflush(3) hands the bytes to the kernel, and what the kernel has cannot be lost by execve(2).",
        watch=[first],
        shows=["ov-13"],
    ):
        assert first.run("echo 'echo shell: hello' | ./first | cat").splitlines() == [
            "parent: starting a child",
            "child: about to become a shell",
            "shell: hello",
            "parent: the child has ended",
        ]

    with lab.step(
        "When execv fails",
        """
        In a mount namespace of its own /dev/null is put over /bin/bash. Now execv() fails, comes back, and the program
        goes on to the line after it.
        """,
        why="""
            A successful execve(2) never returns, because the program that called it is gone. So the line after it is
            reached only on failure: no if is needed to find that out.
        """,
        watch=[first],
        shows=["ov-13"],
    ):
        failed = first.run("unshare --mount sh -c 'mount --bind /dev/null /bin/bash && ./unflushed'")
        assert failed.splitlines()[-4:] == [  # mount may have something to say before
            "parent: starting a child",
            "child: about to become a shell",
            "child: execv failed",
            "parent: the child has ended",
        ]


def test_namespace_without_a_process(lab: Lab) -> None:
    """First the process, then the container? What keeps a namespace alive.

    A namespace ends when nobody needs it any more. Usually that is when its last process ends. Is a
    process the only thing that can need it?
    """
    first = lab.window("first")

    with lab.step(
        "After the last process",
        """
        unshare --uts=keeper runs one command in a new UTS namespace and binds the namespace to the file keeper. The
        command sets a host name and ends; then no process is left inside. Can nsenter still get in?
        """,
        why="""
            The files in /proc/PID/ns are handles. A bind mount of one, or an open file descriptor, counts as a user of
            the namespace as a process does (namespaces(7), "Namespace lifetime"). `ip netns add` and every container
            engine make use of that. The mount namespace around it is there so that the machine keeps nothing of it.
        """,
        watch=[first],
        files=["/proc/PID/mountinfo", "/proc/PID/fd"],
        claims=["ov-10"],
        ask=Choice("All processes of a UTS namespace have ended. Can you still enter it?", "yes", "no"),
    ) as step:
        first.enter("unshare --mount /bin/bash")
        first.run("touch keeper; unshare --uts=keeper hostname nobody-is-home")
        kept = int(first.run("stat -L -c %i keeper"))
        members = [pid for pid, inodes in snapshot.machine_namespaces().items() if inodes["uts"] == kept]
        entered = first.run("nsenter --uts=keeper hostname")
        step.answer("yes" if entered.status == 0 else "no")
        first.run("exec 9< keeper")
        assert members == []
        assert entered == "nobody-is-home"
        assert f"uts:[{kept}]" in [each["root"] for each in proc.read("/proc/PID/mountinfo", first.pid)]
        assert proc.read("/proc/PID/fd", first.pid)["9"].endswith("/keeper")

    with lab.step(
        "The open descriptor is enough",
        """
        The mount is taken away (--lazy, because the descriptor came through it). Descriptor 9 of the shell is now the
        last user of the namespace, and nsenter gets in through it. When it is closed too, the namespace is gone for
        good.
        """,
        why="""
            setns(2) takes any open file descriptor of a namespace; how one came by it does not matter. /proc/self/fd/9
            is a link to the same handle.
        """,
        watch=[first],
        files=["/proc/PID/mountinfo", "/proc/PID/fd"],
        shows=["ov-10"],
    ):
        assert first.run("umount --lazy keeper").status == 0
        assert first.run("cat keeper") == ""
        assert first.run("nsenter --uts=/proc/self/fd/9 hostname") == "nobody-is-home"
        first.run("exec 9<&-")
        assert first.run("nsenter --uts=keeper hostname", status=1).status != 0
        assert "9" not in proc.read("/proc/PID/fd", first.pid)


@needs("user namespace")
def test_who_owns_whom(lab: Lab) -> None:
    """Namespaces have relations, and one can ask for them.

    Every namespace belongs to a user namespace: who is root there has power over it. PID and user namespaces also have
    a parent. The answers come from ioctl() on the files in /proc/PID/ns.
    """
    with lab.step(
        "Ask for owner and parent",
        """
        A child is born in a new user, PID and UTS namespace. The system is asked who owns the UTS namespace, and who
        the parent of each of the three is.
        """,
        why="""
            NS_GET_USERNS gives the owner, NS_GET_PARENT the parent. Only PID and user namespaces form a tree; for the
            others the kernel says EINVAL. What lies above one's own user or PID namespace is out of sight: EPERM. That
            is the answer for the first namespaces of a machine as well, which have no parent (ioctl_ns(2), Linux 4.9).
        """,
        hint="Which kinds lie inside each other, and which lie side by side?",
        watch=[os.getpid()],
        files=[
            "/proc/PID/ns/uts NS_GET_USERNS",
            "/proc/PID/ns/uts NS_GET_PARENT",
            "/proc/PID/ns/pid NS_GET_PARENT",
            "/proc/PID/ns/user NS_GET_PARENT",
        ],
        claims=["ov-x02"],
        ask=Choice(
            "The kernel is asked for the parent of a UTS namespace. What does it answer?",
            "the UTS namespace of the parent process",
            "EINVAL",
            "EPERM",
        ),
    ) as step:
        child = lab.keep(namespaces.start_in_new(Clone.NEWUSER | Clone.NEWPID | Clone.NEWUTS, signal.pause))
        step.watch(child)
        files = f"/proc/{child.pid}/ns"
        with pytest.raises(SyscallError) as of_uts:
            namespaces.parent(f"{files}/uts")
        step.answer(errno.errorcode.get(of_uts.value.errno or 0, "no error"))
        assert of_uts.value.errno == errno.EINVAL
        assert namespaces.owning_user_namespace(f"{files}/uts") == namespaces.link(child.pid, "user")
        assert namespaces.parent(f"{files}/pid") == namespaces.link(os.getpid(), "pid")
        assert namespaces.parent(f"{files}/user") == namespaces.link(os.getpid(), "user")
        assert namespaces.kind_of(f"{files}/uts") == "uts"
        assert namespaces.owner_uid(f"{files}/user") == os.geteuid()
        with pytest.raises(SyscallError) as above:
            namespaces.parent("/proc/self/ns/user")
        assert above.value.errno == errno.EPERM


@needs("user namespace")
def test_numbers(lab: Lab) -> None:
    """What the number in uts:[4026531838] is worth.

    It looks like a name for the namespace. The notes do not say where the numbers come from, nor
    for how long one can trust them.
    """
    with lab.step(
        "The numbers from boot, and the numbers after",
        """
        A child gets a new namespace of every kind. All its numbers are 4026531840 (0xF0000000) or more. The namespaces
        that the machine was born with lie just below, with a fixed number for each kind.
        """,
        why="""
            The kernel gives the first namespaces numbers that are written in its source (include/linux/proc_ns.h; enum
            init_ns_ino in linux/nsfs.h) and counts from 0xF0000000 for the rest. Network and mount namespaces have
            fixed numbers only on recent kernels. In the sandbox you stand in new namespaces yourself: only the few that
            the sandbox did not replace have the fixed number.
        """,
        hint="The sandbox replaces mnt, uts, ipc, pid, net and cgroup; that of an ordinary user replaces user too.",
        watch=[os.getpid()],
        files=["/sys/kernel/btf/vmlinux"],
        claims=["ov-x04"],
        ask=Number("You stand in eight namespaces. How many of them are those that the machine was born with?"),
    ) as step:
        child = lab.keep(namespaces.start_in_new(EVERY_KIND, signal.pause))
        step.watch(child)
        ours = {kind: number(namespaces.link(os.getpid(), kind)) for kind in KINDS}
        new = {kind: number(namespaces.link(child.pid, kind)) for kind in KINDS}
        fixed = {kind for kind in KINDS if ours[kind] == BOOT_NUMBERS[kind]}
        step.answer(len(fixed))
        assert surely_from_boot(lab) <= fixed
        assert min(new.values()) >= FIRST_FREE_NUMBER

    identities_exist = lab.facts.kernel_at_least("6.18")
    with lab.step(
        "Is a number used again?",
        """
        One UTS namespace after the other is made and given up, and the numbers are kept in a list. Since Linux 6.18 the
        kernel also gives each namespace an identity; that is kept in a second list.
        """,
        why="""
            The number is the inode number in nsfs, and the kernel hands out the lowest that is free (ida_alloc). So
            compare numbers only of namespaces that live at the same moment. The ioctl NS_GET_ID reads the identity: a
            counter of 64 bits, so none comes a second time.
        """,
        watch=[os.getpid()],
        claims=["ov-x03"],
        ask=Choice(
            "A UTS namespace is made and given up, again and again. Does a number come back?",
            "no, each is new",
            "yes, sooner or later",
        ),
    ) as step:
        numbers: list[str] = []
        identities: list[int] = []
        while len(set(numbers)) == len(numbers) < 500:
            with namespaces.start_in_new(Clone.NEWUTS, signal.pause) as child:
                numbers.append(namespaces.link(child.pid, "uts"))
                if identities_exist:
                    identities.append(namespaces.unique_id(f"/proc/{child.pid}/ns/uts"))
        came_back = len(set(numbers)) < len(numbers)
        step.answer("yes, sooner or later" if came_back else "no, each is new")
        assert namespaces.link(os.getpid(), "uts") not in numbers
        assert came_back
        assert len(set(identities)) == (len(numbers) if identities_exist else 0)


FIRST_FREE_NUMBER = 0xF0000000
BOOT_NUMBERS = {
    "ipc": 0xEFFFFFFF,
    "uts": 0xEFFFFFFE,
    "user": 0xEFFFFFFD,
    "pid": 0xEFFFFFFC,
    "cgroup": 0xEFFFFFFB,
    "time": 0xEFFFFFFA,
    "net": 0xEFFFFFF9,
    "mnt": 0xEFFFFFF8,
}


def number(link: str) -> int:
    """4026531838 of "uts:[4026531838]"."""
    return int(link.partition("[")[2].rstrip("]"))


def surely_from_boot(lab: Lab) -> set[str]:
    """The kinds of which this process surely has the machine's first namespace, and the kernel has fixed its number."""
    if not is_outermost():
        return {"time"} if lab.facts.rootless else {"time", "user"}
    return set(KINDS) if lab.facts.kernel_at_least("6.18") else set(KINDS) - {"net", "mnt"}


def is_outermost() -> bool:
    """Whether we stand in the machine's first PID namespace: only there the kernel's kthreadd is process 2."""
    try:
        return Path("/proc/2/comm").read_text() == "kthreadd\n"
    except OSError:
        return False


@needs("user namespaces of ordinary users")
def test_rights_and_limits(lab: Lab) -> None:
    """Who may make namespaces, and how many.

    Two rules hold for all kinds: a right is needed, unless one makes a user namespace first; and the number is limited.
    """
    first, second = lab.window("first"), lab.window("second")
    other = lab.ordinary_user

    with lab.step(
        "Without a right, and with a user namespace",
        """
        An ordinary user asks for a new UTS namespace. Then the same user asks for a user namespace and a UTS namespace
        at once.
        """,
        why="""
            Seven kinds need CAP_SYS_ADMIN in the user namespace of the caller. The user namespace needs nothing, and
            its creator has every capability inside it. With both flags the kernel makes the user namespace first, and
            the right is looked for in there (user_namespaces(7)). Look at CapEff: all zero outside, full inside.
        """,
        hint="EPERM is the errno of a missing right.",
        watch=[first, second],
        claims=["ov-x06"],
        ask=Choice(
            "An ordinary user runs `unshare --uts`, then `unshare --user --uts`. What works?",
            "both",
            "only the first",
            "only the second",
            "neither",
        ),
    ) as step:
        alone = first.run(f"{other} unshare --uts true", status=1)
        together = first.run(f"{other} unshare --user --uts true")
        names = {(True, True): "both", (True, False): "only the first", (False, True): "only the second"}
        step.answer(names.get((alone.status == 0, together.status == 0), "neither"))
        assert alone.status == 1
        assert "Operation not permitted" in alone
        assert together.status == 0
        second.enter(f"{other} /bin/bash")
        first.enter(f"{other} unshare --user --map-root-user --uts /bin/bash")
        assert set(proc.read("/proc/PID/status", second.pid)["CapEff"]) == {"0"}
        assert int(proc.read("/proc/PID/status", first.pid)["CapEff"], 16) & CAP_SYS_ADMIN
        assert first.run("hostname mine; hostname") == "mine"
        first.exit()
        second.exit()

    with lab.step(
        "No namespace left",
        """
        Each kind has a limit in /proc/sys/user. Root of a user namespace may lower it for that namespace; the shell
        gets a /proc of its own to do so. With the limit at zero it calls unshare again; read the message.
        """,
        why="""
            The limits keep an ordinary user from filling the kernel's memory with namespaces. They are counted for each
            user in each user namespace, and in all that lie above it. The errno is ENOSPC, "no space left on device":
            there is no better one (namespaces(7), Linux 4.9). --mount-proc is there because the sandbox guards
            /proc/sys against mistakes.
        """,
        hint="It is an errno that you know from full disks.",
        watch=[first],
        files=LIMITS,
        claims=["ov-x05"],
        ask=Text("With which errno does the kernel refuse a namespace above the limit? (a name in capitals)"),
    ) as step:
        first.enter("unshare --user --map-root-user --pid --fork --mount-proc /bin/bash")
        assert first.run("unshare --uts true").status == 0
        first.run("echo 0 > /proc/sys/user/max_uts_namespaces")
        refused = first.run("unshare --uts true", status=1)
        refusal = namespaces.run_in_new(Clone.NEWUSER | Clone.NEWNS | Clone.NEWPID, errno_above_the_limit)
        step.answer(errno.errorcode.get(refusal, "none"))
        assert refused.status == 1
        assert "No space left on device" in refused
        assert first.run("unshare --ipc true").status == 0
        assert refusal == errno.ENOSPC


CAP_SYS_ADMIN = 1 << 21


def errno_above_the_limit() -> int:
    """The errno of unshare() when no UTS namespace is left; to be run as root of a new user namespace."""
    mount("proc", "/proc", "proc")
    Path("/proc/sys/user/max_uts_namespaces").write_text("0")
    try:
        unshare(Clone.NEWUTS)
    except SyscallError as error:
        return error.errno or 0
    return 0
