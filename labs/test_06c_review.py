"""Review: twelve ways to reach a process.

The labs before have shown network, mount, PID and IPC namespaces, one at a time. This one looks back at all of them: a
process opens a door of every sort - the three System V objects, a POSIX queue, a pipe, mapped memory, a fifo, unix
sockets with a path and without, a TCP port, a file in /dev/shm - and it waits for a signal. Call it the host. A visitor
is a child of the host that is started in new namespaces. It tries all twelve doors, and the window shows what it found:
works, or the errno.
"""

import mmap
import os
import signal
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

from runtime.kernel import namespaces
from runtime.kernel.errors import errno_of
from runtime.kernel.ipc import IPC_CREAT, mq_open, msgget, semget, shmget
from runtime.kernel.namespaces import tell, tell_and_stay
from runtime.kernel.syscalls import Clone, mount
from runtime.lab import Choice, Lab, Number, Step, Text, needs

pytestmark = [needs("ipc namespace", "net namespace", "mnt namespace", "pid namespace")]

SYSTEM_V = {"System V queue", "System V semaphores", "System V shared memory"}
FILES = {"fifo", "unix socket with a path", "file in /dev/shm"}
KEY = 0x51AB  # of the System V objects; each host has a new IPC namespace, so it is always free


def test_an_ipc_namespace(lab: Lab) -> None:
    """What a new IPC namespace cuts.

    The notes say that the IPC namespace isolates pipes, signals, shared memory, sockets and message queues.
    """
    first = lab.window("first")

    with lab.step(
        "The visitor has a new IPC namespace",
        "All that differs between host and visitor is the IPC namespace. Which doors are shut, and with which errno?",
        found="An IPC namespace cuts four of the twelve ways: the System V objects and the POSIX queues.",
        why="""
            The IPC namespace holds the tables in which System V objects are found by a key, and the file system in
            which POSIX queues are found by a name (struct ipc_namespace in include/linux/ipc_namespace.h). Everything
            else is found elsewhere. The name is from 2006, when only System V IPC was meant (ipc_namespaces(7)).
        """,
        hint="For which of the twelve does the kernel look into a table of the IPC namespace?",
        watch=[first],
        claims=["ipc-x07"],
        shows=["ipc-01"],
        ask=Number("Of the twelve ways, how many still work across two IPC namespaces?"),
    ) as step:
        found = visit(lab, step, Clone.NEWIPC)
        step.answer(list(found.values()).count("works"))
        assert len(found) == 12
        assert shut(found) == dict.fromkeys(SYSTEM_V | {"POSIX queue"}, "ENOENT")


def test_the_other_namespaces(lab: Lab) -> None:
    """Which namespace cuts the other eight.

    The visitor now keeps the IPC namespace of the host and gets a new namespace of another kind, one kind after the
    other.
    """
    first = lab.window("first")

    with lab.step(
        "A new network namespace",
        """
        The visitor has a new network namespace. Unix sockets come in two sorts: with a path in the file system, and
        with an abstract name, which begins with a NUL byte and shows as @ in /proc/PID/net/unix.
        """,
        found="Abstract names and TCP ports belong to the network namespace, paths do not.",
        why="""
            An abstract name lies in a table of the network namespace (unix(7)), as TCP ports do. The new one is empty,
            so the name is refused (ECONNREFUSED), and with lo down there is no way to 127.0.0.1 (ENETUNREACH).
            Containers that share the host's network (--net=host) reach its abstract sockets: CVE-2020-15257.
        """,
        hint="One sort of name is a file name, the other is not.",
        watch=[first],
        files=["/proc/PID/net/unix"],
        claims=["ipc-x04"],
        ask=Choice(
            "A visitor in a new network namespace: which unix socket can it still reach?",
            "the one with a path",
            "the abstract one",
            "both",
            "neither",
        ),
    ) as step:
        found = visit(lab, step, Clone.NEWNET)
        path, abstract = found["unix socket with a path"] == "works", found["abstract unix socket"] == "works"
        step.answer(
            {
                "the one with a path": path and not abstract,
                "the abstract one": abstract and not path,
                "both": path and abstract,
                "neither": not path and not abstract,
            },
            saw=found,
        )
        assert shut(found) == {"abstract unix socket": "ECONNREFUSED", "TCP": "ENETUNREACH"}

    with lab.step(
        "A new mount namespace",
        """
        One visitor gets a new mount namespace and nothing more. A second one also mounts empty file systems over the
        folder of the host and over /dev/shm, as a container has them.
        """,
        found="A new mount namespace cuts nothing by itself; the mounts that are made in it do.",
        why="""
            A new mount namespace is a copy: the same file systems at the same places. A container gets another root and
            a tmpfs on /dev/shm, and from then on a path means another file (mount_namespaces(7)).
        """,
        hint="With which mounts does a new mount namespace begin?",
        watch=[first],
        shows=["ipc-01"],
        ask=Number("How many of the twelve ways does a new mount namespace alone cut?"),
    ) as step:
        copied = visit(lab, step, Clone.NEWNS)
        emptied = visit(lab, step, Clone.NEWNS, empty=True)
        step.answer(len(shut(copied)))
        assert shut(copied) == {}
        assert shut(emptied) == dict.fromkeys(FILES, "ENOENT")

    with lab.step(
        "A new PID namespace",
        """
        The visitor is process 1 of a new PID namespace, and tries all twelve ways again. Of the host it knows the
        process id that the host has outside.
        """,
        found="A new PID namespace cuts signals: a process that has no number inside cannot be named.",
        why="""
            kill(2) looks for the number in the PID namespace of the caller. The host has no number in there: it is not
            in that namespace, nor in one below it. ESRCH: no such process (pid_namespaces(7)).
        """,
        hint="Which way needs a process id?",
        watch=[first],
        shows=["ipc-01"],
        ask=Text("Which of the twelve ways does a new PID namespace cut? (one word)"),
    ) as step:
        found = visit(lab, step, Clone.NEWPID)
        step.answer(" ".join(shut(found)))
        assert shut(found) == {"signal": "ESRCH"}

    with lab.step(
        "All of them at once",
        """
        The last visitor has a new IPC, network, mount and PID namespace, with empty file systems: nearly a container.
        Count what is left.
        """,
        found="What needs no name still works: namespaces cut the search, not what a process holds already.",
        why="""
            Keys, ports, paths and process ids are names. A pipe is an open descriptor and mapped memory is in the page
            table; both are inherited. So an engine must close all descriptors before it starts a container; a forgotten
            one was the hole CVE-2024-21626 of runc.
        """,
        hint="Which ways need no name to be found?",
        watch=[first],
        claims=["ipc-x08"],
        shows=["ipc-x04"],
        ask=Number("How many of the twelve ways still work?"),
    ) as step:
        found = visit(lab, step, Clone.NEWIPC | Clone.NEWNET | Clone.NEWNS | Clone.NEWPID, empty=True)
        step.answer(list(found.values()).count("works"))
        assert set(found) - set(shut(found)) == {"pipe", "mapped memory"}


def shut(found: dict[str, str]) -> dict[str, str]:
    """The ways that do not work, with their errno."""
    return {way: result for way, result in found.items() if result != "works"}


def visit(lab: Lab, step: Step, flags: Clone, empty: bool = False) -> dict[str, str]:
    """Start a host in an IPC namespace of its own, and a visitor in new namespaces; what the visitor found.

    The window shows it. Both are watched. `empty`: the visitor mounts an empty tmpfs over the host's folders.
    """
    folder = step.keep(tempfile.TemporaryDirectory())
    shared = step.keep(tempfile.TemporaryDirectory(dir="/dev/shm"))
    host = step.keep(namespaces.start_in_new(Clone.NEWIPC, receive, flags, empty, folder, f"{shared}/file"))
    visitor, found = host.hear()
    step.watch(host, visitor)
    (lab.directory / "found").write_text("".join(f"{way:<24}{result}\n" for way, result in found.items()))
    lab.window("first").run("cat found")
    return dict(found)


def receive(flags: Clone, empty: bool, folder: str, shared: str) -> None:
    """The host: opens a door of every sort, starts the visitor, and tells what it found; for a child."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])  # it stays pending, where it can be seen
    page = mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_SHARED)
    kept: list[object] = []
    ways = open_doors(folder, shared, page, kept)
    hidden = [folder, "/dev/shm"] if empty else []
    with namespaces.start_in_new(flags, tell_and_stay, try_all, ways, hidden) as visitor:
        found = visitor.hear()
        if page[0] != 1:
            found["mapped memory"] = "nothing arrived"
        if found["signal"] == "works" and signal.SIGUSR1 not in signal.sigpending():
            found["signal"] = "nothing arrived"
        tell((visitor.pid, found))
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


def try_all(ways: dict[str, Callable[[], object]], hidden: list[str]) -> dict[str, str]:
    """The visitor: tries each way; for a child."""
    for path in hidden:
        mount("tmpfs", path, "tmpfs")
    return {way: errno_of(use) or "works" for way, use in ways.items()}
