#!/usr/bin/env bash
# The Dockerfiles of packaging, step by step in a bare system with PostgreSQL, laid out as their images are: those of
# packaging/docker with 17, packaging/cloudnativepg's with 18. Run by tools/package_test.sh inside it; no Docker needed.
#
#   package_layouts.sh MAJOR       the build's context, and the Dockerfiles, lie in /packages
set -euo pipefail
major=$1
bin=/usr/lib/postgresql/$major/bin
fail() { echo "FAILED: $*" >&2; exit 1; }
step() { echo "--- $*"; }
as_postgres() { (cd /tmp && runuser -u postgres -- "$@"); }

# Does what a Dockerfile's COPY and RUN lines say.
build() {
  local word rest to
  while read -r word rest; do
    case $word in
      COPY)
        to=${rest##* }
        mkdir -p "$to"
        # shellcheck disable=SC2086 # names with wildcards, as COPY takes them
        (cd /packages && cp ${rest% *} "$to")
        ;;
      RUN) sh -c "$rest" ;;
    esac
  done <"/packages/$1"
  [ ! -e /tmp/cometchat ] || fail "$1 leaves /tmp/cometchat behind"
}

# serves DATA OPTION...: the server that the image would start has a worker, and preloads what it is to preload.
serves() {
  local data=$1 preloads=$2 said
  shift 2
  as_postgres "$bin/pg_ctl" -D "$data" -w -l "$data.log" -o "$*" start >/dev/null || { cat "$data.log" >&2; fail "no start"; }
  sql() { as_postgres psql -X -At -v ON_ERROR_STOP=1 -c "$1" 2>/dev/null; }
  [ "$(sql 'SHOW shared_preload_libraries')" = "$preloads" ] || fail "preloads $(sql 'SHOW shared_preload_libraries')"
  sql "CREATE EXTENSION cometchat_ext" >/dev/null
  sql "SELECT cometchat.wake()" >/dev/null
  for _ in $(seq 150); do
    said=$(sql "SELECT string_agg(check_name, ' ') FROM cometchat.health() WHERE check_name IN ('worker', 'versions') AND NOT ok")
    [ -n "$said" ] || break
    sleep 0.2
  done
  [ -z "$said" ] || fail "not well: $said"
  sql "SHOW cometchat.region"
  as_postgres "$bin/pg_ctl" -D "$data" -w -m fast stop >/dev/null
}

# An image with nothing but /lib and /share, which the operator mounts where the two settings point to.
if [ "$major" = 18 ]; then
  step "cloudnativepg/Dockerfile"
  tar -xz -C /packages --strip-components=1 -f /packages/cometchat_ext-*.tar.gz
  image=/extensions/cometchat-ext
  while read -r from to; do
    mkdir -p "$image$to"
    cp -r "/packages/$from/." "$image$to"
  done < <(sed -n 's/^COPY //p' /packages/Dockerfile)
  find / -xdev \( -path /packages -o -path /extensions -o -path /proc \) -prune -o -name '*cometchat*' -print | grep . &&
    fail "there is another one"
  as_postgres "$bin/initdb" -D /tmp/new >/dev/null
  printf '%s\n' "extension_control_path = '\$system:$image/share'" "dynamic_library_path = '\$libdir:$image/lib'" \
    "shared_preload_libraries = 'cometchat_ext'" >>/tmp/new/postgresql.conf
  serves /tmp/new cometchat_ext
  step "all is well"
  exit
fi

step "postgres.Dockerfile"
# Where the official image has the sample, and what links to it.
sample=/usr/share/postgresql/$major/postgresql.conf.sample
mv "$sample" /usr/share/postgresql/postgresql.conf.sample
ln -s ../postgresql.conf.sample "$sample"
build postgres.Dockerfile
as_postgres "$bin/initdb" -D /tmp/new >/dev/null
serves /tmp/new cometchat_ext
dpkg -P "postgresql-$major-cometchat-ext" >/dev/null

step "supabase.Dockerfile"
# That image has PostgreSQL elsewhere, its settings in /etc/postgresql, and preloads much.
printf '#!/bin/sh\ncase $1 in --pkglibdir) echo %s ;; --sharedir) echo %s ;; esac\n' \
  "/usr/lib/postgresql/$major/lib" "/usr/share/postgresql/$major" >/usr/local/bin/pg_config
chmod +x /usr/local/bin/pg_config
mkdir -p /etc/postgresql /etc/postgresql-custom
install -o postgres /tmp/new/postgresql.conf /etc/postgresql/postgresql.conf
printf "shared_preload_libraries = 'auto_explain, auth_delay'   # (change requires restart)\n" >>/etc/postgresql/postgresql.conf
sed -i 's/, cometchat_ext//; s/^shared_preload_libraries = .cometchat_ext.//' /etc/postgresql/postgresql.conf
build supabase.Dockerfile
cp /packages/cometchat.conf /etc/postgresql-custom/
as_postgres "$bin/initdb" -D /tmp/other >/dev/null
[ "$(serves /tmp/other 'auto_explain, auth_delay, cometchat_ext' -c config_file=/etc/postgresql/postgresql.conf)" = us ] ||
  fail "the snippet is not read"
step "all is well"
