#!/bin/bash
# Prove the README's commands on fresh machines: trees of Debian's packages with nothing but what every system has.
#
# usage: tests/fresh/prove.sh [SUITE...] [WHO...]      as root on Debian
#
# SUITE is bullseye, bookworm or trixie; WHO is root, sudo (a user who may use it), user (one who may not) or tests.  Of
# each kind all, unless some are named.  Each logs in by `su -`, on a machine with a long name, and runs
# ./provision.sh && .venv/bin/pytest labs/; tests is root, who runs ./provision.sh && .venv/bin/pytest tests/.
# All of it runs in namespaces of its own, on layers that are thrown away.  When this script ends, or is killed, the
# kernel ends all of it; only Debian's packages stay.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
needed=(mmdebstrap)
host_name=the-rather-long-name-of-a-fresh-machine
quiet=(-q -p no:cacheprovider)

lap() { printf '\n[%4ds] %s\n' "$SECONDS" "$*"; }
fail() { printf 'tests/fresh/prove.sh: %s\n' "$*" >&2; exit 1; }

# --- outside: packages, trees, the namespaces

prove() {
    if ! dpkg-query -W "${needed[@]}" >/dev/null 2>&1; then
        apt-get -qq -o DPkg::Lock::Timeout=300 update
        DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${needed[@]}" >/dev/null
    fi
    work=$(mktemp -d /tmp/unshared-fresh.XXXXXX)
    trap 'rm -rf --one-file-system "$work"' EXIT
    for suite in "$@"; do
        lap "$suite: the tree"
        mkdir "$work/$suite"
        make_tree "$suite" "$work/$suite/tree"
        for who in "${whos[@]}"; do
            lap "$suite: as $who"
            layer "$suite" "$who"
        done
    done
    lap "done"
}

make_tree() {
    local mirror tree=$2
    # shellcheck disable=SC2016  # the names are apt's
    mirror=$(apt-get indextargets --format '$(SITE)' 'Identifier: Packages' | grep -m 1 '/debian$')
    mmdebstrap --quiet --mode=root --variant=minbase --include=ca-certificates --aptopt='Acquire::Languages "none"' \
        --dpkgopt=force-unsafe-io "$1" "$tree" "deb $mirror $1 main"
    cp -L /etc/ssl/certs/ca-certificates.crt "$tree/etc/ssl/certs/"  # the registries as this machine reaches them
    cp -L --remove-destination /etc/resolv.conf /etc/hosts "$tree/etc/"
    [ ! -e /etc/pip.conf ] || cp -L /etc/pip.conf "$tree/etc/"
    env | grep -iE '^(https?_proxy|no_proxy|SSL_CERT_FILE|PIP_INDEX_URL|PIP_CERT)=' > "$tree/etc/environment" || true
    echo "127.0.1.1 $host_name" >> "$tree/etc/hosts"
    chroot "$tree" useradd --create-home --shell /bin/bash --uid 1234 student
    mkdir "$tree/home/student/unshared"
    git -C "$project" ls-files -z --cached --others --exclude-standard |
        tar --directory "$project" --null --files-from - --ignore-failed-read --create | tar --extract --directory "$tree/home/student/unshared"
    chroot "$tree" chown -R student: /home/student
    chmod 755 "$tree/home/student"
}

# Run `inside SUITE WHO` as process 1 of namespaces whose root is a layer over the tree.
layer() {
    rm -rf --one-file-system "$work/layer"
    mkdir -p "$work/layer"/{upper,work,root}
    FRESH_WORK=$work unshare --mount --pid --ipc --uts --fork --kill-child --propagation private "$0" --inside "$@"
}

enter() {
    local work=$FRESH_WORK root=$FRESH_WORK/layer/root
    mount -t overlay -o "lowerdir=$work/$1/tree,upperdir=$work/layer/upper,workdir=$work/layer/work" overlay "$root"
    mount -t proc proc "$root/proc"
    for directory in /sys /dev; do
        mount --rbind "$directory" "$root$directory"
    done
    mount -t tmpfs tmpfs "$root/run"
    mount -t tmpfs tmpfs "$root/tmp"
    hostname $host_name
    cd "$root"
    pivot_root . mnt
    umount --lazy /mnt
}

# --- inside

inside() {
    enter "$1"
    export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/root
    unset CI PYTEST_ADDOPTS LABS_MUST_RUN TMPDIR
    "by_$2" "$1"
}

by_root() {
    chown -R root: /home/student/unshared
    as root "$1"
}

by_tests() {
    [ "$1" != bullseye ] || return 0
    chown -R root: /home/student/unshared
    (cd /home/student/unshared && apt-get -qq update && apt-get -qq install -y git >/dev/null 2>&1 && git init --quiet && git add .)
    run root './provision.sh && .venv/bin/pytest tests/ -q'
}

by_sudo() {
    apt-get -qq update
    apt-get -qq install -y --no-install-recommends sudo >/dev/null 2>&1
    echo 'student ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/student
    as student "$1"
}

# Nothing can be installed: Python must be there, and what else is missing is named.
by_user() {
    local packages
    packages=$(dpkg-query -W)
    if run student './provision.sh' > /tmp/said 2>&1; then fail "no Python, no sudo, and no word of it"; fi
    cat /tmp/said
    [ "$(wc -l < /tmp/said)" -eq 1 ] || fail "that is more than a sentence"
    grep -q 'no Python 3.11 or newer' /tmp/said || fail "this does not say what is missing"
    [ "$packages" = "$(dpkg-query -W)" ] || fail "packages were installed"
    [ "$1" != bullseye ] || return 0
    apt-get -qq update
    apt-get -qq install -y --no-install-recommends python3-venv >/dev/null 2>&1
    run student './provision.sh' > /tmp/said
    cat /tmp/said
    grep -q 'left out, as it takes apt-get, and root or sudo .*: busybox gcc ' /tmp/said || fail "what is missing is not named"
    labs student
}

# The first command of the README by user $1 on suite $2, and again: the second run of provision.sh does nothing.
as() {
    local absent=''
    if [ "$2" = bullseye ] && ! run "$1" ./provision.sh; then
        ! command -v gcc >/dev/null || fail "Python was not looked for first"
        return 0  # its Python is 3.9, and no build of a later one can be fetched from here
    fi
    run "$1" ./provision.sh
    [ -z "$(run "$1" ./provision.sh)" ] || fail "the second run of provision.sh did something"
    du -sm --exclude=/home --exclude=/proc --exclude=/sys --exclude=/dev --exclude=/tmp / /home/student/unshared/.venv
    labs "$1"
    absent=$(sed 's/-fuse$//' /home/student/unshared/.venv/absent 2>/dev/null || true)
    if grep 'is not installed' /tmp/labs | grep -vE "program (docker${absent:+|$absent}) is"; then fail "it is installed"; fi
}

labs() {
    run "$1" ".venv/bin/pytest labs/ ${quiet[*]}" > /tmp/labs 2>&1 || { cat /tmp/labs; fail "pytest labs/ is red"; }
    grep -E '^SKIPPED|^target|passed' /tmp/labs
}

run() { su - "$1" -c "cd /home/student/unshared && $2"; }

if [ "${1:-}" = --inside ]; then
    shift
    inside "$@"
    exit
fi
suites=() whos=()
for word in "$@"; do
    case $word in
        root | sudo | user | tests) whos+=("$word") ;;
        *) suites+=("$word") ;;
    esac
done
[ ${#suites[@]} -gt 0 ] || suites=(bullseye bookworm trixie)
[ ${#whos[@]} -gt 0 ] || whos=(root sudo user tests)
prove "${suites[@]}"
