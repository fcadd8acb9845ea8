#!/usr/bin/env bash
# `make example`: the example web app, with a database, a Supabase-like gateway and a local CometChat.
#
#   tools/example.sh [run]        starts it all, says where it is, stops it all on Ctrl-C
#   tools/example.sh test [NAME]  its tests, in a headless Chromium; those whose name contains NAME
#
# UPDATE_SCREENSHOTS=1 with `test` writes the pictures in docs/images anew. With COMETCHAT_APP_ID,
# COMETCHAT_REGION and COMETCHAT_API_KEY_FILE set, `run` uses that app of CometChat's instead.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
web=examples/web
PORT=${PORT:-5173}

# ---- clean-up: whatever happens ---------------------------------------------------------------
work='' backend='' vite=''
cleanup() {
  trap '' INT   # a second Ctrl-C does not leave a database behind
  stop_progress
  [ -z "$vite" ] || kill "$vite" 2>/dev/null || true
  if [ -n "$backend" ]; then
    say "stopping"
    kill "$backend" 2>/dev/null || true
    for _ in $(seq 300); do kill -0 "$backend" 2>/dev/null || break; sleep 0.1; done
    kill -KILL "$backend" 2>/dev/null || true
  fi
  [ -z "$work" ] || rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

# ---- what it stands on ------------------------------------------------------------------------
export COMETCHAT_PG=${COMETCHAT_PG:-15}
tools/setup.sh "$COMETCHAT_PG"
tools/build.sh "$COMETCHAT_PG"
tools/node.sh tests/supabase clients/typescript "$web"
progress "building the client package" timeout 300 npm run build --prefix clients/typescript

case ${1:-run} in
  run) ;;
  test)
    tools/node.sh browser
    cd "$web"
    timeout 120 node_modules/.bin/tsc --noEmit || die "the example's types do not fit"
    # A name is a piece of text, not a pattern.
    name=$(sed 's/[][\.*^$(){}?+|/]/\\&/g' <<<"${2:-}")
    # A minute on an idle machine; the limit is for a hang.
    status=0
    timeout --kill-after=30 300 node_modules/.bin/vitest run ${name:+-t "$name"} || status=$?
    [ "$status" != 124 ] || die "stopped: the tests did not finish within 5 minutes"
    exit "$status"
    ;;
  *) die "usage: tools/example.sh [run | test [NAME]]" ;;
esac

# ---- start ------------------------------------------------------------------------------------
work=$(mktemp -d "${TMPDIR:-/tmp}/cometchat-example.XXXXXX")
# In sessions of their own: Ctrl-C is for this script, which stops them in order.
setsid node tests/supabase/src/serve.ts >"$work/backend.json" 2>"$work/backend.log" &
backend=$!
# wait_for NAME PID LOG COMMAND...: until the command succeeds, for a minute at most.
wait_for() {
  local name=$1 pid=$2 log=$3
  shift 3
  for _ in $(seq 600); do
    ! "$@" 2>/dev/null || return 0
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  tail -n 40 "$log" >&2
  die "$name did not start"
}
wait_for "the database with its gateway" "$backend" "$work/backend.log" grep -q '^{.*}$' "$work/backend.json"
field() { node -p 'JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"))[process.argv[2]] ?? ""' "$work/backend.json" "$1"; }
VITE_SUPABASE_URL=$(field url)
VITE_SUPABASE_PUBLISHABLE_KEY=$(field publishableKey)
LOCAL_COMETCHAT_API_URL=$(field apiUrl)
LOCAL_COMETCHAT_CONTROL_URL=$(field controlUrl)
export VITE_SUPABASE_URL VITE_SUPABASE_PUBLISHABLE_KEY LOCAL_COMETCHAT_API_URL LOCAL_COMETCHAT_CONTROL_URL
export VITE_COMETCHAT_APP_ID=${COMETCHAT_APP_ID:-} VITE_COMETCHAT_REGION=${COMETCHAT_REGION:-}

setsid "$web/node_modules/.bin/vite" "$web" --host 127.0.0.1 --port "$PORT" --clearScreen false >"$work/vite.log" 2>&1 &
vite=$!
page() { grep -oE 'http://127\.0\.0\.1:[0-9]+/' <(sed 's/\x1b\[[0-9;]*m//g' "$work/vite.log") | head -1 | grep .; }
wait_for "the page" "$vite" "$work/vite.log" eval 'page >/dev/null'

bold='' off=''
[ ! -t 1 ] || { bold=$'\033[1m' off=$'\033[0m'; }
printf '\n   %s%s%s   open this in a browser\n\n' "$bold" "$(page)" "$off"
if [ -n "$LOCAL_COMETCHAT_CONTROL_URL" ]; then
  cat <<END
   1. Sign up with any name, address and password: nothing leaves this machine.
   2. Change the display name, and watch it arrive at CometChat.
   3. Switch CometChat off at the foot of the page, sign up once more, switch it on again.
END
else
  echo "   Who signs up is created in the CometChat app $COMETCHAT_APP_ID, and is in its dashboard."
fi
cat <<END

   Supabase-like gateway   $VITE_SUPABASE_URL
   CometChat               $LOCAL_COMETCHAT_API_URL
   code                    $web/src/main.ts; other frameworks: docs/frameworks
   ${bold}stop${off}                    Ctrl-C

END
# Whichever ends first ends the other.
wait -n "$backend" "$vite" || true
tail -n 20 "$work/backend.log" "$work/vite.log" >&2
die "one of the servers ended by itself"
