#!/usr/bin/env bash
# Unpacks Debian's Prometheus and postgres_exporter beside our copies of PostgreSQL, for
# tests/scenarios/tests/monitoring.rs, and prints their folder. Installed as packages they would run as
# services.
#
#   tools/monitoring.sh          prints the folder
#   tools/monitoring.sh test     `make monitoring`: tries the files of packaging/monitoring with them
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
dir=$CARGO_TARGET_DIR/monitoring
if [ ! -x "$dir/prometheus-postgres-exporter" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  debian_unpack "$work" prometheus prometheus-postgres-exporter
  rm -rf "$dir.new"
  mkdir -p "$dir.new"
  cp "$work"/usr/bin/{prometheus,promtool,prometheus-postgres-exporter} "$dir.new"
  [ "$(id -u)" != 0 ] || chmod -R a+rX "$dir.new"
  rm -rf "$dir"
  mv "$dir.new" "$dir"
fi
if [ "${1:-}" = test ]; then
  export COMETCHAT_PG=${COMETCHAT_PG:-15}
  tools/setup.sh "$COMETCHAT_PG"
  tools/build.sh "$COMETCHAT_PG" dev
  PATH=$PATH:$dir timeout 1200 cargo test -p scenarios monitoring::
else
  printf '%s\n' "$dir"
fi
