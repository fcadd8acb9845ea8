#!/usr/bin/env bash
# Unpacks Debian's libfaketime beside our copy of PostgreSQL 15, for tests/scenarios/tests/clock_steps.rs, and prints the
# library's path: a server that preloads it has a clock that a test may set.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
library=$(pg_prefix 15)/faketime/libfaketime.so.1
if [ ! -e "$library" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  debian_unpack "$work" libfaketime
  mkdir -p "${library%/*}"
  find "$work/usr/lib" -name libfaketime.so.1 -exec cp {} "$library" \;
  [ "$(id -u)" != 0 ] || chmod -R a+rX "${library%/*}"
fi
printf '%s\n' "$library"
