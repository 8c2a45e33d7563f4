#!/bin/bash
# From nothing to a running container, on two drivers, without a network:
# builds, makes an image of this machine's busybox, loads it, runs it, and
# looks whether anything is left behind.
set -euo pipefail
cd "$(dirname "$0")/.."

cache=${XDG_CACHE_HOME:-$HOME/.cache}/sapwood
image=$cache/busybox.tar
# Named to cargo, so that a configuration of its user's doesn't put it elsewhere.
target=${CARGO_TARGET_DIR:-target}

cargo build --locked --release --target-dir "$target" \
    --package sapwood --package sapwood-e2e --bin sapwood --bin sapwood-images
mkdir -p "$cache"
"$target/release/sapwood-images" busybox "$image"

root=$(mktemp -d "${TMPDIR:-/var/tmp}/sapwood-run-XXXXXX")
# --one-file-system: should a mount be left in there, its content is nobody's to delete.
trap 'as_root rm -rf --one-file-system "$root"' EXIT

as_root() {
    if [[ $EUID == 0 ]]; then "$@"; else sudo "$@"; fi
}

# On a store of the driver's own.
sapwood() {
    as_root "$target/release/sapwood" --root "$root/$driver" --runroot "$root/run" \
        --storage-driver "$driver" "$@"
}

# Shows a command as one would type it, and runs it.
show() {
    local word
    printf '\n$ sapwood --storage-driver %s' "$driver"
    for word; do
        if [[ $word == *[!a-zA-Z0-9_./:=-]* ]]; then word=${word@Q}; fi
        printf ' %s' "$word"
    done
    printf '\n'
    sapwood "$@"
}

for driver in overlay2 vfs; do
    printf '\n======== %s ========\n' "$driver"
    show load -i "$image"
    show images
    # shellcheck disable=SC2016 # for the container's shell
    show run --name first --hostname ring busybox sh -c \
        'echo "process $$ on $(hostname), as $(id -un)"; ps; grep " / " /proc/mounts; echo new > /file'
    show ps -a
    show storage tree
    show storage changes "$(sapwood ps -aq)"
    show rm first
done

if grep -F " $root" /proc/self/mounts; then
    echo "run: these mounts were left behind" >&2
    exit 1
fi

cat <<EOF

It works. The program is $target/release/sapwood; to use it as above, as root:

    install $target/release/sapwood /usr/local/bin
    sapwood load -i $image
    sapwood run --rm -it busybox sh
EOF
