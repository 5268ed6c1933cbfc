"""IPC namespaces: message queues, semaphores and shared memory of one's own.

IPC is short for inter-process communication: all the ways in which one process can tell another something. There are
many, and the notes say that the IPC namespace isolates them. It does not. It isolates four of them: the three objects
that came with UNIX System V - message queues, semaphores, shared memory - and the message queues of POSIX.

What is special about these four? A System V object has no file name, no owner process and no open descriptor. It has a
number, it lies in a table of the kernel, and whoever knows the number finds it. No other namespace could hide it, so it
got a namespace of its own. Every other way of communication goes through something that another namespace holds
already, or through something that nobody needs to look up.
"""

import errno
import json
import mmap
import os
import signal
import socket
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from runtime.kernel import btf, namespaces, proc
from runtime.kernel.ipc import (
    IPC_CREAT,
    IPC_NOWAIT,
    memory,
    mq_open,
    mq_receive,
    mq_send,
    msgget,
    msgrcv,
    msgsnd,
    semget,
    shmat,
    shmget,
)
from runtime.kernel.proc import LINKS
from runtime.kernel.syscalls import Clone, mount, setns, unshare
from runtime.lab import LOGIN_PROMPT, Choice, Lab, Number, Text, needs
from runtime.lab.lesson import Step
from runtime.lab.window import Window

pytestmark = [
    pytest.mark.order(2),
    needs("unshare", "nsenter", "setpriv", "ipcs", "ipcmk", "ipcrm", "ipc namespace", "uts namespace"),
]


def queues(window: Window) -> list[list[str]]:
    """What `ipcs -q` lists in a window, a row for each queue: key, id, owner, permissions, bytes, messages."""
    return [line.split() for line in window.run("ipcs -q").splitlines() if line.startswith("0x")]


def test_the_first_namespace(lab: Lab) -> None:
    """The number of the first IPC namespace.

    The notes begin with the two links ipc and uts of their shell. Everybody who repeats that on a machine of his own
    sees the same two numbers. That is no accident.
    """
    first = lab.window("first")
    outermost = is_outermost()
    constants = {} if outermost else boot_numbers()

    with lab.step(
        "Which number, and why that one",
        "The window prints its two links. Then the kernel's own description of its types is asked for the number that "
        "the first IPC namespace and the first UTS namespace get when the machine starts.",
        why="Most namespaces get a free number from 4026531840 (0xF0000000) up. The few that the machine starts with "
        "have no program that could ask for a number, so theirs are written in the source, just below: IPC is the last "
        "one, 0xEFFFFFFF, UTS the one before (include/linux/proc_ns.h; since Linux 6.18 include/uapi/linux/nsfs.h). In "
        "the sandbox your shell is in new namespaces, so it shows other numbers than the notes.",
        hint="Is this shell in the namespaces that the machine was started with?",
        watch=[first],
        claims=["ipc-02"],
        ask=Choice(
            "Does this shell show ipc:[4026531839], the number in the notes?",
            "yes, the same number",
            "no, a higher number",
            "no, a lower number",
        ),
    ) as step:
        if not outermost and not constants:
            lab.unsupported("this shell is not in the first namespaces of the machine", "run it in the VM (vagrant up)")
        printed = first.run("readlink /proc/$$/ns/uts /proc/$$/ns/ipc").splitlines()
        uts, ipc = (int(link.partition("[")[2].rstrip("]")) for link in printed)
        difference = ipc - NUMBERS_IN_THE_NOTES["ipc"]
        other = "no, a higher number" if difference > 0 else "no, a lower number"
        step.answer(other if difference else "yes, the same number")
        shown = {"uts": uts, "ipc": ipc} if outermost else constants
        assert printed == [first.ns("uts"), first.ns("ipc")]
        assert shown == NUMBERS_IN_THE_NOTES
        assert min(uts, ipc) >= (NUMBERS_IN_THE_NOTES["uts"] if outermost else FIRST_FREE_NUMBER)


NUMBERS_IN_THE_NOTES = {"uts": 4026531838, "ipc": 4026531839}
FIRST_FREE_NUMBER = 0xF0000000


def is_outermost() -> bool:
    """Whether we stand in the machine's first namespaces: only there the kernel's kthreadd is process 2."""
    try:
        return Path("/proc/2/comm").read_text() == "kthreadd\n"
    except OSError:
        return False


def boot_numbers() -> dict[str, int]:
    """The numbers of the first UTS and IPC namespace, as the kernel's type information has them; {} without any."""
    names = {"UTS_NS_INIT_INO": "uts", "PROC_UTS_INIT_INO": "uts", "IPC_NS_INIT_INO": "ipc", "PROC_IPC_INIT_INO": "ipc"}
    try:
        return {names[name]: number for name, number in btf.kernel_constants(tuple(names)).items()}
    except (OSError, ValueError):
        return {}


def test_a_queue_for_all(lab: Lab) -> None:
    """A message queue, and who sees it.

    ipcmk makes a System V object, ipcs lists them, ipcrm removes them. Before the first step both windows enter one
    fresh IPC namespace. It stands for a machine that has just been started, and nobody else makes queues in it.
    """
    first, second = lab.window("first"), lab.window("second")
    first.enter("unshare --ipc /bin/bash")
    second.enter(f"nsenter --target {first.pid} --ipc /bin/bash")
    owner = 0 if lab.facts.rootless else 65534

    with lab.step(
        "An empty table",
        "ipcs -q lists the message queues. There are none. The file /proc/sysvipc/msg says the same: it has one line "
        "for each queue, below a line of headings.",
        why="The kernel itself makes no queue; a program must ask for one. So the table is empty after boot, and in "
        "each new IPC namespace (sysvipc(7)). A real host may have some: databases still use System V shared memory.",
        hint="Do not forget the headings.",
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
        "ipcmk -Q needs no rights: it is run as an ordinary user here. The queue has the id 0, a key, the permissions "
        "644, and is empty. Then root removes it, and a second queue is made. Look at its id.",
        why="The key is what programs agree on beforehand; ipcmk takes a random one. The id is what msgget(2) returns "
        "for it. ipcs prints the key in hexadecimal, /proc/sysvipc/msg the same 32 bits as a signed number, so it is "
        "often negative. An id is not given out again at once: a program that still holds the old one would reach the "
        "wrong queue (ipcmk(1), msgget(2); ipc_addid() in ipc/util.c).",
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
        assert [queue[1] for queue in queues(first)] == ["1"]

    with lab.step(
        "The second window looks",
        "The second window has its own shell, but it is in the same IPC namespace. It lists the queues, too. Compare "
        "key and id.",
        why="A System V object belongs to no process. It lies in a table of the IPC namespace, and every process in "
        "there can look it up; the permissions then say who may read and write (sysvipc(7)).",
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
        same = "the same queue, same id" if theirs == ours else "the same queue, another id"
        step.answer(same if theirs else "nothing")
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
        "With rights and without",
        "First an ordinary user tries unshare -iu, then root does the same. Look at the links ipc and uts in both "
        "windows.",
        why="A new IPC namespace needs CAP_SYS_ADMIN, as do all kinds but the user namespace (unshare(2)). The notes "
        "use sudo for that. It is the kernel that says no, not the program: unshare only prints the text for EPERM.",
        hint="sudo is in the notes for a reason.",
        watch=[first, second],
        claims=["ipc-06"],
        ask=Choice("An ordinary user runs `unshare -iu bash`. What comes?", "a shell", "an error"),
    ) as step:
        refused = second.run(f"{lab.ordinary_user} unshare -iu /bin/bash", status=1)
        step.answer("an error" if refused.status else "a shell")
        assert refused.status == 1
        assert "Operation not permitted" in refused
        second.enter("unshare -iu /bin/bash")
        second.run("readlink /proc/$$/ns/uts /proc/$$/ns/ipc")
        first.run("readlink /proc/$$/ns/uts /proc/$$/ns/ipc")
        assert second.ns("ipc") != first.ns("ipc")
        assert second.ns("uts") != first.ns("uts")

    with lab.step(
        "All the rest is that of the host",
        "The shell inside prints its process id, and pstree draws the processes that it sees. The shell of the first "
        "window is among them.",
        why="Each flag replaces one namespace and leaves the others alone. /proc shows the processes of the PID "
        "namespace, and that is still the old one: nothing hides the processes of the host, and ids are those of the "
        "host (pid_namespaces(7)). A container is only as separate as the flags that its engine sets.",
        hint="Which of the flags -i and -u would give a shell a new process id?",
        watch=[first, second],
        files=["/proc/PID/status"],
        claims=["ipc-09"],
        ask=Choice(
            "What does `echo $$` print in the shell that unshare -iu has started?",
            "1",
            "the process id that the host sees, too",
        ),
    ) as step:
        own = second.run("echo $$")
        step.answer("1" if own == "1" else "the process id that the host sees, too")
        tree = second.run("pstree -pl")
        outside, inside = namespaces.links(first.pid), namespaces.links(second.pid)
        assert [name for name in LINKS if outside[name] != inside[name]] == ["ipc", "uts"]
        assert own == str(second.pid)
        assert f"bash({first.pid})" in tree
        assert f"bash({second.pid})" in tree
        assert proc.read("/proc/PID/status", second.pid)["NSpid"][-1] == int(own)

    with lab.step(
        "A new name and an old prompt",
        "hostname sets the name of the new UTS namespace. ${PS1@P} is the prompt as bash would print it now. Compare "
        "the name in it, before and after exec bash.",
        why="The \\h in PS1 is not a question to the kernel: bash asks for the host name once, when it starts, and "
        "keeps it (bash(1), PROMPTING). exec replaces the program in the same process, so the new bash is in the same "
        "namespaces and asks again.",
        hint="When does bash ask the kernel for the name?",
        watch=[first, second],
        claims=["ipc-07"],
        ask=Choice(
            "Right after `hostname container001`: which name do `hostname` and the prompt show?",
            "both the new one",
            "hostname the new one, the prompt the old one",
            "both the old one",
        ),
    ) as step:
        outside = first.run("hostname")
        before = second.run('echo "${PS1@P}"')
        second.run("hostname container001")
        name, prompt = second.run("hostname"), second.run('echo "${PS1@P}"')
        step.answer(SHOWN[name == "container001", "container001" in prompt])
        assert name == "container001"
        assert prompt == before
        assert f"@{outside}".partition(".")[0] in prompt
        second.enter("exec /bin/bash")
        assert "@container001:" in second.run('echo "${PS1@P}"')
        assert proc.read("/proc/sys/kernel/hostname", second.pid) == "container001"
        assert first.run("hostname") == outside


SHOWN = {  # (hostname prints the new name, the prompt has it)
    (True, True): "both the new one",
    (True, False): "hostname the new one, the prompt the old one",
    (False, False): "both the old one",
}


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
        why="A new UTS namespace is a copy of the old one. A new IPC namespace is not: its tables are empty. A copy of "
        "a queue would make no sense, as a message must arrive once (create_ipc_ns() in ipc/namespace.c).",
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
        why="Each IPC namespace counts its ids by itself and starts at 0. So an id means something only together with "
        "a namespace, like a room number together with a house. The keys differ because ipcmk takes random ones; the "
        "same key would be allowed, too (ipc_namespaces(7)).",
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
        "Now there are two queues with the id 0. The first window lists what it sees. Then the second window removes "
        "queue 0, and both list again.",
        why="ipcrm, like every call that takes an id, looks in the IPC namespace of the caller. There is no way to "
        "name an object of another namespace: one must go in (setns(2)).",
        hint="Two houses, one room 0 in each.",
        watch=[first, second],
        claims=["ipc-12"],
        ask=Choice(
            "Queue 0 is removed in the second window. Does the host still have its queue 0?",
            "yes",
            "no",
        ),
    ) as step:
        while_both_exist = queues(first)
        second.run("ipcrm -q 0")
        after = queues(first)
        step.answer("yes" if "0" in [queue[1] for queue in after] else "no")
        assert first.ns("ipc") != second.ns("ipc")
        assert while_both_exist == host
        assert after == host
        assert queues(second) == []


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
        "nsenter -t takes the process whose namespaces you want, -u and -i say which of them. Look at the "
        "host name in the prompt, and at the working directory.",
        why="nsenter opens /proc/PID/ns/uts and /proc/PID/ns/ipc, calls setns(2) for each, and runs the program "
        "(nsenter(1)). A bash that starts inside asks for the name inside, so no exec bash is needed. The directory is "
        "kept because the mount namespace is not changed: with -m nsenter would land in the root of the other one.",
        hint="exec bash was needed because the old bash had asked before the change.",
        watch=[first, second],
        claims=["ipc-13"],
        ask=Choice(
            "Which host name is in the prompt of the shell that nsenter starts?", "that of the host", "container001"
        ),
    ) as step:
        directory = first.run("pwd")
        first.enter(f"nsenter -t {second.pid} -u -i /bin/bash")
        prompt = first.run('echo "${PS1@P}"')
        step.answer("container001" if "@container001:" in prompt else "that of the host")
        assert first.pid != second.pid
        assert first.ns("uts") == second.ns("uts")
        assert "@container001:" in prompt
        assert first.run("pwd") == directory

    with lab.step(
        "Whose queues now?",
        "Compare the links ipc and uts of both windows, and the list of queues in the first one. Then the shell that "
        "nsenter started ends, and ipcs lists once more.",
        why="A process is in one IPC namespace at a time and sees the tables of that one only. setns(2) does not add a "
        "view, it exchanges it.",
        hint="ipcs asks the kernel, and the kernel looks in the IPC namespace of ipcs.",
        watch=[first, second],
        claims=["ipc-14"],
        ask=Choice(
            "After nsenter -u -i: which queue does ipcs list in the first window?",
            "its own",
            "that of the second window",
            "both",
        ),
    ) as step:
        seen = [queue[0] for queue in queues(first)]
        both = {host[0][0]: "its own", inside[0][0]: "that of the second window"}
        step.answer("both" if len(seen) > 1 else both[seen[0]])
        printed = first.run("readlink /proc/$$/ns/uts /proc/$$/ns/ipc")
        assert printed == second.run("readlink /proc/$$/ns/uts /proc/$$/ns/ipc")
        assert host != inside
        assert queues(first) == inside
        first.exit()
        assert queues(first) == host


@needs("root", "sudo", "pstree", "mnt namespace")
def test_sudo_in_between(lab: Lab) -> None:
    """Between your shell and the new one: unshare and sudo.

    The notes type sudo unshare -iu /bin/bash and look at the family of the new shell with pstree. It was bash - sudo -
    bash then. Two things are worth a look: where has unshare gone, and how many times is sudo there today?

    So that you get the same on every machine, the window binds a short sudoers file over /etc/sudoers, in a mount
    namespace of its own. Its line env_keep only keeps the settings of this window.
    """
    first, second = lab.window("first"), lab.window("second")
    first.enter("unshare --mount /bin/bash")
    first.run("touch sudoers; chmod 0440 sudoers; mount --bind sudoers /etc/sudoers")

    with lab.step(
        "The family of the new shell",
        "pstree draws the line from the new shell up to the first process, and tty names its terminal. First the rule "
        "use_pty of sudo is off, as in the time of the notes. Then it is on, as on Debian 12.",
        why="unshare makes the namespaces and then calls execve(2): it becomes the shell, with the same process id. "
        "Only with --fork would it stay and wait. sudo stays, as one process that waits. With use_pty it "
        "gives the command a new terminal, so that a program that lives on cannot type into yours; one sudo passes the "
        "characters on, a second one is the leader of the new session (sudoers(5), use_pty; on by default since sudo "
        "1.9.14, and in /etc/sudoers of Debian 12).",
        hint="One process must hold each end of a new terminal.",
        watch=[first, second],
        files=["/proc/PID/status", "/proc/PID/stat"],
        claims=["ipc-08"],
        ask=Number("With use_pty: how many sudo processes stand between your shell and the one that unshare became?"),
    ) as step:
        terminal = first.run("tty")
        (lab.directory / "sudoers").write_text(SUDOERS.format(use_pty="!use_pty"))
        first.enter("sudo unshare -iu /bin/bash")
        before = first.run("pstree -pls $$").split("───")
        terminal_before = first.run("tty")
        first.exit()
        (lab.directory / "sudoers").write_text(SUDOERS.format(use_pty="use_pty"))
        first.enter("sudo unshare -iu /bin/bash")
        today = first.run("pstree -pls $$").split("───")
        terminal_today = first.run("tty")
        shell = int(first.run("echo $$"))
        step.watch(shell)
        step.answer(sum(name.startswith("sudo(") for name in today))
        assert [name.partition("(")[0] for name in before[-4:]] == ["bash", "sudo", "bash", "pstree"]
        assert [name.partition("(")[0] for name in today[-5:]] == ["bash", "sudo", "sudo", "bash", "pstree"]
        assert today[-2] == f"bash({shell})"
        assert proc.read("/proc/PID/status", shell)["PPid"] == int(today[-3].strip("sudo()"))
        assert terminal_before == terminal
        assert terminal_today != terminal
        assert namespaces.link(shell, "ipc") != second.ns("ipc")
        assert namespaces.link(shell, "uts") != second.ns("uts")


SUDOERS = """Defaults {use_pty}
Defaults env_keep += "HOME INPUTRC PS0 PROMPT_COMMAND"
root ALL=(ALL:ALL) ALL
"""
KEY = 0x51AB  # of the objects that this lab makes by system calls; each in a new namespace, so it is always free


def test_by_system_calls(lab: Lab) -> None:
    """The same by system calls: msgget, unshare, setns.

    Programs agree on a key, and msgget() finds the queue that has it. Here a child puts a message into a queue, leaves
    the namespace, looks for the queue by its key and by its id, comes back, and looks for the message.
    """
    with lab.step(
        "Leave a message behind",
        "After unshare() the key leads nowhere, and the id is not known. After setns() back to the old namespace the "
        "message is still in the queue.",
        why="msgget(2) looks for the key in the tables of the caller's IPC namespace: ENOENT, no such entry. msgrcv(2) "
        "with the id of the old queue gives EINVAL, for an id that is not in use here. The queue did not go away with "
        "its maker, because it belongs to the namespace - and that lives on, as the child holds an open descriptor of "
        "/proc/self/ns/ipc (namespaces(7)).",
        hint="ENOENT is the errno that you know from files that do not exist.",
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
    by_key = outcome(lambda: msgget(KEY))
    by_id = outcome(lambda: msgrcv(queue, 100, msgflg=IPC_NOWAIT))
    setns(home, Clone.NEWIPC)
    return by_key, by_id, msgrcv(msgget(KEY), 100, msgflg=IPC_NOWAIT)


def outcome(use: Callable[[], object]) -> str:
    """ "works", or the name of the errno with which it does not."""
    try:
        use()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "works"


def test_hand_in_hand(lab: Lab) -> None:
    """Two shells in two IPC namespaces, and they still talk.

    The notes count pipes, signals and shared memory among what the IPC namespace isolates. Try it: the first window is
    in a new IPC namespace, the second one is not.
    """
    first, second = lab.window("first"), lab.window("second")
    first.enter("unshare --ipc /bin/bash")

    with lab.step(
        "A signal and a pipe",
        "The second window sends a signal to the shell inside, which has a trap for it. Then the second window starts "
        "a pipe with one end in its own IPC namespace and the other end in a new one.",
        why="kill(2) needs a process id, so the PID namespace decides who can be reached, and the user ids decide who "
        "may. A pipe has no name at all: the two programs have inherited its ends as open descriptors, and no "
        "namespace can take an open descriptor away (pipe(7)).",
        hint="Where would the IPC namespace have to look, to stop it?",
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
        sent = second.run(f"kill -USR1 {first.pid}")
        got = first.run("echo $got")
        step.answer("the signal arrives" if got == "signal" else str(sent).rpartition("- ")[2])
        assert first.ns("ipc") != second.ns("ipc")
        assert got == "signal"
        assert second.run("echo hello | unshare --ipc cat") == "hello"
        assert second.run("unshare --ipc echo hello | cat") == "hello"

    with lab.step(
        "A fifo, and a file in /dev/shm",
        "The first window waits for a line at a fifo; the second one writes it. Then the first one puts a file into "
        "/dev/shm - that is where shared memory of POSIX lives - and the second one reads it.",
        why="A fifo is a pipe with a file name. shm_open(3) is nothing but open(2) of a file in /dev/shm, which is a "
        "tmpfs. Both are files, so the mount namespace decides which of them one can open (fifo(7), shm_overview(7)). "
        "A container has a /dev/shm of its own because it has another mount there, not because of its IPC namespace.",
        hint="What has a file name is a matter of the mount namespace.",
        watch=[first, second],
        shows=["ipc-01"],
        ask=Choice("Does the second window read what the first one wrote to /dev/shm?", "yes", "no"),
    ) as step:
        first.run("mkfifo door; cat door > letter &")
        second.run("echo hello > door")
        first.run("wait")
        fifo = first.run("cat letter")
        shared = first.run("mktemp /dev/shm/lab.XXXXXX")
        first.run(f"echo hello > {shared}")
        memory_file = second.run(f"cat {shared}; rm {shared}")
        step.answer("yes" if memory_file == "hello" else "no")
        assert first.ns("ipc") != second.ns("ipc")
        assert fifo == "hello"
        assert memory_file == "hello"


ISOLATED = {"System V queue", "System V semaphores", "System V shared memory", "POSIX queue"}
FILES = {"fifo", "unix socket with a path", "file in /dev/shm"}
NETWORK = {"abstract unix socket", "TCP"}
UNNAMED = {"pipe", "mapped memory"}
PROCESSES = {"signal"}


def test_twelve_ways(lab: Lab) -> None:
    """Twelve ways to reach a process, and which of them the IPC namespace cuts.

    A process - call it the host - opens a door of every sort: the three System V objects, a POSIX queue, a pipe, mapped
    memory, a fifo, unix sockets with a path and without, a TCP port, a file in /dev/shm; and it waits for a signal. A
    visitor is started in a new IPC namespace and tries all twelve.
    """
    with (
        ExitStack() as visits,
        lab.step(
            "The visitor has a new IPC namespace",
            "The visitor is a child of the host. All that differs is its IPC namespace. The window shows what "
            "it found: which doors are shut, and with which errno.",
            why="The IPC namespace holds the tables in which System V objects are found by a key, and the file system "
            "in which POSIX queues are found by a name (struct ipc_namespace in include/linux/ipc_namespace.h). "
            'Everything else is found elsewhere. The wide word "IPC" in the name is from 2006, when only System V '
            "IPC was meant (ipc_namespaces(7)).",
            hint="Four things are in an IPC namespace. Which of the twelve are these?",
            watch=[lab.window("first")],
            claims=["ipc-01"],
            ask=Number("Of the twelve ways, how many still work across two IPC namespaces?"),
        ) as step,
    ):
        found = visit(visits, step, Clone.NEWIPC)
        tell(lab, "new-ipc", found)
        works = {way for way, result in found.items() if result == "works"}
        step.answer(len(works))
        assert len(found) == 12
        assert {way: found[way] for way in found if way not in works} == dict.fromkeys(ISOLATED, "ENOENT")
        assert works == FILES | NETWORK | UNNAMED | PROCESSES


def test_who_owns_what(lab: Lab) -> None:
    """The other eight, and which namespace decides.

    The same visitor again, but now it keeps the IPC namespace of the host and gets a new namespace of another kind. One
    kind after the other, until every way has found its owner.
    """
    with (
        ExitStack() as visits,
        lab.step(
            "A new network namespace",
            "First for comparison a visitor with a new IPC namespace only, then one with a new network namespace. Unix "
            "sockets come in two sorts: with a path in the file system, and with an abstract name, which begins with a "
            "NUL byte and shows as @ in /proc/PID/net/unix.",
            why="An abstract name lies in a table of the network namespace (unix(7)), as TCP ports do. The new one is "
            "empty, so the name is refused (ECONNREFUSED), and without a running loopback device there is no way to "
            "127.0.0.1 (ENETUNREACH). A path leads to a file. So containers that share the host's network "
            "(--net=host) reach its abstract sockets, too: that was a hole of containerd, CVE-2020-15257.",
            hint="One sort of name is a file name, the other is not.",
            watch=[lab.window("first")],
            files=["/proc/PID/net/unix"],
            claims=["ipc-x04"],
            ask=Choice(
                "A visitor in a new network namespace: which unix socket can it still reach?",
                "the one with a path",
                "the abstract one",
                "both",
                "neither",
            ),
        ) as step,
    ):
        other_ipc = visit(visits, step, Clone.NEWIPC)
        other_net = visit(visits, step, Clone.NEWNET)
        tell(lab, "new-ipc", other_ipc)
        tell(lab, "new-net", other_net)
        path, abstract = other_net["unix socket with a path"] == "works", other_net["abstract unix socket"] == "works"
        step.answer(REACHED[path, abstract])
        assert other_ipc["abstract unix socket"] == other_ipc["unix socket with a path"] == "works"
        assert shut(other_net) == {"abstract unix socket": "ECONNREFUSED", "TCP": "ENETUNREACH"}

    with (
        ExitStack() as visits,
        lab.step(
            "A new mount namespace",
            "One visitor gets a new mount namespace and nothing more. A second one also mounts empty file systems over "
            "the folder of the host and over /dev/shm, as a container has them.",
            why="A new mount namespace is a copy: the same file systems at the same places. It separates only after "
            "something is mounted in it. A container gets another root and a tmpfs on /dev/shm, and from then on a "
            "path means another file (mount_namespaces(7)).",
            hint="A new mount namespace starts as a copy.",
            watch=[lab.window("first")],
            shows=["ipc-01"],
            ask=Number("How many of the twelve ways does a new mount namespace alone cut?"),
        ) as step,
    ):
        copied = visit(visits, step, Clone.NEWNS)
        emptied = visit(visits, step, Clone.NEWNS, empty=True)
        tell(lab, "new-mnt", copied)
        tell(lab, "new-mnt-and-empty", emptied)
        step.answer(len(shut(copied)))
        assert shut(copied) == {}
        assert shut(emptied) == dict.fromkeys(FILES, "ENOENT")

    with (
        ExitStack() as visits,
        lab.step(
            "A new PID namespace",
            "The visitor is process 1 of a new PID namespace, and tries all twelve ways again. Of the host it knows "
            "the process id that the host has outside.",
            why="kill(2) looks for the number in the PID namespace of the caller. The host has no number in there: it "
            "is not in that namespace, nor in one below it. ESRCH: no such process (pid_namespaces(7)).",
            watch=[lab.window("first")],
            shows=["ipc-01"],
            ask=Text("Which of the twelve ways does a new PID namespace cut? (one word)"),
        ) as step,
    ):
        other_pid = visit(visits, step, Clone.NEWPID)
        tell(lab, "new-pid", other_pid)
        step.answer(" ".join(shut(other_pid)))
        assert shut(other_pid) == {"signal": "ESRCH"}

    with (
        ExitStack() as visits,
        lab.step(
            "All of them at once",
            "The last visitor has a new IPC, network, mount and PID namespace, with empty file systems: nearly a "
            "container. Count what is left.",
            why="Every name is gone now: keys, ports, paths, process ids. What needs no name still works: a pipe is an "
            "open descriptor and mapped memory is in the page table, both inherited. Namespaces cut the search, not "
            "what one holds already. So an engine must close all descriptors before it starts a container; a forgotten "
            "one was the hole CVE-2024-21626 of runc.",
            hint="Which ways need no name to be found?",
            watch=[lab.window("first")],
            shows=["ipc-01", "ipc-x04"],
            ask=Number("How many of the twelve ways still work?"),
        ) as step,
    ):
        alone = visit(visits, step, Clone.NEWIPC | Clone.NEWNET | Clone.NEWNS | Clone.NEWPID, empty=True)
        tell(lab, "all-new", alone)
        step.answer(len(alone) - len(shut(alone)))
        assert set(alone) - set(shut(alone)) == UNNAMED


REACHED = {  # (the socket with a path, the abstract one)
    (True, True): "both",
    (True, False): "the one with a path",
    (False, True): "the abstract one",
    (False, False): "neither",
}


def shut(found: dict[str, str]) -> dict[str, str]:
    """The ways that do not work, with their errno."""
    return {way: result for way, result in found.items() if result != "works"}


def visit(visits: ExitStack, step: Step, flags: Clone, empty: bool = False) -> dict[str, str]:
    """Start a host in an IPC namespace of its own, and a visitor in new namespaces; what the visitor found.

    Both live until `visits` ends, and are watched. `empty`: the visitor mounts an empty tmpfs over the host's folders.
    """
    folder = visits.enter_context(tempfile.TemporaryDirectory())
    shared = visits.enter_context(tempfile.TemporaryDirectory(dir="/dev/shm"))
    heard, report = os.pipe()
    child = namespaces.start_in_new(Clone.NEWIPC, receive_a_visitor, flags, empty, folder, f"{shared}/file", report)
    host = visits.enter_context(child)
    os.close(report)
    visitor, found = line_from(host, heard)
    step.watch(host, visitor)
    return dict(found)


def tell(lab: Lab, name: str, found: dict[str, str]) -> None:
    """Show in the first window what a visitor found: a file with a line for each way."""
    (lab.directory / name).write_text("".join(f"{way:<24}{result}\n" for way, result in found.items()))
    lab.window("first").run(f"cat {name}")


def line_from(child: namespaces.Child[None], heard: int) -> Any:
    """What a child writes into a pipe, as one line of JSON; if it ends before, its own error is raised."""
    with open(heard) as lines:
        line = lines.readline()
    return json.loads(line) if line else child.wait()


def receive_a_visitor(flags: Clone, empty: bool, folder: str, shared: str, report: int) -> None:
    """The host: opens a door of every sort, starts the visitor, and tells what it found; for a child."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])  # it stays pending, where it can be seen
    page = mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_SHARED)
    kept: list[object] = []
    ways = open_doors(folder, shared, page, kept)
    heard, told = os.pipe()
    hidden = [folder, "/dev/shm"] if empty else []
    with namespaces.start_in_new(flags, try_all, ways, hidden, told) as visitor:
        os.close(told)
        found = line_from(visitor, heard)
        if page[0] != 1:
            found["mapped memory"] = "nothing arrived"
        if found["signal"] == "works" and signal.SIGUSR1 not in signal.sigpending():
            found["signal"] = "nothing arrived"
        os.write(report, json.dumps([visitor.pid, found]).encode() + b"\n")
        signal.pause()


def open_doors(folder: str, shared: str, page: mmap.mmap, kept: list[object]) -> dict[str, Callable[[], object]]:
    """Open one of each sort; the ways that a visitor can use them. `kept` holds what must stay open."""
    msgget(KEY, IPC_CREAT | 0o600)
    semget(KEY, 1, IPC_CREAT | 0o600)
    shmget(KEY, mmap.PAGESIZE, IPC_CREAT | 0o600)
    mq_open("/door", os.O_CREAT | os.O_RDWR)
    near, far = os.pipe()
    os.mkfifo(f"{folder}/fifo")
    fifo = os.open(f"{folder}/fifo", os.O_RDWR)
    path, abstract = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    path.bind(f"{folder}/socket")
    abstract.bind("")  # the kernel chooses a free abstract name (unix(7), autobind)
    tcp = socket.create_server(("127.0.0.1", 0))
    for listening in (path, abstract):
        listening.listen()
    name, port = abstract.getsockname(), tcp.getsockname()[1]
    kept += [path, abstract, tcp]
    for descriptor in (far, fifo):
        os.write(descriptor, b"hello")
    Path(shared).write_text("hello")
    host = os.getpid()
    return {
        "System V queue": lambda: msgget(KEY),
        "System V semaphores": lambda: semget(KEY),
        "System V shared memory": lambda: shmget(KEY),
        "POSIX queue": lambda: mq_open("/door", os.O_RDWR),
        "pipe": lambda: os.read(near, 5),
        "mapped memory": lambda: page.write_byte(1),
        "signal": lambda: os.kill(host, signal.SIGUSR1),
        "fifo": lambda: os.read(os.open(f"{folder}/fifo", os.O_RDONLY | os.O_NONBLOCK), 5),
        "unix socket with a path": lambda: socket.socket(socket.AF_UNIX).connect(f"{folder}/socket"),
        "abstract unix socket": lambda: socket.socket(socket.AF_UNIX).connect(name),
        "TCP": lambda: socket.create_connection(("127.0.0.1", port)),
        "file in /dev/shm": lambda: os.read(os.open(shared, os.O_RDONLY), 5),
    }


def try_all(ways: dict[str, Callable[[], object]], hidden: list[str], told: int) -> None:
    """The visitor: tries each way and tells how it went; for a child."""
    for path in hidden:
        mount("tmpfs", path, "tmpfs")
    os.write(told, json.dumps({way: outcome(use) for way, use in ways.items()}).encode() + b"\n")
    signal.pause()


def test_posix_queues(lab: Lab) -> None:
    """POSIX message queues: names in a file system of their own.

    The younger sort of queue has a name, such as /post, and is opened like a file by mq_open(3). The file system mqueue
    makes them visible; a machine usually has it at /dev/mqueue. Here it is mounted in the folder of the exercise.
    """
    first, second = lab.window("first"), lab.window("second")
    first.enter("unshare --ipc --mount /bin/bash")
    first.run("mkdir queues mine")

    with lab.step(
        "A queue that is a file",
        "After the mount, touch makes a queue: a file of 80 bytes. A program enters the namespace, opens the queue by "
        "its name and puts a message of five bytes in. cat shows QSIZE, the number of bytes that wait.",
        why="The file shows the state of the queue, not its messages. mq_open(3) does not need the mount: the kernel "
        "has a hidden one in every IPC namespace, and finds the name there (mq_overview(7), ipc/mqueue.c).",
        hint="QSIZE counts the bytes of the messages.",
        watch=[first],
        files=[str(lab.directory / "queues"), "/proc/PID/mountinfo"],
        shows=["ipc-x02"],
        ask=Number('A message "hello" is put in. What is QSIZE then?', "bytes"),
    ) as step:
        first.run("mount -t mqueue mqueue queues; touch queues/post; ls -l queues")
        empty = first.run("cat queues/post")
        namespaces.run_inside(first.pid, ["ipc"], post, b"hello")
        filled = first.run("cat queues/post")
        step.answer(qsize(filled))
        assert first.run("stat -c %s queues/post") == "80"
        assert qsize(empty) == 0
        assert qsize(filled) == 5

    with lab.step(
        "The same folder, another namespace",
        "The second window enters the mount namespace of the first, but not its IPC namespace. In the folder queues it "
        "sees the file post. Then it mounts the file system mqueue in a second folder, and a program looks for the "
        "queue by name from both namespaces.",
        why="A mount of mqueue belongs to the IPC namespace of the process that mounted it, and shows the queues of "
        "that one to whoever looks. mq_open(3) asks nobody about mounts: it takes the IPC namespace of the caller. So "
        "one can see a queue as a file and yet not open it as a queue (mqueue_get_tree() in ipc/mqueue.c; ENOENT).",
        hint="Two questions: whose queues does a mount show, and where does mq_open look?",
        watch=[first, second],
        files=[str(lab.directory / "queues"), str(lab.directory / "mine"), "/proc/PID/mountinfo"],
        claims=["ipc-x02"],
        ask=Choice(
            'The second window sees the file post. What does mq_open("/post") give in its IPC namespace?',
            "the queue",
            "ENOENT",
            "EACCES",
        ),
    ) as step:
        second.enter("unshare --ipc /bin/bash")
        second.enter(f"nsenter --target {first.pid} --mount /bin/bash")
        second.run(f"cd {lab.directory}")
        second.run("mount -t mqueue mqueue mine")
        elsewhere = outcome(lambda: namespaces.run_inside(second.pid, ["ipc"], post, b"hello"))
        step.answer("the queue" if elsewhere == "works" else elsewhere)
        assert first.ns("ipc") != second.ns("ipc")
        assert first.ns("mnt") == second.ns("mnt")
        assert second.run("ls queues") == "post"
        assert second.run("ls mine") == ""
        assert elsewhere == "ENOENT"
        namespaces.run_inside(first.pid, ["ipc"], post, b"again")
        assert qsize(second.run("cat queues/post")) == 10


def post(message: bytes) -> None:
    """Put a message into the queue /post of the caller's IPC namespace; for a child."""
    mq_send(mq_open("/post", os.O_WRONLY), message)


def qsize(text: str) -> int:
    """The number behind QSIZE: in the file of a POSIX queue."""
    return int(text.split()[0].removeprefix("QSIZE:"))


LIMITS = (
    *(f"/proc/sys/kernel/{name}" for name in ("msgmni", "msgmax", "msgmnb", "shmmax", "shmall", "shmmni", "sem")),
    *(
        f"/proc/sys/fs/mqueue/{name}"
        for name in ("queues_max", "msg_max", "msgsize_max", "msg_default", "msgsize_default")
    ),
)


def test_limits_of_a_namespace(lab: Lab) -> None:
    """Each IPC namespace has limits of its own.

    How many queues there may be, how long a message, how large a segment: the kernel has a sysctl for each. They are
    among the few that a container may have for itself. Both windows begin in an IPC namespace of their own. The first
    one has a /proc of its own, too, because the sandbox guards the files of /proc/sys against mistakes.
    """
    if lab.facts.rootless and not lab.facts.kernel_at_least("6.9"):
        lab.unsupported("before Linux 6.9 only root of the machine may write these files", "run pytest as root")
    first, second = lab.window("first"), lab.window("second")
    first.enter("unshare --ipc --pid --fork --mount-proc /bin/bash")
    second.enter("unshare --ipc /bin/bash")

    with lab.step(
        "Set two limits",
        "The first window writes 7 to kernel.msgmni, the highest number of message queues, and 5 to "
        "fs.mqueue.queues_max, the same for POSIX queues. The second window reads the two files.",
        why="A file under /proc/sys has no content of its own: the kernel answers with the values of the IPC namespace "
        "of the one who reads or writes (ipc/ipc_sysctl.c, ipc/mq_sysctl.c; ipc_namespaces(7)). That is why "
        "docker run --sysctl kernel.msgmni=7 can be allowed, while most other sysctls cannot: they are the same for "
        "the whole machine.",
        hint="Whose file is /proc/sys/kernel/msgmni?",
        watch=[first, second],
        files=LIMITS,
        claims=["ipc-x03"],
        ask=Choice(
            "Root writes 7 to kernel.msgmni in the first window. What does the second one read?",
            "7",
            "the value from before",
        ),
    ) as step:
        files = "/proc/sys/kernel/msgmni /proc/sys/fs/mqueue/queues_max"
        before = second.run(f"cat {files}")
        written = first.run("echo 7 > /proc/sys/kernel/msgmni; echo 5 > /proc/sys/fs/mqueue/queues_max")
        after = second.run(f"cat {files}")
        step.answer("7" if after.startswith("7\n") else "the value from before")
        assert written == ""
        assert first.run(f"cat {files}") == "7\n5"
        assert after == before
        assert before != "7\n5"

    with lab.step(
        "A copy, or the defaults?",
        "From the first window, where msgmni is 7, one more IPC namespace is made. Look at its limit.",
        why="A UTS namespace starts as a copy. An IPC namespace starts with the default values that are compiled into "
        "the kernel: neither objects nor limits are taken over, not even from the host. An engine that wants other "
        "limits must write them in each new namespace (msg_init_ns() in ipc/msg.c).",
        hint="Was the table of queues copied?",
        watch=[first, second],
        files=LIMITS,
        shows=["ipc-x03", "ipc-10"],
        ask=Choice(
            "What is kernel.msgmni in an IPC namespace that is made from there?", "7", "the default of the kernel"
        ),
    ) as step:
        first.enter("unshare --ipc /bin/bash")
        inherited = first.run("cat /proc/sys/kernel/msgmni")
        default = second.run("cat /proc/sys/kernel/msgmni")
        step.answer("7" if inherited == "7" else "the default of the kernel")
        assert inherited == default
        assert inherited != "7"
        first.exit()

    with lab.step(
        "At the limit",
        "msgmni is set to 1 in the first window. The second queue is refused there. The second window makes two queues "
        "without trouble.",
        why="The kernel counts the objects of each IPC namespace and compares with the limit of that one. The errno is "
        'ENOSPC, printed as "No space left on device", though no disk has to do with it (msgget(2)).',
        watch=[first, second],
        files=LIMITS,
        shows=["ipc-x03"],
        ask=Text("With which words is the second queue refused?"),
    ) as step:
        first.run("echo 1 > /proc/sys/kernel/msgmni")
        allowed, refused = first.run("ipcmk -Q", status=None), first.run("ipcmk -Q", status=None)
        step.answer(refused.rpartition(": ")[2])
        assert allowed == "Message queue id: 0"
        assert refused.status == 1
        assert refused.endswith("No space left on device")
        assert second.run("ipcmk -Q; ipcmk -Q") == "Message queue id: 0\nMessage queue id: 1"


def test_whose_table(lab: Lab) -> None:
    """/proc/sysvipc answers for the one who reads.

    /proc/PID/root is a door to the files of another process. It is tempting to read the tables of a container through
    it. The first window is the container, with a queue; the second one is outside, without any.
    """
    first, second = lab.window("first"), lab.window("second")
    first.enter("unshare --ipc /bin/bash")
    second.enter("unshare --ipc /bin/bash")
    first.run("ipcmk -Q")
    (queue,) = proc.read("/proc/sysvipc/msg", first.pid)

    with lab.step(
        "Three ways to read one table",
        "The second window reads the file through the root directory of the shell inside, then by nsenter. The shell "
        "inside, for its part, reads it through the root directory of the shell outside.",
        why="The path decides which file is opened. The content is made when it is read, from the IPC namespace of the "
        "reader (sysvipc_proc_open() in ipc/util.c). It is the same as with /proc/sys/kernel/hostname. "
        "To list the queues of another IPC namespace one must enter it: nsenter -t PID -i ipcs -q.",
        hint="Who reads: a process inside, or one outside?",
        watch=[first, second],
        claims=["ipc-x05"],
        ask=Choice(
            "From outside: cat /proc/PID/root/proc/sysvipc/msg, PID being the shell inside. Whose queues are listed?",
            "those inside",
            "those outside",
        ),
    ) as step:
        through_root = second.run(f"cat /proc/{first.pid}/root/proc/sysvipc/msg")
        entered = second.run(f"nsenter --target {first.pid} --ipc cat /proc/sysvipc/msg")
        from_inside = first.run(f"cat /proc/{second.pid}/root/proc/sysvipc/msg")
        step.answer("those inside" if str(queue["key"]) in through_root else "those outside")
        assert first.ns("ipc") != second.ns("ipc")
        assert len(through_root.splitlines()) == 1
        assert str(queue["key"]) in entered
        assert str(queue["key"]) in from_inside
        assert entered == from_inside


def test_what_is_held_stays(lab: Lab) -> None:
    """What a process holds when it leaves.

    A process maps a shared memory segment, and opens a POSIX queue. Then it goes into a new IPC namespace. Is the
    memory torn out of it?
    """
    with (
        ExitStack() as children,
        lab.step(
            "Leave with a segment attached",
            "Two processes share an IPC namespace. One attaches a segment by shmat() and opens a POSIX queue by "
            "mq_open(), then calls unshare(). The other one, which stays, writes into the segment and into the queue. "
            "Look at the line with SYSV in /proc/PID/maps.",
            why="shmat(2) maps the segment into the memory of the process, mq_open(3) gives it a descriptor; neither "
            "is looked up again afterwards. unshare(2) exchanges the tables in which names are found, so only shmget, "
            "mq_open and the like fail. The segment lives as long as somebody has it attached (shmctl(2)).",
            hint="Namespaces cut the search. Must memory that is mapped already be searched for?",
            watch=[os.getpid()],
            files=["/proc/PID/maps"],
            claims=["ipc-x06"],
            ask=Choice(
                "A process attaches a segment, then unshares its IPC namespace. Can it read what others write there?",
                "yes",
                "no, it reads the old content",
                "no, it is killed by SIGSEGV",
            ),
        ) as step,
    ):
        heard, report = os.pipe()
        stayer = children.enter_context(namespaces.start_in_new(Clone.NEWIPC, stay, Clone.NEWIPC, report))
        os.close(report)
        leaver, read, letter, by_key, by_id = line_from(stayer, heard)
        step.watch(stayer, leaver)
        step.answer("yes" if read == "after" else "no, it reads the old content")
        assert namespaces.link(leaver, "ipc") != namespaces.link(stayer.pid, "ipc")
        assert read == "after"
        assert letter == "a letter"
        assert by_key == "ENOENT"
        assert by_id == "EINVAL"
        assert f"/SYSV{KEY:08x}" in proc.read("/proc/PID/maps", leaver)


def stay(flags: Clone, report: int) -> None:
    """Share a segment and a queue with a child that leaves; when it has left, write to both; for a child."""
    segment = memory(shmat(shmget(KEY, mmap.PAGESIZE, IPC_CREAT | 0o600)), mmap.PAGESIZE)
    segment[:6] = b"before"
    queue = mq_open("/post", os.O_CREAT | os.O_RDWR)
    heard, gone = os.pipe()
    with namespaces.start_in_new(Clone(0), leave, flags, gone, report) as leaver:
        os.close(gone)
        if not os.read(heard, 1):  # the other one has died
            leaver.wait()
        segment[:6] = b"after\0"
        mq_send(queue, b"a letter")
        signal.pause()


def leave(flags: Clone, gone: int, report: int) -> None:
    """Attach the segment, open the queue, leave for new namespaces, and tell what is left of both; for a child."""
    number = shmget(KEY)
    segment = memory(shmat(number), mmap.PAGESIZE)
    queue = mq_open("/post", os.O_RDONLY)
    unshare(flags)
    os.write(gone, b"!")
    letter = mq_receive(queue).decode()  # waits until the other one has written to both
    text = bytes(segment[:6]).rstrip(b"\0").decode()
    found = [os.getpid(), text, letter, outcome(lambda: shmget(KEY)), outcome(lambda: shmat(number))]
    os.write(report, json.dumps(found).encode() + b"\n")
    signal.pause()


def test_end_of_a_namespace(lab: Lab) -> None:
    """How long an object lives.

    A System V object does not end with the process that made it: it stays until somebody removes it. On a host that can
    be until the next boot. And in a container?
    """
    first, second, third = lab.window("first"), lab.window("second"), lab.window("third")
    first.enter("unshare --ipc --mount /bin/bash")
    first.run("mkdir door; mount -t mqueue mqueue door")
    second.enter(f"nsenter --target {first.pid} --ipc /bin/bash")
    third.enter(f"nsenter --target {first.pid} --mount /bin/bash")
    third.run(f"cd {lab.directory}")

    with lab.step(
        "The maker leaves",
        "ipcmk makes one object of each sort in the first window, and ends. Then the shell of the first window leaves "
        "the namespace, too. The second window is still in there, and counts the objects.",
        why="The objects hang on the IPC namespace, not on a process (sysvipc(7)). That is their strength - a message "
        "can wait for a receiver that is not yet there - and their weakness: what a crashed program leaves behind "
        "stays.",
        watch=[first, second, third],
        shows=["ipc-x01"],
        ask=Number("ipcmk has ended, and the shell that started it has left. How many of the three objects are there?"),
    ) as step:
        first.run("ipcmk -Q; ipcmk -S 1; ipcmk -M 4096")
        first.exit()
        left = second.run("ipcs | grep -c 0x")
        step.answer(int(left))
        assert first.ns("ipc") != second.ns("ipc")
        assert left == "3"

    with lab.step(
        "The last one leaves",
        "The third window has a mount of the file system mqueue that belongs to this IPC namespace, but is not in it "
        "itself. As long as the namespace lives, it can make a queue there. Then the second window leaves: nobody is "
        "inside any more.",
        why="When the last process has gone, and no bind mount or open descriptor keeps the namespace, the kernel "
        "removes all that is in its tables (free_ipcs() in ipc/namespace.c). The mount is left without a namespace "
        "behind it and says EACCES. So what a container leaves behind ends with the container. On the host, ipcrm must "
        "do it.",
        hint="What hangs on the namespace?",
        watch=[first, second, third],
        files=[str(lab.directory / "door")],
        claims=["ipc-x01"],
        ask=Choice(
            "System V shared memory outlives its maker. And when the last process leaves the IPC namespace?",
            "it waits for the next process that enters",
            "it moves to the IPC namespace of the host",
            "it ends with the namespace",
        ),
    ) as step:
        host = first.run("ipcs")
        inside = [len(proc.read(f"/proc/sysvipc/{table}", second.pid)) for table in ("msg", "sem", "shm")]
        alive = third.run("touch door/alive")
        second.exit()
        dead = third.run("touch door/dead", status=1)
        moved = first.run("ipcs") != host
        step.answer(
            "it moves to the IPC namespace of the host"
            if moved
            else "it ends with the namespace"
            if dead.status
            else "it waits for the next process that enters"
        )
        assert inside == [1, 1, 1]
        assert alive.status == 0
        assert dead.status == 1
        assert "Permission denied" in dead
        assert not moved

    with lab.step(
        "Kept without a process",
        "unshare --ipc=keeper binds the new namespace to the file keeper. ipcmk is the only process that is ever in it "
        "at first, and it ends. nsenter enters later by the file, and lists the queues.",
        why="It is the namespace that counts, not the processes. A bind mount of its file in nsfs keeps it alive "
        "without any (namespaces(7), namespace lifetime). After umount nothing holds it any more.",
        hint="What else can hold a namespace?",
        watch=[first, second],
        shows=["ipc-x01"],
        ask=Choice(
            "No process is in the namespace, but its file is bound to keeper. Is the queue still there?", "yes", "no"
        ),
    ) as step:
        second.enter("unshare --mount /bin/bash")
        second.run("touch keeper")
        made = second.run("unshare --ipc=keeper ipcmk -Q")
        listed = second.run("nsenter --ipc=keeper ipcs -q")
        step.answer("yes" if "0x" in listed else "no")
        assert made == "Message queue id: 0"
        assert "0x" in listed
        second.run("umount keeper")
        assert second.run("nsenter --ipc=keeper ipcs -q", status=1).status != 0
