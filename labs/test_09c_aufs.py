"""Other unions: aufs of the notes, and two programs that join directories.

Lab 09 did the example of the notes with overlay. Here the same three branches are joined by a program,
unionfs-fuse, then by mergerfs, which is no union in the sense of Docker, and at last by aufs itself, on a kernel that
has it.

A *whiteout* is the mark that says: this name is deleted, whatever is below. *Copy-up* is the copy of a file from below,
made before its first change. Each union has its own way to write such things down.
"""

import os
from pathlib import Path

from runtime.kernel import unions
from runtime.lab import Choice, Lab, Number, Text, Window, needs
from runtime.lab.branches import (
    BRANCHES,
    LAYERS,
    THE_TABLE,
    contradictions,
    listing,
    make_branches,
    same_file,
    sources,
    union_of,
)

pytestmark = [needs("root", "unshare", "mount", "mnt namespace")]


@needs("unionfs")
def test_unionfs_fuse(lab: Lab) -> None:
    """unionfs-fuse: branches as in the notes, without aufs.

    unionfs-fuse is a program that does what aufs does, outside the kernel. FUSE passes each request for a file to such
    a program. The window has its own PID namespace too, so that the program ends with it.
    """
    need_fuse(lab)
    first = lab.window("first")
    make_branches(first)

    with lab.step(
        "The example, by a program",
        """
        Three branches with the modes RW, RO and RO (read-write, read-only), and the option cow for copy on write. Then
        004.txt is written to, and 002.txt is deleted. Look for .unionfs-fuse in Branch-0.
        """,
        found="The table of the notes comes out. The whiteout is a file with a name of its own.",
        why="""
            FUSE asks the program by /dev/fuse (fuse(4)). The kernel knows nothing of the branches, so mountinfo does
            not name them. Without cow, a file in a read-only branch cannot be changed. Without modes all branches are
            read-only (unionfs(8)).
        """,
        hint="A program that need not be root must mark a deleted file without a device 0:0.",
        watch=[first],
        files=LAYERS,
        claims=["fuse-01"],
        ask=Choice(
            "002.txt is deleted. What does unionfs-fuse put into Branch-0?",
            "a character device 002.txt",
            "a file .wh.002.txt",
            "a file .unionfs-fuse/002.txt_HIDDEN~",
            "nothing",
        ),
    ) as step:
        first.enter("unshare --mount --pid --fork --kill-child --mount-proc /bin/bash")
        first.run("unionfs -o cow Branch-0=RW:Branch-1=RO:Branch-2=RO MountPoint")
        shown = first.run("grep -h . MountPoint/*.txt").split()
        changed = first.run("echo changed >> MountPoint/004.txt", status=(0, 1))
        first.run("rm MountPoint/002.txt", status=(0, 1))
        hidden = {name: entry["type"] for name, entry in listing(first, "Branch-0").items() if "002.txt" in name}
        step.answer(
            {
                "a character device 002.txt": hidden == {"002.txt": "char"},
                "a file .wh.002.txt": hidden == {".wh.002.txt": "file"},
                "a file .unionfs-fuse/002.txt_HIDDEN~": hidden == {".unionfs-fuse/002.txt_HIDDEN~": "file"},
                "nothing": hidden == {},
            },
            saw=hidden,
        )
        assert changed.status == 0
        assert shown == [f"b{number}" for number in THE_TABLE.values()]
        assert union_of(first)["fstype"] == "fuse.unionfs"
        assert "Branch" not in union_of(first)["super"]
        assert [text_of(first, f"{branch}/004.txt") for branch in BRANCHES[:2]] == ["b1\nchanged\n", "b1\n"]
        assert text_of(first, "Branch-2/002.txt") == "b2\n"
        known = [unions.Branch(f"/proc/{first.pid}/cwd/{name}") for name in BRANCHES]
        assert unions.sources(known, unions.UNIONFS_FUSE) == {"001.txt": 0, "003.txt": 0, "004.txt": 0}
        assert unions.contradictions(f"/proc/{first.pid}/cwd/MountPoint", known, unions.UNIONFS_FUSE) == []
        first.run("umount MountPoint")


@needs("mergerfs")
def test_mergerfs(lab: Lab) -> None:
    """mergerfs: a pool of directories, and no copy on write.

    mergerfs also shows several directories as one. It is made to join disks, not to keep layers apart.
    """
    need_fuse(lab)
    first = lab.window("first")
    make_branches(first)

    with lab.step(
        "Write to a branch with the mode RO",
        """
        The three branches are joined, the second and third with the mode RO. Then 004.txt, which is in Branch-1 only,
        gets one more line, and 002.txt of Branch-2 is deleted. Look at the branches, and at the answer of rm.
        """,
        found="mergerfs writes to a file where it lies: there is no copy-up, so layers are not kept apart.",
        why="""
            The mode RO keeps away new files, rm and chmod, which are refused with EROFS, but no writes. There are no
            whiteouts either, so two containers could not share a branch (mergerfs(1), branches and policies).
        """,
        hint="Does a pool of disks need copy on write?",
        watch=[first],
        files=LAYERS,
        claims=["fuse-02"],
        ask=Choice(
            "004.txt is written to by mergerfs. Which branch changes?", "Branch-0", "Branch-1", "Branch-2", "none"
        ),
    ) as step:
        first.enter("unshare --mount --pid --fork --kill-child --mount-proc /bin/bash")
        first.run("mergerfs Branch-0=RW:Branch-1=RO:Branch-2=RO MountPoint")
        before = {name: listing(first, name) for name in BRANCHES}
        first.run("echo changed >> MountPoint/004.txt", status=(0, 1))
        changed = [name for name, entries in before.items() if listing(first, name) != entries]
        step.answer(
            {
                "Branch-0": changed == ["Branch-0"],
                "Branch-1": changed == ["Branch-1"],
                "Branch-2": changed == ["Branch-2"],
                "none": changed == [],
            },
            saw=changed,
        )
        assert changed == ["Branch-1"]
        assert text_of(first, "Branch-1/004.txt") == "b1\nchanged\n"
        assert "Read-only file system" in first.run("rm MountPoint/002.txt", status=1)
        assert first.run("cat MountPoint/002.txt") == "b2"
        assert sorted(name for name in listing(first, "Branch-0") if name != ".") == ["001.txt", "003.txt"]
        first.run("umount MountPoint")


@needs("aufs")
def test_aufs_branches(lab: Lab) -> None:
    """aufs: the example of the notes, on a kernel that has it.

    The command of the notes names three branches and nothing else.
    """
    first = lab.window("first")
    make_branches(first)

    with lab.step(
        "Three branches and their modes",
        """
        The command names no modes. mountinfo does not name the branches, only a number si. The branches stand in
        /sys/fs/aufs/si_NUMBER, each with its mode: rw, read-write, or ro, read-only.
        """,
        found="The first branch of aufs is writable, all others are read-only, unless modes are given.",
        why="""
            dirs= is another word for br=. With the module option brs=0 the branches stand in the options of the mount
            (aufs(5)).
        """,
        hint="The top branch takes the changes.",
        watch=[first],
        files=["/sys/fs/aufs", *LAYERS],
        claims=["aufs-01"],
        ask=Number("Three branches are given without modes. How many of them are writable?"),
    ) as step:
        first.enter("unshare --mount /bin/bash")
        first.run("mount -t aufs -o br=./Branch-0:./Branch-1:./Branch-2 none ./MountPoint")
        branches = unions.aufs_branches(union_of(first))
        step.answer(sum(branch.writable for branch in branches))
        assert [Path(branch.path).name for branch in branches] == list(BRANCHES)
        assert [branch.writable for branch in branches] == [True, False, False]
        assert first.run("grep -h . MountPoint/*").split() == [f"b{number}" for number in THE_TABLE.values()]
        assert sources(first) == THE_TABLE
        assert contradictions(first) == []

    with lab.step(
        "What aufs keeps in a branch",
        "List the branches with all names that begin with a dot. Nobody has written anything yet.",
        found="aufs keeps files of its own in a writable branch; read-only branches are not touched.",
        why="""
            .wh..wh.aufs is the file of which whiteouts are hard links; .wh..wh.orph is for files that are deleted while
            open, .wh..wh.plnk for hard links over branches. overlay keeps such things in the workdir.
        """,
        watch=[first],
        files=LAYERS,
        claims=["aufs-02"],
        ask=Choice(
            "Which branches have new names in them right after the mount?", "none", "Branch-0 only", "all three"
        ),
    ) as step:
        first.run("ls -A Branch-0 Branch-1 Branch-2")
        kept = {number: bookkeeping(first, f"Branch-{number}") for number in range(3)}
        touched = [number for number in kept if kept[number]]
        step.answer(
            {"none": touched == [], "Branch-0 only": touched == [0], "all three": touched == [0, 1, 2]}, saw=touched
        )
        assert touched == [0]
        assert set(kept[0]) >= {".wh..wh.aufs", ".wh..wh.orph", ".wh..wh.plnk"}

    with lab.step(
        "Copy-up",
        """
        004.txt is opened for reading as descriptor 7, then a line is added to it by its name. The descriptor is read
        after that.
        """,
        found="aufs copies the whole file up; its inode number stays, and an old descriptor reads the new data.",
        why="It keeps a table of inode numbers (xino), so the number stays. The old descriptor is moved to the copy.",
        watch=[first],
        files=["/proc/PID/fd", *LAYERS],
        claims=["aufs-03"],
        ask=Choice(
            "A descriptor was opened before the copy-up. What does it read after it?", "b1", "b1 and changed", "changed"
        ),
    ) as step:
        before = first.run("stat -c %i MountPoint/004.txt")
        first.run("exec 7<MountPoint/004.txt; echo changed >> MountPoint/004.txt")
        read = first.run("cat <&7").split()
        step.answer(
            {"b1": read == ["b1"], "b1 and changed": read == ["b1", "changed"], "changed": read == ["changed"]},
            saw=read,
        )
        assert read == ["b1", "changed"]
        assert first.run("stat -c %i MountPoint/004.txt") == before
        assert [text_of(first, f"{branch}/004.txt") for branch in BRANCHES[:2]] == ["b1\nchanged\n", "b1\n"]

    with lab.step(
        "Delete, and make again",
        """
        002.txt, which is in Branch-2, and 003.txt, which is in all branches, are deleted. Then 003.txt is made again.
        List Branch-0 with all names.
        """,
        found="A whiteout of aufs is an empty file .wh.NAME; it goes when the name is made again.",
        why="""
            It has the mode 0444 and is a hard link to .wh..wh.aufs. The layers of images have kept this name: a tar
            file cannot hold much else. It stays in the branch after umount, and counts at the next mount.
        """,
        watch=[first],
        files=LAYERS,
        claims=["aufs-04"],
        ask=Text("002.txt, from Branch-2, is deleted. Which name is new in Branch-0?"),
    ) as step:
        first.run("exec 7<&-")
        earlier = set(listing(first, "Branch-0"))
        first.run("rm MountPoint/002.txt")
        new = set(listing(first, "Branch-0")) - earlier
        step.answer(" ".join(new))
        assert new == {".wh.002.txt"}
        assert listing(first, "Branch-0")[".wh.002.txt"]["mode"] == "0444"
        assert same_file(first, "Branch-0/.wh.002.txt", "Branch-0/.wh..wh.aufs")
        first.run("rm MountPoint/003.txt")
        assert ".wh.003.txt" in listing(first, "Branch-0")
        first.run("echo again > MountPoint/003.txt")
        assert ".wh.003.txt" not in listing(first, "Branch-0")
        assert sources(first) == {"001.txt": 0, "003.txt": 0, "004.txt": 0}
        assert contradictions(first) == []
        first.run("umount MountPoint")
        assert ".wh.002.txt" in listing(first, "Branch-0")


@needs("aufs")
def test_aufs_opaque_and_reserved(lab: Lab) -> None:
    """aufs: opaque directories, and names that are taken.

    aufs writes its marks as files. So these names are not free for anybody else.
    """
    first = lab.window("first")
    make_branches(first)

    with lab.step(
        "rm -r and mkdir",
        """
        A directory of Branch-1 is deleted and made again: it is opaque then, and shows nothing from below. After that a
        file with a name that begins with .wh. is tried.
        """,
        found="An opaque directory of aufs holds a file .wh..wh..opq; names that begin with .wh. are reserved.",
        why="To make such a name by the union is refused with EPERM. In the branch itself anybody could make it.",
        watch=[first],
        files=LAYERS,
        claims=["aufs-05"],
        ask=Choice(
            "`touch MountPoint/.wh.foo`: what happens?",
            "it works",
            "Operation not permitted",
            "File exists",
            "Read-only file system",
        ),
    ) as step:
        first.run("mkdir Branch-1/dir; echo b1 > Branch-1/dir/old.txt")
        first.enter("unshare --mount /bin/bash")
        first.run("mount -t aufs -o br=./Branch-0:./Branch-1:./Branch-2 none ./MountPoint")
        first.run("rm -r MountPoint/dir; mkdir MountPoint/dir", status=(0, 1))
        taken = first.run("touch MountPoint/.wh.foo", status=(0, 1))
        step.answer(
            {
                "it works": taken.status == 0,
                "Operation not permitted": "Operation not permitted" in taken,
                "File exists": "File exists" in taken,
                "Read-only file system": "Read-only file system" in taken,
            },
            saw=taken,
        )
        assert first.run("ls MountPoint/dir") == ""
        assert listing(first, "Branch-0").get("dir/.wh..wh..opq", {}).get("mark") == "opaque"
        assert contradictions(first) == []
        assert "Operation not permitted" in taken


@needs("aufs")
def test_aufs_modes(lab: Lab) -> None:
    """aufs: all branches writable, or none.

    Each branch has a mode of its own. This is something that overlay cannot do.
    """
    first = lab.window("first")
    make_branches(first)

    with lab.step(
        "All branches rw",
        """
        With three writable branches 004.txt of Branch-1 is written to, a new file is made, and 001.txt and 004.txt are
        deleted.
        """,
        found="In a writable branch files are changed and deleted where they are.",
        why="""
            A copy-up is needed for read-only branches only. A new file goes to the top branch. A whiteout is made only
            when something of that name is left below.
        """,
        watch=[first],
        files=["/sys/fs/aufs", *LAYERS],
        claims=["aufs-06"],
        ask=Choice(
            "All branches are rw. 004.txt of Branch-1 is written to. Which branches have a 004.txt then?",
            "Branch-0 only",
            "Branch-1 only",
            "Branch-0 and Branch-1",
        ),
    ) as step:
        first.enter("unshare --mount /bin/bash")
        first.run("mount -t aufs -o br=./Branch-0=rw:./Branch-1=rw:./Branch-2=rw none ./MountPoint")
        first.run("echo changed >> MountPoint/004.txt; echo new > MountPoint/new.txt")
        have = [branch for branch in BRANCHES if "004.txt" in listing(first, branch)]
        step.answer(
            {
                "Branch-0 only": have == ["Branch-0"],
                "Branch-1 only": have == ["Branch-1"],
                "Branch-0 and Branch-1": have == ["Branch-0", "Branch-1"],
            },
            saw=have,
        )
        assert have == ["Branch-1"]
        assert text_of(first, "Branch-1/004.txt") == "b1\nchanged\n"
        assert [branch for branch in BRANCHES if "new.txt" in listing(first, branch)] == ["Branch-0"]
        first.run("rm MountPoint/001.txt MountPoint/004.txt")
        assert ".wh.001.txt" in listing(first, "Branch-0")
        assert ".wh.004.txt" not in listing(first, "Branch-0")
        assert sorted(name for name in listing(first, "Branch-1") if name.endswith("txt")) == ["001.txt", "003.txt"]

    with lab.step(
        "All branches ro",
        "The same with three read-only branches: a new file, a deletion and a write are tried. The mount says rw.",
        found="With read-only branches every change is EROFS, although the mount says rw.",
        why="rw at the mount is what the mount allows; whether a branch can take the change is another question.",
        watch=[first],
        files=["/sys/fs/aufs", *LAYERS],
        claims=["aufs-12"],
        ask=Choice(
            "All branches are ro. What does `touch MountPoint/x` say?",
            "nothing: it works",
            "Read-only file system",
            "Permission denied",
            "Operation not permitted",
        ),
    ) as step:
        first.run("umount MountPoint")
        first.run("mount -t aufs -o br=./Branch-0=ro:./Branch-1=ro:./Branch-2=ro none ./MountPoint")
        refused = first.run("touch MountPoint/x", status=(0, 1))
        step.answer(
            {
                "nothing: it works": refused.status == 0,
                "Read-only file system": "Read-only file system" in refused,
                "Permission denied": "Permission denied" in refused,
                "Operation not permitted": "Operation not permitted" in refused,
            },
            saw=refused,
        )
        assert union_of(first)["super"].split(",")[0] == "rw"
        assert "Read-only file system" in refused
        assert "Read-only file system" in first.run("rm MountPoint/003.txt", status=1)
        assert "Read-only file system" in first.run("echo x >> MountPoint/003.txt", status=1)

    with lab.step(
        "New files in turn",
        "With create=rr (round robin) and three writable branches, six new files are made.",
        found="create=rr spreads new files over the writable branches.",
        why="""
            The option create= chooses the branch of a new file: the top one, one after the other, or the one with the
            most free space. So aufs was used to join disks too.
        """,
        watch=[first],
        files=LAYERS,
        claims=["aufs-07"],
        ask=Choice("Six new files with create=rr. How many branches get some of them?", "one", "two", "three"),
    ) as step:
        first.run("umount MountPoint")
        first.run("mount -t aufs -o br=./Branch-0=rw:./Branch-1=rw:./Branch-2=rw,create=rr none ./MountPoint")
        first.run("for n in 1 2 3 4 5 6; do echo $n > MountPoint/rr$n; done")
        places = [branch for branch in BRANCHES if any(name.startswith("rr") for name in listing(first, branch))]
        step.answer({"one": len(places) == 1, "two": len(places) == 2, "three": len(places) == 3}, saw=places)
        assert len(places) > 1


@needs("aufs")
def test_aufs_at_run_time(lab: Lab) -> None:
    """aufs: branches come and go while the union is mounted.

    overlay fixes its layers when it is mounted. aufs takes new branches, drops some, and changes their modes.
    """
    first = lab.window("first")
    make_branches(first)
    first.run("mkdir Branch-3; echo b3 > Branch-3/005.txt")

    with lab.step(
        "Append, change the mode, delete",
        """
        Branch-3 with a file 005.txt is added at the end, made writable, and taken away again: once while 005.txt is
        open, and once after it was closed.
        """,
        found="Branches of aufs can be added, changed and taken away; one with an open file is busy.",
        why="""
            mount -o remount with append:, prepend:, add:N:, mod: and del: changes the list of branches. The paths must
            be absolute (aufs(5)).
        """,
        watch=[first],
        files=["/sys/fs/aufs", *LAYERS, "/proc/PID/cwd/Branch-3"],
        claims=["aufs-08"],
        ask=Choice(
            "A file of Branch-3 is open. What does mount say when the branch is to be taken away?",
            "nothing: it works",
            "it is busy",
            "permission denied",
            "bad option",
        ),
    ) as step:
        first.enter("unshare --mount /bin/bash")
        first.run("mount -t aufs -o br=./Branch-0:./Branch-1:./Branch-2 none ./MountPoint")
        first.run("mount -o remount,append:$PWD/Branch-3=ro ./MountPoint")
        assert [branch.writable for branch in unions.aufs_branches(union_of(first))] == [True, False, False, False]
        assert Path(f"/proc/{first.pid}/cwd/MountPoint/005.txt").read_text() == "b3\n"
        first.run("mount -o remount,mod:$PWD/Branch-3=rw ./MountPoint")
        assert unions.aufs_branches(union_of(first))[3].writable
        busy = first.run("exec 7<MountPoint/005.txt; mount -o remount,del:$PWD/Branch-3 ./MountPoint", status=(0, 32))
        step.answer(
            {
                "nothing: it works": busy.status == 0,
                "it is busy": "busy" in busy,
                "permission denied": "permission denied" in busy,
                "bad option": "bad option" in busy,
            },
            saw=busy,
        )
        assert busy.status == 32
        first.run("exec 7<&-; mount -o remount,del:$PWD/Branch-3 ./MountPoint")
        assert len(unions.aufs_branches(union_of(first))) == 3

    with lab.step(
        "What aufs notices of its branches",
        """
        MountPoint is listed, then a file is put into Branch-1 directly, then MountPoint is listed again: once with the
        option udba=reval, and once with udba=notify.
        """,
        found="With udba=notify aufs sees at once what others do in its branches; without it a listing may be old.",
        why="""
            udba means: user's direct branch access. reval, the default, checks what it knows when it is asked for a
            name, but a listing may come from its cache. notify watches the branches and throws the cache away.
        """,
        watch=[first],
        files=LAYERS,
        claims=["aufs-09"],
        ask=Choice(
            "Which of the two shows the new file in a listing at once?", "only reval", "only notify", "both", "neither"
        ),
    ) as step:
        first.run("umount MountPoint")
        shown = []
        for udba in ("reval", "notify"):
            first.run(f"mount -t aufs -o br=./Branch-0:./Branch-1:./Branch-2,udba={udba} none ./MountPoint")
            listed = first.run(f"ls MountPoint > /dev/null; echo b1 > Branch-1/by-{udba}.txt; ls MountPoint").split()
            shown += [udba] if f"by-{udba}.txt" in listed else []
            first.run("umount MountPoint")
        step.answer(
            {
                "only reval": shown == ["reval"],
                "only notify": shown == ["notify"],
                "both": shown == ["reval", "notify"],
                "neither": shown == [],
            },
            saw=shown,
        )
        assert shown == ["notify"]


@needs("aufs", "user namespace")
def test_aufs_refuses(lab: Lab) -> None:
    """aufs: what it does not take.

    Some lists of branches make no sense, and some places are forbidden.
    """
    first = lab.window("first")
    make_branches(first)

    with lab.step(
        "Lists that make no sense",
        """
        A branch that is not there, one that is given twice, one inside another, and no branch at all. Then an unknown
        mode, zz.
        """,
        found="A list of branches that makes no sense is refused; an unknown mode counts as read-only.",
        why="""
            The kernel answers EINVAL and writes the reason to its log. For an unknown mode there is a line in the log
            only. aufs takes at most 127 branches; long lists in one br= have crashed kernels: add them one by one.
        """,
        watch=[first],
        files=["/sys/fs/aufs", *LAYERS],
        claims=["aufs-10"],
        ask=Choice(
            "Branch-0 is given with the unknown mode zz. What happens?",
            "mount is refused",
            "the branch is read-only",
            "the branch is writable",
        ),
    ) as step:
        first.run("mkdir Branch-0/inside")
        first.enter("unshare --mount /bin/bash")
        for wrong in ("./nothing", "./Branch-0:./Branch-0", "./Branch-0:./Branch-0/inside", ""):
            first.run(f"mount -t aufs -o br={wrong} none ./MountPoint", status=32)
        unknown = first.run("mount -t aufs -o br=./Branch-0=zz:./Branch-1 none ./MountPoint", status=(0, 32))
        writable = [branch.writable for branch in unions.aufs_branches(union_of(first))] if not unknown.status else []
        step.answer(
            {
                "mount is refused": unknown.status == 32,
                "the branch is read-only": writable == [False, False],
                "the branch is writable": writable == [True, False],
            },
            saw=(unknown, writable),
        )
        assert writable == [False, False]
        first.run("umount MountPoint")

    with lab.step(
        "On overlay, and in a user namespace",
        "An overlay is offered to aufs as a branch. Then root of a new user namespace tries to mount aufs.",
        found="aufs takes no overlay as a branch, and root of a user namespace may not mount it.",
        why="""
            aufs wants real file systems below it. In a user namespace it is forbidden unless the module option
            allow_userns is set. So aufs was never a choice for rootless containers.
        """,
        watch=[first],
        files=["/sys/module/aufs/parameters/allow_userns", *LAYERS],
        claims=["aufs-11"],
        ask=Choice(
            "Root of a new user namespace mounts aufs, with the module option allow_userns off. What does mount say?",
            "nothing: it works",
            "permission denied",
            "unknown filesystem type",
            "wrong fs type, bad option, bad superblock",
        ),
    ) as step:
        allowed = Path("/sys/module/aufs/parameters/allow_userns")
        if allowed.exists() and allowed.read_text().strip() in ("1", "Y"):
            lab.unsupported("this machine allows aufs in user namespaces", "set the module option allow_userns to 0")
        first.run("mkdir stacked; mount -t overlay overlay -o lowerdir=Branch-1:Branch-2 stacked")
        on_overlay = first.run("mount -t aufs -o br=./Branch-0:./stacked none ./MountPoint", status=(0, 32))
        first.enter("unshare --user --map-root-user --mount /bin/bash")
        refused = first.run("mount -t aufs -o br=./Branch-0:./Branch-1 none ./MountPoint", status=(0, 32))
        step.answer(
            {
                "nothing: it works": refused.status == 0,
                "permission denied": "permission denied" in refused,
                "unknown filesystem type": "unknown filesystem type" in refused,
                "wrong fs type, bad option, bad superblock": "wrong fs type" in refused,
            },
            saw=refused,
        )
        assert on_overlay.status == 32
        assert refused.status == 32


# What the exercises share


def text_of(window: Window, name: str) -> str:
    """What is in a short file of a branch; "" if it is not there."""
    branch, _, file = name.partition("/")
    return str(listing(window, branch).get(file, {}).get("text", ""))


def bookkeeping(window: Window, name: str) -> list[str]:
    """The names that the union file system keeps in a branch for itself."""
    return [path for path, entry in listing(window, name).items() if entry.get("mark") == "bookkeeping"]


def need_fuse(lab: Lab) -> None:
    """End the exercise where /dev/fuse cannot be opened."""
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        reason = f"/dev/fuse cannot be opened ({error.strerror})"
        lab.unsupported(reason, "modprobe fuse as root; in a container: --device /dev/fuse")
