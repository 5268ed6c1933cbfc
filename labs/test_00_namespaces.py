"""Namespaces: what a process sees of the machine.

The kernel knows no containers. It knows processes, and every process is a member of one namespace of each kind. A
namespace is one set of answers: which host name, which processes, which mounts, which network devices. Processes in the
same namespace get the same answers. A container is nothing but a process whose answers are not those of the host.

This lab looks at the namespaces of a process, makes one of each kind, and starts a child with clone(). The lab after it
has the rules that all kinds share.
"""

import errno
import os
import shutil
import signal
import socket
from functools import reduce
from operator import or_
from pathlib import Path

import pytest

from runtime.kernel import cgroups, namespaces, proc
from runtime.kernel.errors import errno_of
from runtime.kernel.namespaces import KINDS, tell
from runtime.kernel.proc import LINKS
from runtime.kernel.syscalls import Clone, unshare
from runtime.lab import Choice, Lab, Number, needs

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
        found="Ten links, eight kinds of namespaces: pid and time have a second link for the children.",
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
        "Two shells",
        """
        The shell in the second window is another process. Compare the
        targets of its links with those of the first.
        """,
        found="Equal numbers, same namespace: nobody has asked for a new one.",
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
        Now with the system call: one clone() with all eight
        flags. Compare every link of the child with that of its parent.
        """,
        found="One call makes a new namespace of every kind.",
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
        found="The links may be read only with the right to trace the process.",
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
        foreign = first.run(f"{other} readlink /proc/$$/ns/uts", status=(0, 1))
        aloud = first.run(f"{other} readlink -v /proc/$$/ns/uts", status=(0, 1))
        step.answer(
            {
                "the namespace, as for root": foreign == own,
                "Permission denied": "Permission denied" in foreign,
                "nothing at all": foreign == "",
            },
            saw=foreign,
        )
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
        "UTS: host name and domain name",
        """
        unshare --uts starts a shell in a new UTS namespace. It sets the host name and the NIS
        domain name. Look at both names outside.
        """,
        found="Names that are set inside stay inside.",
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
        "Mount: a file system for the first window",
        """
        A tmpfs is mounted in the new mount namespace, and a file is written to it. Then the second window looks into
        the same directory.
        """,
        found="What is mounted in one mount namespace is not there in another.",
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
            "the file, with its content",
            "the file, but empty",
            "nothing",
            "Permission denied",
        ),
    ) as step:
        second.run("mkdir board")
        first.enter("unshare --mount /bin/bash")
        first.run("mount -t tmpfs tmpfs board; echo hello > board/letter")
        assert first.ns("mnt") != second.ns("mnt")
        assert first.run("cat board/letter") == "hello"
        seen = second.run("ls board; wc -c < board/letter", status=(0, 1)).splitlines()
        step.answer(
            {
                "the file, with its content": seen[:2] == ["letter", "6"],
                "the file, but empty": seen[:2] == ["letter", "0"],
                "nothing": len(seen) == 1 and "No such file" in seen[0],
                "Permission denied": "Permission denied" in seen[0],
            },
            saw=seen,
        )
        assert "letter" not in seen
        first.exit()

    second.enter("unshare --mount /bin/bash")
    first.enter("unshare --ipc --mount /bin/bash")
    with lab.step(
        "IPC: message queues, semaphores, shared memory",
        """
        ipcmk makes one System V object of each sort. ipcs lists what each window
        has. The POSIX message queue is made as a file in the file system mqueue.
        """,
        found="Queues, semaphores and shared memory of one IPC namespace are not found in another.",
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
        before = second.run("ipcs")
        first.run("ipcmk -Q; ipcmk -S 1; ipcmk -M 4096; mkdir inner; mount -t mqueue mqueue inner; touch inner/letters")
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
        List the devices and routes of a new network namespace. A pair of virtual cables (veth) is made there; look for
        it outside. And a port is taken outside; is it free inside?
        """,
        found="A new network namespace has its own devices, routes and ports; at first only lo, down.",
        why="""
            Devices, addresses, routes, firewall rules and ports all hang on the network namespace
            (network_namespaces(7)). bind(2) says EADDRINUSE only if the port is taken in the same namespace.
        """,
        watch=[first, second],
        claims=["ov-04"],
    ):
        first.enter("unshare --net /bin/bash")
        assert first.ns("net") != second.ns("net")
        lines = first.run("ip -brief link; ip route").splitlines()
        assert [line.split()[:2] for line in lines] == [["lo", "DOWN"]]
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
        found="A process has one number in each PID namespace from its own outwards.",
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
        found="Ids without a place in the map show as 65534; with a map one can be root inside.",
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
        assert nobody == first.run("cat /proc/sys/kernel/overflowuid") == "65534"
        first.exit()
        assert first.run(f"{lab.ordinary_user} unshare --user --map-root-user id -u") == "0"


def test_cgroup_namespace(lab: Lab) -> None:
    """The table of the notes, row by row: cgroup.

    A cgroup is a group of processes with limits; the groups form a tree, and /proc/PID/cgroup gives the path of a
    process in it. The limit of this exercise is pids.max: the number of processes that a group may have.
    """
    first = lab.window("first")
    try:
        cgroup = lab.keep(cgroups.create("pids", f"lesson-{os.getpid()}"))
    except (OSError, cgroups.NoControllerError):
        lab.unsupported("no cgroup can be made here", "run pytest as root, or in the VM (vagrant up)")
    tree = cgroups.hierarchy("pids")

    with lab.step(
        "Enter a new cgroup namespace",
        """
        A shell is moved into a new cgroup. Then it starts another shell in a new cgroup namespace. Compare what
        /proc/self/cgroup says before and after, and who sees the old path.
        """,
        found="Inside, the own cgroup is the root of all paths; outside, and in the tree itself, nothing has moved.",
        why="""
            The namespace takes the cgroup in which its creator sits as its root, so one's own path becomes a single
            slash. The process has not moved: who reads its /proc/PID/cgroup from outside still sees the whole path
            (cgroup_namespaces(7), Linux 4.6).
        """,
        hint="A path begins at a root. Which cgroup is the root for the new namespace?",
        watch=[first],
        files=["/proc/PID/cgroup"],
        claims=["ov-02"],
        ask=Choice(
            "The shell sits in a cgroup and enters a new cgroup namespace. Which path does it see for itself then?",
            "the same path as before",
            "a single slash",
            "the path of the cgroup above",
        ),
    ) as step:
        outside = namespaces.link(os.getpid(), "cgroup")
        first.enter("/bin/bash")
        cgroup.add(first.pid)
        before = own_path(tree, first.run("cat /proc/self/cgroup"))
        first.enter("unshare --cgroup --mount /bin/bash")
        after = own_path(tree, first.run("cat /proc/self/cgroup"))
        step.answer(
            {
                "the same path as before": after == before,
                "a single slash": after == "/",
                "the path of the cgroup above": after != "/" and after == os.path.dirname(before),
            },
            saw=after,
        )
        assert first.ns("cgroup") != outside
        assert os.path.basename(before) == cgroup.path.name
        assert after == "/"
        assert before in [entry["path"] for entry in proc.read("/proc/PID/cgroup", first.pid)]

    with lab.step(
        "The mounts, and the limit",
        """
        The tree of cgroups was mounted before. The shell mounts it a second time, at the directory new. Which cgroups
        does each of the two mounts show? Then a child in the cgroup tries to fork with pids.max at 1, before and after
        it enters a cgroup namespace.
        """,
        found="Only a new mount begins at the own cgroup; an old mount shows the whole tree, and limits stay.",
        why="""
            A mount keeps the root that it was made with. In mountinfo an old one is now shown with /.. in its path
            (cgroup_namespaces(7)). So an engine mounts the tree anew in each container. The namespace changes what is
            seen; the limits belong to the cgroup.
        """,
        hint="When was the old mount made?",
        watch=[first],
        files=["/proc/PID/mountinfo"],
        claims=["ov-x12"],
        ask=Choice(
            "In which of the two mounts is the cgroup above the own one still to be seen?",
            "in the old one",
            "in the new one",
            "in both",
            "in neither",
        ),
    ) as step:
        kind = "-t cgroup2 none" if tree.version == 2 else "-t cgroup -o pids none"
        first.run(f"mkdir new; mount {kind} new")
        seen = [
            first.run(f"test -d {place}/{cgroup.path.name}", status=(0, 1)).status == 0 for place in (tree.point, "new")
        ]
        step.answer(
            {
                "in the old one": seen == [True, False],
                "in the new one": seen == [False, True],
                "in both": seen == [True, True],
                "in neither": seen == [False, False],
            },
            saw=seen,
        )
        roots = {mount["point"]: mount["root"] for mount in proc.read("/proc/PID/mountinfo", first.pid)}
        shown = first.run(f"grep -e {tree.point} -e {lab.directory}/new /proc/self/mountinfo").splitlines()
        points = {line.split()[4]: line.split()[3] for line in shown}
        assert seen == [True, False]
        assert points[tree.point].startswith("/..")
        assert points[f"{lab.directory}/new"] == "/"
        assert roots[f"{lab.directory}/new"] == before
        first.exit()
        first.exit()
        limited = step.keep(namespaces.start_in_new(Clone(0), fork_in, str(cgroup.path)))
        assert limited.hear() == ("EAGAIN", "EAGAIN")


def own_path(tree: cgroups.Hierarchy, text: str) -> str:
    """The path in the line of a tree in the text of /proc/PID/cgroup, one line a tree: number:controllers:path."""
    lines = [line.split(":", 2) for line in text.splitlines()]
    return next(path for _, names, path in lines if ("pids" in names.split(",") if tree.version == 1 else not names))


def fork_in(cgroup: str) -> None:
    """Tell how fork() ends in a cgroup with pids.max at 1, before and after unshare(); for a child."""
    Path(cgroup, "cgroup.procs").write_text("0")
    Path(cgroup, "pids.max").write_text("1")
    before = errno_of(os.fork)
    unshare(Clone.NEWCGROUP)
    tell((before, errno_of(os.fork)))
    signal.pause()


def test_docker_and_the_cgroup_namespace(lab: Lab) -> None:
    """Whether Docker uses the cgroup namespace.

    The notes say that it does not. When Docker began, the kernel had no such namespace; today it is a matter of the
    version and of the cgroup version of the host.
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "What the kernel offers to Docker",
        """
        Two shells are started, one by bash alone, the other by unshare --cgroup. A container engine has the same
        choice.
        """,
        found="Without the flag a process shares the cgroup namespace of its parent.",
        why="""
            Docker has the option --cgroupns=private|host since 20.10. Without the option a container gets a private one
            where the host has cgroup v2 only, and the host's where it has v1 (docker-run(1)).
        """,
        watch=[first, second],
        files=["/proc/PID/cgroup"],
        shows=["ov-02"],
        ask=Choice(
            "One shell is started by bash alone, one by `unshare --cgroup`. Which shares the namespace of its parent?",
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
                "the first alone": shared == (True, False),
                "the second alone": shared == (False, True),
                "both": shared == (True, True),
                "neither": shared == (False, False),
            }
        )
        assert shared == (True, False)

    with lab.step(
        "What Docker does",
        """
        A container is started without options, then with --cgroupns=private. Its program prints the link of its cgroup
        namespace, which is compared with the link of the host.
        """,
        found="Docker can give a container its own cgroup namespace; the default follows the host's cgroup version.",
        why="""
            On cgroup v1 a private namespace would have hidden the host's tree from programs that relied on seeing it,
            so the default stayed; cgroup v2 was a new beginning (moby pull request 38377).
        """,
        watch=[first],
        files=["/proc/PID/cgroup"],
        claims=["ov-09"],
        ask=Choice(
            "Which container has another cgroup namespace than the host?",
            "only the one with --cgroupns=private",
            "only the one without the option",
            "both",
            "neither",
        ),
    ) as step:
        engine = lab.facts.can["Docker engine"]
        if not engine.ok:
            lab.unsupported("no Docker engine answers here", engine.how)
        if not lab.facts.vm:
            lab.unsupported("a container would change this machine", "run it in the VM (vagrant up)")
        shutil.copy(lab.programs / "cgroup_namespace.c", lab.directory)
        first.run("gcc -static cgroup_namespace.c -o cgroup_namespace")
        first.run("tar -c cgroup_namespace | docker import - unshared-cgroup-lesson")
        container = "unshared-cgroup-lesson /cgroup_namespace"
        default = first.run(f"docker run --rm --network=none {container}")
        private = first.run(f"docker run --rm --network=none --cgroupns=private {container}")
        first.run("docker rmi unshared-cgroup-lesson")
        host = namespaces.link(1, "cgroup")
        step.answer(
            {
                "only the one with --cgroupns=private": default == host != private,
                "only the one without the option": private == host != default,
                "both": host not in (default, private),
                "neither": default == private == host,
            },
            saw=(host, default, private),
        )
        assert host.startswith("cgroup:[")
        assert private != host
        assert (default == host) == (lab.facts.cgroup != "v2")


@needs("user namespace", "time namespace")
def test_time(lab: Lab) -> None:
    """The eighth kind: a time of one's own.

    The notes do not know the time namespace. It shifts the two clocks that count from the start of the machine, so that
    a container can be moved to another machine without its timers seeing a jump.
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "A million seconds on one clock",
        """
        The shell in the first window gets a new time namespace whose boot-time clock is a million seconds ahead.
        Compare /proc/uptime and date in both windows.
        """,
        found="A time namespace shifts the clocks that count from the start of the machine, not the date.",
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
            "a time eleven days before",
        ),
    ) as step:
        first.enter("unshare --user --map-root-user --time --boottime 1000000 --fork /bin/bash")
        inside = float(first.run("cat /proc/uptime").split()[0])
        outside = float(second.run("cat /proc/uptime").split()[0])
        ahead = int(first.run("date +%s")) - int(second.run("date +%s"))
        step.answer(
            {
                "the same time as outside": abs(ahead) < 3600,
                "a time eleven days ahead": 999_000 < ahead < 1_001_000,
                "a time eleven days before": -1_001_000 < ahead < -999_000,
            },
            saw=ahead,
        )
        assert first.ns("time") != second.ns("time")
        assert first.ns("time") == first.ns("time_for_children")
        assert 999_000 < inside - outside < 1_001_000
        assert abs(ahead) < 3600
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
    for program in ("first_with_slips.c", "first.c"):
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
        said = first.run("gcc first_with_slips.c -o first_with_slips")
        assert "implicit declaration of function" in said
        assert "clone" in said
        assert said.status == (1 if refuses else 0)
        strict = first.run("gcc -Werror=implicit-function-declaration first_with_slips.c -o first_with_slips", status=1)
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
            "How many of the ten links of the child differ from those of ./first?",
            "none",
            "one",
            "all but user",
            "all",
        ),
    ) as step:
        assert "implicit" in first.run("gcc first_with_slips.c -o first_with_slips")
        assert first.run("gcc -Wall -Wextra first.c -o first") == ""
        first.enter(f"{lab.ordinary_user} ./first")
        parent = proc.read("/proc/PID/status", first.pid)["PPid"]
        step.watch(parent)
        ours, theirs = namespaces.links(parent), namespaces.links(first.pid)
        differ = [name for name in LINKS if ours[name] != theirs[name]]
        step.answer(
            {
                "none": differ == [],
                "one": len(differ) == 1,
                "all but user": len(differ) == 9 and "user" not in differ,
                "all": len(differ) == 10,
            },
            saw=differ,
        )
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
    """An appendix: the lines that the first program prints.

    Nothing here is about namespaces; leave it out if you know the buffers of C. The notes read the lines of the program
    as a log of what happens. The C library keeps what is printed in a buffer, and clone() and execv() treat that buffer
    in their own way.
    """
    first = lab.window("first")
    for program in ("first_with_slips.c", "first.c"):
        shutil.copy(lab.programs / program, lab.directory)
    first.run("gcc -D_GNU_SOURCE first_with_slips.c -o unflushed; gcc first.c -o first")

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
            "Which line of the program does not come out when the output is a pipe?",
            "parent: starting a child",
            "child: about to become a shell",
            "parent: the child has ended",
            "none is lost",
        ),
    ) as step:
        terminal = first.run("./unflushed < /dev/null").splitlines()
        piped = first.run("echo 'echo shell: hello' | ./unflushed | cat").splitlines()
        lost = [line for line in terminal if line not in piped]
        step.answer({**{line: lost == [line] for line in terminal}, "none is lost": lost == []}, saw=piped)
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
