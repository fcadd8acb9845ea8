#!/usr/bin/env bash
# `make lint`: formatting, clippy without warnings, and the rules of the house.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
tools/setup.sh 15
failed=0
complain() { printf 'lint: %s\n' "$*" >&2; failed=1; }

say "cargo fmt"
cargo fmt --all --check || complain "run cargo fmt --all"

# Every major whose headers are here; 15 always is.
for major in 15 16 17 18; do
  pg_config=$(sed -n "s/^pg$major *= *\"\(.*\)\"/\1/p" "$PGRX_HOME/config.toml")
  if [ -z "$pg_config" ]; then
    say "clippy for pg$major: skipped, its headers are not here"
    continue
  fi
  say "clippy for pg$major"
  timeout 1800 cargo clippy --quiet --workspace --all-targets --no-default-features \
    --features "cometchat_ext/pg$major,cometchat_ext/pg_test,cometchat_bench/pg$major,safeupdate/pg$major" -- -D warnings || complain "clippy for pg$major"
done

say "shell scripts"
for script in tools/*.sh .ci/run; do bash -n "$script" || complain "$script"; done
if command -v shellcheck >/dev/null; then
  shellcheck --external-sources --source-path=SCRIPTDIR tools/*.sh .ci/run || complain "shellcheck"
else
  say "shellcheck: skipped, it is not installed"
fi

say "workflows"
tools/workflows.sh || complain "workflows.sh"

say "layers, circles, lengths"
tools/import_graph.sh --check-itself || complain "import_graph.sh"
tools/import_graph.sh || complain "the layout: see the header of tools/import_graph.sh"

say "versions and releases"
tools/versions.sh || complain "versions.sh"

# Paths of one machine have no place here.
if git grep -nIE '(/home|/root|/Users)/[a-z]+/' -- . ':!tools/lint.sh' ':!tools/lib.sh'; then
  complain "an absolute path of one machine"
fi

[ "$failed" = 0 ] && say "lint: all is well"
exit "$failed"
