"""Ranges of ids: longer maps, and who may write them.

One line for the own id is enough to play root. A container has more users than one. So its map needs a range of ids,
and a range is something that an ordinary user may not just take.

This lab reads and writes longer maps, as root, and shows three ways to give them to the ordinary user dev (1000):
capabilities on a file, subordinate ids with newuidmap, and a mount that has a map of its own.
"""

import errno
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.kernel import namespaces, proc
from runtime.kernel.namespaces import tell, write_maps
from runtime.kernel.syscalls import (
    AT_EMPTY_PATH,
    MOUNT_ATTR_IDMAP,
    MOVE_MOUNT_F_EMPTY_PATH,
    OPEN_TREE_CLONE,
    Clone,
    SyscallError,
    mount_setattr,
    move_mount,
    open_tree,
)
from runtime.lab import Choice, Lab, Number, Text, Window, needs
from runtime.lab.dev import AS_DEV, DEV, at_home, homes

pytestmark = [needs("unshare", "nsenter", "setpriv", "user namespaces of ordinary users")]

FIRST_NAMESPACE = "user:[4026531837]"  # PROC_USER_INIT_INO in the kernel: the same on every machine
AT_FDCWD = -100  # "relative to the working directory", open(2)
NOTHING = "0000000000000000"  # an empty set of capabilities, as /proc/PID/status prints it
REFUSALS = ("Operation not permitted", "Permission denied", "Invalid argument")


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory with two homes, dev/ and root/."""
    with homes() as path:
        yield path


@needs("root")
def test_the_range(lab: Lab, place: Path) -> None:
    """Where a range ends, and what its ids may do.

    Root of the machine maps 256 ids at once. The notes say from where to where. Count yourself.
    """
    first, second = at_home(lab.window("first"), place), at_home(lab.window("second"), place)

    with lab.step(
        "0 1000 256",
        """
        There are four files, which belong to the users 999, 1000, 1255 and 1256. dev makes a user namespace, root
        writes the map 0 1000 256 for it. Inside, stat shows the owners.
        """,
        found="The third number of a line is a length, not an end.",
        why="""
            256 ids from 1000 on are 1000 to 1255, so the last one inside is 255. 1256 has no line, as 999 has none.
            Root of the parent namespace may write any range (CAP_SETUID).
        """,
        hint="How many numbers are there from 1000 to 1256, both ends counted?",
        watch=[first, second],
        claims=["usr-12"],
        shows=["usr-14"],
        ask=Number("The map is `0 1000 256`. Which owner is shown inside for a file of user 1256?"),
    ) as step:
        second.run("touch of-999 of-1000 of-1255 of-1256; for n in 999 1000 1255 1256; do chown $n of-$n; done")
        first.enter(f"{AS_DEV} unshare --user /bin/bash")
        second.run(f"echo '0 1000 256' > /proc/{first.pid}/uid_map")
        second.run(f"echo '0 1000 256' > /proc/{first.pid}/gid_map")
        owners = first.run("stat -c %u of-999 of-1000 of-1255 of-1256").split()
        overflow = second.run("cat /proc/sys/kernel/overflowuid")
        step.answer(int(owners[3]))
        assert owners == [overflow, "0", "255", overflow]
        assert proc.read("/proc/PID/uid_map", first.pid) == [[0, 1000, 256]]

    with lab.step(
        "Giving a file away",
        """
        Inside, uid 0 gives files to the users 5, 255 and 256. Then setpriv takes CAP_CHOWN away from root, and root
        tries to give a file to 5 again.
        """,
        found="One error is about the number, the other one about the right.",
        why="""
            Root is nothing by itself: what root could do is cut into capabilities (Linux 2.2), and chown(2) asks for
            CAP_CHOWN. The number is translated on its way in; 256 has no translation, so it is an invalid argument
            (EINVAL), not a missing right. (The shell has no capabilities yet, but the program chown has: execve() as
            uid 0 gives them.)
        """,
        hint="Is 256 in the map?",
        watch=[first, second],
        files=["/proc/sys/kernel/cap_last_cap"],
        claims=["usr-17"],
        ask=Choice(
            "Root of the namespace (map 0 1000 256) gives a file to the user 256. What comes?",
            "it works",
            "Operation not permitted",
            "Permission denied",
            "Invalid argument",
        ),
    ) as step:
        first.run("touch dev/gift dev/last dev/kept")
        first.run("chown 5:5 dev/gift; chown 255:255 dev/last")
        beyond = first.run("chown 256 dev/kept", status=(0, 1))
        without = first.run("setpriv --bounding-set=-chown chown 5:5 dev/kept", status=1)
        step.answer({"it works": beyond.status == 0, **{text: text in beyond for text in REFUSALS}}, saw=beyond)
        assert "Invalid argument" in beyond
        assert "Operation not permitted" in without
        assert second.run("stat -c '%u %g' dev/gift dev/last dev/kept") == "1005 1005\n1255 1255\n1000 1000"
        assert first.run("id -u; stat -c '%u %g' dev/gift") == "0\n5 5"

    with lab.step(
        "A right without root",
        """
        User 5 of the namespace, who is not root, tries to give dev/kept to user 7: once as it is, and once with the
        single capability CAP_CHOWN, which setpriv lets it keep (as an ambient capability).
        """,
        found="A capability is enough; nobody has to be root.",
        why="""
            The kernel asks for the capability, not for the number 0 (capabilities(7)). uid 0 counts only at execve(),
            where it gives all of them. The ambient set keeps some for other users (Linux 4.3).
        """,
        hint="What does chown(2) ask for?",
        watch=[first, second],
        claims=["usr-36"],
        ask=Choice(
            "Which user 5 may give the file of another user away?",
            "none: only root may",
            "any user 5, in this namespace",
            "the one with CAP_CHOWN",
        ),
    ) as step:
        user = "setpriv --reuid=5 --regid=5 --clear-groups"
        plain = first.run(f"{user} chown 7 dev/kept", status=(0, 1)).status == 0
        keeps = f"{user} --inh-caps=+chown --ambient-caps=+chown"
        capable = first.run(f"{keeps} chown 7 dev/kept", status=(0, 1)).status == 0
        step.answer(
            {
                "none: only root may": not plain and not capable,
                "any user 5, in this namespace": plain and capable,
                "the one with CAP_CHOWN": capable and not plain,
            }
        )
        assert capable
        assert first.run("stat -c %u dev/kept") == "7"
        assert first.run(f"{keeps} grep -E '^Uid|CapEff' /proc/self/status").split() == [
            "Uid:",
            "5",
            "5",
            "5",
            "5",
            "CapEff:",
            "0000000000000001",
        ]

    with lab.step(
        "Whose are the maps?",
        """
        dev has made this namespace. User 5 starts a shell in it. The second window looks at the owner of the file
        uid_map of that shell.
        """,
        found="The files of a process in /proc belong to its own user, whoever made the namespace.",
        why="""
            /proc/PID/uid_map shows the map of the namespace, but it is a file of the process, and belongs to the
            effective user of the process (proc(5)). The notes say that it belongs to the maker of the namespace: so it
            is for the first process alone. NS_GET_OWNER_UID tells the maker.
        """,
        watch=[first, second],
        files=["/proc/PID/uid_map owner", "/proc/PID/ns/user NS_GET_OWNER_UID"],
        claims=["usr-x07"],
        ask=Number("The map is 0 1000 256. User 5 runs a shell. Which uid owns its /proc/PID/uid_map outside?"),
    ) as step:
        first.enter(f"{user} /bin/bash")
        owner = second.run(f"stat -c %u /proc/{first.pid}/uid_map")
        step.answer(int(owner))
        assert owner == str(DEV + 5)
        assert namespaces.owner_uid(f"/proc/{first.pid}/ns/user") == DEV


@needs("root")
def test_reading_a_map(lab: Lab) -> None:
    """A map is read in the reader's own numbers.

    One file, several readers. The middle number of a line is an id outside - but outside of what?
    """
    first, second, third = lab.window("first"), lab.window("second"), lab.window("third")

    with lab.step(
        "The map of the first namespace",
        "The second window is in the first user namespace, which has no parent. It reads its map file.",
        found="The first user namespace maps all ids to themselves.",
        why="""
            Ids have 32 bits, so there could be 4294967296 of them. The last one, 4294967295, is -1, which calls such as
            chown(2) use for "leave it as it is": it is no id, so it is not in the map.
        """,
        watch=[second],
        claims=["usr-13"],
        ask=Number("Which length has the only line in the map of the first user namespace?", unit="ids"),
    ) as step:
        line = second.run("cat /proc/$$/uid_map").split()
        step.answer(int(line[2]))
        assert second.ns("user") == FIRST_NAMESPACE
        assert line == ["0", "0", "4294967295"]

    with lab.step(
        "One file, three readers",
        """
        Namespace A has a map whose first line is 0 100000 1000. The third window is root in A. The first window makes
        namespace B in A, and the third writes 0 10 5 for it. Then several windows read the same file.
        """,
        found="The middle number is given in the numbers of the reader.",
        why="""
            uid_m_show() in kernel/user_namespace.c translates the middle number for the reader's user namespace; who
            reads the own map sees it for the parent (user_namespaces(7)). Inside A the id is 10, on the machine 100010.
            An unrelated namespace has no number for it and gets 4294967295.
        """,
        hint="10 in A is which id of the machine?",
        watch=[first, second, third],
        claims=["usr-11"],
        ask=Text("A has the map `0 100000 1000`. B, made in A, has `0 10 5`. What is the line when the host reads it?"),
    ) as step:
        uids, gids = [(0, 100000, 1000), (5000, 200000, 10)], [(0, 100000, 1000)]
        a = step.keep(namespaces.start_in_new(Clone.NEWUSER, signal.pause, uid_map=uids, gid_map=gids))
        third.enter(f"nsenter --user --target {a.pid} /bin/bash")
        first.enter(f"nsenter --user --target {a.pid} unshare --user /bin/bash")
        file = f"/proc/{first.pid}/uid_map"
        third.run(f"echo '0 10 5' > {file}")
        host = second.run(f"cat {file}").split()
        step.answer(" ".join(host))
        assert third.run(f"cat {file}").split() == ["0", "10", "5"]
        assert namespaces.run_inside(first.pid, ["user"], Path(file).read_text).split() == ["0", "10", "5"]
        assert host == ["0", "100010", "5"]
        overlapping, apart = [(0, 10, 5), (3, 20, 5)], [(0, 10, 5), (5, 20, 5)]
        assert (is_accepted(overlapping), is_accepted(apart)) == (False, True)
        assert second.run(f"unshare --user cat {file}").split() == ["0", "4294967295", "5"]
        assert proc.read("/proc/PID/uid_map", third.pid) == [[0, 100000, 1000], [5000, 200000, 10]]


@needs("root")
def test_how_many_lines(lab: Lab) -> None:
    """How long a map may be.

    The notes allow five lines. Why five? Because the kernel had room for five in a small structure. Is that still so?
    """
    first, second = lab.window("first"), lab.window("second")
    if not lab.facts.kernel_at_least("4.15"):
        lab.unsupported("this kernel still has the limit of five lines", "use Linux 4.15 or newer")

    with lab.step(
        "Many lines",
        """
        The shell writes 341 lines, and then 340. Then some more numbers of lines are tried by the system call, each on
        a new namespace.
        """,
        found="Since Linux 4.15 a map may have 340 lines.",
        why="""
            Up to five lines lie in the structure uid_gid_map itself, as in the time of the notes (extent[5]). Since
            Linux 4.15 more lines go to two sorted arrays, forward and reverse, for a fast search in both directions.
            UID_GID_MAP_MAX_EXTENTS in include/linux/user_namespace.h is 340. (cat is used because it writes all lines
            in one write(2), as the kernel wants it; bash would write them in pieces of 1 KiB.)
        """,
        hint="Two of the numbers in this step differ by one.",
        watch=[first, second],
        files=["/sys/kernel/btf/vmlinux"],
        claims=["usr-16"],
        ask=Number("How many lines may a uid_map have on this kernel?", unit="lines"),
    ) as step:
        first.enter("unshare --user /bin/bash")
        second.run("for n in {1..340}; do echo $n $n 1; done > lines-340")
        second.run("(cat lines-340; echo 341 341 1) > lines-341")
        too_many = second.run(f"cat lines-341 > /proc/{first.pid}/uid_map", status=(0, 1))
        second.run(f"cat lines-340 > /proc/{first.pid}/uid_map", status=(0, 1))
        accepted = [count for count in (1, 5, 6, 340, 341) if is_accepted([(n, n, 1) for n in range(1, count + 1)])]
        step.answer(max(accepted))
        assert "Invalid argument" in too_many
        assert second.run(f"wc -l < /proc/{first.pid}/uid_map") == "340"
        assert accepted == [1, 5, 6, 340]

    with lab.step(
        "Long lines",
        """
        There is a second limit: all lines together must be smaller than a page of memory, 4096 bytes. Here each line
        has 24 bytes. More and more lines are tried.
        """,
        found="The text of a map must be smaller than a page.",
        why="""
            map_write() copies the text into one page, and so wants it to be smaller than that (PAGE_SIZE). With short
            lines one meets the limit of 340 first.
        """,
        watch=[second],
        shows=["usr-16"],
        ask=Number("A line has 24 bytes, a page 4096. How many such lines may a map have?", unit="lines"),
    ) as step:
        if os.sysconf("SC_PAGE_SIZE") != 4096:
            lab.unsupported("the pages of this machine are larger: 340 lines come first", "use one with 4 KiB pages")
        rows = [(4_000_000_000 + n, 4_000_000_000 + n, 1) for n in range(172)]
        accepted = [count for count in (168, 169, 170, 171, 172) if is_accepted(rows[:count])]
        step.answer(max(accepted))
        assert accepted == [168, 169, 170]


def is_accepted(rows: list[tuple[int, int, int]]) -> bool:
    """Whether a new user namespace takes these lines as its uid_map; any error but EINVAL is raised."""
    with namespaces.start_in_new(Clone.NEWUSER, signal.pause, uid_map=(), gid_map=()) as child:
        try:
            write_maps(child.pid, rows, ())
        except SyscallError as error:
            if error.errno != errno.EINVAL:
                raise
            return False
        return len(proc.read("/proc/PID/uid_map", child.pid)) == len(rows)


@needs("root", "setcap", "getcap")
def test_file_capabilities(lab: Lab, place: Path) -> None:
    """Capabilities from a file.

    For a hundred ids dev needs CAP_SETUID and CAP_SETGID. The notes put them on /bin/bash itself. On a real machine
    that would be a door for every user. Here a copy of bash lies over /bin/bash, in a mount namespace of these windows.
    """
    first, second, third = (at_home(lab.window(name), place) for name in ("first", "second", "third"))
    copy = place / "programs" / "bash"
    copy.parent.mkdir()
    third.enter("unshare --mount /bin/bash")
    third.run(f"mount -t tmpfs -o mode=755 tmpfs {copy.parent}; cp /bin/bash {copy}; mount --bind {copy} /bin/bash")
    second.enter(f"nsenter --mount --target {third.pid} {AS_DEV} /bin/bash")
    first.enter(f"{AS_DEV} unshare --user /bin/bash")
    files = f"/proc/{first.pid}"

    with lab.step(
        "setcap, exec bash",
        """
        The third window (root) puts two capabilities on the copy. The second window (dev) runs exec bash, and looks at
        its Cap lines before and after.
        """,
        found="A file can give capabilities to whoever runs it; the user stays dev.",
        why="""
            setcap writes the attribute security.capability of the file. At execve() the kernel adds what it says to the
            permitted set, and with the e flag to the effective set (capabilities(7)). The bits are numbered from 0. A
            file system that is mounted nosuid gives nothing.
        """,
        hint="Bit n is worth 2 to the power of n.",
        watch=[second],
        files=["/proc/PID/exe security.capability"],
        claims=["usr-20"],
        ask=Text("CAP_SETGID is bit 6, CAP_SETUID is bit 7. Which mask do both make, in hexadecimal?"),
    ) as step:
        before = second.run("grep -E 'Cap(Prm|Eff)' /proc/$$/status").split()
        third.run(f"setcap cap_setgid,cap_setuid+ep {copy}; getcap {copy}")
        second.enter("exec /bin/bash")
        masks = second.run("grep -E 'Cap(Inh|Prm|Eff)' /proc/$$/status").split()
        step.answer(masks[5].lstrip("0"))
        assert before == ["CapPrm:", NOTHING, "CapEff:", NOTHING]
        assert masks == ["CapInh:", NOTHING, "CapPrm:", "00000000000000c0", "CapEff:", "00000000000000c0"]
        assert second.run("id -u") == str(DEV)
        assert proc.read("/proc/PID/exe security.capability", second.pid)["permitted"] == "00000000000000c0"

    with lab.step(
        "A hundred ids, again",
        "dev writes 0 1000 100 into both maps, and then a second time. Look at setgroups too.",
        found="With CAP_SETUID and CAP_SETGID longer maps are accepted, and setgroups stays at allow.",
        why="""
            new_idmap_permitted() finds CAP_SETUID (for gid_map CAP_SETGID) in the parent namespace. With the right to
            change groups in the parent there is no need to deny setgroups. Since Linux 5.12 a map that contains the
            user 0 of the parent needs CAP_SETFCAP as well; there is an exercise for it below.
        """,
        watch=[first, second],
        claims=["usr-21"],
        ask=Choice(
            "dev has the two capabilities. setgroups says allow. Which map takes `0 1000 100`?",
            "none",
            "uid_map only",
            "gid_map only",
            "both",
        ),
    ) as step:
        tries = [second.run(f"echo '0 1000 100' > {files}/{name}", status=(0, 1)) for name in ("uid_map", "gid_map")]
        written = [answer.status == 0 for answer in tries]
        step.answer(
            {
                "none": written == [False, False],
                "uid_map only": written == [True, False],
                "gid_map only": written == [False, True],
                "both": written == [True, True],
            },
            saw=tries,
        )
        assert written == [True, True]
        for name in ("uid_map", "gid_map"):
            assert "Operation not permitted" in second.run(f"echo '0 1000 100' > {files}/{name}", status=1)
        assert second.run(f"cat {files}/uid_map {files}/gid_map").split() == ["0", "1000", "100"] * 2
        assert second.run(f"cat {files}/setgroups") == "allow"

    with lab.step(
        "Taking them away",
        "The notes end with setcap ...-ep and the output 'bash ='. setcap -r is tried too. getcap looks after each.",
        found="-ep leaves an empty attribute; -r removes it.",
        why="""
            -ep removes the two from a set that is then empty, and writes the empty set. A file with an empty set is not
            the same as a file without one: getcap prints it, and for a set-user-ID program it would even take
            capabilities away (capabilities(7), file capabilities).
        """,
        hint="What does getcap print for a file that never had capabilities?",
        watch=[second],
        files=["/proc/PID/exe security.capability"],
        claims=["usr-22"],
        ask=Choice(
            "What is on the file after `setcap cap_setgid,cap_setuid-ep`?",
            "nothing, as before the first setcap",
            "the attribute, with an empty set",
            "the attribute, with both capabilities",
        ),
    ) as step:
        third.run(f"setcap cap_setgid,cap_setuid-ep {copy}")
        emptied = third.run(f"getcap {copy}")
        left = proc.read("/proc/PID/exe security.capability", second.pid)
        step.answer(
            {
                "nothing, as before the first setcap": left is None,
                "the attribute, with an empty set": left is not None and left["permitted"] == NOTHING,
                "the attribute, with both capabilities": left is not None and left["permitted"] != NOTHING,
            },
            saw=left,
        )
        third.run(f"setcap -r {copy}", status=(0, 1))
        removed = third.run(f"getcap {copy}")
        second.enter("exec /bin/bash")
        assert emptied == f"{copy} ="
        assert left["permitted"] == NOTHING
        assert removed == ""
        assert proc.read("/proc/PID/exe security.capability", second.pid) is None
        assert second.run("grep CapEff /proc/$$/status").endswith(NOTHING)


@needs("root")
def test_the_user_0_of_the_parent(lab: Lab) -> None:
    """Mapping the root of the parent.

    Root writes maps for others all the time. One id is special: 0, root itself.
    """
    if not lab.facts.kernel_at_least("5.12"):
        lab.unsupported("this kernel does not ask for CAP_SETFCAP yet", "use Linux 5.12 or newer")
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "Root without CAP_SETFCAP",
        """
        The second window is root, but without CAP_SETFCAP, the right to put capabilities on files. It writes the map
        0 0 1, and then 0 1000 1.
        """,
        found="To map the parent's user 0 one needs CAP_SETFCAP.",
        why="""
            Who is root in a namespace with the map 0 0 1 can write file capabilities that count for the parent. So root
            without CAP_SETFCAP could get around the lack of it in this way. verify_root_map() in
            kernel/user_namespace.c closes that since Linux 5.12 (user_namespaces(7)).
        """,
        hint="Which of the two lines has the user 0 of the parent in it?",
        watch=[first, second],
        claims=["usr-x05"],
        ask=Choice(
            "Root without CAP_SETFCAP writes maps for a new namespace. Which line is accepted?",
            "0 0 1",
            "0 1000 1",
            "both",
            "none",
        ),
    ) as step:
        first.enter("unshare --user /bin/bash")
        second.enter("setpriv --bounding-set=-setfcap /bin/bash")
        to_root = second.run(f"echo '0 0 1' > /proc/{first.pid}/uid_map", status=(0, 1))
        to_dev = second.run(f"echo '0 1000 1' > /proc/{first.pid}/uid_map", status=(0, 1))
        line = second.run(f"cat /proc/{first.pid}/uid_map").split()
        step.answer(
            {
                "0 0 1": line == ["0", "0", "1"],
                "0 1000 1": to_root.status == 1 and line == ["0", "1000", "1"],
                "both": to_root.status == to_dev.status == 0,
                "none": line == [],
            },
            saw=line,
        )
        assert "Operation not permitted" in to_root
        assert line == ["0", "1000", "1"]

    with lab.step(
        "Root with all capabilities",
        "The same line 0 0 1 for another namespace, written by root with all capabilities.",
        found="With CAP_SETFCAP the line is accepted.",
        watch=[first, second],
        shows=["usr-x05"],
    ):
        first.exit()
        second.exit()
        first.enter("unshare --user /bin/bash")
        second.run(f"echo '0 0 1' > /proc/{first.pid}/uid_map")
        assert second.run(f"cat /proc/{first.pid}/uid_map").split() == ["0", "0", "1"]


@needs("root", "newuidmap", "newgidmap")
def test_subordinate_ids(lab: Lab, place: Path) -> None:
    """A range of ids for an ordinary user: newuidmap.

    A container needs many users. dev may map only one. So the administrator gives dev a range of ids that nobody else
    uses, and a small set-user-ID program writes the map.
    """
    first, second, third = (at_home(lab.window(name), place) for name in ("first", "second", "third"))
    if not all(Path(f"/etc/{name}").is_file() for name in ("subuid", "subgid")):
        lab.unsupported(
            "there is no /etc/subuid to put a private one over", "install the package uidmap (shadow-utils)"
        )
    private_accounts(third, place)
    for window in (first, second):
        window.enter(f"nsenter --mount --target {third.pid} {AS_DEV} /bin/bash")
        window.run(f"cd {place}")

    with lab.step(
        "newuidmap",
        """
        /etc/subuid (a private copy for these windows) gives dev 65536 ids from 100000 on. newuidmap is asked for an id
        that is not dev's. Then it writes a map of two lines for dev's namespace.
        """,
        found="newuidmap writes the ranges that the administrator has given, and no others.",
        why="""
            newuidmap is set-user-ID root, or has file capabilities. It accepts the caller's own id and the ranges in
            subuid(5), and nothing else; newgidmap does the same for groups. Rootless Docker and Podman use them.
            setgroups stays at allow.
        """,
        hint="Who really writes uid_map here?",
        watch=[first, second],
        files=["/etc/subuid"],
        claims=["usr-x02"],
        ask=Number(
            "subuid says dev:100000:65536, the own id comes on top. How many ids has the namespace?", unit="ids"
        ),
    ) as step:
        second.run("cat /etc/subuid")
        first.enter("unshare --user /bin/bash")
        foreign = second.run(f"newuidmap {first.pid} 0 5000 1", status=1)
        second.run(f"newuidmap {first.pid} 0 1000 1 1 100000 65536", status=(0, 1))
        second.run(f"newgidmap {first.pid} 0 1000 1 1 100000 65536")
        rows = proc.read("/proc/PID/uid_map", first.pid)
        step.answer(sum(count for _, _, count in rows))
        assert "not allowed" in foreign
        assert rows == [[0, 1000, 1], [1, 100000, 65536]]
        assert first.run("cat /proc/self/setgroups") == "allow"

    with lab.step(
        "A second user in the container",
        "Root of the namespace gives a file to its user 1. Look at the owner outside.",
        found="Files of a rootless container's users belong to numbers without an account.",
        why="""
            dev cannot remove such a file from outside; podman unshare and the like enter a namespace with the same map
            to do it.
        """,
        watch=[first, second],
        shows=["usr-x02"],
        ask=Number("The map is 0 1000 1 and 1 100000 65536. Which owner has a file of user 1 outside?"),
    ) as step:
        first.enter("exec /bin/bash")
        first.run("touch dev/file; chown 1:1 dev/file")
        owner = (place / "dev" / "file").stat().st_uid
        step.answer(owner)
        assert owner == 100000
        assert first.run("stat -c %u dev/file") == "1"

    with lab.step(
        "unshare --map-auto",
        "unshare can ask newuidmap and newgidmap by itself, with the option --map-auto.",
        found="One option does all of it, since util-linux 2.38.",
        why="unshare makes the namespace, and a child of it runs newuidmap and newgidmap with the ranges of subuid(5).",
        watch=[second],
        shows=["usr-x02"],
    ):
        if "--map-auto" not in second.run("unshare --help"):
            lab.unsupported("this unshare has no --map-auto", "install util-linux 2.38 or newer (Debian 12, or the VM)")
        rows = second.run("unshare --map-root-user --map-auto cat /proc/self/uid_map").split()
        assert rows[:3] == ["0", "1000", "1"]
        assert rows[4] == "100000"


def private_accounts(window: Window, place: Path) -> None:
    """Give the window a mount namespace in which dev has an account and 65536 further ids (subuid(5))."""
    window.enter("unshare --mount /bin/bash")
    (place / "passwd").write_text(f"root:x:0:0::/root:/bin/bash\ndev:x:{DEV}:{DEV}::{place}/dev:/bin/bash\n")
    (place / "sub").write_text("dev:100000:65536\n")
    window.run(f"mount --bind {place}/passwd /etc/passwd")
    window.run(f"mount --bind {place}/sub /etc/subuid; mount --bind {place}/sub /etc/subgid")


@needs("root")
def test_id_mapped_mount(lab: Lab, place: Path) -> None:
    """A map for a mount.

    Until now the process had the map. Since Linux 5.12 a mount can have one too. So one directory can be shown to two
    containers with different owners, and no file is changed.
    """
    first, second = at_home(lab.window("first"), place), at_home(lab.window("second"), place)
    kind = second.run("stat -f -c %T .")
    if not lab.facts.kernel_at_least("6.3" if kind == "tmpfs" else "5.12"):
        lab.unsupported(f"{kind} cannot be mounted with a map of ids yet", "use a newer kernel, or the VM (vagrant up)")
    first.run(f"mkdir mapped; touch dev/letter dev/roots-own; chown {DEV}:{DEV} dev/letter")

    with lab.step(
        "One directory, two mounts",
        """
        A child in its own mount namespace mounts dev/ once more, at mapped/, with a map that turns 1000 into 2000. The
        second window enters that mount namespace. Compare the owners in both directories.
        """,
        found="A mount with a map shows other owners; the files stay as they are.",
        why="""
            open_tree(2) makes a copy of a mount that is attached nowhere, mount_setattr(2) gives it the map of a user
            namespace, move_mount(2) attaches it. Here a line of the map is read from file to viewer: the number inside
            is what the file has, the number outside is what is shown. mountinfo says idmapped. An owner without a line
            is shown as 65534.
        """,
        hint="chown was not called. Look at both directories.",
        watch=[first, second],
        claims=["usr-x09"],
        ask=Number("dev/letter belongs to 1000; the mount's map is `1000 2000 1`. Which owner has mapped/letter?"),
    ) as step:
        ids = [(DEV, 2000, 1)]
        holder = lab.keep(namespaces.start_in_new(Clone.NEWUSER, signal.pause, uid_map=ids, gid_map=ids))
        paths = (place / "dev", place / "mapped")
        child = lab.keep(namespaces.start_in_new(Clone.NEWNS, mount_with_map, *paths, holder.pid))
        assert child.hear() == "mounted"
        step.watch(child)
        second.enter(f"nsenter --mount --target {child.pid} /bin/bash")
        second.run(f"cd {place}; ls -ln dev mapped")
        step.answer(int(second.run("stat -c %u mapped/letter")))
        overflow = second.run("cat /proc/sys/kernel/overflowuid")
        assert second.run("stat -c %u dev/letter dev/roots-own") == f"{DEV}\n0"
        assert second.run("stat -c %u mapped/letter mapped/roots-own") == f"2000\n{overflow}"
        mounts = {mount["point"]: mount["options"] for mount in proc.read("/proc/PID/mountinfo", second.pid)}
        assert "idmapped" in mounts[str(place / "mapped")].split(",")
        assert str(place / "mapped") not in {mount["point"] for mount in proc.read("/proc/PID/mountinfo", first.pid)}

    with lab.step(
        "Writing through the map",
        "The user 2000 makes a file in mapped/. Then root tries the same; root has no line in the map of this mount.",
        found="An owner without a number on the disk cannot be stored: EOVERFLOW, even for root.",
        why="""
            The map is used backwards for what is written: 2000 is stored as 1000. An owner that cannot be stored is no
            owner: the kernel answers EOVERFLOW, Value too large for defined data type (mount_setattr(2)).
        """,
        hint="Which number would root's file get on the disk?",
        watch=[first, second],
        shows=["usr-x09"],
        ask=Choice(
            "Root makes a file in mapped/, whose map has only the line `1000 2000 1`. What comes?",
            "it works",
            "Operation not permitted",
            "Permission denied",
            "Value too large for defined data type",
        ),
    ) as step:
        second.run("setpriv --reuid=2000 --regid=2000 --clear-groups touch mapped/reply")
        refused = second.run("touch mapped/by-root", status=(0, 1))
        texts = ("Operation not permitted", "Permission denied", "Value too large for defined data type")
        step.answer({"it works": refused.status == 0, **{text: text in refused for text in texts}}, saw=refused)
        assert second.run("stat -c '%u %g' mapped/reply") == "2000 2000"
        assert first.run("stat -c '%u %g' dev/reply") == f"{DEV} {DEV}"
        assert "Value too large" in refused
        assert first.run("touch dev/by-root").status == 0


def mount_with_map(source: Path, target: Path, holder: int) -> None:
    """Mount `source` at `target` with the map of the user namespace of `holder`, and stay; to be run in a child."""
    tree = open_tree(AT_FDCWD, source, OPEN_TREE_CLONE)
    user_namespace = os.open(f"/proc/{holder}/ns/user", os.O_RDONLY)
    mount_setattr(tree, "", AT_EMPTY_PATH, attr_set=MOUNT_ATTR_IDMAP, userns_fd=user_namespace)
    move_mount(tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH)
    tell("mounted")
    signal.pause()
