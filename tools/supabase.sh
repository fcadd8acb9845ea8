#!/usr/bin/env bash
# End-to-end tests: supabase-js, a gateway, PostgreSQL with the extension, a local CometChat.
# Assumes that tools/setup.sh and tools/build.sh have run, for $COMETCHAT_PG (15) both.
#
#   tools/supabase.sh [NAME]   only the files of tests/supabase/tests that NAME is in the name of,
#                              or, if there is none, only the tests that it is in the name of
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
export COMETCHAT_PG=${COMETCHAT_PG:-15}
simulator=$CARGO_TARGET_DIR/release/cometchat-simulator
[ -x "$simulator" ] || die "$simulator is not there: run tools/setup.sh $COMETCHAT_PG and tools/build.sh $COMETCHAT_PG first"

# ---- clean-up: what a run that was cut short has left -------------------------------------------
work='' tests=''
cleanup() {
  local dir pid
  stop_progress
  if [ -n "$tests" ] && kill "$tests" 2>/dev/null; then wait "$tests" || true; fi
  [ -n "$work" ] || return 0
  for dir in "$work"/*/ "$work"/*/*/; do
    if [ -f "$dir/simulator.pid" ]; then
      pid=$(cat "$dir/simulator.pid")
      [ "$(readlink "/proc/$pid/exe")" != "$(readlink -f "$simulator")" ] || kill "$pid" || true
    fi
    [ ! -d "$dir/data" ] || tools/cluster.sh stop "${dir%/}" "$COMETCHAT_PG" || true
  done
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

tools/safeupdate.sh "$COMETCHAT_PG"
tools/node.sh tests/supabase
work=$(mktemp -d "${TMPDIR:-/tmp}/cometchat-supabase.XXXXXX")
chmod 711 "$work" # the server's own user passes through
export TMPDIR=$work NO_COLOR=1

filter=()
if [ $# -gt 0 ]; then
  # vitest takes a regular expression; this is a piece of a name.
  pattern=$(sed 's/[][\.*^$+?(){}|/]/\\&/g' <<<"$1")
  if compgen -G "tests/supabase/tests/*$1*.test.ts" >/dev/null; then filter=("$1"); else filter=(-t "$pattern"); fi
fi
say "checking the types"
(cd tests/supabase && exec timeout 300 node_modules/.bin/tsc --noEmit)
say "running the tests"
status=0
(cd tests/supabase && exec timeout -k 20 600 node_modules/.bin/vitest run "${filter[@]}") &
tests=$!
wait "$tests" || status=$?
tests=
exit "$status"
