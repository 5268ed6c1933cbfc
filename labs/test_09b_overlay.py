"""overlay in depth: options, limits, and unions without root.

Lab 09 showed what overlay does by itself: copy-up, whiteouts, opaque directories. It has options that change some of
this, because engines asked for them: for big files, for directories, for hard links, and for ordinary users.

Two words again. *Copy-up* is the copy of a file from below to the upper directory, before its first change. The
*workdir* is a directory beside the upper one in which the kernel prepares what it puts there.
"""

import errno
import os
import signal
from typing import Any

from runtime.kernel import proc, unions
from runtime.kernel.namespaces import run_inside, tell
from runtime.kernel.syscalls import mount
from runtime.lab import Choice, Lab, Number, Window, needs
from runtime.lab.branches import (
    LAYERS,
    THE_TABLE,
    attribute,
    contradictions,
    errno_of,
    listing,
    make_branches,
    need_attributes,
    need_userxattr,
    overlay,
    same_file,
    sources,
    start,
    union_of,
)

pytestmark = [needs("unshare", "mount", "mnt namespace", "overlay")]


@needs("root")
def test_copy_up_of_metadata(lab: Lab) -> None:
    """metacopy=on: only the properties are copied.

    To copy 8 MiB for one chmod is a waste. overlay has an option for it.
    """
    first = lab.window("first")
    make_branches(first)

    with lab.step(
        "chmod with metacopy=on",
        """
        The same chmod on a file of 8 MiB, but the union was mounted with metacopy=on. Compare the size of the file in
        Branch-0 with the room that it takes on the disk. Then a line is added to the file.
        """,
        found="With metacopy=on a chmod copies owner, mode and times only; the data follow at the first write.",
        why="""
            Since Linux 4.19. The file in the upperdir has the right size but no data, and the attribute
            overlay.metacopy; reads go to the file below. The attribute must not be forged by a user, so the option
            needs root.
        """,
        hint="A file may have a size without having data.",
        watch=[first],
        files=LAYERS,
        claims=["ovl-11"],
        ask=Choice(
            "chmod of a file of 8 MiB, with metacopy=on. How much disk does it take in Branch-0?",
            "less than 100 KiB",
            "4 MiB",
            "8 MiB",
        ),
    ) as step:
        first.run("head -c 8M /dev/zero > Branch-1/big")
        first.enter("unshare --mount /bin/bash")
        first.run(overlay(lab, "metacopy=on"))
        first.run("chmod 640 MountPoint/big")
        copied = int(first.run("du -k Branch-0/big").split()[0])
        step.answer(
            {"less than 100 KiB": copied < 100, "4 MiB": copied == 4 * 1024, "8 MiB": copied == 8 * 1024}, saw=copied
        )
        assert copied < 100
        assert listing(first, "Branch-0")["big"]["size"] == 8 * 1024 * 1024
        assert "trusted.overlay.metacopy" in os.listxattr(f"{lab.directory}/Branch-0/big")
        first.run("echo end >> MountPoint/big")
        assert os.stat(f"{lab.directory}/Branch-0/big").st_blocks * 512 >= 8 * 1024 * 1024
        assert "trusted.overlay.metacopy" not in os.listxattr(f"{lab.directory}/Branch-0/big")


@needs("root")
def test_rename_a_directory(lab: Lab) -> None:
    """To rename a directory from a lower branch.

    rename(2) of a directory is one quick step on any file system. In a union the directory may be in a branch that
    cannot change, with a thousand files in it.
    """
    first = lab.window("first")
    make_branches(first)

    with lab.step(
        "With redirect_dir=off",
        """
        The system call rename() is tried on MountPoint/dir. Then mv(1) does it in the window. Look at what is in
        Branch-0 afterwards.
        """,
        found="rename() of a directory from below fails with EXDEV, and mv copies all of it.",
        why="""
            EXDEV is the answer of rename(2) when the old and the new name are on different file systems. overlay gives
            it for a directory that is merged or comes from below. mv(1) then copies all files and deletes the old ones.
        """,
        hint="mv is not rename().",
        watch=[first],
        files=["/sys/module/overlay/parameters/redirect_dir", *LAYERS],
        claims=["ovl-06"],
        ask=Choice(
            "rename() of a directory that comes from Branch-1, with redirect_dir=off. What is the answer?",
            "it works",
            "EXDEV",
            "EROFS",
            "EPERM",
        ),
    ) as step:
        first.run("mkdir Branch-1/dir; echo b1 > Branch-1/dir/f.txt")
        first.enter("unshare --mount /bin/bash")
        first.run(overlay(lab, "redirect_dir=off"))
        refused = rename_inside(first, "dir", "renamed")
        step.answer(
            {
                "it works": refused == 0,
                "EXDEV": refused == errno.EXDEV,
                "EROFS": refused == errno.EROFS,
                "EPERM": refused == errno.EPERM,
            },
            saw=refused,
        )
        assert refused == errno.EXDEV
        first.run("mv MountPoint/dir MountPoint/renamed")
        assert first.run("cat Branch-0/renamed/f.txt") == "b1"
        assert listing(first, "Branch-0")["dir"]["mark"] == "whiteout"

    with lab.step(
        "With redirect_dir=on",
        "Branch-0 is cleaned up, and the union is mounted with redirect_dir=on. rename() is tried again.",
        found="With redirect_dir=on overlay makes an empty directory that says where its files are.",
        why="""
            The directory with the new name has the attribute overlay.redirect with the old one. What counts when the
            option is not given stands in /sys/module/overlay/parameters/redirect_dir.
        """,
        hint="A thousand files need not be copied to give them another path.",
        watch=[first],
        files=["/sys/module/overlay/parameters/redirect_dir", *LAYERS],
        shows=["ovl-06"],
        ask=Number(
            "rename() of dir, with one file in it, works now. How many files does this put into Branch-0/renamed?"
        ),
    ) as step:
        first.run("umount MountPoint; rm -r Branch-0/renamed Branch-0/dir")
        first.run(overlay(lab, "redirect_dir=on"))
        assert rename_inside(first, "dir", "renamed") == 0
        copied = first.run("ls -A Branch-0/renamed").split()
        step.answer(len(copied))
        assert copied == []
        assert attribute(first, "Branch-0/renamed", "redirect") == "dir"
        assert first.run("cat MountPoint/renamed/f.txt") == "b1"
        assert sources(first) == {**THE_TABLE, "renamed": 0, "renamed/f.txt": 1}
        assert contradictions(first) == []


def rename_inside(window: Window, old: str, new: str) -> int:
    """rename(2) in MountPoint, in the mount namespace of the window: 0, or the errno."""
    point = f"{os.readlink(f'/proc/{window.pid}/cwd')}/MountPoint"
    return run_inside(window.pid, ["mnt"], errno_of, os.rename, f"{point}/{old}", f"{point}/{new}")


@needs("root")
def test_hard_links(lab: Lab) -> None:
    """Two names of one file, and a copy-up.

    In Branch-1 the names h1 and h2 are hard links: one file with two names. A line is added by the name h1.
    """
    first = lab.window("first")
    make_branches(first)

    with lab.step(
        "Add a line by one name",
        """
        h1 and h2 hold the letter a. The union is mounted with index=off, and the letter b is added to h1. Read h2. Then
        the same with index=on.
        """,
        found="A copy-up breaks hard links, unless the union was mounted with index=on.",
        why="""
            A copy-up copies the one name that is used. After it h1 is a new file in the upperdir, while h2 is still the
            old one below. With index=on overlay keeps each copied file under the identity of its origin in
            workdir/index, so the second name finds the copy.
        """,
        hint="What is copied up: a file, or a name?",
        watch=[first],
        files=["/proc/PID/cwd/work", *LAYERS],
        claims=["ovl-07"],
        ask=Choice(
            "h1 and h2 are one file. After `echo b >> h1` with index=off: what does h2 hold?", "a", "b", "a and b"
        ),
    ) as step:
        first.run("echo a > Branch-1/h1; ln Branch-1/h1 Branch-1/h2")
        first.enter("unshare --mount /bin/bash")
        first.run(overlay(lab, "index=off"))
        assert same_file(first, "MountPoint/h1", "MountPoint/h2")
        held = first.run("echo b >> MountPoint/h1; cat MountPoint/h2").split()
        step.answer({"a": held == ["a"], "b": held == ["b"], "a and b": held == ["a", "b"]}, saw=held)
        assert held == ["a"]
        assert not same_file(first, "MountPoint/h1", "MountPoint/h2")
        assert listing(first, "Branch-0")["h1"]["text"] == "a\nb\n"

        with_index = overlay(lab, "index=on")
        first.run(f"umount MountPoint; rm -r Branch-0/h1 work; mkdir work; {with_index}")
        assert first.run("echo b >> MountPoint/h1; cat MountPoint/h2").split() == ["a", "b"]
        assert same_file(first, "MountPoint/h1", "MountPoint/h2")
        assert len(os.listdir(f"/proc/{first.pid}/cwd/work/index")) == 1


def test_workdir(lab: Lab) -> None:
    """The workdir: where it may be, and what is in it.

    upperdir takes the changes. Why does overlay want a second directory beside it?
    """
    first, second = lab.window("first"), lab.window("second")
    make_branches(first)
    first.enter("unshare --mount /bin/bash")
    first.run("mkdir elsewhere; mount -t tmpfs tmpfs elsewhere; mkdir elsewhere/work Branch-0/inside")
    lower = "mount -t overlay overlay -o lowerdir=Branch-1:Branch-2"

    with lab.step(
        "Three places for it, and none",
        """
        workdir is put on another file system, then into the upperdir, and then it is left out. At last it is a
        directory beside the upperdir. Look at what the kernel makes in it.
        """,
        found="The workdir must be on the file system of the upperdir, and outside of it.",
        why="""
            New files and copies are made in the workdir and then renamed into the upperdir, because a rename happens in
            one step, and only inside one file system. In the upperdir itself it would be visible in the union. The
            kernel answers EINVAL and gives the reason to its log only (dmesg). workdir/work has no permissions, so that
            nobody else works in it.
        """,
        hint="rename(2) never goes from one file system to another.",
        watch=[first],
        files=["/proc/PID/cwd/work", *LAYERS],
        claims=["ovl-08"],
        ask=Choice(
            "The workdir is on another file system than the upperdir. What does mount(8) say?",
            "nothing: it works",
            "wrong fs type, bad option, bad superblock",
            "already mounted",
            "cannot mount read-only",
        ),
    ) as step:
        far = first.run(f"{lower},upperdir=Branch-0,workdir=elsewhere/work MountPoint", status=(0, 32))
        step.answer(
            {
                "nothing: it works": far.status == 0,
                "wrong fs type, bad option, bad superblock": "wrong fs type, bad option, bad superblock" in far,
                "already mounted": "already mounted" in far,
                "cannot mount read-only": "read-only" in far,
            },
            saw=far,
        )
        assert far.status == 32
        first.run(f"{lower},upperdir=Branch-0,workdir=Branch-0/inside MountPoint", status=32)
        first.run(f"{lower},upperdir=Branch-0 MountPoint", status=32)
        first.run(f"{lower},upperdir=Branch-0,workdir=work MountPoint")
        assert first.run("stat -c '%F %a' work/work") == "directory 0"

    with lab.step(
        "Two unions, one upperdir",
        """
        A second union gets the same upperdir, with a workdir of its own: once with index=on, and once with index=off.
        """,
        found="Without index a second union with the same upperdir is accepted, and what it will do is undefined.",
        why="""
            Each of the two keeps its own idea of what is in the upperdir. Since Linux 4.13 the kernel marks an upperdir
            as in use; with index=on a second use ends in EBUSY, without it there is a warning in the kernel's log only,
            because container engines had come to rely on it (ovl_get_upper() in fs/overlayfs/super.c).
        """,
        watch=[first, second],
        files=LAYERS,
        claims=["ovl-16"],
        ask=Choice(
            "A second union is mounted with the same upperdir and index=off. What does mount(8) say?",
            "nothing: it works",
            "wrong fs type, bad option, bad superblock",
            "already mounted",
            "cannot mount read-only",
        ),
    ) as step:
        first.run("mkdir work2 work3 other")
        taken = first.run(f"{lower},upperdir=Branch-0,workdir=work2,index=on other", status=(0, 32))
        again = first.run(f"{lower},upperdir=Branch-0,workdir=work3,index=off other", status=(0, 32))
        step.answer(
            {
                "nothing: it works": again.status == 0,
                "wrong fs type, bad option, bad superblock": "wrong fs type, bad option, bad superblock" in again,
                "already mounted": "already mounted" in again,
                "cannot mount read-only": "read-only" in again,
            },
            saw=again,
        )
        assert taken.status == 32
        assert "already mounted" in taken
        assert again.status == 0
        assert second.run("ls other") == ""
        assert first.run("ls other/001.txt") == "other/001.txt"


@needs("user namespace")
def test_rootless(lab: Lab) -> None:
    """A union without root: in a user namespace.

    Podman and rootless Docker mount unions as an ordinary user. Root of a user namespace may mount overlay since Linux
    5.11. But it may not do all that root may do.
    """
    need_userxattr(lab)
    need_attributes(lab, "user")
    first = lab.window("first")
    make_branches(first)
    first.run("mkdir Branch-1/dir; cp -r Branch-0 Own-0; mkdir own-work")
    first.enter("unshare --user --map-root-user --mount /bin/bash")

    with lab.step(
        "Root of a user namespace",
        """
        The first window is root of a new user namespace, and mounts the union. It deletes dir, an empty directory from
        below, and makes it again. The new directory would have to be opaque.
        """,
        found="In a user namespace overlay works, but it cannot mark a directory as opaque in the usual way.",
        why="""
            A whiteout is only a device node, and that one is allowed. An opaque directory needs the attribute
            trusted.overlay.opaque, and trusted attributes belong to root of the machine (xattr(7)). So mkdir over a
            whiteout ends in EIO.
        """,
        hint="Which of the two marks, whiteout and opaque, is an attribute?",
        watch=[first],
        files=["/proc/PID/cwd/Own-0", *LAYERS],
        claims=["ovl-09"],
        ask=Choice(
            "In a user namespace: `rmdir` of a directory from below works. What does `mkdir` of the same name give?",
            "it works too",
            "Input/output error",
            "Operation not permitted",
            "Read-only file system",
        ),
    ) as step:
        first.run("mount -t overlay overlay -o lowerdir=Branch-1:Branch-2,upperdir=Own-0,workdir=own-work MountPoint")
        first.run("rmdir MountPoint/dir")
        assert listing(first, "Own-0")["dir"]["mark"] == "whiteout"
        failed = first.run("mkdir MountPoint/dir", status=(0, 1))
        step.answer(
            {
                "it works too": failed.status == 0,
                "Input/output error": "Input/output error" in failed,
                "Operation not permitted": "Operation not permitted" in failed,
                "Read-only file system": "Read-only file system" in failed,
            },
            saw=failed,
        )
        assert union_of(first)["fstype"] == "overlay"
        assert "Input/output error" in failed

    with lab.step(
        "The option userxattr",
        "The same with the option userxattr, and with Branch-0 as upperdir. Look at the attributes of dir in Branch-0.",
        found="With userxattr the mark is an attribute that a user may set: user.overlay.opaque.",
        why="""
            Since Linux 5.11. A user may set such an attribute by hand, and so forge it. Therefore redirect_dir and
            metacopy are not allowed together with userxattr (overlayfs.rst, User xattr).
        """,
        hint="A kind of attribute that every user may set on his own files.",
        watch=[first],
        files=LAYERS,
        claims=["ovl-17"],
        ask=Choice(
            "With userxattr `mkdir` works. Which mark has dir in Branch-0 then?",
            "trusted.overlay.opaque",
            "user.overlay.opaque",
            "a file .wh..wh..opq in it",
            "none",
        ),
    ) as step:
        union = "lowerdir=Branch-1:Branch-2,upperdir=Branch-0,workdir=work,userxattr"
        first.run(f"umount MountPoint; mount -t overlay overlay -o {union} MountPoint")
        first.run("rmdir MountPoint/dir")
        assert listing(first, "Branch-0")["dir"]["mark"] == "whiteout"
        made = first.run("mkdir MountPoint/dir", status=(0, 1))
        marks = set(os.listxattr(f"{lab.directory}/Branch-0/dir")) & {"trusted.overlay.opaque", "user.overlay.opaque"}
        inside = [name for name in listing(first, "Branch-0") if name.startswith("dir/")]
        step.answer(
            {
                "trusted.overlay.opaque": marks == {"trusted.overlay.opaque"},
                "user.overlay.opaque": marks == {"user.overlay.opaque"},
                "a file .wh..wh..opq in it": inside == ["dir/.wh..wh..opq"],
                "none": made.status == 0 and not marks and not inside,
            },
            saw=(made, marks, inside),
        )
        assert made.status == 0
        assert attribute(first, "Branch-0/dir", "opaque") == "y"
        assert "userxattr" in union_of(first)["super"].split(",")
        assert contradictions(first) == []


def test_limits(lab: Lab) -> None:
    """How many layers, and how high, by system calls.

    An image has a few layers, or a few dozen. Where does the kernel stop? A child process mounts more and more of
    them, and then a union of unions.
    """
    make_branches(lab.window("first"))

    with lab.step(
        "Many lower directories",
        """
        A child makes many small directories and joins 128, 300, 500 and 501 of them by mount(2). Look at the list after
        lowerdir in its mountinfo.
        """,
        found="One overlay takes 500 lower directories; 501 are EINVAL.",
        why="""
            OVL_MAX_STACK in fs/overlayfs is 500. Another limit comes earlier: the options of mount(2) must fit into one
            page of 4096 bytes. That is why Docker uses short names (overlay2/l/...) and relative paths. The newer call
            fsconfig(2) takes lower directories one by one (lowerdir+, Linux 6.7).
        """,
        hint="The answer is a round number.",
        claims=["ovl-10"],
        ask=Choice("Which of these is the largest number that works?", "128", "300", "500", "501"),
    ) as step:
        child, seen = start(lab, join_many, (128, 300, 500, 501))
        step.watch(child)
        works = [count for count, error in seen if error == 0]
        step.answer({str(number): max(works) == number for number in (128, 300, 500, 501)}, saw=seen)
        assert works == [128, 300, 500]
        assert dict(seen)[501] == errno.EINVAL
        assert [len(unions.overlay_branches(entry)) for entry in overlays(child.pid)] == works

    with lab.step(
        "A union of unions",
        "A union is a file system, so it can be a branch of another union, and that one of a third. A child tries it.",
        found="Two overlays can be stacked; the third is refused.",
        why="""
            Each level costs stack space in the kernel, as every read goes through all of them. The limit
            FILESYSTEM_MAX_STACK_DEPTH in include/linux/fs.h is 2, and a third level gives EINVAL. An overlay cannot be
            an upperdir at all; so Docker in Docker keeps its own directory on a volume.
        """,
        hint="Containers inside containers work. Containers inside containers inside containers?",
        files=LAYERS,
        claims=["ovl-13"],
        ask=Number("How many overlays can be stacked, each with the one before as its lower directory?"),
    ) as step:
        child, seen = start(lab, stack_up, 3)
        step.watch(child)
        step.answer(seen.count(0))
        assert seen == [0, 0, errno.EINVAL]
        assert len(overlays(child.pid)) == 2


def join_many(counts: tuple[int, ...]) -> None:
    """Overlays with so many lower directories, and the errno of each; to be run in a child."""
    for number in range(max(counts)):
        os.makedirs(f"many/{number}")
    os.chdir("many")
    errors = []
    for count in counts:
        os.mkdir(f"union-{count}")
        lowerdir = ":".join(str(number) for number in range(count))
        errors.append((count, errno_of(mount, "overlay", f"union-{count}", "overlay", 0, f"lowerdir={lowerdir}")))
    tell(errors)
    signal.pause()


def stack_up(levels: int) -> None:
    """Overlays, each on the one before, and the errno of each; to be run in a child."""
    below, errors = "Branch-1", []
    for level in range(levels):
        os.mkdir(f"level-{level}")
        errors.append(errno_of(mount, "overlay", f"level-{level}", "overlay", 0, f"lowerdir={below}:Branch-2"))
        below = f"level-{level}"
    tell(errors)
    signal.pause()


def overlays(pid: int) -> list[dict[str, Any]]:
    """The overlays that a process sees, as in its mountinfo, those of the exercise only."""
    point = f"{os.readlink(f'/proc/{pid}/cwd')}/"
    mounts: list[dict[str, Any]] = proc.read("/proc/PID/mountinfo", pid)
    return [entry for entry in mounts if entry["fstype"] == "overlay" and entry["point"].startswith(point)]
