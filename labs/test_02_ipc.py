"""IPC namespaces: message queues, semaphores and shared memory of one's own.

IPC is short for inter-process communication: all the ways in which one process can tell another something. There are
many, and the notes say that the IPC namespace isolates them. This lab makes message queues in two namespaces, as the
notes do, and looks who sees them. At its end it tries other ways.

A System V object - message queue, semaphore, shared memory - has no file name and no open descriptor. It has a number,
it lies in a table of the kernel, and whoever knows the number finds it.
"""

import os

from runtime.kernel import btf, namespaces, proc
from runtime.kernel.errors import errno_of
from runtime.kernel.ipc import IPC_CREAT, IPC_NOWAIT, msgget, msgrcv, msgsnd
from runtime.kernel.proc import LINKS
from runtime.kernel.syscalls import Clone, setns, unshare
from runtime.lab import LOGIN_PROMPT, Choice, Lab, Number, Text, needs
from runtime.lab.window import Window

pytestmark = [needs("unshare", "nsenter", "setpriv", "ipcs", "ipcmk", "ipcrm", "ipc namespace", "uts namespace")]


def queues(window: Window) -> list[list[str]]:
    """What `ipcs -q` lists in a window, a row for each queue: key, id, owner, permissions, bytes, messages."""
    return [line.split() for line in window.run("ipcs -q").splitlines() if line.startswith("0x")]


def test_the_first_namespace(lab: Lab) -> None:
    """The number of the first IPC namespace.

    The notes begin with the two links ipc and uts of their shell. The numbers in them tell one namespace from another.
    """
    first = lab.window("first")
    constants = btf.first_namespaces()

    with lab.step(
        "Two numbers of the notes",
        """
        The window prints its two links. Then the kernel's own description of its types is asked for the numbers that
        the first IPC namespace and the first UTS namespace get when the machine starts, and these are compared with the
        numbers in the notes.
        """,
        found="The first namespaces have the same numbers on every machine: they are constants of the kernel.",
        why="""
            Most namespaces get a free number from 4026531840 (0xF0000000) up. The few that the machine starts with have
            theirs in the source, just below: IPC 0xEFFFFFFF, UTS the one before (include/linux/proc_ns.h; since Linux
            6.18 include/uapi/linux/nsfs.h). A shell in a container, or in any namespace that was made later, shows
            higher numbers.
        """,
        hint="Who gives a number to a namespace that was there before the first program?",
        watch=[first],
        claims=["ipc-02"],
        ask=Choice(
            "The notes were written on another machine. Which numbers of the first namespaces differ on this one?",
            "that of UTS",
            "that of IPC",
            "both",
            "neither",
        ),
    ) as step:
        if not constants:
            lab.unsupported("this kernel has no type information (BTF)", "boot one with CONFIG_DEBUG_INFO_BTF")
        printed = first.run("readlink /proc/$$/ns/uts /proc/$$/ns/ipc").splitlines()
        differ = {kind for kind in NUMBERS_IN_THE_NOTES if constants[kind] != NUMBERS_IN_THE_NOTES[kind]}
        step.answer(
            {
                "that of UTS": differ == {"uts"},
                "that of IPC": differ == {"ipc"},
                "both": differ == {"uts", "ipc"},
                "neither": differ == set(),
            },
            saw=constants,
        )
        assert printed == [first.ns("uts"), first.ns("ipc")]
        assert differ == set()
        for link, kind in zip(printed, ("uts", "ipc"), strict=True):
            number = int(link.partition("[")[2].rstrip("]"))
            assert number == constants[kind] or number >= FIRST_FREE_NUMBER


NUMBERS_IN_THE_NOTES = {"uts": 4026531838, "ipc": 4026531839}
FIRST_FREE_NUMBER = 0xF0000000


def test_a_queue_for_all(lab: Lab) -> None:
    """A message queue, and who sees it.

    ipcmk makes a System V object, ipcs lists them, ipcrm removes them. Before the first step both windows enter one
    fresh IPC namespace. It stands for a machine that has just been started, and nobody else makes queues in it.
    """
    first, second = lab.window("first"), lab.window("second")
    first.enter("unshare --ipc /bin/bash")
    second.enter(f"nsenter --target {first.pid} --ipc /bin/bash")
    owner = 0 if lab.facts.rootless else 65534
    second_id = 1 if lab.facts.kernel_at_least("5.2") else 32768

    with lab.step(
        "An empty table",
        """
        ipcs -q lists the message queues. The file /proc/sysvipc/msg says the same: it has one line for
        each queue, below a line of headings.
        """,
        why="""
            The kernel itself makes no queue; a program must ask for one. So the table is empty after boot, and in each
            new IPC namespace (sysvipc(7)). A real host may have some: databases still use System V shared memory.
        """,
        found="At first there is no queue: the file has only its line of headings.",
        hint="Does the file have a heading?",
        watch=[first, second],
        claims=["ipc-03"],
        ask=Number("How many lines has /proc/sysvipc/msg when there is no queue?"),
    ) as step:
        lines = first.run("cat /proc/sysvipc/msg").splitlines()
        step.answer(len(lines))
        assert queues(first) == []
        assert len(lines) == 1
        assert lines[0].split()[:3] == ["key", "msqid", "perms"]

    with lab.step(
        "An ordinary user makes a queue",
        """
        ipcmk -Q is run as an ordinary user. Look at the id of the queue, its key and its permissions. Then root
        removes it, and a second queue is made. Look at its id.
        """,
        found="Anybody may make a queue, and an id is not given out again at once.",
        why="""
            The key is what programs agree on beforehand; ipcmk takes a random one. The id is what msgget(2) returns for
            it. ipcs prints the key in hexadecimal, /proc/sysvipc/msg the same 32 bits as a signed number. A program
            that still holds an old id would reach the wrong queue, so the kernel goes on counting (since Linux 5.2;
            before, the next id of this place was 32768; ipc_addid() in ipc/util.c).
        """,
        hint="What would happen to a program that still uses id 0?",
        watch=[first, second],
        claims=["ipc-04"],
        ask=Number("Queue 0 is removed, and a new queue is made. Which id does it get?"),
    ) as step:
        made = first.run(f"{lab.ordinary_user} ipcmk -Q")
        row, (entry,) = queues(first)[0], proc.read("/proc/sysvipc/msg", first.pid)
        first.run("ipcrm -q 0")
        again = first.run(f"{lab.ordinary_user} ipcmk -Q")
        step.answer(int(again.split()[-1]))
        assert made == "Message queue id: 0"
        assert [row[1], *row[3:]] == ["0", "644", "0", "0"]
        assert (entry["msqid"], entry["uid"], entry["perms"], entry["cbytes"], entry["qnum"]) == (0, owner, "644", 0, 0)
        assert int(row[0], 16) == entry["key"] & 0xFFFFFFFF
        assert [queue[1] for queue in queues(first)] == [str(second_id)]

    with lab.step(
        "The second window looks",
        """
        The second window has its own shell, but it is in the same IPC namespace. It lists the queues, too. Compare key
        and id.
        """,
        why="""
            A System V object belongs to no process. It lies in a table of the IPC namespace, and every process in there
            can look it up; the permissions then say who may read and write (sysvipc(7)).
        """,
        found="A queue belongs to the IPC namespace: every process in it sees the same one.",
        watch=[first, second],
        claims=["ipc-05"],
        ask=Choice(
            "The queue was made in the first window. What does `ipcs -q` list in the second one?",
            "nothing",
            "the same queue, same id",
            "the same queue, another id",
        ),
    ) as step:
        ours, theirs = queues(first), queues(second)
        keys, ids = ([[queue[place] for queue in each] for each in (ours, theirs)] for place in (0, 1))
        step.answer(
            {
                "nothing": theirs == [],
                "the same queue, same id": theirs != [] and keys[0] == keys[1] and ids[0] == ids[1],
                "the same queue, another id": keys[0] == keys[1] and ids[0] != ids[1],
            },
            saw=theirs,
        )
        assert first.pid != second.pid
        assert first.ns("ipc") == second.ns("ipc")
        assert len(ours) == 1
        assert theirs == ours


@needs("pstree")
def test_two_new_namespaces(lab: Lab) -> None:
    """unshare -iu: two new namespaces with one command.

    -i asks for a new IPC namespace, -u for a new UTS namespace. The second one is there only for its host name: it lets
    you tell the two shells apart by their prompts. The second window goes in, the first one stays outside.
    """
    first, second = (lab.window(name, LOGIN_PROMPT) for name in ("first", "second"))

    with lab.step(
        "As an ordinary user, and as root",
        """
        First an ordinary user tries unshare -iu, then root does the same. Look at the links ipc and uts in both
        windows.
        """,
        why="""
            A new IPC namespace needs CAP_SYS_ADMIN, as do all kinds but the user namespace (unshare(2)). The notes use
            sudo for that. It is the kernel that says no, not the program: unshare only prints the text for EPERM.
        """,
        found="A new IPC or UTS namespace takes CAP_SYS_ADMIN, a part of root's power.",
        hint="sudo is in the notes for a reason.",
        watch=[first, second],
        claims=["ipc-06"],
        ask=Choice(
            "An ordinary user runs `unshare -iu bash`. What comes?",
            "a shell in two new namespaces",
            "a shell in the old namespaces",
            "Operation not permitted",
            "No such file or directory",
        ),
    ) as step:
        refused = second.run(f"{lab.ordinary_user} unshare -iu /bin/bash", status=1)
        step.answer(
            {
                "a shell in two new namespaces": first.ns("ipc") != second.ns("ipc"),
                "a shell in the old namespaces": refused.status == 0 and first.ns("ipc") == second.ns("ipc"),
                "Operation not permitted": "Operation not permitted" in refused,
                "No such file or directory": "No such file or directory" in refused,
            },
            saw=refused,
        )
        assert refused.status == 1
        assert "Operation not permitted" in refused
        second.enter("unshare -iu /bin/bash")
        second.run("readlink /proc/$$/ns/uts /proc/$$/ns/ipc")
        first.run("readlink /proc/$$/ns/uts /proc/$$/ns/ipc")
        assert second.ns("ipc") != first.ns("ipc")
        assert second.ns("uts") != first.ns("uts")

    with lab.step(
        "The processes that one sees",
        """
        The shell inside prints its process id, and pstree draws the processes that it sees. Look for the shell of the
        first window.
        """,
        why="""
            Each flag replaces one namespace and leaves the others alone. /proc shows the processes of the PID
            namespace, and that is still the old one: nothing hides the processes of the host, and ids are those of the
            host (pid_namespaces(7)). A container is only as separate as the flags that its engine sets.
        """,
        found="Each flag replaces one namespace; all others, and the processes that one sees, are those of the host.",
        hint="Which of the flags -i and -u would give a shell a new process id?",
        watch=[first, second],
        files=["/proc/PID/status"],
        claims=["ipc-09"],
        ask=Choice(
            "What does `echo $$` print in the shell that unshare -iu has started?",
            "1",
            "the process id that the host sees",
            "0",
        ),
    ) as step:
        own = second.run("echo $$")
        step.answer(
            {"1": own == "1", "the process id that the host sees": own == str(second.pid), "0": own == "0"}, saw=own
        )
        tree = second.run("pstree -pl")
        outside, inside = namespaces.links(first.pid), namespaces.links(second.pid)
        assert [name for name in LINKS if outside[name] != inside[name]] == ["ipc", "uts"]
        assert own == str(second.pid)
        assert f"bash({first.pid})" in tree
        assert f"bash({second.pid})" in tree
        assert proc.read("/proc/PID/status", second.pid)["NSpid"][-1] == int(own)

    with lab.step(
        "The name in the prompt",
        """
        hostname sets the name of the new UTS namespace. ${PS1@P} is the prompt as bash would print it now. Compare the
        name in it, before and after exec bash.
        """,
        why="""
            The \\h in PS1 is not a question to the kernel: bash asks for the host name once, when it starts, and keeps
            it (bash(1), PROMPTING). exec replaces the program in the same process, so the new bash is in the same
            namespaces and asks again.
        """,
        found="bash asks for the name once, when it starts; exec bash makes it ask again.",
        hint="When does bash ask the kernel for the name?",
        watch=[first, second],
        claims=["ipc-07"],
        ask=Choice(
            "Right after `hostname container001`: which name do `hostname` and the prompt show?",
            "both the new one",
            "hostname the new one, the prompt the old one",
            "hostname the old one, the prompt the new one",
            "both the old one",
        ),
    ) as step:
        outside = first.run("hostname")
        before = second.run('echo "${PS1@P}"')
        second.run("hostname container001")
        name, prompt = second.run('hostname; echo "${PS1@P}"').splitlines()
        new = (name == "container001", "@container001:" in prompt)
        step.answer(
            {
                "both the new one": new == (True, True),
                "hostname the new one, the prompt the old one": new == (True, False),
                "hostname the old one, the prompt the new one": new == (False, True),
                "both the old one": new == (False, False),
            },
            saw=(name, prompt),
        )
        assert name == "container001"
        assert prompt == before
        assert f"@{outside}".partition(".")[0] in prompt
        second.enter("exec /bin/bash")
        assert "@container001:" in second.run('echo "${PS1@P}"')
        assert proc.read("/proc/sys/kernel/hostname", second.pid) == "container001"
        assert proc.read("/proc/sys/kernel/hostname", first.pid) == outside


def test_same_id_other_queue(lab: Lab) -> None:
    """Queue 0 inside, queue 0 outside.

    The first window is the host again, in a fresh IPC namespace, with one queue. The second window makes a new IPC
    namespace from there.
    """
    first, second = lab.window("first"), lab.window("second")
    first.enter("unshare --ipc /bin/bash")
    second.enter(f"nsenter --target {first.pid} --ipc /bin/bash")
    first.run("ipcmk -Q")
    host = queues(first)

    with lab.step(
        "What comes along",
        "The second window sees the queue of the host. Then it runs unshare -i, and lists the queues again.",
        why="""
            A new UTS namespace is a copy of the old one. A new IPC namespace is not: its tables are empty. A copy of a
            queue would make no sense, as a message must arrive once (create_ipc_ns() in ipc/namespace.c).
        """,
        found="A new IPC namespace begins empty; it is no copy.",
        hint="Is a new IPC namespace a copy, like a new UTS namespace?",
        watch=[first, second],
        claims=["ipc-10"],
        ask=Number("The host has one queue. How many does `ipcs -q` list right after `unshare -i`?"),
    ) as step:
        before = queues(second)
        second.enter("unshare -iu /bin/bash")
        inside = queues(second)
        step.answer(len(inside))
        assert before == host
        assert len(host) == 1
        assert inside == []
        assert proc.read("/proc/sysvipc/msg", second.pid) == []

    with lab.step(
        "A queue inside",
        "ipcmk makes a queue in the new namespace. Compare its id and its key with those of the queue on the host.",
        why="""
            Each IPC namespace counts its ids by itself and starts at 0. So an id means something only together with a
            namespace, like a room number together with a house. The keys differ because ipcmk takes random ones; the
            same key would be allowed, too (ipc_namespaces(7)).
        """,
        found="Each IPC namespace counts its ids by itself, from 0.",
        hint="Who counts the ids: the kernel as a whole, or each namespace?",
        watch=[first, second],
        claims=["ipc-11"],
        ask=Number("The host has a queue with id 0. Which id does the first queue of the new namespace get?"),
    ) as step:
        made = second.run("ipcmk -Q")
        step.answer(int(made.split()[-1]))
        listed = queues(second)
        assert len(listed) == 1
        key, number, owner, permissions, *_ = listed[0]
        assert host[0][1] == "0"
        assert (number, owner, permissions) == ("0", "root", "644")
        assert key != host[0][0]

    with lab.step(
        "The first window again",
        """
        Now there are two queues with the id 0. The first window lists what it sees. Then the second window removes
        queue 0, and both list again.
        """,
        why="""
            ipcrm, like every call that takes an id, looks in the IPC namespace of the caller. There is no way to name
            an object of another namespace: one must go in (setns(2)).
        """,
        found="An id means something only in its namespace: the queue of the host is not touched.",
        hint="In which namespace does ipcrm look for the id?",
        watch=[first, second],
        claims=["ipc-12"],
        ask=Choice(
            "Queue 0 is removed in the second window. Which windows still have a queue 0?",
            "both",
            "the first only",
            "the second only",
            "neither",
        ),
    ) as step:
        while_both_exist = queues(first)
        second.run("ipcrm -q 0")
        after = queues(first)
        left = tuple("0" in [queue[1] for queue in each] for each in (after, queues(second)))
        step.answer(
            {
                "both": left == (True, True),
                "the first only": left == (True, False),
                "the second only": left == (False, True),
                "neither": left == (False, False),
            }
        )
        assert first.ns("ipc") != second.ns("ipc")
        assert while_both_exist == host
        assert after == host
        assert left == (True, False)


def test_join_by_nsenter(lab: Lab) -> None:
    """nsenter: into the namespaces of another shell.

    The second window is inside, has the name container001 and a queue. The first one is the host with a queue of its
    own. Now it follows.
    """
    first, second = (lab.window(name, LOGIN_PROMPT) for name in ("first", "second"))
    first.enter("unshare --ipc /bin/bash")
    second.enter("unshare -iu /bin/bash")
    first.run("ipcmk -Q")
    second.run("hostname container001; ipcmk -Q")
    host, inside = queues(first), queues(second)

    with lab.step(
        "Enter by the pid of a shell inside",
        """
        nsenter -t takes the process whose namespaces you want, -u and -i say which of them. Look at the host name in
        the prompt, and at the working directory.
        """,
        why="""
            nsenter opens /proc/PID/ns/uts and /proc/PID/ns/ipc, calls setns(2) for each, and runs the program
            (nsenter(1)). A bash that starts inside asks for the name inside, so no exec bash is needed. The directory
            is kept because the mount namespace is not changed: with -m nsenter would land in the root of the other one.
        """,
        found="nsenter brings the names of the other one at once, and leaves the working directory.",
        hint="exec bash was needed because the old bash had asked before the change.",
        watch=[first, second],
        claims=["ipc-13"],
        ask=Choice(
            "Which host name is in the prompt of the shell that nsenter starts?",
            "that of the host",
            "container001",
            "none",
        ),
    ) as step:
        host_name, directory = first.run("hostname; pwd").splitlines()
        first.enter(f"nsenter -t {second.pid} -u -i /bin/bash")
        prompt = first.run('echo "${PS1@P}"')
        step.answer(
            {
                "that of the host": f"@{host_name.partition('.')[0]}:" in prompt,
                "container001": "@container001:" in prompt,
                "none": "@:" in prompt,
            },
            saw=prompt,
        )
        assert first.pid != second.pid
        assert first.ns("uts") == second.ns("uts")
        assert "@container001:" in prompt
        assert first.run("pwd") == directory

    with lab.step(
        "Whose queues now?",
        """
        Compare the links ipc and uts of both windows, and the list of queues in the first one. Then the shell that
        nsenter started ends, and ipcs lists once more.
        """,
        why="""
            A process is in one IPC namespace at a time and sees the tables of that one only. setns(2) does not add a
            view, it exchanges it.
        """,
        found="A process sees the queues of one IPC namespace at a time; setns exchanges it.",
        hint="ipcs asks the kernel, and the kernel looks in the IPC namespace of ipcs.",
        watch=[first, second],
        claims=["ipc-14"],
        ask=Choice(
            "After nsenter -u -i: which queue does ipcs list in the first window?",
            "its own",
            "that of the second window",
            "both",
            "neither",
        ),
    ) as step:
        seen = queues(first)
        step.answer(
            {
                "its own": seen == host,
                "that of the second window": seen == inside,
                "both": sorted(seen) == sorted(host + inside),
                "neither": seen == [],
            },
            saw=seen,
        )
        printed = first.run("readlink /proc/$$/ns/uts /proc/$$/ns/ipc")
        assert printed == second.run("readlink /proc/$$/ns/uts /proc/$$/ns/ipc")
        assert host != inside
        assert queues(first) == inside
        first.exit()
        assert queues(first) == host


@needs("root", "sudo", "pstree", "mnt namespace")
def test_sudo_in_between(lab: Lab) -> None:
    """Between your shell and the new one: unshare and sudo.

    The notes type sudo unshare -iu /bin/bash and look at the family of the new shell with pstree. Two things are worth
    a look: where has unshare gone, and how many times is sudo there today?

    So that you get the same on every machine, the window binds a short sudoers file over /etc/sudoers, in a mount
    namespace of its own. Its line env_keep only keeps the settings of this window.
    """
    first, second = lab.window("first"), lab.window("second")
    first.enter("unshare --mount /bin/bash")
    first.run("touch sudoers; chmod 0440 sudoers; mount --bind sudoers /etc/sudoers")

    with lab.step(
        "The family of the new shell",
        """
        pstree draws the line from the new shell up to the first process, and tty names its terminal. First the rule
        use_pty of sudo is off, as in the time of the notes. Then it is on, as on Debian 12.
        """,
        why="""
            unshare makes the namespaces and then calls execve(2): it becomes the shell, with the same process id. Only
            with --fork would it stay and wait. sudo stays, as one process that waits. With use_pty it gives the command
            a new terminal, so that a program that lives on cannot type into yours; one sudo passes the characters on, a
            second one is the leader of the new session (sudoers(5), use_pty; on by default since sudo 1.9.14, and in
            /etc/sudoers of Debian 12).
        """,
        found="unshare has become the shell; sudo stays, and with use_pty there are two of it.",
        hint="One process must hold each end of a new terminal.",
        watch=[first, second],
        files=["/proc/PID/status", "/proc/PID/stat"],
        claims=["ipc-08"],
        ask=Number("With use_pty: how many sudo processes stand between your shell and the one that unshare became?"),
    ) as step:
        terminal = first.run("tty")
        (lab.directory / "sudoers").write_text(SUDOERS.format(use_pty="!use_pty"))
        first.enter("sudo unshare -iu /bin/bash")
        before, terminal_before = first.run("pstree -pls $$; tty").splitlines()
        first.exit()
        (lab.directory / "sudoers").write_text(SUDOERS.format(use_pty="use_pty"))
        first.enter("sudo unshare -iu /bin/bash")
        today, terminal_today = first.run("pstree -pls $$; tty").splitlines()
        family = [name.partition("(")[0] for name in today.split("───")]
        shell, parent = (int(name.strip("bashudo()")) for name in today.split("───")[-2:-4:-1])
        step.watch(shell)
        step.answer(family.count("sudo"))
        assert [name.partition("(")[0] for name in before.split("───")[-4:]] == ["bash", "sudo", "bash", "pstree"]
        assert family[-5:] == ["bash", "sudo", "sudo", "bash", "pstree"]
        assert proc.read("/proc/PID/status", shell)["PPid"] == parent
        assert proc.read("/proc/PID/status", shell)["Name"] == "bash"
        assert terminal_before == terminal
        assert terminal_today != terminal
        assert namespaces.link(shell, "ipc") != second.ns("ipc")
        assert namespaces.link(shell, "uts") != second.ns("uts")


SUDOERS = """Defaults {use_pty}
Defaults env_keep += "HOME INPUTRC PS0 PROMPT_COMMAND"
root ALL=(ALL:ALL) ALL
"""
KEY = 0x51AB  # of the queue that is made by system calls, in a new namespace, so it is always free


def test_by_system_calls(lab: Lab) -> None:
    """The same by system calls: msgget, unshare, setns.

    Programs agree on a key, and msgget() finds the queue that has it. Here a child puts a message into a queue, leaves
    the namespace, looks for the queue by its key and by its id, comes back, and looks for the message.
    """
    with lab.step(
        "Leave a message behind",
        """
        The child looks for the queue by key and by id in the new namespace, and for its message after it has come back.
        """,
        why="""
            msgget(2) looks for the key in the tables of the caller's IPC namespace: ENOENT, no such entry. msgrcv(2)
            with the id of the old queue gives EINVAL, for an id that is not in use here. The queue did not go away with
            its maker, because it belongs to the namespace - and that lives on, as the child holds an open descriptor of
            /proc/self/ns/ipc (namespaces(7)).
        """,
        found="After unshare the queue is found neither by key nor by id; after setns back the message is still there.",
        hint="Which errno do you know from files that do not exist?",
        watch=[os.getpid()],
        shows=["ipc-10", "ipc-12", "ipc-14"],
        ask=Text("With which errno does msgget() answer in the new namespace? (a name in capitals)"),
    ) as step:
        by_key, by_id, back = namespaces.run_in_new(Clone.NEWIPC, there_and_back_again)
        step.answer(by_key)
        assert by_key == "ENOENT"
        assert by_id == "EINVAL"
        assert back == (1, b"hello")


def there_and_back_again() -> tuple[str, str, tuple[int, bytes]]:
    """How the search for a queue ends in a new IPC namespace, by key and by id, and in the old one; for a child."""
    queue = msgget(KEY, IPC_CREAT | 0o600)
    msgsnd(queue, 1, b"hello")
    home = os.open("/proc/self/ns/ipc", os.O_RDONLY)
    unshare(Clone.NEWIPC)
    by_key = errno_of(msgget, KEY)
    by_id = errno_of(lambda: msgrcv(queue, 100, msgflg=IPC_NOWAIT))
    setns(home, Clone.NEWIPC)
    return by_key, by_id, msgrcv(msgget(KEY), 100, msgflg=IPC_NOWAIT)


def test_hand_in_hand(lab: Lab) -> None:
    """Two shells in two IPC namespaces, and other ways to talk.

    The notes count pipes, signals and shared memory among what the IPC namespace isolates. Try it: each window is in
    an IPC namespace of its own.
    """
    first, second = lab.window("first"), lab.window("second")
    first.enter("unshare --ipc /bin/bash")
    second.enter("unshare --ipc /bin/bash")

    with lab.step(
        "A signal and a pipe",
        """
        The second window sends a signal to the shell inside, which has a trap for it. Then the second window starts a
        pipe with one end in its own IPC namespace and the other end in a new one.
        """,
        why="""
            kill(2) needs a process id, so the PID namespace decides who can be reached, and the user ids decide who
            may. A pipe has no name at all: the two programs have inherited its ends as open descriptors, and no
            namespace can take an open descriptor away (pipe(7)).
        """,
        found="Signals and pipes pass between two IPC namespaces.",
        hint="Does a signal or a pipe have a name that must be looked up?",
        watch=[first, second],
        shows=["ipc-01"],
        ask=Choice(
            "kill -USR1 goes to a shell in another IPC namespace. What happens?",
            "the signal arrives",
            "No such process",
            "Operation not permitted",
        ),
    ) as step:
        first.run("trap 'got=signal' USR1")
        sent = second.run(f"kill -USR1 {first.pid}", status=(0, 1))
        got = first.run("echo $got")
        step.answer(
            {
                "the signal arrives": got == "signal",
                "No such process": "No such process" in sent,
                "Operation not permitted": "Operation not permitted" in sent,
            },
            saw=(sent, got),
        )
        assert got == "signal"
        assert second.run("echo hello | unshare --ipc cat") == "hello"
        assert second.run("unshare --ipc echo hello | cat") == "hello"

    with lab.step(
        "A fifo, a file in /dev/shm, and a queue",
        """
        The second window writes to a fifo and to a file in /dev/shm, where shared memory of POSIX lives, and makes a
        queue by ipcmk. The first one tries to find all three.
        """,
        found="A fifo and a file in /dev/shm are found across two IPC namespaces; a queue of System V is not.",
        why="""
            A fifo is a pipe with a file name. shm_open(3) is nothing but open(2) of a file in /dev/shm. Both are files,
            so the mount namespace decides which of them one can open (fifo(7), shm_overview(7)). A container has a
            /dev/shm of its own because it has another mount there, not because of its IPC namespace.
        """,
        hint="What has a file name is a matter of the mount namespace.",
        watch=[first, second],
        files=["/proc/sysvipc/msg", "/proc/sysvipc/sem", "/proc/sysvipc/shm"],
        claims=["ipc-01"],
        ask=Choice(
            "Which of the three does the first window, in another IPC namespace, find?",
            "all three",
            "the fifo and the file in /dev/shm",
            "the fifo only",
            "the queue only",
        ),
    ) as step:
        shared = f"/dev/shm/lab-{os.getpid()}"
        first.run("mkfifo door; cat door > letter &")
        second.run(f"echo hello > door; echo hello > {shared}; ipcmk -Q")
        fifo, memory_file = first.run(f"wait; cat letter; cat {shared}").splitlines()[-2:]
        inside, outside = queues(first), queues(second)
        second.run(f"rm {shared}")
        found = {
            "the fifo": fifo == "hello",
            "the file": memory_file == "hello",
            "the queue": outside[-1] in inside,
        }
        step.answer(
            {
                "all three": list(found.values()) == [True, True, True],
                "the fifo and the file in /dev/shm": list(found.values()) == [True, True, False],
                "the fifo only": list(found.values()) == [True, False, False],
                "the queue only": list(found.values()) == [False, False, True],
            },
            saw=found,
        )
        assert first.ns("ipc") != second.ns("ipc")
        assert len(outside) == 1
        assert found == {"the fifo": True, "the file": True, "the queue": False}
