#!/usr/bin/env bash
# Puts pgsql-http, pg_cron and plpgsql_check beside our copy of PostgreSQL: what the hosted edition stands on.
#
#   tools/hosted_extensions.sh [MAJOR]     17 (default). Fails, and says why, where they are not to be had.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
major=${1:-17}
[ "$major" = 17 ] || die "the hosted edition is tested on PostgreSQL 17 alone: Debian has its extensions for it"
! pg_given "$major" || [ -e "$(pg_share "$major")/http.control" ] ||
  die "PG_CONFIG's PostgreSQL has no extension http, and nothing is added to it"
[ ! -e "$(pg_share "$major")/http.control" ] || [ ! -e "$(pg_share "$major")/pg_cron.control" ] ||
  [ ! -e "$(pg_share "$major")/plpgsql_check.control" ] || exit 0
say "fetching pgsql-http, pg_cron and plpgsql_check for PostgreSQL $major (Debian trixie)"
work=$(mktemp -d "${TMPDIR:-/tmp}/cometchat-hosted.XXXXXX")
trap 'rm -rf "$work"' EXIT
timeout 600 tools/getpg.sh trixie "$major" "$work/pg" \
  "postgresql-$major-http" "postgresql-$major-cron" "postgresql-$major-plpgsql-check" >"$work/log" 2>&1 ||
  { tail -n 5 "$work/log" >&2; die "the packages cannot be fetched"; }
[ -e "$work/pg/usr/share/postgresql/$major/extension/http.control" ] || die "Debian's packages have no extension http"
# Only what is missing: a server may be running from here.
cp -an "$work/pg/usr/." "$(pg_prefix "$major")/" 2>/dev/null || cp -a --update=none "$work/pg/usr/." "$(pg_prefix "$major")/"
if [ "$(id -u)" = 0 ]; then chmod -R a+rX "$(pg_prefix "$major")"; fi
