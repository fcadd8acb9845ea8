#!/usr/bin/env bash
# Builds what packages hold: the library, stripped, and what CREATE EXTENSION runs. The same source gives the same
# bytes, wherever it lies.
#
#   tools/package_library.sh MAJOR DIR      DIR/lib and DIR/share/extension, as CloudNativePG wants them, too
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
trap stop_progress EXIT
trap 'exit 130' INT TERM
major=$1 to=$2

# Panics and assertions name their source files: by names that are the same everywhere. The last that fits wins.
cargo_home=${CARGO_HOME:-$HOME/.cargo}
build=$CARGO_TARGET_DIR/package/build
map=("$cargo_home=/cargo" "$PWD=/cometchat_ext" "$build=/target")
RUSTFLAGS="-Clinker=$PWD/tools/link_with_libc_alone.sh"
CFLAGS=''
for entry in "${map[@]}"; do
  RUSTFLAGS+=" --remap-path-prefix=$entry"
  CFLAGS+=" -ffile-prefix-map=$entry"
done

rm -rf "$CARGO_TARGET_DIR/package/installed"
progress "building the library for PostgreSQL $major (minutes the first time)" timeout 3600 \
  env CARGO_TARGET_DIR="$build" CARGO_INCREMENTAL=0 RUSTFLAGS="$RUSTFLAGS" CFLAGS="$CFLAGS" \
  cargo pgrx package --profile shipped --no-default-features --features "pg$major" \
  --pg-config "$(pg_bin "$major")/pg_config" --out-dir "$CARGO_TARGET_DIR/package/installed"

rm -rf "$to"
mkdir -p "$to/lib" "$to/share/extension"
find "$CARGO_TARGET_DIR/package/installed" -name 'cometchat_ext.so' -exec cp {} "$to/lib/" \;
find "$CARGO_TARGET_DIR/package/installed" -name 'cometchat_ext*.sql' -exec cp {} "$to/share/extension/" \;
find "$CARGO_TARGET_DIR/package/installed" -name 'cometchat_ext.control' -exec cp {} "$to/share/extension/" \;
chmod 644 "$to/lib/"* "$to/share/extension/"*
