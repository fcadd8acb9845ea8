#!/usr/bin/env bash
# Builds the stand-in for pg-safeupdate (tests/safeupdate) and installs it into our own copy of
# PostgreSQL, where the scenarios' databases preload it as Supabase's do.
#
#   tools/safeupdate.sh [MAJOR]
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
trap stop_progress EXIT
trap 'exit 130' INT TERM
major=${1:-15}
progress "building safeupdate" timeout 1200 \
  cargo build --release -p safeupdate --no-default-features --features "pg$major"
library=$(pg_prefix "$major")/lib/postgresql/$major/lib/safeupdate.so
# Renamed into place: a server may have the old one loaded, or be about to load it.
install -m 755 "$CARGO_TARGET_DIR/release/libsafeupdate.so" "$library.new"
mv "$library.new" "$library"
