#!/usr/bin/env bash
# Builds the extension in release mode and installs it into any PostgreSQL from 15 to 18.
#
#   tools/install.sh /path/to/pg_config
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
trap stop_progress EXIT
trap 'exit 130' INT TERM
pg_config=${1:-}
[ -n "$pg_config" ] || die "say which PostgreSQL: make install PG_CONFIG=/path/to/pg_config"
pg_config=$(command -v "$pg_config") || die "there is no program $1"

version=$("$pg_config" --version)
major=${version#PostgreSQL }; major=${major%%[!0-9]*}
case $major in 15 | 16 | 17 | 18) ;; *) die "$version: cometchat_ext is for PostgreSQL 15 to 18" ;; esac
[ -e "$("$pg_config" --includedir-server)/postgres.h" ] ||
  die "the server's headers are missing: on Debian, install postgresql-server-dev-$major"

tools/setup.sh tools
# cargo-pgrx wants to know of a PostgreSQL, whichever it is asked to install into.
if [ ! -e "$PGRX_HOME/config.toml" ]; then
  mkdir -p "$PGRX_HOME"
  printf '[configs]\npg%s = "%s"\n' "$major" "$pg_config" >"$PGRX_HOME/config.toml"
fi
# sudo only where this user cannot write.
sudo=()
for dir in "$("$pg_config" --pkglibdir)" "$("$pg_config" --sharedir)/extension"; do
  [ -w "$dir" ] || sudo=(--sudo)
done
[ ${#sudo[@]} = 0 ] || { say "asking sudo to write into $("$pg_config" --pkglibdir)"; as_root true; }
# Copied over in place, a library takes down the server that has it loaded; removed, it stays with it
# until the restart.
old=$("$pg_config" --pkglibdir)/cometchat_ext.so
if [ ${#sudo[@]} = 0 ]; then rm -f "$old"; else as_root rm -f "$old"; fi
progress "building and installing for $version" timeout 3600 \
  cargo pgrx install --release --no-default-features --features "pg$major" \
  --pg-config "$pg_config" "${sudo[@]}"

say "installed into $("$pg_config" --pkglibdir)"
printf '%s\n' "" "Now, in postgresql.conf (README, Configuration), then a restart:" \
  "  shared_preload_libraries = 'cometchat_ext'   # add it to what is there" \
  "  cometchat.app_id = '...'" "  cometchat.region = 'us'" "  cometchat.api_key_file = '...'" \
  "and in each database:" "  CREATE EXTENSION cometchat_ext;   -- from an older version: ALTER EXTENSION cometchat_ext UPDATE;"
