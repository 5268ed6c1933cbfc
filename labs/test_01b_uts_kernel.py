"""UTS namespaces in C and in the kernel.

The notes make a UTS namespace by a C program, and quote the kernel's own structures. This lab compiles the program,
looks at what its calls really do, and asks the running kernel for its structures.
"""

import ctypes
import errno
import os
import shutil
from pathlib import Path

from runtime.kernel import namespaces, proc
from runtime.kernel.proc import LINKS
from runtime.kernel.syscalls import Clone, SyscallError, sethostname
from runtime.lab import Choice, Lab, Number, Text, needs

pytestmark = [needs("unshare", "setpriv", "hostname", "uts namespace")]


@needs("gcc")
def test_second_program(lab: Lab) -> None:
    """The second C program: clone() with a flag.

    It is the first C program with two more things: the flag CLONE_NEWUTS, and a call of sethostname() in the child. Our
    copy keeps the mistakes of the notes.
    """
    first, second = lab.window("first"), lab.window("second")
    for program in ("uts_with_slips.c", "uts.c"):
        shutil.copy(lab.programs / program, lab.directory)

    with lab.step(
        "Compile it",
        """
        gcc gets the program four times: with all mistakes, with the macro spelt right, with the stray mark after
        execv() removed, and with both mended. Read what it says.
        """,
        found="The program of the notes never compiled: two lines must be mended.",
        why="""
            After execv() stand a # and a full-width question mark, left over from a comment; # is no C. And _GUN_SOURCE
            should be _GNU_SOURCE: without it <sched.h> keeps clone() and CLONE_NEWUTS to itself (clone(2),
            feature_test_macros(7)). Older compilers accepted an unknown function, none an unknown constant.
        """,
        hint="Would each of the two mistakes alone be enough for an error?",
        watch=[first],
        shows=["uts-06"],
        ask=Number("How many lines of the program must be changed until gcc takes it?"),
    ) as step:
        said = {
            changes: first.run(f"sed '{';'.join(changes)}' uts_with_slips.c | gcc -x c - -o mended", status=(0, 1))
            for changes in ((), (MACRO,), (MARK,), (MACRO, MARK))
        }
        step.answer(min(len(changes) for changes, text in said.items() if text.status == 0))
        assert "stray" in said[()]
        assert "CLONE_NEWUTS" in said[()]
        assert [text.status for text in said.values()] == [1, 1, 1, 0]

    with lab.step(
        "Run it",
        """
        The version with both mended is run, and brings up a shell. Then uts.c, which does the same and looks at the
        result of each call.
        """,
        found="With both mistakes mended the program gives a shell with the host name container.",
        why="""
            A system call that fails returns -1 and says why in errno; perror(3) prints that. In a program that makes
            namespaces nearly every call can fail for lack of a right, so each should be checked.
        """,
        watch=[first, second],
        claims=["uts-06"],
        shows=["uts-01"],
        ask=Choice(
            "The program calls sethostname() in the child, before execv(). Whose name becomes container?",
            "that of both windows",
            "that of the shell which the program starts",
            "that of the parent of this shell",
            "nobody's: execv() brings the old name back",
        ),
    ) as step:
        host = os.uname().nodename
        first.run(f"gcc -Wall -Wextra uts.c -o uts; sed '{MACRO};{MARK}' uts_with_slips.c | gcc -x c - -o mended")
        first.enter("./mended")
        shell, outside = first.run("hostname"), second.run("hostname")
        parent = proc.read("/proc/sys/kernel/hostname", proc.read("/proc/PID/status", first.pid)["PPid"])
        step.answer(
            {
                "that of both windows": shell == outside == "container",
                "that of the shell which the program starts": [shell, parent, outside] == ["container", host, host],
                "that of the parent of this shell": [shell, parent] == [host, "container"],
                "nobody's: execv() brings the old name back": [shell, parent, outside] == [host] * 3,
            },
            saw=(shell, parent, outside),
        )
        assert shell == "container"
        assert first.ns("uts") != second.ns("uts")
        assert first.run("exit").endswith("parent: the child has ended")
        assert first.run("echo hostname | ./uts | sed -n 3p") == "container"


MACRO, MARK = "s/_GUN_SOURCE/_GNU_SOURCE/", "/execv/s/#.*//"


@needs("gcc")
def test_length_of_a_name(lab: Lab) -> None:
    """sethostname("container", 10), and gethostname() with too little room.

    In C a text ends with a NUL byte. A function that is told a length needs no NUL; the program of the notes counts it
    all the same. And what happens on the way back, when there is too little room for the name?
    """
    first = lab.window("first")
    shutil.copy(lab.programs / "uts_unchecked.c", lab.directory)
    first.run("gcc uts_unchecked.c -o uts_unchecked")

    with lab.step(
        "Nine or ten",
        """
        The program calls sethostname() with 10, as the notes do, and its shell counts the letters of the name. Then
        Python makes the call with 9, with 10 and with 4, and with longer and longer names.
        """,
        found="The length counts bytes without a NUL: 9 is meant, 10 does no harm, 65 are too many.",
        why="""
            The kernel copies as many bytes as it is told and fills the rest of the field with NULs (kernel/sys.c). The
            tenth byte is a NUL that would have been there anyway. Given 4, it takes four letters. The field has 64
            bytes and a last NUL, so 65 are too many: EINVAL, as for a negative length (sethostname(2), HOST_NAME_MAX).
        """,
        hint="sethostname(2) says what its second argument counts.",
        watch=[first],
        claims=["uts-07"],
        ask=Number("How many letters has the longest host name that the kernel takes?"),
    ) as step:
        longest = max(length for length in range(60, 70) if name_after("x" * length) == "x" * length)
        step.answer(longest)
        first.enter("./uts_unchecked")
        assert first.run("hostname | tr -d '\\n' | wc -c") == "9"
        assert proc.read("/proc/sys/kernel/hostname", first.pid) == "container"
        first.run("exit")
        assert name_after("container\0") == name_after("container") == "container"
        assert name_after("cont") == "cont"
        assert longest == 64
        assert name_after("x" * 65) == "EINVAL"
        assert namespaces.run_in_new(Clone.NEWUTS, errno_of_a_negative_length) == errno.EINVAL

    with lab.step(
        "Too little room",
        """
        The notes show the kernel's function gethostname(): it cuts the name at the length that it is given, and says
        EINVAL if that is negative. A child is called container, and asks the C library's function with room for 4,
        for 9 and for 10 bytes.
        """,
        found="The C library cuts the name as well, but it tells of it: ENAMETOOLONG.",
        why="""
            Programs on x86-64 cannot call the kernel's function. That of the C library takes the name from uname(2) and
            copies as much as there is room for. If the NUL at the end has no place it returns -1 with ENAMETOOLONG,
            since glibc 2.2 (gethostname(2)). Its length has no sign, so there is no negative one.
        """,
        hint="container has nine letters, and a text in C has one byte more.",
        watch=[first],
        claims=["uts-14"],
        ask=Choice(
            "gethostname() is given room for 9 bytes; the name is container. What does it do?",
            "it returns 0, and the nine letters stand there",
            "it returns 0, and eight letters and a NUL stand there",
            "it fails, and the nine letters stand there",
            "it fails, and nothing was written",
        ),
    ) as step:
        asked = namespaces.run_in_new(Clone.NEWUTS, ask_with_room_for, (4, 9, 10))
        result, room = asked[9]
        step.answer(
            {
                "it returns 0, and the nine letters stand there": (result, room) == ("0", b"container#"),
                "it returns 0, and eight letters and a NUL stand there": (result, room) == ("0", b"containe\0#"),
                "it fails, and the nine letters stand there": result != "0" and room == b"container#",
                "it fails, and nothing was written": result != "0" and room == b"##########",
            },
            saw=asked,
        )
        assert asked == {
            4: ("ENAMETOOLONG", b"cont######"),
            9: ("ENAMETOOLONG", b"container#"),
            10: ("0", b"container\0"),
        }


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


def errno_of_a_negative_length() -> int:
    """The errno of sethostname("x", -1); to be run in a child."""
    library = ctypes.CDLL(None, use_errno=True)
    return ctypes.get_errno() if library.sethostname(b"x", ctypes.c_size_t(-1)) == -1 else 0


def ask_with_room_for(lengths: tuple[int, ...]) -> dict[int, tuple[str, bytes]]:
    """What gethostname() returns and writes (on top of ten #) for each length; to be run in a child."""
    library, asked = ctypes.CDLL(None, use_errno=True), {}
    sethostname("container")
    for length in lengths:
        room = ctypes.create_string_buffer(b"#" * 10, 10)
        failed = library.gethostname(room, ctypes.c_size_t(length)) == -1
        asked[length] = (errno.errorcode[ctypes.get_errno()] if failed else "0", room.raw)
    return asked


@needs("gcc")
def test_program_without_rights(lab: Lab) -> None:
    """The second program without root.

    CLONE_NEWUTS needs CAP_SYS_ADMIN, a part of root's power. The program of the notes does not look whether clone()
    worked.
    """
    first = lab.window("first")
    for program in ("uts_unchecked.c", "uts.c"):
        shutil.copy(lab.programs / program, lab.directory)
    first.run("gcc uts_unchecked.c -o uts_unchecked; gcc uts.c -o uts")

    with lab.step(
        "Which lines come out?",
        """
        The unchecked program is run as an ordinary user. Read its lines as somebody would who does not know the source.
        Then the checked program is run in the same way, and the unchecked one by root.
        """,
        found="Without root there is no container, and the two lines of the parent look as if there had been one.",
        why="""
            clone() fails with EPERM and returns -1. waitpid(-1, ...) means: wait for any child. There is none, so it
            fails too, at once, with ECHILD (waitpid(2)). Both errors are thrown away. The exit status is 0 as well.
        """,
        hint="Which of the three lines is printed by the child?",
        watch=[first],
        claims=["uts-08"],
        ask=Choice(
            "The unchecked program runs without root. Which lines appear?",
            "the lines of parent and child",
            "the two lines of the parent",
            "the first line only",
            "an error message",
        ),
    ) as step:
        said = first.run(f"{lab.ordinary_user} ./uts_unchecked < /dev/null")
        checked = first.run(f"{lab.ordinary_user} ./uts < /dev/null", status=1)
        root = first.run("./uts_unchecked < /dev/null").splitlines()
        lines = said.splitlines()
        start, child, end = "parent: starting a child", "child: about to become a shell", "parent: the child has ended"
        step.answer(
            {
                "the lines of parent and child": lines == [start, child, end],
                "the two lines of the parent": lines == [start, end],
                "the first line only": lines == [start],
                "an error message": "not permitted" in said,
            },
            saw=said,
        )
        assert lines == [start, end]
        assert checked.splitlines() == [start, "clone: Operation not permitted"]
        assert root == [start, child, end]
        assert namespaces.run_in_new(Clone(0), wait_for_no_child) == errno.ECHILD


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

    The notes quote two structures of the kernel's source; task_struct is that of a process. The running kernel can be
    asked for its own: it carries a description of all its types (BTF) in /sys/kernel/btf/vmlinux.
    """
    if not Path("/sys/kernel/btf/vmlinux").exists():
        lab.unsupported("this kernel has no type information (BTF)", "boot one with CONFIG_DEBUG_INFO_BTF, as Debian's")
    first, second = lab.window("first"), lab.window("second")
    since = {"time_ns", "time_ns_for_children"} if lab.facts.kernel_at_least("5.6") else set()

    with lab.step(
        "The fields of nsproxy today",
        """
        The structure in the notes has six pointers to namespaces. The one of this kernel is read from its own type
        description. Look for what has been added.
        """,
        found="nsproxy has two pointers more since Linux 5.6, for the time namespace.",
        why="""
            task_struct has the field nsproxy, as the notes say; the structure itself is declared in
            include/linux/nsproxy.h, not in sched.h. Its counter says how many tasks use this nsproxy. So the counter of
            a namespace counts the nsproxies that point to it, not the tasks; neither can be read from outside.
        """,
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
        assert set(pointers) == set(NSPROXY_IN_THE_NOTES) | since

    with lab.step(
        "Two pointers to look for",
        """
        A shell is started by unshare --user --pid, without --fork. Compare its links user, pid and pid_for_children
        with those of the second window, and look into which structures of the kernel they lead.
        """,
        found="nsproxy does not hold the user namespace, nor the PID namespace of the task itself.",
        why="""
            The user namespace is in the credentials (cred->user_ns), because capabilities count in it. The own PID
            namespace is that of struct pid (thread_pid), because a process keeps its number for life. nsproxy has only
            pid_ns_for_children. And "user space", the notes' word, is something else: all that runs outside the kernel.
        """,
        hint="Capabilities and user ids stand in the credentials of a task.",
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
        candidates = ("nsproxy", "cred", "task_struct", "new_utsname")
        step.answer({name: "user_ns" in structs[name] for name in candidates})
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
        """
        The second window changes nothing. The first one unshares only the PID namespace, and starts a first process in
        it. All ten links of the two are compared. Then the same with the UTS namespace.
        """,
        found="Only one link changes; for the PID namespace it is the link for the children.",
        why="""
            unshare(2) gives the task a new nsproxy that is a copy with one pointer exchanged (create_new_namespaces()
            in kernel/nsproxy.c). That tasks with the same namespaces may share one nsproxy stands in the source: from
            outside the links look the same either way.
        """,
        hint="Does unshare --pid move the caller?",
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


@needs("gcc")
def test_who_reads_the_name(lab: Lab) -> None:
    """By which system call the host name is read.

    The notes quote the kernel function of gethostname. There is a function of that name in the C library too. Is there
    a system call?
    """
    first = lab.window("first")
    if lab.facts.machine not in ("x86_64", "aarch64"):
        lab.unsupported("other machines may have the call", "use a machine with x86-64 or ARM64")

    with lab.step(
        "Look for its number",
        """
        A system call is a number; the header <sys/syscall.h> has a macro SYS_... for each call of this machine. The
        preprocessor of gcc puts the number in place of the macro. Then the list of the kernel's functions is searched.
        """,
        found="The kernel has the function, but no number leads to it: there is no such system call.",
        why="""
            sethostname has a number. gethostname has none on x86-64, ARM64 and all architectures that came later:
            gethostname(3) in the C library calls uname(2) and copies the field nodename. The kernel still contains the
            function (__ARCH_WANT_SYS_GETHOSTNAME in kernel/sys.c), for the tables of older architectures.
        """,
        hint="A name that is no macro comes out of the preprocessor as it went in.",
        watch=[first],
        claims=["uts-13"],
        ask=Choice(
            "The preprocessor is given SYS_sethostname, SYS_gethostname and SYS_uname. Which become numbers?",
            "all three",
            "SYS_sethostname and SYS_gethostname",
            "SYS_sethostname and SYS_uname",
            "SYS_sethostname only",
        ),
    ) as step:
        first.run("echo 'SYS_sethostname SYS_gethostname SYS_uname' > calls")
        numbers = [
            word.isdigit() for word in first.run("gcc -E -P -x c -include sys/syscall.h calls | tail -1").split()
        ]
        step.answer(
            {
                "all three": numbers == [True, True, True],
                "SYS_sethostname and SYS_gethostname": numbers == [True, True, False],
                "SYS_sethostname and SYS_uname": numbers == [True, False, True],
                "SYS_sethostname only": numbers == [True, False, False],
            },
            saw=numbers,
        )
        assert numbers == [True, False, True]
        assert "sys_gethostname" in first.run("grep -w __.*_sys_gethostname /proc/kallsyms")

    with lab.step(
        "Watch hostname at work",
        """
        strace prints each system call of a program. It is asked for gethostname, then for uname.
        """,
        found="hostname asks by uname(2), and takes the field nodename.",
        why="strace knows all system calls of the machine by name, so its complaint is one more proof.",
        watch=[first],
        shows=["uts-13"],
    ):
        if "strace" not in lab.facts.tools:
            lab.unsupported("the program strace is not installed", "install the package strace")
        unknown = first.run("strace -e trace=gethostname hostname", status=1)
        called = first.run("strace -e trace=uname hostname")
        assert "invalid system call" in unknown
        assert f'nodename="{os.uname().nodename}"' in called
