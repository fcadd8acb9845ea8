#!/usr/bin/env bash
# The life of the Debian package, run by tools/package_test.sh inside a bare system with PostgreSQL.
#
#   package_life.sh MAJOR OLD_VERSION NEW_VERSION       the packages lie in /packages
#   package_life.sh MAJOR together NEW_VERSION          only: server and package removed by one dpkg
set -euo pipefail
major=$1 old=$2 new=$3
name=postgresql-$major-cometchat-ext
fail() { echo "FAILED: $*" >&2; exit 1; }
step() { echo "--- $*"; }
sql() { (cd /tmp && runuser -u postgres -- psql -X -At -v ON_ERROR_STOP=1 -c "$1"); }
deb() { compgen -G "/packages/${name}_$1-1_*.deb"; }
# The postmaster's own ending; no systemd here.
cluster() { pg_ctlcluster "$major" main "$@"; }
eventually() { for _ in $(seq 150); do [ "$(sql "$1")" = "$2" ] && return; sleep 0.2; done; fail "never $2: $1"; }

[ -e "/etc/postgresql/$major/main" ] || pg_createcluster "$major" main
preload=/etc/postgresql/$major/main/conf.d/cometchat.conf
healthy="SELECT string_agg(check_name || ' ' || ok, ', ' ORDER BY check_name) FROM cometchat.health()
         WHERE check_name IN ('worker', 'versions')"

# Where the server goes as well there is nothing to protect.
if [ "$old" = together ]; then
  step "purge the server and the package together, by dpkg, while it is preloaded"
  dpkg -i "$(deb "$new")"
  echo "shared_preload_libraries = 'cometchat_ext'" >"$preload"
  if dpkg -r "$name" >/dev/null 2>&1; then fail "removed alone, though it is preloaded"; fi
  dpkg -P "$name" "postgresql-$major"
  exit
fi

step "install $old"
dpkg -i "$(deb "$old")"
echo "shared_preload_libraries = 'cometchat_ext'" >"$preload"
cluster start
sql "CREATE EXTENSION cometchat_ext; SELECT cometchat.wake()"
eventually "$healthy" "versions true, worker true"

step "upgrade to $new, while it runs"
dpkg -i "$(deb "$new")"
eventually "$healthy" "versions true, worker true"
cluster restart
sql "ALTER EXTENSION cometchat_ext UPDATE; SELECT cometchat.wake()"
[ "$(sql "SELECT extversion FROM pg_extension WHERE extname = 'cometchat_ext'")" = "$new" ] || fail "not $new"
eventually "$healthy" "versions true, worker true"

step "remove it while it is preloaded: refused"
if dpkg -r "$name" >/tmp/said 2>&1; then fail "it was removed"; fi
grep -q "The cluster $major/main preloads cometchat_ext" /tmp/said || { cat /tmp/said; fail "it does not say why"; }
cluster restart
sql "ALTER SYSTEM SET shared_preload_libraries = 'cometchat_ext'"
rm "$preload"
if dpkg -r "$name" >/tmp/said 2>&1; then fail "removed, though ALTER SYSTEM preloads it"; fi

step "remove it after that"
sql "ALTER SYSTEM RESET shared_preload_libraries"
cluster restart
dpkg -r "$name"
cluster restart
sql "SELECT 1" >/dev/null
left=$(find / -xdev \( -path /packages -o -path /proc \) -prune -o -name '*cometchat*' -print | grep -v "^/var/lib/dpkg/info/$name" || true)
[ -z "$left" ] || fail "left behind: $left"

step "install it again: what the database has is served"
dpkg -i "$(deb "$new")"
sql "SELECT count(*) FROM cometchat.health()" >/dev/null
sql "DROP EXTENSION cometchat_ext" 2>/dev/null

step "purge it"
dpkg -P "$name"
[ -z "$(find / -xdev \( -path /packages -o -path /proc \) -prune -o -name '*cometchat*' -print)" ] || fail "a file is left"

step "remove it from a cluster whose files name others' programs and users: nothing of it is run"
dpkg -i "$(deb "$new")"
server=/usr/lib/postgresql/$major/bin/postgres
cluster stop
mv "$server" "$server.kept"
printf '#!/bin/sh\nid -un >>/tmp/ran\n' >"$server"
chmod +x "$server"
useradd eve
mkdir -p "/etc/postgresql/$major/other" /srv/data
chown eve /srv/data
mkfifo /srv/data/postgresql.auto.conf
printf "data_directory = '/srv/data'\nshared_preload_libraries = 'other' # cometchat_ext\n" \
  >"/etc/postgresql/$major/other/postgresql.conf"
dpkg -r "$name"
[ ! -e /tmp/ran ] || fail "run as $(sort -u /tmp/ran)"
mv "$server.kept" "$server"
rm -r "/etc/postgresql/$major/other" /srv/data
cluster start

step "purge the server and the package together, by apt, while it is preloaded"
dpkg -i "$(deb "$new")"
echo "shared_preload_libraries = 'cometchat_ext'" >"$preload"
cluster stop   # what the server's package leaves to systemd
DEBIAN_FRONTEND=noninteractive apt-get -q -y purge "postgresql-$major" "$name"
[ -z "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null | grep -v not-installed)" ] || fail "it is still there"
step "all is well"
