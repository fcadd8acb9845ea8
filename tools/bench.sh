#!/usr/bin/env bash
# `make bench`: figures as ratios within one run, since shared machines are no clocks.
#
#   tools/bench.sh [--full | --small] [PART ...]
#
# --full: 200 tries of everything, a million users, 10,000 calls in one session (about 25 minutes).
# --small: a minute or two, to see that everything works. The parts are in benches/src/main.rs.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
export COMETCHAT_PG=${COMETCHAT_PG:-15}
major=$COMETCHAT_PG
bench='' work=''
# Whatever ends this, no server is left running: those of the benchmarks are named by its process.
cleanup() {
  stop_progress
  [ -z "$bench" ] || kill "$bench" 2>/dev/null || true
  [ -z "$bench" ] || wait "$bench" 2>/dev/null || true
  for dir in ${bench:+"${TMPDIR:-/tmp}/cc$bench"-*} ${work:+"$work/shared"}; do
    [ ! -d "$dir" ] || { tools/cluster.sh stop "$dir" "$major" || true; rm -rf "$dir"; }
  done
  [ -z "$work" ] || rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

tools/setup.sh "$major"
tools/build.sh "$major"
progress "building the benchmarks" timeout 3600 \
  cargo build --release -p cometchat_bench --no-default-features --features "pg$major"
progress "building the benchmarks" timeout 3600 cargo build --release -p benches
"$CARGO_TARGET_DIR/release/cometchat-bench" "$@" &
bench=$!
status=0
wait "$bench" || status=$?

if [ "$*" = --full ]; then
  work=$(mktemp -d "${TMPDIR:-/tmp}/cometchat-bench.XXXXXX")
  chmod a+x "$work"
  tools/cluster.sh start "$work/shared" "$major" "shared_preload_libraries = 'cometchat_ext'"
  COMETCHAT_CLUSTER=$work/shared COMETCHAT_CALLS=10000 \
    timeout 1800 cargo test -p scenarios session_hygiene::thousands -- --nocapture || status=$?
fi
exit "$status"
