#!/usr/bin/env bash
# Puts Debian's packages of extensions that look at every statement beside our copy of PostgreSQL: a server that is
# audited and watched, for tests/scenarios/tests/beside_extensions.rs and for what may be in its log.
#
#   tools/other_extensions.sh [MAJOR]     15 (default) or 17. Fails, and says why, where they are not to be had.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
major=${1:-15}
names=(pgaudit pg-stat-kcache pg-qualstats pg-wait-sampling set-user)
case $major in 15 | 17) ;; *) die "Debian has no such extensions for PostgreSQL $major" ;; esac
! pg_given "$major" || die "PG_CONFIG's PostgreSQL is used as it is, and nothing is added to it"
[ ! -e "$(pg_lib "$major")/pgaudit.so" ] || exit 0
say "fetching pgaudit and other extensions for PostgreSQL $major"
work=$(mktemp -d "${TMPDIR:-/tmp}/cometchat-others.XXXXXX")
trap 'rm -rf "$work"' EXIT
packages=("${names[@]/#/postgresql-$major-}")
case $major in
  15) debian_unpack "$work" "${packages[@]}" 2>"$work/log" ;;
  17) timeout 600 tools/getpg.sh trixie "$major" "$work" "${packages[@]}" >"$work/log" 2>&1 ;;
esac || { tail -n 5 "$work/log" >&2; die "the packages cannot be fetched"; }
[ -e "$work/usr/lib/postgresql/$major/lib/pgaudit.so" ] || die "Debian's packages have no pgaudit"
# Only what is missing: a server may be running from here. pgaudit comes last, as it says that all is there.
lib=$(pg_lib "$major")
for file in "$work/usr/lib/postgresql/$major/lib"/*.so "$work/usr/share/postgresql/$major/extension"/*; do
  case $file in */pgaudit.so) continue ;; *.so) target=$lib ;; *) target=$(pg_share "$major") ;; esac
  [ -e "$target/${file##*/}" ] || cp "$file" "$target/"
done
cp "$work/usr/lib/postgresql/$major/lib/pgaudit.so" "$lib/pgaudit.so.new"
mv "$lib/pgaudit.so.new" "$lib/pgaudit.so"
if [ "$(id -u)" = 0 ]; then chmod -R a+rX "$(pg_prefix "$major")"; fi
