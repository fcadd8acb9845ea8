#!/usr/bin/env bash
# A throwaway cluster of our own: it touches no other, and listens on a socket in its own folder.
#
#   tools/cluster.sh start DIR [MAJOR] [LINE OF postgresql.conf ...]
#   tools/cluster.sh stop DIR [MAJOR]
#
# PG_BIN names another PostgreSQL than our own copy. All else is as Postgres comes: JIT on, eight worker
# processes, autovacuum.
#
# The bootstrap superuser is "supabase_admin", so that Supabase's roles can be loaded into it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
action=$1 dir=$2 major=${3:-15}
shift 2; [ $# -eq 0 ] || shift
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
  *) die "unknown action: $action" ;;
esac
