#!/usr/bin/env bash
# A throwaway cluster of our own: it touches no other, and listens on a socket in its own folder.
#
#   tools/cluster.sh start DIR [MAJOR] [LINE OF postgresql.conf ...]
#   tools/cluster.sh stop DIR [MAJOR]
#   tools/cluster.sh guard MAJOR      reads names of folders, a line each, until its input ends; then
#                                     stops and removes the clusters in them, those that are left
#   tools/cluster.sh check MAJOR      whether what the scenarios need is installed; says what to do
#
# PG_BIN names another PostgreSQL than our own copy. All else is as Postgres comes: JIT on, eight worker
# processes, autovacuum.
#
# The bootstrap superuser is "supabase_admin", so that Supabase's roles can be loaded into it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
action=$1
case $action in
  guard | check) dir='' major=$2; shift 2 ;;
  *) dir=$2 major=${3:-15}; shift 2; [ $# -eq 0 ] || shift ;;
esac
bin=${PG_BIN:-$(pg_bin "$major")}

case $action in
  start)
    mkdir -p "$dir"
    if [ "$(id -u)" = 0 ]; then chown "$PG_USER" "$dir"; fi
    as_pg "$bin/initdb" -D "$dir/data" -U supabase_admin -E UTF8 --locale=C.UTF-8 --auth=trust \
      --no-sync >"$dir/initdb.log" 2>&1 || { cat "$dir/initdb.log" >&2; die "initdb failed"; }
    {
      printf '%s\n' "listen_addresses = ''" "unix_socket_directories = '$dir'" \
        "max_connections = 100" "log_line_prefix = '%m [%p] %q%u@%d '" "$@"
    } | as_pg tee -a "$dir/data/postgresql.conf" >/dev/null
    as_pg "$bin/pg_ctl" -D "$dir/data" -l "$dir/server.log" -w -t 60 start >/dev/null ||
      { tail -n 20 "$dir/server.log" >&2; die "the server did not start"; }
    ;;
  stop)
    if as_pg test -e "$dir/data/postmaster.pid"; then
      as_pg "$bin/pg_ctl" -D "$dir/data" -m immediate -w -t 30 stop >/dev/null
    fi
    ;;
  guard)
    # Whatever ends the process at the other end of the pipe, this script ends after it.
    trap '' INT TERM HUP
    dirs=()
    while IFS= read -r dir; do dirs+=("$dir"); done
    for dir in "${dirs[@]}"; do
      [ -d "$dir" ] || continue
      "$ROOT/tools/cluster.sh" stop "$dir" "$major" || true
      rm -rf "$dir"
    done
    ;;
  check)
    hint="run \`make build PG=$major\` first (COMETCHAT_PG chooses the major version: this is $major)"
    [ -x "$bin/postgres" ] || die "PostgreSQL $major is not here: $hint"
    for library in cometchat_ext safeupdate; do
      [ -e "$(pg_lib "$major")/$library.so" ] || die "$library is not installed in PostgreSQL $major: $hint"
    done
    ;;
  *) die "unknown action: $action" ;;
esac
