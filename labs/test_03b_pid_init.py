"""Process 1 of a PID namespace.

The first process of a PID namespace has the number 1. It stands for the namespace, as init stands for a machine: it is
protected from signals, it adopts orphans, and when it ends, all of its namespace end with it.

In a container, process 1 is the program of the container itself. Most programs were not written for that.
"""

import os
import signal

from runtime.kernel import namespaces, pidns, proc
from runtime.kernel.errors import errno_of
from runtime.kernel.namespaces import tell
from runtime.kernel.signals import signal_names, watching
from runtime.kernel.syscalls import Clone, unshare
from runtime.lab import Choice, Lab, Number, Window, needs
from runtime.lab.terminal import WindowTimeout

pytestmark = [needs("unshare", "nsenter", "ps", "pid namespace")]


def test_process_1_is_protected(lab: Lab) -> None:
    """Which signals process 1 gets.

    The first window holds a namespace whose process 1 is cat, which repeats whatever is typed. So it is easy to see
    whether it lives. cat has no handler: no function of its own that runs when a signal comes. The second window joins
    the namespace, the third stays outside.
    """
    first, second, third = lab.window("first"), lab.window("second"), lab.window("third")
    first.send("unshare --pid --fork --mount-proc sh -c 'echo I am $$; exec cat'\n")
    first.wait_for("I am 1")
    init = pidns.chain(first.shell)[-1]
    second.enter(f"nsenter --target {init} --pid --mount /bin/bash")
    ended = lab.keep(watching(init))

    with lab.step(
        "Three signals from inside",
        """
        In the namespace, root sends SIGKILL, SIGTERM and SIGSTOP to process 1. After each, a line is typed to cat. If
        cat lives, it repeats the line.
        """,
        found="From inside, not even SIGKILL of root reaches an unprepared process 1.",
        why="""
            The kernel marks process 1 as SIGNAL_UNKILLABLE. From inside, a signal with its default action is dropped
            when it is sent: else a mistake inside would end the whole container (sig_task_ignored() in
            kernel/signal.c).
        """,
        hint="What would happen to the others if a mistake could end process 1?",
        watch=[first, second],
        claims=["pid-x04"],
        ask=Choice(
            "Process 1 is a cat, without any handler. Root inside sends three signals. Which one ends or stops it?",
            "SIGKILL",
            "SIGTERM",
            "SIGSTOP",
            "none of them",
        ),
    ) as step:
        second.run("kill -KILL 1")
        assert repeats(first, "after KILL from inside")
        second.run("kill -TERM 1")
        assert repeats(first, "after TERM from inside")
        second.run("kill -STOP 1")
        still = repeats(first, "after STOP from inside")
        state = proc.read("/proc/PID/status", init)["State"]
        step.answer(
            {"SIGKILL": ended(0), "SIGTERM": ended(0), "SIGSTOP": state.startswith("T"), "none of them": still},
            saw=state,
        )
        assert signal_names(proc.read("/proc/PID/status", init)["SigCgt"]) == set()
        assert still

    with lab.step(
        "Signals from outside",
        """
        The third window, outside, sends SIGTERM, then SIGSTOP and SIGCONT, and at last SIGKILL. It uses the number that
        cat has there.
        """,
        found="From outside SIGKILL and SIGSTOP always work; SIGTERM does not.",
        why="""
            Somebody must be able to end a container: the namespaces above can (pid_namespaces(7), section "The
            namespace init process"). But SIGTERM without a handler is dropped from there too. So docker stop sends
            SIGTERM, waits ten seconds, and then sends SIGKILL.
        """,
        hint="docker stop takes ten seconds for some containers.",
        watch=[first, third],
        claims=["pid-x11"],
        ask=Choice(
            "The same cat. From outside come SIGTERM, SIGSTOP, SIGCONT and SIGKILL, in this order. Which one ends it?",
            "SIGTERM",
            "SIGSTOP",
            "SIGKILL",
            "none of them",
        ),
    ) as step:
        third.run(f"kill -TERM {init}")
        after_term = repeats(first, "after TERM from outside")
        third.run(f"kill -STOP {init}; while grep -qs '^State:.[^T]' /proc/{init}/status; do :; done")
        stopped = proc.read("/proc/PID/status", init)["State"]
        third.run(f"kill -CONT {init}")
        after_cont = repeats(first, "after CONT from outside")
        third.run(f"kill -KILL {init}")
        killed = ended()
        step.answer(
            {
                "SIGTERM": not after_term,
                "SIGSTOP": after_term and not after_cont,
                "SIGKILL": after_cont and killed,
                "none of them": not killed,
            }
        )
        assert after_term
        assert stopped.startswith("T")
        assert killed


def repeats(window: Window, text: str) -> bool:
    """Whether the cat in a window lives: it repeats a line below the one that the terminal shows."""
    window.send(f"{text}\n")
    try:
        window.wait_for(f"{text}\n{text}", timeout=5)
    except WindowTimeout:
        return False
    return True


def test_process_1_prepares(lab: Lab) -> None:
    """What process 1 can do to get a signal.

    A container has to end in good order when it is asked to: by SIGTERM. Its process 1 can prepare for that in two
    ways.
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "A handler",
        """
        Process 1 is a script with a handler for SIGTERM: the command trap tells bash what to run when the signal comes.
        Then it sends the signal to itself.
        """,
        found="A signal with a handler reaches process 1.",
        why="With a handler the action is not the default one any more, so the kernel does not drop the signal.",
        watch=[first],
        shows=["pid-x12"],
        ask=Choice(
            "Process 1 has a handler for SIGTERM and runs `kill -TERM 1`. What happens?",
            "nothing, the script goes on",
            "the handler runs",
            "it is killed by the signal",
        ),
    ) as step:
        first.run("cat > handler <<'END'\ntrap 'echo caught TERM; exit 7' TERM\nkill -TERM 1\necho not reached\nEND")
        said = first.run("unshare --pid --fork --mount-proc bash handler", status=None)
        step.answer(
            {
                "nothing, the script goes on": "not reached" in said,
                "the handler runs": said == "caught TERM",
                "it is killed by the signal": said.status == 128 + signal.SIGTERM,
            },
            saw=said,
        )
        assert said == "caught TERM"
        assert said.status == 7

    with lab.step(
        "A signal that is blocked",
        """
        Two programs are process 1 of two namespaces. Neither has a handler. The second one blocks SIGTERM: it asks the
        kernel to keep that signal until it wants it. SIGTERM is sent to both from inside. Then both ask what has come.
        """,
        found="A blocked signal is kept also for process 1; only an unblocked one with its default action is dropped.",
        why="""
            The kernel never drops a blocked signal: its action could change before it is taken (sig_ignored() in
            kernel/signal.c). It waits, as bit 15 of ShdPnd shows. docker-init, tini and systemd work in this way: they
            block, and take signals by sigtimedwait(2) or signalfd(2). (While a process waits in sigtimedwait(2), SigBlk
            does not show what it waits for.) pid_namespaces(7) is short here: it speaks of handlers only.
        """,
        hint="Is it known, when a blocked signal is sent, what will be done with it?",
        watch=[first, second],
        claims=["pid-x12"],
        ask=Choice(
            "SIGTERM is sent from inside to process 1, which has no handler. When does it get the signal?",
            "in no case",
            "if it blocks SIGTERM",
            "if it does not block SIGTERM",
            "in both cases",
        ),
    ) as step:
        plain = step.keep(namespaces.start_in_new(Clone.NEWPID, what_has_come, {signal.SIGUSR1}))
        blocks = step.keep(namespaces.start_in_new(Clone.NEWPID, what_has_come, {signal.SIGUSR1, signal.SIGTERM}))
        step.watch(plain, blocks)
        assert [child.hear() for child in (plain, blocks)] == ["ready", "ready"]
        handled = [signal_names(proc.read("/proc/PID/status", child.pid)["SigCgt"]) for child in (plain, blocks)]
        first.run(f"nsenter --target {plain.pid} --pid kill -TERM 1")
        second.run(f"nsenter --target {blocks.pid} --pid kill -TERM 1")
        masks = [second.run(f"grep ShdPnd /proc/{child.pid}/status").split()[1] for child in (plain, blocks)]
        for child in (plain, blocks):
            child.kill(signal.SIGUSR1)
        got = [child.hear() == "SIGTERM" for child in (plain, blocks)]
        step.answer(
            {
                "in no case": got == [False, False],
                "if it blocks SIGTERM": got == [False, True],
                "if it does not block SIGTERM": got == [True, False],
                "in both cases": got == [True, True],
            }
        )
        assert all("SIGTERM" not in signals for signals in handled)
        assert [signal_names(mask) for mask in masks] == [set(), {"SIGTERM"}]
        assert got == [False, True]


def what_has_come(blocked: set[signal.Signals]) -> None:
    """Process 1: block signals, wait for SIGUSR1, then tell whether SIGTERM has come ("nothing" if not)."""
    signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    tell("ready")
    signal.sigwait({signal.SIGUSR1})
    taken = signal.sigtimedwait({signal.SIGTERM}, 0)
    tell("SIGTERM" if taken else "nothing")
    signal.pause()


def test_process_1_ends(lab: Lab) -> None:
    """The end of process 1.

    Process 1 has a duty that no other process has. See what happens to the rest when it is gone.
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "Only the shell is killed",
        """
        The first window has a shell as process 1 and two programs in the background. The second window kills only the
        shell. Then a process whose namespace has lost its process 1 tries to fork.
        """,
        found="A PID namespace lives and dies with its process 1.",
        why="""
            When process 1 ends, the kernel sends SIGKILL to all others of the namespace and waits for them
            (zap_pid_ns_processes() in kernel/pid_namespace.c). After that no process can be born there: fork(2) gives
            ENOMEM. So a container is removed without looking for its processes.
        """,
        hint="Who would adopt the two programs?",
        watch=[first, second],
        claims=["pid-x03"],
        ask=Number("Process 1 is a shell with two background jobs. Only the shell is killed. How many jobs live on?"),
    ) as step:
        first.enter("unshare --pid --fork --mount-proc /bin/bash")
        first.run("tail -f /dev/null &")
        first.run("tail -f /dev/null &")
        shell = first.pid
        one, two = proc.read("/proc/PID/task/PID/children", shell)
        inside = namespaces.link(shell, "pid")
        assert namespaces.link(one, "pid") == namespaces.link(two, "pid") == inside
        ends = [step.keep(watching(process)) for process in (shell, one, two)]
        second.run(f"kill -KILL {shell}")
        assert ends[0]()
        step.answer([ended(0) for ended in ends[1:]].count(False))
        assert all(ended(0) for ended in ends)
        assert first.run("echo $$") == str(first.shell)
        assert namespaces.run_in_new(Clone(0), fork_after_the_end) == "ENOMEM"


def fork_after_the_end() -> str:
    """Make a PID namespace for the children, let its process 1 end, and fork again: the name of the errno."""
    unshare(Clone.NEWPID)
    namespaces.run_in_new(Clone(0), os.getpid)
    return errno_of(namespaces.run_in_new, Clone(0), os.getpid)


def test_orphans(lab: Lab) -> None:
    """Who adopts the children of a dead parent, and who buries them.

    A process that has ended stays in the list as a zombie (state Z) until its parent asks how it ended, by wait(2). An
    orphan is a process whose parent has ended first.
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "Process 1 is bash",
        """
        In a namespace whose process 1 is bash, another bash starts a program in the background, prints its number and
        ends. Look at the new parent of the program. Then the program is killed.
        """,
        found="Process 1 of the namespace adopts orphans; bash buries them too.",
        why="""
            An orphan goes to process 1 of its namespace (find_new_reaper() in kernel/exit.c), unless a subreaper is
            nearer (prctl(2)). bash calls wait(2) for every child, also for adopted ones: the number disappears from
            /proc.
        """,
        watch=[first],
        shows=["pid-x05"],
        ask=Choice(
            "A process in a PID namespace loses its parent. Who is its new parent?",
            "process 1 of the machine",
            "process 1 of the namespace",
            "unshare, outside",
            "nobody: PPid is 0",
        ),
    ) as step:
        first.enter("unshare --pid --fork --mount-proc /bin/bash")
        orphan = first.run("bash -c 'tail -f /dev/null & echo $!'")
        adopted = first.run(f"grep PPid /proc/{orphan}/status").split()[1]
        program = pidns.find_below(first.pid, "tail")
        parent = proc.read("/proc/PID/status", program)["PPid"]
        step.answer(
            {
                "process 1 of the machine": parent == 1,
                "process 1 of the namespace": parent == first.pid,
                "unshare, outside": parent == proc.read("/proc/PID/status", first.pid)["PPid"],
                "nobody: PPid is 0": parent == 0,
            },
            saw=parent,
        )
        assert adopted == "1"
        first.run(f"kill -KILL {orphan}; while test -e /proc/{orphan}; do :; done")
        first.exit()

    with lab.step(
        "Process 1 is tail",
        """
        Now process 1 is tail, a program that knows nothing of children. The second window joins, makes an orphan in the
        same way, and kills it.
        """,
        found="A process 1 that never waits leaves zombies.",
        why="""
            tail never calls wait(2), so the zombie stays until the namespace ends. Zombies use up process numbers. This
            is why a container wants an init as process 1 (docker run --init).
        """,
        hint="Which process must call wait(2) for an orphan?",
        watch=[first, second],
        claims=["pid-x05"],
        ask=Choice(
            "Process 1 of a namespace is `tail -f`. An orphan there ends. What is left of it?",
            "nothing",
            "a zombie, with parent 0",
            "a zombie, with parent 1",
        ),
    ) as step:
        first.run("unshare --pid --fork --mount-proc tail -f /dev/null &")
        init = pidns.find_below(first.shell, "tail")
        second.enter(f"nsenter --target {init} --pid --mount /bin/bash")
        zombie = second.run("bash -c 'tail -f /dev/null & echo $!'")
        second.run(f"kill -KILL {zombie}; while grep -qs '^State:.[^Z]' /proc/{zombie}/status; do :; done")
        left = second.run(f"ps -o state=,ppid= -p {zombie}", status=(0, 1)).split()
        step.answer(
            {
                "nothing": left == [],
                "a zombie, with parent 0": left == ["Z", "0"],
                "a zombie, with parent 1": left == ["Z", "1"],
            },
            saw=left,
        )
        assert left == ["Z", "1"]
        step.watch(*proc.read("/proc/PID/task/PID/children", init))


def test_kill_unshare(lab: Lab) -> None:
    """The end of unshare.

    unshare --fork waits for its child outside of the new namespace. What if somebody kills the one that waits?
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "unshare is killed",
        """
        The first window starts a program by unshare, in the background, and kills unshare. The second window tries to
        stop the program by SIGSTOP: only a living process can be stopped (state T).
        """,
        found="A parent's death does not kill its children.",
        why="""
            unshare is outside the namespace, so its end is not the end of process 1. The program gets a new parent, and
            nobody waits for it any more.
        """,
        hint="Who is process 1 of the namespace: unshare, or its child?",
        watch=[first, second],
        claims=["pid-x07"],
        ask=Choice(
            "`unshare --pid --fork tail -f /dev/null` is running, and unshare is killed. What about tail?",
            "it ends too",
            "it lives on, with another parent",
            "it lives on, with PPid 0 outside",
            "it lives on, as child of the dead unshare",
        ),
    ) as step:
        first.run("unshare --pid --fork --mount-proc tail -f /dev/null &")
        program = pidns.find_below(first.shell, "tail")
        parent = proc.read("/proc/PID/status", program)["PPid"]
        step.watch(program)
        ended, parent_ended = step.keep(watching(program)), step.keep(watching(parent))
        first.run("kill -KILL $!; wait", status=None)
        assert parent_ended()
        second.run(f"kill -STOP {program}; while grep -qs '^State:.[^T]' /proc/{program}/status; do :; done")
        status = proc.read("/proc/PID/status", program)
        lives, new_parent = status.get("State", "").startswith("T"), status.get("PPid")
        step.answer(
            {
                "it ends too": not lives,
                "it lives on, with another parent": lives and new_parent not in (0, parent),
                "it lives on, with PPid 0 outside": lives and new_parent == 0,
                "it lives on, as child of the dead unshare": lives and new_parent == parent,
            },
            saw=status,
        )
        assert lives
        assert second.run(f"readlink /proc/{program}/ns/pid") != second.ns("pid")
        second.run(f"kill -KILL {program}")
        assert ended()

    with lab.step(
        "With --kill-child",
        "The same again, with the option --kill-child.",
        found="With --kill-child the program ends with unshare.",
        why="""
            unshare sets PR_SET_PDEATHSIG in the child (prctl(2), unshare(1)): the kernel sends it SIGKILL when its
            parent ends.
        """,
        watch=[first],
        shows=["pid-x07"],
    ):
        first.run("unshare --pid --fork --mount-proc --kill-child tail -f /dev/null &")
        ended = lab.keep(watching(pidns.find_below(first.shell, "tail")))
        first.run("kill -KILL $!; wait", status=None)
        assert ended()


def test_everybody(lab: Lab) -> None:
    """kill -1: a signal for everybody.

    The number -1 means all processes that one may signal. As root on a machine that is a famous mistake. How far does
    it reach from a PID namespace?
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "SIGKILL for all",
        """
        The first window is process 1 of a new namespace, with one program in the background and one in a namespace
        further below. A third program runs outside. The first window looks whether it is process 1, and kills all:
        kill -KILL -1.
        """,
        found="kill -1 reaches the own namespace and those below, and nobody above.",
        why="""
            kill(2) with -1 goes through the processes that have a number in the caller's namespace, and leaves out the
            caller and process 1 (kill_something_info() in kernel/signal.c). Those below have such a number too.
        """,
        hint="Which of the programs has a number in the namespace of the first window?",
        watch=[first, second],
        claims=["pid-x13"],
        ask=Choice(
            "Process 1 of a PID namespace runs `kill -KILL -1` as root. Who is killed?",
            "all processes of the machine",
            "those of its namespace alone",
            "those of its namespace and of those below",
            "its own children alone",
        ),
    ) as step:
        second.run("tail -f /dev/null &")
        first.enter("unshare --pid --fork --mount-proc /bin/bash")
        first.run("(tail -f /dev/null; true) &")
        first.run("unshare --pid --fork sleep infinity &")
        outside, inside = pidns.find_below(second.shell, "tail"), pidns.find_below(first.pid, "tail")
        below = pidns.find_below(first.pid, "sleep")
        step.watch(outside, inside, below)
        ends = [step.keep(watching(pid)) for pid in (outside, inside, below)]
        # in another namespace it would be a disaster
        first.run("[ $$ = 1 ] && kill -KILL -1")
        inner = (ends[1](2), ends[2](2))
        step.answer(
            {
                "all processes of the machine": ends[0](0),
                "those of its namespace alone": inner == (True, False) and not ends[0](0),
                "those of its namespace and of those below": inner == (True, True) and not ends[0](0),
                "its own children alone": inner == (False, False),
            }
        )
        assert inner == (True, True)
        assert not ends[0](0)
        assert first.run("echo $$") == "1"
