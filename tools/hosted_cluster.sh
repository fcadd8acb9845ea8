#!/usr/bin/env bash
# A server like supabase.com's with the hosted edition in it, and a local CometChat: for tests.
#
#   tools/hosted_cluster.sh start DIR [MAJOR]    database "spec"; writes DIR/env, to be sourced
#   tools/hosted_cluster.sh stop DIR [MAJOR]
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
action=$1 dir=$2 major=${3:-17}
bin=$(pg_bin "$major")
if [ "$action" = stop ]; then
  [ ! -s "$dir/simulator.pid" ] || kill "$(cat "$dir/simulator.pid")" 2>/dev/null || true
  tools/cluster.sh stop "$dir" "$major"
  exit
fi
simulator=$CARGO_TARGET_DIR/release/cometchat-simulator
[ -x "$simulator" ] || simulator=$CARGO_TARGET_DIR/debug/cometchat-simulator
mkdir -p "$dir"
tools/cluster.sh start "$dir" "$major" "shared_preload_libraries = 'pg_cron'" "cron.database_name = 'spec'" \
  "cron.host = '$dir'" "${HOSTED_CONF:-cron.log_run = on}"
psql=("$bin/psql" -X -q -v ON_ERROR_STOP=1 -h "$dir")
"${psql[@]}" -U supabase_admin -d postgres -c "CREATE DATABASE spec"
"${psql[@]}" -U supabase_admin -d spec -f tests/supabase/fixture.sql -c "SET client_min_messages = warning" \
  -f tests/editions/platform.sql -c "CREATE EXTENSION plpgsql_check"
tools/hosted.sh "$dir/dist"
"${psql[@]}" -U postgres -d spec -f "$dir/dist/cometchat_hosted.sql" -f tests/editions/loopback.sql >/dev/null
"$simulator" --port 0 --default-app spec --ready-file "$dir/simulator.json" >"$dir/simulator.log" 2>&1 &
echo $! >"$dir/simulator.pid"
for _ in $(seq 100); do [ ! -s "$dir/simulator.json" ] || break; sleep 0.1; done
address() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$dir/simulator.json"; }
key=$(awk '/^API key/ { print $3 }' "$dir/simulator.log")
"${psql[@]}" -U postgres -d spec -v key="$key" -v url="$(address base_url)" >/dev/null <<'SQL'
SELECT vault.create_secret(:'key', 'cometchat_api_key');
INSERT INTO cometchat.settings VALUES ('app_id', 'spec'), ('region', 'us'), ('api_base_url', :'url')
ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value;
SQL
printf 'COMETCHAT_URL=%s\nCOMETCHAT_CONTROL=%s\n' "$(address base_url)" "$(address control_url)" >"$dir/env"
