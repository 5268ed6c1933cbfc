#!/bin/bash
# Prepare a machine for the labs: packages of the distribution, and a virtual environment in .venv.
# Run it as often as you like: what is there already is not touched.
#
#   ./provision.sh             what the labs need
#   ./provision.sh --tests     also what the project's own tests need (pytest tests/ does this by itself)
#   ./provision.sh --vm NAME [--box BOX] [--cgroup v1|v2]
#                              make this machine the lab VM NAME: labs may change all of it (Vagrant calls this)
#   ./provision.sh --packages  with the options above: only list the packages that are wanted
#   ./provision.sh --help
#
# A package that this system does not have is named and left out: the exercises that need it are then unsupported.
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

with_tests=no vm='' box=unknown cgroup=v1 list=no
while [ $# -gt 0 ]; do
    case $1 in
        --tests) with_tests=yes ;;
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

venv=${UNSHARED_VENV:-.venv} uv_home=$PWD/.uv
[ -z "$vm" ] || { venv=${UNSHARED_VENV:-$vm_venv} uv_home=/opt/unshared with_tests=no; }
[ ! -e "$venv/tests.sum" ] || with_tests=yes  # what was prepared once is kept up to date
programs=("${lab_programs[@]}")
[ -z "$vm" ] || programs+=("${vm_programs[@]}")
[ $with_tests = no ] || programs+=("${test_programs[@]}")

# --- packages

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

can_install() {
    command -v apt-get >/dev/null && { [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null; }
}

apt() {
    local as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq "$@"
}

# Once a run, and only when something is to be installed.
update_lists() {
    [ -n "${updated:-}" ] || apt update
    updated=yes
}

has_packages() { apt-get -qq install --simulate "$@" >/dev/null 2>&1; }

install() {
    [ $# -gt 0 ] || return 0
    say "installing $*"
    apt install -y --no-install-recommends "$@" >/dev/null
}

# Install what of these packages is to be had.  The others are named, and remembered, until the environment is made anew.
install_packages() {
    local package asked=() found=() absent=()
    for package in "$@"; do
        grep -qxF "$package" "$venv/absent" 2>/dev/null || asked+=("$package")
    done
    [ ${#asked[@]} -gt 0 ] || return 0
    if ! can_install; then
        say "left out, as it takes apt-get, and root or sudo (Debian's names): ${asked[*]}"
        return
    fi
    update_lists
    for package in "${asked[@]}"; do
        if has_packages "$package"; then found+=("$package"); else absent+=("$package"); fi
    done
    install "${found[@]}"
    [ ${#absent[@]} -gt 0 ] || return 0
    say "left out, as this system does not have it: ${absent[*]}"
    printf '%s\n' "${absent[@]}" >> "$venv/absent"
}

# --- Python

# The distribution's own comes first: one below a home directory is out of reach for the users of the labs.
find_python() {
    local candidate
    for candidate in /usr/bin/python3 /usr/bin/python3.1[1-9] python3 python3.1{4,3,2,1} "$uv_home"/python/*/bin/python3.11; do
        if "$candidate" -c 'import sys, ensurepip; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# The distribution's Python if it is new enough, or a newer one beside it (Ubuntu 22.04).
install_python() {
    local package version
    update_lists
    version=$(apt-cache policy python3 | sed -n 's/^ *Candidate: \(3\.[0-9]*\).*/\1/p')
    for package in python3 python3.1{4,3,2,1}; do
        [ "$package" != python3 ] || [ "$(printf '3.11\n%s\n' "$version" | sort -V | head -n 1)" = 3.11 ] || continue
        if has_packages "$package" "$package-venv"; then
            install "$package" "$package-venv"
            return
        fi
    done
    return 1
}

# Where the distribution has none that is new enough (Debian 11, Ubuntu 20.04): uv, a package of PyPI pinned by its sums
# here, fetches a build of CPython 3.11 whose sums it carries.  Both stay in $uv_home.
fetch_python() {
    has_venv || { can_install && install python3-venv && has_venv; } || return 1
    say "fetching Python 3.11 by uv"
    python3 -m venv --clear "$uv_home/uv" || return 1
    "$uv_home/uv/bin/pip" install -qq --disable-pip-version-check --no-deps --require-hashes -r /dev/stdin <<'END' || return 1
uv==0.9.9 \
    --hash=sha256:afdd00ddc25e12ed756e069090011ca55f127753e1192e51f45fa288a024f3df \
    --hash=sha256:036e8d38f87ffbebcd478e6b61a2c4f8733f77fbdf34140b78e0f5ab238810cf
END
    "$uv_home/uv/bin/uv" python install --quiet --no-bin --install-dir "$uv_home/python" 3.11
}

has_venv() { python3 -c 'import ensurepip' 2>/dev/null; }

choose_python() {
    python=$(find_python) && return
    { can_install && install_python; } || fetch_python || true
    python=$(find_python) || fail "no Python 3.11 or newer with the venv module was found; install one (Debian 12, Ubuntu 22.04 and later have it)"
}

# --- the environment

sum_of() { sha256sum < "$1"; }

is_current() { [ "$(cat "$venv/$1" 2>/dev/null)" = "$(sum_of "$2")" ] && "$venv/bin/python" -c '' 2>/dev/null; }

pip_install() {
    local compile=''
    [ -z "$vm" ] || compile=--no-compile  # root runs the labs there: Python compiles what it imports, and keeps it
    "$venv/bin/pip" install -qq --disable-pip-version-check ${compile:+"$compile"} --require-hashes -r "$1"
}

make_venv() {
    if ! is_current labs.sum requirements.lock; then
        choose_python
        say "making $venv with $python"
        "$python" -m venv --clear "$venv"
        pip_install requirements.lock
        sum_of requirements.lock > "$venv/labs.sum"
    fi
    [ $with_tests = yes ] && ! is_current tests.sum requirements-tests.lock || return 0
    say "adding what the tests need to $venv"
    pip_install requirements-tests.lock
    sum_of requirements-tests.lock > "$venv/tests.sum"
}

# The linter of the reports' scripts and style sheets; where there is no npm its test is skipped.
install_biome() {
    [ "$(cat node_modules/lock.sum 2>/dev/null)" != "$(sum_of package-lock.json)" ] || return 0
    command -v npm >/dev/null || return 0
    say "installing biome by npm"
    npm ci --silent
    sum_of package-lock.json > node_modules/lock.sum
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
    modprobe --quiet aufs || { update_lists; install "linux-modules-extra-$(uname -r)"; }
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
[ -z "$vm" ] || { [ "$(id -u)" -eq 0 ] && systemd-detect-virt --quiet --vm; } || fail "--vm changes the whole machine: run it as root in a VM"
make_venv
mapfile -t missing < <(missing_packages | sort -u)
install_packages "${missing[@]}"
[ $with_tests = no ] || install_biome
[ -n "$vm" ] || exit 0
PATH=$PATH:/usr/sbin:/sbin
make_swap
[ "$vm" != aufs ] || have_aufs
set_kernel_arguments
write_marker
