#!/bin/bash
# Measures container starts, Sapwood's beside others', taking turns.
set -euo pipefail
cd "$(dirname "$0")/.."

cache=${XDG_CACHE_HOME:-$HOME/.cache}/sapwood
image=$cache/busybox.tar
# Named to cargo, so that a configuration of its user's doesn't put it elsewhere.
target=${CARGO_TARGET_DIR:-target}

cargo build --locked --release --target-dir "$target" \
    --package sapwood --package sapwood-e2e --package sapwood-bench
mkdir -p "$cache"
"$target/release/sapwood-images" busybox "$image"
exec "$target/release/sapwood-bench" start --archive "$image" "$@"
