#!/usr/bin/env bash
# `make demo`: one user's way into CometChat, in SQL, on a throwaway cluster with a local CometChat.
#
#   KEEP=1: leaves both running at the end and prints how to connect.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
KEEP=${KEEP:-}

# ---- clean-up: whatever happens ---------------------------------------------------------------
work='' simulator=''
cleanup() {
  stop_progress
  [ -z "$simulator" ] || kill "$simulator" 2>/dev/null || true
  [ -z "$work" ] || { tools/cluster.sh stop "$work" 15 || true; rm -rf "$work"; }
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

# ---- what it stands on ------------------------------------------------------------------------
tools/setup.sh 15
tools/build.sh 15

work=$(mktemp -d "${TMPDIR:-/tmp}/cometchat-demo.XXXXXX")
# In a session of its own: with KEEP=1 it outlives the terminal.
setsid "$CARGO_TARGET_DIR/release/cometchat-simulator" --port 0 --control-port 0 \
  --ready-file "$work/simulator.json" >"$work/simulator.log" 2>&1 &
simulator=$!
for _ in $(seq 100); do [ ! -s "$work/simulator.json" ] || break; sleep 0.1; done
[ -s "$work/simulator.json" ] || { cat "$work/simulator.log" >&2; die "the simulator did not start"; }
address() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$work/simulator.json"; }
api=$(address base_url) control=$(address control_url)
key=$(awk '/^API key/ { print $3 }' "$work/simulator.log")

tools/cluster.sh start "$work" 15 "shared_preload_libraries = 'cometchat_ext'" \
  "cometchat.app_id = 'demo'" "cometchat.region = 'us'" \
  "cometchat.api_key_file = '$work/cometchat.key'" "cometchat.api_base_url = '$api'"
# SECURITY: as in production, the key is in a file that only the server can read.
as_pg sh -c 'umask 077; cat > "$1"' - "$work/cometchat.key" <<<"$key"
psql=("$(pg_bin 15)/psql" -X -q -v ON_ERROR_STOP=1 -h "$work" -U supabase_admin -d postgres)
"${psql[@]}" -f tests/supabase/fixture.sql >/dev/null

# ---- how a step is shown ----------------------------------------------------------------------
bold='' dim='' cyan='' off=''
[ ! -t 1 ] || { bold=$'\033[1m' dim=$'\033[2m' cyan=$'\033[36m' off=$'\033[0m'; }
number=0
# step COMMENT [psql options]: shows the SQL on stdin, runs it as it is, shows what came back.
step() {
  local comment=$1 sql
  shift
  sql=$(cat)
  number=$((number + 1))
  printf '\n%s%d. %s%s\n\n' "$bold" "$number" "$comment" "$off"
  sed -e "s/^/   $cyan/; s/\$/$off/; s| \\\\g /dev/null|;|" <<<"$sql"
  printf '\n'
  timeout 60 "${psql[@]}" "$@" <<<"$sql" 2>&1 | sed -e '/^$/d' -e "s/^/   $dim|$off /"
}
note() { printf '   %s%s%s\n' "$dim" "$*" "$off"; }
requests() { curl -s -m 10 "$control/requests/count" | tr -dc '0-9'; }
json=(-A -t)

ada=6f1c0a52-3a6b-4b1e-9d0f-1d2c3b4a5968
grace=0b8e6a7d-52c4-4f39-8a11-7c9d0e5f2b34
# What PostgREST runs around supabase.rpc(): the role and the claims of the request's JWT.
as_user() {
  cat <<SQL
begin;
set local role authenticated;
select set_config('request.jwt.claims', '{"sub": "$1", "role": "authenticated"}', true) \\g /dev/null
$2
commit;
SQL
}

# ---- the walk-through -------------------------------------------------------------------------
printf '\n%scometchat_ext%s on %s, with a local CometChat at %s\n' "$bold" "$off" \
  "$("${psql[@]}" "${json[@]}" -c "select 'PostgreSQL ' || current_setting('server_version')")" "$api"

step "The extension, in a database with Supabase's roles and auth schema" <<SQL
create extension cometchat_ext;
select name, setting from pg_settings where name in ('cometchat.app_id', 'cometchat.region');
SQL

step "Ada signs up: Supabase Auth inserts her row" <<SQL
insert into auth.users (id, email, raw_user_meta_data)
values ('$ada', 'ada@example.com', '{"display_name": "Ada Lovelace"}')
returning id, email, raw_user_meta_data ->> 'display_name' as display_name;
SQL

step "Her browser calls supabase.rpc('cometchat_ensure_user'): one request, and she is there with a token" "${json[@]}" < <(
  as_user "$ada" "select jsonb_pretty(cometchat_ensure_user());"
)
before=$(requests)
note "requests that CometChat has had: $before"

step "The mapping that is stored" <<SQL
select id, user_id, cometchat_uid, left(cometchat_auth_token, 48) || '...' as cometchat_auth_token
from cometchat_users;
SQL

step "She logs in again: the stored token, without a request (row security shows her only her own row)" < <(
  as_user "$ada" "select cometchat_ensure_user() ->> 'authToken' = cometchat_auth_token as same_token
from cometchat_users;"
)
note "requests that CometChat has had: $before before, $(requests) after"

step "A new token on demand" < <(
  as_user "$ada" "select right(cometchat_auth_token, 12) as old_token_ends,
       right(cometchat_refresh_token() ->> 'authToken', 12) as new_token_ends
from cometchat_users;"
)
note "requests that CometChat has had: $(requests)"

step "Nobody asks for somebody else" "${json[@]}" < <(
  as_user "$ada" "select cometchat_ensure_user('$grace');"
)

curl -s -m 10 -o "$work/answer" -X PUT "$control/listener" -d '{"state":"closed"}'
"${psql[@]}" -c "insert into auth.users (id, email) values ('$grace', 'grace@example.com')"
step "CometChat is down: Ada's login works all the same; Grace, who is new, gets a clear answer" < <(
  as_user "$ada" "select cometchat_ensure_user() -> 'success' as ada_success;"
  as_user "$grace" "select cometchat_ensure_user() as grace;"
)
curl -s -m 10 -o "$work/answer" -X PUT "$control/listener" -d '{"state":"open"}'

step "The key is missing" "${json[@]}" < <(
  echo "set cometchat.api_key_file = '';"
  as_user "$grace" "select cometchat_ensure_user();"
)

step "All is well again, and the next call mends what was missing" < <(
  as_user "$grace" "select cometchat_ensure_user() -> 'success' as grace_success;"
)
printf '\n'

if [ -n "$KEEP" ] && [ "$KEEP" != 0 ]; then
  cat <<END
${bold}Left running, as asked:${off}
   ${psql[0]} -h $work -U supabase_admin postgres
   CometChat    $api   (key $key)
   steer it     curl $control/state     (tests/simulator/README.md)
   stop         kill $simulator; tools/cluster.sh stop $work; rm -rf $work
END
  work='' simulator=''
else
  say "done; nothing is left running (make demo KEEP=1 leaves it to play with)"
fi
