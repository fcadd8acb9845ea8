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

# The version of everything here.
crate_version() { sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$ROOT/Cargo.toml"; }

# Runs a command as root: sudo only if this is not root already.
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# Postgres refuses to run as root: then it runs as the postgres user of Debian's package.
PG_USER=$(id -un); [ "$(id -u)" != 0 ] || PG_USER=postgres
as_pg() { if [ "$(id -u)" = 0 ]; then (cd / && setpriv --reuid=postgres --regid=postgres --init-groups env -u RUST_BACKTRACE HOME=/tmp "$@"); else "$@"; fi; }

# debian_unpack DIR PACKAGE...: downloads packages into DIR and unpacks them there. Nothing is installed.
debian_unpack() {
  local dir=$1 package
  shift
  (cd "$dir" && timeout 600 apt-get -q download "$@" >&2)
  for package in "$dir"/*.deb; do dpkg -x "$package" "$dir"; done
}

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
# PG_CONFIG=/path/to/pg_config in the environment: that PostgreSQL is used as it is, for its own major
# version, and no copy is made. What is built is installed into it.
pg_given() {
  [ -n "${PG_CONFIG:-}" ] && [[ $("$PG_CONFIG" --version 2>/dev/null) =~ ^PostgreSQL\ $1([^0-9]|$) ]]
}
pg_bin() {
  if pg_given "$1"; then "$PG_CONFIG" --bindir; else printf '%s/lib/postgresql/%s/bin' "$(pg_prefix "$1")" "$1"; fi
}
# Where extensions' libraries are installed, and their scripts.
pg_lib() {
  if pg_given "$1"; then "$PG_CONFIG" --pkglibdir; else printf '%s/lib/postgresql/%s/lib' "$(pg_prefix "$1")" "$1"; fi
}
pg_share() {
  if pg_given "$1"; then printf '%s/extension' "$("$PG_CONFIG" --sharedir)"
  else printf '%s/share/postgresql/%s/extension' "$(pg_prefix "$1")" "$1"; fi
}

# debian_copy MAJOR FROM TO: a copy of a PostgreSQL in Debian's layout, which runs where it is copied to.
debian_copy() {
  local major=$1 from=$2 to=$3
  [ -d "$from/lib/postgresql/$major" ] && [ -d "$from/share/postgresql/$major" ] ||
    die "PostgreSQL $major in $from is not laid out as Debian's packages are: no copy of it would run"
  mkdir -p "$to/lib/postgresql" "$to/share/postgresql"
  cp -a "$from/lib/postgresql/$major" "$to/lib/postgresql/"
  cp -a "$from/share/postgresql/$major" "$to/share/postgresql/"
  rm -f "$to"/{lib,share}/postgresql/"$major"/*/cometchat_ext*
  ln -s "$from/include" "$to/include"   # pg_config finds the headers beside its own prefix
}
# pg_copy MAJOR TO: a copy of the PostgreSQL in use, for a test that changes or breaks it.
pg_copy() {
  local bin
  bin=$(pg_bin "$1")
  if pg_given "$1"; then debian_copy "$1" "${bin%/lib/postgresql/*}" "$2"; else cp -a "$(pg_prefix "$1")" "$2"; fi
}

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
