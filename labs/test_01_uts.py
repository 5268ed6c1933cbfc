"""UTS namespaces: a host name of one's own.

The UTS namespace is the smallest of all: it holds two names, the host name and the NIS domain name. That makes it the
best one to learn on. What you see here - a copy at birth, changes that stay inside, entering from outside, an owner -
comes back in every other kind.

UTS stands for UNIX Time-sharing System, the name of the C structure that uname(2) fills. It has six fields, and the
notes say that all six are separate. This lab looks.
"""

import errno
import os
from pathlib import Path

import pytest

from runtime.kernel import namespaces, proc
from runtime.kernel.syscalls import Clone, SyscallError, setdomainname, sethostname, setns, unshare
from runtime.lab import Choice, Lab, Number, needs

pytestmark = [needs("unshare", "nsenter", "setpriv", "hostname", "uts namespace")]


def test_rename_stays_inside(lab: Lab) -> None:
    """A new UTS namespace, and a witness outside.

    The first window goes into a new UTS namespace and changes the names there. The second one stays outside and
    watches.
    """
    first, second = lab.window("first"), lab.window("second")
    machine_name, machine_domain = second.run("hostname"), second.run("domainname")

    with lab.step(
        "Enter a new UTS namespace",
        """
        unshare --uts starts a shell in a new UTS namespace. Compare the link uts of both windows, and the host name.
        """,
        found="The namespace is another one, but it begins with the names of the old one.",
        why="""
            unshare(2) with CLONE_NEWUTS copies the two names of the old namespace into a new one and moves the caller
            there; the shell is then started by exec (uts_namespaces(7)).
        """,
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
        """
        The first window gets a new host name and a new NIS domain name. The domain name is that of NIS, an old
        directory service; it has nothing to do with DNS. Look at both names in both windows.
        """,
        found="Both names are separate: what is set inside is not seen outside.",
        why="""
            hostname NAME calls sethostname(2), domainname NAME calls setdomainname(2). Both write to the UTS namespace
            of the caller and to no other.
        """,
        hint="How many UTS namespaces are there now, and which one does each window read?",
        watch=[first, second],
        claims=["uts-01"],
        ask=Choice(
            "Both names are set inside. Which of them are new in the second window?",
            "the host name only",
            "the domain name only",
            "both",
            "neither",
        ),
    ) as step:
        first.run("hostname container001")
        first.run("domainname inside.example")
        inside = first.run("hostname; domainname").splitlines()
        name, domain = second.run("hostname; domainname").splitlines()
        step.answer(
            {
                "the host name only": (name, domain) == ("container001", machine_domain),
                "the domain name only": (name, domain) == (machine_name, "inside.example"),
                "both": (name, domain) == ("container001", "inside.example"),
                "neither": (name, domain) == (machine_name, machine_domain),
            },
            saw=(name, domain),
        )
        assert inside == ["container001", "inside.example"]
        assert (name, domain) == (machine_name, machine_domain)
        assert proc.read("/proc/sys/kernel/hostname", first.pid) == "container001"
        assert proc.read("/proc/sys/kernel/domainname", first.pid) == "inside.example"

    with lab.step(
        "The file /etc/hostname",
        """
        The first window changes the name once more and reads the file /etc/hostname, then it leaves the namespace.
        The second window reads name and file before and afterwards.
        """,
        found="The host keeps its name during and after, and no call to sethostname touches the file /etc/hostname.",
        why="""
            /etc/hostname is read once, by the start-up programs of the machine, and given to sethostname(2)
            (hostname(5)). After that, file and kernel know nothing of each other.
        """,
        watch=[first, second],
        files=["/etc/hostname"],
        claims=["uts-09"],
        ask=Choice(
            "After `hostname container002` inside: where does the new name stand?",
            "in the UTS namespace of the first window only",
            "there, and in the file /etc/hostname",
            "there, and in the UTS namespace of the second window",
            "in all three places",
        ),
    ) as step:
        before = second.run("cat /etc/hostname")
        first.run("hostname container002")
        during, file = second.run("hostname"), first.run("cat /etc/hostname")
        in_file, outside = "container002" in file, during == "container002"
        step.answer(
            {
                "in the UTS namespace of the first window only": not in_file and not outside,
                "there, and in the file /etc/hostname": in_file and not outside,
                "there, and in the UTS namespace of the second window": outside and not in_file,
                "in all three places": in_file and outside,
            }
        )
        assert proc.read("/proc/sys/kernel/hostname", first.pid) == "container002"
        first.exit()
        assert during == machine_name
        assert first.run("hostname; cat /etc/hostname") == f"{machine_name}\n{before}"
        assert first.ns("uts") == second.ns("uts")


def test_side_by_side(lab: Lab) -> None:
    """UTS namespaces and their relations.

    A namespace is made from within another one. Does that make it a child of the other?
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "A copy of a copy",
        """
        The first window makes namespace A and names it aaa. The second window enters A by nsenter and makes namespace
        B from there. Then A gets another name. Watch the name of B.
        """,
        found="UTS namespaces lie side by side: B is a copy of A at one moment, and nothing ties the two together.",
        why="""
            clone_uts_ns() in kernel/utsname.c copies the names once. The kernel keeps no parent for a UTS namespace, so
            the request NS_GET_PARENT is answered with EINVAL. Only PID and user namespaces form a tree (ioctl_ns(2)).
        """,
        hint="How often is a copy made?",
        watch=[first, second],
        claims=["uts-03"],
        ask=Choice(
            "B was made inside A when A was called aaa. Now A is called renamed. What is B called?",
            "aaa",
            "renamed",
            "as the host",
        ),
    ) as step:
        host = os.uname().nodename
        first.enter("unshare --uts /bin/bash")
        first.run("hostname aaa")
        second.enter(f"nsenter --target {first.pid} --uts /bin/bash")
        assert second.ns("uts") == first.ns("uts")
        second.enter("unshare --uts /bin/bash")
        assert proc.read("/proc/sys/kernel/hostname", second.pid) == "aaa"
        first.run("hostname renamed")
        name = second.run("hostname")
        step.answer({"aaa": name == "aaa", "renamed": name == "renamed", "as the host": name == host}, saw=name)
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
        """
        A child process keeps an open descriptor of its UTS namespace, leaves it by unshare(), changes the name, and
        comes back by setns(). At each point it asks uname() for the name.
        """,
        found="setns() brings back the old namespace, and with it the old name.",
        why="""
            An open file descriptor of /proc/self/ns/uts stands for the namespace. setns(2) moves the caller into it,
            provided that it has the right. docker exec does the same in another order.
        """,
        hint="In which namespace is the child when it asks for the third time?",
        watch=[os.getpid()],
        shows=["uts-01", "uts-09"],
        ask=Choice(
            "The child changes the name in a new namespace and returns to the old one. What does uname() say then?",
            "the old name",
            "the new name",
            "an empty name",
        ),
    ) as step:
        before, inside, after = namespaces.run_in_new(Clone(0), there_and_back_again)
        step.answer(
            {"the old name": after == before, "the new name": after == "container003", "an empty name": after == ""},
            saw=after,
        )
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
    """What else is in the UTS namespace.

    The notes say that a UTS namespace keeps the kernel's name, version and machine type, so that each container has its
    own. It keeps them. But look whether they can differ.
    """
    if not Path("/sys/kernel/btf/vmlinux").exists():
        lab.unsupported("this kernel has no type information (BTF)", "boot one with CONFIG_DEBUG_INFO_BTF, as Debian's")
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "Six fields",
        """
        uname(2) returns six fields. A child in a new UTS namespace makes every system call that sets one of them. Then
        the fields of the child and those of its parent are compared.
        """,
        found="Six fields are copied into each UTS namespace; two of them can be changed.",
        why="""
            struct new_utsname in the kernel has all six fields, and each UTS namespace has a whole copy. There are two
            system calls that write to it: sethostname(2) and setdomainname(2).
        """,
        hint="A container has no kernel of its own.",
        watch=[first],
        files=["/sys/kernel/btf/vmlinux"],
        shows=["uts-02"],
        ask=Number("How many of the six fields of uname() can be made to differ between two UTS namespaces?"),
    ) as step:
        machine, domain = os.uname(), proc.read("/proc/sys/kernel/domainname", os.getpid())
        renamed, new_domain = namespaces.run_in_new(Clone.NEWUTS, change_what_can_be_changed)
        differ = {name for name in UNAME if getattr(renamed, name) != getattr(machine, name)}
        step.answer(len(differ) + (new_domain != domain))
        assert differ == {"nodename"}
        assert new_domain == "everything.example"
        assert os.uname() == machine
        fields = proc.read("/sys/kernel/btf/vmlinux", first.pid)["new_utsname"]
        assert fields == ["sysname", "nodename", "release", "version", "machine", "domainname"]

    with lab.step(
        "Root writes to the files of the other four",
        """
        The files in /proc/sys/kernel show the fields. The first window is in a new UTS namespace, with a /proc of its
        own. Root sets the host name, and writes to the files of the other four. Read the messages.
        """,
        found="Kernel name, release, version and machine are those of the one kernel, in every UTS namespace.",
        why="""
            The files have mode 0444 (uts_proc_table in kernel/utsname_sysctl.c). For ordinary files root may ignore
            the mode. For files in /proc/sys the kernel checks it against root too (test_perm() in
            fs/proc/proc_sysctl.c).
        """,
        hint="What would a container do with a kernel version of its own?",
        watch=[first, second],
        files=[*(f"/proc/sys/kernel/{name}" for name in FILES_OF_UNAME), "/sys/kernel/btf/vmlinux"],
        claims=["uts-02"],
        ask=Choice(
            "Root, in a new UTS namespace, writes 9.9.9 to /proc/sys/kernel/osrelease. What comes?",
            "it is written, and seen inside only",
            "it is written, and seen everywhere",
            "Permission denied",
            "Read-only file system",
        ),
    ) as step:
        first.enter("unshare --uts --pid --fork --mount-proc /bin/bash")
        files = [*FILES_OF_UNAME, *(["arch"] if lab.facts.kernel_at_least("6.1") else [])]
        loop = "hostname 9.9.9; for name in {}; do echo 9.9.9 > /proc/sys/kernel/$name; done"
        said = first.run(loop.format(" ".join(files)), status=1).splitlines()
        inside, outside = first.run("uname -r"), second.run("uname -r")
        refusals = {line.rpartition(": ")[2] for line in said}
        step.answer(
            {
                "it is written, and seen inside only": inside == "9.9.9" != outside,
                "it is written, and seen everywhere": inside == outside == "9.9.9",
                "Permission denied": refusals == {"Permission denied"},
                "Read-only file system": refusals == {"Read-only file system"},
            },
            saw=said,
        )
        assert first.ns("uts") != second.ns("uts")
        assert [line.rpartition("/")[2] for line in said] == [f"{name}: Permission denied" for name in files]
        assert first.run("hostname; uname -srvm") == f"9.9.9\n{second.run('uname -srvm')}"


UNAME = ("sysname", "nodename", "release", "version", "machine")  # Python leaves the domain name out
FILES_OF_UNAME = ("ostype", "osrelease", "version")  # and arch, since Linux 6.1


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
    first.enter("unshare --uts --mount /bin/bash")

    with lab.step(
        "The name of the system, and the version of the kernel",
        """
        The first window has its own UTS namespace and its own list of mounts. It puts a file of ours over
        /etc/os-release. Then both windows read the file and ask for the version of the kernel.
        """,
        found="The distribution is a file of the image; the kernel is that of the host in every container.",
        why="""
            /etc/os-release is a file (os-release(5)), so the mount namespace decides which one is seen: a container
            brings it in its image. The kernel is one for all.
        """,
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
        before, host = second.run("cat /etc/os-release; uname -r").rsplit("\n", 1)
        unchanged = first.run("cat /etc/os-release") == before
        first.run("echo 'PRETTY_NAME=\"Ubuntu\"' > os-release")
        first.run("mount --bind os-release /etc/os-release")
        image, kernel = first.run("cat /etc/os-release; uname -r").rsplit("\n", 1)
        ubuntu, debian = image == 'PRETTY_NAME="Ubuntu"', image == before
        step.answer(
            {
                "both Ubuntu": ubuntu and kernel != host,
                "os-release Ubuntu, the kernel of the host": ubuntu and kernel == host,
                "os-release Debian, a kernel of Ubuntu": debian and kernel != host,
                "both Debian": debian and kernel == host,
            },
            saw=(image, kernel),
        )
        assert first.ns("uts") != second.ns("uts")
        assert unchanged
        assert image == 'PRETTY_NAME="Ubuntu"'
        assert second.run("cat /etc/os-release") == before
        assert kernel == host
        assert proc.read("/proc/PID/personality", first.pid) == "00000000"

    with lab.step(
        "A process that is told another version",
        """
        setarch --uname-2.6 sets a flag of a process: the personality UNAME26. Then the process asks for the version of
        the kernel by uname, and reads /proc/version. The second window does it too, in the namespace of the host.
        """,
        found="The personality of a process changes what uname tells it, in any UTS namespace.",
        why="""
            UNAME26 was made for old programs that cannot read a version above 2.6. The kernel then changes the answer
            of uname(2) for this process (personality(2)). The text of /proc/version stays.
        """,
        hint="A personality belongs to a process.",
        watch=[first, second],
        files=["/proc/version", "/proc/PID/personality"],
        shows=["uts-04"],
        ask=Choice(
            "For a process with UNAME26: where does a version 2.6 stand?",
            "in uname and in /proc/version",
            "in uname only",
            "in /proc/version only",
            "in neither",
        ),
    ) as step:
        real = second.run("cat /proc/version")
        first.enter("setarch --uname-2.6 /bin/bash")
        told, text = first.run("uname -r"), first.run("cat /proc/version")
        in_uname, in_file = told.startswith("2.6."), " 2.6." in text
        step.answer(
            {
                "in uname and in /proc/version": in_uname and in_file,
                "in uname only": in_uname and not in_file,
                "in /proc/version only": in_file and not in_uname,
                "in neither": not in_uname and not in_file,
            },
            saw=(told, text),
        )
        assert in_uname
        assert text == real
        assert proc.read("/proc/PID/personality", first.pid) == "00020000"
        assert second.run("setarch --uname-2.6 uname -r") == told


def test_looking_in_from_outside(lab: Lab) -> None:
    """Who can look into a UTS namespace, and who can change it.

    The notes say that each container has its own and that none can look into another.
    """
    first, second, third = lab.window("first"), lab.window("second"), lab.window("third")

    with lab.step(
        "Two ways to look in",
        """
        The second window stays outside. It reads /proc/sys/kernel/hostname through the root directory of the shell
        inside. Then it goes in by nsenter for one command, and an ordinary user tries the same.
        """,
        found="No file tells the name of another UTS namespace. Whoever has the right can go in and ask there.",
        why="""
            The file has no content of its own: when it is read, the kernel prints the name of the reader's UTS
            namespace (kernel/utsname_sysctl.c). /proc/PID/root changes the path, not the reader. To go in, setns(2)
            asks for CAP_SYS_ADMIN in the user namespace that owns the UTS namespace, and in the caller's own; root on
            the host has both. A container with --uts=host has no namespace to look into: it is in that of the host.
        """,
        hint="Who reads the file: the shell inside, or cat outside?",
        watch=[first, second, third],
        claims=["uts-05"],
        ask=Choice(
            "From outside: cat /proc/PID/root/proc/sys/kernel/hostname, PID being the shell inside. What is printed?",
            "the name inside",
            "the name of the host",
            "Permission denied",
        ),
    ) as step:
        host = second.run("hostname")
        first.enter("unshare --uts /bin/bash")
        first.run("hostname secret")
        read = second.run(f"cat /proc/{first.pid}/root/proc/sys/kernel/hostname", status=(0, 1))
        entered = second.run(f"nsenter --target {first.pid} --uts hostname")
        refused = second.run(f"{lab.ordinary_user} nsenter --target {first.pid} --uts hostname", status=1)
        step.answer(
            {
                "the name inside": read == "secret",
                "the name of the host": read == host,
                "Permission denied": read.endswith("Permission denied"),
            },
            saw=read,
        )
        assert first.ns("uts") != second.ns("uts")
        assert read == host
        assert entered == "secret"
        assert "secret" not in refused
        assert third.ns("uts") == second.ns("uts")  # a process started without --uts has none of its own

    with lab.step(
        "Change it from outside",
        """
        The second window now enters to stay, and gives the namespace a new name. Look at the first window, which did
        nothing, and at the third, which is outside.
        """,
        found="The name belongs to the namespace: one member changes it for all members.",
        why="""
            A namespace has members, and no first among them. Whoever has entered is in it like the others, and there is
            one name for all (uts_namespaces(7), setns(2)).
        """,
        hint="How many names are there, and how many processes share each?",
        watch=[first, second, third],
        claims=["uts-x04"],
        ask=Choice(
            "The second window has entered and sets the name. Where is the new name seen?",
            "in the second window only",
            "in the first and the second window",
            "in all three windows",
        ),
    ) as step:
        second.enter(f"nsenter --target {first.pid} --uts /bin/bash")
        second.run("hostname from-outside")
        seen = [window.run("hostname") == "from-outside" for window in (first, second, third)]
        step.answer(
            {
                "in the second window only": seen == [False, True, False],
                "in the first and the second window": seen == [True, True, False],
                "in all three windows": seen == [True, True, True],
            },
            saw=seen,
        )
        assert second.ns("uts") == first.ns("uts")
        assert third.ns("uts") != first.ns("uts")
        assert seen == [True, True, False]


def test_file_and_stale_copy(lab: Lab) -> None:
    """The variable HOSTNAME, and the file /proc/sys/kernel/hostname.

    Two more places seem to hold the host name: a variable of the shell, and a file in /proc.
    """
    first = lab.window("first")
    machine_name = first.run("hostname")
    first.enter("unshare --uts /bin/bash")

    with lab.step(
        "exec bash",
        """
        The notes say to run exec bash after a change of the name, because the prompt is old. That is done with
        HOSTNAME as it is.
        """,
        found="bash asks for the name once, when it starts.",
        why="""
            bash asks for the name when it starts, for the variable HOSTNAME and for the \\h of its prompt; it never
            asks again (bash(1)). exec keeps the process and its namespaces and replaces the program.
        """,
        hint="When did this bash start?",
        watch=[first],
        files=["/proc/PID/environ"],
        shows=["uts-x01"],
        ask=Choice(
            "After `hostname x1`, before exec bash: what does `echo $HOSTNAME` print?", "x1", "the old name", "nothing"
        ),
    ) as step:
        first.run("hostname x1")
        variable = first.run("echo $HOSTNAME")
        step.answer({"x1": variable == "x1", "the old name": variable == machine_name, "nothing": variable == ""})
        assert variable == machine_name
        first.enter("exec /bin/bash")
        assert first.run("echo $HOSTNAME") == "x1"

    with lab.step(
        "exec bash, with HOSTNAME exported",
        """
        HOSTNAME, which is x1 now, is exported: it becomes part of the environment that a new program is given. Then
        come hostname x2 and exec bash.
        """,
        found="An exported HOSTNAME stays as it is, even in a new bash.",
        why="""
            bash sets HOSTNAME only if it does not find it in its environment; /proc/PID/environ shows the environment
            with which a program was started.
        """,
        hint="What does the new bash find in its environment?",
        watch=[first],
        files=["/proc/PID/environ"],
        shows=["uts-x01"],
        ask=Choice("What do `hostname` and `echo $HOSTNAME` print then?", "x1 and x1", "x2 and x1", "x2 and x2"),
    ) as step:
        first.run("export HOSTNAME=x1; hostname x2")
        first.enter("exec /bin/bash")
        name, variable = first.run("hostname; echo $HOSTNAME").splitlines()
        step.answer(
            {
                "x1 and x1": (name, variable) == ("x1", "x1"),
                "x2 and x1": (name, variable) == ("x2", "x1"),
                "x2 and x2": (name, variable) == ("x2", "x2"),
            },
            saw=(name, variable),
        )
        assert (name, variable) == ("x2", "x1")
        assert proc.read("/proc/PID/environ", first.pid)["HOSTNAME"] == "x1"

    with lab.step(
        "Write to the file",
        """
        Now the name is set by a write to the file. uname -n tells what the kernel thinks, $HOSTNAME what the shell
        thinks.
        """,
        found="The file is another way to the name in the kernel; the variable of the shell is a copy.",
        why="""
            A write to the file ends in the same field as sethostname(2) (kernel/utsname_sysctl.c). The file belongs to
            root of the machine and has mode 0644, so root of an ordinary user's namespace may call sethostname() but
            not write here.
        """,
        watch=[first],
        files=["/proc/PID/environ"],
        claims=["uts-x01"],
        ask=Choice(
            "HOSTNAME is exported as x1, the name is x2, and y3 is written to the file. What do `uname -n` and "
            "`echo $HOSTNAME` print then?",
            "x2 and x1",
            "y3 and x1",
            "y3 and x2",
            "y3 and y3",
        ),
    ) as step:
        if lab.facts.rootless:
            lab.unsupported("the file belongs to root of the machine", "run pytest as root, or in the VM (vagrant up)")
        first.run("export HOSTNAME=x1; hostname x2; echo y3 > /proc/sys/kernel/hostname")
        name, variable = first.run("uname -n; echo $HOSTNAME").splitlines()
        step.answer(
            {
                "x2 and x1": (name, variable) == ("x2", "x1"),
                "y3 and x1": (name, variable) == ("y3", "x1"),
                "y3 and x2": (name, variable) == ("y3", "x2"),
                "y3 and y3": (name, variable) == ("y3", "y3"),
            },
            saw=(name, variable),
        )
        assert first.run("hostname; cat /proc/sys/kernel/hostname") == "y3\ny3"
        assert (name, variable) == ("y3", "x1")


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
        """
        The shell has its own UTS, mount and network namespace, so that nobody asks a DNS server. After hostname x1 it
        runs hostname -f, which asks the resolver. Then a line for x1 is put into a private copy of /etc/hosts, and it
        asks again.
        """,
        found="The kernel keeps the name, a file keeps the address: hostname -f needs a line in /etc/hosts.",
        why="""
            hostname -f looks up its own name through nsswitch.conf(5), first in /etc/hosts. That is a file, so a matter
            of the mount namespace. Docker writes an /etc/hosts for each container for this reason.
        """,
        hint="Is /etc/hosts part of the UTS namespace?",
        watch=[first],
        files=["/etc/hosts"],
        claims=["uts-x02"],
        ask=Choice(
            "What does `hostname -f` print right after `hostname x1`?",
            "x1",
            "the old full name of the machine",
            "localhost",
            "an error message",
        ),
    ) as step:
        old = first.run("hostname")
        first.enter("unshare --uts --mount --net /bin/bash")
        first.run("hostname x1")
        asked = first.run("hostname -f", status=(0, 1))
        step.answer(
            {
                "x1": asked == "x1",
                "the old full name of the machine": asked.partition(".")[0] == old.partition(".")[0],
                "localhost": asked == "localhost",
                "an error message": asked.status == 1 and asked.startswith("hostname: "),
            },
            saw=asked,
        )
        assert asked.status == 1
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
    """Who may set the name, and who may enter.

    A UTS namespace belongs to a user namespace: to the one in which its maker was. A user namespace has its own root;
    the lab about users comes back to it. Is being root enough?
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "Root of a new user namespace",
        """
        The shell in a new user namespace is root there, with all capabilities (the single powers that root is made of).
        It tries to set the host name. Three flags are tried to help it, one at a time.
        """,
        found="To set the name one must be root in the user namespace that owns the UTS namespace.",
        why="""
            sethostname(2) asks for CAP_SYS_ADMIN in the user namespace that owns the UTS namespace of the caller.
            Without --uts that is still the one outside, over which the new root has no power. Made together with the
            user namespace, the UTS namespace is owned by it (user_namespaces(7); NS_GET_USERNS, ioctl_ns(2)).
        """,
        hint="Which user namespace owns the UTS namespace in which the shell sits?",
        watch=[first, second],
        files=["/proc/PID/ns/uts NS_GET_USERNS"],
        claims=["uts-x03"],
        ask=Choice(
            "`unshare --user --map-root-user hostname x`: with which other flag does it work?",
            "--mount",
            "--uts",
            "--pid --fork",
            "it needs no other",
        ),
    ) as step:
        flags = {"--mount": "--mount", "--uts": "--uts", "--pid --fork": "--pid --fork", "it needs no other": ""}
        tried = {
            flag: second.run(f"unshare -U -r {option} hostname inner", status=None) for flag, option in flags.items()
        }
        step.answer({flag: said.status == 0 for flag, said in tried.items()}, saw=tried)
        assert all("Operation not permitted" in said or "root" in said for said in tried.values() if said.status)
        first.enter("unshare --user --map-root-user --uts /bin/bash")
        assert first.run("hostname inner; hostname") == "inner"
        assert namespaces.owning_user_namespace(f"/proc/{first.pid}/ns/uts") == first.ns("user")
        assert first.ns("user") != second.ns("user")
        assert second.run("hostname") != "inner"

    with lab.step(
        "The maker comes back",
        """
        A user without capabilities makes a user namespace with a UTS namespace in it. The same user, from outside,
        tries to enter the UTS namespace alone, and then together with the user namespace.
        """,
        found="setns() asks for the right twice: in the owner of the namespace, and in one's own user namespace.",
        why="""
            Who made a user namespace has all capabilities in it, also from outside. For UTS, IPC, network and cgroup
            setns(2) wants CAP_SYS_ADMIN in the caller's own user namespace as well. Outside the user has none; after
            setns() into the user namespace both are the same one.
        """,
        hint="In which user namespace is the caller at the moment of the call?",
        watch=[first, second],
        claims=["uts-x05"],
        ask=Choice(
            "nsenter --uts, and nsenter --user --uts, by the user who made both namespaces. Which one enters?",
            "both",
            "only the one without --user",
            "only the one with --user",
            "neither",
        ),
    ) as step:
        if lab.facts.rootless:
            lab.unsupported("there is no second user here", "run pytest as root, or in the VM (vagrant up)")
        first.exit()
        first.enter(f"{lab.ordinary_user} unshare --user --map-root-user --uts /bin/bash")
        first.run("hostname owned")
        enter = f"{lab.ordinary_user} nsenter --preserve-credentials --target {first.pid}"
        alone = second.run(f"{enter} --uts hostname", status=(0, 1))
        together = second.run(f"{enter} --user --uts hostname", status=(0, 1))
        step.answer(
            {
                "both": alone == together == "owned",
                "only the one without --user": alone == "owned" and together.status == 1,
                "only the one with --user": alone.status == 1 and together == "owned",
                "neither": alone.status == together.status == 1,
            },
            saw=(alone, together),
        )
        assert "Operation not permitted" in alone
        assert together == "owned"
        assert namespaces.owner_uid(f"/proc/{first.pid}/ns/user") != os.geteuid()
