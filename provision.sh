#!/bin/bash
# Prepare a machine for the labs: packages of the distribution, and a virtual environment in .venv.
# Run it as often as you like: what is there already is not touched.
#
#   ./provision.sh              everything for the labs and for the project's own tests
#   ./provision.sh --labs-only  only what the labs need
#   ./provision.sh --help
#
# It needs root, or sudo, only when packages are missing.  UNSHARED_VENV names another place for the environment.
set -euo pipefail
cd "$(dirname "$0")"

# program -> Debian package that has it
lab_programs=(python3:python3 gcc:gcc ip:iproute2 unshare:util-linux setpriv:util-linux ping:iputils-ping hostname:hostname
    ps:procps pstree:psmisc strace:strace sudo:sudo newuidmap:uidmap busybox:busybox nft:nftables unionfs:unionfs-fuse mergerfs:mergerfs)
test_programs=(git:git chromium:chromium chromedriver:chromium-driver shellcheck:shellcheck tmux:tmux)
# packages that bring no program: what is asked of dpkg instead
lab_packages=(python3-venv libc6-dev)

usage() { sed -n '2,9s/^# \{0,1\}//p' "$0"; }
fail() { echo "provision.sh: $*" >&2; exit 1; }

with_tests=yes
case ${1:-} in
    "") ;;
    --labs-only) with_tests=no ;;
    -h | --help) usage; exit 0 ;;
    *) fail "unknown argument $1; see ./provision.sh --help" ;;
esac

programs=("${lab_programs[@]}")
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
    echo "provision.sh: installing $*"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq update
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" >/dev/null
}

# The distribution's own Python comes first: one below a home directory is out of reach for the users of the labs.
find_python() {
    local candidate
    for candidate in /usr/bin/python3 /usr/bin/python3.1[1-9] python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys, ensurepip; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    fail "no Python 3.11 or newer with the venv module was found; install one (Debian 12, Ubuntu 24.04 have it)"
}

make_venv() {
    local venv=$1 python
    if [ "$(cat "$venv/requirements.sum" 2>/dev/null)" = "$(sha256sum < requirements.lock)" ]; then
        return
    fi
    python=$(find_python)
    echo "provision.sh: making $venv with $python"
    "$python" -m venv --clear "$venv"
    "$venv/bin/pip" install -qq --disable-pip-version-check --require-hashes -r requirements.lock
    sha256sum < requirements.lock > "$venv/requirements.sum"
}

mapfile -t missing < <(missing_packages | sort -u)
[ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
make_venv "${UNSHARED_VENV:-.venv}"
