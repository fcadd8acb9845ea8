#!/usr/bin/env bash
# Tests the edition for supabase.com on PostgreSQL 17, with Debian's pgsql-http and pg_cron. Prints "ok N - what" or
# "not ok N - what" for what it checks itself, and what cargo says of the scenarios.
#
#   tools/hosted_test.sh DIR     DIR: for a cluster; the library and a simulator must be built
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
dir=$1 major=17 n=0 status=0
bin=$(pg_bin "$major")
tools/hosted_extensions.sh "$major"
cleanup() { tools/hosted_cluster.sh stop "$dir" "$major" || true; }
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

# check WHAT COMMAND...: one test.
check() {
  local what=$1 said
  n=$((n + 1))
  shift
  if said=$("$@" 2>&1); then printf 'ok %s - %s\n' "$n" "$what"
  else printf 'not ok %s - %s\n%s\n' "$n" "$what" "$said"; status=1; fi
}
sql() { "$bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h "$dir" -d spec -U "$1" -c "$2"; }
is() { [ "$1" = "$2" ] || { printf 'expected: %s\ngot:      %s\n' "$2" "$1"; return 1; }; }

# eventually ROLE QUERY: until it says t, a minute at most.
eventually() {
  for _ in $(seq 120); do
    [ "$(sql "$1" "$2" 2>/dev/null)" != t ] || return 0
    sleep 0.5
  done
  printf 'waited in vain: %s\n' "$2"; sql postgres "SELECT * FROM cometchat.health() WHERE NOT ok"; return 1
}

# A sign-up reaches CometChat by the real pg_cron, and all is well then.
by_cron() {
  sql postgres "SELECT cometchat.resume(), cometchat.enable_auth_trigger()" >/dev/null
  sql supabase_auth_admin "INSERT INTO users (id, email) VALUES ('00000000-0000-4000-8000-00000000c001', 'c@example.com')"
  eventually postgres "SELECT EXISTS (SELECT FROM cometchat_users
    WHERE user_id = '00000000-0000-4000-8000-00000000c001' AND cometchat_auth_token IS NOT NULL)"
  # (The goldens leave users whom no trigger saw.)
  eventually postgres "SELECT count(*) = 0 FROM cometchat.health() WHERE NOT ok AND check_name <> 'missed changes'"
}
# A job that fails every time looks as such.
failing_job() {
  sql postgres "SELECT cron.schedule('cometchat', '1 second', 'CALL cometchat.process_queue(); SELECT 1')" >/dev/null
  eventually postgres "SELECT NOT ok FROM cometchat.health() WHERE check_name = 'worker'"
  mended
}
# The hint brings the job back.
mended() {
  sql postgres "$(sql postgres "SELECT hint FROM cometchat.health() WHERE check_name = 'worker'")" >/dev/null
  eventually postgres "SELECT ok FROM cometchat.health() WHERE check_name = 'worker'"
}
# A job that was switched off in the dashboard, or is gone.
lost_job() {
  sql postgres "SELECT cron.alter_job(j.jobid, active => false) FROM cron.job AS j WHERE j.jobname = 'cometchat'" >/dev/null
  mended
  sql postgres "SELECT cron.unschedule('cometchat')" >/dev/null
  mended
}
# plpgsql_check: no error in any function. (Of records without a type it knows nothing.)
checked() {
  is "$(sql supabase_admin "SELECT string_agg(c.functionid || ': ' || c.message, E'\n')
    FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang AND l.lanname = 'plpgsql',
    LATERAL plpgsql_check_function_tb(p.oid, CASE WHEN p.prorettype <> 'trigger'::regtype THEN 0
      WHEN p.proname = 'on_settings_changed' THEN 'cometchat.settings'::regclass ELSE 'auth.users'::regclass END) AS c
    WHERE (p.pronamespace = 'cometchat'::regnamespace OR p.proname LIKE 'cometchat\_%')
      AND c.level = 'error' AND c.message !~ '^record \"(old|new)_row\" is not assigned yet'")" ""
}
# Every function and column has a comment, as in the extension.
commented() {
  is "$(sql supabase_admin "SELECT string_agg(p.oid::regprocedure::text, ', ') FROM pg_proc AS p
    WHERE p.pronamespace = 'cometchat'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL")" ""
}
# A definer has a fixed path, and only definers are called by others.
pinned() {
  is "$(sql supabase_admin "SELECT string_agg(p.oid::regprocedure::text, ', ') FROM pg_proc AS p
    WHERE p.pronamespace IN ('cometchat'::regnamespace, 'public'::regnamespace) AND p.prosecdef
      AND p.proname <> 'on_auth_user_update' AND NOT 'search_path=pg_catalog, pg_temp' = ANY (p.proconfig)")" ""
}

# What handles users' tokens has generic plans: others have tokens as constants, which auto_explain logs.
generic() {
  is "$(sql supabase_admin "SELECT string_agg(p.oid::regprocedure::text, ', ') FROM pg_proc AS p
    WHERE p.pronamespace IN ('cometchat'::regnamespace, 'public'::regnamespace) AND p.prosecdef
      AND (p.prosrc ~ 'cometchat\.(work|load|run|request)\M' OR p.proname LIKE 'cometchat\_%')
      AND NOT 'plan_cache_mode=force_generic_plan' = ANY (p.proconfig)")" ""
}

check "the file installs beside the real pg_cron" tools/hosted_cluster.sh start "$dir" "$major"
check "goldens" tools/hosted_goldens.sh "$dir" "$major"
check "plpgsql_check" checked
check "comments" commented
check "definers have a fixed path" pinned
check "plans with tokens are generic" generic
check "pg_cron sends a sign-up" by_cron
check "a job that fails is named" failing_job
check "a job that is lost is brought back by the hint" lost_job
cleanup
trap - EXIT

export COMETCHAT_PG=$major COMETCHAT_HOSTED=1
cargo test -q -p scenarios --no-fail-fast -- --test-threads=4 editions:: hosted_ || status=1
mapfile -t both < <(grep -v '^#' tests/editions/scenarios.txt)
ran=$(COMETCHAT_EDITION=hosted cargo test -p scenarios --no-fail-fast -- --test-threads=4 --exact "${both[@]}" 2>&1) || status=1
printf '%s\n' "$ran"
# A test that is named there and does not exist any more would not be missed.
grep -q "^test result: ok. ${#both[@]} passed" <<<"$ran" || { printf 'not ok 0 - %s scenarios of both editions\n' "${#both[@]}"; status=1; }
exit "$status"
