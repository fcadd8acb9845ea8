# What the scripts in tools/ share: where things are, how to talk, how to become another user.
# shellcheck shell=bash
PGRX_VERSION=0.18.1
NODE_VERSION=22.20.0
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$ROOT/target}
# An empty folder stands for a checkout in which nothing was set up yet (tools/install_test.sh).
export PGRX_HOME=${COMETCHAT_PGRX_HOME:-$CARGO_TARGET_DIR/pgrx-home}
NODE_HOME=$CARGO_TARGET_DIR/node
export PATH="$NODE_HOME/bin:$HOME/.cargo/bin:$PATH"
# Rust would capture a backtrace for every Postgres ERROR of a server started from here.
unset RUST_BACKTRACE

say() { if [ -t 2 ]; then printf "\033[1m==>\033[0m %s\n" "$*"; else printf "==> %s\n" "$*"; fi >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Runs a command as root: sudo only if this is not root already.
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# Postgres refuses to run as root: then it runs as the postgres user of Debian's package.
PG_USER=$(id -un); [ "$(id -u)" != 0 ] || PG_USER=postgres
as_pg() { if [ "$(id -u)" = 0 ]; then (cd / && setpriv --reuid=postgres --regid=postgres --init-groups env -u RUST_BACKTRACE HOME=/tmp "$@"); else "$@"; fi; }

# debian_missing PACKAGE...: prints those that are not installed; none where this is not Debian.
debian_missing() {
  local package
  command -v dpkg-query >/dev/null || { say "not a Debian machine: make sure that you have the equivalents of $*"; return; }
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || printf '%s\n' "$package"
  done
}
debian_install() {
  say "installing Debian packages: $*"
  as_root true   # asks for the password before the output is hidden
  local wait=(-o DPkg::Lock::Timeout=300)   # somebody else may be installing, an automatic update say
  progress "reading Debian's package lists" as_root timeout 600 apt-get -q "${wait[@]}" update
  progress "installing Debian packages" as_root timeout 1800 env DEBIAN_FRONTEND=noninteractive \
    apt-get -q "${wait[@]}" install -y --no-install-recommends "$@"
}

# stop_clusters DIR MAJOR: those that were started in folders of DIR, if any.
stop_clusters() {
  local cluster
  for cluster in "$1"/*/data; do
    [ ! -e "$cluster" ] || "$ROOT/tools/cluster.sh" stop "${cluster%/data}" "$2" || true
  done
}

# PostgreSQL's private copies lie under target/, unless that is out of the postgres user's reach
# (a clone in /root, say).
# The prefix of a major: 15 is a copy of Debian 12's own, 16 of a Python package's, the others are
# unpacked with their usr/.
pg_prefix() {
  local usr=
  case $1 in 15 | 16) ;; *) usr=/usr ;; esac
  if [ "$(id -u)" = 0 ] && id postgres >/dev/null 2>&1 && ! as_pg test -x "$ROOT"; then
    printf '/var/cache/cometchat_ext/%s/pg/%s%s' "$(cksum <<<"$ROOT" | cut -d' ' -f1)" "$1" "$usr"
  else
    printf '%s/pg/%s%s' "$CARGO_TARGET_DIR" "$1" "$usr"
  fi
}
pg_bin() { printf '%s/lib/postgresql/%s/bin' "$(pg_prefix "$1")" "$1"; }
# Where extensions' libraries and scripts are installed.
pg_lib() { printf '%s/lib/postgresql/%s/lib' "$(pg_prefix "$1")" "$1"; }
pg_share() { printf '%s/share/postgresql/%s/extension' "$(pg_prefix "$1")" "$1"; }

# progress LABEL COMMAND...: runs a long step without its output, showing the seconds and, on a
# terminal, the line it is at. What it printed is shown when it fails. Give it a `timeout`.
progress() {
  local label=$1 log started=$SECONDS shown=$SECONDS status=0
  shift
  log=$(mktemp)
  "$@" >"$log" 2>&1 </dev/null &
  PROGRESS_PID=$!
  while kill -0 "$PROGRESS_PID" 2>/dev/null; do
    if [ -t 2 ]; then
      printf '\r\033[K\033[1m==>\033[0m %s  %d s  \033[2m%s\033[0m' "$label" $((SECONDS - started)) \
        "$(tail -n 1 "$log" | sed "s|\x1b\[[0-9;]*m||g" | tr -d "\r" | cut -c1-$((70 - ${#label} > 10 ? 70 - ${#label} : 10)))" >&2
      sleep 0.3
    else
      [ $((SECONDS - shown)) -lt 20 ] || { shown=$SECONDS; say "$label: $((SECONDS - started)) s"; }
      sleep 0.2
    fi
  done
  wait "$PROGRESS_PID" || status=$?
  PROGRESS_PID=
  [ ! -t 2 ] || printf '\r\033[K' >&2
  if [ "$status" != 0 ]; then
    tail -n 40 "$log" >&2
    rm -f "$log"
    die "$label: failed (status $status) after $((SECONDS - started)) s"
  fi
  [ $((SECONDS - started)) -lt 3 ] || say "$label: done in $((SECONDS - started)) s"
  rm -f "$log"
}
PROGRESS_PID=
# For the EXIT trap of whoever uses progress: `timeout` ends what it runs when it is ended itself.
stop_progress() { [ -z "$PROGRESS_PID" ] || kill "$PROGRESS_PID" 2>/dev/null || true; }
