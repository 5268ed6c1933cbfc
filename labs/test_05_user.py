"""User namespaces: one id, two numbers.

Every process carries a user id, group ids and capabilities: the power of root, cut into about forty pieces. A user
namespace gives all of them a second meaning: inside, other numbers are shown, and the capabilities are valid only for
what belongs to the namespace.

One picture is enough for the whole lab. The kernel stores one id for each process and each file: the id of the machine.
A map (uid_map, gid_map) is a translator at the door of a namespace. It translates the numbers that are shown and the
numbers that are typed. It never changes the id that is stored. An id for which the map has no line is shown as 65534.

In this lab the ordinary user is called dev and has the number 1000 (your machine may have another name for it). The
directories dev/ and root/ stand for the home directories of dev and of root. Two more labs follow: one on ranges of
ids, and one on what root of a user namespace may do.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.kernel import namespaces, proc
from runtime.kernel.namespaces import write_maps
from runtime.kernel.syscalls import Clone
from runtime.lab import Choice, Lab, Number, needs
from runtime.lab.dev import DEV, homes, log_in, need_a_closed_home_of_root

pytestmark = [needs("unshare", "nsenter", "setpriv", "user namespaces of ordinary users")]

NOTHING = "0000000000000000"  # an empty set of capabilities, as /proc/PID/status prints it
REFUSALS = ("Operation not permitted", "Permission denied", "Invalid argument")


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory with two homes, dev/ and root/."""
    with homes() as path:
        yield path


def test_nobody(lab: Lab, place: Path) -> None:
    """A user namespace without a map.

    dev asks for a user namespace and gets it: no privilege is needed. But dev has no name and no number in it yet.
    """
    first, second = log_in(lab, place)
    overflow = second.run("cat /proc/sys/kernel/overflowuid")
    if overflow != "65534" or second.run("cat /proc/sys/kernel/overflowgid") != "65534":
        lab.unsupported("overflowuid or overflowgid was changed on this machine", "write 65534 to both (sysctl)")

    with lab.step(
        "Enter a new user namespace",
        """
        dev looks at the own ids, then runs unshare --user and looks again. The second window is dev too and stays
        outside.
        """,
        found="An ordinary user may make a user namespace, and has no number in it at first.",
        why="""
            Since Linux 3.8 every user may make a user namespace; it starts without a map (user_namespaces(7)). Some
            distributions switch that off: look for kernel.unprivileged_userns_clone (Debian kernels) and
            kernel.apparmor_restrict_unprivileged_userns (Ubuntu). Mainline Linux has neither.
        """,
        hint="Is there a translation for the number of dev?",
        watch=[first, second],
        claims=["usr-06"],
        ask=Number("dev has uid 1000. Which number does `id -u` print after `unshare --user`?"),
    ) as step:
        before = first.run("id -u")
        first.enter("unshare --user /bin/bash")
        first.run("id")
        now = first.run("id -u")
        step.answer(int(now))
        assert before == str(DEV)
        assert now == overflow
        assert set(first.run("id -G").split()) == {"65534"}
        assert first.ns("user") != second.ns("user")

    with lab.step(
        "Read the maps",
        "The files uid_map and gid_map of the shell are read. wc counts their bytes.",
        found="A new user namespace has empty maps.",
        why="""
            The map belongs to the namespace and is written later, by somebody who may (see the next exercises). The
            size that ls shows for files in /proc is always 0, so count what can be read.
        """,
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
        "Whose file is that?",
        """
        The sysctls overflowuid and overflowgid hold the number that is shown for an id without a translation. Then the
        shell that is shown as 65534 makes a file, and the second window looks who owns it.
        """,
        found="65534 is only shown, for 'no number'; what is stored stays 1000.",
        why="""
            The notes say that the id is mapped to 65534. It is not: there is no map. from_kuid_munged() in
            kernel/user_namespace.c returns the overflow id where it finds no line.
        """,
        hint="A file is made with the kernel's number of the process, not with the number that id prints.",
        watch=[first, second],
        files=["/proc/sys/kernel/overflowuid", "/proc/sys/kernel/overflowgid"],
        claims=["usr-07"],
        ask=Number("The shell shown as uid 65534 makes a file. Which owner does `stat` show outside?"),
    ) as step:
        assert first.run("cat /proc/sys/kernel/overflowuid /proc/sys/kernel/overflowgid") == "65534\n65534"
        first.run("touch dev/by-nobody")
        owner = second.run("stat -c %u dev/by-nobody")
        step.answer(int(owner))
        assert owner == str(DEV)
        assert first.run("stat -c '%u %g' dev/by-nobody") == "65534 65534"


def test_two_nobodies(lab: Lab, place: Path) -> None:
    """Two owners with one name.

    Inside, every file of the machine seems to belong to nobody. The notes found that some of them can be used and some
    cannot, and guess that there is a hidden map. This exercise looks for it.
    """
    need_a_closed_home_of_root(lab)
    first, second = log_in(lab, place)
    first.enter("unshare --user /bin/bash")

    with lab.step(
        "root/",
        """
        dev, now without a map, looks at the owners of both homes, and lists root/. Compare the owner of root/ with the
        number of dev.
        """,
        found="Two ids without a number look alike, and are still different.",
        why="""
            ls translates the stored owner (0) and id the stored user (1000). Both have no line in the map, so both
            print the same number. The kernel compares the stored ones (inode_permission() in fs/namei.c).
        """,
        watch=[first, second],
        claims=["usr-08"],
        ask=Choice(
            "`id -u` and the owner of root/ are the same number; its mode is drwx------. What does `ls root/` give?",
            "the list",
            "Permission denied",
            "Operation not permitted",
            "No such file or directory",
        ),
    ) as step:
        first.run("ls -ldn root/ dev/")
        owner = first.run("stat -Lc %u root/")
        listing = first.run("ls root/", status=(0, 2))
        texts = ("Permission denied", "Operation not permitted", "No such file or directory")
        step.answer({"the list": listing.status == 0, **{text: text in listing for text in texts}}, saw=listing)
        assert owner == first.run("id -u") == first.run("cat /proc/sys/kernel/overflowuid")
        assert "Permission denied" in listing

    with lab.step(
        "dev/",
        """
        The owner of dev/ is shown with the same number again. dev makes a file there, and reads uid_map. From outside,
        look at the line Uid of the shell in /proc/PID/status.
        """,
        found="There is no hidden map: the process is still 1000 for the kernel.",
        why="""
            A new user namespace does not change the stored id of a process (user_namespaces(7): ids are translated when
            they pass a system call). So the process keeps all rights of dev as the owner of files. The notes see it
            right that touch works, but explain it by a map that is not there.
        """,
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
        first.run("touch dev/temp01")
        outside = second.run(f"grep ^Uid /proc/{first.pid}/status").split()[1]
        step.answer(
            {
                "65534, to which all ids are mapped": outside == "65534",
                "1000, as before": outside == str(DEV),
                "0": outside == "0",
            },
            saw=outside,
        )
        assert first.run("grep ^Uid /proc/self/status").split()[1] == first.run("id -u")
        assert proc.read("/proc/PID/uid_map", first.pid) == []
        assert first.run("stat -c %u dev/temp01") == first.run("id -u")
        assert second.run("stat -c %u dev/temp01") == str(DEV)


def test_a_map_by_dev(lab: Lab, place: Path) -> None:
    """What dev may write into a map without any capability.

    The files uid_map and gid_map belong to dev here, and they are writable for the owner. The notes say that dev also
    needs two capabilities. Is that so for every map?
    """
    first, second = log_in(lab, place)
    first.enter("unshare --user /bin/bash")
    uid_map, gid_map = f"/proc/{first.pid}/uid_map", f"/proc/{first.pid}/gid_map"
    setgroups = f"/proc/{first.pid}/setgroups"

    with lab.step(
        "The capabilities of an ordinary shell",
        "The second window is a plain shell of dev. Look at its Cap lines: the sets of capabilities.",
        found="An ordinary shell has no capability; CapBnd is only a ceiling.",
        why="""
            A process has five sets (capabilities(7)). CapEff is what counts in a check. CapBnd is what a program with
            file capabilities could get at most. The notes use egrep, which is called grep -E today.
        """,
        watch=[second],
        claims=["usr-19"],
        ask=Choice(
            "Which of these lines is not zero in an ordinary shell?", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"
        ),
    ) as step:
        lines = second.run("grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/$$/status").splitlines()
        masks = dict(line.split(":\t") for line in lines)
        step.answer({name: mask != NOTHING for name, mask in masks.items()}, saw=masks)
        assert [name for name, mask in masks.items() if mask == NOTHING] == ["CapInh", "CapPrm", "CapEff", "CapAmb"]

    with lab.step(
        "A hundred ids",
        "From outside, dev looks at the owner and the mode of the files. Then dev tries to map 100 ids.",
        found="To own uid_map is not enough: write() has rules of its own.",
        why="""
            Mode bits are checked by open(), and open() works. In write(), new_idmap_permitted() in
            kernel/user_namespace.c wants CAP_SETUID in the parent namespace for ids that are not one's own. Else dev
            could become any other user.
        """,
        hint="Do 1001, 1002, ... 1099 belong to dev?",
        watch=[first, second],
        claims=["usr-18"],
        ask=Choice(
            "dev owns uid_map (mode rw-r--r--). What does `echo '0 1000 100' > uid_map` give?",
            "it is written",
            "Operation not permitted",
            "Permission denied",
            "Invalid argument",
        ),
    ) as step:
        second.run(f"ls -ln {uid_map} {gid_map}")
        refused = second.run(f"echo '0 1000 100' > {uid_map}", status=(0, 1))
        step.answer({"it is written": refused.status == 0, **{text: text in refused for text in REFUSALS}}, saw=refused)
        assert second.run(f"stat -c '%u %a' {uid_map} {gid_map}") == f"{DEV} 644\n{DEV} 644"
        assert "Operation not permitted" in refused
        assert "Operation not permitted" in second.run(f"echo '0 1000 100' > {gid_map}", status=1)
        assert second.run(f"cat {uid_map} {gid_map}") == ""

    with lab.step(
        "One line, one id, the own one",
        """
        The same shell, with the same empty CapEff, writes the line 0 1000 1 into both files: root inside is dev
        outside. If gid_map refuses it, the word deny is written to setgroups before the next try.
        """,
        found="The own id may be mapped without any capability.",
        why="""
            Mapping one's own id gives no right that one did not have: one line, length 1 (user_namespaces(7), since
            Linux 3.8). For groups there was a hole (CVE-2014-8989), so since Linux 3.19 setgroups must be switched off
            first; an exercise below shows why. (Where setgroups is off already in the parent namespace, gid_map takes
            the line at once.)
        """,
        hint="Whose rights could dev get by this line?",
        watch=[first, second],
        files=["/proc/PID/uid_map owner"],
        claims=["usr-14"],
        shows=["usr-x01"],
        ask=Choice(
            "dev, with no capability at all, writes `0 1000 1` to uid_map. What comes?",
            "it is written",
            "Operation not permitted",
            "Permission denied",
            "Invalid argument",
        ),
    ) as step:
        users = second.run(f"echo '0 1000 1' > {uid_map}", status=(0, 1))
        groups = second.run(f"echo '0 1000 1' > {gid_map}", status=1 if not lab.facts.rootless else 0).status == 0
        step.answer({"it is written": users.status == 0, **{text: text in users for text in REFUSALS}}, saw=users)
        assert users.status == 0
        if not groups:
            second.run(f"echo deny > {setgroups}; echo '0 1000 1' > {gid_map}")
        assert second.run("grep CapEff /proc/$$/status").endswith(NOTHING)
        assert proc.read("/proc/PID/setgroups", first.pid) == "deny"
        assert proc.read("/proc/PID/uid_map", first.pid) == [[0, DEV if not lab.facts.rootless else 0, 1]]
        assert second.run(f"cat {uid_map} {gid_map}").split() == ["0", str(DEV), "1"] * 2

    with lab.step(
        "The shell that was there before",
        "The shell in the first window did nothing meanwhile. Now it asks for its ids and its capabilities.",
        found="A map changes the numbers at once, and gives no capabilities.",
        why="""
            The map is used at each getuid(): so the answer changes while the process runs. Capabilities are given by
            execve() and by entering the namespace. The prompt is old too: bash asked for its name when it started.
            Further groups of dev have no line in the map, so they are still shown as 65534.
        """,
        watch=[first],
        claims=["usr-23"],
        ask=Choice(
            "Right after the map was written, the old shell prints which uid, and has which CapEff?",
            "uid 0, all capabilities",
            "uid 0, no capabilities",
            "uid 65534, no capabilities",
            "uid 1000, no capabilities",
        ),
    ) as step:
        first.run("id")
        uid, effective = first.run("id -u"), first.run("grep CapEff /proc/$$/status").split()[1]
        step.answer(
            {
                "uid 0, all capabilities": uid == "0" and effective != NOTHING,
                **{
                    f"uid {number}, no capabilities": uid == number and effective == NOTHING
                    for number in ("0", "65534", "1000")
                },
            },
            saw=(uid, effective),
        )
        further = set() if lab.facts.rootless else {first.run("cat /proc/sys/kernel/overflowgid")}
        assert uid == "0"
        assert set(first.run("id -G").split()) == {"0"} | further
        assert effective == NOTHING

    with lab.step(
        "exec bash",
        """
        The program is replaced by itself. Look at the Cap lines again. The file cap_last_cap has the number of the last
        capability that this kernel knows.
        """,
        found="execve() as uid 0 gives all capabilities, of which there are more today.",
        why="""
            Who makes or enters a user namespace gets all capabilities in it. execve() then computes them anew
            (capabilities(7)): a uid that is not 0 gets none - so unshare --user bash has lost them - and uid 0 gets
            all. The notes saw 38 bits (3fffffffff). PERFMON and BPF came with Linux 5.8, CHECKPOINT_RESTORE with 5.9.
        """,
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


def effective_capabilities() -> str:
    """CapEff of this process; to be run in a child, right after it entered a user namespace and without any execve."""
    return str(proc.read("/proc/PID/status", os.getpid())["CapEff"])


def test_written_once(lab: Lab, place: Path) -> None:
    """When is a map written?

    There is no way to correct a map. But what counts as "written"?
    """
    first, second = log_in(lab, place)
    first.enter("unshare --user /bin/bash")
    uid_map = f"/proc/{first.pid}/uid_map"

    with lab.step(
        "A mistake, a map, a second map",
        """
        First a line with length 0, which is no map: Invalid argument. Then a good line. Then the same good line again,
        and another one.
        """,
        found="One successful write is all; a failed one does not count.",
        why="""
            map_write() in kernel/user_namespace.c refuses any write once the map has a line. A write that failed left
            no line. All lines must come in one write(2) at offset 0; so one cannot add lines later.
        """,
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
        tries = [
            second.run(f"echo '{line}' > {uid_map}", status=(0, 1)) for line in ("0 1000 0", "0 1000 1", "0 1000 1")
        ]
        answers = [answer.rpartition("write error: ")[2] or "accepted" for answer in tries]
        worked = [answer == "accepted" for answer in answers[1:]]
        step.answer(
            {
                "both are accepted": worked == [True, True],
                "accepted, then refused": worked == [True, False],
                "refused, then accepted": worked == [False, True],
                "both are refused": worked == [False, False],
            },
            saw=answers,
        )
        assert answers == ["Invalid argument", "accepted", "Operation not permitted"]
        assert "Operation not permitted" in second.run(f"echo '5 1000 1' > {uid_map}", status=1)
        assert second.run(f"cat {uid_map}").split() == ["0", str(DEV), "1"]


def test_setgroups(lab: Lab, place: Path) -> None:
    """Why a group map needs setgroups to be off.

    Leaving a group sounds harmless. But a group can also be kept out: the owner of a file may give its group fewer
    rights than all others.
    """
    first, second = log_in(lab, place)

    with lab.step(
        "allow and deny",
        """
        /proc/PID/setgroups says whether setgroups(2) may be called in a namespace. dev writes a group map, sets
        setgroups to deny, and writes the map again. At last dev tries to set setgroups back to allow.
        """,
        found="deny is for ever.",
        why="""
            Without CAP_SETGID in the parent namespace a group map is accepted only when setgroups says deny, and deny
            stays for the life of the namespace and of all namespaces below it (user_namespaces(7), Linux 3.19).
        """,
        watch=[first, second],
        claims=["usr-x01"],
        ask=Choice(
            "setgroups says deny. What does `echo allow > /proc/PID/setgroups` give?",
            "it is written",
            "Operation not permitted",
            "Permission denied",
            "Invalid argument",
        ),
    ) as step:
        first.enter("unshare --user /bin/bash")
        files = f"/proc/{first.pid}"
        before = second.run(f"cat {files}/setgroups")
        early = second.run(f"echo '0 1000 1' > {files}/gid_map", status=1 if before == "allow" else 0)
        second.run(f"echo deny > {files}/setgroups", status=None)  # EPERM where the map was written at once
        late = second.run(f"echo '0 1000 1' > {files}/gid_map", status=(0, 1))
        back = second.run(f"echo allow > {files}/setgroups", status=(0, 1))
        step.answer({"it is written": back.status == 0, **{text: text in back for text in REFUSALS}}, saw=back)
        assert (early.status == 0) != (late.status == 0)
        assert before == ("deny" if lab.facts.rootless else "allow")  # what the parent denies is denied here
        assert "Operation not permitted" in back
        assert proc.read("/proc/PID/setgroups", first.pid) == "deny"
        first.exit()

    with lab.step(
        "A letter for all but one group",
        """
        letter has mode rw----r-- and the group 4, and dev is in group 4. Namespace root with setgroups denied tries to
        leave the group. Then root of the machine writes the maps for another namespace, where setgroups stays allowed.
        """,
        found="Who leaves a group may gain rights.",
        why="""
            The kernel asks: owner? else group? else others - and takes the first that fits. So a process that leaves
            the group gets the rights of the others. An ordinary user must not be able to do that: hence deny. Root of
            the machine may allow it (CAP_SETGID).
        """,
        hint="Which of the three parts of the mode is used for a member of the group?",
        watch=[first, second],
        shows=["usr-x01"],
        ask=Choice(
            "dev is in group 4; letter has mode rw----r-- and group 4. When can dev read it?",
            "always: others may read",
            "after leaving group 4",
            "only while dev is in group 4",
            "never",
        ),
    ) as step:
        if lab.facts.rootless:
            lab.unsupported("dev is in no further group here", "run pytest as root, or in the VM (vagrant up)")
        (place / "letter").write_text("dear others\n")
        os.chown(place / "letter", 0, 4)
        (place / "letter").chmod(0o604)
        first.enter("unshare --user --map-root-user /bin/bash")
        assert "Operation not permitted" in first.run("setpriv --clear-groups cat letter", status=127)
        first.exit()
        first.enter("unshare --user /bin/bash")
        write_maps(first.pid, [(0, DEV, 1)], [(0, DEV, 1)])
        first.enter("exec /bin/bash")
        member, left = (
            first.run("cat letter", status=(0, 1)),
            first.run("setpriv --clear-groups cat letter", status=(0, 1)),
        )
        reads = [member.status == 0, left.status == 0]
        step.answer(
            {
                "always: others may read": reads == [True, True],
                "after leaving group 4": reads == [False, True],
                "only while dev is in group 4": reads == [True, False],
                "never": reads == [False, False],
            }
        )
        assert "Permission denied" in member
        assert left == "dear others"
        assert first.run("cat /proc/self/setgroups") == "allow"


def test_without_any_map(lab: Lab, place: Path) -> None:
    """Is a map always necessary?

    The notes say that the map must be written first. dev tries to work without one.
    """
    first, second = log_in(lab, place)

    with lab.step(
        "Work without a map",
        """
        dev enters a user namespace, writes no map, and tries to make a file in dev/, to make one more user namespace,
        and a UTS namespace.
        """,
        found="Files can be used without a map; new namespaces cannot be made.",
        why="""
            File access needs no map. A new user namespace does: create_user_ns() in kernel/user_namespace.c refuses a
            creator who has no number in the present one. And capabilities are lost at the first execve() as an unmapped
            user.
        """,
        hint="What needs a number, and what needs a capability?",
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
        file = first.run("touch dev/unmapped", status=(0, 1)).status == 0
        deeper = first.run("unshare --user true", status=(0, 1))
        works = [file, deeper.status == 0]
        step.answer(
            {
                "a file in the own home": works == [True, False],
                "one more user namespace": works == [False, True],
                "both": works == [True, True],
                "neither": works == [False, False],
            }
        )
        assert works == [True, False]
        assert "Operation not permitted" in deeper
        assert "Operation not permitted" in first.run("unshare --uts true", status=1)
        assert proc.read("/proc/PID/uid_map", first.pid) == []
        assert second.run("unshare --user --map-root-user unshare --user true").status == 0

    with lab.step(
        "unshare can write the map",
        "The options -c and --map-user are tried. The map is in the file as soon as the command runs.",
        found="-c keeps the own number, --map-user takes any other one.",
        why="""
            All these options write one line for the own id, as any user may. A number without an account is allowed:
            then bash finds no name and prints I have no name! in its prompt.
        """,
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
