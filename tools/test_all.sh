#!/usr/bin/env bash
# `make test-all`: all tests in every major version, and a table of suites and majors.
#
#   tools/test_all.sh [NAME]       only tests whose name contains NAME; COMETCHAT_PG="16 18" for some majors
#
# Where the servers come from is in tools/setup.sh: 15 from Debian 12, 16 from a Python package, 17 and 18 from later
# Debian releases. What 16 lacks is said at the end: that package has no contrib modules.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
trap 'exit 130' INT TERM
read -ra majors <<<"${COMETCHAT_PG:-15 16 17 18}"
logs=$CARGO_TARGET_DIR/test-all
rm -rf "$logs"
mkdir -p "$logs"
status=0
for major in "${majors[@]}"; do
  COMETCHAT_PG=$major tools/test.sh "${1:-}" || status=1
  # By suite: those that run inside PostgreSQL have its version in their names.
  sed "s/^\([a-z_-]*\)-$major /\1 /" "$CARGO_TARGET_DIR/test-logs/summary" >"$logs/$major" || status=1
  cp "$CARGO_TARGET_DIR"/test-logs/*.log "$logs/" 2>/dev/null || true
done

# One row for each suite: passed/failed/skipped in each major.
printf '\n%-14s' ''
printf ' %14s' "${majors[@]}"
printf '\n'
(cd "$logs" && awk '
  FNR == 1 { majors[++count] = FILENAME }
  { if (!($1 in seen)) { seen[$1]; suites[++rows] = $1 } cell[$1, FILENAME] = $2 "/" $3 "/" $4 }
  END { for (r = 1; r <= rows; r++) {
          printf "%-14s", suites[r]
          for (m = 1; m <= count; m++) printf " %14s", (suites[r], majors[m]) in cell ? cell[suites[r], majors[m]] : "-"
          printf "\n" } }' "${majors[@]}")
printf '%-14s passed/failed/skipped; logs in %s\n' '' "${logs#"$PWD"/}"
for major in "${majors[@]}"; do
  missing=''
  for module in pgcrypto pg_stat_statements pageinspect amcheck; do
    [ -e "$(pg_share "$major")/$module.control" ] || missing+=" $module"
  done
  [ -z "$missing" ] || say "PostgreSQL $major here has no$missing"
done
exit "$status"
