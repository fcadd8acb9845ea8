#!/usr/bin/env bash
# `make bench`: figures as ratios within one run, since shared machines are no clocks.
#
#   tools/bench.sh [--full]      --full: 200 tries of everything, and 10,000 calls in one session
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
trap stop_progress EXIT
trap 'exit 130' INT TERM HUP
export COMETCHAT_PG=${COMETCHAT_PG:-15}
major=$COMETCHAT_PG

tools/setup.sh "$major"
tools/build.sh "$major"
progress "building the benchmarks" timeout 3600 \
  cargo build --release -p cometchat_bench --no-default-features --features "pg$major"
progress "building the benchmarks" timeout 3600 cargo build --release -p benches
"$CARGO_TARGET_DIR/release/cometchat-bench" "$@"

if [ "${1:-}" = --full ]; then
  work=$(mktemp -d "${TMPDIR:-/tmp}/cometchat-bench.XXXXXX")
  chmod a+x "$work"
  trap 'stop_progress; tools/cluster.sh stop "$work/shared" "$major" || true; rm -rf "$work"' EXIT
  tools/cluster.sh start "$work/shared" "$major" "shared_preload_libraries = 'cometchat_ext'"
  COMETCHAT_CLUSTER=$work/shared COMETCHAT_CALLS=10000 \
    timeout 1800 cargo test -p scenarios --test session_hygiene thousands -- --nocapture
fi
