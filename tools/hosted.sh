#!/usr/bin/env bash
# `make hosted`: the edition for supabase.com, one SQL file out of sql/ and sql/hosted/, and its uninstall.sql.
#
#   tools/hosted.sh [DIR]        DIR: where to, dist/ if not given
#
# The shared files are taken as they are but for what a second run, or a server without the extension, needs:
# the rules below. Statements, error phrases and further names come from the native edition's own source.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
dir=${1:-dist}
version=$(crate_version)
files=(
  hosted/requirements hosted/rights tables policies hosted/state hosted/statements hosted/failures
  hosted/settings auth_users enqueue trigger_failures auth_trigger worker hosted/text hosted/profile
  hosted/check_profile hosted/load hosted/claims hosted/answer hosted/request hosted/ask hosted/user_sync hosted/job
  hosted/queue hosted/auth_users backfill hosted/status hosted/remote stats operations health/hints
  health/facts health/runner health/api health/worker health/sending health/auth_users health/sign_ups
  health/queue health/access health/server hosted/health_extension health reconcile hosted/calls
  hosted/public_api grants hosted/install
)

# "@statement NAME (TYPES) RETURNS ..." becomes a function whose body is src/store/sql/NAME.sql.
#
# auth.users has row security and no policy: a role that is subject to it would see no user, and everybody would
# count as deleted. Off, it is an error instead.
statement() {
  local name arguments returns text about run set=
  read -r _ name arguments <<<"$1"
  returns=${arguments##*) RETURNS }; arguments=${arguments%) RETURNS *}')'
  [[ $1 != *'RETURNS TABLE'* ]] || { returns=TABLE${1#*RETURNS TABLE}; arguments=${1#* "$name" }; arguments=${arguments%% RETURNS TABLE*}; }
  [ -e "src/store/sql/$name.sql" ] || die "$name: there is no such statement"
  case $name in auth_users_*) set=' SET row_security = off' ;; esac
  text=$(sed 's/;$//' "src/store/sql/$name.sql")
  about=$(sed -n "1{s/^-- *//;s/'/''/g;s/:\$/./;p}" "src/store/sql/$name.sql")
  case $returns in
    TABLE*) run="  RETURN QUERY"$'\n'"$text"$'\n'";" ;;
    *) run="$text"$'\n'";"$'\n'"  GET DIAGNOSTICS changed = ROW_COUNT;"$'\n'"  RETURN changed;" ;;
  esac
  printf 'CREATE FUNCTION cometchat.statement_%s%s RETURNS %s\nLANGUAGE plpgsql VOLATILE%s\nAS $function$\n#variable_conflict use_column\n' \
    "$name" "$arguments" "$returns" "$set"
  case $returns in TABLE*) ;; *) printf 'DECLARE\n  changed bigint;\n' ;; esac
  printf 'BEGIN\n%s\nEND\n$function$;\nCOMMENT ON FUNCTION cometchat.statement_%s IS\n  %s;\n\n' "$run" "$name" "'$about'"
}

# The table of the error codes as CASE branches: code, and what stands behind KEY.
codes() {
  sed -nE 's/^    [A-Za-z]+ = "([A-Z_]+)", .*/code \1/p; s/^        '"$1"': \[?"([^"]*)".*/text \1/p' \
    crates/sync/src/error/code.rs |
    awk '$1 == "code" { code = $2; next }
         { sub(/^text /, ""); gsub(/\047/, "\047\047"); printf "    WHEN \047%s\047 THEN \047%s\047\n", code, $0 }'
}

further_names() {
  sed -n '/^const FURTHER/,/^];/p' src/store/name_fields.rs | sed -nE "s/^    \"([^\"]*)\",\$/    '\\1',/p" | sed '$s/,$//'
}

# Reads a file of sql/, and writes it with the rules above and below.
part() {
  local line
  while IFS= read -r line; do
    case $line in
      '@statement '*) statement "$line" ;;
      @phrases) codes phrases ;;
      @what_to_do) codes what_to_do ;;
      @further_name_fields) further_names ;;
      *) printf '%s\n' "${line//@version/$version}" ;;
    esac
  done <"sql/$1.sql" |
    # Functions are replaced, tables stay: so a newer file updates an older installation. What is there already takes
    # no lock that a sign-up would meet.
    # The last one: a plan that is kept is made when the tables are small, in a fresh installation, and whole tables
    # would be read for each user when they are large, until statistics are there.
    sed -E \
      -e '/^CREATE INDEX /{' -e ':a' -e '/;$/!{N;ba' -e '}' \
      -e 's/^CREATE INDEX ([a-z_]+) .*;$/DO $block$ BEGIN IF to_regclass($$cometchat.\1$$) IS NULL THEN\n&\nEND IF; END $block$;/' -e '}' \
      -e 's/^ALTER TABLE (cometchat\.[a-z_]+) REPLICA IDENTITY FULL;/DO $block$ BEGIN IF (SELECT relreplident <> $$f$$ FROM pg_class WHERE oid = $$\1$$::regclass) THEN\n  &\nEND IF; END $block$;/' \
      -e 's/^CREATE (FUNCTION|PROCEDURE|VIEW|TRIGGER) /CREATE OR REPLACE \1 /' \
      -e 's/^CREATE ((UNLOGGED )?TABLE|SEQUENCE) /CREATE \1 IF NOT EXISTS /' \
      -e 's/^( *)CREATE POLICY ([a-z_]+) ON ([a-z_.]+)/\1DROP POLICY IF EXISTS \2 ON \3;\n&/' \
      -e 's/^CREATE TYPE cometchat\.work /DROP TYPE IF EXISTS cometchat.work CASCADE;\n&/' \
      -e 's/^(INSERT INTO cometchat\.[a-z]+ DEFAULT VALUES);/\1 ON CONFLICT DO NOTHING;/' \
      -e 's/ TO cometchat_ext USING/ TO postgres USING/' \
      -e '/^(LANGUAGE|SET) /s/ SET jit = off/& SET standard_conforming_strings = on/' \
      -e "s/SET plan_cache_mode = 'force_generic_plan'/& SET enable_seqscan = off/"
}

mkdir -p "$dir"
out=$dir/cometchat_hosted.sql
{
  printf -- '-- CometChat for supabase.com, %s. Made by `make hosted`; docs/hosted.md says how it is used.\n' "$version"
  printf -- '-- Run it in the SQL editor or as a migration, as the role postgres; running it again updates it.\nBEGIN;\n'
  for file in "${files[@]}"; do
    printf '\n-- ---- sql/%s.sql\n\n' "$file"
    part "$file"
  done
  printf '\nCOMMIT;\n'
} >"$out.new"
if grep -nE "MODULE_PATHNAME|LANGUAGE c\b|^@" "$out.new"; then
  rm -f "$out.new"
  die "the lines above do not belong into the hosted edition"
fi
mv "$out.new" "$out"
for file in uninstall move_to_extension move_from_extension move_in; do cp "sql/hosted/$file.sql" "$dir/$file.sql"; done
say "$out: $(wc -l <"$out") lines"
