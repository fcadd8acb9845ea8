#!/usr/bin/env bash
# Prints CHANGELOG.md in the form of Debian's changelogs.
#
#   tools/debian_changelog.sh PACKAGE       SOURCE_DATE_EPOCH: when a version that has no date yet was built
set -euo pipefail
cd "$(dirname "$0")/.."
maintainer=$(sed -n 's/^maintainer = "\(.*\)"/\1/p' Cargo.toml)
# entry VERSION DATE: the head of an entry, its text from the input, and its end.
entry() {
  printf '%s (%s-1) unstable; urgency=medium\n\n' "$package" "$1"
  # Items on one line each, then folded as Debian wants them.
  awk '/^- / { if (item != "") print item; sub(/^- /, ""); item = $0; next }
       /^###/ || /^$/ { next }
       item != "" { sub(/^ +/, ""); item = item " " $0 }
       END { if (item != "") print item }' |
    while IFS= read -r item; do fold -s -w 74 <<<"$item" | sed -e 's/ *$//' -e '1s/^/  * /' -e '2,$s/^/    /'; done
  printf '\n -- %s  %s\n\n' "$maintainer" "$(LC_ALL=C date -u -R -d "$2")"
}
package=$1

mapfile -t heads < <(grep -n '^## ' CHANGELOG.md)
end=$(wc -l <CHANGELOG.md)
for number in "${!heads[@]}"; do
  from=${heads[$number]%%:*}
  next=${heads[$((number + 1))]:-}
  to=$((${next%%:*} - 1)); [ -n "$next" ] || to=$end
  # "## Unreleased (0.2.0)" or "## [0.1.0] - 2026-11-28"
  version=$(sed 's/.*[[(]\([0-9.]*\)[])].*/\1/' <<<"${heads[$number]}")
  date=$(grep -oE '[0-9]{4}-[0-9]{2}-[0-9]{2}$' <<<"${heads[$number]}" || true)
  sed -n "$((from + 1)),${to}p" CHANGELOG.md | entry "$version" "${date:-@${SOURCE_DATE_EPOCH:-$(date +%s)}}"
done
