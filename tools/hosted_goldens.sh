#!/usr/bin/env bash
# Runs the goldens that both editions share (tests/editions/goldens.txt) on the hosted edition.
#
#   tools/hosted_goldens.sh DIR [MAJOR]     DIR: of a cluster that tools/hosted_cluster.sh has started
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
dir=$1 major=${2:-17}
bin=$(pg_bin "$major")
# shellcheck source=/dev/null
source "$dir/env"
export COMETCHAT_URL COMETCHAT_CONTROL COMETCHAT_KEY_FILE=
psql=("$bin/psql" -X -q -v ON_ERROR_STOP=1 -h "$dir" -U supabase_admin -d spec)
"${psql[@]}" -c "DROP SCHEMA IF EXISTS spec CASCADE" 2>/dev/null
# The helpers of setup.sql, without what is the extension's own.
sed -n '/^-- Helpers of the spec itself/,$p' tests/pg_regress/sql/setup.sql | "${psql[@]}" -f - >/dev/null
"${psql[@]}" -c "SELECT cometchat.pause()" -c "DELETE FROM auth.users WHERE true" \
  -c "DELETE FROM cometchat.sync_state WHERE true" -c "SELECT spec.control('POST', 'reset')" >/dev/null
mapfile -t tests < <(grep -v '^#' tests/editions/goldens.txt)
out=$CARGO_TARGET_DIR/hosted-goldens
rm -rf "$out"; mkdir -p "$out"
pgxs=$("$bin/pg_config" --pgxs)
"${pgxs%/makefiles/pgxs.mk}/test/regress/pg_regress" \
  --inputdir=tests/pg_regress --outputdir="$out" --bindir="$bin" --use-existing --dbname=spec \
  --host="$dir" --user=supabase_admin "${tests[@]}" >"$out/log" 2>&1 || true
# One line is the edition's own: where an error comes from a function that is one in C natively.
status=0
for test in "${tests[@]}"; do
  sed -E '/^CONTEXT:  PL\/pgSQL function cometchat\.check_profile\(text\) line [0-9]+ at RAISE$/{N;s/.*\n/CONTEXT:  /}' \
    "$out/results/$test.out" | diff -u "tests/pg_regress/expected/$test.out" - || status=1
done
[ "$status" = 0 ] && say "the goldens of both editions: ${#tests[@]} files, word for word"
exit "$status"
