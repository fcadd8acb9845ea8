#!/usr/bin/env bash
# `make bench`: figures as ratios within one run, since shared machines are no clocks.
#
#   tools/bench.sh [--full | --small] [PART ...]
#
# COMETCHAT_PG chooses PostgreSQL's major version (15). The part "http" runs on 17 whatever that is, as Debian
# has pgsql-http for it; the part "route" needs Node. Where either is not to be had, the results say so.
#
# --full: 200 tries of everything, a million users, 10,000 calls in one session (about 25 minutes).
# --small: a minute or two, to see that everything works. The parts are in benches/src/main.rs.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
export COMETCHAT_PG=${COMETCHAT_PG:-15}
major=$COMETCHAT_PG
bench=''
# The servers of the benchmarks stop with the program that started them.
cleanup() {
  stop_progress
  [ -z "$bench" ] || kill "$bench" 2>/dev/null || true
  [ -z "$bench" ] || wait "$bench" 2>/dev/null || true
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

# wanted PART: no part is named, or this one.
wanted() {
  local argument named=0
  for argument in "${arguments[@]}"; do
    case $argument in --*) ;; "$1") return 0 ;; *) named=1 ;; esac
  done
  [ "$named" = 0 ]
}
arguments=("$@")

tools/setup.sh "$major"
tools/build.sh "$major"
postgres_with_http() {
  if [ "$major" != 17 ]; then
    tools/setup.sh 17 || return
    tools/build.sh 17 || return
  fi
  tools/hosted_extensions.sh 17
}
if wanted http; then
  postgres_with_http || say "pgsql-http is left out: it is not to be had here"
fi
if wanted route; then
  tools/node.sh tests/supabase || say "the server route is left out: Node is not to be had here"
fi
progress "building the benchmarks" timeout 3600 \
  cargo build --release -p cometchat_bench --no-default-features --features "pg$major"
progress "building the benchmarks" timeout 3600 cargo build --release -p benches
"$CARGO_TARGET_DIR/release/cometchat-bench" "$@" &
bench=$!
status=0
wait "$bench" || status=$?

if [ "$*" = --full ]; then
  tools/safeupdate.sh "$major"
  COMETCHAT_CALLS=10000 \
    timeout 1800 cargo test -p scenarios session_hygiene::thousands -- --nocapture || status=$?
fi
exit "$status"
