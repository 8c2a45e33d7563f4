#!/bin/bash
# From nothing to a running container, on two drivers, without a network:
# builds, makes an image of this machine's busybox, loads it, runs it, and
# looks whether anything is left behind.
set -euo pipefail
cd "$(dirname "$0")/.."

cache=${XDG_CACHE_HOME:-$HOME/.cache}/sapwood
image=$cache/busybox.tar

cargo build --locked --release --package sapwood --package sapwood-e2e --bin sapwood --bin sapwood-images
mkdir -p "$cache"
target/release/sapwood-images busybox "$image"

root=$(mktemp -d "${TMPDIR:-/var/tmp}/sapwood-run-XXXXXX")
# --one-file-system: should a mount be left in there, its content is nobody's to delete.
trap 'as_root rm -rf --one-file-system "$root"' EXIT

as_root() {
    if [[ $EUID == 0 ]]; then "$@"; else sudo "$@"; fi
}

# Shows a command as one would type it, and runs it.
sapwood() {
    printf '\n$ sapwood'
    printf ' %q' "$@"
    printf '\n'
    as_root target/release/sapwood --root "$root/store" --runroot "$root/run" "$@"
}

for driver in overlay2 vfs; do
    printf '\n======== %s ========\n' "$driver"
    sapwood --storage-driver "$driver" load -i "$image"
    sapwood --storage-driver "$driver" images
    # shellcheck disable=SC2016 # for the container's shell
    sapwood --storage-driver "$driver" run --rm --hostname ring busybox sh -c \
        'echo "process $$ on $(hostname), as $(id -un)"; ps; grep " / " /proc/mounts; echo new > /file; cat /file'
    sapwood --storage-driver "$driver" ps -a
    sapwood --storage-driver "$driver" storage status
done

if grep -F " $root" /proc/self/mounts; then
    echo "run: these mounts were left behind" >&2
    exit 1
fi
