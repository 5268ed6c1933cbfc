#!/bin/bash
# Prove the user's own line, `vagrant up && pytest labs/`, on a machine without KVM and without a catalogue of boxes.
#
# usage: tests/vm/prove.sh [MACHINE...]      as root; default: lab v2, one after the other
#
# The Vagrantfile is the repository's own; UNSHARED_BOX names the box, which build-box.sh makes from Debian's packages.
# libvirt, qemu, vagrant and pytest run in namespaces of their own, with nothing but a loopback device and the bridge that
# libvirt makes there, and what they write to /etc and /var lands in a layer that is thrown away.  When this script ends,
# or is killed, the kernel ends all of it.  Only Debian's packages stay.
#
# UNSHARED_BOX_DIR   a directory that keeps the box between two runs
# UNSHARED_PROOF     a directory for the records and reports (default: thrown away too)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
needed=(vagrant vagrant-libvirt libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients qemu-system-x86 qemu-utils
    dnsmasq-base iptables iproute2 rsync openssh-client mmdebstrap e2fsprogs fdisk)

lap() { printf '\n[%4ds] %s\n' "$SECONDS" "$*"; }

# --- outside: packages, the box, the namespaces

prove() {
    if [ "$(dpkg-query -W -f='${Status}\n' "${needed[@]}" 2>/dev/null | grep -c '^install ok installed')" -ne ${#needed[@]} ]; then
        lap "packages"
        apt-get -qq -o DPkg::Lock::Timeout=300 update
        DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${needed[@]}" >/dev/null
    fi
    work=$(mktemp -d /tmp/unshared-vm.XXXXXX)  # not below /var: the layer's parts may not lie below the layer
    trap finish EXIT
    mkdir "$work"/{etc,etc-work,var,var-work,home,proof}
    lap "box"
    build_box "${UNSHARED_BOX_DIR:-$work/box}"
    UNSHARED_BOX=${UNSHARED_BOX_DIR:-$work/box}/debian12.box PROOF_WORK=$work \
        unshare --mount --net --pid --ipc --uts --fork --kill-child --mount-proc "$0" --inside "$@"
}

finish() {
    [ -z "${UNSHARED_PROOF:-}" ] || { mkdir -p "$UNSHARED_PROOF" && cp -r "$work/proof/." "$UNSHARED_PROOF"; }
    rm -rf --one-file-system "$work"
}

build_box() {
    local made_of
    made_of=$("$project/provision.sh" --vm lab --packages | cat - "$project/requirements.lock" "$here"/{build-box.sh,box.*,initramfs.*} | sha256sum)
    [ "$(cat "$1/made-of" 2>/dev/null)" != "$made_of" ] || return 0
    rm -rf "$1"
    "$here/build-box.sh" "$1"
    echo "$made_of" > "$1/made-of"
}

# --- inside: process 1 of the namespaces

inside() {
    local name
    work=$PROOF_WORK
    ip link set lo up
    echo 1 > /proc/sys/net/ipv4/ip_forward
    hostname prove
    mount -t overlay -o "lowerdir=/etc,upperdir=$work/etc,workdir=$work/etc-work" overlay /etc
    mount -t overlay -o "lowerdir=/var,upperdir=$work/var,workdir=$work/var-work" overlay /var
    mount -t tmpfs tmpfs /run
    export HOME=$work/home TMPDIR=$work/home LANG=C.UTF-8
    export VAGRANT_HOME=$work/home/vagrant.d VAGRANT_DOTFILE_PATH=$work/home/dot VAGRANT_CHECKPOINT_DISABLE=1 VAGRANT_DEFAULT_PROVIDER=libvirt
    unset CI PYTEST_ADDOPTS
    start_libvirt
    cd "$project"

    lap "vagrant validate, vagrant status"
    vagrant validate
    vagrant status
    for name in "$@"; do
        prove_machine "$name"
    done
    lap "all machines together"
    .venv/bin/python "$here/check.py" "$(basename "$UNSHARED_BOX" .box)" "${@/#/$work/proof/}"
    [ $# -lt 2 ] || .venv/bin/python -m reports compare "$work/proof"/*/record.jsonl -o "$work/proof/compare.html"
}

start_libvirt() {
    getent passwd libvirt-qemu >/dev/null || useradd -r -M -d /var/lib/libvirt -s /usr/sbin/nologin libvirt-qemu  # in the layer
    mkdir -p /var/lib/libvirt /run/libvirt
    cp "$here"/{qemu,libvirtd}.conf /etc/libvirt/
    libvirtd --config /etc/libvirt/libvirtd.conf > "$work/home/libvirtd.log" 2>&1 < /dev/null &
    while ! virsh --quiet --connect qemu:///system version >/dev/null 2>&1; do
        kill -0 $! || { cat "$work/home/libvirtd.log"; exit 1; }
        sleep 0.2  # virsh can only be asked again
    done
}

prove_machine() {
    local name=$1 target=() directory=$work/proof/$1 status=0 before
    lap "$name: vagrant up"
    vagrant --no-tty up "$name"
    before=$(state "$name")

    lap "$name: pytest labs/"
    [ "$name" = lab ] || target=(--target "vm:$name")
    LABS_MUST_RUN=1 .venv/bin/pytest labs/ "${target[@]}" --report-dir "$directory" --junitxml "$directory/junit.xml" || status=$?
    [ $status -le 1 ] || exit $status  # what needs another machine counts as failed; check.py knows what may
    .venv/bin/python "$here/check.py" "$(basename "$UNSHARED_BOX" .box)" "$directory"

    lap "$name: once more: vagrant up, vagrant provision"
    vagrant --no-tty up "$name"
    vagrant --no-tty provision "$name" | tee "$work/home/provision.log"
    if grep "provision.sh:" "$work/home/provision.log"; then exit 1; fi  # what it says is what it changes
    diff <(echo "$before") <(state "$name")

    lap "$name: vagrant destroy"
    vagrant --no-tty destroy -f "$name"
}

# What provisioning could change: the boot, the folder, swap, settings, the environment, packages.
state() {
    vagrant ssh "$1" -c '
        cat /proc/sys/kernel/random/boot_id /proc/cmdline
        ls /vagrant/provision.sh
        cut -f 1-3 /proc/swaps
        sudo find /etc /boot /opt/unshared -type f -not -path "*/__pycache__/*" -printf "%p %s %T@\n" | sort
        dpkg-query -W' 2>/dev/null
}

[ $# -gt 0 ] || set -- lab v2
if [ "$1" = --inside ]; then
    shift
    inside "$@"
else
    prove "$@"
fi
