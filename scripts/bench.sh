#!/bin/bash
# Measures Sapwood beside others, taking turns: `start` (the default) times
# containers, `load` times images until they are on the disk.
set -euo pipefail
cd "$(dirname "$0")/.."

what=start
if [[ $# -gt 0 && $1 != -* ]]; then
    what=$1
    shift
fi
case $what in
    start) image=busybox ;;
    load) image=realistic ;;
    *) echo "$0: $what can't be measured; start and load can" >&2; exit 2 ;;
esac

cache=${XDG_CACHE_HOME:-$HOME/.cache}/sapwood
archive=$cache/$image.tar
# Named to cargo, so that a configuration of its user's doesn't put it elsewhere.
target=${CARGO_TARGET_DIR:-target}

cargo build --locked --release --target-dir "$target" \
    --package sapwood --package sapwood-e2e --package sapwood-bench
mkdir -p "$cache"
"$target/release/sapwood-images" "$image" "$archive"
exec "$target/release/sapwood-bench" "$what" --sapwood "$target/release/sapwood" \
    --archive "$archive" --image "$image" "$@"
