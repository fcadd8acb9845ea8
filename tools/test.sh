#!/usr/bin/env bash
# `make test`: all suites, one after the other, and one line at the end that sums them up.
#
#   tools/test.sh [NAME]         only tests whose name contains NAME
#
# What runs inside PostgreSQL runs in 15 and in 17; COMETCHAT_PG names others (COMETCHAT_PG=15, say).
# COMETCHAT_DATABASES=latin1 or settings: the scenarios in other databases (tests/scenarios/src/database_variant.rs).
# A suite that fails does not stop the others; one that does not finish counts as a failed test.
# Up to two failed tests of a suite are run once more, alone. Whoever passes then counts as passed and
# is named in the summary: a busy machine should not fail a run, and nobody should overlook a flake.
# Logs stay in target/test-logs.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
name=${1:-}
read -ra majors <<<"${COMETCHAT_PG:-15 17}"
first=${majors[0]}
export COMETCHAT_PG=$first
logs=$CARGO_TARGET_DIR/test-logs
work=''
cleanup() {
  [ -z "$work" ] || { stop_clusters "$work" "$COMETCHAT_PG"; rm -rf "$work"; }
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

for major in "${majors[@]}"; do tools/setup.sh "$major"; done
bouncer=$(tools/pgbouncer.sh) || say "PgBouncer is not to be had here: its tests are skipped"
monitoring=$(tools/monitoring.sh) || say "Prometheus is not to be had here: its tests are skipped"
faketime=$(tools/faketime.sh) || say "libfaketime is not to be had here: its tests are skipped"
export COMETCHAT_FAKETIME=$faketime
export PATH=$PATH${bouncer:+:$bouncer}${monitoring:+:$monitoring}
mkdir -p "$logs"
rm -f "$logs"/*.log "$logs/summary"
work=$(mktemp -d "${TMPDIR:-/tmp}/cometchat-test.XXXXXX")
chmod a+x "$work"

# again LOG cargo test ... -- ...: runs the one or two tests that failed in LOG once more, alone, and
# prints their names if they pass. A test binary that crashed is not forgiven.
again() {
  local log=$1 failed base=()
  shift
  mapfile -t failed < <(sed -n 's/^test \([^ ]*\) \.\.\. FAILED$/\1/p' "$log" | sort -u)
  [ "${#failed[@]}" -ge 1 ] && [ "${#failed[@]}" -le 2 ] || return 0
  [ "$(grep -c '^error: test failed' "$log")" = "$(grep -c '^test result: FAILED' "$log")" ] || return 0
  while [ "$1" != -- ]; do base+=("$1"); shift; done
  say "once more, alone: ${failed[*]}"
  timeout --kill-after=30 5m "${base[@]}" -- --test-threads=1 --exact "${failed[@]}" </dev/null \
    >"${log%.log}.again.log" 2>&1 || return 0
  [ "$(grep -c '^test .* \.\.\. ok$' "${log%.log}.again.log")" != "${#failed[@]}" ] || printf '%s\n' "${failed[@]}"
}

# suite NAME MINUTES COMMAND...: runs it, shows and keeps its output, and counts.
suite() {
  local suite=$1 minutes=$2 log=$logs/$1.log started=$SECONDS status=0 flaky=''
  shift 2
  say "$suite"
  timeout --kill-after=30 "${minutes}m" "$@" </dev/null 2>&1 | tee "$log" || status=$?
  [ "$status" != 124 ] || printf 'stopped after %s minutes\n' "$minutes" | tee -a "$log"
  # 101 is cargo's word for tests that failed; of others, not all may have run.
  [ "$status" != 101 ] || [ "$1 $2" != "cargo test" ] || flaky=$(again "$log" "$@" | xargs)
  awk -v suite="$suite" -v filtered="$name" -v status="$status" -v flaky="$flaky" -v seconds=$((SECONDS - started)) '
    { gsub(/\033\[[0-9;]*m/, "") }
    # libtest: one line for each binary, and one for each test
    /^test result:/ { for (i = 1; i <= NF; i++) { if ($i ~ /^passed/) passed += $(i-1)
                        if ($i ~ /^failed/) failed += $(i-1); if ($i ~ /^ignored/) ignored += $(i-1) } }
    /^test .* \.\.\. ignored/ { print "skipped: " suite ": " $0 > "/dev/stderr" }
    # vitest; tools/client.sh counts for itself
    suite != "typescript" && /^ *Tests +[0-9]/ { for (i = 2; i <= NF; i++) { if ($i == "passed") passed += $(i-1)
                          if ($i == "failed") failed += $(i-1); if ($i == "skipped" && !filtered) ignored += $(i-1) } }
    # pg_regress: TAP from 16 on, "test NAME ... ok" before
    /^(ok|not ok) +[0-9]+ / { if ($1 == "ok") passed++; else failed++ }
    /^test .* \.\.\. +ok +[0-9]+ ms/ { passed++ }
    /^test .* \.\.\. +FAILED/ && / ms$/ { failed++ }
    # vitest, which repeats by itself
    /\(retry x[0-9]+\)/ { retried++; note = note "flaky: " $0 " " }
    END {
      if (flaky) { again = split(flaky, names, " "); passed += again; failed -= again; note = "flaky: " flaky }
      else if (retried > 2) { passed -= retried; failed += retried } # as of the others: two, not more
      else if (status != 0 && failed == 0) { failed = 1; note = "did not finish" }
      printf "%-14s %7d %7d %7d %6d s  %s\n", suite, passed, failed, ignored, seconds, note
    }' "$log" >>"$logs/summary"
}

# ---- the suites -------------------------------------------------------------------------------
suite crates 20 cargo test -p cometchat -p transport -p sync -p simulator --no-fail-fast -- ${name:+"$name"}

# in_postgres MAJOR: the suites that run inside it.
in_postgres() {
  local major=$1
  export COMETCHAT_PG=$major
  # It copies over the library in place, which a server that has it loaded (make demo KEEP=1) would not
  # survive: so the old one is taken away first. Before the release build, which replaces it.
  rm -f "$(pg_lib "$major")/cometchat_ext.so"
  local pg_test=(cargo pgrx test "pg$major" ${name:+"$name"} --no-default-features
    --features "pg$major" --pgdata "$work/pg_test$major")
  mkdir "$work/pg_test$major"
  if [ "$(id -u)" = 0 ]; then
    chown postgres: "$work/pg_test$major"
    pg_test+=(--runas postgres)
  fi
  suite "pg_test-$major" 20 "${pg_test[@]}"

  say build
  tools/build.sh "$major" ||
    printf "%-14s %7d %7d %7d %6d s  did not finish\n" "build-$major" 0 1 0 0 >>"$logs/summary"
  suite "goldens-$major" 10 tools/goldens.sh "$work/goldens$major" "$name"

  tools/safeupdate.sh "$major"
  (tools/other_extensions.sh "$major") || say "pgaudit is not to be had here: what is beside it is not tested"
  # The tests start their clusters themselves, and stop them whatever happens.
  suite "scenarios-$major" 40 \
    cargo test -p scenarios --no-fail-fast -- --test-threads=4 --skip hosted_ --skip editions:: ${name:+"$name"}
}
for major in "${majors[@]}"; do in_postgres "$major"; done
# The edition for supabase.com, on PostgreSQL 17 alone: Debian has its extensions for it.
if [[ " ${majors[*]} " == *' 17 '* && -z $name ]]; then
  if (tools/hosted_extensions.sh 17); then
    suite hosted 10 tools/hosted_test.sh "$work/hosted"
    suite hosted-js 12 env NO_COLOR=1 COMETCHAT_PG=17 COMETCHAT_EDITION=hosted tools/supabase.sh
  else say "pgsql-http and pg_cron are not to be had here: the edition for supabase.com is not tested"; fi
fi

export COMETCHAT_PG=$first
[ -n "$name" ] || suite instructions 10 tools/instructions.sh
suite install 10 tools/install_test.sh
# TypeScript: the client, supabase-js against all of it, the example in a browser.
export NO_COLOR=1
suite typescript 8 tools/client.sh "$name"
suite supabase-js 12 tools/supabase.sh "$name"
suite example 8 tools/example.sh test "$name"

# Why Rust's tests failed: whoever sees only the end of a log finds it here.
for log in "$logs"/*.log; do
  grep -h -A4 "^thread '.*' .*panicked at" "$log" | grep -v '^note: \|^$\|^--$' | tail -n 40 || true
done

# ---- the sum ----------------------------------------------------------------------------------
printf '\n%-14s %7s %7s %7s\n' "" passed failed skipped
cat "$logs/summary"
printf '%-14s on PostgreSQL %s; logs in %s\n\n' "" "${majors[*]}" "${logs#"$PWD"/}"
awk '{ passed += $2; failed += $3; skipped += $4 }
     END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped; exit failed > 0 }' "$logs/summary"
