#!/usr/bin/env bash
# `make hosted`: the edition for supabase.com, one SQL file out of sql/ and sql/hosted/, and its uninstall.sql.
#
#   tools/hosted.sh [DIR]        DIR: where to, dist/ if not given
#
# The shared files are taken as they are but for what a second run, or a server without the extension, needs:
# the rules below. A rule that no longer applies is an error.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
dir=${1:-dist}
version=$(sed -n '0,/^version *= *"\(.*\)"/s//\1/p' Cargo.toml)
files=(
  hosted/requirements hosted/rights tables policies hosted/state hosted/settings auth_users enqueue
  trigger_failures auth_trigger hosted/request hosted/profile hosted/save hosted/user_sync hosted/queue
  hosted/remote hosted/auth_users worker operations health/api health/worker health/auth_users health/queue
  hosted/health_extension health reconcile hosted/public_api grants hosted/install
)
mkdir -p "$dir"
out=$dir/cometchat_hosted.sql
{
  printf -- '-- CometChat for supabase.com, %s. Made by `make hosted`; docs/hosted.md says how it is used.\n' "$version"
  printf -- '-- Run it in the SQL editor or as a migration, as the role postgres; running it again updates it.\nBEGIN;\n'
  for file in "${files[@]}"; do
    printf '\n-- ---- sql/%s.sql\n\n' "$file"
    # Functions are replaced, tables stay: so a newer file updates an older installation.
    sed -E \
      -e 's/^CREATE (FUNCTION|PROCEDURE|VIEW|TRIGGER) /CREATE OR REPLACE \1 /' \
      -e 's/^CREATE ((UNLOGGED )?TABLE|SEQUENCE|INDEX) /CREATE \1 IF NOT EXISTS /' \
      -e 's/^( *)CREATE POLICY ([a-z_]+) ON ([a-z_.]+)/\1DROP POLICY IF EXISTS \2 ON \3;\n&/' \
      -e 's/^CREATE TYPE cometchat\.work /DROP TYPE IF EXISTS cometchat.work CASCADE;\n&/' \
      -e 's/^(INSERT INTO cometchat\.control DEFAULT VALUES);/\1 ON CONFLICT DO NOTHING;/' \
      -e "s/(table_owner IS DISTINCT FROM) 'cometchat_ext'/\1 current_user/" \
      -e "s/'library_version', '[^']*'/'library_version', '$version'/" \
      -e 's/OWNER TO cometchat_ext;/OWNER TO postgres;/' "sql/$file.sql"
  done
  printf '\nCOMMIT;\n'
} >"$out.new"
# What a rule was to change and did not.
if grep -nE "cometchat_ext'|MODULE_PATHNAME|LANGUAGE c\b|^CREATE (FUNCTION|TABLE|VIEW|POLICY|INDEX|SEQUENCE)" "$out.new" |
   grep -v "extname = 'cometchat_ext'" | grep -vE 'IF NOT EXISTS|OR REPLACE|CREATE POLICY'; then
  rm -f "$out.new"; die "the lines above do not belong into the hosted edition"
fi
mv "$out.new" "$out"
cp sql/hosted/uninstall.sql "$dir/uninstall.sql"
say "$out: $(wc -l <"$out") lines"
