#!/usr/bin/env bash
# `make instructions`: how many instructions of the processor a stored call, a sign-up's trigger, a user sent
# from the queue and an answer take, in units of a bare look-up in PL/pgSQL. Unlike times these do not depend on how
# busy the machine is. It fails when one is more than a tenth above benches/instructions.txt, which has a line for each major.
#
#   BLESS=1 tools/instructions.sh      writes this major's lines there
#
# A single-user server under callgrind runs each loop twice; the difference is what the calls of the longer one cost.
# Calls of pg_backend_pid() tell callgrind where one loop ends and the next begins. The answer is read by a program
# without a server.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
major=${COMETCHAT_PG:-15}
baseline=benches/instructions.txt
work='' simulator=''
cleanup() {
  stop_progress
  [ -z "$simulator" ] || kill "$simulator" 2>/dev/null || true
  [ -z "$work" ] || { tools/cluster.sh stop "$work" "$major" || true; rm -rf "$work"; }
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

tools/setup.sh "$major"
tools/build.sh "$major"
mapfile -t missing < <(debian_missing valgrind libc6-dbg)
[ ${#missing[@]} = 0 ] || (debian_install "${missing[@]}") || { say "valgrind is not to be had here: skipped"; exit 0; }

# ---- a database with users of each kind -----------------------------------------------------
work=$(mktemp -d "${TMPDIR:-/tmp}/cometchat-instructions.XXXXXX")
chmod a+x "$work"
"$CARGO_TARGET_DIR/release/cometchat-simulator" --port 0 --control-port 0 --ready-file "$work/simulator.json" \
  >"$work/simulator.log" 2>&1 &
simulator=$!
for _ in $(seq 100); do [ ! -s "$work/simulator.json" ] || break; sleep 0.1; done
[ -s "$work/simulator.json" ] || { cat "$work/simulator.log" >&2; die "the simulator did not start"; }
api=$(sed -n 's/.*"base_url":"\([^"]*\)".*/\1/p' "$work/simulator.json")
key=$(awk '/^API key/ { print $3 }' "$work/simulator.log")
tools/cluster.sh start "$work" "$major" "shared_preload_libraries = 'cometchat_ext'" "fsync = off" \
  "autovacuum = off" "cometchat.app_id = 'demo'" "cometchat.region = 'us'" "cometchat.rate_limit = -1" \
  "cometchat.api_key_file = '$work/cometchat.key'" "cometchat.api_base_url = '$api'"
as_pg sh -c 'umask 077; cat > "$1"' - "$work/cometchat.key" <<<"$key"
psql=("$(pg_bin "$major")/psql" -X -q -v ON_ERROR_STOP=1 -h "$work" -U supabase_admin -d postgres)
"${psql[@]}" -f tests/supabase/fixture.sql >/dev/null
ada=6f1c0a52-3a6b-4b1e-9d0f-1d2c3b4a5968
"${psql[@]}" >/dev/null <<SQL
create extension cometchat_ext;
insert into auth.users (id, email, raw_user_meta_data) values ('$ada', 'ada@example.com', '{"name": "Ada Lovelace"}');
select cometchat_ensure_user('$ada');
create function look_up(look_for uuid) returns jsonb
language plpgsql security definer set search_path = '' as \$\$
declare
  uid text;
  token text;
begin
  select u.cometchat_uid, u.cometchat_auth_token into uid, token
  from public.cometchat_users as u where u.user_id = look_for;
  return jsonb_build_object('success', true, 'cometchatUid', uid, 'authToken', token);
end \$\$;
grant execute on function look_up(uuid) to public;
select cometchat.pause();
SQL
as_pg "$(pg_bin "$major")/pg_ctl" -D "$work/data" -m fast -w -t 60 stop >/dev/null

# ---- the loops, in a single-user server: a statement in each line -----------------------------
few=50 many=550 # calls
sign_up() { printf 'insert into auth.users (id) select gen_random_uuid() from generate_series(1, %s)\n' "$1"; }
both() { "$@" "$few"; echo "select pg_backend_pid()"; "$@" "$many"; echo "select pg_backend_pid()"; }
look_up() { printf "select count(look_up('$ada')) from generate_series(1, %s)\n" "$1"; }
stored() { printf "select count(cometchat_ensure_user()) from generate_series(1, %s)\n" "$1"; }
send() { printf 'call cometchat.process_queue(%s)\n' "$1"; }
script() {
  echo "set role authenticated"
  echo "select set_config('request.jwt.claims', '{\"sub\": \"$ada\", \"role\": \"authenticated\"}', false)"
  echo "select count(look_up('$ada')), count(cometchat_ensure_user()) from generate_series(1, 20)"
  echo "select pg_backend_pid()"
  both look_up
  both stored
  echo "reset role"
  sign_up 20
  echo "select pg_backend_pid()"
  both sign_up
  echo "select cometchat.enable_auth_trigger(), cometchat.resume()"
  sign_up 20
  send 20
  echo "select pg_backend_pid()"
  both sign_up
  both send
}
script >"$work/script.sql"
chmod a+r "$work/script.sql"
run() {
  as_pg env TMPDIR="$work" timeout 600 valgrind --tool=callgrind --callgrind-out-file="$work/calls" \
    --dump-before=pg_backend_pid "$(pg_bin "$major")/postgres" --single -D "$work/data" \
    -c jit=off postgres <"$work/script.sql" >"$work/run.log" 2>&1
}
run || { tail -n 20 "$work/run.log" >&2; die "the server did not end well"; }
! grep -E '(ERROR|FATAL|PANIC):' "$work/run.log" >&2 || die "a statement failed"

# ---- what the dumps say: events between two calls of pg_backend_pid() -------------------------
mapfile -t events < <(for file in $(ls "$work"/calls.* | sort -t. -k3 -n); do
  awk '/^(summary|totals):/ { print $2; exit }' "$file"; done)
[ "${#events[@]}" -ge 13 ] || { ls "$work" >&2; die "callgrind wrote ${#events[@]} dumps"; }
slope() { echo $(((events[$2] - events[$1]) / (many - few))); }

# ---- an answer, read without a server ----------------------------------------------------------
progress "building what reads answers" timeout 3600 cargo build --release -p cometchat --example parse
# parse TIMES: the instructions of the whole program.
parse() {
  valgrind --tool=callgrind --callgrind-out-file="$work/parse.$1" \
    "$CARGO_TARGET_DIR/release/examples/parse" "$1" >"$work/parse.log" 2>&1 || { cat "$work/parse.log" >&2; return 1; }
  awk '/^(summary|totals):/ { print $2; exit }' "$work/parse.$1"
}
page=$((($(parse 22) - $(parse 2)) / 20))
unit=$(slope 1 2)
table() {
  local name count
  while read -r count name; do
    awk -v major="$major" -v count="$count" -v unit="$unit" -v name="$name" \
      'BEGIN { printf "%s %-28s %8.2f\n", major, name, count / unit }'
  done <<END
$(slope 3 4) stored call
$(($(slope 9 10) - $(slope 6 7))) trigger at a sign-up
$(slope 11 12) a user from the queue
$page an answer with 100 users
END
}
table >"$work/table"
say "a bare look-up takes $unit instructions; in units of it:"
if [ -n "${BLESS:-}" ]; then
  { echo '# Instructions in units of a bare look-up in PL/pgSQL. Written by BLESS=1 tools/instructions.sh'
    { grep -v "^$major \|^#" "$baseline" || true; cat "$work/table"; } | sort; } >"$work/all"
  cp "$work/all" "$baseline"
fi
status=0 number=0
while read -r _ line; do
  name=$(sed 's/ *$//' <<<"${line% *}") now=${line##* } number=$((number + 1)) result=ok
  was=$(awk -v name="$major $name" 'index($0, name " ") == 1 { print $NF }' "$baseline")
  if [ -z "$was" ] || awk -v was="$was" -v now="$now" 'BEGIN { exit !(now > was * 1.1) }'; then
    result='not ok' status=1
  fi
  echo "$result $number - $name: $now, and ${was:-nothing} in $baseline"
done <"$work/table"
exit "$status"
