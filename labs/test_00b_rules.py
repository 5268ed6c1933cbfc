"""Namespaces: how long they live, who owns them, who may make them.

The lab before has shown eight kinds of namespaces. This one has the rules that all kinds share: what keeps a namespace
alive, who owns it, what its number is worth, who may make one, how many there may be, and ways to enter several.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from operator import or_
from pathlib import Path

from runtime.kernel import btf, cgroups, namespaces, proc, snapshot
from runtime.kernel.errors import errno_of
from runtime.kernel.namespaces import KINDS, tell
from runtime.kernel.syscalls import Clone, clone3, mount, pidfd_open, setns, unshare
from runtime.lab import Choice, Lab, Text, needs

pytestmark = [needs("unshare", "nsenter", "setpriv", "uts namespace")]

EVERY_KIND = reduce(or_, (kind.flag for kind in KINDS.values()))
LIMITS = tuple(f"/proc/sys/user/max_{kind}_namespaces" for kind in KINDS)


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
        found="A bind mount of its file keeps a namespace without any process.",
        why="""
            The files in /proc/PID/ns are handles. A bind mount of one, or an open file descriptor, counts as a user of
            the namespace as a process does (namespaces(7), "Namespace lifetime"). `ip netns add` and every container
            engine make use of that. The mount namespace around it is there so that the machine keeps nothing of it.
        """,
        watch=[first],
        files=["/proc/PID/mountinfo", "/proc/PID/fd"],
        claims=["ov-10"],
        ask=Choice(
            "All processes of a UTS namespace have ended, and nsenter is given the file keeper. What comes?",
            "a shell command in that namespace",
            "a shell command in a new, empty namespace",
            "an error",
        ),
    ) as step:
        first.enter("unshare --mount /bin/bash")
        first.run("touch keeper; unshare --uts=keeper hostname nobody-is-home")
        kept = int(first.run("stat -L -c %i keeper"))
        members = [pid for pid, inodes in snapshot.machine_namespaces().items() if inodes["uts"] == kept]
        entered = first.run("nsenter --uts=keeper hostname", status=(0, 1))
        step.answer(
            {
                "a shell command in that namespace": entered == "nobody-is-home",
                "a shell command in a new, empty namespace": entered.status == 0 and entered != "nobody-is-home",
                "an error": entered.status == 1,
            },
            saw=entered,
        )
        first.run("exec 9< keeper")
        assert members == []
        assert entered == "nobody-is-home"
        assert f"uts:[{kept}]" in [each["root"] for each in proc.read("/proc/PID/mountinfo", first.pid)]
        assert proc.read("/proc/PID/fd", first.pid)["9"].endswith("/keeper")

    with lab.step(
        "An open descriptor",
        """
        The mount is taken away (--lazy, because the descriptor came through it). nsenter tries descriptor 9 of the
        shell, and then, when this is closed too, the file keeper.
        """,
        found="An open descriptor is enough; when the last holder is gone, the namespace is gone too.",
        why="""
            setns(2) takes any open file descriptor of a namespace; how one came by it does not matter. /proc/self/fd/9
            is a link to the same handle.
        """,
        watch=[first],
        files=["/proc/PID/mountinfo", "/proc/PID/fd"],
        shows=["ov-10"],
    ):
        first.run("umount --lazy keeper")
        assert first.run("cat keeper") == ""
        assert first.run("nsenter --uts=/proc/self/fd/9 hostname") == "nobody-is-home"
        first.run("exec 9<&-")
        assert "Invalid argument" in first.run("nsenter --uts=keeper hostname", status=1)
        assert "9" not in proc.read("/proc/PID/fd", first.pid)


@needs("user namespace", "pid namespace", "mnt namespace")
def test_what_else_keeps_a_namespace(lab: Lab) -> None:
    """What else keeps a namespace alive.

    Namespaces depend on each other: each one belongs to a user namespace, and some lie inside others.
    """
    with lab.step(
        "A namespace, and its owner",
        """
        A process is in a new user namespace and in a UTS namespace that belongs to it. This program opens the file of
        the UTS namespace alone, and the process ends. Then the kernel is asked who owns the UTS namespace.
        """,
        found="A namespace keeps the user namespace that owns it, though no process is left in either.",
        why="""
            Each namespace holds a reference to its owner, and a user or PID namespace one to its parent: so they live
            as long as what depends on them (namespaces(7), "Namespace lifetime").
        """,
        hint="To whom does the UTS namespace belong?",
        watch=[os.getpid()],
        files=["/proc/PID/fd"],
        claims=["ov-x07"],
        ask=Choice(
            "Only the UTS namespace is held. What does the kernel say of its owner after the process has ended?",
            "the user namespace in which the process was",
            "the user namespace of this program",
            "an error",
        ),
    ) as step:
        with namespaces.start_in_new(Clone.NEWUSER | Clone.NEWUTS, signal.pause) as child:
            held = os.open(f"/proc/{child.pid}/ns/uts", os.O_RDONLY)
            lab.keep(closing(held))
            user = namespaces.link(child.pid, "user")
        inside = [pid for pid, inodes in snapshot.machine_namespaces().items() if inodes["user"] == number(user)]
        told: list[str] = []
        asked = errno_of(lambda: told.append(namespaces.owning_user_namespace(f"/proc/self/fd/{held}")))
        step.answer(
            {
                "the user namespace in which the process was": told == [user],
                "the user namespace of this program": told == [namespaces.link("self", "user")],
                "an error": asked != "",
            },
            saw=(asked, told),
        )
        assert inside == []
        assert told == [user]

    with lab.step(
        "A mount of /proc",
        """
        A process in a new PID and mount namespace mounts /proc, and this program opens the directory of that mount.
        Then the process, the first one of its PID namespace, ends. The directory is listed before and afterwards.
        """,
        found="The mount of /proc stays and still belongs to its PID namespace, which has no process now.",
        why="""
            A mount of proc holds the PID namespace for which it was made (namespaces(7), "Namespace lifetime"). Nobody
            can be born into that namespace: without its process 1 a fork ends with ENOMEM (pid_namespaces(7)).
        """,
        hint="Whose processes does a mount of /proc show?",
        watch=[os.getpid()],
        files=["/proc/PID/fd"],
        claims=["ov-x08"],
        ask=Choice(
            "The directory of that /proc is listed after the last process of its PID namespace has ended. Which "
            "processes does it show?",
            "none",
            "process 1 of the namespace, as a zombie",
            "those of this program's PID namespace",
        ),
    ) as step:
        with namespaces.start_in_new(Clone.NEWPID | Clone.NEWNS, mount_proc) as child:
            child.hear()
            directory = os.open(f"/proc/{child.pid}/root/proc", os.O_RDONLY | os.O_DIRECTORY)
            lab.keep(closing(directory))
            alive = numbers_in(directory)
        left = numbers_in(directory)
        step.answer(
            {
                "none": left == [],
                "process 1 of the namespace, as a zombie": left == [1],
                "those of this program's PID namespace": os.getpid() in left,
            },
            saw=left,
        )
        assert alive == [1]
        assert left == []
        assert "cpuinfo" in os.listdir(directory)


@contextmanager
def closing(descriptor: int) -> Iterator[None]:
    """Close a descriptor at the end."""
    try:
        yield
    finally:
        os.close(descriptor)


def mount_proc() -> None:
    """Mount /proc anew, tell, and stay; for the first process of a PID namespace."""
    mount("proc", "/proc", "proc")
    tell("mounted")
    signal.pause()


def numbers_in(directory: int) -> list[int]:
    """The processes that a directory of a /proc shows."""
    return [int(name) for name in os.listdir(directory) if name.isdigit()]


@needs("net namespace", "ipc namespace")
def test_several_at_once(lab: Lab) -> None:
    """Into several namespaces with one call.

    setns() takes the file of one namespace. Since Linux 5.8 it also takes a pidfd, a file descriptor for a process.
    """
    with lab.step(
        "One process, three flags",
        """
        A process has a new UTS, IPC and network namespace. Another one calls setns() with a pidfd of it and the flags
        CLONE_NEWUTS and CLONE_NEWNET. Compare the links of both.
        """,
        found="With a pidfd setns enters all namespaces that its flags name, and no other.",
        why="""
            With a file of /proc/PID/ns the second argument only says which kind is expected. With a pidfd it says which
            namespaces of that process to enter. All are entered, or none when one is refused (setns(2), Linux 5.8).
        """,
        hint="Which kinds do the flags name?",
        watch=[os.getpid()],
        claims=["ov-x09"],
        ask=Choice(
            "In which of the three new namespaces is the caller afterwards?",
            "UTS only",
            "UTS and network",
            "UTS, IPC and network",
            "none: EINVAL",
        ),
    ) as step:
        if not lab.facts.kernel_at_least("5.8"):
            lab.unsupported("this kernel takes no pidfd in setns", "boot Linux 5.8 or newer")
        target = step.keep(namespaces.start_in_new(Clone.NEWUTS | Clone.NEWIPC | Clone.NEWNET, signal.pause))
        caller = step.keep(namespaces.start_in_new(Clone(0), enter_by_pidfd, target.pid, Clone.NEWUTS | Clone.NEWNET))
        result = caller.hear()
        step.watch(target, caller)
        same = {
            kind
            for kind in ("uts", "ipc", "net")
            if namespaces.link(caller.pid, kind) == namespaces.link(target.pid, kind)
        }
        step.answer(
            {
                "UTS only": same == {"uts"},
                "UTS and network": same == {"uts", "net"},
                "UTS, IPC and network": same == {"uts", "ipc", "net"},
                "none: EINVAL": same == set() and result == "EINVAL",
            },
            saw=(result, same),
        )
        assert result == ""
        assert same == {"uts", "net"}


def enter_by_pidfd(pid: int, flags: Clone) -> None:
    """Enter namespaces of a process by one setns(), tell how it ended, and stay; for a child."""
    tell(errno_of(lambda: setns(pidfd_open(pid), flags)))
    signal.pause()


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
        found="Each namespace has an owner; only user and PID namespaces have a parent.",
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
            "ENOENT",
        ),
    ) as step:
        child = lab.keep(namespaces.start_in_new(Clone.NEWUSER | Clone.NEWPID | Clone.NEWUTS, signal.pause))
        step.watch(child)
        files = f"/proc/{child.pid}/ns"
        asked = errno_of(namespaces.parent, f"{files}/uts")
        answers = {name: asked == name for name in ("EINVAL", "EPERM", "ENOENT")}
        step.answer({"the UTS namespace of the parent process": asked == "", **answers}, saw=asked)
        assert asked == "EINVAL"
        assert namespaces.owning_user_namespace(f"{files}/uts") == namespaces.link(child.pid, "user")
        assert namespaces.parent(f"{files}/pid") == namespaces.link(os.getpid(), "pid")
        assert namespaces.parent(f"{files}/user") == namespaces.link(os.getpid(), "user")
        assert namespaces.kind_of(f"{files}/uts") == "uts"
        assert namespaces.owner_uid(f"{files}/user") == os.geteuid()
        assert errno_of(namespaces.parent, "/proc/self/ns/user") == "EPERM"


@needs("user namespace", "time namespace")
def test_numbers(lab: Lab) -> None:
    """What the number in uts:[4026531838] is worth.

    It looks like a name for the namespace. The notes do not say where the numbers come from, nor for how long one can
    trust them.
    """
    fixed = btf.first_namespaces()
    wanted = {kind: number for kind, number in BOOT_NUMBERS.items() if kind not in ("net", "mnt")}
    if lab.facts.kernel_at_least("6.18"):
        wanted = BOOT_NUMBERS

    with lab.step(
        "The numbers from boot, and the numbers after",
        """
        The kernel's description of its own types has the numbers of the namespaces that a machine starts with. A child
        gets a new namespace of every kind. Compare its eight numbers with those.
        """,
        found="The namespaces from boot have fixed numbers below 4026531840; all later ones have higher numbers.",
        why="""
            The numbers of the first namespaces stand in the kernel's source (include/linux/proc_ns.h; enum init_ns_ino
            in linux/nsfs.h); the rest is counted from 4026531840, 0xF0000000. Network and mount namespaces have fixed
            numbers only on recent kernels.
        """,
        hint="The constants end just below 0xF0000000.",
        watch=[os.getpid()],
        files=["/sys/kernel/btf/vmlinux"],
        claims=["ov-x04"],
        ask=Choice(
            "Compared with the numbers of the first namespaces, the eight numbers of the child are",
            "all lower",
            "all higher",
            "some lower, some higher",
        ),
    ) as step:
        if not fixed:
            lab.unsupported("this kernel has no type information (BTF)", "boot one with CONFIG_DEBUG_INFO_BTF")
        child = lab.keep(namespaces.start_in_new(EVERY_KIND, signal.pause))
        step.watch(child)
        ours = {kind: number(namespaces.link(os.getpid(), kind)) for kind in KINDS}
        new = [number(namespaces.link(child.pid, kind)) for kind in KINDS]
        lowest, highest = min(fixed.values()), max(fixed.values())
        step.answer(
            {
                "all lower": max(new) < lowest,
                "all higher": min(new) > highest,
                "some lower, some higher": min(new) < lowest and max(new) > highest,
            },
            saw=new,
        )
        assert fixed == wanted
        assert min(new) >= FIRST_FREE_NUMBER
        assert all(ours[kind] == fixed.get(kind) or ours[kind] >= FIRST_FREE_NUMBER for kind in wanted)

    identities_exist = lab.facts.kernel_at_least("6.18")
    with lab.step(
        "Is a number used again?",
        """
        One UTS namespace after the other is made and given up, and the numbers are kept in a list. Since Linux 6.18 the
        kernel also gives each namespace an identity; that is kept in a second list.
        """,
        found="A number comes back: it names a namespace only as long as that lives.",
        why="""
            The number is the inode number in nsfs, and the kernel hands out the lowest that is free (ida_alloc). So
            compare numbers only of namespaces that live at the same moment. The ioctl NS_GET_ID reads the identity: a
            counter of 64 bits, so none comes a second time.
        """,
        watch=[os.getpid()],
        claims=["ov-x03"],
        ask=Choice(
            "500 UTS namespaces are made and given up, one after the other. What of their numbers?",
            "each is new",
            "a number comes back",
            "all have the number of the first UTS namespace",
        ),
    ) as step:
        numbers: list[str] = []
        identities: list[int] = []
        while len(set(numbers)) == len(numbers) < 500:
            with namespaces.start_in_new(Clone.NEWUTS, signal.pause) as child:
                numbers.append(namespaces.link(child.pid, "uts"))
                if identities_exist:
                    identities.append(namespaces.unique_id(f"/proc/{child.pid}/ns/uts"))
        own = namespaces.link(os.getpid(), "uts")
        step.answer(
            {
                "each is new": len(set(numbers)) == len(numbers),
                "a number comes back": len(set(numbers)) < len(numbers) and own not in numbers,
                "all have the number of the first UTS namespace": set(numbers) == {own},
            },
            saw=numbers[-3:],
        )
        assert own not in numbers
        assert len(set(numbers)) < len(numbers)
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
        found="An ordinary user may make any namespace together with a user namespace, and none without.",
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
        alone = first.run(f"{other} unshare --uts true", status=(0, 1))
        together = first.run(f"{other} unshare --user --uts true", status=(0, 1))
        works = (alone.status == 0, together.status == 0)
        step.answer(
            {
                "both": works == (True, True),
                "only the first": works == (True, False),
                "only the second": works == (False, True),
                "neither": works == (False, False),
            },
            saw=(alone, together),
        )
        assert works == (False, True)
        assert "Operation not permitted" in alone
        second.enter(f"{other} /bin/bash")
        first.enter(f"{other} unshare --user --map-root-user --uts /bin/bash")
        assert set(proc.read("/proc/PID/status", second.pid)["CapEff"]) == {"0"}
        assert int(proc.read("/proc/PID/status", first.pid)["CapEff"], 16) & CAP_SYS_ADMIN
        assert first.run("hostname mine; hostname") == "mine"

    with lab.step(
        "At the limit",
        """
        Each kind has a limit in /proc/sys/user. Root of a user namespace may lower it for that namespace; the shell
        gets a /proc of its own to do so. With the limit at zero it calls unshare again; read the message.
        """,
        found="Above the limit the kernel says ENOSPC.",
        why="""
            The limits keep an ordinary user from filling the kernel's memory with namespaces. They are counted for each
            user in each user namespace, and in all that lie above it. The errno is ENOSPC, "no space left on device":
            there is no better one (namespaces(7), Linux 4.9).
        """,
        hint="It is an errno that you know from full disks.",
        watch=[first],
        files=LIMITS,
        claims=["ov-x05"],
        ask=Text("With which errno does the kernel refuse a namespace above the limit? (a name in capitals)"),
    ) as step:
        first.exit()
        first.enter("unshare --user --map-root-user --pid --fork --mount-proc /bin/bash")
        first.run("unshare --uts true")
        first.run("echo 0 > /proc/sys/user/max_uts_namespaces")
        refused = first.run("unshare --uts true", status=(0, 1))
        refusal = namespaces.run_in_new(Clone.NEWUSER | Clone.NEWNS | Clone.NEWPID, errno_above_the_limit)
        step.answer(refusal)
        assert refused.status == 1
        assert "No space left on device" in refused
        first.run("unshare --ipc true")
        assert refusal == "ENOSPC"


CAP_SYS_ADMIN = 1 << 21


def errno_above_the_limit() -> str:
    """The errno of unshare() when no UTS namespace is left; to be run as root of a new user namespace."""
    mount("proc", "/proc", "proc")
    Path("/proc/sys/user/max_uts_namespaces").write_text("0")
    return errno_of(unshare, Clone.NEWUTS)


def test_born_in_a_cgroup(lab: Lab) -> None:
    """Into a cgroup at birth.

    A cgroup is a group of processes with limits, a directory in a tree. A process is usually born into that of its
    parent, and somebody moves it. clone3(), the successor of clone(), has another way.
    """
    try:
        above = cgroups.directory_of(os.getpid())
        group = lab.keep(cgroups.Cgroup(above, 2).child(f"lesson-{os.getpid()}"))
    except (OSError, cgroups.NoControllerError):
        lab.unsupported("no cgroup of version 2 can be made here", "run pytest as root, or in the VM (vagrant up)")

    with lab.step(
        "clone3() with a directory",
        """
        A process calls clone3() with the flag CLONE_INTO_CGROUP and an open directory of a cgroup. Right after the
        call the cgroups of both are read. Nobody has written to cgroup.procs.
        """,
        found="With CLONE_INTO_CGROUP the child is born in the other cgroup; the parent stays.",
        why="""
            So there is no moment in which the child is outside, and forks or uses memory there: all that it does counts
            in its cgroup. It works with cgroup version 2 only (clone(2), Linux 5.7).
        """,
        hint="The flag is about the child.",
        watch=[os.getpid()],
        files=["/proc/PID/cgroup"],
        claims=["ov-x10"],
        ask=Choice(
            "Which of the two processes is in the cgroup of the directory afterwards?",
            "the child only",
            "the parent only",
            "both",
            "neither, before one writes to cgroup.procs",
        ),
    ) as step:
        if not lab.facts.kernel_at_least("5.7"):
            lab.unsupported("this kernel has no CLONE_INTO_CGROUP", "boot Linux 5.7 or newer")
        parent, child = namespaces.run_in_new(Clone(0), give_birth, str(group.path))
        inside = tuple(os.path.basename(path) == group.path.name for path in (parent, child))
        step.answer(
            {
                "the child only": inside == (False, True),
                "the parent only": inside == (True, False),
                "both": inside == (True, True),
                "neither, before one writes to cgroup.procs": inside == (False, False),
            },
            saw=(parent, child),
        )
        assert inside == (False, True)


def give_birth(directory: str) -> tuple[str, str]:
    """The cgroups (version 2) of this process and of its child, which clone3() puts into `directory`; for a child."""
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    pid, _ = clone3(Clone(0), cgroup=opened)
    if pid == 0:
        signal.pause()
        os._exit(0)
    try:
        files = (proc.read("/proc/PID/cgroup", each) for each in (os.getpid(), pid))
        own, born = (next(entry["path"] for entry in file if not entry["controllers"]) for file in files)
        return own, born
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
