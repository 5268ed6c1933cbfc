"""The first files of a new lab: one exercise that runs, two claims, and their mutations."""

import re
from pathlib import Path
from string import Template

from runtime.checkout import LABS, lab_name, lab_number

_LAB = Template('''\
"""$Topic: one sentence that says what the lab is about.

Say here, in some sentences, what a student learns, and explain each word that the lab needs: a process is a program
that runs; the kernel gives each of them a number, the pid.
"""

from runtime.kernel import proc
from runtime.lab import Choice, Lab


def test_first_look(lab: Lab) -> None:
    """A first look.

    Say what is set up, and what to look at.
    """
    first, second = lab.window("first"), lab.window("second")

    with lab.step(
        "Ask the shell for its number",
        "The shell of the first window prints its own pid. Compare it with the entry Pid in /proc/PID/status.",
        found="The kernel tells the number of every process in /proc.",
        why="""
            $$$$ is a variable of bash: the number that getpid(2) gave it. The kernel shows the same number in /proc:
            as the name of a directory, and inside that in the file status (proc_pid_status(5)).
        """,
        watch=[first],
        claims=["$short-01"],
    ):
        assert first.run("echo $$$$") == str(proc.read("/proc/PID/status", first.pid)["Pid"])

    with lab.step(
        "Ask for the number from outside",
        "The first window starts another bash. The second window reads which program the first one shows now.",
        found="The window shows the inner bash, which has a number of its own.",
        why="bash makes a child by fork(2), and the child becomes the new bash by execve(2).",
        hint="Who made whom?",
        watch=[first, second],
        claims=["$short-02"],
        ask=Choice("Whose child is the inner bash?", "of the first bash", "of process 1", "of nobody"),
    ) as step:
        outer = first.pid
        first.enter("bash")
        parent = int(second.run(f"grep PPid: /proc/{first.pid}/status").split()[1])
        step.answer(
            {"of the first bash": parent == outer, "of process 1": parent == 1, "of nobody": parent == 0}, saw=parent
        )
        assert parent == outer
''')

_CLAIMS = Template("""\
# The claims of labs/$file.py. docs/authoring.md says what each key means.

- id: $short-01
  section: $Topic
  statement: A shell can tell its own process number.
  verdict: holds
  truth: The variable $$$$ of bash has the number that the kernel shows in /proc too.
  reference: bash(1), proc_pid_status(5)
  visible_in: [/proc/PID/status]
  mutation:
    what: the shell tells the number of its parent instead
    replace: 'first.run("echo $$$$")'
    with: 'first.run("echo $$PPID")'

- id: $short-02
  section: $Topic
  statement: A program that a shell starts is a child of process 1.
  verdict: wrong
  truth: It is a child of the shell, which made it by fork(2).
  reference: fork(2), proc_pid_status(5)
  visible_in: [/proc/PID/status]
  mutation:
    what: the shell becomes the other bash, and makes no child
    replace: 'first.enter("bash")'
    with: 'first.enter("exec bash")'
""")


class NewLabError(Exception):
    """The lab cannot be begun; the message says why, and what to do."""


def new_lab(number: int, topic: str, labs: Path = LABS) -> list[Path]:
    """Write the lab and its claims; the paths of both. Nothing that stands is overwritten (NewLabError)."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", topic):
        raise NewLabError(f"{topic!r} is no topic: use small letters, digits and _, such as mount")
    if not 0 <= number <= 99:
        raise NewLabError(f"{number} is no place in the course: use 0 to 99")
    for path in labs.glob("test_*.py"):
        if lab_name(path) == topic or lab_number(path) == number:
            raise NewLabError(f"labs/{path.name} stands already: take another number and another topic")
    name = f"test_{number:02}_{topic}"
    words = {"Topic": topic.replace("_", " ").capitalize(), "short": topic.replace("_", "")[:6], "file": name}
    written = []
    for ending, text in ((".py", _LAB), (".yaml", _CLAIMS)):
        path = labs / f"{name}{ending}"
        path.write_text(text.substitute(words), "utf-8")
        written.append(path)
    return written
