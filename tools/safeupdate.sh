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
# Not with --release: that would build pgrx once more, and no test measures it.
progress "building safeupdate" timeout 1200 \
  cargo build -p safeupdate --no-default-features --features "pg$major"
library=$(pg_lib "$major")/safeupdate.so
# Renamed into place: a server may have the old one loaded, or be about to load it.
install -m 755 "$CARGO_TARGET_DIR/debug/libsafeupdate.so" "$library.new"
mv "$library.new" "$library"
