#!/usr/bin/env bash
# Builds the library of each released version, for the test of upgrades: a folder for each, with the library
# and the install script. Built once, from the commit of the release, into target/released.
#
#   tools/released_library.sh MAJOR
#
# The commit is that of the tag vVERSION, or else the one named "release: VERSION". Where neither is there, in
# a checkout without its history say, it says so, and the test takes the present library for the old one.
# Fails if the commit's own install script is another than the one that is kept in sql/released.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
trap stop_progress EXIT
trap 'exit 130' INT TERM
major=$1
released=$CARGO_TARGET_DIR/released
mkdir -p "$released"
exec 9>"$released/lock"   # tests that run side by side
flock 9

for path in sql/released/*.sql; do
  version=${path##*--} version=${version%.sql}
  to=$released/$version/$major
  [ ! -e "$to/cometchat_ext.so" ] || continue
  commit=$(git rev-parse --verify --quiet "v$version^{commit}" 2>/dev/null ||
    git log -1 --format=%H --grep="^release: ${version//./\\.}\$" 2>/dev/null) || commit=
  if [ -z "$commit" ]; then
    say "the library of $version cannot be built: neither its tag nor its commit is in this checkout"
    continue
  fi
  source=$released/$version/source
  rm -rf "$source" "$to.new"
  mkdir -p "$source"
  git archive "$commit" | tar -x -C "$source"
  progress "building the library of $version (minutes the first time)" timeout 3600 \
    env CARGO_TARGET_DIR="$released/build" CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0 \
    cargo pgrx package --manifest-path "$source/Cargo.toml" --debug --no-default-features \
    --features "pg$major" --pg-config "$(pg_bin "$major")/pg_config" --out-dir "$to.new"
  sql=$(find "$to.new" -name "cometchat_ext--$version.sql")
  cmp "$sql" "$path" || die "the commit $commit makes another install script than $path"
  mkdir -p "$to"
  mv "$sql" "$to/"
  mv "$(find "$to.new" -name cometchat_ext.so)" "$to/"
  rm -rf "$source" "$to.new"
done
