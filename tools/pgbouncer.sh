#!/usr/bin/env bash
# Unpacks Debian's PgBouncer beside our copy of PostgreSQL 15, for tests/scenarios/tests/pgbouncer.rs, and
# prints its folder. Installed as a package it would run as a service.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
dir=$(pg_prefix 15)/pgbouncer
if [ ! -x "$dir/pgbouncer" ]; then
  mapfile -t missing < <(debian_missing libc-ares2 libevent-2.1-7)
  [ ${#missing[@]} = 0 ] || debian_install "${missing[@]}"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  debian_unpack "$work" pgbouncer
  mkdir -p "$dir"
  cp "$work/usr/sbin/pgbouncer" "$dir"
  [ "$(id -u)" != 0 ] || chmod -R a+rX "$dir"
fi
printf '%s\n' "$dir"
