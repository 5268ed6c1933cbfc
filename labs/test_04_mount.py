"""Mount namespaces: a tree of files of one's own.

To mount a file system means to make its files visible in a directory. The directory is then called a mount point. All
mount points together make the one tree of files that begins at `/`. The kernel keeps them in a list, and a mount
namespace holds one such list. It was the first kind of namespace, and it is the one that gives a container its files.

The notes say that two mount namespaces have nothing to do with each other. This lab looks at when that is true, at
what one mount can look like in two places, and at how the root of a container is built in the end.

Most mounts here are of tmpfs, a file system that lives in memory and is empty at the start.
"""

import os
from pathlib import Path

from runtime.kernel import mounts
from runtime.kernel.errors import errno_of
from runtime.kernel.namespaces import run_in_new, run_inside, start_inside, tell_and_stay
from runtime.kernel.syscalls import Clone, Mount, mount, umount2, unshare
from runtime.lab import Choice, Lab, Number, Window, needs, one_host, one_processor

pytestmark = [needs("unshare", "nsenter", "mount", "mnt namespace")]


def test_a_list_of_mounts(lab: Lab) -> None:
    """A list of mounts.

    Both windows begin in one mount namespace. Then the first one gets a namespace of its own.
    """
    first, second = one_host(lab)

    with lab.step(
        "Enter a new mount namespace",
        """
            The first window enters a new mount namespace. Both windows count their mounts: /proc/self/mountinfo has
            one line for each.
        """,
        found="A new mount namespace begins with a copy of the list of the old one.",
        why="""
            copy_mnt_ns() in the kernel's fs/namespace.c copies every mount of the list. The files are not copied:
            both lists lead to the same file systems. Each copy gets a number of its own, the first field of
            mountinfo.
        """,
        hint="Could a program still find its files if the list began empty?",
        watch=[first, second],
        claims=["mnt-04"],
        ask=Choice("With how many mounts does the new namespace begin?", "none", "one: /", "as many as the old one"),
    ) as step:
        first.enter("unshare --mount /bin/bash")
        inside = int(first.run("wc -l < /proc/self/mountinfo"))
        outside = int(second.run("wc -l < /proc/self/mountinfo"))
        step.answer(
            {"none": inside == 0, "one: /": inside == 1 != outside, "as many as the old one": inside == outside > 1},
            saw=(inside, outside),
        )
        assert first.ns("mnt") != second.ns("mnt")
        assert list(mounts.by_point(first.pid)) == list(mounts.by_point(second.pid))
        assert not {each["id"] for each in mounts.by_point(first.pid).values()} & {
            each["id"] for each in mounts.by_point(second.pid).values()
        }

    with lab.step(
        "Mount a file system in the first window",
        """
            The first window mounts a tmpfs on the directory box and makes a file in it. Both windows then look for
            the mount, and list the directory.
        """,
        found="A mount in one namespace is not seen in another one.",
        why="""
            mount(2) adds a mount to the list of the caller's namespace. The second window reads another list, and in
            that one box is a plain, empty directory.
        """,
        watch=[first, second],
        claims=["mnt-01"],
        ask=Choice("Where is the new mount seen?", "in both windows", "only in the first", "only in the second"),
    ) as step:
        first.run("mount -t tmpfs inside box")
        first.run("touch box/letter")
        seen = [window.run("grep -c ' inside ' /proc/self/mountinfo", status=(0, 1)) for window in (first, second)]
        step.answer(
            {
                "in both windows": seen == ["1", "1"],
                "only in the first": seen == ["1", "0"],
                "only in the second": seen == ["0", "1"],
            },
            saw=seen,
        )
        assert seen == ["1", "0"]
        assert first.run("ls box") == "letter"
        assert second.run("ls box") == ""

    with lab.step(
        "Through a door in /proc",
        """
            The second window stays outside. It uses /proc/PID/root, which leads to the root directory of another
            process.
        """,
        found="/proc/PID/root shows the files as that process sees them.",
        why="""
            /proc/PID/root is more than a symbolic link: who goes through it comes out in the mount namespace of the
            process (proc_pid_root(5)). The kernel allows that only to who may trace the process (ptrace(2)).
        """,
        hint="Is the file on a disk that both namespaces know, or only in the list of one?",
        watch=[first, second],
        shows=["mnt-02"],
        ask=Choice(
            "What does the second window find in the directory box of /proc/PID/root?",
            "nothing: the mount is not its own",
            "the file",
            "an error",
        ),
    ) as step:
        through = second.run(f"ls /proc/{first.pid}/root{lab.directory}/box", status=None)
        step.answer(
            {
                "nothing: the mount is not its own": through == "" and through.status == 0,
                "the file": through == "letter",
                "an error": through.status != 0,
            },
            saw=through,
        )
        assert through == "letter"


def test_three_files(lab: Lab) -> None:
    """Three files in /proc.

    The notes name three files in /proc/PID that hold all mounts of a process. They are compared, field by field.
    """
    first, second = one_host(lab)

    with lab.step(
        "One mount in three files",
        """
            The first window mounts a tmpfs called parcel on box, in a namespace of its own. The second window looks
            for it in mounts, mountinfo and mountstats of the shell of the first window.
        """,
        found="All three files have the mount; mountinfo tells the most.",
        why="""
            All three are made from the same list (fs/proc_namespace.c). mounts has the form of the old file
            /etc/mtab. mountinfo (Linux 2.6.26) adds the numbers, the root of the mount, and how it is shared.
            mountstats adds statistics, but only a few file systems, such as NFS, have some.
        """,
        watch=[first, second],
        files=["/proc/PID/mounts", "/proc/PID/mountstats"],
        claims=["mnt-02"],
        ask=Choice("Which file tells the number of the mount?", "mounts", "mountinfo", "mountstats", "all of them"),
    ) as step:
        first.enter("unshare --mount /bin/bash")
        first.run("mount -t tmpfs parcel box")
        line = {
            name: second.run(f"grep parcel /proc/{first.pid}/{name}") for name in ("mounts", "mountinfo", "mountstats")
        }
        entry = mounts.by_point(first.pid)[str(lab.directory / "box")]
        tells = [name for name, text in line.items() if str(entry["id"]) in text.split()]
        step.answer(
            {
                "mounts": tells == ["mounts"],
                "mountinfo": tells == ["mountinfo"],
                "mountstats": tells == ["mountstats"],
                "all of them": len(tells) == 3,
            },
            saw=line,
        )
        assert line["mounts"].startswith(f"parcel {lab.directory}/box tmpfs ")
        assert line["mountstats"] == f"device parcel mounted on {lab.directory}/box with fstype tmpfs"
        assert line["mountinfo"].split()[0] == str(entry["id"])
        assert entry["parent"] == mounts.by_point(first.pid)[mount_point_of(first, lab.directory)]["id"]
        assert [len(second.run(f"cat /proc/{first.pid}/{name}").splitlines()) for name in line] == [
            len(mounts.table(first.pid))
        ] * 3

    with lab.step(
        "Whose mounts does /proc/mounts show?",
        """
            Programs often read /proc/mounts. The second window asks what that file is, and then looks for the mount
            there.
        """,
        found="/proc/mounts is a link to self/mounts: everybody reads the own list.",
        why="/proc/self leads to the process that reads. A list of all mounts of the machine does not exist.",
        hint="Which process reads the file?",
        watch=[second],
        files=["/proc/PID/mounts"],
        claims=["mnt-f1"],
        ask=Choice(
            "What does /proc/mounts show?",
            "the mounts of the machine",
            "the mounts of who reads it",
            "the mounts of process 1",
        ),
    ) as step:
        link = second.run("readlink /proc/mounts")
        found = int(second.run("grep -c ^parcel /proc/mounts", status=1))
        step.answer(
            {
                "the mounts of the machine": found == 1,
                "the mounts of who reads it": link == "self/mounts" and found == 0,
                "the mounts of process 1": link == "1/mounts",
            },
            saw=(link, found),
        )
        assert link == "self/mounts"
        assert found == 0
        assert first.run("grep -c ^parcel /proc/mounts") == "1"


@needs("/usr/include/linux/sched.h")
def test_a_flag_from_the_beginning(lab: Lab) -> None:
    """A flag from the beginning.

    Each kind of namespace has a flag for clone(2). The one of mount namespaces has a strange name.
    """
    first = lab.window("first")

    with lab.step(
        "Find the flag",
        """
            The header of the kernel names the flags. The first window looks for them. Then a program gives one of
            them to unshare(2) and compares its link mnt.
        """,
        found="CLONE_NEWNS makes a mount namespace: the flag says only “new namespace”.",
        why="""
            In 2002 (Linux 2.4.19) mount namespaces were the only kind, and nobody thought of others. The header still
            has the comment. All later flags name their kind (mount_namespaces(7)).
        """,
        watch=[first],
        claims=["mnt-03"],
        ask=Choice("Which flag makes a new mount namespace?", "CLONE_NEWMNT", "CLONE_NEWNS", "CLONE_FS"),
    ) as step:
        text = first.run("grep 'define CLONE_NEW' /usr/include/linux/sched.h")
        flags = {line.split()[1]: int(line.split()[2], 16) for line in text.splitlines()}
        links = run_in_new(Clone(0), mnt_link_before_and_after, flags["CLONE_NEWNS"])
        step.answer(
            {
                "CLONE_NEWMNT": "CLONE_NEWMNT" in flags,
                "CLONE_NEWNS": "CLONE_NEWMNT" not in flags and links[0] != links[1],
                "CLONE_FS": links[0] == links[1],
            },
            saw=(text, links),
        )
        assert flags["CLONE_NEWNS"] == Clone.NEWNS
        assert links[0] != links[1]
        assert not any("MNT" in flag or "MOUNT" in flag for flag in flags)


def test_no_relation(lab: Lab) -> None:
    """Mounts that travel.

    The notes say that after the copy the two namespaces have no relation. Two directories are prepared on the host:
    each is mounted on itself, and one of these mounts is made *shared*.
    """
    first, second = one_host(lab)
    prepare(second, "shared", "--make-shared")
    prepare(second, "private", "--make-private")

    with lab.step(
        "A namespace, straight from the system call",
        """
            A program calls unshare(CLONE_NEWNS) and nothing else. The first window enters its namespace. Then the
            host mounts a tmpfs below both directories.
        """,
        found="Mounts below a shared mount appear in every copy of it, also in other namespaces.",
        why="""
            A shared mount and its copies form a peer group. What is mounted or unmounted below one of them happens
            below all of them. The copy that unshare(2) makes of a shared mount joins the group. mountinfo shows the
            group as shared:N (mount_namespaces(7)).
        """,
        hint="What did --make-shared ask for?",
        watch=[first, second],
        claims=["mnt-05"],
        ask=Choice(
            "Which of the two new mounts does the new namespace see?",
            "both",
            "only the one below shared",
            "only the one below private",
            "none",
        ),
    ) as step:
        child = lab.keep(start_inside(second.pid, ["mnt"], new_mount_namespace))
        child.hear()
        first.enter(f"nsenter --mount --target {child.pid} --wdns={lab.directory} /bin/bash")
        second.run("mount -t tmpfs host shared/a")
        second.run("mount -t tmpfs host private/a")
        seen = sees(first, "shared/a"), sees(first, "private/a")
        step.answer(
            {
                "both": seen == (True, True),
                "only the one below shared": seen == (True, False),
                "only the one below private": seen == (False, True),
                "none": seen == (False, False),
            },
            saw=seen,
        )
        assert seen == (True, False)
        assert propagation(first, "shared") == propagation(second, "shared") != []
        assert propagation(first, "private") == []

    with lab.step(
        "And the other way round",
        """
            Now the first window, in the new namespace, mounts a tmpfs below both directories, and unmounts the one of
            the host.
        """,
        found="A shared mount works in both directions, and for umount too.",
        why="""
            No member of a peer group is above the others. A container with a shared / could change the mounts of its
            host.
        """,
        watch=[first, second],
        claims=["mnt-x01"],
        ask=Choice(
            "What does the host see of that below shared?",
            "nothing of it",
            "the new mount, and its own is still there",
            "the new mount, and its own is gone",
        ),
    ) as step:
        first.run("mount -t tmpfs container shared/b")
        first.run("mount -t tmpfs container private/b")
        first.run("umount shared/a")
        came, stayed = sees(second, "shared/b"), sees(second, "shared/a")
        step.answer(
            {
                "nothing of it": not came and stayed,
                "the new mount, and its own is still there": came and stayed,
                "the new mount, and its own is gone": came and not stayed,
            },
            saw=(came, stayed),
        )
        assert (came, stayed) == (True, False)
        assert not sees(second, "private/b")
        assert sees(second, "private/a")


def test_what_unshare_does_besides(lab: Lab) -> None:
    """What unshare does besides.

    The directory shared is a shared mount of the host again. This time the program unshare(1) makes the namespace.
    """
    first, second = one_host(lab)
    prepare(second, "shared", "--make-shared")

    with lab.step(
        "unshare, as everybody types it",
        "The first window runs unshare --mount. Then the host mounts a tmpfs below the shared directory.",
        found="unshare(1) makes all mounts of the new namespace private: that is why the notes seem to be right.",
        why="""
            Since util-linux 2.27 unshare(1) calls mount(2) with MS_REC | MS_PRIVATE on / after unshare(2), unless
            --propagation says otherwise. Container engines do the same, or make everything a slave.
        """,
        watch=[first, second],
        claims=["mnt-f2"],
        ask=Choice("Does the mount of the host arrive in the first window?", "yes", "yes, but empty", "no"),
    ) as step:
        first.enter("unshare --mount /bin/bash")
        second.run("mount -t tmpfs host shared/a")
        second.run("touch shared/a/letter")
        arrived, letter = sees(first, "shared/a"), first.run("ls shared/a")
        step.answer(
            {
                "yes": arrived and letter == "letter",
                "no": not arrived,
                "yes, but empty": arrived and letter == "",
            },
            saw=(arrived, letter),
        )
        assert not arrived
        assert propagation(second, "shared") != []
        assert propagation(first, "shared") == []
        first.exit()

    with lab.step(
        "unshare --propagation slave",
        "The same with --propagation slave. First the host mounts something, then the first window does.",
        found="A slave receives from its master, and gives nothing back.",
        why="""
            mountinfo says master:N in the place of shared:N. systemd services and many containers have their mounts
            like this: a disk that is plugged in outside appears inside, and nothing goes out (mount_namespaces(7)).
        """,
        hint="Who is the master?",
        watch=[first, second],
        claims=["mnt-f3"],
        ask=Choice(
            "Which mount arrives on the other side?",
            "both",
            "only that of the host",
            "only that of the first window",
            "none",
        ),
    ) as step:
        first.enter("unshare --mount --propagation slave /bin/bash")
        second.run("mount -t tmpfs host shared/b")
        first.run("mount -t tmpfs container shared/c")
        both = sees(first, "shared/b"), sees(second, "shared/c")
        step.answer(
            {
                "both": both == (True, True),
                "only that of the host": both == (True, False),
                "only that of the first window": both == (False, True),
                "none": both == (False, False),
            },
            saw=both,
        )
        assert both == (True, False)
        (group,) = propagation(second, "shared")
        assert propagation(first, "shared") == [group.replace("shared:", "master:")]


def test_unbindable(lab: Lab) -> None:
    """The fourth type.

    A bind mount shows a directory in a second place. A mount may refuse that.
    """
    (first,) = one_host(lab, "first")
    prepare(first, "closed", "--make-private")

    with lab.step(
        "Bind it, twice",
        """
            The directory closed is a mount of its own. It is bound to the directory copy. Then it is made unbindable,
            and bound once more.
        """,
        found="An unbindable mount cannot be bound anywhere.",
        why="""
            unbindable is private, and more: mount(2) with MS_BIND answers EINVAL. It keeps trees from growing:
            binding / below itself again and again would double the list each time (mount_namespaces(7)).
        """,
        watch=[first],
        claims=["mnt-f4"],
        ask=Choice("How does the second bind mount end?", "it works", "with EINVAL", "with EPERM", "with EBUSY"),
    ) as step:
        first.run("mkdir copy && mount --bind closed copy && umount copy")
        first.run("mount --make-unbindable closed")
        refused = first.run("mount --bind closed copy", status=(0, 32))
        code = run_inside(
            first.pid,
            ["user", "mnt"],
            errno_of,
            mount,
            lab.directory / "closed",
            lab.directory / "copy",
            None,
            Mount.BIND,
        )
        step.answer(
            {
                "it works": code == "",
                "with EINVAL": code == "EINVAL",
                "with EPERM": code == "EPERM",
                "with EBUSY": code == "EBUSY",
            },
            saw=(refused, code),
        )
        assert refused.status == 32
        assert code == "EINVAL"
        assert propagation(first, "closed") == ["unbindable"]


def test_groups_and_chains(lab: Lab) -> None:
    """Groups and chains of mounts.

    A slave may be shared itself, and have slaves. The fields shared, master and propagate_from in mountinfo tell it.
    """
    (first,) = one_host(lab, "first")
    prepare(first, "root", "--make-private")
    first.run("mkdir root/top root/below between")

    with lab.step(
        "A chain of three",
        """
            top is shared. between is a slave of it, and shared itself. below is a slave of between. Then something is
            mounted below top.
        """,
        found="A mount travels down the whole chain.",
        why="Each new mount is propagated to all peers and slaves, and from these to theirs (fs/pnode.c).",
        watch=[first],
        claims=["mnt-f5"],
        ask=Number("Below how many of the three directories is the mount then seen?"),
    ) as step:
        first.run("mount -t tmpfs chain root/top && mount --make-shared root/top && mkdir root/top/a")
        first.run("mount --bind root/top between && mount --make-slave between && mount --make-shared between")
        first.run("mount --bind between root/below && mount --make-slave root/below")
        first.run("mount -t tmpfs letter root/top/a")
        places = [place for place in ("root/top", "between", "root/below") if sees(first, f"{place}/a")]
        step.answer(len(places))
        assert places == ["root/top", "between", "root/below"]
        (top,), between, (below,) = (propagation(first, place) for place in ("root/top", "between", "root/below"))
        assert sorted(each.partition(":")[0] for each in between) == ["master", "shared"]
        assert top.replace("shared", "master") in between
        assert below.replace("master", "shared") in between

    with lab.step(
        "The same chain, seen by a prisoner",
        """
            A program makes root its root directory (chroot). It sees top and below, and not between. Look at what
            mountinfo tells it of below.
        """,
        found="propagate_from names the nearest master that the process can see.",
        why="""
            master:N names the group between, which has no mount below the root of the process. So the kernel adds
            propagate_from:M, the next group above that has one (proc_pid_mountinfo(5)).
        """,
        hint="It receives mounts from a group of which it sees nothing.",
        watch=[first],
        claims=["mnt-f6"],
        ask=Choice(
            "How many of the groups above it does mountinfo name for below?",
            "none",
            "one: between",
            "two: between and top",
        ),
    ) as step:
        child = step.keep(start_inside(first.pid, ["mnt"], tell_and_stay, in_root, lab.directory / "root"))
        child.hear()
        step.watch(child)
        fields = next(each["propagation"] for each in mounts.table(child.pid) if each["point"].endswith("/below"))
        step.answer(
            {
                "none": fields == [],
                "one: between": len(fields) == 1,
                "two: between and top": len(fields) == 2,
            },
            saw=fields,
        )
        assert {field.partition(":")[0] for field in fields} == {"master", "propagate_from"}
        assert top.partition(":")[2] in {
            field.partition(":")[2] for field in fields if field.startswith("propagate_from")
        }


def test_less_rights(lab: Lab) -> None:
    """Mounts for who has less rights.

    A mount namespace belongs to a user namespace. Here the first window makes both at once, and is root only there.
    """
    first, second = one_host(lab)
    prepare(second, "shared", "--make-shared")
    second.run("mkdir box2 && mount -t tmpfs -o ro host box2")

    with lab.step(
        "What becomes of a shared mount",
        """
            The first window makes a new user namespace and a new mount namespace; unshare is told to leave the
            propagation as it is. Look at the mount shared in both windows.
        """,
        found="With a new user namespace, shared becomes slave: nothing may go out to who has more rights.",
        why="""
            A process that is root only in its own user namespace must not change what the host sees. So the kernel
            makes every shared mount of the copy a slave (mount_namespaces(7), "Restrictions on mount namespaces").
        """,
        hint="Who would see a mount that the first window makes?",
        watch=[first, second],
        claims=["mnt-x02"],
        ask=Choice(
            "The host has shared:N. What does mountinfo of the first window say?", "shared:N", "master:N", "neither"
        ),
    ) as step:
        first.enter("unshare --user --map-root-user --mount --propagation unchanged /bin/bash")
        (outside,), inside = propagation(second, "shared"), propagation(first, "shared")
        number = outside.partition(":")[2]
        step.answer(
            {"shared:N": inside == [outside], "master:N": inside == [f"master:{number}"], "neither": inside == []},
            saw=inside,
        )
        assert outside.startswith("shared:")
        assert inside == [f"master:{number}"]

    with lab.step(
        "Take away what the host has mounted",
        "The first window, root in its user namespace, tries to unmount box2, which it can see in its list.",
        found="Mounts that were inherited are locked together: they cannot be taken off one by one.",
        why="""
            Under a mount there may be files that the host has hidden. Who has less rights may not uncover them:
            umount2(2) answers EINVAL. The program umount takes that for “not mounted”, which is misleading.
        """,
        watch=[first, second],
        claims=["mnt-x03"],
        ask=Choice("What does umount2(2) answer?", "it works", "EPERM", "EINVAL", "EBUSY"),
    ) as step:
        said = first.run("umount box2", status=(0, 32))
        code = run_inside(first.pid, ["user", "mnt"], errno_of, umount2, lab.directory / "box2")
        step.answer(
            {
                "it works": code == "",
                "EPERM": code == "EPERM",
                "EINVAL": code == "EINVAL",
                "EBUSY": code == "EBUSY",
            },
            saw=(said, code),
        )
        assert code == "EINVAL"
        assert said.endswith("box2: not mounted.")
        assert sees(first, "box2")

    with lab.step(
        "Make it writable",
        "box2 is read-only, and root in the user namespace would like to write there: mount -o remount,bind,rw.",
        found="A locked flag stays: what the host made read-only stays read-only.",
        why="""
            Read-only, nodev, nosuid and noexec of an inherited mount are locked too. Taking one off is answered by
            EPERM.
        """,
        watch=[first, second],
        claims=["mnt-f14"],
        ask=Choice("What does mount(2) answer?", "it works", "EPERM", "EINVAL", "EROFS"),
    ) as step:
        first.run("mount -o remount,bind,rw box2", status=(0, 32))
        code = run_inside(
            first.pid, ["user", "mnt"], errno_of, mount, None, lab.directory / "box2", None, Mount.REMOUNT | Mount.BIND
        )
        step.answer(
            {
                "it works": code == "",
                "EPERM": code == "EPERM",
                "EINVAL": code == "EINVAL",
                "EROFS": code == "EROFS",
            },
            saw=code,
        )
        assert code == "EPERM"
        assert "Read-only file system" in first.run("touch box2/new", status=1)


def test_what_an_ordinary_user_may_mount(lab: Lab) -> None:
    """What an ordinary user may mount.

    An ordinary user makes a user namespace and a mount namespace, and is root there. Which file systems can be
    mounted?
    """
    first = lab.window("first")
    first.run("mkdir box && chmod 777 box")

    with lab.step(
        "Three file systems",
        "The ordinary user mounts a tmpfs, then a new proc, then ext4 from a device, all on the directory box.",
        found="tmpfs may be mounted, proc only with a PID namespace of one's own, and no disk.",
        why="""
            Each file system says whether it may be mounted in a user namespace (FS_USERNS_MOUNT). Those of disks do
            not: a forged disk could attack the kernel. A new proc shows the PID namespace, so that must be one's own.
        """,
        hint="The kernel reads everything on a disk with full rights.",
        watch=[first],
        files=["/proc/filesystems"],
        claims=["mnt-x04"],
        ask=Choice(
            "Which can be mounted in a new user namespace and mount namespace?",
            "all three",
            "tmpfs and proc",
            "only tmpfs",
            "none",
        ),
    ) as step:
        if "\text4\n" not in Path("/proc/filesystems").read_text():
            lab.unsupported("this kernel has no ext4", "use the VM (vagrant up)")
        first.enter(f"{lab.ordinary_user} unshare --user --map-root-user --mount /bin/bash")
        attempts = [
            first.run(f"mount -t {fstype} {source} box", status=(0, 1, 32))
            for fstype, source in (("tmpfs", "mine"), ("proc", "proc"), ("ext4", "/dev/zero"))
        ]
        works = tuple(attempt.status == 0 for attempt in attempts)
        step.answer(
            {
                "all three": works == (True, True, True),
                "tmpfs and proc": works == (True, True, False),
                "only tmpfs": works == (True, False, False),
                "none": works == (False, False, False),
            },
            saw=attempts,
        )
        assert works == (True, False, False)
        assert "permission denied" in attempts[1]
        assert "permission denied" in attempts[2]
        first.enter("unshare --pid --fork /bin/bash")
        first.run("mount -t proc proc box")
        assert first.run("ls box | grep -x 1") == "1"


def test_kept_by_a_file(lab: Lab) -> None:
    """Kept by a file.

    A namespace ends with its last process, unless something keeps it. A mount namespace can be kept by a mount.
    """
    with one_processor():
        first, second = one_host(lab)
    prepare(first, "pins", "--make-private")

    with lab.step(
        "A namespace without a process",
        """
            The first window makes a mount namespace and mounts a tmpfs called kept in it. The second window binds its
            file in /proc to pins/ns. Then the shell in the namespace ends, and nsenter enters through the file.
        """,
        found="A bind mount of /proc/PID/ns/mnt keeps a mount namespace, with all its mounts.",
        why="""
            /proc/PID/ns/mnt belongs to nsfs, a file system of the kernel for namespaces. Bound to a file, it is a
            reference that stays. The mount must be private and lie in an older namespace: one that held itself would
            never end.
        """,
        watch=[first, second],
        claims=["mnt-x06"],
        ask=Choice(
            "What does nsenter find after the last process has ended?", "the mount kept", "an empty list", "an error"
        ),
    ) as step:
        first.enter("unshare --mount /bin/bash")
        first.run("mount -t tmpfs kept box")
        second.run(f"touch pins/ns && mount --bind /proc/{first.pid}/ns/mnt pins/ns")
        first.exit()
        inside = first.run("nsenter --mount=pins/ns grep -c ' kept ' /proc/self/mountinfo", status=None)
        step.answer(
            {"the mount kept": inside == "1", "an empty list": inside == "0", "an error": inside.status not in (0, 1)},
            saw=inside,
        )
        assert inside == "1"
        entry = mounts.by_point(first.pid)[str(lab.directory / "pins/ns")]
        assert entry["fstype"] == "nsfs"
        assert entry["root"].startswith("mnt:[")
        assert first.run("grep -c ' kept ' /proc/self/mountinfo", status=1) == "0"


# What the steps use


def prepare(window: Window, name: str, propagation: str) -> None:
    """Make a directory that is a mount of its own, of a type of propagation, with folders a, b and c in it."""
    window.run(f"mkdir -p {name}/a {name}/b {name}/c && mount --bind {name} {name} && mount {propagation} {name}")


def propagation(window: Window, name: str) -> list[str]:
    """The optional fields of a mount: ["shared:5"], ["master:5"], [] for a private one."""
    fields: list[str] = mounts.by_point(window.pid)[here(window, name)]["propagation"]
    return fields


def mount_point_of(window: Window, path: Path) -> str:
    """The mount point below which a path lies."""
    points = mounts.by_point(window.pid)
    return next(str(each) for each in (path, *path.parents) if str(each) in points)


def sees(window: Window, name: str) -> bool:
    """Whether a directory of the exercise is a mount point in the namespace of a window."""
    return here(window, name) in mounts.by_point(window.pid)


def here(window: Window, name: str) -> str:
    return f"{os.readlink(f'/proc/{window.shell}/cwd')}/{name}"


def mnt_link_before_and_after(flag: int) -> tuple[str, str]:
    before = os.readlink("/proc/self/ns/mnt")
    unshare(flag)
    return before, os.readlink("/proc/self/ns/mnt")


def new_mount_namespace() -> None:
    unshare(Clone.NEWNS)
    tell_and_stay(os.getpid)


def in_root(root: Path) -> list[str]:
    os.chroot(root)
    os.chdir("/")
    return os.listdir("/")
