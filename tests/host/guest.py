"""A guest for tests: this machine's programs, in namespaces that hold files of their own, behind a real sshd.

    unshare --mount --uts --ipc --net --pid --fork --kill-child python guest.py SOCKET VENV KEYS MARKER

SOCKET is the number of a listening socket that we inherit, so that ssh reaches us although our network has no device.
VENV becomes /opt/unshared/venv ("-" for a machine that was never provisioned), MARKER the text of /etc/unshared-vm.
/srv, /tmp and the place of the project are empty: a path of the host that was not mapped leads nowhere.
"""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def set_up(venv: str, keys: Path, marker: str) -> Path:
    mount("-t", "proc", "proc", "/proc")
    mount("-t", "tmpfs", "tmpfs", "/srv")
    upper = Path("/srv/etc")
    for name in ("upper", "work"):
        (upper / name).mkdir(parents=True)
    mount("-t", "overlay", "overlay", "-o", f"lowerdir=/etc,upperdir={upper}/upper,workdir={upper}/work", "/etc")
    mount("-t", "tmpfs", "tmpfs", "/run")
    private = Path("/run/sshd")  # where sshd separates its privileges, and what it reads
    private.mkdir()
    for name in ("host_key", "user_key.pub"):
        (private / name).write_bytes((keys / name).read_bytes())
        (private / name).chmod(0o600)
    mount("-t", "tmpfs", "tmpfs", "/opt")
    if venv != "-":
        Path("/opt/unshared/venv").mkdir(parents=True)
        mount("--bind", venv, "/opt/unshared/venv")
    if marker:
        Path("/etc/unshared-vm").write_text(marker)
    for empty in (str(PROJECT), "/tmp"):  # in this order: the project may lie below /tmp
        mount("-t", "tmpfs", "tmpfs", empty)
    return private


def serve(listener: socket.socket, private: Path) -> None:
    settings = [
        f"HostKey={private}/host_key",
        f"AuthorizedKeysFile={private}/user_key.pub",
        "UsePAM=no",
        "StrictModes=no",
    ]
    sshd = ["/usr/sbin/sshd", "-i", "-e", "-f", "/dev/null", *(word for each in settings for word in ("-o", each))]
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # pid 1: nobody else waits for them
    print("ready", flush=True)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setsid()
            os.dup2(connection.fileno(), 0)
            os.dup2(connection.fileno(), 1)
            os.execv(sshd[0], sshd)
        connection.close()


if __name__ == "__main__":
    listening, venv_path, keys_path, marker_text = sys.argv[1:]
    serve(socket.socket(fileno=int(listening)), set_up(venv_path, Path(keys_path), marker_text))
