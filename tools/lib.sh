# What the scripts in tools/ share: where things are, how to talk, how to become another user.
# shellcheck shell=bash
PGRX_VERSION=0.18.1
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$ROOT/target}
export PGRX_HOME=$CARGO_TARGET_DIR/pgrx-home
export PATH="$HOME/.cargo/bin:$PATH"
# Rust would capture a backtrace for every Postgres ERROR of a server started from here.
unset RUST_BACKTRACE

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Runs a command as root: sudo only if this is not root already.
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# Postgres refuses to run as root: then it runs as the postgres user of Debian's package.
PG_USER=$(id -un); [ "$(id -u)" != 0 ] || PG_USER=postgres
as_pg() { if [ "$(id -u)" = 0 ]; then (cd / && setpriv --reuid=postgres --regid=postgres --init-groups env -u RUST_BACKTRACE HOME=/tmp "$@"); else "$@"; fi; }

# PostgreSQL's private copies lie under target/, unless that is out of the postgres user's reach
# (a clone in /root, say).
pg_prefix() {
  if [ "$(id -u)" = 0 ] && id postgres >/dev/null 2>&1 && ! as_pg test -x "$ROOT"; then
    printf '/var/cache/cometchat_ext/%s/pg/%s' "$(cksum <<<"$ROOT" | cut -d' ' -f1)" "$1"
  else
    printf '%s/pg/%s' "$CARGO_TARGET_DIR" "$1"
  fi
}
pg_bin() { printf '%s/lib/postgresql/%s/bin' "$(pg_prefix "$1")" "$1"; }
