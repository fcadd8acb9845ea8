#!/usr/bin/env bash
# Builds in release mode and installs: the extension into an own copy of PostgreSQL, the simulator
# into target/release. Takes a second when nothing changed.
#
#   tools/build.sh [MAJOR]       default 15; run tools/setup.sh first
#   tools/build.sh MAJOR dev     `make build`: all that `cargo test -p scenarios` needs, in dev mode
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
trap stop_progress EXIT
trap 'exit 130' INT TERM
major=${1:-15} mode=${2:-release}

[ -w "$(pg_lib "$major")" ] && [ -w "$(pg_share "$major")" ] ||
  die "$(pg_lib "$major") or $(pg_share "$major") is not writable: make it so, or unset PG_CONFIG to use a copy"

# A library that is copied over in place kills the servers that have it loaded; removed, it stays
# with them (make demo KEEP=1) until they end.
rm -f "$(pg_lib "$major")/cometchat_ext.so"
# The install script of an earlier version would be offered beside the present one.
rm -f "$(pg_share "$major")"/cometchat_ext--*.sql

release=(--release) first=''
[ "$mode" != dev ] || release=()
[ "$mode" = dev ] || [ -e "$CARGO_TARGET_DIR/release/libcometchat_ext.so" ] ||
  first=" (about 5 minutes the first time, on two cores)"
progress "building the extension$first" timeout 3600 \
  cargo pgrx install "${release[@]}" --no-default-features --features "pg$major" \
  --pg-config "$(pg_bin "$major")/pg_config"
if [ "$mode" = dev ]; then
  tools/safeupdate.sh "$major"
else
  progress "building the simulator" timeout 3600 cargo build --release -p simulator --bin cometchat-simulator
fi

# Postgres runs as another user when this is root, and must be able to read what was installed.
if [ "$(id -u)" = 0 ]; then
  chmod a+rX "$(pg_lib "$major")"/cometchat_ext* "$(pg_share "$major")"/cometchat_ext* 2>/dev/null || true
fi
