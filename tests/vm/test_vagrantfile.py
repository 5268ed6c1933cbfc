"""The Vagrantfile: valid, one primary machine, the same resources from each provider, boxes named outside."""

import json
import shutil
import subprocess

import pytest

from tests.conftest import ROOT, clean_environment

pytestmark = pytest.mark.skipif(shutil.which("vagrant") is None, reason="vagrant is not installed")

BUILT_IN = ["virtualbox", "libvirt", "hyperv"]  # their classes are here, so that Vagrant checks what they are told
PLUGINS = ["vmware_desktop", "parallels", "qemu"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("vagrant")


def environment(home, **added):
    private = {"HOME": str(home), "VAGRANT_HOME": f"{home}/home", "VAGRANT_DOTFILE_PATH": f"{home}/dot"}
    return clean_environment() | private | {"VAGRANT_CHECKPOINT_DISABLE": "1"} | added


def vagrant(home, *arguments):
    command = ["vagrant", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment(home), capture_output=True, text=True)


def ask(home, **added):
    """What each provider is told of each machine."""
    command = ["ruby", str(ROOT / "tests/vm/providers.rb"), str(ROOT), *BUILT_IN, *PLUGINS]
    answer = subprocess.run(command, env=environment(home, **added), capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


@pytest.fixture(scope="module")
def told(home):
    return ask(home)


def of_libvirt(answers):
    return {answer["machine"]: answer for answer in answers if answer["provider"] == "libvirt"}


def test_it_is_valid(home):
    result = vagrant(home, "validate", "--ignore-provider")
    assert result.returncode == 0, result.stderr
    assert "validated successfully" in result.stdout


def test_only_the_primary_machine_comes_up(home):
    """`vagrant up` and `vagrant ssh` without a name mean lab; the others are named."""
    script = (
        "file = Vagrant::Environment.new(cwd: ARGV[0], ui_class: Vagrant::UI::Silent).vagrantfile; "
        "started = file.machine_names_and_options.select { |_, options| options[:autostart] }; "
        "puts file.primary_machine_name, started.keys"
    )
    command = ["ruby", "-e", f'require "vagrant"; {script}', str(ROOT)]
    result = subprocess.run(command, env=environment(home), capture_output=True, text=True)
    assert result.stdout.split() == ["lab", "lab"], result.stderr


def test_each_provider_gets_the_same_resources(told):
    assert {answer["machine"] for answer in told} == {"lab", "v2", "aufs"}
    assert {answer["provider"] for answer in told if answer["known"]} >= {"virtualbox", "hyperv"}
    for answer in told:
        settings = answer["settings"]
        assert answer["errors"] == {} or not any(answer["errors"].values()), answer
        if answer["provider"] == "vmware_desktop":
            continue  # its settings are entries of a file that only the plugin writes
        if answer["provider"] == "virtualbox":
            assert '"--cpus", 2]' in settings["customizations"]
            assert '"--memory", "1024"]' in settings["customizations"]
            continue
        assert settings.get("cpus", settings.get("smp")) == "2", answer
        assert settings["memory"].rstrip("M") == "1024", answer


def test_each_machine_is_provisioned_as_what_it_is(told):
    provisioned = {name: answer["provisioners"] for name, answer in of_libvirt(told).items()}
    assert [kind for kind, _ in provisioned["lab"]] == ["file", "file", "shell"]
    arguments = {name: steps[-1][1] for name, steps in provisioned.items()}
    assert {name: words[0] for name, words in arguments.items()} == {"lab": "lab", "v2": "v2", "aufs": "aufs"}
    assert {name: words[2] for name, words in arguments.items()} == {"lab": "v1", "v2": "v2", "aufs": "v1"}


def test_no_provider_asks_for_a_password_of_the_host(told):
    """Folders by NFS want root's password, folders by SMB that of the user."""
    folders = {answer["provider"]: answer["folder"] for answer in told}
    assert folders["libvirt"]["type"] == "rsync"
    assert folders["hyperv"]["disabled"] is True
    assert folders["qemu"]["disabled"] is True


def test_the_box_can_be_named_outside(home, told, tmp_path):
    """By a name of the catalogue, or as a file: then no network is needed, and no version is asked for."""
    file = tmp_path / "classroom.box"
    named = of_libvirt(ask(home, UNSHARED_BOX="school/lab", UNSHARED_AUFS_BOX=str(file)))
    assert {name: answer["box"] for name, answer in named.items()} == {
        "lab": "school/lab",
        "v2": "school/lab",
        "aufs": "classroom",
    }
    assert named["aufs"]["url"] == [f"file://{file}"]
    assert {answer["version"] for answer in named.values()} == {None}
    assert of_libvirt(told)["lab"]["version"] is not None
