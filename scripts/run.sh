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
    printf '\n$ sapwood --storage-driver %s' "$driver"
    printf ' %q' "$@"
    printf '\n'
    as_root target/release/sapwood --root "$root/$driver" --runroot "$root/run" \
        --storage-driver "$driver" "$@"
}

for driver in overlay2 vfs; do
    printf '\n======== %s ========\n' "$driver"
    sapwood load -i "$image"
    sapwood images
    # shellcheck disable=SC2016 # for the container's shell
    sapwood run --rm --hostname ring busybox sh -c \
        'echo "process $$ on $(hostname), as $(id -un)"; ps; grep " / " /proc/mounts; echo new > /file; cat /file'
    sapwood ps -a
    sapwood storage tree
done

if grep -F " $root" /proc/self/mounts; then
    echo "run: these mounts were left behind" >&2
    exit 1
fi
