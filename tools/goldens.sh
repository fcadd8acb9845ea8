#!/usr/bin/env bash
# Runs the goldens of tests/pg_regress with Postgres's own pg_regress, on a cluster of their own
# that looks like Supabase's, against a local CometChat.
#
#   tools/goldens.sh DIR [NAME]    DIR: for the cluster; NAME: only files whose name contains it
#   ACCEPT=1                       takes the results over as expected: then read them in git diff
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
[ -n "${1:-}" ] || die "usage: tools/goldens.sh DIR [NAME]"
dir=$1 name=${2:-} major=${COMETCHAT_PG:-15}
bin=$(pg_bin "$major")
simulator=''
cleanup() {
  [ -z "$simulator" ] || kill "$simulator" 2>/dev/null || true
  tools/cluster.sh stop "$dir" "$major" || true
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

tools/cluster.sh start "$dir" "$major" "shared_preload_libraries = 'cometchat_ext'"
psql=("$bin/psql" -X -q -v ON_ERROR_STOP=1 -h "$dir" -U supabase_admin)
"${psql[@]}" -d postgres -c "CREATE DATABASE spec"
"${psql[@]}" -d spec -f tests/supabase/fixture.sql

"$CARGO_TARGET_DIR/release/cometchat-simulator" --port 0 --default-app spec --ready-file "$dir/simulator.json" \
  >"$dir/simulator.log" 2>&1 &
simulator=$!
for _ in $(seq 100); do [ ! -s "$dir/simulator.json" ] || break; sleep 0.1; done
address() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$dir/simulator.json"; }
COMETCHAT_URL=$(address base_url)
COMETCHAT_CONTROL=$(address control_url)
# SECURITY: the key is in a file that only the server can read.
COMETCHAT_KEY_FILE=$dir/cometchat.key
awk '/^API key/ { print $3 }' "$dir/simulator.log" |
  as_pg sh -c 'umask 077; cat > "$1"' - "$COMETCHAT_KEY_FILE"
export COMETCHAT_URL COMETCHAT_CONTROL COMETCHAT_KEY_FILE

# setup first, uninstall last; the others do not depend on each other.
tests=(setup)
for file in tests/pg_regress/sql/*.sql; do
  file=$(basename "$file" .sql)
  case $file in setup | uninstall) ;; *"$name"*) tests+=("$file") ;; esac
done
case uninstall in *"$name"*) tests+=(uninstall) ;; esac

out=$CARGO_TARGET_DIR/goldens
# pg_regress stops at a test that expects nothing yet.
[ -z "${ACCEPT:-}" ] || for test in "${tests[@]}"; do touch "tests/pg_regress/expected/$test.out"; done
rm -rf "$out"; mkdir -p "$out"
status=0
pgxs=$("$bin/pg_config" --pgxs)
"${pgxs%/makefiles/pgxs.mk}/test/regress/pg_regress" \
  --inputdir=tests/pg_regress --outputdir="$out" --bindir="$bin" --use-existing --dbname=spec \
  --host="$dir" --user=supabase_admin "${tests[@]}" || status=$?
if [ -n "${ACCEPT:-}" ]; then
  for test in "${tests[@]}"; do cp "$out/results/$test.out" tests/pg_regress/expected/; done
elif [ "$status" != 0 ] && [ -e "$out/regression.diffs" ]; then
  cat "$out/regression.diffs"
fi
exit "$status"
