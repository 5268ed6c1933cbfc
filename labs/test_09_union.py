"""Union file systems: several directories that look like one.

An image of Docker is a pile of directories, and a container sees them as one. A *union file system* does this: it lays
directories (*branches*, or layers) over each other. What is in a higher one hides what has the same name below, and
only the top one is written to.

Three more words. *Copy-up*: before the first change, a file from below is copied to the top. A *whiteout* is a mark
that says: this name is deleted, whatever is below. An *opaque* directory shows nothing of what is below it.

The notes use aufs, which most kernels do not have. Linux has overlay, which Docker uses today. Names are those of the
notes: Branch-0 is the top branch, MountPoint shows the union. Lab 09c comes back to aufs.
"""

import mmap
import os
import signal
from pathlib import Path

from runtime.kernel import proc
from runtime.kernel.namespaces import tell
from runtime.kernel.syscalls import mount
from runtime.lab import Choice, Lab, Number, Text, needs
from runtime.lab.branches import (
    LAYERS,
    THE_TABLE,
    attribute,
    contradictions,
    listing,
    make_branches,
    mounts_on_mount_point,
    need_attributes,
    overlay,
    same_file,
    sources,
    start,
    union_of,
)

pytestmark = [needs("unshare", "mount", "mnt namespace", "overlay")]


def test_the_command_of_the_notes(lab: Lab) -> None:
    """mount -t aufs: the command of the notes.

    Three directories are to become one. The notes have one command for it. Does this kernel know it?
    """
    first = lab.window("first")
    make_branches(first)
    aufs = lab.facts.can["aufs"].ok

    with lab.step(
        "Type it",
        """
        The first window goes into a mount namespace of its own, so that nobody else sees what is mounted.
        /proc/filesystems lists the types that the kernel knows. Then come three commands: the one of the notes, one
        with a type that does not exist, and one with overlay.
        """,
        found="aufs is not a part of Linux: few kernels have it. The union that every Linux has is overlay.",
        why="""
            Some distributions added aufs to their kernels: Ubuntu up to 20.04 (Linux 5.4), Debian up to 8. overlay is a
            part of Linux since 3.18, and Docker removed its aufs driver in version 24.0. mount(2) answers ENODEV for a
            type that the kernel does not know; mount(8) says it in words and ends with status 32.
        """,
        hint="The kernel cannot know what is wrong with options of a type that it does not know.",
        watch=[first],
        files=["/proc/filesystems", *LAYERS],
        claims=["un-01"],
        ask=Choice(
            "mount(8) is given a type of file system that the kernel does not know. What does it answer?",
            "unknown filesystem type",
            "wrong fs type, bad option, bad superblock",
            "special device none does not exist",
            "permission denied",
        ),
    ) as step:
        first.enter("unshare --mount /bin/bash")
        first.run("cat /proc/filesystems")
        of_the_notes = first.run(
            "mount -t aufs -o br=./Branch-0:./Branch-1:./Branch-2 none ./MountPoint", status=(0, 32)
        )
        types = [entry["fstype"] for entry in mounts_on_mount_point(first)]
        unknown = first.run("mount -t no-such-type none ./MountPoint", status=32)
        answers = (
            "unknown filesystem type",
            "wrong fs type, bad option, bad superblock",
            "special device none does not exist",
            "permission denied",
        )
        step.answer({answer: answer in unknown for answer in answers}, saw=unknown)
        assert types == (["aufs"] if aufs else [])
        assert of_the_notes.status == (0 if aufs else 32)
        first.run("mount -t overlay -o lowerdir=Branch-0:Branch-1:Branch-2 none MountPoint")
        assert union_of(first)["fstype"] == "overlay"
        assert first.run("ls MountPoint").split() == list(THE_TABLE)

    with lab.step(
        "The word none",
        """
        Most file systems lie on a device, and mount wants to know which one. A union lies on directories, which the
        options name. Look at the mount table, mountinfo: the word none stands there. Then the same with another word.
        """,
        found="The word means nothing to a union: the kernel only shows it again.",
        why="""
            The first argument of mount(2) is a text. The file system decides what it is: ext4 opens a device of that
            name, overlay and aufs do not use it. The kernel keeps the word to show it as the source in
            /proc/PID/mountinfo (proc_pid_mountinfo(5)). Scripts often write the name of the type there.
        """,
        hint="Who reads this word?",
        watch=[first],
        claims=["un-03"],
        ask=Text("The union was mounted with the word none. Which word stands as its source in mountinfo?"),
    ) as step:
        first.run("umount MountPoint; mount -t overlay -o lowerdir=Branch-0:Branch-1:Branch-2 none MountPoint")
        source = union_of(first)["source"]
        step.answer(source)
        assert source == "none"
        first.run("umount MountPoint; mount -t overlay -o lowerdir=Branch-0:Branch-1:Branch-2 any-word MountPoint")
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
        """
        Four names are in the three branches together. 003.txt is in all of them. Join the branches, with Branch-0
        first, and read all files in MountPoint. The second window is outside the mount namespace: it sees an empty
        directory.
        """,
        found="The table of the notes: for each name the leftmost branch that has it wins.",
        why="""
            lowerdir is a list, and the leftmost directory is on top. For each name the kernel asks the directories from
            left to right and takes the first file that it finds (ovl_lookup() in fs/overlayfs/namei.c). Nothing is
            copied.
        """,
        hint="Left means on top.",
        watch=[first, second],
        files=LAYERS,
        claims=["un-02"],
        ask=Choice("003.txt is in all three branches. What is in MountPoint/003.txt?", "b0", "b1", "b2", "all three"),
    ) as step:
        first.enter("unshare --mount /bin/bash")
        first.run("mount -t overlay overlay -o lowerdir=Branch-0:Branch-1:Branch-2 MountPoint")
        shown = first.run("grep -H . MountPoint/*").split()
        words = first.run("cat MountPoint/003.txt").split()
        step.answer(
            {
                "b0": words == ["b0"],
                "b1": words == ["b1"],
                "b2": words == ["b2"],
                "all three": sorted(words) == ["b0", "b1", "b2"],
            },
            saw=words,
        )
        assert shown == [f"MountPoint/{name}:b{branch}" for name, branch in THE_TABLE.items()]
        assert sources(first) == THE_TABLE
        assert contradictions(first) == []
        assert second.run("ls MountPoint") == ""

    with lab.step(
        "The file of Branch-1",
        "Below their table the notes list the files of the union once more, by branch. Look which file holds b1.",
        found="The notes write 04.txt there and mean 004.txt.",
        why="A union invents no names: what it shows is in one of the branches under the same name.",
        watch=[first],
        files=LAYERS,
        claims=["un-05"],
        ask=Text("Which file of MountPoint comes from Branch-1?"),
    ) as step:
        names = first.run("cd MountPoint; grep -l b1 *; cd ..").split()
        step.answer(" ".join(names))
        assert names == ["004.txt"]
        assert "No such file" in first.run("ls MountPoint/04.txt", status=2)

    with lab.step(
        "Turn the order round",
        """
        The same three directories, now with Branch-2 on top. Nothing in the branches has changed. Compare the contents
        of the files with those before.
        """,
        found="The order belongs to the mount, not to the directories.",
        why="""
            The same directory may be the lowest one here and the top one there. So many images of Docker share one
            base layer on the disk.
        """,
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
        assert [line.partition(":")[2] for line in after] == ["b1", "b2", "b2", "b1"]
        assert contradictions(first) == []


def test_write_to_the_union(lab: Lab) -> None:
    """Can one write to the mount point?

    The notes say that after the mount one can read and write there.
    """
    first = lab.window("first")
    make_branches(first)

    with lab.step(
        "Without and with a place to write to",
        """
        First the union has three lower directories and nothing else. Then Branch-0 is named as upperdir: this is the
        directory that takes all changes. workdir is an empty directory in which the kernel prepares them.
        """,
        found="A union can be written to only if it has a writable branch; overlay calls it upperdir.",
        why="""
            A lowerdir is never written to. Without an upperdir the whole file system is read-only, and a write ends in
            EROFS (overlayfs.rst). Docker makes an upperdir for each container; the layers of the image are the lower
            ones. aufs takes the first branch as the writable one, unless modes are given.
        """,
        hint="Where should the new file go, if nobody named a place for it?",
        watch=[first],
        files=LAYERS,
        claims=["un-04"],
        ask=Choice(
            "overlay joins three lower directories. What does `touch MountPoint/new` give?",
            "a file in Branch-0",
            "a file in Branch-2",
            "Read-only file system",
            "Permission denied",
        ),
    ) as step:
        first.enter("unshare --mount /bin/bash")
        first.run("mount -t overlay overlay -o lowerdir=Branch-0:Branch-1:Branch-2 MountPoint")
        refused = first.run("touch MountPoint/new", status=(0, 1))
        step.answer(
            {
                "a file in Branch-0": "new" in listing(first, "Branch-0"),
                "a file in Branch-2": "new" in listing(first, "Branch-2"),
                "Read-only file system": "Read-only file system" in refused,
                "Permission denied": "Permission denied" in refused,
            },
            saw=refused,
        )
        assert "Read-only file system" in refused
        assert union_of(first)["super"].split(",")[0] == "ro"
        writable = "lowerdir=Branch-1:Branch-2,upperdir=Branch-0,workdir=work"
        first.run(
            f"umount MountPoint; mount -t overlay overlay -o {writable} MountPoint; echo new > MountPoint/new.txt"
        )
        assert union_of(first)["super"].split(",")[0] == "rw"
        assert sources(first) == {**THE_TABLE, "new.txt": 0}
        assert contradictions(first) == []
        if lab.facts.can["aufs"].ok:  # then the union of the notes can be had, and written to
            first.run("umount MountPoint; mount -t aufs -o br=./Branch-0:./Branch-1:./Branch-2 none ./MountPoint")
            first.run("echo new > MountPoint/by-aufs.txt")
            assert union_of(first)["fstype"] == "aufs"
            assert listing(first, "Branch-0")["by-aufs.txt"]["text"] == "new\n"


def test_copy_up(lab: Lab) -> None:
    """Copy-up: the first write to a file of a lower branch.

    004.txt is in Branch-1 only, and Branch-1 may not change. What happens when it is written to?
    """
    first = lab.window("first")
    make_branches(first)

    with lab.step(
        "Write to a file from below",
        """
        One line is added to MountPoint/004.txt. Then a big file of 8 MiB gets other permission bits, and nothing else.
        Look at what is in Branch-0 afterwards, and how big it is.
        """,
        found="The first change copies the whole file to the upper directory; the lower file stays as it is.",
        why="""
            Before the first change, overlay copies the whole file, with owner, mode and attributes, into the upperdir;
            then it changes the copy (ovl_copy_up() in fs/overlayfs/copy_up.c). So a container that touches one byte of
            a big file of its image needs room for all of it. The attribute overlay.origin of the copy says which file
            it was; overlay can set it only for root of the machine.
        """,
        hint="A branch holds whole files. It cannot hold half of one.",
        watch=[first],
        files=LAYERS,
        claims=["ovl-01"],
        ask=Number("`chmod 600` is done on a file of 8 MiB that is in Branch-1. How much is then in Branch-0?", "KiB"),
    ) as step:
        first.run("head -c 8M /dev/zero > Branch-1/big")
        first.enter("unshare --mount /bin/bash")
        first.run(overlay(lab))
        assert "004.txt" not in listing(first, "Branch-0")
        first.run("echo changed >> MountPoint/004.txt; chmod 600 MountPoint/big")
        copied = int(first.run("du -k Branch-0/big").split()[0])
        step.answer(copied)
        assert copied == 8 * 1024
        texts = [listing(first, branch).get("004.txt", {}).get("text") for branch in ("Branch-0", "Branch-1")]
        assert texts == ["b1\nchanged\n", "b1\n"]
        assert [listing(first, branch)["big"]["mode"] for branch in ("Branch-0", "Branch-1")] == ["0600", "0644"]
        assert bool(attribute(first, "Branch-0/004.txt", "origin")) == (not lab.facts.rootless)
        assert sources(first) == {**THE_TABLE, "004.txt": 0, "big": 0}
        assert contradictions(first) == []


def test_inode_numbers(lab: Lab) -> None:
    """What a program sees of a copy-up: the inode number.

    A program knows a file by the number of its device and its inode number, the number of the file on that device.
    After a copy-up the file is another one, in another directory. Do programs such as tail -f notice?
    """
    need_attributes(lab)
    first = lab.window("first")
    make_branches(first)

    with lab.step(
        "The numbers before and after",
        """
        stat prints the inode number and the device of the file, before and after the first write. Compare also with the
        numbers of the files in the branches.
        """,
        found="The inode number stays over a copy-up, if all branches are on one file system.",
        why="""
            overlay gives a device number of its own making, and the inode number of the lowest copy. After a copy-up it
            finds that number again by the attribute overlay.origin. When the branches are on different file systems,
            the option xino=on makes the numbers unique and constant (overlayfs.rst, Inode properties).
        """,
        hint="A program that has the file open must not lose it because somebody writes to it.",
        watch=[first],
        files=LAYERS,
        claims=["ovl-02"],
        ask=Choice(
            "Which numbers of MountPoint/004.txt change at the first write?",
            "none",
            "the inode number",
            "the device number",
            "both",
        ),
    ) as step:
        first.enter("unshare --mount /bin/bash")
        first.run(overlay(lab))
        inode, device = first.run("stat -c '%i %d' MountPoint/004.txt").split()
        first.run("echo more >> MountPoint/004.txt")
        new_inode, new_device = first.run("stat -c '%i %d' MountPoint/004.txt").split()
        step.answer(
            {
                "none": new_inode == inode and new_device == device,
                "the inode number": new_inode != inode and new_device == device,
                "the device number": new_inode == inode and new_device != device,
                "both": new_inode != inode and new_device != device,
            }
        )
        assert (new_inode, new_device) == (inode, device)
        upper, lower = (os.stat(f"{lab.directory}/{name}/004.txt") for name in ("Branch-0", "Branch-1"))
        assert str(upper.st_ino) != inode
        assert str(upper.st_dev) != device
        assert str(lower.st_ino) == inode


def test_open_before_the_copy_up(lab: Lab) -> None:
    """A file that was open before the copy-up, by system calls.

    A child process opens a file of a lower branch for reading, and maps it: then the file looks like a part of its
    memory. After that the file is written to, so it is copied up. What do the old descriptor and the old mapping show?
    """
    make_branches(lab.window("first"))

    with lab.step(
        "Descriptor, mapping, name",
        """
        The child mounts the union, opens MountPoint/004.txt (b1), maps it, and then overwrites it by its name. It looks
        again through all three: the name, the old descriptor and the old mapping.
        """,
        found="An old descriptor reads the new data; an old mapping shows the old data.",
        why="""
            Since Linux 4.19 every read() of an overlay file is passed on to the real file that is on top at that
            moment. A mapping was tied to the pages of the old file when it was made, and stays so; overlayfs.rst lists
            this among the things that are not as POSIX wants. In /proc/PID/maps both look the same.
        """,
        hint="read() asks the file system each time. A mapping does not ask any more.",
        files=["/proc/PID/fd", "/proc/PID/maps", *LAYERS],
        claims=["ovl-03"],
        ask=Choice(
            "The file was opened and mapped before it was overwritten. Which of the two shows old data?",
            "the descriptor",
            "the mapping",
            "both",
            "neither",
        ),
    ) as step:
        child, seen = start(lab, overwrite_an_open_file)
        step.watch(child)
        shown = seen["descriptor"], seen["mapping"]
        step.answer(
            {
                "the descriptor": shown == ("b1", "NEW"),
                "the mapping": shown == ("NEW", "b1"),
                "both": shown == ("b1", "b1"),
                "neither": shown == ("NEW", "NEW"),
            },
            saw=seen,
        )
        assert seen == {"before": "b1", "name": "NEW", "descriptor": "NEW", "mapping": "b1"}
        assert Path(lab.directory, "Branch-1/004.txt").read_text() == "b1\n"
        assert f"{lab.directory}/MountPoint/004.txt" in proc.read("/proc/PID/fd", child.pid).values()
        assert f"{lab.directory}/MountPoint/004.txt" in proc.read("/proc/PID/maps", child.pid)


def overwrite_an_open_file() -> None:
    """What name, descriptor and mapping show after the copy-up; to be run in a child."""
    mount("overlay", "MountPoint", "overlay", 0, "lowerdir=Branch-1:Branch-2,upperdir=Branch-0,workdir=work")
    descriptor = os.open("MountPoint/004.txt", os.O_RDONLY)
    mapping = mmap.mmap(descriptor, 0, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
    before = mapping[:2].decode()
    Path("MountPoint/004.txt").write_text("NEW")
    name = Path("MountPoint/004.txt").read_text()
    by_descriptor, by_mapping = os.pread(descriptor, 3, 0).decode(), mapping[:3].decode().strip()
    tell({"before": before, "name": name, "descriptor": by_descriptor, "mapping": by_mapping})
    signal.pause()


def test_whiteout(lab: Lab) -> None:
    """Whiteout: to delete what is below, and may not change.

    002.txt is in Branch-2 only. Branch-2 is read-only for the union. What does `rm MountPoint/002.txt` do?
    """
    first = lab.window("first")
    make_branches(first)

    with lab.step(
        "Delete a file from below",
        "002.txt is deleted in MountPoint. Look at what is in Branch-0 and in Branch-2 afterwards.",
        found="A deleted name gets a whiteout: a character device with the numbers 0:0 in the upper directory.",
        why="""
            No driver has the numbers 0:0, so nobody needs such a device for anything else. It says: do not look further
            down. In a layer of an image, which is a tar file, a file .wh.NAME stands for it: the way of aufs.
        """,
        hint="The kernel must remember that the name is gone. Where could it write that down?",
        watch=[first],
        files=LAYERS,
        claims=["ovl-04"],
        ask=Choice(
            "002.txt, which is in Branch-2, is deleted in MountPoint. What is new in Branch-0 then?",
            "nothing",
            "an empty file .wh.002.txt",
            "an empty file 002.txt",
            "a character device 002.txt",
        ),
    ) as step:
        first.enter("unshare --mount /bin/bash")
        first.run("mount -t overlay overlay -o lowerdir=Branch-1:Branch-2,upperdir=Branch-0,workdir=work MountPoint")
        first.run("rm MountPoint/002.txt")
        first.run("ls -l Branch-0 Branch-2")
        new = {name: entry["type"] for name, entry in listing(first, "Branch-0").items() if "002" in name}
        step.answer(
            {
                "nothing": new == {},
                "an empty file .wh.002.txt": new == {".wh.002.txt": "file"},
                "an empty file 002.txt": new == {"002.txt": "file"},
                "a character device 002.txt": new == {"002.txt": "char"},
            },
            saw=new,
        )
        assert new == {"002.txt": "char"}
        assert listing(first, "Branch-0")["002.txt"]["rdev"] == "0:0"
        assert listing(first, "Branch-2")["002.txt"]["text"] == "b2\n"
        assert "002.txt" not in first.run("ls MountPoint")
        assert contradictions(first) == []

    with lab.step(
        "Delete another one",
        """
        003.txt is deleted too. A file may have several names, hard links; `ls -l` shows their number after the
        permission bits, and `ls -i` the inode number, which tells whether two names are one file.
        """,
        found="All whiteouts of a union are one and the same node with many names (since Linux 5.8).",
        why="""
            One more name in the workdir is kept for the next whiteout, so that it needs no new inode (commit
            c21c839b8448, Linux 5.8). Before, each whiteout was a node of its own. aufs has always done so, with its
            file .wh..wh.aufs.
        """,
        hint="One name is in the workdir, for the next time.",
        watch=[first],
        files=["/proc/PID/cwd/work", *LAYERS],
        claims=["ovl-14"],
        ask=Number("Two files are deleted. How many names has the node that hides them?"),
    ) as step:
        first.run("rm MountPoint/003.txt")
        first.run("ls -li Branch-0; find work/work -ls", status=(0, 1))
        links = listing(first, "Branch-0")["002.txt"]["links"]
        step.answer(links)
        shared = lab.facts.kernel_at_least("5.8")
        assert same_file(first, "Branch-0/002.txt", "Branch-0/003.txt") == shared
        assert links == (3 if shared else 1)
        assert sources(first) == {"001.txt": 0, "004.txt": 1}

    with lab.step(
        "Make one by hand",
        "The union is unmounted. mknod makes a device 0:0 in Branch-0, named 004.txt. Then the union is mounted again.",
        found="Any device 0:0 in the upper directory hides its name, whoever made it.",
        why="mknod(2) lets everybody make this one device since Linux 5.8. As it has no driver, it is harmless.",
        hint="Does overlay keep a list of what it has deleted?",
        watch=[first],
        files=LAYERS,
        claims=["ovl-15"],
        ask=Text("002.txt, 003.txt and 004.txt have a device 0:0 in Branch-0. What does `ls MountPoint` print?"),
    ) as step:
        first.run("umount MountPoint; mknod Branch-0/004.txt c 0 0")
        first.run("mount -t overlay overlay -o lowerdir=Branch-1:Branch-2,upperdir=Branch-0,workdir=work MountPoint")
        left = first.run("ls MountPoint")
        step.answer(left)
        assert left == "001.txt"
        assert "004.txt" in listing(first, "Branch-1")
        assert contradictions(first) == []

    with lab.step(
        "Make the file again",
        "A new file gets the name 002.txt in MountPoint. Look at Branch-0.",
        found="The new file takes the place of the whiteout, and hides the old file as the whiteout did.",
        why="""
            The new file is made in the workdir and then moved over the whiteout in one step, a rename: there is no
            moment in which the old file is back (ovl_create_over_whiteout()). For that the workdir exists, and
            therefore it must be on the file system of the upperdir.
        """,
        watch=[first],
        files=LAYERS,
        shows=["ovl-04"],
        ask=Choice(
            "002.txt is written again in MountPoint. What is Branch-0/002.txt then?",
            "the whiteout, as before",
            "a regular file",
            "not there: the file is in Branch-2",
        ),
    ) as step:
        first.run("echo again > MountPoint/002.txt")
        kind = first.run("stat -c %F Branch-0/002.txt", status=(0, 1))
        step.answer(
            {
                "the whiteout, as before": kind == "character special file",
                "a regular file": kind == "regular file",
                "not there: the file is in Branch-2": "No such file" in kind,
            },
            saw=kind,
        )
        assert kind == "regular file"
        assert first.run("cat MountPoint/002.txt Branch-2/002.txt") == "again\nb2"
        assert contradictions(first) == []


def test_opaque_directory(lab: Lab) -> None:
    """A directory is deleted, and made again.

    Directories of one name are merged: the union shows the files of all of them. A directory of a lower branch is
    deleted, and a new one is made with its name. Are the old files back?
    """
    need_attributes(lab)
    first = lab.window("first")
    make_branches(first)

    with lab.step(
        "rm -r and mkdir",
        """
        Branch-1 has a directory dir with a file in it. It is deleted in MountPoint, and made again. Look at the
        attributes of dir in Branch-0: small named values that a file or a directory can carry.
        """,
        found="The new directory is opaque: it has an attribute that says, do not look further down.",
        why="""
            A whiteout would hide the old directory, but now a new one must stand in its place. So it gets the attribute
            overlay.opaque with the value "y". With aufs it is a file .wh..wh..opq in it. ls does not show attributes;
            getfattr(1) does.
        """,
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
        assert listing(first, "Branch-0")["dir"]["mark"] == "opaque"
        assert listing(first, "Branch-1")["dir/old.txt"]["text"] == "b1\n"
        assert contradictions(first) == []


def test_change_below(lab: Lab) -> None:
    """To change a branch behind the union's back.

    The branches are ordinary directories. Somebody may change a lower one while the union is mounted.
    """
    first = lab.window("first")
    make_branches(first)

    with lab.step(
        "A new file in a lower branch",
        "The union is mounted. Then a file is put into Branch-1 directly. Read it by MountPoint.",
        found="Here the union shows the new file, but nothing is promised: never change a branch of a mounted union.",
        why="""
            overlay keeps what it has found in its caches and does not watch its branches. A name that nobody asked for
            yet is looked up, and found. For anything else the behaviour is undefined, though the kernel will not crash
            (overlayfs.rst, Changes to underlying filesystems). So leave /var/lib/docker/overlay2 alone.
        """,
        hint="Nobody has asked for this name before.",
        watch=[first],
        files=LAYERS,
        claims=["ovl-12"],
        ask=Choice(
            "A new file is put into Branch-1 directly. What does `cat` of it in MountPoint print?",
            "what is in the file",
            "No such file or directory",
            "Stale file handle",
            "Input/output error",
        ),
    ) as step:
        first.enter("unshare --mount /bin/bash")
        first.run("mount -t overlay overlay -o lowerdir=Branch-1:Branch-2,upperdir=Branch-0,workdir=work MountPoint")
        first.run("echo b1 > Branch-1/sneaky.txt")
        shown = first.run("cat MountPoint/sneaky.txt", status=(0, 1))
        step.answer(
            {
                "what is in the file": shown == "b1",
                "No such file or directory": "No such file or directory" in shown,
                "Stale file handle": "Stale file handle" in shown,
                "Input/output error": "Input/output error" in shown,
            },
            saw=shown,
        )
        assert shown == "b1"
        assert sources(first)["sneaky.txt"] == 1
