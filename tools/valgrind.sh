#!/usr/bin/env bash
# `make valgrind`: names of all kinds in databases of all encodings, on a server that runs under
# valgrind. It fails when valgrind reports anything with a frame of ours in it; 20 minutes at the most.
#
#   tools/valgrind.sh [TEST ...]     instead of these, tests of the files below whose name contains it
#
# A server that Debian built does not tell valgrind of its own memory contexts: a read beyond a text is
# reported where it leaves malloc's block, or uses what nobody has written yet, and not before.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
export COMETCHAT_PG=${COMETCHAT_PG:-15}
major=$COMETCHAT_PG work='' server=''
cleanup() {
  stop_progress
  [ -z "$server" ] || stop_server || true
  [ -z "$work" ] || { stop_clusters "$work" "$major"; rm -rf "$work"; }
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
tests=("$@")
[ $# -gt 0 ] || for encoding in latin1 euc_jp sql_ascii; do
  tests+=("$encoding::names_that" "$encoding::a_name_in" "$encoding::overrides" "$encoding::a_claim"
    "$encoding::sign_ups" "$encoding::what_cometchat" "$encoding::what_operators")
done
[ $# -gt 0 ] || tests+=(a_new_registration a_refresh_mints every_argument_and_metadata)   # of flows.rs and names.rs

tools/setup.sh "$major"
tools/build.sh "$major"
tools/safeupdate.sh "$major"
mapfile -t missing < <(debian_missing valgrind libc6-dbg)
[ ${#missing[@]} = 0 ] || debian_install "${missing[@]}"
progress "building the tests" timeout 1800 cargo test -p scenarios --no-run

work=$(mktemp -d "${TMPDIR:-/tmp}/valgrind.XXXXXX")
chmod a+rx "$work"
cluster=$work/cluster reports=$work/reports
tools/cluster.sh start "$cluster" "$major" "shared_preload_libraries = 'cometchat_ext'" "fsync = off" \
  "autovacuum = off" "authentication_timeout = 600"
# Their databases are made at full speed; and what fails without valgrind is not looked at under it.
COMETCHAT_CLUSTER=$cluster PG_BIN=$(pg_bin "$major") progress "the same without valgrind" \
  timeout 300 cargo test -p scenarios encodings::names_that_people_have
as_pg "$(pg_bin "$major")/pg_ctl" -D "$cluster/data" -m fast -w -t 60 stop >/dev/null
mkdir "$reports"
cp tools/valgrind.supp "$work"
chmod a+r "$work/valgrind.supp"
[ "$(id -u)" != 0 ] || chown "$PG_USER" "$reports"

stop_server() {
  as_pg "$(pg_bin "$major")/pg_ctl" -D "$cluster/data" -m fast -w -t 120 stop >/dev/null
  server=''
}
# A file for each process, which a child that is forked begins anew.
as_pg env TMPDIR="$cluster" valgrind -q --trace-children=yes --error-limit=no --leak-check=no \
  --show-leak-kinds=none --num-callers=40 \
  --run-libc-freeres=no --suppressions="$work/valgrind.supp" --xml=yes --xml-file="$reports/%p.xml" \
  "$(pg_bin "$major")/postgres" -D "$cluster/data" </dev/null >"$cluster/server.log" 2>&1 &
server=$!
for ((second = 0; ; second++)); do
  ! as_pg "$(pg_bin "$major")/pg_isready" -q -h "$cluster" || break
  [ "$second" -lt 120 ] && kill -0 "$server" || { tail -n 20 "$cluster/server.log" >&2; die "no server"; }
  sleep 1
done
say "the server runs under valgrind; ${#tests[@]} names of tests, 20 minutes at the most"
failed=0
COMETCHAT_CLUSTER=$cluster PG_BIN=$(pg_bin "$major") COMETCHAT_SLOWNESS=7 \
  timeout --kill-after=30 20m cargo test -p scenarios --no-fail-fast -- --test-threads=2 "${tests[@]}" || failed=$?
stop_server

# An <error> of several lines becomes one record; those with a frame of ours count.
ours=$work/ours
cat "$reports"/*.xml | awk 'BEGIN { RS = "</error>" }
  /<error>/ && !/<kind>Leak/ && /<obj>[^<]*cometchat_ext\.so<\/obj>/ {
    sub(/.*<error>/, ""); gsub(/ *<\/?(frame|stack|auxwhat|unique|tid|ip|dir)>[^\n]*\n/, ""); print; print "" }' >"$ours"
total=$(cat "$reports"/*.xml | grep '<kind>' | grep -vc Leak || true)
count=$(grep -c '<kind>' "$ours" || true)
if [ "$count" != 0 ]; then
  sed -n '1,200p' "$ours" | sed 's/ *<[a-z]*>/  /; s/<.*//' >&2
  die "valgrind reports $count errors with frames of cometchat_ext.so (and $((total - count)) of others)"
fi
say "valgrind reports nothing of ours ($total errors of others)"
exit "$failed"
