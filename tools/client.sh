#!/usr/bin/env bash
# Builds the TypeScript client and runs all its tests: behaviour over real HTTP, types, and the
# packed package in an app of its own. About ten seconds once the packages are installed.
#
#   tools/client.sh [NAME]       only tests whose name contains NAME
#
# The last line sums up as cargo test does: test result: ok. N passed; N failed; N ignored; ...
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
name=${1:-}
client=clients/typescript
report=$(mktemp)
trap 'rm -f "$report"' EXIT
trap 'exit 130' INT TERM HUP

tools/node.sh "$client"
cd "$client"
# The limits are for a hang.
timeout 300 npm run --silent build

arguments=(run --reporter=default --reporter=json "--outputFile.json=$report")
if [ -n "$name" ]; then
  # vitest takes a regular expression; this is a piece of a name.
  arguments+=(--testNamePattern "$(sed 's/[][\.*^$+?(){}|/]/\\&/g' <<<"$name")")
fi
status=0
timeout --kill-after=5 300 node_modules/.bin/vitest "${arguments[@]}" || status=$?

# Counted here: vitest calls what NAME left out skipped, and runs the type tests whatever NAME says.
node - "$report" "$status" "$name" <<'SUM'
const [, , file, status, name] = process.argv;
let tests = [];
try {
  const { testResults } = JSON.parse(require('node:fs').readFileSync(file, 'utf8'));
  tests = testResults.flatMap((result) => result.assertionResults);
} catch { /* it did not finish */ }
const named = tests.filter((test) => test.fullName.includes(name));
const count = (...states) => named.filter((test) => states.includes(test.status)).length;
// A run that fails without a failing test, as by an error in a source file, is one that failed.
const failed = count('failed') || (status === '0' ? 0 : 1);
console.log(
  `test result: ${failed ? 'FAILED' : 'ok'}. ${count('passed')} passed; ${failed} failed; ` +
    `${count('pending', 'skipped', 'todo')} ignored; ${tests.length - named.length} filtered out`,
);
SUM
exit "$status"
