"""Union file systems: several directories that look like one.

An image of Docker is a pile of directories, and a container sees them as one. A union file system does this: it lays
directories (branches, or layers) over each other. What is in a higher one hides what has the same name below, and only
the top one is written to.

The notes use aufs, which most kernels do not have. Linux has overlay, which Docker uses today. This lab does the
example of the notes with overlay, looks at what is really in each branch after a write, a delete and a rename, and
comes to aufs at the end. Names are those of the notes: Branch-0 is the top branch, MountPoint shows the union.
"""

import errno
import hashlib
import json
import mmap
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtime.kernel import proc, unions
from runtime.kernel.namespaces import Child, run_inside, start_in_new
from runtime.kernel.syscalls import Clone, mount
from runtime.lab import Choice, Lab, Number, Text, Window, needs

pytestmark = [needs("unshare", "mount", "mnt namespace", "overlay")]

MERGED, BRANCH_0, BRANCH_1, BRANCH_2 = (
    f"/proc/PID/cwd/{name}" for name in ("MountPoint", "Branch-0", "Branch-1", "Branch-2")
)
LAYERS = [MERGED, BRANCH_0, BRANCH_1, BRANCH_2]  # what stands in each directory, as `ls` in the window would see it
THE_TABLE = {"001.txt": 0, "002.txt": 2, "003.txt": 0, "004.txt": 1}  # which branch each file comes from: the notes


def test_the_command_of_the_notes(lab: Lab) -> None:
    """mount -t aufs: the command of the notes, on this machine.

    Three directories are to become one. The notes have one command for it. Does this kernel know it?
    """
    first = lab.window("first")
    has_aufs = lab.facts.can["aufs"].ok and not lab.facts.rootless
    make_branches(first)

    with lab.step(
        "Type it",
        "The first window goes into a mount namespace of its own, so that nobody else sees what is mounted. Then it "
        "types the command of the notes. The file /proc/filesystems lists all types that the kernel knows now. After "
        "that, the same three directories are joined by overlay.",
        why="aufs was never taken into Linux itself. Some distributions added it to their kernels: Ubuntu up to "
        "20.04 (not its later 5.11 and newer ones), Debian up to 8. overlay is part of Linux since 3.18, and Docker "
        "removed its aufs driver in version 24.0. mount(2) answers ENODEV for a type that the kernel does not know, "
        "and mount(8) says it in words and ends with status 32.",
        hint="Read /proc/filesystems before you answer.",
        watch=[first],
        files=["/proc/filesystems", *LAYERS],
        claims=["un-01"],
        ask=Choice(
            "`mount -t aufs -o br=...` is typed on this machine. What happens?",
            "it joins the three directories",
            "the type aufs is unknown, or forbidden",
        ),
    ) as step:
        expected = 0 if has_aufs else 32
        first.enter("unshare --mount /bin/bash")
        answer = first.run("mount -t aufs -o br=./Branch-0:./Branch-1:./Branch-2 none ./MountPoint", status=32)
        joined = "it joins the three directories" if answer.status == 0 else "the type aufs is unknown, or forbidden"
        step.answer(joined)
        known = first.run("cat /proc/filesystems").split()
        assert answer.status == expected
        assert types_on_mount_point(first) == (["aufs"] if has_aufs else [])
        assert ("aufs" in known) == lab.facts.can["aufs"].ok
        assert "overlay" in known
        by_overlay = first.run("mount -t overlay none -o lowerdir=Branch-0:Branch-1:Branch-2 MountPoint")
        assert by_overlay.status == 0
        assert types_on_mount_point(first)[-1] == "overlay"
        assert first.run("ls MountPoint").split() == list(THE_TABLE)

    with lab.step(
        "The word none",
        "Most file systems lie on a device, and mount wants to know which one. A union lies on directories, which "
        "the options name. Look at mountinfo: the word from the command stands there, and it means nothing.",
        why="The first argument of mount(2) is a text. The file system decides what it is: ext4 opens a device of "
        "that name, overlay and aufs throw it away. The kernel keeps the word only to show it as the source in "
        "/proc/PID/mountinfo (proc_pid_mountinfo(5)). Scripts often write the name of the type there.",
        hint="Who reads this word?",
        watch=[first],
        claims=["un-03"],
        ask=Text("The union was mounted with the word none. Which word stands as its source in mountinfo?"),
    ) as step:
        first.run("umount MountPoint")
        first.run("mount -t overlay none -o lowerdir=Branch-0:Branch-1:Branch-2 MountPoint")
        source = union_of(first)["source"]
        step.answer(source)
        assert source == "none"
        first.run("umount MountPoint")
        any_word = first.run("mount -t overlay any-word -o lowerdir=Branch-0:Branch-1:Branch-2 MountPoint")
        assert any_word.status == 0
        assert union_of(first)["source"] == "any-word"
        assert first.run("ls MountPoint").split() == list(THE_TABLE)


def test_three_branches(lab: Lab) -> None:
    """Which branch does each file come from?

    Each file of the example holds the name of its branch: b0, b1 or b2. So one look into a file of the union tells
    where it comes from.
    """
    first, second = lab.window("first"), lab.window("second")
    make_branches(first)

    with lab.step(
        "Lay three branches over each other",
        "Four names are in the three branches together. 003.txt is in all of them. Join the branches, with Branch-0 "
        "first, and read all files in MountPoint. The second window is outside the mount namespace: it sees an empty "
        "directory.",
        why="lowerdir is a list, and the leftmost directory is on top. For each name the kernel asks the directories "
        "from left to right and takes the first file that it finds (ovl_lookup() in fs/overlayfs/namei.c). Nothing "
        "is copied. The program that runs this lab computes the same from the three directories alone, and compares "
        "the two answers file by file.",
        hint="Left means on top.",
        watch=[first, second],
        files=LAYERS,
        claims=["un-02"],
        ask=Choice("003.txt is in all three branches. What is in MountPoint/003.txt?", "b0", "b1", "b2", "all three"),
    ) as step:
        first.enter("unshare --mount /bin/bash")
        first.run("mount -t overlay overlay -o lowerdir=Branch-0:Branch-1:Branch-2 MountPoint")
        shown = first.run("grep -H . MountPoint/*").split()
        step.answer(first.run("cat MountPoint/003.txt"))
        assert shown == [
            "MountPoint/001.txt:b0",
            "MountPoint/002.txt:b2",
            "MountPoint/003.txt:b0",
            "MountPoint/004.txt:b1",
        ]
        assert sources(first) == THE_TABLE
        assert contradictions(first) == []
        assert second.run("ls MountPoint") == ""

    with lab.step(
        "Turn the order round",
        "The same three directories, now with Branch-2 on top. Nothing in the branches has changed. Compare the file "
        "contents with those before.",
        why="The order is a property of the mount, not of the directories: the same directory may be the lowest one "
        "here and the top one there. So many images of Docker share one base layer on the disk.",
        hint="Only a file that is in more than one branch can change.",
        watch=[first],
        files=LAYERS,
        shows=["un-02"],
        ask=Number("The order is turned round. How many of the four files show another content than before?"),
    ) as step:
        before = first.run("grep -H . MountPoint/*").split()
        first.run("umount MountPoint")
        first.run("mount -t overlay overlay -o lowerdir=Branch-2:Branch-1:Branch-0 MountPoint")
        after = first.run("grep -H . MountPoint/*").split()
        step.answer(len(set(after) - set(before)))
        assert after == [
            "MountPoint/001.txt:b1",
            "MountPoint/002.txt:b2",
            "MountPoint/003.txt:b2",
            "MountPoint/004.txt:b1",
        ]
        assert contradictions(first) == []


def test_write_to_the_union(lab: Lab) -> None:
    """Can one write to the mount point?

    The notes say that after the mount one can read and write there. With aufs that is so, because its first branch is
    writable. overlay wants to be told.
    """
    first = lab.window("first")
    make_branches(first)

    with lab.step(
        "First without, then with a place to write to",
        "The union of three lower directories is tried first. Then Branch-0 is named as upperdir: this is the "
        "directory that takes all changes. workdir is an empty directory in which the kernel prepares them. Look at "
        "ro and rw at the front of the options of the mount.",
        why="A lowerdir is never written to. Without an upperdir the whole file system is read-only, and a write "
        "ends in EROFS. The upperdir is the top layer, above all lower ones; Docker makes one for each container, "
        "and the layers of the image are the lower ones (overlayfs.rst).",
        hint="Where should the new file go, if nobody named a place for it?",
        watch=[first],
        files=LAYERS,
        claims=["un-04"],
        ask=Choice("Three lower directories are joined. Does `touch MountPoint/new` work?", "yes", "no"),
    ) as step:
        first.enter("unshare --mount /bin/bash")
        first.run("mount -t overlay overlay -o lowerdir=Branch-0:Branch-1:Branch-2 MountPoint")
        refused = first.run("touch MountPoint/new", status=1)
        step.answer("yes" if refused.status == 0 else "no")
        assert "Read-only file system" in refused
        assert union_of(first)["super"].split(",")[0] == "ro"
        first.run("umount MountPoint")
        first.run("mount -t overlay overlay -o lowerdir=Branch-1:Branch-2,upperdir=Branch-0,workdir=work MountPoint")
        assert union_of(first)["super"].split(",")[0] == "rw"
        assert first.run("echo new > MountPoint/new.txt").status == 0
        assert first.run("ls Branch-*/new.txt") == "Branch-0/new.txt"
        assert sources(first) == {**THE_TABLE, "new.txt": 0}
        assert contradictions(first) == []


def test_copy_up(lab: Lab) -> None:
    """Copy-up: the first write to a file of a lower branch.

    004.txt is in Branch-1 only, and Branch-1 may not change. What happens when it is written to?
    """
    first = lab.window("first")
    make_branches(first)

    with lab.step(
        "Write to a file from below",
        "One line is added to MountPoint/004.txt. Then a big file of 8 MiB gets other permission bits, and nothing "
        "else. Look at what is in Branch-0 afterwards, and how big it is.",
        why="Before the first change, overlay copies the whole file, with owner, mode and attributes, into the "
        "upperdir; then it changes the copy (ovl_copy_up() in fs/overlayfs/copy_up.c). The copy hides the old file. "
        "Any change will do, a chmod too. So a container that touches one byte of a big file of its image needs room "
        "for all of it. The attribute overlay.origin of the copy says which file it was; overlay "
        "can set it only for root of the machine.",
        hint="A branch holds whole files. It cannot hold half of one.",
        watch=[first],
        files=LAYERS,
        claims=["ovl-01"],
        ask=Number("`chmod 600` is done on a file of 8 MiB that is in Branch-1. How much is then in Branch-0?", "KiB"),
    ) as step:
        first.run("head -c 8M /dev/zero > Branch-1/big")
        first.enter("unshare --mount /bin/bash")
        first.run(overlay(lab))
        assert first.run("ls Branch-0").split() == ["001.txt", "003.txt"]
        first.run("echo changed >> MountPoint/004.txt")
        assert first.run("cat MountPoint/004.txt") == "b1\nchanged"
        assert first.run("cat Branch-0/004.txt") == "b1\nchanged"
        assert first.run("cat Branch-1/004.txt") == "b1"
        assert bool(attribute(first, "Branch-0/004.txt", "origin")) == (not lab.facts.rootless)
        first.run("chmod 600 MountPoint/big")
        copied = int(first.run("du -k Branch-0/big").split()[0])
        step.answer(copied)
        assert copied == 8 * 1024
        assert first.run("stat -c %a Branch-0/big Branch-1/big").split() == ["600", "644"]
        assert sources(first) == {**THE_TABLE, "004.txt": 0, "big": 0}
        assert contradictions(first) == []


@needs("root")
def test_copy_up_of_metadata(lab: Lab) -> None:
    """metacopy=on: only the properties are copied.

    To copy 8 MiB for one chmod is a waste. overlay can do better, if it is told.
    """
    first = lab.window("first")
    make_branches(first)

    with lab.step(
        "chmod with metacopy=on",
        "The same chmod as before on a file of 8 MiB, but the union was mounted with metacopy=on. Compare the size "
        "of the file in Branch-0 with the blocks that it takes on the disk.",
        why="With metacopy=on (Linux 4.19) a chmod or chown copies mode, owner and times only. The file in the "
        "upperdir is a hole of the right size with the attribute overlay.metacopy, and reads go to the file below. "
        "The data follow when somebody writes. The attribute must not be forged by a user, so the option needs root.",
        hint="A file may have a size without having blocks.",
        watch=[first],
        files=LAYERS,
        claims=["ovl-11"],
        ask=Choice(
            "chmod of a file of 8 MiB, with metacopy=on. How much disk does Branch-0 need?", "a few KiB", "8 MiB"
        ),
    ) as step:
        first.run("head -c 8M /dev/zero > Branch-1/big")
        first.enter("unshare --mount /bin/bash")
        first.run(overlay(lab, "metacopy=on"))
        first.run("chmod 640 MountPoint/big")
        copied = int(first.run("du -k Branch-0/big").split()[0])
        step.answer("a few KiB" if copied < 100 else "8 MiB")
        assert copied < 100
        assert first.run("stat -c '%a %s' Branch-0/big") == f"640 {8 * 1024 * 1024}"
        assert "trusted.overlay.metacopy" in os.listxattr(f"{lab.directory}/Branch-0/big")
        first.run("echo end >> MountPoint/big")
        assert int(first.run("du -k Branch-0/big").split()[0]) >= 8 * 1024
        assert "trusted.overlay.metacopy" not in os.listxattr(f"{lab.directory}/Branch-0/big")


def test_inode_numbers(lab: Lab) -> None:
    """What a program sees of a copy-up: the inode number.

    After a copy-up the file is another one, in another directory. Programs such as tail -f, tar and find know a file
    by its device and inode number. Do they notice?
    """
    need_attributes(lab)
    first = lab.window("first")
    make_branches(first)

    with lab.step(
        "The numbers before and after",
        "stat prints the inode number and the device of the file, before and after the first write. Compare also "
        "with the numbers of the files in the branches.",
        why="overlay gives a number of its own making to st_dev, and when all branches are on one file system it "
        "uses the inode number of the lowest copy. After a copy-up it finds that number again by the attribute "
        "overlay.origin. When the branches are on different file systems, the option xino=on makes the numbers "
        "unique and constant (overlayfs.rst, Inode properties).",
        hint="A program that has the file open must not lose it because somebody writes to it.",
        watch=[first],
        files=LAYERS,
        claims=["ovl-02"],
        ask=Choice("Does the inode number of MountPoint/004.txt change at the first write?", "yes", "no"),
    ) as step:
        first.enter("unshare --mount /bin/bash")
        first.run(overlay(lab))
        before = first.run("stat -c '%i %d' MountPoint/004.txt")
        first.run("echo more >> MountPoint/004.txt")
        after = first.run("stat -c '%i %d' MountPoint/004.txt")
        step.answer("no" if after == before else "yes")
        assert after == before
        inode, device = after.split()
        upper_inode, upper_device = first.run("stat -c '%i %d' Branch-0/004.txt").split()
        assert upper_inode != inode
        assert upper_device != device
        assert first.run("stat -c %i Branch-1/004.txt") == inode


def test_open_before_the_copy_up(lab: Lab) -> None:
    """A file that was open before the copy-up, by system calls.

    A child process opens a file of a lower branch for reading, and maps it into its memory. Then the file is written
    to, so it is copied up. The child still has its old descriptor and its old mapping. What do they show?
    """
    make_branches(lab.window("first"))

    with lab.step(
        "Descriptor, mapping, name",
        "The child mounts the union, opens MountPoint/004.txt (b1), maps it, and then overwrites it by its name. It "
        "looks again through all three: the name, the old descriptor and the old mapping.",
        why="Since Linux 4.19 every read() of an overlay file is passed on to the real file that is on top at that "
        "moment, so the old descriptor sees the new copy. A mapping was tied to the pages of the old file when it "
        "was made, and stays so; overlayfs.rst lists this among the things that are not as POSIX wants. In "
        "/proc/PID/maps both look the same.",
        hint="read() asks the file system each time. A mapping does not ask any more.",
        files=["/proc/PID/fd", "/proc/PID/maps", *LAYERS],
        claims=["ovl-03"],
        ask=Choice(
            "The file was opened and mapped before it was overwritten. Which of the two shows old data?",
            "the descriptor",
            "the mapping",
            "both",
            "none",
        ),
    ) as step:
        child, seen = start(lab, overwrite_an_open_file)
        step.watch(child)
        old = [name for name in ("descriptor", "mapping") if seen[name] == "b1"]
        step.answer("both" if len(old) == 2 else f"the {old[0]}" if old else "none")
        assert seen["before"] == "b1"
        assert seen["name"] == "NEW"
        assert seen["descriptor"] == "NEW"
        assert seen["mapping"] == "b1"
        assert Path(lab.directory, "Branch-1/004.txt").read_text() == "b1\n"
        assert f"{lab.directory}/MountPoint/004.txt" in proc.read("/proc/PID/fd", child.pid).values()
        assert f"{lab.directory}/MountPoint/004.txt" in proc.read("/proc/PID/maps", child.pid)


def overwrite_an_open_file(tell: Callable[[Any], None]) -> None:
    """What name, descriptor and mapping show after the copy-up; to be run in a child."""
    mount("overlay", "MountPoint", "overlay", 0, "lowerdir=Branch-1:Branch-2,upperdir=Branch-0,workdir=work")
    descriptor = os.open("MountPoint/004.txt", os.O_RDONLY)
    mapping = mmap.mmap(descriptor, 0, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
    before = mapping[:2].decode()
    Path("MountPoint/004.txt").write_text("NEW")
    name = Path("MountPoint/004.txt").read_text()
    by_descriptor = os.pread(descriptor, 3, 0).decode()
    tell({"before": before, "name": name, "descriptor": by_descriptor, "mapping": mapping[:2].decode()})
    signal.pause()


def test_whiteout(lab: Lab) -> None:
    """Whiteout: to delete what is below, and may not change.

    002.txt is in Branch-2 only. Branch-2 is read-only for the union. Yet `rm MountPoint/002.txt` must work.
    """
    first = lab.window("first")
    make_branches(first)

    with lab.step(
        "Delete a file from below",
        "002.txt and 003.txt are deleted in MountPoint. Look at the listing of Branch-0: something stands there "
        "under their names. Then the same kind of thing is made by hand, for 004.txt.",
        why="A whiteout is a character device with the numbers 0:0, named as the file that it hides. No driver has "
        "these numbers, so nobody needs such a device for anything else. It says: do not look further down. "
        "Whiteouts are hard links of one and the same node, so their link count is above 1 (Linux 5.16 keeps the "
        "node in the workdir). mknod(2) lets everybody make this one device since Linux 5.8. A layer of an image, "
        "which is a tar file, has a file .wh.NAME for it, the way of aufs.",
        hint="The kernel must remember that the name is gone. Where could it write that down?",
        watch=[first],
        files=LAYERS,
        claims=["ovl-04"],
        ask=Choice(
            "002.txt, which is in Branch-2, is deleted in MountPoint. What is in Branch-0 then?",
            "nothing",
            "an empty file .wh.002.txt",
            "a character device 002.txt",
        ),
    ) as step:
        first.enter("unshare --mount /bin/bash")
        first.run("mount -t overlay overlay -o lowerdir=Branch-1:Branch-2,upperdir=Branch-0,workdir=work MountPoint")
        first.run("rm MountPoint/002.txt")
        first.run("rm MountPoint/003.txt")
        first.run("ls -l Branch-0")
        marks = {name: entry["type"] for name, entry in listing(first, "Branch-0").items() if "002" in name}
        step.answer(
            "a character device 002.txt"
            if marks == {"002.txt": "char"}
            else "an empty file .wh.002.txt"
            if marks
            else "nothing"
        )
        assert first.run("stat -c '%F %t:%T' Branch-0/002.txt") == "character special file 0:0"
        assert first.run("cat Branch-2/002.txt") == "b2"
        assert first.run("ls MountPoint").split() == ["001.txt", "004.txt"]
        assert sources(first) == {"001.txt": 0, "004.txt": 1}
        first.run("umount MountPoint; mknod Branch-0/004.txt c 0 0")
        first.run("mount -t overlay overlay -o lowerdir=Branch-1:Branch-2,upperdir=Branch-0,workdir=work MountPoint")
        assert first.run("ls MountPoint") == "001.txt"
        assert contradictions(first) == []

    with lab.step(
        "Make it again",
        "A new file gets the name 002.txt. The whiteout must go, or the new file would be hidden. The old one in "
        "Branch-2 stays hidden, now by the new file.",
        why="The new file is made in the workdir and then moved to its place by one rename, over the "
        "whiteout: nobody can see a moment in which the old file is back (ovl_create_over_whiteout()). This is "
        "what the workdir is for, and why it must be on the file system of the upperdir.",
        watch=[first],
        files=LAYERS,
        shows=["ovl-04"],
        ask=Choice("002.txt is written again in MountPoint. Is the whiteout in Branch-0 still there?", "yes", "no"),
    ) as step:
        first.run("echo again > MountPoint/002.txt")
        kind = first.run("stat -c %F Branch-0/002.txt")
        step.answer("yes" if kind == "character special file" else "no")
        assert kind == "regular file"
        assert first.run("cat MountPoint/002.txt Branch-2/002.txt") == "again\nb2"
        assert sources(first) == {"001.txt": 0, "002.txt": 0}
        assert contradictions(first) == []


def test_opaque_directory(lab: Lab) -> None:
    """An opaque directory: deleted and made again.

    A directory of a lower branch is deleted, and a new one is made with its name. Directories of one name are merged.
    Are the old files back?
    """
    need_attributes(lab)
    first = lab.window("first")
    make_branches(first)

    with lab.step(
        "rm -r and mkdir",
        "Branch-1 has a directory dir with a file in it. It is deleted in MountPoint, and made again. Look at the "
        "attributes of dir in Branch-0.",
        why="Directories of one name are merged: their files are shown together. A whiteout would hide the old "
        "directory, but now a new one must stand in its place. So it gets the attribute overlay.opaque with the "
        'value "y": take this directory as it is, and do not look further down. With aufs it is a file .wh..wh..opq '
        "in it. ls does not show attributes; getfattr(1) does.",
        hint="Where can a directory carry a mark, if its name is already taken?",
        watch=[first],
        files=LAYERS,
        claims=["ovl-05"],
        ask=Number("dir had one file. After `rm -r` and `mkdir` of the same name: how many files does it show?"),
    ) as step:
        first.run("mkdir Branch-1/dir; echo b1 > Branch-1/dir/old.txt")
        first.enter("unshare --mount /bin/bash")
        first.run(overlay(lab))
        assert first.run("ls MountPoint/dir") == "old.txt"
        first.run("rm -r MountPoint/dir; mkdir MountPoint/dir")
        inside = first.run("ls MountPoint/dir").split()
        step.answer(len(inside))
        assert inside == []
        assert attribute(first, "Branch-0/dir", "opaque") == "y"
        assert first.run("cat Branch-1/dir/old.txt") == "b1"
        assert listing(first, "Branch-0")["dir"]["mark"] == "opaque"
        first.run("echo b0 > MountPoint/dir/new.txt")
        assert sources(first) == {**THE_TABLE, "dir": 0, "dir/new.txt": 0}
        assert contradictions(first) == []


@needs("root")
def test_rename_a_directory(lab: Lab) -> None:
    """To rename a directory from a lower branch.

    rename(2) of a directory is one quick step on any file system. In a union the directory may be in a branch that
    cannot change, with a thousand files in it.
    """
    first = lab.window("first")
    make_branches(first)

    with lab.step(
        "Without redirect_dir",
        "The system call rename() is tried on MountPoint/dir. Then mv does it in the window: it copes with the "
        "error, but at a price. Look at what is in Branch-0 afterwards.",
        why="EXDEV is the answer of rename(2) when old and new name are on different file systems. overlay gives it "
        "for a directory that is merged or comes from below. mv(1) then copies all files and deletes the old ones. "
        "With redirect_dir=on overlay makes an empty directory with the new name, and its attribute overlay.redirect "
        "has the old one. What holds when the option is not given stands in "
        "/sys/module/overlay/parameters/redirect_dir.",
        hint="mv is not rename().",
        watch=[first],
        files=["/sys/module/overlay/parameters/redirect_dir", *LAYERS],
        claims=["ovl-06"],
        ask=Choice(
            "rename() of a directory that comes from Branch-1, without redirect_dir. What is the answer?",
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
        step.answer({0: "it works"}.get(refused, errno.errorcode.get(refused, "?")))
        assert refused == errno.EXDEV
        assert first.run("mv MountPoint/dir MountPoint/renamed").status == 0
        assert first.run("cat Branch-0/renamed/f.txt") == "b1"
        assert listing(first, "Branch-0")["dir"]["mark"] == "whiteout"

        first.run("umount MountPoint; rm -r Branch-0/renamed Branch-0/dir")
        first.run(overlay(lab, "redirect_dir=on"))
        assert rename_inside(first, "dir", "renamed") == 0
        assert first.run("ls -A Branch-0/renamed") == ""
        assert attribute(first, "Branch-0/renamed", "redirect") == "dir"
        assert first.run("cat MountPoint/renamed/f.txt") == "b1"
        assert sources(first) == {**THE_TABLE, "renamed": 0, "renamed/f.txt": 1}
        assert contradictions(first) == []


@needs("root")
def test_hard_links(lab: Lab) -> None:
    """Two names of one file, and a copy-up.

    In Branch-1 the names h1 and h2 are hard links: one file with two names. A line is added by the name h1.
    """
    first = lab.window("first")
    make_branches(first)

    with lab.step(
        "Add a line by one name",
        "The union is mounted with index=off, and a line is added to h1. Does h2 show it too? Then the same with "
        "index=on.",
        why="A copy-up copies the one name that is used. After it h1 is a new file in the upperdir, while h2 is "
        "still the old one below: the link is broken. With index=on overlay keeps each copied file under the "
        "identity of its origin in workdir/index, so the second name finds the copy.",
        hint="What is copied up: a file, or a name?",
        watch=[first],
        files=["/proc/PID/cwd/work", *LAYERS],
        claims=["ovl-07"],
        ask=Choice("h1 and h2 are one file. After `echo b >> h1` with index=off: what does h2 show?", "a", "a and b"),
    ) as step:
        first.run("echo a > Branch-1/h1; ln Branch-1/h1 Branch-1/h2")
        first.enter("unshare --mount /bin/bash")
        first.run(overlay(lab, "index=off"))
        assert same_file(first, "MountPoint/h1", "MountPoint/h2")
        first.run("echo b >> MountPoint/h1")
        other_name = first.run("cat MountPoint/h2")
        step.answer(" and ".join(other_name.split()))
        assert other_name == "a"
        assert not same_file(first, "MountPoint/h1", "MountPoint/h2")
        assert first.run("cat MountPoint/h1") == "a\nb"

        first.run("umount MountPoint; rm -r Branch-0/h1 work; mkdir work")
        first.run(overlay(lab, "index=on"))
        first.run("echo b >> MountPoint/h1")
        assert first.run("cat MountPoint/h2") == "a\nb"
        assert same_file(first, "MountPoint/h1", "MountPoint/h2")
        assert len(os.listdir(f"/proc/{first.pid}/cwd/work/index")) == 1


def test_workdir(lab: Lab) -> None:
    """The workdir: where it may be, and what is in it.

    upperdir takes the changes. Why does overlay want a second directory beside it?
    """
    first, second = lab.window("first"), lab.window("second")
    make_branches(first)

    with lab.step(
        "Three wrong places and a right one",
        "workdir is put on another file system, then into the upperdir, and then it is left out. Each time mount is "
        "refused. With a directory beside the upperdir it works; look at what the kernel makes in it.",
        why="New files and copies are made in the workdir and then renamed into the upperdir, because a rename "
        "happens in one step, and only inside one file system. In the upperdir itself it would be visible in the "
        "union. The kernel answers EINVAL and gives the reason to its log only (dmesg). workdir/work has no "
        "permissions, so that nobody else meddles with it.",
        hint="rename(2) never goes from one file system to another.",
        watch=[first],
        files=["/proc/PID/cwd/work", *LAYERS],
        claims=["ovl-08"],
        ask=Choice("The upperdir is here, the workdir on a tmpfs of its own. Does mount accept it?", "yes", "no"),
    ) as step:
        first.enter("unshare --mount /bin/bash")
        first.run("mkdir elsewhere; mount -t tmpfs tmpfs elsewhere; mkdir elsewhere/work Branch-0/inside")
        lower = "mount -t overlay overlay -o lowerdir=Branch-1:Branch-2"
        far = first.run(f"{lower},upperdir=Branch-0,workdir=elsewhere/work MountPoint", status=32)
        step.answer("yes" if far.status == 0 else "no")
        assert far.status == 32
        assert first.run(f"{lower},upperdir=Branch-0,workdir=Branch-0/inside MountPoint", status=32).status == 32
        assert first.run(f"{lower},upperdir=Branch-0 MountPoint", status=32).status == 32
        assert first.run(f"{lower},upperdir=Branch-0,workdir=work MountPoint").status == 0
        assert first.run("stat -c '%F %a' work/work") == "directory 0"
        assert first.run("mkdir other").status == 0
        taken = first.run(f"{lower},upperdir=Branch-0,workdir=work,index=on other", status=32)
        assert taken.status == 32
        assert "already mounted" in taken or "busy" in taken

    with lab.step(
        "Two unions write to one upperdir",
        "A second union gets the same upperdir with another workdir. With index=off this is not refused: the kernel "
        "only warns in its log that the behaviour is undefined.",
        why="Each of the two keeps its own idea of what is in the upperdir. Since Linux 4.13 the kernel marks an "
        "upperdir as in use; with index=on a second use ends in EBUSY, without it only in a warning, because container "
        "engines had come to rely on it (ovl_get_upper() in fs/overlayfs/super.c).",
        watch=[first, second],
        files=LAYERS,
        shows=["ovl-08"],
        ask=Choice("A second union with the same upperdir is mounted (index=off). Does mount accept it?", "yes", "no"),
    ) as step:
        first.run("mkdir work2 other2")
        again = first.run(f"{lower},upperdir=Branch-0,workdir=work2,index=off other2")
        step.answer("yes" if again.status == 0 else "no")
        assert again.status == 0
        assert second.run("ls other2") == ""
        assert first.run("ls other2/001.txt") == "other2/001.txt"


@needs("user namespace")
def test_rootless(lab: Lab) -> None:
    """A union without root: in a user namespace.

    Podman and rootless Docker mount unions as an ordinary user. Root of a user namespace may mount overlay since Linux
    5.11. But it may not do all that root may do.
    """
    need_attributes(lab, "user")
    first, second = lab.window("first"), lab.window("second")
    make_branches(first)

    with lab.step(
        "Root of a user namespace",
        "Both windows go into a new user and mount namespace. The first one mounts the union as usual, the second "
        "one with the option userxattr. Both delete an empty directory, and make it again.",
        why="A whiteout is only a device node, and that one is allowed. An opaque directory needs the attribute "
        "trusted.overlay.opaque, and trusted attributes belong to root of the machine (xattr(7)). So mkdir over a "
        "whiteout ends in EIO. With userxattr overlay uses user.overlay.opaque in its place; a user may set it by "
        "hand, so redirect_dir and metacopy are not allowed together with it.",
        hint="Which of the two marks, whiteout and opaque, is an attribute?",
        watch=[first, second],
        files=LAYERS,
        claims=["ovl-09"],
        ask=Choice(
            "In a user namespace, without userxattr: `rmdir` of a directory from below works. And `mkdir` after it?",
            "it works too",
            "Input/output error",
        ),
    ) as step:
        first.run("mkdir Branch-1/dir; cp -r Branch-0 Own-0; mkdir own-work")
        first.enter("unshare --user --map-root-user --mount /bin/bash")
        first.run("mount -t overlay overlay -o lowerdir=Branch-1:Branch-2,upperdir=Own-0,workdir=own-work MountPoint")
        assert first.run("rmdir MountPoint/dir").status == 0
        assert first.run("stat -c '%F %t:%T' Own-0/dir") == "character special file 0:0"
        failed = first.run("mkdir MountPoint/dir", status=1)
        step.answer("it works too" if failed.status == 0 else "Input/output error")
        assert "Input/output error" in failed
        second.enter("unshare --user --map-root-user --mount /bin/bash")
        second.run(
            "mount -t overlay overlay -o lowerdir=Branch-1:Branch-2,upperdir=Branch-0,workdir=work,userxattr MountPoint"
        )
        assert second.run("rmdir MountPoint/dir").status == 0
        assert second.run("stat -c '%F %t:%T' Branch-0/dir") == "character special file 0:0"
        assert second.run("mkdir MountPoint/dir").status == 0
        assert attribute(second, "Branch-0/dir", "opaque") == "y"
        assert "user.overlay.opaque" in os.listxattr(f"/proc/{second.pid}/cwd/Branch-0/dir")
        assert "userxattr" in union_of(second)["super"].split(",")
        assert contradictions(second) == []


def test_limits(lab: Lab) -> None:
    """How many layers, and how high, by system calls.

    An image has a few layers, or a few dozen. Where does the kernel stop? A child process mounts more and more of
    them, and then a union of unions.
    """
    make_branches(lab.window("first"))

    with lab.step(
        "Many lower directories",
        "A child makes many small directories and joins 128, 300, 500 and 501 of them by mount(2). Look at the list "
        "after lowerdir in its mountinfo.",
        why="OVL_MAX_STACK in fs/overlayfs is 500, and more give EINVAL. Another limit comes earlier: the options of "
        "mount(2) must fit into one page of 4096 bytes. That is why Docker uses short names (overlay2/l/...) and "
        "relative paths, and has a limit of about 127 layers. The newer call fsconfig(2) takes lower directories one "
        "by one (lowerdir+, Linux 6.7).",
        hint="The answer is a round number.",
        claims=["ovl-10"],
        ask=Choice("How many lower directories does one overlay take at most?", "128", "300", "500", "501"),
    ) as step:
        child, seen = start(lab, join_many, (128, 300, 500, 501))
        step.watch(child)
        works = [count for count, error in seen if error == 0]
        step.answer(str(max(works)))
        assert works == [128, 300, 500]
        assert dict(seen)[501] == errno.EINVAL
        assert [len(unions.overlay_branches(entry)) for entry in overlays(child.pid)] == works

    with lab.step(
        "A union of unions",
        "A union is a file system, so it can be a branch of another union, and that one of a third. Try it.",
        why="Each level costs stack space in the kernel, as every read goes through all of them. "
        "FILESYSTEM_MAX_STACK_DEPTH in include/linux/fs.h is 2: overlay on overlay is the end, and a third level "
        "gives EINVAL. An overlay cannot be an upperdir at all; so Docker in Docker keeps its own directory on a "
        "volume.",
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


def join_many(tell: Callable[[Any], None], counts: tuple[int, ...]) -> None:
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


def stack_up(tell: Callable[[Any], None], levels: int) -> None:
    """Overlays, each on the one before, and the errno of each; to be run in a child."""
    below, errors = "Branch-1", []
    for level in range(levels):
        os.mkdir(f"level-{level}")
        errors.append(errno_of(mount, "overlay", f"level-{level}", "overlay", 0, f"lowerdir={below}:Branch-2"))
        below = f"level-{level}"
    tell(errors)
    signal.pause()


def test_change_below(lab: Lab) -> None:
    """To change a branch behind the union's back.

    The branches are ordinary directories. Somebody may change a lower one while the union is mounted.
    """
    first = lab.window("first")
    make_branches(first)

    with lab.step(
        "A new file in a lower branch",
        "The union is mounted. Then a file is put into Branch-1 directly. Look whether MountPoint shows it.",
        why="overlay keeps what it has found in its caches and does not watch its branches. A name that nobody asked "
        "for yet is looked up, and found. For anything else the documentation promises nothing: the behaviour is "
        "undefined, though the kernel will not crash (overlayfs.rst, Changes to underlying filesystems). aufs had "
        "the option udba to choose how much it should notice. Never change /var/lib/docker/overlay2 by hand.",
        hint="Nobody has asked for this name before.",
        watch=[first],
        files=LAYERS,
        claims=["ovl-12"],
        ask=Choice("A new file is put into Branch-1 directly. Does MountPoint show it here?", "yes", "no"),
    ) as step:
        first.enter("unshare --mount /bin/bash")
        first.run("mount -t overlay overlay -o lowerdir=Branch-1:Branch-2,upperdir=Branch-0,workdir=work MountPoint")
        first.run("echo b1 > Branch-1/sneaky.txt")
        shown = first.run("cat MountPoint/sneaky.txt")
        step.answer("yes" if shown == "b1" else "no")
        assert shown == "b1"
        assert sources(first)["sneaky.txt"] == 1


def test_image_layers(lab: Lab) -> None:
    """An image is a list of layers. What is each of them called?

    A layer is a tar archive of the files that it adds. It has two names: its diff id says what is in it, its chain id
    also says what lies below. Here two small images are written as the image specification of OCI asks, with tar and
    sha256sum alone. No engine is needed for that.
    """
    first = lab.window("first")

    with lab.step(
        "Pack the layers",
        "A layer with one file is packed by tar, and sha256sum computes its digest. Then the file is touched, which "
        "gives it another time, and the layer is packed again. At last both is done with the times set to 0.",
        why="The digest of the archive is the diff id of the layer. tar writes time, owner and mode of each file "
        "into the archive, so these count as much as the content. Whoever wants the same image from the same "
        "files (a reproducible build) has to fix them all, and the order of the files too.",
        hint="What does `tar -tv` show besides the names?",
        watch=[first],
        ask=Choice("The file is touched, its content stays. Is the digest of the packed layer the same?", "yes", "no"),
    ) as step:
        first.run("mkdir debian ubuntu added && echo Debian > debian/name && echo Ubuntu > ubuntu/name")
        first.run("echo hello > added/greeting")
        packed = first.run("tar -c -C added . | sha256sum")
        first.run("touch -d 2001-01-01 added/greeting")
        touched = first.run("tar -c -C added . | sha256sum")
        step.answer("yes" if packed == touched else "no")
        assert packed != touched
        fixed = [pack(first, "added")]
        first.run("touch -d 2011-11-11 added/greeting")
        fixed.append(pack(first, "added"))
        assert fixed[0] == fixed[1]
        base, other, added = pack(first, "debian"), pack(first, "ubuntu"), fixed[0]
        assert len({base, other, added}) == 3

    blobs = [image(lab.directory / f"{below}.tar", lab.directory / "added.tar") for below in ("debian", "ubuntu")]
    configs = [f"/proc/PID/cwd/images/blobs/sha256/{digest(config)}" for config, _ in blobs]

    with lab.step(
        "Write two images that share a layer",
        "The first image is `added` on top of `debian`, the second is `added` on top of `ubuntu`. All parts lie in one "
        "directory, blobs/sha256, each under its own digest: the layers, and for each image a configuration and a "
        "manifest. The file index.json names the two manifests.",
        why="What is named by its digest needs to be there only once, however many images use it, and whoever fetches "
        "it can check it. Engines and registries do the same (OCI image specification, image-layout.md).",
        hint="Two images, each with two layers. One layer is in both.",
        watch=[first],
        files=[*configs, "/proc/PID/cwd/images"],
        ask=Number("How many layers lie in blobs/sha256?"),
    ) as step:
        first.run("mkdir -p images/blobs/sha256")
        first.run(
            "for l in debian ubuntu added; do cp $l.tar images/blobs/sha256/$(sha256sum $l.tar | cut -c-64); done"
        )
        write_layout(lab.directory / "images", blobs)
        sums = first.run("(cd images/blobs/sha256 && sha256sum *)").splitlines()
        layers = [name for name, below in (line.split() for line in sums) if name in (base, other, added)]
        step.answer(len(layers))
        assert sorted(layers) == sorted([base, other, added])
        assert len(sums) == 7
        assert all(name == below for name, below in (line.split() for line in sums))

    with lab.step(
        "The same layer in another place",
        "A layer alone does not say what the container will see: that depends on the layers below. So each layer of an "
        "image also has a chain id, which is the digest of a line: the chain id below, a blank, and the diff id. For "
        "the lowest layer it is the diff id itself. Docker keeps a directory for each chain id, layerdb/sha256/CHAIN, "
        "with the files diff and parent. The window does the same by hand.",
        why="chain(1) = diff(1), chain(n) = sha256(chain(n-1) + ' ' + diff(n)); see config.md of the OCI image "
        'specification, section "Layer ChainID". The report computes the chain ids from the configurations once '
        "more, and compares them with the names of the directories.",
        hint="The chain id is made of two names. Is the first of them the same in both images?",
        watch=[first],
        files=[*configs, "/proc/PID/cwd/layerdb/sha256"],
        ask=Choice("`added` is in both images. Is its chain id the same in both?", "the same", "different"),
    ) as step:
        chains = []
        for below in (base, other):
            line = f"sha256:{below} sha256:{added}"
            chains.append(first.run(f"echo -n '{line}' | sha256sum").split()[0])
            keep_layer(first, chain=below, diff=below)
            keep_layer(first, chain=chains[-1], diff=added, parent=below)
        step.answer("the same" if chains[0] == chains[1] else "different")
        assert chains[0] != chains[1]
        assert first.run("cat layerdb/sha256/*/diff").count(added) == 2
        assert sorted(first.run("ls layerdb/sha256").split()) == sorted([base, other, *chains])


@needs("docker", "Docker engine")
def test_image_layers_of_docker(lab: Lab) -> None:
    """How Docker keeps the layers of an image.

    The directory image/overlay2 of Docker holds what Docker knows of its images: imagedb the configurations, layerdb a
    directory for each chain id.
    """
    if not lab.facts.vm:
        lab.unsupported("an image would change this machine", "run it in the VM (vagrant up), with Docker installed")
    first = lab.window("first")
    root = first.run("docker info --format '{{.DockerRootDir}}/image/{{.Driver}}'")
    if not Path(root, "layerdb").is_dir():
        lab.unsupported(
            "this engine keeps its images in containerd, not in layerdb",
            'write {"features": {"containerd-snapshotter": false}} into /etc/docker/daemon.json and restart docker',
        )
    first.run("mkdir base && echo one > base/one && echo two > two")
    first.run("tar -c -C base . | docker import - unshared-layers:1")
    container = first.run("docker create unshared-layers:1 /none")
    first.run(f"docker cp two {container}:/two && docker commit {container} unshared-layers:2 && docker rm {container}")
    shape = "docker image inspect --format"
    identity = first.run(f"{shape} '{{{{.Id}}}}' unshared-layers:2").removeprefix("sha256:")
    first.run(f"cd {root}")

    with lab.step(
        "Find the layer by its chain id",
        "An image was imported, a file was copied into a container of it, and the container was committed. The second "
        "image has one layer more. Its chain id is computed as before, and names a directory of layerdb.",
        why="diff holds the diff id, parent the chain id below, cache-id the name of the directory in "
        "/var/lib/docker/overlay2 in which the files are (layer/filestore.go of moby).",
        hint="A commit adds what is in the directory of the container that can be written to.",
        watch=[first],
        files=[f"/proc/PID/cwd/imagedb/content/sha256/{identity}", "/proc/PID/cwd/layerdb/sha256"],
        ask=Number("How many layers has the committed image?"),
    ) as step:
        diffs = first.run(f"{shape} '{{{{range .RootFS.Layers}}}}{{{{.}}}} {{{{end}}}}' unshared-layers:2").split()
        step.answer(len(diffs))
        assert len(diffs) == 2
        chain = first.run(f"echo -n '{diffs[0]} {diffs[1]}' | sha256sum").split()[0]
        assert first.run(f"cat layerdb/sha256/{chain}/diff") == diffs[1]
        assert first.run(f"cat layerdb/sha256/{chain}/parent") == diffs[0]
        cache = first.run(f"cat layerdb/sha256/{chain}/cache-id")
        assert first.run(f"cat {root}/../../overlay2/{cache}/diff/two") == "two"

    with lab.step(
        "Remove the upper image",
        "The committed image is removed. The imported one stays, and with it the layer that both had.",
        why="A layer stays as long as any image or container uses it.",
        watch=[first],
        files=[f"/proc/PID/cwd/imagedb/content/sha256/{identity}", "/proc/PID/cwd/layerdb/sha256"],
    ):
        first.run("docker rmi unshared-layers:2")
        assert first.run(f"ls layerdb/sha256/{chain}").status != 0
        assert first.run(f"cat layerdb/sha256/{diffs[0].removeprefix('sha256:')}/diff") == diffs[0]
        first.run("docker rmi unshared-layers:1")


@needs("root", "unionfs")
def test_unionfs_fuse(lab: Lab) -> None:
    """unionfs-fuse: branches as in the notes, without aufs.

    unionfs-fuse is a program that does what aufs does, outside the kernel. It takes branches with modes, as aufs does.
    The window has its own PID namespace too, so that the program ends with it.
    """
    need_fuse(lab)
    first = lab.window("first")
    make_branches(first)

    with lab.step(
        "The example, by a program",
        "Three branches with the modes RW, RO and RO, and the option cow for copy on write. The table of the notes "
        "comes out. Then 004.txt is written to, and 002.txt is deleted. Look for .unionfs-fuse in Branch-0.",
        why="FUSE passes each request for a file to a program by /dev/fuse (fuse(4)). The kernel knows nothing of "
        "the branches, so mountinfo does not name them; only the command line of the program does. A whiteout is a "
        "file .unionfs-fuse/NAME_HIDDEN~ in the writable branch. Without cow, a file in a read-only branch cannot be "
        "changed. Without modes all branches are read-only (unionfs(8)).",
        hint="A program without rights on devices 0:0 must mark a deleted file in some other way.",
        watch=[first],
        files=LAYERS,
        claims=["fuse-01"],
        ask=Choice(
            "002.txt is deleted. What does unionfs-fuse put into Branch-0?",
            "a character device 002.txt",
            "a file .wh.002.txt",
            "a file .unionfs-fuse/002.txt_HIDDEN~",
        ),
    ) as step:
        first.enter("unshare --mount --pid --fork --kill-child --mount-proc /bin/bash")
        assert first.run("unionfs -o cow Branch-0=RW:Branch-1=RO:Branch-2=RO MountPoint").status == 0
        branches = [Path(f"/proc/{first.pid}/cwd", name) for name in ("Branch-0", "Branch-1", "Branch-2")]
        shown = first.run("grep -h . MountPoint/*.txt").split()
        assert shown == [f"b{number}" for number in THE_TABLE.values()]
        assert union_of(first)["fstype"] == "fuse.unionfs"
        assert "Branch" not in union_of(first)["super"]
        first.run("echo changed >> MountPoint/004.txt")
        assert first.run("cat Branch-0/004.txt Branch-1/004.txt").split() == ["b1", "changed", "b1"]
        first.run("rm MountPoint/002.txt")
        hidden = [name for name, entry in listing(first, "Branch-0").items() if entry.get("hides") == "002.txt"]
        step.answer(f"a file {hidden[0]}" if hidden[0] != "002.txt" else "a character device 002.txt")
        assert hidden == [".unionfs-fuse/002.txt_HIDDEN~"]
        assert first.run("cat Branch-2/002.txt") == "b2"
        known = [unions.Branch(str(branch)) for branch in branches]
        assert unions.sources(known, unions.UNIONFS_FUSE) == {"001.txt": 0, "003.txt": 0, "004.txt": 0}
        assert unions.contradictions(f"/proc/{first.pid}/cwd/MountPoint", known, unions.UNIONFS_FUSE) == []
        assert first.run("umount MountPoint").status == 0


@needs("root", "mergerfs")
def test_mergerfs(lab: Lab) -> None:
    """mergerfs: a pool of directories, and no copy on write.

    mergerfs also shows several directories as one. It is made to join disks, not to keep layers apart. A good example
    of what is no union in the sense of Docker.
    """
    need_fuse(lab)
    first = lab.window("first")
    make_branches(first)

    with lab.step(
        "Write to a branch that is read-only by name",
        "The three branches are joined, the second and third with the mode RO. Then 004.txt, which is in Branch-1 "
        "only, gets one more line, and 002.txt of Branch-2 is deleted. Look at Branch-1 and at the answer of rm.",
        why="In mergerfs a write goes to the branch where the file is; the mode RO does not keep it away. It does "
        "keep away new files, rm and chmod: they are refused with EROFS. There is no copy-up and no whiteout, so two "
        "containers could not share a branch (mergerfs(1), branches and policies).",
        hint="Does a pool of disks need copy on write?",
        watch=[first],
        files=LAYERS,
        claims=["fuse-02"],
        ask=Choice("004.txt is written to by mergerfs. Which branch changes?", "Branch-0", "Branch-1", "Branch-2"),
    ) as step:
        first.enter("unshare --mount --pid --fork --kill-child --mount-proc /bin/bash")
        assert first.run("mergerfs Branch-0=RW:Branch-1=RO:Branch-2=RO MountPoint").status == 0
        before = {name: listing(first, name) for name in ("Branch-0", "Branch-1", "Branch-2")}
        first.run("echo changed >> MountPoint/004.txt")
        changed = [name for name, entries in before.items() if listing(first, name) != entries]
        step.answer(changed[0])
        assert changed == ["Branch-1"]
        assert first.run("cat Branch-1/004.txt") == "b1\nchanged"
        assert "Read-only file system" in first.run("rm MountPoint/002.txt", status=1)
        assert first.run("cat MountPoint/002.txt") == "b2"
        assert first.run("ls -A Branch-0").split() == ["001.txt", "003.txt"]
        assert first.run("umount MountPoint").status == 0


@needs("root", "aufs")
def test_aufs_branches(lab: Lab) -> None:
    """aufs: the example of the notes, on a kernel that has it.

    The command of the notes gives a union that can be written to at once, because the first branch is writable.
    """
    first = lab.window("first")
    make_branches(first)

    with lab.step(
        "Three branches and their modes",
        "The command names no modes. mountinfo does not name the branches, only a number si. The branches stand in "
        "/sys/fs/aufs/si_NUMBER, each with its mode.",
        why="Without modes the first branch is rw and all others are ro. dirs= is another word for br=. An unknown "
        "mode is taken as ro without an error. With the module option brs=0 the branches stand in the options of the "
        "mount (aufs(5)).",
        hint="The top branch takes the changes.",
        watch=[first],
        files=["/sys/fs/aufs", *LAYERS],
        claims=["aufs-01"],
        ask=Number("Three branches are given without modes. How many of them are writable?"),
    ) as step:
        first.enter("unshare --mount /bin/bash")
        assert first.run("mount -t aufs -o br=./Branch-0:./Branch-1:./Branch-2 none ./MountPoint").status == 0
        branches = unions.aufs_branches(union_of(first))
        step.answer(sum(branch.writable for branch in branches))
        assert [Path(branch.path).name for branch in branches] == ["Branch-0", "Branch-1", "Branch-2"]
        assert [branch.writable for branch in branches] == [True, False, False]
        assert first.run("grep -h . MountPoint/*").split() == [f"b{number}" for number in THE_TABLE.values()]
        assert sources(first) == THE_TABLE
        assert contradictions(first) == []

    with lab.step(
        "What aufs keeps in a branch",
        "List Branch-0 with all names that begin with a dot. Nobody has written anything yet.",
        why="A writable branch gets .wh..wh.aufs, the file of which whiteouts are hard links, .wh..wh.orph for files "
        "that are deleted while open, and .wh..wh.plnk for hard links over branches. Read-only branches are not "
        "touched. overlay keeps such things in the workdir.",
        watch=[first],
        files=LAYERS,
        claims=["aufs-02"],
        ask=Choice("Which branches have new names in them right after the mount?", "none", "Branch-0", "all three"),
    ) as step:
        first.run("ls -A Branch-0 Branch-1 Branch-2")
        kept = {number: bookkeeping(first, f"Branch-{number}") for number in range(3)}
        touched = [number for number in kept if kept[number]]
        step.answer({0: "none", 1: "Branch-0", 3: "all three"}[len(touched)])
        assert touched == [0]
        assert set(kept[0]) >= {".wh..wh.aufs", ".wh..wh.orph", ".wh..wh.plnk"}

    with lab.step(
        "Copy-up",
        "004.txt is opened for reading as descriptor 7, then a line is added to it by its name. The descriptor is "
        "read after that.",
        why="aufs copies the whole file to the writable branch, as overlay does. It keeps a table of inode numbers "
        "(xino), so the number stays. A descriptor that was opened before is moved to the copy.",
        watch=[first],
        files=["/proc/PID/fd", *LAYERS],
        claims=["aufs-03"],
        ask=Choice("A descriptor was opened before the copy-up. What does it read after it?", "b1", "b1 and changed"),
    ) as step:
        before = first.run("stat -c %i MountPoint/004.txt")
        first.run("exec 7<MountPoint/004.txt")
        first.run("echo changed >> MountPoint/004.txt")
        read = first.run("cat <&7").split()
        step.answer(" and ".join(read))
        assert read == ["b1", "changed"]
        assert first.run("stat -c %i MountPoint/004.txt") == before
        assert first.run("cat Branch-0/004.txt Branch-1/004.txt").split() == ["b1", "changed", "b1"]

    with lab.step(
        "Whiteouts are files",
        "003.txt, which is in all branches, and 002.txt, which is in Branch-2, are deleted. Then 003.txt is made "
        "again. List Branch-0 with all names.",
        why="A whiteout is an empty file .wh.NAME, mode 0444, and a hard link to .wh..wh.aufs. The layers of images "
        "have kept this name: a tar file cannot hold much else. It stays in the branch after umount, and counts at "
        "the next mount.",
        watch=[first],
        files=LAYERS,
        claims=["aufs-04"],
        ask=Text("002.txt, from Branch-2, is deleted. Which name is new in Branch-0?"),
    ) as step:
        first.run("exec 7<&-")
        earlier = set(first.run("ls -A Branch-0").split())
        first.run("rm MountPoint/002.txt")
        new = set(first.run("ls -A Branch-0").split()) - earlier
        step.answer(" ".join(new))
        assert new == {".wh.002.txt"}
        assert first.run("stat -c '%a %s' Branch-0/.wh.002.txt") == "444 0"
        assert same_file(first, "Branch-0/.wh.002.txt", "Branch-0/.wh..wh.aufs")
        first.run("rm MountPoint/003.txt")
        assert first.run("ls -A Branch-0/.wh.003.txt").status == 0
        first.run("echo again > MountPoint/003.txt")
        assert first.run("ls -A Branch-0/.wh.003.txt").status != 0
        assert sources(first) == {"001.txt": 0, "003.txt": 0, "004.txt": 0}
        assert contradictions(first) == []
        first.run("umount MountPoint")
        assert first.run("ls -A Branch-0/.wh.002.txt").status == 0


@needs("root", "aufs")
def test_aufs_opaque_and_reserved(lab: Lab) -> None:
    """aufs: opaque directories, and names that are taken.

    aufs writes its marks as files. So these names are not free for anybody else.
    """
    first = lab.window("first")
    make_branches(first)

    with lab.step(
        "rm -r and mkdir",
        "A directory of Branch-1 is deleted and made again. Then a file with a name that begins with .wh. is tried.",
        why="The file .wh..wh..opq in a directory says that nothing below is to be looked at. Names with .wh. at the "
        "front belong to aufs: to make one by the union is refused with EPERM.",
        watch=[first],
        files=LAYERS,
        claims=["aufs-05"],
        ask=Choice("`touch MountPoint/.wh.foo`: what happens?", "it works", "Operation not permitted"),
    ) as step:
        first.run("mkdir Branch-1/dir; echo b1 > Branch-1/dir/old.txt")
        first.enter("unshare --mount /bin/bash")
        first.run("mount -t aufs -o br=./Branch-0:./Branch-1:./Branch-2 none ./MountPoint")
        first.run("rm -r MountPoint/dir; mkdir MountPoint/dir")
        assert first.run("ls MountPoint/dir") == ""
        assert listing(first, "Branch-0")["dir/.wh..wh..opq"]["mark"] == "opaque"
        assert contradictions(first) == []
        taken = first.run("touch MountPoint/.wh.foo")
        step.answer("it works" if taken.status == 0 else "Operation not permitted")
        assert "Operation not permitted" in taken


@needs("root", "aufs")
def test_aufs_modes(lab: Lab) -> None:
    """aufs: all branches writable, or none.

    Each branch has a mode of its own. This is something that overlay cannot do.
    """
    first = lab.window("first")
    make_branches(first)

    with lab.step(
        "All writable, then all read-only",
        "With three writable branches 004.txt is written to, a new file is made, and 001.txt and 004.txt are "
        "deleted. With three read-only branches everything is refused, although the mount says rw.",
        why="A file in a writable branch is changed where it is; a copy-up is needed for read-only branches only. A "
        "new file goes to the top branch. A whiteout is made only when something of that name is left below.",
        watch=[first],
        files=["/sys/fs/aufs", *LAYERS],
        claims=["aufs-06"],
        ask=Choice("All branches are rw. 004.txt of Branch-1 is written to. Where?", "Branch-0", "Branch-1"),
    ) as step:
        first.enter("unshare --mount /bin/bash")
        first.run("mount -t aufs -o br=./Branch-0=rw:./Branch-1=rw:./Branch-2=rw none ./MountPoint")
        first.run("echo changed >> MountPoint/004.txt; echo new > MountPoint/new.txt")
        step.answer("Branch-0" if first.run("ls Branch-0/004.txt").status == 0 else "Branch-1")
        assert first.run("cat Branch-1/004.txt") == "b1\nchanged"
        assert first.run("ls Branch-*/new.txt") == "Branch-0/new.txt"
        first.run("rm MountPoint/001.txt MountPoint/004.txt")
        assert first.run("ls -A Branch-0/.wh.001.txt").status == 0
        assert first.run("ls -A Branch-0/.wh.004.txt").status != 0
        assert first.run("ls Branch-1").split() == ["001.txt", "003.txt"]
        first.run("umount MountPoint")
        first.run("mount -t aufs -o br=./Branch-0=ro:./Branch-1=ro:./Branch-2=ro none ./MountPoint")
        assert union_of(first)["super"].split(",")[0] == "rw"
        for command in ("touch MountPoint/x", "rm MountPoint/003.txt", "echo x >> MountPoint/003.txt"):
            assert "Read-only file system" in first.run(command)

    with lab.step(
        "New files in turn",
        "With create=rr (round robin) and three writable branches, six new files are made.",
        why="The option create= chooses the branch of a new file: the top one, one after the other, or the one with "
        "the most free space. So aufs was used to join disks too.",
        watch=[first],
        files=LAYERS,
        claims=["aufs-07"],
        ask=Choice("Six new files with create=rr. How many branches get some of them?", "one", "more than one"),
    ) as step:
        first.run("umount MountPoint")
        first.run("mount -t aufs -o br=./Branch-0=rw:./Branch-1=rw:./Branch-2=rw,create=rr none ./MountPoint")
        first.run("for n in 1 2 3 4 5 6; do echo $n > MountPoint/rr$n; done")
        places = {name.split("/")[0] for name in first.run("ls -d Branch-*/rr*").split()}
        step.answer("one" if len(places) == 1 else "more than one")
        assert len(places) > 1


@needs("root", "aufs")
def test_aufs_at_run_time(lab: Lab) -> None:
    """aufs: branches come and go while the union is mounted.

    overlay fixes its layers when it is mounted. aufs takes new branches, drops some, and changes their modes.
    """
    first = lab.window("first")
    make_branches(first)

    with lab.step(
        "Append, change the mode, delete",
        "Branch-3 with a file 005.txt is added at the end, made writable, and taken away again. While 005.txt is "
        "open it cannot be taken away.",
        why="mount -o remount with append:, prepend:, add:N:, mod: and del: changes the list of branches. A branch "
        "with an open file is busy (EBUSY). The paths must be absolute.",
        watch=[first],
        files=["/sys/fs/aufs", *LAYERS, "/proc/PID/cwd/Branch-3"],
        claims=["aufs-08"],
        ask=Choice("A file of Branch-3 is open. Can the branch be taken away?", "yes", "no"),
    ) as step:
        first.run("mkdir Branch-3; echo b3 > Branch-3/005.txt")
        first.enter("unshare --mount /bin/bash")
        first.run("mount -t aufs -o br=./Branch-0:./Branch-1:./Branch-2 none ./MountPoint")
        assert first.run("mount -o remount,append:$PWD/Branch-3=ro ./MountPoint").status == 0
        assert [branch.writable for branch in unions.aufs_branches(union_of(first))] == [True, False, False, False]
        assert first.run("cat MountPoint/005.txt") == "b3"
        assert first.run("mount -o remount,mod:$PWD/Branch-3=rw ./MountPoint").status == 0
        assert unions.aufs_branches(union_of(first))[3].writable
        first.run("exec 7<MountPoint/005.txt")
        busy = first.run("mount -o remount,del:$PWD/Branch-3 ./MountPoint")
        step.answer("yes" if busy.status == 0 else "no")
        assert busy.status == 32
        first.run("exec 7<&-")
        assert first.run("mount -o remount,del:$PWD/Branch-3 ./MountPoint").status == 0
        assert len(unions.aufs_branches(union_of(first))) == 3
        assert first.run("ls MountPoint/005.txt").status != 0

    with lab.step(
        "What aufs notices of its branches",
        "A file is put into Branch-1 directly, after MountPoint was listed. Then the same with the option udba=notify.",
        why="udba means: user's direct branch access. The default, reval, checks what it knows when it is asked for "
        "a name, but a listing may come from its cache. notify watches the branches and throws the cache away.",
        watch=[first],
        files=LAYERS,
        claims=["aufs-09"],
        ask=Choice("Which of the two shows the new file in a listing at once?", "reval", "notify", "both", "none"),
    ) as step:
        first.run("umount MountPoint")
        shown = []
        for udba in ("reval", "notify"):
            first.run(f"mount -t aufs -o br=./Branch-0:./Branch-1:./Branch-2,udba={udba} none ./MountPoint")
            first.run("ls MountPoint")
            first.run(f"echo b1 > Branch-1/by-{udba}.txt")
            if f"by-{udba}.txt" in first.run("ls MountPoint").split():
                shown.append(udba)
            first.run("umount MountPoint")
        step.answer("both" if len(shown) == 2 else shown[0] if shown else "none")
        assert shown == ["notify"]


@needs("root", "aufs", "user namespace")
def test_aufs_refuses(lab: Lab) -> None:
    """aufs: what it does not take.

    Some lists of branches make no sense, and some places are forbidden.
    """
    first = lab.window("first")
    make_branches(first)

    with lab.step(
        "Lists that are refused",
        "A branch that is not there, one that is given twice, one inside another, and no branch at all: mount is "
        "refused each time. An unknown mode is not refused.",
        why="The kernel answers EINVAL and writes the reason to its log. An unknown mode is taken as ro with a line "
        "in the log. aufs takes at most 127 branches; long lists in one br= have crashed kernels, so this is not "
        "tried here: add them one by one.",
        watch=[first],
        files=["/sys/fs/aufs", *LAYERS],
        claims=["aufs-10"],
        ask=Choice("Branch-0 is given with the unknown mode zz. What happens?", "it is refused", "it is read-only"),
    ) as step:
        first.run("mkdir Branch-0/inside")
        first.enter("unshare --mount /bin/bash")
        for wrong in ("./nothing", "./Branch-0:./Branch-0", "./Branch-0:./Branch-0/inside", ""):
            assert first.run(f"mount -t aufs -o br={wrong} none ./MountPoint").status == 32
        unknown = first.run("mount -t aufs -o br=./Branch-0=zz:./Branch-1 none ./MountPoint")
        step.answer("it is read-only" if unknown.status == 0 else "it is refused")
        assert unknown.status == 0
        assert [branch.writable for branch in unions.aufs_branches(union_of(first))] == [False, False]
        first.run("umount MountPoint")

    with lab.step(
        "On overlay, and in a user namespace",
        "An overlay is offered to aufs as a branch. Then root of a new user namespace tries to mount aufs.",
        why="aufs wants real file systems below it, as overlay does. In a user namespace it is forbidden unless the "
        "module option allow_userns is set. So aufs was never a choice for rootless containers.",
        watch=[first],
        files=["/sys/module/aufs/parameters/allow_userns", *LAYERS],
        claims=["aufs-11"],
        ask=Choice("Root of a new user namespace mounts aufs. Does it work?", "yes", "no"),
    ) as step:
        allowed = Path("/sys/module/aufs/parameters/allow_userns")
        expected = allowed.exists() and allowed.read_text().strip() in ("1", "Y")
        first.run("mkdir stacked; mount -t overlay overlay -o lowerdir=Branch-1:Branch-2 stacked")
        assert first.run("mount -t aufs -o br=./Branch-0:./stacked none ./MountPoint").status == 32
        first.enter("unshare --user --map-root-user --mount /bin/bash")
        mounted = first.run("mount -t aufs -o br=./Branch-0:./Branch-1 none ./MountPoint").status == 0
        step.answer("yes" if mounted else "no")
        assert mounted == expected


# What the exercises share


def make_branches(window: Window) -> None:
    """The three branches of the notes; each file holds the name of its branch."""
    window.run("mkdir Branch-0 Branch-1 Branch-2 work MountPoint")
    window.run("for n in 001 003; do echo b0 > Branch-0/$n.txt; done")
    window.run("for n in 001 003 004; do echo b1 > Branch-1/$n.txt; done")
    window.run("for n in 002 003; do echo b2 > Branch-2/$n.txt; done")


def overlay(lab: Lab, *more: str) -> str:
    """The command that mounts the writable union. An ordinary user keeps its marks in user attributes (userxattr)."""
    options = ["lowerdir=Branch-1:Branch-2", "upperdir=Branch-0", "workdir=work", *more]
    if lab.facts.rootless:
        options.append("userxattr")
    return f"mount -t overlay overlay -o {','.join(options)} MountPoint"


def union_of(window: Window) -> dict[str, Any]:
    """The entry of /proc/PID/mountinfo of what is mounted on MountPoint; the last one lies on top."""
    return mounts_on_mount_point(window)[-1]


def types_on_mount_point(window: Window) -> list[str]:
    """The types of all that is mounted on MountPoint, the top one last."""
    return [entry["fstype"] for entry in mounts_on_mount_point(window)]


def mounts_on_mount_point(window: Window) -> list[dict[str, Any]]:
    """The entries of /proc/PID/mountinfo for MountPoint."""
    mounts: list[dict[str, Any]] = proc.read("/proc/PID/mountinfo", window.pid)
    return [entry for entry in mounts if entry["point"].endswith("/MountPoint")]


def branches_of(window: Window) -> list[unions.Branch]:
    """The branches of the union, as the kernel names them."""
    entry = union_of(window)
    if entry["fstype"] == "aufs":
        return unions.aufs_branches(entry)
    return unions.overlay_branches(entry, f"/proc/{window.pid}/cwd")


def sources(window: Window) -> dict[str, int]:
    """Which branch each file of the union comes from, computed from the branches alone."""
    return unions.sources(branches_of(window), unions.rules_of(union_of(window)))


def contradictions(window: Window) -> list[str]:
    """Where the computed union and the mounted one differ."""
    rules = unions.rules_of(union_of(window))
    return unions.contradictions(f"/proc/{window.pid}/cwd/MountPoint", branches_of(window), rules)


def pack(window: Window, layer: str) -> str:
    """Pack a directory as LAYER.tar, with nothing in it that differs from time to time; the digest of the archive."""
    window.run(f"tar -c --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C {layer} . > {layer}.tar")
    return window.run(f"sha256sum {layer}.tar").split()[0]


def digest(blob: bytes) -> str:
    return hashlib.sha256(blob).hexdigest()


def image(*layers: Path) -> tuple[bytes, bytes]:
    """(configuration, manifest) of an image with these layers, the lowest first: OCI image specification."""
    history: list[dict[str, object]] = [{"created_by": f"ADD {layer.stem} in /"} for layer in layers]
    history.insert(1, {"created_by": "ENV GREETING=hello", "empty_layer": True})
    about = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["GREETING=hello"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest(layer.read_bytes())}" for layer in layers]},
        "history": history,
    }
    config = json.dumps(about).encode()
    parts = [described(layer.read_bytes(), "layer.v1.tar") for layer in layers]
    manifest = {"schemaVersion": 2, "config": described(config, "config.v1+json"), "layers": parts}
    return config, json.dumps(manifest).encode()


def described(blob: bytes, kind: str) -> dict[str, Any]:
    """What names a blob in a manifest or an index."""
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest(blob)}", "size": len(blob)}


def write_layout(folder: Path, images: list[tuple[bytes, bytes]]) -> None:
    """Write configurations and manifests into an image layout that holds the layers already."""
    for blob in (blob for parts in images for blob in parts):
        (folder / "blobs" / "sha256" / digest(blob)).write_bytes(blob)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    index = {"schemaVersion": 2, "manifests": [described(manifest, "manifest.v1+json") for _, manifest in images]}
    (folder / "index.json").write_text(json.dumps(index))


def keep_layer(window: Window, chain: str, diff: str, parent: str = "") -> None:
    """What Docker writes down of a layer: layerdb/sha256/CHAIN with the files diff and parent."""
    place = f"layerdb/sha256/{chain}"
    window.run(f"mkdir -p {place} && echo -n sha256:{diff} > {place}/diff")
    if parent:
        window.run(f"echo -n sha256:{parent} > {place}/parent")


def listing(window: Window, name: str) -> dict[str, Any]:
    """What stands in a directory, as the window sees it, with types and marks."""
    entries: dict[str, Any] = proc.read(f"/proc/PID/cwd/{name}", window.pid)
    return entries


def bookkeeping(window: Window, name: str) -> list[str]:
    """The names that the union file system keeps in a branch for itself."""
    return [path for path, entry in listing(window, name).items() if entry.get("mark") == "bookkeeping"]


def attribute(window: Window, name: str, which: str) -> str:
    """The attribute overlay.WHICH of a file in a branch, trusted or user; "" if it has none."""
    xattrs = proc.read(f"/proc/PID/cwd/{os.path.dirname(name)}", window.pid)[os.path.basename(name)].get("xattrs", {})
    return str(xattrs.get(f"trusted.overlay.{which}") or xattrs.get(f"user.overlay.{which}") or "")


def same_file(window: Window, one: str, other: str) -> bool:
    """Whether two names are the same file, by device and inode number."""
    return os.path.samefile(f"/proc/{window.pid}/cwd/{one}", f"/proc/{window.pid}/cwd/{other}")


def rename_inside(window: Window, old: str, new: str) -> int:
    """rename(2) in MountPoint, in the mount namespace of the window: 0, or the errno."""
    point = f"{os.readlink(f'/proc/{window.pid}/cwd')}/MountPoint"
    return run_inside(window.pid, ["mnt"], errno_of, os.rename, f"{point}/{old}", f"{point}/{new}")


def errno_of(call: Callable[..., Any], *arguments: Any) -> int:
    """0 if the call works, else its errno."""
    try:
        call(*arguments)
    except OSError as error:
        return error.errno or -1
    return 0


def overlays(pid: int) -> list[dict[str, Any]]:
    """The overlays that a process sees, as in its mountinfo, those of the exercise only."""
    point = f"{os.readlink(f'/proc/{pid}/cwd')}/"
    return [
        entry
        for entry in proc.read("/proc/PID/mountinfo", pid)
        if entry["fstype"] == "overlay" and entry["point"].startswith(point)
    ]


def start(lab: Lab, function: Callable[..., None], *arguments: Any) -> tuple[Child[None], Any]:
    """Run function(tell, *arguments) in a child with a mount namespace of its own and the exercise's directory; return
    the child, which stays, and what it told."""
    heard, ready = os.pipe()

    def tell(what: Any) -> None:
        os.write(ready, json.dumps(what).encode() + b"\n")

    def live() -> None:
        os.chdir(lab.directory)
        function(tell, *arguments)

    child = lab.keep(start_in_new(Clone.NEWNS, live))
    os.close(ready)
    with os.fdopen(heard) as pipe:
        told = pipe.readline()
    if not told:
        child.wait()  # raises what went wrong in it
    return child, json.loads(told)


def need_attributes(lab: Lab, kind: str = "") -> None:
    """End the exercise where the file system of the branches does not keep the attributes that overlay needs.

    Only root of the machine may set trusted ones. A tmpfs has user ones since Linux 6.6.
    """
    kind = kind or ("user" if lab.facts.rootless else "trusted")
    error = errno_of(os.setxattr, lab.directory, f"{kind}.probe", b"y")
    if error:
        name = errno.errorcode.get(error, str(error))
        lab.unsupported(
            f"the file system of the exercise keeps no {kind} attributes ({name}); a tmpfs has them since Linux 6.6",
            "use Linux 6.6 or newer; or, in a VM, --target here with TMPDIR on ext4, xfs or btrfs",
        )


def need_fuse(lab: Lab) -> None:
    """End the exercise where /dev/fuse cannot be opened."""
    error = errno_of(lambda: os.close(os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)))
    if error:
        name = errno.errorcode.get(error, str(error))
        lab.unsupported(
            f"/dev/fuse cannot be opened ({name})", "modprobe fuse as root; in a container: --device /dev/fuse"
        )
