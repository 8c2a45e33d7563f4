#!/bin/bash
# Installs what is missing on Debian and Ubuntu. Says nothing if all is there.
#
#   setup.sh run     to build and run: without these nothing works, so they must be there
#   setup.sh test    and what tests use: without one of these, tests report that they did not run
#   setup.sh bench   and what Sapwood is measured beside
set -euo pipefail

build=(gcc libc6-dev pkg-config libseccomp-dev busybox-static)
tests=(user-mode-linux kmod e2fsprogs xfsprogs btrfs-progs attr acl iproute2 runc skopeo umoci uidmap)
rivals=(podman docker.io)
nextest=0.9.143

say() { echo "setup: $*" >&2; }
fail() { say "$*"; exit 1; }

# Prints those of the packages that aren't installed.
missing() {
    local package
    for package; do
        if [[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" != installed ]]; then
            echo "$package"
        fi
    done
}

as_root() {
    if [[ $EUID == 0 ]]; then "$@"; else sudo "$@"; fi
}

may_install() {
    command -v apt-get >/dev/null && { [[ $EUID == 0 ]] || command -v sudo >/dev/null; }
}

# Installs what the distribution has of the packages. Removes none: busybox-static, say, excludes busybox.
install() {
    local package available=()
    as_root apt-get -qq update
    for package; do
        if apt-cache show "$package" >/dev/null 2>&1; then
            available+=("$package")
        else
            say "$package is not in this distribution"
        fi
    done
    [[ ${#available[@]} == 0 ]] && return
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq install --no-install-recommends --no-remove "${available[@]}" >/dev/null
}

# need FATAL PACKAGE…
need() {
    local fatal=$1 absent
    shift
    mapfile -t absent < <(missing "$@")
    [[ ${#absent[@]} == 0 ]] && return
    if may_install; then
        say "installing ${absent[*]}"
        install "${absent[@]}" || say "apt-get failed"
        mapfile -t absent < <(missing "$@")
        [[ ${#absent[@]} == 0 ]] && return
    fi
    local what="missing: ${absent[*]} (as root: apt-get install ${absent[*]})"
    if [[ $fatal == yes ]]; then fail "$what"; else say "$what: what needs them will not run"; fi
}

# A machine that isn't Debian's has to know itself; its tools have other packages.
packages() {
    if command -v dpkg-query >/dev/null; then
        need "$@"
    elif [[ $1 == yes ]]; then
        say "not a Debian system: see to the equivalents of ${*:2}"
    fi
}

goal=${1:?run, test or bench}
packages yes "${build[@]}"
command -v cargo >/dev/null || fail "cargo is missing: install Rust with rustup, then open a new shell"
[[ $goal == run ]] && exit
packages no "${tests[@]}"
if ! command -v cargo-nextest >/dev/null; then
    say "installing cargo-nextest $nextest (some minutes)"
    cargo install --quiet --locked "cargo-nextest@$nextest"
fi
if [[ $goal == bench ]]; then
    packages no "${rivals[@]}"
fi
