#!/bin/bash
# Prepare a machine for the labs: packages of the distribution, and a virtual environment in .venv.
# Run it as often as you like: what is there already is not touched.
#
#   ./provision.sh              everything for the labs and for the project's own tests
#   ./provision.sh --labs-only  only what the labs need
#   ./provision.sh --vm NAME [--box BOX] [--cgroup v1|v2]
#                               make this machine the lab VM NAME: labs may change all of it (Vagrant calls this)
#   ./provision.sh --packages   with the options above: only list the packages that are needed
#   ./provision.sh --help
#
# It needs root, or sudo, only when packages are missing.  UNSHARED_VENV names another place for the environment.
set -euo pipefail
cd "$(dirname "$0")"

# program -> Debian package that has it
lab_programs=(python3:python3 gcc:gcc ip:iproute2 unshare:util-linux setpriv:util-linux ping:iputils-ping hostname:hostname
    ps:procps pstree:psmisc strace:strace sudo:sudo newuidmap:uidmap busybox:busybox nft:nftables unionfs:unionfs-fuse mergerfs:mergerfs)
test_programs=(git:git chromium:chromium chromedriver:chromium-driver shellcheck:shellcheck tmux:tmux pdftotext:poppler-utils sshd:openssh-server)
vm_programs=(dockerd:docker.io apparmor_parser:apparmor)  # Docker wants the parser where AppArmor is on
# packages that bring no program: what is asked of dpkg instead
lab_packages=(python3-venv libc6-dev)

marker=/etc/unshared-vm
vm_venv=/opt/unshared/venv
swap_file=/swapfile
grub_file=/etc/default/grub.d/unshared.cfg

usage() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; }
fail() { echo "provision.sh: $*" >&2; exit 1; }
say() { echo "provision.sh: $*"; }

with_tests=yes vm='' box=unknown cgroup=v1 list=no
while [ $# -gt 0 ]; do
    case $1 in
        --labs-only) with_tests=no ;;
        --packages) list=yes ;;
        --vm | --box | --cgroup)
            [ $# -gt 1 ] || fail "$1 wants a word after it; see ./provision.sh --help"
            declare "${1#--}=$2"
            shift ;;
        -h | --help) usage; exit 0 ;;
        *) fail "unknown argument $1; see ./provision.sh --help" ;;
    esac
    shift
done
case $cgroup in v1 | v2) ;; *) fail "--cgroup $cgroup: use v1 or v2" ;; esac

programs=("${lab_programs[@]}")
[ -z "$vm" ] || { with_tests=no; programs+=("${vm_programs[@]}"); }
[ $with_tests = no ] || programs+=("${test_programs[@]}")

missing_packages() {
    local pair package
    PATH=$PATH:/usr/sbin:/sbin
    for pair in "${programs[@]}"; do
        command -v "${pair%%:*}" >/dev/null || echo "${pair##*:}"
    done
    if command -v dpkg >/dev/null; then
        for package in "${lab_packages[@]}"; do
            [ -e "/var/lib/dpkg/info/$package.list" ] || ls "/var/lib/dpkg/info/$package:"*.list >/dev/null 2>&1 || echo "$package"
        done
    fi
}

install_packages() {
    local as_root=()
    command -v apt-get >/dev/null || fail "this is no Debian or Ubuntu; please install by hand (Debian's names): $*"
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "run it as root once (there is no sudo): packages are missing: $*"
        as_root=(sudo)
    fi
    say "installing $*"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq update
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" >/dev/null
}

# The distribution's own Python comes first: one below a home directory is out of reach for the users of the labs.
find_python() {
    local candidate
    for candidate in /usr/bin/python3 /usr/bin/python3.1[1-9] python3 python3.13 python3.12 python3.11 /opt/unshared/python/*/bin/python3.11; do
        if "$candidate" -c 'import sys, ensurepip; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# Ubuntu 20.04 has no Python that is new enough.  uv, a package of PyPI pinned by its sums here, fetches a build of
# CPython 3.11 whose sums it carries.  Only in the VM: a machine of yours gets no Python from elsewhere.
fetch_python() {
    say "fetching Python 3.11 by uv"
    python3 -m venv --clear /opt/unshared/uv
    /opt/unshared/uv/bin/pip install -qq --disable-pip-version-check --no-deps --require-hashes -r /dev/stdin <<'END'
uv==0.9.9 \
    --hash=sha256:afdd00ddc25e12ed756e069090011ca55f127753e1192e51f45fa288a024f3df \
    --hash=sha256:036e8d38f87ffbebcd478e6b61a2c4f8733f77fbdf34140b78e0f5ab238810cf
END
    /opt/unshared/uv/bin/uv python install --quiet --no-bin --install-dir /opt/unshared/python 3.11
}

make_venv() {
    local venv=$1 python compile=''
    if [ "$(cat "$venv/requirements.sum" 2>/dev/null)" = "$(sha256sum < requirements.lock)" ]; then
        return
    fi
    if ! python=$(find_python); then
        [ -n "$vm" ] || fail "no Python 3.11 or newer with the venv module was found; install one (Debian 12, Ubuntu 24.04 have it)"
        fetch_python
        python=$(find_python)
    fi
    say "making $venv with $python"
    "$python" -m venv --clear "$venv"
    [ -z "$vm" ] || compile=--no-compile  # root runs the labs there: Python compiles what it imports, and keeps it
    "$venv/bin/pip" install -qq --disable-pip-version-check ${compile:+"$compile"} --require-hashes -r requirements.lock
    sha256sum < requirements.lock > "$venv/requirements.sum"
}

# --- the VM: what only a machine that labs may change gets

make_swap() {
    [ "$(wc -l < /proc/swaps)" -lt 2 ] || return 0
    say "making 512 MiB of swap in $swap_file"
    dd if=/dev/zero of=$swap_file bs=1M count=512 status=none  # no fallocate: some file systems swap on no holes
    chmod 600 $swap_file
    mkswap $swap_file >/dev/null
    grep -q "^$swap_file " /etc/fstab || echo "$swap_file none swap sw 0 0" >> /etc/fstab
    systemctl daemon-reload
    swapon $swap_file
}

# Old kernels count swap only if told to; on newer ones swapaccount=1 is the default.
set_kernel_arguments() {
    local wanted=''
    # shellcheck disable=SC2016  # GRUB's file is a shell script: the variable is its own
    [ "$cgroup" = v2 ] || wanted='GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX systemd.unified_cgroup_hierarchy=0 swapaccount=1"'
    [ "$(cat $grub_file 2>/dev/null)" != "$wanted" ] || return 0
    command -v update-grub >/dev/null || fail "there is no GRUB to set the kernel's arguments for cgroup $cgroup"
    say "setting the kernel's arguments for cgroup $cgroup: they hold after a reboot"
    mkdir -p "${grub_file%/*}"
    if [ -n "$wanted" ]; then echo "$wanted" > $grub_file; else rm $grub_file; fi
    update-grub >/dev/null 2>&1
}

# Ubuntu keeps aufs in a package of its own.
have_aufs() {
    modprobe --quiet aufs || install_packages "linux-modules-extra-$(uname -r)"
}

write_marker() {
    local wanted
    wanted=$(printf 'name=%s\nbox=%s\nprovisioned=%s' "$vm" "$box" "$(cat provision.sh requirements.lock | sha256sum | cut -d' ' -f1)")
    [ "$(cat $marker 2>/dev/null)" = "$wanted" ] || { say "writing $marker"; echo "$wanted" > $marker; }
}

if [ $list = yes ]; then
    printf '%s\n' "${programs[@]##*:}" "${lab_packages[@]}" | sort -u
    exit
fi
mapfile -t missing < <(missing_packages | sort -u)
[ -z "$vm" ] || { [ "$(id -u)" -eq 0 ] && systemd-detect-virt --quiet --vm; } || fail "--vm changes the whole machine: run it as root in a VM"
[ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
if [ -z "$vm" ]; then
    make_venv "${UNSHARED_VENV:-.venv}"
    exit
fi
PATH=$PATH:/usr/sbin:/sbin
make_venv "${UNSHARED_VENV:-$vm_venv}"
make_swap
[ "$vm" != aufs ] || have_aufs
set_kernel_arguments
write_marker
