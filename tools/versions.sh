#!/usr/bin/env bash
# The rules of versions, for `make lint`; RELEASING.md says how they come about.
#
#   the version is the same in every file that names it
#   what was released is as it was released (sql/released/SHA256SUMS)
#   a script leads from each released version to the present one, and every way of installing ships it
#   the library still has each function that the SQL of a released version calls: it serves that SQL from
#   the restart of the server to ALTER EXTENSION UPDATE
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
shopt -s nullglob
failed=0
complain() { printf 'versions: %s\n' "$*" >&2; failed=1; }

version=$(crate_version)
client=clients/typescript
for file in $client/package.json $client/package-lock.json; do
  grep -qF "\"version\": \"$version\"" "$file" || complain "$file is not of version $version"
done
[ "$(grep -cF "\"version\": \"$version\"" META.json)" = 2 ] || complain "META.json is not of version $version, twice"
grep -qF "cometchat-ext-$version.tgz" $client/README.md || complain "$client/README.md names another version"
grep -q "^## \(Unreleased ($version)\|\[$version\] - \)" $client/CHANGELOG.md || complain "$client/CHANGELOG.md has no heading for $version"
for page in docs/frameworks/*.md; do
  ! grep -o 'cometchat-ext-[0-9.]*\.tgz' "$page" | grep -qvxF "cometchat-ext-$version.tgz" || complain "$page names another version"
done
grep -qF "\"cometchat-ext\": \"$version\"" examples/from-your-own-route/to-the-extension.diff ||
  complain "examples/from-your-own-route/to-the-extension.diff names another version"
grep -q "^## \(Unreleased ($version)\|\[$version\] - \)" CHANGELOG.md || complain "CHANGELOG.md has no heading for $version"

# What was released.
(cd sql && sha256sum --quiet --check --strict released/SHA256SUMS) ||
  complain "a released file was changed: put it back, and let the next version's upgrade script do it"
for path in sql/released/*.sql; do
  grep -qF " ${path#sql/}" sql/released/SHA256SUMS || complain "$path is not in sql/released/SHA256SUMS"
  old=${path##*--} old=${old%.sql}
  grep -q "^## \[$old\] - 20..-..-..$" CHANGELOG.md || complain "CHANGELOG.md has no date for the release $old"
  [ "$old" != "$version" ] || continue
  # Steps lead there one by one: Postgres finds the way, and so does this.
  at=$old
  while [ "$at" != "$version" ]; do
    step=$(compgen -G "sql/upgrades/cometchat_ext--$at--*.sql" | sort -V | tail -n 1) || true
    [ -n "$step" ] || { complain "no script in sql/upgrades leads from $at on, to $version"; break; }
    at=${step##*--} at=${at%.sql}
  done
done

# cargo-pgrx ships what lies in sql/ itself.
for path in sql/upgrades/*.sql; do
  link=sql/${path##*/}
  [ "$(readlink "$link" 2>/dev/null)" = "upgrades/${path##*/}" ] ||
    complain "$link is not a link to $path: ln -s upgrades/${path##*/} $link"
  to=${path##*--} to=${to%.sql}
  [ ! -e "sql/released/cometchat_ext--$to.sql" ] || grep -qF " ${path#sql/}" sql/released/SHA256SUMS ||
    complain "$path belongs to a released version and is not in sql/released/SHA256SUMS"
done

# Functions in C, by their symbols.
while read -r symbol; do
  grep -q "fn ${symbol%_wrapper}\b" src/api.rs || complain "src/api.rs lacks ${symbol%_wrapper}(), which a released version calls"
done < <(grep -ho "'cometchat_[a-z_]*_wrapper'" sql/released/*.sql | tr -d "'" | sort -u)

exit "$failed"
