#!/usr/bin/env bash
# `make check`: all that needs no server, before each commit. Formatting, clippy, the rules of the house,
# the tests of the crates that know no Postgres, of the simulator and of the TypeScript client.
#
#   tools/check.sh       under three minutes once everything was built
#
# The last lines say how long each step took.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
trap 'exit 130' INT TERM HUP
failed='' times=''

# step NAME MINUTES COMMAND...: runs it; one that fails does not stop the others.
step() {
  local step=$1 minutes=$2 started=$SECONDS status=0
  shift 2
  say "$step"
  timeout --kill-after=30 "${minutes}m" "$@" </dev/null || status=$?
  [ "$status" = 0 ] || failed+=" $step"
  times+=$(printf '%-12s %4d s  %s' "$step" $((SECONDS - started)) \
    "$([ "$status" = 0 ] && echo ok || echo "FAILED (status $status)")")$'\n'
}

step lint 30 tools/lint.sh
step crates 20 cargo test -q -p sync -p cometchat -p transport -p simulator --no-fail-fast
# Of the scenarios, those that only read this checkout.
step documents 20 cargo test -q -p scenarios -- linter_docs:: every_file_here
step typescript 8 tools/client.sh

printf '\n%s' "$times"
[ -z "$failed" ] || die "check:$failed"
say "check: all is well, $SECONDS s"
