"""Root of a user namespace: what it may do, and what not.

unshare --map-root-user writes the map 0 1000 1 at once: dev is root inside, with all capabilities, and dev outside.
What is this root worth?

The answer has two halves. Who you are: the kernel compares the stored id of a process with that of a file or of another
process. What you may: a capability is valid in the user namespace of the process and in those below, and for what
belongs to them. In this lab the ordinary user is called dev and has the number 1000.
"""

import os
import secrets
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.kernel import namespaces, proc
from runtime.kernel.errors import errno_of
from runtime.kernel.namespaces import tell_and_stay, write_maps
from runtime.kernel.syscalls import Clone, sethostname, setns, unshare
from runtime.lab import Choice, Lab, Number, Text, needs
from runtime.lab.dev import AS_DEV, DEV, at_home, homes, log_in, need_a_closed_home_of_root

pytestmark = [needs("unshare", "nsenter", "setpriv", "user namespaces of ordinary users")]

NOTHING = "0000000000000000"  # an empty set of capabilities, as /proc/PID/status prints it
REFUSALS = ("Operation not permitted", "Permission denied", "Invalid argument")


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory with two homes, dev/ and root/."""
    with homes() as path:
        yield path


def test_root_inside(lab: Lab, place: Path) -> None:
    """Root inside, dev outside.

    dev is root of a new user namespace, with all capabilities. Each step asks what this root is worth for something
    that was there before.
    """
    need_a_closed_home_of_root(lab)
    first, second = log_in(lab, place)
    first.enter("unshare --user --map-root-user /bin/bash")
    machine_name = second.run("hostname")

    with lab.step(
        "One line, two readers",
        "The line Uid of the shell in /proc/PID/status is read from inside and from outside.",
        found="Each reader gets the ids in the numbers of its own user namespace.",
        why="ps and top on the host therefore show the processes of a rootless container under its user's name.",
        watch=[first, second],
        claims=["usr-04"],
        ask=Number("Inside, `id -u` prints 0. Which uid does the host see in /proc/PID/status?"),
    ) as step:
        inside = first.run("grep ^Uid /proc/$$/status").split()[1]
        outside = second.run(f"grep ^Uid /proc/{first.pid}/status").split()[1]
        step.answer(int(outside))
        assert inside == first.run("id -u") == "0"
        assert outside == second.run("id -u") == str(DEV)

    with lab.step(
        "The home of root",
        """
        CapEff of this root has CAP_DAC_OVERRIDE in it, the right to ignore the modes of files. It lists root/, whose
        mode is drwx------.
        """,
        found="A capability does not count for a file whose owner has no number inside.",
        why="""
            capable_wrt_inode_uidgid() in kernel/capability.c: a capability counts for a file only if its owner and its
            group have a number in the namespace. The owner of root/ has none, so the mode bits decide, and for dev they
            say no.
        """,
        hint="For whose files is the capability valid?",
        watch=[first],
        claims=["usr-26"],
        ask=Choice(
            "Root of the namespace has CAP_DAC_OVERRIDE. What does `ls root/` give?",
            "the list",
            "Operation not permitted",
            "Permission denied",
            "No such file or directory",
        ),
    ) as step:
        listing = first.run("ls root/", status=(0, 2))
        texts = (*REFUSALS[:2], "No such file or directory")
        step.answer({"the list": listing.status == 0, **{text: text in listing for text in texts}}, saw=listing)
        mask = int(first.run("grep CapEff /proc/$$/status").split()[1], 16)
        assert mask >> proc.CAPABILITIES.index("CAP_DAC_OVERRIDE") & 1
        assert "Permission denied" in listing
        assert first.run("stat -Lc %u root/") == first.run("cat /proc/sys/kernel/overflowuid")

    with lab.step(
        "The home of dev",
        "This root makes a file in dev/. The owner is read from inside and from outside.",
        found="What root makes inside belongs to dev outside.",
        why="The map is used in both directions: 1000 is shown as 0, and what 0 makes is stored as 1000.",
        watch=[first, second],
        claims=["usr-27"],
        ask=Number("Root of the namespace makes the file dev/temp02. Which owner does it have outside?"),
    ) as step:
        made = first.run("touch dev/temp02", status=(0, 1))
        first.run("ls -ln dev")
        owner = second.run("stat -c %u dev/temp02")
        step.answer(int(owner))
        assert made.status == 0
        assert first.run("stat -c '%u %g' dev dev/temp02") == "0 0\n0 0"
        assert owner == str(DEV)

    with lab.step(
        "The host name",
        "This root, uid 0 with a full CapEff, runs hostname container001. A Python program makes the same call.",
        found="The host name belongs to a namespace whose owner is outside: EPERM.",
        why="""
            sethostname(2) wants CAP_SYS_ADMIN in the user namespace that owns the UTS namespace. The shell is still in
            the old UTS namespace; NS_GET_USERNS shows its owner, and that is a namespace outside (user_namespaces(7),
            ioctl_ns(2)).
        """,
        watch=[first, second],
        files=["/proc/PID/ns/uts NS_GET_USERNS"],
        claims=["usr-28"],
        ask=Choice(
            "Root of a new user namespace calls sethostname() in the UTS namespace of the machine. What comes?",
            "it works",
            "EPERM",
            "EACCES",
            "EINVAL",
        ),
    ) as step:
        refused = first.run("hostname container001", status=(0, 1))
        error = errno_of(namespaces.run_in_new, Clone.NEWUSER, sethostname, machine_name)
        step.answer(
            {
                "it works": refused.status == 0,
                **{name: refused.status == 1 and error == name for name in ("EPERM", "EACCES", "EINVAL")},
            },
            saw=(refused, error),
        )
        assert "must be root" in refused or "not permitted" in refused
        assert error == "EPERM"
        assert second.run("hostname") == machine_name
        assert first.ns("uts") == second.ns("uts")

    with lab.step(
        "Three commands",
        """
        Three commands that need a capability: hostname, mount -t tmpfs, and chroot, which gives a process another root
        directory. All are run in the old UTS and mount namespace.
        """,
        found="Root may change itself, not what was there before.",
        why="""
            hostname and mount change namespaces that belong to a user namespace outside. chroot(2) changes only the
            process itself and asks for the capability in the own user namespace.
        """,
        hint="Who owns the host name, the mount table, the process?",
        watch=[first, second],
        shows=["usr-05", "usr-33"],
        ask=Choice(
            "Full CapEff. Which of these works: `hostname x`, `mount -t tmpfs`, `chroot /`?",
            "all",
            "hostname and mount",
            "chroot only",
            "none",
        ),
    ) as step:
        commands = ("hostname x", "mount -t tmpfs x dev", "chroot / true")
        works = [first.run(command, status=None).status == 0 for command in commands]
        step.answer(
            {
                "all": works == [True, True, True],
                "hostname and mount": works == [True, True, False],
                "chroot only": works == [False, False, True],
                "none": works == [False, False, False],
            },
            saw=works,
        )
        assert works == [False, False, True]
        assert second.run("hostname") == machine_name

    with lab.step(
        "The same with namespaces of one's own",
        "hostname and mount again, each in a UTS or mount namespace that was made inside. Then who owns what?",
        found="A capability is checked against the user namespace that owns the thing.",
        why="""
            Each namespace of any kind is owned by the user namespace in which it was made: ns_capable() in
            kernel/capability.c asks for the capability in the owner.
        """,
        hint="In which user namespace was the new UTS namespace made?",
        watch=[first, second],
        files=["/proc/PID/ns/uts NS_GET_USERNS"],
        claims=["usr-05"],
        ask=Choice(
            "Who owns a UTS namespace that this root makes by `unshare --uts`?",
            "the first user namespace",
            "the user namespace of this root",
            "nobody",
        ),
    ) as step:
        old = namespaces.owning_user_namespace(f"/proc/{first.pid}/ns/uts")
        mounted = first.run("unshare --mount mount -t tmpfs x dev").status == 0
        own = first.ns("user")
        refused = first.run("hostname inner", status=(0, 1)).status == 1
        first.enter("unshare --uts /bin/bash")
        first.run("hostname inner")
        owner = namespaces.owning_user_namespace(f"/proc/{first.pid}/ns/uts")
        step.answer(
            {
                "the first user namespace": owner == old != own,
                "the user namespace of this root": owner == own,
                "nobody": owner == "",
            },
            saw=owner,
        )
        assert mounted
        assert refused
        assert owner == own != old
        assert first.run("hostname") == "inner" != second.run("hostname")
        first.exit()

    with lab.step(
        "Signals",
        """
        kill -0 sends no signal, it only asks whether one may. Root of the namespace asks for dev's shell outside, and
        for a process of root outside, if there is one in sight.
        """,
        found="For others, this root is dev.",
        why="""
            kill_ok_by_cred() in kernel/signal.c compares the stored ids of both processes, else it wants CAP_KILL in
            the user namespace of the target. So a container's root may signal all processes of its user, and no others.
        """,
        hint="Compare the lines Uid of the three processes, from outside.",
        watch=[first, second, os.getpid()],
        claims=["usr-29"],
        ask=Choice(
            "Root of dev's namespace sends signals to processes outside. Whose may it signal?",
            "nobody's",
            "dev's alone",
            "root's alone",
            "everybody's",
        ),
    ) as step:
        own = first.run(f"kill -0 {second.pid}", status=(0, 1)).status == 0
        stranger = os.getpid() if not lab.facts.rootless else 1  # in a sandbox of dev's own all processes are dev's
        foreign = first.run(f"kill -0 {stranger}", status=(0, 1)).status == 0
        others = foreign and not lab.facts.rootless
        step.answer(
            {
                "nobody's": not own and not others,
                "dev's alone": own and not others,
                "root's alone": not own and others,
                "everybody's": own and others,
            }
        )
        assert own
        assert not others
        assert first.ns("user") != second.ns("user")


@needs("root")
def test_real_root(lab: Lab, place: Path) -> None:
    """The root of the machine in a user namespace.

    So dev's root is dev. What if the root of the machine goes in, mapped to root? The notes try it.
    """
    first, second = at_home(lab.window("first"), place), at_home(lab.window("second"), place)
    machine_name = second.run("hostname")

    with lab.step(
        "Root to root",
        "Root runs unshare --user -r, and reads the maps of the new shell.",
        found="-r maps whoever runs unshare to root.",
        why="""
            After sudo that is 0. unshare writes the maps from inside, with the rule for the own id, so it also writes
            deny to setgroups.
        """,
        watch=[first, second],
        claims=["usr-30"],
        ask=Text("Root runs `unshare --user -r`. Which three numbers are in uid_map?"),
    ) as step:
        first.enter("unshare --user -r /bin/bash")
        line = " ".join(first.run(f"cat /proc/{first.pid}/uid_map").split())
        step.answer(line)
        assert line == "0 0 1"
        assert first.run(f"cat /proc/{first.pid}/gid_map").split() == ["0", "0", "1"]
        assert first.run("cat /proc/self/setgroups") == "deny"
        assert first.run("id -u; id -g") == "0\n0"
        assert first.ns("user") != second.ns("user")

    with lab.step(
        "Both homes",
        "This root makes a file in root/ and in dev/, and tries to give the first one to dev.",
        found="Here root has the files of root, and nobody else's.",
        why="""
            root/ belongs to the stored id 0, and that is this process: rights of the owner. dev/ belongs to 1000, which
            is not in the map, so the capabilities do not count for it, and only the rights of others are left.
        """,
        hint="Who is in the map?",
        watch=[first, second],
        claims=["usr-31"],
        ask=Choice(
            "Root of the machine, mapped 0 0 1, makes a file in root/ and one in dev/. Which works?",
            "both",
            "in root/ only",
            "in dev/ only",
            "none",
        ),
    ) as step:
        own = first.run("touch root/temp01", status=(0, 1)).status == 0
        refused = first.run("touch dev/temp03", status=(0, 1))
        works = [own, refused.status == 0]
        step.answer(
            {
                "both": works == [True, True],
                "in root/ only": works == [True, False],
                "in dev/ only": works == [False, True],
                "none": works == [False, False],
            }
        )
        assert works == [True, False]
        assert "Permission denied" in refused
        assert first.run("stat -c %u dev") == first.run("cat /proc/sys/kernel/overflowuid")
        assert "Invalid argument" in first.run(f"chown {DEV} root/temp01", status=1)
        assert second.run("stat -c %u root/temp01; touch dev/temp03") == "0"

    with lab.step(
        "The host name, again",
        "hostname is tried once more. Then a new namespace is made with one more flag each time.",
        found="Whoever makes the UTS namespace inside may name it.",
        why="""
            The check is for a capability in the user namespace that owns the UTS namespace, and this process has none
            there: it left that namespace. A UTS namespace made together with the user namespace is owned by it.
        """,
        watch=[first, second],
        files=["/proc/PID/ns/uts NS_GET_USERNS"],
        claims=["usr-32"],
        ask=Choice(
            "With which flag of `unshare --user -r` may this root run `hostname container001`?",
            "without any",
            "--mount",
            "--pid -f",
            "--uts",
        ),
    ) as step:
        refused = first.run("hostname container001", status=(0, 1))
        works = {
            flag: second.run(f"unshare --user -r {flag} hostname container001", status=(0, 1)).status == 0
            for flag in ("--mount", "--pid -f", "--uts")
        }
        step.answer({"without any": refused.status == 0, **works}, saw=works)
        assert refused.status == 1
        assert namespaces.owning_user_namespace(f"/proc/{first.pid}/ns/uts") == second.ns("user")
        assert [flag for flag, worked in works.items() if worked] == ["--uts"]
        assert second.run("hostname") == machine_name

    with lab.step(
        "What is in CapEff?",
        """
        The notes explain it so: towards the parent, the capabilities are empty, and root is like an ordinary user. Look
        at CapEff. And list root/, which no ordinary user can open.
        """,
        found="The set is full, but valid only inside; and the stored id is still 0.",
        why="""
            The set is valid for the own user namespace and those below it, and never for a parent (user_namespaces(7),
            Capabilities). As the owner, this root reads and writes all files of root: it is no ordinary account. That
            is why a container's root should not be mapped to 0.
        """,
        hint="Two things are checked in different places: who you are, and what you may.",
        watch=[first, second],
        claims=["usr-33"],
        ask=Choice(
            "hostname failed for this root. What is in its CapEff?",
            "nothing",
            "all but CAP_SYS_ADMIN",
            "all capabilities",
        ),
    ) as step:
        mask = int(first.run("grep CapEff /proc/$$/status").split()[1], 16)
        last = int(first.run("cat /proc/sys/kernel/cap_last_cap"))
        all_of_them = (2 << last) - 1
        step.answer(
            {
                "nothing": mask == 0,
                "all but CAP_SYS_ADMIN": mask == all_of_them & ~(1 << proc.CAPABILITIES.index("CAP_SYS_ADMIN")),
                "all capabilities": mask == all_of_them,
            },
            saw=hex(mask),
        )
        assert mask == all_of_them
        assert first.run("ls root/") == "temp01"
        assert "Permission denied" in second.run(f"{AS_DEV} ls root/", status=2)
        refused = first.run(f"nsenter --user --target {second.pid} true", status=1)
        # util-linux 2.41 asks setns(2) with a pidfd; older ones open /proc/PID/ns/user first
        assert "Operation not permitted" in refused or "Permission denied" in refused


def test_a_family_tree(lab: Lab, place: Path) -> None:
    """Parents, children, owners, and how deep one can go.

    User namespaces form a tree. The kernel keeps for each of them the parent and the user who made it.
    """
    first, second = log_in(lab, place)

    with lab.step(
        "Who is the parent?",
        """
        dev makes namespace A, and in A namespace B. NS_GET_PARENT asks the kernel who is the parent of whom. Then it
        asks for the parent of the namespace in which the question is asked.
        """,
        found="The parent is where the creator was; nobody is told about what lies above.",
        why="""
            The parent is fixed when the namespace is made: the user namespace of the creator. The first one has no
            parent; and nobody is told about namespaces above the own one. In both cases the answer is EPERM
            (ioctl_ns(2)).
        """,
        watch=[first, second, os.getpid()],
        files=["/proc/PID/ns/user NS_GET_PARENT"],
        claims=["usr-03"],
        ask=Choice(
            "NS_GET_PARENT is asked for the own user namespace. What comes?", "the parent", "EPERM", "EINVAL", "ENOENT"
        ),
    ) as step:
        first.enter("unshare --user --map-root-user /bin/bash")
        a = first.ns("user")
        first.enter("unshare --user --map-root-user /bin/bash")
        b = first.ns("user")
        own = proc.read("/proc/PID/ns/user NS_GET_PARENT", os.getpid())
        step.answer(
            {
                "the parent": str(own).startswith("user:["),
                **{name: own == name for name in ("EPERM", "EINVAL", "ENOENT")},
            },
            saw=own,
        )
        assert namespaces.parent(f"/proc/{first.pid}/ns/user") == a
        first.exit()
        assert namespaces.parent(f"/proc/{first.pid}/ns/user") == second.ns("user")
        assert len({a, b, second.ns("user")}) == 3
        assert own == "EPERM"

    with lab.step(
        "Brothers and sisters",
        """
        The first window is in A. Two programs start there, each in a user namespace of its own. Then the parents of all
        namespaces in sight are asked for.
        """,
        found="A user namespace can have any number of children, also none.",
        why="""
            Nothing in the kernel counts children by parent: each namespace points to its parent (struct user_namespace,
            parent). A limit is counted per user (/proc/sys/user/max_user_namespaces).
        """,
        watch=[first],
        files=["/proc/PID/ns/user NS_GET_PARENT"],
        claims=["usr-35"],
        ask=Number("Two programs each run `unshare --user` in A. How many child namespaces has A?"),
    ) as step:
        for _ in range(2):
            first.run("unshare --user tail -f /dev/null &")
        jobs = proc.read("/proc/PID/task/PID/children", first.pid)
        second.run(f"for p in {' '.join(map(str, jobs))}; do until grep -q tail /proc/$p/comm; do :; done; done")
        step.watch(*jobs)
        children = [namespaces.link(job, "user") for job in jobs]
        parents = [namespaces.parent(f"/proc/{job}/ns/user") for job in jobs]
        step.answer(len({child for child, parent in zip(children, parents, strict=True) if parent == a}))
        assert parents == [a, a]
        assert len({a, *children}) == 3
        assert not set(parents) & set(children)

    with lab.step(
        "The owner",
        "NS_GET_OWNER_UID tells which user made the namespace. Then the files of /proc/PID whose names end in _map.",
        found="The kernel keeps the maker; and there are three maps.",
        why="""
            The owner has all capabilities in the namespaces that it made, as long as it is in the parent: that is the
            rule by which dev could write the map. projid_map is for project ids, with which some file systems count
            disk space (user_namespaces(7)).
        """,
        watch=[first],
        files=["/proc/PID/ns/user NS_GET_OWNER_UID", "/proc/PID/projid_map"],
        claims=["usr-x06"],
        ask=Number("How many files in /proc/PID have names that end in _map?"),
    ) as step:
        maps = first.run("ls /proc/$$ | grep _map$").split()
        step.answer(len(maps))
        dev = 0 if lab.facts.rootless else DEV  # in a sandbox of dev's own, dev is 0 for this program
        assert maps == ["gid_map", "projid_map", "uid_map"]
        assert namespaces.owner_uid(f"/proc/{first.pid}/ns/user") == dev
        if not lab.facts.rootless:
            assert namespaces.owner_uid(f"/proc/{os.getpid()}/ns/user") == 0

    with lab.step(
        "Down to the bottom",
        """
        A child makes a user namespace, writes the map for itself, makes the next one in it, and so on, until the kernel
        says no. Then the same without maps.
        """,
        found="33 levels fit below the first user namespace, one more than the manual page says.",
        why="""
            create_user_ns() in kernel/user_namespace.c refuses when the parent's level is above 32. The first namespace
            has level 0, so 33 levels fit below it; user_namespaces(7) and the notes say 32. The error is ENOSPC since
            Linux 4.9 (EUSERS before). Without a map even the second level is refused: EPERM.
        """,
        hint="Is the limit checked against the level of the parent or of the child?",
        watch=[first, os.getpid()],
        files=["/proc/PID/ns/user NS_GET_PARENT"],
        claims=["usr-02"],
        ask=Number("How many levels of user namespaces fit below the first one?", unit="levels"),
    ) as step:
        above = 1 if lab.facts.rootless else 0
        levels, error = namespaces.run_in_new(Clone(0), dig, True)
        step.answer(levels + above)
        assert levels + above == 33
        assert error == ("ENOSPC" if lab.facts.kernel_at_least("4.9") else "EUSERS")
        assert namespaces.run_in_new(Clone(0), dig, False) == (1, "EPERM")


def dig(with_map: bool) -> tuple[int, str]:
    """Make user namespaces inside each other, until one fails: how many there were, and the name of the errno."""
    levels = 0
    while True:
        uid = os.geteuid()
        if error := errno_of(unshare, Clone.NEWUSER):
            return levels, error
        levels += 1
        if with_map:
            Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/gid_map").write_text("0 0 1")


def test_entering(lab: Lab) -> None:
    """Which user namespace may be entered?

    setns(2) enters a namespace that is there. For a user namespace that means: to get all capabilities in it. So the
    kernel is careful.
    """
    with lab.step(
        "Five doors",
        """
        Root of namespace A holds descriptors of A itself, of the parent, of B beside A, and of C below A. It tries
        setns() with each of them. Then it starts a thread and tries C again.
        """,
        found="Only a namespace below may be entered, and only by a process with one thread.",
        why="""
            userns_install() in kernel/user_namespace.c: into the own one again would give back capabilities that were
            given up (EINVAL). Threads share memory, and must share credentials (EINVAL). For the rest CAP_SYS_ADMIN is
            wanted in the target, and it counts in the own namespace and in all below it: so a sibling or the parent is
            EPERM.
        """,
        hint="In which namespaces is a capability of A valid?",
        watch=[os.getpid()],
        files=["/proc/PID/ns/user NS_GET_PARENT"],
        claims=["usr-x08"],
        ask=Choice(
            "Root of A, with one thread, calls setns(). Which user namespace can it enter?",
            "A itself",
            "the parent",
            "B, a sibling",
            "C, which was made in A",
        ),
    ) as step:
        parent = os.open("/proc/self/ns/user", os.O_RDONLY)
        b = step.keep(namespaces.start_in_new(Clone.NEWUSER, signal.pause))
        sibling = os.open(f"/proc/{b.pid}/ns/user", os.O_RDONLY)
        a = step.keep(namespaces.start_in_new(Clone.NEWUSER, tell_and_stay, try_doors, parent, sibling))
        doors = a.hear()
        os.close(parent)
        os.close(sibling)
        step.watch(a, b)
        step.answer(
            {
                "A itself": doors["own"] == "",
                "the parent": doors["parent"] == "",
                "B, a sibling": doors["sibling"] == "",
                "C, which was made in A": doors["below"] == "",
            },
            saw=doors,
        )
        assert doors == {
            "own": "EINVAL",
            "parent": "EPERM",
            "sibling": "EPERM",
            "below, with a thread": "EINVAL",
            "below": "",
        }


def try_doors(parent: int, sibling: int) -> dict[str, str]:
    """How setns() into each of several user namespaces ends: "" or the name of its errno; to be run in a child."""
    own = os.open("/proc/self/ns/user", os.O_RDONLY)
    tries = {"own": own, "parent": parent, "sibling": sibling}
    ends = {name: errno_of(setns, descriptor, Clone.NEWUSER) for name, descriptor in tries.items()}
    with namespaces.start_in_new(Clone.NEWUSER, signal.pause) as child:
        below = os.open(f"/proc/{child.pid}/ns/user", os.O_RDONLY)
        done = threading.Event()
        thread = threading.Thread(target=done.wait)
        thread.start()
        ends["below, with a thread"] = errno_of(setns, below, Clone.NEWUSER)
        done.set()
        thread.join()
        ends["below"] = errno_of(namespaces.run_in_new, Clone(0), setns, below, Clone.NEWUSER)
    return ends


def test_whose_files_in_proc(lab: Lab, place: Path) -> None:
    """The owner of the files in /proc/PID.

    The notes saw that after exec bash the map files belonged to root of the machine, did not know why, and say that
    newer kernels do not do it. Both can be explained.
    """
    first, second = log_in(lab, place)
    first.enter("unshare --user /bin/bash")
    files = f"/proc/{first.pid}"

    with lab.step(
        "Before and after exec bash",
        """
        The map is written, then the first window runs exec bash and so gets all capabilities. The second window looks
        at the owners of /proc/PID/uid_map and /proc/PID/ns before and after, and lists ns.
        """,
        found="Since Linux 4.11 these files belong to root of the namespace, who is dev outside.",
        why="""
            An execve() that brings new capabilities makes a process not dumpable: nobody shall look into it who has
            less (commit_creds() in kernel/cred.c, PR_SET_DUMPABLE in prctl(2)). The files of such a process in /proc
            belong to root (proc(5)). Before Linux 4.11 that was root of the machine, and dev was locked out: that is
            what the notes saw. Now it is root of the process's own user namespace.
        """,
        hint="Root of the namespace is which user outside?",
        watch=[first, second],
        files=["/proc/PID/uid_map owner", "/proc/PID/ns owner"],
        claims=["usr-25"],
        ask=Choice(
            "dev's process becomes root of its namespace by exec bash. Who owns its /proc/PID/uid_map outside?",
            "root of the machine",
            "dev",
            "the user 65534",
        ),
    ) as step:
        second.run(f"echo '0 1000 1' > {files}/uid_map")
        before = second.run(f"stat -c %u {files}/uid_map {files}/ns")
        first.enter("exec /bin/bash")
        full = first.run("grep CapEff /proc/$$/status").split()[1]
        after = second.run(f"stat -c %u {files}/uid_map {files}/ns").split()
        root = "65534" if lab.facts.rootless else "0"  # dev's own sandbox has no number for root of the machine
        step.answer(
            {
                "root of the machine": after[0] == "0",
                "dev": after[0] == str(DEV),
                "the user 65534": after[0] == "65534" != root,
            },
            saw=after,
        )
        assert full != NOTHING
        assert before.split() == after == [str(DEV)] * 2
        assert second.run(f"stat -c %A {files}/ns") == "dr-x--x--x"
        assert "user" in second.run(f"ls {files}/ns").split()
        assert second.run(f"readlink {files}/ns/user") == first.ns("user")

    with lab.step(
        "A program that nobody may read",
        """
        Root writes the map 0 1000 100 for a new namespace of dev. User 5 in it starts bash, a copy of bash that belongs
        to dev and has no read permission, and such a copy that belongs to root of the machine. Whose is uid_map?
        """,
        found="The files go to root of the user namespace that owns the memory of the process.",
        why="""
            Who may run a program but not read it must not look at its memory either, so this process is not dumpable
            (execve(2)), while the plain bash of user 5 is. task_dump_owner() in fs/proc/base.c gives the files to root
            of the user namespace that owns the memory. If the owner of the program has no number inside, that is a
            namespace further out: here the first one.
        """,
        hint="User 5 inside is 1005 outside; root inside is 1000 outside.",
        watch=[first, second],
        files=["/proc/PID/uid_map owner"],
        shows=["usr-25"],
        ask=Number("User 5 (1005 outside) runs dev's unreadable bash. Which uid owns its /proc/PID/uid_map outside?"),
    ) as step:
        if lab.facts.rootless:
            lab.unsupported("there is only one id here, and this needs three", "run pytest as root, or in the VM")
        first.exit()
        for owner in (DEV, 0):
            shutil.copy("/bin/bash", place / f"bash-of-{owner}")
            os.chown(place / f"bash-of-{owner}", owner, owner)
            (place / f"bash-of-{owner}").chmod(0o711)
        first.enter("unshare --user /bin/bash")
        write_maps(first.pid, [(0, DEV, 100)], [(0, DEV, 100)])
        first.enter("exec /bin/bash")
        first.enter("setpriv --reuid=5 --regid=5 --clear-groups /bin/bash")
        owners = [os.stat(f"/proc/{first.pid}/uid_map").st_uid]
        for program in (f"./bash-of-{DEV}", "./bash-of-0"):
            first.enter(program)
            owners.append(os.stat(f"/proc/{first.pid}/uid_map").st_uid)
            first.exit()
        step.answer(owners[1])
        assert owners == [DEV + 5, DEV, 0]


@needs("root")
def test_list_or_read(lab: Lab, place: Path) -> None:
    """Listing a directory, and reading a link in it.

    The notes could not list /proc/PID/ns, but could read a link in it by its name. Here a process of another user does
    both: user 1005 looks at a shell of dev.
    """
    first, second = at_home(lab.window("first"), place), at_home(lab.window("second"), place)
    first.enter(f"{AS_DEV} /bin/bash")
    ns = f"/proc/{first.pid}/ns"
    stranger = "setpriv --reuid=1005 --regid=1005 --clear-groups"
    tracer = f"{stranger} --inh-caps=+sys_ptrace --ambient-caps=+sys_ptrace"

    with lab.step(
        "Two rights",
        """
        User 1005 lists the directory ns of dev's shell and reads the link user in it: once as it is, and once with the
        single capability CAP_SYS_PTRACE, the right to look into the processes of others.
        """,
        found="To list ns one must own it; to read a link by its name one must be allowed to trace the process.",
        why="""
            The directory has the mode dr-x--x--x: others may go through it (x), but not list it (r). The links have a
            check of their own, which is about the process (proc_ns_readlink() in fs/proc/namespaces.c asks as ptrace(2)
            does, PTRACE_MODE_READ_FSCREDS).
        """,
        hint="What does the mode dr-x--x--x say about others?",
        watch=[first, second],
        files=["/proc/PID/ns owner"],
        claims=["usr-37"],
        ask=Choice(
            "Another user has CAP_SYS_PTRACE, and no other capability. What works in /proc/PID/ns?",
            "listing and reading a link",
            "listing alone",
            "reading a link alone",
            "nothing",
        ),
    ) as step:
        refused = second.run(f"{stranger} readlink {ns}/user", status=(0, 1))
        listing = second.run(f"{tracer} ls {ns}", status=(0, 2))
        link = second.run(f"{tracer} readlink {ns}/user", status=(0, 1))
        works = [listing.status == 0, link.status == 0]
        step.answer(
            {
                "listing and reading a link": works == [True, True],
                "listing alone": works == [True, False],
                "reading a link alone": works == [False, True],
                "nothing": works == [False, False],
            },
            saw=(listing, link),
        )
        assert second.run(f"stat -c '%A %u' {ns}") == f"dr-x--x--x {DEV}"
        assert refused.status == 1
        assert "Permission denied" in listing
        assert link == first.ns("user")


@needs("gcc")
def test_keys(lab: Lab, place: Path) -> None:
    """Keys and user namespaces.

    The kernel can keep keys for programs, for example of encrypted directories or of network file systems. Each user
    has a keyring, @u. Is it the same one inside?
    """
    first, second = log_in(lab, place)
    compiled = place / "keys"
    third = lab.window("third")
    third.run(f"gcc -o {compiled} {lab.programs}/keys.c; chmod 755 {compiled}")

    with lab.step(
        "Look for a key",
        """
        dev, as root of namespace A, puts a key into the keyring @u and finds it. Then a shell in namespace B below A
        looks for it, in @u. B also has ids and capabilities of its own.
        """,
        found="The same user has another keyring @u in each user namespace.",
        why="""
            Keyrings of users are registered for each user namespace (user_keyring_register in security/keys, since
            Linux 5.3). /proc/keys shows the keys that a process may see, /proc/key-users counts them
            (user_namespaces(7), keyrings(7)).
        """,
        hint="The stored uid is the same in A and B. What else could name a keyring?",
        watch=[first, second],
        files=["/proc/keys", "/proc/key-users"],
        claims=["usr-01"],
        ask=Choice(
            "A key is in your keyring @u in A. You look for it in B, below A. What comes?",
            "it is found",
            "Required key not available",
            "Permission denied",
        ),
    ) as step:
        first.enter("unshare --user --map-root-user /bin/bash")
        a = first.ns("user")
        key = f"lesson-{secrets.token_hex(4)}"  # /proc/keys also lists the keys of others with the same uid
        added = first.run(f"./keys add {key}; ./keys find {key}; grep -c {key} /proc/keys")
        first.enter("unshare --user --map-user=7 /bin/bash")
        lost = first.run(f"./keys find {key}", status=(0, 1))
        texts = ("Required key not available", "Permission denied")
        step.answer({"it is found": lost == "found", **{text: text in lost for text in texts}}, saw=lost)
        assert added.split() == ["found", "found", "1"]
        assert "Required key not available" in lost
        assert first.ns("user") != a
        assert first.run("id -u") == "7"
        assert first.run("grep CapEff /proc/$$/status").endswith(NOTHING)
        first.exit()
        assert not str(proc.read("/proc/PID/status", first.pid)["CapEff"]).endswith(NOTHING)


def test_it_owns_other_namespaces(lab: Lab, place: Path) -> None:
    """A user namespace owns other namespaces.

    Root of a user namespace may change what its namespaces hold. The network namespace has settings of its own, so they
    are a good test.
    """
    first, second = log_in(lab, place)
    setting = "/proc/sys/net/ipv4/ip_default_ttl"

    with lab.step(
        "A network setting",
        """
        ip_default_ttl is how many routers a packet may pass. Root of a new user namespace tries to write it; then the
        same with a network namespace of its own (-n).
        """,
        found="Root may set what belongs to a network namespace of its own.",
        why="""
            Files in /proc/sys/net belong to the network namespace of the process, and its owner's root counts as root
            for them (net_ctl_permissions() in net/sysctl_net.c). This is how rootless containers set such values.
        """,
        hint="Who owns the network namespace, in both cases?",
        watch=[first, second],
        files=[setting, "/proc/PID/ns/net NS_GET_USERNS"],
        claims=["usr-x04"],
        ask=Choice(
            "`unshare -Ur` and `unshare -Urn`: in which of them may root write ip_default_ttl?",
            "in both",
            "only with -n",
            "only without -n",
            "in none",
        ),
    ) as step:
        outside = second.run(f"cat {setting}")
        first.enter("unshare -U -r /bin/bash")
        without = first.run(f"echo 99 > {setting}", status=(0, 1))
        first.exit()
        first.enter("unshare -U -r -n /bin/bash")
        owned = first.run(f"echo 99 > {setting}", status=(0, 1))
        works = [without.status == 0, owned.status == 0]
        step.answer(
            {
                "in both": works == [True, True],
                "only with -n": works == [False, True],
                "only without -n": works == [True, False],
                "in none": works == [False, False],
            }
        )
        assert works == [False, True]
        assert "Permission denied" in without
        assert first.run(f"cat {setting}") == "99"
        assert second.run(f"cat {setting}") == outside
        assert namespaces.owning_user_namespace(f"/proc/{first.pid}/ns/net") == first.ns("user")
