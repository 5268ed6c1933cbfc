"""What this machine is and what it can show: facts, and probes that try the real thing once."""

import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

from record import events
from record.events import Ability
from runtime.checkout import SANDBOX_VARIABLE
from runtime.kernel import errors, namespaces, proc, syscalls
from runtime.kernel.syscalls import Clone
from runtime.lab import terminal
from runtime.lab.claims import version
from runtime.vm import marker

NOBODY = 65534

TOOLS = {  # how each tool tells its version
    "bash": "--version",
    "gcc": "--version",
    "hostname": "-V",
    "ip": "-V",
    "mount": "--version",
    "nft": "--version",
    "nsenter": "--version",
    "setpriv": "--version",
    "strace": "--version",
    "unshare": "--version",
    "docker": "--version",
}
_PERHAPS = "run ./provision.sh; where it says that this system has no such package, use the VM (vagrant up)"
_OTHERWISE = {"docker": "use the VM (vagrant up), which has an engine", "unionfs": _PERHAPS, "mergerfs": _PERHAPS}
_VERSION = re.compile(r"\d+(?:\.\d+)+[\w.-]*")


class Facts(events.Facts, frozen=True):
    """What is known of the machine before the first step; what a lab expects is chosen from it.

    In a rootless sandbox ``uid`` is 0, and ``rootless`` is true.
    """

    def kernel_at_least(self, release: str) -> bool:
        """Whether the kernel is ``release`` ("6.1") or newer."""
        return version(self.kernel) >= version(release)

    @property
    def able(self) -> set[str]:
        """The names of what the machine can show, such as "aufs"."""
        return {name for name, ability in self.can.items() if ability.ok}


@cache
def facts() -> Facts:
    """The facts of this machine, asked once a run."""
    return Facts(
        kernel=platform.release(),
        machine=platform.machine(),
        distribution=_distribution(),
        python=platform.python_version(),
        cgroup=cgroup_dialect(),
        lsm=_security_modules(),
        uid=str(os.getuid()),
        rootless=is_rootless(),
        sandbox=SANDBOX_VARIABLE in os.environ,
        vm=marker.PATH.exists(),
        vm_name=marker.read().get("name", ""),
        box=marker.read().get("box", ""),
        tools=_tools(),
        can=_probe(),
    )


def abilities() -> dict[str, Ability]:
    """What this machine can show, tried as labs try it: without root they run in a user namespace (the sandbox)."""
    if os.geteuid() == 0:
        return facts().can
    try:
        return namespaces.run_in_new(Clone.NEWUSER, _probe)
    except OSError:  # not even a user namespace is to be had: each probe tells why
        return facts().can


def _probe() -> dict[str, Ability]:
    return {name: probe() for name, probe in PROBES.items()}


def find_program(name: str) -> str | None:
    """Where the windows of a lab find a program, or None; ``su - student`` has no sbin in its PATH, a window has."""
    return shutil.which(name, path=terminal.PATH)


def how_to_install(program: str) -> str:
    """What brings a program of the labs to this machine."""
    return _OTHERWISE.get(program, "run ./provision.sh")


def is_rootless() -> bool:
    """Whether we are in a user namespace of an ordinary user, where few ids are mapped (user_namespaces(7))."""
    uid_map = proc.read("/proc/PID/uid_map", os.getpid())
    return bool(uid_map) and uid_map[0][2] < 2**32 - 1


def cgroup_dialect() -> str:
    """``v1``, ``v2`` or ``hybrid``, from the mounts of this process (cgroups(7))."""
    types = {mount["fstype"] for mount in proc.read("/proc/PID/mountinfo", os.getpid())}
    if "cgroup" not in types:
        return "v2"
    return "hybrid" if "cgroup2" in types else "v1"


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"


def _security_modules() -> list[str]:
    try:
        return Path("/sys/kernel/security/lsm").read_text().strip().split(",")
    except OSError:
        return []


def _tools() -> dict[str, str]:
    started = {
        tool: subprocess.Popen(
            [path, option], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for tool, option in TOOLS.items()
        if (path := find_program(tool))
    }
    answers = {tool: process.communicate()[0] for tool, process in started.items()}
    return {tool: found[0] if (found := _VERSION.search(text)) else "yes" for tool, text in answers.items()}


def _try(action: Callable[[], object], how: str) -> Ability:
    try:
        action()
    except OSError as error:
        return Ability(False, str(error), how)
    return Ability(True)


def _nothing() -> None:
    """What the probes of namespaces do in the new namespace."""


def _namespace(kind: namespaces.Kind) -> Ability:
    action = _use_capability if kind.flag == Clone.NEWUSER else _nothing
    how = "; or ".join([*errors.user_namespace_switches(), "run as root", "use the VM (vagrant up)"])
    return _try(lambda: namespaces.run_in_new(kind.flag, action), how)


def _use_capability() -> None:
    """Do what root may: AppArmor of Ubuntu 24.04 lets everybody make a user namespace, and allows nothing in it."""
    syscalls.unshare(Clone.NEWUTS)


def ordinary_user_namespace() -> Ability:
    """Whether an ordinary user may make a user namespace, and what forbids it."""
    return _try(lambda: namespaces.run_in_new(Clone(0), _unshare_as_nobody), why_no_user_namespaces())


def _unshare_as_nobody() -> None:
    if os.getuid() == 0 and not is_rootless():
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    syscalls.unshare(Clone.NEWUSER)
    _use_capability()


def why_no_user_namespaces() -> str:
    """The settings that forbid user namespaces here, and how to allow them."""
    found = errors.user_namespace_switches()
    return "; ".join(found) or "a security module forbids them: use a VM (vagrant up), or run as root"


def _overlay() -> Ability:
    how = "modprobe overlay as root (CONFIG_OVERLAY_FS); without root it also needs Linux 5.11 and user namespaces"
    return _try(lambda: namespaces.run_in_new(Clone.NEWNS, _mount_overlay), how)


def _mount_overlay() -> None:
    with tempfile.TemporaryDirectory() as directory:
        syscalls.mount("tmpfs", directory, "tmpfs")
        try:
            for name in ("lower", "upper", "work", "merged"):
                os.mkdir(f"{directory}/{name}")
            options = f"lowerdir={directory}/lower,upperdir={directory}/upper,workdir={directory}/work"
            syscalls.mount("overlay", f"{directory}/merged", "overlay", 0, options)
        finally:
            syscalls.umount2(directory, syscalls.MNT_DETACH)


def _file_system(name: str) -> bool:
    return any(line.split()[-1] == name for line in Path("/proc/filesystems").read_text().splitlines())


def _aufs() -> Ability:
    if not _file_system("aufs"):  # a try to mount it loads the module, where there is one; without branches it fails
        with suppress(OSError):
            namespaces.run_in_new(Clone.NEWNS, syscalls.mount, "none", "/", "aufs")
    if _file_system("aufs"):
        if is_rootless():  # aufs(5), allow_userns
            return Ability(False, "aufs is not mounted in a user namespace", "run pytest as root")
        return Ability(True)
    how = "use the VM aufs (vagrant up aufs; pytest labs/ --target vm:aufs): Ubuntu 20.04, whose kernel 5.4 ships it"
    return Ability(False, "this kernel has no aufs", how)


def _swap() -> Ability:
    if len(Path("/proc/swaps").read_text().splitlines()) > 1:
        return Ability(True)
    return Ability(False, "no swap is on", "use the VM (vagrant up); on a machine of your own: swapon as root")


def _cgroup_v1() -> Ability:
    if cgroup_dialect() != "v2":
        return Ability(True)
    how = "use the VM (vagrant up); in one of your own boot with systemd.unified_cgroup_hierarchy=0 (Debian 12)"
    return Ability(False, "only cgroup v2 is mounted", how)


def _cgroup_v2() -> Ability:
    if cgroup_dialect() == "v2":
        return Ability(True)
    how = "use the VM v2 (vagrant up v2; pytest labs/ --target vm:v2)"
    return Ability(False, "the controllers are on cgroup v1", how)


def _engine() -> Ability:
    if not find_program("docker"):
        return Ability(False, "docker is not installed", how_to_install("docker"))
    if not Path("/var/run/docker.sock").is_socket():
        return Ability(False, "no Docker engine answers", "start dockerd (systemctl start docker) in a VM")
    return Ability(True)


def _vagrant() -> Ability:
    if shutil.which("vagrant"):
        return Ability(True)
    return Ability(False, "vagrant is not installed", "install it: https://developer.hashicorp.com/vagrant/install")


def _vm() -> Ability:
    if marker.PATH.exists():
        return Ability(True)
    return Ability(False, "this is not the lab VM", "vagrant up")


PROBES: dict[str, Callable[[], Ability]] = {
    **{f"{kind.name} namespace": lambda kind=kind: _namespace(kind) for kind in namespaces.KINDS.values()},  # type: ignore[misc]
    "user namespaces of ordinary users": ordinary_user_namespace,
    "cgroup v1": _cgroup_v1,
    "cgroup v2": _cgroup_v2,
    "swap": _swap,
    "overlay": _overlay,
    "aufs": _aufs,
    "Docker engine": _engine,
    "Vagrant": _vagrant,
    "lab VM": _vm,
}
