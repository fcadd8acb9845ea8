#!/usr/bin/env bash
# Prints a released version's section of CHANGELOG.md; fails if it has none.
#
#   tools/release_notes.sh VERSION
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
notes=$(awk -v head="## [$1] - " '/^## / { inside = index($0, head) == 1; next } inside' CHANGELOG.md)
[ -n "${notes//[$'\n ']/}" ] || die "CHANGELOG.md has no section [$1] with a date"
printf '%s\n' "$notes"
