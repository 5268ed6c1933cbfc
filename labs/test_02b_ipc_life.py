"""IPC namespaces: POSIX queues, limits, and what lives how long.

The lab before has shown that message queues of System V belong to an IPC namespace. What else does it hold? This lab
looks at the queues of POSIX, at the limits of a namespace, at what a process keeps when it leaves one, and at its end.
"""

import mmap
import os
import signal

from runtime.kernel import namespaces, proc
from runtime.kernel.errors import errno_of
from runtime.kernel.ipc import IPC_CREAT, memory, mq_open, mq_receive, mq_send, shmat, shmget
from runtime.kernel.namespaces import tell
from runtime.kernel.syscalls import Clone, unshare
from runtime.lab import Choice, Lab, Number, Text, needs

pytestmark = [needs("unshare", "nsenter", "ipcs", "ipcmk", "ipc namespace", "mnt namespace")]

KEY = 0x51AB  # of a segment that is made in a new namespace, so it is always free


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
        """
        After the mount, touch makes a queue: a file of 80 bytes. A program enters the namespace, opens the queue by its
        name and puts a message of five bytes in. cat shows QSIZE, the number of bytes that wait.
        """,
        why="""
            The file shows the state of the queue, not its messages. mq_open(3) does not need the mount: the kernel has
            a hidden one in every IPC namespace, and finds the name there (mq_overview(7), ipc/mqueue.c).
        """,
        found="A POSIX queue is a file in the file system mqueue; the file tells how much waits.",
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
        """
        The second window enters the mount namespace of the first, but not its IPC namespace. In the folder queues it
        sees the file post. Then it mounts the file system mqueue in a second folder, and a program looks for the queue
        by name from both namespaces.
        """,
        why="""
            A mount of mqueue belongs to the IPC namespace of the process that mounted it, and shows the queues of that
            one to whoever looks. mq_open(3) asks nobody about mounts: it takes the IPC namespace of the caller. So one
            can see a queue as a file and yet not open it as a queue (mqueue_get_tree() in ipc/mqueue.c; ENOENT).
        """,
        found="A mount of mqueue shows the queues of who mounted it; mq_open looks into the namespace of the caller.",
        hint="Two questions: whose queues does a mount show, and where does mq_open look?",
        watch=[first, second],
        files=[str(lab.directory / "queues"), str(lab.directory / "mine"), "/proc/PID/mountinfo"],
        claims=["ipc-x02"],
        ask=Choice(
            'The second window sees the file post. What does mq_open("/post") give in its IPC namespace?',
            "the queue",
            "ENOENT",
            "EACCES",
            "ENOSPC",
        ),
    ) as step:
        second.enter("unshare --ipc /bin/bash")
        second.enter(f"nsenter --target {first.pid} --mount /bin/bash")
        second.run(f"cd {lab.directory}; mount -t mqueue mqueue mine")
        elsewhere = errno_of(lambda: namespaces.run_inside(second.pid, ["ipc"], post, b"hello"))
        errnos = {name: elsewhere == name for name in ("ENOENT", "EACCES", "ENOSPC")}
        step.answer({"the queue": elsewhere == "", **errnos}, saw=elsewhere)
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

    How many queues there may be, how long a message, how large a segment: the kernel has a sysctl for each, a file in
    /proc/sys. Both windows begin in an IPC namespace of their own. The first one has a /proc of its own, too, in which
    it may write.
    """
    if lab.facts.rootless and not lab.facts.kernel_at_least("6.9"):
        lab.unsupported("before Linux 6.9 only root of the machine may write these files", "run pytest as root")
    first, second = lab.window("first"), lab.window("second")
    first.enter("unshare --ipc --pid --fork --mount-proc /bin/bash")
    second.enter("unshare --ipc /bin/bash")

    with lab.step(
        "Set two limits",
        """
        The first window writes 7 to kernel.msgmni, the highest number of message queues, and 5 to fs.mqueue.queues_max,
        the same for POSIX queues. The second window reads the two files.
        """,
        why="""
            A file under /proc/sys has no content of its own: the kernel answers with the values of the IPC namespace of
            the one who reads or writes (ipc/ipc_sysctl.c, ipc/mq_sysctl.c; ipc_namespaces(7)). That is why docker run
            --sysctl kernel.msgmni=7 can be allowed, while most other sysctls cannot: they are the same for the whole
            machine.
        """,
        found="The limits of IPC are those of a namespace: a container can have its own.",
        hint="Whose file is /proc/sys/kernel/msgmni?",
        watch=[first, second],
        files=LIMITS,
        claims=["ipc-x03"],
        ask=Choice(
            "Root writes 7 to kernel.msgmni in the first window. Where is it 7 then?",
            "in the first window only",
            "in the second window only",
            "in both",
            "in neither",
        ),
    ) as step:
        files = "/proc/sys/kernel/msgmni /proc/sys/fs/mqueue/queues_max"
        before = second.run(f"cat {files}")
        written = first.run("echo 7 > /proc/sys/kernel/msgmni; echo 5 > /proc/sys/fs/mqueue/queues_max")
        after = second.run(f"cat {files}")
        seven = (first.run(f"cat {files}").startswith("7\n"), after.startswith("7\n"))
        step.answer(
            {
                "in the first window only": seven == (True, False),
                "in the second window only": seven == (False, True),
                "in both": seven == (True, True),
                "in neither": seven == (False, False),
            },
            saw=seven,
        )
        assert written == ""
        assert first.run(f"cat {files}") == "7\n5"
        assert after == before
        assert before != "7\n5"

    with lab.step(
        "A copy, or the defaults?",
        "From the first window, where msgmni is 7, one more IPC namespace is made. Look at its limit.",
        why="""
            A UTS namespace starts as a copy. An IPC namespace starts with the default values that are compiled into the
            kernel: neither objects nor limits are taken over, not even from the host. An engine that wants other limits
            must write them in each new namespace (msg_init_ns() in ipc/msg.c).
        """,
        found="A new IPC namespace begins with the defaults of the kernel, not with a copy.",
        hint="Was the table of queues copied?",
        watch=[first, second],
        files=LIMITS,
        shows=["ipc-x03", "ipc-10"],
        ask=Choice(
            "What is kernel.msgmni in an IPC namespace that is made from there?",
            "7",
            "the default of the kernel",
            "0",
        ),
    ) as step:
        first.enter("unshare --ipc /bin/bash")
        inherited = first.run("cat /proc/sys/kernel/msgmni")
        default = second.run("cat /proc/sys/kernel/msgmni")
        step.answer(
            {"7": inherited == "7", "the default of the kernel": inherited == default, "0": inherited == "0"},
            saw=inherited,
        )
        assert inherited == default
        assert inherited != "7"
        first.exit()

    with lab.step(
        "At the limit",
        """
        msgmni is set to 1 in the first window. The second queue is refused there. The second window makes two queues
        without trouble.
        """,
        why="""
            The kernel counts the objects of each IPC namespace and compares with the limit of that one. The errno is
            ENOSPC, printed as "No space left on device", though no disk has to do with it (msgget(2)).
        """,
        watch=[first, second],
        files=LIMITS,
        shows=["ipc-x03"],
        found="At the limit of its namespace ipcmk is refused with ENOSPC, no space left on device.",
        hint="The kernel has no errno that is made for this; it takes one that is about space.",
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
    """The tables in /proc/sysvipc.

    /proc/PID/root is a door to the files of another process. It is tempting to read the tables of a container through
    it. The first window is the container, with a queue; the second one is outside.
    """
    first, second = lab.window("first"), lab.window("second")
    first.enter("unshare --ipc /bin/bash")
    second.enter("unshare --ipc /bin/bash")
    first.run("ipcmk -Q")
    (queue,) = proc.read("/proc/sysvipc/msg", first.pid)

    with lab.step(
        "Three ways to read one table",
        """
        The second window reads the file through the root directory of the shell inside, then by nsenter. The shell
        inside, for its part, reads it through the root directory of the shell outside.
        """,
        why="""
            The path decides which file is opened. The content is made when it is read, from the IPC namespace of the
            reader (sysvipc_proc_open() in ipc/util.c). It is the same as with /proc/sys/kernel/hostname. To list the
            queues of another IPC namespace one must enter it: nsenter -t PID -i ipcs -q.
        """,
        found="/proc/sysvipc shows the objects of the reader's IPC namespace, by whatever path it is read.",
        hint="Who reads: a process inside, or one outside?",
        watch=[first, second],
        claims=["ipc-x05"],
        ask=Choice(
            "From outside: cat /proc/PID/root/proc/sysvipc/msg, PID being the shell inside. Whose queues are listed?",
            "those inside",
            "those outside",
            "both",
            "none: Permission denied",
        ),
    ) as step:
        outside = second.run("ipcmk -Q; cat /proc/sysvipc/msg").splitlines()[1:]
        through_root = second.run(f"cat /proc/{first.pid}/root/proc/sysvipc/msg", status=(0, 1)).splitlines()
        entered = second.run(f"nsenter --target {first.pid} --ipc cat /proc/sysvipc/msg")
        from_inside = first.run(f"cat /proc/{second.pid}/root/proc/sysvipc/msg")
        step.answer(
            {
                "those inside": through_root == entered.splitlines(),
                "those outside": through_root == outside,
                "both": len(through_root) == 3,
                "none: Permission denied": through_root[-1].endswith("Permission denied"),
            },
            saw=through_root,
        )
        assert first.ns("ipc") != second.ns("ipc")
        assert through_root == outside
        assert str(queue["key"]) in entered
        assert str(queue["key"]) in from_inside
        assert entered == from_inside


def test_what_is_held_stays(lab: Lab) -> None:
    """What a process holds when it leaves.

    A process maps a shared memory segment, and opens a POSIX queue. Then it goes into a new IPC namespace. Is the
    memory torn out of it?
    """
    with lab.step(
        "Leave with a segment attached",
        """
        Two processes share an IPC namespace. One attaches a segment by shmat() and opens a POSIX queue by mq_open(),
        then calls unshare(). The other one, which stays, writes into both. Look at the line with SYSV in
        /proc/PID/maps.
        """,
        found="A namespace cuts the search for names, not what a process holds already.",
        why="""
            shmat(2) maps the segment into the memory of the process, mq_open(3) gives it a descriptor; neither is
            looked up again. unshare(2) exchanges the tables in which names are found, so only shmget, mq_open and the
            like fail. The segment lives as long as somebody has it attached (shmctl(2)).
        """,
        hint="Must memory that is mapped already be searched for?",
        watch=[os.getpid()],
        files=["/proc/PID/maps"],
        claims=["ipc-x06"],
        ask=Choice(
            "A process attaches a segment that holds `before`, and unshares its IPC namespace. Another one writes "
            "`after` into the segment. What does the first process find there?",
            "after",
            "before",
            "zeros",
        ),
    ) as step:
        stayer = step.keep(namespaces.start_in_new(Clone.NEWIPC, stay, Clone.NEWIPC))
        leaver, read, letter, by_key, by_id = stayer.hear()
        step.watch(stayer, leaver)
        step.answer({"after": read == "after", "before": read == "before", "zeros": read == ""}, saw=read)
        assert namespaces.link(leaver, "ipc") != namespaces.link(stayer.pid, "ipc")
        assert read == "after"
        assert letter == "a letter"
        assert by_key == "ENOENT"
        assert by_id == "EINVAL"
        assert f"/SYSV{KEY:08x}" in proc.read("/proc/PID/maps", leaver)


def stay(flags: Clone) -> None:
    """Share a segment and a queue with a child that leaves; when it has left, write to both; for a child."""
    segment = memory(shmat(shmget(KEY, mmap.PAGESIZE, IPC_CREAT | 0o600)), mmap.PAGESIZE)
    segment[:6] = b"before"
    queue = mq_open("/post", os.O_CREAT | os.O_RDWR)
    with namespaces.start_in_new(Clone(0), leave, flags) as leaver:
        assert leaver.hear() == "gone"
        segment[:6] = b"after\0"
        mq_send(queue, b"a letter")
        tell(leaver.hear())
        signal.pause()


def leave(flags: Clone) -> None:
    """Attach the segment, open the queue, leave for new namespaces, and tell what is left of both; for a child."""
    number = shmget(KEY)
    segment = memory(shmat(number), mmap.PAGESIZE)
    queue = mq_open("/post", os.O_RDONLY)
    unshare(flags)
    tell("gone")
    letter = mq_receive(queue).decode()  # waits until the other one has written to both
    text = bytes(segment[:6]).rstrip(b"\0").decode()
    tell((os.getpid(), text, letter, errno_of(shmget, KEY), errno_of(shmat, number)))
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
        """
        ipcmk makes one object of each sort in the first window, and ends. Then the shell of the first window leaves the
        namespace, too. The second window is still in there, and counts the objects.
        """,
        why="""
            The objects hang on the IPC namespace, not on a process (sysvipc(7)). That is their strength - a message can
            wait for a receiver that is not yet there - and their weakness: what a crashed program leaves behind stays.
        """,
        watch=[first, second, third],
        shows=["ipc-x01"],
        found="The objects belong to the IPC namespace: they outlive the process that made them.",
        hint="To what do the objects belong: to a process or to the namespace?",
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
        """
        The third window has a mount of the file system mqueue that belongs to this IPC namespace, but is not in it
        itself. It makes a queue there. Then the second window leaves: nobody is inside any more, and it tries again.
        """,
        found="With its last process the namespace ends, and all objects in it. A mount of mqueue does not keep it.",
        why="""
            The kernel removes all that is in its tables (free_ipcs() in ipc/namespace.c), and the mount is left without
            a namespace behind it: EACCES. namespaces(7) says that a mount of mqueue keeps the IPC namespace alive. What
            you have seen says that it does not: the man page is wrong here. On the host, where the namespace never
            ends, ipcrm must remove what is left.
        """,
        hint="To what do the objects belong?",
        watch=[first, second, third],
        files=[str(lab.directory / "door")],
        claims=["ipc-x01"],
        ask=Choice(
            "The last process leaves the IPC namespace. What becomes of its objects?",
            "they wait for the next process that enters",
            "they move to the IPC namespace of the host",
            "they end with the namespace",
        ),
    ) as step:
        host = first.run("ipcs")
        inside = [len(proc.read(f"/proc/sysvipc/{table}", second.pid)) for table in ("msg", "sem", "shm")]
        alive = third.run("touch door/alive")
        second.exit()
        dead = third.run("touch door/dead", status=(0, 1))
        moved = first.run("ipcs") != host
        step.answer(
            {
                "they wait for the next process that enters": not dead.status and not moved,
                "they move to the IPC namespace of the host": moved,
                "they end with the namespace": dead.status == 1 and not moved,
            },
            saw=dead,
        )
        assert inside == [1, 1, 1]
        assert alive == ""
        assert "Permission denied" in dead
        assert not moved

    with lab.step(
        "A file for the namespace",
        """
        unshare --ipc=keeper binds the new namespace to the file keeper. ipcmk is the only process that is ever in it at
        first, and it ends. nsenter enters later by the file, and lists the queues.
        """,
        why="""
            It is the namespace that counts, not the processes. A bind mount of its file in nsfs keeps it alive without
            any (namespaces(7), namespace lifetime). After umount nothing holds it any more.
        """,
        found="A bind mount of its file keeps a namespace, and all that is in it, without any process.",
        hint="What else can hold a namespace?",
        watch=[first, second],
        shows=["ipc-x01"],
        ask=Choice(
            "No process is in the namespace, but its file is bound to keeper. What does nsenter --ipc=keeper show?",
            "the queue",
            "an empty table",
            "an error: the namespace has ended",
        ),
    ) as step:
        second.enter("unshare --mount /bin/bash")
        second.run("touch keeper")
        made = second.run("unshare --ipc=keeper ipcmk -Q")
        listed = second.run("nsenter --ipc=keeper ipcs -q", status=(0, 1))
        step.answer(
            {
                "the queue": "0x" in listed,
                "an empty table": listed.status == 0 and "0x" not in listed,
                "an error: the namespace has ended": listed.status == 1,
            },
            saw=listed,
        )
        assert made == "Message queue id: 0"
        assert "0x" in listed
        second.run("umount keeper")
        assert "Invalid argument" in second.run("nsenter --ipc=keeper ipcs -q", status=1)
