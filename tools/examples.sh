#!/usr/bin/env bash
# The examples of docs/frameworks: built as for deployment, on database, gateway and a local CometChat.
#
#   tools/examples.sh test [NAME ...]   their types, and their tests in a headless Chromium; all, if none is named
#   tools/examples.sh run NAME          starts one, says where it is, stops it all on Ctrl-C (PORT=5173)
#
# UPDATE_SCREENSHOTS=1 with `test` writes the pictures in docs/images anew.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
trap stop_progress EXIT
trap 'exit 130' INT TERM HUP
export COMETCHAT_PG=${COMETCHAT_PG:-15} NEXT_TELEMETRY_DISABLED=1 NG_CLI_ANALYTICS=false EXPO_NO_TELEMETRY=1 CI=1
all=(vue angular nextjs expo from-your-own-route)

# prepare NAME: its packages; the walk-through has those of the Next.js example.
prepare() {
  [[ " ${all[*]} " == *" $1 "* ]] || die "there is no examples/$1: there are ${all[*]}"
  tools/node.sh tests/supabase clients/typescript examples/shared "examples/${1/from-your-own-route/nextjs}"
}
# check NAME: its types and those of its page's snippet, against CometChat's UI Kit; Next checks those of the walk-through when it builds.
check() {
  [ "$1" != from-your-own-route ] || return 0
  (
    cd "examples/$1"
    [ "$1" != nextjs ] || timeout 120 node_modules/.bin/next typegen >&2
    timeout 300 npm run --silent check
    local page=$1
    [ "$1" != nextjs ] || page=react # whose snippet is React's, too
    timeout 300 node ../shared/snippets.ts "$1" "$page.md"
  ) || die "the types of examples/$1 do not fit"
}

[ $# -gt 0 ] || set -- usage
action=$1
shift
tools/setup.sh "$COMETCHAT_PG"
tools/build.sh "$COMETCHAT_PG"
case $action in
  run)
    prepare "${1:?which example?}"
    progress "building the client package" timeout 300 npm run build --prefix clients/typescript
    say "building and starting examples/$1"
    exec node examples/shared/run.ts "$1" "${PORT:-5173}"
    ;;
  test)
    [ $# -gt 0 ] || set -- "${all[@]}"
    tools/node.sh browser
    for name; do prepare "$name"; done
    # The examples' folders link to it.
    progress "building the client package" timeout 300 npm run build --prefix clients/typescript
    timeout 120 examples/shared/node_modules/.bin/tsc --noEmit -p examples/shared || die "the tests' types do not fit"
    for name; do
      say "examples/$name: types"
      check "$name"
      say "examples/$name: tests"
      if [ "$name" = expo ]; then (cd examples/expo && timeout 300 npm test --silent); fi
      # A minute or two on a quiet machine; the limit is for a hang.
      (cd examples/shared && timeout --kill-after=30 900 node_modules/.bin/vitest run "tests/$name.test.ts")
    done
    ;;
  *) die "usage: tools/examples.sh test [NAME ...] | run NAME" ;;
esac
