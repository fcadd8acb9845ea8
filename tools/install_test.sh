#!/usr/bin/env bash
# `make install` with none of cargo-pgrx's notes, as in a clean clone, into a copy of a server; then
# CREATE EXTENSION there.
#
#   tools/install_test.sh        tools/setup.sh has run; prints a line as libtest does
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
major=${COMETCHAT_PG:-15} work=''
cleanup() {
  [ -z "$work" ] || { tools/cluster.sh stop "$work/cluster" "$major" || true; rm -rf "$work"; }
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
failed() { echo "test a_clean_clone_installs_into_a_server ... FAILED"; echo "test result: FAILED. 0 passed; 1 failed"; exit 1; }

work=$(mktemp -d "${TMPDIR:-/tmp}/cometchat-install.XXXXXX")
chmod a+rx "$work"
# The server that it goes into.
pg_copy "$major" "$work/server"
rm -f "$work/server"/{lib,share}/postgresql/"$major"/*/cometchat_ext*
bin=$work/server/lib/postgresql/$major/bin
COMETCHAT_PGRX_HOME=$work/pgrx-home make install PG_CONFIG="$bin/pg_config" || failed
[ "$(id -u)" != 0 ] || chmod -R a+rX "$work/server"
PG_BIN=$bin tools/cluster.sh start "$work/cluster" "$major" "shared_preload_libraries = 'cometchat_ext'" || failed
as_pg "$bin/psql" -XAtq -h "$work/cluster" -U supabase_admin -d postgres -v ON_ERROR_STOP=1 \
  -c "CREATE EXTENSION cometchat_ext" \
  -c "SELECT extname, extversion FROM pg_extension WHERE extname = 'cometchat_ext'" || failed
echo "test a_clean_clone_installs_into_a_server ... ok"
echo "test result: ok. 1 passed; 0 failed"
