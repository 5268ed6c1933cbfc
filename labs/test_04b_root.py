"""The root of a container: mounts upon mounts.

A mount namespace gives a process a list of mounts of its own. This lab shows what such a list is built from: parts of
the tree that are shown in a second place, mounts that can only be read, and another root. At the end stands the root
of a container, made by hand.
"""

import errno
import os
from pathlib import Path

from runtime.kernel import mounts
from runtime.kernel.errors import errno_of
from runtime.kernel.namespaces import run_in_new, run_inside
from runtime.kernel.syscalls import (
    AT_RECURSIVE,
    MNT_DETACH,
    MOUNT_ATTR_RDONLY,
    MOVE_MOUNT_F_EMPTY_PATH,
    Clone,
    Mount,
    SyscallError,
    mount,
    mount_setattr,
    move_mount,
    pivot_root,
    umount2,
    unshare,
)
from runtime.lab import Choice, Lab, Number, Window, needs, one_host

pytestmark = [needs("unshare", "nsenter", "mount", "mnt namespace")]

AT_FDCWD = -100  # the working directory, where a call wants a descriptor of a directory


def test_bind_mounts(lab: Lab) -> None:
    """One directory in two places.

    A bind mount needs no new file system: it shows a part of the tree in a second place. Volumes of containers are
    nothing else.
    """
    (first,) = one_host(lab, "first")
    first.run("mkdir -p house/cellar flat")
    first.run("mount -t tmpfs deep house/cellar && touch house/cellar/wine house/table")

    with lab.step(
        "Bind a directory",
        "In house there is a file, table, and a mount, cellar, with the file wine. house is bound to flat.",
        found="A bind mount shows one mount; what is mounted below it is left out.",
        why="MS_BIND copies one mount. With MS_REC (mount --rbind) the kernel copies all below it as well (mount(2)).",
        watch=[first],
        claims=["mnt-f7"],
        ask=Choice("What can be seen in flat?", "table and wine", "only table", "only wine", "nothing"),
    ) as step:
        first.run("mount --bind house flat")
        seen = first.run("ls -R flat").split()
        step.answer(
            {
                "table and wine": "table" in seen and "wine" in seen,
                "only table": "table" in seen and "wine" not in seen,
                "only wine": "table" not in seen and "wine" in seen,
                "nothing": "table" not in seen and "wine" not in seen,
            },
            saw=seen,
        )
        assert "table" in seen
        assert "wine" not in seen
        first.run("umount flat")
        first.run("mount --rbind house flat")
        assert first.run("ls flat/cellar") == "wine"

    with lab.step(
        "Bind a file",
        """
            A bind mount of a single file: the file note is bound over the file table. Look at the field root in
            mountinfo.
        """,
        found="A file can be a mount point too. mountinfo names in root which part of its file system is shown.",
        why="This is how Docker puts /etc/hosts and /etc/resolv.conf into a container.",
        watch=[first],
        claims=["mnt-f8"],
        ask=Choice(
            "The file table was empty. What does `cat house/table` print?", "nothing", "the text of note", "an error"
        ),
    ) as step:
        first.run("echo new > note")
        first.run("mount --bind note house/table")
        printed = first.run("cat house/table", status=None)
        step.answer(
            {
                "nothing": printed == "" and printed.status == 0,
                "the text of note": printed == "new",
                "an error": printed.status != 0,
            },
            saw=printed,
        )
        assert printed == "new"
        entry = mounts.by_point(first.pid)[str(lab.directory / "house/table")]
        assert entry["root"].endswith("/note")
        first.run("umount house/table")
        assert first.run("cat house/table") == ""


def test_read_only(lab: Lab) -> None:
    """Read-only, and not.

    A container often gets a directory of the host that it may only read. There is an old trap in that.
    """
    (first,) = one_host(lab, "first")
    first.run("mkdir -p house/cellar flat && mount -t tmpfs deep house/cellar")

    with lab.step(
        "Both flags in one call",
        "A program calls mount(2) once, with MS_BIND and MS_RDONLY. Then it writes a file into the new mount.",
        found="mount(2) ignores MS_RDONLY beside MS_BIND: a second call must set it.",
        why="""
            With MS_BIND all other flags but MS_REC are ignored (mount(2)). The second call is
            MS_REMOUNT | MS_BIND | MS_RDONLY. mount(8) makes both for `-o bind,ro`, so nobody notices.
        """,
        watch=[first],
        claims=["mnt-f9"],
        ask=Choice("What does the program find when it writes?", "EROFS: read-only file system", "EACCES", "it works"),
    ) as step:
        house, flat = lab.directory / "house", lab.directory / "flat"
        once, twice = run_inside(first.pid, ["user", "mnt"], bind_read_only, house, flat)
        step.answer(
            {
                "EROFS: read-only file system": once == "EROFS",
                "EACCES": once == "EACCES",
                "it works": once == "",
            },
            saw=once,
        )
        assert (once, twice) == ("", "EROFS")

    with lab.step(
        "And what is mounted below",
        """
            house is bound to flat with all below it (--rbind), and flat is made read-only. Then a file is written
            into flat, and one into flat/cellar.
        """,
        found="Read-only means one mount. What is mounted below it can still be written.",
        why="""
            The flag belongs to a mount, not to a part of the tree. mount_setattr(2) with AT_RECURSIVE (Linux 5.12)
            sets it for all mounts below in one call; Docker offers that as `readonly` with `bind-recursive`.
        """,
        hint="flat/cellar is another mount.",
        watch=[first],
        claims=["mnt-f10"],
        ask=Choice("Where can a file be made?", "in both", "only in flat", "only in flat/cellar", "in none"),
    ) as step:
        first.run("mount --rbind house flat && mount -o remount,bind,ro flat")
        written = tuple(first.run(f"touch {place}/new", status=(0, 1)).status == 0 for place in ("flat", "flat/cellar"))
        step.answer(
            {
                "in both": written == (True, True),
                "only in flat": written == (True, False),
                "only in flat/cellar": written == (False, True),
                "in none": written == (False, False),
            },
            saw=written,
        )
        assert written == (False, True)

    with lab.step(
        "All of them at once",
        "A program calls mount_setattr(2) with AT_RECURSIVE on flat. The file is written once more.",
        found="mount_setattr(2) changes a mount and all below it.",
        why="It changes all, or none if one of them refuses. It belongs to the calls that came since Linux 5.2.",
        watch=[first],
        claims=["mnt-f11"],
        ask=Choice(
            "What does touch say now in flat/cellar?", "nothing: it works", "Permission denied", "Read-only file system"
        ),
    ) as step:
        code = run_inside(first.pid, ["user", "mnt"], read_only_below, lab.directory / "flat")
        if code == "ENOSYS":
            lab.unsupported("mount_setattr(2) came with Linux 5.12", "use the VM (vagrant up), which has Linux 6.1")
        said = first.run("touch flat/cellar/newer", status=(0, 1))
        step.answer(
            {
                "nothing: it works": said.status == 0,
                "Permission denied": "Permission denied" in said,
                "Read-only file system": "Read-only file system" in said,
            },
            saw=said,
        )
        assert "Read-only file system" in said
        assert first.run("touch house/cellar/other; ls house/cellar").split() == ["new", "other"]


def test_a_way_out(lab: Lab) -> None:
    """A way out.

    chroot(2) gives a process another root directory. pivot_root(2) gives the mount namespace another root mount. Both
    look the same from inside.
    """
    (first,) = one_host(lab, "first")
    first.run("mkdir -p prison/old && touch prison/bread && mount --bind prison prison")

    with lab.step(
        "Behind chroot",
        """
            A program with root's rights calls chroot(2) on prison. Then it tries the old trick: chroot once more into
            a directory below, without going there, and then `..` again and again.
        """,
        found="A process with CAP_SYS_CHROOT walks out of a chroot.",
        why="""
            The kernel stops `..` only at the root directory of the process. After the second chroot the working
            directory lies above that, so `..` goes on up to the real root. chroot(2) says it: it is no security
            measure.
        """,
        hint="Where is the working directory, and where is the root, after the second chroot?",
        watch=[first],
        claims=["mnt-f12"],
        ask=Choice("What is at the top of `..` after the trick?", "prison", "the root of the host", "an error"),
    ) as step:
        before, after = run_inside(first.pid, ["user", "mnt"], locked_in_by_chroot, lab.directory / "prison")
        step.answer(
            {
                "prison": "bread" in after,
                "the root of the host": "etc" in after,
                "an error": after == [],
            },
            saw=after,
        )
        assert before == ["bread", "old"]
        assert set(after) == set(first.run("ls -A /").split())

    first.run("rmdir prison/x")
    with lab.step(
        "Behind pivot_root",
        """
            The same program, but it calls pivot_root(2) in a mount namespace of its own and unmounts the old root.
            Then it tries the same trick.
        """,
        found="After pivot_root and umount there is no way to the old files: they are not in the list.",
        why="""
            pivot_root(2) exchanges the root mount itself, and umount2(2) takes the old one out of the list. `..`
            cannot go up to a mount that is not there. Container runtimes use this, and not chroot.
        """,
        watch=[first],
        claims=["mnt-f13"],
        ask=Choice("And what is at the top of `..` this time?", "prison", "the root of the host", "an error"),
    ) as step:
        before, after = run_inside(first.pid, ["user", "mnt"], locked_in_by_pivot_root, lab.directory / "prison")
        step.answer(
            {
                "prison": "bread" in after,
                "the root of the host": "etc" in after,
                "an error": after == [],
            },
            saw=after,
        )
        assert before == ["bread", "old"]
        assert set(after) == {"bread", "old", "x"}


def test_the_new_calls(lab: Lab) -> None:
    """A mount in steps.

    mount(2) does everything at once, and tells every fault by one number. Since Linux 5.2 there are calls for each
    part.
    """
    (first,) = one_host(lab, "first")
    if not has_new_mount_calls():
        lab.unsupported("fsopen(2) came with Linux 5.2", "use the VM (vagrant up), which has Linux 6.1")

    with lab.step(
        "Prepare, make, attach",
        """
            A program calls fsopen, fsconfig and fsmount, and makes a file in the new mount. Only then move_mount
            attaches it to box.
        """,
        found="A mount can exist, and hold files, before it is attached anywhere.",
        why="""
            fsmount(2) gives a descriptor of a mount that is in no list. Nobody can be in the way while it is filled.
            A container runtime prepares a mount like this, and attaches it when it is ready.
        """,
        watch=[first],
        claims=["mnt-f15"],
        ask=Choice(
            "When does the mount appear in mountinfo?", "with fsopen", "with fsmount", "with move_mount", "never"
        ),
    ) as step:
        stages = run_inside(first.pid, ["user", "mnt"], mount_in_steps, lab.directory / "box")
        appeared = [name for name, seen in stages.items() if seen]
        step.answer(
            {
                "with fsopen": len(appeared) == 3,
                "with fsmount": appeared == ["fsmount", "move_mount"],
                "with move_mount": appeared == ["move_mount"],
                "never": appeared == [],
            },
            saw=stages,
        )
        assert appeared == ["move_mount"]
        assert first.run("ls box") == "early"

    with lab.step(
        "Ask for mounts by number",
        """
            listmount(2) gives the numbers of all mounts, statmount(2) tells about one of them. The program compares
            them with the lines of mountinfo.
        """,
        found="statmount and listmount tell the same as mountinfo, one mount at a time.",
        why="""
            A host with thousands of containers has tens of thousands of mounts, and who wants to know one had to read
            all lines. Linux 6.8 has calls for it. Their numbers are never given again, unlike those of mountinfo.
        """,
        watch=[first],
        claims=["mnt-f16"],
        ask=Choice("How many mounts does listmount tell, beside the lines of mountinfo?", "fewer", "as many", "more"),
    ) as step:
        try:
            told, lines = run_inside(first.pid, ["user", "mnt"], mounts_by_number)
        except SyscallError as error:
            if error.errno != errno.ENOSYS:
                raise
            lab.unsupported("listmount(2) came with Linux 6.8", "boot a newer kernel, such as that of Debian 13")
        step.answer(
            {"fewer": len(told) < len(lines), "as many": len(told) == len(lines), "more": len(told) > len(lines)},
            saw=(len(told), len(lines)),
        )
        assert sorted(told) == sorted(lines)


def test_the_root_of_a_container(lab: Lab) -> None:
    """The root of a container.

    All parts together, in the order in which a container runtime does it: a directory becomes the whole world of a
    shell.
    """
    first, second = one_host(lab)
    folders = " ".join(name for name in ("bin", "sbin", "lib", "lib64") if Path("/", name).is_symlink())
    second.run(f"mkdir -p image/usr image/proc image/old && cp -P $(printf '/%s ' {folders}) image")

    with lab.step(
        "Namespaces, and a mount for the root",
        """
            The first window gets a PID namespace and a mount namespace. Then the directory image is bound to itself,
            and /usr of the host is bound into it, read-only.
        """,
        found="pivot_root wants a mount, so a directory is bound to itself first.",
        why="""
            pivot_root(2) exchanges mounts. A plain directory is none: without the bind mount the call answers EINVAL.
        """,
        watch=[first, second],
        shows=["mnt-06"],
        ask=Choice("Without the bind mount, what does pivot_root(2) answer?", "it works", "EPERM", "EINVAL", "ENOTDIR"),
    ) as step:
        first.enter("unshare --pid --mount --fork /bin/bash")
        code = run_inside(first.pid, ["user", "mnt"], pivot_errno, lab.directory / "image")
        step.answer(
            {
                "it works": code == "",
                "EPERM": code == "EPERM",
                "EINVAL": code == "EINVAL",
                "ENOTDIR": code == "ENOTDIR",
            },
            saw=code,
        )
        assert code == "EINVAL"
        first.run("mount --bind image image")
        first.run("mount --bind -o ro /usr image/usr")
        assert sees(first, "image")
        assert not sees(second, "image")

    with lab.step(
        "Change the root",
        """
            The shell makes image the root of its mount namespace, mounts a new proc, and takes the old root away.
            What is left in its list?
        """,
        found="A new root, a new proc, and nothing else: that is the file system of a container.",
        why="""
            pivot_root(8) moves the old root to old. umount -l takes it out of the list with all below it, also while
            it is in use. proc shows the new PID namespace, because it is mounted from inside.
        """,
        hint="Count what was mounted in this exercise, and is still there.",
        watch=[first, second],
        files=["/proc/PID/root"],
        claims=["mnt-06"],
        ask=Number("How many mounts are left in the list of the container?"),
    ) as step:
        first.run("cd image && pivot_root . old && cd /")
        first.run("mount -t proc proc /proc")
        first.run("umount -l /old")
        left = first.run("cut -d ' ' -f 2 /proc/mounts").split()
        step.answer(len(left))
        assert left == ["/", "/usr", "/proc"]
        assert first.run("echo $$") == "1"
        assert set(first.run("ls /").split()) == {*folders.split(), "usr", "proc", "old"}
        assert "Read-only file system" in first.run("touch /usr/new", status=1)
        assert str(lab.directory / "image") not in mounts.by_point(second.pid)


# What the steps use


def sees(window: Window, name: str) -> bool:
    """Whether a directory of the exercise is a mount point in the namespace of a window."""
    return here(window, name) in mounts.by_point(window.pid)


def here(window: Window, name: str) -> str:
    return f"{os.readlink(f'/proc/{window.shell}/cwd')}/{name}"


def pivot_errno(root: Path) -> str:
    os.chdir(root)
    return errno_of(pivot_root, ".", "old")


def bind_read_only(source: Path, target: Path) -> tuple[str, str]:
    """The errno of making a file after one call with both flags, and after the second call."""
    mount(source, target, None, Mount.BIND | Mount.RDONLY)
    once = errno_of((target / "once").touch)
    mount(None, target, None, Mount.REMOUNT | Mount.BIND | Mount.RDONLY)
    twice = errno_of((target / "twice").touch)
    umount2(target)
    return once, twice


def read_only_below(target: Path) -> str:
    return errno_of(lambda: mount_setattr(AT_FDCWD, target, AT_RECURSIVE, attr_set=MOUNT_ATTR_RDONLY))


def locked_in_by_chroot(root: Path) -> tuple[list[str], list[str]]:
    os.chroot(root)
    os.chdir("/")
    return sorted(os.listdir("/")), the_trick()


def locked_in_by_pivot_root(root: Path) -> tuple[list[str], list[str]]:
    unshare(Clone.NEWNS)
    os.chdir(root)
    pivot_root(".", "old")
    umount2("/old", MNT_DETACH)
    os.chdir("/")
    return sorted(os.listdir("/")), the_trick()


def mount_in_steps(target: Path) -> dict[str, bool]:
    """Whether the mount is in mountinfo after each of the calls."""
    seen = {}
    context = mounts.fsopen("tmpfs")
    mounts.fsconfig(context, mounts.FSCONFIG_CMD_CREATE)
    seen["fsopen"] = is_mounted(target)
    tree = mounts.fsmount(context)
    os.close(os.open("early", os.O_CREAT | os.O_WRONLY, dir_fd=tree))
    seen["fsmount"] = is_mounted(target)
    move_mount(tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH)
    seen["move_mount"] = is_mounted(target)
    return seen


def mounts_by_number() -> tuple[list[str], list[str]]:
    """The mount points as listmount and statmount tell them, and as mountinfo does."""
    told = [mounts.statmount(each)["point"] for each in mounts.listmount()]
    return told, [each["point"] for each in mounts.table(os.getpid())]


def has_new_mount_calls() -> bool:
    return run_in_new(Clone.NEWNS, errno_of, mounts.fsopen, "tmpfs") != "ENOSYS"


def the_trick() -> list[str]:
    """What lies at the top of `..` when the root directory is below the working directory."""
    os.makedirs("x", exist_ok=True)
    os.chroot("x")
    for _ in range(64):
        os.chdir("..")
    return sorted(os.listdir("."))


def is_mounted(target: Path) -> bool:
    return str(target) in {each["point"] for each in mounts.table(os.getpid())}
