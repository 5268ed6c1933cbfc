"""Which shell reads a terminal: before anything is typed, it must be the one whose prompt was seen.

Bash gives the terminal to a foreground job twice: the child takes it before execve(2), and the parent gives it
(jobs.c, maybe_give_terminal_to: tcgetpgrp(3), then tcsetpgrp(3)).  If the parent loses the processor between the two
calls, the job may have started a shell meanwhile (``unshare --fork bash``), which has put a group of its own into the
foreground; the parent then takes the terminal away from it again.  That shell cannot notice.  Its next read fails with
EIO, as it ignores SIGTTIN, it says "exit", and the parent reads what was typed to it.

So nothing is typed while a shell above the reader may still act, that is before it waits for its job.  If the terminal
went to another group by then, the reader takes it back: bash does so when it is interrupted at its prompt (sig.c,
throw_to_top_level).  Nobody sees that: nothing was typed yet.  If it was taken while the shell looked whether it has a
terminal, two system calls long, the shell gives up job control, and nothing helps: then it is ended, and an error told.
"""

import os
import signal
from collections.abc import Iterator

from runtime.kernel import processes
from runtime.lab import marks
from runtime.lab.terminal import Terminal, WindowError

SHELLS = ("bash", "sh", "dash")  # those that give terminals to their jobs


def waits(terminal: Terminal, midway: bool = False) -> bool:
    """Whether the shell that printed the last prompt reads the terminal now, ``midway``: the rest of a command.

    A killed shell leaves the terminal to the one below it, which prints a prompt that nobody asked for: it must not be
    taken for the answer to the next command.
    """
    if terminal.busy and not midway:
        return False
    shell = find(terminal)
    if not shell:  # it sits on another terminal (docker, script), so that less can be known
        return terminal.foreground == terminal.prompt_group and processes.waits_and_lives(terminal.prompt_group)
    if _may_be_taken(terminal, shell) or not processes.waits_and_lives(shell) or not _reads(shell):
        return False
    if processes.process_group(shell) != terminal.foreground:
        _give_back(terminal, shell)
        return False
    return True


def _give_back(terminal: Terminal, shell: int) -> None:
    if not terminal.hidden:
        terminal.hide_until_prompt()
        os.kill(shell, signal.SIGINT)
        return
    processes.kill([shell])
    terminal.busy = True  # until the shell below prints its prompt
    terminal.show()
    raise WindowError(
        f"{terminal.name}: a shell began without the terminal, as the one above took that away in the same moment "
        "(a race in bash); it was ended: run this again"
    )


def gave_terminal(terminal: Terminal, shell: int) -> bool:
    """Whether a shell that was told to start another one has read that, and given the terminal away or is replaced."""
    if not any(isinstance(mark, marks.Running) for mark in terminal.marks):
        return False
    waits_or_reads = processes.waits_for_child(shell) is not False or bool(processes.reads_stdin(shell))
    return waits_or_reads or processes.name(shell) not in SHELLS


def find(terminal: Terminal) -> int:
    """The pid of the shell that printed the last prompt; 0 if no process of the terminal can be it.

    All that the prompt tells is the shell's number in its own PID namespace, and each namespace has a process 1: it is
    the lowest one that does not wait for a job.
    """
    number, foreground = terminal.prompt_number, terminal.foreground
    if _is_shell(foreground, number):
        return foreground
    for pid, _ in reversed(processes.descendants(terminal.shell)):
        if processes.session(pid) == terminal.shell and _is_shell(pid, number):
            return pid
    return 0


def _is_shell(pid: int, number: int) -> bool:
    return processes.number_inside(pid) == number and not processes.waits_for_child(pid)


def _reads(shell: int) -> bool:
    return processes.reads_stdin(shell) is not False


def _may_be_taken(terminal: Terminal, shell: int) -> bool:
    """Whether a shell above has not come to its waitpid yet, and may give the terminal to its job once more."""
    return any(processes.waits_for_child(pid) is False for pid in _shells_above(terminal, shell))


def _shells_above(terminal: Terminal, pid: int) -> Iterator[int]:
    while pid not in (0, 1, terminal.shell):
        fields = processes.stat(pid)
        pid = int(fields[1]) if fields else 0
        if pid and processes.name(pid) in SHELLS:
            yield pid
