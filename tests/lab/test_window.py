"""Windows: what is typed is run by the right shell, and its output and status come back, whatever happens inside.

The comments pf-NN are the pitfalls of driving interactive shells that were met when the notes were first run.
"""

import os
import time

import pytest

from runtime.kernel import namespaces, proc
from runtime.lab.terminal import COLUMNS, WindowClosed, WindowError, WindowTimeout

privileged = pytest.mark.privileged


def test_output_and_status(window):
    output = window.run("echo one; echo two; (exit 7)", status=7)
    assert output == "one\ntwo"
    assert output.status == 7


@pytest.mark.parametrize("line", ["", "   ", "# a comment"])
def test_a_line_that_runs_nothing(window, line):
    window.run("(exit 3)", status=3)
    assert window.run(line, status=3) == ""
    assert window.run("echo after") == "after"


@pytest.mark.parametrize(
    ("typed", "printed"),
    [
        ("echo '$HOME' \"it's\" \\\\", "$HOME it's \\"),
        ('echo "Defaults !use_pty !!"', "Defaults !use_pty !!"),  # pf-12
        ("printf 'a\\tb\\n'", "a\tb"),
        ("echo 'tab\there'", "tab\there"),
        ("echo 名字 🐳", "名字 🐳"),
    ],
)
def test_quotes_and_signs_arrive_as_typed(window, typed, printed):
    assert window.run(typed) == printed


def test_dollars_are_expanded_by_the_shell_of_the_window(window):  # pf-20
    assert window.run('echo "$$"') == str(window.shell)


def test_the_shell_has_a_terminal_and_no_paste_sequences(window):  # pf-04, pf-06, pf-09
    output = window.run("tty; echo $-")
    assert output.startswith("/dev/pts/")
    assert "m" in output.splitlines()[1], "job control is on"
    assert b"\x1b[?2004" not in output.raw
    assert "job control" not in window.screen()


def test_the_echo_of_a_long_line_is_not_taken_for_output(window):  # pf-05, pf-06
    words = " ".join(f"word{number}" for number in range(COLUMNS))
    assert window.run(f"echo {words}") == words


def test_output_that_looks_like_a_prompt(window):  # pf-02
    assert window.run("echo 'root@container001:/# fake'") == "root@container001:/# fake"
    assert window.run("echo next") == "next"


def test_a_program_that_prints_the_marks_itself(window):
    forged = r"\033]133;C\007 one \033]133;D;0;1\007 two \033]133;D;0;1;0123456789abcdef\007 three"
    output = window.run(f"printf '{forged}\\n'; (exit 5)", status=5)
    assert output.split() == ["one", "two", "three"]
    assert output.status == 5


def test_several_lines(window):
    assert window.run("for i in 1 2\ndo echo $i\ndone\necho end") == "1\n2\nend"


def test_a_here_document(window):
    assert window.run("cat <<'X'\n$a 'b'\nX") == "$a 'b'"


def test_an_unfinished_command_is_an_error_and_the_window_lives_on(window):
    with pytest.raises(WindowError, match="unfinished"):
        window.run("echo 'never closed")
    assert window.run("echo fine") == "fine"


def test_a_syntax_error(window):
    output = window.run("echo )", status=2)
    assert "syntax error" in output
    assert output.status != 0


def test_output_that_is_not_utf_8_and_colours(window, emitted):
    output = window.run(r"printf '\xff\xfe \033[31mred\033[0m \303\244\n'")
    assert output == r"\xff\xfe red ä"
    assert "\x1b[31mred" in emitted.text()


def test_very_long_output_is_returned_whole_and_recorded_in_part(window, emitted):
    output = window.run("seq 200000", timeout=60)
    assert output.splitlines()[-1] == "200000"
    assert len(output.splitlines()) == 200_000
    assert len(emitted.text()) < 400_000
    assert "is not recorded" in emitted.text()


def test_a_resized_terminal_redraws_its_prompt(window):  # pf-03
    window.run("stty columns 60; kill -WINCH $$")
    assert window.run("echo after the redraw") == "after the redraw"


def test_notices_of_jobs_do_not_enter_the_next_output(window, tmp_path):  # pf-10
    os.mkfifo(tmp_path / "gate")
    window.run("cat gate > /dev/null &")
    window.run("echo > gate; wait")
    assert window.run("echo clean") == "clean"


def test_an_endless_command_is_killed_and_its_screen_told(window):
    with pytest.raises(WindowTimeout, match=r"(?s)`echo started; sleep 1000` did not end.*started"):
        window.run("echo started; sleep 1000", timeout=0.5)
    assert window.run("echo alive") == "alive"


def test_a_command_that_ignores_ctrl_c_is_killed(window):
    with pytest.raises(WindowTimeout):
        window.run("bash -c 'trap \"\" INT TERM HUP; echo up; sleep 1000; sleep 1000'", timeout=0.5)
    assert window.run("pgrep --runstates R,S --session 0 sleep", status=1) == ""


@privileged
def test_an_endless_command_in_a_nested_shell_leaves_that_shell(window):
    window.enter("unshare --uts /bin/bash")
    inside = window.ns("uts")
    with pytest.raises(WindowTimeout):
        window.run("unshare --pid --fork sleep 1000", timeout=0.5)
    assert window.ns("uts") == inside


@privileged
def test_a_window_follows_its_shell(window):  # pf-01, pf-08
    outside = window.ns("uts")
    window.enter("unshare --uts /bin/bash")
    assert window.ns("uts") != outside
    window.run("hostname container001")
    window.enter("exec bash")
    assert window.run("hostname; cd /; pwd") == "container001\n/"
    window.enter("setpriv --reuid 65534 --regid 65534 --clear-groups bash")
    assert window.run("id -u") == "65534"
    window.exit()
    window.exit()
    assert window.ns("uts") == outside


@privileged
def test_the_first_process_of_a_pid_namespace(window):
    window.enter("unshare --pid --fork --mount-proc /bin/bash")
    assert window.run("echo $$") == "1"
    assert window.ns("pid") != namespaces.link(os.getpid(), "pid")
    roles = [role for _, _, role in window.processes()]
    assert roles[0] == "shell"


def test_what_a_window_shows_while_a_command_runs(window, tmp_path):
    os.mkfifo(tmp_path / "gate")
    window.send("cat gate\n")
    while [role for _, _, role in window.processes()] != ["job"]:
        time.sleep(0)  # gives the shell the processor; the loop ends with the event
    assert window.pid != window.shell
    window.send("\x03")


@privileged
def test_enter_fails_when_no_shell_answers(window):  # pf-25
    window.enter("setpriv --reuid 65534 --regid 65534 --clear-groups bash")
    with pytest.raises(WindowError, match=r"started no shell.*Operation not permitted"):
        window.enter("unshare --uts /bin/bash")


@pytest.mark.parametrize("signal", ["KILL", "HUP"])
def test_a_prompt_that_nobody_asked_for(open_window, signal):  # pf-07, pf-24
    first, second = open_window(), open_window()
    for number in range(20):
        first.enter("bash")
        second.run(f"kill -{signal} {first.pid}")
        assert first.run(f"echo {number} $$") == f"{number} {first.shell}"


def test_the_first_shell_ends(window):
    window.exit()
    with pytest.raises(WindowClosed):
        window.run("echo nobody")


def test_the_first_shell_is_killed(open_window):
    first, second = open_window(), open_window()
    second.run(f"kill -9 {first.shell}")
    with pytest.raises(WindowClosed, match="first shell has ended"):
        first.run("echo nobody")


def test_a_shell_without_marks(window):
    window.enter_plain("env -i PS1='plain> ' bash --norc --noprofile -i")
    assert window.run("echo one; false", status=1) == "one"
    assert window.run("false", status=1).status == 1
    window.exit()
    assert window.run("echo $TERM") == "xterm-256color"


def test_a_shell_of_another_kind(window):
    window.enter_plain("busybox ash")
    assert window.run("echo ${BASH_VERSION:-no bash}") == "no bash"
    window.run("exit")
    assert window.run("echo ${BASH_VERSION:+bash}") == "bash"


@pytest.mark.parametrize("length", [COLUMNS + more for more in (-24, -23, -22, -20, -19, -18, -9, -1, 0, 1, COLUMNS)])
def test_a_long_prompt_of_another_shell(window, length):
    """The shell's own editor breaks what is typed at the edge of the terminal, wherever that falls."""
    window.enter_plain(f"PS1=$(printf %0{length}d 0) busybox ash")
    assert window.run("echo $((6 * 7)); echo é") == "42\né"
    window.run("exit")
    assert window.run("echo ${BASH_VERSION:+bash}") == "bash"


def test_a_program_that_asks(window):
    window.send("read -p 'name? ' name\n")
    window.wait_for("name? ")
    window.send("gordon\n")
    assert window.run("echo $name") == "gordon"


def test_wait_for_gives_up(window):
    with pytest.raises(WindowTimeout, match="did not appear"):
        window.wait_for("never printed", timeout=0.2)


@privileged
def test_close_ends_everything_below(open_window):  # pf-07
    window = open_window()
    window.enter("unshare --pid --fork --mount-proc bash -c 'trap \"\" TERM HUP INT; exec bash'")
    inside = window.pid
    window.close()
    assert not os.path.exists(f"/proc/{inside}") or proc.read("/proc/PID/status", inside)["State"].startswith("Z")


def test_a_prompt_is_the_name_of_its_window_and_stays_so_in_a_shell_below(window):
    window.enter("unshare --uts /bin/bash")
    window.run("cd /sys/kernel")
    assert window.run('echo "${PS1@P}"') == ("first# " if os.geteuid() == 0 else "first$ ")
