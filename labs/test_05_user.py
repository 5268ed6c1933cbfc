"""User namespaces: root inside, nobody outside.

Every process carries a user id, group ids and capabilities. A user namespace gives them a second meaning: inside, other
numbers are shown, and the capabilities are valid only for what belongs to the namespace. So an ordinary user can be
root in a container, and stays an ordinary user for the rest of the machine.

One picture is enough for the whole lab. The kernel stores one id for each process and each file: the id of the machine.
A map (uid_map, gid_map) is a translator at the door of a namespace. It translates the numbers that are shown and the
numbers that are typed. It never changes the id that is stored. An id for which the map has no line is shown as 65534.

In this lab the ordinary user is called dev and has the number 1000. The directories dev/ and root/ stand for the home
directories of dev and of root.
"""

import errno
import os
import secrets
import shutil
import signal
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.kernel import namespaces, proc
from runtime.kernel.namespaces import write_maps
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
    sethostname,
    unshare,
)
from runtime.lab import LOGIN_PROMPT, Choice, Lab, Number, Text, Window, needs
from runtime.lab.machine import is_rootless

pytestmark = [needs("unshare", "nsenter", "setpriv", "user namespaces of ordinary users")]

DEV = 1000  # the number of the ordinary user
FIRST_NAMESPACE = "user:[4026531837]"  # PROC_USER_INIT_INO in the kernel: the same on every machine
AT_FDCWD = -100  # "relative to the working directory", open(2)
NOTHING = "0000000000000000"  # an empty set of capabilities, as /proc/PID/status prints it


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory with two homes: dev/ belongs to dev, root/ to root, who lets nobody in."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        (path / "dev").mkdir()
        if is_rootless():
            (path / "root").symlink_to("/root")  # the root of the machine is somebody else here
        else:
            (path / "root").mkdir(mode=0o700)
            os.chown(path / "dev", DEV, DEV)
        yield path


def test_nobody(lab: Lab, place: Path) -> None:
    """A user namespace without a map.

    dev asks for a user namespace and gets it: no privilege is needed. But dev has no name and no number in it yet.
    """
    first, second = log_in(lab, place)
    overflow = second.run("cat /proc/sys/kernel/overflowuid")

    with lab.step(
        "Enter a new user namespace",
        "dev looks at the own ids, then runs unshare --user. After that id shows other numbers for the user, the "
        "group and all further groups. The second window is dev too and stays outside.",
        why="Since Linux 3.8 every user may make a user namespace; the new namespace starts without a map "
        "(user_namespaces(7)). Some distributions switch that off: look for kernel.unprivileged_userns_clone (Debian "
        "kernels) and kernel.apparmor_restrict_unprivileged_userns (Ubuntu). Mainline Linux has neither.",
        hint="dev is in some groups. Is there a translation for any of these numbers?",
        watch=[first, second],
        claims=["usr-06"],
        ask=Number("dev has uid 1000. Which number does `id -u` print after `unshare --user`?"),
    ) as step:
        before = first.run("id -u")
        first.enter("unshare --user /bin/bash")
        first.run("id")
        step.answer(int(first.run("id -u")))
        assert before == str(DEV)
        assert first.run("id -u") == overflow
        assert set(first.run("id -G").split()) == {second.run("cat /proc/sys/kernel/overflowgid")}
        assert first.ns("user") != second.ns("user")
        assert first.run("readlink /proc/$$/ns/user") == first.ns("user")

    with lab.step(
        "The map is empty",
        "The files uid_map and gid_map of the shell are read. wc counts their bytes.",
        why="The map belongs to the namespace and is written later, by somebody who may (see the next exercises). The "
        "size that ls shows for files in /proc is always 0, so count what can be read.",
        watch=[first],
        claims=["usr-10"],
        ask=Number("How many bytes are in uid_map right after `unshare --user`?", unit="bytes"),
    ) as step:
        size = int(first.run("wc -c < /proc/self/uid_map"))
        step.answer(size)
        assert size == 0
        assert first.run("wc -c < /proc/self/gid_map") == "0"
        assert second.run("wc -c < /proc/self/uid_map") != "0"

    with lab.step(
        "65534 is a word for 'no number'",
        "The two sysctls overflowuid and overflowgid hold the number that is shown for an id without a translation. "
        "Then the shell that is shown as 65534 makes a file, and the second window looks who owns it.",
        why="The notes say that the id is mapped to 65534. It is not: there is no map. from_kuid_munged() in "
        "kernel/user_namespace.c returns the overflow id where it finds no line. The file gets the id that the "
        "kernel stores for the process, and that is still 1000.",
        hint="A file is made by the kernel's number of the process, not by the number that id prints.",
        watch=[first, second],
        files=["/proc/sys/kernel/overflowuid", "/proc/sys/kernel/overflowgid"],
        claims=["usr-07"],
        ask=Number("The shell shown as uid 65534 makes a file. Which owner does `stat` show outside?"),
    ) as step:
        first.run("touch dev/by-nobody")
        owner = second.run("stat -c %u dev/by-nobody")
        step.answer(int(owner))
        assert owner == str(DEV)
        assert first.run("stat -c '%u %g' dev/by-nobody") == f"{overflow} {first.run('id -g')}"
        assert first.run("id -u") == first.run("cat /proc/sys/kernel/overflowuid")
        assert first.run("id -g") == first.run("cat /proc/sys/kernel/overflowgid")


def test_two_nobodies(lab: Lab, place: Path) -> None:
    """Two owners with one name.

    Inside, every file of the machine seems to belong to nobody. One of them can be written, the other one cannot even
    be listed. The notes guess that there is a hidden map. This exercise looks for it.
    """
    need_a_closed_home_of_root(lab)
    first, second = log_in(lab, place)

    with lab.step(
        "The closed door",
        "dev, now without a map, lists root/. The owner of root/ is shown with the number that dev itself has, and "
        "still the door is closed.",
        why="ls translates the stored owner (0) and id the stored user (1000). Both have no line in the map, so both "
        "print the same number. The kernel compares the stored ones (inode_permission() in fs/namei.c).",
        watch=[first, second],
        claims=["usr-08"],
        ask=Choice("`id -u` and the owner of root/ are the same number. Does `ls root/` work?", "yes", "no"),
    ) as step:
        first.enter("unshare --user /bin/bash")
        first.run("ls -ldn root/ dev/")
        owner = first.run("stat -c %u root/")
        listing = first.run("ls root/", status=2)
        step.answer("yes" if listing.status == 0 else "no")
        assert owner == first.run("id -u") == first.run("cat /proc/sys/kernel/overflowuid")
        assert listing.status != 0
        assert "Permission denied" in listing
        assert first.run("cat /proc/self/uid_map") == ""

    with lab.step(
        "The open door, and no hidden map",
        "The owner of dev/ is shown with the same number again, but touch works. uid_map has 0 bytes. From outside, "
        "the line Uid of the shell in /proc/PID/status still says 1000.",
        why="There is nothing hidden: a new user namespace does not change the stored id of a process "
        "(user_namespaces(7): ids are translated when they pass a system call). So the process keeps all rights of "
        "dev as the owner of files. The notes see it right that touch works, but explain it by a map that is not "
        "there.",
        hint="Look at Uid in /proc/PID/status, once from inside and once from outside.",
        watch=[first, second],
        claims=["usr-09"],
        ask=Choice(
            "touch dev/temp01 works without any map. Which user is the process for the kernel?",
            "65534, to which all ids are mapped",
            "1000, as before",
            "0",
        ),
    ) as step:
        touched = first.run("touch dev/temp01")
        outside = second.run(f"grep ^Uid /proc/{first.pid}/status").split()[1]
        step.answer({"0": "0", str(DEV): "1000, as before"}.get(outside, "65534, to which all ids are mapped"))
        assert touched.status == 0
        assert outside == str(DEV)
        assert first.run("grep ^Uid /proc/self/status").split()[1] == first.run("id -u")
        assert proc.read("/proc/PID/uid_map", first.pid) == []
        assert first.run("stat -c %u dev/temp01") == first.run("id -u")
        assert second.run("stat -c %u dev/temp01") == str(DEV)


def test_a_map_by_dev(lab: Lab, place: Path) -> None:
    """What dev may write into a map without any capability.

    The files uid_map and gid_map belong to dev, and they are writable for the owner. The notes say that dev also needs
    two capabilities. That was true for long maps, and it still is. For one line there is a way without.
    """
    first, second = log_in(lab, place)
    first.enter("unshare --user /bin/bash")
    uid_map, gid_map = f"/proc/{first.pid}/uid_map", f"/proc/{first.pid}/gid_map"
    setgroups = f"/proc/{first.pid}/setgroups"

    with lab.step(
        "The capabilities of an ordinary shell",
        "The second window is a plain shell of dev. Look at its Cap lines.",
        why="A process has five sets (capabilities(7)). CapEff is what counts in a check. CapBnd is only a ceiling: "
        "what a program with file capabilities could get at most. The notes use egrep, which is called grep -E today.",
        watch=[second],
        claims=["usr-19"],
        ask=Choice(
            "Which of these lines is not zero in an ordinary shell?", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"
        ),
    ) as step:
        lines = second.run("grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/$$/status").splitlines()
        masks = dict(line.split(":\t") for line in lines)
        step.answer(next(name for name, mask in masks.items() if mask != NOTHING))
        assert [name for name, mask in masks.items() if mask == NOTHING] == ["CapInh", "CapPrm", "CapEff", "CapAmb"]

    with lab.step(
        "A hundred ids",
        "From outside, dev tries to map 100 ids. The file belongs to dev and has mode rw-, but the write fails.",
        why="Mode bits are checked by open(), and open() works. write() has rules of its own: new_idmap_permitted() in "
        "kernel/user_namespace.c wants CAP_SETUID in the parent namespace for ids that are not one's own. Else dev "
        "could become any other user.",
        hint="Do 1001, 1002, ... 1099 belong to dev?",
        watch=[first, second],
        claims=["usr-18"],
        ask=Choice(
            "dev owns uid_map (mode rw-r--r--). What does `echo '0 1000 100' > uid_map` give?",
            "it is written",
            "Operation not permitted",
            "Permission denied",
        ),
    ) as step:
        second.run(f"ls -ln {uid_map} {gid_map}")
        refused = second.run(f"echo '0 1000 100' > {uid_map}", status=1)
        errors = [text for text in ("Operation not permitted", "Permission denied") if text in refused]
        step.answer(errors[0] if errors else "it is written")
        assert second.run(f"stat -c '%u %a' {uid_map} {gid_map}") == f"{DEV} 644\n{DEV} 644"
        assert errors == ["Operation not permitted"]
        assert "Operation not permitted" in second.run(f"echo '0 1000 100' > {gid_map}", status=1)
        assert second.run(f"cat {uid_map} {gid_map}") == ""

    with lab.step(
        "One line, one id, the own one",
        "Now the same shell, with the same empty CapEff, writes the line 0 1000 1: root inside is dev outside. "
        "uid_map takes it. gid_map takes it only after the word deny was written to setgroups.",
        why="Mapping one's own id gives no right that one did not have, so the creator of the namespace may do it "
        "without any capability: one line, length 1 (user_namespaces(7), since Linux 3.8). For groups there was a "
        "hole (CVE-2014-8989), so since Linux 3.19 setgroups must be switched off first; an exercise below shows why. "
        "(In the rootless sandbox it is off from the start, and gid_map is accepted at once.)",
        hint="The rule is about the owner of the namespace, not about capabilities.",
        watch=[first, second],
        files=["/proc/PID/uid_map owner"],
        claims=["usr-14"],
        shows=["usr-x01"],
        ask=Choice(
            "dev, with no capability at all, writes `0 1000 1` to uid_map and to gid_map. Which is accepted?",
            "none",
            "uid_map only",
            "gid_map only",
            "both",
        ),
    ) as step:
        users = second.run(f"echo '0 1000 1' > {uid_map}")
        groups = second.run(f"echo '0 1000 1' > {gid_map}", status=None)
        step.answer(ACCEPTED[users.status == 0, groups.status == 0])
        assert second.run("grep CapEff /proc/$$/status").endswith(NOTHING)
        assert users.status == 0
        assert groups.status == (0 if lab.facts.rootless else 1)
        second.run(f"echo deny > {setgroups}", status=None)
        second.run(f"echo '0 1000 1' > {gid_map}", status=None)
        assert second.run(f"cat {setgroups}") == "deny"
        assert second.run(f"cat {uid_map}").split() == ["0", str(DEV), "1"]
        assert second.run(f"cat {gid_map}").split() == ["0", str(DEV), "1"]

    with lab.step(
        "Root at once, but not quite",
        "The shell in the first window did nothing, but it is root now. Its capabilities are still empty. (Further "
        "groups of dev have no line in the map, so they are still shown as 65534.)",
        why="The map is used at each getuid(): so the answer changes while the process runs. Capabilities are given "
        "by execve() and by entering the namespace, not by a map. The prompt is old too: bash asked for its name "
        "when it started.",
        watch=[first],
        claims=["usr-23"],
        ask=Choice(
            "Right after the map was written, the old shell prints which uid, and has which CapEff?",
            "uid 0, all capabilities",
            "uid 0, no capabilities",
            "uid 65534, no capabilities",
        ),
    ) as step:
        first.run("id")
        uid, effective = first.run("id -u"), first.run("grep CapEff /proc/$$/status").split()[1]
        step.answer(
            "uid 65534, no capabilities"
            if uid != "0"
            else "uid 0, no capabilities"
            if effective == NOTHING
            else "uid 0, all capabilities"
        )
        further = set() if lab.facts.rootless else {first.run("cat /proc/sys/kernel/overflowgid")}
        assert uid == "0"
        assert set(first.run("id -G").split()) == {"0"} | further
        assert effective == NOTHING

    with lab.step(
        "exec bash",
        "The program is replaced by itself. Now it has all capabilities that this kernel knows. How many that are is "
        "in the file cap_last_cap. A system call without exec gives them at once: look at the second number.",
        why="Who makes or enters a user namespace gets all capabilities in it. execve() then computes them anew "
        "(capabilities(7)): a uid that is not 0 gets none - so unshare --user bash has lost them - and uid 0 gets all. "
        "The notes saw 38 bits (3fffffffff). PERFMON and BPF came with Linux 5.8, CHECKPOINT_RESTORE with 5.9.",
        hint="cap_last_cap is the number of the last bit, and the first one is 0.",
        watch=[first],
        files=["/proc/sys/kernel/cap_last_cap"],
        claims=["usr-24"],
        ask=Number("How many capabilities does this root have, on this kernel?"),
    ) as step:
        all_of_them = (2 << int(first.run("cat /proc/sys/kernel/cap_last_cap"))) - 1
        first.enter("exec /bin/bash")
        first.run("grep Cap /proc/$$/status")
        mask = int(first.run("grep CapEff /proc/$$/status").split()[1], 16)
        step.answer(mask.bit_count())
        unmapped = namespaces.run_in_new(Clone.NEWUSER, effective_capabilities, uid_map=(), gid_map=())
        executed = second.run("unshare --user grep CapEff /proc/self/status").split()[1]
        assert mask == all_of_them
        assert mask > 0x3FFFFFFFFF or not lab.facts.kernel_at_least("5.8")
        assert int(unmapped, 16) == all_of_them
        assert executed == NOTHING


ACCEPTED = {  # (uid_map, gid_map)
    (False, False): "none",
    (True, False): "uid_map only",
    (False, True): "gid_map only",
    (True, True): "both",
}


def effective_capabilities() -> str:
    """CapEff of this process; to be run in a child, right after it entered a user namespace and without any execve."""
    return str(proc.read("/proc/PID/status", os.getpid())["CapEff"])


def test_written_once(lab: Lab, place: Path) -> None:
    """A map is written once.

    There is no way to correct a map. But what counts as "written"?
    """
    first, second = log_in(lab, place)
    first.enter("unshare --user /bin/bash")
    uid_map = f"/proc/{first.pid}/uid_map"

    with lab.step(
        "A mistake, a map, a second map",
        "First a line with length 0, which is no map: Invalid argument. Then a good line. Then the same good line "
        "again, and another one.",
        why="map_write() in kernel/user_namespace.c refuses any write once the map has a line. A write that failed "
        "left no line. All lines must come in one write(2) at offset 0; so one cannot add lines later.",
        hint="Did the first write leave anything in the file?",
        watch=[first, second],
        claims=["usr-15"],
        ask=Choice(
            "dev writes `0 1000 0` (refused), then `0 1000 1`, then `0 1000 1` again. What comes of the last two?",
            "both are accepted",
            "accepted, then refused",
            "refused, then accepted",
            "both are refused",
        ),
    ) as step:
        tries = [second.run(f"echo '{line}' > {uid_map}", status=None) for line in ("0 1000 0", "0 1000 1", "0 1000 1")]
        answers = [answer.rpartition("write error: ")[2] or "accepted" for answer in tries]
        step.answer(TWO_WRITES[answers[1] == "accepted", answers[2] == "accepted"])
        assert answers == ["Invalid argument", "accepted", "Operation not permitted"]
        assert "Operation not permitted" in second.run(f"echo '5 1000 1' > {uid_map}", status=1)
        assert second.run(f"cat {uid_map}").split() == ["0", str(DEV), "1"]


TWO_WRITES = {
    (True, True): "both are accepted",
    (True, False): "accepted, then refused",
    (False, True): "refused, then accepted",
    (False, False): "both are refused",
}


def test_setgroups(lab: Lab, place: Path) -> None:
    """Why a group map needs setgroups to be off.

    Leaving a group sounds harmless. But a group can also be kept out: the owner of a file may give its group fewer
    rights than all others.
    """
    first, second = log_in(lab, place)

    with lab.step(
        "deny is for ever",
        "gid_map is refused, then setgroups is set to deny, then gid_map is accepted. At last dev tries to set "
        "setgroups back to allow.",
        why="/proc/PID/setgroups says whether setgroups(2) may be called in this namespace. Without CAP_SETGID in the "
        "parent namespace a group map is accepted only when it says deny, and deny stays for the life of the namespace "
        "and of all namespaces below it (user_namespaces(7), Linux 3.19).",
        watch=[first, second],
        claims=["usr-x01"],
        ask=Choice("After deny was written: can setgroups be set to allow again?", "yes", "no"),
    ) as step:
        first.enter("unshare --user /bin/bash")
        files = f"/proc/{first.pid}"
        before = second.run(f"cat {files}/setgroups")
        refused = second.run(f"echo '0 1000 1' > {files}/gid_map", status=None)
        second.run(f"echo deny > {files}/setgroups", status=None)
        accepted = second.run(f"echo '0 1000 1' > {files}/gid_map", status=None)
        back = second.run(f"echo allow > {files}/setgroups", status=1)
        step.answer("yes" if back.status == 0 else "no")
        assert before == ("deny" if lab.facts.rootless else "allow")  # what the parent denies is denied here
        assert refused.status == (0 if lab.facts.rootless else 1)
        assert (accepted.status == 0) != (refused.status == 0)
        assert "Operation not permitted" in back
        assert second.run(f"cat {files}/setgroups") == "deny"
        assert second.run(f"cat {files}/gid_map").split() == ["0", str(DEV), "1"]
        first.exit()

    with lab.step(
        "The letter that a group may not read",
        "letter has mode rw----r--: everybody may read it, but not the group 4, and dev is in group 4. Namespace root "
        "with setgroups denied tries to leave the group. Then root of the machine writes the maps for another "
        "namespace, where setgroups stays allowed.",
        why="The kernel asks: owner? else group? else others - and takes the first that fits. So a process that leaves "
        "the group gets the rights of the others. An ordinary user must not be able to do that: hence deny. Root of "
        "the machine may allow it (CAP_SETGID).",
        hint="Which of the three rw- parts is used for a member of the group?",
        watch=[first, second],
        shows=["usr-x01"],
        ask=Choice(
            "dev is in group 4; letter has mode rw----r-- and group 4. When can dev read it?",
            "always: others may read",
            "after leaving group 4",
            "never",
        ),
    ) as step:
        if lab.facts.rootless:
            lab.unsupported("dev is in no further group here", "run pytest as root, or in the VM (vagrant up)")
        (place / "letter").write_text("dear others\n")
        os.chown(place / "letter", 0, 4)
        (place / "letter").chmod(0o604)
        first.enter("unshare --user --map-root-user /bin/bash")
        assert "Permission denied" in first.run("cat letter", status=1)
        assert "Operation not permitted" in first.run("setpriv --clear-groups cat letter", status=127)
        first.exit()
        first.enter("unshare --user /bin/bash")
        write_maps(first.pid, [(0, DEV, 1)], [(0, DEV, 1)])
        first.enter("exec /bin/bash")
        member, left = first.run("cat letter", status=1), first.run("setpriv --clear-groups cat letter")
        step.answer(
            "always: others may read"
            if member.status == 0
            else "after leaving group 4"
            if left.status == 0
            else "never"
        )
        assert "Permission denied" in member
        assert left == "dear others"
        assert first.run("cat /proc/self/setgroups") == "allow"


@needs("root")
def test_the_range(lab: Lab, place: Path) -> None:
    """Where a range ends, and what its ids may do.

    Root of the machine maps 256 ids at once. The notes say from where to where, and are wrong by one.
    """
    first, second = lab.window("first"), lab.window("second")
    first.run(f"cd {place}")
    second.run(f"cd {place}")
    overflow = second.run("cat /proc/sys/kernel/overflowuid")

    with lab.step(
        "0 1000 256",
        "There are four files, which belong to the users 999, 1000, 1255 and 1256. dev makes a user namespace, root "
        "writes the map 0 1000 256 for it. Inside, stat shows the owners.",
        why="The third number is a length, not an end. 256 ids from 1000 on are 1000 to 1255, so the last one inside "
        "is 255. 1256 has no line, as 999 has none. Root of the parent namespace may write any range (CAP_SETUID).",
        hint="How many numbers are there from 1000 to 1256?",
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
        step.answer(int(owners[3]))
        assert owners == [overflow, "0", "255", overflow]
        assert second.run(f"cat /proc/{first.pid}/uid_map").split() == ["0", "1000", "256"]

    with lab.step(
        "Giving a file away",
        "Inside, uid 0 gives files to the users 5 and 255: outside, the owners are 1005 and 1255. The user 256 is "
        "refused. setpriv takes only CAP_CHOWN away from root: then even 5 is refused, with another error.",
        why="Root is nothing by itself: what root could do is cut into capabilities (Linux 2.2), and chown(2) asks for "
        "CAP_CHOWN. The number is translated on its way in; 256 has no translation, so it is an invalid argument "
        "(EINVAL), not a missing right. (The shell has no capabilities yet, but the program chown has: execve() as "
        "uid 0 gives them.)",
        hint="One error is about the number, the other one about the right.",
        watch=[first, second],
        files=["/proc/sys/kernel/cap_last_cap"],
        claims=["usr-17"],
        ask=Choice(
            "Root of the namespace (map 0 1000 256) gives a file to the user 256. What comes?",
            "it works",
            "Operation not permitted",
            "Invalid argument",
        ),
    ) as step:
        first.run("touch dev/gift dev/last dev/kept")
        given = first.run("chown 5:5 dev/gift; chown 255:255 dev/last")
        beyond = first.run("chown 256 dev/kept", status=1)
        errors = [text for text in ("Operation not permitted", "Invalid argument") if text in beyond]
        step.answer(errors[0] if errors else "it works")
        without = first.run("setpriv --bounding-set=-chown chown 5:5 dev/kept", status=1)
        assert first.run("id -u") == "0"
        assert given.status == 0
        assert errors == ["Invalid argument"]
        assert "Operation not permitted" in without
        assert second.run("stat -c '%u %g' dev/gift dev/last dev/kept") == "1005 1005\n1255 1255\n1000 1000"
        assert first.run("stat -c '%u %g' dev/gift") == "5 5"


@needs("root")
def test_reading_a_map(lab: Lab) -> None:
    """A map is read in the reader's own numbers.

    One file, three readers, three answers. The middle number of a line is an id outside - but outside of what?
    """
    first, second, third = lab.window("first"), lab.window("second"), lab.window("third")

    with lab.step(
        "The map of the first namespace",
        "The second window is in the first user namespace, which has no parent. Its map file has one line: all ids "
        "are mapped to themselves.",
        why="Ids have 32 bits, so there could be 4294967296 of them. The last one, 4294967295, is -1, which calls such "
        'as chown(2) use for "leave it as it is": it is no id, so it is not in the map.',
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
        "Namespace A has a map of two lines, the first is 0 100000 1000. The third window is root in A. The first "
        "window makes namespace B in A, and the third writes 0 10 5 for it. Then three windows read the same file.",
        why="map_show() in kernel/user_namespace.c (m_start, uid_m_show) translates the middle number for the reader's "
        "user namespace; who reads the own map sees it for the parent (user_namespaces(7)). Inside A the id is 10, on "
        "the machine 100010. An unrelated namespace has no number for it and gets 4294967295.",
        hint="10 in A is which id of the machine?",
        watch=[first, second, third],
        claims=["usr-11"],
        ask=Text("A has the map `0 100000 1000`. B, made in A, has `0 10 5`. What is the line when the host reads it?"),
    ) as step:
        uids, gids = [(0, 100000, 1000), (5000, 200000, 10)], [(0, 100000, 1000)]
        a = lab.keep(namespaces.start_in_new(Clone.NEWUSER, signal.pause, uid_map=uids, gid_map=gids))
        third.enter(f"nsenter --user --target {a.pid} /bin/bash")
        first.enter(f"nsenter --user --target {a.pid} /bin/bash")
        first.enter("unshare --user /bin/bash")
        file = f"/proc/{first.pid}/uid_map"
        overlapping = third.run(f"printf '0 10 5\\n3 20 5\\n' > {file}", status=1)
        third.run(f"echo '0 10 5' > {file}", status=1)
        host = second.run(f"cat {file}").split()
        step.answer(" ".join(host))
        assert "Invalid argument" in overlapping
        assert third.run(f"cat {file}").split() == ["0", "10", "5"]
        assert first.run("cat /proc/self/uid_map").split() == ["0", "10", "5"]
        assert host == ["0", "100010", "5"]
        assert second.run(f"unshare --user cat {file}").split() == ["0", "4294967295", "5"]
        assert third.run("cat /proc/self/uid_map").split() == ["0", "100000", "1000", "5000", "200000", "10"]


@needs("root")
def test_how_many_lines(lab: Lab) -> None:
    """How long a map may be.

    The notes allow five lines. Why five? Because the kernel had room for five in a small structure. Is that still so?
    """
    first, second = lab.window("first"), lab.window("second")
    if not lab.facts.kernel_at_least("4.15"):
        lab.unsupported("this kernel still has the limit of five lines", "use Linux 4.15 or newer")

    with lab.step(
        "5, 6, 340, 341",
        "The shell writes 341 lines, which is refused, and then 340. The system call way is tried with some more "
        "numbers of lines, each on a new namespace.",
        why="Up to five lines lie in the structure uid_gid_map itself, as in the time of the notes (extent[5]). Since "
        "Linux 4.15 more lines go to two sorted arrays, forward and reverse, for a fast search in both directions. "
        "UID_GID_MAP_MAX_EXTENTS in include/linux/user_namespace.h is 340. (cat is used because it writes all lines "
        "in one write(2), as the kernel wants it; bash would write them in pieces of 1 KiB.)",
        hint="Containers with many volumes and subordinate ids needed more.",
        watch=[first, second],
        files=["/sys/kernel/btf/vmlinux"],
        claims=["usr-16"],
        ask=Number("How many lines may a uid_map have on this kernel?", unit="lines"),
    ) as step:
        first.enter("unshare --user /bin/bash")
        second.run("for n in {1..340}; do echo $n $n 1; done > lines-340")
        second.run("(cat lines-340; echo 341 341 1) > lines-341")
        too_many = second.run(f"cat lines-341 > /proc/{first.pid}/uid_map", status=1)
        written = second.run(f"cat lines-340 > /proc/{first.pid}/uid_map")
        accepted = [count for count in (1, 5, 6, 340, 341) if is_accepted([(n, n, 1) for n in range(1, count + 1)])]
        step.answer(max(accepted))
        assert "Invalid argument" in too_many
        assert written.status == 0
        assert second.run(f"wc -l < /proc/{first.pid}/uid_map") == "340"
        assert accepted == [1, 5, 6, 340]

    with lab.step(
        "Smaller than a page",
        "There is a second limit: all lines together must be smaller than a page of memory. Here are long lines: each "
        "has 24 bytes.",
        why="map_write() copies the text into one page, and so wants it to be smaller than that (PAGE_SIZE, mostly "
        "4096 bytes). With short lines one meets the limit of 340 first.",
        watch=[second],
        shows=["usr-16"],
        ask=Choice("171 lines of 24 bytes are 4104 bytes. Are they accepted?", "yes", "no"),
    ) as step:
        if os.sysconf("SC_PAGE_SIZE") != 4096:
            lab.unsupported(
                "the pages of this machine are larger: 340 lines come first", "use a machine with 4 KiB pages"
            )
        rows = [(4_000_000_000 + n, 4_000_000_000 + n, 1) for n in range(171)]
        step.answer("yes" if is_accepted(rows) else "no")
        assert is_accepted(rows[:170])
        assert not is_accepted(rows)


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
    first, second, third = lab.window("first"), lab.window("second"), lab.window("third")
    copy = place / "programs" / "bash"
    copy.parent.mkdir()
    third.enter("unshare --mount /bin/bash")
    third.run(f"mount -t tmpfs -o mode=755 tmpfs {copy.parent}; cp /bin/bash {copy}; mount --bind {copy} /bin/bash")
    second.enter(f"nsenter --mount --target {third.pid} {AS_DEV} /bin/bash")
    first.enter(f"{AS_DEV} unshare --user /bin/bash")
    files = f"/proc/{first.pid}"

    with lab.step(
        "setcap, exec bash",
        "The third window (root) puts two capabilities on the copy. The second window (dev) runs exec bash, and has "
        "them. Nothing else has changed: the user is still dev.",
        why="setcap writes the attribute security.capability of the file. At execve() the kernel adds what it says to "
        "the permitted set, and with the e flag to the effective set (capabilities(7)). The bits are numbered from 0: "
        "6 is CAP_SETGID and 7 is CAP_SETUID, so the mask is c0. A file system that is mounted nosuid gives nothing.",
        hint="Bit n is worth 2 to the power of n.",
        watch=[second],
        files=["/proc/PID/exe security.capability"],
        claims=["usr-20"],
        ask=Text("CAP_SETGID is bit 6, CAP_SETUID is bit 7. Which mask do both make, in hexadecimal?"),
    ) as step:
        before = second.run("grep -E 'Cap(Prm|Eff)' /proc/$$/status").split()
        third.run(f"setcap cap_setgid,cap_setuid+ep {copy}")
        third.run(f"getcap {copy}")
        second.enter("exec /bin/bash")
        masks = second.run("grep -E 'Cap(Inh|Prm|Eff)' /proc/$$/status").split()
        step.answer(masks[5].lstrip("0"))
        assert before == ["CapPrm:", NOTHING, "CapEff:", NOTHING]
        assert masks == ["CapInh:", NOTHING, "CapPrm:", "00000000000000c0", "CapEff:", "00000000000000c0"]
        assert second.run("id -u") == str(DEV)
        assert proc.read("/proc/PID/exe security.capability", second.pid)["permitted"] == "00000000000000c0"

    with lab.step(
        "Now dev may map a hundred ids",
        "dev writes 0 1000 100 into both maps: accepted. The second time it is refused, as always. setgroups stays at "
        "allow.",
        why="new_idmap_permitted() finds CAP_SETUID (for gid_map CAP_SETGID) in the parent namespace. With the right "
        "to change groups in the parent there is no need to deny setgroups. Since Linux 5.12 a map that contains the "
        "user 0 of the parent needs CAP_SETFCAP as well; there is an exercise for it below.",
        watch=[first, second],
        claims=["usr-21"],
        ask=Choice("dev has CAP_SETGID now. Must setgroups be denied before gid_map is written?", "yes", "no"),
    ) as step:
        tries = [second.run(f"echo '0 1000 100' > {files}/{name}") for name in ("uid_map", "gid_map")]
        step.answer("no" if second.run(f"cat {files}/setgroups") == "allow" and tries[1].status == 0 else "yes")
        assert [answer.status for answer in tries] == [0, 0]
        for name in ("uid_map", "gid_map"):
            assert second.run(f"cat {files}/{name}").split() == ["0", "1000", "100"]
            assert "Operation not permitted" in second.run(f"echo '0 1000 100' > {files}/{name}", status=1)
        assert second.run(f"cat {files}/setgroups") == "allow"

    with lab.step(
        "Taking them away",
        "The notes end with setcap ...-ep and the output 'bash ='. The attribute is then empty, but it is still there. "
        "setcap -r removes it.",
        why="-ep removes the two from a set that is then empty, and writes the empty set. A file with an empty set is "
        "not the same as a file without one: getcap prints it, and for a set-user-ID program it would even take "
        "capabilities away (capabilities(7), file capabilities).",
        hint="What does getcap print for a file that never had capabilities?",
        watch=[second],
        files=["/proc/PID/exe security.capability"],
        claims=["usr-22"],
        ask=Choice(
            "After `setcap cap_setgid,cap_setuid-ep`: is the file as it was before the first setcap?",
            "yes, the attribute is gone",
            "no, an empty attribute is left",
        ),
    ) as step:
        third.run(f"setcap cap_setgid,cap_setuid-ep {copy}")
        emptied = third.run(f"getcap {copy}")
        left = proc.read("/proc/PID/exe security.capability", second.pid)
        step.answer("yes, the attribute is gone" if left is None else "no, an empty attribute is left")
        third.run(f"setcap -r {copy}")
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
        "The second window is root, but without CAP_SETFCAP. It writes 0 0 1, then 0 1000 1. With all capabilities "
        "0 0 1 is accepted as well.",
        why="Who is root in a namespace with the map 0 0 1 can write file capabilities that count for the parent. So "
        "root without CAP_SETFCAP could get around the lack of it in this way. verify_root_map() in "
        "kernel/user_namespace.c closes that since Linux 5.12 (user_namespaces(7)).",
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
        to_root = second.run(f"echo '0 0 1' > /proc/{first.pid}/uid_map", status=1)
        to_dev = second.run(f"echo '0 1000 1' > /proc/{first.pid}/uid_map")
        step.answer(LINES[to_root.status == 0, to_dev.status == 0])
        assert "Operation not permitted" in to_root
        assert to_dev.status == 0
        first.exit()
        second.exit()
        first.enter("unshare --user /bin/bash")
        assert second.run(f"echo '0 0 1' > /proc/{first.pid}/uid_map").status == 0
        assert second.run(f"cat /proc/{first.pid}/uid_map").split() == ["0", "0", "1"]


LINES = {(True, False): "0 0 1", (False, True): "0 1000 1", (True, True): "both", (False, False): "none"}


def test_root_inside(lab: Lab, place: Path) -> None:
    """Root inside, dev outside.

    unshare --map-root-user does at once what the last exercises did by hand. Now dev is root with all capabilities.
    What is this root worth?
    """
    need_a_closed_home_of_root(lab)
    first, second = log_in(lab, place)
    first.enter("unshare --user --map-root-user /bin/bash")
    machine_name = second.run("hostname")

    with lab.step(
        "One process, two numbers",
        "The same line Uid of the same process is read from inside and from outside.",
        why="A reader of /proc gets ids in the numbers of its own user namespace. ps and top on the host therefore "
        "show the processes of a rootless container under its user's name.",
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
        "root/ is still closed",
        "CapEff is full, with CAP_DAC_OVERRIDE in it, which ignores file modes. root/ is shown as nobody's, and cannot "
        "be listed.",
        why="capable_wrt_inode_uidgid() in kernel/capability.c: a capability counts for a file only if its owner and "
        "its group have a number in the namespace. The owner of root/ has none, so the mode bits decide, and for dev "
        "they say no.",
        hint="For whose files is the capability valid?",
        watch=[first],
        claims=["usr-26"],
        ask=Choice("This root has CAP_DAC_OVERRIDE. Can it list root/?", "yes", "no"),
    ) as step:
        listing = first.run("ls root/", status=2)
        step.answer("yes" if listing.status == 0 else "no")
        mask = int(first.run("grep CapEff /proc/$$/status").split()[1], 16)
        assert mask >> proc.CAPABILITIES.index("CAP_DAC_OVERRIDE") & 1
        assert "Permission denied" in listing
        assert first.run("stat -c %u root/") == first.run("cat /proc/sys/kernel/overflowuid")

    with lab.step(
        "dev/ belongs to root",
        "Inside, dev/ is shown as root's. A file that this root makes belongs to dev outside.",
        why="The map is used in both directions: 1000 is shown as 0, and what 0 makes is stored as 1000.",
        watch=[first, second],
        claims=["usr-27"],
        ask=Number("Root of the namespace makes the file dev/temp02. Which owner does it have outside?"),
    ) as step:
        made = first.run("touch dev/temp02")
        first.run("ls -ln dev")
        owner = second.run("stat -c %u dev/temp02")
        step.answer(int(owner))
        assert made.status == 0
        assert first.run("stat -c '%u %g' dev dev/temp02") == "0 0\n0 0"
        assert owner == str(DEV)

    with lab.step(
        "hostname: you must be root",
        "This root runs hostname container001. The system call in Python says why it fails: EPERM.",
        why="sethostname(2) wants CAP_SYS_ADMIN in the user namespace that owns the UTS namespace. The shell is still "
        "in the old UTS namespace; NS_GET_USERNS shows its owner, and that is a namespace outside "
        "(user_namespaces(7), ioctl_ns(2)).",
        watch=[first, second],
        files=["/proc/PID/ns/uts NS_GET_USERNS"],
        claims=["usr-28"],
        ask=Choice("uid 0 with full CapEff runs `hostname container001`. Does it work?", "yes", "no"),
    ) as step:
        refused = first.run("hostname container001", status=1)
        step.answer("yes" if refused.status == 0 else "no")
        assert refused.status != 0
        assert "must be root" in refused or "not permitted" in refused
        assert second.run("hostname") == machine_name
        with pytest.raises(SyscallError) as error:
            namespaces.run_in_new(Clone.NEWUSER, sethostname, "container001")
        assert error.value.errno == errno.EPERM
        assert first.ns("uts") == second.ns("uts")

    with lab.step(
        "What it may do, and what not",
        "Five commands that need a capability. hostname and mount change what was there before. chroot changes only "
        "the process itself. The last two, mount and hostname again, get a mount or a UTS namespace that was made "
        "inside.",
        why="Each namespace of any kind is owned by the user namespace in which it was made, and a capability is "
        "checked against the owner of what is touched: ns_capable() in kernel/capability.c. chroot(2) changes only "
        "the process itself and asks for the capability in the own user namespace.",
        hint="Who owns the host name, the mount table, the network devices?",
        watch=[first, second],
        files=["/proc/PID/ns/uts NS_GET_USERNS"],
        claims=["usr-05"],
        shows=["usr-33"],
        ask=Choice(
            "Full CapEff. Which of these works: `hostname x`, `mount -t tmpfs`, `chroot /`?",
            "all",
            "hostname and mount",
            "chroot only",
            "none",
        ),
    ) as step:
        tries = {
            text: first.run(text, status=None).status == 0
            for text in ("hostname x", "mount -t tmpfs x dev", "chroot / true")
        }
        step.answer(WORKS.get(tuple(tries.values()), "hostname and mount"))
        assert list(tries.values()) == [False, False, True]
        assert first.run("unshare --mount mount -t tmpfs x dev").status == 0
        assert first.run("unshare --uts bash -c 'hostname inner; hostname'") == "inner"
        assert second.run("hostname") == machine_name
        first.enter("unshare --uts /bin/bash")
        assert namespaces.owning_user_namespace(f"/proc/{first.pid}/ns/uts") == first.ns("user")
        first.exit()
        assert namespaces.owning_user_namespace(f"/proc/{first.pid}/ns/uts") != first.ns("user")

    with lab.step(
        "Whom may it signal?",
        "kill -0 sends no signal, it only asks whether one may. Root of the namespace asks for dev's shell outside, "
        "and for a process that belongs to the user who runs this course.",
        why="kill_ok_by_cred() in kernel/signal.c compares the stored ids of both processes, else it wants CAP_KILL in "
        "the user namespace of the target. So a container's root may signal all processes of its user, and no others. "
        "(In the sandbox of an ordinary user there is only one user: then both may be signalled.)",
        hint="Compare the lines Uid of the three processes, from outside.",
        watch=[first, second, os.getpid()],
        claims=["usr-29"],
        ask=Choice("May the container's root signal dev's shell outside?", "yes", "no"),
    ) as step:
        own = first.run(f"kill -0 {second.pid}")
        foreign = first.run(f"kill -0 {os.getpid()}", status=None)
        step.answer("yes" if own.status == 0 else "no")
        assert own.status == 0
        assert foreign.status == (0 if lab.facts.rootless else 1)
        assert first.ns("user") != second.ns("user")


WORKS: dict[tuple[bool, ...], str] = {
    (True, True, True): "all",
    (False, False, True): "chroot only",
    (False, False, False): "none",
}


@needs("root")
def test_real_root(lab: Lab, place: Path) -> None:
    """The root of the machine in a user namespace.

    So dev's root is dev. What if the root of the machine goes in, mapped to root? Surely that one can set the host
    name.
    """
    first, second = lab.window("first"), lab.window("second")
    first.run(f"cd {place}")
    second.run(f"cd {place}")
    machine_name = second.run("hostname")

    with lab.step(
        "Root to root",
        "Root runs unshare --user -r. The map has the line 0 0 1: root inside is root outside.",
        why="-r maps the user who runs unshare, so after sudo that is 0. unshare writes the maps from inside, with the "
        "rule for the own id, so it also writes deny to setgroups.",
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
        "root/ is open, dev/ is closed",
        "This root writes to root/. dev/ is now nobody's: it can be read, as everybody may, but not written. chown to "
        "dev is an invalid argument.",
        why="root/ belongs to the stored id 0, and that is this process: rights of the owner. dev/ belongs to 1000, "
        "which is not in the map, so the capabilities do not count for it, and only the rights of others are left.",
        hint="dev is not in the map any more.",
        watch=[first, second],
        claims=["usr-31"],
        ask=Choice("Outer root, mapped to root, runs `touch dev/temp03`. Does it work?", "yes", "no"),
    ) as step:
        assert first.run("touch root/temp01").status == 0
        refused = first.run("touch dev/temp03", status=1)
        step.answer("yes" if refused.status == 0 else "no")
        assert "Permission denied" in refused
        assert first.run("stat -c %u dev") == first.run("cat /proc/sys/kernel/overflowuid")
        assert first.run("ls dev").status == 0
        assert "Invalid argument" in first.run(f"chown {DEV} root/temp01", status=1)
        assert second.run("stat -c %u root/temp01") == "0"
        assert second.run("touch dev/temp03").status == 0

    with lab.step(
        "The host name, again",
        "hostname fails for the mapped root of the machine too. With --uts as one more flag it works.",
        why="The check is for a capability in the user namespace that owns the UTS namespace, and this process has "
        "none there: it left that namespace. A UTS namespace made together with the user namespace is owned by it.",
        watch=[first, second],
        files=["/proc/PID/ns/uts NS_GET_USERNS"],
        claims=["usr-32"],
        ask=Choice(
            "Which flag, added to `unshare --user -r`, makes `hostname container001` work?",
            "--mount",
            "--pid -f",
            "--uts",
        ),
    ) as step:
        refused = first.run("hostname container001", status=1)
        flags = ("--mount", "--pid -f", "--uts")
        works = [
            flag
            for flag in flags
            if second.run(f"unshare --user -r {flag} hostname container001", status=None).status == 0
        ]
        step.answer(works[0])
        assert refused.status != 0
        assert namespaces.owning_user_namespace(f"/proc/{first.pid}/ns/uts") == second.ns("user")
        assert works == ["--uts"]
        assert second.run("hostname") == machine_name

    with lab.step(
        "Are the capabilities empty?",
        "The notes explain it so: towards the parent, the capabilities are empty, and root is like an ordinary "
        "user. Look at CapEff, and at root/, which no ordinary user can open.",
        why="The set is full. It is valid for the own user namespace and those below it, and never for a parent "
        "(user_namespaces(7), Capabilities). And the stored id is still 0: as the owner, this root reads and writes "
        "all files of root. That is why a container's root should not be mapped to 0.",
        hint="Two things are checked in different places: who you are, and what you may.",
        watch=[first, second],
        claims=["usr-33"],
        ask=Choice(
            "hostname failed for this root. What is in its CapEff?",
            "nothing",
            "all capabilities",
        ),
    ) as step:
        mask = first.run("grep CapEff /proc/$$/status").split()[1]
        last = int(first.run("cat /proc/sys/kernel/cap_last_cap"))
        step.answer("nothing" if mask == NOTHING else "all capabilities")
        assert int(mask, 16) == (2 << last) - 1
        assert first.run("hostname container001", status=1).status != 0
        assert first.run("ls root/") == "temp01"
        assert "Permission denied" in second.run(f"{AS_DEV} ls root/", status=2)
        outside = first.run(f"nsenter --user --target {second.pid} true", status=1)
        assert outside.status != 0


def test_without_any_map(lab: Lab, place: Path) -> None:
    """Is a map always necessary?

    The notes say that the map must be written first. dev tries to work without one.
    """
    first, second = log_in(lab, place)

    with lab.step(
        "Three things without a map",
        "dev enters a user namespace, writes no map, and tries three things: to make a file in dev/, to make one more "
        "user namespace, and to set the host name of a new UTS namespace.",
        why="File access needs no map. A new user namespace does: create_user_ns() in kernel/user_namespace.c refuses "
        "a creator who has no number in the present one. And capabilities are lost at the first execve() as an "
        "unmapped user. unshare -r, -c and --map-auto write the map at the right moment.",
        hint="Which of the three needs a number, which a capability?",
        watch=[first, second],
        claims=["usr-34"],
        ask=Choice(
            "What works in a user namespace without any map?",
            "a file in the own home",
            "one more user namespace",
            "both",
            "neither",
        ),
    ) as step:
        first.enter("unshare --user /bin/bash")
        file, deeper = first.run("touch dev/unmapped"), first.run("unshare --user true", status=1)
        step.answer(UNMAPPED[file.status == 0, deeper.status == 0])
        assert first.run("cat /proc/self/uid_map") == ""
        assert file.status == 0
        assert "Operation not permitted" in deeper
        assert first.run("unshare --uts true", status=1).status != 0
        assert first.run("grep CapEff /proc/$$/status").endswith(NOTHING)
        assert second.run("unshare --user --map-root-user unshare --user true").status == 0

    with lab.step(
        "unshare can write the map",
        "The option -c keeps the number, --map-user takes any number. The map is in the file as soon as the command "
        "runs.",
        why="All these options write one line for the own id, as any user may. A number without an account is allowed: "
        "then bash finds no name and prints I have no name! in its prompt.",
        watch=[first, second],
        claims=["usr-x03"],
        ask=Number("dev (1000) runs `unshare --user -c id -u`. Which number comes?"),
    ) as step:
        kept, chosen = second.run("unshare --user -c id -u"), second.run("unshare --user --map-user=33 id -u")
        step.answer(int(kept))
        first.exit()
        first.enter("unshare --user --map-user=33 /bin/bash")
        assert kept == str(DEV)
        assert chosen == first.run("id -u") == "33"
        assert first.run("cat /proc/self/uid_map").split() == ["33", str(DEV), "1"]


UNMAPPED = {
    (True, False): "a file in the own home",
    (False, True): "one more user namespace",
    (True, True): "both",
    (False, False): "neither",
}


def test_a_family_tree(lab: Lab) -> None:
    """Parents, owners, and how deep one can go.

    User namespaces form a tree. The kernel keeps for each of them the parent and the user who made it.
    """
    first, second = log_in(lab)

    with lab.step(
        "The parent is where the creator was",
        "dev makes namespace A, and in A namespace B. NS_GET_PARENT asks the kernel who is the parent of whom. Then it "
        "asks for the parent of the namespace in which the question is asked.",
        why="The parent is fixed when the namespace is made: the user namespace of the creator. The first one has no "
        "parent; and nobody is told about namespaces above the own one. In both cases the answer is EPERM "
        "(ioctl_ns(2)).",
        watch=[first, second, os.getpid()],
        files=["/proc/PID/ns/user NS_GET_PARENT"],
        claims=["usr-03"],
        ask=Choice("NS_GET_PARENT is asked for the own user namespace. What comes?", "the parent", "EPERM", "EINVAL"),
    ) as step:
        first.enter("unshare --user --map-root-user /bin/bash")
        a = first.ns("user")
        first.enter("unshare --user --map-root-user /bin/bash")
        b = first.ns("user")
        own = proc.read("/proc/PID/ns/user NS_GET_PARENT", os.getpid())
        step.answer(own if own in ("EPERM", "EINVAL") else "the parent")
        assert namespaces.parent(f"/proc/{first.pid}/ns/user") == a
        first.exit()
        assert first.ns("user") == a
        assert namespaces.parent(f"/proc/{first.pid}/ns/user") == second.ns("user")
        assert len({a, b, second.ns("user")}) == 3
        assert own == "EPERM"

    with lab.step(
        "The owner",
        "NS_GET_OWNER_UID tells which user made the namespace. And /proc/PID has three map files, not two.",
        why="The owner has all capabilities in the namespaces that it made, as long as it is in the parent: that is "
        "the rule by which dev could write the map. projid_map is for project ids, with which some file systems count "
        "disk space (user_namespaces(7)). A file is shown for each process, however it is used.",
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
        "A child makes a user namespace, writes the map for itself, makes the next one in it, and so on, until the "
        "kernel says no. Without the map it does not even get to the second one.",
        why="create_user_ns() in kernel/user_namespace.c refuses when the parent's level is above 32. The first "
        "namespace has level 0, so 33 levels fit below it; the manual page says 32. The error is ENOSPC since Linux "
        "4.9 (EUSERS before). The rootless sandbox takes the first of these levels for itself.",
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
        assert error == errno.ENOSPC
        assert namespaces.run_in_new(Clone(0), dig, False) == (1, errno.EPERM)


def dig(with_map: bool) -> tuple[int, int]:
    """Make user namespaces inside each other, until one fails: how many there were, and the errno."""
    levels = 0
    while True:
        uid = os.geteuid()
        try:
            unshare(Clone.NEWUSER)
        except SyscallError as error:
            return levels, error.errno or 0
        levels += 1
        if with_map:
            Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/gid_map").write_text("0 0 1")


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
        "The map is written, then the first window runs exec bash and so gets all capabilities. The second window "
        "looks at the owners of /proc/PID/uid_map and /proc/PID/ns before and after, and lists ns.",
        why="An execve() that brings new capabilities makes a process not dumpable: nobody shall look into it who has "
        "less (commit_creds() in kernel/cred.c, PR_SET_DUMPABLE in prctl(2)). The files of such a process in /proc "
        "belong to root (proc(5)). Old kernels took root of the machine, and dev was locked out: that is what the "
        "notes saw. Newer ones take root of the process's own user namespace - and that is dev.",
        hint="Root of the namespace is which user outside?",
        watch=[first, second],
        files=["/proc/PID/uid_map owner", "/proc/PID/ns owner"],
        claims=["usr-25"],
        ask=Choice(
            "dev's process becomes root of its namespace by exec bash. Who owns its /proc/PID/uid_map outside?",
            "dev",
            "root of the machine",
        ),
    ) as step:
        second.run(f"echo '0 1000 1' > {files}/uid_map")
        before = second.run(f"stat -c %u {files}/uid_map {files}/ns")
        first.enter("exec /bin/bash")
        full = first.run("grep CapEff /proc/$$/status").split()[1]
        after = second.run(f"stat -c %u {files}/uid_map {files}/ns")
        listing, own_listing = second.run(f"ls {files}/ns"), first.run(f"ls {files}/ns")
        step.answer("dev" if after.startswith(f"{DEV}\n") else "root of the machine")
        assert full != NOTHING
        assert before == after == f"{DEV}\n{DEV}"
        assert "user" in listing.split()
        assert listing == own_listing
        assert second.run(f"readlink {files}/ns/user") == first.ns("user")

    with lab.step(
        "A program that nobody may read",
        "Root writes the map 0 1000 100 for a new namespace of dev. User 5 in it starts three shells: bash, a copy of "
        "bash that belongs to dev and has no read permission, and such a copy that belongs to root of the machine. "
        "Whose is uid_map?",
        why="Who may run a program but not read it must not look at its memory either, so this process is not dumpable "
        "(execve(2)), while the plain bash of user 5 is. task_dump_owner() in fs/proc/base.c gives the files to root "
        "of the user namespace that owns the memory. If the owner of the program has no number inside, that is a "
        "namespace further out: here the first one, with root of the machine.",
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


@needs("gcc")
def test_keys(lab: Lab, place: Path) -> None:
    """Keys belong to a user namespace.

    The kernel can keep keys for programs, for example of encrypted directories or of network file systems. Each user
    has a keyring, @u. Is it the same one inside?
    """
    first, second = log_in(lab, place)
    compiled = place / "keys"
    third = lab.window("third")
    third.run(f"gcc -o {compiled} {lab.programs}/keys.c; chmod 755 {compiled}")

    with lab.step(
        "Put a key in, look for it in the next namespace",
        "dev, as root of namespace A, puts a key into the keyring @u and finds it again. Then a shell in namespace B "
        "below A looks for it, in @u. B also has ids and capabilities of its own.",
        why="Keyrings of users are registered for each user namespace (user_keyring_register in security/keys, since "
        "Linux 5.3): the same user has another @u in each. /proc/keys shows the keys that a process may see, "
        "/proc/key-users counts them (user_namespaces(7), keyrings(7)).",
        hint="The stored uid is the same in A and B. What else names a keyring?",
        watch=[first, second],
        files=["/proc/keys", "/proc/key-users"],
        claims=["usr-01"],
        ask=Choice("A key is in your keyring @u. Do you find it after `unshare --user -r`?", "yes", "no"),
    ) as step:
        first.enter("unshare --user --map-root-user /bin/bash")
        a = first.ns("user")
        key = f"lesson-{secrets.token_hex(4)}"  # /proc/keys also lists the keys of others with the same uid
        added, found = first.run(f"./keys add {key}"), first.run(f"./keys find {key}")
        first.enter("unshare --user --map-user=7 /bin/bash")
        lost = first.run(f"./keys find {key}", status=1)
        step.answer("yes" if lost.status == 0 else "no")
        assert (added, found) == ("found", "found")
        assert "Required key not available" in lost
        assert first.ns("user") != a
        assert first.run("id -u") == "7"
        assert first.run("grep CapEff /proc/$$/status").endswith(NOTHING)
        first.exit()
        assert first.run(f"./keys find {key}") == "found"
        assert first.run(f"grep -c {key} /proc/keys") == "1"
        assert not first.run("grep CapEff /proc/$$/status").endswith(NOTHING)


def test_it_owns_other_namespaces(lab: Lab) -> None:
    """A user namespace owns other namespaces.

    Root of a user namespace may change what its namespaces hold. The network namespace has settings of its own, so they
    are a good test.
    """
    first, second = log_in(lab)
    setting = "/proc/sys/net/ipv4/ip_default_ttl"

    with lab.step(
        "A network setting",
        "ip_default_ttl is how many routers a packet may pass. Root of a new user namespace tries to write it; then "
        "the same with a network namespace of its own (-n).",
        why="Files in /proc/sys/net belong to the network namespace of the process, and its owner's root counts as "
        "root for them (net_ctl_permissions() in net/sysctl_net.c). This is how rootless containers set such values.",
        hint="Who owns the network namespace, in both cases?",
        watch=[first, second],
        files=[setting, "/proc/PID/ns/net NS_GET_USERNS"],
        claims=["usr-x04"],
        ask=Choice(
            "`unshare -Ur` and `unshare -Urn`: in which of them may root write ip_default_ttl?",
            "in both",
            "only with -n",
            "in none",
        ),
    ) as step:
        outside = second.run(f"cat {setting}")
        first.enter("unshare -U -r /bin/bash")
        without = first.run(f"echo 99 > {setting}", status=1)
        first.exit()
        first.enter("unshare -U -r -n /bin/bash")
        owned = first.run(f"echo 99 > {setting}")
        step.answer(ONLY_WITH_N[without.status == 0, owned.status == 0])
        assert "Permission denied" in without
        assert owned.status == 0
        assert first.run(f"cat {setting}") == "99"
        assert second.run(f"cat {setting}") == outside
        assert namespaces.owning_user_namespace(f"/proc/{first.pid}/ns/net") == first.ns("user")


ONLY_WITH_N = {(False, True): "only with -n", (True, True): "in both", (False, False): "in none"}


@needs("root", "newuidmap", "newgidmap")
def test_subordinate_ids(lab: Lab, place: Path) -> None:
    """A range of ids for an ordinary user: newuidmap.

    A container needs many users. dev may map only one. So the administrator gives dev a range of ids that nobody else
    uses, and a small set-user-ID program writes the map.
    """
    first, second = lab.window("first"), lab.window("second")
    if not all(Path(f"/etc/{name}").is_file() for name in ("subuid", "subgid")):
        lab.unsupported(
            "there is no /etc/subuid to put a private one over", "install the package uidmap (shadow-utils)"
        )
    keeper = lab.window("third")
    private_accounts(keeper, place)
    for window in (first, second):
        window.enter(f"nsenter --mount --target {keeper.pid} {AS_DEV} /bin/bash")

    with lab.step(
        "newuidmap",
        "/etc/subuid (a private copy for these windows) gives dev 65536 ids from 100000 on. newuidmap writes a map of "
        "two lines for dev's namespace. Then it is asked for an id that is not dev's.",
        why="newuidmap is set-user-ID root, or has file capabilities. It accepts the caller's own id and the ranges in "
        "subuid(5), and nothing else; newgidmap does the same for groups. Rootless Docker and Podman use them. "
        "setgroups stays at allow. unshare --map-auto calls both programs.",
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
        written = second.run(f"newuidmap {first.pid} 0 1000 1 1 100000 65536")
        groups = second.run(f"newgidmap {first.pid} 0 1000 1 1 100000 65536")
        rows = proc.read("/proc/PID/uid_map", first.pid)
        step.answer(sum(count for _, _, count in rows))
        assert foreign.status != 0
        assert "not allowed" in foreign
        assert (written.status, groups.status) == (0, 0)
        assert rows == [[0, 1000, 1], [1, 100000, 65536]]
        assert first.run("cat /proc/self/setgroups") == "allow"
        assert second.run("unshare --map-root-user --map-auto cat /proc/self/uid_map").split()[4] == "100000"

    with lab.step(
        "A second user in the container",
        "Root of the namespace gives a file to its user 1. Outside, the file belongs to 100000: neither to dev nor to "
        "any account.",
        why="This is what a rootless container's files look like on the host. dev cannot remove such a file from "
        "outside; podman unshare and the like enter a namespace with the same map to do it.",
        watch=[first, second],
        shows=["usr-x02"],
        ask=Number("The map is 0 1000 1 and 1 100000 65536. Which owner has a file of user 1 outside?"),
    ) as step:
        first.run(f"cd {place}")
        first.enter("exec /bin/bash")
        first.run("touch dev/file; chown 1:1 dev/file")
        owner = (place / "dev" / "file").stat().st_uid
        step.answer(owner)
        assert owner == 100000
        assert first.run("stat -c %u dev/file") == "1"


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
    first, second = lab.window("first"), lab.window("second")
    kind = second.run(f"stat -f -c %T {place}")
    if not lab.facts.kernel_at_least("6.3" if kind == "tmpfs" else "5.12"):
        lab.unsupported(f"{kind} cannot be mounted with a map of ids yet", "use a newer kernel, or the VM (vagrant up)")
    first.run(f"cd {place}; mkdir mapped; touch dev/letter dev/roots-own; chown {DEV}:{DEV} dev/letter")
    second.run(f"cd {place}")

    with lab.step(
        "The same directory, another owner",
        "A child in its own mount namespace mounts dev/ once more, at mapped/, with a map that turns 1000 into 2000. "
        "The second window enters that mount namespace. Both directories show the same files.",
        why="open_tree(2) makes a copy of a mount that is attached nowhere, mount_setattr(2) gives it the map of a "
        "user namespace, move_mount(2) attaches it. Here a line of the map is read from file to viewer: the number "
        "inside is what the file has, the number outside is what is shown. mountinfo says idmapped. An owner without a "
        "line is shown as 65534.",
        hint="chown was not called. Look at both directories.",
        watch=[first, second],
        ask=Number("dev/letter belongs to 1000; the mount's map is `1000 2000 1`. Which owner has mapped/letter?"),
    ) as step:
        ids = [(DEV, 2000, 1)]
        holder = lab.keep(namespaces.start_in_new(Clone.NEWUSER, signal.pause, uid_map=ids, gid_map=ids))
        heard, told = os.pipe()
        paths = (place / "dev", place / "mapped")
        child = lab.keep(namespaces.start_in_new(Clone.NEWNS, mount_with_map, *paths, holder.pid, told))
        os.close(told)
        mounted = os.read(heard, 1)
        os.close(heard)
        step.watch(child)
        assert mounted == b"x"
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
        "The user 2000 makes a file in mapped/. It is stored with the owner 1000. Then root tries: root has no line in "
        "the map of this mount.",
        why="The map is used backwards for what is written. An owner that cannot be stored is no owner: the kernel "
        "answers EOVERFLOW, Value too large for defined data type (mount_setattr(2)). Even root cannot write there.",
        hint="Which number would root's file get on the disk?",
        watch=[first, second],
        ask=Choice("May root make a file in mapped/, whose map has only the line `1000 2000 1`?", "yes", "no"),
    ) as step:
        made = second.run("setpriv --reuid=2000 --regid=2000 --clear-groups touch mapped/reply")
        refused = second.run("touch mapped/by-root", status=1)
        step.answer("yes" if refused.status == 0 else "no")
        assert made.status == 0
        assert second.run("stat -c '%u %g' mapped/reply") == "2000 2000"
        assert first.run("stat -c '%u %g' dev/reply") == f"{DEV} {DEV}"
        assert "Value too large" in refused
        assert first.run("touch dev/by-root").status == 0


def mount_with_map(source: Path, target: Path, holder: int, told: int) -> None:
    """Mount `source` at `target` with the map of the user namespace of `holder`, and stay; to be run in a child."""
    tree = open_tree(AT_FDCWD, source, OPEN_TREE_CLONE)
    user_namespace = os.open(f"/proc/{holder}/ns/user", os.O_RDONLY)
    mount_setattr(tree, "", AT_EMPTY_PATH, attr_set=MOUNT_ATTR_IDMAP, userns_fd=user_namespace)
    move_mount(tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH)
    os.write(told, b"x")
    signal.pause()


# How the windows become dev

AS_DEV = f"setpriv --reuid={DEV} --regid={DEV} --groups={DEV},4,24,27"


def log_in(lab: Lab, place: Path | None = None) -> tuple[Window, Window]:
    """Two windows of dev, in `place`. In the sandbox of an ordinary user there is one id: a user namespace, into which
    both windows go, calls it 1000."""
    first, second = (lab.window(name, LOGIN_PROMPT) for name in ("first", "second"))
    if lab.facts.rootless:
        first.enter(f"unshare --user --map-user={DEV} --map-group={DEV} /bin/bash")
        second.enter(f"nsenter --user --preserve-credentials --target {first.pid} /bin/bash")
    else:
        first.enter(f"{AS_DEV} /bin/bash")
        second.enter(f"{AS_DEV} /bin/bash")
    for window in (first, second):
        window.run(f"cd {place or '/'}")
    return first, second


def need_a_closed_home_of_root(lab: Lab) -> None:
    """End the exercise where it would have to use the machine's own /root, and everybody may look into that."""
    if lab.facts.rootless and Path("/root").stat().st_mode & (stat.S_IRWXO | stat.S_IRWXG):
        lab.unsupported("/root is open for others here", "run pytest as root, or in the VM (vagrant up)")
