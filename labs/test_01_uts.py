"""UTS namespaces: a host name of one's own.

The UTS namespace is the smallest of all: it holds two names, the host name and the NIS domain name. That makes it the
best one to learn on. What you see here - a copy at birth, changes that stay inside, entering from outside, an owner -
comes back in every other kind.

UTS stands for UNIX Time-sharing System, the name of the C structure that uname(2) fills. It has six fields, and the
notes say that all six are separate. This lab looks.
"""

import errno
import os
import shutil
from pathlib import Path

import pytest

from runtime.kernel import namespaces, proc
from runtime.kernel.proc import LINKS
from runtime.kernel.syscalls import Clone, SyscallError, setdomainname, sethostname, setns, unshare
from runtime.lab import Choice, Lab, Number, Text, needs

pytestmark = [needs("unshare", "nsenter", "setpriv", "hostname", "uts namespace")]


def need_types_of_the_kernel(lab: Lab) -> None:
    """End the exercise where the kernel does not describe its types."""
    if not Path("/sys/kernel/btf/vmlinux").exists():
        lab.unsupported("this kernel has no type information (BTF)", "boot one with CONFIG_DEBUG_INFO_BTF, as Debian's")


def test_rename_stays_inside(lab: Lab) -> None:
    """A new UTS namespace, and a witness outside.

    The first window goes into a new UTS namespace and changes the names there. The second one stays outside and
    watches.
    """
    first, second = lab.window("first"), lab.window("second")
    machine_name, machine_domain = second.run("hostname"), second.run("domainname")

    with lab.step(
        "Enter a new UTS namespace",
        "unshare --uts starts a shell in a new UTS namespace. The link uts has another number than in the second "
        "window, but the names are still the same.",
        why="unshare(2) with CLONE_NEWUTS copies the two names of the old namespace into a new one and moves the "
        "caller there; the shell is then started by exec (uts_namespaces(7)).",
        watch=[first, second],
        shows=["uts-03"],
    ):
        first.enter("unshare --uts /bin/bash")
        first.run("readlink /proc/$$/ns/uts")
        second.run("readlink /proc/$$/ns/uts")
        assert first.ns("uts") != second.ns("uts")
        assert first.run("hostname") == machine_name

    with lab.step(
        "Change both names",
        "The first window gets a new host name and a new NIS domain name. Look at both names in both windows.",
        why="hostname NAME calls sethostname(2), domainname NAME calls setdomainname(2). Both write to the UTS "
        "namespace of the caller and to no other. The domain name is that of NIS, an old directory service; it has "
        "nothing to do with DNS, and few machines use it.",
        hint="How many UTS namespaces are there now, and which one does each window read?",
        watch=[first, second],
        claims=["uts-01"],
        ask=Choice(
            "You set the NIS domain name inside. What does `domainname` print in the second window?",
            "the old one",
            "the new one",
        ),
    ) as step:
        first.run("hostname container001")
        first.run("domainname inside.example")
        seen = second.run("domainname")
        step.answer("the new one" if seen == "inside.example" else "the old one")
        assert first.run("hostname; domainname") == "container001\ninside.example"
        assert second.run("hostname; domainname") == f"{machine_name}\n{machine_domain}"
        assert proc.read("/proc/sys/kernel/hostname", first.pid) == "container001"
        assert proc.read("/proc/sys/kernel/domainname", first.pid) == "inside.example"

    with lab.step(
        "The host, meanwhile and afterwards",
        "The first window changes the name once more, then leaves the namespace. The host name and the file "
        "/etc/hostname are read before, meanwhile and afterwards.",
        why="/etc/hostname is read once, by the start-up programs of the machine, and given to sethostname(2) "
        "(hostname(5)). After that, file and kernel know nothing of each other.",
        watch=[first, second],
        files=["/etc/hostname"],
        claims=["uts-09"],
        ask=Choice("The host name was changed inside. Does the file /etc/hostname change?", "yes", "no"),
    ) as step:
        before = second.run("cat /etc/hostname")
        first.run("hostname container002")
        during = second.run("hostname")
        step.answer("no" if first.run("cat /etc/hostname") == before else "yes")
        first.exit()
        after = first.run("hostname")
        assert during == machine_name
        assert after == machine_name
        assert second.run("cat /etc/hostname") == before
        assert first.ns("uts") == second.ns("uts")


def test_side_by_side(lab: Lab) -> None:
    """UTS namespaces lie side by side, not inside each other.

    A namespace is made from within another one. Does that make it a child of the other?
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "A copy of a copy",
        "The first window makes namespace A and names it aaa. The second window enters A by nsenter and makes "
        "namespace B from there. Then A gets another name. Watch the name of B.",
        why="clone_uts_ns() in kernel/utsname.c copies the names once; after that nothing ties the two together. The "
        "kernel keeps no parent for a UTS namespace, so NS_GET_PARENT is answered with EINVAL. Only PID and user "
        "namespaces form a tree (ioctl_ns(2)).",
        hint="A copy is made once.",
        watch=[first, second],
        claims=["uts-03"],
        ask=Choice(
            "B was made inside A when A was called aaa. Now A is renamed. What is B called?",
            "aaa",
            "the new name of A",
            "the name of the host",
        ),
    ) as step:
        host = second.run("hostname")
        first.enter("unshare --uts /bin/bash")
        first.run("hostname aaa")
        second.enter(f"nsenter --target {first.pid} --uts /bin/bash")
        assert second.ns("uts") == first.ns("uts")
        second.enter("unshare --uts /bin/bash")
        assert second.run("hostname") == "aaa"
        first.run("hostname renamed")
        name = second.run("hostname")
        step.answer({"renamed": "the new name of A", host: "the name of the host"}.get(name, name))
        assert second.ns("uts") != first.ns("uts")
        assert name == "aaa"
        with pytest.raises(SyscallError) as no_parent:
            namespaces.parent(f"/proc/{second.pid}/ns/uts")
        assert no_parent.value.errno == errno.EINVAL


def test_by_system_calls(lab: Lab) -> None:
    """The same by system calls: unshare, sethostname, setns.

    A shell command is one way to talk to the kernel. This exercise does what the tools do, in Python, with the calls as
    they stand in the man pages.
    """
    with lab.step(
        "There and back again",
        "A child process keeps a handle of its UTS namespace, leaves it by unshare(), changes the name, and comes "
        "back by setns(). At each point it asks uname() for the name.",
        why="An open file descriptor of /proc/self/ns/uts is a handle of the namespace. setns(2) moves the caller "
        "into it, provided that it has CAP_SYS_ADMIN. A Docker engine does the same, in another order, for `docker "
        "exec`.",
        hint="Which namespace does the child sit in when it asks for the third time?",
        watch=[os.getpid()],
        shows=["uts-01", "uts-09"],
        ask=Choice(
            "The child changes the name in a new namespace and returns to the old one. Which name does it see then?",
            "the old one",
            "the new one",
        ),
    ) as step:
        before, inside, after = namespaces.run_in_new(Clone(0), there_and_back_again)
        step.answer("the old one" if after == before else "the new one")
        assert inside == "container003"
        assert before != inside
        assert after == before


def there_and_back_again() -> tuple[str, str, str]:
    """The host name before, in and after a new UTS namespace; to be run in a child."""
    before = os.uname().nodename
    home = os.open("/proc/self/ns/uts", os.O_RDONLY)
    unshare(Clone.NEWUTS)
    sethostname("container003")
    inside = os.uname().nodename
    setns(home, Clone.NEWUTS)
    return before, inside, os.uname().nodename


def test_six_fields_two_names(lab: Lab) -> None:
    """What else is in the UTS namespace, and what is not separate at all.

    The notes say that a UTS namespace keeps the kernel's name, version and machine type, so that each container has its
    own. It keeps them. But look whether they can differ.
    """
    need_types_of_the_kernel(lab)
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "Try to change all six",
        "uname(2) returns six fields. A child in a new UTS namespace calls every system call that sets one. The "
        "shell in the first window, as root in another namespace, writes to the files in /proc/sys/kernel that show "
        "the others.",
        why="struct new_utsname in the kernel has all six fields, and each UTS namespace has a whole copy. But the "
        "kernel offers no way to change the four: there is no call, and their files have mode 0444, which "
        "uts_proc_table in kernel/utsname_sysctl.c says. A container has no kernel of its own, so it has no version "
        "of its own.",
        hint="A container shares the kernel of its host.",
        watch=[first, second],
        files=[
            "/proc/sys/kernel/ostype",
            "/proc/sys/kernel/osrelease",
            "/proc/sys/kernel/version",
            "/sys/kernel/btf/vmlinux",
        ],
        claims=["uts-02"],
        ask=Number("How many of the six fields of uname() can differ between two UTS namespaces?"),
    ) as step:
        machine, domain = os.uname(), proc.read("/proc/sys/kernel/domainname", os.getpid())
        renamed, new_domain = namespaces.run_in_new(Clone.NEWUTS, change_what_can_be_changed)
        differ = {name for name in UNAME if getattr(renamed, name) != getattr(machine, name)}
        step.answer(len(differ) + (new_domain != domain))
        assert differ == {"nodename"}
        assert new_domain == "everything.example"
        assert os.uname() == machine
        first.enter("unshare --uts /bin/bash")
        for name in ("ostype", "osrelease", "version"):
            assert first.run(f"echo 9.9.9 > /proc/sys/kernel/{name}", status=1).status == 1
            assert first.run(f"stat -c %a /proc/sys/kernel/{name}") == "444"
        assert first.run("uname -s -r -v -m") == second.run("uname -s -r -v -m")
        assert first.ns("uts") != second.ns("uts")
        fields = proc.read("/sys/kernel/btf/vmlinux", first.pid)["new_utsname"]
        assert fields == ["sysname", "nodename", "release", "version", "machine", "domainname"]


UNAME = ("sysname", "nodename", "release", "version", "machine")  # Python leaves the domain name out


def change_what_can_be_changed() -> tuple[os.uname_result, str]:
    """The result of uname(), and the domain name, after both names were changed; to be run in a child."""
    sethostname("everything")
    setdomainname("everything.example")
    with open("/proc/sys/kernel/domainname") as file:
        return os.uname(), file.read().strip()


@needs("setarch")
def test_another_distribution(lab: Lab) -> None:
    """Why a container looks like another system.

    In an Ubuntu container on a Debian host one sees Ubuntu. The notes say that the UTS namespace does it. This exercise
    finds out who really does it.
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "Two namespaces, one trick each",
        "The first window has its own UTS and mount namespace. A file of ours is bound over /etc/os-release there. "
        "Then a shell with the personality UNAME26 asks for the kernel's version. Compare with the second window.",
        why="/etc/os-release is a file (os-release(5)), so the mount namespace decides which one is seen: a "
        "container brings it in its image. The kernel is one for all. UNAME26 is a flag of a single process, for "
        "programs that cannot bear a version above 2.6; the kernel then tells a lie to that process, in any "
        "namespace (personality(2)). /proc/version does not take part in it.",
        hint="Which of the two comes from a file, and which from the kernel?",
        watch=[first, second],
        files=["/proc/version", "/etc/os-release", "/proc/PID/personality"],
        claims=["uts-04"],
        ask=Choice(
            "An Ubuntu container on a Debian host: what do /etc/os-release and `uname -r` show inside?",
            "both Ubuntu",
            "os-release Ubuntu, the kernel of the host",
            "os-release Debian, a kernel of Ubuntu",
            "both Debian",
        ),
    ) as step:
        first.enter("unshare --uts --mount /bin/bash")
        first.run("hostname ubuntu; echo 'PRETTY_NAME=\"Ubuntu\"' > os-release")
        unchanged = first.run("cat /etc/os-release") == second.run("cat /etc/os-release")
        first.run("mount --bind os-release /etc/os-release")
        image, kernel = first.run("cat /etc/os-release"), first.run("uname -r")
        host = second.run("uname -r")
        step.answer(DISTRIBUTIONS[image == 'PRETTY_NAME="Ubuntu"', kernel == host])
        assert first.ns("uts") != second.ns("uts")
        assert unchanged
        assert image == 'PRETTY_NAME="Ubuntu"'
        assert image != second.run("cat /etc/os-release")
        assert kernel == host
        assert first.run("cat /proc/version") == second.run("cat /proc/version")
        first.enter("setarch --uname-2.6 /bin/bash")
        assert first.run("uname -r").startswith("2.6.")
        assert first.run("cat /proc/version") == second.run("cat /proc/version")
        assert proc.read("/proc/PID/personality", first.pid) == "00020000"
        assert second.run("setarch --uname-2.6 uname -r").startswith("2.6.")


DISTRIBUTIONS = {  # (os-release is that of the image, the kernel is that of the host)
    (True, True): "os-release Ubuntu, the kernel of the host",
    (True, False): "both Ubuntu",
    (False, True): "both Debian",
    (False, False): "os-release Debian, a kernel of Ubuntu",
}


def test_looking_in_from_outside(lab: Lab) -> None:
    """Who can look into a UTS namespace, and who can change it.

    The notes say that each container has its own and that none can look into another. The host, however, can look into
    all of them.
    """
    first, second, third = lab.window("first"), lab.window("second"), lab.window("third")

    with lab.step(
        "Two ways to look in",
        "The second window stays outside. It reads the file /proc/sys/kernel/hostname through the root directory of "
        "the shell inside. Then it goes in by nsenter for the time of one command.",
        why="The file has no content of its own: when it is read, the kernel prints the name of the reader's UTS "
        "namespace (kernel/utsname_sysctl.c). /proc/PID/root changes the path, not the reader. No file tells the "
        "host name of another process; one must go in. setns(2) asks for CAP_SYS_ADMIN in the owner of the "
        "namespace, and root on the host has it. A process started without --uts has no namespace to look into: it "
        "sits in that of the host, like a container with --uts=host.",
        hint="Who reads the file: the shell inside, or cat outside?",
        watch=[first, second, third],
        claims=["uts-05"],
        ask=Choice(
            "From outside: cat /proc/PID/root/proc/sys/kernel/hostname, PID being the shell inside. Which name is "
            "that?",
            "the name inside",
            "the name of the host",
            "none: Permission denied",
        ),
    ) as step:
        host = second.run("hostname")
        first.enter("unshare --uts /bin/bash")
        first.run("hostname secret")
        read = second.run(f"cat /proc/{first.pid}/root/proc/sys/kernel/hostname")
        entered = second.run(f"nsenter --target {first.pid} --uts hostname")
        step.answer({"secret": "the name inside", host: "the name of the host"}.get(read, "none: Permission denied"))
        assert first.ns("uts") != second.ns("uts")
        assert read == host
        assert entered == "secret"
        assert second.run(f"{lab.ordinary_user} nsenter --target {first.pid} --uts hostname", status=1).status != 0
        third.enter("/bin/bash")
        assert third.ns("uts") == second.ns("uts")

    with lab.step(
        "Change it from outside",
        "The second window now enters to stay, and gives the namespace a new name. Look at the first window, which "
        "did nothing, and at the third, which is outside.",
        why="A namespace has members, and no first among them. Whoever has entered is in it like the others, and "
        "there is one name for all (uts_namespaces(7), setns(2)).",
        hint="How many names are there, and how many processes share each?",
        watch=[first, second, third],
        claims=["uts-x04"],
        ask=Choice(
            "Two processes share a UTS namespace, and one sets the name. What does the other one see?",
            "the old name",
            "the new name",
        ),
    ) as step:
        second.enter(f"nsenter --target {first.pid} --uts /bin/bash")
        second.run("hostname from-outside")
        seen = first.run("hostname")
        step.answer("the new name" if seen == "from-outside" else "the old name")
        assert second.ns("uts") == first.ns("uts")
        assert seen == "from-outside"
        assert third.run("hostname") == host


@needs("gcc")
def test_second_program(lab: Lab) -> None:
    """The second C program: clone() with a flag.

    It is the first program with two more things: the flag CLONE_NEWUTS, and a call of sethostname() in the child. As
    the notes print it, no compiler takes it.
    """
    first, second = lab.window("first"), lab.window("second")
    for program in ("uts_as_printed.c", "uts.c"):
        shutil.copy(lab.programs / program, lab.directory)

    with lab.step(
        "How much must be mended?",
        "gcc gets the program four times: as printed, with the macro spelt right, with the stray mark removed, and "
        "with both. The version that compiles is run, and brings up a shell.",
        why="After execv() stand a # and a full-width question mark, left over from a comment; # is no C. And "
        "_GUN_SOURCE should be _GNU_SOURCE: without it <sched.h> keeps clone() and CLONE_NEWUTS to itself (clone(2), "
        "feature_test_macros(7)). clone() was tolerated by older compilers, an unknown constant by none.",
        hint="Each of the two mistakes alone is enough for an error.",
        watch=[first, second],
        claims=["uts-06"],
        ask=Number("How many lines of the program must be changed until gcc takes it?"),
    ) as step:
        first.run("sed 's/_GUN_SOURCE/_GNU_SOURCE/' uts_as_printed.c > macro.c")
        first.run("sed '/execv/s/#.*//' uts_as_printed.c > mark.c")
        first.run("sed '/execv/s/#.*//' macro.c > both.c")
        printed = first.run("gcc uts_as_printed.c -o printed", status=1)
        one = [first.run("gcc macro.c -o macro", status=1).status, first.run("gcc mark.c -o mark", status=1).status]
        two = first.run("gcc both.c -o both").status
        step.answer(0 if printed.status == 0 else 1 if 0 in one else 2)
        assert printed.status == 1
        assert "stray" in printed
        assert "CLONE_NEWUTS" in printed
        assert one == [1, 1]
        assert two == 0
        first.enter("./both")
        assert first.run("hostname") == "container"
        assert first.ns("uts") != second.ns("uts")
        assert first.run("exit").endswith("parent: the child has ended")

    with lab.step(
        "With every call checked",
        "uts.c does the same, and looks at the result of each call. Its shell has the new name; the second window "
        "has not.",
        why="A system call that fails returns -1 and says why in errno. perror(3) prints that. In a program that "
        "makes namespaces nearly every call can fail for lack of a right, so none should go unchecked.",
        watch=[first, second],
        shows=["uts-01", "uts-06"],
    ):
        assert first.run("gcc -Wall -Wextra uts.c -o uts") == ""
        first.enter("./uts")
        assert first.run("hostname") == "container"
        assert second.run("hostname") != "container"
        assert first.run("exit").endswith("parent: the child has ended")


@needs("gcc")
def test_length_of_a_name(lab: Lab) -> None:
    """sethostname("container", 10): nine letters, and a ten.

    In C a text ends with a NUL byte. A function that is told a length needs no NUL; the program of the notes counts it
    all the same.
    """
    first = lab.window("first")
    shutil.copy(lab.programs / "uts_unchecked.c", lab.directory)
    first.run("gcc uts_unchecked.c -o uts_unchecked")

    with lab.step(
        "Nine or ten",
        "The program calls sethostname() with 10, as the notes do, and its shell counts the letters of the name. "
        "Then Python makes the call with 9, with 10 and with 4, and with longer and longer names.",
        why="The kernel copies as many bytes as it is told and fills the rest of the field with NULs (kernel/sys.c). "
        "The tenth byte is a NUL that would have been there anyway: no harm, but a slip. Given 4, it takes four "
        "letters. The field has 64 bytes and a last NUL, so 65 are too many: EINVAL (sethostname(2), HOST_NAME_MAX).",
        hint="sethostname(2) says what its second argument counts.",
        watch=[first],
        claims=["uts-07"],
        ask=Number("How many letters has the longest host name that the kernel takes?"),
    ) as step:
        longest = max(length for length in range(60, 70) if name_after("x" * length) == "x" * length)
        step.answer(longest)
        first.enter("./uts_unchecked")
        assert first.run("hostname") == "container"
        assert first.run("hostname | tr -d '\\n' | wc -c") == "9"
        assert proc.read("/proc/sys/kernel/hostname", first.pid) == "container"
        first.run("exit")
        assert name_after("container\0") == name_after("container") == "container"
        assert name_after("cont") == "cont"
        assert longest == 64
        assert name_after("x" * 65) == "EINVAL"
        assert first.run(f"unshare --uts hostname {'x' * 65}", status=1).status != 0


def name_after(name: str) -> str:
    """The host name after sethostname(name) in a new UTS namespace, or the errno's name if the call fails."""
    try:
        return namespaces.run_in_new(Clone.NEWUTS, set_and_get, name)
    except SyscallError as error:
        return errno.errorcode[error.errno or 0]


def set_and_get(name: str) -> str:
    """Set the host name and ask for it; to be run in a child with a UTS namespace of its own."""
    sethostname(name)
    return os.uname().nodename


@needs("gcc")
def test_program_without_rights(lab: Lab) -> None:
    """The second program without root: a container that never was.

    CLONE_NEWUTS needs CAP_SYS_ADMIN. The program of the notes does not look whether clone() worked, so it goes on as if
    it had.
    """
    first = lab.window("first")
    for program in ("uts_unchecked.c", "uts.c"):
        shutil.copy(lab.programs / program, lab.directory)
    first.run("gcc uts_unchecked.c -o uts_unchecked; gcc uts.c -o uts")

    with lab.step(
        "Which lines come out?",
        "The unchecked program is run without root's power. Read its lines as somebody would who does not know the "
        "source. Then the checked one is run in the same way.",
        why="clone() fails with EPERM and returns -1. waitpid(-1, ...) means: wait for any child; there is none, so "
        "it fails too, with ECHILD, and at once (waitpid(2)). Both errors are thrown away, and the two lines of the "
        "parent look like a container that started and stopped. The exit status is 0 as well.",
        hint="Which of the three lines is printed by the child?",
        watch=[first],
        claims=["uts-08"],
        ask=Choice(
            "The unchecked program runs without root. Which lines appear?",
            "all three lines",
            "the two lines of the parent",
            "the first line only",
            "an error message",
        ),
    ) as step:
        said = first.run(f"{lab.ordinary_user} ./uts_unchecked < /dev/null")
        lines = said.splitlines()
        parent = ["parent: starting a child", "parent: the child has ended"]
        step.answer(
            "the two lines of the parent"
            if lines == parent
            else {1: "the first line only", 3: "all three lines"}.get(len(lines), "an error message")
        )
        assert lines == parent
        assert said.status == 0
        checked = first.run(f"{lab.ordinary_user} ./uts < /dev/null", status=1)
        assert checked.splitlines() == ["parent: starting a child", "clone: Operation not permitted"]
        assert checked.status == 1
        assert namespaces.run_in_new(Clone(0), wait_for_no_child) == errno.ECHILD
        root = first.run("./uts_unchecked < /dev/null").splitlines()
        assert root == [parent[0], "child: about to become a shell", parent[1]]


def wait_for_no_child() -> int:
    """The errno of waiting for any child when there is none; to be run in a child."""
    try:
        os.waitpid(-1, 0)
    except ChildProcessError as error:
        return error.errno or 0
    return 0


@needs("user namespace")
def test_in_the_kernel(lab: Lab) -> None:
    """Where the kernel keeps the namespaces of a task.

    The notes quote two structures of the kernel's source. The running kernel can be asked for its own: it carries a
    description of all its types (BTF) in /sys/kernel/btf/vmlinux.
    """
    need_types_of_the_kernel(lab)
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "The fields of nsproxy today",
        "The structure in the notes has six pointers to namespaces. The one of this kernel is read from its own type "
        "description. Look for what has been added.",
        why="task_struct has the field nsproxy, as the notes say; the structure itself is declared in "
        "include/linux/nsproxy.h, not in sched.h. time_ns and time_ns_for_children came with the time namespace in "
        "Linux 5.6. The counter count is a refcount_t in newer kernels, which notices an overflow; it was an "
        "atomic_t.",
        hint="The notes stop at seven kinds of namespaces. Which kind is missing there?",
        watch=[first],
        files=["/sys/kernel/btf/vmlinux"],
        claims=["uts-10"],
        ask=Number("The notes show six pointers to namespaces in struct nsproxy. How many has this kernel?"),
    ) as step:
        structs = proc.read("/sys/kernel/btf/vmlinux", first.pid)
        pointers = [field for field in structs["nsproxy"] if field != "count"]
        step.answer(len(pointers))
        assert "nsproxy" in structs["task_struct"]
        assert "count" in structs["nsproxy"]
        assert set(NSPROXY_IN_THE_NOTES) <= set(pointers)
        assert set(pointers) - set(NSPROXY_IN_THE_NOTES) == {"time_ns", "time_ns_for_children"}

    with lab.step(
        "What nsproxy does not hold",
        "A shell is started by unshare --user --pid, without --fork. It is in the new user namespace at once. But in "
        "a new PID namespace it is not: only its next child is. Compare the links pid and pid_for_children.",
        why="The user namespace of a task hangs on its credentials (cred->user_ns), because capabilities count in "
        "it. Its own PID namespace is that of its struct pid (thread_pid), because a process keeps its number for "
        'life. nsproxy has only pid_ns_for_children. So nsproxy is not all of it; and "user space", the notes\' '
        "word, is something else: whatever does not run in the kernel.",
        hint="Two links of /proc/PID/ns have no pointer of their name in nsproxy.",
        watch=[first, second],
        files=["/sys/kernel/btf/vmlinux"],
        claims=["uts-11"],
        ask=Choice(
            "In which structure does the kernel keep the pointer to a task's user namespace?",
            "nsproxy",
            "cred",
            "task_struct",
            "new_utsname",
        ),
    ) as step:
        structs = proc.read("/sys/kernel/btf/vmlinux", first.pid)
        step.answer(next(name for name in USER_NS_CANDIDATES if "user_ns" in structs[name]))
        assert "user_ns" not in structs["nsproxy"]
        assert "user_ns" in structs["cred"]
        assert "pid_ns" not in structs["nsproxy"]
        assert "pid_ns_for_children" in structs["nsproxy"]
        assert {"cred", "thread_pid"} <= set(structs["task_struct"])
        first.enter("unshare --user --map-root-user --pid /bin/bash")
        first.run("tail -f /dev/null &")
        assert first.ns("user") != second.ns("user")
        assert first.ns("pid") == second.ns("pid")
        assert first.ns("pid_for_children") != second.ns("pid_for_children")
        first.run("kill -KILL $!")
        first.exit()

    with lab.step(
        "One pointer is exchanged",
        "The second window changes nothing. The first one unshares only the PID namespace, and keeps a first process "
        "in it. All ten links of the two are compared.",
        why="All tasks that share all namespaces can share one nsproxy. When one of them unshares one namespace, it "
        "gets a copy of the nsproxy in which one pointer is new (create_new_namespaces() in kernel/nsproxy.c). pid "
        "is the exception: the pointer that changes is the one for children. The new PID namespace can be asked for "
        "only when it has a process, so one is started in the background.",
        hint="unshare --pid does not move the caller.",
        watch=[first, second],
        claims=["uts-12"],
        ask=Text(
            "A shell unshares its PID namespace. Which link of /proc/PID/ns differs from that of the other shell?"
        ),
    ) as step:
        first.enter("unshare --pid /bin/bash")
        first.run("tail -f /dev/null &")
        ours, theirs = namespaces.links(first.pid), namespaces.links(second.pid)
        differ = [name for name in LINKS if ours[name] != theirs[name]]
        step.answer(" ".join(differ))
        assert differ == ["pid_for_children"]
        first.run("kill -KILL $!")
        first.exit()
        first.enter("unshare --uts /bin/bash")
        ours = namespaces.links(first.pid)
        assert [name for name in LINKS if ours[name] != theirs[name]] == ["uts"]
        assert namespaces.links(second.pid) == theirs


NSPROXY_IN_THE_NOTES = ("uts_ns", "ipc_ns", "mnt_ns", "pid_ns_for_children", "net_ns", "cgroup_ns")
USER_NS_CANDIDATES = ("nsproxy", "cred", "task_struct", "new_utsname")


@needs("gcc")
def test_who_reads_the_name(lab: Lab) -> None:
    """By which system call the host name is read.

    The notes quote the kernel function of gethostname. There is a function of that name in the C library too. Is there
    a system call?
    """
    first = lab.window("first")

    with lab.step(
        "Look for its number",
        "A system call is a number; the header <sys/syscall.h> has a macro SYS_... for each call of this machine. "
        "The preprocessor of gcc puts the number in place of the macro, if there is such a macro.",
        why="sethostname has a number. gethostname has none on x86-64, ARM64 and all architectures that came later: "
        "gethostname(3) in the C library calls uname(2) and copies the field nodename. The kernel builds its "
        "function only where __ARCH_WANT_SYS_GETHOSTNAME is defined, for old architectures (kernel/sys.c).",
        hint="A name that is no macro comes out of the preprocessor as it went in.",
        watch=[first],
        claims=["uts-13"],
        ask=Choice("Has this machine a system call gethostname?", "yes", "no"),
    ) as step:
        first.run("echo 'SYS_sethostname SYS_gethostname SYS_uname' > calls")
        found = first.run("gcc -E -P -x c -include sys/syscall.h calls | tail -n 1").split()
        step.answer("no" if found[1] == "SYS_gethostname" else "yes")
        assert found[0].isdigit()
        assert found[1] == "SYS_gethostname"
        assert found[2].isdigit()

    with lab.step(
        "Watch hostname at work",
        "strace prints each system call of a program. Asked for gethostname it does not know the word. Asked for "
        "uname it shows the call, with the name in the field nodename.",
        why="strace knows all system calls of the machine by name, so its complaint is one more proof.",
        watch=[first],
        shows=["uts-13"],
    ):
        if "strace" not in lab.facts.tools:
            lab.unsupported("the program strace is not installed", "install the package strace")
        unknown = first.run("strace -e trace=gethostname hostname", status=1)
        called = first.run("strace -e trace=uname hostname")
        assert "invalid system call" in unknown
        assert f'nodename="{first.run("hostname")}"' in called


def test_file_and_stale_copy(lab: Lab) -> None:
    """The variable HOSTNAME, and the file /proc/sys/kernel/hostname.

    Two more places seem to hold the host name. One is a copy that grows old, the other one is the kernel's own field in
    another dress.
    """
    first = lab.window("first")
    machine_name = first.run("hostname")

    with lab.step(
        "exec bash",
        "The notes say to run exec bash after a change of the name, because the prompt is old. That is done twice: "
        "once with HOSTNAME as it is, and once with HOSTNAME exported.",
        why="bash asks for the name once, when it starts, for the variable HOSTNAME and for the \\h of its prompt; "
        "it never asks again (bash(1)). exec keeps the process and its namespaces and replaces the program. bash "
        "sets HOSTNAME only if it is not in its environment yet; /proc/PID/environ shows the environment with which "
        "a program was started.",
        hint="When did this bash start, and what did it find in its environment?",
        watch=[first],
        files=["/proc/PID/environ"],
        shows=["uts-x01"],
        ask=Choice(
            "HOSTNAME is exported with the name x1. Then come `hostname x2` and `exec bash`. What is $HOSTNAME?",
            "x1",
            "x2",
        ),
    ) as step:
        first.enter("unshare --uts /bin/bash")
        first.run("hostname x1")
        assert first.run("echo $HOSTNAME") == machine_name
        first.enter("exec /bin/bash")
        assert first.run("echo $HOSTNAME") == "x1"
        first.run("export HOSTNAME; hostname x2")
        first.enter("exec /bin/bash")
        variable = first.run("echo $HOSTNAME")
        step.answer(variable)
        assert first.run("hostname") == "x2"
        assert variable == "x1"
        assert proc.read("/proc/PID/environ", first.pid)["HOSTNAME"] == "x1"

    with lab.step(
        "Write to the file",
        "Now the name is set by a write to the file. uname -n tells what the kernel thinks, $HOSTNAME what the shell "
        "thinks.",
        why="A write to the file ends in the same field as sethostname(2) (kernel/utsname_sysctl.c). The file "
        "belongs to root of the machine and has mode 0644, so root of an ordinary user's namespace may call "
        "sethostname() but not write here.",
        watch=[first],
        files=["/proc/PID/environ"],
        claims=["uts-x01"],
        ask=Choice(
            "The name is x2, and y3 is written to the file. What does `echo $HOSTNAME` print then?",
            "x1",
            "x2",
            "y3",
        ),
    ) as step:
        if lab.facts.rootless:
            lab.unsupported("the file belongs to root of the machine", "run pytest as root, or in the VM (vagrant up)")
        first.run("echo y3 > /proc/sys/kernel/hostname")
        variable = first.run("echo $HOSTNAME")
        step.answer(variable)
        assert first.run("uname -n; hostname; cat /proc/sys/kernel/hostname") == "y3\ny3\ny3"
        assert variable == "x1"


@needs("net namespace")
def test_name_without_an_address(lab: Lab) -> None:
    """A new name, and its address.

    hostname x1 gives the machine a name. Programs often want the address that belongs to it. Who knows that?
    """
    first = lab.window("first")
    if "myhostname" in hosts_sources():
        lab.unsupported(
            "the resolver here makes up an address for the host name (myhostname in /etc/nsswitch.conf)",
            "use a machine without libnss-myhostname, such as the VM (vagrant up)",
        )

    with lab.step(
        "Ask for the full name",
        "The shell has its own UTS, mount and network namespace. After hostname x1 it runs hostname -f, which asks "
        "the resolver. Then a line for x1 is put into a private copy of /etc/hosts, and it asks again.",
        why="The kernel keeps names, the resolver keeps addresses: hostname -f looks up its own name through "
        "nsswitch.conf(5), first in /etc/hosts. That is a file, so a matter of the mount namespace. Docker writes an "
        "/etc/hosts for each container for this reason. The network namespace is there so that nobody asks a DNS "
        "server.",
        hint="Is /etc/hosts part of the UTS namespace?",
        watch=[first],
        files=["/etc/hosts"],
        claims=["uts-x02"],
        ask=Choice("Does `hostname -f` work right after `hostname x1`?", "yes", "no"),
    ) as step:
        first.enter("unshare --uts --mount --net /bin/bash")
        before = first.run("cat /etc/hosts")
        first.run("hostname x1")
        unknown = first.run("hostname -f", status=1)
        step.answer("yes" if unknown.status == 0 else "no")
        assert first.run("cat /etc/hosts") == before
        assert unknown.status != 0
        first.run("cp /etc/hosts hosts; echo '127.0.0.1 x1.example x1' >> hosts; mount --bind hosts /etc/hosts")
        assert first.run("hostname -f") == "x1.example"


def hosts_sources() -> list[str]:
    """Where the resolver looks for hosts, in order: the line of nsswitch.conf(5)."""
    try:
        lines = Path("/etc/nsswitch.conf").read_text().splitlines()
    except OSError:
        return []
    return next((line.split()[1:] for line in lines if line.startswith("hosts:")), [])


@needs("user namespace")
def test_owner_of_the_namespace(lab: Lab) -> None:
    """Who may set the name: the root of the user namespace that owns it.

    Being root is not enough to set a host name. One must be root in the user namespace to which the UTS namespace
    belongs.
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "Root, but not here",
        "The shell in a new user namespace is root there, with all capabilities. It still may not set the host name. "
        "Three flags are tried to help it, one at a time.",
        why="sethostname(2) asks for CAP_SYS_ADMIN in the user namespace that owns the UTS namespace of the caller. "
        "Without --uts that is still the one outside, over which the new root has no power. Made together with the "
        "user namespace, the UTS namespace is owned by it (user_namespaces(7)); NS_GET_USERNS shows the owner "
        "(ioctl_ns(2)).",
        hint="Which user namespace owns the UTS namespace in which the shell sits?",
        watch=[first, second],
        files=["/proc/PID/ns/uts NS_GET_USERNS"],
        claims=["uts-x03"],
        ask=Choice(
            "`unshare --user --map-root-user hostname x` fails. Which flag makes it work?",
            "--mount",
            "--uts",
            "--pid --fork",
            "none does",
        ),
    ) as step:
        flags = ("--mount", "--uts", "--pid --fork")
        works = [flag for flag in flags if second.run(f"unshare -U -r {flag} hostname inner", status=None).status == 0]
        step.answer(works[0] if works else "none does")
        first.enter("unshare --user --map-root-user /bin/bash")
        assert first.run("id -u") == "0"
        assert first.run("hostname inner", status=1).status != 0
        assert namespaces.link(first.pid, "uts") == second.ns("uts")
        first.exit()
        first.enter("unshare --user --map-root-user --uts /bin/bash")
        assert first.run("hostname inner; hostname") == "inner"
        assert namespaces.owning_user_namespace(f"/proc/{first.pid}/ns/uts") == first.ns("user")
        assert first.ns("user") != second.ns("user")
        assert second.run("hostname") != "inner"
        assert works == ["--uts"]
